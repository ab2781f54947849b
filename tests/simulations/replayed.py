"""The shipped reference study again, looked at seed by seed: `python -m tests.simulations.replayed`."""

from pathlib import Path

from rftlab.answer.decisions import decide
from rftlab.answer.results import read_results
from rftlab.answer.settle import replay
from rftlab.files.archive import opened

ARCHIVE = Path(__file__).parents[2] / "results" / "shipped" / "reference.tar.xz"


def main() -> None:
    """Print what it would have taken, and which verdicts differ."""
    results = read_results(opened(ARCHIVE))
    whole, again = decide(results), replay(results)
    after = decide(again.results, again.stops)
    compared = [each for each in whole.decisions if (each.family, each.measure) == ("confirmatory", whole.decides)]
    others = []
    for each in compared:
        found = after.between(each.place, each.first, each.second)
        if found is None or found.word != each.word:
            where = f"{each.place.task}, {each.place.labels} labels, {each.first} and {each.second}"
            others.append(f"{where}: {each.word}, then {found.word if found else 'not compared'}")
    print(f"{again.looks} looks, {again.cells[0]} of {again.cells[1]} cells")
    print(f"{len(compared) - len(others)} of {len(compared)} comparisons end with the same word")
    print("\n".join(others))


if __name__ == "__main__":
    main()

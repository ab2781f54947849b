"""Win rate, where no answer is right: how often one arm's completion is preferred to another's for the same prompt.

Judged are the greedy completions of test items, two arms of one place at a time, seed by seed, in both orders. Where
the two orders do not name the same winner neither has won. What the first arm won of an item (1, 0, or .5 for a tie)
minus .5 is a paired difference like any other: a row a seed, a column an item.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rftlab import record
from rftlab.answer.comparisons import Pair, Place, matched, runs, side_by_side
from rftlab.answer.results import Results
from rftlab.errors import RftlabError
from rftlab.folds import Folds
from rftlab.record.judgements import Judgement, digest_of, read_judgements
from rftlab.registry import suggest

WIN_RATE = "win_rate"
EVEN = 0.5


class Contest(NamedTuple):
    """Two arms side by side whose completions can be judged.

    Attributes:
        place: where.
        first: an arm.
        second: another.
        methods: the methods of both.
        cells: the cells of both, by seed.
        folds: of which rows their seeds are folds; None where test items stand apart.
        pool: how many rows their labels were drawn from; 0 if unknown.
    """

    place: Place
    first: str
    second: str
    methods: tuple[str, str]
    cells: Mapping[str, tuple[str, str]]
    folds: Folds | None = None
    pool: int = 0


class Question(NamedTuple):
    """What a judge is asked: which of two completions, of two cells, is better for the prompt of an item.

    Attributes:
        first: id of the cell whose completion is shown first.
        second: id of the cell of the other.
        item: id of the test item.
        prompt: as it was put to the policies, without solved examples.
        one: the completion shown first.
        other: the one shown second.
    """

    first: str
    second: str
    item: str
    prompt: str
    one: str
    other: str

    @property
    def of(self) -> str:
        """Digest of what the judge sees."""
        return digest_of(self.prompt, self.one, self.other)


class _Answer(NamedTuple):
    prompt: str
    text: str | None
    tokens: int


class Count(NamedTuple):
    """What one judge said of one contest.

    Attributes:
        judge: who; with its version where another of the same name judged at the same place.
        by: its version (`Judgement.by`).
        contest: the two arms.
        table: share that the first arm won, a row a seed and a column an item; NaN where there is no verdict.
        verdicts: how many pairs were won, tied and lost by the first arm, disagreed about by the two orders (which
            count as tied too), judged in both orders, and left without a verdict.
        tokens: mean length of both arms' completions of the items judged, in tokens.
    """

    judge: str
    by: str
    contest: Contest
    table: pd.DataFrame
    verdicts: Mapping[str, int]
    tokens: tuple[float, float]

    @property
    def pair(self) -> Pair:
        """As a comparison: share won minus one half."""
        contest = self.contest
        of = (contest.place, "method", contest.first, contest.second, contest.methods)
        return Pair(*of, self.table - EVEN, EVEN, contest.folds, contest.pool)


def contests(results: Results, between: Sequence[tuple[str, str]] = ()) -> list[Contest]:
    """Every two arms that stand side by side and have seeds in common.

    Args:
        results: as read.
        between: only these pairs of methods or arms, in either order; empty takes all.

    Raises:
        RftlabError: a name in ``between`` is no arm, or two stand nowhere side by side.
    """
    found = []
    for place, a, b in side_by_side(runs(results, "accuracy")):
        one, other = matched(a, b)
        cells = {str(seed): (str(one.at[seed, "cell"]), str(other.at[seed, "cell"])) for seed in one.index}
        if cells:
            pool = min((arm.pool for arm in (a, b) if arm.pool), default=0)
            found.append(Contest(place, a.arm, b.arm, (a.method, b.method), cells, a.folds or b.folds, pool))
    names = {name for each in found for name in (each.first, each.second, *each.methods)}
    wanted = set()
    for two in between:
        for name in two:
            if name not in names:
                known = ", ".join(sorted(names)) or "none"
                raise RftlabError(f"no arm {name!r} can be judged{suggest(name, names)}; there are: {known}")
        here = {i for i, each in enumerate(found) if _is_between(each, two)}
        if not here:
            raise RftlabError(f"{two[0]} and {two[1]} stand nowhere side by side, or share no seed; name two that do")
        wanted |= here
    return [each for i, each in enumerate(found) if i in wanted or not between]


def _is_between(contest: Contest, two: tuple[str, str]) -> bool:
    sides = {contest.first, contest.methods[0]}, {contest.second, contest.methods[1]}
    return any(a in sides[0] and b in sides[1] for a, b in (two, two[::-1]))


def questions(results: Results, contest: Contest, items: int = 0) -> Iterator[Question]:
    """What there is to ask about a contest, each pair of completions in both orders.

    Args:
        results: as read.
        contest: one of `contests`.
        items: the first so many test items; 0 takes all.

    Raises:
        RftlabError: the texts were left out of the records, as an archive may.
    """
    for cells in contest.cells.values():
        one, other = (_answers(results.where, cell) for cell in cells)
        shared = [item for item in one if item in other]
        for item in shared[: items or None]:
            a, b = one[item], other[item]
            if a.text is None or b.text is None:
                raise RftlabError(f"{results.where} was exported without the text of item {item}: nothing to judge")
            prompt = min(a.prompt, b.prompt, key=len)
            yield Question(*cells, item, prompt, a.text, b.text)
            yield Question(*cells[::-1], item, prompt, b.text, a.text)


def _answers(results: str | Path, cell: str) -> Mapping[str, _Answer]:
    """A cell's greedy answers to its test items, in their order."""
    path = record.cells_dir(Path(results)) / cell / record.SAMPLES
    try:
        at = path.stat()
    except OSError as error:
        raise RftlabError(f"{path} cannot be read ({error.strerror}); run the grid again") from None
    return _read(path, at.st_ino, at.st_size, at.st_mtime_ns)


@lru_cache(maxsize=2000)
def _read(path: Path, *_state: int) -> Mapping[str, _Answer]:
    rows = record.read_lines(path, containing='"part": "test"')
    return {
        row["item"]: _Answer(row.get("prompt", ""), row.get("completion"), row["length"])
        for row in rows
        if row["part"] == "test"
    }


def counts(results: Results) -> list[Count]:
    """What every judge said of every contest that it judged; judgements of texts that are no longer there are left out.

    Raises:
        RftlabError: the judgements cannot be read.
    """
    by_judge: dict[tuple[str, str], dict[tuple[str, str, str], Judgement]] = {}
    for each in read_judgements(results.where):
        by_judge.setdefault((each.judge, each.by), {})[each.first, each.second, each.item] = each
    found = []
    for contest in contests(results) if by_judge else ():
        for who, said in sorted(by_judge.items()):
            made = _count(results, contest, who, said)
            if made.table.size:
                found.append(made)
    return _told_apart(found)


def _told_apart(found: Sequence[Count]) -> list[Count]:
    """Judges that share a name and a place and are not the same judge, each with its version in its name."""
    versions: dict[tuple[object, ...], set[str]] = {}
    for each in found:
        versions.setdefault(_bench(each), set()).add(each.by)
    return [
        each._replace(judge=f"{each.judge} ({each.by[:6]})") if len(versions[_bench(each)]) > 1 else each
        for each in found
    ]


def _bench(each: Count) -> tuple[object, ...]:
    """Where one judge of a name decides: at all budgets of a panel and a prompt."""
    return each.judge, *each.contest.place[:4]


def _count(
    results: Results, contest: Contest, who: tuple[str, str], said: Mapping[tuple[str, str, str], Judgement]
) -> Count:
    shares: dict[str, dict[str, float]] = {}
    verdicts = Counter[str]({"won": 0, "tied": 0, "lost": 0, "disagreed": 0, "both orders": 0, "no verdict": 0})
    lengths: list[tuple[int, int]] = []
    for seed, (a, b) in contest.cells.items():
        one, other = _answers(results.where, a), _answers(results.where, b)
        for item in one:
            orders = (said.get((a, b, item)), said.get((b, a, item)))
            known = [each for each in orders if each and _is_of(each, one, other, turned=each.first == b)]
            if not known or item not in other:
                continue
            won = [None if each.share is None else each.share if each.first == a else 1 - each.share for each in known]
            share = _share(won)
            shares.setdefault(seed, {})[item] = share
            lengths.append((one[item].tokens, other[item].tokens))
            verdicts["both orders"] += len(won) == 2 and None not in won
            verdicts["disagreed"] += len(set(won)) == 2 and None not in won
            verdicts["no verdict" if share != share else _name(share)] += 1
    table = pd.DataFrame.from_dict(shares, orient="index").astype(float)
    tokens = tuple(sum(each) / len(lengths) for each in zip(*lengths, strict=True)) if lengths else (nan, nan)
    return Count(*who, contest, table, dict(verdicts), tokens)  # type: ignore[arg-type]


def _is_of(each: Judgement, one: Mapping[str, _Answer], other: Mapping[str, _Answer], *, turned: bool) -> bool:
    """Whether the texts that were judged are those of the records; of texts that were left out nothing is known."""
    a, b = one.get(each.item), other.get(each.item)
    if a is None or b is None:
        return False
    if a.text is None or b.text is None:
        return True
    texts = (b.text, a.text) if turned else (a.text, b.text)
    return each.of == digest_of(min(a.prompt, b.prompt, key=len), *texts)


def _share(won: Sequence[float | None]) -> float:
    """What the first arm won by one or two orders: half where they differ, NaN where one of them is no verdict."""
    if any(each is None for each in won):
        return nan
    return float(won[0] or 0.0) if len(set(won)) == 1 else EVEN


def _name(share: float) -> str:
    return "tied" if share == EVEN else "won" if share > EVEN else "lost"


def measure_of(judge: str) -> str:
    """The name of the measure in the table of decisions: each judge has one of its own."""
    return f"{WIN_RATE} by {judge}"


def pairs(results: Results) -> dict[str, list[Pair]]:
    """What every judge said as comparisons, by measure; those that no judge has looked at are not there.

    Raises:
        RftlabError: the judgements cannot be read.
    """
    found: dict[str, list[Pair]] = {}
    for each in counts(results):
        found.setdefault(measure_of(each.judge), []).append(each.pair)
    return found

"""README's two sentences on trust, made from the tables in docs/proof.md: `python -m tests.proof.trust` writes them."""

import re
from pathlib import Path

from tests.common.blocks import Block

ROOT = Path(__file__).parents[2]
# Section -> what of it came out, after "so many of so many".
_CLAIMS = {
    "faults": "faults (kills, damaged files, clocks that jump, folders moved) left the records of an undisturbed run",
    "inputs": "bad inputs were refused in one sentence, with nothing left behind",
    "security": "hostile texts, paths, archives and probes came to nothing",
    "load": "limits of memory, time and files were kept under load",
    "reproducibility": "cells, run in another way, again or with another seed, came out as they should",
}
_ROW = re.compile(r"^\| `(\w+)\.\w+` \| [^|]+ \| (\d+) \| (\d+) \|", re.MULTILINE)


def counts(page: str) -> dict[str, tuple[int, int]]:
    """Cases held and tried by section, summed over the tables of a page; in the order of `_CLAIMS`.

    Raises:
        KeyError: a row of a section that the sentences have no words for.
    """
    found: dict[str, list[int]] = {}
    for section, tried, held in _ROW.findall(page):
        if section not in _CLAIMS:
            raise KeyError(section)
        sums = found.setdefault(section, [0, 0])
        sums[0] += int(held)
        sums[1] += int(tried)
    return {section: (found[section][0], found[section][1]) for section in _CLAIMS if section in found}


def sentences(page: str) -> str:
    """What README says of a page of tables: what was tried and held, and where the rest stands."""
    told = [f"{held} of {tried} {_CLAIMS[section]}" for section, (held, tried) in counts(page).items()]
    listed = "; ".join(told)
    return (
        f"`make proof` tries what is said here of robustness: {listed}. [What was tried, what fell short, and what "
        "nobody tried](docs/proof.md) stands there line by line."
    )


def _of_page(page: Path) -> str:
    return f"{sentences(page.read_text(encoding='utf-8'))}\n"


BLOCK = Block("proof", ROOT / "README.md", ROOT / "docs" / "proof.md", _of_page)

if __name__ == "__main__":
    BLOCK.write()

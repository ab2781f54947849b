"""README's sentences on trust hold the figures of the table of proofs, and no others."""

import pytest

from tests.proof import trust

PAGE = """
| `faults.kill` | A run | 10 | 9 | driver: it \\| hung | 105 s | abc |
| `faults.clock` | A clock | 3 | 3 |  | 29 s | abc |
| `inputs.grids` | a grid | 40 | 40 |  | 9 s | abc |
"""


def test_readme_says_what_the_table_says() -> None:
    assert trust.BLOCK.found == trust.BLOCK.made, "write it with: python -m tests.proof.trust"


def test_cases_are_summed_by_section() -> None:
    assert trust.counts(PAGE) == {"faults": (12, 13), "inputs": (40, 40)}
    assert ": 12 of 13 faults" in trust.sentences(PAGE)
    assert trust.sentences(PAGE.replace("| 40 | 40 |", "| 40 | 39 |")) != trust.sentences(PAGE)


def test_a_section_without_words_is_noticed() -> None:
    with pytest.raises(KeyError, match="weather"):
        trust.counts(PAGE + "| `weather.rain` | It rains | 1 | 1 |  | 1 s | abc |\n")

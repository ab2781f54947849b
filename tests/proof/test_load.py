"""How a long run is judged: a leak, a growing memory and a slower cell are told, and what comes and goes is not."""

import pytest

from tests.proof.load.flat import COUNTED, growth, leak, processor, slower, wall


def figures(cells: int = 100, **growing: float) -> list[dict[str, float]]:
    """Of so many cells, each of which comes and goes by a kernel; what is named grows by so much with each."""
    return [
        {
            **{name: 10 + 3 * (n % 3) + n * growing.get(name, 0) for name in COUNTED},
            "memory": 1e8 + 1e5 * (n % 5) + n * growing.get("memory", 0),
            "seconds": 0.5 + 0.1 * (n % 2) + n * growing.get("seconds", 0),
            "processor": 0.4 * n + n * n * growing.get("processor", 0),
        }
        for n in range(cells)
    ]


@pytest.mark.parametrize("name", COUNTED)
def test_one_that_is_left_by_every_cell_is_told(name):
    assert leak(figures(), name) == ""
    assert leak(figures(**{name: 1}), name) == "114 at the end, 54 near the beginning"


def test_memory_may_grow_by_what_is_remembered_of_a_cell_and_no_more():
    assert growth(figures(memory=2e3), "memory", 1e4) == ""
    assert growth(figures(memory=5e4), "memory", 1e4) == "grew by 50.0 KB a cell, from 101.7 to 104.7 MB"


def test_a_cell_that_takes_longer_at_the_end_is_told_by_the_clock_and_by_the_processors():
    assert slower(figures(), wall, 1.5, "by the clock") == slower(figures(), processor, 1.3, "of all") == ""
    assert "s by the clock at the end" in slower(figures(seconds=0.02), wall, 1.5, "by the clock")
    assert "s of all at the end" in slower(figures(processor=0.01), processor, 1.3, "of all")


def test_of_a_few_cells_nothing_can_be_said():
    with pytest.raises(ValueError, match="9 cells have no fifths"):
        leak(figures(9), "files")

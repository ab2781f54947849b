"""More seeds and budgets in a grid that people wrote: the cells that were there stay, and so do comments."""

from pathlib import Path

import pytest

from rftlab.errors import RftlabError
from rftlab.files.paths import packaged_grids
from rftlab.grid import Grid
from rftlab.grid.widened import widened

WRITTEN = """\
# what I want to know
task: arithmetic/word
method: [base, sft]   # two
labels: 10
"""


def seeds_of(path: Path, text: str) -> set[int]:
    return {cell.seed for cell in Grid.load(path, text).cells}


def test_a_seed_and_a_budget_that_were_left_to_defaults_are_written_out(tmp_path):
    path = tmp_path / "g.yaml"
    more = widened(path, WRITTEN, seeds=(1, 2), labels=(100,))
    assert more == WRITTEN.replace("labels: 10", "labels: [10, 100]") + "seed: [0, 1, 2]\n"
    assert widened(path, more, seeds=(2,)) == more
    assert not path.exists()


@pytest.mark.parametrize("name", ["demo", "reference", "scenario_qa", "win_rate"])
def test_packaged_grids_grow_by_a_seed_and_keep_their_cells(name):
    path = packaged_grids()[name]
    text = path.read_text()
    before, new = Grid.load(path), max(seeds_of(path, text)) + 1
    more = widened(path, text, seeds=(new,))
    after = Grid.load(path, more)
    assert {cell.id for cell in before.cells} < {cell.id for cell in after.cells}
    assert after.variants == before.variants
    assert seeds_of(path, more) == {*seeds_of(path, text), new}
    assert after.plan.max_seeds >= len(seeds_of(path, more))
    comments = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert [line.strip() for line in more.splitlines() if line.strip().startswith("#")] == comments


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        (
            "include:\n  - {method: sft, seed: 1}\n  - {method: grpo, labels: 10}\n",
            {"seeds": (2,)},
            "in several ways; change it by hand",
        ),
        ("method: base\n", {"labels": (10,)}, "no arm of .* has a label budget"),
        ("metod: sft\n", {"seeds": (1,)}, "line 1: .*metod"),
    ],
)
def test_what_cannot_be_widened_in_place_is_said(tmp_path, text, more, says):
    with pytest.raises(RftlabError, match=says):
        widened(tmp_path / "g.yaml", text, **more)

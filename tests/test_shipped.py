"""The shipped reference study is whole, and reads as the README says."""

import pytest

import rftlab
from rftlab.grid import Grid
from tests import shipped


def test_the_shipped_study_is_whole_and_small():
    cells = rftlab.load(shipped.ARCHIVE)
    planned = Grid.load(shipped.ROOT / "notebooks/grids/reference.yaml").cells
    axes = ["task", "method", "labels", "cot", "cot_eval", "seed"]
    assert set(cells[axes].itertuples(index=False, name=None)) == {
        tuple(cell.flat()[axis] for axis in axes) for cell in planned
    }
    assert sum(file.stat().st_size for file in shipped.ARCHIVE.parent.iterdir()) < 15e6


@pytest.mark.slow
def test_the_readme_says_what_the_shipped_study_says():
    assert shipped.BLOCK.findall(shipped.README.read_text()) == [shipped.block()]

"""The shipped studies are whole, and the pages say of them what their archives say."""

import pytest

import rftlab
from rftlab.grid import Grid
from rftlab.policy import teachers
from tests import shipped

GRIDS = shipped.ROOT / "notebooks" / "grids"
ARCHIVES = [shipped.ARCHIVE, shipped.ANSWERS, shipped.REAL, shipped.NO_START]
AXES = ["task", "method", "preset", "labels", "cot", "cot_eval", "seed"]


def teacher() -> str:
    """The id by which the second study's grid names the policy that taught."""
    [cell] = Grid.load(GRIDS / "answers_teacher.yaml").cells
    return cell.id


@pytest.mark.parametrize("archive", ARCHIVES, ids=[archive.name for archive in ARCHIVES])
def test_a_shipped_study_is_whole(archive):
    cells = rftlab.load(archive)
    path = GRIDS / f"{archive.name.removesuffix('.tar.xz')}.yaml"
    # Its teacher is another study's cell, which is trained before; which model it is makes no other cells.
    planned = Grid.load(path, path.read_text().replace(teacher(), "tiny-base")).cells
    assert set(cells[AXES].itertuples(index=False, name=None)) == {
        tuple(cell.flat()[axis] for axis in AXES) for cell in planned
    }


def test_what_is_shipped_is_small():
    assert sum(file.stat().st_size for file in shipped.SHIPPED.iterdir()) < 17e6


def test_the_grid_names_the_teacher_that_its_other_grid_trains():
    text = (GRIDS / "answers.yaml").read_text()
    assert text.count(f"{teachers.SETTING}: {teacher()}") == 1


def test_the_arms_with_a_teacher_and_no_others_have_its_labels_beside_theirs():
    cells = rftlab.load(shipped.ANSWERS)
    taught = cells[cells["method"].isin(["distill", "distill-offline"])]
    assert set(taught["teacher_labels"]) == {1000}
    assert cells.drop(taught.index)["teacher_labels"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("block", shipped.BLOCKS, ids=[block.name for block in shipped.BLOCKS])
def test_the_pages_say_what_the_shipped_studies_say(block):
    assert block.found == block.made

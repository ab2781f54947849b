"""How far a run is, told to other processes while it goes on, and to nobody once it is over."""

import json
from pathlib import Path

import pytest

from rftlab import cli
from rftlab.cell import Cell
from rftlab.execute.display import Display
from rftlab.execute.one_cell import Outcome
from rftlab.execute.progress_file import FILE, read_progress
from rftlab.execute.results import results_lock, write_grid
from rftlab.grid import Grid

CELLS = tuple(Cell.make({"method": "sft", "labels": 10, "seed": seed}) for seed in (0, 1))


def test_a_run_says_where_it_is_and_nothing_once_it_is_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_grid(tmp_path, Grid("mine", CELLS))
    with Display("mine", CELLS, left=CELLS, workers=1, results=tmp_path) as display:
        assert read_progress(tmp_path) is None
        display.started(CELLS[0])
        display.finished(Outcome(CELLS[0], "failed", 2.0, None, "x"))
        display.progressed(CELLS[1], {})  # of a cell that has not begun
        display.started(CELLS[1])
        display._file._written = 0.0
        display.progressed(CELLS[1], {"phase": "training", "step": 3, "total": 9, "reward": 0.25})
        found = read_progress(tmp_path)
        assert (found.ended, found.cells, found.failed) == (1, 2, 1)
        assert str(found).startswith("mine: 1 of 2 cells, 1 failed, estimating the time left")
        assert str(found.running[0]).endswith("training  3/9  reward 0.250")
        with results_lock(tmp_path):  # looking does not take the folder's lock, nor needs it
            assert cli.main(["status", str(tmp_path)]) == 0
        assert "running now: mine: 1 of 2 cells" in capsys.readouterr().out
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("change", [{"since": 0.0}, {"pid": 2**22}, {"pid": "x"}, {"progress": {}}, {"progress": 3}])
def test_what_a_killed_run_left_or_somebody_damaged_is_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    with Display("mine", CELLS, left=CELLS, workers=1, results=tmp_path) as display:
        display.started(CELLS[0])
        assert read_progress(tmp_path)
        (tmp_path / FILE).write_text(json.dumps({**json.loads((tmp_path / FILE).read_text()), **change}))
        assert read_progress(tmp_path) is None


def test_a_folder_that_is_not_there_stops_nobody(tmp_path: Path) -> None:
    with Display("mine", CELLS, left=CELLS, workers=1, results=tmp_path / "none") as display:
        display.started(CELLS[0])
    assert not (tmp_path / "none").exists()

"""A study that was run until it is decided keeps what that added to it."""

from dataclasses import replace
from pathlib import Path

import pytest

from rftlab import cli
from rftlab.execute.results import Stop, read_grid, read_stops, write_grid
from rftlab.grid import Grid
from tests import synthetic

GRID = """
defaults: {task: arithmetic/word, model: tiny-base, seed: %s}
max_seeds: 6
include:
  - {method: base}
  - {method: [sft, grpo], labels: 10}
"""
STOPS = (Stop("arithmetic/word", "tiny-base", "", "chain-of-thought", 10, "base", "sft", 4, "better"),)


def write(path: Path, seeds: int) -> Grid:
    path.write_text(GRID % [*range(seeds)])
    return replace(Grid.load(path), name="g", path=None)


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder whose looks have taken three seeds to four; the grid's file has three."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results" / "g"
    grown = write(tmp_path / "g.yaml", 4)
    for cell in grown.cells:
        synthetic.write_cell(results, cell.model_dump(mode="json"))
    write_grid(results, grown, STOPS)
    write(tmp_path / "g.yaml", 3)
    return results


def test_a_plain_run_keeps_the_seeds_that_looks_have_added(settled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "g.yaml", "--dry-run"]) == 0
    assert "g: 12 cells" in capsys.readouterr().out
    assert read_stops(settled) == STOPS


def test_seeds_that_were_taken_out_of_an_ordinary_grid_are_left_out(settled: Path, capsys) -> None:
    write_grid(settled, read_grid(settled), ())
    assert cli.main(["run", "g.yaml", "--dry-run"]) == 0
    assert "g: 9 cells" in capsys.readouterr().out

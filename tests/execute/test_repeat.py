"""A finished cell is repeated from its record alone: it matches, does not and why, or cannot be repeated."""

import json
from pathlib import Path

import pytest
from stub_notebook import cells, write_stub

from rftlab import record
from rftlab.cell import Cell
from rftlab.cli import main
from rftlab.digests import with_digests
from rftlab.files import staging
from rftlab.record import Record


@pytest.fixture
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cells are run by a notebook that trains nothing, and what is made for a while lies here."""
    notebooks, temporary = tmp_path / "notebooks", tmp_path / "t"
    notebooks.mkdir()
    temporary.mkdir()
    write_stub(notebooks / "10_sft.ipynb")
    monkeypatch.setattr("rftlab.files.paths.notebooks_dir", lambda: notebooks)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    return temporary


def written(results: Path, cell: Cell, **values) -> Path:
    """Folder of a record, as if somebody had run the cell."""
    values = {"contract": {}, "metrics": {}, "cost": {}, **values}
    folder = results / "cells" / cell.id
    Record(cell=cell.model_dump(mode="json"), id=cell.id, **values).write(folder, trace=[{"step": 1}], samples=[])
    return folder


def test_a_cell_that_comes_out_the_same_matches_in_a_line_and_leaves_nothing(stubbed, tmp_path, capsys):
    cell = with_digests(*cells(1))
    values = {"contract": {"n": cell.labels}, "metrics": {"accuracy": 0.0}, "cost": {"seconds": 9.0}}
    path = written(tmp_path / "results" / "g", cell, **values)
    before = sorted(path for path in tmp_path.rglob("*") if "runtime" not in str(path))
    assert main(["repeat", path.name[:6]]) == 0
    _, said = capsys.readouterr().out.splitlines()
    assert said.startswith(f"matched: metrics, cost, contract, warnings, trace and samples of {path.name} (")
    assert sorted(path for path in tmp_path.rglob("*") if "runtime" not in str(path)) == before
    assert list(stubbed.iterdir()) == []


def test_a_cell_that_does_not_is_said_to_with_what_ran_it(stubbed, tmp_path, capsys):
    (cell,) = cells(1)
    environment = {"libraries": {"torch": "1.0"}, "threads": 1}
    folder = written(tmp_path, with_digests(cell), metrics={"accuracy": 0.5}, environment=environment)
    assert main(["repeat", str(folder)]) == 1
    _, said, metric, contract, ran = capsys.readouterr().out.splitlines()
    assert said.startswith(f"did not match: {folder.name} (")
    assert metric == "  metrics.accuracy: 0.5 then, 0.0 now"
    assert contract.startswith("  contract.n: nothing then, ")
    assert ran == "what ran it differs: libraries {'torch': '1.0'} then, nothing now; threads 1 then, nothing now"


def refused(capsys, *arguments: object) -> str:
    assert main(["repeat", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    return said.err


def test_what_its_files_are_is_asked_before_anything_runs(stubbed, tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "1 + 1", "answer": "2"}\n')
    cell = with_digests(Cell.make({"task": "file", "task_settings": {"path": str(rows)}}))
    folder = written(tmp_path, cell)
    rows.write_text("other\n")
    assert f"{cell.id} cannot be repeated: rows.jsonl is another by now" in refused(capsys, folder)
    rows.unlink()
    assert "rows.jsonl is not where it was; put it back" in refused(capsys, folder)
    gone = Cell.make({"start_from": str(tmp_path / "gone"), "digests": {"start_from": "0123456789ab"}})
    assert f"{gone.id} cannot be repeated: there is no folder" in refused(capsys, written(tmp_path, gone))


def test_one_that_fails_or_was_changed_by_hand_is_a_sentence(stubbed, tmp_path, capsys):
    cell = with_digests(*cells(1, do="fail"))
    folder = written(tmp_path, cell)
    assert f"{cell.id} could not be repeated: RuntimeError: told to fail" in refused(capsys, folder)
    assert not list(stubbed.glob(f"{staging.SCRATCH}*"))
    body = json.loads((folder / record.RECORD).read_text())
    (folder / record.RECORD).write_text(json.dumps({**body, "metrics": {"accuracy": 1.0}}))
    assert "changed" in refused(capsys, folder)

"""Records that were changed, lost or written by another rftlab: named, kept out of every number, never overwritten."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import rftlab
from rftlab import cli, record, report
from rftlab.cell import Cell
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.execute import folders
from rftlab.execute.results import write_grid as write_plan
from rftlab.files import checksums
from rftlab.grid import Grid, is_done
from rftlab.record import tables
from rftlab.record.excerpt import NAME, Excerpt
from tests import synthetic

Change = Callable[[Path], object]


def _body(**values: object) -> Change:
    def change(folder: Path) -> None:
        path = folder / record.RECORD
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def _text(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


def _better(folder: Path) -> None:
    """One reward of a greedy answer raised, nothing longer or shorter than before."""
    text = (folder / record.SAMPLES).read_text()
    (folder / record.SAMPLES).write_text(text.replace('"reward": 0.0', '"reward": 1.0', 1))


def _old(**values: object) -> Change:
    """As rftlab wrote records before they had checksums."""

    def change(folder: Path) -> None:
        body = json.loads((folder / record.RECORD).read_text())
        del body["files"], body["digest"]
        (folder / record.RECORD).write_text(json.dumps({**body, "schema": 1, **values}))

    return change


def _naming(*names: object) -> Change:
    """A forger's record, digest and all, that says these files lie beside it."""

    def change(folder: Path) -> None:
        body = json.loads((folder / record.RECORD).read_text())
        del body["digest"]
        body["files"] |= {name: {"sha256": "0" * 64, "bytes": 3} for name in names}
        (folder / record.RECORD).write_text(json.dumps({**body, "digest": checksums.digest(body)}))

    return change


def _leaving_out(*names: str) -> Change:
    return _text(NAME, Excerpt((), {name: {"written": None, "kept": {}} for name in names}).text())


DAMAGES: dict[str, tuple[Change, str]] = {
    "a better accuracy": (_body(metrics={"accuracy": 1.0}), "digest does not match"),
    "a forged contract": (_body(contract_hash="0" * 12), "digest does not match"),
    "an old record's forged contract": (_old(contract_hash="0" * 12), "its contract is not the one"),
    "a newer rftlab's": (_body(schema=record.SCHEMA + 1), "written by a newer rftlab"),
    "no number of a schema": (_body(schema="two"), "digest does not match"),
    "null": (_text(record.RECORD, "null"), "is not a record"),
    "a list": (_text(record.RECORD, "[1]"), "is not a record"),
    "nothing": (_text(record.RECORD, ""), "is not a record"),
    "half": (_text(record.RECORD, '{"half'), "is not a record"),
    "bytes": (lambda folder: (folder / record.RECORD).write_bytes(b"\xff\x00"), "is not a record"),
    "deep nesting": (_text(record.RECORD, "[" * 100_000), "is not a record"),
    "a folder": (lambda f: ((f / record.RECORD).unlink(), (f / record.RECORD).mkdir()), "cannot be read"),
    "samples missing": (lambda folder: (folder / record.SAMPLES).unlink(), "its samples.jsonl is missing"),
    "trace missing": (lambda folder: (folder / record.TRACE).unlink(), "its trace.jsonl is missing"),
    "an old one's samples": (lambda f: (_old()(f), (f / record.SAMPLES).unlink()), "its samples.jsonl is missing"),
    "samples shorter": (_text(record.SAMPLES, "{}\n"), "its samples.jsonl was changed"),
    "one reward raised": (_better, "its samples.jsonl was changed"),
    "a name that leads out": (_naming("../../x.json"), "it names '../../x.json', which is no file of a cell's"),
    "another cell's file": (_naming("../0123456789ab/record.json"), "which is no file of a cell's folder"),
    "an absolute name": (_naming("/etc/x.json"), "it names '/etc/x.json', which is no file of a cell's folder"),
    "a name on Windows": (_naming("..\\x.json"), "which is no file of a cell's folder"),
    "a hidden name": (_naming(".bashrc.json"), "which is no file of a cell's folder"),
    "an excerpt that leads out": (_leaving_out("../x.json"), "it names '../x.json', which is no file of a cell"),
    "a text for a number": (_old(metrics={"accuracy": "0.9"}), "its accuracy is '0.9', no number"),
    "a list of metrics": (_old(metrics=[0.9]), "is not a record"),
    "a stranger's cell": (_old(cell={"colour": "red"}), "parameters this rftlab does not know"),
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    records = synthetic.write_grid(results, methods=("base", "sft"), labels=(10,), cots=(True,), seeds=(0, 1), items=8)
    write_plan(results, Grid("g", tuple(item.parameters for item in records)))
    return results


@pytest.fixture
def results(clean: Path, tmp_path: Path) -> Path:
    shutil.copytree(clean, tmp_path / "results")
    return tmp_path / "results"


def cell_folders(results: Path) -> list[Path]:
    return sorted(record.cells_dir(results).iterdir())


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_damaged_is_named_and_kept_out(what: str, results: Path) -> None:
    change, says = DAMAGES[what]
    whole = len(rftlab.load(results))
    folder = next(f for f in cell_folders(results) if '"reward": 0.0' in (f / record.SAMPLES).read_text())
    cell = record.read(folder).parameters
    assert is_done(cell, results)
    change(folder)
    assert not is_done(cell, results)
    with pytest.warns(RftlabWarning, match=f"1 cell is not counted: .*{re.escape(says)}"):
        assert len(rftlab.load(results)) == whole - 1
    with pytest.warns(RftlabWarning, match=folder.name):
        assert folder.name not in set(tables.load_lines(results, record.SAMPLES)["id"])


@pytest.mark.parametrize(
    "text",
    ["", '{"name": "g", "cel', "[]", "{}", '{"cells": 3}', "[" * 100_000, '{"name": "g", "ids": ["a"], "cells": []}'],
)
def test_where_the_list_of_cells_is_damaged_nothing_is_counted_and_it_is_said(results: Path, text: str, capsys) -> None:
    (results / record.GRID).write_text(text)
    for arguments in (["report"], ["status"], ["claims"], ["export"]):
        assert cli.main([*arguments, str(results)]) == 2
        said = capsys.readouterr().err
        assert f"{results / record.GRID} cannot be read" in said
        assert "run the grid again, which writes it" in said
        assert said.count("\n") == 1
    assert not (results / "report").exists()


def test_a_damaged_list_of_cells_does_not_keep_the_next_run_from_writing_it(results: Path) -> None:
    (results / record.GRID).write_text('{"name": "g", "cel')
    cells = tuple(record.read(folder).parameters for folder in cell_folders(results))
    assert folders.clear_the_way([], results) == []
    with pytest.warns(RftlabWarning, match=r"set aside as .*aside/grid.json: .*cannot be read"):
        write_plan(results, Grid("g", cells))
    assert (results / "aside" / record.GRID).read_text() == '{"name": "g", "cel'
    assert len(rftlab.load(results)) == len(cells)


def test_only_plain_names_are_sealed(results: Path) -> None:
    folder = cell_folders(results)[0]
    for name in (".swap", "a name", "judged.jsonl"):
        (folder / name).touch()
    record.read(folder).seal(folder)
    assert set(record.read(folder).files) == {record.TRACE, record.SAMPLES, "judged.jsonl"}


def test_a_copied_folder_counts_once_and_is_set_aside_by_the_next_run(results: Path) -> None:
    original = cell_folders(results)[0]
    shutil.copytree(original, original.with_name("copy of it"))
    with pytest.warns(RftlabWarning, match=rf"copy of it: it holds the record of cell {original.name}"):
        assert len(rftlab.load(results)) == len(cell_folders(results)) - 1
    said = folders.clear_the_way([], results)
    assert len(said) == 1
    assert "holds the record of cell" in said[0]
    assert (results / "aside" / "copy of it" / record.RECORD).is_file()
    assert original in cell_folders(results)


def test_where_nothing_can_be_read_that_is_an_error(results: Path) -> None:
    for folder in cell_folders(results):
        _text(record.RECORD, "null")(folder)
    with pytest.raises(RftlabError, match=r"no record in .* can be read: .*is not a record"):
        rftlab.load(results)


def test_records_without_checksums_are_read_as_before(results: Path) -> None:
    before = rftlab.load(results)
    for folder in cell_folders(results):
        _old()(folder)
    assert rftlab.load(results).equals(before)


def test_layout_and_order_of_a_record_are_not_its_content(results: Path) -> None:
    for folder in cell_folders(results):
        body = json.loads((folder / record.RECORD).read_text())
        (folder / record.RECORD).write_text(json.dumps(dict(reversed(body.items()))))
    assert len(rftlab.load(results)) == len(cell_folders(results))


def test_a_report_survives_damage_and_says_it(results: Path) -> None:
    _better(cell_folders(results)[0])
    with pytest.warns(RftlabWarning, match="1 cell is not counted"):
        page = report.write_report(results, notebook=False)[0].read_text()
    assert "3 finished cells, 1 not finished" in page
    assert "samples.jsonl was changed after the run" in page


def test_status_names_damage_and_with_verify_what_else_was_changed(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third, _ = cell_folders(results)
    (second / "notebook.ipynb").write_text("{}")
    record.read(second).seal(second)
    (second / "notebook.ipynb").write_text("[]")
    _better(first)
    (third / record.TRACE).unlink()
    assert cli.main(["status", str(results)]) == 0
    said = capsys.readouterr().out
    assert said.count("not counted: ") == 2
    assert "notebook.ipynb" not in said
    assert cli.main(["status", str(results), "--verify"]) == 0
    assert f"{second.name}/notebook.ipynb" in capsys.readouterr().out


def test_a_place_that_is_taken_by_what_cannot_be_read_is_given_up_only_aside(results: Path) -> None:
    first, second, *_ = cell_folders(results)
    cells = [record.read(folder).parameters for folder in (first, second)]
    newer = _body(schema=record.SCHEMA + 1)
    newer(first)
    shutil.rmtree(second)
    kept = (first / record.RECORD).read_bytes()
    for _ in range(2):
        (said,) = folders.clear_the_way(cells, results)
        assert f"set aside as {results / 'aside' / first.name}" in said
        assert "newer rftlab" in said
        assert not first.exists()
        shutil.copytree(results / "aside" / first.name, first)
    assert [path.name for path in sorted((results / "aside").iterdir())] == [first.name, f"{first.name}-2"]
    assert (results / "aside" / f"{first.name}-2" / record.RECORD).read_bytes() == kept
    made = results / "cells" / "made"
    synthetic.write_cell(results / "elsewhere", Cell().flat())
    (results / "elsewhere" / "cells" / Cell().id).rename(made)
    record.put_in_place(made, first)
    assert (results / "aside" / f"{first.name}-3" / record.RECORD).read_bytes() == kept

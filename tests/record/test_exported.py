"""A study as one archive: what comes back says the same, whatever was capped, and nothing edited is believed."""

import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

import rftlab
from rftlab import cli, record, report
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.execute.results import read_grid, write_grid
from rftlab.files import archive, checksums, names
from rftlab.grid import Grid
from rftlab.record import joined, tables
from rftlab.record.copied import TEXTS
from rftlab.record.exported import export, import_archive
from tests import synthetic
from tests.files.test_archive import forged


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A made-up study with the list of its cells, not to be changed."""
    results = tmp_path_factory.mktemp("study") / "g"
    made = synthetic.write_grid(results, cots=(True,), labels=(10, 300), items=12)
    write_grid(results, Grid("g", tuple(each.parameters for each in made)))
    return results


@pytest.fixture
def results(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "g")
    return tmp_path / "g"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("completions", [None, 0, 3])
def test_what_was_exported_and_imported_says_the_same(whole, tmp_path, completions):
    made = export(whole, tmp_path / "a.tar.xz", completions=completions)
    found = import_archive(made, tmp_path / "back")
    for place in (found, made):
        pd.testing.assert_frame_equal(rftlab.load(place), rftlab.load(whole))
        assert report.verdicts(place) == report.verdicts(whole)
        cells = report.read_cells(place)
        pd.testing.assert_frame_equal(report.summary(cells, place), report.summary(report.read_cells(whole), whole))
        pd.testing.assert_frame_equal(
            report.learning_table(cells, place), report.learning_table(report.read_cells(whole), whole)
        )
    assert read_grid(found) == read_grid(whole)
    for each in record.read_all(found):
        assert each.changed_files(record.cells_dir(found) / each.id) == []


def test_without_a_cap_every_file_comes_back_as_it_was(whole, tmp_path):
    found = import_archive(export(whole, tmp_path / "a.tar.xz"), tmp_path / "back")
    assert files(found) == files(whole)


def test_a_cap_keeps_texts_of_so_many_items_a_part_and_every_outcome(whole, tmp_path):
    made = export(whole, tmp_path / "a.tar.xz", completions=3)
    assert len(archive.manifest_of(made)["shortened"]) == len(record.read_all(whole))
    rows = tables.load_lines(made, record.SAMPLES)
    kept = rows[rows["completion"].notna()]
    assert set(kept.groupby(["id", "part"])["item"].nunique()) == {3}
    assert set(kept[kept["part"] == "sampled"].groupby(["id", "item"]).size()) == {4}  # all draws of an item
    before = tables.load_lines(whole, record.SAMPLES)
    outcomes = [name for name in before if name not in TEXTS]
    pd.testing.assert_frame_equal(rows[outcomes], before[outcomes])


def test_nothing_a_policy_or_a_person_wrote_is_left_in_a_capped_row(kept_cell, tmp_path):
    results = tmp_path / "g"
    shutil.copytree(kept_cell("sft"), record.cells_dir(results) / record.read(kept_cell("sft")).id)
    rows = tables.load_lines(export(results, tmp_path / "a.tar.xz", completions=0), record.SAMPLES)
    assert len(rows) == len(tables.load_lines(results, record.SAMPLES))
    texts = {name for name in rows if rows[name].map(lambda value: isinstance(value, str)).any()}
    assert texts == {"id", "part", "item", "kind", "task"}  # names, not sentences


def test_an_archive_that_was_capped_can_be_capped_again(whole, tmp_path):
    once = export(whole, tmp_path / "a.tar.xz", completions=3)
    found = import_archive(export(once, tmp_path / "b.tar.xz", completions=1), tmp_path / "back")
    assert len(record.read_all(found)) == len(record.read_all(whole))
    wider = export(found, tmp_path / "c.tar.xz", completions=9)
    assert len(archive.manifest_of(wider)["shortened"]) == len(record.read_all(whole))


def test_an_edit_after_the_import_is_named_and_kept_out(whole, tmp_path):
    found = import_archive(export(whole, tmp_path / "a.tar.xz", completions=3), tmp_path / "back")
    one = record.read_all(found)[0].id
    samples = record.cells_dir(found) / one / record.SAMPLES
    samples.write_text(samples.read_text().replace('"reward": 0.0', '"reward": 1.0'))
    with pytest.warns(RftlabWarning, match="its samples.jsonl was changed after the run"):
        assert one not in {each.id for each in record.read_all(found)}


def test_what_was_kept_of_another_cell_does_not_pass(whole, tmp_path):
    found = import_archive(export(whole, tmp_path / "a.tar.xz", completions=3), tmp_path / "back")
    one, other, *_ = (record.cells_dir(found) / each.id for each in record.read_all(found))
    for name in (record.SAMPLES, "excerpt.json"):
        shutil.copyfile(other / name, one / name)
    with pytest.warns(RftlabWarning, match="excerpt.json is of another record"):
        assert one.name not in {each.id for each in record.read_all(found)}


def test_equal_studies_give_equal_bytes(whole, results, tmp_path):
    first = export(whole, tmp_path / "a.tar.xz", completions=2)
    assert export(results, tmp_path / "b.tar.xz", completions=2).read_bytes() == first.read_bytes()


def test_damage_is_left_out_and_named(results, tmp_path):
    one = record.read_all(results)[0].id
    (record.cells_dir(results) / one / record.TRACE).unlink()
    with pytest.warns(RftlabWarning, match="1 cell is not counted"):
        made = export(results, tmp_path / "a.tar.xz")
    assert f"cells/{one}/{record.RECORD}" not in archive.manifest_of(made)["files"]


def test_report_tuning_failures_and_further_data_travel_notebooks_and_logs_do_not(results, tmp_path):
    one = record.read_all(results)[0]
    home = record.cells_dir(results) / one.id
    for name in (record.NOTEBOOK, "kernel.log", "judged.jsonl"):
        (home / name).write_text("{}\n")
    one.seal(home)
    tuned = synthetic.write_cell(results, {"method": "sft", "labels": 10, "cot": True, "seed": 77}, items=12)
    (results / "tuning.json").write_text(json.dumps({"arms": [], "ids": [tuned.id]}))
    for name in (*names.PAGE, "report/report.ipynb", "failed/0123456789ab/error.txt", ".lock"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(name)
    made = export(results, tmp_path / "a.tar.xz")
    assert {*names.PAGE} < set(archive.manifest_of(made)["files"])
    found = import_archive(made, tmp_path / "back")
    there = files(found)
    assert "report/report.html" not in there  # a stranger's page could run what it likes: it is drawn anew
    assert {"report/cells.csv", "failed/0123456789ab/error.txt", "tuning.json", "grid.json"} < set(there)
    assert f"cells/{tuned.id}/{record.RECORD}" in there
    assert f"cells/{one.id}/judged.jsonl" in there
    assert not [name for name in there if name.endswith((".ipynb", ".log", ".lock"))]
    assert tuned.id not in {each.id for each in record.read_all(found)}
    copy = record.cells_dir(found) / one.id
    assert record.read(copy).changed_files(copy) == []


def test_policies_travel_when_asked_for(kept_cell, tmp_path):
    results, cell = tmp_path / "g", record.read(kept_cell("sft")).id
    shutil.copytree(kept_cell("sft"), record.cells_dir(results) / cell)
    home = record.cells_dir(import_archive(export(results, tmp_path / "a.tar.xz"), tmp_path / "without"))
    assert not (home / cell / "policy").exists()
    made = export(results, tmp_path / "b.tar.xz", policies=True)
    policy = record.cells_dir(import_archive(made, tmp_path / "with")) / cell / "policy"
    assert files(policy) == files(kept_cell("sft") / "policy")


def test_the_report_of_an_archive_has_the_numbers_of_the_folder(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rftlab.report.write_report", partial(report.write_report, notebook=False))
    made = export(results, tmp_path / "a.tar.xz")
    for _ in range(2):  # a report of an archive may be written again
        assert cli.main(["report", str(made)]) == 0
    assert str(tmp_path / "a" / "report" / "report.html") in capsys.readouterr().out
    pd.testing.assert_frame_equal(report.read_cells(tmp_path / "a"), report.read_cells(results))
    assert report.verdicts(tmp_path / "a") == report.verdicts(results)
    assert read_grid(tmp_path / "a") == read_grid(results)


def test_a_view_and_the_status_read_an_archive(results, tmp_path, monkeypatch, capsys):
    made = export(results, tmp_path / "a.tar.xz")
    assert cli.main(["status", str(made), "--verify"]) == 0
    assert "g: 0 of 10 cells done" in capsys.readouterr().out  # made-up cells have no digests of now
    assert rftlab.compare(made).view["svg"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["export", "nowhere"], "there is no folder nowhere/cells"),
        (["export", "g", "-o", "no/where.tar.xz"], "there is no folder"),
        (["export", "g", "-o", "note.txt"], "is there already and is no archive of a study"),
        (["export", "g", "--completions", "-1"], "give a whole number"),
        (["import", "nothing.tar.xz"], "there is no archive nothing.tar.xz"),
        (["import", "note.txt", "d"], "is cut off"),
        (["import", "a.tar.xz", "g"], "is there already; give another folder"),
        (["import", "a.tar.xz", "note.txt"], "is there already; give another folder"),
        (["import", "cut.tar.xz"], "is cut off"),
        (["status", "cut.tar.xz"], "is cut off"),
        (["report", "cut.tar.xz"], "is cut off"),
        (["import", "changed.tar.xz"], "is damaged"),
    ],
)
def test_what_cannot_be_exported_or_imported_is_one_sentence_and_leaves_nothing(
    results, tmp_path, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    content = export(results, tmp_path / "a.tar.xz").read_bytes()
    half = len(content) // 2
    (tmp_path / "cut.tar.xz").write_bytes(content[:half])
    (tmp_path / "changed.tar.xz").write_bytes(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :])
    (tmp_path / "note.txt").write_text("")
    before = files(tmp_path)
    try:
        code = cli.main(arguments)
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr().err
    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1
    assert files(tmp_path) == before
    assert not list(tmp_path.glob("**/.*"))


def test_an_archive_of_records_that_nothing_here_reads_is_refused(results, tmp_path):
    for each in record.read_all(results):
        path = record.cells_dir(results) / each.id / record.RECORD
        path.write_text(path.read_text().replace('"schema": 2', '"schema": 99'))
    packed = {name: results / name for name in files(results)}
    made = archive.pack(packed, tmp_path / "a.tar.xz", {})
    with pytest.raises(RftlabError, match=r"no record in .*a.tar.xz can be read: .*newer rftlab"):
        import_archive(made, tmp_path / "back")
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.xz", "g"}


def test_no_code_comes_with_an_archive(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for each in record.read_all(results):
        path = record.cells_dir(results) / each.id / record.RECORD
        body = json.loads(path.read_text())
        del body["digest"]
        body["cell"]["task"] = "results/pw/evil.py:load"
        path.write_text(json.dumps({**body, "digest": checksums.digest(body)}))
    (results / "grid.json").unlink()
    code = "open('PWNED', 'w').write('x')\nfrom rftlab.tasks.creative import *\n"
    (results / "evil.py").write_text(code)
    members = sorted(files(results).items())
    forged(tmp_path / "pw.tar.xz", members)
    shutil.rmtree(results)
    for arguments in (["import", "pw.tar.xz"], ["report", "pw.tar.xz"], ["status", "pw.tar.xz"]):
        assert cli.main(arguments) == 2
        said = capsys.readouterr().err
        assert "pw.tar.xz" in said
        assert "it lists 'evil.py', which is no file of a study" in said
        assert said.count("\n") == 1
    assert cli.main(["judge", "pw.tar.xz"]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"pw.tar.xz"}


def test_a_policy_is_exported_without_what_else_lies_beside_it(kept_cell, tmp_path):
    results, cell = tmp_path / "g", record.read(kept_cell("sft")).id
    home = shutil.copytree(kept_cell("sft"), record.cells_dir(results) / cell)
    (home / "notes").mkdir()
    (home / "notes/mine.py").touch()
    listed = archive.manifest_of(export(results, tmp_path / "a.tar.xz", policies=True))["files"]
    assert f"cells/{cell}/policy/manifest.json" in listed
    assert not [name for name in listed if "notes" in name]
    (home / "policy/mine.py").touch()
    with pytest.raises(RftlabError, match=r"cannot pack b.tar.xz: it lists '.*policy/mine.py', which is no file of a"):
        export(results, tmp_path / "b.tar.xz", policies=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda g: (g / "grid.json").write_text('{"name": "g", "ce'), "a.tar.xz/grid.json cannot be read"),
        (lambda g: shutil.rmtree(g / "cells"), "a.tar.xz holds no cells"),
    ],
)
def test_an_archive_without_cells_or_with_a_damaged_list_of_them_is_refused_by_its_own_name(
    results, tmp_path, monkeypatch, capsys, change, sentence
):
    monkeypatch.chdir(tmp_path)
    change(results)
    archive.pack({name: results / name for name in files(results)}, tmp_path / "a.tar.xz", {})
    for arguments in (["import", "a.tar.xz", "back"], ["report", "a.tar.xz"]):
        assert cli.main(arguments) == 2
        said = capsys.readouterr().err
        assert sentence in said
        assert ".running" not in said
        assert "scratch" not in said
        assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.xz", "g"}


def test_a_grid_file_is_kept_as_it_was_written(tmp_path):
    text = "# why\nmethod: [base]\nlabels: 0\n"
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "g").mkdir()
    write_grid(tmp_path / "g", Grid.load(tmp_path / "mine.yaml"))
    assert (tmp_path / "g" / "grid.yaml").read_text() == text


@pytest.mark.parametrize("name", ["prices.yaml", "report/report.html", "cells/ID/samples.jsonl", "cells/ID"])
def test_a_link_out_of_the_results_is_not_followed_into_an_archive_or_another_study(results, tmp_path, name):
    link = results / name.replace("ID", record.read_all(results)[0].id)
    mine = tmp_path / "mine"
    if link.exists():
        link.rename(mine)
    else:
        link.parent.mkdir(exist_ok=True)
        mine.write_text("label: 2\n")
    link.symlink_to(mine)
    with pytest.raises(RftlabError, match="leads out of .*; put the file itself there, or remove the link"):
        export(results, tmp_path / "a.tar.xz")
    assert not (tmp_path / "a.tar.xz").exists()
    if "cells" in name:
        with pytest.raises(RftlabError, match="leads out of"):
            joined.join([results], tmp_path / "both")
        assert not (tmp_path / "both").exists()

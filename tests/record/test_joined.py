"""Studies joined: two halves read as the whole, a cell of both counts once, and what does not agree is named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rftlab import cli, record, report
from rftlab.answer.decisions import decide
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.results import read_grid, read_plans, write_grid
from rftlab.files import archive, checksums
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from rftlab.record import joined, tables
from rftlab.record.exported import export
from tests import synthetic

SIZE = {"cots": (True,), "labels": (10, 300), "items": 12}


def half(results: Path, **size) -> Path:
    """A made-up study with the list of its cells."""
    records = synthetic.write_grid(results, **{**SIZE, **size})
    write_grid(results, Grid(results.name, tuple(each.parameters for each in records)))
    return results


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def halves(tmp_path):
    return half(tmp_path / "a", methods=("base", "sft")), half(tmp_path / "b", methods=("base", "grpo"))


def test_two_halves_of_a_grid_joined_say_what_the_whole_grid_says(halves, tmp_path):
    whole = half(tmp_path / "whole")
    before = [files(folder) for folder in halves]
    found = joined.join(halves, tmp_path / "c")
    assert [files(folder) for folder in halves] == before
    pd.testing.assert_frame_equal(tables.load(found), tables.load(whole))
    assert report.verdicts(found)[1:] == report.verdicts(whole)
    assert {cell.id for cell in read_grid(found).cells} == {cell.id for cell in read_grid(whole).cells}


def test_a_cell_of_both_counts_once_and_the_sentence_says_where_each_part_is_from(halves, tmp_path):
    found = joined.join(halves, tmp_path / "c")
    assert len(record.read_all(found)) == 2 + 4 + 4
    assert joined.notes(found) == ["joined from 2 studies: of 10 cells 2 from a and b, 4 from a, 4 from b"]
    assert set(joined.studies_of(found).values()) == {"a and b", "a", "b"}


def test_a_cell_measured_with_another_result_is_named_and_the_first_study_counts(halves, tmp_path):
    cell = Cell.make({"task": "arithmetic/word", "method": "base", "labels": 0, "cot": True, "seed": 1})
    mine = record.read(record.cells_dir(halves[0]) / cell.id)
    shutil.rmtree(record.cells_dir(halves[1]) / cell.id)
    synthetic.write_cell(halves[1], dict(mine.cell), items=12, metrics={**mine.metrics, "accuracy": 0.987})
    found = joined.join(halves, tmp_path / "c")
    assert record.read(record.cells_dir(found) / cell.id).metrics == mine.metrics
    (said,) = (text for text in joined.notes(found) if cell.id in text)
    assert "measured in a and in b with another accuracy" in said
    assert "against 0.987): that of a counts" in said
    assert any(cell.id in text for text in report.verdicts(found))


def test_runs_on_another_machine_that_measured_the_same_are_one(halves, tmp_path):
    for found in record.read_all(halves[1]):
        body = {**found.__dict__, "environment": {"python": "3.13"}, "cost": {**found.cost, "seconds": 99.0}}
        body.pop("parameters", None), body.pop("contract_hash", None), body.pop("files", None)
        folder = record.cells_dir(halves[1]) / found.id
        lines = {name: list(record.read_lines(folder / name)) for name in record.DATA}
        record.Record(**body).write(folder, trace=lines[record.TRACE], samples=lines[record.SAMPLES])
    assert len(joined.notes(joined.join(halves, tmp_path / "c"))) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_no_record_of_one_study_writes_over_anothers_or_outside_the_joined_one(halves, tmp_path, packed):
    mine, theirs = ({each.id: each for each in record.read_all(folder)} for folder in halves)
    victim, carrier = (next(name for name in sorted(a) if name not in b) for a, b in ((theirs, mine), (mine, theirs)))
    forged = shutil.copytree(record.cells_dir(halves[1]) / victim, record.cells_dir(halves[0]) / victim)
    better = replace(theirs[victim], metrics={**theirs[victim].metrics, "accuracy": 1.0})
    better.write(forged, trace=[{"step": 0}], samples=[])
    path = record.cells_dir(halves[0]) / carrier / record.RECORD
    body = json.loads(path.read_text())
    del body["digest"]
    names = [f"../{victim}/{name}" for name in (record.RECORD, *record.DATA)] + ["../../../loot.json"]
    body["files"] |= {name: {"sha256": "0" * 64, "bytes": 3} for name in names}
    path.write_text(json.dumps({**body, "digest": checksums.digest(body)}))
    hostile = halves[0]
    if packed:
        packable = {name: halves[0] / name for name in files(halves[0])}
        hostile = archive.pack(packable, tmp_path / "a.tar.xz", {})
    found = joined.join([hostile, halves[1]], tmp_path / "c")
    assert record.read(record.cells_dir(found) / victim).metrics == theirs[victim].metrics
    assert not (record.cells_dir(found) / carrier).exists()
    assert not list(tmp_path.rglob("loot.json"))
    (said,) = (note for note in joined.notes(found) if note.startswith("not counted in a"))
    assert str(hostile) in said
    assert "scratch" not in said
    assert f"it names '../{victim}/record.json', which is no file of a cell's folder" in said


def test_a_folder_and_its_own_archive_are_told_apart(halves, tmp_path):
    packed = export(halves[0], tmp_path / "a.tar.xz")
    found = joined.join([halves[0], packed], tmp_path / "c")
    assert joined.notes(found) == ["joined from 2 studies: of 6 cells 6 from a and a.tar.xz"]
    elsewhere = shutil.copyfile(packed, tmp_path / "b.tar.xz")
    assert joined.join([halves[0], elsewhere], tmp_path / "d").name == "d"
    assert "from a and b" in joined.notes(tmp_path / "d")[0]


def test_what_does_not_match_is_refused_with_the_study_named(tmp_path):
    halves = half(tmp_path / "a", methods=("sft",)), tmp_path / "b"
    other = [
        synthetic.write_cell(halves[1], {"method": "grpo", "labels": n, "seed": seed, "cot": True}, items=12)
        for n in (10, 300)
        for seed in (0, 1)
    ]
    for each in other:
        match = {**each.contract["match"], "base_weights": "other"}
        changed = {"contract": {**each.contract, "match": match}}
        synthetic.write_cell(halves[1], dict(each.cell), items=12, **changed)
    found = joined.join(halves, tmp_path / "c")
    (refused,) = (text for text in report.verdicts(found) if text.startswith("Not compared"))
    assert "they differ in base_weights" in refused
    assert refused.endswith("grpo from b, sft from a.")


def test_studies_decided_by_different_measures_are_not_joined_and_both_are_named(tmp_path):
    accuracy = half(tmp_path / "a", methods=("base", "sft"))
    score = half(tmp_path / "b", methods=("base", "grpo"), **{"evaluation.decides": "score"})
    with pytest.raises(RftlabError, match=r"different measures \(accuracy decides a, score decides b\)"):
        joined.join([accuracy, score], tmp_path / "c")
    assert not (tmp_path / "c").exists()
    assert cli.main(["report", str(accuracy), str(score), "-o", str(tmp_path / "c")]) == 2


def test_studies_that_score_decides_are_joined_and_it_still_does(tmp_path):
    by_score = {"evaluation.decides": "score"}
    halves = [half(tmp_path / name, methods=("base", name), **by_score) for name in ("sft", "grpo")]
    assert decide(read_results(joined.join(halves, tmp_path / "c"))).decides == "score"


def test_damage_in_one_study_is_named_and_the_sound_record_of_the_other_counts(halves, tmp_path):
    shared = Cell.make({"task": "arithmetic/word", "method": "base", "labels": 0, "cot": True, "seed": 0}).id
    samples = record.cells_dir(halves[0]) / shared / record.SAMPLES
    samples.write_text(samples.read_text().replace("1.0", "0.0"))
    found = joined.join(halves, tmp_path / "c")
    assert joined.studies_of(found)[shared] == "b"
    assert any("not counted in a" in text and shared in text for text in joined.notes(found))


def test_notebooks_that_a_joined_study_does_not_hold_are_not_called_changed(halves, tmp_path):
    one = record.read_all(halves[0])[0]
    folder = record.cells_dir(halves[0]) / one.id
    (folder / record.NOTEBOOK).write_text("{}")
    one.seal(folder)
    found = joined.join(halves, tmp_path / "c")
    copy = record.cells_dir(found) / one.id
    assert record.NOTEBOOK in record.read(copy).files
    assert record.read(copy).changed_files(copy) == []
    (copy / record.TRACE).write_text("")
    assert record.read(copy).changed_files(copy) == [record.TRACE]


def test_an_excerpt_that_was_edited_is_damage(halves, tmp_path):
    one = record.read_all(halves[0])[0]
    folder = record.cells_dir(halves[0]) / one.id
    (folder / record.NOTEBOOK).write_text("{}")
    one.seal(folder)
    copy = record.cells_dir(joined.join(halves, tmp_path / "c")) / one.id
    said = json.loads((copy / "excerpt.json").read_text())
    (copy / "excerpt.json").write_text(json.dumps({**said, "left_out": [record.TRACE]}))
    assert "excerpt.json cannot be read, or was changed" in str(record.examine(copy))


def test_a_plan_stays_where_all_declared_the_same_and_is_missed_aloud_where_not(tmp_path):
    for name, labels, methods in (("a", (10,), ("sft",)), ("b", (10,), ("grpo",)), ("c", (300,), ("grpo",))):
        records = synthetic.write_grid(tmp_path / name, **{**SIZE, "labels": labels, "methods": methods})
        grid = Grid(name, tuple(each.parameters for each in records), plan=Plan(named=("sft", "grpo"), labels=labels))
        write_grid(tmp_path / name, grid)
    same = joined.join([tmp_path / "a", tmp_path / "b"], tmp_path / "ab")
    assert read_plans(same) == read_plans(tmp_path / "a")
    assert len(joined.notes(same)) == 1
    unlike = joined.join([tmp_path / "a", tmp_path / "c"], tmp_path / "ac")
    assert read_plans(unlike) is None
    assert any("did not declare the same (labels)" in text for text in joined.notes(unlike))


def test_tuning_stages_are_joined_each_arm_and_each_cell_once(halves, tmp_path):
    arms = [{"method": "sft", "cost": {"cells": 2}}, {"method": "grpo", "cost": {"cells": 3}}]
    tuned = [
        synthetic.write_cell(halves[0], {"method": "sft", "labels": 10, "cot": True, "seed": 70 + n}) for n in (0, 1)
    ]
    first, second = tuned
    shutil.copytree(record.cells_dir(halves[0]) / first.id, record.cells_dir(halves[1]) / first.id)
    bodies = {"arms": arms[:1], "ids": [first.id, second.id]}, {"arms": arms, "ids": [first.id]}
    for folder, body in zip(halves, bodies, strict=True):
        (folder / record.TUNING).write_text(json.dumps({"version": 1, **body}))
    found = joined.join(halves, tmp_path / "c")
    said = json.loads((found / record.TUNING).read_text())
    assert said == {"version": 1, "arms": arms, "ids": [first.id, second.id], "cost": {"cells": 5}}
    assert all((record.cells_dir(found) / each.id / record.RECORD).is_file() for each in tuned)
    assert {first.id, second.id}.isdisjoint(each.id for each in record.read_all(found))
    (halves[1] / record.TUNING).write_text("{")
    with pytest.raises(RftlabError, match="tuning.json cannot be read"):
        joined.join(halves, tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_joining_again_replaces_the_joined_study_and_nothing_else(halves, tmp_path):
    joined.join(halves, tmp_path / "c")
    (tmp_path / "c" / "stale").touch()
    joined.join(halves, tmp_path / "c")
    assert not (tmp_path / "c" / "stale").exists()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "work.txt").write_text("mine")
    with pytest.raises(RftlabError, match="is there already and is no joined study"):
        joined.join(halves, tmp_path / "d")
    assert files(tmp_path / "d") == {"work.txt": b"mine"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a", "b"], "several results folders are joined in a new one; name it with -o"),
        (["a", "b", "-o", "a"], "is one of the studies to be joined"),
        (["a", "a", "-o", "c"], "is named twice"),
        (["a", "nowhere", "-o", "c"], "no results in"),
        (["a", "b", "-o", "c", "--waive", "nothing"], "cannot waive 'nothing'"),
    ],
)
def test_what_cannot_be_joined_is_one_sentence_and_leaves_nothing(
    halves, tmp_path, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    assert cli.main(["report", *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert files(tmp_path) == before
    assert not (tmp_path / "c").exists()


def test_the_report_of_a_joined_study_says_where_its_parts_are_from(halves, tmp_path):
    found = joined.join(halves, tmp_path / "c")
    page = report.write_report(found, notebook=False)[0].read_text()
    assert "of 10 cells 2 from a and b, 4 from a, 4 from b" in page
    done, left = read_grid(found).split(found)
    assert (read_grid(found).name, len(done), left) == ("a + b", 10, [])

"""A file edited between runs, for data, verifier, task and method: exactly its cells run again, and it is said."""

import runpy
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from rftlab import cli, preflight, record, registry
from rftlab.execute.one_cell import CellRun
from rftlab.grid import Grid

FILES = {
    "train.jsonl": "".join(f'{{"prompt": "say {i}", "answer": "{i}"}}\n' for i in range(120)),
    "checks.py": "import near\n\ndef score(completion, example):\n    return near.close(completion, example.answer)\n",
    "near.py": "def close(completion, answer):\n    return float(f'<answer>{answer}</answer>' in completion)\n",
    "task.py": "from rftlab.tasks.base import Example, Task\n\ndef load():\n"
    "    rows = [Example(f'e{i}', f'say {i}', str(i), 'because') for i in range(120)]\n"
    "    return Task('mine', 'the card', tuple(rows[:90]), tuple(rows[90:]))\n",
    "method.py": "from rftlab.methods.sft import SFT\n\nclass Mine(SFT):\n    pass\n",
    "g.yaml": """
name: g
defaults: {labels: 5, cot: false}
include:
  - {task: file, task_settings: {path: train.jsonl}, method: sft, seed: [0, 1]}
  - {task: file, task_settings: {path: train.jsonl, split_seed: 1}, method: sft, verifier: checks.py:score}
  - {task: task.py:load, method: [base, sft]}
  - {method: method.py:Mine, seed: [0, 1, 2]}
""",
}
CELLS = 8


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a grid over files of the user's own, whose cells train nothing; the report is one file."""
    stub = runpy.run_path(str(Path(__file__).parents[1] / "execute" / "stub_notebook.py"))["write_stub"]
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name in ("10_sft.ipynb", "20_rft.ipynb"):
        stub(notebooks / name)
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)

    def publish(results, waive="", prices=None):
        assert {found.id for found in record.read_all(results)} <= record.planned(results)
        return types.SimpleNamespace(files=[], remarks=[], answer="")

    # What it checks is tested elsewhere, and own methods make it load torch.
    monkeypatch.setattr("rftlab.preflight.check", lambda cells, **_: preflight.Findings((), {preflight.TEST_ITEMS: {}}))
    monkeypatch.setitem(sys.modules, "rftlab.report", types.SimpleNamespace(publish=publish, happened=lambda *_: []))
    monkeypatch.setattr("rftlab.files.paths.notebooks_dir", lambda: notebooks)
    monkeypatch.chdir(folder)
    return folder


def finish(results: Path) -> None:
    """Leave a record of every cell of the grid, as a run would."""
    from rftlab.execute.results import write_grid

    grid = Grid.load("g.yaml")
    for cell in grid.cells:
        body = {"cell": cell.model_dump(mode="json"), "id": cell.id, "contract": {}, "metrics": {}, "cost": {}}
        record.Record(**body).write(record.cells_dir(results) / cell.id, trace=[], samples=[])
    write_grid(results, grid)


def dry_run(capsys, *arguments: str) -> str:
    assert cli.main(["run", "g.yaml", "--dry-run", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "count", "methods"),
    [
        ("train.jsonl", 3, {"sft"}),
        ("checks.py", 1, {"sft"}),
        ("near.py", 1, {"sft"}),
        ("task.py", 2, {"base", "sft"}),
        ("method.py", 3, {"Mine"}),
    ],
)
def test_the_cells_of_an_edited_file_are_left_and_the_others_done(project, capsys, file, count, methods):
    finish(project / "results" / "g")
    assert f"g: {CELLS} cells (5 combinations, each with its seeds), {CELLS} done, 0 left" in dry_run(capsys)
    text = (project / file).read_text()
    (project / file).write_text(text + ("\n" if file.endswith(".py") else '{"prompt": "say more", "answer": "more"}\n'))
    out = dry_run(capsys)
    assert f"{CELLS - count} done, {count} left" in out
    them = "1 cell ran: it" if count == 1 else f"{count} cells ran: they"
    assert f"  {file} changed since {them} will run again\n" in out
    left = [line for line in out.splitlines() if line.startswith("  left")]
    assert all(any(method in line for method in methods) for line in left)
    assert cli.main(["status", "results/g"]) == 0
    assert f"{file} changed since" in capsys.readouterr().out
    (project / file).write_text(text)
    assert f"{CELLS} done, 0 left" in dry_run(capsys)


def test_a_run_after_an_edit_runs_those_cells_and_reports_without_their_twins_of_before(project, capsys):
    finish(project / "results" / "g")
    before = {found.id for found in record.read_all("results/g")}
    with (project / "near.py").open("a") as stream:
        stream.write("\nSTRICT = True\n")
    assert cli.main(["run", "g.yaml", "--kernel", "cold"]) == 0
    out = capsys.readouterr().out
    assert "near.py changed since 1 cell ran: it will run again" in out
    assert "[8/8] " in out
    after = {found.id for found in record.read_all("results/g")}
    (gone,) = before - after
    assert len(after) == CELLS
    assert cli.main(["run", "g.yaml"]) == 0
    out = capsys.readouterr().out
    assert "8 done, 0 left" in out
    assert f"1 cell that the grid does not name, kept out of its report: run before near.py changed ({gone})" in out


def test_a_copied_folder_is_damage_and_no_cell_of_before(project, capsys):
    finish(project / "results" / "g")
    folder = next(path for path in (project / "results/g/cells").iterdir() if path.name[0] != ".")
    shutil.copytree(folder, folder.with_name("abcdefabcdef"))
    assert cli.main(["status", "results/g"]) == 0
    said = capsys.readouterr().out
    assert f"it holds the record of cell {folder.name}" in said
    assert "does not name" not in said


def test_a_moved_project_and_moved_results_count_as_done(project, capsys, tmp_path, monkeypatch):
    finish(project / "results" / "g")
    moved = tmp_path / "elsewhere" / "copy"
    shutil.move(project, moved)
    monkeypatch.chdir(moved)
    assert f"{CELLS} done, 0 left" in dry_run(capsys)
    assert cli.main(["status", "results/g"]) == 0
    assert capsys.readouterr().out == f"g: {CELLS} of {CELLS} cells done, 0 failed, 0 left\n"
    assert str(project) in (moved / "results" / "g" / "grid.json").read_text()
    assert cli.main(["run", "g.yaml"]) == 0
    assert f'"{moved}/' in (moved / "results" / "g" / "grid.json").read_text()
    assert f'"{project}/' not in (moved / "results" / "g" / "grid.json").read_text()
    shutil.move(moved / "results" / "g", tmp_path / "results")
    assert f"{CELLS} done, 0 left" in dry_run(capsys, "--results", str(tmp_path / "results"))


def test_a_raised_version_is_said_as_such(project, capsys, monkeypatch):
    finish(project / "results" / "g")
    monkeypatch.setitem(registry.METHODS, "sft", replace(registry.METHODS["sft"], version=99))
    out = dry_run(capsys)
    assert "  sft (version 99 now) changed since 7 cells ran: they will run again\n" in out


def test_rows_taken_out_of_a_grid_are_named_and_kept_out_of_its_report(project, capsys):
    finish(project / "results" / "g")
    (project / "g.yaml").write_text(FILES["g.yaml"].replace("seed: [0, 1, 2]", "seed: [0]"))
    assert cli.main(["run", "g.yaml"]) == 0
    out = capsys.readouterr().out
    assert (
        "2 cells that the grid does not name, kept out of its report: of rows taken out of it, or of another grid ("
        in out
    )
    assert len(record.read_all("results/g")) == CELLS - 2


def test_an_edited_notebook_is_said_and_never_executed_for_a_cell_of_before(project, capsys, tmp_path):
    finish(project / "results" / "g")
    own = Grid.load("g.yaml").cells[-1]
    notebook = tmp_path / "notebooks" / "20_rft.ipynb"
    notebook.write_text(notebook.read_text().replace("about to", "going to"))
    out = dry_run(capsys)
    assert f"{CELLS - 3} done, 3 left" in out
    assert "  the notebook changed since 3 cells ran: they will run again\n" in out
    outcome = CellRun(own, project / "results" / "other").run()
    assert outcome.error == "NotebookChanged: 20_rft.ipynb changed after the grid was read; run the grid again"


def test_rerun_sets_aside_what_the_cells_left_and_runs_them_again(project, capsys):
    finish(project / "results" / "g")
    one = Grid.load("g.yaml").cells[0]
    out = dry_run(capsys, "--rerun", one.id[:5])
    assert f"{CELLS - 1} done, 1 left" in out
    assert not (project / "results" / "g" / "aside").exists()
    assert f"0 done, {CELLS} left" in dry_run(capsys, "--rerun")
    assert cli.main(["run", "g.yaml", "--kernel", "cold", "--rerun", one.id[:5]]) == 0
    assert f"1 of them once more; what they left is set aside in {project}/results/g/aside" in capsys.readouterr().out
    assert record.read(project / "results" / "g" / "aside" / one.id).metrics == {}
    assert record.read(project / "results" / "g" / "cells" / one.id).metrics == {"accuracy": 0.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [("zzz", "--rerun zzz: zzz is no cell of the grid"), ("", "--rerun : {empty} is the beginning of")],
)
def test_rerun_of_an_unknown_or_ambiguous_cell_moves_nothing(project, capsys, text, says):
    finish(project / "results" / "g")
    assert cli.main(["run", "g.yaml", "--rerun", text]) == 2
    assert says.replace("{empty} ", " ") in capsys.readouterr().err
    assert not (project / "results" / "g" / "aside").exists()


def test_forget_sets_a_cell_aside_by_its_id_or_its_folder(project, capsys):
    finish(project / "results" / "g")
    first, second = Grid.load("g.yaml").cells[:2]
    assert cli.main(["forget", first.id[:6], f"results/g/cells/{second.id}"]) == 0
    out = capsys.readouterr().out
    assert f"set aside as {project}/results/g/aside/{first.id}; delete that to be rid of it" in out
    assert f"{CELLS - 2} done, 2 left" in dry_run(capsys)
    assert cli.main(["forget", first.id, "--results", "results/g"]) == 2
    assert f"no finished cell {first.id} in results/g" in capsys.readouterr().err


def test_forget_moves_nothing_if_one_of_the_cells_is_not_there(project, capsys):
    finish(project / "results" / "g")
    one = Grid.load("g.yaml").cells[0]
    assert cli.main(["forget", one.id, "fffffffff"]) == 2
    assert f"{CELLS} done, 0 left" in dry_run(capsys)


REAL = """
name: real
defaults:
  labels: 8
  budget.amount: 2
  evaluation:
    {test_items: 8, train_items: 4, ood_items: 0, sampled_items: 0, along_the_way: 0}
include:
  - {task: file, task_settings: {path: train.jsonl}, method: sft, cot: false}
  - {task: task.py:load, method: sft}
  - {verifier: checks.py:score, method: sft}
  - {method: method.py:Mine}
"""


@pytest.mark.slow
def test_the_same_with_the_packaged_notebooks_on_the_tiny_base(tmp_path, monkeypatch, capsys):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "g.yaml").write_text(REAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rftlab.study.report", lambda results: None)
    assert cli.main(["run", "g.yaml"]) == 0
    first = {found.id for found in record.read_all("results/real")}
    assert cli.main(["run", "g.yaml"]) == 0
    assert "4 done, 0 left" in capsys.readouterr().out
    for name in ("near.py", "task.py", "method.py"):
        (tmp_path / name).write_text(FILES[name] + "\n# edited\n")
    (tmp_path / "train.jsonl").write_text(FILES["train.jsonl"].replace("say 7", "tell 7"))
    assert cli.main(["run", "g.yaml"]) == 0
    out = capsys.readouterr().out
    for name in ("near.py", "task.py", "method.py", "train.jsonl"):
        assert f"{name} changed since 1 cell ran: it will run again" in out
    second = {found.id for found in record.read_all("results/real")}
    assert len(second) == 4
    assert not first & second

"""Tasks and methods of one's own go by short names wherever results are read, and two of one name stay two."""

import pytest

from rftlab.answer.card import answer
from rftlab.answer.decisions import decide
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from rftlab.naming import short_name, short_names
from rftlab.record.tables import load
from tests import synthetic


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("grpo", "grpo"),
        ("arithmetic/word", "arithmetic/word"),
        ("/home/me/code/my.py:Mine", "Mine"),
        ("my_package.rl:Mine", "Mine"),
        ("games.py:load", "games"),
        ("my_package.games:load", "games"),
        ("C:\\code\\games.py:load", "games"),
        ("checks.py:score", "checks"),
        ("my.py:Outer.Mine", "Mine"),
        ("my.py:sft", "my:sft"),
        ("exact.py:score", "exact:score"),
    ],
)
def test_what_is_ones_own_is_called_after_its_class_its_function_or_its_file(name, short):
    assert short_name(name) == short


def test_two_of_one_name_keep_what_tells_them_apart():
    assert short_names(["a/my.py:Mine", "b/my.py:Mine", "c.py:Other", "sft"]) == {
        "a/my.py:Mine": "a/my.py:Mine", "b/my.py:Mine": "b/my.py:Mine", "c.py:Other": "Other", "sft": "sft",
    }  # fmt: skip


def study(folder, methods, tasks=("/data/games.py:load",)):
    for task in tasks:
        for method in methods:
            for seed in range(3):
                for labels in (0,) if method == "base" else (10, 50):
                    values = {"task": task, "method": method, "seed": seed, "labels": labels}
                    synthetic.write_cell(folder, {**values, "digests": digests(task, method)})
    return read_results(folder)


def digests(task, method):
    """Two files of one name in two folders have other contents."""
    return {name: f"{abs(hash(value)):012x}"[:12] for name, value in (("task", task), ("method", method))
            if ".py:" in value}  # fmt: skip


def test_methods_of_ones_own_are_named_shortly_in_tables_verdicts_and_the_answer(tmp_path):
    found = study(tmp_path, ("base", "sft", "/home/me/my.py:Mine"))
    assert set(found.cells["method"]) == set(found.cells["arm"]) == {"base", "sft", "Mine"}
    assert set(found.cells["task"]) == {"games"}
    said = str(answer(found, decide(found)))
    assert "Mine" in said
    assert ".py" not in said
    assert Cell.make({"task": "/data/games.py:load", "method": "/x/my.py:Mine"}).label.startswith("games Mine n=")


def test_two_methods_and_two_tasks_of_one_name_are_two(tmp_path):
    study(tmp_path, ("base", "/a/my.py:Mine", "/b/my.py:Mine"), ("/a/games.py:load", "/b/games.py:load"))
    table = load(tmp_path)
    assert set(table["method"]) == {"base", "a/my.py:Mine", "b/my.py:Mine"}
    assert set(table["task"]) == {"a/games.py:load", "b/games.py:load"}


@pytest.mark.parametrize("named", ["Mine", "code/my.py:Mine"])
def test_a_plan_and_its_ladders_name_a_method_of_ones_own_by_path_or_shortly(tmp_path, named):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my.py").write_text("class Mine:\n    pass\n")
    path = tmp_path / "g.yaml"
    path.write_text(f"method: [base, sft, code/my.py:Mine]\nlabels: [8]\nnamed: [base, '{named}']\n")
    grid = Grid.load(path)
    methods = {cell.method for cell in grid.cells}
    assert grid.plan.arms(methods) == ("base", f"{tmp_path}/code/my.py:Mine")
    assert grid.plan.arms(["sft", "Mine", "base"]) == ("base", "Mine")
    assert grid.plan.arms(["my.py:Mine"]) == ("my.py:Mine",)
    path.write_text("method: [base, code/my.py:Mine]\nlabels: [8]\nnamed: [base, Mien]\n")
    with pytest.raises(RftlabError, match="the grid has no method 'Mien'; did you mean Mine?"):
        Grid.load(path)


def test_what_a_plan_names_of_ones_own_is_confirmatory(tmp_path):
    found = study(tmp_path, ("base", "sft", "/home/me/my.py:Mine"))
    plan = Plan(named=("base", "my.py:Mine"), labels=(10, 50))
    assert plan.arms(found.cells["method"]) == ("base", "Mine")

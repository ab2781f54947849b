"""Tasks, verifiers and methods of installed packages: by dotted name, by entry point, and broken ones."""

import os
import subprocess
import sys
from itertools import count

import pytest

from rftlab import cli, preflight
from rftlab.cell import Cell
from rftlab.digests import describe, identity_of, require_unchanged, with_digests
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.registry import METHODS, TASKS, VERIFIERS, find, resolve
from rftlab.tasks.base import load_task
from rftlab.user_code import installed
from rftlab.verifiers.base import make_verifier

GAMES = '''
from rftlab.tasks.base import Example, Task
from {package}.rules import VALUE

def load(n=20):
    """Sums nobody has seen."""
    train = [Example(f"a{{i}}", f"say {{i}}", str(i)) for i in range(n)]
    test = [Example(f"b{{i}}", f"say {{i + 1000}}", str(i)) for i in range(5)]
    return Task("games", "card", tuple(train), tuple(test))

def score(completion, example):
    """Pays the gold answer."""
    return float(completion == f"<answer>{{example.answer}}</answer>") * VALUE
'''
POINTS = """
[rftlab.tasks]
games = {package}.games:load
gone = {package}.nowhere:load
math = {package}.games:load

[rftlab.verifiers]
pay = {package}.games:score [extra]
nothing = {package}.games:nothing
half = {package}.games

[rftlab.methods]
raises = {package}.raises:Mine
"""
_numbers = count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own name, installed for this process and for those it starts."""
    name = f"own_games_{next(_numbers)}"
    for file, text in {
        f"{name}/__init__.py": "",
        f"{name}/games.py": GAMES.format(package=name),
        f"{name}/rules.py": "VALUE = 1.0\n",
        f"{name}/raises.py": "raise RuntimeError('no luck')\nclass Mine: pass\n",
        f"{name}-1.2.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n",
        f"{name}-1.2.dist-info/entry_points.txt": POINTS.format(package=name),
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return name


def cell_of(package, **values):
    base = {"task": f"{package}.games:load", "verifier": f"{package}.games:score", "labels": 10, "method": "grpo"}
    return Cell.make({**base, "evaluation.along_items": 4, **values})


def test_a_dotted_name_and_an_entry_point_load_the_same(package):
    for name in (f"{package}.games:load", "games"):
        assert load_task(name, {"n": 7}).train[6].prompt == "say 6"
    for name in (f"{package}.games:score", "pay"):
        example = load_task("games").train[3]
        assert make_verifier(name)("<answer>3</answer>", example).reward == 1


def test_a_grid_names_both_and_its_check_in_a_child_passes(package, tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(
        "name: own\ninclude: [{method: base}]\n"
        "defaults: {task: games, verifier: pay, task_settings: {n: 90}, decoding.max_new_tokens: 16}\n"
    )
    (cell,) = Grid.load(file).cells
    assert {"task", "verifier"} <= cell.digests.keys()
    preflight.check([cell_of(package, **{"decoding.max_new_tokens": 16}), cell])
    assert f"{package}.games" not in sys.modules


def test_locating_a_package_imports_none_of_it(package, tmp_path):
    (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    assert installed.problem(f"{package}.games:load") == ""
    assert installed.summary(f"{package}.games:load") == "Sums nobody has seen."
    assert with_digests(cell_of(package)).digests["task"]
    assert package not in sys.modules


@pytest.mark.parametrize("names", [{}, {"task": "games", "verifier": "pay"}], ids=["dotted", "entry points"])
def test_an_edit_anywhere_in_the_package_makes_another_cell(package, tmp_path, names):
    before = with_digests(cell_of(package, **names))
    assert with_digests(before).id == before.id
    require_unchanged(before)
    (tmp_path / package / "rules.py").write_text("VALUE = 0.5\n")
    after = with_digests(before)
    assert after.id != before.id
    assert identity_of(after)["task"] == f"{after.task} {after.digests['task']}"
    with pytest.raises(RftlabError, match=rf"task {after.task}, verifier {after.verifier} changed after the grid"):
        require_unchanged(before)


def test_a_package_that_is_no_longer_there_is_said_to_be_missing(package, tmp_path):
    cell = with_digests(cell_of(package))
    (tmp_path / package).rename(tmp_path / "elsewhere")
    assert describe(cell, "task") == f"task {package}.games:load"
    with pytest.raises(RftlabError, match="is not where it was when the grid was read"):
        require_unchanged(cell)


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        ("task: gone", r"line 2: cannot load task 'gone': there is no module \w+\.nowhere among what is installed"),
        ("verifier: nothing", r"cannot load verifier 'nothing': \w+\.games has no nothing"),
        ("verifier: half", r"verifier 'half' of \w+ 1\.2 cannot be used: '\w+\.games' is not of the form"),
        ("verifier: own_gamse:score", "there is no module own_gamse"),
        ("verifier: payy", r"unknown verifier 'payy'; did you mean pay"),
    ],
)
def test_what_is_not_there_is_one_sentence_when_the_grid_is_read(package, tmp_path, parameter, says):
    file = tmp_path / "grid.yaml"
    file.write_text(f"name: own\ndefaults: {{{parameter}}}\ninclude: [{{method: base}}]\n")
    with pytest.raises(RftlabError, match=says):
        Grid.load(file)


def test_one_that_raises_when_it_is_imported_is_one_sentence(package):
    says = r"^cannot load '\w+\.raises:Mine': RuntimeError: no luck \(raises\.py, line 1"
    with pytest.raises(RftlabError, match=says):
        resolve(find(METHODS, "raises", "method")[0])


def test_lists_show_entry_points_and_a_broken_one_breaks_nothing_else(package, capsys):
    assert cli.main(["tasks"]) == 0
    tasks = capsys.readouterr().out
    assert f"Sums nobody has seen. (of {package} 1.2)" in tasks
    assert f"cannot be used: there is no module {package}.nowhere" in tasks
    assert "\nmath        cannot be used: rftlab has its own of that name" in tasks
    assert all(name in tasks for name in TASKS)
    assert cli.main(["verifiers"]) == 0
    verifiers = capsys.readouterr().out
    assert f"\npay           Pays the gold answer. (of {package} 1.2)" in verifiers
    assert f"cannot be used: {package}.games has no nothing" in verifiers
    assert all(name in verifiers for name in VERIFIERS)


def test_two_packages_with_one_name_are_told_apart_by_dotted_names(package, tmp_path, monkeypatch):
    other = tmp_path / "other" / "zz_other-2.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: zz_other\nVersion: 2\n")
    (other / "entry_points.txt").write_text("[rftlab.tasks]\ngames = elsewhere:load\n")
    broken = tmp_path / "other" / "zz_broken-2.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_text("[rftlab.tasks]\nno equals sign\n")
    monkeypatch.syspath_prepend(tmp_path / "other")
    with pytest.raises(RftlabError, match="both offer it; name "):
        find(TASKS, "games", "task")
    assert any("entry_points.txt cannot be read" in offer.problem for offer in installed.offers("task").values())


def test_a_card_of_an_entry_point_says_whose_it_is(package):
    said = subprocess.run(
        [sys.executable, "-m", "rftlab", "verifiers", "pay"], capture_output=True, text=True, env=dict(os.environ)
    )
    assert said.stdout.startswith(f"pay: of {package} 1.2 ({package}.games:score)"), said.stderr

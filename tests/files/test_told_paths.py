"""What is kept names no home folder, and files beside a grid by where they are from there."""

import pytest

from rftlab.cell import Cell
from rftlab.files import told_paths


@pytest.fixture
def home(tmp_path, monkeypatch):
    told_paths._homes.cache_clear()
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / "me").mkdir()
    yield tmp_path / "me"
    told_paths._homes.cache_clear()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{home}/study/mine.py:load", "~/study/mine.py:load"),
        ("{home}/a.py:f,{home}/b.py:g", "~/a.py:f,~/b.py:g"),
        ("no such file ({home}/a.txt), and '{home}/b.txt'", "no such file (~/a.txt), and '~/b.txt'"),
        ("{home}else/a.txt", "{home}else/a.txt"),
        ("/mnt{home}/a.txt", "/mnt{home}/a.txt"),
        ("{home}", "{home}"),
        ("3 / 4", "3 / 4"),
    ],
)
def test_a_path_below_home_begins_with_a_tilde_wherever_it_stands(home, text, told):
    assert told_paths.below_home({"a": [text.format(home=home)]}) == {"a": [told.format(home=home)]}


def test_of_a_cell_what_lies_below_the_grid_is_told_from_there(home, monkeypatch):
    monkeypatch.setenv(told_paths.GRID_FOLDER, str(home / "study"))
    cell = {
        "task": f"{home}/study/mine.py:load",
        "task_settings": {"path": f"{home}/data/rows.jsonl"},
        "start_from": f"{home}/study/results/a/cells/0123",
        "settings": {"teacher": f"{home}/study/results/a/cells/4567"},
        "labels": 3,
    }
    assert told_paths.of_cell(cell) == {
        "task": "./mine.py:load",
        "task_settings": {"path": "~/data/rows.jsonl"},
        "start_from": "~/study/results/a/cells/0123",
        "settings": {"teacher": "~/study/results/a/cells/4567"},
        "labels": 3,
    }


def test_a_cell_told_so_has_the_same_id_where_its_files_are_digested(home, monkeypatch):
    monkeypatch.setenv(told_paths.GRID_FOLDER, str(home / "study"))
    cell = Cell.make({"task": f"{home}/study/mine.py:load", "digests": {"task": "0123456789ab"}})
    assert Cell.make(told_paths.of_cell(cell.model_dump(mode="json"))).id == cell.id


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('out = "{run}"', 'out = "."'),
        ("PosixPath('{run}/record.json')", "PosixPath('./record.json')"),
        ("{run}.old/record.json", "../../cells/.0a.running.old/record.json"),
        ("{home}/study/results/s", "../.."),
        ("{home}/study/results/s/shared/a.json", "../../shared/a.json"),
        ("{home}/study/mine.py", "../../../../mine.py"),
        ("\x1b[32m{home}/study/mine.py\x1b[39m:3", "\x1b[32m../../../../mine.py\x1b[39m:3"),
        ("<pre>{home}/a.txt</pre>", "<pre>~/a.txt</pre>"),
        ("{elsewhere}/b.py, {elsewhere}2/b.py", "./b.py, {elsewhere}2/b.py"),
    ],
)
def test_a_notebook_tells_paths_from_where_it_lies(home, tmp_path, text, told):
    results, elsewhere = home / "study" / "results" / "s", tmp_path / "grids"
    folders = {"run": results / "cells" / ".0a.running", "home": home, "elsewhere": elsewhere}
    found = told_paths.of_notebook([text.format(**folders)], folders["run"], (results, home / "study", elsewhere))
    assert found == [told.format(**folders)]

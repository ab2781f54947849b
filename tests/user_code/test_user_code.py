"""Loading a user's Python file: neighbours, names that collide, and edits in one process."""

import sys

import pytest

from rftlab import user_code
from rftlab.registry import VERIFIERS, find, resolve
from rftlab.tasks.base import load_task
from rftlab.user_code.sources import sources_of
from rftlab.verifiers.base import make_verifier


def load(path):
    return resolve(find(VERIFIERS, f"{path}:score", "verifier")[0])


def write(folder, helper: str, checks: str = "from helper import VALUE\n\ndef score():\n    return VALUE\n"):
    folder.mkdir(exist_ok=True)
    (folder / "helper.py").write_text(helper)
    (folder / "checks.py").write_text(checks)
    return folder / "checks.py"


def test_a_module_beside_the_file_can_be_imported(tmp_path):
    assert load(write(tmp_path, "VALUE = 3\n"))() == 3
    assert not list(tmp_path.rglob("__pycache__"))


def test_files_of_one_name_in_two_folders_each_with_a_helper_of_one_name_are_apart(tmp_path):
    first, second = write(tmp_path / "a", "VALUE = 1\n"), write(tmp_path / "b", "VALUE = 2\n")
    one, two = load(first), load(second)
    assert (one(), two()) == (1, 2)
    assert (load(first)(), load(second)()) == (1, 2)


def test_an_unchanged_file_is_executed_once(tmp_path):
    path = write(tmp_path, "VALUE = 1\n", "MADE = []\n\ndef score():\n    MADE.append(1)\n    return len(MADE)\n")
    assert [load(path)(), load(path)()] == [1, 2]


@pytest.mark.parametrize("name", ["helper.py", "checks.py"])
def test_an_edit_of_the_same_length_in_the_same_second_is_seen(tmp_path, name):
    path = write(tmp_path, "VALUE = 1\n", "from helper import VALUE\n\ndef score():\n    return VALUE, 1\n")
    assert load(path)() == (1, 1)
    (tmp_path / name).write_text((tmp_path / name).read_text().replace("1", "2"))
    assert load(path)() == {"helper.py": (2, 1), "checks.py": (1, 2)}[name]


def test_a_function_that_imports_when_it_is_called_finds_its_neighbour(tmp_path):
    path = write(tmp_path, "VALUE = 1\n", "def score():\n    from later_helper import VALUE\n    return VALUE\n")
    (tmp_path / "later_helper.py").write_text("VALUE = 4\n")
    assert load(path)() == 4
    del sys.modules["later_helper"]


def test_an_edited_neighbour_with_a_name_of_the_standard_library_does_not_displace_what_is_loaded(tmp_path):
    path = write(tmp_path, "", "import json\n\ndef score():\n    return json.dumps(1)\n")
    for text in ("raise RuntimeError\n", "raise ValueError\n"):
        (tmp_path / "json.py").write_text(text)
        assert load(path)() == "1"


@pytest.mark.parametrize("reads", ["checks.py", "helper.py", "deeper.py"])
def test_what_reads_data_when_it_is_imported_is_executed_again_once_the_data_is_edited(tmp_path, reads):
    path = write(tmp_path, "from deeper import VALUE\n")
    (tmp_path / "deeper.py").write_text("VALUE = 1\n")
    (tmp_path / reads).write_text(
        "from pathlib import Path\nVALUE = Path(__file__).with_name('mode').read_text()\n"
        "def score():\n    return VALUE\n"
    )
    for mode in ("exact", "half"):
        (tmp_path / "mode").write_text(mode)
        assert load(path)() == mode
    for name in ("helper", "deeper"):
        sys.modules.pop(name, None)


def test_a_cache_that_the_code_writes_does_not_have_it_executed_again(tmp_path):
    path = write(
        tmp_path,
        "",
        "from pathlib import Path\nN = []\n\ndef score():\n    N.append(1)\n"
        "    Path(__file__).with_name('cache.json').write_text(str(N))\n    return len(N)\n",
    )
    assert [load(path)(), load(path)()] == [1, 2]


def test_what_does_not_parse_consists_of_itself(tmp_path):
    (tmp_path / "checks.py").write_text("def score(:\n")
    assert user_code.sources_of(tmp_path / "checks.py").modules == {}


def test_a_file_in_a_folder_beside_the_grid_imports_what_lies_beside_the_grid(tmp_path):
    helpers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shared_rules.py").write_text(f"VALUE = {name!r}\n")
        (tmp_path / name / "json.py").write_text("raise RuntimeError\n")
        code = "import json\nfrom shared_rules import VALUE\n\ndef score():\n    return json.dumps(VALUE)\n"
        helpers.append(write(tmp_path / name / "code", "", code))
    one, two = helpers
    assert [load(path)() for path in (one, two, one)] == ['"one"', '"two"', '"one"']
    before = sources_of(one)
    assert list(before.modules) == ["../shared_rules.py"]
    (tmp_path / "one" / "shared_rules.py").write_text("VALUE = 'new'\n")
    assert load(one)() == '"new"'


def test_folders_above_that_hold_nothing_imported_are_not_put_on_the_path(tmp_path):
    (tmp_path / "wandb").mkdir()
    load(write(tmp_path / "code", "VALUE = 3\n"))
    assert str(tmp_path) not in sys.path


def test_a_task_s_verifier_is_found_relative_to_the_task_s_file(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "checks.py").write_text("def score(completion, example):\n    return 1.0\n")
    (tmp_path / "code" / "mine.py").write_text(
        "from rftlab.tasks.base import Example, Task\n\n"
        "def make(verifier='checks.py:score', **settings):\n"
        "    return Task('mine', '', (Example('a', 'x', '1'),), (Example('b', 'y', '1'),), verifier=verifier,\n"
        "                verifier_settings=settings)\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("code/mine.py:make", f"{tmp_path}/code/mine.py:make"):
        task = load_task(name)
        assert task.verifier == f"{tmp_path}/code/checks.py:score"
        assert make_verifier(task.verifier)("anything", task.test[0]).reward == 1
        settings = {"verifier": "rubric", "components": [{"verifier": "checks.py:score"}]}
        (component,) = load_task(name, settings).verifier_settings["components"]
        assert component["verifier"] == f"{tmp_path}/code/checks.py:score"
    assert load_task(name, {"verifier": "elsewhere.py:score"}).verifier == "elsewhere.py:score"

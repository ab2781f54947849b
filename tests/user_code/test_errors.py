"""What a user's own file gets wrong is one sentence with the line of that file, never a traceback of ours."""

import re

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.methods.base import load_method, make_settings, stages_of
from rftlab.preflight.card import card
from rftlab.preflight.data import check_gold
from rftlab.registry import TASKS as TASKS_REGISTRY
from rftlab.registry import find
from rftlab.tasks.base import load_task
from rftlab.user_code import child
from rftlab.verifiers.base import make_verifier

TASK = """
from rftlab.tasks.base import Example, Task

def load():
    rows = [Example(f"a{i}", f"say {i}", str(i)) for i in range(20)]
    return Task("mine", "card", tuple(rows[:15]), tuple(rows[15:]), verifier="exact")
"""
TASKS = {
    "def load(:\n    pass\n": r"SyntaxError: invalid syntax \(mine.py, line 1\)$",
    "def load():\npass\n": r"IndentationError: expected an indented block .*\(mine.py, line 2\)$",
    "x = 1\0\n": "null bytes",
    "WORDS = open('no_words.txt').read()\n": r"'no_words.txt' \(mine.py, line 1\); a relative path starts",
    "import no_such_package\n": r"ModuleNotFoundError: .*'no_such_package' \(mine.py, line 1\)",
    "from rftlab.tasks.base import Exampel\n": r"ImportError: cannot import name 'Exampel' .*\(mine.py, line 1\)",
    "X = unknown\n": r"NameError: .*\(mine.py, line 1\)",
    "import sys\nsys.exit(1)\n": r"SystemExit: 1 \(mine.py, line 2\)",
    "def laod():\n    pass\n": r"it has no 'load'; did you mean laod\?",
    "load = 3\n": "is a int; give a function or a class",
    "def load():\n    return 1 / 0\n": r"cannot be made: ZeroDivisionError: division by zero \(mine.py, line 2\)",
    "def load():\n    return load()\n": r"RecursionError: .*\(mine.py, line 2\)",
    "def load(a, b):\n    pass\n": r"missing 2 required positional arguments: 'a' and 'b' \(mine.py, line 1\)",
    "\ndef load():\n    pass\n": r"gives a NoneType \(mine.py, line 2\); return an rftlab.tasks.base.Task",
    "class load:\n    pass\n": r"gives a load \(mine.py, line 1\)",
    TASK.replace("tuple(rows[:15])", "['a']"): r"train holds a str; give a tuple of Examples \(mine.py, line 6\)",
    TASK.replace("str(i)", "i"): r"the answer of example a0 is a int, not a text \(mine.py, line 6\)",
    TASK.replace("str(i))", "str(i), None, {'x': object()})"): r"meta of example a0 .* no JSON value .*, line 6\)",
    TASK.replace("range(20)", "range(0)"): r"the train part is empty; add rows \(mine.py, line 6\)",
    TASK.replace('f"a{i}"', '"a"'): r"several examples have the id a; .*\(mine.py, line 6\)",
    TASK.replace('verifier="exact"', "verifier=None"): r"its verifier is a NoneType; give a name \(mine.py, line 6\)",
    TASK.replace(
        'verifier="exact"', "verifier_settings='x'"
    ): r"verifier_settings are a str; give a mapping .*line 6\)",
    TASK.replace('verifier="exact"', "ood=3"): r"ood other holds a int; give a tuple of Examples \(mine.py, line 6\)",
    TASK.replace('"mine"', "None"): r"a task's name is None; give a text \(mine.py, line 6\)",
    TASK.replace('f"say {i}"', '" "'): r"the prompt of example a0 is empty; fill it .*\(mine.py, line 6\)",
    TASK.replace("verifier=", "verfier="): r"unexpected keyword argument 'verfier' \(mine.py, line 6\)",
}
_CLASS = "from rftlab.verifiers.base import Judgement, Verifier\nclass score(Verifier):\n"
VERIFIERS = {
    "def score(a, b:\n": r"SyntaxError: .*\(mine.py, line 1\)",
    "def score(completion, example):\n    return completion.nope\n": r"raised AttributeError: .*\(mine.py, line 2\)",
    "def score(answer, example):\n    pass\n": r"returned None, not a number from 0 to 1 \(mine.py, line 1\)",
    "\ndef score(answer, example):\n    return 'yes'\n": r"returned 'yes', not a number .*\(mine.py, line 2\)",
    "async def score(answer, example):\n    return 1.0\n": r"is asynchronous or a generator .*line 1\); write",
    "def score(answer, example):\n    yield 1.0\n": r"is asynchronous or a generator .*line 1\); write",
    "def score(answer, example):\n    return object()\n": r"returned <object object>, not a number .*line 1\)",
    "import numpy\ndef score(answer, example):\n    return numpy.ones(2)\n": r"returned array.*, not a number",
    "def score(example, answer):\n    return 1.0\n": r"takes the example first \(mine.py, line 1\)",
    "S = []\ndef score(answer, example):\n    S.append(1)\n    return float(len(S) < 4)\n":
        r"asked twice about the gold answer of .* gives 1 and then 0 \(mine.py, line 2\); it",
    "import sys\ndef score(c, e):\n    sys.exit(0)\n": r"raised SystemExit: 0 \(mine.py, line 3\)",
    "def score(c, e):\n    return len()\n": r"raised TypeError: len\(\) .*\(mine.py, line 2\)",
    "def score(x):\n    return 1.0\n": r"score\(x\) cannot be called with two arguments \(mine.py, line 1\)",
    "class score:\n    pass\n": r"is a class \(mine.py, line 1\)",
    f"{_CLASS}    pass\n": r"implements neither judge nor judge_batch \(mine.py, line 2\)",
    f"{_CLASS}    def judge(self, answer):\n        pass\n": r"takes 2 positional arguments .*\(mine.py, line 2\)",
    f"{_CLASS}    def judge(self, answer, example):\n        return 1.0\n": r"returned 1.0, not a Judgement .*line 2\)",
    f"{_CLASS}    def score(self, completions, examples):\n        return 1.0\n": r"not 1 Scores \(mine.py, line 2\)",
    f"{_CLASS}    def __init__(self):\n        pass\n": r"unexpected .* 'answer_format' \(mine.py, line 2\)",
    f"{_CLASS}    def __init__(self, k, **s):\n        pass\n": r"argument: 'k' \(mine.py, line 2\)",
    f"{_CLASS}    def __init__(self, **s):\n        pass\n    def judge(self, *_):\n        return Judgement(0)\n":
        "says no more",
}  # fmt: skip
METHOD = """from rftlab.methods.base import Ladder, Settings
class Mine:
    Settings = Settings
    presets = {}
    ladder = Ladder(lora=(1e-3,), full=(1e-4,))
    card = "x"
    def train(self, run):
        run.policy.nope
"""
METHODS = {
    "class Mine(:\n": r"SyntaxError: .*\(mine.py, line 1\)",
    "def Mine(run):\n    pass\n": r"is a function \(mine.py, line 1\); give a class",
    "class Mine:\n    pass\n": r"\(mine.py, line 1\): its class needs a Mapping presets",
    "class Mine:\n    def __init__(self, x):\n        pass\n": r"argument: 'x' \(mine.py, line 1\)",
    "class Mine:\n    def __init__(self):\n        raise ValueError('no')\n": r"ValueError: no \(mine.py, line 3\)",
    METHOD.replace("Settings = Settings", "Settings = dict"): r"\(mine.py, line 2\): its class needs Settings",
    METHOD.replace("Ladder(lora=(1e-3,), full=(1e-4,))", "(1e-3,)"): r"\(mine.py, line 2\): .* needs a Ladder ladder",
    METHOD.replace("(1e-3,)", "()"): r"\(mine.py, line 2\): its ladder holds what is no learning rate",
    METHOD.replace("{}", "{'a': 3}"): r"\(mine.py, line 2\): its preset 'a' is no mapping",
    METHOD.replace("self, run", "self"): r"\(mine.py, line 2\): its class needs train\(self, run\)",
    f"{METHOD}    def stages(self):\n        return 3\n": r"takes 1 positional argument .*\(mine.py, line 9\)",
    f"{METHOD}    def stages(self, settings):\n        return 3\n": r"gives 3 \(mine.py, line 9\); return a tuple of",
}  # fmt: skip


def write(folder, source):
    (folder / "mine.py").write_text(source)
    return f"{folder}/mine.py"


def said(caught) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("source", TASKS)
def test_a_task(source, tmp_path):
    with pytest.raises(RftlabError) as caught:
        load_task(f"{write(tmp_path, source)}:load")
    assert re.search(TASKS[source], said(caught))
    assert said(caught).count("line ") <= 1 + ("IndentationError" in said(caught))


@pytest.mark.parametrize("source", VERIFIERS)
def test_a_verifier(source, tmp_path):
    task = load_task("arithmetic/word", {"train": 2, "test": 1, "ood": 0})
    with pytest.raises(RftlabError) as caught:
        check_gold(Cell(), task, f"{write(tmp_path, source)}:score", {})
    assert re.search(VERIFIERS[source], said(caught))


@pytest.mark.parametrize("source", METHODS)
def test_a_method(source, tmp_path):
    name = f"{write(tmp_path, source)}:Mine"
    with pytest.raises(RftlabError) as caught:
        stages_of(method := load_method(name), name, make_settings(method, name, "", {}))
    assert re.search(METHODS[source], said(caught))


@pytest.mark.parametrize(
    ("kind", "source", "give"),
    [
        ("task", "import re\ndef load(): pass\ndef _row(): pass\n", "mine.py:load"),
        ("verifier", "def a(answer, example): pass\ndef b(answer, example): pass\n", "mine.py:a or .*mine.py:b"),
        ("method", "def f(): pass\nclass Mine: pass\n", "mine.py:Mine"),
        ("task", "def load(:\n", "mine.py:NAME, its function or class"),
    ],
)
def test_a_file_alone_is_answered_with_what_is_in_it(kind, source, give, tmp_path):
    with pytest.raises(RftlabError, match=rf"^{kind} '.*mine.py' names a file and nothing in it; give \S*{give}$"):
        find({}, write(tmp_path, source), kind)


def test_a_card_asks_for_all_that_a_method_has_to_have(tmp_path):
    with pytest.raises(RftlabError, match=r"\(mine.py, line 1\): its class needs a Mapping presets"):
        card({"kind": "method", "name": f"{write(tmp_path, 'class Mine: pass')}:Mine"})


def test_a_method_that_raises_in_a_cell_is_named_with_its_line(tmp_path, small_cell):
    name = f"{write(tmp_path, METHOD)}:Mine"
    with pytest.raises(RftlabError, match=r"raised AttributeError: .*'nope' \(mine.py, line 8\)$"):
        Experiment(small_cell(method=name)).train()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import os\nos._exit(3)\n", r"ended with exit code 3 .* \(mine.py, line 2\)"),
        ("import ctypes\nctypes.string_at(0)\n", r"killed by signal 11 .* \(mine.py, line 2\)"),
        ("while True:\n    pass\n", r"did not finish within 1 s \(mine.py, line [12]\)"),
    ],
)
def test_what_ends_the_process_or_hangs_is_named_with_its_line(source, says, tmp_path):
    with pytest.raises(RftlabError, match=says) as caught:
        child.call("rftlab.preflight.card:card", {"kind": "task", "name": f"{write(tmp_path, source)}:load"}, limit=1)
    assert said(caught).startswith("loading task")


def test_a_verifier_that_is_sound_says_so(tmp_path):
    made = make_verifier(f"{write(tmp_path, 'def score(answer, example): return answer == example.answer')}:score")
    assert made("<answer>1</answer>", load_task("arithmetic/word", {"train": 1, "test": 1, "ood": 0}).test[0]).reason


def test_a_file_of_no_rows_is_no_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.md").write_text("# Notes\n")
    with pytest.raises(RftlabError, match=r"task 'notes.md' is a file of no rows; give a .jsonl"):
        find(TASKS_REGISTRY, "notes.md", "task")
    for name in ("x" * 5000, "a\0b", "nothing.md"):
        with pytest.raises(RftlabError, match="unknown task"):
            find(TASKS_REGISTRY, name, "task")

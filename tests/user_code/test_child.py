"""A function in a child: whatever it does to its process is an error that says what, and where in the user's file."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rftlab import cli, preflight
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.user_code import child

TASK = """
from rftlab.tasks.base import Example, Task

def make():
    rows = [Example(f"a{i}", f"say {i}", str(i)) for i in range(20)]
    return Task("mine", "the card", tuple(rows[:15]), tuple(rows[15:]))
"""
JUDGE = """
def score(completion, example):
    return float(example.answer in completion)
"""
# What a user's code does, and what is said of it; at one of the places.
DOES = {
    "import sys; sys.exit(0)": r"SystemExit: 0 \(mine.py, line \d+\)",
    "import os; os._exit(0)": r"the process ended with exit code 0 before it was done",
    "import os; os.kill(os.getpid(), 9)": r"the process was killed by signal 9",
    "raise KeyboardInterrupt": r"KeyboardInterrupt \(mine.py, line \d+\)",
    "raise GeneratorExit('x')": r"GeneratorExit: x \(mine.py, line \d+\)",
    "1 / 0": r"ZeroDivisionError: division by zero \(mine.py, line \d+\)",
    "while True: pass": r"did not finish within 1 s \(mine.py, line \d+\)",
    "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')": r"did not finish within 1 s \(mine.py, line \d+\)",
    "import os; os.fork() or os._exit(0); import time; time.sleep(9)": r"did not finish within 1 s",
}
PLACES = ("import", "loading", "scoring")
HARMLESS = """
import os, signal, sys, threading, time
os.chdir('/')
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=time.sleep, args=(60,)).start()
[print('x' * 1000) for _ in range(2000)]
os.write(1, b'{"result": {}}\\n')
sys.stdin.read()
"""


@pytest.fixture
def mine(tmp_path):
    def write(source: str, *, at: str) -> Cell:
        lines = "\n".join(source.strip().splitlines())
        inner = "\n".join(f"    {line}" for line in lines.splitlines())
        task = TASK.replace("make():", f"make():\n{inner}") if at == "loading" else TASK
        judge = JUDGE.replace("example):", f"example):\n{inner}") if at == "scoring" else JUDGE
        (tmp_path / "mine.py").write_text((f"{lines}\n" if at == "import" else "") + task + judge)
        return Cell.make(
            {
                "task": f"{tmp_path}/mine.py:make",
                "verifier": f"{tmp_path}/mine.py:score",
                "cot": False,
                "labels": 5,
                "evaluation.along_items": 4,
            }
        )

    return write


@pytest.mark.parametrize(
    ("source", "at"),
    [
        *((source, at) for source in list(DOES)[:2] for at in PLACES),
        *((source, PLACES[i % 3]) for i, source in enumerate(list(DOES)[2:])),
    ],
)
def test_whatever_ends_a_users_code_is_a_failure_that_is_named(mine, source, at):
    cell = mine(source, at=at)
    with pytest.raises(RftlabError, match=DOES[source]) as caught:
        preflight.check([cell], limit=1)
    assert "\n" not in str(caught.value)
    if "exit code" in str(caught.value):
        what = "scoring example a0 with verifier" if at == "scoring" else "loading task"
        assert str(caught.value).startswith(what)


@pytest.mark.parametrize(
    ("condition", "does", "says"),
    [
        ("example.answer not in completion", "while True: pass", r"^scoring another example's answer to .* within 1 s"),
        ("example.answer not in completion", "__import__('os')._exit(0)", r"^scoring another .* with exit code 0"),
        ("not completion", "while True: pass", r"^scoring no answer at all to example a0 .* did not finish within 1 s"),
    ],
)
def test_a_verifier_that_stands_gold_answers_is_tried_with_wrong_ones(mine, tmp_path, condition, does, says):
    cell = mine("", at="loading")
    (tmp_path / "wrong.py").write_text(
        f"def score(completion, example):\n    if {condition}:\n        {does}\n    return 1.0\n"
    )
    with pytest.raises(RftlabError, match=rf"{says}.* \(wrong.py, line 3\)"):
        preflight.check([Cell.make({**cell.flat(), "verifier": f"{tmp_path}/wrong.py:score"})], limit=1)


def test_a_limit_that_people_can_change_is_named(mine):
    with pytest.raises(RftlabError, match="make it faster, or allow more with --check-timeout$"):
        preflight.check([mine("while True: pass", at="loading")], limit=0.5)


@pytest.mark.parametrize("at", ["import", "loading"])
def test_what_a_users_code_changes_in_its_process_changes_nothing_here(mine, at):
    before = Path.cwd()
    preflight.check([mine(HARMLESS, at=at)], limit=5)
    assert Path.cwd() == before


def test_what_a_users_code_has_started_is_ended_with_it(mine, tmp_path):
    pid = tmp_path / "pid"
    source = f"import subprocess; open({str(pid)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))"
    preflight.check([mine(source, at="loading")])
    _wait(lambda: not _alive(int(pid.read_text())))


@pytest.mark.parametrize("verb", ["check", "dry run"])
def test_a_task_that_ends_the_process_does_not_let_the_command_line_pass(mine, tmp_path, capsys, monkeypatch, verb):
    cell = mine("import os; os._exit(0)", at="import")
    (tmp_path / "g.yaml").write_text(f"task: {cell.task}\n")
    arguments = ["check", cell.task] if verb == "check" else ["run", str(tmp_path / "g.yaml"), "--dry-run"]
    assert cli.main(arguments) == 2
    assert "ended with exit code 0" in capsys.readouterr().err


def test_a_child_goes_when_its_parent_is_killed(tmp_path):
    pid = tmp_path / "pid"
    code = f"from rftlab.user_code import child; child.call('tests.user_code.test_child:hang', {str(pid)!r})"
    parent = subprocess.Popen([sys.executable, "-c", code])
    _wait(lambda: pid.is_file() and pid.read_text())
    assert _alive(int(pid.read_text()))
    parent.kill()
    parent.wait()
    _wait(lambda: not _alive(int(pid.read_text())))


def hang(path) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def _wait(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks only on Linux")
def test_children_of_tests_are_warm():
    assert child.call("tests.user_code.test_child:started", {})["torch"]


def test_a_child_is_an_interpreter_of_its_own(monkeypatch, cold_child):
    monkeypatch.setattr(child, "_start", cold_child)
    started = child.call("tests.user_code.test_child:started", {}, limit=60)
    assert started == {"as": [sys.executable, "-P", "-m", "rftlab.user_code.child"], "torch": False}


def started(_argument) -> dict[str, object]:
    return {"as": sys.orig_argv, "torch": "torch" in sys.modules}


def test_an_answer_without_the_nonce_is_none():
    with pytest.raises(RftlabError, match="ended with exit code 0"):
        child.call("tests.user_code.test_child:forge", {}, limit=5)


def forge(_argument) -> None:
    for descriptor in range(1, 20):
        try:
            os.write(descriptor, b'{"result": 1}\n')
        except OSError:
            continue
    os._exit(0)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False

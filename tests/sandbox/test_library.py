"""Library calls on hostile text: limits hold, the rest of the batch is unharmed, nothing escapes."""

import os
import sys
import time
from pathlib import Path

import pytest

from rftlab.errors import RftlabError
from rftlab.sandbox import library
from rftlab.sandbox.library import IsolatedWorker
from rftlab.sandbox.worker import LADDER

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def importable_targets():
    sys.path.insert(0, str(HERE))
    yield
    sys.path.remove(str(HERE))


def start(function, **settings):
    return IsolatedWorker(f"library_targets:{function}", **settings)


@pytest.fixture(scope="module")
def misbehave(importable_targets):
    worker = start("misbehave", seconds=0.5, memory_mb=512)
    yield worker
    worker.close()


def test_results_come_back_in_order():
    worker = start("double")
    assert worker.map([[i] for i in range(500)]) == [2 * i for i in range(500)]
    assert worker.map([]) == []
    assert worker.map([["a"], [[1, (2.5,)]], [b"x"]]) == ["aa", [1, (2.5,), 1, (2.5,)], b"xx"]
    worker.close()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("loop", "timeout"),
        ("sleep", "timeout"),
        ("exit", "exit 3"),
        ("raise", "KeyboardInterrupt"),
        ("memory", "MemoryError"),
        ("object", "not plain data"),
        ("set", "untrusted"),
        ("flood", "output"),
        ("junk", "cannot be read"),
        ("deep", "cannot be read"),
    ],
)
def test_a_bad_item_gives_none_and_the_next_is_answered(misbehave, how, reason):
    (value, why), _ = misbehave.map_with_reasons([[how], ["ok"]])
    assert value is None
    assert reason in why
    assert misbehave.map([["ok"], ["ok"]]) == [1, 2]


def test_an_overrun_costs_its_own_limit_only(misbehave):
    start_time = time.monotonic()
    assert misbehave.map([["ok"], ["loop"], ["ok"], ["loop"], ["ok"]])[2] is not None
    assert time.monotonic() - start_time < 5


def test_fresh_items_do_not_see_each_other():
    worker = start("misbehave", fresh=True)
    assert worker.map([["ok"]] * 4) == [1, 1, 1, 1]
    worker.close()


def test_a_killed_process_is_started_again():
    worker = start("double")
    assert worker.map([[1]]) == [2]
    worker._worker._process.kill()
    worker._worker._process.wait()
    assert worker.map([[2]]) == [4]
    worker.close()
    assert worker.map([[3]]) == [6]
    worker.close()


@pytest.mark.parametrize("level", LADDER)
def test_text_that_is_evaluated_cannot_leave_the_process(level, tmp_path):
    marker, secret = tmp_path / "escaped", tmp_path / "secret"
    secret.write_text("hidden")
    worker = start("evaluate", levels=[level], fresh=True, warm=[["1"]])
    try:
        worker.map([["1"]])
    except RftlabError as error:
        pytest.skip(str(error))
    attacks = [
        f"__import__('os').system('touch {marker}')",
        f"open({str(marker)!r}, 'w')",
        f"open({str(secret)!r}).read()",
        f"__import__('os').listdir({str(tmp_path)!r})",
        "__import__('socket').socket()",
        "__import__('os').fork()",
        f"__import__('os').kill({os.getpid()}, 9)",
        "__import__('subprocess').run(['id'])",
    ]
    results = worker.map([[attack] for attack in attacks])
    assert all(result in (None, 32512) for result in results)  # 32512: the shell could not be started
    assert not marker.exists()
    assert worker.map([["6 * 7"]]) == [42]
    worker.close()


@pytest.mark.parametrize("level", LADDER)
def test_late_imports_give_the_same_at_every_level(level):
    worker, caught = start("late_import", levels=[level]), start("late_and_caught", levels=[level])
    try:
        assert worker.map([["x"], ["y"]]) == ["colorsys x", "colorsys y"]
    except RftlabError as error:
        pytest.skip(str(error))
    modules = ["wave", "xml.dom.minidom", "email.mime.text"]
    assert caught.map_with_reasons([["x"]]) == [(["x", *modules], "")]
    worker.close()
    caught.close()


def test_a_fork_of_this_process_gets_a_worker_of_its_own():
    worker = start("double")
    assert worker.map([[1]]) == [2]
    child = os.fork()
    if not child:
        good = worker.map([[21]]) == [42]
        worker.close()
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert worker.map([[4]]) == [8]
    worker.close()


def test_refusals_say_what_to_do():
    with pytest.raises(RftlabError, match="module:function"):
        IsolatedWorker("nothing")
    with pytest.raises(RftlabError, match="import path"):
        IsolatedWorker("no_such_module_here:f").map([[1]])
    with pytest.raises(RftlabError, match="no_such_function"):
        IsolatedWorker("json:no_such_function").map([[1]])
    with pytest.raises(RftlabError, match="allow_unsandboxed"):
        IsolatedWorker("json:dumps", levels=[]).map([[1]])
    with pytest.raises(RftlabError, match="cannot be sent"):
        start("double").map([[[[]] * 300_000]])


def test_the_shared_worker_is_one():
    assert library.shared("json:dumps") is library.shared("json:dumps")


def test_math_verify_is_bounded():
    pytest.importorskip("math_verify")
    worker = IsolatedWorker("math_verify:verify", warm=[["1/2", "0.5"]], seconds=1.0)
    started = time.monotonic()
    assert worker.map([["1/2", "0.5"]]) != [None]
    assert time.monotonic() - started < 30
    worker.close()

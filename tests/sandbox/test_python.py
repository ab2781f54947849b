"""The sandbox: what comes back, what it survives, how it is refused."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.sandbox import library, lockdown, python, values
from rftlab.sandbox.python import Case, Check, Limits, Sandbox, shared_sandbox
from rftlab.sandbox.worker import LADDER, default_levels
from rftlab.verifiers.code import Code

ROOT = Path(__file__).parents[2]
LATE = (
    "import xml.etree.ElementTree as E, pprint\nfrom concurrent import futures\nimport datetime\ndef f(x):\n"
    "    from email.mime.text import MIMEText\n    import wave; futures.ThreadPoolExecutor\n"
    "    year = datetime.datetime.strptime('1999', '%Y').year\n    return pprint.pformat(E.Element('a').tag * x), year"
)
TAGS = st.sampled_from(["l", "t", "s", "fs", "d", "D", "i", "f", "c", "b", "ba", "!"])
DOUBLE = "def f(x):\n    return x * 2"


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(workers=1)
    yield sandbox
    sandbox.close()


def run(sandbox, code, *cases, **settings):
    return sandbox.run([Check(code, "f", [Case(case) for case in cases], **settings)])[0]


def trees(result):
    return [outcome.tree for outcome in result.outcomes]


def problems(result):
    return [outcome.problem for outcome in result.outcomes]


def test_each_case_has_its_outcome(sandbox):
    result = run(sandbox, "def f(x):\n    return 10 // x", (5,), (0,), (3,))
    assert trees(result) == [2, None, 3]
    assert problems(result) == ["", "ZeroDivisionError: integer division or modulo by zero", ""]


def test_keywords_and_containers_arrive(sandbox):
    code = "def f(a, *, b):\n    return [type(a).__name__, type(b).__name__, sorted(b)]"
    result = sandbox.run([Check(code, "f", [Case(((1, 2),), {"b": {3, 4}})])])[0]
    assert trees(result) == [["l", "tuple", "set", ["l", 3, 4]]]


def test_arguments_changed_in_one_case_are_whole_in_the_next(sandbox):
    result = run(sandbox, "def f(a):\n    a.append(1)\n    return len(a)", ([],), ([],))
    assert trees(result) == [1, 1]


def test_results_keep_their_order_over_several_workers():
    sandbox = Sandbox(workers=3)
    checks = [Check(DOUBLE, "f", [Case((i,))]) for i in range(60)]
    assert [trees(result) for result in sandbox.run(checks)] == [[2 * i] for i in range(60)]
    sandbox.close()


def test_the_compilers_sentence_comes_back(sandbox):
    result = run(sandbox, "def f(x) return x", (1,), (2,))
    assert result.load_error == "SyntaxError: expected ':' (<solution>, line 1)"
    assert problems(result)[0] == "the code does not load"
    assert run(sandbox, "x = 1", (1,)).load_error == "NameError: the code defines no 'f'"


@pytest.mark.parametrize(
    "code",
    [
        "from __future__ import annotations\nimport dataclasses as d\n@d.dataclass\nclass A:\n    x: int\n"
        "def f(x): return A(x).x * 2",
        "import typing as t\nT = t.TypeVar('T')\nclass P(t.NamedTuple):\n    x: int\n"
        "def f(x: int) -> int: return P(x).x * 2",
        "from enum import IntEnum\nclass E(IntEnum):\n    TWO = 2\ndef f(x): return int(x * E.TWO)",
        "from collections import Counter, deque\nimport re, math, heapq, bisect, itertools, functools, json, string\n"
        "@functools.lru_cache\ndef f(x): return sum(Counter(['a'] * x).values()) * 2",
        "import random, decimal, fractions, statistics, copy\ndef f(x): return int(fractions.Fraction(x) * 2)",
        "import hashlib, zlib, base64, uuid, textwrap, operator\ndef f(x): return operator.mul(x, 2)",
        "def f(x):\n    match x:\n        case int(): return x * 2",
        "class f:\n    def __new__(cls, x): return x * 2",
    ],
)
def test_ordinary_python_works(sandbox, code):
    result = run(sandbox, code, (21,))
    assert (result.load_error, trees(result)) == ("", [42])


def test_random_and_set_order_are_the_same_each_time(sandbox):
    code = "import random\ndef f(x):\n    return [random.random(), list({'a', 'b', 'c', 'd', 'e'})]"
    assert trees(run(sandbox, code, (1,))) == trees(run(sandbox, code, (1,)))


def test_cases_before_one_that_overran_count(sandbox):
    code = "def f(x):\n    while x == 2: pass\n    return x"
    result = run(sandbox, code, (1,), (2,), (3,), limits=Limits(case_s=0.5))
    assert trees(result) == [1, None, None]
    assert problems(result) == ["", "timeout", "timeout"]


def test_the_total_limit_holds_where_each_case_is_within_its_own(sandbox):
    started = time.monotonic()
    code = "import time\ndef f(x):\n    time.sleep(0.15)\n    return x"
    result = run(sandbox, code, *[(i,) for i in range(9)], limits=Limits(case_s=1, total_s=0.5))
    assert time.monotonic() - started < 3
    assert 1 <= problems(result).count("") <= 3


def test_one_check_cannot_poison_the_next(sandbox):
    run(
        sandbox,
        "import builtins, json, sys\nbuiltins.sum = json.dumps = None\nsys.modules['math'] = None\ndef f(x): 1",
        (1,),
    )
    assert trees(run(sandbox, "import math\ndef f(x): return sum([x, math.floor(1.5)])", (1,))) == [2]


SECRET = "def f(x):\n    return 'told ' + 'sesame' + x  # kept-from-others"
HUNT = """
import re
def f(needles):
    found = set()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            first, end = (int(number, 16) for number in line.split()[0].split("-"))
            if line.split()[1].startswith("rw") and "[v" not in line:
                memory.seek(first)
                page = memory.read(end - first)
                found.update(needle for needle in needles if re.search(needle.encode(), page))
    return sorted(found)
"""


@pytest.mark.parametrize("level", LADDER)
def test_imports_work_alike_at_every_level(level):
    sandbox = Sandbox(workers=1, levels=[level])
    try:
        result = run(sandbox, LATE, (2,))
    except RftlabError as error:
        pytest.skip(str(error))
    assert (result.load_error, trees(result)) == ("", [["t", "'aa'", 1999]])
    assert trees(run(sandbox, "def f(x):\n    return __import__('wa' + 've').__name__", (2,))) == ["wave"]
    assert "No module named 'nothing_here'" in run(sandbox, "import nothing_here", (2,)).load_error
    assert "no_such" in problems(run(sandbox, "def f(x): __import__('no_' + 'such')", (2,)))[0]
    if "noopen" in level:
        code = "import turtledemo\ndef f(x): return x"
        example = SimpleNamespace(answer="", meta={"entry_point": "f", "tests": [{"args": [1], "expected": 1}]})
        score = Code(sandbox=sandbox)(f"<answer>{code}</answer>", example)
        assert (score.reward, score.parts["verifier_error"]) == (0.0, 1.0)
        assert "'turtledemo' cannot be imported at this level" in score.detail
    sandbox.close()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs /proc")
def test_no_check_finds_in_its_memory_what_another_was_given_or_returned():
    sandbox = Sandbox(workers=1, levels=["unsandboxed"])
    hidden = ["kept-from-others", "shown-to-one", "told sesame"]  # in the code, in an input, in a result
    patterns = [f"[{text[0]}]{text[1:]}" for text in hidden]  # a pattern is no match of itself
    for _ in range(3):
        assert trees(run(sandbox, SECRET, ("shown-to-one",))) == ["told sesameshown-to-one"]
    assert trees(run(sandbox, HUNT, (patterns,))) == [["l"]]
    own = f"OWN = {hidden[0]!r}\n{HUNT}"
    assert trees(run(sandbox, own, (patterns,))) == [["l", patterns[0]]]  # the hunt does find what is there
    sandbox.close()


def test_a_counter_that_the_interpreter_dropped_is_told(sandbox):
    code = (
        "def deep():\n    deep()\ndef f(x):\n    try:\n        deep()\n    except RecursionError:\n        pass\n"
        "    return sum(i for i in range(x))"
    )
    result = run(sandbox, code, (3,), (3000,), steps=1_000_000)
    lost = ["count of interpreter steps was lost" in problem for problem in problems(result)]
    assert all(lost) or result.outcomes[1].steps > result.outcomes[0].steps + 2997
    assert trees(run(sandbox, code, (3,))) == [3]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())) | TAGS,
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("vecxn") | TAGS, inner),
        max_leaves=9,
    )
    | st.builds(lambda tag, rest: {"v": [tag, *rest]}, TAGS, st.lists(st.just({}) | st.dictionaries(TAGS, TAGS) | TAGS))
)
@settings(deadline=None, max_examples=150)
def test_no_line_that_a_child_writes_raises(message):
    line = json.dumps(message).encode()
    for tolerance in (None, 0.5):
        (outcome,) = python._read([line]).outcomes
        assert values.same(outcome.tree, values.encode({"a": 1.5}), tolerance=tolerance) in (True, False)
    outcome.problem.encode()
    library._read(line)[1].encode()


@given(st.binary())
@settings(deadline=None)
def test_no_bytes_that_a_child_writes_raise(line):
    assert len(python._read([line]).outcomes) == 1
    assert library._read(line)[1] or json.loads(line)


@pytest.mark.parametrize("key", ["v", "e", "x", "c"])
@pytest.mark.parametrize("depth", [30, 500, 900, 990, 100_000])
def test_a_deep_line_raises_nothing(key, depth):
    line = b'{"%s": %s%s}' % (key.encode(), b"[" * depth, b"]" * depth)
    (outcome,) = python._read([line]).outcomes
    assert not values.same(outcome.tree, values.encode(1))
    assert library._read(line)[0] is None


def test_steps_are_counted_the_same_each_time(sandbox):
    code = "def f(x):\n    t = 0\n    for i in range(x): t += i\n    return t"
    counts = [[o.steps for o in run(sandbox, code, (10,), (1000,), steps=100_000).outcomes] for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]
    assert 50 * counts[0][0] < 100 * counts[0][1] < 100 * 100 * counts[0][0]
    result = run(sandbox, code, (10,), (10**7,), (10,), steps=100_000)
    assert problems(result) == ["", "more interpreter steps than allowed", "exit 0"]


def test_a_killed_worker_is_replaced(sandbox):
    sandbox.run([Check(DOUBLE, "f", [Case((1,))])])
    worker = sandbox._idle[-1]
    worker._process.kill()
    worker._process.wait()
    assert trees(run(sandbox, DOUBLE, (4,))) == [8]


def test_many_threads_may_ask_at_once():
    sandbox, results = Sandbox(workers=2), {}
    threads = [
        threading.Thread(target=lambda i=i: results.update({i: trees(run(sandbox, DOUBLE, (i,)))})) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [2 * i] for i in range(8)}
    sandbox.close()


def test_a_thread_that_started_the_sandbox_may_end():
    sandbox = Sandbox(workers=1)
    thread = threading.Thread(target=lambda: sandbox.level)
    thread.start()
    thread.join()
    (worker,) = sandbox._idle
    assert trees(run(sandbox, DOUBLE, (1,))) == [2]
    assert sandbox._idle == [worker]
    sandbox.close()


def test_a_fork_of_this_process_gets_workers_of_its_own(sandbox):
    assert trees(run(sandbox, DOUBLE, (1,))) == [2]
    child = os.fork()
    if not child:
        good = trees(run(sandbox, DOUBLE, (21,))) == [42]
        sandbox.close()
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert trees(run(sandbox, DOUBLE, (2,))) == [4]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("level", [LADDER[0], LADDER[-1]])
def test_nothing_outlives_a_killed_driver(level, tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(
        "import sys\nfrom rftlab.sandbox.python import *\n"
        f"box = Sandbox(workers=1, levels=[{level!r}])\n"
        "print(box._take().pid, flush=True)\nbox.run([Check('while True: pass', 'f', [Case()])] * 9)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = driver.stdout.readline()
    if not line:
        pytest.skip(driver.communicate()[1].decode()[-200:])
    time.sleep(0.3)
    before = _children_of(int(line))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    driver.stderr.close()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in before):
        time.sleep(0.05)
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]


def _children_of(pid):
    """A process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def test_the_ladder_falls_to_the_next_rung(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    sandbox = Sandbox(workers=1)
    assert not sandbox.level.startswith("bwrap")
    assert "not installed" in sandbox.failures[LADDER[0]]
    assert trees(run(sandbox, DOUBLE, (3,))) == [6]
    sandbox.close()


def test_a_level_whose_canaries_fail_is_not_used(monkeypatch):
    monkeypatch.setattr("rftlab.sandbox.worker.Worker.canaries", lambda worker: ["read: open"])
    with pytest.raises(RftlabError, match=r"canaries failed: read: open.*allow_unsandboxed"):
        _ = Sandbox(workers=1).level


def test_the_opt_out_is_by_name_and_recorded(monkeypatch):
    monkeypatch.setattr("rftlab.sandbox.worker.LADDER", ())
    assert default_levels(allow_unsandboxed=False) == ()
    with pytest.raises(RftlabError, match="cannot be isolated"):
        Sandbox(workers=1).run([Check(DOUBLE, "f", [Case((1,))])])
    sandbox = Sandbox(workers=1, allow_unsandboxed=True)
    assert sandbox.level == "unsandboxed"
    assert problems(run(sandbox, "def f(x):\n    while True: pass", (1,), limits=Limits(0.2, 0.2))) == ["timeout"]
    sandbox.close()


def test_root_skips_the_level_that_leaks_stat():
    assert ("landlock+seccomp" in default_levels(False)) == (os.geteuid() != 0)


def test_inputs_that_are_not_plain_data_are_refused(sandbox):
    deep = []
    for _ in range(99):
        deep = [deep]
    with pytest.raises(RftlabError, match="cannot be sent"):
        run(sandbox, DOUBLE, (deep,))


def test_the_shared_sandbox_is_one():
    assert shared_sandbox() is shared_sandbox()


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_system_call_tables_match_the_kernels_headers(machine, header):
    if not Path(header).exists():
        pytest.skip(f"no {header}")
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()))
    aliases = {"newfstatat": "fstatat", "rseq": "rseq"} if machine == "aarch64" else {}
    tables = (lockdown.CALLS, lockdown.OPEN_CALLS, lockdown.CHECKED_CALLS)
    ours = {name: number for table in tables for name, number in table[machine].items()}
    wrong = {name: number for name, number in ours.items() if numbers.get(aliases.get(name, name)) != str(number)}
    assert not wrong


def test_an_unknown_machine_is_refused_by_name():
    with pytest.raises(OSError, match="riscv64"):
        lockdown.filter_program("riscv64", opening=True)


@pytest.mark.skipif(platform.system() != "Linux", reason="Linux only")
def test_a_level_is_reached_on_this_machine(sandbox):
    assert sandbox.level in LADDER

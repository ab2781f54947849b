"""A call of a user's code that does not end is ended, in the process that goes on, and named with its line."""

import signal
import subprocess
import sys
import threading

import pytest

from rftlab.errors import RftlabError, line_in_dump
from rftlab.tasks.base import Example
from rftlab.user_code import limited
from rftlab.verifiers.base import make_verifier, tagged

GOLD = Example("a", "say 1", "1")
# As in a kernel, whose standard error goes to the notebook.
LEAVES = """
import sys
sys.stderr._original_stdstream_copy = 2
from rftlab.tasks.base import Example
from rftlab.verifiers.base import make_verifier, tagged
make_verifier(sys.argv[1]).score([tagged("1")], [Example("a", "say 1", "1")])
"""
HANGS = {
    "while True: pass": "line 3",
    "__import__('re').match('(a+)+$', 'a' * 60 + 'b')": "line 3",
    "__import__('time').sleep(60)": "line 3",
    "try:\n        while True: pass\n    except BaseException: return 0.0": "line 4",
}


@pytest.fixture
def score(tmp_path, monkeypatch):
    monkeypatch.setattr(limited, "CALL_LIMIT_S", 0.1)

    def write(source: str):
        (tmp_path / "late.py").write_text(source)
        return make_verifier(f"{tmp_path}/late.py:late").score

    return write


@pytest.mark.parametrize("source", HANGS)
def test_a_verifier_that_hangs_ends_its_cell_and_names_its_line(score, source):
    judge = score(f"def late(answer, example):\n    if answer == example.answer: return 1.0\n    {source}\n")
    assert judge([tagged("1")] * 3, [GOLD] * 3)[2].reward == 1
    before, left = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    says = (
        rf"^verifier late\(answer, example\) did not come to an end within 0.1 s \(late.py, {HANGS[source]}\); mend it$"
    )
    with pytest.raises(RftlabError, match=says):
        judge([tagged("1"), tagged("2")], [GOLD] * 2)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == pytest.approx(left, abs=5)
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_class_of_one_s_own_has_the_limit_for_each_answer_of_a_batch(score):
    judge = score(
        "import time\nfrom rftlab.verifiers.base import Judgement, Verifier\nclass late(Verifier):\n"
        "    def judge(self, answer, example):\n        time.sleep(float(answer))\n        return Judgement(1.0)\n"
    )
    assert judge([tagged(".04")] * 5, [GOLD] * 5)[4].reward == 1
    with pytest.raises(RftlabError, match=r"^verifier late did not come to an end within 0.2 s \(late.py, line 5\)"):
        judge([tagged("0"), tagged("30")], [GOLD] * 2)


def test_elsewhere_than_in_the_main_thread_there_is_no_limit(score):
    judge, found = score("import time\ndef late(answer, example):\n    time.sleep(0.2)\n    return 1.0\n"), []
    thread = threading.Thread(target=lambda: found.extend(judge([tagged("1")], [GOLD])))
    thread.start()
    thread.join()
    assert found[0].reward == 1


def test_one_that_asks_another_leaves_the_outer_limit(score, tmp_path):
    (tmp_path / "inner.py").write_text("def inner(completion, example): return 1.0\n")
    judge = score(
        "from rftlab.verifiers.base import make_verifier\n"
        f"inner = make_verifier({str(tmp_path / 'inner.py')!r} + ':inner')\n"
        "def late(completion, example):\n    inner(completion, example)\n    while True: pass\n"
    )
    with pytest.raises(RftlabError, match=r"late\(completion, example\) .* \(late.py, line 5\)"):
        judge(["1"], [GOLD])


def test_one_that_ends_the_process_has_told_its_line_in_the_kernels_log(tmp_path):
    (tmp_path / "late.py").write_text("import os\ndef late(answer, example):\n    os._exit(3)\n")
    told = subprocess.run(
        [sys.executable, "-c", LEAVES, f"{tmp_path}/late.py:late"], capture_output=True, text=True, check=False
    )
    assert (told.returncode, line_in_dump(told.stderr.splitlines())) == (3, " (late.py, line 3)")

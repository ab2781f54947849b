"""Without any sandbox: what runs nothing of the model's own works, what does says so and names the opt-out."""

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.preflight.data import check_gold
from rftlab.sandbox import library, python, values, worker
from rftlab.sandbox.plain import PlainWorker
from rftlab.sandbox.python import Case, Check, Sandbox
from rftlab.sandbox.worker import WorkerError, make_job
from rftlab.tasks.base import Example, Task
from rftlab.verifiers.base import make_verifier
from tests.common import check_verifier as suite

READS = ("regex", "json-schema", "gym")
RUNS = ("code", "sql")
BOTH = ("exact", "numeric", "choice", "solver", "game", "form")


@pytest.fixture(params=["cannot isolate", "cannot fork"])
def no_sandbox(request, monkeypatch):
    """macOS, which forks and cannot isolate; Windows, which can do neither."""
    monkeypatch.setattr(worker, "LADDER", ())
    if request.param == "cannot fork":

        def refuse(*_, **__):
            raise WorkerError("there is no fork")

        monkeypatch.setattr(worker, "Worker", refuse)
    for cached in (library.shared, python.shared_sandbox):
        cached.cache_clear()
    yield
    for cached in (library.shared, python.shared_sandbox):
        cached.cache_clear()


def scores(name, **settings):
    row = suite.rows()[name]
    verifier = make_verifier(name, settings={**row.settings, **settings})
    examples = list(row.examples)
    others = [*examples[1:], examples[0]]
    gold = verifier.score([suite.tagged(e.answer) for e in examples], examples)
    wrong = verifier.score([suite.tagged(e.answer) for e in others], examples)
    return [s.reward for s in gold], [s.reward for s in wrong], verifier


@pytest.mark.parametrize("name", [*READS, *BOTH])
def test_what_runs_nothing_of_the_models_own_works(name, no_sandbox):
    gold, wrong, _ = scores(name)
    assert set(gold) == {1.0}
    assert max(wrong) < 1


def test_algebra_is_done_and_its_level_is_recorded(no_sandbox):
    verifier = make_verifier("math")
    pairs = {"(x+1)^2": "x^2+2x+1", "x^2": "x^3"}
    examples = [Example("e", "p", answer) for answer in pairs.values()]
    assert [s.reward for s in verifier.score([suite.tagged(a) for a in pairs], examples)] == [1, 0]
    assert verifier.isolation == "unsandboxed"


@pytest.mark.parametrize("name", RUNS)
def test_what_runs_it_names_the_opt_out_before_the_run_and_the_opt_out_works(name, no_sandbox):
    rows = [Example(str(i), f"{i}", e.answer, meta=e.meta) for i, e in enumerate(suite.rows()[name].examples)]
    task = Task("mine", "", tuple(rows[:2]), tuple(rows[2:]), verifier=name)
    with pytest.raises(RftlabError, match=r"verifier_settings: \{allow_unsandboxed: true\}"):
        check_gold(Cell(), task, name, {})
    [note] = check_gold(Cell(), task, name, {"allow_unsandboxed": True})
    assert "what the model writes will run with your rights" in note
    gold, wrong, verifier = scores(name, allow_unsandboxed=True)
    assert set(gold) == {1.0}
    assert max(wrong) < 1
    assert verifier.isolation == "unsandboxed"


def test_an_ordinary_process_has_limits_and_starts_again():
    made = PlainWorker(target="tests.sandbox.library_targets:evaluate", path=library._imports("tests")["path"])
    cases = [[values.encode([text]), ["d"]] for text in ("1 + 1", "[1 for _ in iter(int, 1)]", "1 / 0", "exit()", "3")]
    lines = made.ask(make_job(cases, case_s=1.0, total_s=20.0, resume=True))
    read = [library._read(line) for line in lines]
    assert [value for value, _ in read] == [2, None, None, None, 3]
    assert [why for _, why in read][1:4] == ["timeout", "ZeroDivisionError: division by zero", read[3][1]]
    made.close()


def test_code_in_an_ordinary_process_starts_afresh_and_says_what_does_not_load(no_sandbox):
    sandbox = Sandbox(workers=1, allow_unsandboxed=True)
    code = "import builtins\nbuiltins.seen = getattr(builtins, 'seen', 0) + 1\ndef f(x):\n    return x + builtins.seen"
    checks = [Check(code, "f", [Case([1])]), Check(code, "f", [Case([1])]), Check("def f(:", "f", [Case([1])] * 2)]
    first, second, third = sandbox.run(checks)
    assert first.outcomes[0].tree == second.outcomes[0].tree
    assert third.load_error.startswith("SyntaxError")
    assert len(third.outcomes) == 2
    sandbox.close()

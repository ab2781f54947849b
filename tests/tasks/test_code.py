"""Code tasks: references pass, bugs fail, and the published formats are read or refused by name."""

import random
from pathlib import Path

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks.base import Example
from rftlab.tasks.code import draw_repair, draw_write, load
from rftlab.tasks.code_classics import CLASSICS
from rftlab.tasks.code_steps import LAST_STEPS, Function, middle_steps
from rftlab.verifiers.code import Code

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture(scope="module")
def verifier() -> Code:
    return Code()


def tagged(code: str) -> str:
    return f"<answer>{code}</answer>"


def test_every_classic_passes_its_tests_and_its_bug_fails_the_shown_call(verifier):
    assert len(CLASSICS) == 40
    examples, shown = [], []
    for classic in CLASSICS:
        tests = [{"args": list(args), "expected": classic.function(*args)} for args in classic.inputs]
        call = [{"args": list(classic.shown), "expected": classic.function(*classic.shown)}]
        assert len(tests) >= 5
        assert len({str(test["expected"]) for test in tests}) >= 2
        assert classic.shown not in classic.inputs
        examples.append(Example(classic.name, "p", "a", meta={"entry_point": classic.name, "tests": tests}))
        shown.append(Example(classic.name, "p", "a", meta={"entry_point": classic.name, "tests": call}))
    sources, broken = [tagged(c.source) for c in CLASSICS], [tagged(c.broken) for c in CLASSICS]
    assert [s.reward for s in verifier.score(sources, examples)] == [1] * 40
    assert [s.reward for s in verifier.score(broken, shown)] == [0] * 40
    assert max(s.reward for s in verifier.score(broken, examples)) < 1


def test_every_step_does_what_its_code_says(verifier):
    inputs = [[], [3, -1, 4, -1, 5, -9, 2, 6], [2, 2], [7]]
    functions = [Function((step, LAST_STEPS[0])) for step in middle_steps(3)] + [
        Function((step,)) for step in LAST_STEPS
    ]
    examples = [
        Example(
            "e", "p", "a", meta={"entry_point": "f", "tests": [{"args": [i], "expected": f.run(i)} for i in inputs]}
        )
        for f in functions
    ]
    scores = verifier.score([tagged(function.source("f")) for function in functions], examples)
    assert [score.reward for score in scores] == [1] * len(functions)


@pytest.mark.parametrize("far", [False, True])
def test_hidden_tests_cannot_be_passed_by_a_constant(far, verifier):
    stream = random.Random(far)
    drafts = [draw(stream, far) for draw in (draw_write, draw_repair) for _ in range(30)]
    for draft in drafts:
        values = [str(test["expected"]) for test in draft.meta["tests"]]
        assert len(values) >= 5
        assert max(map(values.count, values)) <= 0.8 * len(values)


def test_the_function_to_repair_fails_every_hidden_test_of_a_generated_item(verifier):
    stream = random.Random(5)
    drafts = [draft for draft in (draw_repair(stream, False) for _ in range(40)) if "(numbers)" in draft.answer]
    examples = [Example("e", d.prompt, d.answer, meta=d.meta) for d in drafts]
    unchanged = [tagged("def " + d.prompt.split("\ndef ")[1].split("\n\nBut")[0]) for d in drafts]
    assert [s.parts["tests_passed"] for s in verifier.score(unchanged, examples)] == [0] * len(drafts)


def test_humaneval_s_format_becomes_data_and_what_is_not_data_is_left_out_by_name(verifier):
    task = load("humaneval", path=str(CASES / "humaneval_format.jsonl"))
    examples = task.train + task.test
    assert {e.id for e in examples} == {"Sample/0", "Sample/1", "Sample/2", "Sample/4"}
    assert "Left out here (1): Sample/3." in task.card
    assert [s.reward for s in verifier.score([tagged(e.answer) for e in examples], examples)] == [1] * 4
    mutant = [
        tagged(e.answer.replace("% 10", "% 9").replace("/ 2", "/ 4").replace("n * n", "n").replace("/ 3", "/ 2"))
        for e in examples
    ]
    assert all(s.parts["full_marks"] == 0 for s in verifier.score(mutant, examples))
    pairs = next(e for e in examples if e.id == "Sample/2")
    assert verifier(tagged("def pairs(n):\n    return [n, n * n]"), pairs).reward == 0


def test_a_problem_that_is_not_data_can_stop_the_reader():
    with pytest.raises(RftlabError, match="line 4: .*root.*cannot be turned into data"):
        load("humaneval", path=str(CASES / "humaneval_format.jsonl"), unusable="fail")


def test_mbpp_s_format_becomes_data(verifier):
    task = load("mbpp", path=str(CASES / "mbpp_format.jsonl"))
    examples = task.train + task.test
    assert {e.id for e in examples} == {"mbpp-1", "mbpp-2", "mbpp-3"}
    assert {e.meta["entry_point"] for e in examples} == {"above", "dash", "meet"}
    assert "Left out here (1): 4." in task.card
    assert [s.reward for s in verifier.score([tagged(e.answer) for e in examples], examples)] == [1] * 3
    first = next(e for e in examples if e.id == "mbpp-1")
    assert len(first.meta["tests"]) == 4
    assert "assert above([1, 5, 3], 2) == [5, 3]" in first.prompt


@pytest.mark.parametrize(
    ("row", "match"),
    [('{"task_id": 1}', "line 1: no column 'prompt'; is this humaneval's format"), ("{", "line 1: not valid JSON")],
)
def test_a_file_in_another_format_is_named(tmp_path, row, match):
    (tmp_path / "a.jsonl").write_text(row + "\n")
    with pytest.raises(RftlabError, match=match):
        load("humaneval", path=str(tmp_path / "a.jsonl"))


def test_the_tiny_variant_is_judged_by_what_the_function_returns(verifier):
    example = load("tiny", train=5, test=5, ood=5).train[0]
    body = example.answer.split("return ")[1]
    assert verifier(tagged(f"def f(value):\n    x = value\n    y = {body}\n    return y"), example).reward == 1
    assert verifier(tagged("def f(x):\n    return 0"), example).reward < 0.5

"""Mathematical equality: the table, near misses, order, levels of isolation, and what cannot be judged."""

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.sandbox.library import IsolatedWorker
from rftlab.sandbox.worker import LADDER
from rftlab.verifiers import math
from rftlab.verifiers._math_form import read
from rftlab.verifiers._math_same import NoAlgebra, same
from rftlab.verifiers._math_value import to_values
from rftlab.verifiers.math import Math
from tests.verifiers.cases import as_example, example, load, require_expected, require_figures_of_docs, reward

ROWS = load("math")
GOLDS = [
    r"\frac{3}{4}", r"2\sqrt{3}", r"10 - 2\sqrt{5}", "x > 5", "x^2+1", "(1,2)", "[0,3)", r"\{1,2\}", "3x-y+13=0",
    r"\frac{\pi}{6}", "7,8,9", r"\text{Evelyn}", "2^{100}", r"3 \pm 2\sqrt{2}", r"(-\infty,-1)\cup(3,\infty)",
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "5+4i", r"\log_2 7", r"\frac{x+1}{x-1}", r"1 \le x \le 2", "7:30",
]  # fmt: skip


def hacks(gold):
    """What a policy tries that knows of the gold answer no more than its looks, or says it and something else."""
    last = re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), gold)
    signed = gold.replace("-", "@").replace("+", "-").replace("@", "+")
    guesses = [gold + joint + "15" for joint in (" or ", ", ", "; ", "\n", r" \\ ", "<br>", " | ", r" \neq ", "，")]
    junk = [f"not {gold}", f"{gold} is wrong", f"What is it? {gold}", f"1={gold}", f"{gold}+1", rf"\pm ({gold})"]
    empty = ["nan", "0=0", "x=x", "inf", "...", "{}", r"\mathbb{R}", "x", "[-1000,1000]"]
    number = re.findall(r"\d+", gold)[-1:]
    return [each for each in (last, signed, f"-{gold}", *guesses, *junk, *empty, *number) if each != gold]


@pytest.fixture(scope="module")
def scores():
    return Math().score([row["completion"] for row in ROWS], [as_example(row) for row in ROWS])


def test_the_table_and_the_figures_that_the_docs_say_of_it(scores):
    rewards = [score.reward for score in scores]
    require_expected(ROWS, rewards)
    require_figures_of_docs("math", ROWS, rewards)
    assert {score.detail for score in scores} == {""}


def test_no_hack_is_paid_where_algebra_has_to_look():
    pairs = [(gold, hack) for gold in GOLDS for hack in hacks(gold)]
    given_scores = Math().score([f"<answer>{hack}</answer>" for _, hack in pairs], [example(gold) for gold, _ in pairs])
    paid = [pair for pair, score in zip(pairs, given_scores, strict=True) if score.reward or score.detail]
    assert (paid, len(pairs) > 500) == ([], True)


@given(st.integers(2, 10**9), st.sampled_from([1, 10, 100, 7]))
@settings(max_examples=30, deadline=None)
def test_a_number_is_paid_in_its_forms_and_near_misses_never_are(top, bottom):
    value = Fraction(top, bottom)
    gold = str(value)
    forms = [gold, rf"\boxed{{{gold}}}", rf"\dfrac{{{2 * top}}}{{{2 * bottom}}}", f"x = {gold}", f"{gold} apples"]
    misses = [each for each in hacks(gold) if to_values(each) != (value,) and each != f"{gold}={gold}"]
    tagged = [f"<answer>{each}</answer>" for each in (*forms, *misses)]
    found = Math().score(tagged, [example(gold)] * len(tagged))
    assert [score.reward for score in found] == [1] * len(forms) + [0] * len(misses)


@given(st.text(alphabet=r"\{}[]()$^_,;:=<>+-*/|%°.&'12xyeπ√½²一 abtextfrcpm", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_and_beside_itself_needs_no_algebra(text):
    assert same(read(text), read(text), NoAlgebra()) in (True, False)


def test_plain_numbers_words_and_lists_of_them_never_start_the_process(monkeypatch):
    monkeypatch.setattr(math, "shared", None)
    for gold, answer in [
        ("1,234", "$1234"),
        ("1/2", "50%"),
        ("1,2,3", "3, 2, 1"),
        ("(0,1]", "(0, 1.0]"),
        ("Eve", "eve"),
    ]:
        assert reward(Math(), answer, gold) == 1
    for gold, answer in [
        ("72", "72 or 73"),
        ("72", "72junk"),
        ("(1,2)", "(2,1)"),
        ("even", "odd"),
        ("3", r"\max(3,4)"),
    ]:
        assert reward(Math(), answer, gold) == 0


# One row in so many; all that are meant are for `make test-all`.
EVERY = pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])


@EVERY
def test_verdicts_do_not_depend_on_the_order_of_a_batch(every, scores):
    order = random.Random(3).sample(range(len(ROWS)), len(ROWS) // (2 * every))
    again = Math().score([ROWS[i]["completion"] for i in order], [as_example(ROWS[i]) for i in order])
    assert again == [scores[i] for i in order]


@EVERY
def test_verdicts_do_not_depend_on_the_level_of_isolation(every, scores):
    answers = [row["completion"].removeprefix("<answer>").removesuffix("</answer>") for row in ROWS]
    some = [i for i, answer in enumerate(answers) if "<" not in answer and scores[i].extracted == answer]
    some = [i for i in some if "sentence" not in ROWS[i]["source"]][:: 4 * every]  # the worker sees no prompt
    worker = IsolatedWorker("rftlab.verifiers._math_verify:equal", seconds=20.0, levels=[LADDER[-1]])
    try:
        found = worker.map_with_reasons([(ROWS[i]["gold"], answers[i]) for i in some])
    finally:
        worker.close()
    assert found == [(bool(scores[i].parts["correct"]), "") for i in some]


@EVERY
def test_every_verdict_of_the_table_is_the_same_without_isolation(every, scores, monkeypatch):
    worker = IsolatedWorker("rftlab.verifiers._math_verify:equal", seconds=20.0, levels=["unsandboxed"])
    monkeypatch.setattr(math, "shared", lambda *_, **__: worker)
    try:
        some = ROWS[::every]
        found = Math().score([row["completion"] for row in some], [as_example(row) for row in some])
    finally:
        worker.close()
    assert (found, worker.level) == (scores[::every], "unsandboxed")


def test_a_batch_with_hostile_items_scores_the_others():
    answers = ["x+1", "9^{9^{9^9}}", "1+x", "10000000!", "(" * 300 + "x+1" + ")" * 300, r"x^{10^{9}}+1", r"\sqrt" * 90]
    scores = Math().score([f"<answer>{answer}</answer>" for answer in answers], [example("x + 1")] * len(answers))
    assert [score.reward for score in scores] == [1, 0, 1, 0, 0, 0, 0]


def test_what_cannot_be_judged_is_an_error_with_its_sentence_and_no_wrong_answer(monkeypatch):
    class Stuck:
        level = "some"

        def map_with_reasons(self, pairs):
            return [(None, "timeout")] * len(pairs)

    monkeypatch.setattr(math, "shared", lambda *_, **__: Stuck())
    score = Math()("<answer>x+1</answer>", example("1+x"))
    assert (score.reward, score.parts["verifier_error"], score.detail) == (0, 1, "math could not decide: timeout")


def test_the_limit_on_processor_time_is_told():
    worker = IsolatedWorker("tests.verifiers.slow_math:equal", seconds=20.0)
    result, why = worker.map_with_reasons([("(x+y)^3(x-2y)^4", " + ".join(f"{k}x^{{{k}}}y" for k in range(40)))])[0]
    worker.close()
    assert result is None
    assert "processor time" in why


@pytest.mark.parametrize(
    "text", ["", "%", "/", "1/", "/2", "1/0", "1//2", "1 2", "--1", "٣", "0x10", "1_0", "inf", ".", "9_8", "1e9999"]
)
def test_what_is_no_plain_number_has_no_values(text):
    assert to_values(text) == ()

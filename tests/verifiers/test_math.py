"""Mathematical equality: the table, symmetry, agreement with math-verify itself."""

import itertools

import pytest

from rftlab.sandbox.library import shared
from rftlab.verifiers.math import Math, to_values
from tests.verifiers.cases import example, load, reward

HALVES = list(itertools.permutations(["1/2", "0.5", ".50", "50 %", "50%", r"\frac{1}{2}", r"\dfrac{2}{4}"], 2))
# Answers on which math-verify's own verdict differs from ours, and ours is wanted: it drops what it cannot read.
STRICTER = {"1+junk"}


@pytest.mark.parametrize("row", load("math"))
def test_table(row):
    assert Math()(row["completion"], example(row["gold"])).reward == row["expected"]


@pytest.mark.parametrize(("one", "other"), HALVES)
def test_forms_of_one_half_are_equal_either_way_round(one, other):
    assert reward(Math(), one, other) == 1


def test_verdicts_agree_with_math_verify_itself():
    rows = [row.values[0] for row in load("math")]
    asked = [(row["gold"], row["completion"].removeprefix("<answer>").removesuffix("</answer>")) for row in rows]
    plain = [
        i
        for i, (_, answer) in enumerate(asked)
        if "<" not in answer and "9^{9" not in answer and rows[i]["completion"][0] == "<"
    ]
    theirs = shared("rftlab.verifiers._math_verify:equal").map([asked[i] for i in plain])
    differ = {
        asked[i][1] for i, verdict in zip(plain, theirs, strict=True) if bool(verdict) != bool(rows[i]["expected"])
    }
    assert differ == STRICTER


def test_a_batch_with_a_hostile_item_scores_the_others():
    answers = ["x+1", "9^{9^{9^9}}", "1+x", "10000000!"]
    scores = Math().score([f"<answer>{answer}</answer>" for answer in answers], [example("x + 1")] * 4)
    assert [score.reward for score in scores] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    "text", ["", "%", "/", "1/", "/2", "1/0", "1//2", "1 2", "--1", "1e5", "٣", "0x10", "1_0", "inf", "."]
)
def test_what_is_no_plain_number_has_no_values(text):
    assert to_values(text) == ()

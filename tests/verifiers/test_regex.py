"""Regular expressions, and patterns that blow up."""

import time

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers.regex import Regex
from tests.verifiers.cases import example, reward


def test_the_whole_answer_or_a_part_of_it():
    assert reward(Regex(pattern=r"\d+"), "12") == 1
    assert reward(Regex(pattern=r"\d+"), "12 apples") == 0
    assert reward(Regex(pattern=r"\d+", match="search"), "12 apples") == 1
    assert reward(Regex(pattern="paris", flags="i"), "Paris") == 1


def test_a_pattern_that_blows_up_costs_a_second_and_leaves_the_batch_unharmed():
    verifier = Regex(pattern=r"(a+)+b")
    start = time.monotonic()
    scores = verifier.score([f"<answer>{text}</answer>" for text in ("ab", "a" * 60, "aab")], [example("ab")] * 3)
    assert [score.reward for score in scores] == [1, 0, 1]
    assert "timeout" in scores[1].detail
    assert [score.parts.get("verifier_error", 0) for score in scores] == [0, 1, 0]
    assert time.monotonic() - start < 30


def test_each_example_may_have_its_own_pattern():
    assert reward(Regex(), "ab", pattern="a.") == 1
    assert reward(Regex(), "bb", pattern="a.") == 0
    for meta in ({}, {"pattern": "("}):
        assert Regex()("<answer>x</answer>", example("x", **meta)).parts["verifier_error"] == 1


@pytest.mark.parametrize("settings", [{"pattern": "("}, {"match": "some"}, {"flags": "q"}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(RftlabError, match="regex"):
        Regex(**settings)

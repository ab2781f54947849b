"""Extraction of the final answer, strict and lenient scores, a user's own function."""

import re
import time

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers.base import (
    Extraction,
    FunctionVerifier,
    Judgement,
    Verifier,
    cannot_judge,
    extract_answer,
    make_verifier,
)
from tests.verifiers.cases import example


@pytest.mark.parametrize(
    ("completion", "text", "format_ok"),
    [
        ("<answer>12</answer>", "12", True),
        ("Let me see. <answer> 12 </answer>\n", "12", True),
        ("<answer>a\nb</answer>", "a\nb", True),
        ("<answer>12</answer> and <answer>12</answer>", "12", False),
        ("<answer>12</answer> and <answer>13</answer>", None, False),
        ("<answer><answer>12</answer></answer>", "12", False),
        ("<answer></answer>", None, False),
        ("<answer>12", "12", False),
        ("12</answer>", None, False),
        ("</answer>12<answer>", None, False),
        ("so #### 12", "12", False),
        ("\\boxed{12}", "12", False),
        ("The answer is 12.", "12", False),
        ("The final answer to this arithmetic problem is 12.", "12", False),
        ("43 + 14 = 57.", "57", False),
        ("Let us see.\n43 + 14 = 57", "57", False),
        ("43 + 14 = 57, 58", None, False),
        ("x = 57", None, False),
        ("43 + 14 = 57\nor not", None, False),
        ("Answer: 12", "12", False),
        ("\\boxed{12} and the answer is 12.", "12", False),
        ("\\boxed{12} or \\boxed{13}", None, False),
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", False),
        ("\\boxed{\\boxed{12}}", "12", False),
        ("\\boxed{12", None, False),
        ("The answer is 12. The answer is 13.", None, False),
        ("#### 1\n#### 2", None, False),
        ("12", None, False),
        ("", None, False),
        ("<ANSWER>12</ANSWER>", None, False),
        (f"<answer>{'9' * 20_001}</answer>", None, False),
        ("<think>perhaps <answer>3</answer></think> <answer>12</answer>", "12", True),
        ("is it 3? </think><answer>12</answer>", "12", True),
        ("<think>The answer is 3. I write </think> then </think>\nThe answer is 12.", "12", False),
        ("<think>the answer goes into <answer> tags: <answer>12</answer>", None, False),
        ("<answer>12</answer><think>or 13", None, False),
        ("<answer>12</answer></think>", None, False),
    ],
)
def test_extraction(completion, text, format_ok):
    assert extract_answer(completion) == Extraction(text, format_ok)


@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "</think>",
        "<think></think>",
        "<answer>",
        "</answer>",
        "<answer>1</answer>",
        "\\boxed{",
        "#### ",
        "the answer is ",
        "<",
        "answer:",
    ],
)
def test_extraction_takes_linear_time(piece):
    start = time.process_time()
    extract_answer(piece * (2_000_000 // len(piece)))
    assert time.process_time() - start < 2


class Fixed(Verifier):
    def judge(self, answer, example):
        return Judgement(0.75, {"style": 0.5}, "said")


def test_strict_rewards_only_tagged_answers_and_reports_the_tolerant_reading_beside_it():
    score = Fixed()("The answer is 12.", example("12"))
    assert (score.reward, score.parts, score.extracted) == (0.0, {"correct": 0.75, "format": 0.0, "style": 0.5}, "12")
    assert Fixed(answer_format="lenient")("The answer is 12.", example("12")).reward == 0.75
    assert Fixed()("<answer>12</answer>", example("12")).reward == 0.75


def test_a_completion_without_an_answer_is_never_judged():
    score = Fixed()("no idea", example("12"))
    assert (score.reward, score.parts, score.detail) == (0.0, {"correct": 0.0, "format": 0.0}, "")


def test_what_cannot_be_judged_is_marked():
    assert cannot_judge("no pattern") == Judgement(0.0, {"verifier_error": 1.0}, "no pattern")


@pytest.mark.parametrize(
    ("function", "reward", "error"),
    [
        (lambda c, e: 0.5, 0.5, 0.0),
        (lambda c, e: True, 1.0, 0.0),
        (lambda c, e: 2.0, 0.0, 1.0),
        (lambda c, e: float("nan"), 0.0, 1.0),
        (lambda c, e: -0.1, 0.0, 1.0),
        (lambda c, e: "x", 0.0, 1.0),
        (lambda c, e: None, 0.0, 1.0),
        (lambda c, e: 1 / 0, 0.0, 1.0),
    ],
)
def test_a_users_function_is_held_to_the_range_and_its_errors_are_counted(function, reward, error):
    score = FunctionVerifier(function)("<answer>x</answer>", example("x"))
    assert (score.reward, score.parts["verifier_error"]) == (reward, error)


def test_a_users_function_and_a_users_class_see_what_follows_the_thinking():
    seen = []

    class Mine(Verifier):
        def score(self, completions, examples):
            seen.extend(completions)
            return super().score(completions, examples)

    class More(Mine):
        pass

    FunctionVerifier(lambda completion, _: bool(seen.append(completion)))("<think>x</think> y", example("x"))
    Mine()("<think>x</think> y", example("x"))
    More().score(["<think>x"], [example("x")])
    assert seen == [" y", " y", ""]


def test_a_users_function_is_made_by_path(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def judge(completion, example):\n    return float(example.answer in completion)\n"
    )
    assert make_verifier(f"{tmp_path}/mine.py:judge")("I say x", example("x")).reward == 1


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [("exakt", {}, "did you mean exact"), ("exact", {"tolerance": 1}, "does not take these settings")],
)
def test_unknown_names_and_settings_are_refused(name, settings, says):
    with pytest.raises(RftlabError, match=says):
        make_verifier(name, settings=settings)


def test_the_name_of_its_first_parameter_decides_what_a_function_is_given():
    seen = []

    def score(answer, example):
        return float(not seen.append(answer))

    def whole(text, example):
        return float(not seen.append(text))

    completions = ["I say <answer> 7 </answer>", "The answer is 7.", "no idea"]
    strict, lenient = FunctionVerifier(score), FunctionVerifier(score, answer_format="lenient")
    assert [strict(c, example("7")).reward for c in completions] == [1, 0, 0]
    assert [lenient(c, example("7")).reward for c in completions] == [1, 1, 0]
    assert seen == ["7"] * 4
    assert [FunctionVerifier(whole)(c, example("7")).reward for c in completions] == [1, 1, 1]
    assert seen[4:] == completions
    assert (
        strict.told == "score(answer, example) is given the extracted answer, as its first parameter is called answer"
    )
    assert "whole(text, example) is given the whole completion" in FunctionVerifier(whole).told


@pytest.mark.parametrize("completion", ["<answer>x</answer>", "", "The answer is x."])
@pytest.mark.parametrize("verifier", [Fixed(), FunctionVerifier(lambda answer, e: 0), FunctionVerifier(lambda c, e: 0)])
def test_a_reason_is_never_empty(verifier, completion):
    assert len(verifier(completion, example("x")).reason) > 3


class Mine(Verifier):
    def __init__(self, judgement, scores=None):
        super().__init__()
        self.judgement, self.scores = judgement, scores

    def judge(self, answer, example):
        return self.judgement


class Scores(Mine):
    def score(self, completions, examples):
        if self.scores is ValueError:
            raise ValueError("no")
        return self.scores


@pytest.mark.parametrize(
    ("verifier", "says"),
    [
        (Mine(1.0), "returned 1.0, not a Judgement of a number from 0 to 1"),
        (Mine(Judgement(2.0)), "not a Judgement of a number from 0 to 1"),
        (Mine(Judgement("1")), "not a Judgement of a number from 0 to 1"),
        (Scores(None, None), "returned None, not 1 Scores"),
        (Scores(None, []), r"returned \[\], not 1 Scores"),
        (Scores(None, [0.5]), "returned 0.5, not a Score of a number"),
        (Scores(None, ValueError), "raised ValueError: no"),
    ],
)
def test_what_a_users_class_returns_is_held_to_its_kind_and_named_with_its_line(verifier, says):
    completions = ["<answer>a</answer>", "<answer>b</answer>"]
    for score in verifier.score(completions, [example("a"), example("b")]):
        assert (score.reward, score.parts["verifier_error"]) == (0, 1)
        assert re.search(rf"the verifier .*{says}.* \(test_base.py, line \d+\)", score.detail)


def test_a_function_of_one_argument_and_a_class_that_is_no_verifier_are_refused_with_their_line(tmp_path):
    (tmp_path / "mine.py").write_text("def judge(x):\n    return 1.0\n\nclass Thing:\n    pass\n\nMADE = 3\n")
    for name, says in (("judge", r"judge\(x\) .*line 1\); write def judge\(answer"), ("Thing", "is a class .*line 4"),
                       ("MADE", "is a int")):  # fmt: skip
        with pytest.raises(RftlabError, match=says):
            make_verifier(f"{tmp_path}/mine.py:{name}")

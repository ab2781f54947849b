"""Every registered verifier holds what `check_verifier` asks, and broken ones do not."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rftlab.registry import VERIFIERS
from rftlab.verifiers.base import Judgement, Score, Verifier, make_verifier
from tests.common import check_verifier as suite
from tests.common.judge_stub import running

LEARNED = ("reward-model", "judge")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    from tests.common.tiny_reward_model import save

    with running() as stub:
        yield suite.rows(model=str(save(tmp_path_factory.mktemp("reward-model"))), endpoint=stub.url)


@pytest.fixture(scope="module")
def made(rows):
    verifiers: dict[str, Verifier] = {}

    def get(name: str) -> tuple[Verifier, suite.Row]:
        assert name in rows, f"{name} has no row in tests/common/check_verifier.py; add one"
        if name not in verifiers:
            verifiers[name] = make_verifier(name, settings=rows[name].settings)
        return verifiers[name], rows[name]

    return get


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", VERIFIERS)
def test_verifier(name, check, made, tmp_path):
    verifier, row = made(name)
    check(verifier, row, tmp_path / "marker")


TEXTS = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")),
    st.binary(max_size=100).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text(alphabet="0123456789+-*/().,^ =xyABCDE%$\\{}[]\"'", max_size=60),
    st.sampled_from(["12", "A", "RRDD", "{}", "1/2", "x=1 or x=2", "<answer>", "</answer>", "\\boxed{12}", "####12"]),
)
COMPLETIONS = st.lists(
    st.one_of(TEXTS, TEXTS.map(suite.tagged), st.lists(TEXTS, max_size=4).map("".join)), min_size=1, max_size=6
)


@pytest.mark.parametrize("name", VERIFIERS)
def test_no_text_raises_or_leaves_the_range(name, made):
    verifier, row = made(name)

    @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(COMPLETIONS)
    def run(completions):
        examples = [row.examples[i % len(row.examples)] for i in range(len(completions))]
        for score in verifier.score(completions, examples):
            suite.check_score(score)

    run()


class AlwaysRight(Verifier):
    def score(self, completions, examples):
        return [Score(1.0, {"correct": 1.0, "format": 1.0}, "x", True) for _ in completions]


class AlwaysWrong(Verifier):
    def judge(self, answer, example):
        return Judgement(0.0)


class AnswerIsSomewhere(Verifier):
    def judge(self, answer, example):
        return Judgement(float(example.answer in answer.split(", ")))


class EmptyIsRight(Verifier):
    def score(self, completions, examples):
        rights = [float(not c or c == suite.tagged(e.answer)) for c, e in zip(completions, examples, strict=True)]
        return [Score(right, {"correct": right, "format": 1.0}, "x", True) for right in rights]


class Raises(Verifier):
    def judge(self, answer, example):
        return Judgement(float(int(answer) == int(example.answer)))


class Evaluates(Verifier):
    def judge(self, answer, example):
        try:
            return Judgement(float(eval(answer) == eval(example.answer)))
        except BaseException:
            return Judgement(0.0)


class OutOfRange(Verifier):
    def judge(self, answer, example):
        return Judgement(float(answer == example.answer), {"length": float(len(answer))})


class Moody(Verifier):
    def judge(self, answer, example):
        return Judgement(float(answer == example.answer), {"mood": random.random()})


class Slow(Verifier):
    def judge(self, answer, example):
        if len(answer) > 10_000:
            time.sleep(0.2)
        return Judgement(float(answer == example.answer))


class DependsOnBatch(Verifier):
    def judge_batch(self, answers, examples):
        right = [answer == example.answer for answer, example in zip(answers, examples, strict=True)]
        return [Judgement(float(ok and len(answers) > 1)) for ok in right]


class Lenient(Verifier):
    def __init__(self) -> None:
        super().__init__(answer_format="lenient")

    def judge(self, answer, example):
        return Judgement(float(answer == example.answer))


class PaysThoughts(Verifier):
    def __call__(self, completion, example):
        return Score(float(example.answer in completion), {"correct": 1.0, "format": 1.0}, "x", True)


MUTANTS: dict[type[Verifier], Any] = {
    AlwaysRight: suite.other_answers_score_nothing,
    AlwaysWrong: suite.gold_answers_score_one,
    AnswerIsSomewhere: suite.lists_score_nothing,
    EmptyIsRight: suite.silence_scores_nothing,
    Raises: suite.nothing_raises_and_rewards_stay_in_range,
    Evaluates: suite.code_in_an_answer_does_not_run,
    OutOfRange: suite.nothing_raises_and_rewards_stay_in_range,
    Moody: suite.scoring_twice_gives_the_same,
    Slow: suite.nothing_raises_and_rewards_stay_in_range,
    DependsOnBatch: suite.a_batch_is_scored_as_its_items_are,
    Lenient: suite.untagged_answers_score_nothing_when_strict,
    PaysThoughts: suite.only_what_follows_the_thinking_counts,
}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the answer that is evaluated opens the marker
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_verifier_fails_its_check(mutant, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(suite, "SECONDS_FOR_HOSTILE_BATCH", 1.0)
    row = suite.Row(suite.NUMBERS)
    with pytest.raises((AssertionError, ValueError)):
        MUTANTS[mutant](mutant(), row, tmp_path / "marker")
    with pytest.raises((AssertionError, ValueError)):
        suite.check_verifier(mutant(), row, tmp_path / "marker")


def test_a_sound_verifier_passes_every_check(tmp_path):
    suite.check_verifier(make_verifier("exact"), suite.Row(suite.NUMBERS), tmp_path / "marker")

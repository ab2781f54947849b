"""Composition: weights, penalties, and every component in the parts."""

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers.base import make_verifier
from rftlab.verifiers.rubric import Rubric
from tests.verifiers.cases import example

NUMBER, LENGTH = {"verifier": "numeric", "weight": 3}, {"verifier": "length", "settings": {"maximum": 10, "soft": 10}}


def score(completion, *components, gold="12", **settings):
    return Rubric(components=components, **settings)(completion, example(gold))


def test_a_weighted_mean_with_every_component_logged():
    made = score("<answer>12</answer> one two three four", NUMBER, LENGTH)
    assert made.parts["numeric"] == 1
    assert made.parts["length"] == 0.5
    assert made.reward == made.parts["correct"] == (3 * 1 + 1 * 0.5) / 4


def test_a_penalty_takes_away_at_most_its_share():
    penalised = {**LENGTH, "penalty": 0.2}
    assert score("<answer>12</answer>" + " w" * 9, NUMBER, penalised).reward == pytest.approx(0.8)
    assert score("<answer>13</answer>", NUMBER, penalised).reward == 0


def test_a_full_penalty_is_a_condition():
    assert score("<answer>12</answer>" + " w" * 50, NUMBER, {**LENGTH, "penalty": 1}).reward == 0


def test_a_completion_cannot_live_on_being_short():
    assert score("", NUMBER, LENGTH).reward == 0
    assert score("The answer is 12.", NUMBER, LENGTH).reward == 0
    assert score("The answer is 12.", NUMBER, LENGTH, answer_format="lenient").reward > 0.7


def test_a_format_reward_is_one_more_component():
    made = score("<answer>13</answer>", {"verifier": "numeric", "weight": 0.8}, {"verifier": "format", "weight": 0.2})
    assert made.reward == pytest.approx(0.2)


def test_components_may_nest_and_be_named():
    inner = {"verifier": "rubric", "name": "content", "settings": {"components": [NUMBER]}}
    made = score("<answer>12</answer>", inner, {**NUMBER, "name": "again"})
    assert {"content", "content.numeric", "again"} <= set(made.parts)


def test_a_failing_component_is_marked_and_explained():
    made = score("<answer>12</answer>", {"verifier": "regex"}, NUMBER)
    assert made.parts["verifier_error"] == 1
    assert "regex: no pattern" in made.detail


def test_a_users_function_may_be_a_component(tmp_path):
    (tmp_path / "mine.py").write_text("def half(completion, example):\n    return 0.5\n")
    assert score("<answer>1</answer>", {"verifier": f"{tmp_path}/mine.py:half", "name": "half"}).reward == 0.5


@pytest.mark.parametrize(
    "components",
    [
        [], [{"weight": 1}], [{"verifier": "exakt"}], [NUMBER, NUMBER], [{**NUMBER, "size": 1}],
        [{**NUMBER, "weight": -1}], [{**NUMBER, "penalty": 2}], [{**LENGTH, "penalty": 0.5}],
        [{**NUMBER, "name": "correct"}], [{**NUMBER, "name": "format"}],
    ],
)  # fmt: skip
def test_bad_rubrics_are_refused(components):
    with pytest.raises(RftlabError):
        make_verifier("rubric", settings={"components": components})

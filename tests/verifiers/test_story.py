"""The story verifier beside the tasks whose sums it works out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.tasks.base import load_task
from rftlab.verifiers.story import Story
from tests.verifiers.cases import example

FAMILIES = ("chain", "word", "word_new", "word_both", "rare")


@pytest.mark.parametrize("family", FAMILIES)
def test_it_works_out_the_gold_answer_of_every_sum_without_seeing_it(family):
    task = load_task(f"arithmetic/{family}", {"train": 150, "test": 50, "ood": 50})
    verifier = Story(losses="count" if family == "word_new" else "off")
    assert not verifier.needs_gold
    for item in (*task.train, *task.test, *task.beyond):
        blank = replace(item, answer="", rationale=None)
        assert verifier(f"<answer>{item.answer}</answer>", blank).reward == 1, item.prompt
        for wrong in (int(item.answer) + 1, -int(item.answer) or 7, f"{item.answer}0", "", "nan", item.prompt):
            assert verifier(f"<answer>{wrong}</answer>", blank).reward == 0, item.prompt


def test_a_prompt_without_a_sum_is_the_verifiers_error():
    score = Story()("<answer>4</answer>", example("", "What is the capital of France in 1900?"))
    assert score.reward == 0
    assert score.parts["verifier_error"] == 1
    assert "tells no sum" in score.detail


@given(st.text(max_size=200), st.text(max_size=200))
def test_it_never_raises(answer, prompt):
    assert 0 <= Story()(f"<answer>{answer}</answer>", example("", prompt)).reward <= 1

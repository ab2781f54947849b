"""Mathematics: gold solutions that are right by independent means, and the readers."""

import random
import re
from fractions import Fraction

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks.base import Example
from rftlab.tasks.math import _polynomial, draw_countdown, draw_equation, load
from rftlab.verifiers.solver import Solver


@pytest.mark.parametrize("far", [False, True])
def test_a_gold_expression_uses_the_numbers_and_every_step_of_its_rationale_is_true(far):
    stream = random.Random(far)
    for _ in range(200):
        draft = draw_countdown(stream, far)
        numbers, target = draft.meta["numbers"], draft.meta["target"]
        assert sorted(map(int, re.findall(r"\d+", draft.answer))) == sorted(numbers)
        assert target not in numbers
        for a, sign, b, result in re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", draft.rationale.split(". So")[0]):
            value = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b), "/": Fraction(int(a), int(b))}[
                sign
            ]
            assert value == int(result)
        assert f"= {target}." in draft.rationale


def test_any_expression_that_reaches_the_target_is_right_not_only_the_gold_one():
    example = Example("e", "p", "(4 + 2) * 5", meta={"kind": "countdown", "numbers": [2, 4, 5, 6], "target": 30})
    verifier = Solver()
    for answer, reward in (
        ("5 * 6", 1),
        ("6*5*(4-2)/2", 0),
        ("(2+4)*5", 1),
        ("30", 0),
        ("6 * 5 = 30", 1),
        ("5*5+5", 0),
    ):
        assert verifier(f"<answer>{answer}</answer>", example).reward == reward


@pytest.mark.parametrize("far", [False, True])
def test_the_roots_solve_the_equation_and_are_all_of_them(far):
    stream = random.Random(far)
    verifier = Solver()
    counts = set()
    for _ in range(150):
        draft = draw_equation(stream, far)
        example = Example("e", draft.prompt, draft.answer, meta=draft.meta)
        roots = draft.answer.split(", ")
        counts.add(len(roots))
        turned = " or ".join(f"x = {root}" for root in reversed(roots))
        assert verifier(f"<answer>{turned}</answer>", example).reward == 1
        assert verifier(f"<answer>{draft.answer}, 1000</answer>", example).reward == 0
        if len(roots) > 1:
            assert verifier(f"<answer>{roots[0]}</answer>", example).reward == 0
    assert counts == {1, 2}


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [((1, -5, 6), "x^2 - 5x + 6"), ((-1, 0), "-x"), ((0, 0), "0"), ((2, 1, -1), "2x^2 + x - 1"), ((3,), "3")],
)
def test_a_polynomial_is_written_as_people_do(coefficients, text):
    assert _polynomial(coefficients) == text


def test_story_templates_of_ood_are_in_neither_train_nor_test():
    from reasoning_gym.arithmetic.gsm_symbolic.gsm_symbolic import GSMSymbolicDataset, GSMSymbolicDatasetConfig

    task = load("word", train=60, test=30, ood=20)
    templates = GSMSymbolicDataset(GSMSymbolicDatasetConfig(seed=0, size=5000)).task_indices
    used = [{templates[int(e.id.rpartition("-")[2])] for e in part} for part in (task.train, task.test, task.beyond)]
    assert not used[2] & (used[0] | used[1])


def test_the_tiny_variant_keeps_the_words_of_the_tiny_base_and_takes_any_way_to_the_target():
    task = load("tiny", train=50, test=20, ood=10)
    verifier = Solver()
    for example in task.train:
        assert example.prompt.startswith("Put + or - between ")
        numbers = sorted(map(int, re.findall(r"\d+", example.answer)))
        assert numbers == sorted(example.meta["numbers"])
        spaced = example.answer.replace("+", " + ").replace("-", " - ")
        assert verifier(f"<answer>{spaced}</answer>", example).reward == 1


def test_gsm8k_asks_the_hub_unless_a_file_is_given(monkeypatch):
    import datasets

    asked = []

    def refuse(*args, **kwargs):
        asked.append((args, kwargs))
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(RftlabError, match="openai/gsm8k"):
        load("gsm8k")
    assert asked == [(("openai/gsm8k", "main"), {"split": "train"})]
    assert load("gsm8k", sample=True).train[0].rationale


def test_more_items_than_there_are_is_a_sentence():
    with pytest.raises(RftlabError, match=r"only \d+ distinct train items.*lower task_settings.train"):
        load("equations", train=100_000)

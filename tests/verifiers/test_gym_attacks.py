"""No generated task's scorer pays for constants, for what only looks like its gold answer, or for a part of it."""

import pytest
from reasoning_gym.factory import DATASETS

from rftlab.advise.wrong_answers import near_misses
from rftlab.errors import RftlabError
from rftlab.tasks.base import load_task
from rftlab.verifiers.base import make_verifier
from rftlab.verifiers.exact import normalise

CONSTANTS = (
    "nan", "NaN", "inf", "-inf", "0", "0.0", "1", "-1", "0j", "nan+nanj", "1e308", "1e-308", "0/0", "True", "False",
    "yes", "None", "null", "[]", "{}", "()", "x", "A", "H", "...", "-", "answer",
)  # fmt: skip
MENDED = (
    "coin_flip", "complex_arithmetic", "fraction_simplification", "gsm_symbolic", "intermediate_integration",
    "kakurasu", "knights_knaves", "letter_jumble", "quantum_lock", "sokoban", "survo", "time_intervals",
)  # fmt: skip
# In these `0` or `1` may be the gold answer, written otherwise.
ROUNDED = {"polynomial_equations", "power_function"}


def wrong(examples):
    """Examples and wrong answers to them."""
    for example in examples:
        yield from ((example, text) for text in CONSTANTS if normalise(text) != normalise(example.answer))
    for pairs in near_misses(examples).values():
        yield from pairs


def paid(name, count):
    """What is paid of them; the gold answers are."""
    task, verifier = load_task(f"gym/{name}", {"train": count, "test": 1}), make_verifier("gym")
    asked = list(wrong(task.train))
    scores = verifier.score([f"<answer>{text}</answer>" for _, text in asked], [example for example, _ in asked])
    gold = verifier.score([f"<answer>{example.answer}</answer>" for example in task.train], task.train)
    assert all(score.reward == 1 for score in gold)
    return [(text, example.answer) for (example, text), score in zip(asked, scores, strict=True) if score.reward >= 1]


@pytest.mark.parametrize("name", MENDED)
def test_a_scorer_that_paid_for_nonsense_does_not(name):
    assert paid(name, 4) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(DATASETS) - set(MENDED) - ROUNDED))
def test_no_scorer_pays_for_nonsense(name):
    try:
        found = paid(name, 6)
    except RftlabError as error:
        pytest.skip(str(error))
    assert found == []


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("coin_flip", lambda gold: f"{float(gold) * 100:g} %"),
        ("complex_arithmetic", lambda gold: gold.replace(" ", "").replace("i", "j")),
        ("gsm_symbolic", lambda gold: f"**{gold}**"),
        ("knights_knaves", lambda gold: "\n".join(gold.removesuffix(".").split(", and "))),
        ("quantum_lock", lambda gold: gold.replace("\u2192", "->")),
        ("survo", lambda gold: f" {gold} "),
    ],
)
def test_an_honest_form_is_paid(name, form):
    task = load_task(f"gym/{name}", {"train": 4, "test": 1})
    forms = [f"<answer>{form(example.answer)}</answer>" for example in task.train]
    assert [score.reward for score in make_verifier("gym").score(forms, task.train)] == [1.0] * 4

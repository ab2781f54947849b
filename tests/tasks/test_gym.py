"""Every reasoning-gym dataset: loads, splits, gold scores 1, and hostile answers neither run nor score."""

import subprocess
import sys
from pathlib import Path

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks import gym_items
from rftlab.tasks.base import Task, load_task, normalise_prompt
from rftlab.tasks.gym import REFUSED, SLOW, load
from rftlab.verifiers.gym.verifier import REPLACED, Gym

# Nine scorers evaluate the answer in reasoning-gym 0.1.25; a tenth gives full marks to any text.
EXECUTING = {
    "binary_matrix", "countdown", "intermediate_integration", "n_queens", "polynomial_multiplication", "puzzle24",
    "simple_integration", "spiral_matrix", "string_insertion",
}  # fmt: skip
# Scorers that paid for wrong answers (tests/verifiers/test_gym_attacks.py).
PAYING = {
    "coin_flip", "complex_arithmetic", "game_of_life_halting", "gsm_symbolic", "knights_knaves", "letter_jumble",
    "sokoban",
}  # fmt: skip
MARKER = Path("/tmp/rftlab-gym-marker")
HOSTILE = (
    f"__import__('pathlib').Path('{MARKER}').touch()",
    f"[open('{MARKER}', 'w')]",
    f"().__class__.__base__.__subclasses__()[-1].__init__.__globals__['open']('{MARKER}', 'w')",
    "zq",
    "9**9**9",
)


def dataset_names() -> list[str]:
    from reasoning_gym.factory import DATASETS

    return sorted(DATASETS)


def tagged(text: str) -> str:
    return f"<answer>{text}</answer>"


@pytest.fixture
def in_process(monkeypatch):
    """Make unsteady items here: their own process would import the library anew for each dataset."""

    def make(name, settings, indices):
        return gym_items._make(name, settings, indices, steady=True)

    monkeypatch.setattr(gym_items, "_in_own_process", make)


@pytest.mark.parametrize("name", dataset_names())
def test_walk(name, in_process):
    if name in REFUSED:
        with pytest.raises(RftlabError, match=f"gym/{name} is refused: .+"):
            load(name)
        return
    task = load(name, train=1, test=1) if SLOW.get(name, 0) > 0.2 else load(name, train=3, test=2)
    assert not {normalise_prompt(e.prompt) for e in task.train} & {normalise_prompt(e.prompt) for e in task.test}
    verifier = Gym(**task.verifier_settings)
    examples = [*task.train, *task.test]
    answers = [*(e.answer for e in examples), *HOSTILE]
    scores = verifier.score([tagged(a) for a in answers], [*examples, *[examples[0]] * len(HOSTILE)])
    assert [score.reward for score in scores[: len(examples)]] == [1] * len(examples)
    assert [score.reward for score in scores[len(examples) :]] == [0] * len(HOSTILE)
    assert not MARKER.exists()


def test_all_scorers_that_execute_or_pay_for_nonsense_are_replaced():
    assert set(REPLACED) == EXECUTING | PAYING


def example(name: str, **entry):
    from rftlab.sandbox import values
    from rftlab.tasks.base import Example

    meta = {"gym": {"dataset": name, "settings": {}, "entry": values.encode(entry)}}
    return Example("e", "p", str(entry["answer"]), meta=meta)


@pytest.mark.parametrize(
    ("name", "entry", "answer", "reward"),
    [
        ("countdown", {"answer": "2*3+4", "metadata": {"numbers": [2, 3, 4], "target": 10}}, "4+3*2", 1),
        ("countdown", {"answer": "2*3+4", "metadata": {"numbers": [2, 3, 4], "target": 10}}, "10", 0),
        ("countdown", {"answer": "2*3+4", "metadata": {"numbers": [2, 3, 4], "target": 10}}, "2*3+4+0", 0),
        ("letter_jumble", {"answer": "and may be"}, "And  may be", 1),
        ("letter_jumble", {"answer": "and may be"}, "and may be not", 0),
        ("puzzle24", {"answer": "6*4*1*1", "metadata": {"numbers": [6, 4, 1, 1]}}, "(6/1)*(4/1)", 1),
        ("puzzle24", {"answer": "8*3*(7-6)", "metadata": {"numbers": [3, 6, 7, 8]}}, "6*4*1*1", 0),
        ("puzzle24", {"answer": "8*3*(7-6)", "metadata": {"numbers": [3, 6, 7, 8]}}, "(7*8-6)/3+8", 0),
        ("polynomial_multiplication", {"answer": "x**2 - 1", "metadata": {"variables": ["x"]}}, "-1 + x^2", 1),
        ("polynomial_multiplication", {"answer": "x**2 - 1", "metadata": {"variables": ["x"]}}, "(x-1)*(x+1)", 0),
        ("polynomial_multiplication", {"answer": "x**2 - 1", "metadata": {"variables": ["x"]}}, "x**2 + 1", 0),
        ("simple_integration", {"answer": "x**3 + C", "metadata": {"variable": "x"}}, "x^3", 1),
        ("simple_integration", {"answer": "x**3 + C", "metadata": {"variable": "x"}}, "x**3 + 5", 1),
        ("simple_integration", {"answer": "x**3 + C", "metadata": {"variable": "x"}}, "x**3 + x", 0),
        ("simple_integration", {"answer": "x**3 + C", "metadata": {"variable": "x"}}, "x**3 * C", 0),
        ("intermediate_integration", {"answer": "sin(x)**2 + C", "metadata": {"variable": "x"}}, "C - cos(x)**2", 1),
        ("intermediate_integration", {"answer": "sin(x)**2 + C", "metadata": {"variable": "x"}}, "sin(x)", 0),
        (
            "intermediate_integration",
            {"answer": "sin(x)**2 + C", "metadata": {"variable": "x"}},
            "Integral(sin(2*x),x)",
            0,
        ),
        ("n_queens", {"answer": "Q _", "metadata": {"valid_answers": ["Q _", "_ Q"]}}, "_ Q", 1),
        ("spiral_matrix", {"answer": "1 2", "metadata": {}}, "[1, 2]", 0),
        ("game_of_life_halting", {"answer": "True", "metadata": {}}, "x" * 1000, 0),
    ],
)
def test_a_replaced_check_knows_right_from_wrong(name, entry, answer, reward):
    assert Gym()(tagged(answer), example(name, **entry)).reward == reward


def test_a_row_without_its_item_is_the_verifier_s_own_failure_not_a_wrong_answer():
    from rftlab.tasks.base import Example

    for meta in ({}, {"gym": 3}, {"gym": {"dataset": "gcd", "settings": {}, "entry": ["?"]}}):
        score = Gym()(tagged("1"), Example("e", "p", "1", meta=meta))
        assert (score.reward, score.parts["verifier_error"]) == (0, 1)


def test_partial_credit_is_the_scorer_s_own_number_and_never_the_default():
    task = load("chain_sum", train=2, test=1)
    one = task.train[0]
    text = tagged(f"I think {one.answer}")
    assert Gym()(text, one).reward == 0
    assert 0 < Gym(partial_credit=True)(text, one).reward < 1


def test_smaller_splits_are_prefixes_and_the_next_seed_is_another_task():
    small, large = load("chain_sum", train=5, test=3), load("chain_sum", train=40, test=20)
    assert [e.prompt for e in large.train[:5]] == [e.prompt for e in small.train]
    assert [e.prompt for e in large.test[:3]] == [e.prompt for e in small.test]


def test_unsteady_items_are_the_same_in_every_process():
    script = "from rftlab.tasks.gym import load\nprint(load('ransom_note', train=3, test=1).fingerprint)"

    def run(seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert run("1") == run("2")


def test_the_ood_part_takes_other_settings():
    task = load("chain_sum", train=3, test=2, ood_config={"min_terms": 7, "max_terms": 8}, ood=4)
    assert isinstance(task, Task)
    assert all(sum(e.prompt.count(sign) for sign in ("+ ", "- ")) >= 6 for e in task.beyond)


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("gym/no_such_set", {}, "gym/no_such_set cannot be made"),
        ("gym/chain_sum", {"config": {"min_termz": 3}}, "min_termz"),
        ("gym/chain_sum", {"ood": 5}, "need task_settings.ood_config"),
        ("gym/chain_sum", {"config": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}, "distinct"),
        ("gym/composite", {}, "refused: it mixes other datasets"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(name, settings, match):
    with pytest.raises(RftlabError, match=match):
        load_task(name, settings)

"""Every algorithm, as it is by default, against the exact optimum of the toy, which has a trap."""

from collections.abc import Callable

import pytest

from rftlab.methods.base import load_method
from rftlab.registry import METHODS
from tests.toy_mdp import expected_reward, toy_policy, train_toy, tv_to_kl_optimum

SEEDS = range(5)
# How many of the first seeds have to reach it: five are for `make test-all`.
OF_SEEDS = pytest.mark.parametrize(("needed", "seeds"), [(1, 2), pytest.param(4, 5, marks=pytest.mark.slow)])
REACHED = 0.9
# Updates after which the toy is solved. The optimum is 1, the trap 0.4, the untrained policy below 0.1.
STEPS = {
    "sft": 60, "grpo": 100, "sft+grpo": 60, "rloo": 150, "dpo": 400, "ppo": 120, "rlhf": 150, "trpo": 30, "acer": 200,
    "sac": 240, "ddpg": 240, "chord": 60, "hpt": 60, "interleaved": 60, "rejection_sft": 150, "distill": 40,
    "kto": 400, "distill-offline": 40, "sft-matched-rollouts": 150,
}  # fmt: skip
# Theirs are held to it by their losses and their rows in every other test (tests/methods/test_teachers.py).
SELDOM = {"kto", "distill", "distill-offline", "sft-matched-rollouts"}
STEPS_OF_PRESETS = {"deepseek": 40, "dr_grpo": 150, "dapo": 200, "gspo": 200, "cispo": 200}
# They do not learn from the verifier's reward, on purpose.
CONTROLS = {"base", "base-few-shot", "base-maj", "prompt-search", "grpo-random", "grpo-format"}
# They read their context, which the toy's random model does not.
IN_CONTEXT = {"sdft", "sdpo"}


def require(needed: int, seeds: int, measure: Callable[[int], float], within: Callable[[float], bool]) -> None:
    """So many of the first seeds have to measure within; the others are left out once they have."""
    measured: list[float] = []
    for seed in SEEDS[:seeds]:
        measured.append(measure(seed))
        if sum(map(within, measured)) >= needed:
            return
    raise AssertionError(measured)


def require_optimum(needed: int, seeds: int, method: str, **arguments: object) -> None:
    require(needed, seeds, lambda seed: expected_reward(train_toy(method, seed, **arguments).policy), REACHED.__lt__)


def test_every_method_and_preset_of_grpo_is_here() -> None:
    assert set(STEPS) == set(METHODS) - CONTROLS - IN_CONTEXT
    assert set(STEPS_OF_PRESETS) == set(load_method("grpo").presets)


def test_the_toy_starts_far_from_the_optimum() -> None:
    assert all(expected_reward(toy_policy(seed)) < 0.1 for seed in SEEDS)


@OF_SEEDS
@pytest.mark.parametrize("method", [pytest.param(m, marks=pytest.mark.slow) if m in SELDOM else m for m in STEPS])
def test_reaches_the_optimum(method: str, needed: int, seeds: int) -> None:
    require_optimum(needed, seeds, method, steps=STEPS[method])


@pytest.mark.parametrize(
    "preset", [p if p == "deepseek" else pytest.param(p, marks=pytest.mark.slow) for p in STEPS_OF_PRESETS]
)
@OF_SEEDS
def test_presets_of_grpo_reach_it_too(preset: str, needed: int, seeds: int) -> None:
    require_optimum(needed, seeds, "grpo", steps=STEPS_OF_PRESETS[preset], **load_method("grpo").presets[preset])


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["simpo", "orpo"])
def test_dpo_without_a_reference_reaches_it_too(preset: str) -> None:
    require_optimum(2, 2, "dpo", steps=STEPS["dpo"], **load_method("dpo").presets[preset])


@OF_SEEDS
def test_sac_comes_near_the_kl_regularised_optimum(needed: int, seeds: int) -> None:
    def distance(seed: int) -> float:
        return tv_to_kl_optimum(train_toy("sac", seed, steps=240, alpha=0.2).policy, toy_policy(seed), 0.2)

    require(needed, seeds, distance, lambda distance: distance < 0.2)

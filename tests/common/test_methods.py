"""Every packaged method passes the suite of `rftlab check-method`, and has a card, settings and rates."""

from collections.abc import Callable
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.experiment.method_checks import CHECKS, LEARNS_WITHIN, findings, learns
from rftlab.experiment.method_subject import Subject
from rftlab.methods.base import load_method, make_settings
from rftlab.parts import Budget
from rftlab.preflight.checks import PACKAGED_RATES
from rftlab.registry import METHODS
from tests.method_pages import explained, explanations

# What makes two steps of a method quick on the tiny base; methods not named here run with their defaults.
_FEW = {"prompts_per_step": 2, "num_generations": 4}
QUICK: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("grpo", "grpo-random", "grpo-format", "rloo", "chord", "hpt", "acer", "sac", "trpo"), _FEW),
    # Its first step is SFT, its second GRPO; DDPG's actor waits for its critic by default.
    "interleaved": {**_FEW, "grpo_steps": 1},
    "ddpg": {**_FEW, "warmup_updates": 0},
    "rejection_sft": {"rounds": 1, "unsolved": "label"},
    "kto": {"generations": 8},
    "distill": _FEW,
    "distill-offline": {"samples": 8, "unsolved": "label"},
    "sdft": _FEW,
    "sdpo": _FEW,
    "sft-matched-rollouts": _FEW,
}

TRAINED = sorted(name for name, entry in METHODS.items() if entry.uses_labels and entry.trains)


# Learning to the optimum is tested on an exact toy, in tests/methods/test_optimum.py.
NEXT_TO_NONE = [check for check in CHECKS if check is not learns]

Given = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Settings that name a model which SFT has taught the toy, for methods that learn from a teacher."""
    folder = tmp_path_factory.mktemp("teacher")

    def of(method: str) -> dict[str, Any]:
        if not METHODS[method].teacher:
            return {}
        if not any(folder.iterdir()):
            policy = Subject("sft").trained(Budget(unit="flops", amount=LEARNS_WITHIN[0])).run.policy
            policy.model.merge_and_unload().save_pretrained(folder)
            policy.tokenizer.save_pretrained(folder)
        return {"teacher": str(folder)}

    return of


@pytest.mark.parametrize("method", TRAINED)
def test_a_method_passes_the_suite_that_a_users_own_is_checked_with(method: str, teacher: Given) -> None:
    found = list(findings(Subject(method, settings={**QUICK.get(method, {}), **teacher(method)}), NEXT_TO_NONE))
    assert [each for each in found if each.verdict != "passed"] == []


@pytest.mark.parametrize("method", ["sft", *(pytest.param(m, marks=pytest.mark.slow) for m in TRAINED if m != "sft")])
def test_a_method_learns_the_toy(method: str, teacher: Given) -> None:
    [found] = findings(Subject(method, settings=teacher(method)), [learns])
    assert found.verdict == ("not applicable" if METHODS[method].family == "control" else "passed"), found.sentence


# Built on methods that have a row here, or in tests/methods/test_teachers.py.
DERIVED = ("kto", "distill", "distill-offline", "sdft", "sdpo", "sft-matched-rollouts")


@pytest.mark.parametrize("method", [pytest.param(m, marks=pytest.mark.slow) if m in DERIVED else m for m in TRAINED])
def test_the_trace_of_a_cell_has_steps_and_evaluations(
    method: str, small_cell: Callable[..., Cell], teacher: Given
) -> None:
    experiment = Experiment(small_cell(method=method, settings={**QUICK.get(method, {}), **teacher(method)}))
    experiment.train()
    assert {row["kind"] for row in experiment.trace} == {"train", "eval"}
    told = explanations()
    logged = {name for row in experiment.trace if row["kind"] == "train" for name in row if "/" in name}
    assert {name for name in logged if not explained(name, told)} == set(), "say what it is in docs/metrics.md"
    assert not experiment.policy.model.training


@pytest.mark.parametrize("method", sorted(METHODS))
def test_card_settings_and_ladder(method: str) -> None:
    loaded = load_method(method)
    assert len(loaded.card) > 40
    make_settings(loaded, method, "", {})
    for preset in loaded.presets:
        make_settings(loaded, method, preset, {})
    if method in TRAINED:
        assert len(loaded.ladder.lora) >= PACKAGED_RATES <= len(loaded.ladder.full)
        assert all(0 < rate < 1 for rate in loaded.ladder.lora + loaded.ladder.full)

"""One suite for every method: it runs, stays in its budget, changes only the adapter, and repeats bit for bit."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.methods.base import load_method, make_settings
from rftlab.preflight.checks import PACKAGED_RATES
from rftlab.registry import METHODS

# What makes two steps of a method quick on the tiny base; methods not named here run with their defaults.
_FEW = {"prompts_per_step": 2, "num_generations": 4}
QUICK: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("grpo", "grpo-random", "grpo-format", "rloo", "chord", "hpt", "acer", "sac"), _FEW),
    # Its first step is SFT, its second GRPO; DDPG's actor waits for its critic by default.
    "interleaved": {**_FEW, "grpo_steps": 1},
    "ddpg": {**_FEW, "warmup_updates": 0},
    "rejection_sft": {"rounds": 1, "unsolved": "label"},
}

TRAINED = sorted(name for name, entry in METHODS.items() if entry.uses_labels and not name.startswith("base"))


def run(cell: Cell) -> Experiment:
    experiment = Experiment(cell)
    experiment.train()
    return experiment


def adapter(experiment: Experiment) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in experiment.policy.model.named_parameters() if "lora_" in n}


def base(experiment: Experiment) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in experiment.policy.model.named_parameters() if "lora_" not in n}


@pytest.mark.parametrize("method", TRAINED)
def test_two_steps(method: str, small_cell: Callable[..., Cell]) -> None:
    cell = small_cell(method=method, settings=QUICK.get(method, {}))
    first, again = run(cell), run(cell)
    before = Experiment(cell)

    trace = first.trace
    assert trace, "a trained method leaves a trace"
    steps = [row for row in trace if row["kind"] == "train"]
    assert steps[-1]["step"] == 2
    for row in trace:
        assert {"step", "kind", "tokens_generated", "tokens_trained", "flops", "seconds"} <= set(row)
    assert all(a["flops"] <= b["flops"] for a, b in itertools.pairwise(trace))
    assert steps[-1]["tokens_generated"] + steps[-1]["tokens_trained"] > 0
    assert {row["kind"] for row in trace} == {"train", "eval"}

    assert all(torch.equal(a, base(before)[name]) for name, a in base(first).items()), "the base changed"
    trained, repeated = adapter(first), adapter(again)
    assert trained.keys() == repeated.keys()
    assert all(torch.equal(trained[name], repeated[name]) for name in trained), "the same cell gave another adapter"
    assert all(torch.isfinite(value).all() for value in trained.values())
    assert not first.policy.model.training


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

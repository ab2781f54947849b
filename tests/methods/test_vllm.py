"""Sampling by vLLM: refused in one sentence where it cannot, TRL's hand-over of weights around a stand-in engine.

The stand-in takes the place of vLLM's engine alone: what TRL tells it, and when, is TRL's own code.
"""

import copy
import importlib.util
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from trl.generation.vllm_generation import VLLMGeneration

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods import vllm
from rftlab.methods.base import TrainingRun, load_method
from rftlab.policy.rollout import sample
from rftlab.preflight import checks
from tests.toy_mdp import END, HORIZON, toy_policy, toy_run

USED = {"use_vllm": True, "num_generations": 4, "prompts_per_step": 2}
METHODS = pytest.mark.parametrize("method", ["grpo", "rloo"])


def test_what_is_not_installed_is_said_before_anything_runs(small_cell: Callable[..., Cell]) -> None:
    if importlib.util.find_spec("vllm"):
        pytest.skip("vllm is installed")
    staged = [{"method": "sft", "share": 0.5}, {"method": "grpo", "share": 0.5, "settings": USED}]
    for cell in (small_cell(method="rloo", settings=USED), small_cell(method="sft+grpo", settings={"stages": staged})):
        request = {"cells": [cell.model_dump(mode="json")], "limit": 60.0}
        with pytest.raises(RftlabError, match=r"setting 'use_vllm': vllm is not installed; run: pip install"):
            checks.run(request)
        checks.run(request | {"here": False})


@pytest.mark.parametrize(
    ("device", "there", "said"),
    [
        ("auto", False, "vLLM samples on a GPU, and this machine has none"),
        ("cpu", True, "vLLM samples on a GPU, and device is 'cpu'; give device: auto"),
        ("auto", True, ""),
        ("cuda:0", True, ""),
    ],
)
def test_a_gpu_is_asked_for(device: str, there: bool, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm.importlib.util, "find_spec", lambda name: name == "vllm")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    settings = load_method("grpo").Settings.model_validate(USED)
    if said:
        with pytest.raises(RftlabError, match=f"method 'grpo', setting 'use_vllm': {said}, or leave use_vllm out"):
            vllm.require(settings, "grpo", device)
    else:
        vllm.require(settings, "grpo", device)
    vllm.require(load_method("grpo").Settings(), "grpo", "cpu")
    vllm.require(load_method("sft").Settings(), "sft", "cpu")


def test_a_server_of_its_own_is_no_setting() -> None:
    with pytest.raises(ValueError, match="vllm_mode"):
        load_method("grpo").Settings.model_validate({"vllm_mode": "server"})


class Engine(VLLMGeneration):
    """TRL's, with a copy of the base in the place of vLLM's engine, which samples with torch's global generator."""

    def _init_vllm(self) -> None:
        self.copy = toy_policy(kind="full")
        executor = SimpleNamespace(driver_worker=SimpleNamespace(model_runner=SimpleNamespace(model=self)))
        self.llm = SimpleNamespace(llm_engine=SimpleNamespace(model_executor=executor), reset_prefix_cache=lambda: None)

    def load_weights(self, pairs: list[tuple[str, torch.Tensor]]) -> None:
        self.copy.model.load_state_dict(dict(pairs), strict=False)

    def generate(self, prompts: Any, images: Any, num_generations: int, profiler: Any = None) -> Any:
        drawn = sample(self.copy, prompts, max_new_tokens=self.max_completion_length, generator=torch.default_generator)
        return prompts, [r.completion_ids for r in drawn], [[[x] for x in r.logprobs] for r in drawn], None


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainingRun]:
    """Trains the toy with the stand-in engine."""
    monkeypatch.setattr(vllm, "require", lambda *_: None)
    for name in ("grpo", "rloo"):
        monkeypatch.setattr(f"trl.trainer.{name}_trainer.VLLMGeneration", Engine)

    def train(method: str, seed: int = 3, steps: int = 4, **settings: Any) -> TrainingRun:
        run = toy_run(method, seed, steps=steps, rate=0.05, **USED, **settings)
        load_method(method).train(run)
        return run

    return train


@METHODS
def test_what_the_engine_draws_from_is_what_is_trained(method: str, trained: Callable[..., TrainingRun]) -> None:
    run = trained(method)
    assert not run.policy.untrained
    gaps = [row["train/sampler_gap"] for row in run.monitor.trace]
    assert len(gaps) == 4
    assert max(gaps) < 1e-5
    assert run.monitor.cost.tokens_generated > 4 * 8


@METHODS
def test_draws_follow_the_seed_and_repeat(method: str, trained: Callable[..., TrainingRun]) -> None:
    lengths = [trained(method, seed, steps=1).monitor.drawn.samples for seed in (3, 3, 4)]
    first, again, other = ([r.completion_ids for r, _ in samples] for samples in lengths)
    assert first == again
    assert first != other


def test_an_engine_of_another_policy_is_corrected(
    trained: Callable[..., TrainingRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "load_weights", lambda self, pairs: None)
    run = trained("grpo", steps=6)
    assert run.monitor.trace[0]["train/sampler_gap"] < 1e-5
    assert run.monitor.trace[-1]["train/sampler_gap"] > 0.05
    assert any("importance ratios" in said for said in run.monitor.warnings)


def test_handing_weights_over_leaves_a_base_in_half_precision_as_it_was() -> None:
    model = toy_policy().model
    layers: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    for layer in layers:
        torch.nn.init.normal_(layer.lora_B["default"].weight, generator=torch.Generator().manual_seed(0))
        layer.get_base_layer().to(torch.bfloat16)
    before = copy.deepcopy(model.state_dict())

    def hand_over() -> bool:
        model.merge_adapter()
        model.unmerge_adapter()
        return all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())

    with vllm.base_as_it_was(model):
        assert not hand_over()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.skipif(
    not (importlib.util.find_spec("vllm") and torch.cuda.is_available()), reason="needs vllm and a CUDA GPU"
)
@pytest.mark.slow
def test_a_real_engine_draws_from_what_is_trained(small_cell: Callable[..., Cell], tmp_path: Any) -> None:
    from rftlab.experiment import Experiment

    cell = small_cell(method="grpo", settings=USED, **{"budget.amount": 3.0})
    trace = Experiment(cell, out=tmp_path).train()
    assert trace["train/sampler_gap"].max() < 0.1


def test_horizon_and_end_are_the_toys(trained: Callable[..., TrainingRun]) -> None:
    rollouts = [rollout for rollout, _ in trained("grpo", steps=1).monitor.drawn.samples]
    assert all(r.truncated == (r.completion_ids[-1] != END) for r in rollouts)
    assert all(len(r.completion_ids) == HORIZON for r in rollouts if r.truncated)

"""What is charged is what went through a model: for every method and preset, against counts taken elsewhere."""

import itertools
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rftlab.experiment.watched import Counts
from rftlab.methods.actor_critic import Sampler, collate
from rftlab.methods.base import load_method
from rftlab.methods.trpo import TrustRegion, eager_attention
from rftlab.registry import METHODS
from tests.toy_mdp import toy_policy, toy_run

TRAINED = [name for name, entry in METHODS.items() if entry.uses_labels and entry.trains]
# Presets change what is trained on, not what is trained: full fine-tuning has one row a method.
EVERY: list[Any] = [(method, "", "lora") for method in TRAINED]
EVERY += [
    pytest.param(method, preset, kind, marks=pytest.mark.slow)
    for method in TRAINED
    for preset, kind in [("", "full"), *((preset, "lora") for preset in load_method(method).presets)]
]
# Four steps reach every stage of a sequence.
STEPS = 4


def expected(counts: Counts, kind: str) -> float:
    """FLOPs of the toy by the documented formula, its sizes written out."""
    hidden, layers, vocabulary, rank = 64, 4 * 64 * 64 + 3 * 64 * 64 + 2 * 64, 4, 8
    n = layers + hidden + vocabulary * hidden
    trained = 7 * rank * (64 + 64) if kind == "lora" else n
    back = 2 * n + 2 * trained
    return 2 * n * counts.forward + back * (counts.backward + 3 * counts.again)


@pytest.mark.parametrize(("method", "preset", "kind"), EVERY)
def test_flops_are_those_of_the_tokens_fed(method: str, preset: str, kind: str) -> None:
    policy = toy_policy(0, kind=kind)
    counts = Counts(policy)
    run = toy_run(method, 0, steps=STEPS, preset=preset, kind=kind, policy=policy)
    load_method(method).train(run)
    cost = run.monitor.cost
    assert cost.flops - cost.teacher_flops == pytest.approx(expected(counts, kind), rel=0.01)
    assert (cost.teacher_flops > 0) == METHODS[method].teacher
    assert cost.tokens_trained == counts.backward
    assert cost.optimizer_steps == STEPS or method in ("rejection_sft", "sft-matched-rollouts")


@pytest.mark.parametrize(("method", "settings"), [("grpo", {"minibatches": 4}), ("grpo", {"num_iterations": 3})])
def test_a_reused_batch_is_charged_as_it_is_trained_on(method: str, settings: dict[str, int]) -> None:
    few = {"prompts_per_step": 2, "num_generations": 4, **settings}
    updates = max(settings.values())
    run = toy_run(method, 0, steps=2 * updates, **few)
    load_method(method).train(run)
    spent = [0.0, *(row["flops"] for row in run.monitor.trace)]
    steps = [after - before for before, after in itertools.pairwise(spent)]
    alone = steps[1:updates] + steps[updates + 1 :]
    assert max(alone) < 1.3 * min(alone), "updates of one batch cost the same"
    assert min(steps[0], steps[updates]) > 1.5 * max(alone), "the first of them pays for the draw"


def test_a_fisher_product_costs_what_torch_counts() -> None:
    run = toy_run("trpo", 0, kind="full")
    batch = collate(Sampler(run, prompts_per_step=2, num_generations=4).draw(), run.policy)
    with eager_attention(run.policy.model):
        region = TrustRegion(run, batch, torch.ones_like(batch.mask), batch)
        direction, before = torch.ones_like(region.gradient()), run.monitor.cost.flops
        with FlopCounterMode(display=False) as counted:
            region.fisher_product(direction)
    products = sum(n for name, n in counted.get_flop_counts()["Global"].items() if "bmm" not in str(name))
    assert run.monitor.cost.flops - before == pytest.approx(products, rel=0.05)


def test_evaluations_and_what_follows_training_are_not_counted() -> None:
    run = toy_run("sft", 0, steps=2)
    load_method("sft").train(run)
    run.monitor.close()
    before = run.monitor.cost.flops
    run.policy.model(input_ids=torch.tensor([[1, 2, 3]]))
    assert run.monitor.cost.flops == before > 0


def test_a_tied_head_counts_once_and_a_lookup_never() -> None:
    tied = toy_policy(0, kind="full")
    weights = sum(p.numel() for p in tied.model.parameters())
    assert tied.parameters == weights - 4 * 64
    tied.model.get_output_embeddings().weight = tied.model.get_input_embeddings().weight
    assert tied.parameters == tied.trained_parameters == weights - 4 * 64

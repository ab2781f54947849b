"""Sampler and trainer held against each other: no change where they agree, importance ratios where they do not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rftlab.methods import actor_critic, trl_online
from rftlab.methods.base import load_method
from rftlab.methods.mismatch import CAP, LIMIT, padded, weighted
from rftlab.methods.trpo import TrustRegion
from rftlab.policy.rollout import Rollout
from tests.methods.caught import GROUP, LOOSE, RFT, Caught, groups
from tests.toy_mdp import toy_run, train_toy


def test_what_agrees_but_for_rounding_is_left_as_it_is() -> None:
    monitor = toy_run("grpo", 0).monitor
    advantages_B, sampled_B_T = torch.tensor([1.0, -1.0]), torch.tensor([[-1.0, -2.0, 0.0], [-0.5, -3.0, -1.0]])
    mask_B_T = torch.tensor([[1, 1, 0], [1, 1, 1]])
    trained_B_T = sampled_B_T + torch.tensor([[0.02, -0.04, 9.0], [0.0, 0.01, -0.03]])
    assert weighted(advantages_B, sampled_B_T, trained_B_T, mask_B_T, monitor) is advantages_B
    metrics = monitor.drawn.metrics()
    assert metrics["train/sampler_gap"] == pytest.approx(0.02)
    assert metrics["train/sampler_gap_max"] == pytest.approx(0.04)
    assert not monitor.warnings


def test_what_is_further_apart_is_weighted_by_how_much_likelier_the_trainer_finds_it() -> None:
    monitor = toy_run("grpo", 0).monitor
    sampled_B_T, mask_B_T = torch.full((2, 3), -2.0), torch.tensor([[1, 1, 0], [1, 1, 1]])
    apart_B_T = torch.tensor([[0.3, -0.7, 5.0], [1.4, 0.0, -0.2]])
    arguments: Any = (sampled_B_T, sampled_B_T + apart_B_T, mask_B_T, monitor)
    per_token_B_T = torch.tensor([[1.34986, 0.49659, 1.0], [CAP, 1.0, 0.81873]])
    advantages_B = torch.tensor([2.0, -1.0])
    torch.testing.assert_close(weighted(advantages_B, *arguments), advantages_B[:, None] * per_token_B_T)
    torch.testing.assert_close(weighted(torch.ones(2, 3), *arguments), per_token_B_T)
    whole_B = torch.tensor([2 * 0.67032, -CAP])
    torch.testing.assert_close(weighted(advantages_B, *arguments, whole=True), whole_B)
    assert any("importance ratios of at most 2" in said for said in monitor.warnings)


def test_rows_are_padded_to_the_mask() -> None:
    assert padded([[-1.0], [-2.0, -3.0]], torch.ones(2, 3)).tolist() == [[-1, 0, 0], [-2, -3, 0]]


@pytest.mark.parametrize(
    ("method", "settings", "compared"),
    [
        ("grpo", RFT, 4),
        ("grpo", RFT | {"minibatches": 2}, 4),
        ("grpo", RFT | {"num_iterations": 2}, 2),
        ("hpt", RFT, 4),
        ("rloo", RFT | {"beta": 0.1}, 4),
        ("ppo", RFT | {"num_ppo_epochs": 2, "num_mini_batches": 1}, 2),
        ("trpo", RFT, 4),
    ],
)
def test_a_sampler_of_the_same_weights_agrees(method: str, settings: dict[str, Any], compared: int) -> None:
    """Rows of a draw's first use say how far they are apart: all, where minibatches share it out, one an iteration."""
    run = train_toy(method, 3, steps=4, **settings)
    gaps = [row["train/sampler_gap"] for row in run.monitor.trace if "train/sampler_gap" in row]
    assert len(gaps) == compared
    assert max(gaps) < 1e-5
    assert max(row.get("train/sampler_gap_max", 0.0) for row in run.monitor.trace) < 1e-4
    assert not any("importance ratios" in said for said in run.monitor.warnings)


@pytest.mark.parametrize("more", [{"top_p": 0.9}, {"dropout": 0.1}])
def test_what_ought_to_differ_is_not_compared(more: dict[str, Any]) -> None:
    dropout = more.pop("dropout", 0.0)
    run = toy_run("grpo", 3, steps=1, **RFT, **more)
    if dropout:
        adapter = run.cell.adapter.model_copy(update={"dropout": dropout})
        run = replace(run, cell=run.cell.model_copy(update={"adapter": adapter}))
    load_method("grpo").train(run)
    assert "train/sampler_gap" not in run.monitor.trace[0]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers that are surer of every other token than they have a right to be, and less sure of those between."""

    def shifted(rollout: Rollout) -> Rollout:
        logprobs = [x + (0.9 if t % 2 else -0.4) for t, x in enumerate(rollout.logprobs)]
        return replace(rollout, logprobs=logprobs)

    for module in (trl_online, actor_critic):
        honest = module.sample
        monkeypatch.setattr(module, "sample", lambda *a, _honest=honest, **k: [shifted(r) for r in _honest(*a, **k)])


def ratios(caught: Caught) -> list[Tensor]:
    pairs = zip(caught.of_rollouts(), caught.rollouts, strict=True)
    return [(row.detach() - torch.tensor(r.logprobs, dtype=torch.float64)).exp() for row, r in pairs]


def assert_said(caught: Caught) -> None:
    assert caught.run.monitor.trace[0]["train/sampler_gap"] > LIMIT
    assert caught.run.monitor.trace[0]["train/sampler_gap_max"] == pytest.approx(0.9, abs=1e-3)
    assert any("what was sampled is not quite what is trained" in said for said in caught.run.monitor.warnings)


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("settings", [{}, {"num_iterations": 2}, {"loss_type": "dapo"}])
def test_grpo_weights_each_token_of_another_policy(settings: dict[str, Any], catch: Callable[..., Caught]) -> None:
    caught = catch("grpo", kind="lora", **RFT, **LOOSE, **settings)
    r = groups(caught.rewards)
    advantages = ((r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-4)).flatten()
    rows = zip(advantages, ratios(caught), caught.of_rollouts(), strict=True)
    gains = [a * ratio.clamp(max=CAP) * row for a, ratio, row in rows]
    whole = (
        torch.cat(gains).mean()
        if settings.get("loss_type") == "dapo"
        else torch.stack([g.mean() for g in gains]).mean()
    )
    caught.check(-whole)
    assert_said(caught)


@pytest.mark.usefixtures("planted")
def test_rloo_weights_each_completion_of_another_policy(catch: Callable[..., Caught]) -> None:
    caught = catch("rloo", kind="lora", **RFT, **LOOSE)
    r = groups(caught.rewards)
    advantages = (r - (r.sum(1, keepdim=True) - r) / (GROUP - 1)).flatten()
    weights = torch.stack([ratio.prod().clamp(max=CAP) for ratio in ratios(caught)])
    caught.check(-(advantages * weights * torch.stack([row.sum() for row in caught.of_rollouts()])).mean())
    assert_said(caught)


@pytest.mark.usefixtures("planted")
def test_trpo_weights_each_token_of_another_policy(
    catch: Callable[..., Caught], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    gradient = TrustRegion.gradient
    monkeypatch.setattr(
        TrustRegion, "gradient", lambda self: seen.append((gradient(self), self.advantages)) or seen[-1][0]
    )
    caught = catch("trpo", kind="lora", **RFT)
    first, advantages_B_T = seen[0]
    caught.gradients = [
        g.view_as(w) for g, w in zip(first.split([w.numel() for w in caught.weights]), caught.weights, strict=True)
    ]
    rows = zip(advantages_B_T.double(), caught.of_rollouts(), strict=True)
    caught.check(torch.cat([a[: len(row)] * row for a, row in rows]).mean())
    unweighted = torch.cat(
        [a[: len(w)] / w.clamp(max=CAP) for a, w in zip(advantages_B_T.double(), ratios(caught), strict=True)]
    )
    assert float(unweighted.mean()) == pytest.approx(0.0, abs=1e-4)
    assert float(unweighted.std()) == pytest.approx(1.0, abs=1e-3)
    assert_said(caught)

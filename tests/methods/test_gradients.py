"""Every method's first update against a derivation of its own: one sequence at a time, in double precision, no padding.

At another temperature than 1, with a step made in several passes, for an adapter and for full fine-tuning; two prompts,
three completions each, up to four tokens.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rftlab.methods import dpo
from rftlab.methods.base import load_method
from rftlab.methods.preferences import TokenPair
from rftlab.methods.reward_model import RewardModel, train_reward_model
from rftlab.methods.trpo import TrustRegion
from rftlab.tasks.base import Example
from tests.methods.caught import GROUP, LABELLED, LOOSE, RFT, Caught, groups
from tests.toy_mdp import HORIZON, toy_policy, toy_run

KINDS = pytest.mark.parametrize("kind", ["lora", "full"])


@KINDS
def test_sft(kind: str, catch: Callable[..., Caught]) -> None:
    caught = catch("sft", kind=kind, per_device_train_batch_size=1, gradient_accumulation_steps=2)
    loss = -torch.cat(caught.of_labels()).mean()
    assert caught.run.monitor.trace[0]["train/loss"] == pytest.approx(float(loss.detach()), abs=1e-4)
    caught.check(loss, largest_norm=1.0)


def test_sft_dft(catch: Callable[..., Caught]) -> None:
    preset = load_method("sft").presets["dft"]
    caught = catch("sft", kind="lora", **preset, per_device_train_batch_size=1, gradient_accumulation_steps=2)
    logprobs = torch.cat(caught.of_labels())
    caught.check(-(logprobs.detach().exp() * logprobs).mean(), largest_norm=1.0)


def grpo_loss(caught: Caught, loss_type: str = "grpo") -> Tensor:
    r = groups(caught.rewards)
    advantages = ((r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-4)).flatten()
    logprobs = caught.of_rollouts()
    gains = [a * row for a, row in zip(advantages, logprobs, strict=True)]
    if loss_type in {"grpo", "sapo"}:
        return -torch.stack([gain.mean() for gain in gains]).mean()
    total = torch.cat(gains).sum()
    return -total / (len(gains) * HORIZON if loss_type == "dr_grpo" else sum(map(len, gains)))


@pytest.mark.parametrize(
    ("loss_type", "kind"),
    [("grpo", "full"), *((loss, "lora") for loss in ("grpo", "dapo", "bnpo", "dr_grpo", "cispo", "sapo"))],
)
def test_grpo(loss_type: str, kind: str, catch: Callable[..., Caught]) -> None:
    settings = {"epsilon_high": 5.0} if loss_type == "cispo" else {}
    caught = catch("grpo", kind=kind, loss_type=loss_type, **RFT, **LOOSE, **settings)
    caught.check(grpo_loss(caught, loss_type))


def test_gspo(catch: Callable[..., Caught]) -> None:
    caught = catch("grpo", kind="lora", importance_sampling_level="sequence", **RFT, **LOOSE)
    caught.check(grpo_loss(caught))


@KINDS
def test_rloo(kind: str, catch: Callable[..., Caught]) -> None:
    caught = catch("rloo", kind=kind, **RFT, **LOOSE)
    r = groups(caught.rewards)
    advantages = (r - (r.sum(1, keepdim=True) - r) / (GROUP - 1)).flatten()
    totals = torch.stack([row.sum() for row in caught.of_rollouts()])
    caught.check(-(advantages * totals).mean())


@KINDS
def test_chord(kind: str, catch: Callable[..., Caught]) -> None:
    caught = catch("chord", kind=kind, mu_peak=0.3, **RFT, **LOOSE)
    caught.check(0.7 * grpo_loss(caught) - 0.3 * torch.cat(caught.of_labels()).mean())


@KINDS
def test_hpt(kind: str, catch: Callable[..., Caught]) -> None:
    r = groups(catch("grpo", kind=kind, **RFT).rewards).mean(1)
    gamma = float(r.mean())
    caught = catch("hpt", kind=kind, gamma=gamma, **RFT, **LOOSE)
    solved = (groups(caught.rewards).mean(1) > gamma).repeat_interleave(GROUP)
    assert solved.any()
    assert not solved.all()
    rows = groups(caught.rewards)
    advantages = ((rows - rows.mean(1, keepdim=True)) / (rows.std(1, keepdim=True) + 1e-4)).flatten() * solved
    rl = -torch.stack([a * row.mean() for a, row in zip(advantages, caught.of_rollouts(), strict=True)]).mean()
    prompts = [LABELLED.index(e) for e in _asked(caught)]
    taught = [-caught.of_labels()[i].mean() for i, known in zip(prompts, solved[::GROUP], strict=True) if not known]
    caught.check(rl + torch.stack(taught).sum() / 2)


def _asked(caught: Caught) -> list[Example]:
    policy = caught.run.policy
    by_prompt = {tuple(policy.encode_prompt(policy.prompt_text(e, cot=True))): e for e in LABELLED}
    return [by_prompt[tuple(r.prompt_ids)] for r in caught.rollouts[::GROUP]]


@KINDS
def test_interleaved_begins_with_sft(kind: str, catch: Callable[..., Caught]) -> None:
    caught = catch("interleaved", kind=kind, **RFT, **LOOSE)
    caught.check(-torch.cat(caught.of_labels()).mean())


def gae(caught: Caught, lam: float) -> list[Tensor]:
    """Advantages of every token, whitened over all of them."""
    rows = []
    for values_1_T_1, reward in zip(caught.critic(), caught.rewards, strict=True):
        v = [*values_1_T_1[0, :, 0].tolist(), 0.0]
        rewards = [0.0] * (len(v) - 2) + [float(reward)]
        deltas = [rewards[t] + v[t + 1] - v[t] for t in range(len(rewards))]
        rows.append(
            torch.tensor([sum(lam ** (k - t) * deltas[k] for k in range(t, len(deltas))) for t in range(len(deltas))])
        )
    every = torch.cat(rows)
    return [(row - every.mean()) / every.std() for row in rows]


@KINDS
def test_ppo(kind: str, catch: Callable[..., Caught]) -> None:
    caught = catch(
        "ppo", kind=kind, num_ppo_epochs=1, num_mini_batches=1, kl_coef=0.0, lam=0.8, entropy_coef=0.1, **RFT, **LOOSE
    )
    advantages = gae(caught, 0.8)
    entropies = []
    for r in caught.rollouts:
        every = caught.logits(r.prompt_ids, r.completion_ids)
        entropies.append(-(every.exp() * every).sum(-1))
    gain = torch.cat([a * row for a, row in zip(advantages, caught.of_rollouts(), strict=True)])
    caught.check(-(gain + 0.1 * torch.cat(entropies)).mean())


@KINDS
def test_trpo(kind: str, catch: Callable[..., Caught], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    gradient = TrustRegion.gradient
    monkeypatch.setattr(TrustRegion, "gradient", lambda self: seen.append(gradient(self)) or seen[-1])
    caught = catch("trpo", kind=kind, lam=0.8, **RFT)
    caught.gradients = list(seen[0].split([w.numel() for w in caught.weights]))
    caught.gradients = [g.view_as(w) for g, w in zip(caught.gradients, caught.weights, strict=True)]
    gain = torch.cat([a * row for a, row in zip(gae(caught, 0.8), caught.of_rollouts(), strict=True)])
    caught.check(gain.mean())


@KINDS
def test_acer(kind: str, catch: Callable[..., Caught]) -> None:
    caught = catch("acer", kind=kind, entropy_coef=0.1, **RFT, **LOOSE)
    terms = []
    for r, reward, q_1_T_V in zip(caught.rollouts, caught.rewards, caught.critic(outputs=4), strict=True):
        every, q = caught.logits(r.prompt_ids, r.completion_ids), q_1_T_V[0]
        pi = every.detach().exp()
        v = [*(pi * q).sum(-1).tolist(), 0.0]
        taken = [float(q[t, y]) for t, y in enumerate(r.completion_ids)]
        target = float(reward)
        for t in reversed(range(len(taken))):
            # On-policy every weight is 1: nothing is truncated, nothing corrected, and no step is too long.
            advantage = target - v[t]
            terms.append(advantage * every[t, r.completion_ids[t]] - 0.1 * (every[t].exp() * every[t]).sum())
            target = (target - taken[t]) + v[t]
    caught.check(-torch.stack(terms).mean())


@KINDS
@pytest.mark.parametrize("measure", ["reference", "uniform"])
def test_sac(measure: str, kind: str, catch: Callable[..., Caught]) -> None:
    settings = {"prompts_per_step": 2, "num_generations": GROUP, **LOOSE}
    caught = catch("sac", kind=kind, measure=measure, alpha=0.2, **settings)
    terms = []
    for r, q_2_T_V in zip(caught.rollouts, caught.critic(outputs=4, heads=2), strict=True):
        every = caught.logits(r.prompt_ids, r.completion_ids)
        bonus = every - (every.detach() if measure == "reference" else 0.0)
        terms.append((every.exp() * (0.2 * bonus - q_2_T_V.amin(0))).sum(-1))
    caught.check(torch.cat(terms).mean())


@KINDS
def test_ddpg(kind: str, catch: Callable[..., Caught]) -> None:
    settings = {"prompts_per_step": 2, "num_generations": GROUP, "warmup_updates": 0, **LOOSE}
    caught = catch("ddpg", kind=kind, **settings)
    terms = []
    for r, q_1_T_V in zip(caught.rollouts, caught.critic(outputs=4), strict=True):
        terms.append((caught.logits(r.prompt_ids, r.completion_ids).exp() * q_1_T_V[0]).sum(-1))
    caught.check(-torch.cat(terms).mean())


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[TokenPair]:
    """The pairs that DPO makes, once it has."""
    made = dpo.preference_pairs
    kept: list[TokenPair] = []

    def recorded(*args: Any) -> Any:
        found, said = made(*args)
        kept.extend(found)
        return found, said

    monkeypatch.setattr(dpo, "preference_pairs", recorded)
    return kept


FEW_PAIRS = {"pair_generations": 8, "pairs_per_prompt": 3}


@KINDS
def test_dpo(kind: str, catch: Callable[..., Caught], pairs: list[TokenPair]) -> None:
    caught = catch("dpo", kind=kind, beta=0.3, **FEW_PAIRS, **LOOSE)
    margins = [
        caught.logprobs(p.prompt_ids, p.chosen_ids, 1.0).sum()
        - caught.logprobs(p.prompt_ids, p.rejected_ids, 1.0).sum()
        for p in pairs
    ]
    assert len(margins) == 6
    margin = 0.3 * (torch.stack(margins) - torch.stack(margins).detach())
    caught.check(-torch.nn.functional.logsigmoid(margin).mean())


def chosen_and_rejected(caught: Caught, pairs: list[TokenPair]) -> list[list[Tensor]]:
    return [
        [caught.logprobs(p.prompt_ids, ids, 1.0) for p, ids in zip(pairs, every, strict=True)]
        for every in ([p.chosen_ids for p in pairs], [p.rejected_ids for p in pairs])
    ]


def test_simpo(catch: Callable[..., Caught], pairs: list[TokenPair]) -> None:
    caught = catch("dpo", kind="lora", **load_method("dpo").presets["simpo"], **FEW_PAIRS, **LOOSE)
    chosen, rejected = (torch.stack([row.mean() for row in rows]) for rows in chosen_and_rejected(caught, pairs))
    caught.check(-torch.nn.functional.logsigmoid(2.0 * chosen - 2.0 * rejected - 1.0).mean())
    [row] = caught.run.monitor.trace
    assert row["train/reward_margin"] == pytest.approx(2 * float((chosen - rejected).detach().mean()), abs=1e-4)


def test_orpo(catch: Callable[..., Caught], pairs: list[TokenPair]) -> None:
    caught = catch("dpo", kind="lora", **load_method("dpo").presets["orpo"], **FEW_PAIRS, **LOOSE)
    rows, others = chosen_and_rejected(caught, pairs)
    p, q = (torch.stack([row.mean() for row in each]).exp() for each in (rows, others))
    ratio = (p / (1 - p)) / (q / (1 - q))
    caught.check(-torch.cat(rows).mean() + 0.1 * (1 + 1 / ratio).log().mean())


@KINDS
def test_reward_model(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = toy_run("rlhf", 3, steps=1, kind=kind, policy=toy_policy(3, kind=kind))
    pairs = [TokenPair([1], [3, 1, 0], [2, 0]), TokenPair([3, 2], [1, 0], [3, 3, 2, 0])]
    gradients: list[Tensor] = []
    stepped = torch.optim.AdamW.step

    def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The optimizer groups parameters by weight decay: a parameter is known by its place in the model, not here.
        gradients.extend(p.grad.clone() for group in self.param_groups for p in group["params"] if p.grad is not None)
        return stepped(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    start = RewardModel(run.policy.model, seed=run.cell.seed_init).double()
    train_reward_model(run, pairs, {}, learning_rate=1e-3, epochs=1, batch_size=2)

    def score(prompt: list[int], completion: list[int]) -> Tensor:
        body = start.body.get_base_model() if kind == "lora" else start.body
        hidden = body.base_model(input_ids=torch.tensor([prompt + completion])).last_hidden_state
        return (start.head.weight[0] * hidden[0, -1]).sum()

    margins = [score(p.prompt_ids, p.chosen_ids) - score(p.prompt_ids, p.rejected_ids) for p in pairs]
    loss = -torch.nn.functional.logsigmoid(torch.stack(margins)).mean()
    weights = [p for p in start.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    expected = [g for g in found if g is not None]
    assert run.monitor.trace[0]["train/loss"] == pytest.approx(float(loss.detach()), abs=1e-4)
    # Clipped to norm 1 at most; compared as sets by their sums, since the optimizer holds them in another order.
    norm = torch.cat([g.flatten() for g in expected]).norm()
    scale = min(1.0, 1.0 / (float(norm) + 1e-6))
    assert norm > 1e-3
    for hand in expected:
        assert any(
            g.shape == hand.shape and torch.allclose(g.double(), hand * scale, rtol=1e-3, atol=1e-6) for g in gradients
        )

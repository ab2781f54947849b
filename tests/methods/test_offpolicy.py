"""ACER, SAC and DDPG: their losses against hand computation and torchrl, their policies against the toy's optimum."""

import math
from dataclasses import replace

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule as Module
from torch import Tensor, nn
from torchrl.modules import OneHotCategorical, ProbabilisticActor, ValueOperator
from torchrl.objectives import DDPGLoss, DiscreteSACLoss

from rftlab.errors import RftlabError
from rftlab.methods import acer, ddpg, sac
from rftlab.methods.actor_critic import (
    Batch,
    Sampler,
    behaviour_tensor,
    collate,
    sampled_from,
    taken,
    token_logprobs,
)
from rftlab.methods.base import load_method
from rftlab.methods.core import at_last_token, categorical_kl, entropy, retrace
from rftlab.policy.rollout import sample
from tests.toy_mdp import EXAMPLES, expected_reward, toy_policy, toy_run, train_toy

B, T, V = 3, 5, 7
LENGTHS = (5, 2, 3)

# We move the target networks ourselves, as the test does for torchrl's.
_OWN_TARGETS = pytest.mark.filterwarnings("ignore:No target network updater:UserWarning")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def batch(generator: torch.Generator) -> Batch:
    mask = torch.tensor([[1.0] * n + [0.0] * (T - n) for n in LENGTHS])
    tokens = torch.randint(V, (B, T), generator=generator)
    logprobs = -torch.rand(B, T, generator=generator) * mask
    return Batch(tokens, mask.long(), tokens, mask, logprobs, torch.tensor([1.0, 0.0, 0.4]))


def table(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator)


def transitions(batch: Batch) -> TensorDict:
    """Every token as a transition between states numbered b T + t and encoded one-hot."""
    rows, cols = batch.mask.nonzero(as_tuple=True)
    states, last = torch.eye(B * T), torch.tensor(LENGTHS)[rows] - 1 == cols
    following = states[(rows * T + cols + 1).clamp(max=B * T - 1)]
    after = {
        "observation": following, "reward": at_last_token(batch.rewards, batch.mask)[rows, cols, None],
        "done": last[:, None], "terminated": last[:, None],
    }  # fmt: skip
    action = nn.functional.one_hot(batch.tokens[rows, cols], V)
    values = {"observation": states[rows * T + cols], "action": action, "next": TensorDict(after, [len(rows)])}
    return TensorDict(values, [len(rows)])


def linear(weight: Tensor) -> nn.Linear:
    """A module that looks a state's row up in a (B, T, V) table."""
    layer = nn.Linear(B * T, weight.shape[-1], bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight.reshape(B * T, -1).T)
    return layer


@_OWN_TARGETS
def test_discrete_sac_losses_equal_torchrl(batch: Batch, generator: torch.Generator) -> None:
    logits, alpha = table(generator, B, T, V), 0.3
    actor = ProbabilisticActor(
        Module(linear(logits), in_keys=["observation"], out_keys=["logits"]), in_keys=["logits"], out_keys=["action"],
        distribution_class=OneHotCategorical,
    )  # fmt: skip
    critic = ValueOperator(linear(table(generator, B, T, V)), in_keys=["observation"], out_keys=["action_value"])
    loss = DiscreteSACLoss(
        actor, critic, action_space="one-hot", num_actions=V, loss_function="l2", alpha_init=alpha,
        target_entropy=0.7, delay_qvalue=True,
    )  # fmt: skip
    loss.make_value_estimator(gamma=1.0)
    theirs = loss(transitions(batch))
    weights = next(iter(loss.qvalue_network_params.values(include_nested=True, leaves_only=True)))
    q = torch.stack([w.detach().T.reshape(B, T, V) for w in weights])
    logprobs, uniform = logits.log_softmax(-1), torch.zeros(B, T, V)
    target = sac.soft_target(q.amin(0), logprobs, uniform, batch, alpha=alpha, lam=0.0)
    ours = sac.critic_loss(q, target, batch)
    # torchrl sums (Q - y)^2 over the two critics, ours sums half of it.
    torch.testing.assert_close(2 * ours, theirs["loss_qvalue"].detach(), rtol=1e-4, atol=1e-5)
    pi = sac.actor_loss(q.amin(0), logprobs, uniform, batch.mask, alpha=alpha)
    torch.testing.assert_close(pi, theirs["loss_actor"].detach(), rtol=1e-4, atol=1e-5)
    # -alpha_log (target + E log pi) in theirs; ours is the same with the entropy as -E log pi.
    h = ((-(logprobs.exp() * logprobs).sum(-1)) * batch.mask).sum() / batch.mask.sum()
    expected = (torch.tensor(alpha).log() * (h - 0.7)).float()
    torch.testing.assert_close(expected, theirs["loss_alpha"].detach().float(), rtol=1e-4, atol=1e-5)


class _LinearInAction(nn.Module):
    """Q(s, a) = <a, q(s)> as a critic that reads state and action, which is what torchrl expects."""

    def __init__(self, q: Tensor) -> None:
        super().__init__()
        self.q = linear(q)

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        return (self.q(observation) * action).sum(-1, keepdim=True)


@_OWN_TARGETS
def test_ddpg_losses_equal_torchrl(batch: Batch, generator: torch.Generator) -> None:
    logits, q = table(generator, B, T, V), table(generator, B, T, V)
    actor = Module(nn.Sequential(linear(logits), nn.Softmax(-1)), in_keys=["observation"], out_keys=["action"])
    critic = ValueOperator(_LinearInAction(q), in_keys=["observation", "action"])
    loss = DDPGLoss(actor, critic, loss_function="l2", delay_actor=True, delay_value=True)
    loss.make_value_estimator(gamma=1.0)
    theirs = loss(transitions(batch).apply(lambda x: x.float() if x.dtype == torch.int64 else x))
    logprobs = logits.log_softmax(-1)
    target = ddpg.bootstrap(q, logprobs, batch, lam=0.0)
    taken = q.gather(-1, batch.tokens[..., None])[..., 0]
    ours = (((taken - target) ** 2) * batch.mask).sum() / batch.mask.sum()
    torch.testing.assert_close(ours, theirs["loss_value"].detach(), rtol=1e-4, atol=1e-5)
    value = (ddpg.action_value(q, logprobs) * batch.mask).sum() / batch.mask.sum()
    torch.testing.assert_close(-value, theirs["loss_actor"].detach(), rtol=1e-4, atol=1e-5)


def test_deterministic_gradient_is_the_expected_policy_gradient(generator: torch.Generator) -> None:
    logits, q = table(generator, V).requires_grad_(), table(generator, V)
    (ours,) = torch.autograd.grad(ddpg.action_value(q, logits.log_softmax(-1)), logits)
    pi = logits.detach().softmax(-1)
    # sum_a pi(a) grad log pi(a) (q(a) - V)
    expected = sum(pi[a] * (nn.functional.one_hot(torch.tensor(a), V) - pi) * (q[a] - pi @ q) for a in range(V))
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("c", [0.5, 2.0])
def test_acer_gradient_by_hand(c: float, batch: Batch, generator: torch.Generator) -> None:
    logits = table(generator, B, T, V).requires_grad_()
    logprobs, mu, q = logits.log_softmax(-1), table(generator, B, T, V).log_softmax(-1), table(generator, B, T, V)
    pi, target = logprobs.detach(), table(generator, B, T)
    rho = (pi - mu).exp()
    objective = torch.zeros(())
    for b in range(B):
        for t in range(T):
            value = sum(float(pi[b, t, a].exp() * q[b, t, a]) for a in range(V))
            y = int(batch.tokens[b, t])
            objective = objective + min(c, float(rho[b, t, y])) * (target[b, t] - value) * logprobs[b, t, y]
            for a in range(V):
                correction = max(0.0, 1 - c / float(rho[b, t, a])) * float(pi[b, t, a].exp())
                objective = objective + correction * (q[b, t, a] - value) * logprobs[b, t, a]
            objective = objective - 0.1 * (logprobs[b, t].exp() * logprobs[b, t]).sum()
    (by_hand,) = torch.autograd.grad(objective, logits)
    ours = acer.policy_gradient(pi, q, rho, target, batch.tokens, c=c, entropy_coef=0.1)
    torch.testing.assert_close(ours, by_hand, rtol=1e-4, atol=1e-5)
    assert (rho > c).any()


def test_acer_on_policy_and_untruncated_is_the_advantage_policy_gradient(
    batch: Batch, generator: torch.Generator
) -> None:
    pi, q, target = table(generator, B, T, V).log_softmax(-1), table(generator, B, T, V), table(generator, B, T)
    ours = acer.policy_gradient(pi, q, torch.ones(B, T, V), target, batch.tokens, c=10.0)
    advantage = target - (pi.exp() * q).sum(-1)
    expected = advantage[..., None] * (nn.functional.one_hot(batch.tokens, V) - pi.exp())
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_trust_region_projects_only_where_it_must(generator: torch.Generator) -> None:
    g, delta = table(generator, B, T, V), 0.1
    pi, average = table(generator, B, T, V).softmax(-1), table(generator, B, T, V).softmax(-1)
    z, active = acer.trust_region(g, pi - average, delta=delta)
    assert active.any()
    assert not active.all()
    assert ((pi - average) * z).sum(-1).max() <= delta + 1e-5
    torch.testing.assert_close(z[~active], g[~active])
    unmoved, none = acer.trust_region(g, pi - average, delta=1e9)
    assert not none.any()
    torch.testing.assert_close(unmoved, g)


def test_trust_region_direction_is_the_gradient_of_the_kl(generator: torch.Generator) -> None:
    logits, average = table(generator, V).requires_grad_(), table(generator, V).log_softmax(-1)
    (k,) = torch.autograd.grad(categorical_kl(average, logits.log_softmax(-1)), logits)
    torch.testing.assert_close(k, logits.detach().softmax(-1) - average.exp())


def test_retrace_keeps_the_soft_fixed_point(generator: torch.Generator) -> None:
    """Where Q is right, the expected correction is 0: the mean over sampled tokens of the target is r + V(s')."""
    n = 40_000
    mu, pi = table(generator, V).log_softmax(-1), table(generator, V).log_softmax(-1)
    q_last = table(generator, V)
    value = sac.soft_value(q_last, pi, torch.zeros(V), alpha=0.3)
    second = torch.multinomial(mu.exp(), n, replacement=True, generator=generator)
    # Two tokens; the second earns its Q at once, so that Q is exact there.
    rewards = torch.stack([torch.zeros(n), q_last[second]], 1)
    taken_q = torch.stack([value.expand(n), q_last[second]], 1)
    rho = torch.stack([torch.ones(n), (pi - mu).exp()[second]], 1)
    targets = retrace(rewards, taken_q, torch.stack([torch.zeros(n), value.expand(n)], 1), rho, torch.ones(n, 2))
    torch.testing.assert_close(targets[:, 0].mean(), value, rtol=1e-3, atol=1e-3)


def test_both_ways_of_remembering_the_behaviour_policy_agree() -> None:
    run = toy_run("acer", 0, steps=1, store_below=0)
    learner = acer._Learner(run, run.settings)
    assert not learner.stores
    trajectories = Sampler(run, prompts_per_step=2, num_generations=4).draw(behaviour=True)
    draw, whole = acer._Draw(trajectories, learner.snapshot()), collate(trajectories, run.policy)
    before = learner._mu(draw, whole, slice(0, 8))
    load_method("sft").train(toy_run("sft", 0, steps=5, policy=run.policy))
    torch.testing.assert_close(learner._mu(draw, whole, slice(0, 8)), before)
    stored = behaviour_tensor(trajectories, whole)
    masked = whole.mask[..., None].bool()
    torch.testing.assert_close(before.where(masked, 0.0), stored.where(masked, 0.0), rtol=1e-4, atol=1e-5)
    assert (token_logprobs(run.policy.model, whole) - before).abs().max() > 0.1


def test_acer_learns_from_snapshots() -> None:
    trace = train_toy("acer", 0, steps=6, store_below=0, replay_ratio=2).monitor.trace
    assert len(trace) == 6
    assert trace[0]["train/importance"] == pytest.approx(1, abs=1e-3)
    assert trace[0]["tokens_generated"] == trace[2]["tokens_generated"] < trace[3]["tokens_generated"]


def test_acer_refuses_a_whole_model_per_draw() -> None:
    run = toy_run("acer", 0, steps=1, store_below=0, policy=toy_policy(0, kind="full"))
    whole = run.cell.model_copy(update={"adapter": run.cell.adapter.model_copy(update={"kind": "full"})})
    with pytest.raises(RftlabError, match="whole model per draw"):
        load_method("acer").train(replace(run, cell=whole))


def test_exploration_mixes_uniform_tokens_in_and_reports_their_probability() -> None:
    policy, epsilon = toy_policy(0), 0.5
    prompt = policy.encode_prompt(EXAMPLES[0].prompt)
    explorer, generator = ddpg.exploring(policy, epsilon, 1.0), torch.Generator().manual_seed(0)
    drawn = sample(explorer, [prompt] * 2000, max_new_tokens=1, generator=generator)
    logits = policy.model(input_ids=torch.tensor([prompt])).logits[0, -1].detach()
    mixed = (1 - epsilon) * logits.softmax(-1) + epsilon / 4
    for token in range(4):
        chosen = [r for r in drawn if r.completion_ids == [token]]
        assert chosen[0].logprobs[0] == pytest.approx(float(mixed[token].log()), abs=1e-5)
        assert len(chosen) / 2000 == pytest.approx(float(mixed[token]), abs=0.04)


def test_ddpg_leaves_the_actor_alone_while_the_critic_warms_up() -> None:
    policy = toy_policy(0)
    before = expected_reward(policy)
    run = train_toy("ddpg", 0, steps=6, warmup_updates=6, warmup_share=1.0, policy=policy)
    assert expected_reward(policy) == before
    assert all(row["train/grad_norm"] == 0 for row in run.monitor.trace)


def test_ddpg_warms_up_for_a_share_of_a_small_budget() -> None:
    run = train_toy("ddpg", 0, steps=8, warmup_updates=8, warmup_share=0.25)
    assert [row["train/grad_norm"] == 0 for row in run.monitor.trace] == [True] * 2 + [False] * 6


def test_alpha_rises_below_the_entropy_target_and_falls_above_it() -> None:
    run = toy_run("sac", 0, steps=1, entropy_share=0.5)
    learner, start = sac._Learner(run, run.settings), run.settings.alpha
    learner._tune_alpha(0.9, reference_entropy=1.0)
    fallen = float(learner._log_alpha.detach().exp())
    assert fallen < start
    for _ in range(5):
        learner._tune_alpha(0.1, reference_entropy=1.0)
    assert float(learner._log_alpha.detach().exp()) > fallen


def test_alpha_stays_where_no_target_is_given() -> None:
    run = train_toy("sac", 0, steps=2)
    assert [row["train/alpha"] for row in run.monitor.trace] == [pytest.approx(0.05)] * 2


@pytest.mark.parametrize("stored", [True, False])
def test_what_acer_remembers_is_the_distribution_cut_to_the_nucleus(stored: bool) -> None:
    run = toy_run("acer", 0, top_p=0.7, temperature=0.8, store_below=4096 if stored else 0)
    learner = acer._Learner(run, run.settings)
    trajectories = Sampler(run, prompts_per_step=2, num_generations=8).draw(behaviour=stored)
    whole = collate(trajectories, run.policy)
    mu = learner._mu(acer._Draw(trajectories, learner.snapshot()), whole, slice(0, 16))
    torch.testing.assert_close(taken(mu, whole), whole.logprobs, rtol=1e-4, atol=1e-5)
    assert torch.isinf(mu[whole.mask > 0]).any()
    torch.testing.assert_close(mu.exp().sum(-1), torch.ones_like(whole.mask))
    shown = learner.learn(acer._Draw(trajectories, learner.snapshot()))
    assert all(math.isfinite(value) for value in shown.values())


def test_on_policy_data_of_a_nucleus_keeps_its_traces_whole() -> None:
    run = toy_run("sac", 0, top_p=0.7)
    whole = collate(Sampler(run, prompts_per_step=2, num_generations=8).draw(), run.policy)
    drawn = sampled_from(run, run.policy.model, whole)
    torch.testing.assert_close(taken(drawn, whole), whole.logprobs, rtol=1e-4, atol=1e-5)
    full = token_logprobs(run.policy.model, whole)
    assert (taken(full, whole) - whole.logprobs)[whole.mask > 0].max() < -0.05, "the full softmax is another policy"
    uniform = torch.zeros_like(full)
    target = sac.soft_target(torch.zeros_like(full), drawn, uniform, whole, alpha=0.1, lam=1.0)
    # Without values and with all traces whole, the target is the reward and the entropy still to come.
    h_B_T = entropy(drawn) * whole.mask
    to_come = h_B_T.flip(1).cumsum(1).flip(1) - h_B_T
    expected = (whole.rewards[:, None] + 0.1 * to_come) * whole.mask
    torch.testing.assert_close(target, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["acer", "sac", "ddpg", "ppo", "trpo", "grpo"])
def test_a_nucleus_leaves_every_number_finite(method: str) -> None:
    run = train_toy(method, 1, steps=8, top_p=0.6, prompts_per_step=2, num_generations=8)
    assert all(math.isfinite(v) for row in run.monitor.trace for v in row.values() if isinstance(v, float))
    assert all(torch.isfinite(p).all() for p in run.policy.model.parameters())

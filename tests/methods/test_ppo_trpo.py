"""PPO, TRPO and GRPO against exact oracles: the enumerable toy, an explicit Fisher matrix, one group by hand."""

import pytest
import torch
from torch import Tensor
from trl import GRPOTrainer

from rftlab.methods import core
from rftlab.methods.actor_critic import Batch, Sampler, collate, taken, token_logprobs, trained_weights
from rftlab.methods.critic import Critic, frozen_copy, polyak, shared_copy
from rftlab.methods.ppo import explained_variance
from rftlab.methods.trpo import TrustRegion, eager_attention
from rftlab.policy.load import Policy
from tests.toy_mdp import END, reward, toy_policy, toy_run, train_toy


def test_grpo_advantage_and_loss_of_one_group_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[dict[str, Tensor], Tensor, float]] = []
    original = GRPOTrainer._compute_loss

    def spy(self: GRPOTrainer, model: object, inputs: dict[str, Tensor]) -> Tensor:
        loss = original(self, model, inputs)
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
        attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=attention).logits[:, inputs["prompt_ids"].shape[1] - 1 : -1]
        chosen = logits.log_softmax(-1).gather(-1, inputs["completion_ids"][..., None])[..., 0]
        seen.append(({k: v.clone() for k, v in inputs.items() if isinstance(v, Tensor)}, chosen, float(loss)))
        return loss

    monkeypatch.setattr(GRPOTrainer, "_compute_loss", spy)
    run = train_toy(
        "grpo", 3, steps=2, rate=3e-2, num_generations=16, prompts_per_step=1, num_iterations=2, warmup_ratio=0.0
    )
    (first, old, _), (second, new, loss) = seen
    texts = [
        run.policy.decode([int(t) for t, m in zip(ids, mask, strict=True) if m], cot=True)
        for ids, mask in zip(second["completion_ids"], second["completion_mask"], strict=True)
    ]
    r = torch.tensor([reward(text) for text in texts])
    assert r.std() > 0, "a group of equal rewards shows nothing"
    by_hand = (r - r.mean()) / (r.std() + 1e-4)
    torch.testing.assert_close(second["advantages"], by_hand)
    order = [int((first["completion_ids"] == row).all(1).nonzero()[0]) for row in second["completion_ids"]]
    mask = second["completion_mask"].float()
    ratio = (new - old[order]).exp()
    assert float(((ratio - 1).abs() * mask).max()) > 0.01, "the second update must see a policy that has moved"
    gain = torch.minimum(ratio * by_hand[:, None], ratio.clamp(0.8, 1.2) * by_hand[:, None])
    assert loss == pytest.approx(float(-((gain * mask).sum(1) / mask.sum(1)).mean()), abs=1e-5)


def test_ppo_begins_each_draw_at_ratio_one() -> None:
    run = train_toy("ppo", 0, steps=3, num_ppo_epochs=1, num_mini_batches=1)
    assert all(row["train/clip_fraction"] == 0 and row["kl/old"] < 1e-9 for row in run.monitor.trace)
    assert run.monitor.cost.verifier_calls == 3 * 64


def test_ppo_is_the_same_twice_and_trains_the_adapter_only() -> None:
    base = {name: p.clone() for name, p in toy_policy(1).model.named_parameters()}
    one, two = (train_toy("ppo", 1, steps=4) for _ in range(2))
    for (name, p), (_, q) in zip(one.policy.model.named_parameters(), two.policy.model.named_parameters(), strict=True):
        assert torch.equal(p, q), name
        assert torch.equal(p, base[name]) == ("lora_" not in name), name
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in one.monitor.trace]
    assert timeless == [{k: v for k, v in row.items() if k != "seconds"} for row in two.monitor.trace]


def test_explained_variance() -> None:
    returns, mask = torch.tensor([[1.0, 0.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    assert explained_variance(returns, returns, mask) == 1
    assert explained_variance(torch.full((1, 3), 0.5), returns, mask) == 0
    assert explained_variance(returns, torch.ones(1, 3), mask) == 0


@pytest.fixture
def small() -> Policy:
    """A toy whose adapter is small enough for an explicit Fisher, moved off its singular start."""
    policy = toy_policy(0, rank=1, targets="down_proj")
    with torch.no_grad():
        for number, weight in enumerate(trained_weights(policy.model)):
            weight.copy_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)))
    return policy


def region_of(policy: Policy, *, damping: float = 0.0) -> tuple[TrustRegion, Batch]:
    run = toy_run("trpo", 0, steps=1, policy=policy, cg_damping=damping, per_device_train_batch_size=5)
    batch = collate(Sampler(run, prompts_per_step=2, num_generations=6).draw(), policy)
    advantages = core.whiten(core.at_last_token(torch.arange(12.0), batch.mask), batch.mask)
    return TrustRegion(run, batch, advantages, batch), batch


def test_fisher_product_equals_an_explicit_fisher(small: Policy) -> None:
    with eager_attention(small.model):
        region, batch = region_of(small)
        logprobs = token_logprobs(small.model, batch)
        n = core.flatten(region.weights).numel()
        fisher = torch.zeros(n, n)
        for b, t in batch.mask.nonzero().tolist():
            for v in range(logprobs.shape[-1]):
                gradients = torch.autograd.grad(logprobs[b, t, v], region.weights, retain_graph=True)
                score = core.flatten(gradients)
                fisher += logprobs[b, t, v].exp().detach() * torch.outer(score, score) / batch.mask.sum()
        v = torch.randn(n, generator=torch.Generator().manual_seed(1))
        product = region.fisher_product(v)
    assert float((product - fisher @ v).norm() / (fisher @ v).norm()) < 1e-4


def test_fisher_product_equals_finite_differences(small: Policy) -> None:
    """(grad KL(theta + eps v) - grad KL(theta - eps v)) / (2 eps) -> F v; eps is large: the norms compute in fp32."""
    with eager_attention(small.model):
        region, batch = region_of(small)
        start = core.flatten(w.detach() for w in region.weights).clone()
        v = torch.randn(len(start), generator=torch.Generator().manual_seed(2))
        product = region.fisher_product(v)
        old = token_logprobs(small.model, batch).detach()
        slopes = []
        for eps in (1e-2, -1e-2):
            core.assign(region.weights, start + eps * v)
            kl = core.masked_mean(core.categorical_kl(old, token_logprobs(small.model, batch)), batch.mask)
            slopes.append(core.flatten(torch.autograd.grad(kl, region.weights)))
    difference = (slopes[0] - slopes[1]) / 2e-2
    assert float((product - difference).norm() / product.norm()) < 1e-2


def test_a_trpo_step_stays_in_the_region_and_improves_the_surrogate() -> None:
    policy = toy_policy(0)
    with eager_attention(policy.model):
        region, batch = region_of(policy, damping=0.1)
        before = frozen_copy(policy.model)
        search = region.step(delta=0.01)
    with torch.no_grad():
        old, new = token_logprobs(before, batch), token_logprobs(policy.model, batch)
    kl = float(core.masked_mean(core.categorical_kl(old, new), batch.mask))
    gain = core.surrogate(taken(new, batch), taken(old, batch), region.advantages) - region.advantages
    assert 0 < search.scale <= 1
    assert 0.001 < kl <= 0.01
    assert search.kl == pytest.approx(kl, rel=1e-3)
    assert search.gain == pytest.approx(float(core.masked_mean(gain, batch.mask)), rel=1e-2)
    assert search.gain > 0


def test_trpo_keeps_kl_below_delta_and_gains_on_every_accepted_step() -> None:
    trace = train_toy("trpo", 1, steps=10).monitor.trace
    accepted = [row for row in trace if row["train/line_search_scale"] > 0]
    assert len(accepted) >= 5
    assert all(row["kl/old"] <= 0.01 and row["train/loss"] < 0 for row in accepted)
    assert all(row["kl/old"] == 0 for row in trace if row not in accepted)


def test_trpo_does_not_move_without_an_advantage() -> None:
    policy = toy_policy(0)
    with eager_attention(policy.model):
        region, _ = region_of(policy)
        region.advantages = torch.zeros_like(region.advantages)
        before = core.flatten(w.detach() for w in region.weights).clone()
        assert region.step(delta=0.01).scale == 0
    assert torch.equal(before, core.flatten(w.detach() for w in region.weights))


def test_eager_attention_is_put_back() -> None:
    policy = toy_policy(0)
    before = policy.model.config._attn_implementation
    with eager_attention(policy.model):
        assert policy.model.config._attn_implementation == "eager"
    assert policy.model.config._attn_implementation == before != "eager"


def test_copies_share_the_base_and_own_the_adapter() -> None:
    policy = toy_policy(0)
    critic = Critic(policy.model, outputs=4, heads=2)
    own = {id(p) for p in critic.body.parameters()} - {id(p) for p in policy.model.parameters()}
    assert len(own) == len(trained_weights(policy.model))
    target = frozen_copy(critic)
    with torch.no_grad():
        for weight in trained_weights(critic):
            weight.add_(1.0)
    polyak(target, critic, 0.25)
    for weight, new in zip(target.heads.parameters(), critic.heads.parameters(), strict=True):
        torch.testing.assert_close(weight, new - 0.75)


def test_a_copy_made_after_a_library_trainer_is_independent() -> None:
    """TRL patches `forward` on the model it trains; a copy must run its own weights, not the original's."""
    policy = train_toy("sft", 0, steps=1).policy
    run = toy_run("ppo", 0, steps=1, policy=policy)
    batch = collate(Sampler(run, prompts_per_step=2, num_generations=3).draw(), policy)
    copied = shared_copy(policy.model)
    before = token_logprobs(copied, batch).detach()
    with torch.no_grad():
        for weight in trained_weights(policy.model):
            weight.add_(0.1)
    torch.testing.assert_close(token_logprobs(copied, batch).detach(), before)
    assert not torch.allclose(token_logprobs(policy.model, batch), before)


def test_states_are_aligned_whatever_the_padding() -> None:
    policy = toy_policy(0)
    run = toy_run("ppo", 0, steps=1, policy=policy)
    trajectories = Sampler(run, prompts_per_step=2, num_generations=5).draw(behaviour=True)
    critic = Critic(policy.model)
    together = collate(trajectories, policy)
    torch.testing.assert_close(taken(token_logprobs(policy.model, together), together), together.logprobs)
    for b, trajectory in enumerate(trajectories):
        alone = collate([trajectory], policy)
        length = alone.tokens.shape[1]
        torch.testing.assert_close(critic.value(alone)[0], critic.value(together)[b, :length])
        assert trajectory.behaviour is not None
        torch.testing.assert_close(trajectory.behaviour, token_logprobs(policy.model, alone)[0].detach())
        assert trajectory.rollout.truncated == (trajectory.rollout.completion_ids[-1] != END)

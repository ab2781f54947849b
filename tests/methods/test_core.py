"""The token-level maths against brute force, other libraries and hand examples; shapes with B != T != V throughout."""

import math

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from torch import Tensor

from rftlab.methods import core


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def lengths_mask(lengths: list[int], width: int) -> Tensor:
    return torch.tensor([[1.0] * n + [0.0] * (width - n) for n in lengths])


MASK = lengths_mask([5, 1, 3], 5)


def brute_force_gae(rewards: Tensor, values: Tensor, length: int, lam: float, gamma: float) -> list[float]:
    deltas = [
        float(rewards[t]) + gamma * (float(values[t + 1]) if t + 1 < length else 0.0) - float(values[t])
        for t in range(length)
    ]
    return [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, length)) for t in range(length)]


@pytest.mark.parametrize(("lam", "gamma"), [(0.95, 1.0), (0.0, 1.0), (1.0, 1.0), (0.7, 0.9)])
def test_gae_is_its_definition_as_a_double_sum(rng: torch.Generator, lam: float, gamma: float) -> None:
    rewards, values = torch.randn(2, 3, 5, generator=rng)
    advantages, returns = core.gae(rewards, values, MASK, lam=lam, gamma=gamma)
    for b, length in enumerate([5, 1, 3]):
        expected = torch.tensor(brute_force_gae(rewards[b], values[b], length, lam, gamma))
        torch.testing.assert_close(advantages[b, :length], expected)
        torch.testing.assert_close(returns[b, :length], expected + values[b, :length])
    assert not advantages[MASK == 0].any()


def test_gae_equals_torchrl(rng: torch.Generator) -> None:
    functional = pytest.importorskip("torchrl.objectives.value.functional")
    rewards, values = torch.randn(2, 4, 7, generator=rng)
    mask = torch.ones(4, 7)
    done = torch.zeros(4, 7, 1, dtype=torch.bool)
    done[:, -1] = True
    following = torch.cat([values[:, 1:], torch.zeros(4, 1)], 1)
    expected, target = functional.generalized_advantage_estimate(
        1.0, 0.95, values[..., None], following[..., None], rewards[..., None], done
    )
    advantages, returns = core.gae(rewards, values, mask, lam=0.95)
    torch.testing.assert_close(advantages, expected[..., 0])
    torch.testing.assert_close(returns, target[..., 0])


def test_lambda_one_gives_the_return_minus_the_value(rng: torch.Generator) -> None:
    values = torch.randn(3, 5, generator=rng)
    rewards = core.at_last_token(torch.tensor([1.0, 0.4, 0.0]), MASK)
    advantages, _ = core.gae(rewards, values, MASK, lam=1.0)
    torch.testing.assert_close(advantages, (torch.tensor([[1.0], [0.4], [0.0]]) - values) * MASK)


def test_retrace_on_policy_is_the_return(rng: torch.Generator) -> None:
    rewards, q = torch.randn(2, 3, 5, generator=rng)
    rewards = rewards * MASK
    targets = core.retrace(rewards, q, q, torch.ones(3, 5), MASK)
    torch.testing.assert_close(targets, rewards.flip(1).cumsum(1).flip(1) * MASK)


def test_retrace_by_hand() -> None:
    # Two tokens, reward 1 at the end. Q^ret_1 = 1; Q^ret_0 = 0 + min(1, .5) (1 - .2) + V_1 = .4 + .3.
    targets = core.retrace(
        rewards=torch.tensor([[0.0, 1.0, 9.0]]),
        q_taken=torch.tensor([[0.7, 0.2, 9.0]]),
        values=torch.tensor([[0.1, 0.3, 9.0]]),
        rho=torch.tensor([[3.0, 0.5, 9.0]]),
        mask=torch.tensor([[1.0, 1.0, 0.0]]),
    )
    torch.testing.assert_close(targets, torch.tensor([[0.7, 1.0, 0.0]]))


def test_retrace_is_its_definition_as_a_sum(rng: torch.Generator) -> None:
    """Q + sum_s gamma^(s-t) (prod c) delta_s, Munos et al. 2016, equation 3."""
    rewards, q, values = torch.randn(3, 3, 5, generator=rng)
    rho = torch.rand(3, 5, generator=rng) * 2
    gamma, lam = 0.9, 0.8
    targets = core.retrace(rewards, q, values, rho, MASK, lam=lam, gamma=gamma)
    for b, length in enumerate([5, 1, 3]):
        for t in range(length):
            total, trace = float(q[b, t]), 1.0
            for s in range(t, length):
                trace *= lam * min(1.0, float(rho[b, s])) if s > t else 1.0
                following = float(values[b, s + 1]) if s + 1 < length else 0.0
                total += gamma ** (s - t) * trace * (float(rewards[b, s]) + gamma * following - float(q[b, s]))
            assert float(targets[b, t]) == pytest.approx(total, abs=1e-5)


def test_whiten_sees_only_the_mask(rng: torch.Generator) -> None:
    x = torch.randn(3, 5, generator=rng)
    whitened = core.whiten(x, MASK)
    chosen = whitened[MASK > 0]
    assert float(chosen.mean()) == pytest.approx(0, abs=1e-6)
    assert float(chosen.std()) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(core.whiten(torch.where(MASK > 0, x, 1e6), MASK), whitened)


@pytest.mark.parametrize("mask", [lengths_mask([1, 0], 3), lengths_mask([3, 3], 3), lengths_mask([0, 0], 3)])
def test_whiten_of_equal_values_is_zero_never_nan(mask: Tensor) -> None:
    assert not core.whiten(torch.full((2, 3), 0.25), mask).any()


def test_kl_estimators_agree_with_the_exact_kl(rng: torch.Generator) -> None:
    p = torch.randn(6, generator=rng).log_softmax(-1)
    q = torch.randn(6, generator=rng).log_softmax(-1)
    exact = float(core.categorical_kl(p, q))
    assert exact == pytest.approx(float(torch.distributions.kl_divergence(*_categoricals(p, q))), abs=1e-6)
    assert float((p.exp() * core.k1(p, q)).sum()) == pytest.approx(exact, abs=1e-6)
    assert float((p.exp() * core.k3(p, q)).sum()) == pytest.approx(exact, abs=1e-6)
    assert bool((core.k3(p, q) >= 0).all())


def _categoricals(*logprobs: Tensor) -> list[torch.distributions.Categorical]:
    return [torch.distributions.Categorical(logits=x) for x in logprobs]


def test_entropy_is_finite_where_a_token_is_impossible() -> None:
    logprobs = torch.tensor([0.5, 0.5, 0.0]).log()
    assert float(core.entropy(logprobs)) == pytest.approx(math.log(2))


def test_clipping_stops_the_gain_but_not_the_loss() -> None:
    old, advantages = torch.zeros(1, 4), torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    ratio = torch.tensor([[2.0, 0.5, 2.0, 0.5]])
    clipped = core.surrogate(ratio.log(), old, advantages, eps=0.2)
    torch.testing.assert_close(clipped, torch.tensor([[1.2, 0.5, -2.0, -0.8]]))
    torch.testing.assert_close(core.surrogate(ratio.log(), old, advantages), ratio * advantages)


def test_value_loss_takes_the_worse_of_clipped_and_unclipped() -> None:
    loss = core.value_loss(torch.tensor([[1.0]]), torch.tensor([[1.0]]), old_values=torch.tensor([[0.0]]), eps=0.2)
    assert float(loss) == pytest.approx(0.5 * 0.8**2)


def test_conjugate_gradient_equals_scipy_at_every_iteration() -> None:
    numbers = np.random.default_rng(0)
    root = numbers.standard_normal((12, 12))
    matrix = root @ root.T + 0.5 * np.eye(12)
    b = numbers.standard_normal(12)
    ours_matrix, ours_b = torch.from_numpy(matrix), torch.from_numpy(b)
    for iterations in (1, 3, 7, 12):
        ours = core.conjugate_gradient(lambda v: ours_matrix @ v, ours_b, iterations=iterations)
        theirs, _ = scipy.sparse.linalg.cg(matrix, b, rtol=1e-12, maxiter=iterations)
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(matrix @ ours.numpy(), b, atol=1e-3)


def test_conjugate_gradient_of_zero_is_zero() -> None:
    assert not core.conjugate_gradient(lambda v: v, torch.zeros(5)).any()


def test_flatten_and_assign_are_inverse(rng: torch.Generator) -> None:
    weights = [torch.nn.Parameter(torch.randn(shape, generator=rng)) for shape in ((2, 3), (4,), (1, 2))]
    flat = core.flatten(weights).detach().clone()
    core.assign(weights, flat + 1)
    torch.testing.assert_close(core.flatten(weights).detach(), flat + 1)


def test_next_state_ends_at_the_last_token() -> None:
    x = torch.arange(1.0, 7.0).view(2, 3)
    following = core.next_state(x, lengths_mask([3, 2], 3))
    torch.testing.assert_close(following, torch.tensor([[2.0, 3.0, 0.0], [5.0, 0.0, 0.0]]))

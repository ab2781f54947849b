"""Pure token-level maths of the actor-critic methods: masks, advantages, Retrace, KL, conjugate gradient; torch only.

Here and not from a library, because torchrl keeps these inside losses over its own tensor dictionaries and no kept
library has Retrace or a conjugate gradient for language models. Nothing here samples, knows a model or keeps state.

Legend: B batch, T completion tokens, V vocabulary; r reward, gamma discount (1 here, always), lambda the trace decay,
rho = pi / mu the importance ratio, eps the clip range. Completions are right-padded: ``mask`` is 1 on their tokens and
0 behind them. A completion's last token is terminal, whether it ends the sequence or the cap cut it there. The end of a
local's name is its shape: ``delta_B_T`` is (B, T), ``running_B`` (B,), ``direction_n`` (n,); one without is a scalar.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

# Rewards lie in [0, 1]: what differs by less has been rounded, not judged, differently.
_ROUNDING = 1e-6


def alike(rewards: Sequence[float]) -> bool:
    """Whether rewards are all equal but for rounding: nothing says then which completion is better."""
    return not rewards or max(rewards) - min(rewards) < _ROUNDING


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``x`` over the tokens where ``mask`` is 1, a scalar; 0 if there are none.

    Args:
        x: (B, T).
        mask: (B, T), 0 or 1.
    """
    return (x * mask).sum() / mask.sum().clamp(min=1)


def whiten(x: Tensor, mask: Tensor, *, shift_mean: bool = True) -> Tensor:
    """``x`` with variance 1 (Bessel) and, if ``shift_mean``, mean 0 over the masked tokens; 0 outside them.

    Args:
        x: (B, T), such as advantages.
        mask: (B, T), 0 or 1. A single token or equal values give 0 (or their mean), never NaN.
        shift_mean: also centre.
    Source: Ziegler et al. 2019 (1909.08593), released code (`whiten`); differs: Bessel's correction, as in TRL 1.12.
    """
    mean = masked_mean(x, mask)
    variance = ((x - mean) ** 2 * mask).sum() / (mask.sum() - 1).clamp(min=1)
    whitened_B_T = (x - mean) * (variance + 1e-8).rsqrt()
    return (whitened_B_T if shift_mean else whitened_B_T + mean) * mask


def at_last_token(x: Tensor, mask: Tensor) -> Tensor:
    """(B, T) tensor that holds ``x[b]`` at the last token of completion b and 0 elsewhere.

    Args:
        x: (B,), such as the verifier's rewards.
        mask: (B, T), 0 or 1, at least one token in each row.
    """
    # Not in the last column: rows end where their mask does, and behind it is padding.
    placed_B_T = torch.zeros_like(mask, dtype=x.dtype)
    return placed_B_T.scatter(1, (mask.sum(1, keepdim=True) - 1).long(), x[:, None])


def next_state(x: Tensor, mask: Tensor) -> Tensor:
    """``x`` at t + 1, along dimension 1; 0 after a completion's last token, where the episode has ended.

    Args:
        x: (B, T) or (B, T, V), something of the state before token t.
        mask: (B, T), 0 or 1.
    """
    shifted = torch.zeros_like(x)  # (B, T) or (B, T, V), as x
    alive_B_T = mask[:, 1:].to(x.dtype)  # one column less
    # Shifted, then masked by the *next* token's mask: what stands behind the last token is padding, not a state.
    shifted[:, :-1] = x[:, 1:] * (alive_B_T if x.dim() == 2 else alive_B_T[..., None])
    return shifted


def gae(rewards: Tensor, values: Tensor, mask: Tensor, *, lam: float, gamma: float = 1.0) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimates and the returns they imply (advantage + value), both (B, T), 0 off the mask.

    delta_t = r_t + gamma V_{t+1} - V_t;  A_t = sum_l (gamma lambda)^l delta_{t+l}.

    Args:
        rewards: (B, T), one per token.
        values: (B, T), V of the state before each token.
        mask: (B, T), 0 or 1.
        lam: lambda in [0, 1]; 1 gives the Monte Carlo return minus the value.
        gamma: discount in [0, 1]; 1 for a terminal reward, or long completions count less.
    Source: Schulman et al. 2016 (1506.02438), equations 11 to 16.
    """
    # V of the state after the last token is 0, not the critic's opinion of padding.
    delta_B_T = (rewards + gamma * next_state(values, mask) - values) * mask
    advantages_B_T = torch.zeros_like(delta_B_T)
    running_B = torch.zeros_like(delta_B_T[:, 0])
    for t in reversed(range(delta_B_T.shape[1])):
        running_B = delta_B_T[:, t] + gamma * lam * running_B
        advantages_B_T[:, t] = running_B
    return advantages_B_T * mask, (advantages_B_T + values) * mask


def retrace(
    rewards: Tensor, q_taken: Tensor, values: Tensor, rho: Tensor, mask: Tensor, *, lam: float = 1.0, gamma: float = 1.0
) -> Tensor:
    """Retrace targets for Q of the tokens taken, (B, T), 0 off the mask.

    Q^ret_t = r_t + gamma [lambda min(1, rho_{t+1}) (Q^ret_{t+1} - Q_{t+1}) + V_{t+1}].

    Args:
        rewards: (B, T).
        q_taken: (B, T), Q(s_t, y_t) of the current critic.
        values: (B, T), V(s_t) = sum_a pi(a|s_t) Q(s_t, a).
        rho: (B, T), pi(y_t|s_t) / mu(y_t|s_t) >= 0, mu the policy that sampled.
        mask: (B, T), 0 or 1.
        lam: lambda in [0, 1]; 1 in ACER.
        gamma: discount in [0, 1].
    Source: Munos et al. 2016 (1606.02647), equation 4; the recursion is Wang et al. 2017 (1611.01224), eq. 5.
    """
    c_B_T = lam * rho.clamp(max=1.0)
    ret_B_T = torch.zeros_like(rewards)
    correction_B = torch.zeros_like(rewards[:, 0])
    value_next_B_T = next_state(values, mask)
    for t in reversed(range(rewards.shape[1])):
        ret_B = (rewards[:, t] + gamma * (correction_B + value_next_B_T[:, t])) * mask[:, t]
        ret_B_T[:, t] = ret_B
        correction_B = c_B_T[:, t] * (ret_B - q_taken[:, t]) * mask[:, t]
    return ret_B_T


def entropy(logprobs: Tensor) -> Tensor:
    """Entropy of categorical distributions, in nats: (..., V) log-probabilities -> (...); -inf entries count 0."""
    # 0 times -inf is NaN: a token that a nucleus left out must count 0.
    return -(logprobs.exp() * logprobs.clamp(min=torch.finfo(logprobs.dtype).min)).sum(-1)


def categorical_kl(p: Tensor, q: Tensor) -> Tensor:
    """Exact KL(p || q) in nats: two (..., V) tensors of log-probabilities -> (...)."""
    return (p.exp() * (p - q)).sum(-1)


def k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Estimator log pi - log ref of KL(pi || ref) per token sampled from pi: unbiased, can be negative (nats)."""
    return logprobs - ref_logprobs


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Estimator x - 1 - log x, x = ref / pi, of KL(pi || ref) per token sampled from pi: unbiased, never negative.

    Source: Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html); the KL of GRPO, equation 4.
    """
    log_ratio = ref_logprobs - logprobs  # as the two, of any shape
    return log_ratio.exp() - 1 - log_ratio


def surrogate(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, *, eps: float | None = None) -> Tensor:
    """Per-token policy objective to maximise, (B, T): rho A, or PPO's min(rho A, clip(rho, 1 - eps, 1 + eps) A).

    Args:
        logprobs: (B, T), of the tokens taken under the policy being trained.
        old_logprobs: (B, T), under the policy that sampled them.
        advantages: (B, T).
        eps: clip range; None does not clip (TRPO).
    Source: Schulman et al. 2017 (1707.06347), equations 6 and 7.
    """
    # old_logprobs carry no gradient, and are of the temperature that sampled: else rho is not 1 at the first update.
    rho_B_T = (logprobs - old_logprobs).exp()
    if eps is None:
        return rho_B_T * advantages
    # The minimum, not the clipped term alone: what has moved too far the wrong way must still be pulled back.
    return torch.minimum(rho_B_T * advantages, rho_B_T.clamp(1 - eps, 1 + eps) * advantages)


def value_loss(
    values: Tensor, returns: Tensor, *, old_values: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Per-token .5 (V - R)^2, (B, T); with ``eps``, .5 max((V - R)^2, (clip(V, V_old - eps, V_old + eps) - R)^2).

    Source: the clipped form is that of OpenAI's PPO code (baselines, ppo2), kept in Ziegler et al. 2019's.
    """
    loss_B_T = (values - returns) ** 2
    if eps is not None and old_values is not None:
        clipped_B_T = old_values + (values - old_values).clamp(-eps, eps)
        loss_B_T = torch.maximum(loss_B_T, (clipped_B_T - returns) ** 2)
    return 0.5 * loss_B_T


def conjugate_gradient(
    product: Callable[[Tensor], Tensor], b: Tensor, *, iterations: int = 10, tolerance: float = 1e-10
) -> Tensor:
    """Approximate solution x of A x = b for a symmetric positive definite A, from x = 0.

    Args:
        product: v -> A v, both (n,).
        b: (n,).
        iterations: at most so many products.
        tolerance: stop once the squared residual is below this share of b's squared norm.
    Source: Hestenes and Stiefel 1952; its use for F x = g is Schulman et al. 2015 (1502.05477), appendix C.1.
    """
    x_n, residual_n = torch.zeros_like(b), b.clone()
    direction_n = b.clone()
    squared = residual_n @ residual_n
    enough = tolerance * squared
    for _ in range(iterations):
        if squared <= enough:
            break
        image_n = product(direction_n)
        alpha = squared / (direction_n @ image_n)
        x_n = x_n + alpha * direction_n
        residual_n = residual_n - alpha * image_n
        squared, previous = residual_n @ residual_n, squared
        direction_n = residual_n + (squared / previous) * direction_n
    return x_n


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """One vector (n,) with every tensor's elements, in order."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


@torch.no_grad()
def assign(parameters: Sequence[Tensor], flat: Tensor) -> None:
    """Write a vector (n,) made by `flatten` back into the parameters, in place."""
    pieces = flat.split([parameter.numel() for parameter in parameters])  # (m,) each, of a parameter of m elements
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.copy_(piece.view_as(parameter))

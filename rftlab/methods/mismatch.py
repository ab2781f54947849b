"""Whether what was sampled from is what is trained: both policies' log-probabilities of the same tokens, and a remedy.

Sampler and trainer have the same weights and round differently: an adapter is folded in or stands beside them, a batch
has another shape. In single precision that is 1e-5 nats a token, in bfloat16 about 0.02. A gradient estimated on tokens
of another policy is biased; where the two are further apart than rounding, each token is weighted by how much likelier
the trainer finds it than the sampler did.
"""

import torch
from torch import Tensor

from rftlab.methods.monitor import Monitor

# Mean distance of log-probabilities, nats a token, above which ratios correct: twice what bfloat16 was measured to do.
LIMIT = 0.05
# Importance ratios are cut there, as Yao et al. 2025 do ("Your efficient RL framework secretly brings you off-policy RL
# training", C = 2), so that no token weighs many times its share.
CAP = 2.0


def weighted(
    advantages: Tensor, sampled: Tensor, trained: Tensor, mask: Tensor, monitor: Monitor, *, whole: bool = False
) -> Tensor:
    """Advantages, times the importance ratios where sampler and trainer differ by more than `LIMIT`; as they are else.

    How far they are apart goes into the step's row of the trace.

    Args:
        advantages: (B,) or (B, T).
        sampled: (B, T), log p of the tokens that were drawn, by the sampler, in nats.
        trained: (B, T), by the policy being trained, before any update.
        mask: (B, T), 1 on a completion's tokens.
        monitor: of the run; also has it said in the record that ratios corrected.
        whole: one ratio for a whole completion, for losses that take the ratio of one.

    Returns:
        (B,) or (B, T): weights are per token, so that (B,) becomes (B, T), unless ``whole``.
    """
    mask = mask.to(sampled.dtype)
    apart_B_T = (trained.float() - sampled) * mask
    if monitor.held_against(apart_B_T[mask > 0]) <= LIMIT:
        return advantages
    monitor.warn(
        f"what was sampled is not quite what is trained: log-probabilities were more than {LIMIT} nats a token apart "
        f"in the mean, so that importance ratios of at most {CAP:g} corrected the loss (train/sampler_gap in the trace)"
    )
    ratio = (apart_B_T.sum(1) if whole else apart_B_T).exp().clamp(max=CAP)
    return advantages * ratio if ratio.dim() == advantages.dim() else advantages[:, None] * ratio


def padded(rows: list[list[float]], like: Tensor) -> Tensor:
    """Log-probabilities of completions as (B, T) beside a mask of that shape, 0 behind each row's end."""
    filled = [row + [0.0] * (like.shape[1] - len(row)) for row in rows]
    return torch.tensor(filled, dtype=torch.float32, device=like.device)

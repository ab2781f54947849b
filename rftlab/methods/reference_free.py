"""Losses on preference pairs that need no reference policy: SimPO and ORPO, for DPO's trainer.

TRL keeps both in trainers of their own, which are experimental and tokenise for themselves; the losses are short.

Legend: log P(y | x) = 1/|y| sum_t log pi(y_t | x, y_<t), the mean over a completion's tokens, in nats.
"""

import torch
from torch import Tensor, nn


def simpo(chosen: Tensor, rejected: Tensor, *, beta: float, gamma: float) -> Tensor:
    """-log sigma(beta [log P(y_w) - log P(y_l)] - gamma), the mean over pairs.

    Args:
        chosen: (B,) log P of the preferred completions.
        rejected: (B,) of the others.
        beta: scale of the margin.
        gamma: margin asked for.

    Source: Meng et al. 2024 (2405.14734), equation 6; the authors' code gives gamma as a share of beta.
    """
    return -nn.functional.logsigmoid(beta * (chosen - rejected) - gamma).mean()


def odds_ratio(chosen: Tensor, rejected: Tensor) -> Tensor:
    """-log sigma(log [odds(y_w) / odds(y_l)]) with odds = P / (1 - P), the mean over pairs: ORPO's second term.

    Args:
        chosen: (B,) log P of the preferred completions.
        rejected: (B,) of the others.

    Source: Hong et al. 2024 (2403.07691), equations 4 and 7.
    """
    return -nn.functional.logsigmoid(log_odds(chosen) - log_odds(rejected)).mean()


def log_odds(logprob: Tensor) -> Tensor:
    """Logarithm of P / (1 - P) from that of P, elementwise; a P of 1 counts as 1 - 1e-6."""
    logprob = logprob.clamp(max=-1e-6)
    return logprob - torch.log(-torch.expm1(logprob))

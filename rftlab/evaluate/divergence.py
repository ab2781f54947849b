"""How far a policy has moved from its base: KL divergences over whole vocabularies, in nats per token.

Both are exact at every position they look at, summed over the vocabulary, where the usual estimate (the mean of log
ratios of sampled tokens, "k1") only has the token that was drawn, and so more noise. Positions come from completions at
temperature 1 and of the whole nucleus, or the expectation would be over another distribution than the one that the
divergence is of.
"""

import contextlib
from collections.abc import Sequence

import torch
from peft import PeftModel

from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout, completion_logits

# Numbers of a table of logits held at once, in each of the two models: 64 M are 256 MB.
_AT_ONCE = 2**26
_MOST_ROWS = 64


@torch.no_grad()
def kl_to_base(policy: Policy, rollouts: Sequence[Rollout], base: Policy | None = None) -> float | None:
    """Reverse KL(policy || base), mean over the tokens of ``rollouts``; None of none.

    Args:
        policy: asked as it is.
        rollouts: completions that the policy sampled at temperature 1 and top_p 1.
        base: the untrained base; by default the one behind the policy's adapter, and None where it has no adapter.
    """
    return _mean_kl(policy, rollouts, base, forward=False)


@torch.no_grad()
def kl_from_base(policy: Policy, rollouts: Sequence[Rollout], base: Policy | None = None) -> float | None:
    """Forward KL(base || policy), likewise, of completions that the base sampled: large where what it said is lost."""
    return _mean_kl(policy, rollouts, base, forward=True)


def _mean_kl(policy: Policy, rollouts: Sequence[Rollout], base: Policy | None, *, forward: bool) -> float | None:
    if not rollouts or (base is None and not isinstance(policy.model, PeftModel)):
        return None
    if policy.untrained:
        return 0.0
    pad = int(policy.tokenizer.pad_token_id)
    longest = max(len(rollout.completion_ids) for rollout in rollouts)
    rows = max(1, min(_MOST_ROWS, _AT_ONCE // (longest * policy.model.config.get_text_config().vocab_size)))
    total, tokens = 0.0, 0
    for start in range(0, len(rollouts), rows):
        batch = rollouts[start : start + rows]
        with policy.merged():
            own_N_V = completion_logits(policy.model, batch, pad_id=pad).float().log_softmax(-1)
        with contextlib.nullcontext() if base else policy.as_base(), (base or policy).merged():
            base_N_V = completion_logits((base or policy).model, batch, pad_id=pad).float().log_softmax(-1)
        of_N_V, to_N_V = (base_N_V, own_N_V) if forward else (own_N_V, base_N_V)
        # Where a token is impossible to the first, it adds nothing, however impossible it is to the second.
        added_N_V = (of_N_V.exp() * (of_N_V - to_N_V)).nan_to_num(nan=0.0)
        total += float(added_N_V.double().sum())
        tokens += len(of_N_V)
    return total / tokens

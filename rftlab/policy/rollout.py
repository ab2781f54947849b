"""Fast sampling from a policy, with the log-probabilities of what was sampled.

`generate` of transformers prefills every copy of a prompt, carries finished rows to the end of the batch and copies the
cache for every token. Here each distinct prompt is prefilled once, its keys and values are shared out to its samples,
rows that have ended are dropped, a LoRA adapter is folded into the weights meanwhile, and the step from token to token
is `decode`'s. The distribution is the same: temperature and nucleus on the model's own logits, nothing else.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rftlab.errors import RftlabError
from rftlab.policy.decode import prefill
from rftlab.policy.load import Policy

# Copying the cache costs more than carrying a few finished rows along.
_COMPACT_BELOW = 0.8
# Tokens of prompts and completions in one batch: 256 rows of 1 024; keys and values of more may not fit into memory.
_MOST_TOKENS = 1 << 18


@dataclass(frozen=True, slots=True)
class Rollout:
    """One sampled completion.

    Attributes:
        prompt_ids: tokens of the prompt.
        completion_ids: tokens of the completion, the end-of-sequence token included if it came.
        logprobs: natural log-probability of each completion token under the distribution it was drawn from (nats).
        truncated: the cap was reached before an end-of-sequence token.
    """

    prompt_ids: list[int]
    completion_ids: list[int]
    logprobs: list[float]
    truncated: bool


@torch.no_grad()
def sample(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    greedy: bool = False,
    batch_size: int = 256,
) -> list[Rollout]:
    """Completions of tokenised prompts, one per entry, in order; equal prompts share one prefill.

    Args:
        policy: asked as it is; its model is put into eval mode and left in the mode it was found in.
        prompts: token ids; repeat a prompt to draw several completions of it.
        max_new_tokens: completion cap in tokens.
        generator: source of randomness, on the policy's device; needed unless ``greedy``.
        temperature: divides the logits.
        top_p: nucleus mass kept.
        greedy: take the most likely token; log-probabilities are then those at temperature 1.
        batch_size: rows decoded at once, fewer of long prompts. Prompts of like length are batched together.

    Raises:
        RftlabError: the cap is 0, which says that it is still to be worked out.
    """
    if max_new_tokens < 1:
        raise RftlabError(
            "a completion cap of 0 tokens is still to be worked out; ask with Experiment.capped, and in a method "
            "sample with run.max_new_tokens"
        )
    by_length = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), tuple(prompts[i]), i))
    rollouts: dict[int, Rollout] = {}
    was_training = policy.model.training
    policy.model.eval()
    draw = _Draw(generator, temperature, top_p, greedy)
    try:
        with policy.merged():
            start = 0
            while rows := by_length[start : start + batch_size]:
                longest = len(prompts[rows[-1]]) + max_new_tokens
                rows = rows[: max(1, _MOST_TOKENS // longest)]
                start += len(rows)
                batch = [list(prompts[i]) for i in rows]
                for i, rollout in zip(rows, _decode_batch(policy, batch, max_new_tokens, draw), strict=True):
                    rollouts[i] = rollout
    finally:
        policy.model.train(was_training)
    return [rollouts[i] for i in range(len(prompts))]


@dataclass(frozen=True, slots=True)
class _Draw:
    generator: torch.Generator | None
    temperature: float
    top_p: float
    greedy: bool

    def __call__(self, logits_B_V: Tensor) -> tuple[Tensor, Tensor]:
        """Next token (B,) and its log-probability (B,)."""
        logits_B_V = logits_B_V.float()
        if self.greedy:
            token_B = logits_B_V.argmax(-1)
            return token_B, logits_B_V.log_softmax(-1).gather(-1, token_B[:, None])[:, 0]
        tempered_B_V = logits_B_V if self.temperature == 1 else logits_B_V / self.temperature
        logprobs_B_V = tempered_B_V.log_softmax(-1)
        if self.top_p < 1:
            logprobs_B_V = nucleus(logprobs_B_V, self.top_p)
        token_B = _inverse_cdf(logprobs_B_V, self.generator)
        return token_B, logprobs_B_V.gather(-1, token_B[:, None])[:, 0]


def _inverse_cdf(logprobs_B_V: Tensor, generator: torch.Generator | None) -> Tensor:
    """One token (B,) per row by inverting the cumulative distribution: one uniform a row, where multinomial draws V.

    In two steps, first a stretch of W tokens, C of which make up the vocabulary, then the token within it: running
    sums in double precision, which do not parallelise, are then of length C and W instead of V.
    """
    width = math.isqrt(logprobs_B_V.shape[1])
    p_B_C_W = nn.functional.pad(logprobs_B_V.exp(), (0, -logprobs_B_V.shape[1] % width)).unflatten(-1, (-1, width))
    mass_B_C = p_B_C_W.sum(-1).double()
    cdf_B_C = mass_B_C.cumsum(-1)
    uniform_B_1 = torch.rand(len(cdf_B_C), 1, dtype=torch.double, device=cdf_B_C.device, generator=generator)
    stretch_B_1, beyond_B_1 = _first_above(cdf_B_C, uniform_B_1)
    share_B_1 = 1 - beyond_B_1 / mass_B_C.gather(-1, stretch_B_1)
    p_B_W = p_B_C_W[torch.arange(len(p_B_C_W), device=p_B_C_W.device), stretch_B_1[:, 0]].double()
    within_B_1, _ = _first_above(p_B_W.cumsum(-1), share_B_1)
    return (stretch_B_1 * width + within_B_1)[:, 0]


def _first_above(cdf_B_N: Tensor, share_B_1: Tensor) -> tuple[Tensor, Tensor]:
    """Index (B, 1) of the first entry above a share of the last one, never one without mass, and by how much it is."""
    last_B_1 = cdf_B_N[:, -1:]
    target_B_1 = (share_B_1 * last_B_1).clamp(min=0).minimum(torch.nextafter(last_B_1, torch.zeros_like(last_B_1)))
    index_B_1 = torch.searchsorted(cdf_B_N, target_B_1, right=True)
    return index_B_1, cdf_B_N.gather(-1, index_B_1) - target_B_1


def nucleus(logprobs_B_V: Tensor, top_p: float) -> Tensor:
    """Renormalise on the smallest set of tokens whose mass reaches ``top_p`` (Holtzman et al. 2020)."""
    ordered, index = logprobs_B_V.sort(-1, descending=True)
    mass_before = ordered.exp().cumsum(-1) - ordered.exp()
    kept = torch.empty_like(logprobs_B_V).scatter_(-1, index, ordered.masked_fill(mass_before >= top_p, -torch.inf))
    return kept.log_softmax(-1)


def _decode_batch(policy: Policy, prompts: list[list[int]], max_new_tokens: int, draw: _Draw) -> list[Rollout]:
    device, pad = policy.device, policy.tokenizer.pad_token_id
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    width = max(map(len, distinct))
    ids_P_S = torch.tensor([[pad] * (width - len(p)) + list(p) for p in distinct], device=device)
    mask_P_S = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in distinct], device=device)
    position_of = {prompt: i for i, prompt in enumerate(distinct)}
    copy_B = torch.tensor([position_of[tuple(p)] for p in prompts], device=device)

    logits_B_V, decoder = prefill(policy.model, ids_P_S, mask_P_S, copy_B, max_new_tokens)
    position_B = mask_P_S.sum(-1)[copy_B]

    eos = torch.tensor(policy.eos_ids, device=device)
    tokens_T, logprobs_T, rows_T, alive_T = [], [], [], []
    row_B = torch.arange(len(prompts), device=device)
    alive_B = torch.ones_like(row_B, dtype=torch.bool)
    for step in range(max_new_tokens):
        token_B, logprob_B = draw(logits_B_V)
        tokens_T.append(token_B)
        logprobs_T.append(logprob_B)
        rows_T.append(row_B)
        alive_T.append(alive_B)
        alive_B = alive_B & ~torch.isin(token_B, eos)
        left = int(alive_B.sum())
        if left == 0 or step == max_new_tokens - 1:
            break
        if left <= _COMPACT_BELOW * len(row_B):
            keep = alive_B.nonzero()[:, 0]
            decoder.keep(keep)
            token_B, row_B, alive_B, position_B = token_B[keep], row_B[keep], alive_B[keep], position_B[keep]
        logits_B_V = decoder(token_B, position_B)
        position_B = position_B + 1

    ended = set(policy.eos_ids)
    completions: list[list[int]] = [[] for _ in prompts]
    logprobs: list[list[float]] = [[] for _ in prompts]
    for rows, tokens, values, alive in zip(rows_T, tokens_T, logprobs_T, alive_T, strict=True):
        drawn = rows[alive].tolist(), tokens[alive].tolist(), values[alive].tolist()
        for row, token, value in zip(*drawn, strict=True):
            completions[row].append(token)
            logprobs[row].append(value)
    return [
        Rollout(prompt, completion, values, truncated=completion[-1] not in ended)
        for prompt, completion, values in zip(prompts, completions, logprobs, strict=True)
    ]


def completion_logprobs(
    model: Any, rollouts: Sequence[Rollout], *, pad_id: int, temperature: float = 1.0, batch_size: int = 64
) -> list[Tensor]:
    """Log-probability of each completion token under ``model``, one tensor (T,) in nats per rollout.

    Gradients flow if they are enabled. Empty completions cannot occur: a rollout has at least one token.
    """
    logprobs: list[Tensor] = []
    for start in range(0, len(rollouts), batch_size):
        batch = rollouts[start : start + batch_size]
        logits_B_T_V, ids_B_S, places = _completion_logits(model, batch, pad_id)
        all_B_T_V = (logits_B_T_V.float() / temperature).log_softmax(-1)
        targets_B_T = ids_B_S[:, -all_B_T_V.shape[1] :]
        chosen_B_T = all_B_T_V.gather(-1, targets_B_T[..., None])[..., 0]
        logprobs += [chosen_B_T[row, place] for row, place in enumerate(places)]
    return logprobs


def completion_logits(model: Any, rollouts: Sequence[Rollout], *, pad_id: int) -> Tensor:
    """Logits (N, V) before each of the N completion tokens of all rollouts, one after the other; one pass over them."""
    logits_B_T_V, _, places = _completion_logits(model, rollouts, pad_id)
    return torch.cat([logits_B_T_V[row, place] for row, place in enumerate(places)])


def _completion_logits(model: Any, batch: Sequence[Rollout], pad_id: int) -> tuple[Tensor, Tensor, list[slice]]:
    """Logits (B, T, V) before the last T tokens, the tokens (B, S), and where in T each row's completion stands."""
    device = next(model.parameters()).device
    sequences = [r.prompt_ids + r.completion_ids for r in batch]
    width = max(map(len, sequences))
    ids_B_S = torch.tensor([s + [pad_id] * (width - len(s)) for s in sequences], device=device)
    mask_B_S = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sequences], device=device)
    longest = max(width - len(r.prompt_ids) for r in batch)
    logits_B_T_V = model(input_ids=ids_B_S, attention_mask=mask_B_S, logits_to_keep=longest + 1).logits[:, :-1]
    offset = width - logits_B_T_V.shape[1]
    starts = [len(r.prompt_ids) - offset for r in batch]
    places = [slice(first, first + len(r.completion_ids)) for first, r in zip(starts, batch, strict=True)]
    return logits_B_T_V, ids_B_S, places

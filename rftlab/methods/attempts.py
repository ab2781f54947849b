"""Completions of the labelled prompts that a whole stage learns from, drawn as far as its share of the budget goes.

Rejection sampling and simulated pairs draw before they train. How many completions a budget pays for is known only once
some have been drawn: they are drawn a few at a time, each prompt's first tries before any prompt's further ones, so
that a small budget has fewer tries and not fewer prompts, and what was paid for is always trained on.
"""

from collections.abc import Callable, Sequence

import torch

from rftlab.methods.actor_critic import Trajectory
from rftlab.methods.base import TrainingRun
from rftlab.policy.rollout import sample
from rftlab.tasks.base import Example

# Tries a prompt gets before the next prompt's turn; completions in the first draw, and in any.
_IN_TURN, _FIRST, _AT_MOST = 8, 32, 256


def tries_per_prompt(prompts: int) -> int:
    """Completions to sample per prompt where no number is set: 512 in all, and never fewer than 8 a prompt."""
    return max(8, 512 // prompts)


def attempt(
    run: TrainingRun,
    examples: Sequence[Example],
    samples: int,
    *,
    generator: torch.Generator,
    until: float,
    at_most: int | None = None,
    enough: Callable[[Sequence[Sequence[Trajectory]]], bool] = lambda _: False,
) -> list[list[Trajectory]]:
    """Verified completions by prompt, in the order of ``examples``; shorter than it if not all prompts had a turn.

    Args:
        run: policy, verifier, decoding and monitor, which counts tokens, calls and time.
        examples: whose prompts are put.
        samples: completions per prompt, at most.
        generator: source of randomness, on the policy's device.
        until: share of the whole budget at which sampling ends; no draw is begun that would go beyond it, as far as
            those before tell. The first is always made.
        at_most: completions in all; None for those of every prompt.
        enough: asked after every draw whether what there is suffices.
    """
    turns = [_IN_TURN] * (samples // _IN_TURN) + [samples % _IN_TURN]
    waiting = [i for turn in turns for i in range(len(examples)) for _ in range(turn)][:at_most]
    found: list[list[Trajectory]] = []
    began, size = run.monitor.fraction, _FIRST
    drawn = 0
    while drawn < len(waiting) and size >= 1:
        now = waiting[drawn : drawn + size]
        for i, trajectory in zip(now, _draw(run, [examples[i] for i in now], generator), strict=True):
            found.extend([] for _ in range(i + 1 - len(found)))
            found[i].append(trajectory)
        drawn += len(now)
        if enough(found):
            break
        spent = run.monitor.fraction
        each = (spent - began) / drawn
        size = min(_AT_MOST, int((until - spent) / each)) if each > 0 else _AT_MOST
    return found


def _draw(run: TrainingRun, examples: Sequence[Example], generator: torch.Generator) -> list[Trajectory]:
    policy, decoding = run.policy, run.cell.decoding
    prompts = {e.id: policy.encode_prompt(policy.prompt_text(e, cot=run.cell.cot)) for e in examples}
    rollouts = sample(
        policy,
        [prompts[e.id] for e in examples],
        max_new_tokens=run.max_new_tokens,
        generator=generator,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
    )
    run.monitor.sampled(rollouts)
    texts = [policy.decode(r.completion_ids, cot=run.cell.cot) for r in rollouts]
    scores = run.verifier.score(texts, examples)
    rewards = [score.reward for score in scores]
    run.monitor.verified(rewards, parts=[score.parts for score in scores])
    return [Trajectory(*row) for row in zip(rollouts, examples, texts, rewards, strict=True)]

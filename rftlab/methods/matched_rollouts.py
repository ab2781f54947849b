"""SFT on all right completions of as many rollouts as GRPO would draw with the same budget.

Where SFT is said to generalise worse than RFT it has often seen a thousandth of the completions. Here both see as many:
the policy that training starts from is sampled as often as GRPO would sample its own, at once, and every right
completion is imitated, as often as it came.

Source: "SFT matches RL" in OpenReview oOIBhwU9Gh (matching the total rollout budget); Lin et al. 2025 (2510.00237).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field

from rftlab.methods.actor_critic import Trajectory
from rftlab.methods.attempts import attempt
from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.sft import SFTSettings, fit, row_of


class MatchedRolloutsSettings(SFTSettings):
    """Settings of `sft-matched-rollouts`: those of sft, and whose rollouts are matched."""

    num_generations: int = Field(16, ge=1, description="completions per prompt of the grpo arm it is matched to")
    prompts_per_step: int = Field(4, ge=1, description="prompts per optimiser step of that arm")
    rollouts: int | None = Field(
        None, ge=1, description="completions in all; None: as many as that arm draws with this budget"
    )
    min_reward: float = Field(1.0, gt=0, le=1, description="reward from which a completion is kept")

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """Nothing: labels are asked for their prompts."""
        return ()


class MatchedRolloutsSFT:
    """SFT on as many rollouts as GRPO draws (TRL SFTTrainer)."""

    Settings: ClassVar[type[Settings]] = MatchedRolloutsSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(1e-3, 3e-4, 3e-3, 1e-4), full=(3e-4, 1e-4, 1e-3, 3e-5))
    card = (
        "Idea: give SFT as many completions to learn from as RFT has seen, before saying that RFT generalises\n"
        "better.\n"
        "Objective: that of sft, over every verified completion of N rollouts of the policy that training starts\n"
        "from, each as often as it came. N is what grpo would draw with this budget: prompts_per_step x\n"
        "num_generations a step of a budget in steps; in tokens or FLOPs as many as could be sampled and trained\n"
        "on once; in seconds, half.\n"
        "Settings: num_generations 16 and prompts_per_step 4, those of grpo: give the grpo arm's where they\n"
        "differ, or rollouts, the number itself. With budget.until: plateau N is that of the whole cap.\n"
        "Costs: grpo's sampling and its verifier's calls, all at the beginning, then sft's steps (completions,\n"
        "verifier_calls).\n"
        "When: beside sft and grpo, to tell what generalises: the data or the method (OpenReview oOIBhwU9Gh: with\n"
        "the same total rollout budget SFT generalises as well as RL; 2510.00237).\n"
        "What goes wrong: rollouts are the base's, and stay so: what it never solves is not learnt\n"
        "(train/solved), where rejection_sft samples anew; what it solves easily fills the data (train/kept\n"
        "against train/solved)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample as often as GRPO would, keep all that is right, and fine-tune on it."""
        settings: MatchedRolloutsSettings = run.settings
        generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
        drawn = _drawn(run, settings, generator)
        right = [t for t in drawn if t.reward >= settings.min_reward]
        # Deviation 1: right completions that the cap cut are left out, since to imitate them is never to end.
        kept = [t.rollout for t in right if not t.rollout.truncated]
        if not kept:
            return
        rows = [row_of(r.prompt_ids, r.completion_ids) for r in kept]
        run.monitor.prepared()
        found = {
            "train/reward": sum(t.reward for t in drawn) / len(drawn),
            "train/asked": float(len({t.example.id for t in drawn})),
            "train/solved": len({t.example.id for t in right}) / len({t.example.id for t in drawn}),
            "train/kept": float(len(kept)),
            "train/right_but_cut": float(len(right) - len(kept)),
        }
        fit(run, rows, settings, also=found)


def _drawn(run: TrainingRun, settings: MatchedRolloutsSettings, generator: torch.Generator) -> list[Trajectory]:
    """Verified completions of the prompts in turn, as many as `grpo` would draw and learn from with the budget."""
    monitor, step = run.monitor, settings.num_generations * settings.prompts_per_step
    if settings.rollouts:
        return _draw(run, generator, settings.rollouts)
    if monitor.steps_left is not None:
        return _draw(run, generator, monitor.steps_left * step)
    left = monitor.left
    first = _draw(run, generator, step, prompts=settings.prompts_per_step)
    # A step of GRPO draws so many and takes one gradient of them, padded to the longest. What the gradient takes in
    # seconds nobody knows: as long again.
    drawing = left - monitor.left
    lengths = [len(t.rollout.prompt_ids) for t in first], [len(t.rollout.completion_ids) for t in first]
    learning = monitor.estimate([sum(map(max, lengths))] * len(first), step) or drawing
    more = int(left / (drawing + learning)) * step - len(first)
    return first + _draw(run, generator, more, begin=settings.prompts_per_step)


def _draw(
    run: TrainingRun, generator: torch.Generator, number: int, *, begin: int = 0, prompts: int | None = None
) -> list[Trajectory]:
    """So many completions of the prompts in turn, from one of them on, or of so many of them alone."""
    every = run.labels.asked
    order = [every[(begin + i) % len(every)] for i in range(min(prompts or len(every), len(every)))]
    found = attempt(
        run, order, -(-number // len(order)), generator=generator, until=run.monitor.allowed, at_most=max(number, 0)
    )
    return [trajectory for tries in found for trajectory in tries]

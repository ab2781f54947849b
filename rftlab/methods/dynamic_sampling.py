"""Dynamic sampling (Yu et al. 2025, DAPO, 2503.14476, section 3.2): groups whose rewards are all equal are drawn again.

TRL has none. As in the authors' recipe the verifier's rewards decide (there `metric: acc`), before anything is taken
off for length. A group that says nothing leaves the batch, and the group of another prompt takes its place, until every
group of the batch has signal, the draws are used up, or another one would not fit into the budget. All that is drawn is
counted, kept or not.
"""

from collections.abc import Sequence
from typing import Any

import torch

from rftlab.methods.base import TrainingRun
from rftlab.methods.core import alike
from rftlab.methods.trl_online import Rollouts, VerifierReward
from rftlab.policy.rollout import Rollout

# A prompt's number, completions of it, and the verifier's rewards of them.
_Group = tuple[int, list[Rollout], list[float]]


class DynamicRollouts(Rollouts):
    """TRL's `rollout_func` that draws until groups have signal; tells TRL whose prompts they are, and their rewards.

    Args:
        run: whose policy is sampled.
        reward: scores what is drawn; TRL is given its verdicts.
    """

    def __init__(self, run: TrainingRun, reward: VerifierReward) -> None:
        super().__init__(run)
        self._reward = reward

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        """As `Rollouts`, with ``index`` of the prompts that were kept and what was ``verified`` of them."""
        run, size = self._run, self._run.settings.num_generations
        left = run.monitor.left
        wanted: list[int] = trainer.asked[::size]
        kept: list[_Group] = []
        draws = 0
        while True:
            draws += 1
            groups = self._groups(wanted, trainer, size)
            telling = [group for group in groups if not alike(group[2])]
            silent = [group for group in groups if alike(group[2])]
            kept += telling
            drawing = left - run.monitor.left
            if not silent or draws == run.settings.max_num_gen_batches or not self._affords(drawing, kept + silent):
                break
            number, curriculum = len(silent), trainer.curriculum
            wanted = curriculum.take(number) if curriculum else self._others(number)
        kept += silent
        trainer._metrics["train"]["draws"].append(float(draws))
        rollouts = [rollout for _, group, _ in kept for rollout in group]
        return {
            "prompt_ids": [r.prompt_ids for r in rollouts],
            "completion_ids": [r.completion_ids for r in rollouts],
            "logprobs": [r.logprobs for r in rollouts],
            "index": [index for index, _, _ in kept for _ in range(size)],
            "verified": [reward for _, _, rewards in kept for reward in rewards],
        }

    def _affords(self, drawing: float, groups: Sequence[_Group]) -> bool:
        """Whether there is budget for as many draws again, ``drawing`` in its unit, and for learning from groups."""
        monitor, rollouts = self._run.monitor, [rollout for _, group, _ in groups for rollout in group]
        longest = max(len(r.prompt_ids) for r in rollouts) + max(len(r.completion_ids) for r in rollouts)
        if monitor.steps_left is not None:  # a draw is no step
            return True
        # What learning takes in seconds nobody knows: as long as drawing.
        learning = monitor.estimate([longest] * len(rollouts), len(rollouts)) or drawing
        return drawing + learning * self._run.settings.num_iterations <= monitor.left

    def _groups(self, wanted: Sequence[int], trainer: Any, size: int) -> list[_Group]:
        """``size`` completions of each prompt, verified."""
        run = self._run
        asked = [index for index in wanted for _ in range(size)]
        prompts = {
            i: run.policy.encode_prompt(run.policy.prompt_text(run.labels.asked[i], cot=run.cell.cot)) for i in wanted
        }
        rollouts = self.draw([prompts[index] for index in asked], trainer)
        rewards = self._reward.verified([r.completion_ids for r in rollouts], asked)
        return [
            (index, rollouts[i * size : (i + 1) * size], rewards[i * size : (i + 1) * size])
            for i, index in enumerate(wanted)
        ]

    def _others(self, number: int) -> list[int]:
        """So many prompts in random order, each once before any comes twice."""
        size = len(self._run.labels.asked)
        turns = [
            torch.randperm(size, generator=self.generator, device=self.generator.device)
            for _ in range(-(-number // size))
        ]
        found: list[int] = torch.cat(turns)[:number].tolist()
        return found

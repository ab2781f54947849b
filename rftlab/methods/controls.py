"""Controls: what a gain must be larger than before it is credited to the verifier or to the labels.

They run as ordinary methods in a grid. The untrained base is in base.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.grpo import GRPO
from rftlab.methods.trl_online import VerifierReward
from rftlab.verifiers.base import Score


class _RandomReward(VerifierReward):
    def __init__(self, run: TrainingRun) -> None:
        super().__init__(run)
        self._generator = torch.Generator().manual_seed(run.cell.seed_sampling)

    def verified(self, completion_ids: Sequence[Sequence[int]], index: Sequence[int]) -> list[float]:
        coins: list[float] = torch.randint(0, 2, (len(index),), generator=self._generator).float().tolist()
        return coins


class _FormatReward(VerifierReward):
    def of(self, score: Score) -> float:
        return float(score.format_ok)


class GRPORandom(GRPO):
    """GRPO whose reward is a fair coin."""

    card = (
        "Idea: GRPO with a coin for a verifier; whatever it gains was not learnt from the reward.\n"
        "Objective: that of grpo, the reward being 0 or 1 with equal chance, whatever the completion says.\n"
        "Settings: those of grpo.\n"
        "Costs: those of grpo; the verifier is asked all the same.\n"
        "When: beside every RFT result; on some base models clipping alone sharpens what they already knew (Shao et\n"
        "al. 2025, Spurious Rewards, 2506.10947).\n"
        "What goes wrong: nothing can: train/reward stays near 0.5, and accuracy above the base's is the finding."
    )

    def reward(self, run: TrainingRun) -> VerifierReward:
        """A fair coin per completion (`seed_sampling`)."""
        return _RandomReward(run)


class GRPOFormat(GRPO):
    """GRPO whose reward is the format alone."""

    card = (
        "Idea: GRPO that pays for one pair of answer tags, whatever stands in them; it shows how much of a gain is\n"
        "format, not skill.\n"
        "Objective: that of grpo, the reward being 1 if the format is right and 0 otherwise.\n"
        "Settings: those of grpo.\n"
        "Costs: those of grpo; the verifier is asked all the same.\n"
        "When: beside every RFT result whose base does not keep the format; where it does, groups have equal\n"
        "rewards and nothing is learnt (train/zero_std_groups is 1).\n"
        "What goes wrong: the shortest text in the right format wins: completions shrink, accuracy falls."
    )

    def reward(self, run: TrainingRun) -> VerifierReward:
        """1 for the right format."""
        return _FormatReward(run)


class MajoritySettings(Settings):
    """Settings of `base-maj`."""

    votes: int = Field(
        16, ge=2, le=256, description="completions sampled for each question; the most frequent answer is given"
    )


class Majority:
    """The untrained base, asked several times, answering what it says most often."""

    Settings: ClassVar[type[Settings]] = MajoritySettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(0.0,) * 4, full=(0.0,) * 4)
    card = (
        "Idea: spend tokens when asked instead of in training: sample, and take the most frequent answer\n"
        "(self-consistency, Wang et al. 2022, 2203.11171).\n"
        "Objective: none. Each question is asked `votes` times at the cell's temperature; of answers that are equally\n"
        "frequent the one drawn first is given. completion_tokens counts all votes.\n"
        "Settings: votes = 16.\n"
        "Costs: no training. Every question is answered `votes` times; the prompt is read once.\n"
        "When: beside every result with a verifier of short answers: training has to beat what sampling alone gives.\n"
        "The best of as many by a verifier is no method: it is read from the samples that every cell draws\n"
        "(docs/metrics.md, training against asking several times).\n"
        "What goes wrong: a base that is seldom right, or answers in texts that never repeat, has no majority; every\n"
        "question costs `votes` times as much, for ever."
    )

    def train(self, run: TrainingRun) -> None:
        """Nothing: the policy votes from the start."""

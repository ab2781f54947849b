"""Distillation from a teacher's texts: SFT on those of its completions that the verifier accepted.

What rejection-sampling fine-tuning is to the policy's own completions, with another one writing them. The tokens are
all that is learnt from, not the teacher's distribution, so that any teacher of the same tokenizer will do.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import Field

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.rejection_sft import Selection, require_labels, select
from rftlab.methods.sft import SFTSettings, fit
from rftlab.methods.teacher import load_teacher


class DistillOfflineSettings(Selection, SFTSettings):
    """Settings of `distill-offline`: those of sft, the sampling's, and the teacher."""

    teacher: str = Field("", description="finished cell (folder or id), model folder or hub id, of the same tokenizer")


class DistillOffline:
    """SFT on a teacher's verified completions (TRL SFTTrainer)."""

    Settings: ClassVar[type[Settings]] = DistillOfflineSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(1e-3, 3e-4, 3e-3, 1e-4), full=(3e-4, 1e-4, 1e-3, 3e-5))
    card = (
        "Idea: let a teacher try each prompt k times and imitate what the verifier accepts.\n"
        "Objective: that of sft, over the teacher's distinct verified completions of prompts with labels and\n"
        "without.\n"
        "Settings: teacher; 512 completions in all, k >= 8 a prompt, at most 4 kept, at most half of the budget\n"
        "spent on sampling; unsolved: label puts the label where the teacher never succeeds.\n"
        "Costs: the teacher's sampling, in its own size (teacher_flops), then steps of sft. The labels that the\n"
        "teacher was trained with are not this arm's: record, contract and report say them.\n"
        "When: a teacher's texts may be used, and a verifier tells the good ones; also where the teacher is too\n"
        "far from the policy for distill.\n"
        "What goes wrong: easy prompts fill the data (train/solved flat, train/kept grows); the policy learns to\n"
        "continue texts that it would not have begun, so that its own slips are never corrected (distill does\n"
        "that); completions that the cap cut are left out even if right (train/right_but_cut: raise the cap)."
    )

    def train(self, run: TrainingRun) -> None:
        """Have the teacher try every prompt, keep what is right, and fine-tune on it."""
        settings: DistillOfflineSettings = run.settings
        require_labels(run, settings)
        monitor = run.monitor
        half = (monitor.fraction + monitor.allowed) / 2
        generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
        asked = replace(run, policy=load_teacher(run, settings.teacher))
        rows, found = select(asked, settings, generator, until=half)
        if rows:
            monitor.prepared()
            fit(run, rows, settings, also=found)

"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, 2402.01306), by TRL's KTOTrainer.

Thumbs up and down on single completions, from a file or simulated by the verifier. They are tokenised here, with the
very prompt tokens that evaluation uses. The KL that a thumb is held against is TRL's estimate: completions of a batch
under the prompts of their neighbours.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from datasets import Dataset
from peft import PeftModel
from pydantic import Field
from trl import KTOConfig, KTOTrainer

from rftlab.errors import RftlabError
from rftlab.methods.attempts import attempt, tries_per_prompt
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.critic import frozen_copy
from rftlab.methods.preferences import completion_ids, held_out_left_out
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, finish, quiet_trainer
from rftlab.tasks.example import Example
from rftlab.tasks.thumbs import read_thumbs


class KTOSettings(RateSettings):
    """Settings of `kto`, by TRL's names."""

    thumbs_file: str = Field("", description="JSONL of prompt, completion, label; empty simulates by the verifier")
    generations: int | None = Field(
        None, ge=2, description="simulated: completions per labelled prompt; None: 512 in all, 8 a prompt at least"
    )
    up_from: float = Field(1.0, gt=0, le=1, description="simulated: reward from which a completion is liked")
    noise_rate: float = Field(0.0, ge=0, le=0.5, description="simulated: share of thumbs the wrong way round")
    per_device_train_batch_size: int = Field(16, ge=2, description="completions a step (at most as many as there are)")
    beta: float = Field(0.1, gt=0, description="strength of the pull to the reference policy")
    desirable_weight: float | None = Field(
        None, gt=0, description="lambda_D, beside an undesirable weight of 1; None: thumbs down by thumbs up"
    )
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """The thumbs of a file; those that are simulated say what the verifier says."""
        return ("its thumbs",) if self.thumbs_file else ()


@dataclass(frozen=True, slots=True)
class TokenThumb:
    """A completion as token ids, and whether it was liked."""

    prompt_ids: list[int]
    completion_ids: list[int]
    label: bool


class KTO:
    """KTO on thumbs up and down (TRL KTOTrainer)."""

    Settings: ClassVar[type[Settings]] = KTOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 5e-5), full=(2e-5, 5e-6, 5e-5, 1e-6))
    card = (
        "Idea: a thumb up or down on one completion is the cheapest feedback there is; raise what was liked and lower\n"
        "what was not, each against the policy's own KL to where it started.\n"
        "Objective: E[lambda_y (1 - sigma(+-beta (log pi/ref(y) - z)))], + for a thumb up; z = max(0, mean log pi/ref\n"
        "of completions under other prompts), without gradient (section 4).\n"
        "Settings: beta 0.1, batch 16, LoRA rate 5e-4; thumbs from thumbs_file, or simulated: up where the verifier's\n"
        "reward is at least up_from. Thumbs up weigh as many times more as there are fewer of them.\n"
        "Costs: a step is one forward and backward pass over 16 completions, and three forward passes: the reference\n"
        "over the same, and both over completions under other prompts.\n"
        "When: people rate single answers, and nobody compares two.\n"
        "What goes wrong: nearly all thumbs point one way: what is rare is memorised; a large rate drives both kinds\n"
        "down (train/reward_chosen below 0)."
    )

    def train(self, run: TrainingRun) -> None:
        """Make or read the thumbs, then train on them until the budget is spent."""
        settings: KTOSettings = run.settings
        thumbs = _thumbs(run, settings)
        ups = sum(thumb.label for thumb in thumbs)
        weight = settings.desirable_weight or (len(thumbs) - ups) / ups
        size = min(settings.per_device_train_batch_size, len(thumbs))
        said = {"thumbs/count": float(len(thumbs)), "thumbs/up": ups / len(thumbs)}
        names = {"kl": "kl/reference", "loss": "train/loss"}
        names |= {f"rewards/{each}": f"train/reward_{each}" for each in ("chosen", "rejected")}
        names["rewards/margins"] = "train/reward_margin"
        with quiet_trainer() as scratch:
            arguments = KTOConfig(
                **common_arguments(run, scratch),
                per_device_train_batch_size=size,
                max_length=None,
                desirable_weight=weight,
                train_sampling_strategy="sequential",  # completions stand beside those they are mismatched with
                **settings.model_dump(include={"beta", "weight_decay", "max_grad_norm"}),
            )
            trainer = _TokenTrainer(
                model=run.policy.model,
                ref_model=None if isinstance(run.policy.model, PeftModel) else frozen_copy(run.policy.model),
                args=arguments,
                train_dataset=rows(thumbs, size),
                processing_class=run.policy.tokenizer,
                callbacks=[MonitorCallback(run, names, course=settings, also=said)],
            )
            finish(trainer, run)


def rows(thumbs: Sequence[TokenThumb], size: int) -> Dataset:
    """Columns that TRL's collator reads; each batch's completions also stand under their neighbours' prompts."""
    found = []
    for start in range(0, len(thumbs), size):
        batch = thumbs[start : start + size]
        for thumb, other in zip(batch, [batch[-1], *batch[:-1]], strict=True):
            found.append({
                "prompt_ids": thumb.prompt_ids, "completion_ids": thumb.completion_ids, "label": thumb.label,
                "KL_completion_ids": other.completion_ids,
            })  # fmt: skip
    return Dataset.from_list(found)


def _thumbs(run: TrainingRun, settings: KTOSettings) -> list[TokenThumb]:
    chance = random.Random(f"thumbs-{run.cell.seed_data}")
    if settings.thumbs_file:
        read = held_out_left_out(run, read_thumbs(settings.thumbs_file), settings.thumbs_file)
        chance.shuffle(read)
        policy, cot = run.policy, run.cell.cot
        found = [
            TokenThumb(
                policy.encode_prompt(policy.prompt_text(Example("thumb", thumb.prompt, ""), cot=cot)),
                completion_ids(policy, thumb.completion, cot=cot),
                thumb.label,
            )
            for thumb in read[: run.cell.labels]
        ]
    else:
        found = _simulated(run, settings, chance)
    if not 0 < sum(thumb.label for thumb in found) < len(found):
        raise RftlabError(
            f"kto learns from thumbs up and thumbs down, and all {len(found)} point one way; "
            + (
                "give both in the file"
                if settings.thumbs_file
                else "raise generations, lower up_from, or begin with SFT"
            )
        )
    return found


def _simulated(run: TrainingRun, settings: KTOSettings, chance: random.Random) -> list[TokenThumb]:
    generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
    generations = settings.generations or tries_per_prompt(len(run.labels.train))
    # Half of what the stage may spend is left to train on the thumbs.
    until = (run.monitor.fraction + run.monitor.allowed) / 2
    by_prompt = attempt(run, run.labels.train, generations, generator=generator, until=until)
    run.monitor.prepared()
    found = [
        TokenThumb(
            tried.rollout.prompt_ids,
            tried.rollout.completion_ids,
            (tried.reward >= settings.up_from) != (chance.random() < settings.noise_rate),
        )
        for tries in by_prompt
        for tried in tries
    ]
    chance.shuffle(found)
    return found


class _TokenTrainer(KTOTrainer):
    """KTOTrainer on thumbs that are tokens already."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset

"""On-policy distillation by TRL's DistillationTrainer: a teacher judges every token of the policy's own completions.

The verifier is not asked: at each token the policy's next-token distribution is drawn towards the teacher's. Sampling,
counting, seeds and the learning rate's course are those of the other online methods; the divergence is TRL's, computed
from hidden states without ever holding the numbers of the whole vocabulary.

Sources: Agarwal et al. 2023, GKD (2306.13649); Gu et al. 2023, MiniLLM (2306.08543), for the reverse KL; Thinking
Machines 2025, On-Policy Distillation.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast
from unittest import mock

import torch
import trl.trainer.distillation_trainer
from datasets import Dataset
from pydantic import Field
from trl import DistillationConfig, DistillationTrainer
from trl.trainer.utils import RepeatSampler

from rftlab.errors import RftlabError
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.curriculum import CurriculumSampler, curriculum_of
from rftlab.methods.teacher import load_teacher
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, finish, quiet_trainer
from rftlab.methods.trl_online import Rollouts, batch_shape, prompt_rows
from rftlab.policy.load import Policy
from rftlab.policy.rounded import rounded_factors
from rftlab.tasks.base import Example
from rftlab.tasks.of_cell import require_rationales

LOG_NAMES: Mapping[str, str] = {
    "loss": "train/loss",
    "entropy": "train/entropy",
    "completions/mean_length": "train/completion_tokens",
    "completions/clipped_ratio": "train/truncation_rate",
}


class OnPolicySettings(RateSettings):
    """What methods share whose teacher judges the policy's own completions, by TRL's names."""

    beta: float = Field(
        1.0, ge=0, le=1, description="divergence: 1 reverse KL(policy || teacher), 0 forward, between the two a JSD"
    )
    num_generations: int = Field(4, ge=1, description="completions per prompt")
    prompts_per_step: int = Field(16, ge=1, description="prompts per optimiser step")
    per_device_train_batch_size: int = Field(64, ge=1, description="completions per forward and backward pass")
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)


class DistillSettings(OnPolicySettings):
    """Settings of `distill`."""

    teacher: str = Field("", description="finished cell (folder or id), model folder or hub id, of the same tokenizer")
    lmbda: float = Field(
        1.0, ge=0, le=1, description="share of steps on the policy's own completions; the others are on the labels"
    )

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """Its teacher, and its labels where some steps are on these."""
        return ("its teacher", *(("its labels",) if self.lmbda < 1 else ()))


class TeacherTrainer(DistillationTrainer):
    """DistillationTrainer that samples as the other online methods do.

    Attributes:
        run: what is trained.
        rollouts: what samples from it.
    """

    run: TrainingRun
    rollouts: Rollouts
    args: DistillationConfig
    log_names: ClassVar[Mapping[str, str]] = LOG_NAMES

    def _get_train_sampler(self, dataset: Any = None) -> RepeatSampler:
        # TRL's draws each prompt once a step; those of a group share one prefill.
        settings: OnPolicySettings = self.run.settings
        sampler = RepeatSampler(
            data_source=cast(Dataset, self.train_dataset) if dataset is None else dataset,
            mini_repeat_count=settings.num_generations,
            batch_size=settings.prompts_per_step,
            repeat_count=self.args.gradient_accumulation_steps,
            seed=self.args.seed,
        )
        curriculum = curriculum_of(self.run)
        return CurriculumSampler.like(sampler, curriculum) if curriculum else sampler

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        asked = self.run.labels.asked
        self.drawn: Sequence[Example] = [asked[row["index"]] for row in inputs]
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        return output

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        ids = {text: self.run.policy.encode_prompt(text) for text in dict.fromkeys(prompts)}
        return [ids[text] for text in prompts], None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        drawn = self.rollouts.draw(prompt_ids, self)
        return [rollout.completion_ids for rollout in drawn]


class _Trainer(TeacherTrainer):
    """Now and then a step is on the labels, as in GKD."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        run = self.run
        on_policy = torch.rand((), device=run.policy.device, generator=self.rollouts.generator) < run.settings.lmbda
        if on_policy or not all(example.answer for example in self.drawn):
            return super()._generate_single_turn(prompt_ids)
        return [run.policy.encode_completion(example, cot=run.cell.cot) for example in self.drawn]


class Distill:
    """On-policy distillation from a teacher (TRL DistillationTrainer)."""

    Settings: ClassVar[type[Settings]] = DistillSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: let the policy write, and a teacher that knows the task say at every token what it would have\n"
        "written.\n"
        "Objective: minimise the mean over the policy's own tokens of KL(pi(. | x, y_<t) || teacher(. | x,\n"
        "y_<t)), the whole vocabulary summed, no gradient through the sampling (GKD 2306.13649; Thinking Machines\n"
        "2025).\n"
        "Settings: teacher; 16 prompts x 4 completions a step, beta 1 (reverse KL; 0 forward, between them GKD's\n"
        "JSD), lmbda 1 (share of steps on the policy's own completions; the others on the labels' own). The\n"
        "temperature of both distributions is decoding.temperature, as in TRL.\n"
        "Costs: a step of grpo plus one forward pass of the teacher, in its own size (teacher_flops); no verifier\n"
        "is asked. The labels that the teacher was trained with are not this arm's: record, contract and report\n"
        "say them.\n"
        "When: something that knows the task may teach, has the same tokenizer, and its weights are at hand.\n"
        "What goes wrong: what the policy writes is so far from the teacher's that its opinion of it says little\n"
        "(train/loss stays high: distill-offline first, or lmbda below 1); the teacher's mistakes are learnt too,\n"
        "and its accuracy is the ceiling; reverse KL settles on one way of answering (train/entropy falls)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, have the teacher judge, and update until the budget is spent."""
        settings: DistillSettings = run.settings
        if settings.lmbda < 1 and run.cell.cot:
            require_rationales(run.labels.train, "distill with lmbda below 1")
        teacher = load_teacher(run, settings.teacher)
        _require_same_words(teacher, run)
        fit_to_teacher(run, teacher.model, _Trainer)


def fit_to_teacher(run: TrainingRun, teacher: Any, trainer_class: type[TeacherTrainer], *callbacks: Any) -> None:
    """Train the run's policy on what a teacher says of its completions, until the budget (of the stage) is spent.

    Args:
        run: its settings are `OnPolicySettings`.
        teacher: causal language model of the same vocabulary, not trained.
        trainer_class: how completions come about, and what the teacher is asked.
        callbacks: further ones of the trainer.
    """
    settings: OnPolicySettings = run.settings
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    rollouts = Rollouts(run)
    per_pass, passes = batch_shape(
        settings.prompts_per_step * settings.num_generations, settings.per_device_train_batch_size
    )
    with quiet_trainer() as scratch:
        trainer = trainer_class(
            model=run.policy.model,
            teacher_model=teacher,
            args=DistillationConfig(
                **common_arguments(run, scratch),
                per_device_train_batch_size=per_pass,
                gradient_accumulation_steps=passes,
                max_completion_length=run.max_new_tokens,
                temperature=run.cell.decoding.temperature,
                beta=settings.beta,
                weight_decay=settings.weight_decay,
                max_grad_norm=settings.max_grad_norm,
            ),
            train_dataset=prompt_rows(run, settings.prompts_per_step),
            processing_class=run.policy.tokenizer,
            callbacks=[MonitorCallback(run, trainer_class.log_names, course=settings), *callbacks],
        )
        trainer.run, trainer.rollouts = run, rollouts
        with _divergence_of(run.policy):
            finish(trainer, run, rollouts.generator)


@contextlib.contextmanager
def _divergence_of(policy: Policy) -> Iterator[None]:
    """Let TRL compare distributions as the policy computes its own, and on a CPU at completion tokens only.

    Both are private names: a TRL that lacks one is left alone.
    """
    module: Any = trl.trainer.distillation_trainer
    divergence, ask = (getattr(module, name, None) for name in ("ChunkedDivergenceFunction", "_use_triton"))
    changed: dict[str, Any] = {}
    if policy.device.type == "cpu" and ask:
        changed["_use_triton"] = lambda device: device.type == "cpu" or ask(device)
    if policy.device.type == "cpu" and policy.computes_in and divergence:
        changed["ChunkedDivergenceFunction"] = _rounded(divergence)
    with mock.patch.multiple(module, **changed) if changed else contextlib.nullcontext():
        yield


def _rounded(divergence: Any) -> Any:
    """TRL's divergence with products of factors rounded to bf16, forward and backward; sums and results in fp32."""

    class Rounded(divergence):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            with rounded_factors():
                return divergence.forward(ctx, *args)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            with rounded_factors():
                return divergence.backward(ctx, *gradients)

    return Rounded


def _require_same_words(teacher: Policy, run: TrainingRun) -> None:
    theirs, ours = (p.model.get_output_embeddings().weight.shape[0] for p in (teacher, run.policy))
    if theirs != ours:
        raise RftlabError(
            f"teacher {run.settings.teacher!r} tells {theirs} tokens apart and {run.cell.model!r} {ours}, though their "
            "tokenizers are the same; give a teacher whose output is padded alike, or use distill-offline"
        )

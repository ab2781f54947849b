"""Supervised fine-tuning on labelled completions, by TRL's SFTTrainer.

With chain-of-thought a completion is rationale and answer, without it the answer alone; the loss is on the completion
only. Examples are tokenised here, with the very prompt tokens that evaluation uses, so that no tokenizer merges across
the border between prompt and completion.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from datasets import Dataset
from pydantic import Field
from trl import SFTConfig, SFTTrainer

from rftlab.methods.base import Ladder, RateSettings, Settings, TaughtByLabels, TrainingRun
from rftlab.methods.curriculum import Curriculum, CurriculumSampler, curriculum_of
from rftlab.methods.peers import Peers
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, finish, quiet_trainer
from rftlab.policy.load import Policy
from rftlab.tasks.base import Example


class SFTSettings(TaughtByLabels, RateSettings):
    """Settings of `sft`, by TRL's names."""

    per_device_train_batch_size: int = Field(16, ge=1, description="examples a step (at most as many as labels)")
    gradient_accumulation_steps: int = Field(1, ge=1)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    weight_decay: float = Field(0.0, ge=0)
    loss_type: Literal["nll", "dft"] = "nll"

    @property
    def batch(self) -> int:
        """Examples a step."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps


class SFT:
    """Supervised fine-tuning (TRL SFTTrainer)."""

    Settings: ClassVar[type[Settings]] = SFTSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Wu et al. 2025 (2508.05629), its token-level loss; sg stands for "takes no gradient":
        # -E sum_t sg(pi(y_t | x, y_<t)) log pi(y_t | x, y_<t). In the authors' code (fsdp_dft_trainer.py) a mean over
        # the batch's completion tokens, as TRL's.
        "dft": {"loss_type": "dft"},
    }
    ladder = Ladder(lora=(1e-3, 3e-4, 3e-3, 1e-4), full=(3e-4, 1e-4, 1e-3, 3e-5))
    card = (
        "Idea: raise the likelihood of labelled completions; it teaches what the labels show and nothing else.\n"
        "Objective: minimise -sum_t log pi(y_t | x, y_<t) over completion tokens, averaged over the batch.\n"
        "Settings: batch 16, linear decay, no weight decay; LoRA rate 1e-3 (ten times that of full fine-tuning).\n"
        "Preset: dft (dynamic fine-tuning, 2508.05629) weights each token's loss by its probability, through\n"
        "which no gradient flows: minimise -sum_t sg(pi(y_t)) log pi(y_t). Costs are the same.\n"
        "Costs: a step is one forward and one backward pass over the batch's prompts and completions; nothing is\n"
        "sampled. Memory: the adapter's gradients and Adam's two moments beside the model.\n"
        "When: labels are many or the skill is missing in the base; no verifier is needed.\n"
        "What goes wrong: with few labels train accuracy nears 100 % while test accuracy stalls or falls (watch the\n"
        "generalisation gap); without rationales it unlearns reasoning the base had. dft hardly moves tokens that the\n"
        "base finds unlikely: a skill or a format that is missing in the base it does not teach."
    )

    def train(self, run: TrainingRun) -> None:
        """Train on the labels until the budget is spent."""
        rows = [tokenise(run.policy, example, cot=run.cell.cot) for example in run.labels.train]
        fit(run, rows, run.settings, curriculum=curriculum_of(run))


def fit(
    run: TrainingRun,
    rows: Sequence[Mapping[str, list[int]]],
    settings: SFTSettings,
    *,
    also: Mapping[str, float] | None = None,
    curriculum: Curriculum | None = None,
) -> None:
    """SFT on tokenised rows until the budget (of the stage) is spent.

    Args:
        run: whose policy is trained; its learning rate is used.
        rows: `input_ids` and `labels` (-100 where no loss is taken), one mapping per example.
        settings: batch size, schedule, loss.
        also: constants to record with every step.
        curriculum: of whose places the rows are; None: they come in random order.
    """
    with quiet_trainer() as scratch:
        arguments = SFTConfig(
            **common_arguments(run, scratch),
            per_device_train_batch_size=min(settings.per_device_train_batch_size, len(rows)),
            gradient_accumulation_steps=settings.gradient_accumulation_steps,
            weight_decay=settings.weight_decay,
            loss_type=settings.loss_type,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        trainer = _Trainer(
            model=run.policy.model,
            args=arguments,
            train_dataset=Dataset.from_list([dict(row) for row in rows]),
            processing_class=run.policy.tokenizer,
            callbacks=[
                MonitorCallback(
                    run,
                    {"loss": "train/loss", "mean_token_accuracy": "train/token_accuracy"},
                    course=settings,
                    also=also,
                )
            ],
        )
        trainer.peers, trainer.curriculum = run.peers, curriculum
        if not run.peers.alone:
            trainer.data_collator = _Share(trainer.data_collator, run.peers)  # type: ignore[assignment]
        finish(trainer, run)


class _Trainer(SFTTrainer):
    """SFTTrainer whose processes, where there are several, all draw the same batches, of which each takes its share.

    accelerate would have each draw smaller ones, padded by themselves, and complete the last one of an epoch by rows of
    the first: another update than that of one process.
    """

    peers: Peers
    curriculum: Curriculum | None

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.curriculum:
            return CurriculumSampler(self.curriculum, data_source=self.train_dataset, mini_repeat_count=1)
        return super()._get_train_sampler(train_dataset)

    def get_train_dataloader(self) -> Any:
        loader: Any = super().get_train_dataloader()
        if not self.peers.alone:
            shard = loader.batch_sampler
            shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
            # Which would leave out what accelerate had filled a last batch up with.
            self.accelerator.gather_for_metrics = self.accelerator.gather
        return loader


class _Share:
    """This process's share of a collator's batch."""

    def __init__(self, collate: Any, peers: Peers) -> None:
        self._collate, self._peers = collate, peers

    def __call__(self, rows: Any) -> Mapping[str, Any]:
        return self._peers.share(self._collate(rows))


def tokenise(policy: Policy, example: Example, *, cot: bool) -> dict[str, list[int]]:
    """`input_ids` and `labels` of one labelled example; prompt tokens carry the label -100.

    Raises:
        RftlabError: ``cot`` and the example has no rationale.
    """
    prompt = policy.encode_prompt(policy.prompt_text(example, cot=cot))
    completion = policy.encode_completion(example, cot=cot)
    # The completion ends with the end token, which has a loss: without it the policy never learns to stop.
    return row_of(prompt, completion)


def row_of(prompt: Sequence[int], completion: Sequence[int]) -> dict[str, list[int]]:
    """`input_ids` and `labels` of token ids: -100, which the loss leaves out, at the prompt's."""
    return {"input_ids": [*prompt, *completion], "labels": [-100] * len(prompt) + [*completion]}

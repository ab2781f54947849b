"""What every TRL trainer here shares: the arguments of a quiet, reproducible run, and a callback to the monitor."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest import mock

import torch
import trl.trainer.utils
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl.kernels import ChunkedLogProbFunction

from rftlab.files.staging import scratch
from rftlab.methods.base import RateSettings, TrainingRun
from rftlab.policy.load import Policy
from rftlab.policy.rounded import rounded_factors

# Without a fixed number of steps the trainer still needs a horizon; the monitor ends the run long before.
_FAR = 1_000_000
# What `add_fused_lm_head` computes with; a private name.
_FUSED = "_ChunkedLogProbFunction"
# transformers renames the argument, and warns of the old name, which TRL still sets to True.
_CHECKPOINTING = next(
    n for n in ("activation_checkpointing", "gradient_checkpointing") if hasattr(TrainingArguments, n)
)


def common_arguments(run: TrainingRun, output_dir: str) -> dict[str, Any]:
    """Arguments shared by all of TRL's configurations; the learning rate's course is `MonitorCallback`'s."""
    steps = run.monitor.steps_left
    on_cpu = run.policy.device.type == "cpu"
    return {
        "output_dir": output_dir,
        "max_steps": _FAR if steps is None else max(steps, 1),
        "learning_rate": run.learning_rate,
        "lr_scheduler_type": "constant",
        "seed": run.cell.seed_data,
        "data_seed": run.cell.seed_data,
        # On a CPU the policy's model does so itself (`rftlab.policy.precision`).
        "bf16": not on_cpu and run.policy.computes_in_half,
        "use_cpu": on_cpu,
        _CHECKPOINTING: run.cell.gradient_checkpointing,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        # Of several processes: every weight that is trained is in every pass, and buffers are the same in all.
        **({} if run.peers.alone else {"ddp_find_unused_parameters": False, "ddp_broadcast_buffers": False}),
    }


class MonitorCallback(TrainerCallback):
    """Tells the monitor of each optimiser step, sets the learning rate, and stops the trainer in time.

    A gradient that is exactly zero, as when all rewards of a draw are equal, leaves the weights as they are: Adam's
    momentum would move them on.

    Args:
        run: whose monitor is told.
        names: trainer's log name -> trace name, e.g. {"loss": "train/loss"}.
        also: constants recorded with every step.
        course: schedule and warm-up of the learning rate; None leaves it to the trainer.
    """

    def __init__(
        self,
        run: TrainingRun,
        names: Mapping[str, str],
        *,
        course: RateSettings | None,
        also: Mapping[str, float] | None = None,
    ) -> None:
        self._run, self._names, self._course, self._also = run, names, course, also or {}
        self._shown: dict[str, float] = {}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Set the rate of the update to come, or see to it that there is none."""
        if self._run.is_replaying:
            return control
        groups = kwargs["optimizer"].param_groups
        weights = [weight for group in groups for weight in group["params"]]
        moves = any(weight.grad is not None and bool(weight.grad.any()) for weight in weights)
        # Deviation 1: a step without any gradient is left out, where Adam's moments would move the weights on.
        if not moves:
            for weight in weights:
                weight.grad = None
        self._shown = {"train/skipped": float(not moves)}
        if self._course:
            share = self._run.monitor.rate(self._course.lr_scheduler_type, self._course.warmup_ratio)
            for group in groups:
                group["lr"] = self._run.learning_rate * share
            self._shown["train/learning_rate"] = self._run.learning_rate * share
        return control

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Pass the step's metrics on; logging happens once a step, after the update."""
        logs = kwargs.get("logs") or {}
        if "train_runtime" in logs or self._run.is_replaying:
            return control
        logged = {name: float(logs[key]) for key, name in self._names.items() if key in logs}
        metrics = {**self._also, **self._shown, **logged}
        if self._run.monitor.step(metrics, beside={f"train/{key}": value for key, value in logs.items()}):
            control.should_training_stop = True
        return control


@contextlib.contextmanager
def quiet_trainer() -> Iterator[str]:
    """A scratch output folder (nothing is saved in it) and silence from the libraries' notices."""
    loggers = [logging.getLogger(name) for name in ("transformers", "trl", "accelerate")]
    levels = [logger.level for logger in loggers]
    with scratch() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield str(folder)
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def head_on_labels_only() -> Iterator[None]:
    """Let TRL's fused LM head score labelled positions only, on a CPU as on a GPU: saves a quarter of a GRPO step.

    `trl.trainer.utils.add_fused_lm_head` does so where it has Triton; elsewhere it scores prompts and padding too, as
    some devices compile anew for every shape. A CPU does not. Log-probabilities and gradients are the same. A TRL that
    does not ask this question (it is a private name) is left alone.
    """
    ask = getattr(trl.trainer.utils, "_use_triton", None)
    if ask is None:
        yield
        return
    with mock.patch.object(trl.trainer.utils, "_use_triton", lambda device: device.type == "cpu" or ask(device)):
        yield


class _RoundedHead(ChunkedLogProbFunction):
    """TRL's fused LM head with products of factors rounded to bf16, forward and backward; sums and results in fp32."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """As TRL's."""
        with rounded_factors():
            return ChunkedLogProbFunction.forward(ctx, *args)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """As TRL's."""
        with rounded_factors():
            return ChunkedLogProbFunction.backward(ctx, *gradients)


def head_of(policy: Policy) -> AbstractContextManager[object]:
    """Let TRL's fused LM head compute as the policy does; it reads the head's weights, and never calls the head."""
    if policy.device.type != "cpu" or not policy.computes_in or not hasattr(trl.trainer.utils, _FUSED):
        return nullcontext()
    return mock.patch.object(trl.trainer.utils, _FUSED, _RoundedHead)


def finish(trainer: Any, run: TrainingRun, *generators: torch.Generator) -> None:
    """Train, from the cell's checkpoint if it has one, and leave the policy in eval mode without the trainer's hooks.

    Args:
        trainer: with a `MonitorCallback`.
        run: whose policy it trains.
        generators: what the method draws its samples with, which a checkpoint holds too.

    TRL adds the reference policy of an adapter that was already there as a second adapter, "ref", and refuses to do so
    again: it is removed, so that one stage can follow another.
    """
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    around = run.checkpoints.training(trainer, run.monitor, generators) if run.checkpoints else nullcontext(True)
    with head_on_labels_only(), head_of(run.policy), around as left:
        if left:
            trainer.train()
    run.policy.model = trainer.accelerator.unwrap_model(
        trainer.model, keep_fp32_wrapper=False, keep_torch_compile=False
    )
    if "ref" in getattr(run.policy.model, "peft_config", {}):
        run.policy.model.delete_adapter("ref")
    run.policy.model.eval()

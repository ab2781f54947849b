"""Time of one GRPO step (sampling, rewards, update): the method `grpo` against TRL's GRPOTrainer with its own sampling.

Same base, adapter, prompts, sizes and optimiser; from log line to log line, the first step left out. One compute thread
for the tiny base, as in a grid's kernels, all cores for SmolLM2, which on a CPU takes smaller and fewer steps. The
stock arm is in single precision; rftlab's is in what `precision: auto` decides here, with rows `rftlab_fp32` where that
is another. Rows `.sampling` are the part of a step spent in sampling.
"""

import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from rftlab.cell import Cell
from rftlab.execute.kernels import cores
from rftlab.experiment import Experiment
from rftlab.methods import trl_online
from rftlab.methods.trl_bridge import quiet_trainer
from rftlab.record.machine import auto_precision
from tests.bench.measure import SMOLLM2, Row, note, ratios, row, take_turns
from tests.bench.stock_steps import Steps


def run(quick: bool = False) -> dict[str, Row]:
    """Five rounds of twelve steps (one of three if quick); of SmolLM2 on a CPU two of four (none if quick)."""
    torch.set_num_threads(1)
    rows = _compare("grpo_step_vs_stock", "tiny-base", rounds=1 if quick else 5, steps=3 if quick else 12)
    torch.set_num_threads(cores())
    if not SMOLLM2.is_dir():
        note(f"{SMOLLM2} is not there: rows of smollm2 are left out; get it with `rftlab fetch smollm2`")
    elif torch.cuda.is_available():
        rows |= _compare("grpo_step_vs_stock.smollm2", str(SMOLLM2), rounds=5, steps=12)
    elif not quick:
        rows |= _compare("grpo_step_vs_stock.smollm2", str(SMOLLM2), rounds=2, steps=4, group=8)
    return rows


def _compare(name: str, model: str, *, rounds: int, steps: int, group: int = 16) -> dict[str, Row]:
    values = {
        "method": "grpo", "model": model, "labels": 50, "cot": True, "budget.amount": float(steps),
        "evaluation.along_the_way": 0, "settings.num_generations": group,
    }  # fmt: skip
    cell, single = Cell.make(values), Cell.make(values | {"precision": "fp32"})
    sampling: dict[str, list[float]] = defaultdict(list)
    arms = {"rftlab": lambda: _ours(cell, sampling["rftlab"]), "stock": lambda: _stock(single, sampling["stock"])}
    if model != "tiny-base" and auto_precision() != "fp32":
        arms["rftlab_fp32"] = lambda: _ours(single, sampling["rftlab_fp32"])
    took = take_turns(rounds, arms, within_s=60 if model == "tiny-base" else 600)
    return {
        name: ratios(took["stock"], took["rftlab"]),
        **{f"{name}.{arm}": row(values, "s/step") for arm, values in took.items()},
        **{f"{name}.{arm}.sampling": row(values, "s/step") for arm, values in sampling.items()},
    }


def _ours(cell: Cell, sampling: list[float]) -> float:
    experiment = Experiment(cell)
    calls: list[float] = []
    with mock.patch.object(trl_online, "sample", _clocked(trl_online.sample, calls)):
        trace = experiment.train()
    sampling.append(statistics.median(calls[1:]))
    return float(trace["seconds"].diff().dropna().median())


def _stock(cell: Cell, sampling: list[float]) -> float:
    experiment = Experiment(cell)  # for base, adapter, prompts and verifier
    torch.use_deterministic_algorithms(False)  # which Experiment asks for and TRL does not
    policy, labels, group = experiment.policy, experiment.labels.train, experiment.settings.num_generations
    calls: list[float] = []
    steps = Steps()

    def reward(completions: list[str], index: list[int], **_: Any) -> list[float]:
        return [score.reward for score in experiment.verifier.score(completions, [labels[i] for i in index])]

    prompts = [{"prompt": policy.prompt_text(e, cot=cell.cot), "index": i} for i, e in enumerate(labels)]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, quiet_trainer():
        arguments = GRPOConfig(
            output_dir=scratch, max_steps=int(cell.budget.amount), learning_rate=experiment.learning_rate,
            lr_scheduler_type="constant_with_warmup", warmup_steps=5, per_device_train_batch_size=4 * group,
            num_generations=group, max_completion_length=experiment.capped.max_new_tokens, beta=0.0, loss_type="grpo",
            bf16=torch.cuda.is_available(), use_cpu=not torch.cuda.is_available(), gradient_checkpointing=False,
            logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
            remove_unused_columns=False,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=policy.model, reward_funcs=reward, args=arguments, train_dataset=Dataset.from_list(prompts),
            processing_class=policy.tokenizer, callbacks=[steps],
        )  # fmt: skip
        with mock.patch.object(policy.model, "generate", _clocked(policy.model.generate, calls)), _silence():
            trainer.train()
    sampling.append(statistics.median(calls[1:]))
    return steps.median


def _clocked(function: Callable, calls: list[float]) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = function(*args, **kwargs)
        calls.append(time.perf_counter() - began)
        return result

    return call


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with open("/dev/null", "w") as null, contextlib.redirect_stdout(null):
        yield

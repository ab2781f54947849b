"""Time of one SFT step of SmolLM2 with a LoRA adapter: the method `sft` against TRL's SFTTrainer on the same token ids.

32 sequences a step, prompts with labelled completions (chain-of-thought); the same optimiser; from log line to log
line, the first step left out; all cores. The stock arm is in single precision, with the loss on labels alone; rftlab's
is in what `precision: auto` decides here, with a row `rftlab_fp32` where that is another. `tokens` is how many a step
feeds, padding included.
"""

import io
import tempfile
from contextlib import redirect_stdout

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from rftlab.cell import Cell
from rftlab.execute.kernels import cores
from rftlab.experiment import Experiment
from rftlab.methods.sft import tokenise
from rftlab.methods.trl_bridge import quiet_trainer
from rftlab.record.machine import auto_precision
from tests.bench.measure import SMOLLM2, Row, note, ratios, row, take_turns
from tests.bench.stock_steps import Steps

BATCH = 32


def run(quick: bool = False) -> dict[str, Row]:
    """Two rounds of five steps (none if quick); no rows without SmolLM2."""
    if quick or not SMOLLM2.is_dir():
        note(f"SmolLM2 is not timed if quick, nor without {SMOLLM2}; get it with `rftlab fetch smollm2`")
        return {}
    torch.set_num_threads(cores())
    values = {
        "method": "sft", "model": str(SMOLLM2), "labels": 2 * BATCH, "cot": True, "budget.amount": 5.0,
        "evaluation.along_the_way": 0, "settings.per_device_train_batch_size": BATCH,
    }  # fmt: skip
    cell, single = Cell.make(values), Cell.make(values | {"precision": "fp32"})
    fed: list[float] = []
    arms = {"rftlab": lambda: _ours(cell, fed), "stock": lambda: _stock(single)}
    if auto_precision() != "fp32":
        arms["rftlab_fp32"] = lambda: _ours(single, fed)
    took = take_turns(2, arms, within_s=300)
    return {
        "sft_step_vs_stock.smollm2": ratios(took["stock"], took["rftlab"]),
        **{f"sft_step_vs_stock.smollm2.{arm}": row(values, "s/step") for arm, values in took.items()},
        "sft_step_vs_stock.smollm2.tokens": row(fed, "tokens"),
    }


def _ours(cell: Cell, fed: list[float]) -> float:
    trace = Experiment(cell).train()
    fed.append(float(trace["tokens_trained"].diff().dropna().median()))
    return float(trace["seconds"].diff().dropna().median())


def _stock(cell: Cell) -> float:
    experiment = Experiment(cell)  # for base, adapter and prompts
    torch.use_deterministic_algorithms(False)  # which Experiment asks for and TRL does not
    rows = [tokenise(experiment.policy, example, cot=cell.cot) for example in experiment.labels.train]
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, quiet_trainer(), redirect_stdout(io.StringIO()):
        arguments = SFTConfig(
            output_dir=scratch, max_steps=int(cell.budget.amount), learning_rate=experiment.learning_rate,
            lr_scheduler_type="linear", per_device_train_batch_size=BATCH, max_length=None, bf16=False, use_cpu=True,
            gradient_checkpointing=False, logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
            dataloader_pin_memory=False, dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        SFTTrainer(
            model=experiment.policy.model, args=arguments, train_dataset=Dataset.from_list(rows),
            processing_class=experiment.policy.tokenizer, callbacks=[steps],
        ).train()  # fmt: skip
    return steps.median

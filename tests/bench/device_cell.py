"""One cell of each method on this machine's device: speed, what is charged, and whether a kept policy says the same.

    python -m tests.bench.device_cell models/SmolLM2-135M-Instruct sft grpo

Not among the rows of `python -m tests.bench`, because it needs a real model. Prints one line of JSON a method.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.policy import weights
from tests.methods.test_cost import Counts


def main(model: str, *methods: str) -> None:
    """Train, evaluate, keep, load again and evaluate again, for each method."""
    for method in methods or ("sft", "grpo"):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(model, method, Path(folder) / "cell")), flush=True)


def sums(folder: Path) -> Path:
    """A file of all one-digit sums and differences, of which SmolLM2-135M knows about a third before it is trained."""
    path = folder.with_suffix(".jsonl")
    pairs = [(a, b) for a in range(1, 10) for b in range(1, 10)]
    rows = [{"prompt": f"{a} + {b} =", "answer": str(a + b)} for a, b in pairs]
    rows += [{"prompt": f"{a} - {b} =", "answer": str(a - b)} for a, b in pairs]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def measure(model: str, method: str, folder: Path) -> dict[str, Any]:
    """Figures of one cell; its kept policy is loaded again from ``folder``."""
    folder.mkdir()
    cell = Cell.make(
        {
            "model": model, "method": method, "task": "file",
            "task_settings": {"path": str(sums(folder)), "verifier": "numeric"},
            "answer_format": "lenient", "labels": 32, "cot": False, "decoding.max_new_tokens_direct": 20,
            "decoding.temperature": 0.5, "evaluation.along_items": 16,
            "budget.amount": 10, "evaluation.test_items": 40, "evaluation.ood_items": 0,
            "evaluation.sampled_items": 16, "evaluation.samples": 4, "evaluation.along_the_way": 0,
        }
    )  # fmt: skip
    experiment = Experiment(cell, out=folder)
    counts = Counts(experiment.policy)
    began = time.perf_counter()
    experiment.train()
    trained = time.perf_counter() - began
    policy, cost = experiment.policy, experiment.cost
    n, changed = policy.parameters, policy.trained_parameters
    fed = 2 * n * counts.forward + (2 * n + 2 * changed) * (counts.backward + 3 * counts.again)
    metrics = experiment.evaluate()
    repeats = experiment.evaluate().equals(metrics)
    experiment.save()
    again = Experiment(weights.cell_of(folder), kept=folder).evaluate()
    return {
        "method": method,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "dtypes": sorted({str(p.dtype) for p in policy.model.parameters()}),
        "train_s": round(trained, 1),
        "steps": cost.optimizer_steps,
        "tokens_a_second": round((cost.tokens_generated + cost.tokens_trained) / trained),
        "charged_over_fed": round(cost.flops / fed, 4),
        "accuracy": metrics["accuracy"],
        "kl_to_base": metrics["kl_to_base"],
        "evaluated_again_scores_the_same": repeats,
        "loaded_again_scores_the_same": again.equals(metrics),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])

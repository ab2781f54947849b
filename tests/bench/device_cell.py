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

from rftlab import weights
from rftlab.cell import Cell
from rftlab.experiment import Experiment
from tests.methods.test_cost import Counts


def main(model: str, *methods: str) -> None:
    """Train, evaluate, keep, load again and evaluate again, for each method."""
    for method in methods or ("sft", "grpo"):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(model, method, Path(folder) / "cell")), flush=True)


def measure(model: str, method: str, folder: Path) -> dict[str, Any]:
    """Figures of one cell; its kept policy is loaded again from ``folder``."""
    cell = Cell.make(
        {
            "model": model, "method": method, "task": "arithmetic/word", "answer_format": "lenient", "labels": 50,
            "budget.amount": 10, "evaluation.test_items": 64, "evaluation.ood_items": 0,
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
    experiment.save()
    again = Experiment(weights.cell_of(folder), kept=folder).evaluate()
    return {
        "method": method,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "dtype": str(next(policy.model.parameters()).dtype),
        "train_s": round(trained, 1),
        "steps": cost.optimizer_steps,
        "tokens_a_second": round((cost.tokens_generated + cost.tokens_trained) / trained),
        "charged_over_fed": round(cost.flops / fed, 4),
        "accuracy": metrics["accuracy"],
        "kl_to_base": metrics["kl_to_base"],
        "loaded_again_scores_the_same": again.equals(metrics),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Hold estimates of memory against measured peaks: `python -m tests.bench.memory [METHOD ...] [--model DIR ...]`.

One short cell for each method and model, through the executor that runs a study. Cells that have run are not run again;
`--forget` begins anew. Prints Markdown.
"""

import argparse
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rftlab import registry
from rftlab.advise.measured import Measured, measured
from rftlab.advise.memory import Estimate, estimate
from rftlab.advise.work import PROCESS, Device, work_of
from rftlab.cell import Cell
from rftlab.digests import with_all_digests
from rftlab.execute.kernels import cool, default_kernel, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.experiment import architecture
from rftlab.policy.anatomy import Anatomy
from rftlab.policy.hub import TINY_BASE
from tests.execute.stub_notebook import Quiet

FOLDER = Path("results/bench/memory")
METHODS = (
    "base", "sft", "rejection_sft", "dpo", "grpo", "rloo", "sft+grpo", "chord", "hpt", "interleaved", "ppo", "trpo",
    "acer", "sac", "ddpg", "rlhf", "kto", "distill", "distill-offline", "sdft", "sdpo", "sft-matched-rollouts",
)  # fmt: skip
_REWARD = f"{Path(__file__).with_name('any_reward.py')}:score"
_GROUPS = {"num_generations": 4, "prompts_per_step": 2}
_PASS = {"per_device_train_batch_size": 4}
_FEW: Mapping[str, Mapping[str, Any]] = {
    "sft": _PASS, "rejection_sft": {**_PASS, "samples": 4, "rounds": 1, "min_reward": 0.01},
    "kto": {**_PASS, "generations": 4, "up_from": 0.5},
    "dpo": {**_PASS, "pair_generations": 4}, "grpo": {**_GROUPS, **_PASS}, "rloo": {**_GROUPS, **_PASS},
    "chord": {**_GROUPS, **_PASS, "sft_batch_size": 4}, "hpt": {**_GROUPS, **_PASS},
    "interleaved": {**_GROUPS, **_PASS, "sft_batch_size": 4}, "ppo": {**_GROUPS, **_PASS},
    "trpo": {**_GROUPS, **_PASS}, "acer": {**_GROUPS, **_PASS}, "sac": {**_GROUPS, "batch_size": 4},
    "ddpg": {**_GROUPS, "batch_size": 4, "warmup_updates": 0},
    "rlhf": {**_GROUPS, **_PASS, "pair_generations": 4, "reward_batch_size": 2},
    "distill": {**_GROUPS, **_PASS}, "sdft": {**_GROUPS, **_PASS}, "sdpo": {**_GROUPS, **_PASS},
    "distill-offline": {**_PASS, "samples": 4, "min_reward": 0.01},
    "sft-matched-rollouts": {**_GROUPS, **_PASS, "min_reward": 0.01},
    "sft+grpo": {
        "stages": [
            {"method": "sft", "share": 0.5, "settings": _PASS},
            {"method": "grpo", "share": 0.5, "settings": {**_GROUPS, **_PASS}},
        ]
    },
}  # fmt: skip
_AIM = 0.15


def cell_of(method: str, model: str, **values: Any) -> Cell:
    """A short run: of the tiny base with the settings as they are, of a larger base with few completions."""
    tiny = model == TINY_BASE
    items, sampled, samples = (100, 8, 16) if tiny else (2, 1, 2)
    own = {"teacher": model} if registry.METHODS[method].teacher else {}
    steps = (4.0 if tiny else 2.0) * (2.5 if method == "rlhf" else 1.0)
    return Cell.make(
        {
            "method": method, "model": model, "task": "arithmetic/word", "verifier": _REWARD,
            "labels": 50 if tiny else 8, "settings": {**own, **({} if tiny else _FEW.get(method, {}))},
            "budget.amount": steps, "decoding.max_new_tokens": 48 if tiny else 32, **values,
            "evaluation": {
                "test_items": items, "train_items": items // 2, "ood_items": 0, "sampled_items": sampled,
                "samples": samples, "retention": "", "along_the_way": 0, "along_items": 2,
            },
        }
    )  # fmt: skip


def main() -> int:
    """Run what has not run, and print the table of all that has."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"all, or some of: {', '.join(METHODS)}")
    parser.add_argument("--model", nargs="+", default=[TINY_BASE], help="tiny-base, or a folder")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="of the products")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="compute activations again")
    parser.add_argument("--forget", action="store_true", help="run again what has run")
    options = parser.parse_args()
    if unknown := sorted(set(options.methods) - set(METHODS)):
        parser.error(f"no method {', '.join(unknown)}")
    if options.forget:
        shutil.rmtree(FOLDER, ignore_errors=True)
    asked = {"precision": options.precision, "gradient_checkpointing": options.gradient_checkpointing}
    cells = [cell_of(method, model, **asked) for model in options.model for method in options.methods or METHODS]
    cells = with_all_digests(cells)
    done = {found.cell.id for found in measured(FOLDER, cells)}
    if left := [cell for cell in cells if cell.id not in done]:
        quiet = Quiet()
        run_cells(left, FOLDER, quiet, workers=1, settings=kernel_settings(default_kernel(), 1, keep="none"))
        cool()
        for outcome in quiet.outcomes:
            if outcome.status == "failed":
                print(f"failed: {outcome.cell.label}: {outcome.error}", file=sys.stderr)
    print("\n".join(table(measured(FOLDER, cells))))
    return 0


def table(found: Sequence[Measured]) -> Iterator[str]:
    """Rows of Markdown, and how far off the estimates were."""
    yield "| model | method | estimated, MB | measured, MB | error | without the process | the largest step |"
    yield "|---|---|--:|--:|--:|--:|---|"
    errors = []
    for each, said in zip(found, estimates([each.cell for each in found]), strict=True):
        own = each.peak_bytes - PROCESS["cpu"]
        error, alone = said.peak / each.peak_bytes - 1, (said.peak - PROCESS["cpu"]) / own - 1
        errors.append(abs(error))
        apart = f"{alone:+.0%}" if own > 0.1 * each.peak_bytes else ""
        numbers = f"{said.peak / 1e6:.0f} | {each.peak_bytes / 1e6:.0f} | {error:+.1%} | {apart}"
        yield f"| {Path(each.cell.model).name} | {each.cell.method} | {numbers} | {said.bound} |"
    if errors:
        inside = sum(error <= _AIM for error in errors)
        yield ""
        yield (
            f"{len(errors)} cells: mean error {statistics.fmean(errors):.1%}, largest {max(errors):.1%}, "
            f"{inside} of {len(errors)} within {_AIM:.0%}"
        )


def estimates(cells: Sequence[Cell]) -> list[Estimate]:
    """What the cells were estimated to take, as `rftlab advise` does."""
    values = [cell.model_dump(mode="json") for cell in cells]
    methods = [{"method": c.method, "preset": c.preset, "settings": dict(c.settings)} for c in cells]
    read = architecture.read({"cells": values, "configs": {}, "half": False, "methods": methods, "texts": values})
    return [
        estimate(Anatomy(**anatomy), cell.method, settings, work_of(cell, lengths), Device.of("cpu"))
        for cell, anatomy, settings, lengths in zip(
            cells, read["anatomies"], read["settings"], read["lengths"], strict=True
        )
    ]


if __name__ == "__main__":
    sys.exit(main())

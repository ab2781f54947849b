"""How often the untrained base is right on the rows that labels are drawn from: the file of `rftlab pass-rates`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment.prepared import Prepared
from rftlab.methods.monitor import Monitor
from rftlab.policy.caps import given
from rftlab.policy.rollout import sample
from rftlab.record import write_atomically
from rftlab.record.outcomes import worth
from rftlab.tasks import folds
from rftlab.tasks.base import Example

# What a base is asked at once: rows whose completions are sampled and judged before the next ones.
_AT_ONCE = 32
# Whatever a grid trains, and however: the same base is asked.
_UNTRAINED: dict[str, Any] = {
    "method": "base", "preset": "", "settings": {}, "labels": 0, "prompts": 0, "label_noise": 0.0,
    "label_difficulty": "any", "curriculum": "none", "pass_rates_path": "", "start_from": "", "started_by": "",
    "learning_rates": (), "tuned_by": "", "tuning.trials": 1, "tuning.learning_rates": (), "evaluation.marks": (),
    "processes": 1, "gradient_checkpointing": False, "digests": {}, "seed": 0, "seed_data": 0, "seed_init": 0,
    "seed_sampling": 0,
}  # fmt: skip
_COSTS = ("completions", "tokens_generated", "verifier_calls", "flops", "seconds")


@dataclass(frozen=True)
class Measured:
    """Pass rates of rows, and how they came about.

    Attributes:
        made: base, task, wording, decoding, samples and cost, by name.
        rows: pass rate in [0, 1] by the row's id.
    """

    made: dict[str, Any]
    rows: dict[str, float]

    def write(self, path: str | Path) -> Path:
        """Write a file that `pass_rates_path` takes, whole or not at all."""
        path = Path(path)
        write_atomically(path, json.dumps({**self.made, "rows": self.rows}, indent=1) + "\n")
        return path

    def __str__(self) -> str:
        rates = sorted(self.rows.values(), reverse=True)
        size = max(1, len(rates) // 3)
        thirds = [rates[:size], rates[size:-size] or rates, rates[-size:]]
        means = ", ".join(f"{sum(part) / len(part):.2f}" for part in thirds)
        never, always = (sum(rate == end for rate in rates) / len(rates) for end in (0, 1))
        return (
            f"{self.made['model']} on {len(rates)} rows of {self.made['task']}, {self.made['samples']} samples each: "
            f"pass rate {sum(rates) / len(rates):.2f} (0 on {never:.0%} of the rows, 1 on {always:.0%}); easy, middle "
            f"and hard third {means}; {self.made['flops']:.2g} FLOPs"
        )


def measure_pass_rates(
    cells: Sequence[Cell], *, rows: int, samples: int, on_progress: Callable[[int, int], None] = lambda done, of: None
) -> Measured:
    """Ask the cells' base about rows of their task's pool, at their temperature, and have the verifier judge.

    With folds the pool is all rows: each of them may be a label of some seed.

    Args:
        cells: of one base, task and wording, such as those of a grid; how they train does not matter.
        rows: how many of the pool's rows, evenly spread; all of them if there are fewer.
        samples: completions of each.
        on_progress: called with rows done and rows in all.

    Raises:
        RftlabError: the cells ask several bases, tasks or wordings, or no row can be judged.
    """
    asked = {base.id: base for base in (_base_of(cell) for cell in cells)}
    if len(asked) != 1:
        raise RftlabError(f"the grid asks {len(asked)} different bases, tasks or wordings; pass rates are of one")
    run = Prepared(next(iter(asked.values())))
    cell, policy, cot = run.capped, run.policy, run.capped.cot
    labelled = folds.rows(run.task)
    pool = labelled if run.verifier.needs_gold else labelled or run.task.prompts
    if not pool:
        raise RftlabError(f"task {run.task.name!r} has no row with an answer, which verifier needs; add answers")
    chosen = [pool[i * len(pool) // min(rows, len(pool))] for i in range(min(rows, len(pool)))]
    generator = torch.Generator(policy.device).manual_seed(cell.seed_sampling)
    found: dict[str, float] = {}

    def ask(examples: Sequence[Example]) -> None:
        each = [example for example in examples for _ in range(samples)]
        prompts = [policy.encode_prompt(policy.prompt_text(example, cot=cot)) for example in each]
        rollouts = sample(
            policy, prompts, max_new_tokens=given(cell, cot=cot), generator=generator,
            temperature=cell.decoding.temperature, top_p=cell.decoding.top_p,
        )  # fmt: skip
        monitor.sampled(rollouts)
        scores = run.verifier.score([policy.decode(r.completion_ids, cot=cot) for r in rollouts], each)
        monitor.verified([score.reward for score in scores])
        right = [worth({"reward": score.reward}, cell.evaluation.decides) for score in scores]
        for i, example in enumerate(examples):
            found[example.id] = sum(right[i * samples : (i + 1) * samples]) / samples

    with Monitor(policy, cell.budget) as monitor:
        for start in range(0, len(chosen), _AT_ONCE):
            ask(chosen[start : start + _AT_ONCE])
            on_progress(len(found), len(chosen))
    cost = asdict(monitor.cost)
    made = {
        "model": cell.model, "base": policy.base_hash, "task": cell.task_name, "cot": cot,
        "template": policy.template.name, "temperature": cell.decoding.temperature, "top_p": cell.decoding.top_p,
        "max_new_tokens": given(cell, cot=cot), "samples": samples, **{name: cost[name] for name in _COSTS},
    }  # fmt: skip
    return Measured(made, found)


def _base_of(cell: Cell) -> Cell:
    return Cell.make({**cell.flat(), **_UNTRAINED, "cot_eval": cell.cot})

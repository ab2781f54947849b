"""Made-up records, written as the training column writes them, with effects that the tests know."""

import hashlib
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.contract import FIELDS, NA, ONE_SPLIT, grouped, of_cell
from rftlab.folds import Folds
from rftlab.record import Record, cells_dir
from rftlab.registry import METHODS

UNTRAINED = ("base", "base-few-shot", "base-maj")
BEYOND = (
    "ood_rule_accuracy", "ood_surface_accuracy", "retention_accuracy", "retention_chain_accuracy",
    "retention_dose_accuracy",
)  # fmt: skip
SKILL = {"base": 0.1, "sft": 0.2, "grpo": 0.84, "sft+grpo": 0.86}


def skill(cell: Cell) -> float:
    """Chance of a correct greedy answer: GRPO leads with few labels, SFT catches up with many; nobody without CoT."""
    ceiling = 1.0 if cell.cot_eval else 0.35
    if cell.method == "base":
        return SKILL["base"] * ceiling * 2
    if cell.method == "sft":
        return min(0.2 + 0.22 * math.log10(max(cell.labels, 1) / 3), 0.9) * ceiling
    return SKILL.get(cell.method, 0.6) * ceiling


def untrained(cell: Cell) -> bool:
    """Whether a made-up cell is of a base, with or without examples in its prompt."""
    return cell.method in UNTRAINED


def write_cell(
    results: Path, values: Mapping[str, Any], *, items: int = 40, beyond: bool = False, **changes: Any
) -> Record:
    """One record with its trace and samples; ``changes`` replace fields of the Record.

    With ``beyond`` also both kinds of out-of-distribution items, and two tasks that it was not trained on.
    """
    cell = Cell.make(values)
    rng = random.Random(cell.id)
    chance = skill(cell) + (0 if untrained(cell) else rng.gauss(0, 0.02))
    samples = list(_samples(cell, rng, chance, items))
    means = {part: _mean(row["reward"] for row in samples if row["part"] == part) for part in ("test", "train", "ood")}
    sampled = _mean(row["reward"] for row in samples if row["part"] == "sampled")
    more = list(_beyond(cell, rng, chance, items)) if beyond else []
    record = Record(
        cell=cell.model_dump(mode="json"),
        id=cell.id,
        contract=contract(cell),
        metrics={
            "accuracy": means["test"],
            "accuracy_lenient": means["test"],
            "train_accuracy": means["train"],
            "ood_accuracy": means["ood"],
            "generalisation_gap": None if means["train"] is None else means["train"] - means["test"],
            "sampled_accuracy": sampled,
            "pass_at_2": min(1.0, 1.4 * sampled),
            "pass_at_4": None,
            "pass_at_8": min(1.0, 2 * sampled),
            "format_rate": 0.97,
            "truncation_rate": 0.01,
            "completion_tokens": 20.0,
            "kl_to_base": None if untrained(cell) else 0.1,
            "learning_rate": None if untrained(cell) else 5e-4,
            **{name: _mean(row["reward"] for row in more if name in row["measures"]) for name in BEYOND if beyond},
        },
        cost=cost(cell),
        environment={"python": "3.11", "libraries": {"torch": "2.13.0"}, "git_commit": None},
        warnings=("tiny base: no evidence about large models",) if cell.model == "tiny-base" else (),
    )
    record = Record(**{**{name: getattr(record, name) for name in record.__dataclass_fields__}, **changes})
    record.write(cells_dir(results) / record.id, trace=_trace(cell, chance), samples=[*samples, *more])
    return record


def write_grid(
    results: Path,
    *,
    tasks: Sequence[str] = ("arithmetic/word",),
    methods: Sequence[str] = ("base", "sft", "grpo"),
    labels: Sequence[int] = (10, 50, 300),
    cots: Sequence[bool] = (False, True),
    seeds: Sequence[int] = (0, 1),
    items: int = 40,
    **parameters: Any,
) -> list[Record]:
    """Every combination, the base once per task, prompt and seed."""
    cells = [
        {"task": task, "method": method, "labels": n, "cot": cot, "seed": seed, **parameters}
        for task in tasks
        for method in methods
        for n in ((0,) if method == "base" else labels)
        for cot in cots
        for seed in seeds
    ]
    return [write_cell(results, values, items=items) for values in cells]


def _samples(cell: Cell, rng: random.Random, chance: float, items: int) -> Iterable[dict[str, Any]]:
    sizes = {"test": items, "train": min(cell.labels, items), "ood": items // 2, "sampled": items // 4}
    shift = {"test": 0.0, "train": 0.08, "ood": -0.15, "sampled": -0.1}
    for part, size in sizes.items():
        for number in _fold(cell, size) if part in ("test", "sampled") else range(size):
            item = f"{'test' if part == 'sampled' else part}-{number}"
            # A hard item is hard for every method and seed: outcomes of one item are correlated.
            draws = random.Random(f"{cell.task}{item}") if untrained(cell) else rng
            hard = random.Random(f"{cell.task}{item}").gauss(0, 0.15)
            for draw in range(4 if part == "sampled" else 1):
                right = float(draws.random() < chance + shift[part] + hard)
                row = {
                    "part": part, "item": item, "draw": draw, "prompt": f'Q: "{item}"?', "completion": "A",
                    "answer": "A", "extracted": "A", "correct": right, "reward": right, "format_ok": True,
                    "length": 12, "truncated": False,
                }  # fmt: skip
                yield row
                if part == "test":
                    yield from ({**row, "part": "mark", "mark": mark} for mark in _reached(cell))


def _fold(cell: Cell, items: int) -> list[int]:
    """The items of a made-up cell's fold; all of them where its task has none."""
    repeat, part = divmod(cell.seed, cell.task_settings.get("folds", 1))
    numbers = list(range(items))
    random.Random(repeat).shuffle(numbers)
    return sorted(numbers[part :: cell.task_settings.get("folds", 1)])


def _reached(cell: Cell) -> list[float]:
    """The marks that a made-up run crossed."""
    return [mark for mark in cell.evaluation.marks if mark <= (cost(cell)["flops"] or 0)]


def _beyond(cell: Cell, rng: random.Random, chance: float, items: int) -> Iterable[dict[str, Any]]:
    """Rows of both kinds of items out of distribution, and of two other tasks: RFT keeps what SFT loses."""
    fallen = {"sft": 0.3}.get(cell.method, 0.0)
    kinds = [("ood", {"kind": "rule"}, "ood_rule_accuracy"), ("ood", {"kind": "surface"}, "ood_surface_accuracy")]
    kinds += [("retention", {"task": name}, f"retention_{name}_accuracy") for name in ("chain", "dose")]
    for part, told, name in kinds:
        for number in range(items):
            right = float(rng.random() < (0.8 if part == "retention" else chance) - fallen)
            yield {
                "part": part, **told, "item": f"{name}-{number}", "draw": 0, "prompt": "Q?", "completion": "A",
                "answer": "A", "extracted": "A", "correct": right, "reward": right, "format_ok": True, "length": 12,
                "truncated": False, "measures": [name, f"{part}_accuracy"],
            }  # fmt: skip


def _trace(cell: Cell, chance: float) -> Iterable[dict[str, Any]]:
    for step in range(0, 41, 4):
        reached = 0.1 + (chance - 0.1) * (1 - math.exp(-step / 12))
        spent = {axis: (step / 40) * (cost(cell)[axis] or 0) for axis in ("tokens_generated", "tokens_trained")}
        spent |= {"flops": step * 1e9, "seconds": step * 0.4}
        if step % 10 == 0 or step == 40:
            yield {"step": step, "kind": "eval", **spent, "eval/accuracy": reached, "eval/ood_accuracy": reached / 2}
        if not untrained(cell) and step:
            reward = {"train/reward": min(1.0, reached + 0.05)} if "grpo" in cell.method else {}
            yield {"step": step, "kind": "train", **spent, "train/loss": 2 - reached, **reward}


def cost(cell: Cell) -> dict[str, float | None]:
    """What a made-up cell spent."""
    if untrained(cell):
        return dict.fromkeys(
            ("optimizer_steps", "tokens_generated", "tokens_trained", "flops", "seconds", "verifier_calls"), 0
        ) | {"peak_memory_bytes": 4e8}
    rl = "grpo" in cell.method
    scale = 1 + 0.1 * math.log10(max(cell.labels, 1))
    return {
        "optimizer_steps": 40,
        "tokens_generated": int(90_000 * scale) if rl else 0,
        "tokens_trained": int((250_000 if rl else 30_000) * scale),
        "flops": (4e11 if rl else 6e10) * scale,
        "seconds": (16.0 if rl else 3.0) * scale,
        "verifier_calls": 2560 if rl else 0,
        "peak_memory_bytes": 4e8,
        "tuning_flops": None,
        "tuning_seconds": None,
    }


def contract(cell: Cell) -> dict[str, Any]:
    """Its contract, with nothing unknown."""
    trains = not untrained(cell)
    drawn = hashlib.sha256(f"{cell.task}{cell.labels}{cell.seed_data}".encode()).hexdigest()[:12]
    trained_cap = cell.decoding.max_new_tokens if cell.cot else cell.decoding.max_new_tokens_direct
    when_run = {name: f"{name} x" for name, field in FIELDS.items() if field.group == "match" and name != "spent"}
    if_trained = {"label_ids": drawn, "token_cap_training": trained_cap, "tuning_rates": [1e-3]}
    caps = {"token_cap": cell.max_new_tokens, "method_code": f"{cell.method} version 1", "batch": 16 if trains else NA}
    asked = bool(getattr(METHODS.get(cell.method), "prompts", False)) and trains
    caps |= {
        "prompts": cell.prompts if asked else NA,
        "prompt_ids": f"{cell.prompts} x" if cell.prompts and asked else NA,
    }
    applies = {name: value if trains else NA for name, value in if_trained.items()}
    count = cell.task_settings.get("folds")
    dealt = {"folds": Folds(count, 40).written, "fold": f"{cell.seed}"} if count else {"folds": ONE_SPLIT, "fold": NA}
    return grouped({**when_run, **of_cell(cell), **applies, **caps, **dealt})


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None

"""A made-up study whose completions are texts that a test can judge."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rftlab.record import cells_dir
from tests import synthetic

Text = Callable[[str, int, int], str]


def write_study(
    results: Path, text: Text, *, methods: Sequence[str] = ("base", "sft", "dpo"), seeds: int = 3, items: int = 6
) -> Path:
    """Records of each method, greedy answers alone: ``text(method, seed, number)`` is its completion of an item."""
    for method in methods:
        for seed in range(seeds):
            labels = 0 if method == "base" else 10
            values = {"task": "creative/tiny", "method": method, "labels": labels, "cot": False, "seed": seed}
            record = synthetic.write_cell(results, values)
            rows = [_row(number, text(method, seed, number)) for number in range(items)]
            record.write(cells_dir(results) / record.id, trace=[], samples=rows)
    return results


def _row(number: int, text: str) -> dict[str, object]:
    return {
        "part": "test", "item": f"test-{number}", "draw": 0, "prompt": f"Rhyme {number}.", "completion": text,
        "answer": "", "extracted": text, "correct": 1.0, "reward": 1.0, "format_ok": True, "length": len(text),
        "truncated": False,
    }  # fmt: skip

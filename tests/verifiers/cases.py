"""The tables in tests/cases: completion, gold, expected reward, and where the row comes from."""

import json
from pathlib import Path
from typing import Any

from rftlab.tasks.base import Example

FOLDER = Path(__file__).parents[1] / "cases"
DOCS = FOLDER.parents[1] / "docs" / "verifiers.md"


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def require_expected(rows: list[dict[str, Any]], rewards: list[float]) -> None:
    """Every row is rewarded as the table says; those that are not are named with what they got."""
    assert len(rows) > 100
    wrong = [
        f"{row['completion'][:80]!r} for {row['gold'][:40]!r}: {reward}, not {row['expected']}"
        for row, reward in zip(rows, rewards, strict=True)
        if reward != row["expected"]
    ]
    assert wrong == []


def require_figures_of_docs(name: str, rows: list[Any], rewards: list[float]) -> None:
    """The page on verifiers says how many right and wrong rows there are, and how many are misjudged."""
    line = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    right = sum(row["expected"] for row in rows)
    assert [*cells[1:3], *cells[5:7]] == [str(n) for n in (right, len(rows) - right, *misjudged(rows, rewards))]


def misjudged(rows: list[Any], rewards: list[float]) -> tuple[int, int]:
    """How many wrong rows are paid, and how many right ones refused."""
    pairs = [(row["expected"], reward) for row, reward in zip(rows, rewards, strict=True)]
    return sum(reward > expected for expected, reward in pairs), sum(reward < expected for expected, reward in pairs)


def as_example(row: dict[str, Any]) -> Example:
    """The example of a row."""
    return example(row["gold"], row.get("prompt", ""), **row.get("meta", {}))


def example(gold: str, prompt: str = "", /, **meta: Any) -> Example:
    return Example("e", prompt, gold, None, meta)


def reward(verifier: Any, answer: str, gold: str = "", /, **meta: Any) -> float:
    return verifier(f"<answer>{answer}</answer>", example(gold, **meta)).reward

"""The tables in tests/cases: completion, gold, expected reward, and where the row comes from."""

import json
from pathlib import Path
from typing import Any

import pytest

from rftlab.tasks.base import Example

FOLDER = Path(__file__).parents[1] / "cases"


def load(name: str) -> list[Any]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [pytest.param(row, id=f"{row['completion'][:40]} | {row['gold'][:20]}") for row in rows]


def example(gold: str, prompt: str = "", /, **meta: Any) -> Example:
    return Example("e", prompt, gold, None, meta)


def reward(verifier: Any, answer: str, gold: str = "", /, **meta: Any) -> float:
    return verifier(f"<answer>{answer}</answer>", example(gold, **meta)).reward

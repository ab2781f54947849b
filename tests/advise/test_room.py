"""Cells that would not fit into memory are named before they start."""

from collections.abc import Sequence
from typing import Any

import pytest

from rftlab.advise import room
from rftlab.advise.architecture import counted
from rftlab.advise.hardware import Hardware
from rftlab.advise.room import lacking
from rftlab.cell import Cell
from rftlab.policy.hub import TINY_BASE, locate


def test_what_would_not_fit_is_said_with_what_would_help() -> None:
    model = str(locate(TINY_BASE))
    cells = [Cell.make({"model": model, "method": name, "seed": seed}) for name in ("sft", "grpo") for seed in (0, 1)]
    assert lacking(cells, 2, hardware=Hardware("a server", "cpu", 1e11)) == []
    sft, grpo = lacking(cells, 2, hardware=Hardware("a board", "cpu", 3e8))
    assert sft.startswith(f"cells of sft on {model} would take about ")
    assert "2 of them at once" in sft
    assert "a board has 300 MB: give a smaller model" in grpo
    assert any("--workers 1" in said for said in lacking(cells, 2, hardware=Hardware("a laptop", "cpu", 9e8)))


def test_a_smaller_pass_is_advised_where_it_fits() -> None:
    model = str(locate(TINY_BASE))
    cell = Cell.make({"model": model, "method": "grpo", "decoding.max_new_tokens": 400, "labels": 10})
    (said,) = lacking([cell], 1, hardware=Hardware("a laptop", "cpu", 1.2e9))
    assert 'give settings {"per_device_train_batch_size": ' in said


def test_the_texts_of_a_task_are_measured_once_for_all_label_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[Cell]] = []

    def counting(*arguments: Any, **more: Any) -> dict[str, Any]:
        asked.append(arguments[3])
        return counted(*arguments, **more)

    monkeypatch.setattr(room, "counted", counting)
    model = str(locate(TINY_BASE))
    cells = [Cell.make({"model": model, "labels": labels, "seed": labels}) for labels in (10, 100)]
    (said,) = lacking(cells[:1], 1, hardware=Hardware("a board", "cpu", 3e8))
    assert said in lacking(cells, 1, hardware=Hardware("a board", "cpu", 3e8))
    assert [len(texts) for texts in asked] == [1, 1]


def test_the_tiny_base_is_not_looked_at() -> None:
    assert lacking([Cell.make({"method": "grpo"})], 64, hardware=Hardware("a watch", "cpu", 1.0)) == []

"""Completion caps: worked out from the data, the same before the run and in the cell, and said where they cut."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.policy import caps
from rftlab.policy.caps import Probe, caps_of
from rftlab.preflight import checks
from rftlab.tasks.base import Example, Task

BARE = """
import dataclasses
from rftlab.tasks.base import load_task

def make(answer=""):
    task = load_task("arithmetic/word", {"train": 120, "test": 20, "ood": 0})
    def bare(examples):
        return tuple(dataclasses.replace(e, rationale=None, answer=answer or e.answer) for e in examples)
    return dataclasses.replace(task, train=bare(task.train), test=bare(task.test))
"""


def notes(cell: Cell) -> list[str]:
    """What the checks before a run say of caps, in this process."""
    found = checks.run({"cells": [cell.model_dump(mode="json")], "limit": 60.0})
    return [note for note in found["notes"] if "cap" in note or "cuts" in note]


def toy(rationales: list[int]) -> Task:
    """A task whose rationales have so many words; 0 for none."""
    train = [Example(f"e{i}", f"q{i}", "a", "x " * n or None) for i, n in enumerate(rationales)]
    return Task("toy", "A card.", tuple(train), (Example("t", "t", "a"),))


def words(examples: Any, cot: bool) -> list[int]:
    return [len((example.rationale or "").split()) if cot else 3 for example in examples]


def no_probe(_cot: bool) -> Probe:
    raise AssertionError("the base must not be asked")


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=400))
def test_a_worked_out_cap_cuts_at_most_one_in_a_hundred_and_is_a_quarter_above_them(lengths: list[int]) -> None:
    cap = caps_of(Cell(), toy(lengths), words, no_probe)[True]
    assert cap.tokens % 8 == 0
    assert sum(length > cap.tokens for length in lengths) <= 0.01 * len(lengths)
    kept = sorted(lengths)[: math.ceil(0.99 * len(lengths))]
    assert max(16, 1.25 * kept[-1]) <= cap.tokens < max(17, 1.25 * kept[-1] + 8)


def test_few_rationales_do_not_stand_for_the_pool() -> None:
    probe = Probe([30, 40, 50], 64, 500)
    assert caps_of(Cell(), toy([9] * 20 + [0] * 80), words, no_probe)[True].source == "20 gold completions"
    few = caps_of(Cell(), toy([9] * 19 + [0] * 81), words, lambda _: probe)[True]
    assert (few.tokens, few.source) == (64, "3 correct completions of 64 by the base")
    assert caps_of(Cell(), toy([9] * 3), words, no_probe)[True].source == "3 gold completions"
    assert caps_of(Cell(), toy([0]), words, lambda _: Probe([490], 64, 500))[True].tokens == 500
    none = caps_of(Cell(), toy([0]), words, lambda _: Probe([], 64, 1024))[True]
    assert (none.tokens, none.source) == (512, "no rationales, and none of 64 completions by the base correct")


def test_a_large_pool_is_counted_evenly_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "_MAX_COUNTED", 30)
    cap = caps_of(Cell(), toy([10] * 60 + [400] * 41), words, no_probe)[True]
    assert (cap.source, cap.tokens) == ("26 gold completions", 504)


def test_each_way_a_cell_asks_has_its_cap_and_what_is_given_is_taken() -> None:
    cell = Cell.make({"cot": True, "cot_eval": False, "decoding.max_new_tokens": 7})
    found = caps_of(cell, toy([100] * 50), words, no_probe)
    assert {cot: (cap.tokens, cap.source) for cot, cap in found.items()} == {
        True: (7, "given"),
        False: (16, "50 gold completions"),
    }
    whole = caps.capped(cell, found)
    assert (whole.decoding.max_new_tokens, whole.decoding.max_new_tokens_direct, whole.max_new_tokens) == (7, 16, 16)
    assert whole.model_copy(update={"decoding": cell.decoding}) == cell


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "cap: 40 tokens with chain-of-thought, from 1000 gold completions"),
        ({"cot": False}, "cap: 16 tokens without chain-of-thought, from 1000 gold completions"),
        ({"decoding.max_new_tokens": 40}, ""),
        ({"decoding.max_new_tokens": 12}, "decoding.max_new_tokens: 12 cuts 100% of 1000 gold .* with .*; 40 would do"),
        ({"cot": False, "decoding.max_new_tokens_direct": 3}, "max_new_tokens_direct: 3 cuts .* without .*; 16 would"),
        ({"cot": False, "decoding.max_new_tokens": 3}, "cap: 16 tokens without"),
    ],
)
def test_caps_are_said_before_anything_runs(values: dict[str, Any], says: str, small_cell: Callable[..., Cell]) -> None:
    said = notes(small_cell(**values))
    assert len(said) == bool(says)
    for note in said:
        assert note.startswith("arithmetic/word with tiny-base: ")
        assert re.search(says, note)


def test_the_cell_works_out_the_cap_that_was_said_and_stays_the_cell_asked_for(
    small_cell: Callable[..., Cell],
) -> None:
    cell = small_cell(method="grpo", settings={"prompts_per_step": 2, "num_generations": 4})
    experiment = Experiment(cell)
    experiment.train()
    experiment.evaluate()
    record = experiment.record()
    assert notes(cell)[0].endswith("cap: 40 tokens with chain-of-thought, from 1000 gold completions")
    assert record.contract["match"]["token_cap"] == experiment.capped.max_new_tokens == 40
    assert record.environment["completion_caps"] == {"cap with chain-of-thought": "40 tokens, 1000 gold completions"}
    assert record.id == experiment.cell.id != experiment.capped.id
    assert record.cell["decoding"]["max_new_tokens"] == 0
    assert experiment._outcome is not None
    assert max(row["length"] for row in experiment._outcome.samples) <= 40


def test_without_rationales_the_bases_correct_completions_say_how_long_thinking_gets(
    small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    (tmp_path / "bare.py").write_text(BARE)
    cell = small_cell(task=f"{tmp_path}/bare.py:make", method="grpo", **{"evaluation.ood_items": 0})
    (said,) = notes(cell)
    experiment = Experiment(cell)
    cap = experiment.caps[True]
    assert said.endswith(cap.note)
    assert "correct completion" in cap.source
    assert 16 <= cap.tokens <= 64
    other = small_cell(task=cell.task, method="grpo", seed=3, labels=20, **{"evaluation.ood_items": 0})
    assert Experiment(other).caps == experiment.caps
    hopeless = small_cell(task=cell.task, task_settings={"answer": "ZZ"}, method="base", **{"evaluation.ood_items": 0})
    found = Experiment(hopeless).caps[True]
    assert found.source == "no rationales, and none of 64 completions by the base correct"
    # The tiny base has room for 512 tokens of prompt and completion together.
    assert 400 < found.tokens < 512

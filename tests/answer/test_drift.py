"""Claim 10 on runs of the tiny base: two methods that go on from one policy after the rule of its task has changed."""

import shutil
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from rftlab.answer.decisions import decide
from rftlab.answer.ledger import Ledger, ledger
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.digests import settled
from rftlab.experiment import Experiment
from rftlab.record import SAMPLES, read, read_lines
from tests.conftest import SMALL

MARKS = (1.0, 5e8, 1.5e9)


def ran(results: Path, **values: Any) -> Path:
    cell = settled(Cell.make({**SMALL, "labels": 10, **values}))
    experiment = Experiment(cell, out=results / "cells" / cell.id)
    experiment.train()
    experiment.evaluate()
    experiment.save()
    return experiment.folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An arm on the old rule, and two that go on from it with 10 labels of the new one."""
    results = tmp_path_factory.mktemp("drift")
    parent = ran(results, task="arithmetic/word", method="sft", **{"budget.amount": 4.0})
    new = {
        "task": "arithmetic/word_both",
        "start_from": str(parent),
        "started_by": "word sft, 0a1b2c",
        "verifier": "story",
        "budget": {"amount": 4.0, "until": "plateau", "patience": 4},
        "evaluation": {**SMALL["evaluation"], "along_the_way": 5, "marks": MARKS, "retention": "arithmetic/word"},
    }
    return {"parent": parent, "sft": ran(results, method="sft", **new), "grpo": ran(results, method="grpo", **new)}


def read_ledger(study: dict[str, Path]) -> Ledger:
    results = read_results(study["parent"].parents[1])
    return ledger(results, decide(results))


def area(folder: Path) -> float:
    """Mean accuracy from the first mark to the last, by straight lines."""
    rows = list(read_lines(folder / SAMPLES))
    at = {m: fmean(r["reward"] for r in rows if r["part"] == "mark" and r["mark"] == m) for m in MARKS}
    pieces = [(b - a) * (at[a] + at[b]) / 2 for a, b in pairwise(MARKS)]
    return sum(pieces) / (MARKS[-1] - MARKS[0])


def test_the_area_is_between_the_marks_that_both_have_and_begins_at_the_same_accuracy(study: dict[str, Path]) -> None:
    found, kept = read_ledger(study).claim(10)
    assert found.estimate == pytest.approx(area(study["grpo"]) - area(study["sft"]))
    assert (found.seeds, found.items, found.status) == (1, 8, "inconclusive")
    assert set(found.cells) == {study["sft"].name, study["grpo"].name}
    assert "no arms with 0 and 30 new labels" in found.failed
    accuracy = read(study["parent"]).metrics["accuracy"]
    assert f"on arithmetic/word these reach {100 * accuracy:.0f} %" in found.notes[0]
    retained = {name: read(study[name]).metrics["retention_accuracy"] for name in ("sft", "grpo")}
    assert kept.estimate == pytest.approx(retained["grpo"] - retained["sft"])
    assert kept.part == "what is kept of the old rule"
    assert f"grpo {100 * retained['grpo']:.0f} % at 10" in kept.notes[0]


def test_without_new_labels_rft_tries_the_new_rule_and_sft_stays_where_it_is(study: dict[str, Path]) -> None:
    results = study["parent"].parents[1]
    own = read(study["grpo"]).parameters
    folder = ran(results, **{**own.flat(), "labels": 0, "prompts": 12, "digests": {}})
    try:
        found, _ = read_ledger(study).claim(10)
        assert "no arms with 30 new labels" in found.failed
        marked = [row for row in read_lines(folder / SAMPLES) if row["part"] == "mark" and row["mark"] == MARKS[0]]
        at_0 = area(folder) - fmean(row["reward"] for row in marked)
        at_10 = area(study["grpo"]) - area(study["sft"])
        # 0 labels stand where 1 does: the area between two budgets is their mean, whatever the distance.
        assert found.estimate == pytest.approx((at_0 + at_10) / 2)
    finally:
        shutil.rmtree(folder)


def test_a_study_in_which_nothing_goes_on_from_a_policy_says_so(study: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(study["parent"], tmp_path / "cells" / study["parent"].name)
    results = read_results(tmp_path)
    (row,) = ledger(results, decide(results)).claim(10)
    assert (row.status, row.needed) == ("not tested", "no arm goes on from a kept policy; docs/drift.md has a grid")

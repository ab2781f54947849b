"""The claims ledger on made-up records whose truth is known."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rftlab.answer.decisions import decide
from rftlab.answer.ledger import CLAIMS, Ledger, Row, ledger
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.execute.results import read_grid, write_grid
from rftlab.grid import Grid
from tests import synthetic

Skill = Mapping[str, float | Callable[[Cell], float]]
FOUR = ("sft", "grpo", "grpo-random", "grpo-format")


class Study:
    """A folder of made-up records, right as often as ``skill`` says, and its ledger."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, items: int = 80) -> None:
        self.folder, self.results, self.items = folder, folder / "results", items
        self._patch = monkeypatch

    def run(self, skill: Skill, text: str, *, tuned: bool = True) -> Ledger:
        """Adds the cells of a grid, and reads all there are; ``text`` is YAML."""

        def chance(cell: Cell) -> float:
            found = skill.get(cell.method, 0.1)
            return found(cell) if callable(found) else found

        self._patch.setattr(synthetic, "skill", chance)
        path = self.folder / "study.yaml"
        path.write_text(text)
        made = Grid.load(path)
        stage = {"tuned_by": "3 seeds, 50 items, at 10 labels, 123456789abc"} if tuned else {}
        cells = [each if synthetic.untrained(each) else Cell.make(each.flat() | stage) for each in made.cells]
        there = read_grid(self.results).cells if self.results.exists() else ()
        self.results.mkdir(exist_ok=True)
        write_grid(self.results, replace(made, cells=(*there, *cells)))
        for cell in cells:
            synthetic.write_cell(self.results, cell.flat(), items=self.items)
        read = read_results(self.results)
        return ledger(read, decide(read))


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """An empty one."""
    return Study(tmp_path, monkeypatch)


def grid(methods: tuple[str, ...] = FOUR, labels: tuple[int, ...] = (10, 30, 100), seeds: int = 3, **more: Any) -> str:
    """The text of a grid."""
    lines = {"method": list(methods), "labels": list(labels), "seed": list(range(seeds)), "max_seeds": seeds, **more}
    return "".join(f"{name}: {value}\n".replace("'", "") for name, value in lines.items())


def row(found: Ledger, number: int, part: str = "") -> Row:
    return next(each for each in found.claim(number) if part in ("", each.part))


def test_a_claim_is_supported_where_its_difference_is_above_0_and_worth_having(study: Study) -> None:
    found = row(study.run({"sft": 0.3, "grpo": 0.8}, grid(claims=[1])), 1)
    assert (found.status, found.family, found.part, found.failed) == ("supported", "confirmatory", "greedy", ())
    assert found.low > 0.05
    assert (found.seeds, found.items) == (3, 80)
    assert "does not meet the rule" in found.controls


def test_a_claim_is_contradicted_where_the_truth_is_the_opposite(study: Study) -> None:
    found = row(study.run({"sft": 0.8, "grpo": 0.3}, grid()), 1)
    assert (found.status, found.family) == ("contradicted", "exploratory")
    assert found.high < 0


def test_a_control_that_meets_the_same_rule_takes_the_support_away(study: Study) -> None:
    found = row(study.run({"sft": 0.3, "grpo": 0.8, "grpo-random": 0.8}, grid()), 1)
    assert found.status == "inconclusive"
    assert "grpo-random meets the same rule" in found.failed[0]
    assert found.low > 0


def test_without_controls_or_a_tuning_stage_nothing_is_supported(study: Study) -> None:
    found = row(study.run({"sft": 0.3, "grpo": 0.8}, grid(("base", "sft", "grpo")), tuned=False), 1)
    assert found.status == "inconclusive"
    assert found.failed == (
        "no tuning stage chose the learning rate of grpo and sft",
        "controls were not run: grpo-random and grpo-format",
    )
    assert "grpo-random" in found.include


def test_every_claim_has_a_row_also_in_a_study_of_one_cell(study: Study) -> None:
    found = study.run({}, grid(("base",), (10,), 1))
    assert [each.claim for each in found.rows] == list(CLAIMS)
    assert {each.status for each in found.rows} == {"not tested"}

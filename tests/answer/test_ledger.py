"""The claims ledger on made-up records whose truth is known."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab import cli, stats
from rftlab.answer.decisions import decide
from rftlab.answer.ledger import CLAIMS, Ledger, Row, contrasts, ledger, reasoning
from rftlab.answer.ledger.beyond import less_other_items
from rftlab.answer.ledger.book import RULES, points
from rftlab.answer.ledger.rows import Size, decided
from rftlab.answer.ledger.view import View
from rftlab.answer.more_seeds import Undecided, what_would_show
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.execute.results import read_grid, write_grid
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from tests import synthetic

Skill = Mapping[str, float | Callable[[Cell], float]]
FOUR = ("sft", "grpo", "grpo-random", "grpo-format")


class Study:
    """A folder of made-up records, right as often as ``skill`` says, and its ledger."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.results = folder, folder / "results"
        self._patch = monkeypatch

    def run(self, skill: Skill, text: str, *, items: int = 80, tuned: bool = True, beyond: bool = False) -> Ledger:
        """Adds the cells of a grid, given as YAML, and reads all there are."""
        (self.folder / "study.yaml").write_text(text)
        return self.add(skill, Grid.load(self.folder / "study.yaml"), items=items, tuned=tuned, beyond=beyond)

    def add(self, skill: Skill, grid: Grid, *, items: int = 80, tuned: bool = True, beyond: bool = False) -> Ledger:
        """Adds the cells of a grid."""

        def chance(cell: Cell) -> float:
            found = skill.get(cell.method, 0.1)
            return found(cell) if callable(found) else found

        self._patch.setattr(synthetic, "skill", chance)
        stage = {"tuned_by": "3 seeds, 50 items, at 10 labels, 123456789abc"} if tuned else {}
        cells = [each if synthetic.untrained(each) else Cell.make(each.flat() | stage) for each in grid.cells]
        there = read_grid(self.results).cells if self.results.exists() else ()
        self.results.mkdir(exist_ok=True)
        write_grid(self.results, replace(grid, cells=(*there, *(cell for cell in cells if cell not in there))))
        for cell in cells:
            if cell not in there:
                synthetic.write_cell(self.results, cell.flat(), items=items, beyond=beyond)
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
    assert "random-reward GRPO meets the same rule" in found.failed[0]
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
    assert list(found.table["claim"]) == list(range(1, 14))


def test_the_command_prints_the_ledger_and_one_claim_with_its_block(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    found = study.run({}, grid(("base",), (10,), 1))
    assert cli.main(["claims", str(study.results)]) == 0
    assert capsys.readouterr().out == f"{found}\n"
    assert cli.main(["claims", str(study.results), "--claim", "1"]) == 0
    out = capsys.readouterr().out
    assert "published (second-hand): Predibase 2025" in out
    assert textwrap.indent(row(found, 1).include, "    ").rstrip() in out


@pytest.mark.parametrize("arguments", [["nowhere"], ["nowhere", "--claim", "14"]])
def test_the_command_fails_in_one_sentence(
    study: Study, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["claims", str(study.folder / arguments[0]), *arguments[1:]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 30), st.randoms(use_true_random=False))
def test_two_means_over_other_items_are_subtracted_exactly(seeds: int, first: int, second: int, rng: Random) -> None:
    tables = [pd.DataFrame([[rng.random() for _ in range(n)] for _ in range(seeds)]) for n in (first, second)]
    found = less_other_items(*tables)
    assert found.shape == (seeds, min(first, second))
    assert found.mean(axis=1).to_numpy() == pytest.approx((tables[0].mean(axis=1) - tables[1].mean(axis=1)).to_numpy())


def test_where_both_are_alike_there_is_no_difference_worth_having(study: Study) -> None:
    found = row(study.run({"sft": 0.9, "grpo": 0.9}, grid(smallest_effect=0.15), items=300), 1)
    assert found.status == "no difference worth having"
    assert -0.15 < found.low < 0 < found.high < 0.15


def test_an_inconclusive_claim_says_what_it_still_needs(study: Study) -> None:
    found = row(study.run({"sft": 0.5, "grpo": 0.55}, grid()), 1)
    assert found.status == "inconclusive"
    assert "more seeds" in found.needed or "evaluation.test_items" in found.needed


def test_items_that_a_claim_lacks_are_named_by_the_parameter_that_adds_them(study: Study) -> None:
    study.run({"sft": 0.9, "grpo": 0.9}, grid(("sft", "grpo"), seeds=2), items=20, beyond=True)
    read = read_results(study.results)
    view = View(read, decide(read))
    slices = [
        (number, each) for number in (1, 7, 8) for each in RULES[number](view) if isinstance(each, contrasts.Tested)
    ]
    named = {(number, each.part): each.asked.split(",")[0] for number, each in slices}
    assert named == {
        (1, "greedy"): "evaluation.test_items",
        (1, "sampled"): "evaluation.sampled_items",
        (7, ""): "evaluation.retention_items",
        (8, "rule changed"): "evaluation.ood_items",
        (8, "surface changed"): "evaluation.ood_items",
    }
    assert set(named.values()) <= set(Cell.make({}).flat())
    draw = Random(0)
    table = pd.DataFrame([[float(draw.choice([-1, 0, 0, 1])) for _ in range(100)] for _ in range(3)])
    made = [Undecided("a minus b", table, stats.seed_spread(table.to_numpy()))]
    assert "400 of them (evaluation.ood_items)" in what_would_show(made, Plan(max_seeds=10), 1, "evaluation.ood_items")


def test_controls_of_the_claim_on_other_items_are_asked_as_many_of_them(study: Study) -> None:
    found = study.run({}, grid(("base", "sft", "grpo")), beyond=True)
    blocks = [load(study, each.include).cells for each in found.claim(8)]
    assert {cell.flat()["evaluation.ood_items"] for cells in blocks for cell in cells} == {200}


def test_an_accuracy_of_one_value_a_seed_is_never_told_to_ask_more_items() -> None:
    table = pd.DataFrame({0: [-0.4, 0.3, 0.1]})
    for most in (3, 50, 500):
        made = [Undecided("fall", table, stats.seed_spread(table.to_numpy()))]
        said = what_would_show(made, Plan(max_seeds=most), 1)
        assert "items" not in said


def test_more_items_are_said_to_spare_seeds_where_seeds_alone_would_do() -> None:
    draw = Random(0)
    table = pd.DataFrame([[float(draw.choice([-1, 0, 0, 1])) for _ in range(100)] for _ in range(3)])
    made = [Undecided("a minus b", table, stats.seed_spread(table.to_numpy()))]
    assert "23 more seeds would probably show" in what_would_show(made, Plan(max_seeds=30), 1)
    said = what_would_show(made, Plan(max_seeds=18), 1)
    assert "100 items would need 26 seeds" in said
    assert "200 of them (evaluation.test_items)" in said
    assert "whatever the seeds" not in said


def test_a_difference_without_spread_says_why_it_has_no_interval(study: Study) -> None:
    study.run({}, grid(("sft", "grpo"), (10,), seeds=3))
    same = contrasts.Contrast("fall", {10.0: pd.DataFrame({0: [0.0, 0.0, 0.0]})})
    slices = contrasts.Tested(("t", "m", ""), "chain-of-thought", "", {"sft": (same,)}, None, ())
    found = decided(CLAIMS[4], slices, Size("exploratory", 1), "", decide(read_results(study.results)))
    assert points(found) == "+0 [no interval]"
    assert found.needed == "an interval: all seeds gave the very same difference, and nothing says how far a new one is"


def test_one_seed_decides_no_claim(study: Study) -> None:
    found = study.run({"sft": 0.1, "grpo": 0.9}, grid(seeds=1))
    assert {each.status for each in found.rows} == {"inconclusive", "not tested"}
    assert "one training run decides nothing" in row(found, 1).needed


def test_a_claim_that_two_budgets_decide_oppositely_depends_on_the_budget(study: Study) -> None:
    crossing = {"sft": lambda cell: 0.9 if cell.labels > 50 else 0.3, "grpo": 0.7}
    found = row(study.run(crossing, grid()), 1)
    assert found.status == "inconclusive"
    assert any(text.startswith("depends on the budget") for text in found.notes)


def test_rft_without_labels_is_held_against_the_base_and_against_random_reward(study: Study) -> None:
    text = grid(("base", "sft", "grpo", "grpo-random", "grpo-format"), (0, 10), prompts="[0, 40]")
    skill = {"base": 0.3, "sft": 0.4, "grpo": lambda cell: 0.9 if cell.prompts else 0.4, "grpo-random": 0.3}
    found = study.run(skill, text)
    claim = row(found, 3)
    assert (claim.status, claim.arm, claim.prompt) == ("inconclusive", "grpo + 40 prompts", "chain-of-thought")
    assert claim.failed == ("pass@16 of the base was not measured; give evaluation.samples: 16 or more",)
    assert set(claim.differences) == {
        "grpo + 40 prompts minus base", "grpo + 40 prompts minus grpo-random + 40 prompts"
    }  # fmt: skip
    assert claim.low > 0.1
    assert "40 prompts without labels" in claim.notes
    # Arms are told apart by their prompts wherever they have labels too.
    decisions = decide(read_results(study.results))
    (panel,) = decisions.panels
    assert [place.labels for place in decisions.budgets(panel)] == [0, 10]
    none, ten = decisions.budgets(panel)
    assert {"grpo + 40 prompts", "base"} < set(decisions.arms(none))
    assert "sft" not in decisions.arms(none)
    assert {"grpo", "grpo + 40 prompts", "sft", "base"} < set(decisions.arms(ten))
    assert decisions.between(ten, "grpo + 40 prompts", "grpo").difference.estimate > 0.3
    assert decisions.between(ten, "grpo + 40 prompts", "sft").difference.estimate > 0.3
    assert decisions.level(none, "grpo") is None


def test_what_a_grid_has_planned_shares_the_5_percent_before_it_has_run(study: Study) -> None:
    alone = row(study.run({"sft": 0.3, "grpo": 0.8}, grid(claims=[1])), 1)
    planned = read_grid(study.results)
    others = [Cell.make({**each.flat(), "task": "arithmetic/chain"}) for each in planned.cells]
    write_grid(study.results, replace(planned, cells=(*planned.cells, *others)))
    read = read_results(study.results)
    assert row(ledger(read, decide(read)), 1).low < alone.low


LATER = {10}


@pytest.mark.parametrize(
    "claims",
    [
        {1, 2, 3, 4, 5, 6, 7, 12},
        {8},
        pytest.param({9}, marks=pytest.mark.slow),
        pytest.param({11}, marks=pytest.mark.slow),
    ],
)
def test_the_block_of_what_is_missing_loads_and_is_what_tests_the_claim(
    study: Study, monkeypatch: pytest.MonkeyPatch, claims: set[int]
) -> None:
    for name, value in {"K": 2, "SAMPLES": 4, "ITEMS": 5}.items():
        monkeypatch.setattr(reasoning, name, value)
    skill = {"sft": 0.5, "grpo": 0.5, "sft+grpo": 0.5}
    found = study.run(skill, grid(("sft",), (30,), seeds=2), items=20, beyond=True)
    assert {each.status for each in found.rows} == {"not tested"}
    assert {each.claim.number for each in found.rows if not each.include} == LATER
    for _ in ("the claim's cells", "the controls that they lack"):
        blocks = {each.include for each in found.rows if each.claim.number in claims and each.include}
        cells = {cell.id: cell for block in blocks for cell in load(study, block).cells}
        assert {cell.seed for cell in cells.values()} <= {0, 1}
        found = study.add(skill, Grid("more", tuple(cells.values())), items=20, beyond=True)
    mine = [each for each in found.rows if each.claim.number in claims]
    assert claims == {each.claim.number for each in mine if each.status != "not tested"}
    assert not [text for each in mine for text in each.failed if "not run" in text or "2x2" in text]


def load(study: Study, block: str) -> Grid:
    path = study.folder / "block.yaml"
    path.write_text(f"name: more\n{block}")
    return Grid.load(path)

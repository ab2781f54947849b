"""What a grid declares before it runs: read from its file, kept from the first start on, refused if changed by hand."""

import json
from pathlib import Path

import pytest

from rftlab.errors import RftlabError
from rftlab.execute.results import lists, read_grid, read_plans, write_grid
from rftlab.grid import Grid
from rftlab.grid.plan import Plan, make

GRID = "defaults: {model: tiny-base}\nmethod: [base, sft, grpo]\nlabels: [10, 50]\nseed: [0, 1, 2]\n"


def load(folder: Path, text: str = GRID) -> Grid:
    (folder / "study.yaml").write_text(text)
    return Grid.load(folder / "study.yaml")


def test_a_grid_that_declares_nothing_has_the_defaults_and_its_own_budgets(tmp_path: Path) -> None:
    assert load(tmp_path).plan == Plan(smallest_effect=0.05, max_seeds=10, labels=(10, 50))
    assert load(tmp_path).plan.arms(["grpo", "ppo", "base"]) == ("base", "grpo")


def test_a_file_declares_arms_margin_seeds_and_labels(tmp_path: Path) -> None:
    declared = "named: [sft, grpo]\nsmallest_effect: 0.03\nmax_seeds: 5\nlabels_available: 60\nclaims: [1, 12]\n"
    assert load(tmp_path, GRID + declared).plan == Plan(("sft", "grpo"), (1, 12), 0.03, 5, 60, (10, 50))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("named: sft", "named is a list of methods"),
        ("named: [ppo]", "the grid has no method 'ppo'"),
        ("claims: [14]", "there is no claim 14"),
        ("claims: [true]", "claims is a list of numbers"),
        ("smallest_effect: 5", "0.05 is 5 points"),
        ("max_seeds: 0", "max_seeds is a whole number from 1"),
        ("max_seeds: 2.5", "max_seeds is a whole number from 1"),
        ("named: [base]", "named: none of these is trained"),
        ("named: [sft, sft]", "named has 'sft' twice"),
        ("claims: [1, 12, 1]", "claims has 1 twice"),
        ("max_seeds: 2", "max_seeds is 2, but the grid has 3 seeds"),
        ("labels_available: -1", "labels_available is a whole number"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(RftlabError, match=f"study.yaml line 5: .*{said}"):
        load(tmp_path, GRID + line + "\n")


def test_a_grid_of_more_seeds_than_the_default_declares_those_it_has(tmp_path: Path) -> None:
    assert load(tmp_path, GRID.replace("[0, 1, 2]", str(list(range(12))))).plan.max_seeds == 12


def test_what_was_declared_first_stays_and_what_changed_is_named(tmp_path: Path) -> None:
    write_grid(tmp_path, load(tmp_path))
    later = load(tmp_path, GRID.replace("[10, 50]", "[10, 50, 100]") + "smallest_effect: 0.2\n")
    write_grid(tmp_path, later)
    first, now = read_plans(tmp_path) or pytest.fail("no plans")
    assert (first.smallest_effect, first.labels, now.smallest_effect) == (0.05, (10, 50), 0.2)
    assert first.changed(now) == ("smallest_effect", "labels")
    assert lists(tmp_path, later)
    assert read_grid(tmp_path).plan == now


def test_a_plan_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    write_grid(tmp_path, load(tmp_path))
    body = json.loads((tmp_path / "grid.json").read_text())
    body["plan"]["smallest_effect"] = 0.5
    (tmp_path / "grid.json").write_text(json.dumps(body))
    with pytest.raises(RftlabError, match="the plan was changed by hand"):
        read_plans(tmp_path)


def test_labels_one_has_may_change_without_changing_the_plan() -> None:
    assert make(labels_available=60).hash == make().hash != make(max_seeds=5).hash

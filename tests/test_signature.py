"""Settings against a signature: what does not fit is named, what cannot be told fits."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest

from rftlab.errors import RftlabError
from rftlab.making import make
from rftlab.signature import misfit, misfit_in


def takes(
    count: int = 1,
    share: float = 0.5,
    on: bool = True,
    text: str = "",
    kind: Literal["a", "b"] = "a",
    words: Sequence[str] = (),
    columns: Mapping[str, Any] | None = None,
    either: str | Sequence[str] = "",
    anything: Any = None,
    late: "int" = 0,
):
    return [0] * count


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"count": "lots"}, "count is 'lots'; give a whole number"),
        ({"count": True}, "count is True; give a whole number"),
        ({"count": None}, "count is None; give a whole number"),
        ({"share": [1]}, "share is [1]; give a number"),
        ({"on": 1}, "on is 1; give true or false"),
        ({"text": 3}, "text is 3; give a text"),
        ({"kind": "c"}, "kind is 'c'; give one of a, b"),
        ({"words": "x"}, "words is 'x'; give a list, each of it a text"),
        ({"words": [1]}, "words is [1]; give a list, each of it a text"),
        ({"columns": ["a"]}, "columns is ['a']; give a mapping"),
        ({"either": 5}, "either is 5; give a text or a list, each of it a text"),
        ({"late": "x"}, "late is 'x'; give a whole number"),
        ({"count": 2, "share": 1, "on": False, "text": "x", "kind": "b", "words": ["a"], "columns": None}, ""),
        ({"either": ["a"], "anything": object(), "unknown": 3}, ""),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(settings, says):
    assert misfit(takes, settings) == says


def inner(**settings):
    return takes(**settings)


def test_a_setting_that_is_handed_on_is_found_where_it_failed():
    with pytest.raises(TypeError) as raised:
        inner(count="lots")
    assert misfit_in(raised.value.__traceback__, {"count": "lots"}) == "count is 'lots'; give a whole number"
    assert misfit_in(raised.value.__traceback__, {"count": 3}) == ""


def test_only_what_is_ours_is_held_to_its_annotations():
    assert make(lambda count=1: count, "mine", count="lots") == "lots"
    from rftlab.tasks.arithmetic import load

    with pytest.raises(
        RftlabError, match="task 'arithmetic' does not take these settings: train is 'lots'; give a who"
    ):
        make(load, "task 'arithmetic'", "word", train="lots")

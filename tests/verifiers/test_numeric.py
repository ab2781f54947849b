"""Numbers within a tolerance, and their units."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.verifiers._quantity import to_quantity
from rftlab.verifiers._units import to_unit
from rftlab.verifiers.numeric import Numeric
from tests.verifiers.cases import as_example, example, load, require_expected, require_figures_of_docs, reward


def test_the_table_and_the_figures_that_the_docs_say_of_it():
    rows = load("numeric")
    rewards = [Numeric()(row["completion"], as_example(row)).reward for row in rows]
    require_expected(rows, rewards)
    require_figures_of_docs("numeric", rows, rewards)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.permutations(["1/2", "0.5", ".50", "50 %", "50%", r"\frac{1}{2}", "5e-1"], 2))
)
def test_forms_of_one_half_are_equal_either_way_round(one, other):
    assert reward(Numeric(), one, other) == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.integers(-(10**9), 10**9),
    st.sampled_from([("kg", "g", 1000), ("L", "mL", 1000), ("h", "min", 60), ("km", "m", 1000)]),
)
def test_a_quantity_equals_itself_in_a_smaller_unit(number, units):
    large, small, factor = units
    assert reward(Numeric(), f"{number * factor} {small}", f"{number} {large}") == 1
    assert reward(Numeric(), f"{number} {small}", f"{number} {large}") == float(number == 0)


def test_units_may_be_required_or_ignored():
    assert reward(Numeric(unit="required"), "5", "5 mg") == 0
    assert reward(Numeric(unit="required"), "5 mg", "5 mg") == 1
    assert reward(Numeric(unit="ignored"), "5 apples", "5 mg") == 1
    assert reward(Numeric(), "5 mg", "5") == 0


def test_gold_that_is_no_number_is_the_datas_fault():
    score = Numeric()("<answer>5</answer>", example("about five"))
    assert score.parts["verifier_error"] == 1
    assert "about five" in score.detail


def test_a_tolerance_that_is_no_number_is_the_datas_fault():
    assert Numeric()("<answer>5</answer>", example("5", absolute="wide")).parts["verifier_error"] == 1


@pytest.mark.parametrize("settings", [{"absolute": -1}, {"relative": float("nan")}, {"unit": "si"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(RftlabError):
        Numeric(**settings)


def test_compound_units_keep_their_dimensions_apart():
    assert to_unit("mg/kg/day") == to_unit("mg per kg per day")
    assert to_unit("mg/kg/day").powers == {"time": -1}
    assert to_unit("m/s").powers == {"length": 1, "time": -1}
    assert to_unit("?") is None
    assert to_quantity("5 5") is None


WORDS = st.sampled_from(
    ["how", "far", "is", "the", "many", "apples", "has", "it", "total", "of", "in", "km", "stop", "give"]
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(0, 6), st.integers(0, 999), st.sampled_from(["", ".", "?"]))
def test_the_prompt_repeated_is_no_answer(words, at, number, mark):
    at = min(at, len(words))
    prompt = " ".join([*words[:at], str(number), *words[at:]]) + mark
    for gold in (str(number), f"{number} km"):
        repeated = f"<answer>{prompt}</answer>"
        if prompt != gold:
            assert Numeric()(repeated, example(gold, prompt)).reward == 0
        for start in range(at):
            part = " ".join([*words[start:at], str(number)])
            assert Numeric()(f"<answer>{part}</answer>", example(gold, f"{prompt} Say it.")).reward == 0


def test_raised_digits_in_a_prompt_are_read_as_a_word():
    assert Numeric()("<answer>It is 3 far.</answer>", example("3", "How far is 10 ⁻¹⁹ or ² m?")).reward == 1

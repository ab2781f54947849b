import pandas as pd

from rftlab.shown.tables import Measures, TextTable, said

LONG = "How many apples are left? " * 10


def test_a_long_text_is_shown_whole_and_as_no_markup() -> None:
    table = TextTable({"prompt": [LONG + "<b>5</b>", "two\nlines"], "reward": [1.0, float("nan")]})
    shown = table._repr_html_()
    assert LONG + "&lt;b&gt;5&lt;/b&gt;" in shown
    assert "two\nlines" in shown
    assert "pre-wrap" in shown
    assert "nan" not in shown.lower()
    assert LONG in repr(table)


def test_prose_gets_room_beside_numbers_and_the_indents_of_code_stay() -> None:
    shown = TextTable({"prompt": [LONG, "def f(x):\n    return x", "short"], "reward": [1.0, 0.0, 0.0]})._repr_html_()
    assert shown.count("min-width") == 1
    assert "white-space: pre'>def f(x):\n    return x</td>" in shown
    assert "min-width" in TextTable({"accuracy": {"this run: word sft n=50 cot seed 0": 1.0}})._repr_html_()


def test_what_is_computed_from_it_is_one_too_and_stays_a_frame() -> None:
    table = TextTable({"prompt": [LONG], "reward": [0.5]})
    assert LONG in table[["prompt"]]._repr_html_()
    assert isinstance(table, pd.DataFrame)
    assert table.reward.mean() == 0.5


def test_numbers_have_three_digits_and_no_negative_zero() -> None:
    assert [said(value) for value in (-0.053333, -0.0, 12, 1 / 3, True, None)] == [
        "-0.0533", "0", "12", "0.333", "yes", ""
    ]  # fmt: skip


def test_measures_are_percent_points_or_three_digits_and_nothing_is_nan() -> None:
    values = {
        "accuracy": 0.625, "pass_at_4": 1.0, "generalisation_gap": -0.053333, "kl_to_base": 0.01234, "ood": float("nan")
    }  # fmt: skip
    measures = Measures(values, name="word sft")
    shown = measures._repr_html_()
    for text in ("62.5 %", "100.0 %", "-5.3 points", "0.0123", "pass at 4"):
        assert text in shown
    assert "nan" not in shown.lower()
    assert "-0.053333" not in shown
    assert measures["accuracy"] == 0.625

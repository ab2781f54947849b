"""Whole sentences and calculations as answers to a number: what is read, and that nothing else is."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.verifiers._prompt import read_prompt
from rftlab.verifiers._quantity_text import to_plain
from rftlab.verifiers._sentence import stated
from rftlab.verifiers._stem import stem
from rftlab.verifiers._working import settle
from rftlab.verifiers.numeric import Numeric
from tests.verifiers.cases import example

PROMPT = "A baker makes 12 trays of 24 rolls each. How many rolls does he make?"
SENTENCES = (
    "The baker makes {n} rolls.",
    "He made {n} rolls in total.",
    "In total, he makes {n} rolls.",
    "The total number of rolls is {n}.",
    "12 trays make {n} rolls.",
    "The baker makes {n} rolls in 12 trays.",
    "12 × 24 = {n}",
    "12 trays × 24 rolls = {n} rolls",
    "The baker makes 12 * 24 = {n} rolls.",
    r"$12 \times 24 = \boxed{{{n}}}$",
    "There are 12 trays with 24 rolls each, so he makes {n} rolls.",
    "12 × 24 = {n}. The final answer is **{n}**.",
    "{n} rolls, because each of the 12 trays has 24 rolls.",
    "{n} (12 × 24)",
    "**Final answer:** {n} rolls",
    "#### {n}",
    "Since each tray has 24 rolls, he makes 12 × 24 = {n} rolls.",
    "With 12 trays of 24 rolls each, the baker makes {n} rolls.",
    "There are 12 trays, so he makes 12 × 24 = {n} rolls.",
)
DENIALS = (
    "not",
    "never",
    "no",
    "isn't",
    "almost",
    "about",
    "wrong",
    "maybe",
    "or",
    "half",
    "minus",
    "dozen",
    "except",
    "if",
)


def paid(answer: str, gold: object = 288, prompt: str = PROMPT) -> bool:
    return Numeric()(f"<answer>{answer}</answer>", example(str(gold), prompt)).reward == 1


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_paid_for_the_gold_number(sentence):
    assert paid(sentence.format(n=288))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(SENTENCES), st.integers(-1000, 1000).filter(lambda n: n != 288))
def test_no_sentence_pays_another_number(sentence, number):
    assert not paid(sentence.format(n=number))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(SENTENCES), st.sampled_from(DENIALS), st.integers(0, 20))
def test_a_word_that_denies_hedges_or_alters_is_never_paid_wherever_it_stands(sentence, word, place):
    words = sentence.format(n=288).split(" ")
    place = min(place, len(words))
    assert not paid(" ".join([*words[:place], word, *words[place:]]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(SENTENCES), st.integers(1, 400).filter(lambda n: n not in (12, 24, 288)), st.integers(0, 20))
def test_a_second_number_is_never_paid_wherever_it_stands(sentence, number, place):
    words = sentence.format(n=288).split(" ")
    place = min(place, len(words))
    assert not paid(" ".join([*words[:place], f"{number},", *words[place:]]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(-99, 99), st.integers(1, 99), st.sampled_from("+-*/×÷"), st.integers(-3, 3))
def test_a_calculation_is_its_result_only_where_it_holds(one, other, sign, error):
    values = {"+": one + other, "-": one - other, "*": one * other, "×": one * other}
    if sign in "/÷":
        one, right = one * other, one
    else:
        right = values[sign]
    text = f"{one} {sign} {other} = {right + error}"
    settled = settle(text)
    assert (settled.text if settled else None) == (str(right) if not error else None)
    assert paid(text, right) == (not error)


@pytest.mark.parametrize("thousands", ["10,000", "10 000"])
def test_a_share_is_read_whatever_parts_its_thousands(thousands):
    prompt = f"What percent of {thousands} is 500?"
    assert [paid(f"500 is {n}% of {thousands}", n, prompt) for n in (5, 6)] == [True, False]


@pytest.mark.parametrize("gold", [288, 12, 24])
def test_the_prompt_with_the_gold_number_in_it_is_no_answer(gold):
    words = PROMPT.split(" ")
    for i in range(len(words)):
        assert not paid(" ".join([*words[:i], str(gold), *words[i:]]), gold)
        assert not paid(" ".join([*words[:i], str(gold), *words[i + 1 :]]), gold)


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("V = l·w·h = 2 × 3 × 4 = 24", True),
        ("A = 2πr = 12 × 2 = 24", True),
        ("s = 2 m + 3 m = 24", False),
        ("s = a + b = 20 + 5 = 24", False),
        ("2x = 48, so x = 24", True),
        ("2x = 46, so x = 24", False),
        ("2x - 8 = 40, 2x = 48, x = 24", True),
        ("Dividing gives 2x = 48, so x = 24", True),
        ("2y = 48, so x = 24", False),
        ("x + 1 = 25 or x = 24", False),
    ],
)
def test_formulas_are_passed_over_and_equations_have_to_hold(text, reward):
    assert paid(text, 24, "What is it?") is reward


@pytest.mark.parametrize(
    "piece",
    [
        "1 ",
        "12 trays ",
        "1 + ",
        "1 = ",
        "(",
        "so ",
        "\n",
        "1 kg ",
        "a ",
        ", ",
        "$",
        "\\text{",
        "= 1",
        "1/",
        "1-",
        "because (",
        "= a1",
        "1x+",
        "of 1 ",
        "12 of the 12 ",
    ],
)
def test_a_long_answer_or_prompt_takes_no_time(piece):
    started = time.perf_counter()
    for length in (300, 400, 100_000):
        text = (piece * length)[:length]
        paid(text)
        paid(text[:390] + " is 288", prompt=text + "?")
        paid("12 trays is 288", prompt=text)
    assert time.perf_counter() - started < 5


def test_a_prompt_is_what_it_asks():
    asked = read_prompt(PROMPT)
    assert asked.counts == {"rolls", stem("rolls")}
    assert asked.counted == {stem("trays"), stem("rolls")}
    assert not asked.of_one
    assert read_prompt("Five tickets cost $62.50. How much is one ticket?").of_one
    assert read_prompt("How many more apples has Ann than Tom?").compared == {"more", "than"}


def test_a_stated_quantity_keeps_its_unit():
    (quantity,) = stated("The height of the tree is $3\\,\\mathrm{m}$.", "How tall is the tree?")
    assert (quantity.value, quantity.named) == (3, "m")
    assert to_plain(r"-7^{\circ}\mathrm{C}") == "-7 °C"

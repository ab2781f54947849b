"""Multiple choice by letter and by text."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.verifiers.choice import Choice, chosen_letter, to_choices
from tests.verifiers.cases import as_example, example, load, require_expected, require_figures_of_docs

CAPITALS = to_choices(["Rome", "Paris", "Oslo"])


def test_the_table_and_the_figures_that_the_docs_say_of_it():
    rows = load("choice")
    rewards = [Choice()(row["completion"], as_example(row)).reward for row in rows]
    require_expected(rows, rewards)
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


PROMPT = "What is the capital of France?\nA) Rome\nB) Paris\nC) Oslo"
SENTENCES = ("The capital of France is {}.", "{} is the capital of France.", "It is {}.", "So the capital is **{}**.")
CONCLUSIONS = (
    "The capital of France is {0}, so the answer is {0}.",
    "It lies on the Seine. Therefore, the answer is {0}.",
)


def chosen(answer, gold="B", prompt=PROMPT):
    return Choice()(f"<answer>{answer}</answer>", example(gold, prompt, choices=["Rome", "Paris", "Oslo"])).reward


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_chooses_the_option_in_it_and_no_other(sentence):
    assert [chosen(sentence.format(text)) for text in ("Paris", "Rome", "Madrid", "Paris, Rome")] == [1, 0, 0, 0]
    assert chosen(sentence.format("Paris"), prompt="Which city is not the capital of France?") == sentence.startswith(
        "It"
    )


@pytest.mark.parametrize("sentence", CONCLUSIONS)
def test_a_conclusion_chooses_what_follows_from_its_reason(sentence):
    assert [chosen(sentence.format(text)) for text in ("Paris", "Rome", "Madrid", "Paris or Rome")] == [1, 0, 0, 0]
    assert chosen("Rome is the capital, so the answer is B") == 0
    assert chosen("The capital of France is Paris, so the answer is B") == 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(SENTENCES + CONCLUSIONS),
    st.sampled_from(["not", "never", "no", "isn't", "or", "maybe", "wrong", "Rome", "C", "(A)", "if", "neither"]),
    st.integers(0, 8),
)
def test_a_word_that_denies_hedges_or_names_another_is_never_paid_wherever_it_stands(sentence, word, place):
    words = sentence.format("Paris").split(" ")
    place = min(place, len(words))
    assert chosen(" ".join([*words[:place], word, *words[place:]])) == 0


@pytest.mark.parametrize("piece", ["Paris ", "B) ", "(", "the ", "a, ", "[B] ", "because "])
def test_a_long_answer_takes_no_time(piece):
    started = time.perf_counter()
    for length in (399, 2_900, 100_000):
        chosen((piece * length)[:length])
        chosen("It is Paris", prompt=(piece * length)[:length])
    assert time.perf_counter() - started < 5

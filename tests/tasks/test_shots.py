"""Labels before a prompt: which, in which order, and how many of them where there is little room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.tasks.base import Example
from rftlab.tasks.shots import Shots
from rftlab.tasks.template import TEMPLATES

QA = TEMPLATES["qa"]
POOL = tuple(
    Example(f"train-{place}", prompt, str(place), f"It is {place}.")
    for place, prompt in enumerate(["two red apples", "six green pears", "two green apples", "a boat, 7 m long"])
)
ASKED = Example("test-0", "how many green apples?", "9")


def ids(shots: Shots, example: Example = ASKED) -> list[str]:
    """Numbers of the labels that stand before a prompt."""
    return [each.id.removeprefix("train-") for each in shots.shown(example)]


def test_the_first_labels_stand_before_every_prompt_as_the_template_alone_would_put_them() -> None:
    shots = Shots.of(QA, POOL, count=2, cot=True)
    assert shots.prompt(ASKED, cot=False) == QA.after(POOL[:2], cot=True).prompt(ASKED, cot=False)
    assert shots.completion(POOL[0], cot=True) == QA.completion(POOL[0], cot=True)
    assert shots.plain == QA


def test_the_nearest_label_stands_last_and_a_question_is_no_example_for_itself() -> None:
    assert ids(Shots.of(QA, POOL, count=3, choice="nearest")) == ["1", "0", "2"]
    assert ids(Shots.of(QA, POOL, count=1, choice="nearest"), POOL[3]) == ["0"]
    twin = Example("test-1", "Two  RED apples", "0")
    assert "0" not in ids(Shots.of(QA, POOL, count=4, choice="nearest"), twin)


@pytest.mark.parametrize("prompt", ["", "???", "nothing of the kind"])
def test_a_question_like_no_label_takes_the_first_ones(prompt: str) -> None:
    assert ids(Shots.of(QA, POOL, count=2, choice="nearest"), Example("t", prompt, "")) == ["1", "0"]
    blank = tuple(Example(f"train-{i}", " ", "0") for i in range(2))
    assert ids(Shots.of(QA, blank, count=2, choice="nearest"), ASKED) == ["1", "0"]


@given(st.integers(0, 400), st.sampled_from(["random", "nearest"]))
def test_as_many_shots_as_there_is_room_for_and_never_one_too_many(room: int, choice: str) -> None:
    def fits(text: str, cot: bool) -> bool:
        return len(text) <= room

    shots = Shots.of(QA, POOL, count=4, choice=choice, cot=True, fits=fits)
    count, text = shots.shown_before(ASKED, cot=True), shots.prompt(ASKED, cot=True)
    shown = shots.shown(ASKED)
    kept = shown[:count] if choice == "random" else shown[4 - count :]
    assert text == QA.after(kept, cot=True).prompt(ASKED, cot=True)
    assert count == 0 or len(text) <= room
    more = shown[: count + 1] if choice == "random" else shown[4 - count - 1 :]
    assert count == 4 or len(QA.after(more, cot=True).prompt(ASKED, cot=True)) > room

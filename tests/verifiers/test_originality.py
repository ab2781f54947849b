"""Overlap with known texts and with the other samples."""

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers.originality import Originality
from tests.verifiers.cases import example, reward

KNOWN = ["the moon is over the hill tonight", "a cat sat on a mat"]


def test_known_texts_score_nothing_and_new_ones_everything():
    assert reward(Originality(texts=KNOWN), "The moon is over the hill tonight.") == 0
    assert reward(Originality(texts=KNOWN), "rain falls on a tin roof in spring") == 1


def test_half_known_is_in_between():
    assert 0 < reward(Originality(texts=KNOWN, allowed=0), "the moon is over my garden wall and sings") < 1


def test_an_examples_own_gold_answer_does_not_count_as_known():
    assert reward(Originality(texts=KNOWN), KNOWN[0], KNOWN[0]) == 1
    assert reward(Originality(texts=[*KNOWN, KNOWN[0] + " again"]), KNOWN[0], KNOWN[0]) == 0


def test_samples_for_one_prompt_that_repeat_each_other_score_nothing():
    same, other = "<answer>one two three four</answer>", "<answer>five six seven eight</answer>"
    scores = Originality().score([same, same, other], [example("gold")] * 3)
    assert [score.reward for score in scores] == [0, 0, 1]
    assert [score.parts["among_samples"] for score in scores] == [1, 1, 0]
    assert [score.reward for score in Originality().score([same, same], [example("a"), example("b")])] == [1, 1]
    assert [score.reward for score in Originality().score([same, same], [example("", "a"), example("", "b")])] == [1, 1]
    assert [score.reward for score in Originality(samples=False).score([same, same], [example("a")] * 2)] == [1, 1]


def test_it_needs_gold_answers_only_where_texts_are_known():
    assert not Originality().needs_gold
    assert Originality(texts=KNOWN).needs_gold


def test_known_texts_may_come_from_a_file(tmp_path):
    (tmp_path / "known.txt").write_text("\n".join(KNOWN), encoding="utf-8")
    assert reward(Originality(path=str(tmp_path / "known.txt")), KNOWN[1]) == 0
    with pytest.raises(RftlabError, match="one text a line"):
        Originality(path=str(tmp_path / "nowhere.txt"))


@pytest.mark.parametrize("settings", [{"n": 0}, {"allowed": 1.0}, {"allowed": -0.1}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(RftlabError):
        Originality(**settings)

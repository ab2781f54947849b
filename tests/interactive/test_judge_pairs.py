"""A person as judge: blind, each pair once before any the other way round, each choice saved, nothing asked twice."""

import pytest

from rftlab.answer.win_rates import win_rates
from rftlab.errors import RftlabError
from rftlab.interactive.judge_pairs import JudgeQueue
from rftlab.interactive.label_widget import label_widget
from rftlab.record.judgements import read_judgements, read_judges
from tests.judging.study import write_study


@pytest.fixture
def study(tmp_path):
    def text(method, seed, number):
        return "<b>same" if number == 0 else f"<b>{method}{seed}{number}"

    return write_study(tmp_path / "s", text, methods=("base", "sft"), items=4)


def press(widget, keys):
    for key in keys:
        widget.press(key)


def test_each_pair_comes_once_before_any_comes_the_other_way_round(study):
    queue = JudgeQueue(study)
    pairs = [(frozenset((q.first, q.second)), q.item) for q in queue.waiting]
    assert len(pairs) == 2 * 3 * 3
    assert len(set(pairs[:9])) == len(set(pairs[9:])) == 9


def test_keys_choose_and_what_was_judged_is_not_asked_again(study):
    queue = JudgeQueue(study, "Ada")
    asked = queue.waiting[:4]
    press(label_widget(queue), "12tb")
    said = {each.key[1:]: (each.share, each.why) for each in read_judgements(study) if each.why != "same text"}
    expected = [(1.0, ""), (0.0, ""), (0.5, ""), (0.5, "both bad")]
    assert said == {q[:3]: each for q, each in zip(asked, expected, strict=True)}
    assert len(JudgeQueue(study, "Ada").waiting) == 14
    assert len(JudgeQueue(study, "Bob").waiting) == 18
    assert read_judges(study)["Ada"]["kind"] == "person"


def test_a_choice_taken_back_counts_no_longer_and_is_asked_again(study):
    press(label_widget(JudgeQueue(study)), "1u")
    assert not [each for each in read_judgements(study) if each.why == ""]
    assert len(JudgeQueue(study).waiting) == 18


def test_a_later_sitting_takes_back_ones_own_last_choice(study):
    queue = JudgeQueue(study, "Ada")
    first, second = queue.waiting[:2]
    press(label_widget(queue), "12u2")
    press(label_widget(JudgeQueue(study, "Bob")), "1")
    later = JudgeQueue(study, "Ada", seed=1)
    press(label_widget(later), "uu")
    assert later.waiting[:2] == [first, second]
    press(label_widget(later), "u")
    assert [each.judge for each in read_judgements(study) if each.why == ""] == ["Bob"]


def test_the_verifiers_opinion_is_not_offered(study):
    assert "v" not in [key for key, *_ in label_widget(JudgeQueue(study)).shown["keys"]]


def test_half_way_a_win_rate_stands_on_one_order_and_says_so(study):
    queue = JudgeQueue(study)
    for _ in range(9):
        queue.choose("first" if "sft" in queue.current[1] else "second")
    [row] = win_rates(study).to_dict("records")
    assert (row["won"], row["tied"], row["lost"]) == (9, 3, 0)
    assert row["position_bias"] == 0  # of the equal texts, which count as judged both ways


def test_a_person_has_a_name(study):
    with pytest.raises(RftlabError, match="whose judgement"):
        JudgeQueue(study, " ")

"""How far two labellers agree: whichever completion stood first, per cent and kappa, of files and of a study."""

from pathlib import Path

import pytest

import rftlab
from rftlab.advise.labellers import LabellerAgreement, judge_agreement, label_agreement
from rftlab.errors import RftlabError
from rftlab.interactive.judge_pairs import JudgeQueue
from rftlab.interactive.label_pairs import PairQueue, candidates_of
from tests.judging.study import write_study


def label(path: Path, prefer, labeller: str, candidates=(), seed: int = 0) -> Path:
    """Label all candidates into a file as ``prefer(prompt, first, second)`` says."""
    queue = PairQueue(candidates, path, labeller=labeller, seed=seed, opinion=lambda _: "says")
    while queue.current:
        if labeller == "Bob" and queue.done == 0:
            queue.opinion()
        queue.choose(prefer(*queue.current))
    return path


def longer(_: str, first: str, second: str) -> str:
    return "first" if len(first) > len(second) else "second"


@pytest.fixture
def ada(tmp_path) -> Path:
    return label(tmp_path / "ada.jsonl", longer, "Ada", [(f"p{i}", "b", "aa") for i in range(20)])


def test_the_same_preference_agrees_in_whichever_order_it_was_shown(ada, tmp_path):
    bob = label(tmp_path / "bob.jsonl", longer, "Bob", candidates_of(ada), seed=3)
    found = rftlab.label_agreement(ada, bob)
    assert (found.agreement.estimate, found.kappa.estimate, found.seen) == (1.0, 1.0, 1)
    assert 0.5 < found.kappa.low < found.kappa.high
    assert str(found).startswith(
        "Ada and Bob agree on 100% [84%, 100%] of 20 pairs that both judged; Cohen's kappa 1.00 ["
    )
    assert "1 of the 20 were chosen after a look at the verifier's opinion" in str(found)


def test_whoever_follows_the_side_agrees_by_chance_alone(ada, tmp_path):
    left = label(tmp_path / "left.jsonl", lambda *_: "first", "Eve", candidates_of(ada))
    found = label_agreement(ada, left)
    assert 0.2 < found.agreement.estimate < 0.8
    assert found.kappa.low < 0 < found.kappa.high


def test_ties_and_opposites_are_told_apart_and_what_only_one_judged_is_counted(ada, tmp_path):
    def mixed(prompt: str, first: str, second: str) -> str:
        opposite = {"first": "second", "second": "first"}[longer(prompt, first, second)]
        return {"p1": "tie", "p2": "both bad", "p3": opposite}.get(prompt, longer(prompt, first, second))

    other = label(tmp_path / "c.jsonl", mixed, "Cy", [*candidates_of(ada)[:10], ("more", "a", "bb")])
    found = label_agreement(ada, other)
    assert sum(a == b for a, b in found.said) == 7
    assert found.alone == (10, 1)
    assert "of the 3 on which they differ, 1 are opposite preferences; only one of them judged 10 and 1 more" in str(
        found
    )


def test_kappa_does_not_depend_on_which_of_the_two_is_called_one():
    said = (("one", "one"), ("one", "one"), ("one", "other"), ("other", "other"), ("tie", "one"), ("tie", "tie"))
    turned = tuple(tuple({"one": "other", "other": "one"}.get(w, w) for w in pair) for pair in said)
    one, other = (LabellerAgreement(("a", "b"), each, (0, 0)) for each in (said, turned))
    assert one.kappa == other.kappa
    assert one.table.sum() == len(said)


def test_files_that_cannot_be_compared_are_refused(ada, tmp_path):
    with pytest.raises(RftlabError, match="given twice"):
        label_agreement(ada, ada)
    with pytest.raises(RftlabError, match=r"no choices lie beside .*none.jsonl"):
        label_agreement(ada, tmp_path / "none.jsonl")
    strangers = label(tmp_path / "d.jsonl", longer, "Di", [("q", "a", "bb")])
    assert str(label_agreement(ada, strangers)) == "Ada and Di have no pair in common (20 and 1 of their own)"


def test_two_judges_of_a_study_agree_on_the_pairs_both_judged(tmp_path):
    study = write_study(tmp_path / "s", lambda method, seed, n: f"{method}{seed}{n}", methods=("base", "sft"), items=4)
    for name in ("Ada", "Bob"):
        queue = JudgeQueue(study, name)
        while queue.current and queue.done < 12:
            queue.choose("first" if "sft" in queue.current[1] else "second")
    found = judge_agreement(study, "Ada", "Bob")
    assert (found.names, found.agreement.estimate, len(found.said)) == (("Ada", "Bob"), 1.0, 12)
    side = JudgeQueue(study, "Eve")
    while side.current:
        side.choose("first")
    assert {b for _, b in judge_agreement(study, "Ada", "Eve").said} == {"tie"}, "another side in the other order"
    with pytest.raises(RftlabError, match=r"no judge 'Adda' has judged in .*did you mean Ada"):
        judge_agreement(study, "Adda", "Bob")

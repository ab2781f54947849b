"""Completions judged blind and in both orders, kept beside the records, asked once, and counted as they are."""

import json
from pathlib import Path

import numpy as np
import pytest

from rftlab import cli
from rftlab.answer.contests import contests, counts, measure_of
from rftlab.answer.decisions import decide
from rftlab.answer.ledger import ledger_of
from rftlab.answer.results import read_results
from rftlab.answer.win_rates import sentences, table
from rftlab.errors import RftlabError
from rftlab.judging import Verdict, judge
from rftlab.record.exported import export, import_archive
from rftlab.record.joined import join
from rftlab.record.judgements import JUDGEMENTS, read_judgements, read_judges
from tests.judging.study import write_study

RANK = {"base": 0, "sft": 1, "dpo": 2}


class Taste:
    """A judge by a rule of the test's; remembers what it was asked."""

    name = "taste"
    by = ""

    def __init__(self, share) -> None:
        self._share, self.asked = share, []

    def version(self, contest):
        return self.by

    def facts(self):
        return {"kind": "taste"}

    def ask(self, contest, asked):
        self.asked += asked
        return [self._share(question.one, question.other) for question in asked]


def by_rank(one, other):
    """The higher method wins; texts of one rank are a tie."""
    ranks = [RANK[text.split()[0]] for text in (one, other)]
    return Verdict(0.5 if ranks[0] == ranks[1] else float(ranks[0] > ranks[1]))


def own_text(method, seed, number):
    return f"{method} {seed} {number}"


@pytest.fixture
def study(tmp_path) -> Path:
    return write_study(tmp_path / "study", own_text)


def judged(study, share=by_rank, **settings):
    return judge(study, Taste(share), **settings)


def test_every_two_arms_are_judged_in_both_orders_at_every_seed_and_item(study):
    taste = Taste(by_rank)
    found = judge(study, taste)
    assert found.asked == len(taste.asked) == 3 * 3 * 6 * 2
    orders = {(q.first, q.second, q.item) for q in taste.asked}
    assert {(second, first, item) for first, second, item in orders} == orders


def test_whose_a_completion_is_does_not_reach_the_texts_that_are_judged(tmp_path):
    study, taste = write_study(tmp_path / "s", lambda *_: f"text {_[2]} {RANK[_[0]]}"), Taste(lambda *_: Verdict(1.0))
    judge(study, taste)
    assert {q.prompt for q in taste.asked} == {f"Rhyme {number}." for number in range(6)}


def test_the_records_stay_as_they_are(study):
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    judged(study)
    assert {path: path.read_bytes() for path in before} == before


def test_nothing_is_judged_twice_and_what_is_new_is(study):
    judged(study, items=2)
    again = Taste(by_rank)
    found = judge(study, again, items=3)
    assert (found.before, found.asked) == (3 * 3 * 2 * 2, 3 * 3 * 1 * 2)
    assert {q.item for q in again.asked} == {"test-2"}


def test_a_line_that_a_crash_cut_off_is_judged_again(study):
    judged(study)
    path = study / JUDGEMENTS
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert len(read_judgements(study)) == 107
    assert judged(study).asked == 1
    assert path.read_bytes() == whole


def test_a_name_may_hold_what_some_take_for_the_end_of_a_line(study):
    who = Taste(by_rank)
    who.name = "Ann\u2028of\x85Bonn"
    judge(study, who, items=1)
    assert {each.judge for each in read_judgements(study)} == {who.name}


def test_a_line_that_is_no_judgement_is_named(study):
    judged(study)
    (study / JUDGEMENTS).write_text('{"judge": "x"}\n')
    with pytest.raises(RftlabError, match="line 1 is no judgement"):
        decide(read_results(study))


def test_a_judgement_of_a_text_that_is_no_longer_there_does_not_count(study):
    judged(study)
    write_study(study, lambda method, seed, number: own_text(method, seed, number) + "!", methods=("dpo",))
    assert {(c.contest.first, c.contest.second) for c in counts(read_results(study))} == {("sft", "base")}
    assert judged(study).asked == 2 * 3 * 6 * 2


def test_equal_texts_are_a_tie_that_nobody_is_asked_about(tmp_path):
    study = write_study(tmp_path / "s", lambda method, seed, number: "base the same", methods=("base", "sft"))
    found = judged(study)
    assert (found.asked, found.same) == (0, 36)
    [row] = table(read_results(study), decide(read_results(study))).to_dict("records")
    assert (row["win_rate"], row["tied"]) == (0.5, 18)


def test_the_share_won_counts_ties_half_and_has_the_paired_interval(study):
    def share(one, other):
        return Verdict(0.5) if one.endswith(("0", "1")) else by_rank(one, other)

    judged(study, share)
    results = read_results(study)
    decisions = decide(results)
    rows = {(row["first"], row["second"]): row for row in table(results, decisions).to_dict("records")}
    row = rows["sft", "base"]
    assert row["win_rate"] == pytest.approx((4 + 2 * 0.5) / 6)
    assert (row["won"], row["tied"], row["lost"]) == (12, 6, 0)
    [decision] = [
        d for d in decisions.decisions if (d.measure, d.first, d.second) == (measure_of("taste"), "sft", "base")
    ]
    assert decision.difference.estimate == pytest.approx(row["win_rate"] - 0.5)
    assert decision.family == "exploratory"
    assert (decision.difference.seeds, decision.difference.items) == (3, 6)


def test_a_judge_that_prefers_what_stands_first_finds_ties_and_its_bias_is_shown(study):
    judged(study, lambda one, other: Verdict(1.0))
    results = read_results(study)
    rows = table(results, decide(results))
    assert (rows["win_rate"] == 0.5).all()
    assert (rows["position_bias"] == 1.0).all()


def test_what_is_no_verdict_is_counted_and_not_guessed(study):
    judged(study, lambda one, other: Verdict(None, "?") if one.endswith("0") else by_rank(one, other))
    results = read_results(study)
    found = table(results, decide(results))
    assert (found["no_verdict"] == 3).all()
    assert (found["items"] == 5).all()
    assert (found["win_rate"] == 1.0).all()


def test_what_could_not_be_asked_is_asked_the_next_time(study):
    assert judged(study, lambda one, other: None).failed == 108
    assert judged(study).asked == 108


def test_arms_that_are_alike_are_not_told_apart_and_one_that_is_better_is(tmp_path):
    rng = np.random.default_rng(0)
    study = write_study(tmp_path / "s", own_text, seeds=5, items=60)

    def share(one, other):
        a, b = (RANK[text.split()[0]] == 2 for text in (one, other))
        noise = rng.random()
        return Verdict(float(noise < 0.5) if a == b else float((noise < 0.9) == a))

    judged(study, share)
    words = {(d.first, d.second): d.word for d in decide(read_results(study)).decisions if "taste" in d.measure}
    assert words["dpo", "base"] == words["dpo", "sft"] == "better"
    assert words["sft", "base"] != "better"


def test_lengths_stand_beside_the_share(study):
    judged(study)
    rows = table(read_results(study), decide(read_results(study)))
    assert set(rows["tokens_first"]) <= {float(len("dpo 0 0"))}
    assert all("tokens" in text for text in sentences(rows))


def test_only_the_pairs_that_are_named_are_judged(study):
    found = judged(study, between=[("base", "dpo")])
    assert found.asked == 3 * 6 * 2
    with pytest.raises(RftlabError, match="no arm 'rlfh'"):
        judged(study, between=[("rlfh", "base")])


def test_two_judges_are_two_measures(study):
    judged(study)
    other = Taste(lambda one, other: Verdict(0.5))
    other.name = "other"
    judge(study, other)
    measures = {d.measure for d in decide(read_results(study)).decisions if "win_rate" in d.measure}
    assert measures == {"win_rate by taste", "win_rate by other"}
    assert read_judges(study) == {"taste": {"kind": "taste"}, "other": {"kind": "taste"}}


def test_judgements_travel_with_an_archive_also_without_the_texts(study, tmp_path):
    judged(study)
    results = read_results(study)
    before = table(results, decide(results))
    for completions in (None, 0):
        file = export(study, tmp_path / f"{completions}.tar.xz", completions=completions)
        there = read_results(import_archive(file, tmp_path / f"there {completions}"))
        assert table(there, decide(there)).equals(before)


def test_a_study_without_texts_cannot_be_judged(study, tmp_path):
    there = import_archive(export(study, tmp_path / "a.tar.xz", completions=0), tmp_path / "there")
    with pytest.raises(RftlabError, match="without the text of item"):
        judged(there)


def test_judges_of_one_name_that_are_not_the_same_are_not_read_as_one(tmp_path):
    halves = [write_study(tmp_path / m, own_text, methods=("base", m)) for m in ("sft", "dpo")]
    for number, half in enumerate(halves):
        who = Taste(by_rank)
        who.by = f"{number}" * 12
        judge(half, who)
    joined = read_results(join(halves, tmp_path / "both"))
    found = {each.judge: each.contest.first for each in counts(joined)}
    assert found == {"taste (000000)": "sft", "taste (111111)": "dpo"}
    assert len({d.measure for d in decide(joined).decisions if "win_rate" in d.measure}) == 2


def test_joined_studies_keep_the_judgements_of_each(tmp_path):
    halves = [write_study(tmp_path / m, own_text, methods=("base", m)) for m in ("sft", "dpo")]
    for half in halves:
        judged(half)
    joined = read_results(join(halves, tmp_path / "both"))
    assert len(contests(joined)) == 3
    assert {(c.contest.first, c.contest.second) for c in counts(joined)} == {("sft", "base"), ("dpo", "base")}


def test_an_archive_is_not_judged_in_place(study, tmp_path):
    with pytest.raises(RftlabError, match="import it first"):
        judged(export(study, tmp_path / "a.tar.xz"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--judge", "me"], "no judge 'me'"),
        (["--judge", "http://127.0.0.1:1/v1"], "a model there"),
        (["--between", "sft"], "rlhf:sft"),
    ],
)
def test_what_cannot_judge_is_one_sentence(study, capsys, options, says):
    assert cli.main(["judge", str(study), *options]) == 2
    assert says in capsys.readouterr().err
    assert not (study / JUDGEMENTS).exists() or not (study / JUDGEMENTS).read_text()


def test_a_judgement_is_one_json_line(study):
    judged(study, items=1, between=[("sft", "base")])
    lines = (study / JUDGEMENTS).read_text().splitlines()
    assert len(lines) == 6
    assert set(json.loads(lines[0])) == {"judge", "first", "second", "item", "share", "of", "why", "by"}


def test_claim_13_is_read_from_what_a_judge_said(study):
    [row] = [each for each in ledger_of(study).rows if each.claim.number == 13]
    assert row.status == "not tested"
    judged(study)
    [row] = [each for each in ledger_of(study).rows if each.claim.number == 13]
    assert row.status != "not tested"
    assert row.estimate == pytest.approx(0.5)
    assert row.part == "by taste"

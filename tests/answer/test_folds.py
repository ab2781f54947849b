"""What a study of folds decides and says: corrected intervals, and the same words on card, page and in the terminal."""

from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from rftlab import report
from rftlab.answer.contracts import check
from rftlab.answer.decisions import decide
from rftlab.answer.few_rows import drawn_from, of_labels
from rftlab.answer.folder import study_of
from rftlab.answer.ledger import ledger_of
from rftlab.answer.limits import limits
from rftlab.answer.results import read_results
from rftlab.folds import Folds
from tests import synthetic

SETTINGS = {"path": "mine.jsonl", "verifier": "exact"}
FOLDED = SETTINGS | {"folds": 5}


def write(folder, settings=FOLDED, seeds=range(5), labels=(10, 30), pool=32, **parameters):
    """A study of 40 rows, in folds or with a test part."""
    for method in ("base", "sft", "grpo"):
        for n in (0,) if method == "base" else labels:
            for seed in seeds:
                values = {"task": "file", "task_settings": settings, "method": method, "labels": n, "cot": True}
                cost = synthetic.cost(synthetic.Cell.make({**values, "seed": seed})) | {"pool_rows": pool}
                synthetic.write_cell(folder, {**values, "seed": seed, **parameters}, items=40, cost=cost)
    return folder


def page_of(folder):
    return report.write_report(folder, notebook=False)[0].read_text(encoding="utf-8")


def test_every_decision_over_folds_has_the_corrected_interval(tmp_path):
    results = read_results(write(tmp_path))
    decisions = decide(results)
    assert results.cells["folds"].unique().tolist() == [5]
    decided = [d for d in decisions.decisions if d.measure == "accuracy"]
    assert decided
    for each in decided:
        assert each.difference.covers.startswith("new rows and new seeds (seeds are folds of the same rows")
        assert (each.difference.seeds, each.difference.items) == (5, 8)
    one = decisions.between(decisions.places(decisions.panels[0])[0], "grpo", "sft")
    tables = {arm.arm: arm.table for arm in decisions.outcomes["accuracy"] if arm.place.labels == one.place.labels}
    means = (tables["grpo"] - tables["sft"]).mean(axis=1)
    least = np.sqrt((1 / 5 + 1 / 4) * means.var(ddof=1))
    assert one.difference.high - one.difference.low > 2 * 1.96 * least
    level = decisions.level(one.place, "sft")
    assert (level.mean.seeds, level.mean.items) == (5, 8)


def test_claims_over_folds_are_decided_by_corrected_intervals(tmp_path):
    folded, split = write(tmp_path / "folds"), write(tmp_path / "split", SETTINGS)
    both = [ledger_of(folder).claim(12)[0] for folder in (folded, split)]
    assert both[0].high - both[0].low > both[1].high - both[1].low
    assert study_of(folded)[1].overlap(both[0].panel) == 0.25
    assert study_of(split)[1].overlap(both[1].panel) == 0


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        (range(5), "40 rows, 1 whole repeat of 5 folds"),
        (range(3), "40 rows, 3 of 5 folds (no whole repeat: seeds 0 to 4 test every row once)"),
    ],
)
def test_the_card_says_what_folds_were_run(tmp_path, seeds, says):
    card = report.card(write(tmp_path, seeds=seeds, labels=(10,)))
    assert f"Covers new rows and seeds like these: {says}; intervals are wider for what folds share" in card.limits
    assert card.limits in str(card)
    assert "Covers new seeds and items" not in card.limits


def test_the_page_says_it_in_the_same_words_and_which_rows_labels_were_drawn_from(tmp_path):
    folder = write(tmp_path, labels=(10, 30), pool=32)
    card = report.card(folder)
    assert "Labels drawn from these 32 rows: with 30 of them two draws have more than half in common, which the " in (
        card.limits
    )
    page = unescape(page_of(folder))
    assert card.limits in page
    assert "new rows and new seeds (wider for what folds of the same rows share)" in page
    assert "folds x test items of the same rows" in page


def test_runs_over_folds_and_runs_with_a_test_part_are_refused_side_by_side(tmp_path):
    write(tmp_path, labels=(10,), seeds=(0,))
    write(tmp_path, SETTINGS, labels=(10,), seeds=(0,))
    found = {Folds.read(each.contract["match"]["folds"]): each for each in read_results(tmp_path).records}
    assert len(found) == 2
    assert [each.field for each in check(*found.values()).refused] == ["folds"]


def test_seeds_of_one_arm_may_differ_in_their_fold_and_methods_at_one_seed_may_not(tmp_path):
    write(tmp_path, labels=(10,), seeds=(0, 1))
    first, *others = sorted(read_results(tmp_path).records, key=lambda each: (each.cell["method"], each.cell["seed"]))
    assert not [each for each in check(first, others[0], "seed").refused if each.field == "fold"]
    match = {**others[1].contract["match"], "fold": "another"}
    moved = replace(others[1], contract={**others[1].contract, "match": match})
    assert "fold" in [each.field for each in check(first, moved).refused]


@pytest.mark.parametrize(
    ("labels", "pool", "says"),
    [
        (10, 20, ""),
        (11, 20, "labels drawn from these 20 rows"),
        (20, 20, "labels drawn from these 20 rows"),
        (5, 0, ""),
    ],
)
def test_labels_that_are_more_than_half_of_their_rows_are_named(labels, pool, says):
    assert drawn_from(labels, pool) == says


def test_what_follows_for_the_interval_differs_between_folds_and_a_split():
    assert of_labels([10, 30], 60, None) == ""
    split = of_labels([10, 60, 90], 100, None)
    assert split == (
        "labels drawn from these 100 rows: with 60 and 90 of them two draws have more than half in common, so that "
        "intervals speak of these rows, not of new ones"
    )
    assert of_labels([60], 100, Folds(5, 125)).endswith("which the wider intervals cover")


def test_card_page_and_table_say_which_rows_labels_were_drawn_from(tmp_path):
    folder = write(tmp_path, SETTINGS, pool=40)
    results, decisions = study_of(folder)
    told = "Labels drawn from these 40 rows: with 30 of them two draws have more than half in common"
    assert told in limits(results, decisions)
    card = report.card(folder)
    assert told in card.limits
    covers = {d.place.labels: d.difference.covers for d in decisions.decisions if d.measure == "accuracy"}
    assert covers[30].endswith("; labels drawn from these 40 rows")
    assert "labels drawn" not in covers[10]


def test_many_rows_are_not_named(tmp_path):
    assert "abels drawn" not in str(report.card(write(tmp_path, SETTINGS, pool=400, seeds=(0, 1))))


def test_what_is_open_over_folds_asks_for_rows_not_for_test_items(tmp_path):
    card = report.card(write(tmp_path))
    told = f"{card.next_step} {' '.join(row.needed for row in ledger_of(tmp_path).rows)}"
    assert "evaluation.test_items" not in told

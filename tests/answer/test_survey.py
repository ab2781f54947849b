"""What stands side by side in a whole study: the same as `check` says pair by pair, and what is said about it."""

import random
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pytest

from rftlab.answer.contracts import check
from rftlab.answer.survey import comparable, survey
from rftlab.cell import Cell
from rftlab.contract import NA
from rftlab.errors import RftlabError
from rftlab.record import Record
from tests import synthetic


def record(method: str, labels: int = 10, seed: int = 0, cot: bool = True, **changes: Any) -> Record:
    """A made-up record; ``changes`` replace fields that must match, None takes one out."""
    values = {"method": method, "labels": 0 if method == "base" else labels, "seed": seed, "cot": cot}
    cell = Cell.make(values)
    contract = synthetic.contract(cell)
    match = {name: value for name, value in {**contract["match"], **changes}.items() if value is not None}
    return Record(
        cell=cell.model_dump(mode="json"), id=f"{method} {labels} {seed} {cot}", contract={**contract, "match": match},
        metrics={}, cost=synthetic.cost(cell),
    )  # fmt: skip


def apart(records: list[Record]) -> dict[str, str]:
    found = survey(records)
    return {each.id: found.apart.get(each.id, "") for each in records}


@pytest.mark.parametrize("draw", range(25))
def test_nothing_that_is_refused_pair_by_pair_stands_together(draw):
    rng = random.Random(draw)
    changes = [{}, {}, {}, {"verifier_code": "b"}, {"temperature": 0.5}, {"tokenizer": None}, {"adapter": NA}]
    keys = product(("sft", "grpo", "rloo", "base"), (10, 50), (0, 1), (True, False))
    records = [
        record(*key, **rng.choice(changes)) for key in keys if rng.random() < 0.8 and (key[0], key[1]) != ("base", 50)
    ]
    where = apart(records)
    for first, second in combinations(records, 2):
        a, b = first.cell, second.cell
        side_by_side = a["method"] != b["method"] and all(a[name] == b[name] for name in ("cot_eval", "seed"))
        side_by_side &= a["labels"] == b["labels"] or 0 in (a["labels"], b["labels"])
        if side_by_side and check(first, second).refused:
            assert where[first.id] != where[second.id], (first.id, second.id)
            # A base without a variant stands in every panel.
            assert not any(each.cell["method"] == "base" and not where[each.id] for each in (first, second))


def test_where_nothing_is_refused_nothing_is_apart_and_everything_is_the_same():
    records = [record(*key) for key in product(("sft", "grpo", "base"), (10, 50), (0, 1), (True, False))]
    found = survey(records)
    assert (found.refused, found.apart, found.shown, found.waived) == ((), {}, (), ())
    assert found.same.startswith("Every method had the same seeds, base, prompts, labels,")
    comparable(records)


def test_a_line_over_label_budgets_does_not_vary_the_compute_budget_too():
    records = [
        record(method, labels, budget_amount=amount)
        for method in ("sft", "grpo")
        for labels, amount in ((10, 40.0), (300, 80.0))
    ]
    (refusal,) = survey(records).refused
    assert refusal.differing == {"budget_amount": "40.0 and 80.0"}
    where = apart(records)
    assert len(set(where.values())) == 2
    assert where["sft 10 0 True"] == where["grpo 10 0 True"]


def test_every_field_that_is_not_the_same_is_left_out_of_the_sentence():
    records = [record("sft", tokenizer=None), record("grpo")]
    said = survey(records, waive="tokenizer")
    assert said.waived == ("tokenizer",)
    assert "base (of it: base_weights, base_config, generation_config, precision, start_from)" in said.same
    assert survey(records).same == ""


def test_one_method_alone_has_nothing_in_common_with_anything():
    assert survey([record("sft"), record("sft", seed=1)]).same == ""


def test_what_was_spent_is_refused_with_the_figures_that_are_furthest_apart():
    spent = {"sft": 40, "grpo": 43, "rloo": 50}
    records = [replace(record(m), cost={**record(m).cost, "optimizer_steps": n}) for m, n in spent.items()]
    (refusal,) = survey(records).refused
    assert str(refusal) == (
        "grpo, rloo and sft cannot be compared on arithmetic/word (tiny-base): they differ in spent (sft 40 steps, "
        "rloo 50 steps), more than 5 % apart"
    )


def test_no_two_methods_without_a_common_seed_pass_unseen():
    (refusal,) = survey([record("sft", seed=0), record("grpo", seed=1, temperature=0.5)]).refused
    assert list(refusal.differing) == ["temperature"]


def test_a_comparison_that_is_refused_is_an_error_for_who_asks():
    with pytest.raises(RftlabError, match="temperature"):
        comparable([record("sft"), record("grpo", temperature=0.5)])

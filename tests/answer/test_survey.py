"""What stands side by side in a whole study: the same as `check` says pair by pair, and what is said about it."""

import random
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pytest

from rftlab.answer.contracts import check
from rftlab.answer.pairs import Place
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


def spending(one: Record, steps: float) -> Record:
    return replace(one, cost={**one.cost, "optimizer_steps": steps})


def groups(records: list[Record], places: dict[str, Place] | None = None) -> list[list[str]]:
    """Who is shown together, by id."""
    found: dict[str, list[str]] = {}
    for cell, variants in survey(records, places).variants.items():
        for variant in variants:
            found.setdefault(variant, []).append(cell)
    return sorted(map(sorted, found.values()))


@pytest.mark.parametrize("draw", range(25))
def test_nothing_that_is_refused_pair_by_pair_stands_together(draw):
    rng = random.Random(draw)
    changes = [{}, {}, {}, {"verifier_code": "b"}, {"temperature": 0.5}, {"tokenizer": None}, {"adapter": NA}]
    keys = product(("sft", "grpo", "rloo", "base"), (10, 50), (0, 1), (True, False))
    records = [
        record(*key, **rng.choice(changes)) for key in keys if rng.random() < 0.8 and (key[0], key[1]) != ("base", 50)
    ]
    where = survey(records).variants
    for first, second in combinations(records, 2):
        a, b = first.cell, second.cell
        side_by_side = a["method"] != b["method"] and all(a[name] == b[name] for name in ("cot_eval", "seed"))
        side_by_side &= a["labels"] == b["labels"] or 0 in (a["labels"], b["labels"])
        if side_by_side and check(first, second).refused:
            assert not {*where[first.id]} & {*where[second.id]}, (first.id, second.id)


def test_where_nothing_is_refused_nothing_is_apart_and_everything_is_the_same():
    records = [record(*key) for key in product(("sft", "grpo", "base"), (10, 50), (0, 1), (True, False))]
    found = survey(records)
    assert (found.refused, found.shown, found.waived, set(found.variants.values())) == ((), (), (), {("",)})
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
    assert groups(records) == [["grpo 10 0 True", "sft 10 0 True"], ["grpo 300 0 True", "sft 300 0 True"]]


def test_every_field_that_is_not_the_same_is_left_out_of_the_sentence():
    records = [record("sft", tokenizer=None), record("grpo")]
    said = survey(records, waive="tokenizer")
    assert said.waived == ("tokenizer",)
    assert "base (but only base weights, base config, generation config, precision, start from)" in said.same
    assert survey(records).same == ""


def test_one_method_alone_has_nothing_in_common_with_anything():
    assert survey([record("sft"), record("sft", seed=1)]).same == ""


def test_what_was_spent_is_refused_with_the_figures_that_are_furthest_apart():
    spent = {"sft": 40, "grpo": 43, "rloo": 50}
    records = [spending(record(method), steps) for method, steps in spent.items()]
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


def swept(field: str, methods: tuple[str, ...], values: tuple[str, ...]) -> tuple[list[Record], dict[str, Place]]:
    """Runs of each method with each value of a field, every one an arm of its own."""
    records, places = [], {}
    for method, value in product(methods, values):
        one = record(method, **{field: value})
        one = replace(one, id=f"{method} {value}")
        records.append(one)
        places[one.id] = Place("", f"{method} [{value}]")
    return records, places


@pytest.mark.parametrize("field", ["verifier", "test_items", "temperature", "template", "tokenizer"])
def test_each_base_stands_beside_the_arm_that_it_matches(field):
    records, places = swept(field, ("base", "grpo"), ("a", "b"))
    assert groups(records, places) == [["base a", "grpo a"], ["base b", "grpo b"]]


def test_what_stands_beside_another_method_stands_only_with_what_matches_it():
    records, places = swept("verifier", ("grpo",), ("a", "b"))
    other = record("sft", verifier="a")
    assert groups([*records, other], places) == [["grpo a", other.id], ["grpo b"]]
    assert groups(records, places) == [["grpo a", "grpo b"]]


def test_one_base_stands_beside_all_that_may_be_compared_with_it():
    records = [record("base"), record("sft", adapter="a"), record("grpo", adapter="b")]
    base, sft, grpo = (each.id for each in records)
    assert groups(records) == [[base, grpo], [base, sft]]
    elsewhere = record("rloo", verifier="b")
    assert groups([*records, elsewhere]) == [[base, grpo], [base, sft], [elsewhere.id]]


def test_a_base_that_fits_one_of_two_variants_stands_in_that_one():
    records, _ = swept("verifier", ("sft", "grpo"), ("a", "b"))
    base = replace(record("base", verifier="a"), id="base")
    places = {each.id: Place(f"verifier={each.id[-1]}", each.cell["method"]) for each in records}
    found = survey([*records, base], places).variants
    assert "verifier=a" in found["base"]
    assert "verifier=b" not in found["base"]


def seeded(method: str, **seeds: int) -> Record:
    cell = Cell.make({"method": method, "labels": 10, **seeds})
    name = f"{method} {' '.join(f'{name}={seed}' for name, seed in seeds.items())}"
    contract, cost = synthetic.contract(cell), synthetic.cost(cell)
    return Record(cell=cell.model_dump(mode="json"), id=name, contract=contract, metrics={}, cost=cost)


@pytest.mark.parametrize("name", ["seed", "seed_data", "seed_init", "seed_sampling"])
def test_runs_are_paired_by_all_four_seeds(name):
    records = [seeded(method, **{name: seed}) for method in ("sft", "grpo") for seed in (0, 1, 2)]
    found = survey(records)
    assert (found.refused, found.unpaired) == ((), ())
    assert "the same seeds," in found.same
    part = survey(records[:4])
    assert part.refused == ()
    assert part.unpaired == tuple(
        f"sft with 10 labels{' and' if name == 'seed' else ', seed 0 and'} {name} {seed}" for seed in (1, 2)
    )
    assert "seeds" not in part.same
    (refusal,) = survey([records[0], *records[4:]]).refused
    assert set(refusal.differing) - {"label_ids"} == {name}


def test_seeds_are_the_same_only_if_they_are_at_every_label_budget():
    runs = [("sft", 10, 1), ("sft", 10, 0), ("sft", 50, 0), ("grpo", 10, 0), ("grpo", 50, 1), ("grpo", 50, 0)]
    assert "seed" not in survey([record(*each) for each in runs]).same


def test_two_runs_with_the_labels_of_one_seed_are_told_apart_from_two_with_other_labels():
    alike = [seeded(method, seed=0, seed_sampling=seed) for method in ("sft", "grpo") for seed in (0, 1)]
    assert "the same seeds, base, prompts, labels," in survey(alike).same
    unlike = [seeded("sft", seed=0), seeded("grpo", seed=0), seeded("grpo", seed=0, seed_data=1)]
    assert "label_ids" not in survey(unlike).same
    assert "labels (but only labels, label noise, label difficulty, train pool," in survey(unlike).same


@pytest.mark.parametrize(
    ("labels", "seed", "says"),
    [
        (10, 1, "sft 40 steps with seed 0, grpo 10 steps with seed 1"),
        (50, 0, "sft 40 steps with 10 labels, grpo 10 steps with 50 labels"),
    ],
)
def test_a_run_of_an_arm_that_was_cut_short_is_in_no_mean_of_it(labels, seed, says):
    short = spending(record("grpo", labels=labels, seed=seed), 10)
    records = [record("sft"), record("grpo"), record("base"), short]
    (refusal,) = survey(records).refused
    assert refusal.differing == {"spent": says}
    assert [records[1].id, records[0].id] in [[id for id in group if "base" not in id] for group in groups(records)]
    alone = survey(records[1:])
    assert alone.variants[short.id] == ("grpo alone (spent 10 steps)",)
    assert alone.variants[records[1].id] == ("grpo alone (spent 40 steps)",)


def test_runs_of_an_arm_that_spread_a_little_are_kept_together_which_is_said():
    records = [spending(record("grpo", seed=seed), steps) for seed, steps in enumerate((40, 41.5, 43))]
    found = survey(records)
    assert found.refused == ()
    assert found.notes == [
        "Spent more than 5 % apart, in one mean or line: grpo 40 steps with seed 0 and 43 steps with seed 2."
    ]
    assert not survey([*records, record("sft", seed=0)]).refused, "on average within 5 %"
    (refusal,) = survey([*records, spending(record("sft", seed=0), 39)]).refused
    assert refusal.differing == {"spent": "grpo 41.5 steps, sft 39 steps"}


def test_a_seed_whose_steps_are_larger_is_not_torn_from_its_arm():
    amounts = {"trpo": (29, 33), "sft": (40, 40)}
    records = [spending(record(m, seed=n), steps) for m, both in amounts.items() for n, steps in enumerate(both)]
    found = survey(records)
    assert {*found.variants.values()} == {("sft alone",), ("trpo alone",)}

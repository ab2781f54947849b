"""What a report says of its records is true of every two of them that it compares, in random small studies."""

import re
from itertools import combinations
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.answer.contracts import MATCH, NA_TEXT, TOLERANCE, check, terms
from rftlab.answer.pairs import BETWEEN_ARMS, Place
from rftlab.answer.survey import Survey, survey
from rftlab.cell import Cell
from rftlab.contract import FIELDS, NA, SEEDS, SEEDS_OF_SAMPLING
from rftlab.record import Record
from tests import synthetic

OVER_SEEDS = {name for name in MATCH if {"labels", "seed"} & {*FIELDS[name].axes}}
CHANGED = ("verifier", "test_items", "temperature", "template", "tokenizer", "adapter", "label_ids", "settings")


def claimed(sentence: str) -> set[str]:
    """The fields that "Every method had the same ..." names, a topic for all of its own."""
    text = sentence.partition(" had the same ")[2].removesuffix(".")
    named = {
        name for inside in re.findall(r"\(but only (.*?)\)", text) for name in inside.replace(" ", "_").split(",_")
    }
    topics = "|".join({field.topic for field in FIELDS.values()})
    whole = re.split(r", | and ", re.sub(rf"({topics}) \(but only .*?\)", "", text))
    return named | {name for name, field in FIELDS.items() if field.topic in whole and field.group == "match"}


def test_a_sentence_is_read_as_it_is_meant():
    read = claimed("Every method had the same seeds, base (but only tokenizer, precision), budget and notebook.")
    assert read == {
        *SEEDS,
        "tokenizer",
        "precision",
        "budget_unit",
        "budget_amount",
        "budget_until",
        "spent",
        "notebook",
    }


def run(
    number: int, arm: tuple[str, int], values: dict[str, Any], changes: dict[str, Any], steps: float = 40
) -> Record:
    method = arm[0]
    cell = Cell.make({**values, "method": method, "labels": 0 if method == "base" else values["labels"]})
    contract = synthetic.contract(cell)
    for part in ("match", "arm"):
        contract[part] = {
            name: said if said == NA else changes.get(name, said) for name, said in contract[part].items()
        }
    cost = {**synthetic.cost(cell), **({} if method == "base" else {"optimizer_steps": steps})}
    return Record(cell=cell.model_dump(mode="json"), id=f"{number}", contract=contract, metrics={}, cost=cost)


ARMS = [(method, number) for method in ("base", "sft", "grpo") for number in (0, 1)]
EDITS = [
    *({name: "edited"} for name in CHANGED),
    *({"steps": steps} for steps in (10, 41, 43)),
    *({name: 7} for name in ("seed_data", "seed_sampling", "seed")),
    {"cot": False},
    {"left out": True},
]


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[Record], dict[str, Place]]:
    """Some arms that differ in up to two fields, at two seeds and one or two budgets, but for a few runs."""
    swept = draw(st.lists(st.sampled_from(CHANGED), max_size=2, unique=True))
    arms = draw(st.lists(st.sampled_from(ARMS), min_size=2, max_size=4, unique=True))
    budgets = draw(st.sampled_from([(10,), (10, 50)]))
    grid = [
        (arm, labels, seed) for arm in arms for labels in (budgets if arm[0] != "base" else (0,)) for seed in (0, 1)
    ]
    edits = draw(st.dictionaries(st.integers(0, len(grid) - 1), st.sampled_from(EDITS), max_size=4))
    records, places = [], {}
    for number, (arm, labels, seed) in enumerate(grid):
        edit = edits.get(number, {})
        changes = dict.fromkeys(swept, f"swept {arm[1]}") | {name: edit[name] for name in CHANGED if name in edit}
        values = {"labels": labels, "seed": seed} | {n: edit[n] for n in (*SEEDS, "cot") if n in edit}
        if "left out" not in edit:
            records.append(run(number, arm, values, changes, edit.get("steps", 40)))
            places[str(number)] = Place("", f"{arm[0]} [{arm[1]}]")
    return records, places


def is_base(one: Record) -> bool:
    return one.cell["method"] == "base"


def seeds_of(one: Record, other: Record) -> tuple[int, ...]:
    return tuple(one.cell[name] for name in (SEEDS_OF_SAMPLING if is_base(one) or is_base(other) else SEEDS))


def compared(found: Survey, places: dict[str, Place], a: Record, b: Record) -> bool:
    """Whether a page compares their arms where they stand: in one panel, asked alike, at one label budget."""
    together = {*found.variants[a.id]} & {*found.variants[b.id]}
    same_prompt = a.cell["cot_eval"] == b.cell["cot_eval"]
    if is_base(a) or is_base(b):
        return bool(together) and same_prompt
    return bool(together) and same_prompt and all(a.cell[name] == b.cell[name] for name in ("cot", "labels"))


def mean_spent(found: Survey, places: dict[str, Place], records: list[Record], a: Record) -> float:
    """Of the runs that a mean is taken over."""
    same_arm = [b for b in records if places[b.id].arm == places[a.id].arm and compared(found, places, a, b)]
    return fmean(b.cost["optimizer_steps"] for b in same_arm)


@settings(deadline=None, max_examples=150)
@given(studies())
def test_what_every_method_had_the_same_is_the_same_in_all_that_is_compared(study):
    records, places = study
    found = survey(records, places)
    named = claimed(found.same)
    said = {one.id: dict(zip(MATCH, terms(one).values, strict=True)) for one in records}
    assert all(len(found.variants[one.id]) == 1 or is_base(one) for one in records)
    for a, b in combinations(records, 2):
        if not compared(found, places, a, b):
            continue
        if places[a.id].arm == places[b.id].arm:
            # What a mean is taken over differs by seed alone.
            assert {each.field for each in check(a, b, "seed").refused} <= {"labels", "label_ids", "spent"}
            assert (a.cost["optimizer_steps"] == 10) == (b.cost["optimizer_steps"] == 10)
            continue
        if seeds_of(a, b) == seeds_of(b, a):
            refused = [{each.field for each in check(a, b, axis).refused} for axis in BETWEEN_ARMS]
            assert any(fields <= {"spent"} for fields in refused), (a, b)
        for name in named - OVER_SEEDS - {"spent"}:
            values = {said[a.id][name], said[b.id][name]} - {NA_TEXT}
            assert len(values) < 2, name
        if not (is_base(a) or is_base(b)):
            spent = sorted(mean_spent(found, places, records, one) for one in (a, b))
            assert spent[1] <= (1 + TOLERANCE) * spent[0] * (1 + 1e-9)
    for a in records:
        for b in records:
            if places[a.id].arm == places[b.id].arm or not compared(found, places, a, b):
                continue
            # What follows from the seed: everything that one arm had, the other had too.
            rivals = [c for c in records if places[c.id].arm == places[b.id].arm and compared(found, places, a, c)]
            for name in named & OVER_SEEDS:
                values = {said[c.id][name] for c in rivals} - {NA_TEXT}
                assert not values or said[a.id][name] in {*values, NA_TEXT}, name


@pytest.mark.parametrize(
    ("field", "why"),
    [("verifier", "the rules of the task do"), ("adapter", "the adapters do"), ("template", "the prompts do")],
)
def test_what_differs_by_design_between_arms_of_one_method_is_said(field, why):
    records = [run(n, ("grpo", n), {"labels": 10}, {field: f"{n}"}) for n in (0, 1)]
    found = survey(records, {str(n): Place("", f"grpo [{n}]") for n in (0, 1)})
    assert found.notes == [f"Differs by design, because {why}: {FIELDS[field].what} ({field})."]
    assert claimed(found.same) >= {"temperature", "spent", "seed", "label_ids"}
    assert field not in claimed(found.same)


def test_what_goes_with_chain_of_thought_is_said():
    records = [run(n, ("sft", 0), {"labels": 10, "cot": bool(n)}, {"token_cap": 16 + n}) for n in (0, 1)]
    assert survey(records).notes == [
        "Differs by design, because chain-of-thought does: the cap on a completion when asked (token_cap)."
    ]

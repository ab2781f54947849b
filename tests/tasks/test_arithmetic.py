"""The arithmetic families: determinism, disjoint splits, and gold that is right by independent means."""

import re

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks.arithmetic import FAMILIES, load
from rftlab.tasks.arithmetic.family import split_of
from rftlab.tasks.base import Example
from rftlab.verifiers.exact import Exact

SIZES = {"train": 1000, "test": 500, "ood": 300}


@pytest.fixture(scope="module")
def splits() -> dict[str, dict[str, list[Example]]]:
    return {
        name: {split: family.generate(split, n, seed=0) for split, n in SIZES.items()}
        for name, family in FAMILIES.items()
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_splits_are_full_and_disjoint_by_text_even_for_different_seeds(name, splits):
    texts = {split: {e.prompt for e in examples} for split, examples in splits[name].items()}
    assert {split: len(found) for split, found in texts.items()} == SIZES
    assert not texts["train"] & texts["test"]
    assert not (texts["train"] | texts["test"]) & texts["ood"]
    assert not texts["train"] & {e.prompt for e in FAMILIES[name].generate("test", 200, seed=1)}


@pytest.mark.parametrize("name", FAMILIES)
def test_same_seed_gives_same_examples_and_fewer_are_a_prefix(name, splits):
    family = FAMILIES[name]
    assert family.generate("train", 50, seed=0) == splits[name]["train"][:50]
    assert family.generate("train", 50, seed=7) != splits[name]["train"][:50]


@pytest.mark.parametrize("name", FAMILIES)
def test_gold_scores_one_and_a_typical_mistake_mostly_zero(name, splits):
    verifier, examples = Exact(), splits[name]["test"][:100]
    gold = verifier.score([f"<answer>{e.answer}</answer>" for e in examples], examples)
    assert all(score.reward == 1 for score in gold)
    problems = [p for p, _ in zip(FAMILIES[name].problems("test", seed=3), range(100), strict=False)]
    assert all(p.guess != p.answer for p in problems)
    assert sum(p.flawed[1] == p.answer for p in problems) <= 15


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("choice", "fact", "count", "verse")])
def test_rationale_ends_in_the_answer(name, splits):
    for split in SIZES:
        for example in splits[name][split]:
            assert example.rationale.rstrip(".").endswith(example.answer.split("return ")[-1])


@pytest.mark.parametrize("name", ["chain", "word", "rare", "dose", "count"])
def test_every_step_of_a_rationale_is_true(name, splits):
    for example in splits[name]["train"][:200] + splits[name]["ood"]:
        for left, operator, right, result in re.findall(r"(-?\d+)([+*-])(\d+)=(-?\d+)", example.rationale):
            a, b = int(left), int(right)
            assert {"+": a + b, "-": a - b, "*": a * b}[operator] == int(result)


def test_chain_agrees_with_its_own_expression(splits):
    for example in splits["chain"]["train"][:200]:
        terms = re.findall(r"[+-]?\d+", example.prompt.removeprefix("What is ").replace(" ", ""))
        assert sum(map(int, terms)) == int(example.answer)


def test_count_uses_every_number_once_and_hits_the_target(splits):
    for example in splits["count"]["train"][:200]:
        *numbers, target = map(int, re.findall(r"\d+", example.prompt))
        terms = re.findall(r"[+-]?\d+", example.answer)
        assert [abs(int(t)) for t in terms] == numbers
        assert sum(map(int, terms)) == target


def test_code_answers_pass_the_tests_in_their_meta(splits):
    for example in splits["code"]["train"][:50]:
        space: dict = {}
        exec(example.answer, space)  # our own gold text
        assert all(space["f"](given) == wanted for given, wanted in example.meta["tests"])


def test_verse_keeps_its_own_rules(splits):
    for example in splits["verse"]["train"][:50]:
        first, second = example.answer.split("\n")
        ends = [re.findall(r"[a-z]+", line)[-1] for line in (first, second)]
        assert all(word in example.answer for word in example.meta["words"])
        assert ends[0] == example.meta["end"] != ends[1]
        assert set(ends) <= set(example.meta["rhymes"])


def test_asking_for_more_than_there_is_says_how_many_there_are():
    with pytest.raises(RftlabError, match="has only about"):
        FAMILIES["dose"].generate("ood", 5_000, seed=0)


def test_load_gives_a_task_and_refuses_unknown_names():
    task = load("word", train=20, test=10, ood=5)
    assert (len(task.train), len(task.test)) == (20, 10)
    assert {kind: len(examples) for kind, examples in task.ood.items()} == {"rule": 5, "surface": 5}
    assert task.verifier == "exact"
    with pytest.raises(RftlabError, match="known"):
        load("wrod")


def test_split_shares_are_about_as_declared():
    found = [split_of(str(i)) for i in range(4000)]
    assert 0.45 < found.count("pretrain") / 4000 < 0.55

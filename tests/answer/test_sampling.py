"""Asking the base several times against training: numbers from the rows drawn, decisions, and what is said."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rftlab.answer import sampling
from rftlab.answer.card import answer
from rftlab.answer.comparisons import Arm, Place
from rftlab.answer.decisions import decide
from rftlab.answer.results import BASE, read_results
from rftlab.plots.names import title
from rftlab.record import cells_dir
from tests.synthetic import write_grid


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and SFT, which few labels teach nothing and many a lot; four draws an item."""
    results = tmp_path_factory.mktemp("study")
    write_grid(results, methods=("base", "sft"), labels=(3, 300), cots=(True,), seeds=range(4), items=400)
    return results


def drawn(results: Path, cell: str) -> pd.DataFrame:
    """The sampled rows of a cell."""
    lines = (cells_dir(results) / cell / "samples.jsonl").read_text().splitlines()
    rows = pd.DataFrame([json.loads(line) for line in lines])
    return rows[rows["part"] == "sampled"]


def test_what_several_answers_are_worth_is_that_of_the_rows_drawn(study: Path) -> None:
    results = read_results(study)
    best = {each.method: each for each in sampling.arms(results, "accuracy")["best_at_tokens_of_4"]}
    rows = drawn(study, next(each.id for each in results.records if each.parameters.method == BASE))
    right = rows.groupby("item")["reward"].max()
    assert best[BASE].table.iloc[0].to_dict() == pytest.approx(right.to_dict())


def test_all_arms_are_asked_for_the_tokens_of_the_base(study: Path) -> None:
    found = sampling.sampled(read_results(study))
    assert [(each.times, each.tokens, each.asked, each.capped) for each in found] == [(4, 12.0, 4.0, False)] * 3


def test_answers_twice_as_long_are_drawn_half_as_often_and_short_ones_as_often_as_they_were_drawn() -> None:
    rng = np.random.default_rng(0)
    rewards = {f"item {i}": (rng.random(8) < 0.4).astype(float) for i in range(5)}
    answers = {item: ["yes" if right else "no" for right in of] for item, of in rewards.items()}
    draws = sampling.Draws(rewards, answers, 10.0)
    table = pd.DataFrame({"cell": ["a"]}, index=["0 0 0 0"])
    arm = Arm(Place("task", "model", "", "direct", 10), "sft", "sft", True, table, 0.0, (0, 0))
    each = sampling.Sampled(arm, {"a": draws}, 10.0, 8, 2.5, capped=False)
    found = sampling._asked_often(each, sampling._majority_right).iloc[0]
    for item, of in answers.items():
        two, three = ([Counter(c) for c in combinations(of, k)] for k in (2, 3))
        value = [np.mean([(c["yes"] > c["no"]) + 0.5 * (c["yes"] == c["no"]) for c in part]) for part in (two, three)]
        assert found[item] == pytest.approx(np.mean(value))


def test_training_is_held_against_asking_the_base_several_times(study: Path) -> None:
    decisions = decide(results := read_results(study))
    measure = "once_against_best_of_4"
    words = {
        each.place.labels: each.word for each in decisions.decisions if each.measure == measure and each.first == "sft"
    }
    assert words == {3: "worse", 300: "better"}
    assert decisions.families["exploratory", measure] == 2
    assert title(measure) == "one answer against the base's best of 4"
    said = str(answer(results, decisions))
    assert "Asking may do instead of training (exploratory): one answer of SFT against several of the untrained" in said
    assert "with a verifier at hand the best of 4: worse at 3 (" in said


def test_a_study_without_a_sampled_base_says_nothing_of_it(tmp_path: Path) -> None:
    write_grid(tmp_path, methods=("sft", "grpo"), labels=(10,), cots=(True,), seeds=(0,), items=8)
    results = read_results(tmp_path)
    assert sampling.arms(results, "accuracy") == {}
    assert "instead of training" not in str(answer(results, decide(results)))


def test_by_score_the_best_answer_is_worth_its_reward_and_there_is_no_majority(study: Path) -> None:
    found = sampling.arms(read_results(study), "score")
    assert [*found] == ["once_against_best_of_4", "best_at_tokens_of_4"]

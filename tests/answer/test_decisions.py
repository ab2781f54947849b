"""Decisions and the answer made of them, on made-up records whose truth is known."""

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from rftlab.answer.card import Answer, answer
from rftlab.answer.choices import choose
from rftlab.answer.comparisons import EQUAL_COMPUTE
from rftlab.answer.decisions import Decisions, decide
from rftlab.answer.results import read_results
from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from rftlab.report.verdicts import matrix, shown
from rftlab.stats import WORDS
from tests import synthetic

Study = Callable[..., tuple[Decisions, Answer]]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Makes records of arms that are right so often, and decides; further keywords are what the grid declares."""

    def make(
        skill: dict[str, float | Callable[[Any], float]],
        *,
        labels: tuple[int, ...] = (10, 100),
        seeds: int = 3,
        cots: tuple[bool, ...] = (True,),
        items: int = 300,
        run: int | None = None,
        **plan: Any,
    ) -> tuple[Decisions, Answer]:
        def chance(cell: Any) -> float:
            found = skill[cell.method]
            return found(cell) if callable(found) else found

        monkeypatch.setattr(synthetic, "skill", chance)
        methods = list(skill)
        lines = [f"{name}: {value}" for name, value in {"max_seeds": seeds, **plan}.items()]
        swept = {"method": methods, "labels": list(labels), "cot": list(map(str.lower, map(str, cots)))}
        lines += [f"{name}: [{', '.join(map(str, values))}]" for name, values in swept.items()]
        lines += [f"seed: {list(range(seeds))}", "task: arithmetic/word"]
        (tmp_path / "study.yaml").write_text("\n".join(lines) + "\n")
        folder = tmp_path / "results"
        folder.mkdir()
        grid = Grid.load(tmp_path / "study.yaml")
        write_grid(folder, grid)
        for cell in grid.cells:
            if cell.seed < (run or seeds):
                synthetic.write_cell(folder, cell.flat(), items=items)
        results = read_results(folder)
        decisions = decide(results)
        return decisions, answer(results, decisions)

    return make


def word(decisions: Decisions, labels: int, first: str, second: str) -> str:
    place = next(each for each in decisions.places(decisions.panels[0]) if each.labels == labels)
    found = decisions.between(place, first, second)
    assert found
    return found.word


def test_an_arm_that_is_far_ahead_at_every_budget_is_what_to_use(study: Study) -> None:
    decisions, card = study({"base": 0.1, "sft": 0.9, "grpo": 0.4})
    assert word(decisions, 10, "sft", "grpo") == "better"
    assert word(decisions, 10, "grpo", "sft") == "worse"
    assert (card.headline, card.tone) == ("Use SFT.", "clear")
    assert "SFT against GRPO: better at 10 and 100" in card.because


def test_the_answer_depends_on_labels_where_the_lead_changes(study: Study) -> None:
    few = {"sft": lambda cell: 0.3 if cell.labels < 50 else 0.9, "grpo": 0.6}
    decisions, card = study({"base": 0.1, **few}, labels_available=10)
    assert (word(decisions, 10, "grpo", "sft"), word(decisions, 100, "sft", "grpo")) == ("better", "better")
    assert (card.headline, card.tone) == ("At 10 labels use GRPO; at 100 labels use SFT.", "depends")
    assert card.next_step.startswith("You have 10 labels: use GRPO.")


def test_arms_that_are_the_same_within_the_margin_are_told_with_the_cheaper_first(study: Study) -> None:
    _, card = study({"base": 0.1, "sft": 0.9, "grpo": 0.9}, items=2000, seeds=6, smallest_effect=0.1)
    assert card.tone == "clear"
    assert "are the same within 10 points" in card.headline


def test_training_that_harms_is_not_advised(study: Study) -> None:
    _, card = study({"base": 0.5, "sft": 0.2, "grpo": 0.15})
    assert (card.headline, card.tone) == ("Do not train: SFT and GRPO are worse than the untrained base.", "neither")


def test_what_cannot_be_told_apart_is_open_and_says_what_would_tell(study: Study) -> None:
    decisions, card = study({"base": 0.1, "sft": 0.62, "grpo": 0.57}, items=60)
    assert word(decisions, 10, "sft", "grpo") == "open"
    lifted = (
        "Train with SFT or GRPO, both better than the untrained base "
        "(not decided between them; highest mean and least cost: SFT)."
    )
    assert (card.headline, card.tone) == (lifted, "open")
    assert "seeds" in card.next_step or "test_items" in card.next_step


def test_an_arm_whose_seeds_spread_too_much_does_not_speak_for_the_others(study: Study) -> None:
    swings = {"grpo": lambda cell: 0.15 if cell.seed % 2 else 0.95}
    _, card = study({"base": 0.1, "sft": 0.7, "sft+grpo": 0.7, **swings}, labels=(10,), seeds=4, items=300)
    close, wild = card.next_step.split("; ")
    assert "between SFT and SFT+GRPO" in close
    assert "GRPO and SFT " not in close
    assert wild == "between GRPO and SFT or SFT+GRPO it would take more than 100 seeds to show."


def test_of_arms_that_cannot_be_told_apart_those_that_beat_the_base_are_told_from_those_that_may(study: Study) -> None:
    swings = {"grpo": lambda cell: 0.15 if cell.seed % 2 else 0.85}
    decisions, card = study({"base": 0.1, "sft": 0.45, **swings})
    assert (word(decisions, 10, "sft", "base"), word(decisions, 10, "grpo", "base")) == ("better", "open")
    assert card.headline == (
        "Train with SFT, better than the untrained base "
        "(not decided between it and GRPO; highest mean: GRPO; least cost: SFT)."
    )


def test_nothing_is_decided_by_one_seed_and_what_it_suggests_is_kept_apart(study: Study) -> None:
    decisions, card = study({"base": 0.1, "sft": 0.9, "grpo": 0.4}, seeds=1)
    assert {each.word for each in decisions.decisions} == {"open"}
    assert "better" in {each.suggestion for each in decisions.decisions}
    assert card.tone == "open"
    assert card.headline == "Not decided between SFT and GRPO."
    assert "nothing is decided by one run" in card.limits


def test_an_arm_that_was_compared_with_nothing_is_not_advised(study: Study) -> None:
    _, card = study({"sft": 0.9})
    assert (card.tone, card.headline) == ("open", "Not decided whether SFT helps.")


def test_a_study_that_may_still_grow_gets_wider_intervals_and_says_which_look_it_is(study: Study) -> None:
    decisions, card = study({"base": 0.1, "sft": 0.9, "grpo": 0.4}, seeds=10, run=4)
    assert {each.look for each in decisions.decisions} == {"look 2 of 8"}
    assert "look 2 of 8" in card.limits


def test_before_the_first_look_there_are_no_limits(study: Study) -> None:
    decisions, _ = study({"base": 0.1, "sft": 0.9, "grpo": 0.4}, seeds=10, run=2)
    assert {(each.difference.low, each.difference.high, each.word) for each in decisions.decisions} == {(-1, 1, "open")}


def test_only_named_arms_at_declared_budgets_are_confirmatory(study: Study) -> None:
    decisions, _ = study({"base": 0.1, "sft": 0.9, "grpo": 0.4, "ppo": 0.5}, named="[sft, grpo]")
    confirmed = {(d.first, d.second) for d in decisions.decisions if d.family == "confirmatory"}
    assert confirmed == {("sft", "grpo")}
    assert decisions.families["confirmatory", "accuracy"] == 2
    pairs = len(list(combinations(["base", "sft", "grpo", "ppo"], 2)))
    assert decisions.families["exploratory", "accuracy"] == 2 * pairs - 2


def test_a_family_counts_what_was_declared_also_before_it_has_run(study: Study) -> None:
    decisions, _ = study({"base": 0.1, "sft": 0.9, "grpo": 0.4}, labels=(10, 30, 100), claims="[1, 2]")
    assert decisions.families["confirmatory", "accuracy"] == 3 * 3 + 2


def test_prompts_are_compared_and_the_better_one_is_advised(study: Study) -> None:
    asked = {"base": 0.1, "sft": lambda cell: 0.9 if cell.cot else 0.2, "grpo": lambda cell: 0.6 if cell.cot else 0.2}
    decisions, card = study(asked, cots=(False, True))
    assert {d.word for d in decisions.decisions if d.axis == "cot" and d.first != "base"} == {"better"}
    assert "Ask for chain-of-thought" in card.because
    assert card.headline == "Use SFT."


def test_one_comparison_has_one_word_from_either_side(study: Study) -> None:
    decisions, _ = study({"base": 0.3, "sft": 0.5, "grpo": 0.55, "sft+grpo": 0.9}, items=100)
    opposite = {"better": {"worse"}, "worse": {"better"}, "same": {"same"}, "open": {"open", "better or same"}}
    opposite["better or same"] = {"open"}
    for each in decisions.decisions:
        if each.axis == "method":
            there = decisions.between(each.place, each.first, each.second, each.measure)
            back = decisions.between(each.place, each.second, each.first, each.measure)
            assert there
            assert back
            assert back.word in opposite[there.word]
            assert there.difference.estimate == -back.difference.estimate


def test_no_other_word_is_used_for_a_difference(study: Study) -> None:
    decisions, card = study({"base": 0.1, "sft": 0.62, "grpo": 0.57, "sft+grpo": 0.95})
    assert set(decisions.table["word"]) <= set(WORDS)
    assert not re.search(r"inconclusive|significant|leads|tie\b", str(card))
    assert str(card).count("\n") == 2


def test_a_choice_never_contradicts_the_words(study: Study) -> None:
    decisions, _ = study({"base": 0.2, "sft": 0.5, "grpo": 0.6, "sft+grpo": 0.65}, labels=(10, 30, 100), items=120)
    for place in decisions.places(decisions.panels[0]):
        chosen = choose(decisions, place)
        for arm in chosen.arms if chosen.kind in ("use", "alike") else ():
            assert word(decisions, place.labels, arm, "base") == "better"
            others = {"sft", "grpo", "sft+grpo"} - {arm}
            assert all(word(decisions, place.labels, other, arm) != "better" for other in others)


@pytest.mark.parametrize(
    ("named", "mark", "read"),
    [
        ("[sft, grpo]", 1e10, {"base", "base-few-shot", "sft", "grpo", "rejection_sft"}),
        ("[base, grpo]", 1e11, {"base", "base-few-shot", "grpo"}),
    ],
)
def test_the_named_arms_decide_at_which_compute_all_are_read(
    study: Study, named: str, mark: float, read: set[str]
) -> None:
    skill = {"base": 0.1, "base-few-shot": 0.2, "sft": 0.9, "grpo": 0.4, "rejection_sft": 0.5}
    decisions, _ = study(skill, named=named, evaluation="{marks: [1.0e+10, 1.0e+11]}")
    levels = [level for level in decisions.levels if level.measure == EQUAL_COMPUTE]
    assert {level.arm for level in levels} == read
    assert {level.flops for level in levels} == {mark}


def test_what_was_trained_and_not_named_is_said_to_be_so(study: Study) -> None:
    _, card = study({"base": 0.1, "rloo": 0.9})
    assert card.headline == "Nothing is answered: RLOO was trained, and the plan does not name it."
    assert "named: [base, rloo]" in card.next_step


def test_what_was_not_run_and_keeps_the_question_open_is_the_next_step(study: Study) -> None:
    _, card = study({"sft": 0.9}, items=60)
    assert "Nothing named was compared; measured on 3 seeds x 60 items." in card.limits
    assert "Add the untrained base (method: base)" in card.next_step
    assert "add an arm to compare SFT with" in card.next_step


def test_prompts_with_solved_examples_alone_are_no_training(study: Study) -> None:
    _, card = study({"base": 0.1, "base-few-shot": 0.3}, items=60)
    assert card.headline == "Nothing has been trained yet."
    assert "Reading" not in card.limits


def test_where_nobody_is_ever_right_no_method_is_sent_first(study: Study) -> None:
    _, card = study({"base": -1.0, "sft": -1.0, "grpo": -1.0}, items=60)
    assert "SFT first" not in str(card)
    assert "ake easier prompts, a base that solves some of them" in card.next_step


def test_arms_at_different_labels_all_have_their_numbers(tmp_path: Path) -> None:
    for method, labels in (("base", 0), ("sft", 10), ("grpo", 30)):
        for seed in range(3):
            values = {"task": "arithmetic/word", "method": method, "labels": labels, "seed": seed}
            synthetic.write_cell(tmp_path, values)
    results = read_results(tmp_path)
    card = answer(results, decide(results))
    assert all(f"{arm} takes accuracy from" in card.because for arm in ("SFT", "GRPO"))
    assert card.next_step.startswith("Run SFT and GRPO with the same labels")


def test_arms_whose_budgets_differ_each_have_their_reading(tmp_path: Path) -> None:
    for method, steps in (("base", 3.0), ("sft", 3.0), ("grpo", 5.0)):
        for seed in range(2):
            values = {"task": "arithmetic/word", "method": method, "labels": 10 * (method != "base"), "seed": seed}
            synthetic.write_cell(tmp_path, {**values, "budget.amount": steps})
    results = read_results(tmp_path)
    card = answer(results, decide(results))
    assert "the same budget, 5 steps (grpo on word); the same budget, 3 steps (sft on word)" in card.limits
    assert card.next_step.startswith("Word: match the runs")


def test_labels_beyond_those_that_were_run_are_told_as_such(study: Study) -> None:
    _, card = study({"base": 0.1, "sft": 0.9, "grpo": 0.4}, labels_available=5000)
    assert card.next_step == "You have 5000 labels: beyond what was run; at 100 labels use SFT."


def test_a_folder_whose_tasks_name_different_measures_says_which_decides_and_why(tmp_path: Path) -> None:
    synthetic.write_grid(tmp_path, labels=(10,), cots=(True,))
    agreed = read_results(tmp_path)
    assert "decided by" not in answer(agreed, decide(agreed)).limits
    scored = {"tasks": ("creative/tiny",), "evaluation.decides": "score"}
    synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), **scored)
    results = read_results(tmp_path)
    decisions = decide(results)
    assert decisions.decides == "accuracy"
    said = "All is decided by accuracy, since the cells do not agree on a measure"
    named = "(evaluation.decides: accuracy by arithmetic/word; score by creative/tiny)"
    assert f"{said} {named}" in answer(results, decisions).limits


@pytest.mark.parametrize(("run", "said"), [(3, True), (4, False)])
def test_a_study_that_is_not_finished_says_how_far_it_is(study: Study, run: int, said: bool) -> None:
    _, card = study({"base": 0.1, "sft": 0.9}, seeds=4, run=run)
    assert ("So far: 9 of 12 cells have finished." in card.limits, "So far" in card.limits) == (said, said)


def test_what_a_teacher_was_taught_with_stands_beside_the_advice(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = synthetic.cost

    def cost(cell: Any) -> dict[str, float | None]:
        taught = {"teacher_labels": 1000.0} if cell.method == "distill" else {}
        return {**plain(cell), **taught}

    monkeypatch.setattr(synthetic, "cost", cost)
    skill = {"base": 0.1, "sft": 0.5, "distill": 0.9, "distill-offline": 0.6}
    decisions, card = study(skill, named="[base, sft, distill, distill-offline]")
    assert card.headline == "Use on-policy distillation."
    told = "learnt from a teacher with 1000 labels of its own, beside the budget."
    assert f"On-policy distillation {told}" in card.limits
    assert "Offline distillation learnt from a teacher with labels that nobody knows" in card.limits
    shown_beside = {arm["name"]: arm["teacher_labels"] for row in matrix(decisions) for arm in row["arms"]}
    assert shown_beside == {"SFT": 0, "on-policy distillation": 1000, "offline distillation": 0, "untrained base": 0}


def test_teachers_of_arms_that_nobody_named_are_left_to_the_page(study: Study) -> None:
    _, card = study({"base": 0.1, "sft": 0.5, "distill": 0.9}, named="[base, sft]")
    assert "teacher" not in card.limits


def test_a_reader_sees_first_what_examples_and_a_searched_prompt_do_for_the_base(study: Study) -> None:
    skill = {"base": 0.1, "base-few-shot": 0.3, "prompt-search": 0.3, "base-maj": 0.2, "sft": 0.9, "grpo": 0.4}
    decisions, _ = study(skill)
    place = decisions.places(decisions.panels[0])[0]
    families = [each.family for each in shown(decisions, place)]
    assert families == sorted(families)  # confirmatory ones come first
    against = {each.first for each in shown(decisions, place) if each.second == "base"}
    assert against == set(skill) - {"base"}
    assert not [each for each in decisions.decisions if each.first == "base"]

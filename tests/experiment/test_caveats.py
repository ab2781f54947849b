"""What went wrong in a run is said in its record and while it trains, with what helps."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.experiment import Experiment, caveats
from rftlab.methods.base import load_method, make_settings

NEVER = {"prompts_per_step": 2, "num_generations": 4}
COST = {
    "optimizer_steps": 50,
    "completions": 400,
    "completions_cut": 0,
    "verifier_calls": 400,
    "completions_rewarded": 100,
    "groups": 50,
    "groups_alike": 20,
}


def said(cell: Cell = Cell(), **given: Any) -> list[str]:  # noqa: B008 (a Cell is frozen)
    nothing: dict[str, Any] = {"metrics": {}, "cost": COST, "tuning": (), "samples": ()}
    return [text for text in caveats.of_run(cell, **{**nothing, **given}) if not text.startswith("tiny base")]


@pytest.fixture
def judged_by(tmp_path: Path) -> Callable[[str], str]:
    """A verifier of the user's own that returns an expression."""

    def write(expression: str) -> str:
        (tmp_path / "checks.py").write_text(f"def check(completion, example):\n    return {expression}\n")
        return f"{tmp_path / 'checks.py'}:check"

    return write


@pytest.mark.parametrize(
    ("expression", "live", "recorded"),
    [
        ("0.0", "0 of 32 completions rewarded", "0 of 48 completions were rewarded: there was nothing to learn from"),
        ("1.0", "all 8 groups alike", "all 12 groups had equal rewards (48 of 48 completions were rewarded)"),
    ],
)
def test_rft_that_learnt_nothing_says_so_while_it_trains_and_in_its_record(
    expression: str, live: str, recorded: str, small_cell: Callable[..., Cell], judged_by: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cell = small_cell(method="grpo", settings=NEVER, verifier=judged_by(expression), **{"budget.amount": 6.0})
    experiment = Experiment(cell)
    lines: list[str] = []
    monkeypatch.setattr(experiment, "progress", lambda *_, warning="", **__: lines.append(warning))
    experiment.train()
    experiment.evaluate()
    assert next(filter(None, lines)) == live
    (warning,) = [text for text in experiment.record().warnings if "nothing to learn" in text]
    assert warning.startswith(recorded)
    assert "what helps is" in warning


def test_a_run_with_a_signal_is_not_warned_of(small_cell: Callable[..., Cell]) -> None:
    assert said() == []
    assert caveats.so_far(COST) == ""
    assert caveats.so_far({**COST, "verifier_calls": 31, "completions_rewarded": 0}) == ""
    assert said(cost=dict.fromkeys(COST, 0) | {"optimizer_steps": 50}) == [], "SFT asks no verifier"
    assert said(cost={**COST, "groups": 0, "groups_alike": 0}) == [], "completions that are not compared"


def test_a_method_that_took_no_step_is_said_to_be_what_it_started_from(
    small_cell: Callable[..., Cell], judged_by: Callable[[str], str]
) -> None:
    cell = small_cell(method="rejection_sft", settings={"rounds": 1}, verifier=judged_by("0.0"))
    experiment = Experiment(cell)
    experiment.train()
    experiment.evaluate()
    assert experiment.cost.optimizer_steps == 0
    assert "no step was taken: this is the untrained base" in experiment.record().warnings
    none = {**COST, "optimizer_steps": 0}
    assert said(Cell.make({"start_from": "x"}), cost=none) == ["no step was taken: this is the policy it started from"]
    assert said(Cell.make({"method": "base-few-shot"}), cost=none) == []


def test_a_reward_that_hardly_ever_comes_is_counted() -> None:
    (text,) = said(cost={**COST, "completions_rewarded": 3})
    assert text.startswith("3 of 400 completions were rewarded: there was hardly anything to learn from; what helps")


@pytest.mark.parametrize(
    ("method", "settings", "taught_by"),
    [
        *((method, {}, ("its labels",)) for method in ("hpt", "chord", "interleaved", "sft+grpo")),
        *((method, {}, ()) for method in ("grpo", "rloo", "ppo", "rejection_sft", "dpo")),
        ("sft+grpo", {"stages": [{"method": "grpo", "share": 1.0}]}, ()),
        ("rejection_sft", {"unsolved": "label"}, ("its labels",)),
        ("rlhf", {"pairs_file": "pairs.jsonl"}, ("its labels", "its pairs")),
        ("rlhf", {"pairs_file": "pairs.jsonl", "sft_share": 0.0}, ("its pairs",)),
        ("rlhf", {"sft_share": 0.0}, ()),
    ],
)
def test_what_learnt_from_labels_or_pairs_is_not_said_to_have_had_nothing(
    method: str, settings: dict[str, Any], taught_by: tuple[str, ...]
) -> None:
    assert make_settings(load_method(method), method, "", settings).also_taught_by == taught_by
    for cost in ({**COST, "completions_rewarded": 0}, {**COST, "groups_alike": 50}):
        (text,) = said(cost=cost, taught_by=taught_by)
        beyond = f"beyond {' and '.join(taught_by)} there was nothing" if taught_by else "): there was nothing"
        assert beyond in text.replace("rewarded:", "rewarded):")
        assert ("SFT first" in text) == (not taught_by and cost["completions_rewarded"] == 0)


@pytest.mark.parametrize(("cot_eval", "name"), [(True, "max_new_tokens"), (False, "max_new_tokens_direct")])
def test_the_parameter_that_lifts_the_cap_is_named(cot_eval: bool, name: str) -> None:
    cell = Cell.make({"cot_eval": cot_eval})
    (text,) = said(cell, metrics={"truncation_rate": 0.3})
    assert text.startswith(f"30% of greedy completions were cut by the cap of {cell.max_new_tokens} tokens")
    assert text.endswith(f"raise decoding.{name}")
    assert said(cell, metrics={"truncation_rate": None}) == []


@pytest.mark.parametrize(("cot", "name"), [(True, "max_new_tokens"), (False, "max_new_tokens_direct")])
def test_completions_cut_in_training_are_said_and_sft_first_is_not_advised(cot: bool, name: str) -> None:
    cell = Cell.make({"cot": cot, "cot_eval": not cot, f"decoding.{name}": 14})
    nothing, cut = said(cell, cost={**COST, "completions_rewarded": 0, "completions_cut": 160})
    assert nothing.startswith("0 of 400 completions were rewarded, 40% of those sampled were cut: there was nothing")
    assert f"what helps is a higher decoding.{name}, easier prompts" in nothing
    assert cut == f"40% of completions sampled in training were cut by the cap of 14 tokens; raise decoding.{name}"
    assert said(cell, cost={**COST, "completions_cut": 160}) == [cut]
    assert said(cell, cost={**COST, "completions_cut": 10}) == [], "some ramble"


@pytest.mark.parametrize(
    ("chosen", "says"),
    [(0, "the lowest of 3 learning rates tried was chosen (0.0001)"), (1, ""), (2, "the highest of 3 learning rates")],
)
def test_a_rate_at_the_end_of_what_was_tried_is_named(chosen: int, says: str) -> None:
    tuning = [
        {"learning_rate": rate, "chosen": n == chosen, "validation_accuracy": 0.5 + 0.1 * (n == chosen)}
        for n, rate in enumerate((1e-4, 1e-3, 1e-2))
    ]
    found = said(tuning=tuning)
    assert len(found) == bool(says)
    assert all(text.startswith(says) for text in found)
    assert said(tuning=tuning[:1]) == []


def test_rates_that_tie_are_not_called_the_best() -> None:
    tuning = [{"learning_rate": rate, "chosen": rate == 1e-4, "validation_accuracy": 0.0} for rate in (1e-4, 1e-3)]
    (text,) = said(tuning=tuning)
    assert text.startswith("all 2 learning rates tried reached the same validation accuracy (0%): the first was taken")


def test_a_verifier_that_fails_is_counted_with_its_most_frequent_reason(
    small_cell: Callable[..., Cell], judged_by: Callable[[str], str]
) -> None:
    cell = small_cell(method="base", labels=0, verifier=judged_by("1 / (len(completion) > 10**6) or 1"))
    experiment = Experiment(cell)
    experiment.evaluate()
    (text,) = [text for text in experiment.record().warnings if "verifier" in text]
    assert re.match(
        r"the verifier itself failed on (\d+) of \1 completions, most often: the verifier raised Zero", text
    )


def test_reasons_are_one_plain_line() -> None:
    rows = [{"parts": {"verifier_error": 1.0}, "detail": "\x1b[31mbad\nline\x00" + "x" * 900}]
    (text,) = said(samples=rows)
    assert text.isprintable()
    assert len(text) < 400
    assert json.dumps(text)

"""Experiment: the same cell gives the same record; tuning sees labels only; what cannot work is said at once."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rftlab import record as records
from rftlab.cell import Cell
from rftlab.contract import NA
from rftlab.digests import with_digests
from rftlab.errors import RftlabError
from rftlab.evaluate import ask
from rftlab.experiment import Experiment
from rftlab.methods.monitor import Monitor
from rftlab.registry import METHODS

TIMES = {"seconds", "tuning_seconds", "evaluation_seconds", "along_seconds", "peak_memory_bytes"}


def run(cell: Cell, folder: Path) -> dict[str, Any]:
    experiment = Experiment(cell, out=folder)
    experiment.train()
    experiment.evaluate()
    return json.loads(experiment.save().read_text())


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    cost = {name: value for name, value in record["cost"].items() if name not in TIMES}
    tuning = [{**trial, "cost": {**trial["cost"], "seconds": 0}} for trial in record["tuning"]]
    # Checksums follow the seconds in trace and notebook.
    return {**record, "cost": cost, "tuning": tuning, "files": None, "digest": None}


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_the_same_cell_gives_the_same_record(method: str, small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    settings = {"prompts_per_step": 2, "num_generations": 4} if method == "grpo" else {}
    cell = small_cell(method=method, settings=settings, **{"tuning.trials": 2})
    first, second = run(cell, tmp_path / "a"), run(cell, tmp_path / "b")
    assert without_times(first) == without_times(second)
    assert (tmp_path / "a" / records.SAMPLES).read_text() == (tmp_path / "b" / records.SAMPLES).read_text()


def test_methods_of_one_comparison_share_their_contract(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    sft = run(small_cell(method="sft"), tmp_path / "sft")
    base = run(small_cell(method="base", labels=0), tmp_path / "base")
    hybrid = run(
        small_cell(
            method="sft+grpo",
            settings={
                "stages": [
                    {"method": "sft", "share": 0.5},
                    {"method": "grpo", "share": 0.5, "settings": {"prompts_per_step": 2, "num_generations": 4}},
                ]
            },
        ),
        tmp_path / "hybrid",
    )
    must_match = {who["cell"]["method"]: who["contract"]["match"] for who in (sft, base, hybrid)}
    assert must_match["sft"] == must_match["sft+grpo"]
    assert sft["contract_hash"] == hybrid["contract_hash"]
    applies = {name: value for name, value in must_match["base"].items() if value != NA}
    assert applies == {name: must_match["sft"][name] for name in applies}
    other = run(small_cell(method="sft", seed_data=1), tmp_path / "other")["contract"]["match"]
    assert other["label_ids"] != must_match["sft"]["label_ids"]
    assert other["test_items"] == must_match["sft"]["test_items"]


def test_trials_are_equal_in_number_and_hold_out_labels(small_cell: Callable[..., Cell]) -> None:
    cell = small_cell(method="sft", labels=10, **{"tuning.trials": 3, "tuning.validation_share": 0.3})
    experiment = Experiment(cell)
    experiment.train()
    assert [trial["learning_rate"] for trial in experiment.tuning] == list(experiment.method.ladder.lora[:3])
    assert [trial["chosen"] for trial in experiment.tuning].count(True) == 1
    assert experiment.learning_rate == next(t["learning_rate"] for t in experiment.tuning if t["chosen"])
    split = experiment.task.labels(10, seed=0, validation_share=0.3)
    assert len(split.validation) == 3
    assert {e.id for e in split.train + split.validation} == {e.id for e in experiment.labels.train}


@pytest.mark.parametrize("development", ["apart", "from_labels"])
def test_learning_curves_read_no_item_the_result_is_measured_on(
    development: str, small_cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, set[str]] = {}

    def listen(policy: Any, examples: Any, *args: Any, part: str, **kwargs: Any) -> Any:
        asked.setdefault(part, set()).update(example.id for example in examples)
        return ask(policy, examples, *args, part=part, **kwargs)

    for module in ("rftlab.experiment", "rftlab.experiment.along"):
        monkeypatch.setattr(f"{module}.ask", listen)
    cell = small_cell(method="sft", labels=10, development=development, **{"tuning.trials": 2})
    experiment = Experiment(cell)
    experiment.train()
    experiment.evaluate()
    record = experiment.record()
    measured = {row["item"] for row in experiment._outcome.samples if row["part"] in ("test", "ood", "sampled")}
    assert len(asked["along"]) == 8 if development == "apart" else 6  # development items, and OOD items not measured
    assert not asked["along"] & measured
    trained = {example.id for example in experiment.labels.train}
    assert not asked["along"] & trained
    assert asked["validation"] <= trained
    assert len(trained) == 10 if development == "apart" else 8
    assert record.cost["development_items"] == (4 if development == "apart" else 2)
    last = [row for row in experiment.trace if row["kind"] == "eval"][-1]
    assert record.metrics["development_accuracy"] == last["eval/accuracy"]


def test_without_evaluations_along_the_way_there_are_no_development_items(small_cell: Callable[..., Cell]) -> None:
    cell = small_cell(method="base", labels=0, **{"evaluation.along_the_way": 0})
    experiment = Experiment(cell)
    experiment.evaluate()
    assert experiment.record().metrics["development_accuracy"] is None
    assert experiment.record().cost["development_items"] == 0
    assert small_cell(method="base", labels=0).development_items == 4
    assert len(Experiment(small_cell(method="base", labels=0)).labels.development) == 4


def test_the_hybrid_shares_its_budget_between_stages(small_cell: Callable[..., Cell]) -> None:
    grpo = {"prompts_per_step": 2, "num_generations": 4}
    stages = [{"method": "sft", "share": 0.5}, {"method": "grpo", "share": 0.5, "settings": grpo}]
    experiment = Experiment(small_cell(method="sft+grpo", settings={"stages": stages}, **{"budget.amount": 4.0}))
    trace = experiment.train()
    trained = trace[trace["kind"] == "train"]
    assert trained["step"].tolist() == [1, 2, 3, 4]
    assert trained["train/reward"].notna().tolist() == [False, False, True, True]


@pytest.mark.parametrize("unit", ["steps", "tokens", "flops", "seconds"])
def test_training_stops_at_the_compute_budget(unit: str, small_cell: Callable[..., Cell]) -> None:
    amount = {"steps": 3.0, "tokens": 3000.0, "flops": 5e9, "seconds": 1.0}[unit]
    experiment = Experiment(small_cell(method="sft", **{"budget.unit": unit, "budget.amount": amount}))
    trace = experiment.train()
    trained = trace[trace["kind"] == "train"]
    spent = trained[{"steps": "step", "tokens": "tokens_trained"}.get(unit, unit)].tolist()
    one = max(after - before for before, after in itertools.pairwise([0.0, *spent]))
    # Time is measured, not known; a first step is slower than the others.
    assert amount - one <= spent[-1] <= amount + (one if unit == "seconds" else 0)


def test_counted_tokens_are_those_of_the_labels(small_cell: Callable[..., Cell]) -> None:
    experiment = Experiment(small_cell(method="sft", labels=8))
    experiment.train()
    rows = [
        experiment.policy.encode_prompt(experiment.policy.prompt_text(e, cot=True))
        + experiment.policy.encode_completion(e, cot=True)
        for e in experiment.labels.train
    ]
    assert experiment.cost.tokens_trained == 2 * len(rows) * max(map(len, rows)), "both steps, padding included"
    assert experiment.cost.verifier_calls == experiment.cost.tokens_generated == 0


def test_sft_learns_its_labels(small_cell: Callable[..., Cell]) -> None:
    cell = small_cell(
        task="arithmetic/rare", method="sft", labels=10, **{"budget.amount": 40.0, "evaluation.train_items": 10}
    )
    experiment = Experiment(cell)
    rows = ask(experiment.policy, experiment.labels.train, experiment.verifier, experiment.capped, part="train")
    before = sum(row["reward"] for row in rows) / len(rows)
    experiment.train()
    assert experiment.evaluate()["train_accuracy"] >= before + 0.4


@pytest.mark.slow  # that GRPO learns is also tested on an exact toy, in tests/methods/test_optimum.py
def test_grpo_raises_the_reward_it_is_given(small_cell: Callable[..., Cell]) -> None:
    settings = {"prompts_per_step": 4, "num_generations": 8}
    cell = small_cell(
        method="grpo", labels=4, settings=settings, **{"budget.amount": 40.0, "evaluation.along_the_way": 0}
    )
    rewards = Experiment(cell).train()["train/reward"].dropna().tolist()
    assert sum(rewards[-8:]) > sum(rewards[:8]) + 0.5


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"task": "arithmetics/word"}, "unknown task"),
        ({"task": "arithmetic/wrod"}, "did you mean arithmetic/word"),
        ({"method": "grop"}, "did you mean grpo"),
        ({"verifier": "exakt"}, "did you mean exact"),
        ({"labels": 10**6}, "fewer than labels=1000000 and 4 development items"),
        ({"labels": 0}, "labels is 0"),
        ({"labels": 1, "tuning.trials": 2}, "labels >= 2"),
        ({"method": "grpo", "settings": {"num_generation": 4}}, "num_generation"),
        ({"method": "grpo", "preset": "deepsek"}, "did you mean deepseek"),
        ({"task_settings": {"family": 3}}, "does not take these settings"),
        ({"verifier": "exact", "verifier_settings": {"tolerance": 1}}, "does not take these settings"),
        ({"tuning.trials": 3, "tuning.learning_rates": [1e-3]}, "the ladder has 1"),
    ],
)
def test_what_cannot_work_is_said_in_a_sentence(
    values: dict[str, Any], says: str, small_cell: Callable[..., Cell]
) -> None:
    with pytest.raises(RftlabError, match=says):
        Experiment(small_cell(**values)).train()


def test_evaluation_along_the_way_is_not_charged(small_cell: Callable[..., Cell]) -> None:
    now = [0.0]

    def slow_evaluation() -> dict[str, float]:
        now[0] += 100.0
        return {"eval/accuracy": 0.5}

    cell = small_cell(**{"budget.amount": 4.0})
    monitor = Monitor(
        Experiment(cell).policy, cell.budget, evaluate=slow_evaluation, evaluations=2, clock=lambda: now[0]
    )
    monitor.evaluate()
    for _ in range(4):
        now[0] += 1.0
        stopped = monitor.step({})
    assert stopped
    assert monitor.cost.seconds == 4.0
    assert [row["step"] for row in monitor.trace if row["kind"] == "eval"] == [0, 2, 4]


UNTRAINED = [name for name, entry in METHODS.items() if not entry.trains]


@pytest.mark.parametrize("method", [*UNTRAINED, "sft"])
def test_the_curve_ends_with_what_is_recorded_and_evaluation_is_never_charged(method, small_cell):
    labels = 8 if METHODS[method].uses_labels else 0
    experiment = Experiment(small_cell(method=method, labels=labels, **{"evaluation.along_items": 12}))
    experiment.train()
    charged = experiment.cost.flops
    experiment.evaluate()
    found = experiment.record()
    assert experiment.trace[-1]["kind"] == "eval"
    assert experiment.trace[-1]["eval/accuracy"] == found.metrics["development_accuracy"]
    assert found.cost["flops"] == charged
    assert bool(charged) == (METHODS[method].trains or METHODS[method].keeps_prompt)
    assert not any("of the budget" in warning for warning in found.warnings)


def test_a_method_that_changes_the_prompt_alone_has_no_point_from_before(small_cell):
    experiment = Experiment(small_cell(method="base-few-shot"))
    assert len(experiment.train()) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_asked_of_an_interrupted_policy_is_not_charged(error, small_cell, monkeypatch):
    experiment, monitors = Experiment(small_cell()), []

    def train(run):
        monitors.append(run.monitor)
        raise error

    monkeypatch.setattr(experiment.method, "train", train)
    with pytest.raises((error, RftlabError)):
        experiment.train()
    experiment.completions(2)
    assert monitors[0].cost.flops == 0


def test_a_learning_rate_that_diverges_loses_its_trial(small_cell):
    rates = {"tuning.trials": 2, "tuning.learning_rates": [1e30, 1e-3], "tuning.validation_share": 0.3}
    experiment = Experiment(small_cell(method="sft", labels=10, **rates))
    experiment.train()
    assert experiment.learning_rate == 1e-3
    assert [trial["diverged"] for trial in experiment.tuning] == [True, False]
    assert [trial["chosen"] for trial in experiment.tuning] == [False, True]
    spent = [trial["cost"] for trial in experiment.tuning]
    assert spent[0]["tokens_generated"] == 0
    assert spent[0]["flops"] / spent[0]["tokens_trained"] == spent[1]["flops"] / spent[1]["tokens_trained"]


@pytest.mark.parametrize(
    ("method", "rates", "says"),
    [
        ("sft", {"tuning.trials": 2, "tuning.learning_rates": [1e30, 1e32]}, r"every learning rate .*1e\+30, 1e\+32"),
        ("sft", {"tuning.learning_rates": [1e30]}, r"diverged at learning rate 1e\+30"),
        ("grpo", {"tuning.learning_rates": [1e30], "budget.amount": 4.0}, r"diverged at learning rate 1e\+30"),
    ],
)  # fmt: skip
def test_training_that_diverges_is_said_in_a_sentence(small_cell, method, rates, says):
    experiment = Experiment(small_cell(method=method, labels=10, **rates))
    with pytest.raises(RftlabError, match=says):
        experiment.train()


@pytest.mark.parametrize("method", ["grpo", "ppo", "sft+grpo", "dpo"])
def test_dropout_is_refused_where_a_loss_compares_policies(method: str, small_cell: Callable[..., Cell]) -> None:
    with pytest.raises(RftlabError, match="set adapter.dropout to 0"):
        Experiment(small_cell(method=method, **{"adapter.dropout": 0.1}))


def test_dropout_acts_where_labels_are_imitated(small_cell: Callable[..., Cell]) -> None:
    losses = []
    for dropout in (0.0, 0.3):
        experiment = Experiment(small_cell(method="sft", **{"adapter.dropout": dropout}))
        trace = experiment.train()
        losses.append(trace[trace["kind"] == "train"]["train/loss"].tolist())
    # B is 0 before the first update, so that what is dropped of A's output shows from the second on.
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]


def test_what_became_of_the_budget_is_recorded(small_cell: Callable[..., Cell]) -> None:
    experiment = Experiment(small_cell(method="sft", **{"budget.unit": "tokens", "budget.amount": 900.0}))
    experiment.train()
    experiment.evaluate()
    assert any("of the budget of 900 tokens" in sentence for sentence in experiment.record().warnings)


def test_a_record_has_the_id_of_the_files_it_was_made_with(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    checks = tmp_path / "checks.py"
    checks.write_text("def score(completion, example):\n    return 1.0\n")
    by_hand = small_cell(method="base", labels=0, verifier=f"{checks}:score")
    from_a_grid = with_digests(by_hand)
    experiment = Experiment(by_hand)
    assert experiment.cell == from_a_grid
    assert experiment.folder.name == from_a_grid.id != by_hand.id
    checks.write_text("def score(completion, example):\n    return 0.0\n")
    with pytest.raises(RftlabError, match=r"checks\.py changed after the grid was read"):
        Experiment(from_a_grid)
    again = Experiment(by_hand)
    assert again.cell.id != from_a_grid.id
    assert again.completions(2)["reward"].tolist() == [0.0, 0.0]


def test_a_verifier_that_changes_folder_or_ends_the_process_moves_and_ends_nothing(small_cell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine.py").write_text(
        "import os, sys\n"
        "def score(completion, example):\n"
        f"    os.chdir({str(tmp_path / 'elsewhere')!r})\n"
        "    if '<answer>' not in completion: sys.exit(0)\n"
        "    return float(example.answer in completion)\n"
    )
    cell = small_cell(method="base", verifier="mine.py:score")
    for out in ("here", ""):
        experiment = Experiment(cell, out)
        experiment.train()
        experiment.evaluate()
        experiment.save()
        monkeypatch.chdir(tmp_path)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (tmp_path / "here" / "record.json").is_file()
    assert (tmp_path / "results" / "interactive" / "cells" / experiment.cell.id / "record.json").is_file()

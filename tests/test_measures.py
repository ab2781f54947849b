"""What is measured beside greedy accuracy: partial credit, kinds of OOD, retention, votes, a verifier apart."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rftlab import preflight
from rftlab.answer.folder import read_cells
from rftlab.answer.items import item_table
from rftlab.answer.outcomes import PART_OF, outcomes
from rftlab.answer.results import measured
from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.errors import RftlabError
from rftlab.evaluate.beside import with_room_for
from rftlab.evaluate.rates import distinct_correct_rationales, majority_at
from rftlab.experiment import Experiment
from rftlab.policy import base_answers
from rftlab.record import cells_dir, read_lines
from rftlab.tasks.base import RULE, SURFACE, Example, Task, load_task
from rftlab.tasks.of_cell import retention_tasks

# Full marks to the right answer, two fifths to any other; a call is noted in the file whose name it is given.
GRADED = """
from rftlab.verifiers.base import Judgement, Verifier

class Graded(Verifier):
    def judge(self, answer, example):
        return Judgement(1.0 if answer == example.answer else 0.4)

class Counting(Graded):
    def __init__(self, *, log, **settings):
        super().__init__(**settings)
        self.log = log

    def judge(self, answer, example):
        with open(self.log, "a") as file:
            file.write(example.id + "\\n")
        return Judgement(float(answer == example.answer and int(example.answer) % 2 == 0))
"""


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    path = tmp_path / "checks.py"
    path.write_text(GRADED)
    return path


def run(cell: Cell, results: Path) -> Experiment:
    cell = with_digests(cell)
    experiment = Experiment(cell, out=cells_dir(results) / cell.id)
    experiment.train()
    experiment.evaluate()
    experiment.save()
    return experiment


def drawn(item: str, answers: str, right: str = "a", rationale: str = "") -> list[dict]:
    """One row a letter; a dot is a completion without an answer."""
    return [
        {
            "item": item, "draw": i, "extracted": None if letter == "." else letter, "reward": float(letter == right),
            "format_ok": True, "completion": f"{rationale}<answer>{letter}</answer>",
        }
        for i, letter in enumerate(answers)
    ]  # fmt: skip


def test_accuracy_is_the_share_wholly_right_and_score_the_mean_reward(small_cell, checks, tmp_path):
    cell = small_cell(method="base", labels=0, verifier=f"{checks}:Graded", **{"evaluation.test_items": 20})
    experiment = run(cell, tmp_path)
    metrics = experiment.record().metrics
    rows = [row for row in read_lines(experiment.folder / "samples.jsonl") if row["part"] == "test"]
    right = sum(row["reward"] == 1 for row in rows)
    assert 0 < right < 20
    assert metrics["accuracy"] == right / 20
    assert metrics["score"] == pytest.approx(sum(row["reward"] for row in rows) / 20)
    assert metrics["score"] > metrics["accuracy"]
    assert metrics["pass_at_1"] == metrics["sampled_accuracy"] < metrics["sampled_score"]


def test_readers_pair_items_by_either_measure_and_show_a_score_only_where_it_differs(small_cell, checks, tmp_path):
    graded = small_cell(method="base", labels=0, verifier=f"{checks}:Graded")
    identity = run(graded, tmp_path / "graded").cell.id
    by_accuracy, by_score = (outcomes(str(tmp_path / "graded"), identity, name) for name in ("accuracy", "score"))
    assert by_accuracy.index.equals(by_score.index)
    assert set(by_accuracy) == {0.0, 1.0}
    assert set(by_score) == {0.4, 1.0}
    cells = read_cells(tmp_path / "graded")
    assert "score" in measured(cells)
    for measure in set(PART_OF) - {"apart_accuracy", "apart_score", "train_accuracy", "base_train_accuracy"}:
        assert item_table(tmp_path / "graded", cells, measure)["value"].mean() == pytest.approx(cells[measure].iloc[0])
    run(small_cell(method="base", labels=0), tmp_path / "exact")
    assert not {"score", "sampled_score", "ood_score"} & set(measured(read_cells(tmp_path / "exact")))


def test_each_kind_of_ood_has_its_accuracy_and_all_of_them_one(small_cell, tmp_path):
    cell = small_cell(method="base", labels=0, **{"evaluation.ood_items": 30})
    experiment = run(cell, tmp_path)
    found = experiment.record().metrics
    assert found["ood_rule_accuracy"] < found["ood_surface_accuracy"]
    assert found["ood_accuracy"] == pytest.approx((found["ood_rule_accuracy"] + found["ood_surface_accuracy"]) / 2)
    rows = [row for row in read_lines(experiment.folder / "samples.jsonl") if row["part"] == "ood"]
    assert [row["kind"] for row in rows] == [RULE] * 30 + [SURFACE] * 30


@pytest.mark.parametrize("family", ["word", "rare", "band"])
def test_the_studied_families_change_the_rule_and_the_wording_and_answer_by_their_rationale(family):
    task = load_task(f"arithmetic/{family}")
    assert set(task.ood) == {RULE, SURFACE}
    for example in task.ood[RULE]:
        assert example.rationale.rstrip(".").endswith(example.answer)
    assert len(set(task.retention) - {f"arithmetic/{family}"}) == 2


def test_a_plain_tuple_of_ood_items_is_of_no_known_kind():
    train, test, beyond = ((Example("1", f"{part}?", "1"),) for part in ("train", "test", "beyond"))
    task = Task("mine", "", train, test, beyond)
    assert task.ood == {"other": beyond}
    assert task.beyond == beyond
    with pytest.raises(RftlabError, match="names no kind of out-of-distribution items"):
        Task("mine", "", train, test, {"two words": beyond})


def test_a_trained_policy_is_asked_what_it_was_not_trained_on_and_its_base_what_it_was(small_cell, tmp_path):
    trained = run(small_cell(**{"evaluation.retention": "arithmetic/dose, qa/tiny"}), tmp_path).record().metrics
    each = [trained["retention_dose_accuracy"], trained["retention_tiny_accuracy"]]
    assert trained["retention_accuracy"] == pytest.approx(sum(each) / 2)
    assert trained["base_train_accuracy"] is not None
    bare = Experiment(small_cell(method="base", labels=0, **{"evaluation.retention": ""}))
    bare.evaluate()
    assert bare.record().metrics["retention_accuracy"] is None
    assert not any(row["part"] == "retention" for row in bare._outcome.samples)


def test_retention_has_room_for_its_gold_answers_and_never_more_than_the_context(small_cell):
    experiment = Experiment(small_cell())
    dose = experiment.also.retention[0]
    longest = max(experiment.policy.count_prompt(example, True) for example in dose.items)
    gold = max(experiment.policy.count_gold(dose.items, True))
    for cap in (4, 100, 500):
        tight = Cell.make({**experiment.cell.flat(), "decoding.max_new_tokens": cap})
        roomy = with_room_for(tight, experiment.policy, dose).decoding.max_new_tokens
        assert max(gold, min(cap, 512 - longest)) <= roomy <= 512 - longest


def test_the_task_trained_on_cannot_be_one_not_trained_on(small_cell):
    cell = small_cell(**{"evaluation.retention": "arithmetic/word"})
    with pytest.raises(RftlabError, match="which is the task trained on"):
        retention_tasks(cell, load_task(cell.task))


def test_the_base_behind_a_trained_policy_says_what_the_base_says_and_is_asked_once(small_cell, tmp_path, monkeypatch):
    monkeypatch.setenv("RFTLAB_SHARED", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    experiment = Experiment(small_cell(**{"budget.amount": 4.0}))
    prompts = [experiment.policy.encode_prompt(f"Q: What is {n}+4?\nA:") for n in range(6)]
    asked = {"max_new_tokens": 20, "seed": 5, "temperature": 1.0, "top_p": 1.0, "greedy": False}
    before = base_answers.sample_shared(experiment.policy, prompts, **asked)
    (path,) = (tmp_path / "shared").iterdir()
    experiment.train()
    assert not experiment.policy.untrained
    monkeypatch.setattr(base_answers, "sample", lambda *_, **__: pytest.fail("asked again"))
    assert base_answers.sample_base(experiment.policy, prompts, **asked) == before
    monkeypatch.undo()
    path.unlink(missing_ok=True)
    assert base_answers.sample_base(experiment.policy, prompts, **asked) == before


def test_a_majority_of_k_counts_ties_by_the_share_of_them_that_is_right():
    assert majority_at(drawn("1", "aabb"), 4) == {"majority_at_2": 0.5, "majority_at_4": 0.5}
    assert majority_at(drawn("1", "aaab"), 4) == {"majority_at_2": 0.75, "majority_at_4": 1.0}
    assert majority_at(drawn("1", "....") + drawn("2", "bb.a"), 4) == {"majority_at_2": 0.25, "majority_at_4": 0.0}
    assert majority_at([], 2) == {"majority_at_2": None}


def test_distinct_rationales_are_counted_among_eight_right_answers_whose_sums_hold():
    ways = [row for i in range(8) for row in drawn("1", "a", rationale=f"way {i} ")]
    assert distinct_correct_rationales(ways) == pytest.approx(8)
    assert distinct_correct_rationales(ways[:7]) is None
    assert distinct_correct_rationales(drawn("1", "a" * 16, rationale="3+4=7, ")) == pytest.approx(1)
    assert distinct_correct_rationales(drawn("1", "a" * 16, rationale="3+4=8, ")) is None
    twice = drawn("1", "a" * 8, rationale="one ") + drawn("1", "a" * 8, rationale="two ")
    assert 1.9 < distinct_correct_rationales(twice) < 2


def test_base_maj_answers_what_the_base_says_most_often_and_pays_for_every_vote(small_cell, tmp_path):
    sizes = {"evaluation.test_items": 12, "evaluation.sampled_items": 12, "evaluation.samples": 8}
    base = run(small_cell(method="base", labels=0, **sizes), tmp_path)
    voting = run(small_cell(method="base-maj", labels=0, settings={"votes": 8}, **sizes), tmp_path)
    votes: dict[str, list[dict]] = {}
    for row in base._outcome.samples:
        if row["part"] == "sampled":
            votes.setdefault(row["item"], []).append(row)
    answers = [row for row in voting._outcome.samples if row["part"] == "test"]
    for row in answers:
        said = [vote["extracted"] for vote in votes[row["item"]] if vote["extracted"]]
        assert said.count(row["extracted"]) == max(map(said.count, said))
        assert row["length"] == sum(vote["length"] for vote in votes[row["item"]])
    metrics = voting.record().metrics
    assert metrics["sampled_accuracy"] is metrics["pass_at_8"] is None
    assert metrics["completion_tokens"] > 4 * base.record().metrics["completion_tokens"]


def test_a_verifier_apart_judges_test_items_alone_and_never_in_training(small_cell, checks, tmp_path):
    log = tmp_path / "log"
    values = {"evaluation.verifier": f"{checks}:Counting", "evaluation.verifier_settings": {"log": str(log)}}
    settings = {"prompts_per_step": 2, "num_generations": 4}
    cell = small_cell(method="grpo", settings=settings, **values, **{"evaluation.test_items": 20})
    experiment = Experiment(cell)
    experiment.train()
    assert not log.exists()
    experiment.evaluate()
    judged = log.read_text().split()
    assert set(judged) <= {example.id for example in experiment.task.test[:20]}
    assert len(judged) == len(set(judged)) > 0
    metrics = experiment.record().metrics
    rows = [row for row in experiment._outcome.samples if row["part"] == "test"]
    assert metrics["apart_accuracy"] == sum(row["apart_reward"] == 1 for row in rows) / 20
    assert metrics["reward_hacking_gap"] == pytest.approx(metrics["accuracy"] - metrics["apart_accuracy"])
    contract = experiment.record().contract["match"]
    assert contract["apart"].startswith("checks.py:Counting")
    assert len(contract["apart_code"]) > 10


def test_preflight_refuses_a_verifier_apart_that_rejects_gold_and_a_retention_task_that_is_not_there(checks, tmp_path):
    half = tmp_path / "half.py"
    half.write_text("def half(completion, example):\n    return 0.5\n")
    for values, problem in (
        ({"evaluation.verifier": f"{half}:half"}, "gives the gold answer .* the reward 0.5, not 1"),
        ({"evaluation.retention": f"{tmp_path}/none.py:make"}, "cannot load"),
    ):
        with pytest.raises(RftlabError, match=problem):
            preflight.check([Cell.make({"method": "base", "labels": 0, **values})])


def test_parts_of_the_reward_and_what_was_drawn_stand_in_the_trace(small_cell: Callable[..., Cell]):
    settings = {"prompts_per_step": 2, "num_generations": 4}
    for method in ("grpo", "ppo"):
        experiment = Experiment(small_cell(method=method, settings=settings))
        trace = experiment.train()
        steps = trace[trace["kind"] == "train"]
        for name in ("part/format", "part/correct", "entropy", "completion_tokens", "zero_std_groups"):
            # A method may learn several steps from one draw, which then stands in the first of them.
            assert steps[f"train/{name}"].notna().iloc[0], (method, name)
        assert 0 <= steps["train/part/format"].iloc[0] <= 1


def test_kl_is_of_completions_at_temperature_one_alone_and_the_record_says_so(small_cell):
    cold = Experiment(small_cell(**{"decoding.temperature": 0.7}))
    cold.train()
    cold.evaluate()
    record = cold.record()
    assert record.metrics["kl_to_base"] is record.metrics["kl_from_base"] is None
    assert any("KL to the base is not measured" in text for text in record.warnings)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_both_kls_are_known_for_every_kind_of_adapter(small_cell, kind):
    experiment = Experiment(small_cell(**{"adapter.kind": kind, "budget.amount": 3.0}))
    experiment.train()
    experiment.evaluate()
    metrics = experiment.record().metrics
    assert metrics["kl_to_base"] > 0
    assert metrics["kl_from_base"] > 0

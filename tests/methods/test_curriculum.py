"""A curriculum: which prompts are open when, what trainers are given, and who is refused one."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.base import TrainingRun, load_method
from rftlab.methods.curriculum import Curriculum
from rftlab.registry import METHODS
from rftlab.tasks.base import Example, Labels
from rftlab.tasks.difficulty import refuse_order
from tests.toy_mdp import toy_run

# Eight prompts of the toy, told apart by their length and letters; the later the harder.
EXAMPLES = tuple(Example(f"p{i}", text, "ca") for i, text in enumerate(("a", "b", "c", "ab", "ac", "ba", "bc", "ca")))
RATES = {example.id: 1 - i / 8 for i, example in enumerate(EXAMPLES)}
FEW: dict[str, dict[str, Any]] = {
    "sft": {"per_device_train_batch_size": 2}, "distill": {"prompts_per_step": 2, "num_generations": 2},
    "ddpg": {"prompts_per_step": 2, "num_generations": 2, "warmup_updates": 0},
}  # fmt: skip


def run_of(method: str, order: str, steps: int = 8, **settings: Any) -> TrainingRun:
    run = toy_run(
        method, 0, steps=steps, examples=EXAMPLES,
        **(FEW.get(method, {"prompts_per_step": 2, "num_generations": 2}) | settings),
    )  # fmt: skip
    return replace(run, cell=Cell.make({**run.cell.flat(), "curriculum": order}), pass_rates=RATES)


@pytest.mark.parametrize(("order", "first"), [("easy_first", ["p0", "p1"]), ("hard_first", ["p7", "p6"])])
def test_a_quarter_is_open_at_first_and_all_from_half_of_the_budget_on(order: str, first: list[str]) -> None:
    run = run_of("grpo", order)
    curriculum = Curriculum(run)
    found = []
    for step in range(9):
        run.monitor.cost.optimizer_steps = step
        found.append([EXAMPLES[place].id for place in curriculum.open()])
    assert [len(each) for each in found] == [2, 4, 5, 7, 8, 8, 8, 8, 8]
    assert found[0] == first
    assert all(a == b[: len(a)] for a, b in itertools.pairwise(found))


def test_what_is_open_comes_once_before_it_comes_again() -> None:
    curriculum = Curriculum(run_of("grpo", "easy_first"))
    taken = curriculum.take(2) + curriculum.take(3)
    assert sorted(taken[:2]) == sorted(taken[2:4]) == [0, 1]


ORDERED = sorted(name for name, entry in METHODS.items() if entry.orders)
FAST = ("grpo", "ppo", "sdpo")


def asked_by_step(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Prompts that a method learns from or samples for, step by step."""
    by_ids = {tuple(run.policy.encode_prompt(e.prompt)): e.id for e in EXAMPLES}
    found: list[set[str]] = [set()]
    sampled, stepped = run.monitor.sampled, run.monitor.step

    def draw(rollouts: Any) -> None:
        found[-1] |= {by_ids[tuple(r.prompt_ids)] for r in rollouts}
        sampled(rollouts)

    def step(*args: Any, **kwargs: Any) -> bool:
        found.append(set())
        return stepped(*args, **kwargs)

    monkeypatch.setattr(run.monitor, "sampled", draw)
    monkeypatch.setattr(run.monitor, "step", step)
    load_method(run.cell.method).train(run)
    return found


@pytest.mark.parametrize(
    "method", [m if m in FAST else pytest.param(m, marks=pytest.mark.slow) for m in ORDERED if m != "sft"]
)
def test_a_method_samples_for_easy_prompts_first(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [each for each in asked_by_step(run_of(method, "easy_first"), monkeypatch) if each]
    assert found[0] == {"p0", "p1"}
    assert {"p0", "p1"} < set().union(*found)
    hard = asked_by_step(run_of(method, "hard_first", steps=1), monkeypatch)
    assert hard[0] == {"p6", "p7"}


def test_sft_is_given_easy_labels_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from rftlab.methods import sft

    run, seen = run_of("sft", "easy_first"), []
    compute = sft._Trainer.compute_loss

    def watched(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append({tuple(t for t in row if t) for row in inputs["input_ids"].tolist()})
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(sft._Trainer, "compute_loss", watched)
    load_method("sft").train(run)
    easy = {tuple(run.policy.encode_prompt(e.prompt + "ca")) for e in EXAMPLES[:2]}
    assert seen[0] == easy
    assert set().union(*seen) > easy


def test_a_prompt_of_no_pass_rate_is_named() -> None:
    run = replace(run_of("grpo", "easy_first"), labels=Labels((*EXAMPLES, Example("new", "cc", "ca"))))
    with pytest.raises(RftlabError, match="example new that is trained on has no pass rate"):
        Curriculum(run)


def test_methods_with_an_order_of_their_own_are_refused_one() -> None:
    with pytest.raises(RftlabError, match="method 'dpo' takes its examples in an order of its own; .* sft, grpo"):
        refuse_order(Cell.make({"method": "dpo", "curriculum": "easy_first"}))
    with pytest.raises(RftlabError, match="give processes: 1"):
        refuse_order(Cell.make({"method": "grpo", "curriculum": "hard_first", "processes": 2}))
    refuse_order(Cell.make({"method": "base", "curriculum": "easy_first"}))
    refuse_order(Cell.make({"method": "dpo"}))

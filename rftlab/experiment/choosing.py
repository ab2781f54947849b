"""Settings of a method that trains nothing, tried in the cell itself on folds of its own labels.

Every label is asked with what the others teach, so that no label has to be kept back for the choice.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rftlab.methods.base import Method, Settings, TrainingRun
from rftlab.methods.monitor import Monitor
from rftlab.policy.rollout import sample
from rftlab.record.outcomes import worth
from rftlab.tasks.base import Example, Labels
from rftlab.tasks.shots import in_turn

if TYPE_CHECKING:
    from rftlab.experiment import Experiment

MOST = 50
"""Labels that are asked, at most."""

Monitored = Callable[[int, int], AbstractContextManager[Monitor]]
"""A monitor for number (from 1) of so many candidates."""


def choose_settings(run: "Experiment", monitors: Callable[..., Monitor]) -> tuple[Settings, list[dict[str, Any]]]:
    """`try_settings` of an experiment's method; greedy answers are worth what decides.

    Args:
        run: whose policy is asked.
        monitors: makes one of policy, budget, phase (the name that people see of it) and evaluations.
    """
    policy, cell = run.policy, run.capped
    monitor = partial(monitors, policy, cell.budget, evaluations=0)

    def score(examples: Sequence[Example]) -> list[float]:
        # Not what other cells have been told before: what is asked here is charged.
        prompts = [policy.encode_prompt(policy.prompt_text(example, cot=cell.cot_eval)) for example in examples]
        rollouts = sample(policy, prompts, max_new_tokens=cell.max_new_tokens, greedy=True)
        texts = [policy.decode(rollout.completion_ids, cot=cell.cot_eval) for rollout in rollouts]
        return [worth({"reward": each.reward}, cell.evaluation.decides) for each in run.verifier.score(texts, examples)]

    with monitor("choice") as counted:
        training = TrainingRun(policy, run.labels, run.verifier, cell, run.settings, (), counted)
        return try_settings(run.method, training, score, lambda number, count: monitor(f"choice {number}/{count}"))


def try_settings(
    method: Method, run: TrainingRun, score: Callable[[Sequence[Example]], list[float]], monitored: Monitored
) -> tuple[Settings, list[dict[str, Any]]]:
    """The settings that are right most often on labels held out in turn, the first of those as good, and all tried.

    Args:
        method: its `candidates(run)` are tried in their order.
        run: with all labels; its policy's template is left as it was.
        score: what the policy, as it is, makes of examples, in [0, 1] each.
        monitored: counts what a candidate costs.

    Returns:
        The settings; of each candidate settings, validation_accuracy, validation_items, cost and chosen. Nothing where
        there is nothing to choose, or no two prompts to choose by: then the first candidate is taken.
    """
    candidates: list[Settings] = list(getattr(method, "candidates", lambda run: [run.settings])(run))
    folds = [fold._replace(validation=_first(fold.validation, run)) for fold in in_turn(run.labels.train)]
    if len(candidates) < 2 or not folds:
        return candidates[0], []
    tried: list[dict[str, Any]] = []
    for number, settings in enumerate(candidates, start=1):
        with monitored(number, len(candidates)) as monitor:
            right = _worth(method, replace(run, settings=settings, monitor=monitor), folds, score)
        tried.append(
            {
                "settings": settings.model_dump(mode="json"),
                "validation_accuracy": sum(right) / len(right),
                "validation_items": len(right),
                "cost": asdict(monitor.cost),
            }
        )
    accuracies = [trial["validation_accuracy"] for trial in tried]
    best = accuracies.index(max(accuracies))
    return candidates[best], [{**trial, "chosen": place == best} for place, trial in enumerate(tried)]


def _first(held_out: Sequence[Example], run: TrainingRun) -> tuple[Example, ...]:
    """Of those held out the ones that are among the labels that are asked."""
    asked = {example.id for example in run.labels.train[:MOST]}
    return tuple(example for example in held_out if example.id in asked)


def _worth(
    method: Method, run: TrainingRun, folds: Sequence[Labels], score: Callable[[Sequence[Example]], list[float]]
) -> list[float]:
    template, right = run.policy.template, []
    try:
        for labels in folds:
            method.train(replace(run, labels=labels))
            right += score(labels.validation)
    finally:
        run.policy.template = template
    return right

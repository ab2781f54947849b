"""What is measured on a policy, independently of any training reward.

Accuracy is the share of items that are wholly right, score the mean reward; both of everything that is asked. Public:
`evaluate`, `ask`, `Outcome`. Beside it: `rates` (from rows to numbers), `divergence` (KLs to the base), `beside` (tasks
not trained on, and the verifier apart from the reward).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peft import PeftModel

from rftlab.cell import Cell
from rftlab.evaluate.beside import Beside, beside, leaving_room, with_room_for
from rftlab.evaluate.divergence import kl_from_base, kl_to_base
from rftlab.evaluate.rates import distinct_correct_rationales, majority_at, mean, mean_worth, most_frequent, pass_at
from rftlab.policy.base_answers import sample_base, sample_shared
from rftlab.policy.context import require_prompt_fits
from rftlab.policy.load import Policy
from rftlab.policy.probe import load_base
from rftlab.policy.rollout import Rollout
from rftlab.record.outcomes import ACCURACY, SCORE
from rftlab.registry import METHODS, find
from rftlab.tasks.base import RULE, SURFACE, Example, Labels, Task
from rftlab.tasks.shots import Shots
from rftlab.verifiers.base import Verifier

# Sampling for evaluation draws from its own stream, so that what a method sampled in training cannot shift it.
_EVALUATION_STREAM = 1_000_003
# Parts of an evaluation, for whoever watches.
_PARTS = 7
# Draws of each sampled item that the divergences are taken over: exact at every token, they gain little from more.
_KL_DRAWS = 2


@dataclass(frozen=True)
class Outcome:
    """What a policy is worth on a task.

    Attributes:
        metrics: as docs/metrics.md lists them; rates, accuracies and scores in [0, 1], `completion_tokens` (mean,
            greedy, test), KLs in nats per token. None where nothing was measured.
        samples: one row per completion, for paired statistics over items.
    """

    metrics: dict[str, float | None]
    samples: list[dict[str, Any]]


def evaluate(
    policy: Policy,
    task: Task,
    labels: Labels,
    verifier: Verifier,
    cell: Cell,
    also: Beside | None = None,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Greedy and sampled evaluation as the cell asks for it: on test items and beside, or on development items alone.

    Args:
        policy: asked with `cell.cot_eval` prompts and `cell.decoding`.
        task: its first test and OOD items are used, so that every cell sees the same ones.
        labels: the accuracy on those trained on is the train accuracy; on the development items, what finished policies
            are chosen by.
        verifier: decides.
        cell: how many items, how many samples.
        also: tasks not trained on and the verifier apart; loaded as the cell says where they are not given.
        on_progress: called with parts asked and all of them, of test, labels, development, OOD, retention, sampled
            items and what is compared with the base.
    """
    steps = itertools.count(1)

    def after(rows: list[Any]) -> list[Any]:
        on_progress(next(steps), _PARTS)
        return rows

    on_progress(0, _PARTS)
    if cell.evaluation.part == "development":
        found = _on_development(policy, labels, verifier, cell)
        on_progress(_PARTS, _PARTS)
        return found
    also = beside(cell, task) if also is None else also
    asked = cell.evaluation
    train_items = labels.train[: asked.train_items]
    beyond = task.ood_asked(asked.ood_items)
    test, train, development, ood = map(
        after,
        ask_parts(
            policy,
            {
                "test": task.test[: asked.test_items],
                "train": train_items,
                "development": labels.development,
                "ood": [e for examples in beyond.values() for e in examples],
            },
            verifier,
            cell,
        ),
    )
    for row, kind in zip(ood, [kind for kind, examples in beyond.items() for _ in examples], strict=True):
        row["kind"] = kind
    retained = after([row for rows in _retained(policy, cell, also).values() for row in rows])
    sampled_items = task.test[: 0 if policy.votes else asked.sampled_items]
    drawn = after(ask(policy, sampled_items, verifier, cell, part="sampled", samples=asked.samples, rollouts=True))
    rollouts = [row.pop("rollout") for row in drawn]
    _judge_apart(test, task.test, also.apart)
    base = _base_of(policy, cell)
    of_base = ask_base(base or policy, train_items, verifier, cell) if _trains(cell) else []
    divergences = _divergences(policy, base, cell, drawn, rollouts, sampled_items)
    on_progress(_PARTS, _PARTS)
    samples = test + train + of_base + development + ood + retained + drawn
    metrics: dict[str, float | None] = {
        **_means("", test),
        "accuracy_lenient": _lenient(test),
        **_means("train_", train),
        "base_train_accuracy": mean_worth(of_base),
        **_means("development_", development),
        **_means("ood_", ood),
        **{f"ood_{kind}_accuracy": mean_worth([r for r in ood if r["kind"] == kind]) for kind in (RULE, SURFACE)},
        **_of_retention(retained, also),
        **_means("sampled_", drawn),
        **pass_at(drawn, asked.samples),
        **majority_at(drawn, asked.samples),
        "distinct_correct_rationales": distinct_correct_rationales(drawn),
        "format_rate": mean(test, "format_ok"),
        "truncation_rate": mean(test, "truncated"),
        "completion_tokens": mean(test, "length"),
        **_asking(policy, task.test[: asked.test_items], mean(test, "length"), cell),
        "verifier_errors": float(sum(row["parts"].get("verifier_error", 0.0) for row in samples)),
        **divergences,
        **_apart(test, also.apart),
    }
    metrics["generalisation_gap"] = _less(metrics["train_accuracy"], metrics["accuracy"])
    return Outcome(metrics, samples)


def ask(
    policy: Policy,
    examples: Sequence[Example],
    verifier: Verifier,
    cell: Cell,
    *,
    part: str,
    samples: int = 0,
    rollouts: bool = False,
) -> list[dict[str, Any]]:
    """Completions of examples and their scores, as rows of samples.jsonl.

    Args:
        policy: who is asked; where it votes, what is taken for its greedy answer is the most frequent of its votes.
        examples: what is asked.
        verifier: who scores.
        cell: prompts with or without chain-of-thought (`cot_eval`), decoding, `seed_sampling`.
        part: written into every row.
        samples: completions per example at the cell's temperature; 0 asks once, greedily.
        rollouts: keep the token-level `Rollout` in each row under "rollout".

    Raises:
        RftlabError: a prompt does not fit into the model's context together with the cap; the sentence names it.
    """
    if policy.votes and not samples:
        rows = _asked(policy, examples, verifier, cell, part=part, samples=policy.votes)
        return [_vote(rows[i : i + policy.votes]) for i in range(0, len(rows), policy.votes)]
    return _asked(policy, examples, verifier, cell, part=part, samples=samples, rollouts=rollouts)


def ask_parts(
    policy: Policy, parts: Mapping[str, Sequence[Example]], verifier: Verifier, cell: Cell
) -> Iterator[list[dict[str, Any]]]:
    """Greedy answers to the examples of each part, as `ask` gives them; where nobody else asks the same, in one draw.

    Few rows take a step about as long as many, and each part ends with few. What the untrained base says is shared by
    part with other cells, whose parts are not all the same.
    """
    if policy.votes or policy.untrained:
        yield from (ask(policy, examples, verifier, cell, part=part) for part, examples in parts.items())
        return
    put = [_prompts(policy, examples, cell) for examples in parts.values()]
    drawn = iter(_draw(policy, [ids for _, prompts in put for ids in prompts], cell, 0))
    for (part, examples), (texts, _) in zip(parts.items(), put, strict=True):
        yield _judged(policy, examples, texts, [next(drawn) for _ in examples], verifier, cell, part=part)


def ask_base(policy: Policy, examples: Sequence[Example], verifier: Verifier, cell: Cell) -> list[dict[str, Any]]:
    """Greedy answers of the base behind a policy to the items it was trained on; part "base_train"."""
    return _asked(policy, examples, verifier, cell, part="base_train", samples=0, base=True)


def _on_development(policy: Policy, labels: Labels, verifier: Verifier, cell: Cell) -> Outcome:
    """What learning rates are chosen by; the first `evaluation.sampled_items` are sampled too."""
    asked, items = cell.evaluation, labels.development
    greedy = ask(policy, items, verifier, cell, part="development")
    drawn = ask(policy, items[: asked.sampled_items], verifier, cell, part="development_sampled", samples=asked.samples)
    samples = greedy + drawn
    metrics: dict[str, float | None] = {
        **_means("development_", greedy),
        **_means("development_sampled_", drawn),
        "truncation_rate": mean(greedy, "truncated"),
        "verifier_errors": float(sum(row["parts"].get("verifier_error", 0.0) for row in samples)),
    }
    return Outcome(metrics, samples)


def _asked(
    policy: Policy,
    examples: Sequence[Example],
    verifier: Verifier,
    cell: Cell,
    *,
    part: str,
    samples: int,
    rollouts: bool = False,
    base: bool = False,
) -> list[dict[str, Any]]:
    texts, completions = _complete(policy, examples, cell, samples, base=base)
    repeated = [example for example in examples for _ in range(samples or 1)]
    rows = _judged(policy, repeated, texts, completions, verifier, cell, part=part)
    for number, row in enumerate(rows):
        row["draw"] = number % (samples or 1)
        if rollouts:
            row["rollout"] = completions[number]
    return rows


def _judged(
    policy: Policy,
    examples: Sequence[Example],
    texts: Mapping[str, str],
    completions: Sequence[Rollout],
    verifier: Verifier,
    cell: Cell,
    *,
    part: str,
) -> list[dict[str, Any]]:
    """Rows of samples.jsonl, one for each example and its completion."""
    decoded = [policy.decode(rollout.completion_ids, cot=cell.cot_eval) for rollout in completions]
    scores = verifier.score(decoded, examples)
    rows = []
    for example, rollout, text, score in zip(examples, completions, decoded, scores, strict=True):
        row: dict[str, Any] = {
            "part": part,
            "item": example.id,
            "draw": 0,
            "prompt": texts[example.id],
            "completion": text,
            "answer": example.answer,
            "extracted": score.extracted,
            "correct": score.parts["correct"],
            "reward": score.reward,
            "format_ok": score.format_ok,
            "parts": dict(score.parts),
            "length": len(rollout.completion_ids),
            "truncated": rollout.truncated,
        }
        if score.detail:
            row["detail"] = score.detail
        rows.append(row)
    return rows


def _complete(
    policy: Policy, examples: Sequence[Example], cell: Cell, samples: int, *, base: bool, seed: int | None = None
) -> tuple[dict[str, str], list[Rollout]]:
    """Prompt texts by example, and completions, those of one example side by side."""
    texts, prompts = _prompts(policy, examples, cell)
    return texts, _draw(policy, prompts, cell, samples, base=base, seed=seed)


def _prompts(policy: Policy, examples: Sequence[Example], cell: Cell) -> tuple[dict[str, str], list[list[int]]]:
    """Prompt texts by example, and the tokens of each."""
    texts = {example.id: policy.prompt_text(example, cot=cell.cot_eval) for example in examples}
    ids = {example.id: policy.encode_prompt(texts[example.id]) for example in examples}
    for name, prompt in ids.items():
        require_prompt_fits(cell, f"the prompt of example {name}", len(prompt), policy.context, cot=cell.cot_eval)
    return texts, [ids[example.id] for example in examples]


def _draw(
    policy: Policy,
    prompts: Sequence[list[int]],
    cell: Cell,
    samples: int,
    *,
    base: bool = False,
    seed: int | None = None,
) -> list[Rollout]:
    if seed is None:
        seed = cell.seed_sampling + _EVALUATION_STREAM if samples else 0  # a greedy answer has no seed
    return (sample_base if base else sample_shared)(
        policy,
        [prompt for prompt in prompts for _ in range(samples or 1)],
        max_new_tokens=cell.max_new_tokens,
        seed=seed,
        temperature=cell.decoding.temperature,
        top_p=cell.decoding.top_p,
        greedy=not samples,
    )


def _vote(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One answer made of several: the most frequent, of those the one drawn first; what all of them cost."""
    chosen = dict(most_frequent(rows)[0])
    return {**chosen, "draw": 0, "length": sum(row["length"] for row in rows), "votes": len(rows)}


def _retained(policy: Policy, cell: Cell, also: Beside) -> dict[str, list[dict[str, Any]]]:
    """Greedy answers to the items of tasks not trained on; items are named with their task, as ids repeat."""
    found = {}
    for each in also.retention:
        roomy = with_room_for(cell, policy, each)
        rows = ask(leaving_room(policy, roomy), each.items, each.verifier, roomy, part="retention")
        found[each.column] = [{**row, "item": f"{each.column}: {row['item']}", "task": each.name} for row in rows]
    return found


def _of_retention(rows: Sequence[Mapping[str, Any]], also: Beside) -> dict[str, float | None]:
    """Accuracy on each task not trained on, and the mean of these."""
    each = {t.column: mean_worth([row for row in rows if row["task"] == t.name]) for t in also.retention}
    known = [value for value in each.values() if value is not None]
    means = {f"retention_{column}_accuracy": value for column, value in each.items()}
    return {**means, "retention_accuracy": sum(known) / len(known) if known else None}


def _judge_apart(rows: Sequence[dict[str, Any]], examples: Sequence[Example], apart: Verifier | None) -> None:
    """Put what the verifier apart from the reward says into rows of greedy answers."""
    if apart is None:
        return
    items = {example.id: example for example in examples}
    scores = apart.score([row["completion"] for row in rows], [items[row["item"]] for row in rows])
    for row, score in zip(rows, scores, strict=True):
        row["apart_reward"], row["apart_parts"] = score.reward, dict(score.parts)


def _apart(rows: Sequence[Mapping[str, Any]], apart: Verifier | None) -> dict[str, float | None]:
    if apart is None:
        return {}
    accuracy = mean_worth(rows, "apart_accuracy")
    return {
        "apart_accuracy": accuracy,
        "apart_score": mean_worth(rows, "apart_score"),
        "reward_hacking_gap": _less(mean_worth(rows), accuracy),
        "apart_errors": float(sum(row["apart_parts"].get("verifier_error", 0.0) for row in rows)),
    }


def _asking(policy: Policy, examples: Sequence[Example], tokens: float | None, cell: Cell) -> dict[str, float | None]:
    """What a greedy answer reads and takes: every token of its prompt counts, also where prompts begin alike."""
    prompt = sum(policy.count_prompt(example, cell.cot_eval) for example in examples) / len(examples)
    shown = policy.template
    shots = [shown.shown_before(e, cot=cell.cot_eval) for e in examples] if isinstance(shown, Shots) else []
    return {
        "prompt_tokens": prompt,
        "answer_flops": 2.0 * policy.parameters * (prompt + (tokens or 0.0)),
        **({"shots": sum(shots) / len(shots)} if shots else {}),
    }


def _base_of(policy: Policy, cell: Cell) -> Policy | None:
    """The base, loaded, where there is none behind the policy: full fine-tuning overwrote it."""
    return load_base(cell) if _trains(cell) and not isinstance(policy.model, PeftModel) else None


def _divergences(
    policy: Policy,
    base: Policy | None,
    cell: Cell,
    drawn: Sequence[Mapping[str, Any]],
    rollouts: Sequence[Rollout],
    items: Sequence[Example],
) -> dict[str, float | None]:
    """Both KLs, of completions at temperature 1 and of the whole nucleus alone; None where they are drawn otherwise."""
    if (cell.decoding.temperature, cell.decoding.top_p) != (1.0, 1.0) or not items:
        return {"kl_to_base": None, "kl_from_base": None}
    if policy.untrained:
        return {"kl_to_base": 0.0, "kl_from_base": 0.0}
    own = [rollout for row, rollout in zip(drawn, rollouts, strict=True) if row["draw"] < _KL_DRAWS]
    # Of one seed, so that all cells of a study share them.
    _, bases = _complete(base or policy, items, cell, _KL_DRAWS, base=True, seed=_EVALUATION_STREAM)
    return {"kl_to_base": kl_to_base(policy, own, base), "kl_from_base": kl_from_base(policy, bases, base)}


def _trains(cell: Cell) -> bool:
    entry = find(METHODS, cell.method, "method")[0]
    return entry.trains and entry.uses_labels


def _means(prefix: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    return {f"{prefix}accuracy": mean_worth(rows, ACCURACY), f"{prefix}score": mean_worth(rows, SCORE)}


def _lenient(rows: Sequence[Mapping[str, Any]]) -> float | None:
    return mean([{"right": row["correct"] >= 1} for row in rows], "right")


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second

"""What is measured on a policy, independently of any training reward: accuracy, pass@k, format, KL to base."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rftlab.cell import Cell
from rftlab.policy.base_answers import sample_shared
from rftlab.policy.context import require_prompt_fits
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout, completion_logprobs
from rftlab.tasks.base import Example, Labels, Task
from rftlab.verifiers.base import Verifier

# Sampling for evaluation draws from its own stream, so that what a method sampled in training cannot shift it.
_EVALUATION_STREAM = 1_000_003


@dataclass(frozen=True)
class Outcome:
    """What a policy is worth on a task.

    Attributes:
        metrics: accuracy, accuracy_lenient, train_accuracy, development_accuracy, ood_accuracy, generalisation_gap,
            sampled_accuracy, pass_at_2, pass_at_4, ..., format_rate, truncation_rate in [0, 1]; completion_tokens
            (mean, greedy, test);
            kl_to_base (nats per token). None where nothing was measured.
        samples: one row per completion, for paired statistics over items.
    """

    metrics: dict[str, float | None]
    samples: list[dict[str, Any]]


def evaluate(policy: Policy, task: Task, labels: Labels, verifier: Verifier, cell: Cell) -> Outcome:
    """Greedy and sampled evaluation as the cell asks for it.

    Args:
        policy: asked with `cell.cot_eval` prompts and `cell.decoding`.
        task: its first test and OOD items are used, so that every cell sees the same ones.
        labels: the accuracy on those trained on is the train accuracy; on the development items, what finished policies
            are chosen by.
        verifier: decides.
        cell: how many items, how many samples.
    """
    asked = cell.evaluation
    test = ask(policy, task.test[: asked.test_items], verifier, cell, part="test")
    train = ask(policy, labels.train[: asked.train_items], verifier, cell, part="train")
    development = ask(policy, labels.development, verifier, cell, part="development")
    ood = ask(policy, task.ood[: asked.ood_items], verifier, cell, part="ood")
    drawn = ask(
        policy, task.test[: asked.sampled_items], verifier, cell, part="sampled", samples=asked.samples, rollouts=True
    )
    greedy = test + train + development + ood
    accuracy, train_accuracy = _mean(test, "reward"), _mean(train, "reward")
    metrics: dict[str, float | None] = {
        "accuracy": accuracy,
        "accuracy_lenient": _mean(test, "correct"),
        "train_accuracy": train_accuracy,
        "development_accuracy": _mean(development, "reward"),
        "ood_accuracy": _mean(ood, "reward"),
        "generalisation_gap": None if accuracy is None or train_accuracy is None else train_accuracy - accuracy,
        "sampled_accuracy": _mean(drawn, "reward"),
        **pass_at(drawn, asked.samples),
        "format_rate": _mean(test, "format_ok"),
        "truncation_rate": _mean(test, "truncated"),
        "completion_tokens": _mean(test, "length"),
        "verifier_errors": float(sum(row["parts"].get("verifier_error", 0.0) for row in greedy + drawn)),
        "kl_to_base": kl_to_base(policy, [row.pop("rollout") for row in drawn]),
    }
    return Outcome(metrics, greedy + drawn)


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
        policy: who is asked.
        examples: what is asked.
        verifier: who scores.
        cell: prompts with or without chain-of-thought (`cot_eval`), decoding, `seed_sampling`.
        part: written into every row.
        samples: completions per example at the cell's temperature; 0 asks once, greedily.
        rollouts: keep the token-level `Rollout` in each row under "rollout".

    Raises:
        RftlabError: a prompt does not fit into the model's context together with the cap; the sentence names it.
    """
    repeated = [example for example in examples for _ in range(samples or 1)]
    texts = {example.id: policy.prompt_text(example, cot=cell.cot_eval) for example in examples}
    ids = {example.id: policy.encode_prompt(texts[example.id]) for example in examples}
    for name, prompt in ids.items():
        require_prompt_fits(cell, f"the prompt of example {name}", len(prompt), policy.context, cot=cell.cot_eval)
    completions = sample_shared(
        policy,
        [ids[example.id] for example in repeated],
        max_new_tokens=cell.max_new_tokens,
        seed=cell.seed_sampling + _EVALUATION_STREAM if samples else 0,  # a greedy answer has no seed
        temperature=cell.decoding.temperature,
        top_p=cell.decoding.top_p,
        greedy=not samples,
    )
    decoded = [policy.decode(rollout.completion_ids, cot=cell.cot_eval) for rollout in completions]
    scores = verifier.score(decoded, repeated)
    rows = []
    for number, (example, rollout, text, score) in enumerate(zip(repeated, completions, decoded, scores, strict=True)):
        row: dict[str, Any] = {
            "part": part,
            "item": example.id,
            "draw": number % (samples or 1),
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
        if rollouts:
            row["rollout"] = rollout
        rows.append(row)
    return rows


def pass_at(rows: Sequence[Mapping[str, Any]], samples: int) -> dict[str, float | None]:
    """Unbiased pass@k for k = 2, 4, ... up to ``samples``: 1 - C(n-c, k) / C(n, k), averaged over items.

    A completion passes if its reward is 1.

    Source: Chen et al. 2021 (2107.03374), equation 1.
    """
    passed: dict[str, int] = {}
    for row in rows:
        passed[row["item"]] = passed.get(row["item"], 0) + (row["reward"] >= 1.0)
    result: dict[str, float | None] = {}
    k = 2
    while k <= samples:
        chances = [1 - math.comb(samples - c, k) / math.comb(samples, k) for c in passed.values()]
        result[f"pass_at_{k}"] = sum(chances) / len(chances) if chances else None
        k *= 2
    return result


@torch.no_grad()
def kl_to_base(policy: Policy, rollouts: Sequence[Rollout]) -> float | None:
    """KL(policy || base) in nats per token: mean of log pi - log base over tokens the policy sampled (k1 estimator).

    None if nothing was sampled, or if full fine-tuning kept no base. At temperature 1, whatever the sampling was.
    """
    if not rollouts or not hasattr(policy.model, "disable_adapter"):
        return None
    pad = int(policy.tokenizer.pad_token_id)
    own = torch.cat(completion_logprobs(policy.model, rollouts, pad_id=pad))
    with policy.as_base() as base:
        reference = torch.cat(completion_logprobs(base, rollouts, pad_id=pad))
    return float((own - reference).mean())


def _mean(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return sum(float(row[key]) for row in rows) / len(rows) if rows else None

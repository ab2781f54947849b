"""SDPO: what its teacher is shown of each attempt, the gradient that follows, and when there is none."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from rftlab.methods.actor_critic import Trajectory, collate, token_logprobs
from rftlab.methods.base import load_method
from rftlab.methods.critic import shared_copy
from rftlab.methods.sdpo import SDPOSettings, known_of, prompt_beside
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout
from rftlab.tasks.example import Example
from rftlab.verifiers.base import FunctionVerifier, Score
from rftlab.verifiers.code import Code
from rftlab.verifiers.story import Story
from tests.methods.test_teachers import divergence, first_update, warm
from tests.toy_mdp import EXAMPLES, toy_policy, toy_run

FEW = {"prompts_per_step": 2, "num_generations": 6}
GROUP = SDPOSettings(num_generations=3)
TEXTS = ["a", "b", "<think>of c</think> c", "d", "e", "f"]


def begins_with_c(completion: str, example: Any) -> float:
    """Right in about a third of the toy's completions."""
    return float(completion.startswith("c"))


def scored(*rewards: float) -> list[Score]:
    return [Score(reward, {}, None, True, f"why {i}") for i, reward in enumerate(rewards)]


@pytest.mark.parametrize(
    ("rewards", "settings", "shown"),
    [
        ((0, 1, 1, 0, 0.9, 0), {}, [("b", ""), ("c", ""), ("b", ""), ("", "why 3"), ("", "why 4"), ("", "why 5")]),
        (
            (1, 0, 0, 0, 0, 0),
            {"include_environment_feedback": False},
            [("", ""), ("a", ""), ("a", ""), *[("", "")] * 3],
        ),
        (
            (1, 0, 0, 0, 0.5, 0),
            {"environment_feedback_only_without_solution": False, "success_reward_threshold": 0.5},
            [("", ""), ("a", "why 1"), ("a", "why 2"), ("e", "why 3"), ("", ""), ("e", "why 5")],
        ),
    ],
)
def test_a_solution_of_the_group_is_shown_or_what_the_verifier_said(
    rewards: tuple[float, ...], settings: dict[str, Any], shown: list[tuple[str, str]]
) -> None:
    given = GROUP.model_copy(update=settings)
    assert [known_of(i, TEXTS, scored(*rewards), given, quoted=True) for i in range(6)] == shown


def test_a_verifier_whose_words_tell_the_answer_is_not_quoted() -> None:
    assert not Story.says_why
    assert known_of(0, TEXTS, scored(0, 0, 0), GROUP, quoted=False) == ("", "")


def test_what_the_sandbox_said_of_code_is_shown() -> None:
    example = Example(
        "double", "Write double(x).", "", meta={"entry_point": "double", "tests": [{"args": [2], "expected": 4}]}
    )
    texts = [f"<answer>def double(x):\n    return {body}</answer>" for body in ("x", "y", "2 *")]
    scores = Code().score(texts, [example] * 3)
    shown = [known_of(i, texts, scores, GROUP, quoted=Code.says_why)[1] for i in range(3)]
    assert "another value was returned" in shown[0]
    assert "NameError" in shown[1]
    assert "invalid syntax" in shown[2]


def test_a_chat_model_is_told_after_the_prompt_and_another_before_it() -> None:
    policy = toy_policy()
    template = replace(policy.template, before="Q: ", after_direct="\nA:")
    bare = Policy(policy.model, policy.tokenizer, template, "toy")
    assert prompt_beside(bare, EXAMPLES[1], " ca", "", cot=False) == "Q: cb\nA: ca\n\nQ: cb\nA:"
    assert prompt_beside(bare, EXAMPLES[1], "", "too long", cot=False) == (
        "The following is feedback from your unsuccessful earlier attempt:\n\ntoo long\n\nQ: cb\nA:"
    )
    policy.tokenizer.chat_template = "[{{ messages[0]['content'] }}]"
    assert prompt_beside(bare, EXAMPLES[1], " ca", "too long", cot=False) == (
        "[Q: cb\nA:\nCorrect solution:\n\n ca\n\n"
        "\nThe following is feedback from your unsuccessful earlier attempt:\n\ntoo long\n\n"
        "\n\nCorrectly solve the original question.\n]"
    )


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_the_gradient_is_the_divergence_from_the_policy_that_sees_a_solution(
    beta: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, verifier = warm(toy_policy(4)), FunctionVerifier(begins_with_c)
    run = toy_run("sdpo", 4, policy=policy, verifier=verifier, beta=beta, max_grad_norm=1e9, **FEW)
    before = shared_copy(policy.model)
    gradient, drawn = first_update(monkeypatch, run)
    own = Policy(before, policy.tokenizer, policy.template, "toy")
    prompts = {tuple(policy.encode_prompt(example.prompt)): example for example in EXAMPLES}
    asked = [prompts[tuple(rollout.prompt_ids)] for rollout in drawn]
    texts = [policy.decode(rollout.completion_ids, cot=True) for rollout in drawn]
    scores = verifier.score(texts, asked)
    known = [known_of(i, texts, scores, run.settings, quoted=False) for i in range(len(drawn))]
    taught = [i for i, (solution, _) in enumerate(known) if solution]
    assert 0 < len(taught) < len(drawn)
    shown = [policy.encode_prompt(prompt_beside(policy, asked[i], *known[i], cot=True)) for i in taught]
    batch = collate([Trajectory(drawn[i], asked[i], "", 0.0) for i in taught], own)
    judged = [Rollout(ids, drawn[i].completion_ids, [], False) for ids, i in zip(shown, taught, strict=True)]
    with torch.no_grad():
        theirs = token_logprobs(before, collate([Trajectory(r, EXAMPLES[0], "", 0.0) for r in judged], own), 1.0)
    each = divergence(token_logprobs(before, batch, 1.0), theirs, beta)
    loss = (each * batch.mask).sum() / batch.mask.sum()
    wanted = torch.autograd.grad(loss, [p for p in before.parameters() if p.requires_grad])
    assert torch.allclose(gradient, torch.cat([g.flatten() for g in wanted]), rtol=1e-3, atol=1e-6)
    assert float(gradient.norm()) > 1e-3
    [row] = run.monitor.trace
    assert row["train/shown_solution"] == pytest.approx(len(taught) / len(drawn))
    assert row["train/reward"] == pytest.approx(sum(score.reward for score in scores) / len(scores))
    assert run.monitor.cost.verifier_calls == len(drawn)


def test_without_a_solution_nothing_is_learnt() -> None:
    policy = warm(toy_policy(3))
    weights = [p.detach().clone() for p in policy.model.parameters()]
    run = toy_run("sdpo", 3, policy=policy, verifier=FunctionVerifier(lambda completion, example: 0.0), steps=2, **FEW)
    load_method("sdpo").train(run)
    assert [row["train/skipped"] for row in run.monitor.trace] == [1, 1]
    assert all(torch.equal(a, b) for a, b in zip(weights, policy.model.parameters(), strict=True))


def test_words_beyond_the_model_s_context_are_left_out_aloud() -> None:
    def silent(completion: str, example: Any) -> float:
        return 0.0

    verifier = FunctionVerifier(silent)
    verifier.says_why = True
    run = toy_run("sdpo", 0, verifier=verifier, **FEW)
    load_method("sdpo").train(run)
    [row] = run.monitor.trace
    assert (row["train/shown_feedback"], row["train/skipped"]) == (1, 1)
    [said] = [sentence for sentence in run.monitor.said if "not learnt from" in sentence]
    assert "longer than the model's 16" in said
    assert run.settings.also_taught_by == ("what its verifier says in words",)

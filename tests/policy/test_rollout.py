"""Sampling: the same distribution as the model's own, the same greedy text as transformers' generate."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from rftlab.cell import Cell
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.rollout import _first_above, _inverse_cdf, completion_logprobs, sample
from rftlab.tasks.base import load_task


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(Cell())


@pytest.fixture(scope="module")
def prompts(policy: Policy) -> list[list[int]]:
    word, chain = load_task("arithmetic/word"), load_task("arithmetic/chain")
    return [
        policy.encode_prompt(policy.prompt_text(example, cot=cot))
        for example in (*word.test[:5], *chain.test[:4])
        for cot in (True, False)
    ]


def test_greedy_text_is_that_of_generate(policy: Policy, prompts: list[list[int]]) -> None:
    assert len({len(p) for p in prompts}) > 3
    for rollout in sample(policy, prompts, max_new_tokens=40, greedy=True):
        ids = torch.tensor([rollout.prompt_ids])
        expected = policy.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False
        )[0, ids.shape[1] :]
        assert rollout.completion_ids == expected.tolist()


def test_order_is_kept_and_batching_changes_nothing(policy: Policy, prompts: list[list[int]]) -> None:
    together = sample(policy, prompts, max_new_tokens=24, greedy=True)
    apart = sample(policy, prompts, max_new_tokens=24, greedy=True, batch_size=3)
    assert [r.prompt_ids for r in together] == prompts
    assert [r.completion_ids for r in together] == [r.completion_ids for r in apart]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_are_those_of_the_model(policy: Policy, prompts: list[list[int]], temperature: float) -> None:
    rollouts = sample(
        policy, prompts * 3, max_new_tokens=24, generator=torch.Generator().manual_seed(0), temperature=temperature
    )
    with torch.no_grad():
        expected = completion_logprobs(
            policy.model, rollouts, pad_id=policy.tokenizer.pad_token_id, temperature=temperature, batch_size=7
        )
    for rollout, logprobs in zip(rollouts, expected, strict=True):
        torch.testing.assert_close(torch.tensor(rollout.logprobs), logprobs, atol=2e-4, rtol=0)


def first_token_p_value(policy: Policy, prompt: list[int], temperature: float, top_p: float = 1.0) -> float:
    """Chi-squared p-value of 4 000 first tokens, drawn with ``temperature``, against the model's own at 1."""
    drawn = sample(
        policy, [prompt] * 4000, max_new_tokens=1, generator=torch.Generator().manual_seed(1),
        temperature=temperature, top_p=top_p, batch_size=4000,
    )  # fmt: skip
    counts = np.bincount([r.completion_ids[0] for r in drawn], minlength=policy.model.config.vocab_size)
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([prompt])).logits[0, -1]
    expected = logits.softmax(-1).numpy().astype(float) * 4000
    common = expected >= 5
    observed = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    return float(stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue)


def test_sampling_is_from_the_models_distribution(policy: Policy, prompts: list[list[int]]) -> None:
    assert first_token_p_value(policy, prompts[1], temperature=1.0) > 1e-3


def test_the_distribution_test_can_fail(policy: Policy, prompts: list[list[int]]) -> None:
    assert first_token_p_value(policy, prompts[1], temperature=1.5) < 1e-6


def test_nucleus_keeps_only_the_top_mass(policy: Policy, prompts: list[list[int]]) -> None:
    with torch.no_grad():
        probabilities = policy.model(input_ids=torch.tensor([prompts[1]])).logits[0, -1].softmax(-1)
    ordered, index = probabilities.sort(descending=True)
    allowed = set(index[: int((ordered.cumsum(0) < 0.5).sum()) + 1].tolist())
    drawn = sample(policy, [prompts[1]] * 300, max_new_tokens=1, generator=torch.Generator().manual_seed(0), top_p=0.5)
    assert {r.completion_ids[0] for r in drawn} == allowed


def test_same_generator_same_rollouts_other_generator_others(policy: Policy, prompts: list[list[int]]) -> None:
    def draw(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return [r.completion_ids for r in sample(policy, prompts, max_new_tokens=24, generator=generator)]

    assert draw(0) == draw(0) != draw(1)


def test_truncation_is_reported(policy: Policy, prompts: list[list[int]]) -> None:
    assert all(
        r.truncated and len(r.completion_ids) == 3 for r in sample(policy, prompts, max_new_tokens=3, greedy=True)
    )
    for rollout in sample(policy, prompts, max_new_tokens=60, greedy=True):
        assert rollout.truncated == (rollout.completion_ids[-1] not in policy.eos_ids)


def test_the_model_is_left_in_the_mode_it_was_in(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell())
    policy.model.train()
    sample(policy, [[5, 6]], max_new_tokens=2, greedy=True)
    assert policy.model.training


def test_inversion_draws_each_token_as_often_as_it_is_likely() -> None:
    """Vocabulary sizes that are and are not squares; tokens without mass (at the end too) never come."""
    for vocabulary in (16, 23, 715):
        weights = torch.rand(vocabulary, generator=torch.Generator().manual_seed(vocabulary)) ** 4
        weights[[0, vocabulary // 2, -1]] = 0
        p = weights / weights.sum()
        n = 100_000
        drawn = _inverse_cdf(p.log().expand(n, -1), torch.Generator().manual_seed(1)).bincount(minlength=vocabulary)
        assert len(drawn) == vocabulary
        assert not drawn[p == 0].any()
        expected = p.double() * n
        kept = expected > 5
        assert stats.chisquare(drawn[kept], expected[kept] * drawn[kept].sum() / expected[kept].sum()).pvalue > 1e-3


def test_inversion_at_the_ends_of_the_unit_interval_finds_tokens_with_mass() -> None:
    cdf = torch.tensor([[0.0, 0.3, 0.3, 1.0, 1.0]], dtype=torch.double)
    shares = torch.tensor([[0.0], [0.3], [1.0]], dtype=torch.double)
    index, beyond = _first_above(cdf.expand(3, -1).contiguous(), shares)
    assert index[:, 0].tolist() == [1, 3, 3]
    assert (beyond > 0).all()

"""What can be asked of GRPO's batches and rewards: dynamic sampling, the overlong punishment, a staged reward."""

from typing import Any

import pytest
import torch

from rftlab.errors import RftlabError
from rftlab.methods import grpo
from rftlab.methods.base import TrainingRun, load_method, make_settings
from rftlab.methods.trl_online import overlong
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.methods.test_budget import spend, steps_cost
from tests.toy_mdp import HORIZON, toy_run


class Seen:
    """Batches that a trainer learns from: (prompt, completion, reward) of each row."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[tuple[str, list[int], float]]] = []
        batches = self.batches

        class Watched(grpo.StepTrainer):
            def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
                output = super()._generate_and_score_completions(inputs)
                rows = zip(output["completion_ids"], output["completion_mask"].bool(), strict=True)
                ids = [row[mask].tolist() for row, mask in rows]
                prompts = [self.run.labels.asked[row["index"]].prompt for row in inputs]
                told = [
                    self.run.policy.tokenizer.decode(row[mask])
                    for row, mask in zip(output["prompt_ids"], output["prompt_mask"].bool(), strict=True)
                ]
                assert told == prompts
                batches.append(list(zip(prompts, ids, self._rewards_B.tolist(), strict=True)))
                return output

        monkeypatch.setattr(grpo.GRPO, "trainer_class", Watched)


def train(verifier: Any, *, steps: int = 1, **settings: Any) -> TrainingRun:
    run = toy_run("grpo", 0, steps=steps, verifier=FunctionVerifier(verifier), **settings)
    load_method("grpo").train(run)
    return run


def told_apart(completion: str, example: Any) -> float:
    """One prompt's completions all score alike, the other's hardly ever do."""
    return 0.5 if example.prompt == "a" else graded(completion, None)


def test_a_group_without_signal_gives_its_place_to_one_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    run = train(told_apart, max_num_gen_batches=40, prompts_per_step=2, num_generations=3)
    [batch] = seen.batches
    assert {prompt for prompt, _, _ in batch} == {"cb"}
    assert [reward for _, _, reward in batch] == pytest.approx(
        [graded(run.policy.decode(ids, cot=True), None) for _, ids, _ in batch]
    )
    [row], cost = run.monitor.trace, run.monitor.cost
    assert row["train/draws"] > 1
    assert row["train/zero_std_groups"] == 0 < cost.groups_alike
    # The first draw is of two groups; what came after, of one or two.
    assert cost.completions == cost.verifier_calls == 3 * cost.groups
    assert row["train/draws"] + 1 <= cost.groups <= 2 * row["train/draws"]


def test_the_reward_in_the_trace_is_of_all_that_was_drawn() -> None:
    given: list[float] = []

    def noted(completion: str, example: Any) -> float:
        given.append(told_apart(completion, example))
        return given[-1]

    run = train(noted, max_num_gen_batches=40, prompts_per_step=2, num_generations=3)
    assert len(given) == run.monitor.cost.completions > 6
    assert run.monitor.trace[0]["train/reward"] == pytest.approx(sum(given) / len(given))


def test_it_gives_up_after_so_many_draws_and_learns_nothing_from_silent_groups() -> None:
    run = train(lambda completion, example: 0.0, max_num_gen_batches=3, prompts_per_step=2, num_generations=4)
    [row] = run.monitor.trace
    assert (row["train/draws"], row["train/skipped"], row["train/zero_std_groups"]) == (3.0, 1.0, 1.0)
    assert run.monitor.cost.completions == 3 * 8


@pytest.mark.parametrize("unit", ["tokens", "flops"])
def test_no_draw_is_made_that_the_budget_has_no_room_for(unit: str) -> None:
    amount = {"tokens": 1600.0, "flops": 3e8}[unit]
    run = spend("grpo", unit, amount, max_num_gen_batches=50, prompts_per_step=2, num_generations=4)
    assert max(row["train/draws"] for row in run.monitor.trace) > 1
    assert amount - 1.2 * max(steps_cost(run, unit)) <= run.monitor.cost.spent(unit) <= 1.02 * amount


def test_the_punishment_rises_from_the_buffer_s_begin_to_the_cap() -> None:
    # L_max 20 480 and L_cache 4 096, as in the paper.
    lengths = [1, 16_384, 18_432, 20_480]
    assert [overlong(length, 20_480, 0.2) for length in lengths] == pytest.approx([0, 0, 0.5, 1])


def test_long_completions_are_paid_less_and_the_verifier_s_reward_stays_in_the_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Seen(monkeypatch)
    run = train(
        lambda completion, example: 1.0, overlong_buffer=0.5, overlong_penalty_factor=0.5, prompts_per_step=2,
        num_generations=8,
    )  # fmt: skip
    [batch] = seen.batches
    cut = {1: 0.0, 2: 0.0, 3: 0.25, HORIZON: 0.5}
    assert [reward for _, _, reward in batch] == pytest.approx([1 - cut[len(ids)] for _, ids, _ in batch])
    assert len({reward for _, _, reward in batch}) > 1
    [row] = run.monitor.trace
    assert row["train/reward"] == 1
    assert row["train/part/overlong"] == pytest.approx(sum(cut[len(ids)] for _, ids, _ in batch) / len(batch))
    assert row["train/skipped"] == 0
    assert run.settings.also_taught_by == ("the length of its completions",)


def test_partial_rewards_count_until_their_share_of_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    paid = {"c": 1.0, "b": 0.4}
    run = train(
        lambda completion, example: paid.get(completion[:1], 0.0), steps=4, binary_after=0.5, prompts_per_step=2,
        num_generations=16,
    )  # fmt: skip
    given = [sorted({round(reward, 6) for _, _, reward in batch}) for batch in seen.batches]
    assert given == [[0.0, 0.4, 1.0]] * 2 + [[0.0, 1.0]] * 2
    assert run.monitor.trace[2]["train/reward"] == sum(reward for _, _, reward in seen.batches[2]) / 32


def test_the_draws_of_one_seed_are_the_same_twice() -> None:
    few = {**grpo.GRPO.presets["dapo"], "num_generations": 4, "minibatches": 2, "prompts_per_step": 1}
    first, second = (train(told_apart, steps=2, **few) for _ in range(2))
    weights = [torch.cat([p.flatten() for p in run.policy.model.parameters()]) for run in (first, second)]
    assert torch.equal(*weights)
    assert first.monitor.cost.completions == second.monitor.cost.completions


def test_hpt_refuses_to_leave_out_the_prompts_that_it_teaches() -> None:
    with pytest.raises(RftlabError, match="leave max_num_gen_batches 1"):
        make_settings(load_method("hpt"), "hpt", "", {"max_num_gen_batches": 2})

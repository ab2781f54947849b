"""GRPO's presets, RLOO, the one-loss hybrids, rejection sampling and the controls, on the toy MDP."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.methods import chord, controls, grpo, hpt, rejection_sft, rloo
from rftlab.methods.base import load_method, make_settings
from rftlab.methods.demonstrations import Demonstrations
from rftlab.methods.sequential import SequenceSettings
from rftlab.verifiers.base import Score
from tests.toy_mdp import EXAMPLES, expected_reward, toy_policy, toy_run, train_toy

PRESETS = {
    "deepseek": {
        "loss_type": "grpo", "scale_rewards": "group", "importance_sampling_level": "token", "beta": 0.04,
        "epsilon": 0.2, "num_generations": 64, "use_bias_correction_kl": False,
    },
    "dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none", "beta": 0.0, "num_generations": 8},
    "dapo": {
        "loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28, "mask_truncated_completions": False, "beta": 0.0,
        "num_generations": 16,
    },
    "gspo": {"importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4, "beta": 0.0},
    "cispo": {"loss_type": "cispo", "epsilon_high": 5.0, "beta": 0.0},
}  # fmt: skip
UPDATES_PER_ROLLOUT = {"deepseek": 1, "dr_grpo": 1, "dapo": 16, "gspo": 4, "cispo": 4}


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_reaches_trl_under_its_own_names(preset: str, tmp_path: Path) -> None:
    run = toy_run("grpo", 0, steps=1)
    settings = make_settings(grpo.GRPO(), "grpo", preset, {})
    arguments = grpo.arguments(run, settings, str(tmp_path))
    assert {name: getattr(arguments, name) for name in PRESETS[preset]} == PRESETS[preset]
    assert arguments.steps_per_generation == arguments.gradient_accumulation_steps * UPDATES_PER_ROLLOUT[preset]
    completions = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    assert completions == settings.prompts_per_step * settings.num_generations


def test_every_preset_is_checked_here() -> None:
    assert set(PRESETS) == set(grpo.GRPO.presets)


def test_cispo_without_its_cap_is_refused() -> None:
    with pytest.raises(RftlabError, match="epsilon_high"):
        make_settings(grpo.GRPO(), "grpo", "", {"loss_type": "cispo"})


def test_minibatches_share_one_batch_of_rollouts() -> None:
    trace = train_toy("grpo", 0, steps=4, minibatches=2).monitor.trace
    drawn = [row["tokens_generated"] for row in trace]
    assert drawn[0] == drawn[1] < drawn[2] == drawn[3]


def test_rloo_paper_preset_has_its_kl_in_the_reward() -> None:
    settings = make_settings(rloo.RLOO(), "rloo", "paper", {})
    run = train_toy("rloo", 0, steps=1, **settings.model_dump(exclude_defaults=True))
    assert run.monitor.trace[-1]["kl/reference"] == pytest.approx(0, abs=1e-5)


class _Caught(Exception):
    pass


def gradients_of_first_loss(
    method: Any, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> tuple[Any, Any, list[torch.Tensor]]:
    """The run, TRL's batch and the gradients of the first loss, before any update."""
    run = toy_run(method.__name__.rpartition(".")[2], 0, steps=1, **settings)
    caught: dict[str, Any] = {}
    original = method._Trainer._compute_loss

    def compute(self: Any, model: Any, inputs: Any) -> Any:
        weights = [p for p in model.parameters() if p.requires_grad]
        loss = original(self, model, inputs)
        caught.update(inputs=inputs, gradients=torch.autograd.grad(loss, weights, allow_unused=True))
        raise _Caught

    monkeypatch.setattr(method._Trainer, "_compute_loss", compute)
    with pytest.raises(_Caught):
        load_method(run.cell.method).train(run)
    return run, caught["inputs"], caught["gradients"]


def by_hand(run: Any, inputs: Any) -> torch.Tensor:
    """Log-probabilities (B, T) of the completions, at the policy that sampled them."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    logits = run.policy.model(input_ids=ids, attention_mask=attention).logits[:, :-1].log_softmax(-1)
    width = inputs["completion_ids"].shape[1]
    return logits[:, -width:].gather(-1, inputs["completion_ids"][..., None])[..., 0] * inputs["completion_mask"]


def assert_same_gradients(loss: torch.Tensor, run: Any, gradients: Any) -> None:
    expected = torch.autograd.grad(loss, [p for p in run.policy.model.parameters() if p.requires_grad])
    largest = max(float(g.abs().max()) for g in expected)
    assert largest > 1e-4
    for ours, hand in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, hand, atol=1e-4 * largest, rtol=1e-3)


@pytest.mark.parametrize("token_weight", ["none", "phi"])
def test_chord_loss_by_hand(token_weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"prompts_per_step": 2, "num_generations": 32, "mu_peak": 0.3, "token_weight": token_weight}
    run, inputs, gradients = gradients_of_first_loss(chord, monkeypatch, **settings)
    logprobs, mask = by_hand(run, inputs), inputs["completion_mask"]
    rl = -(inputs["advantages"] * logprobs.sum(1) / mask.sum(1)).mean()
    sft, tokens = torch.tensor(0.0), 0
    for example in EXAMPLES:
        prompt, label = run.policy.encode_prompt(example.prompt), run.policy.encode_completion(example, cot=True)
        rows = run.policy.model(input_ids=torch.tensor([prompt + label])).logits[0].log_softmax(-1)
        for t, token in enumerate(label):
            log_p = rows[len(prompt) - 1 + t, token]
            weight = log_p.detach().exp() * (1 - log_p.detach().exp()) if token_weight == "phi" else 1.0
            sft, tokens = sft - weight * log_p, tokens + 1
    assert inputs["advantages"].abs().max() > 0
    assert_same_gradients(0.7 * rl + 0.3 * sft / tokens, run, gradients)


@pytest.mark.parametrize("gamma", [0.0, 0.25])
def test_hpt_loss_by_hand(gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"prompts_per_step": 4, "num_generations": 4, "gamma": gamma}
    run, inputs, gradients = gradients_of_first_loss(hpt, monkeypatch, **settings)
    logprobs, mask = by_hand(run, inputs), inputs["completion_mask"]
    loss = -(inputs["advantages"] * logprobs.sum(1) / mask.sum(1)).mean()
    taught = inputs["demonstration"][inputs["demonstration"] >= 0].tolist()
    assert taught
    for index in taught:
        prompt = run.policy.encode_prompt(EXAMPLES[index].prompt)
        label = run.policy.encode_completion(EXAMPLES[index], cot=True)
        rows = run.policy.model(input_ids=torch.tensor([prompt + label])).logits[0].log_softmax(-1)
        nll = -sum(rows[len(prompt) - 1 + t, token] for t, token in enumerate(label)) / len(label)
        loss = loss + nll / 4  # a mean over the step's four prompts
    assert_same_gradients(loss, run, gradients)


def test_hpt_gate_opens_at_gamma_and_carries_one_demonstration_a_prompt() -> None:
    rewards = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    indices = torch.tensor([7, 7, 7, 2, 2, 2, 5, 5, 5])
    taught, carrier = hpt.gate(rewards, indices, 3, 0.0, 9)
    assert taught.tolist() == [True] * 3 + [False] * 6
    assert carrier.tolist() == [7, -1, -1, -1, -1, -1, -1, -1, -1]
    taught, carrier = hpt.gate(rewards, indices, 3, 0.34, 9)
    assert taught.tolist() == [True] * 6 + [False] * 3
    assert carrier.tolist() == [7, -1, -1, 2, -1, -1, -1, -1, -1]


def test_chord_weight_falls_from_peak_to_valley() -> None:
    settings = chord.CHORDSettings(mu_peak=0.9, mu_valley=0.1, mu_decay_share=0.5)
    assert [chord.mu_at(settings, f) for f in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.9, 0.5, 0.1, 0.1])
    assert chord.mu_at(settings.model_copy(update={"mu_decay_share": 0.0}), 0.0) == pytest.approx(0.1)


def test_interleaved_samples_only_in_its_rl_turns() -> None:
    trace = train_toy("interleaved", 0, steps=6, sft_steps=1, grpo_steps=2).monitor.trace
    assert ["train/nll" in row for row in trace] == [True, False, False] * 2
    drawn = [0, *(row["tokens_generated"] for row in trace)]
    assert [after > before for before, after in itertools.pairwise(drawn)] == [False, True, True] * 2


def test_interleaved_refuses_reused_rollouts() -> None:
    with pytest.raises(RftlabError, match="stale"):
        toy_run("interleaved", 0, steps=1, num_iterations=2)


def test_demonstrations_go_through_all_labels_before_any_comes_again() -> None:
    demonstrations = Demonstrations(toy_run("chord", 0, steps=1))
    assert sorted(demonstrations.draw(2)) == [0, 1]
    assert sorted(demonstrations.draw(1) + demonstrations.draw(1)) == [0, 1]
    assert len(demonstrations.draw(50)) == 2


def test_rejection_sampling_keeps_distinct_verified_completions() -> None:
    run = toy_run("rejection_sft", 0, steps=1, samples=100, keep_per_prompt=3)
    rows, found = rejection_sft.select(run, run.settings, torch.Generator().manual_seed(0), first=0, until=1.0)
    borders = [row["labels"].count(-100) for row in rows]
    completions = [(row["input_ids"][:n], row["input_ids"][n:]) for row, n in zip(rows, borders, strict=True)]
    assert rows
    assert len({(tuple(p), tuple(c)) for p, c in completions}) == len(rows) == found["train/kept"]
    assert all(c[:2] == [3, 1] and c[-1] == 0 and 2 not in c for _, c in completions)
    assert all(sum(p == prompt for p, _ in completions) <= 3 for prompt, _ in completions)
    assert run.monitor.cost.verifier_calls == 200
    assert run.monitor.cost.tokens_generated > 0


def test_rejection_sampling_falls_back_on_labels_only_where_asked() -> None:
    dropped = toy_run("rejection_sft", 0, steps=1, samples=1, min_reward=1.0)
    labelled = toy_run("rejection_sft", 0, steps=1, samples=1, unsolved="label")
    generator = torch.Generator().manual_seed(1)
    assert rejection_sft.select(dropped, dropped.settings, generator, first=0, until=1.0)[0] == []
    rows, _ = rejection_sft.select(labelled, labelled.settings, generator.manual_seed(1), first=0, until=1.0)
    assert [row["input_ids"][-3:] for row in rows] == [[3, 1, 0]] * 2


def test_nothing_verified_takes_no_step() -> None:
    run = train_toy("rejection_sft", 0, steps=2, samples=1, rounds=1)
    assert run.monitor.cost.optimizer_steps in (0, 2)
    run = train_toy("rejection_sft", 1, steps=2, samples=1, rounds=1, min_reward=1.0)
    assert all(row["train/kept"] > 0 for row in run.monitor.trace)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_star_goes_back_to_the_base(kind: str) -> None:
    policy = toy_policy(3, kind=kind)
    run = toy_run("sft", 3, steps=10, policy=policy)
    before = expected_reward(policy)
    reset = rejection_sft.fresh_weights(run)
    load_method("sft").train(run)
    assert expected_reward(policy) > before + 0.05
    reset()
    assert expected_reward(policy) == pytest.approx(before, abs=1e-6)


def test_rounds_share_the_budget() -> None:
    run = train_toy("rejection_sft", 0, steps=12, samples=200, rounds=3)
    kept = [row["train/kept"] for row in run.monitor.trace]
    assert len(kept) == 12
    assert len({tuple(kept[i : i + 4]) for i in (0, 4, 8)}) >= 2


def test_r1_grid_is_a_sequence_of_known_methods() -> None:
    grid = Grid.load(Path(__file__).parents[2] / "notebooks" / "grids" / "r1_stages.yaml")
    staged = next(cell for cell in grid.cells if cell.method == "sft+grpo")
    stages = make_settings(load_method("sft+grpo"), "sft+grpo", "", staged.settings)
    assert isinstance(stages, SequenceSettings)
    assert [stage.method for stage in stages.stages] == ["sft", "grpo", "rejection_sft", "grpo"]
    assert sum(stage.share for stage in stages.stages) == pytest.approx(1)


def test_r1_stages_run_one_after_the_other() -> None:
    stages = [
        {"method": "sft", "share": 0.25},
        {"method": "grpo", "share": 0.25, "settings": {"beta": 0.04}},
        {"method": "rejection_sft", "share": 0.25, "settings": {"samples": 100, "rounds": 1, "restart": True}},
        {"method": "grpo", "share": 0.25, "settings": {"beta": 0.04}},
    ]
    trace = train_toy("sft+grpo", 0, steps=8, stages=stages).monitor.trace
    kinds = ["rejection" if "train/solved" in r else "grpo" if "train/reward" in r else "sft" for r in trace]
    assert kinds == ["sft"] * 2 + ["grpo"] * 2 + ["rejection"] * 2 + ["grpo"] * 2


def test_random_reward_ignores_the_completion_and_calls_no_verifier() -> None:
    run = toy_run("grpo-random", 0, steps=1)
    rewards = controls.GRPORandom().reward(run)([""] * 1000, [0] * 1000, completion_ids=[[]] * 1000)
    assert set(rewards) == {0.0, 1.0}
    assert 0.4 < sum(rewards) / 1000 < 0.6
    assert run.monitor.cost.verifier_calls == 0


def test_format_reward_pays_for_the_format_alone() -> None:
    reward = controls.GRPOFormat().reward(toy_run("grpo-format", 0, steps=1))
    assert reward.of(Score(0.0, {"correct": 0.0, "format": 1.0}, "7", format_ok=True)) == 1.0
    assert reward.of(Score(0.0, {"correct": 1.0, "format": 0.0}, "7", format_ok=False)) == 0.0


def test_few_shot_prompts_hold_the_labels_and_leave_the_weights() -> None:
    run = toy_run("base-few-shot", 0, steps=1, shots=2)
    run.policy.model.config.max_position_embeddings = 64  # of the toy's 16 tokens two shots would take 12
    load_method("base-few-shot").train(run)
    assert run.policy.template.prompt(EXAMPLES[0], cot=True) == "aca\n\ncbca\n\na"
    assert run.monitor.cost.optimizer_steps == 0
    assert expected_reward(toy_policy(0)) == pytest.approx(expected_reward(toy_policy(0)))

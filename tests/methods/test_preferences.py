"""Preference pairs, DPO, the reward model and RLHF on the toy."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.actor_critic import Sampler
from rftlab.methods.preferences import PairSettings, preference_pairs
from rftlab.methods.reward_model import train_reward_model
from rftlab.tasks.base import Example, Labels, load_task
from rftlab.verifiers.base import FunctionVerifier
from tests.toy_mdp import END, expected_reward, reward, toy_policy, toy_run, train_toy

MANY = {"pair_generations": 128, "pairs_per_prompt": 128}


def better_first(run, pairs) -> list[bool]:
    texts = [[run.policy.decode(ids, cot=True) for ids in (pair.chosen_ids, pair.rejected_ids)] for pair in pairs]
    return [reward(chosen) > reward(rejected) for chosen, rejected in texts]


def test_simulated_pairs_put_the_better_first_and_noise_swaps_its_share() -> None:
    run = toy_run("dpo", 0, steps=1)
    pairs, said = preference_pairs(run, PairSettings(**MANY))
    assert len(pairs) > 100
    assert all(better_first(run, pairs))
    assert said == {"pairs/count": len(pairs), "pairs/simulated": 1.0, "pairs/noise_rate": 0.0}
    noisy, said = preference_pairs(run, PairSettings(**MANY, noise_rate=0.3))
    assert 0.55 < sum(better_first(run, noisy)) / len(noisy) < 0.85
    assert said["pairs/noise_rate"] == 0.3
    assert run.monitor.cost.verifier_calls == 2 * 256


def test_pairs_of_a_file_are_limited_to_the_label_budget(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": "a" * n, "chosen": "ca", "rejected": "b"} for n in range(1, 6)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = toy_run("dpo", 0, steps=1)
    pairs, said = preference_pairs(run, PairSettings(pairs_file=str(file)))
    assert len(pairs) == run.cell.labels == 2
    assert pairs[0].chosen_ids == [3, 1, END]
    assert said["pairs/simulated"] == 0


def test_a_pairs_file_with_a_test_item_is_refused(tmp_path: Path) -> None:
    leaked = load_task("arithmetic/word").test[0]
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": leaked.prompt.upper(), "chosen": "a", "rejected": "b"}))
    with pytest.raises(RftlabError, match=leaked.id):
        preference_pairs(toy_run("dpo", 0, steps=1), PairSettings(pairs_file=str(file)))


def test_pairs_of_test_items_are_left_out_where_the_rows_are_the_tasks_own(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"prompt {n}", "chosen": "ca", "rejected": "b"} for n in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"path": str(file), "columns": {"answer": "chosen", "prompt": "prompt"}}
    test = load_task("file", settings).test
    run = toy_run("dpo", 0, steps=1)
    cell = run.cell.model_copy(update={"task": "file", "task_settings": settings, "labels": 10})
    run = replace(run, cell=cell)
    pairs, _ = preference_pairs(run, PairSettings(pairs_file=str(file)))
    assert len(test) == 3
    assert len(pairs) == 7
    assert run.monitor.warnings == ["3 of 10 pairs of its file have the prompt of a test item: left out"]
    copied = tmp_path / "copy.jsonl"
    copied.write_text(file.read_text())
    with pytest.raises(RftlabError, match="it would leak"):
        preference_pairs(run, PairSettings(pairs_file=str(copied)))


def test_pairs_of_development_and_validation_items_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": prompt, "chosen": "ca", "rejected": "b"} for prompt in ("A ", "cb", "ac")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train, held_out = (Example("t", "ac", "ca"),), (Example("d", "a", "ca"), Example("v", "cb", "ca"))
    run = replace(toy_run("dpo", 0, steps=1), labels=Labels(train, held_out[1:], held_out[:1]))
    pairs, _ = preference_pairs(run, PairSettings(pairs_file=str(file)))
    assert [pair.prompt_ids for pair in pairs] == [run.policy.encode_prompt("ac")]
    (said,) = [text for text in run.monitor.warnings if "left out" in text]
    assert said.startswith("2 of 3 pairs of its file have the prompt of a development or validation item")
    held = replace(run, labels=Labels(train, (), (*held_out, *train)))
    with pytest.raises(RftlabError, match="all its prompts are held out"):
        preference_pairs(held, PairSettings(pairs_file=str(file)))


def test_no_pairs_is_an_error_that_says_what_to_do() -> None:
    run = replace(toy_run("dpo", 0, steps=1), verifier=FunctionVerifier(lambda completion, example: 0.0))
    with pytest.raises(RftlabError, match="begin with SFT"):
        preference_pairs(run, PairSettings())


def test_dpo_improves_the_policy_and_leaves_one_adapter() -> None:
    run = train_toy("dpo", 0, steps=60, rate=1e-3, **MANY)
    assert expected_reward(run.policy) > 2 * expected_reward(toy_policy(0))
    assert list(run.policy.model.peft_config) == ["default"]
    trace = run.monitor.trace
    assert len(trace) == 60
    assert trace[-1]["train/preference_accuracy"] > 0.8 > trace[0]["train/preference_accuracy"]
    assert trace[-1]["pairs/simulated"] == 1


def test_the_reward_model_ranks_unseen_completions_as_the_verifier() -> None:
    run = toy_run("rlhf", 0, steps=150)
    pairs, said = preference_pairs(run, PairSettings(**MANY))
    base = {name: p.clone() for name, p in run.policy.model.named_parameters()}
    model = train_reward_model(run, pairs, said, learning_rate=1e-3, epochs=10, batch_size=16)
    assert all(torch.equal(p, base[name]) for name, p in run.policy.model.named_parameters())
    draw = Sampler(run, prompts_per_step=2, num_generations=200).draw()
    model.normalise(draw, run.policy)
    scores = model.score(draw, run.policy)
    assert float(scores.mean()) == pytest.approx(0, abs=1e-4)
    assert float(scores.std()) == pytest.approx(1, abs=1e-3)
    good = torch.tensor([trajectory.reward == 1 for trajectory in draw])
    bad = torch.tensor([trajectory.reward == 0 for trajectory in draw])
    ranked = (scores[good][:, None] > scores[bad][None]).float().mean()
    assert float(ranked) > 0.85


def test_rlhf_runs_its_stages_and_shows_score_beside_reward() -> None:
    run = train_toy("rlhf", 0, steps=60, sft_share=0.05, reward_share=0.5, reward_epochs=10, **MANY)
    trace = run.monitor.trace
    assert len(trace) == 60
    assert "train/token_accuracy" in trace[0]
    assert "train/preference_accuracy" in trace[10]
    last = trace[-1]
    assert {"train/score", "train/reward", "train/score_agreement", "kl/reference", "train/loss"} <= set(last)
    first = next(row for row in trace if "train/score" in row)
    assert first["kl/reference"] == pytest.approx(0, abs=1e-6)
    assert last["train/score"] > first["train/score"] + 0.3
    assert last["kl/reference"] > 0.01


def test_settings_of_the_registered_cell_are_checked() -> None:
    assert Cell.make({"method": "rlhf"}).method == "rlhf"
    with pytest.raises(RftlabError, match="noise_rate"):
        toy_run("dpo", 0, steps=1, noise_rate=0.9)

"""Thumbs up and down: what they are made of, the gradient that TRL takes of them, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rftlab.errors import RftlabError
from rftlab.methods import kto
from rftlab.methods.base import load_method
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import LOOSE, Caught
from tests.toy_mdp import END, expected_reward, toy_policy, toy_run, train_toy


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_the_first_update_is_the_paper_s_loss(
    kind: str, catch: Callable[..., Caught], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, thumbs = kto._thumbs, []
    monkeypatch.setattr(kto, "_thumbs", lambda *args: thumbs.extend(made(*args)) or thumbs)
    caught = catch("kto", kind=kind, generations=4, up_from=0.3, beta=0.5, desirable_weight=2.0, **LOOSE)
    assert {thumb.label for thumb in thumbs} == {True, False}
    terms = []
    for thumb in thumbs:
        logprob = caught.logprobs(thumb.prompt_ids, thumb.completion_ids, 1.0).sum()
        # The policy is its own reference still, and the KL is 0.
        ratio = 0.5 * (logprob - logprob.detach())
        terms.append(2.0 * (1 - torch.sigmoid(ratio)) if thumb.label else 1 - torch.sigmoid(-ratio))
    caught.check(torch.stack(terms).mean())


def test_completions_of_a_batch_stand_under_their_neighbours_prompts_too() -> None:
    thumbs = [kto.TokenThumb([i], [i, END], bool(i % 2)) for i in range(1, 6)]
    found = kto.rows(thumbs, 3)
    assert found["KL_completion_ids"] == [[3, END], [1, END], [2, END], [5, END], [4, END]]
    assert found["completion_ids"] == [[i, END] for i in range(1, 6)]


def test_thumbs_of_a_file_are_limited_to_the_label_budget(tmp_path: Path) -> None:
    file = tmp_path / "thumbs.jsonl"
    rows = [{"prompt": "a" * n, "completion": "ca", "label": n % 2 == 0} for n in range(1, 6)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = toy_run("kto", 0, thumbs_file=str(file))
    found = kto._thumbs(run, run.settings)
    assert len(found) == run.cell.labels == 2
    assert found[0].completion_ids == [3, 1, END]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"prompt": "a", "completion": "b"}', "line 1: label must be true"),
        ('{"prompt": 1, "completion": "b", "label": true}', "line 1: prompt must be given as text"),
        ("[1]", "prompt, completion must be given"), ("{", "not JSON"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_thumb_is_named(line: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "thumbs.jsonl"
    file.write_text(line)
    run = toy_run("kto", 0, thumbs_file=str(file))
    with pytest.raises(RftlabError, match=says):
        kto._thumbs(run, run.settings)


def test_thumbs_that_all_point_one_way_are_refused() -> None:
    run = toy_run("kto", 0, verifier=FunctionVerifier(lambda completion, example: 0.0))
    with pytest.raises(RftlabError, match="all 512 point one way; raise generations, lower up_from"):
        load_method("kto").train(run)


def test_it_improves_the_policy_and_leaves_one_adapter() -> None:
    run = train_toy("kto", 0, steps=60, rate=1e-3)
    assert expected_reward(run.policy) > 2 * expected_reward(toy_policy(0))
    assert list(run.policy.model.peft_config) == ["default"]
    assert {"train/reward_chosen", "kl/reference", "thumbs/up"} <= set().union(*run.monitor.trace)

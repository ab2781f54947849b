"""Learning from a teacher, or from itself: the loss, who is asked what, what it costs, and what is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.experiment.watched import Counts
from rftlab.methods import distill, distill_offline, in_context, sdft
from rftlab.methods.actor_critic import Trajectory, collate, token_logprobs
from rftlab.methods.base import TrainingRun, load_method
from rftlab.methods.critic import shared_copy
from rftlab.methods.teacher import check, load_teacher
from rftlab.parts import Budget
from rftlab.policy import teachers, weights
from rftlab.policy.kept import load_kept
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.rollout import Rollout
from rftlab.preflight.checks import Looked
from rftlab.record import read
from tests.toy_mdp import EXAMPLES, toy_policy, toy_run, toy_teacher

FEW = {"prompts_per_step": 2, "num_generations": 3}


def first_update(monkeypatch: pytest.MonkeyPatch, run: TrainingRun) -> tuple[torch.Tensor, list[Rollout]]:
    """Gradient of the policy's first update, and the completions that it is of."""
    own = [p for p in run.policy.model.parameters() if p.requires_grad]
    found: list[torch.Tensor] = []
    drawn: list[Rollout] = []
    stepped, sampled = torch.optim.AdamW.step, run.monitor.sampled

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(torch.cat([p.grad.flatten() for p in own if p.grad is not None]))
        return stepped(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    monkeypatch.setattr(run.monitor, "sampled", lambda rollouts: (drawn.extend(rollouts), sampled(rollouts)))
    load_method(run.cell.method).train(run)
    return found[0], drawn


def divergence(ours: torch.Tensor, theirs: torch.Tensor, beta: float) -> torch.Tensor:
    """Per-token generalised JSD of (B, T, V) log-probabilities; GKD's, its ends the two KLs."""
    if beta == 0:
        return (theirs.exp() * (theirs - ours)).sum(-1)
    if beta == 1:
        return (ours.exp() * (ours - theirs)).sum(-1)
    mixed = (beta * theirs.exp() + (1 - beta) * ours.exp()).log()
    return beta * (theirs.exp() * (theirs - mixed)).sum(-1) + (1 - beta) * (ours.exp() * (ours - mixed)).sum(-1)


def expected(
    run: TrainingRun, drawn: list[Rollout], teacher: Any, beta: float, asked: Callable[[list[int]], list[int]]
) -> torch.Tensor:
    """The gradient, from whole distributions: `asked` gives the teacher's prompt for the policy's."""
    rollouts = [Trajectory(rollout, EXAMPLES[0], "", 0.0) for rollout in drawn]
    shown = [Trajectory(Rollout(asked(r.prompt_ids), r.completion_ids, r.logprobs, r.truncated), EXAMPLES[0], "", 0.0)
             for r in drawn]  # fmt: skip
    policy, temperature = run.policy, run.cell.decoding.temperature
    batch = collate(rollouts, policy)
    with torch.no_grad():
        theirs = token_logprobs(teacher, collate(shown, policy), temperature)
    each = divergence(token_logprobs(policy.model, batch, temperature), theirs, beta)
    loss = (each * batch.mask).sum() / batch.mask.sum()
    gradients = torch.autograd.grad(loss, [p for p in policy.model.parameters() if p.requires_grad])
    return torch.cat([gradient.flatten() for gradient in gradients])


@pytest.mark.parametrize(("beta", "temperature"), [(1.0, 1.0), (0.0, 0.7), (0.3, 1.3)])
def test_the_gradient_is_that_of_the_divergence_summed_over_the_vocabulary(
    beta: float, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = warm(toy_policy(3))
    run = toy_run("distill", 3, policy=policy, temperature=temperature, beta=beta, max_grad_norm=1e9, **FEW)
    before = shared_copy(policy.model)
    gradient, drawn = first_update(monkeypatch, run)
    assert len(drawn) == 6
    own = toy_run(
        "distill", 3, policy=Policy(before, policy.tokenizer, policy.template, "toy"), temperature=temperature
    )
    teacher = load_teacher(own, toy_teacher().name).model
    wanted = expected(own, drawn, teacher, beta, lambda prompt: prompt)
    assert torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-6)
    assert float(wanted.norm()) > 1e-3


def test_sdft_s_teacher_is_the_policy_with_the_label_in_its_context(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = warm(toy_policy(3))
    run = toy_run("sdft", 3, policy=policy, max_grad_norm=1e9, **FEW)
    before = shared_copy(policy.model)
    gradient, drawn = first_update(monkeypatch, run)
    own = toy_run("sdft", 3, policy=Policy(before, policy.tokenizer, policy.template, "toy"))
    shown = {tuple(policy.encode_prompt(e.prompt)): sdft.context(policy, e, cot=False) for e in EXAMPLES}
    assert all(len(context) > 2 * len(prompt) for prompt, context in shown.items())
    wanted = expected(own, drawn, before, 1.0, lambda prompt: shown[tuple(prompt)])
    assert torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-6)
    assert float(wanted.norm()) > 1e-3


def warm(policy: Policy) -> Policy:
    """With an adapter that does something."""
    with torch.no_grad():
        for name, p in policy.model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return policy


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_sdft_s_teacher_follows_the_policy_at_its_rate(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    copied = in_context.frozen_copy
    monkeypatch.setattr(in_context, "frozen_copy", lambda model: kept.append(copied(model)) or kept[0])
    run = toy_run("sdft", 0, steps=1, teacher_update_rate=rate, **FEW)
    before = [p.detach().clone() for p in run.policy.model.parameters()]
    load_method("sdft").train(run)
    after = list(run.policy.model.parameters())
    moved = [a.lerp(b, rate) for a, b in zip(before, after, strict=True)]
    assert all(torch.allclose(p, q) for p, q in zip(kept[0].parameters(), moved, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(("method", "module"), [("distill", distill), ("distill-offline", distill_offline)])
def test_a_teacher_s_passes_are_counted_in_its_own_size(
    method: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Policy, Counts]] = []

    def watched(run: TrainingRun, teacher: str) -> Policy:
        found = load_teacher(run, teacher)
        seen.append((found, Counts(found)))
        return found

    monkeypatch.setattr(module, "load_teacher", watched)
    run = toy_run(method, 0, steps=2, **(FEW if method == "distill" else {"samples": 8}))
    load_method(method).train(run)
    [(teacher, counts)] = seen
    assert run.monitor.cost.teacher_flops == pytest.approx(2.0 * teacher.parameters * counts.forward, rel=0.01)
    assert counts.backward == 0
    assert not any(p.requires_grad for p in teacher.model.parameters())


def test_some_steps_are_on_the_labels_where_it_is_asked_for() -> None:
    run = toy_run("distill", 0, steps=3, lmbda=0.0, **FEW)
    load_method("distill").train(run)
    assert run.monitor.cost.completions == 0
    assert run.settings.also_taught_by == ("its teacher", "its labels")


def test_a_kept_policy_teaches_as_it_answers(kept_cell: Callable[[str], Path]) -> None:
    folder = kept_cell("sft")
    cell = Cell.make({"method": "distill", "settings": {"teacher": str(folder)}})
    policy = load_policy(cell)
    run = TrainingRun(policy, None, None, cell, None, (), monitor=toy_run("sft", 0).monitor)  # type: ignore[arg-type]
    teacher, kept = load_teacher(run, str(folder)), load_kept(folder)
    ids = torch.tensor([policy.encode_prompt("Q: 1 + 2\nA:")])
    assert torch.equal(teacher.model(ids).logits, kept.model(ids).logits)
    assert teacher.template is policy.template
    assert teachers.trained_with(folder).labels == 8
    assert teachers.cost_of(cell)["teacher_labels"] == 8
    assert teachers.told(cell).startswith(f"cell {weights.cell_of(folder).id} (word sft n=8 cot seed 0): 8 labels, ")
    assert teachers.told(Cell.make({})) == "none"


def test_what_taught_a_teacher_counts_as_what_it_was_trained_with(
    kept_cell: Callable[[str], Path], tmp_path: Path
) -> None:
    own = teachers.trained_with(kept_cell("sft"))
    taught = {"teacher_labels": 100, "teacher_training_flops": 5e9, "teacher_training_seconds": 2.0}
    found = read(kept_cell("sft"))
    assert found is not None
    replace(found, cost={**found.cost, **taught}).write(tmp_path, trace=[], samples=[])
    assert teachers.trained_with(tmp_path) == (own.labels + 100, own.flops + 5e9, own.seconds + 2.0)
    assert own.seconds > 0


def test_a_teacher_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RftlabError, match="has another tokenizer than 'tiny-base'"):
        load_teacher(toy_run("distill", 0), "tiny-base")
    with pytest.raises(RftlabError, match=r"learns from a teacher: give settings\.teacher"):
        load_teacher(toy_run("distill", 0), "")
    with pytest.raises(RftlabError, match="holds no record"):
        load_teacher(toy_run("distill", 0), str(tmp_path))


@pytest.mark.parametrize(("budget", "drawn"), [({"amount": 3.0}, 18), ({"unit": "flops", "amount": 2e8}, None)])
def test_matched_rollouts_are_as_many_as_grpo_draws(budget: dict[str, Any], drawn: int | None) -> None:
    found = {}
    for method in ("grpo", "sft-matched-rollouts"):
        run = toy_run(method, 0, budget=Budget(**budget), **FEW, **({"min_reward": 0.4} if "sft" in method else {}))
        load_method(method).train(run)
        found[method] = run.monitor.cost
    ours, theirs = found["sft-matched-rollouts"], found["grpo"]
    assert ours.completions == pytest.approx(theirs.completions, rel=0.15)
    assert drawn is None or ours.completions == theirs.completions == drawn
    assert ours.verifier_calls == ours.completions
    assert ours.flops == pytest.approx(theirs.flops, rel=0.1) or drawn


def test_a_cell_is_another_with_another_teacher_and_the_same_wherever_that_one_lies(
    kept_cell: Callable[[str], Path], tmp_path: Path
) -> None:
    kept = kept_cell("sft")
    moved = shutil.copytree(kept, tmp_path / kept.name)
    first, same, other = (
        with_digests(Cell.make({"method": "distill", "settings": {"teacher": str(folder)}}))
        for folder in (kept, moved, kept_cell("grpo"))
    )
    assert first.id == same.id != other.id
    assert first.digests["settings.teacher"] == weights.digest(kept)


@pytest.mark.parametrize(
    ("teacher", "says"),
    [
        ("", r"method 'distill' learns from a teacher: give settings\.teacher"),
        ("abc123", "no finished cell abc123"),
        ("toy", "has another tokenizer than 'tiny-base'"),
        ("base", "keeps no policy: it is the untrained base"),
    ],
)
def test_a_teacher_is_checked_before_anything_runs(
    teacher: str, says: str, kept_cell: Callable[[str], Path], small_cell: Callable[..., Cell]
) -> None:
    named = {"toy": toy_teacher().name, "base": str(kept_cell("base"))}.get(teacher, teacher)
    with pytest.raises(RftlabError, match=says):
        check(Looked([small_cell(method="distill", settings={"teacher": named})], 60.0))


def test_the_record_says_what_the_teacher_was_trained_with(
    kept_cell: Callable[[str], Path], small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cell = small_cell(method="distill", labels=4, settings={**FEW, "teacher": str(kept_cell("sft"))})
    looked = Looked([cell], 60.0)
    check(looked)
    assert looked.notes == []
    experiment = Experiment(cell, out=tmp_path / "out")
    experiment.train()
    experiment.evaluate()
    record = experiment.record()
    assert (record.cost["teacher_labels"], record.parameters.labels) == (8, 4)
    assert 0 < record.cost["teacher_flops"] < record.cost["flops"]
    assert record.cost["teacher_training_flops"] > 0
    assert "8 labels" in record.contract["shown"]["teacher"]
    [said] = [text for text in record.warnings if text.startswith("learnt from cell")]
    assert "beside its own 4 labels" in said

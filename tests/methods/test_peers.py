"""Two processes that train a cell together make the updates of one, and count what it counts."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest
import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods import trl_online
from rftlab.methods.base import load_method, make_settings
from rftlab.methods.monitor import Monitor
from rftlab.methods.peers import ALONE, Peers
from rftlab.methods.spread import refuse_spread
from rftlab.parts import Budget
from rftlab.policy.rollout import Rollout
from rftlab.registry import METHODS
from rftlab.tasks.base import Example
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.methods.forked import together
from tests.toy_mdp import toy_run

STEPS = 2
# Three rows a step and two at the end of an epoch: shares that differ. Prompts are longer than completions: to
# read them for each completion would show.
LABELLED = tuple(Example(f"e{i}", "abcabcab", "cab"[: 1 + i % 3], rationale="-") for i in range(5))
DRAW = {"prompts_per_step": 2, "num_generations": 6, "per_device_train_batch_size": 6}
# A group of its own lies in both processes.
SPLIT = {"prompts_per_step": 1, "num_generations": 6}
STAGES = [{"method": "sft", "share": 0.5}, {"method": "grpo", "share": 0.5, "settings": DRAW}]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sft": ("sft", {"per_device_train_batch_size": 3}),
    "sft, accumulated": ("sft", {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}),
    "sft, more processes than rows": ("sft", {"per_device_train_batch_size": 1}),
    "grpo": ("grpo", {**SPLIT, "per_device_train_batch_size": 3}),
    "grpo, beta": ("grpo", {**DRAW, "beta": 0.1, "num_iterations": 2}),
    "dapo": ("grpo", {**DRAW, "loss_type": "dapo", "per_device_train_batch_size": 3}),
    "bnpo": ("grpo", {**DRAW, "loss_type": "bnpo", "per_device_train_batch_size": 3}),
    "dr_grpo": ("grpo", {**SPLIT, "loss_type": "dr_grpo", "scale_rewards": "none"}),
    "rloo, beta": ("rloo", {**SPLIT, "beta": 0.1, "normalize_advantages": True}),
    "sft+grpo": ("sft+grpo", {"stages": STAGES}),
}  # fmt: skip


EVERY = [pytest.param(case, marks=[] if case in ("sft", "grpo") else [pytest.mark.slow]) for case in CASES]


class Trained(NamedTuple):
    """What a training left: rows of the trace, costs, gradients and weights, and what was drawn."""

    trace: list[dict[str, Any]]
    cost: dict[str, Any]
    gradients: list[torch.Tensor]
    weights: torch.Tensor
    drawn: list[Rollout]


Both = Callable[[str], tuple[Trained, list[Trained]]]


def trained(case: str, peers: Peers = ALONE, given: Sequence[Rollout] = ()) -> Trained:
    """Train on what is given, or drawn where nothing is."""
    method, settings = CASES[case]
    run = toy_run(
        method, 3, steps=STEPS, rate=1e-3, examples=LABELLED, verifier=FunctionVerifier(graded), temperature=0.7,
        **settings,
    )  # fmt: skip
    run.monitor.close()
    run = replace(run, peers=peers, monitor=Monitor(run.policy, Budget(unit="steps", amount=STEPS), peers=peers))
    gradients, drawn, left = [], [], list(given)
    own = [p for p in run.policy.model.parameters() if p.requires_grad]
    sampled, stepped = trl_online.sample, torch.optim.AdamW.step

    def sample(policy: Any, prompts: Sequence[Sequence[int]], **more: Any) -> list[Rollout]:
        rows = sampled(policy, prompts, **more)
        if given:
            step, left[: peers.count * len(prompts)] = left[: peers.count * len(prompts)], []
            rows = step[peers.rank * len(prompts) : (peers.rank + 1) * len(prompts)]
            assert [row.prompt_ids for row in rows] == [list(prompt) for prompt in prompts]
        drawn.extend(rows)
        return rows

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        gradients.append(
            torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in own])
        )
        return stepped(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trl_online, "sample", sample)
        patched.setattr(torch.optim.AdamW, "step", step)
        torch.manual_seed(0)
        with run.monitor:
            load_method(method).train(run)
    weights = torch.cat([p.detach().flatten() for p in own])
    return Trained(run.monitor.trace, asdict(run.monitor.cost), gradients, weights, drawn)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Of a case, what one process made of it, and each of two on the completions that the one drew; each once."""
    found: dict[str, tuple[Trained, list[Trained]]] = {}

    def of(case: str) -> tuple[Trained, list[Trained]]:
        if case not in found:
            alone = trained(case)
            folder = tmp_path_factory.mktemp("peers")
            found[case] = alone, together(lambda peers: trained(case, peers, alone.drawn), folder)
        return found[case]

    return of


@pytest.mark.parametrize("case", EVERY)
def test_two_processes_make_the_updates_of_one(case: str, both: Both) -> None:
    alone, two = both(case)
    assert len(alone.gradients) == STEPS
    for each in two:
        torch.testing.assert_close(each.gradients, alone.gradients, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(each.weights, alone.weights, atol=1e-6, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in alone.gradients) > 1e-3
    assert torch.equal(two[0].weights, two[1].weights)


@pytest.mark.parametrize("case", EVERY)
def test_each_traces_what_one_process_would(case: str, both: Both) -> None:
    alone, two = both(case)
    padding = ("flops", "tokens_trained", "seconds")
    # TRL's means of the means of processes, whose tokens are not as many.
    loose = ("train/entropy", "kl/reference")
    for each in two:
        for row, one in zip(each.trace, alone.trace, strict=True):
            assert row.keys() == one.keys()
            for name in row.keys() - {"kind", *padding}:
                assert row[name] == pytest.approx(one[name], rel=0.05 if name in loose else 1e-3, abs=1e-5), name
    assert two[0].trace == two[1].trace, "so that they decide alike"


@pytest.mark.parametrize("case", EVERY)
def test_costs_are_those_of_one_process_but_for_padding(case: str, both: Both) -> None:
    alone, two = both(case)
    for each in two:
        for name in alone.cost.keys() - {"flops", "tokens_trained", "seconds"}:
            assert each.cost[name] == alone.cost[name], name
    tokens, least = two[0].cost["tokens_trained"], sum(len(row.completion_ids) for row in alone.drawn)
    if case == "sft":
        assert tokens == alone.cost["tokens_trained"]
        assert two[0].cost["flops"] == alone.cost["flops"]
    elif "sft" not in case:
        assert least < tokens < 1.4 * alone.cost["tokens_trained"], "each pads and reads prompts for its share"


def test_processes_draw_other_completions_than_each_other(tmp_path: Path) -> None:
    def work(peers: Peers) -> list[list[int]]:
        run = replace(toy_run("grpo", 3), peers=peers)
        # One prompt for both, so that equal streams would show.
        prompts = [run.policy.encode_prompt("a")] * 8
        return [row.completion_ids for row in trl_online.Rollouts(run).draw(prompts, SimpleNamespace(use_vllm=False))]

    first, second = together(work, tmp_path)
    assert first != second
    assert first == work(ALONE), "the first has the seed's own stream"


def test_what_they_say_to_each_other(tmp_path: Path) -> None:
    def work(peers: Peers) -> Any:
        return (
            peers.once(lambda: peers.rank + 7),
            peers.all(peers.rank),
            peers.joined_up([peers.rank] * (1 + peers.rank)),
        )

    assert together(work, tmp_path, count=3) == [(7, [0, 1, 2], [0, 1, 1, 2, 2, 2])] * 3
    assert (ALONE.once(lambda: 7), ALONE.all(1), ALONE.joined_up([2])) == (7, [1], [2])


def test_they_listen_on_the_loopback_interface_alone(tmp_path: Path) -> None:
    def work(peers: Peers) -> list[str]:
        peers.all(None)
        open_ = psutil.Process().net_connections(kind="inet")
        return [c.laddr.ip for c in open_ if c.status == psutil.CONN_LISTEN]

    found = [ip for each in together(work, tmp_path) for ip in each]
    assert found
    assert set(found) == {"127.0.0.1"}


def test_shares_are_the_batch_and_one_of_nothing_has_nothing_to_learn() -> None:
    batch = {"labels": torch.arange(6).view(3, 2), "input_ids": torch.arange(6).view(3, 2)}
    shares = [Peers(rank, 2).share(batch) for rank in range(2)]
    assert torch.equal(torch.cat([share["labels"] for share in shares]), batch["labels"])
    empty = [share for rank in range(4) if (share := Peers(rank, 4).share(batch))["labels"].eq(-100).all()]
    assert [share["input_ids"].shape for share in empty] == [(1, 2)]


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.trains and not entry.spreads])
def test_a_method_that_trains_in_one_process_says_so(method: str) -> None:
    cell = Cell.make({"method": method, "processes": 2})
    with pytest.raises(RftlabError, match=rf"processes is 2, and method '{method}' trains in one; .* sft, grpo, "):
        refuse_spread(cell, make_settings(load_method(method), method, "", {}))


def test_what_cannot_be_shared_is_refused_and_what_does_not_train_is_not() -> None:
    def asked(method: str, processes: int, **settings: Any) -> None:
        cell = Cell.make({"method": method, "processes": processes, "settings": settings})
        refuse_spread(cell, make_settings(load_method(method), method, "", settings))

    with pytest.raises(RftlabError, match=r"groups are drawn again in one \(max_num_gen_batches of grpo\)"):
        asked("grpo", 2, max_num_gen_batches=2)
    with pytest.raises(
        RftlabError, match="processes is 3, and the 64 completions of a step of grpo cannot be dealt out"
    ):
        asked("grpo", 3)
    with pytest.raises(RftlabError, match="method 'dpo' trains in one"):
        asked("sft+grpo", 2, stages=[{"method": "dpo", "share": 1.0}])
    asked("base", 3)
    asked("sft", 3)
    asked("sft+grpo", 2)

"""Rejection-sampling fine-tuning, expert iteration and STaR: SFT on the policy's own verified completions.

One loop covers all three: sample k completions per prompt, keep the verified ones, drop duplicates, fine-tune; then
again from the policy just trained, or from a fresh adapter. The verifier selects data instead of weighting a gradient.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Literal

import torch
from peft.tuners.lora import LoraLayer
from pydantic import Field

from rftlab.methods.actor_critic import Trajectory
from rftlab.methods.attempts import attempt, tries_per_prompt
from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.sft import SFTSettings, fit, row_of, tokenise
from rftlab.tasks.of_cell import require_rationales


class Selection(Settings):
    """How completions are tried and which are kept."""

    samples: int | None = Field(
        None, ge=1, description="completions per prompt and round, k; None: 512 in all, 8 a prompt at least"
    )
    keep_per_prompt: int = Field(4, ge=1, description="distinct verified completions kept per prompt and round")
    min_reward: float = Field(1.0, gt=0, le=1, description="reward from which a completion is kept")
    unsolved: Literal["drop", "label"] = Field(
        "drop", description="prompts with nothing verified: left out, or their label"
    )

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """Its labels, where they stand in for what was not solved."""
        return ("its labels",) if self.unsolved == "label" else ()


class RejectionSettings(Selection, SFTSettings):
    """Settings of `rejection_sft`: those of sft, and the sampling's."""

    rounds: int = Field(3, ge=1, description="rounds of sampling and SFT; each gets an equal share of the budget")
    restart: bool = Field(False, description="train a fresh adapter each round instead of going on")


class RejectionSFT:
    """SFT on the policy's own verified completions, in rounds (TRL SFTTrainer)."""

    Settings: ClassVar[type[Settings]] = RejectionSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Yuan et al. 2023 (2308.01825), section 3.3: "sample k = 100 candidate reasoning paths", one round, distinct
        # paths only, fine-tuned from the base.
        "rft": {"samples": 100, "rounds": 1, "restart": True, "keep_per_prompt": 100},
        # Zelikman et al. 2022 (2203.14465), algorithm 1: each outer loop fine-tunes "the original model", one sample
        # a prompt. Its rationalisation (a second try with the answer as a hint) is replaced by the label.
        "star": {"samples": 1, "rounds": 4, "restart": True, "keep_per_prompt": 1, "unsolved": "label"},
        # Anthony et al. 2017 (1705.08439); for language models Polu et al. 2022 (2202.01344): go on from the policy
        # of the round before.
        "expert_iteration": {"rounds": 3, "restart": False},
    }
    ladder = Ladder(lora=(1e-3, 3e-4, 3e-3, 1e-4), full=(3e-4, 1e-4, 1e-3, 3e-5))
    card = (
        "Idea: let the policy try each prompt k times and imitate what the verifier accepts; its own words, no\n"
        "label's.\n"
        "Objective: that of sft, over the distinct verified completions of the round.\n"
        "Settings: 512 completions a round, k >= 8 a prompt, at most 4 kept, 3 rounds going on from one another, at\n"
        "most half of a round's budget spent on sampling (fewer tries a prompt then, and never a round for nothing);\n"
        "presets rft (k = 100, one round), star (k = 1, fresh adapter each round, labels for unsolved prompts),\n"
        "expert_iteration.\n"
        "Costs: a round's completions, each verified, at its beginning; then steps of sft. No second model in\n"
        "memory.\n"
        "When: a verifier but no rationales, and pass@k well above 0; simpler and steadier than RL, slower to\n"
        "climb.\n"
        "What goes wrong: easy prompts fill the data (train/solved flat, train/kept grows); a verifier that accepts\n"
        "right answers by wrong steps has those steps imitated; with nothing verified no step is taken at all;\n"
        "completions that the cap cut are left out even if right, since they never end (train/right_but_cut: raise\n"
        "the cap)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, select and fine-tune, round after round, each within its share of the budget."""
        settings: RejectionSettings = run.settings
        require_labels(run, settings)
        monitor = run.monitor
        start, end = monitor.fraction, monitor.allowed
        generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
        reset = fresh_weights(run) if settings.restart else None
        asked = 0
        for number in range(1, settings.rounds + 1):
            share = (end - start) / settings.rounds
            monitor.limit(end if number == settings.rounds else start + share * number)
            if monitor.exhausted:
                break
            rows, found = select(run, settings, generator, first=asked, until=start + share * (number - 0.5))
            asked += int(found["train/asked"])
            if not rows:
                continue
            if reset:
                reset()
            monitor.prepared()
            fit(run, rows, settings, also=found)
        monitor.limit(end)


def require_labels(run: TrainingRun, settings: Selection) -> None:
    """Raise unless labels can stand in for what is not solved, where they are to.

    Raises:
        RftlabError: chain-of-thought is trained and one has no rationale.
    """
    if settings.unsolved == "label" and run.cell.cot:
        require_rationales(run.labels.train, f"{run.cell.method} with unsolved: label")


def select(
    run: TrainingRun, settings: Any, generator: torch.Generator, *, first: int = 0, until: float
) -> tuple[list[dict[str, list[int]]], dict[str, float]]:
    """Rows to fine-tune on, and what the round's sampling found.

    Sampling stops once the share ``until`` of the budget is spent, or once there is as much as the rest of the round's
    can train on. It begins with prompt ``first``, so that the prompts one round had no turn for come first in the next.
    """
    prompts = run.labels.asked
    samples = settings.samples or tries_per_prompt(len(prompts))
    order = [prompts[(first + i) % len(prompts)] for i in range(len(prompts))]

    def enough(found: Sequence[Sequence[Trajectory]]) -> bool:
        lengths = [len(row["input_ids"]) for row in _rows(run, settings, found)]
        return run.monitor.estimate(lengths, settings.batch) >= run.monitor.left

    # Deviation 1: sampling ends with its share of the budget, or once there is as much as the rest can train on; in the
    # papers every prompt is asked equally often.
    found = attempt(run, order, samples, generator=generator, until=until, enough=enough)
    trajectories = [trajectory for tries in found for trajectory in tries]
    right = [t for t in trajectories if t.reward >= settings.min_reward]
    rows = _rows(run, settings, found)
    return rows, {
        "train/reward": sum(t.reward for t in trajectories) / len(trajectories),
        "train/asked": float(len(found)),
        "train/solved": sum(bool(_kept(settings, tries)) for tries in found) / len(found),
        "train/kept": float(sum(len(_kept(settings, tries)) for tries in found)),
        "train/right_but_cut": float(sum(t.rollout.truncated for t in right)),
    }


def _kept(settings: Selection, tries: Sequence[Trajectory]) -> list[tuple[int, ...]]:
    """Distinct completions of a prompt to imitate. One that the cap cut is not, even if right: it never ends."""
    # Deviation 2: right completions that the cap cut are left out, since to imitate them is never to end.
    right = [t for t in tries if t.reward >= settings.min_reward and not t.rollout.truncated]
    return list(dict.fromkeys(tuple(t.rollout.completion_ids) for t in right))[: settings.keep_per_prompt]


def _rows(run: TrainingRun, settings: Selection, found: Sequence[Sequence[Trajectory]]) -> list[dict[str, list[int]]]:
    rows = []
    for tries in found:
        prompt, kept = tries[0].rollout.prompt_ids, _kept(settings, tries)
        rows += [row_of(prompt, c) for c in kept]
        # Deviation 3: an unsolved prompt is taught its label as it is; STaR has the model write a rationale once it has
        # been told the answer.
        if not kept and settings.unsolved == "label" and tries[0].example.answer:
            rows.append(tokenise(run.policy, tries[0].example, cot=run.cell.cot))
    return rows


def fresh_weights(run: TrainingRun) -> Callable[[], None]:
    """A function that puts the policy back to its base.

    A LoRA adapter is initialised anew (`seed_init`), also if earlier stages of a sequence have trained it. Full
    fine-tuning has no base beside it, and what a cell starts from is not the base: there the weights are those at the
    time of this call, kept in memory.
    """
    model, seed = run.policy.model, run.cell.seed_init
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if not layers or run.cell.start_from:
        kept = deepcopy(model.state_dict())
        return lambda: model.load_state_dict(kept)

    def reset() -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for layer in layers:
                for name in layer.active_adapters:
                    layer.reset_lora_parameters(name, True)

    return reset

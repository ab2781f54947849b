"""Rejection-sampling fine-tuning, expert iteration and STaR: SFT on the policy's own verified completions.

One loop covers all three: sample k completions per prompt, keep the verified ones, drop duplicates, fine-tune; then
again from the policy just trained, or from a fresh adapter. The verifier selects data instead of weighting a gradient.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, ClassVar, Literal

import torch
from peft.tuners.lora import LoraLayer
from pydantic import Field

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.sft import SFTSettings, fit, tokenise
from rftlab.methods.trl_online import completion_cap, tries_per_prompt
from rftlab.policy.rollout import sample
from rftlab.tasks.base import require_rationales

_PROMPTS_AT_ONCE = 32


class RejectionSettings(SFTSettings):
    """Settings of `rejection_sft`: those of sft, and the sampling's."""

    samples: int | None = Field(
        None, ge=1, description="completions per prompt and round, k; None: 512 in all, 8 a prompt at least"
    )
    rounds: int = Field(3, ge=1, description="rounds of sampling and SFT; each gets an equal share of the budget")
    restart: bool = Field(False, description="train a fresh adapter each round instead of going on")
    keep_per_prompt: int = Field(4, ge=1, description="distinct verified completions kept per prompt and round")
    min_reward: float = Field(1.0, gt=0, le=1, description="reward from which a completion is kept")
    unsolved: Literal["drop", "label"] = Field(
        "drop", description="prompts with nothing verified: left out, or their label"
    )


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
        "Settings: 512 completions a round, k >= 8 a prompt, at most 4 kept, 3 rounds going on from one another;\n"
        "presets rft (k = 100, one round), star (k = 1, fresh adapter each round, labels for unsolved prompts),\n"
        "expert_iteration.\n"
        "When: a verifier but no rationales, and pass@k well above 0; simpler and steadier than RL, slower to\n"
        "climb.\n"
        "What goes wrong: easy prompts fill the data (train/solved flat, train/kept grows); a verifier that accepts\n"
        "right answers by wrong steps has those steps imitated; with nothing verified no step is taken at all."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, select and fine-tune, round after round, each within its share of the budget."""
        settings: RejectionSettings = run.settings
        if settings.unsolved == "label" and run.cell.cot:
            require_rationales(run.labels.train, "rejection_sft with unsolved: label")
        start, end = run.monitor.fraction, run.monitor.allowed
        generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
        reset = fresh_weights(run) if settings.restart else None
        for number in range(1, settings.rounds + 1):
            share = (end - start) / settings.rounds
            run.monitor.limit(end if number == settings.rounds else start + share * number)
            rows, found = _select(run, settings, generator, until=start + share * (number - 0.5))
            if not rows or run.monitor.exhausted:
                continue
            if reset:
                reset()
            fit(run, rows, settings, also=found)
        run.monitor.limit(end)


def _select(
    run: TrainingRun, settings: RejectionSettings, generator: torch.Generator, *, until: float
) -> tuple[list[dict[str, list[int]]], dict[str, float]]:
    """Rows to fine-tune on, and what the round's sampling found.

    Sampling stops early once the share ``until`` of the budget is spent (budgets in tokens, FLOPs or seconds).
    """
    rows: list[dict[str, list[int]]] = []
    rewards: list[float] = []
    solved = asked = kept = 0
    samples = settings.samples or tries_per_prompt(len(run.labels.train))
    for start in range(0, len(run.labels.train), _PROMPTS_AT_ONCE):
        if start and run.monitor.fraction >= until:
            break
        batch = run.labels.train[start : start + _PROMPTS_AT_ONCE]
        prompts = [run.policy.encode_prompt(run.policy.prompt_text(e, cot=run.cell.cot)) for e in batch]
        rollouts = sample(
            run.policy,
            [prompt for prompt in prompts for _ in range(samples)],
            max_new_tokens=completion_cap(run),
            generator=generator,
            temperature=run.cell.decoding.temperature,
            top_p=run.cell.decoding.top_p,
        )
        run.monitor.generated(sum(map(len, prompts)), sum(len(r.completion_ids) for r in rollouts))
        scores = run.verifier.score(
            [run.policy.decode(r.completion_ids, cot=run.cell.cot) for r in rollouts],
            [e for e in batch for _ in range(samples)],
        )
        run.monitor.verified([score.reward for score in scores], group=samples)
        rewards += [score.reward for score in scores]
        asked += len(batch)
        for i, (example, prompt) in enumerate(zip(batch, prompts, strict=True)):
            drawn = range(i * samples, (i + 1) * samples)
            right = [
                tuple(rollouts[j].completion_ids)
                for j in drawn
                if scores[j].reward >= settings.min_reward and not rollouts[j].truncated
            ]
            distinct = list(dict.fromkeys(right))[: settings.keep_per_prompt]
            solved, kept = solved + bool(distinct), kept + len(distinct)
            rows += [{"input_ids": prompt + list(c), "labels": [-100] * len(prompt) + list(c)} for c in distinct]
            if not distinct and settings.unsolved == "label":
                rows.append(tokenise(run.policy, example, cot=run.cell.cot))
    found = {"train/reward": sum(rewards) / len(rewards), "train/solved": solved / asked, "train/kept": float(kept)}
    return rows, found


def fresh_weights(run: TrainingRun) -> Callable[[], None]:
    """A function that puts the policy back to its base.

    A LoRA adapter is initialised anew (`seed_init`), also if earlier stages of a sequence have trained it. Full
    fine-tuning has no base beside it: there the weights are those at the time of this call, kept in memory.
    """
    model, seed = run.policy.model, run.cell.seed_init
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if not layers:
        kept = deepcopy(model.state_dict())
        return lambda: model.load_state_dict(kept)

    def reset() -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for layer in layers:
                for name in layer.active_adapters:
                    layer.reset_lora_parameters(name, True)

    return reset

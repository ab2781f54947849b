"""CHORD (Zhang et al. 2025, On-Policy RL Meets Off-Policy Experts, 2508.11408): SFT and GRPO in one loss.

TRL has no such loss; this is its GRPOTrainer with an SFT term added to each update.

Legend: mu weight of the SFT term; phi weight of one labelled token; y*_t labelled token; p_t = pi(y*_t | x, y*_<t).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor
from trl import GRPOTrainer

from rftlab.methods.base import Settings, TaughtByLabels, TrainingRun
from rftlab.methods.demonstrations import Demonstrations, token_nll
from rftlab.methods.grpo import GRPO, GRPOSettings, StepTrainer
from rftlab.methods.monitor import Monitor
from rftlab.methods.trl_online import LOG_NAMES


class CHORDSettings(TaughtByLabels, GRPOSettings):
    """Settings of `chord`: those of grpo, and the SFT term's."""

    mu_peak: float = Field(0.9, ge=0, le=1, description="weight of the SFT term at the start")
    mu_valley: float = Field(0.05, ge=0, le=1, description="weight of the SFT term once it has decayed")
    mu_decay_share: float = Field(0.5, ge=0, le=1, description="share of the budget over which mu decays, linearly")
    token_weight: Literal["none", "phi"] = "none"
    sft_batch_size: int = Field(16, ge=1, description="labelled completions per optimiser step")


class _Trainer(StepTrainer):
    chord: CHORDSettings
    monitor: Monitor
    demonstrations: Demonstrations
    _mu: float

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        if self.pass_number == 0:
            self._mu = mu_at(self.chord, self.monitor.fraction)
        loss = (1 - self._mu) * super()._compute_loss(model, inputs)
        drawn, tokens = self.demonstrations.part(self.chord.sft_batch_size, number=self.pass_number, passes=self.passes)
        nll = 0.0
        if drawn:
            logprobs, _ = self.demonstrations.logprobs(model, drawn)
            loss = loss + self._mu * sft_loss(logprobs, tokens, token_weight=self.chord.token_weight)
            nll = token_nll(logprobs.detach(), tokens).item()
        # TRL shows the mean over passes.
        self._metrics["train"]["nll"].append(nll * self.passes)
        self._metrics["train"]["mu"].append(self._mu)
        return loss


class CHORD(GRPO):
    """(1 - mu) GRPO + mu SFT, on one adapter."""

    Settings: ClassVar[type[Settings]] = CHORDSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Section 3.2 and the authors' example (mix_chord): mu decays from 0.9 to 0.05 over the first 200 steps.
        "mu": {"mu_peak": 0.9, "mu_valley": 0.05, "token_weight": "none"},
        # Section 3.3, eq. 7: phi = p_t (1 - p_t), with mu fixed at 0.1.
        "phi": {"mu_peak": 0.1, "mu_valley": 0.1, "token_weight": "phi"},
    }
    card = (
        "Idea: keep imitating the labels while exploring, in one loss; their weight mu falls as training goes on.\n"
        "Objective: (1 - mu) L_GRPO + mu L_SFT; with token_weight phi each labelled token counts p (1 - p), so that\n"
        "tokens already certain, and tokens far from the policy, are left alone.\n"
        "Settings: mu 0.9 -> 0.05 over half the budget (paper: over 200 steps), 16 labels a step; preset phi: mu\n"
        "0.1.\n"
        "Costs: those of grpo, and one forward and one backward pass over 16 labelled completions.\n"
        "When: labels with rationales and a verifier are both there, and the base seldom succeeds by itself.\n"
        "What goes wrong: with few labels mu near 0.9 overfits before RL begins (train/nll near 0 while\n"
        "train/reward stalls); read train/nll, not train/loss: the weighted loss can rise while the likelihood of\n"
        "labels does too."
    )
    trainer_class: ClassVar[type[GRPOTrainer]] = _Trainer
    log_names: ClassVar[Mapping[str, str]] = {**LOG_NAMES, "nll": "train/nll", "mu": "train/mu"}

    def prepare(self, trainer: Any, run: TrainingRun) -> None:
        """Give the trainer the labels and the schedule of mu."""
        trainer.demonstrations = Demonstrations(run)
        trainer.chord, trainer.monitor = run.settings, run.monitor


def mu_at(settings: CHORDSettings, fraction: float) -> float:
    """Weight of the SFT term in [0, 1] once ``fraction`` of the budget is spent: linear from peak to valley, then flat.

    Source: 2508.11408 section 3.2; differs: the decay is over a share of the budget, not over a number of steps.
    """
    if fraction >= settings.mu_decay_share:
        return settings.mu_valley
    # Deviation 1: mu falls over a share of the budget (paper: over the first 200 steps), so that it means the same
    # under every budget.
    return settings.mu_peak + (settings.mu_valley - settings.mu_peak) * fraction / settings.mu_decay_share


def sft_loss(logprobs: Tensor, tokens: int, *, token_weight: str) -> Tensor:
    """-sum_t w_t log p_t over labelled tokens, divided by those of the whole step; w_t = 1, or phi = p_t (1 - p_t).

    Args:
        logprobs: (B, T) log p_t in nats, 0 where masked.
        tokens: labelled tokens of the step.
        token_weight: "none" or "phi".

    Source: 2508.11408 eqs. 1 and 7; phi is a weight, hence no gradient flows through it.
    """
    if token_weight == "none":
        return token_nll(logprobs, tokens)
    p = logprobs.detach().exp()
    # phi carries no gradient: it weighs tokens and is not itself to be made larger.
    return token_nll(p * (1 - p) * logprobs, tokens)

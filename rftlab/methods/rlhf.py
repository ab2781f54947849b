"""Reinforcement learning from human feedback in its three stages (Ouyang et al. 2022, 2203.02155, section 3.1).

SFT on the labels, a Bradley-Terry reward model on preference pairs, then PPO on the reward model's scores with a KL
penalty to the SFT policy. The verifier never trains the last stage; it is asked about every rollout all the same, so
that the trace shows score and verifier reward side by side: where the first rises and the second falls, the reward
model is being over-optimised (Gao et al. 2022, 2210.10760).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from rftlab.methods.actor_critic import Sampler, Trajectory
from rftlab.methods.base import Ladder, Settings, TrainingRun, TrainingStage, load_method, make_settings
from rftlab.methods.ppo import PPOSettings, optimise
from rftlab.methods.preferences import PairSettings, preference_pairs
from rftlab.methods.reward_model import train_reward_model


class RLHFSettings(PairSettings, PPOSettings):
    """Settings of `rlhf`: those of its pairs, of its stages, and of `ppo`."""

    sft_share: float = Field(
        0.2, ge=0, lt=1, description="share of the budget for SFT; 0 starts from the policy as it is"
    )
    sft_learning_rate: float | None = Field(None, gt=0, description="None leaves it to the cell's learning_rates")
    reward_share: float = Field(0.2, gt=0, lt=1, description="share of the budget for pairs and reward model, at most")
    reward_learning_rate: float | None = Field(
        None, gt=0, description="of the reward model's adapter and head; None leaves it to the cell's learning_rates"
    )
    reward_epochs: int = Field(4, ge=1, description="passes over the pairs, at most")
    reward_batch_size: int = Field(16, ge=1, description="pairs per update of the reward model")
    missing_eos_penalty: float = Field(
        1.0, ge=0, description="off the (normalised) score of a completion that was cut off"
    )

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """The labels of its first stage and the pairs of a file."""
        return (*(["its labels"] if self.sft_share else []), *super().also_taught_by)


# Of the reward model's adapter and head. It is its own network beside the policy: one ladder for both adapter kinds.
_REWARD = Ladder(lora=(1e-3, 3e-4, 3e-3, 1e-4), full=(1e-3, 3e-4, 3e-3, 1e-4))


class RLHF:
    """SFT, a reward model, and PPO against it."""

    Settings: ClassVar[type[Settings]] = RLHFSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Appendix C.2 to C.4: reward model trained for one epoch (more over-fits) on pairs in batches of 64 prompts;
        # beta 0.02, eps 0.2, batch 512 in 8 minibatches, one pass.
        "instructgpt": {
            "reward_epochs": 1,
            "reward_batch_size": 64,
            "prompts_per_step": 512,
            "num_generations": 1,
            "num_ppo_epochs": 1,
            "num_mini_batches": 8,
            "kl_coef": 0.02,
        },
    }
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(5e-5, 2e-5, 1e-4, 1e-5))
    card = (
        "Idea: where nothing can verify an answer, learn from comparisons what people prefer, and optimise that.\n"
        "The reward model is trusted only near the policy its pairs came from: hence the KL penalty.\n"
        "Objective: SFT loss; -E log sigma(r(y_w) - r(y_l)); PPO with r_t = [t = T] r - beta log(pi_old / pi_sft).\n"
        "Settings: 20 % of the budget each for SFT and reward model, the rest PPO; beta 0.05 (paper 0.02); 4 passes\n"
        "over few pairs (paper 1 over many); score normalised to mean 0, sd 1 on the SFT policy's samples;\n"
        "no pretraining mix (paper coefficient 27.8). Pairs from pairs_file, or simulated by the verifier with\n"
        "noise_rate; pairs/simulated says which.\n"
        "Costs: steps of sft; the sampling of pairs, once; for each update of the reward model one forward and one\n"
        "backward pass over both completions of 16 pairs; then those of ppo, and a forward pass of the reward\n"
        "model over every draw.\n"
        "When: judgements are comparative and no verifier exists. With a verifier, ppo and grpo are simpler.\n"
        "What goes wrong: over-optimisation (train/score rises while train/reward, the verifier's, falls, and\n"
        "train/score_agreement drops); a reward model that learned length or format (train/completion_tokens drifts)."
    )

    def stages(self, settings: RLHFSettings) -> tuple[TrainingStage, ...]:
        """SFT, reward model and PPO, without those whose rate the settings give."""
        sft, reward = settings.sft_learning_rate, settings.reward_learning_rate
        first = (TrainingStage("sft", load_method("sft").ladder),) if settings.sft_share and sft is None else ()
        second = (TrainingStage("reward model", _REWARD),) if reward is None else ()
        return (*first, *second, TrainingStage("ppo", self.ladder))

    def train(self, run: TrainingRun) -> None:
        """Run the three stages, each up to its share of the budget; the last takes what is left."""
        settings: RLHFSettings = run.settings
        rates = iter(run.learning_rates)
        if settings.sft_share:
            run.monitor.limit(settings.sft_share)
            sft = load_method("sft")
            rate = settings.sft_learning_rate or next(rates)
            sft.train(replace(run, settings=make_settings(sft, "sft", "", {}), learning_rates=(rate,)))
        run.monitor.limit(settings.sft_share + settings.reward_share)
        pairs, said = preference_pairs(run, settings)
        # Deviation 1: the reward model is an adapter and a head on the policy's own base (paper: a model of 6B for
        # policies of up to 175B).
        reward_model = train_reward_model(
            run,
            pairs,
            said,
            learning_rate=settings.reward_learning_rate or next(rates),
            epochs=settings.reward_epochs,
            batch_size=settings.reward_batch_size,
        )
        run.monitor.limit(1.0)
        if run.monitor.exhausted:
            run.monitor.warn("PPO, the last stage of rlhf, took no step: SFT and reward model had spent the budget")
            return
        sampler = Sampler(run, prompts_per_step=settings.prompts_per_step, num_generations=settings.num_generations)
        first = sampler.draw()
        # Deviation 2: scores have mean 0 and standard deviation 1 on the policy's first completions, as in Ziegler et
        # al. 2019; the paper shifts them to mean 0 on demonstrations.
        reward_model.normalise(first, run.policy)

        def score(trajectories: Sequence[Trajectory]) -> Tensor:
            cut = torch.tensor([float(t.rollout.truncated) for t in trajectories], device=run.policy.device)
            # Deviation 3: a completion that the cap cut has `missing_eos_penalty` off its score, as in TRL.
            return reward_model.score(trajectories, run.policy) - settings.missing_eos_penalty * cut

        # Deviation 4: PPO has no gradients of pretraining mixed in (paper coefficient 27.8), and its critic begins as
        # the policy, not as the reward model.
        optimise(run, settings, score, sampler=sampler, first=first)

"""Direct preference optimisation (Rafailov et al. 2023, 2305.18290), by TRL's DPOTrainer.

Pairs are tokenised here, with the very prompt tokens that evaluation uses. The reference policy is the one training
starts from, kept by TRL as a second adapter that is removed again at the end.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from peft import PeftModel
from pydantic import Field
from torch import Tensor
from trl import DPOConfig, DPOTrainer

from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.critic import frozen_copy
from rftlab.methods.preferences import PairSettings, preference_pairs, token_rows
from rftlab.methods.reference_free import odds_ratio, simpo
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, finish, quiet_trainer


class DPOSettings(PairSettings, RateSettings):
    """Settings of `dpo`, by TRL's names."""

    # As Zephyr's pairs (Tunstall et al. 2023, 2310.16944, section 4): the best against one of the rest at random. With
    # any two, whatever is not the worst is chosen somewhere and made likelier; on the tests' toy, the trap.
    chosen_from: Literal["better", "best"] = Field(
        "best", description="simulated: chosen is the better one of any two, or always one of the prompt's best"
    )
    per_device_train_batch_size: int = Field(16, ge=1, description="pairs a step (at most as many as there are)")
    loss_type: Literal["sigmoid", "hinge", "ipo", "robust", "apo_zero", "sigmoid_norm", "simpo", "orpo"] = "sigmoid"
    beta: float = Field(
        0.1,
        gt=0,
        description="pull to the reference policy; simpo: scale of the margin; orpo: weight of the odds ratio",
    )
    simpo_gamma: float = Field(0.5, ge=0, description="simpo: the margin asked for")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="assumed share of wrong pairs (robust, sigmoid)")
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)


class DPO:
    """DPO on preference pairs (TRL DPOTrainer)."""

    Settings: ClassVar[type[Settings]] = DPOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Appendix B: "we use beta = 0.1, batch size of 64 and the RMSprop optimizer with a learning rate of 1e-6 by
        # default. We linearly warmup the learning rate from 0 to 1e-6 over 150 steps." (all weights; here AdamW). Of a
        # pass over Anthropic HH's 160 800 pairs, which is 2 513 steps, that is 6 %.
        "paper": {
            "beta": 0.1,
            "per_device_train_batch_size": 64,
            "warmup_ratio": 0.06,
            "lr_scheduler_type": "constant_with_warmup",
        },
        # Meng et al. 2024 (2405.14734): of six models' settings those of Llama-3-Base, in the authors' README and
        # training_configs/llama-3-8b-base-simpo.yaml "beta: 2.0", "gamma_beta_ratio: 0.5", that is a gamma of 1.
        "simpo": {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 1.0},
        # Hong et al. 2024 (2403.07691): the weight lambda in equation 6 of Mistral-ORPO, in the authors'
        # scripts/run_mistral_orpo_beta.sh "--alpha 0.1".
        "orpo": {"loss_type": "orpo", "beta": 0.1},
    }
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 5e-5), full=(2e-5, 5e-6, 5e-5, 1e-6))
    card = (
        "Idea: a policy is its own reward model; raise the margin of preferred over rejected completions, relative to\n"
        "the policy one started from. No sampling during training, no critic, no reward model.\n"
        "Objective: -E log sigma(beta [log pi/ref (chosen) - log pi/ref (rejected)]).\n"
        "Settings: beta 0.1, batch 16 (paper 64), LoRA rate 5e-4 (paper 1e-6 for all weights); pairs from pairs_file,\n"
        "or simulated: a prompt's best completions against what the verifier scores lower (chosen_from better: any\n"
        "two that differ), swapped with probability noise_rate.\n"
        "Presets: paper; simpo (2405.14734): -log sigma(beta [log P(chosen) - log P(rejected)] - gamma), P the\n"
        "geometric mean of a completion's token probabilities; orpo (2403.07691): SFT on the chosen plus beta times\n"
        "-log sigma(log odds P(chosen) - log odds P(rejected)). Neither has a reference: a third of dpo's FLOPs a\n"
        "pair less, and nothing that holds the policy where it started. orpo imitates the chosen, so that an\n"
        "earlier SFT is part of it.\n"
        "Costs: pairs are sampled and verified once, before the first step; a step is one forward and one backward\n"
        "pass over both completions of 16 pairs, and a forward pass of the reference over the same.\n"
        "When: preferences exist and sampling is dear; or as a cheap off-line stand-in for RLHF.\n"
        "What goes wrong: the chosen completions become less likely too (train/reward_chosen falls below 0 while the\n"
        "margin grows), until text degenerates; pairs of a policy long gone teach little; few pairs are memorised\n"
        "(train/preference_accuracy 1, accuracy flat). simpo drifts further than dpo: watch kl_to_base."
    )

    def train(self, run: TrainingRun) -> None:
        """Make or read the pairs, then train on them until the budget is spent."""
        settings: DPOSettings = run.settings
        # Deviation 1: without a file of pairs the verifier stands in for the people: the cell's own policy is sampled
        # and its completions are compared by reward.
        pairs, said = preference_pairs(run, settings)
        with quiet_trainer() as scratch:
            arguments = DPOConfig(
                **common_arguments(run, scratch),
                per_device_train_batch_size=min(settings.per_device_train_batch_size, len(pairs)),
                max_length=None,
                loss_type=["sigmoid" if settings.loss_type in _REFERENCE_FREE else settings.loss_type],
                **settings.model_dump(include={"beta", "label_smoothing", "weight_decay", "max_grad_norm"}),
            )
            trainer = _TokenTrainer(
                model=run.policy.model,
                # Deviation 2: the reference is the policy that training starts from (paper: one first fine-tuned on the
                # chosen completions).
                ref_model=None if isinstance(run.policy.model, PeftModel) else frozen_copy(run.policy.model),
                args=arguments,
                train_dataset=token_rows(pairs),
                processing_class=run.policy.tokenizer,
                callbacks=[
                    MonitorCallback(
                        run,
                        {
                            "loss": "train/loss",
                            "rewards/margins": "train/reward_margin",
                            "rewards/chosen": "train/reward_chosen",
                            "rewards/rejected": "train/reward_rejected",
                            "rewards/accuracies": "train/preference_accuracy",
                            **{name: name for name in said},
                        },
                        course=settings,
                    )
                ],
            )
            trainer.said, trainer.settings = said, settings
            finish(trainer, run)
        if isinstance(run.policy.model, PeftModel) and "ref" in run.policy.model.peft_config:
            run.policy.model.delete_adapter("ref")


# Losses that TRL's trainer does not have, and that need no reference policy.
_REFERENCE_FREE = {"simpo", "orpo"}


class _TokenTrainer(DPOTrainer):
    """DPOTrainer on pairs that are tokens already, which says where they came from."""

    said: Mapping[str, float]
    settings: DPOSettings

    def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
        settings = self.settings
        if settings.loss_type not in _REFERENCE_FREE:
            return super()._compute_loss(model, inputs, return_outputs)
        # The mask is of tokens, log-probabilities are of the next ones: 2B rows, the chosen first.
        mask_2B_T = inputs["completion_mask"][:, 1:]
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
        fed = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        outputs = model(**fed, labels=labels, use_cache=False, fused_lm_head=True)
        logprobs_2B_T = outputs.log_probs[:, -mask_2B_T.shape[1] :]
        chosen_B, rejected_B = (logprobs_2B_T.sum(1) / mask_2B_T.sum(1)).chunk(2)
        self._note(settings.beta * chosen_B.detach(), settings.beta * rejected_B.detach())
        if settings.loss_type == "simpo":
            return simpo(chosen_B, rejected_B, beta=settings.beta, gamma=settings.simpo_gamma)
        # Deviation 3: the likelihood in orpo is of completion tokens alone; the authors' code and TRL's take the
        # prompt's too, which sft here does not.
        nll = -logprobs_2B_T.chunk(2)[0].sum() / mask_2B_T.chunk(2)[0].sum()
        return nll + settings.beta * odds_ratio(chosen_B, rejected_B)

    def _note(self, chosen: Tensor, rejected: Tensor) -> None:
        """Log (B,) implicit rewards as DPO's are."""
        noted = {"chosen": chosen, "rejected": rejected, "margins": chosen - rejected, "accuracies": chosen > rejected}
        for name, value in noted.items():
            self._metrics["train"][f"rewards/{name}"].append(value.float().mean().item())

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        super().log({**logs, **self.said}, *args, **kwargs)

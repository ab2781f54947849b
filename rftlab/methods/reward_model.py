"""A Bradley-Terry reward model on the policy's frozen base, trained by TRL's RewardTrainer.

Legend: B completions, S prompt and completion (padded), H hidden size; r score, y_w and y_l the chosen and the rejected
completion.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl import RewardConfig, RewardTrainer

from rftlab.methods.actor_critic import Trajectory, collate
from rftlab.methods.base import TrainingRun
from rftlab.methods.critic import shared_copy
from rftlab.methods.preferences import TokenPair, token_rows
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, quiet_trainer
from rftlab.policy.load import Policy


class RewardModel(nn.Module):
    """One score per completion: own adapter and a linear head on the hidden state of the last token.

    Args:
        model: the policy's model (after SFT in RLHF); its adapter is copied as the start.
        seed: of the head's initial weights.
    """

    def __init__(self, model: Any, *, seed: int) -> None:
        super().__init__()
        self.body = shared_copy(model)
        base = self._base()
        self.config = copy.deepcopy(base.config)
        self.config.num_labels = 1
        hidden = int(base.config.hidden_size)
        self.head = nn.Linear(hidden, 1, bias=False)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            # Stiennon et al. 2020 (2009.01325), appendix B.1: weights from N(0, 1 / (d_model + 1)).
            self.head.weight.copy_(torch.randn(1, hidden, generator=generator) / math.sqrt(hidden + 1))
        self.head.to(next(base.parameters()).device)
        self.shift, self.scale = 0.0, 1.0

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> SequenceClassifierOutput:
        """Raw scores (B, 1) of token sequences (B, S), padded on either side, as TRL's trainer reads them."""
        positions_B_S = (attention_mask.cumsum(-1) - 1).clamp(min=0)
        hidden_B_S_H = self._base().base_model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=positions_B_S, use_cache=False
        ).last_hidden_state  # fmt: skip
        last_B = input_ids.shape[1] - 1 - attention_mask.flip(1).argmax(1)
        rows_B = torch.arange(len(input_ids), device=input_ids.device)
        return SequenceClassifierOutput(logits=self.head(hidden_B_S_H[rows_B, last_B].float()))

    @torch.no_grad()
    def score(self, trajectories: Sequence[Trajectory], policy: Policy, *, batch_size: int = 64) -> Tensor:
        """(B,) scores, normalised once `normalise` was called.

        Args:
            trajectories: what is scored.
            policy: whose tokenizer pads.
            batch_size: completions per forward pass.
        """
        parts = collate(trajectories, policy).split(batch_size)
        raw_B = torch.cat([self(part.ids, part.attention).logits[:, 0] for part in parts])
        return (raw_B - self.shift) / self.scale

    def normalise(self, trajectories: Sequence[Trajectory], policy: Policy) -> None:
        """Give these samples of the policy mean 0 and standard deviation 1, and keep that shift and scale.

        Source: Ziegler et al. 2019 (1909.08593), section 2.1.
        """
        raw = self.score(trajectories, policy) * self.scale + self.shift
        self.shift, self.scale = float(raw.mean()), max(float(raw.std()), 1e-3)

    def add_model_tags(self, tags: Any) -> None:
        """Nothing: TRL tags models it may later push to the hub, and this one is never saved."""

    def _base(self) -> Any:
        return self.body.get_base_model() if hasattr(self.body, "get_base_model") else self.body


def train_reward_model(
    run: TrainingRun, pairs: Sequence[TokenPair], said: Mapping[str, float], *, learning_rate: float, epochs: int,
    batch_size: int,
) -> RewardModel:  # fmt: skip
    """Minimise -E log sigma(r(y_w) - r(y_l)) on the pairs, up to ``epochs`` passes or the stage's budget.

    Args:
        run: policy and monitor.
        pairs: preferences.
        said: written into the trace beside the loss.
        learning_rate: of adapter and head.
        epochs: passes over the pairs; more than a few memorise them.
        batch_size: pairs per update.
    Source: Bradley and Terry 1952; Ouyang et al. 2022 (2203.02155), equation 1.
    """
    model = RewardModel(run.policy.model, seed=run.cell.seed_init)
    rows = [TokenPair([], pair.prompt_ids + pair.chosen_ids, pair.prompt_ids + pair.rejected_ids) for pair in pairs]
    size = min(batch_size, len(rows))
    with quiet_trainer() as scratch:
        common = common_arguments(run, scratch)
        common |= {
            "lr_scheduler_type": "linear",
            "learning_rate": learning_rate,
            "max_steps": min(common["max_steps"], epochs * -(-len(rows) // size)),
        }
        trainer = _SayingTrainer(
            model=model,  # type: ignore[arg-type]
            args=RewardConfig(**common, per_device_train_batch_size=size, max_length=None, disable_dropout=False),
            train_dataset=token_rows(rows),
            processing_class=run.policy.tokenizer,
            callbacks=[
                MonitorCallback(
                    run,
                    {"loss": "train/loss", "accuracy": "train/preference_accuracy", **{name: name for name in said}},
                    course=None,
                )
            ],
        )
        trainer.said = said
        for callback in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(callback)
        trainer.train()
        trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    return model.eval().requires_grad_(False)


class _SayingTrainer(RewardTrainer):
    """RewardTrainer that says where its pairs came from."""

    said: Mapping[str, float]

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        super().log({**logs, **self.said}, *args, **kwargs)

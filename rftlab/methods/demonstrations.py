"""Labelled completions as a second signal inside an RFT trainer: batches of them, and their SFT loss.

Used by the one-loss hybrids (chord, hpt, interleaved). TRL's SFTTrainer cannot be used there, because its loss must be
added to GRPO's within one optimiser step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rftlab.methods.base import TrainingRun
from rftlab.methods.sft import tokenise


class Demonstrations:
    """The label budget, tokenised, drawn in batches without replacement until all have been seen (`seed_data`)."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self._rows = [tokenise(run.policy, example, cot=run.cell.cot) for example in run.labels.train]
        self._generator = torch.Generator().manual_seed(run.cell.seed_data)
        self._order: list[int] = []
        self._drawn: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, size: int) -> list[int]:
        """Indices of the next ``size`` demonstrations, at most as many as there are labels."""
        drawn: list[int] = []
        for _ in range(min(size, len(self._rows))):
            if not self._order:
                self._order = torch.randperm(len(self._rows), generator=self._generator).tolist()
            drawn.append(self._order.pop())
        return drawn

    def part(self, size: int, *, number: int, passes: int) -> tuple[list[int], int]:
        """Those of a step's ``size`` demonstrations that pass ``number`` (from 0) of ``passes`` takes, perhaps none.

        Returns:
            Their indices, and the labelled tokens of the whole step, which its loss is a mean over.
        """
        if number == 0:
            self._drawn = self.draw(size)
        labelled = sum(label != -100 for i in self._drawn for label in self._rows[i]["labels"])
        return self._drawn[number::passes], labelled

    def logprobs(self, model: Any, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B, T) of the labelled tokens in nats, and the mask (B, T) of the completions' ones.

        Prompt and padding positions are 0 and masked.
        """
        rows = [self._rows[i] for i in indices]
        width = max(len(row["input_ids"]) for row in rows)
        pad = int(self._run.policy.tokenizer.pad_token_id)
        device = self._run.policy.device
        ids_B_S = torch.tensor([r["input_ids"] + [pad] * (width - len(r["input_ids"])) for r in rows], device=device)
        labels_B_S = torch.tensor([r["labels"] + [-100] * (width - len(r["labels"])) for r in rows], device=device)
        seen_B_S = torch.tensor(
            [[1] * len(r["labels"]) + [0] * (width - len(r["labels"])) for r in rows], device=device
        )
        logits_B_T_V = model(input_ids=ids_B_S, attention_mask=seen_B_S).logits[:, :-1].float()
        # Logits at t are of token t + 1. Labels and not the attention say what counts: padding may be the end token.
        targets_B_T = labels_B_S[:, 1:]
        mask_B_T = targets_B_T != -100
        chosen_B_T = logits_B_T_V.log_softmax(-1).gather(-1, targets_B_T.clamp(min=0)[..., None])[..., 0]
        return chosen_B_T * mask_B_T, mask_B_T


def token_nll(logprobs: Tensor, tokens: int) -> Tensor:
    """Negative log-likelihood over the labelled tokens of a step, in nats; a pass's part of it.

    Args:
        logprobs: (B, T), nats; 0 where masked.
        tokens: labelled tokens of the whole step.
    """
    return -logprobs.sum() / max(tokens, 1)

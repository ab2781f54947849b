"""A local sequence-classification model that scores texts: the torch side of the verifier `reward-model`."""

from collections.abc import Sequence

import torch
from transformers import AutoModelForSequenceClassification

from rftlab.errors import RftlabError
from rftlab.policy.checkpoint import load_checkpoint


class RewardModelScorer:
    """Scores prompt-completion pairs with a model of one output, as TRL's RewardTrainer leaves it.

    Args:
        model: local directory, or a hub id.
        max_tokens: longer texts lose their beginning; the completion stands at the end.
        batch_size: texts scored at once.

    Raises:
        RftlabError: the model cannot be loaded, or has more than one output.
    """

    def __init__(self, model: str, *, max_tokens: int = 1024, batch_size: int = 16) -> None:
        sides = {"truncation_side": "left", "padding_side": "right"}
        self._model, self._tokenizer = load_checkpoint(
            AutoModelForSequenceClassification, model, what="reward model", tokenizer=sides
        )
        if self._model.config.num_labels != 1:
            raise RftlabError(
                f"reward model {model!r} has {self._model.config.num_labels} outputs; give one trained with one"
            )
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        self._model.config.pad_token_id = self._tokenizer.pad_token_id
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")
        self._max_tokens, self._batch_size = max_tokens, batch_size

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Raw scores (logits, unbounded), one per text."""
        scores: list[float] = []
        for start in range(0, len(texts), self._batch_size):
            batch = self._tokenizer(
                list(texts[start : start + self._batch_size]),
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=self._max_tokens,
            ).to(self._model.device)
            scores += self._model(**batch).logits[:, 0].float().tolist()
        return scores

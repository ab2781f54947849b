"""A learned preference model as a verifier; torch is loaded only when it is made."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from rftlab.errors import RftlabError
from rftlab.registry import Entry, resolve
from rftlab.verifiers.base import Gold, Judgement, Verifier

_SCORER = "rftlab.policy.reward_model_scorer:RewardModelScorer"
# What a tokenizer is given is cut in characters first, so that a long answer cannot cost a long tokenisation.
_MAX_CHARS = 16_000


class RewardModel(Verifier):
    """Sigmoid of a reward model's score of the prompt and the answer: (score - centre) / scale, squashed into (0, 1).

    The reward has no fixed point: a gold answer need not reach 1, and the model can be fooled by texts unlike those it
    was trained on. Watch KL to base and a second, independent measure. The part ``score`` holds the same number.

    Args:
        model: local directory or hub id of a sequence-classification model with one output.
        centre: raw score that becomes 0.5.
        scale: raw score difference that counts as one unit of the sigmoid, above 0.
        **settings: see `Verifier`; max_tokens and batch_size are passed to the scorer.

    Raises:
        RftlabError: no model given or loadable, or a scale that is not positive.
    """

    graded, needs_gold = True, False

    def __init__(self, *, model: str = "", centre: float = 0.0, scale: float = 1.0, **settings: Any) -> None:
        scorer = {key: settings.pop(key) for key in ("max_tokens", "batch_size") if key in settings}
        super().__init__(**settings)
        if not model or not scale > 0:
            raise RftlabError(f"reward-model: model={model!r}, scale={scale}; name a model, and a scale above 0")
        self._centre, self._scale = centre, scale
        self._scores: Callable[[Sequence[str]], list[float]] = resolve(Entry(_SCORER, ""))(model, **scorer)

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch in one pass of the model."""
        prompts = [str(getattr(example, "prompt", "")) for example in examples]
        pairs = zip(prompts, answers, strict=True)
        # Tokenizers refuse lone surrogates, which no model can mean.
        texts = [f"{prompt}\n{answer[:_MAX_CHARS]}".encode(errors="replace").decode() for prompt, answer in pairs]
        return [self._judge(score) for score in (self._scores(texts) if texts else [])]

    def _judge(self, score: float) -> Judgement:
        units = min(60.0, max(-60.0, (score - self._centre) / self._scale)) if math.isfinite(score) else -60.0
        reward = 1 / (1 + math.exp(-units))
        return Judgement(reward, {"score": reward}, f"raw score {score:.4g}")

"""The groups of a cell's parameters: adapter, decoding, budget, tuning, evaluation."""

import itertools
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from rftlab.json_values import FrozenDict, frozen

AUTO = "auto"

Frozen = Annotated[dict[str, Any], AfterValidator(frozen)]
"""A mapping that nothing changes."""


def _floats(value: Any) -> Any:
    """A list as a tuple, whole numbers in it as floats."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(float(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in value)


def _above_zero(value: tuple[float, ...]) -> tuple[float, ...]:
    for rate in value:
        if rate <= 0:
            raise ValueError(f"a learning rate is above 0, not {rate:g}")
    return value


Rates = Annotated[tuple[float, ...], BeforeValidator(_floats), AfterValidator(_above_zero)]


def _named_device(value: str) -> str:
    if not re.fullmatch(r"(?!(auto|cpu):)[a-z]+(:\d{1,4})?", value):
        raise ValueError("give auto, cpu, or one such as cuda:0")
    return value


Device = Annotated[str, AfterValidator(_named_device)]


class Part(BaseModel):
    """A group of parameters: frozen, and refused where one is unknown or of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Adapter(Part):
    """What is trained: a LoRA adapter on the frozen base, or all of its weights."""

    kind: Literal["lora", "full"] = Field("lora", description="lora, or full fine-tuning")
    r: int = Field(16, ge=1, le=1024, description="LoRA rank")
    alpha: int = Field(32, ge=1, le=4096, description="LoRA alpha (the adapter is scaled by alpha / r)")
    dropout: float = Field(0.0, ge=0, lt=1, description="LoRA dropout; keep 0 for RFT")
    target_modules: str = Field("all-linear", min_length=1, description="PEFT target modules, comma separated")


class Decoding(Part):
    """How completions are drawn, in training and in evaluation alike."""

    temperature: float = Field(1.0, gt=0, le=5, description="sampling temperature (greedy accuracy ignores it)")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus mass kept when sampling")
    max_new_tokens: int = Field(
        0, ge=0, le=32768, description="completion cap in tokens, with chain-of-thought; 0 works it out from the labels"
    )
    max_new_tokens_direct: int = Field(
        0, ge=0, le=32768, description="completion cap in tokens, without it; 0 works it out from the labels"
    )


class Budget(Part):
    """When training stops. Every axis is recorded, whichever one stops it."""

    unit: Literal["steps", "tokens", "flops", "seconds"] = Field(
        "steps", description="steps (optimiser), tokens (generated and trained), flops (estimated) or seconds (wall)"
    )
    amount: float = Field(40.0, gt=0, description="how much of the unit; with until plateau the most that is spent")
    until: Literal["spent", "plateau"] = Field(
        "spent",
        description="train until the budget is spent, or at most so long, until development accuracy stands still",
    )
    patience: int = Field(
        5, ge=1, le=1000, description="with until plateau: evaluations along the way without a gain that end training"
    )


class Tuning(Part):
    """Learning-rate trials in every cell: all methods get the same number, judged on labels out of their own budget."""

    trials: int = Field(1, ge=1, le=32, description="learning rates tried; 1 takes the first of the ladder")
    learning_rates: Rates = Field((), description="the ladder; empty takes the method's own")
    trial_share: float = Field(0.5, gt=0, le=1, description="share of the compute budget each trial may use")
    validation_share: float = Field(0.2, gt=0, lt=1, description="share of the labels held out when trials > 1")


class Evaluation(Part):
    """What is measured, on how many items."""

    part: Literal["test", "development"] = Field(
        "test", description="items that are scored: test, or development alone, as where learning rates are tuned"
    )
    test_items: int = Field(200, ge=1, description="held-out items for greedy accuracy")
    train_items: int = Field(100, ge=1, description="at most this many labelled items for train accuracy")
    ood_items: int = Field(100, ge=0, description="out-of-distribution items of each kind (0 to skip)")
    sampled_items: int = Field(50, ge=0, description="test items sampled repeatedly for pass@k (0 to skip)")
    samples: int = Field(16, ge=1, le=1024, description="completions per sampled item; pass@k for k up to this")
    retention: str = Field(
        "auto", description="tasks it is not trained on, comma separated; auto: the task's own; empty: none"
    )
    retention_items: int = Field(50, ge=1, description="test items asked of each of those")
    decides: Literal["accuracy", "score"] = Field(
        "accuracy", description="what verdicts and choices go by: share of items wholly right, or mean reward"
    )
    verifier: str = Field("", description="judges test items apart from the reward, never in training; empty: none")
    verifier_settings: Frozen = Field(default_factory=FrozenDict, description="passed to that verifier")

    along_the_way: int = Field(4, ge=0, le=1000, description="evaluations during training (0 for none)")
    along_items: int = Field(50, ge=1, description="development items used by each of those")
    marks: tuple[float, ...] = Field(
        (),
        description="FLOPs of training, ascending, at which the policy is scored on the test items, unseen by training",
    )

    @property
    def retention_names(self) -> tuple[str, ...]:
        """The tasks that `retention` names, one by one; () for "auto"."""
        return () if self.retention == AUTO else tuple(filter(None, map(str.strip, self.retention.split(","))))

    _as_tuple = field_validator("marks", mode="before")(_floats)

    @field_validator("marks")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in itertools.pairwise((0.0, *value))):
            raise ValueError("marks are FLOPs above 0, each above the one before")
        return value

"""What a method is and what it is given.

A method never reads the clock, the file system or a global: it gets one `TrainingRun` and reports to its `Monitor`,
so that several can run in one process.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rftlab.cell import Cell
from rftlab.errors import RftlabError, defined_at, one_line
from rftlab.making import make
from rftlab.methods.checkpoints import Checkpoints
from rftlab.methods.monitor import Monitor
from rftlab.methods.peers import ALONE, Peers
from rftlab.policy.caps import given
from rftlab.policy.load import Policy
from rftlab.registry import METHODS, find, resolve, suggest
from rftlab.tasks.base import Labels
from rftlab.verifiers.base import Verifier


@dataclass(frozen=True)
class TrainingRun:
    """Everything a method is given.

    Attributes:
        policy: trained in place.
        labels: the label budget; only `labels.train`, with gold answers, and `labels.prompts`, without, may be trained
            on; `labels.asked` is both.
        verifier: the reward.
        cell: the parameters of the run.
        settings: the method's own settings, validated.
        learning_rates: one for each stage of the method.
        monitor: counts, records, and says when to stop.
        checkpoints: of the cell, for methods that can go on from one; None where none are written.
        found: what a method that searches leaves for the record, as JSON values: `chosen`, settings by name, and
            `tried`, of each candidate settings, validation_accuracy, validation_items and chosen.
        peers: the processes that train the cell, for methods that several may train together.
        pass_rates: of the base, by the id of an example, where the cell asks for a curriculum.
    """

    policy: Policy
    labels: Labels
    verifier: Verifier
    cell: Cell
    settings: Any
    learning_rates: tuple[float, ...]
    monitor: Monitor
    checkpoints: Checkpoints | None = None
    found: dict[str, Any] = field(default_factory=dict)
    peers: Peers = ALONE
    pass_rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_replaying(self) -> bool:
        """Whether a trainer runs up to a checkpoint, computing nothing."""
        return self.checkpoints is not None and self.checkpoints.replaying

    @property
    def learning_rate(self) -> float:
        """The one to use, of a method of one stage."""
        return self.learning_rates[-1]

    @property
    def max_new_tokens(self) -> int:
        """Completion cap in tokens for the prompts trained on, with chain-of-thought or without (`cell.cot`)."""
        return given(self.cell, cot=self.cell.cot)


class Settings(BaseModel):
    """Base of a method's settings: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """What a method learns from beside the verifier's rewards, such as "its labels"; nothing by default."""
        return ()


class TaughtByLabels:
    """Beside the settings of a method that imitates its labels, whatever its rewards are."""

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """Its labels."""
        return ("its labels",)


class RateSettings(Settings):
    """The learning rate's course, the same default warm-up for all methods, so that none loses more of its budget."""

    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "constant_with_warmup"
    warmup_ratio: float = Field(
        0.05, ge=0, lt=1, description="share of the budget, in its own unit, over which the learning rate rises"
    )


@dataclass(frozen=True)
class Ladder:
    """Learning rates tried in this order, by adapter kind; the first is the default."""

    lora: tuple[float, ...]
    full: tuple[float, ...]

    def of(self, kind: str) -> tuple[float, ...]:
        """The rates of an adapter kind."""
        return self.lora if kind == "lora" else self.full


class TrainingStage(NamedTuple):
    """A part of a method's training that has a learning rate of its own.

    Attributes:
        name: the method or part it is, such as sft.
        ladder: its learning rates, the default first.
    """

    name: str
    ladder: Ladder


class Method(Protocol):
    """A training method.

    Attributes:
        Settings: pydantic model of its settings, named as in TRL or in the paper.
        presets: name -> settings, each with its source in a comment.
        ladder: learning rates, the default first; of several stages (`stages_of`) those of the last.
        card: for `rftlab methods NAME`: idea, objective, settings, when to use it, what goes wrong.
    """

    Settings: ClassVar[type[Settings]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    ladder: ClassVar[Ladder]
    card: ClassVar[str]

    def train(self, run: TrainingRun) -> None:
        """Train ``run.policy`` in place until ``run.monitor`` says the budget is spent."""
        ...


class Base:
    """No training."""

    Settings = Settings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(0.0,), full=(0.0,))
    card = "The untrained base: what every method has to beat. It has no settings and spends no budget."

    def train(self, run: TrainingRun) -> None:
        """Do nothing."""


def load_method(name: str) -> Method:
    """Method by its registered name, or a user's `path.py:Class`.

    Raises:
        RftlabError: no such method.
    """
    entry, _ = find(METHODS, name, "method")
    target = resolve(entry)
    if inspect.isroutine(target):
        what = f"method {name!r} is a function{defined_at(target)}"
        raise RftlabError(f"{what}; give a class with train(self, run), see docs/adding_a_method.md")
    method: Method = make(target, f"method {name!r}")
    if problem := _problem(method):
        raise RftlabError(f"method {name!r}{defined_at(method)}: {problem}; see docs/adding_a_method.md")
    return method


def stages_of(method: Method, name: str, settings: Settings) -> tuple[TrainingStage, ...]:
    """The stages of a method whose learning rates its settings leave open, in the order they train.

    A method has one, under its own name; one of several says so by a function `stages(settings)`.
    """
    stages = getattr(method, "stages", None)
    if not stages:
        return (TrainingStage(name, method.ladder),)
    found: Any = make(stages, f"stages of method {name!r}", settings)
    if not isinstance(found, tuple) or not all(isinstance(stage, TrainingStage) for stage in found):
        what = f"stages of method {name!r} gives {one_line(repr(found))[:80]}{defined_at(stages)}"
        raise RftlabError(f"{what}; return a tuple of TrainingStage(name, ladder)")
    return found


def rates_of(cell: Cell, stages: Sequence[TrainingStage]) -> tuple[float, ...]:
    """The learning rates a cell trains with, one a stage: its own, else the defaults.

    Raises:
        RftlabError: the cell gives another number of them.
    """
    given, kind = cell.learning_rates, cell.adapter.kind
    if given and len(given) != len(stages):
        names = ", ".join(stage.name for stage in stages) or "none: its settings give them"
        raise RftlabError(
            f"learning_rates gives {len(given)} rate{'s' * (len(given) != 1)}, but method {cell.method!r} takes "
            f"{len(stages)} ({names}); give one for each, in order"
        )
    return given or tuple(stage.ladder.of(kind)[0] for stage in stages)


def _problem(method: Any) -> str:
    """What an object lacks of a method, in a few words; "" if nothing."""
    for part, kind in {"presets": Mapping, "ladder": Ladder, "card": str}.items():
        if not isinstance(getattr(method, part, None), kind):
            return f"its class needs a {kind.__name__} {part}"
    if not (isinstance(getattr(method, "Settings", None), type) and issubclass(method.Settings, Settings)):
        return "its class needs Settings, a subclass of rftlab.methods.base.Settings"
    if odd := next((name for name, values in method.presets.items() if not isinstance(values, Mapping)), None):
        return f"its preset {odd!r} is no mapping of settings"
    for adapter in ("lora", "full"):
        rates = getattr(method.ladder, adapter)
        good = isinstance(rates, tuple) and all(isinstance(r, int | float) and 0 <= r < math.inf for r in rates)
        if not (rates and good):
            return f"its ladder holds what is no learning rate: {adapter}={rates!r}; give a tuple of numbers"
    try:
        inspect.signature(method.train).bind(None)
    except (AttributeError, TypeError):
        return "its class needs train(self, run)"
    return ""


def make_settings(method: Method, name: str, preset: str, settings: Mapping[str, Any]) -> Settings:
    """The method's validated settings: its defaults, then the preset, then what the cell gives.

    Raises:
        RftlabError: unknown preset or setting, or a value out of range; the sentence names it.
    """
    if preset and preset not in method.presets:
        error = RftlabError(f"method {name!r} has no preset {preset!r}{suggest(preset, method.presets)}")
        error.about, error.value = "preset", preset
        raise error
    values = {**(method.presets[preset] if preset else {}), **settings}
    try:
        return method.Settings.model_validate(values)
    except ValidationError as error:
        problem, *others = error.errors()
        # Of a setting that takes one of several kinds pydantic says of each what it asks for, and calls them by a tag.
        kinds = [each for each in others if each["loc"][:1] == problem["loc"][:1] and each["input"] is problem["input"]]
        where = ".".join(map(str, problem["loc"][:1] if kinds else problem["loc"]))
        if problem["type"] == "extra_forbidden":
            hint = suggest(where, method.Settings.model_fields)
            raise RftlabError(f"method {name!r} has no setting {where!r}{hint}") from None
        said = dict.fromkeys(each["msg"].removeprefix("Value error, ") for each in (problem, *kinds))
        what = ", or: ".join(said)
        if not where:
            raise RftlabError(f"method {name!r}: {what}") from None
        raise RftlabError(
            f"method {name!r}, setting {where!r}: {what} (got {one_line(repr(problem.get('input')))})"
        ) from None

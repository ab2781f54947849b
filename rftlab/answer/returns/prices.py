"""The prices file: what a label, a check, an hour of a machine and of a person cost, and what has to be assumed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rftlab.errors import RftlabError, one_line
from rftlab.grid.document import line_of, plain
from rftlab.grid.document import read as read_document
from rftlab.registry import METHODS, suggest

FILE = "prices.yaml"
"""Name under which a results folder may have its prices."""
FAMILIES = tuple(sorted({entry.family for entry in METHODS.values()} - {"base"}))
_MOST = 1e12


class Assumed(NamedTuple):
    """An arm that was not run: what somebody expects of it.

    Attributes:
        method: of it.
        labels: its budget.
        accuracy: expected, a share.
        low: at the least.
        high: at the most.
        machine_hours: of one training run.
        task: where; "" for every task.
        line: of the file.
    """

    method: str
    labels: int
    accuracy: float
    low: float
    high: float
    machine_hours: float = 0.0
    task: str = ""
    line: int = 0


@dataclass(frozen=True)
class Prices:
    """What things cost, in one currency; what is not named costs nothing.

    Attributes: as `KEYS` says them.
    """

    currency: str = ""
    label: float = 0.0
    rationale: float = 0.0
    comparison: float = 0.0
    prompt: float = 0.0
    check: float = 0.0
    verifier_hours: float = 0.0
    machine_hour: float = 0.0
    engineer_hour: float = 0.0
    engineer_hours: Mapping[str, float] = field(default_factory=dict)
    runs: float = 1.0
    point_value: float | None = None
    base_accuracy: float | None = None
    assumed: tuple[Assumed, ...] = ()

    def hours_for(self, method: str, family: str) -> float:
        """Hours of a person that an arm of a method takes: as named for the method, else its family, else for all."""
        known = self.engineer_hours
        return next((known[name] for name in (method, family, "") if name in known), 0.0)

    def scaled(self, name: str, factor: float) -> "Prices":
        """With one price, or the hours of one arm (`engineer_hours.rft`), times a factor."""
        key, _, arm = name.partition(".")
        if key == "engineer_hours":
            hours = {each: value * (factor if each == arm else 1) for each, value in self.engineer_hours.items()}
            return replace(self, engineer_hours=hours)
        return replace(self, **{key: getattr(self, key) * factor})

    @property
    def scalable(self) -> tuple[str, ...]:
        """What `scaled` takes, of what is not 0."""
        priced = [name for name, key in KEYS.items() if key.kind in ("price", "value") and getattr(self, name)]
        return (*priced, *(f"engineer_hours.{arm}" for arm, hours in self.engineer_hours.items() if hours))


class Key(NamedTuple):
    """A key of the file: its kind, an example, and what it means."""

    kind: Literal["text", "price", "hours", "share", "arms", "value"]
    example: str
    what: str


KEYS: Mapping[str, Key] = {
    "currency": Key("text", "EUR", "any text"),
    "label": Key("price", "2.50", "a prompt with its right answer; development items are labels too"),
    "rationale": Key("price", "4.00", "the worked steps of one label, beside it; for arms that imitate them"),
    "comparison": Key("price", "1.20", "a comparison of two completions, for arms that read a file of them"),
    "prompt": Key("price", "0.05", "a prompt without a label"),
    "check": Key("price", "0", "one call of the verifier in training; 0 for one that runs here"),
    "verifier_hours": Key("price", "16", "hours of a person to write and try the verifier, for arms trained with it"),
    "machine_hour": Key("price", "1.20", "an hour of the machine, as in the records' seconds of training"),
    "engineer_hour": Key("price", "90", "an hour of a person"),
    "engineer_hours": Key("hours", "{sft: 4, rft: 12, hybrid: 16}", "hours that an arm takes, by method or family, "
                          "or one number for all"),
    "runs": Key("price", "1", "training runs to pay for, of which one is kept; a tuning stage is billed apart"),
    "point_value": Key("value", "400", "what one point of accuracy is worth; leave out to compare costs alone"),
    "base_accuracy": Key("share", "0.42", "of the untrained base, where there are no records; marked as assumed"),
    "assumed": Key("arms", "[{method: sft, labels: 3000, accuracy: 0.9, low: 0.85, high: 0.93}]",
                   "arms that were not run; marked as assumed"),
}  # fmt: skip
_NEEDED = ("method", "labels", "accuracy", "low", "high")


def example() -> str:
    """A prices file with all keys, explained; those that assume something are commented out."""
    lines = ["# Prices for `rftlab roi`. Put your own figures in.", "# What is left out costs nothing."]
    for name, key in KEYS.items():
        unused = "# " if name in ("base_accuracy", "assumed") else ""
        lines += [f"# {key.what}", f"{unused}{name}: {key.example}"]
    return "\n".join(lines) + "\n"


def read(path: str | Path) -> Prices:
    """Prices from a YAML file.

    Raises:
        RftlabError: it cannot be read, has an unknown key, or a value that none can be; file and line are named.
    """
    file = _File(Path(path).expanduser())
    return file.prices()


def named(paths: Sequence[Path]) -> tuple[Path | None, Path]:
    """A results folder, if any, and a prices file: both, one of them, or a folder that has one.

    Raises:
        RftlabError: neither, or more than one of a kind.
    """
    files = [path for path in paths if path.suffix in (".yaml", ".yml")]
    folders = [path for path in paths if path not in files]
    if len(files) > 1 or len(folders) > 1 or not paths:
        raise RftlabError("give a results folder and a prices file; `rftlab roi --example` prints such a file")
    if not files:
        if not folders[0].exists():
            raise RftlabError(f"there are no results in {folders[0]}: no such folder or archive")
        own = folders[0] / FILE
        if not own.is_file():
            raise RftlabError(f"{folders[0]} has no {FILE}; give one: rftlab roi {folders[0]} PRICES.yaml")
        return folders[0], own
    return (folders[0] if folders else None), files[0]


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        such_as = "a mapping of prices, such as `label: 2.50`; `rftlab roi --example` prints one"
        self._document = read_document(path, self.fail, what="prices file", such_as=such_as)

    def fail(self, line: int, problem: str) -> NoReturn:
        raise RftlabError(f"{self._path} line {line}: {problem}")

    def prices(self) -> Prices:
        found: dict[str, Any] = {}
        for name in self._document:
            line = line_of(self._document, name)
            if name not in KEYS:
                self.fail(line, f"there is no price {one_line(repr(name))}{suggest(name, KEYS)}")
            found[name] = self._value(name, self._document[name], line)
        if not found.keys() - {"currency", "point_value", "base_accuracy", "assumed", "runs"}:
            self.fail(1, "no price is given; name one at least, such as label: 2.50")
        hours = found.keys() & {"engineer_hours", "verifier_hours"}
        if ("engineer_hour" in found) != bool(hours):
            given, lacking = ("engineer_hour", "engineer_hours or verifier_hours") if not hours else (
                sorted(hours)[0], "engineer_hour"
            )  # fmt: skip
            self.fail(line_of(self._document, given), f"{given} costs nothing without {lacking}; give both, or neither")
        return Prices(**found)

    def _value(self, name: str, node: Any, line: int) -> Any:
        kind = KEYS[name].kind
        if kind == "text":
            text = plain(node)
            if not isinstance(text, str) or not 0 < len(text.strip()) <= 20:
                self.fail(line, f"{name} is a text of at most 20 letters, such as EUR, not {one_line(repr(text))}")
            return text.strip()
        if kind == "hours":
            return self._hours(node, line)
        if kind == "arms":
            return self._arms(node, line)
        most = 1.0 if kind == "share" else _MOST
        value = self._number(name, node, line, most)
        if name == "runs" and value < 1:
            self.fail(line, f"runs is {value:g}; one training run is the least")
        return value

    def _number(self, name: str, node: Any, line: int, most: float = _MOST) -> float:
        value = plain(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(line, f"{name} is {one_line(repr(value))}; give a number without currency or unit")
        if not (math.isfinite(value) and 0 <= value <= most):
            of = "a share from 0 to 1 (0.42 is 42 %)" if most == 1 else f"a number from 0 to {most:g}"
            self.fail(line, f"{name} is {value:g}; give {of}")
        return float(value)

    def _hours(self, node: Any, line: int) -> Mapping[str, float]:
        if not isinstance(node, CommentedMap):
            return {"": self._number("engineer_hours", node, line)}
        for name in node:
            if name not in (*METHODS, *FAMILIES) and ".py:" not in name and "." not in name:
                known = [*FAMILIES, *METHODS]
                at = line_of(node, name)
                self.fail(at, f"engineer_hours: {one_line(repr(name))} is no method or family{suggest(name, known)}")
        return {name: self._number(f"engineer_hours.{name}", node[name], line_of(node, name)) for name in node}

    def _arms(self, node: Any, line: int) -> tuple[Assumed, ...]:
        if not isinstance(node, CommentedSeq):
            self.fail(line, f"assumed is a list of arms, such as {KEYS['assumed'].example}")
        return tuple(self._arm(each, line_of(node, index)) for index, each in enumerate(node))

    def _arm(self, node: Any, line: int) -> Assumed:
        known = [each for each in Assumed._fields if each != "line"]
        if not isinstance(node, CommentedMap):
            self.fail(line, f"assumed: an arm is a mapping of {', '.join(known)}")
        for name in node:
            if name not in known:
                self.fail(line_of(node, name), f"assumed has no {one_line(repr(name))}{suggest(name, known)}")
        if lacking := [name for name in _NEEDED if name not in node]:
            self.fail(line, f"assumed: this arm lacks {', '.join(lacking)}")
        values: dict[str, Any] = {"line": line}
        for name in node:
            at = line_of(node, name)
            if name in ("method", "task"):
                values[name] = plain(node[name])
                if not isinstance(values[name], str):
                    self.fail(at, f"assumed: {name} is a text, not {one_line(repr(values[name]))}")
            else:
                values[name] = self._number(f"assumed: {name}", node[name], at, 1.0 if name in _NEEDED[2:] else _MOST)
        found = Assumed(**values)
        if found.method not in METHODS:
            self.fail(
                line, f"assumed: there is no method {one_line(repr(found.method))}{suggest(found.method, METHODS)}"
            )
        if found.labels != int(found.labels):
            self.fail(line, f"assumed: labels is {found.labels:g}; give a whole number")
        if not found.low <= found.accuracy <= found.high:
            self.fail(
                line, f"assumed: accuracy {found.accuracy:g} does not lie from low {found.low:g} to high {found.high:g}"
            )
        return found._replace(labels=int(found.labels))

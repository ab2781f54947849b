"""The YAML side of a grid: parameters, the values each is swept over, and the line every one of them stands on."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rftlab import trackers
from rftlab.cell import Cell, parameter_names
from rftlab.digests import is_file_setting, kind_of
from rftlab.errors import RftlabError, told
from rftlab.grid.document import line_of, plain, read
from rftlab.grid.keys import PLANNED, RESERVED, SQUARE, START
from rftlab.grid.plan import Plan, make
from rftlab.grid.tuning import Stage
from rftlab.parts import AUTO, Tuning
from rftlab.policy.hub import by_folder
from rftlab.policy.teachers import kept_by
from rftlab.policy.weights import KEEP_CHOICES, find_cell
from rftlab.registry import METHODS, TASKS, VERIFIERS, Entry, find, installed_target
from rftlab.user_code import DATA_SUFFIXES, installed

SETTINGS = ("task_settings", "verifier_settings", "settings")
LIST_VALUED = ("tuning.learning_rates", "learning_rates", "evaluation.marks")
_FOUND = {
    "tuned_by": "is written by the tuning stage that chose the rates; declare one, tuning: stage",
    "digests": "is filled in from your files; leave it out",
    "started_by": "is written for arms that go on from another; give start_from the arm's values",
}
"""Parameters that the workbench fills in: by hand they would claim what nobody has done."""
_CALLED = {
    "stop": "budget.until: plateau, by which training stops by itself", "until": "budget.until",
    "early_stopping": "budget.until: plateau", "max_steps": "budget.amount", "epochs": "budget.amount, in steps",
    "num_train_epochs": "budget.amount, in steps", "batch_size": "settings.per_device_train_batch_size",
    "temperature": "decoding.temperature",
}  # fmt: skip
"""What other tools call it -> what it is here."""
_REGISTRIES: Mapping[str, Mapping[str, Entry]] = {"task": TASKS, "verifier": VERIFIERS, "method": METHODS}
_GROUPS = tuple(dict.fromkeys(name.partition(".")[0] for name in parameter_names().values() if "." in name))
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


class Located(NamedTuple):
    """A plain value and the line of the file it stands on."""

    value: Any
    line: int


# Dotted parameter name -> the values it is swept over.
Axes = dict[str, list[Located]]


class GridFile:
    """One grid file, parsed; whatever is asked of it has passed a cell's own checks, with its paths made absolute.

    Args:
        path: the file.
        text: what it will hold, where it is not written yet.

    Raises:
        RftlabError: the file cannot be read, or is not a YAML mapping.
    """

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self.document = read(path, self.fail, text=text)
        self._folder = path.resolve().parent

    @property
    def name(self) -> str:
        """The grid's name, fit to name a folder; the file's stem by default."""
        name = self.document.get("name", self.path.stem)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            line = line_of(self.document, "name") if "name" in self.document else 1
            self.fail(line, f"the name {name!r} cannot name a folder; use letters, digits, dots, dashes, underscores")
        return name

    @property
    def plan(self) -> Plan:
        """What the file declares of its answer."""
        found = Plan()
        for name in PLANNED:
            if name in self.document:
                try:
                    found = replace(found, **{name: getattr(make(**{name: plain(self.document[name])}), name)})
                except RftlabError as error:
                    self.fail(line_of(self.document, name), str(error))
        return found

    @property
    def keep(self) -> str:
        """Which policies are kept, "" if the file does not say."""
        keep = self.document.get("keep", "")
        if "keep" in self.document and keep not in KEEP_CHOICES:
            known = f"{', '.join(KEEP_CHOICES[:-1])} or {KEEP_CHOICES[-1]}"
            self.fail(line_of(self.document, "keep"), f"keep is {known}, not {keep!r}")
        return str(keep)

    @property
    def report_to(self) -> tuple[str, ...]:
        """Trackers that training reports to; none if the file does not say."""
        try:
            return trackers.named(plain(self.document.get(trackers.PARAMETER)) or ())
        except RftlabError as error:
            self.fail(line_of(self.document, trackers.PARAMETER), str(error))

    @property
    def declares_tuning(self) -> bool:
        """Whether `tuning` says how the study's rates come about, and is not the parameters of a cell."""
        value = plain(self.document.get("tuning"))
        return "tuning" in self.document and not (
            isinstance(value, dict) and value.keys() <= Tuning.model_fields.keys()
        )

    @property
    def tuning(self) -> Stage | None:
        """The tuning stage; None if there is to be none."""
        value = plain(self.document.get("tuning"))
        if not self.declares_tuning or value in ("off", False):
            return None
        line = line_of(self.document, "tuning")
        if not isinstance(value, dict) and value != "stage":
            self.fail(line, f"tuning is off, stage, or a mapping such as {{seeds: 3, items: 100}}, not {value!r}")
        values = value if isinstance(value, dict) else {}
        if both := sorted(values.keys() & Tuning.model_fields.keys()):
            self.fail(
                line, f"tuning.{both[0]} is of the tuner in every cell, the other keys are of a stage; choose one"
            )
        try:
            stage = Stage.make(values)
        except RftlabError as error:
            self.fail(line, str(error))
        return stage

    def mapping(self, parent: CommentedMap, key: str) -> CommentedMap:
        """The mapping below ``key``, empty if there is none."""
        value = parent.get(key)
        if value is None:
            return CommentedMap()
        if not isinstance(value, CommentedMap):
            self.fail(line_of(parent, key), f"{key} is a mapping of parameters to values, such as {{labels: 50}}")
        return value

    def entries(self, key: str) -> list[CommentedMap]:
        """The list of mappings below a reserved word, empty if there is none."""
        value = self.document.get(key)
        if value is None:
            return []
        if not isinstance(value, CommentedSeq) or not all(isinstance(entry, CommentedMap) and entry for entry in value):
            self.fail(line_of(self.document, key), f"{key} is a list of mappings, one after each dash")
        return list(value)

    def axes(
        self, mapping: CommentedMap, *, skip: tuple[str, ...] = (), prefix: str = "", sweeps: bool = False
    ) -> Axes:
        """The parameters of a mapping with the values each is swept over; ``sweeps`` allows the word `SQUARE` for cot.

        Raises:
            RftlabError: an unknown parameter, task, verifier or method; a value of the wrong type or out of range.
        """
        axes: Axes = {}
        for key, node in mapping.items():
            if key in skip:
                continue
            name, line = f"{prefix}{key}", line_of(mapping, key)
            self._check_name(name, line)
            if not prefix and key in _GROUPS and isinstance(node, CommentedMap):
                inner = self.axes(node, prefix=f"{key}.")
            elif sweeps and name == "cot" and plain(node) in (SQUARE, [SQUARE]):
                inner = {name: [Located(SQUARE, line)]}
            else:
                inner = {name: [self._checked(name, each) for each in self._options(name, node, line)]}
            for twice in axes.keys() & inner.keys():
                self.fail(line, f"{twice} is given twice; leave one out")
            axes |= inner
        return axes

    def squared(self, axes: Axes) -> Axes:
        """The axes with `cot: 2x2` written out as both prompts of training by both prompts of the test."""
        if [each.value for each in axes.get("cot", [])] != [SQUARE]:
            return axes
        line = axes["cot"][0].line
        if "cot_eval" in axes:
            self.fail(line, "cot: 2x2 sweeps cot_eval too; leave cot_eval out, or give cot a list")
        both = [Located(False, line), Located(True, line)]
        return {**axes, "cot": both, "cot_eval": both}

    def fail(self, line: int, problem: str) -> NoReturn:
        """Raise an RftlabError that names file and line."""
        raise RftlabError(f"{self.path} line {line}: {problem}")

    def _options(self, name: str, node: Any, line: int) -> Iterator[Located]:
        swept = isinstance(node, CommentedSeq)
        if name in LIST_VALUED:
            swept = swept and any(isinstance(each, CommentedSeq) for each in node)
        if not swept:
            yield Located(plain(node), line)
            return
        if not node:
            self.fail(line, f"{name} has an empty list; give it at least one value")
        for index, each in enumerate(node):
            yield Located(plain(each), line_of(node, index))

    def _check_name(self, name: str, line: int) -> None:
        if name in _FOUND:
            self.fail(line, f"{name} {_FOUND[name]}")
        known = [*parameter_names().values(), *_GROUPS]
        if name in known or (name.partition(".")[0] in SETTINGS and all(name.split("."))):
            return
        if name in _CALLED:
            self.fail(line, f"unknown parameter {name!r}; here it is {_CALLED[name]}")
        near = difflib.get_close_matches(name, [*known, *RESERVED], n=3, cutoff=0.6)
        hint = f"did you mean {', '.join(near)}?" if near else "see `rftlab parameters` for all of them"
        self.fail(line, f"unknown parameter {name!r}; {hint}")

    def _checked(self, name: str, located: Located) -> Located:
        try:
            value = self._absolute(name, located.value)
            if name == START and isinstance(value, dict):
                return Located(self._arm(value), located.line)
            Cell.make({name: value})
            for registry, kind, each in _named(name, value):
                find(registry, each, kind)
                if (target := installed_target(registry, each, kind)) and (problem := installed.problem(target)):
                    raise RftlabError(f"cannot load {kind} {each!r}: {problem}")
                if ".py:" in each and not Path(each.rpartition(":")[0]).is_file():
                    raise RftlabError(f"there is no file {each.rpartition(':')[0]}; give path/to/module.py:function")
        except RftlabError as error:
            self.fail(located.line, str(error))
        except (OSError, ValueError, RuntimeError) as error:  # a path no file can have: too long, `~nobody/x`
            self.fail(located.line, f"{name} names a path that cannot be: {told(error)}; give another")
        return Located(value, located.line)

    def _arm(self, values: dict[str, Any]) -> dict[str, Any]:
        """What singles out an arm, by dotted names; each value as a cell has it."""
        cell = Cell.make(values).flat()
        for name in ("task", "method"):
            find(_REGISTRIES[name], cell[name], name)
        flat = parameter_names().values()
        given = {f"{key}.{inner}" for key, each in values.items() if isinstance(each, dict) for inner in each}
        return {name: cell[name] for name in flat if name in given or name in values}

    def _absolute(self, name: str, value: Any) -> Any:
        if name == "evaluation.retention" and isinstance(value, str) and "," in value:
            return ",".join(str(self._absolute(name, each.strip())) for each in value.split(","))
        if isinstance(value, dict):
            return {key: self._absolute(f"{name}.{key}", each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._absolute(f"{name}.{index}", each) for index, each in enumerate(value)]
        kind = kind_of(name, value) if isinstance(value, str) else ""
        if kind == "policy":
            return str(find_cell(value, near=self._folder))
        if kind == "teacher" and (folder := kept_by(value, near=self._folder)):
            return str(folder)
        if kind == "code":
            file, _, attribute = value.rpartition(":")
            return f"{self._resolved(file)}:{attribute}"
        if (name == "model" or kind == "teacher") and (place := by_folder(value)) != value:
            return place
        if kind not in ("file", "model", "teacher"):
            return value
        # A hub id looks like a path, and a setting that is none may end like one: those are paths if there is a file.
        named = kind == "file" and ("/" not in value or value.endswith(DATA_SUFFIXES))
        sure = (named or value.startswith((".", "~", "/"))) and (kind != "file" or is_file_setting(name))
        return str(self._resolved(value)) if sure or self._resolved(value).exists() else value

    def _resolved(self, path: str) -> Path:
        return (self._folder / Path(path).expanduser()).resolve()


def _named(name: str, value: Any) -> Iterator[tuple[Mapping[str, Entry], str, str]]:
    """Each name of a task, verifier or method that a parameter holds, with its registry and kind."""
    if name == "evaluation.retention" and value != AUTO:
        yield from ((TASKS, "task", each.strip()) for each in value.split(",") if each.strip())
    kind = name.rpartition(".")[2] if name in (*_REGISTRIES, "evaluation.verifier") else ""
    if kind and value:
        yield _REGISTRIES[kind], kind, value

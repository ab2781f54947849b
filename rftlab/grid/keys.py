"""What a grid file may hold beside the parameters of its cells: the one place that knows all of it.

`rftlab parameters` prints it, the reader of grid files (`rftlab.grid.parameters`) takes its words from here.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rftlab.cell import Cell, parameter_help
from rftlab.grid.plan import NAMED, Plan
from rftlab.grid.tuning import Stage
from rftlab.policy.weights import DEFAULT_KEEP, KEEP_CHOICES
from rftlab.screen import row
from rftlab.trackers import TRACKERS

SQUARE = "2x2"
START = "start_from"


class Key(NamedTuple):
    """A reserved word of a grid file.

    Attributes:
        default: what holds where the file does not have it.
        example: a line of YAML.
        what: one line for people.
        planned: whether it is declared of the answer, with the first start of the grid (`rftlab.grid.plan`).
    """

    default: Any
    example: str
    what: str
    planned: bool = False


KEYS: Mapping[str, Key] = {
    "name": Key("the file's name", "name: demo", "names the results folder"),
    "keep": Key(DEFAULT_KEEP, "keep: all", f"trained policies to keep: {', '.join(KEEP_CHOICES)}; best of each arm"),
    "report_to": Key(
        "none", "report_to: [tensorboard]", f"trackers that training reports to as well: {', '.join(TRACKERS)}"
    ),
    "named": Key(", ".join(NAMED), "named: [base, sft]", "methods that the answer is about", True),
    "claims": Key("none", "claims: [12]", "claims of the ledger that are tested beside them", True),
    "smallest_effect": Key(
        Plan().smallest_effect,
        "smallest_effect: 0.1",
        "smallest difference that matters (0.05 is 5 points)",
        True,
    ),
    "max_seeds": Key(
        Plan().max_seeds, "max_seeds: 12", "seeds that the study may grow to, declared before it begins", True
    ),
    "labels_available": Key(
        "not said", "labels_available: 60", "labels you have, for the answer's last sentence", True
    ),
    "defaults": Key(
        "none", "defaults: {model: tiny-base, labels: 50}", "parameters of every cell, those of include too"
    ),
    "include": Key(
        "none", "include: [{method: grpo, preset: deepseek, seed: [0, 1]}]", "further cells, each row over the defaults"
    ),
    "overrides": Key(
        "none",
        "overrides: [{when: {method: grpo}, set: {budget.amount: 60}}]",
        "other values for the cells that match; a list under when matches any of its values",
    ),
    "exclude": Key(
        "none", "exclude: [{method: sft, labels: [10, 30]}]", "cells that match are left out, after the overrides"
    ),
    "tuning": Key(
        "off",
        "tuning: {seeds: 2, labels: [10], share: labels}",
        "how learning rates are chosen before the study: off, stage, or a mapping of the keys below",
    ),
}
PLANNED = tuple(name for name, key in KEYS.items() if key.planned)
RESERVED = tuple(name for name in KEYS if name != "tuning")
"""Keys that are no parameter of a cell; `tuning` is both."""

GRAMMAR = (
    "A list is swept: one cell for each of its values, times those of the other lists.",
    "Groups are dotted (`budget.amount: 60`) or nested (`budget: {amount: 60}`).",
    "A parameter whose default is [] takes a list as its value, and is swept by a list of lists.",
    "Settings are values; they are swept by a list of mappings, or one by one (`settings.beta: [0.0, 0.04]`).",
    f"`cot: {SQUARE}` sweeps cot and cot_eval: trained with and without chain-of-thought, asked with and without it.",
    f"`{START}: {{method: sft}}` in a row goes on, seed by seed, from the arm of this grid that these single out.",
    "Relative paths are relative to the file.",
    "What a method does not use (the labels of the untrained base) is levelled, so that its cells are run once.",
)


def listing() -> Iterator[str]:
    """All that a grid may hold, line by line."""
    defaults = Cell.make({}).flat()
    yield "Parameters of a cell"
    yield from _table((name, json.dumps(defaults[name]), text) for name, text in parameter_help().items())
    yield "\nBeside them"
    yield from _table((name, str(key.default), f"{key.what}: `{key.example}`") for name, key in KEYS.items())
    yield "\nKeys of tuning, where it is a stage"
    yield from _table(
        (f"tuning.{name}", json.dumps(field.default), field.description or "")
        for name, field in Stage.model_fields.items()
    )
    yield "\nHow it is written"
    yield from (f"  {line}" for line in GRAMMAR)


def _table(rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    yield from (row(cells, (30, 17)) for cells in rows)

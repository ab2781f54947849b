"""A notebook's parameters: flat scalars among its other variables, and the values of a cell they stand for.

papermill fills in one cell of plain assignments, before anything is checked, and only warns of a name that it does not
find in the notebook. So everything is checked here, when the notebook asks for its cell.
"""

import ast
import difflib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError

SHORT = {"steps": "budget.amount, in optimiser steps", "learning_rate": "learning_rates, of a method of one stage"}
"""Names that only notebooks have -> the parameter they are short for; 0 is "not set"."""
BESIDE = {
    "out": "folder for the record; empty takes results/interactive/cells/ID",
    "report_to": "trackers to report to as well: tensorboard, trackio, with commas; empty: none",
}
"""What a notebook is given that is no parameter of a cell -> what it is."""

# A notebook's parameters are scalars, and a bool cannot be "not set".
YES_OR_NO = frozenset({"cot_eval"})
# Where an empty text is a value of its own, and not "not set".
_EMPTY_COUNTS = frozenset({"evaluation_retention"})
_WORDS = {"yes": True, "no": False}
_JSON_LISTS = frozenset({"tuning_learning_rates", "learning_rates", "evaluation_marks"})
JSON_TEXTS = _JSON_LISTS | frozenset(
    {"task_settings", "verifier_settings", "settings", "evaluation_verifier_settings", "digests"}
)
# What a notebook's parameters may be declared to be -> its types, and what is asked for in words.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str, Path), "a text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "True or False"),
}
_SHOWN_CHARS = 80
# How the cell begins that papermill puts behind the one tagged parameters.
_INJECTED = "# Parameters\n"


def read(namespace: Mapping[str, Any], names: Mapping[str, str], follows: Mapping[str, str]) -> dict[str, Any]:
    """Dotted name -> value, of the parameters that a notebook's variables set.

    Args:
        namespace: the notebook's variables.
        names: flat name -> dotted name of every parameter.
        follows: parameter -> the one it is equal to where it is not set.

    Raises:
        RftlabError: as `Cell.from_parameters`.
    """
    known = {*names, *SHORT, *BESIDE}
    injected = _injected(namespace.get("In", ()), known)
    _refuse_misspelt(namespace, names)
    # What is wrong with a cell's own is said by the cell, which knows more of them than their type.
    _require_declared(namespace, {name: kind for name, kind in _declared(namespace).items() if name not in names})
    values: dict[str, Any] = {}
    for flat, dotted in names.items():
        if flat not in namespace:
            continue
        value = namespace[flat]
        if flat in JSON_TEXTS and (isinstance(value, str) or not value):
            value = _parsed(flat, value)
            if flat in _JSON_LISTS and not value:
                continue
        if (value == "" and flat not in _EMPTY_COUNTS) or (flat.startswith("seed_") and value == -1):
            continue
        if flat in YES_OR_NO and isinstance(value, str):
            if value not in _WORDS:
                raise RftlabError(
                    f"parameter {flat} is {value!r}; give yes or no, or nothing for the value of {follows[flat]}"
                )
            value = _WORDS[value]
        values[dotted] = value
    return values | _of_short_names(namespace, values, injected)


def check_parameters(namespace: Mapping[str, Any], least: Mapping[str, float] | None = None) -> None:
    """Raise unless a notebook's parameters are what its parameters cell declares them to be.

    For notebooks that ask for no cell; called before anything that takes time is imported.

    Args:
        namespace: the notebook's variables.
        least: the smallest value that makes sense, of parameters that are numbers.

    Raises:
        RftlabError: papermill was given one that the notebook does not have; one is of another type, not a finite
            number or below its least value.
    """
    declared = _declared(namespace)
    _injected(namespace.get("In", ()), declared)
    _require_declared(namespace, declared)
    for name, value in (least or {}).items():
        if namespace[name] < value:
            raise RftlabError(f"{name} is {namespace[name]!r}; give {value!r} or more")


def write(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The scalars that a notebook is given for parameters by flat name: the inverse of `read`."""
    texts = {name: json.dumps(flat[name], sort_keys=True) for name in JSON_TEXTS}
    return {**flat, **texts, **{name: "yes" if flat[name] else "no" for name in YES_OR_NO}}


def shortened(parameters: Mapping[str, Any], defaults: Mapping[str, Any], declared: Iterable[str]) -> dict[str, Any]:
    """What has to be said to a notebook that declares some parameters, and has the others' defaults.

    Args:
        parameters: every parameter by flat name, as `write` gives them.
        defaults: the same of a cell that leaves out all but what others follow.
        declared: names in the notebook's parameters cell: they are always said, short ones in place of theirs.
    """
    declared = set(declared)
    said = {name: value for name, value in parameters.items() if name in declared or value != defaults[name]}
    if "steps" in declared:
        unit, amount = parameters["budget_unit"], parameters["budget_amount"]
        whole = unit == "steps" and amount == int(amount) and "budget_amount" not in declared
        said["steps"] = int(amount) if whole else 0
        said |= {} if whole else {"budget_unit": unit, "budget_amount": amount}
        if whole:
            said.pop("budget_amount", None)
    if "learning_rate" in declared:
        rates = json.loads(parameters["learning_rates"])
        one = len(rates) == 1 and "learning_rates" not in declared
        said["learning_rate"] = rates[0] if one else 0.0
        if one:
            del said["learning_rates"]
    return said


def _parsed(flat: str, value: Any) -> Any:
    try:
        return json.loads(value) if value else {}
    except ValueError as error:
        raise RftlabError(f"parameter {flat} is not valid JSON ({error}): {value!r}") from None


def _of_short_names(namespace: Mapping[str, Any], values: Mapping[str, Any], injected: Iterable[str]) -> dict[str, Any]:
    """What `steps` and `learning_rate` set; a long name goes before its short one, which has a default."""
    found: dict[str, Any] = {}
    steps, rate = namespace.get("steps") or 0, namespace.get("learning_rate") or 0
    for short, value, long in (("steps", steps, "budget_amount"), ("learning_rate", rate, "learning_rates")):
        if value and {short, long} <= set(injected):
            raise RftlabError(f"{short} and {long} are both given; leave one out")
    if steps and "budget.amount" not in values:
        if values.get("budget.unit", "steps") != "steps":
            unit = values["budget.unit"]
            raise RftlabError(f"budget_unit is {unit!r}, and steps counts steps; give budget_amount in {unit}")
        found["budget.amount"] = steps
    if rate and "learning_rates" not in values:
        found["learning_rates"] = [rate]
    return found


def _injected(sources: Iterable[Any], known: Iterable[str]) -> set[str]:
    """Names that papermill gave values to.

    Args:
        sources: the cells that have run, in order.
        known: names of parameters.

    Raises:
        RftlabError: one that is neither a parameter nor declared by the notebook before.
    """
    sources = [str(source) for source in sources]
    last = max((i for i, source in enumerate(sources) if source.startswith(_INJECTED)), default=None)
    if last is None:
        return set()
    injected, known = _assigned(sources[last]), set(known)
    for name in sorted(injected - known.union(*map(_assigned, sources[:last]))):
        near = [k for k in known if k.endswith(f"_{name}")] or difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        every = "rftlab.parameters() lists them" if "method" in known else f"there are {', '.join(sorted(known))}"
        hint = f"did you mean {', '.join(near)}?" if near else every
        raise RftlabError(f"{name} is given to this notebook and is no parameter; {hint}")
    return injected


def _assigned(source: str) -> set[str]:
    """Names that a cell's plain assignments set; none of one that is no Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return set()
    targets = [t for node in body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _declared(namespace: Mapping[str, Any]) -> dict[str, str]:
    """What the cells that have run declare as in a parameters cell (`name: int = 3`): name -> kind."""
    found = {}
    for source in map(str, namespace.get("In", ())):
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError):
            continue
        for node in body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = ast.unparse(node.annotation)
    return {name: kind for name, kind in found.items() if kind in _KINDS and name in namespace}


def _require_declared(namespace: Mapping[str, Any], declared: Mapping[str, str]) -> None:
    for name, kind in declared.items():
        value, (types, asked) = namespace[name], _KINDS[kind]
        right = isinstance(value, types) and (kind == "bool" or not isinstance(value, bool))
        if not right or (isinstance(value, float) and not math.isfinite(value)):
            raise RftlabError(f"{name} is {repr(value)[:_SHOWN_CHARS]}; give {asked}")


def _refuse_misspelt(namespace: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Raise if a notebook gives a value under a name that is nearly a parameter's: it would be left out in silence.

    One declared with a type, as in a parameters cell, is also refused without its group (`temperature: float = 0.7`).
    """
    known, declared = {*names, *SHORT, *BESIDE}, namespace.get("__annotations__") or {}
    for name, value in namespace.items():
        if name in known or name.startswith("_") or not isinstance(value, str | int | float | dict | None):
            continue
        grouped = [flat for flat, dotted in names.items() if name in declared and dotted.endswith(f".{name}")]
        if near := grouped or difflib.get_close_matches(name, [*names, *SHORT], n=3, cutoff=0.8):
            raise RftlabError(
                f"{name} is no parameter; did you mean {', '.join(near)}? If it is a variable of yours, give it "
                "another name"
            )


def require_texts(**values: Any) -> None:
    """Raise unless each is a text, or a path: what a notebook's parameter holds that names a file or a task.

    Raises:
        RftlabError: naming the first that is none.
    """
    for name, value in values.items():
        if not isinstance(value, str | Path):
            raise RftlabError(f"{name} is {value!r}; give a text")

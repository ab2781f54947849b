"""What a cell's answers are worth item by item, read once from its samples without their texts."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from math import nan
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.json

from rftlab import record, stats
from rftlab.answer.results import PASS_AT
from rftlab.errors import storable
from rftlab.record.outcomes import ACCURACY, FULL_MARKS, REWARDS_OF, SCORE, spoken


class Part(NamedTuple):
    """The rows of samples.jsonl that a measure is of: part, kind of item ("" for all), and what a row is worth."""

    name: str
    kind: str
    worth: str


PART_OF: Mapping[str, Part] = {
    "accuracy": Part("test", "", ACCURACY),
    "score": Part("test", "", SCORE),
    "apart_accuracy": Part("test", "", "apart_accuracy"),
    "apart_score": Part("test", "", "apart_score"),
    "sampled_accuracy": Part("sampled", "", ACCURACY),
    "sampled_score": Part("sampled", "", SCORE),
    "ood_accuracy": Part("ood", "", ACCURACY),
    "ood_score": Part("ood", "", SCORE),
    "ood_rule_accuracy": Part("ood", "rule", ACCURACY),
    "ood_surface_accuracy": Part("ood", "surface", ACCURACY),
    "retention_accuracy": Part("retention", "", ACCURACY),
    "train_accuracy": Part("train", "", ACCURACY),
    "base_train_accuracy": Part("base_train", "", ACCURACY),
}
"""Measures that arms are paired by over items."""

_MARK, _SAMPLED = "mark", "sampled"


@lru_cache(maxsize=100_000)
def outcomes(results: str | Path, cell: str, measure: str = "accuracy") -> "pd.Series[float]":
    """What a cell's answer to each item is worth by a measure, by item id; empty if the cell kept no such samples.

    Of an item that was sampled several times it is the mean of the draws: to ask the same items again tells nothing of
    other items.

    Args:
        results: a grid's results folder.
        cell: its id.
        measure: one of `PART_OF`, or `pass_at_128`: the unbiased pass@128 of items that were sampled twice as often at
            least, since of fewer draws it tells little of an item.

    Raises:
        RftlabError: its samples cannot be read.
    """
    if measure.startswith(PASS_AT):
        return _passed(_parts(results, cell).get(_SAMPLED), int(measure.removeprefix(PASS_AT)))
    part = PART_OF[measure]
    rows = _parts(results, cell).get(part.name)
    return _NONE if rows is None else _worth(rows, part.worth, rows.kinds == part.kind if part.kind else None)


def at_marks(results: str | Path, cell: str, measure: str) -> "dict[float, pd.Series[float]]":
    """`outcomes` on test items at every mark (FLOPs) that a cell was scored at on its way; by accuracy or score."""
    rows = _parts(results, cell).get(_MARK)
    return {} if rows is None else {float(at): _worth(rows, measure, rows.marks == at) for at in np.unique(rows.marks)}


def seed_table(runs: "Iterable[tuple[str, pd.Series[float]]]") -> pd.DataFrame:
    """A row a seed and a column an item, of `outcomes` by seed; the mean of those that share a seed."""
    of: dict[str, list[pd.Series[float]]] = {}
    for seed, values in runs:
        of.setdefault(seed, []).append(values)
    rows = {seed: found[0] if len(found) == 1 else pd.DataFrame(found).mean() for seed, found in sorted(of.items())}
    return pd.DataFrame(rows).T if rows else pd.DataFrame()


class Draws(NamedTuple):
    """What was sampled of each item.

    Attributes:
        rewards: by item, (N,) in [0, 1].
        answers: by item, the N answers as they are told apart (`rftlab.record.outcomes.spoken`), "" for none.
        length: mean tokens of a completion, end token included; NaN if unknown.
    """

    rewards: "Mapping[str, np.ndarray]"
    answers: Mapping[str, Sequence[str]]
    length: float


def draws(results: str | Path, cell: str) -> Draws:
    """A cell's sampled completions; none where it kept none.

    Raises:
        RftlabError: its samples cannot be read.
    """
    rows = _parts(results, cell).get(_SAMPLED)
    if rows is None:
        return Draws({}, {}, nan)
    own: dict[str, list[int]] = {}
    for place, item in enumerate(rows.items):
        own.setdefault(item, []).append(place)
    rewards = rows.rewards[REWARDS_OF[ACCURACY]]
    return Draws(
        {item: rewards[places] for item, places in own.items()},
        {item: [spoken(rows.answers[place]) for place in places] for item, places in own.items()},
        float(np.mean(rows.lengths)),
    )


class _Rows(NamedTuple):
    """Rows of one part: what each is named, its kind, its mark in FLOPs, and the rewards by the name of their field.

    Answers and lengths are kept of sampled rows alone.
    """

    items: tuple[str, ...]
    kinds: np.ndarray
    marks: np.ndarray
    rewards: Mapping[str, np.ndarray]
    answers: np.ndarray
    lengths: np.ndarray


_NONE, _NOTHING = pd.Series(dtype=float), np.empty(0)
_PARTS = (*dict.fromkeys(part.name for part in PART_OF.values()), _MARK)
_TEXTS, _FIGURES = ("part", "kind", "item", "extracted"), ("mark", "reward", "apart_reward", "length")
_SCHEMA = pyarrow.schema([(name, "string") for name in _TEXTS] + [(name, "float64") for name in _FIGURES])
_LONGEST = 1 << 24  # bytes of a line that is read the fast way


def _worth(rows: _Rows, measure: str, which: np.ndarray | None = None) -> "pd.Series[float]":
    """`rftlab.record.outcomes.worth` of rows, by item, the mean of its rows; of those judged by that verifier."""
    rewards = rows.rewards[REWARDS_OF[measure]]
    there = ~np.isnan(rewards) if which is None else which & ~np.isnan(rewards)
    items = rows.items if there.all() else tuple(compress(rows.items, there))
    index, order, starts = _sorted(items)
    values = rewards[there][order]
    values = values if measure.endswith(SCORE) else (values >= FULL_MARKS).astype(float)
    if len(starts) < len(values):
        values = np.add.reduceat(values, starts) / np.diff(starts, append=len(values))
    return pd.Series(values, index)


def _passed(rows: _Rows | None, k: int) -> "pd.Series[float]":
    if rows is None:
        return _NONE
    right = (
        pd.Series(rows.rewards[REWARDS_OF[ACCURACY]] >= FULL_MARKS, rows.items).groupby(level=0).agg(["sum", "size"])
    )
    right = right[right["size"] >= 2 * k]
    return pd.Series(stats.pass_at_k(right["sum"], right["size"], k) if len(right) else [], right.index, dtype=float)


@lru_cache(maxsize=10_000)
def _sorted(items: tuple[str, ...]) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """Names in order, each once; where each row was; where the rows of each begin among those in order.

    One for all cells that were asked the same, which makes pairing fast.
    """
    index, order = pd.Index(items, dtype=object).sort_values(return_indexer=True)
    starts = np.flatnonzero(~index.duplicated())
    return index[starts], order, starts


@lru_cache(maxsize=20_000)
def _parts(results: str | Path, cell: str) -> Mapping[str, _Rows]:
    """The rows of each part that a measure is of."""
    table = _read(record.cells_dir(Path(results)) / cell / record.SAMPLES)
    columns = {name: table[name].to_numpy() for name in _SCHEMA.names}
    found = {}
    for name in _PARTS:
        if len(rows := np.flatnonzero(columns["part"] == name)):
            own = {field: values[rows] for field, values in columns.items()}
            rewards = {field: own[field] for field in REWARDS_OF.values()}
            told = (own["extracted"], own["length"]) if name == _SAMPLED else (_NOTHING, _NOTHING)
            found[name] = _Rows(tuple(own["item"]), own["kind"], own["mark"], rewards, *told)
    return found


def _read(samples: Path) -> pyarrow.Table:
    """The figures of a samples.jsonl without its texts: several times as fast as its lines one by one."""
    parse = pyarrow.json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="ignore")
    read = pyarrow.json.ReadOptions(use_threads=False, block_size=_LONGEST)
    try:
        return pyarrow.json.read_json(samples, read_options=read, parse_options=parse)
    except (OSError, pyarrow.ArrowInvalid):  # absent, empty, damaged, or JSON to Python alone
        kept = ([(name, row.get(name)) for name in _SCHEMA.names] for row in record.read_lines(samples))
        rows = [{name: storable(value) if isinstance(value, str) else value for name, value in row} for row in kept]
        return pyarrow.Table.from_pylist(rows, schema=_SCHEMA)

"""What happened in a study that its figures do not say: what its cells warn of, policies below their base, failures."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rftlab import record
from rftlab.answer import items
from rftlab.answer import results as read
from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.phrases import interval
from rftlab.errors import RftlabError, printable
from rftlab.execute.folders import failed_with
from rftlab.execute.results import read_grid
from rftlab.plots.names import title
from rftlab.record import Record

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
# Warnings that quote somebody's error: its numbers are no measurements, and are never merged.
_QUOTES = re.compile(r"\braised |\breturned ")


class Remark(NamedTuple):
    """One thing that happened, and where: arms with how many of their cells, or the cells themselves."""

    text: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.text} ({'; '.join(self.where)})" if self.where else self.text


def happened(results: str | Path, waive: str | Iterable[str] = ()) -> list[Remark]:
    """What a results folder's cells must not be compared for, what they warn of, and which arms are below their base.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    return of_whole(*study_of(results, waive))


def of_whole(study: read.Results, decisions: Decisions) -> list[Remark]:
    """`happened`, of a study that has been read and decided already."""
    return [*(Remark(note, ()) for note in study.survey.notes), *of_study(study, decisions)]


def of_study(study: read.Results, decisions: Decisions) -> list[Remark]:
    """What its cells warn of, and which arms are below their base."""
    return [*_below_base(study.cells, study.where, decisions), *_warned(study.records, study.cells)]


def failures(results: str | Path, done: Iterable[str]) -> list[Remark]:
    """Cells of the grid last run in a results folder that failed, by reason.

    Args:
        results: the folder.
        done: ids of the cells that have finished.
    """
    finished, results = set(done), Path(results)
    try:
        left = [cell for cell in read_grid(results).cells if cell.id not in finished]
    except RftlabError:
        return []
    labels: dict[str, list[str]] = {}
    for cell in left:
        if (error := failed_with(cell.id, results)) is not None:
            labels.setdefault(printable(error), []).append(cell.label)
    return [Remark(f"{_cells(len(found))} failed: {reason}", _few(found)) for reason, found in labels.items()]


def _warned(records: Sequence[Record], cells: pd.DataFrame) -> list[Remark]:
    """Warnings that differ in numbers only are one remark; an arm is named with how many of its cells gave it."""
    named = _arm_names(cells)
    sizes = Counter(named.values())
    texts: dict[tuple[str, ...], list[str]] = {}
    arms: dict[tuple[str, ...], Counter[str]] = {}
    for item in records:
        for text in dict.fromkeys(map(printable, item.warnings)):
            kind = tuple(_NUMBER.split(text)) if not _QUOTES.search(text) else (text,)
            texts.setdefault(kind, []).append(text)
            arms.setdefault(kind, Counter())[named[item.id]] += 1
    found = []
    # What holds for every cell tells no arm from another: it comes last.
    for kind, given in sorted(texts.items(), key=lambda pair: (len(pair[1]) == len(records), -len(pair[1]))):
        if len(given) == len(records):
            where: tuple[str, ...] = ("the one cell" if len(records) == 1 else f"all {len(records)} cells",)
        else:
            where = _few([f"{arm}: {n} of {_cells(sizes[arm])}" for arm, n in arms[kind].items()])
        found.append(Remark(_merged(given), where))
    return found


def _merged(texts: Sequence[str]) -> str:
    """Sentences that differ in numbers only, as one: `6 to 12 % of ...`."""
    if len(set(texts)) == 1:
        return texts[0]
    columns = zip(*(_NUMBER.findall(text) for text in texts), strict=True)
    numbers = iter([_span(dict.fromkeys(column)) for column in columns])
    return _NUMBER.sub(lambda _: next(numbers), texts[0])


def _span(numbers: Iterable[str]) -> str:
    found = sorted(numbers, key=float)
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _below_base(cells: pd.DataFrame, results: str | Path, decisions: Decisions) -> list[Remark]:
    """Trained arms that ended below their untrained base, as it was decided; without a base, by their curves."""
    found = []
    trained = cells[~read.is_base(cells)]
    for key, group in trained.groupby([*read.PANEL, "arm", "labels"]):
        *panel, arm, labels = key
        place = Place(*panel, int(labels))  # type: ignore[call-arg, arg-type, call-overload]
        name = f"{title(str(arm))} with {labels} labels"
        level, base = decisions.level(place, str(arm)), decisions.level(place, decisions.base(place))
        if level and base:
            against = decisions.between(place, str(arm), decisions.base(place))
            if level.mean.estimate < base.mean.estimate:
                seen = against and against.difference.seeds
                how = f"{interval(against.difference)}: {against.word}" if against and seen else "of other seeds"
                found.append(_below(name, level.mean.estimate, base.mean.estimate, how, key))
        elif (ends := _curve_ends(results, group)) and ends[1] < ends[0]:
            found.append(_below(name, ends[1], ends[0], "on the items of its learning curve", key))
    return found


def _below(name: str, reached: float, before: float, how: str, key: Sequence[Any]) -> Remark:
    text = f"{name} is below its untrained base: {100 * reached:.0f} % against {100 * before:.0f} %, {how}"
    return Remark(text, (read.place(key[:4]),))


def _curve_ends(results: str | Path, cells: pd.DataFrame) -> tuple[float, float] | None:
    """Accuracy along the way before the first step and at the last evaluation, means over cells that have both."""
    ends = []
    for cell in cells["id"]:
        rows = items.read_lines(results, cell, record.TRACE, containing="eval/accuracy")
        curve = [(row["step"], row["eval/accuracy"]) for row in rows]
        if len(curve) > 1 and curve[0][0] == 0:
            ends.append((curve[0][1], curve[-1][1]))
    if not ends:
        return None
    first, last = (sum(column) / len(ends) for column in zip(*ends, strict=True))
    return first, last


def _arm_names(cells: pd.DataFrame) -> Mapping[str, str]:
    """Cell id -> its arm and label budget, with the panel where the arm is in several."""
    names = {}
    for arm, group in cells.groupby("arm"):
        several = [column for column in read.PANEL if group[column].nunique() > 1]
        rows: Iterable[Any] = group.to_dict("records")
        for row in rows:
            budget = f"{row['labels']} labels" if row["labels"] else ""
            names[row["id"]] = read.place([title(str(arm)), budget, *(row[column] for column in several)])
    return names


def _few(names: Sequence[str], most: int = 6) -> tuple[str, ...]:
    return (*names[:most], f"and {len(names) - most} more") if len(names) > most else tuple(names)


def _cells(n: int) -> str:
    return f"{n} cell{'' if n == 1 else 's'}"

"""A run held against its forecast: `forecast.json` in a results folder, and what it says once all has run."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftlab import record
from rftlab.advise import costs
from rftlab.advise.amounts import ROWS, counted, interval
from rftlab.advise.costs import AXES, Amount
from rftlab.advise.measured import measured
from rftlab.execute.one_cell import Outcome
from rftlab.execute.results import results_lock

if TYPE_CHECKING:
    from rftlab.advise.forecast import Forecast

FILE = "forecast.json"
_VERSION = 1


def after(forecast: "Forecast", outcomes: Iterable[Outcome], results: Path, seconds: float) -> str:
    """Hold a run that has ended against its forecast, in `forecast.json` and in one line; "" where nothing was known.

    Args:
        forecast: as it was before the run.
        outcomes: of the run's cells; where one of them failed, it was not the run that was planned.
        results: the results folder.
        seconds: that all of them took together.
    """
    ended = [outcome for outcome in outcomes if outcome.folder]
    if "seconds" not in forecast.amounts or not ended or any(outcome.status != "done" for outcome in ended):
        return ""
    ran = measured(results, [outcome.cell for outcome in ended])
    if len(ran) != len(ended) or not (forecast.tuning or len(ran) == len(forecast.cells)):
        return ""
    took = {axis: sum(costs.actual(m)[axis] for m in ran) for axis in AXES}
    took |= {"peak_bytes": max(m.peak_bytes for m in ran), "seconds": seconds}
    write(results, run={"planned": forecast.to_json(), "took": took, "load": load()})
    lines = []
    for name, said, words in ROWS[:2]:
        planned = forecast.amounts[name]
        missed = "" if planned.low <= took[name] <= planned.high else ", outside that"
        lines.append(f"{words} {interval(planned, said)}, took {said(took[name])}{missed}")
    return f"planned {'; '.join(lines)}"


def runs(results: Path) -> list[str]:
    """What runs took beside what was planned for them before, in lines; what cannot be read is left out.

    Args:
        results: folder with the runs' `forecast.json`.
    """
    found = read(results).get("runs")
    lines = []
    for run in found if isinstance(found, list) else []:
        try:
            rows = list(_rows(run["planned"]["amounts"], run["took"]))
            head = f"planned before a run of {counted(len(run['planned']['ids']), 'cell')}, and what it took"
        except (TypeError, KeyError, ValueError, AttributeError):
            continue  # of another version, or not ours
        lines += [head, *rows]
    return lines


def _rows(planned: Mapping[str, Any], took: Mapping[str, Any]) -> Iterator[str]:
    for name, said, words in ROWS:
        if name not in planned or name not in took:
            continue
        amount, value = Amount(*map(float, planned[name])), float(took[name])
        if not (amount.high or value):
            continue
        off = f", {round(100 * (value / amount.estimate - 1)):+d} %" if amount.estimate > 0 else ""
        missed = "" if amount.low <= value <= amount.high else ", outside the interval"
        yield f"  {words:<22} {interval(amount, said)}, took {said(value)}{off}{missed}"


def read(results: Path) -> dict[str, Any]:
    """What the file holds; {} where there is none, or it is of another version or not to be read."""
    try:
        body = json.loads((results / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) and body.get("version") == _VERSION else {}


def write(results: Path, **values: Any) -> None:
    """Put values into the file; a run is added to those before.

    Raises:
        RftlabError: another run is working in the folder, or it cannot be written to.
    """
    with results_lock(results):
        body = {"version": _VERSION, **read(results)}
        if run := values.pop("run", None):
            body["runs"] = [*body.get("runs", []), run]
        body |= values
        record.write_atomically(results / FILE, json.dumps(body, indent=1) + "\n")


def load() -> float:
    """How many processes wanted to run at once in the last minute, on average; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0

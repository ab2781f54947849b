"""The results as a table, on a terminal or in Markdown, with the goals beside them and the machine above."""

import os
import platform
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Any

import rich.console
import rich.table

from rftlab.execute.kernels import cores

Row = Mapping[str, Any]
GOALS = {
    "grid_vs_stock": "at least 4 x",
    "notebook_overhead": "at least 10 x",
    "notebook_overhead.warm": "at most 0.7 s",
    "rollout_vs_stock": "at least 2.5 x",
    "sft_step_vs_stock.smollm2": "at least 3 x",
    "grpo_step_vs_stock.smollm2": "at least 2.5 x",
    "records.load_and_report_10000": "seconds",
    "first_line.*": "at most 1 s",
    "sandbox_checks_2_workers_*": "at least 400/s",
}
_HEAD = ("row", "median", "min to max", "unit", "runs", "goal")


def machine() -> dict[str, Any]:
    """What the results were measured on, and how busy it was just now."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "trl")},
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "commit": _commit(),
    }


def show(rows: Mapping[str, Row], about: Mapping[str, Any]) -> None:
    """Print the table on the terminal."""
    grid = rich.table.Table(caption=_caption(about))
    for column in _HEAD:
        grid.add_column(column, no_wrap=column == "row")
    for cells in _cells(rows):
        grid.add_row(*cells)
    console = rich.console.Console()
    # Where there is no terminal, rich assumes 80 columns and would cut the names.
    (console if console.is_terminal else rich.console.Console(width=140)).print(grid)


def markdown(rows: Mapping[str, Row], about: Mapping[str, Any]) -> str:
    """The table in Markdown."""
    lines = [f"| {' | '.join(_HEAD)} |", "|---|--:|--:|---|--:|---|"]
    lines += [f"| `{name}` | {' | '.join(rest)} |" for name, *rest in _cells(rows)]
    return "\n".join([_caption(about), "", *lines])


def _cells(rows: Mapping[str, Row]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            _number(row["median"]),
            f"{_number(row['min'])} to {_number(row['max'])}",
            row["unit"],
            str(row.get("runs", "")),
            next((goal for pattern, goal in GOALS.items() if fnmatchcase(name, pattern)), ""),
        )
        for name, row in sorted(rows.items())
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _caption(about: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {about[name]}" for name in ("torch", "transformers", "trl"))
    load = "/".join(map(str, about["load_average"]))
    return (
        f"{about['cores']} cores of {about['cpu']}, Python {about['python']}, {libraries}; "
        f"commit {about['commit']}; load average at the end {load}."
    )


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

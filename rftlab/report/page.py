"""The report on disk: HTML page, executed notebook, pictures and table, built aside and swapped in whole."""

import base64
import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from rftlab import plots, record
from rftlab.answer import contracts
from rftlab.answer.card import answer
from rftlab.answer.decisions import decide
from rftlab.answer.results import PANEL, SHOWN_IN, Results, measured, read_results
from rftlab.contract import SEEDS
from rftlab.digests import stale
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.execute.folders import REPORT
from rftlab.execute.results import read_grid
from rftlab.files.paths import notebooks_dir
from rftlab.files.staging import scratch, sweep_scratch
from rftlab.record import Record
from rftlab.report import remarks, tables, verdicts
from rftlab.report.figures import Drawing, draw_all

FOLDER = "report"
_MEANS = ("accuracy", "sampled_accuracy", "train_accuracy", "ood_accuracy", "format_rate")
_HEADS = {
    "accuracy": "accuracy", "sampled_accuracy": "sampled", "train_accuracy": "train", "ood_accuracy": "OOD",
    "format_rate": "format",
}  # fmt: skip


def write_report(results: Path, *, notebook: bool = True, waive: str | Iterable[str] = ()) -> list[Path]:
    """Write `results/report/`: report.html, report.ipynb, a PNG and an SVG of every figure, cells.csv.

    Reads whatever cells have finished. Everything is built in a folder beside it first; then each file is replaced in
    one step, so that a reader never sees half a report and a crash leaves the old one.

    Args:
        results: a grid's results folder.
        notebook: also execute the compare notebook (several seconds).
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas; the page
            says so.

    Returns:
        Paths of the written files, the page first.

    Raises:
        RftlabError: no such folder, no finished cell, no record that can be read, or no such field to waive.
    """
    results = Path(results).resolve()
    if results.is_file():
        raise RftlabError(f"an archive is not written into; give `rftlab report {results.name} -o DIR`")
    accepted = contracts.waivers(waive)
    study = read_results(results, accepted)
    cells = study.cells
    sweep_scratch(results, REPORT)
    sweep_scratch()
    with scratch(results, REPORT) as built, contextlib.ExitStack() as aside:
        executed = aside.enter_context(_executing(results, accepted, built / "report.ipynb")) if notebook else None
        drawings = draw_all(cells, results)
        for drawing in drawings:
            if drawing.figure is not None:
                for kind in ("png", "svg"):
                    (built / f"{drawing.name}.{kind}").write_bytes(plots.to_bytes(drawing.figure, kind))
        page = _render(results, study, drawings, built)
        (built / "report.html").write_text(page, encoding="utf-8")
        _inert(cells.drop(columns=SHOWN_IN)).to_csv(built / "cells.csv", index=False)
        problem = executed.result() if executed else ""
        written = _swap(built, results / FOLDER)
    if problem:
        warnings.warn(f"report.ipynb is not complete: {problem}", RftlabWarning, stacklevel=2)
    return written


def _inert(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would compute (`=1+1`, `@sum`)."""
    texts = table.select_dtypes(include=["object", "string"]).columns
    return table.assign(**{name: table[name].map(_inert_text) for name in texts})


def _inert_text(value: object) -> object:
    acts = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if acts else value


def _render(results: Path, study: Results, drawings: Sequence[Drawing], built: Path) -> str:
    records, damaged, cells, survey, _ = study
    decisions, shown = decide(study), _shown_measures(cells)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rftlab.report", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = lambda share: "" if pd.isna(share) else f"{100 * share:.0f} %"
    environment.filters["number"] = lambda value: "" if pd.isna(value) else f"{value:.3g}"
    return environment.get_template("report.html.j2").render(
        grid=results.name,
        finished=len(cells),
        damaged=record.kept_out(damaged) if damaged else "",
        unfinished=_unfinished(results, records),
        kept_out=_kept_out(results),
        uneven=_uneven(cells),
        same=survey.same,
        notes=survey.notes,
        budgets=tables.label_budgets(cells),
        card=answer(study, decisions),
        matrix=verdicts.matrix(decisions),
        margin=f"{100 * decisions.plan.smallest_effect:g}",
        families=decisions.families,
        compared=[verdicts.row(each) for each in decisions.decisions],
        means=_means(cells, results, shown),
        columns=[(measure, _HEADS.get(measure, plots.title(measure))) for measure in shown],
        unmeasured=tables.unmeasured(cells),
        drawings=[(d, _data_uri(built / f"{d.name}.png") if d.figure is not None else "") for d in drawings],
        failures=remarks.failures(results, [item.id for item in records]),
        remarks=remarks.of_study(study, decisions),
        contract=_varying_contract(records),
        environments=_environments(records),
    )


def _shown_measures(cells: pd.DataFrame) -> list[str]:
    """Columns of the table of means: what was measured, of pass@k the largest k."""
    found = measured(cells)
    largest = [measure for measure in found if measure.startswith("pass_at_")][-1:]
    return [measure for measure in (*_MEANS[:2], *largest, *_MEANS[2:]) if measure in found]


def _means(cells: pd.DataFrame, results: Path, shown: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the table of means: one per panel, arm and label budget."""
    table = tables.summary(cells, results, shown)
    by = [*PANEL, "labels", "arm"]
    wide = table.pivot(index=by, columns="measure", values="mean").reindex(columns=list(shown)).reset_index()
    greedy = table.loc[table["measure"] == "accuracy", [*by, "low", "high", "n", "over"]]
    spent = cells.groupby(by, as_index=False)[["flops", "tokens", "seconds"]].mean()
    rows = wide.merge(greedy, how="left", on=by).merge(spent, how="left", on=by)
    return [{**row, "name": plots.title(row["arm"])} for row in rows.to_dict("records")]  # type: ignore[misc, dict-item]


def _unfinished(results: Path, done: Sequence[Record]) -> int:
    """Cells of the grid last run in this folder that have left no record yet."""
    try:
        planned = {cell.id for cell in read_grid(results).cells}
    except RftlabError:
        return 0
    return len(planned - {item.id for item in done})


def _kept_out(results: Path) -> list[str]:
    """What the folder holds beside the cells of the grid last run in it."""
    try:
        return stale.kept_out(stale.earlier_cells(read_grid(results).cells, results))
    except RftlabError:
        return []


def _uneven(cells: pd.DataFrame) -> list[str]:
    """Arms with fewer seeds than the best equipped one: their intervals are wider, or missing."""
    by = [*PANEL, "arm", "labels"]
    seeds = cells.drop_duplicates([*by, *SEEDS]).groupby(by).size()
    few = seeds[seeds < seeds.max()]
    return [f"{', '.join(str(part) for part in key if part != '')}: {n} of {seeds.max()}" for key, n in few.items()]  # type: ignore[attr-defined]


def _varying_contract(records: Sequence[Record]) -> list[tuple[str, int, str]]:
    """Contract field, how many values it takes over the grid, and the value where there is just one."""
    values: dict[str, dict[str, None]] = {}
    for item in records:
        for name, value in zip(contracts.MATCH, contracts.terms(item).values, strict=True):
            if value not in (None, contracts.NA_TEXT):
                values.setdefault(name, {})[value] = None
    return [
        (name, len(found), contracts.shorten(next(iter(found)), 90) if len(found) == 1 else "")
        for name, found in values.items()
    ]


def _environments(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What the cells ran on: each fact with all values it took."""
    facts: dict[str, dict[str, None]] = {}
    for item in records:
        for name, value in item.environment.items():
            opened = value.items() if isinstance(value, dict) else [(name, value)]
            for key, one in opened:
                if one is not None:
                    facts.setdefault(str(key), {})[str(one)] = None
    return [(name, ", ".join(values)) for name, values in facts.items()]


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


@contextlib.contextmanager
def _executing(results: Path, waive: Iterable[str], target: Path) -> Iterator[Future[str]]:
    """The compare notebook being run on these results: what went wrong, or ""; the page does not depend on it."""
    # Imported here because papermill takes about a second to load.
    from rftlab.execute.kernels import KernelSettings
    from rftlab.execute.notebook import NotebookFailed, NotebookRun

    parameters = {"results": str(results), "waive": ",".join(sorted(waive))}
    run = NotebookRun(notebooks_dir() / "30_compare.ipynb", target, parameters, KernelSettings())

    def execute() -> str:
        try:
            run.execute()
        except (NotebookFailed, OSError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(1) as aside:
        try:
            yield aside.submit(execute)
        except BaseException:  # an interrupt does not wait for the notebook
            run.stop()
            raise


def _swap(built: Path, target: Path) -> list[Path]:
    """Replace the files of ``target`` one by one; figures of an earlier report that are no longer drawn go."""
    target.mkdir(exist_ok=True)
    names = sorted(path.name for path in built.iterdir())
    for name in names:
        os.chmod(built / name, 0o644)
        os.replace(built / name, target / name)
    for old in target.iterdir():
        if old.suffix in {".png", ".svg"} and old.name not in names:
            old.unlink()
    return [target / name for name in sorted(names, key=lambda name: (name != "report.html", name))]

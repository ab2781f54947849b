"""The report on disk: HTML page, executed notebook, pictures and table, built aside and swapped in whole."""

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rftlab import plots
from rftlab.answer import contracts
from rftlab.answer.card import Answer, answer
from rftlab.answer.folder import results_of, study_of
from rftlab.answer.results import SHOWN_IN
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.execute.folders import REPORT
from rftlab.files.paths import notebooks_dir
from rftlab.files.staging import scratch, sweep_scratch
from rftlab.report import remarks
from rftlab.report.figures import HERO, Picture, draw_all
from rftlab.report.render import render
from rftlab.report.returns import prices_of, section

FOLDER = "report"


class Published(NamedTuple):
    """What came of a report: its files, what happened in the study, and the answer."""

    files: list[Path]
    remarks: Sequence[remarks.Remark]
    answer: Answer


def publish(results: Path, waive: str | Iterable[str] = (), prices: Path | None = None) -> Published:
    """Write a study's report; the study is read and decided once.

    Args:
        results: a grid's results folder.
        waive: as for `write_report`.
        prices: as for `write_report`.

    Raises:
        RftlabError: as `write_report`.
    """
    files = write_report(results, waive=waive, prices=prices)
    study, decisions = study_of(results, waive)
    return Published(files, remarks.of_whole(study, decisions), answer(study, decisions))


def write_report(
    results: Path,
    *,
    notebook: bool = True,
    waive: str | Iterable[str] = (),
    prices: Path | None = None,
) -> list[Path]:
    """Write `results/report/`: report.html, report.ipynb, an SVG of every figure, a PNG of the main one, cells.csv.

    Reads whatever cells have finished. Everything is built in a folder beside it first; then each file is replaced in
    one step, so that a reader never sees half a report and a crash leaves the old one.

    Args:
        results: a grid's results folder.
        notebook: also execute the compare notebook (several seconds).
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas; the page
            says so.
        prices: a file of prices, for the section on cost and return; by default the folder's prices.yaml, if any.

    Returns:
        Paths of the written files, the page first.

    Raises:
        RftlabError: no such folder, no finished cell, no record that can be read, no such field to waive, or a file of
            prices that is none.
    """
    given, results = Path(results), Path(results).resolve()
    if results.is_file():
        raise RftlabError(f"an archive is not written into; give `rftlab report {results.name} -o DIR`")
    if not (place := (results / FOLDER).resolve()).is_relative_to(results):
        raise RftlabError(f"{given / FOLDER} leads to {place}, outside the results; remove that link")
    accepted = contracts.waivers(waive)
    results_of(given, accepted)  # what is wrong with a folder is said before a kernel starts
    priced = prices_of(results, prices)
    sweep_scratch(results, REPORT)
    sweep_scratch()
    with scratch(results, REPORT) as built, contextlib.ExitStack() as aside:
        executed = aside.enter_context(_executing(results, accepted, built / "report.ipynb")) if notebook else None
        study, decisions = study_of(given, accepted)
        study = study._replace(where=results)
        drawings = draw_all(study, decisions)
        parts = section(study, decisions, priced)
        _save(
            [*(each for drawing in drawings for each in drawing.pictures), *(e for p in parts for e in p.pictures)],
            built,
        )
        (built / "report.html").write_text(render(study, decisions, drawings, parts), encoding="utf-8")
        inert(study.cells.drop(columns=SHOWN_IN)).to_csv(built / "cells.csv", index=False)
        problem = executed.result() if executed else ""
        written = _swap(built, results / FOLDER)
    if problem:
        warnings.warn(f"report.ipynb is not complete: {problem}", RftlabWarning, stacklevel=2)
    return written


def _save(pictures: Iterable[Picture], built: Path) -> None:
    """The pictures that a reader sees at first, as files for a paper or a slide; the main one as PNG too."""
    for picture in pictures:
        (built / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")
        if picture.name == HERO:
            (built / f"{HERO}.png").write_bytes(plots.to_bytes(picture.figure, "png"))


def inert(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would compute (`=1+1`, `@sum`)."""
    texts = table.select_dtypes(include=["object", "string"]).columns
    return table.assign(**{name: table[name].map(_inert_text) for name in texts})


def _inert_text(value: object) -> object:
    acts = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if acts else value


@contextlib.contextmanager
def _executing(results: Path, waive: Iterable[str], target: Path) -> Iterator[Future[str]]:
    """The compare notebook being run on these results: what went wrong, or ""; the page does not depend on it."""
    # Imported here because papermill takes about a second to load.
    from rftlab.execute.kernels import KernelSettings
    from rftlab.execute.notebook import NotebookFailed, NotebookRun

    parameters = {"results": str(results), "other": "", "waive": ",".join(sorted(waive))}
    run = NotebookRun(notebooks_dir() / "30_compare.ipynb", target, parameters, KernelSettings(), folders=(results,))

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

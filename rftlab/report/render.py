"""The page's text from a study that was read and decided: it decides nothing, and looks up what is shown."""

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from rftlab import plots, record
from rftlab.answer.card import answer
from rftlab.answer.decisions import Decisions
from rftlab.answer.ledger.book import beside, count, ledger, points, where
from rftlab.answer.ledger.rows import Row
from rftlab.answer.results import PANEL, Results, measured, unfinished
from rftlab.digests import stale
from rftlab.errors import RftlabError
from rftlab.execute.results import read_grid
from rftlab.report import about, remarks, tables, verdicts, viewer
from rftlab.report.figures import Drawing, inline
from rftlab.report.returns import Part

_SCRIPTS = {"page.js": ("page.js", "texts.js", "tables.js", "answers.js"), "figures.js": ("figures.js",)}
_REFUSED = ("Not compared", "Unknown")
"""Notes that a reader must see first."""
_MEANS = ("accuracy", "sampled_accuracy", "train_accuracy", "ood_accuracy", "format_rate")
_HEADS = {
    "accuracy": "accuracy", "sampled_accuracy": "sampled", "train_accuracy": "train", "ood_accuracy": "OOD",
    "format_rate": "format",
}  # fmt: skip


def render(study: Results, decisions: Decisions, drawings: Sequence[Drawing], returns: Sequence[Part] = ()) -> str:
    """The whole page, self-contained.

    Args:
        study: as read.
        decisions: of it.
        drawings: its figures.
        returns: its section on cost and return.
    """
    context = {**_context(study, decisions, drawings), "returns": returns}
    return _environment().get_template("report.html.j2").render(**context)


def matrix(decisions: Decisions) -> str:
    """The page's section of decisions alone, for a widget: HTML that needs page.css."""
    return _environment().get_template("decisions.html.j2").render(**_decided(decisions))


def _decided(decisions: Decisions) -> dict[str, Any]:
    return {
        "decides": decisions.decides,
        "matrix": verdicts.matrix(decisions),
        "margin": f"{100 * decisions.plan.smallest_effect:g}",
        "families": decisions.families,
        "compared": [verdicts.row(each) for each in decisions.decisions],
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rftlab.report", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = lambda share: "" if _lacks(share) else f"{100 * share:.0f} %"
    environment.filters["number"] = lambda value: "" if _lacks(value) else f"{value:.3g}"
    environment.filters["points"] = lambda share: "" if _lacks(share) else f"{100 * share:.1f}"
    environment.filters["title_of"] = plots.title
    environment.filters["inline"] = lambda picture: Markup(inline(picture))
    scripts = {name: "".join(f"\n{script(part)}" for part in parts) for name, parts in _SCRIPTS.items()}
    environment.globals["scripts"] = {name: Markup(text) for name, text in scripts.items()}
    environment.globals["policy"] = _policy(scripts.values())
    return environment


def script(name: str) -> str:
    """A file of the page, such as texts.js, for widgets that show the same."""
    return (files("rftlab.report") / name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str]) -> str:
    """A content security policy under which these scripts run and nothing else does, nor is anything fetched."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _lacks(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _context(study: Results, decisions: Decisions, drawings: Sequence[Drawing]) -> dict[str, Any]:
    records, damaged, cells, survey, results = study
    shown = _shown_measures(cells)
    drawn = {drawing.name: drawing for drawing in drawings}
    prompts = about.prompts_2x2(decisions)
    answers = viewer.samples(study, decisions)
    claims: list[dict[str, Any]] = [
        {
            "row": row,
            "where": where(row),
            "points": points(row),
            "count": count(row),
            "beside": beside(row),
            "summary": _in_the_way(row),
        }
        for row in ledger(study, decisions).rows
    ]
    return {
        "grid": results.name,
        "finished": len(cells),
        "damaged": record.kept_out(damaged) if damaged else "",
        "unfinished": len(unfinished(study)),
        "kept_out": _kept_out(results),
        "uneven": about.uneven(cells),
        "same": survey.same,
        "refused": [note for note in survey.notes if note.startswith(_REFUSED)],
        "notes": [note for note in survey.notes if not note.startswith(_REFUSED)],
        "budgets": tables.label_budgets(cells),
        "card": answer(study, decisions),
        "numbers": about.numbers(decisions),
        "tiny": about.is_tiny(cells),
        **_decided(decisions),
        "drawn": drawn,
        "missing": [f"{each.heading} ({each.caption.rstrip('.')})" for each in drawings if not each.pictures],
        "answers": answers,
        "answers_json": Markup(viewer.as_json(answers)),
        "claims": [row for row in claims if row["row"].status != "not tested"],
        "untested": [row for row in claims if row["row"].status == "not tested"],
        "prompts": prompts,
        "prompt_names": about.prompts_of(prompts),
        "rates": about.sensitivity(results),
        "chosen": about.chosen(records),
        "means": _means(cells, results, shown, decisions),
        "columns": [(measure, _HEADS.get(measure, plots.title(measure))) for measure in shown],
        "unmeasured": tables.unmeasured(cells),
        "cells": about.cell_rows(cells, results),
        "methods": about.methods(cells),
        "failures": remarks.failures(results, [item.id for item in records]),
        "remarks": remarks.of_study(study, decisions),
        "contract": about.varying_contract(records),
        "environments": about.environments(records),
    }


def _in_the_way(row: Row) -> str:
    """What a claim's row is opened for."""
    if row.failed:
        return f"{len(row.failed)} condition{'s' * (len(row.failed) != 1)} not met"
    return "what is needed" if row.needed else "evidence"


def _shown_measures(cells: pd.DataFrame) -> list[str]:
    """Columns of the table of means: what was measured, of pass@k the largest k."""
    found = measured(cells)
    largest = [measure for measure in found if measure.startswith("pass_at_")][-1:]
    return [measure for measure in (*_MEANS[:2], *largest, *_MEANS[2:]) if measure in found]


def _means(cells: pd.DataFrame, results: Path, shown: Sequence[str], decisions: Decisions) -> list[Mapping[str, Any]]:
    """Rows of the table of means: one per panel, arm and label budget."""
    table = tables.summary(cells, results, shown, decisions)
    by = [*PANEL, "labels", "arm"]
    wide = table.pivot(index=by, columns="measure", values="mean").reindex(columns=list(shown)).reset_index()
    greedy = table.loc[table["measure"] == "accuracy", [*by, "low", "high", "n", "over"]]
    rows = wide.merge(greedy, how="left", on=by).merge(tables.mean_costs(cells), how="left", on=by)
    return [{**row, "name": plots.title(str(row["arm"]))} for row in rows.to_dict("records")]  # type: ignore[misc, dict-item]


def _kept_out(results: Path) -> list[str]:
    """What the folder holds beside the cells of the grid last run in it."""
    try:
        return stale.kept_out(stale.earlier_cells(read_grid(results).cells, results))
    except RftlabError:
        return []

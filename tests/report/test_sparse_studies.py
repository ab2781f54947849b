"""Real studies that measured little: the report, its notebook and the widget cope, and name what was measured."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rftlab import report
from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.experiment import Experiment
from rftlab.interactive.compare import compare
from rftlab.record import cells_dir

BASE, SFT = {"method": "base", "labels": 0}, {"method": "sft"}
GRPO = {"method": "grpo", "settings": {"prompts_per_step": 2, "num_generations": 4}}
NO_CURVE = {"evaluation.along_the_way": 0}
BARE = {**NO_CURVE, "evaluation.sampled_items": 0, "evaluation.ood_items": 0, "evaluation.train_items": 1}

# Name -> (cells, what the verdicts say, what the page says).
STUDIES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "base only": (
        [BASE],
        "measured was untrained base 62 %; there is nothing to compare it with",
        "Not measured: train accuracy",
    ),
    "bare, one seed": (
        [{**method, **BARE, "evaluation.test_items": 1} for method in (BASE, SFT, GRPO)],
        "GRPO against untrained base: open (+0 [",
        "Not measured: sampled accuracy and pass@k (evaluation.sampled_items is 0); out-of-distribution accuracy",
    ),
    "one method, no curve": (
        [{**SFT, **NO_CURVE, "seed": seed} for seed in (0, 1)],
        "8 labels: measured was SFT",
        "learning curves (evaluation.along_the_way is 0)",
    ),
    "no base": (
        [{**method, "seed": seed} for method in (SFT, GRPO) for seed in (0, 1)],
        "GRPO against SFT: open (",
        "pass@2",
    ),
}


@pytest.fixture(
    params=[name if name == "bare, one seed" else pytest.param(name, marks=pytest.mark.slow) for name in STUDIES]
)
def study(request: pytest.FixtureRequest, small_cell: Callable[..., Cell], tmp_path: Path) -> tuple[Path, str, str]:
    cells, verdict, page = STUDIES[request.param]
    for values in cells:
        cell = with_digests(small_cell(**values))
        experiment = Experiment(cell, out=cells_dir(tmp_path) / cell.id)
        experiment.train()
        experiment.evaluate()
        experiment.save()
    return tmp_path, verdict, page


def test_report_notebook_and_widget_cope(study: tuple[Path, str, str]) -> None:
    results, verdict, said = study
    assert any(verdict in text for text in report.verdicts(results))

    page = html.unescape(report.write_report(results)[0].read_text())
    assert said in page
    assert not re.search(r">\s*(nan|None)\b", page)

    executed = nbformat.read(results / "report/report.ipynb", as_version=4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data", "stream"}
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert not [output for output in outputs if "NaN" in output.get("data", {}).get("text/plain", "")]
    assert sum("image/png" in output.get("data", {}) for output in outputs) in (5, 6)  # the view's own

    view = compare(results)
    for figure, _ in view.options["figure"]:
        for measure, _ in view.options["measure"]:
            view.choose(figure=figure, measure=measure)
            assert view.view["svg"] or "nothing to draw" in view.view["said"], (figure, measure)

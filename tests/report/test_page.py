"""What the page draws and says beside its decisions: names at the ends of lines, colours of families, alt texts."""

import re
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from rftlab import plots, record, report
from rftlab.answer.card import answer
from rftlab.answer.decisions import decide
from rftlab.errors import RftlabError
from rftlab.plots.canvas import spread
from rftlab.registry import METHODS
from rftlab.report import about, figures
from tests import synthetic


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    synthetic.write_grid(folder, methods=("base", "sft", "grpo", "rloo"), labels=(10, 300), seeds=(0, 1, 2), items=20)
    found = report.read_results(folder)
    return found, decide(found)


def test_names_that_would_overlap_are_moved_apart_and_stay_in_order():
    places = spread([0.5, 0.5, 0.51, 0.9], 0.1, 0, 1)
    assert places[3] == 0.9
    ordered = sorted(places)
    assert min(b - a for a, b in pairwise(ordered)) > 0.0999
    assert (ordered[0], ordered[-1]) >= (0, 0)
    assert max(spread([0.99, 1.0], 0.1, 0, 1)) == 1


def test_every_known_method_has_the_colour_of_its_family():
    assert set(plots.STYLES) == set(METHODS)
    for name, entry in METHODS.items():
        assert plots.STYLES[name][0] == plots.FAMILIES[entry.family]


def test_lines_of_the_main_figure_are_named_at_their_ends_without_overlaps(study):
    drawn = figures.hero(*study, report.summary(study[0].cells, study[0].where)).pictures[0].figure
    ax = next(ax for ax in drawn.axes if "chain" in ax.get_title(loc="left"))
    drawn.dpi = 72
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    names = {text.get_gid(): text for text in ax.findobj(Text) if str(text.get_gid()).startswith("arm.")}
    assert set(names) == {"arm.sft.name", "arm.grpo.name", "arm.rloo.name", "arm.base.name"}
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in names.values()]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    assert all(ax.bbox.x1 < each.x0 < each.x1 < drawn.bbox.x1 for each in boxes)


def test_each_measure_is_a_tab_of_its_own_in_the_range_of_the_data_and_from_0_to_100(study):
    pictures = figures.hero(*study, report.summary(study[0].cells, study[0].where)).pictures
    assert [p.title for p in pictures[::2]] == ["greedy", "sampled", "out-of-distribution accuracy", "pass@8"]
    narrow, whole = ([ax.get_ylim() for ax in picture.figure.axes] for picture in pictures[:2])
    assert set(whole) == {(-0.02, 1.02)}
    assert min(high - low for low, high in narrow) < 1


def test_an_alt_text_says_what_the_figure_shows_and_ids_are_of_one_picture_only(study):
    drawings = [drawing for drawing in figures.draw_all(*study) if drawing.pictures]
    inlined = [figures.inline(picture) for drawing in drawings for picture in drawing.pictures]
    level = next(lv for lv in study[1].levels if (lv.arm, lv.measure, lv.place.labels) == ("grpo", "accuracy", 10))
    assert f"{100 * level.mean.estimate:.0f} % at 10" in re.search(r'aria-label="([^"]*)"', inlined[0])[1]
    ids = [set(re.findall(r'id="([mp][0-9a-f]{10})"', svg)) for svg in inlined]
    assert sum(map(len, ids)) == len(set().union(*ids))
    assert not any("#1d2329" in svg for svg in inlined)


def test_beyond_six_arms_the_winner_the_best_of_each_family_and_the_base_are_in_colour(study):
    _, decisions = study
    panel = decisions.panels[0]
    assert about.loud(decisions, panel) == frozenset()
    level = next(lv for lv in decisions.levels if lv.arm == "rloo" and lv.place[:4] == panel)
    more = tuple(level._replace(arm=f"rloo [{n}]", mean=level.mean) for n in range(4))
    crowd = type(decisions)(decisions.plan, (), decisions.decisions, (*decisions.levels, *more), "accuracy")
    bright = about.loud(crowd, panel)
    assert {"base", "sft"} <= bright
    assert len(bright) < 7


def test_the_cost_under_the_answer_is_the_one_that_the_answer_says(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "skill", lambda cell: {"sft": 0.95, "grpo": 0.5}.get(cell.method, 0.1))
    spent = {("sft", 10): 1e9, ("sft", 300): 4e9, ("grpo", 10): 8e9, ("grpo", 300): 8e9}
    synthetic.write_grid(tmp_path, methods=("base", "sft", "grpo"), labels=(10, 300), seeds=(0, 1, 2), items=200)
    found = decide(report.read_results(tmp_path))
    flops = [spent.get((lv.arm, lv.place.labels), 0.0) for lv in found.levels]
    levels = tuple(lv._replace(flops=each, spent=each) for lv, each in zip(found.levels, flops, strict=True))
    decisions = replace(found, levels=levels)
    said = re.findall(r"costs (\S+) times the FLOPs", str(answer(report.read_results(tmp_path), decisions)))
    assert said
    assert {"5 times"} == {f"{each} times" for each in said}
    assert "5 times" in [number.value for number in about.numbers(decisions)]


def test_the_four_numbers_are_read_off_the_decisions(study):
    numbers = about.numbers(study[1])
    assert [n.meaning.split(",")[0] for n in numbers][-1].startswith("seeds x test items")
    assert numbers[-1].value == "3 x 20"
    effects = [
        d for d in study[1].decisions if d.axis == "cot" and d.measure == "accuracy" and d.first in ("sft", "grpo")
    ]
    largest = max(round(100 * d.difference.estimate) for d in effects)
    assert f"{largest:+d} points" in numbers[1].value
    assert pd.notna(largest)


def test_the_viewer_says_how_many_items_have_kept_their_texts(tmp_path):
    for found in synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), seeds=(0,), items=10):
        cell = record.cells_dir(tmp_path) / found.id
        trace, samples = (list(record.read_lines(cell / name)) for name in (record.TRACE, record.SAMPLES))
        for row in samples:
            if int(row["item"].partition("-")[2]) >= 4:
                del row["completion"]
        found.write(cell, trace=trace, samples=samples)
    page = report.write_report(tmp_path, notebook=False)[0].read_text()
    assert "4 of 10 test items are here" in page


def test_a_page_is_not_written_where_a_link_leads_out_of_the_results(tmp_path):
    synthetic.write_grid(tmp_path / "study", labels=(10,), cots=(True,), seeds=(0,), items=4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "study" / "report").symlink_to(tmp_path / "mine")
    with pytest.raises(RftlabError, match="study/report leads to .*/mine, outside the results; remove that link"):
        report.write_report(tmp_path / "study", notebook=False)
    assert not list((tmp_path / "mine").iterdir())

"""The view of a study: what is chosen is drawn, the base stays, what is missing is said, and marks lead to answers."""

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from rftlab import record, report
from rftlab.errors import RftlabError
from rftlab.interactive.compare import Comparison, compare
from rftlab.interactive.drawn import FIGURES, MOST
from tests import synthetic
from tests.interactive.in_page import launched, shown_in_page, sync_api

HOSTILE = "</script><img src=x onerror='window.hacked=1'>\u202e"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    found = synthetic.write_grid(folder, labels=(10, 300), items=10, seeds=(0, 1))
    for each in found:
        cell = record.cells_dir(folder) / each.id
        trace, samples = (list(record.read_lines(cell / name)) for name in (record.TRACE, record.SAMPLES))
        each.write(cell, trace=trace, samples=[{**row, "completion": HOSTILE} for row in samples])
    return folder


@pytest.fixture
def view(results) -> Comparison:
    return compare(results)


def says(view: Comparison) -> list[str]:
    """What the marks say, a text each."""
    return ["; ".join(mark[4]) for mark in view.view["marks"]]


def assert_a_picture(view: Comparison) -> None:
    assert ElementTree.fromstring(view.view["svg"]).tag.endswith("svg")
    assert view.view["width"] > 0
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y, *_ in view.view["marks"])


def test_the_first_picture_is_there_before_anything_is_touched(view):
    assert_a_picture(view)
    assert "20 of 20 cells" in view.view["said"]
    assert view._repr_mimebundle_()[0]["image/png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_can_be_chosen_and_its_marks_say_what_is_drawn(view, figure):
    view.choose(figure=figure)
    assert_a_picture(view)
    assert any(text.startswith("GRPO, 300 labels; ") for text in says(view))
    assert figure == "learning" or any(text.startswith("untrained base; ") for text in says(view))


def test_the_marks_say_the_numbers_of_the_table(view, results):
    table = report.summary(report.read_cells(results), results, ["accuracy"])
    for row in table.to_dict("records"):
        where = f"{row['task']}, {row['prompt']}: greedy accuracy"
        name = {"base": "untrained base"}.get(row["arm"], f"{row['arm'].upper()}, {row['labels']} labels")
        limits = f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if row["low"] == row["low"] else ""
        numbers = f"greedy accuracy {100 * row['mean']:.1f} %{limits}"
        assert any(text.startswith(f"{name}; {numbers}") and text.endswith(where) for text in says(view))
    assert len(says(view)) == len(table)


@pytest.mark.parametrize(
    ("chosen", "cells"),
    [
        ({"arm": ["grpo"]}, 12), ({"labels": [10]}, 12), ({"prompt": ["direct"]}, 12), ({"seed": [1]}, 10),
        ({"arm": ["sft"], "labels": [300], "prompt": ["chain-of-thought"], "seed": [0]}, 3),
    ],
)  # fmt: skip
def test_filters_leave_the_base_and_what_was_chosen(view, chosen, cells):
    view.choose(**chosen)
    assert_a_picture(view)
    assert f"{cells} of 20 cells" in view.view["said"]
    told = says(view)
    assert any(text.startswith("untrained base; ") for text in told)
    arms = {"GRPO", "SFT"} if "arm" not in chosen else {name.upper() for name in chosen["arm"]}
    assert {text.partition(",")[0] for text in told if not text.startswith("untrained")} == arms
    assert all("direct" not in text for text in told) or chosen.get("prompt") != ["chain-of-thought"]


def test_fewer_seeds_are_means_over_these_seeds(view, results):
    view.choose(seed=[1], prompt=["direct"], arm=["sft"], labels=[10])
    cells = report.read_cells(results)
    [mean] = cells.query("seed == 1 and prompt == 'direct' and method == 'sft' and labels == 10")["accuracy"]
    told = [text for text in says(view) if text.startswith(f"SFT, 10 labels; greedy accuracy {100 * mean:.1f} %")]
    assert len(told) == 1
    assert "; 1 seed" in told[0]


@pytest.mark.parametrize("figure", [name for name in FIGURES if name != "learning"])
def test_seeds_one_by_one_have_a_panel_and_values_of_their_own_and_no_interval(view, results, figure):
    prompts = ["direct"] if figure != "prompts" else ["chain-of-thought", "direct"]
    view.choose(figure=figure, seeds="single", prompt=prompts)
    assert_a_picture(view)
    assert {text.rpartition("seed ")[2][0] for text in says(view)} == {"0", "1"}
    assert not any("[" in text for text in says(view))
    cells = report.read_cells(results).query("seed == 1 and prompt == 'direct' and method == 'grpo' and labels == 300")
    measured = cells["train_accuracy" if figure == "gap" else "accuracy"].iloc[0]
    assert any(f"{100 * measured:.1f} %; seed 1" in text for text in says(view) if text.startswith("GRPO, 300 labels"))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"arm": []}, "Nothing is chosen of: method."),
        ({"task": [], "seed": []}, "Nothing is chosen of: task, seed."),
    ],
)
def test_an_empty_choice_says_what_is_missing_shows_no_picture_and_recovers(view, chosen, said):
    before = dict(view.chosen)
    view.choose(**chosen)
    assert (view.view["svg"], view.view["marks"]) == ("", [])
    assert view.view["said"].startswith(said)
    with pytest.raises(RftlabError, match="nothing is shown"):
        view.file("png")
    view.choose(**before)
    assert_a_picture(view)


def test_a_choice_that_no_cell_is_names_what_there_is_instead(tmp_path):
    synthetic.write_grid(tmp_path, methods=("base", "sft"), labels=(10,), cots=(False,), seeds=(0,), items=4)
    synthetic.write_grid(tmp_path, methods=("grpo",), labels=(50,), cots=(False,), seeds=(0,), items=4)
    view = compare(tmp_path)
    view.choose(arm=["grpo"], labels=[10])
    assert view.view["svg"] == ""
    assert "No cell that has finished is all of this." in view.view["said"]
    assert "method sft" in view.view["said"]
    assert "label budget 50" in view.view["said"]


def test_a_measure_that_was_not_taken_is_named(tmp_path):
    synthetic.write_cell(tmp_path, {"method": "sft", "labels": 10, "seed": 0}, items=4, metrics={"accuracy": 0.5})
    view = compare(tmp_path)
    view.choose(figure="ood")
    assert view.view["svg"] == ""
    assert "out-of-distribution accuracy was not measured in these cells" in view.view["said"]


def test_files_are_what_is_shown(view, results):
    view.choose(arm=["grpo"], prompt=["direct"])
    heads = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert {kind: view.file(kind)[: len(head)] for kind, head in heads.items()} == heads
    rows = pd.read_csv(StringIO(view.file("csv").decode()))
    assert set(rows["arm"]) == {"base", "grpo"}
    assert len(rows) == len(says(view)) == 3
    sent = []
    view.send = lambda content, buffers=None: sent.append((content, buffers))
    view._handle_custom_msg({"file": "csv"}, [])
    view._handle_custom_msg({"file": "exe"}, [])
    assert sent[0] == ({"file": "labels.csv"}, [view.file("csv")])
    assert "no file of kind 'exe'" in sent[1][0]["problem"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_mark_leads_to_the_completions_of_its_cells_beside_the_base(view, results, figure):
    view.choose(figure=figure, prompt=["direct"], arm=["grpo"], labels=[300])
    marks = [number for number, text in enumerate(says(view)) if text.startswith("GRPO, 300 labels")]
    view._handle_custom_msg({"open": marks[-1], "number": view.view["number"]}, [])
    cells = report.read_cells(results).query("prompt == 'direct' and method == 'grpo' and labels == 300")
    panels = view.answers["panels"]
    assert [panel["arms"][1]["cell"] for panel in panels] == list(cells.sort_values("seed")["id"])
    assert {panel["arms"][0]["name"] for panel in panels} == {"untrained base"}
    assert all(len(panel["items"]) == len(panel["arms"][1]["rows"]) == 10 for panel in panels)
    view._handle_custom_msg({"open": 10_000, "number": view.view["number"]}, [])
    view._handle_custom_msg({"open": 0, "number": -1}, [])
    assert view.answers["panels"] == panels


def test_two_folders_are_shown_in_one_view(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    synthetic.write_grid(first, methods=("base", "sft"), labels=(10,), cots=(False,), seeds=(0, 1), items=6)
    synthetic.write_grid(second, methods=("base", "grpo"), labels=(10,), cots=(False,), seeds=(0, 1), items=6)
    view = compare(first, other=second)
    assert "6 of 6 cells" in view.view["said"]
    assert {text.partition(",")[0].partition(";")[0] for text in says(view)} == {"untrained base", "SFT", "GRPO"}
    where = view.results.where
    view.open_mark(0)
    assert view.answers["panels"]
    view.close()
    assert where.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    with pytest.raises(RftlabError, match="no cell has finished|does not exist|no results"):
        compare(first, other=tmp_path / "nowhere")


@pytest.mark.slow
def test_450_cells_change_within_a_second(tmp_path):
    methods, tasks = ("base", "sft", "grpo", "rloo", "sft+grpo"), ("arithmetic/word", "arithmetic/chain", "dose")
    how = {"methods": methods, "items": 12}
    synthetic.write_grid(tmp_path, tasks=tasks, labels=(10, 30, 100, 300), seeds=(0, 1, 2, 3), **how)
    synthetic.write_grid(tmp_path, tasks=tasks[:1], labels=(1000,), seeds=(0, 1, 2, 3, 4), **how)
    view = compare(tmp_path)
    assert len(view.results.cells) >= 450
    spent = {}
    for change in (
        {"arm": ["grpo", "sft"]}, {"labels": [10, 100]}, {"figure": "flops"}, {"prompt": ["direct"]},
        {"seed": [0, 1, 2]}, {"seeds": "single"}, {"figure": "gap", "seeds": "pooled"}, {"task": ["dose"]},
        {"figure": "prompts"},
    ):  # fmt: skip
        began = time.process_time()  # of this process alone: other tests may be running beside it
        view.choose(**change)
        spent[str(change)] = time.process_time() - began
        assert view.view["svg"] or change == {"figure": "prompts"}, change
    assert max(spent.values()) < 1, spent


def test_a_cost_axis_has_ticks_however_alike_the_costs_are(view):
    view.choose(figure="flops", arm=["grpo"])
    for ax in view._drawn.figure.axes:
        low, high = ax.get_xlim()
        assert sum(low <= tick <= high for tick in ax.get_xticks()) >= 2


def test_no_more_panels_than_can_be_looked_at_are_drawn(tmp_path):
    synthetic.write_grid(tmp_path, methods=("base", "sft"), labels=(10,), seeds=tuple(range(8)), items=4)
    view = compare(tmp_path)
    view.choose(seeds="single")
    assert f"{MOST} of 16 panels are drawn" in view.view["said"]


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    yield from launched()


def test_in_a_page_a_mark_is_pointed_at_and_clicked_and_completions_stay_texts(browser, view):
    with shown_in_page(browser, view, width=800) as page:
        page.wait_for_function("() => document.querySelector('.picture img').naturalWidth > 0")
        page.wait_for_function("() => document.querySelector('.picture').clientWidth < 800")
        page.locator("fieldset[data-part=labels] input").first.uncheck()
        page.wait_for_selector("text=12 of 20 cells")
        mark = page.locator(".mark[aria-label^='GRPO, 300 labels']").first
        mark.hover()
        assert page.locator(".tip p").first.inner_text() == "GRPO, 300 labels"
        mark.click()
        assert page.locator(".behind .completion").first.text_content() == HOSTILE.replace("\u202e", "⟨U+202E⟩")
        with page.expect_download() as download:
            page.locator("button:has-text('table (CSV)')").click()
        assert download.value.suggested_filename == "labels.csv"
        page.locator("fieldset[data-part=arm] input").first.uncheck()
        page.locator("fieldset[data-part=arm] input").nth(1).uncheck()
        page.wait_for_selector("text=Nothing is chosen of: method.")
        assert page.locator(".picture").is_hidden()
        assert page.evaluate("window.hacked") is None

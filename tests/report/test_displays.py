"""Displays draw one axes each: what is drawn, on which axes, what is refused, and that names stand apart."""

import itertools
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import rftlab
from rftlab import plots, report
from rftlab.answer.decisions import decide
from rftlab.plots.ends import EndNames
from rftlab.plots.look import by_family, line_of, look
from rftlab.registry import METHODS
from rftlab.report import displays
from tests import synthetic

COT = "chain-of-thought"
SIXTEEN = [name for name, entry in METHODS.items() if entry.trains]
MANY = "arithmetic/word"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "study"
    synthetic.write_grid(folder, labels=(10, 100), seeds=(0, 1), items=20)
    return folder


@pytest.fixture(scope="module")
def cells(results) -> pd.DataFrame:
    return rftlab.load(results)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> pd.DataFrame:
    """Every method there is, with one label budget, and labels at whose ends they crowd."""
    folder = tmp_path_factory.mktemp("many") / "study"
    synthetic.write_grid(folder, methods=("base", *SIXTEEN), labels=(10, 100), cots=(True,), seeds=(0, 1), items=8)
    return rftlab.load(folder)


def display(name: str, cells: pd.DataFrame, **more):
    """A display of the study's panel with chain-of-thought."""
    panel = {} if name == "CotVsDirect" else {"prompt": COT}
    return getattr(rftlab, name).from_results(cells, **panel, **more)


def drawn(figure: Figure):
    """The figure's renderer, after drawing."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def heights(ax) -> list[float]:
    """All y values of an axes' marks and lines, rounded."""
    found = [y for line in ax.lines for y in np.asarray(line.get_ydata(), float)]
    found += [y for marks in ax.collections for y in np.asarray(marks.get_offsets(), float)[:, 1]]
    return [round(y, 9) for y in found]


@pytest.mark.parametrize("measure", ["accuracy", "sampled_accuracy"])
def test_accuracy_over_labels_draws_the_means_and_intervals_of_the_results(results, cells, measure):
    shown = display("AccuracyVsLabels", cells).plot(measure=measure)
    table = report.summary(report.read_cells(results), results, [measure])
    table = table[table["prompt"] == COT].set_index(["arm", "labels"])
    assert len(shown.data) == len(table) == 5
    for row in shown.data.itertuples():
        expected = table.loc[(row.arm, row.labels)]
        assert (row.mean, row.low, row.high) == tuple(expected[["mean", "low", "high"]])
        assert round(row.mean, 9) in heights(shown.axes_)
    bars = [y for each in shown.axes_.collections for path in each.get_paths() for y in path.vertices[:, 1]]
    trained = shown.data[shown.data["labels"] > 0]
    assert {*trained["low"], *trained["high"]} <= {*bars}


def test_means_are_those_of_the_cells(cells):
    data = display("AccuracyVsLabels", cells).plot().data
    for row in data.itertuples():
        here = cells[(cells["method"] == row.arm) & (cells["labels"] == row.labels) & cells["cot_eval"]]
        assert row.mean == pytest.approx(here["accuracy"].mean())


def test_rows_that_were_filtered_away_are_not_drawn(cells):
    some = cells[(cells["method"] != "grpo") & cells["cot"] & (cells["seed"] == 0)]
    data = displays.AccuracyVsLabels.from_results(some).plot().data
    assert set(data["arm"]) == {"base", "sft"}
    alone = some[(some["method"] == "sft") & (some["labels"] == 10)]["accuracy"].item()
    assert data.set_index(["arm", "labels"])["mean"]["sft", 10] == pytest.approx(alone)


def test_a_folder_and_an_archive_draw_what_their_table_draws(results, cells, tmp_path):
    archive = rftlab.export(results, tmp_path / "study.tar.xz")
    first, *others = (display("AccuracyVsLabels", each).plot().data for each in (cells, results, archive))
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_costs_are_the_means_of_the_cells(cells):
    shown = display("AccuracyVsCost", cells, cost="tokens").plot()
    row = shown.data.set_index(["arm", "labels"]).loc[("grpo", 100)]
    here = cells[(cells["method"] == "grpo") & (cells["labels"] == 100) & cells["cot"]]
    assert row["tokens"] == pytest.approx((here["tokens_generated"] + here["tokens_trained"]).mean())
    points = [tuple(each) for marks in shown.axes_.collections for each in np.asarray(marks.get_offsets())]
    assert (row["tokens"], row["mean"]) in points
    assert shown.axes_.get_xscale() == "log"


@pytest.mark.parametrize(("measure", "kind"), [("accuracy", "eval"), ("reward", "train")])
def test_learning_curves_draw_the_learning_table_at_one_budget(results, cells, measure, kind):
    shown = display("LearningCurves", cells, labels=10).plot(measure=measure)
    table = report.learning_table(report.read_cells(results), results)
    table = table[(table["prompt"] == COT) & (table["labels"] == 10) & (table["kind"] == kind)]
    assert len(shown.data) == len(table) > 0
    assert sorted(shown.data["value"]) == sorted(table["value"])
    assert {round(value, 9) for value in table["value"]} <= {*heights(shown.axes_)}


def test_the_gap_is_between_train_and_test_accuracy(cells):
    shown = display("GeneralisationGap", cells, labels=100).plot()
    wide = shown.data.pivot_table(index="arm", columns="measure", values="mean")
    assert list(shown.axes_.get_yticks()) == [0, 1]
    assert [text.get_text() for text in shown.axes_.get_yticklabels()] == ["SFT", "GRPO"]
    ends = [[round(x, 9) for x in sorted(line.get_xdata())] for line in shown.axes_.lines if len(line.get_xdata()) == 2]
    assert ends == [[round(x, 9) for x in sorted(wide.loc[arm])] for arm in ("sft", "grpo")]
    metrics = cells[cells["cot"] & (cells["labels"] == 100)].groupby("method")["train_accuracy"].mean()
    assert wide.loc["sft", "train_accuracy"] == pytest.approx(metrics["sft"])


def test_out_of_distribution_stands_beside_test(cells):
    data = display("OutOfDistribution", cells, labels=100).plot().data
    assert set(data["measure"]) == {"accuracy", "ood_accuracy"}
    means = cells[cells["cot"] & cells["labels"].isin([0, 100])].groupby("method")["ood_accuracy"].mean()
    for row in data[data["measure"] == "ood_accuracy"].itertuples():
        assert row.mean == pytest.approx(means[row.arm])


def test_prompts_of_one_training_share_a_row_and_a_2_x_2_has_a_row_each_training(tmp_path, cells):
    matched = displays.CotVsDirect.from_results(cells, labels=100).plot()
    assert [text.get_text() for text in matched.axes_.get_yticklabels()] == ["untrained base", "SFT", "GRPO"]
    assert len(matched.data) == 6
    for cot, asked in itertools.product((False, True), repeat=2):
        synthetic.write_grid(tmp_path, methods=("base", "sft"), labels=(10,), cots=(cot,), cot_eval=asked, items=10)
    crossed = displays.CotVsDirect.from_results(rftlab.load(tmp_path)).plot()
    names = [text.get_text() for text in crossed.axes_.get_yticklabels()]
    assert names == ["untrained base", "SFT, trained with CoT", "SFT, trained direct"]
    assert crossed.data["trained"].tolist() == ["", "", "CoT", "CoT", "direct", "direct"]
    assert "10 labels" in crossed.axes_.get_xlabel()


def test_differences_are_the_decisions_of_the_study(results, cells):
    shown = display("Differences", cells).plot()
    decisions = decide(report.read_results(results))
    found = {(d.place.labels, d.first, d.second): d for d in decisions.decisions
             if d.measure == "accuracy" and d.axis == "method" and d.place.prompt == COT}  # fmt: skip
    assert len(shown.data) == 6
    for row in shown.data.itertuples():
        each = found[row.labels, row.arm, row.against]
        assert (row.difference, row.low, row.high, row.word) == (
            each.difference.estimate, each.difference.low, each.difference.high, each.word,
        )  # fmt: skip
    turned = display("Differences", cells, against="grpo", labels=100).plot().data.set_index("arm")
    there = found.get((100, "sft", "grpo")) or found[100, "grpo", "sft"].seen_from("sft", 0.05)
    assert turned["difference"]["sft"] == pytest.approx(there.difference.estimate)
    assert set(turned.index) == {"sft", "base"}


@pytest.mark.parametrize(
    "name",
    ["AccuracyVsLabels", "AccuracyVsCost", "LearningCurves", "GeneralisationGap", "OutOfDistribution", "CotVsDirect",
     "Differences"],
)  # fmt: skip
def test_every_display_draws_on_the_axes_it_is_given_and_saves_equal_bytes(name, cells, tmp_path):
    import matplotlib.pyplot as plt

    with plots.style("paper"):
        figure, (left, right) = plt.subplots(1, 2, layout="constrained")
        shown = display(name, cells).plot(right)
        assert shown.axes_ is right
        assert shown.figure_ is figure
        assert not left.has_data()
        assert right.has_data()
        plt.close(figure)
        own = [display(name, cells).plot() for _ in range(2)]
    assert own[0].figure_ is not own[1].figure_
    pd.testing.assert_frame_equal(own[0].data, shown.data)
    for kind in ("png", "svg", "pdf"):
        paths = [tmp_path / f"{number}.{kind}" for number in range(2)]
        for each, path in zip(own, paths, strict=True):
            each.figure_.savefig(path, dpi=40)
        assert paths[0].read_bytes() == paths[1].read_bytes()


HASHES = """
import hashlib, pandas as pd
from rftlab import plots
table = pd.DataFrame({"arm": ["sft", "grpo"], "labels": [10, 10], "mean": [0.3, 0.4], "low": 0.1, "high": 0.5})
table = table.assign(task="t", model="m", variant="", prompt="direct", measure="accuracy")
figure = plots.over_labels(table, table.assign(value=0.3))
print(*(hashlib.sha256(plots.to_bytes(figure, kind)).hexdigest() for kind in ("png", "svg", "pdf")))
"""


def test_another_process_saves_the_same_bytes(capsys):
    exec(HASHES, {})
    here = capsys.readouterr().out
    there = subprocess.run([sys.executable, "-c", HASHES], capture_output=True, text=True, env={"PYTHONHASHSEED": "7"})
    assert there.returncode == 0, there.stderr
    assert there.stdout == here
    assert len({*here.split()}) == 3


@pytest.mark.parametrize(
    ("name", "measure", "says"),
    [
        ("AccuracyVsLabels", "acuracy", r"knows no measure 'acuracy'; there are accuracy, .*did you mean accuracy\?"),
        ("AccuracyVsLabels", "retention_accuracy", r"does not find .* \(evaluation.retention is empty, .*accuracy, "),
        ("OutOfDistribution", "ood_rule_accuracy", "does not find .*ood_rule_accuracy .*there are ood_accuracy"),
        ("LearningCurves", "loss", "knows no measure 'loss'; there are accuracy, reward$"),
        ("GeneralisationGap", "train_accuracy", r"does not find the measure train_accuracy .*there are accuracy"),
        ("Differences", "acc", "knows no measure 'acc'; there are accuracy, "),
    ],
)  # fmt: skip
def test_a_measure_that_is_not_there_is_refused_with_those_that_are(name, measure, says, cells):
    with pytest.raises(rftlab.RftlabError, match=says) as found:
        display(name, cells).plot(measure=measure)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "chosen", "says"),
    [
        ("AccuracyVsLabels", {}, "hold 2 prompts: 'chain-of-thought', 'direct'; choose one, as prompt='chain-of"),
        ("AccuracyVsLabels", {"task": "arithmetic/wrd"}, r"no task 'arithmetic/wrd' in these results; did you mean"),
        ("AccuracyVsLabels", {"prompt": COT, "methods": ["sfd"]}, r"methods names 'sfd', .*did you mean sft\?"),
        ("AccuracyVsCost", {"cost": "flop"}, r"knows no cost 'flop'; did you mean flops\?"),
        ("LearningCurves", {"prompt": COT, "labels": 30}, "nothing was trained on 30 labels; the budgets are 10, 100"),
        ("LearningCurves", {"x": "steps"}, r"knows no axis 'steps'; did you mean step, "),
        ("LearningCurves", {"prompt": COT, "methods": "base"}, "no trained cell is left"),
        ("Differences", {"prompt": COT, "against": "ppo"}, "against names 'ppo', which these results do not hold"),
    ],
)
def test_what_is_chosen_and_not_there_is_refused(name, chosen, says, cells):
    with pytest.raises(rftlab.RftlabError, match=says):
        getattr(rftlab, name).from_results(cells, **chosen)


def test_results_that_are_none_are_refused(cells, tmp_path):
    cells.to_csv(tmp_path / "cells.csv")
    for results, says in (
        (3, "results is a int; give what rftlab.load returns"),
        (pd.read_csv(tmp_path / "cells.csv"), "does not say which results it was loaded from"),
        (cells.iloc[:0], "results has no rows"),
    ):
        with pytest.raises(rftlab.RftlabError, match=says):
            rftlab.AccuracyVsLabels.from_results(results)


def test_what_was_not_measured_is_named_with_what_asks_for_it(tmp_path):
    synthetic.write_grid(tmp_path, methods=("base",), cots=(True,), items=8)
    base = rftlab.load(tmp_path)
    with pytest.raises(rftlab.RftlabError, match="train accuracy was not measured"):
        rftlab.GeneralisationGap.from_results(base).plot()
    with pytest.raises(rftlab.RftlabError, match="no trained cell with greedy accuracy recorded its training FLOPs"):
        rftlab.AccuracyVsCost.from_results(base).plot()


def test_the_palette_colours_arms_methods_and_families(cells):
    shown = display("AccuracyVsLabels", cells).plot(palette={"rft": "#123456", "sft": "red"})
    colours = {line.get_gid(): to_hex(line.get_color()) for line in shown.axes_.lines if line.get_gid()}
    assert colours["arm.grpo.line"] == "#123456"
    assert colours["arm.sft.line"] == "#ff0000"
    assert colours["arm.base.line"] == plots.FAMILIES["base"]
    with pytest.raises(rftlab.RftlabError, match="palette names 'gripo', no arm, method or family; did you mean grpo"):
        display("AccuracyVsLabels", cells).plot(palette={"gripo": "red"})
    with pytest.raises(rftlab.RftlabError, match="palette gives sft the colour 'rot', which matplotlib does not know"):
        display("AccuracyVsLabels", cells).plot(palette={"sft": "rot"})


def test_arms_are_in_the_order_asked_for(many):
    chosen = rftlab.OutOfDistribution.from_results(many, labels=100)

    def order_of(**how) -> list[str]:
        return list(dict.fromkeys(chosen.plot(**how).data["arm"]))

    assert order_of() == sorted(order_of(), key=by_family)
    data = chosen.plot(order="result").data
    best = data[data["measure"] == "ood_accuracy"]["mean"].tolist()
    assert best == sorted(best, reverse=True)
    assert order_of(order=["dpo", "base"])[:2] == ["dpo", "base"]
    with pytest.raises(rftlab.RftlabError, match="order is 'best'; give family, result, or a list of arms"):
        order_of(order="best")


def test_no_two_methods_share_colour_and_marker_nor_colour_and_line():
    assert len(SIXTEEN) >= 16
    assert len({look(name) for name in METHODS}) == len(METHODS)
    assert len({(look(name)[0], line_of(name)) for name in METHODS}) == len(METHODS)


def test_every_method_has_a_name_of_its_own_as_people_write_it():
    names = [plots.title(name) for name in METHODS]
    assert len({*names}) == len(METHODS)
    assert not any("_" in name for name in names)
    assert plots.title("rejection_sft") == "rejection-sampling SFT"


@pytest.mark.parametrize("name", ["AccuracyVsLabels", "AccuracyVsCost", "LearningCurves"])
def test_names_at_line_ends_stand_apart_and_inside_a_column(name, many):
    with plots.style("paper"):
        shown = getattr(rftlab, name).from_results(many).plot()
        renderer = drawn(shown.figure_)
    (names,) = shown.axes_.findobj(EndNames)
    assert {text.get_text() for text in names.texts} == {*shown.data["name"]}
    assert len(names.texts) >= 16
    boxes = [text.get_window_extent(renderer) for text in names.texts]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    figure = shown.figure_.bbox
    assert all(figure.y0 <= box.y0 and box.y1 <= figure.y1 and box.x1 <= figure.x1 for box in boxes)
    assert all(box.x0 > shown.axes_.bbox.x1 for box in boxes)
    assert shown.axes_.bbox.width > 0.3 * figure.width


def test_names_stand_apart_in_a_low_axes_too(many):
    figure = Figure(figsize=(3.4, 1.2))
    shown = rftlab.AccuracyVsLabels.from_results(many).plot(figure.subplots())
    renderer = drawn(figure)
    (names,) = shown.axes_.findobj(EndNames)
    boxes = [text.get_window_extent(renderer) for text in names.texts]
    centres = sorted((box.y0 + box.y1) / 2 for box in boxes)
    assert min(b - a for a, b in itertools.pairwise(centres)) >= max(box.height for box in boxes)


@pytest.mark.parametrize("name", ["GeneralisationGap", "OutOfDistribution", "Differences"])
def test_no_text_of_a_row_figure_is_over_another_or_cut_in_a_column(name, many):
    with plots.style("paper"):
        more = {"against": "base"} if name == "Differences" else {}
        shown = getattr(rftlab, name).from_results(many, labels=100, **more).plot()
        renderer = drawn(shown.figure_)
    texts = [text for text in shown.axes_.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    over = [
        (texts[n].get_text(), texts[m].get_text())
        for n, a in enumerate(boxes)
        for m in range(n)
        if a.overlaps(boxes[m])
    ]
    assert over == []
    assert all(box.x0 >= 0 and box.x1 <= shown.figure_.bbox.width for box in boxes)


@pytest.mark.parametrize(("style", "width", "least"), [("paper", 3.4, 7), ("page", 7.0, 8), ("slides", 10.0, 15)])
def test_a_style_sets_width_fonts_and_text_that_can_be_read(style, width, least, cells):
    before = dict(mpl.rcParams)
    with plots.style(style):
        shown = display("AccuracyVsLabels", cells).plot()
    assert dict(mpl.rcParams) == before
    drawn(shown.figure_)
    assert shown.figure_.get_figwidth() == width
    texts = [text for text in shown.figure_.findobj(Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= least
    pdf = plots.to_bytes(shown.figure_, "pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_an_unknown_style_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no style 'poster'; give one of paper, page, slides"):
        plots.style("poster")


def test_dollar_signs_in_names_are_written_as_they_are(tmp_path):
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10, 50), cots=(True,), items=8)
    cells = report.read_cells(tmp_path).assign(arm="mine.py:A$B_{$")
    for name in ("AccuracyVsLabels", "AccuracyVsCost"):
        shown = getattr(rftlab, name).from_results(cells).plot()
        assert plots.to_bytes(shown.figure_, "svg")
        assert not any(text.get_parse_math() for text in shown.figure_.findobj(Text) if "$" in text.get_text())

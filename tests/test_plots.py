"""What would be drawn: lines, colours, labels and axes of the figures, without looking at pixels."""

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text

from rftlab import plots
from rftlab.answer.results import prompt_name
from rftlab.plots.cells import tidy

PANEL = {"task": "word", "model": "m", "variant": ""}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = []
    for prompt in ("direct", "chain-of-thought"):
        for measure in ("accuracy", "sampled_accuracy", "train_accuracy"):
            rows.append((prompt, "base", 0, measure, 0.2, 0.1, 0.3))
            rows += [(prompt, "sft", n, measure, n / 500, float("nan"), float("nan")) for n in (10, 50, 300)]
            rows += [(prompt, "grpo", n, measure, 0.7, 0.6, 0.8) for n in (10, 50, 300)]
    names = ["prompt", "arm", "labels", "measure", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=names).assign(**PANEL, n=2, flops=1e9, tokens=1e4, seconds=3.0)


def curve(ax, arm: str):
    """The line of an arm with one mark per budget."""
    return next(
        li for li in ax.lines if to_hex(li.get_color()) == plots.look(arm)[0].lower() and len(li.get_xdata()) == 3
    )


def test_accuracy_vs_labels_draws_prompts_by_measures_on_a_log_axis_in_percent(table):
    figure = plots.accuracy_vs_labels(table)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0] == "direct\ngreedy accuracy"
    assert len(titles) == 4
    for ax in figure.axes:
        assert ax.get_xscale() == "log"
        assert ax.get_ylim() == (-0.02, 1.02)
        assert ax.yaxis.get_major_formatter()(0.5) == "50 %"


def test_means_are_drawn_as_they_are(table):
    line = curve(plots.accuracy_vs_labels(table).axes[0], "sft")
    assert list(line.get_ydata()) == pytest.approx([0.02, 0.1, 0.6])


def test_the_base_is_a_line_across_with_a_band_and_100_labels_are_marked(table):
    ax = plots.accuracy_vs_labels(table).axes[0]
    across = [line for line in ax.lines if list(line.get_xdata()) == [0, 1]]
    assert [line.get_ydata()[0] for line in across] == [0.2]
    assert any(patch.get_y() == 0.1 for patch in ax.patches)
    assert any(list(line.get_xdata()) == [100, 100] for line in ax.lines)
    assert 100 in ax.get_xticks()


def test_an_undefined_interval_draws_no_bar(table):
    ax = plots.accuracy_vs_labels(table).axes[0]
    bars = {to_hex(bar.get_color()[0]): [len(segment) for segment in bar.get_segments()] for bar in ax.collections}
    assert bars == {plots.look("sft")[0].lower(): [0, 0, 0], plots.look("grpo")[0].lower(): [2, 2, 2]}


def test_the_legend_names_every_method_once(table):
    legend = plots.accuracy_vs_labels(table).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["SFT", "GRPO", "untrained base"]


def test_a_method_looks_the_same_in_every_figure(table):
    colour = plots.look("grpo")[0].lower()
    for figure in (plots.accuracy_vs_labels(table), plots.generalisation_gap(table), plots.cot_vs_direct(table)):
        assert colour in {to_hex(line.get_color()) for ax in figure.axes for line in ax.lines}


def test_no_two_known_methods_look_alike_and_unknown_ones_are_stable():
    assert len(set(plots.STYLES.values())) == len(plots.STYLES)
    assert plots.look("mine.py:train") == plots.look("mine.py:train")
    assert plots.look("grpo [preset=deepseek]")[0] == plots.look("grpo")[0]
    assert plots.look("grpo [preset=deepseek]") != plots.look("grpo")


def test_cot_vs_direct_has_one_row_per_method_and_budget(table):
    ax = plots.cot_vs_direct(table).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()][:3] == [
        "untrained base",
        "SFT, 10 labels",
        "GRPO, 10 labels",
    ]
    faces = {to_hex(line.get_markerfacecolor()) for line in ax.lines if line.get_marker() == "^"}
    assert faces == {"#ffffff", plots.look("grpo")[0].lower()}


def test_generalisation_gap_shades_between_train_and_test(table):
    table.loc[table["measure"] == "train_accuracy", "mean"] = 0.95
    ax = next(ax for ax in plots.generalisation_gap(table).axes if ax.get_title() == "GRPO")
    assert [line.get_linestyle() for line in ax.lines if len(line.get_xdata()) == 3] == ["-", "--"]
    assert {round(y, 2) for y in ax.collections[0].get_paths()[0].vertices[:, 1]} == {0.7, 0.95}


def test_generalisation_gap_of_one_budget_is_a_row_a_method(table):
    table.loc[table["measure"] == "train_accuracy", "mean"] = 0.95
    trained = table[table["labels"] == 50]
    more = [trained[trained["arm"] == "grpo"].assign(arm=arm) for arm in ("sft+grpo", "dpo")]
    ax = plots.generalisation_gap(pd.concat([trained, *more])).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["SFT", "GRPO", "SFT+GRPO", "DPO"]
    ends = [line for line in ax.lines if to_hex(line.get_color()) == plots.look("grpo")[0].lower()]
    assert [list(line.get_xdata()) for line in ends] == [[0.7, 0.95], [0.95], [0.7]]
    assert to_hex(ends[1].get_markerfacecolor()) == "#ffffff"


def test_learning_curves_dash_the_reward(table):
    rows = [(kind, step, 0.1 + step / 100) for kind in ("eval", "train") for step in (0, 20, 40)]
    curves = pd.DataFrame(rows, columns=["kind", "step", "value"]).assign(
        **PANEL, prompt="direct", arm="grpo", labels=50
    )
    ax = plots.learning_curves(curves).axes[0]
    assert ax.get_title() == "50 labels"
    assert [line.is_dashed() for line in ax.lines] == [True, False]


def test_learning_curves_of_many_arms_get_a_panel_each_with_the_others_behind():
    names = ["sft", "grpo", "ppo", "trpo", "acer", "sac", "ddpg"]
    rows = [(arm, "eval", n, 0.1) for arm in names for n in (0, 500)]
    curves = pd.DataFrame(rows, columns=["arm", "kind", "tokens_generated", "value"])
    figure = plots.learning_curves(curves.assign(**PANEL, prompt="direct", labels=50), x="tokens_generated")
    shown = {ax.get_title(): ax for ax in figure.axes if ax.axison}
    assert set(shown) == {name.upper() for name in names}
    assert [to_hex(line.get_color()) for line in shown["SAC"].lines].count("#cccccc") == len(names)
    assert plots.look("sac")[0].lower() in {to_hex(line.get_color()) for line in shown["SAC"].lines}


def test_cost_axes_are_logarithmic_and_marks_grow_with_labels(table):
    accuracy = table[table["measure"] == "accuracy"]
    ax = plots.accuracy_vs_cost(accuracy).axes[0]
    assert ax.get_xscale() == "log"
    sizes = ax.collections[0].get_sizes()
    assert list(sizes) == sorted(set(sizes))


def test_training_curve_shows_reward_accuracy_and_loss_or_says_that_there_is_nothing():
    trace = pd.DataFrame({"step": [0, 1, 2], "train/reward": [None, 0.3, 0.5], "eval/accuracy": [0.1, None, 0.4],
                          "train/loss": [None, 2.0, 1.5]})  # fmt: skip
    figure = plots.training_curve(trace, method="grpo")
    labels = [text.get_text() for ax in figure.axes for text in ax.get_legend().get_texts()]
    assert labels == ["accuracy, development items", "training reward", "training loss"]
    assert "nothing to draw" in plots.training_curve(pd.DataFrame()).texts[0].get_text()


def test_a_curve_of_one_step_is_seen_and_counts_whole_steps():
    trace = pd.DataFrame({"step": [0, 1], "eval/accuracy": [0.1, None], "train/loss": [None, 2.0]})
    for ax in plots.training_curve(trace).axes:
        assert all(line.get_marker() not in ("", "None") for line in ax.lines)
        assert all(tick == int(tick) for tick in ax.get_xticks())
        assert ax.get_xlim()[0] < 0 < 1 < ax.get_xlim()[1]


def test_single_seeds_are_drawn_small(table):
    points = table[table["measure"] == "accuracy"].assign(value=0.5, seed=0)
    ax = plots.accuracy_vs_labels(table, points=points).axes[0]
    assert any(line.get_markersize() < 4 and set(line.get_ydata()) == {0.5} for line in ax.lines)


def test_the_same_figure_gives_the_same_bytes_and_shows_in_a_notebook(table):
    first, second = (plots.to_bytes(plots.cot_vs_direct(table), "svg") for _ in range(2))
    assert first == second
    assert plots.cot_vs_direct(table)._repr_png_().startswith(b"\x89PNG")


def test_with_one_label_budget_every_method_is_a_row(table):
    more = [table[table["arm"] != "base"].assign(arm=arm) for arm in ("sft+grpo", "dpo")]
    table = pd.concat([table, *more])
    one = table[table["labels"].isin([0, 50])].drop_duplicates(["arm", "prompt", "measure"])
    ax = plots.accuracy_vs_labels(one).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["SFT", "GRPO", "SFT+GRPO", "DPO"]
    means = {to_hex(li.get_color()): list(li.get_xdata()) for li in ax.lines if len(li.get_xdata()) == 1}
    assert means[plots.look("sft")[0].lower()] == [0.1]
    assert means[plots.look("grpo")[0].lower()] == [0.7]


def test_dollar_signs_in_names_are_written_as_they_are(table):
    table["task"], table["arm"] = "~/$a_{b/$c^{d", table["arm"].replace("sft", "mine.py:A$B_{$")
    for draw in (plots.accuracy_vs_labels, plots.accuracy_vs_cost):
        figure = draw(table)
        assert plots.to_bytes(figure, "svg")
        assert not any(text.get_parse_math() for text in figure.findobj(Text))


@pytest.mark.parametrize("low", [0.0, 0.065, 0.31, 0.87])
@pytest.mark.parametrize("span", [0.02, 0.1, 0.13, 0.27, 0.7])
def test_ticks_of_percentages_print_what_they_are(table, low, span):
    one = table[(table["measure"] == "accuracy") & (table["prompt"] == "direct") & table["arm"].ne("base")]
    one = one.assign(mean=[low + span * n / (len(one) - 1) for n in range(len(one))], low=low, high=low + span)
    ax = plots.over_labels(one, one.assign(value=one["mean"])).axes[0]
    bottom, top = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if bottom <= tick <= top]
    assert len(ticks) > 1
    for tick in ticks:
        assert float(ax.yaxis.get_major_formatter()(tick).removesuffix(" %")) == pytest.approx(100 * tick)


@pytest.mark.parametrize("stacked", [False, True])
def test_no_text_of_a_forest_is_cut_or_over_another_however_long(stacked):
    names = ["rejection-sampling SFT [settings.learning_rate=0.0001] against untrained base", "SFT against GRPO"]
    rows = pd.DataFrame({"arm": ["rejection_sft", "sft"], "name": names, "group": "10 labels", "estimate": [0.1, -0.2],
                         "low": -0.7, "high": 0.8, "text": "-20 [-100, 100] better or same (exploratory)"})  # fmt: skip
    figure = plots.forest(rows, margin=0.05, stacked=stacked, note="; more")
    boxes = boxes_of(figure, figure.axes[0].texts)
    assert all(0 <= each.x0 < each.x1 <= figure.bbox.width for each in boxes)
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def boxes_of(figure, texts) -> list:
    """Where texts stand, in pixels."""
    figure.dpi = 72
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [text.get_window_extent(canvas.get_renderer()) for text in texts]


PROMPTS = ("direct", "chain-of-thought in training, asked directly", "direct in training, asked for chain-of-thought")


def test_learning_curves_have_a_panel_for_what_was_run_and_no_other():
    run = [("chain-of-thought", n) for n in (10, 30, 100)] + [(prompt, 100) for prompt in PROMPTS[:2]]
    rows = [(prompt, n, step, 0.5) for prompt, n in run for step in (0, 40)]
    curves = pd.DataFrame(rows, columns=["prompt", "labels", "step", "value"]).assign(**PANEL, arm="sft", kind="eval")
    figure = plots.learning_curves(curves)
    assert [ax.get_title() for ax in figure.axes] == [f"{n} labels" for _, n in run]
    assert all(ax.lines for ax in figure.axes)
    named = [ax.get_ylabel().split("\n", 1)[-1].replace("\n", " ") for ax in figure.axes if ax.get_ylabel()]
    assert named == ["chain-of-thought", *PROMPTS[:2]]


def test_names_of_rows_do_not_run_into_each_other():
    rows = [(prompt, "part: correct", step, 0.5) for prompt in PROMPTS for step in (0, 40)]
    figure = plots.signals(
        pd.DataFrame(rows, columns=["prompt", "signal", "step", "value"]).assign(**PANEL, arm="grpo")
    )
    boxes = boxes_of(figure, [ax.yaxis.label for ax in figure.axes])
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


@pytest.mark.parametrize("most", [3.1, 9, 20, 290, 400, 3e5])
def test_ticks_of_cost_do_not_run_into_each_other(table, most):
    some = table[(table["measure"] == "accuracy") & (table["labels"] > 0)]
    cost = [1.1 * most ** (n / (len(some) - 1)) / 200 for n in range(len(some))]
    figure = plots.accuracy_vs_cost(some.assign(seconds=cost, flops=cost, tokens=cost))
    ax = figure.axes[-1]
    seen = [label for label in ax.get_xticklabels() if ax.get_xlim()[0] <= label.get_position()[0] <= ax.get_xlim()[1]]
    boxes = boxes_of(figure, seen)
    assert len(boxes) > 1
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


@pytest.fixture
def cells() -> pd.DataFrame:
    """As `rftlab.load` returns them."""
    rows = [(m, n, c, s) for m, n in (("base", 0), ("sft", 10), ("grpo", 10)) for c in (0, 1) for s in (0, 1)]
    table = pd.DataFrame(rows, columns=["method", "labels", "cot", "seed"]).astype({"cot": bool})
    spent = {"flops": 1e9, "tokens_generated": 10, "tokens_trained": 5, "seconds": 2.0}
    accuracy = 0.2 + 0.1 * table["seed"] + 0.3 * (table["method"] == "grpo")
    return table.assign(
        task="word",
        model="m",
        cot_eval=table["cot"],
        accuracy=accuracy,
        train_accuracy=accuracy,
        pass_at_2=0.9,
        **spent,
    )


def test_figures_take_what_load_returns_and_draw_means_over_seeds(cells):
    table = tidy(cells, {"accuracy", "train_accuracy"})
    assert set(table["measure"]) == {"accuracy", "train_accuracy", "pass_at_2"}
    greedy = table[(table["measure"] == "accuracy") & (table["arm"] == "grpo")]
    assert greedy["mean"].tolist() == pytest.approx([0.55, 0.55])
    assert greedy["n"].tolist() == [2, 2]
    assert greedy["tokens"].tolist() == [15, 15]
    assert greedy["low"].isna().all()
    for draw in (plots.accuracy_vs_labels, plots.cot_vs_direct, plots.generalisation_gap, plots.accuracy_vs_cost):
        assert not draw(cells).texts or "nothing" not in draw(cells).texts[0].get_text()


def test_cells_that_differ_in_something_else_are_not_averaged(cells):
    with pytest.raises(
        ValueError, match=r"24 cells, such as those of base with 0 labels and seed 0, differ in something"
    ):
        plots.accuracy_vs_labels(pd.concat([cells, cells]))


def test_a_column_that_is_missing_is_named_with_the_figure(cells):
    with pytest.raises(
        ValueError, match=r"learning_curves: the table has no column 'step'; help\(rftlab.plots.learning"
    ):
        plots.learning_curves(cells)
    with pytest.raises(ValueError, match="no column 'measure'"):
        plots.accuracy_vs_labels(cells.drop(columns="cot_eval"))


@pytest.mark.parametrize("both", [(True, True), (True, False), (False, True), (False, False)])
def test_prompts_are_called_as_in_reports(cells, both):
    one = cells.iloc[:1].assign(cot=both[0], cot_eval=both[1])
    assert tidy(one, {"accuracy"})["prompt"].iloc[0] == prompt_name(*both)

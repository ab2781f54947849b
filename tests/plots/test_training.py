"""What is drawn of one training while it goes on, and of two beside each other."""

import pandas as pd
import pytest

from rftlab import plots


def trace(*, rewarded: bool) -> pd.DataFrame:
    signals = ["train/reward", "train/completion_tokens", "train/zero_std_groups", "train/loss"]
    rows = [{"step": step, **dict.fromkeys(signals if rewarded else ["train/loss"], 0.5)} for step in range(1, 7)]
    return pd.DataFrame([{"step": 0, "eval/accuracy": 0.2}, *rows, {"step": 6, "eval/accuracy": 0.4}])


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def test_rft_has_reward_accuracy_length_and_groups_alike_and_sft_loss_and_accuracy() -> None:
    assert titles(plots.training_panels(trace(rewarded=True), method="grpo")) == [
        "training reward", "accuracy, development items", "completion length, tokens", "groups whose rewards are alike"
    ]  # fmt: skip
    assert titles(plots.training_panels(trace(rewarded=False))) == ["training loss", "accuracy, development items"]


def test_the_numbers_are_the_traces_and_the_axis_does_not_move_while_steps_are_left() -> None:
    accuracy = plots.training_panels(trace(rewarded=True), steps=40).axes[1]
    assert list(accuracy.lines[0].get_ydata()) == [0.2, 0.4]
    assert accuracy.get_xlim() == (0, 40)


@pytest.mark.parametrize("rows", [[], [{"step": 1, "kind": "stop"}]])
def test_a_training_of_which_nothing_is_known_says_so(rows: list) -> None:
    figure = plots.training_panels(pd.DataFrame(rows))
    assert "nothing to draw" in figure.texts[0].get_text()


def test_methods_beside_each_other_share_their_axes_and_each_seed_has_its_line() -> None:
    runs = {"sft": [trace(rewarded=False)] * 3, "grpo": [trace(rewarded=True)]}
    sft, grpo = plots.trainings_beside(runs, base={"sft": 0.25, "grpo": 0.25}).axes
    assert (sft.get_title(), grpo.get_title()) == ("SFT", "GRPO")
    assert (len(sft.lines), len(grpo.lines)) == (4, 3), "three seeds and the base; accuracy, reward and the base"
    assert list(sft.lines[-1].get_ydata()) == [0.25, 0.25]
    assert sft.get_ylim() == grpo.get_ylim()


def test_steps_are_whole_also_where_there_is_one_alone_and_the_axis_goes_as_far_as_is_asked() -> None:
    first = pd.DataFrame([{"step": 0, "eval/accuracy": 0.5}])
    (alone,) = plots.trainings_beside({"sft": [first]}).axes
    assert alone.get_xlim() == (0, 1)
    assert all(float(tick).is_integer() for tick in alone.get_xticks())
    (asked,) = plots.trainings_beside({"sft": [first]}, steps=20).axes
    assert asked.get_xlim() == (0, 20)


def test_a_method_that_has_not_begun_has_its_panel() -> None:
    assert titles(plots.trainings_beside({"sft": [], "grpo": []})) == ["SFT", "GRPO"]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_every_arm_has_a_panel_and_what_is_left_of_the_grid_is_empty(count: int) -> None:
    names = [f"grpo [{labels} labels]" for labels in range(count)]
    figure = plots.trainings_beside({name: [trace(rewarded=True)] for name in names}, base={names[-1]: 0.5})
    drawn = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in drawn] == [f"GRPO [{labels} labels]" for labels in range(count)]
    assert [len(ax.lines) for ax in drawn] == [2] * (count - 1) + [3], "the base across where it was asked alike"

"""`tuning` in a grid: off, a stage, or the tuner in every cell; and what is refused, with its line."""

from pathlib import Path

import pytest

from rftlab.cell import NOT_YET
from rftlab.errors import RftlabError
from rftlab.grid import Grid

BODY = "method: [base, sft]\nlabels: [10, 30]\n"


@pytest.fixture
def load(tmp_path: Path):
    def read(text: str) -> Grid:
        path = tmp_path / "g.yaml"
        path.write_text(BODY + text)
        return Grid.load(path)

    return read


def test_a_stage_leaves_the_rates_of_what_trains_open(load) -> None:
    grid = load("tuning: stage\n")
    assert grid.tuning is not None
    assert [(cell.method, cell.tuned_by) for cell in grid.cells] == [("base", ""), ("sft", NOT_YET), ("sft", NOT_YET)]


@pytest.mark.parametrize("text", ["", "tuning: off\n", "tuning: false\n", "tuning: {trials: 2}\n"])
def test_without_a_stage_nothing_is_open(load, text: str) -> None:
    grid = load(text)
    assert grid.tuning is None
    assert not any(cell.tuned_by for cell in grid.cells)


def test_a_cell_that_gives_its_rates_or_tunes_itself_stays_as_it_is(load) -> None:
    fixed = "overrides:\n  - {when: {labels: 10, method: sft}, set: {learning_rates: [0.1]}}\n"
    assert [cell.tuned_by for cell in load(f"tuning: stage\n{fixed}").cells] == ["", "", NOT_YET]


def test_rates_are_one_value_and_swept_by_a_list_of_lists(load) -> None:
    assert [cell.learning_rates for cell in load("learning_rates: [0.1]\n").cells] == [(), (0.1,), (0.1,)]
    swept = load("learning_rates: [[0.1], [0.2]]\n").cells
    assert [cell.learning_rates for cell in swept] == [(), (0.1,), (0.2,), (0.1,), (0.2,)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tuning: on\n", "tuning is off, stage, or a mapping such as"),
        ("tuning: {sead: 2}\n", "tuning has no 'sead'; did you mean seeds"),
        ("tuning: {seeds: 2, trials: 2}\n", "tuning.trials is of the tuner in every cell"),
        ("tuning: {items: 1.5}\n", "tuning.items: .* integer"),
        (
            "tuning: {share: labels}\n",
            "tuning.share is labels, but tuning.labels does not say at which budgets to tune",
        ),
        ("tuning: {labels: [10]}\n", "tuning.labels leaves out the budget of 30 labels"),
        ("tuning: {ladders: {sfd: [0.1]}}\n", "tuning.ladders: the grid has no method 'sfd'; did you mean sft"),
        ("tuning: {ladders: {sft: [0.1, 0]}}\n", "tuning.ladders: the ladder of sft needs at least one rate"),
        ("tuning: {ladders: {sft: [0.1, 0.1]}}\n", "tuning.ladders: the ladder of sft has a rate twice"),
        ("tuning: {ladders: {dpo: [0.1, 0.2]}}\n", "tuning.ladders: the grid has no method 'dpo'"),
        ("tuning: {ladders: {base: [0.1]}}\n", "tuning.ladders: base is not trained and has no rates"),
        ("tuning: {stop_after: [9]}\n", "tuning.stop_after has 9, but there are 3 tuning seeds"),
        ("tuning: {share: labels, labels: [10, 30, 500]}\n", "tuning.labels has 500, whose rates no arm would take"),
        ("tuning: {ladders: {sft: 0.1}}\n", "tuning.ladders.sft: Input should be a list"),
        ("tuned_by: 3 seeds\n", "tuned_by is written by the tuning stage"),
        ("include: [{tuned_by: 3 seeds}]\n", "tuned_by is written by the tuning stage"),
        ("overrides: [{when: {method: sft}, set: {started_by: x}}]\n", "started_by is written for arms that go on"),
        ("tuning: {seeds: 2}\nseed_data: 1001\n", r"seed_data 1001 of the study is one of .*\(1000 to 1001\)"),
    ],
)
def test_a_mistake_is_named_with_its_line(load, text: str, said: str) -> None:
    with pytest.raises(RftlabError, match=f"g.yaml line 3: {said}"):
        load(text)

"""Cost and return: the arithmetic, the prices file, and what is said of a study."""

import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab import plots
from rftlab.answer.folder import study_of
from rftlab.answer.returns import words
from rftlab.answer.returns.arms import Taken
from rftlab.answer.returns.money import GAINED, Returns, _crossing, returns_of, total
from rftlab.answer.returns.prices import KEYS, Prices, example, read
from rftlab.cell import Cell
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from rftlab.report import cost_table, write_report
from rftlab.report.figures import Drawing
from rftlab.report.returns import frontier_table, prices_of, section
from rftlab.stats import Interval
from tests import synthetic

PANEL = ("t", "m", "", "direct")
MONEY = st.floats(0, 1000)
PRICES = st.builds(
    Prices, label=MONEY, rationale=MONEY, check=st.floats(0, 1), verifier_hours=st.floats(0, 100), machine_hour=MONEY,
    engineer_hour=MONEY, engineer_hours=st.dictionaries(st.sampled_from(["sft", "rft", ""]), st.floats(0, 100)),
    runs=st.floats(1, 20), point_value=st.none() | MONEY,
)  # fmt: skip


def exact(value):
    return Interval(value, math.nan, math.nan, 1)


def took(arm="sft", labels=10, gain=(0.2, 0.1, 0.3), hours=1.0, **changes):
    rft = arm == "grpo"
    made = Taken(
        PANEL, arm, arm, "rft" if rft else arm, labels, labels, 0.0, 0.0 if rft else labels, 0.0, 0.0, 100.0 * rft, rft,
        exact(hours), Interval(0.3 + gain[0], 0.3, 0.9, 3), Interval(*gain, 3), "better", 3,
    )  # fmt: skip
    return made._replace(**changes)


TAKEN = st.builds(
    took, st.sampled_from(["sft", "grpo"]), st.integers(1, 5000),
    st.tuples(st.floats(-0.5, 0.9), st.floats(0, 0.5), st.floats(0, 0.5)).map(
        lambda each: (each[0], each[0] - each[1], each[0] + each[2])
    ),
    st.floats(0, 50),
)  # fmt: skip


@given(TAKEN, PRICES)
def test_a_bill_is_the_sum_of_its_parts_and_a_point_has_a_cost_where_a_gain_is_shown(arm, prices):
    found = total(arm, prices)
    assert found.cost == pytest.approx(sum(found.bill.values()))
    assert min(found.bill.values()) >= 0
    if found.shown:
        assert found.per_point.estimate == pytest.approx(found.cost / (100 * arm.gain.estimate))
        assert found.per_point.low == pytest.approx(found.cost / (100 * arm.gain.high))
        assert found.per_point.high == pytest.approx(found.cost / (100 * arm.gain.low))
    else:
        assert math.isnan(found.per_point.high)
        assert "none: " in words.per_point(found)
    assert (found.net is None) == (prices.point_value is None)
    if found.net:
        assert found.net.estimate == pytest.approx(prices.point_value * 100 * arm.gain.estimate - found.cost)


@given(TAKEN, PRICES, st.floats(0, 3))
def test_each_price_moves_its_own_part_of_the_bill_alone(arm, prices, factor):
    before = total(arm, prices)
    for name in prices.scalable:
        after = total(arm, prices.scaled(name, factor))
        moved = {part for part in before.bill if after.bill[part] != before.bill[part]}
        for part in moved:
            assert after.bill[part] == pytest.approx(factor * before.bill[part])
        owned = {"label": {"labels", "development"}, "rationale": {"rationales"}, "point_value": set()}
        assert moved <= owned.get(name, {*before.bill})


@given(st.lists(TAKEN, min_size=1, max_size=6), PRICES)
def test_nothing_on_the_frontier_is_beaten_and_nothing_off_it_is_not(arms, prices):
    found = Returns(prices, tuple(total(arm, prices) for arm in arms), {PANEL: 0.3})
    edge = found.frontier(PANEL)
    assert [each.cost for each in edge] == sorted(each.cost for each in edge)
    for each in found.of(PANEL):
        beaten = each.taken.accuracy.estimate <= 0.3 or any(
            one.cost <= each.cost and one.taken.accuracy.estimate >= each.taken.accuracy.estimate for one in edge
        )
        assert beaten or each in edge
    best = found.best(PANEL)
    assert (best is None) == (not any(each.shown for each in found.of(PANEL)))
    assert [each.width for each in found.swings(PANEL)] == sorted((e.width for e in found.swings(PANEL)), reverse=True)


@given(st.tuples(MONEY, MONEY), st.tuples(MONEY, MONEY), st.floats(0, 10000))
def test_below_the_break_even_the_first_is_the_cheaper_one_and_above_it_the_other(first, second, labels):
    found = _crossing(PANEL, ("a", first), ("b", second))
    lines = {"a": first, "b": second}
    few, many = (lines[name][0] + lines[name][1] * labels for name in (found.few, found.many))
    slack = 1e-6 * (1 + abs(few))
    assert few <= many + slack if labels <= found.labels else few >= many - slack


def test_the_machine_widens_the_cost_of_a_point_where_seeds_took_different_times():
    prices = Prices(machine_hour=10.0, label=1.0)
    steady = total(took(), prices)
    uneven = total(took(hours=1.0)._replace(hours=Interval(1.0, 0.2, 1.8, 3)), prices)
    assert uneven.per_point.low < steady.per_point.low
    assert uneven.per_point.high > steady.per_point.high


def test_the_keys_of_the_file_are_the_fields_and_the_example_is_read(tmp_path, capsys):
    assert tuple(KEYS) == tuple(field.name for field in fields(Prices))
    assert main(["roi", "--example"]) == 0
    assert capsys.readouterr().out == example()
    path = tmp_path / "prices.yaml"
    path.write_text(example().replace("# base_accuracy:", "base_accuracy:").replace("# assumed:", "assumed:"))
    found = read(path)
    assert (found.label, found.engineer_hours["rft"], found.assumed[0].labels) == (2.5, 12, 3000)
    assert main(["roi", str(path)]) == 0
    said = capsys.readouterr().out
    assert "No arm returns what it costs" in said
    assert "The least loss (assumed) is that of SFT at 3000 labels: -" in said
    path.write_text(path.read_text().replace("point_value:", "point_value: 9000  #"))
    assert main(["roi", str(path)]) == 0
    assert "SFT at 3000 labels returns most (assumed)" in capsys.readouterr().out
    assert "90 % assumed" in said


PAGE = Path(__file__).parents[2] / "docs" / "roi.md"


def test_the_file_of_the_page_is_read_and_the_page_names_every_key(tmp_path):
    text = PAGE.read_text()
    [block] = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "prices.yaml").write_text(block)
    assert read(tmp_path / "prices.yaml").engineer_hours == {"sft": 4, "rft": 12, "hybrid": 16}
    assert [key for key in KEYS if f"`{key}`" not in text] == []


WRONG = {
    "label: -1": "label is -1; give a number from 0",
    "label: 2 EUR": "label is '2 EUR'; give a number without currency",
    "label: true": "label is True",
    "label: .inf": "is not a number a parameter can have",
    "rationale: [1]": "rationale is [1]",
    "engineer_hour: 90": "engineer_hour costs nothing without engineer_hours or verifier_hours",
    "engineer_hours: 4": "engineer_hours costs nothing without engineer_hour",
    "comparison: x": "comparison is 'x'",
    "prompt: ~": "prompt is None",
    "check: 1e13": "check is 1e+13; give a number from 0 to 1e+12",
    "verifier_hours: x": "verifier_hours is 'x'",
    "machine_hour: ''": "machine_hour is ''",
    "engineer_hour: {}": "engineer_hour is {}",
    "label: 1\nengineer_hours: {rtf: 3}": "engineer_hours: 'rtf' is no method or family; did you mean",
    "label: 1\nengineer_hours: {rft: x}": "engineer_hours.rft is 'x'",
    "label: 1\nengineer_hours: x": "engineer_hours is 'x'",
    "label: 1\nruns: 0": "runs is 0; one training run is the least",
    "label: 1\npoint_value: -3": "point_value is -3",
    "label: 1\nbase_accuracy: 42": "base_accuracy is 42; give a share from 0 to 1",
    "label: 1\ncurrency: 3": "currency is a text of at most 20 letters",
    "currency: EUR": "no price is given",
    "labels: 3": "there is no price 'labels'; did you mean label",
    "[1]": "a prices file is a mapping of prices",
    "label: 1\nassumed: 3": "assumed is a list of arms",
    "label: 1\nassumed: [3]": "assumed: an arm is a mapping of method",
    "label: 1\nassumed: [{method: sft}]": "this arm lacks labels, accuracy, low, high",
    "label: 1\nassumed: [{method: sft, labels: 1, accuracy: .5, low: .4, high: .6, x: 1}]": "assumed has no 'x'",
    "label: 1\nassumed: [{method: stf, labels: 1, accuracy: .5, low: .4, high: .6}]": "there is no method 'stf'",
    "label: 1\nassumed: [{method: sft, labels: 1.5, accuracy: .5, low: .4, high: .6}]": "labels is 1.5",
    "label: 1\nassumed: [{method: sft, labels: 1, accuracy: .9, low: .4, high: .6}]": "does not lie from low 0.4 to",
    "label: 1\nassumed: [{method: 3, labels: 1, accuracy: .5, low: .4, high: .6}]": "method is a text",
}


@pytest.mark.parametrize("text", WRONG)
def test_bad_input_to_every_field_is_one_sentence_with_its_line(text, tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(RftlabError) as raised:
        read(path)
    sentence = str(raised.value)
    assert WRONG[text] in sentence
    assert (
        f"prices.yaml line {2 if text.startswith('label: 1') else 1}: " in sentence or "no price is given" in sentence
    )
    assert "\n" not in sentence


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """GRPO leads with few labels, SFT catches up with many; costs of both are made up."""
    folder = tmp_path_factory.mktemp("returns")
    path = folder / "made.yaml"
    path.write_text(
        "name: made\ndefaults: {task: arithmetic/word, seed: [0, 1, 2]}\nmax_seeds: 3\n"
        "include:\n  - {method: base}\n  - {method: [sft, grpo, grpo-random], labels: [10, 300]}\n"
    )
    grid = Grid.load(path)
    for cell in grid.cells:
        synthetic.write_cell(folder / "made", cell.model_dump(), items=80)
    write_grid(folder / "made", grid)
    return folder / "made"


MADE = Prices("EUR", label=1.0, rationale=2.0, verifier_hours=10.0, machine_hour=3600.0, engineer_hour=50.0)


def test_a_study_is_billed_by_its_records(made):
    found = returns_of(made, MADE)
    [panel] = found.panels
    sums = {(each.taken.arm, each.taken.labels): each for each in found.sums}
    assert {arm for arm, _ in sums} == {"sft", "grpo"}  # nobody trains with a coin
    few = sums["sft", 10]
    assert few.bill["labels"] == 10
    assert few.bill["development"] == few.taken.development
    assert few.bill["rationales"] == 20
    assert few.bill["verifier"] == 0
    assert few.bill["machine"] == pytest.approx(3.3, abs=0.1)
    assert sums["grpo", 10].bill["verifier"] == 500
    assert sums["grpo", 10].bill["rationales"] == 0
    _, decisions = study_of(made)
    level = next(each for each in decisions.levels if (each.arm, each.place.labels) == ("grpo", 10))
    gain = decisions.between(level.place, "grpo", decisions.base(level.place)).difference
    assert sums["grpo", 10].taken.gain == gain
    [crossing] = found.break_evens(panel)
    assert (crossing.few, crossing.many) == ("sft", "grpo")
    assert crossing.labels == pytest.approx((500 + 14) / 2, rel=0.05)
    assert {GAINED, "verifier_hours"} <= {each.name for each in found.swings(panel)}


BEFORE = {
    "distill": {"teacher_labels": 1000.0, "teacher_training_flops": 5e15, "teacher_training_seconds": 7200.0},
    "sdft": {"pass_rate_flops": 3e15, "pass_rate_seconds": 3600.0, "pass_rate_verifier_calls": 400.0},
}
"""What arms rest on that no budget counts."""
OTHERS = {"base": 0.1, "sft": 0.5, "grpo": 0.4, "sdft": 0.2, "distill": 0.9, "base-few-shot": 0.2, "prompt-search": 0.3}


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """What people try beside SFT and GRPO; the teacher's labels and what was checked are made up."""
    folder = tmp_path_factory.mktemp("others")
    path = folder / "others.yaml"
    path.write_text(
        "name: others\ndefaults: {task: arithmetic/word, seed: [0, 1]}\nmax_seeds: 2\n"
        "include:\n  - {method: base}\n  - {method: [sft, grpo, sdft, distill], labels: [10, 300]}\n"
        "  - {method: [base-few-shot, prompt-search], labels: 10}\n"
        "  - {method: base-few-shot, preset: tuned, labels: 10}\n"
    )
    grid = Grid.load(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "skill", lambda cell: OTHERS[cell.method])
        for cell in grid.cells:
            before = BEFORE.get(cell.method, {})
            cost = {**synthetic.cost(cell), "verifier_calls": 90 * (cell.method in ("grpo", "prompt-search")), **before}
            synthetic.write_cell(folder / "others", cell.model_dump(), items=80, cost=cost)
    write_grid(folder / "others", grid)
    return folder / "others"


def test_a_teacher_is_billed_once_however_many_labels_its_pupil_has(others):
    found = returns_of(others, MADE)
    sums = {(each.taken.arm, each.taken.labels): each for each in found.sums}
    assert [sums["distill", labels].bill["labels"] for labels in (10, 300)] == [10, 300]
    assert [sums["distill", labels].bill["teacher's labels"] for labels in (10, 300)] == [1000, 1000]
    assert sums["distill", 10].bill["verifier"] == 0  # its teacher judges, and no verifier
    assert sums["prompt-search", 10].bill["verifier"] == 500
    assert sums["sft", 10].bill["teacher's labels"] == 0
    assert "teacher's labels 1,000" in words.told(found)


def test_what_came_before_training_is_billed_once_and_counted_in_the_cost_of_an_arm(others):
    found = returns_of(others, replace(MADE, check=1.0, runs=3.0))
    sums = {(each.taken.arm, each.taken.labels): each for each in found.sums}
    assert [sums["distill", labels].bill["teacher's training"] for labels in (10, 300)] == [7200.0, 7200.0]
    assert (sums["sdft", 10].bill["pass rates"], sums["sdft", 10].bill["pass rates' checks"]) == (3600.0, 400.0)
    assert sums["sft", 10].bill["pass rates"] == sums["sft", 10].bill["teacher's training"] == 0
    study, decisions = study_of(others)
    place = next(each.place for each in decisions.levels if each.arm == "sdft" and each.place.labels == 10)
    levels = {arm: decisions.level(place, arm) for arm in ("sft", "sdft", "distill")}
    assert [levels[arm].spent - levels[arm].flops for arm in levels] == [0.0, 3e15, 5e15]
    drawn = cost_table(study.cells, pd.DataFrame([{**place._asdict(), "arm": "sdft", "measure": "accuracy"}]))
    assert drawn["flops"].tolist() == [levels["sdft"].spent]


def test_shots_that_were_chosen_on_the_labels_took_all_of_them(others):
    paid = {each.taken.arm: each.taken.paid for each in returns_of(others, MADE).sums if each.taken.labels == 10}
    assert (paid["base-few-shot"], paid["base-few-shot [preset=tuned]"]) == (4, 10)


def test_of_many_arms_the_break_evens_are_those_of_the_one_that_pays_best(others):
    found = returns_of(others, replace(MADE, point_value=400.0))
    [panel] = found.panels
    best = found.best(panel)
    crossings = found.break_evens(panel)
    assert len(crossings) == 3  # of four arms that train, all pairs would be 6
    assert all(best.taken.arm in (each.few, each.many) for each in crossings)


def test_the_stage_that_chose_an_arms_rates_is_billed_apart_once(tmp_path):
    (tmp_path / "tuned.yaml").write_text(
        "name: tuned\ndefaults: {task: arithmetic/word, seed: [0, 1, 2]}\nmax_seeds: 3\n"
        "include:\n  - {method: base}\n  - {method: [sft, grpo], labels: 10}\n"
    )
    grid, folder = Grid.load(tmp_path / "tuned.yaml"), tmp_path / "results"
    stage = "2 seeds, 9 items, at 10 labels, 0a1b"
    tuned = {"sft": {"tuned_by": stage, "learning_rates": [0.0003]}}
    cells = tuple(Cell.make({**cell.model_dump(mode="json"), **tuned.get(cell.method, {})}) for cell in grid.cells)
    for cell in cells:
        synthetic.write_cell(folder, cell.model_dump(), items=80)
    write_grid(folder, replace(grid, cells=cells))
    arm = {"task": "arithmetic/word", "method": "sft", "labels": 10, "cot": True, "cot_eval": True, "stages": []}
    cost = {"seconds": 50.0, "evaluation_seconds": 10.0, "verifier_calls": 40}
    body = {"version": 1, "arms": [{**arm, "tuned_by": stage, "cost": cost}], "ids": [], "cost": cost}
    (folder / "tuning.json").write_text(json.dumps(body))
    found = returns_of(folder, replace(MADE, check=0.5, runs=3.0))
    bills = {each.taken.arm: each.bill for each in found.sums}
    assert (bills["sft"]["tuning"], bills["sft"]["tuning's checks"]) == (60.0, 20.0)
    assert (bills["grpo"]["tuning"], bills["grpo"]["tuning's checks"]) == (0, 0)
    assert "tuning 60" in words.told(found)


def test_what_is_assumed_is_marked_and_what_was_run_is_not_assumed(made, tmp_path):
    file = tmp_path / "prices.yaml"
    arm = "{{method: {}, labels: {}, accuracy: 0.95, low: 0.9, high: 0.97}}"
    file.write_text(f"label: 1\nassumed: [{arm.format('sft', 3000)}]")
    said = words.told(returns_of(made, read(file)))
    assert "95 % assumed" in said
    file.write_text(f"label: 1\nassumed: [{arm.format('sft', 300)}]")
    with pytest.raises(RftlabError, match="sft at 300 labels was run on arithmetic/word; leave it out"):
        returns_of(made, read(file))
    file.write_text("label: 1")
    with pytest.raises(RftlabError, match="the prices file assumes no arm"):
        returns_of(None, read(file))


def test_the_command_takes_a_folder_with_its_prices_or_says_what_to_give(made, tmp_path, capsys):
    assert main(["roi", str(made)]) == 2
    assert "has no prices.yaml; give one" in capsys.readouterr().err
    assert main(["roi", "nowhere"]) == 2
    assert "there are no results in nowhere: no such folder or archive" in capsys.readouterr().err
    assert main(["roi"]) == 2
    assert "give a results folder and a prices file" in capsys.readouterr().err
    (tmp_path / "p.yaml").write_text("currency: CHF\nlabel: 2\n")
    assert main(["roi", str(made), str(tmp_path / "p.yaml")]) == 0
    said = capsys.readouterr().out
    assert "word, chain-of-thought (CHF)" in said
    assert "GRPO at 10 labels costs least for a point" in said


def test_the_page_has_a_section_where_there_are_prices(made, tmp_path, monkeypatch):
    names = ("accuracy_vs_labels", "forest", "prompts", "memorised", "learning_curves", "signals", "accuracy_vs_cost")
    empty = [Drawing(name, name, "left out, to be quick.") for name in names]
    monkeypatch.setattr("rftlab.report.page.draw_all", lambda *_: empty)
    (tmp_path / "p.yaml").write_text("currency: <b>EUR\nlabel: 2\npoint_value: 10\n")
    assert section(*study_of(made), prices_of(made, None)) == []
    files = write_report(made, notebook=False, prices=tmp_path / "p.yaml")
    page = files[0].read_text()
    assert 'id="returns"' in page
    assert "&lt;b&gt;EUR" in page
    assert "<b>EUR" not in page
    assert any(file.name.startswith("returns_") for file in files)
    (made / "prices.yaml").write_text("label: x")
    with pytest.warns(UserWarning, match="the page has no costs"):
        assert prices_of(made, None) is None
    (made / "prices.yaml").write_text("label: 2")
    assert prices_of(made, None).label == 2
    (made / "prices.yaml").unlink()


def test_figures_draw_what_they_are_given(made):
    found = returns_of(made, replace(MADE, point_value=100.0))
    [panel] = found.panels
    table = frontier_table(found, panel)
    figure = plots.cost_frontier(table, currency="EUR")
    ax = figure.axes[0]
    assert ax.get_xlabel() == "cost, EUR; numbers at the marks: labels"
    assert len([line for line in ax.lines if str(line.get_gid()).startswith("arm.")]) == len(found.of(panel))
    assert plots.cost_frontier(table.iloc[:0]).axes == []

"""The report on made-up records whose answer is known: tables, refusals, verdicts and what lies on disk."""

import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rftlab import record, report, stats
from rftlab.answer.decisions import decide
from rftlab.answer.survey import survey
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.results import write_grid as write_plan
from rftlab.grid import Grid
from rftlab.report import figures, tables
from tests import synthetic


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "demo <grid>"
    synthetic.write_grid(folder, seeds=(0, 1, 2), items=60)
    return folder


def test_cells_of_a_plain_grid_have_prompts_and_no_variants(results):
    cells = report.read_cells(results)
    assert set(cells["prompt"]) == {"direct", "chain-of-thought"}
    assert set(cells["variant"]) == {""}
    assert set(cells["arm"]) == {"base", "sft", "grpo"}


def test_a_parameter_swept_by_all_methods_becomes_a_variant_and_is_not_averaged(tmp_path):
    for r in (8, 16):
        synthetic.write_grid(
            tmp_path, methods=("sft", "grpo"), labels=(10,), cots=(True,), items=10, **{"adapter.r": r}
        )
    synthetic.write_grid(tmp_path, methods=("base",), cots=(True,), items=10)
    cells = report.read_cells(tmp_path)
    assert set(cells.loc[cells["method"] != "base", "variant"]) == {"adapter.r=8", "adapter.r=16"}
    table = report.summary(cells, tmp_path)
    assert table.loc[table["measure"] == "accuracy", "n"].max() == 2
    assert set(table.loc[table["arm"] == "base", "variant"]) == {"adapter.r=8", "adapter.r=16"}


@pytest.mark.parametrize(
    ("units", "axis"),
    [(("steps",), "step"), (("flops",), "flops"), (("tokens",), "tokens"), (("flops", "tokens"), "step")],
)
def test_learning_curves_are_drawn_over_the_unit_of_all_budgets(tmp_path, units, axis):
    for unit in units:
        synthetic.write_grid(
            tmp_path, methods=("sft", "grpo"), labels=(10,), cots=(True,), items=10, **{"budget.unit": unit}
        )
    synthetic.write_grid(tmp_path, methods=("base",), cots=(True,), items=10)
    assert report.learning_axis(report.read_cells(tmp_path)) == axis


def _evaluated(*points):
    spent = {"tokens_generated": 0, "tokens_trained": 0, "seconds": 1.0}
    return [{"step": n, "kind": "eval", "flops": x, "eval/accuracy": y, **spent} for n, (x, y) in enumerate(points)]


def test_a_learning_curve_ends_at_the_mean_of_final_values_wherever_seeds_were_evaluated(tmp_path, monkeypatch):
    traces = [_evaluated((0, 0.0), (16e9, 0.4), (24e9, 0.9)), _evaluated((0, 0.2), (20e9, 0.6))]
    monkeypatch.setattr(synthetic, "_trace", lambda cell, _: traces[cell.seed])
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,), **{"budget.unit": "flops"})
    curve = report.learning_table(report.read_cells(tmp_path), tmp_path)
    assert curve["flops"].tolist() == pytest.approx([0, (16e9 + 20e9 * 2 / 3) / 2, 22e9])
    assert curve["value"].tolist() == pytest.approx([0.1, (0.4 + 0.2 + 0.4 * 2 / 3) / 2, 0.75])
    assert curve["n"].tolist() == [2, 2, 2]


def test_a_learning_curve_of_seeds_evaluated_at_the_same_steps_is_their_mean_there(tmp_path, monkeypatch):
    traces = [_evaluated((0, 0.0), (1, 0.4), (2, 0.9)), _evaluated((0, 0.2), (3, 0.6), (4, 0.7))]
    monkeypatch.setattr(synthetic, "_trace", lambda cell, _: traces[cell.seed])
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,))
    curve = report.learning_table(report.read_cells(tmp_path), tmp_path)
    assert curve["step"].tolist() == [0, 1, 2]
    assert curve["value"].tolist() == pytest.approx([0.1, 0.5, 0.8])


def test_a_parameter_swept_by_one_method_becomes_an_arm_of_it(tmp_path):
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,), items=10)
    for preset in ("", "deepseek"):
        synthetic.write_grid(tmp_path, methods=("grpo",), labels=(10,), cots=(True,), items=10, preset=preset)
    cells = report.read_cells(tmp_path)
    assert set(cells["arm"]) == {"sft", "grpo", "grpo [preset=deepseek]"}
    assert set(cells["variant"]) == {""}


def test_asked_otherwise_than_trained_is_a_prompt_of_its_own_with_the_base_asked_alike(tmp_path):
    synthetic.write_grid(tmp_path, methods=("base", "sft"), labels=(10,), items=10)
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,), items=10, cot_eval=False)
    cells = report.read_cells(tmp_path)
    crossed = "chain-of-thought in training, asked directly"
    assert crossed in set(cells["prompt"])
    table = report.summary(cells, tmp_path, ["accuracy"])
    bases = table[table["arm"] == "base"].set_index("prompt")["mean"]
    assert bases[crossed] == bases["direct"] != bases["chain-of-thought"]


def test_development_items_are_counted_aloud_and_old_records_are_not_given_any():
    given = [(10, "apart", 50), (50, "apart", 50), (10, "from_labels", 2), (7, "apart", 0), (8, "apart", None)]
    columns = ("labels", "development", "development_items")
    cells = pd.DataFrame(
        [{"method": m, **dict(zip(columns, row, strict=True))} for m in ("base", "sft") for row in given]
    )
    assert tables.label_budgets(cells) == [
        "10, 50 labels + 50 for development",
        "10 labels, 2 of them for development",
        "7 labels; no development items",
        "8 labels; learning curves on test items, as recorded before there were development items",
    ]


def test_means_are_those_of_the_seeds(results):
    cells = report.read_cells(results)
    table = report.summary(cells, results)
    row = table[(table["arm"] == "grpo") & (table["labels"] == 50) & (table["prompt"] == "direct")].iloc[0]
    seeds = cells[(cells["arm"] == "grpo") & (cells["labels"] == 50) & (cells["prompt"] == "direct")]["accuracy"]
    assert (row["mean"], row["n"]) == (pytest.approx(seeds.mean()), 3)


def test_a_mean_has_an_interval_for_new_seeds_and_items_also_where_all_seeds_agree(results):
    table = report.summary(report.read_cells(results), results)
    base = table[(table["arm"] == "base") & (table["measure"] == "accuracy")].iloc[0]
    assert base["over"] == "seeds and items"
    assert base["low"] < base["mean"] < base["high"]
    one_run = stats.wilson_interval(base["mean"] * 60, 60)
    assert base["high"] - base["low"] > 0.8 * (one_run.high - one_run.low)


def test_outcomes_average_to_the_recorded_accuracy(results):
    cells = report.read_cells(results)
    found = report.outcomes(results, cells["id"].iloc[0])
    assert found.mean() == pytest.approx(cells["accuracy"].iloc[0])


def changed(contract: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**contract, "match": {**contract["match"], **fields}}


def test_equal_contracts_are_comparable_and_other_ones_refused_with_the_fields_named(tmp_path):
    records = synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), items=10)
    report.comparable(records)
    hybrid = synthetic.write_cell(tmp_path, {"method": "sft+grpo", "labels": 10}, items=10)
    other = changed(hybrid.contract, temperature=0.7, test_items="other")
    with pytest.raises(RftlabError, match="test_items") as refused:
        report.comparable([*records, replace(hybrid, contract=other)])
    assert "temperature" in str(refused.value)
    assert "sft+grpo" in str(refused.value)


def test_what_does_not_apply_matches_anything(tmp_path):
    records = synthetic.write_grid(tmp_path, methods=("base", "sft"), labels=(10, 50), items=5)
    assert {r.contract["match"]["adapter"] == "n/a" for r in records} == {True, False}
    report.comparable(records)


def test_refused_methods_are_shown_apart_and_the_report_says_so(tmp_path):
    synthetic.write_grid(tmp_path, methods=("sft", "base"), labels=(10, 50), cots=(True,), items=10)
    for labels in (10, 50):
        for method in ("grpo", "rloo"):
            values = {"method": method, "labels": labels, "decoding.temperature": 0.1}
            synthetic.write_cell(tmp_path, values, items=10)
    html = report.write_report(tmp_path, notebook=False)[0].read_text()
    assert (
        "Not compared: base, grpo, rloo and sft cannot all be compared on arithmetic/word (tiny-base): they differ"
        in html
    )
    assert "in temperature (" in html
    cells = pd.read_csv(tmp_path / "report/cells.csv")
    apart = dict(zip(cells["arm"], cells["variant"], strict=True))
    assert apart["grpo"] == apart["rloo"] != apart["sft"] == apart["base"]
    assert "Methods that are shown together had the same" in html
    verdicts = report.verdicts(tmp_path)
    assert not any("GRPO against SFT" in said or "SFT against GRPO" in said for said in verdicts)
    assert any(said.startswith("Not compared: base, grpo") for said in verdicts)


def test_runs_of_one_method_that_do_not_match_are_never_averaged(tmp_path):
    for seed, code in ((0, "a"), (1, "a"), (2, "b"), (3, "b")):
        for method in ("sft", "grpo"):
            cell = synthetic.write_cell(tmp_path, {"method": method, "labels": 10, "seed": seed}, items=10)
            edited = replace(cell, contract=changed(cell.contract, verifier_code=code))
            edited.write(record.cells_dir(tmp_path) / cell.id, trace=(), samples=())
    study = report.read_results(tmp_path)
    assert [str(refusal) for refusal in study.survey.refused] == [
        "grpo and sft cannot all be compared on arithmetic/word (tiny-base): they differ in verifier_code (a and b); "
        "run them with the same verifier_code"
    ]
    assert study.cells.groupby("variant")["seed"].agg(set).to_dict() == {
        "only grpo and sft (verifier_code a)": {0, 1},
        "only grpo and sft (verifier_code b)": {2, 3},
    }


def test_prompts_that_were_judged_by_other_verifiers_are_not_drawn_together(tmp_path):
    for cot, code in ((True, "a"), (False, "b")):
        cell = synthetic.write_cell(tmp_path, {"method": "sft", "labels": 10, "cot": cot}, items=10)
        edited = replace(cell, contract=changed(cell.contract, verifier_code=code))
        edited.write(record.cells_dir(tmp_path) / cell.id, trace=(), samples=())
    study = report.read_results(tmp_path)
    assert [refusal.differing for refusal in study.survey.refused] == [{"verifier_code": "a and b"}]
    assert study.cells["variant"].nunique() == 2


def test_what_every_method_had_in_common_is_said_from_the_fields_that_did_match(tmp_path):
    synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), items=10)
    said = report.read_results(tmp_path).survey.same
    assert said == (
        "Every method had the same seeds, base, prompts, labels, adapter, budget, tuning, decoding, verifier, "
        "held-out items and notebook."
    )


def test_what_is_unknown_is_named_once_and_can_be_waived_by_name_which_the_page_says(tmp_path):
    for method in ("sft", "grpo"):
        cell = synthetic.write_cell(tmp_path, {"method": method, "labels": 10}, items=10)
        match = {name: value for name, value in cell.contract["match"].items() if name != "tokenizer"}
        lacking = replace(cell, contract={**cell.contract, "match": match})
        lacking.write(record.cells_dir(tmp_path) / cell.id, trace=(), samples=())
    assert any("--waive tokenizer" in said for said in report.verdicts(tmp_path))
    html = report.write_report(tmp_path, notebook=False, waive="tokenizer")[0].read_text()
    assert "Unknown, and accepted as such: tokenizer." in html
    assert "Not compared" not in html
    assert "base (but only base weights, base config, generation config, precision, start from)" in html


def test_what_differs_without_forbidding_a_comparison_is_said_with_whose_it_is(tmp_path):
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,), items=10)
    for seed in (0, 1):
        values = {"method": "grpo", "labels": 10, "seed": seed}
        synthetic.write_cell(tmp_path, values, items=10, environment={"gpu": "H100", "libraries": {"torch": "2.13.0"}})
    assert any(said.startswith("Differs between") and "gpu: H100 (grpo); unknown (sft)" in said
               for said in report.verdicts(tmp_path))  # fmt: skip


def test_the_records_of_the_first_contracts_still_give_a_page(tmp_path):
    shutil.copytree(Path(__file__).with_name("first_contracts"), tmp_path / "cells")
    html = report.write_report(tmp_path, notebook=False)[0].read_text()
    assert html.count("Not compared") == 1
    waived = re.search(r"--waive ([\w,]+)", html)[1]
    html = report.write_report(tmp_path, notebook=False, waive=waived)[0].read_text()
    assert "Not compared" not in html
    assert f"Unknown, and accepted as such: {', '.join(sorted(waived.split(',')))}" in html


def decided(results: Path) -> pd.DataFrame:
    return decide(report.read_results(results)).table.query("measure == 'accuracy'")


def test_verdicts_find_the_effect_that_was_put_in_and_no_other(results):
    (few,) = (said for said in report.verdicts(results) if "chain-of-thought, 10 labels" in said)
    assert re.search(r": GRPO against SFT: better \(\+\d+ \[\d+, \d+\]\); ", few)
    table = decided(results)
    beyond_zero = (table["low"] > 0) | (table["high"] < 0)
    assert (table["word"].isin(("better", "worse")) == beyond_zero).all()


def test_negative_control_a_method_against_its_twin_is_never_better(tmp_path, monkeypatch):
    monkeypatch.setitem(synthetic.SKILL, "rloo", synthetic.SKILL["grpo"])
    synthetic.write_grid(tmp_path, methods=("grpo", "rloo"), labels=(10, 50), cots=(True,), seeds=range(4))
    assert set(decided(tmp_path)["word"]) <= {"open", "same", "better or same"}


def test_cells_without_samples_are_compared_over_seeds(tmp_path):
    synthetic.write_grid(tmp_path, methods=("sft", "grpo"), labels=(10,), cots=(True,), seeds=(0, 1, 2))
    for found in record.read_all(tmp_path):
        found.write(record.cells_dir(tmp_path) / found.id, trace=[], samples=[])
    table = decided(tmp_path)
    assert (table["items"].tolist(), table["seeds"].tolist()) == ([1], [3])


def test_the_report_is_whole_on_disk_and_needs_nothing_else(results):
    written = report.write_report(results, notebook=False)
    names = {path.name for path in written}
    measures = ("", "_sampled_accuracy", "_ood_accuracy", "_pass_at_8")
    figures = {f"accuracy_vs_labels{measure}{whole}.svg" for measure in measures for whole in ("", "_0_100")}
    figures |= {f"{name}_arithmetic_word_chain_of_thought.svg" for name in ("forest", "prompts", "memorised")}
    figures |= {"learning_curves.svg", "accuracy_vs_cost.svg"}
    assert names == {"report.html", "cells.csv", "accuracy_vs_labels.png"} | figures
    assert all(path.stat().st_size for path in written)
    html = written[0].read_text()
    assert report.read_results(results).survey.same in html
    drawn = html.count("<svg") - html.count('class="slim"')
    assert drawn == len(figures) + 2  # forest and marks of the panel that the card does not speak of
    elsewhere = set(re.findall(r"""(?:src|href)=["'](?!#)([^"']*)""", html))
    assert {link.split("/")[3] for link in elsewhere} == {"record.json"}
    assert all((results / "report" / link).is_file() for link in elsewhere)
    assert "demo &lt;grid&gt;" in html
    assert "<grid>" not in html
    assert html.index('id="answer"') < html.index('id="decisions"') < html.index("<svg")
    assert len(pd.read_csv(results / "report/cells.csv")) == 42
    assert not list(results.glob(".report-*"))


@pytest.mark.parametrize("methods", [("base",), ("sft",), ("base", "grpo")])
def test_a_partly_finished_grid_gives_a_report_that_says_what_is_missing(tmp_path, methods):
    records = synthetic.write_grid(tmp_path, methods=methods, labels=(10,), cots=(True,), seeds=(0,), items=10)
    planned = [Cell.make(dict(r.cell)) for r in records] + [Cell.make({"method": "sft", "labels": 77})]
    write_plan(tmp_path, Grid("part", tuple(planned)))
    html = report.write_report(tmp_path, notebook=False)[0].read_text()
    assert "1 not finished: this report is partial" in html
    assert "(only one kind of prompt has been run)" in html


def test_cells_of_an_earlier_version_of_the_grid_are_named_and_counted_nowhere(tmp_path):
    records = synthetic.write_grid(
        tmp_path, methods=("base", "sft"), labels=(10,), cots=(True,), seeds=(0, 1), items=10
    )
    edited = {"task_settings": {"path": "/old/train.jsonl"}, "task": "file", "method": "sft"}
    old = synthetic.write_cell(tmp_path, {**edited, "digests": {"task_settings.path": "a" * 12}}, items=10)
    new = Cell.make({**edited, "digests": {"task_settings.path": "b" * 12}})
    gone = synthetic.write_cell(tmp_path, {"method": "sft", "labels": 77}, items=10)
    write_plan(tmp_path, Grid("part", (*(each.parameters for each in records), new)))
    html = report.write_report(tmp_path, notebook=False)[0].read_text()
    assert "2 cells that the grid does not name, kept out of its report: " in html
    assert f"run before train.jsonl changed ({old.id})" in html
    assert f"of rows taken out of it, or of another grid ({gone.id})" in html
    assert "4 finished cells, 1 not finished" in html
    assert "77" not in set(report.read_cells(tmp_path)["labels"].astype(str))


def test_a_failure_leaves_the_old_report_as_it_was(results, monkeypatch):
    monkeypatch.setattr(figures, "hero", lambda *_: figures.Drawing("accuracy_vs_labels", "", ""))
    report.write_report(results, notebook=False)
    before = {path: path.read_bytes() for path in (results / "report").iterdir()}

    def fail(*_args, **_kwargs):
        raise RuntimeError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(RuntimeError):
        report.write_report(results, notebook=False)
    assert {path: path.read_bytes() for path in (results / "report").iterdir()} == before
    assert not list(results.glob(".report-*"))


def test_nothing_to_read_is_said_in_a_sentence(tmp_path):
    with pytest.raises(RftlabError, match="run a grid first"):
        report.write_report(tmp_path)
    record.cells_dir(tmp_path).mkdir()
    with pytest.raises(RftlabError, match="no cell has finished"):
        report.write_report(tmp_path)


def test_the_check_of_contracts_takes_linear_time(tmp_path):
    one = synthetic.write_cell(tmp_path, {"method": "sft", "labels": 10}, items=10)
    many = []
    for n in range(10_000):
        cell = {**one.cell, "seed": n // 5, "method": f"m{n % 5}"}
        many.append(replace(one, id=str(n), cell=cell, contract=changed(one.contract, seed=n // 5)))
    began = time.process_time()
    assert survey(many).refused == ()
    assert time.process_time() - began < 5


def test_the_reading_column_never_imports_torch():
    heavy = "{'torch', 'trl', 'transformers'}"
    check = f"import rftlab.report, rftlab.interactive.compare, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_text_of_the_table_is_a_formula_of_a_spreadsheet():
    from rftlab.report.page import inert

    table = pd.DataFrame({"task": ["=1+1", "@sum", "word", "-x", "+x"], "gap": [-1.5, 0.0, 1.0, 2.0, 3.0]})
    safe = inert(table)
    assert list(safe["task"]) == ["'=1+1", "'@sum", "word", "'-x", "'+x"]
    assert list(safe["gap"]) == list(table["gap"])

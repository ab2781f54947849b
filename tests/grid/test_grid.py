"""Grids: what is swept, what is left out, what collapses, and the line each mistake is named with."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rftlab import preflight, record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.record import Record


@pytest.fixture
def load(tmp_path):
    def _load(text: str) -> Grid:
        path = tmp_path / "g.yaml"
        path.write_text(text)
        return Grid.load(path)

    return _load


def finish(cell: Cell, results: Path, **changed) -> None:
    body = {"cell": cell.model_dump(mode="json"), "id": cell.id, "contract": {}, "metrics": {}, "cost": {}} | changed
    Record(**body).write(record.cells_dir(results) / cell.id, trace=[], samples=[])


def test_lists_are_swept_in_the_order_written_with_the_last_field_fastest(load):
    grid = load("method: [sft, grpo]\nlabels: [10, 30]\nseed: [0, 1]\n")
    assert [(c.method, c.labels, c.seed) for c in grid.cells[:3]] == [("sft", 10, 0), ("sft", 10, 1), ("sft", 30, 0)]
    assert (len(grid.cells), grid.variants, grid.name) == (8, 4, "g")


def test_dotted_and_nested_names_mean_the_same(load):
    nested = load("budget: {unit: tokens, amount: [1e3, 2000]}\n")
    dotted = load("budget.unit: tokens\nbudget.amount: [1000, 2.0e+3]\n")
    assert [c.id for c in nested.cells] == [c.id for c in dotted.cells]
    grouped = load("budget: [{unit: tokens, amount: 1000}, {unit: tokens, amount: 2000}]\n")
    assert [c.id for c in grouped.cells] == [c.id for c in dotted.cells]


def test_a_list_valued_field_is_a_value_and_a_list_of_lists_is_swept(load):
    assert [c.tuning.learning_rates for c in load("tuning.learning_rates: [0.1, 0.2]\n").cells] == [(0.1, 0.2)]
    swept = load("tuning: {learning_rates: [[0.1, 0.2], [0.3]]}\n")
    assert [c.tuning.learning_rates for c in swept.cells] == [(0.1, 0.2), (0.3,)]


def test_settings_are_values_swept_by_a_list_of_mappings_or_by_dotted_names(load):
    assert load("method: grpo\nsettings: {a: [1, 2]}\n").cells[0].settings == {"a": [1, 2]}
    assert [c.settings for c in load("settings: [{a: 1}, {a: 2}]\n").cells] == [{"a": 1}, {"a": 2}]
    assert [c.settings for c in load("settings.a: [1, 2]\nsettings.b: x\n").cells] == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "x"},
    ]


def test_cot_eval_and_seeds_follow_cot_and_seed_also_after_an_override(load):
    grid = load("cot: true\nseed: 3\noverrides:\n  - {when: {seed: 3}, set: {cot: false, seed: 4}}\n")
    assert [(c.cot_eval, c.seed_data) for c in grid.cells] == [(False, 4)]


def test_overrides_come_before_exclusion(load):
    text = "method: [sft, grpo]\noverrides:\n  - {when: {method: grpo}, set: {budget.amount: 9}}\n"
    assert [c.budget.amount for c in load(text).cells] == [40.0, 9.0]
    assert [c.method for c in load(text + "exclude: [{budget: {amount: 9}}]\n").cells] == ["sft"]


def test_exclude_matches_all_its_fields_and_any_of_its_values(load):
    grid = load("method: [sft, grpo]\nlabels: [10, 30, 100]\nexclude:\n  - {method: sft, labels: [10, 30]}\n")
    assert Counter((c.method, c.labels) for c in grid.cells) == Counter(
        {("sft", 100): 1, ("grpo", 10): 1, ("grpo", 30): 1, ("grpo", 100): 1}
    )


@pytest.mark.parametrize("line", ["tuning: {trials: 3}", "cot: 2x2", "seed: [0, 1]"])
def test_what_stands_at_the_top_and_was_meant_for_include_is_refused(load, line):
    with pytest.raises(RftlabError, match=f"line 1: {line.partition(':')[0]}.* at the top makes cells of its own"):
        load(f"{line}\ninclude: [{{method: grpo}}]\n")


def test_include_stands_on_the_defaults_alone(load):
    grid = load("defaults: {labels: 7}\nmethod: sft\ncot: false\ninclude: [{method: grpo, seed: [0, 1]}]\n")
    assert [(c.method, c.labels, c.cot, c.seed) for c in grid.cells] == [
        ("sft", 7, False, 0), ("grpo", 7, True, 0), ("grpo", 7, True, 1),
    ]  # fmt: skip
    assert len(load("defaults: {labels: 7}\ninclude: [{method: grpo}]\n").cells) == 1


def test_the_untrained_base_runs_once_per_way_of_asking_and_seed(load):
    grid = load("method: [base, sft]\nlabels: [10, 30]\ncot: [true, false]\nbudget.amount: [20, 40]\nseed: [0, 1]\n")
    base = [c for c in grid.cells if c.method == "base"]
    assert [(c.cot, c.seed) for c in base] == [(True, 0), (True, 1), (False, 0), (False, 1)]
    assert {(c.labels, c.budget.amount) for c in base} == {(0, 40.0)}
    crossed = load("method: base\ncot: [true, false]\ncot_eval: [true, false]\n")
    assert [(c.cot, c.cot_eval) for c in crossed.cells] == [(True, True), (False, False)]


def test_paths_are_relative_to_the_file(load, tmp_path):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "check.py").write_text("def reward(completion, example): return 1.0\n")
    cell = load(
        "task: file\ntask_settings: {path: data.jsonl, test_path: ./t.csv, name: x.csv}\n"
        "model: models/mine\nverifier: check.py:reward\n"
    ).cells[0]
    here = tmp_path.resolve()
    assert cell.task_settings == {"path": f"{here}/data.jsonl", "test_path": f"{here}/t.csv", "name": "x.csv"}
    assert (cell.model, cell.verifier) == (f"{here}/models/mine", f"{here}/check.py:reward")
    nested = load(
        "verifier: rubric\n"
        "verifier_settings: {components: [{verifier: check.py:reward, settings: {path: known.txt}}]}\n"
        "method: dpo\nsettings.pairs_file: pairs.jsonl\n"
    ).cells[0]
    assert nested.verifier_settings["components"] == [
        {"verifier": f"{here}/check.py:reward", "settings": {"path": f"{here}/known.txt"}}
    ]
    assert nested.settings == {"pairs_file": f"{here}/pairs.jsonl"}
    bare = load("verifier: originality\nverifier_settings: {path: known}\n").cells[0]
    assert bare.verifier_settings == {"path": f"{here}/known"}
    hub = load("task: file\ntask_settings.path: openai/gsm8k\nmodel: org/name\n").cells[0]
    assert (hub.task_settings["path"], hub.model) == ("openai/gsm8k", "org/name")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("method: sft\nlables: 3\n", 2, "unknown parameter 'lables'; did you mean labels?"),
        ("method: sft\nstop: true\n", 2, "unknown parameter 'stop'; here it is budget.until: plateau"),
        ("method: sft\nbudget:\n  amont: 3\n", 3, "unknown parameter 'budget.amont'; did you mean budget.amount"),
        ("excludes: []\n", 1, "did you mean exclude"),
        ("seed: [0,\n  1,\n  -2]\n", 3, "parameter 'seed'"),
        ("cot: yes\n", 1, "parameter 'cot'"),
        ("labels: 10.5\n", 1, "parameter 'labels'"),
        ("budget: 40\n", 1, "parameter 'budget'"),
        ("seed: 0\ntask: [arithmetic/word, arithmetic/wrod]\n", 2, "unknown task 'arithmetic/wrod'; did you mean"),
        ("method: gpro\n", 1, "unknown method 'gpro'; did you mean grpo"),
        ("method: dapo\n", 1, "unknown method 'dapo'; it is a preset: give method: grpo, preset: dapo"),
        ("seed: 0\nverifier: maths\n", 2, "unknown verifier 'maths'; did you mean math"),
        ("seed: 0\nverifier: ./nowhere.py:f\n", 2, "there is no file"),
        ("seed: 0\nseed: 1\n", 2, "duplicate key"),
        ("budget.amount: 3\nbudget: {amount: 4}\n", 2, "budget.amount is given twice"),
        ("seed: [0\nlabels: 3\n", 2, "not valid YAML"),
        ("- seed\n", 1, "a grid is a mapping"),
        ("", 1, "a grid is a mapping"),
        ("seed: []\n", 1, "empty list"),
        ("name: a/b\n", 1, "cannot name a folder"),
        ("seed: !x 3\n", 1, "tags"),
        ("seed: 1\noverrides:\n  - {when: {seed: 1}, then: {seed: 2}}\n", 3, "exactly the keys when and set"),
        ("overrides:\n  - when: {seed: 1}\n    set: {seed: [1, 2]}\n", 3, "one value"),
        ("include: {seed: 1}\n", 1, "include is a list of mappings"),
        ("defaults: 3\n", 1, "defaults is a mapping"),
        ("seed: 1\nexclude: [{seed: 1}]\n", 1, "every cell is excluded"),
    ],
)
def test_a_mistake_is_named_with_its_line(load, text, line, says):
    with pytest.raises(RftlabError) as caught:
        load(text)
    assert f"g.yaml line {line}: " in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(RftlabError, match="cannot read the grid"):
        Grid.load(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RftlabError, match="UTF-8"):
        Grid.load(tmp_path / "b.yaml")


def test_done_is_a_readable_record_of_that_id(load, tmp_path):
    grid = load("seed: [0, 1, 2, 3]\n")
    finish(grid.cells[0], tmp_path)
    finish(grid.cells[1], tmp_path, id="another")
    (tmp_path / "cells" / grid.cells[2].id).mkdir()
    (tmp_path / "cells" / grid.cells[2].id / record.RECORD).write_text('{"half": ')
    done, left = grid.split(tmp_path)
    assert (done, left) == ([grid.cells[0]], list(grid.cells[1:]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(st.integers(0, 500), min_size=1, max_size=4),
    seeds=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4),
    amounts=st.lists(st.floats(1e-6, 1e6, allow_nan=False), min_size=1, max_size=3),
)
def test_a_grid_has_each_combination_exactly_once(tmp_path, labels, seeds, amounts):
    path = tmp_path / "p.yaml"
    path.write_text(f"labels: {labels}\nseed: {seeds}\nbudget.amount: {amounts}\n")
    got = [(c.labels, c.seed, c.budget.amount) for c in Grid.load(path).cells]
    assert len(got) == len(set(got))
    assert set(got) == {(n, s, a) for n in labels for s in seeds for a in amounts if n or not any(labels)}


def test_arms_that_have_nothing_to_train_on_are_left_out_and_named(load):
    grid = load("method: [base, sft, grpo, sft+grpo]\nlabels: [0, 10]\nprompts: [0, 40]\n")
    got = {(cell.method, cell.labels, cell.prompts) for cell in grid.cells}
    assert got == {
        ("base", 0, 0), ("sft", 10, 0), ("grpo", 10, 0), ("grpo", 10, 40), ("grpo", 0, 40),
        ("sft+grpo", 10, 0), ("sft+grpo", 10, 40),
    }  # fmt: skip
    assert grid.idle == ("sft with 0 labels", "grpo with 0 labels", "sft+grpo with 0 labels")


def test_a_list_of_marks_is_one_value_and_a_list_of_lists_is_swept(load):
    assert [c.evaluation.marks for c in load("evaluation: {marks: [1.0e+9, 2.0e+9]}\n").cells] == [(1e9, 2e9)]
    assert len(load("evaluation.marks: [[1.0e+9], [2.0e+9]]\n").cells) == 2


def test_two_by_two_trains_with_and_without_chain_of_thought_and_asks_each_both_ways(load):
    grid = load("method: [base, sft, grpo]\ncot: 2x2\n")
    assert load("method: [base, sft, grpo]\ncot: [2x2]\n").cells == grid.cells
    square = {(False, False), (False, True), (True, False), (True, True)}
    for method in ("sft", "grpo"):
        assert {(c.cot, c.cot_eval) for c in grid.cells if c.method == method} == square
    assert sorted(c.cot_eval for c in grid.cells if c.method == "base") == [False, True]


def test_two_by_two_is_a_default_that_an_entry_replaces_whole(load):
    grid = load("defaults: {cot: 2x2}\ninclude:\n  - {method: sft}\n  - {method: grpo, cot: true}\n")
    assert Counter(c.method for c in grid.cells) == {"sft": 4, "grpo": 1}


@pytest.mark.parametrize(
    "text", ["cot: 2x2\ncot_eval: true\n", "method: sft\ninclude:\n  - {cot: 2x2, cot_eval: true}\n"]
)
def test_two_by_two_beside_a_prompt_of_the_test_is_refused(load, text):
    with pytest.raises(RftlabError, match=r"line \d: cot: 2x2 sweeps cot_eval too"):
        load(text)


def test_two_by_two_of_a_task_without_rationales_is_refused_before_anything_runs(load, tmp_path):
    rows = "".join(f'{{"prompt": "Name {n}", "answer": "{n}"}}\n' for n in range(40))
    (tmp_path / "rows.jsonl").write_text(rows)
    grid = load(
        "task: file\ntask_settings: {path: rows.jsonl}\nmethod: sft\nlabels: 4\ncot: 2x2\n"
        "evaluation: {test_items: 4, along_items: 2, sampled_items: 2, ood_items: 0}\n"
    )
    with pytest.raises(RftlabError, match="trains on rationales"):
        preflight.check(grid.cells)

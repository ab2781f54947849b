"""Cell: content-hash identity, validation, and the flat form notebooks use."""

import copy
import json
import operator
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.cell import Cell, parameter_help, parameter_names
from rftlab.errors import RftlabError


def test_equal_content_gives_equal_id_however_written() -> None:
    nested = Cell.make({"seed": 3, "adapter": {"r": 8}})
    dotted = Cell.make({"adapter.r": 8, "seed": 3, "labels": 50, "seed_data": 3})
    assert nested == dotted
    assert nested.id == dotted.id


def test_numbers_written_as_int_or_float_are_the_same_cell() -> None:
    assert Cell.make({"budget.amount": 40}).id == Cell.make({"budget.amount": 40.0}).id == Cell().id


def another_value(name: str) -> Any:
    """A value of a parameter that is not its default."""
    other = {
        "template": "qa", "answer_format": "lenient", "budget.unit": "tokens", "task": "file", "model": "a/b",
        "tuning.learning_rates": [0.1], "method": "grpo", "preset": "x", "verifier": "math",
        "development": "from_labels", "label_difficulty": "hard", "curriculum": "easy_first", "pass_rates_path": "x",
        "system": "x", "start_from": "x", "started_by": "x", "digests": {"verifier": "0"},
        "budget.until": "plateau", "evaluation.decides": "score", "evaluation.retention": "qa/choice",
        "evaluation.verifier": "math", "evaluation.marks": [1e9],
        "learning_rates": [0.1], "tuned_by": "x", "evaluation.part": "development",
        "precision": "bf16", "device": "cpu", "quantization": "4bit",
    }  # fmt: skip
    value = Cell().flat()[name]
    if name in other:
        return other[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, dict):
        return {"a": 1}
    return value / 2 if isinstance(value, float) and value else 0.5 if isinstance(value, float) else value + 1


PLAIN = set(parameter_names().values()) - {"adapter.kind", "adapter.target_modules", "device", "gradient_checkpointing"}


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_every_parameter_changes_the_id(name: str) -> None:
    assert Cell.make({name: another_value(name)}).id != Cell().id


@pytest.mark.parametrize("tuning", [{"trials": 2}, {"learning_rates": [0.1]}])
def test_a_rate_that_is_given_is_not_also_chosen_in_the_cell(tuning: dict[str, Any]) -> None:
    with pytest.raises(RftlabError, match=r"and learning_rates gives it; leave one out"):
        Cell.make({"tuning": tuning, "learning_rates": [0.1]})


def test_a_field_that_came_later_orphans_no_shipped_study() -> None:
    """Ids of 0.1.0: a field that is added must not change them, see _CAME_LATER."""
    # The defaults of that time.
    caps = {"decoding.max_new_tokens": 64, "decoding.max_new_tokens_direct": 16, "evaluation.samples": 8}
    assert Cell.make(caps).id == "77ded0c911ac"
    assert (
        Cell.make({**caps, "method": "grpo", "labels": 10, "cot": False, "seed": 2, "budget.amount": 30}).id
        == "3a9051501340"
    )


@given(
    labels=st.integers(0, 10**6), seed=st.integers(0, 2**31 - 1), cot=st.booleans(), rate=st.floats(1e-9, 1),
    text=st.text(max_size=40),
)  # fmt: skip
def test_parameters_round_trip(labels: int, seed: int, cot: bool, rate: float, text: str) -> None:
    cell = Cell.make(
        {
            "labels": labels, "seed": seed, "cot": cot, "tuning.learning_rates": [rate, rate / 2],
            "task_settings": {"path": text, "columns": {"prompt": text}},
        }
    )  # fmt: skip
    given = Cell.make({"learning_rates": [rate, rate / 2], "tuned_by": "x"})
    assert Cell.from_parameters(given.to_parameters()) == given
    assert Cell.from_parameters(cell.to_parameters()) == cell
    assert Cell.model_validate_json(cell.model_dump_json()) == cell


def test_unset_notebook_parameters_fall_back_to_the_seed() -> None:
    cell = Cell.from_parameters({"seed": 7, "seed_data": -1, "seed_init": 2, "verifier": "", "unrelated": object()})
    assert (cell.seed_data, cell.seed_init, cell.seed_sampling) == (7, 2, 7)


@pytest.mark.parametrize(
    ("given", "cot_eval"), [("", False), ("yes", True), ("no", False), (True, True), (False, False)]
)
def test_a_notebook_can_leave_cot_eval_unset(given: Any, cot_eval: bool) -> None:
    assert Cell.from_parameters({"cot": False, "cot_eval": given}).cot_eval is cot_eval


@pytest.mark.parametrize(("given", "says"), [("maybe", "give yes or no"), (3, "'cot_eval'")])
def test_another_word_for_cot_eval_is_refused(given: Any, says: str) -> None:
    with pytest.raises(RftlabError, match=says):
        Cell.from_parameters({"cot_eval": given})


def test_cot_eval_follows_cot_unless_given() -> None:
    assert Cell.make({"cot": False}).cot_eval is False
    assert Cell.make({"cot": False, "cot_eval": True}).cot_eval is True


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"labels": 10}, "10 labels + 50 for development"),
        ({"labels": 1, "evaluation.along_the_way": 0}, "1 label"),
        ({"labels": 10, "development": "from_labels"}, "10 labels, 2 of them for development"),
        ({"labels": 1000, "development": "from_labels"}, "1000 labels, 50 of them for development"),
    ],
)
def test_development_items_are_counted_aloud(values: dict, says: str) -> None:
    assert Cell.make(values).label_budget == says


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"lables": 3}, "did you mean labels"),
        ({"adapter.rank": 3}, "adapter.r"),
        ({"labels": "many"}, "'labels'"),
        ({"labels": -1}, "greater than or equal to 0"),
        ({"labels": True}, "valid integer"),
        ({"budget.unit": "hours"}, "'budget.unit'"),
        ({"decoding.temperature": 0.0}, "greater than 0"),
        ({"adapter": 3}, "'adapter'"),
        ({"budget.amount": float("nan")}, "'budget.amount'"),
    ],
)
def test_bad_parameters_are_named(values: dict, says: str) -> None:
    with pytest.raises(RftlabError, match=says):
        Cell.make(values)


def test_bad_json_parameter_is_named() -> None:
    with pytest.raises(RftlabError, match="task_settings is not valid JSON"):
        Cell.from_parameters({"task_settings": "{'a': 1}"})


def test_a_dictionary_and_a_list_are_fine_notebook_parameters() -> None:
    given = {"task_settings": {"path": "a.jsonl"}, "settings": {}, "learning_rates": [0.1], "evaluation_marks": []}
    cell = Cell.from_parameters(given)
    assert (dict(cell.task_settings), cell.learning_rates) == ({"path": "a.jsonl"}, (0.1,))
    assert cell == Cell.from_parameters({name: json.dumps(value) for name, value in given.items()})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lables": 3}, "lables is no parameter; did you mean labels?"),
        ({"learning_rat": 1e-3}, "did you mean learning_rate"),
        ({"task_setings": {"path": "a"}}, "did you mean task_settings"),
        ({"temperature": 0.7, "__annotations__": {"temperature": float}}, "did you mean decoding_temperature"),
    ],
)
def test_a_misspelt_notebook_parameter_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RftlabError, match=re.escape(says)):
        Cell.from_parameters({"labels": 5, **given})


def test_a_notebook_s_other_variables_are_its_own() -> None:
    others = {"seeds": [0, 1], "temperature": 0.7, "out": "", "pairs": 3, "rows": {}, "_lables": 1, "label": json}
    assert Cell.from_parameters({"labels": 5, **others}) == Cell.make({"labels": 5})


def test_cells_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Cell().labels = 3  # type: ignore[misc]


def test_every_parameter_has_one_line_of_help() -> None:
    assert list(parameter_help()) == list(parameter_names().values())
    assert all(text and "\n" not in text for text in parameter_help().values())


def test_cells_that_look_alike_are_told_apart_by_what_differs():
    cells = [Cell.make({"method": method, "decoding.temperature": t}) for method in ("sft", "grpo") for t in (0.5, 1.0)]
    cells.append(Cell.make({"method": "dpo"}))
    labels = list(Cell.labels_apart(cells).values())
    assert labels[0] == f"{cells[0].label} decoding.temperature=0.5"
    assert labels[4] == cells[4].label
    assert len(set(labels)) == 5


def test_cells_that_differ_in_code_of_one_s_own_are_told_apart_by_its_short_name():
    cells = [Cell.make({"verifier": name}) for name in ("exact", "/far/late.py:die")]
    assert Cell.labels_apart(cells)[cells[1].id] == f"{cells[1].label} verifier=die"


@pytest.mark.parametrize("values", [{"labells": 3}, {"labels": -1}, {"adapter": {"r": 0}}, {"adapter.r": "x"}])
def test_the_constructor_says_what_make_says(values: dict[str, Any]) -> None:
    with pytest.raises(RftlabError) as by_make:
        Cell.make(values)
    with pytest.raises(RftlabError, match=f"^{re.escape(str(by_make.value))}$"):
        Cell(**values)
    with pytest.raises(RftlabError, match="did you mean labels"):
        Cell(labells=3)
    assert Cell(**{"adapter.r": 4}) == Cell(adapter={"r": 4}) == Cell.make({"adapter.r": 4})


def test_nothing_in_a_cell_can_be_changed_and_copies_are_equal() -> None:
    stages = {"stages": [{"method": "sft", "share": 0.5}]}
    cell = Cell.make({"settings": stages, "task_settings": {"columns": {"prompt": "q"}}, "digests": {"a": "1"}})
    changes: list[Callable[[], Any]] = [
        lambda: cell.settings.update(a=1),
        lambda: cell.settings["stages"].append(1),
        lambda: cell.settings["stages"][0].pop("share"),
        lambda: operator.setitem(cell.task_settings["columns"], "prompt", "x"),
        lambda: operator.ior(cell.verifier_settings, {"a": 1}),
        lambda: Cell().settings.setdefault("a", 1),
        lambda: cell.digests.clear(),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="a Cell never changes"):
            change()
    assert stages == cell.settings == {"stages": [{"method": "sft", "share": 0.5}]}
    stages["stages"].clear()
    for same in (copy.copy(cell), copy.deepcopy(cell), pickle.loads(pickle.dumps(cell)), Cell(**cell.model_dump())):
        assert same == cell
        assert same.id == cell.id
        with pytest.raises(TypeError, match="a Cell never changes"):
            same.settings["stages"].clear()
    assert type(cell.model_dump()["settings"]["stages"]) is list

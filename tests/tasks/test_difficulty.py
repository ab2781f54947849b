"""Labels of a difficulty: which rows, nested, the same development items, and what is said where that is not known."""

import json
from pathlib import Path
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.tasks.base import Example, Labels, Task
from rftlab.tasks.difficulty import PassRates, check, cost_of, of_difficulty, pass_rates, read, told
from rftlab.tasks.of_cell import draw_labels

ROWS = tuple(Example(f"e{i:03d}", f"Prompt {i}", str(i)) for i in range(300))
TASK = Task("toy", "A card.", ROWS, tuple(Example(f"t{i}", f"Test {i}", str(i)) for i in range(5)))
# Of 240 rows; the others were not measured.
RATES = {f"e{i:03d}": (i % 10) / 10 for i in range(240)}


@pytest.fixture
def rates(tmp_path: Path) -> str:
    path = tmp_path / "rates.json"
    path.write_text(json.dumps({"samples": 10, "flops": 2e9, "completions": 900, "seconds": 7.5, "rows": RATES}))
    return str(path)


def drawn(rates: str, difficulty: str, labels: int = 20, **values: Any) -> Labels:
    given = {"label_difficulty": difficulty, "labels": labels, "pass_rates_path": rates, "seed": 3, **values}
    return draw_labels(Cell.make(given), TASK)


def ids(labels: Labels) -> list[str]:
    return [example.id for example in labels.train]


def test_easy_labels_are_those_the_base_gets_right_and_hard_ones_those_it_does_not(rates: str) -> None:
    easy, hard = ([RATES[i] for i in ids(drawn(rates, kind))] for kind in ("easy", "hard"))
    assert min(easy) > 0.5 > 0.4 >= max(hard)
    easiest, hardest, mixed = (
        {row.id for row in of_difficulty(ROWS, RATES, kind)[:21]} for kind in ("easy", "hard", "mixed")
    )
    assert (len(mixed & easiest), len(mixed & hardest), len(mixed)) == (7, 7, 21)


@pytest.mark.parametrize("difficulty", ["easy", "hard", "mixed"])
def test_budgets_of_one_difficulty_nest_and_seeds_draw_others(rates: str, difficulty: str) -> None:
    few, more = ids(drawn(rates, difficulty, 6)), ids(drawn(rates, difficulty, 24))
    assert few == more[:6]
    assert ids(drawn(rates, difficulty, 6, seed=4)) != few


def test_development_items_are_the_same_for_every_difficulty_and_never_labels(rates: str) -> None:
    asked = {"evaluation.along_items": 20}
    every = [drawn(rates, kind, **asked) for kind in ("any", "easy", "hard", "mixed")]
    assert len({tuple(e.id for e in labels.development) for labels in every}) == 1
    for labels in every:
        assert not {*ids(labels)} & {e.id for e in labels.development}


def test_prompts_without_labels_are_none_of_the_labels(rates: str) -> None:
    labels = drawn(rates, "hard", method="grpo", prompts=40)
    assert len({*ids(labels), *(e.id for e in labels.prompts)}) == 60
    assert all(not e.answer for e in labels.prompts)


def test_ties_are_parted_by_the_order_and_rows_of_no_rate_left_out() -> None:
    found = of_difficulty(ROWS[:9], dict.fromkeys((e.id for e in ROWS[:3]), 1.0) | {ROWS[4].id: 0.0}, "hard")
    assert [row.id for row in found] == ["e004"]
    six = of_difficulty(ROWS[:6], dict.fromkeys((e.id for e in ROWS[:5]), 0.5) | {ROWS[5].id: 0.0}, "easy")
    assert [row.id for row in six] == ["e000", "e001"]


@pytest.mark.parametrize("known", [{}, {"e001": 0.5}, dict.fromkeys(RATES, 0.0)])
def test_rates_that_tell_nothing_are_refused(known: dict[str, float]) -> None:
    with pytest.raises(RftlabError, match="do not tell easy from hard"):
        of_difficulty(ROWS, known, "easy")


def test_more_labels_than_there_are_of_a_difficulty_are_refused(rates: str) -> None:
    with pytest.raises(RftlabError, match=r"has 80 rows of that label_difficulty, fewer than labels=81"):
        drawn(rates, "easy", labels=81, **{"evaluation.along_the_way": 0})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no object"),
        ('{"rows": {}}', "no object"),
        ('{"rows": {"e1": 2}}', "row e1: a pass rate is a number from 0 to 1, not 2"),
        ('{"rows": {"e1": "often"}}', "not 'often'"),
        ('{"rows": {"e1": true}}', "not True"),
    ],
)
def test_a_file_that_is_none_of_pass_rates_is_told(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "rates.json").write_text(text)
    with pytest.raises(RftlabError, match=says):
        read(tmp_path / "rates.json")
    with pytest.raises(RftlabError, match="measure it again with `rftlab pass-rates`"):
        read(tmp_path / "none.json")


def test_rows_may_have_a_column_of_their_own() -> None:
    rows = tuple(Example(e.id, e.prompt, e.answer, meta={"pass_rate": str(RATES.get(e.id, 0.0))}) for e in ROWS)
    task = Task("toy", "A card.", rows, TASK.test)
    labels = draw_labels(Cell.make({"label_difficulty": "hard", "labels": 10, "seed": 3}), task)
    assert all(float(e.meta["pass_rate"]) <= 0.3 for e in labels.train)
    with pytest.raises(RftlabError, match="curriculum is easy_first, and how hard the rows .* are is not known"):
        pass_rates(Cell.make({"curriculum": "easy_first"}), ROWS)
    assert pass_rates(Cell.make({}), ROWS) == PassRates({})


def test_the_file_is_part_of_a_cell_and_the_untrained_base_has_none(rates: str, tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("method: [base, sft]\nlabels: 10\nlabel_difficulty: [any, hard]\npass_rates_path: rates.json\n")
    cells = Grid.load(path).cells
    swept = [("base", "any"), ("sft", "any"), ("sft", "hard")]
    assert [(cell.method, cell.label_difficulty) for cell in cells] == swept
    assert cells[2].pass_rates_path == rates
    before = with_digests(cells[2])
    Path(rates).write_text(json.dumps({"rows": {**RATES, "e000": 0.9}}))
    assert with_digests(cells[2]).id != before.id
    assert cells[0].pass_rates_path == ""


def test_the_record_says_how_hard_labels_are_and_what_it_took_to_know(rates: str) -> None:
    cell = Cell.make({"label_difficulty": "hard", "labels": 20, "pass_rates_path": rates, "seed": 3})
    labels, known = draw_labels(cell, TASK).train, pass_rates(cell, ROWS)
    [said] = told(cell, labels, known, "0a1b")
    assert said.startswith("labels are hard (label_difficulty): the base's pass rate on them is 0.")
    assert "on all 240 rows that were measured 0.45, over 10 samples" in said
    assert cost_of(known) == {"pass_rate_flops": 2e9, "pass_rate_completions": 900, "pass_rate_seconds": 7.5}
    other = PassRates(RATES, {"base": "ffff", "model": "another"})
    assert told(Cell.make({}), labels, other, "0a1b") == [
        "pass rates are of another base than the one trained (another)"
    ]


def test_a_curriculum_is_checked_before_a_run(rates: str) -> None:
    def checked(**values: Any) -> None:
        cell = Cell.make({"curriculum": "easy_first", "pass_rates_path": rates, "seed": 3, "labels": 20, **values})
        check(cell, draw_labels(cell, TASK), ROWS)

    checked(label_difficulty="mixed")
    checked(method="base", labels=0)
    with pytest.raises(RftlabError, match="example e\\d+ that is trained on has no pass rate"):
        checked(labels=200)
    with pytest.raises(RftlabError, match="method 'dpo' takes its examples in an order of its own"):
        checked(method="dpo", label_difficulty="mixed")

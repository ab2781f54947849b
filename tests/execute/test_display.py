"""What a person sees of a run: no row glued, cut or wider than the terminal, and lines that say what was measured."""

import io
import re

import pytest
from rich.console import Console

from rftlab.cell import Cell
from rftlab.execute.display import Display, measured, rows
from rftlab.execute.one_cell import Outcome
from rftlab.execute.progress_file import Running
from rftlab.record import Record

LABELS = ("word sft n=10 cot seed 0", "word grpo n=300 direct seed 1 settings={'num_generations': 8, 'beta': 0.04}")
RUNNING = [
    Running("0", LABELS[0], 7.0, "loading the base", None, None, False, "", ""),
    Running("1", LABELS[1], 1234.0, "train", 12, 150, True, "reward 0.310", "no group of this step had a signal"),
]
CELLS = [
    Cell.make({"method": method, "labels": 0 if method == "base" else 10, "seed": seed})
    for method in ("base", "sft", "grpo")
    for seed in (0, 1)
]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def drawn(renderables, columns):
    console = Console(file=io.StringIO(), width=columns)
    for each in renderables:
        console.print(each)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def finish(folder, cell, **metrics):
    Record(cell=cell.model_dump(mode="json"), id=cell.id, contract={}, metrics=metrics, cost={}).write(
        folder, trace=[], samples=[]
    )
    return Outcome(cell, "done", 21.4, folder)


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 120, 200])
def test_rows_fit_the_terminal_and_no_word_is_cut(columns):
    lines = drawn(rows(RUNNING, Console(width=columns)), columns)
    assert max(map(len, lines)) <= columns
    words = " ".join(lines).split()
    for each in RUNNING:
        assert set(each.label.split()) <= set(words)
    assert {"loading", "base", "1234", "train"} <= set(words)
    assert "…" not in " ".join(lines)
    assert " ".join(words).count("train 12 of at most 150 reward 0.310") == 1


def test_a_wide_terminal_shows_steps_and_measure_on_one_line_and_what_goes_wrong_below():
    lines = drawn(rows(RUNNING, Console(width=160)), 160)
    assert len(lines) == 3
    assert lines[1].endswith("train 12 of at most 150  reward 0.310")
    assert lines[1].index("1234 s") == lines[0].index("   7 s")
    assert lines[2] == f"  {LABELS[1]}: no group of this step had a signal"


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_the_first_row_stands_below_the_bar(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    with Display("mine", CELLS, left=CELLS, workers=2, stream=Terminal()) as display:
        assert " ".join(drawn([display._screen()], int(columns))[:-1]).strip().endswith("; loading the base")
        display.started(CELLS[0])
        head, bar, row = drawn([display._screen()], int(columns))
    assert re.search(r"\S mine: 0 of 6 cells, estimating the time left$", head)
    assert not re.search(r"\w", bar)
    assert len(bar) <= int(columns)
    assert row == "  word base n=0 cot seed 0  0 s  loading the base"


def test_nothing_moves_in_a_file_even_where_colour_is_forced_as_a_kernel_does(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    with Display("mine", CELLS, left=CELLS, workers=2, stream=out) as display:
        display.started(CELLS[0])
        display.noted("one line")
    assert out.getvalue() == "one line\n"


def test_finished_lines_say_what_was_measured_and_an_error_once(tmp_path):
    out = io.StringIO()
    with Display("mine", CELLS, left=CELLS, workers=2, stream=out) as display:
        display.finished(finish(tmp_path / "0", CELLS[2], accuracy=0.62, score=0.7))
        for cell in CELLS[3:5]:
            display.finished(Outcome(cell, "failed", 2.0, tmp_path, f"OutOfMemory: {cell.id} wanted 7 GB"))
        display.finished(Outcome(CELLS[5], "failed", 2.0, tmp_path, "KeyError: 'x'"))
        display.finished(Outcome(CELLS[0], "skipped", 0.0, None))
        display.finished(Outcome(CELLS[1], "stopped", 0.0, None))
    lines = out.getvalue().splitlines()
    assert lines == [
        "[1/6] word sft n=10 cot seed 0: accuracy 62 %, 21.4 s",
        f"[2/6] failed: word sft n=10 cot seed 1: OutOfMemory: {CELLS[3].id} wanted 7 GB, 2.0 s",
        "[3/6] failed: word grpo n=10 cot seed 0: as before, 2.0 s",
        "[4/6] failed: word grpo n=10 cot seed 1: KeyError: 'x', 2.0 s",
        "[5/6] skipped: word base n=0 cot seed 0: 0.0 s",
    ]


@pytest.mark.parametrize(
    ("evaluation", "metrics", "says"),
    [
        ({}, {"accuracy": 0.625, "score": 0.7}, "accuracy 62 %"),
        ({"decides": "score"}, {"accuracy": 0.625, "score": 0.7}, "score 0.70"),
        ({"part": "development"}, {"development_accuracy": 0.5}, "development accuracy 50 %"),
        ({}, {"diverged": 1.0}, "diverged"),
        ({}, {}, ""),
        ({}, {"accuracy": None}, ""),
    ],
)
def test_a_cell_is_told_by_what_it_is_judged_by(tmp_path, evaluation, metrics, says):
    assert measured(finish(tmp_path, Cell.make({"evaluation": evaluation}), **metrics)) == says


def test_a_record_that_cannot_be_read_is_no_reason_to_stop(tmp_path):
    (tmp_path / "record.json").write_text("{")
    assert measured(Outcome(CELLS[0], "done", 1.0, tmp_path)) == ""
    assert measured(Outcome(CELLS[0], "done", 1.0, None)) == ""


def test_the_time_left_is_that_of_cells_alike_and_counts_workers():
    with Display("mine", CELLS, left=CELLS, workers=2, planned=lambda _: 10.0, stream=io.StringIO()) as display:
        assert display.progress().seconds_left == 30.0
        for cell in CELLS[:2]:
            display.finished(Outcome(cell, "done", 1.0, None))
        assert display.progress().seconds_left == pytest.approx(2.0)
        display.started(CELLS[0])  # again
        assert display.progress().ended == 1

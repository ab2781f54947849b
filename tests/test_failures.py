"""What failed is said once, each cell with its log."""

from pathlib import Path

from rftlab.cell import Cell
from rftlab.cli.failures import say_failures
from rftlab.execute.one_cell import Outcome


def failed(seed: int, error: str, folder: str | None = "/r") -> Outcome:
    return Outcome(Cell.make({"seed": seed}), "failed", 1.0, Path(folder) / str(seed) if folder else None, error)


def test_one_failure_is_one_line_with_its_log(capsys):
    say_failures([failed(0, "KeyError: 'x'"), failed(1, "diverged at every rate", None)])
    assert capsys.readouterr().out.splitlines() == [
        "failed: word sft n=50 cot seed 0: KeyError: 'x'; see /r/0/notebook.ipynb",
        "failed: word sft n=50 cot seed 1: diverged at every rate",
    ]


def test_cells_that_failed_alike_share_one_error_and_the_first_of_them_are_named(capsys):
    say_failures([failed(seed, f"MemoryError: {seed} GB wanted") for seed in range(7)], most=2)
    assert capsys.readouterr().out.splitlines() == [
        "7 cells failed: MemoryError: 0 GB wanted",
        "  word sft n=50 cot seed 0; see /r/0/notebook.ipynb",
        "  word sft n=50 cot seed 1; see /r/1/notebook.ipynb",
        "  and 5 more, which rftlab status names",
    ]


def test_nothing_is_said_where_nothing_failed(capsys):
    say_failures([])
    assert capsys.readouterr().out == ""

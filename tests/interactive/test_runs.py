"""What was run by hand, beside the run at hand."""

from pathlib import Path

import pytest

import rftlab


@pytest.fixture
def experiment(small_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def ran(**values):
        found = rftlab.Experiment(small_cell(method="base", labels=0, **values))
        found.train()
        found.evaluate()
        return found

    return ran


def test_other_records_stand_under_the_run_and_what_differs_is_named(experiment) -> None:
    other = experiment(**{"evaluation.test_items": 6})
    other.save()
    now = experiment()
    table = rftlab.runs(now)
    assert list(table["id"]) == [now.cell.id, other.cell.id]
    assert table.index[0].startswith("this run: ")
    assert table["not to be compared for"].iloc[0] == ""
    assert "test_items" in table["not to be compared for"].iloc[1]
    assert table["accuracy"].str.endswith(" %").all()


def test_the_run_itself_is_listed_once_when_it_is_saved(experiment) -> None:
    now = experiment()
    now.save()
    assert list(rftlab.runs(now)["id"]) == [now.cell.id]


def test_a_run_that_was_not_evaluated_cannot_be_compared(small_cell) -> None:
    with pytest.raises(rftlab.RftlabError, match="there is nothing to record yet"):
        rftlab.runs(rftlab.Experiment(small_cell(method="base", labels=0)))

"""A plan from short runs or finished cells, held against the run; what is swept; and what is refused."""

import json
import re
from pathlib import Path

import pytest

import rftlab
from rftlab import cli, study
from rftlab.advise import forecast as forecasts
from rftlab.advise import held
from rftlab.advise.amounts import ROWS, interval
from rftlab.advise.costs import Amount
from rftlab.advise.priced import prices_of
from rftlab.advise.swept import swept
from rftlab.cell import Cell
from rftlab.execute.one_cell import Outcome
from rftlab.grid import Grid
from rftlab.record.machine import is_here, machine
from rftlab.stages import Stages
from tests import synthetic
from tests.advise.test_costs import LONGER, SHORT, ran

GRID = """
name: small
max_seeds: 2
defaults:
  seed: [0, 1]
  budget.amount: 3
  evaluation: {test_items: 12, train_items: 4, ood_items: 4, sampled_items: 2, samples: 2, along_the_way: 1,
               along_items: 4, retention_items: 4}
include:
  - {method: base}
  - {method: sft, labels: 8}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.yaml").write_text(GRID)
    (tmp_path / "labels.yaml").write_text("label: 2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_grid_is_measured_planned_run_and_held_against_its_plan(here, capsys, monkeypatch):
    monkeypatch.setattr("rftlab.study.report", lambda *_: None)
    monkeypatch.setattr(forecasts, "cool", lambda: None)  # the run goes on with the same warm process
    (here / "one.yaml").write_text(
        GRID.replace("[0, 1]", "0").replace("  - {method: base}\n", "").replace("small", "one")
    )
    forecast = rftlab.plan("one.yaml", prices={"machine_hour": 36.0})
    said = str(forecast)
    assert "one, planned: 1 cell to run, 1 at once" in said
    assert "from two short runs of each of 1 kind of cells, measured on this machine" in said
    assert re.search(r"time +\d+ s \[\d+ s, \d+ s\]; checks and report come on top", said)
    assert re.search(r"money +\S+ \[\S+, \S+\] \(machine_hour 36\)", said)
    where = here / "results" / "one"
    assert [path.name for path in where.iterdir() if path.name[0] != "."] == ["forecast.json"]

    capsys.readouterr()
    looked = []
    monkeypatch.setattr(Stages, "settle", lambda self, grid, _: (looked.append(held.runs(self.results)) or [], grid))
    study.run("one.yaml", keep="none", until="decided")
    assert looked[0][0] == "planned before a run of 1 cell, and what it took", "before looks add what was not planned"
    assert re.search(r"^planned time \d+ s \[\d+ s, \d+ s\], took \d+ s.*; peak memory", capsys.readouterr().out, re.M)
    (run,) = json.loads((where / "forecast.json").read_text())["runs"]
    for axis in ("flops", "tokens_trained", "asked"):
        assert run["took"][axis] == pytest.approx(run["planned"]["amounts"][axis][0], rel=0.2), axis

    (here / "more.yaml").write_text(
        (here / "one.yaml").read_text().replace("seed: 0", "seed: 5").replace("one", "more")
    )
    known = forecasts.before(Grid.load("more.yaml"), here / "results" / "more", None, 1, shown={})
    assert "from 1 finished cell of this machine" in str(known)
    assert known.amounts["asked"].estimate == run["took"]["asked"]
    four = GRID.replace("[0, 1]", "[5, 6, 7, 8]").replace("  - {method: base}\n", "").replace("small", "four")
    (here / "four.yaml").write_text(four.replace("max_seeds: 2", "max_seeds: 4"))
    grid, folder = Grid.load("four.yaml"), here / "results" / "four"
    alone, spread = (forecasts.before(grid, folder, None, 1, shown={}, machines=n) for n in (0, 4))
    assert spread.amounts["seconds"].estimate == pytest.approx(alone.amounts["seconds"].estimate / 4)
    assert spread.amounts["flops"] == alone.amounts["flops"]

    planned = json.loads((where / "forecast.json").read_text())["planned"]
    said = str(rftlab.plan("one.yaml"))
    assert said.startswith(
        "one: nothing is left to run, 1 cell done\n  planned before a run of 1 cell, and what it took"
    )
    assert re.search(r"training FLOPs +\S+ \[\S+, \S+\], took \S+, [+-]\d+ %", said)
    assert json.loads((where / "forecast.json").read_text())["planned"] == planned


def test_without_cells_or_measuring_it_says_what_is_not_known_and_how_to_know(here, capsys):
    assert cli.main(["plan", "small.yaml", "--no-measuring"]) == 0
    out = capsys.readouterr().out
    assert "not known: what base on word, sft on word take on this machine" in out
    assert "time" not in out.replace("not known", "")
    assert "2 seeds and 12 items can show" in out
    assert cli.main(["run", "small.yaml", "--dry-run"]) == 0
    assert "rftlab plan small.yaml measures it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["small.yaml", "--price", "machine_hours=2"], "there is no price 'machine_hours'; did you mean machine_hour"),
        (["small.yaml", "--price", "machine_hour=-1"], "the price of machine_hour is -1; give a number of at least 0"),
        (["small.yaml", "--price", "machine_hour=.nan"], "the price of machine_hour is nan"),
        (["small.yaml", "--price", "machine_hour=much"], "the price of machine_hour is 'much'"),
        (["small.yaml", "--price", "machine_hour"], "--price 'machine_hour' is not of the form NAME=VALUE"),
        (["small.yaml", "--prices", "none.yaml"], "cannot read the prices file none.yaml"),
        (["small.yaml", "--prices", "small.yaml"], "small.yaml line 2: there is no price"),
        (["small.yaml", "--prices", "labels.yaml"], "labels.yaml names no price that a plan knows"),
        (["small.yaml", "--detect", "0"], "a difference to detect lies between 0 and 100 points, not at 0"),
        (["small.yaml", "--detect", "200"], "a difference to detect lies between 0 and 100 points, not at 200"),
        (["small.yaml", "--known", "nowhere"], "there are no results in nowhere: no such folder or archive"),
        (["nothing.yaml"], "nothing.yaml"),
        (["demos"], "there is no grid 'demos'"),
    ],
)
def test_bad_input_is_one_sentence(arguments, says, here, capsys):
    assert cli.main(["plan", *arguments, *(["--no-measuring"] if "--known" in arguments else [])]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rftlab: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert not (here / "results").exists()


def test_prices_of_a_file_with_others_are_taken(tmp_path):
    (tmp_path / "prices.yaml").write_text("currency: EUR\nlabel: 2\nmachine_hour: 1.5\n")
    assert prices_of(tmp_path / "prices.yaml") == {"machine_hour": 1.5}


def test_what_is_swept_is_what_differs_but_not_what_follows():
    cells = [Cell.make({"method": "base", "labels": 0, "seed": seed}) for seed in (0, 1)]
    cells += [
        Cell.make({"method": "sft", "labels": n, "seed": seed, "budget.amount": 30.0, "preset": preset})
        for n in (10, 300) for seed in (0, 1) for preset in ("", "b")
    ]  # fmt: skip
    assert swept(cells) == [
        "swept: method base, sft", "swept: seed 0, 1", "swept: preset (empty), b", "swept: labels 10, 300",
    ]  # fmt: skip


def test_what_is_one_s_own_is_swept_under_the_name_that_people_call_it_by():
    def line(field, *names):
        return swept([Cell.make({field: name}) for name in names])[0]

    assert line("verifier", "exact", "/far/away/late.py:die", "/far/checks.py:score") == (
        "swept: verifier exact, die, checks"
    )
    assert line("task", "/far/units.py:load", "/far/units.py:hard") == "swept: task units, units/hard"
    assert line("method", "/a/my.py:Mine", "/b/my.py:Mine") == "swept: method /a/my.py:Mine, /b/my.py:Mine"


def test_a_run_in_which_a_cell_failed_is_held_against_nothing(tmp_path):
    cell = ran().cell
    rates = costs_of(cell)
    assert held.after(rates, [Outcome(cell, "failed", 1.0, tmp_path, "x")], tmp_path, 1.0) == ""
    assert not (tmp_path / held.FILE).exists()


def costs_of(cell: Cell) -> forecasts.Forecast:
    amounts = forecasts.Rates.of_probes([ran(**SHORT), ran(**LONGER)]).predict(cell) or {}
    return forecasts.Forecast("x", 1, (cell,), 0, 0, {**amounts, "seconds": amounts["wall"]}, 0, (), ())


def test_where_all_has_run_without_a_forecast_it_says_so(here):
    grid = Grid.load("small.yaml")
    for cell in grid.cells:
        synthetic.write_cell(here / "results" / "small", cell.model_dump(mode="json"), items=12)
    said = str(rftlab.plan("small.yaml"))
    assert said.startswith("small: nothing is left to run, 4 cells done\n  no forecast was recorded before a run of it")
    assert not (here / "results" / "small" / held.FILE).exists()
    body = {
        "version": 1,
        "runs": [3, {"planned": {}}, {"planned": {"amounts": {"seconds": ["a"]}}, "took": {"seconds": 1}}],
    }
    (here / "results" / "small" / held.FILE).write_text(json.dumps(body))
    assert held.runs(here / "results" / "small") == []


def test_on_a_cluster_it_says_why_it_is_not_known_or_goes_by_so_many_workers(here, capsys):
    assert cli.main(["run", "small.yaml", "--dry-run", "--executor", "slurm"]) == 0
    assert "what it takes on slurm is not known: the cluster decides how many cells run at once" in " ".join(
        capsys.readouterr().out.split()
    )
    assert cli.main(["run", "small.yaml", "--dry-run", "--executor", "slurm", "--workers", "4"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "small, planned: 4 cells to run, 4 at once" in said
    assert "as if every worker of slurm were like it" in said


def test_a_damaged_or_foreign_forecast_is_as_none(here):
    grid = Grid.load("small.yaml")
    where = here / "results" / "small"
    where.mkdir(parents=True)
    for text in ("{", "[]", '{"version": 1, "probed": 3}', '{"version": 9}'):
        (where / held.FILE).write_text(text)
        assert forecasts.before(grid, where, None, 2, shown=None).unknown
    body = {"version": 1, "machine": {**machine(), "threads": 1}, "probed": {"kind": [{"cell": {}}]}}
    (where / held.FILE).write_text(json.dumps(body))
    assert forecasts.before(grid, where, None, 2, shown=None).unknown


def test_another_machine_is_told_by_any_of_what_records_name():
    own = {**machine(), "threads": 1, "gpu": None}
    assert is_here(own, 1)
    assert is_here({**own, "libraries": {**own["libraries"], "rftlab": "other"}}, 1)
    assert not is_here(own, 2)
    for name, value in (("processor", "another"), ("cpu_count", 999), ("gpu", "H100"), ("libraries", {"torch": "1"})):
        assert not is_here({**own, name: value}, 1)
    assert not is_here({name: value for name, value in own.items() if name != "processor"}, 1)


def test_counts_are_in_three_figures_and_both_ends_about_a_tenth_of_a_million_in_one_unit() -> None:
    amount = Amount(110_234.0, 98_582.0, 113_456.0)
    assert interval(amount, {name: said for name, said, _ in ROWS}["tokens_trained"]) == "110,000 [98,600, 113,000]"

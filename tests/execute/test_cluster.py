"""What goes to another machine and comes back, without one: the same functions, called here."""

import pytest
from stub_notebook import QUICK, cells

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import cluster
from rftlab.execute.cluster import Errand, Office, Resources
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.one_cell import read_failure
from rftlab.grid import is_done
from rftlab.registry import EXECUTORS, resolve


@pytest.fixture
def office(stub, tmp_path):
    (tmp_path / "results").mkdir()
    return Office(tmp_path / "results", Resources(), QUICK, {"sft": stub})


def test_a_node_finds_out_whether_the_folder_is_shared(office, tmp_path):
    (cell,) = cells(1, do="nothing")
    with office.open():
        seen = office.errand(cell)
        assert cluster._is_shared(seen)
        elsewhere = Errand(cell, tmp_path, seen.token, seen.settings, seen.notebooks, {})
        parcel = cluster.run_errand(elsewhere)
    assert not cluster._is_shared(seen)
    assert {"record.json", "trace.jsonl", "samples.jsonl", "notebook.ipynb"} <= set(parcel.files)
    assert not is_done(cell, tmp_path / "results")
    outcome = office.file(parcel)
    assert (outcome.status, outcome.folder) == ("done", tmp_path / "results" / "cells" / cell.id)
    assert is_done(cell, tmp_path / "results")


def test_a_node_with_another_version_refuses_and_the_failure_is_filed(office, tmp_path, monkeypatch):
    (cell,) = cells(1, do="nothing")
    errand = office.errand(cell)
    monkeypatch.setattr("rftlab.__version__", "0.0.0")
    outcome = office.file(cluster.run_errand(errand))
    assert outcome.error == f"the node has rftlab 0.0.0, the driver {errand.version}"
    assert read_failure(cell, tmp_path / "results") == outcome


def test_a_lost_cell_is_failed_unless_its_record_was_written(office, stub, tmp_path):
    done, lost = cells(2, do="nothing")
    with office.open():
        cluster.run_errand(office.errand(done))
    assert office.lost(done, "gone").status == "done"
    assert office.lost(lost, "gone").error == "NodeLost: gone"
    assert read_failure(lost, tmp_path / "results").error == "NodeLost: gone"


def test_settings_of_accelerate_reach_the_kernels(stub, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    office = Office(tmp_path, Resources(cpus=2.5), KernelSettings(), None)
    errand = office.errand(Cell.make({}))
    assert errand.environment == {"ACCELERATE_MIXED_PRECISION": "bf16"}
    assert errand.settings.threads == 2


def test_options_are_names_and_values():
    assert cluster.read_options(["a=1", "b=c=d"]) == {"a": "1", "b": "c=d"}
    for wrong in ("a", "=1"):
        with pytest.raises(RftlabError, match="NAME=VALUE"):
            cluster.read_options([wrong])


@pytest.mark.parametrize("name", sorted(EXECUTORS))
def test_executors_can_be_found_without_their_engines(name):
    assert callable(resolve(EXECUTORS[name]))

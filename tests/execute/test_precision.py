"""What `precision: auto` is, is decided once a grid, stands in its folder, and reaches its kernels."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from stub_notebook import Quiet, cells, write_stub

from rftlab.cell import Cell
from rftlab.execute.kernels import KernelKind, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.execute.results import decided_precision, lists, write_grid
from rftlab.grid import Grid
from rftlab.record import GRID, read
from rftlab.record.machine import AUTO_PRECISION, auto_precision, gpu

GRIDS = Grid("g", (Cell(),))
OTHER = {"fp32": "bf16", "bf16": "fp32"}


def test_the_processor_says_whether_it_computes_in_bf16() -> None:
    fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    assert auto_precision(on_cpu=True) == ("bf16" if fast else "fp32")


def test_a_new_folder_takes_what_this_machine_does_and_keeps_it(tmp_path: Path) -> None:
    here = decided_precision(tmp_path)
    assert here == auto_precision()
    write_grid(tmp_path, GRIDS, precision=OTHER[here])
    assert json.loads((tmp_path / GRID).read_text())["auto_precision"] == OTHER[here]
    assert decided_precision(tmp_path) == OTHER[here]
    write_grid(tmp_path, GRIDS)
    assert decided_precision(tmp_path) == OTHER[here]
    assert lists(tmp_path, GRIDS)


def test_a_folder_of_an_earlier_rftlab_goes_on_as_it_began(tmp_path: Path) -> None:
    write_grid(tmp_path, GRIDS)
    assert "auto_precision" not in json.loads((tmp_path / GRID).read_text())
    assert decided_precision(tmp_path) == ("bf16" if gpu() else "fp32")


def test_gpus_of_other_machines_are_taken_to_compute_in_bf16(tmp_path: Path) -> None:
    assert decided_precision(tmp_path, elsewhere=True) == "bf16"


@pytest.mark.parametrize("kind", ["cold", "warm"])
def test_kernels_are_told(kind: KernelKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AUTO_PRECISION, raising=False)
    wanted = cells(1, do="look")
    settings = replace(kernel_settings(kind, 1, precision=OTHER[auto_precision()]), modules=("rftlab.record",))
    (outcome,) = run_cells(
        wanted, tmp_path, Quiet(), workers=1, settings=settings, notebooks={"sft": write_stub(tmp_path / "stub.ipynb")},
        grid=Grid("g", tuple(wanted)),
    )  # fmt: skip
    assert outcome.folder is not None
    found = read(outcome.folder)
    assert found is not None
    assert found.environment[AUTO_PRECISION] == decided_precision(tmp_path) == settings.precision
    assert AUTO_PRECISION not in kernel_settings("cold", 1).environment()

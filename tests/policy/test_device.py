"""Device: what is named is there, or one sentence says what is; a GPU is tested where there is one."""

from collections.abc import Callable

import pytest
import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy.device import place
from rftlab.policy.load import load_policy
from rftlab.preflight import checks


def test_the_cpu_is_always_there(small_cell: Callable[..., Cell]) -> None:
    assert place("cpu") == torch.device("cpu")
    assert load_policy(small_cell(device="cpu")).device == torch.device("cpu")


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert place("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["cuda:97", "tpu", "xpu:97"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    device: str, small_cell: Callable[..., Cell]
) -> None:
    with pytest.raises(RftlabError, match=rf"^device is '{device}', which is not there; .* has cpu.* or auto$"):
        load_policy(small_cell(device=device))


def test_a_grid_is_refused_before_it_starts_unless_it_runs_elsewhere(small_cell: Callable[..., Cell]) -> None:
    request = {"cells": [small_cell(device="cuda:97").model_dump(mode="json")], "limit": 60.0}
    with pytest.raises(RftlabError, match="'cuda:97', which is not there") as caught:
        checks.run(request)
    assert (caught.value.about, caught.value.value) == ("device", "cuda:97")
    checks.run(request | {"here": False})


def test_what_cannot_name_a_device_is_refused() -> None:
    for text in ("gpu 0", "cuda:", "cuda:x", "cuda:0,1", "cpu:1", "auto:0", "0", ""):
        with pytest.raises(RftlabError, match="parameter 'device': give auto, cpu, or one such as cuda:0"):
            Cell.make({"device": text})


def test_where_a_cell_is_run_makes_it_no_other() -> None:
    here, there = Cell.make({"device": "cpu"}), Cell.make({"device": "cuda:1"})
    assert here.id == there.id == Cell.make({}).id
    assert here.variant == there.variant


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_policy_is_put_on_the_gpu_that_is_named(small_cell: Callable[..., Cell]) -> None:
    assert load_policy(small_cell(device="cuda:0")).device.type == "cuda"

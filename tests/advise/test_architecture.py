"""`rftlab advise --model --hardware`: machines by name, what fits on them, and a grid that does."""

import contextlib
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.advise import architecture as module
from rftlab.advise import hardware
from rftlab.advise.architecture import architecture
from rftlab.advise.bases import BASES
from rftlab.advise.hardware import GPUS, named
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.experiment.architecture import read
from rftlab.grid import Grid


@pytest.fixture
def here(monkeypatch):
    """Counts in this process, where torch is imported already, and of the table's bases a few."""
    monkeypatch.setattr(module.child, "call", lambda target, request, **_: json.loads(json.dumps(read(request))))
    monkeypatch.setattr(module, "BASES", (BASES[0], BASES[5], BASES[13]))


@pytest.mark.parametrize(
    ("text", "kind", "size", "devices"),
    [
        ("24 GB", "gpu", 24e9, 1), ("24gb", "gpu", 24e9, 1), ("cpu 32 GB", "cpu", 32e9, 1),
        ("64 GiB RAM", "cpu", 64 * 2**30, 1),
        ("2 x L4", "gpu", 24 * 2**30, 2), ("8xh100", "gpu", 80 * 2**30, 8), ("NVIDIA A100 80GB", "gpu", 80 * 2**30, 1),
        ("1.5 TB cpu", "cpu", 1.5e12, 1),
    ],
)  # fmt: skip
def test_a_machine_is_named_by_its_memory_or_its_name(text, kind, size, devices):
    found = named(text)
    assert (found.kind, found.bytes, found.devices) == (kind, size, devices)
    assert str(found)


@pytest.mark.parametrize("text", ["", "a1000", "24", "-3 GB", "0 GB", "gpu 24 GB cpu", "0 x l4", "x" * 5000, "nan GB"])
def test_other_machines_are_answered_in_a_sentence(text):
    with pytest.raises(RftlabError) as caught:
        named(text)
    assert "\n" not in str(caught.value)
    assert "a100-80gb" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "choices"),
    [("a100", '"a100-40gb" or "a100-80gb"'), ("2 x NVIDIA V100", '"2 x v100-16gb" or "2 x v100-32gb"')],
)
def test_a_name_of_several_sizes_asks_which_one(text, choices):
    with pytest.raises(RftlabError, match=f"give {choices}, or its memory"):
        named(text)


@given(st.text())
def test_whatever_is_named_is_a_machine_or_a_sentence(text):
    with contextlib.suppress(RftlabError):
        assert named(text).bytes > 0


def test_the_machine_that_is_here(monkeypatch):
    monkeypatch.setattr(hardware, "gpu", lambda: None)
    monkeypatch.setattr(hardware, "_limits", lambda: [10**9])
    assert (hardware.found().kind, hardware.found().bytes) == ("cpu", 1e9)
    monkeypatch.setattr(hardware, "gpu", lambda: "NVIDIA L4")
    monkeypatch.setattr(hardware, "gpu_bytes", lambda: 24 * 2**30)
    assert (hardware.found().kind, hardware.found().bytes) == ("gpu", 24 * 2**30)
    assert (named("CPU").kind, named("cpu").bytes) == ("cpu", 1e9)
    monkeypatch.setattr(hardware, "gpu_bytes", lambda: 0)  # a driver that does not say
    assert hardware.found().kind == "cpu"
    assert set(GPUS) == {name.casefold() for name in GPUS}


def test_of_all_bases_the_largest_that_fits_is_advised(here):
    found = architecture(named("24 GB"), values={"task": "arithmetic/word"}, methods=("base", "sft", "grpo"))
    assert [fit.fits for fit in found.fits] == [True, True, False]
    assert found.advised is found.fits[1]
    assert found.lengths["by"] == "characters"
    assert all(fit.peak <= fit.room for fit in found.fits if fit.fits)
    assert all(whole.peak > fit.peak for fit, whole in zip(found.fits, found.full, strict=True))
    said = str(found)
    assert "no   Qwen/Qwen3-8B (8.19 B)" in said
    assert "short of" in said
    assert "bf16" in said
    assert "not measured" in said


def test_a_machine_with_less_room_gets_smaller_passes_that_make_the_same_update(here):
    large, small = (
        architecture(named(text), model=BASES[5].id, methods=("sft", "grpo")) for text in ("300 GB", "16 GB")
    )
    assert large.settings == {}
    assert small.advised
    sft = small.settings["sft"]
    assert sft["per_device_train_batch_size"] * sft["gradient_accumulation_steps"] == 16
    assert small.settings["grpo"]["per_device_train_batch_size"] < 64
    assert "num_generations" not in small.settings["grpo"]


def test_a_base_that_does_not_fit_is_told_by_how_much_and_what_would(here):
    found = architecture(named("8 GB"), model="Qwen/Qwen3-8B")
    assert found.advised is None
    assert "Does not fit: Qwen/Qwen3-8B would take" in str(found)
    assert f"What fits: {BASES[0].id}" in str(found)
    assert "No base of the table fits" in str(architecture(named("1 GB")))


def test_on_a_cpu_time_is_short_before_memory_is(here):
    found = architecture(named("cpu 512 GB"), values={"task": "arithmetic/word"})
    assert all(fit.fits for fit in found.fits)
    assert found.advised is found.fits[0]
    assert "completions a second" in str(found)


def test_small_counts_are_not_rounded_away_and_large_ones_not_written_with_an_exponent(here):
    said = str(architecture(named("cpu 32 GB"), model="tiny-base", values={"task": "arithmetic/word"}))
    assert "fits tiny-base (0.4 M)" in said
    assert "all-linear: 0 M" not in said
    assert re.search(r"about \d,\d00 completions a second", said)


def test_a_hub_that_cannot_be_reached_costs_a_sentence_and_the_table_stands_in(here):
    began = time.monotonic()
    found = architecture(named("24 GB"), model="somebody/unknown")
    assert time.monotonic() - began < 20
    assert found.advised is None
    assert "model 'somebody/unknown':" in found.problem
    assert "What fits:" in str(found)


def test_a_whole_grid_comes_out(tmp_path, monkeypatch, capsys, here):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{n} plus {n}?", "answer": str(2 * n), "rationale": f"{n}+{n}={2 * n}"} for n in range(250)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ["advise", "sums.jsonl", "--reasoning", "yes", "--model", "auto", "--hardware", "16 GB", "-o", "s.yaml"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert f"Advised: {BASES[5].id}" in said
    grid = Grid.load("s.yaml")
    assert {cell.model for cell in grid.cells} == {BASES[5].id}
    stages = next(cell for cell in grid.cells if cell.method == "sft+grpo").settings["stages"]
    assert [stage["method"] for stage in stages] == ["sft", "grpo"]
    assert stages[1]["settings"]["per_device_train_batch_size"] < 64


def test_a_child_counts_where_torch_may_be_imported(capsys):
    assert main(["advise", "arithmetic/word", "--model", "tiny-base", "--hardware", "cpu 8 GB"]) == 0
    said = capsys.readouterr().out
    assert "counted by its tokenizer" in said
    assert "Advised: tiny-base" in said
    assert "model: tiny-base" in said


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--hardware", "a1000"], "no hardware 'a1000'; did you mean"),
        (["arithmetic/wird", "--hardware", "24 GB"], "arithmetic/wird"),
        (["--hardware", "24 GB", "-o", "no/such/folder/x.yaml"], "no/such/folder"),
    ],
)
def test_bad_input_is_answered_in_a_sentence(asked, says, capsys):
    assert main(["advise", *asked]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1

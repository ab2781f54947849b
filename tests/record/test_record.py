"""Record: written whole or not at all, read back as it was, refused when it is not one."""

import json
import os
from pathlib import Path

import pytest

import rftlab
from rftlab import record as records
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.record import Record, tables


def make(cell: Cell, **contract: object) -> Record:
    return Record(
        cell=cell.model_dump(mode="json"), id=cell.id, contract={"base": "abc", **contract},
        metrics={"accuracy": 0.5, "ood_accuracy": None}, cost={"flops": 1.0, "seconds": 2.0}, tuning=({"a": 1},),
    )  # fmt: skip


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = make(Cell())
    written.write(tmp_path, trace=[{"step": 1}], samples=[{"item": "a", "reward": 1.0}])
    assert records.read(tmp_path) == written


def test_load_gives_one_row_per_cell_with_the_promised_columns(tmp_path: Path) -> None:
    for seed in (0, 1):
        cell = Cell.make({"seed": seed, "adapter.r": 4})
        make(cell).write(tmp_path / "cells" / cell.id, trace=[{"step": 1}], samples=[])
    (tmp_path / "cells" / ".abc.running").mkdir()
    frame = rftlab.load(tmp_path)
    assert len(frame) == 2
    assert {"task", "model", "method", "labels", "cot", "seed", "accuracy", "flops", "adapter.r", "id"} <= set(frame)
    assert frame["adapter.r"].tolist() == [4, 4]
    assert tables.load_lines(tmp_path, records.TRACE)["step"].tolist() == [1, 1]


def test_contract_hash_changes_with_the_contract() -> None:
    assert make(Cell()).contract_hash != make(Cell(), template="qa").contract_hash
    assert make(Cell()).contract_hash == make(Cell.make({"seed": 1})).contract_hash


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = records.write_atomically(tmp_path / "a.json", "old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        records.write_atomically(target, "new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"id": 3}'])
def test_what_is_not_a_record_is_refused_by_path(tmp_path: Path, body: str) -> None:
    (tmp_path / "record.json").write_text(body)
    with pytest.raises(RftlabError, match=r"record\.json is not a record"):
        records.read(tmp_path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = make(Cell()).write(tmp_path, trace=[], samples=[])
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(RftlabError, match="schema 99"):
        records.read(tmp_path)


def test_no_results_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RftlabError, match="run a grid first"):
        rftlab.load(tmp_path)
    (tmp_path / "cells").mkdir()
    with pytest.raises(RftlabError, match="no cell has finished"):
        rftlab.load(tmp_path)

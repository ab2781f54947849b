"""Two records of one cell: times may differ, everything else that was measured is named where it does."""

import json
from pathlib import Path

import pytest

from rftlab import record
from rftlab.record.exported import export, import_archive
from rftlab.record.same import held_against
from tests.synthetic import write_cell

CELL = {"task": "arithmetic/word", "method": "grpo", "labels": 10}


@pytest.fixture
def both(tmp_path: Path):
    """Two runs of one cell, alike but for what is changed of the second."""
    write_cell(tmp_path / "then", CELL, items=6)

    def make(rows=(), **changes):
        made = write_cell(tmp_path / "now", CELL, items=6, **changes)
        folders = [tmp_path / name / "cells" / made.id for name in ("then", "now")]
        for name, number, values in rows:
            path = folders[1] / name
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            lines[number] = {**lines[number], **values}
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        then, now = map(record.read, folders)
        return held_against(then, folders[0], now, folders[1])

    return make


def costs(folder: Path) -> dict:
    (path,) = folder.glob("then/cells/*/record.json")
    return json.loads(path.read_text())["cost"]


def test_seconds_and_memory_are_no_difference(both, tmp_path) -> None:
    slower = {**costs(tmp_path), "seconds": 1e6, "evaluation_seconds": 2.0, "peak_memory_bytes": 1}
    held = both([("trace.jsonl", 3, {"seconds": 1e6})], cost=slower)
    assert (held.differing, held.ran_on) == ([], [])
    assert held.parts == ["metrics", "cost", "contract", "warnings", "trace", "samples"]


def test_what_was_measured_otherwise_is_said_from_what_to_what(both, tmp_path) -> None:
    rows = [("trace.jsonl", 3, {"train/loss": 9.5}), ("trace.jsonl", 5, {"step": 0})]
    rows.append(("samples.jsonl", 1, {"length": 13}))
    held = both(rows, cost={**costs(tmp_path), "flops": 7.0}, warnings=())
    cost, warning, trace, samples = held.differing
    assert cost == f"cost.flops: {costs(tmp_path)['flops']!r} then, 7.0 now"
    assert warning == "warnings 1: 'tiny base: no evidence about large models' then, nothing now"
    assert trace.startswith("trace: 2 rows differ, the first of them row 4: train/loss ")
    assert trace.endswith("then, 9.5 now")
    assert samples == "samples: 1 row differs, row 2: length 12 then, 13 now"


def test_what_ran_them_is_said_apart(both) -> None:
    held = both(environment={"python": "3.11", "libraries": {"torch": "2.14.0"}, "git_commit": None, "threads": 2})
    assert held.differing == []
    assert held.ran_on == ["libraries.torch '2.13.0' then, '2.14.0' now", "threads nothing then, 2 now"]


def test_a_number_that_became_another_kind_of_number_differs(both, tmp_path) -> None:
    held = both(cost={**costs(tmp_path), "tokens_trained": float(costs(tmp_path)["tokens_trained"])})
    assert [each.partition(":")[0] for each in held.differing] == ["cost.tokens_trained"]


def test_texts_that_a_copy_left_out_are_compared_by_what_was_written(both, tmp_path) -> None:
    both()
    copy = import_archive(export(tmp_path / "then", tmp_path / "a.tar.xz", completions=1), tmp_path / "copy")
    (then,), (now,) = (list((folder / "cells").iterdir()) for folder in (copy, tmp_path / "now"))
    assert held_against(record.read(then), then, record.read(now), now).differing == []
    lines = (now / "samples.jsonl").read_text().replace('"length": 12', '"length": 13', 1)
    trace = [json.loads(line) for line in (now / "trace.jsonl").read_text().splitlines()]
    record.read(now).write(now, trace=trace, samples=map(json.loads, lines.splitlines()))
    (said,) = held_against(record.read(then), then, record.read(now), now).differing
    assert said.startswith("samples: others than were written then")

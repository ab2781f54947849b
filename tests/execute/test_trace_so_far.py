"""What somebody who watches reads of a training that goes on: bounded, whole, and never a reason to stop."""

import pytest

from rftlab.execute.trace_so_far import FILE, TraceSoFar, read_trace, trace_so_far


def rows(*steps):
    return [{"step": step, "train/loss": 1.0 / (1 + step)} for step in steps]


def test_rows_are_kept_in_order_and_another_training_begins_anew(tmp_path):
    trace = TraceSoFar(tmp_path)
    for said in ({"phase": "load"}, {"trace": rows(1, 2)}, {"trace": []}, {"trace": rows(3)}):
        trace.hear(said)
    assert [row["step"] for row in read_trace(tmp_path / FILE)] == [1, 2, 3]
    trace.hear({"trace": rows(1)})
    assert read_trace(tmp_path / FILE) == rows(1)
    trace.remove()
    assert read_trace(tmp_path / FILE) == []


def test_a_long_training_is_thinned_and_keeps_its_ends(tmp_path):
    trace = TraceSoFar(tmp_path)
    for step in range(0, 5000, 20):
        trace.hear({"trace": rows(*range(step, step + 20))})
    steps = [row["step"] for row in read_trace(tmp_path / FILE)]
    assert 400 < len(steps) <= 1000
    assert steps == sorted(steps)
    assert steps[0] == 0
    assert steps[-1] > 4980


@pytest.mark.parametrize("said", [{"trace": "no rows"}, {"trace": [{}, 3, None, {"step": "one"}]}, {"trace": None}])
def test_what_is_no_row_is_left_out(tmp_path, said):
    TraceSoFar(tmp_path).hear(said)
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_is_gone_stops_nobody(tmp_path):
    TraceSoFar(tmp_path / "gone").hear({"trace": rows(1)})
    assert trace_so_far(tmp_path, "0" * 12) is None

"""When a grid stops because its cells fail alike."""

import pytest
from stub_notebook import Quiet, cells

from rftlab.execute.alike import Alike
from rftlab.execute.one_cell import Outcome

CELL = cells(1)[0]


@pytest.mark.parametrize(
    ("errors", "stops"),
    [
        (["boom", "boom", "boom"], True),
        (["cell 0123456789ab: 3 at 0xff", "cell ba9876543210: 17 at 0xfe", "cell 0a0a0a0a0a0a: 1.5 at 0x1"], True),
        (["boom", "boom", "", "boom"], False),
        (["boom", "boom", "bang", "boom"], False),
        (["", "boom", "stopped", "boom", "boom"], True),
        (["boom", "boom"], False),
        (["", "", ""], False),
    ],
)  # fmt: skip
def test_only_three_in_a_row_with_one_error_stop_it(errors, stops):
    listener = Quiet()
    alike = Alike(listener)
    for error in errors:
        status = "stopped" if error == "stopped" else "failed" if error else "done"
        alike.finished(Outcome(CELL, status, 0.0, None, error if status == "failed" else ""))
    assert bool(alike.stopped) == stops
    assert len(listener.notes) == int(stops)
    assert len(listener.outcomes) == len(errors)

"""What a notebook prints is kept up to a limit, whatever a verifier prints."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import psutil
import pytest
from stub_notebook import QUICK, Quiet, cells

from rftlab.execute import notebook as nb
from rftlab.execute.local import run_cells
from rftlab.progress import MIME

FLOODS = {
    "many prints": "for i in range(3_000): print('x' * 1_000)",
    "one long line": "print('x' * 3_000_000)",
    "two streams in turn": "import sys\n"
    "for i in range(2_000): print(i, file=[sys.stdout, sys.stderr][i % 2], flush=True)",
    "many displays": "from IPython.display import display\nfor i in range(1_500): display(i)",
    "past Jupyter": "import os\nfor i in range(3_000): os.write(1, b'x' * 1_000)",
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_of_output_is_cut_and_said(stub, tmp_path, what):
    flooding = nbformat.read(stub, as_version=4)
    flooding.cells.insert(1, nbformat.v4.new_code_cell(FLOODS[what]))
    flooding.cells.insert(2, nbformat.v4.new_code_cell("print('heard again')"))
    nbformat.write(flooding, tmp_path / "flood.ipynb")
    (outcome,) = run_cells(
        cells(1), tmp_path / "r", Quiet(), workers=1, settings=QUICK,
        notebooks={"sft": tmp_path / "flood.ipynb"},
    )  # fmt: skip
    assert outcome.status == "done", outcome.error
    sizes = {path.name: path.stat().st_size for path in outcome.folder.iterdir()}
    assert sizes["notebook.ipynb"] < 400_000
    assert sizes.get("kernel.log", 0) < 1_100_000
    executed = nbformat.read(outcome.folder / "notebook.ipynb", as_version=4)
    assert "heard again" in str(next(c for c in executed.cells if c.source == "print('heard again')").outputs)
    if what == "past Jupyter":
        assert b"bytes left out" in (outcome.folder / "kernel.log").read_bytes()
    else:
        cut = next(c for c in executed.cells if c.source == FLOODS[what])
        assert str(cut.outputs).count("is left out") == 1
        assert len(cut.outputs) <= nb.MAX_OUTPUTS + 1


def write_flood(folder, count, then=""):
    """A notebook, flood.ipynb, with one cell of so many messages, after which it does ``then``."""
    flood = (
        f"from IPython.display import display\nfor _ in range({count}): display({{{MIME!r}: {{}}}}, raw=True)\n{then}"
    )
    parameters = nbformat.v4.new_code_cell("turn = 0", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(f"{flood}\n{then}")])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "flood.ipynb")


def heard_slowly(folder, count, seconds):
    """How many of a cell's messages are heard by a listener that takes so many ``seconds`` for the first of them."""
    write_flood(folder, count)
    heard, waits = [], iter(seconds)

    def slow(message):
        heard.append(message)
        time.sleep(next(waits, 0))

    settings = replace(QUICK, silent_timeout=10)
    nb.NotebookRun(folder / "flood.ipynb", folder / "out.ipynb", {"turn": 1}, settings, slow).execute()
    return len(heard)


def test_what_is_still_being_read_when_a_cell_has_ended_is_waited_for(tmp_path, monkeypatch):
    # A shorter default than nbclient's 4 s, for the test's time alone.
    make = nb._Client.__init__
    monkeypatch.setattr(nb._Client, "__init__", lambda self, *a, **k: make(self, *a, **{"iopub_timeout": 1, **k}))
    assert heard_slowly(tmp_path, 10, [0.2] * 10) == 10


# Hears a notebook, and at its first message stops, whole, as a process does that gets no processor.
LISTENER = """
import os, signal, sys
from pathlib import Path
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.notebook import NotebookRun
folder, heard = Path(sys.argv[1]), []
def stop_at_the_first(message):
    heard.append(message)
    if len(heard) == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
settings = KernelSettings(kind=sys.argv[2], modules=("json",))
NotebookRun(folder / "flood.ipynb", folder / "out.ipynb", {"turn": 1}, settings, stop_at_the_first).execute()
print(len(heard))
"""


@pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")
@pytest.mark.parametrize("kind", ["cold", pytest.param("warm", marks=pytest.mark.slow)])
def test_nothing_is_lost_on_a_listener_that_gets_no_processor(tmp_path, kind):
    said = tmp_path / "said"
    write_flood(tmp_path, 3_000, f"open({str(said)!r}, 'w').close()")
    listener = subprocess.Popen([sys.executable, "-c", LISTENER, tmp_path, kind], stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not said.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert psutil.Process(listener.pid).status() == psutil.STATUS_STOPPED
        listener.send_signal(signal.SIGCONT)
        assert int(listener.communicate(timeout=60)[0]) == 3_000
    finally:
        listener.kill()
        listener.communicate()


def test_what_nbclient_leaves_behind_is_no_news_and_other_tasks_are(caplog):
    log = logging.getLogger("asyncio")
    with caplog.at_level(logging.ERROR, "asyncio"):
        log.error("Task was destroyed but it is pending!\ntask: <Task coro=<x() running at /x/nbclient/client.py:813>>")
        log.error("Task was destroyed but it is pending!\ntask: <Task coro=<x() running at mine.py:8>>")
    assert ["mine.py" in text for text in caplog.messages] == [True]

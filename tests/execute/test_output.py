"""What a notebook prints is kept up to a limit, whatever a verifier prints."""

import nbformat
import pytest
from stub_notebook import Quiet, cells

from rftlab.execute import notebook as nb
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import run_cells

FLOODS = {
    "many prints": "for i in range(3_000): print('x' * 1_000)",
    "one long line": "print('x' * 5_000_000)",
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
        cells(1), tmp_path / "r", Quiet(), workers=1, settings=KernelSettings(),
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

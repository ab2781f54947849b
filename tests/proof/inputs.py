"""Bad input: whatever is given, one sentence says what is wrong, where, and how to mend it, and nothing is left behind.

Always: exit code 2 (1 where a check fails), no traceback, no file, process or temporary folder, within 5 s of the
processor (20 s where a model is loaded) and four times as many of the wall. The command line runs in a process forked
for each case from one that has rftlab imported (`inputs_server`); a share runs as a person runs it (`inputs.started`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

from tests.proof import inputs_fuzzed, inputs_notebooks
from tests.proof.inputs_code import CODE
from tests.proof.inputs_data import DATA
from tests.proof.inputs_grids import CELLS, GRIDS, SHORT
from tests.proof.inputs_models import MODELS
from tests.proof.inputs_tried import Bad, Ended, forked, inside, started, try_all
from tests.proof.inputs_verbs import DAMAGED, VERBS
from tests.proof.proof import Case, Proof, Size

_REFUSED = "is refused in one sentence, and nothing is left behind"


def _given(cases: Sequence[Bad], run: Callable[[Bad, Path, Path], Ended] = forked) -> Callable[..., Iterator[Case]]:
    return partial(try_all, cases, run=run)


def _sizes(cases: Sequence[Bad], hour: int) -> dict[Size, int]:
    return {"hour": hour, "full": len(cases)}


def _short_or_all(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    if count <= len(SHORT):
        return try_all(SHORT, count, folder, chance, inside)
    return try_all(GRIDS, count, folder, chance)


_EVERY = [*GRIDS, *CELLS, *DATA, *CODE, *MODELS, *VERBS, *DAMAGED]
INPUTS = [
    Proof(
        "inputs.grids",
        f"a grid file that cannot be {_REFUSED}",
        {"short": len(SHORT), **_sizes(GRIDS, 30)},
        _short_or_all,
    ),
    Proof("inputs.cells", f"a file of one cell that cannot be {_REFUSED}", _sizes(CELLS, 8), _given(CELLS)),
    Proof(
        "inputs.data",
        f"data of every format that is damaged, or does not fit its settings, {_REFUSED}",
        _sizes(DATA, 24),
        _given(DATA),
    ),
    Proof(
        "inputs.code", f"a verifier, task or method of a user's that fails {_REFUSED}", _sizes(CODE, 16), _given(CODE)
    ),
    Proof("inputs.models", f"a model folder that cannot be trained {_REFUSED}", _sizes(MODELS, 10), _given(MODELS)),
    Proof("inputs.verbs", f"a verb with arguments that cannot be {_REFUSED}", _sizes(VERBS, 40), _given(VERBS)),
    Proof(
        "inputs.damaged",
        f"a verb that reads results which are damaged throughout {_REFUSED}",
        _sizes(DAMAGED, 10),
        _given(DAMAGED),
    ),
    Proof(
        "inputs.started",
        f"each of a share of all these, started as a person does, {_REFUSED}",
        {"hour": 5, "full": 40},
        _given(_EVERY, started),
    ),
    Proof(
        "inputs.notebooks",
        "a notebook's parameter of a wrong value ends it with one error of one sentence, nothing written",
        {"hour": 14, "full": len(inputs_notebooks.NOTEBOOKS)},
        inputs_notebooks.run,
    ),
    Proof(
        "inputs.fuzzed_grids",
        "a grid file that chance made is read or refused in one printable sentence, within 5 s",
        {"short": 40, "hour": 400, "full": 4000},
        inputs_fuzzed.grids,
    ),
    Proof(
        "inputs.fuzzed_cells",
        "a cell that chance made is read or refused in one printable sentence, three ways",
        {"short": 30, "hour": 400, "full": 4000},
        inputs_fuzzed.cells,
    ),
    Proof(
        "inputs.fuzzed_rows",
        "data that chance made is read or refused in one printable sentence, within 5 s",
        {"short": 20, "hour": 200, "full": 2000},
        inputs_fuzzed.rows,
    ),
]

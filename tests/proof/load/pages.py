"""What a click on the studio and on compare runs, on some 450 cells: each takes less than a second.

No kernel and no browser take part: the functions that a click calls are called, and what the page would be sent is
made. Time is of the processor and of the thread that was clicked in, so that what else goes on is not counted.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from rftlab.advise.design import Design, design_text
from rftlab.advise.of_task import subjects
from rftlab.interactive.compare import Comparison, compare
from rftlab.interactive.drawn import FIGURES
from rftlab.interactive.selection import FILTERS
from rftlab.interactive.studio import Studio
from tests import synthetic
from tests.proof.load import studies
from tests.proof.proof import Case
from tests.shipped import ARCHIVE

WITHIN_S = 1.0
_DESIGN = Design(("base", "sft", "grpo"), (10, 30, 100, 300), "both", 25)
"""Of 450 cells."""
_WRONG = "role='alert'"
Act = Callable[[], object]


def pages(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Every kind of click on the studio of a made-up study, then so many of chance on compare of two studies."""
    grid = folder / "many.yaml"
    task, *_ = subjects("arithmetic/word", model="tiny-base", beside=grid)
    grid.write_text(design_text(_DESIGN, task, grid.stem))
    results = studies.measured(grid, items=100)
    yield from _compare(compare(results), "compare, made-up records", count, chance)
    yield from _compare(compare(ARCHIVE), "compare, the reference study", count, chance)
    yield from _studio(grid, chance)


def _studio(grid: Path, chance: random.Random) -> Iterator[Case]:
    studio = Studio(grid)
    studio._ended.set()  # its own thread looks no more: it would do beforehand what is timed here
    try:
        for name, act in _of_studio(studio, chance):
            slow = too_long(act)
            said = f"{studio._said.value} {studio._line.value} {studio._counts.value}"
            yield f"studio: {name}", slow or (said if _WRONG in said else "")
    finally:
        studio.close()


def _of_studio(studio: Studio, chance: random.Random) -> Iterator[tuple[str, Act]]:
    """What can be clicked, and what changes below the page."""
    results, cells = studio.desk.results, list(studio._folder.cells.values())
    ended, shown, left_out = chance.sample(cells, 3)
    form, buttons = studio.form, studio.buttons
    yield "a look every second", studio.refresh
    synthetic.write_cell(results, ended.model_dump(), items=100)
    yield "a look when a cell has ended", studio.refresh
    yield "a cell is chosen", lambda: setattr(studio.board, "selected", shown.id)
    yield "a cell is left out", lambda: studio.board.hear({"do": "skip", "cell": left_out.id})
    # What would be started is another process: here it is not.
    with mock.patch.object(studio.desk, "start", return_value="started"):
        yield "a cell is asked for again", lambda: studio.board.hear({"do": "retry", "cell": left_out.id})
        yield "Add a seed", buttons["Add a seed"].click
        studio.budgets.value = "1000"
        yield "Add budgets", buttons["Add budgets"].click
        yield "Run", buttons["Run"].click
    yield "Stop", buttons["Stop"].click
    for name, value in (("labels", "10, 30, 50"), ("seeds", "30"), ("steps", "80"), ("prompts", "with")):
        yield f"the form's {name}", lambda name=name, value=value: setattr(getattr(form, name), "value", value)
    yield "the form's methods", lambda: setattr(form.methods["rloo"], "value", True)
    yield "Write the grid", buttons["Write the grid"].click


def _compare(view: Comparison, name: str, count: int, chance: random.Random) -> Iterator[Case]:
    for figure in FIGURES:
        yield f"{name}: figure {figure}", too_long(lambda: view.choose(figure=figure))  # noqa: B023  called at once
    for number in range(count):
        what, act = _of_compare(view, chance)
        yield f"{name}, {number + 1}: {what}", too_long(act)


def _of_compare(view: Comparison, chance: random.Random) -> tuple[str, Act]:
    """One click of chance."""
    kind = chance.choice(("figure", "measure", "seeds", "width", "mark", "file", *FILTERS))
    if kind == "mark" and view.view["marks"]:
        mark = chance.randrange(len(view.view["marks"]))
        return f"mark {mark}", lambda: view.open_mark(mark)
    if kind == "file" and view.view["svg"]:
        file = chance.choice(("png", "svg", "pdf", "csv"))
        return f"file {file}", lambda: view.file(file)
    changed = _changed(view, kind, chance)
    return ", ".join(f"{key}: {value}" for key, value in changed.items()), lambda: view.choose(**changed)


def _changed(view: Comparison, kind: str, chance: random.Random) -> Mapping[str, Any]:
    options = view.options
    filters = {name: [value for value, _ in values] for name, _, values in options["filters"]}
    if filters.get(kind):
        return {kind: sorted(chance.sample(filters[kind], chance.randint(1, len(filters[kind]))))}
    if kind in ("figure", "measure"):
        return {kind: chance.choice(options[kind])[0]}
    return {"seeds": chance.choice(("pooled", "single"))} if kind == "seeds" else {"width": chance.randint(420, 1400)}


def too_long(act: Act) -> str:
    """How long it took, if more than `WITHIN_S`."""
    began = time.thread_time()
    act()
    took = time.thread_time() - began
    return f"took {took:.2f} s" if took > WITHIN_S else ""

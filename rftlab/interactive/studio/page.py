"""The studio itself: form, desk, cells and answer on one page, kept in step with the files by a thread that looks."""

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from rftlab.advise.design import Design, design_of, is_ours, read_labels
from rftlab.errors import RftlabError, told
from rftlab.execute.progress_file import read_progress
from rftlab.grid import Grid
from rftlab.interactive.studio.answered import SoFar, so_far
from rftlab.interactive.studio.board import Board
from rftlab.interactive.studio.cells import Folder, Look
from rftlab.interactive.studio.desk import Desk
from rftlab.interactive.studio.detail import detail
from rftlab.interactive.studio.form import Form
from rftlab.interactive.studio.line import Line
from rftlab.scalars import require_texts
from rftlab.shown.texts import noted, preformatted, wrong

_EVERY_S = 1.0
_FIRST = Design(("base", "sft", "grpo"), (10, 100))
_WATCHED: dict[Path, threading.Event] = {}


class Studio(ipywidgets.VBox):  # type: ignore[misc]
    """A study to sit at: its grid asked for in a form, its run, its cells as they come, its answer so far.

    Nothing is kept in the page. The grid is a file, the run is a process of its own, and states are read from its
    results folder: closing the page stops nothing, and opening it again, or on a folder that `rftlab run` fills, finds
    the same.

    Args:
        grid: the file, which need not be there yet; its results go to `results/NAME` beside it.
        results: a results folder; with it ``grid`` may be "", and is then looked for by what the folder says.
        task: what the form begins with where there is no grid.
        model: likewise.

    Attributes:
        desk: what is done with the files.
        form: the fields.
        board: the cells.

    Raises:
        RftlabError: neither a grid nor results are named, or the results folder is not there.
    """

    def __init__(
        self, grid: str | Path = "studio.yaml", results: str | Path = "", *, task: str = "arithmetic/word",
        model: str = "tiny-base",
    ) -> None:  # fmt: skip
        self._ended = threading.Event()
        require_texts(grid=grid, results=results, task=task, model=model)
        if not grid and not results:
            raise RftlabError("name a grid, or a results folder")
        if not grid and not Path(results).is_dir():
            raise RftlabError(f"there is no folder {results}; give the results folder of a run")
        where = Path(results) if results else None
        self.desk = Desk(Path(grid), where) if grid else Desk.of_results(Path(results))
        self._folder = Folder(self.desk.results, self.desk.grid)
        self._busy = threading.Lock()
        self._answered: object = None
        self._drawn: object = None
        self._again = self._stopping = self._of_the_run = False
        self.form = self._form(task, model)
        self.board = Board(lambda act, cell: self._try(lambda: self.desk.act(act, cell)))
        self._make_controls()
        super().__init__(self._parts())
        self._offer()
        self._look_on()

    def _form(self, task: str, model: str) -> Form:
        """The form, filled in from the grid where there is one."""
        path, design = self.desk.grid or Path("studio.yaml"), _FIRST
        try:
            found = Grid.load(path) if path.is_file() else None
        except RftlabError:
            found = None
        if found is not None:
            design = design_of(found.cells, tuned=found.tuning is not None)
            of_file = found.cells[0].task == "file" or len({cell.task_name for cell in found.cells}) > 1
            task, model = str(path) if of_file else found.cells[0].task, found.cells[0].model
        return Form(task, model, path, design, self._offer)

    def _make_controls(self) -> None:
        self._said, self._counts, self._answer, self._log = (ipywidgets.HTML() for _ in range(4))
        self._line = Line()
        acts: dict[str, tuple[Callable[[], str], str]] = {
            "Write the grid": (self._write, "write the form's study to its file"),
            "Run": (self._run, "run what is left, in a process of its own"),
            "Stop": (self._stop, "end the run as Ctrl-C does; what has ended stays"),
            "Add a seed": (self._more_seeds, "one more seed for every arm, in the grid's file, and run it"),
            "Add budgets": (self._more_labels, "further label budgets for every arm, and run them"),
        }
        self.buttons = {}
        for name, (act, what) in acts.items():
            button = ipywidgets.Button(description=name, tooltip=what)
            button.on_click(lambda _, act=act: self._try(act))
            self.buttons[name] = button
        self.budgets = ipywidgets.Text(placeholder="300, 1000", layout=ipywidgets.Layout(width="120px"))
        self.until = ipywidgets.Checkbox(description="add seeds until decided", indent=False)
        self.until.layout.width = "220px"

    def _parts(self) -> list[Any]:
        wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        first, more = ("Write the grid", "Run", "Stop"), ("Add a seed", "Add budgets")
        rows = [
            ipywidgets.HBox([*(self.buttons[name] for name in first), self.until], layout=wrap),
            ipywidgets.HBox([*(self.buttons[name] for name in more), self.budgets], layout=wrap),
        ]
        place = ipywidgets.HTML(f"<h3>{escape(self._name)}</h3>{escape(str(self.desk.results))}")
        self._folds = ipywidgets.Accordion([self.form, self._log], titles=("The study", "What the run prints"))
        self._folds.selected_index = None if self._folder_has_cells else 0
        return [place, self._folds, self._line, *rows, self._said, self._counts, self.board, self._answer]

    @property
    def _name(self) -> str:
        return self.desk.grid.name if self.desk.grid else self.desk.results.name

    @property
    def _folder_has_cells(self) -> bool:
        return (self.desk.results / "grid.json").is_file()

    def _try(self, act: Callable[[], str]) -> None:
        self._of_the_run = False
        try:
            self._said.value = noted(act())
        except RftlabError as error:
            self._said.value = wrong(str(error))
        self.refresh()

    def _text(self) -> str:
        """What the form would write."""
        if self.desk.grid is None:
            raise RftlabError("the grid's file is not known")
        return self.form.text(self.desk.grid.stem)

    def _write(self) -> str:
        return self.desk.write(self._text())

    def _run(self) -> str:
        if not self.desk.text:
            self._write()
        elif is_ours(self.desk.text) and self._differs():
            raise RftlabError(f"the form differs from {self._name}; write the grid first")
        said = self.desk.start(until_decided=self.until.value)
        self._offer()
        self._folds.selected_index = None
        self._of_the_run = True
        return said

    def _stop(self) -> str:
        self._stopping = self._of_the_run = True
        return self.desk.stop()

    def _differs(self) -> bool:
        """Whether the form says another study than the file does."""
        try:
            found = Grid.load(self.desk.grid or "", self._text())
            return {cell.id for cell in found.cells} != {cell.id for cell in Grid.load(self.desk.grid or "").cells}
        except RftlabError:
            return True

    def _more_seeds(self) -> str:
        return self._widened(self.desk.add_seeds())

    def _more_labels(self) -> str:
        subject = self.form.subject
        labels = read_labels(self.budgets.value, subject.facts.labels if subject else None)
        return self._widened(self.desk.add_labels(labels))

    def _widened(self, said: str) -> str:
        """After the grid's file has more cells: the form shows them, and they are run."""
        found = Grid.load(self.desk.grid or "")
        self.form.fill(design_of(found.cells, tuned=found.tuning is not None))
        self._offer()
        if self.desk.going:
            self._again = True
            return f"{said}; it is run when the run that goes on has ended"
        return f"{said}; {self.desk.start(until_decided=self.until.value)}"

    def _offer(self) -> None:
        """After a change of the form: the line about it, or about a file by hand, which the form does not change."""
        path = self.desk.grid or Path("studio.yaml")
        by_hand = self.desk.text and not is_ours(self.desk.text)
        self._line.about(lambda: Grid.load(path, None if by_hand else self._text()), self.desk.results)

    def _look_on(self) -> None:
        """Keep in step with the files; an earlier studio of the same folder in this kernel rests from now on."""
        self.board.observe(lambda _: self._choose(), names="selected")
        if (former := _WATCHED.get(self.desk.results)) is not None:
            former.set()
        _WATCHED[self.desk.results] = self._ended
        self.refresh()
        threading.Thread(target=self._watch, name="studio", daemon=True).start()

    def close(self) -> None:
        """Look no more; the run goes on."""
        self._ended.set()
        super().close()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            try:
                self.refresh()
            except Exception as error:  # the thread goes on: the next look may find it mended
                self._counts.value = wrong(told(error))

    def refresh(self) -> None:
        """Read the files, and draw what has changed."""
        with self._busy:
            going = self.desk.going
            if self._again and not going:
                self._again = False
                self.desk.start()
                going = True
            if not (going or self._folder_runs):
                self._run_has_ended()
            self._log.value = preformatted(self.desk.run.last_lines() if self.desk.run else "")
            for name, enabled in self._enabled(going).items():
                self.buttons[name].disabled = not enabled
            try:
                look = self._folder.look()
            except RftlabError as error:
                self._counts.value = wrong(str(error))
                return
            self.board.show(look)
            self._counts.value = self._told(look, going)
            self._draw_chosen(look)
            self._answer_if_new(look)

    def _enabled(self, going: bool) -> dict[str, bool]:
        known = self.desk.grid is not None
        written = known and bool(self.desk.text)
        going = going or self._folder_runs
        return {
            "Write the grid": known, "Run": known and not going, "Stop": going, "Add a seed": written,
            "Add budgets": written,
        }  # fmt: skip

    @property
    def _folder_runs(self) -> bool:
        return self.desk.run is None and read_progress(self.desk.results) is not None

    def _run_has_ended(self) -> None:
        """What was said of a run that began or was to stop is not so any more."""
        self._stopping = False
        if self._of_the_run:
            self._of_the_run, self._said.value = False, ""

    def _told(self, look: Look, going: bool) -> str:
        if look.progress or going:
            doing = "the run is ending" if self._stopping else look.progress or "a run is being prepared"
            return noted(f"{look.told}; {doing}", "rftlab-counts")
        last = self.desk.run.last_error() if self.desk.run else ""
        if last.startswith("interrupted"):  # mostly by Stop: nothing is wrong
            return noted(f"{look.told}; no run goes on; the last one was {last}", "rftlab-counts")
        said = noted(f"{look.told}; no run goes on{'; the last one said:' if last else ''}", "rftlab-counts")
        return f"{said}{wrong(last)}" if last else said

    def _choose(self) -> None:
        with self._busy:
            self._draw_chosen(self._folder.look(), anew=True)

    def _draw_chosen(self, look: Look, *, anew: bool = False) -> None:
        """The chosen cell in full, again when its state has changed."""
        name = self.board.selected
        state = look.states.get(name)
        if state is None:
            if self.board.shown["id"]:
                self.board.show_detail("", "", None)
            self._drawn = None
            return
        if anew or self._drawn != (name, state):
            self._drawn = (name, state)
            label = next(spot.label for spot in look.layout.spots if spot.id == name)
            self.board.show_detail(name, label, detail(self._folder.cells[name], self.desk.results, state))

    def _answer_if_new(self, look: Look) -> None:
        """The answer again where there is more evidence, in a thread: of many cells it takes a while."""
        evidence = frozenset(name for name, state in look.states.items() if state.kind == "done"), len(look.states)
        if evidence == self._answered:
            return
        self._answered = evidence
        cells = dict(self._folder.cells)
        threading.Thread(target=self._answer_now, args=(evidence, look, cells), daemon=True).start()

    def _answer_now(self, evidence: object, look: Look, cells: dict[str, Any]) -> None:
        try:
            said = so_far(self.desk.results, look, cells)
        except Exception as error:
            said = SoFar("No answer", (told(error),), False)
        if evidence == self._answered:
            self._answer.value = said.html

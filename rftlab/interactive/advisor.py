"""`rftlab advise` as a form: facts, what they advise, the study that settles it, and a button that runs it."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd

from rftlab import plots
from rftlab.advise.facts import FACTS, UNKNOWN, Fact, Facts, from_json, holds, make, read_fact
from rftlab.advise.hardware import Hardware
from rftlab.advise.of_task import Subject, subjects
from rftlab.advise.on_machine import Advised, advised, hardware_of
from rftlab.errors import RftlabError
from rftlab.grid.written import require_grid_name
from rftlab.interactive.background import Run
from rftlab.record import require_folder_of, write_atomically
from rftlab.shown.texts import noted, preformatted, wrong

_EVERY_S = 1.0
_MACHINE = "hardware"


class Advisor(ipywidgets.VBox):  # type: ignore[misc]
    """A form of facts, and below it what is advised, redrawn at every change.

    Everything is reached by the Tab key; a field that cannot be read says so in its place, and the advice stays as it
    was until it is mended.

    Args:
        task: a data file, a task's name or a grid with one task, on which facts are measured; "" for facts alone.
        model: the base; "" takes the grid's or a default.
        results: a folder of records, which outrank the rules; "" looks in `results/` for those of the task.
        hardware: the machine to train on, as `rftlab advise --hardware` takes it; "" leaves it out.
        facts: what is known, as `rftlab.advise.Facts`, a mapping, or JSON text.
        path: where the grid is written; its results go to `results/NAME` beside it.

    Attributes:
        consultation: what is advised now.
        machine: what fits the machine that is named; None where none is.
        run: of the grid that was written; None before.

    Raises:
        RftlabError: the task, the facts, the records or the machine cannot be read.
    """

    def __init__(
        self,
        task: str = "",
        *,
        model: str = "",
        results: str | Path = "",
        hardware: str = "",
        facts: Facts | Mapping[str, Any] | str = "{}",
        path: str | Path = "advice.yaml",
    ) -> None:
        self._results, self._model = [Path(results)] if results else [], model
        self._subject = _one(subjects(task, model=model, beside=Path(path).expanduser().resolve())) if task else None
        given = from_json(facts, "facts") if isinstance(facts, str) else facts
        given = given if isinstance(given, Facts) else make(given, "facts: ")
        measured = self._subject.facts if self._subject else Facts()
        self._fields = {name: _of_fact(name, getattr(given, name), getattr(measured, name)) for name in FACTS}
        self._hardware = _of_machine(hardware)
        self._advice, self._said = ipywidgets.HTML(), ipywidgets.HTML()
        self._picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%"))
        self._grid = ipywidgets.HTML()
        self.run: Run | None = None
        self._desk = _Desk(self, Path(path))
        self.consultation, self.machine = self._advised(given, self._hardware.read())
        for control in (*(field.control for field in self._fields.values()), self._hardware.control, self._desk.path):
            control.observe(self._changed, names="value")
        self._show(given)
        asked = [*(field.view for field in self._fields.values()), self._hardware.view]
        form = ipywidgets.VBox(asked, layout=_column("330px"))
        answer = ipywidgets.VBox([self._said, self._picture, self._advice], layout=_column("460px"))
        both = ipywidgets.HBox([form, answer], layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start"))
        super().__init__([both, self._grid, self._desk.view])

    @property
    def table(self) -> pd.DataFrame:
        """What `rftlab.plots.ranking` draws: one row a way to train."""
        rows = [
            (each.family.title, sum(rule.weight for rule in each.reasons), sum(rule.weight for rule in each.against),
             each.possible)
            for each in self.consultation.advice.ranking
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["title", "pro", "con", "possible"])

    def _advised(self, given: Facts, hardware: Hardware | None) -> Advised:
        path = Path(self._desk.path.value.strip()).expanduser()
        return advised(
            given, self._subject, path.resolve().parent, hardware=hardware, model=self._model, results=self._results,
            name=path.stem or "advice",
        )  # fmt: skip

    def _changed(self, _: Any) -> None:
        values: dict[str, Any] = {}
        fields = {**self._fields, _MACHINE: self._hardware}
        for name, field in fields.items():
            with contextlib.suppress(RftlabError):  # said below the field
                values[name] = field.read()
        if len(values) < len(fields):
            self._said.value = wrong("a field cannot be read, and the advice is as it was before")
            return
        hardware = values.pop(_MACHINE)
        given = make(values)
        given = make({name: value for name, value in values.items() if self._asked(FACTS[name], given)})
        if hardware:
            self._said.value = noted(f"counting what fits {hardware} ...")
        try:
            self.consultation, self.machine = self._advised(given, hardware)
        except RftlabError as error:
            self._said.value = wrong(str(error))
            return
        self._show(given)

    def _asked(self, fact: Fact, given: Facts) -> bool:
        """Whether it makes sense to ask, by what is known."""
        return holds(fact.when, given.over(self._subject.facts if self._subject else Facts())) is not False

    def _show(self, given: Facts) -> None:
        for name, field in self._fields.items():
            field.control.disabled = not self._asked(FACTS[name], given)
        first = self.consultation.advice.first
        self._said.value = f"<h3 class='rftlab-first'>{escape(first.family.title)}</h3>"
        self._picture.value = plots.to_bytes(plots.ranking(self.table), "png", dpi=80)
        told = (self.consultation, *([self.machine] if self.machine else []))
        self._advice.value = preformatted("\n\n".join(map(str, told)))
        study = self.consultation.study
        self._grid.value = preformatted(study.text) if study else ""
        self._desk.offer()


class _Field:
    """A question, its control, and what is wrong with what it holds.

    Args:
        question: in a sentence.
        control: whose value is a text.
        reader: text -> its value; raises RftlabError where it has none.
    """

    def __init__(self, question: str, control: Any, reader: Callable[[str], Any]) -> None:
        self.control, self._reader, self._wrong = control, reader, ipywidgets.HTML()
        self.view = ipywidgets.VBox([ipywidgets.Label(question), control, self._wrong])

    def read(self) -> Any:
        """Its value; None where it is not known.

        Raises:
            RftlabError: it is none; said below the field too.
        """
        try:
            found = self._reader(self.control.value)
        except RftlabError as error:
            self._wrong.value = wrong(str(error))
            raise
        self._wrong.value = ""
        return found


def _of_fact(name: str, given: Any, measured: Any) -> _Field:
    fact = FACTS[name]
    told = f"measured: {fact.told(measured)}" if measured is not None else UNKNOWN
    return _Field(fact.question, _control(fact, given, told), partial(read_fact, name))


def _of_machine(name: str) -> _Field:
    control = ipywidgets.Text(
        value=name, placeholder="here, 24 GB, l4, 2 x l4; empty: not asked", continuous_update=False,
        layout=ipywidgets.Layout(width="320px"),
    )  # fmt: skip
    return _Field("Which machine will train?", control, _read_machine)


def _read_machine(text: str) -> Hardware | None:
    return hardware_of(text.strip()) if text.strip() else None


def _control(fact: Fact, given: Any, told: str) -> Any:
    layout = ipywidgets.Layout(width="320px")
    if fact.kind in ("count", "share"):
        text = "" if given is None else fact.told(given)
        return ipywidgets.Text(value=text, placeholder=f"{fact.form}; {told}", continuous_update=False, layout=layout)
    choices = {"yes": "yes", "no": "no"} if fact.kind == "yes" else {f"{c}: {m}": c for c, m in fact.choices.items()}
    value = "" if given is None else fact.told(given)
    return ipywidgets.Dropdown(options=[(told, ""), *choices.items()], value=value, layout=layout)


class _Desk:
    """Where the study is written, run and watched."""

    def __init__(self, advisor: Advisor, path: Path) -> None:
        self._advisor = advisor
        self.path = ipywidgets.Text(value=str(path), continuous_update=False, description="grid")
        self._write = ipywidgets.Button(description="Write the grid")
        self._run = ipywidgets.Button(description="Run it", disabled=True)
        self._stop = ipywidgets.Button(description="Stop", disabled=True)
        self._bar = ipywidgets.IntProgress(layout=ipywidgets.Layout(width="480px", visibility="hidden"))
        self._said, self._log = ipywidgets.HTML(), ipywidgets.HTML()
        self._watching: threading.Thread | None = None
        self._write.on_click(lambda _: self._try(self._written))
        self._run.on_click(lambda _: self._try(self._started))
        self._stop.on_click(lambda _: self._stopped())
        row = ipywidgets.HBox([self.path, self._write, self._run, self._stop])
        self.view = ipywidgets.VBox([row, self._said, self._bar, self._log])

    def offer(self) -> None:
        """After a change of what is advised: it can be written if there is a study."""
        self._write.disabled = self._advisor.consultation.study is None

    def _try(self, act: Callable[[], str]) -> None:
        try:
            self._said.value = noted(act())
        except RftlabError as error:
            self._said.value = wrong(str(error))

    def _written(self) -> str:
        study, path = self._advisor.consultation.study, Path(self.path.value.strip()).expanduser()
        if study is None:
            raise RftlabError(self._advisor.consultation.unmeasurable)
        require_grid_name(path)
        require_folder_of(path)
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != study.text:
            raise RftlabError(f"{path} is there already and holds something else; give another name")
        try:
            write_atomically(path, study.text)
        except OSError as error:
            raise RftlabError(f"cannot write {path}: {error.strerror}") from None
        self._advisor.run, self._run.disabled = Run(path), bool(study.open)
        needed = f"; before it runs it needs {study.open}" if study.open else ""
        return f"written to {path}{needed}; in a terminal: rftlab plan {path}, rftlab run {path}"

    def _started(self) -> str:
        run = self._advisor.run
        if run is None:
            raise RftlabError("write the grid first")
        run.start()
        self._run.disabled, self._stop.disabled, self._bar.layout.visibility = True, False, "visible"
        self._watching = threading.Thread(target=self._watch, args=(run,), daemon=True)
        self._watching.start()
        return f"running; results go to {run.results}, and go on when this page is closed"

    def _stopped(self) -> None:
        if self._advisor.run is not None:
            self._advisor.run.stop()
            self._said.value = noted("stopping; what has ended stays, and running again goes on")

    def _watch(self, run: Run) -> None:
        pause = threading.Event()
        while run.going:
            self._look(run)
            pause.wait(_EVERY_S)
        self._look(run)
        code = run.exit_code
        self._bar.value = self._bar.max if code == 0 else self._bar.value
        self._run.disabled, self._stop.disabled = False, True
        told = _ENDS.get(code, f"ended with exit code {code}")
        self._said.value = noted(told) if code == 0 else wrong(told)

    def _look(self, run: Run) -> None:
        progress = run.progress
        if progress is not None:
            self._bar.max, self._bar.value = max(1, progress.cells), progress.ended
            self._said.value = noted("\n".join(map(str, (progress, *progress.running))))
        self._log.value = preformatted(run.last_lines())


_ENDS: Mapping[int | None, str] = {
    0: "done; the page is report/report.html in the results, the answer stands below",
    1: "done, but a cell failed; running again tries it once more",
    2: "it could not be run, for the reason below",
}


def _one(found: Sequence[Subject]) -> Subject:
    if len(found) > 1:
        raise RftlabError(f"it has {len(found)} tasks ({', '.join(each.name for each in found)}); name one of them")
    return found[0]


def _column(width: str) -> ipywidgets.Layout:
    return ipywidgets.Layout(min_width=width, flex=f"1 1 {width}", max_width="100%")

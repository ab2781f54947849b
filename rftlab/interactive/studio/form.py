"""The form of a study: task, model, methods by family, budgets, prompts, seeds and steps, each refused in its place."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from rftlab.advise.check import check
from rftlab.advise.design import (
    MOST_SEEDS,
    Design,
    design_text,
    read_count,
    read_labels,
)
from rftlab.advise.of_task import Subject, is_grid, subjects
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.naming import short_name
from rftlab.policy.hub import locate
from rftlab.registry import METHODS, TASKS, names
from rftlab.shown.texts import noted, preformatted, wrong
from rftlab.user_code import child

_EXAMPLES = 3
_MOST_STEPS = 1_000_000
_FAMILIES = {
    "base": "untrained", "sft": "supervised (SFT)", "rft": "reinforcement (RFT)", "hybrid": "hybrids",
    "preference": "preferences", "control": "controls", "own": "your own",
}  # fmt: skip
_PROMPTED = {"with": "with chain-of-thought", "without": "asked directly", "both": "both, side by side"}


class Form(ipywidgets.VBox):  # type: ignore[misc]
    """Fields; whatever cannot be read says so below its field.

    Args:
        task: a registered task, a data file, `path.py:function`, or a grid whose task is taken.
        model: the base.
        grid: where the grid will lie: paths in it start there.
        design: what the fields begin with.
        changed: called after each change, also of one that cannot be read.

    Raises:
        RftlabError: the task cannot be read.
    """

    def __init__(self, task: str, model: str, grid: Path, design: Design, changed: Callable[[], None]) -> None:
        self._path, self._changed = grid, changed
        self._filling = False
        wide = ipywidgets.Layout(width="340px", max_width="98%")
        self.task = ipywidgets.Combobox(
            value=task, options=[name for name in names(TASKS) if not name.endswith("/*")], ensure_option=False,
            continuous_update=False, layout=wide,
        )  # fmt: skip
        self.model = ipywidgets.Text(value=model, continuous_update=False, layout=wide)
        self.labels, self.seeds, self.steps = (
            ipywidgets.Text(continuous_update=False, layout=ipywidgets.Layout(width="200px")) for _ in range(3)
        )
        for name in ("labels", "seeds", "steps"):
            getattr(self, name).add_class(f"rftlab-{name}")
        self.prompts = ipywidgets.Dropdown(options=[(said, name) for name, said in _PROMPTED.items()], layout=wide)
        self.tuned = ipywidgets.Checkbox(description="choose learning rates first (takes longer)", indent=False)
        self.methods: dict[str, ipywidgets.Checkbox] = {}
        self._wrong = {name: ipywidgets.HTML() for name in ("task", "model", "labels", "seeds", "steps")}
        self._has, self._about, self._methods = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.VBox()
        self._looks = [
            ipywidgets.Button(description="Show examples", tooltip="the task's card and three examples"),
            ipywidgets.Button(description="Check the data", tooltip="what rftlab check says"),
        ]
        self.subject = self._read_task()
        self.fill(design)
        self._observe()
        super().__init__(self._rows())

    def _rows(self) -> list[Any]:
        wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
        column = ipywidgets.Layout(flex="1 1 340px", min_width="300px", max_width="100%")
        first = (
            _row("task", self.task, self._has, self._wrong["task"]), _row("model", self.model, self._wrong["model"]),
        )  # fmt: skip
        for row in first:
            row.layout = column
        left = [
            _row("label budgets", self.labels, self._wrong["labels"]), _row("prompts", self.prompts),
            _row("seeds", self.seeds, self._wrong["seeds"]),
            _row("optimiser steps", self.steps, self._wrong["steps"]), self.tuned,
        ]  # fmt: skip
        columns = (ipywidgets.VBox(left, layout=column), ipywidgets.VBox([self._methods], layout=column))
        # What the buttons show stands right below them: under the methods nobody would see it come.
        return [
            ipywidgets.HBox(first, layout=wrap), ipywidgets.HBox(self._looks), self._about,
            ipywidgets.HBox(columns, layout=wrap),
        ]  # fmt: skip

    def _observe(self) -> None:
        self.task.observe(lambda _: self._of_another_task(), names="value")
        self.model.observe(lambda _: self._of_another_task(), names="value")
        for control in (self.labels, self.seeds, self.steps, self.prompts, self.tuned):
            control.observe(lambda _: self._tell(), names="value")
        self._looks[0].on_click(lambda _: self._look(self._examples))
        self._looks[1].on_click(lambda _: self._look(self._checked))

    def fill(self, design: Design) -> None:
        """Let the fields show a design; nobody is told of it."""
        self._filling = True
        self._offer([*METHODS, *(name for name in design.methods if name not in METHODS)], design.methods)
        self.labels.value = ", ".join(map(str, design.labels))
        self.prompts.value, self.seeds.value = design.prompts, str(design.seeds)
        self.steps.value, self.tuned.value = f"{design.steps:g}", design.tuned
        self._filling = False

    def _offer(self, known: list[str], chosen: tuple[str, ...]) -> None:
        families: dict[str, list[ipywidgets.HBox]] = {}
        self.methods = {}
        for name in known:
            entry = METHODS.get(name)
            box = ipywidgets.Checkbox(
                value=name in chosen, description=short_name(name), indent=False, tooltip=name,
                layout=ipywidgets.Layout(width="135px", min_width="135px", margin="0"),
            )  # fmt: skip
            box.observe(lambda _: self._tell(), names="value")
            self.methods[name] = box
            summary = f"<div style='line-height: 1.3; padding: 4px 0'>{escape(entry.summary if entry else name)}</div>"
            row = ipywidgets.HBox([box, ipywidgets.HTML(summary)])
            families.setdefault(entry.family if entry else "own", []).append(row)
        rows = []
        for family, boxes in families.items():
            rows += [ipywidgets.HTML(f"<b>{escape(_FAMILIES[family])}</b>"), *boxes]
        self._methods.children = rows

    @property
    def design(self) -> Design:
        """What the fields say.

        Raises:
            RftlabError: the first that cannot be read; each says so below it.
        """
        available = self.subject.facts.labels if self.subject else None
        model = self._field("model", self._read_model)
        labels = self._field("labels", lambda: read_labels(self.labels.value, available))
        seeds = self._field("seeds", lambda: read_count(self.seeds.value, "seeds", MOST_SEEDS))
        steps = self._field("steps", lambda: read_count(self.steps.value, "optimiser steps", _MOST_STEPS))
        if model is None or labels is None or seeds is None or steps is None:
            raise RftlabError("a field cannot be read")
        chosen = tuple(name for name, box in self.methods.items() if box.value)
        return Design(chosen, labels, self.prompts.value, seeds, float(steps), self.tuned.value)

    def text(self, name: str) -> str:
        """The grid that the fields make.

        Raises:
            RftlabError: a field cannot be read, or what they say together makes no study.
        """
        if self.subject is None:
            raise RftlabError("the task cannot be read")
        return design_text(self.design, self.subject, name)

    def _field(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            found = read()
        except RftlabError as error:
            self._wrong[name].value = wrong(str(error))
            return None
        self._wrong[name].value = ""
        return found

    def _tell(self) -> None:
        if not self._filling:
            self._changed()

    def _of_another_task(self) -> None:
        self._about.value = ""
        self.subject = self._read_task()
        self._tell()

    def _read_task(self) -> Subject | None:
        name = self.task.value.strip()
        self._has.value = ""
        try:
            if not name:
                raise RftlabError("a study needs a task; name one, or a data file")
            found = subjects(name, model=self.model.value.strip(), beside=self._path)
            if not found[0].judged:
                raise RftlabError(
                    f"{name}: {found[0].notes[0]}, and nothing says who judges an answer; a grid of your own names a "
                    "verifier (docs/your_data.md, prompts without labels)"
                )
        except RftlabError as error:
            self._wrong["task"].value = wrong(str(error))
            return None
        several = f"; the first of its {len(found)} tasks" if len(found) > 1 else ""
        self._wrong["task"].value = ""
        self._has.value = f"you have {escape('; '.join(found[0].notes))}{several}"
        return found[0]

    def _read_model(self) -> str:
        """The base as it is typed; a task of a grid may leave it to its grid.

        Raises:
            RftlabError: it is none, as far as this machine can tell.
        """
        name = self.model.value.strip()
        if not name and not is_grid(self.task.value.strip()):
            raise RftlabError("a study needs a model; name tiny-base, a local directory or a hub id")
        try:
            beside = self._path.parent / name
            if name:
                locate(str(beside) if beside.is_dir() else name)
        except OSError as error:
            raise RftlabError(f"model: {error.strerror}; name tiny-base, a local directory or a hub id") from None
        return name

    def _look(self, read: Callable[[Cell], str]) -> None:
        for button in self._looks:
            button.disabled = True
        self._about.value = noted("looking ...")
        try:
            cell = Grid.load(self._path, self.text("look")).cells[-1]
            self._about.value = preformatted(read(cell))
        except RftlabError as error:
            self._about.value = wrong(str(error))
        finally:
            for button in self._looks:
                button.disabled = False

    def _examples(self, cell: Cell) -> str:
        """The task's card, and what a model will be put and taught."""
        request = {"cells": [cell.model_dump(mode="json")], "examples": _EXAMPLES, "limit": child.LIMIT_S}
        shown = child.call("rftlab.experiment.shown:shown", request)
        name = self.task.value.strip()
        own = not (is_grid(name) or cell.task == "file")
        card = [child.call("rftlab.preflight.card:card", {"kind": "task", "name": cell.task})] if own else []
        return "\n\n".join([*card, *shown])

    def _checked(self, cell: Cell) -> str:
        """What `rftlab check` says of it."""
        report = check(
            cell.task, cell.task_settings, verifier=cell.verifier, verifier_settings=cell.verifier_settings,
            answer_format=cell.answer_format,
        )  # fmt: skip
        return str(report)


def _row(name: str, *views: Any) -> ipywidgets.VBox:
    return ipywidgets.VBox([ipywidgets.HTML(f"<label>{escape(name)}</label>"), *views])

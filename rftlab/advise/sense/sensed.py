"""`sense`: check a task, ask its base with short cells, and say which ways to train will get a signal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.advise.check import Report, check, requests_of
from rftlab.advise.consult import Consultation, consult
from rftlab.advise.facts import Facts
from rftlab.advise.finding import Finding
from rftlab.advise.of_task import Subject, is_grid, judged, subjects
from rftlab.advise.sense import asked, kept
from rftlab.advise.sense.asked import Answer, Sizes
from rftlab.advise.sense.labels import more_labels
from rftlab.advise.sense.outlook import Outlook, Seen, outlooks
from rftlab.advise.sense.signal import gain, signal
from rftlab.advise.signals import Forecast
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.kernels import cool
from rftlab.grid import Grid
from rftlab.policy.hub import require_reachable
from rftlab.registry import METHODS, trains
from rftlab.user_code import child

_GROUP = 16
"""Completions per prompt of grpo, and of a method that does not say."""
_MOST, _WRONG = 100_000, 2


class Planned(NamedTuple):
    """How a study would train on the task.

    Attributes:
        cot: with chain-of-thought.
        labels: the largest budget.
        prompts: without labels.
        rft: method, preset and settings of its RFT, as JSON values; None of grpo as it is.
    """

    cot: bool
    labels: int
    prompts: int
    rft: Mapping[str, Any] | None

    @property
    def way(self) -> str:
        """How it asks, by the name that `asked.questions` has for it."""
        return "cot" if self.cot else "direct"


@dataclass(frozen=True)
class Sensed:
    """What was found of one task and its base; `str` is for a terminal.

    Attributes:
        subject: the task.
        model: the base.
        report: of `check`, and what a run would refuse.
        notes: what a run would say before it begins, such as caps.
        lengths: of `rftlab.experiment.lengths`; empty where tokens could not be counted.
        seen: what its answers tell.
        wrong: some greedy answers to prompts of the planned way that are not right: rows of samples.jsonl.
        known: way -> results folder, of answers that a study had left already.
        outlooks: of RFT and SFT.
        more: what more labels would pay, in sentences.
        consultation: what is advised on all of this, with the smallest study that settles it.
        file: where it is kept.
    """

    subject: Subject
    model: str
    report: Report
    notes: tuple[str, ...]
    lengths: Mapping[str, Any]
    seen: Seen
    wrong: Sequence[Mapping[str, Any]]
    known: Mapping[str, Path]
    outlooks: tuple[Outlook, Outlook]
    more: tuple[str, ...]
    consultation: Consultation
    file: Path

    @property
    def facts(self) -> Facts:
        """What the base's answers tell, as `rftlab advise` takes it."""
        return facts_of(self.seen)

    def __str__(self) -> str:
        from rftlab.advise.sense.told import told

        return told(self)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; None where an interval cannot be computed."""
        from rftlab.advise.sense.told import values

        return values(self)


def sense(
    name: str,
    *,
    model: str = "",
    labels: int = 0,
    cot: bool | None = None,
    sizes: Sizes | None = None,
    results: Sequence[str | Path] = (),
    out: Path | None = None,
    folder: str | Path = kept.FOLDER,
    limit: float = child.LIMIT_S,
    say: Callable[[str], None] = lambda _: None,
) -> list[Sensed]:
    """What a base can do with a task before anyone trains it, for a task, a data file, or each task of a grid.

    Args:
        name: as `rftlab check` takes it.
        model: the base; empty takes the grid's, or a default.
        labels: that there are to train on; 0 takes a grid's largest budget, or all; the short SFT sees at most
            `asked.MOST_LABELS` of them.
        cot: whether the study will ask for chain-of-thought; None takes the grid's, else it does where there are
            rationales, or no labels at all.
        sizes: how much is asked.
        results: folders of records; empty looks in `results/`.
        out: where a grid will be written; paths in it are relative to that.
        folder: where what is found is kept, one JSON file a task.
        limit: seconds each step in a user's code may take.
        say: told what happens.

    Raises:
        RftlabError: the task or its verifier cannot be made, or its test items are training items; the model is not
            there; or an argument is out of range.
        Interrupted: SIGINT, SIGTERM or SIGHUP.
    """
    sizes = _checked(sizes or Sizes(), labels)
    asking = _Asking(
        sizes,
        beside=(out or Path.cwd() / "advice.yaml").resolve(),
        results=[Path(each) for each in results],
        folder=Path(folder),
        limit=limit,
        say=say,
    )
    found = subjects(name, model=model, beside=asking.beside, limit=limit)
    if out and len(found) > 1:
        names = ", ".join(subject.name for subject in found)
        raise RftlabError(f"{name} has {len(found)} tasks ({names}), and one grid is of one; leave the grid out")
    for subject in found:
        if not subject.judged:
            raise RftlabError(
                f"{name}: {subject.notes[0]}, and nothing says who judges an answer; name a verifier in a grid of your "
                "own (docs/your_data.md, prompts without labels), and ask of that"
            )
        require_reachable(_model(subject))
    cells = _cells_of(name) or [[]] * len(found)
    planned = [_planned(subject, own, labels, cot) for subject, own in zip(found, cells, strict=True)]
    try:
        return [asking.of(subject, each) for subject, each in zip(found, planned, strict=True)]
    finally:
        cool()


def facts_of(seen: Seen) -> Facts:
    """Accuracy of greedy answers, pass@8, and reasoning where the base gains by chain-of-thought."""
    base = seen.base
    if base is None or not base.items:
        return Facts()
    tries, steps = base.pass_at.get(8), seen.gains.get("cot")
    return Facts(
        base_accuracy=base.accuracy.estimate,
        base_pass_at_8=tries.estimate if tries else None,
        reasoning=True if steps is not None and steps.low > 0 else None,
    )


@dataclass(frozen=True)
class _Asking:
    """What is the same for all tasks that are asked about; see `sense`."""

    sizes: Sizes
    beside: Path
    results: list[Path]
    folder: Path
    limit: float
    say: Callable[[str], None]

    def of(self, subject: Subject, planned: Planned) -> Sensed:
        """Of one task."""
        there = replace(subject.facts, labels=planned.labels, prompts=planned.prompts)
        cells = asked.questions(
            subject._replace(facts=there), cot=planned.cot, sizes=self.sizes, beside=self.beside.parent
        )
        asked.warm_up(cells)
        self.say(f"checking {subject.name}")
        report = _check(cells["cot"], self.limit)
        problems, notes = asked.refused(cells, planned.way, self.limit)
        lengths, uncounted = _lengths([cells["cot"], cells["direct"]], planned, self.limit)
        report = replace(report, findings=(*report.findings, *_refusals(problems, planned.way)))
        file = kept.place(subject, self.beside.parent, self.folder)
        answers, failed = self._answers({} if planned.way in problems else _without(cells, problems), file)
        lacking = {**_left_out(cells, planned, self.sizes), **problems, **failed}
        seen = _seen(answers, planned, lengths.get("group") or _GROUP)
        seen = replace(
            seen,
            steps=self.sizes.steps,
            taught_on=cells["taught"].labels if "taught" in cells else 0,
            graded=bool(subject.facts.partial),
            sound=report.ok,
            lacking=lacking,
            refused=problems.get(planned.way, ""),
        )
        named = _model(subject)
        given = Facts(labels=planned.labels) if planned.labels != subject.facts.labels else Facts()
        found = outlooks(seen)
        shots = seen.gains.get("shots")
        forecast = Forecast(
            {each.arm: each.word for each in found},
            few_shot_loses=shots is not None and shots.high < 0,
            because={each.arm: "; ".join(each.because) for each in found},
        )
        sensed = Sensed(
            subject=subject,
            model=named,
            report=report,
            notes=(*notes, *uncounted),
            lengths=lengths,
            seen=seen,
            wrong=answers[planned.way].wrong(_WRONG) if planned.way in answers else (),
            known={each: answer.known for each, answer in answers.items() if answer.known},
            outlooks=found,
            more=more_labels(subject.name, named, self.results),
            consultation=consult(
                given, subject, results=self.results, name=self.beside.stem, sensed=facts_of(seen), forecast=forecast
            ),
            file=file,
        )
        kept.keep(sensed.file, sensed.to_json())
        return sensed

    def _answers(self, cells: Mapping[str, Cell], file: Path) -> tuple[dict[str, Answer], dict[str, str]]:
        known = asked.known_answers(cells, self.results or sorted(Path("results").glob("*/")))
        if todo := [cell for way, cell in cells.items() if way not in known]:
            many = f"{len(todo)} short cell{'s' * (len(todo) != 1)}"
            self.say(f"asking {todo[0].model}: {many}")
        return asked.answers(cells, known, file.with_name(f".{file.stem}"), self.say)


def _model(subject: Subject) -> str:
    """The base, as a grid names it."""
    return str(subject.values.get("model", Cell.model_fields["model"].default))


def _without(cells: Mapping[str, Cell], problems: Mapping[str, str]) -> dict[str, Cell]:
    return {way: cell for way, cell in cells.items() if way not in problems}


def _seen(answers: Mapping[str, Answer], planned: Planned, group: int) -> Seen:
    """What the answers tell."""
    signals = {way: signal(answer.rows, group) for way, answer in answers.items()}
    pairs = {"cot": ("cot", "direct"), "shots": ("shots", planned.way), "taught": ("taught", planned.way)}
    gains = {
        name: gain(answers[first].rows, answers[second].rows)
        for name, (first, second) in pairs.items()
        if first in answers and second in answers
    }
    return Seen(
        cot=planned.cot,
        signals=signals,
        gains=gains,
        labels=planned.labels,
        prompts=planned.labels + planned.prompts,
        losses=answers["taught"].losses if "taught" in answers else (),
    )


def _left_out(cells: Mapping[str, Cell], planned: Planned, sizes: Sizes) -> dict[str, str]:
    """Why the short SFT is not among the cells."""
    if "taught" in cells:
        return {}
    if not sizes.steps:
        return {"taught": "0 steps were asked for"}
    return {"taught": "the labels have no rationales to imitate with chain-of-thought" if planned.cot else "no labels"}


def _check(cell: Cell, limit: float) -> Report:
    """Of the task and verifier of a cell."""
    return check(
        cell.task, cell.task_settings, verifier=cell.verifier, verifier_settings=cell.verifier_settings,
        answer_format=cell.answer_format, limit=limit,
    )  # fmt: skip


def _refusals(problems: Mapping[str, str], way: str) -> list[Finding]:
    """What cannot run, each reason once: a failure where it is what is planned."""
    told: dict[str, str] = {}
    for name, problem in problems.items():
        told.setdefault(problem, name)
    return [Finding("FAIL" if problem == problems.get(way) else "note", "before a run", problem) for problem in told]


def _lengths(cells: Sequence[Cell], planned: Planned, limit: float) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = {"cells": [cell.model_dump(mode="json") for cell in cells], "rft": planned.rft, "limit": limit}
    try:
        return child.call("rftlab.experiment.lengths:lengths", request, limit=limit), ()
    except RftlabError as error:
        return {}, (f"tokens were not counted: {error}",)


def _cells_of(name: str) -> list[list[Cell]]:
    """The cells of each task of a grid, in the order of `subjects`; none of anything else."""
    if not is_grid(name):
        return []
    grid = Grid.load(name)
    return [[cell for cell in grid.cells if judged(cell) == request] for request in requests_of(grid)]


def _planned(subject: Subject, cells: Sequence[Cell], labels: int, cot: bool | None) -> Planned:
    """What a grid's cells of the task plan; of a task alone what its data allow."""
    there, facts = subject.facts.labels or 0, subject.facts
    trained = [cell for cell in cells if trains(cell.method)]
    rewarded = [cell for cell in trained if (entry := METHODS.get(cell.method)) and entry.prompts]
    most = max((cell.labels for cell in trained), default=there)
    asks = any(cell.cot for cell in trained) if trained else facts.rationales is not False
    return Planned(
        cot=asks if cot is None else cot,
        labels=min(there, labels or most),
        prompts=max((cell.prompts for cell in trained), default=facts.prompts or 0),
        rft=_asked_for(rewarded[0]) if rewarded else None,
    )


def _asked_for(cell: Cell) -> dict[str, Any] | None:
    """A cell's method and settings; None of grpo as it is, which needs not be loaded to know its group."""
    found = cell.model_dump(mode="json", include={"method", "preset", "settings"})
    return None if found == {"method": "grpo", "preset": "", "settings": {}} else found


def _checked(sizes: Sizes, labels: int) -> Sizes:
    """Sizes that can be asked.

    Raises:
        RftlabError: one, or the number of labels, is out of range.
    """
    least = {"items": 8, "sampled": 0, "samples": 8, "steps": 0, "labels": 0}
    for name, value in {**sizes._asdict(), "labels": labels}.items():
        if type(value) is not int or not least[name] <= value <= _MOST:
            raise RftlabError(f"{name} is {value!r}; give a whole number from {least[name]} to {_MOST}")
    return sizes if sizes.sampled <= sizes.items else sizes._replace(items=sizes.sampled)

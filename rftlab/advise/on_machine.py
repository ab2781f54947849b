"""Advice for a machine too: which base fits it, and the study with the settings with which it does."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rftlab.advise.architecture import AUTO, Architecture, architecture
from rftlab.advise.consult import Consultation, consult
from rftlab.advise.facts import Facts
from rftlab.advise.hardware import Hardware, found, named
from rftlab.advise.of_task import Subject, absolute
from rftlab.advise.sense.kept import forecast, recall
from rftlab.advise.signals import Forecast
from rftlab.user_code import child


class Advised(NamedTuple):
    """Advice, and what fits the machine.

    Attributes:
        consultation: of which the study has the base and the settings that fit, where one does.
        machine: what fits; None where no machine was named.
    """

    consultation: Consultation
    machine: Architecture | None


def hardware_of(name: str) -> Hardware:
    """The machine that a name stands for; `here` and "" are this one.

    Raises:
        RftlabError: it names none.
    """
    return found() if name in ("", "here") else named(name)


def advised(
    given: Facts,
    subject: Subject | None,
    beside: Path,
    *,
    hardware: Hardware | None = None,
    model: str = "",
    results: Sequence[Path] = (),
    name: str = "advice",
    limit: float = child.LIMIT_S,
) -> Advised:
    """What is advised on facts, a task, what `rftlab sense` has kept of it, records, and a machine.

    Args:
        given: facts that somebody says.
        subject: the task, if there is one.
        beside: the folder that the subject's paths start from.
        hardware: the machine; None leaves it out.
        model: the base; "" or `auto` lets the machine choose.
        results: as of `consult`.
        name: of the study.
        limit: seconds each step in a user's code may take.

    Raises:
        RftlabError: a folder that was named cannot be read, or the task or a method cannot be loaded.
    """
    sensed = recall(subject, beside) if subject else Facts()
    forecast_ = forecast(subject, beside) if subject else Forecast()
    base = "" if model == AUTO else model
    said = consult(given, subject, results=results, model=base, name=name, sensed=sensed, forecast=forecast_)
    if hardware is None:
        return Advised(said, None)
    values = None
    if subject:
        values = {**subject.values, "task_settings": absolute(subject.values.get("task_settings", {}), beside)}
    arms = said.study.arms if said.study else ()
    machine = architecture(hardware, model=model, values=values, methods=arms, limit=limit)
    if fit := machine.advised:
        base = fit.anatomy.name
        renamed = subject and subject._replace(values={**subject.values, "model": base})
        said = consult(
            given, renamed, results=results, model=base, name=name, sensed=sensed, forecast=forecast_,
            fitted=fit.settings,
        )  # fmt: skip
    return Advised(said, machine)

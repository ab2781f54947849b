"""`rftlab advise` in a terminal: facts asked one by one, in plain lines, and what is advised on them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rftlab.advise.architecture import AUTO
from rftlab.advise.facts import FACTS, UNKNOWN, Facts, from_json, holds, make, read_fact
from rftlab.advise.of_task import Subject, is_grid, subjects
from rftlab.advise.on_machine import advised, hardware_of
from rftlab.errors import RftlabError, printable, printable_lines, told
from rftlab.grid.written import require_grid_name
from rftlab.record import require_folder_of, write_atomically
from rftlab.screen import fitted, say


def _line(question: str) -> str:
    return input(fitted(question, sys.stdout))


def ask(known: Facts, line: Callable[[str], str] = _line) -> Facts:
    """What somebody answers; Enter takes what stands in brackets, the end of the input ends the questions.

    Args:
        known: what is known already, offered in brackets.
        line: prints a question and returns a line; raises EOFError at the end of the input.
    """
    say(f"Enter takes what is in brackets; ? is {UNKNOWN}; the end of the input (Ctrl-D) leaves out the rest.")
    given: dict[str, Any] = {}
    for name, fact in FACTS.items():
        if holds(fact.when, make(given).over(known)) is False:
            continue
        for choice, meaning in fact.choices.items():
            say(f"  {choice}: {meaning}")
        try:
            given[name] = _answer(name, known, line)
        except EOFError:
            say()
            break
    return make(given)


def _answer(name: str, known: Facts, line: Callable[[str], str]) -> Any:
    """The answer to one question, asked again until it is one."""
    fact, default = FACTS[name], getattr(known, name)
    while True:
        text = line(f"{fact.question} ({fact.form}) [{fact.told(default)}] ")
        try:
            return read_fact(name, text) if text.strip() else default
        except RftlabError as error:
            say(f"  {error}")


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def require_new(out: Path | None) -> None:
    """Check that a grid can be written there.

    Raises:
        RftlabError: it is there already, its folder is not, or it is no name of a grid.
    """
    if out and out.exists():
        raise RftlabError(f"{out} is there already; give another name with -o")
    if out:
        require_grid_name(out)
        require_folder_of(out)


def consulted(options: argparse.Namespace) -> int:
    """Say what is advised on the facts of the options, of a file, of a task, or that somebody is asked for."""
    out = options.out
    require_new(out)
    given = _given(options)
    hardware = hardware_of(options.hardware) if options.hardware or options.model else None
    model = "" if options.model == AUTO else options.model
    found: list[Subject | None] = []
    if options.task:
        found += subjects(options.task, model=model, beside=out, limit=options.check_timeout)
    if out and len(found) > 1:
        names = ", ".join(subject.name for subject in found if subject)
        raise RftlabError(f"{options.task} has {len(found)} tasks ({names}), and -o takes one study; leave it out")
    asked = not given.known and can_ask()
    if asked:
        given = ask(found[0].facts if len(found) == 1 and found[0] else Facts())
    if asked and not (given.known or found):
        say("nothing is known, so the order below is by cost alone")
    if not (asked or given.known or found or options.results or hardware):
        raise RftlabError(
            "there is no terminal to ask in; give facts (--labels 60 --verifier gold), a file of them (--json FILE), "
            "a task, records (--results) or a machine (--hardware)"
        )
    for number, subject in enumerate(found or [None]):
        beside = (out or Path.cwd() / "advice.yaml").resolve().parent
        # Of a grid its own base, unless another is named.
        own = str(subject.values["model"]) if subject and is_grid(options.task) else ""
        said, machine = advised(
            given, subject, beside, hardware=hardware, model=options.model or own if hardware else model,
            results=options.results, name=out.stem if out else "advice", limit=options.check_timeout,
        )  # fmt: skip
        say("\n" * bool(number) + printable_lines(str(said)))
        if said.study and out:
            write_atomically(out, said.study.text)
            say(f"  written to {out}; what it costs: rftlab plan {out}")
        elif said.study:
            print("\n".join(f"  | {printable(line)}" for line in said.study.text.splitlines()))
        if machine:
            say(printable_lines(str(machine)))
    return 0


def _given(options: argparse.Namespace) -> Facts:
    """Facts of the options, and where they are silent of the JSON file."""
    flags = {name: text for name in FACTS if (text := getattr(options, name)) is not None}
    facts = Facts(**{n: read_fact(n, text, f"--{n.replace('_', '-')}: ") for n, text in flags.items()})
    if options.json is None:
        return facts
    try:
        text = sys.stdin.read() if options.json == "-" else Path(options.json).expanduser().read_text("utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        raise RftlabError(
            f"--json {options.json} cannot be read: {told(error)}; give a file of facts, or - for the standard input"
        ) from None
    return facts.over(from_json(text, f"--json {options.json}"))

"""What each verb does that is for before a study: about data, verifiers, methods and grids."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rftlab.cli import flags
from rftlab.errors import RftlabError, printable, printable_lines
from rftlab.screen import busy, say


def check(options: argparse.Namespace) -> int:
    """Look for what usually goes wrong with data and verifier; 1 if something does."""
    from rftlab.advise.check import check, check_grid
    from rftlab.advise.of_task import is_grid

    if is_grid(options.task):
        flags.refuse_for_a_grid(options)
    if options.label:
        return _label(options)
    if alone := [name for name in ("completions", "marks", "seed") if getattr(options, name) is not None]:
        raise RftlabError(f"--{alone[0]} is for completions that are marked by hand; give --label 30 too")
    if is_grid(options.task):
        with busy("checking data and verifiers"):
            reports = check_grid(Path(options.task), limit=options.check_timeout)
        say("\n\n".join(map(str, reports)))
        return 0 if all(report.ok for report in reports) else 1
    with busy("checking data and verifier"):
        report = check(options.task, **_of_task(options), limit=options.check_timeout)
    say(report)
    return 0 if report.ok else 1


def _label(options: argparse.Namespace) -> int:
    """Have completions marked by hand, and say how often the verifier agrees."""
    from rftlab.advise.agreement import agreements, drawn
    from rftlab.advise.check import request_of, requests_of
    from rftlab.advise.completions import pool_of
    from rftlab.advise.marks import Marks
    from rftlab.advise.of_task import is_grid
    from rftlab.cli.marking import mark
    from rftlab.grid import Grid

    sources = [options.completions]
    if is_grid(options.task):
        grid = Grid.load(options.task)
        name, requests, results = grid.name, requests_of(grid), Path("results") / grid.name
        if options.completions is None and any((results / "cells").glob("*/samples.jsonl")):
            sources.insert(0, results)
    else:
        name = Path(options.task.rpartition(":")[2]).stem
        requests = [request_of(options.task, **_of_task(options))]
    seed, marks = options.seed or 0, Marks(options.marks or Path(f"{name}.marks.jsonl"))
    pool = pool_of(requests, *sources, seed=seed, limit=options.check_timeout)
    for note in pool.notes:
        say(printable(note))
    if pool.made:
        say(
            f"no completions of a model are given, so these are {pool.source}; rftlab run leaves a model's in its "
            "results folder, and --completions takes that folder, or a .jsonl file with prompt and completion"
        )
    chosen = drawn(pool, options.label, marks, seed=seed)
    if len(chosen) < options.label:
        say(f"there are only {len(chosen)} completions to mark")
    finished = mark(chosen, marks)
    done = sum(candidate in marks for candidate in chosen)
    say(f"\n{done} of {len(chosen)} marked, kept in {marks.path}{'' if finished else '; the same command goes on'}")
    if finished:  # before that, what is said would be known to whoever marks the rest
        say(*agreements(pool, chosen, marks))
    return 0


def _of_task(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say of a task and its verifier, by the arguments of `rftlab.advise.check.check`."""
    columns = {
        field: column.split(",") if field == "meta" else column
        for field, column in flags.pairs("--columns", options.columns, "prompt=question").items()
    }
    settings = flags.values("--settings", options.settings, "shuffle=false")
    flagged: dict[str, Any] = {"columns": columns} if columns else {}
    flagged |= {"test_path": str(options.test.resolve())} if options.test else {}
    if twice := [name for name in flagged if name in settings]:
        raise RftlabError(f"--{twice[0].removesuffix('_path')} and --settings {twice[0]} say the same; leave one out")
    settings |= flagged
    judged_by = flags.values("--verifier-settings", options.verifier_settings, "tolerance=0.01")
    return {"settings": settings, "verifier": options.verifier, "verifier_settings": judged_by}


def sense(options: argparse.Namespace) -> int:
    """Say what a base can do with a task before anyone trains it; 1 if the check of it fails."""
    from rftlab.advise.sense.asked import Sizes
    from rftlab.advise.sense.sensed import sense
    from rftlab.cli.asking import require_new
    from rftlab.record import scan, write_atomically

    out = options.out
    require_new(out)
    for place in options.results:  # what is wrong with one is said before the base is asked
        scan(place)
    if options.folder.exists() and not options.folder.is_dir():
        raise RftlabError(f"--folder {options.folder} is a file; give a folder")
    found = sense(
        options.task,
        model=options.model,
        labels=options.labels or 0,
        cot={"yes": True, "no": False}.get(options.cot),
        sizes=Sizes(options.items, options.sampled, options.samples, options.steps),
        results=options.results,
        out=out,
        folder=options.folder,
        limit=options.check_timeout,
        say=lambda text: say(text, file=sys.stderr),
    )
    if options.json:
        print(json.dumps([each.to_json() for each in found], indent=1))
    for number, each in enumerate(found if not options.json else []):
        say("\n" * bool(number) + printable_lines(str(each)))
        say(f"kept in {each.file}")
    if out and (study := found[0].consultation.study):
        write_atomically(out, study.text)
        say(f"written to {out}: {study.told}; what it costs: rftlab plan {out}", file=sys.stderr)
    elif out:
        raise RftlabError(f"no grid can be written: {found[0].consultation.unmeasurable}")
    return 0 if all(each.report.ok for each in found) else 1


def pass_rates(options: argparse.Namespace) -> int:
    """Measure how often a grid's base is right on rows of its task."""
    from rftlab.grid import Grid
    from rftlab.record import require_folder_of

    cells = Grid.load(options.grid).cells
    require_folder_of(options.out)
    with busy("loading the base and its task"):
        from rftlab.experiment.pass_rates import measure_pass_rates

    def heard(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"...  {done} of {of} rows", end="\r", file=sys.stderr, flush=True)

    found = measure_pass_rates(cells, rows=options.rows, samples=options.samples, on_progress=heard)
    say(str(found))
    say(f"written to {found.write(options.out)}: pass_rates_path of a grid, for label_difficulty and curriculum")
    return 0


def check_method(options: argparse.Namespace) -> int:
    """Test a method with the suite that rftlab's own pass; 1 if a check fails."""
    from rftlab.user_code import child

    begun, verdicts = "", list[str]()

    def heard(part: Mapping[str, str]) -> None:
        nonlocal begun
        begun = part["check"]
        if "verdict" in part:
            verdicts.append(part["verdict"])
            say(f"{part['verdict']:<14}  {begun}: {printable(part['sentence'])}")
        elif sys.stderr.isatty():
            print(f"...  {begun}", end="\r", file=sys.stderr, flush=True)

    settings = flags.values("--settings", options.settings, "prompts_per_step=2")
    request = {"name": options.name, "preset": options.preset, "settings": settings}
    try:
        child.call("rftlab.experiment.method_checks:run", request, limit=options.check_timeout, heard=heard)
    except RftlabError as error:
        if not begun:
            raise
        heard({"check": begun, "verdict": "failed", "sentence": str(error)})
    failed = verdicts.count("failed")
    say(f"{failed} check{'s' * (failed > 1)} failed" if failed else "passed")
    return 1 if failed else 0


def new(options: argparse.Namespace) -> int:
    """Write a grid for a data file."""
    from rftlab.advise.new import MODEL, new

    columns = flags.pairs("--columns", options.columns, "prompt=question")
    written = new(
        options.data,
        options.out,
        model=options.model or MODEL,
        columns=columns,
        verifier=options.verifier,
        test=options.test,
        checks=options.checks,
        say=lambda note: say(printable(note)),
    )
    say(*written)
    grid = written[0]
    say(f"next: look at it, then rftlab check {grid}, rftlab show {grid}, rftlab run {grid}")
    return 0


def advise(options: argparse.Namespace) -> int:
    """Rank the ways to train, with reasons, and write the study that would settle it."""
    if options.rules:
        if options.task or options.out:
            raise RftlabError("--rules prints the rules alone; leave out the rest, or leave out --rules")
        from rftlab.advise.rules import tables

        say(tables())
        return 0
    from rftlab.cli.asking import consulted

    return consulted(options)


def show(options: argparse.Namespace) -> int:
    """Print what models are put and taught."""
    from rftlab.grid import Grid
    from rftlab.user_code import child

    grid = Grid.load(options.grid)
    cells = [cell.model_dump(mode="json") for cell in grid.cells]
    request = {"cells": cells, "examples": options.examples, "limit": options.check_timeout}
    with grid.lines_named(), busy("loading tasks and bases"):
        texts = child.call("rftlab.experiment.shown:shown", request, limit=options.check_timeout)
    say("\n\n\n".join(map(printable_lines, texts)))
    return 0

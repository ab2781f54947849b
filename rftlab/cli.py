"""The command line: each verb calls one function. Imports wait for the verb, so that `rftlab --help` is instant."""

import argparse
import io
import json
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from rftlab.errors import RftlabError, RftlabWarning, printable, told
from rftlab.execute.interrupts import Interrupted, raised

if TYPE_CHECKING:
    from rftlab.execute.one_cell import Outcome
    from rftlab.registry import Entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0; 1 if a cell failed; 2 for bad input or a fault (one sentence on standard error); 130 after Ctrl-C,
        143 after SIGTERM, 129 after SIGHUP.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that this terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings(), raised():
            warnings.showwarning = _Say()
            return int(options.verb(options))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Interrupted as error:
        print("rftlab: interrupted; run the same command again to go on", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        print(f"rftlab: {printable(_sentence(error))}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, RftlabError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:  # a full disk, a folder that is read-only
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}; what was finished before is kept"
    if isinstance(error, MemoryError):
        return "out of memory; what was finished before is kept"
    return (
        f"unexpected {told(error)}; run again with --debug for the traceback, which belongs in a report of this fault"
    )


class _Say:
    """Prints a warning of ours as a sentence, once, and another one as Python does."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        ours = issubclass(category, RftlabWarning)
        text = f"rftlab: {message}\n" if ours else warnings.formatwarning(message, category, filename, lineno)
        if text not in self._said:
            self._said.add(text)
            print(text, end="", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Ends with one sentence on a mistake, which offers the nearest verb, option or choice."""

    def error(self, message: str) -> NoReturn:
        wrong, known = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message), list[str]()
        if wrong:
            known = re.findall(r"[\w.+-]+", wrong[2])
        elif wrong := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            known = sorted(_options(self))
        if wrong and known:
            from rftlab.registry import suggest

            message = f"{message.partition(' (choose')[0]}{suggest(wrong[1], known)}"
        print(f"{self.prog}: {printable(message)}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Long options of a parser and of its verbs."""
    found = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    verbs = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return found.union(*(_options(each) for choices in verbs for each in choices.values()))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rftlab", description="For this task, this model and this many labels: SFT, RFT or both? Experiments say."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    run = verbs.add_parser("run", help="run what is left of a grid, then write its report")
    run.set_defaults(verb=_run)
    run.add_argument("grid", type=Path, metavar="GRID.yaml")
    run.add_argument("--workers", type=_positive, metavar="N", help="cells run at once (default: one per core)")
    run.add_argument("--results", type=Path, metavar="DIR", help="where to (default: results/NAME)")
    run.add_argument(
        "--keep",
        choices=("none", "best", "all"),
        help="trained policies to keep: none, best (of each arm) or all (default: what the grid says, else best)",
    )
    run.add_argument(
        "--keep-going", action="store_true", help="begin further cells also after three in a row have failed alike"
    )
    run.add_argument(
        "--rerun", nargs="*", metavar="CELL", help="run finished cells again: these (beginnings of ids), or all"
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything (code of yours by executing it) and list the cells; train nothing",
    )
    run.add_argument(
        "--kernel",
        choices=("warm", "cold"),
        default="warm",
        help="fork kernels from a warm process, or start each",
    )
    run.add_argument("--executor", default="local", metavar="NAME", help="local (default), ray or slurm")
    far = run.add_argument_group("with --executor ray or slurm")
    far.add_argument("--address", default="", help="the cluster (ray: host:port; slurm: local runs jobs here)")
    far.add_argument("--cpus", type=float, default=1.0, metavar="N", help="processor cores per cell (default: 1)")
    far.add_argument("--gpus", type=float, default=0.0, metavar="N", help="GPUs per cell; 0.25: four cells share one")
    far.add_argument("--gather", action="store_true", help="bring files back even where the results folder is shared")
    far.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="see docs/scaling.md")

    status = verbs.add_parser("status", help="what is done, left and failed in a results folder")
    status.set_defaults(verb=_status)
    status.add_argument("results", type=Path, metavar="DIR", help="or an archive")
    status.add_argument("--verify", action="store_true", help="compare notebooks and logs with their checksums too")

    forget = verbs.add_parser("forget", help="set finished cells aside, so that they count no longer and are run again")
    forget.set_defaults(verb=_forget)
    forget.add_argument("cells", nargs="+", metavar="CELL", help="its folder, or the beginning of its id")
    forget.add_argument("--results", type=Path, metavar="DIR", help="where to look for ids (default: results/*)")

    report = verbs.add_parser("report", help="write the report of a results folder, or of several joined")
    report.set_defaults(verb=_report)
    report.add_argument(
        "results", nargs="+", type=Path, metavar="DIR", help="or an archive; several are joined, with -o"
    )
    report.add_argument("-o", "--out", type=Path, metavar="DIR", help="new folder of the joined study and its report")
    report.add_argument(
        "--waive", action="append", default=[], metavar="FIELD", help="compare although a record lacks this field (or "
        "several, with commas) of the contract; the page says so",
    )  # fmt: skip

    claims = verbs.add_parser("claims", help="what a study says of each of the thirteen claims of the field")
    claims.set_defaults(verb=_claims)
    claims.add_argument("results", type=Path, metavar="DIR", help="or an archive")
    claims.add_argument("--claim", type=_positive, metavar="N", help="one in full, with the cells that would test it")

    _add_judge(verbs)

    export = verbs.add_parser("export", help="write a study as one archive")
    export.set_defaults(verb=_export)
    export.add_argument("results", type=Path, metavar="DIR")
    export.add_argument("-o", "--out", type=Path, metavar="FILE", help="the archive (default: NAME.tar.xz)")
    export.add_argument(
        "--completions", type=_whole, metavar="N", help="keep the texts of N items of each cell and part (default: "
        "all); outcomes are always kept",
    )  # fmt: skip
    export.add_argument("--policies", action="store_true", help="with the policies that were kept")
    opened = verbs.add_parser("import", help="verify an archive and unpack it to a results folder")
    opened.set_defaults(verb=_import)
    opened.add_argument("archive", type=Path, metavar="FILE")
    opened.add_argument("results", nargs="?", type=Path, metavar="DIR", help="a new folder (default: results/NAME)")

    _add_kept(verbs)

    for kind in ("task", "method", "verifier"):
        listing = verbs.add_parser(f"{kind}s", help=f"the {kind}s known by name, or the card of one")
        listing.set_defaults(verb=_list, kind=kind)
        listing.add_argument("name", nargs="?", metavar="NAME")

    check = verbs.add_parser("check", help="validate data and verifier before anyone trains on them")
    check.set_defaults(verb=_check)
    check.add_argument(
        "task", metavar="FILE_OR_TASK", help="a grid.yaml, a .jsonl, .json, .csv or .parquet file, or a task's name"
    )
    check.add_argument("--verifier", default="", metavar="NAME", help="judge with this one, not with the task's own")
    check.add_argument(
        "--columns", nargs="+", default=[], metavar="FIELD=COLUMN", help="prompt, answer, rationale, meta=COLUMN,COLUMN"
    )

    verbs.add_parser("parameters", help="every parameter of a cell, one line each").set_defaults(verb=_parameters)

    one = verbs.add_parser("run-cell", help="run one cell from its JSON file; what every executor launches")
    one.set_defaults(verb=_run_cell)
    one.add_argument("cell", type=Path, metavar="CELL.json")
    one.add_argument("results", type=Path, metavar="OUT", help="results folder: OUT/cells/ID, or OUT/failed/ID")
    one.add_argument("--threads", type=_positive, metavar="N", help="compute threads (default: all cores)")

    fetch = verbs.add_parser("fetch", help="get a real pretrained model where no model hub can be reached")
    fetch.set_defaults(verb=_fetch)
    fetch.add_argument("model", metavar="MODEL")
    for each in verbs.choices.values():
        each.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
    for each in (run, one):
        each.add_argument(
            "--timeout", type=_positive, metavar="SECONDS", help="limit for one cell of a notebook (default: a day)"
        )
    for each in (run, check, one):
        each.add_argument(
            "--check-timeout", type=_positive, default=60, metavar="SECONDS",
            help="limit for a step in code of yours while it is checked: loading it, scoring one example (default: 60)",
        )  # fmt: skip
    return parser


def _add_judge(verbs: Any) -> None:
    """The verb that has completions compared where no answer is right."""
    judge = verbs.add_parser(
        "judge",
        help="have the arms' test completions judged against each other: win rate, where no answer is right",
        epilog="example: rftlab judge results/win_rate --judge http://localhost:8000/v1 --model NAME --items 50",
    )
    judge.set_defaults(verb=_judge)
    judge.add_argument("results", type=Path, metavar="DIR")
    judge.add_argument(
        "--judge", default="preference-model", metavar="WHO", help="preference-model (default), trained on pairs that "
        "no arm saw, or the URL of a chat completions endpoint",
    )  # fmt: skip
    judge.add_argument(
        "--between", nargs="+", default=[], metavar="ARM:ARM", help="only these, such as rlhf:sft (default: every two)"
    )
    judge.add_argument("--items", type=_whole, default=0, metavar="N", help="the first N test items (default: all)")
    model = judge.add_argument_group("preference model")
    model.add_argument("--seed", type=_whole, metavar="N", help="of its pairs and training (default: 0)")
    model.add_argument("--pairs-file", metavar="FILE", help="its pairs (default: put in order by the verifier)")
    far = judge.add_argument_group("endpoint")
    far.add_argument("--model", metavar="NAME", help="of the judging model there")
    far.add_argument("--criterion", metavar="TEXT", help="what is judged, in a sentence")
    far.add_argument("--key-variable", metavar="NAME", help="environment variable with the key (OPENAI_API_KEY)")
    far.add_argument("--seconds", type=_positive, dest="timeout_s", metavar="N", help="limit for one request (30)")


def _add_kept(verbs: Any) -> None:
    """Verbs on the policy that a finished cell kept."""

    def add(name: str, verb: Callable[[argparse.Namespace], int], help: str, example: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = verbs.add_parser(name, help=help, epilog=f"example: rftlab {example}")
        parser.set_defaults(verb=verb)
        parser.add_argument("cell", metavar="CELL", help="a finished cell's folder, or the beginning of its id")
        parser.add_argument("--results", type=Path, metavar="DIR", help="where the id is (default: results/*)")
        return parser

    ask = add("ask", _ask, "ask a kept policy, beside its base", 'ask 3f2a "Tom has 3 pens and buys 4. How many?"')
    ask.add_argument("question", metavar="QUESTION")
    again = add(
        "evaluate",
        _evaluate,
        "evaluate a kept policy and its base, on its own task or another",
        "evaluate 3f2a --task arithmetic/chain --items 100",
    )
    again.add_argument("--task", default="", metavar="FILE_OR_TASK", help="a data file, or a task's name")
    again.add_argument("--task-settings", default="", metavar="JSON", help="""such as '{"columns": {"prompt": "q"}}'""")
    again.add_argument("--verifier", default="", metavar="NAME", help="judge with this one, not with the task's own")
    again.add_argument("--items", type=_positive, default=0, metavar="N", help="test items (default: as in the cell)")
    again.add_argument("--out", type=Path, metavar="FILE", help="also write it as JSON")
    model = add("model", _model, "write a kept policy as a folder for transformers or PEFT", "model 3f2a out --merge")
    model.add_argument("target", metavar="OUT", help="the new folder")
    model.add_argument("--merge", action="store_true", help="fold the adapter into its base: a whole model")


def _run(options: argparse.Namespace) -> int:
    from rftlab import study
    from rftlab.execute.cluster import Resources, read_options

    outcomes = study.run(
        options.grid,
        options.results,
        workers=options.workers,
        kernel=options.kernel,
        timeout=options.timeout,
        executor=options.executor,
        resources=Resources(options.address, options.cpus, options.gpus, options.gather, read_options(options.option)),
        keep=options.keep,
        keep_going=options.keep_going,
        rerun=(options.rerun or True) if options.rerun is not None else False,
        check_timeout=options.check_timeout,
        dry_run=options.dry_run,
    )
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(_failure(outcome), file=sys.stderr)
    return 1 if failed else 0


def _status(options: argparse.Namespace) -> int:
    from rftlab import record, study
    from rftlab.execute.one_cell import read_failure
    from rftlab.files import archive

    options.results = archive.opened(options.results)
    grid, done, left, notes = study.status(options.results)
    failures = [outcome for cell in left if (outcome := read_failure(cell, options.results))]
    left_over = len(left) - len(failures)
    print(f"{grid.name}: {len(done)} of {len(grid.cells)} cells done, {len(failures)} failed, {left_over} left")
    for note in notes:
        print(f"  {note}")
    for failure in failures:
        print(_failure(failure))
    some = record.cells_dir(options.results).is_dir()
    records, damaged = record.scan(options.results) if some else ([], [])
    for damage in damaged:
        print(f"not counted: {damage}")
    for found in records if options.verify else []:
        for name in found.changed_files(record.cells_dir(options.results) / found.id):
            print(f"changed after the run, which the numbers do not stand on: {found.id}/{name}")
    if done:
        from rftlab.report import happened

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RftlabWarning)  # damage, which has been named
            study.tell(happened(options.results))
    return 0


def _forget(options: argparse.Namespace) -> int:
    from rftlab import study

    for folder in study.forget(options.cells, options.results):
        print(f"set aside as {folder}; delete that to be rid of it")
    return 0


def _report(options: argparse.Namespace) -> int:
    from rftlab import study

    study.report(options.results, ",".join(options.waive), options.out)
    return 0


def _claims(options: argparse.Namespace) -> int:
    from rftlab.answer.ledger import ledger_of

    found = ledger_of(options.results)
    print(found.in_full(options.claim) if options.claim else found)
    return 0


def _judge(options: argparse.Namespace) -> int:
    from rftlab.answer.win_rates import sentences, win_rates
    from rftlab.judging import judge

    between = [tuple(text.split(":")) for text in options.between]
    if any(len(two) != 2 for two in between):
        raise RftlabError("--between takes two arms with a colon, such as rlhf:sft")
    names = ("seed", "pairs_file", "model", "criterion", "key_variable", "timeout_s")
    settings = {name: value for name in names if (value := getattr(options, name)) is not None}
    judged = judge(options.results, options.judge, between=between, items=options.items, **settings)
    print(judged)
    for name, value in judged.facts.items():
        print(f"  {name}: {value}")
    print(*sentences(win_rates(options.results)), sep="\n")
    return 0


def _export(options: argparse.Namespace) -> int:
    from rftlab.record.exported import export

    made = export(options.results, options.out, completions=options.completions, policies=options.policies)
    print(f"{made} ({made.stat().st_size / 1e6:.2f} MB)")
    return 0


def _import(options: argparse.Namespace) -> int:
    from rftlab.record.exported import import_archive

    print(import_archive(options.archive, options.results))
    return 0


def _ask(options: argparse.Namespace) -> int:
    from rftlab.policy.ask import ask

    print(ask(options.cell, options.question, results=options.results))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from rftlab.experiment.kept_evaluation import evaluate_kept

    try:
        settings = json.loads(options.task_settings or "{}")
    except ValueError as error:
        raise RftlabError(f"--task-settings is JSON text, not {options.task_settings!r} ({error})") from None
    if not isinstance(settings, dict):
        raise RftlabError('--task-settings is a JSON object, such as \'{"path": "test.jsonl"}\'')
    found = evaluate_kept(
        options.cell,
        options.task,
        settings,
        verifier=options.verifier,
        items=options.items,
        results=options.results,
    )
    print(found)
    if options.out:
        print(found.write(options.out))
    return 0


def _model(options: argparse.Namespace) -> int:
    from rftlab.policy.export import write_model

    print(write_model(options.cell, options.target, merge=options.merge, results=options.results))
    return 0


def _list(options: argparse.Namespace) -> int:
    from rftlab import registry

    entries: Mapping[str, Entry] = getattr(registry, f"{options.kind.upper()}S")
    if options.name is None:
        width = max(map(len, entries))
        for name, entry in entries.items():
            variants = f" ({', '.join(f'{name}/{variant}' for variant in entry.variants)})" if entry.variants else ""
            print(f"{name:<{width}}  {entry.summary}{variants}")
        return 0
    from rftlab.user_code import child

    print(child.call("rftlab.preflight.card:card", {"kind": options.kind, "name": options.name}))
    return 0


def _check(options: argparse.Namespace) -> int:
    from rftlab.advise.check import check, check_grid

    if Path(options.task).suffix in (".yaml", ".yml"):
        reports = check_grid(Path(options.task), limit=options.check_timeout)
        print(*reports, sep="\n\n")
        return 0 if all(report.ok for report in reports) else 1
    columns: dict[str, str | list[str]] = {}
    for pair in options.columns:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise RftlabError(f"--columns {pair!r} is not of the form FIELD=COLUMN; give such as prompt=question")
        columns[field] = column.split(",") if field == "meta" else column
    settings = {"columns": columns} if columns else {}
    report = check(options.task, settings, verifier=options.verifier, limit=options.check_timeout)
    print(report)
    return 0 if report.ok else 1


def _parameters(_options: argparse.Namespace) -> int:
    from rftlab.cell import Cell, parameter_help

    defaults = Cell.make({}).flat()
    for name, text in parameter_help().items():
        print(f"{name:<26} {defaults[name]!r:<20} {text}")
    print("In a grid a list is swept, and `cot: 2x2` sweeps cot and cot_eval together.")
    return 0


def _run_cell(options: argparse.Namespace) -> int:
    from rftlab import preflight
    from rftlab.digests import with_digests
    from rftlab.execute.kernels import DAY_S, KernelSettings, cores
    from rftlab.execute.one_cell import CellRun, read_cell
    from rftlab.grid import is_done

    cell = read_cell(options.cell)
    cell = cell if cell.digests else with_digests(cell)
    if not is_done(cell, options.results):
        preflight.check([cell], limit=options.check_timeout)
    settings = KernelSettings(threads=options.threads or cores(), cell_timeout=options.timeout or DAY_S)
    outcome = CellRun(cell, options.results, settings).run()
    print(_failure(outcome) if outcome.status == "failed" else outcome.folder)
    return 0 if outcome.status == "done" else 1


def _fetch(options: argparse.Namespace) -> int:
    from rftlab.policy.hub import fetch

    print(fetch(options.model))
    return 0


def _failure(outcome: "Outcome") -> str:
    where = f"; see {outcome.folder / 'notebook.ipynb'}" if outcome.folder else ""
    return f"failed: {outcome.cell.label}: {outcome.error}{where}"


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"give a whole number, not {text}")
    return int(text)


def _positive(text: str) -> int:
    value = int(text) if re.fullmatch(r"\d{1,18}", text) else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"give a whole number of at least 1, not {text}")
    return value

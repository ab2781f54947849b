"""Options of the verbs that are for before a study."""

from pathlib import Path
from typing import Any

from rftlab.cli import preparing as do
from rftlab.cli.arguments import add_verb, path, positive, whole


def add_preparing(verbs: Any) -> None:
    """Add check, check-method, new, sense, pass-rates, advise and show."""
    _add_check(verbs)
    _add_others(verbs)
    _add_sense(verbs)
    _add_pass_rates(verbs)
    _add_advise(verbs)
    _add_show(verbs)


def _add_check(verbs: Any) -> None:
    check = add_verb(
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
    check.add_argument("--test", type=path, metavar="FILE", help="the held-out rows of a data file")
    check.add_argument("--settings", nargs="+", default=[], metavar="NAME=VALUE", help="of the task, as in a grid")
    check.add_argument(
        "--verifier-settings", nargs="+", default=[], metavar="NAME=VALUE", help="of the verifier, as in a grid"
    )
    hand = check.add_argument_group("verifier against person")
    hand.add_argument(
        "--label", type=positive, metavar="N", help="mark N completions by hand instead, blind to the verdicts, and "
        "see how often the verifier agrees; asked again it goes on",
    )  # fmt: skip
    hand.add_argument(
        "--completions", type=path, metavar="DIR_OR_FILE", help="a results folder, an archive, or a .jsonl file with "
        "prompt and completion (default: results/NAME of a grid; else made from the gold answers)",
    )  # fmt: skip
    hand.add_argument("--marks", type=path, metavar="FILE", help="where marks are kept (default: NAME.marks.jsonl)")
    hand.add_argument("--seed", type=whole, metavar="N", help="of which are shown, and in which order (default: 0)")


def _add_others(verbs: Any) -> None:
    method = add_verb(
        verbs,
        "check-method",
        do.check_method,
        "test a method of yours with the suite that rftlab's own pass",
        "check-method my.py:Mine",
    )
    method.add_argument("name", metavar="METHOD", help="my.py:Mine, package.module:Mine, or a registered name")
    method.add_argument("--preset", default="", metavar="NAME", help="named settings of the method")
    method.add_argument("--settings", nargs="+", default=[], metavar="NAME=VALUE", help="of the method, as in a grid")

    start = add_verb(verbs, "new", do.new, "write a grid for a data file of yours", "new tickets.csv")
    start.add_argument("data", type=path, metavar="DATA", help="a .jsonl, .json, .csv, .tsv or .parquet file")
    start.add_argument("-o", "--out", type=path, metavar="GRID.yaml", help="the grid (default: NAME.yaml)")
    start.add_argument("--model", default="", metavar="MODEL", help="the base (default: SmolLM2-135M-Instruct)")
    start.add_argument("--columns", nargs="+", default=[], metavar="FIELD=COLUMN", help="prompt, answer, rationale")
    start.add_argument("--verifier", default="", metavar="NAME", help="who judges (default: found out)")
    start.add_argument("--test", type=path, metavar="FILE", help="the held-out rows (default: a share of DATA)")
    start.add_argument("--checks", action="store_true", help="write checks.py too, the beginning of a verifier")


def _add_sense(verbs: Any) -> None:
    """The verb that asks the base before anyone trains it."""
    sense = add_verb(
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
    sense.add_argument("--labels", type=positive, metavar="N", help="labels to train on (default: a grid's, or all)")
    sense.add_argument(
        "--cot", choices=("yes", "no"), help="whether the study will ask for chain-of-thought (default: as the grid, "
        "else where there are rationales)",
    )  # fmt: skip
    asked = sense.add_argument_group("how much is asked")
    asked.add_argument("--items", type=positive, default=100, metavar="N", help="prompts asked greedily (100)")
    asked.add_argument("--sampled", type=whole, default=32, metavar="N", help="of them sampled, too (32)")
    asked.add_argument("--samples", type=positive, default=16, metavar="N", help="completions of each of these (16)")
    asked.add_argument("--steps", type=whole, default=16, metavar="N", help="of the short SFT (16); 0 leaves it out")
    sense.add_argument(
        "--results", nargs="+", default=[], type=path, metavar="DIR", help="records (default: those in results/)"
    )
    sense.add_argument(
        "--folder", type=path, default=Path("results/sense"), metavar="DIR", help="where what is found is kept, for "
        "rftlab advise (default: results/sense)",
    )  # fmt: skip
    sense.add_argument("-o", "--out", type=path, metavar="GRID.yaml", help="write the study that settles it")
    sense.add_argument("--json", action="store_true", help="print it as JSON")


def _add_pass_rates(verbs: Any) -> None:
    """The verb that says how hard rows are for a base."""
    rates = add_verb(
        verbs,
        "pass-rates",
        do.pass_rates,
        "measure how often a grid's base is right on the rows that labels are drawn from",
        "pass-rates study.yaml -o rates.json",
    )
    rates.add_argument("grid", type=path, metavar="GRID.yaml", help="of one base, task and wording")
    rates.add_argument("-o", "--out", type=path, required=True, metavar="FILE", help="for the grid's pass_rates_path")
    rates.add_argument("--rows", type=positive, default=300, metavar="N", help="rows, evenly spread (300)")
    rates.add_argument("--samples", type=positive, default=8, metavar="N", help="completions of each (8)")


def _add_advise(verbs: Any) -> None:
    """The verb that ranks the ways to train; its options are the facts."""
    from rftlab.advise.facts import FACTS

    advise = add_verb(
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
        "--results", nargs="+", default=[], type=path, metavar="DIR", help="records, which outrank the rules (default: "
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
    advise.add_argument("-o", "--out", type=path, metavar="GRID.yaml", help="write the study (default: print it)")
    advise.add_argument("--rules", action="store_true", help="print the rules with their sources, as a table")
    facts = advise.add_argument_group("facts; ? or nothing is not known")
    for name, fact in FACTS.items():
        option = f"--{name.replace('_', '-')}"
        facts.add_argument(option, dest=name, metavar="VALUE", help=f"{fact.question} {fact.form}".replace("%", "%%"))


def _add_show(verbs: Any) -> None:
    examples = add_verb(
        verbs,
        "show",
        do.show,
        "rendered prompts, gold completions, tokens and rewards of a grid's examples",
        "show mine.yaml --examples 1",
    )
    examples.add_argument("grid", type=path, metavar="GRID.yaml", help="or a packaged grid's name, such as demo")
    examples.add_argument(
        "--examples", type=positive, default=3, metavar="N", help="of each task, model and prompt (default: 3)"
    )

"""Verbs about kept policies, and their options."""

import argparse
import json
from typing import Any

from rftlab.cli.arguments import Verb, add_verb, path, positive
from rftlab.errors import RftlabError
from rftlab.screen import say


def ask(options: argparse.Namespace) -> int:
    """Ask a kept policy beside its base."""
    from rftlab.policy.ask import ask

    say(ask(options.cell, options.question, results=options.results))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate a kept policy and its base."""
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
    say(found)
    if options.out:
        say(found.write(options.out))
    return 0


def model(options: argparse.Namespace) -> int:
    """Write a kept policy for transformers or PEFT."""
    from rftlab.policy.export import write_model

    say(write_model(options.cell, options.target, merge=options.merge, results=options.results))
    return 0


def add_kept(verbs: Any) -> None:
    """Add ask, evaluate and model."""

    def add(name: str, verb: Verb, help: str, example: str) -> argparse.ArgumentParser:
        parser = add_verb(verbs, name, verb, help, example)
        parser.add_argument("cell", metavar="CELL", help="a finished cell's folder, or the beginning of its id")
        parser.add_argument("--results", type=path, metavar="DIR", help="where the id is (default: results/*)")
        return parser

    asked = add("ask", ask, "ask a kept policy, beside its base", 'ask 3f2a "Tom has 3 pens and buys 4. How many?"')
    asked.add_argument("question", metavar="QUESTION")
    again = add(
        "evaluate",
        evaluate,
        "evaluate a kept policy and its base, on its own task or another",
        "evaluate 3f2a --task arithmetic/chain --items 100",
    )
    again.add_argument("--task", default="", metavar="FILE_OR_TASK", help="a data file, or a task's name")
    again.add_argument("--task-settings", default="", metavar="JSON", help="""such as '{"columns": {"prompt": "q"}}'""")
    again.add_argument("--verifier", default="", metavar="NAME", help="judge with this one, not with the task's own")
    again.add_argument("--items", type=positive, default=0, metavar="N", help="test items (default: as in the cell)")
    again.add_argument("--out", type=path, metavar="FILE", help="also write it as JSON")
    written = add("model", model, "write a kept policy as a folder for transformers or PEFT", "model 3f2a out --merge")
    written.add_argument("target", metavar="OUT", help="the new folder")
    written.add_argument("--merge", action="store_true", help="fold the adapter into its base: a whole model")

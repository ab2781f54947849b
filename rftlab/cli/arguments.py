"""What every verb's options are made with: a parser whose mistakes are one sentence, and kinds of values."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from rftlab.errors import printable
from rftlab.screen import complain

Verb = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Ends with one sentence on a mistake, which offers the nearest verb, option of the verb, or choice."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's, but what a verb does not know is said by that verb, with its own options."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Say it and exit with 2."""
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


def whole(text: str) -> int:
    """A whole number of at least 0, as `type=` of an option.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"give a whole number, not {text}")
    return int(text)


def positive(text: str) -> int:
    """A whole number of at least 1, as `type=` of an option.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = int(text) if re.fullmatch(r"\d{1,18}", text) else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"give a whole number of at least 1, not {text}")
    return value


def path(text: str) -> Path:
    """A path, as `type=` of an option; nothing would be the working folder.

    Raises:
        ArgumentTypeError: it is empty, or none that a file can have.
    """
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"give a path, not {text!r}")
    return Path(text)


def add_verb(verbs: Any, name: str, verb: Verb, help: str, example: str) -> Parser:
    """The parser of one verb; its help ends with an example."""
    parser: Parser = verbs.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=f"example: rftlab {example}"
    )
    parser.set_defaults(verb=verb)
    return parser

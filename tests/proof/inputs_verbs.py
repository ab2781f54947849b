"""Every verb with arguments that cannot be: missing, unknown, contradictory, of no value, of files that are none."""

import atexit
import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from rftlab.cell import Cell
from rftlab.execute.results import write_grid
from rftlab.files import archive
from rftlab.grid import Grid
from rftlab.record.exported import export
from tests import synthetic
from tests.proof.inputs_tried import MODEL_S, QUICK_S, Bad, Content

_GOOD = "method: base\nlabels: 0\n"
_DATA = "".join(json.dumps({"prompt": f"say {n}", "answer": str(n)}) + "\n" for n in range(40))
# Verbs that load a model, or may.
_A_CELL = (
    "study/cells/" + Cell.make({"task": "arithmetic/word", "method": "sft", "labels": 10, "cot": True, "seed": 0}).id
)
_SLOW = frozenset(
    {
        "ask",
        "evaluate",
        "model",
        "judge",
        "sense",
        "check-method",
        "plan",
        "check",
        "advise",
        "show",
        "run",
        "run-cell",
        "repeat",
        "pass-rates",
    }
)
_NAMED_ON_STDOUT = {"check": (1, 2), "check-method": (1, 2), "sense": (1, 2)}


@cache
def _study() -> Path:
    """A made-up study of six cells with its list, another one, and its archives; made once."""
    folder = Path(tempfile.mkdtemp(prefix="rftlab-proof-study-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, seeds in (("study", (0, 1)), ("other", (0,))):
        found = synthetic.write_grid(folder / name, cots=(True,), labels=(10,), seeds=seeds, items=8)
        write_grid(folder / name, Grid(name, tuple(each.parameters for each in found)))
    made = export(folder / "study", folder / f"a{archive.SUFFIX}")
    raw = made.read_bytes()
    made.with_name("cut.tar.xz").write_bytes(raw[: len(raw) // 2])
    half = len(raw) // 2
    made.with_name("changed.tar.xz").write_bytes(raw[:half] + bytes([raw[half] ^ 1]) + raw[half + 1 :])
    return folder


def study(name: str) -> Content:
    """One of those, as a file or folder of a case."""

    def copy(path: Path) -> None:
        source = _study() / name
        if source.is_dir():
            shutil.copytree(source, path)
        else:
            shutil.copyfile(source, path)

    return copy


def _files() -> dict[str, Content]:
    plain: dict[str, Content] = {
        "g.yaml": _GOOD,
        "d.jsonl": _DATA,
        "empty": lambda path: path.mkdir(),
        "c.json": json.dumps({"method": "base", "labels": 0}),
        "m.py": "x = 1\n",
        "full/00_start_here.ipynb": "mine",
        "prices.yaml": "label: 2\n",
        "wrong.yaml": "labl: 2\n",
        "negative.yaml": "label: -2\n",
        "huge.yaml": "label: 1e300\n",
    }
    return plain | {name: study(name) for name in ("study", "other", "a.tar.xz", "cut.tar.xz", "changed.tar.xz")}


def _verbs() -> Iterator[Bad]:
    """The lines of `inputs_verbs.txt` that begin with a dollar, and one that no file of text can hold."""
    files = _files()
    texts = (Path(__file__).parent / "inputs_verbs.txt").read_text(encoding="utf-8").splitlines()
    for line in [*(text[2:] for text in texts if text.startswith("$")), "tasks \udce9"]:
        words = tuple(shlex.split(line))
        verb = words[0] if words else ""
        arguments = tuple(_A_CELL if word == "CELL" else word for word in words)
        needed = {name: made for name, made in files.items() if _names(arguments[1:], name)}
        limit = MODEL_S if verb in _SLOW else QUICK_S
        yield Bad(line or "nothing", arguments, needed, "", _NAMED_ON_STDOUT.get(verb, (2,)), limit)


def _names(arguments: tuple[str, ...], file: str) -> bool:
    """Whether arguments speak of a file, or of one in a folder."""
    return any(file.partition("/")[0] in re.split("[/=:]", word) for word in arguments)


Damage = Callable[[Path], object]


def _every(name: str, content: str | bytes) -> Damage:
    def change(folder: Path) -> None:
        for path in folder.glob(f"cells/*/{name}"):
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def _newer(folder: Path) -> None:
    for path in folder.glob("cells/*/record.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))


_DAMAGES: dict[str, Damage] = {
    "records of nothing": _every("record.json", ""),
    "records of null": _every("record.json", "null"),
    "records of a list": _every("record.json", "[1]"),
    "records cut off": _every("record.json", '{"cell": {'),
    "records of bytes": _every("record.json", b"\xff\x00\xfe"),
    "deep records": _every("record.json", "[" * 100_000),
    "records of a newer rftlab": _newer,
    "samples of nothing": _every("samples.jsonl", ""),
    "samples of null": _every("samples.jsonl", "null\n"),
    "traces of text": _every("trace.jsonl", "hello\n"),
    "no cells": lambda folder: shutil.rmtree(folder / "cells"),
    "cells that are a file": lambda f: (shutil.rmtree(f / "cells"), (f / "cells").write_text("x")),
    "a list of cells that is null": lambda folder: (folder / "grid.json").write_text("null"),
    "a list of cells cut off": lambda folder: (folder / "grid.json").write_text('{"name"'),
    "a list of no cells": lambda folder: (folder / "grid.json").write_text("{}"),
    "a list that is a folder": lambda f: ((f / "grid.json").unlink(), (f / "grid.json").mkdir()),
}
_READERS = (
    "report study",
    "claims study",
    "export study -o x.tar.xz",
    "roi study prices.yaml",
    "plan study",
    "judge study",
    "ask CELL why",
    "evaluate CELL",
    "model CELL out",
)


def _damaged() -> Iterator[Bad]:
    """Every verb that reads results, where all of them are damaged."""
    for number, (what, damage) in enumerate(_DAMAGES.items()):

        def made(path: Path, damage: Damage = damage) -> None:
            shutil.copytree(_study() / "study", path)
            damage(path)

        for line in _READERS[number % 3 :: 3]:
            arguments = tuple(shlex.split(line.replace("CELL", _A_CELL)))
            files: dict[str, Content] = {"study": made, "prices.yaml": "label: 2\n"}
            yield Bad(f"{arguments[0]} of {what}", arguments, files, "study|cell", seconds=MODEL_S)


VERBS = [*_verbs()]
DAMAGED = [*_damaged()]

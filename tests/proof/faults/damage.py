"""Files of a results folder cut, emptied, foreign, of an older or newer rftlab: told, kept, never written over."""

import contextlib
import io
import json
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rftlab import cli
from tests.proof.faults.driven import Place, apart, in_peace, place
from tests.proof.faults.pages import made_up
from tests.proof.proof import Case

Damage = Callable[[bytes, random.Random], bytes]
_NEWER = 99


def _as_newer(content: bytes, _: random.Random) -> bytes:
    def newer(body: dict[str, Any]) -> dict[str, Any]:
        cells = [{**cell, "of_the_future": 1} for cell in body.get("cells", ())]
        return {**body, "schema": _NEWER, "of_the_future": [{}], **({"cells": cells} if cells else {})}

    return _changed(content, newer)


def _as_older(content: bytes, _: random.Random) -> bytes:
    """As before records had checksums, and lists of cells a plan and ids."""
    gone = ("digest", "files", "contract_hash", "plan", "plan_now", "ids")
    return _changed(content, lambda body: {n: v for n, v in body.items() if n not in gone} | {"schema": 1})


def _changed(content: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    try:
        return "\n".join(json.dumps(change(json.loads(text))) for text in _values(content)).encode()
    except ValueError:  # no JSON
        return content + b"\nof_the_future: 1\n"


def _values(content: bytes) -> list[str]:
    """A file's JSON values: one, or one a line."""
    text = content.decode()
    return [text] if text.startswith("{\n") else text.splitlines()


DAMAGES: dict[str, Damage] = {
    "emptied": lambda content, chance: b"",
    "cut": lambda content, chance: content[: chance.randrange(1, max(2, len(content)))],
    "null": lambda content, chance: b"null\n",
    "a list": lambda content, chance: b"[1, []]\n",
    "bytes": lambda content, chance: chance.randbytes(300),
    "of an older rftlab": _as_older,
    "of a newer rftlab": _as_newer,
}
_OF_CELLS = ("record.json", "trace.jsonl", "samples.jsonl", "notebook.ipynb")
_OF_STUDY = ("grid.json", "grid.yaml", "failed/0123456789ab/error.txt")


def run_again(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """A run goes on over a damaged file: what was in it is kept and named, and the cell is run again."""
    peace, _ = in_peace("cold", count=2, seconds=0.0)
    base = folder / "base"
    with place(folder, count=2, seconds=0.0) as here:
        here.ended(here.drive("cold"))
        here.results.rename(base)
    cases = [(name, damage) for name in (*_OF_CELLS, "grid.json") for damage in DAMAGES]
    chance.shuffle(cases)
    for name, damage in sorted(cases[:count]):
        with place(folder, count=2, seconds=0.0) as here:
            shutil.copytree(base, here.results)
            within = here.results / "cells" / min(peace) if name in _OF_CELLS else here.results
            before = (within / name).read_bytes()
            hurt = DAMAGES[damage](before, chance)
            (within / name).write_bytes(hurt)
            yield f"{name} {damage}", _gone_on(here, within / name, hurt, damage)


def _gone_on(here: Place, path: Path, hurt: bytes, damage: str) -> str:
    peace, _ = in_peace("cold", count=2, seconds=0.0)
    code, said = here.ended(here.drive("cold"))
    if code:
        return f"ended with {code}: {said[-200:]}"
    stays = path.read_bytes() == hurt
    rewritten = path.name == "grid.json" and damage == "of an older rftlab"  # read, and written as it is today
    if not (rewritten or any(each.read_bytes() == hurt for each in here.results.rglob("*") if each.is_file())):
        return f"what {path.name} held is lost"
    if not (stays or rewritten or "set aside as" in said):
        return f"says nothing of {path.name}: {said[-200:]}"
    if path.name == "record.json" and stays:  # an older one is read as it is
        return "" if damage == "of an older rftlab" else "counts as a record"
    return apart(here.records(), peace) or here.left()


def read(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """What reads a study says a sentence of a damaged file, or does without, and changes nothing."""
    base = made_up(folder)
    cases = [(name, damage) for name in (*_OF_CELLS[:3], *_OF_STUDY) for damage in DAMAGES]
    chance.shuffle(cases)
    for number, (name, damage) in enumerate(sorted(cases[:count])):
        results = folder / "hurt" / "study"
        shutil.copytree(base, results)
        within = min((results / "cells").iterdir()) if name in _OF_CELLS else results
        hurt = DAMAGES[damage]((within / name).read_bytes() if "error" not in name else b"an error\n", chance)
        (within / name).parent.mkdir(parents=True, exist_ok=True)
        (within / name).write_bytes(hurt)
        verbs = [["status", "--verify"], ["claims"], ["export", "-o", str(folder / "hurt" / "s.tar.xz")], ["forget"]]
        verbs += [["report"]] if number % 5 == 0 else []
        problems = filter(None, (_read_by(verb, results, within / name, hurt) for verb in verbs))
        yield f"{name} {damage}", "; ".join(problems)
        shutil.rmtree(folder / "hurt")


def _read_by(verb: list[str], results: Path, path: Path, hurt: bytes) -> str:
    """What is wrong with how a verb takes a damaged file; "" if it takes it well."""
    name, *options = verb
    target = [str(results / "cells" / "nothing")] if name == "forget" else [str(results), *options]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
            code = cli.main([name, *target])
    except Exception as error:
        return f"{name} raised {type(error).__name__}: {error}"
    if "unexpected " in said.getvalue() or "Traceback" in said.getvalue():
        return f"{name} said: {said.getvalue().strip()[-200:]}"
    if code not in (0, 2):
        return f"{name} ended with {code}"
    return "" if path.read_bytes() == hurt else f"{name} changed {path.name}"

"""Every verb with arguments that cannot be: missing, unknown, contradictory, of no value, of files that are none."""

import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from rftlab.execute.results import write_grid
from rftlab.files import archive
from rftlab.grid import Grid
from rftlab.record.exported import export
from tests import synthetic
from tests.proof.inputs_tried import MODEL_S, Bad, Content

_GOOD = "method: base\nlabels: 0\n"
_DATA = "".join(json.dumps({"prompt": f"say {n}", "answer": str(n)}) + "\n" for n in range(40))
# Verb -> what cannot follow it, a command line each; those that only parse and files on disk decide.
_LINES: dict[str, tuple[str, ...]] = {
    "": ("", "--debg", "rnu g.yaml", "RUN g.yaml", "--version=3", "-x", "'' g.yaml", "run run run"),
    "run": (
        "", "g.yaml none.yaml", "g.yaml --workers 0", "g.yaml --workers -1", "g.yaml --workers two", "g.yaml --workers 1.5", "g.yaml --workers 99999999999999999999", "g.yaml --keep some",
        "g.yaml --report-to wandb", "g.yaml --report-to ,", "g.yaml --until tired", "g.yaml --kernel lukewarm", "g.yaml --executor cloud", "g.yaml --executor ''", "g.yaml --cpus 2", "g.yaml --gpus 1", "g.yaml --gather", "g.yaml --address here",
        "g.yaml --option memory", "g.yaml --option a=1", "g.yaml --timeout 0", "g.yaml --timeout soon", "g.yaml --checkpoint -1", "g.yaml --checkpoint x", "g.yaml --check-timeout 0", "g.yaml --dryrun", "g.yaml --rerun 123456 --dry-run",
        "g.yaml --executor ray --gpus 1.5", "g.yaml --executor ray --cpus 0", "g.yaml --executor ray --cpus many", "g.yaml --executor slurm --option =", "g.yaml --results ''", "g.yaml --results g.yaml", "g.yaml --until decided --dry-run",
    ),
    "plan": ("", "none.yaml", "none", "g.yaml --workers 0", "g.yaml --detect x", "g.yaml --detect -5", "g.yaml --detect 0", "g.yaml --detect 200", "g.yaml --detect nan", "g.yaml --price machine_hour", "g.yaml --price machine_hour=x", "g.yaml --price machine_hour=-1", "g.yaml --price hour=2",
             "g.yaml --price machine_hour=1 machine_hour=2", "g.yaml --prices none.yaml", "g.yaml --known none", "d.jsonl", ".", "g.yaml --prices g.yaml", "g.yaml --price machine_hour=nan", "g.yaml --price machine_hour=1e999"),
    "status": ("", "none", "g.yaml", "empty", "d.jsonl", "study extra", "study --verfy", "''"),
    "forget": ("", "7", "123456", "none/cells/123456789abc", "000000000000 --results none", "../study", "study", "'' --results study", "'*' --results study", "g.yaml", "zzzzzz --results study"),
    "report": ("", "none", "empty", "g.yaml", "study study", "study other -o study", "study -o out --waive nothing", "study --prices none.yaml", "study --prices g.yaml", "study empty -o out", "study none -o out", "none none -o out", "study -o g.yaml", "study other -o none/deep/out/../../../g.yaml"),
    "claims": ("", "none", "empty", "study --claim 0", "study --claim 14", "study --claim one", "study --claim 1.5", "study --claim 99999999999", "g.yaml", "study study"),
    "judge": ("", "none", "empty", "study --judge me", "study --judge ftp://x/v1", "study --judge http:// --model x", "study --between sft", "study --between a:b", "study --between sft:sft", "study --between :", "study --between sft:base:grpo", "study --items -1", "study --items x", "study --seed x",
              "study --pairs-file none.jsonl", "study --judge http://localhost:1/v1", "study --judge http://localhost:1/v1 --model x --seconds 0", "study --seconds 3", "study --criterion x", "study --judge http://localhost:1/v1 --model x --key-variable NOT_SET_AT_ALL", "study --judge http://localhost:1/v1 --model x --pairs-file d.jsonl"),
    "export": ("", "none", "empty", "study -o none/deep/a.tar.xz", "study -o d.jsonl", "study -o .", "study --completions -1", "study --completions few", "study study", "g.yaml", "study --policy"),
    "import": ("", "none.tar.xz", "d.jsonl", "g.yaml", "empty", "a.tar.xz study", "a.tar.xz g.yaml", "cut.tar.xz new", "changed.tar.xz new", "a.tar.xz new extra", "a.tar.xz none/../study", "a.tar.xz d.jsonl/deep"),
    "ask": ("", "7", "7 why", "000000 why", "none/cells/000000000000 why", "000000 why --results none", "study why", "g.yaml why", "'' why", "000000 why because", "STUDY why", "STUDY ''"),
    "evaluate": ("", "7", "000000", "000000 --results none", "STUDY", "STUDY --task-settings x", "STUDY --task-settings [1]", "STUDY --task none.jsonl", "STUDY --items 0", "STUDY --items x", "STUDY --task arithmetic/wrod", "STUDY --verifier exactly", "STUDY --out none/deep/o.json", "study"),
    "model": ("", "7 out", "000000 out", "STUDY out", "000000 out --results none", "STUDY study", "STUDY g.yaml", "study out", "000000", "STUDY out --merg"),
    "tasks": ("wrod", "arithmetic/wrod", "gym/no_such_game", "mine.py:load", "''", "word extra", "../x", "m.py:gone", "gym", "a/b/c", "x.y:z", "\udce9"),
    "methods": ("gpro", "mine.py:Mine", "''", "sft extra", "m.py:gone", "sft/x", "--all"), "verifiers": ("extact", "v.py:score", "''", "exact extra", "m.py:gone", "exact/x", "--all"),
    "check": ("", "none.yaml", "none.jsonl", "wrod", "d.jsonl --verifier exactly", "d.jsonl --columns prompt", "d.jsonl --columns prompt=", "d.jsonl --columns =prompt", "d.jsonl --columns prompt=a prompt=b", "d.jsonl --columns question=prompt", "d.jsonl --test none.jsonl",
              "d.jsonl --settings x", "d.jsonl --settings shuffle=false", "d.jsonl --settings test_path=x --test d.jsonl", "d.jsonl --verifier-settings x", "d.jsonl --verifier-settings tolerance=0.1", "d.jsonl --label 0", "d.jsonl --label few", "d.jsonl --marks m.jsonl", "d.jsonl --seed 1",
              "d.jsonl --completions none", "d.jsonl --label 3 --completions none.jsonl", "d.jsonl --label 3 --completions empty", "g.yaml --verifier exact", "g.yaml --columns prompt=a", "g.yaml --settings a=1", "g.yaml --test d.jsonl", "d.jsonl d.jsonl", "d.jsonl --label 3 --marks d.jsonl", "d.jsonl --check-timeout 0", "''", "."),
    "check-method": ("", "gpro", "none.py:Mine", "m.py", "m.py:gone", "sft --preset none", "sft --settings x", "sft --settings betta=1", "sft --settings weight_decay=x", "sft extra", "''", "d.jsonl:Mine"),
    "new": ("", "none.jsonl", "d.jsonl -o g.yaml", "d.jsonl -o none/deep/x.yaml", "d.jsonl --columns x", "d.jsonl --columns prompt=gone", "d.jsonl --verifier exactly", "d.jsonl --test none.jsonl", "g.yaml", "d.jsonl -o .", "''", "d.jsonl --model ''x", "d.jsonl extra", "empty", "d.jsonl --columns question=prompt", "d.jsonl -o x"),
    "sense": ("", "none.yaml", "none.jsonl", "wrod", "arithmetic/word --items 0", "arithmetic/word --sampled -1", "arithmetic/word --labels 0", "arithmetic/word --cot maybe", "arithmetic/word --model ./none", "arithmetic/word -o g.yaml", "arithmetic/word -o none/deep/x.yaml", "arithmetic/word --results none", "arithmetic/word --steps x", "d.jsonl --model ./none", "arithmetic/word --folder g.yaml"),
    "advise": ("", "none.jsonl", "wrod", "--labels many", "--labels -1", "--labels 1.5", "--clean perhaps", "--verifier me", "--base-accuracy 2", "--base-accuracy x", "--json none.json", "--json g.yaml", "--json d.jsonl", "--results none", "--hardware toaster", "--hardware '0 GB'", "--hardware '-1 x l4'", "--hardware ''", "--model ./none", "-o g.yaml", "--labels 5 -o none/deep/x.yaml",
               "--rules -o x.yaml", "--rules arithmetic/word", "--task x", "--labels 5 --labels", "empty", "--prompts 99999999999999999999", "--labels 5 --hardware 'NaN GB'", "g.yaml extra"),
    "show": ("", "none.yaml", "wrod", "d.jsonl", "g.yaml --examples 0", "g.yaml --examples x", "g.yaml --example 1 extra", "empty", "study"),
    "roi": ("", "none", "none prices.yaml", "study", "study none.yaml", "study g.yaml", "study other", "g.yaml", "study prices.yaml prices.yaml", "empty prices.yaml", "--exampl", "prices.yaml extra.yaml", "study wrong.yaml", "study negative.yaml", "study huge.yaml"),
    "notebooks": ("", "g.yaml", "d.jsonl/deep", "a b", "full"), "parameters": ("x", "--all"), "run-cell": ("", "c.json", "none.json out", "c.json out --threads 0", "c.json out --timeout x", "g.yaml out", "c.json out extra", "c.json out --checkpoint -3", "d.jsonl out"),
    "fetch": ("smollm3", "''", "../x", "smollm2 extra", "--all", "gpt2"),
}  # fmt: skip
# Lines above that a person may give, with what they are for: nothing is wrong with them in the folder that is there.
_SLOW = frozenset(
    {"ask", "evaluate", "model", "judge", "sense", "check-method", "plan", "check", "advise", "show", "run", "run-cell"}
)
_NAMED_ON_STDOUT = {"check": (1, 2), "check-method": (1, 2), "sense": (1, 2)}


@cache
def _study() -> Path:
    """A made-up study of six cells with its list, another one, and its archives; made once."""
    folder = Path(tempfile.mkdtemp(prefix="rftlab-proof-study-"))
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
        "g.yaml": _GOOD, "d.jsonl": _DATA, "empty": lambda path: path.mkdir(), "c.json": json.dumps({"method": "base", "labels": 0}),
        "m.py": "x = 1\n", "full/00_start_here.ipynb": "mine", "prices.yaml": "label: 2\n", "wrong.yaml": "labl: 2\n", "negative.yaml": "label: -2\n",
        "huge.yaml": "label: 1e300\n",
    }  # fmt: skip
    return plain | {name: study(name) for name in ("study", "other", "a.tar.xz", "cut.tar.xz", "changed.tar.xz")}


def _verbs() -> Iterator[Bad]:
    files = _files()
    for verb, lines in _LINES.items():
        for line in lines:
            cell = "study/cells/" + _a_cell() if "STUDY" in line else ""
            arguments = tuple(shlex.split(line.replace("STUDY", cell)))
            needed = {
                name: made
                for name, made in files.items()
                if name.partition("/")[0].partition(".")[0] in line or name in line or (name == "study" and cell)
            }
            limit = MODEL_S if verb in _SLOW else 5.0
            yield Bad(f"{verb} {line}".strip() or "nothing", (*filter(None, [verb]), *arguments), needed, "",
                      _NAMED_ON_STDOUT.get(verb, (2,)), limit)  # fmt: skip


def _a_cell() -> str:
    """The id of a cell of the made-up study: of SFT, and without a policy."""
    return synthetic_id({"task": "arithmetic/word", "method": "sft", "labels": 10, "cot": True, "seed": 0})


def synthetic_id(values: dict[str, object]) -> str:
    """The id of a made-up cell."""
    from rftlab.cell import Cell

    return Cell.make(values).id


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
    "records of nothing": _every("record.json", ""), "records of null": _every("record.json", "null"), "records of a list": _every("record.json", "[1]"), "records cut off": _every("record.json", '{"cell": {'),
    "records of bytes": _every("record.json", b"\xff\x00\xfe"), "deep records": _every("record.json", "[" * 100_000), "records of a newer rftlab": _newer, "samples of nothing": _every("samples.jsonl", ""),
    "samples of null": _every("samples.jsonl", "null\n"), "traces of text": _every("trace.jsonl", "hello\n"), "no cells": lambda folder: shutil.rmtree(folder / "cells"), "cells that are a file": lambda f: (shutil.rmtree(f / "cells"), (f / "cells").write_text("x")),
    "a list of cells that is null": lambda folder: (folder / "grid.json").write_text("null"), "a list of cells cut off": lambda folder: (folder / "grid.json").write_text('{"name"'), "a list of no cells": lambda folder: (folder / "grid.json").write_text("{}"),
    "a list that is a folder": lambda f: ((f / "grid.json").unlink(), (f / "grid.json").mkdir()),
}  # fmt: skip
_READERS = (
    "report study",
    "claims study",
    "export study -o x.tar.xz",
    "roi study prices.yaml",
    "plan study",
    "judge study",
    "ask STUDY why",
    "evaluate STUDY",
    "model STUDY out",
)


def _damaged() -> Iterator[Bad]:
    """Every verb that reads results, where all of them are damaged."""
    for number, (what, damage) in enumerate(_DAMAGES.items()):

        def made(path: Path, damage: Damage = damage) -> None:
            shutil.copytree(_study() / "study", path)
            damage(path)

        for line in _READERS[number % 3 :: 3]:
            arguments = tuple(shlex.split(line.replace("STUDY", "study/cells/" + _a_cell())))
            files: dict[str, Content] = {"study": made, "prices.yaml": "label: 2\n"}
            yield Bad(f"{arguments[0]} of {what}", arguments, files, r"study", seconds=MODEL_S)


VERBS = [*_verbs()]
DAMAGED = [*_damaged()]

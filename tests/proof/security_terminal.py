"""Hostile texts on a terminal and in a notebook's parameters: nothing reaches a terminal that it would act on."""

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import papermill.parameterize
from papermill.iorw import load_notebook_node

from rftlab import record
from rftlab.cell import Cell
from rftlab.execute.one_cell import parameters_of
from rftlab.files.paths import notebooks_dir
from tests.proof.inputs_tried import MODEL_S, Bad, Content, Ended, forked, put
from tests.proof.proof import Case
from tests.proof.security_pages import chosen, hostile_study

_VERIFIER = """from pathlib import Path

def score(answer, example):
    raise ValueError((Path(__file__).parent / 'text').read_bytes().decode('utf-8', 'surrogatepass'))
"""


def printed(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Every verb that prints texts, given a text in each place; a case is a verb and a text."""
    for number, (what, text) in enumerate(chosen(count, chance).items()):
        for place, (bad, within) in enumerate(_said(text)):
            work, beside = folder / f"{number}-{place}" / "work", folder / f"{number}-{place}" / "beside"
            (beside / "tmp").mkdir(parents=True)
            work.mkdir()
            for name, content in bad.files.items():
                put(work / name, content)
            ended = forked(bad, work, beside)
            yield f"{what}, {bad.what}", _acts(ended) or _shows_nothing(ended, within)


def _acts(ended: Ended) -> str:
    """The first character printed that a terminal acts on."""
    for said in (ended.out, ended.err):
        if "Traceback" in said:
            return f"a traceback: {ended.err.strip().splitlines()[-1][:200]}"
        for line in said.split("\n"):
            if not line.isprintable():
                wrong = next(character for character in line if not character.isprintable())
                return f"prints {wrong!a} in {line[:120]!a}"
    return "" if ended.code is not None else "it did not end"


def _shows_nothing(ended: Ended, within: str) -> str:
    return "" if within in ended.out + ended.err else f"does not say {within!r}: {(ended.err or ended.out)[-200:]!a}"


def _said(text: str) -> Iterator[tuple[Bad, str]]:
    stored = text.encode("utf-8", "backslashreplace").decode().replace("\0", "")
    rows = "".join(json.dumps({"prompt": f"{stored} {n}", "answer": f"{stored} {n}"}) + "\n" for n in range(30))
    name = f"{stored.replace('/', '').strip('.')[:40] or 'x'}.jsonl"
    completions = "".join(json.dumps({"prompt": f"{stored} {n}".strip(), "completion": text}) + "\n" for n in range(30))

    def study(path: Path) -> None:
        hostile_study(path, text)
        for cell in sorted((path / "cells").iterdir())[:1]:
            failed = path / "failed" / cell.name
            failed.mkdir(parents=True)
            (failed / "error.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
            body = json.loads((cell / record.RECORD).read_text())
            (failed / "cell.json").write_text(json.dumps(body["cell"]))
            (cell / record.RECORD).write_text("null")

    grid = "task: file\nmethod: grpo\nlabels: 5\nevaluation.along_items: 4\ntask_settings: {path: d.jsonl}\n"
    data: dict[str, Content] = {"d.jsonl": rows, "g.yaml": grid}
    of_study: dict[str, Content] = {"study": study}
    yield Bad("show", ("show", "g.yaml", "--examples", "1"), data, seconds=MODEL_S), "prompt"
    yield Bad("check", ("check", "d.jsonl"), data, seconds=MODEL_S), "d with verifier"
    yield (
        Bad(
            "check --label",
            ("check", "d.jsonl", "--label", "1", "--completions", "c.jsonl"),
            {**data, "c.jsonl": completions},
            seconds=MODEL_S,
        ),
        "",
    )
    yield Bad("a file's name", ("check", name), {name: rows}, seconds=MODEL_S), ""
    yield Bad("a file that is not there", ("run", f"{stored[:200]}.yaml"), {}, seconds=MODEL_S), "rftlab: "
    yield (
        Bad(
            "a verifier's error",
            ("check", "d.jsonl", "--verifier", "v.py:score"),
            {**data, "v.py": _VERIFIER, "text": text},
            seconds=MODEL_S,
        ),
        "v.py",
    )
    for verb in (
        ("status", "study"),
        ("status", "study", "--verify"),
        ("claims", "study"),
        ("report", "study"),
        ("export", "study"),
        ("roi", "study", "p.yaml"),
        ("plan", "study", "--no-measuring"),
    ):
        yield Bad(" ".join(verb), verb, {**of_study, "p.yaml": "label: 2\n"}, seconds=MODEL_S), ""


def parameters(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """A text as a parameter of a notebook: papermill writes a literal, which is that text and runs nothing."""
    notebooks = {name: load_notebook_node(str(notebooks_dir() / f"{name}.ipynb")) for name in ("10_sft", "20_rft")}
    for what, raw in chosen(count, chance).items():
        text = raw.encode("utf-8", "backslashreplace").decode()  # no cell takes half a character
        settings = {"path": text, text[:50] or "x": [text]}
        cell = Cell.make(
            {"system": text, "task": text or "x", "task_settings": settings, "preset": text, "model": text or "x"}
        )
        short = ""
        for name, notebook in notebooks.items():
            given = {**parameters_of(cell, notebooks_dir() / f"{name}.ipynb"), "extra": raw}
            source = papermill.parameterize.parameterize_notebook(notebook, given).cells
            (injected,) = [each.source for each in source if "injected-parameters" in each.metadata.get("tags", [])]
            found = _literals(injected)
            wrong = [key for key, value in given.items() if found.get(key, value) != value or key not in found]
            short = short or (f"{wrong[0]} became {str(found.get(wrong[0]))[:100]!a}" if wrong else "")
            short = short or _comes_back(cell, found)
        yield what, short


def _literals(source: str) -> dict[str, Any]:
    """The values of a cell that consists of assignments of literals alone."""
    found = {}
    for node in ast.parse(io.StringIO(source).read()).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            return {"not an assignment": ast.unparse(node)}
        found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def _comes_back(cell: Cell, found: dict[str, Any]) -> str:
    again = Cell.from_parameters({name: value for name, value in found.items() if name not in ("extra", "out")})
    return "" if again.id == cell.id else f"the cell is another one: {again.system[:80]!a}"

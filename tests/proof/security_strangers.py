"""Results and archives of a stranger are data: opening, loading, reporting and importing them runs nothing."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from rftlab.policy.weights import MANIFEST, files_of
from rftlab.record.exported import export
from tests import synthetic
from tests.proof.proof import Case

# Whatever executes a file of these makes a file in the folder that the environment names.
_CODE = """
import os, pathlib, sys
pathlib.Path(os.environ["RFTLAB_CANARY"], __file__.replace("/", "_") if "__file__" in globals() else "nowhere").touch()
def load(**_): raise SystemExit(0)
def score(answer, example): return 1.0
class Mine: pass
"""


class _Runs:
    """Opened as a pickle it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (_CODE.replace("__file__", "'pickle'"),)


def _study(folder: Path, plant: Callable[[Path], object]) -> Path:
    """A made-up study whose cells name task, verifier and method of the stranger's, which lie beside the records."""
    results, code = folder / "study", folder / "study" / "evil.py"
    made = []
    for method in ("base", "sft", f"{code}:Mine"):
        for seed in (0, 1):
            cell = {
                "method": method,
                "seed": seed,
                "labels": 0 if method == "base" else 10,
                "cot": True,
                "task": f"{code}:load",
                "verifier": f"{code}:score",
                "model": str(results / "model"),
                "settings": {"pairs_file": str(results / "x.pkl")},
                "evaluation": {"verifier": f"{code}:score", "retention": f"{code}:load"},
            }
            made.append(synthetic.write_cell(results, cell, items=6))
    write_grid(results, Grid("study", tuple(each.parameters for each in made)))
    for place in (results, results / "cells", *(results / "cells").iterdir()):
        for name in (
            "evil.py",
            "sitecustomize.py",
            "usercustomize.py",
            "conftest.py",
            "rftlab.py",
            "torch.py",
            "matplotlib.py",
            "numpy.py",
            "json.py",
            "setup.py",
            "ipython_config.py",
            "jupyter_server_config.py",
        ):
            (place / name).write_text(_CODE)
    plant(results)
    return results


def _cells(results: Path) -> list[Path]:
    return [path.parent for path in sorted((results / "cells").glob("*/record.json"))]


def _nothing(_: Path) -> None:
    pass


def _policy(results: Path) -> None:
    """Kept policies that are pickles, with a manifest that vouches for them."""
    for folder in _cells(results):
        body = json.loads((folder / "record.json").read_text())
        policy = folder / "policy"
        policy.mkdir()
        (policy / "adapter_model.bin").write_bytes(pickle.dumps(_Runs()))
        (policy / "adapter_config.json").write_text(
            json.dumps({"peft_type": "LORA", "r": 16, "lora_alpha": 32, "auto_mapping": {"parent_library": "evil"}})
        )
        manifest = {
            "cell": body["id"],
            "model": "tiny-base",
            "identity": {},
            "adapter": body["cell"]["adapter"],
            "dtype": "float32",
            "device": "cpu",
            "keep": "all",
            "max_new_tokens": 10,
            "parent": "",
            "files": files_of(policy),
        }
        (policy / MANIFEST).write_text(json.dumps(manifest))


def _model(results: Path) -> None:
    """A model that would be loaded by its own code."""
    model = results / "model"
    model.mkdir()
    (model / "config.json").write_text(
        json.dumps({"model_type": "own", "auto_map": {"AutoConfig": "evil.Mine", "AutoModelForCausalLM": "evil.Mine"}})
    )
    (model / "evil.py").write_text(_CODE)
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(_Runs()))


def _notebooks(results: Path) -> None:
    """Notebooks with code, as the run would have left them."""
    cell = {
        "cell_type": "code",
        "source": _CODE,
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "execution_count": 1,
    }
    text = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    for folder in (_cells(results), [results / "report"]):
        for place in folder:
            place.mkdir(exist_ok=True)
            for name in ("notebook.ipynb", "report.ipynb"):
                (place / name).write_text(text)


def _pickles(results: Path) -> None:
    """Pickles where something is kept between runs."""
    for name in (
        "shared/x.pt",
        "shared/checkpoints/x.pt",
        "x.pkl",
        "cells/x.pkl",
        "shared/base.pkl",
        "tuning.json",
        ".cache/x.pickle",
    ):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(pickle.dumps(_Runs()))


def _figures(results: Path) -> None:
    """A file by which matplotlib is told what to load, where somebody stands in the folder."""
    (results / "matplotlibrc").write_text(
        "backend: module://evil\ntext.usetex: True\ntext.latex.preamble: \\write18{touch hacked}\n"
    )
    (results / "stylelib").mkdir()


def _yaml(results: Path) -> None:
    """YAML that makes objects."""
    for name in ("grid.yaml", "prices.yaml"):
        (results / name).write_text(
            "label: !!python/object/apply:os.mkdir [hacked]\nname: !!python/object/apply:os.mkdir [hacked]\n"
        )


def _page(results: Path) -> None:
    """A page with a template of the stranger's."""
    (results / "report").mkdir(exist_ok=True)
    for name in ("report.html", "report.html.j2", "page.css"):
        (results / "report" / name).write_text("{{ cycler.__init__.__globals__.os.mkdir('hacked') }}<script>1</script>")


_PLANTS: Mapping[str, Callable[[Path], object]] = {
    "code beside the records": _nothing,
    "policies that are pickles": _policy,
    "a model with code": _model,
    "notebooks": _notebooks,
    "pickles in caches": _pickles,
    "settings of matplotlib": _figures,
    "YAML with objects": _yaml,
    "a page": _page,
}
_READ = {
    "load": ("-c", "import rftlab; rftlab.load('{0}')"),
    "load in the folder": ("-P", "-c", "import rftlab; rftlab.load('.')"),
    "status": ("-m", "rftlab", "status", "{0}", "--verify"),
    "report": ("-m", "rftlab", "report", "{0}"),
    "report in the folder": ("{bin}/rftlab", "report", "."),
    "claims": ("-m", "rftlab", "claims", "{0}"),
    "export": ("-m", "rftlab", "export", "{0}", "-o", "x.tar.xz", "--policies"),
    "roi": ("-m", "rftlab", "roi", "{0}", "{prices}"),
    "plan": ("-m", "rftlab", "plan", "{0}", "--no-measuring"),
    "join": ("-m", "rftlab", "report", "{0}", "{1}", "-o", "joined"),
    "import": ("-m", "rftlab", "import", "{archive}", "new"),
    "report of an archive": ("-m", "rftlab", "report", "{archive}"),
    "forget": ("-m", "rftlab", "forget", "{cell}"),
    "ask": ("-m", "rftlab", "ask", "{cell}", "why"),
    "model": ("-m", "rftlab", "model", "{cell}", "out"),
    "the studio's view": ("-c", "from rftlab.interactive.study_view import study_view; study_view('{0}')"),
    "compare": ("-c", "import rftlab; rftlab.compare('{0}')"),
}


def opened(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Each thing planted, read in each way, in a process of its own as a person starts it."""
    cases = [(plant, way) for plant in _PLANTS for way in _READ]
    yield "what is planted, where it is run", "" if _seen_where_it_runs(folder / "control") else "it is not seen"
    for number in sorted(chance.sample(range(len(cases)), min(count - 1, len(cases)))):
        plant, way = cases[number]
        place = folder / str(number)
        place.mkdir()
        yield f"{way}: {plant}", _tried(place, _PLANTS[plant], _READ[way], way)


def _tried(place: Path, plant: Callable[[Path], object], command: tuple[str, ...], way: str) -> str:
    results = _study(place, plant)
    canary = place / "canary"
    canary.mkdir()
    shutil.copytree(results, place / "second")
    (place / "fair.yaml").write_text("label: 2\n")
    words = {
        "prices": place / "fair.yaml",
        "cell": next((results / "cells").glob("*/record.json")).parent,
        "bin": Path(sys.executable).parent,
    }
    if "archive" in " ".join(command):
        try:
            words["archive"] = export(results, place / "a.tar.xz", policies=True)
        except ValueError as error:
            return "" if not list(canary.iterdir()) else str(error)
    said = [word.format(str(results), str(place / "second"), **words) for word in command]
    line = [sys.executable, *said] if said[0].startswith("-") else said
    within = results if "in the folder" in way else place
    # What Python itself runs at its start is that of the folder `-m` is started in: a person stands elsewhere.
    environment = {
        **os.environ,
        "RFTLAB_CANARY": str(canary),
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        line,
        cwd=within,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    if ran := sorted(path.name for path in canary.iterdir()):
        return f"it ran: {ran[0]}"
    if hacked := list(place.rglob("hacked")):
        return f"it made {hacked[0].relative_to(place)}"
    if "Traceback" in done.stderr and way not in ("load", "load in the folder", "compare", "the studio's view"):
        return f"a traceback: {done.stderr.strip().splitlines()[-1][:200]}"
    return "" if done.returncode in (0, 1, 2) else f"exit code {done.returncode}: {done.stderr[-200:]}"


def _seen_where_it_runs(folder: Path) -> bool:
    """Whether what is planted would be seen if it ran: else nothing here could fall short."""
    folder.mkdir()
    results = _study(folder, _nothing)
    canary = folder / "canary"
    canary.mkdir()
    environment = {**os.environ, "RFTLAB_CANARY": str(canary)}
    subprocess.run([sys.executable, results / "evil.py"], env=environment, check=True)
    subprocess.run(
        [sys.executable, "-c", f"import pickle; pickle.loads({pickle.dumps(_Runs())!r})"], env=environment, check=True
    )
    return len(list(canary.iterdir())) == 2

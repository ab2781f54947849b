"""Several studies as one: their finished cells in a new results folder, which reads like any other.

A cell that several of them measured counts once. `joined.json` says where each came from, and what did not agree.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.files.archive import SUFFIX, opened
from rftlab.files.staging import staged, swap_in
from rftlab.record import GRID, TUNING, Damage, Record, cells_dir, planned, scan
from rftlab.record.copied import failures_of, files_of, lists_of, require_inside, tuning_cells
from rftlab.record.judgements import JUDGEMENTS, JUDGES, joined_judgements

JOINED = "joined.json"
_NAMED = 3


class Study(NamedTuple):
    """A results folder to be joined: its name, its records and what does not count there, and its `grid.json`."""

    name: str
    folder: Path
    records: Sequence[Record]
    damaged: Sequence[Damage]
    grid: Mapping[str, Any]


def join(places: Sequence[str | Path], target: str | Path) -> Path:
    """Make a results folder of the finished cells of several; nothing in those changes.

    Policies, notebooks and logs are left out. Of a cell that several measured, the record of the first one named
    counts; where what they measured is not the same, the folder says so (`notes`).

    Args:
        places: results folders, or archives.
        target: a new folder, or one that was joined before, which is replaced.

    Returns:
        The folder.

    Raises:
        RftlabError: one holds no results or none that can be read, they are not all decided by one measure, or
            ``target`` holds something else.
    """
    target = Path(target).expanduser().resolve()
    folders = [Path(place).expanduser().resolve() for place in places]
    if target in folders:
        raise RftlabError(f"{target} is one of the studies to be joined; give their union another folder with -o")
    if target.exists() and not (target / JOINED).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise RftlabError(f"{target} is there already and is no joined study; give another folder with -o")
    studies = [_read(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]
    _require_one_measure(studies)
    with staged(target) as made:
        _fill(made, studies)
        swap_in(made, target)
    return target


def studies_of(results: str | Path) -> Mapping[str, str]:
    """Cell id -> the study or studies it came from (`a`, `a and b`); empty where nothing was joined."""
    return {cell: " and ".join(names) for cell, names in _body(results).get("cells", {}).items()}


def notes(results: str | Path) -> list[str]:
    """Sentences on where a joined study's cells came from and what did not agree; none where nothing was joined."""
    return list(_body(results).get("notes", ()))


def _body(results: str | Path) -> dict[str, Any]:
    try:
        body = json.loads((opened(results) / JOINED).read_text(encoding="utf-8"))
        return body if isinstance(body, dict) else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RftlabError(f"{Path(results) / JOINED} cannot be read ({error}); join the studies again") from None


def _read(place: Path, name: str) -> Study:
    records, damaged = scan(place)
    folder = opened(place)
    if not records:
        why = f"no record in it can be read: {damaged[0]}" if damaged else "no cell has finished there"
        raise RftlabError(f"cannot join {name}: {why}")
    grid: dict[str, Any] = {"name": name}
    if planned(place) is not None:
        grid = json.loads((folder / GRID).read_text(encoding="utf-8"))
        grid["ids"] = grid.get("ids") or [Cell.make(values).id for values in grid["cells"]]
    else:
        grid |= {"ids": [each.id for each in records], "cells": [dict(each.cell) for each in records]}
    return Study(name, folder, records, damaged, grid)


def _fill(made: Path, studies: Sequence[Study]) -> None:
    first: dict[str, tuple[Study, Record]] = {}
    sources: dict[str, list[str]] = {}
    unlike: list[str] = []
    for study in studies:
        for found in study.records:
            earlier, same = first.setdefault(found.id, (study, found))
            sources.setdefault(found.id, []).append(study.name)
            if earlier is study:
                _copy(found, study, made)
            elif differing := _differing(same, found):
                sources[found.id].pop()
                unlike.append(
                    f"{found.parameters.label} ({found.id}) was measured in {earlier.name} and in {study.name} with "
                    f"another {differing}: that of {earlier.name} counts"
                )
    for study in studies:
        for found in tuning_cells(study.folder, without=first):
            if not (cells_dir(made) / found.id).exists():
                _copy(found, study, made)
        failures = failures_of(study.folder, without=first)
        require_inside(failures.values(), study.folder)
        for name, path in failures.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, made / name)
    if len(studies) == 1:
        lists = lists_of(studies[0].folder)
        require_inside(lists.values(), studies[0].folder)
        for name, path in lists.items():
            shutil.copyfile(path, made / name)
    else:
        judged, judges = joined_judgements(study.folder for study in studies)
        for name, text in ((JUDGEMENTS, judged), (JUDGES, judges)):
            if text:
                (made / name).write_text(text, encoding="utf-8")
    earlier_notes = [note for study in studies for note in notes(study.folder)]
    said = [*earlier_notes, *_origins(sources, studies), *_few(unlike), *_undeclared(studies), *_damage(studies)]
    _write(made / GRID, _grid(studies))
    if tuned := _tuning(studies):
        _write(made / TUNING, tuned)
    _write(made / JOINED, {"studies": [study.name for study in studies], "cells": sources, "notes": said})


def _require_one_measure(studies: Sequence[Study]) -> None:
    """A report has one measure that decides: the other study's would be decided by what it was not made for."""
    measures: dict[str, list[str]] = {}
    for study in studies:
        for measure in sorted({found.parameters.evaluation.decides for found in study.records}):
            measures.setdefault(measure, []).append(study.name)
    if len(measures) > 1 and len(studies) > 1:
        told = ", ".join(f"{measure} decides {' and '.join(names)}" for measure, names in measures.items())
        raise RftlabError(
            f"these studies cannot be joined, they are decided by different measures ({told}); report each alone, or "
            "run them with one evaluation.decides"
        )


def _copy(found: Record, study: Study, made: Path) -> None:
    target = cells_dir(made) / found.id
    target.mkdir(parents=True)
    files = files_of(found, cells_dir(study.folder) / found.id, target)
    require_inside(files.values(), study.folder, target)
    for name, path in files.items():
        if path != target / name:
            shutil.copyfile(path, target / name)


def _write(path: Path, body: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _differing(one: Record, other: Record) -> str:
    """The first of what two records of a cell measured, or were given, that is not the same; "" if nothing.

    Seconds, memory and the machine may differ: two runs of one cell are one measurement if what came out is the same.
    """
    for name, first, second in (
        *((name, value, other.metrics.get(name)) for name, value in one.metrics.items()),
        ("contract", one.contract, other.contract),
        ("learning rate", _chosen(one), _chosen(other)),
    ):
        if first != second:
            numbers = f" ({first:.3g} against {second:.3g})" if isinstance(first, float) and second is not None else ""
            return f"{name}{numbers}"
    return ""


def _chosen(record: Record) -> list[Any]:
    return [trial.get("learning_rate") for trial in record.tuning if trial.get("chosen")]


def _origins(sources: Mapping[str, Sequence[str]], studies: Sequence[Study]) -> list[str]:
    if len(studies) == 1:
        return []
    counts: dict[str, int] = {}
    for names in sources.values():
        counts[" and ".join(names)] = counts.get(" and ".join(names), 0) + 1
    parts = ", ".join(f"{n} from {name}" for name, n in counts.items())
    return [f"joined from {len(studies)} studies: of {len(sources)} cells {parts}"]


def _undeclared(studies: Sequence[Study]) -> list[str]:
    """That the joined study has no plan, where those of the studies are not the same."""
    plans = [study.grid.get("plan") or {} for study in studies]
    names = [name for name in dict.fromkeys(name for plan in plans for name in plan) if name != "hash"]
    unlike = [name for name in names if any(plan.get(name) != plans[0].get(name) for plan in plans)]
    if not unlike:
        return []
    return [f"the studies did not declare the same ({', '.join(unlike)}), so the joined one declared nothing"]


def _damage(studies: Sequence[Study]) -> list[str]:
    lost = [f"not counted in {study.name}: {damage}" for study in studies for damage in study.damaged]
    return _few(lost)


def _few(said: Sequence[str]) -> list[str]:
    return [*said[:_NAMED], f"and {len(said) - _NAMED} more like it"] if len(said) > _NAMED else list(said)


def _grid(studies: Sequence[Study]) -> dict[str, Any]:
    """The list of all cells of all grids, each once; what else all grids agree on stays."""
    cells = {
        cell: values for study in studies for cell, values in zip(study.grid["ids"], study.grid["cells"], strict=True)
    }
    every = [study.grid for study in studies]
    shared = {name: value for name, value in every[0].items() if all(grid.get(name) == value for grid in every)}
    return {
        **shared,
        "name": " + ".join(study.name for study in studies) if len(studies) > 1 else every[0]["name"],
        "ids": list(cells),
        "cells": list(cells.values()),
    }


def _tuning(studies: Sequence[Study]) -> dict[str, Any]:
    """What the tuning stages of all studies left, each arm once; empty if none had one."""
    found = [_read_tuning(path) for s in studies if (path := s.folder / TUNING).is_file()]
    arms: dict[str, dict[str, Any]] = {}
    for arm in (arm for body in found for arm in body.get("arms", ())):
        arms.setdefault(_of_arm(arm), arm)
    costs = [arm.get("cost") or {} for arm in arms.values()]
    cost = {name: sum(each.get(name) or 0 for each in costs) for name in dict.fromkeys(n for c in costs for n in c)}
    ids = list(dict.fromkeys(name for body in found for name in body.get("ids", ())))
    return {**found[0], "arms": list(arms.values()), "ids": ids, "cost": cost} if found else {}


def _of_arm(arm: dict[str, Any]) -> str:
    """What was asked, and the digest of what was looked at; the stages of a later version have further fields."""
    return json.dumps({name: value for name, value in arm.items() if name not in ("stages", "cost")}, sort_keys=True)


def _read_tuning(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return {**body, "arms": list(body["arms"]), "ids": list(body["ids"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); run the grid again, which writes it") from None


def _names(folders: Sequence[Path]) -> list[str]:
    """Each folder or archive by as many last parts of its path as tell it from the others."""
    depths = range(1, max(len(folder.parts) for folder in folders) + 1)
    for suffix in (SUFFIX, ""):  # a folder and its own archive differ in nothing else
        for depth in depths:
            names = ["/".join(folder.parts[-depth:]).removesuffix(suffix) for folder in folders]
            if len(set(names)) == len(names):
                return names
    raise RftlabError(f"{folders[0]} is named twice; join different studies")

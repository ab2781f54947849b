"""A study as one archive: records, traces, samples, report, grid and tuning, each with its checksum; and back."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rftlab import __version__
from rftlab.errors import RftlabError
from rftlab.files import archive, names
from rftlab.files.staging import scratch, staged, swap_in, sweep_scratch
from rftlab.record import GRID, SCHEMA, Record, cells_dir, read_sound, require_folder_of, scan
from rftlab.record.copied import failures_of, files_of, lists_of, require_inside, tuning_cells
from rftlab.record.excerpt import NAME, Excerpt


def export(
    results: str | Path, file: str | Path | None = None, *, completions: int | None = None, policies: bool = False
) -> Path:
    """Write a study as one archive: its finished cells, why others failed, its grid, its tuning, its report's page.

    Equal studies give equal bytes. Notebooks and logs are left out, and policies unless they are asked for; what is
    left out is named beside each record (`rftlab.record.excerpt`).

    Args:
        results: a results folder, or an archive.
        file: the archive; by default NAME.tar.xz in the working folder. One that is there is replaced, another file
            is not.
        completions: items of each cell and part (test, sampled, ...) whose texts are kept; None keeps all. What every
            number stands on stays: item, reward, correct, length and draw of every completion.
        policies: pack kept policies too.

    Returns:
        The archive.

    Raises:
        RftlabError: no such folder, no finished cell, or ``file`` is something else.
    """
    if completions is not None and (type(completions) is not int or completions < 0):
        raise RftlabError(f"completions is {completions!r}; give a whole number, 0 for none")
    folder = archive.opened(results)
    target = Path(file).expanduser() if file else Path(f"{folder.resolve().name}{archive.SUFFIX}")
    target = target.resolve()
    require_folder_of(target)
    if target.exists():
        _require_archive(target)
    records, _ = read_sound(folder)
    if not records:
        raise RftlabError(f"no cell has finished in {results}; run the grid, or look at `rftlab status {results}`")
    records += tuning_cells(folder, without={found.id for found in records})
    sweep_scratch()
    with scratch() as made:
        files = {**lists_of(folder), **failures_of(folder)}
        files |= {name: path for name in names.PAGE if (path := folder / name).is_file()}
        shortened: list[str] = []
        for found in records:
            home = cells_dir(folder) / found.id
            parts = files_of(found, home, made / found.id, completions=completions, policies=policies)
            files |= {f"cells/{found.id}/{name}": path for name, path in parts.items()}
            if NAME in parts:
                shortened += [f"cells/{found.id}/{name}" for name in Excerpt.of(parts[NAME].parent).shortened]
        require_inside(files.values(), folder, made)
        about = {
            "rftlab": __version__,
            "record_schema": SCHEMA,
            "versions": _versions(records),
            "completions": completions,
            "policies": policies,
            "shortened": sorted(shortened),
        }
        return archive.pack(files, target, about)


def import_archive(file: str | Path, folder: str | Path | None = None) -> Path:
    """Unpack an archive to a results folder that reads as one that was run, every file held against its checksum.

    The report's page is not taken over: what it says and runs is its maker's word, and `rftlab report` draws it anew
    from the records.

    Args:
        file: an archive of `export`.
        folder: a new one; by default `results/NAME` in the working folder.

    Returns:
        The folder.

    Raises:
        RftlabError: the folder is there already, or the archive is damaged, hostile, or of a newer rftlab; nothing is
            left behind then.
    """
    source = Path(file).expanduser()
    name = source.name.removesuffix(archive.SUFFIX)
    target = (Path(folder) if folder else Path("results") / name).expanduser().resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RftlabError(f"{target} is there already; give another folder: rftlab import {file} DIR")
    manifest = archive.manifest_of(source)  # before a folder is made for it
    if not any(listed.startswith("cells/") for listed in manifest["files"]):
        raise RftlabError(f"{source} holds no cells: it is an archive of a study in which none had finished")
    with staged(target) as made:
        archive.unpack(source, made)
        try:
            records, damaged = scan(made)
        except RftlabError as error:
            raise RftlabError(str(error).replace(str(made), str(source))) from None
        if not records:
            why = str(damaged[0]).replace(str(made), source.name) if damaged else f"it holds none of its {GRID}"
            raise RftlabError(f"no record in {source} can be read: {why}")
        (made / names.PAGE[0]).unlink(missing_ok=True)
        swap_in(made, target)
    return target


def _require_archive(target: Path) -> None:
    try:
        archive.manifest_of(target)
    except (RftlabError, OSError):
        raise RftlabError(f"{target} is there already and is no archive of a study; give another file") from None


def _versions(records: Sequence[Record]) -> dict[str, list[str]]:
    """What the cells ran on: library -> its versions, sorted."""
    found: dict[str, set[str]] = {}

    def note(facts: Iterable[tuple[str, Any]]) -> None:
        for name, value in facts:
            if isinstance(value, str):
                found.setdefault(name, set()).add(value)

    for each in records:
        note(each.environment.items())
        libraries = each.environment.get("libraries")
        note(libraries.items() if isinstance(libraries, dict) else ())
    return {name: sorted(values) for name, values in sorted(found.items())}

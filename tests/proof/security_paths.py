"""Paths stay inside: archives, results folders and grids whose names lead elsewhere write and read nothing there."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tarfile import LNKTYPE, SYMTYPE, TarInfo

from tests.files.test_archive import entry, forged
from tests.proof.inputs_tried import Bad, forked, listing, put
from tests.proof.inputs_verbs import study
from tests.proof.proof import Case

_SECRET = "canary-5d1f"
_NAMES = (
    "../up.json",
    "../../up.json",
    "cells/../../up.json",
    "/tmp/rftlab-up.json",
    "cells/0a/../../../up.json",
    "./x.json",
    "cells//x.json",
    ".hidden.json",
    "~/x.json",
    "C:/x.json",
    "..\\up.json",
    "cells/0a/policy/../../../../up.json",
    "report/../../up.html",
    "cells/0a/x.py",
    "sitecustomize.py",
    "cells/0a/notebook.ipynb",
    "report/report.js",
    "conftest.py",
    "cells/0a/policy/adapter_model.bin",
    "cells/0a/policy/x.pt",
    "matplotlibrc",
    "a" * 300 + ".json",
    "grid.json/x.json",
    "cells/0a/record.json\x00.py",
    "cells/\u202e0a/record.json",
    "nul.json/../../up.json",
)
_LINKED = (
    "grid.json",
    "grid.yaml",
    "prices.yaml",
    "report",
    "report/report.html",
    "cells/ID",
    "cells/ID/samples.jsonl",
    "cells/ID/trace.jsonl",
    "cells/ID/record.json",
    "cells/ID/policy",
    "failed",
    "tuning.json",
    "cells",
    "aside",
    "cells/ID/extra.json",
    "judgements.jsonl",
)
_VERBS = (
    ("report", "study"),
    ("export", "study", "-o", "x.tar.xz"),
    ("status", "study", "--verify"),
    ("report", "study", "other", "-o", "both"),
)


def inside(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Each name that leads elsewhere in an archive, and each link in a results folder."""
    cases: list[tuple[str, Callable[[Path], str]]] = [
        (f"an archive with {name[:40]!a}", _archived(name)) for name in _NAMES
    ]
    cases += [
        (f"an archive with a {kind} link", _archived_link(kind, code))
        for kind, code in (("symbolic", SYMTYPE), ("hard", LNKTYPE))
    ]
    cases += [(f"{' '.join(verb)} with a link as {name}", _linked(name, verb)) for name in _LINKED for verb in _VERBS]
    for number in sorted(chance.sample(range(len(cases)), min(count, len(cases)))):
        what, tried = cases[number]
        place = folder / str(number)
        (place / "beside" / "tmp").mkdir(parents=True)
        yield what, tried(place)


def _archived(name: str) -> Callable[[Path], str]:
    def tried(place: Path) -> str:
        def made(path: Path) -> None:
            try:
                forged(path, [(name, b"{}")])
            except ValueError:  # no tar can hold the name; a manifest can
                forged(path, [("x.json", b"{}")], files={name: entry(b"{}")})

        return _imported(place, made)

    return tried


def _archived_link(kind: str, code: bytes) -> Callable[[Path], str]:
    def tried(place: Path) -> str:
        member = TarInfo("cells/0a/record.json")
        member.type, member.linkname = code, "/etc/passwd"
        return _imported(place, lambda path: forged(path, [(member, b"")], files={"cells/0a/record.json": entry(b"")}))

    return tried


def _imported(place: Path, made: Callable[[Path], object]) -> str:
    """How an archive that must be refused was, by import and by two verbs that read archives as they are."""
    work = place / "work" / "deep"
    work.mkdir(parents=True)
    put(work / "a.tar.xz", made)
    before = listing(place / "work")
    for verb in (("import", "a.tar.xz", "new"), ("status", "a.tar.xz"), ("report", "a.tar.xz")):
        ended = forked(Bad("", verb), work, place / "beside")
        if ended.code != 2:
            return f"{verb[0]} ends with {ended.code}: {ended.err[-200:]!a}"
        if listing(place / "work") != before:
            return f"{verb[0]} wrote {sorted(listing(place / 'work').keys() ^ before.keys())[:3]}"
    return "it was written to /tmp" if Path("/tmp/rftlab-up.json").exists() else ""


def _linked(name: str, verb: tuple[str, ...]) -> Callable[[Path], str]:
    """A results folder of a stranger in which a name is a link to a file or folder of the user's."""

    def tried(place: Path) -> str:
        work, mine = place / "work", place / "mine"
        for each in ("study", "other"):
            put(work / each, study(each))
        ids = sorted(path.name for path in (work / "study" / "cells").iterdir())
        target = work / "study" / name.replace("ID", ids[0])
        _make_mine(mine, target)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(mine / "thing")
        before = listing(mine)
        ended = forked(Bad("", verb), work, place / "beside")
        if listing(mine) != before:
            return f"changed {sorted(listing(mine).keys() ^ before.keys())[:3] or 'what it links to'}"
        if "Traceback" in ended.err:
            return f"a traceback: {ended.err.strip().splitlines()[-1][:200]}"
        return _leaked(place, work, ended.out + ended.err)

    return tried


def _make_mine(mine: Path, target: Path) -> None:
    """What the link leads to: as the study has it, so that it is believed, and with something of the user's in it."""
    mine.mkdir()
    if target.is_dir():
        shutil.copytree(target, mine / "thing")
        (mine / "thing" / "secret.json").write_text(json.dumps({"key": _SECRET}))
    elif target.is_file() and target.suffix in (".json", ".jsonl"):
        (mine / "thing").write_text(f"{target.read_text().rstrip()}\n{json.dumps({'key': _SECRET})}\n")
    elif target.suffix:
        (mine / "thing").write_text(json.dumps({"key": _SECRET}))
    else:
        (mine / "thing").mkdir()
        (mine / "thing" / "secret.json").write_text(json.dumps({"key": _SECRET}))


def _leaked(place: Path, work: Path, said: str) -> str:
    """Whether what is the user's reached what was made or printed."""
    from rftlab.errors import RftlabError
    from rftlab.files import archive

    if _SECRET in said:
        return "it is printed"
    made = work / "x.tar.xz"
    if made.exists():
        out = place / "unpacked"
        out.mkdir()
        try:
            archive.unpack(made, out)
        except RftlabError as error:
            return f"an archive that cannot be read: {error}"
        for path in out.rglob("*"):
            if path.is_file() and _SECRET.encode() in path.read_bytes():
                return f"it is packed as {path.relative_to(out)}"
    both = work / "both"
    found = (
        [
            path
            for path in both.rglob("*")
            if path.is_file() and not path.is_symlink() and _SECRET.encode() in path.read_bytes()
        ]
        if both.exists()
        else []
    )
    return f"it is copied to {found[0].relative_to(work)}" if found else ""


def names_of_grids(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Names of grids that would lead their results elsewhere."""
    wanted = (
        "../up",
        "../../up",
        "/tmp/rftlab-up",
        "a/b",
        ".",
        "..",
        "",
        "-rf",
        "~",
        "~/x",
        "a\\b",
        "C:\\x",
        "x\n",
        ".x",
        "$HOME",
        "\u2024\u2024/x",
    )
    for number, name in enumerate(chance.sample(wanted, min(count, len(wanted)))):
        work = folder / str(number) / "work" / "deep"
        work.mkdir(parents=True)
        (folder / str(number) / "beside" / "tmp").mkdir(parents=True)
        (work / "g.yaml").write_text(f"method: base\nlabels: 0\nname: {json.dumps(name)}\n")
        before = listing(work.parent)
        ended = forked(Bad("", ("run", "g.yaml", "--kernel", "cold")), work, folder / str(number) / "beside")
        short = "" if ended.code == 2 else f"exit code {ended.code}"
        yield f"a grid called {name!a}", short or ("" if listing(work.parent) == before else "it wrote something")

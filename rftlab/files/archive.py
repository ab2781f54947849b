"""Files in one archive with a checksum each: a .tar.xz whose first member, manifest.json, lists all that follow.

Any tar program opens one. Here it is read strictly: plain files, exactly those of the manifest, in its order and with
its sizes, and nothing behind them; so that no header of a hostile one is ever followed. The manifest lists files of
the kinds that a study has, and no code. Equal files give equal bytes.
"""

import atexit
import contextlib
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from rftlab.errors import RftlabError
from rftlab.files import checksums, names
from rftlab.files.staging import scratch, whole_file

MANIFEST, SUFFIX = "manifest.json", ".tar.xz"
FORMAT = 1
_KIND = "rftlab study"
_BLOCK, _RECORD, _CHUNK = 512, 10_240, 1 << 20
_LONGEST_MANIFEST = 64 << 20
_MEMORY = 256 << 20
"""Most that decompressing may take: an archive can ask for gigabytes."""
_RATIO, _SMALL = 1000, 64 << 20
"""How many times its own size an archive may unpack to, beyond what is small; studies shrink 20 to 400 times."""


def pack(files: Mapping[str, Path], target: Path, about: Mapping[str, Any]) -> Path:
    """Write files (name in the archive -> where it lies) as one archive, which appears whole or not at all.

    Files of one kind lie together, since they compress together.

    Raises:
        RftlabError: a name that an archive must not have, or a file that changed meanwhile.
        OSError: the disk is full, or a file cannot be read.
    """
    order = sorted(files, key=lambda name: (name.rpartition("/")[2], name))
    listed = {name: checksums.of_file(files[name]) for name in order}
    manifest = {"kind": _KIND, "format": FORMAT, **about, "files": listed}
    if problem := _problem(listed):
        raise RftlabError(f"cannot pack {target.name}: {problem}")
    with whole_file(target) as raw, lzma.open(raw, "wb") as out:
        text = (json.dumps(manifest, indent=0) + "\n").encode()
        size = _add(out, MANIFEST, io.BytesIO(text), checksums.of_text(text.decode()))
        for name in order:
            with files[name].open("rb") as file:
                size += _add(out, name, file, listed[name])
        out.write(bytes(2 * _BLOCK + -(size + 2 * _BLOCK) % _RECORD))
    return target


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpack an archive into a folder that exists, and hold every file against its checksum.

    What stands in the folder after an error is not to be used.

    Returns:
        The manifest.

    Raises:
        RftlabError: it is no archive of ours, was written by a newer rftlab, is cut off or damaged, holds what it does
            not list, or would take more room than it may; one sentence.
    """
    with _opened(archive) as stream:
        manifest = _read_manifest(archive, stream)
        _require_room(archive, folder, sum(entry["bytes"] for entry in manifest["files"].values()))
        for name, entry in manifest["files"].items():
            _header(archive, stream, name, entry["bytes"])
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            found = hashlib.sha256()
            with path.open("xb") as out:
                for piece in _pieces(stream, entry["bytes"]):
                    found.update(piece)
                    out.write(piece)
            if found.hexdigest() != entry["sha256"]:
                raise RftlabError(f"{archive} is damaged: {name} is not as it was packed; get the archive once more")
        rest = stream.read(_RECORD + 2 * _BLOCK)  # two empty blocks, and what fills up the last record
        if len(rest) < 2 * _BLOCK or any(rest) or stream.read(1):
            raise RftlabError(f"{archive} holds more than it lists; it was not made by rftlab export")
    return manifest


def manifest_of(archive: Path) -> dict[str, Any]:
    """The manifest of an archive, checked, without looking at what follows.

    Raises:
        RftlabError: as `unpack`.
    """
    with _opened(archive) as stream:
        return _read_manifest(archive, stream)


def opened(place: str | Path) -> Path:
    """A results folder as it is; an archive unpacked, once a process, into a scratch folder that is gone with it.

    Raises:
        RftlabError: as `unpack`.
    """
    path = Path(place)
    if not path.is_file():
        return path
    path = path.resolve()
    at = path.stat()
    return _unpacked(path, at.st_ino, at.st_size, at.st_mtime_ns)


@lru_cache(maxsize=64)
def _unpacked(archive: Path, *_state: int) -> Path:
    stack, mine = contextlib.ExitStack(), os.getpid()
    folder = stack.enter_context(scratch())
    # A forked child that ends must not take the folder from its parent.
    atexit.register(lambda: stack.close() if os.getpid() == mine else None)
    made = folder / archive.name.removesuffix(SUFFIX)
    made.mkdir()
    unpack(archive, made)
    return made


def _add(out: BinaryIO | lzma.LZMAFile, name: str, content: BinaryIO, entry: Mapping[str, Any]) -> int:
    """Append a member; how many bytes it took."""
    member = tarfile.TarInfo(name)
    member.size = entry["bytes"]
    out.write(member.tobuf(tarfile.USTAR_FORMAT))
    found, left = hashlib.sha256(), member.size
    while piece := content.read(min(_CHUNK, left)):
        found.update(piece)
        left -= len(piece)
        out.write(piece)
    if left or found.hexdigest() != entry["sha256"]:
        raise RftlabError(f"{name} changed while it was packed; try again when nothing is running there")
    out.write(bytes(-member.size % _BLOCK))
    return _BLOCK + member.size + -member.size % _BLOCK


_XZ = b"\xfd7zXZ\x00"


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        with archive.open("rb") as file:
            begin = file.read(len(_XZ))
        if not _XZ.startswith(begin):
            raise RftlabError(f"{archive} is no archive: it does not begin as .tar.xz does; give one of rftlab export")
        with archive.open("rb") as file, io.BufferedReader(_Decompressed(file), _CHUNK) as stream:
            yield stream  # type: ignore[misc]
    except FileNotFoundError:
        raise RftlabError(f"there is no archive {archive}; give a file of rftlab export") from None
    except IsADirectoryError:
        raise RftlabError(f"{archive} is a folder, not an archive; give a file of rftlab export") from None
    except EOFError:
        raise RftlabError(f"{archive} is cut off; get the archive once more") from None
    except (lzma.LZMAError, MemoryError) as error:
        raise RftlabError(
            f"{archive} is damaged, or is no archive of rftlab export ({error}); get it once more"
        ) from None


class _Decompressed(io.RawIOBase):
    """The content of one xz stream, with bounded memory; one that is cut off ends in EOFError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._xz = file, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._xz.eof:
            data = self._file.read(_CHUNK) if self._xz.needs_input else b""
            if not data and self._xz.needs_input:
                raise EOFError
            piece = self._xz.decompress(data, len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
        if self._xz.unused_data or self._file.read(1):
            raise lzma.LZMAError("something follows its end")
        return 0


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The next ``size`` bytes; then past what fills up their last block."""
    left = size
    while left:
        piece = stream.read(min(left, _CHUNK))
        if not piece:
            raise EOFError
        left -= len(piece)
        yield piece
    if len(stream.read(-size % _BLOCK)) < -size % _BLOCK:
        raise EOFError


def _header(archive: Path, stream: BinaryIO, name: str, size: int | None = None) -> int:
    """Go past a member's header; how long the member is."""
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK:
        raise EOFError
    try:
        member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError):
        missing = f"is damaged: {name} is missing in it" if name != MANIFEST else "is no archive of rftlab export"
        raise RftlabError(f"{archive} {missing}") from None
    if member.name != name or member.type != tarfile.REGTYPE or (size is not None and member.size != size):
        found = ascii(member.name[:80])
        raise RftlabError(f"{archive} holds {found} where it should hold {name}; it was not made by rftlab export")
    return member.size


def _read_manifest(archive: Path, stream: BinaryIO) -> dict[str, Any]:
    size = _header(archive, stream, MANIFEST)
    if size > _LONGEST_MANIFEST:
        raise RftlabError(f"{archive} has a {MANIFEST} of {size:,} bytes, more than any study has")
    try:
        body = json.loads(b"".join(_pieces(stream, size)), object_pairs_hook=_once)
        if not isinstance(body, dict) or body.get("kind") != _KIND or type(body.get("format")) is not int:
            raise ValueError("it is not one of a study")
        if body["format"] > FORMAT:
            raise RftlabError(
                f"{archive} was written by a newer rftlab (format {body['format']}; this one reads up to {FORMAT})"
            )
        if problem := _problem(body["files"]):
            raise ValueError(problem)
    except RftlabError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RftlabError(
            f"{archive} is no archive of rftlab export: its {MANIFEST} cannot be read ({error})"
        ) from None
    return body


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it lists {name[:80]!a} twice")
        found[name] = value
    return found


def _problem(files: Mapping[str, Mapping[str, Any]]) -> str:
    """What is wrong with the files that a manifest lists; "" if nothing is."""
    folders, seen = set[str](), {MANIFEST}
    for name, entry in files.items():
        shown = ascii(name[:80])
        if not names.is_plain(name):
            return f"it lists {shown}, a name that no file of a study has"
        if name.lower() in seen:
            return f"it lists {shown} twice"
        if type(entry["bytes"]) is not int or entry["bytes"] < 0 or not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
            return f"it lists {shown} without a checksum"
        seen.add(name.lower())
        parts = name.lower().split("/")
        folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    both = sorted(folders & seen)
    if both:
        return f"it lists {both[0]!a} as a file and as a folder"
    strange = [name for name in files if not names.is_of_study(name)]
    return f"it lists {strange[0][:80]!a}, which is no file of a study" if strange else ""


def _require_room(archive: Path, folder: Path, size: int) -> None:
    packed = archive.stat().st_size
    if size > _SMALL + _RATIO * packed:
        raise RftlabError(
            f"{archive} would unpack to {size:,} bytes, {size // max(packed, 1):,} times its own size: no study does"
        )
    free = shutil.disk_usage(folder).free
    if size > free:
        raise RftlabError(f"{archive} unpacks to {size:,} bytes, and {folder.parent} has {free:,} left")

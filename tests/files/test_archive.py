"""Archives: equal files give equal bytes, damage is found, and a hostile one leaves nothing behind."""

import hashlib
import json
import lzma
import subprocess
import sys
import tarfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.files import archive

CONTENT = {"grid.json": b"{}\n", "cells/0a/record.json": b"r" * 700, "cells/0a/trace.jsonl": b""}


@pytest.fixture
def packed(tmp_path):
    return pack(tmp_path, CONTENT)


def pack(tmp_path, content, name="a.tar.xz"):
    for path, text in content.items():
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / path).write_bytes(text)
    return archive.pack({path: tmp_path / "source" / path for path in content}, tmp_path / name, {"about": 1})


def unpacked(path, into):
    """What an archive holds, unpacked as `rftlab import` does it."""
    into.mkdir()
    archive.unpack(path, into)
    return {str(each.relative_to(into)): each.read_bytes() for each in into.rglob("*") if each.is_file()}


def entry(content: bytes):
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def forged(path, members, files=None, *, change=None, end=b"", compress=lzma.compress):
    """An archive written by somebody else: members are (TarInfo or name, content); `files` is what it lists."""
    listed = {name: entry(content) for name, content in members} if files is None else files
    body = {"kind": "rftlab study", "format": 1, "files": listed, **(change or {})}
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    raw = b""
    for name, content in [("manifest.json", text), *members]:
        member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
        member.size = len(content)
        raw += member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)
    path.write_bytes(compress(raw + bytes(1024) + end))
    return path


def test_what_is_packed_is_what_is_unpacked(packed, tmp_path):
    assert unpacked(packed, tmp_path / "out") == CONTENT
    assert archive.manifest_of(packed)["about"] == 1


@pytest.mark.parametrize("blocks", range(21))
def test_the_end_is_found_wherever_the_last_record_is_filled_up(tmp_path, blocks):
    content = {"x.json": b"x" * (512 * blocks)}
    assert unpacked(pack(tmp_path, content), tmp_path / "out") == content


def test_equal_files_give_equal_bytes_whenever_and_wherever_they_were_written(packed, tmp_path):
    (tmp_path / "later").mkdir()
    other = pack(tmp_path / "later", dict(reversed(CONTENT.items())))
    assert other.read_bytes() == packed.read_bytes()


def test_any_tar_program_can_open_one(packed):
    with tarfile.open(packed) as tar:
        assert tar.getnames()[0] == archive.MANIFEST
        assert {name: tar.extractfile(name).read() for name in tar.getnames()[1:]} == CONTENT


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_bit_is_found_wherever_it_is(packed, tmp_path_factory, place, bit):
    content = bytearray(packed.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    changed = tmp_path_factory.mktemp("changed") / "a.tar.xz"
    changed.write_bytes(content)
    with pytest.raises(RftlabError):
        unpacked(changed, changed.parent / "out")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_one_that_is_cut_off_is_refused_wherever_it_ends(packed, tmp_path_factory, share):
    content = packed.read_bytes()
    cut = tmp_path_factory.mktemp("cut") / "a.tar.xz"
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RftlabError, match="is cut off"):
        unpacked(cut, cut.parent / "out")


def test_a_text_that_is_called_an_archive_is_none(tmp_path):
    (tmp_path / "a.tar.xz").write_text("junk\n")
    with pytest.raises(RftlabError, match=r"a.tar.xz is no archive: it does not begin as .tar.xz does"):
        unpacked(tmp_path / "a.tar.xz", tmp_path / "out")


names = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["..", ".", "", "cells", "C:", "~", "a\\b", "\x00", "nul.", "é"]), max_size=5).map(
        "/".join
    ),
    st.sampled_from(
        ["../up", "/etc/x", "cells/../../up", "a//b", "a/", "a/.", ".hidden", "c:/x", "\\\\host\\x", "x" * 300]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names)
def test_no_name_leads_out_of_the_folder(tmp_path_factory, name):
    place = tmp_path_factory.mktemp("names")
    (place / "inner").mkdir()
    try:
        made = forged(place / "a.tar.xz", [(name, b"hostile")])
    except ValueError:  # no tar can hold it; a manifest can
        made = forged(place / "a.tar.xz", [("x.json", b"hostile")], files={name: entry(b"hostile")})
    said = []
    try:
        archive.unpack(made, place / "inner")
    except RftlabError as error:
        said.append(str(error))
    assert "\n" not in "".join(said)
    assert {path.name for path in place.iterdir()} == {"a.tar.xz", "inner"}
    assert all(path.resolve().is_relative_to(place / "inner") for path in (place / "inner").rglob("*"))


def member(name, kind, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def pax_bomb(raw):
    header = member("x.json", tarfile.XHDTYPE)
    header.size = 8 << 30
    return header.tobuf(tarfile.GNU_FORMAT) + raw


def asking_for_4_gb(raw):
    """An xz file whose header asks for a dictionary of 4 GB."""
    made = bytearray(lzma.compress(raw))
    size = 4 * (made[12] + 1)
    assert made[14:16] == b"\x21\x01"
    made[16] = 40
    made[12 + size - 4 : 12 + size] = zlib.crc32(made[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(made)


X, NONE = {"x.json": entry(b"abc")}, {"x.json": entry(b"")}
WHERE = "holds 'x.json' where"
HOSTILE = {
    "a link": ([(member("x.json", tarfile.SYMTYPE, "/etc/passwd"), b"")], NONE, {}, WHERE),
    "a hard link": ([(member("x.json", tarfile.LNKTYPE, "grid.json"), b"")], NONE, {}, WHERE),
    "a device": ([(member("x.json", tarfile.CHRTYPE), b"")], NONE, {}, WHERE),
    "a folder": ([(member("x.json", tarfile.DIRTYPE), b"")], NONE, {}, "holds 'x"),
    "code": ([("x.py", b"abc")], {"x.py": X["x.json"]}, {}, "it lists 'x.py', which is no file of a study"),
    "another checksum": ([("x.json", b"abd")], X, {}, "is damaged: x.json is not as it was packed"),
    "another size": ([("x.json", b"abcd")], X, {}, "holds 'x.json' where it should hold x.json"),
    "another file": ([("y.json", b"abc")], X, {}, "holds 'y.json' where it should hold x.json"),
    "one file less": ([], X, {}, "is damaged: x.json is missing"),
    "one file more": ([("x.json", b"abc"), ("y.json", b"")], X, {}, "holds more than it lists"),
    "a name twice": ([], {**X, "X.json": X["x.json"]}, {}, "it lists 'X.json' twice"),
    "a file as a folder": ([], {"a": entry(b""), "a/b": entry(b"")}, {}, "it lists 'a' as a file and as a folder"),
    "its own manifest": ([], {"manifest.json": entry(b"")}, {}, "it lists 'manifest.json' twice"),
    "no checksum": ([("x.json", b"abc")], {"x.json": {"sha256": "0", "bytes": 3}}, {}, "without a checksum"),
    "a negative size": ([], {"x.json": {**entry(b""), "bytes": -1}}, {}, "without a checksum"),
    "a size that is no number": ([], {"x.json": {**entry(b""), "bytes": "9"}}, {}, "without a checksum"),
    "a petabyte": ([], {"x.json": {**entry(b""), "bytes": 1 << 50}}, {}, "its own size: no study does"),
    "a newer format": ([], {}, {"format": 2}, "was written by a newer rftlab (format 2"),
    "another kind": ([], {}, {"kind": "photos"}, "is no archive of rftlab export"),
    "no list": ([], {}, {"files": [1]}, "is no archive of rftlab export"),
    "a pax header": ([(member("x.json", tarfile.XHDTYPE), b"9 path=y\n"), ("x.json", b"abc")], X, {}, WHERE),
}  # fmt: skip


NOT_OF_A_STUDY = [
    "evil.py", "x.ipynb", "noext", "grid.yaml.py", "report/x.html", "report/evil.py", "cells/0a/x.py", "cells/x.json",
    "cells/0a/notebook.ipynb", "cells/0a/kernel.log", "cells/0a/other/x.json", "cells/0a/policy/x.py",
    "cells/0a/policy/pytorch_model.bin", "cells/0a/policy/x.pt", "failed/0a/x.json", "aside/0a/record.json",
    "judgements.jsonl/x.json",
]  # fmt: skip


@pytest.mark.parametrize("name", NOT_OF_A_STUDY)
def test_a_file_of_another_kind_than_export_writes_is_refused_by_name(tmp_path, name):
    made = forged(tmp_path / "a.tar.xz", [("grid.json", b"{}"), (name, b"abc")])
    for read in (archive.manifest_of, archive.opened):
        with pytest.raises(RftlabError, match=f"it lists '{name}', which is no file of a study"):
            read(made)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_one_sentence(tmp_path, case):
    members, files, change, sentence = HOSTILE[case]
    made = forged(tmp_path / "a.tar.xz", members, files, change=change)
    with pytest.raises(RftlabError) as found:
        unpacked(made, tmp_path / "out")
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)


def test_a_list_that_names_a_file_twice_is_refused(tmp_path):
    text = json.dumps({"kind": "rftlab study", "format": 1, "files": X})
    doubled = text.replace('"x.json":', '"x.json": 1, "x.json":').encode()
    member = tarfile.TarInfo("manifest.json")
    member.size = len(doubled)
    raw = member.tobuf() + doubled + bytes(-len(doubled) % 512)
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(raw))
    with pytest.raises(RftlabError, match="it lists 'x.json' twice"):
        archive.manifest_of(tmp_path / "a.tar.xz")


@pytest.mark.parametrize("compress", [asking_for_4_gb, lambda raw: lzma.compress(pax_bomb(raw))])
def test_no_header_decides_how_much_memory_is_taken(tmp_path, compress):
    made = forged(tmp_path / "a.tar.xz", [("x.json", b"abc")], compress=compress)
    with pytest.raises(RftlabError, match="is damaged|holds 'x.json' where"):
        unpacked(made, tmp_path / "out")


@pytest.mark.parametrize("end", [b"more", bytes(20_000)])
def test_nothing_may_follow_the_end(tmp_path, end):
    made = forged(tmp_path / "a.tar.xz", [("x.json", b"abc")], end=end)
    with pytest.raises(RftlabError, match="holds more than it lists"):
        unpacked(made, tmp_path / "out")
    behind = forged(
        tmp_path / "b.tar.xz", [("x.json", b"abc")], compress=lambda raw: lzma.compress(raw) + lzma.compress(b"b")
    )
    with pytest.raises(RftlabError, match="something follows its end"):
        unpacked(behind, tmp_path / "out2")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip", lzma.compress(b"not a tar"), lzma.compress(bytes(10_240))]
)
def test_another_file_is_no_archive(tmp_path, content):
    (tmp_path / "a.tar.xz").write_bytes(content)
    with pytest.raises(RftlabError, match="archive"):
        archive.manifest_of(tmp_path / "a.tar.xz")


def test_a_file_that_changes_while_it_is_packed_is_named_and_the_old_archive_stays(packed, tmp_path, monkeypatch):
    before = packed.read_bytes()
    monkeypatch.setattr(archive.checksums, "of_file", lambda path: entry(b"of a moment ago"))
    with pytest.raises(RftlabError, match="changed while it was packed"):
        archive.pack({"x.json": tmp_path / "source/grid.json"}, packed, {})
    assert packed.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.xz", "source"}


def test_an_archive_that_is_read_is_unpacked_once_and_gone_with_the_process(packed, tmp_path):
    code = (
        "import sys; from rftlab.files import archive\n"
        "first, second = archive.opened(sys.argv[1]), archive.opened(sys.argv[1])\n"
        "assert first == second and (first / 'grid.json').is_file(); print(first)"
    )
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(packed)], check=True, capture_output=True, text=True,
        env={"TMPDIR": str(tmp_path / "tmp"), "PATH": ""},
    )  # fmt: skip
    assert str(tmp_path / "tmp") in done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_folder_is_opened_as_it_is(tmp_path):
    assert archive.opened(tmp_path) == tmp_path
    assert archive.opened(tmp_path / "nothing") == tmp_path / "nothing"

"""Rows of a data file or of a Hugging Face dataset, as mappings from column to value, each with where it stands.

Text files as people have them: a byte-order mark, Excel's `;` and `sep=;`, its empty last rows and unnamed empty last
columns, tabs, another encoding than UTF-8 if it is named. What a row means is for `shapes` and `columns` to say.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from rftlab.errors import RftlabError, one_line, printable
from rftlab.files.hub import offline, refusal

Rows = Iterator[tuple[str, Mapping[str, Any]]]


class WrongEncoding(RftlabError):
    """A text file is of another encoding than the one it was read by."""


_SAMPLE_CHARS = 100_000
_SAMPLE_ROWS = 20
_DELIMITERS = (",", ";", "\t")
_EXCEL = (".xlsx", ".xls", ".ods")
_BINARY = (
    (b"PK\x03\x04", "a workbook (Excel, OpenDocument) or another zip archive; save the sheet as .csv (CSV UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel; save the sheet as .csv (CSV UTF-8)"),
    (b"PAR1", "a Parquet file; name it .parquet"),
    (b"ARROW1", "an Arrow file; save it as .parquet"),
    (b"\x1f\x8b", "compressed by gzip; put .gz behind its name"),
    (b"%PDF", "a PDF; give a table"),
    (b"<!DOCTYPE html", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
    (b"SQLite format 3", "a database; export the table as .csv"),
)
"""How files that are no text begin, and what each is, whatever it is called."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_rows(
    *,
    path: str = "",
    dataset: str = "",
    config: str | None = None,
    split: str = "train",
    encoding: str = "utf-8",
    delimiter: str = "",
) -> Rows:
    """Rows of a file or of a Hugging Face dataset, each with where it stands ("line 3").

    Args:
        path: a file of one of `SUFFIXES`, text also with .gz behind it; the hub's arguments are ignored if it is given.
        dataset: Hugging Face dataset id.
        config: its configuration name.
        split: its split.
        encoding: of a text file; a byte-order mark of UTF-8 is never part of the text.
        delimiter: what stands between the columns of a .csv or .tsv file, one character; "" finds out.

    Raises:
        RftlabError: while reading, naming the file and line of the first row that cannot be read.
        WrongEncoding: likewise, where it is text of another encoding.
    """
    if not path:
        yield from _hub_rows(dataset, config, split)
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise RftlabError(f"there is no data file {path}; give task_settings.path relative to the grid file")
    kind = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
    if kind not in _READERS or (kind == ".parquet" and file.suffix == ".gz"):
        how = "save the sheet as .csv (CSV UTF-8)" if kind in _EXCEL else f"give {', '.join(_READERS)}"
        how = "name it .tsv (tabs between its columns), .csv or .jsonl, whichever it is" if kind == ".txt" else how
        raise RftlabError(f"{path}: cannot read {file.suffix or 'a file without suffix'}; {how}")
    encoding = _codec(encoding)
    if len(delimiter) > 1 or (delimiter and delimiter in '"\r\n'):
        raise RftlabError(f"task_settings.delimiter is {delimiter!r}; give one character, such as ';'")
    try:
        if kind != ".parquet":
            _refuse_other(file, kind, encoding)
        yield from _READERS[kind](file, encoding, delimiter)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RftlabError(f"{path} is not a whole gzip file ({error}); compress it again, or drop the .gz") from None
    except OSError as error:
        raise RftlabError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeError:
        raise WrongEncoding(_other_encoding(file, encoding)) from None


def encoding_told(path: str | Path) -> str:
    """The encoding that a text file's first bytes tell: utf-16 or utf-32, with or without a mark; "" if they tell none.

    Raises:
        RftlabError: it cannot be read.
    """
    file = Path(path)
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            begin = stream.read(200)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or f"it is no whole gzip file ({error}); compress it again"
        raise RftlabError(f"cannot read {path}: {why}") from None
    marked = next((name for mark, name in _MARKS if begin.startswith(mark)), "")
    low, high = begin[::2], begin[1::2]
    if marked or not begin or file.name.removesuffix(".gz").endswith(".parquet"):
        return marked
    # Of Latin letters every other byte is 0.
    return "utf-16-le" if 2 * high.count(0) > len(high) else "utf-16-be" if 2 * low.count(0) > len(low) else ""


def _refuse_other(file: Path, kind: str, encoding: str) -> None:
    """Raise if a file that is called a text begins as something else does, or as text of another encoding."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        begin = stream.read(16)
    if what := next((what for mark, what in _BINARY if begin.startswith(mark)), ""):
        raise RftlabError(f"{file} is called {kind} and is {what}")
    if encoding == "utf-8-sig" and (told := encoding_told(file)):
        raise WrongEncoding(
            f"{file} is not UTF-8 text but begins as {told.upper()} does; set task_settings.encoding: {told}"
        )


def _codec(encoding: str) -> str:
    """The encoding under Python's own name, UTF-8 as the one that skips a byte-order mark."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses codecs that are no encodings of text, such as base64
    except (LookupError, ValueError):
        raise RftlabError(
            f"task_settings.encoding {printable(encoding)!r} is no encoding of text; give such as utf-8, cp1252, utf-16"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _open(file: Path, encoding: str, newline: str | None = None) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding=encoding, newline=newline)  # type: ignore[return-value]
    return file.open(encoding=encoding, newline=newline)


def _other_encoding(file: Path, encoding: str) -> str:
    """The sentence on a text that is not of this encoding: the line, and the encoding it may be of."""
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    called = "UTF-8" if encoding == "utf-8-sig" else encoding
    try:
        content.decode(encoding)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
    else:  # only the decoder of streams minded
        start = 0
    line = content.count(b"\n", 0, start) + 1
    advice = "name the encoding it has in task_settings.encoding, or save it as UTF-8"
    if encoding == "utf-8-sig":
        begin, end = content.rfind(b"\n", 0, start) + 1, content.find(b"\n", start)
        around = content[max(begin, start - 12) : min(end if end > 0 else len(content), start + 13)]
        try:
            shown = printable(around.decode("cp1252").strip())
            advice = f"as cp1252 (Windows) it reads {shown!r}: if that is right, set task_settings.encoding: cp1252"
        except UnicodeError:
            pass
    return f"{file}, line {line}: not {called} text (byte 0x{content[start : start + 1].hex()}); {advice}"


def _jsonl_rows(file: Path, encoding: str, _delimiter: str) -> Rows:
    with _open(file, encoding) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                if "digits" in str(error):
                    error = ValueError("a number of thousands of digits; put it in quotes")
                raise RftlabError(f"{file}, line {number}: not valid JSON ({error}); mend or drop the line") from None
            if not isinstance(row, dict):
                hint = (
                    "name a file that is one list of rows .json" if isinstance(row, list) else "mend or drop the line"
                )
                raise RftlabError(f"{file}, line {number}: {_called(row)}, not an object with columns; {hint}")
            yield f"line {number}", row


def _called(value: Any) -> str:
    """A JSON value that is no object, in words."""
    named = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return named.get(type(value), "a number")


def _json_rows(file: Path, encoding: str, _delimiter: str) -> Rows:
    with _open(file, encoding) as stream:
        text = stream.read()
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RftlabError(f"{file}: not valid JSON ({error}); for one object per line use the suffix .jsonl") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RftlabError(f"{file}: expected a list of objects; for one object per line use the suffix .jsonl")
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _tsv_rows(file: Path, encoding: str, delimiter: str) -> Rows:
    yield from _csv_rows(file, encoding, delimiter or "\t")


def _csv_rows(file: Path, encoding: str, delimiter: str) -> Rows:
    with _open(file, encoding, newline="") as stream:
        said = re.fullmatch(r'"?sep=(.)"?', stream.readline().rstrip("\r\n"))  # Excel's own first line
        begin, before = (stream.tell(), 1) if said else (0, 0)
        stream.seek(begin)
        delimiter = delimiter or (said[1] if said else _delimiter(stream.read(_SAMPLE_CHARS), file))
        stream.seek(begin)
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        begun = before + 1
        try:
            names = _header(next(reader, []), file)
            begun = reader.line_num + before + 1
            for fields in reader:
                if any("\0" in field for field in fields):
                    raise RftlabError(
                        f"{file}, line {reader.line_num + before}: holds a NUL byte (0x00), which is no text; the file "
                        "may be of another encoding or damaged: save it anew, or take the byte out"
                    )
                if any(field.strip() for field in fields):
                    where = f"line {reader.line_num + before}"
                    yield where, _row(names, fields, f"{file}, {where}")
                begun = reader.line_num + before + 1
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise RftlabError(
                    f"{file}: a double quote in the row that begins in line {begun} is never closed; close it, or "
                    'write it twice ("") where it is part of the text'
                ) from None
            how = (
                "close a quote that is open, or give such texts as .jsonl" if "limit" in str(error) else "mend the line"
            )
            raise RftlabError(f"{file}, line {reader.line_num + before}: not valid CSV ({error}); {how}") from None


def _delimiter(sample: str, file: Path) -> str:
    """What stands between the columns: that which gives the first rows as many fields as the header has, above one."""
    counts = {each: _fields(sample, each) for each in _DELIMITERS}
    even = [each for each, fields in counts.items() if fields[0] > 1 and set(fields) == {fields[0]}]
    if len(even) > 1:
        raise RftlabError(
            f"{file} is a table with {even[0]!r} between its columns and also with {even[1]!r}; "
            "say which with task_settings.delimiter"
        )
    return even[0] if even else max(counts, key=lambda each: counts[each][0])


def _fields(sample: str, delimiter: str) -> list[int]:
    """Number of fields of the first rows that say anything; [0] if they cannot be read so."""
    try:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error:
        return [0]
    if len(sample) == _SAMPLE_CHARS:  # the last row may be cut
        rows = rows[:-1]
    return [len(row) for row in rows[:_SAMPLE_ROWS]] or [0]


def _header(names: list[str], file: Path) -> list[str]:
    names = [name.strip() for name in names]
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice is not None:
        raise RftlabError(f"{file}: two columns are called {twice!r}; rename one")
    return names


def _row(names: list[str], fields: list[str], where: str) -> dict[str, str]:
    """A row by column; fields without a name may be empty, and are left out."""
    if len(fields) < len(names) or any(field.strip() for field in fields[len(names) :]):
        raise RftlabError(
            f"{where}: number of fields differs from the header's ({len(fields)}, not {len(names)}); "
            "a text that holds the delimiter stands in double quotes"
        )
    for number, (name, field) in enumerate(zip(names, fields, strict=False), start=1):
        if not name and field.strip():
            raise RftlabError(f"{where}: column {number} holds {field[:40]!r} and has no name; name it in the header")
    return {name: field for name, field in zip(names, fields, strict=False) if name}


def _parquet_rows(file: Path, _encoding: str, _delimiter: str) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise RftlabError(f"{file}: not a Parquet file ({one_line(str(error))}); write it again") from None
    yield from ((f"row {number}", row) for number, row in enumerate(table.to_pylist(), start=1))


_READERS = {
    ".jsonl": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".parquet": _parquet_rows,
}
SUFFIXES = (*_READERS, *(f"{kind}.gz" for kind in _READERS if kind != ".parquet"))


def _hub_rows(dataset: str, config: str | None, split: str) -> Rows:
    import datasets

    why = refusal("dataset", dataset)
    try:
        with offline() if why else nullcontext():  # what was loaded before lies on this machine
            rows = datasets.load_dataset(dataset, config, split=split)
    except Exception as error:
        reason = why or (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RftlabError(
            f"dataset {dataset!r} cannot be loaded: {reason}; check the id, or give a file instead"
        ) from error
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))

"""Your own data: a JSONL, JSON, CSV or Parquet file, or a Hugging Face dataset id, with mappable columns."""

import csv
import gzip
import json
import random
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError, printable
from rftlab.files.hub import offline, refusal
from rftlab.tasks.base import OTHER, Example, Task, normalise_prompt

_FIELDS = ("prompt", "answer", "rationale")


def load(
    *,
    path: str = "",
    test_path: str = "",
    ood_path: str | Mapping[str, str] = "",
    dataset: str = "",
    config: str | None = None,
    split: str = "train",
    test_split: str = "",
    columns: Mapping[str, Any] | None = None,
    answer_after: str = "",
    drop_pattern: str = "",
    verifier: str = "exact",
    verifier_settings: Mapping[str, Any] | None = None,
    test_share: float = 0.3,
    split_seed: int = 0,
    card: str = "",
) -> Task:
    """Task from a file or a dataset id.

    Args:
        path: training rows, or all rows if there is no ``test_path``; .jsonl, .json, .csv or .parquet.
        test_path: held-out rows.
        ood_path: out-of-distribution rows; or kind -> rows, of the kinds "rule" (another rule than what is trained on)
            and "surface" (the same rule in other words).
        dataset: Hugging Face dataset id, instead of ``path``.
        config: its configuration name.
        split: its training split.
        test_split: its test split; empty holds out ``test_share`` of ``split``.
        columns: prompt, answer, rationale -> column name; `meta` -> list of further columns the verifier reads.
        answer_after: marker that separates rationale from answer inside the answer column (GSM8K: "####").
        drop_pattern: regular expression removed from rationales (GSM8K's calculator notes: "<<.*?>>").
        verifier: registered name or path.py:function.
        verifier_settings: its settings.
        test_share: share held out where there is no test part, in (0, 1).
        split_seed: seed of that split.
        card: where the data comes from, its licence, what it cannot tell.

    Raises:
        RftlabError: naming the file and line of the first row that cannot be used.
    """
    if bool(path) == bool(dataset):
        raise RftlabError("task 'file' needs either task_settings.path (a file) or task_settings.dataset (a hub id)")
    mapping = _mapping(columns or {})
    read = _Reader(mapping, answer_after, drop_pattern)
    if dataset:
        train = read.rows(_hub_rows(dataset, config, split), f"{dataset}[{split}]")
        test = read.rows(_hub_rows(dataset, config, test_split), f"{dataset}[{test_split}]") if test_split else []
    else:
        train = read.file(path)
        test = read.file(test_path) if test_path else []
    if not test:
        train, test = hold_out(train, test_share, split_seed)
    beyond = ood_path if isinstance(ood_path, Mapping) else {OTHER: ood_path} if ood_path else {}
    return Task(
        name=dataset or Path(path).stem,
        card=card or f"Rows of {dataset or path}; verified by {verifier}. Licence and limits are those of your data.",
        train=tuple(train),
        test=tuple(test),
        ood={kind: tuple(read.file(path)) for kind, path in beyond.items()},
        verifier=verifier,
        verifier_settings=dict(verifier_settings or {}),
    )


def _mapping(columns: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(columns) - {*_FIELDS, "meta"})
    if unknown:
        raise RftlabError(
            f"task_settings.columns maps unknown field {unknown[0]!r}; known: prompt, answer, rationale, meta"
        )
    return {"prompt": "prompt", "answer": "answer", "rationale": None, "meta": [], **columns}


class _Reader:
    """Rows of a file to examples, with errors that name the line."""

    def __init__(self, mapping: Mapping[str, Any], answer_after: str, drop_pattern: str) -> None:
        self._mapping, self._marker = mapping, answer_after
        try:
            self._drop = re.compile(drop_pattern) if drop_pattern else None
        except re.error as error:
            raise RftlabError(
                f"task_settings.drop_pattern {drop_pattern!r} is not a regular expression: {error}"
            ) from None

    def file(self, path: str) -> list[Example]:
        return self.rows(read_rows(path=path), str(path))

    def rows(self, rows: Iterator[tuple[str, Mapping[str, Any]]], source: str) -> list[Example]:
        examples = [self._example(row, f"{source}, {where}", number) for number, (where, row) in enumerate(rows)]
        if not examples:
            raise RftlabError(f"{source} holds no rows; add some, one per line")
        return examples

    def _example(self, row: Mapping[str, Any], where: str, number: int) -> Example:
        prompt = self._text(row, "prompt", where)
        answer = self._text(row, "answer", where)
        rationale: str | None = None
        if self._mapping["rationale"]:
            rationale = self._text(row, "rationale", where, optional=True)
        elif "rationale" in row and self._mapping["rationale"] is None:
            rationale = self._text(
                {"rationale": row["rationale"]}, "rationale", where, optional=True, column="rationale"
            )
        if self._marker:
            before, found, answer = answer.rpartition(self._marker)
            if not found:
                raise RftlabError(
                    f"{where}: the answer holds no {self._marker!r} (task_settings.answer_after); mend the row"
                )
            rationale, answer = before.strip(), answer.strip()
        if self._drop and rationale:
            rationale = self._drop.sub("", rationale)
        if not prompt.strip() or not answer.strip():
            raise RftlabError(
                f"{where}: the {'prompt' if answer.strip() else 'answer'} is empty; fill it or drop the row"
            )
        meta = {column: _jsonable(row.get(column)) for column in self._mapping["meta"]}
        return Example(f"{number:06d}-{_short_hash(prompt)}", prompt.strip(), answer.strip(), rationale or None, meta)

    def _text(self, row: Mapping[str, Any], field: str, where: str, *, optional: bool = False, column: str = "") -> str:
        column = column or self._mapping[field]
        value = row.get(column)
        if value is None or value != value:
            if optional:
                return ""
            if column in row:
                raise RftlabError(f"{where}: the {field} (column {column!r}) is empty; fill it or drop the row")
            raise RftlabError(
                f"{where}: no column {column!r} for the {field}; it has {', '.join(map(str, row)) or 'none'}; "
                f"map it with task_settings.columns.{field}"
            )
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                half = printable(value[error.start : error.end])
                raise RftlabError(f"{where}: column {column!r} holds half a character ({half}); mend the row") from None
            return value
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        raise RftlabError(f"{where}: column {column!r} holds a {type(value).__name__}, not a text or a number")


def read_rows(
    *, path: str = "", dataset: str = "", config: str | None = None, split: str = "train"
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows of a file or of a Hugging Face dataset, each with where it stands ("line 3").

    Args:
        path: .jsonl (also .jsonl.gz), .json, .csv or .parquet; the rest of the arguments is ignored if it is given.
        dataset: Hugging Face dataset id.
        config: its configuration name.
        split: its split.

    Raises:
        RftlabError: while reading, naming the file and line of the first row that cannot be read.
    """
    if not path:
        yield from _hub_rows(dataset, config, split)
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise RftlabError(f"there is no data file {path}; give task_settings.path relative to the grid file")
    kind = "".join(file.suffixes[-2:]) if file.suffix == ".gz" else file.suffix
    if kind not in _READERS:
        raise RftlabError(
            f"{path}: cannot read {kind or 'a file without suffix'}; give .jsonl, .json, .csv or .parquet"
        )
    try:
        yield from _READERS[kind](file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RftlabError(f"{path} is not a whole gzip file ({error}); compress it again, or drop the .gz") from None
    except OSError as error:
        raise RftlabError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise RftlabError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); re-encode it") from None


def _jsonl_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RftlabError(f"{file}, line {number}: not valid JSON ({error}); mend or drop the line") from None
            if not isinstance(row, dict):
                raise RftlabError(f"{file}, line {number}: a {type(row).__name__}, not an object with columns")
            yield f"line {number}", row


def _json_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RftlabError(f"{file}: not valid JSON ({error}); for one object per line use the suffix .jsonl") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RftlabError(f"{file}: expected a list of objects; for one object per line use the suffix .jsonl")
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _csv_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise RftlabError(f"{file}, line {reader.line_num}: number of fields differs from the header's")
                yield f"line {reader.line_num}", row
        except csv.Error as error:
            raise RftlabError(f"{file}, line {reader.line_num}: not valid CSV ({error})") from None


def _parquet_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise RftlabError(f"{file}: not a Parquet file ({error})") from None
    yield from ((f"row {number}", row) for number, row in enumerate(table.to_pylist(), start=1))


_READERS = {
    ".jsonl": _jsonl_rows,
    ".jsonl.gz": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}


def _hub_rows(dataset: str, config: str | None, split: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
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


def hold_out(rows: list[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Training and held-out rows, split by distinct prompt, so that a row given twice stays on one side.

    Args:
        rows: all of them.
        share: share of the distinct prompts held out, in (0, 1); at least one.
        seed: which ones.

    Raises:
        RftlabError: the share is not inside (0, 1).
    """
    if not 0 < share < 1:
        raise RftlabError(f"task_settings.test_share is {share}; give a share between 0 and 1")
    prompts = list(dict.fromkeys(normalise_prompt(row.prompt) for row in rows))
    random.Random(f"hold-out-{seed}").shuffle(prompts)
    held = set(prompts[: max(1, round(share * len(prompts)))])
    return (
        [row for row in rows if normalise_prompt(row.prompt) not in held],
        [row for row in rows if normalise_prompt(row.prompt) in held],
    )


def _short_hash(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))

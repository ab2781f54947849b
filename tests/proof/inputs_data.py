"""Data that cannot be trained on: files of every format, damaged and disguised, and settings that do not fit them."""

import gzip
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from tests.proof.inputs_tried import MODEL_S, Bad, Content

_ROWS = [{"prompt": f"How much is {n} plus {n}?", "answer": str(2 * n)} for n in range(40)]
_LINES = [json.dumps(row) + "\n" for row in _ROWS]
_TABLE = "prompt,answer\n" + "".join(f"{row['prompt']},{row['answer']}\n" for row in _ROWS)
_GOOD = "".join(_LINES)


def _with(line: str) -> str:
    """Good rows, with another line as their third."""
    return "".join([*_LINES[:2], f"{line}\n", *_LINES[2:]])


def _row(**values: Any) -> str:
    return _with(json.dumps({**_ROWS[2], **values}))


def _parquet(table: Mapping[str, list[Any]]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(table)), file)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def _database(path: Path) -> None:
    with sqlite3.connect(path) as made:
        made.execute("create table rows (prompt text)")
    made.close()


_DEEP = '{"prompt": "a", "answer": ' + "[" * 50_000 + "]" * 50_000 + "}"
_FILES: dict[str, tuple[str, Content]] = {
    "not JSON": ("d.jsonl", _with("not json")),
    "cut off": ("d.jsonl", _GOOD[:-20]),
    "a list for a row": ("d.jsonl", _with("[1]")),
    "a number for a row": ("d.jsonl", _with("7")),
    "null for a row": ("d.jsonl", _with("null")),
    "single quotes": ("d.jsonl", _with("{'prompt': 'a'}")),
    "a comma too many": ("d.jsonl", _with('{"prompt": "a", "answer": "b",}')),
    "two rows in a line": ("d.jsonl", _with(_LINES[0].strip() * 2)),
    "half a character as prompt": ("d.jsonl", _with('{"prompt": "\\ud800", "answer": "1"}')),
    "half a character as answer": ("d.jsonl", _with('{"prompt": "a", "answer": "\\udfff"}')),
    "half a character as a column": ("d.jsonl", _with('{"\\ud800": "a", "answer": "1"}')),
    "thousands of digits": ("d.jsonl", _with('{"prompt": "a", "answer": ' + "9" * 6000 + "}")),
    "deep nesting": ("d.jsonl", _with(_DEEP)),
    "NaN as answer alone": ("d.jsonl", "".join(json.dumps({**r, "answer": float("nan")}) + "\n" for r in _ROWS)),
    "infinite as answer": ("d.jsonl", _with('{"prompt": "a", "answer": Infinity}')),
    "an object as prompt": ("d.jsonl", _row(prompt={"a": 1})),
    "a list as prompt": ("d.jsonl", _row(prompt=[1, 2])),
    "an empty prompt": ("d.jsonl", _row(prompt="")),
    "blanks as prompt": ("d.jsonl", _row(prompt=" \t ")),
    "null as prompt": ("d.jsonl", _row(prompt=None)),
    "no answer in any row": ("d.jsonl", "".join(json.dumps({**row, "answer": ""}) + "\n" for row in _ROWS)),
    "no answer column": ("d.jsonl", "".join(json.dumps({"prompt": row["prompt"]}) + "\n" for row in _ROWS)),
    "no prompt column": ("d.jsonl", "".join(json.dumps({"answer": row["answer"]}) + "\n" for row in _ROWS)),
    "other columns": ("d.jsonl", "".join(json.dumps({"x": 1, "y": 2}) + "\n" for _ in _ROWS)),
    "a column misspelt in one row": ("d.jsonl", _with('{"promt": "a", "answer": "1"}')),
    "rows of two shapes": ("d.jsonl", _with('{"messages": [{"role": "user", "content": "a"}]}')),
    "one row": ("d.jsonl", _LINES[0]),
    "one row forty times": ("d.jsonl", _LINES[0] * 40),
    "empty": ("d.jsonl", ""),
    "blank lines": ("d.jsonl", "\n\n \n"),
    "a mark alone": ("d.jsonl", b"\xef\xbb\xbf"),
    "Latin-1": ("d.jsonl", _with('{"prompt": "café", "answer": "1"}').encode("latin-1")),
    "UTF-16": ("d.jsonl", _GOOD.encode("utf-16")),
    "UTF-16 without a mark": ("d.jsonl", _GOOD.encode("utf-16-be")),
    "UTF-32": ("d.jsonl", _GOOD.encode("utf-32")),
    "random bytes": ("d.jsonl", bytes(range(256)) * 40),
    "NUL bytes": ("d.jsonl", _GOOD.encode() + b"\x00" * 2000),
    "a list of rows": ("d.jsonl", json.dumps(_ROWS)),
    "a row of 10 MB": ("d.jsonl", _row(prompt="word " * 2_000_000)),
    "an answer of 1 MB": ("d.jsonl", _row(answer="9" * 1_000_000)),
    "called gzip": ("d.jsonl.gz", _GOOD),
    "gzip cut off": ("d.jsonl.gz", gzip.compress(_GOOD.encode())[:-30]),
    "gzip twice": ("d.jsonl.gz", gzip.compress(gzip.compress(_GOOD.encode()))),
    "gzip of nothing": ("d.jsonl.gz", gzip.compress(b"")),
    "gzip unnamed": ("d.jsonl", gzip.compress(_GOOD.encode())),
    "gzip damaged": ("d.csv.gz", gzip.compress(_TABLE.encode())[:40] + b"\xff" * 30),
    "a picture": ("d.jsonl", b"\x89PNG\r\n\x1a\n" + bytes(200)),
    "a PDF": ("d.csv", b"%PDF-1.7\n"),
    "a workbook": ("d.xlsx", _zip()),
    "a workbook called csv": ("d.csv", _zip()),
    "a workbook called jsonl": ("d.jsonl", _zip()),
    "an old workbook": ("d.xls", b"\xd0\xcf\x11\xe0" + bytes(500)),
    "a web page": ("d.csv", "<!DOCTYPE html><p>Not found</p>"),
    "a database": ("d.csv", _database),
    "an open document": ("d.ods", _zip()),
    "a text": ("d.txt", "a b c\n"),
    "no suffix": ("d", _GOOD),
    "YAML called json": ("d.json", "- prompt: a\n"),
    "csv: a quote never closed": ("d.csv", _TABLE.replace("How much is 7", '"How much is 7')),
    "csv: a field too many": ("d.csv", _TABLE + "a,b,c\n"),
    "csv: a field too few": ("d.csv", _TABLE + "a\n"),
    "csv: a column twice": ("d.csv", _TABLE.replace("prompt,answer", "prompt,prompt")),
    "csv: no header": ("d.csv", _TABLE.partition("\n")[2]),
    "csv: header alone": ("d.csv", "prompt,answer\n"),
    "csv: empty": ("d.csv", ""),
    "csv: one column": ("d.csv", "prompt\na\nb\n"),
    "csv: commas": ("d.csv", ",,,\n,,,\n"),
    "csv: two delimiters": ("d.csv", "prompt,a;answer,b\n1,2;3,4\n5,6;7,8\n"),
    "csv: NUL": ("d.csv", _TABLE.replace("is 7 plus", "is\x007 plus")),
    "csv: Latin-1": ("d.csv", _TABLE.replace("is 7 plus", "café").encode("latin-1")),
    "csv: UTF-16": ("d.csv", _TABLE.encode("utf-16")),
    "csv: a field of 300 000": ("d.csv", _TABLE + f"{'x' * 300_000},1\n"),
    "csv: a header of 10 000 columns": ("d.csv", ",".join(f"c{n}" for n in range(10_000)) + "\n"),
    "csv: carriage returns": ("d.csv", _TABLE.replace("\n", "\r").replace("prompt", "promt")),
    "tsv: commas": ("d.tsv", _TABLE),
    "tsv: ragged": ("d.tsv", "prompt\tanswer\na\tb\tc\n"),
    "tsv: empty": ("d.tsv", ""),
    "json: not JSON": ("d.json", "[{]"),
    "json: an object": ("d.json", json.dumps({"rows": _ROWS})),
    "json: lines": ("d.json", _GOOD),
    "json: numbers": ("d.json", "[1, 2]"),
    "json: empty list": ("d.json", "[]"),
    "json: null": ("d.json", "null"),
    "json: deep": ("d.json", "[" * 100_000),
    "json: lists": ("d.json", "[[1], [2]]"),
    "json: empty": ("d.json", ""),
    "parquet: text": ("d.parquet", _GOOD),
    "parquet: cut off": ("d.parquet", _parquet({"prompt": ["a"] * 500, "answer": ["1"] * 500})[:-50]),
    "parquet: empty": ("d.parquet", b""),
    "parquet: no rows": ("d.parquet", _parquet({"prompt": [], "answer": []})),
    "parquet: bytes": ("d.parquet", _parquet({"prompt": [b"\xff\xfe"] * 20, "answer": [b"\x00"] * 20})),
    "parquet: other columns": ("d.parquet", _parquet({"x": [1, 2], "y": [3, 4]})),
    "parquet: damaged": ("d.parquet", b"PAR1" + bytes(300) + b"PAR1"),
    "parquet: nulls": ("d.parquet", _parquet({"prompt": [None, None], "answer": [None, None]})),
    "a folder": ("d.jsonl", lambda path: path.mkdir()),
    "a pipe": ("d.jsonl", os.mkfifo),
    "a link to nothing": ("d.jsonl", lambda path: path.symlink_to("none.jsonl")),
    "a link to itself": ("d.csv", lambda path: path.symlink_to("d.csv")),
    "ShareGPT without words": ("d.jsonl", '{"conversations": []}\n' * 9),
    "chat without an answer": ("d.jsonl", '{"messages": [{"role": "user", "content": "a"}]}\n' * 9),
    "chat of numbers": ("d.jsonl", '{"messages": [1, 2]}\n' * 9),
    "chat of no role": ("d.jsonl", '{"messages": [{"content": "a"}, {"content": "b"}]}\n' * 9),
    "a chat that is text": ("d.jsonl", '{"messages": "hello"}\n' * 9),
    "Alpaca without output": ("d.jsonl", '{"instruction": "a", "input": "b"}\n' * 9),
}
# What is wrong with data that can be read, by the setting that makes it so.
_SETTINGS: dict[str, dict[str, Any]] = {
    "a column that is not there": {"columns": {"prompt": "question"}},
    "an unknown field": {"columns": {"question": "prompt"}},
    "columns of numbers": {"columns": {"prompt": 3}},
    "columns of a list": {"columns": ["prompt"]},
    "columns of a text": {"columns": "prompt"},
    "meta of a column that is not there": {"columns": {"meta": ["gone"]}},
    "meta of a number": {"columns": {"meta": 3}},
    "choices of one column": {"columns": {"choices": ["answer"]}},
    "choices that are not there": {"columns": {"choices": ["A", "B"]}},
    "one column for both": {"columns": {"prompt": "answer", "answer": "answer"}},
    "a template without end": {"prompt": "Say {prompt"},
    "a template of no column": {"prompt": "{question}?"},
    "a template of a number": {"prompt": 3},
    "a template and a column": {"prompt": "{prompt}", "columns": {"prompt": "prompt"}},
    "attributes in a template": {"prompt": "{prompt.__class__}"},
    "instructions of a number": {"instructions": 3},
    "classes of one": {"classes": ["a"]},
    "classes of none": {"classes": []},
    "classes of a text": {"classes": "a, b"},
    "classes of a number": {"classes": 3},
    "a marker that is not there": {"answer_after": "####"},
    "a marker of a number": {"answer_after": 3},
    "half a pattern": {"drop_pattern": "(a"},
    "a pattern of a number": {"drop_pattern": 3},
    "no such shape": {"shape": "qa"},
    "another shape": {"shape": "alpaca"},
    "a shape of a number": {"shape": 3},
    "no such encoding": {"encoding": "utf-9"},
    "an encoding of bytes": {"encoding": "base64"},
    "an encoding of a number": {"encoding": 8},
    "another encoding": {"encoding": "utf-16"},
    "a long delimiter": {"delimiter": "::"},
    "a delimiter of a number": {"delimiter": 1},
    "a decimal of a dash": {"decimal": "-"},
    "a decimal of a number": {"decimal": 1},
    "a share of 0": {"test_share": 0},
    "a share of 1": {"test_share": 1},
    "a share of 2": {"test_share": 2},
    "a share of a text": {"test_share": "half"},
    "a share that is none": {"test_share": float("nan")},
    "one fold": {"folds": 1},
    "folds of a text": {"folds": "five"},
    "more folds than rows": {"folds": 99},
    "folds and a test part": {"folds": 5, "test_share": 0.2},
    "folds below 0": {"folds": -5},
    "a seed of a text": {"split_seed": "x"},
    "a name of slashes": {"name": "../up"},
    "a name of a number": {"name": 3},
    "a name of controls": {"name": "a\u202eb"},
    "a card of a number": {"card": 3},
    "two sources": {"dataset": "nobody/nothing"},
    "a test file that is not there": {"test_path": "none.jsonl"},
    "the same file as test": {"test_path": "d.jsonl"},
    "a test file of a number": {"test_path": 3},
    "prompts that are not there": {"prompts_path": "none.jsonl"},
    "other rows that are not there": {"ood_path": "none.jsonl"},
    "other rows of no kind": {"ood_path": {"strange": "d.jsonl"}},
    "a setting that is none": {"columms": {}},
    "no such verifier": {"verifier": "exactly"},
    "a verifier of a number": {"verifier": 3},
    "settings of no verifier": {"verifier_settings": {"x": 1}},
    "settings of a text": {"verifier_settings": "x"},
    "a path of a number": {"path": 3},
    "a path of a list": {"path": ["d.jsonl"]},
    "a path of nothing": {"path": ""},
    "a path of NUL": {"path": "a\0.jsonl"},
    "a path up": {"path": "../../../none.jsonl"},
    "a verifier of JSON": {"verifier": "json-schema"},
    "a verifier of code": {"verifier": "code"},
    "a verifier of SQL": {"verifier": "sql"},
}
_PLACE = r"\bd\b|d\.\w+|task_settings|task 'd'|task file|line \d|verifier|example"


def _grid(settings: Mapping[str, Any], **more: Any) -> str:
    body = {"task": "file", "method": "grpo", "labels": 5, "evaluation.along_items": 4, **more}
    return json.dumps({**body, "task_settings": {"path": "d.jsonl", **settings}}, allow_nan=True)


def _files() -> Iterator[Bad]:
    for what, (name, content) in _FILES.items():
        grid = _grid({"path": name})
        run = ("run", "g.yaml", "--kernel", "cold")
        yield Bad(f"data: {what}", run, {"g.yaml": grid, name: content}, _PLACE, seconds=MODEL_S)


def _verbs() -> Iterator[Bad]:
    """The verbs that look at data alone."""
    for verb in ("check", "new", "advise"):
        for what in (
            "not JSON",
            "empty",
            "Latin-1",
            "called gzip",
            "csv: a quote never closed",
            "parquet: cut off",
            "a workbook",
            "json: deep",
            "a pipe",
            "other columns",
            "a folder",
            "half a character as prompt",
            "csv: empty",
            "NUL bytes",
            "one row",
            "a list for a row",
        ):
            if (verb, what) == ("new", "Latin-1"):  # it finds out the encoding
                continue
            name, content = _FILES[what]
            yield Bad(
                f"{verb} of data: {what}", (verb, name), {name: content}, _PLACE, (1, 2) if verb == "check" else (2,)
            )


def _settings() -> Iterator[Bad]:
    for what, settings in _SETTINGS.items():
        text = _grid(settings).replace("NaN", ".nan")
        files = {"g.yaml": text, "d.jsonl": _GOOD}
        yield Bad(
            f"data with {what}", ("run", "g.yaml", "--kernel", "cold"), files, f"{_PLACE}|g.yaml", seconds=MODEL_S
        )


def _checked() -> Iterator[Bad]:
    """Data that a check must not pass, with 1 for an exit code."""
    twice = _GOOD + json.dumps({**_ROWS[3], "answer": "7"}) + "\n"
    prose = "".join(json.dumps({**row, "answer": f"well, {row['answer']} or so"}) + "\n" for row in _ROWS)
    for what, text, verifier, says in (
        ("answers that contradict each other", twice, "exact", "contradict|two answers|different answers|other answer"),
        ("gold that no number is", prose, "numeric", "gold"),
    ):
        yield Bad(
            f"check: {what}",
            ("check", "d.jsonl", "--verifier", verifier),
            {"d.jsonl": text},
            says,
            (1, 2),
            seconds=MODEL_S,
        )


DATA = [*_files(), *_verbs(), *_settings(), *_checked()]

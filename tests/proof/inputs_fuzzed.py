"""Inputs that chance makes: grid files, rows of data and cells, each of which is read or refused in one sentence."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rftlab.cell import Cell, parameter_names
from rftlab.errors import RftlabError
from rftlab.execute.one_cell import read_cell
from rftlab.grid import Grid
from rftlab.grid.keys import KEYS
from rftlab.tasks import file as of_file
from rftlab.tasks.base import load_task
from tests.proof.inputs_tried import QUICK_S, put
from tests.proof.proof import Case

_TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "",
        " ",
        "x",
        "../x",
        "a.py:f",
        "~",
        "{}",
        "[]",
        "\x00",
        "\ud800",
        "\u202e",
        "1e999",
        "nan",
        "-1",
        "tiny-base",
        "sft",
        "grpo",
        "arithmetic/word",
        "exact",
        "\r\n",
        "# ",
        ": ",
        "a: b",
        "'",
        '"',
        "${HOME}",
        "{{ 1 }}",
        "%s",
        "\\",
        "é",
        "٣",
    ]
)
_NUMBERS = (
    st.integers() | st.integers(-3, 400) | st.floats() | st.sampled_from([0, 1, 2**31, 2**63, 10**30, 0.5, 1e-300])
)
_SCALARS = st.none() | st.booleans() | _NUMBERS | _TEXT
_VALUES = st.recursive(
    _SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(_TEXT, each, max_size=3), max_leaves=6
)
_NAMES = st.sampled_from([*parameter_names().values(), *parameter_names(), *KEYS, "when", "set", "<<"])
_GROUPS = st.dictionaries(
    st.sampled_from(["when", "set", "seed", "method", "labels", "seeds", "amount", "r"]), _VALUES, max_size=3
)
_GRID = st.dictionaries(_NAMES, _VALUES | _GROUPS | st.lists(_GROUPS, max_size=2), min_size=1, max_size=4)
_PIECES = st.lists(
    st.sampled_from(
        [
            "method",
            "labels",
            "settings",
            "include",
            ": ",
            ":",
            "\n",
            "  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&a ",
            "*a",
            "<<: ",
            "!!int ",
            "!x ",
            "~",
            "7",
            "0x",
            "1_0",
            ".nan",
            "yes",
            "'",
            '"',
            "|\n",
            ">-\n",
            "#",
            "? ",
            "---\n",
            "...",
            "2026-01-01",
            "\t",
            "\x85",
            "\ufeff",
            "é",
            "%TAG",
        ]
    ),
    max_size=18,
).map("".join)
_ROW = st.dictionaries(
    st.sampled_from(
        ["prompt", "answer", "question", "completion", "messages", "rationale", "input", "output", "x", ""]
    ),
    _VALUES
    | st.lists(
        st.dictionaries(st.sampled_from(["role", "content", "from", "value"]), _SCALARS, max_size=3), max_size=2
    ),
    max_size=4,
)
_DATA_SETTINGS = st.dictionaries(
    st.sampled_from(
        [
            "columns",
            "prompt",
            "classes",
            "answer_after",
            "shape",
            "test_share",
            "folds",
            "instructions",
            "decimal",
            "drop_pattern",
            "encoding",
            "delimiter",
            "name",
            "verifier",
            "verifier_settings",
            "split_seed",
            "card",
        ]
    ),
    _VALUES | st.just({"prompt": "prompt", "answer": "answer"}),
    max_size=2,
)


def grids(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Grid files made of the words of grids, of pieces of YAML, and of other bytes."""
    path = folder / "g.yaml"

    def read(content: str | bytes) -> None:
        put(path, content)
        assert Grid.load(path).cells

    dumped = _GRID.map(
        lambda values: json.dumps(values, allow_nan=True).replace("NaN", ".nan").replace("Infinity", ".inf")
    )
    yield from _fuzzed(dumped | _PIECES | st.text(max_size=60) | st.binary(max_size=60), read, count, chance)


def cells(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Cells by their parameters, by a notebook's variables, and from files."""
    path = folder / "c.json"

    def read(values: Any) -> None:
        put(path, json.dumps(values))
        for make in (lambda: Cell.make(values), lambda: Cell.from_parameters(values), lambda: read_cell(path)):
            _one_sentence(make)

    yield from _fuzzed(st.dictionaries(_NAMES, _VALUES, max_size=4), read, count, chance)


def rows(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Rows of data in every format of text, and bytes that are none."""

    def read(drawn: tuple[str, list[Any], bytes, dict[str, Any]]) -> None:
        kind, made, raw, given = drawn
        path = folder / f"d.{kind}"
        texts = {"jsonl": "\n".join(map(json.dumps, made)), "json": json.dumps(made)}
        put(path, raw or texts.get(kind) or "\n".join(",".join(map(str, row.values())) for row in made))
        task = load_task("file", {**given, "path": str(path)})
        assert task.train or task.prompts
        assert of_file

    drawn = st.tuples(
        st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz"]),
        st.lists(_ROW, max_size=6),
        st.just(b"") | st.just(b"") | st.binary(max_size=80),
        _DATA_SETTINGS,
    )
    yield from _fuzzed(drawn, read, count, chance)


def _one_sentence(make: Callable[[], object]) -> None:
    """Call it; a refusal is one printable sentence."""
    try:
        make()
    except RftlabError as error:
        said = str(error)
        if not said.strip() or not said.isprintable():
            raise AssertionError(f"no printable sentence: {said[:200]!a}") from None


def _fuzzed(
    inputs: st.SearchStrategy[Any], read: Callable[[Any], object], count: int, chance: Random
) -> Iterator[Case]:
    """Each input that is drawn, and how it fell short: it raised something else, or nothing printable."""
    found: list[Case] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(chance.getrandbits(32))
    @given(inputs)
    def tried(value: Any) -> None:
        began, short = time.monotonic(), ""
        try:
            _one_sentence(lambda: read(value))
        except Exception as error:
            short = f"{type(error).__name__}: {ascii(str(error))[:200]}"
        if not short and time.monotonic() - began > QUICK_S:
            short = f"took {time.monotonic() - began:.1f} s"
        found.append((ascii(value)[:300], short))

    tried()
    yield from found

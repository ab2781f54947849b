"""Model-written SQL, judged by its result against the gold query's on several hidden databases.

The example's ``answer`` is the gold query; its ``meta`` holds ``databases``: two or more scripts, each of which builds
and fills one SQLite database (on a single one, ``select 'the', 'answer'`` would win), and optionally ``ordered``.

Each query runs in an isolated process (see ``isolated``), on a fresh copy of the database in memory that is read-only,
under an authorizer with an allow-list, SQLite's own limits and a deadline. Gold results never enter that process.
"""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.sandbox.library import IsolatedWorker, shared
from rftlab.verifiers.base import Gold, Judgement, Verifier
from rftlab.verifiers.code import unfenced

MAX_ROWS = 1000
_DEADLINE_S = 0.2
_GOLD_DEADLINE_S = 5.0
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 60,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 10,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 60,
}
_RECURSIVE = 33
_FUNCTIONS = frozenset(
    {
        *("abs", "avg", "ceil", "ceiling", "char", "coalesce", "count", "cume_dist", "date", "datetime", "dense_rank"),
        *("first_value", "floor", "glob", "group_concat", "ifnull", "iif", "instr", "julianday", "lag", "last_value"),
        *(
            "lead",
            "length",
            "like",
            "likelihood",
            "likely",
            "lower",
            "ltrim",
            "max",
            "min",
            "mod",
            "nth_value",
            "ntile",
        ),
        *("nullif", "percent_rank", "power", "rank", "replace", "round", "row_number", "rtrim", "sign", "sqrt"),
        *("strftime", "substr", "substring", "sum", "time", "total", "trim", "typeof", "unicode", "unixepoch", "upper"),
    }
)


class Sql(Verifier):
    """Correct (1.0) where the query gives the gold query's rows on every hidden database, else 0.0.

    `meta["databases"]` is a list of SQL scripts, each of which fills one.
    Rows are compared as a multiset, or in order where ``meta["ordered"]`` says so (by default: where the gold query
    has ORDER BY). Column names do not count, the order of columns does; 1 equals 1.0. Parts: ``databases_matched``, the
    share of databases on which the rows agree, and ``runs``, the share on which the query runs at all.

    Args:
        allow_unsandboxed: accept running without isolation where none can be reached.
        answer_format: see ``Verifier``.

    Raises:
        RftlabError: when scoring: fewer than two databases, a script or gold query that fails, or no isolation.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "All names.",
        "answer": "select name from people",
        "databases": [
            "create table people(name); insert into people values ('Ann')",
            "create table people(name); insert into people values ('Bo'), ('Cy')",
        ],
    }

    says_why = True

    def __init__(
        self, *, allow_unsandboxed: bool = False, answer_format: Literal["strict", "lenient"] = "strict"
    ) -> None:
        super().__init__(answer_format=answer_format)
        target = "rftlab.verifiers.sql:run_query"
        self._worker = (
            IsolatedWorker(target, allow_unsandboxed=True) if allow_unsandboxed else shared(target, runs_text=True)
        )

    @property
    def isolation(self) -> str:  # type: ignore[override]
        """The level of isolation, for the record."""
        return self._worker.level

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judgements of extracted queries, in order."""
        queries = [unfenced(answer) or "" for answer in answers]
        scripts = [_scripts(example) for example in examples]
        items = [[script, query] for query, several in zip(queries, scripts, strict=True) for script in several]
        results = iter(self._worker.map_with_reasons(items))
        return [
            _judge(example, several, [next(results) for _ in several])
            for example, several in zip(examples, scripts, strict=True)
        ]


def run_query(script: str, query: str, deadline_s: float = _DEADLINE_S) -> list[list[Any]]:
    """Run one untrusted query on a fresh database.

    Args:
        script: trusted SQL that builds and fills the database.
        query: untrusted SQL, one statement.
        deadline_s: wall seconds for the query.

    Returns:
        Its rows.

    Raises:
        sqlite3.Error: the query is wrong, not allowed, or overruns a limit.
        ValueError: more than ``MAX_ROWS`` rows, or text that is not UTF-8.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _template(script).backup(connection)
        for setting in ("trusted_schema=off", "query_only=on", "temp_store=memory"):
            connection.execute(f"pragma {setting}")
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_authorizer(_authorize)
        end = time.monotonic() + deadline_s
        connection.set_progress_handler(lambda: time.monotonic() > end, 1000)
        rows = connection.execute(query).fetchmany(MAX_ROWS + 1)
        if len(rows) > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} rows")
        return [list(row) for row in rows]
    finally:
        connection.close()


@functools.lru_cache(maxsize=64)
def _template(script: str) -> sqlite3.Connection:
    template = sqlite3.connect(":memory:", check_same_thread=False)
    template.executescript(script)
    return template


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in (sqlite3.SQLITE_SELECT, _RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and not str(first).lower().startswith("sqlite_"):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _scripts(example: Gold) -> list[str]:
    scripts = example.meta.get("databases")
    if not isinstance(scripts, Sequence) or isinstance(scripts, str) or len(set(scripts)) < 2:
        raise RftlabError(
            "an SQL example's meta needs 'databases', at least two different scripts of CREATE and INSERT statements; "
            "on one database alone a query of constants would win"
        )
    return [str(script) for script in scripts]


@functools.lru_cache(maxsize=4096)
def _gold_rows(script: str, query: str) -> list[list[Any]]:
    try:
        return run_query(script, query, _GOLD_DEADLINE_S)
    except (sqlite3.Error, ValueError) as error:
        raise RftlabError(f"the gold query {query[:80]!r} fails on one of its databases ({error}); mend it") from None


def _judge(example: Gold, scripts: Sequence[str], results: Sequence[tuple[Any, str]]) -> Judgement:
    ordered = bool(example.meta.get("ordered", "order by" in " ".join(example.answer.lower().split())))
    matched = [
        _rows(_gold_rows(script, example.answer), ordered) == _rows(rows, ordered) and not problem
        for script, (rows, problem) in zip(scripts, results, strict=True)
    ]
    problems = [problem for _, problem in results if problem]
    detail = problems[0] if problems else "" if all(matched) else "other rows than the gold query's"
    runs = 1 - len(problems) / len(results)
    parts = {"databases_matched": sum(matched) / len(matched), "runs": runs}
    return Judgement(float(all(matched)), parts, detail)


def _rows(rows: Any, ordered: bool) -> list[str]:
    try:
        texts = [values.canonical(values.encode(tuple(row))) for row in rows]
    except (TypeError, values.TreeError):
        return ["unreadable"]
    return texts if ordered else sorted(texts)

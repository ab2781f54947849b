"""What each row of a data file says: its shape is recognised by the first row, mapped columns go before it."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.errors import RftlabError, printable
from rftlab.registry import suggest
from rftlab.tasks.columns import Row, text_of, value_of
from rftlab.tasks.shapes import SHAPES, Said, blanked, completion_in, is_conversation, prompt_in, recognised, unanswered
from rftlab.verifiers.wrappers import boxed

BOXED = r"\boxed"
"""The marker of MATH's solutions: the answer is in braces behind it, and the rationale the whole solution."""
_ELSE = "give the file as task_settings.prompts_path, if its rows have no answers"


_DECIMAL_COMMA = re.compile(r"\s*([-+\u2212]?)(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?(\s*[^\d\s.,][^\d]*)?\s*")


def with_point(answer: str) -> str:
    """A number with a decimal comma, and a unit or none, as one with a point: `1.234,5 kg` is `1234.5 kg`.

    Raises:
        RftlabError: it is none.
    """
    found = _DECIMAL_COMMA.fullmatch(answer)
    if not found:
        raise RftlabError(
            f"the answer {answer[:80]!r} is no number with a decimal comma (task_settings.decimal); mend the row, or "
            "leave decimal out"
        )
    sign, whole, fraction, unit = found.groups()
    return f"{sign}{whole.replace('.', '')}{f'.{fraction}' if fraction else ''}{unit or ''}"


class Found(NamedTuple):
    """A row that was read: where it stands, the row, and what it says; the prompt not yet put in words."""

    where: str
    row: Row
    said: Said


class Reader:
    """Rows to what they say, with errors that name the line."""

    def __init__(
        self,
        mapping: Mapping[str, Any],
        shape: str,
        template: str,
        marker: str,
        drop: re.Pattern[str] | None,
        decimal: str = ".",
    ) -> None:
        self._decimal = decimal
        self._mapping, self._shape, self._template, self._marker, self._drop = mapping, shape, template, marker, drop
        self._recognised: dict[str, list[str]] = {}
        self._as_json: list[str] = []
        if shape and shape not in SHAPES:
            raise RftlabError(f"task_settings.shape is {shape!r}; known: {', '.join(SHAPES)}")

    def notes(self) -> list[str]:
        """How the rows were read, a sentence each."""
        read = [f"{', '.join(names)}: read as {SHAPES[shape].summary}" for shape, names in self._recognised.items()]
        as_json = [f"{', '.join(self._as_json)}: answers that are objects or lists are written as JSON"]
        return [*read, *(as_json if self._as_json else [])]

    def rows(self, rows: Iterable[tuple[str, Row]], source: str, answers: bool) -> list[Found]:
        """What all rows of a file or split say.

        Args:
            rows: with where each stands.
            source: named in errors.
            answers: there is a column for answers, though it may be empty; else rows without one are fine.

        Raises:
            RftlabError: naming source and line.
        """
        found: list[Found] = []
        shape = ""
        for where, row in rows:
            place = f"{source}, {where}"
            try:
                if not found:
                    shape = self._shape or self._recognise(row, answers)
                found.append(Found(place, row, self._said(row, shape, source, answers)))
            except RftlabError as error:
                raise RftlabError(f"{place}: {error}") from None
        if not found:
            raise RftlabError(f"{source} holds no rows; add some, one per line")
        for column in self._mapping["meta"] if answers else ():
            if all(column not in each.row and value_of(each.row, column) is None for each in found):
                raise RftlabError(
                    f"{source}: no row has a column {column!r} (task_settings.columns.meta)"
                    f"{suggest(column, map(str, found[0].row))}"
                )
        if shape:
            self._recognised.setdefault(shape, []).append(Path(source).name)
        return found

    def _recognise(self, row: Row, answers: bool) -> str:
        """The shape of a first row; "" where none is needed, or none fits."""
        if "answer" in self._mapping and (self._template or "prompt" in self._mapping):
            return ""
        found = recognised(row)
        if not found:  # it may be that the first row alone has no answer
            found = [name for name in unanswered(row) if SHAPES[name].answer in row or not answers][:1]
        if len(found) > 1:
            raise RftlabError(
                f"its columns ({_named(row)}) fit {' and '.join(found)}; say which with task_settings.shape, or name "
                "the columns with task_settings.columns.prompt and columns.answer"
            )
        return found[0] if found else ""

    def _said(self, row: Row, shape: str, source: str, answers: bool) -> Said:
        if shape and (blank := blanked(row, shape)) and (SHAPES[shape].answer in row or not answers):
            row = blank
        if shape and not SHAPES[shape].fits(row):
            held = _named({name: value for name, value in row.items() if value_of(row, name) is not None})
            raise RftlabError(
                f"only {held} hold anything, no row of {SHAPES[shape].summary}; fill the others or drop the row"
            )
        said = SHAPES[shape].said(row) if shape else Said("", None)
        prompt = "" if self._template else said.prompt if shape and "prompt" not in self._mapping else self._prompt(row)
        answer, rationale = self._answer(row, said, shape, source, answers), self._rationale(row, said)
        if self._marker and answer:
            before, answer = self._parted(answer)
            rationale = "\n".join(text for text in (rationale.strip(), before) if text)
        if self._decimal == "," and answer:
            answer = with_point(answer)
        if self._drop and rationale:
            rationale = self._drop.sub("", rationale)
        meta = {**said.meta, **{column: value_of(row, column) for column in self._mapping["meta"]}}
        if options := self._mapping.get("choices"):
            meta["choices"] = [self._text(self._option(row, column), "choices") for column in options]
        return Said(prompt, answer.strip(), rationale, {name: _jsonable(value) for name, value in meta.items()})

    def _parted(self, answer: str) -> tuple[str, str]:
        """What leads to an answer, and the answer: behind the last marker, or in the last box of a solution."""
        before, found, after = answer.rpartition(self._marker)
        if self._marker == BOXED:
            boxes = boxed(answer)
            before, found, after = answer, "".join(boxes), (boxes or [""])[-1]
        if not found:
            raise RftlabError(f"the answer holds no {self._marker!r} (task_settings.answer_after); mend the row")
        return before.strip(), after

    def _option(self, row: Row, column: str) -> Any:
        value = value_of(row, column)
        if value is None:
            raise RftlabError(f"column {column!r} (task_settings.columns.choices) holds no option; fill it")
        return value

    def _prompt(self, row: Row) -> str:
        column = self._column("prompt")
        return prompt_in({column: self._value(row, "prompt")}, column)

    def _answer(self, row: Row, said: Said, shape: str, source: str, answers: bool) -> str:
        value = said.answer
        if "answer" in self._mapping or not shape:
            column = self._column("answer")
            value = value_of(row, column)
            if value is None and column not in row and answers:
                raise RftlabError(
                    f"no column {column!r} for the answer; it has {_named(row)}; map it with "
                    f"task_settings.columns.answer, or {_ELSE}"
                )
            if is_conversation(value):
                value = completion_in(value, column)
        elif value is None and answers:
            raise RftlabError(
                f"the assistant has not the last word, and no column is known to hold the gold answer; it has "
                f"{_named(row)}; name it with task_settings.columns.answer, or {_ELSE}"
            )
        if value is None:
            return ""
        if isinstance(value, Mapping | list) and Path(source).name not in self._as_json:
            self._as_json.append(Path(source).name)
        return self._text(value, "answer")

    def _rationale(self, row: Row, said: Said) -> str:
        value = value_of(row, self._column("rationale"))
        return said.rationale if value is None else self._text(value, "rationale")

    def _column(self, field: str) -> str:
        return str(self._mapping.get(field, field))

    def _value(self, row: Row, field: str) -> Any:
        column = self._column(field)
        value = value_of(row, column)
        if value is None and column in row:
            raise RftlabError(f"the {field} (column {column!r}) is empty; fill it or drop the row")
        if value is None:
            build = f', or build it from columns: task_settings.prompt: "{{{next(iter(row), "column")}}}"'
            raise RftlabError(
                f"no column {column!r} for the {field}; it has {_named(row)}; map it with "
                f"task_settings.columns.{field}{build if field == 'prompt' else ''}"
            )
        return value

    def _text(self, value: Any, field: str) -> str:
        try:
            return text_of(value)
        except RftlabError as error:
            raise RftlabError(f"column {self._column(field)!r} holds {error}") from None


def _named(row: Row) -> str:
    return ", ".join(printable(str(name)) for name in row) or "none"


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))

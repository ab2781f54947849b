"""Your own data: a file or a Hugging Face dataset id, in the shapes people have, with mappable columns.

`tables` reads the rows, `reader` says what each holds by its shape (`shapes`) and columns (`columns`); here settings go
first and a `Task` comes out.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rftlab.cell import task_name
from rftlab.errors import RftlabError, printable
from rftlab.folds import Folds
from rftlab.tasks.base import OTHER, Example, Task, normalise_prompt
from rftlab.tasks.columns import CLASSES, Row, filled, listed_classes, placeholders, text_of
from rftlab.tasks.folds import deal
from rftlab.tasks.reader import Found, Reader
from rftlab.tasks.shapes import Said
from rftlab.tasks.tables import read_rows

AUTO = "auto"
MAX_CLASSES = 200
SHARE = 0.3
_NAME = r"([^\W_][\w .-]{0,39})?"
_FIELDS = ("prompt", "answer", "rationale")


def load(
    *,
    path: str = "",
    test_path: str = "",
    ood_path: str | Mapping[str, str] = "",
    prompts_path: str = "",
    dataset: str = "",
    config: str | None = None,
    split: str = "train",
    test_split: str = "",
    encoding: str = "utf-8",
    delimiter: str = "",
    decimal: str = ".",
    shape: str = "",
    columns: Mapping[str, Any] | None = None,
    prompt: str = "",
    instructions: str = "",
    classes: str | Sequence[Any] = AUTO,
    answer_after: str = "",
    drop_pattern: str = "",
    verifier: str = "exact",
    verifier_settings: Mapping[str, Any] | None = None,
    test_share: float | None = None,
    folds: int = 0,
    split_seed: int = 0,
    card: str = "",
    name: str = "",
) -> Task:
    r"""Task from a file or a dataset id.

    Args:
        path: training rows, or all rows if there is no ``test_path``; .jsonl, .json, .csv, .tsv or .parquet. Rows whose
            answer is empty are prompts without labels.
        test_path: held-out rows.
        ood_path: out-of-distribution rows; or kind -> rows, of the kinds "rule" (another rule than what is trained on)
            and "surface" (the same rule in other words).
        prompts_path: rows that need no answers, beside or instead of ``path``: prompts without labels, which RFT trains
            on where the verifier needs no gold answer. Without ``path`` and ``test_path`` a share of them is held out.
        dataset: Hugging Face dataset id, instead of ``path``.
        config: its configuration name.
        split: its training split.
        test_split: its test split; empty holds out ``test_share`` of ``split``.
        encoding: of text files, such as cp1252.
        delimiter: between the columns of a .csv or .tsv file; empty finds out.
        decimal: what stands before the decimals of the answers: "," makes `1.234,5` the gold answer `1234.5`, as models
            write it and verifiers read it.
        shape: what the rows are: prompt-answer, question-answer, prompt-completion, trl-chat, chat, rft, alpaca or
            sharegpt (`shapes.SHAPES`); empty recognises it by the columns.
        columns: prompt, answer, rationale -> column name; `meta` -> list of further columns the verifier reads;
            `choices` -> list of the columns that hold the options A, B, ... What is named here goes before what the
            shape says.
        prompt: template of the prompt, with columns in braces: "{Subject}\n{Body}"; `{classes}` is the classes' list.
        instructions: what stands before every prompt; `{classes}` in it is the list of classes, other braces are text.
        classes: the answers there are; "auto" takes those of the training rows. Told to verifiers as `meta["choices"]`.
        answer_after: marker that separates rationale from answer inside the answer column (GSM8K: "####"); `\boxed`
            takes the answer out of the last box of a solution, which is the rationale (MATH).
        drop_pattern: regular expression removed from rationales (GSM8K's calculator notes: "<<.*?>>").
        verifier: registered name or path.py:function.
        verifier_settings: its settings.
        test_share: share held out where there is no test part, in (0, 1); 0.3 if it is not given.
        folds: instead of that, deal the rows into so many parts, of which each seed is tested on another; 0 does not.
        split_seed: seed of that split, or of the deals.
        card: where the data comes from, its licence, what it cannot tell.
        name: what the task is called wherever results are shown; empty is the file's name.

    Raises:
        RftlabError: naming the file and line of the first row that cannot be used.
    """
    source = dataset or path or prompts_path
    if not source or (path and dataset):
        raise RftlabError("task 'file' needs either task_settings.path (a file) or task_settings.dataset (a hub id)")
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise RftlabError(f"task_settings.name is {name!r}; give a few letters, digits, blanks, dots and dashes")
    if decimal not in (".", ","):
        raise RftlabError(f'task_settings.decimal is {decimal!r}; give "." or ","')
    read = Reader(_mapping(columns or {}, prompt), shape, prompt, answer_after, _pattern(drop_pattern), decimal)

    def rows(place: str, *, at: str = "", answers: bool = bool(path or dataset)) -> list[Found]:
        if at:
            return read.rows(read_rows(dataset=place, config=config, split=at), f"{place}[{at}]", answers)
        return read.rows(read_rows(path=place, encoding=encoding, delimiter=delimiter), str(place), answers)

    pool = rows(dataset, at=split) if dataset else rows(path) if path else []
    train = [row for row in pool if row.said.answer]
    asked = [row for row in pool if not row.said.answer] + (rows(prompts_path, answers=False) if prompts_path else [])
    test = rows(dataset, at=test_split) if dataset and test_split else rows(test_path) if test_path else []
    beyond = ood_path if isinstance(ood_path, Mapping) else {OTHER: ood_path} if ood_path else {}
    words = _Words.of(prompt, instructions, classes, train or asked)
    trained, held_out, prompts = words.examples(train), words.examples(test), words.examples(asked, mark="p")
    prompts = [replace(example, answer="", rationale=None) for example in prompts]
    apart = bool(test_path or test_split) or test_share is not None
    share = SHARE if test_share is None else test_share
    dealt = _folds(folds, len(trained), split_seed, apart=apart) if folds else None
    if dealt:
        trained, held_out = map(list, deal(trained, dealt, 0))
    elif not test and trained:
        rows_in_all = len(trained)
        trained, held_out = hold_out(trained, share, split_seed)
        if not trained:
            raise RftlabError(
                f"{source}: all {rows_in_all} rows with answers have one prompt, so nothing is left to train on beside "
                "the test part; map the column that differs, or give a test file"
            )
    elif not test:
        prompts, held_out = hold_out(prompts, share, split_seed)
    known = {normalise_prompt(example.prompt) for example in (*trained, *held_out)}
    prompts = [example for example in prompts if normalise_prompt(example.prompt) not in known]
    return Task(
        name=task_name("file", {"name": name, "dataset": dataset, "path": path, "prompts_path": prompts_path}),
        card=card or f"Rows of {source}; verified by {verifier}. Licence and limits are those of your data.",
        train=tuple(trained),
        prompts=tuple(prompts),
        test=tuple(held_out),
        ood={kind: tuple(words.examples(rows(place))) for kind, place in beyond.items()},
        verifier=verifier,
        verifier_settings=dict(verifier_settings or {}),
        notes=(*read.notes(), *words.notes(), *_unanswered(asked, prompts), *([dealt.told] if dealt else [])),
        folds=dealt,
    )


def _unanswered(rows: Sequence["Found"], prompts: Sequence[Example]) -> list[str]:
    """Rows without an answer, in a sentence: whoever left one out by mistake shall see it."""
    if not rows:
        return []
    which = (
        f"{len(rows)} rows have no answer ({rows[0].where}, ...)" if len(rows) > 1 else f"{rows[0].where}: no answer"
    )
    return [f"{which}; {len(prompts)} of them are prompts without labels, for RFT by a verifier that needs no gold"]


def _folds(count: int, rows: int, split_seed: int, *, apart: bool) -> Folds:
    if type(count) is not int or count < 2:
        raise RftlabError(f"task_settings.folds is {count!r}; give a whole number from 2 on, such as 5")
    if apart:
        raise RftlabError(
            "task_settings.folds tests on every row of the file, and a test part of its own is asked for too "
            "(test_path, test_split or test_share); leave out one of the two"
        )
    if not rows:
        raise RftlabError("task_settings.folds deals the rows that have answers, and none has; leave it out")
    return Folds(count, rows, split_seed)


def _mapping(columns: Mapping[str, Any], template: str) -> dict[str, Any]:
    unknown = sorted(set(columns) - {*_FIELDS, "meta", "choices"})
    if unknown:
        raise RftlabError(
            f"task_settings.columns maps unknown field {unknown[0]!r}; known: prompt, answer, rationale, meta, choices"
        )
    options = columns.get("choices")
    if options is not None and not (isinstance(options, list | tuple) and len(options) > 1):
        raise RftlabError(
            f"task_settings.columns.choices is {options!r}; list the columns that hold the options, such as [A, B, C, "
            "D]. One column that holds all of them is named in meta"
        )
    meta = columns.get("meta") or []
    if not (isinstance(meta, list | tuple) and all(isinstance(name, str) for name in meta)):
        raise RftlabError(
            f"task_settings.columns.meta is {meta!r}; list the columns that the verifier reads, as [A, B]"
        )
    if columns.get("prompt") and columns.get("prompt") == columns.get("answer"):
        raise RftlabError(
            f"task_settings.columns names {columns['prompt']!r} for the prompt and for the answer, which would stand "
            "in every prompt; name two columns"
        )
    if template and columns.get("prompt"):
        raise RftlabError("task_settings.prompt builds the prompt and columns.prompt names its column; leave one out")
    return {"meta": [], **{name: value for name, value in columns.items() if value}}


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise RftlabError(
            f"task_settings.drop_pattern {text!r} is not a regular expression: {error}; mend it"
        ) from None


@dataclass(frozen=True)
class _Words:
    """What stands around and in a prompt.

    Attributes:
        template: the prompt's, "" where rows have prompts.
        instructions: what stands before it.
        classes: the answers there are, in order; empty where they are not asked for.
    """

    template: str
    instructions: str
    classes: tuple[str, ...]

    @classmethod
    def of(cls, template: str, instructions: str, classes: Any, train: Sequence[Found]) -> "_Words":
        """The words, with the classes as they are given or as the training rows have them.

        Raises:
            RftlabError: a setting is no text, or the training rows have too many answers to be classes.
        """
        for name, text in (("prompt", template), ("instructions", instructions)):
            if not isinstance(text, str):
                raise RftlabError(f'task_settings.{name} is a {type(text).__name__}; put it in quotes, "{{column}}"')
        listed = f"{{{CLASSES}}}" in instructions or (CLASSES in placeholders(template) and CLASSES not in train[0].row)
        if classes == AUTO:
            found = sorted({each.said.answer for each in train}) if listed else []
            if len(found) > MAX_CLASSES:
                raise RftlabError(
                    f"{{classes}} is asked for, and the training rows have {len(found)} different answers; list the "
                    "classes with task_settings.classes, or leave {classes} out"
                )
            return cls(template, instructions, tuple(found))
        if not isinstance(classes, Sequence) or isinstance(classes, str) or not classes:
            raise RftlabError(f"task_settings.classes is {classes!r}; give auto, or a list such as [billing, login]")
        return cls(template, instructions, tuple(text_of(each).strip() for each in classes))

    def notes(self) -> list[str]:
        """The classes, in a sentence."""
        return [f"{len(self.classes)} classes: {printable(listed_classes(self.classes))}"] if self.classes else []

    def examples(self, rows: Sequence[Found], mark: str = "") -> list[Example]:
        """Examples of rows, in order, their ids beginning with a mark.

        Raises:
            RftlabError: naming the row whose prompt is empty, or whose answer is no class.
        """
        return [self._example(f"{mark}{number:06d}", *row) for number, row in enumerate(rows)]

    def _example(self, number: str, where: str, row: Row, said: Said) -> Example:
        try:
            prompt = filled(self.template, row, self.classes) if self.template else said.prompt
            if not prompt.strip():
                raise RftlabError("the prompt is empty; fill it or drop the row")
            if self.classes and said.answer and said.answer not in self.classes:
                raise RftlabError(
                    f"the answer {said.answer[:80]!r} is none of the classes ({listed_classes(self.classes)[:200]}); "
                    "mend it, or list all of them with task_settings.classes"
                )
        except RftlabError as error:
            raise RftlabError(f"{where}: {error}") from None
        if self.instructions:
            words = self.instructions.replace(f"{{{CLASSES}}}", listed_classes(self.classes))
            prompt = f"{words.strip()}\n\n{prompt.strip()}"
        meta = {"choices": list(self.classes), **said.meta} if self.classes else said.meta
        identity = f"{number}-{_short_hash(prompt)}"
        return Example(identity, prompt.strip(), said.answer, said.rationale or None, meta)


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

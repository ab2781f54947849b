"""From a data file to a grid that runs: what its rows are, which column is what, and who can judge its answers.

What is found is written down with its reason, as a grid of a few lines that a person reads and changes; nothing is
decided where the data do not say.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rftlab.advise.check_gold import marker_in, reads_like_a_solution, spellings
from rftlab.advise.of_answers import CHOICES, is_option, judge, most
from rftlab.advise.of_columns import carded, have_decimal_comma, option_columns, refused, unused, with_options
from rftlab.errors import RftlabError, one_line
from rftlab.folds import FEW_ROWS
from rftlab.grid.written import grid_text, require_grid_name
from rftlab.policy.hub import locate
from rftlab.record import require_folder_of, write_atomically
from rftlab.registry import VERIFIERS, find
from rftlab.tasks.base import Example, Task, normalise_prompt
from rftlab.tasks.code import load as load_code
from rftlab.tasks.code import published
from rftlab.tasks.file import load
from rftlab.tasks.shapes import recognised
from rftlab.tasks.tables import SUFFIXES, WrongEncoding, encoding_told, read_rows

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PROMPTS = ("prompt", "question", "input", "text", "message", "body", "query", "problem", "sentence", "description")
_ANSWERS = (
    "answer",
    "label",
    "class",
    "category",
    "target",
    "output",
    "response",
    "gold",
    "solution",
    "intent",
    "answerkey",
)
_TITLES = ("subject", "title")
_NOTES = "<<.*?>>"
_UNANSWERED = "Rows without answers are for a grid of your own: docs/your_data.md, prompts without labels"
_LEAST_LABELS = 2
_ENCODINGS = ("utf-8", "cp1252")
_BUDGETS = (10, 30, 100, 300, 1000)
DEVELOPMENT = 50
MOST_LABELS = _BUDGETS[-1]
FOLDS = 5


class Unanswered(RftlabError):
    """No column of a file is known to hold answers.

    Attributes:
        columns: that it has, printable.
        prompt: the one that is taken as the prompt; "" where none is.
    """

    def __init__(self, sentence: str, columns: Iterable[object], prompt: str) -> None:
        super().__init__(sentence)
        self.columns, self.prompt = tuple(one_line(str(name)) for name in columns), prompt


@dataclass(frozen=True)
class Sniffed:
    """What a data file holds.

    Attributes:
        settings: of the task `file`, as a grid has them.
        verifier: who judges its answers.
        why: why that one, in a few words.
        task: the rows, read by these settings.
        notes: what a person should know of the columns, a sentence each.
        reads: the task that reads the file.
    """

    settings: Mapping[str, Any]
    verifier: str
    why: str
    task: Task
    notes: tuple[str, ...] = ()
    reads: str = "file"


def sniff(
    data: Path, columns: Mapping[str, Any] | None = None, verifier: str = "", test: Path | None = None
) -> Sniffed:
    """Find out what the rows of a file are and who can judge their answers.

    Args:
        data: a file that the task `file` reads.
        columns: prompt, answer, rationale -> column, where its names do not say it.
        verifier: judge by this one.
        test: a file with the held-out rows; None holds out a share of ``data``.

    Raises:
        RftlabError: the file cannot be read, or does not say which column is what; the sentence says what to give.
    """
    for file in filter(None, (data, test)):
        if not file.is_file():
            raise RftlabError(f"there is no data file {file}; give a file of {', '.join(SUFFIXES)}")
    told = {encoding_told(file) for file in filter(None, (data, test))}
    if len(told) > 1:
        raise RftlabError(f"{data} and {test} are texts of different encodings; save both as UTF-8")
    *others, last = list(filter(None, told)) or _ENCODINGS
    for encoding in others:
        with contextlib.suppress(WrongEncoding):
            return _sniff(data, encoding, dict(columns or {}), verifier, test)
    return _sniff(data, last, dict(columns or {}), verifier, test)


def _sniff(data: Path, encoding: str, columns: dict[str, Any], verifier: str, test: Path | None) -> Sniffed:
    row = next((row for _, row in read_rows(path=str(data), encoding=encoding)), None)
    if row is None:
        raise RftlabError(f"{data} has no rows; add some, one per line")
    if not (columns or verifier or test) and (name := published(row)):
        return _of_problems(name, data)
    settings: dict[str, Any] = {"path": str(data.resolve())}
    settings |= {"test_path": str(test.resolve())} if test else {}
    settings |= {"encoding": encoding} if encoding != _ENCODINGS[0] else {}
    settings |= _columns(data, row, columns)
    task = load(**settings)
    answers = [example.answer for example in task.train + task.test]
    if not task.train:
        prompt = str(settings.get("columns", {}).get("prompt", ""))
        raise Unanswered(f"{data}: none of its rows has an answer; fill them in. {_UNANSWERED}", row, prompt)
    distinct = len({normalise_prompt(example.prompt) for example in task.train + task.test})
    if len(task.train) < _LEAST_LABELS or distinct <= _LEAST_LABELS:
        raise RftlabError(
            f"{data} has {len(answers)} rows with answers and {distinct} different prompts; a study needs at least "
            f"{_LEAST_LABELS} to train on and one to test on, and says something from some fifty on"
        )
    if marker := marker_in(answers):
        settings["answer_after"] = marker
        settings |= {"drop_pattern": _NOTES} if any(re.search(_NOTES, answer) for answer in answers) else {}
        task = load(**settings)
    notes = []
    if have_decimal_comma([example.answer for example in task.train + task.test]):
        settings["decimal"] = ","
        notes.append(f'answers have a decimal comma; decimal: "," makes {answers[0]} the gold answer with a point')
        task = load(**settings)
    settings, task = _with_choices(settings, row, task)
    if CHOICES in row and not verifier and not most([is_option(example) for example in task.train + task.test]):
        raise RftlabError(
            f"{data}: its answers are none of the options in its column {CHOICES}, neither letter nor text; where "
            "they are positions, or the column holds texts and labels, task qa/choice reads it: rftlab tasks qa/choice"
        )
    chosen, why, further = judge(task.train + task.test)
    if "choices" in settings.get("columns", {}):
        why = "each answer is one of its options, which stand in the prompt"
    if verifier:
        chosen, why = verifier, "asked for"
        further.pop("verifier_settings", None)
    by_columns = {name: read for name, read in carded(row).items() if verifier in ("", name)}
    for name, read in by_columns.items():
        columned = settings | {"columns": {**settings.get("columns", {}), "meta": _meta(settings, read)}}
        refusal = refused(name, load(**columned).train)
        if refusal and not verifier:
            notes.append(f"columns {', '.join(read)} are those of verifier {name}, which refuses gold: {refusal}")
            continue
        settings, further = columned, {}
        chosen, why = name, "asked for" if verifier else f"the rows have its columns ({', '.join(read)})"
        break
    shape = (recognised(row) or [""])[0] if "prompt" not in settings.get("columns", {}) else ""
    notes += filter(None, [unused(map(str, row), settings, shape)])
    return Sniffed(settings | further, chosen, why, load(**settings, **further), tuple(notes))


def _of_problems(name: str, data: Path) -> Sniffed:
    """Problems of code in a published format, which have a task of their own."""
    task, settings = load_code(name, path=str(data)), {"path": str(data.resolve())}
    why = "its problems are judged by their tests, in the sandbox"
    return Sniffed(settings, task.verifier, why, task, (f"the columns are {name}'s: task code/{name}",), f"code/{name}")


def _meta(settings: Mapping[str, Any], read: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*settings.get("columns", {}).get("meta", []), *read]))


def _with_choices(settings: dict[str, Any], row: Mapping[str, Any], task: Task) -> tuple[dict[str, Any], Task]:
    """Settings and task with the options that several columns hold, in the prompt and for the verifier, if they do."""
    options = option_columns(map(str, row))
    columns = settings.get("columns", {})
    prompt = columns.get("prompt") or next((name for name in ("prompt", "question") if name in row), "")
    if not options or CHOICES in row or not (prompt or "prompt" in settings) or "choices" in columns:
        return settings, task
    named = {name: column for name, column in columns.items() if name != "prompt"} | {"choices": options}
    found = settings | {"prompt": with_options(settings.get("prompt", f"{{{prompt}}}"), options), "columns": named}
    with contextlib.suppress(RftlabError):
        read = load(**found)
        if most([is_option(example) for example in read.train + read.test]):
            return found, read
    return settings, task


def new(
    data: str | Path,
    out: str | Path | None = None,
    *,
    model: str = MODEL,
    columns: Mapping[str, Any] | None = None,
    verifier: str = "",
    test: str | Path | None = None,
    checks: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> list[Path]:
    """Write a grid for a data file, and a verifier to begin with if asked.

    Args:
        data: the file.
        out: the grid; by default NAME.yaml in the working folder.
        model: hub id or folder of the base.
        columns: as `sniff`.
        verifier: as `sniff`.
        test: as `sniff`.
        checks: write checks.py beside the grid and judge by its function `score`.
        say: told what was found, a sentence each: how the rows are read, who judges them and why.

    Returns:
        What was written.

    Raises:
        RftlabError: as `sniff`; or a file that would be written is there already. Nothing is written then.
    """
    source = Path(data).expanduser()
    if source.suffix in (".yaml", ".yml"):
        raise RftlabError(f"{source} is a grid already; rftlab check {source} looks at it, rftlab run {source} runs it")
    if checks and verifier:
        raise RftlabError("--checks writes a verifier of its own to judge by; leave out --checks or --verifier")
    if verifier:
        find(VERIFIERS, verifier, "verifier")
    if "/" not in model:  # a hub id, or a folder, which the grid's run looks for
        locate(model)
    grid = Path(out).expanduser() if out else Path(f"{source.name.split('.')[0]}.yaml")
    require_grid_name(grid)
    own = grid.parent / "checks.py"
    for path in (grid, own) if checks else (grid,):
        if path.exists():
            raise RftlabError(f"{path} is there already; give another name with -o")
    require_folder_of(grid)
    held_out = Path(test).expanduser() if test else None
    found = sniff(source, columns, "checks.py:score" if checks else verifier, held_out)
    for note in _told(found):
        say(note)
    written = [write_atomically(grid, _grid(found, source, grid, model))]
    if checks:
        written.append(write_atomically(own, _checks(source, found.task.train[:2])))
    return written


def _told(found: Sniffed) -> list[str]:
    """What was found, in sentences."""
    mapped = dict(found.settings.get("columns", {}))
    mapped |= {"prompt": found.settings["prompt"]} if "prompt" in found.settings else {}
    read = {field: mapped[field] for field in ("prompt", "answer", "rationale") if mapped.get(field)}
    by_hand = (
        [f"columns: {', '.join(f'{field} {one_line(repr(column))}' for field, column in read.items())}"] if read else []
    )
    answers = [example.answer for example in found.task.train + found.task.test]
    doubts = [text] if (text := spellings(answers)) else []
    if found.verifier not in ("choice", "code") and 2 * sum(map(reads_like_a_solution, answers)) > len(answers):
        doubts.append(
            f"the answers read like whole solutions ({one_line(repr(answers[0]))[:80]}), which no short answer equals; "
            "give the answer a column of its own, or name the words before it in task_settings.answer_after"
        )
    return [*found.task.notes, *by_hand, *found.notes, *doubts, f"verifier {found.verifier}: {found.why}"]


def _columns(data: Path, row: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The settings by which prompt and answer are found; none where the rows are of a known shape."""
    names = {str(name).casefold(): str(name) for name in row}
    meta = [CHOICES] if CHOICES in row else []
    if recognised(row) and not given:
        return {"columns": {"meta": meta}} if meta else {}
    answer = given.get("answer") or next((names[name] for name in _ANSWERS if name in names), "")
    prompts = [names[name] for name in _PROMPTS if name in names and names[name] != answer]
    prompt = given.get("prompt") or (prompts[0] if prompts else "")
    if not (prompt and answer):
        known = ", ".join(map(one_line, map(str, row)))
        found = {"prompt": prompt, "answer": answer}
        wanted = [name for name, column in found.items() if not column]
        taken = "".join(f" ({one_line(column)} is taken as the {name})" for name, column in found.items() if column)
        objects = [name for name, value in row.items() if isinstance(value, Mapping) and value]
        inside = f"{objects[0]}.{next(iter(row[objects[0]]))}" if objects else ""
        reach = f" (a dotted name reaches into an object: {one_line(inside)})" if objects else ""
        raise Unanswered(
            f"{data}: which of its columns ({known}) is the {' and which the '.join(wanted)}{taken}? say so: --columns "
            f"{' '.join(f'{name}=...' for name in wanted)}{reach} {_UNANSWERED}",
            row,
            "" if answer else prompt,
        )
    rest = {name: value for name, value in given.items() if name not in ("prompt", "answer")}
    rest |= {"meta": meta} if meta and "meta" not in rest else {}
    title = next((names[name] for name in _TITLES if name in names), "")
    if title and "prompt" not in given and title != answer:
        return {"prompt": f"{{{title}}}\n{{{prompt}}}", "columns": {"answer": answer, **rest}}
    return {"columns": {"prompt": prompt, "answer": answer, **rest}}


def study(found: Sniffed, grid: Path, model: str, *, folds: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """A grid for what was found in a data file, as `grid_text` takes it: its values, and what is said of them.

    Args:
        found: in the file.
        grid: where the grid will lie.
        model: hub id or folder of the base.
        folds: test on every row, each seed on a fifth of them.
    """
    paths = {
        name: from_grid(grid, Path(found.settings[name])) for name in ("path", "test_path") if name in found.settings
    }
    settings = {**found.settings, **paths}
    settings |= {"verifier": found.verifier} if found.reads == "file" else {}
    rationales = all(example.rationale for example in found.task.train)
    rows, trained = len(found.task.train + found.task.test), len(found.task.train)
    values = {
        "model": model, "task": found.reads, "task_settings": settings, "method": ["base", "sft", "grpo"],
        "cot": rationales, **budgets(trained), "seed": [0, 1, 2],
    }  # fmt: skip
    said = {
        **({"task_settings.verifier": found.why} if found.reads == "file" else {"task": found.why}),
        "method": "rftlab methods lists more",
        "cot": "the rows have rationales" if rationales else "the rows have no rationales to learn from",
        "development": "too few rows for development items of their own",
    }
    if folds:
        settings["folds"] = FOLDS
        values |= {**budgets(rows - -(-rows // FOLDS), apart=False), "seed": [*range(FOLDS)], "max_seeds": FOLDS}
        said["task_settings.folds"] = (
            f"below {FEW_ROWS} rows: no room for a test part; {FOLDS} seeds test each row once"
        )
        said["max_seeds"] = "declared, so that no interval is wider for looking again"
    return values, said


def in_folds(found: Sniffed) -> bool:
    """Whether a file's rows are so few that every one of them should be tested on, by folds."""
    examples = found.task.train + found.task.test
    apart, distinct = "test_path" in found.settings, len({normalise_prompt(example.prompt) for example in examples})
    return found.reads == "file" and not apart and len(examples) < FEW_ROWS and distinct >= FOLDS


def budgets(rows: int, *, apart: bool = True) -> dict[str, Any]:
    """Label budgets for so many labelled rows, and where development items come from: apart only if it may be so."""
    few = not apart or rows < _BUDGETS[1] + DEVELOPMENT
    room = rows if few else rows - DEVELOPMENT
    found = [n for n in _BUDGETS if n <= room] or [max(2, room)]
    return {"labels": found, **({"development": "from_labels"} if few else {})}


def _grid(found: Sniffed, source: Path, grid: Path, model: str) -> str:
    """The grid's text."""
    folds = in_folds(found)
    values, said = study(found, grid, model, folds=folds)
    rows, test = len(found.task.train), len(found.task.test)
    split = f"{rows} rows to train on, {test} held out"
    if folds:
        split = f"{rows + test} rows, of which each seed is tested on a fifth and trained on labels of the rest"
    head = [
        f"{source.name}: {split}. Look at it before it runs:",
        f"  rftlab check {grid.name}     what usually goes wrong",
        f"  rftlab show {grid.name}      what the model will be put and taught",
        f"  rftlab run {grid.name}",
    ]
    return grid_text(values, head=head, said=said)


def from_grid(grid: Path, source: Path) -> str:
    """The data's path as the grid has it: relative to the grid, where it lies below."""
    folder, path = grid.resolve().parent, source.resolve()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _checks(source: Path, examples: Sequence[Example]) -> str:
    shown = "\n".join(f"    >>> score({e.answer!r}, Example('', '', {e.answer!r}))\n    1.0" for e in examples)
    return f'''"""Who is right about {source.name}: make `score` say what right means."""

from rftlab.tasks.base import Example


def score(answer: str, example: Example) -> float:
    """From 0 (wrong) to 1 (right); `example.answer` is the gold answer, `example.meta` holds further columns.

    `answer` is what was found in the completion; call it `completion` to be given all that the model wrote.

{shown}
    """
    return float(answer.split() == example.answer.split())
'''

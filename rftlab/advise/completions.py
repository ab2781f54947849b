"""Completions of a task with the verdicts of its verifier, to be held against a person's: where they come from.

From a results folder (what trained and untrained policies wrote), from a JSONL file of one's own, or, where no model
has written anything yet, made from the gold answers as `check` makes them. The verdicts are always of now: a verifier
that was mended since is judged as it is.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rftlab import record
from rftlab.advise.check import loaded
from rftlab.advise.wrong_answers import near_misses, other_answers
from rftlab.errors import RftlabError, told
from rftlab.files.archive import SUFFIX
from rftlab.tasks.base import Example, Task, normalise_prompt
from rftlab.user_code import child
from rftlab.verifiers.base import tagged

MADE = "made from the gold answers"
_MOST = 1000
"""Completions that are scored; of more, as many are drawn."""
# Gold answers that completions are made of, where there are no others.
_MADE_OF = 60
_WHOLLY, _MOSTLY = 1.0, 0.5


@dataclass(frozen=True)
class Candidate:
    """A completion to be marked.

    Attributes:
        key: 16 hex digits of prompt, gold answer and completion; a mark is kept under it.
        judge: task and verifier, for people.
        prompt: the example's.
        answer: its gold answer.
        completion: what is judged.
        paid: the verifier's verdict: a reward of 1, of a graded one 0.5 or more.
        reward: in [0, 1].
        extracted: the answer that was judged, "" if none was found.
        detail: what the verifier says for people.
    """

    key: str
    judge: str
    prompt: str
    answer: str
    completion: str
    paid: bool
    reward: float
    extracted: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Pool:
    """Where completions came from, and those that are there.

    Attributes:
        source: for people, such as "results/demo"; `MADE` where no model wrote them.
        candidates: with their verdicts, each completion once a verifier.
        notes: what was left out, a sentence each.
    """

    source: str
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()

    @property
    def made(self) -> bool:
        """Whether no model wrote them."""
        return self.source == MADE


def pool_of(
    requests: Sequence[Mapping[str, Any]],
    *sources: str | Path | None,
    seed: int = 0,
    limit: float = child.LIMIT_S,
) -> Pool:
    """Completions of tasks with their verdicts, scored in a process of its own: task and verifier may be the user's.

    Args:
        requests: tasks with who judges them, of `rftlab.advise.check.request_of`.
        sources: of these the first that has any: a results folder or archive; a .jsonl file with a line
            {"item" or "prompt": ..., "completion": ...} each; None makes them from the gold answers.
        seed: where there are more than 1 000 of a task, which are drawn.
        limit: seconds each step in a user's code may take.

    Raises:
        RftlabError: there is no such file, a line is no completion, or none is of an item of these tasks.
    """
    for source in sources:
        where = Path(source).expanduser() if source is not None else None
        if where is not None and not where.exists():
            raise RftlabError(f"there are no completions in {where}: no such file or folder")
        asked = {"source": str(where.resolve()) if where else "", "seed": seed}
        found = [child.call(f"{__name__}:judged", {**each, **asked}, limit=limit) for each in requests]
        if candidates := tuple(Candidate(**values) for each in found for values in each["candidates"]):
            notes = (f"{each['judge']}: {note}" for each in found for note in each["notes"])
            return Pool(str(source) if source is not None else MADE, candidates, tuple(notes))
    judges = ", ".join(each["judge"] for each in found)
    raise RftlabError(
        f"{source} holds no completion of an item of {judges}; give the results of a grid with that task, or a file "
        "with its prompts"
    )


def judged(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `pool_of` asks of one task and verifier, as JSON; runs the user's code in this process."""
    task, verifier, name = loaded(request)
    judge = f"{task.name} with verifier {name}"
    source = Path(request["source"])
    there = list(_distinct(_given(source, task) if request["source"] else _made(task)))
    given = sorted(there, key=lambda each: order(request["seed"], "pool", each[0]))[:_MOST]
    scores = verifier.score([text for _, text, _ in given], [example for _, _, example in given])
    enough = _MOSTLY if verifier.graded else _WHOLLY
    candidates = [
        Candidate(
            key, judge, example.prompt, example.answer, text, score.reward >= enough, score.reward,
            score.extracted or "", score.detail,
        )
        for (key, text, example), score in zip(given, scores, strict=True)
        if not score.parts.get("verifier_error")
    ]  # fmt: skip
    failed = len(given) - len(candidates)
    notes = [f"of {len(there):,} different completions {_MOST:,} were drawn"] if len(there) > _MOST else []
    notes += [f"the verifier itself failed on {failed} completions, which are left out"] if failed else []
    return {"judge": judge, "candidates": list(map(asdict, candidates)), "notes": notes}


def order(seed: int, what: str, key: str) -> str:
    """What to sort keys by for an order that is random, and the same for the same seed."""
    return hashlib.sha256(f"{seed} {what} {key}".encode()).hexdigest()


def _distinct(given: Iterable[tuple[str, Example]]) -> Iterator[tuple[str, str, Example]]:
    seen = set()
    for text, example in given:
        content = json.dumps([example.prompt, example.answer, text])
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        if key not in seen:
            seen.add(key)
            yield key, text, example


def _made(task: Task) -> Iterator[tuple[str, Example]]:
    """Gold answers, near misses of them, and other examples' answers."""
    examples = [*task.train, *task.test]
    examples = examples[:: max(1, len(examples) // _MADE_OF)][:_MADE_OF]
    wrong = [pair for pairs in near_misses(examples).values() for pair in pairs]
    exchanged = list(zip(examples, other_answers(examples), strict=False))
    right = [(example, example.answer) for example in examples]
    yield from ((tagged(answer), example) for example, answer in [*right, *wrong, *exchanged])


def _given(source: Path, task: Task) -> Iterator[tuple[str, Example]]:
    """The completions of a results folder, an archive or a file that are of the task's items."""
    items: dict[str, list[Example]] = {}
    prompts: dict[str, Example] = {}
    for example in (*task.train, *task.test, *task.beyond):
        items.setdefault(example.id, []).append(example)
        prompts.setdefault(normalise_prompt(example.prompt), example)
    results = source.is_dir() or source.name.endswith(SUFFIX)
    for row in _of_results(source) if results else _of_file(source):
        prompt = row.get("prompt", "")
        named = [e for e in items.get(row.get("item", ""), ()) if row.get("answer", e.answer) == e.answer]
        named.sort(key=lambda example: example.prompt not in prompt)  # two parts may both have an item of this id
        if named:
            yield row["completion"], named[0]
        elif not results and (asked := normalise_prompt(prompt)) in prompts:
            yield row["completion"], prompts[asked]


def _of_results(folder: Path) -> Iterator[dict[str, Any]]:
    for found in record.scan(folder)[0]:
        for row in record.read_lines(record.cells_dir(folder) / found.id / record.SAMPLES):
            if isinstance(row.get("completion"), str):
                yield row


def _of_file(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise RftlabError(f"cannot read {path}: {told(error)}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        texts = row if isinstance(row, dict) else {}
        known = [name for name in ("item", "prompt", "answer", "completion") if name in texts]
        if not ({"item", "prompt"} & set(known)) or not all(isinstance(texts[name], str) for name in known):
            known = []
        if "completion" not in known:
            raise RftlabError(
                f'{path} line {number} is no completion; give {{"prompt": "...", "completion": "..."}}, or "item" and '
                "an item's id in place of its prompt"
            )
        yield texts

"""Whether data and verifier can be trusted, before anyone trains on them; imports torch only for a reward model.

A verifier must give full marks to the gold answers and none to other examples' answers, to silence, or to a list of all
candidates. Data must not repeat itself across splits. What is found is a list of findings, each with its evidence.
"""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from rftlab.grid import Grid
from rftlab.preflight.checks import HUB_LIMIT_S, key, task_key
from rftlab.preflight.data import Announced
from rftlab.tasks.base import Example, Task, load_task, normalise_prompt
from rftlab.user_code import child
from rftlab.user_code.child import announce
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, Score, make_verifier
from rftlab.verifiers.choice import to_choices
from rftlab.verifiers.exact import normalise

Level = Literal["ok", "note", "FAIL"]

MAX_SCORED = 200
ACCEPTED_SHARE = 0.05
NEAR_DUPLICATE = 0.8
_MAX_SHOWN = 5
_MAX_COMPARED = 20_000
_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        level: "FAIL" stops the check from passing; "note" is for people to weigh.
        what: short name, the same in every report.
        text: one sentence with the figures.
        evidence: up to five examples.
    """

    level: Level
    what: str
    text: str
    evidence: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """What the check of a task found; `ok` is True if nothing failed, `str(report)` is for people."""

    task: str
    verifier: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(finding.level != "FAIL" for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"{self.task} with verifier {self.verifier}"]
        for finding in self.findings:
            lines.append(f"{finding.level:>4}  {finding.what}: {finding.text}")
            lines += [f"        {text}" for text in finding.evidence]
        failed = sum(finding.level == "FAIL" for finding in self.findings)
        return "\n".join([*lines, "passed" if self.ok else f"{failed} check{'s' * (failed > 1)} failed"])


def check(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    verifier: str = "",
    verifier_settings: Mapping[str, Any] | None = None,
    limit: float = child.LIMIT_S,
) -> Report:
    """Check a task's data and its verifier, in a process of its own: both may be the user's code.

    Args:
        name: registered task, path.py:function, or a data file (.jsonl, .json, .csv, .parquet).
        settings: the task's settings; for a data file such as `columns`.
        verifier: judge with this one instead of the task's own.
        verifier_settings: its settings, on top of the task's where the verifier is the task's own.
        limit: seconds each step in a user's code may take (loading the task, scoring one example).

    Raises:
        RftlabError: the task or the verifier cannot be made, such as data whose test items are also training items; or
            what they do ended the process or came to no end.
    """
    settings = dict(settings or {})
    if Path(name).suffix in _SUFFIXES:
        name, settings = "file", {"path": str(Path(name).expanduser().resolve()), **settings}
    request = {"name": name, "settings": settings, "verifier": verifier, "verifier_settings": verifier_settings or {}}
    found = child.call(f"{__name__}:findings", request, limit=limit)
    return Report(found["task"], found["verifier"], tuple(Finding(**finding) for finding in found["findings"]))


def check_grid(path: Path, *, limit: float = child.LIMIT_S) -> list[Report]:
    """`check` of every task and verifier that a grid names, with the settings they have there.

    Raises:
        RftlabError: as `check`, or anything about the grid.
    """
    cells = Grid.load(path).cells
    named = {(task_key(cell), cell.verifier, key(cell.verifier_settings)): cell for cell in cells}
    return [
        check(c.task, c.task_settings, verifier=c.verifier, verifier_settings=c.verifier_settings, limit=limit)
        for c in named.values()
    ]


def findings(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `check` reports, as JSON; runs the user's code in this process."""
    announce(f"loading task {request['name']!r}", limit=HUB_LIMIT_S if "dataset" in request["settings"] else None)
    task = load_task(request["name"], request["settings"])
    asked = request["verifier_settings"]
    chosen, options = (
        (request["verifier"], asked) if request["verifier"] else (task.verifier, {**task.verifier_settings, **asked})
    )
    announce(f"loading verifier {chosen!r}")
    judge = Announced(make_verifier(chosen, settings=options), chosen)
    found = [*check_verifier(judge, task), *check_conflicts(judge, task), *check_data(task)]
    return {"task": task.name, "verifier": chosen, "findings": [asdict(finding) for finding in found]}


def check_verifier(verifier: Announced, task: Task) -> Iterator[Finding]:
    """Findings on a verifier: gold answers, other examples' answers, silence, lists of candidates, throughput."""
    examples = _spread(task.train) + _spread(task.test) + _spread(task.beyond)
    gold_completions = [_tagged(example.answer) for example in examples]
    verifier.score(gold_completions[:1], examples[:1])
    start = time.perf_counter()
    gold = verifier.score(gold_completions, examples)
    seconds = time.perf_counter() - start
    others = _other_answers(examples)
    shuffled = verifier.score([_tagged(answer) for answer in others], examples) if others else []
    yield _gold_finding(verifier, examples, gold)
    yield _shuffled_finding(verifier, examples, others, gold, shuffled)
    for what, completions in (("empty", ["", _tagged("")]), ("listing", _listings(examples))):
        scores = [verifier.score([completion] * len(examples), examples) for completion in completions]
        yield _nothing_finding(what, verifier, examples, scores)
    errors = [score.detail for score in (*gold, *shuffled) if score.parts.get("verifier_error")]
    if errors:
        evidence = tuple(dict.fromkeys(errors))[:_MAX_SHOWN]
        yield Finding(
            "FAIL",
            "verifier errors",
            f"on {len(errors)} of {len(gold) + len(shuffled)} gold and exchanged answers the verifier itself failed",
            evidence,
        )
    yield Finding("ok", "throughput", f"{len(examples) / max(seconds, 1e-9):,.0f} completions a second")


def check_data(task: Task) -> Iterator[Finding]:
    """Findings on a task's data: sizes, lengths, base rate, duplicates within and between splits."""
    splits = {"train": task.train, "test": task.test, "ood": task.beyond}
    sizes = ", ".join(f"{len(part)} {name}" for name, part in splits.items() if part)
    yield Finding("ok", "sizes", sizes)
    yield Finding("ok", "lengths", _lengths(task.train + task.test + task.beyond))
    yield _base_rate(task.train + task.test)
    for name, part in splits.items():
        pairs = _duplicates(part)
        if pairs:
            yield Finding("note", f"duplicates in {name}", f"{len(pairs)} prompts occur more than once", _shown(pairs))
    near = [pair for part in (task.test, task.beyond) for pair in near_duplicates(task.train, part)]
    if near:
        text = f"{len(near)} held-out prompts are nearly a training prompt (3-gram overlap >= {NEAR_DUPLICATE})"
        yield Finding("note", "near duplicates", text, _shown(near))
    else:
        yield Finding("ok", "near duplicates", "no held-out prompt is nearly a training prompt")


def check_conflicts(verifier: Announced, task: Task) -> Iterator[Finding]:
    """A finding if one prompt has several answers and the verifier takes one for the other's mistake."""
    examples = task.train + task.test + task.beyond
    pairs = [pair for pair in _duplicates(examples) if normalise(pair[0].answer) != normalise(pair[1].answer)]
    asked = pairs[:MAX_SCORED]
    scores = verifier.score([_tagged(later.answer) for _, later in asked], [earlier for earlier, _ in asked])
    wrong = [pair for pair, score in zip(asked, scores, strict=True) if score.reward < 1]
    if wrong:
        evidence = tuple(f"{a.id} {a.prompt[:60]!r}: {a.answer[:40]!r}, {b.id}: {b.answer[:40]!r}" for a, b in wrong)
        text = (
            f"{len(wrong)} repeated prompt{'s have' if len(wrong) > 1 else ' has'} answers that contradict each other"
        )
        yield Finding("note" if verifier.graded else "FAIL", "conflicts", text, evidence[:_MAX_SHOWN])


def near_duplicates(known: Sequence[Example], asked: Sequence[Example]) -> list[tuple[Example, Example]]:
    """Pairs (known, asked) of prompts that hold the same numbers and signs and share most of their character 3-grams.

    Exact: an inverted index over 3-grams, within prompts of the same numbers; the closest known prompt for each asked.
    """
    index: dict[tuple[Any, str], list[int]] = defaultdict(list)
    sizes = []
    for i, example in enumerate(known[:_MAX_COMPARED]):
        numbers, grams = _shape(example.prompt)
        sizes.append(len(grams))
        for gram in grams:
            index[numbers, gram].append(i)
    pairs = []
    for example in asked[:_MAX_COMPARED]:
        numbers, grams = _shape(example.prompt)
        shared = Counter(i for gram in grams for i in index.get((numbers, gram), ()))
        overlaps = [(count / (len(grams) + sizes[i] - count), i) for i, count in shared.items()]
        best, i = max(overlaps, default=(0.0, 0))
        if best >= NEAR_DUPLICATE:
            pairs.append((known[i], example))
    return pairs


def _gold_finding(verifier: Announced, examples: Sequence[Example], gold: Sequence[Score]) -> Finding:
    wrong = [(e, s) for e, s in zip(examples, gold, strict=True) if s.reward < 1]
    if verifier.graded:
        return Finding("ok", "gold answers", f"mean reward {fmean(s.reward for s in gold):.2f}, graded")
    if not wrong:
        return Finding("ok", "gold answers", f"all {len(gold)} score 1")
    evidence = tuple(f"{e.id}: {e.answer[:60]!r} scores {s.reward:g}. {s.detail[:120]}" for e, s in wrong[:_MAX_SHOWN])
    return Finding("FAIL", "gold answers", f"{len(wrong)} of {len(gold)} do not score 1", evidence)


def _shuffled_finding(
    verifier: Announced,
    examples: Sequence[Example],
    others: Sequence[str],
    gold: Sequence[Score],
    shuffled: Sequence[Score],
) -> Finding:
    if not shuffled:
        return Finding("FAIL", "shuffled answers", "every gold answer is the same, so any model learns it at once")
    mean, right = fmean(score.reward for score in shuffled), fmean(score.reward for score in gold)
    accepted = [(e, a) for e, a, s in zip(examples, others, shuffled, strict=True) if s.reward >= 1]
    text = f"{len(accepted)} of {len(shuffled)} get full marks, mean reward {mean:.2f} (gold: {right:.2f})"
    evidence = tuple(f"{e.id}: {a[:60]!r} passes for {e.answer[:60]!r}" for e, a in accepted[:_MAX_SHOWN])
    many = len(accepted) > max(1, ACCEPTED_SHARE * len(shuffled))
    if many or mean >= right:
        return Finding("FAIL", "shuffled answers", f"{text}; another example's answer must not pass", evidence)
    level: Level = "note" if mean > 0.5 * right else "ok"
    return Finding(
        level, "shuffled answers", f"{text}; much of it is credit for form alone" if level == "note" else text
    )


def _nothing_finding(
    what: str, verifier: Announced, examples: Sequence[Example], scores: Sequence[Sequence[Score]]
) -> Finding:
    name = {"empty": "empty completions", "listing": "lists of all candidates"}[what]
    rewards = [score.reward for row in scores for score in row]
    mean = fmean(rewards) if rewards else 0.0
    accepted = sum(reward >= 1 for reward in rewards)
    limit = 0.5 if verifier.graded or what == "listing" else ACCEPTED_SHARE
    # A list may by accident be the very answer of one example whose answer is itself a list.
    fails = mean > limit or accepted > (ACCEPTED_SHARE * len(rewards) if what == "listing" else 0)
    text = f"{accepted} of {len(rewards)} get full marks, mean reward {mean:.2f}"
    return Finding("FAIL" if fails else "ok", name, text)


def _base_rate(examples: Sequence[Example]) -> Finding:
    answers = Counter(normalise(example.answer) for example in examples)
    answer, count = answers.most_common(1)[0]
    share = count / len(examples)
    options = [len(to_choices(example.meta.get("choices"))) for example in examples]
    chance = f"; guessing among the choices scores {fmean(1 / n for n in options):.2f}" if all(options) else ""
    text = f"{len(answers)} distinct answers; always saying {answer[:40]!r} scores {share:.2f}{chance}"
    return Finding("note" if share > 0.5 else "ok", "base rate", text)


def _lengths(examples: Sequence[Example]) -> str:
    columns = {
        "prompts": [len(example.prompt) for example in examples],
        "answers": [len(example.answer) for example in examples],
        "rationales": [len(example.rationale) for example in examples if example.rationale],
    }
    said = [f"{name} {median(sizes):.0f} (at most {max(sizes)})" for name, sizes in columns.items() if sizes]
    return "median characters: " + ", ".join(said)


def _other_answers(examples: Sequence[Example]) -> list[str]:
    """For each example the answer of the next one whose answer differs; empty if all are the same."""
    normal = [normalise(example.answer) for example in examples]
    if len(set(normal)) < 2:
        return []
    others, following = [""] * len(examples), 0
    for i in reversed(range(2 * len(examples))):
        here = i % len(examples)
        if normal[here] != normal[(i + 1) % len(examples)]:
            following = (i + 1) % len(examples)
        others[here] = examples[following].answer
    return others


def _listings(examples: Sequence[Example]) -> list[str]:
    """Completions that list candidates: in one pair of tags, in many, and as prose."""
    choices = [text for example in examples[:1] for text in to_choices(example.meta.get("choices"))]
    answers = list(dict.fromkeys([*choices, *(example.answer for example in examples)]))[:30]
    if len(answers) < 2:
        return []
    joined = [_tagged(separator.join(answers)) for separator in (", ", " or ", "\n")]
    return [*joined, "".join(map(_tagged, answers)), " ".join(f"The answer is {answer}." for answer in answers)]


def _duplicates(examples: Sequence[Example]) -> list[tuple[Example, Example]]:
    first: dict[str, Example] = {}
    pairs = []
    for example in examples:
        earlier = first.setdefault(normalise_prompt(example.prompt), example)
        if earlier is not example:
            pairs.append((earlier, example))
    return pairs


def _shape(prompt: str) -> tuple[Any, set[str]]:
    text = normalise_prompt(prompt)
    padded = f" {re.sub(r'[0-9]+', '#', text)} "
    return tuple(re.findall(r"[0-9]+|[-+*/^]", text)), {padded[i : i + 3] for i in range(len(padded) - 2)}


def _shown(pairs: Sequence[tuple[Example, Example]]) -> tuple[str, ...]:
    return tuple(f"{a.id} {a.prompt[:60]!r} ~ {b.id} {b.prompt[:60]!r}" for a, b in pairs[:_MAX_SHOWN])


def _spread(examples: Sequence[Example]) -> list[Example]:
    step = max(1, -(-len(examples) // MAX_SCORED))
    return list(examples[::step])


def _tagged(answer: str) -> str:
    return f"{OPEN_TAG}{answer}{CLOSE_TAG}"

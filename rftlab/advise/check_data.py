"""Whether a task's data can be trusted: sizes, what repeats itself, what of the test is known from training."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from rftlab.advise.check_gold import check_gold
from rftlab.advise.finding import MAX_SCORED, MAX_SHOWN, Finding, excerpt
from rftlab.preflight.data import Announced
from rftlab.tasks.base import Example, Task, normalise_prompt
from rftlab.tasks.folds import rows
from rftlab.verifiers.base import tagged
from rftlab.verifiers.exact import normalise

NEAR_DUPLICATE = 0.8
_MAX_COMPARED = 20_000
_FEWEST_WORDS = 5
# White space, and punctuation that does not stand within a number.
_PUNCTUATION = re.compile(r"\s+|(?<!\d)[.,;:!?'\"()]|[.,;:!?'\"()](?!\d)")


def check_data(verifier: Announced, task: Task) -> Iterator[Finding]:
    """Findings on a task's data: sizes, lengths, gold answers, duplicates within and between splits."""
    splits = {"train": task.train, "prompts": task.prompts, "test": task.test, "ood": task.beyond}
    sizes = ", ".join(f"{len(part)} {name}" for name, part in splits.items() if part)
    yield Finding("ok", "sizes", sizes)
    yield Finding("ok", "lengths", _lengths(task.train + task.prompts + task.test + task.beyond))
    if answered := [example for example in task.train + task.test if example.answer]:
        yield from check_gold(verifier, answered)
    for name, part in splits.items():
        pairs = _duplicates(part)
        if pairs:
            yield Finding("note", f"duplicates in {name}", f"{len(pairs)} prompts occur more than once", _shown(pairs))
    known_and_asked = _known_and_asked(task)
    if same := _each_once(leaks(*split) for split in known_and_asked):
        text = f"{len(same)} held-out prompts are training prompts but for white space and punctuation"
        yield Finding("FAIL", "leaks", text, _shown(same))
    if told_anew := _each_once(paraphrases(*split) for split in known_and_asked):
        text = f"{len(told_anew)} held-out prompts have the words, the numbers and the answer of a training prompt"
        yield Finding("note", "paraphrases", text, _shown(told_anew))
    if near := _each_once(near_duplicates(*split) for split in known_and_asked):
        text = f"{len(near)} held-out prompts are nearly a training prompt (3-gram overlap >= {NEAR_DUPLICATE})"
        yield Finding("note", "near duplicates", text, _shown(near))
    else:
        yield Finding("ok", "near duplicates", "no held-out prompt is nearly a training prompt")


def _known_and_asked(task: Task) -> list[tuple[Sequence[Example], Sequence[Example]]]:
    """What may have been trained on when something else is asked: two parts, or with folds any row but its own.

    Two rows of different prompts differ in some bit of their numbers: so few splits hold every pair.
    """
    if task.folds is None:
        return [(task.train + task.prompts, (*task.test, *task.beyond))]
    apart = list({normalise_prompt(example.prompt): example for example in rows(task)}.values())
    halves: list[tuple[list[Example], list[Example]]] = []
    for bit in range((len(apart) - 1).bit_length()):
        sides: tuple[list[Example], list[Example]] = ([], [])
        for number, example in enumerate(apart):
            sides[number >> bit & 1].append(example)
        halves.append(sides)
    return [*halves, (task.prompts, apart), ([*apart, *task.prompts], task.beyond)]


def _each_once(found: Iterable[list[tuple[Example, Example]]]) -> list[tuple[Example, Example]]:
    """Pairs of all splits; of several, in which either may be the one that is asked, once."""
    first, *others = found
    if not others:
        return first
    return list({frozenset((a.id, b.id)): (a, b) for part in (first, *others) for a, b in part}.values())


def check_conflicts(verifier: Announced, task: Task) -> Iterator[Finding]:
    """A finding if one prompt has several answers and the verifier takes one for the other's mistake."""
    examples = [example for example in task.train + task.test + task.beyond if example.answer]
    pairs = [pair for pair in _duplicates(examples) if normalise(pair[0].answer) != normalise(pair[1].answer)]
    asked = pairs[:MAX_SCORED]
    scores = verifier.score([tagged(later.answer) for _, later in asked], [earlier for earlier, _ in asked])
    wrong = [pair for pair, score in zip(asked, scores, strict=True) if score.reward < 1]
    if wrong:
        evidence = tuple(
            f"{a.id} {excerpt(a.prompt)}: {excerpt(a.answer, 40)}, {b.id}: {excerpt(b.answer, 40)}" for a, b in wrong
        )
        text = (
            f"{len(wrong)} repeated prompt{'s have' if len(wrong) > 1 else ' has'} answers that contradict each other"
        )
        yield Finding("note" if verifier.graded else "FAIL", "conflicts", text, evidence[:MAX_SHOWN])


def leaks(known: Sequence[Example], asked: Sequence[Example]) -> list[tuple[Example, Example]]:
    """Pairs (known, asked) of prompts that are one but for case, white space and punctuation."""
    first = {_squeezed(example.prompt): example for example in reversed(known)}
    return [(first[text], example) for example in asked if (text := _squeezed(example.prompt)) in first]


def paraphrases(known: Sequence[Example], asked: Sequence[Example]) -> list[tuple[Example, Example]]:
    """Pairs (known, asked) with the same answer, the same numbers in any order and nearly the same words in any order.

    The closest known prompt for each asked; prompts of fewer than five words are not looked at.
    """
    groups: dict[object, list[tuple[Example, frozenset[str]]]] = defaultdict(list)
    for example in known[:_MAX_COMPARED]:
        key, words = _content(example)
        groups[key].append((example, words))
    pairs = []
    for example in asked[:_MAX_COMPARED]:
        key, words = _content(example)
        if len(words) < _FEWEST_WORDS:
            continue
        overlaps = [(len(words & others) / len(words | others), other) for other, others in groups.get(key, ())]
        best, other = max(overlaps, key=lambda each: each[0], default=(0.0, example))
        if best >= NEAR_DUPLICATE and _squeezed(other.prompt) != _squeezed(example.prompt):
            pairs.append((other, example))
    return pairs


def _squeezed(prompt: str) -> str:
    return _PUNCTUATION.sub("", prompt.casefold())


def _content(example: Example) -> tuple[object, frozenset[str]]:
    found = re.findall(r"[0-9]+|[^\W\d_]+", example.prompt.casefold())
    numbers = sorted(text for text in found if text.isdecimal())
    return (normalise(example.answer), *numbers), frozenset(text for text in found if not text.isdecimal())


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


def _lengths(examples: Sequence[Example]) -> str:
    columns = {
        "prompts": [len(example.prompt) for example in examples],
        "answers": [len(example.answer) for example in examples if example.answer],
        "rationales": [len(example.rationale) for example in examples if example.rationale],
    }
    said = [f"{name} {median(sizes):.0f} (at most {max(sizes)})" for name, sizes in columns.items() if sizes]
    return "median characters: " + ", ".join(said)


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
    return tuple(f"{a.id} {excerpt(a.prompt, 100)} ~ {b.id} {excerpt(b.prompt, 100)}" for a, b in pairs[:MAX_SHOWN])

"""Whether gold answers can be trusted as such: one for most, whole solutions, spellings, what gives them away."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean

from rftlab.advise.finding import MAX_SCORED, MAX_SHOWN, Finding, excerpt
from rftlab.preflight.data import Announced
from rftlab.tasks.base import Example, normalise_prompt
from rftlab.tasks.reader import BOXED
from rftlab.verifiers.base import tagged
from rftlab.verifiers.choice import chosen_letter, to_choices
from rftlab.verifiers.exact import normalise

FEW_CLASSES = 30
_BY_CHANCE = 0.05
_MOST_FREQUENT, _DRAWN, _SECONDS = 5, 20, 5.0
# Marker -> how many words stand before it, at least, where what it marks ends a rationale: GSM8K's, MATH's box.
_MARKS = {"####": 1, BOXED: 2}
_SENTENCE_ENDS = re.compile(r"[.!?]\s+(?=[A-Z\\$])")
_ENDS_IN_NUMBER = re.compile(r"\d[^\w\s]*(?:\s*\w{1,12})?[.!]?\s*$")


def check_gold(verifier: Announced, examples: Sequence[Example]) -> Iterator[Finding]:
    """Findings on gold answers.

    Args:
        verifier: who judges them.
        examples: that have one, at least one.
    """
    yield _base_rate(verifier, examples)
    if told := spellings([example.answer for example in examples]):
        yield Finding("note", "spellings", told)
    with_options = [e for e in examples if to_choices(e.meta.get("choices"))]
    strange = [e for e in with_options if chosen_letter(e.answer, to_choices(e.meta["choices"])) is None]
    if strange:
        evidence = tuple(f"{e.id}: {excerpt(e.answer)} of {_options(e)}" for e in strange[:MAX_SHOWN])
        yield Finding("FAIL", "options", f"{len(strange)} gold answers are none of their options", evidence)
    given = [e for e in examples if not e.meta.get("choices") and _gives_away(e)]
    distinct = len({normalise(e.answer) for e in examples})
    share = len(given) / len(examples)
    if share > _BY_CHANCE and distinct > FEW_CLASSES:  # a prompt may well list the few classes there are
        evidence = tuple(f"{e.id}: {excerpt(e.answer, 40)} in {excerpt(e.prompt, 80)}" for e in given[:MAX_SHOWN])
        text = f"{len(given)} prompts ({share:.0%}) hold their gold answer; right, if it is to be copied from there"
        yield Finding("note", "gold in the prompt", text, evidence)
    if verifier.needs_gold and not verifier.graded:
        yield from _whole_solutions(examples)


def marker_in(answers: Sequence[str]) -> str:
    r"""The marker behind which more than half of some answers have the final one: `####`, `\boxed`; "" for none."""
    return next((mark for mark in _MARKS if 2 * sum(_ends_in(mark, answer) for answer in answers) > len(answers)), "")


def reads_like_a_solution(answer: str) -> bool:
    """Whether a text has several sentences and a number at its end, as a worked solution has."""
    return bool(_SENTENCE_ENDS.search(answer.strip()) and _ENDS_IN_NUMBER.search(answer))


def spellings(answers: Sequence[str]) -> str:
    """Classes that are written in several ways, differing in case or white space alone, in a sentence; "" for none."""
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        ways[" ".join(answer.split()).casefold()][answer] += 1
    if len(ways) > min(FEW_CLASSES, len(answers) / 2):
        return ""
    several = [
        ", ".join(f"{way!r} ({count})" for way, count in sorted(found.items(), key=lambda each: (-each[1], each[0])))
        for _, found in sorted(ways.items())
        if len(found) > 1
    ]
    if not several:
        return ""
    return (
        f"{len(several)} of {len(ways)} classes are written in several ways, which differ in case or white space "
        f"alone: {'; '.join(several[:MAX_SHOWN])}; write each in one way, or a list of the classes names it twice"
    )


def _whole_solutions(examples: Sequence[Example]) -> Iterator[Finding]:
    """A finding where gold answers hold what leads to them too."""
    if marker := marker_in([e.answer for e in examples]):
        marked = [e for e in examples if _ends_in(marker, e.answer)]
        text = (
            f"{len(marked)} gold answers hold their rationale too, which no model writes word for word; separate them: "
            f"task_settings.answer_after: '{marker}'"
        )
        yield Finding(
            "FAIL", "whole rationales", text, tuple(f"{e.id}: {excerpt(e.answer, 80)}" for e in marked[:MAX_SHOWN])
        )
        return
    prose = [e for e in examples if reads_like_a_solution(e.answer)]
    if 2 * len(prose) > len(examples):
        text = (
            f"{len(prose)} gold answers read like whole solutions, with the answer at their end; a model's short "
            "answer will not be the same: give the answer a column of its own, or name the words before it in "
            "task_settings.answer_after"
        )
        yield Finding(
            "note", "whole rationales", text, tuple(f"{e.id}: {excerpt(e.answer, 80)}" for e in prose[:MAX_SHOWN])
        )


def _ends_in(marker: str, answer: str) -> bool:
    before, found, _ = answer.rpartition(marker)
    return bool(found) and len(before.split()) >= _MARKS[marker]


def _gives_away(example: Example) -> bool:
    """Whether the gold answer, of two characters at least, stands in the prompt by itself."""
    answer, prompt = normalise_prompt(example.answer), normalise_prompt(example.prompt)
    return len(answer) > 1 and bool(re.search(rf"(?<![\w.,]){re.escape(answer)}(?!\w)", prompt))


def _options(example: Example) -> str:
    return ", ".join(map(repr, to_choices(example.meta["choices"]).values()))[:80]


def _base_rate(verifier: Announced, examples: Sequence[Example]) -> Finding:
    answers = Counter(normalise(example.answer) for example in examples)
    answer, share = _paid_most(verifier, examples, answers)
    options = [len(to_choices(example.meta.get("choices"))) for example in examples]
    chance = f"; guessing among the choices scores {fmean(1 / n for n in options):.2f}" if all(options) else ""
    text = f"{len(answers)} distinct answers; always saying {excerpt(answer, 40)} scores {share:.2f}{chance}"
    return Finding("note" if share > 0.5 else "ok", "base rate", text)


def _paid_most(verifier: Announced, examples: Sequence[Example], answers: Counter[str]) -> tuple[str, float]:
    """The one answer that pays most if it is always given, and its mean reward; at least the most frequent text's.

    The verifier may take one text for another's right answer (a tolerance, a query of the same rows), so it is asked of
    the most frequent ones and of some others, on examples spread over all, as long as that is done in seconds.
    """
    answer, count = answers.most_common(1)[0]
    best = (answer, count / len(examples))
    if verifier.graded:
        return best
    written = {normalise(example.answer): example.answer for example in reversed(examples)}
    frequent = [text for text, _ in answers.most_common(_MOST_FREQUENT)]
    rest = [text for text in answers if text not in frequent]
    drawn = rest[:: max(1, len(rest) // _DRAWN)][:_DRAWN]
    asked = examples[:: max(1, -(-len(examples) // MAX_SCORED))]
    until = time.monotonic() + _SECONDS
    for text in (*frequent, *drawn):
        if time.monotonic() > until:
            break
        others = [example for example in asked if normalise(example.answer) != text]
        scores = verifier.score([tagged(written[text])] * len(others), others)
        own = answers[text] / len(examples)  # of all, not of those asked
        share = own + (1 - own) * fmean(score.reward for score in scores) if scores else own
        best = max(best, (text, share), key=lambda each: each[1])
    return best

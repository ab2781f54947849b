"""Whether a verifier pays for right answers and for nothing else."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from rftlab.advise.finding import MAX_SCORED, MAX_SHOWN, Finding, Level, excerpt
from rftlab.advise.wrong_answers import listings, near_misses, other_answers
from rftlab.preflight.data import Announced
from rftlab.tasks.base import Example, Task
from rftlab.verifiers.base import Score, tagged

ACCEPTED_SHARE = 0.05
_EMPTY, _LISTS, _COPIED, _NEAR = "empty completions", "lists of all candidates", "prompts repeated", "near misses"
MAX_NEAR = 60
"""Examples whose near misses are scored: of each kind so many."""


class _Watched:
    """A verifier, and where it failed itself.

    Attributes:
        failed: what it was given -> how often it raised or gave no reward, and the first few times, in words.
        given: what it was given -> how often.
    """

    def __init__(self, verifier: Announced) -> None:
        self.graded, self.needs_gold = verifier.graded, verifier.needs_gold
        self._verifier = verifier
        self.given: Counter[str] = Counter()
        self.failed: dict[str, list[str]] = {}

    def score(self, kind: str, completions: Sequence[str], examples: Sequence[Example]) -> list[Score]:
        """As `Announced.score`, of completions that are all of one kind."""
        scores = self._verifier.score(completions, examples)
        self.given[kind] += len(scores)
        for completion, example, score in zip(completions, examples, scores, strict=True):
            if score.parts.get("verifier_error"):
                told = f"{excerpt(completion)} to {example.id}: {score.reason}"
                self.failed.setdefault(kind, []).append(told)
        return scores

    def level(self, kind: str) -> Level:
        """A note where a reward of 0 may come from a failure of the verifier's own, ok elsewhere."""
        return "note" if self.failed.get(kind) else "ok"


def check_verifier(judge: Announced, task: Task) -> Iterator[Finding]:
    """Findings on a verifier: gold answers, other examples' answers, near misses, silence, lists, errors, speed."""
    verifier = _Watched(judge)
    asked = _spread(task.train) + _spread(task.prompts) + _spread(task.test) + _spread(task.beyond)
    examples = [example for example in asked if example.answer]
    if not examples:
        yield from _without_gold(verifier, asked)
        yield from _failures(verifier)
        return
    gold_completions = [tagged(example.answer) for example in examples]
    judge.score(gold_completions[:1], examples[:1])
    start = time.perf_counter()
    gold = verifier.score("gold answers", gold_completions, examples)
    seconds = time.perf_counter() - start
    others = other_answers(examples)
    shuffled = verifier.score("exchanged answers", [tagged(answer) for answer in others], examples) if others else []
    yield _gold_finding(verifier, examples, gold)
    yield _shuffled_finding(verifier, examples, others, gold, shuffled)
    yield from _near_findings(verifier, task)
    for kind, completions in ((_EMPTY, ["", tagged("")]), (_LISTS, listings(examples, programs=judge.is_program))):
        yield _nothing_finding(verifier, kind, completions, examples)
    yield from _failures(verifier)
    yield Finding("ok", "throughput", f"{len(examples) / max(seconds, 1e-9):,.0f} completions a second")


def _without_gold(verifier: _Watched, examples: Sequence[Example]) -> Iterator[Finding]:
    """Findings on a verifier where no example has a gold answer to try."""
    level: Level = "FAIL" if verifier.needs_gold else "note"
    what = "which this verifier compares with" if verifier.needs_gold else "so none was tried; look with `rftlab show`"
    yield Finding(level, "gold answers", f"no example has one, {what}")
    yield _nothing_finding(verifier, _EMPTY, ["", tagged("")], examples)
    scores = verifier.score(_COPIED, [tagged(example.prompt) for example in examples], examples)
    yield _of_nothing(verifier, _COPIED, scores)


def _failures(verifier: _Watched) -> Iterator[Finding]:
    """A finding where the verifier failed itself: on gold and exchanged answers a bug, on others for people to weigh.

    What a policy writes is wrong more often than right, so a verifier that only fails there fails all through training.
    """
    if not verifier.failed:
        return
    shares = ", ".join(f"{len(told)} of {verifier.given[kind]} {kind}" for kind, told in verifier.failed.items())
    level: Level = "FAIL" if {"gold answers", "exchanged answers"} & set(verifier.failed) else "note"
    text = f"the verifier itself failed on {shares}; that scores 0 and is counted as its error, so mend it"
    firsts = [told[0] for told in verifier.failed.values()]
    yield Finding(level, "verifier errors", text, tuple(dict.fromkeys(firsts))[:MAX_SHOWN])


def _gold_finding(verifier: _Watched, examples: Sequence[Example], gold: Sequence[Score]) -> Finding:
    wrong = [(e, s) for e, s in zip(examples, gold, strict=True) if s.reward < 1]
    if verifier.graded:
        return Finding("ok", "gold answers", f"mean reward {fmean(s.reward for s in gold):.2f}, graded")
    if not wrong:
        return Finding("ok", "gold answers", f"all {len(gold)} score 1")
    evidence = tuple(f"{e.id}: {excerpt(e.answer)} scores {s.reward:g}. {s.reason[:120]}" for e, s in wrong[:MAX_SHOWN])
    return Finding("FAIL", "gold answers", f"{len(wrong)} of {len(gold)} do not score 1", evidence)


def _shuffled_finding(
    verifier: _Watched,
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
    evidence = tuple(f"{e.id}: {excerpt(a)} passes for {excerpt(e.answer)}" for e, a in accepted[:MAX_SHOWN])
    many = len(accepted) > max(1, ACCEPTED_SHARE * len(shuffled))
    if many or mean >= right:
        return Finding("FAIL", "shuffled answers", f"{text}; another example's answer must not pass", evidence)
    level: Level = "note" if mean > 0.5 * right else "ok"
    return Finding(
        level, "shuffled answers", f"{text}; much of it is credit for form alone" if level == "note" else text
    )


def _near_findings(verifier: _Watched, task: Task) -> Iterator[Finding]:
    """One finding for every kind of near miss that is paid; or that none is."""
    examples = _spread(task.train, MAX_NEAR)
    asked = near_misses(examples)
    paid_of: dict[str, tuple[str, ...]] = {}
    for kind, misses in asked.items():
        scores = verifier.score(_NEAR, [tagged(answer) for _, answer in misses], [example for example, _ in misses])
        paid = [(e, answer) for (e, answer), score in zip(misses, scores, strict=True) if score.reward >= 1]
        if paid:
            paid_of[kind] = tuple(f"{e.id}: {excerpt(a)} passes for {excerpt(e.answer)}" for e, a in paid)
    for kind, evidence in paid_of.items():
        level: Level = "note" if verifier.graded or not verifier.needs_gold else "FAIL"
        weigh = "a wrong answer must not pass" if level == "FAIL" else "right, if other answers than the gold one are"
        text = f"{kind}: {len(evidence)} of {len(asked[kind])} get full marks; {weigh}"
        yield Finding(level, "near misses", text, evidence[:MAX_SHOWN])
    if not paid_of:
        tried = sum(map(len, asked.values()))
        text = f"none of {tried} wrong answers that look like the gold one gets full marks"
        failed = len(verifier.failed.get(_NEAR, ()))
        text += f", but the verifier itself failed on {failed}" if failed else ""
        yield Finding(verifier.level(_NEAR), "near misses", text)


def _nothing_finding(verifier: _Watched, kind: str, completions: Sequence[str], examples: Sequence[Example]) -> Finding:
    """What is paid for completions that say nothing or everything, each given to all examples."""
    return _of_nothing(
        verifier,
        kind,
        [score for each in completions for score in verifier.score(kind, [each] * len(examples), examples)],
    )


def _of_nothing(verifier: _Watched, kind: str, scores: Sequence[Score]) -> Finding:
    rewards = [score.reward for score in scores]
    mean = fmean(rewards) if rewards else 0.0
    accepted = sum(reward >= 1 for reward in rewards)
    limit = 0.5 if verifier.graded or kind == _LISTS else ACCEPTED_SHARE
    # A list may by accident be the very answer of one example whose answer is itself a list.
    fails = mean > limit or accepted > (ACCEPTED_SHARE * len(rewards) if kind == _LISTS else 0)
    text = f"{accepted} of {len(rewards)} get full marks, mean reward {mean:.2f}"
    return Finding("FAIL" if fails else verifier.level(kind), kind, text)


def _spread(examples: Sequence[Example], count: int = MAX_SCORED) -> list[Example]:
    step = max(1, -(-len(examples) // count))
    return list(examples[::step])

"""How far two people agree on which completion is better: of two pairs files, or of two judges of a study."""

from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from rftlab.errors import RftlabError
from rftlab.record.judgements import BOTH_BAD, SAME_TEXT, read_judgements
from rftlab.registry import suggest
from rftlab.stats import Interval, kappa_interval, wilson_interval
from rftlab.tasks.choices import Word, choices_path, read_choices

_WORDS = ("one", "other", "tie", "both bad")
_TURNED = {"one": "other", "other": "one"}


@dataclass(frozen=True)
class LabellerAgreement:
    """What two labellers said of the same pairs; `str(agreement)` is for people.

    Attributes:
        names: of the two.
        said: of each pair that both judged, the word of either: "one" (which of the two that is, is the same for both
            labellers and says nothing else), "other", "tie", "both bad".
        alone: how many pairs only the one, and only the other, judged.
        seen: how many of `said` were chosen after a look at the verifier's opinion, by either.
    """

    names: tuple[str, str]
    said: tuple[tuple[str, str], ...]
    alone: tuple[int, int]
    seen: int = 0

    @cached_property
    def table(self) -> np.ndarray:
        """Counts of shape (4, 4): words of the one labeller by those of the other.

        Each pair counts one half either way round, because which completion is "one" is arbitrary.
        """
        counts = np.zeros((len(_WORDS), len(_WORDS)))
        for first, second in self.said:
            for a, b in ((first, second), (_TURNED.get(first, first), _TURNED.get(second, second))):
                counts[_WORDS.index(a), _WORDS.index(b)] += 0.5
        return counts

    @property
    def agreement(self) -> Interval:
        """Share of the pairs on which both said the same, with Wilson's interval of 95 %; NaN for no pairs."""
        return wilson_interval(sum(a == b for a, b in self.said), len(self.said))

    @property
    def kappa(self) -> Interval:
        """Cohen's kappa of `table` with its interval of 95 % (`stats.kappa_interval`)."""
        return kappa_interval(self.table)

    def __str__(self) -> str:
        (one, other), n = self.names, len(self.said)
        if not n:
            return f"{one} and {other} have no pair in common ({self.alone[0]} and {self.alone[1]} of their own)"
        agreed, kappa = self.agreement, self.kappa
        apart = sum({a, b} == {"one", "other"} for a, b in self.said)
        chance = (
            "Cohen's kappa undefined: both said the same word throughout"
            if isnan(kappa.estimate)
            else f"Cohen's kappa {kappa.estimate:.2f} [{kappa.low:.2f}, {kappa.high:.2f}]"
        )
        lines = [
            f"{one} and {other} agree on {agreed.estimate:.0%} [{agreed.low:.0%}, {agreed.high:.0%}] of {n} pairs that "
            f"both judged; {chance}; intervals are of 95 %",
            f"of the {n - round(n * agreed.estimate)} on which they differ, {apart} are opposite preferences; only one "
            f"of them judged {self.alone[0]} and {self.alone[1]} more",
        ]
        if self.seen:
            lines.append(f"{self.seen} of the {n} were chosen after a look at the verifier's opinion")
        return "\n".join(lines)


def label_agreement(one: str | Path, other: str | Path) -> LabellerAgreement:
    """How far the labellers of two pairs files agree, on the pairs whose completions both were shown.

    Args:
        one: a pairs file; its choices lie beside it (`tasks.choices`).
        other: another labeller's.

    Raises:
        RftlabError: one has no choices beside it, or they cannot be read.
    """
    paths = (Path(one), Path(other))
    if choices_path(one).resolve() == choices_path(other).resolve():
        raise RftlabError(f"{one} is given twice; give the pairs files of two labellers")
    found = [{choice.key: choice for choice in read_choices(path)} for path in paths]
    for path, choices in zip(paths, found, strict=True):
        if not choices:
            raise RftlabError(f"no choices lie beside {path} ({choices_path(path).name}); label pairs into it first")
    both = [(found[0][key], found[1][key]) for key in found[0] if key in found[1]]
    said = [(_oriented(a.choice, a.first, a.second), _oriented(b.choice, b.first, b.second)) for a, b in both]
    seen = sum(a.opinion_seen or b.opinion_seen for a, b in both)
    names = [next(iter(choices.values())).labeller for choices in found]
    if not all(names) or names[0] == names[1]:
        names = [str(path) for path in paths]
    return _agreement((names[0], names[1]), said, [len(each) - len(both) for each in found], seen)


def judge_agreement(results: str | Path, one: str, other: str) -> LabellerAgreement:
    """How far two judges of a study agree, on the pairs of completions that both judged.

    Whoever prefers another side in the other order has no preference (a tie), as where win rates are counted. Pairs of
    the same text, which nobody is asked about, are left out.

    Args:
        results: a results folder or archive.
        one: a judge's name, as in `judges.json`.
        other: another's.

    Raises:
        RftlabError: no such judge, or the judgements cannot be read.
    """
    shares: dict[str, dict[Any, list[tuple[float, str]]]] = {}
    for each in read_judgements(results):
        if each.share is not None and each.why != SAME_TEXT:
            key = (*sorted((each.first, each.second)), each.item)
            won = each.share if each.first == key[0] else 1 - each.share
            shares.setdefault(each.judge, {}).setdefault(key, []).append((won, each.why))
    for name in (one, other):
        if name not in shares:
            raise RftlabError(f"no judge {name!r} has judged in {results}{suggest(name, shares)}")
    first, second = ({key: _word(made) for key, made in shares[name].items()} for name in (one, other))
    said = [(first[key], second[key]) for key in first if key in second]
    return _agreement((one, other), said, [len(first) - len(said), len(second) - len(said)], 0)


def _agreement(names: tuple[str, str], said: list[tuple[str, str]], alone: list[int], seen: int) -> LabellerAgreement:
    return LabellerAgreement(names, tuple(said), (alone[0], alone[1]), seen)


def _oriented(word: Word, first: str, second: str) -> str:
    """A choice by which text it is of, and not by where that stood."""
    if word not in ("first", "second"):
        return word
    return "one" if (word == "first") == (first < second) else "other"


def _word(made: list[tuple[float, str]]) -> str:
    wins = {won for won, _ in made}
    if wins == {0.5} and all(why == BOTH_BAD for _, why in made):
        return "both bad"
    return {frozenset((1.0,)): "one", frozenset((0.0,)): "other"}.get(frozenset(wins), "tie")

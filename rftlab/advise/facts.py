"""What is known of a problem before anyone trains: facts, each of which may be unknown, and the question behind each.

One table (`FACTS`) makes the questions in the terminal, the options of the command line, the keys of the JSON file and
the page of the docs.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple

from rftlab.errors import RftlabError, one_line
from rftlab.registry import suggest

Verifier = Literal["none", "gold", "no_gold", "judge"]
UNKNOWN = "not known"
_MOST = 10**9
_YES, _NO = ("yes", "y", "true"), ("no", "n", "false")
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {"<": operator.lt, ">": operator.gt, ">=": operator.ge}
_SILENT = ("", "?", "unknown", UNKNOWN)


@dataclass(frozen=True)
class Facts:
    """What is known; None is not known. Counts are 0 or more, shares lie in [0, 1].

    Attributes:
        subjective: good is a matter of taste: no answer is right or wrong.
        labels: prompts with the answer they should get.
        clean: their answers can be trusted.
        rationales: they come with worked steps.
        verifier: who can say whether an answer is right: none, gold (compares with a gold answer), no_gold (tests, a
            solver, rules: no gold answer needed) or judge (a model or a person grades).
        verifier_paid: a check costs money, or more than a second.
        partial: it also tells answers that are partly right.
        prompts: prompts without labels.
        preferences: comparisons of two completions.
        thumbs: thumbs up and down on single completions.
        reasoning: reaching an answer takes steps worth writing down.
        base_accuracy: share of prompts that the base answers right at the first try.
        base_pass_at_8: share of prompts that it answers right in at least one of eight tries.
        trainable: its weights may be trained, by licence and access.
        teacher: a stronger model's answers may be trained on, by licence and access.
        prompted: examples in the prompt and better instructions were tried.
        keep_skills: what the base can do beside this task has to stay.
    """

    subjective: bool | None = None
    labels: int | None = None
    clean: bool | None = None
    rationales: bool | None = None
    verifier: Verifier | None = None
    verifier_paid: bool | None = None
    partial: bool | None = None
    prompts: int | None = None
    preferences: int | None = None
    thumbs: int | None = None
    reasoning: bool | None = None
    base_accuracy: float | None = None
    base_pass_at_8: float | None = None
    trainable: bool | None = None
    teacher: bool | None = None
    prompted: bool | None = None
    keep_skills: bool | None = None

    @property
    def known(self) -> dict[str, Any]:
        """Fact -> value, of those that are known."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}

    def over(self, others: "Facts") -> "Facts":
        """These, and where one is not known that of the others."""
        return replace(others, **self.known)


class Is(NamedTuple):
    """A condition on one fact, as data: it is one of the values (`in`), or below, above or at least a number."""

    fact: str
    how: Literal["in", "<", ">", ">="]
    value: Any

    def __str__(self) -> str:
        if self.how != "in":
            return f"{self.fact} {self.how} {FACTS[self.fact].told(self.value)}"
        return f"{self.fact} {' or '.join(map(FACTS[self.fact].told, self.value))}"


def holds(conditions: Sequence[Is], facts: Facts) -> bool | None:
    """Whether all hold; None where none fails and some fact is not known."""
    found = [_holds(each, getattr(facts, each.fact)) for each in conditions]
    return False if False in found else None if None in found else True


def _holds(condition: Is, value: Any) -> bool | None:
    if value is None:
        return None
    if condition.how == "in":
        return value in condition.value
    return bool(_COMPARED[condition.how](value, condition.value))


class Fact(NamedTuple):
    """One fact as it is asked for.

    Attributes:
        question: in a sentence.
        kind: yes or no, a count, a share, or a choice.
        levels: values that rules tell apart, one from each side of every threshold.
        when: it is asked only where these do not fail.
        choices: of a choice, with what each means.
    """

    question: str
    kind: Literal["yes", "count", "share", "choice"]
    levels: tuple[Any, ...] = (True, False)
    when: tuple[Is, ...] = ()
    choices: Mapping[str, str] = {}

    @property
    def form(self) -> str:
        """What may be given, in a word or two."""
        of = {"yes": "yes or no", "count": "a whole number", "share": "a share, such as 0.4 or 40%"}
        return of.get(self.kind, ", ".join(self.choices))

    def told(self, value: Any) -> str:
        """A value as people write it."""
        if value is None:
            return UNKNOWN
        if self.kind == "share":
            return f"{round(100 * value, 2):g} %"
        return {True: "yes", False: "no"}[value] if self.kind == "yes" else str(value)


_SOME_LABELS, _CHECKED = (Is("labels", ">=", 1),), (Is("verifier", "in", ("gold", "no_gold", "judge")),)
FACTS: Mapping[str, Fact] = {
    "subjective": Fact("Is good a matter of taste, with no answer right or wrong?", "yes"),
    "labels": Fact("How many prompts have the answer they should get (labels)?", "count", (0, 5, 30, 100)),
    "clean": Fact("Can the labels be trusted?", "yes", when=_SOME_LABELS),
    "rationales": Fact("Do the labels come with worked steps (rationales)?", "yes", when=_SOME_LABELS),
    "verifier": Fact(
        "Who can say whether an answer is right?", "choice", ("none", "gold", "no_gold", "judge"), (),
        {"none": "nobody", "gold": "a comparison with a gold answer",
         "no_gold": "tests, a solver or rules, without a gold answer", "judge": "a model or a person grades"},
    ),
    "verifier_paid": Fact("Does a check cost money, or more than a second?", "yes", when=_CHECKED),
    "partial": Fact("Does it also tell answers that are partly right?", "yes", when=_CHECKED),
    "prompts": Fact(
        "How many prompts without labels are there?", "count", (0, 200), (Is("verifier", "in", ("no_gold", "judge")),)
    ),
    "preferences": Fact("How many comparisons of two answers are there?", "count", (0, 1000)),
    "thumbs": Fact("How many single answers have a thumb up or down?", "count", (0, 1000)),
    "reasoning": Fact("Does reaching an answer take steps worth writing down?", "yes"),
    "base_accuracy": Fact(
        "Which share of prompts does the base answer right at the first try?", "share", (0.0, 0.5, 0.95),
        (Is("subjective", "in", (False,)),),
    ),
    "base_pass_at_8": Fact(
        "Which share in at least one of eight tries?", "share", (0.0, 0.1, 0.25, 0.5),
        (Is("subjective", "in", (False,)),),
    ),
    "trainable": Fact("May the base's weights be trained (licence, access)?", "yes"),
    "teacher": Fact("May a stronger model's answers be trained on (licence, access)?", "yes"),
    "prompted": Fact("Have examples in the prompt and better instructions been tried?", "yes"),
    "keep_skills": Fact("Does what the base can do beside this have to stay?", "yes"),
}  # fmt: skip


def read_fact(name: str, value: Any, where: str = "") -> Any:
    """The value of a fact from a text (terminal, option) or a JSON value; None where it says that it is not known.

    Args:
        name: of the fact.
        value: text, number, bool or None.
        where: how the error's sentence begins.

    Raises:
        RftlabError: there is no such fact, or the value is not of its kind or out of range.
    """
    if name not in FACTS:
        raise RftlabError(f"{where}there is no fact {one_line(repr(name))}{suggest(str(name), FACTS)}")
    fact = FACTS[name]
    if value is None or (isinstance(value, str) and value.strip().casefold() in _SILENT):
        return None
    read = {"yes": _yes, "count": _count, "share": _share, "choice": _choice}[fact.kind]
    found = read(value.strip() if isinstance(value, str) else value, fact)
    if found is None:
        given = one_line(repr(value))
        raise RftlabError(f"{where}{name} is {given}; give {fact.form}, or ? where it is not known")
    return found


def make(values: Mapping[str, Any], where: str = "") -> Facts:
    """Facts from texts or JSON values by name.

    Raises:
        RftlabError: as `read_fact`.
    """
    return Facts(**{name: read_fact(name, value, where) for name, value in values.items()})


def from_json(text: str, where: str) -> Facts:
    """Facts from the text of a JSON object.

    Raises:
        RftlabError: it is no JSON object, has a key twice, or as `read_fact`.
    """
    try:
        values = json.loads(text, object_pairs_hook=_each_once)
    except RftlabError as error:
        raise RftlabError(f"{where}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RftlabError(f'{where} is not JSON ({one_line(str(error))}); give such as {{"labels": 60}}') from None
    if not isinstance(values, dict):
        raise RftlabError(f'{where} holds no JSON object; give such as {{"labels": 60, "verifier": "gold"}}')
    return make(values, f"{where}: ")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RftlabError(f"the key {one_line(repr(twice))} stands there twice; give it once")
    return found


def _yes(value: Any, _fact: Fact) -> bool | None:
    if isinstance(value, bool):
        return value
    word = value.casefold() if isinstance(value, str) else ""
    return True if word in _YES else False if word in _NO else None


def _count(value: Any, _fact: Fact) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}([ ,_]\d{3})*|\d{1,10}", value, re.ASCII):
        value = int(re.sub(r"[ ,_]", "", value))
    if type(value) is float and value.is_integer():
        value = int(value)  # JSON has one kind of number
    return value if type(value) is int and 0 <= value <= _MOST else None


def _share(value: Any, _fact: Fact) -> float | None:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?|\.\d{1,9})\s*(%?)", value, re.ASCII)):
        value = float(found[1]) / (100 if found[2] else 1)
    return float(value) if type(value) in (int, float) and 0 <= value <= 1 else None


def _choice(value: Any, fact: Fact) -> str | None:
    word = value.casefold().replace("-", "_").replace(" ", "_") if isinstance(value, str) else ""
    return word if word in fact.choices else None

"""Answers that are wrong although they look like the gold one, and completions that say nothing or everything.

A verifier that pays for one of these teaches it: a policy finds what pays, not what is right.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from rftlab.tasks.base import Example
from rftlab.verifiers.base import tagged
from rftlab.verifiers.choice import chosen_letter, to_choices
from rftlab.verifiers.exact import normalise

_LONGEST = 200
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ONE_NUMBER = re.compile(r"\s*([-+\u2212]?)\s*(\d+(?:[.,]\d+)*)\s*")
_MOST_LISTED = 30


def _digit(example: Example) -> str:
    """The first digit of the gold answer that is not 0, made another: far outside of any tolerance."""
    found = re.search("[1-9]", example.answer)
    if not found:
        return ""
    at = found.start()
    return f"{example.answer[:at]}{int(found[0]) % 9 + 1}{example.answer[at + 1 :]}"


def _sign(example: Example) -> str:
    found = _ONE_NUMBER.fullmatch(example.answer)
    if not found or not found[2].strip("0.,"):
        return ""
    return found[2] if found[1] in ("-", "\u2212") else f"-{found[2]}"


def _last_number(example: Example) -> str:
    numbers = _NUMBER.findall(example.answer)
    return numbers[-1] if len(set(numbers)) > 1 else ""


def _nan(example: Example) -> str:
    return "nan"


def _zero(example: Example) -> str:
    numbers = _NUMBER.findall(example.answer)
    return "" if not numbers or all(not number.strip("0.,") for number in numbers) else "0"


def _scaled(word: str) -> Callable[[Example], str]:
    """A lone number with a word behind it that makes another of it; not 0, -1 or 1, of which it may make the same."""

    def made(example: Example) -> str:
        found = _ONE_NUMBER.fullmatch(example.answer)
        return f"{example.answer.strip()} {word}" if found and found[2].strip("0.,") not in ("", "1") else ""

    return made


def _or_another(example: Example) -> str:
    """Two candidates: the gold answer and another option, or a lone whole number and the next."""
    choices = to_choices(example.meta.get("choices"))
    letter = chosen_letter(example.answer, choices) if choices else None
    if letter is not None and len(choices) > 1:
        letters = list(choices)
        other = letters[(letters.index(letter) + 1) % len(letters)]
        return f"{example.answer} or {other if example.answer.strip().upper() == letter else choices[other]}"
    found = _ONE_NUMBER.fullmatch(example.answer)
    if not found or not found[2].isdecimal():
        return ""
    return f"{example.answer.strip()} or {int(found[2]) + 1}"


def _behind(words: str) -> Callable[[Example], str]:
    return lambda example: f"{example.answer} {words}"


NEAR_MISSES: Mapping[str, Callable[[Example], str]] = {
    "another digit": _digit,
    "the other sign": _sign,
    "its last number alone": _last_number,
    "`not` before it": lambda example: f"not {example.answer}",
    "`not` behind it": _behind("not"),
    "`is wrong` behind it": _behind("is wrong"),
    "`incorrect` behind it": _behind("incorrect"),
    "it or another": _or_another,
    "`hundred` behind it": _scaled("hundred"),
    "`million` behind it": _scaled("million"),
    "`+ 1` behind it": _scaled("+ 1"),
    "`squared` behind it": _scaled("squared"),
    "junk around it": lambda example: f"qwx {example.answer} vzk",
    "nan": _nan,
    "0": _zero,
    "the prompt repeated": lambda example: example.prompt,
}
"""Kind -> the wrong answer of that kind to an example; "" where there is none."""
_OF_ANY = ("`not` before it", "junk around it", "nan", "the prompt repeated")


def near_misses(examples: Sequence[Example]) -> dict[str, list[tuple[Example, str]]]:
    """Wrong answers by kind, each with its example.

    Of a gold answer that is long (code, a text) only what goes for any answer is made: a digit in it may not matter.
    """
    found: dict[str, list[tuple[Example, str]]] = {}
    for kind, make in NEAR_MISSES.items():
        of_any = kind in _OF_ANY
        for example in examples:
            if not of_any and (len(example.answer) > _LONGEST or "\n" in example.answer):
                continue
            answer = make(example)
            if answer and normalise(answer) != normalise(example.answer):
                found.setdefault(kind, []).append((example, answer))
    return found


def other_answers(examples: Sequence[Example]) -> list[str]:
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


def listings(examples: Sequence[Example], *, programs: bool = False) -> list[str]:
    """Completions that list candidates: in one pair of tags, in many, and as prose.

    Args:
        examples: whose answers are listed.
        programs: answers are programs. One below the other they are a program again, which defines what is asked
            beside other things, as an honest one may: so that is no list.
    """
    choices = [text for example in examples[:1] for text in to_choices(example.meta.get("choices"))]
    answers = list(dict.fromkeys([*choices, *(example.answer for example in examples)]))[:_MOST_LISTED]
    if len(answers) < 2:
        return []
    joined = [tagged(separator.join(answers)) for separator in (", ", " or ", *([] if programs else ["\n"]))]
    return [*joined, "".join(map(tagged, answers)), " ".join(f"The answer is {answer}." for answer in answers)]

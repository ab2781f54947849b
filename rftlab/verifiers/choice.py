"""Multiple choice: the chosen option by letter, by text, or by both when they agree."""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from rftlab.verifiers._sentence import says_nothing_else
from rftlab.verifiers.base import Gold, Judgement, Verifier
from rftlab.verifiers.exact import normalise
from rftlab.verifiers.wrappers import unwrap

_LETTER = re.compile(r"(?:option|choice|answer:?)?\s{0,3}[(\[]?([a-z])[)\]]?[).:;]{0,2}", re.ASCII | re.IGNORECASE)
_LETTER_AND_TEXT = re.compile(
    r"(?:option|choice)?\s{0,3}[(\[]?([a-z])(?:[)\]]|[).:,]|\s{1,3}[-\u2013\u2014:]|(?=\s))\s{0,3}(\S[^\n]{0,2000})",
    re.ASCII | re.IGNORECASE,
)
_TEXT_AND_LETTER = re.compile(
    r"(\S[^\n]{0,2000}?),?\s{0,3}[(\[](?:(?:option|choice|answer)\s)?([a-z])[)\]]", re.ASCII | re.IGNORECASE
)
_BRACKETED = re.compile(r"\(?([a-z])\)?\s{1,3}\((\S[^\n()]{0,2000})\)", re.ASCII | re.IGNORECASE)
# What only says that a choice is being made, before and behind it.
_CHOOSING = re.compile(
    r"(?:i(?:'d| would| will)? (?:choose|pick|select|say|think|go (?:with|for))|my (?:choice|pick) is"
    r"|it(?:'s| is| must be)|(?:the )?(?:(?:correct|right|best) )?(?:answer|option|choice|letter)(?: is|:)?):? "
    r"(?:it(?:'s| is) )?([^\n]{1,300})",
    re.IGNORECASE,
)
_CHOSEN = re.compile(
    r"([^\n]{1,200}?) is (?:the )?(?:correct|right|best|answer)(?: (?:answer|option|choice|one))?", re.IGNORECASE
)
_NOT_ANOTHER = re.compile(r"([^\n]{1,200}?),? (?:and |but )?not (?:option |choice )?\(?([A-Z])\)?", re.ASCII)
_REASONED = re.compile(
    r"([^\n]{1,200}?)(?:(?:\s{0,3}\n\s{0,9}|[.,;:]\s{1,3}|\s{1,3}[-\u2013\u2014]\s)(?:because|since|as|for)"
    r"|\s{1,3}(?:because|since))\s([^\n]{0,2000})",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(
    r"((?:(?:option|choice)\s)?\(?[A-Za-z](?:\)[.:]?|[.:]|\s[-\u2013\u2014]))\s{1,3}((?:[^\s]{1,60}\s{1,3}){2}[^\n]{0,2000})",
    re.ASCII | re.IGNORECASE,
)
_CONCLUDED = re.compile(
    r"(?P<reason>[^\n]{3,2000}?)(?:[,;.]|\s{0,3}\n)?\s{1,3}(?:(?:and )?(?:so|therefore|thus|hence|that means)\b,? ?"
    r"(?:it(?:'s| is) )?|(?=(?:the )?(?:final |correct |right |best )?(?:answer|option|choice)(?: is|:)))"
    r"(?:(?:the )?(?:final |correct |right |best )?(?:answer|option|choice)(?: is|:) ?)?(?P<claim>[^\n]{1,200})",
    re.IGNORECASE,
)
# A reason that names an option again, denies or hedges may be a second guess.
_NAMES_AGAIN = re.compile(r"\b(?:option|choice|answer)\b|\([a-z]\)", re.IGNORECASE)
_LETTER_AGAIN = re.compile(r"(?<![\w'])(?!I\b)[A-Z](?![\w'])", re.ASCII)
_SECOND_GUESS = re.compile(
    r"(?:no|not|never|wrong|incorrect|false|or|maybe|perhaps|possibly|either|neither|both|all|none|other|another|first|second"
    r"|third|last|unsure|guess|however|but|wait|actually|if|unless|except)\b|\w+n't\b",
    re.IGNORECASE,
)
# A capital, or a letter in brackets or before a mark, is an option's; `A` before another word is an article.
_LETTERS_IN_IT = re.compile(
    r"(?<![\w'])((?!A [a-z])[A-Z])(?![\w'])|(?<![\w'])([a-z])[)\].:]|[(\[]([a-z])(?!\w)", re.ASCII
)
_LISTED = re.compile(r"^[ \t]{0,9}[(\[]?[A-Za-z0-9][)\].:][^\n]*$", re.MULTILINE)
_MOST_CHARS = 3000
_MOST_SENTENCE = 400
_ENDED = re.compile(r"([^\n]*[\w)\]])[.!]")
_MARKUP = re.compile(r"\\(?:text|textbf|mathrm|boxed)\{([^{}]{0,2000})\}|[*_]{1,3}")
_QUOTES = re.compile(r"(?<!\w)['\"‘’“”]|['\"‘’“”](?!\w)")
_RAISED = str.maketrans({"²": "^2", "³": "^3"})


class Choice(Verifier):
    """Correct (1.0) if the answer names the gold option and no other, else 0.0.

    `meta["choices"]` is a list (lettered A, B, ...) or a mapping letter -> text. `B`, `(b)`, `B.`, `option B`,
    `B) Paris`, `B - Paris`, `Paris (B)`, `B (Paris)`, `Paris`, `I choose B`, `B is correct`, `B, not A`, `B because`
    with a reason and `..., so the answer is B` all name option B, in whatever wrappers (`unwrap`); `B) Rome` names
    none, nor does a list of options, or a letter with words beside it that name another option, deny or hedge. A whole
    sentence (`The capital of France is Paris.`) names the one option in it where its other words are the prompt's or
    say nothing. The gold answer may be a letter or a text; a single letter is always read as a letter. Without
    `meta["choices"]` only letters are compared.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "Which is in France?",
        "answer": "B",
        "choices": ["Rome", "Paris"],
    }

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Compare one extracted answer with the gold one."""
        choices = to_choices(example.meta.get("choices"))
        gold, chosen = chosen_letter(example.answer, choices), chosen_letter(answer, choices)
        if gold is None:
            return Judgement(float(normalise(answer) == normalise(example.answer)))
        chosen = chosen or _letter_of_sentence(answer, choices, example.prompt)
        if chosen is None:
            return Judgement(0.0, detail="names no option, or several")
        same_text = bool(choices) and choices.get(chosen) == choices.get(gold)
        return Judgement(float(chosen == gold or same_text))


def to_choices(choices: Any) -> dict[str, str]:
    """Upper-case letter -> normalised text; empty if there are no choices."""
    if isinstance(choices, Mapping):
        return {str(letter).strip().upper(): normalise(str(text)) for letter, text in choices.items()}
    if isinstance(choices, list | tuple):
        return {chr(ord("A") + i): normalise(str(text)) for i, text in enumerate(choices[:26])}
    return {}


def chosen_letter(answer: str, choices: Mapping[str, str]) -> str | None:
    """Upper-case letter of the one option an answer names, None if it names none or more than one.

    Args:
        answer: letter, text, or both.
        choices: as `to_choices` gives them; empty accepts any letter A to Z.
    """
    if len(answer) > max([_MOST_CHARS, *(2 * len(text) for text in choices.values())]):
        return None
    written = unwrap(answer)
    answer = unwrap(_MARKUP.sub(lambda found: found[1] or "", written)).strip("$\"'` ").strip()
    if found := _ENDED.fullmatch(answer):
        answer = found[1]
    if found := _LETTER.fullmatch(answer):
        letter = found[1].upper()
        return letter if not choices or letter in choices else None
    for form in (written, answer):  # what looks like markup may be part of an option: `H_2O`, `$15`
        for letter, text in _named_twice(form):
            if letter in choices and _plain(choices[letter]) == _plain(text):
                return letter
        said = _plain(form)
        for article in ("", "the "):  # an option may be named without its article
            named = [letter for letter, known in choices.items() if _plain(known) == article + said]
            if named and len({choices[letter] for letter in named}) == 1:
                return named[0]
    for inner in _without_reason(answer, choices):
        return chosen_letter(inner, choices)
    return None


def _plain(text: str) -> str:
    """A normalised text with its powers written in one way (`cm^2` for `cm²`)."""
    return normalise(text.translate(_RAISED).replace("\\ ", " "))


def _letter_of_sentence(answer: str, choices: Mapping[str, str], prompt: str) -> str | None:
    """The one option whose text a whole sentence has in it, in words that are the prompt's or say nothing else."""
    if len(answer) > _MOST_SENTENCE:
        return None
    said = _QUOTES.sub("", normalise(unwrap(_MARKUP.sub(lambda found: found[1] or "", answer)).rstrip("!")))
    longest_first = sorted(filter(None, set(choices.values())), key=len, reverse=True)
    any_text = "|".join(rf"(?<![\w-])(?<!\d[.,]){re.escape(text)}(?![\w-]|[.,]\d)" for text in longest_first)
    found = list(re.finditer(any_text or "(?!)", said))
    if len(found) != 1:
        return None
    letter = next(letter for letter, text in choices.items() if text == found[0][0])
    if not {"".join(each).upper() for each in _LETTERS_IN_IT.findall(answer)}.isdisjoint(choices.keys() - {letter}):
        return None
    lettered = re.escape(letter.casefold())
    before = re.sub(rf"^(?:option |choice )?[(\[]?{lettered}[)\].:] ", "", said[: found[0].start()])
    after = re.sub(rf",? [(\[](?:option |choice )?{lettered}[)\]]$", "", said[found[0].end() :])
    return letter if says_nothing_else(before, after, _without_options(prompt, tuple(longest_first))) else None


@functools.lru_cache(maxsize=2048)
def _without_options(prompt: str, texts: tuple[str, ...]) -> str:
    """A prompt without the lines that list options, and without their texts elsewhere."""
    prompt = _LISTED.sub("", prompt[:_MOST_CHARS])
    return re.sub("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in texts), "", prompt, flags=re.IGNORECASE)


def _without_reason(answer: str, choices: Mapping[str, str]) -> Iterator[str]:
    """The part of an answer that chooses, if the rest of it chooses nothing else."""
    if found := _CHOOSING.fullmatch(answer) or _CHOSEN.fullmatch(answer):
        yield found[1]
    if (found := _NOT_ANOTHER.fullmatch(answer)) and chosen_letter(found[1], choices) not in (None, found[2]):
        yield found[1]
    if (found := _REASONED.fullmatch(answer)) and not _NAMES_AGAIN.search(found[2]):
        yield found[1]
    if (found := _EXPLAINED.fullmatch(answer)) and not _chooses_again(found[1], found[2], choices):
        yield found[1].rstrip("-\u2013\u2014 ")
    if (found := _CONCLUDED.fullmatch(answer)) and not _chooses_again(found["claim"], found["reason"], choices):
        yield found["claim"]


def _chooses_again(letter: str, reason: str, choices: Mapping[str, str]) -> bool:
    """Whether an explanation may name another option than the letter before it."""
    known = choices.get(chosen_letter(letter.rstrip("-\u2013\u2014 "), choices) or "") or ""
    said = f" {normalise(reason)} "
    others = (text for text in choices.values() if text != known)
    named = any(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", said) for text in others if text)
    reason = re.sub(rf"(?<!\w){re.escape(known)}(?!\w)", "", reason, flags=re.IGNORECASE) if len(known) > 1 else reason
    return named or any(pattern.search(reason) for pattern in (_NAMES_AGAIN, _LETTER_AGAIN, _SECOND_GUESS))


def _named_twice(answer: str) -> Iterator[tuple[str, str]]:
    """Letter and normalised text of an answer that gives both."""
    if found := _LETTER_AND_TEXT.fullmatch(answer):
        yield found[1].upper(), normalise(found[2])
    if found := _BRACKETED.fullmatch(answer):
        yield found[1].upper(), normalise(found[2])
    if found := _TEXT_AND_LETTER.fullmatch(answer):
        yield found[2].upper(), normalise(found[1])

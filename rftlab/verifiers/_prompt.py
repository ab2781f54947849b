"""What a prompt asks, in words: so that an answer in a whole sentence can be held against it."""

import functools
import itertools
import re
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._units import CURRENCIES, to_unit
from rftlab.verifiers._words import DENIES, IRREGULAR, MEASURES, NEGATES, NEUTRAL, NUMBERS

MOST_CHARS = 4000
WORD = r"[^\W\d_]{1,40}(?:['’][^\W\d_]{1,4})?"
_TOKEN = re.compile(rf"{WORD}|(?a:\d{{1,40}}(?:,\d{{3}})*(?:\.\d{{1,40}})?)|[%$€£]")
_SENTENCE = re.compile(r"[^.?!\n]*(?:\.(?=\S)[^.?!\n]*)*[.?!\n]?")
_AUXILIARY = r"(?:do|does|did|are|is|was|were|will|would|can|could|has|have|had|in|per|should|must)\b"
_HOW_MANY = re.compile(rf"\bhow many\b((?: (?!{_AUXILIARY})[^\W\d_]{{1,40}}){{1,6}})", re.IGNORECASE)
_COMPARED = re.compile(
    r"\bhow (?:many|much) (?:[^\W\d_]{1,30} )?(more|fewer|less|(?!number|other|water)[^\W\d_]{2,20}er)\b", re.IGNORECASE
)
_ONE_EACH = re.compile(
    r"\b(?:each|every|per|apiece|one|single|average|rate|speed|velocity|acceleration|pace|density|fast|hourly|daily"
    r"|an? (?:day|hour|minute|second|week|month|year|person|piece))\b|[^\W\d_]/[^\W\d_]",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"(?<!\d)(?<!\d )(?:%|per ?cent\b)|\b(?:percentage|share|fraction|proportion|probability|chance|ratio|rate"
    r"|likelihood|interest|discount|increase|decrease|change|growth|margin|tax|yield)\b",
    re.IGNORECASE,
)
SIGNS = CURRENCIES | {"°C", "°F"}
_PRICED = re.compile(r"\b(?:how much|price|costs?|pays?|earns?|worth|spends?)\b", re.IGNORECASE)
_MONEY = re.compile(r"[$€£¥₹]|\b(?:dollars?|euros?|pounds?|cents?)\b", re.IGNORECASE)
_OR = re.compile(r"(?:\b\w{1,30}, ?){0,8}\b\w{1,30},? or \w{1,30}", re.IGNORECASE)
_REFERS = re.compile(
    r"\b(?:that|this|total|altogether|overall|in all|how many [^?]{1,40} (?:is|are) (?:there )?in"
    r"|(?:what (?:is|was|are)|find|calculate|compute|determine) (?:its|his|her|their|the))\b",
    re.IGNORECASE,
)
_OF_MANY = re.compile(r"\d[\d.,]*(?: [^\W\d_]{1,30})?,? each\b", re.IGNORECASE)
_DEGREES = re.compile(r"° ?[CF]\b|\bcelsius\b|\bfahrenheit\b", re.IGNORECASE)
_LEFT = re.compile(r"\b(?:left|remain\w{0,3}|still|now|after)\b", re.IGNORECASE)
_REMAINING = frozenset({"left", "remain", "remains", "remaining", "still", "now"})
_COMPARING = frozenset({"more", "fewer", "less"})
_NO_NAMES = frozenset(
    """how what which who whose when where why each every find calculate compute determine solve give express round if
    suppose let after before during at by from with""".split()  # noqa: SIM905
)
_SUBJECTS = frozenset({"he", "she", "they", "it", "we", "i", "you", "who", "then", "to"})


class Asked(NamedTuple):
    """A prompt as sets of word stems.

    Attributes:
        tokens: its words (stems) and numbers in order; ``words``: the stems.
        question: stems of the sentences that ask, or of the last one; ``initials``: the first letters of its words.
        doings: stems of words that look like verbs: what somebody does need not be what is asked.
        counted: stems of what stands behind a number.
        counts: words and stems of what "how many" asks for, `$` for an amount of money; empty where it asks neither.
        compared: words of a comparison that is asked for (`how many more ... than`).
        measures: the measures that it names.
        of_one: whether it asks about one of several; ``of_share``: whether it asks for a percentage or may;
            ``refers``: whether it asks about all that was said (`that`).
        denies: whether the question itself denies (`which is not`).
        names: stems of the names that the question, which has one, does not have.
        pairs: numbers of the question with the stem of the word behind.
        currencies: those that it names, and scales of temperature.
        alternatives: stems of the words that an "or" joins (`even, odd or neither`).
    """

    tokens: tuple[str | Fraction, ...]
    words: frozenset[str]
    question: frozenset[str]
    initials: str
    doings: frozenset[str]
    counted: frozenset[str]
    counts: frozenset[str]
    compared: frozenset[str]
    measures: frozenset[str]
    of_one: bool
    of_share: bool
    refers: bool
    denies: bool
    names: frozenset[str]
    pairs: frozenset[tuple[Fraction, str]]
    currencies: frozenset[str]
    alternatives: frozenset[str]


@functools.lru_cache(maxsize=2048)
def read_prompt(prompt: str) -> Asked:
    """A prompt as it is asked; its first 4 000 characters."""
    prompt = prompt[:MOST_CHARS].replace("’", "'")
    question, written = _question(prompt), _TOKEN.findall(prompt)
    tokens = _stems(written)
    asked = [each.casefold() for each in _TOKEN.findall(question)]
    compared = _COMPARED.search(question)
    return Asked(
        tokens=tokens,
        words=frozenset(each for each in tokens if isinstance(each, str)),
        question=frozenset(map(stem, asked)),
        initials="".join(each[0] for each in asked if each[0].isalpha()),
        doings=_doings(written),
        counted=frozenset(stem(each) for before, each in itertools.pairwise(written) if _is_number(before)),
        counts=_counts(question, prompt),
        compared=frozenset({compared[1].casefold()} | ({"than"} & set(asked))) if compared else frozenset(),
        measures=frozenset(MEASURES & {each.casefold() for each in written}),
        of_one=bool(_ONE_EACH.search(_OF_MANY.sub("", question))),
        of_share=not prompt or bool(_SHARE.search(question)),
        refers=bool(_REFERS.search(question)) and not _LEFT.search(question),
        denies=any(each in NEGATES or each.endswith("n't") for each in asked),
        names=_names(prompt, question),
        pairs=_pairs(_TOKEN.findall(question)),
        currencies=frozenset(
            {power for each in (*_MONEY.findall(prompt), *_DEGREES.findall(prompt)) for power in powers_of(each)}
            & SIGNS
        ),
        alternatives=_alternatives(prompt),
    )


def repeats(text: str, prompt: str, *, whole: bool = False) -> bool:
    """Whether a text, words among it, only says a run of the prompt's words again; ``whole``: all of them.

    >>> repeats("How far is 3?", "How far is 3?"), repeats("It is 3 km far.", "How far is 3?")
    (True, False)
    """
    said, tokens = _stems(_TOKEN.findall(text.replace("’", "'"))), read_prompt(prompt).tokens
    if not any(isinstance(each, str) for each in said):
        return False
    if whole:
        return said == tokens
    return any(tokens[i : i + len(said)] == said for i in range(len(tokens) - len(said) + 1))


def _stems(written: list[str]) -> tuple[str | Fraction, ...]:
    return tuple(Fraction(each.replace(",", "")) if each[0].isdecimal() else stem(each) for each in written)


def powers_of(unit: str) -> frozenset[str]:
    """The dimensions of a unit, a currency among them; empty if it is none."""
    found = to_unit(unit)
    return frozenset(found.powers) if found else frozenset()


def _pairs(tokens: list[str]) -> frozenset[tuple[Fraction, str]]:
    return frozenset(
        (Fraction(one.replace(",", "")), stem(other)) for one, other in itertools.pairwise(tokens) if one[0].isdecimal()
    )


def _names(prompt: str, question: str) -> frozenset[str]:
    """Stems of the names of a prompt that its question leaves out, if it has another."""
    lower = set(re.findall(rf"\b(?=[a-z]){WORD}", prompt))
    asked, all_of_it = (
        {
            stem(each)
            for each in re.findall(WORD, text)
            if each[0].isupper() and each.casefold() not in lower | NEUTRAL | NUMBERS | _NO_NAMES
        }
        for text in (question, prompt)
    )
    return frozenset(all_of_it - asked) if asked else frozenset()


def _alternatives(prompt: str) -> frozenset[str]:
    words = (word for found in _OR.findall(prompt) for word in re.findall(WORD, found))
    return frozenset(map(stem, words)) - {"or"}


def _is_number(token: str) -> bool:
    return token[0].isdecimal() or token.casefold() in NUMBERS


def _counts(question: str, prompt: str) -> frozenset[str]:
    if found := _HOW_MANY.search(question):
        words = [word for word in found[1].casefold().split() if word not in NEUTRAL | _COMPARING][:2]
        return frozenset(words) | frozenset(map(stem, words))
    return frozenset("$") if _PRICED.search(question) and _MONEY.search(prompt) else frozenset()


def is_denial(word: str) -> bool:
    """Whether a word denies or hedges: no sentence with it is plain."""
    return word in DENIES or word.endswith("n't")


def stem(word: str) -> str:
    """A word without its ending: `makes`, `making` and `made` are one.

    >>> {stem(word) for word in ("rolls", "rolled", "rolling", "roll")}
    {'roll'}
    """
    word = word.casefold().removesuffix("'s").removesuffix("'")
    word = IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not (ending == "s" and word.endswith("ss")):
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls" else word


def looks_done(word: str) -> bool:
    """Whether a word is a form of a verb that says what has happened (`eaten`, `sold`, `broken`, `added`)."""
    return word in IRREGULAR or (len(word) > 4 and word.endswith(("ed", "ing")))


def _question(prompt: str) -> str:
    """The sentences that ask, and what follows them; the last sentence where none does."""
    sentences = [found[0].strip() for found in _SENTENCE.finditer(prompt) if found[0].strip()]
    asking = [i for i, sentence in enumerate(sentences) if sentence.endswith("?")]
    return " ".join([sentences[i] for i in asking] + sentences[asking[-1] + 1 :] if asking else sentences[-1:])


def _doings(tokens: list[str]) -> frozenset[str]:
    """Stems of what looks like a verb: it stands before a number, or behind a name or a pronoun."""
    found = set()
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if not word[0].isalpha() or word.casefold() in NEUTRAL:
            continue
        subject = before.casefold()
        is_name = before[:1].isupper() and subject not in NEUTRAL | NUMBERS | {"each", "every", "how"}
        if after[:1].isdecimal() or subject in _SUBJECTS or (is_name and word.islower()) or looks_done(word.casefold()):
            found.add(stem(word))
    return frozenset(found)


def remains(word: str, asked: Asked) -> bool:
    """Whether a word says that something is left, as the prompt does in its own."""
    return word in _REMAINING and not {stem(each) for each in _REMAINING}.isdisjoint(asked.question)

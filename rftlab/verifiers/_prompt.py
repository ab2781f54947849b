"""What a prompt asks, in words: so that an answer in a whole sentence can be held against it."""

import functools
import itertools
import re
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._stem import WORD, looks_done, measures_of, powers_of, stem, to_number
from rftlab.verifiers._units import CURRENCIES, named_unit
from rftlab.verifiers._words import (
    NEGATES,
    NEUTRAL,
    NUMBERS,
    REDUCED,
    SAME_DOING,
    SCALES,
)

MOST_CHARS = 4000
_TOKEN = re.compile(rf"{WORD}|(?a:\d{{1,40}}(?:,\d{{3}})*(?:\.\d{{1,40}})?)|[%$€£]")
_SENTENCE = re.compile(r"[^.?!\n]*(?:\.(?=\S)[^.?!\n]*)*[.?!\n]?")
_AUXILIARY = r"(?:do|does|did|are|is|was|were|will|would|can|could|has|have|had|in|per|should|must)\b"
_HOW_MANY = re.compile(
    rf"\bhow many\b(?: \d[\d.,]{{0,9}}[ -][^\W\d_]{{1,3}}(?= ))?((?: (?!{_AUXILIARY})[^\W\d_]{{1,40}}){{1,6}})",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\bhow (?:many|much) (?:[^\W\d_]{1,30} )?(more|fewer|less|(?!number|other|water)[^\W\d_]{2,20}er)\b", re.IGNORECASE
)
_BY = re.compile(
    r"\bhow (?:many|much)\b[^?,.]{1,60}?\b(faster|slower|taller|shorter|longer|older|younger|heavier|lighter|cheaper"
    r"|higher|lower|larger|smaller|bigger|deeper|wider|warmer|colder|hotter|cooler|further|farther|earlier|later)\b",
    re.IGNORECASE,
)
_TOGETHER = re.compile(r"\bthey\b[^?]{0,80}\b(?:together|altogether|combined|in all|in total)\b", re.IGNORECASE)
_IT = re.compile(r"\bit\b", re.IGNORECASE)
_ONE_EACH = re.compile(
    r"\b(?:each|every|per|apiece|one|1 (?=[^\W\d_])|single|average|rate|speed|velocity|acceleration|pace|density|fast"
    r"|hourly|daily|an? (?:day|hour|minute|second|week|month|year|person|piece))\b|[^\W\d_]/[^\W\d_]",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"(?<!\d)(?<!\d )(?:%|per ?cent\b)|\b(?:percentage|share|fraction|proportion|probability|chance|ratio|rate"
    r"|likelihood|interest|discount|increase|decrease|change|growth|margin|tax|yield)\b",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"(?<!\d)(?<!\d )(?:%|per ?cent\b)|\bpercentage\b", re.IGNORECASE)
_CHANCE = re.compile(r"\b(?:probability|chance|likelihood|odds)\b", re.IGNORECASE)
_A_PART = re.compile(r"\b(?:what|which) (?:fraction|share|proportion|part)\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:which|what) year\b", re.IGNORECASE)
_EACH = re.compile(r"\bhow (?:many|much)\b[^?,.]{0,80}\b(?:each|every|apiece)\b", re.IGNORECASE)
_RELATED = re.compile(
    r"\b(?:his|her|their) (?:\w{1,20} )?(?:brother|sister|mother|father|son|daughter|friend|cousin|uncle|aunt|wife"
    r"|husband|neighbou?r|colleague|partner|boss|dad|mum|mom|grandmother|grandfather|twin)\b",
    re.IGNORECASE,
)
_GIVEN_MEASURE = re.compile(
    r"\b(?:an?|with|and|its|whose|has|constant|the) (?:[a-z]{2,20} )?([a-z]{3,20}) (?:of |is |= ?)?(?=[\d$€£])"
    r"|\d ?%? (?:[a-z]{2,20} )?(discount|tax|interest|profit|loss)\b",
    re.IGNORECASE,
)
_ASKED_MEASURE = re.compile(
    r"\b(?:what|which|how much|how many|find|calculate|determine|compute)"
    r"(?: (?:is|was|are|will|the|its|his|her|their|be|total|new)){0,4} "
    r"(?:[a-z]{2,20} )?([a-z]{3,20})\b",
    re.IGNORECASE,
)
_MANY = re.compile(r"\bper (\d{1,9} ?[^\W\d_]{1,20})\b", re.IGNORECASE)
_OF_STUFF = re.compile(r"\bhow many [^\W\d_]{1,20} of ([^\W\d_]{1,30})", re.IGNORECASE)
_FOR_LETTER = re.compile(r"\b(?:what is|find|solve for|value of|for|calculate|determine) ([b-hj-zA-Z])(?![\w'’(])")
_ANNOUNCED = re.compile(
    r"\W{0,9}(?:(?:so|thus|hence|therefore),? )?(?:the )?(total|sum|result|value|amount)\b", re.IGNORECASE
)
_TOLD = frozenset({"total", "sum", "result", "value", "amount"})
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
_PERCENTS = re.compile(r"(?a:(\d{1,12}(?:\.\d{1,12})?)) ?(?:%|per ?cent\b)", re.IGNORECASE)
_DEGREES = re.compile(r"° ?[CF]\b|\bcelsius\b|\bfahrenheit\b", re.IGNORECASE)
_LEFT = re.compile(r"\b(?:left|remain\w{0,3}|still|now|after)\b", re.IGNORECASE)
_REMAINING = frozenset({"left", "remain", "remains", "remaining", "still", "now"})
_COMPARING = frozenset({"more", "fewer", "less"})
_PLACES = frozenset({"in", "at", "on", "of", "from", "with", "into", "per", "to", "by", "a", "an"})
_ARTICLES = frozenset({"the", "his", "her", "their", "its"})
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
        measures: those that the question names, by their usual names; ``told``: those that it gives itself;
            ``spoken``: those that its question may mean by `it`.
        of_percent: whether a percentage is asked for; ``of_chance``: a probability;
            ``of_part``: a fraction; ``of_year``: a year;
            ``of_each``: what each of several has.
        given: words such as `total` for something that the prompt tells and does not ask.
        of_one: whether it asks about one of several; ``of_share``: whether it asks for a percentage or may;
            ``refers``: whether it asks about all that was said (`that`).
        denies: whether the question itself denies (`which is not`).
        names: stems of the names that the question, which asks about somebody else, does not have.
        elsewhere: stems of all its names that the question leaves out.
        unit: the dimensions of the unit that is asked for (`in metres`); empty where none is.
        many: the amount that a rate is asked for (`100 km`); ``stuff``: what is measured (`grams of copper`);
            ``letter``: the letter that is asked for (`what is y`).
        pairs: numbers of the question with the stem of the word behind.
        currencies: those that it names, and scales of temperature.
        alternatives: stems of the words that an "or" joins (`even, odd or neither`).
        scales: what its words such as `half` and `dozen` multiply by; ``percents``: its percentages.
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
    spoken: frozenset[str]
    told: frozenset[str]
    of_percent: bool
    of_chance: bool
    of_part: bool
    of_year: bool
    of_each: bool
    given: frozenset[str]
    of_one: bool
    of_share: bool
    refers: bool
    denies: bool
    names: frozenset[str]
    elsewhere: frozenset[str]
    unit: frozenset[tuple[str, int]]
    many: str
    stuff: str
    letter: str
    pairs: frozenset[tuple[Fraction, str]]
    currencies: frozenset[str]
    alternatives: frozenset[str]
    scales: frozenset[Fraction]
    percents: frozenset[Fraction]


@functools.lru_cache(maxsize=2048)
def read_prompt(prompt: str) -> Asked:
    """A prompt as it is asked; its first 4 000 characters."""
    prompt = prompt[:MOST_CHARS].replace("’", "'")
    question, written = _question(prompt), _TOKEN.findall(prompt)
    tokens = _stems(written)
    asked = [each.casefold() for each in _TOKEN.findall(question)]
    given = measures_of(each for found in _GIVEN_MEASURE.findall(prompt) for each in found) - REDUCED
    told = given - measures_of(_ASKED_MEASURE.findall(question))
    compared = _COMPARED.search(question) or _BY.search(question)
    here = _names_in(question, prompt)
    elsewhere = _names_in(prompt, prompt) - here
    return Asked(
        tokens=tokens,
        words=frozenset(each for each in tokens if isinstance(each, str)),
        question=frozenset(map(stem, asked)),
        initials="".join(each[0] for each in asked if each[0].isalpha()),
        doings=_doings(written),
        counted=frozenset(stem(each) for before, each in itertools.pairwise(written) if _is_number(before)),
        counts=_counts(question, prompt),
        compared=frozenset({compared[1].casefold()} | ({"than"} & set(asked))) if compared else frozenset(),
        measures=(measures_of(asked) - told) | ({"length", "time"} if "long" in asked and "how" in asked else set()),
        spoken=measures_of(written) if _IT.search(question) else frozenset(),
        told=told,
        of_percent=bool(_PERCENT.search(question)),
        of_chance=bool(_CHANCE.search(question)),
        of_part=bool(_A_PART.search(question)),
        of_year=bool(_YEAR.search(question)),
        of_each=bool(_EACH.search(question)),
        given=frozenset(each.casefold() for each in written if each.casefold() in _TOLD) - set(asked),
        of_one=bool(_ONE_EACH.search(_OF_MANY.sub("", question))),
        of_share=not prompt or bool(_SHARE.search(question)),
        refers=bool(_REFERS.search(question)) and not _LEFT.search(question),
        denies=any(each in NEGATES or each.endswith("n't") for each in asked),
        names=elsewhere if here or _is_of_others(question) else frozenset(),
        elsewhere=elsewhere,
        unit=_unit(question),
        many=(found[1] if (found := _MANY.search(question)) else ""),
        stuff=(stem(found[1]) if (found := _OF_STUFF.search(question)) else ""),
        letter=(found[1] if (found := _FOR_LETTER.search(question)) else ""),
        pairs=_pairs(asked),
        currencies=frozenset(
            {power for each in (*_MONEY.findall(prompt), *_DEGREES.findall(prompt)) for power in powers_of(each)}
            & SIGNS
        ),
        alternatives=_alternatives(prompt),
        scales=frozenset(value for word, value in SCALES.items() if stem(word) in tokens),
        percents=frozenset(Fraction(each) for each in _PERCENTS.findall(prompt)),
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
    return tuple(
        Fraction(each.replace(",", "")) if each[0].isdecimal() else (to_number(each) or stem(each)) for each in written
    )


def _pairs(tokens: list[str]) -> frozenset[tuple[Fraction, str]]:
    said = _stems(tokens)
    return frozenset(
        (one, other) for one, other in itertools.pairwise(said) if isinstance(one, Fraction) and isinstance(other, str)
    )


def _is_of_others(question: str) -> bool:
    """Whether a question is about others than those who are named, or about all of them."""
    return any(each.search(question) for each in (_EACH, _RELATED, _TOGETHER))


def _names_in(text: str, prompt: str) -> frozenset[str]:
    lower = set(re.findall(rf"\b(?=[a-z]){WORD}", prompt))
    known = lower | NEUTRAL | NUMBERS | _NO_NAMES
    return frozenset(
        stem(each) for each in re.findall(WORD, text) if each[0].isupper() and each.casefold() not in known
    )


def _unit(question: str) -> frozenset[tuple[str, int]]:
    found = named_unit(question)
    return frozenset(found.powers.items()) if found else frozenset()


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


def names_another(text: str, asked: Asked) -> bool:
    """Whether an answer begins with the name of something that is not asked: `The sum is 48` where the mean is."""
    found = _ANNOUNCED.match(text)
    if not found:
        return False
    word = found[1].casefold()
    return word in asked.given or (word in ("sum", "total") and not REDUCED.isdisjoint(asked.measures))


def is_same_doing(word: str, asked: Asked) -> bool:
    """Whether a word does what the question asks in another word: `spends` for `pay`."""
    return any(stem(word) in group and not asked.question.isdisjoint(group) for group in SAME_DOING)


def is_said_again(word: str, said: list[str], asked: Asked) -> bool:
    """Whether a word behind a number is the question's, tells a place or is what something is done to.

    ``said`` are the words before it.
    """
    if stem(word) in asked.elsewhere:
        return False
    if stem(word) in asked.question or not _PLACES.isdisjoint(said[-2:]):
        return True
    return len(said) > 1 and said[-1] in _ARTICLES and said[-2] not in NEUTRAL and stem(said[-2]) in asked.words


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
        if (
            (after[:1].isdecimal() and subject not in _ARTICLES | {"a", "an"})
            or subject in _SUBJECTS
            or (is_name and word.islower())
            or looks_done(word.casefold())
        ):
            found.add(stem(word))
    return frozenset(found)


def remains(word: str, asked: Asked) -> bool:
    """Whether a word says that something is left, as the prompt does in its own."""
    return word in _REMAINING and not {stem(each) for each in _REMAINING}.isdisjoint(asked.question)

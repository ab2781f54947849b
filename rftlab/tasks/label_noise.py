"""Wrong labels on purpose: a share of a label budget gets the label of another row.

Whether a label is wrong, and what it says instead, follows from the seed and the row's id alone, so that budgets stay
nested: what is wrong among 10 labels is wrong among 30, and what is wrong at 10 % is wrong at 20 %.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from rftlab.errors import RftlabError
from rftlab.tasks.example import Example, normalise_prompt
from rftlab.tasks.labels import Labels


def with_wrong(labels: Labels, rows: Sequence[Example], *, share: float, seed: int) -> Labels:
    """Labels of which about ``share`` are wrong: those to train on and to validate on, never development items.

    A wrong label is another row's: its answer and its rationale, of an answer of the same kind (a number for a number)
    where there is one. The prompt and what a verifier needs beside the answer (`meta`) stay: a verifier that compares
    with the gold answer is misled as SFT is, one that needs none is not.

    Args:
        labels: as drawn.
        rows: labelled rows that wrong labels are taken from.
        share: in [0, 1], the chance of each label to be wrong.
        seed: of the data (`seed_data`).

    Raises:
        RftlabError: all rows have the same answer.
    """
    others = sorted(rows, key=lambda row: row.id)
    kinds = {number: [row for row in others if _is_number(row.answer) == number] for number in (True, False)}

    def maybe_wrong(example: Example) -> Example:
        chance = random.Random(f"noise-{seed}-{example.id}")
        if chance.random() >= share or not example.answer:
            return example
        other = _another(kinds[_is_number(example.answer)], example, chance) or _another(others, example, chance)
        if not other:
            raise RftlabError(f"label_noise needs another answer, and all {len(others)} rows have {example.answer!r}")
        return replace(example, answer=other.answer, rationale=other.rationale)

    return labels._replace(
        train=tuple(map(maybe_wrong, labels.train)), validation=tuple(map(maybe_wrong, labels.validation))
    )


def _another(rows: Sequence[Example], example: Example, chance: random.Random) -> Example | None:
    """A random row with another answer, or the next one after it that has; None if none has."""
    own, start = normalise_prompt(example.answer), chance.randrange(len(rows)) if rows else 0
    turned = (rows[(start + i) % len(rows)] for i in range(len(rows)))
    return next((row for row in turned if normalise_prompt(row.answer) != own), None)


def told(labels: Sequence[Example], rows: Sequence[Example], share: float) -> list[str]:
    """For a record: how many labels are wrong; nothing where none was to be."""
    if not share:
        return []
    right = {row.id: row.answer for row in rows}
    wrong = sum(label.answer != right.get(label.id, label.answer) for label in labels)
    return [f"{wrong} of {len(labels)} labels trained on are wrong on purpose (label_noise {share:g})"]


def _is_number(answer: str) -> bool:
    try:
        float(answer.replace(",", ""))
    except ValueError:
        return False
    return True

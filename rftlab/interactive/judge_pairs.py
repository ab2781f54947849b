"""A person as judge: which of two arms' test completions is better, blind, saved at each choice.

The labelling widget shows what `rftlab.judging` asks any judge. All pairs come once, in an order drawn by chance, and
only then the other way round: whoever stops half way has seen each pair once. What is judged is beside the study's
records and is not asked again.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from rftlab.answer.contests import EVEN, Question, contests, questions
from rftlab.answer.results import read_results
from rftlab.errors import RftlabError
from rftlab.judging import is_done
from rftlab.record.judgements import (
    BOTH_BAD,
    JUDGEMENTS,
    SAME_TEXT,
    TAKEN_BACK,
    Judgement,
    judging,
    note_judge,
    read_judgements,
)
from rftlab.tasks.choices import Word

_SHARES: Mapping[Word, float] = {"first": 1.0, "second": 0.0, "tie": EVEN, "both bad": EVEN}


class JudgeQueue:
    """Questions to a person about a study's arms, and what was answered; for `label_widget.label_widget`.

    The verifier's opinion is not offered: what a person says here is counted beside it.

    Args:
        results: a results folder.
        person: by whose name the judgements are kept.
        between: pairs of methods or arms; empty takes every two side by side.
        items: the first so many test items; 0 takes all.
        seed: of the order.

    Raises:
        RftlabError: no name, or as `rftlab.judge`.
    """

    has_opinion = False

    def __init__(
        self, results: str | Path, person: str = "a person", *, between: Sequence[tuple[str, str]] = (),
        items: int = 20, seed: int = 0,
    ) -> None:  # fmt: skip
        if not person.strip():
            raise RftlabError("whose judgement is it? give person a name")
        study = read_results(results)
        asked = [q for contest in contests(study, between) for q in questions(study, contest, items)]
        with judging(results):  # it is a folder, and nobody else is judging in it
            done = {each.key: each for each in read_judgements(results)}
        self.path, self._person = Path(results) / JUDGEMENTS, person
        new = [q for q in asked if q.one != q.other]
        left = [q for q in new if not is_done(done.get((person, q.first, q.second, q.item)), q)]
        self.done, self.waiting = len(new) - len(left), _ordered(left, seed)
        of_key = {(person, q.first, q.second, q.item): q for q in new}
        # Also those of earlier sittings: they can be taken back too.
        self._made = [q for key, each in done.items() if (q := of_key.get(key)) and is_done(each, q)]
        self._add([Judgement(person, q.first, q.second, q.item, EVEN, q.of, SAME_TEXT) for q in asked
                   if q.one == q.other and not is_done(done.get((person, q.first, q.second, q.item)), q)])  # fmt: skip
        note_judge(results, person, {"kind": "person", "seen_by_arms": "not known"})

    @property
    def current(self) -> tuple[str, str, str] | None:
        """Prompt and both completions of the question to be answered now; None when all are."""
        return (self.waiting[0].prompt, self.waiting[0].one, self.waiting[0].other) if self.waiting else None

    @property
    def state(self) -> str:
        """How far it is and where it is kept, in a sentence."""
        return f"{self.done} judged by {self._person}, {len(self.waiting)} to go; kept in {self.path}"

    def opinion(self) -> str:
        """Nothing."""
        return ""

    def choose(self, word: Word) -> None:
        """Prefer the first, the second or neither, and save; that both are bad is kept as the reason of a tie.

        Raises:
            RftlabError: somebody else is judging in the folder; nothing is chosen then.
        """
        q = self.waiting[0]
        why = BOTH_BAD if word == "both bad" else ""
        self._add([Judgement(self._person, q.first, q.second, q.item, _SHARES[word], q.of, why)])
        self._made.append(self.waiting.pop(0))
        self.done += 1

    def skip(self) -> None:
        """Put the current question last; nothing is saved."""
        self.waiting.append(self.waiting.pop(0))

    def undo(self) -> None:
        """Take the last choice back, of this sitting or an earlier one, and save that; nothing if there is none.

        Raises:
            RftlabError: as `choose`; nothing is taken back then.
        """
        if self._made:
            q = self._made[-1]
            self._add([Judgement(self._person, q.first, q.second, q.item, None, q.of, TAKEN_BACK)])
            self.waiting.insert(0, self._made.pop())
            self.done -= 1

    def _add(self, made: Sequence[Judgement]) -> None:
        if made:
            with judging(self.path.parent) as kept:
                kept.add(made)


def _ordered(asked: Sequence[Question], seed: int) -> list[Question]:
    """Each pair once, in either order, before any pair the other way round."""
    chance = random.Random(f"judge-pairs-{seed}")
    pairs: dict[tuple[frozenset[str], str], list[Question]] = {}
    for q in asked:
        pairs.setdefault((frozenset((q.first, q.second)), q.item), []).append(q)
    turns = list(pairs.values())
    chance.shuffle(turns)
    for turn in turns:
        chance.shuffle(turn)
    later = [turn[1] for turn in turns if len(turn) > 1]
    chance.shuffle(later)
    return [turn[0] for turn in turns] + later

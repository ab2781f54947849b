"""Preference pairs by hand: which completions are offered, and what becomes of each choice.

Every choice is kept as it is made (`rftlab.tasks.choices`), and those that prefer one side become the pairs file, which
DPO and RLHF read and whose lines are TRL's preference format. Both are written atomically, so that a closed browser or
a killed kernel loses nothing; what was judged is not shown again, and can be taken back in any later sitting. Which
completion stands first is drawn by chance, because people prefer the first.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rftlab.errors import RftlabError, printable
from rftlab.interactive.label_widget import PLACES, Candidate
from rftlab.tasks.choices import Choice, Word, choices_path, key_of, read_choices, write_choices
from rftlab.tasks.pairs import Pair, read_pairs, write_pairs
from rftlab.verifiers.base import Score

if TYPE_CHECKING:
    from rftlab.experiment import Experiment

VERIFIER = "the verifier"
"""Who chose where nobody did: the labeller of `label_by_verifier`."""


class PairQueue:
    """Candidates still to be judged, and the pairs made of those that were.

    Args:
        candidates: two different completions per entry.
        path: the pairs file; what it holds already is kept and not asked again.
        seed: of the order in which the two completions are shown.
        labeller: who chooses; "" goes on in anybody's file.
        opinion: what is said of a candidate when its labeller asks, as `verifier_opinion`.

    Raises:
        RftlabError: the file, or the choices beside it, cannot be read, or they are another labeller's.
    """

    def __init__(
        self, candidates: Sequence[Candidate], path: str | Path, *, seed: int = 0, labeller: str = "",
        opinion: Callable[[Candidate], str] | None = None,
    ) -> None:  # fmt: skip
        self.path, self._labeller, self._ask = Path(path).expanduser(), labeller.strip(), opinion
        self.choices = read_choices(self.path)
        others = sorted({choice.labeller for choice in self.choices} - {"", VERIFIER, self._labeller})
        if self._labeller and others:
            raise RftlabError(
                f"{self.path} holds the choices of {', '.join(others)}; give {self._labeller} a pairs file of their "
                "own, and see with label_agreement how far the two agree"
            )
        kept = read_pairs(self.path) if self.path.exists() else []
        chosen = {choice.key for choice in self.choices}
        self._found = [pair for pair in kept if key_of(pair.prompt, pair.chosen, pair.rejected) not in chosen]
        judged = chosen | {key_of(pair.prompt, pair.chosen, pair.rejected) for pair in self._found}
        chance = random.Random(f"label-pairs-{seed}")
        shuffled = [(p, b, a) if chance.random() < 0.5 else (p, a, b) for p, a, b in candidates]
        self.waiting = [candidate for candidate in shuffled if key_of(*candidate) not in judged]
        self._seen: set[Candidate] = set()
        self._state = self._on_disk()
        if kept != self.pairs:  # a crash between the two files
            self._save()

    @property
    def pairs(self) -> list[Pair]:
        """What the pairs file holds: those that were in it without a choice, then the preferences chosen."""
        return [*self._found, *(pair for choice in self.choices if (pair := choice.pair))]

    @property
    def done(self) -> int:
        """How many pairs are judged: those of the file, ties, and those bad on both sides."""
        return len(self._found) + len(self.choices)

    @property
    def current(self) -> Candidate | None:
        """The candidate to be judged now; None when all are."""
        return self.waiting[0] if self.waiting else None

    @property
    def state(self) -> str:
        """How far it is and where it is kept, in a sentence."""
        words = [choice.choice for choice in self.choices]
        ties, bad = words.count("tie"), words.count("both bad")
        return (
            f"{self.done} judged, {len(self.waiting)} to go; {len(self.pairs)} with a preference, in {self.path}; "
            f"ties: {ties}, bad on both sides: {bad}, in {choices_path(self.path).name} alone"
        )

    @property
    def has_opinion(self) -> bool:
        """Whether the verifier can be asked."""
        return self._ask is not None

    def opinion(self) -> str:
        """What the verifier says of the current candidate; its choice is marked as made after that."""
        if self._ask is None or self.current is None:
            return ""
        self._seen.add(self.current)
        return self._ask(self.current)

    def choose(self, word: Word, labeller: str = "") -> None:
        """Judge the current candidate, and save.

        Raises:
            RftlabError: somebody else has written to the file since, or it cannot be written; nothing is chosen then.
        """
        prompt, first, second = candidate = self.waiting[0]
        choice = Choice(prompt, first, second, word, labeller or self._labeller, candidate in self._seen)
        self.choices.append(choice)
        try:
            self._save()
        except BaseException:
            self.choices.pop()
            raise
        self.waiting.pop(0)

    def skip(self) -> None:
        """Put the current candidate last; nothing is saved."""
        self.waiting.append(self.waiting.pop(0))

    def undo(self) -> None:
        """Take the last choice back, of this sitting or an earlier one, and save; nothing if there is none.

        Raises:
            RftlabError: as `choose`; nothing is taken back then.
        """
        if not self.choices:
            return
        last = self.choices.pop()
        try:
            self._save(undone=True)
        except BaseException:
            self.choices.append(last)
            raise
        self.waiting.insert(0, (last.prompt, last.first, last.second))

    def _save(self, *, undone: bool = False) -> None:
        """Write both files. Whatever a crash leaves of the second, the choices say what the pairs are to be.

        So a choice is there before its pair, and one taken back goes after its pair.
        """
        if self._on_disk() != self._state:
            raise RftlabError(f"{self.path} has been written by somebody else; make the queue again to go on")
        if not undone:
            write_choices(self.path, self.choices)
        write_pairs(self.path, self.pairs)
        if undone:
            write_choices(self.path, self.choices)
        self._state = self._on_disk()

    def _on_disk(self) -> list[tuple[int, int]]:
        files = [self.path, choices_path(self.path)]
        return [(at.st_ino, at.st_mtime_ns) for file in files if file.exists() and (at := file.stat())]


def candidates(experiment: "Experiment", n: int) -> list[Candidate]:
    """Up to ``n`` pairs of different completions of labelled prompts by the experiment's policy, reproducibly.

    Args:
        experiment: its labels, policy, decoding and `seed_sampling`.
        n: how many; prompts are gone through several times if there are fewer.
    """
    import torch

    from rftlab.policy.rollout import sample

    cell, policy = experiment.capped, experiment.policy
    asked = [experiment.labels.train[i % len(experiment.labels.train)] for i in range(2 * n) for _ in range(2)]
    rollouts = sample(
        policy,
        [policy.encode_prompt(policy.prompt_text(example, cot=cell.cot)) for example in asked],
        max_new_tokens=cell.decoding.max_new_tokens if cell.cot else cell.decoding.max_new_tokens_direct,
        generator=torch.Generator(policy.device).manual_seed(cell.seed_sampling),
        temperature=cell.decoding.temperature,
        top_p=cell.decoding.top_p,
    )
    texts = [policy.decode(rollout.completion_ids, cot=cell.cot) for rollout in rollouts]
    found: dict[object, Candidate] = {}
    for example, first, second in zip(asked[::2], texts[::2], texts[1::2], strict=True):
        if first != second:
            found.setdefault(key_of(example.prompt, first, second), (example.prompt, first, second))
    return list(found.values())[:n]


def candidates_of(path: str | Path) -> list[Candidate]:
    """What another labeller judged, to be judged again by somebody else; which stands first is drawn anew.

    Args:
        path: that labeller's pairs file; its choices lie beside it.

    Raises:
        RftlabError: there are no choices, or they cannot be read.
    """
    found = [(choice.prompt, *sorted((choice.first, choice.second))) for choice in read_choices(path)]
    if not found:
        raise RftlabError(f"no choices lie beside {path} ({choices_path(path).name}); nothing to judge again")
    return [(prompt, one, other) for prompt, one, other in found]


def verifier_opinion(experiment: "Experiment") -> Callable[[Candidate], str]:
    """What the experiment's verifier says of both completions of a candidate: their rewards, and what it read."""
    examples = {example.prompt: example for example in experiment.labels.train}

    def said(candidate: Candidate) -> str:
        prompt, *texts = candidate
        if prompt not in examples:
            return "The verifier cannot say: this prompt is not among the labels of the experiment."
        scores = experiment.verifier.score(texts, [examples[prompt]] * 2)
        told = [f"the {place} {score.reward:g} ({_why(score)})" for place, score in zip(PLACES, scores, strict=True)]
        return f"The verifier gives {', '.join(told)}. The gold answer is {_cut(examples[prompt].answer)}"

    return said


def _why(score: Score) -> str:
    if score.detail:
        return _cut(score.detail)
    return "no answer found" if score.extracted is None else f"read as {_cut(score.extracted)}"


def _cut(text: str, most: int = 200) -> str:
    return printable(text if len(text) <= most else f"{text[:most]}…")


def label_by_verifier(queue: PairQueue, experiment: "Experiment", *, noise_rate: float) -> int:
    """Let the verifier choose instead of a person, wrongly with probability ``noise_rate``; how many it could decide.

    Candidates it scores alike are left waiting.

    Raises:
        RftlabError: a rate beyond [0, 0.5].
    """
    if not 0 <= noise_rate <= 0.5:
        raise RftlabError(f"the verifier cannot be wrong at a rate of {noise_rate!r}; give 0 to 0.5")
    chance = random.Random(f"noise-{experiment.cell.seed_data}")
    examples = {example.prompt: example for example in experiment.labels.train}
    decided = 0
    for prompt, first, second in list(queue.waiting):
        example = examples[prompt]
        a, b = (score.reward for score in experiment.verifier.score([first, second], [example, example]))
        if a == b:
            queue.skip()
            continue
        wrong = chance.random() < noise_rate
        queue.choose("second" if (b > a) != wrong else "first", VERIFIER)
        decided += 1
    return decided

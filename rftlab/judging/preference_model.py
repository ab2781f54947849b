"""A preference model as judge: a Bradley-Terry reward model on the study's own base, trained on pairs that no arm saw.

Its pairs come from a file, or they are completions of the base for training prompts that no arm was given, put in order
by the task's verifier. Then it is a smooth reading of that verifier and no independent opinion: with pairs of a
person's, it stands for that person. A fifth of the prompts is held out and tells how often the model agrees.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from transformers import set_seed

from rftlab.answer.contests import EVEN, Contest, Question
from rftlab.answer.results import Results
from rftlab.cell import Cell
from rftlab.digests import NOTEBOOK, with_digests
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.judging.base import Verdict
from rftlab.methods.actor_critic import Trajectory
from rftlab.methods.base import TrainingRun
from rftlab.methods.monitor import Monitor
from rftlab.methods.preferences import PairSettings, TokenPair, preference_pairs
from rftlab.methods.reward_model import RewardModel, train_reward_model
from rftlab.parts import Budget
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout
from rftlab.policy.weights import cell_of, find_cell
from rftlab.record import planned_cell
from rftlab.record.copied import tuning_cells
from rftlab.tasks.base import Example, Labels, Task
from rftlab.tasks.example import unlike
from rftlab.tasks.folds import at, rows, task_of
from rftlab.tasks.of_cell import draw_labels
from rftlab.tasks.pairs import read_pairs
from rftlab.verifiers.base import THINK

_FEWEST, _FOLDS = 10, 5
_ALIKE = 1e-6


class PreferenceModel:
    """A judge trained here, one model for each task, base and way of asking; the same on every CPU run.

    It scores completions one by one, so that their order cannot matter to it.

    Args:
        study: as read; its labels and pairs are kept out of the judge's.
        seed: of prompts, pairs, weights and training.
        pairs_file: JSONL of prompt, chosen, rejected (`rftlab.tasks.pairs`); empty lets the verifier order completions.
        prompts: training prompts that completions are drawn for.
        generations: completions of each.
        epochs: passes over the pairs.
        learning_rate: of its adapter and head.
    """

    def __init__(
        self, study: Results, *, seed: int = 0, pairs_file: str = "", prompts: int = 100, generations: int = 8,
        epochs: int = 4, learning_rate: float = 1e-3,
    ) -> None:  # fmt: skip
        for what, value, least in (("seed", seed, 0), ("prompts", prompts, _FEWEST), ("generations", generations, 2)):
            if type(value) is not int or value < least:
                raise RftlabError(f"preference model: {what} is {value!r}; give a whole number of at least {least}")
        self._study, self._seed, self._file = study, seed, pairs_file
        self._prompts, self._generations, self._epochs, self._rate = prompts, generations, epochs, learning_rate
        taught = f" on {Path(pairs_file).name}" if pairs_file else ""
        self.name = f"preference-model{taught}, seed {seed}"
        self._lessons: dict[str, _Lesson] = {}
        self._trained: dict[str, _Scorer] = {}

    def version(self, contest: Contest) -> str:
        """Digest of base, prompts, pairs and settings of its model for a contest: another study has another judge.

        Raises:
            RftlabError: as `ask`.
        """
        return self._lesson(contest).version

    def facts(self) -> Mapping[str, Any]:
        """How each model was trained, and how often it agrees with held-out pairs, by version."""
        found = {version: scorer.facts for version, scorer in self._trained.items()}
        return {"kind": "preference model", "seed": self._seed, "seen_by_arms": "none of its prompts", **found}

    def ask(self, contest: Contest, asked: Sequence[Question]) -> list[Verdict | None]:
        """Verdicts in order: 1 or 0 by the higher score, .5 where the scores are equal.

        Raises:
            RftlabError: there are too few prompts or pairs that no arm saw.
        """
        if not asked:
            return []
        lesson = self._lesson(contest)
        if lesson.version not in self._trained:
            self._trained[lesson.version] = self._train(lesson)
        scores = self._trained[lesson.version](asked)
        return [Verdict(EVEN if abs(a - b) <= _ALIKE else float(a > b)) for a, b in scores]

    def _lesson(self, contest: Contest) -> "_Lesson":
        cell = self._cell(next(iter(contest.cells.values()))[0])
        if cell.id not in self._lessons:
            self._lessons[cell.id] = self._prepared(cell)
        return self._lessons[cell.id]

    def _cell(self, cell_id: str) -> Cell:
        """The cell of the untrained base that is asked as an arm's cell was."""
        record = next(each for each in self._study.records if each.id == cell_id)
        arm = planned_cell(self._study.where, cell_id) or record.parameters
        kept = ("task", "task_settings", "model", "template", "system", "decoding", "verifier", "verifier_settings",
                "answer_format")  # fmt: skip
        values = {name: value for name, value in arm.model_dump(mode="json").items() if name in kept}
        evaluation = {"ood_items": 0, "along_the_way": 0, "retention": ""}
        return Cell.make(
            {**values, "method": "base", "labels": 0, "cot": arm.cot_eval, "seed": self._seed, "evaluation": evaluation}
        )

    def _prepared(self, cell: Cell) -> "_Lesson":
        base = Experiment(cell)
        # With folds every row is a test item of some seed, which the judge is to judge.
        tested = rows(base.task) if base.task.folds else ()
        told = (*arms_saw(self._study, cell, base.task), *tested)
        seen = list({example.prompt: example for example in told}.values())
        spare = list(unlike(base.task.train, seen))
        random.Random(f"judge-{self._seed}").shuffle(spare)
        if not self._file and len(spare) < _FEWEST:
            raise RftlabError(
                f"{len(spare)} of the {len(base.task.train)} training prompts of {cell.task} were given to no arm, too "
                f"few to train a judge on (at least {_FEWEST}); give pairs of your own: --pairs-file"
            )
        pairs = read_pairs(self._file) if self._file else []
        labels = Labels(tuple(spare[: self._prompts]), (), tuple(seen))
        asked = [example.prompt for example in (seen if self._file else labels.train)]
        digests = {name: text for name, text in with_digests(cell).digests.items() if name != NOTEBOOK}
        made_from = [
            cell.model_dump(mode="json"), digests, sorted(asked), [asdict(pair) for pair in pairs], self._prompts,
            self._generations, self._epochs, self._rate,
        ]  # fmt: skip
        version = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:12]
        return _Lesson(cell, base, labels, seen, len(pairs), version)

    def _train(self, lesson: "_Lesson") -> "_Scorer":
        cell, base, labels, seen, given, _ = lesson
        settings = PairSettings(pairs_file=self._file, pair_generations=self._generations, pairs_per_prompt=4)
        with Monitor(base.policy, Budget(unit="steps", amount=1_000_000)) as monitor:
            asked = base.capped.model_copy(update={"labels": max(given, 1)})
            run = TrainingRun(base.policy, labels, base.verifier, asked, settings, (self._rate,), monitor)
            pairs, said = preference_pairs(run, settings)
            _require_unseen(pairs, seen, base.policy, cot=cell.cot)
            train, held_out = _split(pairs)
            set_seed(self._seed)
            model = train_reward_model(run, train, said, learning_rate=self._rate, epochs=self._epochs, batch_size=16)
        scorer = _Scorer(base.policy, model, cell)
        scorer.facts = {
            "task": cell.task, "model": cell.model, "cot": cell.cot, "pairs": len(train),
            "pairs_held_out": len(held_out), "agreement_held_out": scorer.agreement(held_out),
            "agreement_trained_on": scorer.agreement(train), "simulated_by_verifier": not self._file,
            "epochs": self._epochs, "learning_rate": self._rate, "prompts_arms_saw": len(seen),
            "pairs_left_out": given - len(pairs) if self._file else 0,
        }  # fmt: skip
        return scorer


class _Lesson(NamedTuple):
    """What one model is made from: the base, its prompts, those the arms saw, pairs in its file; and a digest of it."""

    cell: Cell
    base: Experiment
    labels: Labels
    seen: Sequence[Example]
    given: int
    version: str


class _Scorer:
    """A trained model, asked about texts."""

    facts: Mapping[str, Any]

    def __init__(self, policy: Policy, model: RewardModel, cell: Cell) -> None:
        self._policy, self._model, self._cell = policy, model, cell
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, asked: Sequence[Question]) -> list[tuple[float, float]]:
        """Scores of both completions of each question."""
        texts = [(q.prompt, text) for q in asked for text in (q.one, q.other)]
        new = [each for each in dict.fromkeys(texts) if each not in self._known]
        self._known |= dict(zip(new, self._score([self._tokens(*each) for each in new]), strict=True))
        return [(self._known[q.prompt, q.one], self._known[q.prompt, q.other]) for q in asked]

    def agreement(self, pairs: Sequence[TokenPair]) -> float:
        """Share of pairs whose chosen completion scores higher; equal scores count half."""
        chosen, rejected = (
            self._score([(p.prompt_ids, ids) for p, ids in zip(pairs, side, strict=True)])
            for side in ([p.chosen_ids for p in pairs], [p.rejected_ids for p in pairs])
        )
        right = [(a > b) + EVEN * (a == b) for a, b in zip(chosen, rejected, strict=True)]
        return sum(right) / len(right)

    def _tokens(self, prompt: str, text: str) -> tuple[list[int], list[int]]:
        policy = self._policy
        if policy.thinking(cot=self._cell.cot) == "open":  # such a prompt ends in it already
            text = text.removeprefix(THINK)
        ids = policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        return policy.encode_prompt(prompt), [*ids, int(policy.tokenizer.eos_token_id)]

    def _score(self, texts: Sequence[tuple[list[int], list[int]]]) -> list[float]:
        nobody = Example("", "", "")
        made = [Trajectory(Rollout(p, c, [0.0] * len(c), truncated=False), nobody, "", 0.0) for p, c in texts]
        return [float(score) for score in self._model.score(made, self._policy)] if made else []


def arms_saw(study: Results, judged: Cell, task: Task) -> Iterator[Example]:
    """What any run of a study, or a policy that one started from, was trained on or chosen by, of one task.

    Those of its tuning stage too, and the prompts of its pairs files; an example may come several times.

    Raises:
        RftlabError: what some run saw cannot be told any more.
    """
    for record in (*study.records, *tuning_cells(study.where, without={each.id for each in study.records})):
        cell: Cell | None = planned_cell(study.where, record.id) or record.parameters
        while cell:
            own = (cell.task, cell.task_settings) == (judged.task, judged.task_settings)
            labels = draw_labels(cell, at(task, cell.seed) if own else task_of(cell))
            yield from (*labels.train, *labels.development)
            if path := str(cell.settings.get("pairs_file", "")):
                yield from (Example("pair", pair.prompt, "") for pair in read_pairs(path))
            cell = cell_of(find_cell(cell.start_from)) if cell.start_from else None


def _require_unseen(pairs: Sequence[TokenPair], seen: Sequence[Example], policy: Policy, *, cot: bool) -> None:
    """By construction no arm saw a prompt of the judge's; this is the proof."""
    known = {tuple(policy.encode_prompt(policy.prompt_text(example, cot=cot))) for example in seen}
    if known & {tuple(pair.prompt_ids) for pair in pairs}:
        raise RftlabError("a prompt of the judge's pairs was given to an arm; this is a fault of rftlab, report it")


def _split(pairs: Sequence[TokenPair]) -> tuple[list[TokenPair], list[TokenPair]]:
    """Pairs to train on, and those of every fifth prompt, held out."""
    prompts = list(dict.fromkeys(tuple(pair.prompt_ids) for pair in pairs))
    held_out = set(prompts[::_FOLDS])
    if len(prompts) < 2:
        raise RftlabError("the judge's pairs are all of one prompt; give pairs of more")
    sides = [pair for pair in pairs if tuple(pair.prompt_ids) not in held_out]
    return sides, [pair for pair in pairs if tuple(pair.prompt_ids) in held_out]

"""Data, budgets and verifiers, checked before anything runs; imports no torch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError, about, defined_at
from rftlab.folds import Folds
from rftlab.naming import short_name
from rftlab.parts import Adapter
from rftlab.policy.hub import require_reachable
from rftlab.preflight import TEST_ITEMS
from rftlab.preflight.checks import key, task_key
from rftlab.registry import METHODS, VERIFIERS, find
from rftlab.sandbox.worker import UNSANDBOXED
from rftlab.stopping import refuse_dropout, refuse_unreadable
from rftlab.tasks import difficulty
from rftlab.tasks.base import Example, Task
from rftlab.tasks.of_cell import draw_labels, require_gold, require_rationales, retention_tasks, verifier_of
from rftlab.user_code.child import announce
from rftlab.verifiers.base import FunctionVerifier, Score, Verifier, make_verifier, tagged

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked

GOLD_SAMPLE = 20
# A packaged verifier has limits of its own; a judge or a reward model takes what it takes.
_PACKAGED_LIMIT_S = 3600.0
_HUB_ANSWERS_WITHIN_S = 20.0


def check(looked: "Looked") -> None:
    """Raise the first problem with models' places, tasks, verifiers and label budgets.

    Raises:
        RftlabError: as said.
    """
    for model in dict.fromkeys(cell.model for cell in looked.cells):
        announce(f"looking for model {model!r}", limit=_HUB_ANSWERS_WITHIN_S)
        require_reachable(model)
    refuse_idle_lora(looked.cells)
    done: set[object] = set()
    # The largest budget first: whoever follows one error's advice shall not meet the next.
    for cell in sorted(looked.cells, key=lambda cell: -cell.labels):
        task = looked.task(cell)
        looked.say(task.notes)
        judged = (task_key(cell), cell.verifier, key(cell.verifier_settings), cell.answer_format)
        if judged not in done:
            looked.say(check_gold(cell, task, *verifier_of(cell, task)))
        done |= _check_beside(cell, task, looked, done)
        shares = (_validation_share(cell), cell.development, cell.development_items)
        fold = cell.seed if task.folds else None
        asked = (cell.method, cell.labels, cell.prompts, judged[1:])
        by = (cell.label_noise, cell.label_difficulty, cell.curriculum, cell.pass_rates_path, cell.processes)
        drawn = (task_key(cell), *asked, cell.cot, cell.seed_data, shares, fold, by)
        if drawn not in done:
            try:
                with about("", cell.flat()):
                    check_labels(cell, task)
            except RftlabError as error:
                if cell.evaluation.part == "test":
                    raise
                raise RftlabError(
                    f"tuning stage: {str(error).replace('evaluation.along_items', 'tuning.items')}"
                ) from None
        done |= {judged, drawn}
    measured = [cell for cell in looked.cells if cell.evaluation.part == "test"]
    looked.facts[TEST_ITEMS] = {cell.task_name: len(looked.task(cell).test) for cell in measured}
    looked.notes += [*_of_folds(looked, measured), *_label_budgets(measured)]


def refuse_idle_lora(cells: Sequence[Cell]) -> None:
    """Raise where full fine-tuning is asked for with what only LoRA has: cells would differ in nothing.

    A rank that a grid gives for its LoRA cells is fine on full ones beside them.

    Raises:
        RftlabError: as said.
    """
    idle = {name: field.default for name, field in Adapter.model_fields.items() if name != "kind"}
    full = [cell for cell in cells if cell.adapter.kind == "full"]
    for name, default in idle.items():
        values = sorted({getattr(cell.adapter, name) for cell in full})
        alone = len(full) == len(cells) and values not in ([], [default])
        if len(values) > 1 or alone:
            raise RftlabError(
                f"adapter.{name} {', '.join(map(str, values))} with adapter.kind full: {name} is LoRA's and means "
                "nothing in full fine-tuning; leave it out, or set adapter.kind: lora"
            )


def _of_folds(looked: "Looked", cells: Sequence[Cell]) -> list[str]:
    """How much of whole repeats the seeds of each task are whose seeds are folds.

    Raises:
        RftlabError: two runs of one arm share a fold, or a tuning stage would look at rows that are tested on.
    """
    found: dict[str, tuple[Folds, set[int]]] = {}
    runs: dict[tuple[str, int], Cell] = {}
    for cell in cells:
        if (folds := looked.task(cell).folds) is None:
            continue
        if cell.tuned_by:
            raise RftlabError(
                f"{cell.task_name} has {folds.count} folds, so that every row is tested on: a tuning stage would "
                "choose learning rates by rows that they are judged by; give learning_rates, or tuning.trials, which "
                "choose within the labels of a seed"
            )
        twin = runs.setdefault((cell.variant, cell.seed), cell)
        if twin.id != cell.id:
            raise RftlabError(
                f"{cell.task_name} has folds, and seed {cell.seed}, which is one of them, comes twice for one arm "
                f"({cell.label}); sweep seed alone, and let seed_data, seed_init and seed_sampling follow it"
            )
        found.setdefault(cell.task_name, (folds, set()))[1].add(cell.seed)
    return [
        f"{name}: {folds.repeats(seeds)}" + (f"; {lacking}" if (lacking := folds.lacking(seeds)) else "")
        for name, (folds, seeds) in found.items()
    ]


def _label_budgets(cells: Sequence[Cell]) -> list[str]:
    """Label budgets in words, those with the same development items together: `10, 50 labels + 50 for development`."""
    alike: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.labels or cell.prompts:
            number, _, rest = cell.label_budget.partition(" ")
            alike.setdefault(rest, {})[number] = None
    return [f"{', '.join(numbers)} {rest}" for rest, numbers in alike.items()]


def check_labels(cell: Cell, task: Task) -> None:
    """Raise unless the task has the cell's label budget, its validation and development items, and rationales it needs.

    Raises:
        RftlabError: as said.
    """
    method, _ = find(METHODS, cell.method, "method")
    labels = draw_labels(cell, task, _validation_share(cell))
    name, settings = verifier_of(cell, task)
    if labels.prompts or not all(example.answer for example in (*task.test, *task.beyond, *labels.development)):
        require_gold(labels, task, make_verifier(name, answer_format=cell.answer_format, settings=settings), name)
    refuse_dropout(cell.method, cell.adapter.dropout)
    refuse_unreadable(cell)
    difficulty.check(cell, labels, task.pool)
    if method.needs_rationales and cell.cot:
        require_rationales(labels.train + labels.validation, f"method {cell.method!r}")


def _check_beside(cell: Cell, task: Task, looked: "Looked", done: set[object]) -> set[object]:
    """Raise unless what a cell asks for beside its own task's items can be: tasks not trained on, a verifier apart."""
    asked = cell.evaluation
    checked: set[object] = set()
    apart = (task_key(cell), "apart", asked.verifier, key(asked.verifier_settings), cell.answer_format)
    if asked.verifier and apart not in done:
        looked.say(check_gold(cell, task, asked.verifier, dict(asked.verifier_settings)))
        checked.add(apart)
    for name, settings in retention_tasks(cell, task).items():
        own = (name, key(settings), cell.answer_format)
        if own not in done:
            other = Cell.make({"task": name, "task_settings": settings, "answer_format": cell.answer_format})
            beside = looked.task(other)
            looked.say(check_gold(other, beside, beside.verifier, dict(beside.verifier_settings)))
            checked.add(own)
    return checked


def check_gold(cell: Cell, task: Task, name: str, settings: dict[str, Any]) -> list[str]:
    """Raise unless a verifier gives full reward to gold answers, on a sample spread over train and test.

    One of the user's own is also given wrong answers and empty ones, which a policy gives too: it shall neither hang
    nor end the process there. Returns what people should know of the verifier: what a function is given, where it
    fails on a wrong answer, that code will run without a sandbox.

    A graded verifier (a reward model, a judge) need not: its gold answers have no fixed reward.

    Raises:
        RftlabError: unknown verifier, settings it does not take, or a gold answer it rejects.
    """
    announce(f"loading verifier {name!r}")
    with about("verifier_settings", settings):
        verifier = Announced(make_verifier(name, answer_format=cell.answer_format, settings=settings), name)
    sample = _spread(task.train, GOLD_SAMPLE // 2) + _spread(task.test, GOLD_SAMPLE // 2)
    sample = [example for example in sample if example.answer]
    gold = [tagged(example.answer) for example in sample]
    scores = verifier.score(gold, sample)
    if not verifier.needs_gold:
        _require_blind(verifier, name, sample, gold, scores)
    for example, score in zip(sample, scores, strict=True):
        if score.parts.get("verifier_error"):
            raise RftlabError(
                f"verifier {name!r} cannot judge the gold answer {example.answer[:80]!r} of example {example.id} of "
                f"task {task.name!r}: {score.reason}; mend it"
            )
        if score.reward < 1 and not verifier.graded:
            raise RftlabError(
                f"verifier {name!r} gives the gold answer {example.answer[:80]!r} of example {example.id} of task "
                f"{task.name!r} the reward {score.reward:g}, not 1 ({score.reason}); choose another verifier or mend "
                "the data"
            )
    if verifier.singly and not verifier.graded:
        _require_same_again(verifier, name, sample, gold, scores)
    notes = [verifier.told] if verifier.told else []
    notes += _on_wrong_answers(verifier, task) if verifier.singly else []
    if verifier.isolation == UNSANDBOXED:
        notes.append(
            "no sandbox can be had on this machine, and what the model writes will run with your rights"
            if settings.get("allow_unsandboxed")
            else "no sandbox can be had on this machine; a library reads answers, and runs none, in an ordinary process"
        )
    return [f"verifier {short_name(name)}: {note}" for note in notes]


def _require_same_again(
    verifier: "Announced", name: str, sample: Sequence[Example], gold: Sequence[str], scores: Sequence[Score]
) -> None:
    """Raise unless the first gold answer gets the same reward once more."""
    for example, first, again in zip(sample, scores, verifier.score(gold[:1], sample[:1]), strict=False):
        if first.reward != again.reward:
            raise RftlabError(
                f"verifier {name!r}, asked twice about the gold answer of example {example.id}, gives "
                f"{first.reward:g} and then {again.reward:g}{verifier.place}; it must keep nothing from call to call"
            )


def _on_wrong_answers(verifier: "Announced", task: Task) -> list[str]:
    """Where a verifier of the user's own fails on a wrong answer, which then scores 0: the first such sentence."""
    golds = [example.answer for example in (*task.train[:GOLD_SAMPLE], *task.test[:GOLD_SAMPLE]) if example.answer]
    for example in (*task.train[:1], *task.prompts[:1], *task.test[:1]):
        other = next((gold for gold in golds if gold != example.answer), "0")
        wrong = {"another example's answer": tagged(other), "`?`": tagged("?"), "no answer at all": "", "a text": "?"}
        for kind, completion in wrong.items():
            (score,) = verifier.score([completion], [example], what=f"{kind} to example {example.id}")
            if score.parts.get("verifier_error"):
                return [
                    f"given {kind} to example {example.id}, {score.reason}; that is counted as an error of the "
                    "verifier and scores 0"
                ]
    return []


def _require_blind(
    verifier: "Announced", name: str, sample: Sequence[Example], gold: Sequence[str], scores: Sequence[Score]
) -> None:
    """Raise unless a verifier that says it needs no gold answer judges the same without it."""
    blank = [replace(example, answer="", rationale=None) for example in sample]
    for example, seen, blind in zip(sample, scores, verifier.score(gold, blank), strict=True):
        if seen.reward != blind.reward:
            raise RftlabError(
                f"verifier {name!r} says that it needs no gold answer, but gives {example.answer[:80]!r} the reward "
                f"{blind.reward:g} for example {example.id} without it, not {seen.reward:g}; set its needs_gold to True"
            )


class Announced:
    """A verifier that says what it is about to score; a user's own, example by example.

    Attributes:
        graded: as the verifier's.
        needs_gold: as the verifier's.
        told: as the verifier's.
        is_program: as the verifier's.
        singly: whether it is the user's own.
    """

    def __init__(self, verifier: Verifier, name: str) -> None:
        self.graded, self.needs_gold, self.told = verifier.graded, verifier.needs_gold, verifier.told
        self.is_program = verifier.is_program
        self._verifier, self._name = verifier, name
        self.singly = isinstance(verifier, FunctionVerifier) or name not in VERIFIERS

    @property
    def place(self) -> str:
        """` (checks.py, line 3)`: where it stands in the user's own files."""
        return defined_at(getattr(self._verifier, "function", self._verifier))

    @property
    def isolation(self) -> str | None:
        """As the verifier's, so far."""
        return self._verifier.isolation

    def score(self, completions: Sequence[str], examples: Sequence[Example], *, what: str = "") -> list[Score]:
        """Scores, as `Verifier.score` gives them; ``what`` is scored, by default the example."""
        if not self.singly:
            announce(f"scoring {len(examples)} examples with verifier {self._name!r}", limit=_PACKAGED_LIMIT_S)
            return self._verifier.score(completions, examples)
        scores = []
        for completion, example in zip(completions, examples, strict=True):
            announce(f"scoring {what or f'example {example.id}'} with verifier {self._name!r}")
            scores += self._verifier.score([completion], [example])
        return scores


def _validation_share(cell: Cell) -> float:
    return cell.tuning.validation_share if cell.tuning.trials > 1 else 0.0


def _spread(examples: Sequence[Example], count: int) -> list[Example]:
    step = max(1, len(examples) // count)
    return list(examples[::step][:count])

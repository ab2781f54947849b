"""What a cell is made of, loaded and checked before anything trains."""

from pathlib import Path
from typing import Any

from rftlab.cell import NOT_YET, Cell
from rftlab.digests import data_of, settled
from rftlab.errors import RftlabError
from rftlab.evaluate import ask
from rftlab.evaluate.beside import beside as also_asked
from rftlab.experiment.room import require_room
from rftlab.experiment.terms import code_of
from rftlab.methods.base import load_method, make_settings, rates_of, stages_of
from rftlab.methods.spread import refuse_recomputing, refuse_spread
from rftlab.policy.caps import Cap, Probe, capped, caps_of
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.probe import load_base, probe
from rftlab.policy.prompt_file import load_at
from rftlab.policy.weights import find_cell
from rftlab.progress import Progress
from rftlab.record.beside import beside
from rftlab.registry import METHODS, find
from rftlab.shown.beside import Beside
from rftlab.shown.tables import TextTable
from rftlab.stopping import refuse_dropout, refuse_unreadable
from rftlab.tasks.difficulty import PassRates, pass_rates
from rftlab.tasks.difficulty import check as check_difficulty
from rftlab.tasks.folds import task_of
from rftlab.tasks.of_cell import draw_labels, require_gold, require_rationales, verifier_of
from rftlab.verifiers.base import make_verifier

# What an experiment is made of: with another one it would record one cell's numbers under another's name.
_FIXED = frozenset(
    {"cell", "task", "method", "settings", "verifier", "also", "code", "labels", "pass_rates", "caps", "capped"}
)


class Prepared:
    """A cell with its task, labels, verifier, method and policy.

    Args:
        cell: the parameters of the run; without digests it is given those of the user's files as they are now.
        kept: folder or id of a finished cell whose kept policy is loaded, instead of what the cell starts from.

    Raises:
        RftlabError: anything about task, model, verifier, method or label budget that cannot work.
    """

    def __init__(self, cell: Cell, *, kept: str | Path = "") -> None:
        _require_runnable(cell)
        self._state = "new"
        self._shown_before: list[dict[str, Any]] = []
        self.cell = cell = settled(cell)
        self._data = data_of(cell)
        self.progress = Progress()
        self.progress("loading the task", 0, 2)
        self.task = task_of(cell)
        self._entry, _ = find(METHODS, cell.method, "method")
        if cell.start_from and not self._entry.trains:
            raise RftlabError(f"method {cell.method!r} is about the untrained base; leave start_from empty")
        refuse_dropout(cell.method, cell.adapter.dropout)
        refuse_recomputing(cell.method, cell.gradient_checkpointing)
        refuse_unreadable(cell)
        self.method = load_method(cell.method)
        self.settings = make_settings(self.method, cell.method, cell.preset, cell.settings)
        self._stages = stages_of(self.method, cell.method, self.settings)
        rates_of(cell, self._stages)
        refuse_spread(cell, self.settings)
        judge, judged_by = verifier_of(cell, self.task)
        self.verifier = make_verifier(judge, answer_format=cell.answer_format, settings=judged_by)
        self.also = also_asked(cell, self.task)
        self.code = code_of(cell, self.task)
        self.labels = draw_labels(self.cell, self.task)
        check_difficulty(cell, self.labels, self.task.pool)
        self.pass_rates = pass_rates(cell, self.task.pool) if self._entry.uses_labels else PassRates({})
        require_gold(self.labels, self.task, self.verifier, judge)
        if cell.evaluation.part == "development" and not self.labels.development:
            raise RftlabError("evaluation.part is development, and there are no development items; give more labels")
        if self._entry.needs_rationales and cell.cot:
            require_rationales(self.labels.train, cell.method)
        self.progress("loading the base", 1, 2)
        self.policy = self._loaded(find_cell(str(kept)) if kept else None)
        self.caps = self._work_out_caps(bare=not (kept or cell.start_from))
        self.capped = capped(cell, self.caps)  # what trains and is asked; everything else goes by the cell asked for
        require_room(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and name in vars(self):
            raise AttributeError(f"an experiment keeps its {name}; make another one: Experiment(Cell.make(...))")
        super().__setattr__(name, value)

    def examples(self, n: int = 3) -> TextTable:
        """The first ``n`` labelled examples (of the test part if there are no labels) and what their gold scores."""
        shown = (self.labels.train or tuple(e for e in self.task.test if e.answer))[:n]
        cot = [self.cell.cot and bool(example.rationale) for example in shown]
        gold = [self.policy.completion_text(e, cot=c) for e, c in zip(shown, cot, strict=True)]
        scores = self.verifier.score(gold, shown)
        return TextTable(
            {
                "prompt": [self.policy.template.prompt(example, cot=self.cell.cot) for example in shown],
                "labelled completion": gold,
                "reward": [score.reward for score in scores],
            }
        )

    def completions(self, n: int = 6) -> TextTable:
        """Greedy completions of the first ``n`` test items by the policy as it is now, with rewards."""
        rows = self._ask_shown(self.policy, n)
        return TextTable(rows)[["prompt", "completion", "answer", "reward", "format_ok", "length"]]

    def before_after(self, n: int = 6) -> Beside:
        """Greedy completions of the first ``n`` test items before training, beside those of the policy as it is now."""
        before = self._shown_before
        if len(before) < min(n, len(self.task.test)):
            before = self._ask_shown(self._loaded(), n)
        names = ("base" if not self.cell.start_from else "before", "tuned" if self._entry.trains else "as asked here")
        return beside(names, (before[:n], self._ask_shown(self.policy, n)))

    def _ask_shown(self, policy: Policy, n: int) -> list[dict[str, Any]]:
        rows = ask(policy, self.task.test[:n], self.verifier, self.capped, part="shown")
        if self._state == "new" or policy is not self.policy:
            self._shown_before = rows
        return rows

    def _loaded(self, kept: Path | None = None) -> Policy:
        policy = load_at(self.cell, kept) if kept else load_policy(self.cell)
        policy.votes = getattr(self.settings, "votes", 0)  # of the method that asks several times
        return policy

    def _work_out_caps(self, *, bare: bool) -> dict[bool, Cap]:
        def of_base(cot: bool) -> Probe:
            def base() -> Policy:
                return self.policy if bare else load_base(self.cell)

            return probe(self.cell, self.task, self.verifier, base, cot=cot)

        return caps_of(self.cell, self.task, self.policy.count_gold, of_base)

    def _pool_rows(self) -> int:
        """How many rows the labels were drawn from."""
        apart = self.cell.development == "apart"
        return len(self.task.train) - (len(self.labels.development) if apart else 0)

    def _first_rates(self) -> tuple[float, ...]:
        rates = rates_of(self.cell, self._stages)
        return (*rates[:-1], *self.cell.tuning.learning_rates[:1]) if self.cell.tuning.learning_rates else rates

    def _ladder(self) -> tuple[float, ...]:
        """The rates that trials in the cell take, of the last stage."""
        own = self._stages[-1].ladder.of(self.cell.adapter.kind) if self._stages else ()
        return self.cell.tuning.learning_rates or own


def _require_runnable(cell: Cell) -> None:
    if not isinstance(cell, Cell):
        raise RftlabError(f"an experiment is made of a Cell, not of a {type(cell).__name__}; make one with Cell.make")
    if cell.tuned_by == NOT_YET:
        raise RftlabError(
            f"the learning rates of {cell.label} are still to be chosen by its grid's tuning stage; "
            "run the grid, or leave tuned_by empty"
        )
    if cell.waits:
        raise RftlabError(
            f"the policy that {cell.label} goes on from ({cell.started_by}) is still to be trained; run its grid, "
            "or give start_from"
        )

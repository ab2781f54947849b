"""One cell from start to record: what the notebooks call, in the order they call it."""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from rftlab import scalars, trackers
from rftlab.cell import Cell
from rftlab.digests import require_data_unchanged
from rftlab.errors import RftlabError
from rftlab.evaluate import Outcome, ask, evaluate
from rftlab.evaluate.rates import mean_worth
from rftlab.experiment import caveats
from rftlab.experiment.along import Along
from rftlab.experiment.checkpointing import checkpoints_of
from rftlab.experiment.choosing import choose_settings
from rftlab.experiment.environment import of_run, peak_memory_bytes
from rftlab.experiment.live import Live
from rftlab.experiment.memory import said_if_it_runs_out
from rftlab.experiment.prepared import Prepared
from rftlab.experiment.reports import FOLDER as EVENTS
from rftlab.experiment.reports import Reports
from rftlab.experiment.terms import contract_of
from rftlab.experiment.together import together
from rftlab.experiment.training import Diverged, train
from rftlab.experiment.trials import try_rates
from rftlab.files.staging import staged
from rftlab.methods.base import Settings, TrainingRun
from rftlab.methods.checkpoints import Checkpoints
from rftlab.methods.cost import Cost
from rftlab.methods.marks import Marks
from rftlab.methods.monitor import Monitor
from rftlab.methods.peers import ALONE, Peers
from rftlab.methods.plateau import Kept, Plateau, to_restored
from rftlab.parts import Budget
from rftlab.policy import teachers
from rftlab.policy.kept import save as save_policy
from rftlab.policy.kept import wanted
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.seen import inherited
from rftlab.record import Record, cells_dir, put_in_place, read
from rftlab.shown.tables import Measures
from rftlab.tasks import difficulty, label_noise
from rftlab.tasks.base import Labels
from rftlab.tasks.of_cell import draw_labels

INTERACTIVE = Path("results/interactive")
"""Results folder of cells that are run by hand, below the working folder."""


class Experiment(Prepared):
    """A cell being run: load, look at the task, train, evaluate, save the record.

    Cells of a notebook are run again, and in another order: `train` always starts from the base's weights and the
    cell's seeds, and what is evaluated and saved is what the last whole `train` left.

    Args:
        cell: the parameters of the run; without digests it is given those of the user's files as they are now.
        out: folder of the record, which an executor names; empty takes `results/interactive/cells/ID`.
        kept: folder or id of a finished cell whose kept policy is evaluated, instead of one that is trained here.
        report_to: trackers that training reports to as well, a list or a text with commas: tensorboard, trackio. They
            change nothing of the record.

    Raises:
        RftlabError: anything about task, model, verifier, method or label budget that cannot work.
    """

    trace: list[dict[str, Any]]
    tuning: list[dict[str, Any]]
    cost: Cost
    _budget_warnings: list[str]
    _chosen: Settings
    _found: dict[str, Any]
    _kept: Kept | None
    _checkpoints: Checkpoints | None
    _along: Along
    learning_rates: tuple[float, ...]
    _outcome: Outcome | None
    _reports: Reports
    _live: Live
    _evaluation_seconds: float
    _along_seconds: float
    _state: str

    def __init__(
        self, cell: Cell, out: str | Path = "", *, kept: str | Path = "", report_to: str | Sequence[str] = ""
    ) -> None:
        self._trackers = trackers.named(report_to)
        trackers.require(self._trackers)
        super().__init__(cell, kept=kept)
        self._given = bool(str(out))
        self.folder = (Path(out) if self._given else cells_dir(INTERACTIVE) / self.cell.id).resolve()
        self._start("kept" if kept else "new")
        self.progress("loaded", 2, 2)

    @classmethod
    def from_parameters(cls, namespace: Mapping[str, Any]) -> "Experiment":
        """Experiment of a notebook's variables: the cell's parameters, and `out` and `report_to` where they are set.

        Raises:
            RftlabError: as `Cell.from_parameters`, and as the constructor.
        """
        out, report_to = (namespace.get(name, "") for name in scalars.BESIDE)
        scalars.require_texts(out=out)
        return cls(Cell.from_parameters(namespace), out=out, report_to=report_to)

    def train(self) -> pd.DataFrame:
        """Tune the learning rate if the cell asks for trials, then train; the trace as a table.

        Called again it starts again: from the base's weights and the same seeds, to the same result. In a cell of a
        tuning stage divergence is a finding, not an error. In a grid's kernel, a training that was killed goes on from
        its last checkpoint.
        """
        if self._state != "new":
            del self.policy  # before the next is loaded: two may not fit
            gc.collect()
            self.policy = self._loaded()
        self._start("training")
        if not self._entry.trains:
            return self.train_with(ALONE)
        self.progress("train", 0, self.cell.budget.amount)  # before the curves, which stand below
        with together(self.capped, self.policy.device) as peers:
            return self.train_with(peers)

    def train_with(self, peers: Peers) -> pd.DataFrame:
        """Train the policy as it is, as one of the processes that do so together; the trace as a table."""
        self._peers = self._along.peers = peers
        computes = f"{self.policy.number_format} on {self.policy.device.type}"
        self._checkpoints = checkpoints_of(self.cell, self.settings, self._beside_checkpoint, computes=computes)
        resumed = self._checkpoints is not None and self._go_on_with(self._checkpoints)
        if self.cell.tuning.trials > 1 and self._entry.trains and not resumed:
            self._tune()
        if not self._entry.trains:
            self._chosen, self.tuning = choose_settings(self, self._monitor)
            self._found = {"chosen": self._chosen.model_dump(mode="json")} if self.tuning else {}
        with self._monitor(self.policy, self.cell.budget, "train", self.cell.evaluation.along_the_way) as monitor:
            if self._entry.trains and not resumed:
                monitor.evaluate()
                with monitor.uncharged():
                    self._along.before = self._along.ask_test_items(self.policy) if self.cell.evaluation.marks else []
            if self._entry.uses_labels:
                try:
                    self._train(self.policy, self.labels, self.learning_rates, monitor, self._checkpoints)
                    monitor.end_stage()
                except Diverged:
                    if self.cell.evaluation.part != "development":
                        raise
                    self._diverged = True
            # The curve ends with the policy that is recorded, also where it is the prompt that a method changed.
            if not self._diverged and (not monitor.cost.optimizer_steps or monitor.unseen):
                monitor.evaluate()
        self.trace, self.cost, self._along_seconds = monitor.trace, monitor.cost, monitor.uncharged_seconds
        self._budget_warnings = monitor.warnings if self._entry.trains else monitor.said
        self._live.close(self.trace)
        self._kept = monitor.kept
        self._state = "trained"
        return pd.DataFrame(self.trace)

    def evaluate(self) -> Measures:
        """Measure the policy; what was measured, by name (what the cell does not ask for is left out).

        Raises:
            RftlabError: the method trains and has not been trained, or its training did not reach its end.
        """
        self._outcome = None
        if self._state not in ("trained", "kept") and self._entry.uses_labels:
            problem = "has not been trained yet" if self._state == "new" else "was interrupted while it trained"
            raise RftlabError(f"{self.cell.method} {problem}; call train() first, which starts from the base")
        began = time.perf_counter()
        if self._diverged:
            self._outcome = Outcome({"diverged": 1.0}, [])
        else:
            with said_if_it_runs_out(self.capped, self.settings, "evaluating"):
                self._outcome = evaluate(
                    self.policy, self.task, self.labels, self.verifier, self.capped, self.also,
                    on_progress=partial(self.progress, "evaluate"),
                )  # fmt: skip
        self._evaluation_seconds = time.perf_counter() - began
        found = {name: value for name, value in self._outcome.metrics.items() if value is not None}
        return Measures(found, name=self.cell.label, dtype=float)

    def record(self) -> Record:
        """Everything measured, as the record later stages read.

        Raises:
            RftlabError: `evaluate` has not been called yet, or a data file that the user's code names has changed since
                the cell was started.
        """
        if self._outcome is None:
            raise RftlabError("there is nothing to record yet; call train() and evaluate() first")
        require_data_unchanged(self.cell, self._data)
        tuning_cost = {
            f"tuning_{axis}": sum(trial["cost"][axis] for trial in self.tuning) for axis in ("flops", "seconds")
        }
        return Record(
            cell=self.cell.model_dump(mode="json"),
            id=self.cell.id,
            contract=contract_of(self),
            metrics={**self._outcome.metrics, "learning_rate": self.learning_rate or None},
            cost={
                **asdict(self.cost),
                **teachers.cost_of(self.cell),
                **difficulty.cost_of(self.pass_rates),
                **(to_restored(self._kept) if self._kept else {}),
                **tuning_cost,
                "development_items": len(self.labels.development),
                "pool_rows": self._pool_rows(),
                "evaluation_seconds": self._evaluation_seconds,
                "along_seconds": self._along_seconds,
                "peak_memory_bytes": peak_memory_bytes(),
            },
            tuning=(*self.tuning, *self._found.get("tried", ())),
            environment=of_run(self, self._checkpoints),
            warnings=(
                *self._budget_warnings,
                *inherited(self.cell, self.task, self.labels),
                *label_noise.told(self.labels.train, self.task.train, self.cell.label_noise),
                *difficulty.told(self.cell, self.labels.train, self.pass_rates, self.policy.base_hash),
                *caveats.of_run(
                    self.capped,
                    metrics=self._outcome.metrics,
                    cost=asdict(self.cost),
                    tuning=(*self.tuning, *self._found.get("tried", ())),
                    samples=self._outcome.samples,
                    taught_by=self.settings.also_taught_by,
                ),
            ),
        )

    def save(self) -> Path:
        """Write trace.jsonl, samples.jsonl and, last, record.json into `folder`; path of the record.

        A cell run by hand appears whole or not at all; an executor gives a folder that it files itself. The trained
        policy goes along, unless the run keeps none.

        Raises:
            RftlabError: nothing has been evaluated, the policy is another cell's, or the folder holds another cell's
                record.
        """
        if self._state == "kept":
            raise RftlabError("this policy was trained and recorded by another cell; call train() to train one here")
        record = self.record()
        assert self._outcome is not None
        files = {"trace": self.trace, "samples": [*self._outcome.samples, *self._along.at_marks]}
        self._report(record)
        if not self._given:
            with staged(self.folder) as staging:
                self._keep(staging)
                path = record.write(staging, **files)
                put_in_place(staging, self.folder)
            return self.folder / path.name
        there = read(self.folder)
        if there and there.id != record.id:
            raise RftlabError(
                f"{self.folder} holds the record of cell {there.id}, this is {record.id}; leave out empty"
            )
        self._keep(self.folder)
        return record.write(self.folder, **files)

    def _report(self, record: Record) -> None:
        """Give the record's figures to trackers, and be done with them."""
        final = {**record.metrics, **{f"cost/{name}": value for name, value in record.cost.items()}}
        self._reports(self.cost.optimizer_steps, {f"final/{name}": value for name, value in final.items()})
        self._reports.close()

    def _events(self) -> Path:
        """Folder of event files; by hand beside the cells, since a cell's own folder appears only once it is whole."""
        return self.folder / EVENTS if self._given else self.folder.parents[1] / EVENTS / self.cell.id

    def _keep(self, folder: Path) -> None:
        there = self.cost.optimizer_steps or self._entry.keeps_prompt
        if self.cell.evaluation.part == "test" and (keep := wanted()) != "none" and there:
            folder.mkdir(parents=True, exist_ok=True)
            cap = self.capped.max_new_tokens
            save_policy(self.policy, self.cell, folder, max_new_tokens=cap, keep=keep)

    def _start(self, state: str) -> None:
        """Forget all that was measured."""
        self._state = state  # "new", "kept", "training" (and, if it ended early, still so), "trained"
        self.trace, self.tuning, self.cost = [], [], Cost()
        self.learning_rates = self._first_rates()
        self._outcome, self._diverged, self._along_seconds = None, False, 0.0
        self._budget_warnings = []
        self._kept, self._checkpoints, self._chosen, self._found = None, None, self.settings, {}
        self._live = Live(self.cell, self.policy)
        self._along = Along(self.capped, self.task, self.labels.development, self.verifier, self._live.asked)
        self._reports = Reports(self._trackers, self.cell, self._events())

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates tried, in order."""
        return tuple(trial["learning_rate"] for trial in self.tuning if "learning_rate" in trial) or self.learning_rates

    @property
    def chosen(self) -> Mapping[str, Any]:
        """Of settings that the method chose on its labels, those chosen; empty where there was no choice."""
        return dict(self._found.get("chosen", {}))

    @property
    def learning_rate(self) -> float:
        """The rate of the method's last stage; 0 where nothing trains, or the method's settings give all rates."""
        return self.learning_rates[-1] if self.learning_rates else 0.0

    def _tune(self) -> None:
        """Keep the rate of the ladder's first ones that has the best validation accuracy on part of the labels."""
        tuning = self.cell.tuning
        split = draw_labels(self.cell, self.task, tuning.validation_share)
        budget = self.cell.budget.model_copy(update={"amount": self.cell.budget.amount * tuning.trial_share})

        def try_one(number: int, rate: float) -> tuple[float | None, Cost]:
            policy = load_policy(self.cell)
            monitor = self._monitor(policy, budget, f"trial {number}/{tuning.trials}", 0)
            try:
                self._train(policy, split, (*self.learning_rates[:-1], rate), monitor)
            except Diverged:
                return None, monitor.cost
            return self._peers.once(partial(self._validation_accuracy, policy, split)), monitor.cost

        self.tuning = try_rates(self._ladder(), tuning.trials, try_one)
        best = next(trial["learning_rate"] for trial in self.tuning if trial["chosen"])
        self.learning_rates = (*self.learning_rates[:-1], best)

    def _validation_accuracy(self, policy: Policy, split: Labels) -> float:
        samples = self.cell.evaluation.samples
        rows = ask(policy, split.validation, self.verifier, self.capped, part="validation", samples=samples)
        return float(mean_worth(rows, self.cell.evaluation.decides) or 0.0)

    def _beside_checkpoint(self) -> list[Any]:
        return [self.tuning, self.learning_rates, self._along.before, self._along.at_marks]

    def _go_on_with(self, checkpoints: Checkpoints) -> bool:
        """Take what stands beside a checkpoint, if there is one; its state follows once a trainer is there."""
        if checkpoints.refused:
            print(f"begins again, not from the checkpoint that is there: {checkpoints.refused}")
        if checkpoints.told is None:
            return False
        self.tuning, rates, self._along.before, self._along.at_marks = checkpoints.told
        self.learning_rates = tuple(rates)
        print(f"goes on from the checkpoint at step {checkpoints.step}")
        return True

    def _train(
        self,
        policy: Policy,
        labels: Labels,
        rates: tuple[float, ...],
        monitor: Monitor,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        run = TrainingRun(
            policy, labels, self.verifier, self.capped, self._chosen, rates, monitor, checkpoints, peers=self._peers,
            pass_rates=self.pass_rates.rows,
        )  # fmt: skip
        with said_if_it_runs_out(self.capped, self.settings, "training"):
            train(self.method, run)
        self._found |= run.found

    def _monitor(self, policy: Policy, budget: Budget, phase: str, evaluations: int) -> Monitor:
        items = len(self.labels.development) if evaluations and budget.until == "plateau" else 0
        decides = f"eval/{self.cell.evaluation.decides}"
        monitor = Monitor(
            policy,
            budget,
            evaluate=partial(self._along.curves, policy) if evaluations else None,
            evaluations=evaluations,
            plateau=Plateau(policy, patience=budget.patience, items=items, measure=decides) if items else None,
            marks=Marks(self.cell.evaluation.marks, partial(self._along.score_at, policy)) if evaluations else None,
            on_progress=lambda spent, amount, metrics: self._show(phase, spent, amount, metrics, monitor),
            report=self._reports if self._trackers and phase == "train" else None,
            peers=self._peers,
        )
        return monitor

    def _show(self, phase: str, spent: float, amount: float, metrics: Mapping[str, float], monitor: Monitor) -> None:
        reward, loss = metrics.get("train/reward"), metrics.get("train/loss")
        capped = self.cell.budget.until == "plateau" and phase == "train"
        warning, beside = caveats.so_far(asdict(monitor.cost)), self._live.stepped(monitor) if phase == "train" else {}
        self.progress(phase, spent, amount, reward=reward, loss=loss, warning=warning, at_most=capped, beside=beside)

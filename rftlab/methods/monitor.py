"""What training costs, when it has to stop, and what its trace says: the monitor that every method reports to."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Self

from torch import Tensor

from rftlab.methods.budget_unmet import of_budget, whole
from rftlab.methods.core import alike
from rftlab.methods.cost import Cost
from rftlab.methods.drawn import Drawn
from rftlab.methods.marks import Marks
from rftlab.methods.meter import Meter
from rftlab.methods.pace import Pace, course
from rftlab.methods.peers import ALONE, Peers
from rftlab.methods.plateau import Kept, Plateau
from rftlab.parts import Budget
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout
from rftlab.stopping import SCHEDULE

# Of its attributes, those that `state` takes as they are.
_OWN = ("trace", "unseen", "said", "_done_evaluations", "_largest", "_limit", "_stage_began")


class Monitor:
    """Counts cost, records the trace, calls for evaluations along the way, and says when to stop.

    No step is begun that would overshoot the budget, as far as the last one tells; a budget in steps is a whole number
    of them. It counts what is fed to the policy and to copies made of it from now on, until `close` or the end of its
    `with` block.

    Attributes:
        trace: one row per step, evaluation, stage ended at a plateau, and mark.
        unseen: whether the policy as it is now has not been evaluated.
        said: what the method had said in the record (`warn`), without what `warnings` adds on the budget.
        drawn: what was sampled since the last step, and a few completions to look at.
        steps_per_draw: a method that learns several steps from each draw of completions says here how many, so that
            what the next step will cost is known.

    Args:
        policy: what is trained; its sizes turn tokens into FLOPs.
        budget: when to stop.
        evaluate: called along the way with no arguments, returns `eval/...` metrics; neither its time nor its tokens
            are counted.
        evaluations: how many of those are spread over the budget.
        plateau: told of those; ends a stage before its budget. None where the budget is to be spent.
        marks: FLOPs at which policies are scored, uncharged as well; None for none.
        on_progress: called after each step with (spent, amount, metrics).
        report: called with (optimiser step, metrics) of each row of the trace, for trackers; uncharged.
        peers: the processes that train the policy together. Costs are of all of them, seconds are the first one's.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        policy: Policy,
        budget: Budget,
        *,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        evaluations: int = 0,
        plateau: Plateau | None = None,
        marks: Marks | None = None,
        on_progress: Callable[[float, float, Mapping[str, float]], None] | None = None,
        report: Callable[[int, Mapping[str, Any]], None] | None = None,
        peers: Peers = ALONE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._meter = Meter(policy, peers, clock, self._end_draw)
        self.trace: list[dict[str, Any]] = []
        self.steps_per_draw = 1
        self._unit, self._asked, self._amount = budget.unit, budget.amount, whole(budget.unit, budget.amount)
        self.said: list[str] = []
        self.plateau, self._course = plateau, SCHEDULE if budget.until == "plateau" else None
        self._evaluate, self._evaluations = evaluate, evaluations if evaluate else 0
        self._done_evaluations = 0
        self._marks, self.unseen = marks, True
        self._on_progress, self._report, self._peers = on_progress, report, peers
        self._largest = 0.0
        self._paces = {unit: Pace() for unit in (budget.unit, "flops")}
        self.drawn = Drawn()
        self._begin_stage(self._amount)

    @property
    def cost(self) -> Cost:
        """What has been spent."""
        return self._meter.cost

    @property
    def uncharged_seconds(self) -> float:
        """Wall time of evaluations along the way and at marks, which no budget counts."""
        return self._meter.uncharged_seconds

    def uncharged(self) -> AbstractContextManager[None]:
        """What is computed inside is not part of the cost."""
        return self._meter.uncharged()

    @property
    def fraction(self) -> float:
        """Share of the whole budget spent, 0 to 1 and a little over."""
        return self._spent() / self._amount

    @property
    def exhausted(self) -> bool:
        """The budget, or that of the current stage, is spent, one step more would overshoot it, or it is in vain."""
        return bool(self.plateau and self.plateau.reached) or self._at_cap

    @property
    def _at_cap(self) -> bool:
        spent = self._spent()
        return spent >= self._limit or spent + self._next_step() > self._limit * (1 + 1e-9)

    @property
    def kept(self) -> Kept | None:
        """The policy that training was ended with, where it was to end at its plateau."""
        return self.plateau.kept if self.plateau else None

    @property
    def steps_left(self) -> int | None:
        """Optimiser steps left before `exhausted`; None where the budget is counted in another unit."""
        return round(self._limit) - self.cost.optimizer_steps if self._unit == "steps" else None

    @property
    def left(self) -> float:
        """What the current stage may still spend, in the budget's unit; not below 0."""
        return max(0.0, self._limit - self._spent())

    @property
    def allowed(self) -> float:
        """Share of the whole budget that may be spent now: 1 unless a stage is limited."""
        return self._limit / self._amount

    @property
    def warnings(self) -> list[str]:
        """What the reader of a record has to know of the budget, in sentences; complete once training has ended."""
        unmet = of_budget(self.cost, self.kept, unit=self._unit, asked=self._asked, most_a_step=self._largest)
        return [*self.said, *unmet]

    def warn(self, sentence: str) -> None:
        """Have something said in the record."""
        if sentence not in self.said:
            self.said.append(sentence)

    def limit(self, share: float) -> None:
        """Begin a stage that may spend up to this share of the whole budget; 1 lifts the limit.

        A stage of a budget in steps has at least one, as long as there are any. A stage that was to end at its plateau
        leaves its best policy.
        """
        self.end_stage()
        self._cross_marks()
        limit = self._amount * min(share, 1.0)
        if self._unit == "steps":
            limit = min(max(round(limit), self.cost.optimizer_steps + 1), self._amount)
        self._begin_stage(limit)

    def prepared(self) -> None:
        """What this stage has spent so far was preparation, such as sampling all that it trains on.

        It says nothing of what a step will cost, and the learning rate's schedule runs over what is left.
        """
        self._cross_marks()
        self._begin_stage(self._limit)

    def sampled(self, rollouts: Sequence[Rollout]) -> None:
        """Count completions that were sampled to be learnt from, and those of them that the cap cut."""
        rollouts = self._peers.joined_up(rollouts)
        self.cost.completions += len(rollouts)
        self.cost.completions_cut += sum(rollout.truncated for rollout in rollouts)
        self.drawn.sampled(rollouts)
        self.generated(sum(len(rollout.completion_ids) for rollout in rollouts))

    def generated(self, completion_tokens: int) -> None:
        """Count completion tokens that were sampled to be learnt from."""
        self.cost.tokens_generated += completion_tokens
        self._sampled = True

    def verified(self, rewards: Sequence[float], *, group: int = 0, parts: Sequence[Mapping[str, float]] = ()) -> None:
        """Count completions scored by the verifier, and what there was to learn from their rewards.

        Args:
            rewards: one per completion.
            group: completions per prompt, those of one prompt side by side; 0 where they are not compared.
            parts: what each reward is made of, for the trace.
        """
        rewards, parts = self._peers.joined_up(rewards), self._peers.joined_up(parts)
        self.drawn.scored(rewards, parts)
        self.cost.verifier_calls += len(rewards)
        self.cost.completions_rewarded += sum(reward > 0 for reward in rewards)
        if group:
            self.compared([rewards[start : start + group] for start in range(0, len(rewards), group)])

    def compared(self, groups: Sequence[Sequence[float]]) -> None:
        """Count groups of rewards that the method compares within; `verified` does so where they stand side by side.

        A completion without another one of its prompt is no group.
        """
        groups = [group for group in groups if len(group) > 1]
        self.cost.groups += len(groups)
        self.cost.groups_alike += sum(alike(group) for group in groups)
        self.drawn.compared(groups)

    def held_against(self, gaps: Tensor) -> float:
        """Mean distance, over all processes, of the trainer's and the sampler's log-probabilities.

        Args:
            gaps: (N,) differences, in nats, of N tokens.
        """
        largest = float(gaps.abs().max()) if gaps.numel() else 0.0
        tokens, sums, largests = zip(*self._peers.all((gaps.numel(), float(gaps.abs().sum()), largest)), strict=True)
        self.drawn.held_against(sum(tokens), sum(sums), max(largests))
        return sum(sums) / max(1, sum(tokens))

    def differentiated_again(self, tokens: int) -> None:
        """Count a second backward pass, through the gradient of tokens fed before (a Hessian or Fisher product).

        It goes through the forward pass and twice through the first backward one: three of those, as measured.
        """
        self.cost.flops += 3.0 * self._meter.backward * tokens

    def estimate(self, rows: Sequence[int], batch_size: int) -> float:
        """What it takes to train once on sequences of these lengths, in the budget's unit; 0 for seconds."""
        tokens = float(sum(rows))
        return {
            "steps": float(-(-len(rows) // batch_size)),
            "tokens": tokens,
            "flops": (self._meter.forward + self._meter.backward) * tokens,
            "seconds": 0.0,
        }[self._unit]

    def rate(self, schedule: str, warmup_ratio: float) -> float:
        """Share of the learning rate, above 0 and at most 1, for the update that is about to be made.

        Args:
            schedule: linear, cosine or constant_with_warmup, over the (stage's) budget in whatever unit it is counted;
                constant has no warm-up either.
            warmup_ratio: share of the budget over which the rate rises; the first update is already part of it.

        Where a budget is a cap, nobody knows how long a decay would be: every schedule is constant_with_warmup.
        """
        self._meter.share()
        length = max(self._limit - self._stage_began, 1e-12)
        before = (self._paces[self._unit].step_began - self._stage_began) / length
        after = (self._spent() + (self._unit == "steps") - self._stage_began) / length
        return course(self._course or schedule, warmup_ratio, before=before, after=after)

    def step(self, metrics: Mapping[str, float], beside: Mapping[str, Any] | None = None) -> bool:
        """Record one optimiser step; True once another one must not begin (in this stage).

        Args:
            metrics: `train/...` numbers of this step, such as train/loss and train/reward; of the completions drawn for
                it, `Drawn.metrics` is added where the method says nothing itself.
            beside: what a trainer logged of it too, by its own names; for trackers alone.
        """
        metrics = {**self.drawn.metrics(), **metrics}
        self.drawn = Drawn(self.drawn.samples)
        self._end_draw()
        self._meter.share()
        self.cost.optimizer_steps += 1
        spent, self.unseen = self._spent(), True
        costs = {unit: pace.stepped(self.cost.spent(unit)) for unit, pace in self._paces.items()}
        self._largest = max(self._largest, costs[self._unit])
        self._record("train", metrics, beside)
        if self._on_progress:
            self._on_progress(spent, self._amount, metrics)
            self._meter.skip()
        due = int(min(spent / self._amount, 1.0) * self._evaluations)
        if self._evaluate and due > self._done_evaluations:
            self._done_evaluations = due
            self._look()
        self._cross_marks(upcoming=self._paces["flops"].upcoming(self.steps_per_draw))
        return self.exhausted

    def evaluate(self) -> None:
        """Evaluate now and record it; it is not part of the cost."""
        self.unseen = False
        if self._evaluate:
            with self.uncharged():
                self._record("eval", self._evaluate())
            if self.plateau and not self.cost.optimizer_steps:
                self.plateau.starts_from(self.trace[-1][self.plateau.measure])

    def _cross_marks(self, upcoming: float = 0.0) -> None:
        """Score the policy at marks that are crossed by now, or would be by one step more."""
        crossed = self._marks.crossed(self.cost.flops + upcoming) if self._marks else []
        for mark in crossed:
            assert self._marks is not None
            untrained = self.cost.optimizer_steps == 0 or (self.cost.optimizer_steps == 1 and mark < self.cost.flops)
            best = self.plateau.best_in_place() if self.plateau else contextlib.nullcontext()
            with self.uncharged(), best as step:
                accuracy = self._marks.score(mark, untrained=untrained)
                scored = 0 if untrained else self.cost.optimizer_steps if step is None else step
                self._record("mark", {"mark": mark, "mark/accuracy": accuracy, "marked_step": scored})

    def _look(self) -> None:
        self.evaluate()
        if self.plateau:
            self.plateau.evaluated(self.trace[-1][self.plateau.measure], self.cost)

    def end_stage(self) -> None:
        """Where a stage was to end at its plateau, leave its best policy, and write down which that is."""
        if not self.plateau:
            return
        if self.unseen and self.cost.optimizer_steps:
            self._look()
        kept = self.plateau.end_stage(otherwise="cap" if self._at_cap else "done")
        if kept:
            best = {"restored_step": kept.cost.optimizer_steps, "restored_value": kept.accuracy}
            self._record("stop", {"reason": kept.reason, **best})

    def state(self) -> dict[str, Any]:
        """All that it goes by between two steps, as JSON values, but for `plateau.weights`."""
        self._meter.settle()
        return {
            **{name: getattr(self, name) for name in _OWN},
            "cost": asdict(self.cost),
            "uncharged_seconds": self.uncharged_seconds,
            "paces": {unit: vars(pace) for unit, pace in self._paces.items()},
            "marks": self._marks.left if self._marks else [],
            "plateau": self.plateau.state() if self.plateau else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go by what `state` gave; `plateau.weights` are the caller's."""
        vars(self).update({name: state[name] for name in _OWN})
        self._meter.cost = Cost(**state["cost"])
        self._meter.uncharged_seconds = state["uncharged_seconds"]
        for unit, pace in self._paces.items():
            vars(pace).update(state["paces"][unit])
        if self._marks:
            self._marks.left = list(state["marks"])
        if self.plateau:
            self.plateau.restore(state["plateau"])
        self.drawn, self._sampled = Drawn(), False
        self._meter.skip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Count nothing from now on."""
        self._meter.close()

    def beside(self, teacher: Policy) -> None:
        """Count from now on what is fed to a teacher too, by its own size; it is never trained."""
        self._meter.beside(teacher)

    def _begin_stage(self, limit: float) -> None:
        self._limit = limit
        self._stage_began, self._sampled = self._spent(), False
        for unit, pace in self._paces.items():
            pace.begin_stage(self.cost.spent(unit))

    def _end_draw(self) -> None:
        """All that a step spends before the first gradient, if it sampled, is what its draw costs."""
        if self._sampled:
            self._meter.settle()
            self._meter.share()
            self._sampled = False
            for unit, pace in self._paces.items():
                pace.drawn(self.cost.spent(unit))

    def _next_step(self) -> float:
        return 1.0 if self._unit == "steps" else self._paces[self._unit].upcoming(self.steps_per_draw)

    def _spent(self) -> float:
        self._meter.settle()
        return self.cost.spent(self._unit)

    def _record(self, kind: str, metrics: Mapping[str, float | str], beside: Mapping[str, Any] | None = None) -> None:
        cost = self.cost
        spent = {
            "tokens_generated": cost.tokens_generated,
            "tokens_trained": cost.tokens_trained,
            "flops": cost.flops,
            "seconds": round(cost.seconds, 4),
        }
        self.trace.append({"step": cost.optimizer_steps, "kind": kind, **spent, **metrics})
        if self._report:
            costs = {f"cost/{name}": value for name, value in spent.items()}
            with self.uncharged():
                self._report(cost.optimizer_steps, {**(beside or {}), **costs, **metrics})

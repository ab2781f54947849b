"""The suite that every method has to pass, the packaged ones and a user's own: `rftlab check-method my.py:Mine`.

A method is trained a few times for seconds on the tiny base and watched from outside (`watched`). Each check is one
function of what was seen and stands in one table, `CHECKS`. Nothing is written.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch

from rftlab.errors import CAUGHT, RftlabError, told
from rftlab.evaluate import ask
from rftlab.experiment.method_subject import LABELS, STEPS, Subject, Toy, Trained, begins_with_one
from rftlab.experiment.watched import Watch, prompts_of
from rftlab.parts import Budget
from rftlab.policy.load import Policy, load_policy
from rftlab.user_code.child import announce, hand
from rftlab.verifiers.base import FunctionVerifier

Verdict = Literal["passed", "failed", "not applicable"]
ASKED = 32
LEARNS_WITHIN = (5e10, 1.5e11, 5e11)
"""FLOPs of the trainings in which a method has to learn the toy, tried in this order; one that learns is enough."""
_SURE = 3.0
_COSTS = {"step", "kind", "tokens_generated", "tokens_trained", "flops", "seconds"}


class Skip(Exception):
    """A check that says nothing of this method, and why."""


def trains_to_its_budget(subject: Subject) -> str:
    """Two steps asked for are two steps done, each with its costs in the trace."""
    trained = subject.first
    trace, steps = trained.run.monitor.trace, trained.steps
    _require(bool(steps), "no step was reported; call run.monitor.step after each update")
    done = steps[-1]["step"]
    _require(done == STEPS, f"a budget of {STEPS} steps ended after {done}; stop when run.monitor.step returns True")
    _require(all(row.keys() >= _COSTS for row in trace), "a row of the trace lacks its costs")
    grows = all(a["flops"] <= b["flops"] for a, b in itertools.pairwise(trace))
    _require(grows and steps[-1]["flops"] > 0, "no token went through run.policy.model, or costs fall along the trace")
    return f"a budget of {STEPS} steps was {STEPS} steps"


def stops_at_a_budget_of_tokens(subject: Subject) -> str:
    """A budget in tokens is met within a step and not overspent."""
    cost = subject.first.run.monitor.cost
    amount = 2.5 * cost.spent("tokens")
    _require(amount > 0, "no token was sampled or trained on through run.policy.model")
    monitor = subject.trained(Budget(unit="tokens", amount=amount)).run.monitor
    spent, said = monitor.cost.spent("tokens"), bool(monitor.warnings)
    steps = [row["tokens_generated"] + row["tokens_trained"] for row in monitor.trace]
    largest = max(b - a for a, b in itertools.pairwise([0, *steps]))
    of = f"{spent:.0f} tokens of a budget of {amount:.0f} were spent"
    # What the next step costs is known only by the last ones.
    _require(spent < amount + largest, f"{of}; stop when run.monitor.step returns True")
    _require(spent >= amount - 1.2 * largest or said, f"only {of}, though a step costs at most {largest}")
    return f"{spent:.0f} of {amount:.0f} tokens were spent, a step costs up to {largest}"


def counts_what_it_does(subject: Subject) -> str:
    """Tokens, FLOPs, updates and verifier calls reported are those that were seen."""
    trained = subject.first
    cost, counts, policy = trained.run.monitor.cost, trained.watch.counts, trained.run.policy
    flops, counted = counts.flops(policy), cost.flops - cost.teacher_flops
    seen = f"{flops:.3g} FLOPs were computed and {counted:.3g} counted"
    _require(
        math.isclose(counted, flops, rel_tol=0.01),
        f"{seen}; let token ids go through run.policy.model, and train nothing within monitor.uncharged()",
    )
    _require(
        cost.tokens_trained == counts.backward,
        f"{counts.backward} tokens were trained on and {cost.tokens_trained} counted",
    )
    _require(
        trained.watch.updates <= cost.optimizer_steps,
        f"the policy was updated {trained.watch.updates} times and {cost.optimizer_steps} steps were reported; call "
        "run.monitor.step after each update",
    )
    asked = trained.verifier.calls
    _require(
        cost.verifier_calls >= asked,
        f"the verifier was asked {asked} times and {cost.verifier_calls} reported; say so: "
        "run.monitor.verified(rewards)",
    )
    _require(
        cost.completions >= asked,
        f"{asked} completions were scored and {cost.completions} reported as sampled; say so: "
        "run.monitor.sampled(rollouts)",
    )
    return f"{flops:.3g} FLOPs, {counts.backward} tokens trained on, {asked} completions scored, as reported"


def trains_on_completions_alone(subject: Subject) -> str:
    """No prompt token and no padding has a share in the loss, and padding before a row is masked."""
    watch, policy = subject.first.watch, subject.first.run.policy
    prompts = subject.prompts(subject.first.run.labels.train)
    known = 0
    for row, gradient, goes_on in watch.gradients:
        start = watch.padding(row)
        # A row that goes on from the keys and values of a prompt begins with that prompt's last token.
        prompt = row[:1] if goes_on else next((p for p in prompts if tuple(row[start : start + len(p)]) == p), None)
        if prompt is None:
            continue
        known += 1
        # The logits at a position decide the next token: those at a prompt's last token are the completion's first.
        first, end = start + len(prompt) - 1, _end(row, watch, policy)
        for share, where in (
            (gradient[max(0, start - 1) : first], "prompt"),
            (gradient[: max(0, start - 1)] + gradient[end:], "padding"),
        ):
            _require(
                max(share, default=0.0) == 0,
                f"the loss has a share of the {where}'s tokens; mask them: only completion tokens are trained on",
            )
    _require(not watch.unmasked, "rows with padding before them go through the policy without an attention mask")
    if not watch.gradients:
        raise Skip("no gradient goes through the policy's last layer, so its shares cannot be seen")
    _require(known > 0, "no row that is trained on begins with a labelled prompt; use policy.prompt_text(example)")
    return f"in {known} rows, gradients are 0 at the prompt's tokens and at padding, which is masked"


def _end(row: list[int], watch: Watch, policy: Policy) -> int:
    """Where the tokens of a row end: before what fills it up behind."""
    end = len(row) - watch.padding(row[::-1])
    ended_by_it = end < len(row) and int(policy.tokenizer.pad_token_id or 0) in policy.eos_ids
    return end + ended_by_it


def trains_the_adapter_alone(subject: Subject) -> str:
    """The base's weights are bit for bit what they were, the adapter's are others, and finite."""
    trained = subject.first
    before, after = trained.before, trained.weights
    changed = [name for name in before if name not in after or not torch.equal(before[name], after[name])]
    own = [name for name in changed if "lora_" not in name]
    _require(not own, f"{len(own)} weights of the base were changed; train only those that require a gradient")
    finite = all(bool(after[name].isfinite().all()) for name in changed)
    _require(finite, "the adapter's weights are no finite numbers")
    if not changed and all(row.get("train/skipped") for row in trained.steps):
        raise Skip("all rewards of its draws were equal, and it rightly made no update")
    _require(bool(changed), "no weight has changed; run.policy.model is to be trained in place")
    return f"{len(changed)} matrices of the adapter changed, none of the base"


def repeats(subject: Subject) -> str:
    """The same cell twice gives the same weights and the same trace, bit for bit."""
    first, again = subject.first, subject.again
    if not _same(first, again):
        again = subject.repeated  # other development items may have been the reason: another check's affair
    _require(
        _same(first, again),
        "the same cell twice gave other weights; draw only with run.cell's seeds, and read no clock or order of sets",
    )
    names = ("flops", "tokens_generated", "tokens_trained", "train/loss", "train/reward")
    told_alike = all(
        a.get(name) == b.get(name) or (a.get(name) != a.get(name) and b.get(name) != b.get(name))
        for a, b in zip(first.steps, again.steps, strict=True)
        for name in names
    )
    _require(told_alike, "the same cell twice gave another trace")
    return "the same cell twice gave the same weights and trace, bit for bit"


def _same(a: Trained, b: Trained) -> bool:
    one, other = a.weights, b.weights
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def reads_no_held_out_items(subject: Subject) -> str:
    """Development and test items go neither into the policy nor to the verifier, and change nothing."""
    trained, toy = subject.first, Toy.make()
    rows, development = trained.watch.rows, toy.labels.development
    for part, examples in (("development", development), ("test", toy.test)):
        prompts = subject.prompts(examples)
        met = any(row[: len(prompt)] == prompt for prompt in prompts for row in rows)
        asked = trained.verifier.examples & {example.id for example in examples}
        _require(not (met or asked), f"it reads {part} items; only run.labels.train may be trained on")
    if not _same(trained, subject.again):
        _require(not _same(trained, subject.repeated), "other development items gave other weights; it reads them")
        raise Skip("the same cell gives other weights each time, so that an influence cannot be told")
    return "no development or test item was met, and other development items change nothing"


def logs_finite_metrics(subject: Subject) -> str:
    """Every step says its loss or reward, under names with a group, all finite."""
    steps = subject.first.steps
    named = {name for row in steps for name in row} - _COSTS
    _require(
        bool(named & {"train/loss", "train/reward"}),
        f"no step reports train/loss or train/reward (reported: {', '.join(sorted(named)) or 'nothing'})",
    )
    bare = sorted(name for name in named if "/" not in name)
    _require(not bare, f"metric {bare[:1] and bare[0]!r} has no group; name it train/... as in docs/metrics.md")
    for row in steps:
        for name in named & row.keys():
            good = isinstance(row[name], int | float) and math.isfinite(row[name])
            _require(good, f"step {row['step']} reports {name} = {row[name]!r}; give a finite number or leave it out")
    return f"{len(named)} metrics, all finite"


def trains_with_chain_of_thought_too(subject: Subject) -> str:
    """Where the cell asks for chain-of-thought, two steps are done on prompts that ask for it."""
    trained = subject.with_reasoning
    done = trained.steps[-1]["step"] if trained.steps else 0
    _require(done == STEPS, f"with chain-of-thought a budget of {STEPS} steps ended after {done}")
    prompts = prompts_of(trained.run.policy, trained.run.labels.train, cot=True)
    met = any(row[: len(prompt)] == prompt for prompt in prompts for row in trained.watch.rows)
    _require(met, "no prompt asked for chain-of-thought; use policy.prompt_text(example, cot=run.cell.cot)")
    return f"{STEPS} steps on prompts that ask for it"


def learns(subject: Subject) -> str:
    """Rewards of sampled answers to the labelled prompts rise over the base's."""
    if subject.entry.family == "control":
        raise Skip("a control is not meant to learn")
    base = _mean_reward(load_policy(subject.cell), subject)
    reward = base
    for flops in LEARNS_WITHIN:
        announce(f"training {subject.name!r} on the toy")
        reward = _mean_reward(subject.trained(Budget(unit="flops", amount=flops)).run.policy, subject)
        spread = math.sqrt((base * (1 - base) + reward * (1 - reward)) / (LABELS * ASKED))
        if reward - base > _SURE * max(spread, 0.01):
            return f"the mean reward rose from {base:.2f} to {reward:.2f} in {flops:.0e} FLOPs"
    raise _Failed(
        f"the mean reward of sampled answers was {base:.2f} before and {reward:.2f} after {flops:.0e} FLOPs at the "
        "first rate of its ladder, on a task whose every right answer begins with 1"
    )


def _mean_reward(policy: Policy, subject: Subject) -> float:
    labels = Toy.make().labels.train
    rows = ask(policy, labels, FunctionVerifier(begins_with_one), subject.cell, part="shown", samples=ASKED)
    return sum(row["reward"] for row in rows) / len(rows)


class _Failed(Exception):
    """What a method does not hold, in a sentence."""


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise _Failed(sentence)


class Found(NamedTuple):
    """What a check found: its name, the verdict, a sentence."""

    check: str
    verdict: Verdict
    sentence: str


CHECKS: tuple[Callable[[Subject], str], ...] = (
    trains_to_its_budget,
    stops_at_a_budget_of_tokens,
    counts_what_it_does,
    trains_on_completions_alone,
    trains_the_adapter_alone,
    repeats,
    reads_no_held_out_items,
    logs_finite_metrics,
    trains_with_chain_of_thought_too,
    learns,
)


def findings(subject: Subject, checks: Iterable[Callable[[Subject], str]] = CHECKS) -> Iterator[Found]:
    """What each check finds, in order; once a training fails, the checks left say only that."""
    broken = False
    for check in checks:
        name = title(check)
        hand({"check": name})
        if not subject.trains:
            yield Found(name, "not applicable", "the method trains nothing")
        elif broken:
            yield Found(name, "not applicable", "its training failed, see above")
        else:
            announce(f"check {name!r}: training {subject.name!r}")
            try:
                yield Found(name, "passed", check(subject))
            except Skip as why:
                yield Found(name, "not applicable", str(why))
            except _Failed as why:
                yield Found(name, "failed", str(why))
            except RftlabError as error:
                broken = True
                yield Found(name, "failed", str(error))
            except CAUGHT as error:
                broken = True
                yield Found(name, "failed", f"{subject.name!r} raised {told(error)}")


def title(check: Callable[[Subject], str]) -> str:
    """A check's name in words."""
    return check.__name__.replace("_", " ")


def run(request: Mapping[str, Any]) -> None:
    """Check the method ``request`` names and hand each finding to the caller; for a process of its own.

    Raises:
        RftlabError: the method cannot be loaded, or does not take its settings.
    """
    announce(f"loading method {request['name']!r}")
    subject = Subject(request["name"], request["preset"], request["settings"])
    for found in findings(subject):
        hand(found._asdict())

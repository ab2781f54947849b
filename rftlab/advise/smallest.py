"""The smallest study that settles what advice leaves open: a grid, and the difference it would probably show."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rftlab.advise import detect
from rftlab.advise.facts import Facts
from rftlab.advise.new import DEVELOPMENT, MODEL, MOST_LABELS
from rftlab.advise.of_rows import JUDGE
from rftlab.advise.of_task import Subject
from rftlab.advise.ranking import Advice
from rftlab.advise.rules import FAMILIES
from rftlab.answer.decisions import confidence_of
from rftlab.answer.results import UNTRAINED
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid.plan import Plan
from rftlab.grid.written import grid_text
from rftlab.registry import METHODS, trains

_TRIALS = 3
_SEEDS, _FALLBACK = range(3, 11), 5
_ITEMS, _LABELS, _PROMPTS, _SHOTS = 200, 100, 200, 4
_PAIRS, _THUMBS = "pairs.jsonl", "thumbs.jsonl"
_HELD_OUT, _LEAST = 0.3, 100
"""Share held out where there is no test file, as the task `file` does it, if that is at least so many items."""


class Study(NamedTuple):
    """A grid that would settle it.

    Attributes:
        text: of the grid, as a file has it.
        arms: its methods.
        named: those of them that its answer is about.
        seeds: of each arm.
        items: test items.
        shows: smallest difference in accuracy that it would probably show, as a share.
        folds: as in `Subject`.
        open: what has to be filled in before it runs; "" where it is ready.
    """

    text: str
    arms: tuple[str, ...]
    named: tuple[str, ...]
    seeds: int
    items: int
    shows: float
    folds: int
    open: str

    @property
    def told(self) -> str:
        """What it would show, in a sentence."""
        count = len(self.named) * (len(self.named) - 1) // 2
        (by_seed, *_), like = _spread(self.named, self.folds)
        more = ""
        if self.folds:
            more = ", with what folds of the same rows share counted"
        elif self.items < _ITEMS:
            with_more = 100 * _shows(self.named, self.seeds, _ITEMS)
            more = f"; {self.items} test items are few, {_ITEMS} would show {with_more:.0f}"
        return (
            f"{self.seeds} seeds x {self.items} items would probably show a difference of {100 * self.shows:.0f} "
            f"points{more} (power .8; {count} comparisons that hold together; seeds that differ by {100 * by_seed:.1f} "
            f"points, {like})"
        )


def smallest(
    advice: Advice,
    subject: Subject | None = None,
    *,
    model: str = "",
    name: str = "advice",
    fitted: Mapping[str, Mapping[str, Any]] | None = None,
) -> Study:
    """The smallest study that tells the two best ways to train apart, and each from the base.

    Args:
        advice: what the rules say.
        subject: the task it is about; None leaves its data to be named.
        model: the base, where the subject does not name one.
        name: of the study.
        fitted: method -> settings with which it fits a machine.

    Raises:
        RftlabError: nothing can be measured: no answer can be told right from wrong, or there is nothing to ask.
    """
    facts = advice.facts
    families = [each.name for each in advice.possible if each.family.methods and trains(each.family.methods[0])][:2]
    methods = [] if advice.first.name == "none" else [FAMILIES[family].methods[0] for family in families]
    labels, held_out = _rows(facts, subject)
    _require_measurable(facts, subject)
    if methods[:1] == ["dpo"]:  # held against imitation of what was preferred; one comparison is one label
        methods = ["dpo", "sft"]
        labels = labels or min(_compared(facts, subject), MOST_LABELS)
    if methods[:1] == ["kto"]:  # one thumb is one label
        methods, labels = ["kto"], labels or min(facts.thumbs or _LABELS, MOST_LABELS)
    untrained = ["base", *(["base-few-shot"] if labels >= _SHOTS else [])]
    if not labels and methods:  # what has no labels trains on prompts, and is held against a coin on the same
        methods = [method for method in methods if METHODS[method].prompts == "alone"]
        methods += ["grpo-random"] if methods else []
    untrained += [] if methods else ["base-maj"]
    arms, items = (*untrained, *methods), min(_ITEMS, held_out)
    named = ("base", *methods) if methods else arms
    folds = subject.folds if subject else 0
    seeds = folds or _seeds(named, items)
    budget = _budget(labels, _prompts(facts, subject), bool(methods), apart=not folds)
    own = _values(subject, compared="dpo" in methods) if subject else _of_yours(labels, model)
    cells = {
        **own, **budget,
        "seed": list(range(seeds)), **({} if folds else {"evaluation.test_items": items}),
    }  # fmt: skip
    plan: dict[str, Any] = {"max_seeds": seeds, "named": list(named)}
    if methods:
        tuning = {"trials": _TRIALS} if folds else {"seeds": 2, "items": DEVELOPMENT}
        plan |= {"tuning": tuning}
    pairs = (subject and subject.pairs) or _PAIRS
    values = {"name": name, **_with_arms(cells, arms, fitted or {}, pairs), **plan}
    said = {**(subject.said if subject else _YOURS), **_SAID}
    if "defaults" in values:
        said |= {f"defaults.{key}": text for key, text in said.items()}
    head = ["The smallest study that settles what was advised.", f"  rftlab run {name}.yaml --dry-run"]
    if any(METHODS[method].family == "preference" for method in methods):
        head.append(f"  rftlab judge results/{name}     afterwards: where no answer is right")
    text = grid_text(values, head=head, said=said)
    shows = _shows(named, seeds, items, folds)
    return Study(text, arms, named, seeds, items, shows, folds, _to_fill_in(subject, own, text))


def _require_measurable(facts: Facts, subject: Subject | None) -> None:
    """Check that there is something to measure by: labels, a check that needs none, comparisons or thumbs.

    Raises:
        RftlabError: there is none of these.
    """
    unlabelled = subject is None or not subject.judged
    if (
        unlabelled
        and facts.labels == 0
        and facts.verifier in ("none", "gold")
        and not (facts.preferences or facts.thumbs)
    ):
        raise RftlabError(
            "no study can be made yet: without labels, without a check that needs none and without comparisons that "
            f"are known of, nothing can be measured; label {_ITEMS} prompts to test on first"
        )


_SAID = {
    "max_seeds": "all of them are run",
    "tuning": "chooses the learning rates beforehand",
}
_YOURS = {
    "task_settings.path": "your labelled rows; of comparisons alone, prompts with what was preferred",
    "task_settings.test_path": "others to test on: measuring takes labels too",
    "task_settings.prompts_path": "your prompts",
    "task_settings.verifier": "who says what is right",
}


def _of_yours(labels: int, model: str) -> dict[str, Any]:
    """Data and verifier still to be named."""
    if labels:
        apart = {"test_path": "test.jsonl"} if _HELD_OUT * labels < _LEAST else {}
        settings = {"path": "data.jsonl", **apart, "verifier": "exact"}
    else:
        settings = {"prompts_path": "prompts.jsonl", "verifier": JUDGE}
    return {"model": model or MODEL, "task": "file", "task_settings": settings}


def _values(subject: Subject, *, compared: bool) -> dict[str, Any]:
    """How a grid names a task; where comparisons are learnt from, what was preferred is the answer, without steps."""
    if not (compared and subject.preferred):
        return dict(subject.values)
    return {**subject.values, "task_settings": subject.preferred, "cot": False}


def _compared(facts: Facts, subject: Subject | None) -> int:
    """Comparisons to train on: of a file, those whose prompts are not held out."""
    there = facts.preferences or _LABELS
    return max(1, there - subject.held_out) if subject and subject.preferred else there


def _prompts(facts: Facts, subject: Subject | None) -> int | None:
    """Prompts without labels: not more than the subject has."""
    there = subject.facts.prompts if subject else None
    return facts.prompts if there is None or facts.prompts is None else min(facts.prompts, there)


def _rows(facts: Facts, subject: Subject | None) -> tuple[int, int]:
    """Labels to train on, and items to test on."""
    if subject:
        there = subject.facts.labels or 0
        return (there if facts.labels is None else min(facts.labels, there)), subject.held_out
    labels = _LABELS if facts.labels is None else facts.labels
    held_out = int(_HELD_OUT * labels)
    return (labels, _ITEMS) if held_out < _LEAST else (labels - held_out, held_out)


def _with_arms(
    cells: Mapping[str, Any], arms: Sequence[str], fitted: Mapping[str, Mapping[str, Any]], pairs: str
) -> dict[str, Any]:
    """The cells' parameters and their methods; one that learns from comparisons reads a file of its own."""
    settings = {arm: {**_judged(arm, pairs), **fitted.get(arm, {})} for arm in arms}
    others = [arm for arm in arms if not settings[arm]]
    apart = [{"method": arm, "settings": own} for arm, own in settings.items() if own]
    if not apart:
        return {**cells, "method": others}
    # What a grid says of itself stands beside its defaults.
    of_cells = {k: v for k, v in cells.items() if k != "method" and k.partition(".")[0] in Cell.model_fields}
    of_grid = {k: v for k, v in cells.items() if k.partition(".")[0] not in Cell.model_fields}
    return {"defaults": of_cells, **of_grid, "method": others, "include": apart}


def _judged(arm: str, pairs: str) -> dict[str, str]:
    """The file of people's verdicts that an arm learns from."""
    if METHODS[arm].family != "preference":
        return {}
    return {"thumbs_file": _THUMBS} if arm == "kto" else {"pairs_file": pairs}


def _budget(labels: int, prompts: int | None, trained: bool, *, apart: bool) -> dict[str, Any]:
    """One label budget, the largest that there is; or prompts alone. Over folds nothing stands apart."""
    rows = labels or prompts or _PROMPTS
    if not labels and not trained:
        return {}
    few = not apart or rows < 2 * DEVELOPMENT
    many = max(2, rows) if few else min(rows - DEVELOPMENT, MOST_LABELS)
    return ({"labels": many} if labels else {"labels": 0, "prompts": many}) | (
        {"development": "from_labels"} if few else {}
    )


def _to_fill_in(subject: Subject | None, own: Mapping[str, Any], text: str) -> str:
    """What has to be named before it runs."""
    needed = ["your data and who judges it (rftlab advise DATA does it for you)"] if subject is None else []
    if subject and own.get("task_settings", {}).get("verifier") == JUDGE and not subject.judged:
        needed.append(f"who judges an answer: {JUDGE.partition(':')[0]}, or a verifier of rftlab verifiers")
    needed += [f"the comparisons as JSONL, {_PAIRS}"] if f"pairs_file: {_PAIRS}" in text else []
    needed += [f"the thumbs as JSONL (prompt, completion, label), {_THUMBS}"] if _THUMBS in text else []
    return " and ".join(needed)


def _spread(named: Sequence[str], folds: int) -> tuple[tuple[float, float, float], str]:
    """Over folds no stage may choose the rates; where no two arms are trained they are held against the base alone."""
    one = sum(method not in UNTRAINED for method in named) < 2
    return detect.usual(tuned_alone=bool(folds), against_base=one)


def _shows(named: Sequence[str], seeds: int, items: int, folds: int = 0) -> float:
    spread, _ = _spread(named, folds)
    arms = len(named)
    # As the grid declares it: no more than these seeds, looked at from the third on.
    confidence, _ = confidence_of(seeds, Plan(max_seeds=seeds), max(1, arms * (arms - 1) // 2))
    return detect.expected(spread, items, folds=folds).detectable(seeds, items=items, confidence=confidence)


def _seeds(named: Sequence[str], items: int) -> int:
    enough = [seeds for seeds in _SEEDS if _shows(named, seeds, items) <= Plan().smallest_effect]
    return enough[0] if enough else _FALLBACK

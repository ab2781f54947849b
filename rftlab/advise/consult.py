"""All that is said to somebody who asks how to train: facts, ranking, records, and the study that would settle it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rftlab.advise.evidence import Evidence, disagreement, evidence_of, studies_of, weighed
from rftlab.advise.facts import FACTS, Facts
from rftlab.advise.of_task import Subject
from rftlab.advise.ranking import Advice, Ranked, advise
from rftlab.advise.rules import OURS, Rule
from rftlab.advise.signals import FORECASTS, Forecast, at_odds
from rftlab.advise.smallest import Study, smallest
from rftlab.cell import Cell
from rftlab.errors import RftlabError

_FACTS = {
    "measured": "measured on the task", "sensed": "measured on the base", "records": "measured in records",
    "given": "given",
}  # fmt: skip


@dataclass(frozen=True)
class Consultation:
    """What is said; `str` is for a terminal.

    Attributes:
        facts: where they come from (given, measured, records, sensed) -> facts.
        rules: what the rules alone say of all of them.
        advice: what is advised: of records where they decide, else of the rules.
        evidence: what records say.
        study: the grid that would settle it; None where none can be made.
        unmeasurable: why there is none; "" where there is one.
        subject: the task, if one was given.
        forecast: what `rftlab sense` has kept of it.
    """

    facts: dict[str, Facts]
    rules: Advice
    advice: Advice
    evidence: tuple[Evidence, ...]
    study: Study | None
    unmeasurable: str
    subject: Subject | None
    forecast: Forecast

    @property
    def disagreement(self) -> str:
        """Where records or the forecast and the rules differ, in a sentence; "" where they do not."""
        said = disagreement(self.rules, self.evidence)
        return said or at_odds(self.rules.first.name, self.forecast, self.advice.first.name)

    def __str__(self) -> str:
        return "\n".join(line for part in (self._facts, self._answer, self._changes, self._study) for line in part())

    def _facts(self) -> Iterator[str]:
        if self.subject:
            yield f"{self.subject.name}: {'; '.join(self.subject.notes)}"
        yield "Facts"
        for source, facts in self.facts.items():
            if facts.known:
                yield f"  {_FACTS[source]}: {_listed(facts)}"
        yield from self._at_odds()
        if unknown := self.advice.unknown:
            yield f"  not known: {', '.join(unknown)}"
        for each in self.advice.aside:
            values = ", ".join(
                f"{each_.fact} {FACTS[each_.fact].told(getattr(self.advice.facts, each_.fact))}" for each_ in each.when
            )
            yield f"  contradiction ({values}): {each.because}. Set aside: {', '.join(each.aside)}."

    def _at_odds(self) -> Iterator[str]:
        """Figures that hardly go together, and labels that the data does not have."""
        facts, there = self.advice.facts, self.subject.facts.labels if self.subject else None
        if facts.base_pass_at_8 and (facts.base_accuracy or 0) > facts.base_pass_at_8:
            yield (
                f"  base_accuracy {FACTS['base_accuracy'].told(facts.base_accuracy)} and base_pass_at_8 "
                f"{FACTS['base_pass_at_8'].told(facts.base_pass_at_8)} hardly go together: eight tries seldom succeed "
                "less often than one; measure both on the same prompts"
            )
        if there is not None and (facts.labels or 0) > there:
            yield f"  {facts.labels} labels are given, and the data has {there} to train on: the study takes no more"

    def _answer(self) -> Iterator[str]:
        for each in self.evidence:
            yield f"Records: {each.results}: {each.told}"
            if each.above:
                yield f"  these do not count here: {each.labels} labels are more than there are"
            if each.few_shot_told:
                yield f"  {each.few_shot_told}"
        if self.disagreement:
            yield self.disagreement
        if self.forecast.words:
            told = ", ".join(f"{arm} {FORECASTS[word]}" for arm, word in self.forecast.words.items())
            yield f"Forecast by rftlab sense on this base: {told}"
        if self.forecast.few_shot_loses or any(each.few_shot == "worse" for each in self.evidence):
            yield "Few-shot was measured and loses to the base, so it comes last; other instructions were not measured."
        elif self.advice.try_prompts:
            yield (
                "Before any training: examples in the prompt and better instructions (base-few-shot and prompt-search "
                "measure them); they cost least."
            )
        yield "Ranking (+ for, - against; weights 1 slight, 2 fair, 3 strong, 9 decides; figures are others', no rule)"
        for number, ranked in enumerate(self.advice.possible, start=1):
            yield from self._of(ranked, number)
        impossible = [each for each in self.advice.ranking if not each.possible]
        for ranked in impossible:
            yield f"  not possible: {ranked.family.title}: {'; '.join(bar.because for bar in ranked.bars)}"

    def _of(self, ranked: Ranked, number: int) -> Iterator[str]:
        methods = f" ({', '.join(ranked.family.methods)})" if ranked.family.methods else ""
        depends = f" (depends on {', '.join(ranked.depends)})" if ranked.depends else ""
        yield f"  {number} {ranked.family.title}{methods}: {ranked.weight:+d}{depends}"
        if ranked.measured:
            yield f"      held back: {ranked.measured}"
        if ranked.family.note:
            yield f"      {ranked.family.note}"
        for rule in (*ranked.reasons, *ranked.against):
            yield f"      {rule.weight:+d} {rule.because} [{self._resting_on(rule)}]"
            yield f"         {_source(rule)}"

    def _resting_on(self, rule: Rule) -> str:
        facts = self.advice.facts
        return ", ".join(f"{name} {FACTS[name].told(getattr(facts, name))}" for name in _facts_of(rule))

    def _changes(self) -> Iterator[str]:
        if self.advice.changes:
            yield "What would change the ranking"
            for change in self.advice.changes:
                now = FACTS[change.fact].told(getattr(self.advice.facts, change.fact))
                yield f"  {change} (now {now})"
        if self.advice.missing:
            yield "Missing"
            for each in self.advice.missing:
                yield f"  {each}"

    def _study(self) -> Iterator[str]:
        if self.study is None:
            yield f"Study: {self.unmeasurable}"
            return
        yield f"The smallest study that settles it: {', '.join(self.study.arms)}"
        yield f"  {self.study.told}"
        if self.study.open:
            yield f"  before it runs it needs {self.study.open}"


def consult(
    given: Facts,
    subject: Subject | None = None,
    *,
    results: Sequence[Path] = (),
    model: str = "",
    name: str = "advice",
    sensed: Facts = Facts(),  # noqa: B008
    forecast: Forecast = Forecast(),  # noqa: B008
    fitted: Mapping[str, Mapping[str, Any]] | None = None,
) -> Consultation:
    """Advice on what is known, on a task, and on records.

    Args:
        given: facts that somebody says; they go before what is measured.
        subject: the task, if there is one.
        results: folders of records; empty looks in `results/` for studies of the subject.
        model: the base, where there is no subject.
        name: of the study that would settle it.
        sensed: what `rftlab sense` measured on the base; records, which are larger, go before it.
        forecast: what it forecast.
        fitted: method -> settings with which the study fits a machine.

    Raises:
        RftlabError: a folder that was named cannot be read; or several tasks have records, and none was named.
    """
    measured = subject.facts if subject else Facts()
    labels = given.over(measured).labels
    task, base = _named(subject)
    folders = list(results) or (studies_of(task, base) if subject else [])
    # A folder that was named may be of another base; one that was found may not.
    own = {"task": task, **({} if results else {"model": base})}
    evidence = tuple(each for folder in folders for each in _read(folder, labels, own, named=bool(results)))
    if subject is None:
        model = _of_one_task(evidence, model)
    recorded = Facts()
    for each in evidence:
        recorded = recorded.over(each.facts)
    facts = {"given": given, "measured": measured, "records": recorded, "sensed": sensed}
    rules = advise(given.over(measured.over(recorded.over(sensed))))
    advice = weighed(rules, evidence, forecast)
    try:
        study, problem = smallest(advice, subject, model=model, name=name, fitted=fitted), ""
    except RftlabError as error:
        study, problem = None, str(error)
    return Consultation(facts, rules, advice, evidence, study, problem, subject, forecast)


def _named(subject: Subject | None) -> tuple[str, str]:
    if subject is None:
        return "", ""
    return subject.name, str(subject.values.get("model", Cell.model_fields["model"].default))


def _of_one_task(evidence: Sequence[Evidence], model: str) -> str:
    """The base that records are of, unless one is named; facts of several tasks are not those of one problem.

    Raises:
        RftlabError: they are of several tasks.
    """
    tasks, bases = ({each.panel[at] for each in evidence} for at in (0, 1))
    if len(tasks) > 1:
        raise RftlabError(
            f"these records are of {len(tasks)} tasks ({', '.join(sorted(tasks))}); name a task, such as rftlab advise "
            f"{min(tasks)} --results {evidence[0].results}"
        )
    return model or (bases.pop() if len(bases) == 1 else "")


def _read(folder: Path, labels: int | None, own: dict[str, str], *, named: bool) -> list[Evidence]:
    try:
        return evidence_of(folder, labels, **own)
    except RftlabError:
        if named:
            raise
        return []  # of somebody else's making; nobody asked for it


def _listed(facts: Facts) -> str:
    return ", ".join(f"{name} {FACTS[name].told(value)}" for name, value in facts.known.items())


def _facts_of(rule: Rule) -> list[str]:
    return list(dict.fromkeys(each.fact for each in rule.when))


def _source(rule: Rule) -> str:
    return "our judgement" if rule.source is OURS else str(rule.source)

"""Judging completions where no answer is right: `judge`, and the judges it can ask.

A judge is a preference model trained on pairs that no arm saw (`preference_model`), a language model behind an endpoint
(`endpoint`), or a person (`rftlab.interactive.judge_pairs`). What they say is kept beside the records
(`rftlab.record.judgements`); `rftlab.answer.contests` reads it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rftlab.answer.contests import Contest, Question, contests, questions
from rftlab.answer.results import Results, read_results
from rftlab.errors import RftlabError
from rftlab.judging.base import Judge, Verdict
from rftlab.judging.endpoint import CRITERION, EndpointJudge
from rftlab.record.judgements import SAME_TEXT, Judgement, judging, note_judge, read_judgements
from rftlab.registry import Entry, resolve

PREFERENCE_MODEL = "preference-model"
_MODEL = Entry("rftlab.judging.preference_model:PreferenceModel", "")  # it imports torch
_BATCH = 64
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judged:
    """How a sitting of a judge ended.

    Attributes:
        judge: its name.
        asked: questions it answered now.
        same: questions nobody had to be asked: both completions are the same text.
        before: questions that had been answered before.
        unread: answers now that were no verdict.
        failed: questions it could not be asked; the same call asks them again.
        facts: what the judge is.
    """

    judge: str
    asked: int
    same: int
    before: int
    unread: int
    failed: int
    facts: Mapping[str, Any]

    def __str__(self) -> str:
        parts = [f"{self.asked} asked", f"{self.same} of the same text", f"{self.before} answered before"]
        parts += [f"{self.unread} without a verdict"] if self.unread else []
        parts += [f"{self.failed} could not be asked: run this again"] if self.failed else []
        return f"{self.judge}: {', '.join(parts)}"


def judge(
    results: str | Path,
    judge: str | Judge = PREFERENCE_MODEL,
    *,
    between: Sequence[tuple[str, str]] = (),
    items: int = 0,
    on_progress: OnProgress | None = None,
    **settings: Any,
) -> Judged:
    """Have the test completions of a study's arms judged, blind and in both orders; nothing is judged twice.

    Args:
        results: a results folder. Its records stay as they are; judgements are added beside them.
        judge: `preference-model`, the URL of an endpoint (http://host/v1), or a judge of your own.
        between: pairs of methods or arms, such as ("rlhf", "sft"); empty takes every two that stand side by side.
        items: the first so many test items of each; 0 takes all.
        on_progress: called with questions done and questions in all.
        **settings: of the judge: `model`, `criterion` and so on of an endpoint (`EndpointJudge`); `seed`, `pairs_file`
            and so on of the preference model (`PreferenceModel`).

    Raises:
        RftlabError: there is nothing to compare, a setting or name is wrong, or the judge cannot work.
    """
    if type(items) is not int or items < 0:
        raise RftlabError(f"items is {items!r}; give a whole number, 0 for all")
    study = read_results(results)
    found = contests(study, between)
    if not found:
        raise RftlabError(f"{results} has no two arms side by side to judge between; add methods to its grid")
    who = make_judge(judge, study, **settings) if isinstance(judge, str) else judge
    with judging(results) as kept:
        done = {each.key: each for each in read_judgements(results)}
        waiting, before = [], 0
        for contest in found:
            wanted = list(questions(study, contest, items))
            by = who.version(contest)
            new = [q for q in wanted if not is_done(done.get((who.name, q.first, q.second, q.item)), q, by)]
            before += len(wanted) - len(new)
            waiting.append((contest, by, new))
        tally = {"asked": 0, "same": 0, "unread": 0, "failed": 0}
        total = sum(len(new) for *_, new in waiting)
        for contest, by, new in waiting:
            for start in range(0, len(new), _BATCH):
                made = _judged(who, contest, by, new[start : start + _BATCH], tally)
                kept.add(made)
                if on_progress:
                    on_progress(tally["asked"] + tally["same"] + tally["failed"], total)
        facts = who.facts()
        note_judge(results, who.name, facts)
    return Judged(who.name, before=before, facts=facts, **tally)


def make_judge(name: str, study: Results, **settings: Any) -> Judge:
    """A judge by what the command line calls it.

    Raises:
        RftlabError: no such judge, or a setting that it does not take.
    """
    kind: Any
    first: Any
    if name == PREFERENCE_MODEL:
        kind, first = resolve(_MODEL), study
    elif name.startswith(("http://", "https://")):
        kind, first = EndpointJudge, name
    else:
        raise RftlabError(
            f"no judge {name!r}; give {PREFERENCE_MODEL}, or the URL of an endpoint such as http://localhost:8000/v1 "
            "(a person judges in the notebook 50_label_pairs)"
        )
    try:
        return kind(first, **settings)
    except TypeError as error:
        unknown = next((each for each in settings if f"'{each}'" in str(error)), "")
        told = f"it takes no {unknown}, which is for another judge; leave it out" if unknown else str(error)
        raise RftlabError(f"judge {name}: {told}") from None


def is_done(each: Judgement | None, question: Question, by: str = "") -> bool:
    """Whether a judgement answers a question: the texts are still those that were judged, and so is the judge."""
    return each is not None and (each.of, each.by) == (question.of, by)


def _judged(who: Judge, contest: Contest, by: str, asked: Sequence[Question], tally: dict[str, int]) -> list[Judgement]:
    """What comes of a batch of questions; equal ones are asked once."""
    different = {q.of: q for q in asked if q.one != q.other}
    said = dict(zip(different, who.ask(contest, list(different.values())), strict=True))
    made = []
    for q in asked:
        verdict = Verdict(0.5, SAME_TEXT) if q.one == q.other else said[q.of]
        if verdict is None:
            tally["failed"] += 1
            continue
        tally["same" if verdict.why == SAME_TEXT else "asked"] += 1
        tally["unread"] += verdict.share is None
        made.append(Judgement(who.name, q.first, q.second, q.item, verdict.share, q.of, verdict.why, by))
    return made


__all__ = ["CRITERION", "PREFERENCE_MODEL", "Judge", "Judged", "Verdict", "is_done", "judge", "make_judge"]

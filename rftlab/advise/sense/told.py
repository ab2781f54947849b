"""What `rftlab sense` prints, and the same as JSON values."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from rftlab.advise.sense.asked import WAYS
from rftlab.advise.sense.outlook import TRACK, Outlook, nova, percent
from rftlab.advise.sense.signal import Signal
from rftlab.advise.signals import FORECASTS
from rftlab.answer.published import NOVA
from rftlab.stats import Interval, points

if TYPE_CHECKING:
    from rftlab.advise.sense.sensed import Sensed

_SHOWN = 60


def told(sensed: "Sensed") -> str:
    """For a terminal: what was checked, what was measured, what follows, and what is missing."""
    parts = (_checked(sensed), _measured(sensed), _forecast(sensed), _missing(sensed))
    return "\n".join(line for part in parts for line in part)


def values(sensed: "Sensed") -> dict[str, Any]:
    """As JSON values; None where an interval cannot be computed."""
    seen = sensed.seen
    return {
        "task": sensed.subject.name,
        "model": sensed.model,
        "facts": sensed.facts.known,
        "check": {
            "ok": sensed.report.ok,
            "findings": [asdict(each) for each in sensed.report.findings if each.level != "ok"],
        },
        "notes": list(sensed.notes),
        "lengths": dict(sensed.lengths),
        "planned": {"cot": seen.cot, "labels": seen.labels, "prompts": seen.prompts},
        "signals": {way: _of_signal(each) for way, each in seen.signals.items()},
        "wrong": [{name: row[name] for name in ("item", "prompt", "completion", "answer")} for row in sensed.wrong],
        "gains": {way: _limits(each) for way, each in seen.gains.items()},
        "short_sft": {"steps": seen.steps, "labels": seen.taught_on, "losses": list(seen.losses)},
        "not_measured": dict(seen.lacking),
        "known_from": {way: str(folder) for way, folder in sensed.known.items()},
        "outlooks": [
            {**each._asdict(), "because": list(each.because), "cures": list(each.cures)} for each in sensed.outlooks
        ],
        "more_labels": list(sensed.more),
        "missing": [each.fact for each in sensed.consultation.advice.missing],
    }


def _checked(sensed: "Sensed") -> Iterator[str]:
    subject, report = sensed.subject, sensed.report
    yield f"{subject.name} with {sensed.model}: {'; '.join(subject.notes)}"
    failed = [each for each in report.findings if each.level == "FAIL"]
    found = [each for each in report.findings if each.level == "note"]
    yield f"Check: {'passed' if report.ok else f'{len(failed)} failed'}; rftlab check says all of it"
    for each in (*failed, *found):
        yield f"  {each.level:>4}  {each.what}: {each.text}"
        yield from (f"        {text}" for text in each.evidence[:2])
    yield from _tokens(sensed)
    yield from (f"  {note}" for note in sensed.notes)


def _tokens(sensed: "Sensed") -> Iterator[str]:
    if not sensed.lengths:
        return
    context = sensed.lengths["context"]
    for way, found in zip(("cot", "direct"), sensed.lengths["ways"], strict=True):
        golds = found["golds"]
        of_golds = f", labelled completions {_length(golds)}" if golds else ", no labelled completions"
        room = f", of a context of {context}" if context else ""
        yield f"  tokens {WAYS[way]}: prompts {_length(found['prompts'])}{of_golds}{room}"


def _length(found: Mapping[str, int]) -> str:
    return f"{found['median']} (at most {found['most']})"


def _measured(sensed: "Sensed") -> Iterator[str]:
    seen = sensed.seen
    if not seen.signals:
        yield "Measured on the base: nothing"
    else:
        yield "Measured on the base (shares, in brackets 95 % for new prompts)"
    for way, found in seen.signals.items():
        head = WAYS[way]
        if way == "taught":
            head = f"after {seen.steps} steps of SFT on {seen.taught_on} labels"
        source = f", from {sensed.known[way]}" if way in sensed.known else ""
        yield f"  {head}{source}"
        yield from (f"    {line}" for line in _lines(found))
        if way == seen.way:
            yield from (
                f"    not right           {row['completion'][:_SHOWN]!r}, gold {str(row['answer'])[:_SHOWN]!r}"
                for row in sensed.wrong
            )
    for way, why in seen.lacking.items():
        yield f"  not measured {WAYS[way]}: {why}"
    for way, text in (("cot", "chain-of-thought"), ("shots", "examples in the prompt"), ("taught", "the short SFT")):
        if way in seen.gains:
            yield f"  gain by {text}, greedy: {points(seen.gains[way])}"
    if seen.losses:
        yield f"  loss of the base on the labelled completions: {seen.losses[0]:.2f} nats a token"


def _lines(found: Signal) -> Iterator[str]:
    lenient = f"; in whatever form {percent(found.lenient)}" if _differ(found.lenient, found.accuracy) else ""
    yield f"right, greedy       {percent(found.accuracy)} of {found.items}{lenient}"
    yield (
        f"in the right form   {percent(found.format_rate)}; cut by the cap {percent(found.truncated)}; "
        f"{found.tokens[0]:.0f} tokens, at most {found.tokens[1]}"
    )
    if found.pass_at:
        tries = [f"{k}: {percent(found.pass_at[k])}" for k in found.pass_at if k in (1, 8, found.samples)]
        yield f"right in k tries    {', '.join(tries)} (of {found.sampled} prompts)"
        guessed = "" if isnan(found.guessed) else f", an answer to another prompt {100 * found.guessed:.0f} %"
        yield f"most frequent answer right {percent(found.majority)}{guessed}"
        yield f"groups of {found.group} with rewards that differ {percent(found.mixed)}"


def _differ(first: Interval, second: Interval) -> bool:
    return isfinite(first.estimate) and first.estimate != second.estimate


def _forecast(sensed: "Sensed") -> Iterator[str]:
    seen = sensed.seen
    yield "Forecast"
    for each in sensed.outlooks:
        yield f"  {each.arm} {FORECASTS[each.word]}: {'; '.join(each.because)}"
        if seen.sound and ("taught" if each.arm == "SFT" else seen.way) in seen.signals:
            improved, many = TRACK[each.arm, each.word]
            yield f"    where this was said of the tiny base, {improved} of {many} settings improved (docs/sense.md)"
        if each.arm == "RFT" and seen.base is not None and (published := nova(seen.base)) is not None:
            yield f"    the published rule says {'yes' if published else 'not yet'}: {NOVA}"
        yield from _what_to_do(each)


def _what_to_do(outlook: Outlook) -> Iterator[str]:
    if outlook.cures:
        yield "    what to do first:"
        yield from (f"      - {cure}" for cure in outlook.cures)


def _missing(sensed: "Sensed") -> Iterator[str]:
    missing = sensed.consultation.advice.missing
    if missing:
        yield "Missing feedback"
        for each in missing:
            yield f"  {each}"
    yield "More labels"
    yield from (f"  {sentence}" for sentence in sensed.more)
    first = sensed.consultation.advice.first.family
    against = any(each.arm == first.title and each.word == "no" for each in sensed.outlooks)
    but = ", though the forecast speaks against it" * against
    yield f"First by rules, records and this forecast: {first.title}{but}; rftlab advise says why"


def _of_signal(signal: Signal) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(signal):
        value = getattr(signal, each.name)
        found[each.name] = _limits(value) if isinstance(value, Interval) else value
    return {
        **found,
        "tokens": [_finite(signal.tokens[0]), signal.tokens[1]],
        "pass_at": {str(k): _limits(each) for k, each in signal.pass_at.items()},
        "guessed": _finite(signal.guessed),
    }


def _limits(interval: Interval) -> list[float | None]:
    return [_finite(value) for value in (interval.estimate, interval.low, interval.high)]


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None

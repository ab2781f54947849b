"""Closed clinical questions: doses, laboratory units, published scores, stated rules, and abstracts with yes or no.

A benchmark for tuning methods, not medical advice: drug names in doses and rules are made up.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.errors import RftlabError
from rftlab.files.paths import data_dir
from rftlab.tasks import arithmetic
from rftlab.tasks.base import RULE, Example, Task
from rftlab.tasks.file import hold_out
from rftlab.tasks.medical_scores import draw_score
from rftlab.tasks.medical_units import draw_conversion
from rftlab.tasks.procedural import Draft, Recipe
from rftlab.tasks.tables import read_rows

NOT_ADVICE = "This is a benchmark, not medical advice: nothing here may be used to treat anybody."
PUBMEDQA_HUB_ID = "qiaojin/PubMedQA"
_DRUGS = ("Alvanil", "Bretolan", "Cidexa", "Dorinol", "Elmexin", "Fanolan", "Gestrix", "Hyvadon")


def load(variant: str, **settings: Any) -> Task:
    """Medical task by variant: dose, units, scores, triage, pubmedqa or tiny.

    Args:
        variant: which one.
        **settings: see `Recipe.task` for generated variants and `load_pubmedqa`.

    Raises:
        RftlabError: no such variant, or data that cannot be read.
    """
    loaders: dict[str, Callable[..., Task]] = {
        "dose": DOSE.task,
        "units": UNITS.task,
        "scores": SCORE.task,
        "triage": TRIAGE.task,
        "pubmedqa": load_pubmedqa,
        "tiny": load_tiny,
    }
    if variant not in loaders:
        raise RftlabError(f"unknown variant {variant!r}; known: {', '.join(loaders)}")
    return loaders[variant](**settings)


def draw_dose(rng: random.Random, far: bool) -> Draft:
    """Draw a dose calculation: by weight, as a volume, as an infusion rate, in drops; far: written as an order."""
    kind = rng.choice((_by_weight, _as_volume, _as_infusion, _as_drops))
    key, told, ordered, steps, result, decimals, unit = kind(rng, rng.choice(_DRUGS))
    answer = f"{math.floor(result * 10**decimals + 0.5) / 10**decimals:g}"
    rounded = "" if float(answer) == result else f" = {result:.5g}, rounded"
    meta = {"unit": unit, "absolute": 0.5 * 10**-decimals, "relative": 0.0}
    steps = f"{steps}{rounded} = {answer} {unit}." if not rounded else f"{steps}{rounded} {answer} {unit}."
    return Draft(f"{kind.__name__} {key}", ordered if far else told, answer, steps, meta)


class Drawn(NamedTuple):
    """A dose calculation: key, question, the same as an order, worked steps, exact result, decimals, unit."""

    key: str
    told: str
    ordered: str
    steps: str
    result: float
    decimals: int
    unit: str


def _by_weight(rng: random.Random, drug: str) -> Drawn:
    weight, per_kg, times = rng.randint(8, 90), rng.choice((5, 7.5, 10, 12, 15, 20, 25, 40)), rng.choice((2, 3, 4))
    told = (
        f"A patient of {weight} kg is to get {per_kg:g} mg of {drug} per kg and day, in {times} equal doses. "
        "How many mg is one dose? Round to one decimal."
    )
    ordered = f"{drug} {per_kg:g} mg/kg/day in {times} divided doses, weight {weight} kg. One dose in mg, one decimal?"
    steps = f"{weight} x {per_kg:g} = {weight * per_kg:g} mg a day. {weight * per_kg:g} / {times}"
    return Drawn(f"{weight} {per_kg} {times}", told, ordered, steps, weight * per_kg / times, 1, "mg")


def _as_volume(rng: random.Random, drug: str) -> Drawn:
    dose, strength, volume = rng.randint(4, 60) * 5, rng.choice((25, 50, 100, 125, 250)), rng.choice((1, 2, 5))
    result = dose * volume / strength
    told = f"{drug} comes as {strength} mg in {volume} mL. How many mL hold a dose of {dose} mg? Round to one decimal."
    ordered = f"Order: {drug} {dose} mg. In stock: {strength} mg/{volume} mL. Volume to give in mL, one decimal?"
    steps = f"{dose} x {volume} / {strength}"
    return Drawn(f"{dose} {strength} {volume}", told, ordered, steps, result, 1, "mL")


def _as_infusion(rng: random.Random, drug: str) -> Drawn:
    rate, weight = rng.choice((0.5, 1, 2, 3, 5, 8, 10)), rng.randint(45, 110)
    milligrams, volume = rng.choice((50, 100, 200, 250, 400)), rng.choice((50, 100, 250, 500))
    hourly = rate * weight * 60 / 1000
    result = hourly * volume / milligrams
    told = (
        f"{drug} runs at {rate:g} micrograms per kg and minute in a patient of {weight} kg. The bag holds {milligrams} "
        f"mg in {volume} mL. What is the rate in mL per hour? Round to one decimal."
    )
    ordered = f"{drug} {rate:g} µg/kg/min, weight {weight} kg, bag {milligrams} mg/{volume} mL. mL/h, one decimal?"
    steps = f"{rate:g} x {weight} x 60 / 1000 = {hourly:g} mg an hour. {hourly:g} x {volume} / {milligrams}"
    return Drawn(f"{rate} {weight} {milligrams} {volume}", told, ordered, steps, result, 1, "mL/h")


def _as_drops(rng: random.Random, drug: str) -> Drawn:
    volume, hours, factor = (
        rng.choice((100, 250, 500, 750, 1000)),
        rng.choice((1, 2, 3, 4, 6, 8)),
        rng.choice((10, 15, 20)),
    )
    result = volume * factor / (hours * 60)
    told = (
        f"{volume} mL with {drug} are to run in over {hours} h through a set of {factor} drops per mL. How many drops "
        "per minute is that? Round to a whole number."
    )
    ordered = f"{drug} infusion, {volume} mL over {hours} h, drop factor {factor}. Drops per minute, whole number?"
    steps = f"{volume} x {factor} / ({hours} x 60)"
    return Drawn(f"{volume} {hours} {factor}", told, ordered, steps, result, 0, "drops/min")


DOSE = Recipe(
    name="medical/dose",
    card="Dose arithmetic with made-up drug names: by weight, as a volume, as an infusion rate, in drops. Generated by "
    "rftlab (Apache-2.0) with worked steps; right means the number to half a unit of the last digit asked for, the "
    "unit optional but never a wrong one. Ood writes the same as a terse order. It says nothing about whether a dose "
    "is safe. " + NOT_ADVICE,
    draw=draw_dose,
    verifier="numeric",
)
UNITS = Recipe(
    name="medical/units",
    card="Conversion of laboratory values between mass and amount of substance for 28 analytes. Molar masses follow "
    "from the formulas and IUPAC's 2021 standard atomic weights, unit pairs from the AMA Manual of Style; generated by "
    "rftlab (Apache-2.0) with worked steps. Right means within 1 %. Ood gives a factor instead of the molar mass. It "
    "is arithmetic, not interpretation. " + NOT_ADVICE,
    draw=draw_conversion,
    verifier="numeric",
    far_kind=RULE,
)
SCORE = Recipe(
    name="medical/scores",
    card="Seventeen published scores and formulas (CKD-EPI 2021, Cockcroft-Gault, MELD, Child-Pugh, CHA2DS2-VASc, "
    "HAS-BLED, CURB-65, qSOFA, Wells, Glasgow Coma Scale, FIB-4 and others; each row's meta names the publication) for "
    "generated patients, with worked steps (rftlab, Apache-2.0). The rule is not in the prompt. Point scores must be "
    "exact, formulas within one unit of the last digit asked for. Ood shuffles the findings and uses other words. "
    "Findings are stated outright: it cannot tell whether a model reads a real record. " + NOT_ADVICE,
    draw=draw_score,
    verifier="numeric",
    verifier_settings={"unit": "ignored"},
)


def draw_triage(rng: random.Random, far: bool) -> Draft:
    """Draw rules for a drug and a patient; the answer follows from the rules alone, each as often as the others."""
    wanted = rng.choice(("give", "halve", "withhold"))
    while True:
        draft = _triage(rng, far)
        if draft.answer == wanted:
            return draft


def _triage(rng: random.Random, far: bool) -> Draft:
    drug, other = rng.sample(_DRUGS, 2)
    clearance_limit, age_limit, potassium_limit = (
        rng.randint(3, 6) * 10,
        rng.randint(65, 85),
        rng.choice((5.0, 5.2, 5.5)),
    )
    clearance, age, potassium = rng.randint(15, 110), rng.randint(30, 95), round(rng.uniform(3.6, 6.0), 1)
    takes = rng.random() < 0.25
    withheld = [
        (takes, f"the patient takes {other}"),
        (clearance < clearance_limit, f"creatinine clearance {clearance} is below {clearance_limit}"),
        (potassium > potassium_limit, f"potassium {potassium} is above {potassium_limit}"),
    ]
    reasons = [text for holds, text in withheld if holds]
    answer = "withhold" if reasons else "halve" if age > age_limit else "give"
    if not reasons:
        reasons = [
            f"no reason to withhold, age {age} is above {age_limit}"
            if age > age_limit
            else f"no reason to withhold, age {age} is not above {age_limit}"
        ]
    facts = (
        f"age {age}, creatinine clearance {clearance} mL/min, potassium {potassium} mmol/L, "
        f"{'takes' if takes else 'does not take'} {other}"
    )
    if far:
        prompt = (
            f"Patient: {facts}. Policy for {drug}: stop if on {other}, or clearance under {clearance_limit} mL/min, or "
            f"potassium over {potassium_limit} mmol/L. If none applies, half the dose over {age_limit} years of age, "
            "else the full dose. Decide: give, halve or withhold?"
        )
    else:
        prompt = (
            f"Rules for {drug}: withhold it if the patient takes {other}, if creatinine clearance is below "
            f"{clearance_limit} mL/min, or if potassium is above {potassium_limit} mmol/L. Otherwise halve the dose "
            f"above the age of {age_limit}. Otherwise give it. A patient: {facts}. Answer give, halve or withhold."
        )
    rationale = f"{'; '.join(reasons)[0].upper()}{'; '.join(reasons)[1:]}: {answer}."
    return Draft(f"{drug} {other} {facts} {clearance_limit} {age_limit} {potassium_limit}", prompt, answer, rationale)


TRIAGE = Recipe(
    name="medical/triage",
    card="Rules for a made-up drug and a made-up patient: give, halve or withhold. Generated by rftlab (Apache-2.0) "
    "with the reason; everything needed is in the prompt, so it measures following rules with thresholds, not medical "
    "knowledge. Right means the right word; the three are equally frequent, so a guess is right a third of the time. "
    "Ood has the patient first and other words. " + NOT_ADVICE,
    draw=draw_triage,
    verifier="exact",
)


def load_pubmedqa(
    *,
    sample: bool = False,
    path: str = "",
    dataset: str = "",
    config: str = "pqa_labeled",
    test_share: float = 0.5,
    split_seed: int = 0,
) -> Task:
    """PubMedQA: yes, no or maybe over an abstract, from the hub or a file.

    Args:
        sample: take the few rows that rftlab ships, to try the format out without a network.
        path: ori_pqal.json as published (an object by PubMed id), or rows of the hub's form as .jsonl or .parquet.
        dataset: a hub id; qiaojin/PubMedQA unless a path is given.
        config: its configuration.
        test_share: share of the rows held out, in (0, 1).
        split_seed: seed of that split.

    Raises:
        RftlabError: the data cannot be read, or a row lacks what it should have.
    """
    card = (
        "PubMedQA (Jin et al. 2019, MIT licence), or rows in its format: a research question, the abstract without its "
        "conclusion, and yes, no or maybe as two annotators agreed; the conclusion is the rationale. More than half of "
        "the answers are yes. It asks what an abstract concludes, not what is true. "
    )
    if sample:
        path = str(data_dir() / "samples" / "pubmedqa.json")
        card = "Questions in PubMedQA's format about made-up studies, written for rftlab (Apache-2.0); not PubMedQA. "
    where = path or dataset or PUBMEDQA_HUB_ID
    rows = _published(path) if path.endswith(".json") else read_rows(path=path, dataset=where, config=config)
    examples = [_abstract(row, f"{where}, {name}") for name, row in rows]
    if not examples:
        raise RftlabError(f"{where} holds no questions")
    train, test = hold_out(examples, test_share, split_seed)
    return Task("medical/pubmedqa", card + NOT_ADVICE, tuple(train), tuple(test), verifier="exact")


def _published(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RftlabError(f"{path} cannot be read as PubMedQA's JSON: {error}") from None
    if not isinstance(rows, dict):
        raise RftlabError(f"{path}: expected an object from PubMed ids to questions; for rows use the suffix .jsonl")
    for identity, row in rows.items():
        if not isinstance(row, dict):
            raise RftlabError(f"{path}, {identity}: a {type(row).__name__}, not an object")
        yield (
            identity,
            {
                "pubid": identity,
                "question": row.get("QUESTION"),
                "context": {"contexts": row.get("CONTEXTS")},
                "long_answer": row.get("LONG_ANSWER"),
                "final_decision": row.get("final_decision"),
            },
        )


def _abstract(row: Mapping[str, Any], where: str) -> Example:
    context = row.get("context")
    paragraphs = context.get("contexts") if isinstance(context, Mapping) else None
    question, decision = row.get("question"), str(row.get("final_decision")).strip().lower()
    if not isinstance(question, str) or not isinstance(paragraphs, list) or decision not in ("yes", "no", "maybe"):
        raise RftlabError(f"{where}: needs a question, contexts, and a final decision of yes, no or maybe")
    prompt = f"{' '.join(map(str, paragraphs))}\n\n{question} Answer yes, no or maybe."
    return Example(f"pubmed-{row.get('pubid')}", prompt, decision, str(row.get("long_answer") or "") or None)


def load_tiny(**settings: Any) -> Task:
    """A daily dose, in the words the tiny base was pretrained on; settings of `arithmetic.load`."""
    base = arithmetic.load("dose", **settings)
    return Task(
        name="medical/tiny",
        card="A daily dose from weight, dose per kg, times a day and an extra dose, for the tiny base; generated by "
        "rftlab (Apache-2.0), right means the right number. The tiny base was pretrained on such texts, on purpose: "
        "the gain it shows was built in and says nothing about large models. " + NOT_ADVICE,
        train=base.train,
        test=base.test,
        ood=base.ood,
        verifier="numeric",
        retention=base.retention,
    )

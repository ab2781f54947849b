"""Published clinical scores and formulas: what they take, how they are worked out, and where they were published.

Written from the publications named with each; the tests compare them with another implementation.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rftlab.tasks.procedural import Draft

Values = Mapping[str, Any]


class Item(NamedTuple):
    """One input: how it is drawn, how it is said, and what it adds to a score.

    Attributes:
        key: its name.
        draw: from a random stream to a value.
        words: a value in words.
        points: what the value adds; unused by formulas.
    """

    key: str
    draw: Callable[[random.Random], Any]
    words: Callable[[Any], str]
    points: Callable[[Any], float] = lambda value: 0.0


class ClinicalScore(NamedTuple):
    """A score that adds up points, or a formula.

    Attributes:
        name: what is asked for, with its unit.
        source: where it was published.
        items: its inputs.
        decimals: digits after the point that are asked for.
        formula: values -> (worked steps, result); None for a score that adds up points.
        slack: accepted difference; by default one unit of the last digit for a formula, nothing for a score.
    """

    name: str
    source: str
    items: tuple[Item, ...]
    decimals: int = 0
    formula: Callable[[Values], tuple[str, float]] | None = None

    def work_out(self, values: Values) -> tuple[str, float]:
        """Worked steps and the result, rounded to the digits asked for."""
        if self.formula is not None:
            steps, result = self.formula(values)
            return steps, round(result, self.decimals)
        points = [(item, item.points(values[item.key])) for item in self.items]
        steps = ", ".join(f"{item.words(values[item.key])}: {_number(value)}" for item, value in points)
        return f"{steps}. Sum", sum(value for _, value in points)


def draw_score(rng: random.Random, far: bool) -> Draft:
    """Draw a patient and a score to work out; far: other words, findings in another order."""
    score = rng.choice(list(SCORES.values()))
    values = {item.key: item.draw(rng) for item in score.items}
    findings = [item.words(values[item.key]) for item in score.items]
    steps, result = score.work_out(values)
    answer = f"{result:.{score.decimals}f}" if score.formula else _number(result)
    digits = {0: "a whole number", 1: "one decimal", 2: "two decimals"}[score.decimals]
    rounding = f" Give the number alone, rounded to {digits}." if score.formula else " Give the number alone."
    if far:
        rng.shuffle(findings)
        prompt = f"What is the {score.name}? The record says: {'; '.join(findings)}.{rounding}"
    else:
        prompt = f"A patient: {', '.join(findings)}. Work out the {score.name}.{rounding}"
    absolute = 10**-score.decimals if score.formula else 0.0
    meta = {"score": score.name, "source": score.source, "absolute": absolute, "relative": 0.0}
    return Draft(f"{score.name} {sorted(findings)}", prompt, answer, f"{steps} = {answer}.", meta)


def _number(value: float) -> str:
    return f"{value:g}"


def _amount(key: str, words: str, low: float, high: float, decimals: int = 0, points: Any = None) -> Item:
    """A measured value; ``words`` has one {}."""

    def draw(rng: random.Random) -> float:
        value = rng.uniform(low, high)
        return round(value, decimals) if decimals else round(value)

    return Item(key, draw, lambda value: words.format(_number(value)), points or (lambda value: 0.0))


def _flag(key: str, yes: str, no: str, points: float) -> Item:
    """Something that is there (one time in three) or not."""
    return Item(key, lambda rng: rng.random() < 1 / 3, lambda value: yes if value else no, lambda value: points * value)


def _grade(key: str, grades: Mapping[str, float], words: str = "{}") -> Item:
    """One of several grades, each with its points; ``words`` has one {}."""
    return Item(
        key, lambda rng: rng.choice(list(grades)), lambda value: words.format(value), lambda value: grades[value]
    )


def _sex(points_female: float = 0.0) -> Item:
    return Item(
        "sex", lambda rng: rng.choice(("male", "female")), str, lambda value: points_female * (value == "female")
    )


_AGE = _amount("age", "age {} years", 20, 90)
_CREATININE = _amount("creatinine", "serum creatinine {} mg/dL", 0.5, 4.0, 1)


def _ckd_epi(v: Values) -> tuple[str, float]:
    female = v["sex"] == "female"
    kappa, alpha, factor = (0.7, -0.241, 1.012) if female else (0.9, -0.302, 1.0)
    ratio = v["creatinine"] / kappa
    result = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.200 * 0.9938 ** v["age"] * factor
    steps = (
        f"142 x min({ratio:.3f}, 1)^{alpha} x max({ratio:.3f}, 1)^-1.2 x 0.9938^{v['age']}"
        f"{' x 1.012' if female else ''}"
    )
    return steps, result


def _cockcroft_gault(v: Values) -> tuple[str, float]:
    female = v["sex"] == "female"
    result = (140 - v["age"]) * v["weight"] / (72 * v["creatinine"]) * (0.85 if female else 1)
    steps = f"(140 - {v['age']}) x {v['weight']} / (72 x {v['creatinine']}){' x 0.85' if female else ''}"
    return steps, result


def _meld(v: Values) -> tuple[str, float]:
    bilirubin, inr = max(v["bilirubin"], 1.0), max(v["inr"], 1.0)
    creatinine = min(max(v["creatinine"], 1.0), 4.0)
    result = 3.78 * math.log(bilirubin) + 11.2 * math.log(inr) + 9.57 * math.log(creatinine) + 6.43
    return f"3.78 ln({bilirubin:g}) + 11.2 ln({inr:g}) + 9.57 ln({creatinine:g}) + 6.43", result


def _steps(template: str, compute: Callable[[Values], float]) -> Callable[[Values], tuple[str, float]]:
    return lambda v: (template.format(**v), compute(v))


SCORES: dict[str, ClinicalScore] = {
    "egfr": ClinicalScore(
        "eGFR by the CKD-EPI 2021 creatinine equation in mL/min/1.73 m2",
        "Inker et al. 2021, doi:10.1056/NEJMoa2102953",
        (_AGE, _sex(), _CREATININE),
        formula=_ckd_epi,
    ),
    "cockcroft_gault": ClinicalScore(
        "creatinine clearance by Cockcroft and Gault in mL/min",
        "Cockcroft and Gault 1976, doi:10.1159/000180580",
        (_AGE, _sex(), _amount("weight", "weight {} kg", 45, 110), _CREATININE),
        formula=_cockcroft_gault,
    ),
    "meld": ClinicalScore(
        "original MELD score (values below 1 count as 1, creatinine above 4 as 4)",
        "Kamath et al. 2001, doi:10.1053/jhep.2001.22172",
        (
            _amount("bilirubin", "bilirubin {} mg/dL", 0.5, 15, 1),
            _amount("inr", "INR {}", 0.9, 3.5, 1),
            _CREATININE,
        ),
        formula=_meld,
    ),
    "bmi": ClinicalScore(
        "body mass index in kg/m2",
        "Keys et al. 1972, doi:10.1016/0021-9681(72)90027-6",
        (_amount("weight", "weight {} kg", 45, 130), _amount("height", "height {} cm", 150, 200)),
        decimals=1,
        formula=_steps("{weight} / ({height}/100)^2", lambda v: v["weight"] / (v["height"] / 100) ** 2),
    ),
    "bsa": ClinicalScore(
        "body surface area by Mosteller in m2",
        "Mosteller 1987, doi:10.1056/NEJM198710223171717",
        (_amount("weight", "weight {} kg", 45, 130), _amount("height", "height {} cm", 150, 200)),
        decimals=2,
        formula=_steps("sqrt({height} x {weight} / 3600)", lambda v: math.sqrt(v["height"] * v["weight"] / 3600)),
    ),
    "corrected_calcium": ClinicalScore(
        "albumin-corrected calcium in mg/dL (reference albumin 4.0 g/dL)",
        "Payne et al. 1973, doi:10.1136/bmj.4.5893.643",
        (_amount("calcium", "calcium {} mg/dL", 7, 12, 1), _amount("albumin", "albumin {} g/dL", 1.8, 5, 1)),
        decimals=1,
        formula=_steps("{calcium} + 0.8 x (4.0 - {albumin})", lambda v: v["calcium"] + 0.8 * (4 - v["albumin"])),
    ),
    "anion_gap": ClinicalScore(
        "anion gap without potassium in mmol/L",
        "Emmett and Narins 1977, doi:10.1097/00005792-197701000-00002",
        (
            _amount("sodium", "sodium {} mmol/L", 125, 155),
            _amount("chloride", "chloride {} mmol/L", 85, 118),
            _amount("bicarbonate", "bicarbonate {} mmol/L", 6, 34),
        ),
        formula=_steps(
            "{sodium} - {chloride} - {bicarbonate}", lambda v: v["sodium"] - v["chloride"] - v["bicarbonate"]
        ),
    ),
    "ldl": ClinicalScore(
        "LDL cholesterol by Friedewald in mg/dL",
        "Friedewald et al. 1972, doi:10.1093/clinchem/18.6.499",
        (
            _amount("total", "total cholesterol {} mg/dL", 150, 320),
            _amount("hdl", "HDL cholesterol {} mg/dL", 30, 90),
            _amount("triglycerides", "triglycerides {} mg/dL", 50, 390),
        ),
        formula=_steps("{total} - {hdl} - {triglycerides}/5", lambda v: v["total"] - v["hdl"] - v["triglycerides"] / 5),
    ),
    "fib4": ClinicalScore(
        "FIB-4 index",
        "Sterling et al. 2006, doi:10.1002/hep.21178",
        (
            _AGE,
            _amount("ast", "AST {} U/L", 15, 200),
            _amount("alt", "ALT {} U/L", 15, 200),
            _amount("platelets", "platelets {} x 10^9/L", 50, 400),
        ),
        decimals=2,
        formula=_steps(
            "{age} x {ast} / ({platelets} x sqrt({alt}))",
            lambda v: v["age"] * v["ast"] / (v["platelets"] * math.sqrt(v["alt"])),
        ),
    ),
    "homa_ir": ClinicalScore(
        "HOMA-IR",
        "Matthews et al. 1985, doi:10.1007/BF00280883",
        (
            _amount("glucose", "fasting glucose {} mg/dL", 60, 200),
            _amount("insulin", "fasting insulin {} mIU/L", 2, 40),
        ),
        decimals=1,
        formula=_steps("{glucose} x {insulin} / 405", lambda v: v["glucose"] * v["insulin"] / 405),
    ),
    "cha2ds2vasc": ClinicalScore(
        "CHA2DS2-VASc score",
        "Lip et al. 2010, doi:10.1378/chest.09-1584",
        (
            _amount("age", "age {} years", 40, 90, points=lambda age: 2 if age >= 75 else 1 if age >= 65 else 0),
            _sex(1),
            _flag("heart_failure", "heart failure", "no heart failure", 1),
            _flag("hypertension", "hypertension", "no hypertension", 1),
            _flag("diabetes", "diabetes", "no diabetes", 1),
            _flag("stroke", "earlier stroke", "no earlier stroke, TIA or embolism", 2),
            _flag("vascular", "earlier myocardial infarction", "no vascular disease", 1),
        ),
    ),
    "hasbled": ClinicalScore(
        "HAS-BLED score",
        "Pisters et al. 2010, doi:10.1378/chest.10-0134",
        (
            _amount("age", "age {} years", 40, 90, points=lambda age: 1 if age > 65 else 0),
            _amount("systolic", "systolic pressure {} mmHg", 100, 200, points=lambda p: 1 if p > 160 else 0),
            _flag("renal", "chronic dialysis", "normal kidney function", 1),
            _flag("liver", "cirrhosis", "normal liver function", 1),
            _flag("stroke", "earlier stroke", "no earlier stroke", 1),
            _flag("bleeding", "earlier major bleeding", "no earlier bleeding", 1),
            _flag("labile", "labile INR", "stable INR", 1),
            _flag("drugs", "takes an NSAID", "takes no antiplatelet drug or NSAID", 1),
            _flag("alcohol", "10 alcoholic drinks a week", "no alcohol", 1),
        ),
    ),
    "curb65": ClinicalScore(
        "CURB-65 score",
        "Lim et al. 2003, doi:10.1136/thorax.58.5.377",
        (
            _flag("confusion", "newly confused", "not confused", 1),
            _amount("urea", "urea {} mmol/L", 3, 14, 1, points=lambda urea: 1 if urea > 7 else 0),
            _amount("rate", "respiratory rate {}/min", 14, 40, points=lambda rate: 1 if rate >= 30 else 0),
            _grade(
                "pressure",
                {"118/72": 0, "134/80": 0, "104/64": 0, "86/52": 1, "88/64": 1, "96/58": 1, "110/60": 1},
                "blood pressure {} mmHg",
            ),
            _amount("age", "age {} years", 30, 95, points=lambda age: 1 if age >= 65 else 0),
        ),
    ),
    "qsofa": ClinicalScore(
        "qSOFA score",
        "Singer et al. 2016, doi:10.1001/jama.2016.0287",
        (
            _amount("rate", "respiratory rate {}/min", 12, 34, points=lambda rate: 1 if rate >= 22 else 0),
            _amount("systolic", "systolic pressure {} mmHg", 75, 140, points=lambda p: 1 if p <= 100 else 0),
            _flag("altered", "Glasgow Coma Scale 13", "Glasgow Coma Scale 15", 1),
        ),
    ),
    "wells_pe": ClinicalScore(
        "Wells score for pulmonary embolism",
        "Wells et al. 2000, doi:10.1055/s-0037-1613830",
        (
            _flag("dvt", "clinical signs of DVT", "no signs of DVT", 3),
            _flag("likely", "PE the most likely diagnosis", "another diagnosis more likely than PE", 3),
            _amount("rate", "heart rate {}/min", 60, 140, points=lambda rate: 1.5 if rate > 100 else 0),
            _flag("surgery", "surgery two weeks ago", "no recent surgery or immobilisation", 1.5),
            _flag("earlier", "earlier DVT", "no earlier DVT or PE", 1.5),
            _flag("haemoptysis", "haemoptysis", "no haemoptysis", 1),
            _flag("cancer", "cancer under treatment", "no cancer", 1),
        ),
    ),
    "child_pugh": ClinicalScore(
        "Child-Pugh score in points",
        "Pugh et al. 1973, doi:10.1002/bjs.1800600817",
        (
            _amount("bilirubin", "bilirubin {} mg/dL", 0.5, 6, 1, points=lambda b: 1 if b < 2 else 2 if b <= 3 else 3),
            _amount("albumin", "albumin {} g/dL", 2, 4.5, 1, points=lambda a: 1 if a > 3.5 else 2 if a >= 2.8 else 3),
            _amount("inr", "INR {}", 1, 3, 1, points=lambda inr: 1 if inr < 1.7 else 2 if inr <= 2.3 else 3),
            _grade("ascites", {"no": 1, "mild": 2, "moderate to severe": 3}, "{} ascites"),
            _grade("encephalopathy", {"no": 1, "grade 1-2": 2, "grade 3-4": 3}, "{} encephalopathy"),
        ),
    ),
    "gcs": ClinicalScore(
        "Glasgow Coma Scale sum",
        "Teasdale and Jennett 1974, doi:10.1016/S0140-6736(74)91639-0",
        (
            _grade(
                "eye",
                {
                    "eyes open spontaneously": 4,
                    "eyes open to sound": 3,
                    "eyes open to pressure": 2,
                    "eyes do not open": 1,
                },
            ),
            _grade(
                "verbal",
                {
                    "orientated speech": 5,
                    "confused speech": 4,
                    "single words only": 3,
                    "sounds only": 2,
                    "no verbal response": 1,
                },
            ),
            _grade(
                "motor",
                {
                    "obeys commands": 6,
                    "localises to pressure": 5,
                    "normal flexion": 4,
                    "abnormal flexion": 3,
                    "extension": 2,
                    "no motor response": 1,
                },
            ),
        ),
    ),
}

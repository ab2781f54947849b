"""Medical tasks: formulas against published definitions and, where it is installed, another implementation."""

import json
import math
import random

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks.base import Example
from rftlab.tasks.medical import DOSE, draw_dose, draw_triage, load
from rftlab.tasks.medical_scores import SCORES, draw_score
from rftlab.tasks.medical_units import ANALYTES, draw_conversion
from rftlab.verifiers.numeric import Numeric

PATIENTS = 100


# Worked by hand from the publications' definitions, or the conventional factor of the AMA Manual of Style.
@pytest.mark.parametrize(
    ("score", "values", "expected"),
    [
        ("egfr", {"age": 50, "sex": "male", "creatinine": 0.9}, 142 * 0.9938**50),
        ("egfr", {"age": 50, "sex": "female", "creatinine": 0.7}, 142 * 0.9938**50 * 1.012),
        ("egfr", {"age": 60, "sex": "male", "creatinine": 1.8}, 142 * 2**-1.2 * 0.9938**60),
        ("cockcroft_gault", {"age": 40, "sex": "male", "weight": 72, "creatinine": 1.0}, 100),
        ("cockcroft_gault", {"age": 40, "sex": "female", "weight": 72, "creatinine": 1.0}, 85),
        ("meld", {"bilirubin": 0.5, "inr": 0.9, "creatinine": 0.6}, 6.43),
        ("meld", {"bilirubin": math.e, "inr": 1.0, "creatinine": 9.0}, 3.78 + 9.57 * math.log(4) + 6.43),
        ("bmi", {"weight": 81, "height": 180}, 25.0),
        ("bsa", {"weight": 80, "height": 180}, 2.0),
        ("corrected_calcium", {"calcium": 8.0, "albumin": 2.0}, 9.6),
        ("anion_gap", {"sodium": 140, "chloride": 104, "bicarbonate": 24}, 12),
        ("ldl", {"total": 200, "hdl": 50, "triglycerides": 150}, 120),
        ("fib4", {"age": 50, "ast": 40, "alt": 25, "platelets": 200}, 2.0),
        ("homa_ir", {"glucose": 81, "insulin": 10}, 2.0),
    ],
)
def test_a_formula_gives_its_published_value(score, values, expected):
    result = SCORES[score].work_out(values)[1]
    assert result == pytest.approx(expected, abs=0.5 * 10 ** -SCORES[score].decimals + 1e-9)


@pytest.mark.parametrize(
    ("score", "values", "expected"),
    [
        ("curb65", {"confusion": True, "urea": 7.1, "rate": 30, "pressure": "86/52", "age": 65}, 5),
        ("curb65", {"confusion": False, "urea": 7.0, "rate": 29, "pressure": "104/64", "age": 64}, 0),
        ("curb65", {"confusion": False, "urea": 3, "rate": 20, "pressure": "110/60", "age": 40}, 1),
        ("qsofa", {"rate": 22, "systolic": 100, "altered": True}, 3),
        ("qsofa", {"rate": 21, "systolic": 101, "altered": False}, 0),
        ("gcs", {"eye": "eyes do not open", "verbal": "no verbal response", "motor": "no motor response"}, 3),
        (
            "child_pugh",
            {"bilirubin": 2.0, "albumin": 3.5, "inr": 1.7, "ascites": "mild", "encephalopathy": "grade 1-2"},
            10,
        ),
        ("child_pugh", {"bilirubin": 1.9, "albumin": 3.6, "inr": 1.6, "ascites": "no", "encephalopathy": "no"}, 5),
    ],
)
def test_points_change_exactly_at_the_published_thresholds(score, values, expected):
    assert SCORES[score].work_out(values)[1] == expected


def test_every_score_names_its_publication():
    assert all("doi:10." in score.source for score in SCORES.values())
    assert len(SCORES) == 17


# score -> (name in clincalc, its inputs from ours)
ORACLE = {
    "egfr": ("egfr", lambda v: {**v, "creatinine_unit": "mg/dL"}),
    "cockcroft_gault": (
        "cockcroft_gault",
        lambda v: {
            "age": v["age"], "sex": v["sex"], "weight_kg": v["weight"], "creatinine": v["creatinine"],
            "creatinine_unit": "mg/dL",
        },
    ),
    "meld": (
        "meld",
        lambda v: {**v, "bilirubin_unit": "mg/dL", "creatinine_unit": "mg/dL", "dialysis_twice_past_week": False},
    ),
    "bmi": ("bmi", lambda v: {"weight_kg": v["weight"], "height_cm": v["height"]}),
    "bsa": ("body_surface_area", lambda v: {"weight_kg": v["weight"], "height_cm": v["height"]}),
    "corrected_calcium": ("corrected_calcium", lambda v: {**v, "calcium_unit": "mg/dL", "albumin_unit": "g/dL"}),
    "anion_gap": ("anion_gap", lambda v: {f"{name}_mmol_l": value for name, value in v.items()}),
    "ldl": (
        "ldl_cholesterol",
        lambda v: {
            "total_cholesterol": v["total"], "hdl_cholesterol": v["hdl"], "triglycerides": v["triglycerides"],
            "unit": "mg/dL",
        },
    ),
    "fib4": ("fib4", dict),
    "homa_ir": (
        "homa_ir",
        lambda v: {"fasting_glucose": v["glucose"], "fasting_insulin_miu_l": v["insulin"], "glucose_unit": "mg/dL"},
    ),
    "cha2ds2vasc": (
        "cha2ds2vasc",
        lambda v: {
            "age": v["age"], "sex": v["sex"], "congestive_heart_failure": v["heart_failure"],
            "hypertension": v["hypertension"], "diabetes": v["diabetes"], "stroke_tia_thromboembolism": v["stroke"],
            "vascular_disease": v["vascular"],
        },
    ),
    "hasbled": (
        "hasbled",
        lambda v: {
            "hypertension_uncontrolled": v["systolic"] > 160, "abnormal_renal_function": v["renal"],
            "abnormal_liver_function": v["liver"], "stroke": v["stroke"], "bleeding_history": v["bleeding"],
            "labile_inr": v["labile"], "elderly_over_65": v["age"] > 65, "drugs_antiplatelet_nsaid": v["drugs"],
            "alcohol_excess": v["alcohol"],
        },
    ),
    "curb65": (
        "curb65",
        lambda v: {
            "confusion": v["confusion"], "urea_mmol_l": v["urea"], "respiratory_rate": v["rate"], "age": v["age"],
            "systolic_bp": int(v["pressure"].split("/")[0]), "diastolic_bp": int(v["pressure"].split("/")[1]),
        },
    ),
    "qsofa": (
        "qsofa",
        lambda v: {
            "respiratory_rate": v["rate"], "systolic_bp": v["systolic"], "altered_mentation": v["altered"],
        },
    ),
    "wells_pe": (
        "wells_pe",
        lambda v: {
            "clinical_signs_of_dvt": v["dvt"], "pe_most_likely_diagnosis": v["likely"],
            "heart_rate_over_100": v["rate"] > 100, "immobilisation_or_surgery": v["surgery"],
            "previous_dvt_or_pe": v["earlier"], "haemoptysis": v["haemoptysis"], "malignancy": v["cancer"],
        },
    ),
    "child_pugh": (
        "child_pugh",
        lambda v: {
            "bilirubin": v["bilirubin"], "bilirubin_unit": "mg/dL", "albumin": v["albumin"], "albumin_unit": "g/dL",
            "inr": v["inr"],
            "ascites": {"no": "none", "mild": "mild"}.get(v["ascites"], "moderate-severe"),
            "encephalopathy": {"no": "none", "grade 1-2": "grade1-to2", "grade 3-4": "grade3-to4"}[v["encephalopathy"]],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ORACLE)
def test_another_implementation_agrees(name):
    clincalc = pytest.importorskip("clincalc", reason="the extra `oracles` is not installed")
    score, (theirs, convert) = SCORES[name], ORACLE[name]
    stream = random.Random(f"oracle/{name}")
    for _ in range(PATIENTS):
        values = {item.key: item.draw(stream) for item in score.items}
        found = clincalc.calculate(theirs, convert(values))["result"]
        found = found["ldl_friedewald"] if isinstance(found, dict) else float(found)
        ours = score.work_out(values)[1]
        # A formula is rounded on both sides, theirs to digits of its own.
        assert ours == pytest.approx(found, abs=1.01 * 10**-score.decimals if score.formula else 0), values


# Conventional factors of the AMA Manual of Style, to the digits printed there.
@pytest.mark.parametrize(
    ("analyte", "factor", "within"),
    [
        ("glucose", 0.0555, 1e-3), ("cholesterol", 0.0259, 3e-3), ("triglycerides (as triolein)", 0.0113, 5e-3),
        ("creatinine", 88.4, 1e-3), ("bilirubin", 17.104, 1e-3), ("uric acid", 59.48, 1e-3), ("calcium", 0.25, 3e-3),
        ("magnesium", 0.4114, 1e-3), ("phosphate (as phosphorus)", 0.323, 1e-3), ("lactic acid", 0.111, 1e-3),
        ("iron", 0.179, 1e-3), ("cortisol", 27.588, 1e-3), ("testosterone", 0.0347, 3e-3), ("estradiol", 3.671, 1e-3),
        ("25-hydroxyvitamin D3", 2.496, 1e-3), ("folic acid", 2.266, 1e-3), ("digoxin", 1.281, 1e-3),
        ("thyroxine", 12.871, 1e-3), ("paracetamol", 6.62, 3e-3), ("theophylline", 5.55, 1e-3), ("zinc", 0.153, 3e-3),
    ],
)  # fmt: skip
def test_a_factor_is_the_published_one(analyte, factor, within):
    assert next(a for a in ANALYTES if a.name == analyte).factor == pytest.approx(factor, rel=within)


def test_a_conversion_there_and_back_is_the_same_value():
    verifier = Numeric()
    stream = random.Random(0)
    for _ in range(200):
        draft = draw_conversion(stream, False)
        example = Example("e", draft.prompt, draft.answer, meta=draft.meta)
        assert verifier(f"<answer>{draft.answer} {draft.meta['unit']}</answer>", example).reward == 1
        assert verifier(f"<answer>{float(draft.answer) * 1.02:g}</answer>", example).reward == 0


def test_a_dose_in_another_unit_is_right_and_a_wrong_unit_is_not():
    stream = random.Random(1)
    drafts = [draw_dose(stream, False) for _ in range(200)]
    draft = next(d for d in drafts if d.meta["unit"] == "mg" and float(d.answer) > 100)
    example = Example("e", draft.prompt, draft.answer, meta=draft.meta)
    verifier = Numeric(**DOSE.verifier_settings)
    grams = float(draft.answer) / 1000
    assert verifier(f"<answer>{grams:.10g} g</answer>", example).reward == 1
    assert verifier(f"<answer>{draft.answer} mL</answer>", example).reward == 0


def test_the_rules_are_applied_in_their_stated_order():
    stream = random.Random(2)
    answers = [draw_triage(stream, far) for far in (False, True) for _ in range(150)]
    for draft in answers:
        assert draft.answer in ("give", "halve", "withhold")
        assert draft.rationale.endswith(f"{draft.answer}.")
        if " takes " in draft.prompt.split("atient: ")[1]:
            assert draft.answer == "withhold"
    counts = {word: sum(d.answer == word for d in answers) for word in ("give", "halve", "withhold")}
    assert min(counts.values()) > 60


def test_a_score_shuffles_its_findings_out_of_distribution_only():
    drafts = [draw_score(random.Random(i), far) for i in range(20) for far in (False, True)]
    assert all(d.prompt.startswith("A patient: ") for d in drafts[::2])
    assert all("The record says" in d.prompt for d in drafts[1::2])


def test_the_published_json_and_the_hub_s_rows_give_the_same_questions(tmp_path):
    published = {
        "17": {
            "QUESTION": "Does it work?", "CONTEXTS": ["We tried.", "It did."], "LONG_ANSWER": "It works.",
            "final_decision": "yes",
        },
        "18": {
            "QUESTION": "Does it last?", "CONTEXTS": ["We waited."], "LONG_ANSWER": "Unclear.",
            "final_decision": "maybe",
        },
    }  # fmt: skip
    hub = [
        {
            "pubid": int(key), "question": row["QUESTION"], "context": {"contexts": row["CONTEXTS"]},
            "long_answer": row["LONG_ANSWER"], "final_decision": row["final_decision"],
        }
        for key, row in published.items()
    ]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(published))
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, hub)))
    one, other = (load("pubmedqa", path=str(tmp_path / name)) for name in ("a.json", "b.jsonl"))
    assert one.fingerprint == other.fingerprint
    example = next(e for e in one.train + one.test if e.id == "pubmed-17")
    assert (example.answer, example.rationale) == ("yes", "It works.")
    assert example.prompt == "We tried. It did.\n\nDoes it work? Answer yes, no or maybe."


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"1": {"QUESTION": "q"}}', "a.json, 1: needs a question"),
        ('{"1": []}', "1: a list, not an object"),
        ("[]", "expected an object from PubMed ids"),
        ("{", "cannot be read as PubMedQA's JSON"),
        ("{}", "holds no questions"),
    ],
)
def test_a_file_in_another_format_is_named(tmp_path, text, match):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RftlabError, match=match):
        load("pubmedqa", path=str(tmp_path / "a.json"))

"""Laboratory units: analytes with their molar masses, and conversions between mass and amount of substance.

Molar masses in g/mol follow from the formulas given and IUPAC's abridged standard atomic weights (2021); the unit pairs
are the conventional and SI units of the AMA Manual of Style's conversion table. Insulin, enzymes and other analytes in
arbitrary units are left out: they have no molar mass to convert by.
"""

import random
from typing import NamedTuple

from rftlab.tasks.procedural import Draft


class Analyte(NamedTuple):
    """One analyte and the two units it is reported in.

    Attributes:
        name: its name.
        formula: chemical formula whose molar mass counts; what is counted, for elements.
        molar_mass: g/mol.
        mass_unit: conventional unit.
        amount_unit: SI unit.
        low: smallest value drawn, in the conventional unit.
        high: largest value drawn, likewise.
    """

    name: str
    formula: str
    molar_mass: float
    mass_unit: str
    amount_unit: str
    low: float
    high: float

    @property
    def factor(self) -> float:
        """Amount units in one mass unit: mass scale over molar mass over amount scale."""
        return _GRAMS_PER_LITRE[self.mass_unit] / self.molar_mass / _MOLES_PER_LITRE[self.amount_unit]


_GRAMS_PER_LITRE = {
    "g/dL": 10.0,
    "mg/dL": 1e-2,
    "µg/dL": 1e-5,
    "ng/dL": 1e-8,
    "µg/mL": 1e-3,
    "ng/mL": 1e-6,
    "pg/mL": 1e-9,
}
_MOLES_PER_LITRE = {"mmol/L": 1e-3, "µmol/L": 1e-6, "nmol/L": 1e-9, "pmol/L": 1e-12}

ANALYTES: tuple[Analyte, ...] = (
    Analyte("glucose", "C6H12O6", 180.156, "mg/dL", "mmol/L", 50, 400),
    Analyte("cholesterol", "C27H46O", 386.664, "mg/dL", "mmol/L", 100, 350),
    Analyte("triglycerides (as triolein)", "C57H104O6", 885.453, "mg/dL", "mmol/L", 40, 600),
    Analyte("creatinine", "C4H7N3O", 113.120, "mg/dL", "µmol/L", 0.4, 9),
    Analyte("bilirubin", "C33H36N4O6", 584.673, "mg/dL", "µmol/L", 0.2, 20),
    Analyte("uric acid", "C5H4N4O3", 168.112, "mg/dL", "µmol/L", 2, 14),
    Analyte("urea", "CH4N2O", 60.056, "mg/dL", "mmol/L", 10, 200),
    Analyte("calcium", "Ca", 40.078, "mg/dL", "mmol/L", 6, 15),
    Analyte("magnesium", "Mg", 24.305, "mg/dL", "mmol/L", 0.8, 5),
    Analyte("phosphate (as phosphorus)", "P", 30.974, "mg/dL", "mmol/L", 1, 9),
    Analyte("lactic acid", "C3H6O3", 90.078, "mg/dL", "mmol/L", 4, 120),
    Analyte("ethanol", "C2H6O", 46.069, "mg/dL", "mmol/L", 5, 400),
    Analyte("iron", "Fe", 55.845, "µg/dL", "µmol/L", 20, 250),
    Analyte("copper", "Cu", 63.546, "µg/dL", "µmol/L", 40, 250),
    Analyte("zinc", "Zn", 65.380, "µg/dL", "µmol/L", 40, 200),
    Analyte("lead", "Pb", 207.200, "µg/dL", "µmol/L", 2, 90),
    Analyte("ammonia", "NH3", 17.031, "µg/dL", "µmol/L", 15, 400),
    Analyte("cortisol", "C21H30O5", 362.466, "µg/dL", "nmol/L", 2, 50),
    Analyte("thyroxine", "C15H11I4NO4", 776.873, "µg/dL", "nmol/L", 2, 20),
    Analyte("testosterone", "C19H28O2", 288.431, "ng/dL", "nmol/L", 15, 1100),
    Analyte("progesterone", "C21H30O2", 314.469, "ng/mL", "nmol/L", 1, 30),
    Analyte("estradiol", "C18H24O2", 272.388, "pg/mL", "pmol/L", 10, 400),
    Analyte("25-hydroxyvitamin D3", "C27H44O2", 400.647, "ng/mL", "nmol/L", 5, 90),
    Analyte("folic acid", "C19H19N7O6", 441.404, "ng/mL", "nmol/L", 2, 25),
    Analyte("digoxin", "C41H64O14", 780.949, "ng/mL", "nmol/L", 0.3, 4),
    Analyte("paracetamol", "C8H9NO2", 151.165, "µg/mL", "µmol/L", 5, 300),
    Analyte("theophylline", "C7H8N4O2", 180.167, "µg/mL", "µmol/L", 3, 40),
    Analyte("phenytoin", "C15H12N2O2", 252.273, "µg/mL", "µmol/L", 4, 40),
)


def draw_conversion(rng: random.Random, far: bool) -> Draft:
    """Draw a value to convert to the other unit; far: other words, and a factor instead of the molar mass."""
    analyte = rng.choice(ANALYTES)
    value = _significant(rng.uniform(analyte.low, analyte.high), 3)
    to_amount = rng.random() < 0.5
    factor = float(f"{analyte.factor:.5g}")
    if to_amount:
        source, target, result = analyte.mass_unit, analyte.amount_unit, value * analyte.factor
        steps = f"1 {source} is {factor:g} {target}. {value:g} x {factor:g}"
    else:
        source, target = analyte.amount_unit, analyte.mass_unit
        value = _significant(value * analyte.factor, 3)
        result = value / analyte.factor
        steps = f"1 {target} is {factor:g} {source}. {value:g} / {factor:g}"
    answer = f"{_significant(result, 3):g}"
    if far:
        known = f"1 {analyte.mass_unit} of it is {factor:g} {analyte.amount_unit}"
        prompt = f"A laboratory reports {analyte.name} of {value:g} {source}; {known}. How much is that in {target}?"
    else:
        prompt = (
            f"Convert {analyte.name}, {value:g} {source}, to {target}. Its molar mass is {analyte.molar_mass:g} g/mol. "
            "Give three significant digits."
        )
    key = f"{analyte.name} {value:g} {source}"
    return Draft(key, prompt, answer, f"{steps} = {answer}.", {"unit": target, "relative": 0.01})


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")

"""A number within a tolerance, with or without a unit, compared as exact fractions."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Literal

from rftlab.errors import RftlabError
from rftlab.verifiers._counted import is_turned_over, may_be_percent, may_count
from rftlab.verifiers._prompt import names_another, read_prompt, repeats
from rftlab.verifiers._quantity import PERCENT, Quantity, to_quantity
from rftlab.verifiers._sentence import stated
from rftlab.verifiers._units import is_asked_for, to_unit
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge


class Numeric(Verifier):
    r"""Correct (1.0) if the answer is one number with |answer - gold| <= max(absolute, relative * |gold|), else 0.0.

    Reads integers, decimals, `a/b`, `1 1/2`, `\frac{a}{b}`, `1.5e3`, `1.5 x 10^3`, `3 million`, thousands separators,
    in whatever wrappers (`unwrap`). Units are compared by dimension: `0.5 g`, `500 mg` and `500 milligrams` are equal,
    so are `1 h 30 min` and `90 min`; case decides (`Mg` is not `mg`); an unknown unit only equals itself, `$` is not
    `€`. To a gold answer without a unit, a currency or what is counted (`42 apples`) may be added, but no word that
    makes it another number or denies it (`42 squared`, `42 wrong`); a unit with a scale (`42 days`) only where the
    prompt speaks of that unit and of no other of its kind. A percent sign makes a hundredth of a number, or is left out
    where a percentage is asked for. A whole sentence (`The baker makes 288 rolls`) is read where its other words are
    the prompt's or say nothing, and a calculation (`12 × 24 = 288`) where it holds. `meta["unit"]` names the unit of a
    gold answer written without one; `meta["absolute"]` and `meta["relative"]` override an example's tolerances.

    Args:
        absolute: largest difference, in the gold answer's unit.
        relative: largest difference as a share of the gold answer.
        unit: "optional": may be left out, but if given must agree; "required"; "ignored": any unit will do.
        **settings: see `Verifier`.

    Raises:
        RftlabError: a negative tolerance, or an unknown value of ``unit``.
    """

    row: ClassVar[Mapping[str, Any]] = {"prompt": "How much is half a litre?", "answer": "500", "unit": "ml"}

    def __init__(
        self,
        *,
        absolute: float = 0.0,
        relative: float = 1e-6,
        unit: Literal["optional", "required", "ignored"] = "optional",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not (absolute >= 0 and relative >= 0):
            raise RftlabError(f"numeric: tolerances absolute={absolute}, relative={relative}; give numbers >= 0")
        if unit not in ("optional", "required", "ignored"):
            raise RftlabError(f"numeric: unit={unit!r}; give optional, required or ignored")
        self._absolute, self._relative, self._unit = absolute, relative, unit

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Compare one extracted answer with the gold one."""
        gold, found = to_quantity(example.answer), to_quantity(answer)
        if gold is None:
            return cannot_judge(f"the gold answer {example.answer[:80]!r} is not one number with at most one unit")
        try:
            tolerance = self._tolerance(gold.value, example)
        except (ValueError, ZeroDivisionError) as error:
            return cannot_judge(f"meta.absolute or meta.relative is no number: {error}")
        given = example.meta.get("unit")
        if answer.strip() != example.answer.strip() and repeats(answer, example.prompt, whole=True):
            return Judgement(0.0, detail="the prompt repeated")
        if found and _is_another_letter(answer, read_prompt(example.prompt).letter):
            return Judgement(0.0, detail="says what another letter is")
        if found and names_another(answer, read_prompt(example.prompt)):
            return Judgement(0.0, detail="names something else than what is asked")
        unit = gold.unit or (to_unit(str(given)) if given else None)
        gold = gold._replace(unit=unit)
        if found and self._is_within(tolerance, found, gold, example.prompt):
            return Judgement(1.0)
        readings = [*([found] if found else []), *stated(answer, example.prompt)]
        if not readings:
            return Judgement(0.0, detail="not one number with at most one unit, nor a sentence that states one")
        if unit and self._unit == "required" and all(each.unit is None for each in readings):
            return Judgement(0.0, detail="the unit is missing")
        return Judgement(float(any(self._is_within(tolerance, each, gold, example.prompt) for each in readings)))

    def _is_within(self, tolerance: Fraction, found: Quantity, gold: Quantity, prompt: str) -> bool:
        if found.unit is None and gold.unit is not None and self._unit == "required":
            return False
        values = [found.value] if self._unit == "ignored" else _in_unit(found, gold, prompt)
        wanted = [gold.value, gold.value / 100] if gold.unit == PERCENT and found.unit is None else [gold.value]
        return any(abs(v - w) <= tolerance for v in values for w in wanted)

    def _tolerance(self, gold: Fraction, example: Gold) -> Fraction:
        absolute = Fraction(str(example.meta.get("absolute", self._absolute)))
        relative = Fraction(str(example.meta.get("relative", self._relative)))
        return max(absolute, relative * abs(gold))


def _is_another_letter(answer: str, letter: str) -> bool:
    """Whether an answer such as `x = 19` is about another letter than the one asked for."""
    label = re.match(r"[\s$*]{0,9}([A-Za-z]) ?=", answer)
    return bool(letter and label and label[1].casefold() != letter.casefold())


def _in_unit(found: Quantity, gold: Quantity, prompt: str) -> list[Fraction]:
    """Values the found quantity can have in the gold answer's unit; none where the units do not agree."""
    unit = gold.unit
    if found.unit is None:
        return [found.value]
    if unit is None and not _may_be_added(found, prompt):
        return []
    if found.unit == PERCENT and unit is None:
        asked = read_prompt(prompt)
        in_percent = asked.of_percent or (may_be_percent(asked) and abs(gold.value) > 1)
        return [found.value / 100, *([found.value] if in_percent else [])]
    if unit is None:
        return [found.value]
    return [found.value * found.unit.factor / unit.factor] if found.unit.powers == unit.powers else []


def _may_be_added(found: Quantity, prompt: str) -> bool:
    """Whether a unit may stand behind a number that the gold answer has without one.

    What the number counts or costs is no matter of scale; a letter alone may be anything.
    """
    first = to_unit(found.named.split(" ")[0])
    if found.unit and is_turned_over(found.unit, prompt):
        return False
    if found.unit and found.unit.scales:
        told = is_asked_for(found.named, prompt)
    elif first and first.scales:
        told = is_asked_for(found.named.split(" ")[0], prompt)
    else:
        told = not re.fullmatch("[A-Za-z]", found.named)
    return told and may_count(found.named, read_prompt(prompt))

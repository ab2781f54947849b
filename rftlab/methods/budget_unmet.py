"""Where a training could not keep to its budget, in sentences for the reader of its record."""

import math

from rftlab.methods.cost import Cost
from rftlab.methods.plateau import Kept

# One step, or a budget not spent, above this share of the budget is said.
_COARSE = 0.05


def whole(unit: str, asked: float) -> float:
    """The amount that is spent of a budget: of steps a whole number, at least one."""
    return float(max(1, math.floor(asked))) if unit == "steps" else asked


def of_budget(cost: Cost, kept: Kept | None, *, unit: str, asked: float, most_a_step: float) -> list[str]:
    """What does not fit between a budget and what was spent of it.

    Args:
        cost: what was spent.
        kept: the policy that training was ended with, where it was to end at its plateau.
        unit: of the budget.
        asked: its amount.
        most_a_step: what the dearest step took, in that unit.
    """
    said, spent, amount = [], cost.spent(unit), whole(unit, asked)
    if unit == "steps" and amount != asked:
        said.append(f"a budget of {asked:g} steps is {amount:g} whole ones")
    elif unit != "steps" and most_a_step > _COARSE * amount:
        said.append(
            f"one step costs up to {most_a_step / amount:.0%} of the budget of {amount:g} {unit}, which "
            "therefore cannot be met closely; give a larger budget, or smaller steps"
        )
    if kept and kept.reason == "cap":
        said.append(
            f"not at its plateau: the cap of {amount:g} {unit} ended training, and accuracy on development items had "
            f"last risen at step {kept.gained_at}; raise budget.amount in all arms"
        )
    stopped = kept and kept.reason == "plateau"
    if cost.flops and abs(spent - amount) > _COARSE * amount and not stopped:
        said.append(f"{spent / amount:.0%} of the budget of {amount:g} {unit} was spent")
    return said

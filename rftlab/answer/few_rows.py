"""What is said of runs whose rows were few: folds of the same rows, and labels that are most of what they come from."""

from collections.abc import Iterable, Sequence

from rftlab import stats
from rftlab.folds import Folds


def overlap_of(folds: Folds | None) -> float:
    """What seeds have in common, for `rftlab.stats`: 0 unless they are folds."""
    return stats.fold_overlap(folds.count) if folds else 0.0


def speaks_of(overlap: float) -> str:
    """What intervals are for: `new seeds and new test items`."""
    return (
        "new rows and new seeds (wider for what folds of the same rows share)"
        if overlap
        else ("new seeds and new test items")
    )


def drawn_from(labels: int, pool: int) -> str:
    """Whose labels these are, where two draws of so many have more than half in common; "" elsewhere.

    Args:
        labels: the label budget.
        pool: rows that it was drawn from, 0 if unknown.
    """
    return f"labels drawn from these {pool} rows" if 2 * labels > pool > 0 else ""


def of_labels(budgets: Sequence[int], pool: int, folds: Folds | None) -> str:
    """The same of several label budgets in a sentence, with what follows for the intervals; "" if of none."""
    few = [labels for labels in sorted({*budgets}) if drawn_from(labels, pool)]
    if not few:
        return ""
    follows = "which the wider intervals cover" if folds else "so that intervals speak of these rows, not of new ones"
    with_ = " and ".join(map(str, few)) if len(few) < 3 else f"{few[0]} to {few[-1]}"
    return f"{drawn_from(few[-1], pool)}: with {with_} of them two draws have more than half in common, {follows}"


def of_folds(folds: Folds, seeds: Iterable[int]) -> str:
    """What a study of folds covers, in a sentence, and what is left to run."""
    run = {*seeds}
    lacking = folds.lacking(run)
    return (
        f"covers new rows and seeds like these: {folds.rows} rows, {folds.repeats(run)}"
        f"{f' ({lacking})' if lacking else ''}; intervals are wider for what folds share"
    )

"""What `rftlab.load` returns, one row a cell, as the table of means that figures take."""

from collections.abc import Collection

import pandas as pd

_BY = ["task", "model", "variant", "prompt", "arm", "labels"]
_CELLS = frozenset({"task", "model", "method", "labels", "cot", "cot_eval", "seed"})
_COSTS = ("flops", "tokens", "seconds")


def tidy(table: pd.DataFrame, measures: Collection[str]) -> pd.DataFrame:
    """Means over seeds of one row a cell, without intervals; any other table as it is.

    Args:
        table: anything.
        measures: columns that become rows of the result; columns of pass@k always do.

    Returns:
        Columns task, model, variant (""), prompt, arm (the method), labels, measure, mean, low, high (NaN), n, and mean
        flops, tokens and seconds.

    Raises:
        ValueError: cells of one task, method, prompt, label budget and seed differ in something else, over which a mean
            would go.
    """
    if not set(table) >= _CELLS or "mean" in table:
        return table
    cells = table.assign(
        variant="", arm=table["method"], prompt=list(map(prompt_name, table["cot"], table["cot_eval"]))
    )
    if "tokens" not in cells and {"tokens_generated", "tokens_trained"} <= set(cells):
        cells["tokens"] = cells["tokens_generated"] + cells["tokens_trained"]
    twins = cells[cells.duplicated([*_BY, "seed"], keep=False)]
    if len(twins):
        first = twins.iloc[0]
        raise ValueError(
            f"{len(twins)} cells, such as those of {first['method']} with {first['labels']} labels and seed "
            f"{first['seed']}, differ in something beside task, method, prompt, labels and seed; give a part of the "
            "table, or the one of rftlab.report.summary, which tells them apart"
        )
    found = [name for name in map(str, cells) if name in measures or name.startswith("pass_at_")]
    groups = cells.groupby(_BY, sort=False)
    costs = groups[[cost for cost in _COSTS if cost in cells]].mean()
    long = cells.melt(_BY, found, "measure", "mean").dropna(subset="mean").astype({"mean": float})
    means = long.groupby([*_BY, "measure"], sort=False)["mean"].agg(["mean", "count"]).reset_index()
    means = means.rename(columns={"count": "n"}).assign(low=float("nan"), high=float("nan"))
    return means.merge(costs, how="left", left_on=_BY, right_index=True)


def prompt_name(cot: bool, cot_eval: bool) -> str:
    """`direct`, `chain-of-thought`, or in words how the two differ."""
    if cot == cot_eval:
        return "chain-of-thought" if cot else "direct"
    return (
        "direct in training, asked for chain-of-thought" if cot_eval else "chain-of-thought in training, asked directly"
    )

"""Win rates of a study as a table and in words."""

from collections.abc import Iterable
from math import nan
from pathlib import Path

import pandas as pd

from rftlab.answer.contests import EVEN, counts, measure_of
from rftlab.answer.decisions import Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.results import Results
from rftlab.shown.tables import TextTable


def win_rates(results: str | Path, waive: str | Iterable[str] = ()) -> pd.DataFrame:
    """`table` of a results folder or an archive; empty where nobody has judged.

    Raises:
        RftlabError: as `rftlab.load`; or the judgements cannot be read.
    """
    return table(*study_of(results, waive))


def table(results: Results, decisions: Decisions) -> pd.DataFrame:
    """Every contest that was judged: a row each, with what the study's decisions say of it.

    Args:
        results: as read.
        decisions: of these results.

    Returns:
        Columns judge, those of `Place`, first, second, win_rate (share that the first won, a tie half), low, high
        (simultaneous, for new seeds and items), word, seeds, items, won, tied, lost, no_verdict (pairs), position_bias
        (share of those judged in both orders where the orders disagreed), tokens_first, tokens_second (mean lengths).
    """
    rows = []
    for each in counts(results):
        contest, said = each.contest, each.verdicts
        found = decisions.between(contest.place, contest.first, contest.second, measure_of(each.judge))
        if found is None:
            continue
        difference = found.difference
        both = said["both orders"]
        rows.append(
            {
                "judge": each.judge, **contest.place._asdict(), "first": contest.first, "second": contest.second,
                "win_rate": difference.estimate + EVEN, "low": difference.low + EVEN, "high": difference.high + EVEN,
                "word": found.word, "seeds": difference.seeds, "items": difference.items, "won": said["won"],
                "tied": said["tied"], "lost": said["lost"], "no_verdict": said["no verdict"],
                "position_bias": said["disagreed"] / both if both else nan, "tokens_first": each.tokens[0],
                "tokens_second": each.tokens[1],
            }
        )  # fmt: skip
    return TextTable(rows)


def sentences(found: pd.DataFrame) -> list[str]:
    """Each row of `table` in words."""
    said = []
    for row in found.to_dict("records"):
        limits = f"[{row['low']:.0%}, {row['high']:.0%}]" if row["low"] == row["low"] else "no interval"
        bias = row["position_bias"]
        parts = [
            f"{row['first']} wins {row['win_rate']:.0%} {limits} against {row['second']}: {row['word']}",
            f"{row['won']} won, {row['tied']} tied, {row['lost']} lost",
            *([f"{row['no_verdict']} without a verdict"] if row["no_verdict"] else []),
            f"{row['tokens_first']:.0f} against {row['tokens_second']:.0f} tokens",
            "one order only" if bias != bias else f"orders disagree on {bias:.0%}",
        ]
        where = ", ".join(str(row[name]) for name in ("task", "variant", "prompt") if row[name])
        said.append(f"{where}, {row['labels']} labels, by {row['judge']}: {'; '.join(parts)}")
    return said

"""Which figures a report has, what each is drawn from, how it is read, and what it shows in words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from rftlab import plots
from rftlab.answer import few_rows, phrases
from rftlab.answer.choices import Panel
from rftlab.answer.comparisons import EQUAL_COMPUTE
from rftlab.answer.decisions import Decision, Decisions
from rftlab.answer.results import PANEL, Results, is_base, measured
from rftlab.answer.results import place as place_name
from rftlab.plots.look import INK, LINE, PAPER, QUIET, SOFT
from rftlab.report import about, tables, verdicts

HERO = "accuracy_vs_labels"
_OWN_PROMPTS = ("direct", "chain-of-thought")
_TABS = ("sampled_accuracy", "sampled_score", "ood_accuracy", EQUAL_COMPUTE)
_ROW_KINDS = {
    "train_accuracy": ("train", "o", False),
    "accuracy": ("test", "o", True),
    "ood_accuracy": ("out of distribution", "s", False),
    "ood_rule_accuracy": ("rule changed", "s", True),
    "ood_surface_accuracy": ("wording changed", "D", False),
    "retention_accuracy": ("retention", "^", False),
}
_PANELS_OPEN = 3
_KEPT = (
    "An arm trained to its plateau keeps the policy of its best evaluation, not its last: tables and decisions are of "
    "that policy, and may be far above the end of a curve that falls. "
)
_EXPLORATORY = " (exploratory)"
# Colours of a figure that follow the page, which may be dark.
_COLOURS = {
    **{colour: f"var(--{family})" for family, colour in plots.FAMILIES.items()},
    INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", PAPER: "var(--paper)", QUIET: "var(--quiet)",
    "white": "var(--paper)",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """One figure.

    Attributes:
        name: of its file.
        title: a short one, of a tab or of a panel.
        alt: what it shows in words.
        figure: to draw.
        slim: the same for a narrow window, where it cannot just be shown smaller.
    """

    name: str
    title: str
    alt: str
    figure: Figure
    slim: Figure | None = None

    @cached_property
    def svg(self) -> str:
        """The content of an SVG file; its ids are those of no other picture."""
        return plots.to_bytes(self.figure, "svg", salt=self.name).decode()


class Drawing(NamedTuple):
    """A section's pictures; none where the cells cannot show it, and ``caption`` then says why.

    Attributes:
        name: of the section.
        heading: of the section.
        caption: how it is read.
        pictures: to look at at once, or one at a time as tabs.
        more: further ones, folded away.
    """

    name: str
    heading: str
    caption: str
    pictures: tuple[Picture, ...] = ()
    more: tuple[Picture, ...] = ()


def draw_all(study: Results, decisions: Decisions) -> list[Drawing]:
    """Every figure of the report, in reading order.

    Args:
        study: as read.
        decisions: of it.
    """
    table = tables.summary(study.cells, study.where, decisions=decisions)
    return [
        hero(study, decisions, table),
        _forest(decisions),
        _prompts(decisions),
        _memorised(decisions, table),
        _learning(study),
        _signals(study),
        _cost(study, table),
    ]


def inline(picture: Picture) -> str:
    """The picture as SVG for the inside of a page: as wide as there is room, in its colours, with its alt text.

    A picture that has a slim one gets both; the page shows one of them.
    """
    if picture.slim is None:
        return _inline(picture.svg, picture.alt)
    slim = plots.to_bytes(picture.slim, "svg", salt=f"{picture.name}_slim").decode()
    shown = {"broad": picture.svg, "slim": slim}
    return "".join(f'<div class="{name}">{_inline(svg, picture.alt)}</div>' for name, svg in shown.items())


def _inline(svg: str, alt: str) -> str:
    head, body = svg[svg.index("<svg") :].split(">", 1)
    head = re.sub(r' (?:width|height|xmlns:xlink)="[^"]*"', "", head)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"#[0-9a-f]{6}\b", lambda found: _COLOURS.get(found[0], found[0]), body)
    body = body.replace("xlink:href", "href")
    wide = float(head.split('viewBox="')[1].split()[2])
    size = f'style="max-width: {wide:.0f}px; min-width: {_least(wide):.0f}px"'
    return f'{head} {size} role="img" aria-label="{escape(alt, quote=True)}">{body}'


def _least(wide: float) -> float:
    """The width below which a picture is scrolled rather than shown smaller: its text would be too small to read."""
    return 0.65 * wide


def hero(study: Results, decisions: Decisions, table: pd.DataFrame) -> Drawing:
    """Accuracy against labels, a picture a measure, and each of them again from 0 to 100 %."""
    caption = (
        "Dashed: the untrained base; at 0 stands what trained on prompts without labels. Bars are 95 % intervals for "
        f"{few_rows.speaks_of(decisions.overlap(()))}, each for itself; small marks are the single seeds; dotted: 100 "
        "labels. Overlapping bars do not mean equal: read the decisions."
    )
    if is_base(study.cells).all():
        return Drawing(HERO, "Accuracy against labels", "no trained cell has finished yet.")
    pictures = []
    of_k = [name for name in measured(study.cells) if name.startswith(("pass_at_", "majority_at_"))]
    largest = {name.rpartition("_at_")[0]: name for name in of_k}
    for measure in (decisions.decides, *_TABS, *largest.values()):
        rows, points = _levels(decisions, measure)
        if rows.empty and measure in set(table["measure"]):
            rows, points = table[table["measure"] == measure], tables.seed_points(study.cells, [measure])
        rows = rows[rows["prompt"].isin(_OWN_PROMPTS)] if rows["prompt"].isin(_OWN_PROMPTS).any() else rows
        if rows.empty or points.empty:
            continue
        bright = _loud(decisions, rows)
        said = _name(measure, decisions)
        alt = f"{said} against the label budget. {_in_words(rows)}"
        name = HERO if measure == decisions.decides else f"{HERO}_{measure}"
        for whole in (False, True):
            drawn = plots.over_labels(rows, points, loud=bright, whole=whole)
            suffix, range_ = ("_0_100", ", from 0 to 100 %") if whole else ("", "")
            pictures.append(Picture(f"{name}{suffix}", said, alt + range_, drawn))
    return Drawing(HERO, "Accuracy against labels", caption, tuple(pictures))


def _name(measure: str, decisions: Decisions) -> str:
    marks = sorted({level.flops for level in decisions.levels if level.measure == EQUAL_COMPUTE})
    bill = " to ".join(f"{mark:.3g}" for mark in dict.fromkeys((marks[0], marks[-1]))) if marks else "no"
    named = {
        EQUAL_COMPUTE: f"greedy, at equal compute ({bill} FLOPs)",
        "accuracy": "greedy",
        "sampled_accuracy": "sampled",
    }
    return named.get(measure, plots.title(measure))


def _levels(decisions: Decisions, measure: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means with intervals, and single seeds, of a measure whose items are known."""
    found = [
        (level, dict(zip(PANEL, level.place[:4], strict=True)))
        for level in decisions.levels
        if level.measure == measure
    ]
    rows = [
        {**panel, "arm": lv.arm, "labels": lv.place.labels, "measure": measure, "mean": lv.mean.estimate,
         "low": lv.mean.low, "high": lv.mean.high, "n": len(lv.seeds)}
        for lv, panel in found
    ]  # fmt: skip
    points = [
        {**panel, "arm": lv.arm, "labels": lv.place.labels, "measure": measure, "value": value}
        for lv, panel in found
        if lv.trained
        for value in lv.seeds.values()
    ]
    head = [*PANEL, "arm", "labels", "measure"]
    table = pd.DataFrame(rows, columns=[*head, "mean", "low", "high", "n"])
    return table.sort_values([*PANEL, "labels"]), pd.DataFrame(points, columns=[*head, "value"])


def _loud(decisions: Decisions, rows: pd.DataFrame) -> frozenset[str]:
    panels = list(rows[PANEL].drop_duplicates().itertuples(index=False, name=None))
    found = [about.loud(decisions, panel) for panel in panels]
    return frozenset().union(*found)


def _in_words(rows: pd.DataFrame) -> str:
    said = []
    for key, part in rows.groupby(PANEL, sort=False):
        arms = []
        for arm, line in part.groupby("arm", sort=False):
            means = [
                f"{100 * m:.0f} %{f' at {n}' if n else ''}" for n, m in zip(line["labels"], line["mean"], strict=True)
            ]
            arms.append(f"{plots.title(str(arm))} {', '.join(means)}")
        said.append(f"{place_name((str(key[0]), key[2], key[3]))}: {'; '.join(arms)}.")  # type: ignore[index]
    return " ".join(said)


def _forest(decisions: Decisions) -> Drawing:
    margin = decisions.plan.smallest_effect
    caption = (
        f"First minus second, with the interval of its family; grey band: smaller than {100 * margin:g} points. An "
        "interval that crosses zero is open, unless it lies within the band."
    )
    chosen = phrases.chosen_panels(decisions)
    pictures = {}
    for panel in [*chosen, *(panel for panel in decisions.panels if panel not in chosen)]:
        rows = [
            _difference(each, f"{plots.title(each.first)} against {plots.title(each.second)}", here.labels)
            for here in decisions.places(panel)
            for each in sorted(verdicts.shown(decisions, here), key=_by_family)
            if each.difference.seeds
        ]
        if rows:
            pictures[panel] = _forest_picture("forest", panel, rows, decisions)
    first = [picture for panel, picture in pictures.items() if panel in chosen][:_PANELS_OPEN] or list(
        pictures.values()
    )[:1]
    caption = caption if first else "nothing is compared."
    rest = [picture for picture in pictures.values() if picture not in first]
    return Drawing("forest", "Differences", caption, tuple(first), tuple(rest))


def _by_family(decision: Decision) -> tuple[int, float]:
    families = list(plots.FAMILIES)
    colour = plots.look(decision.first)[0]
    return [plots.FAMILIES[name] for name in families].index(colour), -decision.difference.estimate


def _difference(each: Decision, name: str, labels: int) -> dict[str, object]:
    difference = each.difference
    mark = _EXPLORATORY if each.family == "exploratory" and each.axis == "method" else ""
    return {
        "arm": each.first, "name": name, "group": f"{labels} labels" if labels else "", "estimate": difference.estimate,
        "low": difference.low, "high": difference.high, "text": f"{phrases.interval(difference)} {each.word}{mark}",
    }  # fmt: skip


def _forest_picture(name: str, panel: Panel, rows: Sequence[dict[str, object]], decisions: Decisions) -> Picture:
    title = place_name((panel[0], panel[2], panel[3]))
    table = pd.DataFrame(rows)
    how: Any = {"margin": decisions.plan.smallest_effect, "loud": about.loud(decisions, panel)}
    short = table.assign(
        name=table["name"].str.replace(" against ", " \N{MINUS SIGN} ", regex=False),
        text=table["text"].str.replace(_EXPLORATORY, " *", regex=False),
    )
    note = "; * exploratory" if table["text"].str.endswith(_EXPLORATORY).any() else ""
    slim = plots.forest(short, stacked=True, note=note, **how)
    at = {str(group): f"{group}: " if group else "" for group in table["group"]}
    words = "; ".join(f"{at[str(row['group'])]}{row['name']} {row['text']}" for row in rows)
    return Picture(
        f"{name}_{slug(title)}", title, f"Differences in points, {title}. {words}", plots.forest(table, **how), slim
    )


def _prompts(decisions: Decisions) -> Drawing:
    heading = "Chain-of-thought against direct prompts"
    rows: dict[Panel, list[dict[str, object]]] = {}
    for each in decisions.decisions:
        if each.axis == "cot" and each.measure == decisions.decides and each.difference.seeds:
            name = plots.title(each.first)
            rows.setdefault(each.place[:4], []).append(_difference(each, name, each.place.labels))
    if not rows:
        several = len({panel[3] for panel in decisions.panels}) > 1
        why = "no arm has been run with both" if several else "only one kind of prompt has been run"
        return Drawing("prompts", heading, f"{why}.")
    caption = "With chain-of-thought minus without, of the same arm. The cap on a completion goes with the prompt."
    pictures = [_forest_picture("prompts", panel, found, decisions) for panel, found in rows.items()]
    return Drawing("prompts", heading, caption, tuple(pictures[:_PANELS_OPEN]), tuple(pictures[_PANELS_OPEN:]))


def _memorised(decisions: Decisions, table: pd.DataFrame) -> Drawing:
    heading, caption = (
        "Memorised or learnt",
        (
            "Marks of one row belong to one arm, means over seeds. Train far right of test: memorised. Test far right "
            "of out of distribution: learnt for these items. Retention left of the base's: forgotten."
        ),
    )
    kinds = {name: look for name, look in _ROW_KINDS.items() if name in set(table["measure"])}
    if not {"train_accuracy", "ood_accuracy", "retention_accuracy"}.intersection(kinds):
        return Drawing("memorised", heading, "nothing but test accuracy was measured.")
    chosen, pictures = phrases.chosen_panels(decisions), {}
    rows = table[table["measure"].isin(kinds)].sort_values(["labels", "arm"])
    for key, part in rows.groupby(PANEL, sort=True):
        panel: Panel = tuple(map(str, key))  # type: ignore[assignment, arg-type]
        title = place_name((panel[0], panel[2], panel[3]))
        drawn = plots.marks(part, kinds, loud=about.loud(decisions, panel))
        words = "; ".join(
            f"{plots.title(str(arm))}{f', {labels} labels' if labels else ''}: "
            + ", ".join(
                f"{kinds[m][0]} {100 * mean:.0f} %" for m, mean in zip(some["measure"], some["mean"], strict=True)
            )
            for (arm, labels), some in part.groupby(["arm", "labels"], sort=False)  # type: ignore[misc]
        )
        pictures[panel] = Picture(
            f"memorised_{slug(title)}", title, f"Accuracy by kind of item, {title}. {words}.", drawn
        )
    first = [picture for panel, picture in pictures.items() if panel in chosen][:_PANELS_OPEN]
    rest = [picture for picture in pictures.values() if picture not in first]
    return Drawing("memorised", heading, caption, tuple(first or rest[:1]), tuple(rest[0 if first else 1 :]))


def _learning(study: Results) -> Drawing:
    to_plateau = (study.cells["budget.until"] == "plateau").any()
    kept = _KEPT if to_plateau else ""
    caption = (
        "Solid: accuracy on the development items, measured along the way; dashed: the reward the trainer saw. "
        "Seeds are read at equal shares of what each spent, so that the last point is the mean of final values. "
        f"{kept}Reward that rises while accuracy does not is reward hacking or memorising. Steps of different methods "
        "cost differently: see accuracy against cost."
    )
    curves = tables.learning_table(study.cells, study.where)
    if not len(curves):
        why = "no cell was evaluated along the way, or recorded a reward"
        return Drawing("learning_curves", "Learning curves", f"{why}.")
    if not (curves["kind"] == "eval").any():
        caption = f"No cell was evaluated along the way: only the reward is drawn. {caption}"
    x = tables.learning_axis(study.cells)
    ends = curves.groupby([*PANEL, "arm", "labels", "kind"], sort=False)["value"].agg(["first", "last"])
    rows: Iterable[Any] = ends.iterrows()
    words = _few(
        f"{place_name((key[0], key[3]))}, {plots.title(key[4])}, {key[5]} labels: "
        f"{'accuracy' if key[6] == 'eval' else 'reward'} from {100 * row['first']:.0f} to {100 * row['last']:.0f} %"
        for key, row in rows
    )
    drawn = plots.learning_curves(curves, x=x)
    picture = Picture("learning_curves", "", f"Learning curves over {plots.title(x)}. {words}.", drawn)
    return Drawing("learning_curves", "Learning curves", caption, (picture,))


def _signals(study: Results) -> Drawing:
    signals = tables.signal_table(study.cells, study.where)
    heading = "Parts of the reward, length, groups alike"
    if signals.empty:
        return Drawing("signals", heading, "no cell recorded parts of its reward.")
    caption = (
        "Means over seeds at the largest label budget, as the trainer saw them. Groups alike: the share of groups "
        "whose completions were all rewarded the same, which teach nothing."
    )
    ends = signals.groupby([*PANEL, "arm", "signal"], sort=False)["value"].agg(["first", "last"])
    rows: Iterable[Any] = ends.iterrows()
    words = _few(
        f"{place_name((key[0], key[3]))}, {plots.title(key[4])}: {key[5]} from {row['first']:.2g} to {row['last']:.2g}"
        for key, row in rows
    )
    picture = Picture("signals", "", f"Signals of training over steps. {words}.", plots.signals(signals))
    return Drawing("signals", heading, caption, (picture,))


def _cost(study: Results, table: pd.DataFrame) -> Drawing:
    caption = (
        "Up and to the left is better. FLOPs are estimated from tokens, and count what came before training: pass "
        "rates, trials and choices in the cell, a teacher's training. Tokens are those generated and trained on; "
        "seconds are wall time. Not counted: evaluation, a tuning stage. Not drawn: what trains and searches nothing."
    )
    heading = "Accuracy against cost"
    if is_base(study.cells).all():
        return Drawing("accuracy_vs_cost", heading, "no trained cell has finished yet.")
    spent = tables.cost_table(study.cells, table)
    spent = spent[(spent["labels"] == 0) | (spent["flops"] > 0)]  # whose labels stand in the prompt trains nothing
    words = _few(
        f"{place_name((row['task'], row['prompt']))}, {plots.title(row['arm'])}, {row['labels']} labels: "
        f"{100 * row['mean']:.0f} % for {row['flops']:.2g} FLOPs"
        for row in spent[spent["flops"] > 0].to_dict("records")
    )
    picture = Picture("accuracy_vs_cost", "", f"Accuracy against cost. {words}.", plots.accuracy_vs_cost(spent))
    return Drawing("accuracy_vs_cost", heading, caption, (picture,))


def _few(texts: Iterable[str], most: int = 24) -> str:
    found = list(texts)
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(found[:most]) + more


def slug(text: str) -> str:
    """The text as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")

"""How figures look: a colour and a marker per method, names, fonts, and the axes that every figure shares."""

import io
import re
import textwrap
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from rftlab.plots.cells import tidy

BASE = "base"
_BOLD = 8.5
"""Pixels of a bold letter of an axis' name."""
INK, SOFT, LINE, PAPER, QUIET = "#1d2329", "#59636e", "#dfe3e8", "#ffffff", "#9aa3ad"
"""Text, lesser text, grid lines, background, and the grey of what stands behind."""
FAMILIES = {
    "base": "#5f5f5f", "sft": "#0072b2", "rft": "#b84a00", "hybrid": "#00744f", "preference": "#9b3f86",
    "control": "#6b5d00", "own": "#3d3d46",
}  # fmt: skip
"""Family of methods -> colour: at least 4.5:1 on white, told apart by colour-blind readers together with markers."""
_LOOKS = {
    "base": ("base", "H"), "sft": ("sft", "o"), "grpo": ("rft", "^"), "sft+grpo": ("hybrid", "D"),
    "rloo": ("rft", "v"), "dpo": ("preference", "s"), "ppo": ("rft", "P"), "trpo": ("rft", "X"),
    "acer": ("rft", "<"), "sac": ("rft", ">"), "ddpg": ("rft", "p"), "chord": ("hybrid", "h"),
    "rejection_sft": ("rft", "d"), "hpt": ("hybrid", "*"), "interleaved": ("hybrid", "8"), "rlhf": ("preference", "H"),
    "base-few-shot": ("base", "p"), "base-maj": ("base", "*"), "grpo-random": ("control", "X"),
    "grpo-format": ("control", "P"),
}  # fmt: skip
STYLES: dict[str, tuple[str, str]] = {name: (FAMILIES[family], mark) for name, (family, mark) in _LOOKS.items()}
"""Method -> (colour, marker): the colour is its family's, the marker its own."""

_FALLBACK = [(FAMILIES["own"], m) for m in "o^Dsv8H*dpP"]
_MEASURES = {
    "accuracy": "greedy accuracy",
    "sampled_accuracy": "sampled accuracy",
    "train_accuracy": "train accuracy",
    "ood_accuracy": "out-of-distribution accuracy",
    "ood_rule_accuracy": "accuracy, rule changed",
    "ood_surface_accuracy": "accuracy, wording changed",
    "retention_accuracy": "retention",
    "base_train_accuracy": "the base's train accuracy",
    "score": "greedy score",
    "sampled_score": "sampled score",
    "train_score": "train score",
    "ood_score": "out-of-distribution score",
    "apart_accuracy": "accuracy by the verifier apart",
    "apart_score": "score by the verifier apart",
    "reward_hacking_gap": "reward hacking",
    "accuracy_lenient": "lenient accuracy",
    "format_rate": "format rate",
    "truncation_rate": "truncation rate",
    "flops": "training FLOPs",
    "tokens": "tokens generated + trained",
    "tokens_generated": "tokens generated",
    "seconds": "training seconds",
    "step": "optimiser step",
}
_RC: Any = {
    "font.size": 12,
    "axes.titlesize": 12.5,
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "svg.hashsalt": "rftlab",
    # Text stays text: it can be read aloud, found and selected.
    "svg.fonttype": "none",
    # Names are the user's: two dollar signs in a path are no formula.
    "text.parse_math": False,
}
_PROMPTS = " prompts"
_BEFORE = 3.0
"""How far left of the least budget the arms stand that train on prompts alone."""
_MORE = re.compile(r" (?=\[|\+ )")
_SHARES = frozenset(_MEASURES) - {"flops", "tokens", "tokens_generated", "seconds", "step"}
P = ParamSpec("P")


class ShownFigure(Figure):
    """A Figure that a notebook shows as a picture although no pyplot is loaded."""

    def _repr_png_(self) -> bytes:
        return to_bytes(self, "png", dpi=100)


def to_bytes(figure: Figure, format: str, *, dpi: int = 150, salt: str = "rftlab") -> bytes:
    """The figure as a file's content, e.g. `png` or `svg`; the same bytes for the same figure.

    Args:
        figure: what to save.
        format: as matplotlib names it.
        dpi: of a picture.
        salt: makes the ids in an SVG differ from those of another one in the same page.
    """
    buffer = io.BytesIO()
    dated = {"Date": None} if format in {"svg", "pdf"} else {"Software": None}
    with mpl.rc_context({**_RC, "svg.hashsalt": salt}):
        figure.savefig(buffer, format=format, dpi=dpi, metadata=dated)
    return buffer.getvalue()


def look(arm: str) -> tuple[str, str]:
    """(colour, marker) of a method: fixed for known names, for others always the same one, chosen by the name.

    An arm of a method, `grpo [preset=deepseek]` or `grpo + 500 prompts`, keeps its colour and gets a marker of its own.
    """
    method, more = _method(arm)
    colour, marker = STYLES.get(method) or _FALLBACK[zlib.crc32(method.encode()) % len(_FALLBACK)]
    return colour, "sDvPX<>dhp*"[zlib.crc32(arm.encode()) % 11] if more else marker


def _method(arm: str) -> tuple[str, str]:
    """An arm's method, and what tells it from others of the same."""
    method = _MORE.split(arm, maxsplit=1)[0]
    return method, arm.removeprefix(method)


def title(name: str) -> str:
    """How a method, an arm or a measure is written in a figure: `GRPO`, `pass@8`, `greedy accuracy`."""
    if name in _MEASURES:
        return _MEASURES[name]
    if name.startswith("pass_at_"):
        return f"pass@{name.removeprefix('pass_at_')}"
    method, more = _method(name)
    words = "untrained base" if method == BASE else method.replace("_", " ")
    written_large = method in STYLES and _LOOKS[method][0] not in ("base", "control")
    return (words.upper() if written_large else words) + more


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the house style, whatever the caller's matplotlib settings are; tables of cells become tables of means.

    The figure raises a ValueError that names the column which its table lacks.
    """

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        tables = [tidy(each, _SHARES) if isinstance(each, pd.DataFrame) else each for each in args]
        try:
            with mpl.rc_context(_RC):
                return draw(*tables, **kwargs)  # type: ignore[arg-type]
        except KeyError as error:
            name = getattr(draw, "__name__", "figure")
            raise ValueError(
                f"{name}: the table has no column {error.args[0]!r}; help(rftlab.plots.{name}) says what it takes"
            ) from error

    return in_style


def panels(
    table: pd.DataFrame,
    columns: Sequence[str],
    *,
    keys: Sequence[str] = ("task", "model", "variant"),
    width: float = 3.7,
    height: float = 2.9,
    sharey: bool = True,
) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a row of axes per combination of ``keys``, named on the left, and column titles on top."""
    rows = facets(table, keys)
    figure = ShownFigure(figsize=(width * len(columns) + 0.8, height * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey=sharey)
    for row, part in zip(axes, rows, strict=True):
        name_row(row[0], table, part, keys, height)
    for ax, text in zip(axes[0], columns, strict=True):
        ax.set_title(text)
    return figure, [list(row) for row in axes]


def name_row(ax: Axes, table: pd.DataFrame, part: pd.DataFrame, keys: Sequence[str], height: float) -> None:
    """Write on the left what a facet shows, beside the task what differs over the table, in lines that fit.

    Args:
        ax: the facet's first axes.
        table: the whole.
        part: the facet.
        keys: as for `facets`.
        height: of the axes, in inches.
    """
    shown = [key for key in keys if key == "task" or table[key].nunique() > 1]
    letters = int(72 * height / _BOLD)
    lines = [line for key in shown for line in textwrap.wrap(str(part[key].iloc[0]), letters, break_on_hyphens=False)]
    ax.set_ylabel("\n".join(lines), weight="bold")


def nothing(why: str) -> Figure:
    """A small figure that says why nothing is drawn."""
    figure = ShownFigure(figsize=(5.4, 1.2), layout="constrained")
    figure.text(0.5, 0.5, f"nothing to draw: {why}", ha="center", va="center", color=SOFT)
    return figure


def facets(table: pd.DataFrame, keys: Sequence[str] = ("task", "model", "variant")) -> list[pd.DataFrame]:
    """The table's parts, one per combination of ``keys``, in order of appearance: the rows of `panels`."""
    return [part for _, part in table.groupby(list(keys), sort=False)]


def pick(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows in which every named column has the given value."""
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def arms(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(arm, its rows) for every arm that has labels or prompts to train on, in the fixed order of methods."""
    trained = table[~_untrained(table)]
    return [(arm, pick(trained, arm=arm)) for arm in sorted(trained["arm"].unique(), key=rank)]


def untrained(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of arms that have neither labels nor prompts to train on."""
    return table[_untrained(table)]


def _untrained(table: pd.DataFrame) -> "pd.Series[bool]":
    return (table["labels"] == 0) & ~table["arm"].astype(str).str.endswith(_PROMPTS)


def rank(arm: str) -> tuple[int, str]:
    """Sorting key: known methods in the order of `STYLES`, then the others by name."""
    known = list(STYLES)
    method, _ = _method(arm)
    return (known.index(method) if method in known else len(known), arm)


def seed_marks(ax: Axes, x: Any, y: Any, colour: str, marker: str) -> None:
    """Single seeds, small beside an arm's mark."""
    ax.plot(x, y, ls="", marker=marker, ms=3.5, color=colour, alpha=0.5)


def base_line(ax: Axes, panel: pd.DataFrame) -> None:
    """Draw what has nothing to train on, the untrained base above all, as a dashed line with its own band."""
    rows: Iterable[Any] = untrained(panel).itertuples()
    for row in rows:
        colour = look(str(row.arm))[0]
        if not pd.isna(row.low):
            ax.axhspan(row.low, row.high, color=colour, alpha=0.13, lw=0)
        ax.axhline(row.mean, color=colour, lw=1.8, ls=(0, (5, 2)))


def percent_axis(ax: Axes) -> None:
    """Percent from 0 to 100 on the y axis."""
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    ax.yaxis.set_major_formatter(percent)


def percent(share: float, place: float = 0) -> str:
    """A tick's text, never rounded to what it is not: `7.5 %` at 0.075. Its place among the ticks is not used."""
    return f"{round(100 * share, 2) + 0:g} %"


def legend(figure: Figure, table: pd.DataFrame, *, note: str) -> None:
    """One legend above all panels, and a line below them that says how to read the marks."""
    handles = [
        Line2D([], [], color=look(arm)[0], marker=look(arm)[1], ms=8, lw=2.2, label=title(arm))
        for arm, _ in arms(table)
    ]
    for arm in sorted(untrained(table)["arm"].unique(), key=rank):
        handles.append(Line2D([], [], color=look(arm)[0], ls=(0, (5, 2)), lw=1.8, label=title(arm)))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=max(1, min(len(handles), 6, int(figure.get_figwidth() / 1.8))),
    )
    below(figure, note)


def below(figure: Figure, note: str) -> None:
    """A line below all panels that says how to read them."""
    figure.supxlabel(note, fontsize=10.5, color=SOFT)


def label_axis(ax: Axes, table: pd.DataFrame) -> None:
    """Label budgets on a log axis, each one ticked, and a dotted mark at 100 labels; 0 stands left of a gap."""
    places = on_axis(table.loc[~_untrained(table), "labels"], table)
    ticks = {100.0, *places}
    ax.set_xscale("log")
    ax.axvline(100, color=QUIET, lw=1.2, ls=":", zorder=0)
    ax.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    ax.xaxis.set_minor_locator(NullLocator())
    zero = _zero(table)
    ax.xaxis.set_major_formatter(lambda at, _: "0" if at == zero else f"{at:g}")
    ax.set_xlim(min(ticks) / 1.5, max(ticks) * 1.5)
    bottom_label(ax, "label budget")


def on_axis(labels: "pd.Series[float]", table: pd.DataFrame) -> "pd.Series[float]":
    """Label budgets as they stand on `label_axis` of a table: 0 where it has room."""
    return labels.astype(float).where(labels > 0, _zero(table))


def _zero(table: pd.DataFrame) -> float:
    return float(min([100, *table.loc[table["labels"] > 0, "labels"]])) / _BEFORE


def bottom_label(ax: Axes, text: str) -> None:
    """Name the x axis, in the lowest row of panels only."""
    place = ax.get_subplotspec()
    if place is None or place.is_last_row():
        ax.set_xlabel(text)

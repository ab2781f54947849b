"""How methods look: the colour of the family, and a marker and a line of the method's own."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Literal

from rftlab.plots.names import method_of

BASE = "base"
INK, SOFT, LINE, PAPER, QUIET = "#1d2329", "#59636e", "#dfe3e8", "#ffffff", "#9aa3ad"
"""Text, lesser text, grid lines, background, and the grey of what stands behind."""
FAMILIES = {
    "base": "#5f5f5f", "sft": "#0072b2", "rft": "#b84a00", "hybrid": "#00744f", "preference": "#9b3f86",
    "control": "#6b5d00", "own": "#3d3d46",
}  # fmt: skip
"""Family of methods -> colour: at least 4.5:1 on white, told apart by colour-blind readers together with markers."""
Line = str | tuple[float, tuple[float, ...]]
"""How a line is dashed, as matplotlib takes it."""
_DASHES: dict[str, Line] = {
    "solid": "solid", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.5)), "dash-dot": (0, (5, 1.5, 1, 1.5)),
    "long": (0, (9, 2)), "dash-dot-dot": (0, (5, 1.5, 1, 1.5, 1, 1.5)), "short": (0, (2.5, 1.5)),
    "long-short": (0, (9, 2, 2.5, 2)), "long-dot": (0, (9, 1.5, 1, 1.5)), "dense": (0, (3, 0.8)),
}  # fmt: skip
_LOOKS = {
    "base": ("base", "H", "dashed"), "sft": ("sft", "o", "solid"), "grpo": ("rft", "^", "solid"),
    "sft+grpo": ("hybrid", "D", "solid"), "rloo": ("rft", "v", "dashed"), "dpo": ("preference", "s", "solid"),
    "ppo": ("rft", "P", "dash-dot"), "trpo": ("rft", "X", "long"), "acer": ("rft", "<", "short"),
    "sac": ("rft", ">", "dotted"), "ddpg": ("rft", "p", "dash-dot-dot"), "chord": ("hybrid", "p", "dashed"),
    "rejection_sft": ("rft", "d", "long-short"), "hpt": ("hybrid", "*", "dash-dot"),
    "interleaved": ("hybrid", "s", "dotted"), "rlhf": ("preference", "P", "dashed"),
    "kto": ("preference", "D", "dotted"),
    "base-few-shot": ("base", "p", "dotted"), "base-maj": ("base", "*", "dash-dot"),
    "prompt-search": ("base", "d", "long"),
    "distill": ("sft", "^", "dashed"), "distill-offline": ("sft", "v", "dotted"), "sdft": ("sft", "D", "dash-dot"),
    "sft-matched-rollouts": ("rft", "*", "long-dot"), "sdpo": ("rft", "s", "dense"),
    "grpo-random": ("control", "X", "dashed"), "grpo-format": ("control", "P", "dotted"),
}  # fmt: skip
STYLES: dict[str, tuple[str, str]] = {name: (FAMILIES[family], mark) for name, (family, mark, _) in _LOOKS.items()}
"""Method -> (colour, marker): the colour is its family's, the marker its own."""
_OWN_MARKERS = "o^Dsv8H*dpP"
_ARM_MARKERS = "sDvPX<>dhp*"
Order = Literal["family", "result"] | Sequence[str]
"""In which order arms are listed: by family, best first, or as they are given."""


def look(arm: str) -> tuple[str, str]:
    """(colour, marker) of a method: fixed for known names, for others always the same one, chosen by the name.

    An arm of a method, `grpo [preset=deepseek]` or `grpo + 500 prompts`, keeps its colour and gets a marker of its own.
    """
    method, more = method_of(arm)
    colour, marker = STYLES.get(method) or (FAMILIES["own"], _chosen(_OWN_MARKERS, method))
    return colour, _chosen(_ARM_MARKERS, arm) if more else marker


def line_of(arm: str) -> Line:
    """How an arm's line is dashed: as its method's; that of an arm or a method of one's own is chosen by the name."""
    if arm in _LOOKS:
        return _DASHES[_LOOKS[arm][2]]
    return _DASHES[_chosen(tuple(_DASHES), f"line of {arm}")]


def colour_of(arm: str, palette: Mapping[str, str] | None = None) -> str:
    """An arm's colour: that of the palette for the arm, its method or its family, else that of `look`."""
    palette = palette or {}
    method, _ = method_of(arm)
    names = (arm, method, family_of(arm))
    return next((palette[name] for name in names if name in palette), look(arm)[0])


def family_of(arm: str) -> str:
    """The family of an arm's method: one of `FAMILIES`; "own" for a method of one's own."""
    known = _LOOKS.get(method_of(arm)[0])
    return known[0] if known else "own"


def rank(arm: str) -> tuple[int, str]:
    """Sorting key: known methods in the order of `STYLES`, then the others by name."""
    known = list(STYLES)
    method, _ = method_of(arm)
    return (known.index(method) if method in known else len(known), arm)


def by_family(arm: str) -> tuple[int, tuple[int, str]]:
    """Sorting key: family by family as `FAMILIES` lists them, and as `rank` within one."""
    return list(FAMILIES).index(family_of(arm)), rank(arm)


def _chosen(of: Sequence[str], name: str) -> str:
    return of[zlib.crc32(name.encode()) % len(of)]

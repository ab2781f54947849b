"""How what a run takes is printed: time, memory, tokens, FLOPs, each with its interval."""

from collections.abc import Callable

from rftlab.advise.costs import Amount
from rftlab.execute.keep import said_size


def plain(value: float) -> str:
    """A number of three figures, or whole thousands."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def _tokens(count: float) -> str:
    """Three figures: of an interval about 0.1 M one end would stand in millions and the other not."""
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{float(f'{count:.3g}'):,.0f}"


def _flops(count: float) -> str:
    return f"{count:.1e}"


ROWS: tuple[tuple[str, Callable[[float], str], str], ...] = (
    ("seconds", duration, "time"),
    ("peak_bytes", said_size, "peak memory"),
    ("disk_bytes", said_size, "disk"),
    ("tokens_generated", _tokens, "tokens generated"),
    ("tokens_trained", _tokens, "tokens trained"),
    ("flops", _flops, "training FLOPs"),
    ("asked", _tokens, "completions asked"),
)
"""Axes of a forecast as they are listed: name, how a value is printed, what it is called."""


def interval(amount: Amount, said: Callable[[float], str]) -> str:
    """Such as `6 min [5 min, 8 min]`."""
    return f"{said(amount.estimate)} [{said(amount.low)}, {said(amount.high)}]"


def counted(number: int, what: str) -> str:
    """Such as `3 cells`."""
    return f"{number} {what}{'s' * (number != 1)}"

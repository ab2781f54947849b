"""What a plan can be priced by, from the command line or a file of prices."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from rftlab.answer.returns.prices import read as read_prices
from rftlab.errors import RftlabError
from rftlab.registry import suggest

PRICES = ("machine_hour",)
"""What a price can be given for."""


def checked_prices(given: Mapping[str, Any]) -> dict[str, float]:
    """Prices by thing, of those that a plan knows.

    Raises:
        RftlabError: of something else, or no number of at least 0.
    """
    for name, price in given.items():
        if name not in PRICES:
            raise RftlabError(f"there is no price {name!r}{suggest(name, PRICES)}; a plan knows {', '.join(PRICES)}")
        if isinstance(price, bool) or not isinstance(price, int | float) or not (isfinite(price) and price >= 0):
            raise RftlabError(f"the price of {name} is {price!r}; give a number of at least 0, such as {name}=2.5")
    return {name: float(price) for name, price in given.items()}


def prices_of(path: Path) -> dict[str, float]:
    """What a plan knows of the prices file of `rftlab roi`.

    Raises:
        RftlabError: as `rftlab.answer.returns.prices.read`; or a machine's hour has no price in it.
    """
    priced = read_prices(path)
    if not priced.machine_hour:
        raise RftlabError(f"{path} names no price that a plan knows; give a line such as machine_hour: 2.5")
    return {name: getattr(priced, name) for name in PRICES}

"""Methods' settings, checked before anything runs; in the preflight's child, because methods import torch."""

import json
from typing import TYPE_CHECKING

from rftlab.child import announce
from rftlab.methods.base import load_method, make_settings

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked


def check(looked: "Looked") -> None:
    """Raise unless every method can be loaded and takes its preset and settings.

    Raises:
        RftlabError: the method's own sentence.
    """
    asked = {json.dumps([c.method, c.preset, c.settings], sort_keys=True): c for c in looked.cells}
    for cell in asked.values():
        announce(f"loading method {cell.method!r}")
        make_settings(load_method(cell.method), cell.method, cell.preset, cell.settings)

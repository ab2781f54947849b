"""Claim 3, which the workbench cannot test yet: its function says why."""

from collections.abc import Iterator

from rftlab.answer.ledger.contrasts import Missing, Tested
from rftlab.answer.ledger.view import View
from rftlab.grid.plan import UNTESTABLE


def no_labels(_view: View) -> Iterator[Tested | Missing]:
    """3: RFT on prompts without labels, minus the base and minus random reward."""
    yield Missing(None, UNTESTABLE[3])

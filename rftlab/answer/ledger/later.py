"""Claims that the workbench cannot test yet: 3 and 10. Each has its function here, and says why."""

from collections.abc import Iterator

from rftlab.answer.ledger.contrasts import Missing, Tested
from rftlab.answer.ledger.view import View


def no_labels(_view: View) -> Iterator[Tested | Missing]:
    """3: RFT on prompts without labels, minus the base and minus random reward."""
    yield Missing(None, "no method trains on prompts without labels")


def drift(_view: View) -> Iterator[Tested | Missing]:
    """10: area under accuracy on the new rule, from adapters that are equal on the old one."""
    yield Missing(None, "the ledger does not read studies that go on from a kept policy")

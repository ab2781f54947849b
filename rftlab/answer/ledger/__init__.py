"""The claims ledger: thirteen claims of the field, each held against a study by a rule of its own.

`ledger(results, decisions)` is the way in, and `ledger_of(folder)`. A claim that the plan names is confirmatory: its
intervals share the 5 % of the decisions' confirmatory family. Every other is exploratory, a family of its own.
"""

from rftlab.answer.ledger.book import Ledger, ledger, ledger_of
from rftlab.answer.ledger.claims import CLAIMS, Claim
from rftlab.answer.ledger.rows import Row, Status
from rftlab.answer.published import Published

__all__ = ["CLAIMS", "Claim", "Ledger", "Published", "Row", "Status", "ledger", "ledger_of"]

"""Every proof, in the order of the table: a new one is one entry in its section's list."""

from tests.proof.proof import Proof

PROOFS: list[Proof] = []

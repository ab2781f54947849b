"""Every proof, in the order of the table: a new one is one entry in its section's list."""

from tests.proof.faults import FAULTS
from tests.proof.inputs import INPUTS
from tests.proof.load import LOAD
from tests.proof.proof import Proof
from tests.proof.reproducibility import REPRODUCIBILITY
from tests.proof.security import SECURITY

PROOFS: list[Proof] = [*FAULTS, *INPUTS, *SECURITY, *LOAD, *REPRODUCIBILITY]

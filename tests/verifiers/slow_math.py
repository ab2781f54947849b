"""The algebra of the math verifier with next to no processor time, as a target of its own for an isolated worker."""

from rftlab.verifiers import _math_verify


def equal(gold, answer):
    _math_verify.CPU_SECONDS = 1e-4
    return _math_verify.equal(gold, answer)

"""Runs inside the isolated worker: one call to math-verify."""

from math_verify import parse, verify


def equal(gold: str, answer: str) -> bool:
    """Whether math-verify finds the two equal; texts are taken as LaTeX, then as plain expressions."""
    return any(
        verify(parse(wrap(gold), parsing_timeout=1), parse(wrap(answer), parsing_timeout=1), timeout_seconds=1)
        for wrap in (lambda text: f"${text.strip('$')}$", str)
    )

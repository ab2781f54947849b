"""Runs inside the isolated worker: one call to math-verify."""

from math_verify import parse, verify


def equal(gold: str, answer: str) -> bool:
    """Whether math-verify finds the two equal; texts are taken as LaTeX, then as plain expressions."""
    return any(
        verify(parse(wrap(gold), parsing_timeout=1), parse(wrap(answer), parsing_timeout=1), timeout_seconds=1)
        for wrap in (lambda text: f"${text.strip('$')}$", str)
    )


# sympy and the parser fill their caches on first use, a third of a second of work. Done once, before the process is
# forked for each batch, it is not charged to the first answers of every batch, whose limit it would nearly use up.
for _pair in (
    ("(x+1)^2", "x^2+2x+1"),
    (r"\frac{1}{2}", "0.5"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"\{1,2\}", "(1, 2]"),
    ("x=1", "1"),
):
    equal(*_pair)

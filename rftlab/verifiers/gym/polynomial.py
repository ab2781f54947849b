"""Polynomials in one variable over the rationals, and how many real roots they have (Sturm's theorem), exactly."""

from __future__ import annotations

import itertools
from fractions import Fraction

_MAX_DEGREE = 24


class Polynomial:
    """A polynomial by its coefficients, lowest power first, no trailing zeros; () is the zero polynomial."""

    def __init__(self, *coefficients: Fraction) -> None:
        while coefficients and not coefficients[-1]:
            coefficients = coefficients[:-1]
        if len(coefficients) > _MAX_DEGREE + 1:
            raise OverflowError(f"a degree above {_MAX_DEGREE}")
        self.coefficients = coefficients

    def __add__(self, other: Polynomial | Fraction) -> Polynomial:
        a, b = self.coefficients, _coefficients(other)
        size = max(len(a), len(b))
        return Polynomial(*(x + y for x, y in zip(_padded(a, size), _padded(b, size), strict=True)))

    def __neg__(self) -> Polynomial:
        return Polynomial(*(-x for x in self.coefficients))

    def __sub__(self, other: Polynomial | Fraction) -> Polynomial:
        return self + -other

    def __rsub__(self, other: Fraction) -> Polynomial:
        return -self + other

    def __mul__(self, other: Polynomial | Fraction) -> Polynomial:
        a, b = self.coefficients, _coefficients(other)
        product = [Fraction(0)] * max(0, len(a) + len(b) - 1)
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                product[i + j] += x * y
        return Polynomial(*product)

    def __truediv__(self, other: Fraction) -> Polynomial:
        if not isinstance(other, Fraction):
            raise TypeError("division by an expression with the variable in it")
        return Polynomial(*(x / other for x in self.coefficients))

    def __pow__(self, power: int) -> Polynomial:
        if power < 0:
            raise TypeError("a negative power of the variable")
        result = Polynomial(Fraction(1))
        for _ in range(power):
            result = result * self
        return result

    __radd__, __rmul__ = __add__, __mul__

    def __call__(self, value: Fraction) -> Fraction:
        """Value at a point."""
        result = Fraction(0)
        for coefficient in reversed(self.coefficients):
            result = result * value + coefficient
        return result

    def derivative(self) -> Polynomial:
        """First derivative."""
        return Polynomial(*(k * x for k, x in enumerate(self.coefficients) if k))

    def divide(self, divisor: Polynomial) -> tuple[Polynomial, Polynomial]:
        """Quotient and remainder of the division by a polynomial that is not zero."""
        rest, by = list(self.coefficients), divisor.coefficients
        quotient: list[Fraction] = []
        while len(rest) >= len(by):
            quotient.insert(0, rest[-1] / by[-1])
            for k in range(1, len(by) + 1):
                rest[-k] -= quotient[0] * by[-k]
            rest.pop()
        return Polynomial(*quotient), Polynomial(*rest)

    def real_roots(self, low: Fraction | None = None, high: Fraction | None = None) -> int:
        """Number of distinct real roots in (low, high]; without bounds, of all. The zero polynomial is not taken."""
        chain = _sturm_chain(self)
        if len(chain[-1].coefficients) > 1:
            # A repeated root: at such a point the whole chain is zero, so the common factor is divided out first.
            chain = _sturm_chain(self.divide(chain[-1])[0])
        return _changes(chain, low, -1) - _changes(chain, high, 1)


def _sturm_chain(polynomial: Polynomial) -> list[Polynomial]:
    """The polynomial, its derivative, and negated remainders; the last is their greatest common divisor."""
    chain = [polynomial, polynomial.derivative()]
    while chain[-1].coefficients:
        chain.append(-chain[-2].divide(chain[-1])[1])
    return chain[:-1]


def _changes(chain: list[Polynomial], point: Fraction | None, side: int) -> int:
    """Sign changes along a Sturm chain at a point, or where the variable goes to side * infinity."""
    if point is None:
        values = [p.coefficients[-1] * side ** (len(p.coefficients) - 1) for p in chain]
    else:
        values = [p(point) for p in chain]
    signs = [value > 0 for value in values if value]
    return sum(a != b for a, b in itertools.pairwise(signs))


def _coefficients(value: Polynomial | Fraction) -> tuple[Fraction, ...]:
    return value.coefficients if isinstance(value, Polynomial) else Polynomial(value).coefficients


def _padded(coefficients: tuple[Fraction, ...], size: int) -> tuple[Fraction, ...]:
    return coefficients + (Fraction(0),) * (size - len(coefficients))

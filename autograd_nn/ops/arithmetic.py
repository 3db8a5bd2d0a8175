"""Arithmetic: + - × ÷ and powers, elementwise with broadcasting."""

from __future__ import annotations

import operator

import numpy as np

from ..domain import BINARY, NONZERO, POSITIVE, REAL, UNARY, Case
from ..op import op
from .comparison import equal, less, where
from .elementary import log

__all__ = ["add", "divide", "floor_divide", "mul", "negative", "power", "power_of", "remainder", "square", "subtract"]

BINARY_OP = {"cases": BINARY, "elementwise": True, "complex": True}


@op("+", numpy=np.add, scalar=operator.add, domain=(REAL, REAL), formula="x + y", linear=True, **BINARY_OP)
def add(x, y):
    """Elementwise sum, with broadcasting."""
    return np.add(x, y)


add.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: g)


@op("-", numpy=np.subtract, scalar=operator.sub, domain=(REAL, REAL), formula="x - y", linear=True, **BINARY_OP)
def subtract(x, y):
    """Elementwise difference, with broadcasting."""
    return np.subtract(x, y)


subtract.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: -g)


@op("×", numpy=np.multiply, scalar=operator.mul, domain=(REAL, REAL), formula="x * y", linear=True, **BINARY_OP)
def mul(x, y):
    """Elementwise product, with broadcasting."""
    return np.multiply(x, y)


mul.defvjp(lambda g, ans, x, y: g * y, lambda g, ans, x, y: g * x)


@op("÷", numpy=np.divide, scalar=operator.truediv, domain=(REAL, NONZERO), formula="x / y", **BINARY_OP)
def divide(x, y):
    """Elementwise quotient, with broadcasting."""
    return np.divide(x, y)


divide.defvjp(lambda g, ans, x, y: g / y, lambda g, ans, x, y: -g * ans / y)


@op("-", numpy=np.negative, scalar=operator.neg, formula="-x", linear=True, elementwise=True, complex=True, cases=UNARY)
def negative(x):
    """Elementwise -x."""
    return np.negative(x)


negative.defvjp(lambda g, ans, x: -g)


@op("x²", numpy=np.square, scalar=lambda x: x * x, formula="x * x", elementwise=True, complex=True, cases=UNARY)
def square(x):
    """Elementwise x times x."""
    return np.square(x)


square.defvjp(lambda g, ans, x: g * (2.0 * x))


def float_power(x: float, y: float) -> float:
    """x to the y on Python floats; asks NumPy (by raising) where Python would return a complex number."""
    z = x**y
    if type(z) is complex:
        raise ValueError("NumPy has nan here")
    return z


@op(
    "xʸ",
    numpy=np.power,
    scalar=float_power,
    domain=(POSITIVE, REAL),
    formula="x ** y",
    kinks="with respect to y: 0 at x = 0, y ≥ 0",
    cases=(
        *BINARY,
        Case((3,), np.array(2.0), domain=(REAL,), name="negative base, even"),
        Case((3,), np.array([3.0, 0.0, 1.0]), domain=(REAL,), name="negative base, integers"),
    ),
    elementwise=True,
    complex=True,
)
def power(x, y):
    """x to the y, elementwise, with broadcasting.

    x**0 is 1, with derivative 0 with respect to x, also at x = 0. With respect to y the derivative is x**y log(x);
    at x = 0 it is taken as 0 for y ≥ 0, and for negative x it is nan, as x**y is real at integers only.
    """
    return np.power(x, y)


power.defvjp(
    lambda g, ans, x, y: g * where(equal(y, 0.0), 0.0, y * power(x, where(equal(y, 0.0), 1.0, y - 1.0))),
    lambda g, ans, x, y: g * where(equal(x, 0.0), where(less(y, 0.0), ans, 0.0), ans * log(where(equal(x, 0.0), 1.0, x))),
)


@op("xⁿ", formula="x ** exponent", elementwise=True, complex=True, domain=(POSITIVE,), cases=(
    Case("python", exponent=3), Case((2, 3), exponent=-1), Case((3,), exponent=0.5), Case((3,), exponent=0), Case((3,), exponent=2, domain=(REAL,)),
    Case((2,), exponent=-2.5), Case((), exponent=1), Case((0,), exponent=2),
))
def power_of(x, *, exponent):
    """x to a constant power, which is what ``value ** 3`` records. x**0 is 1 with derivative 0, also at x = 0."""
    if type(x) is float or type(x) is int:
        try:
            return float_power(x, exponent)
        except (ArithmeticError, ValueError):
            return float(np.power(np.float64(x), exponent))
    return np.power(x, exponent)


power_of.defvjp(
    lambda g, ans, x, exponent: g * 0.0 if exponent == 0 else g * (exponent * power_of(x, exponent=exponent - 1))
    if exponent != 2 else g * (2.0 * x)
)


@op("//", numpy=np.floor_divide, scalar=operator.floordiv, domain=(REAL, NONZERO), kinks="0 everywhere", cases=BINARY, elementwise=True)
def floor_divide(x, y):
    """Largest integer not above x / y. Its derivative is 0."""
    return np.floor_divide(x, y)


floor_divide.defvjp(lambda g, ans, x, y: g * 0.0, lambda g, ans, x, y: g * 0.0)


@op("mod", numpy=(np.remainder, np.mod), scalar=operator.mod, domain=(REAL, NONZERO), cases=BINARY, elementwise=True)
def remainder(x, y):
    """x - y floor(x / y): what is left of the division, with the sign of y."""
    return np.remainder(x, y)


remainder.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: -g * floor_divide(x, y))

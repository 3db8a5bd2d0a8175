"""Arithmetic of two arguments, elementwise with broadcasting: + - × ÷, powers, remainders, extremes, angles."""

from __future__ import annotations

import math
import operator

import numpy as np

from ..domain import BINARY, NONZERO, POSITIVE, REAL, UNARY, Case
from ..op import op
from .comparison import equal, logical_and, promoted
from .elementary import log, rint, sigmoid, sign

__all__ = [
    "add",
    "arctan2",
    "clip",
    "copysign",
    "divide",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "ldexp",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "mul",
    "negative",
    "nextafter",
    "power",
    "power_of",
    "remainder",
    "square",
    "subtract",
]

LN2 = math.log(2.0)
COMPLEX_BINARY = (*BINARY, Case((3,), (2, 1), complex=True))
COMPLEX_UNARY = (*UNARY, Case((2,), complex=True))

REAL_OP = {"cases": BINARY, "elementwise": True}
COMPLEX_OP = {"cases": COMPLEX_BINARY, "elementwise": True, "complex": True}


@op("+", numpy=np.add, scalar=operator.add, domain=(REAL, REAL), formula="x + y", linear=True, **COMPLEX_OP)
def add(x, y):
    """Elementwise sum, with broadcasting."""
    return np.add(x, y)


add.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: g)


@op("-", numpy=np.subtract, scalar=operator.sub, domain=(REAL, REAL), formula="x - y", linear=True, **COMPLEX_OP)
def subtract(x, y):
    """Elementwise difference, with broadcasting."""
    return np.subtract(x, y)


subtract.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: -g)


@op("×", numpy=np.multiply, scalar=operator.mul, domain=(REAL, REAL), formula="x * y", linear=True, **COMPLEX_OP)
def mul(x, y):
    """Elementwise product, with broadcasting."""
    return np.multiply(x, y)


mul.defvjp(lambda g, ans, x, y: g * y, lambda g, ans, x, y: g * x)


@op("÷", numpy=np.divide, scalar=operator.truediv, domain=(REAL, NONZERO), formula="x / y", **COMPLEX_OP)
def divide(x, y):
    """Elementwise quotient, with broadcasting."""
    return np.divide(x, y)


divide.defvjp(lambda g, ans, x, y: g / y, lambda g, ans, x, y: -g * ans / y)


@op(
    "-",
    numpy=np.negative,
    scalar=operator.neg,
    formula="-x",
    linear=True,
    elementwise=True,
    complex=True,
    cases=COMPLEX_UNARY,
)
def negative(x):
    """Elementwise -x."""
    return np.negative(x)


negative.defvjp(lambda g, ans, x: -g)


# Powers


@op("x²", numpy=np.square, scalar=lambda x: x * x, formula="x * x", elementwise=True, complex=True, cases=COMPLEX_UNARY)
def square(x):
    """Elementwise x times x."""
    return np.square(x)


square.defvjp(lambda g, ans, x: g * (2.0 * x))


def python_power(x: float, y: float) -> float:
    """x to the y on Python floats; asks NumPy (by raising) where Python would return a complex number."""
    z = x**y
    if type(z) is complex:
        raise ValueError("NumPy has nan here")
    return z


def power_x_vjp(g, ans, x, y):
    """y x**(y - 1); only where x = y = 0, and that would be 0 · ∞, is x replaced: elsewhere all orders are exact."""
    return g * (y * power(x + logical_and(equal(x, 0.0), equal(y, 0.0)), y - 1.0))


def power_y_vjp(g, ans, x, y):
    """x**y log(x), with log(1) in place of log(0)."""
    return g * (ans * log(1.0 * x + equal(x, 0.0)))  # 1.0 * x, as NumPy takes log of int8 in float16


@op(
    "xʸ",
    numpy=np.power,
    scalar=python_power,
    domain=(POSITIVE, REAL),
    formula="x ** y",
    kinks="with respect to y: 0 at x = 0, y ≥ 0",
    cases=(
        *COMPLEX_BINARY,
        Case((3,), np.array(2.0), domain=(NONZERO, REAL), name="negative base, even"),
        Case((3,), np.array([3.0, 0.0, 1.0]), domain=(NONZERO, REAL), name="negative base, integers"),
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


power.defvjp(power_x_vjp, power_y_vjp)


def power_of_vjp(g, ans, x, exponent):
    """n x**(n - 1), without work where n is 0, 1 or 2."""
    if exponent == 2:
        return g * (2.0 * x)
    if exponent == 1:
        return g
    if exponent == 0:
        return g * 0.0
    if type(x) is float and exponent % 1 == 0:  # to a fraction it may become complex, where the op says nan
        return g * (exponent * x ** (exponent - 1))
    return g * (exponent * power_of(x, exponent=exponent - 1))


@op(
    "xⁿ",
    scalar=lambda x, *, exponent: python_power(x, exponent),
    formula="x ** exponent",
    elementwise=True,
    complex=True,
    domain=(POSITIVE,),
    cases=(
        Case("python", exponent=3),
        Case("python", exponent=0.5),
        Case((2, 3), exponent=-1),
        Case((3,), exponent=-2, domain=(NONZERO,)),
        Case((3,), exponent=0.5),
        Case((3,), exponent=0),
        Case((3,), exponent=2, domain=(REAL,)),
        Case((3,), exponent=3, domain=(REAL,), complex=True),
        Case((3,), exponent=4, domain=(REAL,)),
        Case((2,), exponent=-2.5, complex=True),
        Case((), exponent=1),
        Case((0,), exponent=2),
    ),
)
def power_of(x, *, exponent):
    """x to a constant power, which is what ``value ** 3`` records. x**0 is 1 with derivative 0, also at x = 0."""
    x = np.asarray(x)
    if x.dtype.kind in "fc":  # products where they are faster: NumPy's power takes 60 ns an element
        if exponent == 3:
            return x * x * x
        if exponent == 4:
            return np.square(x * x)
        if exponent == -2:
            return np.square(1.0 / x)
    return x**exponent


power_of.defvjp(power_of_vjp)


# Division with remainder


@op(
    "//",
    numpy=np.floor_divide,
    scalar=operator.floordiv,
    domain=(REAL, NONZERO),
    kinks="0 everywhere, also at the steps",
    formula="floor(x / y)",
    **REAL_OP,
)
def floor_divide(x, y):
    """Largest integer not above x / y. Its derivative is 0."""
    return np.floor_divide(x, y)


floor_divide.defvjp(lambda g, ans, x, y: g * 0.0, lambda g, ans, x, y: g * 0.0)


@op(
    "mod",
    numpy=np.remainder,
    scalar=operator.mod,
    domain=(REAL, NONZERO),
    kinks="at the jumps that of the right-hand side",
    formula="x - y * floor(x / y)",
    **REAL_OP,
)
def remainder(x, y):
    """x - y floor(x / y): what is left of the division, with the sign of y. Derivatives 1 and -floor(x / y)."""
    return np.remainder(x, y)


remainder.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: -g * floor_divide(x, y))


@op(
    "fmod",
    numpy=np.fmod,
    scalar=math.fmod,
    domain=(REAL, NONZERO),
    kinks="at the jumps that of the side away from 0",
    formula="x - y * trunc(x / y)",
    **REAL_OP,
)
def fmod(x, y):
    """x - y trunc(x / y): what is left of the division, with the sign of x. Derivatives 1 and -trunc(x / y)."""
    return np.fmod(x, y)


fmod.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: -g * rint((x - ans) / y))


# Extremes


def chosen_x(g, ans, x, y):
    """Pass g where x was chosen; half of it at a tie. Masks and products, as they are ten times faster than `where`."""
    x_chosen, half = x == ans, 0.5 * g
    return half * x_chosen + half * (x_chosen > (y == ans))


def chosen_y(g, ans, x, y):
    """Pass g where y was chosen; half of it at a tie."""
    return chosen_x(g, ans, y, x)


EXTREME = {"domain": (REAL, REAL), "kinks": "a tie shares the gradient equally; 0 at nan", **REAL_OP}


def python_extreme(choose):
    """Make max or min of Python floats ask NumPy (by raising) about nan."""

    def extreme(x: float, y: float) -> float:
        if x != x or y != y:
            raise ValueError("NumPy knows whether nan wins")
        return promoted(choose(x, y), x, y)

    return extreme


@op("max", numpy=np.maximum, scalar=python_extreme(max), formula="max(x, y)", **EXTREME)
def maximum(x, y):
    """The larger of x and y; nan if one is nan. A tie shares its gradient equally."""
    return np.maximum(x, y)


@op("min", numpy=np.minimum, scalar=python_extreme(min), formula="min(x, y)", **EXTREME)
def minimum(x, y):
    """The smaller of x and y; nan if one is nan. A tie shares its gradient equally."""
    return np.minimum(x, y)


@op("fmax", numpy=np.fmax, scalar=python_extreme(max), **EXTREME)
def fmax(x, y):
    """The larger of x and y; if one is nan, the other. A tie shares its gradient equally."""
    return np.fmax(x, y)


@op("fmin", numpy=np.fmin, scalar=python_extreme(min), **EXTREME)
def fmin(x, y):
    """The smaller of x and y; if one is nan, the other. A tie shares its gradient equally."""
    return np.fmin(x, y)


for choice in (maximum, minimum, fmax, fmin):
    choice.defvjp(chosen_x, chosen_y)


def inside(x, low, high):
    """Where does clipping change nothing? The ends count as inside."""
    return logical_and(x >= low, x <= high)


@op(
    "clip",
    name="clip",
    numpy=np.clip,
    domain=(REAL, REAL, REAL),
    kinks="1 at the ends: low ≤ x ≤ high counts as inside",
    formula="min(max(x, low), high)",
    cases=(
        Case("python", np.array(-1.0), np.array(1.0)),
        Case((3,), np.array(-0.5), np.array(0.5)),
        Case((2, 3), np.array([-1.0, 0.0, 1.0]), np.array([[1.5], [2.0]])),
        Case((4,), np.array(-np.inf), np.array(0.5)),
        Case((), np.array(-1.0), np.array(1.0)),
        Case((0,), np.array(0.0), np.array(1.0)),
    ),
    elementwise=True,
)
def clamp(x, low, high):
    """x limited to [low, high]; where low > high, high. At the ends x gets the whole gradient, and they none."""
    return np.clip(x, low, high)


clamp.defvjp(
    lambda g, ans, x, low, high: g * inside(x, low, high),
    lambda g, ans, x, low, high: g * logical_and(x < low, low <= high),
    lambda g, ans, x, low, high: g * logical_and(x > high, high >= low) + g * (high < low),
)


def clip(x, min=None, max=None):
    """Limit x to [min, max], elementwise, with broadcasting; None for no limit.

    The derivative is 1 for min ≤ x ≤ max, the ends included, and 0 outside; a limit gets the gradient of the elements
    that lie beyond it.

    >>> from autograd_nn import Value
    >>> x = Value([-2.0, -1.0, 0.5, 3.0])
    >>> clip(x, -1.0, 1.0).sum().backward()
    >>> x.grad
    array([0., 1., 1., 0.])
    """
    return clamp(x, -math.inf if min is None else min, math.inf if max is None else max)


# Lengths, angles, signs


@op("hypot", numpy=np.hypot, scalar=math.hypot, domain=(NONZERO, REAL), kinks="0 at the origin", **REAL_OP)
def hypot(x, y):
    """√(x² + y²), without overflow. At the origin the derivatives are taken as 0."""
    return np.hypot(x, y)


# ans + (ans = 0) rather than `where`: the same guard, and faster.
hypot.defvjp(
    lambda g, ans, x, y: g * (x / (ans + equal(ans, 0.0))),
    lambda g, ans, x, y: g * (y / (ans + equal(ans, 0.0))),
)


def over_squared_radius(u, x, y):
    """u / (x² + y²), without overflow or underflow; at the origin, u."""
    r = hypot(x, y)
    r = r + equal(r, 0.0)
    return u / r / r


@op("atan2", numpy=np.arctan2, scalar=math.atan2, domain=(REAL, NONZERO), kinks="0 at the origin", **REAL_OP)
def arctan2(y, x):
    """Angle of the point (x, y), in (-π, π]; note the order y, x. At the origin the derivatives are taken as 0."""
    return np.arctan2(y, x)


arctan2.defvjp(
    lambda g, ans, y, x: g * over_squared_radius(x, x, y),
    lambda g, ans, y, x: -g * over_squared_radius(y, x, y),
)


@op("±", numpy=np.copysign, scalar=math.copysign, domain=(NONZERO, NONZERO), kinks="0 at x = 0", **REAL_OP)
def copysign(x, y):
    """The size of x with the sign of y. Derivatives ±1 and 0."""
    return np.copysign(x, y)


copysign.defvjp(lambda g, ans, x, y: g * (sign(x) * copysign(1.0, y)), lambda g, ans, x, y: g * 0.0)


@op(
    "step",
    numpy=np.heaviside,
    domain=(NONZERO, REAL),
    kinks="0 at x = 0",
    elementwise=True,
    cases=(*BINARY, Case(np.array([-1.0, 0.0, 2.0]), (3,), order=0, name="at the step")),
)
def heaviside(x, y):
    """0 for x < 0, 1 for x > 0, and y at x = 0. Derivative 0 with respect to x; 1 with respect to y at x = 0."""
    return np.heaviside(x, y)


heaviside.defvjp(lambda g, ans, x, y: g * 0.0, lambda g, ans, x, y: g * equal(x, 0.0))


@op(
    "×2ⁿ",
    numpy=np.ldexp,
    scalar=math.ldexp,
    linear=True,
    elementwise=True,
    cases=(
        Case((3,), np.array([1, -2, 0])),
        Case((2, 3), np.array(3)),
        Case("python", np.array([1, 2])),
        Case((0,), np.array([1])),
    ),
)
def ldexp(x, n):
    """x times 2 to the n, for integers n, which have no derivative."""
    return np.ldexp(x, n)


ldexp.defvjp(lambda g, ans, x, n: ldexp(g, n), None)


@op("x⁺", numpy=np.nextafter, scalar=math.nextafter, domain=(REAL, REAL), **REAL_OP)
def nextafter(x, y):
    """The next floating-point number after x, towards y: x itself but for rounding, so the derivatives are 1 and 0."""
    return np.nextafter(x, y)


nextafter.defvjp(lambda g, ans, x, y: g, lambda g, ans, x, y: g * 0.0)


# Sums on a logarithmic scale


def python_logaddexp(x: float, y: float) -> float:
    """log(exp(x) + exp(y)) of Python floats; asks NumPy (by raising) about infinities and nan."""
    difference = x - y
    if not math.isfinite(difference):
        raise ValueError("NumPy knows")
    return (x if difference > 0 else y) + math.log1p(math.exp(-abs(difference)))


@op("log(eˣ+eʸ)", numpy=np.logaddexp, scalar=python_logaddexp, domain=(REAL, REAL), **REAL_OP)
def logaddexp(x, y):
    """log(exp(x) + exp(y)), without overflow. Derivatives sigmoid(x - y) and sigmoid(y - x)."""
    return np.logaddexp(x, y)


# Not exp(x - ans): at 1000, ans has lost the digits that decide, and at infinity it is nan.
logaddexp.defvjp(lambda g, ans, x, y: g * sigmoid(x - y), lambda g, ans, x, y: g * sigmoid(y - x))


@op("log₂(2ˣ+2ʸ)", numpy=np.logaddexp2, domain=(REAL, REAL), **REAL_OP)
def logaddexp2(x, y):
    """log2(2**x + 2**y), without overflow."""
    return np.logaddexp2(x, y)


logaddexp2.defvjp(
    lambda g, ans, x, y: g * sigmoid(LN2 * (x - y)),
    lambda g, ans, x, y: g * sigmoid(LN2 * (y - x)),
)

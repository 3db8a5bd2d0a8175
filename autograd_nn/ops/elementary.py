"""Elementary functions of one argument: exponentials, roots, trigonometry, rounding, complex parts, activations.

Holomorphic functions accept complex numbers and keep their real rule: a cotangent is transposed, not conjugated, so
the gradient of a real L at z = x + iy is ∂L/∂x - i ∂L/∂y. On a branch cut the derivative is that of NumPy's branch.
"""

from __future__ import annotations

import math

import numpy as np

from ..domain import ABOVE_ONE, NONZERO, POSITIVE, UNARY, UNIT, Case, Interval
from ..op import op
from .comparison import equal, isfinite, where

__all__ = [
    "absolute",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cbrt",
    "ceil",
    "conj",
    "cos",
    "cosh",
    "deg2rad",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "imag",
    "log",
    "log10",
    "log1p",
    "log2",
    "nan_to_num",
    "positive",
    "rad2deg",
    "real",
    "reciprocal",
    "relu",
    "rint",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]

LN2, LN10 = math.log(2.0), math.log(10.0)
ABOVE_MINUS_ONE = Interval(low=-1.0)
BETWEEN_INTEGERS = Interval(-3.0, 3.0, excluded=tuple(k / 2 for k in range(-6, 7)))  # halves: where rint steps

REAL_ONLY = {"cases": UNARY, "elementwise": True}
HOLOMORPHIC = {"cases": (*UNARY, Case((2,), complex=True)), "elementwise": True, "complex": True}
STEPS = {"domain": (BETWEEN_INTEGERS,), "kinks": "0 everywhere, also at the steps", **REAL_ONLY}


def is_complex(x) -> bool:
    """Is x an array, or a node, of complex dtype? A rule may ask: like the shape, it is known when recording."""
    return getattr(x, "dtype", np.dtype(float)).kind == "c"


# Exponentials and logarithms


@op("exp", numpy=np.exp, scalar=math.exp, formula="exp(x)", **HOLOMORPHIC)
def exp(x):
    """e to the x."""
    return np.exp(x)


exp.defvjp(lambda g, ans, x: g * ans)


@op("exp2", numpy=np.exp2, scalar=math.exp2, formula="exp2(x)", **HOLOMORPHIC)
def exp2(x):
    """2 to the x."""
    return np.exp2(x)


exp2.defvjp(lambda g, ans, x: g * LN2 * ans)


@op("expm1", numpy=np.expm1, scalar=math.expm1, formula="expm1(x)", **HOLOMORPHIC)
def expm1(x):
    """e to the x, minus 1, accurate for small x."""
    return np.expm1(x)


expm1.defvjp(lambda g, ans, x: g * exp(x))  # not ans + 1, which forgets small numbers


@op("log", numpy=np.log, scalar=math.log, domain=(POSITIVE,), formula="log(x)", **HOLOMORPHIC)
def log(x):
    """Natural logarithm."""
    return np.log(x)


log.defvjp(lambda g, ans, x: g / x)


@op("log2", numpy=np.log2, scalar=math.log2, domain=(POSITIVE,), formula="log2(x)", **HOLOMORPHIC)
def log2(x):
    """Logarithm to base 2."""
    return np.log2(x)


log2.defvjp(lambda g, ans, x: g / x * (1 / LN2))


@op("log10", numpy=np.log10, scalar=math.log10, domain=(POSITIVE,), formula="log10(x)", **HOLOMORPHIC)
def log10(x):
    """Logarithm to base 10."""
    return np.log10(x)


log10.defvjp(lambda g, ans, x: g / x * (1 / LN10))


@op("log1p", numpy=np.log1p, scalar=math.log1p, domain=(ABOVE_MINUS_ONE,), formula="log1p(x)", **HOLOMORPHIC)
def log1p(x):
    """Natural logarithm of 1 + x, accurate for small x."""
    return np.log1p(x)


log1p.defvjp(lambda g, ans, x: g / (1.0 + x))


# Roots and the reciprocal


@op("√", numpy=np.sqrt, scalar=math.sqrt, domain=(POSITIVE,), formula="sqrt(x)", **HOLOMORPHIC)
def sqrt(x):
    """Square root. At 0 the derivative is infinite."""
    return np.sqrt(x)


sqrt.defvjp(lambda g, ans, x: g * 0.5 / ans)


@op("∛", numpy=np.cbrt, scalar=math.cbrt, domain=(NONZERO,), formula="cbrt(x)", **REAL_ONLY)
def cbrt(x):
    """Cube root, negative for negative x. At 0 the derivative is infinite."""
    return np.cbrt(x)


cbrt.defvjp(lambda g, ans, x: g * (1 / 3) / (ans * ans))


@op("1/x", numpy=np.reciprocal, scalar=lambda x: 1.0 / x, domain=(NONZERO,), formula="1 / x", **HOLOMORPHIC)
def reciprocal(x):
    """1 over x."""
    return np.reciprocal(x)


reciprocal.defvjp(lambda g, ans, x: -g * (ans * ans))


# Trigonometry


@op("sin", numpy=np.sin, scalar=math.sin, formula="sin(x)", **HOLOMORPHIC)
def sin(x):
    """Sine of an angle in radians."""
    return np.sin(x)


sin.defvjp(lambda g, ans, x: g * cos(x))


@op("cos", numpy=np.cos, scalar=math.cos, formula="cos(x)", **HOLOMORPHIC)
def cos(x):
    """Cosine of an angle in radians."""
    return np.cos(x)


cos.defvjp(lambda g, ans, x: -g * sin(x))


@op("tan", numpy=np.tan, scalar=math.tan, domain=(Interval(-1.4, 1.4),), formula="tan(x)", **HOLOMORPHIC)
def tan(x):
    """Tangent of an angle in radians."""
    return np.tan(x)


tan.defvjp(lambda g, ans, x: g * (1.0 + ans * ans))


@op("arcsin", numpy=np.arcsin, scalar=math.asin, domain=(UNIT,), formula="arcsin(x)", **HOLOMORPHIC)
def arcsin(x):
    """Angle in [-π/2, π/2] whose sine is x."""
    return np.arcsin(x)


# (1 - x)(1 + x) rather than 1 - x², which loses half of the digits near ±1.
arcsin.defvjp(lambda g, ans, x: g / sqrt((1.0 - x) * (1.0 + x)))


@op("arccos", numpy=np.arccos, scalar=math.acos, domain=(UNIT,), formula="arccos(x)", **HOLOMORPHIC)
def arccos(x):
    """Angle in [0, π] whose cosine is x."""
    return np.arccos(x)


arccos.defvjp(lambda g, ans, x: -g / sqrt((1.0 - x) * (1.0 + x)))


@op("arctan", numpy=np.arctan, scalar=math.atan, formula="arctan(x)", **HOLOMORPHIC)
def arctan(x):
    """Angle in (-π/2, π/2) whose tangent is x."""
    return np.arctan(x)


arctan.defvjp(lambda g, ans, x: g / (1.0 + x * x))


@op("rad", numpy=(np.deg2rad, np.radians), scalar=math.radians, formula="x * pi / 180", linear=True, **REAL_ONLY)
def deg2rad(x):
    """Degrees to radians."""
    return np.deg2rad(x)


deg2rad.defvjp(lambda g, ans, x: deg2rad(g))


@op("deg", numpy=(np.rad2deg, np.degrees), scalar=math.degrees, formula="x * 180 / pi", linear=True, **REAL_ONLY)
def rad2deg(x):
    """Radians to degrees."""
    return np.rad2deg(x)


rad2deg.defvjp(lambda g, ans, x: rad2deg(g))


# Hyperbolic functions


@op("sinh", numpy=np.sinh, scalar=math.sinh, formula="sinh(x)", **HOLOMORPHIC)
def sinh(x):
    """Hyperbolic sine."""
    return np.sinh(x)


sinh.defvjp(lambda g, ans, x: g * cosh(x))


@op("cosh", numpy=np.cosh, scalar=math.cosh, formula="cosh(x)", **HOLOMORPHIC)
def cosh(x):
    """Hyperbolic cosine."""
    return np.cosh(x)


cosh.defvjp(lambda g, ans, x: g * sinh(x))


@op("tanh", numpy=np.tanh, scalar=math.tanh, formula="tanh(x)", **HOLOMORPHIC)
def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(x)


tanh.defvjp(lambda g, ans, x: g * (1.0 - ans * ans))


@op("arcsinh", numpy=np.arcsinh, scalar=math.asinh, formula="arcsinh(x)", **HOLOMORPHIC)
def arcsinh(x):
    """Inverse of the hyperbolic sine."""
    return np.arcsinh(x)


arcsinh.defvjp(lambda g, ans, x: g / sqrt(x * x + 1.0))


@op("arccosh", numpy=np.arccosh, scalar=math.acosh, domain=(ABOVE_ONE,), formula="arccosh(x)", **HOLOMORPHIC)
def arccosh(x):
    """Inverse of the hyperbolic cosine, at least 0."""
    return np.arccosh(x)


# Two roots: √(x² - 1) has the wrong sign in the left half of the complex plane.
arccosh.defvjp(lambda g, ans, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)))


@op("arctanh", numpy=np.arctanh, scalar=math.atanh, domain=(UNIT,), formula="arctanh(x)", **HOLOMORPHIC)
def arctanh(x):
    """Inverse of the hyperbolic tangent."""
    return np.arctanh(x)


arctanh.defvjp(lambda g, ans, x: g / ((1.0 - x) * (1.0 + x)))


# Sign and size


@op("+x", numpy=np.positive, scalar=lambda x: x, formula="x", linear=True, **HOLOMORPHIC)
def positive(x):
    """The same number: +x."""
    return np.positive(x)


positive.defvjp(lambda g, ans, x: g)


def python_sign(x: float) -> float:
    """The sign of a Python float; nan for nan."""
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0 if x == 0 else x


def sign_vjp(g, ans, x):
    """0 for real numbers; the direction of a complex number turns: d(z/|z|) = (dz - s Re(s̄ dz)) / |z|, s = z/|z|."""
    if not is_complex(x):
        return g * 0.0
    size = absolute(x)
    zero = equal(size, 0.0)
    return where(zero, 0.0, (g - conj(ans) * real(g * ans)) / (size + zero))


@op(
    "sign",
    numpy=np.sign,
    scalar=python_sign,
    domain=(NONZERO,),
    kinks="0 everywhere, also at 0",
    formula="sign(x)",
    **HOLOMORPHIC,
)
def sign(x):
    """-1, 0 or 1 by the sign of a real x, with derivative 0; x / |x| of a complex x."""
    return np.sign(x)


sign.defvjp(sign_vjp)


def absolute_vjp(g, ans, x):
    """Of a complex number d|z| = Re(z̄ dz) / |z|."""
    return g * (conj(x) / (ans + equal(ans, 0.0))) if is_complex(x) else g * sign(x)


@op(
    "|x|",
    numpy=(np.absolute, np.fabs),
    scalar=abs,
    domain=(NONZERO,),
    kinks="0 at 0",
    formula="abs(x)",
    **HOLOMORPHIC,
)
def absolute(x):
    """Absolute value. At 0 the derivative is taken as 0."""
    return np.absolute(x)


absolute.defvjp(absolute_vjp)


@op(
    "0→",
    numpy=np.nan_to_num,
    kinks="0 where x was replaced",
    cases=(
        *UNARY,
        Case(np.array([1.0, np.nan, np.inf, -np.inf]), nan=2.0, posinf=3.0, neginf=-4.0, order=0),
    ),
    elementwise=True,
)
def nan_to_num(x, *, nan=0.0, posinf=None, neginf=None):
    """x with nan and the infinities replaced; None for the largest numbers of the dtype."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num.defvjp(lambda g, ans, x, nan, posinf, neginf: g * isfinite(x))


# Rounding: steps, with derivative 0


@op(
    "round",
    numpy=(np.round, np.around),
    domain=(BETWEEN_INTEGERS,),
    kinks="0 everywhere, also at the steps",
    cases=(*UNARY, Case((3,), decimals=1, domain=(Interval(0.06, 0.14),)), Case((3,), decimals=-1)),
    elementwise=True,
)
def round(x, *, decimals=0):
    """Rounded to some decimals, halves to even. Its derivative is 0."""
    return np.round(x, decimals)


round.defvjp(lambda g, ans, x, decimals: g * 0.0)


@op("rint", numpy=np.rint, formula="rint(x)", **STEPS)
def rint(x):
    """The nearest integer, halves to even. Its derivative is 0."""
    return np.rint(x)


rint.defvjp(lambda g, ans, x: g * 0.0)


@op("⌊x⌋", numpy=np.floor, formula="floor(x)", **STEPS)
def floor(x):
    """The largest integer that is not above x. Its derivative is 0."""
    return np.floor(x)


floor.defvjp(lambda g, ans, x: g * 0.0)


@op("⌈x⌉", numpy=np.ceil, formula="ceil(x)", **STEPS)
def ceil(x):
    """The smallest integer that is not below x. Its derivative is 0."""
    return np.ceil(x)


ceil.defvjp(lambda g, ans, x: g * 0.0)


@op("trunc", numpy=(np.trunc, np.fix), formula="trunc(x)", **STEPS)
def trunc(x):
    """x without its decimals: the nearest integer towards 0. Its derivative is 0."""
    return np.trunc(x)


trunc.defvjp(lambda g, ans, x: g * 0.0)


# Parts of complex numbers: linear over the reals


@op("conj", numpy=np.conjugate, scalar=lambda x: x, linear=True, **HOLOMORPHIC)
def conj(x):
    """Complex conjugate."""
    return np.conjugate(x)


conj.defvjp(lambda g, ans, x: conj(g))


@op("Re", numpy=np.real, scalar=lambda x: x, linear=True, **HOLOMORPHIC)
def real(x):
    """Real part."""
    return np.real(x)


real.defvjp(lambda g, ans, x: g)


@op("Im", numpy=np.imag, scalar=lambda x: 0.0, linear=True, **HOLOMORPHIC)
def imag(x):
    """Imaginary part; 0 for real numbers."""
    return np.imag(x)


imag.defvjp(lambda g, ans, x: g * -1j if is_complex(x) else g * 0.0)


@op(
    "∠",
    numpy=np.angle,
    domain=(NONZERO,),
    kinks="0 for real numbers",
    cases=(*UNARY, Case((2,), complex=True), Case((2,), complex=True, deg=True)),
    elementwise=True,
    complex=True,
)
def angle(x, *, deg=False):
    """Angle of a complex number, in radians, or degrees; 0 or π for real numbers, with derivative 0."""
    return np.angle(x, deg)


angle.defvjp(
    lambda g, ans, x, deg: (rad2deg(g) if deg else g) * (-1j / x) if is_complex(x) else g * 0.0,
)


# Activations: here, as they are as elementary as the others to a network


def python_sigmoid(x: float) -> float:
    """The logistic function of a Python float: never the exponential of a large number."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    z = math.exp(x)
    return z / (1.0 + z)


@op("σ", scalar=python_sigmoid, formula="1 / (1 + exp(-x))", **REAL_ONLY)
def sigmoid(x):
    """Logistic function 1 / (1 + exp(-x)): right also where exp(-x) overflows, since 1/∞ = 0."""
    with np.errstate(over="ignore"):
        z = np.exp(np.multiply(x, -1.0))
    z += 1.0
    return np.divide(1.0, z, out=z if isinstance(z, np.ndarray) else None)


sigmoid.defvjp(lambda g, ans, x: g * (ans * (1.0 - ans)))


@op(
    "relu",
    scalar=lambda x: 0.0 if x < 0 else x,
    domain=(NONZERO,),
    kinks="0 at 0",
    formula="max(x, 0)",
    **REAL_ONLY,
)
def relu(x):
    """Rectified linear unit, max(x, 0). At 0 the derivative is taken as 0."""
    return np.maximum(x, 0)


relu.defvjp(lambda g, ans, x: g * (x > 0))

"""Elementary functions of one argument: exponentials, logarithms, roots, trigonometry, rounding."""

from __future__ import annotations

import math

import numpy as np

from ..domain import NONZERO, POSITIVE, REAL, UNARY
from ..op import op
from .comparison import where

__all__ = ["absolute", "cos", "exp", "log", "sign", "sin", "sqrt", "tanh"]

ELEMENTWISE = {"cases": UNARY, "elementwise": True}


@op("exp", numpy=np.exp, scalar=math.exp, formula="exp(x)", complex=True, **ELEMENTWISE)
def exp(x):
    """e to the x."""
    return np.exp(x)


exp.defvjp(lambda g, ans, x: g * ans)


@op("log", numpy=np.log, scalar=math.log, domain=(POSITIVE,), formula="log(x)", complex=True, **ELEMENTWISE)
def log(x):
    """Natural logarithm."""
    return np.log(x)


log.defvjp(lambda g, ans, x: g / x)


@op("√", numpy=np.sqrt, scalar=math.sqrt, domain=(POSITIVE,), formula="sqrt(x)", complex=True, **ELEMENTWISE)
def sqrt(x):
    """Square root."""
    return np.sqrt(x)


sqrt.defvjp(lambda g, ans, x: g * 0.5 / ans)


@op("sin", numpy=np.sin, scalar=math.sin, formula="sin(x)", complex=True, **ELEMENTWISE)
def sin(x):
    """Sine of an angle in radians."""
    return np.sin(x)


sin.defvjp(lambda g, ans, x: g * cos(x))


@op("cos", numpy=np.cos, scalar=math.cos, formula="cos(x)", complex=True, **ELEMENTWISE)
def cos(x):
    """Cosine of an angle in radians."""
    return np.cos(x)


cos.defvjp(lambda g, ans, x: -g * sin(x))


@op("tanh", numpy=np.tanh, scalar=math.tanh, formula="tanh(x)", complex=True, **ELEMENTWISE)
def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(x)


tanh.defvjp(lambda g, ans, x: g * (1.0 - ans * ans))


@op("sign", numpy=np.sign, domain=(NONZERO,), kinks="0 everywhere, also at 0", formula="sign(x)", **ELEMENTWISE)
def sign(x):
    """-1, 0 or 1 by the sign of x. Its derivative is 0."""
    return np.sign(x)


sign.defvjp(lambda g, ans, x: g * 0.0)


@op("|x|", numpy=(np.absolute, np.fabs), scalar=abs, domain=(NONZERO,), kinks="0 at 0", formula="abs(x)", **ELEMENTWISE)
def absolute(x):
    """Absolute value. At 0 the derivative is taken as 0."""
    return np.absolute(x)


absolute.defvjp(lambda g, ans, x: g * sign(x))

"""Special functions: activations of networks, the normal distribution, gamma and Bessel functions.

Where NumPy has no such function SciPy computes it; it is imported when first needed. Where repeated differentiation of
a formula would lose digits (sinc near 0, log_ndtr far to the left) an op gives each derivative in its own stable form.
"""

from __future__ import annotations

import functools
import importlib
import math
from types import ModuleType

import numpy as np

from ..domain import BINARY, NONZERO, POSITIVE, PROBABILITY, REAL, UNARY, UNIT, Case, Interval
from ..op import op
from .comparison import equal, less_equal, logical_and, where
from .elementary import absolute, exp, log, log1p, python_sigmoid, sigmoid, sign

__all__ = [
    "digamma",
    "elu",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "gamma",
    "gelu",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "leaky_relu",
    "lgamma",
    "log_ndtr",
    "log_sigmoid",
    "logit",
    "ndtr",
    "ndtri",
    "normal_pdf",
    "polygamma",
    "silu",
    "sinc",
    "softplus",
    "softsign",
    "xlog1py",
    "xlogy",
]

SQRT_HALF, SQRT_2PI = math.sqrt(0.5), math.sqrt(2.0 * math.pi)
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)

SMOOTH = {"cases": UNARY, "elementwise": True}


@functools.cache
def scipy_special() -> ModuleType:
    """Return `scipy.special`; say how to get it where it is missing."""
    try:
        return importlib.import_module("scipy.special")
    except ImportError as error:
        raise ImportError(
            "this special function is computed by SciPy, which is not installed: pip install scipy, or "
            'pip install "autograd-nn[jit]".'
        ) from error


# Activations


def python_softplus(x: float) -> float:
    """log(1 + exp(x)) of a Python float."""
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


@op("softplus", scalar=python_softplus, formula="max(x, 0) + log1p(exp(-abs(x)))", **SMOOTH)
def softplus(x):
    """log(1 + exp(x)), without overflow. Its derivative is the sigmoid."""
    return np.maximum(x, 0) + np.log1p(np.exp(np.abs(x) * -1.0))


softplus.defvjp(lambda g, ans, x: g * sigmoid(x))


@op("log σ", scalar=lambda x: -python_softplus(-x), formula="min(x, 0) - log1p(exp(-abs(x)))", **SMOOTH)
def log_sigmoid(x):
    """log(1 / (1 + exp(-x))), without overflow or log(0)."""
    return np.minimum(x, 0) - np.log1p(np.exp(np.abs(x) * -1.0))


log_sigmoid.defvjp(lambda g, ans, x: g * sigmoid(-x))


@op("logit", scalar=lambda p: math.log(p / (1.0 - p)), domain=(PROBABILITY,), formula="log(p / (1 - p))", **SMOOTH)
def logit(p):
    """log(p / (1 - p)), the inverse of the sigmoid."""
    return np.log(np.divide(p, np.subtract(1.0, p)))


logit.defvjp(lambda g, ans, p: g / (p * (1.0 - p)))


def silu_vjp(g, ans, x):
    """s + x s (1 - s), where s is the sigmoid."""
    s = sigmoid(x)
    return g * (s + ans * (1.0 - s))


@op("silu", scalar=lambda x: x * python_sigmoid(x), formula="x / (1 + exp(-x))", **SMOOTH)
def silu(x):
    """x sigmoid(x), also called swish (Elfwing, Uchibe, Doya, 2018)."""
    return np.multiply(x, sigmoid.forward(x))


silu.defvjp(silu_vjp)


GELU_SCALE, GELU_CUBIC = 2.0 * math.sqrt(2.0 / math.pi), 0.044715


def python_gelu(x: float, *, approximate: str = "none") -> float:
    """GELU of a Python float."""
    if approximate == "none":
        return x * (0.5 * math.erfc(-x * SQRT_HALF))
    if approximate == "tanh":
        return x * python_sigmoid(GELU_SCALE * (x + GELU_CUBIC * x * x * x))
    raise ValueError  # explained by the function on arrays


def gelu_vjp(g, ans, x, approximate):
    """Φ(x) + x φ(x), or the derivative of the approximation x s(u(x)) = s + x s (1 - s) u'."""
    if approximate == "none":
        return g * (ndtr(x) + x * normal_pdf(x))
    x2 = x * x
    s = sigmoid(GELU_SCALE * x * (1.0 + GELU_CUBIC * x2))
    return g * (s + ans * ((1.0 - s) * (GELU_SCALE + 3.0 * GELU_SCALE * GELU_CUBIC * x2)))


@op(
    "gelu",
    scalar=python_gelu,
    cases=(*UNARY, Case((2, 3), approximate="tanh"), Case("python", approximate="tanh")),
    elementwise=True,
)
def gelu(x, *, approximate="none"):
    """x Φ(x), where Φ is the normal distribution function (Hendrycks, Gimpel, 2016).

    ``approximate="tanh"`` is x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, and needs no SciPy.
    """
    if approximate == "none":
        return np.multiply(x, ndtr.forward(x))
    if approximate == "tanh":
        return np.multiply(x, sigmoid.forward(GELU_SCALE * np.multiply(x, 1.0 + GELU_CUBIC * np.square(x))))
    raise ValueError(f"wanted approximate='none' or approximate='tanh', got {approximate!r}")


gelu.defvjp(gelu_vjp)


@op(
    "leaky relu",
    scalar=lambda x, *, negative_slope=0.01: x * negative_slope if x < 0 else x,
    domain=(NONZERO,),
    kinks="negative_slope at 0",
    cases=(*UNARY, Case((2, 3), negative_slope=0.2)),
    formula="x if x > 0 else negative_slope * x",
    elementwise=True,
)
def leaky_relu(x, *, negative_slope=0.01):
    """x for x > 0, else negative_slope · x. At 0 the derivative is taken as negative_slope."""
    return np.maximum(x, 0) + np.multiply(np.minimum(x, 0), negative_slope)


leaky_relu.defvjp(lambda g, ans, x, negative_slope: g * negative_slope + g * (1.0 - negative_slope) * (x > 0))


@op(
    "elu",
    scalar=lambda x, *, alpha=1.0: alpha * math.expm1(x) if x < 0 else x,
    domain=(NONZERO,),
    kinks="alpha at 0",
    cases=(*UNARY, Case((2, 3), alpha=0.5)),
    formula="x if x > 0 else alpha * expm1(x)",
    elementwise=True,
)
def elu(x, *, alpha=1.0):
    """x for x > 0, else alpha (exp(x) - 1) (Clevert, Unterthiner, Hochreiter, 2016)."""
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


elu.defvjp(lambda g, ans, x, alpha: where(x > 0, g, g * (ans + alpha)))


def softsign_vjp(g, ans, x):
    """1 / (1 + |x|)²."""
    size = 1.0 + absolute(x)
    return g / (size * size)


@op("softsign", scalar=lambda x: x / (1.0 + abs(x)), domain=(NONZERO,), formula="x / (1 + abs(x))", **SMOOTH)
def softsign(x):
    """x / (1 + |x|). Its derivative is 1 at 0, its second derivative jumps there."""
    return np.divide(x, 1.0 + np.abs(x))


softsign.defvjp(softsign_vjp)


# The error function and the normal distribution


@op("erf", scalar=math.erf, formula="erf(x)", **SMOOTH)
def erf(x):
    """Error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    return scipy_special().erf(x)


erf.defvjp(lambda g, ans, x: g * (TWO_OVER_SQRT_PI * exp(-x * x)))


@op("erfc", scalar=math.erfc, formula="erfc(x)", **SMOOTH)
def erfc(x):
    """1 - erf(x), accurate for large x."""
    return scipy_special().erfc(x)


erfc.defvjp(lambda g, ans, x: g * (-TWO_OVER_SQRT_PI * exp(-x * x)))


@op("erfcx", **SMOOTH)
def erfcx(x):
    """exp(x²) erfc(x), for which large x are no trouble."""
    return scipy_special().erfcx(x)


erfcx.defvjp(lambda g, ans, x: g * (2.0 * x * ans - TWO_OVER_SQRT_PI))


@op("erf⁻¹", domain=(UNIT,), **SMOOTH)
def erfinv(x):
    """Inverse of the error function."""
    return scipy_special().erfinv(x)


erfinv.defvjp(lambda g, ans, x: g * (exp(ans * ans) / TWO_OVER_SQRT_PI))


@op("erfc⁻¹", domain=(Interval(0.0, 2.0),), **SMOOTH)
def erfcinv(x):
    """Inverse of erfc, accurate for small x."""
    return scipy_special().erfcinv(x)


erfcinv.defvjp(lambda g, ans, x: g * (exp(ans * ans) / -TWO_OVER_SQRT_PI))


@op("φ", scalar=lambda x: math.exp(-0.5 * x * x) / SQRT_2PI, formula="exp(-x * x / 2) / sqrt(2 * pi)", **SMOOTH)
def normal_pdf(x):
    """Density of the standard normal distribution, exp(-x²/2) / √(2π)."""
    with np.errstate(over="ignore"):  # x² = ∞ is as good as any large number
        return np.exp(np.square(x) * -0.5) * (1.0 / SQRT_2PI)


normal_pdf.defvjp(lambda g, ans, x: -g * (x * ans))


@op("Φ", scalar=lambda x: 0.5 * math.erfc(-x * SQRT_HALF), formula="erfc(-x / sqrt(2)) / 2", **SMOOTH)
def ndtr(x):
    """Distribution function of the standard normal distribution."""
    return scipy_special().ndtr(x)


ndtr.defvjp(lambda g, ans, x: g * normal_pdf(x))


@op("Φ⁻¹", domain=(PROBABILITY,), **SMOOTH)
def ndtri(p):
    """Inverse of `ndtr`: the quantiles of the standard normal distribution."""
    return scipy_special().ndtri(p)


ndtri.defvjp(lambda g, ans, p: g * (SQRT_2PI * exp(0.5 * ans * ans)))


@op("log Φ", **SMOOTH)
def log_ndtr(x):
    """log(ndtr(x)), accurate where ndtr(x) is tiny. Its derivative is `normal_hazard`."""
    return scipy_special().log_ndtr(x)


log_ndtr.defvjp(lambda g, ans, x: g * normal_hazard(x))


def in_double(f, x):
    """Compute in float64 and give the result in the dtype of x: for differences of numbers that are almost equal."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError("wanted real numbers")
    out = f(x.astype(np.float64))
    return out.astype(x.dtype) if x.dtype.kind == "f" else out


def hazard(x):
    """φ/Φ on float64, by erfcx, which neither overflows nor underflows where φ and Φ do."""
    return math.sqrt(2.0 / math.pi) / scipy_special().erfcx(-x * SQRT_HALF)


def hazard_excess(x):
    """x + φ/Φ on float64: far to the left, where digits cancel, by its asymptotic series in 1/x²."""
    t = -1.0 / np.minimum(x, -50.0)
    t2 = t * t
    series = t * (1.0 - t2 * (2.0 - t2 * (10.0 - t2 * (74.0 - t2 * 706.0))))
    return np.where(x < -50.0, series, x + hazard(x))


@op("φ/Φ", **SMOOTH)
def normal_hazard(x):
    """φ(x) / Φ(x), the derivative h of log Φ (an inverse Mills ratio); about -x far to the left. h' = -h (x + h)."""
    return in_double(hazard, x)


normal_hazard.defvjp(lambda g, ans, x: -g * (ans * normal_hazard_excess(x)))


@op("x+φ/Φ", **SMOOTH)
def normal_hazard_excess(x):
    """x + φ(x)/Φ(x), about -1/x far to the left, where its two terms cancel."""
    return in_double(hazard_excess, x)


normal_hazard_excess.defvjp(lambda g, ans, x: g * (1.0 - normal_hazard(x) * ans))


# Entropies: x log(y) is 0 at x = 0, whatever y


ENTROPY = {"cases": BINARY, "elementwise": True}


def as_dtype_with(y, x):
    """y in the floating point dtype of x · y, so that a Python float does not turn float32 into float64."""
    dtype = np.result_type(x, y)
    return np.asarray(y, dtype if dtype.kind in "fc" else np.float64)


@op("x log y", domain=(REAL, POSITIVE), kinks="0 at x = 0, y ≤ 0", **ENTROPY)
def xlogy(x, y):
    """x log(y), and 0 at x = 0 (but nan where y is nan). At x = 0, y ≤ 0 the derivatives are taken as 0."""
    zero = np.equal(x, 0) & ~np.isnan(y)
    return np.multiply(x, np.log(np.where(zero, 1, as_dtype_with(y, x))))


# Only the singular points are replaced, so that mixed derivatives are right at x = 0 too.
xlogy.defvjp(
    lambda g, ans, x, y: g * log(where(logical_and(equal(x, 0.0), less_equal(y, 0.0)), 1.0, y)),
    lambda g, ans, x, y: g * (x / (y + logical_and(equal(x, 0.0), equal(y, 0.0)))),
)


@op("x log1p y", domain=(REAL, POSITIVE), kinks="0 at x = 0, y ≤ -1", **ENTROPY)
def xlog1py(x, y):
    """x log(1 + y), and 0 at x = 0 (but nan where y is nan). At x = 0, y ≤ -1 the derivatives are taken as 0."""
    zero = np.equal(x, 0) & ~np.isnan(y)
    return np.multiply(x, np.log1p(np.where(zero, 0, as_dtype_with(y, x))))


xlog1py.defvjp(
    lambda g, ans, x, y: g * log1p(where(logical_and(equal(x, 0.0), less_equal(y, -1.0)), 0.0, y)),
    lambda g, ans, x, y: g * (x / (1.0 + y + logical_and(equal(x, 0.0), equal(y, -1.0)))),
)


@op("-x log x", domain=(POSITIVE,), **SMOOTH)
def entr(x):
    """-x log(x), 0 at 0 and -∞ for negative x: the terms of an entropy. At 0 the derivative is ∞."""
    return np.where(np.less(x, 0), -math.inf, -xlogy.forward(x, np.abs(x)))


entr.defvjp(lambda g, ans, x: -g * (1.0 + log(x)))


# Gamma functions


def python_lgamma(x: float) -> float:
    """log|Γ| of a Python float; at -∞ Python and SciPy differ, and SciPy is asked (by raising)."""
    if x == -math.inf:
        raise ValueError("SciPy has -inf here")
    return math.lgamma(x)


@op("log|Γ|", scalar=python_lgamma, domain=(POSITIVE,), **SMOOTH)
def lgamma(x):
    """Logarithm of the absolute value of the gamma function."""
    return scipy_special().gammaln(x)


lgamma.defvjp(lambda g, ans, x: g * digamma(x))


@op("Γ", scalar=math.gamma, domain=(POSITIVE,), **SMOOTH)
def gamma(x):
    """The gamma function, which continues the factorial: n! at n + 1."""
    return scipy_special().gamma(x)


gamma.defvjp(lambda g, ans, x: g * (ans * digamma(x)))


@op("ψ", domain=(POSITIVE,), **SMOOTH)
def digamma(x):
    """Derivative of lgamma."""
    return scipy_special().digamma(x)


digamma.defvjp(lambda g, ans, x: g * polygamma(x, n=1))


@op(
    "ψₙ",
    domain=(POSITIVE,),
    cases=(Case((2, 3), n=1), Case("python", n=2), Case((), n=3), Case((2,), n=0), Case((0,), n=1)),
    elementwise=True,
)
def polygamma(x, *, n):
    """Derivative number n of digamma, (-1)ⁿ⁺¹ n! ζ(n + 1, x). Arrays come first here: ``polygamma(x, n=1)``."""
    if n < 0 or n != int(n):
        raise ValueError(f"wanted a whole number n ≥ 0, got n={n}")
    special = scipy_special()
    x = np.asarray(x)
    if n == 0:
        return special.digamma(x)
    order = x.dtype.type(n + 1) if x.dtype.kind == "f" else n + 1.0  # keeps float32
    return (-1.0) ** (n + 1) * math.factorial(int(n)) * special.zeta(order, x)


polygamma.defvjp(lambda g, ans, x, n: g * polygamma(x, n=n + 1))


# Bessel functions of an imaginary argument


@op("I₀", numpy=np.i0, **SMOOTH)
def i0(x):
    """Modified Bessel function of the first kind, order 0."""
    return np.i0(x)


i0.defvjp(lambda g, ans, x: g * i1(x))


@op("I₁", **SMOOTH)
def i1(x):
    """Modified Bessel function of the first kind, order 1."""
    return scipy_special().i1(x)


# I₁' = I₀ - I₁/x, written as a mean of neighbours, which is right at 0 too.
i1.defvjp(lambda g, ans, x: g * (0.5 * (i0(x) + iv(x, order=2))))


ORDERS = {
    "cases": (
        Case((3,), attrs={"order": 2}),
        Case("python", attrs={"order": 0}),
        Case((), attrs={"order": 3}),
        Case((0,), attrs={"order": 1}),
    ),
    "elementwise": True,
}


def bessel_order(order):
    """Check an order: whole, so that negative x have a value."""
    if order != int(order):
        raise ValueError(f"wanted a whole number, got order={order}")
    return abs(int(order))


@op("Iₙ", **ORDERS)
def iv(x, *, order):
    """Modified Bessel function of the first kind, of a whole order."""
    return scipy_special().iv(bessel_order(order), x)


iv.defvjp(lambda g, ans, x, order: g * (0.5 * (iv(x, order=order - 1) + iv(x, order=order + 1))))


SCALED = {"domain": (NONZERO,), "kinks": "at 0 the mean of both sides"}


@op("e⁻ˣI₀", **SCALED, **SMOOTH)
def i0e(x):
    """exp(-|x|) i0(x), which does not overflow."""
    return scipy_special().i0e(x)


i0e.defvjp(lambda g, ans, x: g * (i1e(x) - sign(x) * ans))


@op("e⁻ˣI₁", **SCALED, **SMOOTH)
def i1e(x):
    """exp(-|x|) i1(x), which does not overflow."""
    return scipy_special().i1e(x)


i1e.defvjp(lambda g, ans, x: g * (0.5 * (i0e(x) + ive(x, order=2)) - sign(x) * ans))


@op("e⁻ˣIₙ", **SCALED, **ORDERS)
def ive(x, *, order):
    """exp(-|x|) iv(x), which does not overflow, of a whole order."""
    return scipy_special().ive(bessel_order(order), x)


ive.defvjp(lambda g, ans, x, order: g * (0.5 * (ive(x, order=order - 1) + ive(x, order=order + 1)) - sign(x) * ans))


# sin(πx) / (πx)


def sinc_at(t, n, np=np):
    """Derivative number n of sin(t)/t; also of another array module, such as JAX's.

    Near 0 by its power series; elsewhere by t s⁽ⁿ⁾ = sin⁽ⁿ⁾ - n s⁽ⁿ⁻¹⁾, which is stable for |t| ≥ n.
    """
    near = np.abs(t) < max(1, n)
    small = np.where(near, t, 0.0)
    # Each term of Σ (-1)ᵏ t²ᵏ / (2k + 1)!, differentiated n times: its coefficient is a ratio of factorials.
    series, first = np.zeros_like(small), (n + 1) // 2
    for k in reversed(range(first, first + 12 + 2 * n)):
        coefficient = (-1.0) ** k * math.factorial(2 * k) / (math.factorial(2 * k - n) * math.factorial(2 * k + 1))
        series = series * (small * small) + coefficient
    series = series * small ** (2 * first - n)
    large = np.where(near, 1.0 + n, t)
    s = np.sin(large) / large
    for m in range(1, n + 1):
        s = (np.sin(large + m * (math.pi / 2)) - m * s) / large
    return np.where(near, series, s)


@op("sinc", numpy=np.sinc, scalar=lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0, **SMOOTH)
def sinc(x):
    """sin(πx) / (πx), and 1 at 0."""
    return np.sinc(x)


sinc.defvjp(lambda g, ans, x: g * sinc_derivative(x, n=1))


@op(
    "sinc⁽ⁿ⁾",
    cases=(Case((3,), n=1), Case("python", n=2), Case((), n=1), Case(np.array([0.0, 1e-3]), n=2), Case((0,), n=1)),
    elementwise=True,
)
def sinc_derivative(x, *, n):
    """Derivative number n of sinc, as exact near 0 as elsewhere."""
    return np.multiply(in_double(lambda x: sinc_at(math.pi * x, n), x), math.pi**n)


sinc_derivative.defvjp(lambda g, ans, x, n: g * sinc_derivative(x, n=n + 1))

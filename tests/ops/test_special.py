"""Special functions: value and two derivatives against mpmath, far out and near singular points, in both precisions."""

import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.special

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import special

MODULE = [op for op in OPS.values() if op.module == special.__name__]


def derivatives(f, x, order=2):
    """Value and derivatives at a point, by our rules."""
    x = Value(x)
    out = [f(x)]
    for _ in range(order):
        out += cotangents([out[-1]], [x], [np.ones(x.shape)] if x.shape else None, create_graph=True)
    return [float(np.ravel(y.data)[0]) for y in out]


def normal(x):
    return mpmath.ncdf(x)


def log_normal(x):
    return mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2)


def tanh_gelu(x):
    return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(0.044715) * x**3)))


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def sinc(x):
    return mpmath.sinc(mpmath.pi * x)


EVERYWHERE = (-1000.0, -100.0, -30.0, -5.0, -1.0, 0.0, 1e-8, 0.5, 3.0, 30.0, 100.0, 1000.0)
CLOSED = {  # name: (ours, mpmath's, points)
    "softplus": (special.softplus, softplus, EVERYWHERE),
    "log_sigmoid": (special.log_sigmoid, lambda x: -softplus(-x), EVERYWHERE),
    "silu": (special.silu, lambda x: x / (1 + mpmath.exp(-x)), EVERYWHERE),
    "gelu": (special.gelu, lambda x: x * normal(x), EVERYWHERE),
    "gelu tanh": (lambda x: special.gelu(x, approximate="tanh"), tanh_gelu, EVERYWHERE),
    "erf": (special.erf, mpmath.erf, EVERYWHERE),
    "erfc": (special.erfc, mpmath.erfc, EVERYWHERE),
    "ndtr": (special.ndtr, normal, EVERYWHERE),
    "log_ndtr": (special.log_ndtr, log_normal, EVERYWHERE),
    "normal_pdf": (special.normal_pdf, mpmath.npdf, EVERYWHERE),
    "erfcx": (special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), (-3.0, 0.0, 2.0)),
    "erfinv": (special.erfinv, mpmath.erfinv, (-0.99, 0.0, 0.5)),
    "erfcinv": (special.erfcinv, lambda x: mpmath.erfinv(1 - x), (0.01, 1.0, 1.9)),
    "ndtri": (special.ndtri, lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1), (0.01, 0.5, 0.9)),
    "logit": (special.logit, lambda p: mpmath.log(p / (1 - p)), (1e-6, 0.3, 0.75)),
    "sinc": (special.sinc, sinc, (-2.3, -1e-3, 1e-9, 0.1, 0.31, 0.33, 1.0, 30.5)),
    "lgamma": (special.lgamma, mpmath.loggamma, (1e-3, 0.5, 3.5, 1000.0)),
    "gamma": (special.gamma, mpmath.gamma, (0.01, 0.5, 3.5, -1.5)),
    "digamma": (special.digamma, mpmath.digamma, (0.01, 0.5, 30.0)),
    "i0": (special.i0, lambda x: mpmath.besseli(0, x), (-3.0, 0.0, 1e-9, 20.0)),
    "i1": (special.i1, lambda x: mpmath.besseli(1, x), (-3.0, 0.0, 1e-9, 20.0)),
    "i0e": (special.i0e, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), (-3.0, 0.5, 100.0, 1000.0)),
    "i1e": (special.i1e, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x), (-3.0, 0.5, 100.0, 1000.0)),
    "entr": (special.entr, lambda x: -x * mpmath.log(x), (1e-6, 0.5, 1000.0)),
    "softsign": (special.softsign, lambda x: x / (1 + abs(x)), (-1000.0, -0.5, 0.5, 1000.0)),
    "elu": (special.elu, lambda x: x if x > 0 else mpmath.expm1(x), (-1000.0, -0.5, 0.5, 1000.0)),
}


def x_is_an_exponent(name):
    """Does 1 + exp(-1000), or worse exp(-1000²/2), occur? Then mpmath has to be told to spend the digits."""
    return name not in ("i0e", "i1e", "entr", "lgamma", "softsign")


def slopes(f, x, digits):
    """Value, first and second derivative; by plain differences where mpmath has many digits to spend."""
    if digits < 100:
        return [mpmath.diff(f, x, n) for n in range(3)]
    h = mpmath.mpf(10) ** (-digits // 4)
    low, mid, high = f(x - h), f(x), f(x + h)
    return mid, (high - low) / (2 * h), (high - 2 * mid + low) / h**2


@pytest.mark.parametrize("kind", ["python", "float64", "float32"])
@pytest.mark.parametrize(("name", "x"), [(name, x) for name, (_, _, points) in CLOSED.items() for x in points])
def test_value_and_two_derivatives_equal_those_of_mpmath(name, x, kind):
    ours, f, _ = CLOSED[name]
    x = x if kind == "python" else np.array([x], kind)
    at = float(np.ravel(x)[0])
    digits = 500 if abs(at) > 200 and x_is_an_exponent(name) else 60
    with mpmath.workdps(digits):
        wanted = [float(d) for d in slopes(f, mpmath.mpf(at), digits)]
    eps = 1.2e-7 if kind == "float32" else 2.2e-16
    near_half = 1e-12 if kind != "float32" else 1e-5  # SciPy's and NumPy's own errors, at zeros and in tails
    np.testing.assert_allclose(derivatives(ours, x), wanted, rtol=max(500 * eps, near_half), atol=30 * eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "name", ["softplus", "log_sigmoid", "silu", "gelu", "log_ndtr", "ndtr", "erf", "erfc", "normal_pdf"]
)
@pytest.mark.parametrize("x", [-1e15, 1e15])
def test_far_out_all_is_finite_and_silent(name, x, dtype):
    assert np.isfinite(derivatives(OPS[name], np.array([x], dtype))).all()


def test_log_ndtr_far_to_the_left():
    # log Φ(x) ~ -x²/2, so the second derivative tends to -1, where x + φ/Φ cancels all digits.
    for x in (-1e4, -1e8):
        _, first, second = derivatives(special.log_ndtr, np.array([x]))
        assert first == pytest.approx(-x, rel=1e-7)
        assert second == pytest.approx(-1.0, rel=1e-7)


@pytest.mark.parametrize("n", range(7))
def test_all_derivatives_of_sinc_at_and_near_zero(n):
    # sin(t)/t = Σ (-1)ᵏ t²ᵏ/(2k+1)!, so derivative n at 0 is (-1)^(n/2)/(n+1) for even n, 0 for odd n, times πⁿ.
    wanted = 0.0 if n % 2 else (-1.0) ** (n // 2) / (n + 1) * math.pi**n
    assert derivatives(special.sinc, np.array([0.0]), order=n)[n] == pytest.approx(wanted, rel=1e-14)
    for x in (1e-5, 0.1, 0.3, 0.32, n / math.pi + 1e-9, n / math.pi - 1e-9, 4.2):
        with mpmath.workdps(50):
            wanted = float(mpmath.diff(sinc, mpmath.mpf(x), n))
        assert derivatives(special.sinc, np.array([x]), order=n)[n] == pytest.approx(
            wanted, rel=1e-10, abs=1e-11 * math.pi**n
        )


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("x", [0.1, 2.5, 40.0])
def test_polygamma(n, x):
    with mpmath.workdps(40):
        wanted = [float(mpmath.polygamma(n + k, x)) for k in range(3)]
    assert derivatives(lambda x: special.polygamma(x, n=n), x) == pytest.approx(wanted, rel=1e-12)


def test_polygamma_and_bessel_functions_check_their_order():
    for n in (-1, 0.5):
        with pytest.raises(ValueError, match="polygamma: wanted a whole number n ≥ 0, got n="):
            special.polygamma(1.0, n=n)
    with pytest.raises(ValueError, match=r"iv: wanted a whole number, got order=0\.5"):
        special.iv(Value(1.0), order=0.5)


@pytest.mark.parametrize("order", [0, 1, 2, 5])
@pytest.mark.parametrize("x", [-2.0, 0.0, 3.0])
def test_bessel_functions_of_any_order(order, x):
    with mpmath.workdps(40):
        wanted = [float(mpmath.diff(lambda t: mpmath.besseli(order, t), mpmath.mpf(x), k)) for k in range(3)]
    assert derivatives(lambda v: special.iv(v, order=order), x) == pytest.approx(wanted, rel=1e-12, abs=1e-15)


# Entropies


def gradients(f, *args):
    values = [Value(float(x)) for x in args]
    f(*values).backward()
    return [v.grad for v in values]


def test_xlogy_at_zero():
    assert special.xlogy(0.0, 0.0) == special.xlog1py(0.0, -1.0) == special.xlogy(0.0, math.inf) == 0.0
    assert math.isnan(special.xlogy(0.0, math.nan)) and math.isnan(special.xlog1py(0.0, math.nan))
    assert gradients(special.xlogy, 0.0, 0.0) == [0.0, 0.0]
    assert gradients(special.xlog1py, 0.0, -1.0) == [0.0, 0.0]
    assert gradients(special.xlogy, 0.0, 2.0) == [math.log(2.0), 0.0]
    assert gradients(special.xlogy, 2.0, 4.0) == [math.log(4.0), 0.5]
    assert gradients(special.xlog1py, 2.0, 3.0) == [math.log(4.0), 0.5]


def test_mixed_derivative_of_xlogy_at_x_zero():
    for op, y in ((special.xlogy, 2.0), (special.xlog1py, 1.0)):
        x, v = Value(0.0), Value(y)
        (d,) = cotangents([op(x, v)], [x], create_graph=True)
        assert cotangents([d], [v]) == [0.5]


@pytest.mark.parametrize(
    ("ours", "scipys"), [(special.xlogy, scipy.special.xlogy), (special.xlog1py, scipy.special.xlog1py)]
)
def test_entropies_equal_scipys(ours, scipys):
    x, y = np.meshgrid([-1.0, 0.0, 2.0, np.nan, np.inf], [0.0, 0.5, np.inf, np.nan])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(ours(x, y), scipys(x, y), rtol=1e-14)
        np.testing.assert_allclose(special.entr(x), scipy.special.entr(x), rtol=1e-14)


def test_entropy_of_a_distribution_with_a_zero():
    p = Value([0.0, 0.25, 0.75])
    h = special.entr(p).sum()
    assert h.data == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    h.backward()
    assert p.grad[1:] == pytest.approx(-1 - np.log([0.25, 0.75]))
    assert p.grad[0] == math.inf


# Kinks, scalars, dtypes, errors


@pytest.mark.parametrize(
    ("f", "x", "wanted"),
    [
        (special.leaky_relu, 0.0, 0.01),
        (lambda x: special.leaky_relu(x, negative_slope=0.2), -1.0, 0.2),
        (lambda x: special.leaky_relu(x, negative_slope=0.2), 0.0, 0.2),
        (special.leaky_relu, 3.0, 1.0),
        (lambda x: special.elu(x, alpha=0.5), 0.0, 0.5),
        (lambda x: special.elu(x, alpha=0.5), -1.0, 0.5 * math.exp(-1.0)),
        (special.elu, 3.0, 1.0),
        (special.softsign, 0.0, 1.0),
        (special.i0e, 0.0, 0.0),
        (special.i1e, 0.0, 0.5),
    ],
)
def test_kinks_are_as_documented(f, x, wanted):
    assert gradients(f, x) == pytest.approx([wanted])
    v = Value(np.array([x]))
    f(v).sum().backward()
    assert v.grad == pytest.approx([wanted])


@pytest.mark.parametrize("op", MODULE, ids=lambda op: op.name)
def test_python_floats_stay_and_float32_stays(op):
    attrs = next(c.attrs for c in op.cases)
    for x, kind in ((0.5, float), (np.float32([0.5, 0.25]), np.float32)):
        values = [Value(x) for _ in op.args]
        y = op(*values, **attrs)
        y.backward(None if kind is float else np.ones(2, kind))
        for z in (y.data, *(v.grad for v in values)):
            assert type(z) is float if kind is float else z.dtype == kind


@pytest.mark.parametrize("op", MODULE, ids=lambda op: op.name)
def test_complex_numbers_are_refused(op):
    z = [np.array([0.5 + 0.5j])] * len(op.args)
    with pytest.raises(TypeError, match=f"{op.name}: wanted real numbers"):
        op(*z, **op.cases[0].attrs)


def test_gelu_names_its_choices():
    for x in (1.0, Value([1.0])):
        with pytest.raises(ValueError, match="gelu: wanted approximate='none' or approximate='tanh', got 'fast'"):
            special.gelu(x, approximate="fast")


def test_inverses_at_the_ends_are_infinite():
    with np.errstate(all="ignore"):
        assert special.logit(1.0) == special.erfinv(1.0) == special.ndtri(1.0) == math.inf
        assert special.logit(0.0) == special.erfinv(-1.0) == special.ndtri(0.0) == -math.inf


def test_numpys_names_lead_here():
    assert np.sinc(Value(0.5)).op is special.sinc
    assert np.i0(Value([0.5])).op is special.i0


def test_without_scipy_the_error_says_what_to_install():
    code = """
import sys
sys.modules["scipy"] = sys.modules["scipy.special"] = None
import numpy as np
from autograd_nn import Value
from autograd_nn.ops import special
x = Value(np.array([0.5]))
special.gelu(x, approximate="tanh"), special.softplus(x), special.sinc(x), special.xlogy(x, x)  # these need no SciPy
special.erf(Value(0.5)), special.gelu(Value(0.5)), special.lgamma(Value(0.5))
try:
    special.erf(x)
except ImportError as error:
    print(error)
"""
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True).stdout
    assert "pip install" in out and "SciPy" in out

"""Elementary functions: derivatives against mpmath, stability, kinks, complex numbers, scalars."""

import math

import mpmath
import numpy as np
import pytest

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import elementary

MODULE = [op for op in OPS.values() if op.module == elementary.__name__]


def derivatives(f, x, order=2):
    """Value and derivatives at a point, as floats or complex numbers, by our rules."""
    x = Value(np.asarray(x))
    out = [f(x)]
    for _ in range(order):
        out += (
            [None]
            if out[-1] is None
            else cotangents([out[-1]], [x], [np.ones(x.shape, out[-1].dtype)], create_graph=True)
        )
    return [0.0 if y is None else y.data.item() for y in out]  # None: no path, so the derivative is 0


CLOSED = {  # ours: (mpmath's, points)
    "exp": (mpmath.exp, (-1000.0, -1.5, 0.0, 20.0)),
    "exp2": (lambda x: mpmath.power(2, x), (-1000.0, -1.5, 0.0, 20.0)),
    "expm1": (mpmath.expm1, (-1000.0, -40.0, 1e-12, 3.0)),
    "log": (mpmath.log, (1e-3, 1.0, 1000.0)),
    "log2": (lambda x: mpmath.log(x, 2), (1e-3, 1.0, 1000.0)),
    "log10": (mpmath.log10, (1e-3, 1.0, 1000.0)),
    "log1p": (mpmath.log1p, (-0.999, 1e-14, 1000.0)),
    "sqrt": (mpmath.sqrt, (1e-6, 2.0, 1000.0)),
    "cbrt": (mpmath.cbrt, (1e-6, 2.0, 1000.0)),
    "reciprocal": (lambda x: 1 / x, (-1000.0, 0.5)),
    "sin": (mpmath.sin, (-1000.0, 0.0, 1.0)),
    "cos": (mpmath.cos, (-1000.0, 0.0, 1.0)),
    "tan": (mpmath.tan, (-1.5, 0.0, 1.0)),
    "arcsin": (mpmath.asin, (-0.9999999, 0.0, 0.5)),
    "arccos": (mpmath.acos, (-0.9999999, 0.0, 0.5)),
    "arctan": (mpmath.atan, (-1000.0, 0.0, 0.5)),
    "sinh": (mpmath.sinh, (-20.0, 0.0, 0.5)),
    "cosh": (mpmath.cosh, (-20.0, 0.0, 0.5)),
    "tanh": (mpmath.tanh, (-1000.0, -3.0, 0.0, 0.5, 1000.0)),
    "arcsinh": (mpmath.asinh, (-1000.0, 0.0, 0.5)),
    "arccosh": (mpmath.acosh, (1.0001, 2.0, 1000.0)),
    "arctanh": (mpmath.atanh, (-0.9999999, 0.0, 0.5)),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), (-1000.0, -30.0, 0.0, 3.0, 1000.0)),
    "deg2rad": (lambda x: x * mpmath.pi / 180, (-1000.0, 30.0)),
    "rad2deg": (lambda x: x * 180 / mpmath.pi, (-1000.0, 0.5)),
}


NEXT_TO_A_SINGULARITY = {-0.9999999, 1.0001, -0.999}  # float32 has not the digits for these points
POINTS = [(name, x, np.float64) for name, (_, points) in CLOSED.items() for x in points]
POINTS += [(name, x, np.float32) for name, x, _ in POINTS if x not in NEXT_TO_A_SINGULARITY]


@pytest.mark.parametrize(("name", "x", "dtype"), POINTS)
def test_value_and_two_derivatives_equal_those_of_mpmath(name, x, dtype):
    f, x = CLOSED[name][0], float(dtype(x))
    with mpmath.workdps(60):
        wanted = [float(mpmath.diff(f, mpmath.mpf(x), n)) for n in range(3)]
    came = derivatives(OPS[name], dtype(x))
    eps = float(np.finfo(dtype).eps)
    # tanh and the sigmoid saturate: their derivative is right to the precision of the value.
    np.testing.assert_allclose(came, wanted, rtol=200 * eps, atol=20 * eps if name in ("tanh", "sigmoid") else 1e-42)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("x", [-np.inf, -1e30, -1000.0, 1000.0, 1e30, np.inf])
def test_the_sigmoid_saturates_in_silence(dtype, x):
    value, first, second = derivatives(elementary.sigmoid, dtype(x))
    assert (value, first, second) == (float(x > 0), 0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("relu", 0.0, 0.0),
        ("relu", 2.0, 1.0),
        ("relu", -2.0, 0.0),
        ("absolute", 0.0, 0.0),
        ("absolute", -2.0, -1.0),
        ("sign", 0.0, 0.0),
        ("sign", 3.0, 0.0),
        ("round", 0.5, 0.0),
        ("rint", 1.5, 0.0),
        ("floor", 1.0, 0.0),
        ("ceil", 1.0, 0.0),
        ("trunc", -1.0, 0.0),
    ],
)
def test_kinks_are_as_documented(name, x, wanted):
    for argument in (x, np.array(x), np.array([x], np.float32)):
        v = Value(argument)
        OPS[name](v).sum().backward()
        assert np.ravel(v.grad).tolist() == [wanted]


def test_infinite_derivatives_are_infinite():
    for name in ("sqrt", "cbrt"):
        for zero in (Value(0.0), Value(np.array([0.0]))):
            OPS[name](zero).sum().backward()
            assert np.ravel(zero.grad).tolist() == [np.inf]


def test_rounding_and_its_attribute():
    x = Value([0.125, 1.5, -2.5])
    assert x.round(1).data.tolist() == [0.1, 1.5, -2.5]
    assert np.round(x, 1).data.tolist() == [0.1, 1.5, -2.5]
    assert np.around(x).data.tolist() == [0.0, 2.0, -2.0]
    assert np.fix(x).data.tolist() == [0.0, 1.0, -2.0]


def test_nan_to_num_passes_gradients_where_nothing_was_replaced():
    x = Value([1.0, np.nan, np.inf, -np.inf])
    y = np.nan_to_num(x, nan=5.0, posinf=6.0, neginf=-7.0)
    assert y.data.tolist() == [1.0, 5.0, 6.0, -7.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 0.0, 0.0]


# Complex numbers: the gradient of a real L is ∂L/∂x - i ∂L/∂y.

HOLOMORPHIC = {  # ours: (derivative in closed form, a point in each quadrant, off the branch cuts)
    "exp": np.exp,
    "exp2": lambda z: np.log(2) * np.exp2(z),
    "expm1": np.exp,
    "log": lambda z: 1 / z,
    "log2": lambda z: 1 / (z * np.log(2)),
    "log10": lambda z: 1 / (z * np.log(10)),
    "log1p": lambda z: 1 / (1 + z),
    "sqrt": lambda z: 0.5 / np.sqrt(z),
    "reciprocal": lambda z: -1 / z**2,
    "sin": np.cos,
    "cos": lambda z: -np.sin(z),
    "tan": lambda z: 1 / np.cos(z) ** 2,
    "sinh": np.cosh,
    "cosh": np.sinh,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "arcsin": lambda z: 1 / (np.sqrt(1 - z) * np.sqrt(1 + z)),
    "arccos": lambda z: -1 / (np.sqrt(1 - z) * np.sqrt(1 + z)),
    "arctan": lambda z: 1 / (1 + z * z),
    "arcsinh": lambda z: 1 / np.sqrt(1 + z * z),
    "arccosh": lambda z: 1 / (np.sqrt(z - 1) * np.sqrt(z + 1)),
    "arctanh": lambda z: 1 / (1 - z * z),
    "square": lambda z: 2 * z,
}
QUADRANTS = np.array([0.7 + 0.4j, -0.6 + 0.9j, -1.3 - 0.5j, 2.1 - 0.3j])


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_complex_derivatives(name):
    z = Value(QUADRANTS)
    OPS[name](z).backward(np.ones(4, complex))
    np.testing.assert_allclose(z.grad, HOLOMORPHIC[name](QUADRANTS), rtol=1e-12)
    h = 1e-6  # and along both axes, by central differences of NumPy's function
    (f,) = (OPS[name].numpy[0],)
    for direction in (1.0, 1j):
        slope = (f(QUADRANTS + h * direction) - f(QUADRANTS - h * direction)) / (2 * h)
        np.testing.assert_allclose(z.grad * direction, slope, rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "real_loss", "by_x", "by_y"),
    [
        ("real", lambda z: elementary.real(z), lambda x, y: 1.0, lambda x, y: 0.0),
        ("imag", lambda z: elementary.imag(z), lambda x, y: 0.0, lambda x, y: 1.0),
        (
            "absolute",
            lambda z: elementary.absolute(z),
            lambda x, y: x / np.hypot(x, y),
            lambda x, y: y / np.hypot(x, y),
        ),
        ("angle", lambda z: elementary.angle(z), lambda x, y: -y / (x * x + y * y), lambda x, y: x / (x * x + y * y)),
        ("conj", lambda z: elementary.imag(elementary.conj(z)), lambda x, y: 0.0, lambda x, y: -1.0),
        (
            "sign",
            lambda z: elementary.real(elementary.sign(z)),
            lambda x, y: y * y / np.hypot(x, y) ** 3,
            lambda x, y: -x * y / np.hypot(x, y) ** 3,
        ),
    ],
)
def test_gradients_of_parts_follow_the_convention(name, real_loss, by_x, by_y):
    z = Value(QUADRANTS)
    real_loss(z).sum().backward()
    x, y = QUADRANTS.real, QUADRANTS.imag
    np.testing.assert_allclose(z.grad, by_x(x, y) - 1j * by_y(x, y), rtol=1e-12)


def test_absolute_value_and_sign_of_complex_zero_have_gradient_zero():
    z = Value(np.array([0j]))
    elementary.absolute(z).sum().backward()
    elementary.real(elementary.sign(z)).sum().backward()
    assert z.grad.tolist() == [0j]


def test_parts_of_real_numbers():
    x = Value([2.0, -3.0])
    (x.real + 5.0 * x.imag + x.conj() + np.angle(x)).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert Value(2.0).imag.data == 0.0
    assert np.angle(Value(np.array([1j])), deg=True).data.tolist() == [90.0]


@pytest.mark.parametrize(
    "name", ["cbrt", "floor", "rint", "round", "relu", "sigmoid", "deg2rad", "nan_to_num", "trunc"]
)
def test_complex_numbers_are_refused_where_there_is_no_rule(name):
    with pytest.raises(TypeError, match=f"{name}: wanted real numbers.*complex128"):
        OPS[name](Value(np.array([1 + 1j])))


# Scalars and dtypes


@pytest.mark.parametrize("op", [op for op in MODULE if "python" in [c.name for c in op.cases]], ids=lambda op: op.name)
def test_a_python_float_stays_one(op):
    x = Value(1.5) if op.name in ("arccosh",) else Value(0.5)
    y = op(x)
    assert type(y.data) is float
    y.backward()
    assert type(x.grad) is float


def test_python_floats_follow_ieee_not_pythons_exceptions():
    with np.errstate(all="ignore"):
        assert elementary.log(0.0) == -math.inf
        assert math.isnan(elementary.log(-1.0))
        assert elementary.exp(1000.0) == math.inf
        assert elementary.reciprocal(0.0) == math.inf
        assert math.isnan(elementary.arccosh(0.0))
    assert math.isnan(elementary.relu(math.nan))
    assert math.isnan(elementary.sign(math.nan))


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "relu", "absolute", "log2", "deg2rad", "cbrt"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_narrow_dtypes_are_kept(name, dtype):
    x = Value(np.array([0.5, 0.25], dtype))
    y = OPS[name](x)
    y.backward(np.ones(2, dtype))
    assert y.dtype == dtype and x.grad.dtype == dtype


def test_integers_as_constants():
    assert elementary.sigmoid(np.array([0, 1], np.uint8)).tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-1))])
    assert elementary.relu(np.array([-2, 3])).tolist() == [0, 3]


def test_numpys_names_lead_here():
    for function in (np.asin, np.acos, np.atan, np.asinh, np.acosh, np.atanh, np.radians, np.degrees, np.fabs, np.abs):
        x = Value(1.5) if function is np.acosh else Value(0.5)
        assert function(x).op in MODULE
    with pytest.raises(TypeError, match="exp: wanted 1 array argument"):
        elementary.exp(Value(1.0), 2.0)
    with pytest.raises(TypeError, match="round: wanted decimals; got digits"):
        elementary.round(Value(1.0), digits=2)

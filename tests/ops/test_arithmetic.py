"""Arithmetic: closed forms, powers at 0, ties, ends, NaN, large and small numbers, complex numbers, scalars."""

import math

import mpmath
import numpy as np
import pytest

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import arithmetic

MODULE = [op for op in OPS.values() if op.module == arithmetic.__name__]


def gradients(f, *args, dtype=float):
    """Derivatives with respect to each argument, on Python floats and on arrays, which have to agree."""
    values = [Value(float(x)) for x in args]
    f(*values).backward()
    arrays = [Value(np.array([x], dtype)) for x in args]
    f(*arrays).sum().backward()
    from_floats = [0.0 if v.grad is None else v.grad for v in values]
    from_arrays = [0.0 if v.grad is None else v.grad.item() for v in arrays]
    np.testing.assert_allclose(from_arrays, from_floats, rtol=1e-6)
    return from_floats


def mixed(f, x, y):
    """The mixed second derivative, in both orders, which have to agree."""
    out = []
    for i in (0, 1):
        v = [Value(float(x)), Value(float(y))]
        (d,) = cotangents([f(*v)], [v[i]], create_graph=True)
        (dd,) = cotangents([d], [v[1 - i]])
        out.append(0.0 if dd is None else dd)
    assert out[0] == pytest.approx(out[1], nan_ok=True)
    return out[0]


@pytest.mark.parametrize(
    ("name", "x", "y", "by_x", "by_y"),
    [
        ("add", 2.0, 3.0, 1.0, 1.0),
        ("subtract", 2.0, 3.0, 1.0, -1.0),
        ("mul", 2.0, 3.0, 3.0, 2.0),
        ("divide", 3.0, 2.0, 0.5, -0.75),
        ("power", 3.0, 2.0, 6.0, 9.0 * math.log(3.0)),
        ("remainder", -7.0, 3.0, 1.0, 3.0),
        ("fmod", -7.0, 3.0, 1.0, 2.0),
        ("floor_divide", 7.0, 2.0, 0.0, 0.0),
        ("hypot", 3.0, 4.0, 0.6, 0.8),
        ("arctan2", 3.0, 4.0, 4.0 / 25.0, -3.0 / 25.0),
        ("copysign", 2.0, -3.0, -1.0, 0.0),
        ("copysign", -2.0, -3.0, 1.0, 0.0),
        ("heaviside", -1.0, 0.5, 0.0, 0.0),
        ("heaviside", 0.0, 0.5, 0.0, 1.0),
        ("logaddexp", 1.0, 1.0, 0.5, 0.5),
        ("logaddexp2", 0.0, 1.0, 1.0 / 3.0, 2.0 / 3.0),
        ("maximum", 2.0, 1.0, 1.0, 0.0),
        ("minimum", 2.0, 1.0, 0.0, 1.0),
    ],
)
def test_derivatives_by_hand(name, x, y, by_x, by_y):
    assert gradients(OPS[name], x, y) == pytest.approx([by_x, by_y])


# Powers


@pytest.mark.parametrize(
    ("x", "y", "by_x", "by_y"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 2.0, 0.0, 0.0),
        (0.0, 0.5, math.inf, 0.0),
        (2.0, 0.0, 0.0, math.log(2.0)),
        (1.0, 1.0, 1.0, 0.0),
        (-2.0, 3.0, 12.0, math.nan),  # x**y is not real next to y = 3
        (0.0, -1.0, -math.inf, math.nan),
    ],
)
def test_powers_at_and_around_zero(x, y, by_x, by_y):
    with np.errstate(all="ignore"):
        assert gradients(arithmetic.power, x, y) == pytest.approx([by_x, by_y], nan_ok=True)


def test_mixed_derivative_of_a_power_is_right_at_exponent_zero():
    # d²/dxdy x**y = x**(y-1) (1 + y log x)
    assert mixed(arithmetic.power, 2.0, 0.0) == pytest.approx(0.5)
    assert mixed(arithmetic.power, 3.0, 2.0) == pytest.approx(3.0 * (1.0 + 2.0 * math.log(3.0)))


@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, 1, 2, 3, 4, 5, -2.5, 0.5, 1.5, 2.0])
@pytest.mark.parametrize("kind", ["float", "array"])
def test_constant_powers_to_third_order(exponent, kind):
    v = Value(1.7 if kind == "float" else np.array([1.7]))
    derivative, factor = v**exponent, 1.0
    for n in range(4):
        wanted = factor * 1.7 ** (exponent - n)
        assert float(np.ravel(derivative.data)[0]) == pytest.approx(wanted, rel=1e-13)
        factor *= exponent - n
        seed = None if kind == "float" else [np.ones(1)]
        derivative = cotangents([derivative], [v], seed, create_graph=True)[0]
        if derivative is None:
            assert factor == 0.0
            break


@pytest.mark.parametrize(
    ("exponent", "wanted"), [(0, (1.0, 0.0)), (1, (0.0, 1.0)), (2, (0.0, 0.0)), (3, (0.0, 0.0)), (0.5, (0.0, math.inf))]
)
def test_constant_powers_of_zero(exponent, wanted):
    for zero in (Value(0.0), Value(np.zeros(1, np.float32))):
        y = zero**exponent
        y.backward(None if y.shape == () else np.ones(1))
        assert (float(np.ravel(y.data)[0]), float(np.ravel(zero.grad)[0])) == wanted


def test_root_of_a_negative_number_is_nan_not_complex():
    with np.errstate(all="ignore"):
        x = Value(-2.0)
        y = x**0.5
        y.backward()
        assert math.isnan(y.data) and math.isnan(x.grad)
        assert math.isnan(arithmetic.power(-2.0, 0.5))


def test_powers_that_overflow_or_divide_by_zero_follow_ieee():
    with np.errstate(all="ignore"):
        assert (Value(1e200) ** 2).data == math.inf
        assert (Value(0.0) ** -1).data == math.inf
        x = Value(0.0)
        (x**-1).backward()
        assert x.grad == -math.inf
    # Without a warning:
    assert arithmetic.power_of(np.array([1e160]), exponent=-2).tolist() == pytest.approx([0.0], abs=1e-300)


def test_number_to_a_value():
    y = Value(3.0)
    (2**y).backward()
    assert y.grad == pytest.approx(8.0 * math.log(2.0))


# Division


def test_remainder_equals_pythons_and_fmod_equals_cs():
    for x, y in [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0)]:
        assert arithmetic.remainder(x, y) == x % y == arithmetic.remainder(np.array(x), y)
        assert arithmetic.fmod(x, y) == math.fmod(x, y) == arithmetic.fmod(np.array(x), y)
        assert gradients(arithmetic.remainder, x, y) == [1.0, -(x // y)]
        assert gradients(arithmetic.fmod, x, y) == [1.0, -math.trunc(x / y)]


def test_division_by_zero_follows_ieee():
    with np.errstate(all="ignore"):
        x, y = Value(1.0), Value(0.0)
        z = x / y
        z.backward()
        assert (z.data, x.grad, y.grad) == (math.inf, math.inf, -math.inf)
        assert math.isnan(arithmetic.remainder(1.0, 0.0))


# Extremes and clipping


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_a_tie_shares_its_gradient(name):
    assert gradients(OPS[name], 2.0, 2.0) == [0.5, 0.5]
    assert gradients(OPS[name], 0.0, -0.0) == [0.5, 0.5]
    assert gradients(OPS[name], math.inf, math.inf) == [0.5, 0.5]


def test_nan_wins_or_loses_as_in_numpy():
    for name in ("maximum", "minimum"):
        assert math.isnan(OPS[name](1.0, math.nan)) and math.isnan(OPS[name](math.nan, 1.0))
        assert gradients(OPS[name], math.nan, 1.0) == [0.0, 0.0]
    for name in ("fmax", "fmin"):
        assert OPS[name](1.0, math.nan) == OPS[name](math.nan, 1.0) == 1.0
        assert gradients(OPS[name], math.nan, 1.0) == [0.0, 1.0]
        assert gradients(OPS[name], 1.0, math.nan) == [1.0, 0.0]


def test_clip_is_one_inside_ends_included():
    x = Value([-2.0, -1.0, 0.0, 1.0, 2.0])
    y = arithmetic.clip(x, -1.0, 1.0)
    assert y.data.tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("x", "low", "high", "wanted"),
    [
        (0.5, 0.0, 1.0, [1.0, 0.0, 0.0]),
        (-0.5, 0.0, 1.0, [0.0, 1.0, 0.0]),
        (1.5, 0.0, 1.0, [0.0, 0.0, 1.0]),
        (1.0, 0.0, 1.0, [1.0, 0.0, 0.0]),
        (0.5, 2.0, 1.0, [0.0, 0.0, 1.0]),  # low > high: high, as in NumPy
        (1.5, 2.0, 1.0, [0.0, 0.0, 1.0]),
        (0.5, 1.0, 1.0, [0.0, 1.0, 0.0]),
    ],
)
def test_limits_get_the_gradient_of_what_lies_beyond(x, low, high, wanted):
    assert gradients(arithmetic.clip, x, low, high) == wanted
    assert arithmetic.clip(x, low, high) == np.clip(x, low, high)


def test_clip_with_one_limit_or_none():
    x = Value([-2.0, 0.5, 2.0])
    assert x.clip(min=0.0).data.tolist() == [0.0, 0.5, 2.0]
    assert x.clip(max=1.0).data.tolist() == [-2.0, 0.5, 1.0]
    assert arithmetic.clip(x).data.tolist() == [-2.0, 0.5, 2.0]
    assert x.clip(0.0, 1.0).dtype == float
    assert arithmetic.clip(Value(np.float32([1, 2])), 0.0).dtype == np.float32


# Lengths, angles, exponents


def test_length_and_angle_have_gradient_zero_at_the_origin():
    assert gradients(arithmetic.hypot, 0.0, 0.0) == [0.0, 0.0]
    assert gradients(arithmetic.arctan2, 0.0, 0.0) == [0.0, 0.0]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_length_and_angle_neither_overflow_nor_underflow(size):
    assert gradients(arithmetic.hypot, 3 * size, 4 * size) == pytest.approx([0.6, 0.8])
    assert gradients(arithmetic.arctan2, 3 * size, 4 * size) == pytest.approx([0.16 / size, -0.12 / size], rel=1e-12)


def test_nextafter_is_its_first_argument_but_for_rounding():
    x, y = Value([1.0, 1.0, 0.0]), Value([2.0, 0.0, 0.0])
    z = np.nextafter(x, y)
    assert z.tolist() == [1.0 + 2.0**-52, 1.0 - 2.0**-53, 0.0]
    z.sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    assert arithmetic.nextafter(1.0, math.inf) == 1.0 + 2.0**-52


def test_ldexp_has_integers_for_exponents():
    x = Value([1.0, 3.0])
    y = arithmetic.ldexp(x, np.array([2, -1]))
    y.sum().backward()
    assert y.data.tolist() == [4.0, 1.5] and x.grad.tolist() == [4.0, 0.5]
    assert arithmetic.ldexp(3.0, 2) == 12.0
    with pytest.raises(TypeError, match="ldexp"):
        arithmetic.ldexp(x, 1.5)


# Sums on a logarithmic scale


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("x", "y"), [(1000.0, 1000.0), (1000.0, 999.0), (-1000.0, 1000.0), (-1000.0, -1000.5), (0.0, 0.0)]
)
@pytest.mark.parametrize(("name", "base"), [("logaddexp", mpmath.e), ("logaddexp2", 2)])
def test_logaddexp_at_one_thousand(name, base, x, y, dtype):
    with mpmath.workdps(900):
        p, q = mpmath.power(base, x), mpmath.power(base, y)
        value, share = float(mpmath.log(p + q, base)), p / (p + q)
        first, second = float(share), float(share * (1 - share) * mpmath.log(base))
    eps = float(np.finfo(dtype).eps)
    for i in (0, 1):  # as the first argument and as the second
        v, w = Value(np.array([x], dtype)), Value(np.array([y], dtype))
        ans = OPS[name](*((v, w), (w, v))[i])
        (d,) = cotangents([ans], [v], [np.ones(1, dtype)], create_graph=True)
        (dd,) = cotangents([d], [v], [np.ones(1, dtype)])
        assert d.dtype == dd.dtype == dtype
        np.testing.assert_allclose(
            [ans.item(), d.item(), dd.item()], [value, first, second], rtol=10 * eps, atol=1e-300
        )
        scalar = Value(x)
        OPS[name](*((scalar, y), (y, scalar))[i]).backward()
        assert scalar.grad == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
def test_masked_terms_of_a_logarithmic_sum(name):
    assert OPS[name](-math.inf, 3.0) == 3.0
    assert gradients(OPS[name], -math.inf, 3.0) == [0.0, 1.0]
    assert gradients(OPS[name], math.inf, 3.0) == [1.0, 0.0]
    assert OPS[name](-math.inf, -math.inf) == -math.inf


# Complex numbers


@pytest.mark.parametrize("name", ["add", "subtract", "mul", "divide", "power"])
def test_complex_operands_and_real_ones_beside_them(name):
    z, w = np.array([0.7 + 0.4j, 1.5 - 0.9j]), np.array([1.3 - 0.2j, 2.0 + 0.5j])
    h, f = 1e-6, OPS[name].forward
    for x, y in [(z, w), (z.real, w), (z, w.real)]:
        v = [Value(x), Value(y)]
        OPS[name](*v).backward(np.ones(2, complex))
        for i in (0, 1):
            step = [h if j == i else 0.0 for j in (0, 1)]
            slope = (f(x + step[0], y + step[1]) - f(x - step[0], y - step[1])) / (2 * h)
            np.testing.assert_allclose(v[i].grad, slope if v[i].dtype.kind == "c" else slope.real, rtol=1e-7)


@pytest.mark.parametrize(
    "name", ["maximum", "fmin", "hypot", "arctan2", "logaddexp", "remainder", "floor_divide", "copysign"]
)
def test_complex_numbers_are_refused_where_there_is_no_rule(name):
    with pytest.raises(TypeError, match=f"{name}: wanted real numbers"):
        OPS[name](Value(np.array([1j])), 1.0)
    with pytest.raises(TypeError, match="clip: wanted real numbers"):
        arithmetic.clip(Value(np.array([1j])), 0.0)


# Scalars, dtypes, errors


@pytest.mark.parametrize(
    "op", [op for op in MODULE if len(op.args) == 2 and op.name != "ldexp"], ids=lambda op: op.name
)
def test_python_floats_stay_and_float32_stays(op):
    x, y = Value(2.5), Value(1.5)
    z = op(x, y)
    z.backward()
    assert {type(z.data), type(x.grad), type(y.grad)} == {float}
    x, y = Value(np.float32([2.5, 1.0])), Value(np.float32([1.5]))
    for z in (op(x, y), op(x, 2.0), op(2.0, x)):
        z.backward(np.ones(z.shape, np.float32))
        assert z.dtype == x.grad.dtype == np.float32
    assert y.grad.dtype == np.float32 and y.grad.shape == (1,)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"maximum: .*x: \(3,\), y: \(2,\)"):
        arithmetic.maximum(Value(np.ones(3)), np.ones(2))


def test_numpys_names_lead_here():
    x = Value([1.0, 2.0])
    for function in (np.true_divide, np.mod, np.pow, np.atan2, np.fmod, np.copysign, np.heaviside, np.fmax):
        assert function(x, 2.0).op in MODULE
    assert np.clip(x, 0.0, 1.5).data.tolist() == [1.0, 1.5]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, bool])
def test_the_exponent_of_a_small_integer_gets_all_digits(dtype):
    """NumPy's logarithm of int8 is in float16. d 3^y / dy at 2 is 9 log 3."""
    base = np.array([3]).astype(dtype)
    y = Value([2.0])
    (base**y).sum().backward()
    b = float(base[0])
    assert y.grad[0] == pytest.approx(b**2 * math.log(b), rel=1e-15)

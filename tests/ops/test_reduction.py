"""Reductions: values against NumPy and SciPy, gradients against closed forms, zeros, ties, extremes, empty arrays."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import reduction
from autograd_nn.testing import check_grads

RNG = np.random.default_rng(1)
VECTOR, MATRIX, CUBE = RNG.normal(size=4), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4))
HOLES = np.where(np.arange(12).reshape(3, 4) % 5 == 1, np.nan, MATRIX)


def gradient(f, x, **dtype):
    """Gradient of the sum of f(x)."""
    v = Value(x, **dtype)
    f(v).sum().backward()
    return v.grad


def hessian(f, x):
    """Second derivatives of f at a vector."""
    v = Value(x)
    (g,) = cotangents([f(v)], [v], create_graph=True)
    return np.array([cotangents([g[i]], [v])[0] for i in range(len(x))])


AXES = (None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "max", "min", "amax", "amin", "var", "std", "any", "all", "count_nonzero"]
)
def test_value_and_shape_equal_numpys(name, axis, keepdims):
    f = getattr(np, name)
    out = f(Value(CUBE), axis=axis, keepdims=keepdims)
    expected = f(CUBE, axis=axis, keepdims=keepdims)
    assert isinstance(out, Value)
    assert out.shape == expected.shape
    assert out.dtype == expected.dtype
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)


@pytest.mark.parametrize("ddof", [0, 1, 2, 0.5])
def test_ddof(ddof):
    np.testing.assert_allclose(Value(CUBE).var((0, 2), ddof=ddof).data, np.var(CUBE, (0, 2), ddof=ddof), rtol=1e-14)
    np.testing.assert_allclose(Value(CUBE).std(1, ddof=ddof).data, np.std(CUBE, 1, ddof=ddof), rtol=1e-14)
    check_grads(lambda x: x.std(1, ddof=ddof), CUBE)


COMPOSED = {
    "ptp": (lambda x: np.ptp(x, axis=1), MATRIX),
    "average": (lambda x: np.average(x, axis=0), MATRIX),
    "average by weights of an axis": (lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0]), MATRIX),
    "average by weights of a middle axis": (lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0]), CUBE),
    "average by all weights": (lambda x: np.average(x, weights=MATRIX**2), MATRIX),
    "nansum": (lambda x: np.nansum(x, axis=0), HOLES),
    "nanmean": (lambda x: np.nanmean(x, axis=1, keepdims=True), HOLES),
    "nanprod": (lambda x: np.nanprod(x, axis=1), HOLES),
    "nancumsum": (lambda x: np.nancumsum(x, axis=1), HOLES),
    "nancumprod": (np.nancumprod, HOLES),
    "nanvar": (lambda x: np.nanvar(x, axis=1, ddof=1), HOLES),
    "nanstd": (lambda x: np.nanstd(x), HOLES),
    "nanmax": (lambda x: np.nanmax(x, axis=1), HOLES),
    "nanmin": (lambda x: np.nanmin(x), HOLES),
    "cumsum": (lambda x: np.cumsum(x, axis=1), MATRIX),
    "cumprod": (lambda x: np.cumprod(x, axis=0), MATRIX),
    "add.reduce": (np.add.reduce, MATRIX),
    "multiply.accumulate": (np.multiply.accumulate, MATRIX),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_through_numpy(name):
    f, x = COMPOSED[name]
    out, expected = f(Value(x)), f(x)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)
    there = ~np.isnan(x)
    check_grads(lambda v: f(Value(np.full(x.shape, np.nan), requires_grad=False).at[there].set(v)), x[there])


@pytest.mark.parametrize(("name", "initial"), [("cumulative_sum", 0.0), ("cumulative_prod", 1.0)])
def test_cumulative_with_an_initial_element(name, initial):
    f = getattr(reduction, name)
    running = {"cumulative_sum": np.cumsum, "cumulative_prod": np.cumprod}[name]
    np.testing.assert_allclose(f(Value(VECTOR), include_initial=True).data, [initial, *running(VECTOR)])
    np.testing.assert_allclose(f(Value(MATRIX), axis=-1).data, running(MATRIX, axis=-1))
    assert f(Value(MATRIX), axis=0, include_initial=True).shape == (4, 4)
    check_grads(lambda x: f(x, axis=0, include_initial=True), MATRIX)
    with pytest.raises(ValueError, match="wanted an axis"):
        f(Value(MATRIX))


# closed forms


def test_sum_mean_var_by_hand():
    x = [1.0, 2.0, 6.0]
    assert gradient(lambda x: x.sum(), x).tolist() == [1, 1, 1]
    assert gradient(lambda x: x.mean() * 3, x).tolist() == [1, 1, 1]
    np.testing.assert_allclose(gradient(lambda x: x.var(), x), [2 * (xi - 3) / 3 for xi in x])
    np.testing.assert_allclose(gradient(lambda x: x.var(ddof=1), x), [xi - 3 for xi in x])
    std = math.sqrt((4 + 1 + 9) / 3)
    np.testing.assert_allclose(gradient(lambda x: x.std(), x), [(xi - 3) / (3 * std) for xi in x])
    np.testing.assert_allclose(hessian(lambda x: x.var(), x), 2 / 3 * (np.eye(3) - 1 / 3), atol=1e-15)


def test_std_of_equal_elements_has_gradient_zero_of_first_and_second_order():
    x = [[2.0, 2.0, 2.0], [1.0, 2.0, 6.0]]
    g = gradient(lambda x: x.std(1), x)
    assert g[0].tolist() == [0, 0, 0]
    assert g[1].all()
    assert (hessian(lambda x: x.std(), [5.0, 5.0]) == 0).all()
    assert gradient(lambda x: x.std(), [5.0]).tolist() == [0]
    assert Value(3.0).std().item() == 0.0


def test_ties_share_equally():
    x = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    assert gradient(lambda x: x.max(1), x).tolist() == [[0, 0.5, 0.5], [1 / 3] * 3]
    assert gradient(lambda x: x.min(), x).tolist() == [[1, 0, 0], [0, 0, 0]]
    assert gradient(lambda x: x.max((0, 1), keepdims=True), x).tolist() == [[0, 0.5, 0.5], [0, 0, 0]]
    assert gradient(lambda x: np.nanmax(x), [np.nan, 2.0, 2.0, 1.0]).tolist() == [0, 0.5, 0.5, 0]


def others(x):
    """Product of all other elements, for each: the oracle, by definition."""
    return [math.prod(x[:i] + x[i + 1 :]) for i in range(len(x))]


@pytest.mark.parametrize(
    "x",
    [[2.0, 3.0, -4.0], [2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [0.0], [0.0, 5.0], [1e-200, 1e200, 3.0]],
    ids=str,
)
def test_prod_with_zeros(x):
    np.testing.assert_allclose(gradient(lambda v: v.prod(), x), others(x), rtol=1e-14)
    expected = [
        [0.0 if i == j else math.prod(x[k] for k in range(len(x)) if k not in (i, j)) for j in range(len(x))]
        for i in range(len(x))
    ]
    np.testing.assert_allclose(hessian(lambda v: v.prod(), x), expected, rtol=1e-14)


@pytest.mark.parametrize("axis", [0, (0, 2), (2, 0), -1, None], ids=str)
def test_prod_with_zeros_over_axes(axis):
    x = np.where(RNG.random((2, 3, 4)) < 0.3, 0.0, CUBE)
    check_grads(lambda v: v.prod(axis), x)


@pytest.mark.parametrize("x", [[2.0, 3.0, -4.0], [2.0, 0.0, 3.0, 5.0], [0.0, 2.0, 0.0, 3.0], [0.0, 0.0]], ids=str)
def test_cumprod_with_zeros(x):
    weights = [1.0, 10.0, 100.0, 1000.0][: len(x)]

    def f(v):
        return (v.cumprod() * np.array(weights)).sum()

    first = [
        sum(w * math.prod(x[j] for j in range(k + 1) if j != i) for k, w in enumerate(weights) if k >= i)
        for i in range(len(x))
    ]
    np.testing.assert_allclose(gradient(f, x), first, rtol=1e-14)
    second = np.zeros((len(x), len(x)))
    for i, j in itertools.permutations(range(len(x)), 2):
        second[i, j] = sum(
            w * math.prod(x[m] for m in range(k + 1) if m not in (i, j))
            for k, w in enumerate(weights)
            if k >= max(i, j)
        )
    np.testing.assert_allclose(hessian(f, x), second, rtol=1e-14)


def test_cumprod_to_third_order():
    check_grads(lambda v: np.cumprod(v, axis=1), np.where(RNG.random((2, 3)) < 0.4, 0.0, 1.5), order=3)


@given(
    hnp.arrays(float, st.integers(1, 6), elements=st.floats(-3, 3)),
    hnp.arrays(float, 6, elements=st.floats(-3, 3)),
    st.booleans(),
)
def test_recurrence_is_its_definition(a, b, reverse):
    b = b[: len(a)]
    order = range(len(a) - 1, -1, -1) if reverse else range(len(a))
    r, expected = 0.0, [0.0] * len(a)
    for i in order:
        r = expected[i] = b[i] + a[i] * r
    np.testing.assert_allclose(reduction.recurrence(a, b, reverse=reverse), expected, rtol=1e-14, atol=1e-300)
    two = np.stack([b, 2 * b], axis=1)
    np.testing.assert_allclose(
        reduction.recurrence(np.stack([a, a], 1), two, reverse=reverse)[:, 1], np.multiply(2, expected), atol=1e-300
    )


def test_long_cumprod_differentiates_quickly_and_right():
    n = 20_000
    x = np.full(n, 1.0)
    np.testing.assert_array_equal(gradient(lambda v: v.cumprod(), x), np.arange(n, 0, -1.0))


# logsumexp


@pytest.mark.parametrize(
    "x",
    [
        [1000.0, 1000.0],
        [-1000.0, -1001.0],
        [1000.0, -1000.0],
        [0.0, -np.inf],
        [-np.inf, -np.inf, 3.0],
        [745.0, -745.0, 0.0],
        [1e308, 1e308],
    ],
    ids=str,
)
def test_logsumexp_and_softmax_at_extremes(x):
    v = Value(x)
    out = reduction.logsumexp(v)
    np.testing.assert_allclose(out.data, scipy.special.logsumexp(x), rtol=1e-15)
    out.backward()
    np.testing.assert_allclose(v.grad, scipy.special.softmax(x), rtol=1e-13)


def test_logsumexp_of_nothing_is_minus_infinity():
    v = Value([[-np.inf, -np.inf], [0.0, -np.inf]])
    out = reduction.logsumexp(v, axis=1)
    assert out.tolist() == [-np.inf, 0.0]
    out.sum().backward()
    assert v.grad.tolist() == [[0, 0], [1, 0]]
    assert reduction.logsumexp(np.zeros(0)) == -np.inf
    assert reduction.logsumexp(np.array([np.inf, 1.0])) == np.inf
    assert np.isnan(reduction.logsumexp(np.array([np.nan, 1.0])))


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_logsumexp_equals_scipys(axis):
    for keepdims in (False, True):
        out = reduction.logsumexp(Value(CUBE), axis=axis, keepdims=keepdims)
        expected = scipy.special.logsumexp(CUBE, axis=axis, keepdims=keepdims)
        assert out.shape == expected.shape
        np.testing.assert_allclose(out.data, expected, rtol=1e-14)


def test_logsumexp_of_a_shift_is_shifted_exactly_enough():
    np.testing.assert_allclose(reduction.logsumexp(MATRIX + 1e3), reduction.logsumexp(MATRIX) + 1e3, rtol=1e-15)


# empty, size one, dtypes


def test_empty_arrays():
    x = np.zeros((0, 3))
    assert gradient(lambda v: v.sum(), x).shape == (0, 3)
    assert Value(x).sum(0).tolist() == [0, 0, 0]
    assert Value(x).prod().item() == 1.0
    assert gradient(lambda v: v.prod(0), x).shape == (0, 3)
    assert gradient(lambda v: v.cumsum(0), x).shape == (0, 3)
    assert gradient(lambda v: v.max(1), x).shape == (0, 3)
    assert Value(x).any().item() is False
    with pytest.raises(ValueError, match=r"max: zero-size array.*x: \(0, 3\)"):
        Value(x).max(0)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(Value(x).mean().data)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std", "logsumexp", "cumsum", "cumprod"])
def test_float32_is_kept(name):
    v = Value(MATRIX.astype(np.float32))
    out = OPS[name](v, axis=1)
    assert out.dtype == np.float32
    out.sum().backward()
    assert v.grad.dtype == np.float32


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std", "logsumexp"])
def test_a_python_float_stays_one(name):
    v = Value(2.0)
    out = OPS[name](v)
    assert type(out.data) is float
    out.backward()
    assert type(v.grad) is float


def test_float16_means_are_summed_in_float32():
    x = np.full(5000, 100.0, np.float16)  # the sum overflows float16
    assert Value(x).mean().item() == 100.0
    assert Value(x).var().item() == 0.0


@given(hnp.arrays(float, hnp.array_shapes(max_dims=3, max_side=3), elements=st.floats(-5, 5)), st.data())
def test_gradient_of_the_mean_over_any_axes(x, data):
    axes = tuple(data.draw(st.lists(st.integers(-x.ndim, x.ndim - 1), unique_by=lambda a: a % x.ndim)))
    keepdims = data.draw(st.booleans())
    n = math.prod(x.shape[a] for a in axes)
    out = Value(x).mean(axes, keepdims=keepdims)
    np.testing.assert_allclose(out.data, np.mean(x, axes, keepdims=keepdims), rtol=1e-13, atol=1e-14)
    weights = RNG.normal(size=out.shape)
    v = Value(x)
    (g,) = cotangents([v.mean(axes, keepdims=keepdims)], [v], [weights])
    spread = weights if keepdims else np.expand_dims(weights, tuple(a % x.ndim for a in axes))
    np.testing.assert_allclose(g, np.broadcast_to(spread / n, x.shape), rtol=1e-14)


# complex and errors


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod"])
def test_complex_is_accepted_where_the_rule_is_holomorphic(name):
    z = np.array([1 + 2j, 3 - 1j, 0.5j])
    v = Value(z)
    out = OPS[name](v)
    np.testing.assert_allclose(out.data, getattr(np, name)(z))
    (g,) = cotangents([OPS["sum"](out)], [v], [np.complex128(1)])
    step = 1e-6
    f = lambda z: np.sum(getattr(np, name)(z))  # noqa: E731
    expected = [(f(z + step * e) - f(z - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(g, expected, rtol=1e-8)


@pytest.mark.parametrize("name", ["max", "min", "var", "std", "logsumexp"])
def test_complex_is_refused_elsewhere(name):
    with pytest.raises(TypeError, match=f"{name}: wanted real numbers"):
        OPS[name](Value(np.array([1j, 2.0])))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x.sum(2), r"sum: axis 2 is out of bounds for array of dimension 2. Got x: \(2, 3\).*count from 0"),
        (lambda x: x.mean((0, 0)), "mean: duplicate value in 'axis'"),
        (lambda x: x.mean(5), "mean: axis 5 is out of bounds"),
        (lambda x: x.var(-3), "var: axis -3 is out of bounds"),
        (lambda x: x.cumsum(2), "cumsum: axis 2 is out of bounds"),
        (lambda x: x.sum("rows"), "sum: .*str"),
        (lambda x: np.sum(x, where=np.ones((2, 3), bool)), "where=.* cannot take a Value"),
        (lambda x: np.average(x, weights=[1.0, 2.0]), r"average wanted weights of the shape \(2, 3\)"),
        (lambda x: x.sum(x), "sum: axis wanted a plain Python value"),
    ],
)
def test_errors_name_the_op_and_the_cure(f, message):
    with pytest.raises((ValueError, TypeError), match=message):
        f(Value(np.ones((2, 3))))


def test_truth_values_have_no_derivative():
    for f in (np.any, np.all, np.count_nonzero):
        out = f(Value([1.0, 0.0]), axis=0)
        assert not out.requires_grad
        with pytest.raises(ValueError, match="does not change a little"):
            out.backward()


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "logsumexp", "nanmax", "nanmin"])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("x", [2.0, np.array(2.0)], ids=["python", "0-d"])
def test_a_scalar_has_an_axis_where_numpy_says_so(name, axis, x):
    """NumPy's reductions take axis 0 and -1 of a scalar; the value and the slope are 2 and 1."""
    v = Value(x)
    y = OPS[name](v, axis=axis)
    y.backward()
    assert float(y) == pytest.approx(2.0) and float(v.grad) == 1.0

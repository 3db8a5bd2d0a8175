"""Sorting and order statistics: values against NumPy, gradients by hand, ties as documented, none of places."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import sorting
from autograd_nn.testing import check_grads

RNG = np.random.default_rng(2)
MATRIX = RNG.permutation(12).reshape(3, 4) / 3.0
CUBE = RNG.permutation(24).reshape(2, 3, 4) / 7.0


def gradient(f, x, weights=None):
    v = Value(x)
    out = f(v)
    (g,) = cotangents([out], [v], [np.arange(1.0, out.size + 1).reshape(out.shape) if weights is None else weights])
    return g.tolist()


THROUGH_NUMPY = {
    "sort": np.sort,
    "sort by rows": lambda x: np.sort(x, axis=0),
    "sort flat": lambda x: np.sort(x, axis=None),
    "sort stably": lambda x: np.sort(x, kind="stable"),
    "partition": lambda x: np.partition(x, 2),
    "partition by rows": lambda x: np.partition(x, (0, -1), axis=0),
    "median": np.median,
    "median over axes": lambda x: np.median(x, axis=(0, 1), keepdims=True),
    "median by rows": lambda x: np.median(x, axis=-1),
    "quantile": lambda x: np.quantile(x, 0.3),
    "quantiles": lambda x: np.quantile(x, np.array([0.1, 0.5, 0.99]), axis=1),
    "quantiles in a grid": lambda x: np.quantile(x, [[0.1, 0.5], [0.2, 1.0]], axis=0, keepdims=True),
    "percentile": lambda x: np.percentile(x, 30, axis=0),
    "percentiles": lambda x: np.percentile(x, [30, 80]),
}


@pytest.mark.parametrize("x", [MATRIX, CUBE], ids=["matrix", "cube"])
@pytest.mark.parametrize("name", THROUGH_NUMPY)
def test_through_numpy(name, x):
    f = THROUGH_NUMPY[name]
    out, expected = f(Value(x)), f(x)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)
    check_grads(lambda v: f(v) * f(v), x)


METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_quantile_by_every_method_of_numpys(method, q):
    for x in (MATRIX[0], CUBE[0, 0, :3], np.array([1.5])):
        v = Value(x)
        out = sorting.quantile(v, q=q, method=method)
        assert out.item() == pytest.approx(np.quantile(x, q, method=method), rel=1e-14)
        check_grads(lambda v, method=method: sorting.quantile(v, q=q, method=method), x, order=1)


# by hand


def test_sort_by_hand():
    assert gradient(lambda v: v.sort(), [3.0, 1.0, 2.0]) == [3, 1, 2]
    assert gradient(lambda v: v.sort(0), [[3.0, 1.0], [2.0, 5.0]]) == [[3, 2], [1, 4]]


def test_partition_by_hand():
    x = np.array([3.0, 1.0, 2.0])
    order = np.argsort(np.partition(x, 1))
    expected = np.empty(3)
    expected[np.argsort(x)] = (order + 1.0)[[0, 1, 2]]
    assert gradient(lambda v: sorting.partition(v, kth=1), x) == expected.tolist()


def test_median_and_quantile_by_hand():
    assert gradient(np.median, [3.0, 1.0, 2.0]) == [0, 0, 1]
    assert gradient(np.median, [3.0, 1.0, 2.0, 9.0]) == [0.5, 0, 0.5, 0]
    assert gradient(lambda v: sorting.quantile(v, q=0.75), [10.0, 0.0, 30.0]) == [0.5, 0, 0.5]
    assert gradient(lambda v: sorting.quantile(v, q=(0.0, 1.0)), [10.0, 0.0, 30.0]) == [0, 1, 2]


@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((0, 3), None), ((2, 0), 1), ((0, 2), 1)])
def test_median_of_nothing(shape, axis):
    """nan as in NumPy, or nothing at all; and a gradient of the same shape."""
    x = Value(np.zeros(shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        y = np.median(x, axis=axis)
        wanted = np.median(x.data, axis=axis)
    np.testing.assert_array_equal(y.data, wanted)
    y.sum().backward()
    assert x.grad.shape == shape


def test_ties_go_by_a_stable_order():
    x = [2.0, 1.0, 2.0, 1.0]
    assert gradient(lambda v: v.sort(), x) == [3, 1, 4, 2]
    assert gradient(np.median, [2.0, 2.0, 2.0]) == [0, 1, 0]
    values, indices = sorting.topk(Value(x), k=3)
    assert (values.tolist(), indices.tolist()) == ([2, 2, 1], [0, 2, 1])


@given(
    hnp.arrays(float, hnp.array_shapes(max_dims=3, max_side=4), elements=st.sampled_from([0.0, 1.0, 2.0, -1.0])),
    st.data(),
)
def test_sort_with_ties_carries_each_cotangent_to_a_stable_place(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    weights = np.arange(1.0, x.size + 1).reshape(x.shape)
    expected = np.empty(x.shape)
    np.put_along_axis(expected, np.argsort(x, axis, kind="stable"), weights, axis)
    assert gradient(lambda v: v.sort(axis), x, weights) == expected.tolist()


@given(hnp.arrays(float, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-9, 9)), st.data())
def test_topk_is_the_end_of_sort(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(0, x.shape[axis]))
    v = Value(x)
    values, indices = sorting.topk(v, k=k, axis=axis)
    expected = np.flip(np.sort(x, axis), axis).take(range(k), axis)
    np.testing.assert_array_equal(values.data, expected)
    np.testing.assert_array_equal(np.take_along_axis(x, indices.data, axis), expected)
    weights = np.arange(1.0, values.size + 1).reshape(values.shape)
    (g,) = cotangents([values], [v], [weights])
    back = np.zeros(x.shape)
    np.put_along_axis(back, indices.data, weights, axis)
    np.testing.assert_array_equal(g, back)


def test_topk_to_second_order():
    check_grads(lambda v: sorting.topk(v, k=2, axis=0)[0] ** 2, MATRIX)


def test_order_statistics_keep_float32():
    x = MATRIX.astype(np.float32)
    for f in (np.sort, np.median, lambda v: np.quantile(v, [0.3, 0.4], axis=0), lambda v: np.partition(v, 1)):
        v = Value(x)
        out = f(v)
        assert out.dtype == np.float32
        out.sum().backward()
        assert v.grad.dtype == np.float32


def test_a_python_float_stays_one():
    for f in (np.median, lambda v: sorting.quantile(v, q=0.2)):
        v = Value(2.0)
        out = f(v)
        assert type(out.data) is float
        out.backward()
        assert v.grad == 1.0


# positions


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_extremes(name, axis):
    for keepdims in (False, True):
        out = getattr(Value(MATRIX), name)(axis, keepdims=keepdims)
        np.testing.assert_array_equal(out.data, getattr(np, name)(MATRIX, axis, keepdims=keepdims))
    assert getattr(Value([3.0, 3.0, 1.0, 1.0]), name)().item() == {"argmax": 0, "argmin": 2}[name]


POSITIONS = {
    "argmax": lambda v: v.argmax(),
    "argmin": lambda v: np.argmin(v),
    "argsort": lambda v: np.argsort(v, kind="stable"),
    "argpartition": lambda v: np.argpartition(v, 1),
    "searchsorted": lambda v: np.searchsorted(v, 2.0, side="right"),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_have_no_derivative_and_say_what_to_write(name):
    out = POSITIONS[name](Value([1.0, 2.0, 3.0]))
    assert out.dtype.kind == "i"
    assert not out.requires_grad
    with pytest.raises(ValueError, match=f"{name!r} has no derivative.*(softmax|smooth steps)"):
        (out * 1.0).sum().backward()


def test_the_indices_of_topk_require_no_gradient():
    values, indices = sorting.topk(Value([1.0, 3.0, 2.0]), k=2)
    assert values.requires_grad
    assert not indices.requires_grad
    x = Value([10.0, 20.0, 30.0])
    x[indices].sum().backward()
    assert x.grad.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["sort", "argsort", "argmax", "median"])
def test_complex_numbers_have_no_order(name):
    with pytest.raises(TypeError, match=f"{name}: wanted real numbers"):
        OPS[name](Value(np.array([1j, 2.0])))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x.sort(2), "sort: axis 2 is out of bounds"),
        (lambda x: x.argmax(2), "argmax: axis 2 is out of bounds"),
        (lambda x: np.partition(x, 7), r"partition: kth\(=7\) out of bounds"),
        (lambda x: sorting.topk(x, k=5), "topk: wanted k from 0 to the length 4 of axis -1, got 5"),
        (lambda x: sorting.topk(x, k=1, axis=4), "topk: axis 4 is out of bounds for array of dimension"),
        (lambda x: np.median(x, axis=2), "median: axis 2 is out of bounds"),
        (lambda x: np.quantile(x, 1.5), r"quantile: .*range \[0, 1\]"),
        (lambda x: np.quantile(x, 0.5, method="nothing"), "quantile: 'nothing' is not a valid method"),
        (lambda x: Value(np.zeros((0, 2))).argmax(0), "argmax: attempt to get argmax of an empty sequence"),
    ],
)
def test_errors_name_the_op(f, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        f(Value(MATRIX))

"""Comparisons, predicates, logic, and `where`."""

import numpy as np
import pytest

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import comparison

X, Y = np.array([1.0, 2.0, np.nan, 3.0]), np.array([2.0, 2.0, 2.0, -np.inf])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("less", [True, False, False, False]),
        ("less_equal", [True, True, False, False]),
        ("greater", [False, False, False, True]),
        ("greater_equal", [False, True, False, True]),
        ("equal", [False, True, False, False]),
        ("not_equal", [True, False, True, True]),
        ("isclose", [False, True, False, False]),
    ],
)
def test_comparisons_record_masks_without_derivative(name, wanted):
    out = getattr(comparison, name)(Value(X), Y)
    assert out.data.tolist() == wanted
    assert out.op is OPS[name] and out.dtype == bool and not out.requires_grad


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("isnan", [True, False, False, False, False]),
        ("isinf", [False, True, False, False, False]),
        ("isfinite", [False, False, True, True, True]),
        ("signbit", [False, True, True, False, True]),
    ],
)
def test_predicates(name, wanted):
    x = np.array([np.nan, -np.inf, -0.0, 0.0, -3.0])
    assert getattr(comparison, name)(x).tolist() == wanted


@pytest.mark.parametrize("name", ["less", "isnan", "logical_and", "bitwise_or", "isclose"])
def test_backward_from_an_answer_says_what_to_write(name):
    op = OPS[name]
    args = [Value(True, dtype=bool, requires_grad=False)] * 2 if "wise" in name else [Value(1.0)] * len(op.args)
    with pytest.raises(ValueError, match=f"{name}|requires grad"):
        op(*args).backward()


def test_logic_is_that_of_numpy():
    x, y = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert comparison.logical_and(x, y).tolist() == [True, False, False, False]
    assert comparison.logical_or(x, y).tolist() == [True, True, True, False]
    assert comparison.logical_xor(x, y).tolist() == [False, True, True, False]
    assert comparison.logical_not(x).tolist() == [False, False, True, True]
    assert comparison.logical_and(2.0, 0.0) is False
    assert comparison.logical_not(0.0) is True


def test_operators_on_masks_and_integers():
    x = Value([1.0, 2.0, 3.0])
    mask = np.array([True, True, False])
    assert ((x > 1) & (x < 3)).data.tolist() == [False, True, False]
    assert (mask & (x > 1)).data.tolist() == [False, True, False]
    assert (~(x > 1) | (x == 3)).data.tolist() == [True, False, True]
    assert ((x > 1) ^ mask).data.tolist() == [True, False, True]
    bits = Value(np.array([6, 5]), dtype=int, requires_grad=False)
    assert (bits & 3).data.tolist() == [2, 1]
    assert (~bits).data.tolist() == [-7, -6]
    with pytest.raises(TypeError, match="bitwise_and"):
        x & x


def test_python_floats_give_python_bools():
    out = Value(1.0) < 2.0
    assert out.data is True
    assert type((Value(1.0) == 1.0).data) is bool
    assert comparison.where(True, 1.0, 2.0) == 1.0


def test_order_of_complex_numbers_is_refused():
    with pytest.raises(TypeError, match="less: wanted real numbers"):
        comparison.less(np.array([1j]), 0.0)
    assert comparison.equal(np.array([1j]), 1j).tolist() == [True]


def test_isclose_takes_its_tolerances():
    assert comparison.isclose(1.0, 1.1, rtol=0.2) is True
    assert np.isclose(Value([1.0, np.nan]), [1.1, np.nan], atol=1.0, equal_nan=True).data.tolist() == [True, True]


def test_where_sends_each_element_to_its_branch():
    x, y = Value([1.0, 2.0, 3.0]), Value(10.0)
    comparison.where(np.array([True, False, True]), x, y).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 1.0]
    assert y.grad == 1.0


def test_guarded_where_is_right_at_a_singular_point():
    x = Value([-1.0, 0.0, 4.0])
    positive = x > 0
    y = comparison.where(positive, np.log(comparison.where(positive, x, 1.0)), 0.0)
    (d,) = cotangents([y.sum()], [x], create_graph=True)
    assert d.data.tolist() == [0.0, 0.0, 0.25]
    assert cotangents([d.sum()], [x])[0].tolist() == [0.0, 0.0, -0.0625]


def test_where_keeps_float32():
    assert comparison.where(np.array([True, False]), np.ones(2, np.float32), 0.0).dtype == np.float32


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"less: .*x: \(3,\), y: \(2,\)"):
        comparison.less(Value(np.ones(3)), np.ones(2))

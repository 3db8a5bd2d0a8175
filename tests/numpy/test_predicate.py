import numpy as np
import pytest

from autograd_nn import Value

A = np.array([[1.0, -2.0, np.nan], [np.inf, 0.0, -np.inf]])
B = np.array([[1.0 + 1e-9, -2.1, np.nan], [np.inf, 0.0, np.inf]])


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a, b: np.isclose(a, b),
        lambda np, a, b: np.isclose(a, b, equal_nan=True),
        lambda np, a, b: np.isclose(a, b, 1.0, 2.0),
        lambda np, a, b: np.allclose(a, b),
        lambda np, a, b: np.allclose(a[0, :1], b[0, :1]),
        lambda np, a, b: np.array_equal(a, b),
        lambda np, a, b: np.array_equal(a, a * 1, equal_nan=True),
        lambda np, a, b: np.array_equiv(a[:1, :2], a[:1, :2] + np.zeros((3, 2))),
        lambda np, a, b: np.isin(a, [1.0, 0.0]),
        lambda np, a, b: np.isin(a, b, invert=True),
        lambda np, a, b: np.isfinite(a),
        lambda np, a, b: np.isnan(a),
        lambda np, a, b: np.isposinf(a),
        lambda np, a, b: np.isneginf(a),
        lambda np, a, b: np.isreal(a),
        lambda np, a, b: np.iscomplex(a),
        lambda np, a, b: np.signbit(a),
    ],
)
def test_answers_are_values_without_derivative(agree, f):
    agree(f, A, B, gradient=False)


def test_they_can_be_asked():
    v = Value([1.0, 2.0])
    assert np.allclose(v, v + 1e-12)
    assert not np.array_equal(v, v + 1)
    assert np.array_equal(v, Value([1.0, 2.0, 3.0])) is False
    assert np.array_equiv(v, np.zeros(3)) is False


def test_shapes_and_types_are_plain():
    v = Value(np.zeros((2, 3), np.float32))
    assert np.shape(v) == (2, 3)
    assert np.ndim(v) == 2
    assert np.size(v) == 6
    assert np.size(v, 1) == 3
    assert np.iscomplexobj(v) is False
    assert np.isrealobj(v) is True
    assert np.iscomplexobj(Value(1j)) is True
    assert np.common_type(v) is np.float32
    assert np.can_cast(v, np.float64) is True
    assert np.may_share_memory(v, v.data)


def test_promotion_is_numpys():
    v = Value(np.zeros(3, np.float32))
    assert np.result_type(v, 1.0) == np.float32
    assert np.result_type(v, Value(1.0)) == np.float32
    assert np.result_type(v, np.float64) == np.float64
    assert np.result_type(v, Value(np.float64(1.0))) == np.float64


def test_text():
    v = Value([1.0, 2.0])
    assert np.array2string(v, precision=2) == "[1. 2.]"
    assert np.array_str(v) == "[1. 2.]"
    assert np.array_repr(v) == "array([1., 2.])"

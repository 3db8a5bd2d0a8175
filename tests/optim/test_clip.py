"""Clipping against closed forms, on arrays, numbers and Values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, grad
from autograd_nn.optim import clip_by_norm, clip_by_value, global_norm

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)


@given(NUMBERS, st.floats(0.01, 100))
def test_the_norm_is_at_most_the_limit_and_the_direction_stays(numbers, limit):
    tree = {"a": np.array(numbers), "b": [2.0, None]}
    before = np.append(numbers, 2.0)
    norm = math.hypot(*before)
    assert global_norm(tree) == pytest.approx(norm, rel=1e-12)
    clipped = clip_by_norm(tree, limit)
    after = np.append(clipped["a"], clipped["b"][0])
    assert clipped["b"][1] is None
    assert type(clipped["b"][0]) is float
    np.testing.assert_allclose(after, before * min(1.0, limit / norm), rtol=1e-12)
    assert tree["a"].tolist() == numbers


@given(NUMBERS, st.floats(0.01, 100))
def test_each_number_is_at_most_the_limit(numbers, limit):
    given = np.array(numbers)
    assert clip_by_value([given], limit)[0].tolist() == [max(-limit, min(limit, x)) for x in numbers]
    assert given.tolist() == numbers


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precision_stays_and_squares_do_not_overflow(dtype):
    g = np.full(4, 300.0, dtype)  # 300² is infinite in half precision
    assert global_norm([g]) == 600.0
    (clipped,) = clip_by_norm([g], 6.0)
    assert clipped.dtype == dtype
    np.testing.assert_allclose(clipped, 3.0, rtol=1e-3)
    assert clip_by_value(g, 2.0).dtype == dtype


def test_small_gradients_are_not_touched():
    g = np.array([0.3, 0.4])
    assert clip_by_norm(g, 0.5) is g


def test_values_give_values_and_derivatives():
    # x / ‖x‖ · 1 for ‖x‖ > 1: the derivative of the first element is (1/‖x‖ - x₀²/‖x‖³, -x₀x₁/‖x‖³)
    x = np.array([3.0, 4.0])
    np.testing.assert_allclose(
        grad(lambda x: clip_by_norm([x], 1.0)[0][0])(x), [1 / 5 - 9 / 125, -12 / 125], rtol=1e-14
    )
    v = Value(np.array([3.0, 4.0], np.float32))
    (clipped,) = clip_by_norm([v], 1.0)
    assert isinstance(clipped, Value)
    assert clipped.dtype == np.float32
    np.testing.assert_allclose(clipped.data, [0.6, 0.8], rtol=1e-6)
    (same,) = clip_by_norm([v], 10.0)
    assert same.tolist() == [3.0, 4.0]


def test_the_norm_at_zero_has_derivative_zero():
    assert grad(lambda x: global_norm([x]))(np.zeros(2)).tolist() == [0.0, 0.0]


def test_what_is_not_finite_shows():
    assert math.isnan(global_norm([np.array([math.nan, 1.0])]))
    assert np.isnan(clip_by_norm([np.array([math.inf])], 1.0)[0]).all()


def test_nonsense_is_refused():
    with pytest.raises(TypeError, match="at least one array, got none"):
        global_norm([None])
    for limit in (0.0, -1.0, math.nan, "1"):
        with pytest.raises(ValueError, match="limit wanted a positive number"):
            clip_by_norm([1.0], limit)
        with pytest.raises(ValueError, match="limit wanted a positive number"):
            clip_by_value([1.0], limit)

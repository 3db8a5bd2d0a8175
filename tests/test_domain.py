"""Intervals and cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.domain import BOOLEAN, NONZERO, POSITIVE, REAL, UNIT, Case, Interval


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (REAL, "ℝ"),
        (POSITIVE, "(0, ∞)"),
        (NONZERO, "ℝ \\ {0}"),
        (UNIT, "(-1, 1)"),
        (BOOLEAN, "{False, True}"),
        (Interval(-math.inf, 2.5, (0.0, 1.0)), "(-∞, 2.5) \\ {0, 1}"),
    ],
)
def test_text(interval, text):
    assert str(interval) == text


def test_containment():
    assert 1.0 in POSITIVE and 0.0 not in POSITIVE and -1 not in POSITIVE
    assert 0.0 not in NONZERO and "a" not in REAL


@given(
    st.floats(-10, 10),
    st.floats(0.5, 10),
    st.lists(st.floats(0.1, 0.9), max_size=1),
    st.integers(0, 2**32 - 1),
)
def test_samples_lie_inside_with_a_margin(low, width, inside, seed):
    excluded = tuple(low + f * width for f in inside)
    interval = Interval(low, low + width, excluded)
    margin = min(0.1, width / 20)
    x = interval.sample(np.random.default_rng(seed), (50,), margin=margin)
    assert np.all((x > low) & (x < low + width))
    for point in excluded:
        assert np.all(np.abs(x - point) >= margin * (1 - 1e-9))


@pytest.mark.parametrize("interval", [REAL, POSITIVE, Interval(-math.inf, 0.0), Interval(5.0)])
def test_infinite_intervals_give_numbers_of_moderate_size(interval):
    x = interval.sample(np.random.default_rng(0), (1000,))
    assert np.all(np.abs(x) < 10) and all(v in interval for v in x)


def test_a_case_makes_arguments_of_the_asked_dtype():
    case = Case((2, 3), "python", np.array([1, 0]), lambda rng: np.eye(2), axis=1)
    x, number, index, matrix = case.make((REAL,), np.random.default_rng(0), np.float32)
    assert (x.shape, x.dtype) == ((2, 3), np.float32)
    assert type(number) is float
    assert index.dtype == np.array([1]).dtype and matrix.dtype == np.float32
    assert case.attrs == {"axis": 1}
    assert case.name == "2x3,python,array,array,axis=1"


def test_distinct_numbers_are_apart():
    (x,) = Case((4, 5), distinct=True).make((REAL,), np.random.default_rng(0))
    assert np.diff(np.sort(x.ravel())).min() > 0.09


def test_the_same_seed_makes_the_same_arguments():
    case = Case((3,), (2, 3))
    a, b = (case.make((REAL,), np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_complex_arguments():
    (x,) = Case((3,), complex=True).make((REAL,), np.random.default_rng(0), np.complex128)
    assert x.dtype == np.complex128 and np.all(x.imag != 0)

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn.testing.differences import derivative, one_sided


@pytest.mark.parametrize(
    ("phi", "exact"),
    [
        (math.exp, 1.0),
        (lambda t: math.sin(1.0 + t), math.cos(1.0)),
        (lambda t: math.log(0.1 + t) if t > -0.1 else math.nan, 10.0),
        (lambda t: math.log(1e-3 + t) if t > -1e-3 else math.nan, 1000.0),
        (lambda t: math.exp(5 * t) * 1e6, 5e6),
        (lambda t: 3.0, 0.0),
        (lambda t: (1 + t) ** 20, 20.0),
        (lambda t: math.tanh(50 * t), 50.0),
        (lambda t: 1e-8 * math.sin(t), 1e-8),
    ],
)
def test_value_and_error(phi, exact):
    value, error = derivative(phi)
    assert value == pytest.approx(exact, rel=1e-7, abs=1e-12)
    assert abs(value - exact) <= 10 * error + 1e-13 * (1 + abs(exact))


def test_a_planted_error_of_the_size_that_matters_is_far_outside_the_estimate():
    value, error = derivative(lambda t: math.exp(2 * t))
    assert abs(value - 2.002) > 1e4 * error


def test_single_precision_takes_larger_steps():
    value, _ = derivative(lambda t: float(np.sin(np.float32(1.0 + t))), eps=2.0**-23)
    assert value == pytest.approx(math.cos(1.0), abs=1e-4)


def test_no_derivative_is_not_finite_or_not_certain():
    assert not math.isfinite(derivative(lambda t: math.nan).value)
    assert derivative(lambda t: 1.0 if t > 0 else 0.0).error > 1.0


def test_slopes_on_both_sides():
    assert one_sided(abs) == (-1.0, 1.0)
    assert one_sided(lambda t: t * t) == (0.0, 0.0)
    left, right = one_sided(lambda t: math.exp(t) if t > 0 else 1 + 3 * t)
    assert left == pytest.approx(3.0, abs=1e-6)
    assert right == pytest.approx(1.0, abs=1e-6)

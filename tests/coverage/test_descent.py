"""Rows of the tutorials' systems that are about gradient descent, with the tutorials' numbers.

Figures of the line fit and of least squares were computed in plain NumPy, without this library.
"""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.optim import (
    SGD,
    ExponentialDecay,
    FalseConvergenceWarning,
    StopReason,
    gradient_descent,
    learning_rate_sweep,
)

X, Y = np.array([0.5, 2.3, 2.9]), np.array([1.4, 1.9, 3.2])


def parabola(w):
    return (w - 3) ** 2


def squared_residuals(line):
    return ((Y - (line["intercept"] + line["slope"] * X)) ** 2).sum()


def test_coverage_gradient_descent_rule():
    result = gradient_descent(parabola, 0.0, 0.1)
    assert (result.reason, result.step_count) == (StopReason.STEP_SIZE, 30)
    assert result.x == pytest.approx(2.99629, abs=5e-6)
    for step in result.steps:
        assert step.step == pytest.approx(step.gradient * step.rate)
        assert step.new == pytest.approx(step.x - step.step)
    assert abs(result.steps[-1].step) <= 0.001 < abs(result.steps[-2].step)

    result = gradient_descent(parabola, 0.0, 0.5)
    assert (result.reason, result.step_count, result.x) == ("step size", 2, 3.0)

    result = gradient_descent(parabola, 0.0, 1.0)
    assert (result.reason, result.step_count) == ("step limit", 1000)
    assert result.path[:5] == [0.0, 6.0, 0.0, 6.0, 0.0]

    assert gradient_descent(parabola, 0.0, 1.1).reason == "diverged"


def test_coverage_gradient_descent_rule_with_an_optimizer():
    w = Value(0.0, name="w")
    optimizer = SGD([w], learning_rate=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        parabola(w).backward()
        optimizer.step()
    assert w.item() == pytest.approx(2.99629, abs=5e-6)


def test_coverage_gradient_descent_limits():
    with pytest.warns(FalseConvergenceWarning, match="the slope there is still 6, and about 3 seems to be left to go"):
        result = gradient_descent(parabola, 0.0, 1e-6)
    assert (result.reason, result.step_count) == ("step size", 1)
    assert result.x == pytest.approx(0.000006, rel=1e-12)

    with pytest.warns(FalseConvergenceWarning):
        result = gradient_descent(squared_residuals, {"intercept": 0.0, "slope": 1.0}, 0.01)
    assert result.step_count == 207
    assert result.x["intercept"] == pytest.approx(0.862, abs=5e-4)
    assert result.x["slope"] == pytest.approx(0.678, abs=5e-4)
    slope, intercept = np.polyfit(X, Y, 1)
    assert (intercept, slope) == (pytest.approx(0.949, abs=5e-4), pytest.approx(0.641, abs=5e-4))
    left = np.hypot(intercept - result.x["intercept"], slope - result.x["slope"])
    assert result.remaining == pytest.approx(left, rel=0.05)


def test_coverage_two_derivatives_make_a_gradient():
    result = gradient_descent(lambda b: squared_residuals({"intercept": b, "slope": 0.64}), 0.0, 0.1)
    first = result.steps[0]
    assert first.gradient == pytest.approx(-5.704, rel=1e-12)
    assert first.step == pytest.approx(-0.5704, rel=1e-12)
    assert result.path[1:4] == pytest.approx([0.5704, 0.7986, 0.8898], abs=5e-5)
    assert (result.reason, result.step_count) == ("step size", 8)
    assert result.x == pytest.approx(0.950, abs=5e-4)
    assert (Y - 0.64 * X).mean() == pytest.approx(0.9507, abs=5e-5)

    with pytest.warns(FalseConvergenceWarning):
        report = gradient_descent(squared_residuals, {"intercept": 0.0, "slope": 1.0}, 0.01).report()
    for line in (
        "Step 1. Take the derivatives, which together are the gradient, of the loss with respect to each parameter: "
        "intercept, slope.",
        "Step 2. Choose values to begin with: intercept = 0, slope = 1.",
        "Step 3. Put the values into the derivatives: the slopes.",
        "Step 4. Multiply by the learning rate: step = slope × rate.",
        "Step 5. Subtract: new = old - step.",
        # Σ -2 (y - x) = -1.6 and Σ -2 x (y - x) = -0.8
        "  intercept: old 0, slope -1.6, step -1.6 × 0.01 = -0.016, new 0 - (-0.016) = 0.016",
        "  slope: old 1, slope -0.8, step -0.8 × 0.01 = -0.008, new 1 - (-0.008) = 1.008",
    ):
        assert line in report


def test_coverage_learning_rate_that_starts_large_and_shrinks():
    result = gradient_descent(parabola, 0.0, ExponentialDecay(0.95, 0.9))
    assert (result.reason, result.step_count) == ("step size", 8)
    assert result.x == pytest.approx(3.00001, abs=5e-6)
    assert gradient_descent(parabola, 0.0, 0.9).step_count == 40


def test_coverage_sensitivity_to_the_rate():
    rates = [1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 1.0, 1.1]
    results = learning_rate_sweep(parabola, 0.0, rates)
    reasons = {rate: str(result.reason) for rate, result in results.items()}
    assert reasons == dict.fromkeys(rates, "step size") | {1.0: "step limit", 1.1: "diverged"}
    false = [rate for rate, result in results.items() if result.false_convergence]
    assert false == [1e-6, 1e-4, 1e-3, 0.01]
    errors = {rate: abs(result.x - 3) for rate, result in results.items()}
    assert errors[1e-6] > errors[1e-3] > errors[0.01] > errors[0.1] > errors[0.5] == 0


def test_coverage_stochastic_gradient_descent_with_the_whole_batch():
    """One mini-batch of all rows is gradient descent; the mean over an equal partition is the whole gradient."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=12)

    def mean_square(w, rows):
        return ((y[rows] - x[rows] @ w) ** 2).mean()

    w = Value(np.zeros(3))
    optimizer = SGD([w], 0.1)
    for _ in range(20):
        optimizer.zero_grad()
        mean_square(w, np.arange(12)).backward()
        optimizer.step()
    whole = gradient_descent(lambda w: mean_square(w, slice(None)), np.zeros(3), 0.1, tolerance=0.0, max_steps=20)
    np.testing.assert_allclose(w.data, whole.x, rtol=1e-12)

    def slope(rows):
        v = Value(np.ones(3))
        mean_square(v, rows).backward()
        return v.grad

    parts = [slope(rows) for rows in np.split(rng.permutation(12), 4)]
    np.testing.assert_allclose(np.mean(parts, axis=0), slope(np.arange(12)), rtol=1e-12)

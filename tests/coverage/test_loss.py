"""Rows of the tutorials' systems that are about activations and losses, with the tutorials' numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value
from autograd_nn.functions import relu, sigmoid, softmax, softplus
from autograd_nn.losses import cross_entropy, mse, nll_loss, ssr
from autograd_nn.nn import SoftmaxClassifier
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad

OUTPUTS = np.array([1.43, -0.40, 0.23])
EXTREMES = (-1000.0, 1000.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coverage_sigmoid_neuron(dtype):
    assert sigmoid(6.0) == pytest.approx(0.997527, abs=5e-7)
    assert grad(sigmoid)(0.0) == 0.25
    # Strictly inside (0, 1) as far as the float type has numbers there: 1 - eps/2 is the last one before 1.
    highest = -math.log(float(np.finfo(dtype).eps))
    lowest = math.log(float(np.finfo(dtype).tiny)) + 1
    inside = sigmoid(np.array([lowest, -1.0, 0.0, 1.0, highest - 0.1], dtype))
    assert inside.dtype == dtype
    assert (inside > 0).all()
    assert (inside < 1).all()
    z = Value(np.array(EXTREMES, dtype))
    y = sigmoid(z)
    y.sum().backward()
    assert np.isfinite(y.data).all()
    assert np.isfinite(z.grad).all()


def test_coverage_sigmoid_moves_a_little_where_the_perceptron_flips():
    weights, bias = np.array([1.0, -2.0, 0.5]), 0.0
    before, after = np.array([1.0, 0.5, 0.0]), np.array([1.01, 0.5, 0.0])  # one input changes by 0.01
    answers = [int(x @ weights + bias > 0) for x in (before, after)]
    smooth = [sigmoid(x @ weights + bias) for x in (before, after)]
    assert answers == [0, 1]
    assert 0 < smooth[1] - smooth[0] <= 0.25 * 0.01  # the slope of the sigmoid is at most 1/4


def test_coverage_relu_softplus():
    assert [relu(x) for x in (-2.0, 0.0, 3.0)] == [0.0, 0.0, 3.0]
    assert [grad(relu)(x) for x in (-2.0, 0.0, 3.0)] == [0.0, 0.0, 1.0]  # at 0 by convention
    assert softplus(0.0) == pytest.approx(0.693147, abs=5e-7)
    assert [softplus(x) for x in EXTREMES] == [0.0, 1000.0]
    assert [grad(softplus)(x) for x in EXTREMES] == [0.0, 1.0]


@given(st.floats(-1000, 1000))
def test_coverage_the_slope_of_softplus_is_the_sigmoid(x):
    assert grad(softplus)(x) == pytest.approx(sigmoid(x), rel=1e-12)


def test_coverage_argmax_versus_softmax():
    np.testing.assert_allclose(softmax(OUTPUTS), [0.6842, 0.1098, 0.2061], atol=5e-5)
    assert softmax(OUTPUTS).sum() == pytest.approx(1.0, rel=1e-15)
    assert (np.arange(3) == np.argmax(OUTPUTS)).astype(int).tolist() == [1, 0, 0]
    np.testing.assert_allclose(softmax(OUTPUTS + 5.0), softmax(OUTPUTS), rtol=1e-14)
    assert np.isfinite(softmax(np.array([*EXTREMES, 0.0]))).all()


def test_coverage_backward_through_argmax_names_softmax():
    with pytest.raises(ValueError, match=r"train with softmax and cross entropy, decide with argmax"):
        np.argmax(Value(OUTPUTS)).backward()


def test_coverage_predict_equals_argmax_of_predict_proba():
    model = SoftmaxClassifier([4, 8, 3], rng=0)
    x = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_array_equal(model.predict(x), model.predict_proba(x).argmax(axis=1))


def test_coverage_sum_of_squared_residuals_and_mean_squared_error():
    predicted, observed = np.array([1.0, 2.0, 4.0, 0.5]), np.array([1.5, 2.0, 3.0, 0.0])
    residuals = observed - predicted
    assert ssr(predicted, observed) == (residuals**2).sum() == 1.5
    assert mse(predicted, observed) == (residuals**2).mean() == 0.375
    assert ssr(predicted, observed) / mse(predicted, observed) == len(observed)
    # d/dp of (observed - p)² is -2 times the residual
    np.testing.assert_array_equal(grad(ssr)(predicted, observed), -2 * residuals)


def test_coverage_cross_entropy():
    for label, loss in enumerate([0.3795, 2.2095, 1.5795]):
        assert cross_entropy(OUTPUTS, label) == pytest.approx(loss, abs=5e-5)
    rows = np.array([OUTPUTS, OUTPUTS, OUTPUTS])
    assert cross_entropy(rows, np.arange(3), reduction="sum") == pytest.approx(4.1685, abs=2e-4)
    slope = grad(lambda z: cross_entropy(z, 0))(OUTPUTS)
    np.testing.assert_allclose(slope, [-0.3158, 0.1098, 0.2061], atol=5e-5)
    np.testing.assert_allclose(slope, softmax(OUTPUTS) - [1, 0, 0], rtol=1e-12)  # p - one-hot
    check_grads(lambda z: cross_entropy(z, 0), OUTPUTS)


def test_coverage_cross_entropy_is_finite_where_p_underflows():
    z = Value(np.array([1000.0, -1000.0]))
    assert softmax(z.data)[1] == 0.0
    loss = cross_entropy(z, 1)
    loss.backward()
    assert loss.item() == 2000.0
    assert z.grad.tolist() == [1.0, -1.0]


def test_coverage_a_really_bad_prediction_gives_a_large_step():
    def surprise(p):
        return nll_loss(np.log(p).reshape(1), 0)

    def squared_residual(p):
        return ssr(p, 1.0)

    assert grad(surprise)(0.1) == pytest.approx(-10.0)
    assert grad(squared_residual)(0.1) == pytest.approx(-1.8)
    assert grad(surprise)(0.9) == pytest.approx(-1.11, abs=5e-3)
    assert grad(squared_residual)(0.9) == pytest.approx(-0.2)


def test_coverage_loss_versus_cost():
    """The loss is of one sample, the cost the mean of all: both can be had."""
    predicted, observed = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    losses = mse(predicted, observed, reduction="none")
    assert losses.tolist() == [0.0, 1.0, 4.0]
    assert mse(predicted, observed) == pytest.approx(losses.mean())
    each = cross_entropy(np.array([OUTPUTS, -OUTPUTS]), np.array([0, 0]), reduction="none")
    assert each.shape == (2,)
    assert cross_entropy(np.array([OUTPUTS, -OUTPUTS]), np.array([0, 0])) == pytest.approx(each.mean())

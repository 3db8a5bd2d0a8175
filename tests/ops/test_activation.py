"""Softmax and cross entropy: hand-worked numbers, mpmath, and sizes at which naive formulas fail."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.ops.activation import cross_entropy, log_softmax, softmax, softmax_minus_one_hot
from autograd_nn.ops.reduction import sum as sum_over
from autograd_nn.transforms import grad, hessian

OUTPUTS = np.array([1.43, -0.40, 0.23])


def test_worked_example():
    p = softmax(OUTPUTS)
    np.testing.assert_allclose(p, [0.6842, 0.1098, 0.2061], atol=5e-5)
    assert p.sum() == pytest.approx(1.0, abs=1e-15)
    for label, loss in enumerate([0.3795, 2.2095, 1.5795]):
        assert cross_entropy(OUTPUTS, np.array(label)) == pytest.approx(loss, abs=5e-5)
    slope = grad(lambda x: cross_entropy(x, np.array(0)))(OUTPUTS)
    np.testing.assert_allclose(slope, [-0.3158, 0.1098, 0.2061], atol=5e-5)
    np.testing.assert_allclose(softmax_minus_one_hot(OUTPUTS, np.array(0)), slope)


def test_a_constant_changes_nothing():
    np.testing.assert_allclose(softmax(OUTPUTS + 100.0), softmax(OUTPUTS), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_finite_at_a_thousand(dtype):
    x = Value(np.array([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0]]), dtype=dtype)
    for f in (softmax, log_softmax, lambda x: cross_entropy(x, np.array([1, 0]))):
        x.zero_grad()
        y = f(x)
        y.backward(np.ones(y.shape, dtype))
        assert np.isfinite(y.data).all()
        assert np.isfinite(x.grad).all()
        assert x.grad.dtype == dtype
    assert cross_entropy(x, np.array([1, 0])).data[0] == 2000.0


def test_log_softmax_where_softmax_underflows():
    x = [0.0, 30.0, -800.0]
    with mpmath.workdps(50):
        total = mpmath.log(sum(mpmath.exp(v) for v in x))
        wanted = [float(v - total) for v in x]
    np.testing.assert_allclose(log_softmax(np.array(x)), wanted, rtol=1e-15, atol=1e-15)
    assert softmax(np.array(x))[2] == 0.0


def test_masked_elements_get_nothing():
    x = np.array([0.0, -np.inf, 0.0])
    np.testing.assert_array_equal(softmax(x), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(grad(lambda x: softmax(x)[0])(x), [0.25, 0.0, -0.25])


def test_hessian_of_the_cross_entropy_is_the_covariance_of_one_draw():
    p = softmax(OUTPUTS)
    h = hessian(lambda x: cross_entropy(x, np.array(2)))(OUTPUTS)
    np.testing.assert_allclose(h, np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-15)


def test_fused_loss_equals_its_parts():
    x, labels = np.random.default_rng(0).standard_normal((5, 4)), np.array([0, 3, 1, 1, 2])
    fused = grad(lambda x: sum_over(cross_entropy(x, labels)))(x)
    parts = grad(lambda x: -sum_over(log_softmax(x)[np.arange(5), labels]))(x)
    np.testing.assert_allclose(fused, parts, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("labels", "kind", "error"),
    [
        (np.array([0.0, 1.0]), TypeError, r"wanted integer labels, got float64: write labels\.astype\(int\)"),
        (np.array([0, 1, 2]), ValueError, r"one label for each row, of shape \(2,\), got labels of shape \(3,\)"),
        (np.array([0, 3]), ValueError, "labels from 0 to 2, as there are 3 classes; got 0 to 3"),
        (np.array([-1, 0]), ValueError, "got -1 to 0"),
        (np.array([[0], [1]]), ValueError, r"got labels of shape \(2, 1\)"),
    ],
)
def test_labels_that_do_not_fit(labels, kind, error):
    with pytest.raises(kind, match=error):
        cross_entropy(Value(np.zeros((2, 3))), labels)

"""Metrics against scikit-learn, in one go and added up over batches; evaluate and predict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from autograd_nn import Value, nn
from autograd_nn.training import (
    METRICS,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    evaluate,
    f1,
    mae,
    metric,
    mse,
    predict,
    r2,
    rmse,
)
from autograd_nn.training.metric import Metric, classes_of

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(60, 4)), RNG.integers(0, 4, 60)
P, T = RNG.normal(size=60), 1000 + RNG.normal(size=60)
WEIGHT = RNG.uniform(0, 2, 60)


def of_classes(f):
    return lambda p, t, w=None: f(t, p.argmax(1), sample_weight=w)


def of_numbers(f):
    return lambda p, t, w=None: f(t, p, sample_weight=w)


OUTSIDE = {
    "accuracy": of_classes(sk.accuracy_score),
    "balanced_accuracy": of_classes(sk.balanced_accuracy_score),
    "confusion_matrix": of_classes(sk.confusion_matrix),
    "f1": lambda p, t, w=None: sk.f1_score(t, p.argmax(1), average="macro", sample_weight=w),
    "mse": of_numbers(sk.mean_squared_error),
    "rmse": of_numbers(sk.root_mean_squared_error),
    "mae": of_numbers(sk.mean_absolute_error),
    "r2": of_numbers(sk.r2_score),
}


def test_every_metric_is_compared():
    assert set(OUTSIDE) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("size", [60, 7])
def test_metrics_equal_those_of_scikit_learn(name, weight, size):
    m = METRICS[name]
    p, t = (LOGITS, LABELS) if name in ("accuracy", "balanced_accuracy", "confusion_matrix", "f1") else (P + 1000, T)
    total = m.start()
    for i in range(0, 60, size):
        part = slice(i, i + size)
        m.add(total, p[part], t[part], None if weight is None else weight[part])
    np.testing.assert_allclose(m.result(total), OUTSIDE[name](p, t, weight), rtol=1e-12)
    np.testing.assert_allclose(m(p, t, weight), OUTSIDE[name](p, t, weight), rtol=1e-12)


def test_r2_of_several_outputs_and_of_a_constant():
    p, t = RNG.normal(size=(30, 3)), RNG.normal(size=(30, 3))
    assert r2(p, t) == pytest.approx(sk.r2_score(t, p))
    assert r2([1.0, 1.0], [1.0, 1.0]) == 1.0 and r2([1.0, 2.0], [1.0, 1.0]) == 0.0


def test_r2_does_not_cancel():
    """A mean of 1e8 with a spread of 1: sums of squares would lose every digit."""
    t = 1e8 + np.random.default_rng(1).normal(size=1000)
    p = t + 0.1
    total = METRICS["r2"].start()
    for i in range(0, 1000, 10):
        METRICS["r2"].add(total, p[i : i + 10], t[i : i + 10], None)
    assert METRICS["r2"].result(total) == pytest.approx(sk.r2_score(t, p), abs=1e-6)


def test_binary_f1_is_that_of_class_1():
    z, y = RNG.normal(size=50), RNG.integers(0, 2, 50)
    assert f1(z, y) == pytest.approx(sk.f1_score(y, z > 0))
    assert f1([-1.0, -1.0], [0, 0]) == 0.0


def test_classes_of_all_kinds_of_predictions():
    assert classes_of(Value([[0.0, 1.0], [2.0, 1.0]])).tolist() == [1, 0]
    assert classes_of([[0.5], [-0.5]]).tolist() == classes_of([0.5, -0.5]).tolist() == [1, 0]
    assert classes_of(np.array([2, 0])).tolist() == [2, 0] and classes_of(np.array([True, False])).tolist() == [1, 0]
    assert classes_of(np.zeros((2, 3, 4))).shape == (2, 3)


def test_targets_may_be_one_hot_or_columns_or_whole_floats():
    logits = np.array([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]])
    for target in ([1, 0, 0], [[1], [0], [0]], [[0, 1], [1, 0], [1, 0]], [1.0, 0.0, 0.0]):
        assert accuracy(logits, np.array(target)) == pytest.approx(2 / 3)
    assert confusion_matrix(logits, [1, 0, 0]).tolist() == [[1, 1], [0, 1]]


def test_the_matrix_has_all_classes_of_the_logits():
    assert confusion_matrix(np.eye(4)[[0, 0]], [0, 1]).shape == (4, 4)
    assert balanced_accuracy(np.eye(4)[[0, 0]], [0, 1]) == 0.5


def test_columns_and_vectors_fit():
    assert mse([[1.0], [2.0]], [1.0, 4.0]) == 2.0 and mae([1.0, 2.0], [[1.0], [4.0]]) == 1.0
    assert rmse([1.0, 2.0], [1.0, 4.0]) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize(
    ("m", "args", "kind", "message"),
    [
        (mse, ([1.0, 2.0, 3.0], [1.0, 2.0]), ValueError, "one shape"),
        (mse, (np.ones((2, 3)), np.ones((3, 2))), ValueError, "one shape"),
        (accuracy, ([[0.0, 1.0]], [0, 1]), ValueError, "one class for each prediction"),
        (accuracy, ([[0.0, 1.0]], [0.5]), TypeError, "whole numbers"),
        (confusion_matrix, ([[0.0, 1.0]], [-1]), ValueError, "from 0 on"),
        (accuracy, ([[0.0, 1.0]], [0], [1.0, 2.0]), ValueError, "one for each row"),
    ],
)
def test_what_does_not_fit(m, args, kind, message):
    with pytest.raises(kind, match=message):
        m(*args)


def test_nothing_is_nan():
    for name in ("accuracy", "mse", "r2", "balanced_accuracy", "f1"):
        m = METRICS[name]
        if name != "f1":
            assert np.isnan(m.result(m.start()))
    assert repr(accuracy) == "accuracy" and accuracy.mode == "max" and mse.mode == "min"


def test_unfinished_metrics():
    with pytest.raises(NotImplementedError, match="add"):
        Metric("mine", "")([1.0], [1.0])
    with pytest.raises(NotImplementedError, match="result"):
        Metric("mine", "").result({})


@given(st.integers(1, 40), st.integers(1, 9))
def test_batches_do_not_matter(n, size):
    for name, m in METRICS.items():
        p, t = (LOGITS, LABELS) if name in ("accuracy", "balanced_accuracy", "confusion_matrix", "f1") else (P, T)
        total = m.start()
        for i in range(0, n, size):
            m.add(total, p[i : min(i + size, n)], t[i : min(i + size, n)], None)
        np.testing.assert_allclose(m.result(total), m(p[:n], t[:n]), rtol=1e-9)


# --- evaluate and predict ---------------------------------------------------------------------------------------------


def largest(p, t):
    return float(np.max(p - t))


def weighted_mean(p, t, sample_weight=None):
    return float(np.average(p[:, 0], weights=sample_weight))


def test_evaluate_is_the_same_for_all_batch_sizes():
    x, y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 1))
    model = nn.Linear(3, 1, dtype=float, rng=0)
    wanted = x @ model.weight.data + model.bias.data
    for size in (7, 50, 1000):
        found = evaluate(model, (x, y), "mse", ["mae", "r2", largest], batch_size=size)
        assert found["loss"] == pytest.approx(np.mean((wanted - y) ** 2)) and found["largest"] == np.max(wanted - y)
        assert found["r2"] == pytest.approx(sk.r2_score(y, wanted)) and list(found) == ["loss", "mae", "r2", "largest"]


def test_evaluate_with_weights():
    x, y, w = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 1)), np.r_[np.zeros(10), RNG.uniform(size=40)]
    model = nn.Linear(3, 1, dtype=float, rng=0)
    p = x @ model.weight.data + model.bias.data
    found = evaluate(model, (x, y, w), "mse", ["mae", weighted_mean], batch_size=5)
    assert found["loss"] == pytest.approx(np.average((p - y)[:, 0] ** 2, weights=w))
    assert found["mae"] == pytest.approx(np.average(abs(p - y)[:, 0], weights=w))
    assert found["weighted_mean"] == pytest.approx(np.average(p[:, 0], weights=w))


def test_evaluate_and_predict_change_nothing_and_record_nothing():
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.BatchNorm(4), nn.Dropout(0.5, rng=0), nn.Linear(4, 2, rng=0))
    before = model.state_dict(), model.layers[2].rng.bit_generator.state
    model.layers[1].eval()
    x = np.ones((9, 2))
    a, b = predict(model, x, batch_size=2), predict(model, x)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    evaluate(model, (x, np.zeros(9, int)), "cross_entropy", "accuracy")
    assert model.training and not model.layers[1].training
    assert all(np.array_equal(before[0][k], v) for k, v in model.state_dict().items())
    assert model.layers[2].rng.bit_generator.state == before[1] and type(a) is np.ndarray
    a[...] = 0  # an array of one's own


def test_predict_of_no_rows_has_the_shape():
    assert predict(nn.Linear(2, 3, rng=0), np.zeros((0, 2))).shape == (0, 3)


class Total(nn.Module):
    def __init__(self):
        self.w = Value(1.0)

    def forward(self, x):
        return (x * self.w).sum()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda m: predict(m, 3.0), ValueError, "same number of rows"),
        (lambda m: predict(m, (np.ones((3, 2)), np.ones((2, 2)))), ValueError, "same number of rows"),
        (lambda m: predict(m, np.ones((3, 2)), batch_size=0), ValueError, "batch_size"),
        (lambda m: predict(Total(), np.ones((3, 2))), ValueError, "keeps rows"),
        (lambda m: evaluate(m, (np.ones((3, 2)), np.ones(3))), ValueError, "wanted a loss or metrics"),
        (lambda m: evaluate(m, (np.ones((3, 2)), np.ones(3)), metrics="acc"), ValueError, "no metric 'acc'"),
        (lambda m: evaluate(m, (np.ones((3, 2)), np.ones((3, 1))), lambda p, t: p - t), ValueError, "one number"),
        (lambda m: metric(3), TypeError, "a metric is a name"),
    ],
)
def test_bad_calls(call, kind, message):
    with pytest.raises(kind, match=message):
        call(nn.Linear(2, 1, rng=0))


def test_an_exception_restores_the_modes():
    model = nn.Linear(2, 1, rng=0)
    with pytest.raises(ValueError, match="5"):
        predict(model, np.ones((3, 5)))
    assert model.training and model(np.ones((1, 2))).requires_grad

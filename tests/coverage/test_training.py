"""Rows of the table of systems and techniques that are about training."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from autograd_nn import losses, nn, optim
from autograd_nn.data import moons
from autograd_nn.training import (
    Callback,
    TrainingWarning,
    accuracy,
    confusion_matrix,
    diagnose,
    evaluate,
    fit,
    predict,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 3)), RNG.integers(0, 2, 24)


def network():
    return nn.MLP([3, 5, 2], activation="tanh", dtype=float, rng=0)


def gradients(model, x, y):
    model.zero_grad()
    losses.cross_entropy(model(x), y).backward(retain="leaves")
    return [p.grad for p in model.parameters()]


class Rows(Callback):
    """Remember the rows of each step."""

    def __init__(self):
        self.epochs = []

    def epoch_begin(self, state):
        self.epochs.append([])

    def step(self, state):
        self.epochs[-1].append(state.current.x[:, 0])


def test_coverage_stochastic_gradient_descent_every_row_once_per_epoch():
    orders = []
    for seed in (0, 0, 1):
        rows = Rows()
        model = network()
        fit(
            model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), 0.1), epochs=3, batch_size=7, seed=seed,
            callbacks=rows, progress=False,
        )  # fmt: skip
        for epoch in rows.epochs:
            assert np.array_equal(np.sort(np.concatenate(epoch)), np.sort(X[:, 0]))
        orders.append([np.concatenate(epoch).tolist() for epoch in rows.epochs])
    assert orders[0] == orders[1] != orders[2] and orders[0][0] != orders[0][1]  # seeded; anew in each epoch


def test_coverage_mini_batch_of_all_rows_is_gradient_descent():
    model, by_hand = network(), network()
    fit(
        model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), 0.3), epochs=20, batch_size=len(X), progress=False
    )
    for _ in range(20):
        for p, g in zip(by_hand.parameters(), gradients(by_hand, X, Y), strict=True):
            p.data = p.data - 0.3 * g
    for p, q in zip(model.parameters(), by_hand.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 6, 12])
def test_coverage_mean_of_mini_batch_gradients_is_the_full_gradient(size):
    model = network()
    order = np.random.default_rng(1).permutation(24)
    parts = [gradients(model, X[rows], Y[rows]) for rows in order.reshape(-1, size)]
    for whole, *batches in zip(gradients(model, X, Y), *parts, strict=True):
        np.testing.assert_allclose(np.mean(batches, axis=0), whole, rtol=1e-12, atol=1e-14)


def test_coverage_loss_versus_cost():
    """The loss is of one sample, the cost is their mean: -log of the probability of the true class."""
    logits = np.array([[1.43, -0.40, 0.23]] * 3)
    each = losses.cross_entropy(logits, np.array([0, 1, 2]), reduction="none")
    np.testing.assert_allclose(each, [0.3795, 2.2095, 1.5795], atol=5e-5)
    assert losses.cross_entropy(logits, np.array([0, 1, 2])) == pytest.approx(np.mean(each))
    model = network()
    cost = evaluate(model, (X, Y), "cross_entropy", batch_size=7)["loss"]
    assert cost == pytest.approx(np.mean(losses.cross_entropy(predict(model, X), Y, reduction="none")), rel=1e-12)


def test_coverage_accuracy_and_cost_evaluation():
    """On held-out rows with labels: accuracy, confusion matrix, loss."""
    train, test = moons(200, noise=0.1, rng=0), moons(200, noise=0.1, rng=1)
    model = nn.MLP([2, 16, 2], rng=0)
    fit(model, train, "cross_entropy", optim.Adam(model.parameters(), 0.05), epochs=60, progress=False)
    found = evaluate(model, test, "cross_entropy", ["accuracy", "confusion_matrix"])
    right = model(test[0]).data.argmax(axis=1) == test[1]
    assert found["accuracy"] == right.mean() == accuracy(model(test[0]), test[1]) >= 0.98
    matrix = found["confusion_matrix"]
    assert matrix.sum() == 200 and np.trace(matrix) == right.sum() and matrix.sum(axis=1).tolist() == [100, 100]
    assert np.array_equal(matrix, confusion_matrix(model(test[0]), test[1]))
    assert found["loss"] == pytest.approx(losses.cross_entropy(model(test[0]), test[1]).item(), rel=1e-5)


# The four rows of HIPS autograd's tutorial; the third number alone tells the classes apart.
LOGISTIC = (
    np.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]]),
    np.array([1, 1, 0, 1]),
)


def test_coverage_logistic_regression_by_fit():
    """Rate 0.01, 100 steps from zero: the loss falls from 2.7726 to 1.0673."""
    model = nn.Linear(3, 1, bias=False, dtype=float, init="zeros")

    def loss(z, t):
        return losses.binary_cross_entropy(z[:, 0], t, reduction="sum")

    assert evaluate(model, LOGISTIC, loss)["loss"] == pytest.approx(2.7726, abs=5e-5)
    fit(model, LOGISTIC, loss, optim.SGD(model.parameters(), 0.01), epochs=100, batch_size=None, progress=False)
    assert evaluate(model, LOGISTIC, loss)["loss"] == pytest.approx(1.0673, abs=5e-5)


def test_coverage_logistic_regression_on_separable_data_warns():
    """Without a penalty weights grow without bound; with one there is no warning."""
    x, y = LOGISTIC
    norms = []
    for epochs in (2000, 8000):
        model = nn.LogisticRegression(3, dtype=float)
        with pytest.warns(TrainingWarning, match="without bound"):
            fit(
                model, (x, y), "binary_cross_entropy", optim.SGD(model.parameters(), 1.0), epochs=epochs, progress=False
            )
        norms.append(np.linalg.norm(model.linear.weight.data))
    assert norms[1] > norms[0] + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = nn.LogisticRegression(3, dtype=float)
        optimizer = optim.SGD(model.parameters(), 1.0, weight_decay=0.01)
        fit(model, (x, y), "binary_cross_entropy", optimizer, epochs=1000, progress=False)


@pytest.mark.parametrize("seed", range(5))
def test_coverage_deep_network_with_5_hidden_layers(seed):
    """2-16×5-2 ReLU, full batch, momentum 0.9, rate 0.1, 500 steps: He reaches test accuracy of at least 0.99."""
    rng = np.random.default_rng(seed)
    train, test = moons(200, noise=0.1, rng=rng), moons(1000, noise=0.1, rng=rng)
    model = nn.MLP([2, 16, 16, 16, 16, 16, 2], init="he_normal", rng=seed)
    optimizer = optim.Momentum(model.parameters(), 0.1, momentum=0.9)
    fit(model, train, "cross_entropy", optimizer, epochs=500, batch_size=None, progress=False)
    assert evaluate(model, test, metrics="accuracy")["accuracy"] >= 0.99


def test_coverage_initialization_standard_normal_fails_loudly():
    """The same deep net: nan at rate 0.1, of which fit tells, and the doctor names layer and cure."""
    train = moons(200, noise=0.1, rng=0)
    model = nn.MLP([2, 16, 16, 16, 16, 16, 2], init="standard_normal", rng=0)
    found = diagnose(model, train, "cross_entropy")
    assert found.problems == ["exploding signal"] and 'init="he_normal"' in found.findings[0].cure
    optimizer = optim.Momentum(model.parameters(), 0.1, momentum=0.9)
    history = fit(model, train, "cross_entropy", optimizer, epochs=500, batch_size=None, progress=False)
    assert history.stopped.startswith("not finite") and all(np.isfinite(p.data).all() for p in model.parameters())
    assert "diagnose(model, data, loss)" in history.stopped

"""The field is the model's probability, wherever that comes from, and the points are those given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.svm import LinearSVC

from autograd_nn import data, functions, nn, plot
from autograd_nn.plot.boundary import probabilities
from autograd_nn.sklearn import NeuralClassifier

X, Y = data.moons(60, rng=0)
GRID = np.random.default_rng(1).normal(size=(17, 2))
CLASSES = np.array([0, 1])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def line(rows):
    """The log of the odds of class 1, by a formula."""
    return 2.0 * rows[:, 0] - 3.0 * rows[:, 1] + 0.5


P = sigmoid(line(GRID))


def weights_of_the_line(model, prefix=""):
    state = {f"{prefix}weight": np.array([[2.0], [-3.0]]), f"{prefix}bias": np.array([0.5])}
    model.load_state_dict(state)
    return model


def sigmoid_unit():
    return weights_of_the_line(nn.Sequential(nn.Linear(2, 1, dtype=float), nn.Sigmoid()), "layers.0.")


def two_units():
    model = nn.MLP([2, 2], dtype=float)
    model.load_state_dict({"layers.0.weight": [[0.0, 2.0], [0.0, -3.0]], "layers.0.bias": [0.0, 0.5]})
    return model


def two_softmax_units():
    model = nn.MLP([2, 2], dtype=float, output_activation="softmax")
    model.load_state_dict(two_units().state_dict())
    return model


def scalar_neuron():
    model = nn.scalar.MLP(2, [1])
    model.load_state_dict({"layers.0.weight": [[2.0], [-3.0]], "layers.0.bias": [0.5]})
    return model


MODELS = {
    "logits of a module": lambda: weights_of_the_line(nn.Linear(2, 1, dtype=float)),
    "a module with a sigmoid": sigmoid_unit,
    "two logits": two_units,
    "softmax": two_softmax_units,
    "logistic regression": lambda: weights_of_the_line(nn.LogisticRegression(2, dtype=float), "linear."),
    "single numbers": scalar_neuron,
    "a function of logits": lambda: line,
    "a function of probabilities": lambda: lambda rows: sigmoid(line(rows)),
    "a function of both probabilities": lambda: lambda rows: np.stack([sigmoid(-line(rows)), sigmoid(line(rows))], 1),
    "a function of Values": lambda: lambda rows: functions.sigmoid(MODELS["logits of a module"]()(rows)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_those_of_the_formula(name):
    p = probabilities(MODELS[name](), GRID, 2, "auto", CLASSES)
    np.testing.assert_allclose(p, np.stack([1 - P, P], axis=1), atol=1e-12)


def test_logits_that_look_like_probabilities():
    def model(rows):
        return np.full(len(rows), 0.25)

    assert probabilities(model, GRID, 2, "auto", CLASSES)[0, 1] == 0.25
    assert probabilities(model, GRID, 2, "logits", CLASSES)[0, 1] == pytest.approx(sigmoid(0.25))
    flat = nn.Linear(2, 1, init="zeros")  # logits of 0 are no probabilities of 0
    assert probabilities(flat, GRID, 2, "auto", CLASSES)[0, 1] == 0.5


def test_three_classes():
    def model(rows):
        return np.stack([rows[:, 0], rows[:, 1], 0 * rows[:, 0]], axis=1)

    p = probabilities(model, GRID, 3, "logits", np.arange(3))
    e = np.exp(np.stack([GRID[:, 0], GRID[:, 1], 0 * GRID[:, 0]], axis=1))
    np.testing.assert_allclose(p, e / e.sum(axis=1, keepdims=True), atol=1e-12)


def test_scalar_networks_that_look_at_one_sample_at_a_time():
    model = nn.scalar.MLP(2, [3, 3], output_activation="softmax", rng=0)
    p = probabilities(model, GRID[:5], 3, "auto", np.arange(3))
    each = [[float(v.data) for v in model(row)] for row in GRID[:5]]
    np.testing.assert_allclose(p, each, atol=1e-12)


@pytest.mark.parametrize("estimator", [LogisticRegression(), NeuralClassifier(max_epochs=5, random_state=0)])
def test_estimators(estimator, ax):
    names = np.array(["no", "yes"])[Y]
    estimator.fit(X, names)
    p = probabilities(estimator, GRID, 2, "auto", estimator.classes_)
    np.testing.assert_allclose(p, estimator.predict_proba(GRID))
    plot.decision_boundary(estimator, X, names, ax=ax, resolution=9)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["no", "yes", "p = 0.5"]


@pytest.mark.parametrize("estimator", [Perceptron(), LinearSVC()])
def test_estimators_that_only_decide(estimator, ax):
    estimator.fit(X, Y)
    p = probabilities(estimator, GRID, 2, "auto", CLASSES)
    assert p[:, 1].tolist() == estimator.predict(GRID).tolist()
    plot.decision_boundary(estimator, X, Y, ax=ax, resolution=9)


def test_a_perceptron_decides(ax):
    unit = nn.Perceptron([1.0, -1.0], threshold=0.0)
    p = probabilities(unit, GRID, 2, "auto", CLASSES)
    assert p[:, 1].tolist() == (GRID[:, 0] - GRID[:, 1] > 0).astype(float).tolist()
    plot.decision_boundary(unit, X, Y, ax=ax, resolution=9)


def test_dropout_is_off_and_the_mode_comes_back():
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Dropout(0.5, rng=0), nn.Linear(8, 1, rng=0))
    model.train()
    before = [p.grad for p in model.parameters()]
    first, second = (probabilities(model, GRID, 2, "auto", CLASSES) for _ in range(2))
    assert (first == second).all()
    assert all(m.training for m in model.modules())
    assert [p.grad for p in model.parameters()] == before


def test_the_points_are_those_given(ax):
    plot.decision_boundary(line, X, Y, ax=ax, resolution=9)
    for k, drawn in enumerate(ax.lines[:2]):
        np.testing.assert_array_equal(drawn.get_xydata(), X[k == Y])
    assert ax.lines[0].get_marker() != ax.lines[1].get_marker()
    low, high = X.min(axis=0), X.max(axis=0)
    assert ax.get_xlim()[0] < low[0] < high[0] < ax.get_xlim()[1]
    assert ax.get_ylim()[0] < low[1] < high[1] < ax.get_ylim()[1]


def test_the_line_is_where_the_probability_is_a_half(ax):
    plot.decision_boundary(line, X, Y, ax=ax, resolution=50)
    contour = next(c for c in ax.collections if list(getattr(c, "levels", [])) == [0.5])
    (path,) = contour.get_paths()
    np.testing.assert_allclose(line(path.vertices), 0.0, atol=0.02)


def test_three_classes_are_drawn_with_boundaries(ax):
    x, y = data.spirals(90, rng=0)
    plot.decision_boundary(nn.SoftmaxClassifier([2, 8, 3], rng=0), x, y, ax=ax, resolution=30, labels=["a", "b", "c"])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b", "c", "boundary"]
    assert len(ax.images) == 1 and ax.images[0].get_array().shape == (30, 30, 3)
    assert len({drawn.get_marker() for drawn in ax.lines[:3]}) == 3


def test_labels_of_columns_and_signs(ax):
    frame = pd.DataFrame(X, columns=["age [years]", "$income"])
    plot.decision_boundary(line, frame, 2.0 * Y - 1, ax=ax, resolution=9)
    assert ax.get_xlabel() == "age [years]" and ax.get_ylabel() == r"\$income"
    assert [t.get_text() for t in ax.get_legend().get_texts()][:2] == ["-1.0", "1.0"]


def test_constant_points_and_a_single_class(ax):
    plot.decision_boundary(line, np.ones((3, 2)), [0, 0, 0], ax=ax, resolution=9)
    assert ax.get_xlim() == (0.0, 2.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.decision_boundary(line, X[:, :1], Y), ValueError, r"X of shape \(rows, 2\), got \(60, 1\)"),
        (lambda: plot.decision_boundary(line, X, Y[:5]), ValueError, "one class for each of 60 rows"),
        (lambda: plot.decision_boundary(line, X, np.eye(2)[Y]), ValueError, r"y.argmax\(axis=1\)"),
        (lambda: plot.decision_boundary(line, X * np.nan, Y), ValueError, "wanted finite points"),
        (lambda: plot.decision_boundary(line, X, np.arange(60.0) / 7), ValueError, "not measurements"),
        (lambda: plot.decision_boundary(line, X, Y, labels=["a"]), ValueError, "labels wanted 2 names"),
        (lambda: plot.decision_boundary(line, X, Y, output="odds"), ValueError, "output wanted one of auto, logits"),
        (lambda: plot.decision_boundary(line, X, Y, output="probabilities"), ValueError, 'output="logits"'),
        (lambda: plot.decision_boundary(line, X, Y, resolution=1), ValueError, "resolution wanted a whole number"),
        (lambda: plot.decision_boundary(line, X, Y + 1), ValueError, "wanted outputs of shape .* and 3 classes"),
        (lambda: plot.decision_boundary(nn.MLP, X, Y), TypeError, "got the class MLP: make one of it"),
        (lambda: plot.decision_boundary("model", X, Y), TypeError, "wanted a model, an estimator or a function"),
        (lambda: plot.decision_boundary(lambda r: r[:, 0] * np.nan, X, Y), ValueError, "wanted finite outputs"),
    ],
)  # fmt: skip
def test_errors_say_what_was_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()

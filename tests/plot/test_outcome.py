"""Counts are scikit-learn's; points and bands are the numbers given."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from autograd_nn import Value, plot

RNG = np.random.default_rng(0)
Y, PREDICTED = RNG.integers(0, 4, 50), RNG.integers(0, 4, 50)


def cells(ax):
    return np.asarray(ax.images[0].get_array().filled(np.nan))


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_counts_and_shares_are_those_of_scikit_learn(normalize, ax):
    plot.confusion_matrix(Y, PREDICTED, normalize=normalize, ax=ax)
    np.testing.assert_allclose(cells(ax), metrics.confusion_matrix(Y, PREDICTED, normalize=normalize), rtol=1e-12)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert len(ax.texts) == 16


def test_labels_choose_the_order(ax):
    names = np.array(["cat", "dog", "eel", "fox"])
    order = ["fox", "cat", "eel", "dog"]
    plot.confusion_matrix(names[Y], names[PREDICTED], labels=order, ax=ax)
    np.testing.assert_array_equal(cells(ax), metrics.confusion_matrix(names[Y], names[PREDICTED], labels=order))
    assert [t.get_text() for t in ax.get_yticklabels()] == order


def test_labels_name_numbers(ax):
    plot.confusion_matrix([0, 1], [0, 0], labels=["no", "yes", "perhaps"], ax=ax)
    assert cells(ax).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["no", "yes", "perhaps"]


def test_a_row_without_cases_has_no_shares(ax):
    plot.confusion_matrix([0, 0], [0, 1], normalize="true", ax=ax)
    assert cells(ax)[0].tolist() == [0.5, 0.5] and np.isnan(cells(ax)[1]).all()
    assert [t.get_text() for t in ax.texts] == ["0.50", "0.50", "–", "–"]


@pytest.mark.parametrize(
    ("y", "predicted"),
    [([True, False], [True, True]), ([0.0, 1.0], [1.0, 1.0]), ([[0], [1]], [[1], [1]]), (Value([0.0, 1.0]), [1, 1])],
    ids=["bool", "float", "columns", "Value"],
)
def test_what_classes_can_be(y, predicted, ax):
    plot.confusion_matrix(y, predicted, ax=ax)
    assert cells(ax).sum() == 2


def test_forty_classes_have_no_numbers_but_are_drawn():
    y = np.arange(40)
    ax = plot.confusion_matrix(y, y[::-1])
    assert not ax.texts
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.confusion_matrix([0, 1], [0]), "a prediction for each row, got 2 and 1"),
        (lambda: plot.confusion_matrix([0, 1], np.eye(2)), r"take .argmax\(axis=1\)"),
        (lambda: plot.confusion_matrix([0, 1], [0.2, 0.7]), r"decide first, such as \(p > 0.5\)"),
        (lambda: plot.confusion_matrix([], []), r"shape \(rows,\), got \(0,\)"),
        (lambda: plot.confusion_matrix(["a", "b"], ["a", "c"], labels=["a", "b"]), r"where \['c'\] are missing"),
        (lambda: plot.confusion_matrix([0, 2], [0, 1], labels=["a", "b"]), r"where \[2\] are missing"),
        (lambda: plot.confusion_matrix([0, 1], [0, 1], labels="ab"), "got the text 'ab'"),
        (lambda: plot.confusion_matrix([0, 1], [0, 1], labels=[0, 1, 1]), "each class once"),
        (lambda: plot.confusion_matrix([0, 1], [0, 1], normalize="rows"), 'normalize wanted None, "true"'),
        (lambda: plot.confusion_matrix(range(200), range(200)), "draws up to 100 classes, got 200"),
        (lambda: plot.residuals([1.0], [1.0, 2.0]), "a prediction for each row, got 1 and 2"),
        (lambda: plot.residuals(np.ones((3, 2)), [1.0]), r"y\[:, 0\]"),
        (lambda: plot.residuals([1.0, np.nan], [1.0, 2.0]), "1 rows hold NaN or infinity"),
        (lambda: plot.predicted_and_observed(["a"], [1.0]), "wanted numbers in y"),
    ],
)
def test_errors_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()


OBSERVED, GUESSED = np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.5, 2.0, 3.0, 5.5])


def test_residuals_are_observed_minus_predicted(ax):
    plot.residuals(OBSERVED, GUESSED, unit="kg", ax=ax)
    dots = ax.lines[-1]
    assert dots.get_xdata().tolist() == GUESSED.tolist()
    assert dots.get_ydata().tolist() == [-0.5, 0.0, 1.0, -0.5]
    rmse = metrics.root_mean_squared_error(OBSERVED, GUESSED)
    assert [t.get_text() for t in ax.get_legend().get_texts()][1] == f"± RMSE = {rmse:.4g} kg"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted [kg]", "residual: observed − predicted [kg]")


def test_predicted_over_observed_with_r2(ax):
    plot.predicted_and_observed(Value(OBSERVED), GUESSED[:, None], ax=ax)
    diagonal, dots = ax.lines
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert dots.get_xdata().tolist() == OBSERVED.tolist() and dots.get_ydata().tolist() == GUESSED.tolist()
    r2, rmse = metrics.r2_score(OBSERVED, GUESSED), metrics.root_mean_squared_error(OBSERVED, GUESSED)
    assert [t.get_text() for t in ax.get_legend().get_texts()][1] == f"R² = {r2:.4g}, RMSE = {rmse:.4g}"
    assert ax.get_aspect() == 1.0 and ax.get_xlim() == ax.get_ylim()


def test_constant_observations_have_no_r2(ax):
    plot.predicted_and_observed([1.0, 1.0], [1.0, 1.0], ax=ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()][1] == "RMSE = 0"


def test_numbers_beyond_all_measure_are_refused():
    for draw in (plot.residuals, plot.predicted_and_observed):
        with pytest.raises(ValueError, match="squares can be added up, got 1e"):
            draw([1e300, -1e300], [1e300, 1.0])

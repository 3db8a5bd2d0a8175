"""Functions and their derivatives are those of the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import functions, nn, plot


@pytest.mark.parametrize(
    ("f", "title", "function", "slope"),
    [
        ("tanh", "tanh and its derivative", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (functions.sigmoid, "sigmoid and its derivative", lambda x: 1 / (1 + np.exp(-x)),
         lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
        (lambda x: x**3, "f and its derivative", lambda x: x**3, lambda x: 3 * x**2),
        (np.sin, "sin and its derivative", np.sin, np.cos),
        (nn.ReLU(), "relu and its derivative", lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    ],
    ids=["name", "op", "lambda", "NumPy", "module"],
)  # fmt: skip
def test_a_function_is_drawn_with_its_derivative(f, title, function, slope, ax):
    plot.activation(f, x_range=(-2, 3), ax=ax)
    first, second = ax.lines[:2]
    x = first.get_xdata()
    assert (x[0], x[-1]) == (-2, 3)
    np.testing.assert_allclose(first.get_ydata(), function(x), atol=1e-12)
    np.testing.assert_allclose(second.get_ydata(), slope(x), atol=1e-12)
    assert first.get_linestyle() != second.get_linestyle()
    assert ax.get_title().casefold() == title
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z", "value")


def test_slopes_of_losses_at_the_numbers_of_the_book(ax):
    plot.loss_slopes(ax=ax)
    entropy, squared, at_entropy, at_squared = ax.lines
    p = entropy.get_xdata()
    np.testing.assert_allclose(entropy.get_ydata(), -1 / p, rtol=1e-12)
    np.testing.assert_allclose(squared.get_ydata(), -2 * (1 - p), atol=1e-12)
    np.testing.assert_allclose(at_entropy.get_ydata(), [-10.0, -1 / 0.9], rtol=1e-12)
    np.testing.assert_allclose(at_squared.get_ydata(), [-1.8, -0.2], rtol=1e-12)
    assert [t.get_text() for t in ax.texts] == ["−10", "−1.11", "−1.8", "−0.2"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.activation("softmax"), ValueError, "functions of one number"),
        (lambda: plot.activation("rely"), ValueError, "there is no activation 'rely'"),
        (lambda: plot.activation(nn.ReLU), TypeError, r"write ReLU\(\)"),
        (lambda: plot.activation(3), TypeError, "a name or a function"),
        (lambda: plot.activation("relu", x_range=(1, 1)), ValueError, "the smaller one first"),
        (lambda: plot.activation("relu", x_range=4), ValueError, r"two numbers, such as \(-4, 4\)"),
        (lambda: plot.loss_slopes(p_min=0), ValueError, "p_min wanted"),
    ],
)
def test_errors_say_what_was_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()

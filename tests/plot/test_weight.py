"""Each pixel is its weight, on one scale around 0."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from autograd_nn import Value, nn, plot
from autograd_nn.plot.weight import mosaic

RNG = np.random.default_rng(0)


def test_a_matrix_is_drawn_as_it_is_with_its_numbers(ax):
    w = np.array([[0.5, -2.0], [0.0, 1.0], [3.0, 0.25]])
    plot.weights(w, ax=ax)
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), w)
    assert image.get_clim() == (-3.0, 3.0)
    assert [t.get_text() for t in ax.texts] == ["0.5", "−2", "0", "1", "3", "0.25"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("unit", "input", "weights: 3 inputs × 2 units")


def test_units_of_a_first_layer_are_images(ax):
    layer = nn.Linear(6, 5, rng=0, dtype=float)
    plot.weights(layer, shape=(2, 3), ncols=3, ax=ax)
    image = ax.images[0].get_array()
    np.testing.assert_array_equal(image[:2, :3], layer.weight.data[:, 0].reshape(2, 3))
    np.testing.assert_array_equal(image[3:5, 4:7], layer.weight.data[:, 4].reshape(2, 3))  # second row, second column
    assert np.count_nonzero(~image.mask) == layer.weight.size
    low, high = ax.images[0].get_clim()
    assert high == -low == np.abs(layer.weight.data).max()
    assert [t.get_text() for t in ax.texts] == ["0", "1", "2", "3", "4"]


def test_filters_of_several_channels_stand_side_by_side(ax):
    layer = nn.Conv2d(3, 4, 2, rng=0, dtype=float)
    plot.weights(layer, ncols=8, ax=ax)
    assert [t.get_text() for t in ax.texts][:7] == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "2.0"]
    assert ax.get_title() == "weights: 4 filters of 3 channels, each 2×2"
    image = ax.images[0].get_array()
    np.testing.assert_array_equal(image[:2, 6:8], layer.weight.data[0, 2])
    np.testing.assert_array_equal(image[3:5, :2], layer.weight.data[2, 0])


def test_without_axes_it_is_a_figure():
    assert isinstance(plot.weights(nn.Linear(4, 2, rng=0)), Figure)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(2, 3, 5, rng=0),
        nn.Conv2d(1, 100, 3, rng=0),
        nn.Linear(100, 100, rng=0),
        nn.Perceptron([5.0, 2.0, 4.0]),
        nn.scalar.Layer(2, 3, rng=0),
        Value([[1.0, 2.0]]),
        [[0.0, 0.0]],
        [[np.nan, 1.0]],
    ],
    ids=["conv1d", "many filters", "large matrix", "perceptron", "scalars", "Value", "zeros", "nan"],
)
def test_what_has_weights_is_drawn(layer):
    figure = plot.weights(layer)
    figure.canvas.draw()


def test_of_many_images_the_first_are_drawn(ax):
    plot.weights(nn.Conv2d(1, 100, 3, rng=0), ncols=10, ax=ax)
    assert ax.get_title() == "weights: 100 filters, each 3×3 (the first 60 of 100 images)"


def test_mosaic_keeps_images_apart():
    image, corners = mosaic(np.ones((3, 2, 2)), ncols=2, gap=0.5)
    assert image.filled(0).tolist() == [
        [1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1],
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
    ]
    assert corners == [(0, 0), (0, 3), (3, 0)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.weights(nn.Linear(6, 2), shape=(2, 2)), ValueError, "as the layer has inputs, 6; 2×2 are 4"),
        (lambda: plot.weights(nn.Linear(6, 2), shape=6), ValueError, r"wanted \(height, width\)"),
        (lambda: plot.weights(nn.Conv2d(1, 2, 3), shape=(3, 3)), ValueError, "shape= is for linear layers"),
        (lambda: plot.weights(nn.MLP([2, 3, 1])), TypeError, "Choose one of its layers: MLP has layers.0.weight"),
        (lambda: plot.weights(nn.ReLU()), TypeError, "got ReLU"),
        (lambda: plot.weights(3.0), TypeError, "got float"),
        (lambda: plot.weights(np.zeros((0, 2))), ValueError, r"got float64 of shape \(0, 2\)"),
        (lambda: plot.weights(np.zeros((2, 2)), ncols=0), ValueError, "ncols wanted a whole number, at least 1"),
    ],
)
def test_errors_say_what_was_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Rows of the tutorials' systems that are about images: filters, feature maps, pooling, and the X and the O of 6×6.

What the accuracies are about: a network of dense layers knows nothing of places, so it fails on a shifted image.
Filters find their feature anywhere, but 2×2 pooling forgives only shifts within a window, so the dense layer behind it
fails as well, less often. Only global pooling asks whether a feature is there at all.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from autograd_nn import Value, no_grad
from autograd_nn.data import x_and_o
from autograd_nn.data.synthetic import POSITIONS
from autograd_nn.functions import relu
from autograd_nn.losses import cross_entropy
from autograd_nn.nn import AvgPool2d, Conv2d, Flatten, GlobalMaxPool, Linear, MaxPool2d, ReLU, Sequential
from autograd_nn.optim import Adam
from autograd_nn.testing import check_grads

CENTER = (1, 1)
CROSS, RING = x_and_o(size=6)[0][:, None]  # (1, 1, 6, 6) each
MAP = [[1.0, -1.0, -2.0, -1.0], [-1.0, 1.0, -1.0, -2.0], [-2.0, -1.0, 1.0, -1.0], [-1.0, -2.0, -1.0, 1.0]]


def diagonal_filter():
    layer = Conv2d(1, 1, 3, dtype=float)
    layer.load_state_dict({"weight": np.eye(3)[None, None], "bias": [-2.0]})
    return layer


# by hand


def test_coverage_flattening_a_6x6_image_by_row():
    flat = Flatten()(np.arange(36.0).reshape(1, 1, 6, 6))
    np.testing.assert_array_equal(flat, np.arange(36.0)[None])
    image = np.random.default_rng(0).normal(size=(1, 1, 6, 6))
    for k, pixel in enumerate(Flatten()(image)[0]):
        assert pixel == image[0, 0, k // 6, k % 6]


def test_coverage_convolution_sizes():
    assert Conv2d(1, 1, 3)(CROSS).shape == (1, 1, 4, 4)
    assert Conv2d(1, 1, 3, stride=3)(CROSS).shape == (1, 1, 2, 2)


def test_coverage_convolution_feature_map():
    np.testing.assert_array_equal(diagonal_filter()(CROSS).data[0, 0], MAP)


def test_coverage_convolution_filters_start_random_and_have_right_gradients():
    layer = Conv2d(1, 4, 3, dtype=float, rng=0)
    assert len(np.unique(layer.weight.data)) == 36
    assert not layer.bias.data.any()

    def loss(weight, bias):
        layer.weight, layer.bias = weight, bias
        return (layer(CROSS) ** 2).sum()

    check_grads(loss, layer.weight.data, np.array([0.1, -0.2, 0.3, 0.0]))


def test_coverage_activation_on_the_feature_map():
    np.testing.assert_array_equal(relu(diagonal_filter()(CROSS)).data[0, 0], np.eye(4))


def test_coverage_max_pooling_and_average_pooling():
    activated = relu(diagonal_filter()(CROSS).data)
    np.testing.assert_array_equal(MaxPool2d(2)(activated)[0, 0], np.eye(2))
    np.testing.assert_array_equal(AvgPool2d(2)(activated)[0, 0], 0.5 * np.eye(2))
    circle = relu(diagonal_filter()(RING).data)
    np.testing.assert_array_equal(MaxPool2d(2)(circle)[0, 0], np.zeros((2, 2)))


def test_coverage_the_gradient_goes_to_the_maximum_and_the_average_spreads():
    def slope(layer, image):
        x = Value(np.array(image)[None, None])
        layer(x).sum().backward()
        return x.grad[0, 0].tolist()

    assert slope(MaxPool2d(2), [[1.0, 2.0], [3.0, 4.0]]) == [[0.0, 0.0], [0.0, 1.0]]
    assert slope(MaxPool2d(2), [[4.0, 2.0], [3.0, 4.0]]) == [[0.5, 0.0], [0.0, 0.5]]  # a tie shares
    assert slope(AvgPool2d(2), [[1.0, 2.0], [3.0, 4.0]]) == [[0.25, 0.25], [0.25, 0.25]]


# trained


def dense(rng):
    return Sequential(Flatten(), Linear(36, 4, rng=rng), ReLU(), Linear(4, 2, init="glorot_normal", rng=rng))


def pooled(rng, filters=8):
    last = Linear(4 * filters, 2, init="glorot_normal", rng=rng)
    return Sequential(Conv2d(1, filters, 3, rng=rng), ReLU(), MaxPool2d(2), Flatten(), last)


def pooled_globally(rng, filters=8):
    last = Linear(filters, 2, init="glorot_normal", rng=rng)
    return Sequential(Conv2d(1, filters, 3, rng=rng), ReLU(), GlobalMaxPool(), last)


def train(model, x, y):
    optimizer = Adam(model.parameters(), learning_rate=0.01)
    for _ in range(200):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def accuracy(model, x, y):
    with no_grad():
        return float((model(x).data.argmax(axis=1) == y).mean())


def images(*arguments, **settings):
    x, y = x_and_o(*arguments, **settings)
    return x.astype(np.float32), y


@cache
def mean_accuracy(make, trained, tested, seeds=20):
    """Mean accuracy on the drawings at some positions after training on others."""
    train_set, test_set = images(positions=trained), images(positions=tested)
    return np.mean([accuracy(train(make(np.random.default_rng(s)), *train_set), *test_set) for s in range(seeds)])


@pytest.mark.parametrize("positions", [None, POSITIONS], ids=["one of each", "all positions"])
def test_coverage_cnn_classifies_6x6_x_and_o(positions):
    x, y = images(size=6) if positions is None else images(positions=positions)
    seeds = 20 if positions is None else 5
    reached = [accuracy(train(pooled(np.random.default_rng(s), filters=4), x, y), x, y) for s in range(seeds)]
    assert reached == [1.0] * seeds


def test_coverage_tolerates_a_shift_by_one_pixel_trained_on_the_center():
    """Figures: dense 0.38, 2×2 pooling 0.60, global pooling 0.95."""
    shifts = tuple(p for p in POSITIONS if p != CENTER)
    means = [mean_accuracy(make, (CENTER,), shifts) for make in (dense, pooled, pooled_globally)]
    assert means[0] < 0.5 < means[1] < means[2]
    assert means[1] < 0.75  # 2×2 pooling alone does not make the claim true
    assert means[2] > 0.9


def test_coverage_tolerates_a_shift_by_one_pixel_trained_on_five_positions():
    """Figures: dense 0.14, 2×2 pooling 0.68, global pooling 1.00."""
    five = tuple(p for p in POSITIONS if 1 in p)  # the center and one step up, down, left and right
    corners = tuple(p for p in POSITIONS if 1 not in p)
    means = [mean_accuracy(make, five, corners) for make in (dense, pooled, pooled_globally)]
    assert means[0] < 0.5 < means[1] < 0.85
    assert means[2] == 1.0


def test_coverage_uses_correlated_neighbor_pixels():
    """Figures: dense 0.87 and 0.87, convolution 0.95 and 0.65."""
    train_x, train_y = images(90, noise=0.3, positions=POSITIONS, rng=1)
    test_x, test_y = images(360, noise=0.3, positions=POSITIONS, rng=2)
    permutation = np.random.default_rng(0).permutation(36)

    def shuffled(x):
        return x.reshape(-1, 36)[:, permutation].reshape(x.shape)

    def means(make):
        plain, mixed = [], []
        for seed in range(5):
            model = train(make(np.random.default_rng(seed)), train_x, train_y)
            plain.append(accuracy(model, test_x, test_y))
            model = train(make(np.random.default_rng(seed)), shuffled(train_x), train_y)
            mixed.append(accuracy(model, shuffled(test_x), test_y))
        return np.mean(plain), np.mean(mixed)

    before, after = means(dense)
    assert abs(before - after) < 0.05
    before, after = means(pooled_globally)
    assert before > 0.9
    assert after < before - 0.2


def test_coverage_a_dense_network_does_not_know_which_pixels_are_neighbors():
    """Permuting pixels and rows of the first weight alike changes nothing, so training cannot see the difference."""
    x, y = images(18, noise=0.3, positions=POSITIONS, rng=0)
    permutation = np.random.default_rng(0).permutation(36)
    plain, mixed = dense(np.random.default_rng(0)), dense(np.random.default_rng(0))
    mixed[1].weight.data = plain[1].weight.data[permutation]
    train(plain, x, y)
    train(mixed, x.reshape(-1, 36)[:, permutation].reshape(x.shape), y)
    np.testing.assert_allclose(mixed[1].weight.data, plain[1].weight.data[permutation], rtol=1e-3, atol=1e-3)

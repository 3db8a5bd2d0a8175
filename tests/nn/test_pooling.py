"""Pools: NumPy by hand, where gradients go, and shapes that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value, nn
from autograd_nn.testing import check_grads

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 3, 4, 6))
SERIES = RNG.normal(size=(2, 3, 8))


def test_equal_numpy():
    blocks = IMAGES.reshape(2, 3, 2, 2, 3, 2)
    np.testing.assert_array_equal(nn.MaxPool2d(2)(IMAGES), blocks.max(axis=(3, 5)))
    np.testing.assert_allclose(nn.AvgPool2d(2)(IMAGES), blocks.mean(axis=(3, 5)), rtol=1e-14)
    np.testing.assert_array_equal(nn.MaxPool2d((4, 1))(IMAGES), IMAGES.max(axis=2, keepdims=True))
    np.testing.assert_array_equal(nn.MaxPool1d(4)(SERIES), SERIES.reshape(2, 3, 2, 4).max(-1))
    np.testing.assert_allclose(nn.AvgPool1d(4)(SERIES), SERIES.reshape(2, 3, 2, 4).mean(-1), rtol=1e-14)
    np.testing.assert_array_equal(nn.GlobalMaxPool()(IMAGES), IMAGES.max(axis=(2, 3)))
    np.testing.assert_allclose(nn.GlobalAvgPool()(SERIES), SERIES.mean(axis=2), rtol=1e-14)


def test_stride_and_padding():
    x = np.array([[[1.0, -2.0, 3.0, 5.0, 4.0]]])
    assert nn.MaxPool1d(3, stride=1)(x).tolist() == [[[3.0, 5.0, 5.0]]]
    assert nn.MaxPool1d(2)(x).tolist() == [[[1.0, 5.0]]]  # the last one is left over
    assert nn.MaxPool1d(2, padding=1)(-np.ones((1, 1, 3))).tolist() == [[[-1.0, -1.0]]]
    assert nn.AvgPool1d(2, padding=1)(-np.ones((1, 1, 3))).tolist() == [[[-0.5, -1.0]]]


@pytest.mark.parametrize(
    "layer",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.AvgPool2d((2, 3)),
        nn.GlobalMaxPool(),
        nn.GlobalAvgPool(),
    ],
    ids=repr,
)
def test_gradients(layer):
    check_grads(lambda x: (layer(x) ** 2).sum(), IMAGES[:1, :2])


@pytest.mark.parametrize("layer", [nn.MaxPool1d(2), nn.AvgPool1d(2), nn.GlobalMaxPool()], ids=repr)
def test_gradients_of_sequences(layer):
    check_grads(lambda x: (layer(x) ** 2).sum(), SERIES[:1])


def test_the_gradient_goes_to_the_maximum_ties_share_and_the_mean_spreads():
    def slope(layer, x):
        x = Value(np.asarray(x)[None, None])
        layer(x).sum().backward()
        return x.grad[0, 0].tolist()

    assert slope(nn.MaxPool2d(2), [[1.0, 2.0], [3.0, 4.0]]) == [[0.0, 0.0], [0.0, 1.0]]
    assert slope(nn.MaxPool2d(2), [[4.0, 2.0], [3.0, 4.0]]) == [[0.5, 0.0], [0.0, 0.5]]
    assert slope(nn.GlobalMaxPool(), [[4.0, 2.0], [3.0, 4.0]]) == [[0.5, 0.0], [0.0, 0.5]]
    assert slope(nn.AvgPool2d(2), [[1.0, 2.0], [3.0, 4.0]]) == [[0.25, 0.25], [0.25, 0.25]]
    assert slope(nn.GlobalAvgPool(), [[1.0, 2.0], [3.0, 4.0]]) == [[0.25, 0.25], [0.25, 0.25]]


def test_float32_repr_and_no_parameters():
    x = Value(IMAGES, dtype=np.float32)
    for layer in (nn.MaxPool2d(), nn.AvgPool2d(), nn.GlobalMaxPool(), nn.GlobalAvgPool()):
        assert layer(x).dtype == np.float32
        assert layer.parameters() == []
    assert repr(nn.MaxPool2d()) == "MaxPool2d()"
    assert repr(nn.AvgPool2d(3, stride=1)) == "AvgPool2d(size=3, stride=1)"


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (nn.MaxPool2d(2), (6, 6), r"max_pool2d wanted x of shape \(batch, channels, height, width\), got .*None, None"),
        (nn.MaxPool2d(7), (1, 1, 6, 6), "at least 7 elements"),
        (nn.MaxPool2d(2, padding=2), (1, 1, 6, 6), "padding smaller than the window"),
        (nn.AvgPool1d(2), (1, 1, 6, 6), r"\(batch, channels, length\)"),
        (nn.GlobalMaxPool(), (3, 4), r"GlobalMaxPool wanted x of shape \(batch, channels, length\).*got \(3, 4\)"),
        (nn.GlobalAvgPool(), (3, 4, 0), r"GlobalAvgPool wanted .*got \(3, 4, 0\)"),
    ],
)
def test_bad_inputs(layer, shape, words):
    with pytest.raises(ValueError, match=words):
        layer(np.zeros(shape))

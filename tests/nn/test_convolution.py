"""Convolutions: numbers of PyTorch 2 in float64, a sum written with loops, central differences, users' mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value
from autograd_nn.nn import Conv1d, Conv2d
from autograd_nn.testing import check_grads

IMAGE = ((np.arange(40.0) % 7 - 3) / 2).reshape(1, 2, 5, 4)


def pattern(shape):
    return ((np.arange(np.prod(shape, dtype=float)) * 3) % 5 - 2).reshape(shape) / 4


def filled(layer):
    """Give a layer the weights that PyTorch's had."""
    for p in layer.parameters():
        p.data = pattern(p.shape)
    return layer


@pytest.mark.parametrize(
    ("layer", "x", "wanted"),
    [
        (
            Conv2d(2, 2, (2, 3), stride=(2, 1), padding=(1, 0), dtype=float),
            IMAGE,
            [-0.5, -0.625, -0.625, 0.125, 0.125, -2.625, 1.125, 0.25, 0.125, 0.25, 0.25, 0.375],
        ),
        (
            Conv2d(2, 2, 2, dilation=2, groups=2, dtype=float),
            IMAGE,
            [0.375, 0.375, -1.375, -2.25, 0.375, 0.375, 0.5, 0.25, -0.5, 0.125, 0.25, 0.0],
        ),
        (
            Conv2d(2, 1, 3, padding="same", bias=False, dtype=float),
            IMAGE,
            [
                *(1.5, -1.125, -1.875, 0.375, -1.875, 1.375, 2.875, 1.875, -0.125, -2.25),
                *(0.125, -3.0, -0.125, 2.875, 2.625, -1.75, -0.625, -0.375, -2.375, 1.75),
            ],
        ),
        (
            Conv1d(2, 2, 3, stride=2, padding=1, dtype=float),
            IMAGE.reshape(2, 2, 10),
            [
                *(-0.875, -0.625, 0.625, -0.75, -0.375, 0.25, 0.0, 1.125, -0.375, -0.125),
                *(0.25, -0.375, 0.875, -1.375, -1.875, -0.625, -0.125, -0.75, 1.25, 0.625),
            ],
        ),
    ],
    ids=["stride-padding", "dilation-groups", "same", "1d"],
)
def test_equals_pytorch(layer, x, wanted):
    np.testing.assert_allclose(filled(layer)(x).data.ravel(), wanted, rtol=1e-13)


@given(st.integers(1, 2), st.integers(1, 2), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2))
def test_equals_loops(groups, width, kernel, stride, padding, dilation):
    rng = np.random.default_rng(0)
    sliding = {"stride": stride, "padding": padding, "dilation": dilation}
    layer = Conv2d(2 * groups, groups * width, kernel, groups=groups, dtype=float, **sliding)
    layer.bias.data = rng.normal(size=groups * width)
    x = rng.normal(size=(2, 2 * groups, 5, 6))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    y = layer(x).data
    for b, f, i, j in np.ndindex(*y.shape):
        first = 2 * (f // width)
        total = layer.bias.data[f]
        for c, m, n in np.ndindex(2, kernel, kernel):
            pixel = padded[b, first + c, i * stride + m * dilation, j * stride + n * dilation]
            total = total + layer.weight.data[f, c, m, n] * pixel
        assert y[b, f, i, j] == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize(
    "settings",
    [{}, {"stride": 2, "padding": 1}, {"padding": "same"}, {"dilation": 2, "padding": 1}, {"groups": 2}],
    ids=str,
)
def test_gradients(settings):
    layer = Conv2d(2, 2, 2, dtype=float, **settings)

    def f(x, w, b):
        layer.weight, layer.bias = w, b
        return (layer(x) ** 2).sum()

    check_grads(f, IMAGE[..., :3], pattern(layer.weight.shape), pattern((2,)))


def test_gradients_of_sequences():
    layer = Conv1d(2, 3, 2, dtype=float)

    def f(x, w, b):
        layer.weight, layer.bias = w, b
        return (layer(x) ** 2).sum()

    check_grads(f, IMAGE.reshape(2, 2, 10)[..., :4], pattern((3, 2, 2)), pattern((3,)))


@pytest.mark.parametrize(("stride", "size"), [(1, (5, 7)), (2, (3, 4)), (3, (2, 3))])
def test_same_padding_keeps_the_size_up_to_the_stride(stride, size):
    layer = Conv2d(1, 4, (3, 2), padding="same", stride=stride)
    assert layer(np.zeros((2, 1, 5, 7))).shape == (2, 4, *size)


def test_filters_start_random_with_the_variance_of_he_and_zero_bias():
    layer = Conv2d(4, 256, 3, rng=0)
    assert layer.bias.data.tolist() == [0.0] * 256
    spread = layer.weight.data.std()
    assert spread == pytest.approx(np.sqrt(2 / 36), rel=0.05)  # fan in 4 · 3 · 3
    again = layer.weight.data.copy()
    layer.bias.data = np.ones(256)
    layer.reset(np.random.default_rng(0))
    np.testing.assert_array_equal(layer.weight.data, again)
    assert not layer.bias.data.any()
    assert Conv2d(1, 1, 2, init="ones").weight.data.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


def test_dtype_repr_and_paths():
    layer = Conv2d(1, 4, 3, padding="same", bias=False)
    assert repr(layer) == "Conv2d(1, 4, 3, padding='same', bias=False)"
    assert repr(Conv1d(2, 2, [3], stride=2)) == "Conv1d(2, 2, [3], stride=2)"
    assert [path for path, _ in layer.named_parameters()] == ["weight"]
    x = Value(np.zeros((1, 1, 5, 5)), dtype=np.float32)
    y = layer(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == layer.weight.grad.dtype == np.float32
    assert layer.astype(float)(np.zeros((1, 1, 5, 5), np.uint8)).dtype == np.float64
    assert layer(np.zeros((0, 1, 5, 5))).shape == (0, 4, 5, 5)


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ((0, 1, 3), {}, "Conv2d wanted in_channels of at least 1, got 0"),
        ((1, 1.5, 3), {}, "Conv2d wanted out_channels as an integer, got float 1.5"),
        ((1, 1, 0), {}, "Conv2d wanted kernel_size as an integer of at least 1, or 2 of them"),
        ((1, 1, (3, 3, 3)), {}, r"2 of them, one for each spatial axis; got \(3, 3, 3\)"),
        ((1, 1, 3), {"stride": 0}, "Conv2d wanted stride as an integer of at least 1"),
        ((1, 1, 3), {"dilation": "2"}, "Conv2d wanted dilation as an integer"),
        ((1, 1, 3), {"padding": -1}, "Conv2d wanted padding .*none negative; got -1"),
        ((1, 1, 3), {"padding": "full"}, "Conv2d wanted padding .*got 'full'"),
        ((2, 3, 3), {"groups": 2}, "divide both 2 in_channels and 3 out_channels, got 2"),
        ((1, 1, 3), {"dtype": int}, "floating point"),
        ((1, 1, 3), {"init": "he"}, "no initializer 'he'"),
    ],
)
def test_bad_settings(arguments, settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Conv2d(*arguments, **settings)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (
            Conv2d(3, 2, 3),
            (8, 6, 6, 3),
            r"3 channels; got \(8, 6, 6, 3\)\. Channels come second: x\.transpose\(0, 3, 1",
        ),
        (Conv2d(1, 2, 3), (8, 6, 6), r"\(batch, 1, height, width\), 1 channel; got .* x\[:, None\]"),
        (Conv2d(3, 2, 3), (3, 6, 6), r"Add the batch: x\[None\]"),
        (Conv2d(1, 2, 3), (6, 6), r"Add batch and channel: x\[None, None\]"),
        (
            Conv2d(3, 2, 3),
            (8, 2, 6, 6),
            r"Conv2d wanted x of shape \(batch, 3, height, width\), 3 channels; got .*\)\.$",
        ),
        (Conv1d(3, 2, 3), (8, 10, 3), r"\(batch, 3, length\).*x\.transpose\(0, 2, 1\)"),
        (Conv2d(1, 1, 7), (1, 1, 6, 6), "at least 7 elements"),
    ],
)
def test_bad_inputs(layer, shape, words):
    with pytest.raises(ValueError, match=words):
        layer(np.zeros(shape))


def test_bad_dtypes():
    with pytest.raises(TypeError, match=r"Conv2d has parameters of float32.*astype\(np\.float32\)"):
        Conv2d(1, 1, 3)(Value(np.zeros((1, 1, 6, 6))))
    with pytest.raises(TypeError, match="real numbers"):
        Conv2d(1, 1, 3)(np.full((1, 1, 6, 6), "x"))

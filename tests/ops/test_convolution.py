"""Convolution: against SciPy, hand-worked maps, and the law that fold and unfold are adjoint."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value
from autograd_nn.ops.convolution import (
    conv,
    convolve,
    correlate,
    fold,
    output_size,
    pool_max,
    pool_share,
    pool_sum,
    unfold,
)
from autograd_nn.ops.reduction import sum as sum_over
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad

RNG = np.random.default_rng(0)

CROSS = np.maximum(np.eye(6), np.eye(6)[::-1])
"""A 6 × 6 image of an X."""
MAP = np.array([[3.0, 1, 0, 1], [1, 3, 1, 0], [0, 1, 3, 1], [1, 0, 1, 3]])
"""What the 3 × 3 identity sees in it, worked by hand."""


def array(*shape):
    return RNG.standard_normal(shape)


# windows


def test_unfold_shows_every_window():
    x = np.arange(16.0).reshape(4, 4)
    windows = unfold(x, kernel=(2, 2), stride=2)
    np.testing.assert_array_equal(windows[0, 1], [[2.0, 3.0], [6.0, 7.0]])
    np.testing.assert_array_equal(windows[1, 0], [[8.0, 9.0], [12.0, 13.0]])


def test_unfold_equals_numpys_sliding_windows():
    x = array(2, 5, 6)
    wanted = np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(1, 2))
    np.testing.assert_array_equal(unfold(x, kernel=(2, 3)), wanted)


def test_fold_counts_in_how_many_windows_an_element_is():
    ones = np.ones((2, 2, 3, 3))
    np.testing.assert_array_equal(
        fold(ones, size=(4, 4), kernel=(3, 3)), np.outer([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0])
    )


@st.composite
def slidings(draw):
    axes = draw(st.integers(1, 3))
    each = st.lists(st.integers(1, 3), min_size=axes, max_size=axes)
    kernel, stride, dilation = draw(each), draw(each), draw(each)
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    padding = draw(st.lists(pair, min_size=axes, max_size=axes))
    size = [d * (k - 1) + 1 + draw(st.integers(0, 3)) for k, d in zip(kernel, dilation, strict=True)]
    return tuple(size), {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}


@given(slidings())
def test_fold_is_the_adjoint_of_unfold(sliding):
    size, attrs = sliding
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size))
    windows = unfold(x, **attrs)
    assert windows.shape == (2, *output_size(size, **attrs), *attrs["kernel"])
    y = rng.standard_normal(windows.shape)
    np.testing.assert_allclose(np.sum(windows * y), np.sum(x * fold(y, size=size, **attrs)), atol=1e-9)


def test_a_window_larger_than_the_array():
    with pytest.raises(ValueError, match=r"unfold: wanted at least 5 elements.*got 4 \+ padding 0 \+ 0"):
        unfold(Value(array(4)), kernel=(3,), dilation=2)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"stride": 0}, "stride as an integer of at least 1"),
        ({"stride": (1, 1)}, "or 1 of them"),
        ({"padding": -1}, "none negative"),
        ({"padding": ((1, 1), (1, 1))}, "1 pairs"),
        ({"dilation": 1.5}, r"got 1\.5"),
        ({"padding": ((1, 2, 3),)}, "pairs"),
        ({"padding": 0.5}, r"got 0\.5"),
    ],
)
def test_settings_that_make_no_sense(settings, error):
    with pytest.raises((ValueError, TypeError), match=error):
        unfold(array(5), kernel=(2,), **settings)


# images


def test_x_and_diagonal_filter():
    y = conv(CROSS[None, None], np.eye(3)[None, None])
    np.testing.assert_array_equal(y[0, 0], MAP)
    assert conv(CROSS[None, None], np.eye(3)[None, None], stride=3).shape == (1, 1, 2, 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_conv_is_scipys_correlation_summed_over_channels(stride):
    x, w = array(2, 3, 6, 7), array(4, 3, 2, 3)
    wanted = [
        [sum(scipy.signal.correlate2d(c, f, "valid") for c, f in zip(image, filters, strict=True)) for filters in w]
        for image in x
    ]
    np.testing.assert_allclose(
        conv(x, w, stride=stride), np.array(wanted)[..., ::stride, ::stride], rtol=1e-10, atol=1e-12
    )


def test_conv_in_three_dimensions():
    x, w = array(1, 1, 4, 5, 4), array(1, 1, 2, 2, 3)
    np.testing.assert_allclose(
        conv(x, w)[0, 0], scipy.signal.correlate(x[0, 0], w[0, 0], "valid"), rtol=1e-9, atol=1e-12
    )


def test_padding_and_dilation_are_zeros_written_out():
    x, w = array(1, 2, 5, 5), array(3, 2, 2, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 1)))
    spread = np.zeros((3, 2, 3, 4))
    spread[..., ::2, ::3] = w
    np.testing.assert_allclose(conv(x, w, padding=((1, 2), (0, 1)), dilation=(2, 3)), conv(padded, spread), atol=1e-12)


def test_groups_do_not_mix():
    x, w = array(2, 4, 5), array(6, 2, 2)
    wanted = np.concatenate([conv(x[:, :2], w[:3]), conv(x[:, 2:], w[3:])], axis=1)
    np.testing.assert_allclose(conv(x, w, groups=2), wanted, rtol=1e-12)


def test_gradient_of_the_image_is_the_full_convolution():
    x, w, g = array(1, 1, 5, 5), array(1, 1, 3, 3), array(1, 1, 3, 3)
    dx, dw = grad(lambda x, w: sum_over(g * conv(x, w)), argnums=(0, 1))(x, w)
    np.testing.assert_allclose(dx[0, 0], scipy.signal.convolve2d(g[0, 0], w[0, 0]), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dw[0, 0], scipy.signal.correlate2d(x[0, 0], g[0, 0], "valid"), rtol=1e-10, atol=1e-12)


def test_derivatives_of_any_order():
    x, w = array(1, 2, 4, 4), array(2, 2, 2, 2)
    check_grads(lambda x, w: conv(x, w, padding=1, stride=2) ** 3, x, w, order=3, modes=("vjp",))


@pytest.mark.parametrize(
    ("x", "w", "settings", "error"),
    [
        ((6, 6), (1, 1, 3, 3), {}, r"\(batch, channels, \*size\)"),
        ((1, 2, 6, 6), (1, 1, 3, 3), {}, "filters over 2 channels"),
        ((1, 3, 6, 6), (2, 1, 3, 3), {"groups": 2}, "divide both 3 channels and 2 filters"),
        ((1, 1, 2, 2), (1, 1, 3, 3), {}, "at least 3 elements"),
    ],
)
def test_images_and_filters_that_do_not_fit(x, w, settings, error):
    with pytest.raises(ValueError, match=error):
        conv(np.ones(x), np.ones(w), **settings)


# pooling


def test_pools_equal_reduced_windows():
    x = array(2, 3, 7, 8)
    windows = {"kernel": (2, 3), "stride": (2, 1), "dilation": (1, 2)}
    np.testing.assert_array_equal(pool_max(x, **windows), unfold(x, **windows).max((-2, -1)))
    np.testing.assert_allclose(pool_sum(x, **windows), unfold(x, **windows).sum((-2, -1)), rtol=1e-10, atol=1e-12)


def test_gradient_goes_to_the_maximum_and_ties_share():
    x = np.array([[1.0, 2.0, 5.0, 5.0], [0.0, 0.0, 0.0, 5.0]])
    np.testing.assert_allclose(
        grad(lambda x: sum_over(pool_max(x, kernel=(2, 2), stride=2)))(x),
        [[0.0, 1.0, 1 / 3, 1 / 3], [0.0, 0.0, 0.0, 1 / 3]],
    )
    np.testing.assert_array_equal(pool_share(np.array([1.0, 2.0, 2.0]), kernel=(2,)), [[0.0, 1.0], [0.5, 0.5]])


def test_overlapping_windows_add_up():
    x = np.array([1.0, 3.0, 2.0])
    np.testing.assert_array_equal(grad(lambda x: sum_over(pool_max(x, kernel=(2,))))(x), [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(grad(lambda x: sum_over(pool_sum(x, kernel=(2,))))(x), [1.0, 2.0, 1.0])


# vectors


@pytest.mark.parametrize(
    ("f", "numpy_f", "n", "m", "mode"),
    [
        (f, numpy_f, n, m, mode)
        for f, numpy_f in ((convolve, np.convolve), (correlate, np.correlate))
        for n, m in itertools.product((1, 2, 5, 6), (1, 2, 3, 6))
        for mode in ("full", "same", "valid")
    ],
)
def test_convolutions_of_vectors(f, numpy_f, n, m, mode):
    x, y = array(n), array(m)
    np.testing.assert_array_equal(f(x, y, mode=mode), numpy_f(x, y, mode))
    check_grads(lambda x, y: f(x, y, mode=mode) ** 2, x, y, order=1, modes=("vjp",))


def test_numpys_default_modes():
    x = Value(array(4))
    assert np.convolve(x, np.ones(2)).shape == (5,)
    assert np.correlate(x, np.ones(2)).shape == (3,)


def test_product_of_polynomials():
    # (1 + 2x)(3 + x) = 3 + 7x + 2x²
    np.testing.assert_array_equal(convolve(np.array([1.0, 2.0]), np.array([3.0, 1.0])), [3.0, 7.0, 2.0])


def test_a_mode_that_does_not_exist():
    with pytest.raises(ValueError, match="convolve: wanted mode 'full', 'same', 'valid'; got 'whole'"):
        convolve(array(3), array(2), mode="whole")

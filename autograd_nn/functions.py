"""Functions of neural networks, made of ops: layers without parameters, activations, losses; and special functions.

They take Values and arrays alike and hold no derivative rule. Images are (batch, channels, height, width), weights of
a linear map (in_features, out_features), filters (filters, channels, height, width). Losses return the mean over the
samples (the cost), or with ``reduction="none"`` the loss of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .graph import Node, dtype, shape
from .ops import product
from .ops.activation import cross_entropy as cross_entropy_of_labels
from .ops.activation import log_softmax, softmax
from .ops.arithmetic import mul, square, subtract
from .ops.comparison import where
from .ops.convolution import conv, fold, pool_max, pool_sum, unfold
from .ops.elementary import absolute, relu, sigmoid, sqrt, tanh
from .ops.indexing import take_along_axis
from .ops.reduction import logsumexp, mean
from .ops.reduction import sum as sum_over
from .ops.shape import pad, reshape, squeeze
from .ops.sorting import topk
from .ops.special import (
    digamma,
    elu,
    entr,
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    gamma,
    gelu,
    i0,
    i0e,
    i1,
    i1e,
    leaky_relu,
    lgamma,
    log_ndtr,
    log_sigmoid,
    logit,
    ndtr,
    ndtri,
    normal_pdf,
    polygamma,
    silu,
    sinc,
    softplus,
    softsign,
    xlog1py,
    xlogy,
)

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "binary_cross_entropy",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "digamma",
    "dropout",
    "elu",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "flatten",
    "fold",
    "gamma",
    "gelu",
    "huber",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "leaky_relu",
    "lgamma",
    "linear",
    "log_ndtr",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "max_pool1d",
    "max_pool2d",
    "mse",
    "ndtr",
    "ndtri",
    "nll_loss",
    "normal_pdf",
    "normalize",
    "one_hot",
    "polygamma",
    "relu",
    "sigmoid",
    "silu",
    "sinc",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
    "topk",
    "unfold",
    "xlog1py",
    "xlogy",
]

# maps


def linear(x: Any, w: Any, b: Any = None) -> Any:
    """Return x w + b.

    Args:
        x: (…, in_features).
        w: (in_features, out_features).
        b: (out_features,); left out if None.

    Raises:
        ValueError: if the shapes do not fit.

    >>> linear([1.0, 0.0, 1.0], [[5.0], [2.0], [4.0]], [-3.0])
    array([6.])
    """
    x_shape, w_shape = shape(x), shape(w)
    if len(w_shape) != 2 or not x_shape or x_shape[-1] != w_shape[0]:
        turned = len(w_shape) == 2 and x_shape and x_shape[-1] == w_shape[1]
        raise ValueError(
            f"linear wanted x of shape (…, in_features) and w of shape (in_features, out_features), got {x_shape} and "
            f"{w_shape}." + (" Transpose w: linear(x, w.T)." if turned else "")
        )
    if b is None:
        return product.matmul(x, w)
    return product.linear(x, w, b)


def flatten(x: Any) -> Any:
    """Return each sample's elements in one axis, row by row: (batch, …) becomes (batch, features).

    >>> flatten(np.zeros((8, 1, 6, 6))).shape
    (8, 36)
    """
    lengths = shape(x)
    if not lengths:
        raise ValueError(
            "flatten wanted a batch, (batch, …), got a scalar: reshape(x, shape=(1, 1)) makes a batch of one."
        )
    return reshape(x, shape=(lengths[0], math.prod(lengths[1:])))


def normalize(x: Any, *, axis: int | tuple[int, ...] = -1, eps: float = 1e-5) -> Any:
    """Return (x - mean) / sqrt(variance + eps) along axes: mean 0 and variance 1, where x varies at all.

    The last axis gives layer normalization, axis 0 batch normalization.
    """
    centered = subtract(x, mean(x, axis=axis, keepdims=True))
    return centered / sqrt(mean(square(centered), axis=axis, keepdims=True) + eps)


def dropout(x: Any, p: float, rng: int | np.random.Generator) -> Any:
    """Set each element to 0 with probability p, and divide the others by 1 - p, so that the mean stays.

    For training only; at prediction time simply do not call it.

    Args:
        x: any shape.
        p: at least 0, less than 1.
        rng: a `numpy.random.Generator`, which moves on, or a seed.

    Raises:
        ValueError: if p is out of range.
        TypeError: if rng is None: randomness comes from a generator of yours, so that runs can be repeated.
    """
    if not 0.0 <= p < 1.0:
        raise ValueError(f"dropout wanted 0 <= p < 1, the fraction to set to 0, got {p}.")
    if rng is None:
        raise TypeError(
            "dropout wanted a seed or a numpy.random.Generator, got None: np.random.default_rng(0) makes one."
        )
    if p == 0.0:
        return x
    kept = np.random.default_rng(rng).random(shape(x)) >= p
    kind = dtype(x) if dtype(x).kind in "fc" else np.dtype(float)
    return mul(x, (kept / (1.0 - p)).astype(kind))


# convolution and pooling


def conv1d(
    x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide filters along sequences: x (batch, channels, length), w (filters, channels, width). See `conv2d`."""
    return slide(1, x, w, b, stride, padding, dilation, groups)


def conv2d(
    x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide filters over images: at each place the dot product of filter and image, plus the bias.

    As everywhere in neural networks the filter is not flipped: mathematically this is cross-correlation.

    Args:
        x: (batch, channels, height, width).
        w: (filters, channels / groups, height, width).
        b: (filters,); left out if None.
        stride: how far the filter is shifted each time; a number, or one for each axis.
        padding: zeros around the image: a number, one for each axis, pairs (before, after); "valid" for none, "same"
            for as many as make the result as large as the image, divided by stride.
        dilation: distance between the pixels that a filter looks at.
        groups: channels and filters fall into so many groups that do not mix.

    Returns:
        The feature maps, (batch, filters, height, width).

    Raises:
        ValueError: if shapes or settings do not fit.

    >>> image = np.eye(6)[None, None] + np.eye(6)[None, None, ::-1]  # an X
    >>> conv2d(image, np.eye(3)[None, None], [-2.0])[0, 0]
    array([[ 1., -1., -2., -1.],
           [-1.,  1., -1., -2.],
           [-2., -1.,  1., -1.],
           [-1., -2., -1.,  1.]])
    """
    return slide(2, x, w, b, stride, padding, dilation, groups)


def conv3d(
    x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide filters through volumes: x (batch, channels, depth, height, width). See `conv2d`."""
    return slide(3, x, w, b, stride, padding, dilation, groups)


def slide(axes: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Apply `conv` to images with a number of spatial axes, and add the bias."""
    called = f"conv{axes}d"
    x_shape, w_shape = shape(x), shape(w)
    check_images(called, axes, x_shape, "channels")
    if len(w_shape) != axes + 2:
        raise ValueError(f"{called} wanted filters of shape (filters, channels, {SPATIAL[axes]}), got {w_shape}.")
    if b is not None and shape(b) != w_shape[:1]:
        raise ValueError(f"{called} wanted a bias of shape {w_shape[:1]}, one number for each filter, got {shape(b)}.")
    padding = pairs_for(called, padding, x_shape[2:], w_shape[2:], stride, dilation)
    y = conv(x, w, stride=plain(stride), padding=padding, dilation=plain(dilation), groups=groups)
    return y if b is None else y + reshape(b, shape=w_shape[:1] + (1,) * axes)


SPATIAL = {1: "length", 2: "height, width", 3: "depth, height, width"}


def check_images(called: str, axes: int, came: tuple[int, ...], channels: str) -> None:
    """Refuse what is no batch of images.

    Raises:
        ValueError: with how to add the axes that are missing.
    """
    missing = axes + 2 - len(came)
    if missing:
        hint = f" Add axes in front: x[{', '.join(['None'] * missing)}]." if 0 < missing <= 2 else ""
        raise ValueError(f"{called} wanted x of shape (batch, {channels}, {SPATIAL[axes]}), got {came}.{hint}")


def plain(setting: Any) -> Any:
    """Return an integer or a tuple of integers as it is recorded."""
    return tuple(setting) if isinstance(setting, (list, tuple)) else setting


def pairs_for(called: str, padding: Any, size: Sequence[int], kernel: Sequence[int], stride: Any, dilation: Any) -> Any:
    """Return what "same" and "valid" mean in numbers; other paddings as they are."""
    if padding == "valid":
        return 0
    if padding != "same":
        if isinstance(padding, str):
            raise ValueError(f"{called} wanted padding as numbers, 'same' or 'valid', got {padding!r}.")
        return tuple(map(plain, padding)) if isinstance(padding, (list, tuple)) else padding
    strides = (stride,) * len(size) if isinstance(stride, int) else tuple(stride)
    dilations = (dilation,) * len(size) if isinstance(dilation, int) else tuple(dilation)
    pairs = []
    for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        pairs.append((total // 2, total - total // 2))  # an odd one goes behind
    return tuple(pairs)


def max_pool1d(x: Any, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> Any:
    """Return the maximum of each window along sequences (batch, channels, length). See `max_pool2d`."""
    return pool("max_pool1d", 1, x, size, stride, padding)


def max_pool2d(x: Any, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> Any:
    """Return the maximum of each window of images (batch, channels, height, width).

    The gradient goes to the maximum; a tie shares it equally. What stands beyond the last whole window is left out.

    Args:
        x: (batch, channels, height, width).
        size: height and width of a window, or one number for both.
        stride: distance between windows; by default they lie side by side.
        padding: how far windows may reach over the border: a number, one for each axis, or pairs (before, after).

    Raises:
        ValueError: if shapes or settings do not fit.

    >>> max_pool2d(np.eye(4)[None, None])[0, 0]
    array([[1., 0.],
           [0., 1.]])
    """
    return pool("max_pool2d", 2, x, size, stride, padding)


def avg_pool1d(x: Any, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> Any:
    """Return the mean of each window along sequences (batch, channels, length). See `avg_pool2d`."""
    return pool("avg_pool1d", 1, x, size, stride, padding)


def avg_pool2d(x: Any, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> Any:
    """Return the mean of each window of images (batch, channels, height, width). Zeros of the padding count.

    Arguments as for `max_pool2d`.

    >>> avg_pool2d(np.eye(4)[None, None])[0, 0]
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    return pool("avg_pool2d", 2, x, size, stride, padding)


def pool(called: str, axes: int, x: Any, size: Any, stride: Any, padding: Any) -> Any:
    """Reduce windows to their maximum or mean."""
    check_images(called, axes, shape(x), "channels")
    largest = called.startswith("max")
    kernel = (size,) * axes if isinstance(size, int) else tuple(size)
    if len(kernel) != axes:
        raise ValueError(
            f"{called} wanted the size of a window as a number or {axes} of them ({SPATIAL[axes]}), got {size!r}."
        )
    if isinstance(padding, int):
        padding = (padding,) * axes
    pairs = tuple((p, p) if isinstance(p, int) else tuple(p) for p in padding)
    if len(pairs) != axes or any(max(pair) >= k for pair, k in zip(pairs, kernel, strict=True)):
        raise ValueError(
            f"{called} wanted padding smaller than the window {kernel}, or a window could lie outside; got {padding!r}."
        )
    if any(map(any, pairs)):
        x = pad(x, pad_width=((0, 0), (0, 0), *pairs), constant_values=-math.inf if largest else 0.0)
    windows = {"kernel": kernel, "stride": kernel if stride is None else plain(stride)}
    return pool_max(x, **windows) if largest else pool_sum(x, **windows) / math.prod(kernel)


# losses


def reduced(called: str, losses: Any, reduction: str) -> Any:
    """Return the mean or sum of the samples' losses, or these themselves."""
    check_reduction(called, reduction)
    return mean(losses) if reduction == "mean" else sum_over(losses) if reduction == "sum" else losses


def check_reduction(called: str, reduction: str) -> None:
    """Refuse words that name no reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{called} wanted reduction='mean', 'sum' or 'none', got {reduction!r}.")


def mse(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Return the mean of the squared residuals; with ``reduction="sum"`` the sum of squared residuals, SSR.

    Raises:
        ValueError: if the shapes differ. (Broadcasting (n,) against (n, 1) would compare everything with everything.)

    >>> f"MSE {mse([1.0, 2.0], [1.0, 4.0])}, SSR {mse([1.0, 2.0], [1.0, 4.0], reduction='sum')}"
    'MSE 2.0, SSR 4.0'
    """
    check_same("mse", prediction, target)
    return reduced("mse", square(subtract(prediction, target)), reduction)


def huber(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """Return ½ r² of residuals r up to `delta`, and delta (|r| - ½ delta) beyond: robust against outliers."""
    check_same("huber", prediction, target)
    size = absolute(subtract(prediction, target))
    return reduced("huber", where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta)), reduction)


def check_same(called: str, prediction: Any, target: Any) -> None:
    """Refuse predictions and targets of different shapes.

    Raises:
        ValueError: with both shapes.
    """
    came, wanted = shape(prediction), shape(target)
    if came != wanted:
        flat = math.prod(came) == math.prod(wanted)
        raise ValueError(
            f"{called} wanted prediction and target of one shape, got {came} and {wanted}."
            + (f" They hold equally many: write target.reshape({came})." if flat else "")
        )


def cross_entropy(logits: Any, labels: Any, *, reduction: str = "mean") -> Any:
    """Return -log of the probability that softmax(logits) gives to the true class.

    Computed from logits, not from probabilities, so it is finite and has the right gradient however bad a prediction.

    Args:
        logits: (…, classes), any real numbers. Do not apply softmax before.
        labels: integers from 0 to classes - 1, of shape (…); or probabilities of the classes, of the shape of logits.
        reduction: "mean" over the samples, "sum", or "none" for the loss of each.

    Raises:
        TypeError, ValueError: if labels are neither, do not fit, or are out of range.

    >>> f"{cross_entropy([1.43, -0.40, 0.23], 0):.4f}"
    '0.3795'
    """
    if shape(labels) == shape(logits) and shape(logits) and dtype(labels).kind == "f":
        check_probabilities(labels)
        return reduced("cross_entropy", -sum_over(mul(labels, log_softmax(logits)), axis=-1), reduction)
    check_reduction("cross_entropy", reduction)
    return cross_entropy_of_labels(logits, labels, reduction=reduction)


def check_probabilities(labels: Any) -> None:
    """Refuse rows that do not sum to 1.

    Raises:
        ValueError: with what to use for yes-or-no labels.
    """
    sums = np.sum(labels.data if isinstance(labels, Node) else labels, axis=-1)
    if np.any(np.abs(sums - 1.0) > 1e-3):
        raise ValueError(
            "cross_entropy wanted integer labels of shape (…), or probabilities of shape (…, classes) whose rows sum "
            f"to 1, got sums from {np.min(sums):g} to {np.max(sums):g}. For yes-or-no labels use binary_cross_entropy."
        )


def nll_loss(log_probabilities: Any, labels: Any, *, reduction: str = "mean") -> Any:
    """Return minus the log-probability at the label: ``nll_loss(log_softmax(x), y)`` is ``cross_entropy(x, y)``.

    Args:
        log_probabilities: (…, classes), as `log_softmax` returns.
        labels: integers of shape (…).
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError, ValueError: if labels are no integers, do not fit, or are out of range.
    """
    labels = class_numbers("nll_loss", labels, shape(log_probabilities)[-1:], shape(log_probabilities)[:-1])
    chosen = take_along_axis(log_probabilities, labels[..., None], axis=-1)
    return reduced("nll_loss", -squeeze(chosen, axis=-1), reduction)


def binary_cross_entropy(logits: Any, labels: Any, *, reduction: str = "mean") -> Any:
    """Return -y log σ(z) - (1 - y) log(1 - σ(z)) of logits z and labels y from 0 to 1, finite however bad a prediction.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same("binary_cross_entropy", logits, labels)
    return reduced("binary_cross_entropy", softplus(logits) - mul(labels, logits), reduction)


def class_numbers(called: str, labels: Any, classes: tuple[int, ...], wanted: tuple[int, ...] | None) -> np.ndarray:
    """Return labels as an array of integers within the classes.

    Raises:
        TypeError, ValueError: if they are not.
    """
    array = np.asarray(labels.data if isinstance(labels, Node) else labels)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{called} wanted integer labels, got {array.dtype}: write labels.astype(int) if they are class numbers."
        )
    if wanted is not None and (not classes or array.shape != wanted):
        raise ValueError(f"{called} wanted one label for each row, of shape {wanted}, got {array.shape}.")
    if array.size and not 0 <= array.min() <= array.max() < classes[0]:
        raise ValueError(f"{called} wanted labels from 0 to {classes[0] - 1}, got {array.min()} to {array.max()}.")
    return array


def one_hot(labels: Any, classes: int, *, dtype: Any = float) -> np.ndarray:
    """Return an array of 0 with a 1 at each label: labels (…) become (…, classes).

    Raises:
        TypeError, ValueError: if labels are no integers from 0 to classes - 1.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    array = class_numbers("one_hot", labels, (classes,), None)
    return (array[..., None] == np.arange(classes)).astype(dtype)

"""Functions of neural networks, made of ops: layers without parameters, activations; losses and special functions.

They take Values and arrays alike and hold no derivative rule. Images are (batch, channels, height, width), weights of
a linear map (in_features, out_features), filters (filters, channels, height, width). Losses are defined in
`autograd_nn.losses`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .graph import Node, dtype, modes, shape
from .losses import (
    binary_cross_entropy,
    class_numbers,
    cross_entropy,
    hinge,
    huber,
    kl_divergence,
    mae,
    mse,
    nll_loss,
    poisson,
    ssr,
)
from .ops import product
from .ops.activation import log_softmax, softmax
from .ops.arithmetic import clip, mul, square, subtract
from .ops.convolution import conv, fold, pool_max, pool_sum, unfold
from .ops.elementary import relu, sigmoid, sqrt, tanh
from .ops.reduction import logsumexp, mean
from .ops.shape import pad, reshape
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
    "hardtanh",
    "hinge",
    "huber",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "kl_divergence",
    "leaky_relu",
    "lgamma",
    "linear",
    "log_ndtr",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "mae",
    "max_pool1d",
    "max_pool2d",
    "mish",
    "mse",
    "ndtr",
    "ndtri",
    "nll_loss",
    "normal_pdf",
    "normalize",
    "one_hot",
    "poisson",
    "polygamma",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "sinc",
    "softmax",
    "softplus",
    "softsign",
    "ssr",
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
    wanted = shape(x)  # (a compiled function keeps what draws, and is not to keep x)
    kept = drawn(rng, lambda generator: generator.random(wanted)) >= p
    kind = dtype(x) if dtype(x).kind in "fc" else np.dtype(float)
    return mul(x, (kept / (1.0 - p)).astype(kind))


def drawn(rng: int | np.random.Generator, draw: Callable[[np.random.Generator], np.ndarray]) -> Any:
    """Return what is drawn from a generator; a function that is being recorded draws afresh whenever it is called."""
    current, generator = modes.current, np.random.default_rng(rng)
    if current is not None:
        if current.recorder is not None:
            return current.recorder.host(lambda: draw(np.random.default_rng(rng)), generator=generator.bit_generator)
        if current.journal is not None:
            current.journal.append((generator.bit_generator, "state", generator.bit_generator.state))
    return draw(generator)


# activations made of others


def selu(x: Any) -> Any:
    """Return λ x for x > 0, else λ α (exp(x) - 1), with which deep networks keep mean 0 and variance 1 by themselves.

    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter: Self-normalizing neural networks, NeurIPS 2017, equation 2.
    It wants weights drawn by `lecun_normal`.
    """
    return 1.0507009873554805 * elu(x, alpha=1.6732632423543772)


def mish(x: Any) -> Any:
    """Return x tanh(softplus(x)) (D. Misra: Mish, BMVC 2020)."""
    return mul(x, tanh(softplus(x)))


def hardtanh(x: Any, *, low: float = -1.0, high: float = 1.0) -> Any:
    """Return x limited to [low, high], with slope 1 between them, ends included, and 0 beyond."""
    return clip(x, low, high)


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


# classes


def one_hot(labels: Any, classes: int, *, dtype: Any = float) -> np.ndarray:
    """Return an array of 0 with a 1 at each label: labels (…) become (…, classes).

    Raises:
        TypeError, ValueError: if labels are no integers from 0 to classes - 1.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    class_numbers("one_hot", labels, (classes,), None)
    array = np.asarray(labels.data if isinstance(labels, Node) else labels)
    return (array[..., None] == np.arange(classes)).astype(dtype)

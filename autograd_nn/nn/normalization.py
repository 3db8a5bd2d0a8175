"""Normalization: signals with mean 0 and variance 1, then a scale and a shift that are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..functions import normalize
from ..graph import Node, shape
from ..ops.arithmetic import square
from ..ops.elementary import sqrt
from ..ops.reduction import mean
from ..ops.shape import reshape
from ..value import Value
from .linear import float_dtype, positive
from .module import Module

__all__ = ["BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm"]


class BatchNorm(Module):
    """Normalize each feature over the batch, or each channel over the batch and all places.

    S. Ioffe, C. Szegedy: Batch normalization, ICML 2015. While training, mean and variance are those of the batch;
    running averages of both are kept, and used after `eval()`. As in PyTorch, the batch is divided by its own standard
    deviation, and the running variance is the unbiased one.

    Args:
        features: features of rows (batch, features), or channels of images (batch, channels, *size).
        momentum: share of a new batch in the running averages.
        eps: is added to the variance.
        dtype: of the parameters; float32 or float64.

    Attributes:
        weight: the scales, (features,); begin at 1.
        bias: the shifts, (features,); begin at 0.
        running_mean: (features,), not trained.
        running_var: (features,), not trained.

    Raises:
        TypeError, ValueError: if a setting makes no sense.

    >>> import numpy as np
    >>> layer = BatchNorm(1, dtype=float)
    >>> layer(np.array([[1.0], [3.0]])).data.round(4).tolist()
    [[-1.0], [1.0]]
    >>> layer.running_mean.tolist()
    [0.2]
    """

    running_mean: Value
    running_var: Value

    def __init__(self, features: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        positive("BatchNorm", features=features)
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm wanted momentum from 0 to 1, the share of a new batch, got {momentum}.")
        self.features, self.momentum, self.eps = features, momentum, check_eps("BatchNorm", eps)
        self.dtype = float_dtype(dtype)
        self.weight = Value(np.ones(features, dtype), name="weight")
        self.bias = Value(np.zeros(features, dtype), name="bias")
        self.register_buffer("running_mean", np.zeros(features, self.dtype))
        self.register_buffer("running_var", np.ones(features, self.dtype))

    def reset(self, rng: np.random.Generator) -> None:
        """Begin anew: scale 1, shift 0, running mean 0 and variance 1."""
        for leaf in (self.weight, self.running_var):
            leaf.assign(np.ones(self.features, self.dtype))
        for leaf in (self.bias, self.running_mean):
            leaf.assign(np.zeros(self.features, self.dtype))

    def forward(self, x: Any) -> Any:
        """Return x normalized, of the same shape.

        Raises:
            ValueError: if x does not have that many features, or, while training, only one number for each.
        """
        x = self.operand(x)
        came = shape(x)
        if len(came) < 2 or came[1] != self.features:
            raise ValueError(
                f"BatchNorm wanted x of shape (batch, {self.features}) or (batch, {self.features}, height, width), got "
                f"{came}."
            )
        fit = (self.features,) + (1,) * (len(came) - 2)
        if self.training:
            axes = (0, *range(2, len(came)))
            count = math.prod(came) // self.features
            if count < 2:
                raise ValueError(
                    f"BatchNorm wanted more than one number for each feature while training, got x of shape {came}: "
                    "one number has no variance. Use larger batches (drop a last one of 1), LayerNorm, or eval()."
                )
            y = normalize(x, axis=axes, eps=self.eps)
            self.remember(x.data if isinstance(x, Node) else x, axes, count)
        else:
            centered = x - reshape(self.running_mean, shape=fit)
            y = centered / sqrt(reshape(self.running_var, shape=fit) + self.eps)
        return y * reshape(self.weight, shape=fit) + reshape(self.bias, shape=fit)

    def remember(self, data: Any, axes: tuple[int, ...], count: int) -> None:
        """Move the running averages towards the mean and the unbiased variance of a batch."""
        unbiased = np.var(data, axis=axes) * (count / (count - 1))
        for buffer, new in ((self.running_mean, np.mean(data, axis=axes)), (self.running_var, unbiased)):
            average = (1 - self.momentum) * buffer.data + self.momentum * new
            buffer.assign(average.astype(self.dtype))


class LayerNorm(Module):
    """Normalize each sample over its last axes, by itself: batches of any size, training and predicting alike.

    J. Ba, J. Kiros, G. Hinton: Layer normalization, 2016.

    Args:
        features: length of the last axis, or lengths of the last axes.
        eps: is added to the variance.
        bias: add shifts?
        dtype: of the parameters; float32 or float64.

    Attributes:
        weight: the scales, of the shape of `features`; begin at 1.
        bias: the shifts, or None; begin at 0.

    >>> import numpy as np
    >>> LayerNorm(4, dtype=float)(np.array([[1.0, 2.0, 3.0, 4.0]])).data.round(2).tolist()
    [[-1.34, -0.45, 0.45, 1.34]]
    """

    def __init__(
        self, features: int | Sequence[int], *, eps: float = 1e-5, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        self.features, self.eps, self.dtype = features, check_eps("LayerNorm", eps), float_dtype(dtype)
        lengths = last_lengths("LayerNorm", features)
        self.weight = Value(np.ones(lengths, dtype), name="weight")
        self.bias = Value(np.zeros(lengths, dtype), name="bias") if bias else None

    def reset(self, rng: np.random.Generator) -> None:
        """Begin anew: scale 1, shift 0."""
        self.weight.assign(np.ones(self.weight.shape, self.dtype))
        if self.bias is not None:
            self.bias.assign(np.zeros(self.bias.shape, self.dtype))

    def forward(self, x: Any) -> Any:
        """Return x normalized, of the same shape.

        Raises:
            ValueError: if the last axes of x have other lengths.
        """
        x = self.operand(x)
        axes = check_last("LayerNorm", shape(x), self.weight.shape)
        y = normalize(x, axis=axes, eps=self.eps) * self.weight
        return y if self.bias is None else y + self.bias


class RMSNorm(Module):
    """Divide each sample by the root of the mean of its squares over the last axes; the mean stays where it is.

    B. Zhang, R. Sennrich: Root mean square layer normalization, NeurIPS 2019, equation 4.

    Args:
        features: length of the last axis, or lengths of the last axes.
        eps: is added to the mean of squares.
        dtype: of the parameters; float32 or float64.

    Attributes:
        weight: the scales, of the shape of `features`; begin at 1.

    >>> import numpy as np
    >>> RMSNorm(2, dtype=float)(np.array([[1.0, 7.0]])).data.round(4).tolist()
    [[0.2, 1.4]]
    """

    def __init__(self, features: int | Sequence[int], *, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        self.features, self.eps, self.dtype = features, check_eps("RMSNorm", eps), float_dtype(dtype)
        self.weight = Value(np.ones(last_lengths("RMSNorm", features), dtype), name="weight")

    def reset(self, rng: np.random.Generator) -> None:
        """Begin anew: scale 1."""
        self.weight.assign(np.ones(self.weight.shape, self.dtype))

    def forward(self, x: Any) -> Any:
        """Return x divided by its size, of the same shape.

        Raises:
            ValueError: if the last axes of x have other lengths.
        """
        x = self.operand(x)
        axes = check_last("RMSNorm", shape(x), self.weight.shape)
        return x / sqrt(mean(square(x), axis=axes, keepdims=True) + self.eps) * self.weight


class GroupNorm(Module):
    """Normalize each sample over groups of channels and all places: batches of any size, for images.

    Y. Wu, K. He: Group normalization, ECCV 2018. As many groups as channels give instance normalization.

    Args:
        groups: channels fall into so many groups.
        channels: of x (batch, channels, *size).
        eps: is added to the variance.
        dtype: of the parameters; float32 or float64.

    Attributes:
        weight: the scales, (channels,); begin at 1.
        bias: the shifts, (channels,); begin at 0.

    Raises:
        TypeError, ValueError: if the groups do not divide the channels.
    """

    def __init__(self, groups: int, channels: int, *, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        positive("GroupNorm", groups=groups, channels=channels)
        if channels % groups:
            raise ValueError(f"GroupNorm wanted groups that divide {channels} channels, got {groups}.")
        self.groups, self.channels, self.eps = groups, channels, check_eps("GroupNorm", eps)
        self.dtype = float_dtype(dtype)
        self.weight = Value(np.ones(channels, dtype), name="weight")
        self.bias = Value(np.zeros(channels, dtype), name="bias")

    def reset(self, rng: np.random.Generator) -> None:
        """Begin anew: scale 1, shift 0."""
        self.weight.assign(np.ones(self.channels, self.dtype))
        self.bias.assign(np.zeros(self.channels, self.dtype))

    def forward(self, x: Any) -> Any:
        """Return x normalized, of the same shape.

        Raises:
            ValueError: if x does not have that many channels.
        """
        x = self.operand(x)
        came = shape(x)
        if len(came) < 2 or came[1] != self.channels:
            raise ValueError(f"GroupNorm wanted x of shape (batch, {self.channels}, …), got {came}.")
        apart = reshape(x, shape=(came[0], self.groups, math.prod(came[1:]) // self.groups))
        y = reshape(normalize(apart, eps=self.eps), shape=came)
        fit = (self.channels,) + (1,) * (len(came) - 2)
        return y * reshape(self.weight, shape=fit) + reshape(self.bias, shape=fit)


def last_lengths(layer: str, features: int | Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of the last axes as a tuple.

    Raises:
        TypeError, ValueError: if they are no positive integers.
    """
    lengths: tuple[Any, ...] = tuple(features) if isinstance(features, (list, tuple)) else (features,)
    if not lengths:
        raise ValueError(f"{layer} wanted the length of one axis or more as features, got none.")
    for length in lengths:
        positive(layer, features=length)
    return lengths


def check_last(layer: str, came: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the last axes, as negative numbers.

    Raises:
        ValueError: if they have other lengths.
    """
    if came[-len(wanted) :] != wanted:
        raise ValueError(f"{layer} wanted x of shape (…, {', '.join(map(str, wanted))}), got {came}.")
    return tuple(range(-len(wanted), 0))


def check_eps(layer: str, eps: float) -> float:
    """Return eps.

    Raises:
        ValueError: if it is negative or not finite.
    """
    if not 0 <= eps < math.inf:
        raise ValueError(f"{layer} wanted eps of 0 or more, a small number, got {eps}.")
    return eps

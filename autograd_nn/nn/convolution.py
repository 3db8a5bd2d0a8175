"""Convolution: the same small filter at every place of a sequence or an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..functions import SPATIAL, conv1d, conv2d
from ..graph import shape
from ..ops.convolution import padding_pairs, per_axis
from ..value import Value
from .initializer import Initializer, initializer
from .linear import float_dtype, positive
from .module import Module

__all__ = ["Conv1d", "Conv2d", "Convolution"]

Sizes = int | Sequence[int]


class Convolution(Module):
    """What `Conv1d` and `Conv2d` share; by itself it is not used.

    Args:
        in_channels: channels of the input.
        out_channels: the number of filters, each of which gives one feature map.
        kernel_size: the size of a filter: a number, or one for each spatial axis.
        stride: how far the filter is shifted each time; a number, or one for each axis.
        padding: zeros around the input: a number, one for each axis, pairs (before, after); "valid" for none, "same"
            for as many as make the result as large as the input, divided by stride.
        dilation: distance between the elements that a filter looks at.
        groups: channels and filters fall into so many groups that do not mix; as many groups as channels give a
            depthwise convolution.
        bias: add a bias to each feature map?
        init: initializer of the filters, by name or as a function; biases begin at 0.
        dtype: of the parameters; float32 or float64.
        rng: seed or generator of the filters.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size).
        bias: (out_channels,), or None.

    Raises:
        TypeError, ValueError: if a size is no positive integer, or groups do not divide the channels.
    """

    axes: ClassVar[int]
    """The number of spatial axes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Any = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        init: str | Initializer = "he_normal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        called = type(self).__name__
        positive(called, in_channels=in_channels, out_channels=out_channels, groups=groups)
        try:
            kernel: Any = per_axis(kernel_size, self.axes, "kernel_size")
            per_axis(stride, self.axes, "stride")
            per_axis(dilation, self.axes, "dilation")
            if padding not in ("same", "valid"):
                padding_pairs(padding, self.axes)
        except ValueError as error:
            raise ValueError(f"{called} {error}.") from None
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{called} wanted groups that divide both {in_channels} in_channels and {out_channels} out_channels, "
                f"got {groups}."
            )
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.init, self.dtype = init, float_dtype(dtype)
        self.weight = Value(np.zeros((out_channels, in_channels // groups, *kernel), dtype), name="weight")
        self.bias = Value(np.zeros(out_channels, dtype), name="bias") if bias else None
        self.reset(np.random.default_rng(rng))

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the filters afresh; biases are 0 again."""
        self.weight.assign(initializer(self.init)(self.weight.shape, rng, dtype=self.dtype))
        if self.bias is not None:
            self.bias.assign(np.zeros(self.bias.shape, self.dtype))

    def forward(self, x: Any) -> Any:
        """Return the feature maps, (batch, out_channels, *windows), of x (batch, in_channels, *size)."""
        x = self.operand(x)
        check_channels(type(self).__name__, shape(x), self.in_channels, self.axes)
        slide = conv1d if self.axes == 1 else conv2d
        return slide(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class Conv1d(Convolution):
    """Filters that slide along sequences: (batch, in_channels, length) → (batch, out_channels, windows).

    Arguments as for `Conv2d`.

    >>> import numpy as np
    >>> layer = Conv1d(1, 1, 2, bias=False, dtype=float)
    >>> layer.load_state_dict({"weight": [[[-1.0, 1.0]]]})  # the difference to the number before
    >>> layer([[[1.0, 4.0, 9.0, 16.0]]]).tolist()
    [[[3.0, 5.0, 7.0]]]
    """

    axes = 1


class Conv2d(Convolution):
    """Filters that slide over images: (batch, in_channels, height, width) → (batch, out_channels, rows, columns).

    At each place the dot product of filter and image, plus the bias. As everywhere in neural networks the filter is not
    flipped: mathematically this is cross-correlation.

    Args:
        in_channels: channels of the images.
        out_channels: the number of filters, each of which gives one feature map.
        kernel_size: height and width of a filter, or one number for both.
        stride: how far the filter is shifted each time; a number, or one for each axis.
        padding: zeros around the image: a number, one for each axis, pairs (before, after); "valid" for none, "same"
            for as many as make the result as large as the image, divided by stride.
        dilation: distance between the pixels that a filter looks at.
        groups: channels and filters fall into so many groups that do not mix; as many groups as channels give a
            depthwise convolution.
        bias: add a bias to each feature map?
        init: initializer of the filters, by name or as a function; biases begin at 0.
        dtype: of the parameters; float32 or float64.
        rng: seed or generator of the filters.

    Attributes:
        weight: (out_channels, in_channels / groups, height, width).
        bias: (out_channels,), or None.

    Raises:
        TypeError, ValueError: if a size is no positive integer, or groups do not divide the channels.

    >>> import numpy as np
    >>> layer = Conv2d(1, 8, 3, padding="same", rng=0)
    >>> layer(np.zeros((5, 1, 6, 6))).shape
    (5, 8, 6, 6)
    """

    axes = 2


def check_channels(called: str, came: tuple[int, ...], channels: int, axes: int) -> None:
    """Refuse what is no batch with as many channels.

    Raises:
        ValueError: with how to write it.
    """
    if len(came) == axes + 2 and came[1] == channels:
        return
    hint = ""
    if len(came) == axes + 2 and came[-1] == channels:
        hint = f" Channels come second: x.transpose({', '.join(map(str, (0, axes + 1, *range(1, axes + 1))))})."
    elif len(came) == axes + 1 and channels == 1:
        hint = " Add the channel: x[:, None]."
    elif len(came) == axes + 1 and came[0] == channels:
        hint = " Add the batch: x[None]."
    elif len(came) == axes and channels == 1:
        hint = " Add batch and channel: x[None, None]."
    raise ValueError(
        f"{called} wanted x of shape (batch, {channels}, {SPATIAL[axes]}), {channels} "
        f"channel{'s' if channels > 1 else ''}; got {came}.{hint}"
    )

"""Pooling: many neighbors become one number, their maximum or mean. No parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import functions
from ..graph import shape
from ..ops.reduction import max as largest
from ..ops.reduction import mean
from .module import Module

__all__ = ["AvgPool1d", "AvgPool2d", "GlobalAvgPool", "GlobalMaxPool", "MaxPool1d", "MaxPool2d", "Pool"]


class Pool(Module):
    """What the pools with windows share; by itself it is not used.

    Args:
        size: of a window: a number, or one for each spatial axis.
        stride: distance between windows; by default they lie side by side.
        padding: how far windows may reach over the border: a number, one for each axis, or pairs (before, after).
    """

    pool: ClassVar[Callable[..., Any]]
    """The function that the module applies."""

    def __init__(self, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> None:
        self.size, self.stride, self.padding = size, stride, padding

    def forward(self, x: Any) -> Any:
        """Return one number for each window: (batch, channels, *size) → (batch, channels, *windows).

        Raises:
            ValueError: if shapes or settings do not fit.
        """
        return type(self).pool(x, self.size, stride=self.stride, padding=self.padding)


class MaxPool1d(Pool):
    """The maximum of each window along sequences, (batch, channels, length). Arguments as for `MaxPool2d`."""

    pool = staticmethod(functions.max_pool1d)


class MaxPool2d(Pool):
    """The maximum of each window of images, (batch, channels, height, width).

    It tolerates shifts within a window only: an image that is shifted by a pixel moves features into other windows. See
    `GlobalMaxPool`. The gradient goes to the maximum; a tie shares it equally.

    Args:
        size: height and width of a window, or one number for both.
        stride: distance between windows; by default they lie side by side.
        padding: how far windows may reach over the border: a number, one for each axis, or pairs (before, after).

    >>> import numpy as np
    >>> MaxPool2d(2)(np.eye(4)[None, None])[0, 0].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    pool = staticmethod(functions.max_pool2d)


class AvgPool1d(Pool):
    """The mean of each window along sequences, (batch, channels, length). Arguments as for `AvgPool2d`."""

    pool = staticmethod(functions.avg_pool1d)


class AvgPool2d(Pool):
    """The mean of each window of images, (batch, channels, height, width). Zeros of the padding count.

    Args:
        size: height and width of a window, or one number for both.
        stride: distance between windows; by default they lie side by side.
        padding: how far windows may reach over the border: a number, one for each axis, or pairs (before, after).

    >>> import numpy as np
    >>> AvgPool2d(2)(np.eye(4)[None, None])[0, 0].tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """

    pool = staticmethod(functions.avg_pool2d)


class GlobalMaxPool(Module):
    """The maximum of each feature map: (batch, channels, *size) → (batch, channels). Is the feature there, anywhere?

    Where it is does not matter, so the prediction does not change when the image is shifted, up to the border.

    >>> import numpy as np
    >>> GlobalMaxPool()(np.arange(18.0).reshape(1, 2, 3, 3)).tolist()
    [[8.0, 17.0]]
    """

    def forward(self, x: Any) -> Any:
        """Return the maxima over all axes behind the channels.

        Raises:
            ValueError: if there are no such axes.
        """
        return largest(x, axis=spatial("GlobalMaxPool", x))


class GlobalAvgPool(Module):
    """The mean of each feature map: (batch, channels, *size) → (batch, channels).

    >>> import numpy as np
    >>> GlobalAvgPool()(np.arange(18.0).reshape(1, 2, 3, 3)).tolist()
    [[4.0, 13.0]]
    """

    def forward(self, x: Any) -> Any:
        """Return the means over all axes behind the channels.

        Raises:
            ValueError: if there are no such axes.
        """
        return mean(x, axis=spatial("GlobalAvgPool", x))


def spatial(called: str, x: Any) -> tuple[int, ...]:
    """Return the axes behind batch and channels.

    Raises:
        ValueError: if there are none, or nothing in them.
    """
    came = shape(x)
    if len(came) < 3 or 0 in came[2:]:
        raise ValueError(
            f"{called} wanted x of shape (batch, channels, length) or (batch, channels, height, width), got {came}."
        )
    return tuple(range(2, len(came)))

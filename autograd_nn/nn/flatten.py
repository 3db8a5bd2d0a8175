"""`Flatten`: from images to rows of features."""

from __future__ import annotations

from typing import Any

from ..functions import flatten
from .module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Lay each sample's elements out in one axis, row by row: (batch, …) → (batch, features).

    Pixel (row, column) of a 6×6 image becomes feature 6 · row + column.

    >>> import numpy as np
    >>> Flatten()(np.zeros((8, 1, 6, 6))).shape
    (8, 36)
    """

    def forward(self, x: Any) -> Any:
        """Return x with all axes but the first made one.

        Raises:
            ValueError: if x is a scalar.
        """
        return flatten(x)

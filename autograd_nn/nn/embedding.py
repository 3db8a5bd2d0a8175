"""`Embedding`: a learned vector for each of a number of things."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, dtype
from ..losses import holds, span
from ..ops.comparison import not_equal, where
from ..ops.indexing import take
from ..ops.shape import expand_dims
from ..value import Value
from .initializer import Initializer, initializer
from .linear import float_dtype, positive
from .module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """A table with a row for each number from 0 to count - 1: integers (…) → (…, features).

    It equals a `Linear` map of one-hot rows, without writing these out.

    Args:
        count: how many things there are, such as words.
        features: numbers for each.
        padding_idx: the number that fills up short sequences: its row is 0 and stays 0.
        init: initializer of the table, by name or as a function.
        dtype: of the table; float32 or float64.
        rng: seed or generator of the table.

    Attributes:
        weight: (count, features).

    Raises:
        TypeError, ValueError: if a size is no positive integer, or padding_idx is no row.

    >>> layer = Embedding(3, 2, dtype=float)
    >>> layer.load_state_dict({"weight": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]})
    >>> layer([2, 0, 2]).tolist()
    [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]
    """

    def __init__(
        self,
        count: int,
        features: int,
        *,
        padding_idx: int | None = None,
        init: str | Initializer = "standard_normal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive("Embedding", count=count, features=features)
        if padding_idx is not None and not 0 <= padding_idx < count:
            raise ValueError(f"Embedding wanted padding_idx from 0 to {count - 1}, or None, got {padding_idx}.")
        self.count, self.features, self.padding_idx = count, features, padding_idx
        self.init, self.dtype = init, float_dtype(dtype)
        self.weight = Value(np.zeros((count, features), dtype), name="weight")
        self.reset(np.random.default_rng(rng))

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the table afresh."""
        table = np.array(initializer(self.init)(self.weight.shape, rng, dtype=self.dtype))
        if self.padding_idx is not None:
            table[self.padding_idx] = 0
        self.weight.assign(table)

    def forward(self, indices: Any) -> Any:
        """Return the rows (…, features) of integers (…).

        Raises:
            TypeError: if they are no integers.
            ValueError: if one is outside of the table.
        """
        if not isinstance(indices, Node):
            indices = np.asarray(indices)
        if dtype(indices).kind not in "iu":
            raise TypeError(
                f"Embedding wanted integers from 0 to {self.count - 1}, got {dtype(indices)}: write x.astype(int) if "
                "they are whole numbers."
            )
        if not holds(lambda i: (i >= 0) & (i < self.count), indices):
            raise ValueError(
                f"Embedding wanted integers from 0 to {self.count - 1}, as it has {self.count} rows; got "
                f"{span(indices)}."
            )
        rows = take(self.weight, indices, axis=0)
        if self.padding_idx is None:
            return rows
        return where(expand_dims(not_equal(indices, self.padding_idx), axis=-1), rows, 0.0)

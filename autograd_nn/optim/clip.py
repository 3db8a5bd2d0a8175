"""Gradients limited in size, as pure functions: new arrays, nothing is written into the old ones.

They take nested tuples, lists and dicts of arrays or Values, as `autograd_nn.grad` returns them; None stays None. So
they serve the optimizers' `clip_norm=` and `clip_value=`, training by hand, and compiled steps alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import nested
from ..graph import dtype
from ..value import Value

__all__ = ["check_limit", "clip_by_norm", "clip_by_value", "global_norm"]


def check_limit(limit: Any, what: str) -> float:
    """Return a limit as a float, or raise.

    Raises:
        ValueError: if it is not a positive number.
    """
    if isinstance(limit, (int, float, np.number)) and float(limit) > 0:
        return float(limit)
    raise ValueError(f"{what} wanted a positive number (or None for no clipping), got {limit!r}.")


def global_norm(gradients: Any) -> Any:
    """Return the Euclidean norm of all numbers in all arrays together, in double precision.

    >>> import numpy as np
    >>> global_norm({"w": np.array([3.0, 0.0]), "b": 4.0})
    5.0

    Raises:
        TypeError: if there is no array at all.
    """
    found = nested.leaves(gradients)  # None is an empty structure
    if not found:
        raise TypeError("global_norm wanted at least one array, got none.")
    total: Any = 0.0
    for g in found:
        total = total + sum_of_squares(g)
    if isinstance(total, Value):
        zero = total == 0.0  # where the root's derivative is infinite, and the norm's is 0 by convention
        return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, total)))
    return math.sqrt(total) if total < math.inf else float(total)


def sum_of_squares(g: Any) -> Any:
    """Return Σ g² in double precision: squares overflow single precision from 2e19 on, half precision from 256 on."""
    if isinstance(g, Value):
        g = g if g.dtype == np.float64 else g.astype(np.float64)
        return np.sum(g * g)
    flat = np.asarray(g, np.float64).ravel()
    return float(flat @ flat)


def clip_by_norm(gradients: Any, limit: float) -> Any:
    """Scale all arrays by one factor so that their `global_norm` is at most the limit: the direction stays.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    >>> import numpy as np
    >>> clip_by_norm([np.array([30.0, 0.0]), np.array([40.0])], 5.0)
    [array([3., 0.]), array([4.])]

    Raises:
        ValueError: if the limit is not a positive number.
    """
    limit = check_limit(limit, "limit")
    norm = global_norm(gradients)
    if isinstance(norm, Value):
        factor: Any = limit / np.maximum(norm, limit)
        return nested.map_leaves(lambda g: g * factor.astype(dtype(g)), gradients)
    if norm <= limit:
        return gradients
    scale = limit / norm  # a Python float: single precision stays
    with np.errstate(all="ignore"):
        return nested.map_leaves(lambda g: g * scale, gradients)


def clip_by_value(gradients: Any, limit: float) -> Any:
    """Limit each number to [-limit, limit]: the direction may change.

    >>> import numpy as np
    >>> clip_by_value({"w": np.array([-3.0, 0.5]), "b": 2.0}, 1.0)
    {'w': array([-1. ,  0.5]), 'b': 1.0}

    Raises:
        ValueError: if the limit is not a positive number.
    """
    limit = check_limit(limit, "limit")

    def clip(g: Any) -> Any:
        clipped = np.clip(g, -limit, limit)
        return float(clipped) if type(g) is float else clipped

    return nested.map_leaves(clip, gradients)

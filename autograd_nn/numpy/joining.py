"""Joining, splitting and rearranging arrays: NumPy code that runs on Values because its parts do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..numpy_protocol import implements

__all__ = [
    "apply_along_axis",
    "block",
    "broadcast_arrays",
    "piecewise",
    "resize",
    "select",
]


@implements(np.block)
def block(arrays: Any) -> Any:
    """Join nested lists of blocks: innermost lists along the last axis, the next along the second-last, and so on."""

    def depth(x: Any) -> int:
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    def leaves(x: Any) -> list[Any]:
        return [leaf for part in x for leaf in leaves(part)] if isinstance(x, list) else [x]

    levels = depth(arrays)
    ndim = max(levels, *(np.ndim(x) for x in leaves(arrays)))

    def join(x: Any, level: int) -> Any:
        if isinstance(x, list):
            return np.concatenate([join(part, level + 1) for part in x], level - levels)
        return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))

    return join(arrays, 0)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Arrays broadcast to their common shape."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(x if np.shape(x) == shape else np.broadcast_to(x, shape) for x in args)


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements, repeated as often as needed, in another shape."""
    new_shape = (new_shape,) if np.ndim(new_shape) == 0 else tuple(new_shape)
    flat = np.ravel(a)
    return np.reshape(np.take(flat, np.arange(int(np.prod(new_shape, dtype=int))) % len(flat)), new_shape)


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each element the choice that belongs to the first condition that holds."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select wanted as many conditions as choices, got {len(condlist)} and {len(choicelist)}.")
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = np.where(condition, choice, out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """For each element the function that belongs to the last condition that holds; 0 where none does.

    Each function sees only the elements at which its condition holds, so that a branch not taken cannot make nan.
    """
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) or np.ndim(condlist) > np.ndim(x) else [condlist]
    if len(funclist) == len(conditions) + 1:
        any_holds = conditions[0]
        for condition in conditions[1:]:
            any_holds = np.logical_or(any_holds, condition)
        conditions.append(np.logical_not(any_holds))
    if len(funclist) != len(conditions):
        raise ValueError(f"piecewise wanted {len(conditions)} or {len(conditions) + 1} functions, got {len(funclist)}.")
    out = x * 0.0
    for condition, function in zip(conditions, funclist, strict=True):
        out = out.at[condition].set(function(x[condition], *args, **kw) if callable(function) else function)
    return out


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors applied to every vector along an axis, one after the other."""
    axis = axis % np.ndim(arr)
    moved = np.moveaxis(arr, axis, -1)
    rows = np.reshape(moved, (-1, np.shape(moved)[-1]))
    results = np.stack([func1d(row, *args, **kwargs) for row in rows])
    result = np.reshape(results, np.shape(moved)[:-1] + np.shape(results)[1:])
    added = np.ndim(results) - 1
    outer = np.ndim(moved) - 1
    return np.moveaxis(result, range(outer, outer + added), range(axis, axis + added)) if added else result

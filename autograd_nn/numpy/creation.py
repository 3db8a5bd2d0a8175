"""New arrays: constants as in NumPy, and arrays made of Values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, describe, dtype, shape
from ..numpy_protocol import holds_node, implements

__all__ = [
    "arange",
    "array",
    "asarray",
    "diag_indices_from",
    "empty_like",
    "full",
    "full_like",
    "geomspace",
    "linspace",
    "logspace",
    "ones_like",
    "tril_indices_from",
    "triu_indices_from",
    "vander",
    "zeros_like",
]


def like(a: Any, wanted: Any) -> Any:
    """Convert a Value to a dtype, if one is given and it has another."""
    return a if wanted is None or dtype(a) == np.dtype(wanted) else a.astype(wanted)


@implements(np.array)
def array(object: Any, dtype: Any = None, *, ndmin: int = 0, copy: bool | None = True, **kwargs: Any) -> Any:
    """An array of numbers; nested lists that hold Values are joined into one Value.

    >>> from autograd_nn import Value
    >>> import autograd_nn.numpy as anp
    >>> x, y = Value(3.0), Value(4.0)
    >>> anp.array([[x, 1.0], [y, x * y]]).shape
    (2, 2)
    """
    if not isinstance(object, Node) and not holds_node((object,)):
        return np.array(object, dtype, ndmin=ndmin, copy=copy, **kwargs)
    joined = like(join(object), dtype)
    missing = ndmin - len(shape(joined))
    return np.expand_dims(joined, tuple(range(missing))) if missing > 0 else joined


@implements(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, device: Any = None) -> Any:
    """The same as an array; a Value stays as it is, and nested lists that hold Values are joined into one."""
    if not isinstance(a, Node) and not holds_node((a,)):
        return np.asarray(a, dtype, order, copy=copy)
    return array(a, dtype)


def join(nested: Any) -> Any:
    """Stack nested lists that hold Values into one Value.

    Raises:
        ValueError: if the lists are ragged.
    """
    if isinstance(nested, Node) or not isinstance(nested, (list, tuple)) or not holds_node(nested):
        return nested
    parts = [join(x) for x in nested]
    shapes = {np.shape(x) for x in parts}
    if len(shapes) > 1:
        raise ValueError(
            f"array: wanted nested lists of equal shape, got parts of shapes {', '.join(map(str, sorted(shapes)))}."
        )
    return np.stack(parts)


@implements(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """A constant array of zeros; the number 0.0 for a Value that holds a Python float."""
    return constant_like(np.zeros, a, dtype, shape)


@implements(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """A constant array of ones; the number 1.0 for a Value that holds a Python float."""
    return constant_like(np.ones, a, dtype, shape)


@implements(np.empty_like)
def empty_like(
    prototype: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """A constant array, here of zeros: results do not depend on what was in memory."""
    return constant_like(np.zeros, prototype, dtype, shape)


def constant_like(make: Any, a: Node, wanted: Any, new_shape: Any) -> Any:
    """Make a constant of a Value's shape and dtype."""
    if wanted is None and new_shape is None and isinstance(a._data, float) and not isinstance(a._data, np.generic):
        return float(make(()))
    return make(shape(a) if new_shape is None else new_shape, dtype(a) if wanted is None else wanted)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """An array of a shape and dtype, filled with a number (a constant) or with a Value."""
    wanted = np.dtype(dtype) if dtype is not None else a.dtype
    return full(np.shape(a) if shape is None else shape, fill_value, wanted)


@implements(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None) -> Any:
    """An array filled with a number (a constant) or with a Value."""
    if isinstance(fill_value, Node):
        return np.broadcast_to(like(fill_value, dtype), shape)
    return np.full(shape, fill_value, dtype, order)


@implements(np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None) -> Any:
    """Equally spaced numbers, a constant. The length would depend on the data of a Value, which is refused.

    Raises:
        TypeError: if an argument is a Value.
    """
    value = next((x for x in (start, stop, step) if isinstance(x, Node)), None)
    if value is not None:
        raise TypeError(
            f"arange: wanted plain numbers, since they decide the length, got {describe(value)}. "
            "Write start + step * arange(n), or linspace(start, stop, n): these are differentiable."
        )
    return np.arange(start, stop, step, dtype=dtype)


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`num` equally spaced numbers from start to stop, differentiable in both, and exact there."""
    intervals = num - 1 if endpoint else num
    step = (stop - start) / (intervals if intervals > 0 else np.nan)
    dims = max(len(shape(start)), len(shape(stop)))
    t = np.arange(num).reshape((num,) + (1,) * dims) / max(intervals, 1)
    t = t.astype(np.result_type(start, stop, 1.0))
    points = like(start * (1.0 - t) + stop * t, dtype)  # exact at both ends
    points = np.moveaxis(points, 0, axis) if axis not in (0, -len(shape(points))) else points
    return (points, step) if retstep else points


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of x in columns, highest first unless increasing."""
    n = shape(x)[0] if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return np.expand_dims(x, -1) ** powers.astype(float)


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` numbers from base**start to base**stop, equally spaced on a logarithmic scale."""
    return like(np.power(base, linspace(start, stop, num, endpoint, axis=axis)), dtype)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` numbers from start to stop, with equal ratios; both must have the same sign."""
    sign = np.sign(start)
    return like(np.exp(linspace(np.log(start * sign), np.log(stop * sign), num, endpoint, axis=axis)) * sign, dtype)


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Indices of the main diagonal of a square array."""
    return np.diag_indices_from(np.empty(shape(arr)))


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Indices of the lower triangle of a matrix."""
    return np.tril_indices(shape(arr)[-2], k, shape(arr)[-1])


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Indices of the upper triangle of a matrix."""
    return np.triu_indices(shape(arr)[-2], k, shape(arr)[-1])

"""Questions about arrays: shapes, types, closeness. Answers that depend on data are Values without derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node, dtype, read_only
from ..numpy_protocol import implements, refuse_in_place

__all__ = [
    "allclose",
    "array2string",
    "array_equal",
    "array_equiv",
    "array_repr",
    "array_str",
    "can_cast",
    "common_type",
    "iscomplex",
    "iscomplexobj",
    "isin",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "may_share_memory",
    "ndim",
    "result_type",
    "shape",
    "size",
]


def data_of(x: Any) -> Any:
    """Return what a Value holds; anything else as it is."""
    return read_only(x._data) if isinstance(x, Node) else x


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """Lengths of the axes."""
    return np.shape(data_of(a))


@implements(np.ndim)
def ndim(a: Any) -> int:
    """Number of axes."""
    return np.ndim(data_of(a))


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """Number of elements, or length of an axis."""
    return int(np.size(data_of(a), axis))


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Is the dtype complex?"""
    return dtype(x).kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Is the dtype not complex?"""
    return dtype(x).kind != "c"


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype that NumPy's promotion gives; a Value made from a Python float counts as one."""
    return np.result_type(*map(data_of, arrays_and_dtypes))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Can one dtype be converted to another under a rule?"""
    return np.can_cast(
        dtype(from_) if isinstance(from_, Node) else from_, dtype(to) if isinstance(to, Node) else to, casting
    )


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    """The inexact type that all arrays can be converted to."""
    return np.common_type(*(np.asarray(data_of(a)) for a in arrays))


@implements(np.may_share_memory, np.shares_memory)
def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """Could two arrays lie in the same memory?"""
    return np.may_share_memory(data_of(a), data_of(b), max_work)


@implements(np.array2string)
def array2string(a: Any, *args: Any, **kwargs: Any) -> str:
    """The data as text."""
    return np.array2string(np.asarray(data_of(a)), *args, **kwargs)


@implements(np.array_str)
def array_str(a: Any, *args: Any, **kwargs: Any) -> str:
    """The data as text."""
    return np.array_str(np.asarray(data_of(a)), *args, **kwargs)


@implements(np.array_repr)
def array_repr(arr: Any, *args: Any, **kwargs: Any) -> str:
    """The data as text with its type."""
    return np.array_repr(np.asarray(data_of(arr)), *args, **kwargs)


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Are all elements close?"""
    return np.all(np.isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Are the shapes and all elements equal?"""
    if np.shape(a1) != np.shape(a2):
        return False
    same = np.equal(a1, a2)
    return np.all(np.logical_or(same, np.logical_and(np.isnan(a1), np.isnan(a2))) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Are all elements equal after broadcasting?"""
    try:
        np.broadcast_shapes(np.shape(a1), np.shape(a2))
    except ValueError:
        return False
    return np.all(np.equal(a1, a2))


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """Is each element among the test elements?"""
    found = np.any(np.equal(np.expand_dims(element, -1), np.ravel(test_elements)), axis=-1)
    return np.logical_not(found) if invert else found


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """Is the imaginary part 0? Elementwise."""
    return np.equal(np.imag(x), 0.0)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Is the imaginary part not 0? Elementwise."""
    return np.not_equal(np.imag(x), 0.0)


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """Is x +∞? Elementwise."""
    refuse_in_place("np.isposinf", {"out": out})
    return np.equal(x, np.inf)


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """Is x -∞? Elementwise."""
    refuse_in_place("np.isneginf", {"out": out})
    return np.equal(x, -np.inf)

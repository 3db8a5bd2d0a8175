"""Sorting and order statistics, and the indices of extremes, which have no derivative.

Sorting is stable: of equal elements the one that came first stays first, and the gradient of each place goes to the
element that stands there. Where the order changes, at ties, that is one of the one-sided derivatives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..domain import Case
from ..graph import shape as shape_of
from ..op import op
from .indexing import place_along_axis, take, take_along_axis
from .shape import moveaxis, reshape, transpose

__all__ = [
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "median",
    "partition",
    "percentile",
    "quantile",
    "searchsorted",
    "sort",
    "topk",
]

KINK = "of equal elements, the gradient of each place goes to the one that stands there in a stable sort"
INSTEAD = "A position does not change a little: train with softmax and cross entropy, decide with {}."

SORT = (
    Case((4,), distinct=True),
    Case((2, 3), distinct=True),
    Case((2, 3), distinct=True, axis=0, kind="stable"),
    Case((2, 3, 2), distinct=True, axis=-2),
    Case((2, 3), distinct=True, axis=None),
    Case((1,), distinct=True),
    Case((0,)),
    Case((0, 2), axis=0),
)


@op(
    "argsort",
    numpy=np.argsort,
    differentiable=False,
    instead=INSTEAD.format("argsort, or use the values that sort gives"),
    cases=SORT,
)
def argsort(x, *, axis=-1, kind=None):
    """Indices that sort along an axis, of the flattened array if axis is None; always stable. No derivative."""
    return np.argsort(x, axis, kind="stable")


@op("sort", numpy=np.sort, kinks=KINK, cases=SORT)
def sort(x, *, axis=-1, kind=None):
    """Sorted along an axis, smallest first; flattened first if axis is None."""
    return np.sort(x, axis, kind=kind)


def sort_vjp(g, ans, x, axis, kind):
    """Bring each cotangent back to where its element came from: the rank of an element is its place in the result."""
    if axis is None:
        return reshape(sort_vjp(g, ans, reshape(x, shape=(-1,)), 0, kind), shape=shape_of(x))
    rank = argsort(argsort(x, axis=axis), axis=axis)
    return take_along_axis(g, rank, axis=axis)


sort.defvjp(sort_vjp)

PARTITION = (
    Case((5,), distinct=True, kth=2),
    Case((5,), distinct=True, kth=(1, -1)),
    Case((2, 4), distinct=True, kth=1, axis=0),
    Case((2, 4), distinct=True, kth=3, axis=None),
)


@op(
    "argpartition", numpy=np.argpartition, differentiable=False, instead=INSTEAD.format("argpartition"), cases=PARTITION
)
def argpartition(x, *, kth, axis=-1):
    """Indices that partition along an axis: see `partition`. No derivative."""
    return np.argpartition(x, kth, axis)


@op("partition", numpy=np.partition, kinks=KINK, cases=PARTITION)
def partition(x, *, kth, axis=-1):
    """Place `kth` gets the element that sorting would put there; none before it is larger, none after it smaller."""
    return np.partition(x, kth, axis)


def partition_vjp(g, ans, x, kth, axis):
    """The elements of x and of the result correspond by rank."""
    if axis is None:
        return reshape(partition_vjp(g, ans, reshape(x, shape=(-1,)), kth, 0), shape=shape_of(x))
    rank = argsort(argsort(x, axis=axis), axis=axis)
    return take_along_axis(g, take_along_axis(argsort(ans, axis=axis), rank, axis=axis), axis=axis)


partition.defvjp(partition_vjp)


@op(
    "top k",
    kinks=KINK,
    results=("values", "indices"),
    cases=(
        Case((5,), distinct=True, k=2),
        Case((2, 4), distinct=True, k=3),
        Case((3, 2), distinct=True, k=1, axis=0),
        Case((3,), distinct=True, k=3),
        Case((2, 3), distinct=True, k=0),
    ),
)
def topk(x, *, k, axis=-1):
    """The k largest elements along an axis, largest first, and their indices, which have no derivative.

    Of equal elements the first comes first.
    """
    x = np.asarray(x)
    n = x.shape[normalize_axis_index(axis, x.ndim)]
    if not 0 <= k <= n:
        raise ValueError(f"wanted k from 0 to the length {n} of axis {axis}, got {k}")
    backwards = n - 1 - np.argsort(np.flip(x, axis), axis, kind="stable")  # of equal elements, the last comes first
    indices = np.take(np.flip(backwards, axis), np.arange(k), axis)
    return np.take_along_axis(x, indices, axis), indices


topk.defvjp(lambda g, ans, x, k, axis: place_along_axis(g[0], ans[1], length=shape_of(x)[axis], axis=axis))

# order statistics


def rows_of(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """Return x with the reduced axes joined in a last one, and the order in which its axes then stand."""
    shape = shape_of(x)
    n = len(shape)
    reduced = tuple(range(n)) if axis is None else tuple(a % n for a in (axis if isinstance(axis, tuple) else (axis,)))
    kept = tuple(i for i in range(n) if i not in reduced)
    rows = reshape(
        transpose(x, axes=kept + reduced), shape=(*(shape[i] for i in kept), math.prod(shape[i] for i in reduced))
    )
    return rows, kept + reduced


def order_statistic_vjp(g: Any, x: Any, at: np.ndarray, axis: Any) -> Any:
    """Differentiate a reduction that interpolates between the sorted elements number floor(at) and floor(at) + 1.

    Args:
        g: cotangent, its last axis as long as `at`; the other axes are those of x that are not reduced.
        x: the operand.
        at: places in sorted order, from 0 to n - 1, whole or between.
        axis: what is reduced.
    """
    rows, order = rows_of(x, axis)
    shape, n = shape_of(x), shape_of(rows)[-1]
    if n == 0:
        return x * 0.0  # nothing, in the shape of nothing
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    weight = at - low
    ranked = argsort(rows, axis=-1)
    back = place_along_axis(g * (1.0 - weight), take(ranked, low, axis=-1), length=n, axis=-1)
    back = back + place_along_axis(g * weight, take(ranked, high, axis=-1), length=n, axis=-1)
    return transpose(
        reshape(back, shape=tuple(shape[i] for i in order)), axes=tuple(order.index(i) for i in range(len(shape)))
    )


ORDER_STATISTIC = (
    Case((5,), distinct=True),
    Case((4,), distinct=True),
    Case((2, 3), distinct=True, axis=0),
    Case((2, 3), distinct=True, axis=-1, keepdims=True),
    Case((2, 3, 2), distinct=True, axis=(0, 2)),
    Case((2, 3), distinct=True),
    Case((2, 3), distinct=True, keepdims=True),
    Case((1,)),
    Case(()),
    Case("python"),
)


@op("median", numpy=np.median, kinks=KINK, cases=ORDER_STATISTIC)
def median(x, *, axis=None, keepdims=False):
    """Middle of the sorted elements over axes; the mean of the two in the middle if their number is even."""
    return np.median(x, axis=axis, keepdims=keepdims)


def median_vjp(g, ans, x, axis, keepdims):
    """Half way in the sorted order."""
    *kept, n = shape_of(rows_of(x, axis)[0])
    return order_statistic_vjp(reshape(g, shape=(*kept, 1)), x, np.array([(n - 1) / 2]), axis)


median.defvjp(median_vjp)


@op(
    "quantile",
    numpy=np.quantile,
    kinks=KINK,
    cases=(
        *(Case(*case.arguments, distinct=True, q=0.3, **case.attrs) for case in ORDER_STATISTIC),
        Case((5,), distinct=True, q=(0.0, 0.25, 1.0)),
        Case((3, 4), distinct=True, q=(0.1, 0.9), axis=0),
        Case((3, 4), distinct=True, q=(0.1, 0.9), axis=-1, keepdims=True),
        Case((5,), distinct=True, q=0.4, method="lower"),
        Case((5,), distinct=True, q=0.4, method="midpoint"),
        Case((7,), distinct=True, q=0.37, method="hazen"),
        Case((7,), distinct=True, q=0.37, method="median_unbiased"),
    ),
)
def quantile(x, *, q, axis=None, method: Any = "linear", keepdims=False):
    """Quantiles over axes: the q-th part of the elements is smaller. An array of q makes a new first axis.

    Differentiable in x; q is a constant. The methods are NumPy's.
    """
    x = np.asarray(x)
    out = np.quantile(x, q, axis=axis, method=method, keepdims=keepdims)
    return out.astype(x.dtype) if x.dtype.kind == "f" else out  # an array of q would make float64 of float32


def quantile_vjp(g, ans, x, q, axis, method, keepdims):
    """Every method interpolates between neighbours in sorted order; the quantile of 0 … n-1 tells at which place."""
    shape = shape_of(rows_of(x, axis)[0])
    place = np.ravel(np.quantile(np.arange(float(shape[-1])), q, method=method))
    if np.ndim(q) == 0:
        g = reshape(g, shape=(*shape[:-1], 1))
    else:
        g = moveaxis(reshape(g, shape=(len(place), *shape[:-1])), source=0, destination=-1)
    return order_statistic_vjp(g, x, place, axis)


quantile.defvjp(quantile_vjp)


def percentile(x, *, q, axis=None, method="linear", keepdims=False):
    """Quantiles with q in percent."""
    return quantile(x, q=np.true_divide(q, 100), axis=axis, method=method, keepdims=keepdims)


# positions: no derivative

ARG = (
    Case((3,), distinct=True),
    Case((2, 3), distinct=True),
    Case((2, 3), distinct=True, axis=0),
    Case((2, 3), distinct=True, axis=-1, keepdims=True),
    Case(()),
    Case("python"),
)


@op("argmax", numpy=np.argmax, differentiable=False, instead=INSTEAD.format("argmax"), cases=ARG)
def argmax(x, *, axis=None, keepdims=False):
    """Index of the first maximum along an axis; of the flattened array if axis is None. No derivative."""
    return np.argmax(x, axis, keepdims=keepdims)


@op("argmin", numpy=np.argmin, differentiable=False, instead=INSTEAD.format("argmin"), cases=ARG)
def argmin(x, *, axis=None, keepdims=False):
    """Index of the first minimum along an axis; of the flattened array if axis is None. No derivative."""
    return np.argmin(x, axis, keepdims=keepdims)


@op(
    "searchsorted",
    numpy=np.searchsorted,
    differentiable=False,
    instead="A place among numbers does not change a little: use the numbers themselves, or sums of smooth steps.",
    cases=(Case(np.array([0.0, 1.0, 2.0]), (4,)), Case(np.array([0.0, 1.0]), (), side="right")),
)
def searchsorted(a, v, *, side: Any = "left"):
    """Places at which v would be inserted into the sorted vector a to keep it sorted. No derivative."""
    return np.searchsorted(a, v, side)

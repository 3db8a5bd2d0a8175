"""Norms of vectors and matrices, and the condition number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..domain import NONZERO, Case
from ..graph import dtype as dtype_of
from ..graph import shape as shape_of
from ..op import op
from .arithmetic import power_of
from .comparison import equal, where
from .elementary import absolute, sign
from .linalg import as_matrix, distinct, inv, inv_vjp, svd
from .shape import expand_dims, moveaxis, reshape, sum_to

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

# norms


def norm_axes(x, ord, axis):
    """Return the axes over which `norm` goes, and whether it is a norm of matrices."""
    n = len(shape_of(x))
    if axis is None:
        return tuple(range(n)), ord not in (None, "fro", "f") and n == 2
    axes = normalize_axis_tuple(axis, n)
    return axes, len(axes) == 2 and ord not in (None, "fro", "f")


def kept(x, axes):
    """The shape of x after a reduction over axes that keeps them as 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape_of(x)))


def share(mask, axes):
    """Equal shares, with sum 1, for those whom a mask marks."""
    marked = where(mask, 1.0, 0.0)
    return marked / sum_to(marked, shape=kept(mask, axes))


def vector_norm_slope(ans, x, ord, axes):
    """d ‖x‖ / dx; `ans` has the shape of x with length 1 along the axes."""
    if ord in (None, 2, "fro", "f"):
        zero = equal(ans, 0.0)
        return where(zero, 0.0, x / where(zero, 1.0, ans))
    if ord == 1:
        return sign(x)
    if ord == 0:
        return x * 0.0
    if abs(ord) == math.inf:
        return sign(x) * share(equal(absolute(x), ans), axes)
    zero = equal(ans, 0.0)
    ratio = absolute(x) / where(zero, 1.0, ans)
    return where(zero, 0.0, sign(x) * power_of(where(zero, 1.0, ratio), exponent=ord - 1))


def matrix_norm_slope(ans, x, ord, axes):
    """d ‖A‖ / dA for the norms that are no vector norms."""
    row, col = axes
    if ord in (1, -1, math.inf, -math.inf):
        over = row if abs(ord) == 1 else col
        sums = sum_to(absolute(x), shape=kept(x, (over,)))
        return sign(x) * share(equal(sums, ans), axes)
    matrices = moveaxis(x, source=axes, destination=(-2, -1))
    zero = equal(moveaxis(ans, source=axes, destination=(-2, -1)), 0.0) if ord != -2 else np.False_
    # A matrix of zeros has no singular vectors to choose: another one takes its place, and the slope is 0.
    rows, columns = shape_of(matrices)[-2:]
    stand_in = np.eye(rows, columns, dtype=dtype_of(x)) * np.arange(1, columns + 1, dtype=dtype_of(x))
    u, s, vh = svd(where(zero, stand_in, matrices), full_matrices=False)
    if ord != "nuc":
        extreme = s[..., :1] if ord == 2 else s[..., -1:]
        u = u * expand_dims(share(equal(s, extreme), (len(shape_of(s)) - 1,)), axis=-2)
    return moveaxis(where(zero, 0.0, u @ vh), source=(-2, -1), destination=axes)


def norm_vjp(g, ans, x, ord, axis, keepdims):
    """g times the slope."""
    axes, matrices = norm_axes(x, ord, axis)
    shape = kept(x, axes)
    g, ans = reshape(g, shape=shape), reshape(ans, shape=shape)
    return g * (matrix_norm_slope if matrices else vector_norm_slope)(ans, x, ord, axes)


NORM_KINKS = (
    "0 at x = 0 for orders 2 and nuc; |x| has slope 0 at 0; a tie of largest elements shares its gradient equally"
)


@op(
    "‖x‖",
    numpy=np.linalg.norm,
    domain=(NONZERO,),
    kinks=NORM_KINKS,
    cases=(
        Case((3,)),
        Case((2, 3)),
        Case((2, 3, 2)),
        Case((3,), ord=1),
        Case((3,), ord=3),
        Case((3,), ord=2.5),
        Case((3,), ord=0, order=1),
        Case((4,), ord=math.inf, distinct=True),
        Case((4,), ord=-math.inf, distinct=True),
        Case((2, 3), axis=1),
        Case((2, 3), axis=-2, keepdims=True, ord=3),
        Case((2, 3), keepdims=True),
        Case((2, 3, 4), axis=(0, 2)),
        Case((2, 3), ord="fro"),
        Case(distinct(2, 3), ord="nuc"),
        Case(distinct(3, 2), ord=2),
        Case(distinct(3, 3), ord=-2),
        Case((2, 3), ord=1),
        Case((2, 3), ord=-1),
        Case((2, 3), ord=math.inf),
        Case((3, 2, 2), ord=-math.inf, axis=(2, 0), keepdims=True),
        Case(distinct(2, 3, 2), ord=2, axis=(-2, -1)),
        Case(distinct(2, 3, 2), ord="nuc", axis=(-1, -2)),
        Case(np.zeros(2), order=1, name="zero"),
        Case((0,)),
    ),
)
def norm(x, *, ord=None, axis=None, keepdims=False):
    """Norm of vectors or matrices: order 2 of all elements by default; over one axis, vectors; over two axes, matrices.

    At x = 0 the gradient of the norm of order 2, and of the nuclear norm, is taken as 0, the smallest subgradient.
    """
    return np.linalg.norm(x, ord, axis, keepdims)


norm.defvjp(norm_vjp)


@op(
    "‖x‖",
    numpy=np.linalg.vector_norm,
    domain=(NONZERO,),
    kinks=NORM_KINKS,
    cases=(
        Case((3,)),
        Case((2, 3)),
        Case((2, 3), axis=0, keepdims=True),
        Case((2, 3, 2), axis=(0, 2), ord=3),
        Case((2, 3), ord=1),
        Case((2, 3), ord=math.inf, distinct=True),
    ),
)
def vector_norm(x, *, ord: Any = 2, axis=None, keepdims: Any = False):
    """Norm of vectors, which stand along an axis, along several, or, if axis is None, along all."""
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def vector_norm_vjp(g, ans, x, ord, axis, keepdims):
    """g times the slope."""
    n = len(shape_of(x))
    axes = tuple(range(n)) if axis is None else normalize_axis_tuple(axis, n)
    shape = kept(x, axes)
    return reshape(g, shape=shape) * vector_norm_slope(reshape(ans, shape=shape), x, ord, axes)


vector_norm.defvjp(vector_norm_vjp)


@op(
    "‖A‖",
    numpy=np.linalg.matrix_norm,
    domain=(NONZERO,),
    kinks=NORM_KINKS,
    cases=(
        Case((3, 2)),
        Case((2, 3, 2), keepdims=True),
        Case(distinct(2, 3), ord="nuc"),
        Case(distinct(2, 3), ord=2),
        Case((2, 3), ord=1),
    ),
)
def matrix_norm(x, *, ord: Any = "fro", keepdims: Any = False):
    """Norm of each matrix: "fro", "nuc", 1, -1, 2, -2, inf or -inf."""
    return np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)


matrix_norm.defvjp(lambda g, ans, x, **attrs: norm_vjp(g, ans, x, axis=(-2, -1), **attrs))


@op(
    "cond",
    numpy=np.linalg.cond,
    cases=(
        Case(distinct(3, 3)),
        Case(distinct(3, 2)),
        Case(distinct(2, 3, 3), p=-2),
        Case(distinct(3, 3), p="fro"),
        Case(distinct(3, 3), p=1, order=1),
    ),
)
def cond(x, *, p=None):
    """Condition number: norm of A times norm of A⁻¹; largest over smallest singular value by default."""
    return np.linalg.cond(x, p)


def cond_vjp(g, ans, x, p):
    """Product rule; for singular values, the quotient rule."""
    g, ans = as_matrix(g), as_matrix(ans)
    axes = (len(shape_of(x)) - 2, len(shape_of(x)) - 1)
    if p in (None, 2, -2):
        high, low = (2, -2) if p != -2 else (-2, 2)
        top, bottom = (matrix_norm(x, ord=o, keepdims=True) for o in (high, low))
        return g / bottom * (matrix_norm_slope(top, x, high, axes) - ans * matrix_norm_slope(bottom, x, low, axes))
    inverse = inv(x)
    slope = vector_norm_slope if p == "fro" else matrix_norm_slope
    size, inverse_size = (matrix_norm(a, ord=p, keepdims=True) for a in (x, inverse))
    return g * (inverse_size * slope(size, x, p, axes) + inv_vjp(size * slope(inverse_size, inverse, p, axes), inverse))


cond.defvjp(cond_vjp)

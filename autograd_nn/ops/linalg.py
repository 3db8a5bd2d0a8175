"""Linear algebra: products, solutions and decompositions. (being written)"""

from __future__ import annotations

import math

import numpy as np

from ..domain import Case
from ..graph import shape as shape_of
from ..op import op
from .shape import expand_dims, reshape

__all__ = ["dot", "matmul"]


def rows(x):
    """All leading axes in one: (..., n) becomes (product, n)."""
    *lead, n = shape_of(x)
    return reshape(x, shape=(math.prod(lead), n))


def matmul_left(g, ans, x, y):
    """d (x y) / dx: g yᵀ."""
    if x.ndim == 2 == y.ndim:
        return g @ y.T
    if x.ndim == 1 == y.ndim:
        return g * y
    if y.ndim == 1:
        return expand_dims(g, axis=-1) * y
    if x.ndim == 1:
        return y @ g if y.ndim == 2 else reshape(y @ expand_dims(g, axis=-1), shape=shape_of(y)[:-1])
    return g @ y.mT


def matmul_right(g, ans, x, y):
    """d (x y) / dy: xᵀ g; leading axes that y lacks are contracted at once, not summed afterwards."""
    if x.ndim == 2 == y.ndim:
        return x.T @ g
    if x.ndim == 1 == y.ndim:
        return g * x
    if y.ndim == 1:
        return reshape(g, shape=(math.prod(shape_of(g)),)) @ rows(x)
    if x.ndim == 1:
        return expand_dims(x, axis=-1) * expand_dims(g, axis=-2)
    return rows(x).T @ rows(g) if y.ndim == 2 else x.mT @ g


@op(
    "@",
    numpy=(np.matmul, np.linalg.matmul),
    linear=True,
    complex=True,
    cases=(
        Case((2, 3), (3, 4)),
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((3,), (3, 2)),
        Case((4, 2, 3), (3,)),
        Case((3,), (4, 3, 2)),
        Case((4, 2, 3), (3, 2)),
        Case((4, 2, 3), (4, 3, 2)),
        Case((2, 3), (4, 3, 2)),
        Case((2, 1, 2, 3), (4, 3, 1)),
        Case((0, 3), (3, 2)),
        Case((2, 0), (0, 3)),
        Case((1, 1), (1, 1)),
    ),
)
def matmul(x, y):
    """Matrix product of the last two axes; leading axes broadcast, vectors are rows on the left and columns on the right."""
    return np.matmul(x, y)


matmul.defvjp(matmul_left, matmul_right)


def dot(x, y):
    """(being written)"""
    return matmul(x, y)

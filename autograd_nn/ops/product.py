"""Products of vectors, matrices and higher arrays: matmul, dot, tensordot, einsum and their kin.

All are linear in each operand, so a rule is the same product with the cotangent in place of an operand.
"""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from ..domain import Case
from ..graph import dtype as dtype_of
from ..graph import shape as shape_of
from ..op import op
from .elementary import conj
from .shape import expand_dims, moveaxis, reshape, sum_to, transpose

__all__ = [
    "cross",
    "dot",
    "einsum",
    "inner",
    "kron",
    "linear",
    "matmul",
    "multi_dot",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
]

BILINEAR = {"linear": True, "complex": True}

# products of matrices


def times(x, y):
    """x @ y. For two matrices ndarray.dot is the same BLAS call, half a microsecond sooner."""
    if type(x) is np.ndarray is type(y) and x.ndim == 2 == y.ndim:
        return x.dot(y)
    return x @ y


def rows(x):
    """All leading axes in one: (..., n) becomes (product, n)."""
    *lead, n = shape_of(x)
    return reshape(x, shape=(math.prod(lead), n))


def matmul_left(g, ans, x, y):
    """d (x y) / dx: g yᵀ."""
    if x.ndim == 2 == y.ndim:
        return times(g, y.T)
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
        return times(x.T, g)
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
    cases=(
        Case((2, 3), (3, 4), complex=True),
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
    **BILINEAR,
)
def matmul(x, y):
    """Product of the last two axes; leading axes broadcast. A vector is a row on the left, a column on the right."""
    return times(x, y) if type(x) is np.ndarray else np.matmul(x, y)


matmul.defvjp(matmul_left, matmul_right)


@op(
    "x·W+b",
    cases=(
        Case((4, 3), (3, 2), (2,)),
        Case((3,), (3, 2), (2,)),
        Case((2, 4, 3), (3, 1), (1,)),
        Case((0, 3), (3, 2), (2,)),
        Case((4, 3), (3, 2), ()),
        Case((4, 3), (3, 2), (2,), complex=True),
    ),
    complex=True,
)
def linear(x, w, b):
    """x w + b: x is (..., in_features), w (in_features, out_features), b (out_features,)."""
    out = times(x, w) if type(x) is np.ndarray else np.matmul(x, w)
    if len(shape_of(w)) != 2 or shape_of(b) not in (out.shape[-1:], ()):
        raise ValueError("wanted w of shape (in_features, out_features) and b of shape (out_features,)")
    return np.add(out, b, out=out) if out.dtype == getattr(b, "dtype", None) else out + b


linear.defvjp(
    lambda g, ans, x, w, b: times(g, w.T),
    lambda g, ans, x, w, b: matmul_right(g, ans, x, w),
    lambda g, ans, x, w, b: g,
)


@op(
    "multi_dot",
    numpy=np.linalg.multi_dot,
    cases=(
        Case((2, 3), (3, 4), (4, 2)),
        Case((3,), (3, 4), (4,)),
        Case((2, 3), (3, 3), (3, 2), (2,)),
        Case((2, 3), (3, 2)),
    ),
    complex=True,
)
def multi_dot(*xs):
    """Product of several matrices in the cheapest order; the first may be a row vector, the last a column vector."""
    dtype = np.result_type(*xs)  # of all: NumPy would multiply masks, or small integers, among themselves
    return np.linalg.multi_dot([np.asarray(x, dtype) for x in xs])


def multi_dot_vjp(position, g, ans, *xs):
    """(left)ᵀ g (right)ᵀ, where left and right are the products of the factors before and after."""
    matrices = list(xs)
    if len(shape_of(xs[0])) == 1:
        matrices[0] = expand_dims(xs[0], axis=0)
    if len(shape_of(xs[-1])) == 1:
        matrices[-1] = expand_dims(xs[-1], axis=1)
    g = reshape(g, shape=(shape_of(matrices[0])[0], shape_of(matrices[-1])[1]))
    left = [m.T for m in reversed(matrices[:position])]
    right = [m.T for m in reversed(matrices[position + 1 :])]
    return reshape(multi_dot(*left, g, *right), shape=shape_of(xs[position]))


multi_dot.defvjp(multi_dot_vjp)

# contractions


def contraction_vjp(position, g, x, y, x_axes, y_axes):
    """Cotangent of operand 0 or 1 of a contraction of the axes `x_axes` of x with `y_axes` of y.

    The result has the free axes of x, then those of y. So g is contracted with the free axes of the other operand.
    """
    nx, ny = len(shape_of(x)), len(shape_of(y))
    x_free = [i for i in range(nx) if i not in x_axes]
    y_free = [i for i in range(ny) if i not in y_axes]
    if position == 0:
        part = tensordot(g, y, axes=(tuple(range(len(x_free), len(x_free) + len(y_free))), tuple(y_free)))
        order = x_free + [x_axes[y_axes.index(i)] for i in sorted(y_axes)]  # the axis of x on which each axis belongs
    else:
        part = tensordot(x, g, axes=(tuple(x_free), tuple(range(len(x_free)))))
        order = [y_axes[x_axes.index(i)] for i in sorted(x_axes)] + y_free
    if order == sorted(order):
        return part
    return transpose(part, axes=tuple(order.index(i) for i in range(len(order))))


def contracted(axes, nx, ny):
    """Return which axes of x and of y a `tensordot` contracts, as lists that count from 0."""
    if isinstance(axes, int):
        return list(range(nx - axes, nx)), list(range(axes))
    x_axes, y_axes = ([a] if isinstance(a, int) else list(a) for a in axes)
    return [a % nx for a in x_axes], [a % ny for a in y_axes]


def tensordot_vjp(position):
    """Return the rule of `tensordot` for one operand."""
    return lambda g, ans, x, y, axes: contraction_vjp(
        position, g, x, y, *contracted(axes, len(shape_of(x)), len(shape_of(y)))
    )


@op(
    "⊗·",
    numpy=(np.tensordot, np.linalg.tensordot),
    cases=(
        Case((2, 3, 4), (3, 4, 2)),
        Case((2, 3), (3, 2), axes=1),
        Case((2,), (3,), axes=0),
        Case((2, 3, 4), (4, 3, 5), axes=((1, 2), (1, 0))),
        Case((2, 3, 4), (4, 2, 5), axes=((-1, 0), (0, 1))),
        Case((2, 3), (3,), axes=(1, 0)),
        Case((2, 3, 4), (5, 4, 2, 3), axes=((2, 0, 1), (1, 2, 3))),
        Case((2, 0), (0, 3), axes=1),
        Case((2, 3), (3, 2), axes=1, complex=True),
    ),
    **BILINEAR,
)
def tensordot(x, y, *, axes=2):
    """Sum of products over pairs of axes: the last `axes` of x with the first of y, or a pair of lists of axes."""
    return np.tensordot(x, y, axes)


tensordot.defvjp(tensordot_vjp(0), tensordot_vjp(1))


def dot_vjp(position):
    """Return the rule of `dot` for one operand: the last axis of x with the second-last of y."""

    def vjp(g, ans, x, y):
        nx, ny = len(shape_of(x)), len(shape_of(y))
        if nx == 0 or ny == 0:
            return g * (y, x)[position]
        if nx <= 2 and ny <= 2:
            return (matmul_left, matmul_right)[position](g, ans, x, y)
        return contraction_vjp(position, g, x, y, [nx - 1], [max(ny - 2, 0)])

    return vjp


@op(
    "·",
    numpy=np.dot,
    cases=(
        Case((3,), (3,)),
        Case((2, 3), (3, 2), complex=True),
        Case((2, 3), (3,)),
        Case((3,), (3, 2)),
        Case((2, 3, 4), (5, 4, 2)),
        Case((2, 3, 4), (4,)),
        Case((4,), (2, 4, 3)),
        Case((), (2, 3)),
        Case((2, 3), "python"),
        Case("python", "python"),
        Case((0,), (0,)),
    ),
    **BILINEAR,
)
def dot(x, y):
    """NumPy's dot product: of vectors, of matrices, of the last axis of x with the second-last of y; or scaling."""
    return np.dot(x, y) if np.ndim(x) and np.ndim(y) else np.multiply(x, y)


dot.defvjp(dot_vjp(0), dot_vjp(1))


def inner_vjp(position):
    """Return the rule of `inner` for one operand."""

    def vjp(g, ans, x, y):
        nx, ny = len(shape_of(x)), len(shape_of(y))
        return g * (y, x)[position] if nx == 0 or ny == 0 else contraction_vjp(position, g, x, y, [nx - 1], [ny - 1])

    return vjp


@op(
    "·",
    numpy=np.inner,
    cases=(
        Case((3,), (3,)),
        Case((2, 3), (4, 3)),
        Case((2, 3), (3,)),
        Case((3,), (2, 4, 3)),
        Case((2, 3), ()),
        Case("python", "python"),
        Case((2, 3), (4, 3), complex=True),
    ),
    **BILINEAR,
)
def inner(x, y):
    """Sum of products over the last axes, without complex conjugation."""
    return np.inner(x, y) if np.ndim(x) and np.ndim(y) else np.multiply(x, y)


inner.defvjp(inner_vjp(0), inner_vjp(1))


def flat(x):
    """The elements in one axis."""
    return reshape(x, shape=(math.prod(shape_of(x)),))


@op(
    "⊗",
    numpy=np.outer,
    cases=(Case((2,), (3,), complex=True), Case((2, 2), (3,)), Case((2,), ()), Case((0,), (3,))),
    **BILINEAR,
)
def outer(x, y):
    """Products of each element of x with each of y, both flattened: x yᵀ."""
    return np.outer(x, y)


outer.defvjp(
    lambda g, ans, x, y: reshape(g @ flat(y), shape=shape_of(x)),
    lambda g, ans, x, y: reshape(flat(x) @ g, shape=shape_of(y)),
)


@op(
    "·",
    numpy=np.vdot,
    cases=(
        Case((3,), (3,)),
        Case((2, 3), (2, 3)),
        Case((2, 3), (6,)),
        Case((), ()),
        Case((0,), (0,)),
        Case((3,), (3,), complex=True),
    ),
    **BILINEAR,
)
def vdot(x, y):
    """Sum of products of all elements, those of x conjugated."""
    return np.vdot(x, y)


vdot.defvjp(
    lambda g, ans, x, y: conj(g * reshape(y, shape=shape_of(x))),
    lambda g, ans, x, y: g * conj(reshape(x, shape=shape_of(y))),
)


@op(
    "·",
    numpy=(np.vecdot, np.linalg.vecdot),
    cases=(
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((2, 1, 3), (4, 3)),
        Case((3, 2), (3, 2), axis=0),
        Case((3, 2, 4), (3, 1, 4), axis=0),
        Case((0,), (0,)),
        Case((2, 3), (3,), complex=True),
    ),
    **BILINEAR,
)
def vecdot(x, y, *, axis: Any = -1):
    """Sum of products along one axis of both, x conjugated; the other axes broadcast."""
    return np.vecdot(x, y, axis=axis)  # pyright: ignore[reportCallIssue]  (the stubs know no axis)


def vecdot_vjp(position):
    """Return the rule of `vecdot` for one operand."""

    def vjp(g, ans, x, y, axis):
        this, other = (x, y) if position == 0 else (y, x)
        along = moveaxis(other, source=axis, destination=-1)  # the other axes broadcast without the one contracted
        lengths = list(shape_of(this))
        n = lengths.pop(axis)
        part = expand_dims(g, axis=-1) * (along if position == 0 else conj(along))
        part = sum_to(part if position else conj(part), shape=(*lengths, n))
        return moveaxis(part, source=-1, destination=axis)

    return vjp


vecdot.defvjp(vecdot_vjp(0), vecdot_vjp(1))


def kron_vjp(position):
    """Return the rule of `kron` for one operand: every axis of g is a pair of axes, one of x and one of y."""

    def vjp(g, ans, x, y):
        n = len(shape_of(g))
        xs = (1,) * (n - len(shape_of(x))) + shape_of(x)
        ys = (1,) * (n - len(shape_of(y))) + shape_of(y)
        pairs = reshape(g, shape=tuple(length for pair in zip(xs, ys, strict=True) for length in pair))
        this, other, shape, first = (x, y, ys, 1) if position == 0 else (y, x, xs, 0)
        part = tensordot(pairs, reshape(other, shape=shape), axes=(tuple(range(first, 2 * n, 2)), tuple(range(n))))
        return reshape(part, shape=shape_of(this))

    return vjp


@op(
    "⊗",
    numpy=np.kron,
    cases=(
        Case((2, 3), (3, 2)),
        Case((2,), (3,), complex=True),
        Case((2,), (2, 3)),
        Case((2, 1, 2), (3,)),
        Case((), (2, 2)),
        Case((0,), (2,)),
    ),
    **BILINEAR,
)
def kron(x, y):
    """Kronecker product: every element of x times the whole of y."""
    return np.kron(x, y)


kron.defvjp(kron_vjp(0), kron_vjp(1))


def last_axis(x, axis):
    """Move an axis to the end."""
    return moveaxis(x, source=axis, destination=-1)


def cross_vjp(position):
    """Return the rule of `cross` for one operand: d(x×y)·g is y×g for x, g×x for y."""

    def vjp(g, ans, x, y, axisa, axisb, axisc, axis):
        if axis is not None:
            axisa = axisb = axisc = axis
        x, y, g = last_axis(x, axisa), last_axis(y, axisb), last_axis(g, axisc)
        this, part, back = (x, cross(y, g), axisa) if position == 0 else (y, cross(g, x), axisb)
        return moveaxis(sum_to(part, shape=shape_of(this)), source=-1, destination=back)

    return vjp


@op(
    "×",
    numpy=(np.cross, np.linalg.cross),
    cases=(
        Case((3,), (3,), complex=True),
        Case((2, 3), (3,)),
        Case((2, 1, 3), (4, 3)),
        Case((3, 2), (3, 2), axis=0),
        Case((3, 2), (2, 3), axisa=0, axisb=1, axisc=0),
        Case((3,), (2, 3), axisc=0),
        Case((3, 4, 2), (3, 2), axisa=0, axisb=0, axisc=1),
        Case((0, 3), (3,)),
    ),
    **BILINEAR,
)
def cross(x, y, *, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Cross product of vectors of 3 components, which stand along `axisa` of x, `axisb` of y, `axisc` of the result."""
    if axis is not None:
        axisa = axisb = axisc = axis
    if np.shape(x)[axisa] != 3 or np.shape(y)[axisb] != 3:
        raise ValueError(
            "wanted vectors of 3 components; of vectors in the plane: x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]"
        )
    return np.cross(x, y, axisa=axisa, axisb=axisb, axisc=axisc)


cross.defvjp(cross_vjp(0), cross_vjp(1))

# Einstein summation


def explicit(subscripts, shapes):
    """Return a list of index letters for each operand, and for the result, with "..." and "->" written out.

    Raises:
        ValueError: if the subscripts do not fit the operands.
    """
    text = subscripts.replace(" ", "")
    left, arrow, out = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"wanted {len(terms)} operands for the subscripts {subscripts!r}")
    unused = [c for c in string.ascii_letters if c not in text]
    depth = max(
        (len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True) if "..." in t), default=0
    )
    dots = unused[len(unused) - depth :] if depth > 0 else []
    if not arrow:
        letters = [c for t in terms for c in t.replace("...", "")]
        out = "..." * ("..." in left) + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    written = []
    for term, shape in zip(terms, shapes, strict=True):
        if "..." in term:
            n = len(shape) - len(term.replace("...", ""))
            term = term.replace("...", "".join(dots[depth - n :]))
        if len(term) != len(shape):
            raise ValueError(
                f"wanted {len(term)} axes for {term!r} of subscripts {subscripts!r}, got an operand of shape {shape}"
            )
        written.append(list(term))
    return written, list(out.replace("...", "".join(dots)))


@op(
    "Σ",
    cases=(
        Case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        Case((2, 3), (3, 4), subscripts="ij,jk"),
        Case((3, 3), subscripts="ii"),
        Case((3, 3), subscripts="ii->i"),
        Case((3, 3, 2), subscripts="iij->j"),
        Case((2, 3), subscripts="ij->"),
        Case((2, 3), subscripts="ij->ji"),
        Case((2, 3), subscripts="ba"),
        Case((2, 3), (2,), subscripts="ij,i->i"),
        Case((2, 3), (3,), (2,), subscripts="ij,j,i->"),
        Case((2, 2, 3), (3, 2), subscripts="...j,jk->...k"),
        Case((4, 2, 3), (3,), subscripts="...ij,...j"),
        Case((2, 3), (2, 4, 3), subscripts="i...,ij...->j..."),
        Case((2, 1, 3), (4, 3), subscripts="...,...->..."),
        Case((3,), (3,), subscripts="i,j->ij", complex=True),
        Case((2, 2, 2), subscripts="iii"),
        Case((2, 3), (), subscripts="ij,->i"),
        Case((2, 0), (0, 3), subscripts="ij,jk->ik"),
        Case((2, 3), (1, 3), subscripts="ij,ij->ij"),
    ),
    **BILINEAR,
)
def einsum(*xs, subscripts):
    """Einstein summation: sum of products over the indices that the result does not have, such as "ij,jk->ik".

    An index that an operand repeats runs along its diagonal; "..." stands for any leading axes, which broadcast.
    """
    if not isinstance(subscripts, str):
        raise TypeError("wanted subscripts as one string, such as 'ij,jk->ik'; lists of integers are not taken")
    explicit(subscripts, [np.shape(x) for x in xs])
    # Two operands or more are worth a plan (and BLAS) unless they are small: making the plan takes 20 µs.
    if len(xs) == 1 or sum(np.size(x) for x in xs) <= 2048:
        return np.einsum(subscripts, *xs)
    dtype = np.result_type(*xs)  # of all: a plan may begin with two masks, or two arrays of small integers
    return np.einsum(subscripts, *[np.asarray(x, dtype) for x in xs], optimize=True)


def einsum_vjp(position, g, ans, *xs, subscripts):
    """The same sum with g in place of the operand, and the operand in place of the result.

    Along an index that only the operand has, every element gets the same: a factor of ones brings that index. Of a
    repeated index only the diagonal gets anything: a factor of the identity matrix brings the second occurrence.
    """
    terms, out = explicit(subscripts, [shape_of(x) for x in xs])
    x, mine = xs[position], terms[position]
    factors = [g, *(other for i, other in enumerate(xs) if i != position)]
    letters = [out, *(term for i, term in enumerate(terms) if i != position)]
    known: dict[str, int] = {}
    for term, factor in zip(letters, factors, strict=True):
        for c, n in zip(term, shape_of(factor), strict=True):
            known[c] = n if known.get(c, 1) == 1 else known[c]
    unused = iter([c for c in string.ascii_letters if c not in known and c not in mine])
    result = []
    for c, n in zip(mine, shape_of(x), strict=True):
        if c in result:
            again = next(unused)
            factors.append(np.eye(n, dtype=dtype_of(x)))
            letters.append([c, again])
            c = again
        elif known.get(c, 1) == 1:  # also if the others have length 1 there, which broadcasts
            factors.append(np.ones(n, dtype=dtype_of(x)))
            letters.append([c])
        result.append(c)
    return einsum(*factors, subscripts=",".join("".join(t) for t in letters) + "->" + "".join(result))


einsum.defvjp(einsum_vjp)

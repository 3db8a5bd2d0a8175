"""Linear algebra: products of arrays, solutions of linear systems, decompositions of matrices, norms.

Matrices are the last two axes; leading axes are batches. Conventions:

* A function of a symmetric matrix (`cholesky`, `eigh`, `eigvalsh`) is a function of its symmetric part (A + Aᵀ)/2, so
  its gradient is symmetric. NumPy reads one triangle; on symmetric matrices, and no others are accepted, that is the same.
* Eigenvectors and singular vectors of equal eigenvalues or singular values have no derivative: the result is then nan
  or inf, never a wrong finite number. Functions of the values alone, symmetric in them, are smooth there: use
  `eigvalsh` and `svdvals`, whose first derivative is finite and right for them.
* Complex matrices are accepted where the rule is written for them, and refused elsewhere.
"""

from __future__ import annotations

import math
import string

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..domain import NONZERO, Case, Interval
from ..graph import dtype as dtype_of
from ..graph import shape as shape_of
from ..op import op
from .arithmetic import power_of
from .comparison import equal, where
from .elementary import absolute, sign
from .shape import concatenate, expand_dims, moveaxis, reshape, sum_to, transpose, tril

__all__ = [
    "cholesky",
    "cofactor",
    "cond",
    "cross",
    "det",
    "dot",
    "eigh",
    "eigvalsh",
    "einsum",
    "expm",
    "inner",
    "inv",
    "kron",
    "linear",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "vdot",
    "vecdot",
    "vector_norm",
]

BILINEAR = {"linear": True, "complex": True}

# products of matrices


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
    """Matrix product of the last two axes; leading axes broadcast, vectors are rows on the left and columns on the right."""
    return np.matmul(x, y)


matmul.defvjp(matmul_left, matmul_right)


@op("x·W+b", cases=(Case((4, 3), (3, 2), (2,)), Case((3,), (3, 2), (2,)), Case((2, 4, 3), (3, 1), (1,)), Case((0, 3), (3, 2), (2,)), Case((4, 3), (3, 2), ()), Case((4, 3), (3, 2), (2,), complex=True)), complex=True)
def linear(x, w, b):
    """x w + b: x is (..., in_features), w (in_features, out_features), b (out_features,)."""
    out = np.matmul(x, w)
    if np.ndim(w) != 2 or np.shape(b) not in ((), out.shape[-1:]):
        raise ValueError("wanted w of shape (in_features, out_features) and b of shape (out_features,)")
    return np.add(out, b, out=out) if out.dtype == getattr(b, "dtype", None) else out + b


linear.defvjp(
    lambda g, ans, x, w, b: g @ w.T,
    lambda g, ans, x, w, b: matmul_right(g, ans, x, w),
    lambda g, ans, x, w, b: g,
)


@op(
    "multi_dot",
    numpy=np.linalg.multi_dot,
    cases=(Case((2, 3), (3, 4), (4, 2)), Case((3,), (3, 4), (4,)), Case((2, 3), (3, 3), (3, 2), (2,)), Case((2, 3), (3, 2))),
    complex=True,
)
def multi_dot(*xs):
    """Product of several matrices in the cheapest order; the first may be a row vector, the last a column vector."""
    return np.linalg.multi_dot(xs)


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
    return lambda g, ans, x, y, axes: contraction_vjp(position, g, x, y, *contracted(axes, len(shape_of(x)), len(shape_of(y))))


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
    """NumPy's dot product: inner product of vectors, product of matrices, last axis of x with second-last of y, or scaling."""
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
    cases=(Case((3,), (3,)), Case((2, 3), (4, 3)), Case((2, 3), (3,)), Case((3,), (2, 4, 3)), Case((2, 3), ()), Case("python", "python"), Case((2, 3), (4, 3), complex=True)),
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
    numpy=(np.outer, np.linalg.outer),
    cases=(Case((2,), (3,), complex=True), Case((1,), (1,)), Case((0,), (3,))),  # np.linalg.outer takes vectors only
    **BILINEAR,
)
def outer(x, y):
    """Products of each element of x with each of y, both flattened: x yᵀ."""
    return np.outer(x, y)


outer.defvjp(
    lambda g, ans, x, y: reshape(g @ flat(y), shape=shape_of(x)),
    lambda g, ans, x, y: reshape(flat(x) @ g, shape=shape_of(y)),
)


@op("·", numpy=np.vdot, cases=(Case((3,), (3,)), Case((2, 3), (2, 3)), Case((2, 3), (6,)), Case((), ()), Case((0,), (0,))), linear=True)
def vdot(x, y):
    """Sum of products of all elements."""
    return np.vdot(x, y)


vdot.defvjp(
    lambda g, ans, x, y: g * reshape(y, shape=shape_of(x)),
    lambda g, ans, x, y: g * reshape(x, shape=shape_of(y)),
)


@op(
    "·",
    numpy=(np.vecdot, np.linalg.vecdot),
    cases=(Case((3,), (3,)), Case((2, 3), (3,)), Case((2, 1, 3), (4, 3)), Case((3, 2), (3, 2), axis=0), Case((3, 2, 4), (3, 1, 4), axis=0), Case((0,), (0,))),
    linear=True,
)
def vecdot(x, y, *, axis=-1):
    """Sum of products along one axis of both; the others broadcast."""
    return np.vecdot(x, y, axis=axis)


def vecdot_vjp(position):
    """Return the rule of `vecdot` for one operand."""

    def vjp(g, ans, x, y, axis):
        this, other = (x, y) if position == 0 else (y, x)
        along = moveaxis(other, source=axis, destination=-1)  # the other axes broadcast without the one contracted
        lengths = list(shape_of(this))
        n = lengths.pop(axis)
        part = sum_to(expand_dims(g, axis=-1) * along, shape=(*lengths, n))
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


@op("⊗", numpy=np.kron, cases=(Case((2, 3), (3, 2)), Case((2,), (3,), complex=True), Case((2,), (2, 3)), Case((2, 1, 2), (3,)), Case((), (2, 2)), Case((0,), (2,))), **BILINEAR)
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
    """Cross product of vectors of three components, which stand along `axisa` of x, `axisb` of y and `axisc` of the result."""
    if axis is not None:
        axisa = axisb = axisc = axis
    if 3 != np.shape(x)[axisa] or 3 != np.shape(y)[axisb]:
        raise ValueError("wanted vectors of 3 components; of two vectors in the plane write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]")
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
    depth = max((len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True) if "..." in t), default=0)
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
            raise ValueError(f"wanted {len(term)} axes for the subscripts {term!r} of {subscripts!r}, got an operand of shape {shape}")
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
    return np.einsum(subscripts, *xs, optimize=len(xs) > 1 and sum(np.size(x) for x in xs) > 2048)


def einsum_vjp(position, g, ans, *xs, subscripts):
    """The same sum with g in place of the operand, and the operand in place of the result.

    Along an index that only the operand has, every element gets the same: a factor of ones brings that index. Of a
    repeated index only the diagonal gets anything: a factor of the identity matrix brings the second occurrence.
    """
    terms, out = explicit(subscripts, [shape_of(x) for x in xs])
    x, mine = xs[position], terms[position]
    factors = [g, *(other for i, other in enumerate(xs) if i != position)]
    letters = [out, *(term for i, term in enumerate(terms) if i != position)]
    known = {c for term in letters for c in term}
    unused = iter([c for c in string.ascii_letters if c not in known and c not in mine])
    result = []
    for c, n in zip(mine, shape_of(x), strict=True):
        if c in result:
            again = next(unused)
            factors.append(np.eye(n, dtype=dtype_of(x)))
            letters.append([c, again])
            c = again
        elif c not in known:
            factors.append(np.ones(n, dtype=dtype_of(x)))
            letters.append([c])
        result.append(c)
    return einsum(*factors, subscripts=",".join("".join(t) for t in letters) + "->" + "".join(result))


einsum.defvjp(einsum_vjp)

# matrices for test cases


def regular(*shape):
    """Return a recipe for well conditioned matrices."""
    return lambda rng: rng.uniform(-1.0, 1.0, shape) + 2.0 * np.eye(*shape[-2:])


def definite(*shape):
    """Return a recipe for symmetric positive definite matrices with eigenvalues at least 0.7 apart."""

    def recipe(rng):
        q = np.linalg.qr(rng.standard_normal(shape))[0]
        return (q * (1.0 + np.arange(shape[-1]) * 0.8 + 0.1 * rng.random(shape[-1]))) @ q.mT

    return recipe


def distinct(*shape):
    """Return a recipe for matrices with singular values at least 0.7 apart."""

    def recipe(rng):
        u, s, vh = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
        return (u * (1.0 + np.arange(s.shape[-1]) * 0.8 + 0.1 * rng.random(s.shape[-1]))) @ vh

    return recipe


# solutions

SQUARE = (Case(regular(3, 3)), Case(regular(2, 3, 3)), Case(regular(1, 1)), Case((0, 0), name="0x0"))


@op("A⁻¹", numpy=np.linalg.inv, cases=(*SQUARE, Case(regular(3, 3), complex=True)), complex=True)
def inv(x):
    """Inverse of each matrix."""
    return np.linalg.inv(x)


inv.defvjp(lambda g, ans, x: -(ans.mT @ g @ ans.mT))


def column(x):
    """A vector as a matrix of one column."""
    return expand_dims(x, axis=-1)


def solve_right(g, ans, a, b):
    """d solve(A, b) / db: A⁻ᵀ g."""
    if b.ndim > 1:
        return solve(a.mT, g)
    return solve(a.mT, g) if g.ndim == 1 else reshape(solve(a.mT, column(g)), shape=shape_of(g))


@op(
    "A⁻¹b",
    numpy=np.linalg.solve,
    cases=(
        Case(regular(3, 3), (3,)),
        Case(regular(3, 3), (3, 2)),
        Case(regular(2, 3, 3), (3,)),
        Case(regular(2, 3, 3), (2, 3, 1)),
        Case(regular(3, 3), (2, 3, 2)),
        Case(regular(2, 1, 2, 2), (3, 2, 1)),
        Case(regular(1, 1), (1,)),
        Case(regular(3, 3), (3, 2), complex=True),
    ),
    complex=True,
)
def solve(a, b):
    """The x for which a x = b. As in NumPy 2, b is a vector only if it has one axis, else matrices."""
    return np.linalg.solve(a, b)


def solve_left(g, ans, a, b):
    """d solve(A, b) / dA: -(A⁻ᵀ g) xᵀ."""
    z = solve_right(g, ans, a, b)
    return -(column(z) * expand_dims(ans, axis=-2)) if b.ndim == 1 else -(z @ ans.mT)


solve.defvjp(solve_left, solve_right)


def products_without_one(s):
    """Along the last axis, the product of all numbers but one, without division."""
    left, right = np.ones_like(s), np.ones_like(s)
    np.cumprod(s[..., :-1], axis=-1, out=left[..., 1:])
    right[..., :-1] = np.cumprod(s[..., :0:-1], axis=-1)[..., ::-1]
    return left * right


@op("cof", cases=(*SQUARE, Case(np.diag([2.0, 0.0, 1.0]), order=1, name="singular")))
def cofactor(x):
    """Cofactors of each matrix, the derivative of its determinant: det(A) A⁻ᵀ, also where A is singular."""
    u, s, vh = np.linalg.svd(x)
    orientation = np.linalg.det(u) * np.linalg.det(vh)
    return orientation[..., None, None] * ((u * products_without_one(s)[..., None, :]) @ vh)


def cofactor_vjp(g, ans, x):
    """In the bases of the singular vectors x is diagonal, and cofactors move as products of the other singular values.

    With p[i, j] the product of all s but s[i] and s[j], cofactor (i, j) of the diagonal matrix moves with element (j, i)
    by -p[i, j], and cofactor (i, i) with element (k, k) by p[i, k]. Nothing is divided, so x may be singular.
    """
    u, s, vh = svd(x, full_matrices=False)
    n = shape_of(x)[-1]
    p = np.ones((n, n), dtype_of(x))
    for k in range(n):
        others = np.ones((n, n), bool)
        others[k] = others[:, k] = False
        p = where(others, s[..., k : k + 1, None], 1.0) * p
    p = where(np.eye(n, dtype=bool), 0.0, p)
    inside = u.mT @ g @ vh.mT
    on = np.eye(n, dtype=dtype_of(x))
    diagonal = p @ column((inside * on) @ np.ones(n, dtype_of(x)))
    orientation = slogdet(u)[0] * slogdet(vh)[0]
    moved = diagonal * on - p * inside.mT
    return expand_dims(orientation, axis=(-2, -1)) * (u @ moved @ vh)


cofactor.defvjp(cofactor_vjp)


def as_matrix(g):
    """A scalar for each matrix, ready to be multiplied with the matrices."""
    return expand_dims(g, axis=(-2, -1))


@op("det", numpy=np.linalg.det, cases=(*SQUARE, Case(np.diag([2.0, 0.0, 1.0]), name="singular"), Case(regular(3, 3), complex=True)), complex=True)
def det(x):
    """Determinant of each matrix. Its first two derivatives are right for singular matrices too (real ones)."""
    return np.linalg.det(x)


det.defvjp(
    lambda g, ans, x: as_matrix(g) * cofactor(x) if dtype_of(x).kind != "c" else as_matrix(g * ans) * inv(x).mT
)


@op("log|det|", numpy=np.linalg.slogdet, results=("sign", "logabsdet"), kinks="the sign has derivative 0", cases=SQUARE)
def slogdet(x):
    """Sign and logarithm of the absolute value of the determinant of each matrix."""
    return tuple(np.linalg.slogdet(x))


slogdet.defvjp(lambda g, ans, x: as_matrix(g[1]) * inv(x).mT + as_matrix(g[0]) * 0.0)


@op("Aⁿ", numpy=np.linalg.matrix_power, cases=(*(Case(regular(3, 3), n=n) for n in (0, 1, 2, 3, 5, -1, -2)), Case(regular(2, 2, 2), n=4), Case(regular(2, 2), n=3, complex=True)), complex=True)
def matrix_power(x, *, n):
    """Each square matrix to an integer power; the inverse to the power -n if n is negative."""
    return np.linalg.matrix_power(x, n)


def matrix_power_vjp(g, ans, x, n):
    """By repeated squaring: A²ᵐ is the square of Aᵐ, A²ᵐ⁺¹ is A times A²ᵐ."""
    if n < 0:
        inverse = inv(x)
        return inv_vjp(matrix_power_vjp(g, ans, inverse, -n), inverse)
    if n == 0:
        return g * 0.0
    if n == 1:
        return g
    if n % 2:
        rest = matrix_power(x, n=n - 1)
        return g @ rest.mT + matrix_power_vjp(x.mT @ g, rest, x, n - 1)
    half = matrix_power(x, n=n // 2)
    return matrix_power_vjp(g @ half.mT + half.mT @ g, half, x, n // 2)


def inv_vjp(g, inverse):
    """d A⁻¹: -A⁻ᵀ g A⁻ᵀ."""
    return -(inverse.mT @ g @ inverse.mT)


matrix_power.defvjp(matrix_power_vjp)

# decompositions


def symmetric(x):
    """Return the symmetric part of a matrix that is symmetric up to a tenth of its largest element.

    Room enough for rounding, for steps of gradient descent and for central differences of single elements; a matrix
    of which only one triangle is filled in is refused.

    Raises:
        ValueError: if it is far from symmetric.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        return x  # NumPy will say it
    if np.max(np.abs(x - x.mT), initial=0.0) > 0.1 * np.max(np.abs(x), initial=0.0):
        raise ValueError("wanted a symmetric matrix; write (a + a.mT) / 2 for the symmetric part of a")
    return (x + x.mT) / 2


def symmetrized(g):
    """The symmetric part of a cotangent."""
    return 0.5 * (g + g.mT)


SPD = (Case(definite(3, 3)), Case(definite(2, 3, 3)), Case(definite(1, 1)), Case((0, 0), name="0x0"))


@op("chol", numpy=np.linalg.cholesky, cases=(*SPD, Case(definite(3, 3), upper=True)))
def cholesky(x, *, upper=False):
    """Lower triangular L with L Lᵀ = A for each symmetric positive definite matrix A (upper U with Uᵀ U = A if `upper`).

    A function of the symmetric part of A: the gradient is symmetric.
    """
    return np.linalg.cholesky(symmetric(x), upper=upper)


def cholesky_vjp(g, ans, x, upper):
    """L⁻ᵀ Φ(Lᵀ g) L⁻¹, symmetrized; Φ takes the lower triangle and half of the diagonal (Murray 2016, equation 10)."""
    factor, g = (ans.mT, g.mT) if upper else (ans, g)
    inside = factor.mT @ g
    inside = tril(inside, k=-1) + 0.5 * inside * np.eye(shape_of(x)[-1], dtype=dtype_of(x))
    return symmetrized(solve(factor.mT, solve(factor.mT, inside.mT).mT))


cholesky.defvjp(cholesky_vjp)


def antisymmetric_quotient(values):
    """1 / (values[j] - values[i]) off the diagonal, 0 on it."""
    n = shape_of(values)[-1]
    same = np.eye(n, dtype=bool)
    return where(same, 0.0, 1.0 / where(same, 1.0, expand_dims(values, axis=-2) - column(values)))


@op("eigh", numpy=np.linalg.eigh, results=("eigenvalues", "eigenvectors"), cases=(*SPD, Case(definite(3, 3), UPLO="U")))
def eigh(x, *, UPLO="L"):
    """Eigenvalues, rising, and eigenvectors, in columns, of each symmetric matrix.

    A function of the symmetric part: the gradient is symmetric, and `UPLO` makes no difference. Where two eigenvalues
    are equal the derivative is nan; functions of eigenvalues alone use `eigvalsh`.
    """
    return tuple(np.linalg.eigh(symmetric(x), UPLO))


def eigh_vjp(g, ans, x, UPLO):
    """Q (diag(g_w) + F ∘ Qᵀ g_Q) Qᵀ, symmetrized, with F[i, j] = 1 / (w[j] - w[i]) (Giles 2008, section 3.1)."""
    (gw, gq), (w, q) = g, ans
    inside = expand_dims(gw, axis=-2) * np.eye(shape_of(w)[-1], dtype=dtype_of(w)) + antisymmetric_quotient(w) * (q.mT @ gq)
    return symmetrized(q @ inside @ q.mT)


eigh.defvjp(eigh_vjp)


@op("eigvalsh", numpy=np.linalg.eigvalsh, cases=(*SPD, Case(definite(3, 3), UPLO="U"), Case(np.eye(2), order=0, name="equal eigenvalues")))
def eigvalsh(x, *, UPLO="L"):
    """Eigenvalues, rising, of each symmetric matrix. A function of the symmetric part: the gradient is symmetric.

    Of equal eigenvalues only symmetric functions (sum, product, sum of squares) are smooth; their gradient is right.
    Second derivatives there are nan.
    """
    return np.linalg.eigvalsh(symmetric(x), UPLO)


def eigvalsh_vjp(g, ans, x, UPLO):
    """Q diag(g) Qᵀ."""
    q = eigh(x, UPLO=UPLO)[1]
    return (q * expand_dims(g, axis=-2)) @ q.mT


eigvalsh.defvjp(eigvalsh_vjp)

RECTANGLES = (Case(distinct(3, 3)), Case(distinct(4, 2)), Case(distinct(2, 4)), Case(distinct(2, 3, 2)), Case(distinct(1, 1)))


@op("svd", results=("u", "s", "vh"), cases=tuple(Case(*c.arguments, full_matrices=False) for c in RECTANGLES) + (Case(distinct(2, 2), full_matrices=True),))
def svd(x, *, full_matrices=True):
    """Singular value decomposition u diag(s) vh of each matrix; s falls.

    Of a rectangular matrix only the vectors that belong to singular values have a derivative: ``full_matrices=False``.
    Where two singular values are equal the derivative is nan; functions of singular values alone use `svdvals`.
    """
    m, n = np.shape(x)[-2:]
    if full_matrices and m != n:
        raise ValueError("wanted full_matrices=False: the other singular vectors of a rectangular matrix are not determined, so they have no derivative")
    return tuple(np.linalg.svd(x, full_matrices=False))


def svd_vjp(g, ans, x, full_matrices):
    """Differential of A = U S Vᵀ (Townsend 2016, equations 19 to 22)."""
    (gu, gs, gvh), (u, s, vh) = g, ans
    m, n = shape_of(x)[-2:]
    k = shape_of(s)[-1]
    quotient = antisymmetric_quotient(s) * antisymmetric_sum(s)  # 1 / (s[j]² - s[i]²), without cancellation
    left, right = quotient * (u.mT @ gu), quotient * (vh @ gvh.mT)
    s_rows, s_columns = expand_dims(s, axis=-2), column(s)
    inside = (left + left.mT) * s_rows + s_columns * (right + right.mT)
    inside = inside + expand_dims(gs, axis=-2) * np.eye(k, dtype=dtype_of(s))
    out = u @ inside @ vh
    if m > k:
        scaled = gu / s_rows
        out = out + (scaled - u @ (u.mT @ scaled)) @ vh
    if n > k:
        scaled = gvh / s_columns
        out = out + u @ (scaled - (scaled @ vh.mT) @ vh)
    return out


def antisymmetric_sum(s):
    """1 / (s[j] + s[i]) off the diagonal, 0 on it."""
    same = np.eye(shape_of(s)[-1], dtype=bool)
    return where(same, 0.0, 1.0 / where(same, 1.0, expand_dims(s, axis=-2) + column(s)))


svd.defvjp(svd_vjp)


@op("svdvals", numpy=np.linalg.svdvals, cases=RECTANGLES)
def svdvals(x):
    """Singular values, falling, of each matrix.

    Of equal singular values only symmetric functions (sum, product, sum of squares) are smooth; their gradient is right.
    """
    return np.linalg.svd(x, compute_uv=False)


def svdvals_vjp(g, ans, x):
    """U diag(g) Vᵀ."""
    u, _, vh = svd(x, full_matrices=False)
    return (u * expand_dims(g, axis=-2)) @ vh


svdvals.defvjp(svdvals_vjp)


@op("qr", numpy=np.linalg.qr, results=("q", "r"), cases=(Case(regular(3, 3)), Case(regular(4, 2)), Case(regular(2, 4)), Case(regular(2, 3, 2), mode="reduced"), Case(regular(1, 1)), Case(regular(2, 2), mode="complete")))
def qr(x, *, mode="reduced"):
    """Q with orthonormal columns and upper triangular R with Q R = A, for each matrix of full rank.

    Of a wide matrix, the leading square block must have full rank.
    """
    m, n = np.shape(x)[-2:]
    if mode != "reduced" and not (mode == "complete" and m <= n):
        raise ValueError("wanted mode='reduced'; r alone is qr(a)[1], and the other columns of a complete q are not determined, so they have no derivative")
    return tuple(np.linalg.qr(x))


def qr_vjp(g, ans, x, mode):
    """(g_Q + Q copyltu(R g_Rᵀ - g_Qᵀ Q)) R⁻ᵀ for tall matrices (Walter & Lehmann 2018); a wide one is [X Y], R is [U V].

    X = Q U is square, and V = Qᵀ Y passes its cotangent on to Q and Y (Roberts & Roberts 2020).
    """
    (gq, gr), (q, r) = g, ans
    m, n = shape_of(x)[-2:]
    if m >= n:
        return qr_tall(gq, gr, q, r)
    y, gv = x[..., :, m:], gr[..., :, m:]
    gx = qr_tall(gq + y @ gv.mT, gr[..., :, :m], q, r[..., :, :m])
    return concatenate(gx, q @ gv, axis=-1)


def qr_tall(gq, gr, q, r):
    """The rule for a matrix with no more columns than rows."""
    inside = r @ gr.mT - gq.mT @ q
    below = tril(inside, k=-1)
    copied = tril(inside) + below.mT
    return solve(r, (gq + q @ copied).mT).mT


qr.defvjp(qr_vjp)


@op("A⁺", numpy=np.linalg.pinv, cases=(Case(distinct(3, 3)), Case(distinct(4, 2)), Case(distinct(2, 4)), Case(distinct(2, 3, 2)), Case(distinct(3, 2), rcond=1e-10), Case(definite(2, 2), hermitian=False), Case(distinct(3, 2), rtol=1e-10)))
def pinv(x, *, rcond=None, hermitian=False, rtol=None):
    """Moore-Penrose pseudo-inverse of each matrix. The derivative is the one along matrices of the same rank."""
    if hermitian:
        raise ValueError("wanted hermitian=False, which is right for symmetric matrices too")
    return np.linalg.pinv(x, rcond) if rtol is None else np.linalg.pinv(x, rtol=rtol)


def pinv_vjp(g, ans, x, **attrs):
    """Golub & Pereyra 1973, equation 4.12: dP = -P dA P + P Pᵀ dAᵀ (1 - A P) + (1 - P A) dAᵀ Pᵀ P."""
    p, pt, gt = ans, ans.mT, g.mT
    across, along = gt @ (p @ pt), (pt @ p) @ gt
    return -(pt @ g @ pt) + (across - x @ (p @ across)) + (along - (along @ p) @ x)


pinv.defvjp(pinv_vjp)


@op("lstsq", cases=(Case(distinct(4, 2), (4,)), Case(distinct(4, 2), (4, 3)), Case(distinct(2, 4), (2,)), Case(distinct(3, 3), (3, 1)), Case(distinct(3, 2), (3,), rcond=1e-10)))
def lstsq(a, b, *, rcond=None):
    """The x that makes |a x - b| least; the shortest one if a is wide. One matrix, of full rank."""
    x, _, rank, _ = np.linalg.lstsq(a, b, rcond)
    if rank < min(np.shape(a)):
        raise np.linalg.LinAlgError(f"wanted a matrix of full rank {min(np.shape(a))}, as the solution jumps at others; its rank is {rank}")
    return x


def lstsq_parts(g, ans, a, b):
    """Return g, x and b as matrices, the pseudo-inverse P, and Pᵀ g."""
    g, x, b = (column(v) if v.ndim == 1 else v for v in (g, ans, b))
    p = pinv(a)
    return g, x, b, p, p.T @ g


def lstsq_left(g, ans, a, b, rcond):
    """The rule of `pinv` with g bᵀ for its g, in an order that makes no large matrices."""
    g, x, b, p, z = lstsq_parts(g, ans, a, b)
    out = -(z @ x.T)
    m, n = shape_of(a)
    if m > n:
        out = out + (b - a @ x) @ (p @ z).T
    if m < n:
        out = out + (p.T @ x) @ (g - a.T @ z).T
    return out


lstsq.defvjp(
    lstsq_left,
    lambda g, ans, a, b, rcond: reshape(lstsq_parts(g, ans, a, b)[-1], shape=shape_of(b)),
)


@op(
    "rank",
    numpy=np.linalg.matrix_rank,
    differentiable=False,
    instead="A rank is an integer: use the singular values, svdvals(a), for a smooth measure.",
    cases=(Case((3, 2)), Case((2, 3, 3)), Case(np.ones((2, 2)), tol=1e-8), Case(np.ones((2, 2)), hermitian=True), Case((3, 2), rtol=1e-8)),
)
def matrix_rank(x, *, tol=None, hermitian=False, rtol=None):
    """Number of singular values above a tolerance. No derivative."""
    return np.linalg.matrix_rank(x, tol, hermitian) if rtol is None else np.linalg.matrix_rank(x, hermitian=hermitian, rtol=rtol)


@op("expm", cases=(Case((3, 3)), Case((2, 2)), Case((1, 1))), domain=(Interval(-1.0, 1.0),))
def expm(x):
    """Exponential of each matrix: the sum of its powers over their factorials."""
    try:
        from scipy.linalg import expm as exponential
    except ImportError as error:
        raise ImportError('expm wanted SciPy: pip install "autograd_nn[jit]"') from error
    return exponential(x)


def expm_vjp(g, ans, x):
    """The upper right block of exp [[Aᵀ, g], [0, Aᵀ]] (Van Loan 1978; Higham 2008, equation 3.16)."""
    n = shape_of(x)[-1]
    below = concatenate(g * 0.0, x.mT, axis=-1)
    return expm(concatenate(concatenate(x.mT, g, axis=-1), below, axis=-2))[..., :n, n:]


expm.defvjp(expm_vjp)

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
    u, s, vh = svd(moveaxis(x, source=axes, destination=(-2, -1)), full_matrices=False)
    if ord != "nuc":
        extreme = s[..., :1] if ord == 2 else s[..., -1:]
        u = u * expand_dims(share(equal(s, extreme), (len(shape_of(s)) - 1,)), axis=-2)
    return moveaxis(u @ vh, source=(-2, -1), destination=axes)


def norm_vjp(g, ans, x, ord, axis, keepdims):
    """g times the slope."""
    axes, matrices = norm_axes(x, ord, axis)
    shape = kept(x, axes)
    g, ans = reshape(g, shape=shape), reshape(ans, shape=shape)
    return g * (matrix_norm_slope if matrices else vector_norm_slope)(ans, x, ord, axes)


NORM_KINKS = "0 at x = 0 for order 2; |x| has slope 0 at 0; a tie of largest elements shares its gradient equally"


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

    At x = 0 the gradient of the norm of order 2 is taken as 0, its smallest subgradient.
    """
    return np.linalg.norm(x, ord, axis, keepdims)


norm.defvjp(norm_vjp)


@op("‖x‖", numpy=np.linalg.vector_norm, domain=(NONZERO,), kinks=NORM_KINKS, cases=(Case((3,)), Case((2, 3)), Case((2, 3), axis=0, keepdims=True), Case((2, 3, 2), axis=(0, 2), ord=3), Case((2, 3), ord=1), Case((2, 3), ord=math.inf, distinct=True)))
def vector_norm(x, *, ord=2, axis=None, keepdims=False):
    """Norm of vectors, which stand along an axis, along several, or, if axis is None, along all."""
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def vector_norm_vjp(g, ans, x, ord, axis, keepdims):
    """g times the slope."""
    n = len(shape_of(x))
    axes = tuple(range(n)) if axis is None else normalize_axis_tuple(axis, n)
    shape = kept(x, axes)
    return reshape(g, shape=shape) * vector_norm_slope(reshape(ans, shape=shape), x, ord, axes)


vector_norm.defvjp(vector_norm_vjp)


@op("‖A‖", numpy=np.linalg.matrix_norm, domain=(NONZERO,), kinks=NORM_KINKS, cases=(Case((3, 2)), Case((2, 3, 2), keepdims=True), Case(distinct(2, 3), ord="nuc"), Case(distinct(2, 3), ord=2), Case((2, 3), ord=1)))
def matrix_norm(x, *, ord="fro", keepdims=False):
    """Norm of each matrix: "fro", "nuc", 1, -1, 2, -2, inf or -inf."""
    return np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)


matrix_norm.defvjp(lambda g, ans, x, ord, keepdims: norm_vjp(g, ans, x, ord, (-2, -1), keepdims))


@op("cond", numpy=np.linalg.cond, cases=(Case(distinct(3, 3)), Case(distinct(3, 2)), Case(distinct(2, 3, 3), p=-2), Case(distinct(3, 3), p="fro"), Case(distinct(3, 3), p=1, order=1)))
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

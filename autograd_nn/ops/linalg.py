"""Linear algebra: solutions of linear systems, determinants, decompositions of matrices.

Matrices are the last two axes; leading axes are batches. Conventions:

* A function of a symmetric matrix (`cholesky`, `eigh`, `eigvalsh`) is a function of its symmetric part (A + Aᵀ)/2, so
  its gradient is symmetric. NumPy reads one triangle; on symmetric matrices that is the same, and matrices that are
  far from symmetric are refused.
* Eigenvectors and singular vectors of equal eigenvalues or singular values have no derivative: the result is then nan
  or inf, never a wrong finite number. Functions of the values alone that are symmetric in them are smooth there: use
  `eigvalsh` and `svdvals`, whose first derivative is finite and right for them.
* Complex matrices are accepted where the rule is written for them, and refused elsewhere.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..domain import Case, Interval
from ..graph import dtype as dtype_of
from ..graph import shape as shape_of
from ..op import op
from .comparison import equal, where
from .elementary import absolute, conj, imag, real
from .reduction import max as maximum_over
from .reduction import sum as sum_over
from .shape import concatenate, expand_dims, reshape, tril

__all__ = [
    "cholesky",
    "cofactor",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
]

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

    With p[i, j] the product of all s but s[i] and s[j], cofactor (i, j) of the diagonal matrix moves with element
    (j, i) by -p[i, j], and cofactor (i, i) with element (k, k) by p[i, k]. Nothing is divided, so x may be singular.
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


@op(
    "det",
    numpy=np.linalg.det,
    cases=(*SQUARE, Case(np.diag([2.0, 0.0, 1.0]), name="singular"), Case(regular(3, 3), complex=True)),
    complex=True,
)
def det(x):
    """Determinant of each matrix. Its first two derivatives are right for singular matrices too (real ones)."""
    return np.linalg.det(x)


det.defvjp(lambda g, ans, x: as_matrix(g) * cofactor(x) if dtype_of(x).kind != "c" else as_matrix(g * ans) * inv(x).mT)


@op("log|det|", numpy=np.linalg.slogdet, results=("sign", "logabsdet"), kinks="the sign has derivative 0", cases=SQUARE)
def slogdet(x):
    """Sign and logarithm of the absolute value of the determinant of each matrix."""
    return tuple(np.linalg.slogdet(x))


slogdet.defvjp(lambda g, ans, x: as_matrix(g[1]) * inv(x).mT + as_matrix(g[0]) * 0.0)


@op(
    "Aⁿ",
    numpy=np.linalg.matrix_power,
    cases=(
        *(Case(regular(3, 3), n=n) for n in (0, 1, 2, 3, 5, -1, -2)),
        Case(regular(2, 2, 2), n=4),
        Case(regular(2, 2), n=3, complex=True),
    ),
    complex=True,
)
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
    """Lower triangular L with L Lᵀ = A for each symmetric positive definite A; upper U with Uᵀ U = A if `upper`.

    A function of the symmetric part of A: the gradient is symmetric.
    """
    return np.linalg.cholesky(symmetric(x), upper=upper)


def cholesky_vjp(g, ans, x, upper):
    """L⁻ᵀ Φ(Lᵀ g) L⁻¹, symmetrized; Φ takes the lower triangle and half of the diagonal (Murray 2016)."""
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
def eigh(x, *, UPLO: Any = "L"):
    """Eigenvalues, rising, and eigenvectors, in columns, of each symmetric matrix.

    A function of the symmetric part: the gradient is symmetric, and `UPLO` makes no difference. Where two eigenvalues
    are equal the derivative is nan; functions of eigenvalues alone use `eigvalsh`.
    """
    return tuple(np.linalg.eigh(symmetric(x), UPLO))


def eigh_vjp(g, ans, x, UPLO):
    """Q (diag(g_w) + F ∘ Qᵀ g_Q) Qᵀ, symmetrized, with F[i, j] = 1 / (w[j] - w[i]) (Giles 2008, section 3.1)."""
    (gw, gq), (w, q) = g, ans
    inside = expand_dims(gw, axis=-2) * np.eye(shape_of(w)[-1], dtype=dtype_of(w)) + antisymmetric_quotient(w) * (
        q.mT @ gq
    )
    return symmetrized(q @ inside @ q.mT)


eigh.defvjp(eigh_vjp)


@op(
    "eigvalsh",
    numpy=np.linalg.eigvalsh,
    cases=(*SPD, Case(definite(3, 3), UPLO="U"), Case(np.eye(2), order=0, name="equal eigenvalues")),
)
def eigvalsh(x, *, UPLO: Any = "L"):
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

# eigenvalues of any square matrix


def with_eigenvalues(*blocks):
    """Return a recipe for matrices that are similar to a block diagonal one, so with known eigenvalues."""
    n = sum(len(b) for b in blocks)

    def recipe(rng):
        basis, middle, at = regular(n, n)(rng), np.zeros((n, n)), 0
        for block in blocks:
            middle[at : at + len(block), at : at + len(block)] = block
            at += len(block)
        return basis @ middle @ np.linalg.inv(basis)

    return recipe


ROTATION = ((1.0, -2.0), (2.0, 1.0))  # eigenvalues 1 ± 2i
EIGEN = (
    Case(with_eigenvalues([[1.0]], [[2.0]], [[3.5]]), name="real eigenvalues"),
    Case(with_eigenvalues(ROTATION, [[3.5]]), name="complex eigenvalues"),
    Case(with_eigenvalues([[1.0]], [[2.0]], [[3.5]]), complex=True, name="complex matrix"),
)


@op("eig", numpy=np.linalg.eig, results=("eigenvalues", "eigenvectors"), complex=True, cases=EIGEN)
def eig(x):
    """Eigenvalues and eigenvectors, in columns, of each square matrix; complex unless all are real.

    An eigenvector has length 1, and its largest component is real. Where two eigenvalues are equal the derivative is
    nan.
    """
    return tuple(np.linalg.eig(x))


def eig_vjp(g, ans, x):
    """V⁻ᵀ (diag(g_w) + F ∘ Vᵀ g) Vᵀ, with F[i, j] = 1 / (w[j] - w[i]) (Boeddeker et al. 2017).

    From g is taken what would change the length of an eigenvector, or the phase of its largest component.
    """
    (gw, gv), (w, v) = g, ans
    change = sum_over(gv * v, axis=-2, keepdims=True)
    gu = gv - real(change) * conj(v)
    if dtype_of(v).kind == "c":
        size = where(equal(imag(v), 0.0), absolute(v), 0.0)
        largest = where(equal(size, maximum_over(size, axis=-2, keepdims=True)), 1.0, 0.0)
        largest = largest / sum_over(largest, axis=-2, keepdims=True)
        gu = gu - 1j * imag(change) * largest / where(equal(largest, 0.0), 1.0, v)
    inside = expand_dims(gw, axis=-2) * np.eye(shape_of(w)[-1]) + antisymmetric_quotient(w) * (v.mT @ gu)
    return solve(v.mT, inside @ v.mT)


eig.defvjp(eig_vjp)


@op("eigvals", numpy=np.linalg.eigvals, complex=True, cases=EIGEN)
def eigvals(x):
    """Eigenvalues of each square matrix, in no particular order; complex unless all are real.

    Of equal eigenvalues not even symmetric functions have a gradient here, as there may be too few eigenvectors.
    """
    return np.linalg.eig(x)[0]  # np.linalg.eigvals may give another order than the rule's eigenvectors have


def eigvals_vjp(g, ans, x):
    """V⁻ᵀ diag(g) Vᵀ."""
    v = eig(x)[1]
    return solve(v.mT, column(g) * v.mT)


eigvals.defvjp(eigvals_vjp)

# singular values

RECTANGLES = (
    Case(distinct(3, 3)),
    Case(distinct(4, 2)),
    Case(distinct(2, 4)),
    Case(distinct(2, 3, 2)),
    Case(distinct(1, 1)),
)


@op(
    "svd",
    results=("u", "s", "vh"),
    cases=tuple(Case(*c.arguments, full_matrices=False) for c in RECTANGLES)
    + (Case(distinct(2, 2), full_matrices=True),),
)
def svd(x, *, full_matrices=True):
    """Singular value decomposition u diag(s) vh of each matrix; s falls.

    Of a rectangular matrix only the vectors that belong to singular values have a derivative: ``full_matrices=False``.
    Where two singular values are equal the derivative is nan; functions of singular values alone use `svdvals`.
    """
    m, n = np.shape(x)[-2:]
    if full_matrices and m != n:
        raise ValueError(
            "wanted full_matrices=False: the other singular vectors of a rectangular matrix are not determined, "
            "so they have no derivative"
        )
    return tuple(np.linalg.svd(x, full_matrices=False))


def svd_vjp(g, ans, x, full_matrices):
    """Differential of A = U S Vᵀ (Townsend 2016)."""
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

    Of equal singular values only symmetric functions (sum, product, sum of squares) are smooth; their gradient is
    right. Second derivatives there are nan.
    """
    return np.linalg.svd(x, compute_uv=False)


def svdvals_vjp(g, ans, x):
    """U diag(g) Vᵀ."""
    u, _, vh = svd(x, full_matrices=False)
    return (u * expand_dims(g, axis=-2)) @ vh


svdvals.defvjp(svdvals_vjp)


@op(
    "qr",
    numpy=np.linalg.qr,
    results=("q", "r"),
    cases=(
        Case(regular(3, 3)),
        Case(regular(4, 2)),
        Case(regular(2, 4)),
        Case(regular(2, 3, 2), mode="reduced"),
        Case(regular(1, 1)),
        Case(regular(2, 2), mode="complete"),
    ),
)
def qr(x, *, mode="reduced"):
    """Q with orthonormal columns and upper triangular R with Q R = A, for each matrix of full rank.

    Of a wide matrix, the leading square block must have full rank.
    """
    m, n = np.shape(x)[-2:]
    if mode != "reduced" and not (mode == "complete" and m <= n):
        raise ValueError(
            "wanted mode='reduced'; r alone is qr(a)[1], and the other columns of a complete q are not determined, so "
            "they have no derivative"
        )
    return tuple(np.linalg.qr(x))


def qr_vjp(g, ans, x, mode):
    """(g_Q + Q copyltu(R g_Rᵀ - g_Qᵀ Q)) R⁻ᵀ for tall matrices (Walter & Lehmann 2010).

    A wide one is [X Y] with R = [U V]: X = Q U is square, and V = Qᵀ Y passes its cotangent on to Q and Y (Roberts &
    Roberts 2020).
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


@op(
    "A⁺",
    numpy=np.linalg.pinv,
    cases=(
        Case(distinct(3, 3)),
        Case(distinct(4, 2)),
        Case(distinct(2, 4)),
        Case(distinct(2, 3, 2)),
        Case(distinct(3, 2), rcond=1e-10),
        Case(definite(2, 2), hermitian=False),
        Case(distinct(3, 2), rtol=1e-10),
    ),
)
def pinv(x, *, rcond=None, hermitian=False, rtol=None):
    """Moore-Penrose pseudo-inverse of each matrix. The derivative is the one along matrices of the same rank."""
    if hermitian:
        raise ValueError("wanted hermitian=False, which is right for symmetric matrices too")
    return np.linalg.pinv(x, rcond) if rtol is None else np.linalg.pinv(x, rtol=rtol)


def pinv_vjp(g, ans, x, **attrs):
    """Golub & Pereyra 1973: dP = -P dA P + P Pᵀ dAᵀ (1 - A P) + (1 - P A) dAᵀ Pᵀ P."""
    p, pt, gt = ans, ans.mT, g.mT
    across, along = gt @ (p @ pt), (pt @ p) @ gt
    return -(pt @ g @ pt) + (across - x @ (p @ across)) + (along - (along @ p) @ x)


pinv.defvjp(pinv_vjp)


@op(
    "lstsq",
    cases=(
        Case(distinct(4, 2), (4,)),
        Case(distinct(4, 2), (4, 3)),
        Case(distinct(2, 4), (2,)),
        Case(distinct(3, 3), (3, 1)),
        Case(distinct(3, 2), (3,), rcond=1e-10),
    ),
)
def lstsq(a, b, *, rcond=None):
    """The x that makes |a x - b| least; the shortest one if a is wide. One matrix, of full rank."""
    x, _, rank, _ = np.linalg.lstsq(a, b, rcond)
    if rank < min(np.shape(a)):
        raise np.linalg.LinAlgError(
            f"wanted a matrix of full rank {min(np.shape(a))}, as the solution jumps at others; its rank is {rank}"
        )
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
    cases=(
        Case((3, 2)),
        Case((2, 3, 3)),
        Case(np.ones((2, 2)), tol=1e-8),
        Case(np.ones((2, 2)), hermitian=True),
        Case((3, 2), rtol=1e-8),
    ),
)
def matrix_rank(x, *, tol=None, hermitian=False, rtol=None):
    """Number of singular values above a tolerance. No derivative."""
    return (
        np.linalg.matrix_rank(x, tol, hermitian)
        if rtol is None
        else np.linalg.matrix_rank(x, hermitian=hermitian, rtol=rtol)
    )


@op("expm", cases=(Case((3, 3)), Case((2, 2)), Case((1, 1))), domain=(Interval(-1.0, 1.0),))
def expm(x):
    """Exponential of each matrix: the sum of its powers over their factorials."""
    try:
        scipy_linalg = importlib.import_module("scipy.linalg")
    except ImportError as error:
        raise ImportError(
            'expm is computed by SciPy, which is not installed: pip install scipy, or pip install "autograd-nn[jit]".'
        ) from error
    return scipy_linalg.expm(x)


def expm_vjp(g, ans, x):
    """The upper right block of exp [[Aᵀ, g], [0, Aᵀ]] (Higham 2008, section 3.2)."""
    n = shape_of(x)[-1]
    below = concatenate(g * 0.0, x.mT, axis=-1)
    return expm(concatenate(concatenate(x.mT, g, axis=-1), below, axis=-2))[..., :n, n:]


expm.defvjp(expm_vjp)

"""Functions of `numpy.linalg` that are made of others, or whose results have names there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..numpy_protocol import implements
from ..op import OPS

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "diagonal",
    "eigh",
    "lstsq",
    "matrix_transpose",
    "outer",
    "qr",
    "slogdet",
    "svd",
    "tensorinv",
    "tensorsolve",
    "trace",
]


class EighResult(NamedTuple):
    """Eigenvalues, rising, and eigenvectors in columns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """An orthogonal and an upper triangular factor."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """Sign of a determinant, and logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Left singular vectors in columns, singular values, falling, and right singular vectors in rows."""

    U: Any
    S: Any
    Vh: Any


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Eigenvalues and eigenvectors of symmetric matrices."""
    return EighResult(*OPS["eigh"](a, UPLO=UPLO))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Factors Q and R of matrices; R alone if mode is "r"."""
    return OPS["qr"](a)[1] if mode == "r" else QRResult(*OPS["qr"](a, mode=mode))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    """Sign and logarithm of the absolute value of determinants."""
    return SlogdetResult(*OPS["slogdet"](a))


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular value decomposition of matrices; singular values alone if not compute_uv."""
    return SVDResult(*OPS["svd"](a, full_matrices=full_matrices)) if compute_uv else OPS["svdvals"](a)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Any, Any, int, Any]:
    """Least squares: the solution, sums of squared residuals (of a tall matrix), the rank and the singular values."""
    x = OPS["lstsq"](a, b, rcond=rcond)
    rows, columns = np.shape(a)
    residuals = b - np.matmul(a, x)
    squares = np.sum(residuals * residuals, axis=0, keepdims=np.ndim(b) == 1) if rows > columns else np.zeros(0)
    return x, squares, min(rows, columns), OPS["svdvals"](a)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum along a diagonal of each matrix of a stack."""
    return np.trace(x, offset, -2, -1, **({} if dtype is None else {"dtype": dtype}))


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """A diagonal of each matrix of a stack."""
    return np.diagonal(x, offset, -2, -1)


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """Each matrix of a stack transposed."""
    return np.matrix_transpose(x)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """Products of each element of one vector with each of another."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(
            f"np.linalg.outer wanted two vectors, got {np.ndim(x1)} and {np.ndim(x2)} axes. np.outer flattens."
        )
    return np.outer(x1, x2)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """Inverse of an array seen as a matrix whose rows are the first `ind` axes."""
    shape = np.shape(a)
    rows = int(np.prod(shape[:ind], dtype=int))
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, -1))), shape[ind:] + shape[:ind])


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Solution x of tensordot(a, x, x.ndim) = b."""
    if axes is not None:
        rest = [i for i in range(np.ndim(a)) if i not in axes]
        a = np.transpose(a, rest + list(axes))
    unknowns = np.shape(a)[np.ndim(b) :]
    matrix = np.reshape(a, (-1, int(np.prod(unknowns, dtype=int))))
    return np.reshape(np.linalg.solve(matrix, np.ravel(b)), unknowns)

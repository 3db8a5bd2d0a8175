"""Averages, spreads and correlations, with and without missing numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..numpy_protocol import implements

__all__ = [
    "corrcoef",
    "cov",
]


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Covariance matrix of variables, one a row (a column if not rowvar), with optional constant weights."""
    x = variables(m, rowvar)
    if y is not None:
        x = np.concatenate([x, variables(y, rowvar)], 0)
    if dtype is not None:
        x = x.astype(dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None
    if fweights is not None:
        weights = np.asarray(fweights, float)
    if aweights is not None:
        weights = np.asarray(aweights, float) * (1.0 if weights is None else weights)
    if weights is None:
        centered = x - np.mean(x, axis=1, keepdims=True)
        return np.squeeze(centered @ np.conj(centered.T) / (np.shape(x)[1] - ddof))
    weights = weights.astype(x.dtype, copy=False)
    total = np.sum(weights)
    aw = np.asarray(aweights, weights.dtype) if aweights is not None else 1.0
    factor = total - ddof * (np.sum(weights * aw) / total if aweights is not None else 1.0)
    centered = x - np.sum(x * weights, axis=1, keepdims=True) / total
    return np.squeeze((centered * weights) @ np.conj(centered.T) / factor)


def variables(m: Any, rowvar: bool) -> Any:
    """Return observations as NumPy's cov reads them: one variable a row."""
    if np.ndim(m) > 2:
        raise ValueError(f"cov wanted one or two axes, got {np.ndim(m)}.")
    if np.ndim(m) < 2:
        return np.reshape(m, (1, -1))
    return m if rowvar or np.shape(m)[0] == 1 else m.T


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Correlation matrix of variables, one a row (a column if not rowvar)."""
    c = cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    return c / np.expand_dims(deviation, 1) / deviation

"""Differences, integrals, interpolation and polynomials on sampled data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Node
from ..numpy_protocol import implements

__all__ = [
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "polyadd",
    "polyder",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "trapezoid",
    "unwrap",
]


def along(axis: int, n: int, *parts: Any) -> tuple[Any, ...]:
    """Return an index with `parts` at an axis of n, and everything along the others."""
    return (slice(None),) * (axis % n) + parts


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:  # type: ignore[attr-defined]
    """Differences of neighbours along an axis, taken n times."""
    if n < 0:
        raise ValueError(f"diff wanted n ≥ 0, got {n}.")
    if np.ndim(a) == 0:
        raise ValueError("diff wanted at least one axis, got a scalar.")
    if n == 0:
        return a
    ends = [x for x in (prepend, a, append) if x is not np._NoValue]  # type: ignore[attr-defined]
    if len(ends) > 1:
        flat = list(np.shape(a))
        flat[axis] = 1
        a = np.concatenate([x if np.ndim(x) else np.broadcast_to(x, flat) for x in ends], axis)
    dims = np.ndim(a)
    difference = np.not_equal if a.dtype.kind == "b" else np.subtract
    for _ in range(n):
        a = difference(a[along(axis, dims, slice(1, None))], a[along(axis, dims, slice(None, -1))])
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the flattened array, with optional numbers before and after."""
    flat = np.ravel(ary)
    parts = [np.ravel(to_begin)] if to_begin is not None else []
    parts.append(flat[1:] - flat[:-1])
    parts += [np.ravel(to_end)] if to_end is not None else []
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integral along an axis by the trapezoidal rule."""
    dims = np.ndim(y)
    if x is None:
        d = dx
    else:
        d = np.diff(x, axis=axis if np.ndim(x) > 1 else 0)
        if np.ndim(x) == 1:
            d = np.reshape(d, (-1,) + (1,) * (dims - 1 - axis % dims))
    return np.sum(d * (y[along(axis, dims, slice(1, None))] + y[along(axis, dims, slice(None, -1))]) / 2.0, axis=axis)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences along axes, one-sided at the ends, at given spacings or coordinates."""
    dims = np.ndim(f)
    axes = range(dims) if axis is None else [axis % dims] if np.ndim(axis) == 0 else [i % dims for i in axis]
    if len(varargs) not in (0, 1, len(axes)) or (len(varargs) == 1 and len(axes) > 1 and np.ndim(varargs[0])):
        raise TypeError(f"gradient wanted one spacing, or one for each of {len(axes)} axes, got {len(varargs)}.")
    spacings = list(varargs) or [1.0]
    spacings = spacings * len(axes) if len(spacings) == 1 else spacings
    if edge_order not in (1, 2):
        raise ValueError(f"gradient wanted edge_order 1 or 2, got {edge_order}.")
    out = tuple(gradient_along(f, h, i, edge_order) for h, i in zip(spacings, axes, strict=True))
    return out[0] if len(out) == 1 else out


def gradient_along(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Central differences along one axis, with second-order one-sided ends if edge_order is 2.

    On unequal spacings a before and b after a point (NumPy's `gradient`, Quarteroni et al. 2007):
    f'(x) ≈ (a² f(x + b) + (b² - a²) f(x) - b² f(x - a)) / (a b (a + b)).
    """
    n, dims = np.shape(f)[axis], np.ndim(f)
    if n < edge_order + 1:
        raise ValueError(f"gradient wanted at least {edge_order + 1} points along axis {axis}, got {n}.")

    def at(start: int | None, stop: int | None) -> Any:
        return f[along(axis, dims, slice(start, stop))]

    if np.ndim(h) == 0:
        steps = h * np.ones(n - 1, f.dtype)
    elif np.shape(h)[0] == n:
        steps = np.diff(h)
    else:
        raise ValueError(f"gradient wanted {n} coordinates for axis {axis}, got {np.shape(h)[0]}.")
    steps = np.reshape(steps, (-1,) + (1,) * (dims - 1 - axis))
    a, b = steps[:-1], steps[1:]
    slope = (at(1, None) - at(None, -1)) / steps  # forward differences
    inner = (a * slope[along(axis, dims, slice(1, None))] + b * slope[along(axis, dims, slice(None, -1))]) / (a + b)
    first = slope[along(axis, dims, slice(None, 1))]
    last = slope[along(axis, dims, slice(-1, None))]
    if edge_order == 2:  # the parabola through three points: extrapolate the slope
        first = first - a[:1] * (slope[along(axis, dims, slice(1, 2))] - first) / (a[:1] + b[:1])
        last = last + b[-1:] * (last - slope[along(axis, dims, slice(-2, -1))]) / (a[-1:] + b[-1:])
    return np.concatenate([first, inner, last], axis)


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation, differentiable in x and fp. At the points xp the slope to the right is taken.

    Raises:
        TypeError: for a period, or xp that is a Value.
    """
    if period is not None or isinstance(xp, Node):
        raise TypeError(
            "interp of a Value wanted constant points xp and no period: write x % period, and v.data for xp."
        )
    xp = np.asarray(xp, float)
    n = len(xp)
    if n == 1:
        inside = x * 0.0 + fp[0]
    else:
        index = np.sum(np.greater_equal(np.expand_dims(x, -1), xp[1:-1]), axis=-1)  # recorded, unlike searchsorted
        slopes = np.diff(fp) / np.diff(xp)
        bounded = np.clip(x, xp[0], xp[-1])
        inside = np.take(fp, index) + (bounded - np.take(xp, index)) * np.take(slopes, index)
    below = np.where(np.less(x, xp[0]), fp[0] if left is None else left, inside)
    return np.where(np.greater(x, xp[-1]), fp[-1] if right is None else right, below)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """Angles without jumps: multiples of the period are added. The derivative is 1."""
    jumps = np.diff(p, axis=axis)
    wrapped = np.mod(jumps + period / 2, period) - period / 2
    wrapped = np.where(np.logical_and(wrapped == -period / 2, jumps > 0), period / 2, wrapped)
    steps = np.where(
        np.abs(jumps) < (period / 2 if discont is None else discont), 0.0, np.round((wrapped - jumps) / period)
    )
    dims = np.ndim(p)
    first = p[along(axis, dims, slice(None, 1))]
    return np.concatenate([first, p[along(axis, dims, slice(1, None))] + period * np.cumsum(steps, axis=axis)], axis)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Polynomial with coefficients p, highest power first, at x: Horner's scheme."""
    y = x * 0.0
    for coefficient in p:
        y = y * x + coefficient
    return y


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """Sum of two polynomials, given by their coefficients, highest power first."""
    n = max(np.size(a1), np.size(a2))
    a1, a2 = (np.pad(np.atleast_1d(a), (n - np.size(a), 0)) for a in (a1, a2))
    return a1 + a2


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """Difference of two polynomials, given by their coefficients, highest power first."""
    return polyadd(a1, np.negative(a2))


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """Product of two polynomials, given by their coefficients, highest power first."""
    return np.convolve(np.atleast_1d(a1), np.atleast_1d(a2))


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """Derivative of order m of a polynomial, given by its coefficients, highest power first."""
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1.0).astype(p.dtype)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Integral of order m of a polynomial, given by its coefficients, with integration constants k."""
    constants = [0.0] * m if k is None else list(np.broadcast_to(k, (m,)))
    for constant in constants:
        p = np.append(p / np.arange(len(p), 0, -1.0).astype(p.dtype), constant)
    return p

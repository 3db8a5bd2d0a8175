"""Reductions: sums, means, products, extrema, and their running forms.

`axis` is None (all axes), an int or a tuple; negative axes count from the end. With `keepdims` the reduced axes stay,
with length 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..domain import Case
from ..graph import dtype as dtype_of
from ..graph import shape as shape_of
from ..op import op
from .arithmetic import square
from .comparison import equal, where
from .elementary import exp, sqrt
from .shape import broadcast_to, cast, crop, flip, moveaxis, pad, reshape, transpose

__all__ = [
    "all",
    "any",
    "average",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "expand",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "prod",
    "ptp",
    "recurrence",
    "std",
    "sum",
    "var",
]

Axis = int | tuple[int, ...] | None

REDUCTION = (
    Case((3,)),
    Case((2, 3)),
    Case((2, 3), axis=0),
    Case((2, 3), axis=1, keepdims=True),
    Case((2, 3), axis=-1),
    Case((2, 3, 2), axis=(0, 2)),
    Case((2, 3, 2), axis=(-1, 1), keepdims=True),
    Case((2, 3), axis=()),
    Case((2, 3), keepdims=True),
    Case(()),
    Case("python"),
    Case((1,)),
    Case((1, 1), axis=0),
    Case((0, 3), axis=1),
)
"""The usual cases of a reduction that has a value for one element or more."""
EMPTY = (Case((0,)), Case((0, 3), axis=0), Case((2, 0), axis=-1, keepdims=True))
DISTINCT = tuple(
    Case(*case.arguments, distinct=True, **case.attrs) for case in REDUCTION if case.attrs.get("axis") != ()
)


def expand(y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Give a reduced array its axes back, with length 1, so that it broadcasts against x."""
    if axis is None or keepdims:
        return y  # a scalar, or done
    shape = shape_of(x)
    n = len(shape)
    if axis == 0 or axis == -n or not n:
        return y  # a missing first axis broadcasts by itself; a scalar, of which NumPy takes axis -1 too, has none
    reduced = {a % n for a in axis} if isinstance(axis, tuple) else {axis % n}
    return reshape(y, shape=tuple(1 if i in reduced else m for i, m in enumerate(shape)))


def spread(y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Give every element of x the entry of the reduced array that it went into: the adjoint of a sum."""
    return broadcast_to(expand(y, x, axis, keepdims), shape=shape_of(x))


def count(x: Any, axis: Axis) -> int:
    """Return the number of elements that go into one entry of the result."""
    shape = shape_of(x)
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in axis) if isinstance(axis, tuple) else shape[axis]


# sums and means


@op("Σ", numpy=np.sum, linear=True, complex=True, cases=REDUCTION + EMPTY)
def sum(x, *, axis=None, keepdims=False):
    """Sum over axes."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


sum.defvjp(lambda g, ans, x, axis, keepdims: spread(g, x, axis, keepdims))


@op("mean", numpy=np.mean, linear=True, complex=True, cases=REDUCTION)
def mean(x, *, axis=None, keepdims=False):
    """Arithmetic mean over axes."""
    x = np.asarray(x)
    if x.dtype == np.float16:
        return np.mean(x, axis=axis, keepdims=keepdims)  # summed in float32
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / count(x, axis)


mean.defvjp(lambda g, ans, x, axis, keepdims: spread(g / count(x, axis), x, axis, keepdims))

SPREAD = (
    Case((3,)),
    Case((2, 3)),
    Case((2, 3), axis=0),
    Case((2, 3), axis=-1, keepdims=True),
    Case((2, 3, 2), axis=(0, 2)),
    Case((2, 3), axis=1, ddof=1),
    Case((2, 3, 2), axis=(0, -1), ddof=2, keepdims=True),
    Case((0, 3), axis=1),
)


def freedom(x: Any, axis: Axis, ddof: float) -> float:
    """Return the number n - ddof by which a sum of squared deviations is divided, at least 0."""
    n = count(x, axis) - ddof
    return n if n > 0 else 0


def deviation(x: Any, axis: Axis) -> Any:
    """Return x minus its mean over axes."""
    return x - mean(x, axis=axis, keepdims=True)


@op("var", numpy=np.var, cases=(*SPREAD, Case(()), Case("python"), Case((2, 1), axis=1)))
def var(x, *, axis=None, ddof=0, keepdims=False):
    """Variance over axes: sum of squared deviations from the mean, divided by n - ddof."""
    x = np.asarray(x)
    if x.dtype == np.float16:  # summed in float32, or it overflows
        return var(x.astype(np.float32), axis=axis, ddof=ddof, keepdims=keepdims).astype(x.dtype)
    centred = x - np.add.reduce(x, axis=axis, keepdims=True) / count(x, axis)
    return np.add.reduce(np.square(centred), axis=axis, keepdims=keepdims) / freedom(x, axis, ddof)


var.defvjp(
    lambda g, ans, x, axis, ddof, keepdims: (
        expand(g * 2.0 / freedom(x, axis, ddof), x, axis, keepdims) * deviation(x, axis)
    )
)


@op("std", numpy=np.std, cases=SPREAD, kinks="0 where the variance is 0")
def std(x, *, axis=None, ddof=0, keepdims=False):
    """Standard deviation over axes: the square root of `var`. Where it is 0 the derivative is taken as 0."""
    return np.sqrt(var.forward(x, axis=axis, ddof=ddof, keepdims=keepdims))


def std_vjp(g, ans, x, axis, ddof, keepdims):
    """(x - mean) / ((n - ddof) std), and 0 / 1 where the standard deviation is 0."""
    scale = g / (freedom(x, axis, ddof) * where(equal(ans, 0.0), 1.0, ans))
    return expand(where(equal(ans, 0.0), 0.0, scale), x, axis, keepdims) * deviation(x, axis)


std.defvjp(std_vjp)


@op("logΣexp", cases=REDUCTION + (Case((0,), order=0),))
def logsumexp(x, *, axis=None, keepdims=False):
    """log Σ exp(x) over axes, without overflow or underflow; -inf for no elements, or if all are -inf.

    Its derivative is softmax(x); it is taken as 0 where all elements are -inf.
    """
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        x = x.astype(float)
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    with np.errstate(divide="ignore", over="ignore"):
        out = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=keepdims))
    return out + (top if keepdims else top.reshape(np.shape(out)))


def logsumexp_vjp(g, ans, x, axis, keepdims):
    """g softmax(x), normalized anew: where x is large, rounding has left exp(x - ans) with a common factor."""
    finite = where(equal(ans, -math.inf), 0.0, ans)
    weight = exp(x - expand(finite, x, axis, keepdims))
    total = sum(weight, axis=axis, keepdims=True)
    return weight * (expand(g, x, axis, keepdims) / where(equal(total, 0.0), 1.0, total))


logsumexp.defvjp(logsumexp_vjp)


def average(x, *, axis=None, weights=None, keepdims=False):
    """Mean over axes, weighted if there are weights: of the shape of x, or of the length of one axis."""
    if weights is None:
        return mean(x, axis=axis, keepdims=keepdims)
    if shape_of(weights) != shape_of(x):
        if type(axis) is not int or shape_of(weights) != (shape_of(x)[axis],):
            raise ValueError(
                f"average wanted weights of the shape {shape_of(x)} of x, or of the length of one axis; "
                f"got {shape_of(weights)} with axis={axis}."
            )
        weights = reshape(weights, shape=(-1,) + (1,) * (len(shape_of(x)) - axis % len(shape_of(x)) - 1))
    weights = broadcast_to(weights, shape=shape_of(x))
    return sum(x * weights, axis=axis, keepdims=keepdims) / sum(weights, axis=axis, keepdims=keepdims)


# extrema

TIES = "a tie shares its gradient equally"


def extremum_vjp(g, ans, x, axis, keepdims):
    """Send g to the elements equal to the extremum, in equal shares."""
    hit = equal(x, expand(ans, x, axis, keepdims))
    return where(hit, expand(g, x, axis, keepdims) / sum(hit, axis=axis, keepdims=True), 0.0)


@op("max", numpy=(np.max, np.amax), kinks=TIES, cases=DISTINCT)
def max(x, *, axis=None, keepdims=False):
    """Maximum over axes; a tie shares its gradient equally."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@op("min", numpy=(np.min, np.amin), kinks=TIES, cases=DISTINCT)
def min(x, *, axis=None, keepdims=False):
    """Minimum over axes; a tie shares its gradient equally."""
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


@op("max", numpy=np.nanmax, kinks=TIES, cases=(*DISTINCT, Case(np.array([1.0, np.nan, 3.0]), order=0)))
def nanmax(x, *, axis=None, keepdims=False):
    """Maximum over axes of what is not nan; nan if everything is. A tie shares its gradient equally."""
    return np.fmax.reduce(x, axis=axis, keepdims=keepdims)


@op("min", numpy=np.nanmin, kinks=TIES, cases=(*DISTINCT, Case(np.array([1.0, np.nan, 3.0]), order=0)))
def nanmin(x, *, axis=None, keepdims=False):
    """Minimum over axes of what is not nan; nan if everything is. A tie shares its gradient equally."""
    return np.fmin.reduce(x, axis=axis, keepdims=keepdims)


for extremum in (max, min, nanmax, nanmin):
    extremum.defvjp(extremum_vjp)


def ptp(x, *, axis=None, keepdims=False):
    """Range of values over axes: maximum minus minimum."""
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)


# running sums and products

CUMULATIVE = (
    Case((4,)),
    Case((2, 3)),
    Case((2, 3), axis=0),
    Case((2, 3, 2), axis=-2),
    Case((1,), axis=0),
    Case((0,)),
    Case((0, 2), axis=0),
    Case((), axis=None),
)


@op("Σ…", numpy=np.cumsum, linear=True, complex=True, cases=CUMULATIVE)
def cumsum(x, *, axis=None):
    """Running sum along an axis; of the flattened array if axis is None."""
    return np.add.accumulate(np.ravel(x) if axis is None else x, axis or 0)


def reverse_cumsum(g: Any, axis: int) -> Any:
    """Sum of each element and all that follow it: the adjoint of a running sum."""
    return flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis)


cumsum.defvjp(lambda g, ans, x, axis: reshape(reverse_cumsum(g, axis or 0), shape=shape_of(x)))


@op(
    "rᵢ=b+ar",
    complex=True,
    cases=(
        Case((4,), (4,)),
        Case((3, 2), (3, 2)),
        Case((3, 2), (3, 2), reverse=True),
        Case((1,), (1,)),
        Case((0,), (0,)),
    ),
)
def recurrence(a, b, *, reverse=False):
    """First-order linear recurrence along axis 0, rᵢ = bᵢ + aᵢ rᵢ₋₁ with r₋₁ = 0; from the last row on if reversed.

    It divides by nothing, and its derivative is a recurrence again. So it gives derivatives of running products that
    are right, in any order, where elements are 0.
    """
    a, b = np.asarray(a), np.asarray(b)
    out = np.empty(b.shape, np.result_type(a, b))
    order = range(len(b))[:: -1 if reverse else 1]
    if b.ndim == 1:  # Python's numbers are quicker than NumPy's one by one
        a, b, rows, r = a.tolist(), b.tolist(), [0.0] * len(b), 0.0
        for i in order:
            r = rows[i] = b[i] + a[i] * r
        out[:] = rows
        return out
    r = np.zeros(b.shape[1:], out.dtype)
    for i in order:
        r = np.add(b[i], a[i] * r, out=out[i])
    return out


def shifted(x: Any, by: int, value: float = 0.0) -> Any:
    """Move rows by one place (by=1: to later places), with a constant in the first (last) row."""
    n = len(shape_of(x)) - 1
    rest = ((0, 0),) * n
    first, last = ((1, 0), (0, 1)) if by > 0 else ((0, 1), (1, 0))
    return pad(crop(x, pad_width=(last, *rest)), pad_width=(first, *rest), constant_values=value)


def recurrence_vjp(position, g, ans, a, reverse):
    """λᵢ = gᵢ + aᵢ₊₁ λᵢ₊₁ is the cotangent of b, and λᵢ rᵢ₋₁ that of a."""
    back = -1 if not reverse else 1
    if not shape_of(a)[0]:
        return g
    cotangent = recurrence(shifted(a, back), g, reverse=not reverse)
    return cotangent if position else cotangent * shifted(ans, -back)


recurrence.defvjp(
    lambda g, ans, a, b, reverse: recurrence_vjp(0, g, ans, a, reverse),
    lambda g, ans, a, b, reverse: recurrence_vjp(1, g, ans, a, reverse),
)

ZEROS = (
    Case(np.array([2.0, 0.0, 3.0, -1.5]), name="a zero"),
    Case(np.array([2.0, 0.0, 3.0, 0.0]), name="two zeros"),
    Case(np.array([[0.0, 2.0], [0.0, 3.0], [1.0, 0.0]]), axis=0, name="zeros along an axis"),
)


@op("Π…", numpy=np.cumprod, complex=True, cases=(*CUMULATIVE, *ZEROS))
def cumprod(x, *, axis=None):
    """Running product along an axis; of the flattened array if axis is None. Its derivative is right where x is 0."""
    return np.multiply.accumulate(np.ravel(x) if axis is None else x, axis or 0)


def cumprod_vjp(g, ans, x, axis):
    """The cotangent of xᵢ is yᵢ₋₁ rᵢ, where rᵢ = gᵢ + xᵢ₊₁ rᵢ₊₁ is the sum over k ≥ i of gₖ xᵢ₊₁ … xₖ."""
    if not math.prod(shape_of(x)):
        return reshape(g, shape=shape_of(x))
    if axis is None:
        return reshape(cumprod_rows_vjp(g, ans, reshape(x, shape=(-1,))), shape=shape_of(x))
    first = [moveaxis(a, source=axis, destination=0) for a in (g, ans, x)]
    return moveaxis(cumprod_rows_vjp(*first), source=0, destination=axis)


def cumprod_rows_vjp(g, ans, x):
    """`cumprod_vjp` along axis 0."""
    return shifted(ans, 1, 1.0) * recurrence(shifted(x, -1), g, reverse=True)


cumprod.defvjp(cumprod_vjp)


@op("Π", numpy=np.prod, complex=True, cases=(*REDUCTION, *EMPTY, *ZEROS))
def prod(x, *, axis=None, keepdims=False):
    """Product over axes. Its derivative is right where elements are 0."""
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


def prod_vjp(g, ans, x, axis, keepdims):
    """g times the product of the others: of those before times of those after each element."""
    shape = shape_of(x)
    n = len(shape)
    if not n or not math.prod(shape):
        return spread(g, x, axis, keepdims)
    reduced = tuple(range(n)) if axis is None else tuple(a % n for a in (axis if isinstance(axis, tuple) else (axis,)))
    order = reduced + tuple(i for i in range(n) if i not in reduced)
    rows = reshape(transpose(x, axes=order), shape=(-1, *(shape[i] for i in order[len(reduced) :])))
    before = shifted(cumprod(rows, axis=0), 1, 1.0)
    after = shifted(flip(cumprod(flip(rows, axis=0), axis=0), axis=0), -1, 1.0)
    others = reshape(before * after, shape=tuple(shape[i] for i in order))
    undo = tuple(order.index(i) for i in range(n))
    return expand(g, x, axis, keepdims) * transpose(others, axes=undo)


prod.defvjp(prod_vjp)


def cumulative(running: Any, x: Any, axis: int | None, include_initial: bool, initial: float) -> Any:
    """The Array API standard's form of a running sum or product."""
    ndim = len(shape_of(x))
    if axis is None and ndim != 1:
        raise ValueError(f"wanted an axis, as x has {ndim} axes.")
    out = running(x, axis=axis or 0)
    widths = tuple((int(include_initial and i == (axis or 0) % ndim), 0) for i in range(ndim))
    return pad(out, pad_width=widths, constant_values=initial) if include_initial else out


def cumulative_sum(x, *, axis=None, include_initial=False):
    """Running sum along an axis, after a first 0 if `include_initial`."""
    return cumulative(cumsum, x, axis, include_initial, 0.0)


def cumulative_prod(x, *, axis=None, include_initial=False):
    """Running product along an axis, after a first 1 if `include_initial`."""
    return cumulative(cumprod, x, axis, include_initial, 1.0)


# logic

LOGIC = {"differentiable": False, "complex": True, "cases": REDUCTION + EMPTY}


@op("∃", numpy=np.any, instead="A truth value does not change a little: use the sum or the maximum.", **LOGIC)
def any(x, *, axis=None, keepdims=False):
    """Is any element true (not 0)? No derivative."""
    return np.any(x, axis=axis, keepdims=keepdims)


@op("∀", numpy=np.all, instead="A truth value does not change a little: use the product or the minimum.", **LOGIC)
def all(x, *, axis=None, keepdims=False):
    """Are all elements true (not 0)? No derivative."""
    return np.all(x, axis=axis, keepdims=keepdims)


@op(
    "≠0",
    numpy=np.count_nonzero,
    instead="A count does not change a little: use a sum of smooth steps such as sigmoid(k * x).",
    **LOGIC,
)
def count_nonzero(x, *, axis=None, keepdims=False):
    """Number of elements that are not 0. No derivative."""
    return np.count_nonzero(x, axis=axis, keepdims=keepdims)


# without nan


def filled(x: Any, value: float) -> tuple[Any, Any]:
    """Return which elements are not nan, and x with a value in place of those that are."""
    known = equal(x, x)
    return known, where(known, x, value)


def number(known: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Return how many elements are known, in the dtype of x: an integer would make float64 of float32."""
    n = sum(known, axis=axis, keepdims=keepdims)
    return n if dtype_of(x) == np.float64 else cast(n, dtype=dtype_of(x).name)


def nansum(x, *, axis=None, keepdims=False):
    """Sum over axes of what is not nan."""
    return sum(filled(x, 0.0)[1], axis=axis, keepdims=keepdims)


def nanprod(x, *, axis=None, keepdims=False):
    """Product over axes of what is not nan."""
    return prod(filled(x, 1.0)[1], axis=axis, keepdims=keepdims)


def nancumsum(x, *, axis=None):
    """Running sum along an axis in which nan counts as 0."""
    return cumsum(filled(x, 0.0)[1], axis=axis)


def nancumprod(x, *, axis=None):
    """Running product along an axis in which nan counts as 1."""
    return cumprod(filled(x, 1.0)[1], axis=axis)


def nanmean(x, *, axis=None, keepdims=False):
    """Mean over axes of what is not nan; nan if everything is."""
    known, x = filled(x, 0.0)
    return sum(x, axis=axis, keepdims=keepdims) / number(known, x, axis, keepdims)


def nanvar(x, *, axis=None, ddof=0, keepdims=False):
    """Variance over axes of what is not nan."""
    known, x = filled(x, 0.0)
    centre = sum(x, axis=axis, keepdims=True) / number(known, x, axis, True)
    total = sum(where(known, square(x - centre), 0.0), axis=axis, keepdims=keepdims)
    return total / (number(known, x, axis, keepdims) - ddof)


def nanstd(x, *, axis=None, ddof=0, keepdims=False):
    """Standard deviation over axes of what is not nan. Where it is 0 the derivative is taken as 0."""
    variance = nanvar(x, axis=axis, ddof=ddof, keepdims=keepdims)
    zero = equal(variance, 0.0)
    return where(zero, 0.0, sqrt(where(zero, 1.0, variance)))

"""Convolution: sliding windows and their adjoint, cross-correlation of images, NumPy's convolutions of vectors.

`unfold` lays out every window of an array, `fold` adds windows back where they came from. They are adjoint, so each is
the other's derivative; every rule here is made of these two and of matrix products, hence derivatives of any order.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..domain import Case
from ..graph import shape as shape_of
from ..op import op
from .elementary import conj
from .shape import broadcast_to, expand_dims, flip, pad, reshape, transpose

__all__ = [
    "conv",
    "conv_filters",
    "conv_image",
    "convolve",
    "correlate",
    "fold",
    "output_size",
    "pool_max",
    "pool_share",
    "pool_sum",
    "unfold",
]

# windows


def per_axis(value, count, name, least=1):
    """Return one integer for each spatial axis.

    Raises:
        ValueError: if there are more or fewer, or one is too small.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    if len(values) != count or any(type(v) is not int or v < least for v in values):
        raise ValueError(
            f"wanted {name} as an integer of at least {least}, or {count} of them, one for each spatial axis; "
            f"got {value!r}"
        )
    return values


def padding_pairs(padding, count):
    """Return (before, after) for each spatial axis.

    Raises:
        ValueError: if that is not what `padding` means.
    """
    each = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * count
    pairs = tuple(tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in each)
    numbers = [n for pair in pairs for n in pair]
    if len(pairs) != count or len(numbers) != 2 * count or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(
            f"wanted padding as an integer, {count} integers or {count} pairs (before, after), none negative; "
            f"got {padding!r}"
        )
    return pairs


def output_size(size, *, kernel, stride=1, dilation=1, padding=0):
    """Return how many windows fit along each spatial axis of the given lengths.

    Raises:
        ValueError: if none fits, or a setting makes no sense.

    >>> output_size((6, 6), kernel=(3, 3), stride=3)
    (2, 2)
    """
    kernel = per_axis(kernel, len(size), "kernel")
    stride, dilation = per_axis(stride, len(size), "stride"), per_axis(dilation, len(size), "dilation")
    pairs = padding_pairs(padding, len(size))
    out = []
    for n, k, s, d, (before, after) in zip(size, kernel, stride, dilation, pairs, strict=True):
        reach = d * (k - 1) + 1
        if n + before + after < reach:
            raise ValueError(
                f"wanted at least {reach} elements along each spatial axis for a kernel of {k} with dilation {d}, "
                f"got {n} + padding {before} + {after}"
            )
        out.append((n + before + after - reach) // s + 1)
    return tuple(out)


@op(
    "▦",
    linear=True,
    complex=True,
    cases=(
        Case((5,), kernel=(3,)),
        Case((2, 4, 5), kernel=(2, 3)),
        Case((2, 6), kernel=(2,), stride=3),
        Case((4, 5), kernel=(2, 2), stride=(1, 2), dilation=(2, 1), padding=((1, 0), (0, 2))),
        Case((1, 7), kernel=(3,), dilation=2, padding=1),
        Case((3, 3, 3), kernel=(2, 2, 2)),
        Case((0, 4), kernel=(2,)),
        Case((3,), kernel=(3,), complex=True),
    ),
)
def unfold(x, *, kernel, stride=1, dilation=1, padding=0):
    """All windows over the last axes: (…, *size) becomes (…, *windows, *kernel). Adjoint of `fold`.

    Windows start `stride` apart, their elements lie `dilation` apart; `padding` zeros surround the array.
    """
    x = np.asarray(x)
    n = len(kernel)
    if x.ndim < n:
        raise ValueError(f"wanted at least {n} axes for the kernel {tuple(kernel)}")
    size = x.shape[x.ndim - n :]
    count = output_size(size, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    stride, dilation = per_axis(stride, n, "stride"), per_axis(dilation, n, "dilation")
    x = surrounded(x, padding_pairs(padding, n))
    lead, steps = x.strides[: x.ndim - n], x.strides[x.ndim - n :]
    strides = (
        lead
        + tuple(a * s for a, s in zip(steps, stride, strict=True))
        + tuple(a * d for a, d in zip(steps, dilation, strict=True))
    )
    return as_strided(x, x.shape[: x.ndim - n] + count + tuple(kernel), strides, writeable=False)


def surrounded(x, pairs):
    """Return x with zeros before and after its last axes; x itself if there are none to add."""
    if not any(map(any, pairs)):
        return x
    lead = x.shape[: x.ndim - len(pairs)]
    size = x.shape[len(lead) :]
    out = np.zeros(lead + tuple(n + a + b for n, (a, b) in zip(size, pairs, strict=True)), x.dtype)
    out[(..., *(slice(a, a + n) for n, (a, b) in zip(size, pairs, strict=True)))] = x
    return out


@op(
    "▦ᵀ",
    linear=True,
    complex=True,
    cases=(
        Case((3, 3), size=(5,), kernel=(3,)),
        Case((2, 3, 3, 2, 3), size=(4, 5), kernel=(2, 3)),
        Case((2, 2, 2), size=(6,), kernel=(2,), stride=3),
        Case((3, 3, 2, 2), size=(4, 5), kernel=(2, 2), stride=(1, 2), dilation=(2, 1), padding=((1, 0), (0, 2))),
        Case((0, 3, 2), size=(4,), kernel=(2,)),
    ),
)
def fold(x, *, size, kernel, stride=1, dilation=1, padding=0):
    """Windows (…, *windows, *kernel) added up where `unfold` takes them from (…, *size). Adjoint of `unfold`."""
    x = np.asarray(x)
    n = len(kernel)
    count = output_size(size, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    if x.shape[x.ndim - 2 * n :] != count + tuple(kernel):
        raise ValueError(f"wanted windows of shape (…, {', '.join(map(str, count + tuple(kernel)))})")
    pairs = padding_pairs(padding, n)
    out = np.zeros(x.shape[: x.ndim - 2 * n] + tuple(m + a + b for m, (a, b) in zip(size, pairs, strict=True)), x.dtype)
    for offset, places in offsets(count, kernel, stride, dilation):
        out[places] += x[(..., *offset)]
    return out[(..., *(slice(a, a + m) for m, (a, b) in zip(size, pairs, strict=True)))]


unfold.defvjp(
    lambda g, ans, x, kernel, stride, dilation, padding: fold(
        g, size=last_size(x, kernel), kernel=kernel, stride=stride, dilation=dilation, padding=padding
    )
)
fold.defvjp(
    lambda g, ans, x, size, kernel, stride, dilation, padding: unfold(
        g, kernel=kernel, stride=stride, dilation=dilation, padding=padding
    )
)

# pooling: one pass over the array for each element of the kernel, which is 30 times as fast as reducing `unfold`


def offsets(count, kernel, stride, dilation):
    """Yield each position in a window, and the index that selects the element at that position of every window."""
    stride, dilation = per_axis(stride, len(kernel), "stride"), per_axis(dilation, len(kernel), "dilation")
    for offset in itertools.product(*map(range, kernel)):
        first = [k * d for k, d in zip(offset, dilation, strict=True)]
        yield offset, (..., *(slice(a, a + s * (c - 1) + 1, s) for a, s, c in zip(first, stride, count, strict=True)))


def elements(x, kernel, stride, dilation):
    """Return, for each position in a window, the elements at that position of every window: (…, *windows)."""
    size = x.shape[x.ndim - len(kernel) :]
    if x.ndim < len(kernel):
        raise ValueError(f"wanted at least {len(kernel)} axes for the kernel {tuple(kernel)}")
    count = output_size(size, kernel=kernel, stride=stride, dilation=dilation)
    return [x[places] for _, places in offsets(count, kernel, stride, dilation)]


def last_size(x, kernel):
    """Lengths of the spatial axes, the last ones."""
    return shape_of(x)[len(shape_of(x)) - len(kernel) :]


def spread(g, kernel):
    """Give every element of a window the cotangent of the window."""
    g = expand_dims(g, axis=tuple(range(-len(kernel), 0)))
    return broadcast_to(g, shape=shape_of(g)[: len(shape_of(g)) - len(kernel)] + tuple(kernel))


POOL = (
    Case((5,), kernel=(2,)),
    Case((2, 4, 6), kernel=(2, 3), stride=(2, 3)),
    Case((5, 5), kernel=(2, 2), stride=(1, 2), dilation=(2, 1)),
    Case((1, 3), kernel=(3,), stride=2),
    Case((0, 4), kernel=(2,)),
)


@op("Σ▦", linear=True, complex=True, cases=POOL)
def pool_sum(x, *, kernel, stride=1, dilation=1):
    """Sum of each window over the last axes: (…, *size) becomes (…, *windows)."""
    first, *rest = elements(np.asarray(x), kernel, stride, dilation)
    out = first.copy()
    for part in rest:
        out += part
    return out


pool_sum.defvjp(
    lambda g, ans, x, kernel, stride, dilation: fold(
        spread(g, kernel), size=last_size(x, kernel), kernel=kernel, stride=stride, dilation=dilation
    )
)

TIES = "a tie shares its gradient equally"


@op("max▦", kinks=TIES, cases=tuple(Case(*c.arguments, distinct=True, **c.attrs) for c in POOL))
def pool_max(x, *, kernel, stride=1, dilation=1):
    """Maximum of each window over the last axes: (…, *size) becomes (…, *windows)."""
    first, *rest = elements(np.asarray(x), kernel, stride, dilation)
    out = first.copy()
    for part in rest:
        np.maximum(out, part, out=out)
    return out


pool_max.defvjp(
    lambda g, ans, x, kernel, stride, dilation: fold(
        spread(g, kernel) * pool_share(x, kernel=kernel, stride=stride, dilation=dilation),
        size=last_size(x, kernel),
        kernel=kernel,
        stride=stride,
        dilation=dilation,
    )
)


@op("=max▦", kinks="0 everywhere", cases=tuple(Case(*c.arguments, distinct=True, **c.attrs) for c in POOL))
def pool_share(x, *, kernel, stride=1, dilation=1):
    """Share of each element in the maximum of its window: 1 for the largest, 1/k for each of k that tie, else 0.

    From (…, *size) to (…, *windows, *kernel). Its derivative is 0.
    """
    x = np.asarray(x)
    parts = elements(x, kernel, stride, dilation)
    top = pool_max(x, kernel=kernel, stride=stride, dilation=dilation)
    dtype = x.dtype if x.dtype.kind == "f" else float
    shares = np.empty((len(parts), *top.shape), dtype)  # positions first: whole planes at a time
    for share, part in zip(shares, parts, strict=True):
        np.equal(part, top, out=share, casting="unsafe")
    shares /= np.add.reduce(shares, axis=0)
    shares = shares.reshape(*kernel, *top.shape)
    return np.moveaxis(shares, range(len(kernel)), range(-len(kernel), 0))


pool_share.defvjp(
    lambda g, ans, x, kernel, stride, dilation: fold(
        g * 0.0, size=last_size(x, kernel), kernel=kernel, stride=stride, dilation=dilation
    )
)

# images: x is (batch, channels, *size), w is (filters, channels / groups, *kernel)


def columns(x, kernel, groups, **sliding):
    """Lay out windows as columns: (groups, channels / groups · kernel, batch · windows)."""
    batch, channels, *size = shape_of(x)
    n = len(kernel)
    windows = unfold(reshape(x, shape=(batch, groups, channels // groups, *size)), kernel=kernel, **sliding)
    count = shape_of(windows)[3 : 3 + n]
    # axes: batch, group, channel, windows, kernel → group, channel, kernel, batch, windows
    moved = transpose(windows, axes=(1, 2, *range(3 + n, 3 + 2 * n), 0, *range(3, 3 + n)))
    return reshape(moved, shape=(groups, channels // groups * math.prod(kernel), batch * math.prod(count)))


def uncolumns(c, x_shape, kernel, groups, **sliding):
    """Add columns back into an image. Adjoint of `columns`."""
    batch, channels, *size = x_shape
    n = len(kernel)
    count = output_size(tuple(size), kernel=kernel, **sliding)
    apart = reshape(c, shape=(groups, channels // groups, *kernel, batch, *count))
    windows = transpose(apart, axes=(2 + n, 0, 1, *range(3 + n, 3 + 2 * n), *range(2, 2 + n)))
    return reshape(fold(windows, size=tuple(size), kernel=kernel, **sliding), shape=tuple(x_shape))


def filters_as_rows(w, groups):
    """Filters as rows of one matrix for each group."""
    filters, *rest = shape_of(w)
    return reshape(w, shape=(groups, filters // groups, math.prod(rest)))


def image_as_rows(y, groups):
    """(batch, filters, *windows) as (groups, filters / groups, batch · windows)."""
    batch, filters, *count = shape_of(y)
    apart = reshape(y, shape=(batch, groups, filters // groups, math.prod(count)))
    return reshape(transpose(apart, axes=(1, 2, 0, 3)), shape=(groups, filters // groups, batch * math.prod(count)))


def check_conv(x_shape, w_shape, groups):
    """Refuse images and filters that do not fit each other.

    Raises:
        ValueError: with the shapes wanted.
    """
    n = len(w_shape) - 2
    if n < 1 or len(x_shape) != len(w_shape):
        raise ValueError(
            "wanted x of shape (batch, channels, *size) and w of shape (filters, channels, *kernel), "
            "with as many spatial axes"
        )
    if groups < 1 or x_shape[1] % groups or w_shape[0] % groups:
        raise ValueError(f"wanted groups that divide both {x_shape[1]} channels and {w_shape[0]} filters")
    if w_shape[1] * groups != x_shape[1]:
        raise ValueError(
            f"wanted filters over {x_shape[1] // groups} channels, w of shape ({w_shape[0]}, {x_shape[1] // groups}, …)"
        )


@op(
    "∗",
    linear=True,
    complex=True,
    cases=(
        Case((2, 1, 5), (3, 1, 2)),
        Case((2, 2, 4, 5), (3, 2, 2, 3)),
        Case((1, 1, 6, 6), (1, 1, 3, 3), stride=3),
        Case((2, 2, 5, 4), (2, 2, 2, 2), stride=(2, 1), padding=1),
        Case((1, 2, 6, 5), (2, 2, 2, 2), dilation=(3, 2), padding=((0, 1), (2, 0))),
        Case((2, 4, 4, 3), (6, 2, 2, 2), groups=2),
        Case((1, 3, 4), (3, 1, 3), groups=3, padding=1),
        Case((1, 1, 3, 3, 3), (2, 1, 2, 2, 2)),
        Case((0, 1, 4), (2, 1, 2)),
        Case((1, 1, 4), (1, 1, 2), complex=True),
    ),
)
def conv(x, w, *, stride=1, dilation=1, padding=0, groups=1):
    """Cross-correlation of images with filters, over any number of spatial axes: what neural networks call convolution.

    Args:
        x: (batch, channels, *size).
        w: (filters, channels / groups, *kernel).
        stride: distance between windows.
        dilation: distance between the elements of a window.
        padding: zeros around the image: a number, one for each spatial axis, or pairs (before, after).
        groups: channels and filters fall into so many groups that do not mix.
    """
    x, w = np.asarray(x), np.asarray(w)
    check_conv(x.shape, w.shape, groups)
    sliding = {"kernel": w.shape[2:], "stride": stride, "dilation": dilation, "padding": padding}
    count = output_size(x.shape[2:], **sliding)
    y = filters_as_rows(w, groups) @ columns(x, groups=groups, **sliding)
    apart = y.reshape(groups, w.shape[0] // groups, x.shape[0], math.prod(count)).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(apart).reshape(x.shape[0], w.shape[0], *count)


# A convolution is linear in both operands, and so are its two adjoints: each is a derivative of the others.


def sliding_of(w_shape, stride, dilation, padding):
    """Settings of the windows over an image."""
    return {"kernel": tuple(w_shape[2:]), "stride": stride, "dilation": dilation, "padding": padding}


@op(
    "∗ᵀ",
    linear=True,
    complex=True,
    cases=(
        Case((2, 3, 4), (3, 1, 2), size=(5,)),
        Case((2, 3, 3, 3), (3, 2, 2, 3), size=(4, 5)),
        Case((2, 2, 3, 5), (2, 2, 2, 2), size=(5, 4), stride=(2, 1), padding=1),
        Case((1, 2, 4, 5), (2, 2, 2, 2), size=(6, 5), dilation=(3, 2), padding=((0, 1), (2, 0))),
        Case((2, 6, 3, 2), (6, 2, 2, 2), size=(4, 3), groups=2),
        Case((0, 2, 3), (2, 1, 2), size=(4,)),
    ),
)
def conv_image(g, w, *, size, stride=1, dilation=1, padding=0, groups=1):
    """What `conv` is to its image: each window's cotangent, wᵀ g, added back where the window came from.

    From (batch, filters, *windows) and (filters, channels / groups, *kernel) to (batch, channels, *size).
    """
    g, w = np.asarray(g), np.asarray(w)
    sliding = sliding_of(w.shape, stride, dilation, padding)
    image = (g.shape[0], w.shape[1] * groups, *size)
    check_conv(image, w.shape, groups)
    check_windows(g.shape, (image[0], w.shape[0], *output_size(size, **sliding)))
    rows = filters_as_rows(w, groups).mT @ image_as_rows(g, groups)
    return np.ascontiguousarray(uncolumns(rows, image, groups=groups, **sliding))


@op(
    "∗ᵂ",
    linear=True,
    complex=True,
    cases=(
        Case((2, 1, 5), (2, 3, 4), kernel=(2,)),
        Case((2, 2, 4, 5), (2, 3, 3, 3), kernel=(2, 3)),
        Case((2, 2, 5, 4), (2, 2, 3, 5), kernel=(2, 2), stride=(2, 1), padding=1),
        Case((1, 2, 6, 5), (1, 2, 4, 5), kernel=(2, 2), dilation=(3, 2), padding=((0, 1), (2, 0))),
        Case((2, 4, 4, 3), (2, 6, 3, 2), kernel=(2, 2), groups=2),
        Case((0, 1, 4), (0, 2, 3), kernel=(2,)),
    ),
)
def conv_filters(x, g, *, kernel, stride=1, dilation=1, padding=0, groups=1):
    """What `conv` is to its filters: the sum over windows of cotangent times window.

    From (batch, channels, *size) and (batch, filters, *windows) to (filters, channels / groups, *kernel).
    """
    x, g = np.asarray(x), np.asarray(g)
    sliding = {"kernel": tuple(kernel), "stride": stride, "dilation": dilation, "padding": padding}
    filters = (g.shape[1], x.shape[1] // groups, *kernel)
    check_conv(x.shape, filters, groups)
    check_windows(g.shape, (x.shape[0], filters[0], *output_size(x.shape[2:], **sliding)))
    return (image_as_rows(g, groups) @ columns(x, groups=groups, **sliding).mT).reshape(filters)


def check_windows(came, wanted):
    """Refuse what is not one number for each window and filter.

    Raises:
        ValueError: with the shapes.
    """
    if tuple(came) != tuple(wanted):
        raise ValueError(f"wanted g of shape {tuple(wanted)} (batch, filters, *windows), got {tuple(came)}")


conv.defvjp(
    lambda g, ans, x, w, **windows: conv_image(g, w, size=shape_of(x)[2:], **windows),
    lambda g, ans, x, w, **windows: conv_filters(x, g, kernel=shape_of(w)[2:], **windows),
)
conv_image.defvjp(
    lambda g, ans, y, w, size, **windows: conv(g, w, **windows),
    lambda g, ans, y, w, size, **windows: conv_filters(g, y, kernel=shape_of(w)[2:], **windows),
)
conv_filters.defvjp(
    lambda g, ans, x, y, kernel, **windows: conv_image(y, g, size=shape_of(x)[2:], **windows),
    lambda g, ans, x, y, kernel, **windows: conv(x, g, **windows),
)

# vectors

MODES = ("full", "same", "valid")


def whole(g, n, m, before):
    """Put the cotangent of a part of the full convolution, which is n + m - 1 long, in its place."""
    after = n + m - 1 - before - shape_of(g)[0]
    return pad(g, pad_width=((before, after),)) if before or after else g


def start(n, m, mode):
    """Return where the result of `convolve` begins in the full convolution of n with m elements."""
    short = min(n, m)
    return {"full": 0, "same": (short - 1) - short // 2, "valid": short - 1}[mode]


def full_convolution_vjp(g, other):
    """Correlate the cotangent of a full convolution with the other operand."""
    return convolve(g, flip(other), mode="valid")


def check_mode(mode):
    """Refuse modes that do not exist."""
    if mode not in MODES:
        raise ValueError(f"wanted mode {', '.join(map(repr, MODES))}; got {mode!r}")


VECTORS = tuple(Case((n,), (m,), mode=mode) for n, m in ((5, 3), (4, 2), (2, 5), (3, 3), (1, 4)) for mode in MODES)


@op(
    "∗",
    numpy=np.convolve,
    linear=True,
    complex=True,
    cases=(*VECTORS, Case((3,), (2,), complex=True), Case((), (2,), name="0-d")),
)
def convolve(x, y, *, mode: Any = "full"):
    """Convolution of two vectors; mode "full", "same" (as long as the longer) or "valid" (where they overlap fully)."""
    check_mode(mode)
    return np.convolve(x, y, mode)


def convolve_vjp(position):
    """Return the rule of `convolve` for one operand."""

    def vjp(g, ans, x, y, mode):
        this, other = (x, y) if position == 0 else (y, x)
        x_length, y_length = math.prod(shape_of(x)), math.prod(shape_of(y))
        g = whole(g, x_length, y_length, start(x_length, y_length, mode))
        return reshape(full_convolution_vjp(g, reshape(other, shape=(-1,))), shape=shape_of(this))

    return vjp


convolve.defvjp(convolve_vjp(0), convolve_vjp(1))


@op("⋆", numpy=np.correlate, linear=True, complex=True, cases=(*VECTORS, Case((4,), (2,), mode="full", complex=True)))
def correlate(x, y, *, mode: Any = "valid"):
    """Cross-correlation of two vectors: `convolve` with y reversed and conjugated. Modes as there."""
    check_mode(mode)
    return np.correlate(x, y, mode)


def correlate_vjp(position):
    """Return the rule of `correlate` for one operand: that of the convolution with y reversed."""

    def vjp(g, ans, x, y, mode):
        (n,), (m,) = shape_of(x), shape_of(y)
        before = start(n, m, mode)
        if mode == "same" and m > n:
            before = n - 1 - before  # NumPy exchanges the operands and reverses the result
        g = whole(g, n, m, before)
        return full_convolution_vjp(g, conj(flip(y))) if position == 0 else conj(flip(full_convolution_vjp(g, x)))

    return vjp


correlate.defvjp(correlate_vjp(0), correlate_vjp(1))

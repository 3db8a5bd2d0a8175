"""Shapes: ops that move, copy and drop elements without changing them, in adjoint pairs.

Each is linear, so its rule is the adjoint map: where an element was copied, the copies' cotangents are added; where it
was dropped, its cotangent is 0.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..domain import Case
from ..graph import shape as shape_of
from ..op import op

__all__ = [
    "alias",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_to",
    "cast",
    "cast_discrete",
    "column_stack",
    "concatenate",
    "copy",
    "crop",
    "diag",
    "diagflat",
    "diagonal",
    "diagonal_embed",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "matrix_transpose",
    "meshgrid",
    "moveaxis",
    "pad",
    "pad_transpose",
    "ravel",
    "repeat",
    "repeat_transpose",
    "reshape",
    "roll",
    "rollaxis",
    "rot90",
    "squeeze",
    "stack",
    "sum_to",
    "swapaxes",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "vstack",
]

LINEAR = {"linear": True, "complex": True}

# dtypes


@op(
    "→",
    cases=(Case((3,), dtype="float64"), Case("python", dtype="float64"), Case((2,), dtype="float32", order=0)),
    **LINEAR,
)
def cast(x, *, dtype):
    """Convert to a dtype by name; "python" for a Python float. The real part, if a complex number becomes real."""
    if dtype == "python":
        return complex(x).real
    wanted = np.dtype(dtype)
    x = np.asarray(x)
    return (np.real(x) if x.dtype.kind == "c" and wanted.kind != "c" else x).astype(wanted)


cast.defvjp(lambda g, ans, x, dtype: g)  # the walk casts g to the dtype of x


@op(
    "→",
    differentiable=False,
    instead="Integers and booleans do not change a little: compute the loss from the values before the conversion.",
    cases=(Case((3,), dtype="int64"), Case("python", dtype="bool"), Case((0,), dtype="int32")),
)
def cast_discrete(x, *, dtype):
    """Convert to an integer or boolean dtype by name, towards zero. No derivative."""
    return np.asarray(x).astype(dtype)


@op("copy", numpy=np.copy, cases=(Case((2, 3)), Case(()), Case("python"), Case((0,))), **LINEAR)
def copy(x):
    """The same elements in memory of their own."""
    return np.array(x)


copy.defvjp(lambda g, ans, x: g)


@op("≡", cases=(Case((2, 3)), Case(()), Case("python"), Case((0,))), **LINEAR)
def alias(x):
    """The same array under a second node, so that a derivative can be taken with respect to one use of it alone."""
    return x


alias.defvjp(lambda g, ans, x: g)

# broadcasting

SMALL = 4096  # elements; writing so few out is faster than NumPy makes a view, and a gradient then needs no copy


@op(
    "↗",
    numpy=np.broadcast_to,
    cases=(
        Case((3,), shape=(2, 3)),
        Case((), shape=(2,)),
        Case((2, 1), shape=(4, 2, 3)),
        Case((0,), shape=(2, 0)),
        Case((1,), shape=(5000,)),
    ),
    **LINEAR,
)
def broadcast_to(x, *, shape):
    """Repeat along new axes and axes of length 1. Adjoint of `sum_to`."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if math.prod(shape) > SMALL or type(x) is not np.ndarray and not isinstance(x, np.generic):
        return np.broadcast_to(x, shape)
    if x.ndim > len(shape):
        raise ValueError(f"cannot broadcast shape {x.shape} to the shorter shape {shape}")
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


broadcast_to.defvjp(lambda g, ans, x, shape: g)  # the walk sums over what was broadcast


@op(
    "Σ↘",
    cases=(Case((2, 3), shape=(3,)), Case((2, 3), shape=()), Case((4, 2, 3), shape=(2, 1)), Case((2, 0), shape=(2, 1))),
    **LINEAR,
)
def sum_to(x, *, shape):
    """Sum over axes until `shape`, which broadcasts to the shape of x, is left. Adjoint of `broadcast_to`."""
    came = shape_of(x)
    extra = len(came) - len(shape)
    if extra == 1 and came[1:] == shape:  # a bias and its batch: the usual case
        return np.add.reduce(x, axis=0)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, came[extra:], strict=True)):
        raise ValueError(f"wanted a shape that broadcasts to {came}, got {shape}")
    if not shape:
        return np.add.reduce(x, axis=None)
    axes = (*range(extra), *(extra + i for i, n in enumerate(shape) if n == 1 != came[extra + i]))
    return np.add.reduce(x, axis=axes, keepdims=True).reshape(shape)


sum_to.defvjp(lambda g, ans, x, shape: broadcast_to(g, shape=shape_of(x)))

# the same elements under other axes


@op(
    "reshape",
    numpy=np.reshape,
    cases=(
        Case((2, 3), shape=(3, 2)),
        Case((2, 3), shape=(-1,)),
        Case((2, 3), shape=6),
        Case((2, 3, 4), shape=(4, -1), attrs={"order": "F"}),
        Case("python", shape=(1, 1)),
        Case((1,), shape=()),
        Case((0, 2), shape=(2, 0)),
    ),
    **LINEAR,
)
def reshape(x, *, shape, order: Any = "C"):
    """The same elements in another shape, read and placed row by row (order "C") or column by column ("F")."""
    return np.reshape(x, shape, order=order)


reshape.defvjp(lambda g, ans, x, shape, order: reshape(g, shape=shape_of(x), order=order))


def ravel(x, *, order="C"):
    """The elements in one axis."""
    return reshape(x, shape=(-1,), order=order)


@op(
    "ᵀ",
    numpy=(np.transpose, np.permute_dims),
    cases=(
        Case((2, 3)),
        Case((2, 3, 4)),
        Case((2, 3, 4), axes=(1, 2, 0)),
        Case((2, 3, 4), axes=(-1, 0, 1)),
        Case((3,)),
        Case(()),
        Case("python"),
        Case((0, 2)),
    ),
    **LINEAR,
)
def transpose(x, *, axes=None):
    """Axes permuted: axis i of the result is axis ``axes[i]`` of x; reversed if left out."""
    return np.transpose(x, axes)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes `axes`."""
    undo = [0] * len(axes)
    for i, axis in enumerate(axes):
        undo[axis] = i  # a negative axis counts from the end, as it does in this list
    return tuple(undo)


transpose.defvjp(lambda g, ans, x, axes: transpose(g, axes=None if axes is None else inverse(axes)))


@op("ᵀ", numpy=np.matrix_transpose, cases=(Case((2, 3)), Case((4, 2, 3)), Case((1, 0))), **LINEAR)
def matrix_transpose(x):
    """Last two axes swapped: the transpose of each matrix of a stack."""
    return np.swapaxes(x, -1, -2)


matrix_transpose.defvjp(lambda g, ans, x: matrix_transpose(g))


@op(
    "⇄",
    numpy=np.swapaxes,
    cases=(Case((2, 3), axis1=0, axis2=1), Case((2, 3, 4), axis1=-1, axis2=0), Case((2,), axis1=0, axis2=0)),
    **LINEAR,
)
def swapaxes(x, *, axis1, axis2):
    """Two axes swapped."""
    return np.swapaxes(x, axis1, axis2)


swapaxes.defvjp(lambda g, ans, x, axis1, axis2: swapaxes(g, axis1=axis1, axis2=axis2))


@op(
    "⇄",
    numpy=np.moveaxis,
    cases=(
        Case((2, 3, 4), source=0, destination=-1),
        Case((2, 3, 4), source=(0, -1), destination=(1, 0)),
        Case((2, 3), source=1, destination=1),
    ),
    **LINEAR,
)
def moveaxis(x, *, source, destination):
    """Axes moved from `source` to `destination`; the others keep their order."""
    return np.moveaxis(x, source, destination)


moveaxis.defvjp(lambda g, ans, x, source, destination: moveaxis(g, source=destination, destination=source))


def rollaxis(x, *, axis, start=0):
    """An axis moved so that it stands before axis `start`; `moveaxis` says the same more clearly."""
    n = len(shape_of(x))
    axis = normalize_axis_index(axis, n)
    start = start + n if start < 0 else start
    order = [i for i in range(n) if i != axis]
    order.insert(start - (axis < start), axis)
    return transpose(x, axes=tuple(order))


@op(
    "squeeze",
    numpy=np.squeeze,
    cases=(
        Case((2, 1, 3, 1)),
        Case((2, 1, 1), axis=-1),
        Case((1, 2, 1), axis=(0, 2)),
        Case((1,)),
        Case((2,)),
        Case("python"),
    ),
    **LINEAR,
)
def squeeze(x, *, axis=None):
    """Axes of length 1 removed: all of them, or those named."""
    return np.squeeze(x, axis)


squeeze.defvjp(lambda g, ans, x, axis: reshape(g, shape=shape_of(x)))


@op(
    "expand",
    numpy=np.expand_dims,
    cases=(
        Case((2, 3), axis=0),
        Case((2, 3), axis=-1),
        Case((2,), axis=(0, -1)),
        Case((), axis=0),
        Case("python", axis=0),
        Case((0,), axis=1),
    ),
    **LINEAR,
)
def expand_dims(x, *, axis):
    """New axes of length 1 at the given places of the result."""
    return np.asarray(x)[..., None] if axis == -1 else np.expand_dims(x, axis)  # (the first is 7 times faster)


expand_dims.defvjp(lambda g, ans, x, axis: reshape(g, shape=shape_of(x)))


def atleast_1d(x):
    """A scalar as an array of one element; anything else as it is."""
    return x if shape_of(x) else reshape(x, shape=(1,))


def atleast_2d(x):
    """New axes in front until there are two."""
    shape = shape_of(x)
    return x if len(shape) > 1 else reshape(x, shape=(1,) * (2 - len(shape)) + shape)


def atleast_3d(x):
    """New axes around until there are three: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1)."""
    shape = shape_of(x)
    return x if len(shape) > 2 else reshape(x, shape=((1, 1, 1), (1, *shape, 1), (*shape, 1))[len(shape)])


# the same elements in another order


@op(
    "flip",
    numpy=np.flip,
    cases=(
        Case((3,)),
        Case((2, 3)),
        Case((2, 3), axis=-1),
        Case((2, 3, 2), axis=(0, 2)),
        Case(()),
        Case((0, 2), axis=0),
    ),
    **LINEAR,
)
def flip(x, *, axis=None):
    """Order of the elements reversed along axes; along all of them if axis is None."""
    return np.flip(x, axis)


flip.defvjp(lambda g, ans, x, axis: flip(g, axis=axis))


def fliplr(x):
    """Columns (axis 1) reversed."""
    return flip(x, axis=1)


def flipud(x):
    """Rows (axis 0) reversed."""
    return flip(x, axis=0)


@op(
    "roll",
    numpy=np.roll,
    cases=(
        Case((5,), shift=2),
        Case((2, 3), shift=-4),
        Case((2, 3), shift=1, axis=1),
        Case((2, 3), shift=(1, -2), axis=(0, 1)),
        Case((2, 3), shift=1, axis=(0, -1)),
        Case((2, 3), shift=(1, 2), axis=1),
        Case((0,), shift=1),
        Case((), shift=1),
    ),
    **LINEAR,
)
def roll(x, *, shift, axis=None):
    """Elements shifted along axes; those that leave at one end enter at the other. Flattened if axis is None."""
    return np.roll(x, shift, axis)


roll.defvjp(
    lambda g, ans, x, shift, axis: roll(
        g, shift=tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis=axis
    )
)


@op(
    "↺",
    numpy=np.rot90,
    cases=(Case((2, 3)), Case((2, 3), k=2), Case((2, 3), k=-1), Case((2, 3, 4), k=3, axes=(1, 2)), Case((0, 2))),
    **LINEAR,
)
def rot90(x, *, k=1, axes=(0, 1)):
    """Rotated by k quarter turns, from the first of two axes towards the second."""
    return np.rot90(x, operator.index(k), axes)  # NumPy takes 1.5 turns for 3, and back again for 2.5


rot90.defvjp(lambda g, ans, x, k, axes: rot90(g, k=-k, axes=axes))

# copies


@op(
    "tile",
    numpy=np.tile,
    cases=(
        Case((3,), reps=2),
        Case((2, 3), reps=(2, 1)),
        Case((2, 3), reps=2),
        Case((3,), reps=(2, 2)),
        Case((), reps=3),
        Case("python", reps=(2,)),
        Case((2,), reps=0),
        Case((0,), reps=2),
        Case((2,), reps=()),
    ),
    **LINEAR,
)
def tile(x, *, reps):
    """The whole array repeated `reps` times along each axis."""
    return np.tile(x, reps)


def tile_vjp(g, ans, x, reps):
    """Give every copy an axis of its own, and sum over these axes."""
    reps = reps if isinstance(reps, tuple) else (reps,)
    shape = shape_of(x)
    n = max(len(reps), len(shape))
    reps, shape = (1,) * (n - len(reps)) + reps, (1,) * (n - len(shape)) + shape
    copies = reshape(g, shape=tuple(length for pair in zip(reps, shape, strict=True) for length in pair))
    summed = sum_to(copies, shape=tuple(length for m in shape for length in (1, m)))
    return reshape(summed, shape=shape_of(x))


tile.defvjp(tile_vjp)

REPEATS = (
    Case((3,), repeats=2),
    Case((2, 3), repeats=2),
    Case((2, 3), repeats=2, axis=1),
    Case((2, 3), repeats=3, axis=-2),
    Case((2, 3), repeats=(2, 0, 1), axis=1),
    Case((4,), repeats=(0, 0, 3, 0)),
    Case((), repeats=2),
    Case("python", repeats=2),
    Case((2,), repeats=0),
    Case((0,), repeats=2),
)


@op("repeat", numpy=np.repeat, cases=REPEATS, **LINEAR)
def repeat(x, *, repeats, axis=None):
    """Each element repeated, next to itself: `repeats` times, or as often as `repeats` says for each."""
    return np.repeat(x, repeats, axis)


@op(
    "Σrepeat",
    cases=(
        Case((6,), shape=(3,), repeats=2),
        Case((2, 3), shape=(2, 3), repeats=(2, 0, 1), axis=1),
        Case((12,), shape=(2, 3), repeats=2),
    ),
    **LINEAR,
)
def repeat_transpose(x, *, shape, repeats, axis=None):
    """Sum over the copies that `repeat` made of each element of an array of a given shape. Adjoint of `repeat`."""
    rows = np.reshape(x, -1) if axis is None else np.moveaxis(x, axis, 0)
    lengths = tuple(shape)
    if axis is not None:
        lengths = (lengths[axis], *np.delete(lengths, axis).tolist())
    else:
        lengths = (math.prod(lengths),)
    if isinstance(repeats, int):
        out = np.add.reduce(rows.reshape(lengths[0], repeats, *lengths[1:]), axis=1)
    else:
        out = np.zeros(lengths, rows.dtype)
        np.add.at(out, np.repeat(np.arange(lengths[0]), repeats), rows)
    return out.reshape(shape) if axis is None else np.moveaxis(out, 0, axis)


repeat.defvjp(lambda g, ans, x, repeats, axis: repeat_transpose(g, shape=shape_of(x), repeats=repeats, axis=axis))
repeat_transpose.defvjp(lambda g, ans, x, shape, repeats, axis: repeat(g, repeats=repeats, axis=axis))


def meshgrid(*xs, indexing="xy"):
    """Coordinate matrices of vectors; with indexing "xy" the first runs along axis 1, with "ij" along axis 0.

    Raises:
        ValueError: if `indexing` is neither.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid wanted indexing='xy' or indexing='ij', got {indexing!r}.")
    places = list(range(len(xs)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    lengths = [1] * len(xs)
    for x, place in zip(xs, places, strict=True):
        lengths[place] = math.prod(shape_of(x))
    lines = [
        reshape(x, shape=tuple(-1 if i == place else 1 for i in range(len(xs))))
        for x, place in zip(xs, places, strict=True)
    ]
    return tuple(broadcast_to(line, shape=tuple(lengths)) for line in lines)


# borders

PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad_pairs(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """Return (before, after) for each axis."""
    if type(pad_width) is tuple and len(pad_width) == ndim and all(type(p) is tuple and len(p) == 2 for p in pad_width):
        return list(pad_width)  # as rules write it: broadcasting takes ten times as long
    return (
        [(int(before), int(after)) for before, after in np.broadcast_to(np.asarray(pad_width), (ndim, 2))]
        if ndim
        else []
    )


@op(
    "pad",
    numpy=np.pad,
    complex=True,
    cases=(
        Case((3,), pad_width=2),
        Case((2, 3), pad_width=((1, 0), (0, 2))),
        Case((2, 3), pad_width=(1, 2), constant_values=1.5),
        Case((3,), pad_width=(2, 1), mode="edge"),
        Case((3, 2), pad_width=((2, 1), (1, 1)), mode="reflect"),
        Case((3,), pad_width=7, mode="reflect"),
        Case((3, 2), pad_width=(2, 1), mode="symmetric"),
        Case((3, 2), pad_width=((4, 1), (0, 3)), mode="wrap"),
        Case((0, 2), pad_width=1),
        Case((), pad_width=0),
    ),
)
def pad(x, *, pad_width, mode="constant", constant_values=0):
    """A border around the array: (before, after) elements for each axis, or one pair or number for all.

    The border holds `constant_values`, the nearest element ("edge"), the mirror image without or with the outermost
    element ("reflect", "symmetric"), or what stands at the other end ("wrap").
    """
    if mode not in PAD_MODES:
        raise ValueError(f"wanted mode {', '.join(PAD_MODES)}; got {mode!r}. Compute the border and concatenate")
    x = np.asarray(x)
    if mode != "constant":
        return np.pad(x, pad_width, mode)
    if np.size(constant_values) > 1:
        return np.pad(x, pad_width, constant_values=constant_values)
    pairs = pad_pairs(pad_width, x.ndim)
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError("wanted widths of 0 or more; to remove elements write x[i:j]")
    out = np.full(
        [before + n + after for n, (before, after) in zip(x.shape, pairs, strict=True)], constant_values, x.dtype
    )
    out[tuple(slice(before, before + n) for n, (before, after) in zip(x.shape, pairs, strict=True))] = x
    return out


@op(
    "crop",
    cases=(
        Case((5,), pad_width=2),
        Case((3, 4), pad_width=((1, 0), (0, 3))),
        Case((2,), pad_width=1),
        Case((), pad_width=()),
    ),
    **LINEAR,
)
def crop(x, *, pad_width):
    """The border that `pad` puts around an array, removed: (before, after) elements for each axis."""
    x = np.asarray(x)
    pairs = pad_pairs(pad_width, x.ndim)
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, pairs, strict=True))]


crop.defvjp(lambda g, ans, x, pad_width: pad(g, pad_width=pad_width))


@op(
    "Σpad",
    cases=(
        Case((6,), pad_width=(2, 1), mode="edge"),
        Case((6, 4), pad_width=((2, 1), (1, 1)), mode="reflect"),
        Case((6, 5), pad_width=(2, 1), mode="symmetric"),
        Case((8, 5), pad_width=((4, 1), (0, 3)), mode="wrap"),
    ),
    **LINEAR,
)
def pad_transpose(x, *, pad_width, mode):
    """Remove the border, and add each of its elements to the one of which `pad` made it a copy. Adjoint of `pad`."""
    out = np.asarray(x)
    for axis, (before, after) in enumerate(pad_pairs(pad_width, out.ndim)):
        rows = np.moveaxis(out, axis, 0)
        n = len(rows) - before - after
        summed = np.zeros((n, *rows.shape[1:]), rows.dtype)
        np.add.at(summed, np.pad(np.arange(n), (before, after), mode), rows)
        out = np.moveaxis(summed, 0, axis)
    return out


pad.defvjp(
    lambda g, ans, x, pad_width, mode, constant_values: (
        crop(g, pad_width=pad_width) if mode == "constant" else pad_transpose(g, pad_width=pad_width, mode=mode)
    )
)
pad_transpose.defvjp(lambda g, ans, x, pad_width, mode: pad(g, pad_width=pad_width, mode=mode))

# joining


@op(
    "concat",
    numpy=(np.concatenate, np.concat),
    cases=(
        Case((2, 3), (1, 3)),
        Case((2, 3), (2, 1), (2, 2), axis=1),
        Case((2, 3), (2, 3), axis=-2),
        Case((2, 3), (2,), (), axis=None),
        Case((3,)),
        Case((0,), (2,)),
    ),
    **LINEAR,
)
def concatenate(*xs, axis=0):
    """Arrays joined along an axis that they have; flattened first if axis is None."""
    return np.concatenate(xs, axis)


def concatenate_vjp(wanted, g, ans, *xs, axis):
    """Cut out the pieces that came from each array."""
    shapes = [shape_of(x) for x in xs]
    at, ndim = (0, 1) if axis is None else (axis % len(shapes[0]), len(shapes[0]))
    lengths = [math.prod(s) if axis is None else s[axis] for s in shapes]
    return pieces(wanted, g, shapes, at, ndim, lengths)


def pieces(wanted, g, shapes, axis, ndim, lengths):
    """Cut g along an axis into pieces of the given lengths and shapes; those not wanted are None."""
    total, end, found = sum(lengths), 0, []
    for want, length, shape in zip(wanted, lengths, shapes, strict=True):
        width = [(0, 0)] * ndim
        width[axis] = (end, total - end - length)
        found.append(reshape(crop(g, pad_width=tuple(width)), shape=shape) if want else None)
        end += length
    return found


concatenate.defvjp_all(concatenate_vjp)


@op(
    "stack",
    numpy=np.stack,
    cases=(
        Case((2, 3), (2, 3)),
        Case((2,), (2,), (2,), axis=-1),
        Case((), ()),
        Case("python", "python"),
        Case((2, 3), (2, 3), axis=1),
        Case((0,), (0,)),
    ),
    **LINEAR,
)
def stack(*xs, axis=0):
    """Arrays of one shape joined along a new axis."""
    return np.stack(xs, axis)


def stack_vjp(wanted, g, ans, *xs, axis):
    """Cut out the slices."""
    ndim = len(shape_of(ans))
    return pieces(wanted, g, [shape_of(x) for x in xs], axis % ndim, ndim, [1] * len(xs))


stack.defvjp_all(stack_vjp)


def hstack(*xs):
    """Arrays side by side: joined along axis 1, vectors along axis 0."""
    xs = tuple(map(atleast_1d, xs))
    return concatenate(*xs, axis=0 if len(shape_of(xs[0])) == 1 else 1)


def vstack(*xs):
    """Arrays above each other: joined along axis 0; vectors are rows."""
    return concatenate(*map(atleast_2d, xs), axis=0)


def dstack(*xs):
    """Arrays behind each other: joined along axis 2."""
    return concatenate(*map(atleast_3d, xs), axis=2)


def column_stack(*xs):
    """Matrices side by side; vectors are columns."""
    return concatenate(*[x if len(shape_of(x)) > 1 else reshape(x, shape=(-1, 1)) for x in xs], axis=1)


# diagonals and triangles


@op(
    "diagonal",
    numpy=np.diagonal,
    cases=(
        Case((3, 3)),
        Case((2, 3), offset=1),
        Case((2, 3), offset=-1),
        Case((2, 3), offset=5),
        Case((2, 3, 4), offset=1, axis1=-1, axis2=0),
        Case((0, 2)),
    ),
    **LINEAR,
)
def diagonal(x, *, offset=0, axis1=0, axis2=1):
    """The elements (i, i + offset) of two axes, along a new last axis. Adjoint of `diagonal_embed`."""
    return np.diagonal(x, offset, axis1, axis2)


@op(
    "embed diagonal",
    cases=(
        Case((3,), shape=(3, 3)),
        Case((2,), shape=(2, 3), offset=1),
        Case((3, 1), shape=(2, 3, 4), offset=1, axis1=-1, axis2=0),
    ),
    **LINEAR,
)
def diagonal_embed(x, *, shape, offset=0, axis1=0, axis2=1):
    """Zeros of a shape with x on a diagonal. Adjoint of `diagonal`."""
    x = np.asarray(x)
    out = np.zeros(shape, x.dtype)
    plane = np.moveaxis(out, (axis1, axis2), (-2, -1))
    i = np.arange(x.shape[-1])
    plane[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return out


diagonal.defvjp(
    lambda g, ans, x, offset, axis1, axis2: diagonal_embed(
        g, shape=shape_of(x), offset=offset, axis1=axis1, axis2=axis2
    )
)
diagonal_embed.defvjp(
    lambda g, ans, x, shape, offset, axis1, axis2: diagonal(g, offset=offset, axis1=axis1, axis2=axis2)
)


@op("diag", numpy=np.diag, cases=(Case((3,)), Case((2,), k=-1), Case((3, 3)), Case((2, 3), k=1), Case((0,))), **LINEAR)
def diag(x, *, k=0):
    """A matrix with the vector x on diagonal k; or, of a matrix x, its diagonal k."""
    return np.diag(x, k)


diag.defvjp(
    lambda g, ans, x, k: diag(g, k=k) if len(shape_of(x)) == 1 else diagonal_embed(g, shape=shape_of(x), offset=k)
)


@op("diag", numpy=np.diagflat, cases=(Case((3,)), Case((2, 2), k=1), Case((), k=-1), Case("python")), **LINEAR)
def diagflat(x, *, k=0):
    """A matrix with the elements of x on diagonal k."""
    return np.diagflat(x, k)


diagflat.defvjp(lambda g, ans, x, k: reshape(diagonal(g, offset=k), shape=shape_of(x)))


@op(
    "tr",
    numpy=np.trace,
    cases=(
        Case((3, 3)),
        Case((2, 3), offset=1),
        Case((2, 3), offset=-4),
        Case((2, 3, 4), axis1=-1, axis2=0),
        Case((0, 0)),
    ),
    **LINEAR,
)
def trace(x, *, offset=0, axis1=0, axis2=1):
    """Sum of the elements (i, i + offset) of two axes."""
    return np.trace(x, offset, axis1, axis2)


def trace_vjp(g, ans, x, offset, axis1, axis2):
    """Put g everywhere on the diagonal."""
    rows, columns = shape_of(x)[axis1], shape_of(x)[axis2]
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    along = broadcast_to(reshape(g, shape=(*shape_of(g), 1)), shape=(*shape_of(g), length))
    return diagonal_embed(along, shape=shape_of(x), offset=offset, axis1=axis1, axis2=axis2)


trace.defvjp(trace_vjp)


@op(
    "◣",
    numpy=np.tril,
    cases=(Case((3, 3)), Case((2, 3), k=1), Case((2, 3, 2), k=-1), Case((3,)), Case((0, 2))),
    **LINEAR,
)
def tril(x, *, k=0):
    """Lower triangle: elements above diagonal k are 0."""
    return np.tril(x, k)


tril.defvjp(lambda g, ans, x, k: tril(g, k=k))


@op(
    "◥",
    numpy=np.triu,
    cases=(Case((3, 3)), Case((2, 3), k=1), Case((2, 3, 2), k=-1), Case((3,)), Case((0, 2))),
    **LINEAR,
)
def triu(x, *, k=0):
    """Upper triangle: elements below diagonal k are 0."""
    return np.triu(x, k)


triu.defvjp(lambda g, ans, x, k: triu(g, k=k))

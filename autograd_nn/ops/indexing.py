"""Indexing: selecting elements, its adjoint (placing them among zeros), and differentiable assignment.

An index in brackets is split in two. Index arrays and masks become operands of the op, so they show in the graph.
The rest is the attribute `key`, one entry for each position of the index: an int; None for a new axis; "..."; a slice
as (start, stop, step); and (i,) for index array number i. So ``x[1, :, rows]`` has the key
``(1, (None, None, None), (0,))``.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np

from ..domain import Case
from ..graph import Node, describe, modes
from ..graph import dtype as dtype_of
from ..graph import shape as shape_of
from ..op import op
from .arithmetic import divide, negative
from .comparison import equal, where
from .reduction import recurrence, shifted
from .shape import broadcast_to, cast, concatenate, expand_dims, moveaxis, reshape, stack

__all__ = [
    "At",
    "Selection",
    "append",
    "array_split",
    "at_add",
    "at_max",
    "at_min",
    "at_multiply",
    "at_set",
    "choose",
    "compress",
    "delete",
    "dsplit",
    "extract",
    "getitem",
    "groups",
    "hsplit",
    "index",
    "insert",
    "last_of_each",
    "parse",
    "place",
    "place_along_axis",
    "put_along_axis",
    "split",
    "take",
    "take_along_axis",
    "unstack",
    "vsplit",
]

ALL = (None, None, None)
"""The key entry of a full slice."""

# reading an index


def parse(key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Split what stands in brackets into a key of plain data and the index arrays.

    Raises:
        TypeError: if it is no index: integers, slices, Ellipsis, None, and arrays of integers or booleans are.

    >>> parse((slice(None, None, -1), ..., [0, 2]))
    (((None, None, -1), '...', (0,)), [array([0, 2])])
    """
    entries: list[Any] = []
    arrays: list[Any] = []
    for part in key if type(key) is tuple else (key,):
        if type(part) is slice:
            entries.append((bound(part.start), bound(part.stop), bound(part.step)))
        elif part is None or type(part) is int:
            entries.append(part)
        elif part is Ellipsis:
            entries.append("...")
        elif isinstance(part, np.integer):
            entries.append(int(part))
        else:
            entries.append((len(arrays),))
            arrays.append(index_array(part))
    return tuple(entries), arrays


def bound(n: Any) -> int | None:
    """Return an end or the step of a slice."""
    if n is None or type(n) is int:
        return n
    try:
        return operator.index(n)
    except TypeError as error:
        if isinstance(n, Node) and modes.current is not None and modes.current.recorder is not None:
            raise  # it says what to write
        raise TypeError(f"a slice wanted integers as its ends and step, got {n!r}. Write x[int(i):int(j)].") from error


def index_array(part: Any) -> Any:
    """Return an index array or a mask, checked."""
    if isinstance(part, (Node, np.ndarray, bool, np.bool_)):
        array = part
    else:
        try:
            array = np.asarray(part)
        except ValueError as error:
            raise TypeError(f"an index wanted lists of equal length, got {part!r:.60}: {error}.") from error
        if isinstance(part, (list, tuple)) and not array.size:
            array = array.astype(np.intp)
    kind = dtype_of(array).kind
    if kind not in "biu":
        came = describe(part) if isinstance(part, Node) else f"{type(part).__name__} {part!r:.60}"
        cure = "x[1, 2:], x[[0, 2]] or x[mask]"
        if kind == "f":
            cure = "x[i.astype(int)], or x[mask] with a comparison such as mask = y > 0"
        raise TypeError(
            "an index wanted integers, slices, '...', None, or arrays of integers or booleans; "
            f"got {came} of dtype {dtype_of(array)}. Write {cure}."
        )
    return array


def read(key: tuple[Any, ...], arrays: Any) -> tuple[Any, ...]:
    """Put a key and its index arrays together again, as NumPy takes them."""
    return tuple(
        [
            k if k is None or type(k) is int else Ellipsis if k == "..." else arrays[k[0]] if len(k) == 1 else slice(*k)
            for k in key
        ]
    )


def repeats(indices: Any) -> bool:
    """Can the index select an element more than once? Only integer arrays can; masks and slices cannot."""
    return any(len(shape_of(i)) and dtype_of(i).kind != "b" for i in indices)


def index(x: Any, key: Any) -> Any:
    """Return ``x[key]`` for everything that NumPy takes as an index, Values of integers or booleans among them."""
    entries, arrays = parse(key)
    return getitem(x, *arrays, key=entries)


# the adjoint pair

ROWS = np.array([2, 0, 2, -1])
MASK = np.array([[True, False, True], [False, False, True]])


@op(
    "x[i]",
    linear=True,
    complex=True,
    cases=(
        Case((3,), key=(1,)),
        Case((2, 3), key=(-1,)),
        Case((2, 3), key=((None, None, -1), (0, 3, 2))),
        Case((2, 3), key=("...", None, 0)),
        Case((2, 3), key=()),
        Case((), key=()),
        Case("python", key=("...", None)),
        Case((4, 3), key=((3, 0, -2),)),
        Case((3, 2), ROWS, key=((0,),)),
        Case((2, 3, 4), ROWS, key=(ALL, (0,))),
        Case((2, 3, 4), np.array([[0], [1]]), ROWS, key=((0,), ALL, (1,))),
        Case((2, 3), MASK, key=((0,),)),
        Case((2, 3), np.array([True, False, True]), key=("...", (0,))),
        Case((2, 3), np.array([0, 1]), np.array([2, 2]), key=((0,), (1,))),
        Case((2, 3), np.array([], dtype=int), key=((0,),)),
        Case((0, 3), key=(ALL, 1)),
    ),
)
def getitem(*operands, key):
    """Elements of the first operand, as ``x[key]`` selects them; the other operands are the index arrays."""
    x = operands[0]
    return (x if type(x) is np.ndarray else np.asarray(x))[read(key, operands[1:])]


@op(
    "0[i]=g",
    linear=True,
    complex=True,
    cases=(
        Case((), key=(1,), shape=(3,)),
        Case((2, 2), key=((None, None, -1), (0, 3, 2)), shape=(2, 3)),
        Case((4, 2), ROWS, key=((0,),), shape=(3, 2)),
        Case((4,), ROWS, key=((0,),), shape=(3,)),
        Case((2, 4, 3), np.array([[0], [1]]), ROWS, key=((0,), ALL, (1,)), shape=(2, 3, 4)),
        Case((3,), MASK, key=((0,),), shape=(2, 3)),
    ),
)
def place(*operands, key, shape):
    """Zeros of a shape, with the first operand added at an index: what is selected twice gets both."""
    g, indices = np.asarray(operands[0]), operands[1:]
    out = np.zeros(shape, g.dtype)
    if not repeats(indices):
        out[read(key, indices)] = g
    elif key == ((0,),) and len(shape) > 1:  # whole rows: NumPy is four times as fast on flat indices
        width = out[:1].size
        rows = np.asarray(indices[0], np.intp)  # in uint8 the numbers below would overflow
        rows = np.where(rows < 0, rows + shape[0], rows)[..., np.newaxis] * width + np.arange(width)
        np.add.at(out.reshape(-1), rows.reshape(-1), g.reshape(-1))
    else:
        np.add.at(out, read(key, indices), g)
    return out


def add_at(total, g, x, *, key):
    """Add g at an index without index arrays."""
    total[read(key, ())] += g


getitem.defaccumulate(add_at)
getitem.defvjp(lambda position, g, ans, x, *indices, key: place(g, *indices, key=key, shape=shape_of(x)))
place.defvjp(lambda position, g, ans, x, *indices, key, shape: getitem(g, *indices, key=key))

# along an axis


@op(
    "x[i]",
    numpy=np.take,
    linear=True,
    complex=True,
    cases=(
        Case((3,), np.array([2, 0, 2])),
        Case((2, 3), np.array([5, 0, -1])),
        Case((2, 3), np.array([[2, 0], [1, 2]]), axis=1),
        Case((2, 3, 2), np.array([0, 0]), axis=-2),
        Case((2, 3), np.array(1), axis=0),
    ),
)
def take(x, indices, *, axis=None):
    """Elements at integer indices along an axis; of the flattened array if axis is None."""
    return np.take(x, indices, axis)


def take_vjp(g, ans, x, indices, axis):
    """Add at the indices."""
    shape = shape_of(x)
    if axis is None:
        return reshape(place(g, indices, key=((0,),), shape=(math.prod(shape),)), shape=shape)
    return place(g, indices, key=(ALL,) * (axis % len(shape)) + ((0,),), shape=shape)


take.defvjp(take_vjp, None)


@op(
    "x[i]",
    numpy=np.take_along_axis,
    linear=True,
    complex=True,
    cases=(
        Case((3,), np.array([2, 0, 2, -1]), axis=0),
        Case((2, 3), np.array([[2, 2], [0, -3]])),
        Case((2, 3), np.array([[1, 0, 0]]), axis=0),
        Case((2, 1), np.array([[0, 0], [0, -1]]), axis=1),
        Case((2, 3), np.array([5, 0, 5]), axis=None),
    ),
)
def take_along_axis(x, indices, *, axis=-1):
    """Elements at indices along an axis, where each row has indices of its own. Adjoint of `place_along_axis`."""
    return np.take_along_axis(np.asarray(x), np.asarray(indices), axis)


@op(
    "0[i]=g",
    linear=True,
    complex=True,
    cases=(
        Case((4,), np.array([2, 0, 2, -1]), length=3, axis=0),
        Case((2, 2), np.array([[2, 2], [0, -3]]), length=3),
        Case((1, 3), np.array([[1, 0, 0]]), length=2, axis=0),
    ),
)
def place_along_axis(x, indices, *, length, axis=-1):
    """Zeros with `length` elements along an axis, x added at indices along it. Adjoint of `take_along_axis`."""
    x = np.moveaxis(np.asarray(x), axis, -1)
    at = np.broadcast_to(np.moveaxis(np.asarray(indices, np.intp), axis, -1), x.shape)
    out = np.zeros((*x.shape[:-1], length), x.dtype)
    first = length * np.arange(math.prod(x.shape[:-1])).reshape(
        *x.shape[:-1], 1
    )  # where each row begins in the flat array
    np.add.at(out.reshape(-1), (first + np.where(at < 0, at + length, at)).reshape(-1), x.reshape(-1))
    return np.moveaxis(out, -1, axis)


def take_along_axis_vjp(g, ans, x, indices, axis):
    """Add at the indices."""
    shape = shape_of(x)
    if axis is None:
        return reshape(place_along_axis(g, indices, length=math.prod(shape), axis=0), shape=shape)
    return place_along_axis(g, indices, length=shape[axis], axis=axis)


take_along_axis.defvjp(take_along_axis_vjp, None)
place_along_axis.defvjp(lambda g, ans, x, indices, length, axis: take_along_axis(g, indices, axis=axis), None)

# differentiable assignment


class At:
    """``x.at``: what can be done at an index, as new values that are differentiable in x and in what is put there.

    >>> from autograd_nn import Value
    >>> x = Value([1.0, 2.0, 3.0])
    >>> x.at[1:].set(0.0).tolist()
    [1.0, 0.0, 0.0]
    >>> x.at[[0, 0]].add([10.0, 100.0]).tolist()
    [111.0, 2.0, 3.0]
    """

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __getitem__(self, key: Any) -> Selection:
        return Selection(self.x, key)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"x.at has no {name!r}: it wanted an index first, x.at[index].{name}(…).", name=name, obj=self
        )


class Selection:
    """``x.at[key]``: elements of x chosen by an index. Its methods return x with these elements changed.

    New values broadcast to the shape of ``x[key]``. Where an index array selects an element more than once, `set` keeps
    the last value; the others apply one after another.
    """

    __slots__ = ("arrays", "key", "x")

    def __init__(self, x: Any, key: Any) -> None:
        self.x = x
        self.key, self.arrays = parse(key)

    def get(self) -> Any:
        """Return ``x[key]``."""
        return getitem(self.x, *self.arrays, key=self.key)

    def set(self, y: Any) -> Any:
        """Return x with y at the index. The gradient of what was there is 0, as is that of what was overwritten."""
        return at_set(self.x, y, *self.arrays, key=self.key)

    def add(self, y: Any) -> Any:
        """Return x with y added at the index."""
        return at_add(self.x, y, *self.arrays, key=self.key)

    def subtract(self, y: Any) -> Any:
        """Return x with y subtracted at the index."""
        return self.add(negative(y))

    def multiply(self, y: Any) -> Any:
        """Return x multiplied by y at the index."""
        return at_multiply(self.x, y, *self.arrays, key=self.key)

    def divide(self, y: Any) -> Any:
        """Return x divided by y at the index."""
        return self.multiply(divide(1.0, y))

    def min(self, y: Any) -> Any:
        """Return x with the smaller of x and y at the index; a tie shares its gradient equally."""
        return at_min(self.x, y, *self.arrays, key=self.key)

    def max(self, y: Any) -> Any:
        """Return x with the larger of x and y at the index; a tie shares its gradient equally."""
        return at_max(self.x, y, *self.arrays, key=self.key)


def target(x: Any, y: Any, key: tuple[Any, ...], indices: Any) -> tuple[np.ndarray, tuple[Any, ...], np.ndarray]:
    """Return a copy of x to write to, the index, and y broadcast to the shape selected.

    The copy has the dtype of x, unless y is of a richer kind (float into integers, complex into real).
    """
    dtype, at = dtype_of(x), read(key, indices)
    if not np.can_cast(dtype_of(y), dtype, "same_kind"):
        dtype = np.result_type(x, y)
    out = np.array(x, dtype=dtype, order="C")  # so that reshape(-1) is a view
    selected = np.shape(out[at])
    try:
        return out, at, np.broadcast_to(y, selected)
    except ValueError as error:
        raise ValueError(
            f"the new values have shape {np.shape(y)}, which does not broadcast to the shape {selected} of x[index]"
        ) from error


def updated(ufunc: np.ufunc, operands: Any, key: tuple[Any, ...]) -> np.ndarray:
    """Return x with a ufunc of it and y at an index, applied once for each time that an element is selected."""
    x, y, *indices = operands
    out, at, y = target(x, y, key, indices)
    if repeats(indices):
        ufunc.at(out, at, y.astype(out.dtype, copy=False))
    else:
        out[at] = ufunc(out[at], y)
    return out


def positions(shape: tuple[int, ...], key: tuple[Any, ...], indices: Any) -> np.ndarray:
    """Return, for each element selected, its number in the flattened array."""
    return np.asarray(np.arange(math.prod(shape)).reshape(shape)[read(key, indices)])


ASSIGNMENT = {
    "complex": True,
    "cases": (
        Case((3,), (), key=(1,)),
        Case((2, 3), (2,), key=((None, None, -1), (0, 3, 2))),
        Case((2, 3), (2, 1), key=("...", (1, None, None))),
        Case((3, 2), (4, 2), ROWS, key=((0,),)),
        Case((3, 2), (2,), ROWS, key=((0,),)),
        Case((3,), (4,), ROWS, key=((0,),)),
        Case((2, 3, 4), (2, 4, 3), np.array([[0], [1]]), ROWS, key=((0,), ALL, (1,))),
        Case((2, 3), (3,), MASK, key=((0,),)),
        Case((2, 3), "python", MASK, key=((0,),)),
        Case((2,), (0,), np.array([], dtype=int), key=((0,),)),
        Case("python", "python", key=()),
    ),
}


@op("x[i]=y", **ASSIGNMENT)
def at_set(*operands, key):
    """Operand 0 with operand 1 at an index; of several values for one element the last stays. See `Selection`."""
    x, y, *indices = operands
    out, at, y = target(x, y, key, indices)
    if repeats(indices):  # NumPy's word on which value stays holds for flat indices
        out.reshape(-1)[positions(out.shape, key, indices).reshape(-1)] = y.reshape(-1)
    else:
        out[at] = y
    return out


@op("last", differentiable=False, cases=(Case(ROWS, key=((0,),), shape=(3, 2)),))
def last_of_each(*indices, key, shape):
    """Mask of the selected elements that no later one of the selection overwrites."""
    at = positions(shape, key, indices)
    flat = at.reshape(-1)
    number = np.arange(flat.size)
    writer = np.zeros(math.prod(shape), dtype=int)
    writer[flat] = number
    return (writer[flat] == number).reshape(at.shape)


def at_set_vjp(position, g, ans, x, y, *indices, key):
    """Nothing flows to what was overwritten."""
    if position == 0:
        return at_set(g, 0.0, *indices, key=key)
    picked = getitem(g, *indices, key=key)
    return where(last_of_each(*indices, key=key, shape=shape_of(x)), picked, 0.0) if repeats(indices) else picked


at_set.defvjp(at_set_vjp)


@op("x[i]+y", **ASSIGNMENT)
def at_add(*operands, key):
    """Operand 0 with operand 1 added at an index; several values for one element are all added."""
    return updated(np.add, operands, key)


at_add.defvjp(lambda position, g, ans, x, y, *indices, key: getitem(g, *indices, key=key) if position else g)


@op("x[i]×y", **ASSIGNMENT)
def at_multiply(*operands, key):
    """Operand 0 multiplied by operand 1 at an index; by all of several values for one element."""
    return updated(np.multiply, operands, key)


@op(
    "groups",
    differentiable=False,
    results=("order", "inverse", "first", "last"),
    cases=(Case(ROWS, key=((0,),), shape=(3, 2)),),
)
def groups(*indices, key, shape):
    """Order in which values for the same element stand together, its inverse, and where each group begins and ends."""
    flat = positions(shape, key, indices).reshape(-1)
    order = np.argsort(flat, kind="stable")
    ends = np.concatenate([[True], np.diff(flat[order]) != 0, [True]])
    return order, np.argsort(order), ends[: flat.size], ends[1 : flat.size + 1]


def product_of_others(y: Any, x: Any, key: tuple[Any, ...], indices: Any) -> Any:
    """Return, for each value, the product of the other values for the same element: of those before and those after."""
    order, inverse, first, last = groups(*indices, key=key, shape=shape_of(x))
    rows = take(reshape(y, shape=(-1,)), order)
    before = recurrence(where(first, 0.0, shifted(rows, 1)), where(first, 1.0, 0.0))
    after = recurrence(where(last, 0.0, shifted(rows, -1)), where(last, 1.0, 0.0), reverse=True)
    return reshape(take(before * after, inverse), shape=shape_of(y))


def at_multiply_vjp(position, g, ans, x, y, *indices, key):
    """Each factor's cotangent is g times all the other factors."""
    if position == 0:
        return at_multiply(g, y, *indices, key=key)
    picked = getitem(g * x, *indices, key=key)
    if not repeats(indices) or not math.prod(shape_of(picked)):
        return picked
    return picked * product_of_others(broadcast_to(y, shape=shape_of(picked)), x, key, indices)


at_multiply.defvjp(at_multiply_vjp)


@op("max x[i],y", kinks="a tie shares its gradient equally", **{**ASSIGNMENT, "complex": False})
def at_max(*operands, key):
    """Operand 0 with, at an index, the largest of it and operand 1."""
    return updated(np.maximum, operands, key)


@op("min x[i],y", kinks="a tie shares its gradient equally", **{**ASSIGNMENT, "complex": False})
def at_min(*operands, key):
    """Operand 0 with, at an index, the smallest of it and operand 1."""
    return updated(np.minimum, operands, key)


def at_extremum_vjp(position, g, ans, x, y, *indices, key):
    """Send g to those of x and its challengers that equal the result, in equal shares."""
    kept = equal(x, ans)
    y = cast(y, dtype=dtype_of(ans).name)  # to which it was rounded
    won = equal(y, getitem(ans, *indices, key=key))
    number = at_add(where(kept, 1.0, 0.0), where(won, 1.0, 0.0), *indices, key=key)
    if position == 0:
        return where(kept, g / number, 0.0)
    return where(won, getitem(g / number, *indices, key=key), 0.0)


at_max.defvjp(at_extremum_vjp)
at_min.defvjp(at_extremum_vjp)


def put_along_axis(x, indices, values, *, axis):
    """x with values at indices along an axis, where each row has indices of its own; NumPy's writes in place."""
    if axis is None:
        flat = at_set(reshape(x, shape=(-1,)), values, indices, key=((0,),))
        return reshape(flat, shape=shape_of(x))
    shape = list(shape_of(x))
    axis %= len(shape)
    own = shape[:axis] + [shape_of(indices)[axis]] + shape[axis + 1 :]
    grid = list(np.ogrid[tuple(slice(n) for n in own)])
    grid[axis] = indices
    return at_set(x, values, *grid, key=tuple((i,) for i in range(len(shape))))


# choosing


def constant(condition: Any) -> np.ndarray:
    """Return a mask or index as an array; a Value of them is taken as it is now.

    Raises:
        TypeError: while a function is recorded, if it changes from call to call.
    """
    if isinstance(condition, Node) and modes.current is not None and modes.current.recorder is not None:
        modes.current.recorder.refuse_selection(condition)
    return np.asarray(condition._data if isinstance(condition, Node) and not condition.requires_grad else condition)


def compress(condition, x, *, axis=None):
    """Slices of x along an axis where the mask `condition` is true; elements of the flattened array if axis is None."""
    return take(x, np.flatnonzero(constant(condition)), axis=axis)


def extract(condition, x):
    """Elements of x where the mask `condition` is true, in one axis."""
    return take(x, np.flatnonzero(constant(condition)))


def choose(indices, choices):
    """Elementwise, the element of ``choices[i]`` where `indices` is i; with broadcasting.

    Raises:
        ValueError: if an index is not in range(len(choices)).
    """
    shape, n = np.broadcast_shapes(shape_of(indices), *map(shape_of, choices)), len(choices)
    joined = stack(*[broadcast_to(choice, shape=shape) for choice in choices])
    if isinstance(indices, Node) and modes.current is not None and modes.current.recorder is not None:
        chosen, came = broadcast_to(indices, shape=shape), np.asarray(indices._data)
        fits = modes.current.recorder.require(lambda i: (i >= 0) & (i < n), indices)
    else:
        chosen = came = np.broadcast_to(constant(indices), shape)
        fits = not came.size or 0 <= came.min() <= came.max() < n
    if not fits:
        raise ValueError(f"choose wanted indices from 0 to {n - 1}, got {came.min()} to {came.max()}.")
    return index(take_along_axis(joined, expand_dims(chosen, axis=0), axis=0), 0)


def append(x, values, *, axis=None):
    """Values joined to the end of x along an axis; both flattened if axis is None."""
    return concatenate(x, values, axis=axis)


def delete(x, obj, *, axis=None):
    """x without what stands at an index (int, slice or array) along an axis; flattened if axis is None."""
    n = math.prod(shape_of(x)) if axis is None else shape_of(x)[axis]
    return take(x, np.delete(np.arange(n), obj if isinstance(obj, slice) else constant(obj)), axis=axis)


def insert(x, obj, values, *, axis=None):
    """x with values inserted before an index (int, slice or array) along an axis; flattened if axis is None."""
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    shape = shape_of(x)
    axis %= len(shape)
    n = shape[axis]
    at = np.arange(n)[obj] if isinstance(obj, slice) else constant(obj)
    at = np.flatnonzero(at) if at.dtype.kind == "b" else at
    if at.size == 1:  # the values may be several, all inserted here
        values = reshape(values, shape=(1,) * (len(shape) - len(shape_of(values))) + shape_of(values))
        values = values if at.ndim else moveaxis(values, source=0, destination=axis)
        at, count = at.item(), shape_of(values)[axis]
    else:
        count = at.size
    if dtype_of(x).kind in "fc":
        values = cast(values, dtype=dtype_of(x).name)  # NumPy inserts in the dtype of x
    places = np.insert(np.arange(n), at, n + np.arange(count))
    values = broadcast_to(values, shape=(*shape[:axis], count, *shape[axis + 1 :]))
    return take(concatenate(x, values, axis=axis), places, axis=axis)


# cutting in pieces


def array_split(x, *, indices_or_sections, axis=0):
    """Pieces of x along an axis: cut before the given indices, or in a number of pieces of nearly equal length."""
    n = shape_of(x)[axis]
    if np.ndim(indices_or_sections) == 0:
        sections = operator.index(indices_or_sections)
        if sections < 1:
            raise ValueError(f"array_split wanted at least one section, got {sections}.")
        short, longer = divmod(n, sections)
        ends = np.cumsum([short + 1] * longer + [short] * (sections - longer)).tolist()
        cuts = [0, *ends[:-1], n]
    else:
        cuts = [0, *[operator.index(i) for i in indices_or_sections], n]
    before = (ALL,) * (axis % len(shape_of(x)))
    return [getitem(x, key=(*before, (i, j, None))) for i, j in itertools.pairwise(cuts)]


def split(x, *, indices_or_sections, axis=0):
    """Pieces of x along an axis: cut before the given indices, or in a number of equal pieces.

    Raises:
        ValueError: if the axis cannot be cut in that many equal pieces.
    """
    if np.ndim(indices_or_sections) == 0 and shape_of(x)[axis] % indices_or_sections:
        raise ValueError(
            f"split wanted a number of pieces that divides the length {shape_of(x)[axis]} of axis {axis}, got "
            f"{indices_or_sections}. array_split allows pieces of different lengths."
        )
    return array_split(x, indices_or_sections=indices_or_sections, axis=axis)


def hsplit(x, *, indices_or_sections):
    """Pieces side by side: cut along axis 1, vectors along axis 0."""
    return split(x, indices_or_sections=indices_or_sections, axis=1 if len(shape_of(x)) > 1 else 0)


def vsplit(x, *, indices_or_sections):
    """Pieces above each other: cut along axis 0."""
    return split(x, indices_or_sections=indices_or_sections, axis=0)


def dsplit(x, *, indices_or_sections):
    """Pieces behind each other: cut along axis 2."""
    return split(x, indices_or_sections=indices_or_sections, axis=2)


def unstack(x, *, axis=0):
    """The slices of x along an axis, which they lose. The inverse of `stack`."""
    before = (ALL,) * (axis % len(shape_of(x)))
    return tuple(getitem(x, key=(*before, i)) for i in range(shape_of(x)[axis]))

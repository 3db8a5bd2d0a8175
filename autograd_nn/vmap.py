"""`vmap`: a function of one sample becomes a function of a batch, by giving every op an extra first axis.

Inside, a sample is a `Batch`: it shows the shape of one sample, and holds the array of all of them. Ops apply to it
through its interpreter, which finds the batched form of each: elementwise ops align axes; `RULES` and `Op.batch` say
how the others do it; what has no rule runs sample by sample, and the results are stacked. A `Batch` is a node like
any other, so derivatives inside (per-sample gradients) and outside of `vmap` work, of any order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import optree

from .graph import NO_ATTRS, Node, clock, dtype, mode, modes, shape
from .op import ITEM, Op, constant_data
from .ops import shape as shapes
from .value import Value

__all__ = ["Batch", "vmap"]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """Return a function that applies f to each sample of a batch, all at once.

    Equal to a loop over the samples whose results are stacked. Arguments by keyword are the same for every sample.

    Args:
        f: a function of one sample. It may not branch on the sample's numbers; `where` chooses between two results.
        in_axes: which axis of an argument counts the samples; None for an argument that all samples share. One for
            all arguments, or a tuple with one for each; for nested arguments it may be nested likewise.
        out_axes: which axis of a result counts the samples; may be nested like the results.

    Raises:
        ValueError: if no argument is mapped, or the numbers of samples differ.
        TypeError: in f, where a number of one sample is asked for (``if x > 0``, ``float(x)``).

    >>> import numpy as np
    >>> from autograd_nn import grad, vmap
    >>> vmap(grad(lambda x: x**3))(np.array([1.0, 2.0, 3.0]))
    array([ 3., 12., 27.])
    """
    if not callable(f):
        raise TypeError(f"vmap wanted a function, got {type(f).__name__}: vmap(f)(xs), not vmap(f(xs)).")

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        before = modes.current
        depth = 1 + (0 if before is None else before.trace)
        leaves, spec = optree.tree_flatten(args, none_is_leaf=True)
        axes = axis_of_each(in_axes, args)
        size = batch_size(leaves, axes)
        cls, trace, since = batch_class(depth), object(), next(clock)
        samples = [
            x if axis is None else cls.of(trace, to_front(x, axis)) for x, axis in zip(leaves, axes, strict=True)
        ]
        with mode(trace=depth):
            result = f(*optree.tree_unflatten(spec, samples), **kwargs)
        outputs, out_spec = optree.tree_flatten(result)
        lift = depth > 1 or any(isinstance(x, Node) for x in optree.tree_leaves((leaves, kwargs)))
        axes = axis_of_each(out_axes, result, what="out_axes")
        stacked = [batch_of(y, trace, size, axis) for y, axis in zip(outputs, axes, strict=True)]
        stacked = [give(y, lift, since, leaves) for y in stacked]
        return optree.tree_unflatten(out_spec, stacked)

    return mapped


class Element:
    """What a `Batch` shows as data: the shape and dtype of one sample, and no numbers."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype = shape, dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        refuse("its numbers")


def refuse(what: str) -> NoReturn:
    """Say that a sample has no numbers of its own."""
    raise TypeError(
        f"inside vmap a value stands for all samples at once, so {what} cannot be had: `if`, bool(), float(), .item(), .data and "
        "np.asarray need the number of one sample. Write where(condition, a, b) to choose, maximum(x, 0) and the like to "
        "limit, take(array, i, axis=0) for array[i]; or loop over the samples and stack(…) the results."
    )


class Batch(Value):
    """A value inside `vmap`: the shape of one sample, and in `value` the array of all, samples along axis 0."""

    __slots__ = ("trace", "value")
    __hash__ = Node.__hash__

    value: Any  # an array or node; for an op that returns a tuple, a tuple of them
    trace: object  # the call of vmap that made it

    @classmethod
    def of(
        cls,
        trace: object,
        value: Any,
        op: Op | None = None,
        parents: tuple[Node, ...] = (),
        attrs: dict[str, Any] = NO_ATTRS,
        requires_grad: bool = False,
        serial: int | None = None,
    ) -> Batch:
        """Make a node around an array, or a tuple of arrays, with the samples along axis 0."""
        node = cls.__new__(cls)
        node.trace, node.value = trace, value
        node._data = tuple(map(element, value)) if type(value) is tuple else element(value)
        node.op, node.parents, node.attrs, node.requires_grad = op, parents, attrs, requires_grad
        node._grad = node.name = node.hooks = node.source = None
        node.serial = next(clock) if serial is None else serial
        current = modes.current
        node.scope = None if current is None else current.scope
        if current is not None and current.observer is not None:
            current.observer.created(node)
        return node

    @classmethod
    def leaf(cls, data: Any, *, requires_grad: bool = False, name: str | None = None) -> Any:
        """Return a constant, which is the same for all samples and therefore an ordinary Value."""
        return Value.leaf(data, requires_grad=requires_grad, name=name)

    @classmethod
    def interpreter(cls, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply an op to operands of which at least one is of this class."""
        traces = {id(a.trace): a for a in args if type(a) is cls}
        if len(traces) > 1:
            raise ValueError(f"{op.name}: a value of one call of vmap met a value of another: it was kept too long. Return it instead.")
        (some,) = traces.values()
        attrs = {**op.defaults, **attrs}
        current = modes.current
        wanted = op.differentiable and any(isinstance(a, Node) and a.requires_grad for a in args)
        wanted = wanted and (current is None or current.recording)
        parents = tuple([a if isinstance(a, Node) else Value.leaf(constant_data(op, a)) for a in args]) if wanted else ()
        serial = next(clock)
        if op is ITEM:
            value = some.value[attrs["index"]]
        else:
            operands = [a.value if type(a) is cls else a for a in args]
            value = apply(op, operands, [type(a) is cls for a in args], attrs, shape(some.value)[0])
        node = cls.of(some.trace, value, op if wanted else None, parents, attrs, wanted, serial)
        if type(value) is not tuple:
            return node
        return tuple([ITEM(node, index=i) for i in range(len(value))])

    @property
    def data(self) -> Any:
        """Refused: a value inside vmap has no numbers of its own."""
        return refuse(".data")

    @data.setter
    def data(self, new: Any) -> None:
        refuse(".data")

    def detach(self) -> Any:
        """Return the same values, through which nothing flows back."""
        return type(self).of(self.trace, self.value.detach() if isinstance(self.value, Node) else self.value)

    def item(self) -> Any:
        """Refused: a value inside vmap has no number of its own."""
        refuse("its number")

    def numpy(self) -> np.ndarray:
        """Refused: a value inside vmap has no numbers of its own."""
        refuse(".numpy()")

    def tolist(self) -> Any:
        """Refused: a value inside vmap has no numbers of its own."""
        refuse(".tolist()")

    def backward(self, seed: Any = None, *, retain: str = "all") -> None:
        """Refused: use the transform `grad` inside vmap."""
        raise TypeError("backward() inside vmap: write vmap(grad(f)), which gives the gradient of each sample.")

    def __bool__(self) -> bool:
        refuse("its truth")

    def __contains__(self, item: Any) -> bool:
        refuse("its numbers")

    def __deepcopy__(self, memo: Any) -> Any:
        return type(self).of(self.trace, self.value)

    def __reduce__(self) -> Any:
        refuse("a pickle of it")

    def __repr__(self) -> str:
        if type(self._data) is tuple:
            return f"Batch({len(self._data)} results)"
        return f"Batch(one sample: shape={self.shape}, dtype={self.dtype}; {shape(self.value)[0]} samples)"


@functools.cache
def batch_class(level: int) -> type[Batch]:
    """Return the class of values inside `level` transforms: the innermost decides how an op applies."""
    return type(f"Batch{level}", (Batch,), {"level": level, "__slots__": (), "__doc__": Batch.__doc__})


def element(value: Any) -> Element:
    """Return the shape and dtype of one sample."""
    return Element(shape(value)[1:], dtype(value))


# --- arguments and results ------------------------------------------------------------------------------------------


def axis_of_each(axes: Any, tree: Any, what: str = "in_axes") -> list[Any]:
    """Return the axis for each leaf, from one for all or a structure that begins like the tree."""
    is_input = what == "in_axes"
    if axes is None or isinstance(axes, int):
        leaves = optree.tree_leaves(tree, none_is_leaf=is_input)
        return [axes if is_number_like(x) else None for x in leaves]
    if isinstance(axes, list) and is_input:
        axes = tuple(axes)
    if is_input and len(axes) != len(tree):
        raise ValueError(f"vmap: in_axes wanted one entry for each of the {len(tree)} positional arguments, got {axes!r}.")
    try:
        found = optree.tree_leaves(
            optree.tree_map(
                lambda axis, part: [axis] * len(optree.tree_leaves(part, none_is_leaf=is_input)), axes, tree, none_is_leaf=True
            ),
            none_is_leaf=True,
        )
    except ValueError as error:
        raise ValueError(f"vmap: {what}={axes!r} does not fit the structure of what it describes: {error}") from error
    if any(axis is not None and not isinstance(axis, int) for axis in found):
        raise TypeError(f"vmap: {what} wanted ints and None, got {axes!r}.")
    return found


def is_number_like(x: Any) -> bool:
    """Is x an array, a number or a node (and no string, None or other setting)?"""
    return isinstance(x, (Node, np.ndarray, np.generic, bool, int, float, complex))


def batch_size(leaves: Sequence[Any], axes: Sequence[Any]) -> int:
    """Return the number of samples, on which all mapped arguments agree."""
    sizes = set()
    for x, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        if not is_number_like(x):
            raise TypeError(f"vmap: wanted arrays in mapped arguments, got {type(x).__name__}; in_axes=None leaves it alone.")
        if not -len(shape(x)) <= axis < len(shape(x)):
            raise ValueError(
                f"vmap: wanted an argument with an axis {axis} that counts samples, got shape {shape(x)}. Numbers that all "
                "samples share have in_axes=None; for a list of numbers pass np.array(list)."
            )
        sizes.add(shape(x)[axis])
    if not sizes:
        raise ValueError("vmap: no argument is mapped, so the number of samples is unknown. Call f itself, or set in_axes.")
    if len(sizes) > 1:
        raise ValueError(f"vmap: mapped arguments have different numbers of samples, {sorted(sizes)}. Are in_axes right?")
    return sizes.pop()


def to_front(x: Any, axis: int) -> Any:
    """Move an axis to the front."""
    if axis in (0, -len(shape(x))):
        return x
    return shapes.moveaxis(x, source=axis, destination=0)


def batch_of(y: Any, trace: object, size: int, axis: Any) -> Any:
    """Return all samples of one result along the wanted axis, repeated if all samples share it."""
    mine = isinstance(y, Batch) and y.trace is trace
    if not is_number_like(y):
        raise TypeError(f"vmap: the function wanted to return numbers or arrays, got {type(y).__name__} {y!r:.50}.")
    if mine and axis is None:
        raise ValueError("vmap: out_axes=None is for results that all samples share; this one differs between samples.")
    value = y.value if mine else y
    if axis is None:
        return value
    value = value if mine else shapes.broadcast_to(value, shape=(size, *shape(value)))
    n = len(shape(value))
    if not -n <= axis < n:
        raise ValueError(f"vmap: out_axes={axis} wanted an axis of a result of shape {shape(value)}.")
    return value if axis in (0, -n) else shapes.moveaxis(value, source=0, destination=axis)


def give(value: Any, lift: bool, since: int, given: Sequence[Any]) -> Any:
    """Return a result to the caller: a Value, if an argument was one or f used one that requires grad; else an array."""
    if lift:
        return value if isinstance(value, Node) else Value.leaf(value)
    if isinstance(value, Node):
        if uses_older(value, since):
            return value
        value = value._data
    if not isinstance(value, np.ndarray) or (value.base is None and not any(value is x for x in given)):
        return value
    return np.array(value)  # memory of its own, not a view of an argument


def uses_older(value: Node, since: int) -> bool:
    """Is it computed from a node that requires grad and that was there before `since`?"""
    seen, stack = {value}, [value]
    while stack:
        node = stack.pop()
        if node.requires_grad and node.serial <= since:
            return True
        new = [p for p in node.parents if p.requires_grad and p not in seen]
        seen.update(new)
        stack.extend(new)
    return False


# --- applying ops ---------------------------------------------------------------------------------------------------


def apply(op: Op, args: list[Any], batched: list[bool], attrs: dict[str, Any], size: int) -> Any:
    """Apply an op to all samples; the result has the samples along axis 0."""
    if op.batch is not None:
        out = op.batch(args, batched, **attrs)
    elif op.elementwise:
        out = op(*align(args, batched), **attrs)
    elif op.name in RULES:
        out = RULES[op.name](op, args, batched, attrs)
    else:
        out = NotImplemented
    if out is NotImplemented:
        out = loop(op, args, batched, attrs, size)
    for y in out if type(out) is tuple else (out,):
        if shape(y)[:1] != (size,):
            raise ValueError(f"vmap: the batch rule of {op.name!r} returned shape {shape(y)}; wanted {size} samples along axis 0.")
    return out


def loop(op: Op, args: list[Any], batched: list[bool], attrs: dict[str, Any], size: int) -> Any:
    """Apply an op sample by sample and stack the results: right for every op, and slow."""
    if not size:
        ones = [np.ones(shape(a)[1:], dtype(a)) if b else a for a, b in zip(args, batched, strict=True)]
        one = op(*ones, **attrs)
        empty = [np.zeros((0, *shape(y)), dtype(y)) for y in (one if type(one) is tuple else (one,))]
        return tuple(empty) if type(one) is tuple else empty[0]
    samples = [op(*[a[i] if b else a for a, b in zip(args, batched, strict=True)], **attrs) for i in range(size)]
    try:
        if type(samples[0]) is tuple:
            return tuple([shapes.stack(*parts, axis=0) for parts in zip(*samples, strict=True)])
        return shapes.stack(*samples, axis=0)
    except ValueError as error:
        raise ValueError(
            f"vmap: {op.name!r} gave results of different shapes for different samples, {sorted({shape(s) for s in samples})}. "
            "Choose elements with where(mask, x, 0) instead of x[mask]."
        ) from error


def align(args: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """Insert axes after the batch axis, so that the samples' axes broadcast as they would one by one."""
    n = max([len(shape(a)) - b for a, b in zip(args, batched, strict=True)])
    return [with_ndim(a, n) if b else a for a, b in zip(args, batched, strict=True)]


def with_ndim(x: Any, n: int) -> Any:
    """Give samples n axes, by axes of length 1 in front of theirs."""
    size, *rest = shape(x)
    return x if len(rest) >= n else shapes.reshape(x, shape=(size, *(1,) * (n - len(rest)), *rest))


def shift(axis: int, n: int) -> int:
    """Return the place of an axis of a sample with n axes in the batch; raise where NumPy would."""
    if not -n <= axis < n:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {n}")
    return axis % n + 1


def shifted(axes: Any, n: int) -> Any:
    """`shift` of an int, or of each in a tuple."""
    return shift(axes, n) if isinstance(axes, (int, np.integer)) else tuple([shift(a, n) for a in axes])


def ndim(x: Any) -> int:
    """Number of axes of one sample of a batch."""
    return len(shape(x)) - 1


def spread(args: Sequence[Any], batched: Sequence[bool]) -> Iterator[Any]:
    """Repeat operands that all samples share."""
    size = next(shape(a)[0] for a, b in zip(args, batched, strict=True) if b)
    for a, b in zip(args, batched, strict=True):
        yield a if b else shapes.broadcast_to(a, shape=(size, *shape(a)))


Attrs = dict[str, Any]


def as_it_is(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """Ops that treat leading axes as a batch already."""
    return op(*args, **attrs)


def reduction(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """Ops with an axis or several; None stands for all."""
    (x,) = args
    n, axis = ndim(x), attrs["axis"]
    axes = tuple(range(1, n + 1)) if axis is None else shifted(axis, n)
    return op(x, **{**attrs, "axis": axes})


def search(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """argmax and argmin: one axis, or None for the flattened array."""
    (x,) = args
    if attrs["axis"] is not None:
        return op(x, **{**attrs, "axis": shift(attrs["axis"], ndim(x))})
    size = shape(x)[0]
    found = op(shapes.reshape(x, shape=(size, math.prod(shape(x)[1:]))), **{**attrs, "axis": 1, "keepdims": False})
    return shapes.reshape(found, shape=(size,) + (1,) * ndim(x)) if attrs["keepdims"] else found


def along(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """Ops along one axis; None for the flattened array, as are scalars."""
    (x,) = args
    if attrs["axis"] is None or not ndim(x):
        return op(shapes.reshape(x, shape=(shape(x)[0], math.prod(shape(x)[1:]))), **{**attrs, "axis": 1})
    return op(x, **{**attrs, "axis": shift(attrs["axis"], ndim(x))})


def one_axis(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """Ops along one axis that is always given; operands after the first are indices of no axis of their own."""
    (x,) = args
    return NotImplemented if attrs["axis"] is None else op(x, **{**attrs, "axis": shifted(attrs["axis"], ndim(x))})


def roll(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`roll`, which flattens if axis is None."""
    (x,) = args
    if attrs["axis"] is not None:
        return op(x, **{**attrs, "axis": shifted(attrs["axis"], ndim(x))})
    flat = op(shapes.reshape(x, shape=(shape(x)[0], math.prod(shape(x)[1:]))), shift=attrs["shift"], axis=1)
    return shapes.reshape(flat, shape=shape(x))


def reshape(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`reshape` row by row; column by column would mix the samples."""
    (x,) = args
    if attrs["order"] != "C":
        return NotImplemented
    wanted = attrs["shape"]
    wanted = list(wanted) if isinstance(wanted, (tuple, list)) else [wanted]
    size, *rest = shape(x)
    if -1 in wanted:
        known = -math.prod(wanted)
        if wanted.count(-1) > 1 or known <= 0 or math.prod(rest) % known:
            raise ValueError(f"reshape: cannot reshape a sample of shape {tuple(rest)} into {attrs['shape']}.")
        wanted[wanted.index(-1)] = math.prod(rest) // known
    return op(x, shape=(size, *wanted), order="C")


def broadcast_to(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`broadcast_to`."""
    (x,) = args
    wanted = attrs["shape"]
    wanted = tuple(wanted) if isinstance(wanted, (tuple, list)) else (wanted,)
    return op(with_ndim(x, len(wanted)), shape=(shape(x)[0], *wanted))


def sum_to(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`sum_to`."""
    (x,) = args
    size, wanted = shape(x)[0], tuple(attrs["shape"])
    if len(wanted) > ndim(x):
        raise ValueError(f"sum_to: wanted a shape that broadcasts to {shape(x)[1:]}, got {wanted}")
    out = op(x, shape=(size, *(1,) * (ndim(x) - len(wanted)), *wanted))
    return shapes.reshape(out, shape=(size, *wanted))


def transpose(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`transpose`."""
    (x,) = args
    n, axes = ndim(x), attrs["axes"]
    return op(x, axes=(0, *(range(n, 0, -1) if axes is None else shifted(axes, n))))


def named_axes(*names: str) -> Callable[..., Any]:
    """Make the rule of an op whose attributes of these names are axes, or tuples of axes, of the operand."""

    def rule(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
        (x,) = args
        return op(x, **{**attrs, **{name: shifted(attrs[name], ndim(x)) for name in names}})

    return rule


def squeeze(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`squeeze`."""
    (x,) = args
    axis = attrs["axis"]
    axes = tuple(i for i, n in enumerate(shape(x)) if i and n == 1) if axis is None else shifted(axis, ndim(x))
    return op(x, axis=axes) if axes != () else x


def expand_dims(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`expand_dims`, whose axes are those of the result."""
    (x,) = args
    axis = attrs["axis"]
    n = ndim(x) + (1 if isinstance(axis, int) else len(axis))
    return op(x, axis=shifted(axis, n))


def flip(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`flip`; along all axes if None."""
    (x,) = args
    axis = attrs["axis"]
    return op(x, axis=tuple(range(1, ndim(x) + 1)) if axis is None else shifted(axis, ndim(x)))


def border(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`pad`, `crop` and the adjoint: the batch axis has no border."""
    (x,) = args
    pairs = np.broadcast_to(np.asarray(attrs["pad_width"]), (ndim(x), 2)).tolist() if ndim(x) else []
    if np.size(attrs.get("constant_values", 0)) > 1:
        return NotImplemented
    return op(x, **{**attrs, "pad_width": ((0, 0), *map(tuple, pairs))})


def join(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`concatenate` and `stack`."""
    axis = attrs["axis"]
    if axis is None:
        return NotImplemented
    parts = list(spread(args, batched))
    return op(*parts, axis=shift(axis, ndim(parts[0]) + (op.name == "stack")))


def diagonal_embed(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`diagonal_embed`, whose axes are those of the result."""
    (x,) = args
    n, size = len(attrs["shape"]), shape(x)[0]
    axes = {name: shift(attrs[name], n) for name in ("axis1", "axis2")}
    return op(x, **{**attrs, **axes, "shape": (size, *attrs["shape"])})


def matrices(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """Ops on the last two axes; vectors go one by one."""
    (x,) = args
    return op(x, **attrs) if ndim(x) >= 2 else NotImplemented


def matmul(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`matmul`: vectors become rows and columns, so that leading axes are a batch."""
    x, y = args
    in_x, in_y = batched
    nx, ny = len(shape(x)) - in_x, len(shape(y)) - in_y
    if not nx or not ny:
        return NotImplemented  # NumPy refuses scalars
    if in_x and nx == 1 and not in_y and ny <= 2:
        return op(x, y)  # all rows in one product
    if in_y and ny == 1 and not in_x and nx <= 2:
        return op(y, shapes.transpose(x) if nx == 2 else x)
    if nx == 1:
        x = shapes.expand_dims(x, axis=-2)
    if ny == 1:
        y = shapes.expand_dims(y, axis=-1)
    x, y = align([x, y], batched)
    out = op(x, y)
    drop = tuple(axis for axis, n in ((-2, nx), (-1, ny)) if n == 1)
    return shapes.squeeze(out, axis=drop) if drop else out


def recurrence(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`recurrence`, which runs along axis 0: samples move to axis 1."""
    a, b = (shapes.moveaxis(x, source=0, destination=1) for x in spread(args, batched))
    return shapes.moveaxis(op(a, b, **attrs), source=1, destination=0)


def cast(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`cast`; a Python number of each sample is an array of floats."""
    return op(*args, dtype="float64" if attrs["dtype"] == "python" else attrs["dtype"])


RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("alias", "cast_discrete", "copy"), as_it_is),
    "cast": cast,
    "broadcast_to": broadcast_to,
    "sum_to": sum_to,
    "reshape": reshape,
    "transpose": transpose,
    "squeeze": squeeze,
    "expand_dims": expand_dims,
    "flip": flip,
    "roll": roll,
    "swapaxes": named_axes("axis1", "axis2"),
    "moveaxis": named_axes("source", "destination"),
    "rot90": named_axes("axes"),
    "diagonal": named_axes("axis1", "axis2"),
    "trace": named_axes("axis1", "axis2"),
    "diagonal_embed": diagonal_embed,
    **dict.fromkeys(("matrix_transpose", "tril", "triu"), matrices),
    **dict.fromkeys(("pad", "crop", "pad_transpose"), border),
    **dict.fromkeys(("concatenate", "stack"), join),
    **dict.fromkeys(
        ("sum", "mean", "var", "std", "prod", "logsumexp", "max", "min", "nanmax", "nanmin", "any", "all", "count_nonzero"), reduction
    ),
    **dict.fromkeys(("argmax", "argmin"), search),
    **dict.fromkeys(("cumsum", "cumprod"), along),
    "recurrence": recurrence,
    "matmul": matmul,
}
"""How ops apply to a batch, by name: ``rule(op, operands, which_are_batched, attrs)``, NotImplemented to go one by one."""

"""`vmap`: a function of one sample becomes a function of a batch, by giving every op an extra first axis.

Inside, a sample is a `Batch`: it shows the shape of one sample, and holds the array of all of them. Ops apply to it
through its interpreter; `autograd_nn.batching` knows the form of each op on a batch. A `Batch` is a node like any
other, so derivatives inside (per-sample gradients) and outside of `vmap` work, of any order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from . import nested
from .batching import apply
from .graph import NO_ATTRS, Node, clock, dtype, mode, modes, shape
from .op import ITEM, Op, constant_data
from .ops import shape as shapes
from .value import Value, refuse_constant

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
        leaves, spec = nested.flatten(args, none_is_leaf=True)
        axes = axis_of_each(in_axes, args)
        size = batch_size(leaves, axes)
        cls, call, since = batch_class(depth), object(), next(clock)
        samples = [x if axis is None else cls.of(call, to_front(x, axis)) for x, axis in zip(leaves, axes, strict=True)]
        with mode(trace=depth):
            result = f(*nested.unflatten(spec, samples), **kwargs)
        outputs, out_spec = nested.flatten(result)
        lift = depth > 1 or any(isinstance(x, Node) for x in nested.leaves((leaves, kwargs)))
        axes = axis_of_each(out_axes, result, what="out_axes")
        stacked = [batch_of(y, call, size, axis) for y, axis in zip(outputs, axes, strict=True)]
        stacked = [give(y, lift, since, leaves) for y in stacked]
        if before is not None and before.observer is not None and not before.trace:
            before.observer.returned(stacked)
        return nested.unflatten(out_spec, stacked)

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
        f"inside vmap a value stands for all samples at once, so {what} cannot be had: `if`, bool(), float(), "
        ".item(), .data and "
        "np.asarray need the number of one sample. Write where(condition, a, b) to choose, maximum(x, 0) and "
        "the like to "
        "limit, take(array, i, axis=0) for array[i]; or loop over the samples and stack(…) the results."
    )


class Batch(Value):
    """A value inside `vmap`: the shape of one sample, and in `value` the array of all, samples along axis 0."""

    __slots__ = ("call", "value")
    __hash__ = Node.__hash__

    value: Any  # an array or node; for an op that returns a tuple, a tuple of them
    call: object  # the call of vmap to which it belongs

    @classmethod
    def of(
        cls,
        call: object,
        value: Any,
        op: Op | None = None,
        parents: tuple[Any, ...] = (),
        attrs: dict[str, Any] = NO_ATTRS,
        requires_grad: bool = False,
        serial: int | None = None,
    ) -> Batch:
        """Make a node around an array, or a tuple of arrays, with the samples along axis 0."""
        node = cls.__new__(cls)
        node.call, node.value = call, value
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
    def interpreter(cls, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:  # type: ignore[override]  # bound to its class
        """Apply an op to operands of which at least one is of this class."""
        calls = {id(a.call): a for a in args if type(a) is cls}
        if len(calls) > 1:
            raise ValueError(
                f"{op.name}: a value of one call of vmap met a value of another: it was kept too long. Return "
                "it instead."
            )
        (some,) = calls.values()
        attrs = {**op.defaults, **attrs}
        current = modes.current
        wanted = op.differentiable and any(isinstance(a, Node) and a.requires_grad for a in args)
        wanted = wanted and (current is None or current.recording)
        parents = (
            tuple([a if isinstance(a, Node) else Value.leaf(constant_data(op, a)) for a in args]) if wanted else ()
        )
        serial = next(clock)
        if op is ITEM:
            value = some.value[attrs["index"]]
        else:
            operands = [a.value if type(a) is cls else a for a in args]
            value = apply(op, operands, [type(a) is cls for a in args], attrs, shape(some.value)[0])
        node = cls.of(some.call, value, op if wanted else None, parents, attrs, wanted, serial)
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
        return type(self).of(self.call, self.value.detach() if isinstance(self.value, Value) else self.value)

    def item(self) -> Any:
        """Refused: a value inside vmap has no number of its own."""
        refuse("its number")

    _element = item

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
        refuse_constant(self, "a copy")
        return type(self).of(self.call, self.value)

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
        leaves = nested.leaves(tree, none_is_leaf=is_input)
        return [axes if is_number_like(x) else None for x in leaves]
    if isinstance(axes, list) and is_input:
        axes = tuple(axes)
    if is_input and len(axes) != len(tree):
        raise ValueError(
            f"vmap: in_axes wanted one entry for each of the {len(tree)} positional arguments, got {axes!r}."
        )
    try:
        found = nested.leaves(
            nested.map_leaves(
                lambda axis, part: [axis] * len(nested.leaves(part, none_is_leaf=is_input)),
                axes,
                tree,
                none_is_leaf=True,
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
            raise TypeError(
                f"vmap: wanted arrays in mapped arguments, got {type(x).__name__}; in_axes=None leaves it alone."
            )
        if not -len(shape(x)) <= axis < len(shape(x)):
            raise ValueError(
                f"vmap: wanted an argument with an axis {axis} that counts samples, got shape {shape(x)}. "
                "Numbers that all "
                "samples share have in_axes=None; for a list of numbers pass np.array(list)."
            )
        sizes.add(shape(x)[axis])
    if not sizes:
        raise ValueError(
            "vmap: no argument is mapped, so the number of samples is unknown. Call f itself, or set in_axes."
        )
    if len(sizes) > 1:
        raise ValueError(
            f"vmap: mapped arguments have different numbers of samples, {sorted(sizes)}. Are in_axes right?"
        )
    return sizes.pop()


def to_front(x: Any, axis: int) -> Any:
    """Move an axis to the front."""
    if axis in (0, -len(shape(x))):
        return x
    return shapes.moveaxis(x, source=axis, destination=0)


def batch_of(y: Any, call: object, size: int, axis: Any) -> Any:
    """Return all samples of one result along the wanted axis, repeated if all samples share it."""
    mine = isinstance(y, Batch) and y.call is call
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
    """Return a result to the caller: a Value if an argument was one, or f used one that requires grad."""
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

"""The graph as plain data: `Node`, `Edge`, `Graph` and the order in which a graph can be read.

A node remembers which op made it, from which parents and with which attributes, and nothing else: no closures, no
context objects. Everything that the library does with a computation (differentiate, draw, explain, compile) reads
these fields. This module knows no op and no derivative.

One logical clock orders everything that happens (Lamport, 1978). A node carries the `serial` at which its data was
set. Parents are older than their children, so falling serials are a reverse topological order; and a leaf that is
*younger* than a node computed from it has been assigned to since, so that node's derivative would be wrong.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ContextDecorator, contextmanager
from itertools import chain, repeat, starmap
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from .op import Op
    from .visualize.drawing import Drawing
    from .visualize.explain import Explanation
    from .visualize.explorer.explorer import Explorer

__all__ = ["Edge", "Graph", "Node", "no_grad", "name_scope", "topological_order"]

clock = itertools.count(1)
"""The logical clock: `next(clock)` is atomic, so serials are unique across threads."""


class ReadOnlyArray(np.ndarray):
    """What `Value.data` returns: an ordinary array, except that writing into it explains what to write instead.

    Results computed from it, and copies of it, are plain writable arrays.
    """

    def _refuse(self, what: str) -> None:
        if not self.flags.writeable:
            raise ValueError(
                f"{what} would change a Value's data in place, behind the back of the graph that already used it, and "
                "its gradients would be wrong without a word.\n"
                "  write:  p.data = p.data - learning_rate * p.grad      (a new array; the graph is told)\n"
                "  or, for a computation that is differentiated:  x.at[index].set(y)\n"
                "  or, for an array of your own:  array = p.data.copy()"
            )

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse("array[...] = value")
        super().__setitem__(key, value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        plain = [x.view(np.ndarray) if type(x) is ReadOnlyArray else x for x in inputs]
        if out is None and method == "__call__":
            return ufunc(*plain, **kwargs)
        if method == "at" and isinstance(inputs[0], ReadOnlyArray):  # np.add.at itself does not look at the flag
            inputs[0]._refuse(f"np.{ufunc.__name__}.at(data, …)")
        if out is None:
            return getattr(ufunc, method)(*plain, **kwargs)
        for target in out:
            if isinstance(target, ReadOnlyArray):
                target._refuse(f"np.{ufunc.__name__}(…, out=data), also written as an in-place operator,")
        out = tuple(x.view(np.ndarray) if isinstance(x, ReadOnlyArray) else x for x in out)
        return getattr(ufunc, method)(*plain, out=out, **kwargs)

    def __add__(self, other: Any) -> Any:
        return self.view(np.ndarray) + other  # this and the next: half the time of an update, p.data - rate * p.grad

    def __sub__(self, other: Any) -> Any:
        return self.view(np.ndarray) - other

    def fill(self, value: Any) -> None:
        """Fill with a value; refused where the array belongs to a Value."""
        self._refuse("array.fill(value)")
        super().fill(value)

    def copy(self, order: Any = "C") -> np.ndarray:
        """Return a plain, writable copy."""
        return np.array(self, order=order, subok=False)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __reduce__(self) -> Any:
        return self.copy().__reduce__()


def read_only(array: Any) -> Any:
    """Return a view of an array that teaches when it is written to; Python numbers are returned as they are."""
    if isinstance(array, np.ndarray):
        view = array.view(ReadOnlyArray)
    elif isinstance(array, np.generic):
        view = np.asarray(array).view(ReadOnlyArray)
    elif isinstance(array, tuple):
        return tuple(read_only(item) for item in array)
    else:
        return array
    view.flags.writeable = False
    return view


class Node:
    """One value in a graph: data, and how it came to be.

    Attributes:
        data: the array, or Python float, that was computed. Read only; for a leaf it can be assigned.
        op: the `Op` that made it; None for a leaf.
        parents: the operands, in the order of the op's arguments.
        attrs: the op's keyword arguments with defaults filled in; JSON-able, except for ops that carry a function.
        requires_grad: is a derivative with respect to this node, or an ancestor of it, wanted?
        grad: None until a backward pass reaches the node.
        name: for display and saving.
        scope: path of the module in which the node was made, such as ``"net/layer0"``.
        serial: the time on the logical clock at which the data was set.
        hooks: functions called with the node's cotangent in a backward pass.
        source: file, line and text of the line that made the node; recorded under `debug()`.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_grad",
        "attrs",
        "hooks",
        "name",
        "op",
        "parents",
        "requires_grad",
        "scope",
        "serial",
        "source",
    )

    _data: Any
    _grad: Any
    attrs: dict[str, Any]
    hooks: tuple[Callable[[Any], Any], ...] | None
    name: str | None
    op: Op | None
    parents: tuple[Self, ...]
    requires_grad: bool
    scope: str | None
    serial: int
    source: tuple[str, int, str] | None

    interpreter: ClassVar[Callable[..., Any] | None] = None
    """A subclass may take over how ops apply to its nodes: called with (op, args, attrs). Tracers such as vmap do."""
    level: ClassVar[float] = 0
    """Among operands of several node types the highest level decides."""
    is_array: ClassVar[bool] = False
    """Does it stand for a plain array or number, while a function is recorded? Then layers cast it like one."""

    @classmethod
    def leaf(cls, data: Any, *, requires_grad: bool = False, name: str | None = None) -> Self:
        """Make a leaf around data that nobody else will write to. Users call `Value(x)`, which checks and copies."""
        node = cls.__new__(cls)
        node._start(data, requires_grad, name)
        return node

    def _start(self, data: Any, requires_grad: bool, name: str | None) -> None:
        self._data = data
        self.op = self._grad = self.hooks = self.source = None
        self.parents = ()
        self.attrs = NO_ATTRS
        self.requires_grad = requires_grad
        self.name = name
        mode = modes.current
        self.scope = None if mode is None else mode.scope
        self.serial = next(clock)
        if mode is not None and mode.observer is not None:
            mode.observer.created(self)

    @property
    def data(self) -> Any:
        """The value as a Python float, or as a read-only array that shares memory with the node.

        Assigning to a leaf's data stores a copy, and makes every graph that used the old data refuse to differentiate.

        Raises:
            ValueError: on assignment, if the node is not a leaf or the shape differs.
        """
        mode = modes.current
        if mode is not None and mode.recorder is not None:
            return mode.recorder.data(self)
        data = self._data
        if type(data) is np.ndarray:  # what `read_only` does, without the call: every update of a parameter reads this
            view = data.view(ReadOnlyArray)
            view.setflags(write=False)
            return view
        return data if type(data) is float else read_only(data)

    @data.setter
    def data(self, new: Any) -> None:
        if self.op is not None:
            raise ValueError(
                f"cannot assign to .data of {describe(self)}: it was computed by {self.op.name!r}, and its children "
                "would keep the old number. Assign to a leaf, or start a new leaf: Value(array)."
            )
        mode = modes.current
        if mode is not None and mode.recorder is not None:
            mode.recorder.assign(self, new)
            return
        old = self._data
        if type(new) is np.ndarray is type(old) and new.shape == old.shape and new.dtype == old.dtype:
            self.assign(new.copy())
            return
        if isinstance(new, Node):
            raise TypeError(
                f".data of {describe(self)} takes an array, not a Value: write `p.data = other.data`, or inside "
                "an update `p.data = p.data - learning_rate * p.grad`."
            )
        if type(old) is float:
            if np.shape(new) != ():
                raise ValueError(
                    f"{describe(self)} holds a Python float; .data wanted one number, got shape {np.shape(new)}. "
                    "Make a new Value for data of another shape."
                )
            array: Any = float(converted(new, np.dtype(float), ".data", self))
        else:
            array = converted(new, old.dtype, ".data", self)
            if array.shape != old.shape:
                raise ValueError(
                    f".data of {describe(self)} wanted shape {old.shape}, got {array.shape}. "
                    "Make a new Value for data of another shape."
                )
        self.assign(array)

    def assign(self, array: Any) -> None:
        """Replace a leaf's data by an array that the leaf may keep: no copy, no check. For optimizers."""
        mode = modes.current
        if mode is not None:
            if mode.recorder is not None:
                mode.recorder.assign(self, array)
                return
            if mode.journal is not None:
                mode.journal.append((self, "_data", self._data))
        # First the data, then the serial: a reader in between errs towards "stale", never towards silence.
        self._data = array
        self.serial = next(clock)
        self.source = None
        if mode is not None and mode.observer is not None:
            mode.observer.created(self)

    @property
    def grad(self) -> Any:
        """d output / d node of the backward passes so far, in the node's own type; None before the first.

        A leaf owns its gradient, which may be changed in place; that of an inner node is a read-only view.

        Raises:
            ValueError: on assignment of another shape.
        """
        mode = modes.current
        if mode is not None and mode.recorder is not None:
            return mode.recorder.grad(self)
        grad = self._grad
        return grad if self.op is None else read_only(grad)

    @grad.setter
    def grad(self, new: Any) -> None:
        mode = modes.current
        if mode is not None:
            if mode.recorder is not None:
                mode.recorder.set_grad(self, new)
                return
            if mode.journal is not None:
                mode.journal.append((self, "_grad", self._grad))
        if new is None or new is self._grad:
            self._grad = new
            return
        data = self._data
        if isinstance(new, Node):
            raise TypeError(f".grad of {describe(self)} takes an array, not a Value: write `p.grad = value.data`.")
        if np.shape(new) != np.shape(data):
            raise ValueError(f".grad of {describe(self)} wanted shape {np.shape(data)}, got {np.shape(new)}.")
        array = converted(new, dtype(data), ".grad", self)
        self._grad = float(array) if type(data) is float else array

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes; () for a scalar."""
        return shape(self._data)

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype; float64 for a Python float."""
        return dtype(self._data)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.size(self._data))

    @property
    def is_leaf(self) -> bool:
        """True if no op made this node."""
        return self.op is None

    if TYPE_CHECKING:  # set by the package, from `visualize`, which is loaded on first use

        def draw(self, **options: Any) -> Drawing: ...  # noqa: D102  (documented where it is set)
        def to_dot(self, **options: Any) -> str: ...  # noqa: D102
        def to_svg(self, **options: Any) -> str: ...  # noqa: D102
        def to_mermaid(self, **options: Any) -> str: ...  # noqa: D102
        def to_html(self, **options: Any) -> str: ...  # noqa: D102
        def explore(self, **options: Any) -> Explorer: ...  # noqa: D102
        def save(self, path: str | PathLike[str], **options: Any) -> Path: ...  # noqa: D102
        def explain(self, leaf: Node, **options: Any) -> Explanation: ...  # noqa: D102
        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any] | None: ...


NO_ATTRS: dict[str, Any] = {}


def shape(x: Any) -> tuple[int, ...]:
    """Shape of an array, a number or a node."""
    if type(x) is float:  # (the way below takes two microseconds)
        return ()
    try:
        return x.shape
    except AttributeError:
        return np.shape(x)


def dtype(x: Any) -> np.dtype:
    """NumPy dtype of an array, a number or a node; a Python float counts as float64."""
    try:
        return x.dtype
    except AttributeError:
        return np.result_type(type(x)) if isinstance(x, (bool, int, float, complex)) else np.asarray(x).dtype


def converted(x: Any, wanted: np.dtype, field: str, node: Node) -> np.ndarray:
    """Return a copy of numbers in a dtype that can hold their kind: complex does not become real, nor float integer.

    Raises:
        TypeError: if x does not hold such numbers; it was to become a field of a node.
    """
    if type(x) is np.ndarray and x.dtype == wanted:
        return x.copy()
    try:
        array = np.array(x, subok=False)
        if np.can_cast(array.dtype, wanted, "same_kind"):
            return array.astype(wanted, copy=False)
        came = f"got {array.dtype} from {type(x).__name__}: convert them first"
    except (TypeError, ValueError) as error:
        came = f"got {type(x).__name__}: {error}"
    raise TypeError(f"{field} of {describe(node)} wanted numbers of dtype {wanted}, {came}.")


def describe(node: Node) -> str:
    """Name a node in an error: its name if it has one, what made it, and its shape."""
    kind = type(node).__name__ if node.op is None else f"result of {node.op.name!r}"
    name = f" {node.name!r}" if node.name else ""
    return f"{kind}{name} of shape {node.shape}" if node.shape else f"{kind}{name}"


class Mode(NamedTuple):
    """How ops applied now are recorded. An op reads `modes.current`; None, the usual case, stands for `Mode()`."""

    recording: bool = True
    scope: str | None = None
    observer: Any = None  # told of new nodes, assigned leaves and backward passes: see debug.Observer
    trace: int = 0  # how many transforms are tracing: results inside an outer trace stay nodes
    since: int = 0  # when the outermost derivative that is under way began; 0 outside of all
    inside: bool = False  # is a module being called?
    again: bool = False  # will what is computed be computed again, for its derivative? See checkpoint and scan
    recorder: Any = None  # takes over what ops, assignments and backward passes do: see compiler.recorder
    journal: list[tuple[Any, str, Any]] | None = None  # (object, attribute, what it was): see all_or_nothing


USUAL = Mode()


class Modes(threading.local):
    """The mode of each thread."""

    current: Mode | None = None


modes = Modes()


class mode(ContextDecorator):  # noqa: N801  (used as a function)
    """Change fields of this thread's `Mode` for the duration of a ``with`` block, as often as it is entered."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._before: list[Mode | None] = []

    def _recreate_cm(self) -> mode:
        return mode(**self._changes)  # a decorated function may run in several threads

    def __enter__(self) -> None:
        self._before.append(modes.current)
        after = (modes.current or USUAL)._replace(**self._changes)
        modes.current = None if after == USUAL else after

    def __exit__(self, *error: object) -> None:
        modes.current = self._before.pop()


def all_or_nothing(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return `f` of the arguments; if it raises, leaves, gradients, optimizers and generators are as they were before.

    They write down in the mode's journal what they were whenever they change.
    """
    outer = modes.current
    journal = [] if outer is None or outer.journal is None else outer.journal
    before = len(journal)
    try:
        with mode(journal=journal):
            return f(*args, **kwargs)
    except BaseException:
        try:
            put_back(journal[before:])
        except KeyboardInterrupt:  # at the very moment
            put_back(journal[before:])
            raise
        raise


def put_back(journal: list[tuple[Any, str, Any]]) -> None:
    """Give attributes the values that a journal tells, its first entries last; no signal is looked at in between."""
    leaves = [x for x, name, _ in journal if name == "_data"]  # what was computed from them since is stale
    deque(chain(starmap(setattr, reversed(journal)), map(setattr, leaves, repeat("serial"), clock)), 0)


def no_grad() -> Any:
    """Return a context manager (also a decorator) in which ops compute and record nothing.

    Results inside are leaves that require no gradient.

    >>> from autograd_nn import Value, no_grad
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.item(), y.requires_grad, y.is_leaf
    (9.0, False, True)
    """
    return mode(recording=False)


@contextmanager
def name_scope(path: str) -> Iterator[None]:
    """Give nodes made in the ``with`` block a scope, nested in the current one: ``"net/layer0"``.

    >>> from autograd_nn import Value, name_scope
    >>> with name_scope("net"), name_scope("layer0"):
    ...     y = Value(1.0) * 2
    >>> y.scope
    'net/layer0'
    """
    with mode(scope=nested_scope(modes.current, path)):
        yield


def nested_scope(outer: Mode | None, path: str) -> str:
    """Return the scope of what is made in `path` inside a mode: ``"net"`` and ``"layer0"`` give ``"net/layer0"``."""
    return f"{outer.scope}/{path}" if outer is not None and outer.scope else path


class Edge(NamedTuple):
    """One operand of one op: `parent` is argument number `position` of the op that made `child`."""

    parent: Node
    child: Node
    position: int


def topological_order(outputs: Iterable[Node], given: Container[Node] = ()) -> list[Node]:
    """Return every node that the outputs depend on, parents before children, without recursion.

    The order is a depth-first post-order and depends on the graph alone: the same code gives the same order. What lies
    behind nodes that are given is left out.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if node not in given:
                stack.extend((parent, False) for parent in reversed(node.parents) if parent not in seen)
    return order


class Graph:
    """The nodes and edges that some outputs depend on, in topological order.

    >>> from autograd_nn import Graph, Value
    >>> x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    >>> graph = Graph.of(x * w + x)
    >>> [node.name or node.op.name for node in graph.nodes]
    ['x', 'w', 'mul', 'add']
    >>> [(edge.parent.name, edge.child.op.name) for edge in graph.edges][:2]
    [('x', 'mul'), ('w', 'mul')]
    """

    def __init__(self, nodes: Iterable[Node], outputs: Iterable[Node]) -> None:
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)

    @classmethod
    def of(cls, *outputs: Node) -> Graph:
        """Collect everything that the outputs depend on.

        Raises:
            TypeError: if an output is not a Value.
        """
        for output in outputs:
            if not isinstance(output, Node):
                raise TypeError(
                    f"Graph.of wanted Values, got {type(output).__name__}. Only what is computed from a Value has a "
                    "graph: make the input a Value, then compute again."
                )
        return cls(topological_order(outputs), outputs)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every operand of every op, children in topological order, operands in argument order."""
        return tuple(Edge(parent, child, i) for child in self.nodes for i, parent in enumerate(child.parents))

    @property
    def leaves(self) -> tuple[Node, ...]:
        """The nodes that no op made: parameters, inputs and constants."""
        return tuple(node for node in self.nodes if node.op is None)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes, {len(self.outputs)} outputs)"

    if TYPE_CHECKING:  # set by the package, from `visualize`, which is loaded on first use

        def draw(self, **options: Any) -> Drawing: ...  # noqa: D102  (documented where it is set)
        def to_dot(self, **options: Any) -> str: ...  # noqa: D102
        def to_svg(self, **options: Any) -> str: ...  # noqa: D102
        def to_mermaid(self, **options: Any) -> str: ...  # noqa: D102
        def to_html(self, **options: Any) -> str: ...  # noqa: D102
        def explore(self, **options: Any) -> Explorer: ...  # noqa: D102
        def save(self, path: str | PathLike[str], **options: Any) -> Path: ...  # noqa: D102
        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]: ...

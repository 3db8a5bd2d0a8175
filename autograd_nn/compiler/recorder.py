"""Running a function once, and keeping what it computes: ops, backward passes, and what it assigns.

While a `Recorder` is the mode's `recorder`, everything that could leave the graph stays in it: a backward pass gives
nodes as gradients, `p.data` is a node, and assigning to a leaf or stepping an optimizer is remembered, to be done
whenever the compiled function is called. What cannot stay (a plain number, a branch on data) is refused, with the line.
"""

from __future__ import annotations

import copy
import operator
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..backward import check_seed, walk, why_no_gradient
from ..debug import users_line
from ..graph import NO_ATTRS, Node, clock, describe, dtype, mode, modes, shape
from ..op import ITEM, Op, constant_data, plain
from ..ops.indexing import getitem
from ..ops.shape import alias, cast
from ..value import Value

__all__ = ["Host", "Recorded", "RecordedArray", "Recorder", "State"]


def record_op(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Record an op."""
    return recorder_of(next(a for a in args if isinstance(a, Recorded))).apply(op, args, attrs)


def recorder_of(node: Node) -> Any:
    """Return the recorder; refuse a value that was kept from a recording that is over.

    Raises:
        RuntimeError: if it was.
    """
    current = modes.current
    recorder = None if current is None else current.recorder
    if recorder is None or (node.serial <= recorder.start and isinstance(node, Recorded)):
        raise RuntimeError(
            f"compile: {describe(node)} was made while a compiled function was recorded, and kept. It has no number "
            "now: return it from the function instead of storing it."
        )
    return recorder


def refuse(node: Node, what: str, instead: str) -> Any:
    """Refuse to tell what is not known while recording.

    Raises:
        TypeError: always, with the line and what to write.
    """
    raise TypeError(
        f"compile: {what} of {describe(node)} is not known while the function is recorded, since it changes from "
        f"call to call.{place()}\n  {instead}"
    )


def place() -> str:
    """Return the line of the user's code that is under way, for an error."""
    line = users_line()
    return f"\n  {line[0]}, line {line[1]}: {line[2]}" if line else ""


class Recorded(Value):
    """A Value inside a function that is being recorded: everything but its numbers is known."""

    __slots__ = ()
    __hash__ = Value.__hash__
    level: ClassVar[float] = 0.5  # type: ignore[assignment]  # below those of vmap, which go inside

    interpreter: ClassVar[Any] = staticmethod(record_op)

    @property
    def data(self) -> Any:
        """The value itself as an array, through which no gradient flows."""
        return recorder_of(self).data(self)

    @data.setter
    def data(self, new: Any) -> None:
        recorder_of(self).assign(self, new)

    def detach(self) -> Any:
        """Return the same value; nothing flows back through it."""
        return recorder_of(self).fresh(self, False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Switch whether a derivative with respect to this leaf is wanted: ``detach()`` gives one here, too."""
        if self.op is alias and not any(p.requires_grad for p in self.parents) and self.dtype.kind in "fc":
            self.requires_grad = requires_grad
            return self
        return super().requires_grad_(requires_grad)

    def _element(self) -> Any:
        return refuse(self, "the number", NUMBER)

    def __bool__(self) -> bool:
        return refuse(self, "the truth", BRANCH)

    def __contains__(self, item: Any) -> bool:
        return refuse(self, "the truth of `in`", BRANCH)

    def item(self) -> Any:
        """Refused: there is no number yet."""
        return refuse(self, "the number", NUMBER)

    def tolist(self) -> Any:
        """Refused: there are no numbers yet."""
        return refuse(self, "a list of numbers", NUMBER)

    def numpy(self) -> Any:
        """Refused: there are no numbers yet."""
        return refuse(self, "an array", ARRAY)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return refuse(self, "an array", ARRAY)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return refuse(self, "an array", ARRAY)

    def __index__(self) -> int:
        return refuse(self, "the integer", INDEX)

    def __deepcopy__(self, memo: Any) -> Any:
        return recorder_of(self).fresh(self, self.requires_grad)

    def __reduce__(self) -> Any:
        return refuse(self, "a pickle", "Save what the compiled function returns.")

    def __str__(self) -> str:
        return refuse(self, "the text", "Return the value and print it outside, or print(v.shape).")

    __format__ = lambda self, spec: str(self)  # type: ignore[assignment]  # noqa: E731

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


def in_place(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the method of an operator such as ``+=``: arrays are written to, numbers are not."""

    def method(self: Any, other: Any) -> Any:
        new = apply(self, other)
        return recorder_of(self).write(self, new) if type(self._data) is np.ndarray else new

    return method


class RecordedArray(Recorded):
    """The same for what would be an array, or a plain number, if the function were not compiled."""

    __slots__ = ()
    __hash__ = Value.__hash__
    is_array: ClassVar[bool] = True

    def copy(self, order: Any = "C") -> Any:
        """Return the same: nothing is written into it."""
        return self.data

    __iadd__, __isub__, __imul__, __imatmul__ = map(
        in_place, (operator.add, operator.sub, operator.mul, operator.matmul)
    )
    __itruediv__, __ifloordiv__, __imod__ = map(in_place, (operator.truediv, operator.floordiv, operator.mod))
    __ipow__, __ilshift__, __irshift__ = map(in_place, (operator.pow, operator.lshift, operator.rshift))
    __iand__, __ior__, __ixor__ = map(in_place, (operator.and_, operator.or_, operator.xor))

    def __mul__(self, other: Any) -> Any:
        self._refuse_repetition(other)
        return super().__mul__(other)

    def __rmul__(self, other: Any) -> Any:
        self._refuse_repetition(other)
        return super().__rmul__(other)

    def _refuse_repetition(self, other: Any) -> None:
        """Refuse ``[0] * n``, which is a longer list and no product."""
        if isinstance(other, (list, tuple, str)) and self.dtype.kind in "biu" and not self.shape:
            refuse(self, "the integer", INDEX)


NUMBER = (
    "Write np.exp(v) for math.exp(v); return the value and convert it outside; or, if it never changes, pass it as a "
    "static argument: compile(f, static=('name',))."
)
BRANCH = (
    "Write where(condition, a, b), which chooses elementwise and is recorded; or, if it depends on an argument that "
    "rarely changes, make that argument static: compile(f, static=('name',))."
)
ARRAY = "Functions of NumPy take the value itself: np.sin(v). Numbers come out when the compiled function returns."
INDEX = (
    "Lengths and indices are fixed when the function is recorded: make that argument static, compile(f, "
    "static=('name',)); or index with an array, which moves with the data."
)
SELECTION = (
    "How many elements are selected is fixed when the function is recorded: write where(condition, x, 0.0), which "
    "keeps the shape; or make that argument static, compile(f, static=('name',))."
)


class State:
    """What a compiled function reads anew at each call, and may assign: the data of a leaf, an entry of a state.

    Attributes:
        node: what stands for it in the recording.
        read: returns the number or array now.
        write: given a new number or array, returns a call, as a tuple, that puts it in its place.
        where: an object, and the text that reads it when written after the object's name.
        leaf: the Value whose data it is, or None.
        now: what stands for it at this point of the recording.
        entries, name: of an entry of a dict: returns the dict, in which arrays may lie on a device; and its key.
    """

    def __init__(
        self,
        node: Node,
        read: Callable[[], Any],
        write: Callable[[Any], tuple[Any, ...]],
        where: tuple[Any, str],
        leaf: Node | None = None,
    ) -> None:
        self.node, self.read, self.write, self.where, self.leaf = node, read, write, where, leaf
        self.now = node
        self.entries: Callable[[], dict[str, Any]] | None = None
        self.name = ""

    def forget(self) -> None:
        """Let go of the recording, whose nodes hold arrays: one that nobody else holds is updated in place."""
        del self.node, self.now


class Host:
    """A number or array that Python computes anew at each call: a learning rate, random numbers.

    Attributes:
        node: what stands for it in the recording.
        compute: returns it.
        generator: that it is drawn from, and that moves on with each call; None: nothing is drawn.
    """

    def __init__(self, node: Node, compute: Callable[[], Any], generator: Any) -> None:
        self.node, self.compute, self.generator = node, compute, generator


class Recorder:
    """What is recorded while a function runs once.

    Attributes:
        states: what is read at each call, by the node that stands for it.
        assigned: the states that are assigned to, and their new values.
        hosts: what Python computes at each call, in order.
        checks: whether conditions on data hold, as they do now and must at each call.
        guards: what was looked at while recording: pairs (look, what was seen). If it looks different, record again.
        commits: functions that return calls, as tuples, to be made after each call that went well.
        zeroed: leaves whose gradients were forgotten.
        journal: the states of generators before something was drawn from them.
    """

    def __init__(self) -> None:
        self.journal: list[tuple[Any, str, Any]] = []
        self.start = next(clock)
        self.states: dict[Node, State] = {}
        self.assigned: dict[State, Node] = {}
        self.hosts: list[Host] = []
        self.checks: list[Node] = []
        self.guards: list[tuple[Callable[[], Any], Any]] = []
        self.commits: list[Callable[[], tuple[Any, ...]]] = []
        self.zeroed: dict[Node, None] = {}
        self.modules: dict[int, Any] = {}
        self.stand_ins: dict[Node, Node] = {}  # what stands for a Value that is an argument
        self.originals: dict[Node, Node] = {}  # and back
        self.known: set[Node] = set()  # those of them that the function reaches in another way, too
        self._versions: dict[Node, Node] = {}  # what a leaf that was assigned to is now
        self._leaves: dict[Node, Node] = {}  # and back
        self._grads: dict[Node, Node] = {}
        self._gradients: dict[Node, Node] = {}  # arrays that were looked at as `.grad`, and whose they are
        self._unzeroed: dict[Node, None] = {}  # leaves that are taken to have no gradient before the call
        self._entries: dict[Any, State] = {}
        self._steps: dict[Any, int] = {}

    # ops

    def apply(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Compute an op once, and record it, also under `no_grad`."""
        current: Any = modes.current
        args = tuple([self.now(a) if isinstance(a, Node) else a for a in args])
        nodes = [a for a in args if isinstance(a, Node)]
        if attrs:
            for key, value in attrs.items():
                if isinstance(value, Node):
                    raise TypeError(
                        f"{op.name}: {key} wanted a plain Python value, which is fixed when the function is recorded; "
                        f"got {describe(value)}. {INDEX}"
                    )
            attrs = {key: plain(value) for key, value in attrs.items()}
        parents = tuple([a if isinstance(a, Node) else Value.leaf(constant_data(op, a)) for a in args])
        if op is getitem:
            self._count(parents[1:])
        operands = [p._data for p in parents]
        if op.scalar is not None and set(map(type, operands)) == {float}:  # it calls no op
            data = op.compute(*operands, **attrs)
        else:
            with mode(recorder=None, recording=True):
                data = op.compute(*operands, **attrs)
        array, wanted = True, False
        for a in nodes:
            if array and type(a) is not RecordedArray and not self.is_constant(a):
                array = False
            if a.requires_grad:
                wanted = True
        kind = RecordedArray if array else Recorded
        node: Any = kind.leaf(data, requires_grad=wanted and op.differentiable and current.recording)
        node.op, node.parents, node.attrs = op, parents, {**op.defaults, **attrs} if attrs else op.defaults or NO_ATTRS
        if not op.results:
            return node
        items = tuple([self.apply(ITEM, (node,), {"index": i}) for i in range(len(data))])
        for item in items:
            item.requires_grad = node.requires_grad and dtype(item._data).kind in "fc"
        return items

    def _count(self, indices: tuple[Any, ...]) -> None:
        """Require of masks, at each call, that they select as many elements as they do now."""
        for mask in indices:
            if dtype(mask._data).kind == "b" and not self.is_constant(mask):
                self.require(lambda m: np.sum(m) == int(np.count_nonzero(m._data)), mask)

    def is_constant(self, node: Node) -> bool:
        """Was it made of a number or array on the way, and not by `Value(x)`?"""
        return type(node) is Value and node.op is None and node.serial > self.start

    def now(self, node: Node) -> Node:
        """Return what a node stands for at this point: a leaf that was assigned to is what was assigned.

        Raises:
            TypeError: if it was computed before, from something that requires a gradient.
        """
        node = self.standing_for(node)
        if node in self._versions:
            return self._versions[node]
        if node.serial <= self.start:
            if isinstance(node, Recorded):
                recorder_of(node)
            elif node.op is None:
                self.read(node)
            elif not node.requires_grad:  # what it was computed from may have been assigned to since
                self._versions[node] = Recorded.leaf(node._data, name=node.name)
                return self._versions[node]
            else:
                raise TypeError(
                    f"compile: {describe(node)} was computed outside of the compiled function, from something that "
                    "requires a gradient, and would not be computed again. Compute it inside, pass it as an argument, "
                    "or detach() it if it is a constant."
                )
        return node

    def argument(self, x: Node) -> Node:
        """Return what stands for a leaf that is an argument: at other calls another one will be given.

        If the function gets at it in another way, too, or twice, the recording holds for this one only.
        """
        if x in self.stand_ins:
            return self.standing_for(x)
        made = Value.leaf(x._data, requires_grad=x.requires_grad, name=x.name)
        made.serial, made.hooks = x.serial, x.hooks
        self.stand_ins[x], self.originals[made] = made, x
        return made

    def standing_for(self, x: Node) -> Node:
        """Return what stands for a Value if it is an argument, and take note that the function knows it."""
        made = self.stand_ins.get(x)
        if made is None:
            return x
        self.known.add(made)
        return made

    def read(self, leaf: Node) -> State:
        """Return the state that is a leaf's data: it is read at each call."""
        if leaf not in self.states:
            owner = self.originals.get(leaf, leaf)
            write = lambda new: (setattr, owner, "_data", new)  # noqa: E731
            self.states[leaf] = State(leaf, lambda: owner._data, write, (owner, "._data"), owner)
        return self.states[leaf]

    def entry(
        self,
        read: Callable[[], dict[str, Any]],
        name: str,
        key: Any,
        entries: Callable[[], dict[str, Any]] | None = None,
    ) -> State:
        """Return the state that is an entry of a dict of arrays, always the same one for a key.

        Args:
            read: returns the dict, with arrays of NumPy.
            name: of the entry.
            key: tells this state from others.
            entries: returns the dict as it is, with arrays that may lie on a device.
        """
        if key not in self._entries:
            data = read()[name]
            if isinstance(data, np.ndarray) and not (type(data) is np.ndarray and data.dtype.isnative):
                data = read()[name] = np.array(data, data.dtype.newbyteorder("="))  # as what is assigned to it
            node = RecordedArray.leaf(data)
            write = lambda new: (operator.setitem, read(), name, new)  # noqa: E731
            made = State(node, lambda: read()[name], write, (read, f"()[{name!r}]"))
            made.entries, made.name = entries, name
            self._entries[key] = self.states[node] = made
        return self._entries[key]

    def host(self, compute: Callable[[], Any], *, generator: Any = None) -> Node:
        """Return a node for what Python computes anew at each call, drawing from a bit generator or not."""
        if generator is not None:
            self.journal.append((generator, "state", generator.state))
        with mode(recorder=None):
            node = RecordedArray.leaf(compute())
        self.hosts.append(Host(node, compute, generator))
        return node

    def require(self, test: Callable[[Any], Any], x: Node) -> bool:
        """Is a condition on data true? It has to be at each call: it is computed there, with everything else."""
        verdict: Any = np.all(test(self.now(x)))
        holds = bool(verdict._data)
        if holds:
            self.checks.append(verdict)
        return holds

    def enter(self, module: Any) -> None:
        """Take note of a module that is looked at: its mode and its settings are part of what is recorded."""
        self.modules[id(module)] = module

    # leaves

    def fresh(self, x: Any, requires_grad: bool) -> Any:
        """Return a node that is equal to x and a leaf to backward passes: no gradient goes further."""
        made = alias(x)
        made.requires_grad = False
        made = alias(made)
        made.requires_grad = requires_grad
        return made

    def is_read(self, x: Any) -> bool:
        """Is it a leaf, and no constant: are its data read at each call?"""
        return type(x) is Value and x.op is None and (x.serial <= self.start or x in self._versions)

    def of_leaf(self, x: Any, method: str, *args: Any) -> Any:
        """Return what a method of `Recorded` gives for a leaf that is read at each call; None for all others."""
        return getattr(Recorded, method)(x, *args) if self.is_read(x) else None

    def refuse_selection(self, x: Any) -> None:
        """Refuse a mask or an index, on which a shape depends, if it changes from call to call."""
        if isinstance(x, Recorded) or self.is_read(x):
            refuse(x, "the selection by the elements", SELECTION)

    def adopt(self, made: Value, x: Any) -> None:
        """Let ``Value(x)`` depend on x; it is a leaf to backward passes."""
        made.__class__ = Recorded
        if not isinstance(x, Node):
            return
        source = x if x.dtype == made.dtype else cast(x, dtype=made.dtype.name)
        before = self.fresh(source, False)
        made.op, made.parents, made.attrs, made.serial = alias, (before,), {}, next(clock)

    def data(self, node: Node) -> Any:
        """Return a leaf's data as it is at this point, as a node: what would be an array."""
        made = alias(node)
        made.requires_grad = False
        made.__class__ = RecordedArray
        return made

    def assign(self, leaf: Node, new: Any) -> None:
        """Assign to a leaf.

        Raises:
            ValueError, TypeError: if it is no leaf, or the shapes differ.
        """
        leaf = self.standing_for(leaf)
        if leaf.op is not None and leaf.parents[0].requires_grad:
            raise ValueError(f"cannot assign to .data of {describe(leaf)}: it was computed by {leaf.op.name!r}.")
        if shape(new) != leaf.shape:
            raise ValueError(f".data of {describe(leaf)} wanted shape {leaf.shape}, got {shape(new)}.")
        node = self.converted(new, leaf)
        if not isinstance(leaf, Recorded) and leaf.serial <= self.start:
            self.assigned[self.read(leaf)] = node
        version = self.fresh(node, leaf.requires_grad)
        version.__class__ = type(leaf) if isinstance(leaf, Recorded) else Recorded  # no array, though what came is one
        version.hooks = leaf.hooks
        self._versions[leaf] = version
        self._leaves[version] = leaf

    def write(self, array: Node, new: Any) -> Node:
        """Let an array be another one from now on, for everybody who has it: it was written to, as by ``a += b``.

        Raises:
            TypeError, ValueError: if others would see it in their arrays, or if it does not fit.
        """
        memory = array._data if array._data.base is None else array._data.base
        if array.op is not alias and sys.getrefcount(memory) > 3:
            raise TypeError(
                f"compile: an operator such as += would write into {describe(array)}, which is an argument, a view of "
                f"another array, or has views: they would change in the function, and not when it is compiled.{place()}"
                "\n  Write a = a + b."
            )
        if shape(new) != array.shape:
            raise ValueError(f"+= or the like wanted a result of shape {array.shape}, got {shape(new)}.")
        self._versions[array] = self.converted(new, array)
        if array in self._gradients:
            self.set_grad(self._gradients[array], self._versions[array])
        return array

    def converted(self, new: Any, like: Node) -> Node:
        """Return a new value as a node of the dtype of the old one."""
        node = new if isinstance(new, Node) else RecordedArray.leaf(constant_data(alias, new))
        if type(like._data) is float:
            return node if type(node._data) is float else cast(node, dtype="python")
        if node.dtype == like.dtype and not isinstance(node._data, float):
            return node
        if not np.can_cast(node.dtype, like.dtype, "same_kind"):
            raise TypeError(f".data of {describe(like)} wanted numbers of dtype {like.dtype}, got {node.dtype}.")
        return cast(node, dtype=like.dtype.name)

    def put(self, state: State, new: Any) -> None:
        """Assign to an entry of a state.

        Raises:
            ValueError: if the shapes differ.
        """
        if shape(new) != state.node.shape:
            raise ValueError(
                f"compile: the state {state.name or 'entry'!r} wanted shape {state.node.shape}, as at the start, got "
                f"{shape(new)}. Begin with an array of that shape."
            )
        state.now = self.assigned[state] = self.converted(new, state.node)

    # gradients

    def backward(self, output: Node, seed: Any) -> None:
        """Add cotangents to the gradients of all nodes that the output depends on."""
        seed = seed if isinstance(seed, Node) else check_seed(output, seed)
        table = walk([self.now(output)], [seed], create_graph=True)
        if not any(self.is_leaf(node) for node in table):
            raise ValueError(why_no_gradient(output))
        for node, g in table.items():
            leaf = self._leaves.get(node, node)
            before = self._grads.get(leaf)
            self._grads[leaf] = g if before is None else before + g

    def is_leaf(self, node: Node) -> bool:
        """Is it a leaf to backward passes?"""
        return node.op is None or not any(p.requires_grad for p in node.parents)

    def grad(self, node: Node) -> Any:
        """Return the gradient at this point, as a node, or None.

        Raises:
            ValueError: if there is one from before the call, to which others would be added.
        """
        node = self.standing_for(node)
        if node.serial <= self.start and node not in self.zeroed:
            leaf = self.originals.get(node, node)
            if leaf._grad is not None:
                raise ValueError(
                    f"compile: {describe(node)} has a gradient from before the call, to which every call would add. "
                    "Call zero_grad() inside the compiled function, before backward()."
                )
            self._unzeroed[leaf] = None
        if node not in self._grads:
            return None
        found = self.data(self._grads[node])
        self._gradients[found] = node
        return found

    def set_grad(self, node: Node, new: Any) -> None:
        """Assign a gradient; None forgets it."""
        node = self.standing_for(node)
        self._grads.pop(node, None)
        self.zeroed[node] = None
        if new is not None:
            self._grads[node] = self.converted(new, node)

    def touched(self) -> set[Node]:
        """Return the leaves of which more is needed than their data: they were assigned to, or have gradients."""
        assigned = {state.node for state in self.assigned if state.leaf is not None}
        return assigned | set(self._grads) | set(self.zeroed) | self.known

    def leaves(self) -> set[Node]:
        """Return the leaves that the function gets at without being given them: their data, or their gradients."""
        read = [state.leaf for state in self.states.values() if state.leaf is not None]
        return {*read, *self.zeroed, *self._unzeroed} - self.stand_ins.keys()

    # training

    def steps_of(self, key: Any, *, count: bool = True) -> int:
        """Return how many steps were taken so far in this recording, by an optimizer or with a parameter; count one."""
        n = self._steps.get(key, 0)
        if count:
            self._steps[key] = n + 1
        return n

    def watch(self, look: Callable[[], Any]) -> None:
        """Record again when something that Python sees changes."""
        self.guards.append((look, look()))

    def watch_settings(self, objects: Iterable[Any], apart: Sequence[str] = ()) -> None:
        """Record again when something changes that objects hold, apart from attributes of some names."""
        self.watch(Settings(objects, apart))

    def watch_attribute(self, objects: Sequence[Any], name: str) -> None:
        """Record again when an attribute of one of the objects changes."""
        self.watch(Attributes(objects, name))

    def finish(self) -> None:
        """Watch what the recording took for granted."""
        every = {id(part): part for module in list(self.modules.values()) for part in module.modules()}
        if every:
            self.watch_settings(every.values())
        leaves = [state.leaf for state in self.states.values() if state.leaf is not None]
        self.watch_attribute(leaves, "requires_grad")
        self.watch_attribute([leaf for leaf in leaves if leaf.requires_grad], "hooks")
        self.watch_attribute(list(self._unzeroed), "_grad")


class Attention:
    """Tells recorders which modules they look at: as long as it lasts, reading an attribute of one enters it.

    At other times nothing stands between a module and its attributes.
    """

    def __init__(self) -> None:
        self._classes: list[type] = []
        self._lock, self._recordings = threading.Lock(), 0

    def on(self, cls: type) -> None:
        """Pay attention to the objects of a class."""
        self._classes.append(cls)

    def __enter__(self) -> None:
        with self._lock:
            self._recordings += 1
            if self._recordings == 1:
                for cls in self._classes:
                    cls.__getattribute__ = telling(cls)  # type: ignore[method-assign,assignment]

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._recordings -= 1
            if not self._recordings:
                for cls in self._classes:
                    del cls.__getattribute__


def telling(cls: type) -> Callable[[Any, str], Any]:
    """Return a `__getattribute__` that enters the object if a function is being recorded in this thread."""

    def read(self: Any, name: str) -> Any:
        current = modes.current
        if current is not None and current.recorder is not None and name != "__class__":
            current.recorder.enter(self)
        return super(cls, self).__getattribute__(name)  # type: ignore[misc]

    return read


attention = Attention()


class Attributes:
    """Looks at an attribute of objects: is it what it is now?

    Args:
        objects: which have it.
        name: of the attribute.
    """

    def __init__(self, objects: Sequence[Any], name: str) -> None:
        self.objects, self.name = objects, name
        self._seen = [getattr(x, name) for x in objects]

    def __call__(self) -> bool:
        """Return whether it is: plain settings are told by their value, other objects by which they are."""
        return all(map(same, [getattr(x, self.name) for x in self.objects], self._seen))

    def conditions(self, name_of: Callable[[Any, str], str]) -> list[str]:
        """Return expressions that are true while each is the object that it is now."""
        return [f"{name_of(x, 'looked')}.{self.name} is {name_of(getattr(x, self.name), 'seen')}" for x in self.objects]


class Settings:
    """Looks at what modules or optimizers hold: are modes, settings, generators, parameters and parts the same objects?

    Args:
        objects: those that were looked at.
        apart: names of attributes that are no settings.
    """

    def __init__(self, objects: Iterable[Any], apart: Sequence[str] = ()) -> None:
        self._apart, self._held = apart, []
        self._parts: dict[int, tuple[Any, Any]] = {}  # lists and dicts inside, and what is in them
        for x in objects:
            names, defaults = self._names(x), defaults_of(x)
            seen = [vars(x)[name] for name in names]
            self._held.append((x, names, seen, defaults, [getattr(x, name) for name in defaults]))
            self._look_into([part for name, part in zip(names, seen, strict=True) if not name.startswith("_")])

    def _names(self, x: Any) -> list[str]:
        """Return the names of an object's settings: what it keeps to itself counts if it is a number or a text."""
        return [
            name
            for name, part in vars(x).items()
            if name not in OWN and name not in self._apart and (not name.startswith("_") or isinstance(part, PLAIN))
        ]

    def _look_into(self, found: Iterable[Any]) -> None:
        """Take note of lists and dicts, and of those inside them."""
        for x in found:
            if isinstance(x, (list, dict)) and id(x) not in self._parts:
                self._parts[id(x)] = x, copy.copy(x)
                self._look_into(x if isinstance(x, list) else x.values())

    def __call__(self) -> bool:
        """Return whether they are."""
        for x, names, seen, defaults, known in self._held:
            if self._names(x) != names or not all(map(same, [vars(x)[name] for name in names], seen)):
                return False
            if not all(map(same, [getattr(x, name) for name in defaults], known)):
                return False
        for x, seen in self._parts.values():
            listed = isinstance(x, list)
            if len(x) != len(seen) or not (listed or x.keys() == seen.keys()):
                return False
            if not all(same(x[key], seen[key]) for key in (range(len(seen)) if listed else seen)):
                return False
        return True

    def conditions(self, name_of: Callable[[Any, str], str]) -> list[str]:
        """Return expressions that are true while everything is the very object that it was; lists are as long."""
        found = []
        for x, names, _, defaults, _ in self._held:
            kept = name_of(vars(x), "settings")
            found.append(f"len({kept}) == {len(vars(x))}")
            found += [f"{kept}[{name!r}] is {name_of(vars(x)[name], 'seen')}" for name in names]
            found += [f"{name_of(x, 'holder')}.{name} is {name_of(getattr(x, name), 'seen')}" for name in defaults]
        for x, seen in self._parts.values():
            parts, items = name_of(x, "parts"), enumerate(seen) if isinstance(x, list) else seen.items()
            found.append(f"len({parts}) == {len(seen)}")
            found += [f"{parts}[{name_of(key, 'key')}] is {name_of(y, 'seen')}" for key, y in items]
        return found


PLAIN = (bool, int, float, complex, str, np.generic)
OWN = ("training", "_label", "_is_root", "_modes")
"""Attributes of modules that are watched in another way, or are nobody's business."""


def defaults_of(x: Any) -> list[str]:
    """Return the names of settings that an object has from classes which are not the library's; and of its mode."""
    package = __name__.partition(".")[0] + "."
    classes = [c for c in type(x).__mro__ if not f"{c.__module__}.".startswith(package)]
    names = {name for c in classes for name, part in vars(c).items() if isinstance(part, PLAIN)} - vars(x).keys()
    return [*(["training"] if hasattr(x, "training") else []), *sorted(n for n in names if not n.startswith("__"))]


def same(x: Any, y: Any) -> bool:
    """Are two settings the same? Numbers, texts and tuples of them are told by what they are, all else by identity."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if type(x) is tuple:
        return len(x) == len(y) and all(map(same, x, y))
    return isinstance(x, PLAIN) and repr(x) == repr(y)  # tells 0.0 from -0.0, and NaN from nothing

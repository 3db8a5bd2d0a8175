"""Loops: elementwise statements and sums over the same elements, put together so that each array is passed over once.

A program is lowered to items in order: loops, calls (matrix products, windows), and calls of Python for ops that have
no native form. A statement joins the last loop over its elements that comes after what it reads. What only this loop
reads never reaches memory.
"""

from __future__ import annotations

import bisect
import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Call", "Index", "Item", "Loop", "Map", "Python", "Reduce", "Schedule", "Slot"]

MOST_ARRAYS = 12
"""Arrays that one loop reads and writes at most: more at a time are slower."""
MOST_STATEMENTS = 60


class Slot:
    """A result: an array, a view of one, or a number.

    Attributes:
        number: counts up within a schedule.
        shape: lengths of the axes.
        dtype: NumPy's.
        weak: is it a Python number, which takes the dtype of the array that it meets?
        root: the slot in whose memory it lies, itself if it is no view.
        view: an array with its shape and strides, in the memory of the root's.
        source: where it comes from if it is given: ("a", "s", "h" or "c", position), else None.
    """

    __slots__ = ("dtype", "number", "root", "shape", "source", "view", "weak")

    def __init__(
        self,
        number: int,
        shape: tuple[int, ...],
        dtype: Any,
        *,
        weak: bool = False,
        view: np.ndarray | None = None,
        root: Slot | None = None,
        source: tuple[str, int] | None = None,
    ) -> None:
        self.number, self.shape, self.dtype, self.weak, self.source = (
            number,
            tuple(shape),
            np.dtype(dtype),
            weak,
            source,
        )
        self.view: np.ndarray = np.empty(shape, dtype) if view is None else view
        self.root = self if root is None else root
        if root is not None and not within(self.view, root.view):
            raise ValueError("a view wanted an array in the memory of its root")

    @property
    def offset(self) -> int:
        """Bytes from the beginning of the root's memory to the first element."""
        return address(self.view) - address(self.root.view)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return int(np.prod(self.shape, dtype=int)) * self.dtype.itemsize

    @property
    def whole(self) -> bool:
        """Are its elements those of the root, in the same order?"""
        return self.root is self or (
            self.offset == 0 and self.nbytes == self.root.nbytes and self.view.flags.c_contiguous
        )

    def __repr__(self) -> str:
        return f"x{self.number}"


def within(x: Any, whole: np.ndarray) -> bool:
    """Does an array lie in the memory of another one?"""
    if not isinstance(x, np.ndarray):
        return False
    low, high = np.lib.array_utils.byte_bounds(x)
    first, last = np.lib.array_utils.byte_bounds(whole)
    return first <= low and high <= last


def overlap(x: np.ndarray, y: np.ndarray) -> bool:
    """Have two arrays elements in common?"""
    try:
        return np.shares_memory(x, y, max_work=1000)  # type: ignore[arg-type]  (any number is allowed)
    except np.exceptions.TooHardError:
        return True


def address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


class Index:
    """As an operand: the position along an axis of the loop."""

    __slots__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis


class Map:
    """Each element of a slot from elements of others: an expression with {0}, {1}, … for them.

    Attributes:
        out: the slot; its shape is that of the loop.
        text: the expression.
        operands: slots, broadcast to the loop, and `Index`.
        dtype: to which operands are converted.
        note: for people.
        raw: positions of operands that are not converted.
    """

    __slots__ = ("dtype", "note", "operands", "out", "raw", "text")

    def __init__(
        self,
        out: Slot,
        text: str,
        operands: Sequence[Slot | Index],
        dtype: Any,
        note: str,
        raw: tuple[int, ...] = (),
    ) -> None:
        self.out, self.text, self.operands, self.dtype, self.note = out, text, tuple(operands), np.dtype(dtype), note
        self.raw = raw


class Reduce:
    """Sums, maxima or minima of a slot over axes of the loop, whose shape it has.

    Attributes:
        out: the slot for the result.
        kind: "sum", "max" or "min".
        operand: what is reduced.
        axes: over which.
        note: for people.
    """

    __slots__ = ("axes", "kind", "note", "operand", "out")

    def __init__(self, out: Slot, kind: str, operand: Slot, axes: tuple[int, ...], note: str) -> None:
        self.out, self.kind, self.operand, self.axes, self.note = out, kind, operand, axes, note

    @property
    def operands(self) -> tuple[Slot]:
        """What is read."""
        return (self.operand,)


class Item:
    """A step of a schedule."""

    final = False

    def reads(self) -> list[Slot]:
        """Return the slots that are read."""
        raise NotImplementedError

    def writes(self) -> list[Slot]:
        """Return the slots that are written."""
        raise NotImplementedError

    def notes(self) -> list[str]:
        """Return the instructions that are computed, for people."""
        raise NotImplementedError


class Loop(Item):
    """Statements over the elements of one shape."""

    def __init__(self, shape: tuple[int, ...], final: bool) -> None:
        self.shape, self.final = shape, final
        self.statements: list[Map | Reduce] = []
        self.made: set[Slot] = set()
        self.read: dict[Slot, None] = {}

    def reads(self) -> list[Slot]:
        """Return the slots that are read."""
        return list(self.read)

    def writes(self) -> list[Slot]:
        """Return the slots that are written."""
        return [s.out for s in self.statements]

    def notes(self) -> list[str]:
        """Return the instructions that are computed."""
        return list(dict.fromkeys(s.note for s in self.statements))


class Call(Item):
    """A call of a native function.

    Attributes:
        lines: text, with {0}, {1}, … for addresses of what it reads, then of what it writes; {first} and {count} for
            the units that are to be done, and {part} for the number of the thread that does them.
        units: that can be done apart, such as images.
        shared: do threads share them?
        note: for people.
    """

    def __init__(
        self,
        lines: Sequence[str],
        reads: Sequence[Slot],
        writes: Sequence[Slot],
        note: str,
        *,
        units: int = 1,
        shared: bool = False,
    ) -> None:
        self.lines, self._reads, self._writes, self.note = list(lines), list(reads), list(writes), note
        self.units, self.shared = units, shared

    def written(self, addresses: Sequence[str]) -> list[str]:
        """Return the lines, with addresses put in."""
        n = self.units
        first, end = (f"{n} * part // parts", f"{n} * (part + 1) // parts") if self.shared else ("0", f"{n}")
        count = f"({end} - {first})" if self.shared else end
        part = "part" if self.shared else "0"
        return [line.format(*addresses, first=f"({first})", count=count, part=part) for line in self.lines]

    def reads(self) -> list[Slot]:
        """Return the slots that are read."""
        return self._reads

    def writes(self) -> list[Slot]:
        """Return the slots that are written."""
        return self._writes

    def notes(self) -> list[str]:
        """Return the instruction that is computed."""
        return [self.note]


class Python(Item):
    """A call of Python: an op without a native form.

    Attributes:
        instruction: what it computes.
        results: the slot of its result; none if it is a tuple, or no array.
    """

    def __init__(self, instruction: Any, reads: Sequence[Slot], results: Sequence[Slot]) -> None:
        self.instruction, self._reads, self.results = instruction, list(reads), list(results)

    def reads(self) -> list[Slot]:
        """Return the slots that are read."""
        return self._reads

    def writes(self) -> list[Slot]:
        """Return the slots that are written."""
        return self.results

    def notes(self) -> list[str]:
        """Return the instruction that is computed."""
        return [repr(self.instruction)]


class Schedule:
    """Items in order.

    Attributes:
        items: the items.
        final: do statements that are added go after all that can fail?
    """

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.final = False
        self._floor = 0
        self._loops: dict[tuple[int, ...], list[int]] = {}
        self._writers: dict[Slot, list[tuple[int, np.ndarray]]] = {}
        self._views: dict[Slot, list[Slot]] = {}
        self._count = 0
        self._space = mmap.mmap(-1, mmap.PAGESIZE)  # of all views, whose elements nobody asks for: addresses, no memory

    def slot(self, shape: Sequence[int], dtype: Any, **known: Any) -> Slot:
        """Return a new slot."""
        self._count += 1
        if "view" not in known:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            if size > len(self._space):
                self._space = mmap.mmap(-1, size)
            known["view"] = np.ndarray(tuple(shape), dtype, self._space)
        made = Slot(self._count, tuple(shape), dtype, **known)
        self._views.setdefault(made.root, []).append(made)
        return made

    def move(self, x: Slot, whole: Slot, part: np.ndarray) -> bool:
        """Let a slot, and its views, lie in a part of another slot from now on, if only loops and calls wrote it.

        Args:
            x: has memory of its own, which is not given; nobody wants it at the end.
            whole: new, in C order; nobody else has anything there.
            part: of the view of `whole`, as many bytes in C order.
        """
        writers = self._writers.get(x, ())
        if len(writers) != 1 or part.nbytes != x.nbytes or not part.flags.c_contiguous:
            return False
        (at, _), start = writers[0], address(x.view)
        item = self.items[at]
        maps = [s for s in item.statements if isinstance(s, Map) and s.out is x] if isinstance(item, Loop) else []
        if not (isinstance(item, Call) or (maps and maps[0].text != "{0}")):
            return False
        memory = part.reshape(-1).view(np.uint8)
        for y in self._views.pop(x):
            offset = address(y.view) - start
            y.view = np.ndarray(y.shape, y.dtype, memory.data, offset, y.view.strides)
            y.root = whole
            self._views[whole].append(y)
        del self._writers[x]
        self._writers.setdefault(whole, []).append((at, x.view))
        return True

    def begin_final(self) -> None:
        """From now on, items go after all that were added before: what is added waits for all that can fail."""
        self.final, self._floor = True, len(self.items)

    def add(self, item: Item) -> None:
        """Add an item at the end."""
        item.final = self.final
        self._wrote(item.writes(), len(self.items))
        self.items.append(item)

    def join(self, statement: Map | Reduce) -> None:
        """Add a statement to a loop: the last one in which what it reads is there; else to a new one.

        A sum goes to the first one, in which its elements are made: they need not be read again.
        """
        shape = statement.out.shape if isinstance(statement, Map) else statement.operand.shape
        first = self._floor
        slots = [x for x in statement.operands if isinstance(x, Slot)]
        for x in slots:
            for i, _ in self._writers.get(x.root, ()):
                item = self.items[i]
                same = x.root is x and x.shape == shape and isinstance(item, Loop) and x in item.made
                first = max(first, i if same else i + 1)
        for i, part in self._writers.get(statement.out.root, ()):  # zeros first
            if overlap(part, statement.out.view):
                first = max(first, i + 1)
        found = self._loops.setdefault(shape, [])
        last = found[-1] if found and found[-1] >= first else -1
        k = bisect.bisect_left(found, first)
        places = (first, last) if isinstance(statement, Reduce) and found[k : k + 1] == [first] else (last,)
        at = next((i for i in places if i >= 0 and self._fits(slots, self.items[i])), -1)
        loop: Any = self.items[at] if at >= 0 else None
        if loop is None:
            at = len(self.items)
            loop = Loop(shape, self.final)
            self.items.append(loop)
            bisect.insort(found, at)
        loop.statements.append(statement)
        if isinstance(statement, Map) and statement.out.root is statement.out:
            loop.made.add(statement.out)
        for x in slots:
            if x not in loop.made:
                loop.read[x] = None
        self._wrote([statement.out], at)

    def _fits(self, slots: Sequence[Slot], loop: Any) -> bool:
        """Is there room in a loop for a statement that reads these?"""
        arrays = set(loop.read) | {s.out for s in loop.statements} | set(slots)
        return len(arrays - loop.made) < MOST_ARRAYS and len(loop.statements) < MOST_STATEMENTS

    def _wrote(self, slots: Sequence[Slot], at: int) -> None:
        for x in slots:
            self._writers.setdefault(x.root, []).append((at, x.view))

    def local(self, x: Slot, loop: Loop) -> bool:
        """Is a slot made in a loop, so that statements there need not read it from memory?"""
        return x in loop.made

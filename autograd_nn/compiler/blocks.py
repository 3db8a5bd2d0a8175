"""Runs: elementwise work on large arrays, put together, so that it is done block by block, in the cache.

What only a run needs is never there as a whole: it takes the memory of one block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from .memory import last_uses
from .program import Instruction, Program, Variable

__all__ = ["BLOCK", "LARGE", "Run", "schedule"]

LARGE = 1 << 19
"""Arrays with more elements than this are worked on in blocks. Smaller ones stay in the last cache: blocks of them save
memory, and no time."""
BLOCK = 1 << 17
"""Bytes of a block: several of them fit into the cache next to a core."""


class Run:
    """Instructions over the same elements.

    Attributes:
        shape: of the arrays.
        flat: are blocks pieces of all elements in a row? Else they are rows: pieces along the first axis.
        members: the instructions, in order.
        made: what they make that is there block by block.
        partial: members whose results are complete after the last block only.
    """

    def __init__(self, shape: tuple[int, ...], itemsize: int) -> None:
        self.shape = shape
        across, length = math.prod(shape[1:]), max(BLOCK // itemsize, 1)
        self.flat = across > 2 * length
        self.total = math.prod(shape) if self.flat else shape[0]
        self.length = min(length if self.flat else max(length // across, 1), self.total)
        self.members: list[Instruction] = []
        self.made: set[Variable] = set()
        self.partial: set[Instruction] = set()

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return -(-self.total // self.length)

    def cut(self, v: Variable) -> bool:
        """Is a variable there in blocks? Else it is the same for all blocks."""
        if v.python or not v.shape:
            return False
        return v.shape == self.shape or (not self.flat and len(v.shape) >= len(self.shape) and v.shape[0] == self.total)

    def block(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the largest block of something."""
        return (self.length,) if self.flat else (self.length, *shape[1:])

    def takes(self, v: Variable) -> bool:
        """Can an operand of an elementwise member be read in blocks, or as it is?"""
        return not self.flat or self.cut(v) or v.python or v.shape == ()

    def column(self, v: Variable) -> bool:
        """Has a result the same rows, and length 1 along some axes?"""
        if self.flat or len(v.shape) != len(self.shape) or v.shape[0] != self.total:
            return False
        return all(n in (1, m) for n, m in zip(v.shape, self.shape, strict=True))


class Scheduler:
    """Puts instructions into runs."""

    def __init__(
        self,
        program: Program,
        elementwise: Callable[[Instruction], bool],
        reduced: Callable[[Instruction], Collection[int] | None],
        light: Callable[[Instruction], bool],
        base: dict[Variable, Variable],
        skip: Collection[Instruction],
    ) -> None:
        self.program, self.elementwise, self.reduced, self.light = program, elementwise, reduced, light
        self.order = {i: k for k, i in enumerate(program.instructions)}
        self.last = last_uses(program, base)
        self.uses = program.uses()
        self.viewed = set(base.values())
        self.skip = skip
        self.items: list[Any] = []  # runs and instructions
        self.at: dict[Variable, float] = {}  # the item that makes a variable; what takes no time is made between items
        self.between: dict[float, list[Instruction]] = {}
        self.latest: dict[tuple[int, ...], int] = {}
        self.heavy = -1  # the last item that takes time

    def run(self) -> list[Run | Instruction]:
        """Return the instructions in order, and runs."""
        for instruction in self.program.instructions:
            if instruction.out.python or instruction.out.shape is None or instruction in self.skip:
                found = None
            else:
                found = self.find(instruction)
            if found is not None:
                self.join(instruction, found)
            elif self.light(instruction) and instruction not in self.skip:
                before = max([self.at.get(x, -1) for x in instruction.args], default=-1)
                at = self.at[instruction.out] = math.floor(before) + 0.5
                self.between.setdefault(at, []).append(instruction)
            else:
                self.at[instruction.out] = self.heavy = len(self.items)
                self.items.append(instruction)
        self.sink()
        ordered: list[Run | Instruction] = [*self.between.get(-0.5, ())]
        for k, item in enumerate(self.items):
            if isinstance(item, Run):
                item.members.sort(key=self.order.__getitem__)
                ordered += [item] if item.members and self.pays(item) else item.members
            else:
                ordered.append(item)
            ordered += self.between.get(k + 0.5, ())
        return ordered

    def find(self, instruction: Instruction) -> int | None:
        """Return the number of the run that an instruction joins; None if there is none."""
        v, elementwise, axes = instruction.out, self.elementwise(instruction), self.reduced(instruction)
        if not elementwise and axes is None:
            return None
        k = self.maker(instruction)
        if k is not None and self.fits(instruction, k):
            run: Any = self.items[k]
            if axes is None and run.column(v):
                return k
            if axes is not None and (not run.flat or len(axes) == len(instruction.args[0].shape)):
                return k
        if not elementwise or math.prod(v.shape) <= LARGE:
            return None
        wanted = Run(v.shape, max(x.dtype.itemsize for x in (v, *instruction.args)))
        if not all(map(wanted.takes, instruction.args)):
            return None
        k = self.latest.get(v.shape)
        if k is None or not self.fits(instruction, k) or not all(map(self.items[k].takes, instruction.args)):
            k = self.latest[v.shape] = self.heavy = len(self.items)
            self.items.append(wanted)
        return k

    def maker(self, instruction: Instruction) -> int | None:
        """Return the number of the run that makes what an instruction reads, if nothing that it reads is made later."""
        latest = max([self.at.get(x, -1) for x in instruction.args], default=-1)
        k = int(latest)
        return k if k >= 0 and k == latest and isinstance(self.items[k], Run) else None

    def fits(self, instruction: Instruction, k: int) -> bool:
        """Is there all that an instruction reads, and does memory not grow if it is moved up there?"""
        run = self.items[k]
        if not isinstance(run, Run):
            return False
        for x in instruction.args:
            if self.at.get(x, -1) >= k and not (self.at[x] == k and x in run.made):
                return False
        if self.heavy <= k:
            return True
        position = self.order[instruction]
        freed = sum(x.nbytes for x in {*instruction.args} if x.kind == "result" and self.last[x] == position)
        return instruction.out.nbytes <= max(freed, instruction.args[0].nbytes // 8)

    def join(self, instruction: Instruction, k: int) -> None:
        """Add an instruction to a run."""
        run = self.items[k]
        if isinstance(run, Run):
            axes = self.reduced(instruction)
            run.members.append(instruction)
            self.at[instruction.out] = k
            if axes is not None and (0 in axes or run.flat):
                run.partial.add(instruction)
            elif run.cut(instruction.out) and len(instruction.out.shape) == len(run.shape):
                run.made.add(instruction.out)

    def sink(self) -> None:
        """Move what only a later run reads there, unless more would have to be kept until then."""
        for k in range(len(self.items) - 1, -1, -1):
            item = self.items[k]
            if not isinstance(item, Run):
                continue
            for instruction in sorted(item.members, key=self.order.__getitem__, reverse=True):
                v = instruction.out
                readers = self.uses.get(v, [])
                places = {self.at.get(i.out, -1) if i is not None and i not in self.skip else -1 for i in readers}
                if len(places) != 1 or v in self.viewed or self.reduced(instruction) is not None:
                    continue
                (target,) = places
                run = self.items[int(target)] if target > k and target == int(target) else None
                if not isinstance(run, Run) or run.shape != item.shape or v.shape != run.shape:
                    continue
                first = min(self.order[i] for i in run.members)
                longer = {x for x in instruction.args if x.kind == "result" and self.last[x] < first}
                if sum(x.nbytes for x in longer) <= v.nbytes:
                    item.members.remove(instruction)
                    item.made.discard(v)
                    run.members.append(instruction)
                    run.made.add(v)
                    self.at[v] = target

    def pays(self, run: Run) -> bool:
        """Does a block that is in the cache serve more than once?"""
        seen: set[Variable] = set()
        for i in run.members:
            touched = {v for v in (*i.args, i.out) if run.cut(v)}
            if touched & seen:
                return True
            seen |= touched
        return False


def schedule(
    program: Program,
    elementwise: Callable[[Instruction], bool],
    reduced: Callable[[Instruction], Collection[int] | None],
    light: Callable[[Instruction], bool],
    base: dict[Variable, Variable],
    skip: Collection[Instruction] = (),
) -> Sequence[Run | Instruction]:
    """Return the instructions of a program in an order in which they can be run, some of them in runs.

    Args:
        program: what is run.
        elementwise: can an instruction be done block by block?
        reduced: the axes over which an instruction reduces its operand, if it can be done block by block.
        light: does an instruction take no time?
        base: for variables that may lie in the memory of another one, that one.
        skip: instructions that are in no run.
    """
    return Scheduler(program, elementwise, reduced, light, base, skip).run()

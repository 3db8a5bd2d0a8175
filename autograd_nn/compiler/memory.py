"""Which results share memory: lifetimes, and the buffers that they are given one after the other."""

from __future__ import annotations

from collections.abc import Collection

from .program import Instruction, Program, Variable

__all__ = ["Pool", "bases", "last_uses"]

KEEPING = frozenset(("unfold", "diag", "einsum", "matrix_power"))
"""Ops whose result lies in the memory of an operand for some layouts of it, and some settings."""
PACKAGE = __name__.partition(".")[0] + "."


def bases(program: Program, views: Collection[str]) -> dict[Variable, Variable]:
    """Return, for each variable that may lie in the memory of another one, that one.

    Args:
        program: what is run.
        views: names of ops whose result may lie in the memory of their first operand; so may that of other ops, if it
            did when the program was recorded.
    """
    base: dict[Variable, Variable] = {}
    for instruction in program.instructions:
        position = 0 if instruction.op.name in views else instruction.out.shares
        if position is not None and instruction.args:
            base[instruction.out] = instruction.args[position]
    return base


def last_uses(program: Program, base: dict[Variable, Variable]) -> dict[Variable, int]:
    """Return, for each variable, the instruction after which neither it nor what may lie in its memory is read.

    What is wanted at the end lives until there: it has the number of instructions.
    """
    last: dict[Variable, int] = {}

    def use(v: Variable | None, i: int) -> None:
        while v is not None and last.get(v, -1) < i:
            last[v] = i
            v = base.get(v)

    for i, instruction in enumerate(program.instructions):
        for v in (instruction.out, *instruction.args):
            use(v, i)
    for v in program.wanted():
        use(v, len(program.instructions))
    for instruction in reversed(program.instructions):
        if may_keep(instruction):
            for v in instruction.args:
                use(v, last[instruction.out])
    return last


def may_keep(instruction: Instruction) -> bool:
    """May the result lie in the memory of any operand, or not, as its layout has it? So it is with ops of users."""
    op = instruction.op
    return op.name in KEEPING or type(op).__name__ != "Op" or not op.module.startswith(PACKAGE)


class Pool:
    """Buffers by number, taken and given back while a plan is written; the same one serves many results.

    Attributes:
        sizes: bytes of each buffer.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._free: list[int] = []

    def take(self, nbytes: int, avoid: Collection[int] = ()) -> int:
        """Return the number of a buffer that is free and fits: the smallest, if it wastes less than half of itself."""
        fitting = [i for i in self._free if nbytes <= self.sizes[i] <= max(2 * nbytes, 256) and i not in avoid]
        if fitting:
            chosen = min(fitting, key=lambda i: self.sizes[i])
            self._free.remove(chosen)
            return chosen
        self.sizes.append(nbytes)
        return len(self.sizes) - 1

    def give(self, number: int) -> None:
        """Give a buffer back."""
        self._free.append(number)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers together."""
        return sum(self.sizes)

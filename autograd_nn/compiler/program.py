"""A recorded computation as a flat list of instructions on variables: what the passes work on and plans are made of.

It holds no data but constants: a variable knows its shape, its dtype and where its number comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..graph import Node, dtype, shape, topological_order

__all__ = ["Instruction", "Program", "Variable"]

FLOAT = np.dtype(float)


class Variable:
    """A number, an array, or a tuple of arrays.

    Attributes:
        number: counts up within a program, for names in sources.
        kind: "argument", "state", "host", "constant", or "result" of an instruction.
        shape: lengths of the axes; None for a tuple.
        dtype: NumPy's; float64 for a Python float; None for a tuple.
        python: is it a Python number?
        data: of a constant.
        source: of a result its instruction; else the position among arguments, states or hosts.
        name: for people.
        shares: the number of the operand in whose memory a result lay when it was recorded; None for one of its own.
    """

    __slots__ = ("data", "dtype", "kind", "name", "number", "python", "shape", "shares", "source")

    def __init__(self, number: int, kind: str, node: Node, source: Any = None) -> None:
        data = node._data
        self.number, self.kind, self.source = number, kind, source
        self.data = data if kind == "constant" else None
        self.name = node.name
        self.shape: Any
        self.dtype: Any
        if type(data) is float:  # as most are in programs of a million variables
            self.shape, self.dtype, self.python, self.shares = (), FLOAT, True, None
            return
        several = type(data) is tuple
        self.shape = None if several else shape(data)
        self.dtype = None if several else dtype(data)
        self.python = isinstance(data, (bool, int, float, complex)) and not isinstance(data, np.generic)
        self.shares = next((i for i, p in enumerate(node.parents) if overlap(data, p._data)), None)

    @property
    def nbytes(self) -> int:
        """Bytes of its elements; 0 for Python numbers and tuples."""
        return 0 if self.python or self.shape is None else int(np.prod(self.shape, dtype=int)) * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"{self.kind[0]}{self.number}"


class Instruction:
    """One op applied to variables.

    Attributes:
        op: the `Op`.
        args: its operands.
        attrs: its attributes.
        out: its result.
        scope: of the module in which it was recorded.
    """

    __slots__ = ("args", "attrs", "op", "out", "scope")

    def __init__(
        self, op: Any, args: tuple[Variable, ...], attrs: dict[str, Any], out: Variable, scope: str | None = None
    ) -> None:
        self.op, self.args, self.attrs, self.out, self.scope = op, args, attrs, out, scope

    @property
    def foreign(self) -> bool:
        """Is its op made of functions of the user? They may keep what they are given."""
        return not self.op.module.startswith("autograd_nn.") or type(self.op).__name__ != "Op"

    def __repr__(self) -> str:
        attrs = "".join(f", {k}={v!r}" for k, v in self.attrs.items())
        return f"{self.out} = {self.op.name}({', '.join(map(repr, self.args))}{attrs})"


def under_own_name(op: Any) -> Any:
    """Return an op, under another name if tables mean another one by it: that of a function called relu."""
    if op.is_named_well:
        return op
    made = object.__new__(type(op))
    vars(made).update(vars(op))
    made.name = f"{op.name}'"
    return made


class Program:
    """Instructions in an order in which they can be run.

    Attributes:
        instructions: in order.
        arguments: for each argument that is an array or number, its variable; None if it is not used.
        states: for each state that is read, its variable.
        hosts: for each host computation, its variable; None if it is not used.
        outputs: variables to return.
        writes: pairs (number of the state, variable): what is assigned at the end.
        checks: variables with conditions on their data.
    """

    def __init__(
        self,
        arguments: list[Node],
        states: list[Node],
        hosts: list[Node],
        outputs: list[Node],
        writes: list[tuple[int, Node]],
        checks: list[Node],
    ) -> None:
        wanted = [*outputs, *(node for _, node in writes), *checks]
        given = {node: ("argument", i) for i, node in enumerate(arguments)}
        given |= {node: ("state", i) for i, node in enumerate(states)}
        given |= {node: ("host", i) for i, node in enumerate(hosts)}
        made: dict[Node, Variable] = {}
        self.instructions: list[Instruction] = []
        for node in topological_order(wanted, given):
            number = len(made)
            if node in given:
                made[node] = Variable(number, given[node][0], node, given[node][1])
            elif node.op is None:
                made[node] = Variable(number, "constant", node)
            else:
                variable = made[node] = Variable(number, "result", node)
                variable.source = Instruction(
                    under_own_name(node.op), tuple(made[p] for p in node.parents), node.attrs, variable, node.scope
                )
                self.instructions.append(variable.source)
        self.arguments = [made.get(node) for node in arguments]
        self.states = [made.get(node) for node in states]
        self.hosts = [made.get(node) for node in hosts]
        self.outputs = [made[node] for node in outputs]
        self.writes = [(i, made[node]) for i, node in writes]
        self.checks = [made[node] for node in checks]

    def wanted(self) -> Iterator[Variable]:
        """Return the variables for whose sake it is run."""
        yield from self.outputs
        yield from (variable for _, variable in self.writes)
        yield from self.checks

    def uses(self) -> dict[Variable, list[Any]]:
        """Return for each variable what reads it, once for each time: instructions, and None for those who run it."""
        found: dict[Variable, list[Any]] = {}
        for instruction in self.instructions:
            for v in instruction.args:
                found.setdefault(v, []).append(instruction)
        for v in self.wanted():
            found.setdefault(v, []).append(None)
        return found

    def used_hosts(self) -> list[Variable | None]:
        """Return the variables of host computations; None where nothing reads one any more."""
        used = {v for instruction in self.instructions for v in instruction.args} | set(self.wanted())
        return [v if v in used else None for v in self.hosts]

    def replace(self, new: Callable[[Variable], Variable]) -> None:
        """Put other variables in place of those that are read."""
        for instruction in self.instructions:
            instruction.args = tuple(map(new, instruction.args))
        self.outputs = list(map(new, self.outputs))
        self.writes = [(i, new(variable)) for i, variable in self.writes]
        self.checks = list(map(new, self.checks))

    def __len__(self) -> int:
        return len(self.instructions)

    def __str__(self) -> str:
        return "\n".join(map(repr, self.instructions))


def overlap(x: Any, y: Any) -> bool:
    """Do two results lie in the same memory?"""
    if type(x) is tuple or type(y) is tuple:
        return any(overlap(a, b) for a in parts(x) for b in parts(y))
    return isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and np.may_share_memory(x, y)


def parts(x: Any) -> tuple[Any, ...]:
    return x if type(x) is tuple else (x,)

"""The NumPy back end: a program as the source of one Python function, a call a line, with ``out=`` everywhere.

Buffers are allocated once for each thread, and views of them are made once. A call of the plan allocates nothing but
what it returns, and the results of ops that have no form with ``out=``: in the listing their names begin with t.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from .blocks import Run, schedule
from .memory import Pool, bases, last_uses, may_keep
from .program import Instruction, Program, Variable

__all__ = ["NumpyPlan", "VIEWS"]

VIEWS = frozenset(
    "reshape transpose swapaxes moveaxis expand_dims squeeze matrix_transpose broadcast_to getitem diagonal flip "
    "rot90 alias crop real imag".split()
)
"""Ops that may give a view of their first operand."""

REDUCTIONS: dict[str, Any] = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "any": np.logical_or,
    "all": np.logical_and,
}


class Line:
    """A line of a plan: its text, what it computes, and how many bytes it writes."""

    __slots__ = ("nbytes", "note", "text")

    def __init__(self, text: str, nbytes: int = 0) -> None:
        self.text, self.nbytes, self.note = text, nbytes, ""


class Loop:
    """A run while it is written.

    Attributes:
        run: the run.
        names: of what is there in blocks, in the lines of the loop.
        given: for each such name, the expression of all blocks.
        taken: buffers of blocks: no array that is kept may lie there.
        blocks: the variables that are there in blocks alone.
        until: the number of the last instruction.
        final: members that are complete after the loop, with the arrays of the results of blocks.
        parts: the numbers of these arrays' buffers.
        before: lines before the loop.
    """

    def __init__(self, run: Run, until: int, blocks: set[Variable]) -> None:
        self.run, self.until, self.blocks = run, until, blocks
        self.names: dict[Any, str] = {}
        self.given: dict[str, str] = {}
        self.taken: set[int] = set()
        self.final: list[tuple[Instruction, str]] = []
        self.parts: list[int] = []
        self.before: list[Line] = []


class Writer:
    """Writes the source of a plan; keeps what it refers to.

    Attributes:
        bound: arrays and functions that the source refers to, by name.
        setup: lines that make buffers and views of them, once for each thread.
        body: lines of a call.
        loop: the run that is being written, if there is one.
    """

    def __init__(self, program: Program, *, poison: bool = False) -> None:
        self.program, self.poison = program, poison
        self.bound: dict[str, Any] = {"empty": np.empty, "copyto": np.copyto, **HELPERS}
        self.setup: list[str] = []
        self.body: list[Line] = []
        self.sizes: dict[str, int] = {}  # bytes of what expressions stand for
        self.loop: Loop | None = None
        self.pool = Pool()
        self.expression: dict[Variable, str] = {}
        self.uses = program.uses()
        self.borrowed: dict[Variable, list[str]] = {}  # names of large arrays that are not in buffers
        self.read_last: dict[Variable, int] = {}  # in a loop: of what is kept until its end
        self.static: dict[Variable, np.ndarray] = {}  # an example of what is the same array at each call
        self.buffer: dict[Variable, int] = {}
        self.base = bases(program, VIEWS)
        self.aliased = {*self.base.values(), *(x for i in program.instructions if may_keep(i) for x in i.args)}
        self.sunk = self.sinkable()
        self.items = schedule(program, self.elementwise, self.reduced, self.light, self.base, self.sunk)
        program.instructions = [i for item in self.items for i in (item.members if isinstance(item, Run) else (item,))]
        self.last = last_uses(program, self.base)
        for instruction in self.sunk:  # what it reads has to live until the end
            for x in instruction.args:
                while x is not None:
                    self.last[x] = len(program.instructions)
                    x = self.base.get(x)
        self.returned = {v for v in program.outputs if v not in self.base}
        self.fresh: set[Variable] = set()  # results in arrays that are made for the caller
        self.checked: set[Variable] = set()  # labels that are not negative
        self.at = 0
        self._names: dict[int, str] = {}
        self._temporary: list[int] = []
        self.softmaxes: dict[Variable, tuple[str, str]] = {}  # powers and their sums, by logits
        self._kept: dict[int, int] = {}  # buffers by number, and the instruction after which they are given back

    # names

    def owner(self, v: Variable) -> Variable:
        """Return the variable in whose memory another one may lie in the end."""
        while v in self.base:
            v = self.base[v]
        return v

    def name(self, thing: Any, wanted: str) -> str:
        """Return the name under which the source refers to an object."""
        if id(thing) not in self._names:
            name, n = identifier(wanted), 1
            while name in self.bound:
                n += 1
                name = f"{identifier(wanted)}_{n}"
            self.bound[name] = thing
            self._names[id(thing)] = name
        return self._names[id(thing)]

    def name_of_rows(self, n: int) -> str:
        """Return the name of the numbers of n rows."""
        self.bound.setdefault(f"rows{n}", np.arange(n))
        return f"rows{n}"

    def read(self, v: Variable) -> str:
        """Return the expression that stands for a variable; in a loop, for a block of it."""
        loop = self.loop
        if loop is not None:
            if v in loop.names:
                return loop.names[v]
            if loop.run.cut(v):
                return self.in_blocks(v, v in self.static)
        return self.whole(v)

    def whole(self, v: Variable) -> str:
        """Return the expression that stands for all of a variable."""
        if v not in self.expression:
            if v.kind != "constant":
                raise KeyError(f"{v} is read before it is written")
            self.expression[v] = self.constant(v)
        return self.expression[v]

    def constant(self, v: Variable) -> str:
        data: Any = v.data
        if type(data) in (bool, int) or (type(data) is float and math.isfinite(data)):
            return repr(data) if type(data) is bool or data >= 0 else f"({data!r})"
        if isinstance(data, np.ndarray):
            self.static[v] = data
        return self.name(data, f"c{v.number}")

    # memory

    def new(self, shape: tuple[int, ...], dtype: Any, avoid: Collection[int] = ()) -> tuple[str, np.ndarray, int]:
        """Return name, example and number of a buffer of some shape."""
        nbytes = max(int(np.prod(shape, dtype=int)) * dtype.itemsize, 1)
        number = self.pool.take(nbytes, avoid)
        name = f"b{len(self.setup)}"
        self.setup.append(f"{name} = view(buffers[{number}], {tuple(shape)}, {str(dtype)!r})")
        self.sizes[name] = nbytes
        return name, np.empty(shape, dtype), number

    def out(self, instruction: Instruction, *reusable: Variable) -> str:
        """Return the expression of the array into which a result is written.

        Args:
            instruction: whose result it is.
            *reusable: operands whose memory may be written to while they are read, if nobody reads them again.
        """
        v = instruction.out
        if self.loop is not None:
            return self.out_of_loop(self.loop, instruction, reusable)
        if v in self.returned:
            name, line = self.made_for_caller(v)
            self.body.append(line)
            return name
        for x in reusable:
            alone = all(y is x or self.owner(y) is not self.owner(x) for y in instruction.args)
            same = x in self.buffer and x.shape == v.shape and x.dtype == v.dtype
            if same and alone and self.last[x] == self.at:
                self.buffer[v] = self.buffer.pop(x)
                self.static[v] = self.static[x]
                self.expression[v] = self.expression[x]
                return self.expression[v]
        name, self.static[v], self.buffer[v] = self.new(v.shape, v.dtype)
        self.expression[v] = name
        return name

    def zeros(self, v: Variable) -> tuple[str, np.ndarray]:
        """Return name and example of an array of zeros that nothing else is ever written to."""
        self.pool.sizes.append(v.nbytes)  # is never given back
        name = f"b{len(self.setup)}"
        self.setup.append(f"{name} = view(buffers[{len(self.pool.sizes) - 1}], {tuple(v.shape)}, {str(v.dtype)!r})")
        self.setup.append(f"{name}.fill(0)")
        return name, np.zeros(v.shape, v.dtype)

    def made_for_caller(self, v: Variable) -> tuple[str, Line]:
        """Return the name of an array that the caller gets, and the line that makes it."""
        name = self.expression[v] = f"o{v.number}"
        self.sizes[name] = v.nbytes
        self.fresh.add(v)
        return name, Line(f"{name} = empty({tuple(v.shape)}, {self.name(v.dtype, str(v.dtype))})")

    def temporary(self, shape: tuple[int, ...], dtype: Any) -> str:
        """Return the expression of a buffer for the duration of one instruction; in a loop, of one block."""
        if self.loop is not None:
            name, number = self.block(self.loop, shape, dtype)
        else:
            name, _, number = self.new(shape, dtype)
        self._temporary.append(number)
        return name

    def keep(self, until: int) -> None:
        """Keep the temporary buffers of this instruction until after a later one."""
        self._kept.update(dict.fromkeys(self._temporary, until))

    def release(self) -> None:
        """Give back the buffers that are not needed after this instruction."""
        for number in self._temporary:
            if self._kept.get(number, -1) <= self.at:
                self._kept.pop(number, None)
                self.give(number)
        self._temporary = [number for number in self._temporary if number in self._kept]
        if self.loop is None:
            self.forget()
        within = self.loop.blocks if self.loop is not None else self.buffer
        for v in [v for v in self.buffer if self.last[v] <= self.at and v in within]:
            self.give(self.buffer.pop(v))

    def forget(self) -> None:
        """Let go of large arrays that the plan did not make the room for, and of views of them."""
        over = [v for v in self.borrowed if self.last[v] <= self.at]
        if over:
            names = [name for v in over for name in self.borrowed.pop(v)]
            self.body.append(Line(f"del {', '.join(names)}"))

    def give(self, number: int) -> None:
        """Give a buffer back."""
        self.pool.give(number)
        if self.poison:
            self.body.append(Line(f"buffers[{number}].fill(255)"))

    # loops

    def in_blocks(self, v: Variable, static: bool) -> str:
        """Return the name of a block of a variable that is there as a whole."""
        loop: Any = self.loop
        whole = self.whole(v)
        text = f"{whole}.reshape(-1)" if loop.run.flat and len(v.shape) > 1 else whole
        if static and (not loop.run.flat or self.static[v].flags.c_contiguous):
            text = self.once(f"blocks({text}, {loop.run.length})")
        else:
            text = f"each({text}, {loop.run.length})"
        name = self.within(v, whole, text, v.nbytes)
        if v in self.borrowed:
            self.borrowed[v].append(name)
        return name

    def once(self, text: str) -> str:
        """Return the name of something that is made once."""
        name = f"k{len(self.setup)}"
        self.setup.append(f"{name} = {text}")
        return name

    def within(self, key: Any, whole: str, text: str, nbytes: int) -> str:
        """Return the name, in the loop, of what is another one for each block."""
        loop: Any = self.loop
        name = loop.names[key] = f"{identifier(whole)}_i"
        loop.given[name] = text
        self.sizes[name] = nbytes  # by all blocks together
        return name

    def block(self, loop: Loop, shape: tuple[int, ...], dtype: Any) -> tuple[str, int]:
        """Return the name, in a loop, and the number of a buffer for one block of an array of some shape."""
        whole, _, number = self.new(loop.run.block(shape), dtype)
        loop.taken.add(number)
        text = self.once(f"again({whole}, {loop.run.length}, {loop.run.total})") if uneven(loop.run) else ""
        name = whole if not text else self.within(whole, whole, text, 0)
        self.sizes[name] = math.prod(shape) * dtype.itemsize
        return name, number

    def out_of_loop(self, loop: Loop, instruction: Instruction, reusable: Sequence[Variable]) -> str:
        """Return the name of the block into which a result is written."""
        v = instruction.out
        if v in self.returned:
            whole, line = self.made_for_caller(v)
            loop.before.append(line)
            return self.in_blocks_of_result(loop, v, whole)
        for x in reusable:
            alone = x not in self.aliased and x.shape == v.shape and x.dtype == v.dtype and x in self.buffer
            if alone and self.last_in_loop(loop, x) == self.at and (x in loop.blocks) == (v in loop.blocks):
                loop.names[v], self.buffer[v] = self.read(x), self.buffer.pop(x)
                if x not in loop.blocks:
                    self.static[v], self.expression[v] = self.static[x], self.expression[x]
                return loop.names[v]
        if v in loop.blocks:
            loop.names[v], self.buffer[v] = self.block(loop, v.shape, v.dtype)
            return loop.names[v]
        for x in [x for x in self.buffer if x not in loop.blocks and self.read_last.get(x, self.at) < self.at]:
            if x not in self.aliased and x.shape == v.shape and x.dtype == v.dtype:  # block by block it is over with
                loop.names[v], self.buffer[v] = self.read(x), self.buffer.pop(x)
                self.static[v], self.expression[v] = self.static[x], self.expression[x]
                return loop.names[v]
        whole, self.static[v], self.buffer[v] = self.new(v.shape, v.dtype, loop.taken)
        self.expression[v] = whole
        return self.in_blocks_of_result(loop, v, whole)

    def last_in_loop(self, loop: Loop, x: Variable) -> int:
        """Return the number of the last instruction that reads a variable."""
        return self.last[x] if x in loop.blocks else self.read_last.get(x, -1)

    def in_blocks_of_result(self, loop: Loop, v: Variable, whole: str) -> str:
        text = f"{whole}.reshape(-1)" if loop.run.flat and len(v.shape) > 1 else whole
        cut = f"({text}, {loop.run.length})"
        return self.within(v, whole, self.once(f"blocks{cut}") if v in self.static else f"each{cut}", v.nbytes)

    def write_run(self, run: Run) -> None:
        """Write a loop over blocks, and what is left to do with the sums of blocks."""
        program = self.program
        first, until = self.at, self.at + len(run.members) - 1
        members = set(run.members)
        blocks = {
            i.out
            for i in run.members
            if i.out in run.made
            and i.out not in self.aliased
            and all(reader in members for reader in self.uses.get(i.out, ()))
        }
        loop = self.loop = Loop(run, until, blocks)
        self.read_last = {}
        for x in {x for i in run.members for x in i.args} - blocks:
            if self.last[x] <= until:
                self.read_last[x], self.last[x] = self.last[x], until
        for i in run.members:  # results that are kept although nobody reads them
            if i.out not in blocks:
                self.last[i.out] = max(self.last[i.out], until)
        outer, self.body = self.body, []
        for self.at in range(first, until + 1):
            instruction = program.instructions[self.at]
            start = len(self.body)
            if self.reduced(instruction) is not None:
                self.reduce_block(loop, instruction)
            else:
                self.emit(instruction)
            self.release()
            for line in self.body[start:]:
                line.note = note(instruction)
        inner, self.body, self.loop = self.body, outer, None
        self.body += loop.before
        names = ", ".join(loop.given)
        lists = ", ".join(loop.given.values())
        of = f"{names} in zip({lists})" if len(loop.given) > 1 else f"{names} in {lists}"
        header = Line(f"for {of}:" if loop.given else f"for _ in range({run.count}):")
        header.note = f"{run.count} blocks of {run.block(run.shape)} of {run.shape}"
        for line in inner:
            line.text = f"    {line.text}"
        self.body += [header, *inner]
        for instruction, parts in loop.final:
            start = len(self.body)
            ufunc, axes, n = reduction_of(instruction)
            out = self.out(instruction)
            v = instruction.out
            rest = tuple(m for k, m in enumerate(instruction.args[0].shape) if k not in axes)
            self.reduce(ufunc, parts, 0, out if tuple(v.shape) == rest else f"{out}.reshape({rest})")
            if n is not None:
                self.call(np.divide, "divide", out, n, out)
            for line in self.body[start:]:
                line.note = note(instruction)
        for number in loop.parts:
            self.give(number)
        self.release()

    def reduce_block(self, loop: Loop, instruction: Instruction) -> None:
        """Reduce a block: into its rows of the result, or into an array of the results of all blocks."""
        (x,), v = instruction.args, instruction.out
        ufunc, axes, n = reduction_of(instruction)
        run = loop.run
        if instruction not in run.partial:
            out = self.out(instruction)
            self.reduce(ufunc, x, axes, out, len(v.shape) == len(x.shape))
            if n is not None:
                self.call(np.divide, "divide", out, n, out)
            return
        rest = tuple(m for k, m in enumerate(x.shape) if k not in axes)
        parts, _, number = self.new((run.count, *rest), v.dtype, loop.taken)
        loop.parts.append(number)
        name = self.within(parts, parts, self.once(f"list_of({parts})"), run.count * math.prod(rest) * v.dtype.itemsize)
        self.reduce(ufunc, x, "None" if len(axes) == len(x.shape) else axes, name)
        loop.final.append((instruction, parts))

    def elementwise(self, instruction: Instruction) -> bool:
        """Can an instruction be done block by block? Its result has the shape to which its operands are broadcast."""
        op, v = instruction.op, instruction.out
        if v.python or v.shape is None or op.name in VIEWS or any(x.shape is None for x in instruction.args):
            return False
        if op.name in UNSTEADY:
            return False
        if op.name in BLOCKWISE or self.ufunc(instruction) is not None:
            return True
        return op.elementwise and not op.variadic and not may_keep(instruction) and type(op).__name__ == "Op"

    def reduced(self, instruction: Instruction) -> tuple[int, ...] | None:
        """Return the axes of a reduction that can be done block by block."""
        if instruction.op.name not in ("sum_to", "mean", *REDUCTIONS) or instruction.out.shape is None:
            return None
        (x,), v = instruction.args, instruction.out
        if x.python or v.python or x.dtype != v.dtype or x.dtype == np.float16 or not x.shape or not math.prod(x.shape):
            return None
        return reduction_of(instruction)[1] or None

    def light(self, instruction: Instruction) -> bool:
        """Does an instruction take no time, beside those on large arrays? Views do not, and work on numbers."""
        return instruction.op.name in VIEWS or all(x.shape == () for x in (instruction.out, *instruction.args))

    # statements

    def add(self, text: str, into: str = "") -> None:
        """Add a line; it writes to the array, or the rows or shape of it, that an expression stands for."""
        name = into.partition(".")[0].partition("[")[0]
        self.body.append(Line(text, self.sizes.get(name, 0)))

    def call(self, function: Any, wanted: str, *operands: Any) -> None:
        """Add a line that calls a function of variables and expressions, the last of which it writes to."""
        into = str(operands[-1]).removeprefix("out=")
        self.add(f"{self.name(function, wanted)}({', '.join(map(self.text, operands))})", into)

    def reduce(self, ufunc: np.ufunc, x: Any, axis: Any, out: str, keepdims: bool = False) -> None:
        """Add a line that reduces a variable or expression over axes."""
        name = f"{ufunc.__name__}_reduce"
        self.bound.setdefault(name, ufunc.reduce)
        self.add(f"{name}({self.text(x)}, {axis}, None, {out}{', True' if keepdims else ''})", out)

    def text(self, operand: Any) -> str:
        return self.read(operand) if isinstance(operand, Variable) else str(operand)

    def write(self) -> str:
        """Return the source of the whole plan."""
        program = self.program
        for kind, variables in (("a", program.arguments), ("s", program.states), ("h", program.hosts)):
            for i, v in enumerate(variables):
                if v is not None:
                    self.expression[v] = f"{kind}{i}"
        sunk = self.sunk
        self.at = 0
        for item in self.items:
            first = len(self.body)
            if isinstance(item, Run):
                self.write_run(item)
            else:
                if item not in sunk:
                    self.emit(item)
                self.release()
                for line in self.body[first:]:
                    line.note = note(item)
            self.at += 1
        self.at = len(program.instructions)
        results = [self.result(v) for v in program.outputs]
        commits = [self.commit(i, v, sunk) for i, v in program.writes]
        checks = [self.read(v) for v in program.checks]
        unpack = [
            f"{''.join(f'{kind}{i}, ' if v is not None else '_, ' for i, v in enumerate(variables))}= {given}"
            for kind, given, variables in (
                ("a", "arguments", program.arguments),
                ("s", "states", program.states),
                ("h", "hosts", program.hosts),
            )
            if variables
        ]
        lines = [
            "def make(buffers):",
            *(f"    {line}" for line in self.setup),
            "    def run(arguments, states, hosts):",
            *(f"        {line}" for line in [*unpack, *(line.text for line in self.body)]),
            f"        return ({tupled(results)}), ({tupled(commits)}), ({tupled(checks)})",
            "    return run",
        ]
        return "\n".join(lines) + "\n"

    def emit(self, instruction: Instruction) -> None:
        """Write the lines of one instruction."""
        op, v = instruction.op, instruction.out
        if v.python or v.shape is None or op.name == "item":
            self.plainly(instruction)
        elif op.name in VIEWS and self.view(instruction):
            pass
        elif op.name in EMIT and all(x.shape is not None for x in instruction.args):
            if not EMIT[op.name](self, instruction):
                self.plainly(instruction)
        else:
            ufunc = self.ufunc(instruction)
            if ufunc is None:
                self.plainly(instruction)
            elif ufunc is np.multiply and (pair := masked(instruction)) is not None:
                x, mask = pair
                out = self.out(instruction)
                self.add(f"copyto({out}, {self.read(mask)})", out)
                self.call(ufunc, "multiply", x, out, out)
            else:
                out = self.out(instruction, *instruction.args)
                operands = [self.operand(x, instruction.args, ufunc) for x in instruction.args]
                self.call(ufunc, ufunc.__name__, *operands, KEYWORD_OUT.get(ufunc, "") + out)

    def operand(self, x: Variable, args: Sequence[Variable], ufunc: np.ufunc) -> Any:
        """Return an operand; a Python number beside an array as NumPy would convert it at each call."""
        if x.kind == "constant" and (type(x.data) is float or (type(x.data) is int and ufunc in CONVERTING)):
            kinds = {y.dtype for y in args if not y.python}
            if len(kinds) == 1 and abs(x.data) < 1 << 24:
                return self.number(x.data, *kinds)
        return x

    def number(self, x: float, dtype: Any) -> str:
        """Return the expression of a number for ufuncs of arrays of some dtype: of an array, which is faster."""
        if dtype not in (np.float32, np.float64):
            return repr(x) if x >= 0 else f"({x!r})"
        key = f"{dtype}_{float(x)!r}"
        name = identifier(key.replace("-", "m"))
        self.bound.setdefault(name, np.array(x, dtype))
        return name

    def ufunc(self, instruction: Instruction) -> np.ufunc | None:
        """Return the ufunc that an elementwise op is."""
        op, args = instruction.op, instruction.args
        if not op.elementwise or instruction.attrs or op.variadic or type(op).__name__ != "Op":
            return None
        found = next((f for f in op.numpy if isinstance(f, np.ufunc)), None)
        if found is None or found.nin != len(args) or found.nout != 1 or all(x.python for x in args):
            return None
        return found

    def plainly(self, instruction: Instruction) -> None:
        """Call an op's own function, which allocates."""
        op, v = instruction.op, instruction.out
        if op.name == "item":
            self.add(f"t{v.number} = {self.read(instruction.args[0])}[{instruction.attrs['index']}]")
        else:
            numbers = all(x.python for x in instruction.args)
            function = op.compute if numbers else op.forward
            attrs = "".join(f", {key}={self.setting(key, value)}" for key, value in instruction.attrs.items())
            operands = ", ".join([self.given(x) if instruction.foreign else self.read(x) for x in instruction.args])
            self.sizes[f"t{v.number}"] = v.nbytes
            self.add(f"t{v.number} = {self.bind(op, function)}({operands}{attrs})", f"t{v.number}")
        if self.loop is None:
            self.expression[v] = f"t{v.number}"
            if v.nbytes > SMALL:
                self.borrowed[v] = [self.expression[v]]
        elif v in self.loop.blocks:
            self.loop.names[v] = f"t{v.number}"
        else:
            out = self.out(instruction)
            self.add(f"copyto({out}, t{v.number})", out)

    def given(self, v: Variable) -> str:
        """Return the expression of an operand that may be kept: a copy of what is in a buffer."""
        text = self.read(v)
        plain = v.python or v.shape is None or self.owner(v).kind != "result"
        return text if plain else f"{text}.copy()"

    def setting(self, key: str, value: Any) -> str:
        """Return the expression of an attribute."""
        if isinstance(value, (bool, int, str, type(None))) or (isinstance(value, float) and math.isfinite(value)):
            return repr(value)
        if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
            return repr(value)
        return self.name(value, f"{key}_setting")

    def bind(self, op: Any, function: Any) -> str:
        """Return the name of an op's function: a bound method is another object whenever it is asked for."""
        key = identifier(f"{op.name}_{'compute' if function != op.forward else 'forward'}")
        if self.bound.get(key) == function:
            return key
        return self.name(function, key)

    def view(self, instruction: Instruction) -> bool:
        """Write a view; of a buffer it is made once. False if a copy would be needed."""
        op, (x, *others) = instruction.op, instruction.args
        if others or x.python:
            return False
        function = np.broadcast_to if op.name == "broadcast_to" else op.forward
        attrs = "".join(f", {key}={self.setting(key, value)}" for key, value in instruction.attrs.items())
        line = f"{self.name(function, op.name)}({self.read(x)}{attrs})"
        if op.name == "matrix_transpose" or (op.name == "transpose" and instruction.attrs["axes"] is None):
            line = f"{self.read(x)}.{'T' if op.name == 'transpose' else 'mT'}"
        elif op.name == "reshape" and instruction.attrs["order"] == "C":
            line = f"{self.read(x)}.reshape({instruction.out.shape})"
        v = instruction.out
        part = subscript(instruction.attrs["key"]) if op.name == "getitem" and x.shape else None
        if part is not None:
            line = f"{self.read(x)}[{part}]"
        if x in self.static:
            if part is not None and v.shape == () and "..." not in part:
                line = f"{self.read(x)}[{part}, ...]"  # an array, not its number now
                example: Any = self.static[x].reshape(-1)[:1].reshape(())
            else:
                example = function(self.static[x], **instruction.attrs)
            if not (isinstance(example, np.ndarray) and np.may_share_memory(example, self.static[x])):
                if op.name == "reshape" and instruction.attrs.get("order", "C") == "C" and v.nbytes:
                    out = self.out(instruction)
                    self.add(f"copyto({out}.reshape({tuple(x.shape)}), {self.read(x)})", out)
                    return True
                return False
            if example.shape != v.shape or example.dtype != v.dtype:
                return False
            self.static[v] = example
            self.expression[v] = f"v{len(self.setup)}"
            self.setup.append(f"{self.expression[v]} = {line}")
        else:
            self.expression[v] = f"t{v.number}"
            if self.owner(v).kind == "result" and v.nbytes > SMALL:
                self.borrowed[v] = [self.expression[v]]
            self.add(f"t{v.number} = {line}")
        return True

    # the end

    def result(self, v: Variable) -> str:
        """Return the expression of an output: memory of its own."""
        text = self.read(v)
        if v.python or v in self.fresh or v.shape is None:
            return text
        return f"{text}.copy()" if v in self.static else f"{self.name(np.array, 'array')}({text})"

    def sinkable(self) -> dict[Instruction, int]:
        """Return the instructions that can write a state themselves, at the very end, and the states."""
        program = self.program
        uses: dict[Variable, int] = {}
        for v in (*program.wanted(), *(x for i in program.instructions for x in i.args)):
            uses[v] = uses.get(v, 0) + 1
        written = {i for i, _ in program.writes}
        of_state = {v: i for i, v in enumerate(program.states) if v is not None}
        found: dict[Instruction, int] = {}
        for i, v in program.writes:
            if v.kind != "result" or uses[v] != 1 or v.python or v.shape is None:
                continue
            instruction = v.source
            state = program.states[i]
            ufunc = self.ufunc(instruction)
            if ufunc is None or ufunc in KEYWORD_OUT or instruction.op.name in EMIT or instruction.op.name in VIEWS:
                continue
            if state is not None and (state.shape != v.shape or state.dtype != v.dtype):
                continue
            read = {of_state.get(self.owner(x)) for x in instruction.args} - {None, i}
            if not read & written:
                found[instruction] = i
        return found

    def commit(self, i: int, v: Variable, sunk: dict[Instruction, int]) -> str:
        """Return the call, as a tuple, that assigns to state number i; it is made at the very end."""
        instruction = v.source if v.kind == "result" else None
        if instruction in sunk:
            ufunc: Any = self.ufunc(instruction)
            operands = ", ".join(map(self.read, instruction.args))
            return f"({i}, {self.name(ufunc, ufunc.__name__)}, ({operands}))"
        if self.owner(v).kind in ("state", "argument") and not v.python:
            return f"({i}, None, {self.name(np.array, 'array')}({self.read(v)}))"  # it may be overwritten meanwhile
        return f"({i}, None, {self.read(v)})"


KEYWORD_OUT = {np.maximum: "out=", np.minimum: "out="}
"""NumPy has deprecated `out` by position for these two."""


def masked(i: Instruction) -> tuple[Variable, Variable] | None:
    """Return the operands of a product of floats and a mask that is better converted first.

    By itself NumPy converts it piece by piece, in memory that it allocates.
    """
    for x, mask in (i.args, i.args[::-1]):
        if mask.dtype == bool and not mask.python and not x.python and x.dtype == i.out.dtype and x.dtype.kind == "f":
            return (x, mask) if math.prod(i.out.shape) >= MASKED else None
    return None


MASKED = 4096
"""Elements from which on it pays to convert a mask before it is multiplied with."""

CONVERTING = frozenset(
    (np.add, np.subtract, np.multiply, np.divide, np.greater, np.greater_equal, np.less, np.less_equal, np.equal)
)
"""Ufuncs that convert a whole number beside floats to a float."""

BLOCKWISE = frozenset(("cast", "copy"))
"""Ops that are done block by block though they are not called elementwise."""
UNSTEADY = frozenset(("fmax", "fmin"))
"""Ops whose result may depend on the place of an element: of 0.0 and -0.0, NumPy gives the one or the other."""


def uneven(run: Run) -> bool:
    """Is the last block shorter than the others?"""
    return run.total % run.length != 0


def note(instruction: Instruction) -> str:
    """Return what a line computes."""
    return repr(instruction) + (f"   ({instruction.scope})" if instruction.scope else "")


def subscript(key: Sequence[Any]) -> str | None:
    """Return what stands in the brackets of an index; None if there are index arrays."""
    parts = []
    for k in key:
        if k is None or type(k) is int or k == "...":
            parts.append(str(k))
        elif len(k) == 3:
            start, stop, step = ("" if n is None else str(n) for n in k)
            parts.append(f"{start}:{stop}" + (f":{step}" if step else ""))
        else:
            return None
    return ", ".join(parts) or "..."


def identifier(name: str) -> str:
    """Return a name that Python takes: ops have any, such as that of a lambda."""
    return re.sub(r"\W", "_", name if name[:1].isalpha() else f"op_{name}", flags=re.ASCII)


def tupled(parts: list[str]) -> str:
    return "".join(f"{part}, " for part in parts)


# --- ops that are several calls, or one that is no ufunc ------------------------------------------------------------


def reduction_of(i: Instruction) -> tuple[np.ufunc, tuple[int, ...], int | None]:
    """Return the ufunc that reduces, the axes, and by what to divide then."""
    (x,) = i.args
    n = len(x.shape)
    if i.op.name == "sum_to":
        extra = n - len(i.out.shape)
        kept = [extra + k for k, m in enumerate(i.out.shape) if m == 1 != x.shape[extra + k]]
        return np.add, (*range(extra), *kept), None
    axis = i.attrs["axis"]
    axes = tuple(range(n)) if axis is None else tuple(a % n for a in (axis if isinstance(axis, tuple) else (axis,)))
    if i.op.name == "mean":
        return np.add, axes, math.prod(x.shape[a] for a in axes)
    return REDUCTIONS[i.op.name], axes, None


def reduction(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if x.python or x.dtype != i.out.dtype:
        return False
    axis, keepdims = i.attrs["axis"], i.attrs["keepdims"]
    ufunc = REDUCTIONS[i.op.name]
    if i.op.name in ("max", "min") and not math.prod(x.shape):
        return False
    w.reduce(ufunc, x, axis, w.out(i), keepdims)
    return True


def mean(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if x.python or x.dtype != i.out.dtype or x.dtype == np.float16:
        return False
    axis = i.attrs["axis"]
    axes = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = math.prod(x.shape[a] for a in axes)
    if not n:
        return False
    out = w.out(i)
    w.reduce(np.add, x, axis, out, i.attrs["keepdims"])
    w.call(np.divide, "divide", out, n, out)
    return True


def sum_to(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if x.python or x.dtype != i.out.dtype:
        return False
    shape = i.out.shape
    extra = len(x.shape) - len(shape)
    kept = [n == 1 != x.shape[extra + k] for k, n in enumerate(shape)]
    axes = (*range(extra), *(extra + k for k, reduced in enumerate(kept) if reduced))
    out = w.out(i)
    if any(kept):
        keeping = (1,) * extra + tuple(shape)
        w.reduce(np.add, x, axes, f"{out}.reshape({keeping})", True)
    else:
        w.reduce(np.add, x, axes[0] if len(axes) == 1 else axes, out)
    return True


def product(w: Writer, i: Instruction, x: Variable, y: Variable, out: str) -> None:
    flat = len(x.shape) == 2 == len(y.shape) and x.dtype == y.dtype == i.out.dtype and x.dtype.kind in "fc"
    w.call(np.dot if flat else np.matmul, "dot" if flat else "matmul", x, y, out)


def matmul(w: Writer, i: Instruction) -> bool:
    x, y = i.args
    if not x.shape or not y.shape:
        return False
    product(w, i, x, y, w.out(i))
    return True


def refuse_negative(w: Writer, labels: Variable) -> None:
    """Write a line that raises for labels below 0, which would count from the end; NumPy refuses those too large."""
    if labels.dtype.kind == "i" and labels not in w.checked:
        w.checked.add(labels)
        w.bound.setdefault("minimum_reduce", np.minimum.reduce)
        w.add(f"if minimum_reduce({w.read(labels)}, None) < 0: raise IndexError('labels below 0')")


def cross_entropy(w: Writer, i: Instruction) -> bool:
    logits, labels = i.args
    if i.attrs["reduction"] == "none" or len(labels.shape) != 1 or not labels.shape[0] or logits.dtype != i.out.dtype:
        return False
    n, classes = logits.shape
    z, column = w.temporary((n, classes), logits.dtype), w.temporary((n, 1), logits.dtype)
    w.reduce(np.maximum, logits, -1, column, True)
    w.call(np.subtract, "subtract", logits, column, z)
    refuse_negative(w, labels)
    rows = w.name_of_rows(n)
    picked = f"t{i.out.number}"
    w.add(f"{picked} = {z}[{rows}, {w.read(labels)}]")
    w.call(np.exp, "exp", z, z)
    w.reduce(np.add, z, -1, column, True)
    again = [
        k
        for k, other in enumerate(w.program.instructions)
        if k > w.at and other.op.name == "softmax_minus_one_hot" and other.args[0] is logits
    ]
    if again:  # the gradient is made of the same powers and sums
        w.softmaxes[logits] = z, column
        w.keep(again[-1])
    logs = w.temporary((n, 1), logits.dtype) if again else column
    w.call(np.log, "log", column, logs)
    w.call(np.subtract, "subtract", f"{logs}.reshape({n})", picked, picked)
    out = w.out(i)
    w.reduce(np.add, picked, None, out)
    if i.attrs["reduction"] == "mean":
        w.call(np.divide, "divide", out, n, out)
    return True


def linear(w: Writer, i: Instruction) -> bool:
    x, y, b = i.args
    if not x.shape or not y.shape or len({x.dtype, y.dtype, i.out.dtype}) > 1:
        return False
    out = w.out(i)
    product(w, i, x, y, out)
    w.call(np.add, "add", out, b, out)
    return True


def relu(w: Writer, i: Instruction) -> bool:
    if i.args[0].dtype != i.out.dtype or i.args[0].python:
        return False
    w.call(np.maximum, "maximum", i.args[0], w.number(0, i.out.dtype), f"out={w.out(i, *i.args)}")
    return True


def power_of(w: Writer, i: Instruction) -> bool:
    """As the op and NumPy's operator compute it, to the last bit."""
    (x,) = i.args
    n = i.attrs["exponent"]
    if x.python or x.dtype != i.out.dtype or x.dtype.kind not in "fc" or type(n) not in (int, float):
        return False
    if not math.isfinite(n):
        return False
    out = w.out(i) if n == 3 else w.out(i, x)
    if n == 3:
        w.call(np.multiply, "multiply", x, x, out)
        w.call(np.multiply, "multiply", out, x, out)
    elif n == 4:
        w.call(np.multiply, "multiply", x, x, out)
        w.call(np.square, "square", out, out)
    elif n == -2:
        w.call(np.divide, "divide", "1.0", x, out)
        w.call(np.square, "square", out, out)
    elif n in POWERS:
        w.call(POWERS[n], POWERS[n].__name__, x, out)
    else:
        w.call(np.power, "power", x, repr(n), out)
    return True


POWERS = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}


def inverse_of_one_plus_exp(w: Writer, x: Any, out: str, dtype: Any) -> None:
    """Write 1 / (1 + exp(-x)) into an array."""
    one = w.number(1.0, dtype)
    w.call(np.negative, "negative", x, out)
    w.call(np.exp, "exp", out, out)
    w.call(np.add, "add", out, one, out)
    w.call(np.divide, "divide", one, out, out)


def floats(i: Instruction) -> bool:
    """Are the first operand and the result arrays of one dtype, in single or double precision?"""
    x = i.args[0]
    return x.dtype == i.out.dtype and x.dtype in (np.float32, np.float64) and not x.python


def sigmoid(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if not floats(i):
        return False
    inverse_of_one_plus_exp(w, x, w.out(i, x), x.dtype)
    return True


def silu(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if not floats(i):
        return False
    out = w.out(i)
    inverse_of_one_plus_exp(w, x, out, x.dtype)
    w.call(np.multiply, "multiply", x, out, out)
    return True


GELU_SCALE, GELU_CUBIC = 2.0 * math.sqrt(2.0 / math.pi), 0.044715


def gelu(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if i.attrs["approximate"] != "tanh" or not floats(i):
        return False
    out = w.out(i)
    w.call(np.square, "square", x, out)
    w.call(np.multiply, "multiply", w.number(GELU_CUBIC, x.dtype), out, out)
    w.call(np.add, "add", w.number(1.0, x.dtype), out, out)
    w.call(np.multiply, "multiply", x, out, out)
    w.call(np.multiply, "multiply", w.number(GELU_SCALE, x.dtype), out, out)
    inverse_of_one_plus_exp(w, out, out, x.dtype)
    w.call(np.multiply, "multiply", x, out, out)
    return True


def softplus(w: Writer, i: Instruction) -> bool:
    """softplus and its mirror image, log σ."""
    (x,) = i.args
    if not floats(i):
        return False
    t = w.temporary(x.shape, x.dtype)
    w.call(np.absolute, "absolute", x, t)
    w.call(np.negative, "negative", t, t)
    w.call(np.exp, "exp", t, t)
    w.call(np.log1p, "log1p", t, t)
    out, zero = w.out(i, x), w.number(0.0, x.dtype)
    if i.op.name == "softplus":
        w.call(np.maximum, "maximum", x, zero, f"out={out}")
        w.call(np.add, "add", out, t, out)
    else:
        w.call(np.minimum, "minimum", x, zero, f"out={out}")
        w.call(np.subtract, "subtract", out, t, out)
    return True


def two_sided(w: Writer, i: Instruction) -> bool:
    """leaky_relu and elu: something for x below 0, added to what is above."""
    (x,) = i.args
    factor = i.attrs["negative_slope" if i.op.name == "leaky_relu" else "alpha"]
    if not floats(i) or type(factor) not in (int, float) or not math.isfinite(factor):
        return False
    t, zero = w.temporary(x.shape, x.dtype), w.number(0.0, x.dtype)
    w.call(np.minimum, "minimum", x, zero, f"out={t}")
    if i.op.name == "elu":
        w.call(np.expm1, "expm1", t, t)
    w.call(np.multiply, "multiply", t, w.number(factor, x.dtype), t)
    out = w.out(i, x)
    w.call(np.maximum, "maximum", x, zero, f"out={out}")
    w.call(np.add, "add", out, t, out)
    return True


def softsign(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if not floats(i):
        return False
    out = w.out(i)
    w.call(np.absolute, "absolute", x, out)
    w.call(np.add, "add", w.number(1.0, x.dtype), out, out)
    w.call(np.divide, "divide", x, out, out)
    return True


def normal_pdf(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if not floats(i):
        return False
    out = w.out(i, x)
    w.call(np.square, "square", x, out)
    w.call(np.multiply, "multiply", out, w.number(-0.5, x.dtype), out)
    w.call(np.exp, "exp", out, out)
    w.call(np.multiply, "multiply", out, w.number(1.0 / math.sqrt(2.0 * math.pi), x.dtype), out)
    return True


SMALL = 1 << 16
"""Bytes of an array of zeros that may be kept for one result."""


def place(w: Writer, i: Instruction) -> bool:
    """Zeros but for a part: of a small array nobody else gets the buffer, so that the zeros are written once."""
    x, v = i.args[0], i.out
    part = subscript(i.attrs["key"])
    if part is None or len(i.args) > 1 or x.python or x.dtype != v.dtype or not v.shape:
        return False
    if v in w.returned or v.nbytes > SMALL:
        out = w.out(i)
        w.add(f"{out}.fill(0)", out)
        w.add(f"{out}[{part}] = {w.read(x)}")
        return True
    w.expression[v], w.static[v] = w.zeros(v)
    inside = w.once(f"{w.expression[v]}[{part if '...' in part else f'{part}, ...'}]")
    w.sizes[inside] = x.nbytes
    w.add(f"copyto({inside}, {w.read(x)})", inside)
    return True


def where(w: Writer, i: Instruction) -> bool:
    condition, x, y = i.args
    if condition.dtype != bool or condition.python or x.dtype.kind == "c" != i.out.dtype.kind:
        return False
    out = w.out(i, y)
    if w.read(y) != out:
        w.add(f"copyto({out}, {w.read(y)})", out)
    w.add(f"copyto({out}, {w.read(x)}, where={w.read(condition)})", out)
    return True


def clip(w: Writer, i: Instruction) -> bool:
    x, low, high = i.args
    if x.dtype != i.out.dtype or x.python:
        return False
    out = w.out(i, *(() if high is x else (x,)))
    w.call(np.maximum, "maximum", x, low, f"out={out}")
    w.call(np.minimum, "minimum", out, high, f"out={out}")
    return True


def cast(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if x.dtype.kind == "c" or x.python:
        return False
    out = w.out(i)
    w.add(f"copyto({out}, {w.read(x)}, 'unsafe')", out)
    return True


def copy(w: Writer, i: Instruction) -> bool:
    out = w.out(i)
    w.add(f"copyto({out}, {w.read(i.args[0])})", out)
    return True


def concatenate(w: Writer, i: Instruction) -> bool:
    if any(x.dtype != i.out.dtype or x.python for x in i.args):
        return False
    function = np.concatenate if i.op.name == "concatenate" else np.stack
    out = w.out(i)
    operands = tupled([w.read(x) for x in i.args])
    w.add(f"{w.name(function, i.op.name)}(({operands}), {i.attrs['axis']}, {out})", out)
    return True


def along(x: Variable, axis: Any) -> tuple[int, ...]:
    """Return the shape of a reduction that keeps its axes."""
    n = len(x.shape)
    axes = set(range(n)) if axis is None else {a % n for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if k in axes else length for k, length in enumerate(x.shape))


def shifted(w: Writer, i: Instruction, axis: Any) -> tuple[str, str] | None:
    """Write x minus its maximum into the result; returns it, and a buffer for what is reduced."""
    x = i.args[0]
    if x.python or x.dtype != i.out.dtype or not x.shape:
        return None
    out, column = w.out(i), w.temporary(along(x, axis), x.dtype)
    w.reduce(np.maximum, x, axis, column, True)
    w.call(np.subtract, "subtract", x, column, out)
    return out, column


def softmax(w: Writer, i: Instruction) -> bool:
    made = shifted(w, i, axis := i.attrs.get("axis", -1))
    if made is None:
        return False
    out, column = made
    w.call(np.exp, "exp", out, out)
    w.reduce(np.add, out, axis, column, True)
    w.call(np.divide, "divide", out, column, out)
    return True


def softmax_minus_one_hot(w: Writer, i: Instruction) -> bool:
    labels = i.args[1]
    if labels.shape and 0 not in labels.shape:
        refuse_negative(w, labels)
    if len(labels.shape) != 1 or labels.python:
        return False
    if i.args[0] in w.softmaxes:
        powers, column = w.softmaxes[i.args[0]]
        w.call(np.divide, "divide", powers, column, w.out(i))
    elif not softmax(w, i):
        return False
    out = w.expression[i.out]
    rows = w.name_of_rows(labels.shape[0])
    w.add(f"{out}[{rows}, {w.read(labels)}] -= 1", out)
    return True


def log_softmax(w: Writer, i: Instruction) -> bool:
    made = shifted(w, i, axis := i.attrs["axis"])
    if made is None:
        return False
    out, column = made
    powers = w.temporary(i.out.shape, i.out.dtype)
    w.call(np.exp, "exp", out, powers)
    w.reduce(np.add, powers, axis, column, True)
    w.call(np.log, "log", column, column)
    w.call(np.subtract, "subtract", out, column, out)
    return True


EMIT: dict[str, Callable[[Writer, Instruction], bool]] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    "mean": mean,
    "sum_to": sum_to,
    "matmul": matmul,
    "linear": linear,
    "relu": relu,
    "power_of": power_of,
    "sigmoid": sigmoid,
    "silu": silu,
    "gelu": gelu,
    "softplus": softplus,
    "log_sigmoid": softplus,
    "leaky_relu": two_sided,
    "elu": two_sided,
    "softsign": softsign,
    "normal_pdf": normal_pdf,
    "place": place,
    "where": where,
    "clip": clip,
    "cast": cast,
    "cross_entropy": cross_entropy,
    "copy": copy,
    "concatenate": concatenate,
    "stack": concatenate,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softmax_minus_one_hot": softmax_minus_one_hot,
}
"""How ops are written that are no single ufunc; False if these operands are left to the op's own function."""


class NumpyPlan:
    """A program, ready to be run.

    Attributes:
        program: what is run.
        source: Python, readable.
        nbytes: of the buffers, for each thread that runs it.
        contiguous: has every state to be in C order?
        direct: the states that it writes itself: none.
        sunk: the assigned states, by their place, that ufuncs write at the end.
        shares: do threads share the last call? Never.
        ignores: does it run functions of NumPy, whose warnings are to be ignored?
    """

    name = "numpy"
    quick = ignores = True
    shares = False
    contiguous = False
    direct = ()

    def __init__(self, program: Program, *, poison: bool = False) -> None:
        writer = Writer(program, poison=poison)
        self.program = program
        self.source = writer.write()
        self.sizes = tuple(writer.pool.sizes)
        self.nbytes = writer.pool.nbytes
        self.sunk = frozenset(k for k, (_, v) in enumerate(program.writes) if v.source in writer.sunk)
        self.lines = writer.body
        self.body = [line.text for line in writer.body]
        names = dict(writer.bound)
        exec(compile(self.source, "<compiled by autograd_nn>", "exec"), names)  # noqa: S102  (our own source)
        self._names = names
        self._make = names["make"]

    def __str__(self) -> str:
        """Return the listing: a line for each instruction, with its op, shapes and buffer."""
        rows = []
        for k, line in enumerate(self.lines):
            rows.append(f"{k:>4}  {line.text:<60}  {line.note}")
        total = f"{len(self.body)} calls of NumPy, {len(self.sizes)} buffers of {self.nbytes:,} bytes together"
        return "\n".join([total, *rows])

    def fused(self) -> dict[Variable, str]:
        """Return the names of the groups that results are computed in: there are none."""
        return {}

    def profile(self, arguments: list[Any], states: list[Any], hosts: list[Any], *, repeat: int = 20) -> str:
        """Return a table of lines with their times and the bytes that they write, the slowest first."""
        lines = self.source.splitlines()
        start = next(k for k, line in enumerate(lines) if line.startswith("    def run("))
        body = lines[start + 1 : -2]
        first = len(body) - len(self.body)
        timed = [*lines[: start + 1], *body[:first], "        clock(-1)"]
        for k, line in enumerate(body[first:]):
            deep = len(line) - len(line.lstrip()) + (4 if line.endswith(":") else 0)
            timed += [line, f"{' ' * deep}clock({k})"]
        timed += lines[-2:]
        clock = Clock(len(self.body))
        names = {**self._names, "clock": clock}
        exec(compile("\n".join(timed), "<profiled by autograd_nn>", "exec"), names)  # noqa: S102
        run = names["make"](workspace(self.sizes))
        best = [math.inf] * len(self.body)
        with np.errstate(all="ignore"):
            for _ in range(repeat):
                clock.times = [0] * len(self.body)
                run(arguments, states, hosts)
                best = list(map(min, best, clock.times))
        total = sum(best) or 1.0
        rows = [f"{'µs':>9}  {'share':>6}  {'bytes':>11}  line"]
        for k in sorted(range(len(best)), key=lambda k: -best[k]):
            line = self.lines[k]
            share = f"{best[k] / 1000:>9.2f}  {best[k] / total:>6.1%}"
            rows.append(f"{share}  {line.nbytes:>11,}  {line.text}    # {line.note}")
        return "\n".join([f"{total / 1000:.1f} µs in {len(best)} calls", *rows])

    def instance(self) -> Callable[..., Any]:
        """Return the plan with buffers of its own."""
        return self._make(workspace(self.sizes))


ALIGNMENT = 64
"""Bytes of a cache line."""


def workspace(sizes: Sequence[int]) -> list[np.ndarray]:
    """Return buffers that begin at cache lines, so that no vector lies across two of them."""
    spaces = [np.empty(n + ALIGNMENT, np.uint8) for n in sizes]
    starts = [-space.__array_interface__["data"][0] % ALIGNMENT for space in spaces]
    return [space[start : start + n] for space, start, n in zip(spaces, starts, sizes, strict=True)]


def view(buffer: np.ndarray, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return the beginning of a buffer as an array."""
    wanted = np.dtype(dtype)
    return buffer[: int(np.prod(shape, dtype=int)) * wanted.itemsize].view(wanted).reshape(shape)


class Clock:
    """Adds up the time between calls, by line."""

    def __init__(self, n: int) -> None:
        self.times = [0] * n
        self.before = 0

    def __call__(self, line: int) -> None:
        """Take note of the time since the last call."""
        if line >= 0:
            self.times[line] += time.perf_counter_ns() - self.before
        self.before = time.perf_counter_ns()


def blocks(x: np.ndarray, n: int) -> list[np.ndarray]:
    """Return views of n rows each."""
    return list(each(x, n))


def each(x: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """Yield views of n rows each."""
    for i in range(0, len(x), n):
        yield x[i : i + n]


def again(x: np.ndarray, n: int, total: int) -> list[np.ndarray]:
    """Return the same n rows for each block; fewer for the last one."""
    return [x if i + n <= total else x[: total - i] for i in range(0, total, n)]


def list_of(x: np.ndarray) -> list[np.ndarray]:
    """Return views of single rows."""
    return [x[i, ...] for i in range(len(x))]


HELPERS = {"view": view, "blocks": blocks, "each": each, "again": again, "list_of": list_of}
"""What sources of plans call."""

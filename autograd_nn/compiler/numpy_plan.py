"""The NumPy back end: a program as the source of one Python function, a call a line, with ``out=`` everywhere.

Buffers are allocated once for each thread, and views of them are made once. A call of the plan allocates nothing but
what it returns, and the results of ops that have no form with ``out=``: in the listing their names begin with t.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .memory import Pool, bases, last_uses
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


class Writer:
    """Writes the source of a plan; keeps what it refers to.

    Attributes:
        bound: arrays and functions that the source refers to, by name.
        setup: lines that make buffers and views of them, once for each thread.
        body: lines of a call.
        allocating: numbers of the lines of the body that allocate.
    """

    def __init__(self, program: Program, *, poison: bool = False) -> None:
        self.program, self.poison = program, poison
        self.bound: dict[str, Any] = {"empty": np.empty, "copyto": np.copyto}
        self.setup: list[str] = []
        self.body: list[str] = []
        self.notes: dict[int, str] = {}
        self.pool = Pool()
        self.expression: dict[Variable, str] = {}
        self.static: dict[Variable, np.ndarray] = {}  # an example of what is the same array at each call
        self.buffer: dict[Variable, int] = {}
        self.base = bases(program, VIEWS)
        self.last = last_uses(program, self.base)
        self.returned = {v for v in program.outputs if v not in self.base}
        self.fresh: set[Variable] = set()  # results in arrays that are made for the caller
        self.checked: set[Variable] = set()  # labels that are not negative
        self.at = 0
        self._names: dict[int, str] = {}
        self._temporary: list[int] = []
        self.softmaxes: dict[Variable, tuple[str, str]] = {}  # powers and their sums, by logits
        self.sunk: dict[Instruction, int] = {}
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
        """Return the expression that stands for a variable."""
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

    def new(self, shape: tuple[int, ...], dtype: Any) -> tuple[str, np.ndarray, int]:
        """Return name, example and number of a buffer of some shape."""
        nbytes = max(int(np.prod(shape, dtype=int)) * dtype.itemsize, 1)
        number = self.pool.take(nbytes)
        name = f"b{len(self.setup)}"
        self.setup.append(f"{name} = view(buffers[{number}], {tuple(shape)}, {str(dtype)!r})")
        return name, np.empty(shape, dtype), number

    def out(self, instruction: Instruction, *reusable: Variable) -> str:
        """Return the expression of the array into which a result is written.

        Args:
            instruction: whose result it is.
            *reusable: operands whose memory may be written to while they are read, if nobody reads them again.
        """
        v = instruction.out
        if v in self.returned:
            name = f"o{v.number}"
            self.body.append(f"{name} = empty({tuple(v.shape)}, {self.name(v.dtype, str(v.dtype))})")
            self.expression[v] = name
            self.fresh.add(v)
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

    def temporary(self, shape: tuple[int, ...], dtype: Any) -> str:
        """Return the expression of a buffer for the duration of one instruction."""
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
                self.pool.give(number)
        self._temporary = [number for number in self._temporary if number in self._kept]
        for v in [v for v in self.buffer if self.last[v] <= self.at]:
            number = self.buffer.pop(v)
            self.pool.give(number)
            if self.poison:
                self.body.append(f"buffers[{number}].fill(255)")

    # statements

    def call(self, function: Any, wanted: str, *operands: Any) -> None:
        """Add a line that calls a function of variables and expressions."""
        self.body.append(f"{self.name(function, wanted)}({', '.join(map(self.text, operands))})")

    def reduce(self, ufunc: np.ufunc, x: Any, axis: Any, out: str, keepdims: bool = False) -> None:
        """Add a line that reduces a variable or expression over axes."""
        name = f"{ufunc.__name__}_reduce"
        self.bound.setdefault(name, ufunc.reduce)
        self.body.append(f"{name}({self.text(x)}, {axis}, None, {out}{', True' if keepdims else ''})")

    def text(self, operand: Any) -> str:
        return self.read(operand) if isinstance(operand, Variable) else str(operand)

    def write(self) -> str:
        """Return the source of the whole plan."""
        program = self.program
        for kind, variables in (("a", program.arguments), ("s", program.states), ("h", program.hosts)):
            for i, v in enumerate(variables):
                if v is not None:
                    self.expression[v] = f"{kind}{i}"
        sunk = self.sunk = self.sinkable()
        for self.at, instruction in enumerate(program.instructions):
            first = len(self.body)
            if instruction not in sunk:
                self.emit(instruction)
            self.release()
            for line in range(first, len(self.body)):
                self.notes[line] = repr(instruction) + (f"   ({instruction.scope})" if instruction.scope else "")
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
            *(f"        {line}" for line in [*unpack, *self.body]),
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
            else:
                out = self.out(instruction, *instruction.args)
                self.call(ufunc, ufunc.__name__, *instruction.args, KEYWORD_OUT.get(ufunc, "") + out)

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
            self.body.append(f"t{v.number} = {self.read(instruction.args[0])}[{instruction.attrs['index']}]")
        else:
            numbers = all(x.python for x in instruction.args)
            function = op.compute if numbers else op.forward
            attrs = "".join(f", {key}={self.setting(key, value)}" for key, value in instruction.attrs.items())
            operands = ", ".join(map(self.read, instruction.args))
            self.body.append(f"t{v.number} = {self.bind(op, function)}({operands}{attrs})")
        self.expression[v] = f"t{v.number}"

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
        if x in self.static:
            example = function(self.static[x], **instruction.attrs)
            if not (isinstance(example, np.ndarray) and np.may_share_memory(example, self.static[x])):
                if op.name == "reshape" and instruction.attrs.get("order", "C") == "C" and v.nbytes:
                    out = self.out(instruction)
                    self.body.append(f"copyto({out}.reshape({tuple(x.shape)}), {self.read(x)})")
                    return True
                return False
            if example.shape != v.shape or example.dtype != v.dtype:
                return False
            self.static[v] = example
            self.expression[v] = f"v{len(self.setup)}"
            self.setup.append(f"{self.expression[v]} = {line}")
        else:
            self.expression[v] = f"t{v.number}"
            self.body.append(f"t{v.number} = {line}")
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
        for instruction in found:  # what it reads has to live until the end
            for x in instruction.args:
                while x is not None:
                    self.last[x] = len(program.instructions)
                    x = self.base.get(x)
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


def identifier(name: str) -> str:
    """Return a name that Python takes: ops have any, such as that of a lambda."""
    return re.sub(r"\W", "_", name if name[:1].isalpha() else f"op_{name}", flags=re.ASCII)


def tupled(parts: list[str]) -> str:
    return "".join(f"{part}, " for part in parts)


# --- ops that are several calls, or one that is no ufunc ------------------------------------------------------------


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
        w.body.append(f"if minimum_reduce({w.read(labels)}, None) < 0: raise IndexError('labels below 0')")


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
    w.body.append(f"{picked} = {z}[{rows}, {w.read(labels)}]")
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
    w.call(np.maximum, "maximum", i.args[0], 0, f"out={w.out(i, *i.args)}")
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


def sigmoid(w: Writer, i: Instruction) -> bool:
    (x,) = i.args
    if x.dtype != i.out.dtype or x.dtype == np.float16 or x.python:
        return False
    out = w.out(i, x)
    w.call(np.negative, "negative", x, out)
    w.call(np.exp, "exp", out, out)
    w.call(np.add, "add", out, "1.0", out)
    w.call(np.divide, "divide", "1.0", out, out)
    return True


def where(w: Writer, i: Instruction) -> bool:
    condition, x, y = i.args
    if condition.dtype != bool or condition.python or x.dtype.kind == "c" != i.out.dtype.kind:
        return False
    out = w.out(i, y)
    if w.expression.get(y) != out:
        w.body.append(f"copyto({out}, {w.read(y)})")
    w.body.append(f"copyto({out}, {w.read(x)}, where={w.read(condition)})")
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
    w.body.append(f"copyto({w.out(i)}, {w.read(x)}, 'unsafe')")
    return True


def copy(w: Writer, i: Instruction) -> bool:
    w.body.append(f"copyto({w.out(i)}, {w.read(i.args[0])})")
    return True


def concatenate(w: Writer, i: Instruction) -> bool:
    if any(x.dtype != i.out.dtype or x.python for x in i.args):
        return False
    function = np.concatenate if i.op.name == "concatenate" else np.stack
    w.body.append(
        f"{w.name(function, i.op.name)}(({tupled([w.read(x) for x in i.args])}), {i.attrs['axis']}, {w.out(i)})"
    )
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
    w.body.append(f"{out}[{rows}, {w.read(labels)}] -= 1")
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
        ignores: does it run functions of NumPy, whose warnings are to be ignored?
    """

    name = "numpy"
    quick = ignores = True
    contiguous = False
    direct = ()

    def __init__(self, program: Program, *, poison: bool = False) -> None:
        writer = Writer(program, poison=poison)
        self.program = program
        self.source = writer.write()
        self.sizes = tuple(writer.pool.sizes)
        self.nbytes = writer.pool.nbytes
        self.notes = writer.notes
        self.sunk = frozenset(k for k, (_, v) in enumerate(program.writes) if v.source in writer.sunk)
        self.body = writer.body
        names = {**writer.bound, "view": view}
        exec(compile(self.source, "<compiled by autograd_nn>", "exec"), names)  # noqa: S102  (our own source)
        self._names = names
        self._make = names["make"]

    def __str__(self) -> str:
        """Return the listing: a line for each instruction, with its op, shapes and buffer."""
        rows = []
        for line, text in enumerate(self.body):
            rows.append(f"{line:>4}  {text:<60}  {self.notes.get(line, '')}")
        total = f"{len(self.body)} calls of NumPy, {len(self.sizes)} buffers of {self.nbytes:,} bytes together"
        return "\n".join([total, *rows])

    def fused(self) -> dict[Variable, str]:
        """Return the names of the groups that results are computed in: there are none."""
        return {}

    def profile(self, arguments: list[Any], states: list[Any], hosts: list[Any], *, repeat: int = 20) -> str:
        """Return a table of lines with their times, the slowest first."""
        lines = self.source.splitlines()
        start = next(k for k, line in enumerate(lines) if line.startswith("    def run("))
        body = lines[start + 1 : -2]
        first = len(body) - len(self.body)
        timed = [*lines[: start + 1], *body[:first], "        clock(stamps)"]
        for line in body[first:]:
            timed += [line, "        clock(stamps)"]
        timed += lines[-2:]
        stamps: list[int] = []
        names = {**self._names, "clock": lambda stamps: stamps.append(time.perf_counter_ns()), "stamps": stamps}
        exec(compile("\n".join(timed), "<profiled by autograd_nn>", "exec"), names)  # noqa: S102
        run = names["make"]([np.empty(n, np.uint8) for n in self.sizes])
        best = [math.inf] * len(self.body)
        with np.errstate(all="ignore"):
            for _ in range(repeat):
                stamps.clear()
                run(arguments, states, hosts)
                best = [min(b, y - x) for b, x, y in zip(best, stamps, stamps[1:], strict=False)]
        total = sum(best) or 1.0
        rows = [f"{'µs':>9}  {'share':>6}  line"]
        for ns, text, line in sorted(zip(best, self.body, range(len(best)), strict=True), reverse=True):
            rows.append(f"{ns / 1000:>9.2f}  {ns / total:>6.1%}  {text}    # {self.notes.get(line, '')}")
        return "\n".join([f"{total / 1000:.1f} µs in {len(best)} calls", *rows])

    def instance(self) -> Callable[..., Any]:
        """Return the plan with buffers of its own."""
        return self._make([np.empty(n, np.uint8) for n in self.sizes])


def view(buffer: np.ndarray, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return the beginning of a buffer as an array."""
    wanted = np.dtype(dtype)
    return buffer[: int(np.prod(shape, dtype=int)) * wanted.itemsize].view(wanted).reshape(shape)

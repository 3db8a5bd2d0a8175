"""The native back end: a program as one function of machine code, made by Numba.

Elementwise runs and the sums over them are single loops, matrix products are calls of BLAS, and what has no native form
is called from Python in between. What is assigned is written into its own arrays, by a last call.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .crew import together
from .fusion import Call, Loop, Python, Slot
from .lowering import described, lower
from .native_cache import load
from .native_source import ALIGNMENT, NativeSource
from .numpy_plan import identifier
from .program import Program, Variable

__all__ = ["NativePlan", "fits_native", "installed"]


FEWEST = 10
"""Instructions of the smallest program that "auto" compiles to native code."""
LONGEST = 2500
"""Lines of the longest source: Numba takes about a millisecond for each."""
STRANGERS = 0.25
"""Share of the items that may be left to Python."""


def installed() -> bool:
    """Are Numba and SciPy there?"""
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "scipy"))


def fits_native(program: Program, threads: int = 1) -> NativeSource | None:
    """Return the source of a program that "auto" compiles to native code; None for others, by a fixed rule."""
    if not installed() or len(program) < FEWEST:
        return None
    source = NativeSource(lower(program, threads))
    few = len(source.lowered.python) <= STRANGERS * len(source.items)
    return source if few and source.text.count("\n") <= LONGEST else None


class NativePlan:
    """A program, ready to be run.

    Args:
        program: what is run.
        source: of the native function, if it is there already.
        poison: fill memory with NaN as soon as nobody is to read it any more.
        threads: that share large loops.

    Attributes:
        program: what is run.
        source: of the native function, readable.
        nbytes: of the workspace, for each thread that runs it.
        direct: numbers of the states that are written in place, by the last call.
        targets: where they stand among the arrays of that call.
        contiguous: has every state to be in C order?
        fallbacks: instructions without a native form.
        ignores: does it run functions of NumPy, whose warnings are to be ignored?
        sunk: the assigned states, by their place, that ufuncs write: none.
        shares: do threads share the last call?
    """

    name = "native"
    quick = contiguous = True
    sunk = frozenset[int]()

    def __init__(
        self, program: Program, source: NativeSource | None = None, *, poison: bool = False, threads: int = 1
    ) -> None:
        self.program = program
        self._source = NativeSource(lower(program, threads), poison=poison) if source is None else source
        self.source = self._source.text
        self.nbytes = self._source.nbytes
        self.direct = tuple(self._source.targets)
        first = len(self._source.arguments)
        self.targets = slice(first, first + len(self.direct))
        self.shares = self._source.committing in self._source.shared
        self.fallbacks = self._source.lowered.python
        self.ignores = bool(self.fallbacks)
        glue = Glue(self._source)
        self._names = {
            **glue.bound,
            "main": load(self.source, integers=4 if self._source.shared else 2),
        }
        exec(compile(glue.text, "<compiled by autograd_nn>", "exec"), self._names)  # noqa: S102  (our own source)

    def instance(self) -> Callable[..., Any]:
        """Return the plan with a workspace of its own."""
        return self._names["make"](workspace(self.nbytes))

    def __str__(self) -> str:
        """Return the listing: loops and what is fused in them, calls, what is left to Python, where results lie."""
        items = self._source.items
        loops, calls, python = (sum(isinstance(x, kind) for x in items) for kind in (Loop, Call, Python))
        lines = [
            f"{loops} loops, {calls} native calls, {python} ops left to Python, "
            f"a workspace of {self.nbytes:,} bytes; {len(self.direct)} states written in place"
        ]
        for k, item in enumerate(items):
            kind = "python" if isinstance(item, Python) else "call" if isinstance(item, Call) else "loop"
            shape = f" {item.shape}" if isinstance(item, Loop) else ""
            lines.append(f"{k:>4}  {kind}{shape}{', at the end' if item.final else ''}")
            lines += [f"        {note}" for note in item.notes()]
            lines += [f"        -> {text}" for text in self._source.written(k)]
        return "\n".join(lines)

    def fused(self) -> dict[Variable, str]:
        """Return for each result that is computed in a loop or call the name of the group, such as "loop 3"."""
        found: dict[Variable, str] = {}
        of_note = {note: k for k, item in enumerate(self._source.items) for note in item.notes()}
        for instruction in self.program.instructions:
            k = of_note.get(described(instruction))
            if k is not None:
                found[instruction.out] = f"{type(self._source.items[k]).__name__.lower()} {k}"
        return found

    def profile(self, arguments: list[Any], states: list[Any], hosts: list[Any], *, repeat: int = 20) -> str:
        """Return a table of loops and calls with their times and the bytes they write, the slowest first.

        For this, each is compiled as a phase of its own.
        """
        source = NativeSource(lower(self.program), apart=True)
        glue = Glue(source, timed=True)
        stamps: list[int] = []
        clock = lambda: stamps.append(time.perf_counter_ns())  # noqa: E731
        names = {**glue.bound, "main": load(source.text), "clock": clock}
        exec(compile(glue.text, "<profiled by autograd_nn>", "exec"), names)  # noqa: S102  (our own source)
        run = names["make"](workspace(source.nbytes))
        best = [math.inf] * len(source.items)
        states = [np.array(x) if isinstance(x, np.ndarray) else x for x in states]
        with np.errstate(all="ignore"):
            for _ in range(repeat):
                stamps.clear()
                run(arguments, states, hosts)
                best = [min(b, y - x) for b, x, y in zip(best, stamps, stamps[1:], strict=False)]
        total = sum(best) or 1.0
        rows = [f"{'µs':>9}  {'share':>6}  {'bytes':>11}  item"]
        for ns, k in sorted(zip(best, range(len(best)), strict=True), reverse=True):
            nbytes = sum(x.nbytes for x in source.items[k].writes() if x.root in source.stored)
            rows.append(
                f"{ns / 1000:>9.2f}  {ns / total:>6.1%}  {nbytes:>11,}  {k}: {'; '.join(source.items[k].notes())}"
            )
        return "\n".join([f"{total / 1000:.1f} µs in {len(best)} loops and calls", *rows])


def workspace(nbytes: int) -> np.ndarray:
    """Return memory that begins at a cache line."""
    space = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -space.__array_interface__["data"][0] % ALIGNMENT
    return space[start : start + nbytes]


class Glue:
    """Writes the Python around the native function.

    Args:
        source: of the native function.
        timed: look at the clock after each step, and return nothing.

    Attributes:
        text: of a function `make`, which returns the function that runs the plan.
        bound: what it refers to, by name.
    """

    def __init__(self, source: NativeSource, *, timed: bool = False) -> None:
        self.source, self.timed = source, timed
        self.program, self.lowered = source.program, source.lowered
        self.bound: dict[str, Any] = {"empty": np.empty, "ndarray": np.ndarray, "array": np.array}
        self.bound |= {"contiguous": contiguous, "number": number, "part": part, "together": together}
        self.setup = [
            "numbers = ndarray((w.size // 8,), 'float64', w)",
            "whole = ndarray((w.size // 8,), 'int64', w)",
        ]
        self._views: dict[Slot, str] = {}
        self._names: dict[int, str] = {}
        self._plain: dict[Variable, str] = {}
        self.text = self._write()

    def name(self, thing: Any, wanted: str) -> str:
        """Return the name of an object."""
        if id(thing) not in self._names:
            name, n = wanted, 1
            while name in self.bound:
                n += 1
                name = f"{wanted}_{n}"
            self.bound[name] = thing
            self._names[id(thing)] = name
        return self._names[id(thing)]

    def _write(self) -> str:
        source, program = self.source, self.program
        body: list[str] = []
        for kind, given, variables in (
            ("a", "arguments", program.arguments),
            ("s", "states", program.states),
            ("h", "hosts", program.hosts),
        ):
            if variables:
                body.append(f"{''.join(f'{kind}{i}, ' for i in range(len(variables)))}= {given}")
        arrays = []
        for kind, i in source.arguments:
            name = f"{kind}{i}"
            if kind == "c":
                data = np.ascontiguousarray(self.lowered.constants[i])
                self.bound[f"k{i}"] = data
                name = f"k{i}"
            else:
                if kind == "h":
                    v: Any = program.hosts[i]
                    known = f"{name}.shape == {v.shape} and {name}.dtype == {self.name(v.dtype, 'dtype')}"
                    body.append(f"if type({name}) is not ndarray or not ({known}):")
                    body.append(
                        "    raise TypeError('a function of Python gave another array than when it was recorded')"
                    )
                body += [f"if not {name}.flags.carray:", f"    {name} = contiguous({name})"] if kind != "s" else []
            arrays.append(name)
        for (kind, i), (place, is_whole) in source.numbers.items():
            line = f"{'whole' if is_whole else 'numbers'}[{place}] = "
            if kind == "c":
                self.setup.append(line + self.name(self.lowered.constants[i], f"k{i}"))
            else:
                body.append(f"{line}{kind}{i}")
        for x, k in source.outputs.items():
            body.append(f"o{k} = empty({x.shape}, {x.dtype.name!r})")
        before = "".join(f"{a}, " for a in arrays)
        old = "".join(f"s{i}, " for i in source.targets)
        after = "".join(f"o{k}, " for k in source.outputs.values()) + "w, "
        if source.table is not None:
            after += self.name(source.table, "table") + ", "
        body.append(f"arrays = ({before}{old}{after})")
        if self.timed:
            body.append("clock()")
        parts = f"0, {source.threads}, " if source.shared else ""
        for k, step in enumerate(source.steps):
            if self.timed and k > 1:
                body.append("clock()")
            if isinstance(step, int) and step in source.shared:
                body.append(f"together(main, {step}, {source.threads}, arrays)")
            elif isinstance(step, int):
                body.append(f"if main({step}, {step}, {parts}arrays):")
                body.append("    raise ValueError('labels are no class numbers')")
            else:
                body += self._python(step)
        if self.timed:
            body.append("clock()")
        results = [self._result(v) for v in program.outputs]
        assigned = [f"({i}, None, {self._assigned(v)})" for i, v in program.writes if i not in source.targets]
        checks = [self._value(v) for v in program.checks]
        commit = "None, None"
        if source.committing is not None:
            c = source.committing
            function = f"together, main, {c}, {source.threads}" if c in source.shared else f"main, {c}, {c}, {parts}"
            commit = f"({function}), arrays"
        lines = [
            "def make(w):",
            *(f"    {line}" for line in self.setup),
            "    def run(arguments, states, hosts):",
            *(f"        {line}" for line in body),
            f"        return ({tupled(results)}), ({tupled(assigned)}), ({tupled(checks)}), {commit}",
            "    return run",
        ]
        return "\n".join(lines) + "\n"

    def _python(self, item: Python) -> list[str]:
        """Return the lines for an op that Python computes."""
        instruction = item.instruction
        op, v = instruction.op, instruction.out
        if op.name == "item":
            text = f"{self._value(instruction.args[0])}[{instruction.attrs['index']}]"
        else:
            alone = all(x.python for x in instruction.args)
            function = op.compute if alone else op.forward
            name = self.name(function, identifier(f"{op.name}_{'compute' if alone else 'forward'}"))
            attrs = "".join(f", {k}={self.name(x, f'{k}_setting')}" for k, x in instruction.attrs.items())
            operands = [self._given(x) if instruction.foreign else self._value(x) for x in instruction.args]
            text = f"{name}({', '.join(operands)}{attrs})"
        lines = [f"v{v.number} = {text}  # {instruction!r}"]
        if v.python and v.dtype is not None and v.dtype.kind in "iub":  # the sign of an exponent tells int from float
            kind = "bool" if v.dtype.kind == "b" else "int"
            lines.append(f"if type(v{v.number}) is not {kind}:")
            lines.append(f"    raise TypeError('{op.name} gave another kind of number than when it was recorded')")
        if v.shape is None:  # what is a view of the workspace is copied before others write there
            lines.append(f"v{v.number} = [array(x) if type(x) is ndarray else x for x in v{v.number}]")
        self._plain[v] = f"v{v.number}"
        for x in item.writes():
            key, _ = self.source.place_of(x)
            if key[0] in ("w", "number"):
                lines.append(f"{self._view(x)}[...] = v{v.number}")
                self._plain.pop(v, None)
        return lines

    def _view(self, x: Slot) -> str:
        """Return the name of an array that is a slot in the workspace."""
        if x not in self._views:
            name = self._views[x] = f"b{len(self._views)}"
            _, offset = self.source.place_of(x)
            self.setup.append(f"{name} = ndarray({x.shape}, {x.dtype.name!r}, w, {offset}, {x.view.strides})")
        return self._views[x]

    def _value(self, v: Variable) -> str:
        """Return the expression of a variable for Python."""
        if v in self._plain:
            return self._plain[v]
        if v.kind == "constant":
            return self.name(v.data, f"c{v.number}")
        if v.kind != "result":
            return f"{ {'argument': 'a', 'state': 's', 'host': 'h'}[v.kind] }{v.source}".replace(" ", "")
        x = self.lowered.slots.get(v)
        if x is None:
            raise KeyError(v)
        if x.source is not None and not x.shape and x.source[0] != "c":
            return f"{x.source[0]}{x.source[1]}"
        key, _ = self.source.place_of(x)
        if key[0] in ("w", "number"):
            view = self._view(x)
            return f"{view}.item()" if v.python else f"{view}[()]" if not v.shape else view
        owner = f"{key[0]}{key[1]}"
        if key[0] == "c":
            owner = self.name(self.lowered.constants[key[1]], f"k{key[1]}")
        if x.root is x:
            return owner
        return f"part({owner}, {x.shape}, {x.offset}, {x.view.strides})"

    def _given(self, v: Variable) -> str:
        """Return the expression of an operand that may be kept: a copy of what is in the workspace."""
        text = self._value(v)
        return f"{text}.copy()" if text in self._views.values() else text

    def _result(self, v: Variable) -> str:
        """Return the expression of an output: memory of its own."""
        x = self.lowered.slots.get(v)
        text = self._value(v)
        if v.python or v.shape is None or (x is not None and x in self.source.outputs):
            return text
        return f"array({text})" if v.shape else f"number({text})"

    def _assigned(self, v: Variable) -> str:
        """Return the expression of what is assigned to a state: others may be written before it is read."""
        text = self._value(v)
        if v.python or v.shape is None:
            return text
        return f"array({text})" if v.shape else f"number({text})"


def number(x: Any) -> Any:
    """Return a single number out of an array without axes."""
    return x[()] if isinstance(x, np.ndarray) else x


def tupled(items: list[str]) -> str:
    return "".join(f"{item}, " for item in items)


def contiguous(x: np.ndarray) -> np.ndarray:
    """Return an array in C order, aligned."""
    return np.require(x, requirements=["C", "A"])


def part(x: np.ndarray, shape: tuple[int, ...], offset: int, strides: tuple[int, ...]) -> np.ndarray:
    """Return a part of an array in C order."""
    return np.ndarray(shape, x.dtype, x, offset, strides)

"""The native back end: a program as one function of machine code, made by Numba.

Elementwise runs and the sums over them are single loops, matrix products are calls of BLAS, and what has no native form
is called from Python in between. What is assigned is written into its own arrays, by a last call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .fusion import Python, Slot
from .lowering import lower
from .native_cache import load
from .native_source import ALIGNMENT, NativeSource
from .program import Program, Variable

__all__ = ["NativePlan"]


class NativePlan:
    """A program, ready to be run.

    Attributes:
        program: what is run.
        source: of the native function, readable.
        nbytes: of the workspace, for each thread that runs it.
        direct: numbers of the states that are written in place, by the last call.
        fallbacks: instructions without a native form.
        contiguous: has every state to be in C order?
        ignores: does it run functions of NumPy, whose warnings are to be ignored?
        sunk: the assigned states, by their place, that ufuncs write: none.
    """

    name = "native"
    quick = contiguous = True
    sunk = frozenset[int]()

    def __init__(self, program: Program, *, poison: bool = False) -> None:
        self.program = program
        lowered = lower(program)
        self._source = NativeSource(lowered, poison=poison)
        self.source = self._source.text
        self.nbytes = self._source.nbytes
        self.direct = tuple(self._source.targets)
        self.fallbacks = lowered.python
        self.ignores = bool(lowered.python)
        glue = Glue(self._source)
        self.glue = glue.text
        self._main = load(self.source, glue.signature)
        self._names = {**glue.bound, "main": self._main}
        exec(compile(self.glue, "<compiled by autograd_nn>", "exec"), self._names)  # noqa: S102  (our own source)

    def instance(self) -> Callable[..., Any]:
        """Return the plan with a workspace of its own."""
        space = np.empty(self.nbytes + ALIGNMENT, np.uint8)
        start = -space.__array_interface__["data"][0] % ALIGNMENT
        return self._names["make"](space[start : start + self.nbytes])


class Glue:
    """Writes the Python around the native function.

    Attributes:
        text: of a function `make`, which returns the function that runs the plan.
        bound: what it refers to, by name.
        signature: of the native function, as pairs (dtype, number of axes) of arrays after the phases.
    """

    def __init__(self, source: NativeSource) -> None:
        self.source = source
        self.program, self.lowered = source.program, source.lowered
        self.bound: dict[str, Any] = {"empty": np.empty, "ndarray": np.ndarray, "array": np.array}
        self.bound |= {"contiguous": contiguous, "number": number, "part": part}
        self.setup = [
            "numbers = ndarray((w.size // 8,), 'float64', w)",
            "whole = ndarray((w.size // 8,), 'int64', w)",
        ]
        self._views: dict[Slot, str] = {}
        self._names: dict[int, str] = {}
        self._plain: dict[Variable, str] = {}
        given = [source._given[key] for key in source.arguments]
        each = [*given, *source.targets.values(), *source.outputs]
        self.signature = [(x.dtype.name, len(x.shape)) for x in each]
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
        after = "".join(f"o{k}, " for k in source.outputs.values()) + "w"
        for step in source.steps:
            if isinstance(step, int):
                body.append(f"if main({step}, {step}, {before}{old}{after}):")
                body.append("    raise ValueError('labels are no class numbers')")
            else:
                body += self._python(step)
        results = [self._result(v) for v in program.outputs]
        assigned = [f"({i}, None, {self._assigned(v)})" for i, v in program.writes if i not in source.targets]
        checks = [self._value(v) for v in program.checks]
        commit = "None, None"
        if source.committing is not None:
            c = source.committing
            commit = f"(main, {c}, {c}, {before}), ({after},)"
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
            name = self.name(function, f"{op.name}_{'compute' if alone else 'forward'}")
            attrs = "".join(f", {k}={self.name(x, f'{k}_setting')}" for k, x in instruction.attrs.items())
            text = f"{name}({', '.join(map(self._value, instruction.args))}{attrs})"
        lines = [f"v{v.number} = {text}  # {instruction!r}"]
        self._plain[v] = f"v{v.number}"
        for x in item.writes():
            key, _ = self.source.place_of(x)
            if key[0] in ("w", "number"):
                lines.append(f"{self._view(x)}[...] = v{v.number}")
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
        owner = {"o": "o", "s": "s"}.get(key[0], key[0]) + str(key[1])
        if key[0] == "c":
            owner = self.name(self.lowered.constants[key[1]], f"k{key[1]}")
        if x.root is x:
            return owner
        return f"part({owner}, {x.shape}, {x.offset}, {x.view.strides})"

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

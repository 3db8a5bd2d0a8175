"""The tape: a program of single numbers as data, a few arrays of operation codes and places, that one loop runs.

All numbers lie in one array: constants, arguments, states, then results, sorted by depth (the longest path from an
input) and operation, so that equal ops at equal depth are a group with consecutive results. Where Numba is installed,
one native loop runs all groups in one call, at about a nanosecond a number; without it a group is a call of NumPy, and
groups of a few numbers, such as the links of a chain, a loop over Python floats.

What has no code (an op on arrays, integers, other dtypes) runs through the op itself, between the groups.
"""

from __future__ import annotations

import math
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat, starmap
from operator import call, itemgetter
from typing import Any, NamedTuple

import numpy as np

from .interpreter import CODES, MIXED, OF_OP, available, native
from .memory import PACKAGE
from .program import Instruction, Program, Variable

__all__ = ["FEWEST", "TapePlan", "fits_tape"]

CODE = {code.name: i for i, code in enumerate(CODES)}

FEWEST = 500
"""Instructions of the smallest program that "auto" puts on a tape: there it is worth loading Numba."""
STRANGERS = 0.1
"""Share of its instructions that may have no code: each costs a microsecond, and parts the native call in two."""
NARROW = 4
"""Groups of fewer numbers run as a loop over Python floats, if there is no native loop: NumPy's calls cost as much."""
CHAINED = (CODE["add"], CODE["subtract"], CODE["mul"])
LINK = 8
"""Groups of at most so many of these are links of a chain to the native loop."""
WRITTEN_OUT = 500
"""Arguments and states of the largest call that is written out as source."""
LISTED = 200
"""Groups that a listing shows."""

COPY, MAXIMUM, WHERE = CODE["copy"], CODE["maximum"], CODE["where"]
PREDICATES = frozenset(range(CODE["less"], CODE["isfinite"] + 1))
POWERS = {
    -2: "inverse_square",
    -1: "reciprocal",
    0.5: "sqrt",
    1: "copy",
    2: "square",
    3: "cube",
    4: "fourth",
}
"""Powers of NumPy's numbers; those of Python floats are the C library's."""
SLOPES = {"leaky_relu": "negative_slope", "elu": "alpha"}
"""Ops with a number as an attribute, which becomes an operand."""
STRANGE = 255
EXACT_INTEGER = 2**53 - 1

Operands = tuple["Variable | float", ...]


class Group(NamedTuple):
    """Equal ops at equal depth.

    Attributes:
        code: number of the operation, or STRANGE.
        depth: of the results.
        start: of its instructions in the order of the tape.
        stop: where they end.
    """

    code: int
    depth: int
    start: int
    stop: int


def is_number(v: Variable) -> bool:
    """Is it a single float64 or bool?"""
    return v.shape == () and v.dtype.char in "d?"


def is_operand(v: Variable) -> bool:
    """The same, or a constant integer that is exact as a float."""
    if v.shape != ():
        return False
    return v.dtype.char in "d?" or (v.kind == "constant" and v.dtype.kind in "iu" and abs(value(v)) <= EXACT_INTEGER)


def translated(instruction: Instruction) -> tuple[int, Operands] | None:
    """Return the code of an instruction and its operands; None if it has none."""
    op, args, out = instruction.op, instruction.args, instruction.out
    if out.shape != () or out.dtype.char not in "d?" or not op.module.startswith(PACKAGE):
        return None
    for v in args:
        if not is_operand(v):
            return None
    name, attrs = op.name, instruction.attrs
    code = OF_OP.get(name, STRANGE)
    operands: Operands = args
    python = all(v.python for v in args)
    if name == "power_of":
        n = attrs["exponent"]
        if type(n) not in (int, float) or (type(n) is int and abs(n) > EXACT_INTEGER):
            return None
        if not python and n in POWERS:
            code = CODE[POWERS[n]]
        else:
            code, operands = CODE["power"], (*args, float(n))
    elif name == "cast":
        code = COPY
        if out.dtype.char == "?" != args[0].dtype.char:
            code, operands = CODE["not_equal"], (*args, 0.0)
    elif name in SLOPES:
        operands = (*args, float(attrs[SLOPES[name]]))
    elif code == STRANGE or (attrs and attrs != {"approximate": "none"}):
        return None
    elif not python:
        if name in ("maximum", "minimum"):
            operands = args[::-1]  # of two zeros NumPy takes the second
        elif name == "relu":
            code, operands = MAXIMUM, (0.0, *args)
        elif name == "sigmoid":
            code = CODE["logistic"]
    if (out.dtype.char == "?") != (code in PREDICATES) and code not in (COPY, WHERE):
        return None  # NumPy's True + True
    return (code, operands) if len(operands) == CODES[code].arity else None


def fits_tape(program: Program) -> bool:
    """Is a program made of single numbers, and large enough? The rule by which "auto" chooses the tape."""
    n = len(program.instructions)
    if n < FEWEST:
        return False
    allowed = int(n * STRANGERS)
    for instruction in program.instructions:
        if translated(instruction) is None:
            allowed -= 1
            if allowed < 0:
                return False
    return True


def value(v: Any) -> float:
    """Return the number that a constant is."""
    return float(v.data)


class TapePlan:
    """A program, ready to be run.

    Args:
        program: what is run.
        native: run the native loop? None: if Numba is installed.

    Attributes:
        nbytes: of the tape, and of the numbers of a thread that runs it.
        ignores: does it run functions of NumPy, whose warnings are to be ignored?
        quick: may its call be written out, with a line for each argument and state?
        contiguous: does it want arrays in order of memory?
        direct: the assigned states that it writes itself: none.
        sunk: the assigned states, by their place, that ufuncs write: none.
        shares: do threads share the last call? Never.
    """

    name = "tape"
    contiguous = False
    direct: tuple[int, ...] = ()
    sunk = frozenset[int]()
    shares = False

    def __init__(self, program: Program, *, native: bool | None = None) -> None:
        self.program = program
        self.native = available() if native is None else native
        self._lay()
        self._sort()
        self.ignores = not self.native or bool(self._strange)
        self.quick = len(program.arguments) + len(program.states) <= WRITTEN_OUT
        self.nbytes = sum(x.nbytes for x in (self.codes, self.starts, self.operands)) + 8 * self.size

    # the layout

    def _lay(self) -> None:
        """Give all numbers their places, results in the order of the program, and translate the instructions."""
        program = self.program
        place: dict[Variable, int] = {}
        n = 0
        self.given: list[tuple[int, list[int]]] = []  # where the numbers of arguments, states, hosts lie, and which
        for variables in (program.arguments, program.states, program.hosts):
            which = [i for i, v in enumerate(variables) if v is not None and is_number(v)]
            self.given.append((n, which))
            for i in which:
                place[variables[i]] = n  # type: ignore[index]
                n += 1
        self.constants: list[float] = []
        self.first_constant = n
        known: dict[Any, int] = {}

        def constant(x: float) -> int:
            key = x, math.copysign(1.0, x)
            if key not in known:
                known[key] = n + len(self.constants)
                self.constants.append(x)
            return known[key]

        depth: dict[Any, int] = {}
        codes, depths = [], []
        columns: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for i, instruction in enumerate(program.instructions):
            made = translated(instruction)
            code, operands = made if made is not None else (STRANGE, ())
            deepest = 0
            for v in instruction.args:
                if v in depth and depth[v] > deepest:
                    deepest = depth[v]
            depth[instruction.out] = deepest + 1
            codes.append(code)
            depths.append(deepest + 1)
            at = []
            for v in operands:
                if type(v) is float:
                    at.append(constant(v))
                elif v in place:
                    at.append(place[v])
                else:
                    at.append(constant(value(v)))
            while len(at) < 3:
                at.append(0)
            for column, x in zip(columns, at, strict=True):
                column.append(x)
            place[instruction.out] = -1 - i  # until all constants are known
        for v in program.wanted():
            if v not in place and is_number(v):
                place[v] = constant(value(v))
        self.offset = n + len(self.constants)
        self.size = self.offset + len(codes)
        self._place = place
        self._unsorted = np.array(codes, np.uint8), np.array(depths, np.int64), np.array(columns, np.int64)

    def _sort(self) -> None:
        """Sort by depth and code."""
        codes, depths, columns = self._unsorted
        del self._unsorted
        order = np.lexsort((codes, depths))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        self._rank = rank
        codes, depths, columns = codes[order], depths[order], columns[:, order]
        results = columns < 0
        columns[results] = self.offset + rank[-1 - columns[results]]
        self.operands = np.ascontiguousarray(columns, np.uint32)
        new = np.flatnonzero((codes[1:] != codes[:-1]) | (depths[1:] != depths[:-1])) + 1
        first = np.concatenate([np.zeros(min(len(codes), 1), np.int64), new])
        self.starts = np.concatenate([first, [len(codes)]]).astype(np.uint64)
        self.codes = codes[first]
        self._depths = depths[first]
        self._join()
        self._strange = order[codes == STRANGE].tolist()
        self.order = order
        asked = set(self.program.wanted())  # the places of others nobody will want to know
        for i in self._strange:
            instruction = self.program.instructions[i]
            asked.update((instruction.out, *instruction.args))
        self._place = {v: at for v, at in self._place.items() if v in asked}

    def _join(self) -> None:
        """Join links of chains for the native loop, which may foresee no branch in them.

        It goes from number to number, so what is in a group may depend on what is before it in the group.
        """
        lengths = np.diff(self.starts.astype(np.int64))
        short = np.isin(self.codes, CHAINED) & (lengths <= LINK)
        begins = ~np.append(False, short[1:] & short[:-1])[: len(short)]  # not joined to the one before
        ends = np.append(begins[1:], True)[: len(short)]
        self.joined_codes = np.where(begins & ~ends, np.uint8(MIXED), self.codes)[begins]
        self.joined_starts = self.starts[np.append(begins, True)]
        self.joined = np.append(0, np.cumsum(begins))
        each = np.repeat(self.codes, lengths)
        for kind, code in enumerate(CHAINED):
            self.operands[2][each == code] = kind

    def groups(self) -> list[Group]:
        """Return all groups, in order."""
        starts = self.starts.tolist()
        return list(map(Group, self.codes.tolist(), self._depths.tolist(), starts[:-1], starts[1:]))

    def place(self, v: Variable) -> int | None:
        """Return where a number lies; None for what is none."""
        if not is_number(v):
            return None
        at = self._place[v]
        return at if at >= 0 else self.offset + int(self._rank[-1 - at])

    def segments(self) -> list[tuple[int, int, list[Instruction]]]:
        """Return ranges of groups, each with the instructions without code that come after it."""
        found = []
        begin = 0
        instructions = self.program.instructions
        for g in np.flatnonzero(self.codes == STRANGE).tolist():
            after = self.order[int(self.starts[g]) : int(self.starts[g + 1])].tolist()
            found.append((begin, g, [instructions[i] for i in after]))
            begin = g + 1
        return [*found, (begin, len(self.codes), [])]

    # running

    def instance(self) -> Callable[..., Any]:
        """Return the plan with numbers of its own: a function of arguments, states and hosts."""
        return Tape(self).run

    def fused(self) -> dict[Variable, str]:
        """Return the names of the groups that results are computed in: there are none."""
        return {}

    def profile(self, arguments: list[Any], states: list[Any], hosts: list[Any], *, repeat: int = 20) -> str:
        """Return a table of ops with their times, the slowest first."""
        tape = Tape(self, apart=True)
        with np.errstate(all="ignore"):
            tape.run(arguments, states, hosts)
            best = np.full(len(tape.calls), np.inf)
            for _ in range(repeat):
                stamps = [time.perf_counter_ns()]
                for step in tape.calls:
                    step[0](*step[1:])
                    stamps.append(time.perf_counter_ns())
                best = np.minimum(best, np.diff(stamps))
        empty = min(stopwatch() for _ in range(100))
        rows: dict[str, tuple[float, int, int]] = {}
        for ns, (name, count) in zip(best.tolist(), tape.called, strict=True):
            before = rows.get(name, (0.0, 0, 0))
            rows[name] = before[0] + max(ns - empty, 0.0), before[1] + 1, before[2] + count
        total = sum(ns for ns, _, _ in rows.values()) or 1.0
        lines = [f"{'µs':>9}  {'share':>6}  {'calls':>8}  {'numbers':>9}  op"]
        for name, (ns, calls, count) in sorted(rows.items(), key=itemgetter(1), reverse=True):
            lines.append(f"{ns / 1000:>9.2f}  {ns / total:>6.1%}  {calls:>8,}  {count:>9,}  {name}")
        return "\n".join([f"{total / 1000:.1f} µs, each group timed on its own; {self._summary()}", *lines])

    # for people

    def _summary(self) -> str:
        deepest = int(self._depths[-1]) if len(self._depths) else 0
        how = "one native loop (Numba)" if self.native else "a call of NumPy for each group"
        text = f"tape: {len(self.order):,} numbers in {len(self.codes):,} groups, {deepest:,} deep; {how}"
        if self._strange:
            text += f"; {len(self._strange):,} without a code run through the op itself"
        return text

    def __str__(self) -> str:
        """Return the listing: a line for each group, with depth, op, and how many numbers."""
        rows = [f"{'group':>7}  {'depth':>7}  {'numbers':>8}  op"]
        for i, group in enumerate(self.groups()[:LISTED]):
            name = CODES[group.code].name if group.code != STRANGE else self._names(group)
            rows.append(f"{i:>7}  {group.depth:>7}  {group.stop - group.start:>8}  {name}")
        return "\n".join([self._summary(), *rows, *self._more()])

    @property
    def source(self) -> str:
        """The tape as NumPy would be told: v holds all numbers, places are slices or lists of them."""
        lines = [f"# {self._summary()}", f"# v: {self.first_constant} given, {len(self.constants)} constants, results"]
        for group in self.groups()[:LISTED]:
            n, start = group.stop - group.start, self.offset + group.start
            if group.code == STRANGE:
                lines.append(f"{spelled(np.arange(start, start + n))} = …  # {self._names(group)}: the op itself")
                continue
            code = CODES[group.code]
            operands = ", ".join(spelled(self.operands[k][group.start : group.stop]) for k in range(code.arity))
            lines.append(f"{spelled(np.arange(start, start + n))} = {code.name}({operands})")
        return "\n".join([*lines, *(f"# {line}" for line in self._more())]) + "\n"

    def _names(self, group: Group) -> str:
        instructions = self.program.instructions
        names = dict.fromkeys(instructions[i].op.name for i in self.order[group.start : group.stop].tolist())
        return ", ".join(names) + " (no code)"

    def _more(self) -> list[str]:
        left = len(self.codes) - LISTED
        return [f"… and {left:,} more groups"] if left > 0 else []


class Tape:
    """The numbers of a plan, for one thread, and the calls that compute them.

    Args:
        plan: whose they are.
        apart: a call for each group, to be timed.
    """

    def __init__(self, plan: TapePlan, *, apart: bool = False) -> None:
        self.plan = plan
        self.v = np.zeros(plan.size)
        self.v[plan.first_constant : plan.offset] = plan.constants
        self.memory = memoryview(self.v.data)  # for single numbers: as fast as a list
        self.objects: dict[Variable, Any] = {}  # what is no number
        self.calls: list[tuple[Any, ...]] = []
        self.called: list[tuple[str, int]] = []  # op and numbers of each call
        self._native = native() if plan.native else None
        groups = plan.groups() if apart or not plan.native else []
        widest = 0 if plan.native else max((g.stop - g.start for g in groups), default=0)
        self._scratch = tuple(np.empty(widest) for _ in range(3))  # for operands that are gathered
        self._mask = np.empty(widest, bool)
        for begin, end, strangers in plan.segments():
            if plan.native:
                parts = [(g, g + 1) for g in range(begin, end)] if apart else [(begin, end)]
                for first, last in parts:
                    if first < last:
                        self._call_native(first, last, CODES[groups[first].code].name if apart else "")
            else:
                self._call_numpy(groups[begin:end], apart)
            for instruction in strangers:
                self.called.append((f"{instruction.op.name} (no code)", 1))
                self.calls.append((self._compute, *self._stranger(instruction)))
        given = (plan.program.arguments, plan.program.states, plan.program.hosts)
        self._load = [self._loader(*pair, variables) for pair, variables in zip(plan.given, given, strict=True)]
        self._results = self._reader(plan.program.outputs, arrays=True)
        self._written = self._reader([v for _, v in plan.program.writes])
        self._checked = self._reader(plan.program.checks)
        self._numbers = [i for i, _ in plan.program.writes]

    def run(self, arguments: Sequence[Any], states: Sequence[Any], hosts: Sequence[Any]) -> Any:
        """Return results, what is to be assigned to states, and what is to be checked."""
        loaders = self._load
        loaders[0](arguments)
        loaders[1](states)
        loaders[2](hosts)
        calls = self.calls
        if len(calls) == 1:
            (single,) = calls
            single[0](*single[1:])
        else:
            deque(starmap(call, calls), maxlen=0)
        commits = list(zip(self._numbers, repeat(None), self._written(), strict=False)) if self._numbers else ()
        return self._results(), commits, self._checked()

    # what is given

    def _loader(self, start: int, which: list[int], variables: list[Variable | None]) -> Callable[[Any], None]:
        """Return the function that puts the numbers among arguments, states or hosts in their places."""
        put = struct.Struct(f"={len(which)}d").pack_into
        memory, at, objects = self.v.data, 8 * start, self.objects
        others = [(i, v) for i, v in enumerate(variables) if v is not None and not is_number(v)]

        def load(given: Sequence[Any]) -> None:
            if len(which) == len(given):
                put(memory, at, *given)
            else:
                put(memory, at, *[given[i] for i in which])
                for i, v in others:
                    objects[v] = given[i]

        return load

    # what is computed

    def _call_native(self, begin: int, end: int, name: str = "") -> None:
        """Append a native call for a range of groups; of one alone, to be timed, under its name."""
        plan = self.plan
        count = int(plan.starts[end] - plan.starts[begin])
        codes, starts = plan.codes, plan.starts
        if not name:
            codes, starts = plan.joined_codes, plan.joined_starts
            begin, end = plan.joined[begin], plan.joined[end]
        where = np.uint64(plan.offset), np.uint64(begin), np.uint64(end)
        self.calls.append((self._native, codes, starts, *plan.operands, *where, self.v))
        self.called.append((name, count))

    def _call_numpy(self, groups: Iterable[Group], apart: bool) -> None:
        """Append calls of NumPy for wide groups, and loops over the numbers of narrow ones."""
        links: list[Any] = []
        for group in groups:
            code = CODES[group.code]
            if apart:
                links = []
            if group.stop - group.start < NARROW:
                if not links:
                    self.calls.append((run_links, self.memory, links))
                    self.called.append((code.name, 0))
                self._link(group, links)
                self.called[-1] = (self.called[-1][0], len(links))
            else:
                links = []
                operands = [self._operand(group, k) for k in range(code.arity)]
                out = self.v[self.plan.offset + group.start : self.plan.offset + group.stop]
                room = (self._mask[: len(out)], self._scratch[2][: len(out)]) if code.room else ()
                self.calls.append((code.array, *operands, out, *room))
                self.called.append((code.name, group.stop - group.start))

    def _link(self, group: Group, links: list[Any]) -> None:
        code, plan = CODES[group.code], self.plan
        columns = [plan.operands[k][group.start : group.stop].tolist() for k in range(3)]
        for i, (x, y, z) in enumerate(zip(*columns, strict=True), start=group.start):
            function = code.number
            if not code.exact and isinstance(code.array, np.ufunc):
                made = plan.program.instructions[plan.order[i]]
                if not all(v.python for v in made.args):
                    function = code.array
            links.append((function, code, plan.offset + i, x, y, z))

    def _operand(self, group: Group, k: int) -> np.ndarray:
        """Return an operand of a group: a view of the numbers, or the scratch into which they are gathered before."""
        places = self.plan.operands[k][group.start : group.stop].astype(np.intp)
        n, first = len(places), int(places[0])
        steps = np.diff(places)
        if not steps.any():
            return self.v[first : first + 1]
        step = int(steps[0])
        if step > 0 and (steps == step).all():
            return self.v[first : first + step * (n - 1) + 1 : step]
        scratch = self._scratch[k][:n]
        self.calls.append((self.v.take, places, None, scratch, "clip"))  # ("raise", the default, would make a copy)
        self.called.append(("take", n))
        return scratch

    def _stranger(self, instruction: Instruction) -> tuple[Any, ...]:
        """Return the arguments of `_compute` for an instruction without code."""
        op, attrs = instruction.op, instruction.attrs
        function = op.compute if all(v.python for v in instruction.args) else op.forward
        if op.name == "item":
            function, attrs = itemgetter(attrs["index"]), {}
        place = self.plan.place(instruction.out)
        return function, [self._getter(v) for v in instruction.args], attrs, instruction.out, place

    def _compute(self, function: Any, getters: Any, attrs: dict[str, Any], out: Variable, place: int | None) -> None:
        result = function(*[get() for get in getters], **attrs)
        if place is None:
            self.objects[out] = result
        else:
            self.memory[place] = result

    def _getter(self, v: Variable) -> Callable[[], Any]:
        """Return the function that returns a variable, of the type that it has in eager code."""
        if v.kind == "constant":
            return lambda: v.data
        place = self.plan.place(v)
        if place is None:
            objects = self.objects
            return lambda: objects[v]
        memory = self.memory
        if v.dtype.char == "?":
            kind: Any = bool if v.python else np.bool_
        elif v.python:
            return lambda: memory[place]
        else:
            kind = np.float64
        return lambda: kind(memory[place])

    # what is returned

    def _reader(self, variables: list[Variable], arrays: bool = False) -> Callable[[], Sequence[Any]]:
        """Return the function that returns variables, in memory of their own."""
        if not variables:
            return tuple
        numbers = self.v
        if len(variables) > 4 and all(v.python and is_number(v) and v.dtype.char == "d" for v in variables):
            places = np.array([self.plan.place(v) for v in variables])
            if (np.diff(places) == 1).all():
                return numbers[places[0] : places[0] + len(places)].tolist
            return lambda: numbers.take(places).tolist()
        getters = [self._getter(v) for v in variables]
        own = [not v.python and v.shape is not None and (arrays or not is_number(v)) for v in variables]
        if not any(own):
            return lambda: [get() for get in getters]
        return lambda: [np.array(get()) if new else get() for get, new in zip(getters, own, strict=True)]


def run_links(v: memoryview, links: list[Any]) -> None:
    """Compute numbers one after the other, as eager code does."""
    for function, code, out, x, y, z in links:
        if code.arity == 1:
            given: Any = (v[x],)
        elif code.arity == 2:
            given = v[x], v[y]
        else:
            given = v[x], v[y], v[z]
        try:
            v[out] = function(*given)
        except (ArithmeticError, ValueError):  # IEEE has an answer
            v[out] = code.array(*given)


def stopwatch() -> int:
    """Return what measuring nothing takes, in nanoseconds."""
    start = time.perf_counter_ns()
    (lambda *_: None)(*())
    return time.perf_counter_ns() - start


def spelled(places: np.ndarray) -> str:
    """Return places as Python would write them."""
    n, first = len(places), int(places[0])
    steps = np.diff(places.astype(np.int64))
    if n == 1 or not steps.any():
        return f"v[{first}]"
    step = int(steps[0])
    if step > 0 and (steps == step).all():
        return f"v[{first}:{first + step * (n - 1) + 1}{f':{step}' if step > 1 else ''}]"
    shown = ", ".join(map(str, places[:4].tolist()))
    return f"v[[{shown}{', …' if n > 4 else ''}]]"

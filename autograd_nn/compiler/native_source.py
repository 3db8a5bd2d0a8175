"""A schedule as the source of one native function: loops written out, memory laid out in one workspace."""

from __future__ import annotations

import collections
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .fusion import Call, Index, Loop, Map, Python, Reduce, Slot
from .lowering import Lowered
from .memory import Pool

__all__ = ["NativeSource"]

BLOCK = 4096
"""Elements that are added up in their own precision; sums of blocks are float64."""
ALIGNMENT = 64
LEAST_SHARED = 1 << 21
"""Elements times statements and arrays of the smallest loop that threads share: to hand a part over takes 20 µs."""
CAST = {"float32": "f32", "float64": "f64", "int64": "i64", "int32": "i32"}
LOWEST = {"sum": "0.0", "max": "-math.inf", "min": "math.inf"}
PART = "# part"
COMBINE = {"sum": "add_up", "max": "maximum", "min": "minimum"}


class Place:
    """Where elements of a loop lie in memory.

    Attributes:
        key: of the memory: the same for all places in it.
        address: expression of the address of the first element.
        dtype: in memory.
        strides: in elements, for each axis of the loop.
    """

    def __init__(self, key: Any, address: str, dtype: str, strides: tuple[int, ...]) -> None:
        self.key, self.address, self.dtype, self.strides = key, address, dtype, strides

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.address, self.dtype, self.strides))


class NativeSource:
    """Writes the source.

    Args:
        lowered: the program.
        poison: fill memory with NaN as soon as nobody is to read it any more.
        apart: make each item a phase of its own, to be timed.

    Attributes:
        text: the source of a module with a function `main`.
        arguments: the arrays that `main` is called with after the phase: pairs (kind, number); then come targets,
            outputs, the workspace and the table.
        table: numbers that loops over items look up; None if there are none.
        numbers: for each argument, state or host that is a single number, its place in the workspace, in units of 8
            bytes, and whether it is a whole number.
        outputs: slots that `main` writes into arrays made for the caller.
        stored: roots that reach memory.
        targets: for each state that `main` writes itself, its slot.
        nbytes: of the workspace.
        steps: numbers of phases of `main`, and the items that Python runs between them.
        shared: the phases that all threads run together, each a part of it.
        committing: the phase that writes the targets; None if there is none.
    """

    def __init__(self, lowered: Lowered, *, poison: bool = False, apart: bool = False) -> None:
        self.lowered, self.poison, self.apart, self.threads = lowered, poison, apart, lowered.threads
        self.items = lowered.schedule.items
        self.program = lowered.program
        self.notes: list[str] = []
        self.numbers: dict[tuple[str, int], tuple[int, bool]] = {}
        self.results: dict[Slot, int] = {}  # numbers that are returned or assigned, by their place
        self._given: set[tuple[str, int]] = set()
        self._scalars = 0
        self._committing = False
        self._pool = Pool()
        self._buffer: dict[Slot, int] = {}
        self._kernels: dict[str, str] = {}
        self._texts: list[tuple[str, list[str], list[str]]] = []
        self._offsets: dict[str, int] = {}
        self._where: dict[Slot, str] = {}
        self._tables: dict[tuple[int, ...], int] = {}
        self._places: dict[Slot, tuple[Any, str]] = {}
        self._last: dict[Slot, int] = {}
        self._first: dict[Slot, int] = {}
        self.stored: set[Slot] = set()
        self.separate = not apart and not any(isinstance(item, Python) and item.final for item in self.items)
        self._lifetimes()
        self.outputs = self._direct_outputs()
        self.targets = self._direct_targets()
        late = [x for i, v in self.program.writes if i not in self.targets and (x := lowered.slots.get(v)) is not None]
        if any(self.items[self._first[x.root]].final for x in late if x.root in self._first):
            self.separate, self.targets = False, {}  # Python assigns what a last call would compute too late
        self._numbers()
        self.parted = self._parted()
        self.text = self._write()

    # memory

    def _lifetimes(self) -> None:
        end = len(self.items)
        for i, item in enumerate(self.items):
            for x in item.reads():
                self._last[x.root] = i
                self.stored.add(x.root)
            for x in item.writes():
                self._first.setdefault(x.root, i)
                self._last[x.root] = max(i, self._last.get(x.root, i))
                if not isinstance(item, Loop) or x.root is not x:
                    self.stored.add(x.root)
            if isinstance(item, Loop):
                self.stored.update(s.out for s in item.statements if isinstance(s, Reduce))
        for v in self.program.wanted():
            x = self.lowered.slots.get(v)
            if x is not None:
                self._last[x.root] = end
                self.stored.add(x.root)

    def _direct_outputs(self) -> dict[Slot, int]:
        found: dict[Slot, int] = {}
        assigned = {self.lowered.slots.get(v) for _, v in self.program.writes}
        for v in self.program.outputs:
            x = self.lowered.slots.get(v)
            if x is not None and x.root is x and x.shape and x in self._first and x not in assigned:
                if not isinstance(self.items[self._first[x]], Python):
                    found.setdefault(x, len(found))
        return found

    def _direct_targets(self) -> dict[int, Slot]:
        """Return the states that loops at the end write themselves, if nobody reads the old ones later."""
        found: dict[int, Slot] = {}
        states = {x: i for i, v in enumerate(self.program.states) if v and (x := self.lowered.slots.get(v)) is not None}
        number = {i: x for x, i in states.items()}
        times = collections.Counter(v for _, v in self.program.writes)
        taken: set[Slot] = set(self.outputs)
        for i, v in self.program.writes:
            x, old = self.lowered.slots.get(v), number.get(i)
            if x is None or x.root is not x or not x.shape or x in taken or x not in self._first or times[v] > 1:
                continue
            at = self._first[x]
            item = self.items[at]
            if not self.separate or not isinstance(item, Loop) or not item.final or self._last[x] < len(self.items):
                continue
            if any(x in later.reads() for later in self.items[at:]):
                continue
            if old is not None:
                if old.dtype != x.dtype or old.shape != x.shape:
                    continue
                late = any(y.root is old for later in self.items[at + 1 :] for y in later.reads())
                here = any(y.root is old and (y is not old or y.shape != item.shape) for y in item.read)
                if late or here:
                    continue
            found[i] = x
            taken.add(x)
        return found

    def _parted(self) -> bool:
        """Can threads share what assigns? Then no loop reads what another one writes, or writes over."""
        loops = [item for item in self.items if item.final]
        if self.threads == 1 or self.poison or not all(isinstance(item, Loop) for item in loops):
            return False
        state = {x: ("s", i) for i, x in self.targets.items()}
        if any(x not in state for item in loops for x in item.writes() if x in self.stored):
            return False
        written = [{state[x] for x in item.writes() if x in state} for item in loops]
        read = [{state.get(x.root, x.root.source) for x in item.reads()} for item in loops]
        return not any(w & r for i, w in enumerate(written) for j, r in enumerate(read) if i != j)

    def _numbers(self) -> None:
        """Give single numbers that come from outside, or are returned, places at the beginning of the workspace."""
        for x in self.lowered.slots.values():
            if x is not None and x.source is not None and x.source[0] != "c" and not x.shape and x in self._last:
                self.numbers[x.source] = (self._number(), x.dtype.kind in "biu")
        for v in self.program.wanted():
            x = self.lowered.slots.get(v)
            if x is not None and not x.shape and x.root is x and x.source is None:
                self.results.setdefault(x, self._number())

    def _number(self) -> int:
        self._scalars += 1
        return self._scalars - 1

    def _key(self, x: Slot, *, final: bool = False) -> tuple[Any, str, str]:
        """Return the key, the address and the dtype in memory of a root.

        In the last phase a state that is written in place is read where it is written: it is there already.
        """
        if final and x.source is not None and x.source[0] == "s" and x.source[1] in self.targets:
            return x.source, f"t{x.source[1]}", x.dtype.name
        key, where, dtype = self._located(x)
        self._where[x] = where
        return key, where, dtype

    def _located(self, x: Slot) -> tuple[Any, str, str]:
        if x in self.outputs:
            return ("o", self.outputs[x]), f"o{self.outputs[x]}", x.dtype.name
        for i, target in self.targets.items():
            if target is x:
                return ("s", i), f"t{i}", x.dtype.name
        if x in self.results:
            return ("number", self.results[x]), f"w + {8 * self.results[x]}", x.dtype.name
        if x.source is not None:
            kind, i = x.source
            if not x.shape:
                if kind == "c" and x.source not in self.numbers:
                    self.numbers[x.source] = (self._number(), x.dtype.kind in "biu")
                at, whole = self.numbers[x.source]
                return ("number", at), f"w + {8 * at}", "int64" if whole else "float64"
            if kind == "s" and self._committing and i in self.targets:
                return (kind, i), f"t{i}", x.dtype.name  # read and written by one pointer: loops are vectorized
            self._given.add(x.source)
            return (kind, i), f"{kind}{i}", x.dtype.name
        number = self._buffer[x]
        return ("w", number), f"w + {{{number}}}", x.dtype.name  # the offset is known at the end

    def _allocate(self, i: int) -> None:
        """Give buffers to what an item writes first."""
        item = self.items[i]
        for x in dict.fromkeys(y.root for y in item.writes()):
            mine = x in self.outputs or x in self.results or x in self.targets.values()
            if self._first[x] == i and x in self.stored and not mine and x not in self._buffer:
                shared = self._in_place(x, item, i) if isinstance(item, Loop) else None
                self._buffer[x] = self._pool.take(max(x.nbytes, 1)) if shared is None else shared

    def _in_place(self, x: Slot, loop: Loop, i: int) -> int | None:
        """Return the buffer of something that a loop reads last, element by element, and may write over."""
        if not any(isinstance(s, Map) and s.out is x for s in loop.statements):
            return None
        for y in loop.read:
            fits = y.root is y and y.shape == x.shape and y.dtype == x.dtype and self._last[y] == i
            if fits and y in self._buffer and not any(z is not y and z.root is y for z in loop.read):
                number = self._buffer[y]
                if list(self._buffer.values()).count(number) == 1:
                    return number
        return None

    def _release(self, i: int) -> list[int]:
        freed = []
        for x in [x for x in self._buffer if self._last[x] <= i]:
            number = self._buffer.pop(x)
            if number not in self._buffer.values():
                self._pool.give(number)
                freed.append(number)
        return freed

    # source

    def _write(self) -> str:
        phases: list[list[str]] = [[]]
        self.steps: list[int | Python] = [0]
        self.shared: set[int] = set()
        self.committing: int | None = None
        for labels, classes in self.lowered.checks:
            _, where, dtype = self._key(labels.root)
            n = math.prod(labels.shape)
            phases[0] += [
                f'p0 = at({where} + {labels.offset}, "{dtype}", 0, 0, 1)',
                f"for i0 in range({n}):",
                f"    if p0[i0] < 0 or p0[i0] >= {classes}:",
                "        return 1",
            ]
        fresh = False
        for i, item in enumerate(self.items):
            self._allocate(i)
            if isinstance(item, Python):
                fresh = True
                self.steps.append(item)
                for x in (*item.reads(), *item.writes()):
                    self.locate(x)
            elif isinstance(item, (Loop, Call)):
                if item.final and self.separate and self.committing is None:
                    self.committing = len(phases)
                    self._committing = True
                    phases.append([])
                elif (fresh or self.apart) and self.committing is None:
                    fresh = False
                    self.steps.append(len(phases))
                    phases.append([])
                combining: list[str] = []
                if isinstance(item, Loop):
                    writer = LoopWriter(self, item)
                    lines, addresses = writer.write()
                    shared, combining = writer.shared, writer.combining
                else:
                    lines, addresses = self._call(item)
                    shared = item.shared
                if shared and self.committing is None and phases[-1]:
                    self.steps.append(len(phases))
                    phases.append([])
                text = canonical(lines)
                if shared:  # no kernel is made of it: it asks which part it is
                    text += f"\n{PART} of item {i}"
                    self.shared.add(len(phases) - 1)
                self._texts.append((text, addresses, lines))
                phases[-1].append(f"@{len(self._texts) - 1}")
                if shared and self.committing is None:
                    self.steps.append(len(phases))
                    phases.append(combining)
            for number in self._release(i):
                if self.poison and not isinstance(item, Python):  # (Python runs between phases)
                    phases[-1] += [
                        f'p0 = at(w + {{{number}}}, "int64", 0, 0, 1)',
                        f"for i0 in range({{n{number}}}):",
                        "    p0[i0] = -1",
                    ]
        self._committing = False
        for v in self.program.wanted():
            x = self.lowered.slots.get(v)
            if x is not None:
                self.locate(x)
        at = -(-8 * self._scalars // ALIGNMENT) * ALIGNMENT
        for number, size in enumerate(self._pool.sizes):
            self._offsets[str(number)] = at
            self._offsets[f"n{number}"] = size // 8
            at += -(-size // ALIGNMENT) * ALIGNMENT
        self.nbytes = max(at, ALIGNMENT)
        return self._assemble(phases)

    def written(self, k: int) -> list[str]:
        """Return what an item writes to memory, and where, for people."""
        found = []
        for x in dict.fromkeys(y.root for y in self.items[k].writes()):
            if x in self.stored:
                where = self._where.get(x, "")
                found.append(f"{self._offset(where)}: {x.dtype} {x.shape}")
        return found

    def locate(self, x: Slot) -> None:
        """Remember where Python finds a slot."""
        self._places[x] = self._key(x.root)[:2]

    def place_of(self, x: Slot) -> tuple[Any, int]:
        """Return the key of the memory in which a slot lies, and its offset there, in the workspace if that is it."""
        key, where = self._places[x]
        offset = eval(self._offset(where), {"w": 0}) if key[0] in ("w", "number") else 0  # noqa: S307  (our own text)
        return key, offset + x.offset

    def _assemble(self, phases: list[list[str]]) -> str:
        """Return the source of the module."""
        count = collections.Counter(text for text, _, _ in self._texts)
        self.arguments = sorted(self._given)
        self.table: np.ndarray | None = None
        arrays = [f"{kind}{i}" for kind, i in self.arguments]
        arrays += [f"t{i}" for i in self.targets] + [f"o{k}" for k in self.outputs.values()]
        self._position = {name: k for k, name in enumerate(arrays)}
        functions: dict[str, str] = {}
        kernels: list[str] = []
        for text, addresses, _ in self._texts:
            if count[text] > 1 and text not in functions:
                name = functions[text] = f"kernel_{len(functions) + 1}"
                names = [f"q{k}" for k in range(len(addresses))]
                kernels += ["", "", "@kernel", f"def {name}({', '.join(names)}):", "    apart()"]
                kernels += [f"    {x}" for x in filled(text.split("\n"), names, len(functions))]
                kernels += ["    return 0"]
        main: list[str] = []
        loops = len(functions)
        for k, phase in enumerate(phases):
            main.append(f"if first <= {k} <= last:")
            steps: list[Any] = [self._texts[int(x[1:])] if x.startswith("@") else self._offset(x) for x in phase]
            for part, times in repetitions([j if isinstance(x, str) else x[0] for j, x in enumerate(steps)]):
                period = len(part) // times
                # The first and the last time may read from elsewhere, such as from an argument.
                for before, after in ((0, 0), (1, 0), (0, 1), (1, 1)) if times > 3 else ((0, 0),) * (times > 2):
                    inner = part[before * period : len(part) - after * period]
                    rolled = self._rolled([steps[j] for j in inner], period, functions)
                    if rolled:
                        break
                else:
                    inner, rolled = range(part.stop, part.stop), []
                for j in (*part[: inner.start - part.start], None, *part[inner.stop - part.start :]):
                    lines = rolled
                    if j is not None:
                        lines, loops = self._once(steps[j], functions, loops)
                    if lines and k in self.shared and (j is None or PART not in steps[j][0]):  # assigned by one of them
                        lines = ["if part == 0:", *(f"    {x}" for x in lines)]
                    main += [f"    {x}" for x in lines]
            main.append("    pass")
        if self._tables:
            self.table = np.array([x for numbers in self._tables for x in numbers])
            main.insert(0, f'table = at(address(arrays, {len(arrays) + 1}), "int64", 0, 0, 1)')
        windows = any(re.search(r"pool_|conv", text) for text, _, _ in self._texts)
        head = [
            *HEAD[:6],
            *(["from autograd_nn.compiler.native_windows import WINDOWS", ""] if windows else [""]),
            *(["globals().update(WINDOWS)"] if windows else []),
            *HEAD[7:],
            *kernels,
            "",
            "",
            f"def main(first, last, {'part, parts, ' if self.shared else ''}arrays):",
            *(f"    {name} = address(arrays, {k})" for k, name in enumerate([*arrays, "w"])),
            *(f"    {line}" for line in main),
            "    return 0",
        ]
        return "\n".join(head) + "\n"

    def _once(self, step: Any, functions: dict[str, str], loops: int) -> tuple[list[str], int]:
        """Return the lines of a step, and how many loops are numbered now."""
        if isinstance(step, str):
            return [step], loops
        text, addresses, lines = step
        addresses = [self._offset(a) for a in addresses]
        comments = [x for x in lines if x.startswith("#")]
        if text in functions:
            return [f"{functions[text]}({', '.join(addresses)})  {'; '.join(comments)}"], loops
        return [*comments, *filled(text.split("\n"), addresses, loops + 1)], loops + 1

    def _rolled(self, steps: list[Any], period: int, functions: dict[str, str]) -> list[str]:
        """Return the lines of a loop over items that come again and again, in other places; none if that fails."""
        times = len(steps) // period
        lines = [f"for step in range({times}):"]
        for j in range(period):
            each = [steps[j + period * t] for t in range(times)]
            columns = zip(*[[self._offset(a) for a in addresses] for _, addresses, _ in each], strict=True)
            moving = [self._moving(addresses) for addresses in columns]
            if not all(moving):
                return []
            notes = [x for x in each[0][2] if x.startswith("#")]
            lines.append(f"    {functions[each[0][0]]}({', '.join(moving)})  {'; '.join(notes)} …")
        return lines

    def _moving(self, addresses: Sequence[str]) -> str:
        """Return an expression that gives these addresses one after the other, as `step` counts up; "" if none does."""
        if len(set(addresses)) == 1:
            return addresses[0]
        parts = [a.split(" + ") for a in addresses]
        bases = [base for base, *_ in parts]
        offsets = [sum(map(int, rest)) for _, *rest in parts]
        if len(set(bases)) == 1:
            return f"{bases[0]} + {self._counted(offsets)}"
        if len(set(offsets)) > 1 or "w" in bases:
            return ""
        return f"address(arrays, {self._counted([self._position[base] for base in bases])}) + {offsets[0]}"

    def _counted(self, numbers: Sequence[int]) -> str:
        """Return an expression that gives these numbers one after the other, as `step` counts up."""
        changes = {y - x for x, y in itertools.pairwise(numbers)}
        if len(changes) == 1:
            return f"{numbers[0]} + {changes.pop()} * step"
        key = tuple(numbers)
        if key not in self._tables:
            self._tables[key] = sum(map(len, self._tables))
        return f"table[{self._tables[key]} + step]"

    def _offset(self, text: str) -> str:
        """Put in the offsets of buffers."""
        return re.sub(r"\{(n?\d+)\}", lambda m: str(self._offsets[m[1]]), text) if "{" in text else text

    # items

    def _call(self, item: Any) -> tuple[list[str], list[str]]:
        addresses = []
        for x in (*item.reads(), *item.writes()):
            _, where, _ = self._key(x.root)
            addresses.append(where + (f" + {x.offset}" if x.offset else ""))
        places = [f"@{k}@" for k in range(len(addresses))]
        return [f"# {item.note}", *item.written(places)], addresses

    def _place(self, x: Slot, loop: Loop) -> Place:
        """Return where the elements of a slot lie, seen from a loop."""
        shape = loop.shape
        key, where, dtype = self._key(x.root, final=loop.final)
        strides = np.broadcast_to(x.view, shape).strides
        address = where + (f" + {x.offset}" if x.offset else "")
        return Place(key, address, dtype, tuple(s // x.dtype.itemsize for s in strides))


HEAD = """\
import math

import numpy as np
from numba import njit

from autograd_nn.compiler.native_library import *

f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64
kernel = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)\
""".splitlines()


def canonical(lines: list[str]) -> str:
    """Return the lines without comments, names numbered as they come: equal items have equal text."""
    names: dict[str, str] = {}
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return re.sub(r"\b([xru])(\d+)\b", lambda m: names.setdefault(m[0], f"{m[1]}{len(names)}"), text)


LONGEST = 12
"""Items that come again and again together, at most."""


def repetitions(texts: Sequence[Any]) -> list[tuple[range, int]]:
    """Cut a sequence into parts that are some items several times, at least three, and single items: (part, times)."""
    found, i, n = [], 0, len(texts)
    again = collections.Counter(texts)
    while i < n:
        best = (1, 1)  # length, times
        if again[texts[i]] > 2:
            for period in range(1, min(LONGEST, (n - i) // 3) + 1):
                times = 1
                while texts[i : i + period] == texts[i + times * period : i + (times + 1) * period]:
                    times += 1
                if times > 2 and times * period > best[0]:
                    best = (times * period, times)
        found.append((range(i, i + best[0]), best[1]))
        i += best[0]
    return found


def filled(lines: Sequence[str], addresses: Sequence[str], loop: int) -> list[str]:
    """Put addresses and the number of the loop into the lines of an item."""
    put = {"loop": str(loop)} | {str(k): a for k, a in enumerate(addresses)}
    return [re.sub(r"@(\w+)@", lambda m: put[m[1]], line) for line in lines]


class LoopWriter:
    """Writes the lines of one loop nest."""

    def __init__(self, source: NativeSource, loop: Loop) -> None:
        self.source, self.loop = source, loop
        self.places: dict[Place, int] = {}
        self.reading: dict[Slot, Place] = {}
        self.writing: dict[Any, Place] = {}
        for x in loop.read:
            if self._constant(x) is None:
                self.reading[x] = self._use(source._place(x, loop))
        for s in loop.statements:
            if isinstance(s, Reduce) or s.out in source.stored or s.out.root is not s.out:
                self.writing[s] = self._use(source._place(s.out, loop))
        self.axes = self._collapse()
        self.wide = {s: self._widened(s) for s in loop.statements if isinstance(s, Reduce) and self._is_long(s)}
        self.combining: list[str] = []
        large = math.prod(loop.shape) * (len(loop.statements) + len(self.places)) >= LEAST_SHARED
        apart = bool(self.axes) and all(self._within(r) for r in loop.statements if isinstance(r, Reduce))
        self.shared = source.threads > 1 and not source.apart and large and (not loop.final or source.parted) and apart

    def _within(self, r: Reduce) -> bool:
        """Does each thread have results of its own, or a total, of a reduction?"""
        inside = [each[-1] in r.axes for _, each, _ in self.axes]
        return inside == sorted(inside) and any(inside)

    def _total(self, r: Reduce) -> str:
        """Return where a thread puts its total; they are put together at the beginning of the next phase."""
        place, at = self.writing[r], self.source._scalars
        self.source._scalars += self.source.threads
        cast = CAST[r.out.dtype.name]
        each = "add_up(total, {})" if r.kind == "sum" else f"{COMBINE[r.kind]}(total, {{}})"
        self.combining += [
            f'p0 = at(w + {8 * at}, "float64", 0, 0, 1)',
            f'p1 = at({place.address}, "{place.dtype}", 0, 0, 1)',
            "total = p0[0]",
            "for i0 in range(1, parts):",
            f"    total = {each.format('p0[i0]')}",
            f"p1[0] = {cast}(total)",
        ]
        return f'at(w + {8 * at}, "float64", @loop@, 99, 100)[part]'

    def _is_long(self, r: Reduce) -> bool:
        """Is it a sum of many float32, kept in memory: one over an axis that is not the innermost?"""
        inside = [each[-1] in r.axes for _, each, _ in self.axes]
        many = math.prod(r.operand.shape[a] for a in r.axes) > BLOCK
        return r.kind == "sum" and r.out.dtype == np.float32 and many and inside != sorted(inside)

    def _widened(self, r: Reduce) -> Place:
        """Return memory for sums of blocks, laid out like the result; it is free again after the loop."""
        number = self.source._pool.take(8 * math.prod(r.out.shape))
        return self._use(Place(("w", number), f"w + {{{number}}}", "float64", self.writing[r].strides))

    def _blocks(self, r: Reduce) -> tuple[int, int]:
        """Return the level of the nest at which blocks of a long sum are begun, and how many steps there are one."""
        elements, level = 1, len(self.axes) - 1
        while elements * (n := self.axes[level][0] if self.axes[level][1][-1] in r.axes else 1) <= BLOCK:
            elements *= n
            level -= 1
        return level, BLOCK // elements

    def _flush(self, r: Reduce, level: int, pad: str) -> list[str]:
        """Return the lines that add the sums of a block to the totals."""
        lines = []
        for k, (n, each, _) in enumerate(self.axes):
            if k > level and each[-1] not in r.axes:
                lines.append(f"{pad}for i{k} in range({n}):")
                pad += "    "
        place, wide = self.writing[r], self.wide[r]
        at, total = f"{self._pointer(place)}[{self._index(place)}]", f"{self._pointer(wide)}[{self._index(wide)}]"
        return [*lines, f"{pad}{total} = {total} + f64({at})", f"{pad}{at} = f32(0.0)"]

    def _use(self, place: Place) -> Place:
        self.places.setdefault(place, len(self.places))
        return place

    def _collapse(self) -> list[tuple[int, tuple[int, ...], list[int]]]:
        """Return the axes of the nest: pairs (length, the loop's axes that they are made of)."""
        loop = self.loop
        fixed = {x.axis for s in loop.statements if isinstance(s, Map) for x in s.operands if isinstance(x, Index)}
        reduces = [s for s in loop.statements if isinstance(s, Reduce)]
        axes: list[tuple[int, list[int]]] = []
        for a, n in enumerate(loop.shape):
            if n == 1:
                continue
            if axes:
                m, before = axes[-1]
                b = before[-1]
                whole = all(p.strides[b] == p.strides[a] * n for p in self.places)
                alike = all((a in r.axes) == (b in r.axes) for r in reduces)
                if whole and alike and not {a, b} & fixed:
                    axes[-1] = (m * n, [*before, a])
                    continue
            axes.append((n, [a]))
        if len(axes) > 1:
            sizes = [math.prod(n for n, s in zip(loop.shape, p.strides, strict=True) if s) for p in self.places]
            score = [
                sum(size for size, p in zip(sizes, self.places, strict=True) if abs(p.strides[each[-1]]) == 1)
                for _, each in axes
            ]
            best = max(range(len(axes)), key=lambda k: (score[k], k))
            axes.append(axes.pop(best))
        return [(n, tuple(each), each) for n, each in axes]

    def _index(self, place: Place) -> str:
        terms = []
        for k, (_, each, _) in enumerate(self.axes):
            stride = place.strides[each[-1]]
            if stride:
                terms.append(f"i{k}" if stride == 1 else f"{stride} * i{k}")
        return " + ".join(terms) or "0"

    def _pointer(self, place: Place) -> str:
        return f"p{self.places[place]}"

    def write(self) -> tuple[list[str], list[str]]:
        """Return lines, with @k@ for address k, and the addresses."""
        loop = self.loop
        keys = list(dict.fromkeys(p.key for p in self.places))
        lines = [f"# {note}" for note in dict.fromkeys(s.note for s in loop.statements)]
        for place, k in self.places.items():
            lines.append(f'p{k} = at(@{k}@, "{place.dtype}", @loop@, {keys.index(place.key)}, {len(keys)})')
        constant = [x for x, p in self.reading.items() if not any(p.strides)]
        lines += [self._load(x) for x in constant]
        reduces = [s for s in loop.statements if isinstance(s, Reduce)]
        depth = len(self.axes)
        flags = {r: [each[-1] in r.axes for _, each, _ in self.axes] for r in reduces}
        start: dict[Reduce, int] = {}  # level at which a total is begun; none for those that are kept in memory
        blocks: dict[int, list[tuple[int, Reduce]]] = {}
        for r in reduces:
            inside = flags[r]
            q = depth
            while q and inside[q - 1]:
                q -= 1
            if not any(inside[:q]) and (q < depth or not depth):
                start[r] = q
            else:
                n = math.prod(r.out.shape)
                p = self._pointer(self.writing[r])
                low = f"{CAST[r.out.dtype.name]}({LOWEST[r.kind]})"
                lines += [f"for i0 in range({n}):", f"    {p}[i0] = {low}"]
                if r in self.wide:
                    lines.append(f"    {self._pointer(self.wide[r])}[i0] = 0.0")
                    self.source._pool.give(int(self.wide[r].key[1]))
                    if not inside[-1]:
                        level, step = self._blocks(r)
                        blocks.setdefault(level, []).append((step, r))
        inner_n = self.axes[-1][0] if depth else 1
        long = inner_n > BLOCK and any(r.kind == "sum" and flags[r][-1] for r in (*start, *self.wide))
        blocked = depth > 0 and (long or (self.shared and depth == 1 and bool(start)))  # then there are totals
        pad = ""
        after: list[list[str]] = []
        for level in range(depth + 1):
            closing: list[str] = []
            for r in reduces:
                if start.get(r) == level and (level < depth - 1 or blocked) and level < depth:
                    wide = "f64" if r.kind == "sum" else CAST[r.out.dtype.name]
                    lines.append(f"{pad}u{r.out.number} = {wide}({LOWEST[r.kind]})")
                    place = self.writing[r]
                    target, cast = f"{self._pointer(place)}[{self._index(place)}]", CAST[r.out.dtype.name]
                    if self.shared and not level:
                        target, cast = self._total(r), "f64"
                    closing.append(f"{pad}{target} = {cast}(u{r.out.number})")
            if level == depth:
                break
            if level == depth - 1:  # the innermost
                if blocked:
                    low, high = self._range(level)
                    lines.append(f"{pad}for j in range({low}, {high}, {BLOCK}):")
                    pad += "    "
                    after.append([])
                for r in reduces:
                    if flags[r][level]:
                        lines.append(f"{pad}r{r.out.number} = {CAST[r.out.dtype.name]}({LOWEST[r.kind]})")
                ending = []
                for r in reduces:
                    if not flags[r][level]:
                        continue
                    place = self.writing[r]
                    target = f"{self._pointer(place)}[{self._index(place)}]"
                    if r in self.wide:
                        t = f"{self._pointer(self.wide[r])}[{self._index(place)}]"
                        ending.append(f"{pad}{t} = {t} + f64(r{r.out.number})")
                    elif r not in start:
                        ending.append(f"{pad}{target} = {COMBINE[r.kind]}({target}, r{r.out.number})")
                    elif start[r] < depth - 1 or blocked:
                        t = f"u{r.out.number}"
                        ending.append(
                            f"{pad}{t} = {t} + f64(r{r.out.number})"
                            if r.kind == "sum"
                            else f"{pad}{t} = {COMBINE[r.kind]}({t}, r{r.out.number})"
                        )
                    else:
                        ending.append(f"{pad}{target} = r{r.out.number}")
                low, high = self._range(level)
                if blocked:
                    low, high = "j", f"min(j + {BLOCK}, {high})"
                lines.append(f"{pad}for i{level} in {ranged(low, high)}:")
                if blocked:
                    after[-1] = closing
                    after.append(ending)
                else:
                    after.append(ending + closing)
            elif level in blocks:
                step, (low, high) = min(step for step, _ in blocks[level]), self._range(level)
                lines.append(f"{pad}for j{level} in range({low}, {high}, {step}):")
                after.append(closing)
                pad += "    "
                lines.append(f"{pad}for i{level} in range(j{level}, min(j{level} + {step}, {high})):")
                after.append([x for _, r in blocks[level] for x in self._flush(r, level, pad)])
            else:
                lines.append(f"{pad}for i{level} in {ranged(*self._range(level))}:")
                after.append(closing)
            pad += "    "
        lines += [pad + x for x in self._body(constant, start, flags, depth)]
        while after:
            ending = after.pop()
            lines += ending
        for r, wide in self.wide.items():
            p = self._pointer(self.writing[r])
            lines += [f"for i0 in range({math.prod(r.out.shape)}):", f"    {p}[i0] = f32({self._pointer(wide)}[i0])"]
        return lines, [p.address for p in self.places]

    def _range(self, level: int) -> tuple[str, str]:
        """Return where an axis of the nest begins and ends, for one of several threads if they share the loop."""
        n = self.axes[level][0]
        return (f"{n} * part // parts", f"{n} * (part + 1) // parts") if self.shared and not level else ("0", f"{n}")

    def _load(self, x: Slot) -> str:
        place = self.reading[x]
        text = f"{self._pointer(place)}[{self._index(place)}]"
        if place.dtype != x.dtype.name:
            text = f"{text} != 0" if x.dtype == bool else f"{CAST[x.dtype.name]}({text})"
        return f"x{x.number} = {text}"

    def _operand(self, x: Slot | Index, s: Map, position: int) -> str:
        if isinstance(x, Index):
            for k, (_, each, _) in enumerate(self.axes):
                if x.axis in each:
                    return f"i{k}"
            return "0"
        data = self._constant(x)
        dtype = s.dtype
        if data is not None:
            return literal(data, dtype if position not in s.raw else x.dtype)
        text = f"x{x.number}"
        if position in s.raw or x.dtype == dtype:
            return text
        cast = CAST.get(dtype.name)
        if cast is None:
            return f"({text} != 0)"
        if x.dtype == bool:
            return f"select({text}, {cast}(1), {cast}(0))"
        return f"{cast}({text})"

    def _constant(self, x: Slot) -> Any:
        source = x.root.source
        if source is not None and source[0] == "c" and not x.root.shape:
            return self.source.lowered.constants[source[1]]
        return None

    def _body(self, constant: list[Slot], start: Any, flags: Any, depth: int) -> list[str]:
        lines = [self._load(x) for x in self.reading if x not in constant]  # before anything is written over
        for s in self.loop.statements:
            if isinstance(s, Map):
                out = s.out
                text = s.text.format(*[self._operand(x, s, k) for k, x in enumerate(s.operands)])
                cast = CAST.get(out.dtype.name)
                if cast in ("i32", "i64") or not s.operands or (cast and out.dtype != s.dtype):
                    text = f"{cast}({text})"
                if s.text == "{0}" and out.root is not out and s in self.writing:
                    name = text
                else:
                    name = f"x{out.number}"
                    lines.append(f"{name} = {text}")
                if s in self.writing:
                    place = self.writing[s]
                    lines.append(f"{self._pointer(place)}[{self._index(place)}] = {name}")
                continue
            name = f"x{s.operand.number}"
            data = self._constant(s.operand)
            if data is not None:
                name = literal(data, s.operand.dtype)
            combine = COMBINE[s.kind]
            if depth and flags[s][depth - 1]:
                lines.append(f"r{s.out.number} = {combine}(r{s.out.number}, {name})")
            elif s in start:  # a single element
                place = self.writing[s]
                lines.append(f"{self._pointer(place)}[{self._index(place)}] = {name}")
            else:
                place = self.writing[s]
                target = f"{self._pointer(place)}[{self._index(place)}]"
                lines.append(f"{target} = {combine}({target}, {name})")
        return lines


def ranged(low: str, high: str) -> str:
    return f"range({high})" if low == "0" else f"range({low}, {high})"


def literal(data: Any, dtype: np.dtype) -> str:
    """Return a constant as text."""
    x = np.asarray(data).item()
    if dtype.kind == "b":
        return repr(bool(x))
    cast = CAST[dtype.name]
    if isinstance(x, float) and not math.isfinite(x):
        text = "math.nan" if x != x else "math.inf" if x > 0 else "-math.inf"
    else:
        text = repr(x)
    return f"{cast}({text})"

"""Ops as statements: what each op is, element by element, in native code.

`LOWERINGS` has a rule for each op with a native form. A rule returns False where it has none for these operands:
the op's own function is called then, from Python.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .fusion import Call, Index, Map, Python, Reduce, Schedule, Slot
from .passes import is_root_of_sum, is_term, terms
from .program import Instruction, Program, Variable

__all__ = ["DTYPES", "LOWERINGS", "Lowered", "described", "lower"]

DTYPES = ("float32", "float64", "int64", "int32", "bool")
"""Of what native code computes with."""


class Lowered:
    """A program as a schedule.

    Attributes:
        schedule: the items.
        slots: of variables; None for tuples, and for what only Python sees.
        python: instructions that are left to Python.
        checks: pairs (labels, number of classes) that have to fit.
        parts: the slots of results that are tuples.
        times: how often each variable is read.
        threads: that share large work.
    """

    def __init__(self, program: Program, threads: int = 1) -> None:
        self.program, self.threads = program, threads
        self.schedule = Schedule()
        self.slots: dict[Variable, Slot | None] = {}
        self.python: list[Instruction] = []
        self.constants: list[Any] = []
        self.checks: dict[tuple[Slot, int], None] = {}
        self.note = ""
        self.parts: dict[Variable, tuple[Slot, ...]] = {}
        self._same: dict[Any, Slot] = {}
        self._outside: set[Variable] = set()
        for kind, variables in (("a", program.arguments), ("s", program.states), ("h", program.hosts)):
            for i, v in enumerate(variables):
                if v is not None:
                    self._given(v, (kind, i))
        self.times = {v: len(readers) for v, readers in program.uses().items()}
        self._sums, within = sums_of_products(program)
        self._unpoolings = unpoolings(program)
        within = within.union(*[inner for *_, inner in self._unpoolings.values()])
        late = self._updates(within.union(self._sums, self._unpoolings))
        for instruction in program.instructions:
            if instruction not in late and instruction not in within:
                self._lower(instruction)
        for group in connected([i for i in program.instructions if i in late]):
            self.schedule.begin_final()  # each parameter has loops of its own: they are alike, and threads share them
            for instruction in group:
                self._lower(instruction)

    def _given(self, v: Variable, source: tuple[str, int] | None) -> None:
        shape: Any = v.shape
        ok = v.shape is not None and v.dtype.name in DTYPES and v.dtype.isnative and 0 not in shape
        self.slots[v] = self.schedule.slot(shape, v.dtype, weak=v.python, source=source) if ok else None

    def _updates(self, early: set[Instruction]) -> set[Instruction]:
        """Return the instructions of which only what is assigned depends, elementwise: they can wait until the end."""
        program = self.program
        needed = {*program.outputs, *program.checks}
        written = {v for _, v in program.writes}
        late: set[Instruction] = set()
        for instruction in reversed(program.instructions):
            v = instruction.out
            can_wait = instruction.op.name in ELEMENTWISE and v.shape and v not in needed and instruction not in early
            if can_wait and (v in written or v in self._outside):
                late.add(instruction)
                self._outside.update(x for x in instruction.args if x not in needed)
            else:
                needed.update(instruction.args)
        return {i for i in late if i.out not in needed}

    def of(self, v: Variable) -> Slot | None:
        """Return the slot of a variable."""
        if v not in self.slots:
            if v.kind == "constant":
                self._constant(v)
            else:
                self.slots[v] = None
        return self.slots[v]

    def _constant(self, v: Variable) -> None:
        """Give a constant a slot; if all its elements are equal it is a single number."""
        self.constants.append(v.data)
        source = ("c", len(self.constants) - 1)
        data = np.asarray(v.data)
        if data.ndim and data.size and data.dtype.name in DTYPES and is_uniform(data):
            self.constants[-1] = data.reshape(-1)[:1].reshape(())
            number = self.schedule.slot((), data.dtype, source=source)
            self.slots[v] = self.view(number, np.broadcast_to(number.view, data.shape))
        else:
            self._given(v, source)

    def _lower(self, instruction: Instruction) -> None:
        op, v = instruction.op, instruction.out
        self.note = described(instruction)
        rule = None if instruction.foreign else LOWERINGS.get(op.name)
        if instruction in self._sums:
            self.slots[v] = self.sum_of_products(*self._sums[instruction])
            return
        if instruction in self._unpoolings:
            g, x, _ = self._unpoolings[instruction]
            self.slots[v] = unpool(self, instruction, self.of(g), self.of(x))
            return
        if op.name == "item" and instruction.args[0] in self.parts:
            self.slots[v] = self.parts[instruction.args[0]][instruction.attrs["index"]]
            return
        args = [self.of(x) for x in instruction.args]
        known = op.name in TUPLES or (v.shape is not None and v.dtype.name in DTYPES and 0 not in v.shape)
        fits = known and None not in args
        if rule is not None and fits and not self._integer_numbers(instruction):
            found = rule(self, instruction, *args)
            if isinstance(found, Slot):
                self.slots[v] = found
            if found:
                return
        self._python(instruction)

    def _integer_numbers(self, instruction: Instruction) -> bool:
        """Is it about Python integers, which have no largest number, and not about floats?"""
        v = instruction.out
        if v.python and v.dtype.kind in "iub":
            return True
        numbers = any(x.python and x.dtype.kind in "iu" for x in instruction.args)
        return numbers and any(x.dtype.name == "int32" for x in instruction.args)

    def _python(self, instruction: Instruction) -> None:
        v = instruction.out
        self.python.append(instruction)
        if v.shape is not None:
            self._given(v, None)
        slot = self.slots.get(v)
        reads = [s for x in instruction.args if (s := self.of(x)) is not None]
        self.schedule.add(Python(instruction, reads, [] if slot is None else [slot]))

    # what rules are made of

    def slot(self, shape: Sequence[int], dtype: Any, *, weak: bool = False) -> Slot:
        """Return a new slot."""
        return self.schedule.slot(shape, dtype, weak=weak)

    def map(
        self,
        text: str,
        *operands: Slot | Index,
        shape: Sequence[int],
        dtype: Any,
        of: Any = None,
        weak: bool = False,
        raw: tuple[int, ...] = (),
    ) -> Slot:
        """Return a slot for an expression of each element; the same one if it was asked for before.

        Args:
            text: the expression, with {0}, {1}, … for the operands.
            *operands: slots, broadcast to the shape, and `Index`.
            shape: of the result.
            dtype: of the result.
            of: dtype to which operands are converted; that of the result if None.
            weak: is it a Python number?
            raw: positions of operands that are not converted.
        """
        names = tuple(x.axis if isinstance(x, Index) else x for x in operands)
        key = (text, names, tuple(shape), np.dtype(dtype), of, weak)
        if key not in self._same:
            out = self._same[key] = self.slot(shape, dtype, weak=weak)
            self.schedule.join(Map(out, text, operands, dtype if of is None else of, self.note, raw))
        return self._same[key]

    def put(self, out: Slot, text: str, *operands: Slot | Index) -> None:
        """Write an expression into a slot, such as a part of another one."""
        self.schedule.join(Map(out, text, operands, out.dtype, self.note))

    def view(self, x: Slot, view: np.ndarray) -> Slot:
        """Return a view of a slot, from the same view of its array."""
        return self.schedule.slot(view.shape, view.dtype, weak=x.weak, view=view, root=x.root)

    def reduce(self, kind: str, x: Slot, axes: Sequence[int], *, keepdims: bool = False) -> Slot:
        """Return the sums, maxima or minima over axes."""
        axes = tuple(sorted(axes))
        key = (kind, x, axes)
        if key not in self._same:
            shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
            out = self._same[key] = self.slot(shape, x.dtype)
            self.schedule.join(Reduce(out, kind, x, axes, self.note))
        out = self._same[key]
        if keepdims:
            return out
        return self.reshaped(out, [n for a, n in enumerate(x.shape) if a not in axes])

    def reshaped(self, x: Slot, shape: Sequence[int]) -> Slot:
        """Return a slot in another shape: a view, or a copy where that is impossible."""
        if tuple(shape) == x.shape:
            return x
        if not x.root.shape and x.root.source is not None:
            return self.map("{0}", x, shape=shape, dtype=x.dtype)
        view = x.view.reshape(shape)
        if not np.may_share_memory(view, x.view):
            x = self.copied(x)
            view = x.view.reshape(shape)
        return self.view(x, view)

    def copied(self, x: Slot) -> Slot:
        """Return a slot with memory of its own, in C order."""
        return self.map("{0}", x, shape=x.shape, dtype=x.dtype)

    def product(self, x: Slot, y: Slot, out: Slot) -> None:
        """Multiply matrices of two axes into a slot in C order."""
        (m, k), n = x.shape, y.shape[1]
        x, transposed_x, step_x = self.matrix(x)
        y, transposed_y, step_y = self.matrix(y)
        letter = "s" if out.dtype == np.float32 else "d"
        right = n == 1 and y.view.flags.c_contiguous
        if right or m == 1 and x.view.flags.c_contiguous:
            matrix, vector, step = (x, y, step_x) if right else (y, x, step_y)
            outputs, sums = (m, transposed_x == "t") if right else (n, transposed_y == "n")
            self.vector_product(letter, matrix, vector, out, (outputs, k), step, sums=sums)
            return
        size = out.dtype.itemsize
        pieces = pieces_of(m, n, k)
        width = n // pieces
        step = size * width * (1 if transposed_y == "n" else step_y)
        operands = ["{1}", "{0}", "{2}"]
        if pieces > 1:
            operands = [f"{{1}} + {step} * j", "{0}", f"{{2}} + {size * width} * j"]
        line = (
            f'gemm("{letter}", "{transposed_y}", "{transposed_x}", {width}, {m}, {k}, {operands[0]}, {step_y}, '
            f"{operands[1]}, {step_x}, 0.0, {operands[2]}, {max(n, 1)})"
        )
        lines = [line] if pieces == 1 else [f"for j in range({pieces}):", f"    {line}"]
        self.call(lines, [x, y], [out])

    def vector_product(
        self, letter: str, matrix: Slot, x: Slot, out: Slot, sizes: tuple[int, int], step: int, *, sums: bool
    ) -> None:
        """Multiply a matrix and a vector of (outputs, products); threads share the rows in memory.

        To BLAS, which counts by columns, a matrix in C order is its transpose.

        Args:
            letter: "s" or "d".
            matrix: first operand of the call.
            x: the vector.
            out: the result.
            sizes: numbers of outputs, and of products in each.
            step: from one row in memory to the next.
            sums: is each row multiplied by a number, and all of them added? Else each row gives one output.
        """
        outputs, products = sizes
        columns, units = (outputs, products) if sums else (products, outputs)
        shared = self.shares(outputs * products, units)
        parts = self.slot((self.threads, outputs), out.dtype) if shared and sums else out
        size = out.dtype.itemsize
        steps = [size * step, size * sums, 0 if sums else size]
        operands = [moved(k, n) if shared else f"{{{k}}}" for k, n in enumerate(steps)]
        if parts is not out:
            operands[2] = f"{{2}} + {size * outputs} * {{part}}"
        line = (
            f'gemv("{letter}", "{"n" if sums else "t"}", {columns}, {{count}}, {operands[0]}, {step}, '
            f"{operands[1]}, {operands[2]})"
        )
        self.call([line], [matrix, x], [parts], units=units, shared=shared)
        if parts is not out:
            self.total(parts, out)

    def shares(self, work: int, units: int) -> bool:
        """Do threads share a call that multiplies so often, in so many units that can be done apart?"""
        return units >= self.threads > 1 and work >= LEAST_SHARED

    def call(
        self,
        lines: Sequence[str],
        reads: Sequence[Slot],
        writes: Sequence[Slot],
        *,
        units: int = 1,
        shared: bool = False,
    ) -> None:
        """Add a call of a native function."""
        self.schedule.add(Call(lines, reads, writes, self.note, units=units, shared=shared))

    def total(self, parts: Slot, out: Slot) -> None:
        """Add up what each thread has summed."""
        each = [self.view(parts, part.reshape(out.shape)) for part in parts.view]
        self.put(out, " + ".join(f"{{{k}}}" for k in range(len(each))), *each)

    def sum_of_products(self, products: list[Instruction], others: list[Variable]) -> Slot:
        """Return a sum of products of matrices as one product of longer ones, and what else is added."""
        xs: list[Any] = [self.of(i.args[0]) for i in products]
        ys: list[Any] = [self.of(i.args[1]) for i in products]
        m, n, dtype = xs[0].shape[0], ys[0].shape[1], xs[0].dtype
        k = sum(x.shape[1] for x in xs)
        left, right = self.slot((k, m), dtype), self.slot((k, n), dtype)
        at = 0
        for x, y in zip(xs, ys, strict=True):
            part = slice(at, at + x.shape[1])
            self.gather(self.view(x, x.view.T), left, left.view[part])
            self.gather(y, right, right.view[part])
            at += x.shape[1]
        out = self.slot((m, n), dtype)
        self.product(self.view(left, left.view.T), right, out)
        for v in others:
            x: Any = self.of(v)
            out = self.map("{0} + {1}", out, x, shape=out.shape, dtype=dtype)
        return out

    def gather(self, x: Slot, whole: Slot, part: np.ndarray) -> None:
        """Bring the elements of a slot into a part of another one: they are made there, or copied."""
        root = x.root
        wanted = {s.root for v in self.program.wanted() if (s := self.slots.get(v)) is not None}
        alone = x.whole and x.view.flags.c_contiguous and root.source is None and root not in wanted
        if not (alone and self.schedule.move(root, whole, part)):
            self.put(self.view(whole, part), "{0}", x)

    def matrix(self, x: Slot) -> tuple[Slot, str, int]:
        """Return a matrix as BLAS takes it, whether it is transposed, and its leading dimension."""
        if not x.root.shape:  # a single number, which lies in the workspace as a float64
            x = self.copied(x)
        size = x.dtype.itemsize
        (m, n), (a, b) = x.shape, (s // size for s in x.view.strides)
        if (b == 1 or n == 1) and (a >= n or m == 1):
            return x, "n", max(a if m > 1 else n, n, 1)
        if (a == 1 or m == 1) and (b >= m or n == 1):
            return x, "t", max(b if n > 1 else m, m, 1)
        return self.copied(x), "n", n


def connected(instructions: list[Instruction]) -> list[list[Instruction]]:
    """Return instructions in groups: none reads what another group computes."""
    group = {i.out: [i] for i in instructions}
    for i in instructions:
        for v in i.args:
            mine, other = group[i.out], group.get(v)
            if other is not None and other is not mine:
                other += mine
                group.update((j.out, other) for j in mine)
    place = {i: k for k, i in enumerate(instructions)}
    return [sorted(found, key=place.__getitem__) for found in {id(g): g for g in group.values()}.values()]


def is_uniform(data: np.ndarray) -> bool:
    """Are all elements the same, also the signs of zeros?"""
    first = data.flat[0]
    return bool((data == first).all()) and (data.dtype.kind != "f" or (np.signbit(data) == np.signbit(first)).all())


def sums_of_products(program: Program) -> tuple[dict[Instruction, Any], set[Instruction]]:
    """Return sums of products of matrices, as of the steps of a recurrent network, and the instructions within."""
    uses = program.uses()
    found: dict[Instruction, Any] = {}
    within: set[Instruction] = set()
    for root in program.instructions:
        if not is_root_of_sum(root, uses) or root.out.dtype.name not in FLOATS:
            continue
        products, others = [], []
        for v in terms(root, uses):
            product = v.kind == "result" and v.source.op.name == "matmul" and len(uses[v]) == 1
            product = product and v.shape == root.out.shape
            if product and all(len(x.shape) == 2 and 0 not in x.shape and x.dtype == v.dtype for x in v.source.args):
                products.append(v.source)
            else:
                others.append(v)
        plain = all(v.shape == root.out.shape and v.dtype == root.out.dtype for v in others)
        if len(products) >= LEAST_PRODUCTS and len(others) <= 1 and plain:
            found[root] = products, others
            within.update(products)
            within.update(inner_sums(root, uses))
    return found, within


LEAST_PRODUCTS = 4


def inner_sums(root: Instruction, uses: dict[Variable, list[Any]]) -> list[Instruction]:
    """Return the sums within a sum."""
    found: list[Instruction] = []
    waiting = list(root.args)
    while waiting:
        v = waiting.pop()
        inner = v.source if v.kind == "result" else None
        if inner is not None and inner.op.name == "add" and is_term(v, uses):
            found.append(inner)
            waiting += inner.args
    return found


def moved(k: int, step: int) -> str:
    """Return operand k of a call, moved on by so many bytes for each unit that comes before."""
    return f"{{{k}}} + {step} * {{first}}" if step else f"{{{k}}}"


LEAST_SHARED = 1 << 21
"""Multiplications of the smallest call that threads share: handing a part over takes some 20 µs."""
SMALL = 1_000_000
"""Multiplications up to which OpenBLAS has kernels for processors with AVX-512 that need not copy the operands."""
MOST_PIECES = 16


def pieces_of(m: int, n: int, k: int) -> int:
    """Return into how many pieces of columns a product (m, k) (k, n) is cut, so that each counts as small to BLAS.

    A product of (32, 128) and (128, 512) takes 58 µs whole and 36 µs in four pieces.
    """
    if m * n * k <= SMALL or m * n * k > MOST_PIECES * SMALL or not wide_vectors():
        return 1
    fitting = [p for p in range(2, MOST_PIECES + 1) if n % p == 0 and n // p >= 16 and m * k * (n // p) <= SMALL]
    return min(fitting, default=1)


@functools.cache
def wide_vectors() -> bool:
    """Has the processor AVX-512?"""
    try:
        return bool(importlib.import_module("llvmlite.binding").get_host_cpu_features().get("avx512f", False))
    except (ImportError, RuntimeError):
        return False


Rule = Callable[..., Any]
LOWERINGS: dict[str, Rule] = {}
"""A rule for each op: given what is lowered, the instruction and its operands, it returns the slot of the result, True
if it has taken care of it, False if it has no form."""
ELEMENTWISE: set[str] = set()
TUPLES = ("lstm_gates", "gru_gates")


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule."""

    def register(f: Rule) -> Rule:
        LOWERINGS.update(dict.fromkeys(names, f))
        return f

    return register


def described(instruction: Instruction) -> str:
    """Return an instruction and its scope on one line."""
    text = repr(instruction) + (f"   ({instruction.scope})" if instruction.scope else "")
    return text.replace("\n", " ")


def lower(program: Program, threads: int = 1) -> Lowered:
    """Return a program as a schedule for so many threads."""
    return Lowered(program, threads)


# --- elementwise ------------------------------------------------------------------------------------------------------

FLOATS = ("float32", "float64")


def elementwise(name: str, text: str, *, floats: bool = True, result: str = "") -> None:
    """Register an op whose elements are an expression of those of its operands.

    Args:
        name: of the op.
        text: the expression; {f} stands for the suffix of functions of the dtype, such as f32.
        floats: for floats only?
        result: "bool" for comparisons, whose operands are converted to their common dtype.
    """

    def apply(b: Lowered, i: Instruction, *args: Slot) -> Any:
        v = i.out
        of = common(i.args) if result else v.dtype
        if of.name not in DTYPES or (floats and of.name not in FLOATS):
            return False
        written = text.replace("{f}", "f32" if of == np.float32 else "f64")
        return b.map(written, *args, shape=v.shape, dtype=v.dtype, of=of, weak=v.python)

    LOWERINGS[name] = apply
    ELEMENTWISE.add(name)


def common(variables: Sequence[Variable]) -> np.dtype:
    """Return the dtype in which NumPy compares variables."""
    return np.result_type(*[v.dtype.type(0).item() if v.python else v.dtype for v in variables])


for name, sign in {"add": "+", "subtract": "-", "mul": "*"}.items():
    elementwise(name, f"{{0}} {sign} {{1}}", floats=False)
plus, times = LOWERINGS["add"], LOWERINGS["mul"]


@rule("add")
def add(b: Lowered, i: Instruction, x: Slot, y: Slot) -> Any:
    """A sum; nothing is added where a constant is 0 throughout, as the gradient of what nobody used."""
    for v, other in zip(i.args, (y, x), strict=True):
        if v.kind == "constant" and v.shape and not np.any(v.data) and other.shape == i.out.shape:
            if other.dtype == i.out.dtype and not other.weak:
                return other
    if i.out.dtype == bool:
        return b.map("{0} | {1}", x, y, shape=i.out.shape, dtype=i.out.dtype)
    return plus(b, i, x, y)


@rule("mul")
def mul(b: Lowered, i: Instruction, x: Slot, y: Slot) -> Any:
    """A product."""
    if i.out.dtype == bool:
        return b.map("{0} & {1}", x, y, shape=i.out.shape, dtype=i.out.dtype)
    return times(b, i, x, y)


for name, sign in {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}.items():
    elementwise(name, f"{{0}} {sign} {{1}}", floats=False, result="bool")
for name, sign in {"equal": "==", "not_equal": "!="}.items():
    elementwise(name, f"{{0}} {sign} {{1}}", floats=False, result="bool")
for name, text in {
    "divide": "{0} / {1}",
    "reciprocal": "{f}(1.0) / {0}",
    "sqrt": "sqrt({0})",
    "exp": "exp_{f}({0})",
    "expm1": "expm1_{f}({0})",
    "log": "log_{f}({0})",
    "log1p": "log1p_{f}({0})",
    "tanh": "tanh_{f}({0})",
    "sigmoid": "{f}(1.0) / ({f}(1.0) + exp_bounded_{f}(-{0}))",
    "relu": "select({0} < {f}(0.0), {f}(0.0), {0})",
    "silu": "{0} / ({f}(1.0) + exp_bounded_{f}(-{0}))",
    "softplus": "maximum({0}, {f}(0.0)) + log1p_{f}(exp_{f}(-absolute({0})))",
    "log_sigmoid": "minimum({0}, {f}(0.0)) - log1p_{f}(exp_{f}(-absolute({0})))",
    "softsign": "{0} / ({f}(1.0) + absolute({0}))",
    "absolute": "absolute({0})",
    "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})",
    "clip": "minimum(maximum({0}, {1}), {2})",
    "sign": "select({0} > {f}(0.0), {f}(1.0), select({0} < {f}(0.0), {f}(-1.0), {0}))",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "trunc": "trunc({0})",
    "rint": "rint({0})",
    "copysign": "copysign({0}, {1})",
    "deg2rad": "{0} * {f}(0.017453292519943295)",
    "rad2deg": "{0} * {f}(57.29577951308232)",
}.items():
    elementwise(name, text)
for name in ("negative", "square", "positive"):
    elementwise(name, {"negative": "-{0}", "square": "{0} * {0}", "positive": "{0}"}[name], floats=name != "negative")


def logical(name: str, text: str) -> None:
    """Register an op on truth values."""

    def apply(b: Lowered, i: Instruction, *args: Slot) -> Any:
        if any(x.dtype != bool for x in args) or i.out.python:
            return False
        return b.map(text, *args, shape=i.out.shape, dtype=bool)

    LOWERINGS[name] = apply
    ELEMENTWISE.add(name)


for names, text in {
    ("logical_and", "bitwise_and"): "{0} and {1}",
    ("logical_or", "bitwise_or"): "{0} or {1}",
    ("logical_xor", "bitwise_xor"): "{0} != {1}",
    ("logical_not", "bitwise_not"): "not {0}",
}.items():
    for name in names:
        logical(name, text)
for name, text in {
    "isnan": "{0} != {0}",
    "isinf": "absolute({0}) == {f}(math.inf)",
    "isfinite": "absolute({0}) < {f}(math.inf)",
}.items():
    elementwise(name, text, result="bool")

ELEMENTWISE |= {"where", "power_of", "gelu", "leaky_relu", "elu", "cast"}


@rule("where")
def where(b: Lowered, i: Instruction, condition: Slot, x: Slot, y: Slot) -> Any:
    """x where a condition holds, else y."""
    v = i.out
    if condition.dtype != bool or v.python or v.dtype == bool:
        return False
    return b.map("select({0}, {1}, {2})", condition, x, y, shape=v.shape, dtype=v.dtype, raw=(0,))


@rule("cast")
def cast(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Other dtypes, as C converts numbers; not to truth values."""
    v = i.out
    if v.dtype == bool or (x.dtype.kind == "f" and v.dtype.kind != "f"):
        return False
    return b.map("{0}", x, shape=v.shape, dtype=v.dtype, weak=v.python)


def number(x: float, dtype: np.dtype) -> str:
    """Return a constant of a dtype as text."""
    return f"{'f32' if dtype == np.float32 else 'f64'}({x!r})"


@rule("power_of")
def power_of(b: Lowered, i: Instruction, x: Slot) -> Any:
    """A constant power: those that are products, quotients and roots."""
    v, n = i.out, i.attrs["exponent"]
    if v.dtype.name not in FLOATS or type(n) not in (int, float):
        return False
    text = {
        2: "{0} * {0}",
        3: "{0} * {0} * {0}",
        4: "({0} * {0}) * ({0} * {0})",
        1: "{0}",
        0.5: "sqrt({0})",
        -0.5: "select({0} == 0, inf, select({0} == -inf, 0, 1 / sqrt({0})))",
        -1: "1 / {0}",
        -2: "1 / ({0} * {0})",
    }.get(n)
    if text is None:
        return False
    f = "f32" if v.dtype == np.float32 else "f64"
    for plain, typed in {"1 /": f"{f}(1.0) /", "0,": f"{f}(0.0),", "inf": f"{f}(math.inf)"}.items():
        text = text.replace(plain, typed)
    return b.map(text, x, shape=v.shape, dtype=v.dtype, weak=v.python)


@rule("power")
def power(b: Lowered, i: Instruction, x: Slot, y: Slot) -> Any:
    """A power of single numbers, by the C library."""
    v = i.out
    if v.shape or v.dtype != np.float64:
        return False
    return b.map("math.pow({0}, {1})", x, y, shape=(), dtype=v.dtype, weak=v.python)


@rule("gelu")
def gelu(b: Lowered, i: Instruction, x: Slot) -> Any:
    """x s(u(x)), the approximation with tanh."""
    v = i.out
    if i.attrs["approximate"] != "tanh" or v.dtype.name not in FLOATS:
        return False
    f = "f32" if v.dtype == np.float32 else "f64"
    scale, cubic = number(2 * math.sqrt(2 / math.pi), v.dtype), number(0.044715, v.dtype)
    inner = f"{scale} * ({{0}} * ({f}(1.0) + {cubic} * ({{0}} * {{0}})))"
    return b.map(f"{{0}} / ({f}(1.0) + exp_bounded_{f}(-({inner})))", x, shape=v.shape, dtype=v.dtype, weak=v.python)


@rule("leaky_relu")
def leaky_relu(b: Lowered, i: Instruction, x: Slot) -> Any:
    """x, or a share of it below 0."""
    v = i.out
    if v.dtype.name not in FLOATS:
        return False
    slope = number(float(i.attrs["negative_slope"]), v.dtype)
    text = f"select({{0}} > {number(0.0, v.dtype)}, {{0}}, {slope} * {{0}})"
    return b.map(text, x, shape=v.shape, dtype=v.dtype, weak=v.python)


@rule("elu")
def elu(b: Lowered, i: Instruction, x: Slot) -> Any:
    """x, or α (exp(x) - 1) below 0."""
    v = i.out
    if v.dtype.name not in FLOATS:
        return False
    f = "f32" if v.dtype == np.float32 else "f64"
    zero, alpha = number(0.0, v.dtype), number(float(i.attrs["alpha"]), v.dtype)
    text = f"select({{0}} > {zero}, {{0}}, {alpha} * expm1_{f}(minimum({{0}}, {zero})))"
    return b.map(text, x, shape=v.shape, dtype=v.dtype, weak=v.python)


# --- views ------------------------------------------------------------------------------------------------------------


@rule(
    "transpose", "swapaxes", "moveaxis", "expand_dims", "squeeze", "matrix_transpose", "broadcast_to", "flip",
    "diagonal", "alias", "crop", "getitem", "rot90",
)  # fmt: skip
def view(b: Lowered, i: Instruction, x: Slot, *others: Slot) -> Any:
    """A view, as NumPy makes it."""
    if others or x.weak:
        return False
    if not x.root.shape:  # all elements are the same number
        return b.map("{0}", x, shape=i.out.shape, dtype=x.dtype)
    if i.op.name == "getitem":
        found = selected(x.view, i.attrs["key"])
    else:
        found = (np.broadcast_to if i.op.name == "broadcast_to" else i.op.forward)(x.view, **i.attrs)
    if not isinstance(found, np.ndarray) or not np.may_share_memory(found, x.view) or found.shape != i.out.shape:
        return False
    return b.view(x, found)


@rule("reshape")
def reshape(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Another shape, in C order."""
    return b.reshaped(x, i.out.shape) if i.attrs["order"] == "C" and not x.weak else False


@rule("copy")
def copy(b: Lowered, i: Instruction, x: Slot) -> Any:
    """The same elements in C order."""
    return b.copied(x) if not x.weak and x.dtype == i.out.dtype else False


@rule("concatenate", "stack")
def concatenate(b: Lowered, i: Instruction, *xs: Slot) -> Any:
    """Arrays one after the other: each is written where it belongs."""
    v, axis = i.out, i.attrs["axis"]
    if any(x.weak for x in xs) or axis is None:
        return False
    out = b.slot(v.shape, v.dtype)
    axis %= len(v.shape)
    before = (slice(None),) * axis
    at = 0
    for x in xs:
        if i.op.name == "stack":
            part = out.view[(*before, at, ...)]  # (an array, even of a single number)
            at += 1
        else:
            part = out.view[(*before, slice(at, at + x.shape[axis]))]
            at += x.shape[axis]
        b.put(b.view(out, part), "{0}", x)
    return out


@rule("place")
def place(b: Lowered, i: Instruction, x: Slot, *others: Slot) -> Any:
    """Zeros, but for a part."""
    v = i.out
    if others or x.dtype != v.dtype or v.python or x.weak:
        return False
    out = b.slot(v.shape, v.dtype)
    part = selected(out.view, i.attrs["key"])
    if part.shape != x.shape:
        return False
    b.put(out, "0")
    b.put(b.view(out, part), "{0}", x)
    return out


def selected(x: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    """Return the part of an array that a key of `getitem` without index arrays selects, as a view."""
    entries = [slice(*k) if isinstance(k, tuple) else ... if k == "..." else k for k in key]
    return x[tuple(entries) if ... in entries else (*entries, ...)]


# --- sums and what is built on them -----------------------------------------------------------------------------------


def axes_of(x: Slot, axis: Any) -> tuple[int, ...]:
    """Return axes as numbers that are not negative."""
    n = len(x.shape)
    if axis is None or not n:
        return tuple(range(n))
    return tuple(a % n for a in (axis if isinstance(axis, tuple) else (axis,)))


@rule("sum", "max", "min")
def reduction(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Sums, maxima, minima."""
    if x.weak or x.dtype != i.out.dtype or x.dtype.name not in FLOATS:
        return False
    axes = axes_of(x, i.attrs["axis"])
    if not axes:
        return x
    return b.reduce(i.op.name, x, axes, keepdims=i.attrs["keepdims"])


@rule("all", "any")
def verdict(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Is everything, or anything, true? The least, or the greatest, of ones and zeros."""
    axes = axes_of(x, i.attrs["axis"])
    if x.weak or i.out.dtype != bool or not axes:
        return False
    ones = b.map("select({0}, f32(1), f32(0))", x, shape=x.shape, dtype=np.float32, of=np.dtype(bool))
    found = b.reduce("min" if i.op.name == "all" else "max", ones, axes, keepdims=i.attrs["keepdims"])
    return b.map("{0} != f32(0)", found, shape=found.shape, dtype=bool, of=np.dtype(np.float32))


@rule("mean")
def mean(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Sums divided by how many there are."""
    if x.weak or x.dtype != i.out.dtype or x.dtype.name not in FLOATS:
        return False
    return average(b, x, axes_of(x, i.attrs["axis"]), keepdims=i.attrs["keepdims"])


def average(b: Lowered, x: Slot, axes: tuple[int, ...], *, keepdims: bool) -> Slot:
    """Return means over axes."""
    if not axes:
        return x
    n = math.prod(x.shape[a] for a in axes)
    total = b.reduce("sum", x, axes, keepdims=keepdims)
    return b.map(f"{{0}} / {number(float(n), x.dtype)}", total, shape=total.shape, dtype=x.dtype)


@rule("var", "std")
def var(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Mean squares of the distances from the mean."""
    if x.weak or x.dtype != i.out.dtype or x.dtype.name not in FLOATS:
        return False
    axes = axes_of(x, i.attrs["axis"])
    n = math.prod(x.shape[a] for a in axes) - i.attrs["ddof"]
    if not axes or n <= 0:
        return False
    center = average(b, x, axes, keepdims=True)
    squares = b.map("({0} - {1}) * ({0} - {1})", x, center, shape=x.shape, dtype=x.dtype)
    total = b.reduce("sum", squares, axes, keepdims=i.attrs["keepdims"])
    text = f"{{0}} / {number(float(n), x.dtype)}"
    return b.map(f"sqrt({text})" if i.op.name == "std" else text, total, shape=total.shape, dtype=x.dtype)


@rule("sum_to")
def sum_to(b: Lowered, i: Instruction, x: Slot) -> Any:
    """Sums over the axes along which something was broadcast."""
    shape = i.out.shape
    if x.weak or x.dtype != i.out.dtype or x.dtype.name not in FLOATS:
        return False
    extra = len(x.shape) - len(shape)
    axes = [*range(extra), *(extra + k for k, n in enumerate(shape) if n == 1 != x.shape[extra + k])]
    return b.reshaped(b.reduce("sum", x, axes, keepdims=True), shape) if axes else b.reshaped(x, shape)


def powers(b: Lowered, x: Slot, axes: tuple[int, ...]) -> tuple[Slot, Slot, Slot]:
    """Return x minus its maximum, exp of it, and the sums of that."""
    f = "f32" if x.dtype == np.float32 else "f64"
    top = b.reduce("max", x, axes, keepdims=True)
    shifted = b.map("{0} - {1}", x, top, shape=x.shape, dtype=x.dtype)
    power = b.map(f"exp_{f}({{0}})", shifted, shape=x.shape, dtype=x.dtype)
    return shifted, power, b.reduce("sum", power, axes, keepdims=True)


@rule("softmax")
def softmax(b: Lowered, i: Instruction, x: Slot) -> Any:
    """exp(x) / Σ exp(x)."""
    if x.weak or x.dtype != i.out.dtype or x.dtype.name not in FLOATS or not x.shape:
        return False
    _, power, total = powers(b, x, axes_of(x, i.attrs["axis"]))
    return b.map("{0} / {1}", power, total, shape=x.shape, dtype=x.dtype)


@rule("log_softmax")
def log_softmax(b: Lowered, i: Instruction, x: Slot) -> Any:
    """x - log Σ exp(x)."""
    if x.weak or x.dtype != i.out.dtype or x.dtype.name not in FLOATS or not x.shape:
        return False
    shifted, _, total = powers(b, x, axes_of(x, i.attrs["axis"]))
    f = "f32" if x.dtype == np.float32 else "f64"
    logs = b.map(f"log_{f}({{0}})", total, shape=total.shape, dtype=x.dtype)
    return b.map("{0} - {1}", shifted, logs, shape=x.shape, dtype=x.dtype)


def labelled(b: Lowered, x: Slot, labels: Slot) -> bool:
    """Are there labels for rows of numbers? They are checked before anything else is computed."""
    fits = len(x.shape) == 2 and labels.shape == x.shape[:1] and labels.dtype.name in ("int64", "int32")
    if not fits or x.dtype.name not in FLOATS or labels.source is None:
        return False
    b.checks[labels, x.shape[1]] = None
    return True


@rule("cross_entropy")
def cross_entropy(b: Lowered, i: Instruction, x: Slot, labels: Slot) -> Any:
    """log Σ exp(x) - x[label] of rows, or their mean or sum."""
    if x.dtype != i.out.dtype or not labelled(b, x, labels):
        return False
    f = "f32" if x.dtype == np.float32 else "f64"
    shifted, _, total = powers(b, x, (1,))
    column = b.view(labels, labels.view[:, None])
    text = f"select({{1}} == {{2}}, {{0}}, {f}(0.0))"
    at_label = b.map(text, shifted, Index(1), column, shape=x.shape, dtype=x.dtype, raw=(1, 2))
    picked = b.reduce("sum", at_label, (1,), keepdims=True)
    losses = b.map(f"log_{f}({{0}}) - {{1}}", total, picked, shape=total.shape, dtype=x.dtype)
    if i.attrs["reduction"] == "none":
        return b.reshaped(losses, i.out.shape)
    if i.attrs["reduction"] == "mean":
        return average(b, losses, (0, 1), keepdims=False)
    return b.reduce("sum", losses, (0, 1))


@rule("softmax_minus_one_hot")
def softmax_minus_one_hot(b: Lowered, i: Instruction, x: Slot, labels: Slot) -> Any:
    """The derivative of `cross_entropy`."""
    if x.dtype != i.out.dtype or not labelled(b, x, labels):
        return False
    f = "f32" if x.dtype == np.float32 else "f64"
    _, power, total = powers(b, x, (1,))
    column = b.view(labels, labels.view[:, None])
    text = f"{{0}} / {{1}} - select({{2}} == {{3}}, {f}(1.0), {f}(0.0))"
    return b.map(text, power, total, Index(1), column, shape=x.shape, dtype=x.dtype, raw=(2, 3))


# --- products ---------------------------------------------------------------------------------------------------------


@rule("matmul")
def matmul(b: Lowered, i: Instruction, x: Slot, y: Slot) -> Any:
    """Products of matrices and vectors."""
    v = i.out
    if len({x.dtype, y.dtype, v.dtype}) > 1 or v.dtype.name not in FLOATS or not x.shape or not y.shape:
        return False
    if len(x.shape) == 1 == len(y.shape):
        return b.reduce("sum", b.map("{0} * {1}", x, y, shape=x.shape, dtype=v.dtype), (0,))
    rows = b.view(x, x.view[None]) if len(x.shape) == 1 else x
    columns = b.view(y, y.view[:, None]) if len(y.shape) == 1 else y
    if len(columns.shape) == 2 and not columns.view.flags.c_contiguous and b.times[i.args[1]] >= OFTEN:
        columns = b.copied(columns)  # once: kernels for transposed matrices are slower
    out = b.slot(matrix_shape(rows, columns), v.dtype)
    multiply(b, rows, columns, out)
    return b.reshaped(out, v.shape)


def matrix_shape(x: Slot, y: Slot) -> tuple[int, ...]:
    """Return the shape of a product."""
    return (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])


OFTEN = 8
"""Products with the same transposed matrix for which it is copied."""

"""Products of a batch that are called one by one."""


def multiply(b: Lowered, x: Slot, y: Slot, out: Slot) -> None:
    """Multiply stacks of matrices."""
    lead = out.shape[:-2]
    if not lead:
        b.product(x, y, out)
        return
    if len(y.shape) == 2 and x.view.flags.c_contiguous:  # one tall matrix
        m, k, n = math.prod(x.shape[:-1]), x.shape[-1], y.shape[-1]
        b.product(b.reshaped(x, (m, k)), y, b.view(out, out.view.reshape(m, n)))
        return
    xs = np.broadcast_to(x.view, (*lead, *x.shape[-2:]))
    ys = np.broadcast_to(y.view, (*lead, *y.shape[-2:]))
    for at in np.ndindex(*lead):
        b.product(b.view(x, xs[at]), b.view(y, ys[at]), b.view(out, out.view[at]))


@rule("linear")
def linear(b: Lowered, i: Instruction, x: Slot, y: Slot, bias: Slot) -> Any:
    """A product and a bias."""
    v = i.out
    if len({x.dtype, y.dtype, bias.dtype, v.dtype}) > 1 or v.dtype.name not in FLOATS:
        return False
    if len(x.shape) < 2 or len(y.shape) != 2:
        return False
    out = b.slot(v.shape, v.dtype)
    multiply(b, x, y, out)
    return b.map("{0} + {1}", out, bias, shape=v.shape, dtype=v.dtype)


@rule("dot", "inner", "vdot")
def dot(b: Lowered, i: Instruction, x: Slot, y: Slot) -> Any:
    """Of vectors."""
    v = i.out
    if len(x.shape) != 1 or len(y.shape) != 1 or len({x.dtype, y.dtype, v.dtype}) > 1 or v.dtype.name not in FLOATS:
        return False
    return b.reduce("sum", b.map("{0} * {1}", x, y, shape=x.shape, dtype=v.dtype), (0,))


@rule("outer")
def outer(b: Lowered, i: Instruction, x: Slot, y: Slot) -> Any:
    """Of vectors."""
    v = i.out
    if len(x.shape) != 1 or len(y.shape) != 1 or v.dtype.name not in FLOATS:
        return False
    return b.map("{0} * {1}", b.view(x, x.view[:, None]), y, shape=v.shape, dtype=v.dtype)


# --- recurrent cells --------------------------------------------------------------------------------------------------


def quarter(b: Lowered, x: Slot, k: int, n: int) -> Slot:
    """Return part k of the last axis, n wide."""
    return b.view(x, x.view[..., k * n : (k + 1) * n])


@rule("lstm_gates")
def lstm_gates(b: Lowered, i: Instruction, gates: Slot, c: Slot) -> Any:
    """σ, σ, tanh, σ of the quarters; c' = f c + i g; h = o tanh(c')."""
    if gates.dtype != c.dtype or c.dtype.name not in FLOATS or gates.shape[:-1] != c.shape[:-1]:
        return False
    n, f = c.shape[-1], "f32" if c.dtype == np.float32 else "f64"
    sigma, tanh = LOGISTIC.replace("{f}", f), f"tanh_{f}({{0}})"
    active = b.slot(gates.shape, gates.dtype)
    each = []
    for k, text in enumerate((sigma, sigma, tanh, sigma)):
        each.append(b.map(text, quarter(b, gates, k, n), shape=c.shape, dtype=c.dtype))
        b.put(quarter(b, active, k, n), "{0}", each[-1])
    new = b.map("{1} * {3} + {0} * {2}", *each[:3], c, shape=c.shape, dtype=c.dtype)
    h = b.map(f"{{0}} * tanh_{f}({{1}})", each[3], new, shape=c.shape, dtype=c.dtype)
    b.parts[i.out] = (h, new, active)
    return True


LOGISTIC = "{f}(1.0) / ({f}(1.0) + exp_bounded_{f}(-{0}))"


@rule("gru_gates")
def gru_gates(b: Lowered, i: Instruction, x: Slot, y: Slot, h: Slot) -> Any:
    """r, z = σ; n = tanh(x + r y); h' = n + z (h - n)."""
    if len({x.dtype, y.dtype, h.dtype}) > 1 or h.dtype.name not in FLOATS or x.shape != y.shape:
        return False
    if x.shape[:-1] != h.shape[:-1]:
        return False
    n, f = h.shape[-1], "f32" if h.dtype == np.float32 else "f64"
    active = b.slot(x.shape, x.dtype)
    gates = []
    for k in range(2):
        both = quarter(b, x, k, n), quarter(b, y, k, n)
        text = LOGISTIC.replace("{f}", f).replace("{0}", "({0} + {1})")
        gates.append(b.map(text, *both, shape=h.shape, dtype=h.dtype))
    both = quarter(b, x, 2, n), quarter(b, y, 2, n)
    gates.append(b.map(f"tanh_{f}({{0}} + {{2}} * {{1}})", *both, gates[0], shape=h.shape, dtype=h.dtype))
    for k, gate in enumerate(gates):
        b.put(quarter(b, active, k, n), "{0}", gate)
    new = b.map("{1} + {0} * ({2} - {1})", gates[1], gates[2], h, shape=h.shape, dtype=h.dtype)
    b.parts[i.out] = (new, active)
    return True


# --- windows ----------------------------------------------------------------------------------------------------------


def each_of_two(setting: Any) -> tuple[int, int]:
    """Return a setting for each of two axes."""
    return tuple(setting) if isinstance(setting, (tuple, list)) else (setting, setting)  # type: ignore[return-value]


def dense(b: Lowered, x: Slot) -> Slot:
    """Return a slot in C order."""
    return x if x.view.flags.c_contiguous and x.root.shape else b.copied(x)


def windows_of(i: Instruction, image: tuple[int, ...], filters: tuple[int, ...], out: tuple[int, ...]) -> str | None:
    """Return the sizes of a convolution of two spatial axes after the images; None if padding differs on two sides."""
    if len(image) != 4:
        return None
    padding = i.attrs["padding"]
    pairs = [p if isinstance(p, (tuple, list)) else (p, p) for p in each_of_two(padding)]
    if any(before != after for before, after in pairs):
        return None
    _, _, h, w = image
    strides, steps = each_of_two(i.attrs["stride"]), each_of_two(i.attrs["dilation"])
    numbers = (filters[1], h, w, filters[0], i.attrs["groups"], *filters[2:], *out, *strides, *steps)
    return ", ".join(map(str, (*numbers, *(p for p, _ in pairs))))


def convolve(
    b: Lowered, i: Instruction, x: Slot, y: Slot, image: tuple[int, ...], filters: tuple[int, ...], out: tuple[int, ...]
) -> Any:
    """Add the call of a convolution, or of an adjoint, of two slots: images one by one, which threads share."""
    v, sizes = i.out, windows_of(i, image, filters, out)
    if sizes is None or len({x.dtype, y.dtype, v.dtype}) > 1 or v.dtype.name not in FLOATS:
        return False
    room, n, size = math.prod(filters[1:]) * math.prod(out), image[0], v.dtype.itemsize
    sums = i.op.name == "conv_filters"
    shared = b.shares(n * room * filters[0], n)
    result, columns = b.slot(v.shape, v.dtype), b.slot((b.threads if shared else 1, room), v.dtype)
    parts = b.slot((b.threads, result.view.size), v.dtype) if shared and sums else result
    operands = dense(b, x), dense(b, y)
    each = ["{0}", "{1}", "{2}", "{3}"]
    if shared:
        steps = [size * math.prod(z.shape[1:]) for z in (*operands, result)]
        each = [moved(0, steps[0]), moved(1, steps[1] * sums), moved(2, steps[2])]
        each += [f"{{3}} + {size * room} * {{part}}"]
    if parts is not result:
        each[2] = f"{{2}} + {size * result.view.size} * {{part}}"
    line = f"{i.op.name}_{'s' if size == 4 else 'd'}({', '.join(each)}, {{count}}, {sizes})"
    b.call([line], operands, [parts, columns], units=n, shared=shared)
    if parts is not result:
        b.total(parts, result)
    return result


@rule("conv")
def conv(b: Lowered, i: Instruction, x: Slot, w: Slot) -> Any:
    """Columns of one image at a time, and a product."""
    return convolve(b, i, x, w, x.shape, w.shape, i.out.shape[2:])


@rule("conv_image")
def conv_image(b: Lowered, i: Instruction, g: Slot, w: Slot) -> Any:
    """The adjoint for the image."""
    return convolve(b, i, g, w, i.out.shape, w.shape, g.shape[2:])


@rule("conv_filters")
def conv_filters(b: Lowered, i: Instruction, x: Slot, g: Slot) -> Any:
    """The adjoint for the filters."""
    return convolve(b, i, x, g, x.shape, i.out.shape, g.shape[2:])


def planes(i: Instruction, x: Slot | Variable, windows: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return (planes, height, width, kernel, windows, strides) of pooling over two axes; None for other pooling."""
    kernel = i.attrs["kernel"]
    if len(kernel) != 2 or each_of_two(i.attrs["dilation"]) != (1, 1) or x.dtype.name not in FLOATS:
        return None
    return (math.prod(x.shape[:-2]), *x.shape[-2:], *kernel, *windows, *each_of_two(i.attrs["stride"]))


@rule("pool_max")
def pool_max(b: Lowered, i: Instruction, x: Slot) -> Any:
    """The largest element of each window."""
    sizes = planes(i, x, i.out.shape[-2:])
    if sizes is None or x.dtype != i.out.dtype:
        return False
    out = b.slot(i.out.shape, x.dtype)
    pool(b, "pool_max", [dense(b, x)], [out], sizes)
    return out


def pool(b: Lowered, name: str, reads: list[Slot], writes: list[Slot], sizes: tuple[int, ...]) -> None:
    """Add a call about windows of planes, one by one, which threads share."""
    n, *others = sizes
    slots = *reads, *writes
    shared = b.shares(4 * max(x.view.size for x in slots), n)
    each = [moved(k, x.nbytes // n) if shared else f"{{{k}}}" for k, x in enumerate(slots)]
    letter = "s" if writes[0].dtype == np.float32 else "d"
    line = f"{name}_{letter}({', '.join(each)}, {{count}}, {', '.join(map(str, others))})"
    b.call([line], reads, writes, units=n, shared=shared)


def unpoolings(program: Program) -> dict[Instruction, tuple[Variable, Variable, set[Instruction]]]:
    """Return the instructions that give cotangents back to maxima of windows, with g, x and what only they need.

    The derivative of `pool_max` is ``fold(spread(g) · pool_share(x))``: as one call, it needs no array of windows.
    """
    uses = program.uses()
    found: dict[Instruction, tuple[Variable, Variable, set[Instruction]]] = {}

    def made_by(v: Variable, name: str) -> Instruction | None:
        return v.source if v.kind == "result" and v.source.op.name == name and len(uses[v]) == 1 else None

    for instruction in program.instructions:
        if instruction.op.name != "fold" or any(np.ravel(instruction.attrs["padding"])):
            continue
        product = made_by(instruction.args[0], "mul")
        spread = product and made_by(product.args[0], "broadcast_to")
        share = product and made_by(product.args[1], "pool_share")
        wider = spread and made_by(spread.args[0], "expand_dims")
        if not (product and spread and share and wider):
            continue
        g, x = wider.args[0], share.args[0]
        same = all(share.attrs[key] == instruction.attrs[key] for key in ("kernel", "stride", "dilation"))
        shapes = g.shape + tuple(share.attrs["kernel"]) == spread.out.shape and x.shape == instruction.out.shape
        plain = g.dtype == x.dtype == instruction.out.dtype and 0 not in x.shape and 0 not in g.shape
        if same and shapes and plain and planes(share, x, g.shape[-2:]) is not None:
            found[instruction] = g, x, {product, spread, share, wider}
    return found


def unpool(b: Lowered, i: Instruction, g: Any, x: Any) -> Slot:
    """Add the call that gives cotangents to the largest elements of windows."""
    sizes: Any = planes(i, x, g.shape[-2:])
    n, h, w, kh, kw, oh, ow, sh, sw = sizes
    out = b.slot(x.shape, x.dtype)
    x, g = dense(b, x), dense(b, g)
    if (kh, kw, sh, sw, 2 * oh, 2 * ow) == (2, 2, 2, 2, h, w):
        pool(b, "unpool_max_22", [g, x], [out], (n, h, w))
        return out
    top = b.slot(g.shape, x.dtype)
    pool(b, "pool_max", [x], [top], sizes)
    pool(b, "unpool_max", [g, x, top], [out], sizes)
    return out

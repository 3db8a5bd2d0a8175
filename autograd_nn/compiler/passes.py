"""Passes over a program: each makes it shorter and leaves its results what they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import OPS
from .program import Instruction, Program, Variable

__all__ = ["cancel", "fold_constants", "join_places", "merge_duplicates", "prune", "simplify", "terms"]

SAME = frozenset(("alias", "positive"))
"""Ops that give their operand."""
IF_ALIKE = frozenset(("cast", "copy", "sum_to", "broadcast_to", "reshape"))
"""Ops that give their operand if it has the shape and dtype of the result."""
PACKAGE = __name__.partition(".")[0] + "."
INVERSE = {"negative": "negative", "conj": "conj", "matrix_transpose": "matrix_transpose"}
"""Ops that undo each other."""


def simplify(program: Program) -> Program:
    """Apply all passes, in place, and return the program."""
    cancel(program)
    fold_constants(program)
    merge_duplicates(program)
    cancel(program)
    join_places(program)
    prune(program)
    return program


def prune(program: Program) -> None:
    """Leave out what no output, assignment or check depends on."""
    needed = set(program.wanted())
    kept = []
    for instruction in reversed(program.instructions):
        if instruction.out in needed:
            needed.update(instruction.args)
            kept.append(instruction)
    program.instructions = kept[::-1]


def is_ours(instruction: Instruction) -> bool:
    """Is it an op of the library, which gives the same for the same operands? Those of others may draw, or print."""
    return instruction.op.module.startswith(PACKAGE)


def fold_constants(program: Program) -> None:
    """Compute now what depends on constants alone."""
    left = []
    for instruction in program.instructions:
        out = instruction.out
        known = instruction.args and all(v.kind == "constant" for v in instruction.args)
        if known and out.shape is not None and is_ours(instruction):
            with np.errstate(all="ignore"):
                out.data = instruction.op.compute(*[v.data for v in instruction.args], **instruction.attrs)
            out.kind = "constant"
        else:
            left.append(instruction)
    program.instructions = left


def merge_duplicates(program: Program) -> None:
    """Compute once what is the same op of the same operands."""
    found: dict[Any, Variable] = {}
    same = equal_constants(program)
    left = []
    for instruction in program.instructions:
        if same:
            instruction.args = tuple([same.get(v, v) for v in instruction.args])
        key = (instruction.op, instruction.args, settings(instruction))
        if key in found and is_ours(instruction):
            same[instruction.out] = found[key]
        else:
            found[key] = instruction.out
            left.append(instruction)
    program.instructions = left
    if same:
        program.replace(lambda v: same.get(v, v))


def join_places(program: Program) -> None:
    """Put rows together at once: a sum of arrays that are 0 but for one row each is a stack of the rows.

    So the gradient of an array whose rows were used one by one, as by a recurrent network, is not added up from as many
    arrays of its full size.
    """
    uses = program.uses()
    for instruction in program.instructions:
        if not is_root_of_sum(instruction, uses):
            continue
        leaves = terms(instruction, uses)
        rows: dict[int, Variable] = {}
        for leaf in leaves:
            before = leaf.source if leaf.kind == "result" else None
            if before is None or before.op.name != "place" or len(before.args) > 1:
                break
            key = before.attrs["key"]
            if len(key) != 1 or type(key[0]) is not int or key[0] in rows or not alike_rows(before, instruction.out):
                break
            rows[key[0]] = before.args[0]
        n = len(leaves)
        if len(rows) == n and n == instruction.out.shape[0] and {k % n for k in rows} == set(range(n)):
            order = sorted(rows, key=lambda k: k % n)
            instruction.op, instruction.attrs = OPS["stack"], {"axis": 0}
            instruction.args = tuple(rows[k] for k in order)


def alike_rows(place: Instruction, out: Variable) -> bool:
    row = place.args[0]
    return not row.python and row.shape == out.shape[1:] and row.dtype == out.dtype


def is_root_of_sum(instruction: Instruction, uses: dict[Variable, list[Any]]) -> bool:
    """Is it a sum of arrays that is no term of another one?"""
    v = instruction.out
    if instruction.op.name != "add" or not v.shape:
        return False
    return not is_term(v, uses)


def is_term(v: Variable, uses: dict[Variable, list[Any]]) -> bool:
    """Is a sum there for one other sum of the same shape alone?"""
    readers = uses.get(v, [])
    if len(readers) != 1 or readers[0] is None:
        return False
    return readers[0].op.name == "add" and readers[0].out.shape == v.shape and readers[0].out.dtype == v.dtype


def terms(root: Instruction, uses: dict[Variable, list[Any]]) -> list[Variable]:
    """Return the terms of a sum: what is added is a term if anybody else reads it, or if it is no sum."""
    found: list[Variable] = []
    waiting = list(root.args[::-1])
    while waiting:
        v = waiting.pop()
        inner = v.source if v.kind == "result" else None
        if inner is not None and inner.op.name == "add" and is_term(v, uses):
            waiting += inner.args[::-1]
        else:
            found.append(v)
    return found


def equal_constants(program: Program) -> dict[Variable, Variable]:
    """Return, for constants that are not too large, the first one of the same type, shape and bits."""
    first: dict[Any, Variable] = {}
    same: dict[Variable, Variable] = {}
    for v in dict.fromkeys(x for instruction in program.instructions for x in instruction.args):
        if v.kind == "constant" and v.shape is not None and (v.python or v.nbytes <= LARGEST):
            if type(v.data) is float:
                key: Any = v.data.hex()
            else:
                key = type(v.data), str(v.dtype), v.shape, np.asarray(v.data).tobytes()
            same[v] = first.setdefault(key, v)
    return same


LARGEST = 1 << 16
"""Bytes of constants that are compared."""


def settings(instruction: Instruction) -> Any:
    if not instruction.attrs:
        return ()
    return tuple((key, setting(value)) for key, value in sorted(instruction.attrs.items()))


def setting(x: Any) -> Any:
    """Return what tells a setting from others: what is not plain is only like itself."""
    if type(x) in (tuple, list):
        return type(x), tuple(map(setting, x))
    if type(x) is slice:
        return slice, setting((x.start, x.stop, x.step))
    return type(x), repr(x) if type(x) in TOLD_BY_TEXT or isinstance(x, np.dtype) else id(x)


TOLD_BY_TEXT = (bool, int, float, complex, str, type(None), type(...))


def cancel(program: Program) -> None:
    """Leave out what gives its operand: copies, casts to the same dtype, factors of 1, pairs that undo each other."""
    same: dict[Variable, Variable] = {}
    left = []
    for instruction in program.instructions:
        if same:
            instruction.args = tuple([same.get(v, v) for v in instruction.args])
        unchanged = operand_given(instruction)
        if unchanged is not None and alike(unchanged, instruction.out):
            same[instruction.out] = unchanged
        else:
            left.append(instruction)
    program.instructions = left
    if same:
        program.replace(lambda v: same.get(v, v))


def alike(x: Variable, y: Variable) -> bool:
    return x.shape == y.shape and x.dtype == y.dtype and x.python == y.python


def operand_given(instruction: Instruction) -> Variable | None:
    """Return the variable that an instruction gives unchanged, if there is one."""
    op, args, attrs = instruction.op, instruction.args, instruction.attrs
    if not args:
        return None
    x = args[0]
    if op.name in SAME or (op.name in IF_ALIKE and alike(x, instruction.out)):
        return x
    if instruction.out.dtype is not None and instruction.out.dtype.kind == "c":
        return None  # (inf + 0i) · 1 has a nan
    if op.name in ("mul", "divide") and is_one(args[1]):
        return x
    if op.name == "mul" and is_one(x):
        return args[1]
    before = x.source if x.kind == "result" else None
    if before is None:
        return None
    if INVERSE.get(op.name) == before.op.name:
        return before.args[0]
    if op.name == "reshape" == before.op.name and attrs.get("order") == "C" == before.attrs.get("order"):
        instruction.args = (before.args[0],)
        return before.args[0] if before.args[0].shape == instruction.out.shape else None
    if op.name == "transpose" == before.op.name and x.shape is not None:
        first, second = (axes_of(i.attrs.get("axes"), len(x.shape)) for i in (before, instruction))
        if [first[i] for i in second] == list(range(len(x.shape))):
            return before.args[0]
    return None


def axes_of(axes: Any, ndim: int) -> list[int]:
    return list(range(ndim))[::-1] if axes is None else [a % ndim for a in axes]


def is_one(variable: Variable) -> bool:
    if variable.kind != "constant" or variable.shape is None or variable.dtype.kind == "c":
        return False
    return bool(np.all(np.asarray(variable.data) == 1))

"""Passes over a program: each makes it shorter and leaves its results what they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Instruction, Program, Variable

__all__ = ["cancel", "fold_constants", "merge_duplicates", "prune", "simplify"]

SAME = frozenset(("alias", "positive"))
"""Ops that give their operand."""
IF_ALIKE = frozenset(("cast", "copy", "sum_to", "broadcast_to", "reshape"))
"""Ops that give their operand if it has the shape and dtype of the result."""
INVERSE = {"negative": "negative", "conj": "conj", "matrix_transpose": "matrix_transpose"}
"""Ops that undo each other."""


def simplify(program: Program) -> Program:
    """Apply all passes, in place, and return the program."""
    cancel(program)
    fold_constants(program)
    merge_duplicates(program)
    cancel(program)
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


def fold_constants(program: Program) -> None:
    """Compute now what depends on constants alone."""
    left = []
    for instruction in program.instructions:
        out = instruction.out
        if instruction.args and all(v.kind == "constant" for v in instruction.args) and out.shape is not None:
            with np.errstate(all="ignore"):
                out.data = instruction.op.compute(*[v.data for v in instruction.args], **instruction.attrs)
            out.kind = "constant"
        else:
            left.append(instruction)
    program.instructions = left


def merge_duplicates(program: Program) -> None:
    """Compute once what is the same op of the same operands."""
    found: dict[Any, Variable] = {}
    same: dict[Variable, Variable] = {}
    left = []
    for instruction in program.instructions:
        if same:
            instruction.args = tuple([same.get(v, v) for v in instruction.args])
        key = (instruction.op, tuple(map(identity, instruction.args)), settings(instruction))
        if key in found:
            same[instruction.out] = found[key]
        else:
            found[key] = instruction.out
            left.append(instruction)
    program.instructions = left
    if same:
        program.replace(lambda v: same.get(v, v))


def identity(variable: Variable) -> Any:
    """Return what is the same for equal variables: small constants are told by their value."""
    if variable.kind == "constant" and (variable.python or variable.nbytes <= 64) and variable.shape is not None:
        data = variable.data
        return type(data), str(variable.dtype), variable.shape, np.asarray(data).tobytes()
    return variable


def settings(instruction: Instruction) -> Any:
    if not instruction.attrs:
        return ()
    return tuple((key, type(value), repr(value)) for key, value in sorted(instruction.attrs.items()))


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
    if variable.kind != "constant" or variable.shape != () or variable.dtype.kind == "c":
        return False
    return bool(np.asarray(variable.data) == 1)

"""Evaluate an op's `formula` on arrays: the meaning that text, LaTeX and native kernels made of it have to keep."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import OPS

__all__ = ["evaluate"]

BINARY_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.Pow: np.power,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}
UNARY_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: np.logical_not,
}
ALIASES: dict[str, Any] = {
    "abs": np.absolute,
    "max": np.maximum,
    "min": np.minimum,
    "pi": np.pi,
    "e": np.e,
    "inf": np.inf,
    "nan": np.nan,
}


def evaluate(tree: ast.expr, names: dict[str, Any]) -> Any:
    """Evaluate a formula on arrays.

    Raises:
        NameError: if it contains a name or a construct that formulas do not have.
    """
    again = functools.partial(evaluate, names=names)
    match tree:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name) if name in ALIASES:
            return ALIASES[name]
        case ast.BinOp(left=left, op=sign, right=right):
            return BINARY_OPERATORS[type(sign)](again(left), again(right))
        case ast.UnaryOp(op=sign, operand=operand):
            return UNARY_OPERATORS[type(sign)](again(operand))
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            return BINARY_OPERATORS[type(sign)](again(left), again(right))
        case ast.BoolOp(op=sign, values=values):
            return functools.reduce(BINARY_OPERATORS[type(sign)], map(again, values))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return np.where(again(test), again(body), again(orelse))
        case ast.Call(func=ast.Name(id=name), args=operands):
            function = ALIASES.get(name) or (OPS[name].forward if name in OPS else getattr(np, name, None))
            if function is not None:
                return function(*map(again, operands))
    raise NameError(f"{ast.unparse(tree)!r} is no part of a formula")

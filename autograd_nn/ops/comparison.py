"""Comparisons, predicates and logic, which have no derivative, and `where`, which chooses between two that have."""

from __future__ import annotations

import operator

import numpy as np

from ..domain import BINARY, BOOLEAN, REAL, UNARY, Case
from ..op import op

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "signbit",
    "where",
]

STEP = {"elementwise": True, "differentiable": False}
COMPARISON = {
    "cases": BINARY,
    "domain": (REAL, REAL),
    "instead": "A comparison is a step: train with a smooth stand-in such as sigmoid(k * (x - y)), or choose between "
    "two differentiable results with where(x > y, a, b).",
    **STEP,
}
PREDICATE = {
    "cases": UNARY,
    "instead": "A test answers true or false: choose between two differentiable results with where(test(x), a, b).",
    **STEP,
}
CLOSE = (*BINARY, Case((3,), (3,), rtol=0.5), Case((2,), np.array([0.1, np.nan]), atol=1.0, equal_nan=True))
LOGIC = {
    "cases": (
        Case((), ()),
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((2, 1), (1, 3)),
        Case((0,), (1,)),
    ),
    "domain": (BOOLEAN, BOOLEAN),
    "instead": "Logic answers true or false: use it as the condition of where(condition, a, b).",
    **STEP,
}
LOGIC_OF_ONE = {**LOGIC, "cases": (Case(()), Case((3,)), Case((2, 3)), Case((0,))), "domain": (BOOLEAN,)}


def promoted(chosen, x, y):
    """A number chosen from two Python numbers, in the type that both have together: of 1 and 2.5 the 1 is 1.0."""
    return chosen if type(x) is type(y) else type(x + y)(chosen)


@op("<", numpy=np.less, scalar=operator.lt, formula="x < y", **COMPARISON)
def less(x, y):
    """Is x < y? Elementwise, with broadcasting."""
    return np.less(x, y)


@op("≤", numpy=np.less_equal, scalar=operator.le, formula="x <= y", **COMPARISON)
def less_equal(x, y):
    """Is x ≤ y? Elementwise, with broadcasting."""
    return np.less_equal(x, y)


@op(">", numpy=np.greater, scalar=operator.gt, formula="x > y", **COMPARISON)
def greater(x, y):
    """Is x > y? Elementwise, with broadcasting."""
    return np.greater(x, y)


@op("≥", numpy=np.greater_equal, scalar=operator.ge, formula="x >= y", **COMPARISON)
def greater_equal(x, y):
    """Is x ≥ y? Elementwise, with broadcasting."""
    return np.greater_equal(x, y)


@op("=", numpy=np.equal, scalar=operator.eq, complex=True, formula="x == y", **COMPARISON)
def equal(x, y):
    """Is x = y? Elementwise, with broadcasting."""
    return np.equal(x, y)


@op("≠", numpy=np.not_equal, scalar=operator.ne, complex=True, formula="x != y", **COMPARISON)
def not_equal(x, y):
    """Is x ≠ y? Elementwise, with broadcasting."""
    return np.not_equal(x, y)


@op("≈", numpy=np.isclose, complex=True, **{**COMPARISON, "cases": CLOSE})
def isclose(x, y, *, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Is |x - y| ≤ atol + rtol |y|? Elementwise, with broadcasting."""
    return np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


@op("finite?", numpy=np.isfinite, complex=True, **PREDICATE)
def isfinite(x):
    """Is x neither infinite nor nan?"""
    return np.isfinite(x)


@op("∞?", numpy=np.isinf, complex=True, **PREDICATE)
def isinf(x):
    """Is x infinite?"""
    return np.isinf(x)


@op("nan?", numpy=np.isnan, complex=True, **PREDICATE)
def isnan(x):
    """Is x "not a number"?"""
    return np.isnan(x)


@op("-?", numpy=np.signbit, **PREDICATE)
def signbit(x):
    """Is the sign of x negative? True for -0.0 too."""
    return np.signbit(x)


@op("∧", numpy=np.logical_and, scalar=lambda x, y: bool(x and y), complex=True, formula="x and y", **LOGIC)
def logical_and(x, y):
    """Are x and y both true (not zero)?"""
    return np.logical_and(x, y)


@op("∨", numpy=np.logical_or, scalar=lambda x, y: bool(x or y), complex=True, formula="x or y", **LOGIC)
def logical_or(x, y):
    """Is x or y true (not zero)?"""
    return np.logical_or(x, y)


@op("⊻", numpy=np.logical_xor, complex=True, **LOGIC)
def logical_xor(x, y):
    """Is exactly one of x and y true (not zero)?"""
    return np.logical_xor(x, y)


@op("¬", numpy=np.logical_not, scalar=operator.not_, complex=True, formula="not x", **LOGIC_OF_ONE)
def logical_not(x):
    """Is x false (zero)?"""
    return np.logical_not(x)


@op("&", numpy=np.bitwise_and, **LOGIC)
def bitwise_and(x, y):
    """What ``x & y`` means in NumPy: logic on bools, bits on integers, an error on floating point numbers."""
    return np.bitwise_and(x, y)


@op("|", numpy=np.bitwise_or, **LOGIC)
def bitwise_or(x, y):
    """What ``x | y`` means in NumPy: logic on bools, bits on integers, an error on floating point numbers."""
    return np.bitwise_or(x, y)


@op("^", numpy=np.bitwise_xor, **LOGIC)
def bitwise_xor(x, y):
    """What ``x ^ y`` means in NumPy: logic on bools, bits on integers, an error on floating point numbers."""
    return np.bitwise_xor(x, y)


@op("~", numpy=np.bitwise_not, **LOGIC_OF_ONE)
def bitwise_not(x):
    """What ``~x`` means in NumPy: logic on bools, bits on integers, an error on floating point numbers."""
    return np.bitwise_not(x)


@op(
    "?:",
    numpy=np.where,
    scalar=lambda c, x, y: promoted(x if c else y, x, y),
    domain=(BOOLEAN, REAL, REAL),
    elementwise=True,
    linear=True,
    complex=True,
    formula="x if condition else y",
    cases=(
        Case(np.array([True, False, True]), (3,), (3,)),
        Case(np.array([[True], [False]]), (2, 3), (3,), complex=True),
        Case(np.array(True), (), (2,)),
        Case((2, 3), "python", (3,)),
        Case((0,), (0,), (1,)),
    ),
)
def where(condition, x, y):
    """x where the condition holds, else y; with broadcasting. The branch not taken gets an exact 0.

    That 0 is still multiplied by the derivative of whatever computed the branch: guard its argument too, as in
    ``where(x > 0, log(where(x > 0, x, 1)), 0)``, or 0 · ∞ makes nan.
    """
    return np.where(condition, x, y)


where.defvjp(
    None,
    lambda g, ans, condition, x, y: where(condition, g, 0.0),
    lambda g, ans, condition, x, y: where(condition, 0.0, g),
)

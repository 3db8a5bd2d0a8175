"""What a tape computes: its operation codes, each on a Python float, on arrays, and in one native loop over all.

The native loop is compiled once, by Numba, for all tapes, and kept on disk: a tape is data to it. Sums, products,
quotients, comparisons and choices are those of eager code to the last bit. So is everything else on Python floats in
the native loop, which calls the same C library as Python; NumPy's own exponentials, logarithms and so on differ from
it by up to 2 units in the last place.
"""

from __future__ import annotations

import importlib
import logging
import math
import operator
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CODES", "MIXED", "OF_OP", "Code", "available", "interpret", "native"]


class Code(NamedTuple):
    """One operation of a tape, on float64; False and True are 0 and 1.

    Attributes:
        name: for people.
        arity: how many operands it has.
        array: called with operands and `out`, by position: a ufunc, or a function here.
        number: the same on Python floats, as eager code computes it; where it raises, `array` is asked, without `out`.
        exact: are both the same to the last bit?
        room: does `array` want room for bools and for floats, as further arguments?
    """

    name: str
    arity: int
    array: Callable[..., Any]
    number: Callable[..., Any]
    exact: bool = False
    room: bool = False


def maximum(x: Any, y: Any, out: Any = None) -> Any:
    """The larger; of two zeros the first, as Python's max has it (NumPy's takes the second)."""
    return np.maximum(y, x, out=out)


def minimum(x: Any, y: Any, out: Any = None) -> Any:
    """The smaller; of two zeros the first."""
    return np.minimum(y, x, out=out)


def larger(x: float, y: float) -> float:
    return x if x != x else y if y > x or y != y else x


def smaller(x: float, y: float) -> float:
    return x if x != x else y if y < x or y != y else x


def relu(x: Any, out: Any, mask: Any, _: Any) -> None:
    """As on Python floats, where that of -0.0 is -0.0."""
    np.copyto(out, x)
    np.copyto(out, 0.0, where=np.less(x, 0.0, mask))


def sigmoid(x: Any, out: Any, mask: Any, z: Any) -> None:
    """As on Python floats: 1 / (1 + exp(-x)) for x ≥ 0, and exp(x) / (1 + exp(x)) below."""
    np.absolute(x, z)
    np.negative(z, z)
    np.exp(z, z)
    np.copyto(out, z)
    np.copyto(out, 1.0, where=np.greater_equal(x, 0.0, mask))
    np.add(z, 1.0, z)
    np.divide(out, z, out)


def python_sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    z = math.exp(x)
    return z / (1.0 + z)


def logistic(x: Any, out: Any = None) -> Any:
    """As on arrays: 1 / (1 + exp(-x)), where exp(-x) may be infinite."""
    z = np.exp(np.negative(x, out), out)
    return np.divide(1.0, np.add(z, 1.0, out), out)


def cube(x: Any, out: Any) -> None:
    np.multiply(x, x, out)
    np.multiply(out, x, out)


def fourth(x: Any, out: Any) -> None:
    np.multiply(x, x, out)
    np.multiply(out, out, out)


def inverse_square(x: Any, out: Any = None) -> Any:
    z = np.divide(1.0, x, out)
    return np.multiply(z, z, out)


def silu(x: Any, out: Any, mask: Any, z: Any) -> None:
    sigmoid(x, out, mask, z)
    np.multiply(x, out, out)


def leaky_relu(x: Any, slope: Any, out: Any, mask: Any, z: Any) -> None:
    np.multiply(x, slope, z)
    np.copyto(out, x)
    np.copyto(out, z, where=np.less(x, 0.0, mask))


def elu(x: Any, alpha: Any, out: Any, mask: Any, z: Any) -> None:
    np.multiply(np.expm1(x, z), alpha, z)
    np.copyto(out, x)
    np.copyto(out, z, where=np.less(x, 0.0, mask))


def softplus(x: Any, out: Any = None) -> Any:
    return np.logaddexp(x, 0.0, out)


def python_softplus(x: float) -> float:
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def each(function: Callable[[float], float]) -> Callable[..., None]:
    """Return a function of arrays that takes one number after the other: NumPy has no error function."""

    def apply(x: Any, out: Any) -> None:
        out[:] = [function(number) for number in x.tolist()]

    return apply


def ndtr(x: float) -> float:
    return 0.5 * math.erfc(-x * SQRT_HALF)


def normal_pdf(x: Any, out: Any = None) -> Any:
    z = np.multiply(np.multiply(x, -0.5, out), x, out)
    return np.divide(np.exp(z, out), SQRT_2PI, out)


SQRT_HALF, SQRT_2PI = math.sqrt(0.5), math.sqrt(2.0 * math.pi)


def where(condition: Any, x: Any, y: Any, out: Any, mask: Any, _: Any) -> None:
    np.copyto(out, y)
    np.copyto(out, x, where=np.not_equal(condition, 0.0, mask))


def python_power(x: float, y: float) -> float:
    z = x**y
    if type(z) is complex:
        raise ValueError("NumPy has nan here")
    return z


def python_sign(x: float) -> float:
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0 if x == 0 else x


CODES = (
    Code("copy", 1, np.positive, float, True),
    Code("add", 2, np.add, operator.add, True),
    Code("subtract", 2, np.subtract, operator.sub, True),
    Code("mul", 2, np.multiply, operator.mul, True),
    Code("divide", 2, np.divide, operator.truediv, True),
    Code("negative", 1, np.negative, operator.neg, True),
    Code("square", 1, np.square, lambda x: x * x, True),
    Code("cube", 1, cube, lambda x: x * x * x, True),
    Code("fourth", 1, fourth, lambda x: (x * x) * (x * x), True),
    Code("reciprocal", 1, np.reciprocal, lambda x: 1.0 / x, True),
    Code("inverse_square", 1, inverse_square, lambda x: (1.0 / x) * (1.0 / x), True),
    Code("sqrt", 1, np.sqrt, math.sqrt, True),
    Code("absolute", 1, np.absolute, abs, True),
    Code("sign", 1, np.sign, python_sign, True),
    Code("relu", 1, relu, lambda x: 0.0 if x < 0 else x, True, True),
    Code("maximum", 2, maximum, larger, True),
    Code("minimum", 2, minimum, smaller, True),
    Code("where", 3, where, lambda c, x, y: x if c else y, True, True),
    Code("less", 2, np.less, operator.lt, True),
    Code("less_equal", 2, np.less_equal, operator.le, True),
    Code("greater", 2, np.greater, operator.gt, True),
    Code("greater_equal", 2, np.greater_equal, operator.ge, True),
    Code("equal", 2, np.equal, operator.eq, True),
    Code("not_equal", 2, np.not_equal, operator.ne, True),
    Code("logical_and", 2, np.logical_and, lambda x, y: bool(x and y), True),
    Code("logical_or", 2, np.logical_or, lambda x, y: bool(x or y), True),
    Code("logical_not", 1, np.logical_not, operator.not_, True),
    Code("isnan", 1, np.isnan, math.isnan, True),
    Code("isfinite", 1, np.isfinite, math.isfinite, True),
    Code("floor", 1, np.floor, np.floor, True),
    Code("ceil", 1, np.ceil, np.ceil, True),
    Code("power", 2, np.power, python_power),
    Code("exp", 1, np.exp, math.exp),
    Code("expm1", 1, np.expm1, math.expm1),
    Code("log", 1, np.log, math.log),
    Code("log1p", 1, np.log1p, math.log1p),
    Code("log2", 1, np.log2, math.log2),
    Code("log10", 1, np.log10, math.log10),
    Code("sin", 1, np.sin, math.sin),
    Code("cos", 1, np.cos, math.cos),
    Code("tan", 1, np.tan, math.tan),
    Code("arcsin", 1, np.arcsin, math.asin),
    Code("arccos", 1, np.arccos, math.acos),
    Code("arctan", 1, np.arctan, math.atan),
    Code("arctan2", 2, np.arctan2, math.atan2),
    Code("sinh", 1, np.sinh, math.sinh),
    Code("cosh", 1, np.cosh, math.cosh),
    Code("tanh", 1, np.tanh, math.tanh),
    Code("sigmoid", 1, sigmoid, python_sigmoid, False, True),
    Code("logistic", 1, logistic, logistic),
    Code("leaky_relu", 2, leaky_relu, lambda x, slope: x * slope if x < 0 else x, True, True),
    Code("elu", 2, elu, lambda x, alpha: alpha * math.expm1(x) if x < 0 else x, False, True),
    Code("silu", 1, silu, lambda x: x * python_sigmoid(x), False, True),
    Code("softplus", 1, softplus, python_softplus),
    Code("erf", 1, each(math.erf), math.erf),
    Code("erfc", 1, each(math.erfc), math.erfc),
    Code("ndtr", 1, each(ndtr), ndtr),
    Code("normal_pdf", 1, normal_pdf, lambda x: math.exp(-0.5 * x * x) / SQRT_2PI),
    Code("gelu", 1, each(lambda x: x * ndtr(x)), lambda x: x * ndtr(x)),
)
"""The number of a code is its position."""

(
    COPY,
    ADD,
    SUBTRACT,
    MUL,
    DIVIDE,
    NEGATIVE,
    SQUARE,
    CUBE,
    FOURTH,
    RECIPROCAL,
    INVERSE_SQUARE,
    SQRT,
    ABSOLUTE,
    SIGN,
    RELU,
    MAXIMUM,
    MINIMUM,
    WHERE,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    EQUAL,
    NOT_EQUAL,
    LOGICAL_AND,
    LOGICAL_OR,
    LOGICAL_NOT,
    ISNAN,
    ISFINITE,
    FLOOR,
    CEIL,
    POWER,
    EXP,
    EXPM1,
    LOG,
    LOG1P,
    LOG2,
    LOG10,
    SIN,
    COS,
    TAN,
    ARCSIN,
    ARCCOS,
    ARCTAN,
    ARCTAN2,
    SINH,
    COSH,
    TANH,
    SIGMOID,
    LOGISTIC,
    LEAKY_RELU,
    ELU,
    SILU,
    SOFTPLUS,
    ERF,
    ERFC,
    NDTR,
    NORMAL_PDF,
    GELU,
) = range(len(CODES))

MIXED = 254
"""A chain of sums, differences and products, told apart by `third`: 0, 1, 2. For the native loop only."""

SPECIAL = ("copy", "cube", "fourth", "inverse_square", "logistic")
OF_OP: dict[str, int] = {code.name: i for i, code in enumerate(CODES) if code.name not in SPECIAL}
"""Codes of ops of the same name."""
OF_OP |= dict.fromkeys(("positive", "conj", "real"), COPY)


def elementary(code, x, y):
    """Return a function of one or two numbers. Apart from the loops of `interpret`, as those take long to compile."""
    if code == CUBE:
        return x * x * x
    if code == FOURTH:
        return (x * x) * (x * x)
    if code == RECIPROCAL:
        return 1.0 / x
    if code == INVERSE_SQUARE:
        return (1.0 / x) * (1.0 / x)
    if code == SQRT:
        return math.sqrt(x)
    if code == ABSOLUTE:
        return abs(x)
    if code == SIGN:
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0 if x == 0.0 else x
    if code == MINIMUM:
        return x if x != x else y if y < x or y != y else x
    if code == LESS:
        return 1.0 if x < y else 0.0
    if code == LESS_EQUAL:
        return 1.0 if x <= y else 0.0
    if code == GREATER_EQUAL:
        return 1.0 if x >= y else 0.0
    if code == EQUAL:
        return 1.0 if x == y else 0.0
    if code == NOT_EQUAL:
        return 1.0 if x != y else 0.0
    if code == LOGICAL_AND:
        return 1.0 if x != 0.0 and y != 0.0 else 0.0
    if code == LOGICAL_OR:
        return 1.0 if x != 0.0 or y != 0.0 else 0.0
    if code == LOGICAL_NOT:
        return 1.0 if x == 0.0 else 0.0
    if code == ISNAN:
        return 1.0 if x != x else 0.0
    if code == ISFINITE:
        return 1.0 if abs(x) < math.inf else 0.0
    if code == FLOOR:
        return np.floor(x)
    if code == CEIL:
        return np.ceil(x)
    if code == POWER:
        return math.pow(x, y)
    if code == EXP:
        return math.exp(x)
    if code == EXPM1:
        return math.expm1(x)
    if code == LOG:
        return math.log(x)
    if code == LOG1P:
        return math.log1p(x)
    if code == LOG2:
        return math.log2(x)
    if code == LOG10:
        return math.log10(x)
    if code == SIN:
        return math.sin(x)
    if code == COS:
        return math.cos(x)
    if code == TAN:
        return math.tan(x)
    if code == ARCSIN:
        return math.asin(x)
    if code == ARCCOS:
        return math.acos(x)
    if code == ARCTAN:
        return math.atan(x)
    if code == ARCTAN2:
        return math.atan2(x, y)
    if code == SINH:
        return math.sinh(x)
    if code == COSH:
        return math.cosh(x)
    if code == TANH:
        return math.tanh(x)
    if code == SIGMOID:
        z = math.exp(-abs(x))
        return (1.0 if x >= 0.0 else z) / (1.0 + z)
    if code == LOGISTIC:
        return 1.0 / (1.0 + math.exp(-x))
    if code == LEAKY_RELU:
        return x * y if x < 0.0 else x
    if code == ELU:
        return y * math.expm1(x) if x < 0.0 else x
    if code == SILU:
        z = math.exp(-abs(x))
        return x * ((1.0 if x >= 0.0 else z) / (1.0 + z))
    if code == SOFTPLUS:
        z = math.log1p(math.exp(-abs(x)))
        return x + z if x > 0.0 else z
    if code == ERF:
        return math.erf(x)
    if code == ERFC:
        return math.erfc(x)
    if code == NDTR:
        return 0.5 * math.erfc(-x * SQRT_HALF)
    if code == NORMAL_PDF:
        return math.exp(-0.5 * x * x) / SQRT_2PI
    if code == GELU:
        return x * (0.5 * math.erfc(-x * SQRT_HALF))
    return math.nan


def interpret(codes, starts, first, second, third, offset, begin, end, v):
    """Run groups number begin to end of a tape: ``v[offset + i] = code(v[first[i]], …)`` for the i of each group.

    Compiled by Numba, see `native`. One branch a group, then a loop without branches: wide graphs take about a
    nanosecond a number, chains a few.
    """
    for group in range(begin, end):
        code = codes[group]
        start = starts[group]
        stop = starts[group + 1]
        if code == ADD:
            for i in range(start, stop):
                v[offset + i] = v[first[i]] + v[second[i]]
        elif code == MUL:
            for i in range(start, stop):
                v[offset + i] = v[first[i]] * v[second[i]]
        elif code == SUBTRACT:
            for i in range(start, stop):
                v[offset + i] = v[first[i]] - v[second[i]]
        elif code == MIXED:  # all three are computed: cheaper than a branch that is not foreseen
            for i in range(start, stop):
                x = v[first[i]]
                y = v[second[i]]
                total, difference, product = x + y, x - y, x * y
                kind = third[i]
                v[offset + i] = product if kind == 2 else difference if kind == 1 else total
        elif code == DIVIDE:
            for i in range(start, stop):
                v[offset + i] = v[first[i]] / v[second[i]]
        elif code == NEGATIVE:
            for i in range(start, stop):
                v[offset + i] = -v[first[i]]
        elif code == COPY:
            for i in range(start, stop):
                v[offset + i] = v[first[i]]
        elif code == SQUARE:
            for i in range(start, stop):
                v[offset + i] = v[first[i]] * v[first[i]]
        elif code == RELU:
            for i in range(start, stop):
                x = v[first[i]]
                v[offset + i] = 0.0 if x < 0.0 else x
        elif code == MAXIMUM:
            for i in range(start, stop):
                x = v[first[i]]
                y = v[second[i]]
                v[offset + i] = x if x != x else y if y > x or y != y else x
        elif code == WHERE:
            for i in range(start, stop):
                v[offset + i] = v[second[i]] if v[first[i]] != 0.0 else v[third[i]]
        elif code == GREATER:
            for i in range(start, stop):
                v[offset + i] = 1.0 if v[first[i]] > v[second[i]] else 0.0
        else:
            for i in range(start, stop):
                v[offset + i] = elementary(code, v[first[i]], v[second[i]])


SIGNATURE = "void(uint8[::1], uint64[::1], uint32[::1], uint32[::1], uint32[::1], uint64, uint64, uint64, float64[::1])"


@cache
def available() -> bool:
    """Is Numba installed?"""
    try:
        importlib.import_module("numba")
    except ImportError:
        return False
    return True


@cache
def native() -> Callable[..., None]:
    """Return `interpret` as machine code: from the disk, or compiled now, in a second or two.

    Raises:
        ImportError: without Numba.
    """
    try:
        numba = importlib.import_module("numba")
    except ImportError as error:
        raise ImportError('the native tape needs Numba: pip install "autograd_nn[jit]".') from error
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    start = time.perf_counter()
    numba.extending.register_jitable(error_model="numpy")(elementary)
    try:
        made = numba.njit(SIGNATURE, cache=True, **options)(interpret)
    except Exception:  # noqa: BLE001  (no folder to write to, or a broken file in it, which may raise anything)
        made = numba.njit(SIGNATURE, **options)(interpret)
    taken = time.perf_counter() - start
    if taken > 1.0:
        logging.getLogger(__name__).warning("the loop of the tape was compiled in %.1f s, once for all.", taken)
    return made

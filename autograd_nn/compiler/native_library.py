"""What generated native code calls: pointers, arithmetic that vectorizes, elementary functions, BLAS. Needs Numba.

Loops over these functions are turned into vector instructions: no function branches on its data or calls a library.
Elementwise arithmetic rounds as NumPy's does. Elementary functions are polynomials after range reduction; the bounds
on their errors, in ulp, are in `ULPS` and hold over the whole range, subnormal numbers included; infinities and NaN
give what IEEE 754 says.
"""

# pyright: reportMissingImports=false, reportCallIssue=false, reportOptionalCall=false
# (Numba is optional, and its decorators are not typed)

from __future__ import annotations

import ctypes
import math
import operator
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import NativeValue, intrinsic, models, register_model, unbox

__all__ = [
    "ULPS",
    "Arrays",
    "absolute",
    "add_up",
    "address",
    "apart",
    "at",
    "ceil",
    "copysign",
    "exp_bounded_f32",
    "exp_bounded_f64",
    "exp_f32",
    "exp_f64",
    "expm1_f32",
    "expm1_f64",
    "floor",
    "gemm",
    "gemv",
    "log1p_f32",
    "log1p_f64",
    "log_f32",
    "log_f64",
    "maximum",
    "minimum",
    "rint",
    "select",
    "sqrt",
    "tanh_f32",
    "tanh_f64",
    "trunc",
]

ULPS = {
    "exp_f32": 1.1,
    "expm1_f32": 2.0,
    "log_f32": 1.0,
    "log1p_f32": 2.0,
    "tanh_f32": 3.0,
    "exp_f64": 1.0,
    "expm1_f64": 2.0,
    "log_f64": 1.0,
    "log1p_f64": 2.0,
    "tanh_f64": 3.0,
}
"""For each function, how many units in the last place it is off at most."""

# --- pointers ---------------------------------------------------------------------------------------------------------


class Pointer(types.Type):
    """Points to elements of one array that a loop reads or writes; other arrays of the loop lie elsewhere.

    Args:
        dtype: of the elements.
        loop: number of the loop.
        base: number of the array in the loop.
        count: of arrays in the loop.
    """

    def __init__(self, dtype: Any, loop: int, base: int, count: int) -> None:
        self.dtype, self.loop, self.base, self.count = dtype, loop, base, count
        super().__init__(name=f"Pointer({dtype}, {loop}, {base}, {count})")


@register_model(Pointer)
class PointerModel(models.PrimitiveModel):
    """A pointer is one to what its elements are in memory."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, manager.lookup(kind.dtype).get_data_type().as_pointer())


@infer_global(operator.getitem)
class GetItem(AbstractTemplate):
    """``p[i]``."""

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature."""
        return signature(args[0].dtype, args[0], types.intp) if isinstance(args[0], Pointer) else None


@infer_global(operator.setitem)
class SetItem(AbstractTemplate):
    """``p[i] = x``."""

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature."""
        p = args[0]
        return signature(types.none, p, types.intp, p.dtype) if isinstance(p, Pointer) else None


def mark(builder: Any, instruction: Any, p: Pointer) -> None:
    """Say that what is read or written lies apart from the other arrays of the loop."""
    if p.count > 1:
        m = builder.module
        domain = m.add_metadata([ir.MetaDataString(m, f"loop {p.loop}")])
        scopes = [m.add_metadata([ir.MetaDataString(m, f"array {i}"), domain]) for i in range(p.count)]
        instruction.set_metadata("alias.scope", m.add_metadata([scopes[p.base]]))
        instruction.set_metadata("noalias", m.add_metadata([s for i, s in enumerate(scopes) if i != p.base]))


@lower_builtin(operator.getitem, Pointer, types.intp)
def load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Read an element."""
    data = builder.load(builder.gep(args[0], [args[1]]))
    mark(builder, data, sig.args[0])
    return context.data_model_manager[sig.args[0].dtype].from_data(builder, data)


@lower_builtin(operator.setitem, Pointer, types.intp, types.Any)
def store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write an element."""
    data = context.data_model_manager[sig.args[0].dtype].as_data(builder, args[2])
    mark(builder, builder.store(data, builder.gep(args[0], [args[1]])), sig.args[0])
    return context.get_dummy_value()


TYPES = {
    "float32": types.float32,
    "float64": types.float64,
    "int64": types.int64,
    "int32": types.int32,
    "bool": types.boolean,
}


@intrinsic(prefer_literal=True)
def at(typing: Any, address: Any, dtype: Any, loop: Any, base: Any, count: Any) -> Any:
    """Return the address (an integer) as a pointer: ``at(address, "float32", loop, base, count)``."""
    element = TYPES[dtype.literal_value]
    pointer = Pointer(element, loop.literal_value, base.literal_value, count.literal_value)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.data_model_manager[pointer].get_value_type())

    return pointer(types.intp, dtype, loop, base, count), lower


class Arrays(types.Type):
    """A tuple of NumPy arrays, of which only the addresses are looked up: dtypes and shapes are known already.

    As arguments of their own, arrays would take Numba longer: 15 times at each call, and five times to compile 400.
    """

    def __init__(self) -> None:
        super().__init__(name="Arrays")


register_model(Arrays)(models.OpaqueModel)


@unbox(Arrays)
def tuple_of_arrays(kind: Any, given: Any, context: Any) -> NativeValue:
    """Take the tuple as it is: who calls holds it."""
    return NativeValue(given)


@intrinsic
def address(typing: Any, arrays: Any, i: Any) -> Any:
    """Return where the elements of array i begin, as an integer."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        # In CPython, what a tuple holds follows its head, and the address of an array's elements follows an object's.
        place = builder.add(builder.ptrtoint(args[0], word), builder.mul(args[1], ir.Constant(word, 8)))
        for head in (tuple.__basicsize__, object.__basicsize__):
            place = builder.add(place, ir.Constant(word, head))
            place = builder.load(builder.inttoptr(place, word.as_pointer()))
        return place

    return types.intp(arrays, types.intp), lower


def check_layout() -> None:
    """See that tuples and arrays lie in memory as `address` takes for granted.

    Raises:
        ImportError: if they do not.
    """
    arrays = (np.empty(1),)
    item = ctypes.c_void_p.from_address(id(arrays) + tuple.__basicsize__).value
    data = ctypes.c_void_p.from_address(id(arrays[0]) + object.__basicsize__).value
    if item != id(arrays[0]) or data != arrays[0].__array_interface__["data"][0]:
        raise ImportError(
            'compile(backend="native") wanted tuples and arrays as CPython and NumPy lay them out, and found them '
            'otherwise: write compile(backend="numpy").'
        )


check_layout()


@intrinsic
def apart(typing: Any) -> Any:
    """Keep the function in which this stands a function of its own: its arrays are others at each call."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), lower


# --- BLAS -------------------------------------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def gemm(
    typing: Any,
    kind: Any,
    ta: Any,
    tb: Any,
    m: Any,
    n: Any,
    k: Any,
    a: Any,
    lda: Any,
    b: Any,
    ldb: Any,
    beta: Any,
    c: Any,
    ldc: Any,
) -> Any:
    """C = op(A) op(B) + beta C of matrices in column order, by SciPy's BLAS; a, b, c are addresses.

    kind is "s" or "d"; ta and tb are "n" or "t".
    """
    letter = kind.literal_value
    real = ir.FloatType() if letter == "s" else ir.DoubleType()
    flags = [ord(letter), ord(ta.literal_value), ord(tb.literal_value)]
    integers = [types.intp] * 3

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte, word = ir.IntType(8), ir.IntType(64)
        p = byte.as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.IntType(32), [byte] * 3 + [word] * 3 + [p, p, word, p, word, p, p, word]),
            "numba_xxgemm",
        )
        m, n, k, a, lda, b, ldb, beta, c, ldc = args[3:]
        one = cgutils.alloca_once_value(builder, ir.Constant(real, 1.0))
        scale = cgutils.alloca_once_value(builder, builder.fptrunc(beta, real) if letter == "s" else beta)
        pointers = [builder.bitcast(x, p) for x in (one, scale)]
        a, b, c = (builder.inttoptr(x, p) for x in (a, b, c))
        first = [ir.Constant(byte, flag) for flag in flags]
        builder.call(function, [*first, m, n, k, pointers[0], a, lda, b, ldb, pointers[1], c, ldc])
        return context.get_dummy_value()

    sig = types.void(
        kind, ta, tb, *integers, types.intp, types.intp, types.intp, types.intp, types.float64, types.intp, types.intp
    )
    return sig, lower


@intrinsic(prefer_literal=True)
def gemv(typing: Any, kind: Any, t: Any, m: Any, n: Any, a: Any, lda: Any, x: Any, y: Any) -> Any:
    """y = op(A) x for a matrix of m rows and n columns in column order, by SciPy's BLAS; a, x, y are addresses.

    kind is "s" or "d"; t is "n" or "t".
    """
    letter = kind.literal_value
    real = ir.FloatType() if letter == "s" else ir.DoubleType()
    flags = [ord(letter), ord(t.literal_value)]

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte, word = ir.IntType(8), ir.IntType(64)
        p = byte.as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.IntType(32), [byte, byte, word, word, p, p, word, p, p, p]),
            "numba_xxgemv",
        )
        m, n, a, lda, x, y = args[2:]
        one, zero = (cgutils.alloca_once_value(builder, ir.Constant(real, c)) for c in (1.0, 0.0))
        one, zero = builder.bitcast(one, p), builder.bitcast(zero, p)
        a, x, y = (builder.inttoptr(q, p) for q in (a, x, y))
        builder.call(function, [*[ir.Constant(byte, flag) for flag in flags], m, n, one, a, lda, x, zero, y])
        return context.get_dummy_value()

    word = types.intp
    return types.void(kind, t, word, word, word, word, word, word), lower


# --- arithmetic -------------------------------------------------------------------------------------------------------


def unary(name: str) -> Any:
    """Return an instruction of LLVM on floats, of one operand, as a function."""

    def typed(typing: Any, x: Any) -> Any:
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            f = builder.module.declare_intrinsic(f"llvm.{name}", [args[0].type])
            return builder.call(f, args)

        return x(x), lower

    typed.__name__, typed.__doc__ = name, f"{name} of a float, as one instruction."
    return intrinsic(typed)


def binary(name: str) -> Any:
    """Return an instruction of LLVM on two floats as a function."""

    def typed(typing: Any, x: Any, y: Any) -> Any:
        if x != y:
            return None

        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = args[0].type
            f = builder.module.declare_intrinsic(f"llvm.{name}", [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(f, args)

        return x(x, x), lower

    typed.__name__, typed.__doc__ = name, f"{name} of two floats, as one instruction."
    return intrinsic(typed)


sqrt, rint, floor, ceil, trunc, absolute = map(unary, ("sqrt", "rint", "floor", "ceil", "trunc", "fabs"))
maximum, minimum, copysign = map(binary, ("maximum", "minimum", "copysign"))


@intrinsic
def select(typing: Any, condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y, without a branch."""
    if x != y:
        return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return x(types.boolean, x, x), lower


@intrinsic
def add_up(typing: Any, total: Any, x: Any) -> Any:
    """total + x, in any order: several partial sums are added up at a time."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(sig.return_type, types.Integer):
            return builder.add(*args)
        return builder.fadd(*args, flags=("reassoc", "nsz"))

    return total(total, total), lower


def bits(width: int) -> Any:
    """Return the functions float → integer of the same bits, and back."""
    real, whole = (types.float32, types.int32) if width == 32 else (types.float64, types.int64)

    def to(typing: Any, x: Any) -> Any:
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.bitcast(args[0], ir.IntType(width))

        return whole(real), lower

    def back(typing: Any, x: Any) -> Any:
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.bitcast(args[0], ir.FloatType() if width == 32 else ir.DoubleType())

        return real(whole), lower

    to.__name__, back.__name__ = f"bits_{width}", f"float_{width}"
    return intrinsic(to), intrinsic(back)


bits_32, float_32 = bits(32)
bits_64, float_64 = bits(64)

exactly: Any = njit(forceinline=True, error_model="numpy", fastmath={"contract"}, nogil=True)
"""Inlined; products and sums may be fused, but nothing is put in another order."""

f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64
INFINITY_32, INFINITY_64 = f32(np.inf), f64(np.inf)
NAN_32, NAN_64 = f32(np.nan), f64(np.nan)

# --- exp --------------------------------------------------------------------------------------------------------------
# x = n log 2 + r, |r| <= log(2)/2; log 2 as the sum of a number with few bits, so that n times it is exact, and a rest.
# 2^n is made of two factors, so that the result may be subnormal, or infinite.

LOG2E = math.log2(math.e)
LN2_HIGH_32, LN2_LOW_32 = f32(0.693359375), f32(-2.12194440e-4)
LN2_HIGH_64, LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # fdlibm, e_exp.c
LOG2E_32, LOG2E_64 = f32(LOG2E), f64(LOG2E)


@exactly
def power_of_two_32(n: Any) -> Any:
    """2^n for n of -126 to 127."""
    return float_32(i32((n + i32(127)) << i32(23)))


@exactly
def power_of_two_64(n: Any) -> Any:
    """2^n for n of -1022 to 1023."""
    return float_64((n + i64(1023)) << i64(52))


MAGIC_32, MAGIC_64 = f32(12582912.0), f64(6755399441055744.0)
"""Added to a small whole number, they leave it in the lowest bits."""


@exactly
def whole_32(y: Any) -> Any:
    """A whole number from a float."""
    return i32(bits_32(y + MAGIC_32) - i32(0x4B400000))


@exactly
def whole_64(y: Any) -> Any:
    """A whole number from a float."""
    return bits_64(y + MAGIC_64) - i64(0x4338000000000000)


@exactly
def float_from_whole_64(n: Any) -> Any:
    """A float from a small whole number."""
    return float_64(n + i64(0x4338000000000000)) - MAGIC_64


@exactly
def less_one_32(r: Any) -> Any:
    """exp(r) - 1 near 0."""
    t = r * r  # coefficients of Cephes, expf.c; in Estrin's order, in which fewer operations wait for others
    a = f32(1.6666665459e-1) * r + f32(5.0000001201e-1)
    b = f32(8.3334519073e-3) * r + f32(4.1665795894e-2)
    c = f32(1.9875691500e-4) * r + f32(1.3981999507e-3)
    return ((c * t + b) * t + a) * t + r


@exactly
def exp_f32(x: Any) -> Any:
    """exp(x)."""
    z = select(x > f32(89.0), f32(89.0), x)
    z = select(z < f32(-105.0), f32(-105.0), z)
    y = rint(z * LOG2E_32)
    r = (z - y * LN2_HIGH_32) - y * LN2_LOW_32
    p = less_one_32(r) + f32(1.0)
    n = whole_32(y)
    half = i32(n >> i32(1))
    return (p * power_of_two_32(half)) * power_of_two_32(i32(n - half))


@exactly
def exp_bounded_f32(x: Any) -> Any:
    """exp(x) from 2^-126 on; what is smaller counts as that, and above 2^127.5 it is inf. For 1 / (1 + exp(x))."""
    z = select(x > f32(89.0), f32(89.0), x)
    z = select(z < f32(-87.0), f32(-87.0), z)
    y = rint(z * LOG2E_32)
    r = (z - y * LN2_HIGH_32) - y * LN2_LOW_32
    p = less_one_32(r) + f32(1.0)
    return p * power_of_two_32(whole_32(y))


@exactly
def exp_bounded_f64(x: Any) -> Any:
    """exp(x) from 2^-1022 on; what is smaller counts as that, and above 2^1023.5 it is inf. For 1 / (1 + exp(x))."""
    z = select(x > 710.0, 710.0, x)
    z = select(z < -708.0, -708.0, z)
    y = rint(z * LOG2E_64)
    p = 1.0 + less_one_64(z - y * LN2_HIGH_64, y * LN2_LOW_64)
    return p * power_of_two_64(whole_64(y))


@exactly
def exp_f64(x: Any) -> Any:
    """exp(x)."""
    z = select(x > 710.0, 710.0, x)
    z = select(z < -750.0, -750.0, z)
    y = rint(z * LOG2E_64)
    high = z - y * LN2_HIGH_64
    low = y * LN2_LOW_64
    p = 1.0 + less_one_64(high, low)
    n = whole_64(y)
    half = n >> i64(1)
    return (p * power_of_two_64(half)) * power_of_two_64(n - half)


@exactly
def less_one_64(high: Any, low: Any) -> Any:
    """exp(high - low) - 1 near 0."""
    r = high - low
    t = r * r  # fdlibm, e_exp.c
    c = 4.13813679705723846039e-08
    c = c * t + -1.65339022054652515390e-06
    c = c * t + 6.61375632143793436117e-05
    c = c * t + -2.77777777770155933842e-03
    c = c * t + 1.66666666666666019037e-01
    c = r - t * c
    return high - (low - (r * c) / (2.0 - c))


@exactly
def expm1_f32(x: Any) -> Any:
    """exp(x) - 1."""
    z = select(x > f32(89.0), f32(89.0), x)
    z = select(z < f32(-105.0), f32(-105.0), z)
    y = rint(z * LOG2E_32)
    r = (z - y * LN2_HIGH_32) - y * LN2_LOW_32
    p = less_one_32(r)
    n = whole_32(y)
    half = i32(n >> i32(1))
    rest = i32(n - half)
    a = power_of_two_32(half)
    result = (p * a + (a - power_of_two_32(i32(-rest)))) * power_of_two_32(rest)
    return select(x == f32(0.0), x, result)


@exactly
def expm1_f64(x: Any) -> Any:
    """exp(x) - 1."""
    z = select(x > 710.0, 710.0, x)
    z = select(z < -750.0, -750.0, z)
    y = rint(z * LOG2E_64)
    p = less_one_64(z - y * LN2_HIGH_64, y * LN2_LOW_64)
    n = whole_64(y)
    half = n >> i64(1)
    rest = n - half
    a = power_of_two_64(half)
    result = (p * a + (a - power_of_two_64(-rest))) * power_of_two_64(rest)
    return select(x == 0.0, x, result)


# --- tanh -------------------------------------------------------------------------------------------------------------


@exactly
def tanh_f32(x: Any) -> Any:
    """tanh(x), as t / (t + 2) with t = exp(2|x|) - 1."""
    z = absolute(x)
    z = f32(2.0) * select(z > f32(10.0), f32(10.0), z)
    y = rint(z * LOG2E_32)
    a = power_of_two_32(whole_32(y))
    t = less_one_32((z - y * LN2_HIGH_32) - y * LN2_LOW_32) * a + (a - f32(1.0))
    return copysign(t / (t + f32(2.0)), x)


@exactly
def tanh_f64(x: Any) -> Any:
    """tanh(x), as t / (t + 2) with t = exp(2|x|) - 1."""
    z = absolute(x)
    z = 2.0 * select(z > 22.0, 22.0, z)
    y = rint(z * LOG2E_64)
    a = power_of_two_64(whole_64(y))
    t = less_one_64(z - y * LN2_HIGH_64, y * LN2_LOW_64) * a + (a - 1.0)
    return copysign(t / (t + 2.0), x)


# --- log --------------------------------------------------------------------------------------------------------------
# x = 2^n m with m between sqrt(1/2) and sqrt(2), taken from the bits of x; subnormal numbers are scaled first.


@exactly
def log_f32(x: Any) -> Any:
    """log(x)."""
    small = x < f32(1.17549435e-38)
    b = i32(bits_32(select(small, x * f32(8388608.0), x)) - i32(0x3F3504F3))
    n = f32(i32(b >> i32(23))) - select(small, f32(23.0), f32(0.0))
    m = float_32(i32((b & i32(0x007FFFFF)) + i32(0x3F3504F3))) - f32(1.0)
    z = m * m
    p = f32(7.0376836292e-2)  # Cephes, logf.c
    p = p * m + f32(-1.1514610310e-1)
    p = p * m + f32(1.1676998740e-1)
    p = p * m + f32(-1.2420140846e-1)
    p = p * m + f32(1.4249322787e-1)
    p = p * m + f32(-1.6668057665e-1)
    p = p * m + f32(2.0000714765e-1)
    p = p * m + f32(-2.4999993993e-1)
    p = p * m + f32(3.3333331174e-1)
    p = (p * m) * z + n * LN2_LOW_32
    p = p - f32(0.5) * z
    result = (m + p) + n * LN2_HIGH_32
    result = select(x == f32(0.0), -INFINITY_32, result)
    result = select(x < f32(0.0), NAN_32, result)
    return select(x < INFINITY_32, result, x)


@exactly
def log_f64(x: Any) -> Any:
    """log(x)."""
    small = x < 2.2250738585072014e-308
    b = bits_64(select(small, x * 18014398509481984.0, x)) - i64(0x3FE6A09E667F3BCD)
    n = float_from_whole_64(b >> i64(52)) - select(small, 54.0, 0.0)
    f = float_64((b & i64(0x000FFFFFFFFFFFFF)) + i64(0x3FE6A09E667F3BCD)) - 1.0
    s = f / (2.0 + f)  # fdlibm, e_log.c
    z = s * s
    p = 1.479819860511658591e-01
    p = p * z + 1.531383769920937332e-01
    p = p * z + 1.818357216161805012e-01
    p = p * z + 2.222219843214978396e-01
    p = p * z + 2.857142874366239149e-01
    p = p * z + 3.999999999940941908e-01
    p = p * z + 6.666666666666735130e-01
    h = 0.5 * f * f
    result = n * LN2_HIGH_64 - ((h - (s * (h + z * p) + n * LN2_LOW_64)) - f)
    result = select(x == 0.0, -INFINITY_64, result)
    result = select(x < 0.0, NAN_64, result)
    return select(x < INFINITY_64, result, x)


@exactly
def log1p_f32(x: Any) -> Any:
    """log(1 + x): what the sum lost is added again."""
    u = f32(1.0) + x
    result = log_f32(u) + (x - (u - f32(1.0))) / u
    result = select(u == f32(0.0), -INFINITY_32, result)
    result = select(x < INFINITY_32, result, x)
    return select(x == f32(0.0), x, result)


@exactly
def log1p_f64(x: Any) -> Any:
    """log(1 + x): what the sum lost is added again."""
    u = 1.0 + x
    result = log_f64(u) + (x - (u - 1.0)) / u
    result = select(u == 0.0, -INFINITY_64, result)
    result = select(x < INFINITY_64, result, x)
    return select(x == 0.0, x, result)

"""The ops in JAX: one table, in which every op has a form in `jax.numpy`, or is refused with its reason.

Most ops are there under the very name of the NumPy function that they stand for; `LOWERINGS` has the others. XLA raises
no exceptions: where NumPy would (an index out of range, a singular matrix), a lowering calls `demand`, and the plan
looks at these conditions after it ran.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..ops.convolution import offsets, output_size, padding_pairs
from ..ops.indexing import read
from ..ops.shape import pad_pairs
from ..ops.special import sinc_at
from .program import Instruction

__all__ = ["LOWERINGS", "REFUSED", "canonical", "demanding", "lowering", "package", "refusal"]

Lowering = Callable[..., Any]
"""Called as ``lowering(jnp, *arrays, **attrs)``, with `jax.numpy` first."""


def package() -> Any:
    """Return JAX, imported when it is first needed."""
    return importlib.import_module("jax")


def canonical(dtype: Any) -> np.dtype:
    """Return the dtype that JAX has in place of one: itself in a plan; single precision where the user leaves it so."""
    return np.dtype(package().dtypes.canonicalize_dtype(dtype))


demands: list[list[Any]] = []


@contextmanager
def demanding() -> Iterator[list[Any]]:
    """Collect what lowerings demand of the data, in the list that is given."""
    demands.append([])
    try:
        yield demands[-1]
    finally:
        demands.pop()


def demand(condition: Any) -> None:
    """State what has to hold of the data: where it does not, NumPy raises."""
    if demands:
        demands[-1].append(condition)


LOWERINGS: dict[str, Lowering] = {}
"""How ops are written, other than under their NumPy names."""


def lower(*names: str) -> Callable[[Lowering], Lowering]:
    """Enter a lowering under the names of ops."""

    def enter(f: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, f))
        return f

    return enter


REFUSED = {
    "eig": "XLA has it on the CPU only, and with another order of the eigenvalues",
    "eigvals": "XLA has it on the CPU only, and with another order of the eigenvalues",
    "argpartition": "the order within a part is another one",
    "partition": "the order within a part is another one",
}
"""Ops that XLA does not run, and why."""


@functools.cache
def lowering(op: Any) -> Lowering | None:
    """Return how an op is written; None if it is not."""
    if op.name in LOWERINGS:
        return LOWERINGS[op.name]
    if op.name in REFUSED or type(op).__name__ != "Op":
        return None
    for function in op.numpy:
        path = function_path(function)
        if path is not None and exists(path):
            return functools.partial(by_name, path)
    return None


def refusal(instruction: Instruction) -> str:
    """Say why there is no form of an instruction."""
    op = instruction.op
    if has_mask(instruction):
        return "a mask selects a number of elements that depends on the data (write where(mask, x, 0))"
    if type(op).__name__ != "Op":
        return "it carries a Python function"
    return REFUSED.get(op.name, "it is not in the table")


def has_mask(instruction: Instruction) -> bool:
    """Does it index with a mask that is known only when it runs?"""
    if "key" not in instruction.attrs:
        return False
    return any(v.dtype == bool and v.shape and v.kind != "constant" for v in instruction.args[1:])


def function_path(function: Any) -> tuple[str, ...] | None:
    """Return where `jax.numpy` keeps a function of NumPy: ("linalg", "inv")."""
    name = getattr(function, "__name__", "")
    module = getattr(function, "__module__", "") or ""
    for part in ("linalg", "fft"):
        if part in module.split("."):
            return part, name
    return (name,)


def exists(path: tuple[str, ...]) -> bool:
    jnp = package().numpy

    return hasattr(functools.reduce(lambda room, part: getattr(room, part, None), path[:-1], jnp), path[-1])


def by_name(path: tuple[str, ...], jnp: Any, *args: Any, **attrs: Any) -> Any:
    """Call the function of `jax.numpy` that has NumPy's name."""
    function = functools.reduce(getattr, path, jnp)
    return function(*[jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in args], **attrs)


for _name in "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2".split():

    @lower(_name)
    def transform(jnp: Any, x: Any, *, _name: str = _name, **attrs: Any) -> Any:
        x = jnp.asarray(x)
        if attrs.get("s") is not None:  # -1 keeps a length
            axes = range(-len(attrs["s"]), 0) if attrs["axes"] is None else attrs["axes"]
            attrs["s"] = [x.shape[axis] if n == -1 else n for n, axis in zip(attrs["s"], axes, strict=True)]
        if x.size:
            return getattr(jnp.fft, _name)(x, **attrs)
        like = getattr(np.fft, _name)(np.zeros(x.shape, x.dtype), **attrs)  # XLA has none without elements
        return jnp.zeros(like.shape, like.dtype)


@lower("convolve")
def convolve(jnp: Any, x: Any, y: Any, *, mode: str, _flip: bool = False) -> Any:
    """Convolutions of XLA saturate where integers overflow; these products and sums wrap, as in NumPy."""
    x, y = jnp.ravel(x), jnp.ravel(y)
    dtype = jnp.result_type(x, y)
    if dtype.kind not in "iu":
        return (jnp.correlate if _flip else jnp.convolve)(x, y, mode=mode)
    y = y[::-1] if _flip else y
    n, m = max(x.size, y.size), min(x.size, y.size)
    before = m // 2 if _flip and x.size < y.size else (m - 1) // 2  # NumPy turns the result around
    long, short = (x, y) if x.size >= y.size else (y, x)
    windows = jnp.pad(long.astype(dtype), m - 1)[np.arange(n + m - 1)[:, None] + np.arange(m)]
    whole = jnp.sum(windows * short[::-1].astype(dtype), axis=-1, dtype=dtype)
    length, start = {"full": (n + m - 1, 0), "same": (n, before), "valid": (n - m + 1, m - 1)}[mode]
    return whole[start : start + length]


LOWERINGS["correlate"] = functools.partial(convolve, _flip=True)


def integer_power(jnp: Any, x: Any, y: Any) -> Any:
    """By squaring, bit by bit of the exponent: so products wrap as NumPy's do."""
    if y.dtype.kind == "i":
        demand(jnp.all(y >= 0))

    def step(_: Any, state: Any) -> Any:
        out, square, left = state
        return jnp.where(left & 1 == 1, out * square, out), square * square, left >> 1

    x, y = jnp.broadcast_arrays(x, y)
    return package().lax.fori_loop(0, 8 * y.dtype.itemsize, step, (jnp.ones_like(x), x, y))[0]


@lower("kron")
def kron(jnp: Any, x: Any, y: Any) -> Any:
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.dtype == y.dtype == bool:  # which JAX does not multiply
        return jnp.kron(x.astype("uint8"), y.astype("uint8")) != 0
    return jnp.kron(x, y)


@lower("searchsorted")
def searchsorted(jnp: Any, a: Any, v: Any, **attrs: Any) -> Any:
    a, v = jnp.asarray(a), jnp.asarray(v)
    dtype = canonical(np.promote_types(a.dtype, v.dtype))  # JAX would compare int32 and float32 in float32
    return jnp.searchsorted(a.astype(dtype), v.astype(dtype), **attrs)


@lower("power")
def power(jnp: Any, x: Any, y: Any) -> Any:
    dtype = jnp.result_type(x, y)
    if dtype.kind in "iu":
        return integer_power(jnp, jnp.asarray(x, dtype), jnp.asarray(y, dtype))
    out = jnp.power(x, y)
    if dtype.kind != "c":
        return out
    of_zero = jnp.where(jnp.real(y) > 0, 0.0, complex(math.nan, math.nan))
    return jnp.where(y == 0, 1.0, jnp.where(x == 0, of_zero, out)).astype(out.dtype)  # of these JAX has its own


@lower("alias", "positive")
def alias(jnp: Any, x: Any) -> Any:
    return x


@lower("item")
def item(jnp: Any, results: Any, *, index: int) -> Any:
    return results[index]


@lower("cast", "cast_discrete")
def cast(jnp: Any, x: Any, *, dtype: str) -> Any:
    if dtype == "python":
        return jnp.real(x).astype(canonical(float))
    wanted = canonical(dtype)
    x = jnp.asarray(x)
    return (jnp.real(x) if x.dtype.kind == "c" and wanted.kind != "c" else x).astype(wanted)


@lower("copy")
def copy(jnp: Any, x: Any) -> Any:
    return jnp.asarray(x)


@lower("relu")
def relu(jnp: Any, x: Any) -> Any:
    return jnp.maximum(x, 0)


@lower("sigmoid")
def sigmoid(jnp: Any, x: Any) -> Any:
    return 1.0 / (1.0 + jnp.exp(-x))


@lower("clip")
def clip(jnp: Any, x: Any, low: Any, high: Any) -> Any:
    return jnp.minimum(jnp.maximum(x, low), high)


@lower("power_of")
def power_of(jnp: Any, x: Any, *, exponent: Any) -> Any:
    x = jnp.asarray(x)
    return x ** (int(exponent) if abs(exponent) < 64 and exponent == int(exponent) else exponent)


for _name in ("floor_divide", "remainder", "fmod"):

    @lower(_name)
    def divided(jnp: Any, x: Any, y: Any, *, _name: str = _name) -> Any:
        out = getattr(jnp, _name)(x, y)
        return out if out.dtype.kind == "f" else jnp.where(y == 0, jnp.zeros_like(out), out)  # as NumPy has it


@lower("reciprocal")
def reciprocal(jnp: Any, x: Any) -> Any:
    x = jnp.asarray(x)
    if x.dtype.kind in "fc":
        return jnp.reciprocal(x)
    with np.errstate(all="ignore"):
        of_zero = np.reciprocal(np.zeros((), x.dtype))
    return jnp.where(x == 0, of_zero, jnp.where(abs(x) == 1, x, jnp.zeros_like(x)))


@lower("matmul")
def matmul(jnp: Any, x: Any, y: Any) -> Any:
    return jnp.matmul(x, y)


@lower("linear")
def linear(jnp: Any, x: Any, w: Any, b: Any) -> Any:
    return jnp.matmul(x, w) + b


@lower("sum_to")
def sum_to(jnp: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    extra = x.ndim - len(shape)
    axes = (*range(extra), *(extra + i for i, n in enumerate(shape) if n == 1 != x.shape[extra + i]))
    return jnp.sum(x, axis=axes, keepdims=True).reshape(shape)


@lower("softmax")
def softmax(jnp: Any, x: Any, *, axis: Any = -1) -> Any:
    p = jnp.exp(x - jnp.max(x, axis=axis, keepdims=True))
    return p / jnp.sum(p, axis=axis, keepdims=True)


@lower("log_softmax")
def log_softmax(jnp: Any, x: Any, *, axis: Any = -1) -> Any:
    z = x - jnp.max(x, axis=axis, keepdims=True)
    return z - jnp.log(jnp.sum(jnp.exp(z), axis=axis, keepdims=True))


@lower("logsumexp")
def logsumexp(jnp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    jax = package()

    return jax.scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)


@lower("cross_entropy")
def cross_entropy(jnp: Any, logits: Any, labels: Any, *, reduction: str) -> Any:
    z = log_softmax(jnp, jnp.asarray(logits))
    labels = inside(jnp, labels, z.shape[-1])
    losses = -jnp.take_along_axis(z, jnp.expand_dims(labels, -1), axis=-1)[..., 0]
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


@lower("softmax_minus_one_hot")
def softmax_minus_one_hot(jnp: Any, logits: Any, labels: Any) -> Any:
    p = softmax(jnp, jnp.asarray(logits))
    return p - (jnp.arange(p.shape[-1]) == jnp.expand_dims(labels, -1)).astype(p.dtype)


LOWERINGS["concatenate"] = lambda jnp, *xs, axis: jnp.concatenate(xs, axis)
LOWERINGS["stack"] = lambda jnp, *xs, axis: jnp.stack(xs, axis)
LOWERINGS["einsum"] = lambda jnp, *xs, subscripts: jnp.einsum(subscripts, *xs)
LOWERINGS["multi_dot"] = lambda jnp, *xs: functools.reduce(jnp.matmul, xs)


def inside(jnp: Any, indices: Any, length: int) -> Any:
    """Demand that indices lie within an axis, from its end or its beginning, and return them."""
    indices = jnp.asarray(indices)
    if indices.dtype.kind == "u":  # as they are, -length would wrap around
        demand(jnp.all(indices < np.uint64(length)))
        return indices.astype(canonical(int))
    if indices.dtype.kind == "i":
        indices = indices.astype(canonical(int))
        demand(jnp.all((indices >= -length) & (indices < length)))
    return indices


def selection(jnp: Any, key: Any, indices: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a key with its index arrays, each inside of the axis that it indexes."""
    found = list(read(key, indices))
    width = [1 if k is not None and k is not Ellipsis else 0 for k in found]
    for i, k in enumerate(found):
        if hasattr(k, "dtype") and k.dtype == bool:
            width[i] = np.ndim(k)
    axis = 0
    for i, k in enumerate(found):
        if k is Ellipsis:
            axis = len(shape) - sum(width[i + 1 :])
        elif k is not None:
            if hasattr(k, "dtype") and k.dtype != bool:
                found[i] = inside(jnp, k, shape[axis])
            axis += width[i]
    return tuple(found)


@lower("getitem")
def getitem(jnp: Any, *operands: Any, key: Any) -> Any:
    x = jnp.asarray(operands[0])
    return x[selection(jnp, key, operands[1:], x.shape)]


@lower("place")
def place(jnp: Any, *operands: Any, key: Any, shape: tuple[int, ...]) -> Any:
    g = jnp.asarray(operands[0])
    return jnp.zeros(shape, g.dtype).at[selection(jnp, key, operands[1:], shape)].add(g)


@lower("take")
def take(jnp: Any, x: Any, indices: Any, *, axis: int | None) -> Any:
    x = jnp.asarray(x)
    indices = inside(jnp, indices, x.size if axis is None else x.shape[axis])
    return jnp.take(x, indices, axis=axis, mode="wrap")


@lower("take_along_axis")
def take_along_axis(jnp: Any, x: Any, indices: Any, *, axis: int | None) -> Any:
    x = jnp.asarray(x)
    indices = inside(jnp, indices, x.size if axis is None else x.shape[axis])
    return jnp.take_along_axis(x, indices, axis=axis)


@lower("place_along_axis")
def place_along_axis(jnp: Any, x: Any, indices: Any, *, length: int, axis: int) -> Any:
    x, indices = jnp.moveaxis(jnp.asarray(x), axis, -1), jnp.moveaxis(inside(jnp, indices, length), axis, -1)
    shape = jnp.broadcast_shapes(x.shape, indices.shape)
    x, indices = jnp.broadcast_to(x, shape), jnp.broadcast_to(indices, shape)
    grid = jnp.meshgrid(*[jnp.arange(n) for n in shape[:-1]], jnp.arange(shape[-1]), indexing="ij")[:-1]
    out = jnp.zeros((*shape[:-1], length), x.dtype).at[(*grid, indices)].add(x)
    return jnp.moveaxis(out, -1, axis)


@lower("at_set")
def at_set(jnp: Any, *operands: Any, key: Any) -> Any:
    x, y, *indices = operands
    x, dtype = jnp.asarray(x), jnp.result_type(x, y)
    where = selection(jnp, key, indices, x.shape)
    if not indices or all(i.dtype == bool for i in indices):
        return x.astype(dtype).at[where].set(y)
    # In XLA it is not defined which of several writers comes last; the largest of their numbers is.
    at = jnp.arange(x.size).reshape(x.shape)[where]
    y = jnp.broadcast_to(jnp.asarray(y, dtype), at.shape).reshape(-1)
    writer = jnp.full(x.size, -1).at[at.reshape(-1)].max(jnp.arange(y.size)).reshape(x.shape)
    return x.astype(dtype) if not y.size else jnp.where(writer < 0, x, y[writer])


@lower("groups")
def groups(jnp: Any, *indices: Any, key: Any, shape: tuple[int, ...]) -> Any:
    flat = jnp.arange(math.prod(shape)).reshape(shape)[selection(jnp, key, indices, shape)].reshape(-1)
    order = jnp.argsort(flat, stable=True)
    ends = jnp.concatenate([jnp.ones(1, bool), jnp.diff(flat[order]) != 0, jnp.ones(1, bool)])
    return order, jnp.argsort(order), ends[: flat.size], ends[1 : flat.size + 1]


@lower("last_of_each")
def last_of_each(jnp: Any, *indices: Any, key: Any, shape: tuple[int, ...]) -> Any:
    at = jnp.arange(math.prod(shape)).reshape(shape)[selection(jnp, key, indices, shape)]
    number = jnp.arange(at.size)
    writer = jnp.full(math.prod(shape), -1).at[at.reshape(-1)].max(number)
    return (writer[at.reshape(-1)] == number).reshape(at.shape)


for _name, _method in (
    ("at_add", "add"),
    ("at_multiply", "multiply"),
    ("at_max", "max"),
    ("at_min", "min"),
):

    @lower(_name)
    def at(jnp: Any, *operands: Any, key: Any, _method: str = _method) -> Any:
        x, y, *indices = operands
        x = jnp.asarray(x)
        dtype = jnp.result_type(x, y)
        return getattr(x.astype(dtype).at[selection(jnp, key, indices, x.shape)], _method)(y)


@lower("crop")
def crop(jnp: Any, x: Any, *, pad_width: Any) -> Any:
    pad_width = np.broadcast_to(pad_width, (x.ndim, 2)).tolist() if x.ndim else ()
    return jnp.asarray(x)[tuple(slice(a, n - b) for (a, b), n in zip(pad_width, x.shape, strict=True))]


@lower("pad")
def pad(jnp: Any, x: Any, *, pad_width: Any, mode: str, constant_values: Any) -> Any:
    if mode == "constant":
        return jnp.pad(x, pad_width, mode=mode, constant_values=constant_values)
    return jnp.pad(x, pad_width, mode=mode)


@lower("repeat")
def repeat(jnp: Any, x: Any, *, repeats: Any, axis: int | None) -> Any:
    repeats = np.asarray(repeats)
    count = x.size if axis is None else x.shape[axis]
    total = int(np.broadcast_to(repeats, (count,)).sum())
    return jnp.repeat(x, repeats, axis=axis, total_repeat_length=total)


@lower("tril")
def tril(jnp: Any, x: Any, *, k: int) -> Any:
    n = x.shape[-1]
    return jnp.where(np.tri(x.shape[-2] if x.ndim > 1 else n, n, k, bool), x, 0)


@lower("triu")
def triu(jnp: Any, x: Any, *, k: int) -> Any:
    n = x.shape[-1]
    return jnp.where(~np.tri(x.shape[-2] if x.ndim > 1 else n, n, k - 1, bool), x, 0)


@lower("sort")
def sort(jnp: Any, x: Any, *, axis: Any, kind: Any) -> Any:
    return jnp.sort(x, axis=axis)


@lower("argsort")
def argsort(jnp: Any, x: Any, *, axis: Any, kind: Any) -> Any:
    return jnp.argsort(x, axis=axis, stable=True)


@lower("quantile")
def quantile(jnp: Any, x: Any, *, q: Any, axis: Any, method: Any, keepdims: bool) -> Any:
    """Every method interpolates between neighbours in sorted order; the quantile of 0 … n-1 tells at which place."""
    x = jnp.asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis) % max(x.ndim, 1))
    others = [i for i in range(x.ndim) if i not in axes]
    rows = jnp.sort(jnp.transpose(x, (*others, *axes)).reshape([x.shape[i] for i in others] + [-1]), axis=-1)
    place = np.quantile(np.arange(float(rows.shape[-1])), q, method=method)
    below = np.floor(place).astype(int)
    low, high = rows[..., below], rows[..., np.minimum(below + 1, rows.shape[-1] - 1)]
    out = low + (high - low) * (place - below).astype(rows.dtype if rows.dtype.kind == "f" else canonical(float))
    broken = jnp.isnan(rows[..., -1])  # NaN is sorted last
    out = jnp.where(broken[..., None] if np.ndim(q) else broken, np.nan, out)
    if np.ndim(q):
        out = jnp.moveaxis(out, -1, 0)
    if keepdims:
        out = out.reshape([*np.shape(q), *(1 if i in axes else n for i, n in enumerate(x.shape))])
    return out


@lower("repeat_transpose")
def repeat_transpose(jnp: Any, x: Any, *, shape: Any, repeats: Any, axis: int | None) -> Any:
    rows = jnp.reshape(x, -1) if axis is None else jnp.moveaxis(jnp.asarray(x), axis, 0)
    count = math.prod(shape) if axis is None else shape[axis]
    which = np.repeat(np.arange(count), repeats)
    out = jnp.zeros((count, *rows.shape[1:]), rows.dtype).at[which].add(rows)
    return out.reshape(shape) if axis is None else jnp.moveaxis(out, 0, axis)


@lower("pad_transpose")
def pad_transpose(jnp: Any, x: Any, *, pad_width: Any, mode: str) -> Any:
    out = jnp.asarray(x)
    for axis, (before, after) in enumerate(pad_pairs(pad_width, out.ndim)):
        rows = jnp.moveaxis(out, axis, 0)
        n = len(rows) - before - after
        which = np.pad(np.arange(n), (before, after), mode)  # type: ignore[call-overload]
        out = jnp.moveaxis(jnp.zeros((n, *rows.shape[1:]), rows.dtype).at[which].add(rows), 0, axis)
    return out


@lower("diagonal_embed")
def diagonal_embed(jnp: Any, x: Any, *, shape: Any, offset: int, axis1: int, axis2: int) -> Any:
    x = jnp.asarray(x)
    plane = jnp.moveaxis(jnp.zeros(shape, x.dtype), (axis1, axis2), (-2, -1))
    i = np.arange(x.shape[-1])
    plane = plane.at[..., i + max(-offset, 0), i + max(offset, 0)].set(x)
    return jnp.moveaxis(plane, (-2, -1), (axis1, axis2))


@lower("crop_or_pad")
def crop_or_pad(jnp: Any, x: Any, *, shape: Any) -> Any:
    x = jnp.asarray(x)
    common = tuple(slice(0, min(n, m)) for n, m in zip(x.shape, shape, strict=True))
    return jnp.zeros(shape, x.dtype).at[common].set(x[common])


@lower("topk")
def topk(jnp: Any, x: Any, *, k: int, axis: int) -> Any:
    x = jnp.asarray(x)
    n = x.shape[axis]
    backwards = n - 1 - jnp.argsort(jnp.flip(x, axis), axis=axis, stable=True)
    indices = jnp.take(jnp.flip(backwards, axis), np.arange(k), axis)
    return jnp.take_along_axis(x, indices, axis), indices


@lower("recurrence")
def recurrence(jnp: Any, a: Any, b: Any, *, reverse: bool) -> Any:
    dtype = jnp.result_type(a, b)
    a, b = jnp.broadcast_arrays(jnp.asarray(a, dtype), jnp.asarray(b, dtype))
    start = jnp.zeros(b.shape[1:], dtype)

    def step(r: Any, row: Any) -> Any:
        r = row[1] + row[0] * r
        return r, r

    return package().lax.scan(step, start, (a, b), reverse=reverse)[1]


# linear algebra: where NumPy raises, XLA gives infinities and NaN


def regular(jnp: Any, out: Any, *given: Any) -> Any:
    """Demand that a result is finite if what came was, and return it."""
    came = [jnp.all(jnp.isfinite(x)) for x in given]
    demand(jnp.all(jnp.isfinite(out)) | ~functools.reduce(jnp.logical_and, came))
    return out


LOWERINGS |= {
    "inv": lambda jnp, x: regular(jnp, jnp.linalg.inv(x), x),
    "solve": lambda jnp, a, b: regular(jnp, jnp.linalg.solve(a, b), a, b),
    "cholesky": lambda jnp, x, upper: regular(jnp, jnp.linalg.cholesky(x, upper=upper, symmetrize_input=False), x),
    "matrix_power": lambda jnp, x, n: regular(jnp, jnp.linalg.matrix_power(x, n), x),
    "svd": lambda jnp, x, full_matrices: jnp.linalg.svd(x, full_matrices=full_matrices),
    "expm": lambda jnp, x: package().scipy.linalg.expm(x),
}


@lower("lstsq")
def lstsq(jnp: Any, a: Any, b: Any, *, rcond: Any) -> Any:
    x, _, rank, _ = jnp.linalg.lstsq(a, b, rcond)
    demand(rank == min(a.shape))
    return x


@lower("matrix_rank")
def matrix_rank(jnp: Any, x: Any, *, tol: Any, hermitian: bool, rtol: Any) -> Any:
    x = jnp.asarray(x)
    if x.ndim < 2:
        return jnp.any(x != 0)
    s = jnp.linalg.svd(x, compute_uv=False)
    if tol is None:
        relative = max(x.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else jnp.asarray(rtol)[..., None]
        tol = jnp.max(s, axis=-1, keepdims=True, initial=0) * relative
    else:
        tol = jnp.asarray(tol)[..., None]
    return jnp.sum(s > tol, axis=-1)


@lower("cond")
def cond(jnp: Any, x: Any, *, p: Any) -> Any:
    return jnp.linalg.cond(x, p)


@lower("cofactor")
def cofactor(jnp: Any, x: Any) -> Any:
    u, s, vh = jnp.linalg.svd(x)
    one = jnp.ones_like(s[..., :1])
    left = jnp.concatenate([one, jnp.cumprod(s[..., :-1], axis=-1)], -1)
    right = jnp.concatenate([jnp.cumprod(s[..., :0:-1], axis=-1)[..., ::-1], one], -1)
    orientation = jnp.linalg.det(u) * jnp.linalg.det(vh)
    return orientation[..., None, None] * ((u * (left * right)[..., None, :]) @ vh)


# windows


def surrounded(jnp: Any, x: Any, padding: Any, n: int) -> Any:
    x = jnp.asarray(x)
    return jnp.pad(x, [(0, 0)] * (x.ndim - n) + list(padding_pairs(padding, n)))


@lower("unfold")
def unfold(jnp: Any, x: Any, *, kernel: Any, stride: Any, dilation: Any, padding: Any) -> Any:
    n = len(kernel)
    x = surrounded(jnp, x, padding, n)
    count = output_size(x.shape[x.ndim - n :], kernel=kernel, stride=stride, dilation=dilation)
    parts = jnp.stack([x[places] for _, places in offsets(count, kernel, stride, dilation)], axis=-1)
    return parts.reshape(*parts.shape[:-1], *kernel)


@lower("fold")
def fold(jnp: Any, x: Any, *, size: Any, kernel: Any, stride: Any, dilation: Any, padding: Any) -> Any:
    n = len(kernel)
    pairs = padding_pairs(padding, n)
    count = output_size(tuple(size), kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    out = jnp.zeros((*x.shape[: x.ndim - 2 * n], *(m + a + b for m, (a, b) in zip(size, pairs, strict=True))), x.dtype)
    for offset, places in offsets(count, kernel, stride, dilation):
        out = out.at[places].add(x[(..., *offset)])
    return out[(..., *(slice(a, a + m) for m, (a, b) in zip(size, pairs, strict=True)))]


def window_parts(jnp: Any, x: Any, kernel: Any, stride: Any, dilation: Any) -> list[Any]:
    x = jnp.asarray(x)
    count = output_size(x.shape[x.ndim - len(kernel) :], kernel=kernel, stride=stride, dilation=dilation)
    return [x[places] for _, places in offsets(count, kernel, stride, dilation)]


@lower("pool_sum")
def pool_sum(jnp: Any, x: Any, *, kernel: Any, stride: Any, dilation: Any) -> Any:
    return functools.reduce(jnp.add, window_parts(jnp, x, kernel, stride, dilation))


@lower("pool_max")
def pool_max(jnp: Any, x: Any, *, kernel: Any, stride: Any, dilation: Any) -> Any:
    return functools.reduce(jnp.maximum, window_parts(jnp, x, kernel, stride, dilation))


@lower("pool_share")
def pool_share(jnp: Any, x: Any, *, kernel: Any, stride: Any, dilation: Any) -> Any:
    parts = jnp.stack(window_parts(jnp, x, kernel, stride, dilation), axis=-1)
    shares = (parts == parts.max(axis=-1, keepdims=True)).astype(parts.dtype)
    shares = shares / shares.sum(axis=-1, keepdims=True)
    return shares.reshape(*shares.shape[:-1], *kernel)


@lower("conv")
def conv(jnp: Any, x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    jax = package()

    n = w.ndim - 2

    def each(setting: Any) -> tuple[int, ...]:
        return tuple(setting) if isinstance(setting, (tuple, list)) else (setting,) * n

    return jax.lax.conv_general_dilated(
        x,
        w,
        each(stride),
        list(padding_pairs(padding, n)),
        rhs_dilation=each(dilation),
        feature_group_count=groups,
    )


@lower("conv_image")
def conv_image(jnp: Any, g: Any, w: Any, *, size: Any, groups: int, **windows: Any) -> Any:
    jax = package()
    image = jax.ShapeDtypeStruct((g.shape[0], w.shape[1] * groups, *size), jnp.result_type(g, w))
    w, g = jnp.asarray(w, image.dtype), jnp.asarray(g, image.dtype)
    return jax.linear_transpose(lambda x: conv(jnp, x, w, groups=groups, **windows), image)(g)[0]


@lower("conv_filters")
def conv_filters(jnp: Any, x: Any, g: Any, *, kernel: Any, groups: int, **windows: Any) -> Any:
    jax = package()
    filters = jax.ShapeDtypeStruct((g.shape[1], x.shape[1] // groups, *kernel), jnp.result_type(x, g))
    x, g = jnp.asarray(x, filters.dtype), jnp.asarray(g, filters.dtype)
    return jax.linear_transpose(lambda w: conv(jnp, x, w, groups=groups, **windows), filters)(g)[0]


# recurrence


@lower("lstm_gates")
def lstm_gates(jnp: Any, gates: Any, c: Any) -> Any:
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    i, f, g, o = sigmoid(jnp, i), sigmoid(jnp, f), jnp.tanh(g), sigmoid(jnp, o)
    new = f * c + i * g
    return jnp.tanh(new) * o, new, jnp.concatenate([i, f, g, o], axis=-1)


@lower("gru_gates")
def gru_gates(jnp: Any, x: Any, y: Any, h: Any) -> Any:
    x, y = jnp.split(x, 3, axis=-1), jnp.split(y, 3, axis=-1)
    r, z = sigmoid(jnp, x[0] + y[0]), sigmoid(jnp, x[1] + y[1])
    n = jnp.tanh(x[2] + r * y[2])
    return n + z * (h - n), jnp.concatenate([r, z, n], axis=-1)


# functions that SciPy has, and JAX under the same names

for _name in (
    *("digamma", "entr", "erf", "erfc", "erfinv", "i0", "i0e", "i1", "i1e", "log_ndtr", "ndtr", "ndtri"),
    *("xlog1py", "xlogy"),
):

    @lower(_name)
    def special(jnp: Any, *args: Any, _name: str = _name) -> Any:
        jax = package()

        return getattr(jax.scipy.special, _name)(*args)


LOWERINGS |= {
    "lgamma": lambda jnp, x: special_function("gammaln")(x),
    "logit": lambda jnp, p: jnp.log(p) - jnp.log1p(-jnp.asarray(p)),
    "softplus": lambda jnp, x: jnp.logaddexp(x, 0.0),
    "log_sigmoid": lambda jnp, x: -jnp.logaddexp(-x, 0.0),
    "softsign": lambda jnp, x: x / (1.0 + jnp.abs(x)),
    "silu": lambda jnp, x: x * sigmoid(jnp, x),
    "elu": lambda jnp, x, alpha: jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0))),
    "leaky_relu": lambda jnp, x, negative_slope: jnp.where(x > 0, x, negative_slope * x),
    "normal_pdf": lambda jnp, x: jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi),
}


def special_function(name: str) -> Any:
    jax = package()

    return getattr(jax.scipy.special, name)


@lower("gelu")
def gelu(jnp: Any, x: Any, *, approximate: Any) -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1.0 + jnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * special_function("ndtr")(x)


def double(jnp: Any, x: Any) -> tuple[Any, Any]:
    """Return x in double precision, and the dtype of a result."""
    x = jnp.asarray(x)
    wide = canonical(np.float64)
    return x.astype(wide), x.dtype if x.dtype.kind == "f" else wide


@lower("erfcx")
def erfcx(jnp: Any, x: Any) -> Any:
    return special_function("erfcx")(x)


@lower("erfcinv")
def erfcinv(jnp: Any, x: Any) -> Any:
    """By the quantiles of the normal distribution, which are as exact for small x."""
    x, dtype = double(jnp, x)
    return (special_function("ndtri")(x / 2) * -math.sqrt(0.5)).astype(dtype)


def hazard(x: Any) -> Any:
    return math.sqrt(2 / math.pi) / special_function("erfcx")(-x * math.sqrt(0.5))


@lower("normal_hazard")
def normal_hazard(jnp: Any, x: Any) -> Any:
    x, dtype = double(jnp, x)
    return hazard(x).astype(dtype)


@lower("normal_hazard_excess")
def normal_hazard_excess(jnp: Any, x: Any) -> Any:
    x, dtype = double(jnp, x)
    t = -1.0 / jnp.minimum(x, -50.0)
    t2 = t * t
    series = t * (1.0 - t2 * (2.0 - t2 * (10.0 - t2 * (74.0 - t2 * 706.0))))
    return jnp.where(x < -50.0, series, x + hazard(x)).astype(dtype)


@lower("gamma")
def gamma(jnp: Any, x: Any) -> Any:
    return special_function("gamma")(x)


@lower("polygamma")
def polygamma(jnp: Any, x: Any, *, n: int) -> Any:
    x = jnp.asarray(x)
    if n == 0:
        return special_function("digamma")(x)
    order = jnp.asarray(n + 1.0, x.dtype if x.dtype.kind == "f" else canonical(float))
    return (-1.0) ** (n + 1) * math.factorial(int(n)) * special_function("zeta")(order, x)


def bessel_ratio(jnp: Any, x: Any, order: int) -> Any:
    """Return Iₙ(x) / I₀(x) for x ≥ 0, as a product of ratios of neighbours: rₖ = 1 / (2 (k + 1) / x + rₖ₊₁).

    Downwards that is stable (Gautschi, "Computational aspects of three-term recurrence relations", 1967). It begins,
    far up, between the bounds of Amos, "Computation of modified Bessel functions and their ratios", 1974, equation 11,
    where the ratio is right to the second order of 1/x.
    """
    top = order + 120
    safe = jnp.where(x > 0, x, 1.0)
    r = safe / (top + 0.5 + jnp.sqrt((top + 0.5) * (top + 1.5) + safe * safe))
    r = package().lax.fori_loop(0, 120, lambda i, r: 1.0 / (2.0 * (top - i) / safe + r), r)
    product = jnp.ones_like(safe)
    for k in reversed(range(order)):
        r = 1.0 / (2.0 * (k + 1) / safe + r)
        product = product * r
    return jnp.where(x > 0, product, 0.0 if order else 1.0)


def bessel(jnp: Any, x: Any, order: int, name: str) -> Any:
    x, dtype = double(jnp, x)
    n = abs(int(order))
    out = special_function(name)(x) * bessel_ratio(jnp, jnp.abs(x), n)
    return (jnp.where(x < 0, -out, out) if n % 2 else out).astype(dtype)


@lower("iv")
def iv(jnp: Any, x: Any, *, order: int) -> Any:
    return bessel(jnp, x, order, "i0")


@lower("ive")
def ive(jnp: Any, x: Any, *, order: int) -> Any:
    return bessel(jnp, x, order, "i0e")


@lower("sinc_derivative")
def sinc_derivative(jnp: Any, x: Any, *, n: int) -> Any:
    x, dtype = double(jnp, x)
    return (sinc_at(math.pi * x, n, jnp) * math.pi**n).astype(dtype)

"""The XLA back end: a program as one function of JAX, compiled for the CPU, GPU or TPU that JAX finds.

Each op is written in `jax.numpy`, most of them under the very name of the NumPy function that the op stands for. JAX
(the extra ``xla``) is imported when the first plan is made. Double precision is switched on for the plan alone.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.convolution import offsets, output_size, padding_pairs
from ..ops.indexing import read
from .program import Instruction, Program, Variable

__all__ = ["LOWERINGS", "REFUSED", "XlaPlan", "lowering"]

Lowering = Callable[..., Any]
"""Called as ``lowering(jnp, *arrays, **attrs)``, with `jax.numpy` first."""


def package() -> Any:
    """Return JAX, imported when it is first needed."""
    return importlib.import_module("jax")


class XlaPlan:
    """A program, compiled by XLA.

    Attributes:
        program: what is run.

    Raises:
        ImportError: if JAX is not installed.
        NotImplementedError: naming the ops that XLA cannot run, with the reason.
    """

    name = "xla"
    quick = False
    contiguous = False
    direct = ()

    def __init__(self, program: Program) -> None:
        try:
            jax = package()
        except ImportError as error:
            raise ImportError("backend='xla' needs JAX: pip install \"autograd_nn[xla]\"") from error
        missing = {i.op.name: refusal(i) for i in program.instructions if lowering(i.op) is None or has_mask(i)}
        if missing:
            reasons = "; ".join(f"{name!r}: {reason}" for name, reason in missing.items())
            raise NotImplementedError(f"backend='xla' has no form of {reasons}. Write backend='numpy'.")
        self.program = program
        self._jit = jax.jit(self._trace)
        self._used = [
            [i for i, v in enumerate(variables) if v is not None]
            for variables in (program.arguments, program.states, program.hosts)
        ]

    def _trace(self, arguments: list[Any], states: list[Any], hosts: list[Any]) -> Any:
        """Compute the program with `jax.numpy`."""
        jnp = package().numpy

        program = self.program
        values: dict[Variable, Any] = {}
        groups = (program.arguments, arguments), (program.states, states), (program.hosts, hosts)
        for (variables, given), used in zip(groups, self._used, strict=True):
            for i, x in zip(used, given, strict=True):
                values[variables[i]] = x  # type: ignore[index]

        def value(v: Variable) -> Any:
            return values[v] if v.kind != "constant" else v.data

        for i in program.instructions:
            found: Any = lowering(i.op)
            out = found(jnp, *map(value, i.args), **i.attrs)
            values[i.out] = fitted(jnp, out, i)
        return (
            [value(v) for v in program.outputs],
            [value(v) for _, v in program.writes],
            [value(v) for v in program.checks],
        )

    def fused(self) -> dict[Variable, str]:
        """Return the names of the groups that results are computed in: there are none."""
        return {}

    def instance(self) -> Callable[..., Any]:
        """Return the plan as a function of arguments, states and hosts."""
        jax = package()

        writes = [i for i, _ in self.program.writes]
        outputs = self.program.outputs

        def run(arguments: Any, states: Any, hosts: Any) -> Any:
            given = [[part[i] for i in used] for part, used in zip((arguments, states, hosts), self._used, strict=True)]
            with double_precision(jax):
                results, assigned, checked = self._jit(*given)
            results = [given_back(x, v) for x, v in zip(results, outputs, strict=True)]
            assigned = [
                (i, None, given_back(x, v)) for i, x, (_, v) in zip(writes, assigned, self.program.writes, strict=True)
            ]
            return results, assigned, [np.asarray(x) for x in checked]

        return run

    @property
    def source(self) -> str:
        """The program, an instruction a line."""
        return str(self.program)

    def __str__(self) -> str:
        return f"{len(self.program)} instructions compiled by XLA\n{self.program}"


def double_precision(jax: Any) -> Any:
    """Return a context in which JAX has float64, as NumPy does; the user's configuration stays."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return importlib.import_module("jax.experimental").enable_x64()  # before JAX 0.8


def fitted(jnp: Any, out: Any, i: Instruction) -> Any:
    """Return a result in the dtype that was recorded."""
    if isinstance(out, tuple) or i.out.python or i.out.dtype is None:
        return out
    return out if out.dtype == i.out.dtype else out.astype(i.out.dtype)


def given_back(x: Any, v: Variable) -> Any:
    """Return a result as NumPy's, or as a Python number."""
    if v.python:
        return np.asarray(x).item()
    return np.array(x, dtype=v.dtype)


# --- the table ------------------------------------------------------------------------------------------------------

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
    "matrix_rank": "it counts, which XLA does with another tolerance",
    "argpartition": "the order within a part is another one",
    "partition": "the order within a part is another one",
    "cond": "its norms are not all written",
    "groups": "the number of repeated indices depends on the data",
    "last_of_each": "which of several writers comes last is not defined in XLA",
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


@lower("alias", "positive")
def alias(jnp: Any, x: Any) -> Any:
    return x


@lower("item")
def item(jnp: Any, results: Any, *, index: int) -> Any:
    return results[index]


@lower("cast", "cast_discrete")
def cast(jnp: Any, x: Any, *, dtype: str) -> Any:
    if dtype == "python":
        return jnp.real(x).astype(float)
    wanted = np.dtype(dtype)
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
    return x ** (int(exponent) if exponent == int(exponent) and abs(exponent) < 64 else exponent)


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


@lower("getitem")
def getitem(jnp: Any, *operands: Any, key: Any) -> Any:
    return jnp.asarray(operands[0])[read(key, operands[1:])]


@lower("place")
def place(jnp: Any, *operands: Any, key: Any, shape: tuple[int, ...]) -> Any:
    g = jnp.asarray(operands[0])
    return jnp.zeros(shape, g.dtype).at[read(key, operands[1:])].add(g)


@lower("take")
def take(jnp: Any, x: Any, indices: Any, *, axis: int | None) -> Any:
    return jnp.take(x, indices, axis=axis, mode="wrap")


@lower("take_along_axis")
def take_along_axis(jnp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    return jnp.take_along_axis(jnp.asarray(x), jnp.asarray(indices), axis=axis)


@lower("place_along_axis")
def place_along_axis(jnp: Any, x: Any, indices: Any, *, length: int, axis: int) -> Any:
    x, indices = jnp.moveaxis(jnp.asarray(x), axis, -1), jnp.moveaxis(jnp.asarray(indices), axis, -1)
    shape = jnp.broadcast_shapes(x.shape, indices.shape)
    x, indices = jnp.broadcast_to(x, shape), jnp.broadcast_to(indices, shape)
    grid = jnp.meshgrid(*[jnp.arange(n) for n in shape[:-1]], jnp.arange(shape[-1]), indexing="ij")[:-1]
    out = jnp.zeros((*shape[:-1], length), x.dtype).at[(*grid, indices)].add(x)
    return jnp.moveaxis(out, -1, axis)


for _name, _method in (
    ("at_set", "set"),
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
        return getattr(x.astype(dtype).at[read(key, indices)], _method)(y)


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
    return jnp.argsort(x, axis=axis)


@lower("quantile")
def quantile(jnp: Any, x: Any, *, q: Any, **settings: Any) -> Any:
    return jnp.quantile(x, np.asarray(q), **settings)


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

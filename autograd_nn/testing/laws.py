"""The laws that every op obeys, and `check_op`, which holds an op of your own against them.

A law is a function of an op, one of its cases and a dtype; it returns what is wrong, or None. An op that brings its
cases brings its tests: nothing else has to be written for it.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..backward import backward, cotangents
from ..domain import Case
from ..graph import Node
from ..op import ITEM, Op
from ..value import Value
from ..vmap import vmap
from .check_grads import blame, explain
from .discrepancy import data_of, kind, random_like, shifted
from .formula import evaluate

__all__ = ["LAWS", "LawError", "check_law", "check_op", "laws_of", "variants"]

Law = Callable[[Op, Case, Any], "str | None"]


class LawError(AssertionError):
    """An op breaks a law. The message names the op, the law, the case and the dtype."""


LAWS: dict[str, Law] = {}
"""The laws by name. Each is called with (op, case, dtype) and returns what is wrong, or None."""

OP_LAWS: dict[str, Callable[[Op], str | None]] = {}
"""The laws about an op as a whole."""

DTYPES: dict[str, tuple[str, ...]] = {}


def law(*dtypes: str) -> Callable[[Law], Law]:
    """Enter a law in `LAWS`, to be run in these dtypes."""

    def register(function: Law) -> Law:
        LAWS[function.__name__] = function
        DTYPES[function.__name__] = dtypes
        return function

    return register


def op_law(function: Callable[[Op], str | None]) -> Callable[[Op], str | None]:
    """Enter a law about an op as a whole in `OP_LAWS`."""
    OP_LAWS[function.__name__] = function
    return function


EVERY = ("float64", "float32", "complex128")
EXACT = ("float64", "complex128")


def variants(op: Op, case: Case) -> list[str]:
    """Return the dtypes in which a case makes sense for an op."""
    arguments = case.arguments
    recipe = any(callable(a) for a in arguments)
    shaped = any(isinstance(a, tuple) for a in arguments)
    given = [a for a in arguments if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    out = ["float64", "float32"] if shaped or recipe or given else ["float64"]
    if op.complex and (case.complex or (shaped and not recipe and not given)):
        out.append("complex128")
    return out


def make(op: Op, case: Case, dtype: Any, seed: int = 0) -> list[Any]:
    """Return fresh arguments of a case, the same ones each time."""
    return case.make(op.domain, np.random.default_rng(seed), np.dtype(dtype))


def results(out: Any) -> tuple[Any, ...]:
    """Return the results of an op as a tuple, also if it is one."""
    return tuple(out) if isinstance(out, tuple) else (out,)


def floats(args: Sequence[Any]) -> list[int]:
    """Return the numbers of the arguments that hold floats."""
    return [i for i, a in enumerate(args) if kind(a) in "fc"]


def wanted_of(op: Op, args: Sequence[Any]) -> list[int]:
    """Return the numbers of the arguments that have a derivative."""
    return [i for i in floats(args) if op.rule(i) is not None]


def record(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> tuple[list[Value], tuple[Any, ...]]:
    """Apply an op to Values: those of floats require a gradient."""
    values = [Value.leaf(a, requires_grad=kind(a) in "fc") for a in args]
    return values, results(op(*values, **attrs))


def seeds_for(outputs: Sequence[Any], seed: int = 1) -> list[Any]:
    """Return random cotangents for results."""
    rng = np.random.default_rng(seed)
    return [random_like(data_of(out), rng) if kind(data_of(out)) in "fc" else None for out in outputs]


def pulled(op: Op, args: Sequence[Any], attrs: dict[str, Any], create_graph: bool = False, seed: int = 1) -> list[Any]:
    """Return the gradients of all arguments for random cotangents; None where there is none."""
    values, outputs = record(op, args, attrs)
    pairs = [
        (o, s) for o, s in zip(outputs, seeds_for(outputs, seed), strict=True) if s is not None and o.requires_grad
    ]
    return cotangents([o for o, _ in pairs], values, [s for _, s in pairs], create_graph=create_graph)


def close(a: Any, b: Any, ulps: float = 64.0, *, eps: float = 0.0) -> bool:
    """Are two results equal to some units in the last place of the largest element? nan equals nan."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if not a.size or a.dtype.kind not in "fc" or b.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    eps = max(eps, float(np.finfo(a.dtype).eps), float(np.finfo(b.dtype).eps))
    finite = np.abs(a)[np.isfinite(a)]
    scale = max(1e-30, float(finite.max())) if finite.size else 1.0
    return bool(np.allclose(a, b, rtol=ulps * eps, atol=ulps * eps * scale, equal_nan=True))


def show(x: Any) -> str:
    """Show an array on one line."""
    text = np.array2string(np.asarray(x), precision=6, threshold=8, edgeitems=3, separator=", ").replace("\n", " ")
    return f"{text} ({type(x).__name__ if type(x) in (float, bool, int) else np.asarray(x).dtype}, shape {np.shape(x)})"


# forward


def call_numpy(function: Any, op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Call an op's NumPy counterpart: attributes by name, those that it lacks left out if they are defaults.

    Raises:
        TypeError: if it lacks an attribute that matters.
    """
    if isinstance(function, np.ufunc):
        names: dict[str, Any] = dict.fromkeys(attrs)
        signature = None
    else:
        try:
            signature = inspect.signature(function)
        except ValueError:
            signature = None
        names = dict(signature.parameters) if signature is not None else dict.fromkeys(attrs)
    given = {k: v for k, v in attrs.items() if k in names}
    for k in attrs.keys() - given.keys():
        if attrs[k] != op.defaults.get(k, inspect.Parameter.empty):
            raise TypeError(f"{function.__name__} has no {k}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy may be newer than our list of its names
        if op.variadic and signature is not None:
            first = next(iter(signature.parameters.values()))
            if first.kind is not first.VAR_POSITIONAL:
                return function(list(args), **given)
        return function(*args, **given)


@law(*EVERY)
def forward_equals_numpy(op: Op, case: Case, dtype: Any) -> str | None:
    """The op gives the numbers of each of its NumPy counterparts."""
    for function in op.numpy:
        args = make(op, case, dtype)
        try:
            wanted = call_numpy(function, op, args, case.attrs)
        except TypeError:
            continue  # it lacks an attribute; `comparable_with_numpy` sees to it that some case is compared
        for n, (a, b) in enumerate(zip(results(op(*args, **case.attrs)), results(wanted), strict=True)):
            if not close(a, b):
                return f"np.{function.__name__} gives {show(b)}, the op {show(a)}" + (f" as result {n}" if n else "")
    return None


def numpy_dtypes(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> set[np.dtype]:
    """Return the dtypes of what an op's NumPy counterparts give."""
    found = set()
    for function in op.numpy:
        try:
            found |= {np.asarray(out).dtype for out in results(call_numpy(function, op, args, attrs))}
        except TypeError:
            continue
    return found


@law(*EVERY)
def shape_and_dtype_are_kept(op: Op, case: Case, dtype: Any) -> str | None:
    """Result dtypes follow NumPy's promotion, gradients are like their operands, Python floats give Python floats."""
    args = make(op, case, dtype)
    outputs = results(op(*args, **case.attrs))
    python = all(type(a) is float for a in args)
    inexact = [a for a in args if kind(a) in "fc" and type(a) is not float]
    promoted = np.result_type(*inexact) if inexact else np.dtype(float)
    wide = {np.dtype("float32"): "complex64", np.dtype("float64"): "complex128"}
    narrow = {np.dtype("complex64"): "float32", np.dtype("complex128"): "float64"}
    allowed = {promoted, np.dtype(wide.get(promoted, promoted)), np.dtype(narrow.get(promoted, promoted))}
    allowed |= numpy_dtypes(op, args, case.attrs)
    for out in outputs:
        if python and np.shape(out) == () and type(out) not in (float, int, bool):
            return f"Python floats came, so a Python number was wanted; got {show(out)} of type {type(out).__name__}"
        if (
            kind(out) in "fc"
            and type(out) is not float
            and "dtype" not in case.attrs
            and np.asarray(out).dtype not in allowed
        ):
            return f"operands of dtype {[str(np.asarray(a).dtype) for a in args]} wanted {promoted}, got {show(out)}"
        if kind(out) == "f" and type(out) is not float and not isinstance(out, (np.ndarray, np.generic)):
            return f"wanted an array, got {type(out).__name__}"
    _, recorded = record(op, args, case.attrs)
    for a, b in zip(outputs, recorded, strict=True):
        b = data_of(b)
        if type(a) in (float, bool) and type(b) is not type(a):
            return f"on Values it gives {type(b).__name__}, on numbers {type(a).__name__}"
        if np.shape(a) != np.shape(b) or np.asarray(a).dtype != np.asarray(b).dtype or not close(a, b, 0):
            return f"on Values it gives {show(b)}, on arrays {show(a)}"
    if not op.differentiable:
        return None
    for create_graph in (False, True):
        for i, (x, g) in enumerate(zip(args, pulled(op, args, case.attrs, create_graph), strict=True)):
            g = data_of(g)
            if g is None:
                continue
            if type(x) is float and type(g) is not float:
                return f"the gradient of argument {name_of(op, i)}, a Python float, is {show(g)}, a {type(g).__name__}"
            if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
                wanted = f"{np.asarray(x).dtype}, shape {np.shape(x)}"
                return f"the gradient of argument {name_of(op, i)} is {show(g)}; wanted {wanted}"
    return None


@law("float32")
def float32_is_close_to_float64(op: Op, case: Case, dtype: Any) -> str | None:
    """Results and gradients in float32 are those in float64, to float32's precision."""
    args = make(op, case, dtype)
    exact = [a.astype(float) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args]
    if len(floats(args)) < len(args) and not op.differentiable:
        return None
    pairs = [(op(*args, **case.attrs), op(*exact, **case.attrs), "the result")]
    if op.differentiable:
        for i, (a, b) in enumerate(zip(pulled(op, args, case.attrs), pulled(op, exact, case.attrs), strict=True)):
            if a is not None and b is not None:
                pairs.append((a, b, f"the gradient of argument {name_of(op, i)}"))
    for one, two, what in pairs:
        for a, b in zip(results(one), results(two), strict=True):
            if kind(a) in "fc" and not close(a, b, 1e3, eps=1.2e-7):  # one part in eight thousand
                return f"{what} in float32 is {show(a)}, in float64 {show(b)}"
    return None


@law(*EVERY)
def inputs_are_unchanged(op: Op, case: Case, dtype: Any) -> str | None:
    """Neither the op nor its rule writes into operands, result or cotangent; both work on read-only, strided ones."""
    args = make(op, case, dtype)
    before = [np.asarray(a).tobytes() for a in args]
    ans = op(*args, **case.attrs)
    for i, a in enumerate(args):
        if np.asarray(a).tobytes() != before[i]:
            return f"the op changes its argument {name_of(op, i)}"
    outputs = results(ans)
    attrs = {**op.defaults, **case.attrs}
    gs = seeds_for(outputs)
    if op.differentiable and all(g is not None for g in gs):
        operands = [*args, *outputs, *gs]
        names = [
            *[f"its argument {name_of(op, i)}" for i in range(len(args))],
            *["its result"] * len(outputs),
            *["its cotangent g"] * len(gs),
        ]
        before = [np.asarray(a).tobytes() for a in operands]
        for i in wanted_of(op, args):
            apply_rule(op, i, gs, ans, args, attrs)
            for a, was, name in zip(operands, before, names, strict=True):
                if np.asarray(a).tobytes() != was:
                    return f"the rule for argument {name_of(op, i)} changes {name}"
    strided = [read_only_strided(a) for a in args]
    for a, b in zip(results(op(*strided, **case.attrs)), outputs, strict=True):
        if not close(a, b):
            return f"on strided operands it gives {show(a)}, on contiguous ones {show(b)}"
    return None


def read_only_strided(x: Any) -> Any:
    """Return a read-only array of the same elements in another layout: column by column, or every second place."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    view = np.array(x, order="F") if x.ndim > 1 else np.repeat(x, 2)[::2]
    view.flags.writeable = False
    return view


@law("float64")
def scalar_path_equals_numpy(op: Op, case: Case, dtype: Any) -> str | None:
    """The function on Python floats gives NumPy's numbers, also at 0, -0, ±1, inf and nan, and raises nothing."""
    if op.scalar is None or case is not first_case(op):
        return None
    rng = np.random.default_rng(5)
    domain = case.domain or op.domain
    special = (0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e300, 1e-300, np.inf, -np.inf, np.nan)
    points = [[float(domain[min(i, len(domain) - 1)].sample(rng, ())) for i in range(len(op.args))] for _ in range(8)]
    points += [list(point) for point in itertools.product(special, repeat=min(2, len(op.args)))]
    fixed = {
        i: np.ravel(a)[0].item()
        for i, a in enumerate(case.arguments)
        if isinstance(a, np.ndarray) and a.dtype.kind in "bi"
    }
    for point in points:
        point = [fixed.get(i, x) for i, x in enumerate([*point, *point[-1:] * (len(op.args) - len(point))])]
        with np.errstate(all="ignore"):
            wanted = op.forward(*[np.float64(x) if type(x) is float else x for x in point], **case.attrs)
            try:
                came = op(*point, **case.attrs)
            except (ArithmeticError, ValueError) as error:
                return f"at {point} it raises {type(error).__name__}: {error}"
        if type(came) not in (float, bool, int):
            return f"at {point} it gives {type(came).__name__}, not a Python number"
        near = all(0.01 < abs(x) < 100 for x in point if type(x) is float)  # there, near a root, 1 is the yardstick
        if not close(float(came), float(wanted), 8) and not (near and abs(came - wanted) < 1e-15):
            return f"at {point} the scalar path gives {came!r}, NumPy {wanted!r}"
    return None


# derivatives


def name_of(op: Op, i: int) -> str:
    """Return the name of argument number i."""
    return repr(f"{op.args[0][1:]}{i}" if op.variadic else op.args[i])


@law(*EXACT)
def derivatives_equal_central_differences(op: Op, case: Case, dtype: Any) -> str | None:
    """First and second derivatives, and the jvp (the vjp of the vjp), equal central differences."""
    if not op.differentiable:
        return None
    # `blame` varies operands without a rule too: "independent of it" is a claim like any other, and means zero.
    found = blame(op, make(op, case, dtype), case.attrs, order=case.order)
    return (
        None
        if found is None
        else explain(op, found) + (f" (documented kinks: {op.kinks})" if found.corner and op.kinks else "")
    )


@law(*EXACT)
def independent_means_zero(op: Op, case: Case, dtype: Any) -> str | None:
    """An argument without rule does not change the result, and what takes no part gets no gradient."""
    args = make(op, case, dtype)
    _, outputs = record(op, args, case.attrs)
    stranger = Value(1.0)
    pairs = [(o, s) for o, s in zip(outputs, seeds_for(outputs), strict=True) if s is not None]
    if op.differentiable and cotangents([o for o, _ in pairs], [stranger], [s for _, s in pairs]) != [None]:
        return "a Value that takes no part gets a gradient"
    for i in floats(args):
        if op.differentiable and op.rule(i) is None and np.size(args[i]):
            full = list(args)
            full[i] = shifted(args[i], 1e-3, random_like(args[i], np.random.default_rng(4)))
            if not all(close(a, data_of(b)) for a, b in zip(results(op(*full, **case.attrs)), outputs, strict=True)):
                return f"argument {name_of(op, i)} has no rule (None), but the result depends on it"
    return None


@law(*EVERY)
def rule_on_arrays_equals_rule_on_nodes(op: Op, case: Case, dtype: Any) -> str | None:
    """The rule gives the same numbers when it computes as when it is recorded."""
    if not op.differentiable:
        return None
    args = make(op, case, dtype)
    plain = pulled(op, args, case.attrs)
    nodes = pulled(op, args, case.attrs, create_graph=True)
    for i, (a, b) in enumerate(zip(plain, nodes, strict=True)):
        if b is not None and not isinstance(b, Node):
            return f"for argument {name_of(op, i)} the recorded rule gives {type(b).__name__}, not a node"
        if (a is None) != (b is None) or (a is not None and not close(a, data_of(b), 16)):
            return f"for argument {name_of(op, i)} the rule gives {show(a)} on arrays, {show(data_of(b))} on nodes"
    return None


@law("float64")
def joint_rule_serves_each_operand_alone(op: Op, case: Case, dtype: Any) -> str | None:
    """A rule for all operands gives an operand the same when no other is wanted."""
    if op.joint is None:
        return None
    args = make(op, case, dtype)
    together = pulled(op, args, case.attrs)
    for i, wanted in enumerate(together):
        values = [Value.leaf(a, requires_grad=i == j) for j, a in enumerate(args)]
        outputs = results(op(*values, **case.attrs))
        (alone,) = cotangents(outputs, [values[i]], seeds_for(outputs))
        if not close(alone, wanted, 4):
            return f"argument {name_of(op, i)} alone gets {show(alone)}, together with the others {show(wanted)}"
    return None


def apply_rule(op: Op, i: int, gs: Sequence[Any], ans: Any, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Call the rule for argument number i as the walk does."""
    g = tuple(gs) if op.results else gs[0]
    rule = op.rule(i)
    with np.errstate(all="ignore"):
        return None if rule is None else rule(g, ans, *args, **attrs)


@law(*EXACT)
def rule_is_linear_in_g(op: Op, case: Case, dtype: Any) -> str | None:
    """rule(2 g - 3 h) = 2 rule(g) - 3 rule(h): what makes the vjp of the vjp the jvp."""
    if not op.differentiable:
        return None
    args = make(op, case, dtype)
    ans = op(*args, **case.attrs)
    outputs = results(ans)
    if any(kind(o) not in "fc" for o in outputs):
        outputs = tuple(np.asarray(o, float) for o in outputs)
    gs, hs = seeds_for(outputs, 1), seeds_for(outputs, 2)
    mixed = [2.0 * g - 3.0 * h for g, h in zip(gs, hs, strict=True)]
    attrs = {**op.defaults, **case.attrs}
    for i in wanted_of(op, args):
        one, two, both = (np.asarray(apply_rule(op, i, x, ans, args, attrs)) for x in (gs, hs, mixed))
        if not close(both, 2.0 * one - 3.0 * two, 1e4):
            apart = show(2.0 * one - 3.0 * two)
            return f"for argument {name_of(op, i)}: rule(2g - 3h) = {show(both)}, 2 rule(g) - 3 rule(h) = {apart}"
    return None


@law("float64")
def linear_means_linear(op: Op, case: Case, dtype: Any) -> str | None:
    """An op that says `linear` has no second difference in any argument alone."""
    if not op.linear:
        return None
    args = make(op, case, dtype)
    for i in floats(args):
        v = random_like(args[i], np.random.default_rng(3))
        at = [
            results(op(*[a + t * v if j == i else a for j, a in enumerate(args)], **case.attrs))
            for t in (-1.0, 0.0, 1.0)
        ]
        for low, mid, high in zip(*at, strict=True):
            if not close(np.asarray(low + high), np.asarray(2.0 * mid), 1e4):
                return f"it says linear, but f(x+v) + f(x-v) - 2 f(x) is not 0 for argument {name_of(op, i)}"
    return None


@law("float64")
def elementwise_means_elementwise(op: Op, case: Case, dtype: Any) -> str | None:
    """An op that says `elementwise` gives the same elements when operands are broadcast, flattened and reversed."""
    if not op.elementwise:
        return None
    args = make(op, case, dtype)
    out = op(*args, **case.attrs)
    if not np.shape(out):
        return None
    flat = [np.ravel(a)[::-1] for a in np.broadcast_arrays(*args)]
    again = op(*flat, **case.attrs)
    if np.shape(out) != np.broadcast_shapes(*map(np.shape, args)) or not close(again, np.ravel(out)[::-1]):
        return f"it says elementwise, but gives {show(out)}, and on flattened, reversed operands {show(again)}"
    return None


@law("float64")
def batch_rule_equals_a_loop(op: Op, case: Case, dtype: Any) -> str | None:
    """A rule for batches gives what a loop over the samples gives, with all operands batched and each one alone."""
    if op.batch is None:
        return None
    samples = [[np.asarray(a) for a in make(op, case, dtype, seed)] for seed in range(3)]
    if any(a.shape != b.shape for other in samples[1:] for a, b in zip(samples[0], other, strict=True)):
        return None
    columns = [np.stack(column) for column in zip(*samples, strict=True)]
    count = len(columns)
    masks = [[True] * count] + ([[i == j for j in range(count)] for i in range(count)] if count > 1 else [])
    for batched in masks:
        loop = [
            results(op(*[c[i] if b else c[0] for c, b in zip(columns, batched, strict=True)], **case.attrs))
            for i in range(3)
        ]
        if len({tuple(map(np.shape, outputs)) for outputs in loop}) > 1:
            continue  # a mask that selects another number of elements in each sample
        args = [c if b else c[0] for c, b in zip(columns, batched, strict=True)]
        axes = tuple(0 if b else None for b in batched)
        try:
            outputs = results(vmap(lambda *xs: op(*xs, **case.attrs), in_axes=axes)(*args))
        except ValueError as error:
            if "different shapes" in str(error):  # a mask again: these samples agree by chance
                continue
            raise
        for n, (out, column) in enumerate(zip(outputs, zip(*loop, strict=True), strict=True)):
            if not close(out, np.stack([np.asarray(c) for c in column]), 1e4):
                which = ", ".join(name_of(op, i) for i, b in enumerate(batched) if b)
                return f"batched in {which} it gives {show(out)}, a loop {show(np.stack(column))}" + (
                    f" as result {n}" if n else ""
                )
    return None


@law("float64")
def without_derivative_refuses(op: Op, case: Case, dtype: Any) -> str | None:
    """The result of an op without derivative requires no gradient, and backward from it says so by name."""
    values, outputs = record(op, make(op, case, dtype), case.attrs)
    if op.differentiable:
        wanted = any(v.requires_grad for v in values)
        for o in outputs:
            if o.requires_grad != (wanted and o.dtype.kind in "fc"):
                return f"its result of dtype {o.dtype} has requires_grad={o.requires_grad}, its operands {wanted}"
        return None
    for out in outputs:
        if out.requires_grad:
            return "it says differentiable=False, but its result requires a gradient"
        try:
            backward(out, np.ones(out.shape, out.dtype))
        except ValueError as error:
            if floats([v._data for v in values]) and repr(op.name) not in str(error):
                return f"backward does not name it: {error}"
        else:
            return "backward from its result does not raise"
    return None


# the op as a whole


def first_case(op: Op) -> Case | None:
    """Return the first case, which stands for all in laws that need no case."""
    return op.cases[0] if op.cases else None


@op_law
def has_cases(op: Op) -> str | None:
    """An op has a case, and each of its attributes is set in one."""
    if op is ITEM:
        return None  # its operand is a tuple: tested through every op that returns one
    if not op.cases:
        return "it has no cases, so nothing tests it: pass cases=(Case((2, 3)), …)"
    missing = op._attr_names - {k for case in op.cases for k in case.attrs}
    if missing:
        return f"no case sets {', '.join(sorted(missing))}"
    return None


@op_law
def is_documented(op: Op) -> str | None:
    """An op has a docstring, rules for its arguments, and a domain for all of them or for each."""
    if not (op.__doc__ or "").strip():
        return "it has no docstring"
    if op.differentiable and not op.vjps and op.joint is None:
        return "it has no rule: call .defvjp(…), or say differentiable=False"
    if not op.differentiable and (op.vjps or op.joint is not None):
        return "it says differentiable=False, and has rules"
    if not op.variadic and op.vjps and len(op.vjps) != len(op.args):
        return f"it has {len(op.vjps)} rules for {len(op.args)} arguments"
    if not op.domain or (not op.variadic and len(op.domain) > len(op.args)):
        return f"it has {len(op.domain)} domains for {len(op.args)} arguments"
    return None


@op_law
def attrs_are_plain_data(op: Op) -> str | None:
    """Attributes survive JSON, so that graphs can be saved."""
    for case in op.cases:
        try:
            json.dumps({**op.defaults, **case.attrs}, default=dtype_name)
        except (TypeError, ValueError) as error:
            return f"attributes of case {case.name} are not JSON-able: {error}"
    return None


def dtype_name(x: Any) -> Any:
    """Refuse everything: attributes are plain."""
    raise TypeError(f"{type(x).__name__} {x!r} is not plain data")


@op_law
def comparable_with_numpy(op: Op) -> str | None:
    """Each NumPy counterpart accepts the arguments of some case."""
    for function in op.numpy:
        errors = []
        for case in op.cases:
            try:
                call_numpy(function, op, make(op, case, "float64"), case.attrs)
                break
            except TypeError as error:
                errors.append(str(error))
        else:
            return f"no case can be compared with np.{function.__name__}: {errors[:1]}"
    return None


@op_law
def formula_gives_the_same_numbers(op: Op) -> str | None:
    """An elementwise op's formula, evaluated, gives what the op gives."""
    if not op.formula:
        return None
    for case in op.cases:
        args = make(op, case, "float64")
        names = {**op.defaults, **case.attrs, **dict(zip(op.args, args, strict=False))}
        try:
            with np.errstate(all="ignore"):
                wanted, came = op(*args, **case.attrs), evaluate(ast.parse(op.formula, mode="eval").body, names)
        except (NameError, SyntaxError) as error:
            return f"its formula {op.formula!r}: {error}"
        if not close(np.asarray(wanted), np.asarray(came), 1e4):
            return f"its formula {op.formula!r} gives {show(came)} on case {case.name}, the op {show(wanted)}"
    return None


# running them


def laws_of(op: Op) -> Iterator[str]:
    """Yield the names of the laws that say something about an op."""
    yield from OP_LAWS
    if op is not ITEM:
        yield from LAWS


def check_law(op: Op, name: str) -> None:
    """Hold an op against one law, on all its cases in all dtypes that make sense.

    Raises:
        LawError: with every case that breaks the law.
        ImportError: if the op needs a package that is not installed.
    """
    failures = list(failures_of(op, name))
    if failures:
        more = f"\n  … and {len(failures) - 5} more" if len(failures) > 5 else ""
        raise LawError(f"op {op.name!r} ({op.module}) breaks the law {name!r}:\n  " + "\n  ".join(failures[:5]) + more)


def failures_of(op: Op, name: str) -> Iterator[str]:
    """Yield how an op breaks a law."""
    if name in OP_LAWS:
        with np.errstate(all="ignore"):
            problem = OP_LAWS[name](op)
        if problem is not None:
            yield problem
        return
    for case in op.cases:
        for dtype in variants(op, case):
            if dtype in DTYPES[name]:
                try:
                    with np.errstate(all="ignore"):
                        problem = LAWS[name](op, case, dtype)
                except ImportError:
                    raise
                except Exception as error:  # noqa: BLE001  (whatever an op does wrong is a failure of the op, to be named)
                    problem = f"{type(error).__name__}: {error}"
                if problem is not None:
                    yield f"case {case.name}, {dtype}: {problem}"


def check_op(op: Op, *, laws: Sequence[str] | None = None) -> None:
    """Hold an op of your own against the laws that the library's ops are held against.

    Args:
        op: made by `autograd_nn.op`, with ``cases=``.
        laws: names from `LAWS`; all if left out.

    Raises:
        LawError: naming each law that is broken, with case and dtype.
        TypeError, ValueError: for what is no op, and for unknown laws.

    >>> from autograd_nn import Op
    >>> from autograd_nn.domain import UNARY
    >>> def cube(x):
    ...     "x to the third."
    ...     return x * x * x
    >>> cube = Op(cube, cases=UNARY).defvjp(lambda g, ans, x: g * 2 * x * x)
    >>> try:
    ...     check_op(cube)
    ... except LawError as error:
    ...     print("3 x**2, not 2 x**2:", "derivatives_equal_central_differences" in str(error))
    3 x**2, not 2 x**2: True
    """
    if not isinstance(op, Op):
        raise TypeError(
            f"check_op wanted an Op, got {type(op).__name__}: decorate the function with @op(…), or use check_grads."
        )
    unknown = sorted(set(laws or ()) - {*OP_LAWS, *LAWS})
    if unknown:
        raise ValueError(f"check_op wanted laws from {[*OP_LAWS, *LAWS]}, got {', '.join(map(repr, unknown))}.")
    broken = []
    for name in laws_of(op) if laws is None else laws:
        try:
            check_law(op, name)
        except LawError as error:
            broken.append(str(error))
    if broken:
        raise LawError("\n".join(broken))

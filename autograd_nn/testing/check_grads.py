"""`check_grads`: are the derivatives of a function right? If not: which op, which argument, which element, why."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Graph, Node, dtype
from ..nested import flatten, unflatten
from ..nested import leaves as leaves_of
from ..op import ITEM, Op
from ..value import Value
from .discrepancy import Discrepancy, Function, compare, data_of, kind, vjp

__all__ = ["GradientError", "blame", "check_grads"]

MODES = ("vjp", "jvp")


class GradientError(AssertionError):
    """A derivative and central differences disagree.

    Attributes:
        discrepancy: where, with both numbers.
        op: the op whose rule is wrong at the operands recorded there, if one was found.
    """

    def __init__(self, message: str, discrepancy: Discrepancy | None = None, op: Op | None = None) -> None:
        super().__init__(message)
        self.discrepancy, self.op = discrepancy, op


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = MODES,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
) -> None:
    """Compare all derivatives of `f` at one point with central differences, in float64.

    An argument on which the result does not depend is compared too: its central differences have to be 0.

    Args:
        f: a function, an op or a module; it gets Values where floats stand in `args`, and returns a Value, a number,
            or containers of them.
        *args: the point: arrays, Values, Python floats, and lists, tuples and dicts of them. Arrays of integers and
            anything else that is no float are passed on as they are.
        order: highest derivative to check; 2 also differentiates the gradient.
        modes: "vjp" checks gradients, "jvp" checks derivatives along a direction, which are the vjp of the vjp.
        rtol: relative tolerance, on top of the estimated error of the central differences.
        atol: absolute tolerance.
        seed: of the random directions in which the derivatives are compared.

    Raises:
        GradientError: naming the op or function, the argument, the element and both numbers; and, at a kink, the
            slopes on both sides.
        TypeError, ValueError: if there is nothing to differentiate, or order or modes make no sense.

    >>> import numpy as np
    >>> check_grads(lambda x, y: (x * y).sum(), np.ones(3), 2.0)
    >>> check_grads(lambda w: w["a"] * w["a"].data, {"a": 3.0})
    Traceback (most recent call last):
        ...
    autograd_nn...GradientError: check_grads: the derivative of <lambda> with respect to w['a'] is wrong.
      by the rules (vjp):    3
      central differences:   6 ± ...
      Every op on the way is right by itself, so the path is cut or hidden: ...
    """
    if not callable(f):
        raise TypeError(f"check_grads wanted a function, then its arguments, got {type(f).__name__} {f!r}.")
    if type(order) is not int or order < 1:
        raise ValueError(f"check_grads wanted order=1, 2, …, got {order!r}.")
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or set(modes) - set(MODES):
        raise ValueError(f"check_grads wanted modes from {MODES}, got {modes!r}.")
    leaves, spec = flatten(args, none_is_leaf=True)
    vary = [i for i, leaf in enumerate(leaves) if is_float(leaf)]
    if not vary:
        came = ", ".join(type(leaf).__name__ for leaf in leaves) or "no arguments"
        raise TypeError(f"check_grads wanted floats to vary, got {came}: integers do not change a little, write 2.0.")
    arrays = [exact(leaves[i]) for i in vary]

    def flat(values: list[Value]) -> list[Any]:
        full = list(leaves)
        for i, value in zip(vary, values, strict=True):
            full[i] = value
        return results_of(f, f(*unflatten(spec, full)))

    names = argument_names(f, spec)
    names = [names[i] for i in vary]
    name = name_of(f)
    function = Function(flat)
    check_point(name, function, arrays)
    try:
        found = compare(function, arrays, order=order, modes=modes, rtol=rtol, atol=atol, seed=seed)
    except (TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise GradientError(f"check_grads: {name} can be computed, but not differentiated: {error}") from error
    if found is not None:
        raise failure(name, names, found, function, arrays)


def is_float(leaf: Any) -> bool:
    """Can the leaf change a little?"""
    return isinstance(leaf, (float, complex, np.ndarray, np.generic, Node)) and dtype(leaf).kind in "fc"


def exact(leaf: Any) -> Any:
    """Return a leaf's data in double precision; a Python float as it is."""
    data = data_of(leaf)
    if type(data) is float:
        return data
    return np.array(data, dtype=np.complex128 if kind(data) == "c" else np.float64)


def results_of(f: Any, out: Any) -> list[Any]:
    """Return the leaves of what a function returned.

    Raises:
        TypeError: if one holds no numbers.
    """
    leaves = leaves_of(out)
    for leaf in leaves:
        if not isinstance(leaf, Node) and kind(leaf) not in "biufc":
            raise TypeError(
                f"check_grads: {name_of(f)} returned {type(leaf).__name__}; wanted Values, arrays and numbers."
            )
    return leaves


def name_of(f: Any) -> str:
    """Return what to call a function in an error."""
    return (
        f"op {f.name!r}"
        if isinstance(f, Op)
        else getattr(f, "__qualname__", type(f).__name__).rpartition(".<locals>.")[2]
    )


def argument_names(f: Any, spec: Any) -> list[str]:
    """Return a name for each leaf of the arguments, such as ``params['w'][0]``."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []

    def first(i: int) -> str:
        if i < len(parameters) and parameters[i].kind is not inspect.Parameter.VAR_POSITIONAL:
            return parameters[i].name
        return f"argument {i}"

    return [first(a[0].entry) + "".join(entry.codify("") for entry in a[1:]) for a in spec.accessors()]


def check_point(name: str, function: Function, arrays: list[Any]) -> None:
    """Refuse what has no derivative: a function that is not finite here, or not the same twice."""
    with np.errstate(all="ignore"):
        one, two = function.numbers(arrays), function.numbers(arrays)
    if not any(kind(out) in "fc" for out in one):
        came = ", ".join(str(np.asarray(out).dtype) for out in one) or "nothing"
        raise TypeError(
            f"check_grads: {name} returned {came}; wanted at least one float, since nothing else has a derivative. "
            "Is its return statement missing, or is it made of comparisons?"
        )
    for n, (a, b) in enumerate(zip(one, two, strict=True)):
        if not np.array_equal(a, b, equal_nan=kind(a) in "fc"):
            raise GradientError(
                f"check_grads: {name} gives different results for the same arguments. Pass it a fixed seed."
            )
        if kind(a) in "fc" and not np.all(np.isfinite(a)):
            where = list(map(int, np.argwhere(~np.isfinite(a))[0])) if np.shape(a) else ""
            raise GradientError(f"check_grads: result {n} of {name} is not finite{f' at {where}' if where else ''}.")


def failure(name: str, names: list[str], found: Discrepancy, function: Function, arrays: list[Any]) -> GradientError:
    """Return the error that tells where, both numbers, and why."""
    what = {1: "the derivative", 2: "the second derivative"}.get(found.order, f"the derivative of order {found.order}")
    lines = [f"check_grads: {what} of {name} with respect to {names[found.argument]} is wrong."]
    if found.element:
        lines.append(f"element:               {list(found.element)}")
    if found.order > 1:
        several = sum(np.size(out) for out in function.numbers(arrays)) != 1
        of = f"d {f'(weights · {name})' if several else name} / d {names[found.output]}"
        lines.append(
            f"of the gradient:       {of}" + (f" at {list(found.output_element)}" if found.output_element else "")
        )
    elif found.output or found.output_element:
        lines.append(
            f"of result:             {found.output}"
            + (f" at {list(found.output_element)}" if found.output_element else "")
        )
    if found.problem:
        lines.append(found.problem)
    else:
        lines.append(f"by the rules ({found.mode}):    {found.rule:.9g}")
        lines.append(f"central differences:   {found.numeric.value:.9g} ± {found.numeric.error:.1g}")
    op, reason = cause(function, arrays, found)
    if found.corner:
        lines.append(f"The point sits on a {found.corner}: {found.sides}.")
    return GradientError("\n  ".join([*lines, reason]), found, op)


def cause(function: Function, arrays: list[Any], found: Discrepancy) -> tuple[Op | None, str]:
    """Return the op whose rule is wrong on its own recorded operands, and what to say."""
    leaves = [Value.leaf(x, requires_grad=True) for x in arrays]
    outputs = function.record(leaves)
    graphs = [outputs]
    for _ in range(found.order - (found.mode == "vjp")):  # the rules are made of ops too: one of those may be wrong
        seeds = [Value.leaf(np.ones_like(data_of(out)), requires_grad=True) for out in graphs[-1]]
        graphs.append(vjp(graphs[-1], leaves, seeds, True))
    # An op by the vjp alone first: its jvp, and its second order, run the rules of the ops in its rule too.
    tries = [(outputs, 1, ("vjp",)) for outputs in graphs]
    if found.corner:  # it is in an op of the function, before it is in an op of that one's rule
        tries = []
    tries += [(outputs, order, MODES) for order in range(1, found.order + 1)]
    for outputs, order, modes in tries:
        for node in Graph.of(*[out for out in outputs if isinstance(out, Node)]).nodes:
            if node.op is None or node.op is ITEM or not node.requires_grad:
                continue
            try:
                wrong = blame(node.op, [p._data for p in node.parents], node.attrs, order=order, modes=modes)
            except (TypeError, ValueError, ArithmeticError, IndexError) as error:
                return node.op, f"The rule of op {node.op.name!r} ({node.op.module}) fails: {error}"
            if wrong is not None:
                where = f"op {node.op.name!r} ({node.op.module})"
                if not wrong.corner:
                    return node.op, f"The rule of {where} is wrong: {explain(node.op, wrong)}"
                documented = (
                    f"This {wrong.corner} is documented: op {node.op.name!r}: {node.op.kinks}."
                    if node.op.kinks
                    else f"It documents no {wrong.corner}."
                )
                return node.op, f"The {wrong.corner} is in {where}: {explain(node.op, wrong)}\n  {documented}"
    if found.corner:
        return None, (
            "Every op on the way is right by itself: at a kink central differences give the mean of both slopes, "
            "at a jump there is none."
        )
    return None, (
        "Every op on the way is right by itself, so the path is cut or hidden: look for .data, .detach(), .item(), "
        "float(…), no_grad(), or a custom rule."
    )


def blame(
    op: Op, args: Sequence[Any], attrs: dict[str, Any], *, order: int = 2, modes: Sequence[str] = MODES
) -> Discrepancy | None:
    """Compare the derivatives of one op at given operands with central differences.

    Returns:
        The first discrepancy, with the op's own argument numbers; None if there is none.
    """
    args = [exact(a) if kind(a) in "fc" else a for a in args]
    vary = [i for i, a in enumerate(args) if kind(a) in "fc"]

    def function(values: list[Value]) -> tuple[Any, ...]:
        full: list[Any] = list(args)
        for i, value in zip(vary, values, strict=True):
            full[i] = value
        out = op(*full, **attrs)
        return out if isinstance(out, tuple) else (out,)

    found = compare(function, [args[i] for i in vary], order=order, modes=modes)
    if found is None:
        return None
    return replace(found, argument=vary[found.argument], output=vary[found.output] if found.order > 1 else found.output)


def explain(op: Op, found: Discrepancy) -> str:
    """Say where the rule of an op is wrong."""

    def argument(i: int) -> str:
        return repr(f"{op.args[0][1:]}{i}" if op.variadic else op.args[i])

    def at(element: tuple[int, ...]) -> str:
        return f" at {list(element)}" if element else ""

    text = f"with respect to its argument {argument(found.argument)}{at(found.element)}"
    if found.order > 1:
        place = f"{argument(found.output)}{at(found.output_element)}"
        text += f", of its gradient with respect to {place} (order {found.order})"
    elif op.results or found.output_element:
        text += ", of its result" + (f" {op.results[found.output]!r}" if op.results else "") + at(found.output_element)
    if found.problem:
        return f"{text}: {found.problem}"
    text += f": the rule gives {found.rule:.9g} ({found.mode}), "
    text += f"central differences {found.numeric.value:.9g} ± {found.numeric.error:.1g}"
    return f"{text}; {found.sides}" if found.corner else text

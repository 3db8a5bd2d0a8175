"""One call of a function on fresh nodes, recorded, ready to be differentiated: what every transform is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from . import nested
from .backward import cotangents, why_no_gradient
from .graph import Node, clock, dtype, mode, modes, no_grad, shape
from .ops.shape import alias, reshape
from .value import Value
from .vmap import vmap

__all__ = [
    "Run",
    "check_argnums",
    "check_function",
    "differentiable_outputs",
    "fresh",
    "lifted",
    "one_real_number",
    "record",
    "refuse_complex_from_real",
    "seed_like",
    "tracing",
]

Function = Callable[..., Any]
ARRAY = np.empty(0)  # an example of an array, for `plain`


class Run(NamedTuple):
    """One recorded call of a function: results, and the fresh nodes with respect to which to differentiate."""

    what: str  # the transform, for errors
    outputs: list[Any]
    output_spec: Any
    aux: Any
    inputs: list[Node]
    input_spec: Any
    given: list[Any]  # the arguments' leaves as they came
    lift: bool  # are the results Values?
    recording: bool  # was the caller recording, or under no_grad()?
    since: int  # when the call began

    def pull(self, outputs: Sequence[Any], seeds: Sequence[Any]) -> Any:
        """Return the cotangents of the inputs, in the structure of the arguments."""
        lift = self.lift or lifted(seeds)
        pairs = [(y, s) for y, s in zip(outputs, seeds, strict=True) if isinstance(y, Node)]  # others are constants
        outputs, seeds = [y for y, _ in pairs], [s for _, s in pairs]
        found = cotangents(outputs, self.inputs, seeds, create_graph=lift, since=self.since)
        found = [zero(x, lift) if c is None else c for x, c in zip(self.inputs, found, strict=True)]
        return self.structure([self.give(c, x, lift) for c, x in zip(found, self.given, strict=True)])

    def push(self, output: Any, tangents: Sequence[Any]) -> Any:
        """Return the derivative of one output along tangents of the inputs, by the vjp of its vjp."""
        if not isinstance(output, Node):
            return np.zeros(shape(output), np.result_type(dtype(output), np.float32))[()]
        start = next(clock)
        u = fresh(zero(output, False))
        pulled = cotangents([output], self.inputs, [u], create_graph=True, since=self.since)
        pairs = [(c, t) for c, t in zip(pulled, tangents, strict=True) if c is not None and c.requires_grad]
        (moved,) = cotangents([c for c, _ in pairs], [u], [t for _, t in pairs], create_graph=self.lift, since=start)
        return self.give(zero(output, self.lift) if moved is None else moved, output._data, self.lift)

    def rows(self, output: Node) -> Any:
        """Return the Jacobian of one output, in the structure of the arguments."""
        n = output.size
        if n == 1:
            pulled = nested.leaves(self.pull([output], [np.ones(output.shape, output.dtype)]))
        else:
            seeds = np.eye(n, dtype=output.dtype).reshape(n, *output.shape)
            if self.lift:
                pulled = vmap(lambda s: self.leaves([output], s))(seeds)
            else:
                with no_grad():
                    pulled = vmap(lambda s: self.leaves([output], s))(seeds)
        wanted = [output.shape + x.shape for x in self.inputs]
        shaped = [c if shape(c) == s else reshape(c, shape=s) for c, s in zip(pulled, wanted, strict=True)]
        return self.structure(
            [self.give(c, x if n == 1 else ARRAY, self.lift) for c, x in zip(shaped, self.given, strict=True)]
        )

    def leaves(self, outputs: Sequence[Node], seed: Node) -> list[Any]:
        """Return the cotangents of the inputs as nodes in a list."""
        found = cotangents(outputs, self.inputs, [seed], create_graph=True, since=self.since)
        return [zero(x, True) if c is None else c for x, c in zip(self.inputs, found, strict=True)]

    def zeros(self, outer: tuple[int, ...]) -> list[Any]:
        """Return zeros of the shape of a Jacobian of something constant."""
        found = [np.zeros(outer + x.shape, x.dtype) for x in self.inputs]
        found = [
            0.0 if z.shape == () and type(x._data) is float else z for z, x in zip(found, self.inputs, strict=True)
        ]
        return [Value.leaf(z) for z in found] if self.lift else found

    def structure(self, leaves: list[Any]) -> Any:
        """Put leaves into the structure of the differentiated arguments."""
        return nested.unflatten(self.input_spec, leaves)

    def give(self, c: Any, given: Any, lift: bool) -> Any:
        """Return a derivative to the caller: a Value, or the same kind of number or array as the argument."""
        if lift:
            made: Any = c if isinstance(c, Node) else Value.leaf(c)
            return made if self.recording else made.detach()
        return plain(c._data if isinstance(c, Node) else c, given)

    def give_output(self, y: Any) -> Any:
        """Return a result of the function to the caller."""
        if not isinstance(y, Node):
            return y
        if self.lift:
            made: Any = y
            return made if self.recording else made.detach()
        return plain(y._data, y._data, copy=True)

    def give_aux(self) -> Any:
        """Return the extra results: arrays in place of nodes that belong to this call alone."""
        return nested.map_leaves(self.give_output, self.aux)

    def give_outputs(self) -> Any:
        """Return the results of the function to the caller."""
        return nested.unflatten(self.output_spec, [self.give_output(y) for y in self.outputs])


def record(
    what: str,
    f: Function,
    argnums: int | Sequence[int],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    recording: bool,
    has_aux: bool = False,
) -> Run:
    """Call f with fresh nodes in place of the arguments to differentiate."""
    check_function(f)
    positions = check_argnums(what, argnums, len(args))
    chosen = args[positions[0]] if isinstance(argnums, int) else tuple(args[i] for i in positions)
    given, input_spec = nested.flatten(chosen)
    lift = lifted((args, kwargs))
    since = next(clock)
    inputs = [fresh(x, what) for x in given]
    if not inputs:
        raise TypeError(f"{what}: nothing to differentiate: the argument is {chosen!r}. Wanted a number or an array.")
    replaced = nested.unflatten(input_spec, inputs)
    new = list(args)
    for i, x in zip(positions, (replaced,) if isinstance(argnums, int) else replaced, strict=True):
        new[i] = x
    result = f(*new, **kwargs)
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{what}: the function wanted to return a pair (number, aux), got {type(result).__name__}.")
        result, aux = result
    outputs, output_spec = nested.flatten(result)
    for y in outputs:
        if not isinstance(y, (Node, np.ndarray, np.generic, bool, int, float, complex)):
            raise TypeError(
                f"{what}: the function wanted to return numbers or arrays, got {type(y).__name__} {y!r:.50}."
            )
    if result is None:
        raise TypeError(f"{what}: the function returned None. Is a `return` missing?")
    return Run(what, outputs, output_spec, aux, inputs, input_spec, given, lift, recording, since)


@contextmanager
def tracing() -> Iterator[bool]:
    """Record, inside a transform; gives whether the caller was recording."""
    before = modes.current
    depth, since = (0, 0) if before is None else (before.trace, before.since)
    with mode(trace=depth + 1, since=since or next(clock), recording=True):
        yield before is None or before.recording


def lifted(*trees: Any) -> bool:
    """Are results Values: because of a Value among these, or of a transform around this one?"""
    current = modes.current
    if current is not None and (current.trace > 1 or current.recorder is not None):
        return True
    return any(isinstance(x, Node) for x in nested.leaves(trees))


def fresh(x: Any, what: str = "grad") -> Node:
    """Return a new node with the number or array x: a leaf, or for a Value an alias of it."""
    if isinstance(x, Node):
        if x.dtype.kind not in "fc":
            raise TypeError(f"{what}: wanted floating point numbers to differentiate, got a Value of dtype {x.dtype}.")
        node = alias(x)
        node.requires_grad = True
        return node
    if isinstance(x, (bool, np.bool_)) or getattr(x, "dtype", None) == np.dtype(bool):
        raise TypeError(
            f"{what}: wanted numbers to differentiate, got bool. Pass masks as another argument, not in argnums."
        )
    try:
        return Value(x)
    except TypeError as error:
        raise TypeError(f"{what}: wanted numbers to differentiate. {error}") from error


def zero(node: Node, lift: bool) -> Any:
    """Return a zero like a node."""
    z = 0.0 if type(node._data) is float else np.zeros(node.shape, node.dtype)
    return Value.leaf(z) if lift else z


def seed_like(x: Node, v: Any) -> Any:
    """Return a tangent or vector of the type of x, or raise."""
    if shape(v) != x.shape:
        raise ValueError(f"a tangent, or a vector of hvp, wanted the shape of its argument, {x.shape}, got {shape(v)}.")
    return v


def plain(data: Any, given: Any, *, copy: bool = False) -> Any:
    """Return a derivative with respect to `given` in its kind: a Python number, a NumPy scalar, or an array."""
    if type(data) in (bool, int, float, complex):
        return data
    if isinstance(given, np.ndarray):
        return np.array(data) if copy else np.asarray(data)
    data = np.asarray(data)[()]
    return complex(data) if type(given) is complex else data


def check_function(f: Any) -> Function:
    """Return f, or raise if it is none."""
    if not callable(f):
        raise TypeError(f"a transform wanted a function, got {type(f).__name__}: write grad(f)(x), not grad(f(x)).")
    return f


def check_argnums(what: str, argnums: Any, count: int) -> tuple[int, ...]:
    """Return the positions as non-negative numbers, or raise."""
    chosen = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(chosen, (tuple, list)) or not all(isinstance(i, int) and not isinstance(i, bool) for i in chosen):
        raise TypeError(f"{what}: argnums wanted an int or a tuple of ints, got {argnums!r}.")
    if out := [i for i in chosen if not -count <= i < count]:
        raise ValueError(
            f"{what}: argnums={argnums!r} wanted positional argument number {out[0]}, got {count} positional "
            "argument(s). "
            "Arguments to differentiate are positional, not by keyword."
        )
    positions = tuple(i % count for i in chosen)
    if len(set(positions)) < len(positions):
        raise ValueError(f"{what}: argnums={argnums!r} names an argument twice.")
    return positions


def one_real_number(run: Run) -> Any:
    """Return the output if it is one real number."""
    wanted = f"{run.what}: the function wanted to return one"
    second = run.what in ("hessian", "hvp")
    if len(run.outputs) != 1 or not run.output_spec.is_leaf():
        raise TypeError(
            f"{wanted} number, got a structure with {len(run.outputs)} leaves. "
            + (
                "Choose one of them, lambda x: f(x)[0]; or write jacobian(jacobian(f)) for all second derivatives."
                if second
                else "For extra results write grad_and_aux(f), where f returns (number, extra); for all of them "
                "jacobian(f) or vjp(f, x)."
            )
        )
    (output,) = run.outputs
    if np.size(output) != 1 if not isinstance(output, Node) else output.size != 1:
        raise ValueError(
            f"{wanted} number, got shape {shape(output)}. Reduce it, f(x).sum(); or write "
            + (
                "jacobian(jacobian(f)) for the second derivatives of every element."
                if second
                else "elementwise_grad(f) for an elementwise function, jacobian(f) for all derivatives."
            )
        )
    if dtype(output).kind == "c":
        raise TypeError(
            f"{wanted} real number, got a complex one. Differentiate f(x).real, or abs(f(x)) ** 2; "
            "or, for the complex derivative of a holomorphic function, write elementwise_grad(f) or jacobian(f)."
        )
    return differentiable_outputs(run)[0] if isinstance(output, Node) else output


def differentiable_outputs(run: Run) -> list[Node]:
    """Return the outputs that are nodes; refuse integers and bools computed from the arguments."""
    nodes = [y for y in run.outputs if isinstance(y, Node)]
    for y in nodes:
        if y.dtype.kind not in "fc":
            raise TypeError(f"{run.what}: the function wanted to return floats, got {y.dtype}. {why_no_gradient(y)}")
    return nodes


def refuse_complex_from_real(run: Run, outputs: Sequence[Node]) -> None:
    """Refuse complex results of real arguments: only the real part of the derivative would be left."""
    if any(y.dtype.kind == "c" for y in outputs) and any(x.dtype.kind != "c" for x in run.inputs):
        raise TypeError(
            f"{run.what}: the result is complex and an argument is real. Differentiate the parts, f(x).real and "
            "f(x).imag; "
            "or make the argument complex, if f is holomorphic."
        )

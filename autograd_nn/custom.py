"""Derivative rules of one's own: `custom_vjp` for a function, `stop_gradient` for a value.

An op of one's own, with domain and test cases, is made with `autograd_nn.op`. This is for a function whose derivative
is better written by hand: more stable, cheaper, or deliberately another (straight-through estimators).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import nested
from .closure import FunctionOp, closed_over, is_recording, leaf_like, look_inside
from .graph import Node, clock, describe, mode, shape
from .value import Value

__all__ = ["custom_vjp", "stop_gradient"]


class custom_vjp:  # noqa: N801  (used as a decorator)
    """A function with a derivative rule of its own. State the rule with `defvjp`.

    The rule follows the rules of ops: written in ops and operators, so that it runs on arrays and on Values alike, it
    has derivatives of every order. What the function needs a gradient for, it takes as a positional argument.

    >>> import numpy as np
    >>> from autograd_nn import custom_vjp, grad
    >>> @custom_vjp
    ... def log1pexp(x):
    ...     return np.log(1 + np.exp(x))
    >>> @log1pexp.defvjp
    ... def rule(g, ans, x):
    ...     return g * (1 - 1 / (1 + np.exp(x)))
    >>> grad(log1pexp)(0.0), grad(grad(log1pexp))(0.0)
    (0.5, 0.25)
    """

    __name__: str

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = f
        self._rule: Callable[..., Any] | None = None
        self._forward: Callable[..., Any] | None = None
        functools.update_wrapper(self, f)

    def defvjp(self, *rules: Callable[..., Any]) -> Any:
        """State the rule, in one of two forms; returns the last function, so that it serves as a decorator.

        One function, ``rule(g, ans, *args, **kwargs)``: from the cotangent of the result, the result and the arguments
        it returns the cotangent of each positional argument, as a tuple (or alone, if there is one); None for zero.

        Two functions, as in JAX: ``forward(*args, **kwargs)`` returns (result, residuals), and
        ``backward(residuals, g)`` the cotangents of the arguments.
        """
        if len(rules) not in (1, 2) or not all(map(callable, rules)):
            raise TypeError(
                "defvjp wanted one function, rule(g, ans, *args), or two, forward(*args) and backward(residuals, g)."
            )
        self._rule = rules[-1]
        self._forward = rules[0] if len(rules) == 2 else None
        return rules[-1]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function: arrays in, array out; any Value in, Value out."""
        if self._rule is None:
            raise TypeError(f"{self.__name__}: no rule is stated: decorate a function with @{self.__name__}.defvjp.")
        leaves, spec = nested.flatten(args, none_is_leaf=True)
        places = [i for i, x in enumerate(leaves) if isinstance(x, (Node, np.ndarray))]
        if not is_recording() or not any(is_wanted(leaves[i]) for i in places):
            return self._f(*args, **kwargs)
        call = Call(self, self._rule, leaves, spec, places, kwargs)
        op = FunctionOp(self.__name__, self.__name__, call.forward, call.pull)
        call.op = weakref.ref(op)  # not the op: a cycle would keep the graph alive
        made = op(*[leaves[i] for i in places])
        return nested.unflatten(call.out_spec, made if isinstance(made, tuple) else (made,))


def is_wanted(x: Any) -> bool:
    """Is a derivative with respect to it wanted, inside or outside of the vmap that it may belong to?"""
    return isinstance(x, Node) and (x.requires_grad or is_wanted(getattr(x, "value", None)))


class Call:
    """One call of a `custom_vjp`: its arguments, of which those in `places` are operands."""

    op: Callable[[], FunctionOp | None]
    out_spec: Any = None
    residuals: Any = None

    def __init__(
        self,
        custom: custom_vjp,
        rule: Callable[..., Any],
        leaves: list[Any],
        spec: Any,
        places: list[int],
        kwargs: dict[str, Any],
    ) -> None:
        self.custom, self.rule, self.kwargs = custom, rule, kwargs
        self.leaves, self.spec, self.places = leaves, spec, places

    def arguments(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Put operands in their places among the arguments."""
        new = list(self.leaves)
        for i, x in zip(self.places, xs, strict=True):
            new[i] = x
        return nested.unflatten(self.spec, new)

    def forward(self, *xs: Any) -> Any:
        """Compute on arrays."""
        custom = self.custom
        with mode(recording=True):
            start = next(clock)
            args = self.arguments([leaf_like(x) for x in xs])
            if custom._forward is None:
                result = custom._f(*args, **self.kwargs)
            else:
                result, residuals = custom._forward(*args, **self.kwargs)
                self.residuals = nested.map_leaves(lambda r: r._data if isinstance(r, Node) else r, residuals)
        outputs, self.out_spec = nested.flatten(result)
        if used := closed_over(outputs, start):
            raise TypeError(
                f"{custom.__name__}: the function uses {describe(used[0])} without being given it, so its rule "
                "cannot return a "
                "gradient for it. Pass it as a positional argument, or use stop_gradient(x) if it is a constant."
            )
        if not outputs:
            raise TypeError(
                f"{custom.__name__}: wanted a number or an array as a result, got {result!r}. Is a `return` missing?"
            )
        data = [y._data if isinstance(y, Node) else np.asarray(y) for y in outputs]
        op = self.op()
        if op is not None:
            op.results = tuple(f"result{i}" for i in range(len(data))) if len(data) > 1 else ()
            op.inside = look_inside(outputs)
        return tuple(data) if len(data) > 1 else data[0]

    def pull(self, wanted: Sequence[bool], g: Any, ans: Any, xs: Sequence[Any]) -> list[Any]:
        """Apply the rule, and return one cotangent for each operand."""
        custom = self.custom
        gs = nested.unflatten(self.out_spec, g if type(g) is tuple else (g,))
        args = self.arguments(xs)
        if custom._forward is None:
            answers = nested.unflatten(self.out_spec, ans if type(ans) is tuple else (ans,))
            found = self.rule(gs, answers, *args, **self.kwargs)
        else:
            again = is_recording() and any(isinstance(x, Node) for x in xs)
            residuals = custom._forward(*args, **self.kwargs)[1] if again else self.residuals
            found = self.rule(residuals, gs)
        if len(args) == 1 and not (isinstance(found, tuple) and len(found) == 1):
            found = (found,)
        if not isinstance(found, tuple) or len(found) != len(args):
            raise TypeError(
                f"{custom.__name__}: its rule wanted to return a tuple of {len(args)} cotangents, one for each "
                "positional argument "
                f"(None for zero), got {f'{len(found)} of them' if isinstance(found, tuple) else type(found).__name__}."
            )
        flat = []
        for i, (c, arg) in enumerate(zip(found, args, strict=True)):
            flat.extend(self.cotangents_of(i, c, arg))
        return [flat[i] for i in self.places]

    def cotangents_of(self, i: int, c: Any, arg: Any) -> list[Any]:
        """Flatten the cotangent of one argument; check its structure and shapes."""
        leaves, spec = nested.flatten(arg, none_is_leaf=True)
        if c is None:
            return [None] * len(leaves)
        found, came = nested.flatten(c, none_is_leaf=True)
        if came != spec:
            raise TypeError(
                f"{self.custom.__name__}: the cotangent of argument {i} wanted its structure {spec}, got {came}."
            )
        for x, y in zip(leaves, found, strict=True):
            if y is not None and shape(y) != shape(x) and np.broadcast_shapes(shape(y), shape(x)) != shape(y):
                raise ValueError(
                    f"{self.custom.__name__}: the cotangent of argument {i} wanted shape {shape(x)}, got {shape(y)}."
                )
        return found


def stop_gradient(x: Any) -> Any:
    """Return the same numbers, through which nothing flows back. Nested tuples, lists and dicts are gone through.

    >>> from autograd_nn import grad, stop_gradient
    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    return nested.map_leaves(lambda leaf: leaf.detach() if isinstance(leaf, Value) else leaf, x)

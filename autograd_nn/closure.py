"""Ops that carry a function: `FunctionOp`, and what the function closes over.

`checkpoint`, `scan` and `custom_vjp` make such an op for each call, so these ops are not in `OPS`. Values that the
function uses without being given them become operands too: they are found in the recorded graph, as the nodes that
were there before the function was called. So no gradient is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .graph import Node, dtype, modes, shape
from .op import Op
from .value import Value

__all__ = ["FunctionOp", "check_same", "closed_over", "is_recording", "leaf_like", "look_inside", "zero_of"]

Pull = Callable[..., Sequence[Any]]


class FunctionOp(Op):
    """An op made of a function of any number of arrays, and of one rule for all its operands together.

    Attributes:
        pull: ``pull(wanted, g, ans, args)`` returns the cotangents of all operands; None where it is zero.
        body: the `Graph` of the function, if there is one to show.
        inside: under `debug()`, what made the first number in the function that is not finite.
    """

    def __init__(
        self, name: str, label: str, forward: Callable[..., Any], pull: Pull, results: Sequence[str] = ()
    ) -> None:
        super().__init__(forward, name=name, label=label, complex=True, results=results)
        self.pull = pull
        self.joint = lambda wanted, g, ans, *args: [
            zero_of(x) if want and c is None else c
            for want, c, x in zip(wanted, pull(wanted, g, ans, args), args, strict=True)
        ]
        self.body: Any = None
        self.inside = ""


def closed_over(outputs: Iterable[Any], since: int) -> list[Node]:
    """Return the nodes that require grad, were there before `since`, and were used to compute the outputs."""
    found: dict[Node, None] = {}
    stack = [y for y in outputs if isinstance(y, Node) and y.requires_grad]
    seen = set(stack)
    while stack:
        node = stack.pop()
        if node.serial <= since:
            found[node] = None
            continue
        new = [p for p in node.parents if p.requires_grad and p not in seen]
        seen.update(new)
        stack.extend(new)
    return sorted(found, key=lambda node: node.serial)


def look_inside(outputs: Sequence[Any]) -> str:
    """Return what `debug()` has to say about a function's results while its graph is there; "" outside of it."""
    current = modes.current
    return "" if current is None or current.observer is None else current.observer.inside(outputs)


def is_recording() -> bool:
    """Are ops recorded now (and not under `no_grad`)?"""
    return modes.current is None or modes.current.recording


def leaf_like(x: Any) -> Any:
    """Return a leaf with the data of a number, array or node, which requires no gradient."""
    return Value.leaf(x._data if isinstance(x, Node) else x)


def zero_of(x: Any) -> Any:
    """Return a zero of the shape and dtype of an array, a number or a node."""
    data = x._data if isinstance(x, Node) else x
    return 0.0 if type(data) is float else np.zeros(shape(data), dtype(data))


def check_same(what: str, y: Any, before: Any) -> None:
    """Refuse a function that gives another result when it is computed again.

    Raises:
        ValueError: if y is not, to rounding, the result that it gave before.
    """
    if isinstance(y, Node) and y.level:
        return  # in a vmap, which has no numbers to compare
    new, old = (x._data if isinstance(x, Node) else x for x in (y, before))
    if np.array_equal(new, old):
        return
    kind = dtype(new)
    tolerance = 1e-3 if kind.itemsize // (2 if kind.kind == "c" else 1) < 8 else 1e-6
    if shape(new) != shape(old) or not np.allclose(new, old, tolerance, tolerance, equal_nan=True):
        raise ValueError(
            f"{what}: the function gave another result when it was computed again in the backward pass, so its "
            "gradient would be wrong. If it draws random numbers, draw them outside and pass them as an argument; if "
            "it uses an array or a Value that has changed since, pass that as an argument too."
        )

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

__all__ = ["FunctionOp", "closed_over", "is_recording", "leaf_like", "zero_of"]

Pull = Callable[..., Sequence[Any]]


class FunctionOp(Op):
    """An op made of a function of any number of arrays, and of one rule for all its operands together.

    Attributes:
        pull: ``pull(wanted, g, ans, args)`` returns the cotangents of all operands; None where it is zero.
        body: the `Graph` of the function, if there is one to show.
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

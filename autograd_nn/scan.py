"""`scan`: a recurrence as one op with a sub-graph.

``carry, y = f(carry, x)`` for each x of a sequence. Only the carries are kept for the backward pass, which runs the
steps again one by one, last first: memory grows with the carry, not with what a step computes. That pass is a scan
again, so derivatives of every order exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from . import nested
from .backward import cotangents
from .closure import FunctionOp, check_same, closed_over, is_recording, look_inside, zero_of
from .graph import Graph, Node, clock, dtype, mode, no_grad, shape
from .ops.shape import alias, cast, stack
from .value import Value

__all__ = ["scan"]

Step = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any], list[Any]]]
"""From carries and inputs of one step to new carries, outputs, and terms of sums over all steps."""


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Apply ``carry, y = f(carry, x)`` along the first axis of xs; return the last carry and all y, stacked.

    Equal to the loop, in its derivatives too. Values that f uses without being given them get their gradients.
    Carries, inputs and outputs may be nested tuples, lists and dicts of arrays.

    Args:
        f: one step. The carry keeps its structure, shapes and dtypes. It must give the same results when it is called
            again, as it is in the backward pass: random masks are drawn outside, and are part of xs.
        init: the first carry.
        xs: inputs, steps along axis 0; None if there are none.
        length: the number of steps; needed if there are no inputs.
        reverse: go from the last step to the first; outputs stay in the order of the inputs.

    Raises:
        TypeError, ValueError: if f does not return a pair, if the carry changes, or if lengths differ; in the backward
            pass, if f gave other results.

    >>> import numpy as np
    >>> from autograd_nn import scan
    >>> total, ys = scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), ys
    (6.0, array([0., 2., 9.]))
    """
    carry, carry_spec = nested.flatten(init)
    inputs, input_spec = nested.flatten(xs)
    count = steps(inputs, length)
    y_spec: Any = None

    def step(cs: list[Any], xs: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        nonlocal y_spec
        result = f(nested.unflatten(carry_spec, cs), nested.unflatten(input_spec, xs))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                f"scan: f wanted to return a pair (carry, y), got {type(result).__name__}. Without outputs: "
                "(carry, None)."
            )
        new, spec = nested.flatten(result[0])
        if spec != carry_spec:
            raise TypeError(f"scan: the carry wanted its structure {carry_spec}, got {spec}.")
        ys, y_spec = nested.flatten(result[1])
        return new, ys, []

    carry = settle(step, carry, inputs)
    last, ys, _ = run(step, carry, inputs, count, reverse)
    return nested.unflatten(carry_spec, last), nested.unflatten(y_spec, ys)


def steps(inputs: Sequence[Any], length: int | None) -> int:
    """Return the number of steps, on which all inputs agree."""
    if any(not shape(x) for x in inputs):
        raise ValueError(
            "scan: wanted inputs with steps along axis 0, got a scalar. What all steps share belongs into f, "
            "or the carry."
        )
    lengths = {shape(x)[0] for x in inputs} | ({length} if length is not None else set())
    if not lengths:
        raise ValueError("scan: without inputs the number of steps is needed: scan(f, init, length=n).")
    if len(lengths) > 1:
        raise ValueError(f"scan: wanted one number of steps, got {sorted(lengths)} from inputs and length.")
    return lengths.pop()


def settle(step: Step, carry: list[Any], inputs: list[Any]) -> list[Any]:
    """Give the first carry the dtype that it has after a step, as numbers take on the dtype of what they meet."""
    first = [np.zeros(shape(x)[1:], dtype(x)) if not shape(x)[0] else x[0] for x in inputs]
    with no_grad():
        new, _, _ = step([as_node(c) for c in carry], [as_node(x) for x in first])
        settled = list(carry)
        for i, (before, after) in enumerate(zip(carry, new, strict=True)):
            if shape(before) != shape(after):
                raise ValueError(
                    f"scan: the carry wanted to keep its shape {shape(before)}, got {shape(after)} after a step."
                )
            if kind(before) != kind(after):
                wanted = np.result_type(dtype(before), dtype(after)) if not is_python(before) else dtype(after)
                settled[i] = (cast, wanted.name)
    return [cast(as_operand(c), dtype=s[1]) if isinstance(s, tuple) else c for c, s in zip(carry, settled, strict=True)]


def is_python(x: Any) -> bool:
    """Does it hold a Python number, which takes on the dtype of what it meets?"""
    return type(x._data if isinstance(x, Node) else x) in (bool, int, float, complex)


def kind(x: Any) -> Any:
    """Return what a carry keeps: the dtype, or that it is a Python float."""
    return float if is_python(x) and dtype(x).kind == "f" else dtype(x)


def as_operand(x: Any) -> Any:
    """Return numbers as arrays, so that they can be cast."""
    return x if isinstance(x, (Node, np.ndarray)) else np.asarray(x)


def as_node(x: Any) -> Node:
    """Return a node: itself, or a leaf with the number or array."""
    return x if isinstance(x, Node) else Value.leaf(x)


def run(
    step: Step, carry: list[Any], inputs: list[Any], count: int, reverse: bool
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return last carries, stacked outputs and sums: arrays, or results of one op if a Value is involved."""
    operands = [*carry, *inputs]
    if any(isinstance(x, Node) and x.level for x in operands):
        return unroll(step, carry, inputs, count, reverse)
    loop = Loop(step, len(carry), count, reverse)
    data = loop.compute_all(
        [x._data if isinstance(x, Node) else np.array(x) if isinstance(x, np.ndarray) else x for x in operands]
    )
    if data is None:  # f uses a value that belongs to a vmap
        return unroll(step, carry, inputs, count, reverse)
    if not any(isinstance(x, Node) for x in operands) and not loop.used:
        return loop.split(data)[:3]
    results = [
        f"{what}{i}"
        for what, part in zip(("carry", "output", "sum", "carries"), loop.split(data), strict=True)
        for i in range(len(part))
    ]
    first = [data]

    def forward(*xs: Any) -> Any:
        return first.pop() if first else loop.compute_all(list(xs[: len(operands)]))

    op = FunctionOp("scan", "↻", forward, loop.pull, results)
    op.body, loop.body, op.inside = loop.body, None, loop.inside
    made = op(*operands, *loop.used)
    for node in made:
        node.requires_grad = node.requires_grad and node.dtype.kind in "fc"
    return loop.split(made)[:3]


def unroll(
    step: Step, carry: list[Any], inputs: list[Any], count: int, reverse: bool
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the same as ordinary ops, step by step: inside vmap, where samples belong to it."""
    rows, total = [], []
    for t in order(count, reverse):
        carry, ys, terms = step([as_node(c) for c in carry], [as_node(x[t]) for x in inputs])
        rows.append(ys)
        total = [a + b for a, b in zip(total, terms, strict=True)] if total else terms
    rows = rows[::-1] if reverse else rows
    return carry, [stack(*column, axis=0) for column in zip(*rows, strict=True)], total


def order(count: int, reverse: bool) -> range:
    """Return the steps in the order in which they are run."""
    return range(count)[:: -1 if reverse else 1]


class Loop:
    """The steps of one scan on lists of arrays, from carries and inputs to last carries, outputs, sums, all carries."""

    def __init__(self, step: Step, carries: int, count: int, reverse: bool) -> None:
        self.step, self.carries, self.count, self.reverse = step, carries, count, reverse
        self.used: list[Node] = []  # what the step uses without being given it
        self.body: Graph | None = None  # of the first step
        self.inside = ""  # see FunctionOp
        self.outputs = self.sums = 0

    def split(self, results: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """Take the results apart."""
        ends = np.cumsum([0, self.carries, self.outputs, self.sums, self.carries])
        carries, outputs, sums, kept = [list(results[i:j]) for i, j in pairwise(ends)]
        return carries, outputs, sums, kept

    @mode(again=True)
    def compute_all(self, operands: list[Any]) -> tuple[Any, ...] | None:
        """Run all steps on arrays; None if the step gives results that belong to a vmap."""
        carry, inputs = operands[: self.carries], operands[self.carries :]
        kinds = [kind(c) for c in carry]
        carries: list[list[Any]] = []
        rows: list[list[Any]] = []
        total: list[Any] = []
        used: dict[Node, None] = {}
        recording = is_recording()
        for t in order(max(self.count, 1), self.reverse):
            start = next(clock)
            xs = [np.zeros(np.shape(x)[1:], x.dtype) if not self.count else x[t] for x in inputs]
            leaves = [Value.leaf(x) for x in (*carry, *xs)]
            new, ys, terms = self.step(leaves[: self.carries], leaves[self.carries :])
            if any(isinstance(y, Node) and y.level for y in (*new, *ys, *terms)):
                return None
            self.inside = self.inside or look_inside((*new, *ys))
            if recording:
                used.update(dict.fromkeys(closed_over((*new, *ys, *terms), start)))
                if self.body is None:
                    nodes = [y for y in (*new, *ys) if isinstance(y, Node)]
                    self.body = Graph.of(*nodes)
            new, ys, terms = ([y._data if isinstance(y, Node) else y for y in part] for part in (new, ys, terms))
            if not self.count:
                rows, total, new = [ys], [zero_of(y) for y in terms], carry
                break
            self.check(carry, kinds, new)
            carries.append(carry)
            rows.append(ys)
            total = [a + b for a, b in zip(total, terms, strict=True)] if total else terms
            carry = new
        self.used = sorted(used, key=lambda node: node.serial)
        if self.reverse:
            carries, rows = carries[::-1], rows[::-1]
        self.outputs, self.sums = len(rows[0]), len(total)
        stacked = [np.stack(column)[: self.count] for column in zip(*rows, strict=True)]
        kept = (
            [np.stack(c) for c in zip(*carries, strict=True)]
            if carries
            else [np.zeros((0, *np.shape(c)), dtype(c)) for c in carry]
        )
        return (*carry, *stacked, *total, *kept)

    def check(self, carry: list[Any], kinds: list[Any], new: list[Any]) -> None:
        """Refuse a carry that changes."""
        for before, wanted, after in zip(carry, kinds, new, strict=True):
            if np.shape(before) != np.shape(after) or wanted != kind(after):
                raise ValueError(
                    f"scan: the carry wanted to keep shape {np.shape(before)} and dtype {dtype(before)}, got "
                    f"{np.shape(after)} and "
                    f"{dtype(after)} after a step. Start with a carry like that one, or cast with .astype(…)."
                )

    def pull(self, wanted: Sequence[bool], g: Any, ans: Any, args: Sequence[Any]) -> list[Any]:
        """Return the cotangents of the operands by a scan in the other direction."""
        used = list(args[len(args) - len(self.used) :]) if self.used else []
        inputs = list(args[self.carries : len(args) - len(used)])
        g_last, g_ys, g_sums, g_carries = self.split(g)
        carries = self.split(ans)[3]
        create_graph = any(isinstance(x, Node) for x in (*g, *args))
        last, ys, _, kept = self.split([x._data if isinstance(x, Node) else x for x in ans])

        def results_of(t: int) -> list[Any]:
            after = t - 1 if self.reverse else t + 1
            return [*([c[after] for c in kept] if 0 <= after < self.count else last), *[y[t] for y in ys]]

        def back(gs: list[Any], values: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
            parts = np.cumsum([0, self.carries, len(inputs), self.outputs, self.carries])
            cs, xs, gys, gcs = (values[i:j] for i, j in pairwise(parts))
            found = self.pull_step(cs, xs, [*gs, *gys, *g_sums], results_of(int(values[-1]._data)))
            new = [c + extra for c, extra in zip(found[: self.carries], gcs, strict=True)]
            return new, found[self.carries : self.carries + len(inputs)], found[self.carries + len(inputs) :]

        if not self.count:
            return [*g_last, *[None] * (len(inputs) + len(used))]
        operands = [*carries, *inputs, *g_ys, *g_carries, np.arange(self.count)]
        with mode(recording=create_graph):
            first, gxs, sums = run(back, g_last, operands, self.count, not self.reverse)
        return [*first, *gxs, *sums]

    def pull_step(self, cs: list[Any], xs: list[Any], seeds: list[Any], before: list[Any]) -> list[Any]:
        """Run one step again and return the cotangents of its carries, its inputs and what it uses.

        Raises:
            ValueError: if its results are not those that it gave before.
        """
        create_graph = is_recording() or any(isinstance(x, Node) and x.level for x in (*seeds, *cs, *xs))
        with mode(recording=True, again=True):
            start = next(clock)
            fresh = [alias(x) for x in (*cs, *xs)]
            for x in fresh:
                x.requires_grad = x.dtype.kind in "fc"
            new, ys, terms = self.step(fresh[: self.carries], fresh[self.carries :])
            for y, result in zip((*new, *ys), before, strict=True):
                check_same("scan", y, result)
            pairs = [
                (y, s)
                for y, s in zip((*new, *ys, *terms), seeds, strict=True)
                if isinstance(y, Node) and y.requires_grad
            ]
            seeds = [s._data if isinstance(s, Node) and not create_graph else s for _, s in pairs]
            found = cotangents(
                [y for y, _ in pairs], [*fresh, *self.used], seeds, create_graph=create_graph, since=start
            )
        return [zero_of(x) if c is None else c for x, c in zip((*fresh, *self.used), found, strict=True)]

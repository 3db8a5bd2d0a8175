"""A small tensor graph, opened into the graph of its multiplications and additions.

Every element of every array becomes a `Value` that holds one number, and every op the arithmetic between them, so that
a matrix product, a softmax or a convolution can be drawn and followed number by number. Values and gradients are the
same, to rounding. Integers and truth values (labels, positions, masks) stay plain numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from .flops import flops
from .graph import Graph, Node, describe, dtype, mode, shape
from .op import OPS, Op
from .ops import arithmetic, convolution, elementary, indexing, product
from .ops import shape as shapes
from .ops.norm import norm_axes
from .value import Value

__all__ = ["LIMIT", "Expansion", "can_expand", "expand"]

LIMIT = 100_000
"""The most scalar nodes that `expand` makes unless told otherwise."""

Elements = np.ndarray
"""An array of objects: Values and, where nothing was computed, Python numbers."""


class Expansion:
    """A tensor graph and the scalar graph that it was opened into.

    Attributes:
        output: the scalar Value; an array of Values if the output is no scalar.
        leaves: for each leaf of the tensor graph, an array of Values of its shape; None for integers.
    """

    def __init__(self, output: Any, leaves: dict[Node, Elements]) -> None:
        self.output, self.leaves = output, leaves

    def grad(self, leaf: Node) -> np.ndarray:
        """Return the gradients of a leaf's elements in an array; 0 where none arrived.

        Raises:
            KeyError: if the value does not depend on the leaf.
        """
        if leaf not in self.leaves:
            raise KeyError(f"{describe(leaf)} is no leaf of the graph that was opened.")
        return collect(self.leaves[leaf], lambda x: 0.0 if x._grad is None else x._grad)

    def __repr__(self) -> str:
        outputs = self.output.ravel().tolist() if isinstance(self.output, np.ndarray) else [self.output]
        count = len(Graph.of(*outputs))
        return f"Expansion({count:,} scalar nodes, {len(self.leaves)} leaves)"


def expand(value: Node, *, limit: int = LIMIT) -> Expansion:
    """Open the graph of a value into scalars.

    Leaves keep their names, with the position of the element: ``w[2,5]``; nodes keep the scope of the op that they are
    part of. Numbers are Python floats, so what was computed in float32 agrees to float32's rounding.

    Args:
        value: of real floating point numbers.
        limit: the most scalar nodes.

    Returns:
        The scalar graph's output, and the scalars that each leaf became.

    Raises:
        TypeError: if value is no Value, or complex, or the graph has an op that is not made of arithmetic on elements.
        ValueError: if there would be more nodes than the limit.

    >>> from autograd_nn import Graph
    >>> w, x = Value([2.0, -3.0], name="w"), Value([0.5, 4.0], name="x")
    >>> scalars = expand(w @ x)
    >>> [node.name or node.op.label for node in Graph.of(scalars.output).nodes]
    ['w[0]', 'x[0]', '×', 'w[1]', 'x[1]', '×', '+']
    >>> scalars.output.backward()
    >>> scalars.grad(w)
    array([0.5, 4. ])
    """
    graph = Graph.of(value)
    check(graph, limit)
    table: dict[Node, Any] = {}
    for node in graph.nodes:
        with mode(scope=node.scope, recording=True), np.errstate(all="ignore"):  # what the tensors had to say is said
            table[node] = opened(node, [table[p] for p in node.parents])
    out = table[value]
    if not isinstance(out, np.ndarray) or out.dtype != object:
        raise TypeError(f"expand wanted floating point numbers, got {describe(value)} of {value.dtype}.")
    out = each(lambda x: x if isinstance(x, Node) else Value.leaf(float(x)), out)
    leaves = {leaf: table[leaf] for leaf in graph.leaves if table[leaf].dtype == object}
    return Expansion(out if out.ndim else out[()], leaves)


def can_expand(op: Op) -> bool:
    """Is an op made of arithmetic on elements, as far as `expand` knows?"""
    return op.elementwise or OPS.get(op.name) is op and op.name in EXPANSIONS


def check(graph: Graph, limit: int) -> None:
    """Refuse what is too large, or not made of arithmetic.

    Raises:
        TypeError, ValueError: see `expand`.
    """
    for node in graph.nodes:
        if node.op is not None and not can_expand(node.op) and (node.op.results or is_float(node)):
            raise TypeError(
                f"expand: {node.op.name!r} is not opened into multiplications and additions. "
                + LOOPS.get(node.op.name, "Open the part of the graph before it, or after it from a new leaf.")
            )
        if type(node._data) is not tuple and dtype(node._data).kind == "c":
            raise TypeError(f"expand wanted real numbers, got {describe(node)} of {node.dtype}.")
    count = sum(node.size if node.op is None else flops(node) for node in graph.nodes)
    if count > limit:
        raise ValueError(
            f"expand: the graph would have about {count:,} scalar nodes, more than {limit:,}. Take fewer rows or a "
            f"smaller model; or pass limit={count}, if there is memory and patience for it."
        )


LOOPS = {
    "scan": "Write the loop in Python: for x in xs: carry, y = f(carry, x).",
    "checkpoint": "Call the function itself, without checkpoint.",
}


def is_float(node: Node) -> bool:
    """Does it hold floating point numbers?"""
    return dtype(node._data).kind == "f"


def opened(node: Node, operands: list[Any]) -> Any:
    """Return the elements of a node, made of those of its operands; an array of numbers if it holds integers."""
    op = node.op
    if op is None:
        return elements_of(node) if is_float(node) else np.asarray(node._data)
    if op.name == "item":
        return operands[0][node.attrs["index"]]
    if op.results:
        parts = EXPANSIONS[op.name](node, *operands)
        return tuple(fit(part, x) for part, x in zip(parts, node._data, strict=True))
    if not is_float(node):
        return np.asarray(node._data)
    if op.elementwise:
        return fit(on(op, *operands, **node.attrs), node._data)
    return fit(EXPANSIONS[op.name](node, *operands), node._data)


def fit(out: Any, like: Any) -> Elements:
    """Return elements in the shape that they have as an array."""
    if isinstance(out, np.ndarray):
        return out.astype(object, copy=False).reshape(shape(like))
    made = np.empty(1, object)
    made[0] = out
    return made.reshape(shape(like))


def each(f: Callable[..., Any], *xs: Any) -> Elements:
    """Apply a function to each element, with broadcasting; an array of objects."""
    xs = tuple(x.astype(object) if isinstance(x, np.ndarray) else fit(x, 0.0) for x in xs)
    out = np.frompyfunc(f, len(xs), 1)(*xs)
    return out if isinstance(out, np.ndarray) else fit(out, 0.0)


def on(op: Op, *xs: Any, **attrs: Any) -> Elements:
    """Apply an elementwise op to each element."""
    if attrs:
        return each(lambda *numbers: op(*numbers, **attrs), *xs)
    return each(op, *xs)


def collect(elements: Elements, f: Callable[[Any], float]) -> np.ndarray:
    """Return an array of a number of each element."""
    return np.array([f(x) for x in elements.ravel()], dtype=float).reshape(elements.shape)


def elements_of(leaf: Node) -> Elements:
    """Return a scalar leaf for each element, named after its position."""
    data = np.asarray(leaf._data)
    made = np.empty(data.size, object)
    for i, (index, x) in enumerate(np.ndenumerate(data)):
        place = f"[{','.join(map(str, index))}]" if index else ""
        name = f"{leaf.name}{place}" if leaf.name else None
        made[i] = Value.leaf(float(x), requires_grad=leaf.requires_grad, name=name)
    return made.reshape(data.shape)


# Moving elements: the op itself, applied to numbers that say where each element of the result comes from.


def moved(forward: Callable[..., Any], xs: Sequence[Any], *others: Any, fill: float = 0.0, **attrs: Any) -> Elements:
    """Return the elements of xs where a function that only moves elements puts them; `fill` where it puts 0."""
    numbers, pool, start = [], [np.array([fill], object)], 1
    for x in xs:
        numbers.append(np.arange(start, start + np.size(x)).reshape(np.shape(x)))
        pool.append(np.ravel(x).astype(object))
        start += np.size(x)
    source = np.asarray(forward(*numbers, *others, **attrs), dtype=int)
    return fit(np.concatenate(pool)[source], source)


def move(count: int | None = None) -> Callable[..., Elements]:
    """Return the expansion of an op that moves the elements of its first `count` operands; the others say where to."""

    def expansion(node: Node, *xs: Any) -> Elements:
        n = len(xs) if count is None else count
        return moved(node.op.forward, xs[:n], *xs[n:], **node.attrs)  # type: ignore[union-attr]

    return expansion


def pad(node: Node, x: Elements) -> Elements:
    """A border of constants, or of elements."""
    attrs = dict(node.attrs)
    fill = attrs.pop("constant_values")
    if np.size(fill) > 1:
        raise TypeError("expand: 'pad' with more than one constant is not opened: pad one axis after the other.")
    return moved(shapes.pad.forward, [x], fill=float(np.ravel(fill)[0]), **attrs)


def added(x: Elements, at: Any, like: Any) -> Elements:
    """Return sums of elements: each is added at its position (counted from 1; 0 for nowhere) of the flat result."""
    out = np.full(int(np.prod(shape(like))) + 1, None, object)
    for element, i in zip(np.ravel(x), np.ravel(at), strict=True):
        out[i] = element if out[i] is None else out[i] + element
    return each(lambda s: 0.0 if s is None else s, out[1:])


def positions(lengths: tuple[int, ...]) -> np.ndarray:
    """Return numbers from 1 in an array of a shape."""
    return np.arange(1, int(np.prod(lengths)) + 1).reshape(lengths)


def scatter(adjoint: Op, *names: str) -> Callable[..., Elements]:
    """Return the expansion of an op that adds elements where its adjoint takes them from."""

    def expansion(node: Node, x: Elements, *others: Any) -> Elements:
        lengths = node.shape
        attrs = {name: node.attrs[name] for name in names}
        return added(x, adjoint.forward(positions(lengths), *others, **attrs), node._data)

    return expansion


def sum_to(node: Node, x: Elements) -> Elements:
    """Sums over what was broadcast."""
    return added(x, np.broadcast_to(positions(node.shape), x.shape), node._data)


def at(ufunc: Callable[[Any, Any], Any]) -> Callable[..., Elements]:
    """Return the expansion of x with something done at an index."""

    def expansion(node: Node, x: Elements, y: Elements, *indices: Any) -> Elements:
        where = indexing.getitem.forward(np.arange(x.size).reshape(x.shape), *indices, key=node.attrs["key"])
        out = np.ravel(x).astype(object)
        for i, element in zip(np.ravel(where), np.ravel(np.broadcast_to(y, np.shape(where))), strict=True):
            out[i] = ufunc(out[i], element)
        return out

    return expansion


# Products and sums: NumPy's own, which on objects are Python's × and +.


def linear(node: Node, x: Elements, w: Elements, b: Elements) -> Elements:
    """Sums of products, and the bias."""
    return np.add(np.matmul(x, w), b)


def scaled_or(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a product that scales where one operand is a number."""
    return lambda node, x, y: f(x, y) if x.ndim and y.ndim else np.multiply(x, y)


def vecdot(node: Node, x: Elements, y: Elements) -> Elements:
    """Sums of products along an axis."""
    axis = node.attrs["axis"]
    return np.add.reduce(np.moveaxis(x, axis, -1) * np.moveaxis(y, axis, -1), axis=-1)


def einsum(node: Node, *xs: Elements) -> Elements:
    """Products over all indices, summed over those that the result does not have."""
    terms, out = product.explicit(node.attrs["subscripts"], [x.shape for x in xs])
    letters = list(dict.fromkeys([*out, *(c for term in terms for c in term)]))
    factors = []
    for x, term in zip(xs, terms, strict=True):
        own = sorted(set(term), key=letters.index)
        diagonal = moved(product.einsum.forward, [x], subscripts=f"{''.join(term)}->{''.join(own)}")
        lengths = dict(zip(own, diagonal.shape, strict=True))
        factors.append(diagonal.reshape([lengths.get(c, 1) for c in letters]))
    everything = reduce(np.multiply, factors)
    return np.add.reduce(everything, axis=tuple(range(len(out), len(letters))))


def conv(node: Node, x: Elements, w: Elements) -> Elements:
    """Each filter times each window."""
    attrs = dict(node.attrs)
    groups = attrs.pop("groups")
    windows = moved(convolution.columns, [x], kernel=w.shape[2:], groups=groups, **attrs)
    y = np.matmul(moved(convolution.filters_as_rows, [w], groups), windows)  # (groups, filters, batch · windows)
    batch, filters, *count = node.shape
    return y.reshape(groups, filters // groups, batch, int(np.prod(count))).transpose(2, 0, 1, 3)


def conv_image(node: Node, g: Elements, w: Elements) -> Elements:
    """Each filter times each cotangent, added up where the windows are."""
    attrs = {key: node.attrs[key] for key in ("stride", "dilation", "padding", "groups")}
    groups = attrs["groups"]
    filters = moved(convolution.filters_as_rows, [w], groups).swapaxes(-1, -2)
    windows = np.matmul(filters, moved(convolution.image_as_rows, [g], groups))
    places = convolution.columns(positions(node.shape), kernel=w.shape[2:], **attrs)
    return added(windows, places, node._data)


def conv_filters(node: Node, x: Elements, g: Elements) -> Elements:
    """Each cotangent times each window."""
    windows = moved(convolution.columns, [x], **node.attrs)
    rows = moved(convolution.image_as_rows, [g], node.attrs["groups"])
    return np.matmul(rows, windows.swapaxes(-1, -2)).reshape(node.shape)


def windows_of(node: Node, x: Elements) -> Elements:
    """The elements of each window in one axis, the last."""
    found = moved(convolution.unfold.forward, [x], **node.attrs)
    return found.reshape(*node.shape, int(np.prod(node.attrs["kernel"])))


def reduced(f: Callable[[Elements], Any]) -> Callable[..., Elements]:
    """Return the expansion of a reduction over axes, made of one over the last axis."""

    def expansion(node: Node, x: Elements) -> Elements:
        return f(in_rows(x, node.attrs["axis"]))

    return expansion


def in_rows(x: np.ndarray, axis: Any) -> np.ndarray:
    """What goes into one result, in one axis, the last."""
    axes = range(x.ndim) if axis is None else [a % max(x.ndim, 1) for a in np.atleast_1d(axis).astype(int).tolist()]
    axes = [a for a in axes if a < x.ndim]  # of a scalar NumPy takes axis 0, too
    kept = [a for a in range(x.ndim) if a not in axes]
    lengths = [x.shape[a] for a in kept]
    return np.transpose(x, [*kept, *axes]).reshape(*lengths, int(np.prod([x.shape[a] for a in axes], dtype=int)))


def total(rows: Elements) -> Any:
    """Sum over the last axis."""
    return np.add.reduce(rows, axis=-1)


def mean(node: Node, x: Elements) -> Elements:
    """Sum divided by the number of elements."""
    rows = in_rows(x, node.attrs["axis"])
    return fit(total(rows), node._data) / rows.shape[-1]


def var(node: Node, x: Elements) -> Elements:
    """Mean, deviations, squares, their mean."""
    rows = in_rows(x, node.attrs["axis"])
    n = rows.shape[-1]
    middle = fit(total(rows), np.empty((*rows.shape[:-1], 1))) / n
    squares = on(arithmetic.square, rows - middle)
    return fit(total(squares), node._data) / (n - node.attrs["ddof"])


def root(x: Elements) -> Elements:
    """Square roots; 0, with derivative 0, of 0."""
    return each(lambda v: v * 0.0 if getattr(v, "_data", v) == 0.0 else elementary.sqrt(v), x)


def std(node: Node, x: Elements) -> Elements:
    """Root of the variance."""
    return root(var(node, x))


def norm(node: Node, x: Elements) -> Elements:
    """Root of the sum of squares."""
    axes, matrices = norm_axes(node.parents[0], node.attrs["ord"], node.attrs["axis"])
    if matrices or node.attrs["ord"] not in (None, 2, "fro", "f"):
        raise TypeError(f"expand: of the norms the one of order 2 is opened, got order {node.attrs['ord']!r}.")
    return root(fit(total(in_rows(on(arithmetic.square, x), axes)), node._data))


def extremum(choose: Op) -> Callable[[Elements], Elements]:
    """Return the maximum or minimum over the last axis. Those that tie share it."""

    def best(row: Elements) -> Any:
        top = reduce(choose, [float(getattr(x, "_data", x)) for x in row])
        tied = [x for x in row if getattr(x, "_data", x) == top]
        if len(tied) > 2:
            return reduce(arithmetic.add, tied) / len(tied)
        return reduce(choose, row)  # of two that tie, each gets half

    def over_rows(rows: Elements) -> Elements:
        out = np.empty(int(np.prod(rows.shape[:-1])), object)
        for i, row in enumerate(rows.reshape(-1, rows.shape[-1])):
            out[i] = best(row)
        return out

    return over_rows


def trace(node: Node, x: Elements) -> Elements:
    """Sum of the diagonal."""
    return total(moved(np.diagonal, [x], **node.attrs))


def running(ufunc: np.ufunc) -> Callable[..., Elements]:
    """Return the expansion of a running sum or product."""

    def expansion(node: Node, x: Elements) -> Elements:
        axis = node.attrs["axis"]
        rows = np.atleast_1d(np.ravel(x) if axis is None else x)
        return ufunc.accumulate(rows, axis or 0)

    return expansion


def recurrence(node: Node, a: Elements, b: Elements) -> Elements:
    """Row by row: b + a r."""
    out = np.empty(b.shape, object)
    order = range(len(b))[:: -1 if node.attrs["reverse"] else 1]
    before = None
    for i in order:
        before = out[i] = b[i] if before is None else b[i] + a[i] * before
    return out


# Softmax: shifted by the largest element, a constant, so that exp does not overflow.


def shifted(node: Node, x: Elements, axis: Any) -> tuple[Elements, np.ndarray, Callable[[Elements], Elements]]:
    """Return x minus its maximum, which is a constant; the maximum; and how to sum over the axis and keep it."""
    top = np.max(np.asarray(node.parents[0]._data, float), axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    return minus(x, top), top, lambda e: fit(total(in_rows(e, axis)), top)


def minus(x: Any, y: Any) -> Elements:
    """x - y, of each element."""
    return each(operator.sub, x, y)


def softmax(node: Node, x: Elements) -> Elements:
    """exp(x - c) / Σ exp(x - c)."""
    z, _, sums = shifted(node, x, node.attrs.get("axis", -1))
    e = on(elementary.exp, z)
    return each(operator.truediv, e, sums(e))


def log_softmax(node: Node, x: Elements) -> Elements:
    """x - c - log Σ exp(x - c)."""
    z, _, sums = shifted(node, x, node.attrs.get("axis", -1))
    return minus(z, on(elementary.log, sums(on(elementary.exp, z))))


def logsumexp(node: Node, x: Elements) -> Elements:
    """Log Σ exp(x - c) + c."""
    z, top, sums = shifted(node, x, node.attrs["axis"])
    return each(operator.add, on(elementary.log, sums(on(elementary.exp, z))), top)


def picked(x: Elements, labels: Any) -> Elements:
    """The element of each row at its label."""
    return moved(indexing.take_along_axis.forward, [x], np.asarray(labels)[..., None])


def cross_entropy(node: Node, x: Elements, labels: Any) -> Any:
    """Log Σ exp(x - c) minus the shifted logit of the true class; then the sum or the mean."""
    z, _, sums = shifted(node, x, -1)
    losses = minus(on(elementary.log, sums(on(elementary.exp, z))), picked(z, labels))
    if node.attrs["reduction"] == "none":
        return losses
    whole = np.add.reduce(np.ravel(losses))
    return whole / losses.size if node.attrs["reduction"] == "mean" else whole


def softmax_minus_one_hot(node: Node, x: Elements, labels: Any) -> Elements:
    """Softmax, minus 1 at the label of each row."""
    true = np.arange(x.shape[-1]) == np.asarray(labels)[..., None]
    return each(lambda p, y: p - 1.0 if y else p, softmax(node, x), true)


# Order, as the data have it.


def sort(node: Node, x: Elements) -> Elements:
    """The elements in the order of their data."""
    data, axis = np.asarray(node.parents[0]._data), node.attrs["axis"]
    if axis is None:
        data, x, axis = data.ravel(), x.ravel(), 0
    order = np.argsort(data, axis, kind="stable")
    return moved(lambda n: np.take_along_axis(n, order, axis), [x])


def topk(node: Node, x: Elements) -> tuple[Elements, np.ndarray]:
    """The elements at the indices found."""
    indices = np.asarray(node._data[1])
    return moved(lambda n: np.take_along_axis(n, indices, node.attrs["axis"]), [x]), indices


# Gates of recurrent cells.


def lstm_gates(node: Node, gates: Elements, c: Elements) -> tuple[Elements, ...]:
    """c' = f c + i g and h = o tanh(c')."""
    i, f, g, o = np.split(gates, 4, axis=-1)
    i, f, o = (on(elementary.sigmoid, part) for part in (i, f, o))
    g = on(elementary.tanh, g)
    new = f * c + i * g
    return o * on(elementary.tanh, new), new, np.concatenate([i, f, g, o], axis=-1)


def gru_gates(node: Node, x: Elements, y: Elements, h: Elements) -> tuple[Elements, ...]:
    """r, z = σ(x + y); n = tanh(x + r y); h' = (h - n) z + n."""
    (x_r, x_z, x_n), (y_r, y_z, y_n) = np.split(x, 3, axis=-1), np.split(y, 3, axis=-1)
    r, z = on(elementary.sigmoid, x_r + y_r), on(elementary.sigmoid, x_z + y_z)
    n = on(elementary.tanh, r * y_n + x_n)
    return (h - n) * z + n, np.concatenate([r, z, n], axis=-1)


EXPANSIONS: dict[str, Callable[..., Any]] = {
    "item": lambda node, x: x,
    **dict.fromkeys(("cast", "alias", "copy"), lambda node, x: x),
    **dict.fromkeys(
        "broadcast_to reshape transpose matrix_transpose swapaxes moveaxis squeeze expand_dims flip roll rot90 tile "
        "repeat crop diagonal diagonal_embed diag diagflat tril triu unfold getitem take take_along_axis".split(),
        move(1),
    ),
    "pad": pad,
    **dict.fromkeys(("concatenate", "stack"), move()),
    "at_set": move(2),
    "place": scatter(indexing.getitem, "key"),
    "place_along_axis": scatter(indexing.take_along_axis, "axis"),
    "fold": scatter(convolution.unfold, "kernel", "stride", "dilation", "padding"),
    "repeat_transpose": scatter(shapes.repeat, "repeats", "axis"),
    "pad_transpose": scatter(shapes.pad, "pad_width", "mode"),
    "sum_to": sum_to,
    "at_add": at(arithmetic.add),
    "at_multiply": at(arithmetic.mul),
    "matmul": lambda node, x, y: np.matmul(x, y),
    "linear": linear,
    "multi_dot": lambda node, *xs: reduce(np.matmul, xs),
    "tensordot": lambda node, x, y: np.tensordot(x, y, node.attrs["axes"]),
    "dot": scaled_or(np.dot),
    "inner": scaled_or(np.inner),
    "outer": lambda node, x, y: np.multiply.outer(np.ravel(x), np.ravel(y)),
    "vdot": lambda node, x, y: np.dot(np.ravel(x), np.ravel(y)),
    "vecdot": vecdot,
    "kron": lambda node, x, y: np.kron(x, y),
    "cross": lambda node, x, y: np.cross(x, y, **node.attrs),
    "einsum": einsum,
    "conv": conv,
    "conv_filters": conv_filters,
    "conv_image": conv_image,
    "convolve": lambda node, x, y: np.convolve(np.ravel(x), np.ravel(y), node.attrs["mode"]),
    "correlate": lambda node, x, y: np.correlate(x, y, node.attrs["mode"]),
    "pool_sum": lambda node, x: total(windows_of(node, x)),
    "pool_max": lambda node, x: extremum(arithmetic.maximum)(windows_of(node, x)),
    "pool_share": lambda node, x: np.asarray(node._data),  # piecewise constant
    "sum": reduced(total),
    "mean": mean,
    "var": var,
    "std": std,
    "norm": norm,
    "logsumexp": logsumexp,
    "prod": reduced(lambda rows: np.multiply.reduce(rows, axis=-1)),
    "max": reduced(extremum(arithmetic.maximum)),
    "min": reduced(extremum(arithmetic.minimum)),
    "trace": trace,
    "cumsum": running(np.add),
    "cumprod": running(np.multiply),
    "recurrence": recurrence,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "cross_entropy": cross_entropy,
    "softmax_minus_one_hot": softmax_minus_one_hot,
    "sort": sort,
    "topk": topk,
    "lstm_gates": lstm_gates,
    "gru_gates": gru_gates,
}
"""What an op is made of, by name: called with the node and the elements of its operands."""

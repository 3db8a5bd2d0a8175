"""How much arithmetic a node stands for: floating point operations, by op.

A sum of k products is k multiplications and k - 1 additions; with a bias it is 2 k, hence "a multiply-add is two".
An elementary function, and a comparison, counts as one, as does each element of an op that is not in the table. What
moves elements counts nothing. `autograd_nn.expand` opens a graph into exactly these operations, so it can be counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import Node, shape
from .ops.indexing import read
from .ops.norm import norm_axes
from .ops.product import contracted, explicit

__all__ = ["FLOPS", "FREE", "flops"]


def flops(node: Node) -> int:
    """Return the floating point operations that computed a node from its operands; 0 for a leaf.

    >>> import numpy as np
    >>> from autograd_nn import Value
    >>> from autograd_nn.functions import linear
    >>> flops(linear(np.zeros((32, 64)), Value(np.zeros((64, 10))), Value(np.zeros(10))))
    40960
    """
    if node.op is None or node.op.name in FREE:
        return 0
    if node.op.name in FLOPS:
        return int(FLOPS[node.op.name](node))
    data = node._data
    return sum(size(result) for result in data) if type(data) is tuple else size(data)


FREE = frozenset(
    "item alias copy cast cast_discrete broadcast_to reshape transpose matrix_transpose swapaxes moveaxis squeeze "
    "expand_dims flip roll rot90 tile repeat pad crop concatenate stack diagonal diagonal_embed diag diagflat tril "
    "triu getitem take take_along_axis at_set unfold positive fftshift ifftshift crop_or_pad last_of_each "
    "groups".split()
)
"""Ops that move elements, or nothing at all."""


def size(x: Any) -> int:
    """Number of elements."""
    return math.prod(shape(x))


def operand(node: Node, i: int = 0) -> int:
    """Number of elements of an operand."""
    return size(node.parents[i]._data)


def summed(node: Node) -> int:
    """Additions that reduce the operand to the result."""
    return max(operand(node) - size(node._data), 0)


def lines(node: Node) -> int:
    """How many sums along the axis of a softmax there are."""
    lengths, axis = shape(node._data), node.attrs.get("axis", -1)
    if axis is None:
        return 1
    axes = {a % len(lengths) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return math.prod(n for i, n in enumerate(lengths) if i not in axes)


def products(length: Callable[[Node], int]) -> Callable[[Node], int]:
    """Return the count of an op each of whose results is a sum of so many products."""
    return lambda node: size(node._data) * max(2 * length(node) - 1, 0)


def running(each: int) -> Callable[[Node], int]:
    """Return the count of a running sum or the like: so many operations for each element after the first of a line."""

    def count(node: Node) -> int:
        lengths, axis = shape(node._data), node.attrs.get("axis") or 0
        n = lengths[axis] if lengths else 1
        return each * (size(node._data) // n * (n - 1) if n else 0)

    return count


def last(node: Node) -> int:
    """Length of the first operand's last axis; 1 if either is a number, which scales."""
    x, y = (shape(p._data) for p in node.parents[:2])
    return x[-1] if x and y else 1


def along(node: Node) -> int:
    """Length of the axis along which vectors stand."""
    return shape(node.parents[0]._data)[node.attrs["axis"]]


def contracted_length(node: Node) -> int:
    """Elements that a `tensordot` sums over."""
    x, y = (shape(p._data) for p in node.parents)
    return math.prod(x[a] for a in contracted(node.attrs["axes"], len(x), len(y))[0])


def einsum_count(node: Node) -> int:
    """All products over all indices, and their sums; a good order of contraction needs fewer."""
    shapes = [shape(p._data) for p in node.parents]
    known: dict[str, int] = {}
    for term, lengths in zip(explicit(node.attrs["subscripts"], shapes)[0], shapes, strict=True):
        for c, n in zip(term, lengths, strict=True):
            known[c] = n if known.get(c, 1) == 1 else known[c]
    everything = math.prod(known.values())
    return (len(shapes) - 1) * everything + max(everything - size(node._data), 0)


def chain_count(node: Node) -> int:
    """Products of matrices from left to right."""
    total, (first, *others) = 0, [shape(p._data) for p in node.parents]
    rows = math.prod(first[:-1])
    for matrix in others:
        columns = math.prod(matrix[1:])
        total += rows * columns * max(2 * matrix[0] - 1, 0)
    return total


def convolve_count(node: Node) -> int:
    """Products where the vectors overlap, and their sums."""
    n, m = (operand(node, i) for i in range(2))
    pairs = np.convolve(np.ones(n), np.ones(m), node.attrs["mode"]).sum()
    return 2 * int(pairs) - size(node._data)


def selected(node: Node) -> int:
    """Elements that an index selects."""
    x, _, *indices = (p._data for p in node.parents)
    return np.broadcast_to(0, shape(x))[read(node.attrs["key"], indices)].size


def cross_entropy_count(node: Node) -> int:
    """Shift, exp, sum, log, subtraction; then the sum or the mean over the rows."""
    rows = operand(node, 1)
    over_rows = {"none": 0, "sum": max(rows - 1, 0), "mean": rows}[node.attrs["reduction"]]
    return 3 * operand(node) + rows + over_rows


def norm_count(node: Node) -> int:
    """Squares, their sum, the root; as many for other vector norms. For those of matrices, too few."""
    axes, _ = norm_axes(node.parents[0], node.attrs["ord"], node.attrs["axis"])
    return 2 * operand(node) if axes else 2 * size(node._data)


FLOPS: dict[str, Callable[[Node], int]] = {
    # products
    "matmul": products(last),
    "linear": lambda node: 2 * size(node._data) * last(node),
    "multi_dot": chain_count,
    "tensordot": products(contracted_length),
    "dot": products(last),
    "inner": products(last),
    "vdot": products(operand),
    "vecdot": products(along),
    "cross": lambda node: 3 * size(node._data),
    "einsum": einsum_count,
    "conv": products(lambda node: math.prod(shape(node.parents[1]._data)[1:])),
    "conv_image": lambda node: 2 * operand(node) * math.prod(shape(node.parents[1]._data)[1:]),
    "conv_filters": products(lambda node: size(node.parents[1]._data) // max(shape(node._data)[0], 1)),
    "convolve": convolve_count,
    "correlate": convolve_count,
    # sums
    "sum": summed,
    "mean": operand,
    "var": lambda node: 4 * operand(node),
    "std": lambda node: 4 * operand(node) + size(node._data),
    "logsumexp": lambda node: 3 * operand(node) + size(node._data),
    "trace": lambda node: size(node._data) * max(min(shape(node.parents[0]._data)[-2:]) - 1, 0),
    "norm": norm_count,
    "cumsum": running(1),
    "recurrence": running(2),
    "pool_sum": lambda node: size(node._data) * (math.prod(node.attrs["kernel"]) - 1),
    # products and extrema of many
    "prod": summed,
    "cumprod": running(1),
    **dict.fromkeys(("max", "min", "nanmax", "nanmin"), summed),
    "pool_max": lambda node: size(node._data) * (math.prod(node.attrs["kernel"]) - 1),
    "sum_to": summed,
    # adjoints of what moves elements: at most this many sums
    **dict.fromkeys(("fold", "place", "place_along_axis", "repeat_transpose", "pad_transpose"), operand),
    **dict.fromkeys(("at_add", "at_multiply", "at_max", "at_min"), selected),
    # softmax, whose shift by the maximum is a subtraction of a constant
    "softmax": lambda node: 4 * operand(node) - lines(node),
    "log_softmax": lambda node: 4 * operand(node),
    "softmax_minus_one_hot": lambda node: 4 * operand(node),
    "cross_entropy": cross_entropy_count,
    # gates of recurrent cells
    "lstm_gates": lambda node: 9 * operand(node, 1),
    "gru_gates": lambda node: 10 * operand(node, 2),
    # n log n
    **dict.fromkeys(("sort", "argsort"), lambda node: operand(node) * max(operand(node) - 1, 1).bit_length()),
}
"""Operations of a node, by the name of its op. An op that is not here counts one for each element of its result."""

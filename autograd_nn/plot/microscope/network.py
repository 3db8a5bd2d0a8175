"""What a multilayer perceptron computes, layer by layer, read off the graph that it records.

Any model will do whose graph is a chain: a linear map, a function of its results, a linear map, and so on. How its
layers are written, as `nn.MLP`, `Sequential` or ``np.tanh(x @ w + b) @ v``, makes no difference.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

import numpy as np

from ...graph import Node, topological_order
from ...visualize import formula
from ..canvas import plain
from ..squiggle import recorded

__all__ = ["Layer", "read"]

MOST_UNITS = 256
MOST_WEIGHTS = 20_000
VECTOR = ("softmax", "log_softmax")
WITHOUT_FORMULA = {
    ("gelu", "none"): "0.5 * z * erfc(-z / 2 ** 0.5)",
    ("gelu", "tanh"): "0.5 * z * (1 + tanh((2 / pi) ** 0.5 * (z + 0.044715 * z ** 3)))",
}
"""Functions whose ops do not state a formula; by name and setting."""


class Layer(NamedTuple):
    """A linear map and the function that follows it.

    Attributes:
        weight: (inputs, units).
        bias: (units,), 0 if there is none.
        function: its name, such as "tanh"; "f" if it is made of several ops; "" if none follows.
        formula: of the function, in z and in Python's syntax; or "softmax" or "log_softmax", over all units.
    """

    weight: np.ndarray
    bias: np.ndarray
    function: str
    formula: str


def read(model: Any, rows: np.ndarray, who: str = "Microscope") -> list[Layer]:
    """Return the layers of a model, computed in float64, the first one first.

    Args:
        model: a module, or a function of an array, whose graph is a chain of linear maps and functions.
        rows: (rows, features), to run it with.
        who: asks, for errors.

    Raises:
        TypeError, ValueError: if the model is none, naming the op that does not fit.

    >>> from autograd_nn import nn
    >>> layers = read(nn.MLP([1, 3, 2], activation="tanh", rng=0), np.zeros((1, 1)))
    >>> [(layer.weight.shape, layer.function, layer.formula) for layer in layers]
    [((1, 3), 'tanh', 'tanh(z)'), ((3, 2), '', '')]
    """
    out, x = recorded(model, rows, who)
    layers: list[Layer] = []
    depends = depending(out, x) if isinstance(out, Node) else set()
    if not isinstance(out, Node) or out not in depends:
        raise TypeError(f"{who} wanted a model whose output depends on its input, {name_of(model)} does not.")
    node = without_views(out)
    while node is not x:
        linear, function, text = peeled(node, x, depends, who, model)
        layer, node = linear_layer(linear, function, text, depends)
        layers.append(layer)
        node = without_views(node)
    layers.reverse()
    for i, layer in enumerate(layers):
        if layer.weight.shape[1] > MOST_UNITS:
            raise ValueError(
                f"{who} draws layers of at most {MOST_UNITS} neurons, layer {i + 1} of {name_of(model)} has "
                f"{layer.weight.shape[1]}: look at a smaller one."
            )
    size = sum(layer.weight.size for layer in layers)
    if size > MOST_WEIGHTS:
        raise ValueError(
            f"{who} draws networks of at most {MOST_WEIGHTS:,} weights, {name_of(model)} has {size:,}: look at a "
            "smaller one, or at the last hidden layer with plot.squiggles."
        )
    return layers


def name_of(model: Any) -> str:
    return type(model).__name__ if not hasattr(model, "__name__") else str(model.__name__)


def depending(out: Any, x: Node) -> set[Node]:
    """Return the nodes on the way from x to the output."""
    found = {x}
    for node in topological_order([out]):
        if any(p in found for p in node.parents):
            found.add(node)
    return found


def without_views(node: Any) -> Any:
    """Return what a node is a view of: nothing is computed by a reshape, a cast or the choice of the only column."""
    while node.op is not None:
        name, parent = node.op.name, node.parents[0]
        same = node.size == parent.size and name in ("reshape", "cast", "getitem", "squeeze", "take", "alias", "copy")
        if not same:
            break
        node = parent
    return node


def peeled(node: Any, x: Node, depends: set[Node], who: str, model: Any) -> tuple[Any, str, str]:
    """Return the linear map whose results a node is a function of, the name of the function, and its formula.

    Raises:
        TypeError: if it is no function of one linear map, element by element.
    """
    if is_linear(node, depends):
        return node, "", ""
    linear, between, stack = None, {}, [node]
    while stack:
        top = stack.pop()
        if top in between or top is linear:
            continue
        if top is x:
            raise unfit(node, who, model, "is applied to the input itself")
        if is_linear(top, depends):
            if linear is not None:
                raise unfit(node, who, model, "puts two layers together")
            linear = top
        else:
            between[top] = None
            stack += [p for p in top.parents if p in depends]
    if node.op.name in VECTOR and without_views(node.parents[0]) is linear and node.ndim == 2:
        if node.attrs.get("axis", -1) in (-1, 1):
            return linear, node.op.name, node.op.name
    known = WITHOUT_FORMULA.get((node.op.name, node.attrs.get("approximate", "")))
    if known and node.parents[0] is linear:
        return linear, node.op.name, known
    tree = None
    try:
        if all(each.op.elementwise for each in between):
            tree = formula.tidy(formula.expression(node, {linear: ast.Name("z")}, True))  # type: ignore[dict-item]
    except ValueError:
        pass
    if tree is None or not formula.elementary(tree):
        worst = next((each for each in between if not each.op.elementwise), node)
        raise unfit(worst, who, model, "is no function of single numbers that a page can compute")
    text = ast.unparse(tree)
    names = sorted({each.op.name for each in between})
    return linear, names[0] if len(names) == 1 else "f", text


def unfit(node: Any, who: str, model: Any, why: str) -> TypeError:
    return TypeError(
        f"{who} wanted a chain of linear layers, each followed by an activation, such as nn.MLP([1, 8, 1]); in "
        f"{name_of(model)} the op {node.op.name!r} {why}."
    )


def is_linear(node: Any, depends: set[Node]) -> bool:
    """Is it x w, or x w + b, where only x depends on the input?"""
    if node.op is None:
        return False
    if node.op.name == "linear":
        return node.parents[0] in depends and not any(p in depends for p in node.parents[1:])
    if node.op.name == "matmul":
        left, right = node.parents
        return left in depends and right not in depends and right.ndim == 2
    if node.op.name == "add":
        product, bias = split(node)
        return product is not None and is_linear(product, depends) and bias not in depends and bias.ndim <= 1
    return False


def split(node: Any) -> tuple[Any, Any]:
    """Return the matrix product and the other term of a sum; None if it is no such sum."""
    a, b = node.parents
    for product, bias in ((a, b), (b, a)):
        if product.op is not None and product.op.name == "matmul":
            return product, bias
    return None, None


def linear_layer(node: Any, function: str, text: str, depends: set[Node]) -> tuple[Layer, Any]:
    """Return a layer, and what it is applied to."""
    bias = None
    if node.op.name == "linear":
        before, weight, bias = node.parents
    else:
        product, bias = (node, None) if node.op.name == "matmul" else split(node)
        before, weight = product.parents
    w = plain(weight).astype(float)
    b = np.zeros(w.shape[1]) if bias is None else np.broadcast_to(plain(bias).astype(float), w.shape[1])
    return Layer(w, b, function, text), before

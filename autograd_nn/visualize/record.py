r"""A graph and its backward pass as plain data: what the explorer, `explain` and anything outside of Python read.

`record(loss).to_dict()` is JSON:

.. code-block:: text

    {"version": 1, "title": "graph of o: 10 nodes, …", "outputs": [10], "note": null,
     "nodes": [                          # in topological order: ids count up from 1, as in print(graph)
      {"id": 3, "name": null, "title": "#3", "op": "mul", "label": "×", "kind": "op", "scope": "neuron",
       "args": ["x", "y"],               # what the formulas call the operands, in order; the result is "out"
       "attrs": {"exponent": 2},         # numbers, texts and truth values among the op's keyword arguments
       "formula": "x × y",               # to read
       "latex": "x \\cdot y",
       "expression": "x1 × w1",          # the formula with the operands' titles put in
       "exact": "x * y",                 # to compute, elementwise, in Python's syntax; null if it is no such formula
       "in": [1, 2],                     # operands, in order
       "shape": [], "dtype": "float64",
       "data": -6.0, "grad": 0.5,        # .grad as it is now: null before backward()
       "cotangent": 0.5}],               # what this backward pass arrives at, hooks included
     "backward": [                       # in the order really executed, the loss first
      {"node": 3, "upstream": 0.5, "edges": [
       {"to": 1, "position": 0,
        "local_text": "y",               # ∂out/∂(this operand), to read, in the names of "args", "out" and, where it
        "local_latex": "y",              # is a linear map and no factor, "g" for the upstream gradient
        "local_named": "w1",             # the same with titles put in
        "local_exact": "y",              # the same to compute; null if it is no elementwise formula
        "local_value": -3.0,             # number, nested lists (elementwise, or a Jacobian), or null if large
        "how": "product",                # "product": contribution = upstream × local, element by element;
                                         # "sum": the same, then summed to the operand's shape (it was broadcast);
                                         # "map": contribution = Σ upstream × Jacobian
        "contribution": -1.5}]}]}        # what is added to the operand's gradient

A value is a number, nested lists up to 16 elements, or, above, a summary ``{"shape", "min", "mean", "max", "norm",
"nan", "inf", "crc", "histogram": {"low", "high", "counts"}}`` with 14 counts and a checksum; "NaN", "Infinity" and
"-Infinity" are texts, complex numbers ``[re, im]``, and several results ``{"results": [...]}``. Kinds are "input" and
"const" (leaves without gradient), "param" (leaves with), "op", and "loss" (an output). Names are printable text, at
most 120 characters; a parameter or constant without a scope gets that of the ops that use it. A node's cotangent is
the sum of the contributions with its id in "to", plus 1 for the loss.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import Any

import numpy as np

from ..graph import Graph, Node
from .fold import owners
from .formula import UPSTREAM, arguments, local, of
from .outline import Names, grad_data, headline, kind
from .text import as_graph, number, plain

__all__ = ["BackwardStep", "EdgeRecord", "NodeRecord", "Record", "record"]

IN_FULL = 16  # elements of an array that are all recorded
JACOBIAN = 64  # elements of a Jacobian
JACOBIANS = 500  # nodes of a graph whose Jacobians are computed
BINS = 14
LONGEST_NAME = 120


@dataclasses.dataclass(slots=True)
class NodeRecord:
    """One node. The fields are those of the module's example; `operands` is "in"."""

    id: int
    name: str | None
    title: str
    op: str | None
    label: str | None
    kind: str
    scope: str | None
    args: list[str]
    attrs: dict[str, Any]
    formula: str | None
    latex: str | None
    expression: str | None
    exact: str | None
    operands: list[int]
    shape: list[int]
    dtype: str
    data: Any
    grad: Any
    cotangent: Any


@dataclasses.dataclass(slots=True)
class EdgeRecord:
    """One product of the chain rule: what a node passes on to an operand."""

    to: int
    position: int
    local_text: str
    local_latex: str
    local_named: str
    local_exact: str | None
    local_value: Any
    how: str
    contribution: Any


@dataclasses.dataclass(slots=True)
class BackwardStep:
    """What happens at one node in the backward pass."""

    node: int
    upstream: Any
    edges: list[EdgeRecord]


@dataclasses.dataclass(slots=True)
class Record:
    """A graph and its backward pass as plain data; `note` says why there is no backward pass if there is none."""

    title: str
    outputs: list[int]
    nodes: list[NodeRecord]
    backward: list[BackwardStep]
    note: str | None = None

    def to_dict(self, *, digits: int | None = None) -> dict[str, Any]:
        """Return it as lists, dictionaries, texts and numbers that JSON can hold.

        Args:
            digits: round numbers to so many significant digits.
        """
        nodes = []
        for node in self.nodes:
            item = {("in" if f == "operands" else f): getattr(node, f) for f in NODE_FIELDS}
            for field in ("data", "grad", "cotangent"):
                item[field] = rounded(item[field], digits)
            nodes.append(item)
        backward = []
        for step in self.backward:
            edges = []
            for edge in step.edges:
                item = {f: getattr(edge, f) for f in EDGE_FIELDS}
                for field in ("local_value", "contribution"):
                    item[field] = rounded(item[field], digits)
                edges.append(item)
            backward.append({"node": step.node, "upstream": rounded(step.upstream, digits), "edges": edges})
        return {
            "version": 1,
            "title": self.title,
            "outputs": self.outputs,
            "note": self.note,
            "nodes": nodes,
            "backward": backward,
        }


NODE_FIELDS = tuple(field.name for field in dataclasses.fields(NodeRecord))
EDGE_FIELDS = tuple(field.name for field in dataclasses.fields(EdgeRecord))


def record(source: Any, *, seed: Any = None) -> Record:
    """Record a graph, and the backward pass from its output, as plain data: see the module for every field.

    The pass is made anew, whether or not `backward()` was called, and changes no `.grad`; hooks on the way run.

    Args:
        source: a Value, or a Graph or a list of Values (which have a backward pass only if there is one output).
        seed: cotangent of an output that is no scalar.

    >>> from autograd_nn import Value
    >>> x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    >>> made = record((x * w).tanh())
    >>> [(node.id, node.title, node.kind, node.expression, node.data) for node in made.nodes][:3]
    [(1, 'x', 'param', None, 2.0), (2, 'w', 'param', None, -3.0), (3, '#3', 'op', 'x × w', -6.0)]
    >>> [(step.node, [(edge.to, edge.local_text) for edge in step.edges]) for step in made.backward]
    [(4, [(3, '1 − out²')]), (3, [(1, 'y'), (2, 'x')])]
    """
    return recorded(source, seed)


def recorded(source: Any, seed: Any = None, *, words: bool = True) -> Record:
    """Record a graph; without `words` leave out the formulas with titles put in, which take half of the time."""
    graph = as_graph(source)
    names = Names(graph)
    made, table, note = backward_pass(graph, seed)
    nodes = node_records(graph, names, table, words=words)
    steps: list[BackwardStep] = []
    child: Any = None
    jacobians = len(nodes) <= JACOBIANS
    with np.errstate(all="ignore"):
        for c in made:
            if c.child is not child:
                child = c.child
                steps.append(BackwardStep(names.number(child), value_of(c.upstream), []))
            steps[-1].edges.append(edge_record(c, names, jacobians, words))
    title = headline(graph, names)
    return Record(title, [names.number(node) for node in graph.outputs], nodes, steps, note)


def backward_pass(graph: Graph, seed: Any) -> tuple[list[Any], dict[Node, Any], str | None]:
    """Return the contributions and cotangents, or a note that says why there are none."""
    if len(graph.outputs) != 1:
        return [], {}, "gradients are those of one output: record one Value"
    output: Any = graph.outputs[0]
    if output.op is None:
        return [], {}, "a leaf: nothing was computed from it yet"
    try:
        made, table = output.contributions(seed)
    except ValueError as error:  # released, stale, no scalar, nothing that requires grad: it says what to write
        return [], {}, plain(error, 600)
    return made, table, None


def node_records(graph: Graph, names: Names, table: dict[Node, Any], *, words: bool = True) -> list[NodeRecord]:
    """Record the nodes alone, with the cotangents that are known."""
    scopes = owners(graph)
    shown = {scope: printable(scope) for scope in set(scopes.values())}
    return [node_record(node, names, shown[scopes[node]], table, words) for node in graph.nodes]


def printable(scope: str | None) -> str | None:
    return "/".join(plain(part, LONGEST_NAME) for part in scope.split("/")) if scope else None


def node_record(node: Node, names: Names, scope: str | None, table: dict[Node, Any], words: bool) -> NodeRecord:
    op = node.op
    formula = None if op is None or not node.parents else of(node)
    expression = None
    if formula is not None and words:
        titles = dict(zip(arguments(node), [called(p, names) for p in node.parents], strict=True))
        expression = formula.named(titles)
    data = node.data
    shape, dtype = ([], "tuple") if type(data) is tuple else ([], "float64") if type(data) is float else (None, "")
    return NodeRecord(
        id=names.number(node),
        name=plain(node.name, LONGEST_NAME) if node.name else None,
        title=names(node),
        op=None if op is None else plain(op.name),
        label=None if op is None else plain(op.label, 24),
        kind=KINDS[kind(node, names.outputs)] if node not in names.outputs else "loss",
        scope=scope,
        args=arguments(node) if formula is not None else [],
        attrs={key: listed(v) for key, v in node.attrs.items() if isinstance(v, (bool, int, float, str))},
        formula=None if formula is None else formula.text,
        latex=None if formula is None else formula.latex,
        expression=expression,
        exact=None if formula is None else formula.exact,
        operands=[names.number(parent) for parent in node.parents],
        shape=list(node.shape) if shape is None else shape,
        dtype=dtype or str(node.dtype),
        data=value_of(data),
        grad=value_of(grad_data(node)),
        cotangent=value_of(table.get(node)),
    )


KINDS = {"parameter": "param", "input": "input", "constant": "const", "result": "op", "output": "loss"}


def called(node: Node, names: Names) -> str:
    """Return what a formula calls a node: a constant is its number."""
    if kind(node) != "constant":
        return names(node)
    text = number(node.data)
    return f"({text})" if text.startswith("-") else text


def edge_record(c: Any, names: Names, jacobians: bool, words: bool) -> EdgeRecord:
    node, position = c.child, c.position
    derivative = local(node, position)
    if node.op.name == "item":
        text = latex = shown = UPSTREAM
    elif derivative.formula is None:
        text = shown = f"∂{plain(node.op.name)}/∂{arguments(node)[position]}"
        latex = rf"\frac{{\partial}}{{\partial {arguments(node)[position]}}}"
    else:
        text, latex, shown = derivative.formula.text, derivative.formula.latex, ""
        if words:
            titles = dict(zip(arguments(node), [called(p, names) for p in node.parents], strict=True))
            shown = derivative.formula.named(titles | {"out": names(node)})
    value, how = local_value(node, position, derivative.factor, jacobians)
    if isinstance(value, np.ndarray):
        value = listed(value.tolist())
    return EdgeRecord(
        to=names.number(c.parent),
        position=position,
        local_text=text,
        local_latex=latex,
        local_named=shown,
        local_exact=None if derivative.formula is None else derivative.formula.exact,
        local_value=value if value is None or isinstance(value, list) else value_of(value),
        how=how,
        contribution=value_of(c.value),
    )


def local_value(node: Any, position: int, factor: bool, jacobians: bool) -> tuple[Any, str]:
    """Return the derivative in numbers if there are few of them, and how it makes a contribution of the upstream."""
    parent = node.parents[position]
    kinds = type(node.data), type(parent.data)
    if kinds == (float, float):
        return derivative_of_scalar(node, position), "product"
    if tuple in kinds:
        return None, "map"
    out, to = node.shape, parent.shape
    both = node.dtype.kind + parent.dtype.kind
    if "c" in both and not (both == "cc" and factor):  # the walk takes real parts: these are no products
        return None, "map"
    if factor or (node.size == parent.size == 1):
        value = None
        if node.size <= IN_FULL:
            value = applied_rule(
                node, position, 1.0 if type(node.data) is float else np.ones(out, gradient_dtype(node))
            )
            if both != "cc":
                value = None if value is None else np.real(value) if np.iscomplexobj(value) else value
            if value is not None and np.shape(value) != out:
                value = np.reshape(value, out) if np.size(value) == node.size else np.broadcast_to(value, out)
        return value, "product" if out == to or not factor else "sum"
    if not jacobians or node.size * parent.size > JACOBIAN:
        return None, "map"
    rows = []
    for i in range(node.size):
        unit = np.zeros(node.size, gradient_dtype(node))
        unit[i] = 1
        row = applied_rule(node, position, unit.reshape(out) if out else unit[0])
        if row is None:
            return None, "map"
        rows.append(summed(np.real(row), to))
    return np.reshape(rows, out + to), "map"


def derivative_of_scalar(node: Any, position: int) -> Any:
    """Return the derivative of a number with respect to a number."""
    try:  # the usual case in large scalar graphs, where its time counts
        return node.op.rule(position)(1.0, node.data, *[array_of(p.data) for p in node.parents], **node.attrs)
    except Exception:  # noqa: BLE001  (arithmetic that Python refuses, or a user's rule)
        return applied_rule(node, position, 1.0)


def applied_rule(node: Any, position: int, g: Any) -> Any:
    """Return what the rule makes of a cotangent; None if there is no telling."""
    try:
        return apply_rule(node, position, g)
    except Exception:  # noqa: BLE001  (a user's rule: the picture shows the contribution all the same)
        return None


def apply_rule(node: Any, position: int, g: Any) -> Any:
    """Return what the rule for an operand makes of a cotangent, before it is fitted to the operand's shape."""
    rule = node.op.rule(position)
    args = [array_of(parent.data) for parent in node.parents]
    ans = array_of(node.data)
    with np.errstate(all="ignore"):
        try:
            return rule(g, ans, *args, **node.attrs)
        except ArithmeticError:  # Python's floats raise where IEEE has inf or nan
            g, ans, *args = (np.float64(a) if type(a) is float else a for a in (g, ans, *args))
            return rule(g, ans, *args, **node.attrs)


def array_of(x: Any) -> Any:
    """Return a plain array; numbers as they are."""
    if type(x) is tuple:
        return tuple(map(array_of, x))
    return np.asarray(x) if isinstance(x, np.ndarray) else x


def gradient_dtype(node: Node) -> Any:
    return node.dtype if node.dtype.kind in "fc" else np.dtype(float)


def summed(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the sum over what was broadcast from a shape."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return np.broadcast_to(x.sum(axis=stretched, keepdims=True), shape)


# --- values ---------------------------------------------------------------------------------------------------------


def value_of(x: Any) -> Any:
    """Return a value as numbers in nested lists, or as a summary, as JSON can hold it."""
    if type(x) is float:
        return x if x - x == 0.0 else number_text(x)
    if x is None:
        return None
    if isinstance(x, Node):
        x = x.data
    if type(x) is tuple:
        return {"results": [value_of(item) for item in x]}
    array = np.asarray(x)
    if array.size > IN_FULL:
        return summarized(array)
    return listed(array.tolist())


def listed(x: Any) -> Any:
    if isinstance(x, list):
        return [listed(item) for item in x]
    if isinstance(x, complex):
        return [listed(x.real), listed(x.imag)]
    return number_text(x) if isinstance(x, float) and not math.isfinite(x) else x


def number_text(x: float) -> str:
    return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"


def summarized(array: np.ndarray) -> dict[str, Any]:
    """Return what is to be known of a large array."""
    x = np.abs(array) if array.dtype.kind == "c" else array.astype(float)
    good = x[np.isfinite(x)]
    found: dict[str, Any] = {"shape": list(array.shape)}
    with np.errstate(all="ignore"):
        low, high = (float(good.min()), float(good.max())) if good.size else (0.0, 0.0)
        found |= {"min": low, "mean": listed(float(good.mean())) if good.size else 0.0, "max": high}
        largest = max(abs(low), abs(high))
        norm = largest * float(np.sqrt(np.sum((good / largest) ** 2))) if largest > 0 else 0.0
        found["norm"] = listed(norm)
        found |= {"nan": int(np.isnan(x).sum()), "inf": int(np.isinf(x).sum())}
        found["crc"] = f"{zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data):08x}"
        width = high - low
        if good.size and 0 < width < math.inf:
            counts = np.bincount(np.minimum(((good - low) / width * BINS).astype(int), BINS - 1), minlength=BINS)
        else:
            counts = np.zeros(BINS, int)
            counts[BINS // 2] = good.size
        found["histogram"] = {"low": low, "high": high, "counts": counts.tolist()}
    return found


def rounded(x: Any, digits: int | None) -> Any:
    if digits is None:
        return x
    if isinstance(x, float):
        return float(f"{x:.{digits}g}")
    if isinstance(x, list):
        return [rounded(item, digits) for item in x]
    if isinstance(x, dict):
        return {key: rounded(item, digits) for key, item in x.items()}
    return x

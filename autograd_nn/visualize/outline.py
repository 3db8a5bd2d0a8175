"""A graph as text: one node a line, operands before what uses them. Readable by eye, `grep` and screen reader."""

from __future__ import annotations

from typing import Any

from ..graph import Graph, Node
from .text import array_lines, as_graph, attrs_text, plain, plural, shape_text, summary

__all__ = ["Names", "describe_node", "headline", "kind", "outline"]


def outline(source: Any, *, max_nodes: int | None = 60) -> str:
    """Return the graph of a Value, of several, or a Graph, as text; what ``print(graph)`` shows.

    Args:
        source: a Value, a list of Values or a Graph.
        max_nodes: leave out the middle of longer graphs; None shows every node.

    >>> from autograd_nn import Graph, Value
    >>> x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    >>> y = x * w + x
    >>> y.backward()
    >>> print(Graph.of(y))
    graph of #4: 4 nodes, 2 of them leaves
    #1 x: parameter, data 2, grad -2
    #2 w: parameter, data -3, grad 2
    #3 = mul(x, w), data -6, grad 1
    #4 = add(#3, x), data -4, grad 1, output
    """
    graph = as_graph(source)
    names = Names(graph)
    nodes = graph.nodes
    if max_nodes is None or len(nodes) <= max_nodes:
        first, last = len(nodes), len(nodes)
    else:
        first = (max_nodes + 1) // 2
        last = len(nodes) - max_nodes // 2
    lines = [headline(graph, names)]
    lines += [describe_node(node, names) for node in nodes[:first]]
    if first < last:
        lines.append(f"… {plural(last - first, 'node')} left out: autograd_nn.visualize.outline(graph, max_nodes=None)")
    lines += [describe_node(node, names) for node in nodes[last:]]
    return "\n".join(lines)


class Names:
    """How the nodes of a graph are called: by name where that is unique, else by number too."""

    def __init__(self, graph: Graph) -> None:
        self.outputs = frozenset(graph.outputs)
        self._number = {node: i for i, node in enumerate(graph.nodes, 1)}
        seen: set[str] = set()
        self._repeated: set[str] = set()
        for node in graph.nodes:
            if node.name:
                (self._repeated if node.name in seen else seen).add(node.name)

    def number(self, node: Node) -> int:
        """Position in topological order, counted from 1."""
        return self._number[node]

    def __call__(self, node: Node) -> str:
        """Return ``w``, or ``#7`` for a node without a name, or ``w (#7)`` if several have that name."""
        if not node.name:
            return f"#{self._number[node]}"
        name = plain(node.name)
        return f"{name} (#{self._number[node]})" if node.name in self._repeated else name


def kind(node: Node, outputs: Any = ()) -> str:
    """Return "output", "result", "parameter" (a leaf that requires grad), "input" or "constant" (an unnamed number)."""
    if node.op is not None:
        return "output" if node in outputs else "result"
    if node.requires_grad:
        return "parameter"
    return "input" if node.name or node.shape else "constant"


def headline(graph: Graph, names: Names) -> str:
    """Return the first line: of what, how large."""
    shown = ", ".join(names(node) for node in graph.outputs[:3]) + (", …" if len(graph.outputs) > 3 else "")
    return f"graph of {shown}: {plural(len(graph.nodes), 'node')}, {len(graph.leaves):,} of them leaves"


def describe_node(node: Node, names: Names) -> str:
    """Return one node in one line."""
    title = f"#{names.number(node)}" + (f" {plain(node.name)}" if node.name else "")
    if node.op is None:
        parts = [f"{title}: {kind(node)}"]
    else:
        operands = [names(parent) for parent in node.parents[:8]] + ["…"] * (len(node.parents) > 8)
        attrs = attrs_text(node, limit=40)
        parts = [f"{title} = {plain(node.op.name)}({', '.join([*operands, attrs] if attrs else operands)})"]
    if node.scope:
        parts.append(f"in {plain(node.scope, 60)}")
    data = node.data
    if shape := shape_text(data):
        parts.append(f"shape {shape}" if shape.startswith("(") else shape)
    parts.append(f"data {one_line(data)}")
    if node.requires_grad:
        grad = grad_data(node)
        parts.append("grad not computed" if grad is None else f"grad {one_line(grad)}")
    if node in names.outputs:
        parts.append("output")
    return ", ".join(parts)


def grad_data(node: Node) -> Any:
    """Return the gradient as an array or number, also where it is a node that can be differentiated again."""
    grad = node.grad
    return grad.data if isinstance(grad, Node) else grad


def one_line(data: Any) -> str:
    lines = array_lines(data)
    return lines[0] if len(lines) == 1 else f"[{' '.join(lines)}]" if len(lines) <= 3 else summary(data)

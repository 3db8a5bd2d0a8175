"""A record as the explorer's page wants it: the same facts in a tenth of the space.

Texts stand once in a table and are referred to by number. Numbers have five significant digits, except in small graphs
of scalars, which the page computes anew. What the page can add up itself is left out: a node's upstream gradient, and a
contribution that is all that its operand gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..record import EdgeRecord, NodeRecord, Record, recorded
from ..text import plural
from .scopes import Scopes

__all__ = ["payload"]

DIGITS = 5
PLAYABLE = 200  # nodes of a scalar graph whose leaves can be changed in the page
KINDS = {"input": 0, "param": 1, "const": 2, "op": 3, "loss": 4}


def payload(source: Any, *, title: str | None = None) -> dict[str, Any]:
    """Return what the explorer's page reads, to be written as JSON.

    Args:
        source: a Value, a Graph, or a list of Values.
        title: shown above the graph; "graph of loss" if left out.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> made = payload(x * x)
    >>> made["text"][:3], made["nodes"][0], made["back"]
    (['', 'x', 'mul'], [1, 0, 0, 1, -1, [], 3.0, 6.0], [[1, [[0, 5, 3.0, 3.0, 5], [0, 1, 3.0, 3.0, 1]]]])
    """
    made = recorded(source, words=False)
    playable = is_playable(made)
    texts = Texts()
    digits = None if playable else DIGITS
    scopes = Scopes(made)
    arrivals: dict[int, int] = {}
    for step in made.backward:
        for edge in step.edges:
            arrivals[edge.to] = arrivals.get(edge.to, 0) + 1
    nodes = [
        node_row(node, scope, texts, digits, playable) for node, scope in zip(made.nodes, scopes.home, strict=True)
    ]
    back = [
        [step.node - 1, [edge_row(e, arrivals, made, texts, digits, playable) for e in step.edges]]
        for step in made.backward
    ]
    return {
        "title": title or made.title.partition(":")[0],
        "note": made.note or "",
        "live": playable,
        "root": made.outputs[0] - 1,
        "text": texts.table,
        "scopes": [
            [parent, texts(name), repeats] if repeats else [parent, texts(name)]
            for parent, name, repeats in zip(scopes.parent, scopes.name, scopes.repeats, strict=True)
        ],
        "nodes": nodes,
        "back": back,
    }


class Texts:
    """A table of texts, each once; number 0 is the empty one."""

    def __init__(self) -> None:
        self.table = [""]
        self._number = {"": 0}

    def __call__(self, text: str | None) -> int:
        """Return the number of a text."""
        text = (text or "").encode("utf-8", "backslashreplace").decode()
        if text not in self._number:
            self._number[text] = len(self.table)
            self.table.append(text)
        return self._number[text]


def is_playable(made: Record) -> bool:
    """Can the page compute this graph anew? It must be small, real and scalar, and every op have formulas.

    What is not differentiable, such as a decision, can be computed anew too: then there are values and no gradients.
    """
    return (
        len(made.nodes) <= PLAYABLE
        and any(node.op for node in made.nodes)
        and all(node.op is None or node.exact for node in made.nodes)
        and all(not node.shape and node.dtype in ("float64", "bool") and is_number(node.data) for node in made.nodes)
        and all(edge.local_exact for step in made.backward for edge in step.edges)
        and (not made.backward or made.nodes[made.outputs[0] - 1].cotangent == 1.0)
    )


def is_number(x: Any) -> bool:
    return type(x) in (float, bool) or x in ("NaN", "Infinity", "-Infinity")


def node_row(node: NodeRecord, scope: int, texts: Texts, digits: int | None, playable: bool) -> list[Any]:
    row = [
        texts(node.name),
        texts(node.op),
        texts(node.label),
        KINDS[node.kind],
        scope,
        [i - 1 for i in node.operands],
        compact(node.data, node.dtype, digits),
        compact(node.cotangent, node.dtype, digits),
        node.shape or 0,
        texts(node.dtype) if node.dtype != "float64" else -1,
        texts(node.formula) if node.op and node.formula else -1,
        [[texts(arg) for arg in node.args], texts(node.exact)] if playable and node.op else 0,
    ]
    while row[-1] in (0, -1) and len(row) > 8:  # the usual case at the end of a row needs no place
        row.pop()
    return row


def edge_row(
    edge: EdgeRecord, arrivals: dict[int, int], made: Record, texts: Texts, digits: int | None, playable: bool
) -> list[Any]:
    target = made.nodes[edge.to - 1]
    local = edge.local_value if type(edge.local_value) in (float, int, str) else single(edge.local_value, target)
    alone = arrivals[edge.to] == 1 and edge.contribution == target.cotangent
    row = [
        edge.to - 1,
        texts(edge.local_text),
        compact(local, "float64", digits),
        None if alone else compact(edge.contribution, target.dtype, digits),
        *([texts(edge.local_exact)] if playable else []),
    ]
    while row[-1] is None:
        row.pop()
    return row


def single(value: Any, target: NodeRecord) -> Any:
    """Return the number in nested lists that hold one alone; None for more."""
    while isinstance(value, list):
        if len(value) != 1:
            return None
        value = value[0]
    return None if isinstance(value, dict) or target.dtype.startswith("complex") else value


def compact(value: Any, dtype: str, digits: int | None) -> Any:
    """Return a recorded value in its shortest form; see `summary` in timeline.js."""
    if type(value) is float:
        return short(value, digits)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        if "results" in value:
            return {"t": plural(len(value["results"]), "result")}
        numbers = [short(value[k], DIGITS) for k in ("min", "mean", "max", "norm")]
        if value["nan"] or value["inf"]:
            numbers += [value["nan"], value["inf"]]
        counts = value["histogram"]["counts"]
        largest = max(counts) or 1
        return {"m": numbers, "h": [round(99 * n / largest) for n in counts]}
    if dtype.startswith("complex"):
        return {"t": complex_text(value)}
    flat = list(flattened(value))
    return short(flat[0], digits) if len(flat) == 1 else [short(x, digits) for x in flat]


def short(x: Any, digits: int | None) -> Any:
    if digits is None or type(x) is not float or x == 0.0:
        return x
    rounded = float(f"{x:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e6 else rounded


def flattened(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from flattened(item)
    else:
        yield value


def complex_text(value: list[Any]) -> str:
    if len(value) == 2 and not isinstance(value[0], list):
        real, imaginary = (float(x) for x in value)
        return f"{real:.4g}{imaginary:+.4g}i".replace("-", "−")
    return "complex"

"""`explain(loss, w)`: why a gradient is the number it is. Every path from the loss to w, the product along it, the sum.

A derivative is the sum, over all paths through the graph, of the products of the local derivatives along them. There
can be more paths than atoms in the universe, so they are counted and added up node by node, and only the largest are
looked for: best first, bounded by the largest product that can still follow (A*: Hart, Nilsson and Raphael, 1968).
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ..graph import Graph, Node, describe, topological_order
from .formula import OUT, arguments, latex_name, latex_text, local, of
from .outline import Names, one_line
from .record import apply_rule, called, gradient_dtype, summed
from .text import number, plural, shape_text

__all__ = ["Explanation", "Factor", "Path", "explain"]

EFFORT = 2e8  # numbers computed to follow single elements: above, whole arrays are followed
ALL = 100_000  # paths that are listed if all are wanted
SHOWN = 12  # factors of a path that are written; of longer ones the first and the last


class Factor(NamedTuple):
    """One step of a path: from a value to one of its operands.

    Attributes:
        child: what the value is called.
        parent: what the operand is called.
        equation: how the value is computed: "o = tanh(#9)".
        local: the local derivative in words: "1 − o²".
        latex: the same in LaTeX.
        value: the local derivative as a number; for whole arrays, how many times longer the gradient gets.
    """

    child: str
    parent: str
    equation: str
    local: str
    latex: str
    value: float


class Path(NamedTuple):
    """One path and the product along it.

    Attributes:
        factors: its steps, from the output on.
        product: a number; for whole arrays, what the path adds to the gradient.
    """

    factors: tuple[Factor, ...]
    product: Any


class Explanation:
    """Why a gradient is what it is. Print it, or end a notebook cell with it.

    Attributes:
        output: what the output is called.
        leaf: what it is differentiated with respect to is called.
        paths: the paths, the largest first.
        count: how many paths there are.
        total: the sum of the products along all paths, also along those that are not among `paths`.
        note: what else there is to know; or "".
    """

    def __init__(
        self, output: str, leaf: str, paths: Sequence[Path], count: int, total: Any, note: str = "", whole: bool = False
    ) -> None:
        self.output, self.leaf = output, leaf
        self.paths = tuple(paths)
        self.count, self.total, self.note = count, total, note
        self._whole = whole  # arrays were followed, and steps are no factors

    @property
    def complete(self) -> bool:
        """Are these all paths?"""
        return len(self.paths) == self.count

    @property
    def rest(self) -> Any:
        """What the paths that are not shown add up to."""
        return 0.0 if self.complete else self.total - sum(path.product for path in self.paths)

    def latex(self) -> str:
        r"""Return it as LaTeX.

        >>> from autograd_nn import Value, explain
        >>> x = Value(3.0, name="x")
        >>> print(explain(x * x, x).latex())
        \begin{aligned}
        \frac{\partial \text{\#2}}{\partial x} &= \underbrace{x}_{3} + \underbrace{x}_{3} \\
        &= 3 + 3 \\
        &= 6
        \end{aligned}
        """
        head = rf"\frac{{\partial {latex_name(self.output)}}}{{\partial {latex_name(self.leaf)}}}"
        terms = [latex_path(path, self._whole) for path in self.paths]
        products = [latex_amount(path.product) for path in self.paths]
        if not self.complete:
            terms.append(rf"\underbrace{{\cdots}}_{{{self.count - len(self.paths):d}\text{{ more}}}}")
            products.append(latex_amount(self.rest))
        between = " + " if len(terms) <= 2 else " \\\\\n&\\quad + "
        lines = [f"{head} &= {between.join(terms)}"]
        if len(products) > 1:
            lines.append("&= " + " + ".join(rf"\left({p}\right)" if p.startswith("-") else p for p in products))
        lines.append(f"&= {latex_amount(self.total)}")
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        head = f"∂{self.output}/∂{self.leaf} = {amount(self.total)}"
        if self.complete:
            paths = "the one path" if self.count == 1 else f"the sum over {self.count:,} paths"
            yield f"{head}, {paths} from {self.output} to {self.leaf}."
        else:
            shown = f"the {len(self.paths)} largest" if len(self.paths) > 1 else "the largest"
            yield f"{head}, the sum over {self.count:,} paths from {self.output} to {self.leaf}; here {shown}."
        for i, path in enumerate(self.paths, 1):
            equations = [f.equation for f in path.factors] or [self.output]
            yield f"Path {i}: {shortened(equations, ' → ')} → {self.leaf}"
            words = [f"({f.local})" if " " in f.local and len(path.factors) > 1 else f.local for f in path.factors]
            if not self._whole:
                values = [number(f.value) for f in path.factors]
                values = list(map(in_brackets, values)) if len(values) > 1 else values
                steps = [shortened(words, " × "), shortened(values, " × "), number(path.product)]
                yield "  " + " = ".join(dict.fromkeys(filter(None, steps)))
            else:
                yield f"  {shortened(words, ', then ')}: adds {amount(path.product)}"
        if len(self.paths) > 1 and self.complete:
            terms = [in_brackets(amount(path.product)) for path in self.paths]
            yield f"Sum: {shortened(terms, ' + ')} = {amount(self.total)}"
        elif not self.complete:
            yield f"The other {plural(self.count - len(self.paths), 'path')} add up to {amount(self.rest)}."
        if self.note:
            yield self.note

    def __repr__(self) -> str:
        return f"<∂{self.output}/∂{self.leaf} = {amount(self.total)}: {plural(self.count, 'path')}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def to_dict(self) -> dict[str, Any]:
        """Return it as lists, dictionaries, texts and numbers."""
        return {
            "output": self.output,
            "leaf": self.leaf,
            "count": self.count,
            "total": np.asarray(self.total).tolist(),
            "rest": np.asarray(self.rest).tolist(),
            "note": self.note,
            "paths": [
                {"factors": [factor._asdict() for factor in path.factors], "product": np.asarray(path.product).tolist()}
                for path in self.paths
            ],
        }


def explain(
    output: Any, leaf: Any, *, paths: int | None = 5, index: Any = None, output_index: Any = None
) -> Explanation:
    """Say why the derivative of `output` with respect to `leaf` is what it is: path by path.

    Args:
        output: a Value; a scalar, unless `output_index` says which element.
        leaf: a Value that it depends on; it need not be a leaf.
        paths: how many of the largest paths to show; None for all.
        index: which element of the leaf, such as 3 or (0, 2). Without it an array is explained as a whole: what each
            path adds to its gradient.
        output_index: which element of the output.

    No `.grad` changes. Hooks are left out.

    Raises:
        TypeError: if these are no Values.
        ValueError: if the output does not depend on the leaf; if the graph is gone or stale, as `backward` does; if
            all of more than 100,000 paths were wanted.
        IndexError: if there is no such element.

    >>> from autograd_nn import Value, explain
    >>> x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    >>> print(explain(x * w + x, x))
    ∂#4/∂x = -2, the sum over 2 paths from #4 to x.
    Path 1: #4 = #3 + x → #3 = x × w → x
      1 × w = 1 × (-3) = -3
    Path 2: #4 = #3 + x → x
      1
    Sum: (-3) + 1 = -2

    Paths that are too many to list are counted, and the largest found:

    >>> y = x
    >>> for _ in range(60):
    ...     y = y + y
    >>> explain(y, x, paths=1)
    <∂#61/∂x = 1.15292e+18: 1,152,921,504,606,846,976 paths>
    """
    for what, value in (("output", output), ("leaf", leaf)):
        if not isinstance(value, Node):
            raise TypeError(f"explain: {what} wanted a Value, got {type(value).__name__}: write explain(loss, w).")
    if paths is not None and (not isinstance(paths, int) or paths < 1):
        raise ValueError(f"explain: paths wanted a whole number from 1, or None for all, got {paths!r}.")
    start, end = element(output, output_index), element(leaf, index)
    if start is None:
        raise ValueError(
            f"explain: {describe(output)} is no scalar. Say which element, explain(y, w, output_index=0), or reduce "
            "it: explain(y.sum(), w)."
        )
    order = between(output, leaf)
    names = Names(Graph.of(output))
    parts = [part for node in order for part in (node.data if type(node.data) is tuple else (node.data,))]
    real = not any(np.iscomplexobj(part) for part in parts)
    notes = []
    whole = end is None or not real or sum(map(effort, order)) > EFFORT
    if end is not None and not whole:
        found, count, total = Elements(order, names).search((len(order) - 1, 0, start), (0, 0, end), paths)
    else:
        found, count, total = Arrays(order, names).search(output, start, leaf, paths)
        if end is not None:
            found = [Path(path.factors, element_of(path.product, end)) for path in found]
            total = element_of(total, end)
        notes.append("Whole arrays were followed, so each step is a linear map, not a factor.")
        if end is None:
            notes.append("index=… explains one element.")
    if any(node.hooks for node in order):
        notes.append("Hooks that change gradients on the way are left out.")
    titles = titled(names(output), output, start), titled(names(leaf), leaf, end)
    return Explanation(*titles, found, count, total, " ".join(notes), whole)


def effort(node: Node) -> int:
    """Return about how many numbers are computed to follow each element: of most ops, a row of the Jacobian each."""
    count = np.size(node.data) if type(node.data) is not tuple else sum(np.size(part) for part in node.data)
    if node.op is None or node.op.elementwise or node.op.name == "item":
        return 100 * count
    return count * (100 + count + sum(p.size for p in node.parents if type(p.data) is not tuple))


def element(node: Node, index: Any) -> int | None:
    """Return an element's position in the flattened array; None if there are several and none was chosen.

    Raises:
        IndexError: if there is no such element.
    """
    if index is None:
        return 0 if node.size == 1 else None
    try:
        return int(np.arange(node.size).reshape(node.shape)[index])
    except (IndexError, TypeError) as error:
        raise IndexError(
            f"explain: {describe(node)} has no single element {index!r}: write {node.ndim} whole numbers, such as "
            f"{tuple([0] * node.ndim)}."
        ) from error


def element_of(x: Any, i: int) -> Any:
    return np.ravel(x)[i].item()


def between(output: Node, leaf: Node) -> list[Node]:
    """Return the nodes on differentiable paths from output to leaf, operands first.

    Raises:
        ValueError: if there are none; if the graph is gone or stale.
    """
    order: list[Node] = []
    found = {leaf}
    for node in topological_order([output]):
        if node is leaf or (node.requires_grad and any(p in found for p, _ in steps(node, found))):
            found.add(node)
            order.append(node)
    gone = any(node.op is not None and not node.parents for node in order if node is not leaf)
    stale = any(p.serial > node.serial for node in order if node is not leaf for p in node.parents)
    if output not in found or gone or stale or not leaf.requires_grad:
        if output.op is not None:
            contributions: Any = getattr(output, "contributions")  # noqa: B009  (of Value, which a Node is in practice)
            contributions(np.ones(output.shape, gradient_dtype(output)))  # says what is the matter, if it is that
        raise ValueError(
            f"explain: {describe(output)} does not depend on {describe(leaf)} in a way that has a derivative. Was it "
            "computed from another Value, detached, or with no_grad()?"
        )
    return order


def steps(node: Node, found: set[Node]) -> Iterator[tuple[Node, int]]:
    """Yield the operands that are on a path, with their positions."""
    op: Any = node.op
    if op is not None and op.differentiable:
        for position, p in enumerate(node.parents):
            if p in found and p.requires_grad and (op.name == "item" or op.rule(position) is not None):
                yield p, position


Vertex = tuple[int, int, int]
"""An element of an array: number of the node, which result (of an op that returns several), position in the array."""


class Elements:
    """Follows single elements, each step of a path a number."""

    def __init__(self, order: list[Node], names: Names) -> None:
        self.names, self.order = names, order
        self.place = {node: i for i, node in enumerate(order)}
        self.inside = set(order)
        self.edges: dict[Vertex, list[tuple[Vertex, int, float]]] = {}
        self.whole: dict[tuple[Node, int], tuple[Any, Any]] = {}
        self.known: dict[tuple[Vertex, Vertex, int], Factor] = {}

    def search(self, start: Vertex, end: Vertex, limit: int | None) -> tuple[list[Path], int, float]:
        """Return the largest paths, the number of all, and their sum."""
        self.collect(start, end)
        count: dict[Vertex, int] = {end: 1}
        total: dict[Vertex, float] = {end: 1.0}
        best: dict[Vertex, float] = {end: 0.0}
        for vertex in sorted(self.edges):
            live = [edge for edge in self.edges[vertex] if count.get(edge[0])]
            self.edges[vertex] = live
            if live:
                count[vertex] = sum(count[p] for p, _, _ in live)
                total[vertex] = added([times(value, total[p]) for p, _, value in live])
                best[vertex] = max(size(value) + best[p] for p, _, value in live)
        if start not in count:
            return [], 0, 0.0
        wanted = listed(count[start], limit)
        found = []
        ties = itertools.count()
        queue: list[Any] = [(-best[start], 0, next(ties), start, 0.0, None)]
        while queue and len(found) < wanted:
            _, depth, _, vertex, so_far, link = heapq.heappop(queue)
            if vertex == end:
                found.append(self.path(link))
                continue
            for p, position, value in self.edges[vertex]:
                after = so_far + size(value)  # deeper first among equals, or all of them would be widened at once
                step = (link, vertex, p, position, value)
                heapq.heappush(queue, (-(after + best[p]), depth - 1, next(ties), p, after, step))
        return found, count[start], total[start]

    def collect(self, start: Vertex, end: Vertex) -> None:
        """Find the edges of every element that the start depends on."""
        stack = [start]
        while stack:
            vertex = stack.pop()
            if vertex not in self.edges and vertex[0] != end[0]:
                self.edges[vertex] = found = list(self.operands(*vertex))
                stack += [p for p, _, _ in found]

    def operands(self, number: int, result: int, i: int) -> Iterator[tuple[Vertex, int, float]]:
        """Yield the elements of operands on which an element depends, with the derivative."""
        node = self.order[number]
        op: Any = node.op
        for p, position in steps(node, self.inside):
            if op.name == "item":
                yield (self.place[p], node.attrs["index"], i), position, 1.0
            elif op.elementwise:
                where, derivative = self.elementwise(node, position)
                yield (self.place[p], 0, int(where[i])), position, float(derivative[i])
            else:
                row = fitted(apply_rule(node, position, unit(node, result, i)), p).ravel()
                chosen = range(1) if row.size == 1 else np.flatnonzero(row)
                for j in chosen:
                    yield (self.place[p], 0, int(j)), position, float(row[j])

    def elementwise(self, node: Node, position: int) -> tuple[Any, Any]:
        """Return, for each element, on which element of the operand it depends, and the derivative."""
        key = (node, position)
        if key not in self.whole:
            p, one = node.parents[position], np.ones(node.shape, gradient_dtype(node))
            derivative = apply_rule(node, position, 1.0 if type(node.data) is float else one)
            where = np.broadcast_to(np.arange(p.size).reshape(p.shape), node.shape)
            self.whole[key] = where.ravel(), np.broadcast_to(np.real(derivative), node.shape).ravel()
        return self.whole[key]

    def path(self, link: Any) -> Path:
        factors = []
        product = 1.0
        while link is not None:
            link, vertex, p, position, value = link
            factors.append(self.factor(vertex, p, position, value))
        for factor in reversed(factors):
            product = times(product, factor.value)
        return Path(tuple(reversed(factors)), product)

    def factor(self, vertex: Vertex, p: Vertex, position: int, value: float) -> Factor:
        """Return a step with its words, which many paths may share."""
        key = vertex, p, position
        if key not in self.known:
            self.known[key] = self.worded(vertex, p, position, value)
        return self.known[key]

    def worded(self, vertex: Vertex, p: Vertex, position: int, value: float) -> Factor:
        node = self.order[vertex[0]]
        op: Any = node.op
        child, parent = self.title(vertex), self.title(p)
        titles = [called(q, self.names) for q in node.parents]
        if op.elementwise:
            for i, q in enumerate(node.parents):
                where = np.broadcast_to(np.arange(q.size).reshape(q.shape), node.shape).ravel()
                titles[i] = titled(titles[i], q, int(where[vertex[2]]))
        return named_factor(node, position, child, parent, titles, value, Elements)

    def title(self, vertex: Vertex) -> str:
        node = self.order[vertex[0]]
        return titled(self.names(node), node, vertex[2], vertex[1])


class Arrays:
    """Follows whole arrays: each step of a path is a linear map, and a path adds an array to the gradient."""

    def __init__(self, order: list[Node], names: Names) -> None:
        self.names, self.order = names, order
        self.inside = set(order)

    def search(self, output: Node, start: int, leaf: Node, limit: int | None) -> tuple[list[Path], int, Any]:
        """Return the largest paths, the number of all, and their sum."""
        count: dict[Node, int] = {leaf: 1}
        for node in self.order:
            if node is not leaf:
                count[node] = sum(count[p] for p, _ in steps(node, self.inside))
        seed = np.asarray(unit(output, 0, start))
        table: dict[Node, Any] = {output: seed}
        gain: dict[tuple[Node, int], float] = {}
        for node in reversed(self.order):
            if node is leaf or node not in table:
                continue
            for p, position in steps(node, self.inside):
                g = self.onward(node, position, table[node])
                gain[node, position] = size(ratio(g, table[node]))
                table[p] = g if p not in table else plus(table[p], g)
        best: dict[Node, float] = {leaf: 0.0}
        for node in self.order:
            if node is not leaf:
                best[node] = max(gain.get((node, i), size(0.0)) + best[p] for p, i in steps(node, self.inside))
        wanted = listed(count[output], limit)
        follow = max(wanted, min(count[output], 200))  # sizes are estimates until a path is followed to its end
        found: list[tuple[float, Any, Any]] = []
        ties = itertools.count()
        queue: list[Any] = [(-best[output], 0, next(ties), output, seed, None)]
        while queue and len(found) < follow:
            _, depth, _, node, g, link = heapq.heappop(queue)
            if node is leaf:
                found.append((norm(g), g if np.ndim(g) else np.asarray(g).item(), link))
                continue
            for p, position in steps(node, self.inside):
                after = self.onward(node, position, g)
                step = (link, node, p, position, ratio(after, g))
                heapq.heappush(queue, (-(size(norm(after)) + best[p]), depth - 1, next(ties), p, after, step))
        found.sort(key=lambda item: -item[0] if item[0] == item[0] else -math.inf)
        paths = [Path(self.factors(link), product) for _, product, link in found[:wanted]]
        return paths, count[output], table.get(leaf, np.zeros(leaf.shape))

    def factors(self, link: Any) -> tuple[Factor, ...]:
        found = []
        while link is not None:
            link, node, p, position, value = link
            titles = [called(q, self.names) for q in node.parents]
            found.append(named_factor(node, position, self.names(node), self.names(p), titles, value, Arrays))
        return tuple(reversed(found))

    def onward(self, node: Node, position: int, g: Any) -> Any:
        """Return what a node passes on of a cotangent to an operand."""
        p = node.parents[position]
        op: Any = node.op
        if op.name == "item":
            return tuple(g if i == node.attrs["index"] else np.zeros_like(part) for i, part in enumerate(p.data))
        return fitted(apply_rule(node, position, g), p)


# --- numbers --------------------------------------------------------------------------------------------------------


def unit(node: Node, result: int, i: int) -> Any:
    """Return a cotangent that is 1 at one element, and 0 elsewhere."""
    if type(node.data) is tuple:
        parts = [np.zeros(np.shape(part), np.result_type(part, np.float32)) for part in node.data]
        parts[result].reshape(-1)[i] = 1
        return tuple(parts)
    if type(node.data) is float:
        return 1.0
    g = np.zeros(node.shape, gradient_dtype(node))
    g.reshape(-1)[i] = 1
    return g


def fitted(g: Any, p: Node) -> Any:
    """Return a contribution summed to its operand's shape, real if that is."""
    if type(p.data) is tuple:
        return g
    g = np.asarray(g)
    return summed(g if p.dtype.kind == "c" else np.real(g), p.shape)


def plus(a: Any, b: Any) -> Any:
    return tuple(x + y for x, y in zip(a, b, strict=True)) if type(a) is tuple else a + b


def times(a: float, b: float) -> float:
    """Return a product; nan and infinity as IEEE has them."""
    return a * b


def added(terms: list[float]) -> float:
    try:
        return math.fsum(terms)
    except (OverflowError, ValueError):  # inf - inf, or an intermediate overflow
        return float(np.sum(terms))


def size(x: float) -> float:
    """Return the logarithm of a size; finite, so that sums of them can be compared."""
    x = abs(x)
    return math.log(x) if 0.0 < x < math.inf else -1e6 if x == 0.0 else 1e6


def norm(g: Any) -> float:
    if type(g) is tuple:
        return math.hypot(*map(norm, g))
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(np.ravel(g)))


def ratio(after: Any, before: Any) -> float:
    whole = norm(before)
    return norm(after) / whole if whole else 0.0


def listed(count: int, limit: int | None) -> int:
    """Return how many paths to list.

    Raises:
        ValueError: if all are wanted, and they are too many.
    """
    if limit is None and count > ALL:
        raise ValueError(f"explain: there are {count:,} paths; paths=20 shows the largest 20 of them.")
    return count if limit is None else min(limit, count)


# --- words ----------------------------------------------------------------------------------------------------------


def named_factor(
    node: Node, position: int, child: str, parent: str, titles: list[str], value: float, kind: type
) -> Factor:
    """Return a step with its words: the op's formula, and that of its derivative, with names put in."""
    op: Any = node.op
    derivative = local(node, position).formula
    names = dict(zip(arguments(node), titles, strict=True)) | {OUT: child}
    if op.name == "item":
        return Factor(child, parent, f"{child} = {parent}", "1", "1", value)
    if derivative is None or (kind is Elements and not op.elementwise):
        text = f"∂{child}/∂{parent}"
        latex = rf"\frac{{\partial {latex_name(child)}}}{{\partial {latex_name(parent)}}}"
    elif kind is Elements and derivative.text.startswith("1 if ") and 0.0 < value < 1.0:
        text = f"{number(value)} at a tie"
        latex = latex_text(text)
    else:
        text, latex = derivative.named(names), derivative.named_latex(names)
    equation = of(node).named(names)
    if kind is Elements and not op.elementwise and (end := re.search(r"\[[\d,]+\]$", child)):
        equation = f"({equation}){end[0]}" if " " in equation else equation + end[0]
    return Factor(child, parent, f"{child} = {equation}", text, latex, value)


def titled(name: str, node: Node, i: int | None, result: int = 0) -> str:
    """Return what an element of an array is called: "w[0,2]"."""
    data: Any = node.data
    if type(data) is tuple:
        part = node.op.results[result] if node.op is not None and node.op.results else str(result)
        name, data = f"{name}.{part}", data[result]
    if i is None or np.size(data) == 1:
        return name
    return f"{name}[{','.join(str(int(k)) for k in np.unravel_index(i, np.shape(data)))}]"


def amount(x: Any) -> str:
    """Return a number, or an array in short."""
    if np.size(x) == 1 and not np.ndim(x):
        return number(x)
    return f"{one_line(x)} of shape {shape_text(x)}"


def in_brackets(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def shortened(parts: Sequence[str], between: str) -> str:
    """Join words; of many, the first and the last."""
    if len(parts) > SHOWN:
        parts = [*parts[: SHOWN // 2], f"… {len(parts) - SHOWN + 1:,} more …", *parts[-(SHOWN // 2 - 1) :]]
    return between.join(parts)


def latex_amount(x: Any) -> str:
    if np.ndim(x):
        return latex_text(amount(x), 80)
    text = number(x)
    if "e" in text and text.lstrip("-")[0].isdigit():
        digits, _, exponent = text.partition("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}"
    return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}.get(text, text)


def latex_path(path: Path, whole: bool) -> str:
    """Return a product with the number below each factor."""
    if not path.factors:
        return "1"
    if not whole:
        amounts = [latex_amount(f.value) for f in path.factors]
        parts = [
            n if f.latex == n and not n.startswith("-") else rf"\underbrace{{{f.latex}}}_{{{n}}}"
            for f, n in zip(path.factors, amounts, strict=True)
        ]
    else:
        parts = [rf"\frac{{\partial {latex_name(f.child)}}}{{\partial {latex_name(f.parent)}}}" for f in path.factors]
    if len(parts) > SHOWN:
        parts = [*parts[: SHOWN // 2], r"\cdots", *parts[-(SHOWN // 2 - 1) :]]
    return r" \cdot ".join(parts)

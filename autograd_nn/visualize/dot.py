"""A graph in DOT, the language of Graphviz: cards for values, glyphs for ops, dashed frames for modules.

The same graph gives the same text, byte for byte. Labels are records and plain strings, never HTML, which the WASM
build of Graphviz drops; every character that DOT, records or HTML entities could misread is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..graph import Graph, Node
from .fold import Box, fold, fold_modules
from .outline import Names, describe_node, grad_data, headline, kind
from .render import FONT
from .text import array_lines, as_graph, attrs_text, counted, finite, plain, plural, shape_text

__all__ = ["Picture", "escape", "picture", "to_dot"]

MAX_NODES = 500
FOLDED = 150
MAX_CLUSTER_DEPTH = 8  # deeper ones share a frame: the WASM build overflows its stack at some hundreds


class Look(NamedTuple):
    """Colours of a card."""

    border: str
    fill: str


# Opaque cards on a transparent page, and mid-greys between them: readable on white and on dark.
LOOKS = {
    "parameter": Look("#0f766e", "#e3f5f2"),
    "input": Look("#64748b", "#e9eef5"),
    "constant": Look("#94a3b8", "#f4f6f9"),
    "result": Look("#64748b", "#ffffff"),
    "output": Look("#7c3aed", "#f1eafe"),
    "folded": Look("#64748b", "#f8fafc"),
}
INK = "#172033"
GREY = "#8391a7"
ALARM = "#dc2626"

# For these the order of the operands does not matter; for all others the first enters above the last.
SYMMETRIC = frozenset(("add", "mul", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal", "hypot", "logaddexp"))


class Sheet(NamedTuple):
    """What a picture shows, whatever language it is written in."""

    graph: Graph
    names: Names
    boxes: list[Box]
    notes: list[str]
    title: str


class Picture(NamedTuple):
    """DOT text, and in words what it shows."""

    source: str
    caption: str
    title: str
    cards: int


def to_dot(
    source: Any,
    *,
    max_nodes: int | None = MAX_NODES,
    depth: int | None = None,
    rankdir: str = "LR",
    caption: str | None = None,
) -> str:
    r"""Return the graph as DOT text, to render with any Graphviz.

    Args:
        source: a Value, a list of Values or a Graph.
        max_nodes: fold larger graphs to at most 150 boxes; None draws every node.
        depth: fold modules that are nested deeper than this, whatever the size: 1 shows "net/layer0" as one box.
        rankdir: "LR" from left to right, "TB" from top to bottom.
        caption: a line of text below the picture.

    Every node has an ``id``, such as ``n3`` (``n3op`` for its op), by its position in topological order, and a
    ``class``: its kind. So tests and style sheets can address it.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> print(to_dot(x * x))  # doctest: +ELLIPSIS
    digraph "graph of #2" {
    ...
      n2op -> n2 [...]
    }
    """
    return picture(source, max_nodes=max_nodes, depth=depth, rankdir=rankdir, caption=caption).source


def picture(
    source: Any,
    *,
    max_nodes: int | None = MAX_NODES,
    depth: int | None = None,
    rankdir: str = "LR",
    caption: str | None = None,
) -> Picture:
    """Return the DOT text with what is known about it. See `to_dot`."""
    plan = sheet(source, max_nodes, rankdir, caption, depth)
    lines = [f"digraph {quote(plan.title.partition(':')[0])} {{", *header(rankdir, plan.notes)]
    statements, edges = body(plan.boxes, plan.names, rankdir)
    lines += clusters(statements)
    lines += edges
    return Picture("\n".join([*lines, "}"]) + "\n", "; ".join(plan.notes), plan.title, len(plan.boxes))


def sheet(
    source: Any, max_nodes: int | None, rankdir: str, caption: str | None = None, depth: int | None = None
) -> Sheet:
    """Choose what to show of a graph: every node, or folded parts, with notes on what a reader may miss."""
    graph = as_graph(source)
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"rankdir wanted 'LR' (left to right) or 'TB' (top to bottom), got {rankdir!r}.")
    if max_nodes is not None and (not isinstance(max_nodes, int) or max_nodes < 10):
        raise ValueError(f"max_nodes wanted a whole number from 10, or None to draw every node, got {max_nodes!r}.")
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"depth wanted a whole number from 0, or None to fold large graphs only, got {depth!r}.")
    names = Names(graph)
    if depth is None:
        boxes = [Box("", [node], node.scope) for node in graph.nodes]
    else:
        boxes = fold_modules(graph, depth)
    if max_nodes is not None and len(boxes) > max_nodes:
        boxes = fold(graph, min(max_nodes, FOLDED))
    notes = [plain(caption, 200)] if caption else []
    wanted = [node for node in graph.nodes if node.requires_grad]
    if wanted and all(node.grad is None for node in wanted):
        notes.append("grad · = not computed yet: call backward() first")
    if any(box.title for box in boxes):
        notes.append(
            f"{plural(len(graph.nodes), 'node')} folded to {plural(len(boxes), 'box', 'boxes')}; "
            + ("draw(max_nodes=None) shows every node" if depth is None else f"draw(depth={depth + 1}) shows more")
        )
    return Sheet(graph, names, boxes, notes, headline(graph, names))


def header(rankdir: str, notes: list[str]) -> Iterable[str]:
    """Return the defaults of graph, nodes and edges."""
    style = {
        "rankdir": rankdir,
        "bgcolor": "transparent",
        "pad": "0.15",
        "nodesep": "0.18",
        "ranksep": "0.32",
        "fontname": FONT,
        "fontsize": "10",
        "fontcolor": GREY,
    }
    if notes:
        style |= {"label": "".join(escape(note) + "\\l" for note in notes), "labelloc": "b", "labeljust": "l"}
    yield f"  graph {attributes(style)}"
    card = {
        "shape": "record",
        "style": "rounded,filled",
        "penwidth": "1.1",
        "margin": "0.06,0.045",
        "height": "0.27",
        "width": "0.2",
    }
    yield f"  node {attributes(card | {'fontname': FONT, 'fontsize': '11', 'fontcolor': INK})}"
    yield f"  edge {attributes({'color': GREY, 'penwidth': '1.1', 'arrowsize': '0.6'})}"


def body(boxes: list[Box], names: Names, rankdir: str) -> tuple[list[tuple[str | None, str]], list[str]]:
    """Return the statements of nodes, each with its scope, and those of edges."""
    key: dict[Node, str] = {}
    for box in boxes:
        letter = "f" if box.title else "n"
        for node in box.nodes:
            key[node] = f"{letter}{names.number(box.nodes[0])}"
    statements: list[tuple[str | None, str]] = []
    edges: dict[str, None] = {}  # in order, each once between folded boxes
    for box in boxes:
        node, name = box.nodes[0], key[box.nodes[0]]
        if box.title:
            statements.append((box.scope, f"{name} {folded_card(box, name, rankdir)}"))
            for member in box.nodes:
                for parent in member.parents:
                    if key[parent] != name:
                        edges[f"  {key[parent]} -> {name} [penwidth=1.4]"] = None
            continue
        statements.append((box.scope, f"{name} {card(node, name, names, rankdir)}"))
        if node.op is None:
            continue
        statements.append((box.scope, f"{name}op {glyph(node, node.op, name)}"))
        ports = entries(node, rankdir)
        for parent, port in zip(node.parents, ports, strict=True):
            edge = f"  {key[parent]} -> {name}op{port}"
            while edge in edges:  # x * x has two edges: keep both
                edge += " "
            edges[edge] = None
        edges[f"  {name}op -> {name} [weight=8]"] = None
    return statements, [edge.rstrip() for edge in edges]


def card(node: Node, name: str, names: Names, rankdir: str) -> str:
    """Return the attributes of a value: name and shape, data, gradient."""
    what = kind(node, names.outputs)
    data, grad = node.data, grad_data(node)
    shape = shape_text(data)
    title = "  ".join(part for part in (plain(node.name) if node.name else "", shape) if part)
    lines = array_lines(data)
    if what == "constant":
        fields = [lines]
    else:
        fields = [[title]] if title else []
        fields.append(labelled("data", lines))
        if node.requires_grad:
            fields.append(labelled("grad", ["·"] if grad is None else array_lines(grad)))
    label = record(fields, rankdir, stacked=bool(shape))
    classes, look = what, LOOKS[what]
    alarm = not (finite(data) and finite(grad))
    style = {
        "id": name,
        "class": f"{classes} nonfinite" if alarm else classes,
        "label": label,
        "color": ALARM if alarm else look.border,
        "fillcolor": look.fill,
        "tooltip": escape(describe_node(node, names)),
    }
    return attributes(style)


def labelled(word: str, lines: list[str]) -> list[str]:
    """Put a word before one line; above several."""
    return [f"{word} {lines[0]}"] if len(lines) == 1 else [word, *lines]


def record(fields: list[list[str]], rankdir: str, *, stacked: bool) -> str:
    """Return the label of a record. Fields of records turn with rankdir, and braces turn them once more."""
    left = any(len(field) > 1 for field in fields) or stacked
    texts = [
        "".join(escape(line, record=True) + "\\l" for line in field) if left else escape(field[0], record=True)
        for field in fields
    ]
    joined = "|".join(texts)
    return joined if stacked == (rankdir == "LR") else "{" + joined + "}"


def folded_card(box: Box, name: str, rankdir: str) -> str:
    """Return the attributes of a box that stands for several nodes."""
    ops = [node.op.name for node in box.nodes if node.op is not None]
    each = repeated(box, ops)
    parameters = sum(node.op is None and node.requires_grad for node in box.nodes)
    constants = len(box.nodes) - len(ops) - parameters
    leaves = [plural(parameters, "parameter")] if parameters else []
    leaves += [plural(constants, "constant")] if constants else []
    title = plain(box.title.removeprefix(f"{box.scope}/"), 60)
    lines = [[title], [each] if ops else [], [", ".join(leaves)] if leaves else []]
    alarm = not all(finite(node.data) and finite(grad_data(node)) for node in box.nodes)
    if alarm:
        lines.append(["nan or inf inside"])
    look = LOOKS["folded"]
    style = {
        "id": name,
        "class": "folded nonfinite" if alarm else "folded",
        "label": record([line for line in lines if line], rankdir, stacked=True),
        "color": ALARM if alarm else look.border,
        "fillcolor": look.fill,
        "penwidth": "1.6",
        "tooltip": escape(f"{plain(box.title, 120)}: {plural(len(box.nodes), 'node')}"),
    }
    return attributes(style)


def repeated(box: Box, ops: list[str]) -> str:
    """Return which ops there are; of modules that are alike what each has, and what stands between them."""
    if box.repeats == 1:
        return counted(ops)
    between = counted(ops[box.repeats * len(box.each) :])
    return f"each: {counted(box.each)}" + (f"; between: {between}" if between else "")


def glyph(node: Node, op: Any, name: str) -> str:
    """Return the attributes of an op: a dark disc for a sign, a dark lozenge for a word."""
    label, attrs = plain(op.label, 24), attrs_text(node)
    if op.name == "item":
        of, index = node.parents[0].op, node.attrs["index"]
        label, attrs = of.results[index] if of is not None and of.results else f"[{index}]", ""
    style = {"id": f"{name}op", "class": "op", "label": escape(label) + (f"\\n{escape(attrs)}" if attrs else "")}
    if len(label) <= 2 and not attrs:
        style |= {"shape": "circle", "fixedsize": "true", "width": "0.34", "margin": "0"}
    else:
        style |= {"shape": "box", "margin": "0.1,0.03", "height": "0.3", "width": "0.3"}
    summary = (op.__doc__ or "").strip().partition("\n")[0]
    style |= {
        "color": GREY,
        "fillcolor": INK,
        "fontcolor": "#ffffff",
        "tooltip": escape(plain(f"{op.name}: {summary}", 120)),
    }
    return attributes(style)


def entries(node: Node, rankdir: str) -> tuple[str, ...]:
    """Return where operands enter their op's glyph, if their order matters: the first above (or left of) the last."""
    count = len(node.parents)
    if count not in (2, 3) or node.op is None or node.op.name in SYMMETRIC:
        return ("",) * count
    first, middle, last = (":nw", ":w", ":sw") if rankdir == "LR" else (":nw", ":n", ":ne")
    return (first, last) if count == 2 else (first, middle, last)


def clusters(statements: list[tuple[str | None, str]]) -> Iterable[str]:
    """Write each statement inside the frames of its scope."""
    for depth, path, number, statement in framed(statements):
        indent = "  " * depth
        if statement:
            yield f"{indent}  {statement}"
        elif not number:
            yield f"{indent}}}"
        else:
            yield f"{indent}subgraph cluster_{number} {{"
            style = {
                "id": f"scope{number}",
                "class": "scope",
                "label": escape(plain(path[-1], 60)),
                "labeljust": "l",
                "labelloc": "t",
                "style": "rounded,dashed,filled",
                "color": GREY,
                "fillcolor": "#8391a718",
                "tooltip": escape(plain("/".join(path), 120)),
            }
            yield f"{indent}  graph {attributes(style)}"


def framed(statements: list[tuple[str | None, str]]) -> Iterable[tuple[int, tuple[str, ...], int, str]]:
    """Yield (depth, path, number, statement): a frame opens with a number, and closes with 0, both without statement.

    Iteratively, as scopes may be nested deeply.
    """
    inside: dict[tuple[str, ...], list[str]] = {(): []}
    children: dict[tuple[str, ...], list[tuple[str, ...]]] = {(): []}
    for scope, statement in statements:
        path = split(scope)
        for depth in range(1, len(path) + 1):
            if path[:depth] not in inside:
                inside[path[:depth]], children[path[:depth]] = [], []
                children[path[: depth - 1]].append(path[:depth])
        inside[path].append(statement)
    count = 0
    stack: list[tuple[tuple[str, ...], bool]] = [((), True)]
    while stack:
        path, opening = stack.pop()
        if not opening:
            yield len(path), path, 0, ""
            continue
        if path:
            count += 1
            yield len(path), path, count, ""
            stack.append((path, False))
        stack.extend((child, True) for child in reversed(children[path]))
        yield from ((len(path), path, 0, statement) for statement in inside[path])


def split(scope: str | None) -> tuple[str, ...]:
    parts = tuple(scope.split("/")) if scope else ()
    if len(parts) <= MAX_CLUSTER_DEPTH:
        return parts
    return (*parts[: MAX_CLUSTER_DEPTH - 1], "/".join(parts[MAX_CLUSTER_DEPTH - 1 :]))


def escape(text: str, *, record: bool = False) -> str:
    r"""Return text that a DOT label shows as it stands.

    >>> print(escape("a|b", record=True), escape("{x}", record=True), escape("a&lt;\\n"))
    a\|b \{x\} a&amp;lt;\\n
    """
    text = plain(text, len(text)).replace("\\", "\\\\").replace("&", "&amp;")
    if record:
        for c in "{}|<>":
            text = text.replace(c, "\\" + c)
        text = text.replace("  ", " \\ ")  # records join spaces
    return text


def quote(text: str) -> str:
    """Return a quoted DOT string of text whose backslashes are escaped already."""
    return '"' + text.replace('"', '\\"') + '"'


def attributes(style: dict[str, str]) -> str:
    return "[" + " ".join(f"{name}={quote(value)}" for name, value in style.items()) + "]"

"""A graph as a Mermaid flowchart: text that GitHub, GitLab, Obsidian and notebooks turn into a picture.

Names are shown as text, whatever they are: every punctuation mark of ASCII is written as a character code, so that no
name can end a label, begin a list or a link, or become a directive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..graph import Node
from .dot import GREY, INK, LOOKS, framed, repeated, sheet
from .outline import Names, grad_data, kind
from .text import array_lines, attrs_text, plain, plural, shape_text, summary

__all__ = ["to_mermaid"]

# What Mermaid reads in a label after codes were put in: line ends, formulas, icons; and directions even before that.
# A mark without width (a zero width non-joiner) keeps it from doing so.
SPECIAL = re.compile(r"\\n|\$\$|fa[a-z]?:f|direction", re.IGNORECASE)
FRAME = f"  classDef frame fill:{GREY}18,stroke:{GREY},stroke-dasharray:4 3"
LONGEST = 30  # characters of a line
MOST = 150  # Mermaid refuses more than 500 edges


def to_mermaid(
    source: Any,
    *,
    max_nodes: int | None = MOST,
    depth: int | None = None,
    rankdir: str = "LR",
    caption: str | None = None,
) -> str:
    """Return the graph as a Mermaid flowchart, to put into a block of Markdown that is fenced as ``mermaid``.

    Args:
        source: a Value, a list of Values or a Graph.
        max_nodes: fold larger graphs to at most 150 boxes; None writes every node (Mermaid draws up to 500 edges).
        depth: fold modules that are nested deeper than this.
        rankdir: "LR" from left to right, "TB" from top to bottom.
        caption: a line of text that screen readers read.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> print(to_mermaid(x * x))
    flowchart LR
      accTitle: graph of 2, 2 nodes, 1 of them leaves
      accDescr: grad ·  not computed yet, call backward() first
      n1["x<br/>data 3<br/>grad ·"]
      n2["data 9<br/>grad ·"]
      n2op(("×"))
      n1 --> n2op
      n1 --> n2op
      n2op --> n2
      classDef parameter fill:#e3f5f2,stroke:#0f766e,color:#172033
      class n1 parameter
      classDef output fill:#f1eafe,stroke:#7c3aed,color:#172033
      class n2 output
      classDef op fill:#172033,stroke:#8391a7,color:#ffffff
      class n2op op
    """
    plan = sheet(source, max_nodes, rankdir, caption, depth)
    key: dict[Node, str] = {}
    statements: list[tuple[str | None, str]] = []
    classes: dict[str, list[str]] = {}
    for box in plan.boxes:
        name = f"{'f' if box.title else 'n'}{plan.names.number(box.nodes[0])}"
        key.update(dict.fromkeys(box.nodes, name))
        first = box.nodes[0]
        lines = folded_lines(box) if box.title else card_lines(first, plan.names)
        statements.append((box.scope, f'{name}["{"<br/>".join(map(escape, lines))}"]'))
        classes.setdefault("folded" if box.title else kind(first, plan.names.outputs), []).append(name)
        if not box.title and first.op is not None:
            label = " ".join(filter(None, (plain(first.op.label, 24), attrs_text(first))))
            statements.append((box.scope, f'{name}op(("{escape(label)}"))'))
            classes.setdefault("op", []).append(f"{name}op")
    lines = [f"flowchart {rankdir}", f"  accTitle: {bare(plan.title)}"]
    if plan.notes:
        lines.append(f"  accDescr: {bare('; '.join(plan.notes))}")
    lines += frames(statements)
    lines += [f"  {edge}" for edge in edges(plan.boxes, key)]
    count = sum(line.lstrip().startswith("subgraph ") for line in lines)
    if count:
        lines += [FRAME, f"  class {','.join(f'scope{i}' for i in range(1, count + 1))} frame"]
    for what, members in classes.items():
        lines += [f"  classDef {what} {style(what)}", f"  class {','.join(members)} {what}"]
    return "\n".join(lines)


def edges(boxes: Any, key: dict[Node, str]) -> Iterable[str]:
    folded: dict[str, None] = {}  # in order, each once between folded boxes
    for box in boxes:
        name = key[box.nodes[0]]
        if box.title:
            pairs = ((key[parent], name) for node in box.nodes for parent in node.parents)
            folded.update(dict.fromkeys(f"{a} --> {b}" for a, b in pairs if a != b))
        elif box.nodes[0].op is not None:
            yield from (f"{key[parent]} --> {name}op" for parent in box.nodes[0].parents)
            yield f"{name}op --> {name}"
    yield from folded


def frames(statements: list[tuple[str | None, str]]) -> Iterable[str]:
    """Write each statement inside the frames of its scope."""
    for depth, path, number, statement in framed(statements):
        if statement:
            yield f"{'  ' * depth}  {statement}"
        elif number:
            yield f'{"  " * depth}subgraph scope{number}["{escape(plain(path[-1], 60))}"]'
        else:
            yield f"{'  ' * depth}end"


def card_lines(node: Node, names: Names) -> list[str]:
    title = "  ".join(part for part in (plain(node.name) if node.name else "", shape_text(node.data)) if part)
    data = short_lines(node.data)
    if kind(node, names.outputs) == "constant":
        return data
    lines = [title] if title else []
    lines += labelled("data", data)
    if node.requires_grad:
        grad = grad_data(node)
        lines += labelled("grad", ["·"] if grad is None else short_lines(grad))
    return lines


def short_lines(data: Any) -> list[str]:
    """Return numbers that fit into a box: Mermaid breaks lines of more than 200 pixels."""
    lines = array_lines(data)
    return lines if len(lines) <= 2 and max(map(len, lines)) <= LONGEST else [summary(data)]


def labelled(word: str, lines: list[str]) -> list[str]:
    return [f"{word} {lines[0]}"] if len(lines) == 1 else [word, *lines]


def folded_lines(box: Any) -> list[str]:
    ops = [node.op.name for node in box.nodes if node.op is not None]
    title = plain(box.title.removeprefix(f"{box.scope}/"), 60)
    return [title, *([repeated(box, ops)] if ops else []), plural(len(box.nodes), "node")]


def style(what: str) -> str:
    if what == "op":
        return f"fill:{INK},stroke:{GREY},color:#ffffff"
    look = LOOKS[what]
    return f"fill:{look.fill},stroke:{look.border},color:{INK}"


def escape(text: str) -> str:
    """Return text for a quoted label; every ASCII character but letters, digits, spaces becomes its character code.

    >>> print(escape('end"]'), escape("w[0]; click n1"), escape("∂L"))
    end#34;#93; w#91;0#93;#59; click n1 ∂L
    """
    text = kept_apart(plain(text, len(text)))
    return "".join(c if not c.isascii() or c.isalnum() or c == " " else f"#{ord(c)};" for c in text)


def kept_apart(text: str) -> str:
    return SPECIAL.sub(lambda found: f"{found[0][:-1]}\u200c{found[0][-1]}", text)


def bare(text: str) -> str:
    """Return text for a place where character codes are not read: marks that mean something there are left out."""
    text = kept_apart(plain(text, 300)).replace(":", ",")
    return "".join(c for c in text if c.isalnum() or c in " ,.-()" or not c.isascii())

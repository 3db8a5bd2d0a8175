"""`Drawing`: what `draw()` returns; a picture that shows itself in notebooks and saves itself to files."""

from __future__ import annotations

import base64
import os
import re
import secrets
import zlib
from collections.abc import Callable
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from ..graph import Graph, Node
from .dot import MAX_NODES, Picture, picture, to_dot
from .explain import explain
from .mermaid import to_mermaid
from .outline import outline
from .render import RenderError, render
from .text import as_graph

__all__ = [
    "Drawing",
    "display_graph",
    "display_value",
    "draw",
    "explain",
    "outline",
    "save",
    "to_dot",
    "to_mermaid",
    "to_svg",
]

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".gv", ".mmd", ".txt")
WRITERS: dict[str, Callable[[Graph], str]] = {}
"""What writes the text of files with other suffixes: the explorer enters itself for ".html"."""
MAX_PNG = 500  # cards; beyond that the picture has hundreds of megapixels
AT_A_GLANCE = 40  # nodes: a Value that ends a notebook cell is shown with its graph up to this size


def draw(
    source: Any,
    *,
    max_nodes: int | None = MAX_NODES,
    depth: int | None = None,
    rankdir: str = "LR",
    caption: str | None = None,
    engine: str | None = None,
) -> Drawing:
    """Draw the graph of a Value, of several, or a Graph, as it is now.

    Args:
        source: a Value, a list of Values or a Graph.
        max_nodes: fold larger graphs to at most 150 boxes; None draws every node.
        depth: fold modules that are nested deeper than this, whatever the size: 1 shows "net/layer0" as one box.
        rankdir: "LR" from left to right, "TB" from top to bottom.
        caption: a line of text below the picture.
        engine: "dot" or "wasi" forces a renderer; else the first that works.

    Raises:
        TypeError: if there is no graph to draw.
        ValueError: if an option is none of those above.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> draw(x * x)
    Drawing(graph of #2: 2 nodes, 1 of them leaves)
    """
    return Drawing(source, max_nodes=max_nodes, depth=depth, rankdir=rankdir, caption=caption, engine=engine)


def save(source: Any, path: str | os.PathLike[str], *, scale: float = 2.0, **options: Any) -> Path:
    """Draw into a file: ``draw(source, **options).save(path)``."""
    return draw(source, **options).save(path, scale=scale)


def to_svg(source: Any, **options: Any) -> str:
    """Return the picture of a graph as SVG: ``draw(source, **options).svg``.

    Raises:
        RenderError: if no renderer is installed.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> to_svg(x * x)[:5]  # doctest: +SKIP
    '<?xml'
    """
    return draw(source, **options).svg


class Drawing:
    """A picture of a graph, as it was when drawn. At the end of a notebook cell it shows itself.

    Attributes:
        source: the DOT text; also called `dot`.
        title: what it shows, in words.
        caption: what stands below the picture.
    """

    def __init__(self, source: Any, *, engine: str | None = None, **options: Any) -> None:
        graph = as_graph(source)
        self._set(picture(graph, **options), outline(graph), engine)
        self._graph: Graph | None = graph
        self._mermaid = {key: options[key] for key in ("depth", "rankdir", "caption") if key in options}

    @classmethod
    def made(cls, drawn: Picture, text: str, *, engine: str | None = None) -> Drawing:
        """Return the drawing of DOT that was made elsewhere, with the text that stands for it where it cannot show."""
        drawing = cls.__new__(cls)
        drawing._set(drawn, text, engine)
        drawing._graph, drawing._mermaid = None, {}
        return drawing

    def _set(self, drawn: Picture, text: str, engine: str | None) -> None:
        self.source = drawn.source
        self.title = drawn.title
        self.caption = drawn.caption
        self._cards = drawn.cards
        self._outline = text
        self._engine = engine

    @property
    def dot(self) -> str:
        """The DOT text, which any Graphviz understands."""
        return self.source

    @cached_property
    def svg(self) -> str:
        """The picture as SVG.

        Raises:
            RenderError: if no renderer is installed.
        """
        return render(self.source, "svg", engine=self._engine).decode()

    def save(self, path: str | os.PathLike[str], *, scale: float = 2.0) -> Path:
        """Write the picture to a file, all of it or nothing, and return its path.

        Args:
            path: ends in .svg, .png or .pdf for a picture, .dot or .gv for the DOT text, .txt for the outline; in
                .mmd for a Mermaid flowchart or .html for the explorer, which show the graph as it is when saved.
            scale: sharpness of a PNG: pixels for each 1/96 inch.

        Raises:
            ValueError: for another ending, or a PNG of too many nodes.
            RenderError: if no renderer is installed.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        possible = [s for s in (*SUFFIXES, *WRITERS) if self._graph is not None or s not in (".mmd", *WRITERS)]
        if suffix not in possible:
            known = ", ".join(possible)
            raise ValueError(f"save wanted a name that ends in {known}, got {path.name!r}: write 'graph.svg'.")
        if suffix == ".png" and self._cards > MAX_PNG:
            raise ValueError(
                f"a PNG of {self._cards} nodes is too large to look at: save it as .svg, or draw(max_nodes=150)."
            )
        if suffix in (".dot", ".gv"):
            content = self.source.encode()
        elif suffix == ".mmd":
            content = (to_mermaid(self._graph, **self._mermaid) + "\n").encode()
        elif suffix in WRITERS and self._graph is not None:
            content = WRITERS[suffix](self._graph).encode()
        elif suffix == ".txt":
            content = (self._outline + "\n").encode()
        elif suffix == ".svg":
            content = self.svg.encode()
        else:
            content = render(self.source, suffix[1:], engine=self._engine, scale=scale)
        write(path, content)
        return path

    def to_graphviz(self) -> Any:
        """Return a `graphviz.Source`, for the methods of the graphviz package."""
        import graphviz

        return graphviz.Source(self.source)

    def __repr__(self) -> str:
        return f"Drawing({self.title})"

    def __str__(self) -> str:
        return self._outline

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        """Show an image, which notebooks display even untrusted; the outline where there is no renderer."""
        bundle = {"text/plain": self._outline}
        try:
            svg = self.svg
        except RenderError:
            return bundle
        token = f"{zlib.crc32(svg.encode()):08x}"  # ids of two pictures in one page stay apart
        bundle["image/svg+xml"] = re.sub(r'(<[^<>]*? id=")', rf"\g<1>g{token}-", svg)
        bundle["text/html"] = (
            f'<img alt="{escape(self.title)}" style="max-width:100%" '
            f'src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'
        )
        return bundle


def display_graph(graph: Graph, **_options: Any) -> dict[str, Any]:
    """Show a graph that ends a notebook cell."""
    return draw(graph)._repr_mimebundle_()


def display_value(value: Node, **_options: Any) -> dict[str, Any] | None:
    """Show a Value that ends a notebook cell: its repr, and the picture of its graph if that is small."""
    if value.op is None or not at_most(value, AT_A_GLANCE):
        return None
    bundle = draw(value)._repr_mimebundle_()
    if "text/html" not in bundle:
        return None
    return bundle | {"text/plain": repr(value), "text/html": f"<pre>{escape(repr(value))}</pre>{bundle['text/html']}"}


def at_most(node: Node, limit: int) -> bool:
    """Has the graph of a node at most `limit` nodes? Does not walk further."""
    seen, stack = {node}, [node]
    while stack and len(seen) <= limit:
        for parent in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return len(seen) <= limit


def write(path: Path, content: bytes) -> None:
    """Write a whole file or leave what was there: a temporary file beside it takes its place."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

"""`Explorer`: a graph as a page that steps through values and gradients, shown in notebooks or saved as a file."""

from __future__ import annotations

from typing import Any

from ..drawing import WRITERS, draw
from ..outline import Names, headline, outline
from ..render import RenderError
from ..text import as_graph, plain
from .notebook import HEIGHT, NotebookPage
from .page import to_html

__all__ = ["Explorer", "explore"]

WRITERS[".html"] = to_html  # what `value.save("graph.html")` and `value.draw().save("graph.html")` write


def explore(source: Any, *, title: str | None = None, height: int = HEIGHT) -> Explorer:
    """Return the explorer of a graph; ``value.explore()`` and ``graph.explore()`` do, too. See `Explorer`.

    >>> from autograd_nn import Value
    >>> x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    >>> (x * w).tanh().explore()
    Explorer(graph of #4: 4 nodes)
    """
    return Explorer(source, title=title, height=height)


class Explorer(NotebookPage):
    """A page that steps through a graph: every op forward, then every product of the chain rule backward.

    At the end of a notebook cell it shows itself; in a notebook that is not trusted, where scripts do not run, a
    picture stands in its place. A large graph starts with its modules folded, and modules that repeat each other as
    one, "layer × 12". Leaves of a small scalar graph can be changed in the page, and everything follows.

    Args:
        source: a Value, a Graph, or a list of Values. The graph is taken as it is now.
        title: shown above the graph; "graph of loss" if left out.
        height: of the frame in a notebook, in pixels.

    >>> from autograd_nn import Value
    >>> x, w = Value(2.0, name="x"), Value(-3.0, name="w")
    >>> Explorer((x * w).tanh())
    Explorer(graph of #4: 4 nodes)

    Keys: → and ← step, Space plays, Home and End go to the first and the last step, / finds, c folds and unfolds all
    modules, 0 + − fit and zoom, d switches between light and dark.

    Attributes:
        html: the page.
        title: shown above the graph.
    """

    def __init__(self, source: Any, *, title: str | None = None, height: int = HEIGHT) -> None:
        graph = as_graph(source)
        self._graph = graph
        self._count = len(graph.nodes)
        shown = plain(title or headline(graph, Names(graph)).partition(":")[0], 80)
        super().__init__(to_html(graph, title=title), shown, outline(graph), "explorer", height)

    def __repr__(self) -> str:
        return f"Explorer({self.title}: {self._count:,} nodes)"

    def _picture(self) -> tuple[str, bytes] | None:
        """Return the drawing as SVG."""
        try:
            return "image/svg+xml", draw(self._graph).svg.encode()
        except RenderError:
            return None

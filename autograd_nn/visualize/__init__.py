"""Pictures and text of a graph: DOT, SVG and PNG, notebook display, an outline for terminals and screen readers.

`value.draw()` and `graph.draw()` give a `Drawing`, `value.explore()` a page to step through, `print(graph)` the
outline. Nothing here knows an op or a derivative: it reads the fields of nodes. Rendering needs no `dot` program, see
`autograd_nn.visualize.render`.
"""

from .diff import Difference, diff
from .dot import to_dot
from .drawing import Drawing, draw, to_svg
from .explain import Explanation, explain
from .explorer.explorer import Explorer, explore
from .explorer.page import to_html
from .mermaid import to_mermaid
from .outline import outline
from .record import Record, record
from .render import RenderError, engine, render

__all__ = [
    "Difference",
    "Drawing",
    "Explanation",
    "Explorer",
    "Record",
    "RenderError",
    "diff",
    "draw",
    "engine",
    "explain",
    "explore",
    "outline",
    "record",
    "render",
    "to_dot",
    "to_html",
    "to_mermaid",
    "to_svg",
]

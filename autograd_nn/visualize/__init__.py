"""Pictures and text of a graph: DOT, SVG and PNG, notebook display, an outline for terminals and screen readers.

`value.draw()` and `graph.draw()` give a `Drawing`, `print(graph)` the outline. Nothing here knows an op or a
derivative: it reads the fields of nodes. Rendering needs no `dot` program, see `autograd_nn.visualize.render`.
"""

from .dot import to_dot
from .drawing import Drawing, draw
from .outline import outline
from .render import RenderError, engine, render

__all__ = ["Drawing", "RenderError", "draw", "engine", "outline", "render", "to_dot"]

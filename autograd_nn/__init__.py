"""autograd_nn: the engine you can see through. See the README for a tour."""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import functions, numpy  # numpy enters the compositions behind np.f(value) and is v.__array_namespace__()
from .backward import cotangents
from .checkpoint import checkpoint
from .custom import custom_vjp, stop_gradient
from .debug import NonFiniteError, debug
from .expand import expand
from .graph import Edge, Graph, Node, name_scope, no_grad, topological_order
from .op import OPS, Op, op
from .scan import scan
from .transforms import (
    elementwise_grad,
    grad,
    grad_and_aux,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from .value import Value, zero_grad
from .vmap import vmap

if TYPE_CHECKING:
    from . import (
        compiler,
        data,
        export,
        nn,
        optim,
        playground,
        plot,
        report,
        saving,
        sklearn,
        testing,
        training,
        visualize,
    )
    from .compiler import compile
    from .visualize import explain

__version__ = "0.1.0"

# `numpy` and `functions` are left out: `from autograd_nn import *` should not hide NumPy.
__all__ = [
    "OPS",
    "Edge",
    "Graph",
    "Node",
    "NonFiniteError",
    "Op",
    "Value",
    "checkpoint",
    "compile",
    "cotangents",
    "custom_vjp",
    "debug",
    "elementwise_grad",
    "expand",
    "explain",
    "grad",
    "grad_and_aux",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "name_scope",
    "no_grad",
    "op",
    "scan",
    "stop_gradient",
    "topological_order",
    "value_and_grad",
    "vjp",
    "vmap",
    "zero_grad",
]


_ON_FIRST_USE = frozenset(
    "compiler data export nn optim playground plot report saving sklearn testing training visualize".split()
)


def __getattr__(name: str) -> Any:
    """Import a part of the library when it is first used: ``autograd_nn.nn.MLP`` after ``import autograd_nn``."""
    if name in _ON_FIRST_USE:
        return importlib.import_module(f".{name}", __name__)
    if name == "compile":
        return importlib.import_module(".compiler", __name__).compile
    if name == "explain":
        return importlib.import_module(".visualize", __name__).explain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE, "compile", "explain"})


def _on_first_use(name: str, doc: str) -> Callable[..., Any]:
    """Return a method that is a function of `visualize`, which is imported when it is first called."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        from . import visualize  # the one late import of our own: pictures cost nothing until they are wanted

        drawing = visualize.drawing  # holds what only methods use, too
        return getattr(drawing if hasattr(drawing, name) else visualize, name)(self, *args, **options)

    method.__name__, method.__doc__ = name, doc
    return method


Graph.draw = Node.draw = _on_first_use("draw", "Draw the graph as it is now: see `autograd_nn.visualize.draw`.")
Graph.to_dot = Node.to_dot = _on_first_use("to_dot", "Return the graph as DOT: see `autograd_nn.visualize.to_dot`.")
Graph.to_svg = Node.to_svg = _on_first_use("to_svg", "Return the picture as SVG: see `autograd_nn.visualize.to_svg`.")
Graph.to_mermaid = Node.to_mermaid = _on_first_use(
    "to_mermaid", "Return the graph as a Mermaid flowchart: see `autograd_nn.visualize.to_mermaid`."
)
Graph.to_html = Node.to_html = _on_first_use(
    "to_html", "Return the explorer of the graph as one HTML page: see `autograd_nn.visualize.to_html`."
)
Graph.explore = Node.explore = _on_first_use(
    "explore", "Step through values and gradients in a page: see `autograd_nn.visualize.explore`."
)
Graph.save = Node.save = _on_first_use("save", "Draw the graph into a file: see `autograd_nn.visualize.Drawing.save`.")
Node.explain = _on_first_use("explain", "Say why the derivative with respect to a Value is what it is: see `explain`.")
Graph.__str__ = _on_first_use("outline", "Return the graph as text: see `autograd_nn.visualize.outline`.")
Graph._repr_mimebundle_ = _on_first_use("display_graph", "Show the picture in a notebook.")
Node._repr_mimebundle_ = _on_first_use("display_value", "Show the picture of a small graph in a notebook.")

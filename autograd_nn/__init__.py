"""autograd_nn: the engine you can see through. See the README for a tour."""

from .backward import cotangents
from .graph import Edge, Graph, Node, name_scope, no_grad, topological_order
from .op import OPS, Op, op
from .value import Value, zero_grad

__version__ = "0.1.0"

__all__ = ["OPS", "Edge", "Graph", "Node", "Op", "Value", "cotangents", "name_scope", "no_grad", "op", "topological_order", "zero_grad"]

"""Checks for derivatives: `check_grads` for functions, `check_op` for ops, strategies for Hypothesis.

`autograd_nn.testing.strategies` needs Hypothesis (extra ``test``) when its first strategy is made; nothing else does.
"""

from . import strategies
from .check_grads import GradientError, check_grads
from .laws import LAWS, LawError, check_law, check_op
from .random_graph import RandomGraph, check_graph

__all__ = [
    "LAWS",
    "GradientError",
    "LawError",
    "RandomGraph",
    "check_grads",
    "check_graph",
    "check_law",
    "check_op",
    "strategies",
]

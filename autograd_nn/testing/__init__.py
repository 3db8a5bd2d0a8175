"""Checks for derivatives: `check_grads` for functions, `check_op` for ops."""

from .check_grads import GradientError, check_grads
from .laws import LAWS, LawError, check_law, check_op

__all__ = ["LAWS", "GradientError", "LawError", "check_grads", "check_law", "check_op"]

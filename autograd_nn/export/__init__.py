"""Trained models in other forms: a single Python file without dependencies, and ONNX."""

from .onnx import to_onnx
from .python import to_python

__all__ = ["to_onnx", "to_python"]

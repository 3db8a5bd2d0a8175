"""Trained models in other forms: a single Python file without dependencies, ONNX, JAX, and PyTorch's weights."""

from .onnx import to_onnx
from .python import to_python
from .torch import from_torch_state_dict, to_torch_state_dict
from .xla import as_jax, from_jax, to_jax, to_stablehlo

__all__ = [
    "as_jax",
    "from_jax",
    "from_torch_state_dict",
    "to_jax",
    "to_onnx",
    "to_python",
    "to_stablehlo",
    "to_torch_state_dict",
]

"""`Linear`: x w + b."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functions import linear
from ..value import Value
from .initializer import Initializer, initializer
from .module import Module

__all__ = ["Linear", "float_dtype", "positive"]


class Linear(Module):
    """A linear map with a bias: (…, in_features) → (…, out_features).

    Args:
        in_features: numbers that come in.
        out_features: numbers that go out, the units of the layer.
        bias: add a bias to each unit?
        init: initializer of the weights, by name or as a function; biases begin at 0.
        dtype: of the parameters; float32 or float64.
        rng: seed or generator of the weights.

    Attributes:
        weight: (in_features, out_features).
        bias: (out_features,), or None.

    >>> layer = Linear(3, 1, dtype=float, rng=0)
    >>> layer.load_state_dict({"weight": [[5.0], [2.0], [4.0]], "bias": [-3.0]})
    >>> layer([[1.0, 0.0, 1.0]]).tolist()
    [[6.0]]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        init: str | Initializer = "he_normal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features, self.init, self.dtype = in_features, out_features, init, float_dtype(dtype)
        self.weight = Value(np.zeros((in_features, out_features), dtype), name="weight")
        self.bias = Value(np.zeros(out_features, dtype), name="bias") if bias else None
        self.reset(np.random.default_rng(rng))

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the weights afresh; biases are 0 again."""
        self.weight.assign(initializer(self.init)(self.weight.shape, rng, dtype=self.dtype))
        if self.bias is not None:
            self.bias.assign(np.zeros(self.bias.shape, self.dtype))

    def forward(self, x: Any) -> Any:
        """Return x w + b of x (…, in_features)."""
        return linear(self.operand(x), self.weight, self.bias)


def positive(layer: str, **sizes: Any) -> None:
    """Refuse sizes that are no positive integers.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool):
            raise TypeError(f"{layer} wanted {name} as an integer, got {type(size).__name__} {size!r:.40}.")
        if size < 1:
            raise ValueError(f"{layer} wanted {name} of at least 1, got {size}.")


def float_dtype(dtype: Any) -> np.dtype:
    """Return a dtype of floating point for parameters.

    Raises:
        TypeError: if it is another one.
    """
    kind = np.dtype(dtype)
    if kind.kind != "f":
        raise TypeError(f"parameters are floating point: dtype=np.float32 or np.float64, got {kind}.")
    return kind

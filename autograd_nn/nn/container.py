"""Modules made of modules: one after the other, and around the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..graph import Node, dtype, shape
from ..ops.shape import cast
from .module import Module

__all__ = ["Residual", "Sequential"]

Layer = Callable[..., Any]


class Sequential(Module):
    """Layers one after the other. A layer is a module or any function, such as ``np.tanh``.

    Args:
        layers: from the input to the output.

    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Linear(2, 8), np.tanh, nn.Linear(8, 1)).initialize(0)
    >>> model(np.zeros((5, 2))).shape
    (5, 1)
    >>> len(model), [path for path, _ in model.named_parameters()]
    (3, ['layers.0.weight', 'layers.0.bias', 'layers.2.weight', 'layers.2.bias'])
    """

    def __init__(self, *layers: Layer) -> None:
        for position, layer in enumerate(layers):
            check_layer(layer, f" at position {position}")
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Return the output of the last layer."""
        for layer in self.layers:
            x = layer(x)
        return x

    def append(self, layer: Layer) -> None:
        """Add a layer behind the last one.

        Raises:
            TypeError: if it is neither a module nor a function.
        """
        check_layer(layer)
        self.layers.append(layer)
        self._is_root = False

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, position: int | slice) -> Any:
        """Return a layer, or a slice of the model that shares its layers."""
        return Sequential(*self.layers[position]) if isinstance(position, slice) else self.layers[position]


def check_layer(layer: Any, where: str = "") -> None:
    """Refuse what cannot be called.

    Raises:
        TypeError: saying what came.
    """
    if not callable(layer) or isinstance(layer, type):
        hint = " Write Sequential(*layers)." if isinstance(layer, (list, tuple)) else ""
        came = (
            f"the class {layer.__name__}: write {layer.__name__}()" if isinstance(layer, type) else type(layer).__name__
        )
        raise TypeError(f"Sequential wanted modules or functions, got {came}{where}.{hint}")


class Residual(Module):
    """Add what comes in to what the layer makes of it: x + layer(x).

    K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, CVPR 2016, equation 1.

    Args:
        layer: keeps the shape.
        shortcut: takes the place of x where the layer changes the shape, such as a `Linear`; None for x itself.
    """

    def __init__(self, layer: Layer, shortcut: Layer | None = None) -> None:
        self.layer, self.shortcut = layer, shortcut

    def forward(self, x: Any) -> Any:
        """Return x + layer(x).

        Raises:
            ValueError: if the two do not have one shape.
        """
        y = self.layer(x)
        x = x if self.shortcut is None else self.shortcut(x)
        if shape(y) != shape(x):
            raise ValueError(
                f"Residual wanted layer(x) of the shape of x, {shape(x)}, got {shape(y)}: give "
                "shortcut=Linear(in_features, out_features), or a convolution, that changes x in the same way."
            )
        return constant_like(x, y) + y


def constant_like(x: Any, y: Any) -> Any:
    """Return a constant in the dtype of a Value that it meets, as every layer does it; anything else as it is."""
    if isinstance(x, Node):
        return cast(x, dtype=dtype(y).name) if x.is_array and x.dtype != dtype(y) else x
    return np.asarray(x, dtype(y)) if isinstance(y, Node) else x

"""Activations by name, and as modules. An activation is any function of one array; in a model it can stand as it is.

So `Sequential` takes ``functions.relu`` as well as ``nn.ReLU()``; the modules are for those who are used to them, and
keep settings such as a slope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import functions
from .module import Module

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "ActivationModule",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "activation",
    "identity",
]

Activation = Callable[[Any], Any]


def identity(x: Any) -> Any:
    """Return x: a layer without activation."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "relu": functions.relu,
    "tanh": functions.tanh,
    "sigmoid": functions.sigmoid,
    "softplus": functions.softplus,
    "leaky_relu": functions.leaky_relu,
    "elu": functions.elu,
    "gelu": functions.gelu,
    "silu": functions.silu,
    "selu": functions.selu,
    "mish": functions.mish,
    "hardtanh": functions.hardtanh,
    "softsign": functions.softsign,
    "softmax": functions.softmax,
    "log_softmax": functions.log_softmax,
}
"""The activations by name, as ``activation="tanh"`` finds them."""


def activation(f: str | Activation) -> Activation:
    """Return an activation from its name; a function is returned as it is.

    Raises:
        ValueError, TypeError: if there is none of that name, or it is no function.
    """
    if isinstance(f, str):
        if f not in ACTIVATIONS:
            raise ValueError(f"there is no activation {f!r}: wanted one of {', '.join(ACTIVATIONS)}, or a function.")
        return ACTIVATIONS[f]
    if isinstance(f, type) and issubclass(f, Module):
        raise TypeError(
            f"an activation is a name or a function of one array, got the class {f.__name__}: write {f.__name__}()."
        )
    if not callable(f):
        raise TypeError(f"an activation is a name or a function of one array, got {type(f).__name__}.")
    return f


# modules


class ActivationModule(Module):
    """A function as a module. The subclasses name the function."""

    function: ClassVar[Activation] = staticmethod(identity)
    """The function that the module applies."""

    @property
    def name(self) -> str:
        """The name of the function, by which `nn.default_init` finds the initializer that suits it."""
        f = type(self).function
        return getattr(f, "__name__", None) or getattr(f, "name", "")

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return type(self).function(x)


class Identity(ActivationModule):
    """x: `identity`."""


class ReLU(ActivationModule):
    """max(0, x): `functions.relu`."""

    function = staticmethod(functions.relu)


class Tanh(ActivationModule):
    """tanh x: `functions.tanh`."""

    function = staticmethod(functions.tanh)


class Sigmoid(ActivationModule):
    """1 / (1 + exp(-x)): `functions.sigmoid`."""

    function = staticmethod(functions.sigmoid)


class Softplus(ActivationModule):
    """log(1 + exp(x)): `functions.softplus`."""

    function = staticmethod(functions.softplus)


class Softsign(ActivationModule):
    """x / (1 + |x|): `functions.softsign`."""

    function = staticmethod(functions.softsign)


class SiLU(ActivationModule):
    """x σ(x): `functions.silu`."""

    function = staticmethod(functions.silu)


class SELU(ActivationModule):
    """The self-normalizing `functions.selu`."""

    function = staticmethod(functions.selu)


class Mish(ActivationModule):
    """x tanh(softplus(x)): `functions.mish`."""

    function = staticmethod(functions.mish)


class LeakyReLU(ActivationModule):
    """x for x > 0, else negative_slope · x: `functions.leaky_relu`."""

    function = staticmethod(functions.leaky_relu)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return functions.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(ActivationModule):
    """x for x > 0, else alpha (exp(x) - 1): `functions.elu`."""

    function = staticmethod(functions.elu)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return functions.elu(x, alpha=self.alpha)


class GELU(ActivationModule):
    """x Φ(x): `functions.gelu`; `approximate` is "none" or "tanh"."""

    function = staticmethod(functions.gelu)

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU wanted approximate='none' or 'tanh', got {approximate!r}.")
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return functions.gelu(x, approximate=self.approximate)


class Hardtanh(ActivationModule):
    """x limited to [low, high]: `functions.hardtanh`."""

    function = staticmethod(functions.hardtanh)

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        if not low < high:
            raise ValueError(f"Hardtanh wanted low below high, got {low} and {high}.")
        self.low, self.high = low, high

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return functions.hardtanh(x, low=self.low, high=self.high)


class Softmax(ActivationModule):
    """exp(x) / Σ exp(x) along an axis: `functions.softmax`. For answers; losses take logits."""

    function = staticmethod(functions.softmax)

    def __init__(self, axis: int | tuple[int, ...] | None = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return functions.softmax(x, axis=self.axis)


class LogSoftmax(ActivationModule):
    """The logarithm of `Softmax`, right where that underflows: `functions.log_softmax`."""

    function = staticmethod(functions.log_softmax)

    def __init__(self, axis: int | tuple[int, ...] | None = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Return the function of x."""
        return functions.log_softmax(x, axis=self.axis)

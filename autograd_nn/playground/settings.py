"""What can be chosen in the playground, and within which limits: everything that the page sends is checked here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..nn import INITIALIZERS
from ..optim import OPTIMIZERS

__all__ = ["ACTIVATIONS", "DATA", "FEATURES", "INITIAL", "LIMITS", "LOSSES", "Settings"]

DATA = {
    "moons": "two moons",
    "circles": "circles",
    "spirals": "two spirals",
    "spirals3": "three spirals",
    "xor": "xor",
    "blobs": "three blobs",
    "sines": "sines (1-D)",
    "csv": "your CSV file",
}
"""The data sets, and how the page calls them."""

FEATURES = {
    "x1": ("x₁", "x1"),
    "x2": ("x₂", "x2"),
    "x1_squared": ("x₁²", "x1**2"),
    "x2_squared": ("x₂²", "x2**2"),
    "product": ("x₁x₂", "x1 * x2"),
    "sin_x1": ("sin πx₁", "np.sin(np.pi * x1)"),
    "sin_x2": ("sin πx₂", "np.sin(np.pi * x2)"),
}
"""The inputs that a network may get: how the page calls them, and how Python does. Coordinates are standardized."""

ACTIVATIONS = ("tanh", "relu", "sigmoid", "leaky_relu", "elu", "gelu", "silu", "softplus", "softsign", "identity")
INITIAL = ("auto", *INITIALIZERS)
"""The initializers; "auto" is the one that suits the activation."""

LOSSES = {
    "two classes": ("binary_cross_entropy", "hinge", "mse"),
    "classes": ("cross_entropy", "hinge"),
    "numbers": ("mse", "mae", "huber"),
}
"""The losses for each kind of target, the usual one first."""

LIMITS = {
    "points": (20, 2000),
    "noise": (0.0, 0.5),
    "test": (0.1, 0.9),
    "seed": (0, 999_999),
    "learning_rate": (0.0, 1e12),
    "batch_size": (1, 2000),
    "weight_decay": (0.0, 1e6),
    "layers": (0, 6),
    "neurons": (1, 8),
}
"""Smallest and largest number of each setting."""

CHOICES = {"data": tuple(DATA), "activation": ACTIVATIONS, "init": INITIAL, "optimizer": tuple(OPTIMIZERS)}
WHOLE = ("points", "seed", "batch_size")
LONGEST = 20_000  # letters of a column's name


@dataclass(frozen=True)
class Settings:
    """The settings of one run.

    Attributes:
        data: a name in `DATA`.
        points: how many, training and test together.
        noise: standard deviation; of blobs a tenth of it.
        test: the part of the points that is tested on.
        seed: of the data, the split, the weights and the order of the rows.
        features: names in `FEATURES`.
        hidden: neurons of each hidden layer.
        activation: of the hidden layers.
        init: initializer, or "auto".
        optimizer: by name.
        learning_rate: at the start.
        batch_size: rows of a step; None for all.
        weight_decay: of the optimizer.
        loss: by name; "auto" for the one that suits the targets.
        columns: of a CSV file: two features and the target.

    >>> Settings().hidden
    (4, 2)
    >>> Settings.of({"hidden": [8, 8], "activation": "relu"}).hidden
    (8, 8)
    """

    data: str = "moons"
    points: int = 200
    noise: float = 0.15
    test: float = 0.5
    seed: int = 0
    features: tuple[str, ...] = ("x1", "x2")
    hidden: tuple[int, ...] = (4, 2)
    activation: str = "tanh"
    init: str = "auto"
    optimizer: str = "adam"
    learning_rate: float = 0.01
    batch_size: int | None = 10
    weight_decay: float = 0.0
    loss: str = "auto"
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Any) -> Settings:
        """Return settings from what a page sent; what is left out is as usual.

        Raises:
            TypeError, ValueError: in one sentence, if something is no setting or out of its limits.
        """
        if not isinstance(given, Mapping):
            raise TypeError(f"settings wanted names and values, got {type(given).__name__}.")
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(map(str, set(given) - names)):
            raise ValueError(f"there is no setting {unknown[0]!r:.60}: wanted {', '.join(sorted(names))}.")
        made: dict[str, Any] = {}
        for name, value in given.items():
            if name in CHOICES:
                made[name] = choice(name, value, CHOICES[name])
            elif name == "loss":
                made[name] = choice(name, value, ("auto", *sorted({f for row in LOSSES.values() for f in row})))
            elif name == "batch_size" and value is None:
                made[name] = None
            elif name in LIMITS:
                made[name] = number(name, value)
            elif name == "features":
                made[name] = features(value)
            elif name == "hidden":
                made[name] = hidden(value)
            else:
                made[name] = columns(value)
        return cls(**made)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}


def said(name: str) -> str:
    """Return the name of a setting as one says it."""
    return name.replace("_", " ")


def choice(name: str, value: Any, among: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in among:
        raise ValueError(f"{said(name)} wanted one of {', '.join(among)}; got {value!r:.60}.")
    return value


def number(name: str, value: Any) -> Any:
    """Return a number within its limits."""
    low, high = LIMITS[name]
    whole = name in WHOLE
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{said(name)} wanted a number, got {value!r:.60}.")
    if whole and value != int(value):
        raise ValueError(f"{said(name)} wanted a whole number, got {value!r:.60}.")
    if not low <= value <= high:
        raise ValueError(f"{said(name)} wanted a number from {low:,g} to {high:,g}, got {value:,.6g}.")
    return int(value) if whole else float(value)


def features(value: Any) -> tuple[str, ...]:
    """Return names of features in their order."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"features wanted a list of names, got {value!r:.60}.")
    if unknown := [name for name in value if name not in FEATURES]:
        raise ValueError(f"there is no feature {unknown[0]!r:.60}: wanted some of {', '.join(FEATURES)}.")
    if not value:
        raise ValueError("a network wants one feature or more, got none: choose x₁.")
    return tuple(name for name in FEATURES if name in value)


def hidden(value: Any) -> tuple[int, ...]:
    """Return sizes of hidden layers."""
    most, (least, widest) = LIMITS["layers"][1], LIMITS["neurons"]
    whole = isinstance(value, (list, tuple)) and all(type(n) is int for n in value)
    if not whole or len(value) > most or any(not least <= n <= widest for n in value):
        raise ValueError(
            f"the playground draws up to {most} hidden layers of {least} to {widest} neurons, got {value!r:.60}. "
            "Larger networks learn in Python: nn.MLP, training.fit."
        )
    return tuple(value)


def columns(value: Any) -> tuple[str, ...]:
    """Return the names of columns of a CSV file."""
    names = isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
    if not names or len(value) not in (0, 3) or any(len(name) > LONGEST for name in value):
        raise ValueError(f"columns wanted the names of two features and of the target, got {value!r:.60}.")
    return tuple(value)

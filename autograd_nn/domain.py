"""Where an op is smooth, and on which arguments it is tested.

An op states an `Interval` for each array argument: the open set on which its rule is an ordinary derivative, away
from poles, branch points and kinks. `Case` names arguments (shapes, arrays or a recipe) and attributes; the laws in
`autograd_nn.testing` run every op on every case.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = [
    "ABOVE_ONE",
    "BINARY",
    "BOOLEAN",
    "Case",
    "Interval",
    "NONZERO",
    "POSITIVE",
    "PROBABILITY",
    "REAL",
    "UNARY",
    "UNIT",
]


@dataclass(frozen=True)
class Interval:
    """An open interval of real numbers without some points.

    Attributes:
        low: lower end, not included.
        high: upper end, not included.
        excluded: points inside at which the op has a kink or a pole.
        kind: "float", or "bool" for masks (an argument without derivative).
    """

    low: float = -math.inf
    high: float = math.inf
    excluded: tuple[float, ...] = ()
    kind: str = "float"

    def __contains__(self, x: object) -> bool:
        if not isinstance(x, (int, float, np.floating, np.integer)):
            return False
        return self.low < float(x) < self.high and float(x) not in self.excluded

    def __str__(self) -> str:
        if self.kind == "bool":
            return "{False, True}"
        low, high = (
            ("-∞" if self.low == -math.inf else f"{self.low:g}"),
            ("∞" if self.high == math.inf else f"{self.high:g}"),
        )
        without = " \\ {" + ", ".join(f"{x:g}" for x in self.excluded) + "}" if self.excluded else ""
        return ("ℝ" if (low, high) == ("-∞", "∞") else f"({low}, {high})") + without

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], *, margin: float = 0.1) -> np.ndarray:
        """Draw float64 numbers of moderate size, at least `margin` away from ends and excluded points.

        An infinite end is replaced by a finite one about 3 away, so that central differences stay accurate.
        """
        if self.kind == "bool":
            return rng.random(shape) < 0.5
        low = self.low if self.low > -math.inf else min(-3.0, self.high - 4.0)
        high = self.high if self.high < math.inf else max(3.0, self.low + 4.0)
        margin = min(margin, (high - low) / 10)
        x = rng.uniform(low + margin, high - margin, shape)
        for point in self.excluded:
            near = np.abs(x - point) < margin
            x = np.where(near, point + np.where(x < point, -1.0, 1.0) * (margin + np.abs(x - point)), x)
        return x


REAL = Interval()
POSITIVE = Interval(0.0, math.inf)
NONZERO = Interval(excluded=(0.0,))
UNIT = Interval(-1.0, 1.0)
PROBABILITY = Interval(0.0, 1.0)
ABOVE_ONE = Interval(1.0, math.inf)
BOOLEAN = Interval(kind="bool")


@dataclass(frozen=True, init=False)
class Case:
    """Arguments on which an op is tested.

    Args:
        *arguments: one for each array argument: a shape (tuple of ints) to be filled from the op's domain; the word
            ``"python"`` for a Python float; an array used as it is (indices, masks); or a function of a
            `numpy.random.Generator` that returns an array (a positive definite matrix, say).
        distinct: fill shapes with numbers that lie at least 0.1 apart, for ops with ties (max, sort, median).
        domain: overrides the op's domain, for this case.
        order: highest derivative that is compared with central differences.
        complex: also run on complex arguments.
        name: shown in test ids; made from the arguments if left out.
        attrs: keyword arguments of the op, for names that `Case` uses itself, such as ``attrs={"order": "F"}``.
        **keywords: all other keyword arguments of the op.
    """

    arguments: tuple[Any, ...]
    attrs: dict[str, Any] = field(hash=False)
    distinct: bool
    domain: tuple[Interval, ...] | None
    order: int
    complex: bool
    name: str

    def __init__(
        self,
        *arguments: tuple[int, ...] | str | np.ndarray | Callable[[np.random.Generator], Any],
        distinct: bool = False,
        domain: tuple[Interval, ...] | None = None,
        order: int = 2,
        complex: bool = False,
        name: str = "",
        attrs: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        attrs = {**keywords, **(attrs or {})}
        shown = [
            "x".join(map(str, a)) or "0-d" if isinstance(a, tuple) else a if isinstance(a, str) else "array"
            for a in arguments
        ]
        shown += [f"{k}={v}" for k, v in attrs.items()]
        values = {"arguments": arguments, "attrs": attrs, "distinct": distinct, "domain": domain, "order": order}
        for key, value in (values | {"complex": complex, "name": name or ",".join(shown)}).items():
            object.__setattr__(self, key, value)

    def make(self, domain: tuple[Interval, ...], rng: np.random.Generator, dtype: Any = np.float64) -> list[Any]:
        """Return fresh arguments: floating point ones in `dtype`; ints, masks and Python floats as they are."""
        domain = self.domain or domain or (REAL,)
        out = []
        for i, argument in enumerate(self.arguments):
            interval = domain[min(i, len(domain) - 1)]
            if isinstance(argument, str):
                out.append(float(interval.sample(rng, ())))
                continue
            if isinstance(argument, tuple):
                x = interval.sample(rng, argument)
                if self.distinct and x.size > 1:
                    grid = np.linspace(0.0, 0.1 * (x.size - 1), x.size) * np.sign(rng.random() - 0.5)
                    x = np.asarray(rng.permutation(grid - grid.mean() + 0.017)).reshape(argument)
                if np.dtype(dtype).kind == "c" and interval.kind == "float":
                    x = x + 1j * interval.sample(rng, argument)
            else:
                x = np.asarray(argument(rng) if callable(argument) else argument)
            out.append(np.array(x, dtype=dtype) if x.dtype.kind in "fc" else np.array(x))
        return out


UNARY = (Case("python"), Case(()), Case((3,)), Case((2, 3)), Case((0,)), Case((1, 1)))
"""The usual cases of an elementwise function of one argument."""

BINARY = (
    Case("python", "python"),
    Case((), ()),
    Case((3,), (3,)),
    Case((2, 3), (3,)),
    Case((2, 1), (1, 3)),
    Case((2, 3), ()),
    Case((), (2, 2)),
    Case("python", (2,)),
    Case((2,), "python"),
    Case((0,), (1,)),
    Case((4, 1, 3), (2, 1)),
)
"""The usual cases of an elementwise function of two arguments, broadcasting included."""

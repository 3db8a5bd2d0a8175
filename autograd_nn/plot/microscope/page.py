"""The page of the microscope and of the replay: what they share on Python's side.

Its look, its elements and its words are the explorer's; its own code is in `network.js` (what a network computes),
`chart.js` (pictures), `lens.js` (one unit and what adds up to it), `replay.js` (recorded steps) and `view.js`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...visualize.explorer.page import Assets, assembled, assets, packed, packed_json, read_assets
from ...visualize.text import plain as printable
from ..boundary import classes_of, names_of
from ..canvas import plain
from .network import Layer

__all__ = ["Scene", "html"]

HERE = Path(__file__).parent
SCRIPTS = ("timeline.js", "formula.js", "elements.js")  # of the explorer
OWN = ("network.js", "chart.js", "lens.js", "replay.js", "view.js")
MOST_POINTS = 500
MOST_CLASSES = 8
ROOM = 0.12


@functools.cache
def own_assets() -> Assets:
    """Return style and script of the page."""
    return read_assets(["explorer.css", HERE / "microscope.css"], [*SCRIPTS, *(HERE / name for name in OWN)])


@functools.cache
def shell() -> str:
    """Return the explorer's page with a mark where its data belong, packed."""
    return packed(assembled("step", "@data@", "", assets()))


def html(title: str, data: dict[str, Any], text: str) -> str:
    """Return the page; with graphs among its data, it holds the explorer too."""
    graphs = any("graph" in step for step in data["steps"])
    data = {"title": title, **data, **({"shell": shell()} if graphs else {})}
    return assembled(title, packed_json(data), text, own_assets(), [assets()] if graphs else [])


class Scene(NamedTuple):
    """The user's data: where they are, and what they are.

    Attributes:
        x: (rows, features).
        y: (rows, targets) for numbers, (rows,) numbers of classes, None if there is none.
        features: their names.
        classes: their names; None for numbers.
    """

    x: np.ndarray
    y: np.ndarray | None
    features: list[str]
    classes: list[str] | None

    @property
    def span(self) -> list[list[float]]:
        """The range of each feature, with some room."""
        low, high = self.x.min(axis=0), self.x.max(axis=0)
        room = np.where(high > low, ROOM * (high - low), 1.0)
        return [[short(a), short(b)] for a, b in zip(low - room, high + room, strict=True)]

    def data(self) -> dict[str, Any]:
        """Return features, span, points and classes for the page; of many rows, some at equal distances."""
        rows = np.unique(np.linspace(0, len(self.x) - 1, min(len(self.x), MOST_POINTS)).round().astype(int))
        points = None
        if self.y is not None:
            y = self.y[rows]
            points = {
                "x": [[short(v) for v in column] for column in self.x[rows].T],
                "y": y.tolist() if self.classes is not None else [[short(v) for v in row] for row in y],
                "kind": "numbers" if self.classes is None else "classes",
            }
        return {"features": self.features, "span": self.span, "points": points, "classes": self.classes}


def scene_of(X: Any, y: Any, who: str, outputs: int, labels: Sequence[Any] | None = None) -> Scene:
    """Return the user's data, checked.

    Args:
        X: (rows,), (rows, 1) or (rows, 2).
        y: numbers or classes of the rows, or None.
        who: asks, for errors.
        outputs: how many the model has.
        labels: names of the classes.

    Raises:
        ValueError: if there are no rows, more than two features, numbers that are not finite, or targets that do not
            fit.
    """
    names = getattr(X, "columns", None)
    x = plain(X)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] not in (1, 2) or not len(x):
        raise ValueError(
            f"{who} draws over one or two features: it wanted X of shape (rows,), (rows, 1) or (rows, 2) with at least "
            f"one row, got {np.shape(plain(X))}. Choose columns, X[:, [i, j]], and a model that was trained on them."
        )
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{who} wanted X of real numbers, got dtype {x.dtype}.")
    x = x.astype(float)
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise ValueError(f"{who} wanted finite X, row {row} holds NaN or infinity: leave such rows out.")
    features = [printable(n, 24) for n in names] if names is not None else ["x"] if x.shape[1] == 1 else ["x0", "x1"]
    if y is None:
        return Scene(x, None, features, None)
    target = plain(y)
    if target.ndim not in (1, 2) or len(target) != len(x):
        raise ValueError(f"{who} wanted y with a row for each of the {len(x)} rows of X, got {target.shape}.")
    if is_classes(target, x.shape[1], outputs):
        classes, number = classes_of(target, len(x))
        return Scene(x, number, features, [printable(n, 24) for n in names_of(classes, labels)])
    if target.dtype.kind not in "biuf":
        raise ValueError(f"{who} wanted y as numbers, or at most {MOST_CLASSES} classes, got dtype {target.dtype}.")
    target = target.astype(float).reshape(len(x), -1)
    if not np.isfinite(target).all():
        raise ValueError(f"{who} wanted finite y, it holds NaN or infinity.")
    return Scene(x, target, features, None)


def is_classes(y: np.ndarray, features: int, outputs: int) -> bool:
    """Are these classes rather than measurements?

    Texts and truth values are. So are the numbers from 0 on, if there are few; but over one feature they are drawn as
    heights, unless the model has an output for each.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        return False
    if y.dtype.kind not in "biuf":
        return len(set(y.tolist())) <= MOST_CLASSES
    distinct = np.unique(y)
    counted = 2 <= len(distinct) <= MOST_CLASSES and np.array_equal(distinct, np.arange(len(distinct)))
    return counted and (features == 2 or outputs >= len(distinct))


def structure(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return layers without their numbers."""
    return [
        {
            "inputs": layer.weight.shape[0],
            "units": layer.weight.shape[1],
            "name": layer.function,
            "formula": layer.formula,
        }
        for layer in layers
    ]


def outputs_of(count: int, classes: Sequence[str] | None) -> list[str]:
    """Return what the outputs are called."""
    if classes is not None and count == len(classes):
        return [f"output {name}" for name in classes]
    return [f"output {j}" for j in range(count)] if count > 1 else ["output"]


def decision_of(layers: Sequence[Layer]) -> str:
    """Return what outputs of a classifier are: "probability" or "logits"."""
    return "probability" if layers[-1].function in ("sigmoid", "softmax") else "logits"


def listed(x: np.ndarray, digits: int | None = None) -> list[Any]:
    """Return the numbers of an array, row by row."""
    return [short(v, digits) for v in np.ravel(x).tolist()]


def short(x: float, digits: int | None = None) -> Any:
    """Return a number with so many significant digits, as JSON holds it."""
    x = float(x)
    if not math.isfinite(x):
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    if digits is not None:
        x = float(f"{x:.{digits}g}")
    return int(x) if x == int(x) and abs(x) < 1e6 and (x or math.copysign(1, x) > 0) else x

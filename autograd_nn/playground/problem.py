"""The data of the playground as a network gets them: points, a split, standardized coordinates, features, targets.

`code` writes these lines as a program. Both must compute the same, operation by operation: see `tests/playground`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..data.frame import Column, columns_of
from .settings import LOSSES, Settings

__all__ = ["NOISE", "Problem", "Table", "inputs_of", "problem", "sines"]

MOST_CLASSES = 6
FEWEST_ROWS = 10
NOISE = {"blobs": 10.0}
"""By how much noise is larger than the setting: clouds have centers from -10 to 10."""

SETS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "moons": (data.moons, {}),
    "circles": (data.circles, {}),
    "spirals": (data.spirals, {"classes": 2}),
    "spirals3": (data.spirals, {}),
    "xor": (data.xor, {}),
    "blobs": (data.blobs, {}),
}


def sines(n: int, *, noise: float, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a curve of two waves: x from -2 to 2, of shape (n, 1), and y of shape (n,)."""
    rng = np.random.default_rng(rng)
    x = rng.uniform(-2, 2, (n, 1))
    return x, np.sin(2 * x[:, 0]) + 0.4 * np.sin(5 * x[:, 0]) + noise * rng.standard_normal(n)


EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1_squared": lambda x1, x2: x1**2,
    "x2_squared": lambda x1, x2: x2**2,
    "product": lambda x1, x2: x1 * x2,
    "sin_x1": lambda x1, x2: np.sin(np.pi * x1),
    "sin_x2": lambda x1, x2: np.sin(np.pi * x2),
}


def inputs_of(z: np.ndarray, features: tuple[str, ...]) -> np.ndarray:
    """Return features, (rows, features), of standardized coordinates, (rows, 1 or 2)."""
    x1, *rest = z.T
    x2 = rest[0] if rest else None
    return np.stack([EXPRESSIONS[name](x1, x2) for name in features], axis=1)


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        name: of the file.
        columns: by name.
        path: where it is, if that is known: a browser does not tell it.
    """

    name: str
    columns: dict[str, Column]
    path: Path | None = None

    @classmethod
    def of_file(cls, path: str | Path) -> Table:
        """Read a file.

        Raises:
            OSError, ValueError: if that is not possible, or it holds too little.
        """
        path = Path(path).resolve()
        return cls(path.name, columns_of(data.read_csv(path)), path).checked()

    @classmethod
    def of_text(cls, name: str, text: str) -> Table:
        """Read what a browser sent.

        Raises:
            ValueError: if that is not possible, or it holds too little.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            path.write_bytes(text.encode("utf-8", "replace"))
            try:
                cells = data.read_csv(path)
            except ValueError as error:
                raise ValueError(str(error).replace(str(path), name)) from None
        return cls(name, columns_of(cells)).checked()

    def checked(self) -> Table:
        """Return the table if there is something to learn in it.

        Raises:
            ValueError: saying what is missing.
        """
        if len(self.features()) < 2 or len(self.columns) < 3:
            raise ValueError(
                f"{self.name} wanted two columns of numbers and a target, got "
                f"{', '.join(f'{name!r} ({column.kind})' for name, column in list(self.columns.items())[:8])}."
            )
        return self

    def features(self) -> list[str]:
        """Return the names of the columns that can be features."""
        return [name for name, column in self.columns.items() if column.numeric]

    def targets(self) -> list[str]:
        """Return the names of the columns that can be targets."""
        return [name for name, column in self.columns.items() if column.kind in ("number", "flag", "text", "mixed")]

    def usual(self, target: str | None = None) -> tuple[str, ...]:
        """Return the columns to begin with: the last possible target, and the first two features beside it.

        Raises:
            ValueError: if the target that was asked for is none, or too few features are left.
        """
        if target is not None and target not in self.targets():
            raise ValueError(f"{self.name} has no target {target!r:.60}: wanted one of {', '.join(self.targets())}.")
        target = target or self.targets()[-1]
        features = [name for name in self.features() if name != target][:2]
        if len(features) < 2:
            raise ValueError(f"{self.name} has fewer than two columns of numbers beside {target!r:.60}.")
        return (*features, target)


@dataclass(frozen=True)
class Problem:
    """What a network is to learn.

    Attributes:
        kind: of the targets, a key of `LOSSES`.
        loss: by name.
        classes: what they are called; None for numbers.
        axes: names of the coordinates.
        features: of the coordinates.
        train: inputs and targets as the loss wants them.
        test: likewise.
        z: standardized coordinates of training and test points.
        y: class numbers, or numbers in their own unit, of training and test points.
        scaler: which standardized the coordinates.
        unit: mean and scale by which numbers were standardized.
        rows: a table's rows that were used: features and target.
        notes: what there is to know, a sentence each.
    """

    kind: str
    loss: str
    classes: tuple[str, ...] | None
    axes: tuple[str, ...]
    features: tuple[str, ...]
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    z: tuple[np.ndarray, np.ndarray]
    y: tuple[np.ndarray, np.ndarray]
    scaler: data.Standardizer
    unit: tuple[float, float] = (0.0, 1.0)
    rows: tuple[np.ndarray, np.ndarray] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        """How many numbers the network gives."""
        return len(self.classes) if self.kind == "classes" and self.classes else 1

    def domain(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest standardized coordinates that are drawn."""
        z = np.concatenate(self.z)
        low, high = z.min(axis=0), z.max(axis=0)
        margin = np.where(high > low, 0.06 * (high - low), 1.0)
        return low - margin, high + margin

    def in_unit(self, z: np.ndarray) -> np.ndarray:
        """Return standardized coordinates in the unit of the data."""
        return self.scaler.mean + z * self.scaler.scale  # type: ignore[operator]


def problem(settings: Settings, table: Table | None = None) -> Problem:
    """Make or read the data, split and standardize them.

    Raises:
        ValueError: in one sentence, if there is no such table, or nothing in it can be learnt.

    >>> found = problem(Settings(points=100))
    >>> found.train[0].shape, found.train[1].shape, found.loss
    ((50, 2), (50, 1), 'binary_cross_entropy')
    """
    seed, notes, rows = settings.seed, [], None
    classes: tuple[str, ...] | None = None
    axes: tuple[str, ...] = ("x₁", "x₂")
    if settings.data == "csv":
        if table is None:
            raise ValueError("there is no CSV file yet: choose one under “your CSV file”.")
        x, y, classes, notes = read(table, settings)
        notes.append(f"x₁ is {settings.columns[0]!r:.60}, x₂ is {settings.columns[1]!r:.60}, both standardized.")
        axes, rows = settings.columns[:2], (x, y)
        if classes is not None:
            y = np.unique(y, return_inverse=True)[1]
    elif settings.data == "sines":
        axes = ("x",)
        x, y = sines(settings.points, noise=settings.noise, rng=seed)
    else:
        make, options = SETS[settings.data]
        x, y = make(settings.points, noise=noise_of(settings), **options, rng=seed)
        classes = tuple(str(k) for k in range(int(y.max()) + 1))
    features = available(settings.features, len(axes))
    (x_train, y_train), (x_test, y_test) = data.split(x, y, test=settings.test, rng=seed)
    scaler = data.Standardizer().fit(x_train)
    z = scaler.transform(x_train), scaler.transform(x_test)
    kind = "numbers" if classes is None else "two classes" if len(classes) == 2 else "classes"
    loss = settings.loss if settings.loss in LOSSES[kind] else LOSSES[kind][0]
    unit = (0.0, 1.0)
    if kind == "numbers" and settings.data == "csv":
        unit = float(y_train.mean()), float(y_train.std()) or 1.0
    train, test = (
        (inputs_of(part, features), aim(targets, kind, loss, unit))
        for part, targets in zip(z, (y_train, y_test), strict=True)
    )
    return Problem(
        kind, loss, classes, axes, features, train, test, z, (y_train, y_test), scaler, unit, rows, notes
    )  # fmt: skip


def noise_of(settings: Settings) -> float:
    """Return the noise as the data set takes it."""
    return round(settings.noise * NOISE.get(settings.data, 1.0), 6)


def available(features: tuple[str, ...], axes: int) -> tuple[str, ...]:
    """Return those of the features that there are; with one coordinate those of x₁."""
    if axes == 2:
        return features
    return tuple(name for name in features if name in ("x1", "x1_squared", "sin_x1")) or ("x1",)


def aim(y: np.ndarray, kind: str, loss: str, unit: tuple[float, float]) -> np.ndarray:
    """Return targets as the loss wants them."""
    if kind == "classes":
        return y
    if kind == "numbers":
        mean, scale = unit
        return ((y - mean) / scale)[:, None] if unit != (0.0, 1.0) else y[:, None]
    return (2 * y - 1 if loss == "hinge" else y)[:, None]


def read(table: Table, settings: Settings) -> tuple[np.ndarray, Any, tuple[str, ...] | None, list[str]]:
    """Return coordinates, targets, names of classes, and notes of the chosen columns of a table.

    Raises:
        ValueError: saying what is wrong with them.
    """
    if len(settings.columns) != 3:
        raise ValueError("choose two columns of numbers as features, and a target.")
    *names, target = settings.columns
    if len(set(settings.columns)) < 3:
        raise ValueError("the two features and the target want three different columns.")
    for name in names:
        if name not in table.features():
            raise ValueError(f"{table.name} has no column of numbers {name!r:.60}: wanted two of {listed(table)}.")
    if target not in table.targets():
        raise ValueError(f"{table.name} has no target {target!r:.60}: wanted one of {', '.join(table.targets())}.")
    (a, b), goal = (table.columns[name] for name in names), table.columns[target]
    good = np.isfinite(a.values) & np.isfinite(b.values) & ~goal.missing
    if goal.numeric:
        good &= np.isfinite(goal.values)
    rows = np.flatnonzero(good)
    notes = []
    if left_out := len(good) - len(rows):
        notes.append(f"{left_out} of {len(good)} rows are left out: a cell is missing or not finite.")
    if len(rows) < FEWEST_ROWS:
        raise ValueError(f"{table.name} has {len(rows)} rows with these three cells, wanted {FEWEST_ROWS} or more.")
    if len(rows) > settings.points:
        notes.append(f"{settings.points} of {len(rows)} rows are used, drawn at random.")
    rows = rows[np.random.default_rng(settings.seed).permutation(len(rows))[: settings.points]]
    x = np.stack([a.values[rows], b.values[rows]], axis=1)
    largest = float(np.abs(x).max())
    if largest > 1e100:
        raise ValueError(f"{table.name} holds {largest:.3g}: numbers up to 1e100 can be standardized.")
    y = goal.values[rows]
    if not goal.numeric:
        y = y.astype(str)
    found = np.unique(y)
    if len(found) < 2:
        raise ValueError(f"the target {target!r:.60} is {str(found[0])!r:.60} in every row: nothing can be learnt.")
    if goal.kind == "number" and len(found) > MOST_CLASSES:
        return x, y, None, notes
    if len(found) > MOST_CLASSES:
        raise ValueError(
            f"the target {target!r:.60} has {len(found)} classes; the playground draws up to {MOST_CLASSES}."
        )
    if settings.test * len(rows) < 1 or (1 - settings.test) * len(rows) < len(found):
        raise ValueError(f"{len(rows)} rows are too few for a test part of {settings.test:.0%}.")
    return x, y, tuple(f"{label:g}" if goal.numeric else str(label) for label in found), notes


def listed(table: Table) -> str:
    return ", ".join(table.features()[:12])

"""Transforms that are fitted on training data, and then applied to any: each can be stored as JSON with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ..functions import one_hot
from .batch import check_finite

__all__ = ["Encoder", "Imputer", "Standardizer", "one_hot"]


class Standardizer:
    """Subtract the mean of each column, and divide by its standard deviation: both those of the training data.

    A constant column becomes 0: it is divided by 1.

    Attributes:
        mean: (columns,), float64; None before `fit`.
        scale: (columns,), the standard deviation (of the rows themselves: divided by n), 1 for constant columns.
        columns: the columns' names, or None.

    >>> x_train, x_test = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 6.0]])
    >>> standardizer = Standardizer().fit(x_train, columns=["age", "constant"])
    >>> standardizer.transform(x_test)
    array([[3., 1.]])
    """

    def __init__(self) -> None:
        self.mean: np.ndarray | None = None
        self.scale: np.ndarray | None = None
        self.columns: list[str] | None = None

    def fit(self, x: Any, columns: Sequence[str] | None = None) -> Self:
        """Compute means and standard deviations of x, (rows, columns), and return the standardizer.

        Raises:
            TypeError, ValueError: if x is no matrix of finite numbers with a row, or the names do not fit.
        """
        x = self._matrix(x)
        if not len(x):
            raise ValueError("Standardizer wanted at least one row to fit, got none.")
        if columns is not None and len(columns) != x.shape[1]:
            raise ValueError(f"Standardizer wanted a name for each of {x.shape[1]} columns, got {len(columns)}.")
        check_finite(x, columns=columns)
        x = x.astype(np.float64)
        low, high = x.min(axis=0), x.max(axis=0)
        size = np.maximum(np.abs(low), np.abs(high))
        size[size == 0] = 1.0
        # Then squares of huge or tiny numbers neither overflow nor vanish; and a constant column is 1, -1 or 0, whose
        # deviation is exactly 0, not the rounding error of a mean.
        x = x / size
        mean = x.mean(axis=0)
        scale = np.sqrt(np.mean((x - mean) ** 2, axis=0)) * size
        self.mean = np.where(low == high, low, mean * size)
        self.scale = np.where(scale == 0, 1.0, scale)
        self.columns = None if columns is None else [str(name) for name in columns]
        return self

    def transform(self, x: Any) -> np.ndarray:
        """Return standardized rows, in the dtype of x if that is a floating point one.

        Raises:
            TypeError, ValueError: if it was not fitted, or x has other columns.
        """
        mean, scale, x = self._fitted(x)
        with np.errstate(over="ignore"):  # far beyond the training data: infinity, as IEEE has it
            return ((x - mean) / scale).astype(float_dtype(x), copy=False)

    def inverse_transform(self, x: Any) -> np.ndarray:
        """Return the rows of which x are the standardized ones.

        Raises:
            TypeError, ValueError: if it was not fitted, or x has other columns.
        """
        mean, scale, x = self._fitted(x)
        return (x * scale + mean).astype(float_dtype(x), copy=False)

    def _fitted(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.mean is None or self.scale is None:
            raise ValueError("the Standardizer was not fitted: call fit(x_train) first.")
        x = self._matrix(x)
        if x.shape[1] != len(self.mean):
            names = f": {', '.join(self.columns)}" if self.columns else ""
            raise ValueError(
                f"Standardizer wanted the {len(self.mean)} columns it was fitted on{names}; got {x.shape}."
            )
        return self.mean, self.scale, x

    @staticmethod
    def _matrix(x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype.kind not in "biuf":
            raise TypeError(f"Standardizer wanted real numbers, got {x.dtype}: data.clean makes numbers of a table.")
        if x.ndim != 2:
            raise ValueError(f"Standardizer wanted (rows, columns), got {x.shape}: for one column write x[:, None].")
        return x

    def to_dict(self) -> dict[str, Any]:
        """Return what was fitted, for JSON.

        Raises:
            ValueError: if it was not fitted.
        """
        if self.mean is None or self.scale is None:
            raise ValueError("the Standardizer was not fitted: call fit(x_train) first.")
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist(), "columns": self.columns}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the standardizer of which `to_dict` returned this.

        Raises:
            ValueError: if this is no such dict.
        """
        check_stored("Standardizer", stored, {"mean", "scale", "columns"})
        made = cls()
        made.mean, made.scale = (np.asarray(stored[key], dtype=np.float64) for key in ("mean", "scale"))
        names = stored["columns"]
        if (
            made.mean.ndim != 1
            or made.mean.shape != made.scale.shape
            or not (np.isfinite(made.mean).all() and np.isfinite(made.scale).all() and (made.scale > 0).all())
            or (names is not None and len(names) != len(made.mean))
        ):
            raise ValueError("the stored Standardizer is damaged: mean, scale and columns do not fit together.")
        made.columns = names if names is None else [str(name) for name in names]
        return made

    def __repr__(self) -> str:
        return "Standardizer()" if self.mean is None else f"Standardizer({len(self.mean)} columns)"


class Imputer:
    """Fill in what is missing in a column with the median, or the most frequent value, of the training data.

    Missing are None and NaN. Of values that are equally frequent the first in sorted order is taken.

    Args:
        strategy: "median" (numbers), or "most_frequent" (anything).

    Attributes:
        value: what is filled in; None before `fit`.

    Raises:
        ValueError: if there is no such strategy.

    >>> Imputer().fit([1.0, 2.0, float("nan"), 9.0]).transform([float("nan"), 5.0])
    array([2., 5.])
    """

    def __init__(self, strategy: str = "median") -> None:
        if strategy not in ("median", "most_frequent"):
            raise ValueError(f"Imputer wanted strategy 'median' or 'most_frequent', got {strategy!r}.")
        self.strategy = strategy
        self.value: Any = None

    def fit(self, column: Any) -> Self:
        """Find the value to fill in, and return the imputer.

        Raises:
            TypeError: if the median of something other than numbers is wanted.
            ValueError: if everything is missing.
        """
        column = as_column("Imputer", column)
        present = column[~missing_in(column)]
        if not len(present):
            raise ValueError(f"Imputer wanted at least one value to fit, got a column with {len(column)} missing ones.")
        if self.strategy == "most_frequent":
            values, counts = np.unique(present, return_counts=True)
            self.value = plain_value(values[counts.argmax()])
        else:
            try:
                self.value = float(np.median(present.astype(np.float64)))
            except (TypeError, ValueError):
                raise TypeError(
                    f"the median wanted numbers, got {plain_value(present[0])!r}: use 'most_frequent' for text."
                ) from None
        return self

    def transform(self, column: Any) -> np.ndarray:
        """Return a copy of the column without gaps.

        Raises:
            ValueError: if it was not fitted.
        """
        if self.value is None:
            raise ValueError("the Imputer was not fitted: call fit(column) first.")
        column = as_column("Imputer", column).copy()
        column[missing_in(column)] = self.value
        return column

    def to_dict(self) -> dict[str, Any]:
        """Return what was fitted, for JSON.

        Raises:
            ValueError: if it was not fitted.
        """
        if self.value is None:
            raise ValueError("the Imputer was not fitted: call fit(column) first.")
        return {"strategy": self.strategy, "value": self.value}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the imputer of which `to_dict` returned this.

        Raises:
            ValueError: if this is no such dict.
        """
        check_stored("Imputer", stored, {"strategy", "value"})
        made = cls(stored["strategy"])
        made.value = stored["value"]
        return made

    def __repr__(self) -> str:
        return f"Imputer({self.strategy!r})" if self.value is None else f"Imputer({self.strategy!r}, {self.value!r})"


class Encoder:
    """Turn a column of categories into columns of 0 and 1, one for each category of the training data.

    Args:
        unknown: what to do with a category that `fit` did not see: "error", or "zeros" in all columns.
        max_categories: keep the most frequent ones only, and pool the rest, and unknown ones, in a last column "other".

    Attributes:
        categories: in sorted order; None before `fit`.
        other: is there a column "other"?

    Raises:
        ValueError: if unknown or max_categories is something else.

    >>> encoder = Encoder().fit(["red", "green", "red"])
    >>> encoder.columns("color")
    ['color=green', 'color=red']
    >>> encoder.transform(["red", "green"])
    array([[0., 1.],
           [1., 0.]])
    """

    def __init__(self, unknown: str = "error", max_categories: int | None = None) -> None:
        check_unknown(unknown)
        if max_categories is not None and max_categories < 1:
            raise ValueError(f"Encoder wanted max_categories of 1 or more, got {max_categories}.")
        self.unknown = unknown
        self.max_categories = max_categories
        self.categories: list[Any] | None = None
        self.other = False

    def fit(self, column: Any) -> Self:
        """Find the categories, and return the encoder.

        Raises:
            ValueError: if a cell is missing, or there is none.
        """
        column = self._present(column)
        if not len(column):
            raise ValueError("Encoder wanted at least one value to fit, got none.")
        values, counts = np.unique(column, return_counts=True)
        self.other = self.max_categories is not None and len(values) > self.max_categories
        if self.other:
            values = values[np.sort(np.argsort(-counts, kind="stable")[: self.max_categories])]
        self.categories = [plain_value(value) for value in values]
        return self

    def transform(self, column: Any, *, unknown: str | None = None) -> np.ndarray:
        """Return (rows, categories): a 1 in the column of the row's category.

        Args:
            column: values.
            unknown: overrides that of the encoder.

        Raises:
            ValueError: if it was not fitted, a cell is missing, or a category is unknown.
        """
        if self.categories is None:
            raise ValueError("the Encoder was not fitted: call fit(column) first.")
        place = {category: number for number, category in enumerate(self.categories)}
        width = len(place) + self.other
        cells = [plain_value(cell) for cell in self._present(column)]
        numbers = np.array([place.get(cell, len(place)) for cell in cells], dtype=int)
        strange = sorted({str(cell) for cell in cells if cell not in place})
        if strange and not self.other and check_unknown(unknown or self.unknown) == "error":
            raise ValueError(
                f"the Encoder knows {short(map(str, self.categories))}, got {short(strange)}: correct these cells, or "
                "write unknown='zeros'."
            )
        return (numbers[:, None] == np.arange(width)).astype(float)

    def columns(self, name: str) -> list[str]:
        """Return the names of the columns that `transform` makes of a column of this name.

        Raises:
            ValueError: if it was not fitted.
        """
        if self.categories is None:
            raise ValueError("the Encoder was not fitted: call fit(column) first.")
        made = [f"{name}={category}" for category in self.categories]
        if self.other:
            other = "other"
            while f"{name}={other}" in made:
                other = f"any {other}"
            made.append(f"{name}={other}")
        return made

    @staticmethod
    def _present(column: Any) -> np.ndarray:
        column = as_column("Encoder", column)
        gaps = int(missing_in(column).sum())
        if gaps:
            raise ValueError(
                f"Encoder wanted a category in each row, got {gaps} missing: fill them in with an Imputer."
            )
        return column

    def to_dict(self) -> dict[str, Any]:
        """Return what was fitted, for JSON.

        Raises:
            ValueError: if it was not fitted.
        """
        if self.categories is None:
            raise ValueError("the Encoder was not fitted: call fit(column) first.")
        return {
            "categories": self.categories,
            "other": self.other,
            "unknown": self.unknown,
            "max_categories": self.max_categories,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the encoder of which `to_dict` returned this.

        Raises:
            ValueError: if this is no such dict.
        """
        check_stored("Encoder", stored, {"categories", "other", "unknown", "max_categories"})
        made = cls(stored["unknown"], stored["max_categories"])
        made.categories, made.other = list(stored["categories"]), bool(stored["other"])
        return made

    def __repr__(self) -> str:
        return "Encoder()" if self.categories is None else f"Encoder({short(map(str, self.categories))})"


def as_column(name: str, column: Any) -> np.ndarray:
    """Return a column as an array; text as objects, so that a longer word fits into its place."""
    array = np.asarray(column)
    if array.ndim != 1:
        raise ValueError(f"{name} wanted one column, of shape (rows,), got {array.shape}: apply it to each column.")
    return np.array(list(column), dtype=object) if array.dtype.kind in "US" else array


def missing_in(column: np.ndarray) -> np.ndarray:
    """Return where None or NaN stands."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "O":
        return np.array([cell is None or (isinstance(cell, float) and cell != cell) for cell in column], dtype=bool)
    return np.zeros(column.shape, dtype=bool)


def plain_value(value: Any) -> Any:
    """Return a NumPy scalar as the Python object that JSON knows."""
    return value.item() if isinstance(value, np.generic) else value


def float_dtype(x: np.ndarray) -> np.dtype:
    return x.dtype if x.dtype.kind == "f" else np.dtype(float)


def check_unknown(unknown: str) -> str:
    if unknown not in ("error", "zeros"):
        raise ValueError(f"unknown wanted 'error' or 'zeros', got {unknown!r}.")
    return unknown


def check_stored(name: str, stored: Any, keys: set[str]) -> None:
    if not isinstance(stored, dict) or set(stored) != keys:
        came = sorted(stored) if isinstance(stored, dict) else type(stored).__name__
        raise ValueError(f"{name} wanted a stored dict with {sorted(keys)}, got {came}.")


def short(names: Any, most: int = 5) -> str:
    """Return the first few of some names, texts quoted, numbers not."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(x) if isinstance(x, (int, float, np.number)) else repr(str(x)) for x in names[:most]) + more

"""Cleaning: from a table to arrays, and the passport that does the same to new rows when a prediction is wanted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..value import Value
from . import finding, trait
from .frame import Column, as_kind, missing_texts, read_frame, typed
from .report import examined
from .transform import Encoder, Imputer, Standardizer, check_stored, check_unknown, short

__all__ = ["Input", "Passport", "Table", "clean"]

DAY = np.timedelta64(1, "D")
# Findings without whose cure there are no arrays.
IN_THE_WAY = (
    finding.mixed_types,
    finding.written_numbers,
    finding.dates,
    finding.missing_target,
    finding.infinite_cells,
)


@dataclass(frozen=True)
class Input:
    """What is done to one column of a table.

    Attributes:
        name: of the column.
        kind: "number", "flag", "date" or "text".
        imputer: fills in what is missing.
        encoder: of text, makes columns of 0 and 1; otherwise None.
        origin: of dates, the day from which days are counted, as ISO text; otherwise None.
    """

    name: str
    kind: str
    imputer: Imputer
    encoder: Encoder | None = None
    origin: str | None = None

    @classmethod
    def fitted(cls, column: Column, max_categories: int | None) -> Self:
        """Fit to a column of the training data."""
        if column.kind == "text":
            imputer = Imputer("most_frequent").fit(column.values)
            encoder = Encoder(max_categories=max_categories).fit(imputer.transform(column.values))
            return cls(column.name, column.kind, imputer, encoder)
        origin = None
        if column.kind == "date":
            origin = str(column.values[~column.missing].min().astype("datetime64[D]"))
        strategy = "most_frequent" if column.kind == "flag" else "median"
        return cls(column.name, column.kind, Imputer(strategy).fit(numbers_in(column, origin)), None, origin)

    @property
    def columns(self) -> list[str]:
        """The names of the columns that are made of it."""
        return [self.name] if self.encoder is None else self.encoder.columns(self.name)

    def transform(self, column: Column, unknown: str = "error") -> np.ndarray:
        """Return (rows, columns), without gaps.

        Raises:
            ValueError: if there is a category that the training data had not, naming the column.
        """
        if self.encoder is None:
            return self.imputer.transform(numbers_in(column, self.origin))[:, None]
        try:
            return self.encoder.transform(self.imputer.transform(column.values), unknown=unknown)
        except ValueError as error:
            raise ValueError(f"column {self.name!r}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return what was fitted, for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "imputer": self.imputer.to_dict(),
            "encoder": None if self.encoder is None else self.encoder.to_dict(),
            "origin": self.origin,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the input of which `to_dict` returned this.

        Raises:
            ValueError: if this is no such dict.
        """
        check_stored("Input", stored, {"name", "kind", "imputer", "encoder", "origin"})
        if stored["kind"] not in ("number", "flag", "date", "text") or (stored["kind"] == "text") != bool(
            stored["encoder"]
        ):
            raise ValueError(f"the stored input {stored['name']!r} is damaged: kind {stored['kind']!r}.")
        encoder = None if stored["encoder"] is None else Encoder.from_dict(stored["encoder"])
        return cls(stored["name"], stored["kind"], Imputer.from_dict(stored["imputer"]), encoder, stored["origin"])


@dataclass(frozen=True)
class Passport:
    """All that was fitted to the training data: it makes of a new table what the model was trained on.

    Attributes:
        inputs: what is done to each column, in the order of the training data.
        scaler: standardizes numbers and dates; None if that was not wanted.
        target: the name of the target, or None.
        task: "classification", "regression", or None without a target.
        classes: the labels, in the order of the class numbers; None unless the task is classification.
        dropped: the columns that were left out, with the reason.
        missing: texts that stand for a missing cell, beside the usual ones.
        dtype: of the arrays.
    """

    inputs: tuple[Input, ...]
    scaler: Standardizer | None
    target: str | None = None
    task: str | None = None
    classes: tuple[Any, ...] | None = None
    dropped: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    dtype: str = "float32"

    @property
    def columns(self) -> list[str]:
        """The names of the columns of the arrays, such as "income" and "color=red"."""
        return [name for part in self.inputs for name in part.columns]

    @property
    def scaled(self) -> np.ndarray:
        """Which columns of the arrays are standardized: numbers and dates, not the 0 and 1 of flags and categories."""
        return np.array([part.kind in ("number", "date") for part in self.inputs for _ in part.columns], dtype=bool)

    def apply(self, frame: Any, *, unknown: str = "error") -> np.ndarray:
        """Return the inputs of a new table as an array (rows, columns).

        Args:
            frame: a table with the columns of the training data, in any order; others are ignored.
            unknown: what to do with a category that the training data had not: "error", or "zeros".

        Raises:
            ValueError: if a column is missing or renamed, or a cell is of another type, naming it.
        """
        check_unknown(unknown)
        cells = read_frame(frame)
        if lacking := [part.name for part in self.inputs if part.name not in cells]:
            raise ValueError(lacking_columns(lacking, list(cells)))
        tokens = missing_texts(self.missing)
        return self._arrays({p.name: as_kind(p.name, cells[p.name], p.kind, tokens) for p in self.inputs}, unknown)

    def _arrays(self, columns: dict[str, Column], unknown: str) -> np.ndarray:
        x = np.concatenate([part.transform(columns[part.name], unknown) for part in self.inputs], axis=1)
        if self.scaler is not None and self.scaled.any():
            x[:, self.scaled] = self.scaler.transform(x[:, self.scaled])
        return rounded(x, self.dtype)

    def labels(self, numbers: Any) -> np.ndarray:
        """Return the labels of class numbers, such as those that argmax gives.

        Raises:
            ValueError: if there are no classes, or not so many.
        """
        if self.classes is None:
            raise ValueError("there are no classes: the target is a number.")
        numbers = np.asarray(numbers)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self.classes):
            raise ValueError(f"labels wanted class numbers from 0 to {len(self.classes) - 1}, got {numbers.max()}.")
        return np.array(self.classes)[numbers]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts and lists, for JSON."""
        return {
            "inputs": [part.to_dict() for part in self.inputs],
            "scaler": None if self.scaler is None else self.scaler.to_dict(),
            "target": self.target,
            "task": self.task,
            "classes": None if self.classes is None else list(self.classes),
            "dropped": dict(self.dropped),
            "missing": list(self.missing),
            "dtype": self.dtype,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the passport of which `to_dict` returned this.

        Raises:
            ValueError: if this is no such dict.
        """
        keys = {"inputs", "scaler", "target", "task", "classes", "dropped", "missing", "dtype"}
        check_stored("Passport", stored, keys)
        try:
            made = cls(
                inputs=tuple(Input.from_dict(part) for part in stored["inputs"]),
                scaler=None if stored["scaler"] is None else Standardizer.from_dict(stored["scaler"]),
                target=stored["target"],
                task=stored["task"],
                classes=None if stored["classes"] is None else tuple(stored["classes"]),
                dropped=dict(stored["dropped"]),
                missing=tuple(stored["missing"]),
                dtype=float_name(stored["dtype"]),
            )
        except TypeError as error:
            raise ValueError(f"the stored Passport is damaged: {error}.") from None
        scaled = [name for name, is_scaled in zip(made.columns, made.scaled, strict=True) if is_scaled]
        if made.scaler is not None and made.scaler.columns != scaled:
            raise ValueError("the stored Passport is damaged: inputs and scaler have different columns.")
        return made


@dataclass(frozen=True, eq=False)
class Table:
    """A table made into arrays, which remembers what its columns are called. Unpack it: ``x, y = table``.

    Attributes:
        x: the inputs, (rows, columns).
        y: class numbers (int64), numbers (the dtype of x), or None without a target.
        passport: what was fitted; `apply` makes arrays of new rows with it.
        rows: for each row of x its number in the table that was cleaned.
        notes: what was done, a sentence each.
    """

    x: np.ndarray
    y: np.ndarray | None
    passport: Passport
    rows: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The names of the columns of x, such as "income" and "color=red"."""
        return self.passport.columns

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels, in the order of the class numbers; None unless the task is classification."""
        return self.passport.classes

    @property
    def task(self) -> str | None:
        """The kind of prediction: "classification", "regression", or None without a target."""
        return self.passport.task

    def __iter__(self) -> Any:
        return iter((self.x, self.y))

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.x)

    def apply(self, frame: Any, *, unknown: str = "error") -> np.ndarray:
        """Return the inputs of a new table: see `Passport.apply`."""
        return self.passport.apply(frame, unknown=unknown)

    def values(self, row: int) -> list[Value]:
        """Return one row of x as scalar Values that are named after their columns, for graphs and pictures."""
        return [Value(float(cell), name=name) for cell, name in zip(self.x[row], self.columns, strict=True)]

    def part(self, rows: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return x and y of rows of the table that was cleaned, by their number there, or a mask.

        Rows that were left out, since they repeat another or lack the target, are left out here too.
        """
        wanted = row_numbers(rows, None)
        place = {int(row): number for number, row in enumerate(self.rows)}
        chosen = [place[int(row)] for row in wanted if int(row) in place]
        return self.x[chosen], None if self.y is None else self.y[chosen]

    def __repr__(self) -> str:
        target = "" if self.passport.target is None else f" → {self.passport.target}"
        classes = "" if self.classes is None else f" ({short(self.classes)})"
        return f"Table({len(self)} rows: {', '.join(self.columns)}{target}{classes})"


def clean(
    frame: Any,
    target: str | None = None,
    *,
    fit_on: Any = None,
    task: str | None = None,
    keep: Iterable[str] = (),
    drop: Iterable[str] = (),
    missing: Iterable[str] = (),
    duplicates: str | None = None,
    standardize: bool = True,
    max_categories: int | None = finding.MAX_CATEGORIES,
    dtype: Any = np.float32,
) -> Table:
    """Make arrays of a table: fill in gaps, expand text, count days, drop what tells nothing, standardize.

    Whatever is learnt from the data for this (types, which columns are dropped, medians, categories, means) is learnt
    from the rows `fit_on`. Give the training rows there, or clean the training table and `apply` it to the test table.

    Args:
        frame: a pandas, polars or pyarrow table, a dict of columns, a list of dicts, a structured array, or the path of
            a CSV file.
        target: the name of the column to predict. Rows that lack it are left out.
        fit_on: numbers of the training rows, or a mask; all rows if left out.
        task: "classification" or "regression"; found out from the target if left out.
        keep: columns that are not dropped as identifiers or copies.
        drop: columns to leave out.
        missing: more texts that stand for a missing cell, such as "unknown".
        duplicates: "drop" rows that repeat an earlier one, or "keep" them. If left out they are dropped, unless there
            are so few different values that repeated rows are to be expected.
        standardize: subtract the mean of number columns, and divide by their standard deviation?
        max_categories: of a text column; less frequent ones are pooled. None: all.
        dtype: floating point dtype of the arrays.

    Raises:
        TypeError: if the frame is no table.
        ValueError: if a column mixes numbers and text, no column is left, or a name is not that of a column.

    >>> table = clean(
    ...     {"income": [10.0, None, 30.0], "color": ["red", "blue", "red"], "buys": ["no", "yes", "no"]}, "buys"
    ... )
    >>> table
    Table(3 rows: income, color=blue, color=red → buys ('no', 'yes'))
    >>> table.apply([{"color": "blue", "income": 20.0}])
    array([[0., 1., 0.]], dtype=float32)
    """
    if duplicates not in (None, "drop", "keep"):
        raise ValueError(f"duplicates wanted 'drop', 'keep' or None, got {duplicates!r}.")
    missing = missing if isinstance(missing, str) else tuple(missing)
    tokens, keep, drop, dtype = missing_texts(missing), tuple(keep), tuple(drop), float_name(dtype)
    cells = read_frame(frame)
    count = len(next(iter(cells.values())))
    fitted = np.arange(count) if fit_on is None else row_numbers(fit_on, count)
    train = {name: typed(name, column[fitted], tokens) for name, column in cells.items()}
    seen = examined(train, target, task, keep, drop)
    refuse(seen)
    dropped = {**dict.fromkeys(drop, "not wanted"), **useless(seen)}
    full = {name: as_kind(name, cells[name], c.kind, tokens) for name, c in seen.all.items() if name not in dropped}
    notes = [f"{name!r} was dropped: {reason}" for name, reason in dropped.items()]

    kept = np.ones(count, dtype=bool) if target is None else ~full[target].missing
    if not kept.all():
        notes.append(f"{int((~kept).sum())} rows without {target!r} were left out")
    repeated = repeats(full, fitted, kept, duplicates)
    if repeated.any():
        notes.append(f"{int(repeated.sum())} rows that repeat an earlier one were left out")
    rows = np.flatnonzero(kept & ~repeated)
    table = {name: chosen(column, rows) for name, column in full.items()}
    training = np.flatnonzero(np.isin(rows, fitted))

    inputs = tuple(
        Input.fitted(chosen(column, training), max_categories) for name, column in table.items() if name != target
    )
    passport = Passport(inputs, None, target, seen.task, None, dropped, tuple(map(str, missing)), "float64")
    x = passport._arrays(table, "zeros")
    scaler = None
    if standardize:
        scaled = passport.scaled
        scaler = Standardizer().fit(x[training][:, scaled], np.array(passport.columns, dtype=object)[scaled].tolist())
        x[:, scaled] = scaler.transform(x[:, scaled])
    y, classes = (None, None) if target is None else targets(table[target], training, seen.task, dtype)
    passport = Passport(inputs, scaler, target, seen.task, classes, dropped, tuple(map(str, missing)), dtype)
    if len(set(passport.columns)) < len(passport.columns):
        raise ValueError(f"two inputs would have one name among {short(passport.columns, 20)}: rename a column.")
    return Table(rounded(x, dtype), y, passport, rows, tuple(notes))


def refuse(table: finding.Examined) -> None:
    """Refuse a table that cannot be made into arrays without a decision of the user.

    Raises:
        ValueError: with the findings and their cures.
    """
    found = [f for check in (*IN_THE_WAY, finding.no_inputs) for f in check(table) if f.severity == "error"]
    found += [f for f in finding.target_itself(table) if "holds dates" in f.message]
    if found:
        raise ValueError("; ".join(map(str, found)) + ".")


def useless(table: finding.Examined) -> dict[str, str]:
    """Return the columns that tell nothing, with the reason."""
    found: dict[str, str] = {}
    for name, column in table.inputs.items():
        if column.kind == "empty":
            found[name] = "it has no value"
        elif trait.constant(column):
            found[name] = "it is the same in every row"
        elif reason := finding.is_identifier(table, column):
            found[name] = f"it only names its row ({reason})"
    left = {name: column for name, column in table.inputs.items() if name not in found}
    copied = trait.copies(left).items()
    return {**found, **{name: f"it equals {first!r}" for name, first in copied if name not in table.keep}}


def repeats(columns: dict[str, Column], fitted: np.ndarray, kept: np.ndarray, duplicates: str | None) -> np.ndarray:
    """Return which rows to leave out since they repeat another; a training row never yields to another row."""
    found = np.zeros(len(kept), dtype=bool)
    training = {name: chosen(column, fitted) for name, column in columns.items()}
    if duplicates == "keep" or (duplicates is None and trait.expected_repeats(training)):
        return found
    order = np.concatenate([fitted, np.setdiff1d(np.arange(len(kept)), fitted)])
    order = order[kept[order]]
    found[order] = trait.repeated_rows({name: chosen(column, order) for name, column in columns.items()})
    return found


def targets(column: Column, training: np.ndarray, task: str | None, dtype: str) -> tuple[np.ndarray, Any]:
    """Return y, and the classes if the task is classification.

    Raises:
        ValueError: if a class is not among the training rows.
    """
    if task == "regression":
        return column.values.astype(dtype), None
    labels = np.unique(column.values[training])
    strange = np.setdiff1d(column.values, labels)
    if len(strange):
        raise ValueError(
            f"the target {column.name!r} has the classes {short(strange)} only outside of the training rows: split "
            "with stratify=, or leave these rows out."
        )
    y = np.searchsorted(labels, column.values).astype(np.int64)
    if column.kind == "flag":
        return y, tuple(bool(label) for label in labels)
    if column.kind == "number":
        return y, tuple(int(label) if label.is_integer() else label for label in labels.tolist())
    return y, tuple(labels.tolist())


def numbers_in(column: Column, origin: str | None) -> np.ndarray:
    """Return numbers, flags or days as float64, with NaN for what is missing or infinite."""
    if origin is None:
        return np.where(np.isfinite(column.values), column.values, np.nan)
    days = (column.values - np.datetime64(origin)) / DAY
    return np.where(column.missing, np.nan, days)


def chosen(column: Column, rows: np.ndarray) -> Column:
    """Return some rows of a column."""
    return Column(column.name, column.kind, column.values[rows], column.strange)


def row_numbers(rows: Any, count: int | None) -> np.ndarray:
    """Return row numbers, of row numbers or a mask; each once, and in range."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.ndim != 1 or (count is not None and len(rows) != count):
            raise ValueError(f"a mask wanted one flag for each of {count} rows, got shape {rows.shape}.")
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu":
        raise ValueError(f"wanted row numbers, at least one, got {rows.dtype} of shape {rows.shape}.")
    if rows.min() < 0 or (count is not None and rows.max() >= count):
        last = "…" if count is None else count - 1
        raise ValueError(f"row numbers go from 0 to {last}, got {rows.min()} to {rows.max()}.")
    return rows if count is None else np.unique(rows)


def lacking_columns(lacking: list[str], present: list[str]) -> str:
    """Say which columns are missing, and which may be the same under another name."""
    said = []
    for name in lacking:
        close = difflib.get_close_matches(name, present, 1) or [p for p in present if p.strip().lower() == name.lower()]
        said.append(f"{name!r}" + (f" (renamed to {close[0]!r}?)" if close else ""))
    return f"the table lacks {', '.join(said)}, which the training data had; its columns are {short(present, 20)}."


def float_name(dtype: Any) -> str:
    """Return the name of a floating point dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise ValueError(f"dtype wanted a floating point dtype, got {dtype}.")
    return dtype.name


def rounded(x: np.ndarray, dtype: str) -> np.ndarray:
    """Return numbers in a dtype; those beyond its range become its largest: a finite table gives finite arrays."""
    largest = np.finfo(dtype).max
    return np.clip(x, -float(largest), float(largest)).astype(dtype)

"""What can be said of a column: constant, identifier, copy, giving the target away. Report and cleaning ask here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import numpy as np

from .frame import WRITTEN_NUMBER, Column

__all__ = [
    "codes",
    "constant",
    "copies",
    "distinct",
    "expected_repeats",
    "gives_away",
    "identifier",
    "repeated_rows",
    "task_of",
    "written_numbers",
]

ENOUGH = 20  # rows from which on a perfect rule is hardly chance
COMMON = 5  # rows from which on a class counts: one or two rows lie at the edge of some column by chance
PURE = 0.99  # share of the target that a column must explain to give it away
ID_NAME = re.compile(r"(^|[_\s-])(id|uuid|guid|key|index|nr|no|number|rownum)$|Id$|ID$")


def codes(column: Column) -> np.ndarray:
    """Return a number from 0 on for each distinct value, -1 for a missing one."""
    found = np.full(len(column.values), -1)
    there = ~column.missing
    if there.any():
        found[there] = np.unique(column.values[there], return_inverse=True)[1]
    return found


def distinct(column: Column) -> int:
    """Return the number of distinct values, missing ones not counted."""
    return int(codes(column).max(initial=-1)) + 1


def constant(column: Column) -> bool:
    """Is there one value only, and no gap that could tell something?"""
    return distinct(column) == 1 and not column.missing.any()


def identifier(column: Column, others: int) -> str | None:
    """Say why a column only names its row; None if it does not. `others` is the number of other inputs."""
    rows = len(column.values)
    present = int((~column.missing).sum())
    if rows < 10 or column.kind not in ("number", "text"):
        return None
    if column.kind == "text":
        if written_numbers(column):
            return None  # "1,5", "2,25": hardly any two are equal, and they are not names
        count = distinct(column)
        return f"{count} different texts in {present} rows" if count > 0.95 * present else None
    values = column.values
    if present < rows or not np.isfinite(values).all() or (values != np.round(values)).any() or distinct(column) < rows:
        return None
    if ID_NAME.search(column.name):
        return "its name, and a different whole number in each row"
    steps = np.diff(values)
    if others and values[0] in (0, 1) and (steps == 1).all():
        return "it counts the rows"
    # The training part of such a column: split keeps the order of the rows, and leaves some out.
    part = 0 <= values[0] <= max(1, rows / 20) and values[-1] <= 2 * rows and steps.min() >= 1 and np.median(steps) == 1
    return "it counts rows, of which some are left out" if others and part else None


def written_numbers(column: Column) -> bool:
    """Are all texts numbers, written with commas, separators or signs that Python does not read?"""
    texts = [cell for cell in column.values if cell is not None]
    return column.kind == "text" and bool(texts) and all(WRITTEN_NUMBER.fullmatch(text) for text in texts)


def copies(columns: Mapping[str, Column]) -> dict[str, str]:
    """Return the columns that equal an earlier one, with its name."""
    seen: dict[bytes, str] = {}
    found = {}
    for name, column in columns.items():
        key = content(column)
        if key in seen:
            found[name] = seen[key]
        else:
            seen[key] = name
    return found


def content(column: Column) -> bytes:
    """Return bytes that are equal for equal columns."""
    if column.values.dtype == object:
        return repr([None if cell is None else str(cell) for cell in column.values]).encode()
    if column.values.dtype.kind == "f":
        values = np.where(column.missing, np.nan, column.values + 0.0)  # -0.0 + 0.0 is 0.0
        return b"number" + values.tobytes()
    return b"date" + column.values.tobytes()


def repeated_rows(columns: Mapping[str, Column]) -> np.ndarray:
    """Return, for each row, whether an equal one stands above it."""
    table = np.stack([codes(column) for column in columns.values()], axis=1)
    first = np.unique(table, axis=0, return_index=True)[1]
    repeated = np.ones(len(table), dtype=bool)
    repeated[first] = False
    return repeated


def expected_repeats(columns: Mapping[str, Column]) -> bool:
    """Are equal rows no surprise, since there are few combinations of values?

    Then they are not mistakes: how often a combination occurs is information. Two rows agree by chance with the
    product, over columns, of the probability that cells agree, which is estimated from the rows that are no repeats.
    """
    repeated = repeated_rows(columns)
    once, rows = int((~repeated).sum()), len(repeated)
    pairs = rows * (rows - 1) / 2
    for column in columns.values():
        counts = np.unique(codes(column)[~repeated], return_counts=True)[1]
        pairs *= np.sum(counts * (counts - 1.0)) / (once * (once - 1)) if once > 1 else 1.0
    return bool(pairs > 0.1 * max(1, repeated.sum()))


def task_of(target: Column) -> str:
    """Return "classification" for text, flags, and few different whole numbers; otherwise "regression"."""
    if not target.numeric:
        return "classification"
    values = target.values[~target.missing]
    kinds = distinct(target)
    few = kinds <= 20 and 5 * kinds <= len(values) and bool((values == np.round(values)).all())
    return "classification" if kinds <= 2 or few or target.kind == "flag" else "regression"


def gives_away(column: Column, target: Column, task: str) -> str | None:
    """Say how a column determines the target, or nearly does; None if it does not."""
    known = ~target.missing
    if task == "regression":
        return determines_number(column, target, known)
    y = codes(target)
    known &= (np.bincount(y + 1) >= COMMON)[y + 1]
    if int(known.sum()) < ENOUGH or len(np.unique(y[known])) < 2:
        return None
    gaps = column.missing
    if recall(np.where(gaps, 1, 0)[known], y[known]) >= PURE:
        return "whether the cell is missing tells the target"
    both = known & ~gaps
    if int(both.sum()) < ENOUGH or len(np.unique(y[both])) < 2:
        return None
    groups = codes(column)[both]
    if 5 * len(np.unique(groups)) <= len(groups) and recall(groups, y[both]) >= PURE:
        return "each of its values goes with one class"
    if column.kind in ("number", "date") and recall(intervals(column.values[both], y[both]), y[both]) >= PURE:
        return "a threshold on it separates the classes"
    return None


def recall(groups: np.ndarray, y: np.ndarray) -> float:
    """Return the mean share, over classes, of rows that the most frequent class of their group names rightly."""
    labels, y = np.unique(y, return_inverse=True)
    names, groups = np.unique(groups, return_inverse=True)
    table = np.zeros((len(names), len(labels)))
    np.add.at(table, (groups, y), 1)
    said = table.argmax(axis=1)[groups]
    return float(np.mean([np.mean(said[y == label] == label) for label in range(len(labels))]))


def intervals(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the interval in which each value lies, with the best threshold between neighboring classes."""
    x = x.astype(np.float64)
    labels = sorted(np.unique(y), key=lambda label: float(np.median(x[y == label])))
    cuts = []
    for low, high in itertools.pairwise(labels):
        values, place = np.unique(x[(y == low) | (y == high)], return_inverse=True)
        pair = y[(y == low) | (y == high)]
        if len(values) < 2:
            continue
        below = np.cumsum(np.bincount(place, pair == low, len(values)))
        above = (pair == high).sum() - np.cumsum(np.bincount(place, pair == high, len(values)))
        best = int(np.argmax((below / below[-1] + above / max(1, (pair == high).sum()))[:-1]))
        cuts.append(values[best] / 2 + values[best + 1] / 2)
    return np.digitize(x, np.sort(cuts))


def determines_number(column: Column, target: Column, known: np.ndarray) -> str | None:
    """Say how a column determines a target that is a number."""
    both = known & ~column.missing
    if column.values.dtype.kind == "f":
        both &= np.isfinite(column.values)
    both &= np.isfinite(target.values)
    y = target.values[both]
    if len(y) < 10 or len(np.unique(y)) < 3:
        return None
    if column.numeric:
        x = column.values[both]
        if np.array_equal(x, y):
            return "it is equal to the target"
        if abs(correlation(x, y)) > 0.9999:
            return "the target is a straight line over it"
        if len(np.unique(x)) == len(x) and abs(correlation(ranks(x), ranks(y))) > 0.9999 and len(y) >= ENOUGH:
            return "the target rises, or falls, with it without exception"
    groups = codes(column)[both]
    names, groups = np.unique(groups, return_inverse=True)
    if len(y) >= ENOUGH and 5 * len(names) <= len(y):
        y = y / (np.abs(y).max() or 1.0)  # so that squares of huge numbers do not overflow
        mean = np.bincount(groups, y) / np.bincount(groups)
        if np.sum((y - mean[groups]) ** 2) <= 1e-4 * np.sum((y - y.mean()) ** 2):
            return "each of its values goes with one target"
    return None


def ranks(x: np.ndarray) -> np.ndarray:
    """Return the place of each value in sorted order; equal values share one."""
    return np.unique(x, return_inverse=True)[1].astype(np.float64)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation, 0 for a constant column."""
    x, y = (v / (np.abs(v).max() or 1.0) for v in (x, y))
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt(np.sum(x * x) * np.sum(y * y))
    return float(np.sum(x * y) / length) if length > 0 else 0.0

"""What happened during training: a row for each epoch, how it ended, and under which conditions it can be repeated."""

from __future__ import annotations

import csv
import functools
import html
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

__all__ = ["History", "environment", "larger_is_better"]

SHOWN = 12  # rows of a table on the screen
LARGER = ("accuracy", "r2", "f1", "precision", "recall", "auc", "score")


def larger_is_better(name: str) -> bool:
    """Is a larger number of this name a better one? Accuracies and scores are, losses and errors are not."""
    return name.removeprefix("validation_").rpartition("_")[2] in LARGER


class History(Sequence[dict[str, Any]]):
    """A row for each epoch: epoch, loss, metrics, the same on validation data, learning rate, seconds.

    Attributes:
        stopped: why training ended, as a sentence.
        seed: of `fit`; the same seed gives the same result under the same environment.
        environment: versions, back end and number of threads.
        gradients: what `plot.GradientRatios` recorded in the run, a dict for each step; empty without it.

    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.7, "accuracy": 0.5})
    >>> history.append({"epoch": 2, "loss": 0.3, "accuracy": 0.9})
    >>> history
    epoch  loss  accuracy
        1   0.7       0.5
        2   0.3       0.9
    >>> history["loss"]
    array([0.7, 0.3])
    >>> history.best("accuracy")["epoch"]
    2
    """

    def __init__(self, rows: Sequence[dict[str, Any]] = (), *, seed: Any = None, stopped: str = "") -> None:
        self.rows = [dict(row) for row in rows]
        self.seed = seed
        self.stopped = stopped
        self.environment: dict[str, Any] = {}
        self.gradients: list[dict[str, float]] = []

    def append(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self.rows.append(dict(row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, Any]]: ...  # type: ignore[override]
    @overload
    def __getitem__(self, key: str) -> np.ndarray: ...  # type: ignore[override]
    def __getitem__(self, key: Any) -> Any:
        """Return a row by position, or a column by name, with NaN where a row has no such entry.

        Raises:
            KeyError: if there is no such column, naming those there are.
        """
        if not isinstance(key, str):
            return self.rows[key]
        if key not in self.columns:
            raise KeyError(f"no column {key!r}: there are {', '.join(self.columns) or 'no rows yet'}.")
        return np.array([row.get(key, math.nan) for row in self.rows])

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def best(self, monitor: str | None = None) -> dict[str, Any]:
        """Return the row of the best epoch, the first one of equals.

        Args:
            monitor: name of a column; by default the validation loss, or the loss where there is none.

        Raises:
            ValueError: if there are no rows, or only NaN.
        """
        if not self.rows:
            raise ValueError("no epoch was finished, so there is no best one.")
        monitor = monitor or ("validation_loss" if "validation_loss" in self.columns else "loss")
        column = self[monitor].astype(float)
        if np.isnan(column).all():
            raise ValueError(f"{monitor} is NaN in every epoch, so there is no best one.")
        return self.rows[int(np.nanargmax(column) if larger_is_better(monitor) else np.nanargmin(column))]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return lists by column: ``pandas.DataFrame(history.to_dict())`` is a data frame."""
        return {name: [row.get(name, math.nan) for row in self.rows] for name in self.columns}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows into a file of comma-separated values."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)

    def table(self) -> list[list[str]]:
        """Return the cells that are shown: a line of names, then rows, with … in place of those in the middle."""
        names = self.columns
        rows = [[shown(row.get(name)) for name in names] for row in self.rows]
        if len(rows) > SHOWN:
            half = SHOWN // 2
            rows = [*rows[:half], ["…"] * len(names), *rows[-half:]]
        return [names, *rows]

    def __repr__(self) -> str:
        if not self.rows:
            return f"History of no epochs{': ' + self.stopped if self.stopped else ''}"
        table = self.table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([*lines, self.stopped] if self.stopped else lines)

    def _repr_html_(self) -> str:
        head, *rows = ([html.escape(cell) for cell in row] for row in self.table())
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        top = "".join(f"<th>{cell}</th>" for cell in head)
        return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table><p>{html.escape(self.stopped)}</p>"


def shown(number: Any) -> str:
    """Return a cell as text."""
    if number is None:
        return ""
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def environment() -> dict[str, Any]:
    """Return what bits depend on besides the seed: versions, back end, BLAS and its number of threads."""
    blas = getattr(np.__config__, "CONFIG", {}).get("Build Dependencies", {}).get("blas", {})
    return {
        "autograd_nn": sys.modules[__name__.partition(".")[0]].__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "backend": "numpy",
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "threads": threads(),
    }


def threads() -> int:
    """Return the number of threads that BLAS uses, or may use where nobody can tell."""
    try:
        from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingImports]
    except ImportError:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
            if os.environ.get(name, "").isdigit():
                return int(os.environ[name])
        return os.cpu_count() or 1
    pools = thread_pools(ThreadpoolController, len(sys.modules)).info()
    return max((pool["num_threads"] for pool in pools), default=1)


@functools.lru_cache(maxsize=1)
def thread_pools(find: Callable[[], Any], modules: int) -> Any:
    """Return the thread pools of this process; looked for, which takes milliseconds, only after further imports."""
    return find()

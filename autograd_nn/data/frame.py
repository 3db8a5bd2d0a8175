"""Tables of any kind, read into named columns: pandas, polars, pyarrow, dicts, lists of dicts, structured arrays, CSV.

No data frame library is imported: a frame is asked for its columns by the methods that it has.
"""

from __future__ import annotations

import csv
import io
import math
import numbers
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MISSING", "Column", "columns_of", "read_csv", "read_frame"]

# Texts that stand for a missing cell, in any case: those that pandas reads so, and the "?" of the UCI repository.
MISSING = frozenset("|#n/a|#na|-nan|1.#qnan|?|<na>|n/a|na|nan|none|null".split("|"))

DELIMITERS = ",;\t|"
DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")  # or three digits behind a decimal comma
WRITTEN_NUMBER = re.compile(r"[€$£¥]?\s?[+-]?(\d{1,3}([,.'\s]\d{3})+|\d+)([.,]\d+)?\s?[€$£¥%]?")
DATE_LIKE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}( .*)?")
FLAGS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Column:
    """A column of a table, as a type that all its cells share.

    Attributes:
        name: its name.
        kind: "number", "flag" (true or false), "date", "text", "mixed" (some cells are numbers, others text), "empty".
        values: numbers and flags as float64 with NaN where a cell is missing; dates as datetime64 with NaT; text, and
            what is mixed, as objects with None.
        strange: of a mixed column, the texts that are no numbers.
    """

    name: str
    kind: str
    values: np.ndarray
    strange: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """Where a cell is missing."""
        if self.values.dtype == object:
            return np.array([cell is None for cell in self.values], dtype=bool)
        return np.isnat(self.values) if self.values.dtype.kind == "M" else np.isnan(self.values)

    @property
    def numeric(self) -> bool:
        """Are the values numbers (flags are 0 and 1)?"""
        return self.kind in ("number", "flag")


def columns_of(frame: Any, *, missing: Iterable[str] = ()) -> dict[str, Column]:
    """Read a table, and find the type of each column.

    Args:
        frame: see `read_frame`.
        missing: more texts that stand for a missing cell, beside `MISSING`.

    >>> columns_of({"age": ["31", "?", "45"], "color": ["red", "blue", None]})["age"].values
    array([31., nan, 45.])
    """
    tokens = missing_texts(missing)
    return {name: typed(name, cells, tokens) for name, cells in read_frame(frame).items()}


def read_frame(frame: Any) -> dict[str, np.ndarray]:
    """Return the columns of a table as arrays: of numbers, flags or dates where its type says so, else of objects.

    Args:
        frame: a pandas, polars or pyarrow table, a dict of columns, a list of dicts (rows), a structured array, or the
            path of a CSV file.

    Raises:
        TypeError: if it is none of these.
        ValueError: if it has no columns or rows, columns of different lengths, or two columns of one name.
    """
    if isinstance(frame, (str, Path)):
        return checked(list(read_csv(frame).items()))
    if isinstance(frame, dict):
        return checked(list(frame.items()))
    if isinstance(frame, np.ndarray) and frame.dtype.names:
        return checked([(name, frame[name]) for name in frame.dtype.names])
    if isinstance(frame, (list, tuple)) and frame and all(isinstance(row, dict) for row in frame):
        names = list(dict.fromkeys(name for row in frame for name in row))
        return checked([(name, [row.get(name) for row in frame]) for name in names])
    return checked(columns_by_method(frame))


def columns_by_method(frame: Any) -> list[tuple[Any, Any]]:
    """Return the columns of a data frame, which is told from others by the methods that it has."""
    if hasattr(frame, "collect") and not hasattr(frame, "get_column"):
        raise TypeError("a lazy frame has no rows yet: write frame.collect().")
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        return [(name, from_pandas(frame.iloc[:, place])) for place, name in enumerate(frame.columns)]
    if hasattr(frame, "get_column") and hasattr(frame, "columns"):
        return [(name, from_polars(frame.get_column(name))) for name in frame.columns]
    if hasattr(frame, "to_pydict") and hasattr(frame, "column_names"):
        return [(name, frame.column(place).to_pylist()) for place, name in enumerate(frame.column_names)]
    came = f"an array of shape {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
    raise TypeError(
        f"a table wanted columns with names: a pandas or polars frame, a dict of columns, a list of dicts, or the "
        f"path of a CSV file; got {came}. For an array write {{'age': x[:, 0], 'income': x[:, 1]}}."
    )


def checked(pairs: list[tuple[Any, Any]]) -> dict[str, np.ndarray]:
    """Return named columns of equal length."""
    names = [str(name) for name, _ in pairs]
    if not names:
        raise ValueError("a table wanted at least one column, got none.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two columns are called {', '.join(map(repr, twice))}: rename one, since inputs go by name.")
    columns = {name: cells_of(name, column) for name, (_, column) in zip(names, pairs, strict=True)}
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"a table wanted columns of one length, got {lengths}.")
    if not lengths[names[0]]:
        raise ValueError(f"a table wanted at least one row, got none (columns {', '.join(names)}).")
    return columns


def cells_of(name: str, column: Any) -> np.ndarray:
    """Return a column as an array of one dimension."""
    if not isinstance(column, np.ndarray):
        if isinstance(column, str) or not isinstance(column, Iterable):
            raise TypeError(
                f"column {name!r} wanted a list of cells, got {column!r}: one row is a list of one dict, [{{…}}]."
            )
        if hasattr(column, "iloc"):
            column = from_pandas(column)
        elif hasattr(column, "to_list") and hasattr(column, "dtype"):
            column = from_polars(column)
        else:
            column = objects(column)
    if column.ndim != 1:
        raise ValueError(f"column {name!r} wanted one dimension, got shape {column.shape}.")
    if column.dtype.kind == "c":
        raise TypeError(f"column {name!r} holds complex numbers: make two columns of the real and the imaginary part.")
    return column if column.dtype.kind in "biufMO" else column.astype(object)


def objects(cells: Iterable[Any]) -> np.ndarray:
    """Return an array of objects, also of cells that are lists."""
    cells = list(cells)
    array = np.empty(len(cells), dtype=object)
    if set(map(type, cells)) <= {str, int, float, bool, type(None)}:
        array[:] = cells
    else:
        for place, cell in enumerate(cells):  # one by one: NumPy would take lists apart
            array[place] = cell
    return array


def from_pandas(series: Any) -> np.ndarray:
    """Return a pandas Series as an array."""
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iuf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if kind == "M":
        return series.to_numpy(dtype="datetime64[us]")
    gone = series.isna().to_numpy(dtype=bool)
    if kind == "b" and not gone.any():
        return series.to_numpy(dtype=bool)
    cells = objects(series.to_numpy(dtype=object))
    cells[gone] = None
    return cells


def from_polars(series: Any) -> np.ndarray:
    """Return a polars Series as an array."""
    if series.dtype.is_numeric() and not series.dtype.is_decimal():
        return series.to_numpy().astype(np.float64)
    return objects(series.to_list())


def missing_texts(more: Iterable[str]) -> frozenset[str]:
    if isinstance(more, str):
        raise TypeError(f"missing wanted a list of texts, got {more!r}: write missing=[{more!r}].")
    return MISSING | {str(text).strip().lower() for text in more}


def typed(name: str, cells: np.ndarray, missing: frozenset[str] = MISSING) -> Column:
    """Find the type that all cells of a column share."""
    if cells.dtype.kind in "iufb":
        kind = "flag" if cells.dtype.kind == "b" else "number"
        column = Column(name, kind, without_codes(cells.astype(np.float64), missing))
        return Column(name, "empty", column.values) if column.missing.all() else column
    if cells.dtype.kind == "M":
        values = cells.astype("datetime64[us]")
        return Column(name, "empty" if np.isnat(values).all() else "date", values)
    tidy = [tidied(cell, missing) for cell in cells]
    present = [cell for cell in tidy if cell is not None]
    if not present:
        return Column(name, "empty", np.full(len(tidy), np.nan))
    if all(isinstance(cell, bool) or (isinstance(cell, str) and cell.lower() in FLAGS) for cell in present):
        return Column(name, "flag", np.array([as_flag(cell) for cell in tidy]))
    values = numbers_at_once(tidy)
    if values is not None:
        values = without_codes(values, missing)
        return Column(name, "empty" if np.isnan(values).all() else "number", values)
    figures = [as_number(cell) for cell in tidy]
    strange = [cell for cell, figure in zip(tidy, figures, strict=True) if cell is not None and figure is None]
    if not strange:
        values = without_codes(np.array([math.nan if f is None else f for f in figures]), missing)
        return Column(name, "empty" if np.isnan(values).all() else "number", values)
    if len(strange) == len(present):
        days = [as_date(cell) for cell in tidy]
        if all(day is not None for cell, day in zip(tidy, days, strict=True) if cell is not None):
            return Column(name, "date", np.array(days, dtype="datetime64[us]"))
    texts = objects(cell if cell is None else str(cell) for cell in tidy)
    # A few words among many numbers are mistakes; a few numbers among words ("3" in a list of labels) are words.
    if len(strange) < 0.5 * len(present) or not all(isinstance(cell, str) for cell in present):
        return Column(name, "mixed", texts, tuple(dict.fromkeys(str(cell) for cell in strange)))
    return Column(name, "text", texts)


def as_kind(name: str, cells: np.ndarray, kind: str, missing: frozenset[str] = MISSING) -> Column:
    """Read cells as a type that is known from the training data.

    Raises:
        ValueError: with the first cell that is not of this type.
    """
    column = typed(name, cells, missing)
    if column.kind == kind or (kind == "number" and column.kind == "flag"):
        return column
    if column.kind == "empty":
        empty = {"text": objects([None] * len(cells)), "date": np.full(len(cells), "NaT", dtype="datetime64[us]")}
        return Column(name, kind, empty.get(kind, column.values))
    if kind == "text":
        return Column(name, kind, objects(text_of(tidied(cell, missing)) for cell in cells.tolist()))
    if kind == "flag" and column.kind == "number":
        wrong = ~np.isin(column.values, (0.0, 1.0)) & ~column.missing
        if not wrong.any():
            return Column(name, kind, column.values)
        row = int(wrong.argmax())
    else:
        parse = {"number": as_number, "flag": as_flag_or_none, "date": as_date}[kind]
        tidy = [tidied(cell, missing) for cell in cells.tolist()]
        row = next((r for r, cell in enumerate(tidy) if cell is not None and parse(cell) is None), 0)
    cell = cells[row].item() if isinstance(cells[row], np.generic) else cells[row]
    raise ValueError(
        f"column {name!r} wanted a {kind} in each row, as in the training data, got {cell!r} in row {row}."
    )


def text_of(cell: Any) -> str | None:
    """Return a cell as text: a whole number without the point that a column with gaps gives it."""
    if cell is None or isinstance(cell, str):
        return cell
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def tidied(cell: Any, missing: frozenset[str]) -> Any:
    """Return a cell without spaces around it; None if it is missing."""
    if isinstance(cell, str):
        cell = str(cell).strip()
        return None if cell.lower() in missing else cell
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if cell is None or (isinstance(cell, float) and cell != cell) else cell


def numbers_at_once(cells: list[Any]) -> np.ndarray | None:
    """Return texts as numbers, if all are: a column of a file, many times faster than cell by cell."""
    if set(map(type, cells)) <= {str, type(None)} and not any(cell and "_" in cell for cell in cells):
        try:
            return np.array([math.nan if cell is None else cell for cell in cells], dtype=object).astype(np.float64)
        except ValueError:
            return None
    return None


def without_codes(values: np.ndarray, missing: frozenset[str]) -> np.ndarray:
    """Return numbers with NaN for those, such as 999, that stand for a missing cell."""
    codes = [code for code in map(as_number, missing - MISSING) if code is not None]
    return np.where(np.isin(values, codes), np.nan, values) if codes else values


def as_number(cell: Any) -> float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, str) and "_" in cell:
        return None  # float("1_000") is Python's, not a table's
    if isinstance(cell, (str, numbers.Number)) or hasattr(cell, "as_tuple"):  # as_tuple: a Decimal
        try:
            return float(cell)  # pyright: ignore[reportArgumentType] complex numbers raise
        except (TypeError, ValueError, OverflowError):
            return None
    return None


def as_flag(cell: Any) -> float:
    return math.nan if cell is None else FLAGS[str(cell).lower()]


def as_flag_or_none(cell: Any) -> float | None:
    return FLAGS.get(str(cell).lower())


def as_date(cell: Any) -> datetime | None:
    """Return an ISO date, in UTC if it has a time zone."""
    if isinstance(cell, datetime):
        moment = cell
    elif isinstance(cell, date):
        moment = datetime(cell.year, cell.month, cell.day)
    elif isinstance(cell, str) and len(cell) >= 8:
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            return None
    else:
        return None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


# CSV


def read_csv(
    path: str | Path,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8-sig",
    columns: Sequence[str] | None = None,
) -> dict[str, list[str]]:
    """Read a CSV file into columns of texts. Its first line must hold the names, unless `columns` gives them.

    Args:
        path: the file.
        delimiter: what stands between cells; comma, semicolon, tab or bar is found out if left out.
        encoding: of the text; UTF-8, with or without a mark, if left out.
        columns: names, for a file without a line of names.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, no text, in another encoding, or a line has too many or too few cells.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a CSV file.")
    text = decoded(path, path.read_bytes(), encoding)
    if not text.strip():
        raise ValueError(f"{path} is empty.")
    delimiter = delimiter or sniffed(text)
    lines: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines.extend((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}. Is a quotation mark left open?") from None
    names = [name.strip() for name in (lines.pop(0)[1] if columns is None else columns)]
    if columns is None and all(as_number(name) is not None for name in names):
        raise ValueError(
            f"{path} has no line of names: its first line holds numbers. Write read_csv(path, columns=[…])"
        )
    if "" in names:
        # pandas writes its index so: a column of row numbers, without a name.
        names = ["index" if place == 0 and "index" not in names else name for place, name in enumerate(names)]
    if "" in names:
        raise ValueError(f"{path}: column {names.index('') + 1} has no name in the first line.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: two columns are called {', '.join(map(repr, twice))}: rename one.")
    for number, cells in lines:
        if len(cells) != len(names):
            raise ValueError(
                f"{path}, line {number}: wanted {len(names)} cells, as there are names, got {len(cells)} "
                f"(separated by {delimiter!r}). A cell that holds {delimiter!r} must stand in quotation marks."
            )
    if not lines:
        raise ValueError(f"{path} holds names but no rows.")
    return {name: [cells[place] for _, cells in lines] for place, name in enumerate(names)}


def decoded(path: Path, raw: bytes, encoding: str) -> str:
    """Return bytes as text; say what they are if they are none."""
    if raw[:2] == b"PK":
        raise ValueError(f"{path} is a zip archive or a spreadsheet (.xlsx): save it as CSV first.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding == "utf-8-sig":
        encoding = "utf-16"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} is not in {encoding} (byte 0x{raw[error.start]:02x} in line {line}). If an older spreadsheet "
            "wrote it: read_csv(path, encoding='cp1252'). Or save it as UTF-8."
        ) from None
    except LookupError:
        raise ValueError(f"there is no encoding called {encoding!r}.") from None
    if "\0" in text:
        raise ValueError(f"{path} is not a text file: it holds zero bytes.")
    return text


def sniffed(text: str, most: int = 100) -> str:
    """Return the delimiter that cuts the first lines into the most equally many cells."""

    def score(delimiter: str) -> tuple[float, int]:
        sample = io.StringIO(text, newline="")
        try:
            widths = [
                len(cells) for _, cells in zip(range(most), csv.reader(sample, delimiter=delimiter), strict=False)
            ]
        except csv.Error:
            return 0.0, 0
        widths = [width for width in widths if width]
        usual = max(set(widths), key=widths.count, default=0)
        return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)

    return max(DELIMITERS, key=score)

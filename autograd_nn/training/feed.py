"""From what a user passes as data to batches (inputs, targets, weights), and from inputs to a call of the model."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..data import as_source, check_finite
from ..graph import Node

__all__ = ["Batch", "Feed", "call"]

SAMPLE = 1 << 20  # bytes of an array, at each end, that its fingerprint looks at
POSITION = "input{}"  # names of inputs that came as a tuple


class Batch(NamedTuple):
    """Rows of one step: inputs as the model takes them, targets, and weights or None."""

    x: Any
    y: np.ndarray
    weight: np.ndarray | None
    rows: int


class Feed:
    """Batches of data again and again, an epoch each time.

    Args:
        data: ``(x, y)`` or ``(x, y, sample_weight)``, where x is an array, a tuple of arrays (the model is called with
            several arguments) or a dict of arrays (keyword arguments); a source such as `data.Batches`; or a function
            or an iterable of such batches.
        batch_size: for arrays; None for all rows at once.
        shuffle: for arrays.
        rng: for arrays.
        what: its name in errors.

    Raises:
        TypeError, ValueError: if the data have no rows, no targets, different numbers of rows, or numbers that are not
            finite. Files mapped into memory are not read for that: `fit` looks when a loss is not finite.
    """

    def __init__(
        self, data: Any, *, batch_size: int | None = 32, shuffle: bool = True, rng: Any = None, what: str = "data"
    ) -> None:
        self.what = what
        self.positional = self.in_memory = False
        self.arrays: tuple[Any, ...] | None = None
        if isinstance(data, list) and len(data) in (2, 3) and not isinstance(data[0], (tuple, list)):
            data = tuple(data)
        if isinstance(data, tuple):
            if len(data) not in (2, 3):
                raise TypeError(f"{what} wanted (x, y) or (x, y, sample_weight), got a tuple of {len(data)}.")
            refuse_nodes(data, what)
            if isinstance(data[0], tuple):
                self.positional = True
                data = (by_position(data[0]), *data[1:])
            self.arrays = data
            self.in_memory = not any(isinstance(part, np.memmap) for part in leaves(data))
        elif isinstance(data, Iterable) and not isinstance(data, np.ndarray) and not hasattr(data, "load_state_dict"):
            data = Named(data, self)
        elif callable(data) and not hasattr(data, "load_state_dict"):
            data = NamedFunction(data)
        self.source: Any = as_source(data, batch_size=batch_size, shuffle=shuffle, rng=rng)
        if self.arrays is not None:
            self.arrays = arrays = tuple(self.source.data)
            if self.in_memory:
                check_finite(*arrays)
                if len(arrays) == 3:
                    check_weights(arrays[2], self.source.rows, what)

    def __len__(self) -> int:
        """The number of batches of an epoch; 0 if it is not known."""
        try:
            return len(self.source)
        except TypeError:
            return 0

    def __iter__(self) -> Iterator[Batch]:
        positional, what, trusted = self.positional, self.what, self.arrays is not None
        for number, parts in enumerate(self.source, 1):
            if type(parts) is tuple and len(parts) == 2:
                x, y = parts
                weight = None
            elif isinstance(parts, (tuple, list)) and len(parts) == 3:
                x, y, weight = parts
            elif isinstance(parts, (tuple, list)) and len(parts) == 2:
                x, y, weight = *parts, None
            else:
                got = f"a tuple of {len(parts)}" if isinstance(parts, (tuple, list)) else type(parts).__name__
                raise TypeError(f"{what}: batch {number} wanted to be (x, y) or (x, y, sample_weight), got {got}.")
            rows = len(y)
            if not trusted:
                check_batch(x, y, weight, f"{what}, batch {number}")
            if (positional or not trusted) and type(x) is dict and POSITION.format(0) in x:
                x = tuple(x.values())
            yield Batch(x, y, weight, rows)

    def fingerprint(self, *, whole: bool = False) -> dict[str, Any] | None:
        """Return shapes, dtypes and a checksum of the first and last bytes of arrays; None for other sources.

        Args:
            whole: of all bytes, but where files are mapped into memory. 1 GB takes about 0.3 s.
        """
        if self.arrays is None:
            return None
        return {
            name: {
                "shape": str(a.shape),
                "dtype": str(a.dtype),
                "checksum": checksum(a, whole=whole and self.in_memory),
            }
            for name, a in named_leaves(self.arrays)
        }


class Named:
    """An iterable of batches whose inputs may be tuples, which become dicts on the way through the source."""

    def __init__(self, batches: Iterable[Any], feed: Feed) -> None:
        if isinstance(batches, Iterator):
            raise TypeError(
                f"{feed.what} wanted something that gives its batches again in each epoch, got a "
                f"{type(batches).__name__}, which can be run through only once: pass the function that makes it."
            )
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return map(named, self.batches)

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]


class NamedFunction:
    """The same for a function that returns a fresh iterator."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def __call__(self) -> Iterator[Any]:
        made = self.make()
        if not isinstance(made, Iterable):
            raise TypeError(f"data: the function wanted to return an iterator over batches, but returned {made!r:.60}.")
        return map(named, made)


def named(batch: Any) -> Any:
    """Return a batch whose inputs are not a tuple."""
    if isinstance(batch, (tuple, list)) and batch and isinstance(batch[0], tuple):
        return (by_position(batch[0]), *batch[1:])
    return batch


def by_position(inputs: tuple[Any, ...]) -> dict[str, Any]:
    return {POSITION.format(i): x for i, x in enumerate(inputs)}


def call(model: Any, x: Any) -> Any:
    """Call the model: with the items of a tuple as arguments, those of a dict as keyword arguments."""
    if type(x) is tuple:
        return model(*x)
    if isinstance(x, dict):
        return model(**x)
    return model(x)


def leaves(tree: Any) -> Iterator[Any]:
    """Yield the arrays inside tuples and dicts."""
    if isinstance(tree, (tuple, dict)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(part)
    else:
        yield tree


def named_leaves(data: tuple[Any, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of what `Batches` keeps."""
    for name, part in zip(("x", "y", "sample_weight"), data, strict=False):
        if isinstance(part, dict):
            for key, array in part.items():
                yield f"{name}[{key!r}]", array
        else:
            yield name, part


def refuse_nodes(data: Any, what: str) -> None:
    if any(isinstance(part, Node) for part in leaves(data)):
        raise TypeError(f"{what} wanted arrays, got a Value: write v.data, or v.numpy().")


def check_weights(weight: np.ndarray, rows: int, what: str) -> None:
    """Refuse weights that do not fit or cannot be averaged with.

    Raises:
        ValueError: saying why.
    """
    if weight.shape != (rows,):
        raise ValueError(f"{what} wanted a sample_weight for each row, of shape ({rows},), got {weight.shape}.")
    if not (weight >= 0).all() or not weight.any():
        raise ValueError(f"{what} wanted sample_weight that are not negative and not all 0, got {weight.min()} and up.")


def check_batch(x: Any, y: Any, weight: Any, what: str) -> None:
    """Refuse a batch without rows or with different numbers of rows: arrays are checked once, sources as they come.

    Raises:
        ValueError: saying what came.
    """
    rows = len(y)
    if not rows:
        raise ValueError(f"{what} has no rows.")
    for array in leaves(x):
        if len(array) != rows:
            raise ValueError(f"{what} wanted x and y with the same number of rows, got {len(array)} and {rows}.")
    if weight is not None:
        check_weights(weight, rows, what)


def checksum(array: np.ndarray, *, whole: bool = False) -> int:
    """Return a checksum of the first and the last rows, about a megabyte of each; or of all of them."""
    rows = max(1, SAMPLE // max(1, array[:1].nbytes))
    starts = range(0, len(array), rows) if whole or len(array) <= 2 * rows else (0, len(array) - rows)
    found = 0
    for start in starts:
        part = array[start : start + rows]
        found = zlib.crc32(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data, found)
    return found

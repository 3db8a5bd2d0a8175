"""Batches: every row once per epoch, in an order that a seed fixes, from arrays or from a function.

Both sources can be iterated over again and again, an epoch each time, and say where they are: `state_dict` in the
middle of an epoch, `load_state_dict` into a source made in the same way, and the next loop goes on with the next batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["Batches", "GeneratorSource", "as_source", "check_finite"]

CHUNK = 1 << 20  # numbers that check_finite looks at in one go, so that a file larger than memory can be checked


class Batches:
    """A source of tuples of arrays, a batch each: every row is used once per epoch.

    Args:
        data: arrays with the same number of rows (lists of numbers too), or nested dicts of such arrays; a batch has
            the same structure. Of a memory-mapped array only the rows of the batch are read.
        batch_size: rows in a batch; the last one of an epoch may have fewer. None: all rows at once.
        shuffle: draw a fresh order for each epoch? Otherwise rows come as they stand.
        rng: a seed or a generator; None for an order that differs from run to run.
        drop_last: leave out the last batch of an epoch if it is smaller than the others.

    A loop that is left early and started again begins a new epoch. Batches are copies: who writes into one does not
    change the data.

    Attributes:
        epoch: the number of epochs that have begun.
        position: the number of batches that the present epoch has given.
        rows: the number of rows.

    Raises:
        TypeError: if the data are no numbers.
        ValueError: if there are no rows, their numbers differ, or batch_size is below 1.

    >>> x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])
    >>> for inputs, labels in Batches(x, y, batch_size=2, shuffle=False):
    ...     print(inputs.tolist(), labels)
    [[0.0, 1.0], [2.0, 3.0]] [0 1]
    [[4.0, 5.0]] [0]
    """

    def __init__(
        self,
        *data: Any,
        batch_size: int | None = 32,
        shuffle: bool = True,
        rng: Any = None,
        drop_last: bool = False,
    ) -> None:
        if not data:
            raise ValueError("Batches wanted one array or more, got none: write Batches(x, y, batch_size=32).")
        self.data = tuple(map_arrays(as_rows, part, f"argument {number}") for number, part in enumerate(data, 1))
        self.rows = common_rows(self.data)
        self.batch_size = self.rows if batch_size is None else whole_number("batch_size", batch_size)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.rng = np.random.default_rng(rng)
        self.epoch = self.position = 0
        self._start: Any = self.rng.bit_generator.state
        self._resume = False
        if not len(self):
            raise ValueError(
                f"batch_size={batch_size} with drop_last=True leaves no batch of {self.rows} rows: choose a smaller "
                "batch_size, or drop_last=False."
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.rows // self.batch_size if self.drop_last else -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._resume:
            self._resume = False
            order = self._order(generator_in(self._start))
        else:
            self.epoch, self.position = self.epoch + 1, 0
            self._start = self.rng.bit_generator.state  # a dict of its own
            order = self._order(self.rng)
        for number in range(self.position, len(self)):
            chosen = slice(number * self.batch_size, min((number + 1) * self.batch_size, self.rows))
            rows = chosen if order is None else order[chosen]
            batch = tuple([copied_rows(part, rows) for part in self.data])
            self.position = number + 1  # before the yield: who saves the state has had this batch
            yield batch

    def _order(self, rng: np.random.Generator) -> np.ndarray | None:
        return rng.permutation(self.rows) if self.shuffle else None

    def __repr__(self) -> str:
        order = "shuffled" if self.shuffle else "in order"
        return f"Batches({self.rows} rows {order}, {len(self)} batches of {self.batch_size}, epoch {self.epoch})"

    def state_dict(self) -> dict[str, Any]:
        """Return generator, epoch and position, as plain numbers and strings that JSON can hold."""
        return {
            "rows": self.rows,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "epoch": self.epoch,
            "position": self.position,
            "start": plain(self._start),
            "generator": plain(self.rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to where a source was when it returned `state`: the next loop gives what it would have given next.

        Raises:
            ValueError: if that source had other rows or batches, or another kind of generator. Nothing changes then.
        """
        mine = self.state_dict()
        check_keys("Batches", state, mine)
        differing = [key for key in ("rows", "batch_size", "shuffle", "drop_last") if state[key] != mine[key]]
        if differing:
            wanted = ", ".join(f"{key}={state[key]}" for key in differing)
            came = ", ".join(f"{key}={mine[key]}" for key in differing)
            raise ValueError(f"the state is that of Batches with {wanted}, this one has {came}: make it the same way.")
        check_generator(self.rng, state["generator"])
        self.rng.bit_generator.state = copy.deepcopy(state["generator"])
        self._start = copy.deepcopy(state["start"])
        self.epoch, self.position = state["epoch"], state["position"]
        self._resume = 0 < self.position < len(self)


class GeneratorSource:
    """A source of batches that a function makes: for data that do not fit into memory, or have no end.

    Args:
        make: a function that returns a fresh iterator over the batches of an epoch; it is given the generator if there
            is an `rng`. Or something that can be iterated over again and again, such as a list of batches.
        rng: a seed or a generator for `make`; None if `make` takes no argument.
        length: the number of batches in an epoch, for progress bars, if it is known.

    To go on in the middle of an epoch the batches already given are made again and skipped, so `make` must give the
    same batches for the same generator.

    Attributes:
        epoch: the number of epochs that have begun.
        position: the number of batches that the present epoch has given.

    Raises:
        TypeError: if `make` is an iterator, which can be run through only once, or cannot be iterated over.

    >>> def noise(rng):
    ...     for _ in range(2):
    ...         yield rng.normal(size=(4, 1)), np.zeros(4)
    >>> source = GeneratorSource(noise, rng=0)
    >>> [x.shape for x, y in source], [x.shape for x, y in source]
    ([(4, 1), (4, 1)], [(4, 1), (4, 1)])
    """

    def __init__(
        self, make: Callable[..., Iterable[Any]] | Iterable[Any], *, rng: Any = None, length: int | None = None
    ):
        if not callable(make):
            if isinstance(make, Iterator):
                raise TypeError(
                    f"GeneratorSource wanted a function that returns a fresh iterator for each epoch, got a "
                    f"{type(make).__name__}, which can be run through only once: pass the function that makes it."
                )
            if not isinstance(make, Iterable) and not hasattr(make, "__getitem__"):
                raise TypeError(f"GeneratorSource wanted a function or an iterable, got {type(make).__name__}.")
        self.make = make
        self.rng = None if rng is None else np.random.default_rng(rng)
        self.length = None if length is None else whole_number("length", length)
        self.epoch = self.position = 0
        self._start = self._state()
        self._resume = False

    def __len__(self) -> int:
        """The number of batches in an epoch.

        Raises:
            TypeError: if it is not known.
        """
        if self.length is not None:
            return self.length
        if callable(self.make) or not hasattr(self.make, "__len__"):
            raise TypeError("the number of batches is not known: GeneratorSource(…, length=…) tells it.")
        return len(self.make)  # pyright: ignore[reportArgumentType] it has __len__

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        batches, first = self._resumed() if self._resume else (None, None)
        self._resume = False
        if batches is None or first is None:
            self.epoch, self.position = self.epoch + 1, 0
            self._start = self._state()
            batches = self._batches()
            first = next(batches, None)
            if first is None:
                raise ValueError(
                    f"epoch {self.epoch} has no batches: the function must return a fresh iterator each time, "
                    "not one that has been used."
                )
        while first is not None:
            self.position += 1
            yield as_batch(first)
            first = next(batches, None)

    def _batches(self) -> Iterator[Any]:
        made = self.make if not callable(self.make) else self.make() if self.rng is None else self.make(self.rng)
        if not isinstance(made, Iterable):
            raise TypeError(
                f"the function wanted to return an iterator over batches, but returned {made!r}: use yield."
            )
        return iter(made)

    def _resumed(self) -> tuple[Iterator[Any], Any]:
        """Make the batches of the interrupted epoch again, without those that were given; None if none is left."""
        if self.rng is not None:
            self.rng.bit_generator.state = copy.deepcopy(self._start)
        batches = self._batches()
        for given in range(self.position):
            if next(batches, None) is None:
                raise ValueError(
                    f"the saved epoch had given {self.position} batches, the function now makes only {given}: it must "
                    "make the same batches again."
                )
        return batches, next(batches, None)

    def _state(self) -> Any:
        return None if self.rng is None else copy.deepcopy(self.rng.bit_generator.state)

    def __repr__(self) -> str:
        return f"GeneratorSource({self.make!r}, epoch {self.epoch})"

    def state_dict(self) -> dict[str, Any]:
        """Return generator, epoch and position, as plain numbers and strings that JSON can hold."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "start": plain(self._start),
            "generator": plain(self._state()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to where a source was when it returned `state`: the next loop gives what it would have given next.

        Raises:
            ValueError: if that source had another kind of generator. Nothing changes then.
        """
        check_keys("GeneratorSource", state, self.state_dict())
        if (self.rng is None) != (state["generator"] is None):
            raise ValueError("the state and this source must both have an rng, or neither.")
        if self.rng is not None:
            check_generator(self.rng, state["generator"])
            self.rng.bit_generator.state = copy.deepcopy(state["generator"])
        self._start = copy.deepcopy(state["start"])
        self.epoch, self.position = state["epoch"], state["position"]
        self._resume = self.position > 0


def as_source(data: Any, *, batch_size: int | None = 32, shuffle: bool = True, rng: Any = None) -> Any:
    """Return a source of batches for what a user passes as data: `fit` calls this.

    Args:
        data: a tuple of arrays; or a source, which is returned as it is; or a function or an iterable of batches.
        batch_size: for arrays, see `Batches`.
        shuffle: for arrays.
        rng: for arrays: a seed or a generator.

    Raises:
        TypeError, ValueError: as `Batches` and `GeneratorSource`; a lone array has no targets.

    >>> as_source(([[1.0], [2.0]], [0, 1]), batch_size=1)
    Batches(2 rows shuffled, 2 batches of 1, epoch 0)
    """
    if isinstance(data, tuple):
        return Batches(*data, batch_size=batch_size, shuffle=shuffle, rng=rng)
    if isinstance(data, np.ndarray):
        raise TypeError(f"data wanted a tuple (x, y), got one array of shape {data.shape}: write (x, y).")
    if hasattr(data, "state_dict") and hasattr(data, "load_state_dict") and isinstance(data, Iterable):
        return data
    return GeneratorSource(data)


def check_finite(*arrays: Any, columns: Sequence[str] | None = None) -> None:
    """Refuse NaN and infinite numbers, naming the first row and column of each array; also memory-mapped ones.

    Args:
        arrays: arrays, or nested dicts of them. Integers are always finite.
        columns: names of the columns, for the message.

    Raises:
        ValueError: with the place and the number of such cells.

    >>> check_finite([[1.0, 2.0], [3.0, float("nan")]], columns=["age", "income"])
    Traceback (most recent call last):
    ValueError: argument 1 wanted finite numbers, got nan in row 1, column 'income' (1 of 4 cells is NaN or infinite)...
    """

    def check(array: Any, where: str) -> None:
        array = np.asarray(array)
        if array.dtype.kind not in "fc" or not array.size:
            return
        if array.ndim == 0:
            array = array[None]
        step = max(1, CHUNK // max(1, array[0].size))
        count, first = 0, None
        for start in range(0, len(array), step):
            wrong = ~np.isfinite(array[start : start + step])
            if first is None and wrong.any():
                row, *rest = (int(i) for i in np.argwhere(wrong)[0])
                first = (start + row, *rest)
            count += int(wrong.sum())
        if first is not None:
            row, *rest = first
            named = columns if columns is not None and len(rest) == 1 and rest[0] < len(columns) else None
            place = f", column {rest[0] if named is None else repr(named[rest[0]])}" if len(rest) == 1 else ""
            place = f", at {tuple(rest)}" if len(rest) > 1 else place
            raise ValueError(
                f"{where} wanted finite numbers, got {array[first]} in row {row}{place} ({count} of {array.size} cells "
                f"{'is' if count == 1 else 'are'} NaN or infinite). data.report shows where; data.clean fills gaps in."
            )

    for number, tree in enumerate(arrays, 1):
        map_arrays(check, tree, f"argument {number}")


def map_arrays(f: Callable[[Any, str], Any], tree: Any, where: str) -> Any:
    """Apply f(array, where) to the arrays of nested dicts."""
    if isinstance(tree, dict):
        return {key: map_arrays(f, part, f"{where}[{key!r}]") for key, part in tree.items()}
    return f(tree, where)


def as_rows(thing: Any, where: str) -> np.ndarray:
    """Return an array with rows of numbers; a memory-mapped one is not read."""
    if isinstance(thing, tuple):
        raise TypeError(f"{where} wanted an array, got a tuple: write Batches(*arrays) for several arrays.")
    array = np.asarray(thing)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"{where} wanted numbers, got {array.dtype}: data.clean(frame, target) makes arrays of a table."
        )
    if array.ndim == 0:
        raise ValueError(f"{where} wanted an array with rows, got the number {array}.")
    return array


def common_rows(data: tuple[Any, ...]) -> int:
    """Return the number of rows that all arrays have."""
    lengths: dict[str, int] = {}
    for number, part in enumerate(data, 1):
        map_arrays(lambda array, where: lengths.update({where: len(array)}), part, f"argument {number}")
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{where} has {rows}" for where, rows in lengths.items())
        raise ValueError(f"Batches wanted arrays with the same number of rows; {found}.")
    if not lengths or not (rows := next(iter(lengths.values()))):
        raise ValueError("Batches wanted at least one row, got none.")
    return rows


def as_batch(batch: Any) -> tuple[Any, ...]:
    """Return what a function yielded as a tuple of arrays."""
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    return tuple(map_arrays(lambda array, _: np.asarray(array), part, "") for part in parts)


def whole_number(name: str, number: Any) -> int:
    """Return a number of things, 1 or more."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise TypeError(f"{name} wanted a whole number, got {number!r}.")
    if number < 1:
        raise ValueError(f"{name} wanted 1 or more, got {number}.")
    return int(number)


def plain(state: Any) -> Any:
    """Return the state of a bit generator with lists in place of arrays; NumPy takes either back."""
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state


def generator_in(state: dict[str, Any]) -> np.random.Generator:
    """Return a generator of its own in a given state."""
    rng = np.random.Generator(getattr(np.random, state["bit_generator"])(0))
    rng.bit_generator.state = copy.deepcopy(state)
    return rng


def check_generator(rng: np.random.Generator, state: Any) -> None:
    """Refuse the state of another kind of generator, before anything is changed."""
    mine, theirs = type(rng.bit_generator).__name__, state.get("bit_generator") if isinstance(state, dict) else state
    if mine != theirs:
        raise ValueError(f"the state is that of a {theirs} generator, this source draws from {mine}.")


def check_keys(name: str, state: dict[str, Any], mine: dict[str, Any]) -> None:
    """Refuse a dict that is no state of this kind of source."""
    if set(state) != set(mine):
        raise ValueError(f"{name} wanted a state with {sorted(mine)}, got {sorted(state)}.")


def copied_rows(tree: Any, rows: Any) -> Any:
    """Return the rows of each array of nested dicts, as copies."""
    if isinstance(tree, dict):
        return {key: copied_rows(part, rows) for key, part in tree.items()}
    if isinstance(rows, slice):
        return tree[rows].copy()
    # take is three times as fast as an index, but first copies the whole of an array that is not contiguous
    return tree.take(rows, axis=0) if tree.flags.carray else tree[rows]

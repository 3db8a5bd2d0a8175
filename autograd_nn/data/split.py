"""Splits into training, validation and test rows: random, stratified, by group, by time; once, or k-fold.

``train, test = split(x, y, test=0.2, rng=0)`` gives two tuples ``(x, y)``. `split_rows` gives the row numbers instead.
Stratified, group and k-fold splits are scikit-learn's (``pip install "autograd_nn[sklearn]"``). A random split is one
permutation, and a split by time one sort, so these two need nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .batch import whole_number

__all__ = ["fold_rows", "folds", "split", "split_rows", "take_rows"]


def split(*arrays: Any, test: float = 0.2, validation: float = 0.0, rng: Any = None, **how: Any) -> tuple[Any, ...]:
    """Split arrays, or tables, into training and test rows, with `validation` also into validation rows.

    Args:
        arrays: things with the same number of rows: arrays, data frames, dicts of columns, lists.
        test: the fraction of the rows for the test if below 1, otherwise their number. 0: no test part.
        validation: likewise; 0: no validation part.
        rng: a seed or a generator.
        how: `stratify`, `groups`, `time`, `gap`: see `split_rows`.

    Returns:
        ``train, test`` or ``train, validation, test``: each a tuple of the arrays' rows, or, if there is one array, its
        rows. Without a test part ``train, validation``.

    Raises:
        ValueError: if a part would be empty, or as `split_rows`.

    >>> (x_train, y_train), (x_test, y_test) = split(np.arange(10.0), np.arange(10), test=0.3, rng=0)
    >>> len(x_train), len(x_test), sorted([*y_train, *y_test]) == list(range(10))
    (7, 3, True)
    """
    n = number_of_rows(arrays)
    return tuple(part_of(arrays, rows) for rows in split_rows(n, test=test, validation=validation, rng=rng, **how))


def split_rows(
    n: int,
    *,
    test: float = 0.2,
    validation: float = 0.0,
    stratify: Any = None,
    groups: Any = None,
    time: Any = None,
    gap: int = 0,
    rng: Any = None,
) -> tuple[np.ndarray, ...]:
    """Return the row numbers of the parts of a split: each row is in exactly one (but for those in a `gap`).

    Args:
        n: the number of rows.
        test: the fraction of the rows (with `groups`: of the groups) if below 1, otherwise their number; 0 for none.
        validation: likewise.
        stratify: class labels, (n,): each part has the classes in the proportions of the whole.
        groups: labels, (n,): rows of one group (a patient) all go to the same part.
        time: times, (n,), or True if the rows are in time order: everything in a later part is later than everything
            in an earlier one. Rows of equal time stay together, in the later part.
        gap: with `time`: the number of rows left out before each later part, such as the length of windows.
        rng: a seed or a generator; not used with `time`.

    Raises:
        ImportError: if scikit-learn is missing and `stratify` or `groups` is asked for.
        ValueError: if a part would be empty, a class too small, options exclude each other, or lengths differ.

    >>> train, test = split_rows(8, test=0.25, time=True)
    >>> train.tolist(), test.tolist()
    ([0, 1, 2, 3, 4, 5], [6, 7])
    """
    n = whole_number("the number of rows", n)
    one_way(stratify=stratify, groups=groups, time=time)
    if gap and time is None:
        raise ValueError(f"gap={gap} needs time=: other splits have no order.")
    if groups is not None:
        return by_group(labels_of("groups", groups, n), test, validation, np.random.default_rng(rng))
    sizes = part_sizes(n, test, validation, "rows")
    if time is not None:
        return by_time(times_of(time, n), sizes, gap)
    generator = np.random.default_rng(rng)
    if stratify is not None:
        return stratified(labels_of("stratify", stratify, n), sizes, generator)
    order = generator.permutation(n)
    return tuple(np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1]))


def folds(*arrays: Any, k: int = 5, rng: Any = None, **how: Any) -> Iterator[tuple[Any, Any]]:
    """Yield k pairs ``train, test`` of the arrays: cross-validation. Parts are as `split` returns them.

    Args:
        arrays: things with the same number of rows.
        k: the number of folds.
        rng: a seed or a generator.
        how: `stratify`, `groups`, `time`, `gap`: see `fold_rows`.

    >>> [test.tolist() for train, test in folds(np.arange(4), k=2, time=True)]
    [[2], [3]]
    """
    for train, test in fold_rows(number_of_rows(arrays), k=k, rng=rng, **how):
        yield part_of(arrays, train), part_of(arrays, test)


def fold_rows(
    n: int,
    *,
    k: int = 5,
    stratify: Any = None,
    groups: Any = None,
    time: Any = None,
    gap: int = 0,
    rng: Any = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the row numbers of k pairs (train, test): each row is in the test part of exactly one.

    With `time` the test parts are the last k of k + 1 stretches, and each is tested with what came before.

    Args:
        n: the number of rows.
        k: the number of folds, 2 or more.
        stratify: class labels: each fold has the classes in the proportions of the whole. May go with `groups`.
        groups: labels: no group is in both parts of a pair.
        time: times, or True if the rows are in time order.
        gap: with `time`: rows left out before each test part.
        rng: a seed or a generator; not used with `time`.

    Raises:
        ImportError: if scikit-learn is missing.
        ValueError: if there are fewer rows, groups, or rows of a class than folds; or as `split_rows`.
    """
    n, k = whole_number("the number of rows", n), whole_number("k", k)
    if k < 2 or k > n - (time is not None):
        raise ValueError(f"k={k} wanted 2 or more folds with a row each; there are {n} rows.")
    if gap and time is None:
        raise ValueError(f"gap={gap} needs time=: other splits have no order.")
    if time is not None:
        one_way(stratify=stratify, groups=groups, time=time)
        return time_folds(times_of(time, n), k, gap)
    selection = model_selection()
    options: dict[str, Any] = {"n_splits": k, "shuffle": True, "random_state": seed(rng)}
    y = None if stratify is None else labels_of("stratify", stratify, n)
    group = None if groups is None else labels_of("groups", groups, n)
    if y is not None:
        check_classes(y, k, f"{k} folds")
    if group is not None and len(np.unique(group)) < k:
        raise ValueError(f"{k} folds wanted {k} groups or more, got {len(np.unique(group))}.")
    if y is not None and group is not None:
        splitter = selection.StratifiedGroupKFold(**options)
    elif group is not None:
        splitter = selection.GroupKFold(n_splits=k)
        # GroupKFold fills folds by size, without chance; numbering the groups at random decides ties.
        names, number = np.unique(group, return_inverse=True)
        group = np.random.default_rng(rng).permutation(len(names))[number]
    else:
        splitter = selection.KFold(**options) if y is None else selection.StratifiedKFold(**options)
    pairs = [(train, test) for train, test in splitter.split(np.zeros(n), y, group)]
    for train, test in pairs:
        check_parts(("train", train), ("test", test))
    return pairs


def take_rows(thing: Any, rows: np.ndarray) -> Any:
    """Return rows of an array, a data frame (pandas, polars), a dict of columns or a list."""
    if isinstance(thing, dict):
        return {name: take_rows(column, rows) for name, column in thing.items()}
    if hasattr(thing, "iloc"):
        return thing.iloc[rows]
    if isinstance(thing, list):
        return [thing[row] for row in rows]
    return thing[rows]


def part_of(arrays: tuple[Any, ...], rows: np.ndarray) -> Any:
    parts = tuple(take_rows(array, rows) for array in arrays)
    return parts[0] if len(parts) == 1 else parts


def number_of_rows(arrays: tuple[Any, ...]) -> int:
    lengths = [len(next(iter(a.values()), ())) if isinstance(a, dict) else len(a) for a in arrays]
    if len(set(lengths)) != 1:
        raise ValueError(f"split wanted arrays with the same number of rows, got {lengths or 'no array'}.")
    if not lengths[0]:
        raise ValueError("split wanted at least one row, got none.")
    return lengths[0]


def one_way(**how: Any) -> None:
    """Refuse options that exclude each other."""
    given = [name for name, value in how.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"a split wanted one of stratify, groups, time, got {' and '.join(given)}.")


def part_sizes(n: int, test: float, validation: float, unit: str) -> list[int]:
    """Return the sizes of the parts, training first, of n rows or groups; a part of size 0 is refused."""
    wanted = {"validation": validation, "test": test}
    counts = {}
    for name, size in wanted.items():
        whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if isinstance(size, bool) or not np.isreal(size) or not size >= 0 or (size >= 1 and not whole):
            raise ValueError(f"{name} wanted a fraction below 1 or a whole number of {unit}, got {size!r}.")
        if size:
            counts[name] = round(size * n) if size < 1 else int(size)
    if not counts:
        raise ValueError("a split wanted test or validation above 0, got 0 for both.")
    counts = {"train": n - sum(counts.values()), **counts}
    if min(counts.values()) < 1:
        found = ", ".join(f"{count} for {name}" for name, count in counts.items())
        raise ValueError(
            f"test={test:g} and validation={validation:g} of {n} {unit} leave {found}: each part needs at least 1."
        )
    return list(counts.values())


def by_time(times: np.ndarray, sizes: list[int], gap: int) -> tuple[np.ndarray, ...]:
    order = np.argsort(times, kind="stable")
    # A cut between equal times moves to their beginning: they all belong to the later part.
    cuts = [int(np.searchsorted(times[order], times[order][cut])) for cut in np.cumsum(sizes)[:-1]]
    stops = [max(0, cut - gap) for cut in cuts] + [len(order)]
    parts = [np.sort(order[start:stop]) for start, stop in zip([0, *cuts], stops, strict=True)]
    check_parts(*zip(["train", "validation", "test"] if len(parts) == 3 else ["train", "test"], parts, strict=True))
    return tuple(parts)


def time_folds(times: np.ndarray, k: int, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    order = np.argsort(times, kind="stable")
    pairs = []
    for train, test in model_selection().TimeSeriesSplit(n_splits=k).split(order):
        first = int(np.searchsorted(times[order], times[order[test[0]]]))  # rows of equal time are not "before"
        train = train[: max(0, first - gap)]
        check_parts(("train", train), ("test", test))
        pairs.append((np.sort(order[train]), np.sort(order[test])))
    return pairs


def stratified(y: np.ndarray, sizes: list[int], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    classes = check_classes(y, len(sizes), f"{len(sizes)} parts")
    if min(sizes) < classes:
        raise ValueError(f"a stratified split wanted {classes} rows or more in each part, one per class, got {sizes}.")
    splitter = model_selection().StratifiedShuffleSplit
    rest, parts = np.arange(len(y)), []
    for size in sizes[:0:-1]:
        check_classes(y[rest], 2, "the parts that are left")
        ((train, test),) = splitter(n_splits=1, test_size=size, random_state=seed(rng)).split(rest, y[rest])
        parts.append(np.sort(rest[test]))
        rest = np.sort(rest[train])
    return (rest, *parts[::-1])


def by_group(groups: np.ndarray, test: float, validation: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    sizes = part_sizes(len(np.unique(groups)), test, validation, "groups")
    splitter = model_selection().GroupShuffleSplit
    rest, parts = np.arange(len(groups)), []
    for size in sizes[:0:-1]:
        split_once = splitter(n_splits=1, test_size=size, random_state=seed(rng))
        ((train, part),) = split_once.split(rest, groups=groups[rest])
        parts.append(rest[part])
        rest = rest[train]
    return (rest, *parts[::-1])


def check_classes(y: np.ndarray, needed: int, what_for: str) -> int:
    """Return the number of classes, each of which has enough rows."""
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < needed:
        rare = classes[counts.argmin()]
        label = rare.item() if isinstance(rare, np.generic) else rare
        raise ValueError(
            f"{what_for} wanted {needed} rows or more of each class, got {counts.min()} of class {label!r} "
            f"({len(classes)} classes among {len(y)} rows)."
        )
    return len(classes)


def check_parts(*parts: tuple[str, np.ndarray]) -> None:
    if not all(len(rows) for _, rows in parts):
        found = ", ".join(f"{len(rows)} rows for {name}" for name, rows in parts)
        raise ValueError(f"the split leaves {found}: each part needs at least 1.")


def labels_of(name: str, labels: Any, n: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"{name} wanted one label for each of {n} rows, got shape {labels.shape}.")
    return labels


def times_of(time: Any, n: int) -> np.ndarray:
    if time is True:
        return np.arange(n)
    times = labels_of("time", time, n)
    if times.dtype.kind in "OUS" or bool(np.any(times != times)):  # NaN and NaT differ from themselves
        if times.dtype.kind not in "OUS":
            raise ValueError(f"time wanted a time for each row, got {int(np.sum(times != times))} missing.")
        try:
            times = times.astype("datetime64[us]")
        except ValueError:
            raise ValueError(f"time wanted numbers or ISO dates such as '2024-01-31', got {str(times[0])!r}.") from None
        return times_of(times, n)
    return times


def seed(rng: Any) -> int:
    """Draw a seed for scikit-learn, whose functions take no NumPy generator."""
    return int(np.random.default_rng(rng).integers(2**31))


def model_selection() -> Any:
    try:
        import sklearn.model_selection
    except ImportError:
        raise ImportError(
            'stratified, group and k-fold splits are scikit-learn\'s: pip install "autograd_nn[sklearn]".'
        ) from None
    return sklearn.model_selection

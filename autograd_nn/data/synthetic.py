"""Small sets of data from a formula: each is ``f(n, noise=…, rng=…) -> (x, y)``, seeded, and needs no file.

`moons`, `circles` and `blobs` are the sets of that name in scikit-learn, whose functions take no NumPy generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .batch import whole_number

__all__ = ["POSITIONS", "blobs", "circles", "moons", "sines", "spirals", "x_and_o", "xor"]

# Where a 4×4 drawing can stand in a 6×6 image, (row, column) of its upper left corner; (1, 1) is the center.
POSITIONS = tuple((row, column) for row in range(3) for column in range(3))


def moons(n: int = 200, *, noise: float = 0.1, rng: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return two half circles that reach into each other.

    Args:
        n: the number of points; half of them, rounded up, are the lower moon.
        noise: standard deviation of the normal noise added to each coordinate.
        rng: a seed or a generator.

    Returns:
        x of shape (n, 2), and y: 0 for the upper moon, 1 for the lower one, in mixed order.

    >>> x, y = moons(200, noise=0.1, rng=0)
    >>> x.shape, np.bincount(y).tolist()
    ((200, 2), [100, 100])
    """
    rng, upper = start("moons", n, noise, rng), n // 2
    t, u = np.linspace(0, np.pi, upper), np.linspace(0, np.pi, n - upper)
    x = np.concatenate([np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(u), 0.5 - np.sin(u)], 1)])
    return mixed(x, np.repeat([0, 1], [upper, n - upper]), noise, rng)


def circles(
    n: int = 200, *, noise: float = 0.05, factor: float = 0.5, rng: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a circle of radius 1, class 0, and one inside of radius `factor`, class 1: no line separates them.

    Args:
        n: the number of points; half of them, rounded up, are on the inner circle.
        noise: standard deviation of the normal noise added to each coordinate.
        factor: radius of the inner circle, from 0 to 1.
        rng: a seed or a generator.

    Raises:
        ValueError: if factor is not between 0 and 1.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"circles wanted a factor from 0 to below 1, got {factor}.")
    rng, outer = start("circles", n, noise, rng), n // 2
    t = np.concatenate([np.arange(outer) / max(outer, 1), np.arange(n - outer) / (n - outer)]) * 2 * np.pi
    radius = np.repeat([1.0, factor], [outer, n - outer])
    x = radius[:, None] * np.stack([np.cos(t), np.sin(t)], 1)
    return mixed(x, np.repeat([0, 1], [outer, n - outer]), noise, rng)


def spirals(
    n: int = 300, *, noise: float = 0.05, classes: int = 3, turns: float = 0.75, rng: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return arms of a spiral, one for each class, from the center to radius 1.

    Args:
        n: the number of points, dealt to the classes in turn.
        noise: standard deviation of the normal noise added to each coordinate.
        classes: the number of arms.
        turns: how often an arm goes round the center.
        rng: a seed or a generator.
    """
    rng, classes = start("spirals", n, noise, rng), whole_number("classes", classes)
    y = np.arange(n) % classes
    radius = (np.arange(n) // classes + 1) / -(-n // classes)
    angle = 2 * np.pi * (y / classes + turns * radius)
    return mixed(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), y, noise, rng)


def xor(n: int = 4, *, noise: float = 0.0, rng: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (0, 0), (0, 1), (1, 0), (1, 1) again and again, of class 1 where exactly one input is 1.

    Args:
        n: the number of points; the first 4 are the truth table.
        noise: standard deviation of the normal noise added to each coordinate.
        rng: a seed or a generator.

    >>> x, y = xor()
    >>> x.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    rng = start("xor", n, noise, rng)
    first, second = np.arange(n) // 2 % 2, np.arange(n) % 2
    return noisy(np.stack([first, second], 1).astype(float), noise, rng), first ^ second


def blobs(
    n: int = 300,
    *,
    noise: float = 1.0,
    classes: int = 3,
    features: int = 2,
    centers: Any = None,
    rng: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return clouds of points, normal around the center of their class.

    Args:
        n: the number of points, dealt to the classes in turn.
        noise: standard deviation of the clouds.
        classes: the number of clouds, unless centers are given.
        features: the number of coordinates, unless centers are given.
        centers: (classes, features); drawn uniformly from -10 to 10 if left out.
        rng: a seed or a generator.

    Raises:
        ValueError: if centers is no matrix.
    """
    rng = start("blobs", n, noise, rng)
    if centers is None:
        centers = rng.uniform(-10, 10, (whole_number("classes", classes), whole_number("features", features)))
    centers = np.asarray(centers, dtype=float)
    if centers.ndim != 2 or not len(centers):
        raise ValueError(f"blobs wanted centers of shape (classes, features), got {centers.shape}.")
    y = np.arange(n) % len(centers)
    return mixed(centers[y], y, noise, rng)


def sines(
    n: int = 200,
    *,
    noise: float = 0.0,
    window: int = 20,
    step: float = 0.2,
    frequencies: Sequence[float] = (1.0,),
    rng: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of a time series, the sum of sine waves, and the value that follows each: a forecast to learn.

    Rows are in time order, so a split must be too: ``split(x, y, time=True, gap=window)``, since windows overlap.

    Args:
        n: the number of windows.
        noise: standard deviation of the normal noise added to the series.
        window: the number of values in a window.
        step: the time between two values.
        frequencies: radians in a unit of time, one for each wave.
        rng: a seed or a generator.

    Returns:
        x of shape (n, window, 1), a sequence with one feature; and y of shape (n, 1).

    >>> x, y = sines(100, window=20)
    >>> x.shape, y.shape, bool(y[0] == x[1, -1])
    ((100, 20, 1), (100, 1), True)
    """
    rng, window = start("sines", n, noise, rng), whole_number("window", window)
    time = step * np.arange(n + window)
    series = noisy(np.sum([np.sin(frequency * time) for frequency in frequencies], axis=0), noise, rng)
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], window)
    return x[..., None].copy(), series[window:, None].copy()


def x_and_o(
    n: int | None = None,
    *,
    noise: float = 0.0,
    size: int = 4,
    positions: Sequence[tuple[int, int]] | None = None,
    rng: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return 6×6 images of an X (class 0) or an O (class 1): lines are 1, paper is 0.

    Args:
        n: the number of images, which go through the positions, X and O at each, again and again; each once if left
            out.
        noise: standard deviation of the normal noise added to each pixel.
        size: height and width of the drawing: 4, or 6 to fill the image.
        positions: (row, column) of the upper left corner of the drawing; the center if left out. `POSITIONS` has all
            nine of a 4×4 drawing.
        rng: a seed or a generator.

    Returns:
        x of shape (n, 1, 6, 6), images with one channel; and y of shape (n,).

    Raises:
        ValueError: if the drawing does not fit into the image.

    >>> x, y = x_and_o()
    >>> print(*("".join("-#"[int(pixel)] for pixel in row) for row in x[0, 0]), sep="\n")
    ------
    -#--#-
    --##--
    --##--
    -#--#-
    ------
    """
    if not 3 <= whole_number("size", size) <= 6:
        raise ValueError(f"x_and_o wanted a size from 3 to 6, got {size}.")
    middle = (6 - size) // 2
    positions = [(middle, middle)] if positions is None else [(int(r), int(c)) for r, c in positions]
    if not positions:
        raise ValueError("x_and_o wanted one position or more, got none.")
    for position in positions:
        if not all(0 <= offset <= 6 - size for offset in position):
            raise ValueError(f"a drawing of size {size} at {position} does not stand in a 6×6 image.")
    cross = np.maximum(np.eye(size), np.eye(size)[::-1])
    ring = np.ones((size, size))
    ring[1:-1, 1:-1] = 0
    ring[[0, 0, -1, -1], [0, -1, 0, -1]] = 0  # round corners
    images = np.zeros((2 * len(positions), 1, 6, 6))
    for number, (row, column) in enumerate(positions):
        for label, drawing in enumerate((cross, ring)):
            images[2 * number + label, 0, row : row + size, column : column + size] = drawing
    n = len(images) if n is None else n
    rng = start("x_and_o", n, noise, rng)
    return noisy(images[np.arange(n) % len(images)], noise, rng), np.arange(n) % 2


def start(name: str, n: int, noise: float, rng: Any) -> np.random.Generator:
    """Check what all sets share, and return the generator."""
    whole_number("n", n)
    if not noise >= 0:
        raise ValueError(f"{name} wanted noise of 0 or more, got {noise}.")
    return np.random.default_rng(rng)


def noisy(x: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Add normal noise."""
    return x + noise * rng.standard_normal(x.shape) if noise else x


def mixed(x: np.ndarray, y: np.ndarray, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Add noise, and mix the rows."""
    order = rng.permutation(len(x))
    return noisy(x, noise, rng)[order], y[order]

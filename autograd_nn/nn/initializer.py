"""First numbers for weights: each draws an array of a shape from a generator, and cites where it comes from.

An initializer is a function ``f(shape, rng, *, dtype)``. The number of inputs of a unit (fan in) and of units that an
input reaches (fan out) are read from the shape: (in_features, out_features) for linear maps, (filters, channels, …) for
filters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "blank",
    "fans",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "initializer",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "standard_normal",
    "truncated_normal",
    "zeros",
]

Initializer = Callable[..., np.ndarray]
Generator = np.random.Generator


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return (fan in, fan out) of a weight array.

    >>> fans((64, 32)), fans((8, 3, 5, 5))
    ((64, 32), (75, 200))
    """
    if len(shape) <= 1:
        size = math.prod(shape)
        return size, size
    if len(shape) == 2:
        return shape
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def standard_normal(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw from N(0, 1), whatever the size of the layer: what textbooks begin with, and why deep networks blow up.

    The variance of a signal grows by the factor fan in at every layer: see `he_normal` for the cure.
    """
    return normal(shape, rng, 1.0, dtype)


def normal(shape: tuple[int, ...], rng: Generator, scale: float, dtype: Any) -> np.ndarray:
    """Draw from N(0, scale²), in float64 whatever the dtype: the same seed gives the same weights, rounded."""
    return (scale * rng.standard_normal(shape)).astype(dtype)


def uniform(shape: tuple[int, ...], rng: Generator, limit: float, dtype: Any) -> np.ndarray:
    """Draw from U(-limit, limit), in float64 whatever the dtype."""
    return rng.uniform(-limit, limit, shape).astype(dtype)


def he_normal(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw from N(0, 2 / fan in), which keeps the size of a signal through layers of relu.

    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers, ICCV 2015, equation 10.
    """
    return normal(shape, rng, math.sqrt(2 / max(fans(shape)[0], 1)), dtype)


def he_uniform(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw uniformly with variance 2 / fan in: limits ±sqrt(6 / fan in). See `he_normal`."""
    return uniform(shape, rng, math.sqrt(6 / max(fans(shape)[0], 1)), dtype)


def glorot_normal(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw from N(0, 2 / (fan in + fan out)), a compromise between forward and backward signals, for tanh.

    X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
    equation 12.
    """
    return normal(shape, rng, math.sqrt(2 / max(sum(fans(shape)), 1)), dtype)


def glorot_uniform(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw from U(±sqrt(6 / (fan in + fan out))): Glorot and Bengio (2010), equation 16."""
    return uniform(shape, rng, math.sqrt(6 / max(sum(fans(shape)), 1)), dtype)


def lecun_normal(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw from N(0, 1 / fan in), which keeps the variance of a signal through linear layers; for tanh and selu.

    Y. LeCun, L. Bottou, G. Orr, K.-R. Müller: Efficient BackProp, 1998, equation 16.
    """
    return normal(shape, rng, math.sqrt(1 / max(fans(shape)[0], 1)), dtype)


def lecun_uniform(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw uniformly with variance 1 / fan in: limits ±sqrt(3 / fan in). See `lecun_normal`."""
    return uniform(shape, rng, math.sqrt(3 / max(fans(shape)[0], 1)), dtype)


def truncated_normal(
    shape: tuple[int, ...], rng: Generator, *, scale: float = 0.02, dtype: Any = np.float32
) -> np.ndarray:
    """Draw from N(0, scale²) cut off at two standard deviations, what lies beyond being drawn again.

    With scale 0.02 the weights of transformers: J. Devlin et al., BERT, 2018, appendix A.2.
    """
    x = rng.standard_normal(shape)
    while (far := np.abs(x) > 2).any():
        x[far] = rng.standard_normal(int(far.sum()))
    return (scale * x).astype(dtype)


def orthogonal(shape: tuple[int, ...], rng: Generator, *, dtype: Any = np.float32) -> np.ndarray:
    """Draw a random orthogonal matrix, which keeps lengths; for recurrent weights.

    A. Saxe, J. McClelland, S. Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks, ICLR 2014. Rows or columns, whichever are fewer, are orthonormal; axes after the first count as one.

    >>> q = orthogonal((3, 3), np.random.default_rng(0), dtype=float)
    >>> np.allclose(q @ q.T, np.eye(3))
    True
    """
    if len(shape) < 2:
        return normal(shape, rng, 1.0, dtype)
    rows, columns = shape[0], math.prod(shape[1:])
    a = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diagonal(r))  # F. Mezzadri (2007): without it q is not uniformly distributed
    return (q if rows >= columns else q.T).reshape(shape).astype(dtype)


def zeros(shape: tuple[int, ...], rng: Generator | None = None, *, dtype: Any = np.float32) -> np.ndarray:
    """Return zeros: right for biases; weights that are all equal would stay equal."""
    return np.zeros(shape, dtype)


def ones(shape: tuple[int, ...], rng: Generator | None = None, *, dtype: Any = np.float32) -> np.ndarray:
    """Return ones: scales of normalization layers."""
    return np.ones(shape, dtype)


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        standard_normal,
        he_normal,
        he_uniform,
        glorot_normal,
        glorot_uniform,
        lecun_normal,
        lecun_uniform,
        truncated_normal,
        orthogonal,
        zeros,
        ones,
    )
}
"""The initializers by name, as ``init="he_normal"`` finds them."""


def initializer(init: str | Initializer) -> Initializer:
    """Return an initializer from its name; one of your own is held to shape and dtype.

    Raises:
        ValueError, TypeError: if there is none of that name, or it is no function.
    """
    if isinstance(init, str) and init not in INITIALIZERS:
        raise ValueError(f"there is no initializer {init!r}: wanted one of {', '.join(INITIALIZERS)}, or a function.")
    if not isinstance(init, str) and not callable(init):
        raise TypeError(f"an initializer is a name or a function f(shape, rng, *, dtype), got {type(init).__name__}.")
    if is_blank.get():
        return zeros
    if isinstance(init, str):
        return INITIALIZERS[init]
    return init if INITIALIZERS.get(getattr(init, "__name__", "")) is init else checked(init)


def checked(init: Initializer) -> Initializer:
    """Return an initializer of the user's own that is held to the shape and the dtype that were asked for."""

    def draw(shape: tuple[int, ...], rng: Any, *, dtype: Any = np.float32) -> np.ndarray:
        drawn = np.array(init(shape, rng, dtype=dtype), dtype)  # a copy, which the layer may keep
        if drawn.shape != shape:
            raise ValueError(f"the initializer {init!r} wanted to return shape {shape}, got {drawn.shape}.")
        return drawn

    return draw


is_blank: ContextVar[bool] = ContextVar("is_blank", default=False)


@contextmanager
def blank() -> Iterator[None]:
    """Let layers made in the ``with`` block begin with zeros, without drawing: their numbers will be loaded."""
    token = is_blank.set(True)
    try:
        yield
    finally:
        is_blank.reset(token)

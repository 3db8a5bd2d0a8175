"""Random constants: NumPy's distributions, each with a generator or a seed of its own. There is no global state.

>>> from autograd_nn.numpy import random
>>> rng = random.default_rng(0)
>>> random.normal(size=(2, 3), rng=rng).shape
(2, 3)
>>> random.uniform(rng=1) == random.uniform(rng=1)
True
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..numpy_protocol import holds_node

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = [
    "beta",
    "binomial",
    "bytes",
    "chisquare",
    "choice",
    "default_rng",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "geometric",
    "gumbel",
    "hypergeometric",
    "integers",
    "laplace",
    "logistic",
    "lognormal",
    "logseries",
    "multinomial",
    "multivariate_hypergeometric",
    "multivariate_normal",
    "negative_binomial",
    "noncentral_chisquare",
    "noncentral_f",
    "normal",
    "pareto",
    "permutation",
    "permuted",
    "poisson",
    "power",
    "rand",
    "randint",
    "randn",
    "random",
    "random_sample",
    "rayleigh",
    "seed",
    "shuffle",
    "standard_cauchy",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "triangular",
    "uniform",
    "vonmises",
    "wald",
    "weibull",
    "zipf",
]

PASSED_ON = (
    "BitGenerator",
    "Generator",
    "MT19937",
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "RandomState",
    "SFC64",
    "SeedSequence",
)
"""NumPy's classes, which hold their state themselves. Not imported here: numpy.random takes 20 ms to load."""


def default_rng(seed: Any) -> Generator:
    """Return a new generator, started from a seed."""
    return np.random.default_rng(seed)


def generator(called: str, rng: Any) -> Generator:
    """Return the generator that `rng` stands for.

    Raises:
        TypeError: if it is left out, or something else.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer, np.random.SeedSequence)) and not isinstance(rng, bool):
        return np.random.default_rng(rng)
    came = "nothing" if rng is None else f"{type(rng).__name__} {rng!r}"
    raise TypeError(
        f"random.{called} wanted rng=…, an integer or a numpy.random.Generator, got {came}. There is no global seed: "
        f"write rng = random.default_rng(0) once, then random.{called}(…, rng=rng)."
    )


def drawn(name: str) -> Callable[..., Any]:
    """Return the method of this name of NumPy's Generator as a function that takes `rng`."""

    def draw(*args: Any, rng: Any = None, **kwargs: Any) -> Any:
        refuse_values(name, (*args, *kwargs.values()))
        return getattr(generator(name, rng), name)(*args, **kwargs)

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = (
        f"Draw constants, as the method {name!r} of a `numpy.random.Generator` does; `rng` is one, or an integer."
    )
    return draw


def refuse_values(called: str, arguments: tuple[Any, ...]) -> None:
    """Refuse parameters that are Values: a draw has no derivative with respect to them.

    Raises:
        TypeError: with the reparametrization to write.
    """
    if holds_node(arguments):
        raise TypeError(
            f"random.{called} draws constants, and wanted plain numbers, got a Value. To differentiate with respect "
            "to a parameter, draw without it and transform: mean + scale * random.standard_normal(shape, rng=rng). To "
            "permute or choose, draw the indices and take them: x[random.permutation(len(x), rng=rng)]."
        )


def rand(*shape: int, rng: Any = None) -> Any:
    """Uniform numbers in [0, 1), in an array of this shape."""
    return generator("rand", rng).random(shape or None)


def randn(*shape: int, rng: Any = None) -> Any:
    """Standard normal numbers, in an array of this shape."""
    return generator("randn", rng).standard_normal(shape or None)


def randint(low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, *, rng: Any = None) -> Any:
    """Integers in [low, high), or in [0, low) if high is left out."""
    refuse_values("randint", (low, high))
    return generator("randint", rng).integers(low, high, size, dtype)


def random_sample(size: Any = None, *, rng: Any = None) -> Any:
    """Uniform numbers in [0, 1)."""
    return generator("random_sample", rng).random(size)


def seed(*_: Any) -> None:
    """Refuse: there is no global seed.

    Raises:
        TypeError: always, with what to write.
    """
    raise TypeError("random.seed: there is no global seed. Write rng = random.default_rng(0), and pass rng=rng.")


globals().update({name: drawn(name) for name in __all__ if name not in globals()})


def __getattr__(name: str) -> Any:
    if name in PASSED_ON:
        return getattr(np.random, name)
    near = difflib.get_close_matches(name, (*__all__, *PASSED_ON), n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{hint}")

"""`Dropout`: random silence while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functions import dropout
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """While training, set each element to 0 with probability p and divide the others by 1 - p; then do nothing.

    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov: Dropout, a simple way to prevent neural
    networks from overfitting, JMLR 15, 2014. `eval()` turns it off, `train()` on.

    Args:
        p: at least 0, less than 1.
        rng: seed or generator of the silence.

    Attributes:
        rng: the layer's own `numpy.random.Generator`; its state, ``rng.bit_generator.state``, belongs into checkpoints.

    Raises:
        ValueError: if p is out of range.

    >>> import numpy as np
    >>> layer = Dropout(0.5, rng=0)
    >>> layer(np.ones(6)).tolist()
    [2.0, 0.0, 0.0, 0.0, 2.0, 2.0]
    >>> layer.eval()(np.ones(6)).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, *, rng: int | np.random.Generator | None = None) -> None:
        if not 0.0 <= p < 1.0:
            raise ValueError(f"Dropout wanted 0 <= p < 1, the fraction to set to 0, got {p}.")
        self.p, self.rng = p, np.random.default_rng(rng)

    def reset(self, rng: np.random.Generator) -> None:
        """Begin with a generator that descends from another; numbers that the other draws stay the same."""
        (self.rng,) = rng.spawn(1)

    def forward(self, x: Any) -> Any:
        """Return x with holes while training, else x."""
        return dropout(x, self.p, self.rng) if self.training else x

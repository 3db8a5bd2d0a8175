"""What is kept of one moment of training, how it is read off a model, and how two moments differ."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...nn import Module
from ...nn.scalar import ScalarModule
from ..canvas import plain

__all__ = ["Change", "Step", "compare"]


class Step(NamedTuple):
    """A moment of training: the weights, and what was computed with them.

    Attributes:
        step: how many steps had been taken when the weights were these.
        epoch: in which they were; 0 if that is not known.
        loss: computed with these weights; NaN if there was none, as after the last step.
        weights: by path.
        gradients: of that loss, by path; those that were not computed are left out.
    """

    step: int
    epoch: int
    loss: float
    weights: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]

    @property
    def label(self) -> str:
        """Such as "step 40, epoch 2"."""
        return "start" if self.step == 0 else f"step {self.step:,}" + (f", epoch {self.epoch}" if self.epoch else "")


class Change(NamedTuple):
    """How a parameter differs between two steps.

    Attributes:
        path: of the parameter.
        before: its norm.
        after: its norm.
        change: the norm of the difference.
        relative: that, as a share of the norm before; NaN if that is 0.
        largest: the largest change of one number.
        place: of that number in the array.
    """

    path: str
    before: float
    after: float
    change: float
    relative: float
    largest: float
    place: tuple[int, ...]


def compare(a: Step, b: Step) -> list[Change]:
    """Return how much each parameter changed from one step to another, most changed first."""
    changes = []
    for path, x in a.weights.items():
        y = b.weights.get(path)
        if y is None or y.shape != x.shape or not x.size:
            continue
        difference = y.astype(float) - x.astype(float)
        place = np.unravel_index(int(np.argmax(np.abs(difference))), difference.shape)
        before, after, change = (float(np.linalg.norm(array.astype(float).ravel())) for array in (x, y, difference))
        relative = change / before if before else math.nan
        largest = float(difference[place])
        changes.append(Change(path, before, after, change, relative, largest, tuple(int(i) for i in place)))
    return sorted(changes, key=lambda c: -(c.change if math.isnan(c.relative) else c.relative))


def check_model(model: Any) -> None:
    """Refuse what is no module."""
    if not isinstance(model, Module):
        hint = f" Make one: {model.__name__}(…)." if isinstance(model, type) else ""
        raise TypeError(f"Replay wanted a module, such as nn.MLP([2, 8, 1]), got {type(model).__name__}.{hint}")


def references(model: Any) -> dict[str, np.ndarray]:
    """Return the arrays of parameters and buffers as they are: a step puts others in their places."""
    return {path: leaf.data if isinstance(model, ScalarModule) else leaf._data
            for path, leaf in model.state_leaves().items()}  # fmt: skip


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """Return copies of parameters and buffers."""
    return {path: np.array(array, subok=False) for path, array in references(model).items()}


def gradients_of(model: Any) -> dict[str, np.ndarray]:
    """Return the gradients by path, in full."""
    if isinstance(model, ScalarModule):
        return model.gradients()
    return {
        path: np.array(np.broadcast_to(plain(p._grad), p.shape))
        for path, p in model.named_parameters()
        if p._grad is not None
    }


def size_of(step: Step) -> int:
    """Return how many bytes a step takes."""
    return sum(array.nbytes for part in (step.weights, step.gradients) for array in part.values())

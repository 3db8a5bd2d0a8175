"""A training step as one compiled function: forward, backward and update."""

from __future__ import annotations

import functools
import math
import operator
from collections import deque
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import numpy as np

from ..compiler import Compiled
from ..compiler.mesh import Mesh
from ..graph import Node, modes
from ..nn import Module
from ..optim import Optimizer
from .feed import Batch
from .objective import Objective

__all__ = ["MANY_STEPS", "CompiledStep", "Snapshot", "all_ours", "backend_for"]

FEW_STEPS = 200
"""Shorter runs are not compiled by "auto": recording a step takes as long as a hundred small ones save."""
MANY_STEPS = 20_000
"""Shorter runs are not compiled to native code by "auto", which takes seconds unless it is in the cache."""


class CompiledStep:
    """Takes a step for a batch; nothing changes if the loss is not finite.

    Args:
        objective: model and loss.
        optimizer: moves the parameters.
        zero_grad: forgets the gradients.
        backend: see `autograd_nn.compile`.
        gradients: leave them on the parameters, for callbacks that look at them?
        predictions: return them? Those that nobody looks at take time, above all on a device.
        keep: is called when the loss is known to be finite, just before anything is assigned.
        mesh: of devices, for the back end "xla".
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        zero_grad: Callable[[], None],
        backend: str = "auto",
        *,
        gradients: bool = False,
        predictions: bool = True,
        keep: Callable[[], None] | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        looked_at = dict.fromkeys([*optimizer.parameters, *objective.model.parameters()])  # some may not be trained
        self._parameters = tuple(looked_at) if gradients else ()

        def step(x: Any, y: Any, weight: Any = None) -> Any:
            zero_grad()
            prediction, loss = objective(Batch(x, y, weight, 0))
            current = modes.current
            called = current is None or current.recorder is None  # as it is, to explain why the plan failed
            if not called or accepts((loss._data,)):
                loss.backward()
                optimizer.step()
            found = [loss]
            if predictions:
                found.append(prediction)
            if gradients:
                found.append([p.grad for p in self._parameters])
            return found if len(found) > 1 else loss

        def accepts(results: Any) -> bool:
            if not math.isfinite(results[0]):
                return False
            if keep is not None:
                keep()
            return True

        self._predictions = predictions
        self.compiled = Compiled(step, backend=backend, accepts=accepts, mesh=mesh)

    @property
    def plan(self) -> str | None:
        """Name of the back end whose plan ran last; None before."""
        return self.compiled.plan().name if len(self.compiled) else None

    def __call__(self, batch: Batch) -> tuple[Any, float]:
        """Return prediction and loss."""
        if batch.weight is None:
            found = self.compiled(batch.x, batch.y)
        else:
            found = self.compiled(batch.x, batch.y, batch.weight)
        if type(found) is not list:
            return None, float(found._data)
        number = float(found[0]._data)
        prediction = found[1] if self._predictions else None
        if self._parameters and math.isfinite(number):
            for p, g in zip(self._parameters, found[-1], strict=True):
                g = None if g is None else np.asarray(g.data if isinstance(g, Node) else g)
                if g is not None and g.ndim:
                    p._grad = g  # as it is: `p.grad = …` compares with the data, which may be on a device
                else:
                    p.grad = g
        return prediction, number


class Snapshot:
    """The data of leaves at some time, in memory of its own that is used again at the next time.

    Args:
        leaves: parameters and buffers.
    """

    def __init__(self, leaves: Iterable[Any]) -> None:
        self.leaves = list(leaves)
        self.data: list[Any] = [None] * len(self.leaves)

    def take(self) -> list[Any]:
        """Return the data as they are now; what was returned the last time is overwritten, at once for all."""
        now = [leaf._data for leaf in self.leaves]
        if all(map(alike, now, self.data)):
            deque(map(operator.setitem, self.data, repeat(...), now), 0)  # no signal is looked at in between
        else:
            self.data = [np.array(x) if isinstance(x, np.ndarray) else x for x in now]
        return self.data


def alike(x: Any, kept: Any) -> bool:
    """Does an array fit into the memory of another one?"""
    return type(x) is np.ndarray is type(kept) and x.shape == kept.shape and x.dtype is kept.dtype


def backend_for(steps: int) -> str | None:
    """Return the back end for a run of so many steps, or None if it is not to be compiled.

    The rule is fixed, so that runs repeat: no clock is looked at, nor what is in the cache.
    """
    if steps < FEW_STEPS:
        return None
    return "numpy" if steps < MANY_STEPS else "auto"


def all_ours(model: Module, objective: Objective, optimizer: Optimizer) -> bool:
    """Are model, loss and optimizer the library's own, so that a step does the same at each call?"""
    loss: Any = objective.loss
    while isinstance(loss, functools.partial):
        loss = loss.func
    things = [type(m) for m in model.modules()] + [loss, type(optimizer)]
    things += [f for m in model.modules() for f in vars(m).values() if callable(f) and not isinstance(f, Module)]
    package = __name__.partition(".")[0] + "."
    return all((getattr(thing, "__module__", None) or "").startswith((package, "numpy")) for thing in things)

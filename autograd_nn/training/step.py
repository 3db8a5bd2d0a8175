"""A training step as one compiled function: forward, backward and update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..compiler import Compiled
from ..nn import Module
from ..optim import Optimizer
from .feed import Batch
from .objective import Objective

__all__ = ["CompiledStep", "all_ours"]


class CompiledStep:
    """Takes a step for a batch; nothing changes if the loss is not finite.

    Args:
        objective: model and loss.
        optimizer: moves the parameters.
        zero_grad: forgets the gradients.
        backend: see `autograd_nn.compile`.
        gradients: leave them on the parameters, for callbacks that look at them?
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        zero_grad: Callable[[], None],
        backend: str = "auto",
        *,
        gradients: bool = False,
    ) -> None:
        self._parameters = optimizer.parameters if gradients else ()

        def step(x: Any, y: Any, weight: Any) -> Any:
            zero_grad()
            prediction, loss = objective(Batch(x, y, weight, 0))
            loss.backward()
            optimizer.step()
            return loss, prediction, [p.grad for p in self._parameters]

        self.compiled = Compiled(step, backend=backend, accepts=lambda results: math.isfinite(results[0]))

    def __call__(self, batch: Batch) -> tuple[Any, float]:
        """Return prediction and loss."""
        loss, prediction, gradients = self.compiled(batch.x, batch.y, batch.weight)
        number = loss.item()
        if math.isfinite(number):
            for p, g in zip(self._parameters, gradients, strict=True):
                p.grad = None if g is None else np.asarray(g.data if hasattr(g, "data") else g)
        return prediction, number


def all_ours(model: Module, objective: Objective, optimizer: Optimizer) -> bool:
    """Are model, loss and optimizer the library's own, so that a step does the same at each call?"""
    things = [type(m) for m in model.modules()] + [objective.loss, type(optimizer)]
    things += [f for m in model.modules() for f in vars(m).values() if callable(f) and not isinstance(f, Module)]
    package = __name__.partition(".")[0] + "."
    return all((getattr(thing, "__module__", None) or "").startswith((package, "numpy")) for thing in things)

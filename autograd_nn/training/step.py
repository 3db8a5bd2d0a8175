"""A training step as one compiled function: forward, backward and update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..compiler import Compiled
from ..compiler.mesh import Mesh
from ..graph import Node
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
        predictions: return them? Fetching them from a device takes time.
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
        mesh: Mesh | None = None,
    ) -> None:
        self._parameters = optimizer.parameters if gradients else ()

        def step(x: Any, y: Any, weight: Any) -> Any:
            zero_grad()
            prediction, loss = objective(Batch(x, y, weight, 0))
            loss.backward()
            optimizer.step()
            return loss, prediction if predictions else None, [p.grad for p in self._parameters]

        self.compiled = Compiled(step, backend=backend, accepts=lambda results: math.isfinite(results[0]), mesh=mesh)

    def __call__(self, batch: Batch) -> tuple[Any, float]:
        """Return prediction and loss."""
        loss, prediction, gradients = self.compiled(batch.x, batch.y, batch.weight)
        number = loss.item()
        if math.isfinite(number):
            for p, g in zip(self._parameters, gradients, strict=True):
                g = None if g is None else np.asarray(g.data if isinstance(g, Node) else g)
                if g is not None and g.ndim:
                    p._grad = g  # as it is: `p.grad = …` compares with the data, which may be on a device
                else:
                    p.grad = g
        return prediction, number


def all_ours(model: Module, objective: Objective, optimizer: Optimizer) -> bool:
    """Are model, loss and optimizer the library's own, so that a step does the same at each call?"""
    things = [type(m) for m in model.modules()] + [objective.loss, type(optimizer)]
    things += [f for m in model.modules() for f in vars(m).values() if callable(f) and not isinstance(f, Module)]
    package = __name__.partition(".")[0] + "."
    return all((getattr(thing, "__module__", None) or "").startswith((package, "numpy")) for thing in things)

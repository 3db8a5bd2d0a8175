"""The number that training lowers: a loss by name or of one's own, with sample weights, checked."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..graph import Node, describe, dtype, shape
from ..losses import Loss, loss_function
from ..nn import Module
from .feed import Batch, call

__all__ = ["Objective", "check_loss"]


class Objective:
    """A model and its loss as one function of a batch.

    Args:
        model: what is trained.
        loss: a name, or a function ``loss(prediction, target)`` that returns a scalar. With sample weights it is called
            with ``weight=``; if it has no such argument, with ``reduction="none"``, and the weighted mean is taken.
    """

    def __init__(self, model: Any, loss: str | Loss) -> None:
        if not isinstance(model, Module):
            hint = " You passed the class; make one of it." if isinstance(model, type) else ""
            raise TypeError(f"model wanted an nn.Module, got {type(model).__name__}.{hint}")
        self.model = model
        self.loss = loss_function(loss)
        self.name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)

    def __call__(self, batch: Batch) -> tuple[Any, Any]:
        """Return prediction and loss."""
        prediction = call(self.model, batch.x)
        target = fitted(batch.y, prediction)
        if batch.weight is None:
            return prediction, self.loss(prediction, target)
        return prediction, self.weighted(prediction, target, batch.weight)

    def weighted(self, prediction: Any, target: Any, weight: np.ndarray) -> Any:
        """Return the weighted mean of the losses of the rows, ∑ w l / ∑ w."""
        accepted = parameters_of(self.loss)
        if "weight" in accepted:
            return self.loss(prediction, target, weight=weight)
        if "reduction" not in accepted:
            raise TypeError(
                f"sample weights want the loss of each row, but {self.name} has neither an argument `weight` nor "
                '`reduction`: write def loss(prediction, target, reduction="mean"), which returns one loss for each '
                'row for reduction="none".'
            )
        losses = self.loss(prediction, target, reduction="none")
        came = shape(losses)
        if came[:1] != weight.shape:
            raise ValueError(
                f'sample weights want the loss of each row: {self.name} with reduction="none" returned shape {came}, '
                f"wanted ({len(weight)}, …)."
            )
        if len(came) > 1:
            losses = losses.mean(axis=tuple(range(1, len(came))))
        share = weight / weight.sum()
        return (losses * share.astype(dtype(losses))).sum()


def parameters_of(f: Loss) -> Any:
    try:
        return inspect.signature(f).parameters
    except (TypeError, ValueError):
        return ()


def fitted(target: Any, prediction: Any) -> Any:
    """Return the target in the precision of the prediction, so that single precision stays."""
    constant = type(target) is np.ndarray or getattr(target, "is_array", False)
    if constant and target.dtype.kind == "f" and isinstance(prediction, Node):
        wanted = prediction.dtype
        if target.dtype != wanted and wanted.kind == "f":
            return target.astype(wanted)
    return target


def check_loss(loss: Any, name: str) -> None:
    """Refuse what cannot be differentiated, with the reason.

    Raises:
        TypeError, ValueError: if it is no Value, no scalar, or does not depend on anything that is trained.
    """
    if not isinstance(loss, Node):
        raise TypeError(
            f"{name} wanted to return a Value, got {type(loss).__name__}: it was cut out of the graph by .data, "
            "float(), .item() or no_grad(), or the model returned no Value. Compute it from the prediction itself."
        )
    if loss.size != 1:
        raise ValueError(
            f'{name} wanted to return one number, got shape {loss.shape}: write reduction="mean", or loss.mean().'
        )
    if not loss.requires_grad:
        raise ValueError(
            f"{describe(loss)}, returned by {name}, does not depend on the parameters: are all frozen, or was the "
            "prediction detached on the way?"
        )

"""The perceptron: a step unit, and the rule by which it learns.

F. Rosenblatt: The perceptron, a probabilistic model for information storage and organization in the brain,
Psychological Review 65, 1958. The step is strict: 1 for z > 0, else 0. Its derivative is 0 wherever it has one, so
gradients teach it nothing; the learning rule looks at decisions alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..functions import linear
from ..graph import Node, shape
from ..ops.shape import cast_discrete
from ..value import Value
from .module import Module

__all__ = ["Lesson", "Perceptron"]


class Lesson(NamedTuple):
    """What came of `Perceptron.fit`.

    Attributes:
        epoch: the first epoch without a mistake; None if there was none.
        mistakes: wrong decisions in each epoch.
        text: the same in words.
    """

    epoch: int | None
    mistakes: list[int]
    text: str

    def __str__(self) -> str:
        return self.text


class Perceptron(Module):
    """Decide 1 if the weighted sum of the inputs is larger than the threshold, else 0.

    Args:
        weights: one for each input; or how many inputs there are, and weights begin at 0.
        threshold: what the weighted sum has to exceed. A threshold t is the same as a bias -t.
        bias: what is added to the weighted sum, which then has to exceed 0.

    Attributes:
        weight: (inputs,).
        bias: a single number.

    Raises:
        TypeError, ValueError: if both threshold and bias are given, or weights are no numbers in a row.

    Shall I go surfing? Good waves count 5, no crowd 2, no sharks 4:

    >>> surf = Perceptron([5, 2, 4], threshold=3)
    >>> surf.z([1, 0, 1]).item(), surf.predict([1, 0, 1])
    (6.0, 1)
    >>> Perceptron([5, 2, 4], threshold=10).predict([1, 0, 1])
    0
    """

    def __init__(
        self, weights: int | Sequence[float], *, threshold: float | None = None, bias: float | None = None
    ) -> None:
        if threshold is not None and bias is not None:
            raise ValueError(
                f"Perceptron wanted threshold or bias, not both: threshold={threshold} is the same as "
                f"bias={-threshold}."
            )
        start = np.zeros(weights) if isinstance(weights, (int, np.integer)) else np.array(weights, dtype=float)
        if start.ndim != 1 or not start.size:
            raise ValueError(
                "Perceptron wanted weights in a list, one for each input, such as [5, 2, 4], or the number of inputs; "
                f"got {weights!r:.60}."
            )
        self.dtype = start.dtype
        self.weight = Value(start, name="weight")
        given = bias if bias is not None else -threshold if threshold is not None else 0.0
        self.bias = Value(np.array(float(given) + 0.0), name="bias")

    @property
    def threshold(self) -> float:
        """What the weighted sum has to exceed: minus the bias."""
        return 0.0 - self.bias.item()

    def config(self) -> dict[str, Any]:
        """Return the weights and the bias, of which an equal one can be made."""
        return {"weights": self.weight.tolist(), "threshold": None, "bias": self.bias.item()}

    def z(self, x: Any) -> Any:
        """Return w·x + b: (inputs,) → a number, (batch, inputs) → (batch,). It is differentiable, the step is not.

        Raises:
            ValueError: if x does not have one number for each input.
        """
        x = self.operand(x)
        if not shape(x) or shape(x)[-1] != self.weight.size:
            raise ValueError(
                f"Perceptron wanted {self.weight.size} inputs, x of shape ({self.weight.size},) or "
                f"(batch, {self.weight.size}); got {shape(x)}."
            )
        return linear(x, self.weight[:, None], self.bias)[..., 0]

    def forward(self, x: Any) -> Any:
        """Return the decisions, 0 or 1, as Values without derivative."""
        return cast_discrete(self.z(x) > 0, dtype="int64")

    def predict(self, x: Any) -> Any:
        """Return the decisions, 0 or 1: an int for one sample, an array for a batch."""
        decided = np.array(self(x)._data)
        return decided if decided.ndim else int(decided)

    def fit(self, x: Any, y: Any, *, learning_rate: float = 1.0, epochs: int = 100) -> Lesson:
        """Learn by Rosenblatt's rule: after each wrong decision, weights += rate · (target - decision) · inputs.

        If a plane separates the two classes, the rule finds one in a finite number of mistakes (A. Novikoff, 1962).
        It stops after the first epoch without a mistake.

        Args:
            x: (batch, inputs).
            y: 0 or 1 for each row.
            learning_rate: larger than 0.
            epochs: at most so many times through the rows.

        Raises:
            ValueError: if x and y do not fit, labels are others than 0 and 1, or a setting makes no sense.

        >>> gate = Perceptron(2)
        >>> print(gate.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]))
        learned: no mistake in epoch 6
        >>> gate.weight.tolist(), gate.bias.item()
        ([2.0, 1.0], -2.0)
        """
        rows, targets = np.asarray(plain(x), dtype=float), np.asarray(plain(y), dtype=float)
        if rows.ndim != 2 or rows.shape[1] != self.weight.size or targets.shape != rows.shape[:1] or not len(rows):
            raise ValueError(
                f"Perceptron.fit wanted x of shape (batch, {self.weight.size}) and y of shape (batch,), at least one "
                f"row, got {rows.shape} and {targets.shape}."
            )
        if not np.isin(targets, (0.0, 1.0)).all():
            raise ValueError(f"Perceptron.fit wanted labels 0 and 1, got {np.unique(targets)[:5].tolist()}.")
        if not (0 < learning_rate < math.inf) or epochs < 1:
            raise ValueError(
                f"Perceptron.fit wanted a learning rate larger than 0 and at least one epoch, got {learning_rate} and "
                f"{epochs}."
            )
        w, b = np.array(self.weight._data), float(self.bias._data)
        mistakes: list[int] = []
        while len(mistakes) < epochs and (not mistakes or mistakes[-1]):
            wrong = 0
            for inputs, target in zip(rows, targets, strict=True):
                error = target - float(w @ inputs + b > 0)
                if error:
                    wrong += 1
                    w, b = w + learning_rate * error * inputs, b + learning_rate * error
            mistakes.append(wrong)
        self.weight.data, self.bias.data = w, b
        if mistakes[-1]:
            text = f"still {mistakes[-1]} mistakes in epoch {len(mistakes)}: not linearly separable?"
            return Lesson(None, mistakes, text)
        return Lesson(len(mistakes), mistakes, f"learned: no mistake in epoch {len(mistakes)}")


def plain(x: Any) -> Any:
    """Return the data of a Value; anything else as it is."""
    return x._data if isinstance(x, Node) else x

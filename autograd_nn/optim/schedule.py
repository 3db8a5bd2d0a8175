"""Learning rates that change: pure functions of the step number, which counts from 1.

Each is a small immutable object that can be printed, compared and called: ``schedule(step)`` is the rate of that step.
The step may be a number, an array (to plot a schedule: ``schedule(np.arange(1, 101))``) or a Value, so that a compiled
training step can take it as an input. Any function of the step number will do in their place.

`Plateau` is the exception: it looks at a metric, so it has a state, and an `update` method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Node

__all__ = [
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "LinearDecay",
    "OneCycle",
    "Plateau",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "check_rate",
    "describe_rate",
]


def check_rate(rate: Any, what: str = "learning_rate") -> Any:
    """Return a learning rate, as a float if it is a number, or raise.

    Args:
        rate: a number, or a function of the step number.
        what: its name in the error.

    Raises:
        TypeError: if it is neither.
        ValueError: if it is negative, infinite or NaN.

    >>> check_rate(1)
    1.0
    >>> check_rate(-0.1)
    Traceback (most recent call last):
    ValueError: learning_rate wanted a finite number that is not negative, got -0.1: ...
    """
    if isinstance(rate, Node):
        raise TypeError(
            f"{what} wanted a number or a function of the step number, got a Value: write {what}=value.item(). "
            "To differentiate with respect to a rate, use the optimizer's pure function update(…, learning_rate=value)."
        )
    if callable(rate):
        return rate
    try:
        number = float(rate)
    except (TypeError, ValueError):
        raise TypeError(
            f"{what} wanted a number, or a function of the step number such as optim.CosineDecay(0.1, 1000), "
            f"got {type(rate).__name__} {rate!r:.50}."
        ) from None
    if not 0 <= number < math.inf:
        raise ValueError(
            f"{what} wanted a finite number that is not negative, got {number}: with a negative rate each step "
            "would go uphill. Typical rates are 0.1 to 0.001; 0 changes nothing."
        )
    return number


def describe_rate(rate: Any) -> Any:
    """Return a number as it is, and a schedule as text: its repr, or the name of a function.

    >>> describe_rate(0.1), describe_rate(Constant(0.1)), describe_rate(check_rate)
    (0.1, 'Constant(rate=0.1)', 'check_rate')
    """
    if not callable(rate):
        return rate
    text = repr(rate)
    if " at 0x" in text:  # the address is another one in each run
        text = str(getattr(rate, "__qualname__", type(rate).__qualname__))
    return text


def check_count(count: Any, what: str) -> None:
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"{what} wanted a whole number of steps, at least 1, got {count!r}.")


def check_factor(factor: Any, what: str) -> None:
    if not 0 < check_rate(factor, what) <= 1:
        raise ValueError(f"{what} wanted a number above 0 and at most 1, got {factor}: rates shrink.")


class Schedule:
    """A learning rate for each step. Subclasses define `at(step)`.

    >>> halved = StepDecay(0.1, every=10, factor=0.5)
    >>> halved
    StepDecay(rate=0.1, every=10, factor=0.5)
    >>> halved(1), halved(10), halved(11)
    (0.1, 0.1, 0.05)
    """

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step (the first is 1): a float for a number, else of the step's own kind."""
        rate = self.at(step)
        return float(rate) if isinstance(step, (int, float, np.number)) else rate

    def at(self, step: Any) -> Any:
        """Return the rate of a step, computed with operators and NumPy's functions."""
        raise NotImplementedError(f"{type(self).__name__} wanted a method at(self, step) that returns the rate.")


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every step."""

    rate: float

    def __post_init__(self) -> None:
        check_rate(self.rate, "rate")

    def at(self, step: Any) -> Any:
        """Return the rate."""
        return self.rate + 0.0 * step  # of the step's own kind: an array for an array of steps


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiplied by a factor every so many steps: rate · factor^⌊(step - 1) / every⌋."""

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_rate(self.rate, "rate")
        check_count(self.every, "every")
        check_factor(self.factor, "factor")

    def at(self, step: Any) -> Any:
        """Return rate · factor^⌊(step - 1) / every⌋."""
        return self.rate * self.factor ** np.floor((step - 1) / self.every)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Start large, get smaller: rate · factor^k with k = step - 1.

    >>> rate = ExponentialDecay(0.95, 0.9)
    >>> [round(rate(step), 4) for step in (1, 2, 3)]
    [0.95, 0.855, 0.7695]
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        check_rate(self.rate, "rate")
        check_factor(self.factor, "factor")

    def at(self, step: Any) -> Any:
        """Return rate · factor^(step - 1)."""
        return self.rate * self.factor ** (1.0 * step - 1.0)


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """From rate down to `final` in so many steps, along (1 - t)^power; then `final`."""

    rate: float
    steps: int
    power: float = 1.0
    final: float = 0.0

    def __post_init__(self) -> None:
        check_rate(self.rate, "rate")
        check_rate(self.power, "power")
        check_rate(self.final, "final")
        check_count(self.steps, "steps")

    def at(self, step: Any) -> Any:
        """Return final + (rate - final) (1 - t)^power, with t the share of the steps that is over."""
        return self.final + (self.rate - self.final) * (1 - progress(step, self.steps)) ** self.power


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """From rate down to `final` in so many steps, along a line; then `final`."""

    rate: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        check_rate(self.rate, "rate")
        check_rate(self.final, "final")
        check_count(self.steps, "steps")

    def at(self, step: Any) -> Any:
        """Return final + (rate - final) (1 - t), with t the share of the steps that is over."""
        return self.final + (self.rate - self.final) * (1 - progress(step, self.steps))


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """From rate down to `final` in so many steps, along half a cosine; then `final`.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5, without restarts.
    """

    rate: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        check_rate(self.rate, "rate")
        check_rate(self.final, "final")
        check_count(self.steps, "steps")

    def at(self, step: Any) -> Any:
        """Return final + (rate - final) (1 + cos πt) / 2, with t the share of the steps that is over."""
        return between(self.rate, self.final, progress(step, self.steps))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Rise along a line for so many steps, then follow another schedule, whose step 1 is the last one of the rise.

    Args:
        after: a rate, or the schedule that follows.
        steps: the length of the rise.

    Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.

    >>> rate = WarmUp(CosineDecay(0.1, 1000), steps=4)
    >>> [round(rate(step), 4) for step in (1, 2, 3, 4, 504, 1004)]
    [0.025, 0.05, 0.075, 0.1, 0.05, 0.0]
    """

    after: float | Callable[[Any], Any]
    steps: int

    def __post_init__(self) -> None:
        check_rate(self.after, "after")
        check_count(self.steps, "steps")

    def at(self, step: Any) -> Any:
        """Return the rate of the schedule that follows, times the share of the rise that is over."""
        after: Any = self.after
        rate = after(np.maximum(step - self.steps + 1, 1)) if callable(after) else after
        return np.minimum(step / self.steps, 1.0) * rate


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to a peak and down to almost nothing, each along half a cosine: large rates in the middle regularize.

    Args:
        peak: the largest rate.
        steps: the length of the cycle; afterwards the last rate stays.
        rise: the share of the steps that go up.
        start: the first rate as a part of the peak.
        final: the last rate as a part of the first.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.
    """

    peak: float
    steps: int
    rise: float = 0.3
    start: float = 1 / 25
    final: float = 1e-4

    def __post_init__(self) -> None:
        check_rate(self.peak, "peak")
        check_count(self.steps, "steps")
        check_rate(self.start, "start")
        check_rate(self.final, "final")
        if not (0 < self.rise < 1 and self.rise * self.steps > 1):
            raise ValueError(
                f"OneCycle wanted 0 < rise < 1 and more than one step of rise, got rise={self.rise} of {self.steps} "
                "steps."
            )

    def at(self, step: Any) -> Any:
        """Return the rate of a step."""
        first, top = self.start * self.peak, self.rise * self.steps - 1.0
        up = between(first, self.peak, np.minimum((step - 1) / top, 1.0))
        down = np.minimum(np.maximum((step - 1 - top) / (self.steps - 1 - top), 0.0), 1.0)
        return np.where(step - 1 <= top, up, between(self.peak, first * self.final, down))


def progress(step: Any, steps: int) -> Any:
    """Return the share of the steps that is over before this one, from 0 to 1."""
    return np.minimum((step - 1) / steps, 1.0)


def between(start: float, end: float, t: Any) -> Any:
    """Go from start to end along half a cosine as t goes from 0 to 1."""
    return end + (start - end) * (1 + np.cos(math.pi * t)) / 2


class Plateau:
    """A rate that shrinks when a metric has stopped improving; tell it the metric once an epoch.

    It is called like a schedule, and gives the present rate whatever the step. Its state is saved with the optimizer.

    Args:
        rate: the rate to begin with.
        factor: what it is multiplied by.
        patience: how many updates without improvement are put up with; at the next one the rate shrinks.
        mode: "min" if smaller metrics are better, as for a loss; "max" for an accuracy.
        threshold: an improvement is one by more than this part of the best metric so far.
        cooldown: how many updates to wait after the rate shrank before counting again.
        minimum: the rate never falls below this.

    >>> rate = Plateau(0.1, factor=0.5, patience=1)
    >>> for loss in (1.0, 0.8, 0.8, 0.8):
    ...     changed = rate.update(loss)
    >>> changed, rate(step=5)
    (True, 0.05)
    """

    def __init__(
        self,
        rate: float,
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: str = "min",
        threshold: float = 1e-4,
        cooldown: int = 0,
        minimum: float = 0.0,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"Plateau wanted mode='min' (a loss) or mode='max' (an accuracy), got {mode!r}.")
        check_factor(factor, "factor")
        for name, updates in (("patience", patience), ("cooldown", cooldown)):
            if isinstance(updates, bool) or not isinstance(updates, (int, np.integer)) or updates < 0:
                raise ValueError(f"Plateau wanted {name} as a whole number of updates, 0 or more, got {updates!r}.")
        if callable(rate):
            raise TypeError(f"Plateau wanted a number to begin with, got the schedule {describe_rate(rate)}.")
        self.initial = self.rate = check_rate(rate, "rate")
        self.factor = factor
        self.patience = patience
        self.mode = mode
        self.threshold = check_rate(threshold, "threshold")
        self.cooldown = cooldown
        self.minimum = check_rate(minimum, "minimum")
        self.best = math.inf if mode == "min" else -math.inf
        self.bad = 0
        self.waiting = 0

    def __call__(self, step: Any) -> float:
        """Return the present rate."""
        return self.rate

    def __repr__(self) -> str:
        return (
            f"Plateau(rate={self.initial}, factor={self.factor}, patience={self.patience}, mode={self.mode!r}, "
            f"threshold={self.threshold}, cooldown={self.cooldown}, minimum={self.minimum})"
        )

    def update(self, metric: Any) -> bool:
        """Look at the metric of another epoch; return whether the rate shrank. NaN counts as no improvement."""
        metric = float(metric)
        if self.mode == "min":
            better = metric < self.best - self.threshold * abs(self.best if math.isfinite(self.best) else 0.0)
        else:
            better = metric > self.best + self.threshold * abs(self.best if math.isfinite(self.best) else 0.0)
        if better:
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.waiting:
            self.waiting -= 1
            self.bad = 0
        if self.bad <= self.patience:
            return False
        before, self.rate = self.rate, max(self.rate * self.factor, self.minimum)
        self.bad, self.waiting = 0, self.cooldown
        return self.rate < before

    def state_dict(self) -> dict[str, Any]:
        """Return the present rate and what has been seen so far."""
        return {"rate": self.rate, "best": self.best, "bad": self.bad, "waiting": self.waiting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called.

        Raises:
            ValueError: if an entry is missing or unknown; nothing changes then.
        """
        if set(state) != {"rate", "best", "bad", "waiting"}:
            raise ValueError(f"Plateau wanted the entries rate, best, bad and waiting, got {sorted(state)}.")
        rate, best, bad, waiting = check_rate(state["rate"]), float(state["best"]), state["bad"], state["waiting"]
        self.rate, self.best, self.bad, self.waiting = rate, best, int(bad), int(waiting)

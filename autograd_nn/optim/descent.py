"""Gradient descent on a function, step by step, with a reason for every stop.

The rule: step = slope × learning rate; new = old - step. It stops when every step is at most 0.001 in size, or after
1000 steps; the last step is taken before that test. A small step is no proof of a small slope: with a small rate every
step is small. So the result says why it stopped, estimates how far there was to go, and warns if that is far.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from .. import nested
from ..graph import Node
from ..transforms import value_and_grad
from .schedule import check_rate, describe_rate

__all__ = ["Descent", "DescentStep", "FalseConvergenceWarning", "StopReason", "gradient_descent", "learning_rate_sweep"]

DIVERGED = 1e6
"""A loss that is this many times larger than the first one (or than 1) counts as diverged."""


class FalseConvergenceWarning(UserWarning):
    """Descent stopped because its steps were small, but the minimum seems to be far away."""


class StopReason(StrEnum):
    """Why descent stopped. Each is a string: ``result.reason == "step size"``."""

    STEP_SIZE = "step size"
    """Every step was at most the tolerance."""
    STEP_LIMIT = "step limit"
    """The largest number of steps was reached."""
    DIVERGED = "diverged"
    """The loss grew beyond all bounds: the learning rate is too large."""
    LOSS_PLATEAU = "loss plateau"
    """The loss did not improve any more."""
    USER = "user"
    """The callback returned True, or Ctrl-C was pressed."""
    NAN = "NaN"
    """The loss or its gradient is not a number."""


EXPLANATIONS = {
    StopReason.STEP_SIZE: "every step was at most the tolerance",
    StopReason.STEP_LIMIT: "the largest number of steps was reached",
    StopReason.DIVERGED: "the loss grew beyond all bounds: take a smaller learning rate",
    StopReason.LOSS_PLATEAU: "the loss did not improve any more",
    StopReason.USER: "you asked for it",
    StopReason.NAN: "the loss or its gradient is not a number: a point outside of the function's domain was reached",
}


class DescentStep(NamedTuple):
    """One step: everything that its line of arithmetic contains. Trees have the structure of the starting point."""

    number: int
    """Counts from 1."""
    x: Any
    """Where the step begins."""
    loss: float
    """The loss there."""
    gradient: Any
    """The slope there, for each number."""
    rate: float
    """The learning rate of this step."""
    step: Any
    """Slope × rate."""
    new: Any
    """Old - step."""


@dataclass
class Descent:
    """What gradient descent did: where it went and why it stopped. `print` shows a summary, `report()` the arithmetic.

    Attributes:
        x: where it ended, in the structure of the starting point. (The best point is `best`.)
        loss: the loss there.
        reason: why it stopped.
        step_count: how many steps were taken.
        path: every point from the start to `x`; the first and the last one if the path was not to be kept.
        losses: the loss at every point.
        steps: every step with its arithmetic; empty if the path was not to be kept.
        remaining: estimated distance from `x` to the minimum, from how fast the last steps became smaller; 0 if the
            slope is 0, infinite if they did not, NaN unless it stopped because of small steps.
        false_convergence: is that far, compared with the tolerance and with the way that was gone?
        best: the point of the smallest loss.
    """

    x: Any
    loss: float
    reason: StopReason
    step_count: int
    path: list[Any]
    losses: list[float]
    steps: list[DescentStep]
    learning_rate: Any
    tolerance: float
    max_steps: int
    remaining: float = math.nan
    false_convergence: bool = False
    best: Any = field(default=None, repr=False)

    def __repr__(self) -> str:
        warning = ", false convergence" if self.false_convergence else ""
        return (
            f"Descent(reason={str(self.reason)!r}{warning}, steps={self.step_count}, loss={self.loss:.6g}, "
            f"x={text(self.x)})"
        )

    def __str__(self) -> str:
        lines = [
            f"gradient descent, learning rate {describe_rate(self.learning_rate)}",
            f"stopped after step {self.step_count}: {self.reason} ({EXPLANATIONS[self.reason]})",
            f"loss {self.losses[0]:.6g} → {self.loss:.6g}",
            f"from {text(self.path[0])}",
            f"to   {text(self.x)}",
        ]
        if self.false_convergence:
            lines.append(f"false convergence: about {self.remaining:.3g} seems to be left to go")
        return "\n".join(lines)

    def report(self, rows: int = 3) -> str:
        """Return the five steps of gradient descent as text, with the numbers of the first and the last rounds.

        Args:
            rows: how many rounds to show at the beginning, and at the end.

        Raises:
            ValueError: if the path was not kept.

        >>> print(gradient_descent(lambda w: (w - 3) ** 2, 0.0, 0.1).report(rows=1))
        Gradient descent in five steps
        Step 1. Take the derivative of the loss with respect to each parameter: w. Backpropagation does it.
        Step 2. Choose values to begin with: w = 0.
        Step 3. Put the values into the derivatives: the slopes.
        Step 4. Multiply by the learning rate: step = slope × rate.
        Step 5. Subtract: new = old - step. Back to step 3, until every step is at most 0.001, or 1000 were taken.
        <BLANKLINE>
        round 1: loss 9, rate 0.1
          w: old 0, slope -6, step -6 × 0.1 = -0.6, new 0 - (-0.6) = 0.6
        … 28 rounds …
        round 30: loss 2.16e-05, rate 0.1
          w: old 2.99536, slope -0.00928455, step -0.00928455 × 0.1 = -0.000928455, new 2.99536 - ... = 2.99629
        <BLANKLINE>
        stopped after step 30: step size (every step was at most the tolerance)
        """
        if not self.step_count:
            return f"no step was taken: {self.reason} ({EXPLANATIONS[self.reason]})"
        if not self.steps:
            raise ValueError("report wanted the steps, but the path was not kept: gradient_descent(…, keep_path=True).")
        named = names(self.path[0])
        start = ", ".join(f"{name} = {x:.6g}" for name, x in zip(named, numbers(self.path[0]), strict=False))
        more = size(self.path[0]) - len(named)
        derivative = "derivative" if len(named) == 1 else "derivatives, which together are the gradient,"
        lines = [
            "Gradient descent in five steps",
            f"Step 1. Take the {derivative} of the loss with respect to each parameter: {', '.join(named)}"
            + (f" and {more} more" if more else "")
            + ". Backpropagation does it.",
            f"Step 2. Choose values to begin with: {start}{', …' if more else ''}.",
            "Step 3. Put the values into the derivatives: the slopes.",
            "Step 4. Multiply by the learning rate: step = slope × rate.",
            f"Step 5. Subtract: new = old - step. Back to step 3, until every step is at most {self.tolerance:g}, "
            f"or {self.max_steps} were taken.",
            "",
        ]
        n = len(self.steps)
        for i, step in enumerate(self.steps):
            if rows <= i < n - rows:
                if i == rows:
                    lines.append(f"… {n - 2 * rows} rounds …")
                continue
            lines.append(f"round {step.number}: loss {step.loss:.3g}, rate {step.rate:g}")
            columns = (numbers(tree) for tree in (step.x, step.gradient, step.step, step.new))
            for name, old, slope, change, new in zip(named, *columns, strict=False):
                lines.append(
                    f"  {name}: old {old:.6g}, slope {slope:.6g}, step {bracketed(slope)} × {step.rate:g} = "
                    f"{change:.6g}, new {old:.6g} - {bracketed(change, always=True)} = {new:.6g}"
                )
        lines += ["", f"stopped after step {self.step_count}: {self.reason} ({EXPLANATIONS[self.reason]})"]
        if self.false_convergence:
            lines.append(f"false convergence: about {self.remaining:.3g} seems to be left to go")
        return "\n".join(lines)


def gradient_descent(
    f: Callable[[Any], Any],
    x0: Any,
    learning_rate: Any,
    *,
    tolerance: float = 0.001,
    max_steps: int = 1000,
    plateau: int | None = None,
    plateau_tolerance: float = 0.0,
    callback: Callable[[DescentStep], Any] | None = None,
    keep_path: bool = True,
) -> Descent:
    """Minimize a function by gradient descent from a starting point, and say why it stopped.

    Args:
        f: takes what x0 is and returns one real number, computed with operators and NumPy's functions.
        x0: a number, an array, or nested tuples, lists and dicts of them.
        learning_rate: a number, or a function of the step number, which counts from 1, such as
            ``ExponentialDecay(0.95, 0.9)``, which starts large and gets smaller.
        tolerance: stop when every step is at most this in size. The last step is taken before this is tested.
        max_steps: stop after so many steps.
        plateau: stop when the loss has not improved for so many steps; None: do not look.
        plateau_tolerance: an improvement is one by more than this.
        callback: called with each `DescentStep` after it was taken; if it returns True, descent stops.
        keep_path: keep every point and step. Without, only the first and the last point are kept.

    Returns:
        The result with the path, the losses and the reason. It also stops, with a reason, when the loss is not a
        number, when it has grown a million times (above its first size, or above 1), and at Ctrl-C.

    Warns:
        FalseConvergenceWarning: if it stopped because the steps were small while the minimum still seems to be far.

    Raises:
        TypeError: if x0 holds no numbers, or f does not return one real number.
        ValueError: if the learning rate or an option makes no sense, or f does not depend on its argument.

    >>> result = gradient_descent(lambda w: (w - 3) ** 2, 0.0, learning_rate=0.1)
    >>> result
    Descent(reason='step size', steps=30, loss=1.37925e-05, x=2.99629)
    >>> gradient_descent(lambda w: (w - 3) ** 2, 0.0, learning_rate=1.1).reason == "diverged"
    True
    """
    rate_of = check_rate(learning_rate)
    check_options(tolerance, max_steps, plateau, plateau_tolerance)
    x: Any = nested.map_leaves(start_leaf, x0)
    if not size(x):
        raise TypeError(f"gradient_descent wanted a number or an array to start from, got {x0!r:.50}.")
    both = value_and_grad(dependent(f))
    result = Descent(x, math.nan, StopReason.STEP_LIMIT, 0, [x], [], [], rate_of, tolerance, max_steps, best=x)
    improved = 0  # the last step with an improvement
    taken: DescentStep | None = None
    with np.errstate(all="ignore"):  # NaN and overflow are reasons to stop, and reported as such
        loss, gradient = evaluate(both, x)
        result.losses.append(loss)
        result.loss = lowest = loss
        large = DIVERGED * max(1.0, abs(loss))
        reason = not_a_number(loss, gradient, math.inf)
        try:
            while reason is None:
                number = result.step_count + 1
                rate = check_rate(rate_of(number)) if callable(rate_of) else rate_of
                step = nested.map_leaves(lambda slope, rate=rate: rate * slope, gradient)
                new = nested.map_leaves(lambda old, change: old - change, result.x, step)
                taken = DescentStep(number, result.x, loss, gradient, rate, step, new)
                loss, gradient = evaluate(both, new)
                keep(result, taken, loss, keep_path)
                if loss < lowest - plateau_tolerance:
                    improved = number
                if loss < lowest:
                    lowest, result.best = loss, new
                asked = callback is not None and callback(taken) is True
                reason = not_a_number(loss, gradient, large)
                if reason is None and asked:
                    reason = StopReason.USER
                elif reason is None and largest(step) <= tolerance:
                    reason = StopReason.STEP_SIZE
                elif reason is None and plateau is not None and number - improved >= plateau:
                    reason = StopReason.LOSS_PLATEAU
                elif reason is None and number == max_steps:
                    reason = StopReason.STEP_LIMIT
        except KeyboardInterrupt:
            reason = StopReason.USER
        result.reason = reason
        if taken is not None and reason is StopReason.STEP_SIZE:
            judge(result, taken, gradient)
    if result.false_convergence:
        warnings.warn(
            f"gradient descent stopped after step {result.step_count}, because its last step was at most the "
            f"tolerance {tolerance:g}; but the slope there is still {largest(gradient):.3g}, and about "
            f"{result.remaining:.3g} seems to be left to go: false convergence. Take a larger learning_rate, or a "
            "smaller tolerance.",
            FalseConvergenceWarning,
            stacklevel=2,
        )
    return result


def learning_rate_sweep(
    f: Callable[[Any], Any], x0: Any, rates: Iterable[float], **options: Any
) -> dict[float, Descent]:
    """Run `gradient_descent` from one starting point with each of several rates.

    Args:
        f: see `gradient_descent`.
        x0: see `gradient_descent`.
        rates: the learning rates, numbers.
        **options: see `gradient_descent`.

    Returns:
        The results by rate. False convergence is told by the results, without warnings.

    >>> for rate, result in learning_rate_sweep(lambda w: (w - 3) ** 2, 0.0, [1e-6, 0.1, 1.0, 1.1]).items():
    ...     false = " (false convergence)" if result.false_convergence else ""
    ...     print(f"{rate:g}: {result.reason}, {result.step_count} steps{false}")
    1e-06: step size, 1 steps (false convergence)
    0.1: step size, 30 steps
    1: step limit, 1000 steps
    1.1: diverged, 38 steps
    """
    results = {}
    for rate in rates:
        if callable(rate):
            raise TypeError(f"learning_rate_sweep wanted numbers as rates, got the schedule {describe_rate(rate)}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FalseConvergenceWarning)
            results[check_rate(rate)] = gradient_descent(f, x0, rate, **options)
    return results


def dependent(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return f with a check that its result depends on its argument."""
    if not callable(f):
        raise TypeError(f"wanted a function to minimize, got {type(f).__name__}: write f, not f(x).")

    def checked(x: Any) -> Any:
        y = f(x)
        if isinstance(y, (int, float, np.generic, np.ndarray)) or (isinstance(y, Node) and not y.requires_grad):
            raise ValueError(
                "the function to minimize returned a number that does not depend on its argument, so there is no "
                "direction to go. Does it use its argument, and without .data, float() or rounding?"
            )
        return y

    return checked


def evaluate(both: Callable[[Any], Any], x: Any) -> tuple[float, Any]:
    """Return the loss as a Python float, and the gradient."""
    loss, gradient = both(x)
    return float(np.asarray(loss).reshape(())), gradient


def keep(result: Descent, taken: DescentStep, loss: float, keep_path: bool) -> None:
    """Write a step into the result."""
    if keep_path:
        result.path.append(taken.new)
        result.steps.append(taken)
    else:
        result.path[1:] = [taken.new]
    result.losses.append(loss)
    result.x, result.loss, result.step_count = taken.new, loss, taken.number


def not_a_number(loss: float, gradient: Any, large: float) -> StopReason | None:
    """Return the reason to stop at a loss that is not a number, or too large to be of use."""
    if loss > large or (loss == math.inf and large < math.inf):
        return StopReason.DIVERGED
    return None if math.isfinite(loss) and finite(gradient) else StopReason.NAN


def judge(result: Descent, taken: DescentStep, gradient: Any) -> None:
    """Estimate how far the minimum is from the end, and whether that is far.

    Close to a minimum, steps shrink by a factor r, so that r + r² + … = r / (1 - r) steps are left (the idea of Aitken,
    1926). The factor is that of the next step, which is not taken, along the last one.
    """
    last, slope = vector(taken.step), vector(gradient)
    following = taken.rate * slope
    square = float(last @ last)
    if square == 0.0:
        result.remaining = math.inf if slope.any() else 0.0
    else:
        r = float(following @ last) / square
        result.remaining = math.sqrt(square) * abs(r) / (1 - r) if r < 1 else math.inf
    way = float(np.linalg.norm(vector(result.x) - vector(result.path[0])))
    result.false_convergence = result.remaining > max(10 * result.tolerance, 0.01 * way)


def start_leaf(x: Any, what: str = "gradient_descent") -> Any:
    """Return a number or array to start from: a float, or an array of floats of our own."""
    if isinstance(x, Node):
        raise TypeError(
            f"{what} wanted numbers or arrays to start from, got a Value: write v.data. To train the Values "
            "of a model, use optim.SGD(model.parameters(), learning_rate)."
        )
    if isinstance(x, (bool, np.bool_, str, bytes)):
        raise TypeError(f"{what} wanted numbers to start from, got {type(x).__name__} {x!r:.50}.")
    if isinstance(x, (int, float)):
        return float(x)
    array = np.array(x, subok=False)
    if array.dtype.kind in "iu":
        array = array.astype(float)
    if array.dtype.kind != "f":
        raise TypeError(f"{what} wanted real numbers to start from, got {array.dtype} from {type(x).__name__}.")
    return array


def check_options(tolerance: Any, max_steps: Any, plateau: Any, plateau_tolerance: Any) -> None:
    """Raise where an option of `gradient_descent` makes no sense."""
    for what, number in (("tolerance", tolerance), ("plateau_tolerance", plateau_tolerance)):
        if not isinstance(number, (int, float)) or not number >= 0:
            raise ValueError(f"{what} wanted a number that is not negative, got {number!r}.")
    for what, count in (("max_steps", max_steps), ("plateau", plateau)):
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise ValueError(f"{what} wanted a whole number of steps, at least 1, got {count!r}.")


def vector(tree: Any) -> np.ndarray:
    """Return all numbers of a tree in one array of double precision."""
    return np.concatenate([np.asarray(leaf, float).ravel() for leaf in nested.leaves(tree)])


def numbers(tree: Any) -> Sequence[float]:
    """Return all numbers of a tree in one list."""
    return vector(tree).tolist()


def size(tree: Any) -> int:
    """Count the numbers of a tree."""
    return sum(int(np.size(leaf)) for leaf in nested.leaves(tree))


def largest(tree: Any) -> float:
    """Return the largest size of a number in a tree."""
    return max((float(np.max(np.abs(leaf))) for leaf in nested.leaves(tree) if np.size(leaf)), default=0.0)


def finite(tree: Any) -> bool:
    """Are all numbers of a tree finite?"""
    return all(bool(np.all(np.isfinite(leaf))) for leaf in nested.leaves(tree))


def names(tree: Any, limit: int = 10) -> list[str]:
    """Return a name for each number of a tree, in the order of its leaves: keys and positions; at most `limit`."""
    import optree

    found = []
    paths, leaves, _ = optree.tree_flatten_with_path(tree)
    for path, leaf in zip(paths, leaves, strict=True):
        name = ".".join(map(str, path))
        if path and isinstance(path[0], int):
            name = f"x{name}"
        if np.ndim(leaf) == 0:
            found.append(name or "w")
        else:
            for index in np.ndindex(np.shape(leaf)):
                found.append(f"{name or 'x'}[{', '.join(map(str, index))}]")
                if len(found) == limit:
                    break
        if len(found) == limit:
            break
    return found


def bracketed(x: float, *, always: bool = False) -> str:
    """Return a number as text, in brackets if it is negative and follows a sign."""
    return f"({x:.6g})" if always and x < 0 else f"{x:.6g}"


def text(tree: Any) -> str:
    """Return a tree of numbers as short text."""
    return repr(nested.map_leaves(Short, tree))


class Short:
    """A number or array with a short repr."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __repr__(self) -> str:
        if np.ndim(self.x) == 0:
            return f"{float(self.x):.6g}"
        return np.array2string(np.asarray(self.x), precision=6, threshold=12, edgeitems=2, separator=", ")

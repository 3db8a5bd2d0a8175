"""Numerical derivatives: central differences, extrapolated until the error is known and small.

A derivative rule is checked against numbers that know nothing of rules. Plain central differences are good to 1e-10 at
best and give no hint how good they were; two steps of Richardson's extrapolation give about 1e-12 on smooth functions,
and the difference between the last two columns is an estimate of the error.

Source: W. H. Press et al., Numerical Recipes, 3rd edition, section 5.7 (Ridders' method).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Estimate", "derivative", "one_sided"]


class Estimate(NamedTuple):
    """A number and how far it may be off."""

    value: float
    error: float


def derivative(
    phi: Callable[[float], float], *, eps: float = 2.0**-52, wanted: float = 1e-7, start: float = 1.0
) -> Estimate:
    """Return the derivative of `phi` at 0 with an estimate of its error.

    Steps are h, h/2 and h/4, with h near eps^(1/7), where the errors of truncation and rounding balance. While the
    estimate is worse than wanted (a pole or a kink is near, or curvature is large) smaller steps are tried.

    Args:
        phi: a function of one number, of moderate size around 0.
        eps: relative rounding error of phi's values.
        wanted: relative error that is good enough to stop.
        start: factor on the first step.

    >>> import math
    >>> value, error = derivative(lambda t: math.exp(2 * t))
    >>> abs(value - 2) < 1e-10, error < 1e-8
    (True, True)
    """
    h = start * 2.0 * eps ** (1 / 7)
    best = Estimate(math.nan, math.inf)
    while h > 30 * eps:
        d1, d2, d3 = [(phi(step) - phi(-step)) / (2 * step) for step in (h, h / 2, h / 4)]
        r1, r2 = (4 * d2 - d1) / 3, (4 * d3 - d2) / 3
        value = (16 * r2 - r1) / 15
        estimate = Estimate(value, max(abs(value - r2), abs(r2 - r1) / 15))
        if estimate.error < best.error:
            best = estimate
        if best.error <= wanted * abs(best.value) + wanted * 1e-3:
            break
        h /= 8
    return best


def one_sided(phi: Callable[[float], float], *, eps: float = 2.0**-52) -> tuple[float, float]:
    """Return the slopes of `phi` on the left and on the right of 0, by three-point formulas.

    >>> one_sided(abs)
    (-1.0, 1.0)
    """
    h = 4 * eps ** (1 / 3)
    here = phi(0.0)
    right = (4 * phi(h) - phi(2 * h) - 3 * here) / (2 * h)
    left = (3 * here - 4 * phi(-h) + phi(-2 * h)) / (2 * h)
    return float(np.round(left, 6)), float(np.round(right, 6))

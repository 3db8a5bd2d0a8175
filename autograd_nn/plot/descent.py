"""How sensitive gradient descent is to the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..optim import Descent, StopReason
from .canvas import BESIDE, COLORS, axes, finish, ink, legend, mpl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_rate_sweep"]

LOOKS = {
    StopReason.STEP_SIZE: ("o", COLORS[2], "small steps"),
    StopReason.LOSS_PLATEAU: ("D", COLORS[0], "loss plateau"),
    StopReason.STEP_LIMIT: ("s", COLORS[3], "step limit"),
    StopReason.DIVERGED: ("X", COLORS[1], "diverged"),
    StopReason.NAN: ("P", COLORS[5], "NaN"),
    StopReason.USER: ("v", COLORS[4], "stopped by user"),
}


def learning_rate_sweep(results: Mapping[float, Descent], *, ax: Axes | None = None) -> Axes:
    """Draw where gradient descent ended for each learning rate, why it stopped, and after how many steps.

    Marks tell the reason; one that is hollow stopped because its steps were small, far from the minimum: false
    convergence. Losses that are 0 or beyond all numbers stand at the edge.

    Args:
        results: what `optim.learning_rate_sweep` returned: results by rate.
        ax: where to draw; a new figure if left out.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: if these are no such results.

    >>> from autograd_nn import optim, plot
    >>> results = optim.learning_rate_sweep(lambda w: (w - 3) ** 2, 0.0, [1e-6, 0.01, 0.1, 1.1])
    >>> ax = plot.learning_rate_sweep(results)
    >>> ax.get_xlabel(), ax.get_xscale()
    ('learning rate', 'log')
    """
    if not isinstance(results, Mapping) or not all(isinstance(r, Descent) for r in results.values()):
        raise TypeError(
            f"learning_rate_sweep wanted results by rate, as optim.learning_rate_sweep(f, x0, rates) returns them, got "
            f"{type(results).__name__}."
        )
    if not results or min(results) <= 0:
        raise ValueError("learning_rate_sweep wanted results of at least one rate, and rates above 0.")
    ordered = sorted(results.items())
    rates = np.array([rate for rate, _ in ordered])
    losses = np.array([result.loss for _, result in ordered], dtype=float)
    first = ordered[0][1].losses[0]
    usual = losses[np.isfinite(losses)]
    log = bool((usual >= 0).all()) and first >= 0
    inside = usual[usual > 0] if log else usual
    ends = [*inside.tolist(), *([first] if math.isfinite(first) and (first > 0 or not log) else [])] or [1.0]
    low, high = min(ends), max(ends)
    if log:
        room = max((high / low) ** 0.1, 2.0)
        low, high = low / room, high * room
    else:
        room = 0.1 * (high - low) or 1.0
        low, high = low - room, high + room
    drawn = np.where(np.isnan(losses) | (losses == np.inf), high, np.where(losses < low, low, losses))
    ax = axes(ax, size=(6.4, 4.0))
    ax.set_xscale("log")
    ax.set_yscale("log" if log else "linear")
    ax.plot(rates, drawn, color=ink(ax), linewidth=0.8, alpha=0.5, zorder=1)
    start = ax.axhline(first, color=ink(ax), linewidth=1.0, linestyle=":")
    line = mpl().lines.Line2D
    handles, labels = [start], ["loss at the start"]
    for reason, (marker, color, said) in LOOKS.items():
        for hollow in (False, True):
            mine = [i for i, (_, r) in enumerate(ordered) if r.reason == reason and bool(r.false_convergence) is hollow]
            if not mine:
                continue
            look = {"marker": marker, "linestyle": "none", "markersize": 9, "color": color, "markeredgewidth": 1.8,
                    "markerfacecolor": "none" if hollow else color}  # fmt: skip
            ax.plot(rates[mine], drawn[mine], zorder=3, clip_on=False, **look)
            handles.append(line([], [], **look))
            labels.append(f"{said}: false convergence" if hollow else said)
    for i, (_, result) in enumerate(ordered):
        edge = (
            ""
            if losses[i] == drawn[i]
            else ", loss " + ({0.0: "0", math.inf: "∞", -math.inf: "−∞"}.get(losses[i], "NaN"))
        )
        steps = "1 step" if result.step_count == 1 else f"{result.step_count} steps"
        below = drawn[i] == low  # no room under the edge
        ax.annotate(
            steps + edge, (rates[i], drawn[i]), textcoords="offset points", xytext=(8, 3) if below else (-8, -3),
            ha="left" if below else "right", va="bottom" if below else "top",
            color=ink(ax), fontsize="x-small",
        )  # fmt: skip
    ax.set_ylim(low, high)
    ax.margins(x=0.22)
    legend(ax, handles, labels, fontsize="small", **BESIDE)
    return finish(ax, title="sensitivity to the learning rate", x="learning rate", y="loss at the end")

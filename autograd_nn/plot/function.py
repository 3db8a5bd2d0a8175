"""Functions of one number beside their derivatives: activations, and losses of a probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn import activation as activation_named
from ..transforms import elementwise_grad
from .canvas import COLORS, axes, finish, ink, legend, literal, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["activation", "interval", "loss_slopes"]


def activation(
    f: str | Callable[[Any], Any], *, x_range: tuple[float, float] = (-4.0, 4.0), ax: Axes | None = None
) -> Axes:
    """Draw a function of one number, and its derivative as backpropagation computes it.

    Args:
        f: name of an activation, such as "relu"; or any function that works element by element.
        x_range: from where to where.
        ax: where to draw; a new figure if left out.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: if it is no such function.

    >>> from autograd_nn import plot
    >>> f, slope = [line.get_ydata() for line in plot.activation("relu").lines[:2]]
    >>> f[[0, -1]].tolist(), slope[[0, -1]].tolist()
    ([0.0, 4.0], [0.0, 1.0])
    """
    function = activation_named(f)
    name = f if isinstance(f, str) else getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__
    name = "f" if name == "<lambda>" else literal(name)
    x = np.linspace(*interval("x_range", x_range), 401)
    y = plain(function(x)).astype(float)
    alone = plain(function(x[:1])).astype(float)
    if y.shape != x.shape or not np.allclose(y[:1], alone, equal_nan=True):
        raise ValueError(
            f"activation draws functions of one number, {name} of an array of shape {x.shape} gives {y.shape}, or "
            "looks at all its numbers, as softmax does."
        )
    slope = plain(elementwise_grad(function)(x))
    ax = axes(ax)
    handles = [
        *ax.plot(x, y, color=COLORS[0], linewidth=2.2),
        *ax.plot(x, slope, color=COLORS[1], linewidth=2.0, linestyle="--"),
    ]
    cross(ax)
    legend(ax, handles, [f"{name}(z)", "derivative"])
    return finish(ax, title=f"{name} and its derivative", x="z", y="value")


def loss_slopes(*, ax: Axes | None = None, p_min: float = 0.05) -> Axes:
    """Draw why classifiers learn with cross entropy: the slope of two losses in the probability of the true class.

    A really bad prediction gives a large step: at p = 0.1 the slope of cross entropy is −10, that of the squared
    residual −1.8.

    Args:
        ax: where to draw; a new figure if left out.
        p_min: smallest probability that is drawn, above 0.

    Returns:
        The Axes.

    Raises:
        ValueError: if p_min is not between 0 and 1.

    >>> from autograd_nn import plot
    >>> ax = plot.loss_slopes()
    >>> [round(float(line.get_ydata()[0]), 2) for line in ax.lines[:2]]  # at p = 0.05
    [-20.0, -1.9]
    """
    if not 0 < p_min < 0.5:
        raise ValueError(f"p_min wanted a probability above 0 and below 0.5, got {p_min!r}.")
    p = np.linspace(p_min, 1.0, 381)
    ax = axes(ax)
    losses: tuple[tuple[str, Callable[[Any], Any], str], ...] = (
        ("cross entropy, −ln p", lambda p: -np.log(p), "-"),
        ("squared residual, (1 − p)²", lambda p: (1 - p) ** 2, "--"),
    )
    handles = []
    for (_, f, dash), color in zip(losses, COLORS, strict=False):
        handles += ax.plot(p, plain(elementwise_grad(f)(p)), color=color, linewidth=2.2, linestyle=dash)
    for (_, f, _), color, marker, below in zip(losses, COLORS, "os", (True, False), strict=False):
        at = np.array([0.1, 0.9])
        slopes = plain(elementwise_grad(f)(at))
        ax.plot(at, slopes, linestyle="none", marker=marker, color=color, markersize=7, markeredgecolor=ink(ax))
        for x, slope in zip(at.tolist(), slopes.tolist(), strict=True):
            left = below and x < 0.5
            ax.annotate(f"{slope:.3g}".replace("-", "−"), (x, slope), textcoords="offset points",
                        xytext=(9, -3) if left else (0, -14 if below else 8), ha="left" if left else "center",
                        color=ink(ax), fontsize="small")  # fmt: skip
    ax.set_ylim(top=0.08 / p_min)
    legend(ax, handles, [name for name, _, _ in losses], loc="lower right")
    return finish(
        ax, title="a really bad prediction gives a large step", x="predicted probability of the true class, p",
        y="slope of the loss in p",
    )  # fmt: skip


def interval(name: str, given: Any) -> tuple[float, float]:
    """Return two finite numbers, the smaller one first.

    Raises:
        ValueError: if they are none.
    """
    try:
        low, high = (float(end) for end in given)
    except (TypeError, ValueError):
        raise ValueError(f"{name} wanted two numbers, such as (-4, 4), got {given!r:.60}.") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"{name} wanted two finite numbers, the smaller one first, got {given!r:.60}.")
    return low, high


def cross(ax: Axes) -> None:
    """Draw the lines through 0."""
    ax.axhline(0.0, color=ink(ax), linewidth=0.7, alpha=0.6, zorder=1)
    ax.axvline(0.0, color=ink(ax), linewidth=0.7, alpha=0.6, zorder=1)

"""Curves of a training run: losses and scores by epoch, and how large gradients are beside the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn import Module
from ..nn.scalar import ScalarModule
from ..training import Callback, History, State
from ..training.history import larger_is_better
from .canvas import BESIDE, COLORS, DASHES, MARKERS, axes, finish, ink, legend, literal, mpl, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GradientRatios", "gradients", "history"]

HEALTHY = (1e-4, 1e-1)
"""Of gradient to weight: with learning rates of 0.01 to 0.1 a step then changes weights by a thousandth or so."""

NOT_CURVES = ("epoch", "step", "seconds", "learning_rate")
SMOOTHED = 50  # of so many steps or more, running means are drawn over what was recorded
WIDE_RANGE = 20.0  # a factor from which on a logarithmic axis shows more


def history(
    history: Any, *, keys: str | Sequence[str] | None = None, ax: Axes | None = None, log: bool | str = "auto"
) -> Axes:
    """Draw losses, or other columns, by epoch: training solid, validation dashed, the best epoch marked.

    Args:
        history: what `fit` returned; or rows (dicts), columns (a dict of lists), or just a list of losses.
        keys: which columns, such as "accuracy"; the column ``validation_…`` of the same name comes with each. By
            default "loss".
        ax: where to draw; a new figure if left out.
        log: a logarithmic axis? "auto": if all numbers are positive and they differ by a factor of 20 or more.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: if there is nothing to draw, or no such column.

    >>> from autograd_nn import plot
    >>> ax = plot.history([{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.4}, {"epoch": 3, "loss": 0.5}])
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()
    ('epoch', 'loss', 'linear')
    """
    run = as_history(history)
    names = chosen(run, keys)
    if log not in (True, False, "auto"):
        raise ValueError(f'log wanted True, False or "auto", got {log!r}.')
    ax = axes(ax, size=(5.6 if len(names) == 1 else 7.2, 3.8))
    epochs, counted = epochs_of(run)
    lines = mpl().lines
    handles, labels, every = [], [], []
    for i, name in enumerate(names):
        color = COLORS[i % len(COLORS)]
        pair = [(name, "-"), (f"validation_{name}", "--")]
        for column, dash in [(c, d) for c, d in pair if c in run.columns]:
            y = numbers(run, column)
            ax.plot(epochs, y, color=color, linestyle=dash, linewidth=1.8, marker="o" if len(y) == 1 else "")
            handles.append(lines.Line2D([], [], color=color, linestyle=dash, linewidth=1.8))
            said = "validation" if dash == "--" else "training"
            labels.append(said if len(names) == 1 else f"{literal(name)}, {said}")
            every.append(y)
        monitored = pair[1][0] if pair[1][0] in run.columns else name
        y = numbers(run, monitored)
        if len(y) > 1 and np.isfinite(y).any():
            best = int(np.nanargmax(y) if larger_is_better(name) else np.nanargmin(y))
            mark = {"marker": MARKERS[2 + i % 5], "color": color, "markersize": 8, "linestyle": "none"}
            ax.plot(epochs[best], y[best], markeredgecolor=ink(ax), zorder=3, **mark)
            handles.append(lines.Line2D([], [], markeredgecolor=ink(ax), **mark))
            labels.append(f"best: {y[best]:.4g} in {counted} {epochs[best]:g}")
    together = np.concatenate(every)
    together = together[np.isfinite(together)]
    if not together.size:
        raise ValueError(f"history: {', '.join(names)} holds no finite number, so there is nothing to draw.")
    wide = together.min() > 0 and together.max() / WIDE_RANGE >= together.min()
    if log is True and together.min() <= 0:
        raise ValueError(
            f"log=True wanted positive numbers, the smallest one is {together.min():.4g}: write log=False."
        )
    if log is True or (log == "auto" and wide and not any(map(larger_is_better, names))):
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(mpl().ticker.MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    legend(ax, handles, labels, **(BESIDE if len(names) > 1 else {}))
    what = literal(names[0]).replace("_", " ") if len(names) == 1 else "value"
    return finish(ax, title="training", x=counted, y=what)


def as_history(given: Any) -> History:
    """Return rows as a history."""
    if isinstance(given, History):
        run = given
    elif isinstance(given, Mapping):
        columns = {str(name): list(plain(column)) for name, column in given.items()}
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError(f"history wanted columns of one length, got { {n: len(c) for n, c in columns.items()} }.")
        run = History([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    elif isinstance(given, (Sequence, np.ndarray)) and not isinstance(given, str):
        rows = list(given)
        if all(isinstance(row, Mapping) for row in rows):
            run = History(rows)
        elif not any(isinstance(row, Mapping) or np.ndim(plain(row)) for row in rows):
            run = History([{"step": i + 1, "loss": float(plain(row))} for i, row in enumerate(rows)])
        else:
            raise TypeError("history wanted rows as dicts, or a number for each epoch, in a list; got a mixture.")
    else:
        raise TypeError(
            f"history wanted what fit returned, rows, columns, or a list of losses; got {type(given).__name__}."
        )
    if not len(run):
        raise ValueError("history has no rows: no epoch was finished, so there is nothing to draw.")
    return run


def chosen(run: History, keys: Any) -> list[str]:
    """Return the names of the columns to draw."""
    there = [
        name
        for name in run.columns
        if name not in NOT_CURVES and not name.startswith("validation_") and is_number(run, name)
    ]
    if keys is None:
        if not there:
            raise ValueError(f"history has no column of numbers to draw, only {', '.join(run.columns)}.")
        return ["loss"] if "loss" in there else there[:1]
    names = [keys] if isinstance(keys, str) else list(keys)
    for name in names:
        if name not in run.columns or not is_number(run, name):
            raise ValueError(f"history has no column of numbers {name!r}: there are {', '.join(there)}.")
    if not names:
        raise ValueError(f"keys wanted at least one of {', '.join(there)}.")
    with_own = set(names)
    return [n for n in dict.fromkeys(names) if n.removeprefix("validation_") not in with_own - {n}]


def is_number(run: History, name: str) -> bool:
    return np.asarray(run[name]).dtype.kind in "biuf"


def numbers(run: History, name: str) -> np.ndarray:
    """Return a column with NaN for what is not finite, which leaves a gap in the curve."""
    y = run[name].astype(float)
    return np.where(np.isfinite(y), y, np.nan)


def epochs_of(run: History) -> tuple[np.ndarray, str]:
    """Return where the rows are along the axis, and what is counted there."""
    for name in ("epoch", "step"):
        if name in run.columns:
            return run[name].astype(float), name
    return np.arange(1.0, len(run) + 1), "epoch"


# gradients


class GradientRatios(Callback):
    """Record during `fit` how large the gradient of each weight array is beside it: ||grad|| / ||weight||.

    Args:
        every: record each so-many-th step.

    Attributes:
        rows: a dict for each recorded step: "step", and the ratio by the path of the parameter. Biases are left out,
            since they begin at 0.

    >>> import numpy as np
    >>> from autograd_nn import nn, plot
    >>> from autograd_nn.training import fit
    >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
    >>> ratios = plot.GradientRatios()
    >>> run = fit(nn.MLP([1, 8, 1], rng=0), (x, x**2), "mse", epochs=3, callbacks=ratios, progress=False)
    >>> list(ratios.rows[0])
    ['step', 'layers.0.weight', 'layers.1.weight']
    >>> plot.gradients(ratios).get_ylabel()
    '‖gradient‖ / ‖weight‖'
    """

    def __init__(self, every: int = 1) -> None:
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"GradientRatios wanted every= as a whole number, at least 1, got {every!r}.")
        self.every = every
        self.rows: list[dict[str, float]] = []

    def begin(self, state: State) -> None:
        """Let the history know, so that ``plot.gradients(history)`` finds them."""
        state.history.gradients = self.rows

    def step(self, state: State) -> None:
        """Record the gradients of this step."""
        if state.step % self.every == 0 or state.step == 1:
            self.rows.append({"step": state.step, **ratios(state.model)})

    def state_dict(self) -> dict[str, Any]:
        """Return what was recorded."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with what was recorded before."""
        self.rows[:] = [dict(row) for row in state["rows"]]


def ratios(model: Module) -> dict[str, float]:
    """Return ||grad|| / ||weight|| of each array of weights that has a gradient."""
    if isinstance(model, ScalarModule):
        grads = model.gradients()
        found = {path: (block.data, grads[path]) for path, block in model.blocks().items()}
    else:
        found = {path: (p._data, p._grad) for path, p in model.named_parameters() if p._grad is not None}
    ratio = {}
    for path, (weight, grad) in found.items():
        size = np.linalg.norm(np.asarray(weight, float))
        if np.ndim(weight) >= 2 or (np.size(weight) and "bias" not in path):
            ratio[path] = float(np.linalg.norm(np.asarray(plain(grad), float)) / size) if size else math.nan
    return ratio


def gradients(model_or_history: Any, *, ax: Axes | None = None, healthy: tuple[float, float] = HEALTHY) -> Axes:
    """Draw how large gradients are beside the weights, layer by layer, on a logarithmic axis.

    Of a model with gradients (after `backward`, or after `fit`) it draws a mark for each array of weights, of what
    `GradientRatios` recorded a curve by step. Curves that part, early layers falling far below late ones, are
    vanishing gradients.

    Args:
        model_or_history: a module; or a `GradientRatios`, the history of a run that had it as a callback, or rows such
            as it holds.
        ax: where to draw; a new figure if left out.
        healthy: the band that is shaded. It is a rule of thumb: what matters is the learning rate times this ratio,
            which should be about a thousandth.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: if there are no gradients.
    """
    low, high = healthy
    if not 0 < low < high:
        raise ValueError(f"healthy wanted two numbers, 0 < low < high, got {healthy!r}.")
    if isinstance(model_or_history, Module):
        return bars(model_or_history, axes(ax, size=(6.6, 3.4)), low, high)
    rows = model_or_history
    if isinstance(rows, History):
        rows = rows.gradients or rows
    elif isinstance(rows, GradientRatios):
        rows = rows.rows
    run = as_history(rows)
    counted = next((name for name in ("step", "epoch") if name in run.columns), "step")
    names = [name for name in run.columns if name not in NOT_CURVES and is_number(run, name)]
    if not names or "loss" in names:
        raise ValueError(
            "gradients wanted ratios, a history of losses has none. Record them: r = plot.GradientRatios(); "
            "fit(…, callbacks=r); then draw r, or the history."
        )
    ax = axes(ax, size=(6.6, 3.8))
    x = run[counted].astype(float) if counted in run.columns else np.arange(1.0, len(run) + 1)
    noisy = len(x) >= 2 * SMOOTHED
    handles, labels = [], []
    for i, name in enumerate(names):
        look = {"color": COLORS[i % len(COLORS)], "linestyle": DASHES[i % len(DASHES)]}
        y = numbers(run, name)
        y = np.where(y > 0, y, np.nan)
        (line,) = ax.plot(x, y, linewidth=1.6, marker="o" if len(x) == 1 else "", **look)
        if noisy:
            line.set(linewidth=0.6, alpha=0.35, linestyle="-")
            (line,) = ax.plot(x, running(y, len(x) // SMOOTHED), linewidth=2.0, **look)
        handles.append(line)
        labels.append(literal(name))
    handles.append(ax.axhspan(low, high, color=COLORS[2], alpha=0.13, linewidth=0, zorder=0))
    labels.append("healthy (rule of thumb)")
    ax.set_yscale("log")
    options = {"title": "running means", "title_fontsize": "small"} if noisy else {}
    legend(ax, handles, labels, fontsize="small", **BESIDE, **options)
    return finish(ax, title="gradients beside weights", x=counted, y="‖gradient‖ / ‖weight‖")


def running(y: np.ndarray, half: int) -> np.ndarray:
    """Return the geometric mean of the numbers around each one, `half` on either side, as far as there are any."""
    known = np.isfinite(y)
    sums, counts = (
        np.concatenate([[0.0], np.cumsum(a)]) for a in (np.where(known, np.log(np.where(known, y, 1)), 0), known)
    )
    low, high = np.maximum(np.arange(len(y)) - half, 0), np.minimum(np.arange(len(y)) + half + 1, len(y))
    count = counts[high] - counts[low]
    return np.where(count > 0, np.exp((sums[high] - sums[low]) / np.maximum(count, 1)), np.nan)


def bars(model: Module, ax: Axes, low: float, high: float) -> Axes:
    """Draw the ratios of a model as marks on lines, first layer on top."""
    found = ratios(model)
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no gradients: call loss.backward(), or train it with fit, and draw them then."
        )
    place = np.arange(len(found))
    sizes = np.array(list(found.values()))
    known = np.isfinite(sizes) & (sizes > 0)
    color = np.where((sizes >= low) & (sizes <= high), 0, 1)
    band = ax.axvspan(low, high, color=COLORS[2], alpha=0.13, linewidth=0, zorder=0)
    ends = [*sizes[known], low, high]
    left = min(ends) / 3
    handles: list[Any] = [band]
    labels = ["healthy (rule of thumb)"]
    for i, (marker, said) in enumerate((("o", "within"), ("X", "outside"))):
        mine = known & (color == i)
        ax.hlines(place[mine], left, sizes[mine], color=COLORS[i], linewidth=1.5)
        (line,) = ax.plot(sizes[mine], place[mine], marker=marker, linestyle="none", color=COLORS[i], markersize=8)
        if mine.any():
            handles.append(line)
            labels.append(said)
    for i in place[~known]:
        said = "gradient is 0" if sizes[i] == 0 else "not finite" if not np.isnan(sizes[i]) else "weights are 0"
        ax.text(left * 1.1, i, said, va="center", color=ink(ax), fontsize="small")
    ax.set_xscale("log")
    ax.set_xlim(left, max(ends) * 3)
    ax.set_yticks(place, [literal(name) for name in found])
    ax.set_ylim(len(found) - 0.5, -0.5)
    legend(ax, handles, labels, fontsize="small", **BESIDE)
    return finish(ax, title="gradients beside weights", x="‖gradient‖ / ‖weight‖")

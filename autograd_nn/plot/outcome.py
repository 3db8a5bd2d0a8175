"""What came out: which classes were confused, how far predictions are from observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import COLORS, axes, finish, ink, legend, literal, mpl, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_matrix", "predicted_and_observed", "residuals"]

NORMALIZE = {None: "count", "true": "share of the true class", "pred": "share of the predicted class", "all": "share"}
MOST_CLASSES = 100
LARGEST = 1e140


def confusion_matrix(
    y: Any,
    y_pred: Any,
    *,
    labels: Sequence[Any] | None = None,
    normalize: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often each true class (row) was predicted as each class (column).

    Args:
        y: true classes.
        y_pred: predicted classes, one for each.
        labels: the classes in the order in which they are drawn; or, where the classes are numbers from 0 on, their
            names.
        normalize: None for counts; "true" for shares of each row, "pred" of each column, "all" of all.
        ax: where to draw; a new figure if left out.

    Returns:
        The Axes.

    Raises:
        ValueError: if the two do not fit, or a class is not among the labels.

    >>> from autograd_nn import plot
    >>> ax = plot.confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], labels=["cat", "dog"])
    >>> ax.images[0].get_array().tolist()
    [[1.0, 1.0], [0.0, 2.0]]
    """
    if normalize not in NORMALIZE:
        raise ValueError(f'normalize wanted None, "true", "pred" or "all", got {normalize!r}.')
    counts, names = count(classes_in("y", y), classes_in("y_pred", y_pred), labels)
    totals = {"true": counts.sum(axis=1, keepdims=True), "pred": counts.sum(axis=0, keepdims=True), "all": counts.sum()}
    n = len(names)
    if normalize is None:
        shown = counts.astype(float)
    else:
        shown = np.divide(counts, totals[normalize], out=np.full((n, n), np.nan), where=totals[normalize] > 0)
    longest = max(map(len, names))
    turned = n * longest > 24
    side = min(1.4 + 0.55 * n, 8.0) + 0.05 * longest
    ax = axes(ax, size=(side + 0.4, side))
    most = 1.0 if normalize in ("true", "pred") else max(float(np.nanmax(shown)), 1e-300)
    ax.imshow(np.ma.masked_invalid(shown), cmap="Blues", vmin=0.0, vmax=most, aspect="equal")
    if n <= 30:
        for (i, j), number in np.ndenumerate(shown):
            said = "–" if np.isnan(number) else f"{number:.0f}" if normalize is None else f"{number:.2f}"
            color = ink(ax) if np.isnan(number) else "white" if number > 0.55 * most else "#111111"
            ax.text(j, i, said, ha="center", va="center", color=color, fontsize="medium" if n <= 10 else "xx-small",
                    weight="bold" if i == j else "normal")  # fmt: skip
    upright = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    ax.set_xticks(range(n), names, **upright)
    ax.set_yticks(range(n), names)
    title = "confusion matrix" if normalize is None else f"confusion matrix: {NORMALIZE[normalize]}"
    return finish(ax, title=title, x="predicted class", y="true class", frame=True)


def classes_in(name: str, y: Any) -> np.ndarray:
    """Return classes, one for each row."""
    y = plain(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or not len(y):
        hint = " Of logits or probabilities take .argmax(axis=1)." if y.ndim == 2 else ""
        raise ValueError(f"confusion_matrix wanted classes in {name}, shape (rows,), got {y.shape}.{hint}")
    if y.dtype.kind == "f" and not np.array_equal(y, np.round(y)):
        raise ValueError(
            f"confusion_matrix wanted classes in {name}, got {y.dtype}, {y[0]:.4g} for example: decide first, such as "
            "(p > 0.5).astype(int)."
        )
    return y.astype(int) if y.dtype.kind in "fb" else y


def count(y: np.ndarray, y_pred: np.ndarray, labels: Sequence[Any] | None) -> tuple[np.ndarray, list[str]]:
    """Return how often each pair of classes occurs, and the names of the classes."""
    if len(y) != len(y_pred):
        raise ValueError(f"confusion_matrix wanted a prediction for each row, got {len(y)} and {len(y_pred)}.")
    there = sorted({*y.tolist(), *y_pred.tolist()}, key=lambda c: (isinstance(c, str), c))
    numbered = all(isinstance(c, int) and c >= 0 for c in there)
    if labels is None:
        classes = there
        names = classes
    elif isinstance(labels, str):
        raise ValueError(f"labels wanted a list of classes, or of their names, got the text {labels!r}.")
    else:
        names = plain(labels).tolist()
        classes = names
        if numbered and not set(there) <= set(names):
            classes = list(range(len(names)))  # names for numbers
    unknown = [c for c in there if c not in classes]
    if unknown or len(set(classes)) != len(classes):
        raise ValueError(
            f"labels wanted each class once, {there}, or a name for each number; got {names}"
            + (f", where {unknown} are missing." if unknown else ".")
        )
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"confusion_matrix draws up to {MOST_CLASSES} classes, got {len(classes)}.")
    place = {c: i for i, c in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, ([place[c] for c in y.tolist()], [place[c] for c in y_pred.tolist()]), 1)
    return counts, [literal(name, 24) for name in names]


# regression


def residuals(y: Any, y_pred: Any, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """Draw residuals, observed minus predicted, over the predictions, with a band of ± their root mean square.

    A good model leaves a band without pattern around 0; a bend says that something is missing, a funnel that large
    predictions are less certain.

    Args:
        y: observed numbers.
        y_pred: predicted ones.
        unit: of both, such as "EUR".
        ax: where to draw; a new figure if left out.

    Returns:
        The Axes.

    Raises:
        ValueError: if the two are not numbers of one length.

    >>> from autograd_nn import plot
    >>> ax = plot.residuals([1.0, 2.0, 4.0], [1.5, 2.0, 3.5], unit="kg")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('predicted [kg]', 'residual: observed − predicted [kg]')
    """
    observed, predicted = pair("residuals", y, y_pred)
    ax = axes(ax)
    residual = observed - predicted
    rmse = float(np.sqrt(np.mean(np.square(residual))))
    band = ax.axhspan(-rmse, rmse, color=COLORS[1], alpha=0.12, linewidth=0, zorder=0)
    zero = ax.axhline(0.0, color=ink(ax), linewidth=1.2)
    dots(ax, predicted, residual)
    legend(ax, [zero, band], ["observed = predicted", f"± RMSE = {rmse:.4g}{behind(unit)}"], fontsize="small")
    return finish(
        ax, title="residuals", x=f"predicted{bracket(unit)}", y=f"residual: observed − predicted{bracket(unit)}"
    )


def predicted_and_observed(y: Any, y_pred: Any, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """Draw predicted over observed numbers: on the diagonal they are equal.

    Args:
        y: observed numbers.
        y_pred: predicted ones.
        unit: of both, such as "EUR".
        ax: where to draw; a new figure if left out.

    Returns:
        The Axes.

    Raises:
        ValueError: if the two are not numbers of one length.

    >>> from autograd_nn import plot
    >>> plot.predicted_and_observed([1.0, 2.0, 4.0], [1.5, 2.0, 3.5]).get_xlabel()
    'observed'
    """
    observed, predicted = pair("predicted_and_observed", y, y_pred)
    ax = axes(ax, size=(4.4, 4.4))
    low, high = min(observed.min(), predicted.min()), max(observed.max(), predicted.max())
    room = 0.04 * (high - low) or 1.0
    ends = [low - room, high + room]
    (line,) = ax.plot(ends, ends, color=ink(ax), linewidth=1.2)
    dots(ax, observed, predicted)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    ax.set_aspect("equal")
    rmse = float(np.sqrt(np.mean(np.square(observed - predicted))))
    spread = float(np.sum(np.square(observed - observed.mean())))
    r2 = f"R² = {1 - float(np.sum(np.square(observed - predicted))) / spread:.4g}, " if spread else ""
    nothing = mpl().lines.Line2D([], [], linestyle="none")
    legend(
        ax, [line, nothing], ["predicted = observed", f"{r2}RMSE = {rmse:.4g}{behind(unit)}"], fontsize="small",
        loc="upper left",
    )  # fmt: skip
    return finish(ax, title="predicted and observed", x=f"observed{bracket(unit)}", y=f"predicted{bracket(unit)}")


def dots(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw points, the paler the more there are."""
    ax.plot(
        x, y, linestyle="none", marker="o", markersize=4.5, color=COLORS[0], markeredgewidth=0,
        alpha=float(np.clip(30 / np.sqrt(len(x)), 0.25, 0.8)),
    )  # fmt: skip


def pair(name: str, y: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return observed and predicted numbers as two rows of the same length."""
    both = []
    for which, values in (("y", y), ("y_pred", y_pred)):
        array = plain(values)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1 or not len(array) or array.dtype.kind not in "biuf":
            hint = " Of several outputs choose one: y[:, 0]." if array.ndim == 2 else ""
            raise ValueError(f"{name} wanted numbers in {which}, shape (rows,), got {array.dtype} {array.shape}.{hint}")
        both.append(array.astype(float))
    observed, predicted = both
    if len(observed) != len(predicted):
        raise ValueError(f"{name} wanted a prediction for each row, got {len(observed)} and {len(predicted)}.")
    known = np.isfinite(observed) & np.isfinite(predicted)
    if not known.all():
        raise ValueError(f"{name} wanted finite numbers, {int((~known).sum())} rows hold NaN or infinity.")
    largest = max(np.abs(observed).max(), np.abs(predicted).max())
    if largest > LARGEST:
        raise ValueError(f"{name} wanted numbers whose squares can be added up, got {largest:.4g}: change the unit.")
    return observed, predicted


def bracket(unit: str) -> str:
    return f" [{literal(unit)}]" if unit else ""


def behind(unit: str) -> str:
    return f" {literal(unit)}" if unit else ""

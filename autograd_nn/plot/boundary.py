"""The decision boundary of a classifier of two features, with the points it was made from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..functions import sigmoid, softmax
from ..graph import Node, no_grad
from ..nn import Module
from ..nn.scalar import ScalarModule
from ..training import predict
from ..value import Value
from .canvas import BESIDE, COLORS, MARKERS, axes, finish, ink, legend, literal, mpl, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["decision_boundary"]

OUTPUTS = ("auto", "logits", "probabilities")
MOST_CLASSES = 50
LEVELS = np.linspace(0.0, 1.0, 21)


def decision_boundary(
    model: Any,
    X: Any,
    y: Any,
    *,
    ax: Axes | None = None,
    resolution: int = 200,
    cmap: Any = "RdBu_r",
    labels: Sequence[Any] | None = None,
    output: str = "auto",
) -> Axes:
    """Draw which class a classifier of two features decides for, how sure it is, and the points.

    Of two classes the probability of the second one is drawn in levels, with a line at 0.5; of several, the most
    probable one in its color, the stronger the surer, with lines between them.

    Args:
        model: one of our modules; an estimator with `predict_proba` (or `predict` alone); or any function of an array
            (rows, 2). It returns one number a row (of class 1), or one for each class.
        X: (rows, 2), the points. Names of columns become labels of the axes.
        y: (rows,), their classes.
        ax: where to draw; a new figure if left out.
        resolution: so many points are computed along each axis.
        cmap: of two classes, diverging; red stands for the second class.
        labels: names of the classes, in the order of their numbers.
        output: what the model returns, "logits" or "probabilities". "auto": of a module logits, unless its last
            operation is a sigmoid or a softmax; of a function probabilities if all are between 0 and 1, else logits.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: if something does not fit together: see the message.

    >>> from autograd_nn import data, nn, plot
    >>> X, y = data.moons(100, rng=0)
    >>> ax = plot.decision_boundary(nn.MLP([2, 8, 1], rng=0), X, y, resolution=50)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('feature 0', 'feature 1')
    """
    points, features = two_features(X)
    classes, number = classes_of(y, len(points), model)
    return draw(
        axes(ax, size=(5.2, 4.2)), model, Scene(points, number, names_of(classes, labels), features),
        resolution=whole("resolution", resolution), cmap=cmap, output=output, values=classes,
    )  # fmt: skip


class Scene(NamedTuple):
    """The points, and what they are called."""

    points: np.ndarray
    number: np.ndarray  # of the class of each point
    names: list[str]
    features: list[str]

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower left and the upper right corner, with some room around the points."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        room = np.where(high > low, 0.12 * (high - low), 1.0)
        return low - room, high + room


def draw(ax: Axes, model: Any, scene: Scene, *, resolution: int, cmap: Any, output: str, values: np.ndarray) -> Axes:
    """Draw the field, the lines, the points and the legend."""
    low, high = scene.limits()
    across, up = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    p = probabilities(model, grid, len(scene.names), output, values).reshape(resolution, resolution, -1)
    lines = mpl().lines
    if p.shape[-1] == 2:
        field = ax.contourf(across, up, p[..., 1], LEVELS, cmap=paler(cmap), vmin=0.0, vmax=1.0, zorder=0.5)
        field.set_rasterized(True)  # in an SVG or PDF thousands of corners would be half a megabyte
        if p[..., 1].min() < 0.5 < p[..., 1].max():
            ax.contour(across, up, p[..., 1], [0.5], colors="#111111", linewidths=1.6, zorder=1.5)
        colors = [named(cmap)(x) for x in (0.02, 0.98)]
        edge = "p = 0.5"
    else:
        colors = [COLORS[i % len(COLORS)] for i in range(p.shape[-1])]
        ax.imshow(blended(p, colors), extent=(low[0], high[0], low[1], high[1]), origin="lower", aspect="auto",
                  interpolation="bilinear", zorder=0.5)  # fmt: skip
        for k in range(p.shape[-1]):
            ahead = p[..., k] - np.delete(p, k, axis=-1).max(axis=-1)
            if ahead.min() < 0 < ahead.max():
                ax.contour(across, up, ahead, [0.0], colors="#111111", linewidths=1.2, zorder=1.5)
        edge = "boundary"
    handles: list[Any] = []
    for k in range(len(scene.names)):
        mark = {"marker": MARKERS[k % len(MARKERS)], "color": colors[k], "markeredgecolor": "white"}
        chosen = scene.points[scene.number == k]
        ax.plot(chosen[:, 0], chosen[:, 1], linestyle="none", markersize=5.5, markeredgewidth=0.7, zorder=2.5, **mark)
        handles.append(lines.Line2D([], [], linestyle="none", markersize=7, **mark))
    handles.append(lines.Line2D([], [], color=ink(ax), linewidth=1.6))
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    # Beside the field, where text needs no background: on it, colors would be behind the words.
    legend(ax, handles, [*scene.names, edge], **BESIDE)
    return finish(ax, title="decision boundary", x=scene.features[0], y=scene.features[1], frame=True)


def named(cmap: Any) -> Any:
    """Return a color map from its name."""
    return mpl().colormaps[cmap] if isinstance(cmap, str) else cmap


def paler(cmap: Any) -> Any:
    """Return the color map over white, whatever is behind, so that points stand out."""
    colors = named(cmap)(np.linspace(0.0, 1.0, 256))
    return mpl().colors.ListedColormap(1 - 0.75 * (1 - colors[:, :3]))


def blended(p: np.ndarray, colors: Sequence[Any]) -> np.ndarray:
    """Return the color of the most probable class at each point, paler where it is less sure."""
    rgb = mpl().colors.to_rgba_array(colors)[:, :3]
    best, n = p.argmax(axis=-1), p.shape[-1]
    sure = (p.max(axis=-1) - 1 / n) / (1 - 1 / n) if n > 1 else np.ones(p.shape[:-1])
    strength = 0.15 + 0.6 * np.clip(sure, 0.0, 1.0)
    return 1 - strength[..., None] * (1 - rgb[best])


# what a model says


def probabilities(model: Any, rows: np.ndarray, count: int, output: str, values: np.ndarray) -> np.ndarray:
    """Return the probability of each class for each row."""
    if output not in OUTPUTS:
        raise ValueError(f"output wanted one of {', '.join(OUTPUTS)}, got {output!r}.")
    if isinstance(model, type):
        raise TypeError(f"decision_boundary wanted a model, got the class {model.__name__}: make one of it.")
    if hasattr(model, "predict_proba"):
        return checked(plain(model.predict_proba(rows)), len(rows), count)
    if callable(model):
        raw, is_probability = outputs(model, rows)
        if raw.ndim == 2 and raw.shape[1] == 1:
            raw = raw[:, 0]
        if raw.dtype.kind in "biu" and raw.ndim == 1:  # decisions, such as a perceptron's
            return decided(raw, values)
        raw = raw.astype(float)
        if output == "probabilities" or (output == "auto" and is_probability):
            return checked(raw, len(rows), count)
        return checked(sigmoid(raw) if raw.ndim == 1 else softmax(raw, axis=-1), len(rows), count)
    if hasattr(model, "predict"):
        return decided(plain(model.predict(rows)), values)
    raise TypeError(
        f"decision_boundary wanted a model, an estimator or a function of rows (n, 2), got {type(model).__name__}."
    )


def outputs(model: Callable[..., Any], rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return what the model gives for the rows, and whether that looks like probabilities."""
    if isinstance(model, ScalarModule):
        raw = np.stack(columns(model, rows), axis=-1)
        return raw, last_op(model, [Value(x, requires_grad=False) for x in rows[0].tolist()])
    if isinstance(model, Module):
        return predict(model, rows, batch_size=4096), last_op(model, rows[:1])
    with no_grad():
        raw = plain(model(rows))
    within = raw.dtype.kind == "f" and bool(((raw >= 0) & (raw <= 1)).all())
    return raw, within and (raw.ndim == 1 or raw.shape[-1] == 1 or np.allclose(raw.sum(axis=-1), 1, atol=1e-5))


def columns(model: ScalarModule, rows: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of a network of single numbers for all rows: at once where its functions allow it."""
    with no_grad():
        try:
            out = model([Value(column, requires_grad=False) for column in rows.T])
        except ValueError:  # a maximum over neurons, say, that looks at one sample
            each = [model(row) for row in rows]
            return [np.array([float(plain(o[k] if isinstance(o, list) else o)) for o in each])
                    for k in range(len(each[0]) if isinstance(each[0], list) else 1)]  # fmt: skip
    return [np.broadcast_to(plain(o), len(rows)) for o in (out if isinstance(out, list) else [out])]


def last_op(model: Module, x: Any) -> bool:
    """Is the last operation of the model a sigmoid or a softmax?"""
    with evaluating(model):
        out = model(x)
    node = out[0] if isinstance(out, (list, tuple)) else out
    while isinstance(node, Node) and node.op is not None and node.op.name in ("getitem", "reshape", "squeeze", "take"):
        node = node.parents[0]
    name = node.op.name if isinstance(node, Node) and node.op is not None else ""
    return name in ("sigmoid", "softmax") or (isinstance(model, ScalarModule) and name == "divide")


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a module into the mode in which it predicts, and back."""
    modes = [(m, m.training) for m in model.modules()] if isinstance(model, Module) else []
    if isinstance(model, Module):
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def checked(p: np.ndarray, rows: int, count: int) -> np.ndarray:
    """Return probabilities (rows, classes)."""
    p = np.asarray(p, float)
    if p.ndim == 1 and len(p) == rows:
        p = np.stack([1 - p, p], axis=-1)
    if p.ndim != 2 or len(p) != rows or p.shape[1] < count:
        wanted = f"(rows,) or (rows, {count})" if count <= 2 else f"(rows, {count})"
        raise ValueError(
            f"decision_boundary wanted outputs of shape {wanted} for {rows} rows of two features and {count} "
            f"classes in y, got {p.shape}: the last layer has one unit for each class, or a single one for two classes."
        )
    if not np.isfinite(p).all():
        raise ValueError("decision_boundary wanted finite outputs, the model returned NaN or infinity.")
    if p.min() < -1e-6 or p.max() > 1 + 1e-6:
        raise ValueError(
            f"decision_boundary wanted probabilities from 0 to 1, got {p.min():.4g} to {p.max():.4g}: are they logits? "
            'Then write output="logits".'
        )
    return np.clip(p, 0.0, 1.0)


def decided(predicted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return certainty for the class that was decided for."""
    p = (np.asarray(predicted)[:, None] == values).astype(float)
    return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p


# what the user gives


def two_features(X: Any) -> tuple[np.ndarray, list[str]]:
    """Return the points and the names of the features."""
    names = getattr(X, "columns", None)
    points = plain(X)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(
            f"decision_boundary draws a plane: it wanted X of shape (rows, 2), got {points.shape}. Train on two "
            "features, X[:, [i, j]], or on two principal components."
        )
    points = points.astype(float)
    if not np.isfinite(points).all():
        raise ValueError("decision_boundary wanted finite points, X holds NaN or infinity.")
    return points, [literal(n) for n in names] if names is not None else ["feature 0", "feature 1"]


def classes_of(y: Any, rows: int, model: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, and for each row the number of its class."""
    y = plain(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (rows,):
        hint = " Of one-hot rows take y.argmax(axis=1)." if y.ndim == 2 else ""
        raise ValueError(f"wanted one class for each of {rows} rows, y of shape ({rows},), got {y.shape}.{hint}")
    classes, number = np.unique(y, return_inverse=True)
    known = getattr(model, "classes_", None)
    if known is not None and set(classes.tolist()) <= set(np.asarray(known).tolist()):
        known = np.asarray(known)
        place = {c: i for i, c in enumerate(known.tolist())}
        return known, np.array([place[c] for c in y.tolist()])
    if y.dtype.kind in "iu" and classes[0] >= 0 and classes[-1] < MOST_CLASSES:  # numbers that index outputs
        return np.arange(max(classes[-1] + 1, 2)), y.astype(int)
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"y has {len(classes)} different values: classes are wanted, not measurements.")
    if y.dtype.kind == "f" and np.array_equal(classes, np.arange(len(classes))) and len(classes) > 1:
        return np.arange(len(classes)), number
    return classes, number


def names_of(classes: np.ndarray, labels: Sequence[Any] | None) -> list[str]:
    """Return what the classes are called."""
    if labels is None:
        return [literal(c) for c in classes.tolist()]
    if isinstance(labels, str) or len(labels) != len(classes):
        raise ValueError(
            f"labels wanted {len(classes)} names, one for each of the classes {classes.tolist()}, got {labels!r:.80}."
        )
    return [literal(name) for name in labels]


def whole(name: str, number: Any, least: int = 2) -> int:
    """Return a whole number that is large enough."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
        raise ValueError(f"{name} wanted a whole number, at least {least}, got {number!r}.")
    return int(number)

"""How a network bends lines into a curve: each hidden neuron's activation times its outgoing weight, and their sum.

All neurons of a layer have the same activation function; weights and biases stretch, flip and shift it. What the
last hidden layer sends to the output are such pieces, and the output is their sum and a bias.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..graph import Graph, Node
from ..nn import Module
from ..nn.scalar import ScalarModule
from ..value import Value
from .boundary import evaluating, whole
from .canvas import BESIDE, COLORS, DASHES, axes, finish, ink, legend, literal, mpl, plain
from .function import interval
from .weight import bare, diverging, mosaic, scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NeuronCurves", "neuron_curves", "squiggles"]

MOST_NAMED = 8  # curves with an entry in the legend
MOST_TILES = 31


class NeuronCurves(NamedTuple):
    """What the neurons of the last hidden layer add to an output.

    Attributes:
        x: the inputs, (rows, features).
        activations: of each neuron, (rows, neurons).
        weights: from each neuron to the output, (neurons,).
        curves: activation times weight, (rows, neurons).
        bias: of the output.
        total: the sum of the curves and the bias, (rows,): the output of the network, before the function that
            follows the last layer, if there is one.
    """

    x: np.ndarray
    activations: np.ndarray
    weights: np.ndarray
    curves: np.ndarray
    bias: float
    total: np.ndarray


def neuron_curves(model: Any, x: Any, *, output: int = 0) -> NeuronCurves:
    """Return what each neuron of the last hidden layer adds to an output, computed in float64.

    Args:
        model: a module whose last layer is linear, such as an `nn.MLP` or a `Sequential`; or a function ``f(x)`` that
            ends with ``h @ w`` or ``h @ w + b``, where w and b are leaf Values.
        x: (rows, features), or (rows,) for one feature.
        output: which output, of several.

    Raises:
        TypeError, ValueError: if there is no such layer, or no such output.

    >>> import numpy as np
    >>> from autograd_nn import nn, plot
    >>> model = nn.MLP([1, 4, 1], dtype=float, rng=0)
    >>> x = np.linspace(-1, 1, 5)[:, None]
    >>> parts = plot.neuron_curves(model, x)
    >>> parts.curves.shape, bool(np.abs(parts.total - model(x).data[:, 0]).max() < 1e-12)
    ((5, 4), True)
    """
    rows = plain(x).astype(float)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"neuron_curves wanted x of shape (rows, features), got {rows.shape}.")
    hidden, weight, bias = last_layer(model, rows)
    if not 0 <= output < weight.shape[1]:
        raise ValueError(
            f"output wanted one of the {weight.shape[1]} outputs, 0 to {weight.shape[1] - 1}, got {output}."
        )
    column, b = weight[:, output], float(bias[output])
    curves = hidden * column
    return NeuronCurves(rows, hidden, column, curves, b, curves.sum(axis=1) + b)


def last_layer(model: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what comes into the last linear layer, (rows, neurons), its weights (neurons, outputs) and its biases.

    They are found in the graph that the model records: any model will do that has such a layer.
    """
    out, _ = recorded(model, rows, "squiggles")
    if isinstance(out, Node):
        for node in reversed(Graph.of(out).nodes):
            name = node.op.name if node.op is not None else ""
            held = [plain(p) for p in node.parents]
            if name in ("linear", "matmul") and is_weight(node.parents[1]) and held[0].ndim == 2:
                bias = held[2] if name == "linear" else bias_behind(node, out)
                return held[0].astype(float), held[1].astype(float), np.broadcast_to(bias, held[1].shape[1])
    raise TypeError(
        f"squiggles found no linear layer in {type(model).__name__}: it draws what the neurons of the last hidden "
        "layer add up to, and wants a model such as nn.MLP([1, 4, 1])."
    )


def recorded(model: Any, rows: np.ndarray, who: str) -> tuple[Any, Value]:
    """Return what a model makes of rows, with its graph, in float64, and the input.

    Raises:
        TypeError: if it is no module and no function of an array.
    """
    if isinstance(model, (ScalarModule, type)) or not callable(model):
        hint = (
            " Of a network of single numbers draw the nn.MLP with its state." if isinstance(model, ScalarModule) else ""
        )
        raise TypeError(f"{who} wanted a module or a function of an array, got {model!r:.60}.{hint}")
    if isinstance(model, Module):
        model = copy.deepcopy(model).astype(np.float64)
        for p in model.parameters():
            p.requires_grad_()  # frozen ones too: what is not differentiated is not recorded
    x = Value(rows, requires_grad=False, name="x")
    with evaluating(model):
        return model(x), x


def is_weight(node: Node) -> bool:
    """Is it a leaf that holds a matrix?"""
    return node.op is None and plain(node).ndim == 2


def bias_behind(product: Node, out: Node) -> np.ndarray:
    """Return the bias that is added to a product, 0 if there is none."""
    for node in Graph.of(out).nodes:
        if node.op is not None and node.op.name == "add" and any(p is product for p in node.parents):
            for other in node.parents:
                if other is not product and other.op is None and plain(other).ndim <= 1:
                    return plain(other).astype(float)
    return np.zeros(1)


def squiggles(
    model: Any, x: Any, y: Any = None, *, output: int = 0, ax: Axes | None = None, resolution: int | None = None
) -> Axes:
    """Draw what each neuron of the last hidden layer adds to the output, and that they add up to it.

    Of one feature these are curves: the bent activations, each times its outgoing weight, and their sum in a heavy
    line, which is the output. Of two features each neuron becomes a picture, and the sum the last one of them. If a
    function follows the last layer, such as a sigmoid, the sum is drawn before it.

    Args:
        model: see `neuron_curves`.
        x: the range of the feature, (low, high), of two features one for each, ((low, high), (low, high)); or data,
            (rows,), (rows, 1) or (rows, 2), whose range is taken.
        y: observed targets of the rows, drawn as points; only with data of one feature.
        output: which output, of several.
        ax: where to draw; a new figure if left out.
        resolution: so many points along each axis; 401 for one feature, 61 for two.

    Returns:
        The Axes. Of one feature the first lines are the neurons' curves, in order, the last one is the sum.

    Raises:
        TypeError, ValueError: if there is no linear layer, or x has more than two features.

    >>> from autograd_nn import nn, plot
    >>> ax = plot.squiggles(nn.MLP([1, 3, 1], activation="softplus", rng=0), (-2, 2))
    >>> [text.get_text() for text in ax.get_legend().get_texts()][-1]
    'sum = output'
    """
    spans, data = ranges(x)
    points = (
        whole("resolution", 401 if len(spans) == 1 else 61) if resolution is None else whole("resolution", resolution)
    )
    if len(spans) == 1:
        return curves(model, spans[0], points, output, data, y, ax)
    if y is not None:
        raise ValueError("squiggles draws points y over one feature only; for two leave y out.")
    return surfaces(model, spans, points, output, ax)


def ranges(x: Any) -> tuple[list[tuple[float, float]], np.ndarray | None]:
    """Return the range of each feature, and the data if these were given."""
    if isinstance(x, tuple) and len(x) == 2:
        if all(np.ndim(end) == 0 for end in x):
            return [interval("x", x)], None
        if all(isinstance(end, (tuple, list)) and len(end) == 2 for end in x):
            return [interval("x", end) for end in x], None
    data = plain(x).astype(float)
    data = data[:, None] if data.ndim == 1 else data
    if data.ndim != 2 or data.shape[1] not in (1, 2) or not len(data):
        raise ValueError(
            f"squiggles draws over one or two features: it wanted a range (low, high), or data of shape (rows, 1) or "
            f"(rows, 2), got {data.shape}."
        )
    if not np.isfinite(data).all():
        raise ValueError("squiggles wanted finite data, x holds NaN or infinity.")
    low, high = data.min(axis=0), data.max(axis=0)
    room = np.where(high > low, 0.05 * (high - low), 1.0)
    return [(float(a), float(b)) for a, b in zip(low - room, high + room, strict=True)], data


def curves(
    model: Any, span: tuple[float, float], points: int, output: int, data: np.ndarray | None, y: Any, ax: Any
) -> Axes:
    """Draw curves over one feature."""
    parts = neuron_curves(model, np.linspace(*span, points), output=output)
    ax = axes(ax, size=(6.4, 4.0))
    x, count = parts.x[:, 0], parts.curves.shape[1]
    few = count <= MOST_NAMED
    handles: list[Any] = []
    labels: list[str] = []
    for j in range(count):
        (line,) = ax.plot(
            x, parts.curves[:, j], color=COLORS[j % len(COLORS)], linestyle=DASHES[j % len(DASHES)] if few else "-",
            linewidth=1.7 if few else 0.9, alpha=1.0 if few else 0.7,
        )  # fmt: skip
        if few or j == 0:
            handles.append(line)
            labels.append(
                f"neuron {j} × {parts.weights[j]:.3g}".replace("-", "−") if few else f"{count} neurons × weight"
            )
    if parts.bias:
        handles.append(ax.axhline(parts.bias, color=ink(ax), linewidth=1.0, linestyle=":"))
        labels.append(f"bias {parts.bias:.3g}".replace("-", "−"))
    if y is not None:
        targets = plain(y).astype(float).reshape(-1)
        if data is None or len(targets) != len(data):
            raise ValueError(
                f"y wanted a number for each row of x, got {len(targets)} for "
                + ("a range: give data as x." if data is None else f"{len(data)} rows.")
            )
        handles += ax.plot(
            data[:, 0], targets, linestyle="none", marker="o", markersize=5, markerfacecolor="none",
            markeredgecolor=ink(ax), markeredgewidth=1.2, zorder=3,
        )  # fmt: skip
        labels.append("observed")
    handles += ax.plot(x, parts.total, color=ink(ax), linewidth=3.6, solid_capstyle="round", zorder=2.5)
    labels.append("sum = output")
    legend(ax, handles, labels, fontsize="small", **BESIDE)
    return finish(ax, title="bent activations add up to the output", x="input", y="contribution to the output")


def surfaces(model: Any, spans: list[tuple[float, float]], points: int, output: int, ax: Any) -> Axes:
    """Draw a picture for each neuron over two features, and one for the sum."""
    across, up = (np.linspace(*span, points) for span in spans)
    parts = neuron_curves(model, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2), output=output)
    count = parts.curves.shape[1]
    some = min(count, MOST_TILES)
    tiles = np.concatenate([parts.curves[:, :some].T, parts.total[None]]).reshape(-1, points, points)[:, ::-1]
    names = [*(f"{j}: × {w:.2g}".replace("-", "−") for j, w in enumerate(parts.weights[:some])), "sum = output"]
    ncols = min(len(tiles), 4 if len(tiles) <= 12 else 8)
    rows = -(-len(tiles) // ncols)
    own = ax is None
    ax = axes(ax, size=(1.35 * ncols + 1.3, 1.4 * rows + 0.9))
    image, corners = mosaic(tiles, ncols, gap=0.28)
    shown = ax.imshow(image, **diverging(tiles))
    patch = mpl().patches.Rectangle
    for tile, name, (row, column) in zip(tiles, names, corners, strict=True):
        last = name == names[-1]
        ax.text(column - 0.5, row - 1.5, literal(name), fontsize="small", color=ink(ax), va="bottom",
                weight="bold" if last else "normal")  # fmt: skip
        ax.add_patch(patch((column - 0.5, row - 0.5), points, points, fill=False, clip_on=False,
                           edgecolor=ink(ax), linewidth=2.2 if last else 0.6))  # fmt: skip
        if tile.min() < 0 < tile.max():
            place = np.arange(points)
            ax.contour(column + place, row + place, tile, [0.0], colors="#333333", linewidths=0.8)
    bare(ax, image, 0.2 * points)
    scale_of(ax, shown, "contribution to the output", own)
    bias = f", bias {parts.bias:.3g}".replace("-", "−") if parts.bias else ""
    shown_of = "" if some == count else f" (the first {some} of {count} neurons)"
    (a, b), (c, d) = spans
    return finish(
        ax, title=f"bent activations add up to the output{bias}{shown_of}",
        x=f"each: input 0 from {a:.3g} to {b:.3g} across, input 1 from {c:.3g} to {d:.3g} up".replace("-", "−"),
        frame=True,
    )  # fmt: skip

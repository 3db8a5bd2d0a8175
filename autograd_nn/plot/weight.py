"""Weights as pictures: what each unit of a first layer looks for, and the filters of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..graph import Node
from .boundary import whole
from .canvas import axes, finish, ink, mpl, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bare", "diverging", "mosaic", "scale_of", "weights"]

MOST_TILES = 64
MOST_NUMBERS = 80  # cells of a matrix that have their number written in them


@overload
def weights(layer: Any, *, shape: tuple[int, int] | None = None, ncols: int = 8, ax: None = None) -> Figure: ...
@overload
def weights(layer: Any, *, shape: tuple[int, int] | None = None, ncols: int = 8, ax: Axes) -> Axes: ...
def weights(layer: Any, *, shape: tuple[int, int] | None = None, ncols: int = 8, ax: Any = None) -> Any:
    """Draw the weights of a layer on one diverging scale centered on 0: blue below, white at 0, red above.

    A linear layer is a matrix, inputs down and units across; with `shape`, the shape of the images that come in, each
    unit becomes an image of its own. Of a convolution every filter is one; of several channels, each channel of it.

    Args:
        layer: a layer with a `weight`, or an array: (inputs, units), or (filters, channels, height, width).
        shape: (height, width) of the images that the inputs of a linear layer are.
        ncols: so many images in a row.
        ax: where to draw; a new figure if left out.

    Returns:
        The Axes that were given, or else the new Figure.

    Raises:
        TypeError, ValueError: if there are no weights, or the images do not have as many pixels as the layer inputs.

    >>> from autograd_nn import nn, plot
    >>> figure = plot.weights(nn.Linear(64, 16, rng=0), shape=(8, 8))
    >>> figure.axes[0].get_title()
    'weights: 16 units, each 8×8'
    """
    array = array_of(layer)
    ncols = whole("ncols", ncols, 1)
    if array.ndim == 3:  # a convolution along one axis: filters of height 1
        array = array[:, :, None, :]
    if array.ndim == 4:
        if shape is not None:
            raise ValueError(f"shape= is for linear layers; these are filters of shape {array.shape[2:]}.")
        filters, channels, height, width = array.shape
        tiles, names = array.reshape(-1, height, width), [str(i) for i in range(filters)]
        if channels > 1:
            ncols = channels * max(1, ncols // channels)
            names = [f"{i}.{c}" for i in range(filters) for c in range(channels)]
        kind = "filters" if channels == 1 else f"filters of {channels} channels"
        title = f"weights: {filters} {kind}, each {height}×{width}"
    elif shape is not None:
        height, width = image_shape(shape, array)
        tiles = array.T.reshape(-1, height, width)
        names = [str(i) for i in range(len(tiles))]
        title = f"weights: {len(tiles)} units, each {height}×{width}"
    else:
        return matrix(array, ax)
    if len(tiles) > MOST_TILES:
        most = max(ncols, MOST_TILES // ncols * ncols)
        title += f" (the first {most} of {len(tiles)} images)"
        tiles, names = tiles[:most], names[:most]
    rows = -(-len(tiles) // ncols)
    across = min(ncols, len(tiles))
    drawn = axes(ax, size=(0.85 * across + 1.3, 0.85 * rows * min(max(height / width, 0.4), 3) + 0.9))
    image, corners = mosaic(tiles, ncols)
    shown = drawn.imshow(image, **diverging(tiles))
    if len(tiles) <= MOST_TILES // 2:
        for name, (row, column) in zip(names, corners, strict=True):
            drawn.text(column - 0.5, row - 0.5 - 0.03 * height, name, fontsize="x-small", color=ink(drawn), va="bottom")
    bare(drawn, image, 0.25 * height)
    return done(shown, drawn, title, ax)


def matrix(array: np.ndarray, ax: Any) -> Any:
    """Draw a matrix as it is, with numbers where there is room."""
    inputs, units = array.shape
    drawn = axes(ax, size=(min(1.9 + 0.45 * units, 9.0), min(1.3 + 0.3 * inputs, 7.0)))
    scale = diverging(array)
    shown = drawn.imshow(array, aspect="auto", **scale)
    if array.size <= MOST_NUMBERS:
        for (i, j), number in np.ndenumerate(array):
            dark = abs(number) > 0.6 * scale["vmax"]
            drawn.text(j, i, f"{number:.2g}".replace("-", "−"), ha="center", va="center", fontsize="x-small",
                       color="white" if dark else "#111111")  # fmt: skip
    for axis in (drawn.xaxis, drawn.yaxis):
        axis.set_major_locator(mpl().ticker.MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    finish(drawn, x="unit", y="input", frame=True)
    return done(shown, drawn, f"weights: {inputs} inputs × {units} units", ax)


def bare(ax: Axes, image: np.ndarray, above: float) -> None:
    """Leave out frame and ticks of a mosaic, and give room above for the names of the first row."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_ylim(len(image) - 0.5, -0.5 - above)


def scale_of(ax: Axes, shown: Any, name: str, own: bool) -> None:
    """Draw the scale of colors: beside the picture in a figure of our own, else with room taken from the Axes."""
    if own:
        box = ax.inset_axes((1.03, 0.0, 0.025, 1.0))
        bar = ax.figure.colorbar(shown, cax=box, label=name)
    else:
        bar = ax.figure.colorbar(shown, ax=ax, label=name)
    bar.ax.yaxis.label.set_color(ink(ax))
    bar.ax.tick_params(color=ink(ax), labelcolor=ink(ax))
    bar.outline.set_visible(False)


def done(shown: Any, drawn: Axes, title: str, ax: Any) -> Any:
    """Add the scale, and return what the user gets."""
    scale_of(drawn, shown, "weight", ax is None)
    finish(drawn, title=title, frame=True)
    return drawn if ax is not None else drawn.figure


def diverging(array: np.ndarray) -> dict[str, Any]:
    """Return the scale: as far below 0 as above."""
    finite = np.abs(array[np.isfinite(array)])
    most = float(finite.max(initial=0.0)) or 1.0
    return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}


def mosaic(tiles: np.ndarray, ncols: int, gap: float = 0.3) -> tuple[np.ma.MaskedArray, list[tuple[int, int]]]:
    """Return images side by side in one array, masked in between, and the upper left corner of each."""
    count, height, width = tiles.shape
    ncols = min(ncols, count)
    rows = -(-count // ncols)
    space = max(1, round(gap * max(height, width)))
    whole = np.full((rows * (height + space) - space, ncols * (width + space) - space), np.nan)
    corners = [((i // ncols) * (height + space), (i % ncols) * (width + space)) for i in range(count)]
    for tile, (row, column) in zip(tiles, corners, strict=True):
        whole[row : row + height, column : column + width] = tile
    return np.ma.masked_invalid(whole), corners


def array_of(layer: Any) -> np.ndarray:
    """Return the weights of a layer."""
    held: Any = layer
    if not isinstance(held, (Node, np.ndarray, list)):
        held = getattr(layer, "weight", None)
    if held is None:
        inside = [name for name, _ in layer.named_parameters()] if hasattr(layer, "named_parameters") else []
        if hasattr(layer, "blocks"):
            held = layer.blocks().get("weight")
            held = None if held is None else held.data
        if held is None:
            hint = f" Choose one of its layers: {type(layer).__name__} has {', '.join(inside[:4])}." if inside else ""
            raise TypeError(f"weights wanted a layer with a weight, or an array; got {type(layer).__name__}.{hint}")
    array = plain(held)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2, 3, 4) or not array.size:
        raise ValueError(
            "weights wanted numbers of shape (inputs, units), or (filters, channels, height, width), got "
            f"{array.dtype} of shape {array.shape}."
        )
    array = array.astype(float)
    return array[:, None] if array.ndim == 1 else array


def image_shape(shape: Any, array: np.ndarray) -> tuple[int, int]:
    """Return height and width, which have to fit the inputs."""
    if isinstance(shape, (int, str)) or len(shape) != 2:
        raise ValueError(f"shape= wanted (height, width), got {shape!r}.")
    height, width = (int(n) for n in shape)
    if height * width != len(array):
        raise ValueError(
            f"shape= wanted images of as many pixels as the layer has inputs, {len(array)}; {height}×{width} are "
            f"{height * width}."
        )
    return height, width

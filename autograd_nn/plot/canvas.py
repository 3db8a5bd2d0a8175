"""What all plots share: where they are drawn, colors that read on white and on black, and names shown as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BESIDE",
    "COLORS",
    "DASHES",
    "INK",
    "MARKERS",
    "axes",
    "finish",
    "ink",
    "legend",
    "mpl",
    "literal",
    "plain",
    "pyplot",
]

INK = "#797979"
"""Of text and lines in figures of our own: as far from white as from JupyterLab's black."""

COLORS = ("#0c6cc0", "#cc6c00", "#009c84", "#9084fc", "#785478", "#b43030", "#e4606c", "#d86cc0")
"""With a contrast of 3:1 to white and to black, or more, as WCAG wants it of graphics; and as far apart as they can be
under these bounds for usual, red-blind and green-blind eyes alike, the first six above all."""

MARKERS = "osD^vPX"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (9, 2)))
# 8 colors, 7 markers and 5 dashes: the same pair comes again after 56 classes, or 40 lines.


MISSING = 'autograd_nn.plot needs matplotlib: pip install "autograd-nn[viz]"'


def mpl() -> Any:
    """Import matplotlib without pyplot, and return it.

    Raises:
        ImportError: in one sentence, if it is not installed.
    """
    try:
        import matplotlib as mpl
        import matplotlib.backends.backend_agg
        import matplotlib.colors
        import matplotlib.figure
        import matplotlib.lines
        import matplotlib.patches
        import matplotlib.ticker
    except ImportError as error:
        raise ImportError(MISSING) from error
    return mpl


def pyplot() -> Any:
    """Import pyplot, which keeps the figures that are shown, and return it.

    Raises:
        ImportError: in one sentence, if it is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(MISSING) from error
    return plt


def axes(ax: Any, *, size: tuple[float, float] = (5.6, 3.8)) -> Axes:
    """Return the Axes to draw into: those given, or those of a new transparent figure.

    Raises:
        TypeError: if what is given are no Axes.
    """
    if ax is not None:
        if isinstance(ax, np.ndarray):
            raise TypeError(
                f"ax= wanted one Axes, got an array of shape {ax.shape}: choose one of them, such as ax[0]."
            )
        if not hasattr(ax, "get_xlabel"):
            raise TypeError(f"ax= wanted Axes, as plt.subplots() returns them, got {type(ax).__name__}.")
        return ax
    figure, ax = pyplot().subplots(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    figure.patch.set_alpha(0.0)
    ax.patch.set_alpha(0.0)
    tint(ax)
    return ax


def tint(ax: Axes, color: str = INK) -> None:
    """Give text, frame and ticks one color."""
    ax.tick_params(which="both", color=color, labelcolor=color)
    for spine in ax.spines.values():
        spine.set_color(color)
    for text in (ax.xaxis.label, ax.yaxis.label, ax.title, ax.xaxis.get_offset_text(), ax.yaxis.get_offset_text()):
        text.set_color(color)


def ink(ax: Axes) -> Any:
    """Return the color of the labels, which suits the figure that the user made."""
    return ax.xaxis.label.get_color()


def finish(ax: Axes, *, title: str = "", x: str = "", y: str = "", frame: bool = False) -> Axes:
    """Write title and labels where the user has written none; leave out the frame above and at the right."""
    if title and not ax.get_title():
        ax.set_title(title)
    if x and not ax.get_xlabel():
        ax.set_xlabel(x)
    if y and not ax.get_ylabel():
        ax.set_ylabel(y)
    if not frame:
        ax.spines[["top", "right"]].set_visible(False)
    return ax


BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.3}
"""Where a legend hides nothing: at the right of the Axes."""

USUAL = 22  # characters of a label, for which figures are wide enough


def legend(ax: Axes, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> None:
    """Draw a legend whose entries are these labels, whatever characters they begin with."""
    longest = max(map(len, labels), default=0)
    figure: Any = ax.figure
    if "bbox_to_anchor" in options and longest > USUAL and figure.patch.get_alpha() == 0.0 and figure.axes == [ax]:
        figure.set_figwidth(figure.get_figwidth() + 0.1 * (longest - USUAL))  # ours: room for the words
    made = ax.legend(handles, ["entry"] * len(handles), **{"frameon": False, "labelcolor": ink(ax), **options})
    made.get_title().set_color(ink(ax))
    for text, label in zip(made.get_texts(), labels, strict=True):  # a leading underscore would hide an entry
        text.set_text(label)


def literal(name: Any, limit: int = 40) -> str:
    r"""Return a name as matplotlib shows it unchanged: no formulas, no control characters, not endless.

    >>> literal("$5"), literal("one\ntwo")
    ('\\$5', 'one\\ntwo')
    """
    text = str(name)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.replace("$", r"\$")


def plain(x: Any) -> np.ndarray:
    """Return the data of a Value, or of anything that NumPy makes an array of."""
    return np.asarray(x._data if isinstance(x, Node) else x)

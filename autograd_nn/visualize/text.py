"""Names, numbers and arrays as short text that is safe to show anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..graph import Graph, Node

__all__ = [
    "array_lines",
    "as_graph",
    "attrs_text",
    "counted",
    "finite",
    "number",
    "plain",
    "plural",
    "shape_text",
    "summary",
]

JOINERS = "\u200c\u200d"  # needed inside Persian words and emoji; harmless
ROWS, COLUMNS = 3, 4  # arrays up to this size are shown in full


def as_graph(source: Any) -> Graph:
    """Return the graph of a Value or of several; a Graph as it is.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(source, Graph):
        return source
    if isinstance(source, Node):
        return Graph.of(source)
    if isinstance(source, (list, tuple)) and source and all(isinstance(item, Node) for item in source):
        return Graph.of(*source)
    raise TypeError(
        f"drawing wanted a Value, a list of Values or a Graph, got {type(source).__name__}. "
        "Only what is computed from a Value has a graph: x = Value(array), then draw what you compute from x."
    )


def plain(text: object, limit: int = 40) -> str:
    r"""Return a name as one printable line: other characters as Python escapes, long names shortened.

    A name may be anything: pictures are for looking at what went wrong.

    >>> plain("∂L/∂w₁"), plain("two\nlines"), plain("x" * 5000, limit=5)
    ('∂L/∂w₁', 'two\\nlines', 'xxxx…')
    """
    text = str(text)
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() or c in JOINERS else ascii(c)[1:-1] for c in short)


def number(x: Any, digits: int = 6) -> str:
    """Return a number with so many significant digits, as short as it goes.

    >>> [number(x) for x in (2.0, -6.88137, 1e-12, 123456.0, True, 1 - 2j)]
    ['2', '-6.88137', '1e-12', '123456', 'True', '1-2j']
    """
    x = np.asarray(x).item()
    if isinstance(x, (bool, int)):
        return str(x)
    if isinstance(x, float) and x == int(x if np.isfinite(x) else 0) and abs(x) < 1e6:
        return str(int(x))
    return f"{x:.{digits}g}"


def shape_text(data: Any) -> str:
    """Return the shape as Python writes it, and the dtype unless it is the usual float64; "" for a float.

    >>> shape_text(2.0), shape_text(np.zeros((64, 10), np.float32))
    ('', '(64, 10) float32')
    """
    if type(data) is tuple:
        return ""
    array = np.asarray(data)
    shape = str(array.shape) if array.shape else ""
    usual = array.dtype == np.float64 or not isinstance(data, (np.ndarray, np.generic))
    return shape if usual else f"{shape} {array.dtype}".strip()


def summary(data: Any) -> str:
    """Return mean, smallest and largest element of an array, and how many are not finite.

    >>> summary(np.array([0.0, 1.0, 5.0, np.nan]))
    'mean 2, 0 … 5, 1 nan'
    """
    array = np.asarray(data)
    if not array.size:
        return "empty"
    if array.dtype.kind == "b":
        return f"{np.count_nonzero(array)} of {array.size} true"
    good = array if array.dtype.kind in "iu" else array[np.isfinite(array)]
    parts = []
    if good.size and array.dtype.kind == "c":
        parts += [f"mean {number(good.mean(), 3)}", f"|x| {number(abs(good).min(), 3)} … {number(abs(good).max(), 3)}"]
    elif good.size:
        with np.errstate(over="ignore"):
            parts += [f"mean {number(good.mean(dtype=float), 3)}", f"{number(good.min(), 3)} … {number(good.max(), 3)}"]
    if good.size < array.size:
        nans = int(np.isnan(array).sum())
        parts += [f"{nans} nan"] if nans else []
        parts += [f"{array.size - good.size - nans} inf"] if array.size - good.size - nans else []
    return ", ".join(parts)


def array_lines(data: Any) -> list[str]:
    """Return a number, a small array in full (one line for each row), or a summary.

    >>> array_lines(np.eye(2)), array_lines(np.arange(100.0))
    (['[1 0]', '[0 1]'], ['mean 49.5, 0 … 99'])
    """
    if type(data) is tuple:
        return [f"{len(data)} results"]
    array = np.asarray(data)
    if array.ndim == 0:
        return [number(array)]
    if not array.size or array.ndim > 2 or array.shape[-1] > COLUMNS or (array.ndim == 2 and len(array) > ROWS):
        return [summary(array)]
    return [f"[{' '.join(number(x, 4) for x in row)}]" for row in np.atleast_2d(array)]


def finite(data: Any) -> bool:
    """Are all numbers finite?"""
    if type(data) is float:
        return data - data == 0.0
    if data is None or type(data) is tuple:
        return True
    array = np.asarray(data)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def attrs_text(node: Node, limit: int = 24) -> str:
    """Return the attributes that differ from the op's defaults: "axis=1"."""
    if node.op is None:
        return ""
    defaults = node.op.defaults
    shown = [f"{k}={short(v)}" for k, v in node.attrs.items() if k not in defaults or differs(v, defaults[k])]
    return plain(", ".join(shown), limit)


def short(x: Any) -> str:
    return getattr(x, "__name__", None) or repr(x).replace(" ", "")


def differs(x: Any, y: Any) -> bool:
    same = x == y
    return not (same if isinstance(same, bool) else x is y)


def plural(count: int, noun: str, many: str = "") -> str:
    """Return "1 node", "2,000 nodes"."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def counted(words: Iterable[str], limit: int = 3) -> str:
    """Return what occurs how often, most frequent first: "add ×200, mul ×12"."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{word} ×{n:,}" if n > 1 else word for word, n in ranked[:limit]]
    return ", ".join(shown) + (", …" if len(ranked) > limit else "")

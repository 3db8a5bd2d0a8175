"""Pictures of a report: curves, dots and their axes as SVG, so that no plotting library is needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .markup import clipped, text

__all__ = ["POINTS", "Axes", "curves", "logarithmic", "predictions", "ratios", "residuals", "ticks"]

POINTS = 1000
"""Drawn in one picture; of more, so many are taken at equal distances."""

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40


class Axes:
    """Where numbers stand in a picture.

    Args:
        x: smallest and largest number along the horizontal axis.
        y: likewise, vertical.
        labels: what stands along the axes.
        powers: are the vertical numbers exponents of 10? Then the ends are whole numbers.
    """

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str], *, powers: bool = False
    ) -> None:
        self.x, self.y, self.labels, self.powers = widened(x), y if powers else widened(y), labels, powers

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point stands."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> str:
        """Return a line through points, with gaps where a number is not finite; a point by itself is a dot."""
        runs: list[list[tuple[float, float]]] = [[]]
        for x, y in points:
            if math.isfinite(x) and math.isfinite(y):
                runs[-1].append(self.place(x, y))
            elif runs[-1]:
                runs.append([])
        drawn = []
        for run in filter(None, runs):
            if len(run) == 1:
                drawn.append(f'<circle class="{kind}" cx="{run[0][0]:.1f}" cy="{run[0][1]:.1f}" r="3"/>')
            else:
                drawn.append(f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>')
        return "".join(drawn)

    def frame(self) -> str:
        """Return the axes, with numbers and a grid."""
        parts = []
        for tick in powers_between(*self.y) if self.powers else ticks(*self.y):
            (left, y), (right, _) = self.place(self.x[0], tick), self.place(self.x[1], tick)
            parts.append(f'<line class="grid" x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{self.number(tick)}</text>')
        for tick in ticks(*self.x):
            x, bottom = self.place(tick, self.y[0])
            parts.append(f'<line class="axis" x1="{x:.1f}" y1="{bottom:.1f}" x2="{x:.1f}" y2="{bottom + 4:.1f}"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{tick:.6g}</text>')
        left, bottom = self.place(self.x[0], self.y[0])
        parts.append(f'<line class="axis" x1="{left}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{text(self.labels[0])}</text>')
        return "".join(parts)

    def number(self, tick: float) -> str:
        """Return what stands beside a line of the grid."""
        return f"1e{tick:.0f}" if self.powers else f"{tick:.6g}"


def figure(caption: str, said: str, inside: str) -> str:
    """Return a picture with a caption (HTML), and a text for those who do not see it."""
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(said)}">{inside}</svg>'
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def curves(name: str, epochs: np.ndarray, lines: Mapping[str, np.ndarray], best: int | None) -> str:
    """Return a picture of numbers over epochs."""
    chosen = sampled(len(epochs))
    finite = np.concatenate([line[np.isfinite(line)] for line in lines.values()])
    if not finite.size:
        return ""
    axes = Axes((epochs[0], epochs[-1]), (float(finite.min()), float(finite.max())), ("epoch", name))
    inside = [axes.frame()]
    if best is not None:
        x, _ = axes.place(best, axes.y[0])
        inside.append(f'<line class="best" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>')
    inside += [axes.line(zip(epochs[chosen], line[chosen], strict=True), kind) for kind, line in lines.items()]
    keys = "".join(f'<span class="key {kind}">{kind}</span>' for kind in lines)
    keys += '<span class="key best">kept</span>' if best is not None else ""
    ends = ", ".join(f"{kind} from {line[0]:.4g} to {line[-1]:.4g}" for kind, line in lines.items())
    return figure(f"<strong>{text(name)}</strong> {keys}", f"{name} over {len(epochs)} epochs: {ends}", "".join(inside))


LINES = 8
"""Curves in one picture that have looks of their own."""

HEALTHY = (-4.0, -1.0)
"""Of gradient to weight, as exponents of 10: a rule of thumb, as in `autograd_nn.plot.gradients`."""


def ratios(rows: Sequence[Mapping[str, float]]) -> str:
    """Return a picture of gradients beside weights by step, on a logarithmic axis, smoothed where there are many."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ("step", "epoch")))
    shown = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(len(names), LINES)).round().astype(int))]
    steps = np.array([row.get("step", row.get("epoch", i + 1)) for i, row in enumerate(rows)], dtype=float)
    lines = {name: logarithmic([row.get(name, math.nan) for row in rows]) for name in shown}
    known = [line[np.isfinite(line)] for line in lines.values()]
    together = np.concatenate(known) if known else np.array([])
    if not together.size:
        return ""
    ends = (math.floor(min(together.min(), HEALTHY[0])), math.ceil(max(together.max(), HEALTHY[1])))
    axes = Axes((float(steps[0]), float(steps[-1])), ends, ("step", ""), powers=True)
    left, top = axes.place(axes.x[0], HEALTHY[1])
    right, bottom = axes.place(axes.x[1], HEALTHY[0])
    place = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
    inside = [f'<rect class="healthy" {place}/>', axes.frame()]
    chosen = sampled(len(steps))
    keys = []
    for i, (name, line) in enumerate(lines.items()):
        inside.append(axes.line(zip(steps[chosen], line[chosen], strict=True), f"l{i}"))
        sample = f'<svg viewBox="0 0 32 8" aria-hidden="true"><polyline class="l{i}" points="0,4 32,4"/></svg>'
        keys.append(f'<span class="key l{i}">{sample}{text(clipped(name))}</span>')
    said = f"norm of the gradient over norm of the weights by step, for {len(shown)} of {len(names)} arrays"
    caption = "<strong>‖gradient‖ / ‖weight‖</strong>, healthy inside the band (a rule of thumb)"
    caption += f"; {len(shown)} of {len(names)} arrays" if len(shown) < len(names) else ""
    return figure(f'{caption}<div class="keys">{"".join(keys)}</div>', said, "".join(inside))


def logarithmic(numbers: Sequence[float]) -> np.ndarray:
    """Return logarithms to base 10, NaN where there is none; of many numbers running means.

    >>> logarithmic([100.0, 0.0, 0.1]).tolist()
    [2.0, nan, -1.0]
    """
    x = np.array(numbers, dtype=float)
    x = np.log10(np.where((x > 0) & np.isfinite(x), x, np.nan))
    half = len(x) // 50 if len(x) >= 100 else 0
    if not half:
        return x
    known = np.isfinite(x)
    window = np.ones(2 * half + 1)
    counts = np.convolve(known, window, "same")
    sums = np.convolve(np.where(known, x, 0.0), window, "same")
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def powers_between(low: float, high: float) -> list[float]:
    """Return whole exponents, of many every second one, or every fifth."""
    step = next(n for n in (1, 2, 5, 10, 50, 100) if (high - low) / n <= 8)
    return [float(n) for n in range(math.ceil(low / step) * step, math.floor(high) + 1, step)]


def predictions(observed: np.ndarray, predicted: np.ndarray, unit: str) -> str:
    """Return a picture of predictions over observations; on the diagonal they are equal."""
    known = np.isfinite(observed) & np.isfinite(predicted)
    x, y = observed[known].astype(float).tolist(), predicted[known].astype(float).tolist()
    if not x:
        return ""
    order = np.argsort(x, kind="stable")[sampled(len(x))]
    ends = (min(*x, *y), max(*x, *y))
    axes = Axes(ends, ends, (f"observed {unit}", f"predicted {unit}"))
    dots = "".join(
        f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in (axes.place(x[i], y[i]) for i in order)
    )
    inside = axes.frame() + axes.line([(end, end) for end in axes.x], "equal") + dots
    caption = f'<strong>predicted {text(unit)}</strong> <span class="key equal">predicted = observed</span>'
    some = "" if len(order) == len(x) else f" ({len(order)} of {len(x)} rows)"
    return figure(caption + some, f"predicted over observed {unit}, {len(x)} test rows", inside)


def residuals(observed: np.ndarray, predicted: np.ndarray, unit: str) -> str:
    """Return a picture of what predictions were off by; a pattern in it is something that the model did not learn."""
    known = np.isfinite(observed) & np.isfinite(predicted)
    x = predicted[known].astype(float).tolist()
    with np.errstate(over="ignore"):
        y = (observed[known].astype(float) - x).tolist()
    if not x or not all(map(math.isfinite, y)):
        return ""
    order = np.argsort(x, kind="stable")[sampled(len(x))]
    most = max(map(abs, y)) or 1.0
    axes = Axes((min(x), max(x)), (-most, most), (f"predicted {unit}", "residual"))
    dots = "".join(
        f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in (axes.place(x[i], y[i]) for i in order)
    )
    inside = axes.frame() + axes.line([(end, 0.0) for end in axes.x], "equal") + dots
    return figure(
        f'<strong>residual</strong> <span class="key equal">observed = predicted {text(unit)}</span>',
        f"residuals over predicted {unit}, {len(x)} test rows",
        inside,
    )


def sampled(count: int) -> np.ndarray:
    """Return positions, the first and the last among them, not more than can be drawn."""
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))


def widened(ends: tuple[float, float]) -> tuple[float, float]:
    """Return an interval that is none of zero length, with a little room."""
    low, high = ends
    flat = high - low <= 1e-9 * max(abs(low), abs(high), 1e-290)  # then digits of a double would not tell ticks apart
    room = (0.5 * abs(high) or 1.0) if flat else 0.04 * (high - low)
    return low - room, high + room


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers within an interval.

    >>> ticks(0.03, 0.98)
    [0.2, 0.4, 0.6, 0.8]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]

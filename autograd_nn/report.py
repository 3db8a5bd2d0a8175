"""A page about a training run: curves, scores beside a naive baseline, and what was done to the data. One HTML file.

It asks nothing of the network, runs no script, and follows the reader's choice of light or dark. Curves are drawn as
SVG here, so that no plotting library is needed. Names and labels come from strangers' files: all of them go through
`text`, which makes markup and control characters visible.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .training import History

__all__ = ["Result", "page", "score", "visible"]

POINTS = 1000
"""Drawn in one picture; of more, so many are taken at equal distances."""

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40


@dataclass(frozen=True)
class Result:
    """What there is to say about a training run.

    Attributes:
        title: of the page.
        heading: the size of the table.
        verdict: of the data report.
        findings: of the data report: severity, message, cure.
        cleaning: what was done to the table, a sentence each.
        history: of the training.
        best: the epoch whose weights were kept; None for the last one.
        scores: on rows that were not trained on: name, of the model, of the baseline.
        baseline: what the baseline does, such as "always 'no'".
        labels: of the classes, in the order of `confusion`.
        confusion: how often each true class (row) was predicted as each class (column); None for regression.
        observed: targets of the test rows; None for classification.
        predicted: for these rows.
        unit: what is drawn along the axes of observed and predicted: the name of the target.
        settings: by name.
    """

    title: str
    heading: str
    verdict: str
    findings: Sequence[tuple[str, str, str]] = ()
    cleaning: Sequence[str] = ()
    history: History = field(default_factory=History)
    best: int | None = None
    scores: Sequence[tuple[str, float, float]] = ()
    baseline: str = ""
    labels: Sequence[str] = ()
    confusion: np.ndarray | None = None
    observed: np.ndarray | None = None
    predicted: np.ndarray | None = None
    unit: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def visible(text: Any) -> str:
    r"""Return a text in which control characters are written out, so that none can move the cursor or turn the line.

    >>> visible("red\x1b[2J")
    'red\\x1b[2J'
    """
    kept = ("\n", "\t", "\xa0")
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in str(text))


def text(thing: Any) -> str:
    """Return anything as text that is safe inside of HTML, in quotation marks too."""
    return html.escape(visible(thing))


def page(result: Result) -> str:
    """Return the page as HTML.

    >>> "<script>" in page(Result("<script>", "2 rows", "ready"))
    False
    """
    parts = [
        f"<header><h1>{text(result.title)}</h1><p>{text(result.heading)}</p></header>",
        section("Test", scores(result)),
        section(*outcome(result)),
        section("Training", training(result)),
        section("Data", data(result)),
        section("Settings", table(["setting", "value"], [[name, text(v)] for name, v in result.settings.items()])),
    ]
    return TEMPLATE.format(title=text(result.title), style=STYLE, body="\n".join(parts))


def section(heading: str, body: str) -> str:
    """Return a part of the page; nothing if there is nothing in it."""
    return f"<section><h2>{text(heading)}</h2>\n{body}</section>" if body else ""


def table(head: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Return a table; the first cell of a row is its heading. Cells are HTML, headings are texts."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    lines = [
        f'<tr><th scope="row">{text(first)}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    ]
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>'
    )


def scores(result: Result) -> str:
    """Return the scores of the model beside those of the baseline."""
    if not result.scores:
        return ""
    rows = [[name, f"<strong>{score(model)}</strong>", score(naive)] for name, model, naive in result.scores]
    return table(["score", "model", result.baseline or "baseline"], rows, "numbers")


def score(number: float) -> str:
    """Return a score as text.

    >>> score(0.96543), score(-6.687e-05), score(45432.1)
    ('0.9654', '-0.0001', '45432.1')
    """
    return f"{number:.4f}" if abs(number) < 0.01 else f"{number:.4g}" if abs(number) < 1000 else f"{number:.6g}"


def outcome(result: Result) -> tuple[str, str]:
    """Return the confusion matrix, or predictions over observations."""
    if result.confusion is not None:
        return "Confusion matrix", confusion(result.confusion, result.labels)
    if result.observed is not None and result.predicted is not None:
        picture = scatter(result.observed, result.predicted, result.unit)
        return "Predicted and observed", f'<div class="charts">{picture}</div>'
    return "", ""


def confusion(counts: np.ndarray, labels: Sequence[str]) -> str:
    """Return a table of counts, shaded by the share of the row."""
    top = "".join(f'<th scope="col" title="{text(label)}">{text(clipped(label))}</th>' for label in labels)
    lines = []
    for place, (label, row) in enumerate(zip(labels, counts.tolist(), strict=True)):
        total = sum(row) or 1
        cells = "".join(
            f'<td class="{"right" if place == column else "wrong"}" style="--share:{100 * n / total:.1f}%">{n}</td>'
            for column, n in enumerate(row)
        )
        lines.append(f'<tr><th scope="row" title="{text(label)}">{text(clipped(label))}</th>{cells}</tr>')
    head = f'<tr><td></td><th colspan="{len(labels)}" scope="colgroup">predicted</th></tr><tr><th>true</th>{top}</tr>'
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table class="numbers matrix"><thead>{head}</thead><tbody>\n{body}</tbody></table></div>'
    )


def clipped(label: str, most: int = 40) -> str:
    """Return a label that is not longer than a cell of the matrix may be."""
    return label if len(label) <= most else label[: most - 1] + "…"


def training(result: Result) -> str:
    """Return the curves, why training ended, and all numbers."""
    history = result.history
    if not len(history):
        return f"<p>{text(history.stopped)}</p>" if history.stopped else ""
    epochs = history["epoch"].astype(float)
    names = [name for name in history.columns if name not in ("epoch", "seconds", "learning_rate")]
    charts = []
    for name in (name for name in names if not name.startswith("validation_")):
        lines = {"training": history[name].astype(float)}
        if f"validation_{name}" in names:
            lines["validation"] = history[f"validation_{name}"].astype(float)
        charts.append(curves(name, epochs, lines, result.best))
    rows = [[str(row["epoch"]), *(short(row.get(name, math.nan)) for name in names)] for row in history]
    kept = "" if result.best is None else f" The weights of epoch {result.best} were kept."
    return (
        f'<div class="charts">{"".join(charts)}</div>\n<p>{text(history.stopped)}.{kept}</p>\n'
        f"<details><summary>All {len(rows)} epochs</summary>{table(['epoch', *names], rows, 'numbers')}</details>"
    )


def data(result: Result) -> str:
    """Return the data report, and what was done."""
    parts = [f"<p><strong>{text(result.verdict)}</strong></p>"]
    if result.findings:
        rows = [[severity, text(message), text(cure)] for severity, message, cure in result.findings]
        parts.append(table(["severity", "finding", "what to do"], rows, "stack"))
    if result.cleaning:
        items = "".join(f"<li>{text(note)}</li>" for note in result.cleaning)
        parts.append(f"<h3>Cleaning</h3><ul>{items}</ul>")
    return "\n".join(parts)


def short(number: Any) -> str:
    """Return a number as text."""
    return f"{number:.4g}" if isinstance(number, float) else text(number)


# pictures


class Axes:
    """Where numbers stand in a picture.

    Args:
        x: smallest and largest number along the horizontal axis.
        y: likewise, vertical.
        labels: what stands along the axes.
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str]) -> None:
        self.x, self.y, self.labels = widened(x), widened(y), labels

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
        for tick in ticks(*self.y):
            (left, y), (right, _) = self.place(self.x[0], tick), self.place(self.x[1], tick)
            parts.append(f'<line class="grid" x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
        for tick in ticks(*self.x):
            x, bottom = self.place(tick, self.y[0])
            parts.append(f'<line class="axis" x1="{x:.1f}" y1="{bottom:.1f}" x2="{x:.1f}" y2="{bottom + 4:.1f}"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{tick:.6g}</text>')
        left, bottom = self.place(self.x[0], self.y[0])
        parts.append(f'<line class="axis" x1="{left}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{text(self.labels[0])}</text>')
        return "".join(parts)


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


def scatter(observed: np.ndarray, predicted: np.ndarray, unit: str) -> str:
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


# The policy lets nothing in from outside, whatever the page holds.
TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

STYLE = """
:root { --text: #1b1f24; --quiet: #57606a; --ground: #ffffff; --card: #f6f8fa; --edge: #d0d7de;
  --training: #0b5cad; --validation: #b54708; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --quiet: #9da7b3; --ground: #0d1117; --card: #161b22; --edge: #30363d;
    --training: #6cb6ff; --validation: #f69d50; --good: #3fb950; --bad: #f85149; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
header p, figcaption { color: var(--quiet); margin: 0; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .7rem; padding-bottom: .2rem; border-bottom: 1px solid var(--edge); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .94rem; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--edge);
  overflow-wrap: break-word; max-width: 32rem; unicode-bidi: isolate; }
thead th { color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 500; }
.numbers td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.numbers thead th + th { text-align: right; }
.matrix thead th[colspan] { text-align: center; }
.matrix td { min-width: 3.5rem; } .matrix th[title] { min-width: 5rem; }
.right { background: color-mix(in srgb, var(--good) calc(var(--share) * .45), transparent); }
.wrong { background: color-mix(in srgb, var(--bad) calc(var(--share) * .45), transparent); }
li { unicode-bidi: isolate; }
@media (max-width: 36rem) {
  .stack thead { display: none; }
  .stack :is(tr, th, td) { display: block; border: 0; padding: .1rem 0; }
  .stack tr { border-bottom: 1px solid var(--edge); padding: .5rem 0; } }
details { margin-top: .8rem; }
summary { cursor: pointer; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; padding: .7rem; background: var(--card); border: 1px solid var(--edge); border-radius: 8px;
  max-width: 34rem; }
svg { display: block; width: 100%; height: auto; margin-top: .4rem; }
svg text { fill: var(--quiet); font: 13px system-ui, sans-serif; }
.grid { stroke: var(--edge); } .axis { stroke: var(--quiet); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
polyline.training { stroke: var(--training); } polyline.validation { stroke: var(--validation);
  stroke-dasharray: 6 3; } polyline.equal { stroke: var(--validation); stroke-dasharray: 6 3; }
line.best { stroke: var(--quiet); stroke-dasharray: 2 3; }
circle.training, circle.dot { fill: var(--training); } circle.validation { fill: var(--validation); }
circle.dot { opacity: .55; }
.key { margin-left: .9rem; white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: 1.4em; margin-right: .35em; vertical-align: middle;
  border-top: 2px solid var(--training); }
.key.validation::before, .key.equal::before { border-top: 2px dashed var(--validation); }
.key.best::before { border-top: 2px dotted var(--quiet); }
"""

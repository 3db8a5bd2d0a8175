"""The page of a report: what was found, as one HTML file.

It asks nothing of the network, runs no script, and follows the reader's choice of light or dark. Names and labels come
from strangers' files: all of them go through `markup.text`, which makes markup and control characters visible.
"""

from __future__ import annotations

import base64
import html
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..saving import write_atomically
from ..training import History
from .chart import curves, predictions, ratios, residuals
from .markup import SCROLL, clipped, section, table, text

__all__ = ["Result", "page", "score"]


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
        gradients: how large the gradient of each array is beside it, a dict by path for each step.
        layers: the model as lines of cells, the names of the columns first.
        totals: what there is to say under these lines, by name.
        picture: of the model, as SVG; or text that stands for it.

    At the end of a notebook cell it shows the page.
    """

    title: str
    heading: str
    verdict: str = ""
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
    gradients: Sequence[Mapping[str, float]] = ()
    layers: Sequence[Sequence[str]] = ()
    totals: Sequence[tuple[str, str]] = ()
    picture: str = ""

    @property
    def html(self) -> str:
        """The page."""
        return page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, all of it or nothing, and return its path.

        Args:
            path: ends in .html.

        Raises:
            ValueError: for another ending.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"a report wanted a name that ends in .html, got {path.name!r}: write 'report.html'.")
        write_atomically(path, [self.html.encode("utf-8", "backslashreplace")])
        return path

    def __str__(self) -> str:
        lines = [self.title, self.heading, self.verdict]
        lines += [f"{name}: {score(model)}, against {score(naive)}" for name, model, naive in self.scores]
        return "\n".join(filter(None, [*lines, self.history.stopped]))

    def _repr_html_(self) -> str:
        frame = "width:100%;height:640px;border:1px solid #8884;border-radius:8px"
        return f'<iframe title="report" sandbox style="{frame}" srcdoc="{html.escape(self.html)}"></iframe>'


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
        section("Gradients", gradients(result)),
        section("Model", model(result)),
        section("Data", data(result)),
        section("Settings", settings(result)),
    ]
    return TEMPLATE.format(title=text(result.title), style=STYLE, body="\n".join(parts))


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
        pictures = [draw(result.observed, result.predicted, result.unit) for draw in (predictions, residuals)]
        return "Predicted and observed", f'<div class="charts">{"".join(pictures)}</div>'
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
    inside = f"<thead>{head}</thead><tbody>\n{body}</tbody>"
    return f'{SCROLL}"confusion matrix"><table class="numbers matrix">{inside}</table></div>'


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
    why = text(history.stopped)
    why += "" if not why or why.endswith(".") else "."
    why += "" if result.best is None else f" The weights of epoch {result.best} were kept."
    return (
        f'<div class="charts">{"".join(charts)}</div>\n<p>{why}</p>\n'
        f"<details><summary>All {len(rows)} epochs</summary>{table(['epoch', *names], rows, 'numbers')}</details>"
    )


def gradients(result: Result) -> str:
    """Return the curves of gradients beside weights."""
    picture = ratios(result.gradients)
    return f'<div class="charts">{picture}</div>' if picture else ""


def model(result: Result) -> str:
    """Return the layers, and the picture of the model."""
    parts = []
    if result.picture.lstrip().startswith("<"):
        # As an image, scripts in it would not run, if there were any.
        held = base64.b64encode(result.picture.encode()).decode()
        image = f'<img src="data:image/svg+xml;base64,{held}" alt="graph of the model">'
        parts.append(f'{SCROLL}"picture of the model">{image}</div>')
    elif result.picture:
        parts.append(f"<details><summary>Graph, in words</summary><pre>{text(result.picture)}</pre></details>")
    if result.layers:
        head, *lines = result.layers
        parts.append(table(head, [[first, *map(text, rest)] for first, *rest in lines], "numbers layers"))
        parts += [f"<p>{text(name)}: {text(said)}</p>" for name, said in result.totals]
    return "\n".join(parts)


def settings(result: Result) -> str:
    """Return the settings."""
    rows = [[str(name), text(value)] for name, value in result.settings.items()]
    return table(["setting", "value"], rows) if rows else ""


def data(result: Result) -> str:
    """Return the data report, and what was done."""
    parts = [f"<p><strong>{text(result.verdict)}</strong></p>"] if result.verdict else []
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


# The policy lets nothing in from outside, whatever the page holds.
TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
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
  --training: #0b5cad; --validation: #b54708; --good: #0969da; --bad: #bc4c00;
  --l0: #0c6cc0; --l1: #b05c00; --l2: #00806c; --l3: #6d5ff0; --l4: #785478; --l5: #b43030; --l6: #cc4050;
  --l7: #b84aa4; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --quiet: #9da7b3; --ground: #0d1117; --card: #161b22; --edge: #30363d;
    --training: #6cb6ff; --validation: #f69d50; --good: #58a6ff; --bad: #f0883e;
    --l0: #4a9ae8; --l1: #e88a20; --l2: #10b89c; --l3: #a49afc; --l4: #a884a8; --l5: #e06050; --l6: #f08088;
    --l7: #e08ccc; } }
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
.layers td:nth-child(-n+3) { text-align: left; } .layers thead th:nth-child(-n+3) { text-align: left; }
.scroll img { display: block; height: auto; max-width: max(100%, 40rem); margin: .3rem 0 1rem; }
.scroll:focus-visible { outline: 2px solid var(--training); }
pre { overflow-x: auto; font-size: .85rem; } section > p { margin: .2rem 0; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; padding: .7rem; background: var(--card); border: 1px solid var(--edge); border-radius: 8px;
  max-width: 34rem; }
svg { display: block; width: 100%; height: auto; margin-top: .4rem; }
svg text { fill: var(--quiet); font: 13px system-ui, sans-serif; }
.healthy { fill: var(--l2); opacity: .13; }
.grid { stroke: var(--edge); } .axis { stroke: var(--quiet); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
polyline.training { stroke: var(--training); } polyline.validation { stroke: var(--validation);
  stroke-dasharray: 6 3; } polyline.equal { stroke: var(--validation); stroke-dasharray: 6 3; }
.l0 { --line: var(--l0); --dash: none; }
.l1 { --line: var(--l1); --dash: 6 2; }
.l2 { --line: var(--l2); --dash: 2 2; }
.l3 { --line: var(--l3); --dash: 8 2 2 2; }
.l4 { --line: var(--l4); --dash: 12 3; }
.l5 { --line: var(--l5); --dash: 4 4; }
.l6 { --line: var(--l6); --dash: 1 3; }
.l7 { --line: var(--l7); --dash: 10 2 1 2 1 2; }
polyline:is(.l0, .l1, .l2, .l3, .l4, .l5, .l6, .l7) { stroke: var(--line); stroke-dasharray: var(--dash); }
circle:is(.l0, .l1, .l2, .l3, .l4, .l5, .l6, .l7) { fill: var(--line); }
.keys { display: flex; flex-wrap: wrap; gap: .1rem .9rem; } .keys .key { margin: 0; }
.key svg { display: inline-block; width: 2.2em; height: .7em; margin: 0 .35em 0 0; vertical-align: middle; }
.key:has(svg)::before { display: none; }
line.best { stroke: var(--quiet); stroke-dasharray: 2 3; }
circle.training, circle.dot { fill: var(--training); } circle.validation { fill: var(--validation); }
circle.dot { opacity: .55; }
.key { margin-left: .9rem; white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: 1.4em; margin-right: .35em; vertical-align: middle;
  border-top: 2px solid var(--training); }
.key.validation::before, .key.equal::before { border-top: 2px dashed var(--validation); }
.key.best::before { border-top: 2px dotted var(--quiet); }
"""

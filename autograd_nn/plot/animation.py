"""A decision boundary as it is learnt, frame by frame."""

from __future__ import annotations

import base64
import copy
import html
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..training import Callback, State
from .boundary import Scene, classes_of, draw, names_of, two_features, whole
from .canvas import literal, mpl

__all__ = ["Animation", "Snapshot", "Snapshots", "animate_training"]

MOST_FRAMES = 40
DPI = 80
SUFFIXES = (".gif", ".png", ".html")


class Snapshot(NamedTuple):
    """A copy of a model, and what it was at that time.

    Attributes:
        model: the copy.
        label: such as "epoch 3".
    """

    model: Any
    label: str


class Snapshots(Callback, Sequence[Snapshot]):
    """Keep copies of the model during `fit`: before the first step, then after each so-many-th epoch.

    However long it trains, no more than `limit` are kept: when they become too many, every other one is dropped.

    Args:
        every: epochs from one copy to the next.
        limit: how many to keep.

    >>> from autograd_nn import data, nn, plot
    >>> from autograd_nn.training import fit
    >>> x, y = data.moons(64, rng=0)
    >>> snapshots = plot.Snapshots()
    >>> model = nn.SoftmaxClassifier([2, 8, 2], rng=0)
    >>> run = fit(model, (x, y), "cross_entropy", epochs=3, callbacks=snapshots, progress=False)
    >>> [label for _, label in snapshots][:2], len(snapshots)
    (['start', 'epoch 1, loss ...'], 4)
    """

    def __init__(self, every: int = 1, *, limit: int = MOST_FRAMES) -> None:
        self.every = whole("every", every, 1)
        self.limit = whole("limit", limit, 2)
        self.kept: list[tuple[int, Snapshot]] = []

    def begin(self, state: State) -> None:
        """Keep the model as it begins."""
        self.kept = [(0, Snapshot(copy.deepcopy(state.model), "start"))]

    def epoch(self, state: State) -> None:
        """Keep the model after an epoch."""
        if state.epoch % self.every:
            return
        label = f"epoch {state.epoch}, loss {state.row['loss']:.3g}"
        self.kept.append((state.epoch, Snapshot(copy.deepcopy(state.model), label)))
        if len(self.kept) > self.limit:
            self.every *= 2
            self.kept = [(epoch, shot) for epoch, shot in self.kept if epoch % self.every == 0]

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, position: Any) -> Any:
        found = self.kept[position]
        return [shot for _, shot in found] if isinstance(position, slice) else found[1]


class Animation:
    """Frames of a film. A notebook shows it when the cell ends with it; `save` writes it.

    Attributes:
        frames: RGB arrays (height, width, 3).
        labels: of the frames.
        seconds: that each frame is seen; the last one for longer.
    """

    def __init__(self, frames: Sequence[np.ndarray], labels: Sequence[str], seconds: float = 0.15) -> None:
        self.frames, self.labels, self.seconds = list(frames), list(labels), seconds

    def __repr__(self) -> str:
        height, width = self.frames[0].shape[:2]
        return f"Animation({len(self.frames)} frames, {width}×{height} pixels): .save('training.gif') writes it"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the film: ``.gif``; ``.png``, which is animated too; or ``.html``, a page with a slider, offline.

        Raises:
            ValueError: if the name ends otherwise.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"an animation is saved as {', '.join(SUFFIXES)}, got {path.name!r}.")
        path.write_bytes(self.page().encode() if suffix == ".html" else self.encoded(suffix[1:].upper()))
        return path

    def encoded(self, kind: str) -> bytes:
        """Return the film as GIF or animated PNG."""
        first, *rest = self.images(256 if kind == "GIF" else None)
        times = [int(1000 * self.seconds)] * len(rest) + [int(1000 * max(self.seconds, 1.5))]
        file = io.BytesIO()
        first.save(file, kind, save_all=True, append_images=rest, duration=times, loop=0, optimize=False)
        return file.getvalue()

    def images(self, colors: int | None) -> list[Any]:
        """Return the frames as images of Pillow's, all with the colors of the last one, so that nothing flickers."""
        from PIL import Image  # comes with matplotlib

        made = [Image.fromarray(frame) for frame in self.frames]
        if colors is None:
            return made
        sample = Image.fromarray(np.concatenate([self.frames[0], self.frames[len(made) // 2], self.frames[-1]]))
        palette = sample.quantize(colors, dither=Image.Dither.NONE)
        return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in made]

    def _repr_html_(self) -> str:
        """Show the film; to readers who want no motion its last frame."""
        film = base64.b64encode(self.encoded("GIF")).decode()
        still = self.still(-1)
        height, width = self.frames[0].shape[:2]
        alt = html.escape(
            f"decision boundary during training, {len(self.frames)} frames, the last one: {self.labels[-1]}"
        )
        return (
            f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}">'
            f'<img src="data:image/gif;base64,{film}" width="{width}" height="{height}" alt="{alt}" '
            'style="max-width: 100%; height: auto; border-radius: 6px"></picture>'
        )

    def still(self, position: int) -> str:
        """Return one frame as a data URL."""
        file = io.BytesIO()
        self.images(None)[position].save(file, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

    def page(self) -> str:
        """Return a page with all frames, a slider and a button; it plays only when asked to."""
        height, width = self.frames[0].shape[:2]
        frames = "\n".join(
            f'<img src="{self.still(i)}" alt="{html.escape(label)}" width="{width}" height="{height}" hidden>'
            for i, label in enumerate(self.labels)
        )
        return PAGE.format(frames=frames, last=len(self.frames) - 1, wait=int(1000 * self.seconds))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Training, step by step</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.4 system-ui, sans-serif; max-width: 48em; margin: 1em auto; padding: 0 1em; }}
img {{ max-width: 100%; height: auto; border-radius: 6px; }}
.controls {{ display: flex; gap: 1em; align-items: center; margin-top: .6em; }}
input {{ flex: 1; min-width: 0; }}
button {{ font: inherit; padding: .3em 1em; min-height: 2.4em; }}
</style></head><body><main><h1>Training, step by step</h1>
<div id="film">
{frames}
</div>
<div class="controls"><button id="play">Play</button>
<input id="at" type="range" min="0" max="{last}" value="{last}" aria-label="snapshot"></div>
<p id="now" aria-live="polite"></p></main>
<script>
const frames = document.querySelectorAll("#film img"), at = document.getElementById("at");
const play = document.getElementById("play"), now = document.getElementById("now");
let timer = null;
function show() {{
  frames.forEach((frame, i) => {{ frame.hidden = i !== +at.value; }});
  if (timer === null) now.textContent = frames[+at.value].alt;
}}
function stop() {{ clearInterval(timer); timer = null; play.textContent = "Play"; show(); }}
play.onclick = () => {{
  if (timer !== null) {{ stop(); return; }}
  if (at.value === at.max) at.value = 0;
  play.textContent = "Pause";
  timer = setInterval(() => {{ at.value = +at.value + 1; show(); if (at.value === at.max) stop(); }}, {wait});
  show();
}};
at.oninput = () => {{ if (timer !== null) stop(); show(); }};
show();
</script></body></html>
"""


def animate_training(
    snapshots: Iterable[Any],
    X: Any,
    y: Any,
    *,
    labels: Sequence[Any] | None = None,
    resolution: int = 100,
    cmap: Any = "RdBu_r",
    output: str = "auto",
    seconds: float = 0.15,
) -> Animation:
    """Make a film of the decision boundary, one frame for each snapshot of the model, 40 at most.

    Args:
        snapshots: a `Snapshots` that was a callback of `fit`; or models, estimators or functions in the order of time,
            alone or in pairs (model, label).
        X: (rows, 2), the points.
        y: (rows,), their classes.
        labels: names of the classes.
        resolution: see `decision_boundary`.
        cmap: see `decision_boundary`.
        output: see `decision_boundary`.
        seconds: that each frame is seen.

    Returns:
        The film. Its figure is no window's and is not kept open.

    Raises:
        TypeError, ValueError: if there are no snapshots, or something does not fit; see `decision_boundary`.

    >>> from autograd_nn import data, nn, plot
    >>> X, y = data.moons(50, rng=0)
    >>> film = plot.animate_training([nn.MLP([2, 8, 1], rng=seed) for seed in range(3)], X, y, resolution=20)
    >>> film
    Animation(3 frames, 416×336 pixels): .save('training.gif') writes it
    """
    if callable(snapshots) or not isinstance(snapshots, Iterable):
        raise TypeError(
            "animate_training wanted snapshots of the model, got one "
            f"{type(snapshots).__name__}: s = plot.Snapshots(); fit(…, callbacks=s); plot.animate_training(s, X, y)."
        )
    shots = [
        Snapshot(*shot) if isinstance(shot, tuple) and len(shot) == 2 else Snapshot(shot, f"snapshot {i}")
        for i, shot in enumerate(snapshots)
    ]
    if not shots:
        raise ValueError("animate_training wanted at least one snapshot: was Snapshots a callback of fit?")
    if not seconds > 0:
        raise ValueError(f"seconds wanted a number above 0, got {seconds!r}.")
    some = np.unique(np.linspace(0, len(shots) - 1, min(len(shots), MOST_FRAMES)).round().astype(int))
    points, features = two_features(X)
    classes, number = classes_of(y, len(points), shots[0].model)
    scene = Scene(points, number, names_of(classes, labels), features)
    resolution = whole("resolution", resolution)
    figure = mpl().figure.Figure(figsize=(5.2, 4.2), dpi=DPI, facecolor="white", layout="constrained")
    canvas = mpl().backends.backend_agg.FigureCanvasAgg(figure)
    frames, said = [], []
    place: Any = None
    for i in some.tolist():
        figure.clear()
        ax = figure.add_subplot()
        if place is not None:
            ax.set_position(place)
        ax.set_title(literal(shots[i].label))
        draw(ax, shots[i].model, scene, resolution=resolution, cmap=cmap, output=output, values=classes)
        canvas.draw()
        if place is None:  # the layout of the first frame is that of all: nothing jumps, and it is found once
            place = ax.get_position()
            figure.set_layout_engine("none")
        frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        said.append(str(shots[i].label))
    return Animation(frames, said, seconds)

"""The page of a training run: what was kept of it, as the page reads it, and in words."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...visualize.explorer.notebook import NotebookPage
from ...visualize.text import number, plural
from ...visualize.text import plain as printable
from .. import boundary, curve
from ..boundary import evaluating, last_op, outputs
from ..canvas import INK, mpl, tint
from .microscope import png
from .network import Layer, read
from .page import Scene, decision_of, html, listed, outputs_of, scene_of, short, structure
from .step import Step, compare

__all__ = ["Run", "RunPage"]

NUMBERS = 100_000  # of weights and gradients that the page holds; of larger parameters, or more, histograms
LARGEST = 4096  # numbers of a parameter that is shown as a map
BINS = 20
DIGITS = 7
FIELDS = 100_000  # outputs that the page holds, where it cannot compute them
MOST_OUTPUTS = 8
FINE, MAP = 161, 41  # points of a curve, and along a side of a map


class Run(NamedTuple):
    """What was kept of a run.

    Attributes:
        steps: weights and gradients.
        losses: (step, loss), of more steps.
        validation: (step, loss), of epochs.
        drawn: graphs of losses by step, packed.
        model: for its structure.
        X: data of one or two features, or None.
        y: their targets, or None.
        given: were X and y given by the user, so that they have to fit?
    """

    steps: Sequence[Step]
    losses: Sequence[tuple[int, float]]
    validation: Sequence[tuple[int, float]]
    drawn: Mapping[int, str]
    model: Any
    X: Any
    y: Any
    given: bool


class RunPage(NotebookPage):
    """The page of a run as it is now."""

    def __init__(self, run: Run, title: str, labels: Sequence[Any] | None, height: int) -> None:
        self._run = run
        self._scene, data = page_data(run, labels)
        text = spoken(run, title)
        super().__init__(html(title, data, text), title, text, "replay", height)

    def _picture(self) -> tuple[str, bytes] | None:
        """Return the losses, and for two features the last decision boundary, as PNG; None without matplotlib."""
        run, scene = self._run, self._scene
        try:
            figure = mpl().figure.Figure(figsize=(8.6, 3.8), layout="constrained")
        except ImportError:
            return None
        plane = scene is not None and scene.classes is not None and scene.x.shape[1] == 2
        first, *others = np.atleast_1d(figure.subplots(1, 2 if plane else 1))
        for ax in (first, *others):
            tint(ax, INK)
        if run.losses:
            rows = [{"step": at, "loss": loss} for at, loss in run.losses]
            curve.history(rows, ax=first)
        if others and scene is not None:
            model = copy.deepcopy(run.model)
            model.load_state_dict(run.steps[-1].weights, strict=False)
            try:
                boundary.decision_boundary(model, scene.x, scene.y, ax=others[0], resolution=100, labels=scene.classes)
            except (TypeError, ValueError):  # such as weights that are not finite: the losses are shown all the same
                others[0].remove()
        return "image/png", png(figure)


def page_data(run: Run, labels: Any) -> tuple[Scene | None, dict[str, Any]]:
    """Return the user's data, and what the page reads."""
    steps, model = run.steps, copy.deepcopy(run.model)
    paths = list(steps[-1].weights)
    small = in_full(steps, paths)
    note = ""
    scene: Scene | None = None
    layers: list[list[Layer]] = []
    fields: list[list[np.ndarray]] = []
    if run.X is not None:
        try:
            scene, layers, fields = looked_at(steps, model, run.X, run.y, labels)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            if run.given:
                raise
            note = f"Without a picture of the outputs: {error}"
    refs = matched(layers, steps, small)
    rows = []
    for i, step in enumerate(steps):
        row: dict[str, Any] = {
            "t": step.step,
            "e": step.epoch,
            "label": step.label,
            "loss": short(step.loss, DIGITS),
            "w": [told(step.weights[p], p in small) for p in paths],
            "g": [told(step.gradients[p], p in small, 4) if p in step.gradients else None for p in paths],
        }
        if layers and refs is None:
            row["net"] = [[listed(part, DIGITS) for part in (layer.weight, layer.bias)] for layer in layers[i]]
        if fields:
            row["field"] = [listed(field, 3) for field in fields[i]]
        if step.step in run.drawn:
            row["graph"] = run.drawn[step.step]
        rows.append(row)
    last = layers[-1][-1] if layers else None
    count = last.weight.shape[1] if last is not None else len(fields[0]) if fields else 0
    empty = {"features": [], "span": None, "points": None, "classes": None}
    probable = scene is not None and not layers and is_probability(model, scene)
    return scene, {
        "kind": "replay",
        **(scene.data() if scene is not None else empty),
        "outputs": outputs_of(count, scene.classes if scene is not None else None),
        "output": 0,
        "decision": decision_of(layers[-1]) if layers else "probability" if probable else "logits",
        "layers": structure(layers[0]) if layers else None,
        "side": side_of(fields, scene) if fields and scene is not None else MAP,
        "refs": refs,
        "parameters": [{"name": path, "shape": list(steps[-1].weights[path].shape)} for path in paths],
        "steps": rows,
        "curve": columns(run.losses),
        "validation": columns(run.validation),
        "note": note,
    }


def side_of(fields: Sequence[Sequence[np.ndarray]], scene: Scene) -> int:
    """Return how many points there are along a side of the maps."""
    return math.isqrt(len(fields[0][0])) if len(scene.span) == 2 else MAP


def columns(rows: Sequence[tuple[int, float]]) -> list[list[Any]]:
    return [[at for at, _ in rows], [short(value, 5) for _, value in rows]]


def in_full(steps: Sequence[Step], paths: Sequence[str]) -> set[str]:
    """Return the parameters whose numbers the page holds, smallest first, as long as there are not too many."""
    left, found = NUMBERS, set()
    for path in sorted(paths, key=lambda p: steps[-1].weights[p].size):
        size = steps[-1].weights[path].size
        left -= 2 * size * len(steps)
        if left < 0 or size > LARGEST:
            break
        found.add(path)
    return found


def told(array: np.ndarray, full: bool, digits: int = DIGITS) -> Any:
    """Return an array's numbers, or of a large one what is to be known of it."""
    x = array.astype(float)
    if full:
        return listed(x, digits)
    good = x[np.isfinite(x)]
    counts = np.histogram(good, BINS)[0] if good.size else np.zeros(BINS, int)
    low, mean, high, norm = map(
        float, (good.min(), good.mean(), good.max(), np.linalg.norm(good)) if good.size else (0,) * 4
    )
    nan, inf = int(np.isnan(x).sum()), int(np.isinf(x).sum())
    return {"m": [*(short(v, 5) for v in (low, mean, high, norm)), nan, inf], "h": counts.tolist()}


def matched(layers: Sequence[Sequence[Layer]], steps: Sequence[Step], small: set[str]) -> list[list[int]] | None:
    """Return for each layer which parameters are its weights and biases; None if not all are in the page as such."""
    if not layers:
        return None
    paths, used = list(steps[0].weights), set()
    refs: list[list[int]] = []
    for k in range(len(layers[0])):
        pair = []
        for part in ("weight", "bias"):
            for i, path in enumerate(paths):
                if (
                    i not in used
                    and path in small
                    and all(
                        np.array_equal(getattr(now[k], part), step.weights[path])
                        for now, step in zip(layers, steps, strict=True)
                    )
                ):
                    used.add(i)
                    pair.append(i)
                    break
        refs.append(pair)
    return refs if all(len(pair) == 2 for pair in refs) else None


def looked_at(
    steps: Sequence[Step], model: Any, X: Any, y: Any, labels: Any
) -> tuple[Scene, list[list[Layer]], list[list[np.ndarray]]]:
    """Return the data, and at each step the layers, or, if there are none to be read, outputs over the data's range."""
    rows = scene_of(X, None, "Replay", 1).x
    layers: list[list[Layer]] = []
    try:
        for step in steps:
            model.load_state_dict(step.weights, strict=False)
            layers.append(read(model, rows[:1], "Replay"))
        count = layers[0][-1].weight.shape[1]
        total = sum(layer.weight.size + layer.bias.size for layer in layers[0]) * len(steps)
        if total <= NUMBERS:
            return scene_of(X, y, "Replay", count, labels), layers, []
    except (TypeError, ValueError):  # no chain of layers, or too large a one
        pass
    fields = []
    first = outputs(model, rows[:1].astype(first_dtype(steps[0])))[0]
    side = min(MAP, int(math.sqrt(FIELDS / len(steps) / min(MOST_OUTPUTS, first.size))))
    points = lattice(scene_of(X, None, "Replay", 1), side)
    for step in steps:
        model.load_state_dict(step.weights, strict=False)
        with np.errstate(all="ignore"), evaluating(model):
            raw = outputs(model, points.astype(first_dtype(step)))[0]
        raw = raw.reshape(len(points), -1)
        fields.append([raw[:, j].astype(float) for j in range(min(raw.shape[1], MOST_OUTPUTS))])
    return scene_of(X, y, "Replay", len(fields[0]), labels), [], fields


def first_dtype(step: Step) -> Any:
    return next((a.dtype for a in step.weights.values() if a.dtype.kind == "f"), np.dtype(float))


def lattice(scene: Scene, side: int) -> np.ndarray:
    """Return the points that the page draws, of a map the upper row first."""
    if len(scene.span) == 1:
        return np.linspace(scene.span[0][0], scene.span[0][1], FINE)[:, None]
    across, up = (np.linspace(low, high, side) for low, high in scene.span)
    return np.stack(np.meshgrid(across, up[::-1]), axis=-1).reshape(-1, 2)


def is_probability(model: Any, scene: Scene) -> bool:
    try:
        return last_op(model, scene.x[:1])
    except (TypeError, ValueError, LookupError):
        return False


def spoken(run: Run, title: str) -> str:
    """Return the run in words and numbers: some of its steps, and what changed most."""
    steps = run.steps
    some = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), 12)).round().astype(int))
    lines = [f"{title}: {plural(len(steps), 'step')} kept, up to step {steps[-1].step:,}"]
    for step in (steps[i] for i in some):
        loss = "" if math.isnan(step.loss) else f", loss {number(step.loss, 4)}"
        norm = math.sqrt(sum(float(np.sum(np.square(g, dtype=float))) for g in step.gradients.values()))
        lines.append(f"  {step.label}{loss}" + (f", gradient {number(norm, 4)}" if step.gradients else ""))
    for c in compare(steps[0], steps[-1])[:12]:
        norms = f"{number(c.before, 4)} → {number(c.after, 4)}"
        lines.append(f"  {printable(c.path, 60)}: norm {norms}, changed by {number(c.change, 4)}")
    return "\n".join(lines)

"""`Microscope`: a page that shows how the neurons of a network add up to what it says about one's own data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...visualize.explorer.notebook import HEIGHT, NotebookPage
from ...visualize.text import number
from ...visualize.text import plain as printable
from ..canvas import INK, mpl, tint
from ..squiggle import squiggles
from .network import Layer, name_of, read
from .page import Scene, decision_of, html, listed, outputs_of, scene_of, structure

__all__ = ["Microscope"]

MOST_SPOKEN = 64  # neurons that the outline names


class Microscope(NotebookPage):
    """A page on which each neuron's line is bent, weighted and added, one neuron after the other, up to the output.

    Of one feature these are curves, of two features maps with the data in them. A point is looked at with the mouse or
    the sliders: at this input, weights times inputs plus bias is z, the activation of z times the outgoing weight is
    what the neuron adds, and the last sum is the output, digit by digit. In deep networks any neuron can be looked
    into in the same way. Everything is computed in the page, in float64, from the weights.

    At the end of a notebook cell it shows itself; in a notebook that is not trusted a picture stands in its place.

    Args:
        model: a chain of linear layers and activations: `nn.MLP`, `nn.SoftmaxClassifier`, a `Sequential`, or a
            function of an array, ``np.tanh(x @ w + b) @ v``. It is taken as it is now.
        X: (rows,), (rows, 1) or (rows, 2): the data, over whose range it is drawn.
        y: targets of the rows, numbers or classes; drawn as points.
        output: which output it begins with, of several.
        labels: names of the classes.
        title: shown above; "microscope of MLP" if left out.
        height: of the frame in a notebook, in pixels.

    Raises:
        TypeError, ValueError: if the model is no such chain, or data do not fit; see the message.

    >>> import numpy as np
    >>> from autograd_nn import nn, plot
    >>> x = np.linspace(-1, 1, 20)
    >>> print(plot.Microscope(nn.MLP([1, 2, 1], activation="softplus", rng=0), x, x**2))
    microscope of MLP: 1 feature, 2 neurons, 1 output
    output = ... × neuron 0 + ... × neuron 1 + 0
      neuron 0 = softplus(... × x + 0)
      neuron 1 = softplus(... × x + 0)

    Keys: → and ← add one contribution more or less, Space plays, Home and End go to the first and the last step, o goes
    back to the output, d switches between light and dark.

    Attributes:
        html: the page.
        title: shown above.
    """

    def __init__(
        self,
        model: Any,
        X: Any,
        y: Any = None,
        *,
        output: int = 0,
        labels: Sequence[Any] | None = None,
        title: str | None = None,
        height: int = HEIGHT,
    ) -> None:
        rows = scene_of(X, None, "Microscope", 1).x
        layers = read(model, rows[:1])
        count = layers[-1].weight.shape[1]
        scene = scene_of(X, y, "Microscope", count, labels)
        if isinstance(output, bool) or not isinstance(output, (int, np.integer)) or not 0 <= output < count:
            raise ValueError(f"output wanted one of the {count} outputs, 0 to {count - 1}, got {output!r}.")
        check_finite(layers)
        self._model, self._scene, self._output = model, scene, int(output)
        shown = printable(title or f"microscope of {name_of(model)}", 80)
        text = spoken(shown, layers, scene, int(output))
        data = {
            "kind": "microscope",
            **scene.data(),
            "outputs": outputs_of(count, scene.classes),
            "output": int(output),
            "decision": decision_of(layers),
            "layers": structure(layers),
            "parameters": [],
            "steps": [{"net": [[listed(layer.weight), listed(layer.bias)] for layer in layers]}],
        }
        super().__init__(html(shown, data, text), shown, text, "microscope", height)

    def __repr__(self) -> str:
        return f"Microscope({self._outline.partition(chr(10))[0]})"

    def _picture(self) -> tuple[str, bytes] | None:
        """Return the squiggles of the last hidden layer as PNG; None without matplotlib."""
        try:
            figure = mpl().figure.Figure(figsize=(7.6, 4.2), layout="constrained")
        except ImportError:
            return None
        ax = figure.subplots()
        tint(ax, INK)
        numbers = self._scene.y is not None and self._scene.classes is None and self._scene.x.shape[1] == 1
        y = self._scene.y[:, min(self._output, self._scene.y.shape[1] - 1)] if numbers else None  # type: ignore[index]
        squiggles(self._model, self._scene.x, y, output=self._output, ax=ax)
        return "image/png", png(figure)


def png(figure: Any) -> bytes:
    """Return a figure as PNG that reads on white and on black pages."""
    for ax in figure.axes:
        ax.patch.set_alpha(0.0)
    figure.patch.set_alpha(0.0)
    mpl().backends.backend_agg.FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def check_finite(layers: Sequence[Layer]) -> None:
    """Refuse weights that are not finite, which no picture can show."""
    for i, layer in enumerate(layers):
        if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
            raise ValueError(
                f"Microscope wanted finite weights, those of layer {i + 1} hold NaN or infinity: training diverged. "
                "Look at the steps before with plot.Replay."
            )


def spoken(title: str, layers: Sequence[Layer], scene: Scene, output: int) -> str:
    """Return the network in words and numbers, for terminals and screen readers."""
    hidden = [layer.weight.shape[1] for layer in layers[:-1]]
    sizes = " + ".join(str(n) for n in hidden) + (" neurons" if hidden != [1] else " neuron") if hidden else "no hidden"
    plural = lambda n, noun: f"{n} {noun}{'' if n == 1 else 's'}"  # noqa: E731
    lines = [
        f"{title}: {plural(len(scene.features), 'feature')}, {sizes}, {plural(layers[-1].weight.shape[1], 'output')}"
    ]
    last = layers[-1]
    names = [f"neuron {i}" for i in range(last.weight.shape[0])] if hidden else scene.features
    said = outputs_of(last.weight.shape[1], scene.classes)[output]
    lines.append(f"{said} = {weighted(last, output, names)}")
    if len(layers) == 2:
        some = range(min(layers[0].weight.shape[1], MOST_SPOKEN))
        lines += [f"  neuron {j} = {weighted(layers[0], j, scene.features)}" for j in some]
    return "\n".join(lines)


def weighted(layer: Layer, unit: int, names: Sequence[str]) -> str:
    """Return a unit's sum, and its function, in words."""
    terms = [f"{number(w, 4)} × {name}" for w, name in zip(layer.weight[:, unit], names, strict=True)]
    terms = terms if len(terms) <= MOST_SPOKEN else [*terms[:MOST_SPOKEN], "…"]
    text = " + ".join([*terms, number(layer.bias[unit], 4)])
    return f"{layer.function}({text})" if layer.function else text

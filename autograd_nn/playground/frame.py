"""What the page draws: once for a run, its data (`setup`); and again and again the network as it is now (`Frames`).

All of it is JSON. Pictures are squares of bytes in base64, the first row on top. What is not finite is null.
"""

from __future__ import annotations

import base64
import math
import time
from typing import Any

import numpy as np

from ..functions import linear, sigmoid, softmax
from ..nn import ACTIVATIONS
from ..training import diagnose, evaluate
from ..training.doctor import undone
from .problem import Problem, inputs_of
from .settings import FEATURES, LOSSES, Settings
from .trainer import Trainer

__all__ = ["Frames", "setup"]

FINE, COARSE = 64, 32  # cells along each side of the output's picture, and of a neuron's
POINTS = 128  # of a curve, where there is one coordinate
MOST_POINTS = 600  # of a curve of losses; of more, every second one is dropped
SOON = 0.02  # seconds for which a picture is not made again
DOCTOR = 0.7  # seconds between two looks of the doctor
DOCTOR_ROWS = 256


def setup(settings: Settings, problem: Problem) -> dict[str, Any]:
    """Return what stays as it is for a run: the points, the inputs, the axes."""
    z = grid(problem, COARSE)
    low, high = problem.domain()
    names = available_names(problem)
    flat = len(problem.axes) == 1
    targets = np.concatenate(problem.y).astype(float)
    bottom, top = value_range(targets)
    points = {
        part: [
            [round(float(v), 4) for v in (*((row - low) / (high - low)), (y - bottom) / (top - bottom))] + [plain(y)]
            for row, y in zip(z_part, y_part, strict=True)
        ]
        for part, z_part, y_part in zip(("train", "test"), problem.z, problem.y, strict=True)
    }
    return {
        "settings": {
            **settings.to_dict(), "loss": problem.loss, "features": list(problem.features)
        },
        "kind": problem.kind,
        "losses": list(LOSSES[problem.kind]),
        "classes": None if problem.classes is None else list(problem.classes),
        "axes": list(problem.axes),
        "domain": [[plain(v) for v in edge] for edge in (problem.in_unit(low), problem.in_unit(high))],
        "range": [plain(bottom), plain(top)],
        "points": points,
        "inputs": [
            {
                "name": name,
                "label": label_of(name, problem),
                "used": name in problem.features,
                **(curve if flat else picture)(inputs_of(z, (name,))[:, 0]),
            }
            for name in names
        ],
        "notes": problem.notes,
    }  # fmt: skip


def available_names(problem: Problem) -> list[str]:
    """Return the features that the page offers: with one coordinate there is no x₂."""
    return [name for name in FEATURES if len(problem.axes) == 2 or "x2" not in name and name != "product"]


def label_of(name: str, problem: Problem) -> str:
    label = FEATURES[name][0]
    return label if len(problem.axes) == 2 else label.replace("x₁", "x")


def value_range(y: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis for these numbers."""
    low, high = float(y.min()), float(y.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def grid(problem: Problem, cells: int) -> np.ndarray:
    """Return standardized coordinates: the centers of the cells of a picture, the top row first; or of a line."""
    low, high = problem.domain()
    if len(low) == 1:
        return np.linspace(low[0], high[0], POINTS)[:, None]
    centers = (np.arange(cells) + 0.5) / cells
    across, down = low[0] + centers * (high[0] - low[0]), high[1] - centers * (high[1] - low[1])
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def picture(values: np.ndarray) -> dict[str, Any]:
    """Return numbers as bytes, 128 for 0, and 255 or 1 for the largest size; and their range."""
    values = np.asarray(values, float)
    finite = np.where(np.isfinite(values), values, 0.0)
    size = float(np.abs(finite).max()) or 1.0
    return {"map": packed(128 + 127 * (finite / size)), "low": plain(values.min()), "high": plain(values.max())}


def curve(values: np.ndarray) -> dict[str, Any]:
    """Return numbers along a line as bytes between their ends; and their range."""
    values = np.asarray(values, float)
    finite = np.where(np.isfinite(values), values, 0.0)
    low, high = float(finite.min()), float(finite.max())
    part = (finite - low) / (high - low) if high > low else np.full_like(finite, 0.5)
    return {"map": packed(255 * part), "low": plain(values.min()), "high": plain(values.max())}


def packed(levels: np.ndarray) -> str:
    return base64.b64encode(np.clip(np.rint(levels), 0, 255).astype(np.uint8).tobytes()).decode()


def plain(number: Any) -> float | None:
    """Return a number with six digits; None if it is not finite."""
    number = float(number)
    return float(f"{number:.6g}") if math.isfinite(number) else None


def rows_of(array: Any) -> Any:
    """Return numbers of an array as nested lists; None for no array."""
    if array is None:
        return None
    return [rows_of(part) for part in array] if np.ndim(array) else plain(array)


class Frames:
    """Pictures of a network, made in its thread when somebody asks.

    Args:
        trainer: whose network it is.

    Attributes:
        losses: [steps, training loss, test loss] so far.
        generation: changes when points of `losses` were dropped.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.problem = trainer, trainer.problem
        self.inputs = inputs_of(grid(self.problem, FINE), self.problem.features)
        self.losses: list[list[Any]] = []
        self.generation = 0
        self._made = 0.0
        self._last: dict[str, Any] = {}
        self._key: Any = None
        self._looked = 0.0
        self._examined = -1
        self._doctor: dict[str, Any] | None = None
        self._clock: list[tuple[float, int]] = []

    def frame(self, *, generation: int = -1, have: int = 0) -> dict[str, Any]:
        """Return the network as it is now.

        Args:
            generation: of the losses that the page has.
            have: how many of them.
        """
        return self.trainer.call(lambda: self._frame(generation, have))

    def _frame(self, generation: int, have: int) -> dict[str, Any]:
        trainer = self.trainer
        now = time.monotonic()
        key = (trainer.step_count, trainer.message)
        if key != self._key and (not trainer.playing or now - self._made > SOON):
            self._last, self._key, self._made = self._measured(), key, now
        if self._examined != trainer.step_count and (not trainer.playing or now - self._looked > DOCTOR):
            self._doctor = self._diagnosis()
            self._looked, self._examined = time.monotonic(), trainer.step_count
        start = have if generation == self.generation else 0
        return {
            **self._last,
            "playing": trainer.playing,
            "message": trainer.message,
            "rate": trainer.rates[-1][1],
            "speed": self._speed(now),
            "curve": {"generation": self.generation, "start": start, "points": self.losses[start:]},
            "doctor": self._doctor,
        }

    def _speed(self, now: float) -> float | None:
        """Return steps in a second, over the last second or so."""
        trainer = self.trainer
        if not trainer.playing:
            self._clock.clear()
            return None
        self._clock.append((now, trainer.step_count))
        while len(self._clock) > 2 and now - self._clock[0][0] > 1.5:
            self._clock.pop(0)
        (before, steps), passed = self._clock[0], now - self._clock[0][0]
        return plain((trainer.step_count - steps) / passed) if passed > 0.2 and now > before else None

    def _measured(self) -> dict[str, Any]:
        """Return steps, losses, weights, gradients and pictures."""
        trainer, problem, model = self.trainer, self.problem, self.trainer.model
        metric = "r2" if problem.kind == "numbers" else "accuracy"
        losses, scores = [], []
        for part, y in zip((problem.train, problem.test), problem.y, strict=True):
            losses.append(evaluate(model, part, problem.loss)["loss"])
            target = part[1] if metric == "r2" else y
            enough = metric == "accuracy" or len(y) > 1
            scores.append(plain(evaluate(model, (part[0], target), metrics=[metric])[metric]) if enough else None)
        hidden, output = self._activations()
        flat = len(problem.axes) == 1
        self._remember(trainer.step_count, [plain(loss) for loss in losses])
        return {
            "step": trainer.step_count,
            "epoch": trainer.step_count // trainer.epoch_steps,
            "epoch_steps": trainer.epoch_steps,
            "metric": metric,
            "losses": [plain(loss) for loss in losses],
            "exact": [repr(float(loss)) for loss in losses],
            "scores": scores,
            "layers": [
                {
                    "weight": rows_of(layer.weight._data),
                    "bias": rows_of(layer.bias._data),  # type: ignore[union-attr]
                    "weight_gradient": rows_of(layer.weight.grad),
                    "bias_gradient": rows_of(layer.bias.grad),  # type: ignore[union-attr]
                }
                for layer in model.layers
            ],
            "neurons": [[self._neuron(values, flat) for values in layer.T] for layer in hidden],
            "output": self._output(output, flat),
        }

    def _activations(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return what the hidden layers and the last one answer over the whole picture."""
        model, f = self.trainer.model, ACTIVATIONS[self.trainer.settings.activation]
        x: Any = self.inputs.astype(model.dtype)
        answers = []
        for layer in model.layers:  # on arrays, since nothing is to be recorded
            z = linear(x, layer.weight._data, layer.bias._data)  # type: ignore[union-attr]
            x = z if layer is model.layers[-1] else f(z)
            answers.append(x)
        return answers[:-1], answers[-1]

    def _neuron(self, values: np.ndarray, flat: bool) -> dict[str, Any]:
        if flat:
            return curve(values)
        step = FINE // COARSE
        return picture(values.reshape(FINE, FINE)[::step, ::step])

    def _output(self, raw: np.ndarray, flat: bool) -> dict[str, Any]:
        """Return the answer: probabilities of classes, or numbers between the ends of their axis."""
        problem, raw = self.problem, np.asarray(raw, float)
        ends = {"low": plain(raw.min()), "high": plain(raw.max())}
        if problem.kind == "classes":
            sure = softmax(raw, axis=-1) if problem.loss == "cross_entropy" else one_hot(raw)
            return {"maps": [packed(255 * clean(sure[:, k])) for k in range(raw.shape[1])], **ends}
        value = raw[:, 0]
        if problem.kind == "numbers":
            mean, scale = problem.unit
            low, high = value_range(np.concatenate(problem.y).astype(float))
            value = mean + scale * value
            ends = {"low": plain(value.min()), "high": plain(value.max())}
            if flat:
                return {
                    "curve": [None if v is None else round(v, 4) for v in rows_of((value - low) / (high - low))],
                    **ends,
                }
            return {"maps": [packed(255 * clean((value - low) / (high - low)))], **ends}
        sure = {
            "binary_cross_entropy": lambda v: sigmoid(v),
            "hinge": lambda v: 0.5 + 0.5 * np.clip(v, -1, 1),
            "mse": lambda v: np.clip(v, 0, 1),
        }[problem.loss](value)
        return {"maps": [packed(255 * clean(sure))], **ends}

    def _remember(self, step: int, losses: list[Any]) -> None:
        if self.losses and self.losses[-1][0] >= step:
            return
        self.losses.append([step, *losses])
        if len(self.losses) > MOST_POINTS:
            self.losses = [self.losses[0], *self.losses[2:-1:2], self.losses[-1]]
            self.generation += 1

    def _diagnosis(self) -> dict[str, Any]:
        """Return what the gradient-flow doctor says; before the first step with a few trial steps, taken back."""
        trainer, problem = self.trainer, self.problem
        rate = trainer.rates[-1][1]
        trial = trainer.optimizer if not trainer.step_count and not trainer.message and rate else None
        before = [p.grad for p in trainer.model.parameters()]
        with undone(trainer.model):
            found = diagnose(trainer.model, problem.train, problem.loss, trial, batch_size=DOCTOR_ROWS)
        for p, grad in zip(trainer.model.parameters(), before, strict=True):
            p.grad = grad
        findings = [
            {"problem": f.problem, "layer": f.layer, "evidence": f.evidence, "cure": f.cure} for f in found.findings
        ]
        if not rate:
            findings.append({
                "problem": "not learning", "layer": "", "evidence": "the learning rate is 0",
                "cure": "Nothing will change: choose a larger one, such as 0.01.",
            })  # fmt: skip
        return {
            "step": trainer.step_count,
            "layers": [
                {
                    "path": layer.path,
                    **{
                        key: plain(getattr(layer, key))
                        for key in ("signal", "gradient", "weight", "update", "dead", "saturated")
                    },
                }
                for layer in found.layers
            ],
            "findings": findings,
            "trial": None if trial is None else [plain(found.losses[0]), plain(found.losses[-1])],
        }


def clean(values: Any) -> np.ndarray:
    """Return numbers with 0 in place of NaN."""
    return np.nan_to_num(np.asarray(values, float), nan=0.0, posinf=1.0, neginf=0.0)


def one_hot(scores: np.ndarray) -> np.ndarray:
    return np.eye(scores.shape[1])[scores.argmax(axis=1)]

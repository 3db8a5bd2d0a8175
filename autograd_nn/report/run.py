"""What is to be reported of a training run, from its history, the model, and data that it was not trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..graph import Node
from ..nn import Module
from ..nn.summary import HEAD
from ..plot.boundary import last_op
from ..training import History, predict
from ..training.metric import balanced_accuracy, classes_of, f1, mae, r2, rmse
from ..visualize import RenderError
from .document import Result

__all__ = ["of", "save"]

TASKS = (None, "classification", "regression")
MOST_CLASSES = 60  # in one matrix
BOXES = 60  # in the picture of the model


def save(path: str | os.PathLike[str], history: Any, model: Any = None, test: Any = None, **options: Any) -> Path:
    """Write the report of a training run as one HTML page, and return its path: ``of(…).save(path)``.

    Args:
        path: ends in .html.
        history: see `of`.
        model: see `of`.
        test: see `of`.
        **options: see `of`.

    Raises:
        TypeError, ValueError: if these do not fit together.
    """
    return of(history, model, test, **options).save(path)


def of(
    history: Any,
    model: Any = None,
    test: Any = None,
    *,
    title: str = "",
    labels: Sequence[Any] | None = None,
    unit: str = "",
    task: str | None = None,
    best: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Result:
    """Find out what there is to report of a training run.

    Args:
        history: what `fit` returned. With `plot.GradientRatios` among its callbacks the report shows the gradients.
        model: that was trained; an estimator of `autograd_nn.sklearn` will do.
        test: ``(x, y)``, data that it was not trained on.
        title: of the page; "training of" the model if left out.
        labels: names of the classes, in the order of their numbers.
        unit: name or unit of the target of a regression.
        task: "classification" or "regression"; by default whole numbers, or as many outputs as targets have columns
            of 0 and 1, are classes.
        best: the epoch whose weights were kept, if that is not the last one.
        settings: what else is worth to be known, by name.

    Raises:
        TypeError, ValueError: if these do not fit together.
    """
    if not isinstance(history, History):
        raise TypeError(f"a report wanted the history that fit returned, got {type(history).__name__}.")
    if task not in TASKS:
        raise ValueError(f'task wanted "classification" or "regression", got {task!r}.')
    module: Any = getattr(model, "module_", model)
    if module is not None and not isinstance(module, Module):
        raise TypeError(f"a report wanted a model that is a module, got {type(model).__name__}.")
    if test is not None and module is None:
        raise TypeError("a report wanted the model that predicts the test rows: report.of(history, model, test).")
    found: dict[str, Any] = {}
    heading = f"{len(history):,} epochs" if len(history) != 1 else "1 epoch"
    example = None
    if test is not None:
        x, y = rows_of(test)
        example = x[:1]
        heading += f", {len(x):,} test rows"
        found |= outcome(model, module, x, y, task, labels)
    if module is not None:
        found |= described(module, example)
        heading = f"{type(module).__name__}, {heading}"
    known = {"seed": history.seed} if history.seed is not None else {}
    return Result(
        title or (f"training of {type(module).__name__}" if module is not None else "training"),
        heading,
        history=history,
        best=best,
        unit=unit,
        settings={**known, **(settings or {}), **history.environment},
        gradients=history.gradients,
        **found,
    )


def rows_of(test: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets.

    Raises:
        TypeError, ValueError: if they are none.
    """
    if not isinstance(test, (tuple, list)) or len(test) not in (2, 3):
        raise TypeError(f"test wanted (x, y), got {type(test).__name__}.")
    x, y = (np.asarray(part.data if isinstance(part, Node) else part) for part in test[:2])
    if x.dtype == object:
        raise TypeError("test wanted x to be one array, a row for each target.")
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise ValueError(f"test wanted a target for each row of x, got shapes {x.shape} and {y.shape}.")
    return x, y


# what came out


def outcome(
    model: Any, module: Any, x: np.ndarray, y: np.ndarray, task: str | None, labels: Sequence[Any] | None
) -> dict[str, Any]:
    """Return the scores, and what is drawn of them."""
    known = getattr(model, "classes_", None)
    if known is not None:  # an estimator
        place = {c: i for i, c in enumerate(np.asarray(known).tolist())}
        strange = sorted({c for c in y.tolist() if c not in place}, key=str)
        if strange:
            raise ValueError(f"test holds classes that the estimator did not learn: {strange[:5]}.")
        guess, truth = (np.array([place[c] for c in ys.tolist()]) for ys in (np.asarray(model.predict(x)), y))
        return classified(guess, truth, len(place), labels if labels is not None else list(place))
    if model is not module:
        return measured(np.asarray(model.predict(x), float), y)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"test wanted numbers as targets, got {y.dtype}: number the classes, and name them in labels.")
    raw = predict(module, x)
    outputs = raw.shape[-1] if raw.ndim > 1 else 1
    one_hot = y.ndim == raw.ndim == 2 and y.shape == raw.shape and outputs > 1 and bool((y.sum(axis=1) == 1).all())
    if task is None:
        whole = bool((np.round(y) == y).all())
        two = bool(np.isin(y, (0, 1)).all())
        single = y.ndim == 1 or y.shape[1:] == (1,)
        classes = (one_hot and two) or (single and (two if outputs == 1 else whole and y.min() >= 0))
        task = "classification" if classes else "regression"
    if task == "regression":
        return measured(raw, y)
    if outputs == 1 and raw.dtype.kind == "f" and last_op(module, x[:1]):
        raw = raw - 0.5  # a probability: a logit is above 0 where it is above a half
    guess = classes_of(raw)
    truth = y.argmax(axis=-1) if one_hot else y
    if guess.size != truth.size:
        raise ValueError(f"test wanted one class for each prediction, {guess.shape}, got {truth.shape}.")
    if truth.min() < 0 or not np.array_equal(truth, np.round(truth)):
        raise ValueError(f"test wanted classes as numbers from 0 on, got {truth.min():.4g} to {truth.max():.4g}.")
    return classified(guess.ravel(), truth.ravel().astype(int), max(outputs, 2), labels)


def classified(guess: np.ndarray, truth: np.ndarray, count: int, labels: Sequence[Any] | None) -> dict[str, Any]:
    """Return scores and counts of classes."""
    count = max(count, int(guess.max()) + 1, int(truth.max()) + 1)
    names = [str(i) for i in range(count)] if labels is None else [str(name) for name in labels]
    if len(names) != count or isinstance(labels, str):
        raise ValueError(f"labels wanted {count} names, one for each class, got {labels!r:.80}.")
    usual = int(np.bincount(truth).argmax())
    scores = []
    for name, measure in (("accuracy", None), ("balanced accuracy", balanced_accuracy), ("F1", f1)):
        own, naive = (
            float((answer == truth).mean() if measure is None else measure(answer, truth))
            for answer in (guess, np.full_like(truth, usual))
        )
        scores.append((name, own, naive))
    shown: dict[str, Any] = {"scores": scores, "baseline": f"always {names[usual]!r}", "labels": names}
    if count <= MOST_CLASSES:
        shown["confusion"] = confusion_of(guess, truth, count)
    return shown


def confusion_of(guess: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Return how often each true class (row) was predicted as each class (column)."""
    counts = np.zeros((count, count), int)
    np.add.at(counts, (truth, guess), 1)
    return counts


def measured(predicted: np.ndarray, observed: np.ndarray) -> dict[str, Any]:
    """Return scores of numbers, beside those of always predicting their mean."""
    predicted, observed = predicted.astype(float), observed.astype(float)
    if predicted.shape != observed.shape:
        if predicted.size != observed.size:
            raise ValueError(
                f"test wanted targets of shape {predicted.shape}, as the model predicts, got {observed.shape}."
            )
        predicted = predicted.reshape(observed.shape)
    mean = np.broadcast_to(observed.mean(axis=0), observed.shape)
    scores = [(m.name, float(m(predicted, observed)), float(m(mean, observed))) for m in (r2, rmse, mae)]
    return {
        "scores": scores,
        "baseline": "always the mean",
        "observed": observed.reshape(-1),
        "predicted": predicted.reshape(-1),
    }


# the model


def described(module: Module, example: np.ndarray | None) -> dict[str, Any]:
    """Return the layers, and the picture; without an example only the parameters are known."""
    if example is None:
        parameters = [(path, p) for path, p in module.named_parameters()]
        lines = [[path, " × ".join(map(str, p.shape)) or "1", f"{p.size:,}"] for path, p in parameters[:200]]
        total = sum(p.size for _, p in parameters)
        return {"layers": [["parameter", "shape", "numbers"], *lines], "totals": [("parameters", f"{total:,}")]}
    summary = module.summary(example)
    shown: dict[str, Any] = {"layers": [list(HEAD), *summary.cells()], "totals": summary.totals()}
    drawing = module.draw(example, depth=1, max_nodes=BOXES)
    try:
        shown["picture"] = drawing.svg
    except RenderError:
        shown["picture"] = str(drawing)
    return shown

"""Metrics: how good predictions are, in numbers for people; and `evaluate` and `predict`, which run a model on data.

A metric is a function of (prediction, target), two arrays. Predictions of classes are logits (rows, classes); logits
(rows,) or (rows, 1) of the class 1, yes if above 0; or integers, the classes themselves. The metrics of this module
also add up over batches, so that data of any size are measured in constant memory; for a function of your own the
predictions of all batches are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph import Node, mode
from ..losses import Loss
from ..nn import Module
from .feed import Batch, Feed, call, leaves
from .history import larger_is_better
from .objective import Objective

__all__ = [
    "METRICS",
    "Gathered",
    "Metric",
    "accuracy",
    "balanced_accuracy",
    "classes_of",
    "confusion_matrix",
    "evaluate",
    "f1",
    "mae",
    "metric",
    "mse",
    "predict",
    "r2",
    "rmse",
]

Total = dict[str, Any]


class Metric:
    """A number that adds up over batches; called with prediction and target it is that of these alone.

    Subclasses define `add` and `result`.

    Attributes:
        name: of its column in the history.
        mode: "max" if larger is better, else "min".
    """

    def __init__(self, name: str, doc: str) -> None:
        self.name, self.__doc__ = name, doc
        self.mode = "max" if larger_is_better(name) else "min"

    def start(self) -> Total:
        """Return the sums before the first batch: a dict of arrays and numbers."""
        return {}

    def add(self, total: Total, prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        """Add a batch to the sums."""
        raise NotImplementedError(f"{type(self).__name__} wanted a method add(total, prediction, target, weight).")

    def result(self, total: Total) -> Any:
        """Return the metric of all batches."""
        raise NotImplementedError(f"{type(self).__name__} wanted a method result(total).")

    def __call__(self, prediction: Any, target: Any, sample_weight: Any = None) -> Any:
        """Return the metric of these predictions."""
        total = self.start()
        weight = None if sample_weight is None else np.asarray(sample_weight, float)
        self.add(total, plain(prediction), plain(target), weight)
        return self.result(total)

    def __repr__(self) -> str:
        return self.name


def plain(x: Any) -> np.ndarray:
    return np.asarray(x.data if isinstance(x, Node) else x)


def classes_of(prediction: Any) -> np.ndarray:
    """Return the classes that predictions stand for: see the module.

    >>> classes_of([[0.1, 2.0, -1.0], [3.0, 0.0, 0.0]]), classes_of([-0.3, 0.2])
    (array([1, 0]), array([0, 1]))
    """
    p = plain(prediction)
    if p.dtype.kind in "biu":
        return (p[..., 0] if p.ndim > 1 and p.shape[-1] == 1 else p).astype(np.int64)
    if p.ndim > 1 and p.shape[-1] > 1:
        return p.argmax(axis=-1)
    return ((p[..., 0] if p.ndim > 1 else p) > 0).astype(np.int64)


def true_classes(target: Any, like: np.ndarray) -> np.ndarray:
    """Return targets as class numbers: as they are, or the largest entry of one-hot rows."""
    y = plain(target)
    if y.ndim == like.ndim + 1:
        y = y[..., 0] if y.shape[-1] == 1 else y.argmax(axis=-1)
    if y.shape != like.shape:
        raise ValueError(
            f"metrics of classes wanted one class for each prediction, of shape {like.shape}, got {y.shape}."
        )
    if y.dtype.kind == "f":
        whole = y.astype(np.int64)
        if not (whole == y).all():
            raise TypeError(
                f"metrics of classes wanted whole numbers as targets, got {y.dtype} such as {y.ravel()[0]!r}."
            )
        y = whole
    return y.astype(np.int64)


def spread(weight: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return a weight for each element, from one for each row."""
    if weight is None:
        return np.ones(shape)
    if weight.shape != shape[:1]:
        raise ValueError(f"sample_weight wanted shape {shape[:1]}, one for each row, got {weight.shape}.")
    return np.broadcast_to(weight.reshape(weight.shape + (1,) * (len(shape) - 1)), shape).astype(float)


class Accuracy(Metric):
    def start(self) -> Total:
        return {"right": 0.0, "all": 0.0}

    def add(self, total: Total, prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        found = classes_of(prediction)
        right = found == true_classes(target, found)
        if weight is None:
            total["right"] += float(np.count_nonzero(right))
            total["all"] += right.size
        else:
            w = spread(weight, right.shape)
            total["right"] += float((w * right).sum())
            total["all"] += float(w.sum())

    def result(self, total: Total) -> float:
        return total["right"] / total["all"] if total["all"] else float("nan")


class Confusion(Metric):
    def start(self) -> Total:
        return {"counts": np.zeros((0, 0))}

    def add(self, total: Total, prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        found = classes_of(prediction)
        true = true_classes(target, found)
        if min(true.min(initial=0), found.min(initial=0)) < 0:
            raise ValueError(f"{self.name} wanted class numbers from 0 on, got {min(true.min(), found.min())}.")
        before = total["counts"]
        logits = prediction.shape[-1] if prediction.ndim > found.ndim and prediction.dtype.kind == "f" else 2
        size = max(len(before), logits, 2, int(true.max(initial=-1)) + 1, int(found.max(initial=-1)) + 1)
        counts = np.zeros((size, size))
        counts[: len(before), : len(before)] = before
        np.add.at(counts, (true.ravel(), found.ravel()), spread(weight, true.shape).ravel())
        total["counts"] = counts

    def result(self, total: Total) -> Any:
        counts = total["counts"]
        return counts.astype(np.int64) if (counts == np.floor(counts)).all() else counts


class BalancedAccuracy(Confusion):
    def result(self, total: Total) -> float:
        counts = total["counts"]
        rows = counts.sum(axis=1)
        return float(np.mean(np.diagonal(counts)[rows > 0] / rows[rows > 0])) if rows.any() else float("nan")


class F1(Confusion):
    def result(self, total: Total) -> float:
        counts = total["counts"]
        both = counts.sum(axis=0) + counts.sum(axis=1)
        scores = 2 * np.diagonal(counts)[both > 0] / both[both > 0]
        if len(counts) == 2:  # class 1 is the one that is looked for
            return float(2 * counts[1, 1] / both[1]) if both[1] else 0.0
        return float(np.mean(scores)) if len(scores) else float("nan")


def residual(name: str, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return observed minus predicted in double precision; (n,) and (n, 1) fit each other."""
    p, y = np.asarray(prediction, float), np.asarray(target, float)
    if p.shape != y.shape:
        if p.size != y.size or {p.ndim, y.ndim} != {1, 2}:
            raise ValueError(f"{name} wanted prediction and target of one shape, got {p.shape} and {y.shape}.")
        p = p.reshape(y.shape)
    return y - p


class MeanResidual(Metric):
    def __init__(self, name: str, doc: str, of: Callable[[np.ndarray], np.ndarray], after: Any = float) -> None:
        super().__init__(name, doc)
        self.of, self.after = of, after

    def start(self) -> Total:
        return {"sum": 0.0, "all": 0.0}

    def add(self, total: Total, prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        sizes = self.of(residual(self.name, prediction, target))
        w = spread(weight, sizes.shape)
        total["sum"] += float((w * sizes).sum())
        total["all"] += float(w.sum())

    def result(self, total: Total) -> float:
        return float(self.after(total["sum"] / total["all"])) if total["all"] else float("nan")


class R2(Metric):
    """Per output, merged over batches as Chan, Golub and LeVeque (1979), equations 2.1: no large sums cancel."""

    def start(self) -> Total:
        return {"all": 0.0, "mean": 0.0, "around": 0.0, "residual": 0.0}

    def add(self, total: Total, prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        rest = residual(self.name, prediction, target)
        y = np.asarray(target, float).reshape(len(rest), -1)
        rest = rest.reshape(y.shape)
        w = spread(weight, (len(y),))[:, None]
        n, before = float(w.sum()), total["all"]
        if not n:
            return
        mean = (w * y).sum(axis=0) / n
        step = mean - total["mean"]
        total["all"] = before + n
        total["mean"] = total["mean"] + step * (n / (before + n))
        total["around"] = total["around"] + (w * (y - mean) ** 2).sum(axis=0) + step**2 * (before * n / (before + n))
        total["residual"] = total["residual"] + (w * rest**2).sum(axis=0)

    def result(self, total: Total) -> float:
        around, rest = np.atleast_1d(total["around"]), np.atleast_1d(total["residual"])
        if not total["all"]:
            return float("nan")
        scores = np.where(rest == 0, 1.0, 0.0)  # of a target that does not vary, as scikit-learn has it
        varies = around > 0
        return float(np.mean(np.where(varies, 1 - rest / np.where(varies, around, 1.0), scores)))


class Gathered(Metric):
    """A function of one's own: it is called with the predictions and targets of all batches together.

    It is given ``sample_weight=`` if it has such an argument, as scikit-learn's metrics have.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        super().__init__(getattr(f, "__name__", type(f).__name__), str(getattr(f, "__doc__", "")))
        self.f = f
        try:
            self.weighted = "sample_weight" in inspect.signature(f).parameters
        except (TypeError, ValueError):
            self.weighted = False

    def start(self) -> Total:
        """Return empty lists."""
        return {"prediction": [], "target": [], "weight": []}

    def add(self, total: Total, prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        """Keep a batch."""
        total["prediction"].append(prediction)
        total["target"].append(target)
        if weight is not None:
            total["weight"].append(weight)

    def result(self, total: Total) -> Any:
        """Call the function."""
        if not total["prediction"]:
            return float("nan")
        extra = {"sample_weight": np.concatenate(total["weight"])} if self.weighted and total["weight"] else {}
        return self.f(np.concatenate(total["prediction"]), np.concatenate(total["target"]), **extra)


accuracy = Accuracy("accuracy", "The share of predictions that are right.")
balanced_accuracy = BalancedAccuracy("balanced_accuracy", "The share that is right in each true class, averaged.")
confusion_matrix = Confusion(
    "confusion_matrix", "How often each true class (row) was predicted as each class (column)."
)
f1 = F1(
    "f1", "The harmonic mean of precision and recall: of class 1 where there are two, else averaged over the classes."
)
mse = MeanResidual("mse", "The mean of the squared residuals.", np.square)
rmse = MeanResidual(
    "rmse", "The root of the mean of the squared residuals, in the unit of the target.", np.square, np.sqrt
)
mae = MeanResidual("mae", "The mean of the absolute residuals.", np.abs)
r2 = R2("r2", "The share of the target's variance that is explained; averaged over outputs.")

METRICS: dict[str, Metric] = {
    m.name: m for m in (accuracy, balanced_accuracy, confusion_matrix, f1, mse, rmse, mae, r2)
}
"""The metrics by name, as ``metrics=["accuracy"]`` finds them."""


def metric(m: str | Metric | Callable[..., Any]) -> Metric:
    """Return a metric from its name; a function (prediction, target) → number becomes one.

    Raises:
        ValueError, TypeError: if there is none of that name, or it is no function.
    """
    if isinstance(m, str):
        if m not in METRICS:
            raise ValueError(
                f"there is no metric {m!r}: wanted one of {', '.join(METRICS)}, or a function (prediction, target)."
            )
        return METRICS[m]
    if isinstance(m, Metric):
        return m
    if not callable(m):
        raise TypeError(f"a metric is a name or a function (prediction, target) → number, got {type(m).__name__}.")
    return Gathered(m)


def metrics_of(metrics: Any) -> list[Metric]:
    """Return a list of metrics with different names."""
    found = [metric(m) for m in ([metrics] if isinstance(metrics, str) or callable(metrics) else metrics)]
    names = [m.name for m in found]
    if len(set(names)) < len(names) or "loss" in names:
        raise ValueError(f"metrics wanted different names, none of them 'loss', got {', '.join(names)}.")
    return found


class Tally:
    """Loss and metrics of the batches of an epoch so far."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.loss = self.weight = 0.0
        self.totals = [m.start() for m in metrics]

    def add(self, batch: Batch, prediction: Any, loss: float) -> None:
        """Add a batch."""
        share = batch.rows if batch.weight is None else float(batch.weight.sum())
        self.loss += loss * share
        self.weight += share
        if self.metrics:
            p = plain(prediction).view(np.ndarray)
            for m, total in zip(self.metrics, self.totals, strict=True):
                m.add(total, p, batch.y, batch.weight)

    def results(self, prefix: str = "", *, with_loss: bool = True) -> dict[str, Any]:
        """Return loss and metrics by name."""
        row = {f"{prefix}loss": self.loss / self.weight if self.weight else float("nan")} if with_loss else {}
        for m, total in zip(self.metrics, self.totals, strict=True):
            found = m.result(total)
            number = isinstance(found, (np.generic, np.ndarray)) and np.size(found) == 1
            row[prefix + m.name] = found.item() if number else found
        return row

    def state_dict(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint in the middle of an epoch."""
        return {"loss": self.loss, "weight": self.weight, "totals": self.totals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the sums of `state_dict`."""
        self.loss, self.weight, self.totals = state["loss"], state["weight"], state["totals"]


class predicting:  # noqa: N801  (used as a function)
    """In this ``with`` block the model predicts, and nothing is recorded; then every part is as it was."""

    def __init__(self, model: Module) -> None:
        self.modes = [(m, m.training) for m in model.modules()]
        self.mode = mode(recording=False)

    def __enter__(self) -> None:
        for m, _ in self.modes:
            m.training = False
        self.mode.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.mode.__exit__(*error)
        for m, training in self.modes:
            m.training = training


def evaluate(
    model: Module,
    data: Any,
    loss: str | Loss | None = None,
    metrics: Any = (),
    *,
    batch_size: int = 256,
) -> dict[str, Any]:
    """Return loss and metrics of a model on data, by name; in constant memory, without changing the model.

    Args:
        model: predicts: dropout is off, batch normalization uses what it learnt.
        data: as for `fit`: ``(x, y)``, ``(x, y, sample_weight)``, or batches.
        loss: a name or a function; None for metrics alone.
        metrics: names, or functions of (prediction, target).
        batch_size: rows that are predicted at once.

    >>> from autograd_nn import nn
    >>> model = nn.Linear(2, 2, rng=0)
    >>> evaluate(model, (np.zeros((3, 2)), [0, 0, 1]), "cross_entropy", ["accuracy"])  # doctest: +SKIP
    {'loss': 0.6931471824645996, 'accuracy': 0.6666666666666666}

    Raises:
        ValueError, TypeError: if data do not fit, a name is unknown, or there is nothing to measure.
    """
    ready = metrics_of(metrics)
    if loss is None and not ready:
        raise ValueError('evaluate wanted a loss or metrics, such as evaluate(model, (x, y), metrics=["accuracy"]).')
    feed = Feed(data, batch_size=batch_size, shuffle=False)
    objective = Objective(model, "mse" if loss is None else loss)
    return measured(objective, feed, ready, with_loss=loss is not None)


def measured(
    objective: Objective, feed: Feed, metrics: Sequence[Metric], prefix: str = "", *, with_loss: bool = True
) -> dict[str, Any]:
    """Run an objective over an epoch of batches and return loss and metrics by name."""
    tally = Tally(metrics)
    with predicting(objective.model):
        for batch in feed:
            if batch.weight is not None and not batch.weight.any():
                continue
            if with_loss:
                prediction, number = objective(batch)
                if np.size(plain(number)) != 1:
                    raise ValueError(
                        f"{objective.name} wanted to return one number, got shape {np.shape(plain(number))}."
                    )
                tally.add(batch, prediction, float(plain(number).reshape(())))
            else:
                tally.add(batch, call(objective.model, batch.x), 0.0)
    return tally.results(prefix, with_loss=with_loss)


def predict(model: Module, x: Any, batch_size: int = 256) -> np.ndarray:
    """Return the outputs of a model, batch by batch, without recording anything or changing the model.

    Args:
        model: predicts: dropout is off, batch normalization uses what it learnt.
        x: an array, or a tuple or dict of arrays, with one row for each prediction; files mapped into memory are read
            in batches.
        batch_size: rows at once.

    Raises:
        TypeError, ValueError: if the model returns no array with these rows.

    >>> from autograd_nn import nn
    >>> predict(nn.Linear(2, 3, rng=0), np.zeros((5, 2))).shape
    (5, 3)
    """
    arrays = [np.asarray(part) for part in leaves(x)]
    if not arrays or any(a.ndim == 0 or len(a) != len(arrays[0]) for a in arrays):
        raise ValueError(f"predict wanted arrays with the same number of rows, got {[a.shape for a in arrays]}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size wanted a whole number, at least 1, got {batch_size!r}.")
    rows = len(arrays[0])
    out: list[np.ndarray] = []
    with predicting(model):
        for start in range(0, max(rows, 1), batch_size):  # no rows: one call, for the shape
            chosen = slice(start, start + batch_size)
            if isinstance(x, dict):
                y = call(model, {key: a[chosen] for key, a in zip(x, arrays, strict=True)})
            else:
                y = call(model, tuple(a[chosen] for a in arrays) if isinstance(x, tuple) else arrays[0][chosen])
            y = plain(y)
            if y.ndim == 0 or len(y) != len(range(rows)[chosen]):
                raise ValueError(
                    f"predict wanted a model that keeps rows, got shape {y.shape} from {len(range(rows)[chosen])} rows."
                )
            out.append(np.array(y, subok=False))
    return np.concatenate(out)

"""Losses: how bad a prediction is, as one number to be made small.

A loss is a function ``loss(prediction, target, *, reduction="mean", weight=None, …)`` of Values or arrays. What is
compared is the loss of one sample; the mean of these is the cost. ``reduction="sum"`` adds them up, ``"none"`` returns
the loss of each. Those of classes and counts take logits, the outputs of a linear layer: so they are finite and have
the right gradient however bad a prediction is.

With weights the mean is the weighted one, Σ wᵢ lᵢ / Σ wᵢ, so that a weight of 2 is the same as showing the sample
twice, and a weight of 0 as leaving it out. `weight` has one number for each sample. `class_weight` has one for each
class and weighs a sample by its true class; with both, they are multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import Node, dtype, modes, shape
from .ops.activation import cross_entropy as cross_entropy_of_labels
from .ops.activation import log_softmax
from .ops.arithmetic import mul, square, subtract
from .ops.comparison import equal, not_equal, where
from .ops.elementary import absolute, exp, log, relu
from .ops.indexing import take, take_along_axis
from .ops.reduction import mean
from .ops.reduction import sum as sum_over
from .ops.shape import cast, expand_dims, reshape, squeeze
from .ops.special import softplus

__all__ = [
    "LOSSES",
    "Loss",
    "binary_cross_entropy",
    "cross_entropy",
    "hinge",
    "huber",
    "kl_divergence",
    "loss_function",
    "mae",
    "mse",
    "nll_loss",
    "poisson",
    "ssr",
]

Loss = Callable[..., Any]

# residuals: observed minus predicted


def ssr(prediction: Any, target: Any, *, reduction: str = "sum", weight: Any = None) -> Any:
    """Return the sum of squared residuals: n times the `mse` of n residuals.

    Args:
        prediction: any shape.
        target: of the same shape.
        reduction: "sum", "mean" or "none".
        weight: one number for each sample.

    Raises:
        ValueError: if the shapes differ.

    >>> print(ssr([1.0, 2.0], [1.0, 4.0]))
    4.0
    """
    check_same("ssr", prediction, target)
    return reduced("ssr", square(subtract(prediction, whole_as(target, prediction))), reduction, weight)


def mse(prediction: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """Return the mean of the squared residuals; with ``reduction="sum"`` the sum of squared residuals, SSR.

    Args:
        prediction: any shape.
        target: of the same shape.
        reduction: "mean", "sum" or "none".
        weight: one number for each sample; the mean is then Σ w l / Σ w.

    Raises:
        ValueError: if the shapes differ. (Broadcasting (n,) against (n, 1) would compare everything with everything.)

    >>> f"MSE {mse([1.0, 2.0], [1.0, 4.0])}, SSR {mse([1.0, 2.0], [1.0, 4.0], reduction='sum')}"
    'MSE 2.0, SSR 4.0'
    """
    check_same("mse", prediction, target)
    return reduced("mse", square(subtract(prediction, whole_as(target, prediction))), reduction, weight)


def mae(prediction: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """Return the mean of the absolute residuals, whose minimum is the median. Arguments as for `mse`.

    The slope at a residual of 0 is 0.

    >>> print(mae([1.0, 2.0], [1.0, 4.0]))
    1.0
    """
    check_same("mae", prediction, target)
    return reduced("mae", absolute(subtract(prediction, whole_as(target, prediction))), reduction, weight)


def huber(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean", weight: Any = None) -> Any:
    """Return ½ r² of residuals r up to `delta`, and delta (|r| - ½ delta) beyond: robust against outliers.

    Other arguments as for `mse`.

    Raises:
        ValueError: if the shapes differ, or delta is not positive.
    """
    check_same("huber", prediction, target)
    if not 0 < delta < math.inf:
        raise ValueError(f"huber wanted a delta above 0, the residual from which it is linear, got {delta}.")
    size = absolute(subtract(prediction, whole_as(target, prediction)))
    losses = where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))
    return reduced("huber", losses, reduction, weight)


def poisson(prediction: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """Return exp(z) - y z of log-rates z and counts y: minus the log-likelihood of Poisson's law, up to log y!.

    Args:
        prediction: z, the logarithms of the predicted rates, any shape. From about z = 710 on (89 in float32) the rate,
            and so the loss, is infinite.
        target: the counts, of the same shape; 0 or more.
        reduction: "mean", "sum" or "none".
        weight: one number for each sample; the mean is then Σ w l / Σ w.

    Raises:
        ValueError: if the shapes differ, or a count is negative.

    >>> print(poisson([0.0], [3]))
    1.0
    """
    check_same("poisson", prediction, target)
    if not holds(lambda y: y >= 0, target):
        raise ValueError(f"poisson wanted counts of 0 or more as target, got {span(target)}.")
    return reduced("poisson", exp(prediction) - mul(whole_as(target, prediction), prediction), reduction, weight)


def check_same(called: str, prediction: Any, target: Any) -> None:
    """Refuse predictions and targets of different shapes.

    Raises:
        ValueError: with both shapes.
    """
    came, wanted = shape(prediction), shape(target)
    if came != wanted:
        flat = math.prod(came) == math.prod(wanted)
        raise ValueError(
            f"{called} wanted prediction and target of one shape, got {came} and {wanted}."
            + (f" They hold equally many: write target.reshape({came})." if flat else "")
        )


# classes


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    reduction: str = "mean",
    weight: Any = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Any:
    """Return -log of the probability that softmax(logits) gives to the true class.

    Computed from logits, not from probabilities, so it is finite and has the right gradient however bad a prediction.

    Args:
        logits: (…, classes), any real numbers. Do not apply softmax before.
        labels: integers from 0 to classes - 1, of shape (…); or probabilities of the classes, of the shape of logits.
        reduction: "mean" over the samples, "sum", or "none" for the loss of each.
        weight: one number for each sample; the mean is then Σ w l / Σ w.
        class_weight: (classes,): the terms of a class count so much. A sample's weight in the mean is that of its
            label, or the average under its probabilities.
        label_smoothing: ε from 0 to 1: the labels' probabilities become (1 - ε) y + ε / classes.
        ignore_index: a label, such as -1, that means "unknown": such samples do not count.

    Raises:
        TypeError, ValueError: if labels are neither, do not fit, or are out of range; or weights do not fit.

    >>> f"{cross_entropy([1.43, -0.40, 0.23], 0):.4f}"
    '0.3795'
    """
    soft = shape(labels) == shape(logits) and shape(logits) and dtype(labels).kind == "f"
    if not soft and weight is None and class_weight is None and not label_smoothing and ignore_index is None:
        check_reduction("cross_entropy", reduction)
        if reduction == "mean":
            check_some("cross_entropy", shape(labels))
        return cross_entropy_of_labels(logits, labels, reduction=reduction)
    check_smoothing("cross_entropy", label_smoothing)
    if soft and ignore_index is not None:
        raise ValueError("cross_entropy: ignore_index is for integer labels; of probabilities, give the rows weight=0.")
    came = shape(logits)
    log_p = log_softmax(logits) if came else logits
    if not soft:
        labels, kept = known_labels("cross_entropy", labels, came, ignore_index)
        chances = class_weights("cross_entropy", class_weight, log_p, came[-1])
        terms, rows = labelled(log_p, labels, chances)
    else:
        check_probabilities("cross_entropy", labels)
        kept = None
        chances = class_weights("cross_entropy", class_weight, log_p, came[-1])
        terms = -sum_over(mul(labels, weighted(log_p, chances)), axis=-1)
        rows = None if chances is None else sum_over(mul(labels, chances), axis=-1)
    if label_smoothing:
        terms = (1 - label_smoothing) * terms - label_smoothing * mean(weighted(log_p, chances), axis=-1)
    return reduced("cross_entropy", terms, reduction, weight, rows=rows, kept=kept)


def nll_loss(
    log_probabilities: Any,
    labels: Any,
    *,
    reduction: str = "mean",
    weight: Any = None,
    class_weight: Any = None,
    ignore_index: int | None = None,
) -> Any:
    """Return minus the log-probability at the label: ``nll_loss(log_softmax(x), y)`` is ``cross_entropy(x, y)``.

    Args:
        log_probabilities: (…, classes), as `log_softmax` returns.
        labels: integers of shape (…).
        reduction: "mean", "sum" or "none".
        weight: one number for each sample; the mean is then Σ w l / Σ w.
        class_weight: (classes,): samples count so much, by their label.
        ignore_index: a label that means "unknown": such samples do not count.

    Raises:
        TypeError, ValueError: if labels are no integers, do not fit, or are out of range.
    """
    came = shape(log_probabilities)
    labels, kept = known_labels("nll_loss", labels, came, ignore_index)
    chances = class_weights("nll_loss", class_weight, log_probabilities, came[-1])
    terms, rows = labelled(log_probabilities, labels, chances)
    return reduced("nll_loss", terms, reduction, weight, rows=rows, kept=kept)


def binary_cross_entropy(
    logits: Any,
    labels: Any,
    *,
    reduction: str = "mean",
    weight: Any = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Return -y log σ(z) - (1 - y) log(1 - σ(z)) of logits z and labels y from 0 to 1, finite however bad a prediction.

    It is `cross_entropy` of the two logits 0 and z.

    Args:
        logits: z, any shape.
        labels: y, of the same shape: 0 or 1, or probabilities of class 1.
        reduction: "mean", "sum" or "none".
        weight: one number for each sample; the mean is then Σ w l / Σ w.
        class_weight: of class 0 and of class 1.
        label_smoothing: ε from 0 to 1: y becomes (1 - ε) y + ε / 2.

    Raises:
        ValueError: if the shapes differ, or a label is not from 0 to 1.

    >>> f"{binary_cross_entropy(0.0, 1):.4f}"
    '0.6931'
    """
    check_same("binary_cross_entropy", logits, labels)
    check_smoothing("binary_cross_entropy", label_smoothing)
    if not holds(lambda y: (y >= 0) & (y <= 1), labels):
        hint = " Write (labels + 1) / 2 for labels -1 and 1." if holds(lambda y: abs(y) == 1, labels) else ""
        raise ValueError(f"binary_cross_entropy wanted labels from 0 to 1, got {span(labels)}.{hint}")
    chances = class_weights("binary_cross_entropy", class_weight, logits, 2)
    y = whole_as(labels, logits)
    if label_smoothing:
        y = (1 - label_smoothing) * labels_as(labels, logits) + label_smoothing / 2
    if chances is None:
        return reduced("binary_cross_entropy", softplus(logits) - mul(y, logits), reduction, weight)
    y, labels, (zero, one) = labels_as(y, logits), labels_as(labels, logits), (chances[0], chances[1])
    terms = one * y * softplus(-as_operand(logits)) + zero * (1 - y) * softplus(logits)
    return reduced("binary_cross_entropy", terms, reduction, weight, rows=one * labels + zero * (1 - labels))


def hinge(
    scores: Any,
    labels: Any,
    *,
    margin: float = 1.0,
    reduction: str = "mean",
    weight: Any = None,
    class_weight: Any = None,
) -> Any:
    """Return how far the right score falls short of the margin: max-margin loss, that of support vector machines.

    Two classes: max(0, margin - y s) of scores s and labels y = -1 or 1, of one shape. Several classes: the sum over
    the wrong classes j of max(0, margin - s_label + s_j), divided by the number of classes, as in PyTorch.

    Args:
        scores: any shape; or (…, classes).
        labels: -1 and 1, of the same shape; or integers from 0 to classes - 1, of shape (…).
        margin: by how much the right score should win.
        reduction: "mean", "sum" or "none".
        weight: one number for each sample; the mean is then Σ w l / Σ w.
        class_weight: (classes,), of two classes (that of -1, that of 1): samples count so much, by their label.

    Raises:
        TypeError, ValueError: if labels do not fit, or are out of range.

    >>> hinge([2.0, 0.5, -1.0], [1, 1, 1], reduction="none")
    array([0. , 0.5, 2. ])
    >>> f"{hinge([1.43, -0.40, 0.23], 0):.2f}"
    '0.00'
    """
    came = shape(scores)
    if shape(labels) == came:
        if not holds(lambda y: abs(y) == 1, labels):
            raise ValueError(
                f"hinge wanted labels -1 and 1 for scores of the same shape, got {span(labels)}: write 2 * labels - 1 "
                "for labels 0 and 1."
            )
        chances = class_weights("hinge", class_weight, scores, 2)
        terms, kinds = relu(margin - mul(whole_as(labels, scores), scores)), where(as_operand(labels) > 0, 1, 0)
    else:
        labels, _ = known_labels("hinge", labels, came, None)
        chances = class_weights("hinge", class_weight, scores, came[-1])
        column = expand_dims(labels, axis=-1)
        slack = relu(subtract(scores, take_along_axis(scores, column, axis=-1)) + margin)
        terms = sum_over(where(equal(column, np.arange(came[-1])), 0.0, slack), axis=-1) / came[-1]
        kinds = labels
    rows = None if chances is None else take(chances, kinds, axis=0)
    return reduced("hinge", terms if rows is None else rows * terms, reduction, weight, rows=rows)


def kl_divergence(logits: Any, probabilities: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """Return Σ p (log p - log softmax(logits)) of each row: what is lost by believing softmax(logits) instead of p.

    It is `cross_entropy` of the probabilities minus their entropy; so it is 0 if the prediction is right, and has the
    same gradient with respect to the logits.

    Args:
        logits: (…, classes), any real numbers.
        probabilities: p, of the same shape; rows sum to 1. 0 log 0 counts as 0.
        reduction: "mean" over the rows, "sum", or "none" for each row.
        weight: one number for each row; the mean is then Σ w l / Σ w.

    Raises:
        ValueError: if the shapes differ, or probabilities are none.

    >>> import math
    >>> f"{kl_divergence([math.log(0.25), math.log(0.75)], [0.25, 0.75]):.6f}"
    '0.000000'
    """
    check_same("kl_divergence", logits, probabilities)
    if not shape(logits):
        raise ValueError("kl_divergence wanted logits and probabilities of shape (…, classes), got scalars.")
    check_probabilities("kl_divergence", probabilities)
    p = as_operand(probabilities)
    certain = where(p > 0, p, 1.0)
    terms = p * (log(certain) - log_softmax(logits))
    return reduced("kl_divergence", sum_over(terms, axis=-1), reduction, weight)


def class_numbers(called: str, labels: Any, classes: tuple[int, ...], wanted: tuple[int, ...] | None) -> None:
    """Refuse labels that are no integers within the classes.

    Args:
        called: the function that wants them.
        labels: integers.
        classes: their number, in a tuple; empty if there are none.
        wanted: shape of the labels; None for any.

    Raises:
        TypeError, ValueError: if they are not.
    """
    if dtype(labels).kind not in "iu":
        raise TypeError(
            f"{called} wanted integer labels, got {dtype(labels)}: write labels.astype(int) if they are class numbers."
        )
    if wanted is not None and (not classes or shape(labels) != wanted):
        raise ValueError(f"{called} wanted one label for each row, of shape {wanted}, got {shape(labels)}.")
    if not holds(lambda y: (y >= 0) & (y < classes[0]), labels):
        raise ValueError(f"{called} wanted labels from 0 to {classes[0] - 1}, got {span(labels)}.")


def known_labels(called: str, labels: Any, came: tuple[int, ...], ignore_index: int | None) -> tuple[Any, Any]:
    """Return labels within the classes, 0 where they are to be ignored, and which count; None for all.

    Args:
        called: the loss.
        labels: integers.
        came: shape of the logits, (…, classes).
        ignore_index: as in `cross_entropy`.

    Raises:
        TypeError, ValueError: if they are no class numbers.
    """
    labels = as_operand(labels)
    if ignore_index is None:
        class_numbers(called, labels, came[-1:], came[:-1])
        return labels, None
    if not isinstance(ignore_index, (int, np.integer)):
        raise TypeError(f"{called} wanted an integer as ignore_index, got {ignore_index!r}.")
    kept = not_equal(labels, int(ignore_index))
    known = where(kept, labels, 0)
    class_numbers(called, known, came[-1:], came[:-1])
    return known, kept


def labelled(log_p: Any, labels: Any, chances: Any) -> tuple[Any, Any]:
    """Return minus the log-probability at each label, times the label's weight; and these weights, or None."""
    terms = -squeeze(take_along_axis(log_p, expand_dims(labels, axis=-1), axis=-1), axis=-1)
    if chances is None:
        return terms, None
    rows = take(chances, labels, axis=0)
    return rows * terms, rows


def weighted(log_p: Any, chances: Any) -> Any:
    """Return log-probabilities times the weights of the classes."""
    return log_p if chances is None else chances * log_p


def class_weights(called: str, class_weight: Any, like: Any, classes: int) -> Any:
    """Return the weights of classes in the dtype of the logits; None if there are none.

    Raises:
        ValueError: if there is not one for each class, or one is negative or not finite.
    """
    if class_weight is None:
        return None
    if shape(class_weight) != (classes,):
        raise ValueError(
            f"{called} wanted class_weight of shape {(classes,)}, one for each class, got {shape(class_weight)}."
        )
    return check_weights(called, "class_weight", class_weight, like)


def check_probabilities(called: str, labels: Any) -> None:
    """Refuse rows that do not sum to 1, and negative ones.

    Raises:
        ValueError: with what to use for yes-or-no labels.
    """
    if not holds(lambda p: np.abs(np.sum(p, axis=-1) - 1.0) <= 1e-3, labels):
        sums = np.sum(np.asarray(numbers(labels)), axis=-1)
        raise ValueError(
            f"{called} wanted integer labels of shape (…), or probabilities of shape (…, classes) whose rows sum "
            f"to 1, got sums {span(sums)}. For yes-or-no labels use binary_cross_entropy."
        )
    if not holds(lambda p: p >= 0, labels):
        raise ValueError(f"{called} wanted probabilities from 0 to 1, got {span(labels)}.")


def check_smoothing(called: str, label_smoothing: float) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: if it is not from 0 to 1.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{called} wanted label_smoothing from 0 to 1, got {label_smoothing}.")


# reductions


def reduced(called: str, losses: Any, reduction: str, weight: Any = None, *, rows: Any = None, kept: Any = None) -> Any:
    """Return the mean or sum of the samples' losses, or these themselves.

    Args:
        called: the loss.
        losses: of each sample, times `rows`.
        reduction: "mean", "sum" or "none".
        weight: of each sample; the losses are multiplied by it.
        rows: weights that the losses were multiplied by already; they count in the mean.
        kept: which samples count; None for all.

    Raises:
        ValueError: if there is no such reduction, weights do not fit, or there is nothing to take the mean of.
    """
    check_reduction(called, reduction)
    if kept is not None:
        losses, rows = where(kept, losses, 0.0), where(kept, 1.0 if rows is None else rows, 0.0)
    if weight is not None:
        weight = sample_weights(called, weight, losses)
        losses, rows = mul(weight, losses), weight if rows is None else mul(weight, rows)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum_over(losses)
    check_some(called, shape(losses))
    if rows is None:
        return mean(losses)
    total = sum_over(rows) * (math.prod(shape(losses)) / math.prod(shape(rows)))
    if not holds(lambda w: w > 0, total):
        raise ValueError(
            f"{called}: all samples have weight 0 or are ignored, so there is no mean: reduction='sum' gives 0."
        )
    return sum_over(losses) / total


def sample_weights(called: str, weight: Any, losses: Any) -> Any:
    """Return weights with axes of length 1 behind, so that they fit losses.

    Raises:
        ValueError: if there is not one for each sample, or one is negative or not finite.
    """
    came, wanted = shape(weight), shape(losses)
    if came != wanted[: len(came)] or (wanted and not came):
        raise ValueError(
            f"{called} wanted one weight for each sample, of shape {wanted[:1]}"
            + (f" or {wanted}" if len(wanted) > 1 else "")
            + f", got {came}."
        )
    weight = check_weights(called, "weight", weight, losses)
    return reshape(weight, shape=came + (1,) * (len(wanted) - len(came))) if came != wanted else weight


def check_weights(called: str, name: str, weight: Any, like: Any) -> Any:
    """Return weights in the dtype of what they multiply.

    Raises:
        TypeError, ValueError: if they are no numbers, or one is negative or not finite.
    """
    if dtype(weight).kind not in "biuf":
        raise TypeError(f"{called} wanted {name} as numbers, got {dtype(weight)}.")
    if not holds(lambda w: (w >= 0) & (w < math.inf), weight):
        raise ValueError(f"{called} wanted {name} of 0 or more, finite; got {span(weight)}.")
    return labels_as(weight, like)


def labels_as(x: Any, like: Any) -> Any:
    """Return constants in the dtype of what they are computed with, so that float32 stays float32."""
    wanted = dtype(like) if dtype(like).kind == "f" else np.dtype(float)
    if isinstance(x, Node):
        return cast(x, dtype=wanted.name) if x.is_array and x.dtype != wanted else x
    return np.asarray(x, wanted)


def whole_as(x: Any, like: Any) -> Any:
    """Return arrays of integers in the dtype of what they are computed with: int64 would make float32 float64."""
    constant = not isinstance(x, Node) or x.is_array
    return labels_as(x, like) if shape(x) and constant and dtype(x).kind in "iu" else x


def as_operand(x: Any) -> Any:
    """Return lists as arrays; Values and arrays as they are."""
    return x if isinstance(x, Node) else np.asarray(x)


def numbers(x: Any) -> np.ndarray | None:
    """Return the numbers of a Value or an array; None inside `vmap`, where a sample has no numbers of its own."""
    data = x._data if isinstance(x, Node) else np.asarray(x)
    return np.asarray(data) if isinstance(data, (np.ndarray, np.generic, int, float)) else None


def holds(test: Callable[[Any], Any], x: Any) -> bool:
    """Do all numbers pass a test? Yes, if there are none to look at. What is recorded will be tested at each call."""
    if isinstance(x, Node) and modes.current is not None and modes.current.recorder is not None:
        return modes.current.recorder.require(test, x)
    data = numbers(x)
    return data is None or bool(np.all(test(data)))


def span(x: Any) -> str:
    """Return the least and the largest number, for a message."""
    data = np.asarray(numbers(x))
    return f"{data.min():g}" if data.size == 1 else f"{data.min():g} to {data.max():g}"


def check_some(called: str, came: tuple[int, ...]) -> None:
    """Refuse the mean of nothing.

    Raises:
        ValueError: if there are no samples.
    """
    if 0 in came:
        raise ValueError(f"{called}: there are no samples, so there is no mean: the losses have shape {came}.")


def check_reduction(called: str, reduction: str) -> None:
    """Refuse words that name no reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{called} wanted reduction='mean', 'sum' or 'none', got {reduction!r}.")


# names

LOSSES: dict[str, Loss] = {
    f.__name__: f
    for f in (
        ssr,
        mse,
        mae,
        huber,
        poisson,
        cross_entropy,
        nll_loss,
        binary_cross_entropy,
        hinge,
        kl_divergence,
    )
}
"""The losses by name, as ``loss="mse"`` finds them."""


def loss_function(loss: str | Loss) -> Loss:
    """Return a loss from its name; a function is returned as it is.

    Raises:
        ValueError, TypeError: if there is none of that name, or it is no function.
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(f"there is no loss {loss!r}: wanted one of {', '.join(LOSSES)}, or a function.")
        return LOSSES[loss]
    if not callable(loss):
        raise TypeError(f"a loss is a name or a function loss(prediction, target), got {type(loss).__name__}.")
    return loss

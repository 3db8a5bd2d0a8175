"""Softmax and what is built on it, stable at any size of its argument."""

from __future__ import annotations

import math

import numpy as np

from ..domain import REAL, Case
from ..graph import shape as shape_of
from ..op import op
from .elementary import exp
from .reduction import sum as sum_over
from .shape import expand_dims

__all__ = ["cross_entropy", "log_softmax", "softmax", "softmax_minus_one_hot"]

ALONG_AXIS = (
    Case((3,)),
    Case((2, 3)),
    Case((2, 3), axis=0),
    Case((2, 3, 2), axis=(0, -1)),
    Case((2, 3), axis=None),
    Case((2, 1)),
    Case((0, 3)),
)


def shifted(x, axis):
    """Return x minus its maximum along an axis: exp of it neither overflows, nor are all of it 0."""
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        x = x.astype(float)
    return x - np.maximum.reduce(x, axis=axis, keepdims=True)


@op("softmax", cases=ALONG_AXIS)
def softmax(x, *, axis=-1):
    """exp(x) / Σ exp(x) along an axis, or several: positive numbers with sum 1. Finite for any finite x.

    An element of -inf gets probability 0, which is how attention masks work.
    """
    p = np.exp(shifted(x, axis))
    p /= np.add.reduce(p, axis=axis, keepdims=True)
    return p


def softmax_vjp(g, ans, axis):
    """p (g - Σ g p)."""
    return ans * (g - sum_over(g * ans, axis=axis, keepdims=True))


softmax.defvjp(lambda g, ans, x, axis: softmax_vjp(g, ans, axis))


@op("log softmax", cases=ALONG_AXIS)
def log_softmax(x, *, axis=-1):
    """x - log Σ exp(x) along an axis, or several: the logarithm of `softmax`, right where that underflows."""
    z = shifted(x, axis)
    z -= np.log(np.add.reduce(np.exp(z), axis=axis, keepdims=True))
    return z


log_softmax.defvjp(lambda g, ans, x, axis: g - exp(ans) * sum_over(g, axis=axis, keepdims=True))

# Cross entropy of integer labels. Fused: it never writes out log-probabilities of which it needs one in each row.


def check_labels(logits, labels):
    """Refuse labels that are no class numbers for the rows of logits.

    Raises:
        TypeError: if they are no integers.
        ValueError: if there is not one for each row, or one is outside the classes.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"wanted integer labels, got {labels.dtype}: write labels.astype(int) if they are class numbers. "
            "Probabilities have the shape of the logits"
        )
    if not logits.ndim or labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"wanted logits of shape (…, classes) and one label for each row, of shape {logits.shape[:-1]}, got labels "
            f"of shape {labels.shape}"
        )
    unsigned = labels.view(f"u{labels.itemsize}")  # as which a negative label is large: one pass finds both ends
    if labels.size and np.maximum.reduce(unsigned, axis=None) >= logits.shape[-1]:
        raise ValueError(
            f"wanted labels from 0 to {logits.shape[-1] - 1}, as there are {logits.shape[-1]} classes; "
            f"got {labels.min()} to {labels.max()}"
        )


def at_labels(labels):
    """Return the index of each row's element at its label."""
    if labels.ndim == 1:
        return np.arange(len(labels)), labels
    return (*np.indices(labels.shape, sparse=True), labels)


LABELLED = (
    Case((3, 4), np.array([2, 0, 3])),
    Case((4,), np.array(1)),
    Case((2, 2, 3), np.array([[0, 2], [1, 1]])),
    Case((0, 3), np.zeros(0, int)),
    Case((2, 1), np.array([0, 0])),
)


@op(
    "-log p",
    domain=(REAL, REAL),
    cases=(
        *LABELLED,
        Case((3, 4), np.array([2, 0, 3]), reduction="mean"),
        Case((2, 2, 3), np.array([[0, 2], [1, 1]]), reduction="mean"),
        Case((3, 4), np.array([2, 0, 3]), reduction="sum"),
    ),
)
def cross_entropy(logits, labels, *, reduction="none"):
    """-log softmax(logits)[label] of each row, or their mean or sum: logits (…, classes), integer labels (…)."""
    labels = np.asarray(labels)
    z = shifted(logits, -1)
    check_labels(z, labels)
    losses = np.log(np.add.reduce(np.exp(z), axis=-1)) - z[at_labels(labels)]
    if reduction == "none":
        return losses
    total = np.add.reduce(losses, axis=None)
    return total / labels.size if reduction == "mean" else total


def weight(g, labels, reduction):
    """The cotangent of each row's loss, as a column where rows differ."""
    if reduction == "none":
        return expand_dims(g, axis=-1)
    return g / math.prod(shape_of(labels)) if reduction == "mean" else g


cross_entropy.defvjp(
    lambda g, ans, logits, labels, reduction: weight(g, labels, reduction) * softmax_minus_one_hot(logits, labels),
    None,
)


@op("p - y", domain=(REAL, REAL), cases=LABELLED)
def softmax_minus_one_hot(logits, labels):
    """Softmax of each row, minus 1 at its label: the slope of the cross entropy."""
    p = softmax.forward(logits)
    p[at_labels(np.asarray(labels))] -= 1
    return p


softmax_minus_one_hot.defvjp(lambda g, ans, logits, labels: softmax_vjp(g, softmax(logits), -1), None)

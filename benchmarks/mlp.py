"""Multilayer perceptrons in each library: what small_mlp, wide_mlp and deep_mlp have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .harness import Step
from .training import Flat, Head, Task


def task(sizes: Sequence[int], batch: int, activation: str, rule: str, rate: float) -> Task:
    """Return a network to be trained on random data."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (batch, sizes[0])).astype(np.float32)
    labels = rng.integers(0, sizes[-1], batch)
    weights = []
    for m, n in pairwise(sizes):
        weights += [rng.normal(0, np.sqrt((2 if activation == "relu" else 1) / m), (m, n)), rng.normal(0, 0.1, n)]

    def ours() -> Any:
        from autograd_nn import nn

        return nn.MLP(sizes, activation=activation)

    def torch(parameters: Sequence[Any], x: Any) -> Any:
        import torch

        for i in range(0, len(parameters), 2):
            x = torch.addmm(parameters[i + 1], x, parameters[i])
            if i + 2 < len(parameters):
                x = getattr(torch, activation)(x)
        return x

    def jax(parameters: Sequence[Any], x: Any) -> Any:
        import jax

        for i in range(0, len(parameters), 2):
            x = x @ parameters[i] + parameters[i + 1]
            if i + 2 < len(parameters):
                x = getattr(jax.nn, activation)(x)
        return x

    return Task(x, labels, [w.astype(np.float32) for w in weights], rule, rate, ours, torch, jax)


def by_hand(task: Task, activation: str) -> Step:
    """NumPy, the derivative worked out on paper, nothing allocated."""
    flat = Flat(task)
    weights, biases = flat.parameters[::2], flat.parameters[1::2]
    weight_gradients, bias_gradients = flat.gradients[::2], flat.gradients[1::2]
    batch, last = len(task.x), len(weights) - 1
    head = Head(task.labels, biases[-1].size)
    layers = [task.x, *(np.empty((batch, b.size), np.float32) for b in biases[:-1]), head.logits]
    backs = [np.empty_like(h) for h in layers[:-1]]
    masks = [np.empty(h.shape, bool) for h in layers[:-1]]

    def step() -> Any:
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = layers[i + 1]
            np.dot(layers[i], w, out=h)
            np.add(h, b, out=h)
            if i == last:
                break
            if activation == "relu":
                np.maximum(h, 0, out=h)
            else:
                np.tanh(h, out=h)
        loss = head.gradient()
        back = head.logits
        for i in range(last, -1, -1):
            h = layers[i]
            np.dot(h.T, back, out=weight_gradients[i])
            np.add.reduce(back, axis=0, out=bias_gradients[i])
            if not i:
                break
            np.dot(back, weights[i].T, out=backs[i])
            back = backs[i]
            if activation == "relu":
                np.greater(h, 0, out=masks[i])
                np.multiply(back, masks[i], out=back)
            else:
                np.multiply(h, h, out=h)
                np.subtract(1, h, out=h)
                np.multiply(back, h, out=back)
        flat.update()
        return [loss, *flat.parameters]

    return step

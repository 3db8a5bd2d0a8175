"""A training step of a convolutional network on 28×28 images, batch of 64, float32; forward, backward, SGD.

Convolution 1 → 16 (3×3, padding 1), relu, pool 2, convolution 16 → 32 (the same), relu, pool 2, dense 1568 → 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from . import training
from .harness import COMPILED, TORCH, TORCH_COMPILED, TORCH_FUSED, Bar, Result, Step, compare, ours_compiled
from .training import Flat, Head, Task

BATCH, SIDE, CHANNELS, CLASSES = 64, 28, (1, 16, 32), 10
DENSE = CHANNELS[-1] * (SIDE // 4) ** 2


def make() -> Task:
    """Return the task."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, CHANNELS[0], SIDE, SIDE)).astype(np.float32)
    weights = []
    for m, n in pairwise(CHANNELS):
        weights += [rng.normal(0, np.sqrt(2 / (9 * m)), (n, m, 3, 3)), rng.normal(0, 0.1, n)]
    weights += [rng.normal(0, np.sqrt(1 / DENSE), (DENSE, CLASSES)), np.zeros(CLASSES)]
    labels = rng.integers(0, CLASSES, BATCH)
    return Task(x, labels, [w.astype(np.float32) for w in weights], "SGD", 0.01, ours, torch, jax)


def ours() -> Any:
    from autograd_nn import nn

    return nn.Sequential(
        nn.Conv2d(CHANNELS[0], CHANNELS[1], 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(CHANNELS[1], CHANNELS[2], 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(DENSE, CLASSES),
    )


def torch(parameters: Sequence[Any], x: Any) -> Any:
    import torch
    from torch.nn.functional import conv2d, max_pool2d

    w1, b1, w2, b2, w3, b3 = parameters
    x = max_pool2d(conv2d(x, w1, b1, padding=1).relu(), 2)
    x = max_pool2d(conv2d(x, w2, b2, padding=1).relu(), 2)
    return torch.addmm(b3, x.flatten(1), w3)


def jax(parameters: Sequence[Any], x: Any) -> Any:
    import jax
    import jax.numpy as jnp
    from jax import lax

    def conv(x: Any, w: Any, b: Any) -> Any:
        y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
        return jax.nn.relu(y + b[:, None, None])

    def pool(x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    w1, b1, w2, b2, w3, b3 = parameters
    x = pool(conv(pool(conv(x, w1, b1)), w2, b2))
    return x.reshape(len(x), -1) @ w3 + b3


class Block:
    """Convolution as one matrix product (im2col), relu, pool, and their derivatives; axes (channels, batch, y, x)."""

    def __init__(self, m: int, n: int, side: int, flat: Flat, first: int) -> None:
        self.side, self.first = side, m == CHANNELS[0]
        self.w, self.b = flat.parameters[first].reshape(n, -1), flat.parameters[first + 1][:, None]
        self.dw, self.db = flat.gradients[first].reshape(n, -1), flat.gradients[first + 1]
        self.padded = np.zeros((m, BATCH, side + 2, side + 2), np.float32)
        self.columns = np.empty((m, 3, 3, BATCH, side, side), np.float32)
        self.y = np.empty((n, BATCH, side, side), np.float32)
        self.pooled = np.empty((n, BATCH, side // 2, side // 2), np.float32)
        self.dx = np.empty_like(self.pooled)  # of what was pooled
        self.mask = np.empty(self.pooled.shape, bool)

    @property
    def inside(self) -> np.ndarray:
        """Where the input is put."""
        return self.padded[:, :, 1:-1, 1:-1]

    def windows(self) -> list[np.ndarray]:
        """Return the four corners of all pools."""
        return [self.y[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]

    def forward(self) -> None:
        side = self.side
        for i in range(3):
            for j in range(3):
                self.columns[:, i, j] = self.padded[:, :, i : i + side, j : j + side]
        y = self.y.reshape(len(self.y), -1)
        np.dot(self.w, self.columns.reshape(self.w.shape[1], -1), out=y)
        np.add(y, self.b, out=y)
        a, b, c, d = self.windows()
        np.maximum(a, b, out=self.pooled)
        np.maximum(self.pooled, c, out=self.pooled)
        np.maximum(self.pooled, d, out=self.pooled)
        np.maximum(self.pooled, 0, out=self.pooled)  # relu, of a quarter of the numbers

    def backward(self) -> np.ndarray | None:
        """Return the derivative of the input, from that of the result in `dx`."""
        np.greater(self.pooled, 0, out=self.mask)
        np.multiply(self.dx, self.mask, out=self.dx)
        for window in self.windows():
            np.equal(window, self.pooled, out=self.mask)
            np.multiply(self.dx, self.mask, out=window)
        dy, columns = self.y.reshape(len(self.y), -1), self.columns.reshape(self.w.shape[1], -1)
        np.dot(dy, columns.T, out=self.dw)
        np.add.reduce(dy, axis=1, out=self.db)
        if self.first:
            return None
        np.dot(self.w.T, dy, out=columns)
        self.padded[...] = 0
        side = self.side
        for i in range(3):
            for j in range(3):
                part = self.padded[:, :, i : i + side, j : j + side]
                np.add(part, self.columns[:, i, j], out=part)
        return self.inside


def by_hand(task: Task) -> Step:
    """NumPy, the derivative worked out on paper, nothing large allocated."""
    flat = Flat(task)
    head = Head(task.labels, CLASSES)
    one = Block(CHANNELS[0], CHANNELS[1], SIDE, flat, 0)
    two = Block(CHANNELS[1], CHANNELS[2], SIDE // 2, flat, 2)
    (w, b), (dw, db) = flat.parameters[4:], flat.gradients[4:]
    features = np.empty((BATCH, DENSE), np.float32)
    images = features.reshape(BATCH, CHANNELS[-1], SIDE // 4, SIDE // 4)
    x = task.x.swapaxes(0, 1)

    def step() -> Any:
        one.inside[...] = x
        one.forward()
        two.padded[...] = 0
        two.inside[...] = one.pooled
        two.forward()
        images[...] = two.pooled.swapaxes(0, 1)
        np.dot(features, w, out=head.logits)
        np.add(head.logits, b, out=head.logits)
        loss = head.gradient()
        np.dot(features.T, head.logits, out=dw)
        np.add.reduce(head.logits, axis=0, out=db)
        np.dot(head.logits, w.T, out=features)
        two.dx[...] = images.swapaxes(0, 1)
        one.dx[...] = two.backward()
        one.backward()
        flat.update()
        return [loss, *flat.parameters]

    return step


def contestant(backend: str | None) -> Step:
    """Return our step."""
    return training.ours(make(), backend)


def run(*, quick: bool) -> Result:
    """Measure."""
    task = make()
    return compare(
        f"CNN: 1×28×28, conv {CHANNELS[1]}, pool, conv {CHANNELS[2]}, pool, dense; batch {BATCH}, float32; "
        "forward, backward, SGD.",
        ours_compiled(contestant) | training.peers(task, lambda: by_hand(task)),
        quick=quick,
        rtol=1e-4,
        bars=[Bar(1.0, (TORCH, TORCH_FUSED, TORCH_COMPILED))],
        ours=COMPILED,
        rounds=11,
    )

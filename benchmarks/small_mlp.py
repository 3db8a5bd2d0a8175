"""A training step of a small network: 64-32-10, relu, cross entropy, batch of 32, float32; forward, backward, SGD.

The arithmetic takes 3 µs. What counts is what recording and differentiating an op costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import mlp, training
from .harness import COMPILED, JAX, NUMPY_PLAN, TORCH, TORCH_FUSED, Bar, Result, Step, compare, ours_compiled
from .training import Task

BATCH, SIZES = 32, (64, 32, 10)
LEARNING_RATE = 0.01
BY_HAND, NO_OPTIMIZER = "autograd_nn, eager, update by hand", "torch eager, update by hand"


def make() -> Task:
    return mlp.task(SIZES, BATCH, "relu", "SGD", LEARNING_RATE)


def contestant(backend: str | None) -> Step:
    """Return our step."""
    return training.ours(make(), backend)


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return images (32, 64), labels (32,) and w1, b1, w2, b2."""
    x, labels, weights, *_ = make()
    return x, labels, weights


def ours(retain: str = "all") -> Step:
    """The update that the documentation teaches."""
    from autograd_nn import Value
    from autograd_nn.functions import cross_entropy, linear, relu

    images, labels, arrays = data()
    x = Value(images, requires_grad=False)
    w1, b1, w2, b2 = parameters = [Value(p) for p in arrays]

    def step() -> Any:
        loss = cross_entropy(linear(relu(linear(x, w1, b1)), w2, b2), labels)
        for p in parameters:
            p.zero_grad()
        loss.backward(retain=retain)
        for p in parameters:
            p.data = p.data - LEARNING_RATE * p.grad
        return [loss.data, *(p.data for p in parameters)]

    return step


def torch() -> Step:
    """PyTorch without its optimizer."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    images, labels, arrays = data()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    w1, b1, w2, b2 = parameters = [torch.tensor(p, requires_grad=True) for p in arrays]

    def step() -> Any:
        loss = cross_entropy(torch.addmm(b2, torch.addmm(b1, x, w1).relu(), w2), y)
        for p in parameters:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p -= LEARNING_RATE * p.grad
        return [loss, *parameters]

    return step


def autograd() -> Step:
    """HIPS autograd."""
    import autograd
    import autograd.numpy as anp

    x, labels, parameters = data()
    rows = np.arange(BATCH)

    def loss(parameters: Any) -> Any:
        w1, b1, w2, b2 = parameters
        scores = anp.dot(anp.maximum(anp.dot(x, w1) + b1, 0), w2) + b2
        scores = scores - anp.max(scores, axis=1, keepdims=True)
        return -anp.mean((scores - anp.log(anp.sum(anp.exp(scores), axis=1, keepdims=True)))[rows, labels])

    gradient = autograd.value_and_grad(loss)

    def step() -> Any:
        nonlocal parameters
        value, grads = gradient(parameters)
        parameters = [(p - LEARNING_RATE * g).astype(np.float32) for p, g in zip(parameters, grads, strict=True)]
        return [value, *parameters]

    return step


def by_hand() -> Step:
    """NumPy, the derivative worked out on paper."""
    x, labels, (w1, b1, w2, b2) = data()
    rows = np.arange(BATCH)

    def step() -> Any:
        nonlocal w1, b1, w2, b2
        before = x @ w1 + b1
        hidden = np.maximum(before, 0)
        scores = hidden @ w2 + b2
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        total = p.sum(axis=1, keepdims=True)
        value = (np.log(total[:, 0]) - scores[rows, labels]).mean()
        p /= total
        p[rows, labels] -= 1
        p /= BATCH
        back = p @ w2.T
        back[before <= 0] = 0
        w2 = w2 - LEARNING_RATE * (hidden.T @ p)
        b2 = b2 - LEARNING_RATE * p.sum(axis=0)
        w1 = w1 - LEARNING_RATE * (x.T @ back)
        b1 = b1 - LEARNING_RATE * back.sum(axis=0)
        return [value, w1, b1, w2, b2]

    return step


def run(*, quick: bool) -> Result:
    """Measure."""
    task = make()
    return compare(
        f"Small MLP: {'-'.join(map(str, SIZES))}, relu, cross entropy, batch {BATCH}, float32; forward, backward, SGD.",
        ours_compiled(contestant)
        | {BY_HAND: lambda: ours("leaves"), f"{BY_HAND}, retain='all'": ours}
        | training.peers(task, lambda: mlp.by_hand(task, "relu"))
        | {NO_OPTIMIZER: torch, "HIPS autograd": autograd, "NumPy by hand": by_hand},
        quick=quick,
        rtol=1e-4,
        bars=[
            Bar(0.4, (JAX,)),
            Bar(0.06, (TORCH, TORCH_FUSED, NO_OPTIMIZER)),
            Bar(1.05, (JAX,), NUMPY_PLAN),
            Bar(0.6, (TORCH, TORCH_FUSED, NO_OPTIMIZER), BY_HAND),
        ],
        ours=COMPILED,
    )

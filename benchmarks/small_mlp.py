"""A training step of a small network: 64-32-10, relu, cross entropy, batch of 32, float32; forward, backward, SGD.

The arithmetic takes 3 µs. What counts is what recording and differentiating an op costs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .harness import Bar, Result, Step, compare

BATCH, SIZES = 32, (64, 32, 10)
LEARNING_RATE = 0.01


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return images (32, 64), labels (32,) and w1, b1, w2, b2."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (BATCH, SIZES[0]))
    labels = rng.integers(0, SIZES[-1], BATCH)
    parameters = []
    for m, n in pairwise(SIZES):
        parameters += [rng.normal(0, np.sqrt(2 / m), (m, n)), rng.normal(0, 0.1, n)]
    return x.astype(np.float32), labels, [p.astype(np.float32) for p in parameters]


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


def compiled() -> Step:
    """The same step, recorded once."""
    from autograd_nn import Value, compile, zero_grad
    from autograd_nn.functions import cross_entropy, linear, relu

    x, labels, arrays = data()
    w1, b1, w2, b2 = parameters = [Value(p) for p in arrays]

    @compile
    def train(x: Any, labels: Any, rate: float) -> Any:
        loss = cross_entropy(linear(relu(linear(x, w1, b1)), w2, b2), labels)
        zero_grad(*parameters)
        loss.backward()
        for p in parameters:
            p.data = p.data - rate * p.grad
        return loss

    def step() -> Any:
        loss = train(x, labels, LEARNING_RATE)
        return [loss.data, *(p.data for p in parameters)]

    return step


def torch(update: str) -> Step:
    """PyTorch, with its optimizer or with the update by hand."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    images, labels, arrays = data()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    w1, b1, w2, b2 = parameters = [torch.tensor(p, requires_grad=True) for p in arrays]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE)

    def step() -> Any:
        loss = cross_entropy(torch.addmm(b2, torch.addmm(b1, x, w1).relu(), w2), y)
        optimizer.zero_grad()
        loss.backward()
        if update == "optimizer":
            optimizer.step()
        else:
            with torch.no_grad():
                for p in parameters:
                    p -= LEARNING_RATE * p.grad
        return [loss.detach(), *(p.detach() for p in parameters)]

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


def jax() -> Step:
    """JAX, the whole step compiled."""
    import jax
    import jax.numpy as jnp

    images, labels, arrays = data()
    x, y, parameters = jnp.asarray(images), jnp.asarray(labels), [jnp.asarray(p) for p in arrays]

    def loss(parameters: Any) -> Any:
        w1, b1, w2, b2 = parameters
        log_p = jax.nn.log_softmax(jnp.maximum(x @ w1 + b1, 0) @ w2 + b2, axis=1)
        return -jnp.mean(log_p[jnp.arange(BATCH), y])

    @jax.jit
    def update(parameters: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(parameters)
        return value, [p - LEARNING_RATE * g for p, g in zip(parameters, grads, strict=True)]

    def step() -> Any:
        nonlocal parameters
        value, parameters = jax.block_until_ready(update(parameters))
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
    return compare(
        f"Small MLP: {'-'.join(map(str, SIZES))}, relu, cross entropy, batch {BATCH}, float32; forward, backward, SGD.",
        {
            "autograd_nn": ours,
            "autograd_nn, backward(retain='leaves')": lambda: ours("leaves"),
            "autograd_nn, compile": compiled,
            "torch eager, optim.SGD": lambda: torch("optimizer"),
            "torch eager, update by hand": lambda: torch("by hand"),
            "HIPS autograd": autograd,
            "JAX jit": jax,
            "NumPy by hand": by_hand,
        },
        quick=quick,
        rtol=1e-4,
        bars=[Bar(0.6, ("torch eager, optim.SGD", "torch eager, update by hand"))],
    )

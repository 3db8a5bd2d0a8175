"""A full-batch gradient step of logistic regression: 1,000,000 rows of 20 numbers, float32.

The rows are 80 MB: one pass over them takes about 2 ms, and two are needed unless the work goes by blocks.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .harness import (
    BY_HAND,
    COMPILED,
    JAX,
    TORCH,
    TORCH_COMPILED,
    Bar,
    Result,
    Step,
    compare,
    import_jax,
    ours_compiled,
    torch_compile,
)

ROWS, FEATURES, RATE = 1_000_000, 20, 0.1
BLOCK = 8192


@functools.cache
def data() -> tuple[np.ndarray, np.ndarray]:
    """Return rows and labels of 0 and 1."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    return x, (x @ rng.normal(size=FEATURES) + rng.normal(size=ROWS) > 0).astype(np.float32)


def start() -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias; not 0, where some forms of the loss have a kink."""
    return np.random.default_rng(1).normal(0, 0.1, FEATURES).astype(np.float32), np.full((), 0.1, np.float32)


def ours(backend: str | None, **settings: Any) -> Step:
    """Return our step."""
    from autograd_nn import Value, compile, zero_grad
    from autograd_nn.losses import binary_cross_entropy

    x, y = data()
    w, b = parameters = [Value(a) for a in start()]

    def train(x: Any, y: Any) -> Any:
        zero_grad(*parameters)
        loss = binary_cross_entropy(x @ w + b, y)
        loss.backward(retain="leaves")
        for p in parameters:
            p.data = p.data - RATE * p.grad
        return loss

    if backend is not None:
        train = compile(train, backend=backend, **settings)
    return lambda: [train(x, y), w, b]


def torch() -> Step:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    torch.set_num_threads(1)
    x, y = map(torch.from_numpy, data())
    w, b = parameters = [torch.tensor(a, requires_grad=True) for a in start()]
    optimizer = torch.optim.SGD(parameters, lr=RATE)

    def step() -> Any:
        loss = cross_entropy(x @ w + b, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return [loss, w, b]

    return step


def torch_compiled() -> Step:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    torch.set_num_threads(1)
    x, y = map(torch.from_numpy, data())
    w, b = map(torch.tensor, start())
    gradient = torch.func.grad_and_value(lambda p, x, y: cross_entropy(x @ p[0] + p[1], y))

    @torch_compile()
    def train(w: Any, b: Any, x: Any, y: Any) -> Any:
        (dw, db), loss = gradient((w, b), x, y)
        w.sub_(RATE * dw)
        b.sub_(RATE * db)
        return loss

    return lambda: [train(w, b, x, y), w, b]


def jax() -> Step:
    jax = import_jax()
    jnp = jax.numpy

    def loss(p: Any, x: Any, y: Any) -> Any:
        z = x @ p[0] + p[1]
        return jnp.mean(jnp.maximum(z, 0) - y * z + jnp.log1p(jnp.exp(-jnp.abs(z))))  # faster than softplus

    @jax.jit
    def train(p: Any, x: Any, y: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(p, x, y)
        return value, [a - RATE * g for a, g in zip(p, gradient, strict=True)]

    x, y = map(jnp.asarray, data())
    p = [jnp.asarray(a) for a in start()]

    def step() -> Any:
        nonlocal p
        value, p = train(p, x, y)
        value.block_until_ready()
        return [value, *p]

    return step


def by_hand() -> Step:
    """NumPy, in blocks: the second product finds the rows in the cache."""
    x, y = data()
    w, b = start()
    buffers = np.empty((3, BLOCK), np.float32)
    part = np.empty(FEATURES, np.float32)

    def step() -> Any:
        nonlocal w, b
        total, dw, db = 0.0, np.zeros(FEATURES), 0.0
        for i in range(0, ROWS, BLOCK):
            rows, labels = x[i : i + BLOCK], y[i : i + BLOCK]
            h, t, s = buffers[:, : len(rows)]
            np.dot(rows, w, out=h)
            np.add(h, b, out=h)
            np.multiply(h, 0.5, out=h)  # half of z
            total -= 2 * np.dot(labels, h)
            np.tanh(h, out=t)
            np.abs(h, out=s)
            np.add(h, s, out=h)
            total += np.add.reduce(h)
            np.abs(t, out=s)  # log(1 + exp(-|z|)) is log 2 - log(1 + |tanh(z / 2)|)
            np.add(s, 1, out=s)
            np.log(s, out=s)
            total -= np.add.reduce(s)
            np.multiply(t, 0.5, out=s)
            np.add(s, 0.5, out=s)  # sigmoid
            np.subtract(s, labels, out=s)
            db += np.add.reduce(s)
            dw += np.dot(s, rows, out=part)
        w = w - (RATE / ROWS * dw).astype(np.float32)
        b = np.float32(b - RATE / ROWS * db)
        return [total / ROWS + np.log(2), w, b]

    return step


def run(*, quick: bool) -> Result:
    """Measure."""
    return compare(
        f"Logistic regression: {ROWS:,} × {FEATURES}, full-batch step, float32.",
        ours_compiled(ours) | {JAX: jax, TORCH: torch, TORCH_COMPILED: torch_compiled, BY_HAND: by_hand},
        quick=quick,
        rtol=1e-3,  # sums of a million numbers
        bars=[Bar(0.8, (JAX, TORCH, TORCH_COMPILED))],
        ours=COMPILED,
        rounds=11,
        checked=2,
    )

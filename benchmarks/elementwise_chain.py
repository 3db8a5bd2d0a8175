"""Twelve elementwise ops with three exponentials, their sum and its gradient, for 1e3, 1e5 and 1e7 elements, float32.

What counts is how often memory is passed over, and at which speed exponentials are computed.
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
    AbsentError,
    Bar,
    Result,
    Step,
    compare,
    import_jax,
    ours_compiled,
    torch_compile,
)

SIZES = {1000: 0.35, 100_000: 0.6, 10_000_000: 0.5}
"""Elements, and how many times JAX's time ours may be."""
BLOCK = 8192


def data(size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=size).astype(np.float32)


def chain(x: Any, tanh: Any, sigmoid: Any, exp: Any) -> Any:
    """Return the result of the ops, in any library."""
    a = tanh(0.5 * x + 1.0)
    s = sigmoid(a * x)
    d = s - a
    e = exp(-(d * d))
    y = e * s + a
    return (y * y).sum()


def function() -> Any:
    """Return ours."""
    from autograd_nn.functions import sigmoid

    return lambda x: chain(x, np.tanh, sigmoid, np.exp)


def ours(size: int, backend: str | None, **settings: Any) -> Step:
    """Return our step: value and gradient."""
    from autograd_nn import Value, compile, value_and_grad

    f, x = function(), data(size)
    if backend is not None:
        both = compile(value_and_grad(f), backend=backend, **settings)
        return lambda: both(x)
    value = Value(x)

    def step() -> Any:
        value.zero_grad()
        out = f(value)
        out.backward(retain="leaves")
        return [out, value.grad]

    return step


def torch(size: int) -> Step:
    import torch

    torch.set_num_threads(1)
    x = torch.tensor(data(size), requires_grad=True)

    def step() -> Any:
        x.grad = None
        out = chain(x, torch.tanh, torch.sigmoid, torch.exp)
        out.backward()
        return [out, x.grad]

    return step


def torch_compiled(size: int) -> Step:
    import torch

    torch.set_num_threads(1)
    x = torch.tensor(data(size))
    gradient = torch_compile()(torch.func.grad_and_value(lambda x: chain(x, torch.tanh, torch.sigmoid, torch.exp)))
    return lambda: gradient(x)[::-1]


def jax(size: int) -> Step:
    jax = import_jax()
    jnp = jax.numpy

    x = jnp.asarray(data(size))
    both = jax.jit(jax.value_and_grad(lambda x: chain(x, jnp.tanh, jax.nn.sigmoid, jnp.exp)))
    return lambda: jax.block_until_ready(both(x))


def autograd(size: int) -> Step:
    """HIPS autograd."""
    import autograd
    import autograd.numpy as anp

    if size > 1e6:
        raise AbsentError("takes seconds")
    x = data(size)
    both = autograd.value_and_grad(lambda x: anp.sum(chain(x, anp.tanh, lambda z: 1 / (1 + anp.exp(-z)), anp.exp)))
    return lambda: both(x)


def by_hand(size: int) -> Step:
    """NumPy, in blocks that stay in the cache; the gradient goes into the same array each time."""
    x, gradient = data(size), np.empty(size, np.float32)
    buffers = np.empty((8, min(size, BLOCK)), np.float32)

    def step() -> Any:
        total = 0.0
        for i in range(0, size, BLOCK):
            part, g = x[i : i + BLOCK], gradient[i : i + BLOCK]
            a, s, d, e, y, u, v, w = buffers[:, : part.size]
            np.multiply(part, 0.5, out=a)
            np.add(a, 1.0, out=a)
            np.tanh(a, out=a)
            np.multiply(a, part, out=s)
            np.negative(s, out=s)
            np.exp(s, out=s)
            np.add(s, 1, out=s)
            np.divide(1, s, out=s)
            np.subtract(s, a, out=d)
            np.multiply(d, d, out=e)
            np.negative(e, out=e)
            np.exp(e, out=e)
            np.multiply(e, s, out=y)
            np.add(y, a, out=y)
            total += np.dot(y, y)
            np.add(y, y, out=y)  # dy
            np.multiply(y, s, out=u)
            np.multiply(u, e, out=u)
            np.multiply(u, d, out=u)
            np.multiply(u, -2, out=u)  # dd
            np.multiply(y, e, out=v)
            np.add(v, u, out=v)  # ds
            np.multiply(s, s, out=w)
            np.subtract(s, w, out=w)
            np.multiply(v, w, out=v)  # of a x
            np.subtract(y, u, out=y)
            np.multiply(v, part, out=w)
            np.add(y, w, out=y)  # da
            np.multiply(v, a, out=g)
            np.multiply(a, a, out=w)
            np.subtract(1, w, out=w)
            np.multiply(w, y, out=w)
            np.multiply(w, 0.5, out=w)
            np.add(g, w, out=g)
        return [total, gradient]

    return step


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    results = []
    for size, factor in SIZES.items():
        peers = {
            JAX: functools.partial(jax, size),
            TORCH: functools.partial(torch, size),
            TORCH_COMPILED: functools.partial(torch_compiled, size),
            "HIPS autograd": functools.partial(autograd, size),
            BY_HAND: functools.partial(by_hand, size),
        }
        results.append(
            compare(
                f"Elementwise chain: 12 ops, sum and gradient, {size:,} elements, float32.",
                ours_compiled(functools.partial(ours, size)) | peers,
                quick=quick,
                rtol=1e-4,
                bars=[Bar(factor, (JAX,))],
                ours=COMPILED,
                rounds=5 if size > 1e6 else 21,
            )
        )
    return results

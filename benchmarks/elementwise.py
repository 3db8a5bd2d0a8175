"""A chain of elementwise functions with broadcasting: tanh-GELU of a scaled and shifted array, its mean and gradients.

100,000 elements of float32. What counts is how often memory is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .harness import Result, Step, compare, import_jax

SHAPE = (1000, 100)
ROOT = math.sqrt(2 / math.pi)


def data() -> list[np.ndarray]:
    """Return x (1000, 100), scale (100,) and shift (1000, 1)."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in (SHAPE, SHAPE[1:], (SHAPE[0], 1))]


def loss(x: Any, scale: Any, shift: Any, tanh: Callable[[Any], Any], mean: Callable[[Any], Any]) -> Any:
    """Return the mean of gelu(x scale + shift), in any library."""
    z = x * scale + shift
    return mean(0.5 * z * (1.0 + tanh(ROOT * (z + 0.044715 * (z * z * z)))))


def ours() -> Step:
    from autograd_nn import Value

    values = [Value(a) for a in data()]

    def step() -> Any:
        for v in values:
            v.zero_grad()
        out = loss(*values, np.tanh, np.mean)
        out.backward(retain="leaves")
        return [out.data, *(v.grad for v in values)]

    return step


def torch() -> Step:
    import torch

    torch.set_num_threads(1)
    values = [torch.tensor(a, requires_grad=True) for a in data()]

    def step() -> Any:
        for v in values:
            v.grad = None
        out = loss(*values, torch.tanh, torch.mean)
        out.backward()
        return [out.detach(), *(v.grad for v in values)]

    return step


def autograd() -> Step:
    import autograd
    import autograd.numpy as anp

    arrays = data()
    gradient = autograd.value_and_grad(lambda arrays: loss(*arrays, anp.tanh, anp.mean))
    return lambda: gradient(arrays)


def jax() -> Step:
    jax = import_jax()
    jnp = jax.numpy

    arrays = [jnp.asarray(a) for a in data()]
    gradient = jax.jit(jax.value_and_grad(lambda arrays: loss(*arrays, jnp.tanh, jnp.mean)))
    return lambda: jax.block_until_ready(gradient(arrays))


def by_hand() -> Step:
    x, scale, shift = data()

    def step() -> Any:
        z = x * scale + shift
        cube = z * z
        t = np.tanh(ROOT * (z + 0.044715 * (cube * z)))
        value = (0.5 * z * (1.0 + t)).mean()
        g = 0.5 * (1.0 + t) + (0.5 * ROOT) * z * (1.0 - t * t) * (1.0 + (3 * 0.044715) * cube)
        g /= z.size
        return [value, g * scale, (g * x).sum(axis=0), g.sum(axis=1, keepdims=True)]

    return step


def run(*, quick: bool) -> Result:
    """Measure."""
    return compare(
        f"Elementwise: mean of tanh-GELU(x · scale + shift), x {SHAPE}, float32; value and all gradients.",
        {
            "autograd_nn": ours,
            "torch eager": torch,
            "HIPS autograd": autograd,
            "JAX jit": jax,
            "NumPy by hand": by_hand,
        },
        quick=quick,
        rtol=1e-4,
    )

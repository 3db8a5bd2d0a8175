"""Second derivatives of Rosenbrock's function: Hessian times vector for 10 and 1000 variables, Hessian for 50."""

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

SIZES, HESSIAN = (10, 1000), 50


def rosenbrock(x: Any) -> Any:
    """Return the function, in any library."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def data(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a point and a direction."""
    x, v = np.random.default_rng(0).normal(size=(2, size)).astype(np.float32)
    return x, v


def ours(size: int, full: bool, backend: str | None, **settings: Any) -> Step:
    """Return our step."""
    from autograd_nn import compile, hessian, hvp

    f: Any = hessian(rosenbrock) if full else hvp(rosenbrock)
    if backend is not None:
        f = compile(f, backend=backend, **settings)
    x, v = data(size)
    return (lambda: f(x)) if full else (lambda: f(x, v))


def torch(size: int, full: bool) -> Step:
    """Double backward; torch.func for the Hessian."""
    import torch

    torch.set_num_threads(1)
    x, v = map(torch.from_numpy, data(size))
    if full:
        h = torch.func.hessian(rosenbrock)
        return lambda: h(x)
    x.requires_grad_()

    def step() -> Any:
        (g,) = torch.autograd.grad(rosenbrock(x), x, create_graph=True)
        return torch.autograd.grad(g, x, v)[0]

    return step


def torch_compiled(size: int, full: bool) -> Step:
    import torch

    torch.set_num_threads(1)
    x, v = map(torch.from_numpy, data(size))
    if full:
        h = torch_compile()(torch.func.hessian(rosenbrock))
        return lambda: h(x)

    @torch_compile()
    def product(x: Any, v: Any) -> Any:
        return torch.func.jvp(torch.func.grad(rosenbrock), (x,), (v,))[1]

    return lambda: product(x, v)


def jax(size: int, full: bool) -> Step:
    jax = import_jax()
    jnp = jax.numpy

    x, v = map(jnp.asarray, data(size))
    if full:
        h = jax.jit(jax.hessian(rosenbrock))
        return lambda: h(x).block_until_ready()
    product = jax.jit(lambda x, v: jax.jvp(jax.grad(rosenbrock), (x,), (v,))[1])
    return lambda: product(x, v).block_until_ready()


def by_hand(size: int, full: bool) -> Step:
    """NumPy: the Hessian has three diagonals; the result is fresh, the rest is used again."""
    x, v = data(size)
    diagonal, work, beside = np.empty(size, np.float32), np.empty(size - 1, np.float32), np.empty(size - 1, np.float32)
    where = [np.arange(0, size * size, size + 1), np.arange(1, size * size - 1, size + 1)]

    def curvature() -> None:
        """Write the diagonal and the one beside it: 1200 x² - 400 x' + 2 (+ 200), -400 x."""
        left, right = x[:-1], x[1:]
        np.multiply(left, -400, out=beside)
        np.multiply(beside, left, out=work)
        np.multiply(work, -3, out=work)
        np.add(work, 2, out=diagonal[:-1])
        np.multiply(right, 400, out=work)
        np.subtract(diagonal[:-1], work, out=diagonal[:-1])
        diagonal[-1] = 0
        np.add(diagonal[1:], 200, out=diagonal[1:])

    def product() -> Any:
        curvature()
        out = diagonal * v
        np.multiply(beside, v[1:], out=work)
        np.add(out[:-1], work, out=out[:-1])
        np.multiply(beside, v[:-1], out=work)
        np.add(out[1:], work, out=out[1:])
        return out

    def matrix() -> Any:
        curvature()
        out = np.zeros((size, size), np.float32)
        flat = out.reshape(-1)
        flat[where[0]] = diagonal
        flat[where[1]] = beside
        flat[where[1] + size - 1] = beside
        return out

    return matrix if full else product


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    results = []
    for size, full in [*((size, False) for size in SIZES), (HESSIAN, True)]:
        makers = {JAX: jax, TORCH: torch, TORCH_COMPILED: torch_compiled, BY_HAND: by_hand}
        results.append(
            compare(
                f"Rosenbrock, {'Hessian' if full else 'Hessian times vector'}, {size} variables, float32.",
                ours_compiled(functools.partial(ours, size, full))
                | {name: functools.partial(make, size, full) for name, make in makers.items()},
                quick=quick,
                rtol=1e-5,
                bars=[Bar(1.0, (JAX,))],
                ours=COMPILED,
            )
        )
    return results

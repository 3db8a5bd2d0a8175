"""A network of scalars, as in micrograd's demo: 2-16-16-1, relu, 100 points, one loss; forward, backward, SGD.

About 70,000 nodes, each one number. What counts here is what a node costs, in time and to the garbage collector.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from .harness import COMPILED, Bar, Result, Step, compare, judge

SIZES = (2, 16, 16, 1)
LEARNING_RATE = 1e-4  # so small that a thousand steps stay where numbers are ordinary


def data(points: int, sizes: Sequence[int] = SIZES) -> tuple[list[list[float]], list[float], list[list[list[float]]]]:
    """Return points, targets of ±1 and, for each layer and neuron, its weights and at the end its bias."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (points, 2))
    y = np.where(np.hypot(*x.T) < 0.7, 1.0, -1.0)
    layers = [rng.uniform(-1, 1, (n, m + 1)) for m, n in pairwise(sizes)]
    return x.tolist(), y.tolist(), [layer.tolist() for layer in layers]


def loss(x: list[list[float]], y: list[float], layers: Any) -> Any:
    """Return the mean squared error, in any library's scalars."""
    total = 0.0
    for point, target in zip(x, y, strict=True):
        values: list[Any] = point
        for i, layer in enumerate(layers):
            made = []
            for *weights, out in layer:
                for w, v in zip(weights, values, strict=True):
                    out = out + w * v
                made.append(out if i == len(layers) - 1 else out.relu())
            values = made
        total = total + (values[0] - target) ** 2
    return total * (1.0 / len(x))


def flat(layers: Any) -> Iterator[Any]:
    return (w for layer in layers for neuron in layer for w in neuron)


class Numbers:
    """Numbers that are read only where they are compared, not where a step is timed."""

    def __init__(self, read: Callable[[], list[Any]]) -> None:
        self.read = read

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.concatenate([np.ravel(x) for x in self.read()]).astype(dtype)


def contestant(points: int, make: Callable[[float], Any], backward: Callable[[Any], None], update: Any) -> Step:
    """The step in any library's scalars."""
    x, y, numbers = data(points)
    layers = [[[make(w) for w in neuron] for neuron in layer] for layer in numbers]
    parameters = list(flat(layers))

    def step() -> Numbers:
        for w in parameters:
            w.grad = zero
        out = loss(x, y, layers)
        backward(out)
        update(parameters)
        return Numbers(lambda: [float(w.data) for w in parameters])

    zero = make(1.0).grad  # None, or micrograd's 0
    return step


def compiled(points: int, sizes: Sequence[int] = SIZES, *, native: bool = True) -> Step:
    """The same step, recorded once, with and without Numba. The first call is made here."""
    from autograd_nn import Value, compile
    from autograd_nn.compiler import tape

    x, y, numbers = data(points, sizes)
    layers = [[[Value(w) for w in neuron] for neuron in layer] for layer in numbers]
    parameters = list(flat(layers))

    @compile
    def train(x: Any, y: Any, rate: float) -> Any:
        for w in parameters:
            w.grad = None
        out = loss(x, y, layers)
        out.backward()
        for w in parameters:
            w.data = w.data - rate * w.grad
        return out

    def step() -> Numbers:
        train(x, y, LEARNING_RATE)
        return Numbers(lambda: [w.data for w in parameters])

    with patched(tape, native):
        start = time.perf_counter()
        plan = train.plan(x, y, LEARNING_RATE)
        step.first, step.plan = time.perf_counter() - start, plan  # type: ignore[attr-defined]
    return step


@contextmanager
def patched(tape: Any, native: bool) -> Iterator[None]:
    """Let the tape believe that Numba is not installed."""
    available = tape.available
    if not native:
        tape.available = lambda: False
    try:
        yield
    finally:
        tape.available = available


def run(*, quick: bool) -> Result:
    """Measure."""
    points = 100

    def descend(parameters: list[Any]) -> None:
        for w in parameters:
            w.data = w.data - LEARNING_RATE * w.grad

    def ours() -> Step:
        from autograd_nn import Value

        return contestant(points, Value, lambda out: out.backward(), descend)

    def ours_training() -> Step:
        from autograd_nn import Value

        return contestant(points, Value, lambda out: out.backward(retain="leaves"), descend)

    made: dict[bool, Any] = {}

    def ours_compiled(native: bool) -> Step:
        if native:
            importlib.import_module("numba")
        made[native] = compiled(points, native=native)
        return made[native]

    def micrograd() -> Step:
        from micrograd.engine import Value

        sys.setrecursionlimit(10_000)  # its backward recurses along the longest path
        return contestant(points, Value, lambda out: out.backward(), descend)

    def torch() -> Step:
        import torch

        torch.set_num_threads(1)

        def make(w: float) -> Any:
            return torch.tensor(w, dtype=torch.float64, requires_grad=True)

        @torch.no_grad()
        def descend(parameters: list[Any]) -> None:
            for w in parameters:
                w -= LEARNING_RATE * w.grad

        return contestant(points, make, lambda out: out.backward(), descend)

    def arrays() -> tuple[Any, Any, list[tuple[Any, Any]]]:
        x, y, numbers = data(points)
        layers = [np.array(layer) for layer in numbers]
        return np.array(x), np.array(y)[:, None], [(np.ascontiguousarray(w[:, :-1].T), w[:, -1].copy()) for w in layers]

    def in_order(parameters: Any) -> Numbers:
        return Numbers(lambda: [np.column_stack([w.T, b]) for w, b in parameters])

    def tensors() -> Step:
        from autograd_nn import losses, nn, optim

        x, y, layers = arrays()
        model = nn.MLP(SIZES, dtype=float)
        for layer, (w, b) in zip(model.layers, layers, strict=True):
            layer.weight.data, layer.bias.data = w, b
        optimizer = optim.SGD(model.parameters(), LEARNING_RATE)

        def step() -> Numbers:
            optimizer.zero_grad()
            losses.mse(model(x), y).backward(retain="leaves")
            optimizer.step()
            return in_order((layer.weight.data, layer.bias.data) for layer in model.layers)

        return step

    def by_hand() -> Step:
        x, y, layers = arrays()
        (w0, b0), (w1, b1), (w2, b2) = layers

        def step() -> Numbers:
            z0 = x @ w0 + b0
            h0 = np.maximum(z0, 0)
            z1 = h0 @ w1 + b1
            h1 = np.maximum(z1, 0)
            residual = h1 @ w2 + b2 - y
            (residual * residual).mean()
            g = 2 / points * residual
            g1 = g @ w2.T * (z1 > 0)
            g0 = g1 @ w1.T * (z0 > 0)
            for (w, b), h, d in zip(layers, (x, h0, h1), (g0, g1, g), strict=True):
                w -= LEARNING_RATE * (h.T @ d)
                b -= LEARNING_RATE * d.sum(0)
            return in_order(layers)

        return step

    result = compare(
        f"Scalar graph: {'-'.join(map(str, SIZES))} network of numbers, {points} points; forward, backward, SGD.",
        {
            "autograd_nn": ours,
            "autograd_nn, backward(retain='leaves')": ours_training,
            COMPILED: lambda: ours_compiled(True),
            "autograd_nn, compile, without Numba": lambda: ours_compiled(False),
            "micrograd": micrograd,
            "torch, 0-dim tensors": torch,
            "autograd_nn, the same as tensors: nn.MLP": tensors,
            "NumPy by hand, tensors": by_hand,
        },
        quick=quick,
        rtol=1e-9,
        bars=[Bar(0.5, ("micrograd",))],
        rounds=9,
    )
    seconds = {row.name: row.seconds for row in result.rows}
    for native, step in made.items():
        name = f"{len(step.plan.program):,} instructions, {'with' if native else 'without'} Numba"
        result.verdicts.append(f"first call, which records and plans {name}: {step.first:.1f} s")
    peer, ours_too = seconds["micrograd"], seconds[COMPILED]
    if peer and ours_too:
        ratio = ours_too / peer
        result.verdicts.append(
            f"bar for {COMPILED}: at most 0.005 × micrograd; measured {ratio:.5f} ×: {judge(ratio, 0.005)}"
        )
    return result

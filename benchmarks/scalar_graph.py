"""A network of scalars, as in micrograd's demo: 2-16-16-1, relu, 100 points, one loss; forward and backward.

About 70,000 nodes, each one number. What counts here is what a node costs, in time and to the garbage collector.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from .harness import Bar, Result, Step, compare

SIZES = (2, 16, 16, 1)


def data(points: int) -> tuple[list[list[float]], list[float], list[list[list[float]]]]:
    """Return points, targets of ±1 and, for each layer and neuron, its weights and at the end its bias."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (points, 2))
    y = np.where(np.hypot(*x.T) < 0.7, 1.0, -1.0)
    layers = [rng.uniform(-1, 1, (n, m + 1)) for m, n in pairwise(SIZES)]
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


def join(layers: Any) -> list[float]:
    return np.concatenate([layer.ravel() for layer in layers]).tolist()


def contestant(points: int, make: Callable[[float], Any], gradient: Callable[[Any], float], backward: Any) -> Step:
    x, y, numbers = data(points)
    layers = [[[make(w) for w in neuron] for neuron in layer] for layer in numbers]

    def step() -> list[float]:
        for w in flat(layers):
            w.grad = zero
        out = loss(x, y, layers)
        backward(out)
        return [gradient(w) for w in flat(layers)]

    zero = make(1.0).grad  # None, or micrograd's 0
    return step


def run(*, quick: bool) -> Result:
    """Measure."""
    points = 100

    def ours() -> Step:
        from autograd_nn import Value

        return contestant(points, Value, lambda w: w.grad, lambda out: out.backward())

    def ours_training() -> Step:
        from autograd_nn import Value

        return contestant(points, Value, lambda w: w.grad, lambda out: out.backward(retain="leaves"))

    def micrograd() -> Step:
        from micrograd.engine import Value

        sys.setrecursionlimit(10_000)  # its backward recurses along the longest path
        return contestant(points, Value, lambda w: w.grad, lambda out: out.backward())

    def torch() -> Step:
        import torch

        torch.set_num_threads(1)

        def make(w: float) -> Any:
            return torch.tensor(w, dtype=torch.float64, requires_grad=True)

        return contestant(points, make, lambda w: w.grad.item(), lambda out: out.backward())

    def arrays() -> tuple[Any, Any, list[tuple[Any, Any]]]:
        x, y, numbers = data(points)
        layers = [np.array(layer) for layer in numbers]
        return np.array(x), np.array(y)[:, None], [(np.ascontiguousarray(w[:, :-1].T), w[:, -1].copy()) for w in layers]

    def in_order(gradients: Any) -> list[Any]:
        return [np.column_stack([w.T, b]) for w, b in gradients]

    def tensors() -> Step:
        from autograd_nn import losses, nn

        x, y, layers = arrays()
        model = nn.MLP(SIZES, dtype=float)
        for layer, (w, b) in zip(model.layers, layers, strict=True):
            layer.weight.data, layer.bias.data = w, b
        parameters = model.parameters()

        def step() -> list[float]:
            for p in parameters:
                p.grad = None
            losses.mse(model(x), y).backward(retain="leaves")
            return join(in_order((layer.weight.grad, layer.bias.grad) for layer in model.layers))

        return step

    def by_hand() -> Step:
        x, y, layers = arrays()
        (w0, b0), (w1, b1), (w2, b2) = layers

        def step() -> list[float]:
            z0 = x @ w0 + b0
            h0 = np.maximum(z0, 0)
            z1 = h0 @ w1 + b1
            h1 = np.maximum(z1, 0)
            residual = h1 @ w2 + b2 - y
            (residual * residual).mean()
            g = 2 / points * residual
            g1 = g @ w2.T * (z1 > 0)
            g0 = g1 @ w1.T * (z0 > 0)
            return join(in_order([(x.T @ g0, g0.sum(0)), (h0.T @ g1, g1.sum(0)), (h1.T @ g, g.sum(0))]))

        return step

    return compare(
        f"Scalar graph: {'-'.join(map(str, SIZES))} network of single numbers, {points} points, forward and backward.",
        {
            "autograd_nn": ours,
            "autograd_nn, backward(retain='leaves')": ours_training,
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

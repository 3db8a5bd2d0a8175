"""How the time of a compiled step grows: with the numbers of a scalar graph, 1e2 to 1e6, and with a network's layers.

Linear is what is wanted: what a number, or a layer, costs does not depend on how many there are. So the table says what
one costs, in a step and in the first call, which records.
"""

from __future__ import annotations

import gc
import importlib
import math
import statistics
import time
from typing import Any, NamedTuple

import numpy as np

from .harness import Result, Row, Step, calibrate, clock
from .scalar_graph import compiled
from .table import duration

SCALAR = (((2, 2, 1), 2), ((2, 4, 1), 16), ((2, 16, 16, 1), 5), ((2, 16, 16, 1), 54), ((2, 16, 16, 1), 540))
"""Sizes of networks of single numbers, and points: about 1e2, 1e3, 1e4, 1e5, 1e6 instructions a step."""
LAYERS = (1, 10, 100, 1000)
WIDTH, BATCH, LEARNING_RATE = 32, 32, 1e-3


class Measured(NamedTuple):
    """A step of some size."""

    kind: str
    plan: str
    size: int  # numbers, or layers
    unit: str
    seconds: float
    spread: float
    first: float  # seconds of the first call


def deep(layers: int, backend: str) -> Step:
    """A network of so many layers of 32 neurons, a step of SGD; the first call is made here."""
    from autograd_nn import compile, losses, nn, optim

    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(BATCH, WIDTH)).astype(np.float32) for _ in range(2))
    model = nn.MLP([WIDTH] * (layers + 1), rng=0)
    optimizer = optim.SGD(model.parameters(), LEARNING_RATE)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = losses.mse(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = compile(train, backend=backend)
    start = time.perf_counter()
    run(x, y)

    def step() -> Any:
        return run(x, y)

    step.first, step.plan = time.perf_counter() - start, run.plan()  # type: ignore[attr-defined]
    return step


def measure(kind: str, size: int, unit: str, step: Any, *, quick: bool) -> Measured:
    step()  # the first one makes buffers, and loads machine code
    loops = calibrate(step, 0.01 if quick else 0.05)
    samples = []
    for _ in range(3 if quick else 9):
        gc.collect()
        samples.append(clock(step, loops))
    low, middle, high = statistics.quantiles(samples, n=4)
    return Measured(kind, step.plan.name, size, unit, middle, (high - low) / 2, step.first)


def run(*, quick: bool) -> Result:
    """Measure."""
    try:
        importlib.import_module("numba")
        ways = {"scalar graph": True, "scalar graph, without Numba": False}
    except ImportError:
        ways = {"scalar graph, without Numba": False}
    found = []
    for kind, native in ways.items():
        for sizes, points in SCALAR[: 4 if quick else None]:
            step: Any = compiled(points, sizes, native=native)
            found.append(measure(kind, len(step.plan.program), "number", step, quick=quick))
            print("  " + ", ".join(said(found[-1])), flush=True)
    for backend in ("numpy", "auto"):
        for layers in LAYERS[: 3 if quick else None]:
            kind = f"layers of {WIDTH}, backend {backend!r}"
            found.append(measure(kind, layers, "layer", deep(layers, backend), quick=quick))
            print("  " + ", ".join(said(found[-1])), flush=True)
    lines = ["| | step | ± | each | first call, each |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {' | '.join(said(m))} |" for m in found]
    verdicts = [slope([m for m in found if m.kind == kind]) for kind in dict.fromkeys(m.kind for m in found)]
    title = "Growth of a compiled step (forward, backward, SGD), and of its first call."
    return Result(title, list[Row](), verdicts, text="\n".join(lines))


def said(m: Measured) -> tuple[str, ...]:
    """Return name and durations: of a step, its spread, of one number or layer, and of one in the first call."""
    name = f"{m.kind}, {m.size:,} {m.unit}{'s' * (m.size > 1)} ({m.plan})"
    return name, *map(duration, (m.seconds, m.spread, m.seconds / m.size, m.first / m.size))


def slope(found: list[Measured]) -> str:
    """Return the exponent of growth over the upper half of the sizes."""
    large, small = found[-1], found[len(found) // 2 - 1]

    def exponent(y: float, x: float) -> float:
        return math.log(y / x) / math.log(large.size / small.size)

    return (
        f"{large.kind}: from {small.size:,} to {large.size:,} {large.unit}s a step grows as "
        f"n^{exponent(large.seconds, small.seconds):.2f}, the first call as n^{exponent(large.first, small.first):.2f}"
    )

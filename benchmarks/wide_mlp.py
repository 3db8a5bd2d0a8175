"""A training step of a wide network: 784-512-256-10, relu, batch of 128, float32; forward, backward, Adam.

The matrix products take most of the time; the rest is memory: Adam passes over 535,818 parameters and their two states.
"""

from __future__ import annotations

from .harness import COMPILED, JAX, TORCH, TORCH_COMPILED, TORCH_FUSED, Bar, Result, Step, compare, ours_compiled
from .mlp import by_hand, task
from .training import Task, ours, peers

SIZES, BATCH = (784, 512, 256, 10), 128


def make() -> Task:
    return task(SIZES, BATCH, "relu", "Adam", 1e-3)


def contestant(backend: str | None) -> Step:
    """Return our step."""
    return ours(make(), backend)


def run(*, quick: bool) -> Result:
    """Measure."""
    network = make()
    return compare(
        f"Wide MLP: {'-'.join(map(str, SIZES))}, relu, cross entropy, batch {BATCH}, float32; forward, backward, Adam.",
        ours_compiled(contestant) | peers(network, lambda: by_hand(network, "relu")),
        quick=quick,
        rtol=2e-3,  # Adam divides small gradients by small numbers
        bars=[Bar(1.0, (JAX, TORCH, TORCH_FUSED, TORCH_COMPILED))],
        ours=COMPILED,
        checked=3,
    )

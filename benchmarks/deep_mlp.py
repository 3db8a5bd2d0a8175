"""A training step of a deep network: 784-5×128-10, tanh, batch of 64, float32; forward, backward, SGD with momentum.

Many products of middle size, and much around them: about 60 µs of arithmetic for each of the 18.
"""

from __future__ import annotations

from .harness import COMPILED, JAX, TORCH, TORCH_COMPILED, TORCH_FUSED, Bar, Result, Step, compare, ours_compiled
from .mlp import by_hand, task
from .training import Task, ours, peers

SIZES, BATCH = (784, *[128] * 5, 10), 64


def make() -> Task:
    return task(SIZES, BATCH, "tanh", "Momentum", 0.01)


def contestant(backend: str | None) -> Step:
    """Return our step."""
    return ours(make(), backend)


def run(*, quick: bool) -> Result:
    """Measure."""
    network = make()
    return compare(
        f"Deep MLP: 784-5×128-10, tanh, cross entropy, batch {BATCH}, float32; forward, backward, momentum.",
        ours_compiled(contestant) | peers(network, lambda: by_hand(network, "tanh")),
        quick=quick,
        rtol=1e-4,
        bars=[Bar(1.0, (JAX, TORCH, TORCH_FUSED, TORCH_COMPILED))],
        ours=COMPILED,
        checked=3,
    )

"""A CNN and a large MLP on a GPU, beside PyTorch on the same one: ``python -m benchmarks.gpu``.

Correctness first: losses of some steps, in single precision and with products in bfloat16, beside NumPy's; then the
time of a step. Without a GPU it says so and stops; ``--quick`` runs smaller networks on whatever there is, to try the
script out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PRECISIONS = ("float32", "bfloat16")
TOLERANCE = {"float32": 2e-3, "bfloat16": 5e-2}  # of losses, relative, after some steps
STEPS = 5
RATE = 0.01


def networks(quick: bool) -> dict[str, tuple[list[Any], tuple[int, ...]]]:
    """Layers as plain text, for both libraries, and the shape of a batch."""
    if quick:
        return {
            "CNN": ([("conv", 1, 4), "relu", "pool", "flatten", ("linear", 4 * 7 * 7, 10)], (16, 1, 16, 16)),
            "large MLP": ([("linear", 64, 128), "relu", ("linear", 128, 10)], (32, 64)),
        }
    cnn = [("conv", 3, 64), "relu", ("conv", 64, 64), "relu", "pool", ("conv", 64, 128), "relu", ("conv", 128, 128)]
    cnn += ["relu", "pool", "flatten", ("linear", 128 * 5 * 5, 10)]
    mlp = [("linear", 4096, 8192), "relu", ("linear", 8192, 8192), "relu", ("linear", 8192, 1000)]
    return {"CNN": (cnn, (512, 3, 32, 32)), "large MLP": (mlp, (2048, 4096))}


def ours(layers: list[Any]) -> Any:
    from autograd_nn import nn

    made: list[Any] = []
    for seed, layer in enumerate(layers):
        kind, *size = layer if isinstance(layer, tuple) else (layer,)
        made.append({
            "conv": lambda size=size, seed=seed: nn.Conv2d(*size, 3, rng=seed),
            "linear": lambda size=size, seed=seed: nn.Linear(*size, rng=seed),
            "relu": nn.ReLU, "pool": lambda: nn.MaxPool2d(2), "flatten": nn.Flatten,
        }[kind]())  # fmt: skip
    return nn.Sequential(*made)


Step = Callable[[], float]


def our_step(layers: list[Any], x: np.ndarray, y: np.ndarray, backend: str | None, precision: str) -> Step:
    """A training step; None is NumPy without a plan."""
    from autograd_nn import compile, optim
    from autograd_nn.losses import cross_entropy

    model = ours(layers)
    optimizer = optim.SGD(model.parameters(), RATE)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if backend is None:
        return lambda: step(x, y).item()
    import jax

    run = compile(step, backend=backend)
    exact = "highest" if precision == "float32" else "bfloat16"

    def timed() -> float:
        with jax.default_matmul_precision(exact):
            return run(x, y).item()

    return timed


def torch_step(layers: list[Any], x: np.ndarray, y: np.ndarray, precision: str, compiled: bool) -> Step:
    """The same in PyTorch, with our weights."""
    import torch

    from autograd_nn.export import to_torch_state_dict

    device = "cuda" if torch.cuda.is_available() else "cpu"
    made: list[Any] = []
    for layer in layers:
        kind, *size = layer if isinstance(layer, tuple) else (layer,)
        made.append({
            "conv": lambda size=size: torch.nn.Conv2d(*size, 3), "linear": lambda size=size: torch.nn.Linear(*size),
            "relu": torch.nn.ReLU, "pool": lambda: torch.nn.MaxPool2d(2), "flatten": torch.nn.Flatten,
        }[kind]())  # fmt: skip
    net = torch.nn.Sequential(*made)
    net.load_state_dict({k: torch.tensor(v) for k, v in to_torch_state_dict(ours(layers)).items()})
    net = net.to(device)
    torch.set_float32_matmul_precision("highest")
    optimizer = torch.optim.SGD(net.parameters(), RATE)
    inputs, labels = torch.tensor(x, device=device), torch.tensor(y, device=device)
    forward = torch.compile(net) if compiled else net

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = torch.nn.functional.cross_entropy(forward(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def contestants(layers: list[Any], x: np.ndarray, y: np.ndarray, precision: str) -> dict[str, Callable[[], Step]]:
    """Functions that set up a step, by name."""
    return {
        "autograd_nn, backend='xla'": lambda: our_step(layers, x, y, "xla", precision),
        "torch eager": lambda: torch_step(layers, x, y, precision, False),
        "torch.compile": lambda: torch_step(layers, x, y, precision, True),
    }


def compare(name: str, layers: list[Any], shape: tuple[int, ...], precision: str, rounds: int, reference: bool) -> None:
    """Check the losses, then print times."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    classes = layers[-1][-1]
    y = rng.integers(0, classes, shape[0])
    wanted: list[float] | None = None
    if reference:
        eager = our_step(layers, x, y, None, precision)
        wanted = [eager() for _ in range(STEPS)]
    steps = {}
    for who, make in contestants(layers, x, y, precision).items():
        try:
            step = make()
            losses = [step() for _ in range(STEPS)]
        except ImportError as reason:
            print(f"| {name} | {precision} | {who} | skipped: {reason} | |")
            continue
        wanted = wanted or losses
        error = max(abs(a - b) / abs(b) for a, b in zip(losses, wanted, strict=True))
        if error > TOLERANCE[precision]:
            raise SystemExit(f"{name}, {precision}: losses of {who} differ by {error:.2g}: {losses}, wanted {wanted}")
        steps[who] = step, error
    samples: dict[str, list[float]] = {who: [] for who in steps}
    for _ in range(rounds):
        for who, (step, _) in steps.items():
            start = time.perf_counter()
            step()  # it returns a number, so it is over
            samples[who].append(time.perf_counter() - start)
    for who, (_, error) in steps.items():
        print(f"| {name} | {precision} | {who} | {statistics.median(samples[who]) * 1e3:.2f} ms | {error:.1e} |")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small networks, also without a GPU: tries the script out")
    given = parser.parse_args(arguments)
    try:
        import jax
    except ImportError:
        print('skipped: no JAX here: pip install "autograd_nn[xla]" "jax[cuda12]"')
        return 0
    platform = jax.devices()[0].platform
    if platform == "cpu" and not given.quick:
        print("skipped: JAX finds no GPU here, only the CPU. --quick tries the script out on it.")
        return 0
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}\n")
    print("| network | products in | | step | losses differ by |\n|---|---|---|---:|---:|")
    for name, (layers, shape) in networks(given.quick).items():
        for precision in PRECISIONS:
            compare(name, layers, shape, precision, 3 if given.quick else 30, reference=given.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Record once, run at native speed: a training step, a Hessian-vector product and a network of single numbers.

Each is an ordinary function, called eagerly and compiled, to calls of NumPy and to machine code. (That needs Numba;
where it is missing, this part is left out, and says so.) All give the same numbers. What differs is the time, told as a
ratio to eager code; it depends on the machine, and on what else the machine does just then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from autograd_nn import compile, grad, hvp, nn, optim
from autograd_nn.functions import cross_entropy

STEPS, BATCH_SIZE = 300, 32
BACKENDS = ("numpy", "native")
REPEATS = 200

Function = Callable[..., Any]


def seconds(f: Function, *args: Any, repeats: int = REPEATS) -> float:
    """Return the time of a call: the median of many, after two that record, compile and settle."""
    for _ in range(2):
        f(*args)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f(*args)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


# A training step: forward, backward and update of a network for handwritten digits.


def new_step() -> tuple[nn.Module, Function]:
    """Return a network with the same weights as ever, and a function that takes a step."""
    model = nn.MLP([64, 32, 10], rng=0)
    optimizer = optim.SGD(model.parameters(), 0.1)

    def step(x: np.ndarray, y: np.ndarray) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward(retain="leaves")
        optimizer.step()
        return loss

    return model, step


def train(model: nn.Module, step: Function) -> tuple[float, dict[str, np.ndarray]]:
    """Take the same steps as ever; return the accuracy and the weights."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        rows = rng.integers(0, len(images), BATCH_SIZE)
        step(images[rows], labels[rows])
    accuracy = float(np.mean(model(images).data.argmax(axis=1) == labels))
    return accuracy, {name: np.array(p.data) for name, p in model.named_parameters()}


def training_step() -> dict[str, float]:
    """Train the same network in each way; compare weights, then times of a step."""
    accuracy, weights = train(*new_step())
    print(f"{STEPS} steps on handwritten digits, accuracy {accuracy:.3f}")
    batch = np.ones((BATCH_SIZE, 64), np.float32), np.zeros(BATCH_SIZE, int)
    eager = seconds(new_step()[1], *batch)
    result = {"accuracy": accuracy}
    for backend in BACKENDS:
        model, step = new_step()
        compiled = compile(step, backend=backend)
        try:
            accuracy, found = train(model, compiled)
        except ImportError as error:
            print(f"  {backend}: left out. {error}")
            continue
        difference = max(float(np.abs(found[name] - weights[name]).max()) for name in weights)
        ratio = seconds(compiled, *batch) / eager
        print(f"  {backend}: {ratio:.2f} × the time of eager code; weights differ by at most {difference:.1g}")
        result |= {f"{backend}_accuracy": accuracy, f"{backend}_difference": difference, f"{backend}_time": ratio}
    return result


# A second derivative: what an optimizer asks for, without ever forming the Hessian.


def rosenbrock(x: Any) -> Any:
    """A long, bent valley with its minimum at (1, 1, …) (Rosenbrock, 1960)."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def second_derivative() -> dict[str, float]:
    """Multiply a Hessian of 100 × 100 by a vector."""
    point, direction = np.linspace(-1, 1, 100), np.ones(100)
    product = hvp(rosenbrock)
    wanted, eager = product(point, direction), seconds(product, point, direction)
    compiled = compile(product)  # "auto": native code where Numba is installed, else NumPy
    difference = float(np.abs(compiled(point, direction) - wanted).max() / np.abs(wanted).max())
    ratio = seconds(compiled, point, direction) / eager
    print("Hessian-vector product of Rosenbrock's function, 100 numbers")
    print(f"  {compiled.plan().name}: {ratio:.3f} × the time of eager code; relative difference {difference:.1g}")
    return {"hvp_difference": difference, "hvp_time": ratio}


# A graph of single numbers, as in micrograd: every product is a node of its own.


def single_numbers() -> dict[str, Any]:
    """Differentiate the error of a network of 337 numbers at eight points."""
    network = nn.scalar.MLP(2, [16, 16, 1], rng=0)
    points = [[np.cos(t), np.sin(t)] for t in np.arange(8.0)]

    def error(points: list[list[float]]) -> Any:
        network.zero_grad()
        total: Any = sum((network(point) - point[0] * point[1]) ** 2 for point in points)
        total.backward(retain="leaves")
        return total, [p.grad for p in network.parameters()]

    (wanted, slopes), eager = error(points), seconds(error, points, repeats=5)
    compiled = compile(error)  # "auto": the tape, for so many single numbers
    found, their_slopes = compiled(points)
    numbers = zip([found.item(), *their_slopes], [wanted.item(), *slopes], strict=True)
    difference = max(abs(a - b) for a, b in numbers)
    plan = compiled.plan()
    ratio = seconds(compiled, points) / eager
    print(f"network of single numbers, {len(plan.program):,} operations with the backward pass")
    print(f"  {plan.name}: {ratio:.4f} × the time of eager code; numbers differ by at most {difference:.1g}")
    return {"plan": plan.name, "tape_difference": difference, "tape_time": ratio}


def plan() -> str:
    """Show what `compile` makes of a small function."""
    slope = compile(grad(lambda x: np.tanh(2 * x).sum()), backend="numpy")
    slope(np.ones(1000))
    print(slope)
    return str(slope)


def main() -> dict[str, Any]:
    """Compile all three, and return the numbers."""
    result = training_step() | second_derivative() | single_numbers()
    return result | {"plan_text": plan()}


if __name__ == "__main__":
    main()

"""Automatic differentiation and a neural network from scratch: no library but Python's own, in under 200 lines.

A `Value` is a number that remembers what it was computed from, and how fast it changes with each of these. That is all
that backpropagation needs: walk back from the result, and multiply and add slopes. The whole library is this file with
arrays in place of numbers, more functions, and better messages. `notebooks/11_engine_from_scratch.ipynb` explains it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence


class Value:
    """A number with a memory.

    Args:
        data: the number.
        parents: the Values that it was computed from.
        slopes: for each parent, the derivative of this number with respect to it.
    """

    def __init__(self, data: float, parents: Sequence[Value] = (), slopes: Sequence[float] = ()) -> None:
        self.data, self.grad = float(data), 0.0
        self.parents, self.slopes = parents, slopes

    def __repr__(self) -> str:
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    # Each operation computes, and writes down its slopes: the table of derivatives that you know from school.

    def __add__(self, other: Value | float) -> Value:
        other = as_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = as_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n: float) -> Value:
        return Value(self.data**n, (self,), (n * self.data ** (n - 1) if n else 0.0,))

    def exp(self) -> Value:
        """Return e to the power of this number, which is its own slope."""
        y = math.exp(self.data)
        return Value(y, (self,), (y,))

    def log(self) -> Value:
        """Return the natural logarithm."""
        return Value(math.log(self.data), (self,), (1.0 / self.data,))

    def tanh(self) -> Value:
        """Return the hyperbolic tangent, between -1 and 1."""
        y = math.tanh(self.data)
        return Value(y, (self,), (1.0 - y * y,))

    def sigmoid(self) -> Value:
        """Return 1 / (1 + e to the -x), between 0 and 1."""
        y = 0.5 * (1.0 + math.tanh(0.5 * self.data))  # the same number, and no overflow at -1000
        return Value(y, (self,), (y * (1.0 - y),))

    def relu(self) -> Value:
        """Return max(0, x). At 0 the slope is 0, by convention."""
        return Value(max(0.0, self.data), (self,), (float(self.data > 0),))

    # The rest is made of these.

    def __neg__(self) -> Value:
        return self * -1.0

    def __sub__(self, other: Value | float) -> Value:
        return self + -as_value(other)

    def __truediv__(self, other: Value | float) -> Value:
        return self * as_value(other) ** -1.0

    def __radd__(self, other: float) -> Value:
        return self + other

    def __rsub__(self, other: float) -> Value:
        return as_value(other) - self

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __rtruediv__(self, other: float) -> Value:
        return as_value(other) / self

    def backward(self) -> None:
        """Backpropagation: add the derivative of this number to the `grad` of everything it was computed from."""
        arrived = {self: 1.0}  # d self / d node, as far as it is known
        for node in reversed(topological_order(self)):  # so all that reaches a node is there before it is passed on
            slope = arrived.pop(node)
            node.grad += slope
            for parent, local in zip(node.parents, node.slopes, strict=True):
                arrived[parent] = arrived.get(parent, 0.0) + slope * local  # the chain rule; several ways add up


def as_value(x: Value | float) -> Value:
    """Return numbers as Values, and Values as they are."""
    return x if isinstance(x, Value) else Value(x)


def topological_order(result: Value) -> list[Value]:
    """Return all that a result was computed from, and itself; each after its parents.

    With a stack of our own in place of recursion, which Python ends at a depth of 1,000.
    """
    order: list[Value] = []
    seen, stack = set(), [(result, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(parent, False) for parent in node.parents]
    return order


class Neuron:
    """Inputs times weights, summed, plus a bias; then an activation.

    Args:
        inputs: how many numbers come in.
        activation: what bends the sum, such as `Value.tanh`; None for nothing.
        rng: where the first weights come from.
    """

    def __init__(self, inputs: int, activation: Callable[[Value], Value] | None, rng: random.Random) -> None:
        self.weights = [Value(rng.gauss(0.0, inputs**-0.5)) for _ in range(inputs)]
        self.bias, self.activation = Value(0.0), activation

    def __call__(self, x: Sequence[Value | float]) -> Value:
        """Return the output for the numbers of one sample."""
        z = sum((w * xi for w, xi in zip(self.weights, x, strict=True)), self.bias)
        return z if self.activation is None else self.activation(z)


class MLP:
    """A multilayer perceptron: layers of neurons, the last one without activation.

    Args:
        sizes: inputs, neurons of each hidden layer, outputs.
        activation: of the hidden layers.
        seed: of the first weights.
    """

    def __init__(self, sizes: Sequence[int], activation: Callable[[Value], Value] = Value.tanh, seed: int = 0) -> None:
        rng, last = random.Random(seed), len(sizes) - 2
        self.layers = [
            [Neuron(sizes[i], activation if i < last else None, rng) for _ in range(sizes[i + 1])]
            for i in range(last + 1)
        ]

    def __call__(self, x: Sequence[Value | float]) -> list[Value]:
        """Return the outputs for the numbers of one sample."""
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return list(x)

    def parameters(self) -> list[Value]:
        """Return all weights and biases."""
        return [p for layer in self.layers for neuron in layer for p in (*neuron.weights, neuron.bias)]


XOR = [((0.0, 0.0), 0.0), ((0.0, 1.0), 1.0), ((1.0, 0.0), 1.0), ((1.0, 1.0), 0.0)]


def cost(model: MLP) -> Value:
    """Return the mean of the squared residuals, observed minus predicted."""
    return sum(((y - model(x)[0]) ** 2 for x, y in XOR), Value(0.0)) / len(XOR)


def main(seed: int = 0, steps: int = 200, learning_rate: float = 0.5) -> dict[str, float]:
    """Learn "either … or", which no single neuron can, and return the numbers."""
    model = MLP([2, 4, 1], seed=seed)
    first = cost(model).data
    for _ in range(steps):
        for p in model.parameters():
            p.grad = 0.0
        cost(model).backward()
        for p in model.parameters():
            p.data -= learning_rate * p.grad  # downhill
    result = {
        "first_cost": first,
        "cost": cost(model).data,
        "right": sum((model(x)[0].data > 0.5) == (y > 0.5) for x, y in XOR),
    }
    print(f"cost {first:.3f} before, {result['cost']:.6f} after {steps} steps; {result['right']} of 4 right")
    return result


if __name__ == "__main__":
    main()

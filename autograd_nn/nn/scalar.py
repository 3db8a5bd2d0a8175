"""Networks of single numbers: each weight, product and sum is a `Value` of its own, so that it can be drawn.

`Neuron`, `Layer` and `MLP` are used as in micrograd: ``MLP(2, [16, 16, 1])`` is called with the numbers of one sample.
They also are the scalar twins of tensor models: ``nn.MLP([2, 16, 16, 1]).zoom()`` has the same weights, under the same
names, and gives the same outputs and gradients. State goes both ways:

>>> from autograd_nn import nn
>>> model = nn.MLP([2, 3, 1], rng=0)
>>> twin = model.zoom()
>>> twin.load_state_dict(model.state_dict())
>>> model.load_state_dict(twin.state_dict())
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from ..functions import log_softmax, softmax
from ..graph import Graph, Node, modes, shape
from ..ops.arithmetic import maximum
from ..ops.elementary import exp, log
from ..value import Value
from . import container, model
from .activation import Activation, LogSoftmax, Softmax, activation, identity
from .initializer import Initializer, initializer
from .linear import Linear, positive
from .model import default_init
from .module import TWINS, Module
from .summary import recorded

__all__ = ["MLP", "Layer", "LogisticRegression", "Neuron", "ScalarModule", "Sequential"]


class Units(list[Any]):
    """The outputs of a layer: scalars that are Values already."""


class Block:
    """Scalars that stand for one array of a tensor model: they are read and written together."""

    dtype = np.dtype(float)

    def __init__(self, rows: list[Any], lengths: tuple[int, ...]) -> None:
        self.leaves, self.shape = rows, lengths

    def read(self, f: Callable[[Value], float]) -> np.ndarray:
        """Return a number of each leaf in an array."""
        return np.array([f(leaf) for leaf in self.leaves], dtype=float).reshape(self.shape)

    @property
    def data(self) -> np.ndarray:
        """The numbers."""
        return self.read(lambda leaf: leaf._data)

    @data.setter
    def data(self, array: np.ndarray) -> None:
        for leaf, x in zip(self.leaves, np.ravel(array).tolist(), strict=True):
            leaf.assign(float(x))


class ScalarModule(Module):
    """A module made of neurons. Its state has the form of the tensor model's: one array for the weights of a layer."""

    def blocks(self) -> dict[str, Block]:
        """Return the scalars of each array of the tensor model, by its path."""
        found = {}
        for path, module in self.named_modules():
            if isinstance(module, (Neuron, Layer)) and "neurons" not in path:
                found.update({f"{path}.{name}" if path else name: block for name, block in module.own_blocks().items()})
        return found

    def state_leaves(self) -> dict[str, Any]:
        """Return what `state_dict` and `load_state_dict` read and write, by path."""
        return dict(self.blocks())

    def gradients(self) -> dict[str, np.ndarray]:
        """Return the gradients in arrays, by the path that they have in the tensor model; 0 where none arrived."""
        return {
            path: block.read(lambda leaf: 0.0 if leaf._grad is None else leaf._grad)
            for path, block in self.blocks().items()
        }

    def draw(self, *inputs: Any, **options: Any) -> Any:
        """Draw the graph of what the model computes for one sample, neuron by neuron.

        Args:
            *inputs: the sample: a number for each input, in a list or one by one.
            **options: see `autograd_nn.visualize.draw`.

        >>> from autograd_nn import nn
        >>> nn.MLP([2, 2, 1], rng=0).zoom().draw([1.0, -2.0])
        Drawing(graph of #...: ... nodes, ... of them leaves)
        """
        numbers = inputs[0] if len(inputs) == 1 and np.ndim(inputs[0]) else inputs
        sample = [
            x if isinstance(x, Node) else Value(float(x), requires_grad=False, name=f"x{i}")
            for i, x in enumerate(numbers)
        ]
        return Graph.of(*recorded("draw", self, [sample])).draw(**options)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield (path, parameter), the path as in the tensor model: ``layers.0.weight[2, 5]``."""
        for path, parameter in super().named_parameters():
            path = re.sub(r"neurons\.(\d+)\.weight\.(\d+)$", r"weight[\2, \1]", path)
            path = re.sub(r"neurons\.(\d+)\.bias$", r"bias[\1]", path)
            yield re.sub(r"weight\.(\d+)$", r"weight[\1]", path), parameter

    def label(self) -> Self:
        """Give neurons their scopes, and weights their names: ``w[2,5]`` is that of input 2 in neuron 5."""
        super().label()
        for module in reversed(self.modules()):  # layers after their neurons
            if isinstance(module, (Neuron, Layer)):
                module.name_weights()
        return self

    def match(self, original: Module) -> Self:
        """Take over the weights of a tensor model, and which of them are frozen."""
        self.load_state_dict(original.state_dict())
        blocks = self.blocks()
        for path, parameter in original.named_parameters():
            for leaf in blocks[path].leaves:
                leaf.requires_grad = parameter.requires_grad
        return self


class Neuron(ScalarModule):
    """Inputs times weights, summed, plus a bias; then the activation.

    Args:
        in_features: inputs.
        activation: name or function; "identity" for none.
        bias: has it one?
        init: initializer of the weights; the one that suits the activation if left out. The bias is 0.
        rng: seed or generator of the weights.

    Attributes:
        weight: a list of Values.
        bias: a Value, or None.

    >>> n = Neuron(3, activation="identity")
    >>> n.load_state_dict({"weight": [5, 2, 4], "bias": -3})
    >>> z = n([1, 0, 1])
    >>> z.backward()
    >>> z.item(), [w.grad for w in n.weight]
    (6.0, [1.0, 0.0, 1.0])
    """

    def __init__(
        self,
        in_features: int,
        *,
        activation: str | Activation = "relu",
        bias: bool = True,
        init: str | Initializer | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive(type(self).__name__, in_features=in_features)
        self.in_features, self.activation, self.init = in_features, activation, init
        self.weight = [Value(0.0) for _ in range(in_features)]
        self.bias = Value(0.0) if bias else None
        self.name_weights()
        self.initialize(np.random.default_rng(rng))

    def initialize(self, rng: int | np.random.Generator) -> Self:
        """Draw the weights afresh; the bias is 0 again."""
        draw = initializer(self.init or default_init(self.activation))
        weights = draw((self.in_features, 1), np.random.default_rng(rng), dtype=np.dtype(float))
        self.own_blocks()["weight"].data = weights
        if self.bias is not None:
            self.bias.assign(0.0)
        return self

    def own_blocks(self) -> dict[str, Block]:
        """Return weights and bias."""
        blocks = {"weight": Block(self.weight, (self.in_features,))}
        return blocks if self.bias is None else {**blocks, "bias": Block([self.bias], ())}

    def name_weights(self) -> None:
        """Name weights after their inputs."""
        for i, w in enumerate(self.weight):
            w.name = f"w[{i}]"
        if self.bias is not None:
            self.bias.name = "b"

    def forward(self, x: Any) -> Any:
        """Return the activation of w·x + b.

        Args:
            x: numbers or scalar Values, one for each input.

        Raises:
            ValueError: if there are more or fewer, or x holds several samples.
        """
        if type(x) is not Units:
            x = units(self, x, self.in_features)
        z = self.bias
        for w, v in zip(self.weight, x, strict=True):
            z = w * v if z is None else z + w * v
        f = activation(self.activation)
        return z if f is identity else f(z)


class Layer(ScalarModule):
    """Neurons with the same inputs: the scalar twin of `nn.Linear`, and an activation.

    Args:
        in_features: inputs of each neuron.
        out_features: neurons.
        activation: of each neuron; a softmax is that of all together.
        bias: have they one?
        init: initializer of the weights; the one that suits the activation if left out. Biases are 0.
        rng: seed or generator of the weights.

    >>> layer = Layer(2, 3, rng=0)
    >>> len(layer([0.5, -1.0])), [path for path, _ in layer.named_parameters()][:3]
    (3, ['weight[0, 0]', 'weight[1, 0]', 'bias[0]'])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str | Activation = "identity",
        bias: bool = True,
        init: str | Initializer | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive(type(self).__name__, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features, self.activation = in_features, out_features, activation
        self.bias, self.init = bias, init
        each = "identity" if over_layer(activation) else activation
        self.neurons = [Neuron(in_features, activation=each, bias=bias, init="zeros") for _ in range(out_features)]
        for neuron in self.neurons:
            neuron.init = init
        self.name_weights()
        self.reset(np.random.default_rng(rng))

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the weights afresh, as `nn.Linear` does; biases are 0 again."""
        draw = initializer(self.init or default_init(self.activation))
        self.own_blocks()["weight"].data = draw((self.in_features, self.out_features), rng, dtype=np.dtype(float))
        if self.bias:
            self.own_blocks()["bias"].data = np.zeros(self.out_features)

    def own_blocks(self) -> dict[str, Block]:
        """Return weights, (in_features, out_features), and biases."""
        weights = [neuron.weight[i] for i in range(self.in_features) for neuron in self.neurons]
        blocks = {"weight": Block(weights, (self.in_features, self.out_features))}
        if self.bias:
            blocks["bias"] = Block([neuron.bias for neuron in self.neurons], (self.out_features,))
        return blocks

    def name_weights(self) -> None:
        """Name weights after their input and their neuron."""
        for j, neuron in enumerate(self.neurons):
            for i, w in enumerate(neuron.weight):
                w.name = f"w[{i},{j}]"
            if neuron.bias is not None:
                neuron.bias.name = f"b[{j}]"

    def forward(self, x: Any) -> Any:
        """Return the outputs in a list; of a single neuron, its output.

        Raises:
            ValueError: if x does not hold one number for each input.
        """
        return alone(self.units(x))

    def units(self, x: Any) -> Units:
        """Return the outputs in a list, also if there is only one."""
        x = units(self, x, self.in_features)
        out = Units([neuron(x) for neuron in self.neurons])
        together = over_layer(self.activation)
        return out if together is None else together(out)


class MLP(ScalarModule):
    """A multilayer perceptron of scalars: the twin of `nn.MLP`, and micrograd's ``MLP(2, [16, 16, 1])``.

    Args:
        in_features: inputs.
        sizes: neurons of each layer, the output layer among them.
        activation: of the hidden layers.
        output_activation: of the last layer; None for none.
        bias: have neurons one?
        init: initializer of the weights; the one that suits the activation if left out. Biases are 0.
        rng: seed or generator of the weights; the same as of `nn.MLP` gives the same weights.

    >>> model = MLP(2, [16, 16, 1], rng=0)
    >>> len(model.parameters())
    337
    >>> loss = (model([0.5, -1.0]) - 1.0) ** 2
    >>> loss.backward()
    """

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        *,
        activation: str | Activation = "relu",
        output_activation: str | Activation | None = None,
        bias: bool = True,
        init: str | Initializer | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        if isinstance(sizes, (int, str)) or not len(sizes):
            raise ValueError(
                "scalar.MLP wanted the number of inputs and the sizes of its layers, MLP(2, [16, 16, 1]), got "
                f"{sizes!r}."
            )
        self.in_features, self.sizes, self.activation = in_features, [int(n) for n in sizes], activation
        self.output_activation, self.bias, self.init = output_activation, bias, init
        follows = [activation] * (len(sizes) - 1) + ["identity" if output_activation is None else output_activation]
        rng = np.random.default_rng(rng)
        self.layers = [
            Layer(n, m, activation=f, bias=bias, init=init, rng=rng)
            for (n, m), f in zip(pairwise([in_features, *self.sizes]), follows, strict=True)
        ]

    def forward(self, x: Any) -> Any:
        """Return the outputs for one sample in a list; of a single output neuron, its output.

        Raises:
            ValueError: if x does not hold one number for each input.
        """
        return alone(self.units(x))

    def units(self, x: Any) -> Units:
        """Return the outputs in a list, also if there is only one."""
        x = units(self, x, self.in_features)
        for layer in self.layers:
            x = Units(listed(layer(x)))
        return x


class LogisticRegression(ScalarModule):
    """One neuron, whose output is the log of the odds: the twin of `nn.LogisticRegression`."""

    def __init__(
        self,
        in_features: int,
        *,
        init: str | Initializer = "zeros",
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.in_features, self.init = in_features, init
        self.linear = Layer(in_features, 1, init=init, rng=rng)

    def forward(self, x: Any) -> Any:
        """Return the logit of one sample."""
        return self.linear(x)


class Sequential(ScalarModule):
    """Scalar modules and functions one after the other: the twin of `nn.Sequential`.

    A function is applied to each number; a softmax to all.
    """

    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Return the outputs for one sample in a list; a single one by itself."""
        x = units(self, x, None)
        for layer in self.layers:
            together = over_layer(layer)
            if isinstance(layer, ScalarModule):
                x = Units(listed(layer(x)))
            else:
                x = Units([layer(v) for v in x]) if together is None else together(x)
        return alone(x)


def units(module: Module, x: Any, wanted: int | None) -> Units:
    """Return the numbers of one sample as Values.

    Raises:
        ValueError: if there are not as many as wanted, or there are several samples.
    """
    if type(x) is not Units:
        several = len(shape(x)) != 1 if isinstance(x, (np.ndarray, Value)) else isinstance(x, (int, float))
        if several:
            raise ValueError(
                f"scalar.{type(module).__name__} wanted the numbers of one sample in a list, got shape {shape(x)}. "
                "For a batch write [model(row) for row in x]."
            )
        x = Units([as_value(module, v, i) for i, v in enumerate(list(x))])
    if wanted is not None and len(x) != wanted:
        raise ValueError(f"scalar.{type(module).__name__} wanted {wanted} numbers, one for each input, got {len(x)}.")
    return x


def as_value(module: Module, v: Any, i: int) -> Node:
    """Return input number i as a Value.

    Raises:
        ValueError: if it is no number.
    """
    if isinstance(v, Node):
        return v
    try:
        return Value.leaf(float(v), name=f"x[{i}]")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"scalar.{type(module).__name__} wanted the numbers of one sample, got {type(v).__name__} {v!r:.60} among "
            "them. For a batch write [model(row) for row in x]."
        ) from error


def listed(out: Any) -> list[Any]:
    """Return outputs as a list."""
    return out if isinstance(out, list) else [out]


def alone(out: Units) -> Any:
    """Return a single output by itself, several in a list."""
    return out[0] if len(out) == 1 else list(out)


def probabilities(z: Units) -> Units:
    """Softmax of scalars; the largest is subtracted as a constant, so that exp does not overflow."""
    top = largest(z)
    e = [exp(v - top) for v in z]
    total = sum(e[1:], e[0])
    return Units([v / total for v in e])


def log_probabilities(z: Units) -> Units:
    """Log softmax of scalars."""
    top = largest(z)
    shifted = [v - top for v in z]
    first, *others = [exp(v) for v in shifted]
    norm = log(sum(others, first))
    return Units([v - norm for v in shifted])


def largest(z: Units) -> Any:
    """Return the largest of scalars, as a constant: a number; in a compiled function, what each call computes."""
    if modes.current is not None and modes.current.recorder is not None:
        return functools.reduce(maximum, [u.detach() for u in z])
    return max(u._data for u in z)


def over_layer(f: Any) -> Callable[[Units], Units] | None:
    """Return what an activation does that looks at a layer as a whole; None if it acts on each number by itself."""
    f = activation(f) if isinstance(f, str) else f
    if f is softmax or isinstance(f, Softmax):
        return probabilities
    return log_probabilities if f is log_softmax or isinstance(f, LogSoftmax) else None


# Twins


def twin_of_linear(layer: Linear) -> Layer:
    """Return the same neurons."""
    return Layer(layer.in_features, layer.out_features, bias=layer.bias is not None, init=layer.init).match(layer)


def twin_of_mlp(net: model.MLP) -> MLP:
    """Return the same layers."""
    settings = {"activation": net.activation, "output_activation": net.output_activation, "bias": net.bias}
    return MLP(net.sizes[0], net.sizes[1:], **settings, init=net.init).match(net)


def twin_of_logistic_regression(net: model.LogisticRegression) -> LogisticRegression:
    """Return the same neuron."""
    return LogisticRegression(net.in_features, init=net.init).match(net)


def twin_of_sequential(net: container.Sequential) -> Sequential:
    """Return twins of modules, one of a module that occurs twice; functions are the same."""
    twins: dict[int, Any] = {}
    layers: list[Any] = net.layers
    for f in layers:
        is_function = not isinstance(f, Module) or hasattr(f, "function")  # activations come as modules, too
        if id(f) not in twins:
            twins[id(f)] = f if is_function else f.zoom()
    return Sequential(*[twins[id(f)] for f in net.layers])


TWINS.update(
    {
        Linear: twin_of_linear,
        model.MLP: twin_of_mlp,
        model.LogisticRegression: twin_of_logistic_regression,
        container.Sequential: twin_of_sequential,
    }
)

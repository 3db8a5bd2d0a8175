"""Networks ready to use: the multilayer perceptron, and classifiers that answer with classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..functions import sigmoid, softmax
from ..graph import no_grad, shape
from .activation import Activation, activation
from .initializer import Initializer
from .linear import Linear, float_dtype
from .module import Module

__all__ = ["MLP", "LogisticRegression", "SoftmaxClassifier", "default_init"]


def default_init(f: str | Activation) -> str:
    """Return the initializer that keeps signals in size through layers with an activation.

    Half of a relu's inputs are lost, hence twice the variance (He et al., 2015); for others Glorot and Bengio (2010).
    Klambauer et al. (2017) want LeCun's for selu.
    """
    name = f if isinstance(f, str) else getattr(f, "__name__", getattr(f, "name", ""))
    if name == "selu":
        return "lecun_normal"
    half = ("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus")
    return "he_normal" if name in half else "glorot_normal"


class MLP(Module):
    """A multilayer perceptron: linear layers, each but the last followed by an activation.

    The last layer is linear unless `output_activation` says otherwise: losses take logits. A network is deep from two
    hidden layers on.

    Args:
        sizes: features that come in, units of each hidden layer, features that go out: at least two numbers.
        activation: of the hidden layers, by name or any function of an array.
        output_activation: of the last layer; None for none.
        bias: do units have a bias?
        init: initializer of the weights; by default the one that suits the activation (`default_init`). Biases are 0.
        dtype: of the parameters.
        rng: seed or generator of the weights.

    >>> import numpy as np
    >>> model = MLP([64, 32, 10], rng=0)
    >>> model(np.zeros((5, 64))).shape
    (5, 10)
    >>> model
    MLP([64, 32, 10],
      (layers.0): Linear(64, 32)
      (layers.1): Linear(32, 10, init='glorot_normal')
    )
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str | Activation = "relu",
        output_activation: str | Activation | None = None,
        bias: bool = True,
        init: str | Initializer | None = None,
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        if isinstance(sizes, (int, str)) or len(sizes) < 2:
            raise ValueError(
                f"{type(self).__name__} wanted the sizes of its layers, such as [64, 32, 10]: features in, hidden "
                f"units, features out; got {sizes!r}."
            )
        self.sizes, self.activation, self.output_activation = [int(n) for n in sizes], activation, output_activation
        self.bias, self.init, self.dtype = bias, init, float_dtype(dtype)
        rng = np.random.default_rng(rng)
        last = len(sizes) - 2
        follows = [activation] * last + ["identity" if output_activation is None else output_activation]
        self.layers = [
            Linear(sizes[i], sizes[i + 1], bias=bias, init=init or default_init(follows[i]), dtype=dtype, rng=rng)
            for i in range(last + 1)
        ]
        self.check_activations()

    def check_activations(self) -> None:
        """Refuse what is no activation, before anything is computed.

        Raises:
            ValueError, TypeError: naming it.
        """
        activation(self.activation)
        if self.output_activation is not None:
            activation(self.output_activation)

    def forward(self, x: Any) -> Any:
        """Return the outputs of the last layer, (…, features), of x (…, features)."""
        f = activation(self.activation)
        x = self.operand(x)
        came = shape(x)
        if not came or came[-1] != self.sizes[0]:
            raise ValueError(
                f"{type(self).__name__} wanted x of shape (batch, {self.sizes[0]}), got {came}: "
                f"each row holds {self.sizes[0]} features."
            )
        *hidden, last = self.layers
        for layer in hidden:
            x = f(layer(x))
        y = last(x)
        return y if self.output_activation is None else activation(self.output_activation)(y)


class SoftmaxClassifier(MLP):
    """An `MLP` whose outputs are logits of classes; train it with `cross_entropy`.

    Without hidden layers it is softmax regression.

    >>> import numpy as np
    >>> model = SoftmaxClassifier([2, 16, 3], rng=0)
    >>> p = model.predict_proba(np.zeros((5, 2)))
    >>> p.shape, bool(np.allclose(p.sum(axis=1), 1))
    ((5, 3), True)
    """

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return the probability of each class: (batch, features) → (batch, classes)."""
        with no_grad():
            return np.array(softmax(self(x).data, axis=-1))

    def predict(self, x: Any) -> np.ndarray:
        """Return the most probable class of each row, (batch,): softmax for training, argmax for deciding."""
        return self.predict_proba(x).argmax(axis=-1)


class LogisticRegression(Module):
    """One sigmoid unit, whose output is the log of the odds; train it with `binary_cross_entropy`.

    On data that a plane can separate the loss has no minimum: weights grow without bound, and `fit` says so. Weight
    decay is the cure.

    Args:
        in_features: numbers that come in.
        init: initializer of the weights. Zeros are fine: the loss is convex.
        dtype: of the parameters.
        rng: seed or generator of the weights.
    """

    def __init__(
        self,
        in_features: int,
        *,
        init: str | Initializer = "zeros",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.in_features, self.init, self.dtype = in_features, init, float_dtype(dtype)
        self.linear = Linear(in_features, 1, init=init, dtype=dtype, rng=rng)

    def forward(self, x: Any) -> Any:
        """Return the logits, (batch,), of x (batch, in_features)."""
        return self.linear(x)[..., 0]

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return the probabilities of class 0 and class 1: (batch, 2)."""
        with no_grad():
            p = sigmoid(self(x).data)
        return np.stack([1 - p, p], axis=-1)

    def predict(self, x: Any) -> np.ndarray:
        """Return the more probable class of each row, 0 or 1: (batch,)."""
        return self.predict_proba(x).argmax(axis=-1)

"""Training a network, in each library: the same weights, data and rule; what the workloads that train have in common.

One step is forward, cross entropy, backward, and the update of the parameters. It returns the loss and the parameters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .harness import BY_HAND, JAX, TORCH, TORCH_COMPILED, TORCH_FUSED, AbsentError, Step, import_jax, torch_compile

MOMENTUM, BETAS, EPSILON = 0.9, (0.9, 0.999), 1e-8
Layout = Callable[[Sequence[Any]], Sequence[Any]]


class Task(NamedTuple):
    """A network to be trained."""

    x: np.ndarray
    labels: np.ndarray
    weights: list[np.ndarray]  # as our network has them
    rule: str  # "SGD", "Momentum" or "Adam"
    rate: float
    ours: Callable[[], Any]  # makes our network
    torch: Callable[[Sequence[Any], Any], Any]  # logits from weights and x
    jax: Callable[[Sequence[Any], Any], Any]
    torch_layout: Layout = list  # from our weights to torch's, and back
    peers_x: np.ndarray | None = None  # if others want x in another order of axes
    not_compiled: str = ""  # why there is no torch.compile


# --- ours ------------------------------------------------------------------------------------------------------------


def network(task: Task) -> tuple[Any, Any]:
    """Return our network and its optimizer."""
    from autograd_nn import optim

    model = task.ours()
    for p, weight in zip(model.parameters(), task.weights, strict=True):
        p.data = weight.copy()
    return model, getattr(optim, task.rule)(model.parameters(), task.rate)


def function(task: Task) -> Callable[[Any, Any], Any]:
    """Return our training step, as the documentation teaches it."""
    from autograd_nn.functions import cross_entropy

    model, optimizer = network(task)

    def train(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward(retain="leaves")
        optimizer.step()
        return loss

    train.parameters = model.parameters()  # type: ignore[attr-defined]
    return train


def ours(task: Task, backend: str | None, **settings: Any) -> Step:
    """Return our step: compiled by a back end, or eager for None."""
    from autograd_nn import compile

    eager: Any = function(task)
    train = eager if backend is None else compile(eager, backend=backend, **settings)
    x, labels, parameters = task.x, task.labels, eager.parameters
    return lambda: [train(x, labels), *parameters]


# --- torch -----------------------------------------------------------------------------------------------------------


def torch_tensors(task: Task) -> tuple[Any, Any, list[Any]]:
    import torch

    torch.set_num_threads(1)
    x = torch.from_numpy(task.x if task.peers_x is None else task.peers_x)
    weights = [torch.from_numpy(np.array(w)) for w in task.torch_layout(task.weights)]
    return x, torch.from_numpy(task.labels), weights


def torch(task: Task, *, fused: bool = False) -> Step:
    """PyTorch eager, with its optimizer; fused: one kernel for all parameters."""
    import torch
    from torch.nn.functional import cross_entropy

    x, labels, weights = torch_tensors(task)
    parameters = [w.requires_grad_() for w in weights]
    optimizer: Any = {
        "SGD": functools.partial(torch.optim.SGD, lr=task.rate),
        "Momentum": functools.partial(torch.optim.SGD, lr=task.rate, momentum=MOMENTUM),
        "Adam": functools.partial(torch.optim.Adam, lr=task.rate, betas=BETAS, eps=EPSILON),
    }[task.rule](parameters, fused=fused)

    def step() -> Any:
        loss = cross_entropy(task.torch(parameters, x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return [loss, *task.torch_layout(parameters)]

    return step


def torch_compiled(task: Task) -> Step:
    """The whole step in one torch.compile: faster than to compile the loss, or the optimizer, by itself."""
    if task.not_compiled:
        raise AbsentError(task.not_compiled)
    import torch
    from torch.nn.functional import cross_entropy

    x, labels, parameters = torch_tensors(task)
    gradient = torch.func.grad_and_value(lambda parameters, x: cross_entropy(task.torch(parameters, x), labels))
    means = [torch.zeros_like(p) for p in parameters]
    squares = [torch.zeros_like(p) for p in parameters]
    number = torch.zeros(())

    @torch_compile()
    def train(parameters: Any, x: Any) -> Any:
        gradients, loss = gradient(parameters, x)
        number.add_(1)
        first, second = (1 - beta**number for beta in BETAS)
        for p, g, m, v in zip(parameters, gradients, means, squares, strict=True):
            if task.rule == "SGD":
                p.sub_(task.rate * g)
            elif task.rule == "Momentum":
                p.sub_(task.rate * m.mul_(MOMENTUM).add_(g))
            else:
                m.mul_(BETAS[0]).add_(g, alpha=1 - BETAS[0])
                v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
                p.sub_(task.rate * (m / first) / ((v / second).sqrt() + EPSILON))
        return loss

    return lambda: [train(parameters, x), *task.torch_layout(parameters)]


# --- JAX -------------------------------------------------------------------------------------------------------------


def jax(task: Task) -> Step:
    """JAX, the whole step compiled; parameters and state are donated, so that their memory is used again."""
    jax = import_jax()
    jnp = jax.numpy

    def loss(parameters: Any, x: Any, labels: Any) -> Any:
        log_p = jax.nn.log_softmax(task.jax(parameters, x), axis=1)
        return -jnp.mean(log_p[jnp.arange(len(labels)), labels])

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train(parameters: Any, state: Any, x: Any, labels: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(parameters, x, labels)
        return value, *jax_update(task, parameters, gradients, state)

    x = jnp.asarray(task.x if task.peers_x is None else task.peers_x)
    labels = jnp.asarray(task.labels)
    parameters = [jnp.array(w) for w in task.weights]
    state: Any = {
        "SGD": lambda: (),
        "Momentum": lambda: [jnp.zeros_like(p) for p in parameters],
        "Adam": lambda: (0, [(jnp.zeros_like(p), jnp.zeros_like(p)) for p in parameters]),
    }[task.rule]()

    def step() -> Any:
        nonlocal parameters, state
        value, parameters, state = train(parameters, state, x, labels)
        value.block_until_ready()
        return [value, *parameters]

    return step


def jax_update(task: Task, parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
    """Return new parameters and a new state."""
    import jax.numpy as jnp

    if task.rule == "SGD":
        return [p - task.rate * g for p, g in zip(parameters, gradients, strict=True)], state
    if task.rule == "Momentum":
        state = [MOMENTUM * v + g for v, g in zip(state, gradients, strict=True)]
        return [p - task.rate * v for p, v in zip(parameters, state, strict=True)], state
    number, moments = state[0] + 1, []
    for (m, v), g in zip(state[1], gradients, strict=True):
        moments.append((BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g * g))
    first, second = (1 - beta**number for beta in BETAS)
    new = [
        p - task.rate * (m / first) / (jnp.sqrt(v / second) + EPSILON)
        for p, (m, v) in zip(parameters, moments, strict=True)
    ]
    return new, (number, moments)


# --- NumPy by hand ---------------------------------------------------------------------------------------------------


class Flat:
    """Parameters, gradients and the state of the rule, each in one array, so that the update is a few calls.

    Attributes:
        parameters: views.
        gradients: views.
    """

    def __init__(self, task: Task) -> None:
        self.rule, self.rate, self.number = task.rule, np.float32(task.rate), 0
        self.p = np.concatenate([w.ravel() for w in task.weights])
        self.g = np.zeros_like(self.p)
        self.m = np.zeros_like(self.p) if task.rule != "SGD" else self.g
        self.v = np.zeros_like(self.p) if task.rule == "Adam" else self.g
        self.buffers = np.empty((2, BLOCK), np.float32)
        self.parameters, self.gradients = self.views(self.p, task), self.views(self.g, task)

    @staticmethod
    def views(flat: np.ndarray, task: Task) -> list[np.ndarray]:
        ends = np.cumsum([w.size for w in task.weights])
        return [part.reshape(w.shape) for part, w in zip(np.split(flat, ends[:-1]), task.weights, strict=True)]

    def update(self) -> None:
        p, g, m, v = self.p, self.g, self.m, self.v
        if self.rule == "SGD":
            np.multiply(g, self.rate, out=g)
            np.subtract(p, g, out=p)
        elif self.rule == "Momentum":
            np.multiply(m, MOMENTUM, out=m)
            np.add(m, g, out=m)
            np.multiply(m, self.rate, out=g)
            np.subtract(p, g, out=p)
        else:
            self.number += 1
            first, second = (1 - beta**self.number for beta in BETAS)
            for i in range(0, p.size, BLOCK):  # stays in the cache
                part = slice(i, i + BLOCK)
                adam(p[part], g[part], m[part], v[part], self.buffers, self.rate, first, second)


BLOCK = 16384


def adam(p: Any, g: Any, m: Any, v: Any, buffers: Any, rate: Any, first: float, second: float) -> None:
    """Update a block in place."""
    work, more = buffers[:, : p.size]
    np.multiply(m, BETAS[0], out=m)
    np.multiply(g, 1 - BETAS[0], out=work)
    np.add(m, work, out=m)
    np.multiply(g, g, out=g)
    np.multiply(g, 1 - BETAS[1], out=g)
    np.multiply(v, BETAS[1], out=v)
    np.add(v, g, out=v)
    np.multiply(v, 1 / second, out=work)
    np.sqrt(work, out=work)
    np.add(work, EPSILON, out=work)
    np.multiply(m, rate / first, out=more)
    np.divide(more, work, out=more)
    np.subtract(p, more, out=p)


class Head:
    """Cross entropy of logits, and its derivative, in memory of its own."""

    def __init__(self, labels: np.ndarray, classes: int) -> None:
        self.rows, self.labels = np.arange(len(labels)), labels
        self.logits = np.empty((len(labels), classes), np.float32)
        self.column = np.empty((len(labels), 1), np.float32)

    def gradient(self) -> np.float32:
        """Replace the logits by the derivative of the loss, which is returned."""
        z, column = self.logits, self.column
        np.maximum.reduce(z, axis=1, keepdims=True, out=column)
        np.subtract(z, column, out=z)
        right = z[self.rows, self.labels]
        np.exp(z, out=z)
        np.add.reduce(z, axis=1, keepdims=True, out=column)
        np.divide(z, column, out=z)
        np.log(column, out=column)
        loss = np.add.reduce(column, axis=None) - np.add.reduce(right)
        z[self.rows, self.labels] -= 1
        np.multiply(z, np.float32(1 / len(z)), out=z)
        return loss / len(z)


def peers(task: Task, by_hand: Callable[[], Step] | None = None) -> dict[str, Callable[[], Step]]:
    """Return the peers of a task."""
    found: dict[str, Callable[[], Step]] = {
        JAX: lambda: jax(task),
        TORCH: lambda: torch(task),
        TORCH_FUSED: lambda: torch(task, fused=True),
        TORCH_COMPILED: lambda: torch_compiled(task),
    }
    return found | {BY_HAND: by_hand} if by_hand else found

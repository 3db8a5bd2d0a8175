"""Training steps of recurrent networks: 50 steps, 128 numbers in, 128 units, batch of 32, float32.

A tanh RNN and an LSTM, then a dense layer to 10 classes; forward, backward, SGD. Each peer has its inputs in the order
of axes that it prefers (ours as users have them, batch first), and its fused kernels or its scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import training
from .harness import COMPILED, EAGER, JAX, TORCH, TORCH_COMPILED, TORCH_FUSED, Bar, Result, Step, compare, ours_compiled
from .training import Flat, Head, Task

STEPS, BATCH, FEATURES, UNITS, CLASSES = 50, 32, 128, 128, 10


def make(kind: str, scan: bool = False) -> Task:
    """Return the task for "RNN" or "LSTM"."""
    rng = np.random.default_rng(0)
    gates = 4 if kind == "LSTM" else 1
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
    weights = [
        rng.normal(0, np.sqrt(0.5 / FEATURES), (FEATURES, gates * UNITS)),
        rng.normal(0, np.sqrt(0.5 / UNITS), (UNITS, gates * UNITS)),
        rng.normal(0, 0.1, gates * UNITS),
        rng.normal(0, np.sqrt(1 / UNITS), (UNITS, CLASSES)),
        np.zeros(CLASSES),
    ]

    def ours() -> Any:
        from autograd_nn import nn

        layer = getattr(nn, kind)(FEATURES, UNITS, returns="last", scan=scan)
        return nn.Sequential(layer, nn.Linear(UNITS, CLASSES))

    def torch(parameters: Sequence[Any], x: Any) -> Any:
        import torch

        w, u, b, v, c = parameters
        start, none = x.new_zeros(1, BATCH, UNITS), torch.zeros_like(b)
        rest = [w, u, b, none], True, 1, 0.0, True, False, False  # what nn.RNN and nn.LSTM call
        h = torch.rnn_tanh(x, start, *rest)[1] if kind == "RNN" else torch.lstm(x, (start, start), *rest)[1]
        return torch.addmm(c, h[0], v)

    def jax(parameters: Sequence[Any], x: Any) -> Any:
        import jax
        import jax.numpy as jnp

        w, u, b, v, c = parameters

        def rnn(h: Any, gates: Any) -> Any:
            return jnp.tanh(gates + h @ u), None

        def lstm(state: Any, gates: Any) -> Any:
            h, memory = state
            i, f, g, o = jnp.split(gates + h @ u, 4, axis=1)
            memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(memory), memory), None

        start = jnp.zeros((BATCH, UNITS), jnp.float32)
        if kind == "RNN":
            h, _ = jax.lax.scan(rnn, start, x @ w + b)
        else:
            (h, _), _ = jax.lax.scan(lstm, (start, start), x @ w + b)
        return h @ v + c

    def layout(weights: Sequence[Any]) -> list[Any]:
        return [weights[0].T, weights[1].T, *weights[2:]]

    not_compiled = "it fails on torch.lstm (mkldnn_rnn_layer, torch 2.13)" if kind == "LSTM" else ""
    time_first = np.ascontiguousarray(x.swapaxes(0, 1))
    labels = rng.integers(0, CLASSES, BATCH)
    weights = [w.astype(np.float32) for w in weights]
    return Task(x, labels, weights, "SGD", 0.01, ours, torch, jax, layout, time_first, not_compiled)


class Last:
    """The dense layer behind the last state, and the loss."""

    def __init__(self, task: Task, flat: Flat) -> None:
        self.head = Head(task.labels, CLASSES)
        (self.w, self.b), (self.dw, self.db) = flat.parameters[3:], flat.gradients[3:]

    def gradient(self, h: np.ndarray, out: np.ndarray) -> Any:
        """Write the derivative with respect to h; return the loss."""
        z = self.head.logits
        np.dot(h, self.w, out=z)
        np.add(z, self.b, out=z)
        loss = self.head.gradient()
        np.dot(h.T, z, out=self.dw)
        np.add.reduce(z, axis=0, out=self.db)
        np.dot(z, self.w.T, out=out)
        return loss


def rnn_by_hand(task: Task) -> Step:
    """NumPy: one product for all inputs, one for all gradients of a weight; nothing allocated."""
    flat = Flat(task)
    (w, u, b), (dw, du, db) = flat.parameters[:3], flat.gradients[:3]
    last = Last(task, flat)
    x: Any = task.peers_x
    x = x.reshape(-1, FEATURES)
    hs = np.zeros((STEPS + 1, BATCH, UNITS), np.float32)
    projected, gs = np.empty((2, STEPS, BATCH, UNITS), np.float32)
    rows = (STEPS * BATCH, UNITS)
    dh = np.empty((BATCH, UNITS), np.float32)

    def step() -> Any:
        np.dot(x, w, out=projected.reshape(rows))
        np.add(projected, b, out=projected)
        for t in range(STEPS):
            h = hs[t + 1]
            np.dot(hs[t], u, out=h)
            np.add(h, projected[t], out=h)
            np.tanh(h, out=h)
        loss = last.gradient(hs[STEPS], dh)
        for t in range(STEPS - 1, -1, -1):
            g = gs[t]
            np.multiply(hs[t + 1], hs[t + 1], out=g)
            np.subtract(1, g, out=g)
            np.multiply(g, dh, out=g)
            np.dot(g, u.T, out=dh)
        np.dot(x.T, gs.reshape(rows), out=dw)
        np.dot(hs[:-1].reshape(rows).T, gs.reshape(rows), out=du)
        np.add.reduce(gs.reshape(rows), axis=0, out=db)
        flat.update()
        return [loss, *flat.parameters]

    return step


def sigmoid(x: np.ndarray) -> None:
    """In place."""
    np.multiply(x, 0.5, out=x)
    np.tanh(x, out=x)
    np.multiply(x, 0.5, out=x)
    np.add(x, 0.5, out=x)


def lstm_by_hand(task: Task) -> Step:
    """NumPy, in the same manner."""
    flat = Flat(task)
    (w, u, b), (dw, du, db) = flat.parameters[:3], flat.gradients[:3]
    last = Last(task, flat)
    x: Any = task.peers_x
    x = x.reshape(-1, FEATURES)
    hs, cs = np.zeros((2, STEPS + 1, BATCH, UNITS), np.float32)
    tanh_c = np.empty((STEPS, BATCH, UNITS), np.float32)
    projected, gates = np.empty((2, STEPS, BATCH, 4 * UNITS), np.float32)
    dh, dc, work, more = np.empty((4, BATCH, UNITS), np.float32)
    rows = (STEPS * BATCH, 4 * UNITS)
    ut = np.empty((4 * UNITS, UNITS), np.float32)
    parts = [slice(k * UNITS, (k + 1) * UNITS) for k in range(4)]

    def step() -> Any:
        np.dot(x, w, out=projected.reshape(rows))
        np.add(projected, b, out=projected)
        for t in range(STEPS):
            z, c = gates[t], cs[t + 1]
            np.dot(hs[t], u, out=z)
            np.add(z, projected[t], out=z)
            i, f, g, o = (z[:, part] for part in parts)
            sigmoid(z[:, : 2 * UNITS])
            np.tanh(g, out=g)
            sigmoid(o)
            np.multiply(f, cs[t], out=c)
            np.multiply(i, g, out=work)
            np.add(c, work, out=c)
            np.tanh(c, out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=hs[t + 1])
        loss = last.gradient(hs[STEPS], dh)
        dc[...] = 0
        ut[...] = u.T
        for t in range(STEPS - 1, -1, -1):
            i, f, g, o = (gates[t][:, part] for part in parts)
            np.multiply(tanh_c[t], tanh_c[t], out=work)
            np.subtract(1, work, out=work)
            np.multiply(work, o, out=work)
            np.multiply(work, dh, out=work)
            np.add(dc, work, out=dc)
            back(o, np.multiply(dh, tanh_c[t], out=work), more)
            np.multiply(dc, i, out=work)
            np.multiply(dc, g, out=dh)  # dh is free
            back(i, dh, more)
            np.multiply(g, g, out=g)
            np.subtract(1, g, out=g)
            np.multiply(g, work, out=g)
            np.multiply(dc, cs[t], out=work)
            np.multiply(dc, f, out=dc)
            back(f, work, more)
            np.dot(gates[t], ut, out=dh)
        np.dot(x.T, gates.reshape(rows), out=dw)
        np.dot(hs[:-1].reshape(-1, UNITS).T, gates.reshape(rows), out=du)
        np.add.reduce(gates.reshape(rows), axis=0, out=db)
        flat.update()
        return [loss, *flat.parameters]

    return step


def back(s: np.ndarray, g: np.ndarray, work: np.ndarray) -> None:
    """Replace s, the sigmoid of something, by its derivative there, times g."""
    np.multiply(s, s, out=work)
    np.subtract(s, work, out=s)
    np.multiply(s, g, out=s)


def contestant(kind: str, backend: str | None, scan: bool = False) -> Step:
    """Return our step."""
    return training.ours(make(kind, scan), backend)


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    results = []
    for kind, by_hand in (("RNN", rnn_by_hand), ("LSTM", lstm_by_hand)):
        task = make(kind)
        ours = ours_compiled(lambda backend, kind=kind: contestant(kind, backend))
        scans = ours_compiled(lambda backend, kind=kind: contestant(kind, backend, scan=True))
        ours |= {f"{name}, scan=True": scans[name] for name in (COMPILED, EAGER)}
        results.append(
            compare(
                f"{'tanh ' if kind == 'RNN' else ''}{kind}: {STEPS} steps, {FEATURES} inputs, {UNITS} units, "
                f"batch {BATCH}, float32; forward, backward, SGD.",
                ours | training.peers(task, lambda task=task, by_hand=by_hand: by_hand(task)),
                quick=quick,
                rtol=1e-4,
                bars=[Bar(1.0, (JAX, TORCH, TORCH_FUSED, TORCH_COMPILED))],
                ours=COMPILED,
                rounds=11,
            )
        )
    return results

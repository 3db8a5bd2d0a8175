"""The workloads in one table, for what is measured across them: threads and memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from . import cnn, deep_mlp, elementwise_chain, logistic, mlp, recurrent, second_order, small_mlp, training, wide_mlp
from .harness import Step


class Workload(NamedTuple):
    ours: Callable[..., Step]  # takes a back end, or None for eager, and settings of compile
    by_hand: Callable[[], Step]
    torch: Callable[[], Step]
    large: bool  # does a second thread have to pay?


def trained(make: Callable[[], Any], by_hand: Callable[[Any], Step], *, large: bool) -> Workload:
    """Return a network's workload."""
    return Workload(
        lambda backend, **settings: training.ours(make(), backend, **settings),
        lambda: by_hand(make()),
        lambda: training.torch(make(), fused=True),
        large,
    )


def chain(size: int) -> Workload:
    module = elementwise_chain
    parts = [functools.partial(f, size) for f in (module.ours, module.by_hand, module.torch)]
    return Workload(*parts, large=size > 1e6)


def derivative(size: int, full: bool) -> Workload:
    module = second_order
    parts = [functools.partial(f, size, full) for f in (module.ours, module.by_hand, module.torch)]
    return Workload(*parts, large=False)


relu, tanh = (functools.partial(mlp.by_hand, activation=name) for name in ("relu", "tanh"))

WORKLOADS = {
    "small_mlp": trained(small_mlp.make, relu, large=False),
    "wide_mlp": trained(wide_mlp.make, relu, large=True),
    "deep_mlp": trained(deep_mlp.make, tanh, large=False),
    "cnn": trained(cnn.make, cnn.by_hand, large=True),
    "RNN": trained(functools.partial(recurrent.make, "RNN"), recurrent.rnn_by_hand, large=False),
    "LSTM": trained(functools.partial(recurrent.make, "LSTM"), recurrent.lstm_by_hand, large=False),
    **{f"elementwise_chain {size:.0e}": chain(size) for size in elementwise_chain.SIZES},
    "logistic": Workload(logistic.ours, logistic.by_hand, logistic.torch, large=True),
    "hvp 10": derivative(10, full=False),
    "hvp 1000": derivative(1000, full=False),
    "hessian 50": derivative(50, full=True),
}

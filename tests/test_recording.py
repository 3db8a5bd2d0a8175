from __future__ import annotations

import time

import numpy as np
import pytest

from autograd_nn import Value, grad
from autograd_nn.recording import check_argnums, fresh, lifted, record, tracing


def test_a_run_ends_at_fresh_nodes():
    w = Value(3.0)
    with tracing() as recording:
        run = record("test", lambda x: x * w, 0, (w,), {}, recording)
    assert run.inputs[0] is not w
    assert run.inputs[0].parents == (w,)
    assert run.pull(run.outputs, [None]).item() == 3.0


def test_fresh_nodes_require_grad():
    assert fresh(Value(1.0, requires_grad=False)).requires_grad
    assert fresh(np.ones(2)).requires_grad


def test_lifting():
    assert not lifted((1.0, {"a": np.ones(2)}))
    assert lifted((1.0, {"a": Value(2.0)}))
    with tracing():
        assert not lifted(1.0)
        with tracing():
            assert lifted(1.0)


def test_what_was_there_before_is_not_gone_through():
    """A gradient inside a long computation costs as much as its own function, not as what came before."""

    def measure(before):
        x = Value(1.0)
        for _ in range(before):
            x = x * 1.0
        y = x
        start = time.perf_counter()
        for _ in range(100):
            y = y + grad(lambda t: t * t * x)(Value(2.0))
        assert y.item() == pytest.approx(401.0)
        return time.perf_counter() - start

    assert measure(50_000) < 10 * measure(0)  # 200 times as long, if it were gone through


def test_argnums_count_from_the_end():
    assert check_argnums("test", -1, 3) == (2,)
    assert check_argnums("test", (0, -1), 3) == (0, 2)

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from autograd_nn import Value, checkpoint, custom_vjp, scan
from autograd_nn.closure import FunctionOp, closed_over, zero_of
from autograd_nn.graph import clock


def test_what_was_there_before():
    w, x = Value(2.0), Value(3.0)
    u = w * x
    constant = Value(1.0, requires_grad=False)
    since = next(clock)
    inside = Value(5.0)
    assert closed_over([inside * u + w, constant * inside], since) == [w, u]  # not x, which is behind u
    assert closed_over([u, 1.0], since) == [u]
    assert closed_over([inside], since) == []


def test_one_rule_serves_all_operands():
    calls = []

    def pull(wanted, g, ans, args):
        calls.append(tuple(wanted))
        return [g * args[1], None, g * 0.0]

    made = FunctionOp("product", "·", lambda *xs: xs[0] * xs[1], pull)
    x, y, z = Value(2.0), Value(3.0), Value(1.0, requires_grad=False)
    made(x, y, z).backward()
    assert calls == [(True, True, False)]
    assert (x.grad, y.grad) == (3.0, 0.0)
    assert made.rule(0)(1.0, 6.0, 2.0, 3.0, 1.0) == 3.0
    assert made.rule(1)(1.0, 6.0, 2.0, 3.0, 1.0) == 0.0


def test_zeros():
    assert zero_of(2.0) == 0.0
    z = zero_of(Value(np.ones(3, np.float32)))
    assert (z.shape, z.dtype) == ((3,), np.float32)


@custom_vjp
def doubled(x, settings):
    return x * 2.0


doubled.defvjp(lambda g, ans, x, settings: (g * 2.0, None))
W = Value(3.0)


@pytest.mark.parametrize(
    "f",
    [
        checkpoint(lambda x: x * W * 2.0),
        lambda x: scan(lambda c, t: (c * t * W, c), x, np.ones(3))[0],
        lambda x: doubled(x, {"a": 1}),
    ],
)
def test_dropping_the_result_frees_everything(f):
    gc.disable()
    try:
        x = Value(np.array(2.0))
        y = f(x)
        y.backward()
        dead = [weakref.ref(x), weakref.ref(y)]
        del x, y
        assert [ref() for ref in dead] == [None, None]
    finally:
        gc.enable()

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from autograd_nn import Graph, Value, checkpoint, grad, hessian, no_grad
from autograd_nn import numpy as anp

RNG = np.random.default_rng(2)
W, X = RNG.normal(size=(3, 3)), RNG.normal(size=3)


def chain(block, x, times=3):
    for _ in range(times):
        x = block(x)
    return (x * x).sum()


def test_value_gradient_and_second_derivative_are_those_of_the_function():
    def loss(wrap):
        def f(w, x):
            return chain(wrap(lambda x: anp.tanh(w @ x) * x), x)

        return f

    ours, theirs = loss(checkpoint), loss(lambda f: f)
    assert ours(W, X) == theirs(W, X)
    for a, b in zip(grad(ours, (0, 1))(W, X), grad(theirs, (0, 1))(W, X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    for row, other in zip(hessian(ours, (0, 1))(W, X), hessian(theirs, (0, 1))(W, X), strict=True):
        for a, b in zip(row, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_third_derivative_in_closed_form():
    f = checkpoint(lambda x: np.exp(2 * x))
    for order in range(1, 4):
        f = grad(f)
        assert f(0.3) == pytest.approx(2**order * np.exp(0.6))


def test_closed_over_values_get_gradients():
    w = Value(W)
    w2 = w * 2.0
    block = lambda x: anp.tanh(w2 @ x + w[0])  # noqa: E731
    x = Value(X)
    chain(block, x).backward()
    expected = w.grad, x.grad
    w.zero_grad()
    x = Value(X)
    chain(checkpoint(block), x).backward()
    np.testing.assert_allclose(w.grad, expected[0], rtol=1e-12)
    np.testing.assert_allclose(x.grad, expected[1], rtol=1e-12)
    w.zero_grad()
    chain(checkpoint(block), X).backward()  # nothing but the closed-over value wants a gradient
    np.testing.assert_allclose(w.grad, expected[0], rtol=1e-12)


def test_structures():
    f = checkpoint(lambda p, *, scale, name: {"y": p["a"] * scale, "z": (p["b"] * p["a"], name, 3)})
    a, b = Value(2.0), Value(5.0)
    out = f({"a": a, "b": b}, scale=3.0, name="n")
    assert out["z"][1:] == ("n", 3)
    (out["y"] + out["z"][0]).backward()
    assert (a.grad, b.grad) == (8.0, 2.0)
    b.zero_grad()
    out["z"][0].backward()  # one result alone
    assert b.grad == 2.0


def test_arrays_stay_arrays():
    assert type(checkpoint(np.sin)(X)) is np.ndarray
    seen = []
    checkpoint(lambda x, y: seen.append(type(y)) or x * y)(Value(X), X)
    assert seen == [np.ndarray]


def test_under_no_grad():
    with no_grad():
        assert not checkpoint(lambda x: x * 2)(Value(X)).requires_grad


def test_an_array_that_is_overwritten_later_does_not_change_the_gradient():
    c = np.ones(3)
    x = Value(X)
    y = checkpoint(lambda x, c: x * c * c)(x, c).sum()
    c[:] = 100.0
    y.backward()
    np.testing.assert_array_equal(x.grad, np.ones(3))


def test_the_graph_holds_one_op():
    y = checkpoint(lambda x: np.exp(np.sin(np.cos(x))))(Value(X))
    assert [node.op.name for node in Graph.of(y).nodes if node.op is not None] == ["checkpoint"]


def test_a_function_that_draws_random_numbers_is_refused():
    rng = np.random.default_rng(0)
    y = checkpoint(lambda x: x * rng.random(3))(Value(X)).sum()
    with pytest.raises(ValueError, match="draw them outside"):
        y.backward()


def test_assigning_to_what_was_used_is_caught():
    w = Value(W)
    y = checkpoint(lambda x: w @ x)(Value(X)).sum()
    w.data = W * 2
    with pytest.raises(ValueError, match="assigned to"):
        y.backward()


def test_errors_of_the_function_are_its_own():
    with pytest.raises(ValueError, match="matmul"):
        checkpoint(lambda x: x @ np.ones(4))(Value(X))


def test_memory():
    """20 blocks that each make 10 arrays: one block's arrays at a time, and the 20 arguments."""

    def block(x):
        for _ in range(10):
            x = anp.tanh(x)
        return x

    def peak(f):
        x = Value(np.ones(20_000))
        tracemalloc.start()
        chain(f, x, 20).backward(retain="leaves")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(checkpoint(block)) < peak(block) / 3  # about a fifth

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Graph, Value, grad, hessian, hvp, jvp, no_grad, scan
from autograd_nn import numpy as anp

RNG = np.random.default_rng(1)
W, H, X = RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=(5, 3))


def cell(w):
    def f(h, x):
        h = anp.tanh(w @ h + x)
        return h, (h * h).sum()

    return f


def loop(f, carry, xs, reverse=False):
    ys = [None] * len(xs)
    for t in range(len(xs))[:: -1 if reverse else 1]:
        carry, ys[t] = f(carry, xs[t])
    return carry, anp.stack(ys)


def total(scanner, reverse):
    def f(w, h, xs):
        h, ys = scanner(cell(w), h, xs, reverse=reverse)
        return (h**3).sum() + (ys * np.arange(len(xs))).sum()

    return f


@pytest.mark.parametrize("reverse", [False, True])
def test_equals_the_loop_up_to_third_order(reverse):
    ours, theirs = total(scan, reverse), total(loop, reverse)
    args = (W, H, X)
    np.testing.assert_allclose(ours(*args), theirs(*args), rtol=1e-14)
    for a, b in zip(grad(ours, (0, 1, 2))(*args), grad(theirs, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    for row, other in zip(hessian(ours, (0, 1, 2))(*args), hessian(theirs, (0, 1, 2))(*args), strict=True):
        for a, b in zip(row, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)
    v = RNG.normal(size=3)
    third = lambda f: grad(lambda h: (hvp(f, 1)(W, h, X, v) * v).sum())(H)  # noqa: E731
    np.testing.assert_allclose(third(ours), third(theirs), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        jvp(lambda h: ours(W, h, X), (H,), (v,))[1], jvp(lambda h: theirs(W, h, X), (H,), (v,))[1], rtol=1e-11
    )


@given(st.integers(1, 6), st.floats(-2, 2), st.floats(-2, 2))
def test_geometric_series(n, a, x):
    """c ← a c + x from 0 is x (1 + a + … + aⁿ⁻¹)."""
    f = lambda a, x: scan(lambda c, _: (a * c + x, None), 0.0, length=n)[0]  # noqa: E731
    powers = [a**k for k in range(n)]
    slopes = [k * a ** (k - 1) if k else 0.0 for k in range(n)]
    assert f(a, x) == pytest.approx(x * sum(powers), abs=1e-9)
    da, dx = grad(f, (0, 1))(a, x)
    assert da == pytest.approx(x * sum(slopes), abs=1e-9)
    assert dx == pytest.approx(sum(powers), abs=1e-9)


def test_closed_over_values_get_gradients():
    """A leaf, and a value computed from it: none is dropped, none counted twice."""
    w = Value(W)
    w2 = w * 2.0

    def loss(scanner):
        h, ys = scanner(lambda h, x: (anp.tanh(w2 @ h + w @ x), h.sum()), H, X)
        return (h * h).sum() + ys.sum()

    found = []
    for scanner in (scan, loop):
        w.zero_grad()
        value = loss(scanner)
        value.backward()
        found.append((value.item(), w.grad))
    assert found[0][0] == pytest.approx(found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12)


def test_a_value_that_only_some_steps_use():
    late = Value(3.0)
    f = lambda c, x: (c * late if x > 2.5 else c + x, None)  # noqa: E731
    c, _ = scan(f, 1.0, np.array([1.0, 2.0, 3.0]))
    c.backward()
    assert (c.item(), late.grad) == (12.0, 4.0)


def test_structures():
    f = lambda c, x: ({"a": c["a"] + x[0], "n": c["n"] + 1}, (c["a"], {"y": x[1]}))  # noqa: E731
    xs = (np.arange(3.0), np.ones((3, 2)))
    carry, (a, rest) = scan(f, {"a": 0.0, "n": 0}, xs)
    assert (float(carry["a"]), carry["n"]) == (3.0, 3)
    np.testing.assert_array_equal(a, [0.0, 0.0, 1.0])
    assert rest["y"].shape == (3, 2)
    assert scan(lambda c, _: (c, None), 1.0, length=2) == (1.0, None)


def test_arrays_give_arrays_and_values_values():
    carry, ys = scan(cell(W), H, X)
    assert type(carry) is np.ndarray
    assert type(ys) is np.ndarray
    carry, ys = scan(cell(Value(W)), H, X)
    assert isinstance(carry, Value)
    assert isinstance(ys, Value)
    with no_grad():
        carry, _ = scan(cell(Value(W)), H, X)
    assert not isinstance(carry, Value) or not carry.requires_grad
    x32 = X.astype(np.float32)
    assert scan(lambda c, x: (c + x.sum(), x), 0.0, x32)[0].dtype == np.float32
    assert grad(lambda x: scan(lambda c, x: (c + x.sum(), x), 0.0, x)[0])(x32).dtype == np.float32


def test_integers_pass():
    x = Value(np.arange(3.0))
    (n, c), i = scan(lambda c, x: ((c[0] + 1, c[1] + x), anp.argmax(x.reshape(1))), (0, 0.0), x)
    assert (n.item() if isinstance(n, Value) else n) == 3
    assert not i.requires_grad
    c.backward()
    np.testing.assert_array_equal(x.grad, np.ones(3))


def test_no_steps():
    x = Value(np.zeros((0, 2)))
    c0 = Value(np.ones(2))
    c, ys = scan(lambda c, x: (c + x, c.sum()), c0, x)
    assert ys.shape == (0,)
    (c * 3).sum().backward()
    np.testing.assert_array_equal(c0.grad, [3.0, 3.0])


def test_one_op_with_a_sub_graph():
    c, _ = scan(cell(Value(W)), H, X)
    ops = [node.op for node in Graph.of(c).nodes if node.op is not None]
    assert [op.name for op in ops] == ["scan", "item"]
    assert {"matmul", "tanh"} <= {node.op.name for node in ops[0].body.nodes if node.op is not None}


def test_assigning_to_what_was_used_is_caught():
    w = Value(W)
    c, _ = scan(cell(w), H, X)
    w.data = W * 2
    with pytest.raises(ValueError, match="assigned to"):
        c.sum().backward()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_step_that_gives_other_results_in_the_backward_pass_is_refused(reverse):
    rng, mask = np.random.default_rng(0), np.ones(3)
    drawn = scan(lambda h, x: (h * x * rng.random(3), None), Value(H), X, reverse=reverse)[0].sum()
    only_outputs = scan(lambda h, x: (h, h * rng.random(3)), Value(H), X, reverse=reverse)[1].sum()
    overwritten = scan(lambda h, x: (h * x * mask, None), Value(H), X, reverse=reverse)[0].sum()
    mask[:] = 5.0
    for y in (drawn, only_outputs, overwritten):
        with pytest.raises(ValueError, match="scan: .*draw them outside"):
            y.backward()
    masks = rng.random(X.shape)
    h = Value(H)
    scan(lambda h, xm: (h * xm[0] * xm[1], None), h, (X, masks), reverse=reverse)[0].sum().backward()
    np.testing.assert_allclose(h.grad, np.prod(X * masks, axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: scan(lambda c, x: c, 0.0, X), TypeError, "pair"),
        (lambda: scan(lambda c, x: (c, None), 0.0), ValueError, "length"),
        (lambda: scan(lambda c, x: (c, None), 0.0, 1.0), ValueError, "axis 0"),
        (lambda: scan(lambda c, x: (c, None), 0.0, (np.ones(2), np.ones(3))), ValueError, r"\[2, 3\]"),
        (lambda: scan(lambda c, x: (c, None), 0.0, X, length=4), ValueError, r"\[4, 5\]"),
        (lambda: scan(lambda c, x: ((c, c), None), 0.0, X), TypeError, "structure"),
        (lambda: scan(lambda c, x: (x, None), 0.0, X), ValueError, "shape"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_memory_grows_with_the_carry_and_not_with_the_step():
    """A step makes 20 arrays as large as the carry; a loop keeps them all."""

    def step(c, x):
        for _ in range(10):
            c = anp.tanh(c * 1.01)
        return c + x, None

    def peak(scanner, n):
        c0 = Value(np.ones(10_000))
        xs = np.ones((n, 1))
        tracemalloc.start()
        c, _ = scanner(step, c0, xs)
        c.sum().backward()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    def plain(f, c, xs):
        for x in xs:
            c, _ = f(c, x)
        return c, None

    ours, theirs = peak(scan, 40), peak(plain, 40)
    assert ours < theirs / 3  # about a tenth
    assert peak(scan, 80) < 3 * ours


def test_time_is_linear():
    def measure(n):
        start = time.perf_counter()
        grad(lambda h: scan(cell(W), h, np.zeros((n, 3)))[0].sum())(H)
        return time.perf_counter() - start

    measure(10)
    assert measure(800) < 10 * 4 * min(measure(200) for _ in range(2))

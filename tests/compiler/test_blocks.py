"""Elementwise runs over large arrays in blocks: what is in a run, what it keeps, and what it computes."""

from __future__ import annotations

import sys
import tracemalloc

import numpy as np
import pytest

from autograd_nn import compile, grad, value_and_grad
from autograd_nn.compiler import blocks
from autograd_nn.compiler.blocks import Run
from autograd_nn.compiler.numpy_plan import NumpyPlan
from autograd_nn.compiler.passes import simplify

RNG = np.random.default_rng(0)


@pytest.fixture
def small(monkeypatch):
    """Blocks of 16 numbers in double precision; freed buffers are filled with NaN."""
    monkeypatch.setattr(blocks, "LARGE", 20)
    monkeypatch.setattr(blocks, "BLOCK", 128)
    module = sys.modules["autograd_nn.compiler.compile"]
    monkeypatch.setattr(module, "plan_of", lambda program, *_: NumpyPlan(program, poison=True))


def runs(plan):
    """The loops of a plan: the number of lines in each."""
    found = []
    for line in plan.body:
        if line.startswith("for "):
            found.append(0)
        elif line.startswith("    "):
            found[-1] += 1
    return found


def check(f, *args, tolerance=1e-13):
    with np.errstate(all="ignore"):
        wanted = f(*args)
    compiled = compile(f)
    for _ in range(3):
        found = compiled(*args)
        for a, b in zip(found, wanted, strict=True) if isinstance(wanted, (tuple, list)) else [(found, wanted)]:
            assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
            assert np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True), compiled.source
    assert compiled.fallbacks == 0
    return compiled.plan(*args)


def softplus_squared(x):
    return np.tanh(x * 2.0 + 1.0) * np.exp(-x) - x


@pytest.mark.parametrize("shape", [(32,), (33,), (47, 1), (1, 50), (7, 5), (2, 3, 7), (3, 40), (40, 2, 2)])
def test_elementwise_results_are_those_of_whole_arrays_bit_for_bit(small, shape):
    x = RNG.normal(size=shape)
    plan = check(softplus_squared, x, tolerance=0.0)
    assert len(runs(plan)) == 1


@pytest.mark.parametrize("shape", [(33,), (7, 5), (2, 3, 7), (3, 40)])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, -1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
def test_reductions_of_blocks(small, shape, axis, keepdims, reduce):
    if isinstance(axis, tuple) and len(shape) == 1:
        pytest.skip("one axis")
    x = RNG.normal(size=shape)
    check(lambda x: (getattr(np, reduce)(np.exp(x) - 0.5, axis=axis, keepdims=keepdims), x + 1.0), x)


def test_rows_are_normalized_in_one_loop(small):
    def normalized(x, scale, shift):
        y = x - x.mean(axis=-1, keepdims=True)
        y = (y * 1.0) / np.sqrt((y * y).mean(axis=-1, keepdims=True) + 1e-5)
        return y * scale + shift

    x, scale, shift = RNG.normal(size=(30, 4)), RNG.normal(size=4), RNG.normal(size=(1, 4))
    plan = check(normalized, x, scale, shift)
    assert len(runs(plan)) == 1
    check(lambda *xs: grad(lambda *xs: (normalized(*xs) ** 2).sum(), (0, 1, 2))(*xs), x, scale, shift, tolerance=1e-10)


@pytest.mark.parametrize(
    "f",
    [
        lambda y: np.exp(y) + np.exp(y).T,
        lambda y: np.exp(y) * np.exp(y)[::-1],
        lambda y: (np.exp(y) - y) @ (y + 1.0),
        lambda y: np.where(y > 0, np.exp(y), y.T) * 2.0,
        lambda y: np.sum(np.exp(y), axis=0) + y * 2.0,
        lambda y: np.exp(y) / np.exp(y).sum(),
        lambda y: np.exp(y.T) * np.exp(y)[:1] + np.exp(y)[:, :1],
        lambda y: (np.exp(y) * 2.0).reshape(50, 2).sum(axis=0) + np.exp(y).reshape(50, 2)[:1],
        lambda y: [np.exp(y) + k * y for k in range(4)],
        lambda y: np.sort(np.exp(y) + 1.0) * np.exp(y),
        lambda y: np.concatenate([np.exp(y) + y, y * y]) * 2.0,
        lambda y: (y > 0.1) * np.exp(y) + (y > 0.1).sum(),
        lambda y: np.broadcast_to(np.exp(y[0]), (10, 10)) * y + 1.0,
        lambda y: np.exp(np.asfortranarray(y) if isinstance(y, np.ndarray) else y) * y,
    ],
)
def test_nothing_is_overwritten_that_another_block_reads(small, f):
    y = RNG.normal(size=(10, 10))
    check(lambda x: f(x + 0.5), y)
    check(lambda x: f(x + 0.5), y.T)
    check(f, np.asfortranarray(y))
    check(f, y.astype(np.float32), tolerance=1e-5)


def test_large_arrays_between_do_not_live_as_a_whole():
    def chain(x):
        a = np.tanh(0.5 * x + 1.0)
        s = 1.0 / (1.0 + np.exp(-a * x))
        return ((np.exp(-((s - a) ** 2)) * s + a) ** 2).sum()

    x = RNG.normal(size=3_000_000).astype(np.float32)
    f = value_and_grad(chain)
    compiled = compile(f, backend="numpy")
    (value, slope), (value_too, slope_too) = compiled(x), f(x)
    assert np.isclose(value, value_too, rtol=1e-6) and np.allclose(slope, slope_too, rtol=1e-6, atol=1e-7)
    assert compiled.plan(x).nbytes < 0.2 * x.nbytes
    compiled(x)
    del slope, slope_too
    tracemalloc.start()
    compiled(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes + 50_000  # the gradient itself


def test_sums_of_blocks_are_as_accurate_as_pairwise_ones():
    x = RNG.uniform(size=4_000_001).astype(np.float32)
    exact = float(np.square(x.astype(np.float64)).sum())
    found = compile(lambda x: (x * x * 1.0).sum(), backend="numpy")(x)
    assert abs(float(found) - exact) <= max(2 * abs(float((x * x).sum()) - exact), 1e-6 * exact)


def test_small_arrays_are_not_cut(record):
    plan = NumpyPlan(simplify(record(softplus_squared, RNG.normal(size=1000))))
    assert runs(plan) == []


def test_memory_does_not_grow_by_what_is_done_early(small, record):
    """1 - h² of a layer is computed where the gradient needs it, not beside h."""

    def network(x, v, w):
        h = np.tanh(x @ v + 0.5)
        return (np.tanh(h @ w + 0.5) ** 2).sum()

    x, v, w = RNG.normal(size=(12, 12)), RNG.normal(size=(12, 12)), RNG.normal(size=(12, 12))
    plan = check(lambda *xs: grad(network, (1, 2))(*xs), x, v, w, tolerance=1e-10)
    assert len(runs(plan)) >= 2


def test_what_is_cut():
    run = Run((100_000, 3), 4)
    assert not run.flat and run.length == blocks.BLOCK // 12 and run.count == -(-100_000 // run.length)
    assert Run((2, 1_000_000), 4).flat
    assert Run((10_000_000,), 8).block((10_000_000,)) == (blocks.BLOCK // 8,)


def test_states_are_updated_in_blocks(small):
    from autograd_nn import Value

    w = Value(RNG.normal(size=(8, 9)))
    start = w.data.copy()
    x = RNG.normal(size=(8, 9))

    @compile
    def step(x):
        w.zero_grad()
        loss = ((w * x) ** 2).sum()
        loss.backward()
        w.data = w.data - 0.1 * w.grad * 1.0
        return loss

    wanted = start
    for _ in range(3):
        loss = step(x)
        assert np.isclose(loss.item(), ((wanted * x) ** 2).sum())
        wanted = wanted - 0.1 * (2 * wanted * x * x)
        assert np.allclose(w.data, wanted)
    assert step.fallbacks == 0


def test_profile_adds_up_the_blocks(small):
    x = RNG.normal(size=(50,))
    compiled = compile(softplus_squared)
    compiled(x)
    table = compiled.profile(x, repeat=2).splitlines()
    assert "bytes" in table[1]
    (row,) = [line for line in table if "tanh" in line and "for " not in line]
    assert f"{x.nbytes:,}" in row

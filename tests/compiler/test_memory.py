"""Buffers are shared by results that do not live at the same time, and by no others."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, compile, op
from autograd_nn.compiler.memory import Pool, bases, last_uses, may_keep
from autograd_nn.compiler.numpy_plan import VIEWS, NumpyPlan
from autograd_nn.compiler.passes import simplify
from autograd_nn.compiler.program import overlap
from autograd_nn.testing.laws import make, variants

X = np.random.default_rng(0).normal(size=(30, 40))


def test_a_buffer_serves_again_when_it_is_given_back():
    pool = Pool()
    a, b = pool.take(1000), pool.take(1000)
    assert a != b and pool.nbytes == 2000
    pool.give(a)
    assert pool.take(800) == a and pool.nbytes == 2000


def test_the_smallest_that_fits_is_taken():
    pool = Pool()
    large, small = pool.take(1900), pool.take(1000)
    pool.give(large)
    pool.give(small)
    assert pool.take(1000) == small and pool.take(1000) == large


def test_no_more_than_half_of_a_buffer_is_wasted():
    pool = Pool()
    pool.give(pool.take(10_000))
    assert pool.take(4_000) == 1 and pool.take(5_000) == 0
    pool.give(pool.take(256))
    assert pool.take(1) == 2  # small ones do not matter


def test_lifetimes_reach_to_the_last_reader(record):
    program = record(lambda x: np.exp(x) + np.sin(np.exp(x + 1.0)), X)
    last = last_uses(program, {})
    position = {i.out: k for k, i in enumerate(program.instructions)}
    readers = {v: [k for k, i in enumerate(program.instructions) if v in i.args] for v in position}
    assert all(last[v] == max(r) for v, r in readers.items() if r)
    assert last[program.outputs[0]] == len(program)


def test_a_view_keeps_the_memory_under_it_alive(record, names):
    program = record(lambda x: (lambda y: np.sin(x).sum() + y.T[1:].sum())(np.exp(x)), X)
    base = bases(program, VIEWS)
    exp, *views = [i.out for i in program.instructions if i.op.name in ("exp", "transpose", "getitem")]
    assert [base[v] for v in views] == [exp, views[0]]
    last = last_uses(program, base)
    assert last[exp] == last[views[-1]] == next(k for k, i in enumerate(program.instructions) if views[-1] in i.args)


def test_ops_that_may_give_views_are_known():
    """Otherwise a buffer is written to while a view of it is still read: results are compared for several layouts."""
    missing = set()
    for name, found in OPS.items():
        for case in found.cases:
            for dtype in list(variants(found, case))[:1]:
                args = make(found, case, dtype)
                for order in "CF":
                    laid = [np.array(x, order=order) if isinstance(x, np.ndarray) else x for x in args]
                    try:
                        out = found.compute(*laid, **case.attrs)
                    except ImportError:
                        continue
                    if name not in VIEWS and any(overlap(out, x) for x in laid):
                        missing.add(name)
    from autograd_nn.compiler.memory import KEEPING

    assert missing == KEEPING


def test_results_of_ops_of_users_may_lie_in_any_operand(record):
    """Whether ``np.ravel`` copies depends on the layout: while recording it did, in the plan it does not."""

    @op("ravel", name="flattened by the user")
    def flattened(x):
        return np.ravel(x)

    flattened.defvjp(lambda g, ans, x: g.reshape(x.shape))

    def f(x):
        y = x.T * 2.0
        z = flattened(y)
        other = np.tanh(np.exp(x.T) + 1.0)
        return z + flattened(other)

    try:
        assert may_keep(record(f, X).instructions[-2])
        compiled = compile(f)
        for _ in range(2):
            assert np.allclose(compiled(X), f(X), rtol=1e-15)
    finally:
        del OPS["flattened by the user"]


def test_a_chain_needs_two_buffers_and_a_wide_graph_as_many_as_live_at_once(record):
    def chain(x):
        for _ in range(10):
            x = np.exp(x @ x.T @ x * 1e-9)
        return x.sum()

    plan = NumpyPlan(simplify(record(chain, X)))
    assert len(plan.sizes) <= 4

    def wide(x):
        parts = [np.sin(x * k) for k in range(2, 8)]
        return np.stack(parts).sum()

    assert NumpyPlan(simplify(record(wide, X))).nbytes >= 12 * X.nbytes


@pytest.mark.parametrize(
    "f",
    [
        lambda y: y + y.T,
        lambda y: y * y[::-1],
        lambda y: y @ y,
        lambda y: np.where(y > 0, y, y.T),
        lambda y: OPS["clip"](y, 0.2, y),
        lambda y: OPS["clip"](y, y, 0.2),
        lambda y: OPS["clip"](y, y.T, y),
        lambda y: np.where(y > 0, y.T, y) + np.where(y.T > 0, y, y),
        lambda y: np.sum(y, axis=0) + y,
        lambda y: np.concatenate([y, y.T]) * 2.0,
        lambda y: np.maximum(y, y[:1]) - y,
        lambda y: OPS["softmax"](y) - y,
        lambda y: y.reshape(4, 25).sum(axis=0) + np.exp(y).reshape(100)[:25],
    ],
)
def test_an_operand_is_never_overwritten_while_it_is_read(f):
    y = np.random.default_rng(1).normal(size=(10, 10))
    g = lambda x: f(x + 0.5) * 1.5  # noqa: E731  (a buffer before, and no fresh array after)
    compiled = compile(g)
    for _ in range(2):
        assert np.allclose(compiled(y), g(y), rtol=1e-13, atol=1e-13)

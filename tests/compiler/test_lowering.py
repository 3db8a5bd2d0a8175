"""Programs as loops and calls: what each op is, what is computed once, what waits until the end, what Python keeps."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, Value, compile, grad, nn, optim
from autograd_nn.compiler import Compiled, CompileWarning, native_plan
from autograd_nn.compiler.fusion import Call, Loop, Map, Python, Reduce
from autograd_nn.compiler.lowering import DTYPES, ELEMENTWISE, LOWERINGS, lower
from autograd_nn.compiler.passes import simplify
from autograd_nn.functions import gelu
from autograd_nn.losses import cross_entropy

X = np.random.default_rng(0).normal(size=(4, 3))


@pytest.fixture
def lowered(record):
    """Return the schedule of a function."""
    return lambda f, *arguments: lower(simplify(record(f, *arguments)))


@pytest.fixture
def step_of():
    """Return the schedule of a function that assigns, such as a training step."""

    def lowered(f, *arguments):
        compiled = Compiled(f)
        compiled(*arguments)
        return lower(compiled.plan(*arguments).program)

    return lowered


def kinds(found):
    return [type(item).__name__ for item in found.schedule.items]


def texts(found):
    return [
        s.text for item in found.schedule.items if isinstance(item, Loop) for s in item.statements if isinstance(s, Map)
    ]


def test_a_chain_with_its_sum_is_one_loop(lowered):
    found = lowered(lambda x: (np.tanh(x * 2.0) + np.exp(x)).sum(), X)
    assert kinds(found) == ["Loop"] and not found.python
    (loop,) = found.schedule.items
    assert isinstance(loop.statements[-1], Reduce) and loop.statements[-1].kind == "sum"
    assert "tanh_f64({0})" in texts(found)
    assert "tanh_f32({0})" in texts(lowered(lambda x: np.tanh(x), X.astype(np.float32)))


def test_every_rule_is_for_an_op_and_every_elementwise_one_has_a_rule():
    assert set(OPS).issuperset(LOWERINGS) and ELEMENTWISE.issubset(LOWERINGS)
    assert set(DTYPES) == {"float32", "float64", "int64", "int32", "bool"}


def test_the_same_expression_is_computed_once(lowered):
    """Also where ops are not the same: the exponential of a softmax is that of its derivative."""
    found = lowered(lambda z, t: (cross_entropy(z, t), grad(cross_entropy)(z, t)), X, np.array([0, 1, 2, 0]))
    assert sum("exp_f64" in text for text in texts(found)) == 1 and not found.python
    assert list(found.checks.values()) == [None] and next(iter(found.checks))[1] == 3


def test_what_is_not_the_same(lowered):
    found = lowered(lambda x, y: (x - y, y - x, x.sum(axis=0), x.sum(axis=1), x.max(axis=0)), X, X + 1)
    assert len(texts(found)) == 2
    assert sum(isinstance(s, Reduce) for i in found.schedule.items for s in i.statements) == 3
    conditions = lowered(lambda x, i: (np.where(x > 0, i, 0), np.where(x > 0, x, 0.0)), X, np.ones((4, 3), np.int64))
    assert sum("select" in text for text in texts(conditions)) == 2


def test_views_take_no_time(lowered):
    found = lowered(lambda x: x.T[1:, ::-1].reshape(2, 2, 2)[0] + x[:2, 0], X)
    assert kinds(found) in (["Loop"], ["Loop", "Loop"]) and not found.python
    assert not lowered(lambda x: np.broadcast_to(x[:, None], (4, 5, 3)).sum(), X).python


def test_stacks_and_places_are_written_where_they_belong(lowered):
    found = lowered(lambda x: np.concatenate([x * 2.0, np.stack([x[0], x[1]])]) + 1.0, X)
    written = [s.out for i in found.schedule.items for s in i.statements if s.out.root is not s.out]
    assert len(written) >= 3 and not found.python
    assert {x.root.shape for x in written} >= {(6, 3)}


def test_products_are_calls_and_transposes_are_flags(lowered):
    found = lowered(lambda x, y: (x @ y.T, x.T @ y), X, X + 1)
    calls = [i for i in found.schedule.items if isinstance(i, Call)]
    assert kinds(found).count("Loop") == 0 and len(calls) == 2 and all("gemm" in c.lines[-1] for c in calls)
    copied = lowered(lambda x, y: x @ y[:, ::2].T, X, np.ones((5, 6)))
    assert kinds(copied) == ["Loop", "Call"]  # neither rows nor columns are together


def test_gradients_of_many_steps_are_one_product(lowered):
    def loss(w, x):
        h = np.zeros((2, 3))
        for t in range(6):
            h = np.tanh(x[t] @ w + h @ w)
        return (h * h).sum()

    found = lowered(grad(loss), np.eye(3), np.ones((6, 2, 3)))
    products = [i for i in found.schedule.items if isinstance(i, Call)]
    assert len(products) <= 6 + 5 + 6 + 1  # forwards, backwards, and one for the weights (without: 11 for them)
    assert max(x.shape[0] for c in products for x in c.reads()) >= 2 * 6 or any(
        x.shape[1] >= 2 * 6 for c in products for x in c.reads()
    )
    assert not found.python


def test_an_update_of_all_parameters_comes_last(step_of):
    model = nn.MLP([3, 4, 2], rng=0)
    moves = optim.Adam(model.parameters(), 0.1)

    def step(x):
        moves.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        moves.step()
        return loss

    found = step_of(step, np.ones((5, 3), np.float32))
    final = [item.final for item in found.schedule.items]
    assert final == sorted(final) and any(final)
    written = {x for item in found.schedule.items if item.final for x in item.writes()}
    states = {found.slots[v] for _, v in found.program.writes if v.shape}
    assert states <= written
    outputs = {found.slots[v].root for v in found.program.outputs}
    assert not outputs & written  # what is returned is there before anything is assigned


def test_what_is_returned_or_read_again_does_not_wait(step_of):
    w = Value(np.ones(3))

    def f(x):
        new = w.data * 2.0 + x
        w.data = new
        return new.sum()

    found = step_of(f, np.ones(3))
    assert not any(item.final for item in found.schedule.items)


def test_what_a_sum_of_products_reads_is_there(step_of):
    """The decay of weights is added to a sum that does not wait."""
    r = nn.RNN(3, 4, rng=0)
    moves = optim.SGD(r.parameters(), 0.1, weight_decay=0.1)

    def step(x):
        moves.zero_grad()
        y = r(x)
        loss = ((y[0] if isinstance(y, tuple) else y) ** 2).sum()
        loss.backward()
        moves.step()
        return loss

    found = step_of(step, np.ones((2, 6, 3), np.float32))
    made = set()
    for item in found.schedule.items:
        inside = item.made if isinstance(item, Loop) else set()
        assert all(x.source is not None or x.root in made or x in inside or x.root.source for x in item.reads())
        made |= {x.root for x in item.writes()}


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sort(x), X),
        (lambda x: np.linalg.inv(x), np.eye(3)),
        (lambda x: x * 2, X.astype(np.complex128)),
        (lambda x: x[np.array([0, 1])] if False else np.cumsum(x, axis=0), X),
        (lambda x: gelu(x), X),
        (lambda x: x + 1.0, np.ones((0, 3))),
        (lambda x: x.sum(), np.arange(3)),
        (lambda x: x // 2, np.arange(3)),
        (lambda x: x * 1.5, np.ones(3, np.float16)),
        (lambda x: x + 1.0, np.ones(3, ">f8")),
    ],
    ids=["sort", "inverse", "complex", "cumsum", "erf", "empty", "integers", "floor", "float16", "big-endian"],
)
def test_what_has_no_native_form_is_left_to_python(lowered, f, x):
    found = lowered(f, x)
    assert found.python and "Python" in kinds(found)
    (item, *_) = [i for i in found.schedule.items if isinstance(i, Python)]
    assert item.instruction in found.python


def test_numbers_that_might_not_fit_are_left_to_python(lowered):
    i = np.arange(3, dtype=np.int32)
    assert lowered(lambda i, n: i + n, i, 1).python and lowered(lambda n: n * 2, 3).python
    assert not lowered(lambda i, n: i * 1.5 + n, X, 1.0).python


def test_an_error_in_a_rule_is_an_error_only_where_native_code_is_wanted(monkeypatch):
    pytest.importorskip("numba", reason="native code needs Numba")
    pytest.importorskip("scipy.linalg.cython_blas", reason="native code needs SciPy")

    def wrong(b, i, x):
        raise ZeroDivisionError("no such rule")

    monkeypatch.setitem(LOWERINGS, "tanh", wrong)
    monkeypatch.setattr(native_plan, "installed", lambda: True)

    def f(x):
        for _ in range(native_plan.FEWEST):
            x = np.tanh(x * 2.0)
        return x

    with pytest.raises(ZeroDivisionError, match="no such rule"):
        compile(f, backend="native")(np.ones(3))
    compiled = compile(f)
    with pytest.warns(CompileWarning, match="numpy plan is used instead: ZeroDivisionError: no such rule"):
        assert np.array_equal(compiled(np.ones(3)), f(np.ones(3)))
    assert compiled.plan().name == "numpy"


def test_each_statement_says_what_it_computes(lowered):
    found = lowered(lambda x: np.exp(x).sum() @ x if False else np.exp(x).sum(axis=0), X)
    notes = [s.note for i in found.schedule.items for s in i.statements]
    assert any("exp" in n for n in notes) and any("sum" in n for n in notes)


def test_views_lie_within_what_they_are_views_of(lowered):
    """Also those of single numbers, of which NumPy would give a copy."""

    def f(x, n):
        return np.stack([x[0].sum(), n * 1.0]), np.stack([n, n * 2.0]), np.concatenate([x[:1], x])[0], x[1:, ::-1].T

    found = lowered(f, X, np.array(2.0))
    for item in found.schedule.items:
        for x in (*item.reads(), *item.writes()):
            assert isinstance(x.view, np.ndarray) and 0 <= x.offset < max(x.root.nbytes, 1), x

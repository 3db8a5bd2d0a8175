"""Each pass makes a program shorter, and its results stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, Value, compile, grad, op
from autograd_nn.compiler.numpy_plan import NumpyPlan
from autograd_nn.compiler.passes import (
    LARGEST,
    equal_constants,
    fold_constants,
    is_root_of_sum,
    is_term,
    join_places,
    merge_duplicates,
    prune,
    simplify,
    terms,
)

from .test_quick import BACKENDS

X = np.random.default_rng(0).normal(size=(2, 3))


def run(program, *arguments):
    results, _, _ = NumpyPlan(program).instance()(list(arguments), [], [])
    return results


def test_prune_leaves_out_what_is_not_read(record, names):
    program = record(lambda x: (np.exp(x), np.sin(x)), X)
    del program.outputs[0]
    prune(program)
    assert names(program) == ["sin"]
    prune(program)
    assert len(program) == 1


def test_constants_are_computed_once(record, names):
    program = record(lambda x: x + np.exp(np.ones(3)) * 0.0, X)
    fold_constants(program)
    assert len(program) <= 2
    program = record(lambda x: x + OPS["sum"](OPS["exp"](constant(x, np.ones(3)))), X)
    fold_constants(program)
    assert names(program) == ["add"]
    (out,) = run(program, X)
    assert np.array_equal(out, X + np.exp(np.ones(3)).sum())


def constant(x, data):
    return type(x).leaf(data)


def test_numbers_that_are_arguments_are_no_constants(record):
    program = record(lambda x, n: x * (n + 1.0), X, 2.0)
    fold_constants(program)
    assert len(program) == 2
    assert np.array_equal(run(program, X, 5.0)[0], X * 6.0)


def test_several_results_are_not_folded(record, names):
    program = record(lambda x: x + OPS["qr"](constant(x, np.eye(2)))[1], np.ones((2, 2)))
    simplify(program)
    assert np.allclose(np.abs(run(program, np.ones((2, 2)))[0]), np.abs(np.ones((2, 2)) + OPS["qr"](np.eye(2))[1]))


def test_the_same_op_of_the_same_operands_is_computed_once(record, names):
    program = record(lambda x: np.exp(x) * 2.0 + np.exp(x) * 2.0 + np.exp(x + 0.0), X)
    merge_duplicates(program)
    assert names(program).count("exp") == 2 and names(program).count("mul") == 1


@pytest.mark.parametrize(
    ("f", "apart"),
    [
        (lambda x: (x.sum(axis=0, keepdims=True), x.sum(axis=1, keepdims=True)), 2),  # other settings
        (lambda x: (x * 0.0, x * -0.0), 2),  # the sign of zero
        (lambda x: (x * 1, x * 1.0, x * True), 3),  # other types
        (lambda x: (x * np.float32(2), x * np.float64(2)), 2),
        (lambda x: (x + np.ones(3), x + np.ones((1, 3))), 2),
        (lambda x: (x * np.nan, x * np.nan), 1),
        (lambda x: (x + np.ones(3), x + np.ones(3)), 1),
        (lambda x: (x - 1.0, 1.0 - x), 2),  # the order of operands
    ],
)
def test_what_is_the_same(record, f, apart):
    program = record(f, X)
    wanted = run(record(f, X), X)
    merge_duplicates(program)
    assert len(program) == apart
    for a, b in zip(run(program, X), wanted, strict=True):
        assert np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a), np.signbit(b))


def test_equal_constants_are_one(record):
    """Those of the same type, dtype, shape and bits; whatever their size, up to a limit."""
    big = np.arange(300.0)
    program = record(lambda x: (x + big, x + big.copy(), x + (big + 1.0), x + big.reshape(1, -1)), big)
    same = equal_constants(program)
    assert len(same) == 4 and len(set(same.values())) == 3
    merge_duplicates(program)
    assert len(program) == 3
    assert np.array_equal(run(program, big)[2], 2 * big + 1.0)
    numbers = record(lambda x: (x + 1.0, x * 1.0, x - 1, x / True, x + 0.0, x + -0.0, x * np.float32(1)), X)
    kinds = {(type(v.data), repr(v.data)) for v in equal_constants(numbers).values()}
    assert len(set(equal_constants(numbers).values())) == len(kinds) == 6


def test_constants_that_are_too_large_are_not_compared(record):
    huge = np.zeros(LARGEST // 8 + 1)
    program = record(lambda x: (x + huge, x + huge.copy()), huge)
    assert equal_constants(program) == {}
    merge_duplicates(program)
    assert np.array_equal(run(program, huge + 1.0)[1], huge + 1.0) and len(program) == 2


def rows(*order, by=lambda row, k: row * (k + 1.0), shape=(3,)):
    """A function whose gradient is a sum of arrays that are 0 but for one row each."""

    def f(x):
        return sum(by(x[k], i).sum() for i, k in enumerate(order))

    return grad(f)


ROWS = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (-1, 0, -2, 1), (2, -3, 3, 0)])
def test_rows_that_are_used_one_by_one_are_put_together_at_once(record, names, order):
    f = rows(*order, by=lambda row, k: np.exp(row) * (k + 1.0))
    x = ROWS / 10
    program = simplify(record(f, x))
    assert names(program).count("stack") == 1 and "place" not in names(program)
    (out,) = run(program, x)
    assert out.dtype == x.dtype and np.allclose(out, f(x), rtol=1e-15)
    plain = record(f, x)
    join_places(plain)
    prune(plain)
    assert np.allclose(run(plain, x)[0], f(x), rtol=1e-15)


@pytest.mark.parametrize(
    "f",
    [
        rows(0, 1, 2),  # one row is not used
        rows(0, 1, 2, 3, 1),  # one is used twice
        rows(0, 1, 2, 3, -1),
        grad(lambda x: (x[0] * 2.0).sum() + (x[1:] * 3.0).sum()),  # several rows at once
        grad(lambda x: sum((x[k, :2] * (k + 1.0)).sum() for k in range(4))),  # parts of rows
        grad(lambda x: sum((x[:, k] * (k + 1.0)).sum() for k in range(3))),  # columns
        grad(lambda x: sum((x[k] * (k + 1.0)).sum() for k in range(4)) + (x * x).sum()),  # and all
    ],
)
def test_other_sums_stay_what_they_are(record, f):
    wanted = f(ROWS)
    program = simplify(record(f, ROWS))
    (out,) = run(program, ROWS)
    assert out.dtype == wanted.dtype and np.allclose(out, wanted, rtol=1e-15)


def test_a_sum_that_is_read_in_between_stays(record):
    place = lambda row, k: OPS["place"](row, key=(k,), shape=(2, 3))  # noqa: E731

    def f(x):
        half = place(x[0], 0)
        both = half + place(x[1], 1)
        return both * 2.0, half * 3.0, both + half

    x = ROWS[:2]
    program = simplify(record(f, x))
    for found, wanted in zip(run(program, x), f(x), strict=True):
        assert np.array_equal(found, wanted)


def test_the_terms_of_a_sum(record):
    program = record(lambda x: ((x + np.exp(x)) + (x * 2.0 + x)) * 1.5, X)
    uses = program.uses()
    roots = [i for i in program.instructions if is_root_of_sum(i, uses)]
    assert len(roots) == 1
    assert [v.source.op.name if v.kind == "result" else v.kind for v in terms(roots[0], uses)] == [
        "argument", "exp", "mul", "argument",
    ]  # fmt: skip
    inner = [i.out for i in program.instructions if i.op.name == "add" and i is not roots[0]]
    assert all(is_term(v, uses) for v in inner) and not is_term(roots[0].out, uses)
    shared = record(lambda x: (lambda y: (y + x, y * 2.0))(x + 1.0), X)
    uses = shared.uses()
    assert len([i for i in shared.instructions if is_root_of_sum(i, uses)]) == 2  # others read the inner one, too
    broadcast = record(lambda x: x + (x[0] + 1.0), X)
    uses = broadcast.uses()
    assert len([i for i in broadcast.instructions if is_root_of_sum(i, uses)]) == 2


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.negative(np.negative(x)),
        lambda x: x.T.T,
        lambda x: np.transpose(np.transpose(x[None], (1, 2, 0)), (2, 0, 1)),
        lambda x: x.reshape(3, 2).reshape(6).reshape(2, 3),
        lambda x: x.astype(np.float64),
        lambda x: 1.0 * x * 1.0 / 1.0,
        lambda x: +x,
        lambda x: np.conj(np.conj(x)),
        lambda x: np.broadcast_to(x, (2, 3)),
        lambda x: np.copy(x),
        lambda x: OPS["sum_to"](x, shape=(2, 3)),
        lambda x: OPS["alias"](OPS["alias"](x)),
    ],
)
def test_what_gives_its_operand_is_left_out(record, names, f):
    program = record(f, X)
    wanted = f(X)
    simplify(program)
    assert [n for n in names(program) if n != "expand_dims" and n != "getitem"] == []
    assert np.array_equal(run(program, X)[0], wanted)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1.0 / x,
        lambda x: 1.0 - x,
        lambda x: x * np.ones(()) * np.float32(1),
        lambda x: np.transpose(np.transpose(x[None], (1, 2, 0)), (1, 2, 0)),
        lambda x: x.reshape(3, 2).T.reshape(2, 3),
        lambda x: x * np.ones((4, 2, 3)),
        lambda x: x.astype(np.float32).astype(np.float64),
        lambda x: x.reshape(3, 2),
        lambda x: np.reshape(np.reshape(x, (6,), order="F"), (2, 3)),
        lambda x: x * (1.0 + 0.0j),
        lambda x: -np.conj(-x),
    ],
)
def test_what_only_looks_like_it_stays(record, f):
    program = record(f, X)
    wanted = np.asarray(f(X))
    simplify(program)
    (out,) = run(program, X)
    assert out.dtype == wanted.dtype and np.array_equal(out, wanted)


def test_a_factor_of_one_that_makes_another_dtype_stays(record):
    x = np.arange(3)
    (out,) = run(simplify(record(lambda x: x * 1.0, x)), x)
    assert out.dtype == np.float64
    x = X.astype(np.float32)
    (out,) = run(simplify(record(lambda x: x * np.float64(1.0), x)), x)
    assert out.dtype == np.float64


def test_a_reshape_of_a_reshape_that_others_read(record, names):
    program = record(lambda x: (lambda y: y.reshape(6) + 0.5 * y.reshape(6) + y.sum())(x.reshape(3, 2)), X)
    simplify(program)
    assert np.allclose(run(program, X)[0], X.reshape(6) * 1.5 + X.sum())
    assert names(program).count("reshape") <= 2


def test_all_passes_together_keep_outputs_and_are_done_at_once(record):
    def f(x):
        y = np.tanh(x @ x.T) * 1.0 + np.exp(np.zeros(2))
        return (y * y.T.T).sum() + grad(lambda z: (z**3).sum())(x).sum()

    plain = run(record(f, X), X)[0]
    program = simplify(record(f, X))
    assert np.allclose(run(program, X)[0], plain, rtol=1e-14)
    before = str(program)
    assert str(simplify(program)) == before
    assert len(program) < len(record(f, X))


@pytest.mark.parametrize("backend", BACKENDS)
def test_ops_of_others_are_called_wherever_they_stand(backend):
    rng, calls, seen = np.random.default_rng(0), [], []

    @op("~")
    def noisy(x):
        """x with noise."""
        calls.append(1)
        return x + rng.normal(size=x.shape)

    try:
        f = compile(lambda x: (noisy(x), noisy(x), noisy(Value(X, requires_grad=False)) + x), backend=backend)
        f(X)
        calls.clear()
        for n in range(1, 5):
            a, b, c = (np.asarray(getattr(y, "data", y)) for y in f(X))
            assert len(calls) == 3 * n and not np.array_equal(a, b) and not np.array_equal(c, a + X)
            seen.append(c.sum())
        assert len(set(seen)) == 4
    finally:
        OPS.pop("noisy", None)

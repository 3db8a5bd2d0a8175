"""Each pass makes a program shorter, and its results stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, grad
from autograd_nn.compiler.numpy_plan import NumpyPlan
from autograd_nn.compiler.passes import fold_constants, merge_duplicates, prune, simplify

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


def test_large_constants_are_told_by_identity(record):
    big = np.arange(300.0)
    program = record(lambda x: (x + big, x + big, x + (big + 1.0)), big)
    merge_duplicates(program)
    assert np.array_equal(run(program, big)[2], 2 * big + 1.0)


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

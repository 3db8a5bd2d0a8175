"""Native code gives what eager code gives: ops, derivatives, random graphs, training, all layouts, threads, errors."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("numba", reason="native code needs Numba")
pytest.importorskip("scipy.linalg.cython_blas", reason="native code needs SciPy")

from autograd_nn import OPS, Value, compile, grad, nn, optim
from autograd_nn.compiler import native_cache
from autograd_nn.compiler.lowering import ELEMENTWISE, LOWERINGS
from autograd_nn.compiler.native_plan import NativePlan
from autograd_nn.functions import gelu
from autograd_nn.losses import cross_entropy
from autograd_nn.testing.laws import make, variants
from autograd_nn.testing.strategies import random_graphs

from .test_numpy_plan import SPECIAL, agree, loss_of


def native(f, **settings):
    return compile(f, backend="native", **settings)


# --- laws -------------------------------------------------------------------------------------------------------------

NAMES = sorted(name for name in LOWERINGS if name in OPS)
SIMPLE = [name for name in NAMES if name in ELEMENTWISE]
OTHERS = [name for name in NAMES if name not in ELEMENTWISE]
GROUPS = [names[k : k + n] for names, n in ((SIMPLE, 12), (OTHERS, 6)) for k in range(0, len(names), n)]
NEVER_NATIVE = {"power"}
"""Ops with rules for other things than the arrays of the laws."""


def laws(names):
    """Functions, their arguments and what they give eagerly: values, gradients and second derivatives."""
    for name in names:
        op = OPS[name]
        for case in op.cases:
            for dtype in variants(op, case):
                if dtype not in ("float64", "float32", "int64", "bool"):
                    continue
                args = make(op, case, dtype)
                f = lambda *xs, op=op, attrs=case.attrs: op(*xs, **attrs)  # noqa: E731
                yield name, dtype, 64.0, f, args
                if not op.differentiable or dtype not in ("float32", "float64"):
                    continue
                loss, inputs = loss_of(op, args, case.attrs)
                everything = tuple(range(len(inputs)))
                if not inputs or any(np.asarray(x).dtype.kind != "f" for x in inputs):
                    continue
                first = grad(loss, everything)
                yield name, dtype, 256.0, first, inputs
                if case.order > 1 and dtype == "float64":
                    norm = lambda *xs, first=first: sum((g * g).sum() for g in first(*xs))  # noqa: E731
                    yield name, dtype, 4096.0, grad(norm, everything), inputs


def close_enough(found, wanted, dtype, ulps):
    """Are numbers equal to rounding? The sum of squares and a Python float beside float32 arrays are of their size."""
    if agree(found, wanted, ulps):
        return True
    rtol = 1e-4 if dtype == "float32" else 1e-9
    many = found if isinstance(found, (list, tuple)) else [found]
    wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    return all(
        np.shape(a) == np.shape(b)
        and np.asarray(a).dtype == np.asarray(b).dtype
        and np.allclose(a, b, rtol=rtol, atol=rtol * max(1e-6, float(np.abs(b).max(initial=0.0))), equal_nan=True)
        for a, b in zip(many, wanted, strict=True)
    )


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
def test_native_equals_eager(names):
    functions, inputs, wanted, about = [], [], [], []
    for name, dtype, ulps, f, args in laws(names):
        try:
            with np.errstate(all="ignore"):
                eager = f(*args)
        except (TypeError, ValueError, ImportError):
            continue  # nothing to differentiate
        functions.append(f)
        inputs.append(args)
        wanted.append(eager)
        about.append((name, dtype, ulps))
    compiled = native(lambda each: [f(*args) for f, args in zip(functions, each, strict=True)])
    for _ in range(2):  # the second time, the workspace holds something
        found = compiled(inputs)
        wrong = [
            (what, a, b)
            for what, a, b in zip(about, found, wanted, strict=True)
            if not close_enough(a, b, what[1], what[2])
        ]
        assert not wrong, wrong[0]
    assert compiled.fallbacks == 0
    if names[0] in SIMPLE:  # each has a native form for floats
        floats = [
            i.op.name
            for i in compiled.plan(inputs).fallbacks
            if i.op.name in names and i.out.dtype.kind == "f" and i.out.shape and not i.out.python
        ]
        assert set(floats) <= {"power", "power_of", "gelu", "where", "cast"} | NEVER_NATIVE


def test_special_numbers_are_what_they_are_in_eager_code():
    """Infinities, NaN, zeros, numbers that are subnormal: all elementwise ops, each operand each of them."""
    functions, inputs, wanted, about = [], [], [], []
    for name in SIMPLE:
        op = OPS[name]
        if op.variadic:
            continue
        for dtype in ("float64", "float32"):
            with np.errstate(all="ignore"):
                args = [a.ravel() for a in np.meshgrid(*[np.array(SPECIAL).astype(dtype)] * len(op.args))]
                for attrs in {repr(c.attrs): c.attrs for c in op.cases}.values():
                    try:
                        wanted.append(op.compute(*args, **attrs))
                    except (TypeError, ValueError, ImportError):
                        continue
                    functions.append((op, attrs))
                    inputs.append(args)
                    about.append((name, dtype, attrs))
    compiled = native(lambda each: [op(*xs, **a) for (op, a), xs in zip(functions, each, strict=True)])
    for _ in range(2):
        for found, right, what, xs in zip(compiled(inputs), wanted, about, inputs, strict=True):
            found, right = np.asarray(found), np.asarray(right)
            assert found.dtype == right.dtype and found.shape == right.shape, what
            if right.dtype.kind != "f":
                assert np.array_equal(found, right), what
                continue
            with np.errstate(all="ignore"):
                distance = np.abs(found.astype(float) - right) / np.spacing(np.abs(right))
                same = (found == right) | (np.isnan(found) & np.isnan(right)) | (distance <= 8)
            assert same.all(), (what, [x[~same][:3] for x in xs], found[~same][:3], right[~same][:3])


def test_numbers_of_python_beside_arrays():
    """Python numbers take the dtype of the array; 0-d arrays do not; what cannot be converted is an error."""

    def f(x, i, n, r):
        return x * r + n, i + n, i * r, x < r, i < n, n * 2, r / 3, n + r, -n, x + np.float64(r) * 0.0

    compiled = native(f)
    i = np.arange(3, dtype=np.int32)
    for x in (np.array([0.1, 1.0, 5.0], np.float32), np.array([0.1, 1.0, 5.0])):
        for n, r in ((1, 0.1), (3, -2.5), (2**20, 1e300), (0, float("inf")), (-1, float("nan"))):
            with np.errstate(all="ignore"):
                for found, wanted in zip(compiled(x, i, n, r), f(x, i, n, r), strict=True):
                    assert type(found) is type(wanted) and np.asarray(found).dtype == np.asarray(wanted).dtype
                    assert np.array_equal(found, wanted, equal_nan=True), (n, r)
    big = native(lambda i, n: (i < n, i.astype(np.int64) * 2))
    assert big(i, 1)[0].tolist() == [True, False, False]
    assert big(i, 2**40)[0].all() and big(i, 2**100)[0].all() and not big(i, -(2**100))[0].any()
    added = native(lambda i, n: i + n)
    assert added(i, 1).tolist() == [1, 2, 3]
    with pytest.raises(OverflowError):
        added(i, 2**40)
    assert native(lambda i: i < 2**40)(i).all()


def test_integers_and_truth_values():
    def f(i, j, b):
        return (i + j) * 2 - i, -j, i < j, (i == j) & ~b, b | (i > 3), np.where(b, i, j), b * 1.5, i / 4, abs(j)

    i, j, b = np.arange(6), np.array([5, 4, 3, 2, 1, -(2**63)]), np.array([True, False] * 3)
    compiled = native(f)
    for _ in range(2):
        for found, wanted in zip(compiled(i, j, b), f(i, j, b), strict=True):
            assert found.dtype == wanted.dtype and np.array_equal(found, wanted)


def test_sums_of_many_numbers_are_accurate():
    x = np.random.default_rng(0).uniform(size=2_000_000).astype(np.float32)
    f = native(lambda x: (x.sum(), x.mean(), x.reshape(4, -1).sum(axis=1), x.reshape(100, -1).T.sum(), x.var()))
    exact = x.astype(np.float64)
    wanted = exact.sum(), exact.mean(), exact.reshape(4, -1).sum(axis=1), exact.sum(), exact.var()
    for found, right in zip(f(x), wanted, strict=True):
        assert np.allclose(found, right, rtol=2e-7, atol=0)


def test_the_greatest_of_numbers_and_nan():
    x = np.arange(40.0).reshape(5, 8)
    x[1, 3] = x[4, 7] = np.nan
    x[2] = -np.inf

    def f(x):
        return [g(axis=a) for g in (x.max, x.min) for a in (None, 0, 1)] + [np.maximum(x, 3.0), np.clip(x, 1.0, 2.0)]

    compiled = native(f)
    for y in (x, x.astype(np.float32), np.asfortranarray(x), x[:, ::-1]):
        for found, wanted in zip(compiled(y), f(y), strict=True):
            assert np.array_equal(found, wanted, equal_nan=True)


# --- random graphs, with memory poisoned as soon as nobody is to read it ----------------------------------------------


@pytest.fixture
def poisoned(monkeypatch):
    module = sys.modules["autograd_nn.compiler.compile"]
    monkeypatch.setattr(module, "plan_of", lambda program, backend: NativePlan(program, poison=True))


def alike(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return found.dtype == wanted.dtype and np.allclose(found, wanted, rtol=1e-8, atol=1e-10 * scale, equal_nan=True)


@given(random_graphs(max_steps=7))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_random_graphs_with_first_and_second_derivatives(poisoned, graph):
    everything = tuple(range(len(graph.leaves)))
    first = grad(graph, everything)

    def norm(*xs):
        return sum((g * g).sum() if np.ndim(g) else g * g for g in first(*xs))

    parts = [lambda *xs: [graph(*xs)], graph.values, first]
    try:
        second = grad(norm, everything)
        second(*graph.leaves)
        parts.append(second)
    except (TypeError, ValueError):
        pass  # the gradient is constant

    def f(*xs):
        return [y for part in parts for y in part(*xs)]

    with np.errstate(all="ignore"):
        wanted = f(*graph.leaves)
    compiled = native(f)
    for _ in range(3):
        found = compiled(*graph.leaves)
        assert len(found) == len(wanted) and all(map(alike, found, wanted)), compiled.source
    assert compiled.fallbacks == 0


def test_memory_that_is_written_in_place_under_poison(poisoned):
    """Chains longer than one loop, values read again later, rows and columns of what was written."""

    def f(x, w):
        outputs, y = [], x
        for k in range(6):
            z = np.tanh(y @ w) + 0.1 * y
            y = z - z.mean(axis=0) + z[::-1] * 0.5 + z.T[:4].T.sum(axis=1, keepdims=True)
            if k % 2:
                outputs.append(y[1:3] * 2.0)
        return [*outputs, y, (y * y).sum(), np.concatenate([y, x], axis=1), y.reshape(2, -1)]

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(6, 4)), rng.normal(size=(4, 4))
    wanted, compiled = f(x, w), native(f)
    for _ in range(3):
        assert all(map(alike, compiled(x, w), wanted))
    everything = grad(lambda x, w: sum(np.asarray(0.0) + (y * y).sum() for y in f(x, w)), (0, 1))
    wanted, compiled = everything(x, w), native(everything)
    for _ in range(3):
        assert all(map(alike, compiled(x, w), wanted))


# --- training ---------------------------------------------------------------------------------------------------------


class Sequence(nn.Module):
    def __init__(self, kind):
        self.inner = kind(3, 4, rng=0)
        self.last = nn.Linear(4, 3, rng=1)

    def forward(self, x):
        y = self.inner(x)
        return self.last((y[0] if isinstance(y, tuple) else y)[:, -1])


class Words(nn.Module):
    def __init__(self):
        self.table = nn.Embedding(7, 4, rng=0)
        self.last = nn.Linear(4, 3, rng=1)

    def forward(self, x):
        return self.last(self.table(x).mean(axis=1))


class Encoder(nn.Module):
    def __init__(self):
        self.block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, rng=0)
        self.last = nn.Linear(4, 3, rng=1)

    def forward(self, x):
        return self.last(self.block(x).mean(axis=1))


RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(5, 6, 3)).astype(np.float32)
MODELS = {
    "mlp": (lambda: nn.MLP([3, 6, 3], rng=0), RNG.normal(size=(5, 3)).astype(np.float32)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3, rng=1)
        ),
        RNG.normal(size=(5, 1, 4, 4)).astype(np.float32),
    ),
    "norms": (
        lambda: nn.Sequential(
            nn.Linear(3, 6, rng=0), nn.BatchNorm(6), nn.GELU(), nn.Dropout(0.2, rng=3), nn.LayerNorm(6),
            nn.Linear(6, 3, rng=1),
        ),
        RNG.normal(size=(8, 3)).astype(np.float32),
    ),  # fmt: skip
    "rnn": (lambda: Sequence(nn.RNN), SEQUENCES),
    "lstm": (lambda: Sequence(nn.LSTM), SEQUENCES),
    "gru": (lambda: Sequence(nn.GRU), SEQUENCES),
    "words": (Words, RNG.integers(0, 7, (5, 4))),
    "encoder": (Encoder, RNG.normal(size=(5, 3, 4)).astype(np.float32)),
}


def training(name, optimizer=optim.Adam, rate=1e-2, **options):
    """A model, its optimizer, a step, and its arguments."""
    build, x = MODELS[name]
    model = build()
    moves = optimizer(model.parameters(), rate, **options)
    labels = np.arange(len(x)) % 3

    def step(x, y):
        moves.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        moves.step()
        return loss

    return model, moves, step, (x, labels)


def same_weights(a, b, rtol=2e-4, atol=2e-5):
    a, b = a.state_dict(), b.state_dict()
    return all(np.allclose(np.asarray(a[k]), np.asarray(b[k]), rtol=rtol, atol=atol) for k in a)


@pytest.mark.parametrize("name", MODELS)
def test_training_equals_eager(name):
    options = {
        "mlp": {"optimizer": optim.SGD, "momentum": 0.9, "weight_decay": 0.1},
        "rnn": {"optimizer": optim.SGD, "rate": 0.1, "weight_decay": 0.01},
        "lstm": {"optimizer": optim.SGD, "rate": 0.1, "clip_norm": 0.5},
        "cnn": {"optimizer": optim.SGD, "rate": 0.05, "momentum": 0.9},
        "norms": {"optimizer": optim.SGD, "rate": 0.05},
        "encoder": {"optimizer": optim.SGD, "rate": 0.05},
    }.get(name, {})
    model, moves, step, batch = training(name, **options)
    twin, other, eager, _ = training(name, **options)
    compiled = native(step)
    for _ in range(6):
        found, wanted = compiled(*batch), eager(*batch)
        assert np.isclose(found.item(), wanted.item(), rtol=1e-4) and found.dtype == wanted.dtype
        assert same_weights(model, twin)
    assert moves.steps == other.steps == 6 and len(compiled) == 1 and compiled.fallbacks == 0
    assert compiled._latest().quick is not None

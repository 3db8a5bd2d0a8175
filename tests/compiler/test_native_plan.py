"""Native code gives what eager code gives: ops, derivatives, random graphs, training, all layouts, threads, errors."""

from __future__ import annotations

import importlib
import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

pytest.importorskip("numba", reason="native code needs Numba")
pytest.importorskip("scipy.linalg.cython_blas", reason="native code needs SciPy")

from autograd_nn import OPS, Value, compile, grad, nn, optim, value_and_grad
from autograd_nn.compiler import Compiled, native_cache
from autograd_nn.compiler.lowering import ELEMENTWISE, LOWERINGS, TUPLES
from autograd_nn.compiler.native_plan import NativePlan
from autograd_nn.functions import conv2d, gelu, max_pool2d
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
MOST_GRADIENTS = 1
"""Cases of an op whose derivatives are compared: each is compiled."""
NEVER_NATIVE = {"power"}
"""Ops with rules for other things than the arrays of the laws."""


def laws(names):
    """Functions, their arguments and what they give eagerly: values, gradients and second derivatives."""
    for name in names:
        op = OPS[name]
        for k, case in enumerate(op.cases):
            for dtype in variants(op, case):
                if dtype not in ("float64", "float32", "int64", "bool"):
                    continue
                args = make(op, case, dtype)
                f = lambda *xs, op=op, attrs=case.attrs: op(*xs, **attrs)  # noqa: E731
                yield name, dtype, 64.0, f, args
                if not op.differentiable or dtype not in (("float32",), ("float64",))[(k + len(name)) % 2]:
                    continue
                if k >= MOST_GRADIENTS:
                    continue
                loss, inputs = loss_of(op, args, case.attrs)
                everything = tuple(range(len(inputs)))
                if not inputs or any(np.asarray(x).dtype.kind != "f" for x in inputs):
                    continue
                first = grad(loss, everything)
                yield name, dtype, 256.0, first, inputs
                if case.order > 1 and dtype == "float64" and name not in TUPLES:  # (those take minutes to compile)
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
            if i.op.name in names and i.out.dtype.kind == "f" and i.out.shape and 0 not in i.out.shape
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
        return x * r + n, i + n, i * r, x < r, i < n, n * 2, r / 3, n + r, -n

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
    assert big(i, 2**40)[0].all() and not big(i, -(2**40))[0].any()
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


def test_sums_over_axes_that_are_not_the_innermost_are_accurate():
    """All numbers are positive: added up one by one in float32, the long sums would be off by 5e-6 to 3e-5."""
    cases = [
        ((100_000, 40), 0, 3e-6),
        ((2_000, 10, 40), (0, 1), 3e-6),
        ((5, 4_097, 40), (0, 1), 3e-6),
        ((3, 6_000, 2, 7, 2), (1, 3), 3e-6),
        ((20, 3, 2, 5_000), (0, 3), 1e-7),  # the innermost axis, too, which is longer than a block
        ((5_000, 2, 4, 9), (0, 2), 1e-6),
    ]
    xs = [np.random.default_rng(0).uniform(size=shape).astype(np.float32) for shape, _, _ in cases]

    def sums(*xs):
        each = zip(xs, cases, strict=True)
        return [((x * 3.0).sum(axis=axis), x.max(axis=axis), x.sum(axis=-1)) for x, (_, axis, _) in each]

    for x, (_, axis, bound), (total, most, other) in zip(xs, cases, native(sums)(*xs), strict=True):
        exact = x.astype(np.float64)
        assert total.dtype == np.float32 and np.abs(total / (3.0 * exact.sum(axis=axis)) - 1.0).max() < bound
        assert np.array_equal(most, x.max(axis=axis)) and np.allclose(other, exact.sum(axis=-1), rtol=1e-6)


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
    monkeypatch.setattr(module, "plan_of", lambda program, *_: NativePlan(program, poison=True))


def alike(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return found.dtype == wanted.dtype and np.allclose(found, wanted, rtol=1e-8, atol=1e-10 * scale, equal_nan=True)


@given(random_graphs(max_steps=7))
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example is compiled: making it smaller takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
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
        self.block = nn.TransformerEncoderBlock(4, 2, 8, dropout=0.0, rng=0)
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
            nn.Linear(3, 6, rng=0),
            nn.BatchNorm(6),
            nn.GELU(),
            nn.Dropout(0.2, rng=3),
            nn.LayerNorm(6),
            nn.Linear(6, 3, rng=1),
        ),
        RNG.normal(size=(8, 3)).astype(np.float32),
    ),
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
    assert name == "words" or compiled._latest().quick is not None


def test_states_in_other_layouts():
    """Weights in Fortran order, parts of larger arrays, numbers without axes: written to, and right."""

    def build():
        w = Value(np.asfortranarray(np.arange(12.0).reshape(3, 4) / 10), requires_grad=True, copy=False)
        part = Value(np.ones((4, 6))[:, ::2], requires_grad=True, copy=False)
        single = Value(np.array(0.5), requires_grad=True)
        number = Value(0.25, requires_grad=True)
        moves = optim.SGD([w, part, single, number], 0.1, momentum=0.9)

        def step(x):
            moves.zero_grad()
            loss = ((x @ w @ part * single + number) ** 2).mean()
            loss.backward()
            moves.step()
            return loss

        return [w, part, single, number], step

    (ours, step), (theirs, eager) = build(), build()
    compiled, x = native(step), np.ones((2, 3))
    for _ in range(5):
        assert np.isclose(compiled(x).item(), eager(x).item(), rtol=1e-12)
        assert all(np.allclose(p.data, q.data, rtol=1e-12) for p, q in zip(ours, theirs, strict=True))
        assert all(type(p._data) is type(q._data) for p, q in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("hold", [lambda w: w.data, lambda w: w.data[1:], lambda w: memoryview(w.data)])
def test_what_somebody_holds_does_not_change(hold):
    model, _, step, batch = training("mlp", optim.SGD)
    twin, _, eager, _ = training("mlp", optim.SGD)
    compiled = native(step)
    for _ in range(3):
        compiled(*batch)
        eager(*batch)
    held = [hold(p) for p in model.parameters()]
    before = [np.array(x) for x in held]
    for _ in range(3):
        compiled(*batch)
        eager(*batch)
    assert all(np.array_equal(a, b) for a, b in zip(held, before, strict=True))
    assert same_weights(model, twin)
    del held
    compiled(*batch)
    where = [p.data.__array_interface__["data"][0] for p in model.parameters()]
    compiled(*batch)
    assert where == [p.data.__array_interface__["data"][0] for p in model.parameters()]  # in their own arrays again


def test_a_state_that_is_an_argument_too():
    """What is written is not what is read: the argument is as it was."""
    w = Value(np.arange(6.0).reshape(2, 3))

    @native
    def f(x):
        w.data = w.data.T.reshape(2, 3) + x
        return x * 1.0

    wanted = np.arange(6.0).reshape(2, 3)
    for _ in range(4):
        x = w.data
        before = x.copy()
        assert np.array_equal(f(x), wanted) and np.array_equal(x, before)
        wanted = wanted.T.reshape(2, 3) + wanted
        assert np.array_equal(w.data, wanted)


def exchanges():
    """Assignments in which what is read is also written, each with two states and one argument."""

    def swap(p, q, x):
        p.data, q.data = q.data, p.data
        return x * 1.0

    def both(p, q, x):
        p.data = q.data = p.data * 2.0 + x
        return x * 3.0

    def turned(p, q, x):
        p.data, q.data = q.data + x, p.data * 0.5
        return p.data * 1.0

    def reversed_(p, q, x):
        p.data = p.data[::-1] + q.data * x
        return q.data

    def before(p, q, x):
        old = p.data
        p.data = p.data + x
        return old, old * 1.0, p.data

    def chain(p, q, x):
        p.data = p.data + x
        q.data = q.data + p.data
        p.data = p.data * 0.5
        return p.data + q.data

    return [swap, both, turned, reversed_, before, chain]


@pytest.mark.parametrize("f", exchanges(), ids=lambda f: f.__name__)
@pytest.mark.parametrize("start", [np.arange(1.0, 6.0), np.array(3.0), 3.0], ids=["vector", "0-d", "number"])
def test_what_is_assigned_depends_on_what_was_there(f, start):
    if f.__name__ == "reversed_" and np.ndim(start) == 0:
        pytest.skip("a number has no order")
    ours = Value(start), Value(start * 10)
    theirs = Value(start), Value(start * 10)
    compiled = native(lambda x: f(*ours, x))
    x, kept = np.asarray(start) * 0.5 if np.ndim(start) else 0.5, []
    for _ in range(5):
        found, wanted = compiled(x), f(*theirs, x)
        found, wanted = (y if isinstance(y, tuple) else (y,) for y in (found, wanted))
        kept.append(([np.asarray(a) for a in found], [np.array(b) for b in wanted]))
        assert all(np.array_equal(p.data, q.data) for p, q in zip(ours, theirs, strict=True))
    for found, wanted in kept:  # results are as they were when they were returned
        assert all(map(np.array_equal, found, wanted))
    assert compiled.fallbacks == 0


def test_arguments_in_all_layouts():
    def f(x, n):
        return (x * 2.0 + 1.0).sum(axis=0), x.T @ x, x[1:] - x[:-1], x * n

    def layouts(x):
        odd = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)  # not aligned
        odd[...] = x
        fixed = x.copy()
        fixed.flags.writeable = False
        wide = np.zeros((x.shape[0] * 2, x.shape[1] * 3), x.dtype)
        wide[::2, ::3] = x
        return [x, np.asfortranarray(x), odd, fixed, wide[::2, ::3], x[::-1][::-1], x[::-1].copy()[::-1]]

    compiled = native(f)
    x = np.random.default_rng(0).normal(size=(4, 3))
    for y in layouts(x):
        for n in (2.0, np.array(2.0), np.float64(2.0)):
            before = y.copy()
            assert all(np.allclose(a, b, rtol=1e-14) for a, b in zip(compiled(y, n), f(x, 2.0), strict=True))
            assert np.array_equal(y, before)
    for other in (x.astype(">f8"), x.astype("<f4"), x.astype(">f4"), np.arange(12).reshape(4, 3).astype(">i8")):
        for _ in range(2):
            assert all(np.allclose(a, b, rtol=1e-5) for a, b in zip(compiled(other, 2.0), f(other, 2.0), strict=True))


def test_results_are_fresh_arrays():
    def f(x):
        y = x * 2.0
        return y, y, x, x[1:], y.T, y[0], y.sum(), x.reshape(-1), {"deep": [y]}

    compiled = native(f)
    x = np.arange(6.0).reshape(2, 3)
    kept = [compiled(x) for _ in range(3)]
    before = x.copy()
    for found in kept:
        for a, b in zip(found[:8], f(before)[:8], strict=True):
            assert type(a) is type(b) and np.array_equal(a, b)
        assert np.array_equal(found[8]["deep"][0], found[0])
        for a in found[:8]:
            if isinstance(a, np.ndarray) and a is not x:
                a[...] = -1.0  # nobody else sees it
    assert np.array_equal(x, before)


def test_labels_out_of_range_are_explained_and_change_nothing():
    model, moves, step, (x, labels) = training("mlp")
    compiled = native(step)
    for _ in range(3):
        compiled(x, labels)
    before = [p.data.copy() for p in model.parameters()]
    for wrong in (labels + 3, labels - 1):
        with pytest.raises(ValueError, match="labels from 0 to 2"):
            compiled(x, wrong)
    assert all(np.array_equal(p.data, b) for p, b in zip(model.parameters(), before, strict=True))
    assert moves.steps == 3
    compiled(x, labels)
    assert moves.steps == 4 and not np.array_equal(model.parameters()[0].data, before[0])


def test_ops_of_python_in_between():
    """Native code, NumPy, native code again; what NumPy gives is a view, a tuple, a number, or an error."""

    def f(x):
        y = np.exp(x) + 1.0
        q, r = np.linalg.qr(y)
        z = np.sort(y * 2.0, axis=0)[::-1] - (q @ r).T[:3].sum()
        inverse = np.linalg.inv(y[:3] + 3.0 * np.eye(3))
        return z, inverse @ inverse * 0.5, np.cumsum(y, axis=1) * 2.0, np.floor_divide(x, 2.0), np.argmax(y)

    compiled = native(f)
    x = np.random.default_rng(0).normal(size=(4, 3))
    for k in range(3):
        found, wanted = compiled(x + k), f(x + k)
        assert all(np.allclose(a, b, rtol=1e-12) for a, b in zip(found, wanted, strict=True))
    plan = compiled.plan()
    assert {"sort", "qr", "inv"} <= {i.op.name for i in plan.fallbacks} and compiled.fallbacks == 0
    w = Value(np.eye(2))

    def step(x):
        inverse = np.linalg.inv((w.data + 1.0) * x) * 2.0
        w.data = w.data + 1.0
        return inverse

    stepping = native(step)
    assert np.allclose(stepping(np.array([[1.0, 2.0], [3.0, 4.0]])), np.linalg.inv([[2.0, 2.0], [3.0, 8.0]]) * 2.0)
    before = w.data.copy()
    with pytest.raises(np.linalg.LinAlgError):
        stepping(np.zeros((2, 2)))
    assert np.array_equal(w.data, before)


def test_losses_that_are_nan_are_computed_and_refused_by_accepts():
    w = Value(np.ones(3), requires_grad=True)
    moves = optim.Adam([w], 0.1)

    def step(x):
        moves.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        moves.step()
        return loss

    compiled = Compiled(step, backend="native", accepts=lambda results: bool(np.isfinite(results[0])))
    x = np.ones(3)
    for _ in range(3):
        compiled(x)
    before, steps = w.data.copy(), moves.steps
    for _ in range(2):
        assert np.isnan(compiled(x * np.nan).item())
        assert np.array_equal(w.data, before) and moves.steps == steps
    compiled(x)
    assert not np.array_equal(w.data, before) and moves.steps == steps + 1


# --- threads, signals, memory -----------------------------------------------------------------------------------------


def test_threads_call_one_function_and_take_steps():
    f = native(lambda x: np.tanh(x * 2.0) @ x.T + x.sum())
    inputs = [np.random.default_rng(k).normal(size=(20, 20)) for k in range(4)]
    wanted = [f(x) for x in inputs]
    model, moves, step, batch = training("mlp", optim.SGD)
    twin, _, eager, _ = training("mlp", optim.SGD)
    compiled = native(step)
    compiled(*batch)
    wrong = []

    def work(k):
        for _ in range(50):
            if not np.array_equal(f(inputs[k]), wanted[k]):
                wrong.append(k)
            if k < 2:
                compiled(*batch)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and moves.steps == 101
    for _ in range(101):
        eager(*batch)
    assert same_weights(model, twin, 1e-3, 1e-4)


def test_the_steady_state_allocates_only_what_is_returned():
    rng = np.random.default_rng(0)
    model = nn.MLP([200, 200, 3], rng=0)
    moves = optim.Adam(model.parameters(), 1e-3)

    def step(x, y):
        moves.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        moves.step()
        return loss

    compiled = native(step)
    x, y = rng.normal(size=(100, 200)).astype(np.float32), rng.integers(0, 3, 100)
    for _ in range(3):
        compiled(x, y)
    tracemalloc.start()
    compiled(x, y)
    start, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    for _ in range(20):
        compiled(x, y)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - start < 20_000 and now - start < 2_000


# --- without Numba ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["numba", "scipy.linalg.cython_blas"])
def test_without_numba_or_scipy_it_says_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "autograd-nn\[jit\]"'):
        native(lambda x: x * 3.0 + 0.125)(np.ones(3))


def test_no_warnings_where_numpy_would_warn():
    compiled = native(lambda x: (x / 0.0, np.log(x), np.sort(np.exp(x * 1e4)), x * np.float64(1e300) * 1e300))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert np.isnan(compiled(np.array([0.0, -1.0]))[0][0])


def test_the_plan_can_be_read():
    compiled = native(lambda x: gelu(x * 2.0, approximate="tanh").sum())
    compiled(np.ones(4))
    assert "def main(" in compiled.source and "mul" in compiled.source
    assert compiled.plan().fallbacks == [] and compiled.plan().nbytes < 10_000
    assert importlib.import_module("numba") is native_cache.needed()


# --- looking inside, and threads --------------------------------------------------------------------------------------


def looked_at(x, w):
    """Two loops around a product; an op that is left to Python; a total."""
    return (np.tanh(x @ w) * np.sin(x @ w)).sum()


ARGUMENTS = (np.linspace(-1.0, 1.0, 12).reshape(4, 3), np.linspace(0.5, 1.5, 6).reshape(3, 2))


def test_the_listing_says_what_is_fused_and_what_is_left_to_python():
    compiled = compile(value_and_grad(looked_at, (0, 1)), backend="native")
    compiled(*ARGUMENTS)
    text = str(compiled)
    assert "ops left to Python" in text and "sin(" in text and "matmul(" in text
    assert "loop (4, 2)" in text and "call" in text and "python" in text and "float64 (4, 2)" in text
    assert {i.op.name for i in compiled.plan().fallbacks} >= {"sin"}


def test_the_profile_gives_times_and_bytes_of_every_loop_and_assigns_nothing():
    w = Value(ARGUMENTS[1])

    @compile(backend="native")
    def step(x):
        w.zero_grad()
        loss = np.tanh(x @ w).sum()
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        return loss

    step(ARGUMENTS[0])
    before = w.data.copy()
    table = step.profile(ARGUMENTS[0]).splitlines()
    assert "loops and calls" in table[0] and "bytes" in table[1]
    assert len(table) - 2 == int(table[0].split(" in ")[1].split()[0])
    assert any("subtract" in row for row in table) and np.array_equal(w.data, before)


def drawn(compiled):
    compiled.plan(*ARGUMENTS)
    return compiled._latest().computed(list(ARGUMENTS))


def test_fused_loops_are_frames_of_the_picture():
    compiled = compile(value_and_grad(looked_at, (0, 1)), backend="native")
    scopes = {node.scope for node in drawn(compiled).nodes}
    assert any(scope and scope.startswith("loop") for scope in scopes)
    assert compiled.draw(*ARGUMENTS).dot.count("loop") >= 1


@pytest.mark.parametrize(
    "f", [lambda x: (np.tanh(x) * x).sum(), lambda x: np.exp(x).max(), lambda x: np.exp(x).sum(axis=1)]
)
def test_threads_share_large_loops(f, monkeypatch):
    monkeypatch.setattr(sys.modules["autograd_nn.compiler.native_source"], "LEAST_SHARED", 100)
    x = np.random.default_rng(0).normal(size=(50, 7))
    for threads in (2, 3):
        compiled = compile(f, backend="native", threads=threads)
        for _ in range(3):
            assert np.allclose(compiled(x), f(x), rtol=1e-13)
        assert compiled.plan()._source.shared and "part" in compiled.source


def shared(monkeypatch, least=100):
    for module in ("native_source", "lowering"):
        monkeypatch.setattr(sys.modules[f"autograd_nn.compiler.{module}"], "LEAST_SHARED", least)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_images_and_planes(threads, monkeypatch):
    shared(monkeypatch)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(5, 2, 9, 9))
    filters = rng.normal(size=(4, 2, 3, 3)), rng.normal(size=(6, 2, 3, 3))

    def loss(x, v, w):
        y = max_pool2d(np.tanh(conv2d(x, v, padding=1)), 3)
        return (max_pool2d(conv2d(y, w, padding=1, groups=2), 2, stride=1) ** 2).sum()

    f = value_and_grad(loss, argnums=(0, 1, 2))
    compiled, (value, gradients) = compile(f, backend="native", threads=threads), f(images, *filters)
    for _ in range(3):
        got, found = compiled(images, *filters)
        assert np.allclose(got, value, rtol=1e-12)
        assert all(np.allclose(x, y, rtol=1e-10, atol=1e-12) for x, y in zip(found, gradients, strict=True))
    for name in ("conv_d", "conv_image_d", "conv_filters_d", "pool_max_d", "unpool_max_d"):
        assert any("part" in line for line in compiled.source.splitlines() if line.strip().startswith(f"{name}("))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_share_products_with_vectors(dtype, monkeypatch):
    shared(monkeypatch)
    rng = np.random.default_rng(0)
    a, tall = rng.normal(size=(300, 7)).astype(dtype), rng.normal(size=300).astype(dtype)
    short, column = rng.normal(size=7).astype(dtype), rng.normal(size=(7, 1)).astype(dtype)

    def f(a, tall, short, column):
        return a @ short, tall @ a, a.T @ tall, short @ a.T, a @ column, column.T @ a.T

    compiled = compile(f, backend="native", threads=2)
    for _ in range(2):
        for got, expected in zip(compiled(a, tall, short, column), f(a, tall, short, column), strict=True):
            assert got.shape == expected.shape and np.allclose(got, expected, rtol=2e-5, atol=2e-5)
    assert sum("gemv" in line and "part" in line for line in compiled.source.splitlines()) == 6


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_threads_share_the_update_of_parameters(optimizer, monkeypatch):
    shared(monkeypatch)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 30)), rng.integers(0, 4, 16)
    seen = []
    for threads in (None, 2, 3):
        model = nn.Sequential(nn.Linear(30, 20, rng=0), nn.Tanh(), nn.Linear(20, 4, rng=1))
        update = optimizer(model.parameters(), 0.01)

        def step(x, y, model=model, update=update):
            loss = cross_entropy(model(x), y)
            update.zero_grad()
            loss.backward()
            update.step()
            return loss

        compiled = compile(step, backend="native", threads=threads)
        losses = [compiled(x, y).data.item() for _ in range(6)]
        seen.append([np.array(losses), *(p.data.copy() for p in model.parameters())])
        assert compiled.plan(x, y).shares == (threads is not None)
    for other in seen[1:]:
        assert all(np.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(seen[0], other, strict=True))


def test_a_single_number_is_computed_by_one_thread(monkeypatch):
    shared(monkeypatch, 1)
    x = np.linspace(-1, 1, 40)
    compiled = compile(lambda x: (np.tanh(x) * x).sum() * 2.0 + 1.0, backend="native", threads=2)
    for _ in range(3):
        assert np.isclose(compiled(x), (np.tanh(x) * x).sum() * 2.0 + 1.0, rtol=1e-13)
    assert len(compiled.plan()._source.shared) == 1  # (written over, it would be computed twice)


def test_blas_leaves_to_one_thread_what_threads_share_or_is_small():
    import threadpoolctl

    def limits(f, *args):
        compiled = compile(f, backend="native", threads=2)
        compiled(*args)
        if compiled._last.limited is None:
            return None
        with compiled._last.limited():
            return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    rng = np.random.default_rng(0)
    square = lambda x: (x @ x).sum() + (np.tanh(x) * np.exp(x) - np.sin(x) * np.cos(x)).sum()  # noqa: E731
    assert limits(square, rng.normal(size=(300, 300))) == {2}
    assert limits(square, rng.normal(size=(100, 100))) == {1}
    assert limits(square, rng.normal(size=(20, 20))) is None
    assert limits(lambda a, x: (a @ x).sum(), rng.normal(size=(30_000, 300)), rng.normal(size=300)) == {1}


def test_threads_of_blas_are_set_for_large_products_and_set_back():
    import threadpoolctl

    x = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
    before = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    for backend in ("native", "numpy"):
        compiled = compile(lambda x: (x @ x).sum(), backend=backend, threads=2)
        assert np.allclose(compiled(x), (x @ x).sum(), rtol=1e-3)
        assert compiled._last.limited is not None
        small = compile(lambda x: (x @ x).sum(), backend=backend, threads=2)
        small(x[:4, :4].copy())
        assert small._last.limited is None
    assert [pool["num_threads"] for pool in threadpoolctl.threadpool_info()][: len(before)] == before
    with pytest.raises(ValueError, match="threads wanted an integer of at least 1, or None, got 0"):
        compile(looked_at, threads=0)

"""A compiled function does what the function does: signatures, state, interruptions, threads, transforms around it."""

from __future__ import annotations

import copy
import functools
import gc
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
import weakref
from collections import deque
from statistics import median
from typing import NamedTuple

import numpy as np
import pytest

import autograd_nn as ad
from autograd_nn import Value, compile, debug, grad, hessian, hvp, jacobian, nn, no_grad, optim, value_and_grad, vmap
from autograd_nn.backward import cotangents
from autograd_nn.compiler import Compiled, CompileWarning
from autograd_nn.compiler.compile import MOST, WARN_AT, writing
from autograd_nn.compiler.native_cache import needed
from autograd_nn.functions import dropout
from autograd_nn.losses import cross_entropy
from autograd_nn.op import Op

try:
    needed()
    BACKENDS = ["numpy", "native"]
except ImportError:
    BACKENDS = ["numpy"]

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


def equal(a, b):
    """Are two results of one type, structure, dtype and value?"""
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if type(a) is not type(b):
        return False
    a, b = getattr(a, "_data", a), getattr(b, "_data", b)
    return type(a) is type(b) and np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)


def training(sizes=(4, 8, 2), optimizer=optim.Adam, rate=1e-2, **options):
    """A model, its optimizer, and a step."""
    model = nn.MLP(list(sizes), rng=0)
    moves = optimizer(model.parameters(), rate, **options)

    def step(x, y):
        moves.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        moves.step()
        return loss

    return model, moves, step


BATCH = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32), np.ones((6, 2), np.float32)


def snapshot(model, optimizer):
    return copy.deepcopy((model.state_dict(), optimizer.state_dict()))


def same_state(a, b):
    return all(np.array_equal(a[0][k], b[0][k]) for k in a[0]) and repr(a[1]) == repr(b[1])


# --- arguments and results --------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    a: object
    b: object


ARGUMENTS = {
    "array": (lambda x: x * 2, (X,)),
    "float32": (lambda x: x * 2 + 1.5, (X.astype(np.float32),)),
    "complex": (lambda x: x * 2 + x.conj(), (X + 1j,)),
    "integers": (lambda x: (x // 2, x % 2, x + 1, x / 2), (np.arange(5),)),
    "bools": (lambda x: (~x, x & True, np.where(x, 1.0, 2.0)), (np.array([True, False]),)),
    "empty": (lambda x: (x * 2, x.sum(), x.T), (np.zeros((0, 3)),)),
    "0-d": (lambda x: x * X, (np.array(2.0),)),
    "numpy scalar": (lambda x: x * 2, (np.float32(2.0),)),
    "float": (lambda x: (x * 2, x**0.5, -x, abs(x), divmod(x, 2), round(x, 1), x > 1), (2.25,)),
    "int": (lambda n: (n * 2, n // 2, n / 2, ~n, n & 1, 2**n, n == 5), (5,)),
    "large int": (lambda n: n * n + 1, (10**30,)),
    "value": (lambda v: v * 2, (Value(X),)),
    "constant value": (lambda v: v * 2, (Value(X, requires_grad=False),)),
    "python value": (lambda v: v * v + 1, (Value(3.0),)),
    "value and array": (lambda v, x: v @ x.T, (Value(X), X)),
    "same value twice": (lambda v, w: (v * w).sum(), (V := Value(X), V)),
    "nested": (lambda t: {"sum": t[0] + t[1]["x"], "rest": [t[1]["y"], (t[0],)]}, ([X, {"x": X, "y": 2.0}],)),
    "named tuple": (lambda p: Pair(p.a + p.b, {"b": p.b}), (Pair(X, 1.0),)),
    "none, texts and flags": (lambda x, how, none, on: (x if on else -x, how, none), (X, "up", None, False)),
    "read-only": (lambda x: x[::-1] + x.reshape(3, 2).T, (Value(X).data,)),
    "strided": (lambda x: x.reshape(-1) * 2, (np.arange(24.0).reshape(4, 6)[::2, ::3],)),
    "Fortran": (lambda x: np.ravel(np.exp(x)), (np.asfortranarray(X),)),
    "big-endian": (lambda x: np.concatenate([x, x * 2]), (X.astype(">f8"),)),
    "nothing": (lambda: np.ones(3), ()),
    "no result": (lambda x: None, (X,)),
    "some results": (lambda x: (None, x * 1.0, [None], "text"), (X,)),
    "argument as it is": (lambda v, x: (v, x, 3), (Value(X), X)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_and_results_of_all_kinds(name):
    f, args = ARGUMENTS[name]
    compiled = compile(f)
    for _ in range(3):
        assert equal(compiled(*args), f(*args)), compiled(*args)
    assert len(compiled) == 1 and compiled.fallbacks == 0


def test_layouts_that_change_from_call_to_call():
    compiled = compile(lambda x: (x.reshape(-1), np.ravel(x.T), x.T @ x, np.exp(x.T).reshape(-1)))
    for x in (X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X[::-1, ::-1]):
        for a, b in zip(compiled(x), compiled.function(x), strict=True):
            assert np.allclose(a, b, rtol=1e-15)
    assert len(compiled) == 1


def test_arguments_are_not_changed_and_results_are_fresh():
    x = X.copy()
    compiled = compile(lambda x: (x, x.T, x[0], np.exp(x), np.ones(2)))
    first = compiled(x)
    for out in first:
        out += 1.0
    assert np.array_equal(x, X)
    assert all(np.array_equal(a + 1.0, b) for a, b in zip(compiled(x), first, strict=True))


def test_numbers_are_read_at_each_call():
    compiled = compile(lambda x, rate, n: x * rate + n)
    for rate, n in ((0.5, 1), (0.0, -3), (float("inf"), 2), (1.0, 10)):
        assert np.array_equal(compiled(X, rate, n), X * rate + n)
    assert len(compiled) == 1
    compiled(X, 1, 1)  # an int may give another dtype
    assert len(compiled) == 2


def test_keywords_and_defaults():
    compiled = compile(lambda x, *rest, scale=2.0, **more: (x * scale, len(rest), sorted(more)))
    assert equal(compiled(X), (X * 2.0, 0, []))
    assert equal(compiled(X, scale=3.0), (X * 3.0, 0, []))
    assert equal(compiled(X, X, b=1.0, a=2.0), (X * 2.0, 1, ["a", "b"]))
    n = len(compiled)
    compiled(X, X, a=2.0, b=1.0)  # in another order
    assert len(compiled) == n


def test_static_arguments_are_part_of_what_is_recorded():
    @compile(static=("axis", "flag"))
    def f(x, axis, flag=True):
        return x.sum(axis=axis) if flag else np.sin(x).sum(axis=axis)

    for axis in (0, 1, (0, 1), None):
        assert np.array_equal(f(X, axis), X.sum(axis=axis))
    assert np.array_equal(f(X, axis=0, flag=False), np.sin(X).sum(axis=0)) and len(f) == 5
    with pytest.raises(TypeError, match="looked up.*got list"):
        f(X, [0])
    with pytest.raises(ValueError, match="no argument 'axes'; it has x, axis"):
        compile(lambda x, axis: x, static="axes")


def test_equal_static_arguments_that_are_not_the_same():
    f = compile(lambda x, by: np.copysign(x, by), static="by")
    assert f(1.0, 0.0) == 1.0 and f(1.0, -0.0) == -1.0
    g = compile(lambda x, by: x * by[0], static="by")
    assert [g(np.ones(1, int), (n,)).dtype.kind for n in (1, 1.0, True)] == ["i", "f", "i"]
    h = compile(lambda x, by: x + by, static="by")
    assert np.isnan(h(1.0, np.nan)) and np.isnan(h(1.0, np.nan)) and len(h) == 1


class Slope:
    """Learns one number, in a compiled method."""

    def __init__(self, k=1.0):
        self.weight = Value(np.full(3, k))
        self.optimizer = optim.Adam([self.weight], 0.1)

    @compile
    def step(self, x):
        self.optimizer.zero_grad()
        loss = ((x @ self.weight) ** 2).sum()
        loss.backward()
        self.optimizer.step()
        return loss


class Line(nn.Module, Slope):
    def __init__(self, k=1.0):
        Slope.__init__(self, k)


class Slots:
    __slots__ = ("k",)

    @functools.partial(compile, static=("self", "n"))
    def times(self, x, n):
        return x * n * self.k


@pytest.mark.parametrize("kind", [Slope, Line])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_object_with_compiled_methods_is_freed(kind, backend, monkeypatch):
    monkeypatch.setattr(Slope.step, "backend", backend)
    thing = kind()
    losses = [thing.step(X).item() for _ in range(5)]
    assert losses[0] == (X.sum(axis=1) ** 2).sum() and losses[4] < losses[0]
    assert thing.step is thing.step and thing.step.plan().name == backend and len(thing.step) == 1
    weak = weakref.ref(thing), weakref.ref(thing.weight)
    del thing
    gc.collect()
    assert weak[0]() is weak[1]() is None


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_an_object_have_compiled_methods_of_their_own(copied):
    first = Slope(1.0)
    first.step(X)
    other = copied(first)
    other.weight = Value(np.full(3, 5.0))
    other.optimizer = optim.Adam([other.weight], 0.1)
    before, mine = first.weight.data.copy(), first.step
    assert other.step(X) == (25 * X.sum(axis=1) ** 2).sum()
    assert np.array_equal(first.weight.data, before) and first.step is mine is not other.step


class Open(Slots):
    """The same with attributes of all names."""


@pytest.mark.parametrize("kind", [Slots, Open])
def test_static_arguments_of_compiled_methods(kind):
    a, b = kind(), kind()
    a.k, b.k = 2.0, 3.0
    assert equal(a.times(X, n=2), X * 4) and equal(b.times(X, 2), X * 6) and equal(Slots.times(a, X, 3), X * 6)


def test_what_can_be_compiled():
    class Thing:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return x * self.k

        @compile
        def method(self, x):
            return x + self.k

    thing = Thing(3.0)
    assert np.array_equal(compile(thing)(X), X * 3.0) and "Thing" in repr(compile(thing))
    assert np.array_equal(thing.method(X), X + 3.0) and np.array_equal(Thing(4.0).method(X), X + 4.0)
    assert np.array_equal(compile(thing.__call__)(X), X * 3.0)
    assert np.array_equal(compile(functools.partial(np.add, 1.0))(X), X + 1.0)
    model = nn.Linear(3, 2, rng=0)
    x = X.astype(np.float32)
    assert np.array_equal(compile(model)(x).data, model(x).data)
    with pytest.raises(TypeError, match=r"write compile\(f\), not compile\(f\(x\)\)"):
        compile(X)
    with pytest.raises(ValueError, match="no backend 'cuda'"):
        compile(thing, backend="cuda")

    @compile
    def documented(x):
        """What it does."""
        return x

    assert documented.__doc__ == "What it does." and documented.__name__ == "documented"


def test_arrays_that_hold_no_plain_numbers_are_refused():
    f = compile(lambda x: x)
    for wrong in (np.array(["a"]), np.array([None, 1]), np.array(["2020-01-01"], "datetime64[D]")):
        with pytest.raises(TypeError, match="arrays of numbers, got one of dtype"):
            f(wrong)
    with pytest.raises(TypeError, match=r"without a mask.*filled"):
        f(np.ma.array([1.0, 2.0], mask=[0, 1]))


def test_modules_as_arguments():
    def loss(model, x):
        return (model(x) ** 2).sum()

    a, b = nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=1)
    x = X.astype(np.float32)
    compiled = compile(loss)
    for model in (a, b, a):
        assert compiled(model, x).item() == loss(model, x).item()
    assert len(compiled) == 2


# --- Values as arguments ----------------------------------------------------------------------------------------------


def test_a_value_that_is_given_twice_and_two_others_afterwards():
    compiled = compile(lambda a, b: a * b)
    v, a, b = Value([2.0, 3.0]), Value([1.0, 1.0]), Value([5.0, 7.0])
    for _ in range(2):
        assert np.array_equal(compiled(v, v).data, [4.0, 9.0])
        assert np.array_equal(compiled(a, b).data, [5.0, 7.0])


@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_value_that_is_given_and_known_to_the_function(requires_grad):
    w = Value([2.0, 3.0], requires_grad=requires_grad)
    v = Value([10.0, 10.0], requires_grad=requires_grad)
    compiled = compile(lambda x: x * w)
    for _ in range(2):
        assert np.array_equal(compiled(w).data, [4.0, 9.0])
        assert np.array_equal(compiled(v).data, [20.0, 30.0])


def test_new_values_of_the_same_kind_need_no_new_recording():
    compiled = compile(lambda v: (v * 2.0, v))
    for k in range(5):
        v = Value([float(k)], requires_grad=bool(k % 2))
        twice, itself = compiled(v)
        assert itself is v and twice.item() == 2.0 * k
    assert len(compiled) == 2


def test_values_that_are_given_are_assigned_to_and_get_gradients():
    def f(w, x):
        w.zero_grad()
        (w * x).sum().backward()
        w.data = w.data - w.grad
        return w.grad

    compiled = compile(f)
    for w in (a := Value(np.zeros(3)), b := Value(np.ones(3)), a, b):
        before = w.data.copy()
        assert np.array_equal(compiled(w, X[0]), X[0]) and np.array_equal(w.data, before - X[0])
    constant = Value(np.zeros(3), requires_grad=False)

    def g(c):
        c.data = c.data + 1.0

    counted = compile(g)
    counted(constant)
    counted(constant)
    assert np.array_equal(constant.data, [2.0, 2.0, 2.0])


def test_values_computed_from_others_stay_in_their_graph():
    w = Value(X)
    compiled = compile(lambda y: (y * y).sum())
    compiled(w * 2.0).backward()
    assert np.array_equal(w.grad, 8.0 * X) and len(compiled) == 0
    with pytest.raises(ValueError, match="computed from others"):
        compiled.plan(w * 2.0)


def test_returned_values_refuse_backward_with_advice():
    w = Value(X)
    out = compile(lambda x: (w * x).sum())(X)
    assert out.requires_grad
    for refused in (out, out * 2.0, (out * w).sum()):
        with pytest.raises(TypeError, match=r"keeps no graph.*compile\(grad\(f\)\)"):
            refused.backward()
    assert w.grad is None
    with no_grad():
        assert not compile(lambda x: (w * x).sum())(X).requires_grad


# --- what is recorded, and when again ---------------------------------------------------------------------------------


def test_other_shapes_and_dtypes_are_recorded_once_each():
    calls = []

    @compile
    def f(x):
        calls.append(x.shape)
        return x * 2

    for _ in range(3):
        for x in (X, X[:1], X.astype(np.float32), X[0]):
            assert equal(f(x), x * 2)
    assert len(calls) == len(f) == 4
    f.clear()
    assert len(f) == 0
    f(X)
    assert len(calls) == 5


def test_a_warning_names_what_keeps_changing_and_old_recordings_make_room():
    f = compile(lambda first, batch: batch * 2)

    def call_with_many():
        for n in range(MOST + 4):
            f(X, np.ones(n + 1))
            f(X, np.ones(1))  # in use all the time

    with pytest.warns(CompileWarning, match=rf"recorded {WARN_AT} times.*: argument batch was float64") as caught:
        call_with_many()
    assert len(caught) == 1 and "first" not in str(caught[0].message) and caught[0].filename == __file__
    assert len(f) == MOST
    n = f._count
    f(X, np.ones(1))
    assert f._count == n  # it is still there
    f(X, np.ones(2))
    assert f._count == n + 1  # that one was not


def test_the_warning_names_static_arguments_too():
    def each(call):
        for k in range(WARN_AT):
            call(k)

    f = compile(lambda x, k: x * k, static="k")
    with pytest.warns(CompileWarning, match=r"argument k was 0, 1, 2 …\..*not as static arguments"):
        each(lambda k: f(X, k))
    g = compile(lambda t, *, how: t["a"][1] * 2)
    said = r": argument t\['a'\]\[1\] was float64 of shape \(1,\), .* …\. argument how was 'x0'"
    with pytest.warns(CompileWarning, match=said):
        each(lambda k: g({"a": (1.0, np.ones(k + 1)), "b": 1}, how=f"x{k}"))
    h = compile(lambda t: t[0] * 2)
    with pytest.warns(CompileWarning, match="the structure of the arguments keeps changing"):
        each(lambda k: h([1.0] * (k + 1)))


def test_training_and_prediction_are_two_recordings():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm(4), nn.Dropout(0.5, rng=0))
    twin = copy.deepcopy(model)
    compiled = compile(model)
    x = X.astype(np.float32)
    for _ in range(4):
        for mode in (True, False):
            model.train(mode)
            twin.train(mode)
            assert np.array_equal(compiled(x).data, twin(x).data)
    assert len(compiled) == compiled._count == 2
    assert all(
        np.array_equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m.drop, "p", 0.9),
        lambda m: setattr(m.drop, "rng", np.random.default_rng(5)),
        lambda m: setattr(m, "first", nn.Linear(3, 4, rng=3)),
        lambda m: m.rest.__setitem__(0, nn.Linear(4, 4, rng=3)),
        lambda m: m.rest.append(nn.Linear(4, 4, rng=4)),
        lambda m: setattr(m.first, "weight", Value(np.ones((3, 4), np.float32))),
        lambda m: m.first.freeze(),
        lambda m: m.eval(),
        lambda m: m.load_state_dict({k: 2 * v for k, v in m.state_dict().items()}),
        lambda m: setattr(m.first.bias, "data", np.ones(4, np.float32)),
    ],
)
def test_changes_of_a_model_are_seen(change):
    class Model(nn.Module):
        def __init__(self):
            self.first = nn.Linear(3, 4, rng=0)
            self.rest = [nn.Linear(4, 4, rng=1)]
            self.drop = nn.Dropout(0.5, rng=2)

        def forward(self, x):
            y = self.first(x)
            for part in self.rest:
                y = part(y)
            return self.drop(y)

    model, twin = Model(), Model()
    compiled = compile(model)
    x = np.ones((20, 3), np.float32)
    for _ in range(2):
        assert np.array_equal(compiled(x).data, twin(x).data)
    change(model)
    change(twin)
    for _ in range(2):
        found, wanted = compiled(x), twin(x)
        assert np.array_equal(found.data, wanted.data) and found.requires_grad == wanted.requires_grad


# --- training ---------------------------------------------------------------------------------------------------------


OPTIMIZERS = {
    "sgd": {},
    "nesterov": {"weight_decay": 0.1},
    "adagrad": {"clip_norm": 0.5},
    "rmsprop": {"clip_value": 0.1},
    "adam": {"weight_decay": 0.1},
    "adamw": {"clip_norm": 0.5},
    "lion": {},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_compiled_step_is_the_eager_one_bit_for_bit(name):
    model, optimizer, step = training(optimizer=optim.OPTIMIZERS[name], **OPTIMIZERS[name])
    twin, other, eager = training(optimizer=optim.OPTIMIZERS[name], **OPTIMIZERS[name])
    compiled = compile(step)
    for _ in range(5):
        assert compiled(*BATCH).item() == eager(*BATCH).item()
    assert same_state(snapshot(model, optimizer), snapshot(twin, other))
    assert len(compiled) == 1 and compiled.fallbacks == 0
    assert all(p.grad is None for p in model.parameters())


def test_rates_and_options_are_never_baked_in():
    def run(wrap):
        model, optimizer, step = training(rate=optim.CosineDecay(0.1, 10))
        step = wrap(step)
        losses = []
        for k in range(14):
            if k == 4:
                optimizer.learning_rate = 0.3
            if k == 6:
                optimizer.learning_rate = lambda n: 1.0 / n
            if k == 8:
                optimizer.weight_decay = 0.5
            if k == 10:
                optimizer.betas = (0.5, 0.6)
            if k == 12:
                optimizer.clip_norm = 0.01
            losses.append(step(*BATCH).item())
        return losses, snapshot(model, optimizer)

    found, wanted = run(compile), run(lambda f: f)
    assert found[0] == wanted[0] and same_state(found[1], wanted[1])


def test_frozen_parameters_stay_and_need_no_new_recording():
    """Their count of steps stays behind that of the others."""

    def run(wrap):
        model, optimizer, step = training(sizes=(4, 8, 8, 2))
        step = wrap(step)
        first = model.layers[0]
        first.freeze()
        for k in range(12):
            if k == 4:
                first.unfreeze()
            if k == 8:
                model.layers[1].weight.requires_grad_(False)
            step(*BATCH)
        return snapshot(model, optimizer), step

    (found, compiled), (wanted, _) = run(compile), run(lambda f: f)
    assert same_state(found, wanted)
    assert compiled._count == 3


def test_two_steps_in_one_function_and_two_optimizers():
    def run(wrap):
        a, b = Value(np.ones(3)), Value(np.full(3, 2.0))
        both, one = optim.Adam([a, b], 0.1), optim.Momentum([b], 0.01)

        def f(x):
            both.zero_grad()
            ((a * b * x) ** 2).sum().backward()
            both.step()
            both.zero_grad()
            ((b * x) ** 2).sum().backward()  # a is not reached
            both.step()
            one.step()
            return a.data, b.data

        f = wrap(f)
        return [f(X[0]) for _ in range(4)], repr(both.state_dict()), repr(one.state_dict())

    found, wanted = run(compile), run(lambda f: f)
    assert found[1:] == wanted[1:]
    assert all(
        np.array_equal(x, y) for a, b in zip(found[0], wanted[0], strict=True) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("start", [2.0, np.float32(2.0), np.array(2.0, np.float32)])
def test_parameters_that_are_single_numbers(start):
    def run(wrap):
        w = Value(start)
        optimizer = optim.Adam([w], 0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (w * x - 1.0) ** 2
            loss.backward()
            optimizer.step()
            w.data = w.data * 0.99
            return loss

        step = wrap(step)
        x = start * 0.5 if isinstance(start, float) else np.float32(1.0)
        return [step(x).item() for _ in range(4)], type(w._data), w.dtype, w.item()

    assert run(compile) == run(lambda f: f)


def test_scalar_networks():
    def run(wrap):
        model = nn.MLP([2, 3, 1], rng=0).zoom()
        optimizer = optim.SGD(model.parameters(), 0.1)

        def step(a, b, y):
            optimizer.zero_grad()
            out = model([a, b])
            loss = ((out[0] if isinstance(out, list) else out) - y) ** 2
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        return [step(0.1 * k, 0.5, 1.0).item() for k in range(4)], [p.item() for p in model.parameters()]

    assert run(compile) == run(lambda f: f)


def test_weights_are_updated_in_their_own_arrays():
    model, optimizer, step = training()
    compiled = compile(step)
    arrays = [p._data for p in model.parameters()]
    where = [array.ctypes.data for array in arrays]
    del arrays
    compiled(*BATCH)
    kept = [id(state["mean"]) for state in optimizer._states]
    for _ in range(3):
        compiled(*BATCH)
    assert [p._data.ctypes.data for p in model.parameters()] == where
    assert [id(state["mean"]) for state in optimizer._states] == kept
    assert all(p._data.flags.writeable and not p.data.flags.writeable for p in model.parameters())


@pytest.mark.parametrize(
    "hold",
    [
        lambda m: [p.data for p in m.parameters()],
        lambda m: [p._data for p in m.parameters()],
        lambda m: [p._data[...] for p in m.parameters()],
        lambda m: [memoryview(p._data) for p in m.parameters()],
        lambda m: [p.detach() for p in m.parameters()],
        lambda m: [p.reshape(-1) for p in m.parameters()],
        lambda m: list(m.state_dict().values()),
        lambda m: copy.deepcopy(m).parameters(),
    ],
)
def test_what_somebody_else_holds_is_not_changed_under_their_feet(hold):
    model, _, step = training(optimizer=optim.SGD)
    twin, _, eager = training(optimizer=optim.SGD)
    compiled = compile(step)
    compiled(*BATCH)
    eager(*BATCH)
    held = hold(model)
    read = lambda: [np.array(getattr(x, "_data", x)) for x in held]  # noqa: E731
    before = read()
    for _ in range(3):
        compiled(*BATCH)
        eager(*BATCH)
    assert all(np.array_equal(a, b) for a, b in zip(read(), before, strict=True))
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_two_parameters_in_one_array():
    shared = np.ones(3)
    a, b = Value(shared, copy=False), Value(shared, copy=False)

    @compile
    def f(x):
        a.data = a.data + x
        return a * 1.0, b * 1.0

    for k in (1.0, 2.0):
        left, right = f(1.0)
        assert np.array_equal(left.data, np.full(3, 1.0 + k)) and np.array_equal(right.data, np.ones(3))
    assert np.array_equal(shared, np.ones(3))


def test_eager_code_sees_the_new_weights_and_old_graphs_are_stale():
    model, _, step = training()
    compiled = compile(step)
    compiled(*BATCH)
    loss = model(BATCH[0]).sum()
    before = loss.item()
    compiled(*BATCH)
    assert model(BATCH[0]).sum().item() != before
    with pytest.raises(ValueError, match="was assigned to after"):
        loss.backward()


def test_exchanges_and_rotations_of_states():
    a, b, c = Value(np.ones(3)), Value(np.full(3, 2.0)), Value(np.full(3, 3.0))

    @compile
    def f():
        x, y, z = a.data, b.data, c.data
        a.data, b.data, c.data = y, z + x, x * 2.0

    for _ in range(2):
        x, y, z = (v.data.copy() for v in (a, b, c))
        f()
        assert np.array_equal(a.data, y) and np.array_equal(b.data, z + x) and np.array_equal(c.data, 2.0 * x)


def test_random_ops_and_running_statistics():
    def run(wrap):
        model = nn.Sequential(nn.Linear(4, 8, rng=0), nn.BatchNorm(8), nn.Dropout(0.4, rng=1), nn.Linear(8, 2, rng=2))
        optimizer = optim.Adam(model.parameters(), 0.01)

        def step(x, y):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        y = np.array([0, 1, 1, 0, 1, 0])
        return [step(BATCH[0], y).item() for _ in range(5)], snapshot(model, optimizer), model[2].rng.random()

    found, wanted = run(compile), run(lambda f: f)
    assert found[0] == wanted[0] and same_state(found[1], wanted[1]) and found[2] == wanted[2]
    assert len(set(found[0])) == 5


# --- errors and interruptions -----------------------------------------------------------------------------------------


def test_a_step_that_raises_has_changed_nothing():
    model = nn.MLP([4, 8, 3], rng=0)
    optimizer = optim.Adam(model.parameters(), 0.1)

    @compile
    def step(x, y, a):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y) + np.linalg.inv(a).sum() * 0.0
        loss.backward()
        optimizer.step()
        return loss

    x, good = BATCH[0], np.array([0, 1, 2, 0, 1, 2])
    for calls in range(2):  # while recording, and later
        before = snapshot(model, optimizer)
        for y, a, error in (
            (np.array([0, 1, 2, 0, 1, 3]), np.eye(2), ValueError),
            (np.array([0, 1, 2, 0, 1, -1]), np.eye(2), ValueError),
            (good, np.zeros((2, 2)), np.linalg.LinAlgError),
        ):
            with pytest.raises(error):
                step(x, y, a)
            assert same_state(snapshot(model, optimizer), before) and optimizer.steps == calls
        step(x, good, np.eye(2))
    assert optimizer.steps == 2


def everything(model, optimizer):
    """All that a step of a model with dropout and batch normalization may change."""
    grads = [p.grad for p in model.parameters()]
    return [copy.deepcopy(x) for x in (snapshot(model, optimizer), grads, model[2].rng.bit_generator.state)]


def same_everything(a, b):
    return same_state(a[0], b[0]) and repr(a[1:]) == repr(b[1:])


WAYS = {
    "plan": (0, lambda f: f),
    "quick call": (4, lambda f: f),
    "debug": (0, debug()),
    "inside another": (0, lambda f: compile(lambda *args: f(*args))),
    "called as it is": (3, lambda f: lambda x, *rest: f(Value(x) * 1.0, *rest)),
}


@pytest.mark.filterwarnings("ignore::autograd_nn.compiler.compile.CompileWarning")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_the_function_assigned_is_put_back_if_it_raises(way, backend):
    calls, wrap = WAYS[way]

    def make():
        norm = nn.BatchNorm(8)
        model = nn.Sequential(nn.Linear(4, 8, rng=0), norm, nn.Dropout(0.5, rng=1), nn.Linear(8, 3, rng=2))
        optimizer = optim.Momentum(model.parameters(), 0.1)

        def step(x, y, labels):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss + cross_entropy(model(x), labels)  # refuses labels after all has been assigned

        return model, optimizer, step

    model, optimizer, step = make()
    twin, other, eager = make()
    compiled = compile(step, backend=backend)
    y, wrong = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 0, 1, 3])
    for _ in range(calls):
        compiled(BATCH[0], y, y), eager(BATCH[0], y, y)
    called = wrap(compiled)
    for _ in range(2):
        before = everything(model, optimizer)
        with pytest.raises(ValueError, match="label"):
            called(BATCH[0], y, wrong)
        assert same_everything(before, everything(model, optimizer)) and optimizer.steps == other.steps
    compiled(BATCH[0], y, y), eager(BATCH[0], y, y)
    assert model[2].rng.random() == twin[2].rng.random() and optimizer.steps == other.steps == calls + 1
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-3, atol=1e-5)


def test_a_graph_from_before_a_call_that_raised_is_stale():
    """What the call left behind was computed from other data; the two cannot be told apart."""
    w = Value(X)
    kept = []

    def assigns(x, i):
        w.data = w.data * 2.0
        kept.append((w * x).sum())
        return np.take(x, i)

    with pytest.raises(IndexError):
        ad.graph.all_or_nothing(assigns, (X, 99), {})
    assert np.array_equal(w.data, X)
    with pytest.raises(ValueError, match="assigned"):
        kept[0].backward()


@pytest.mark.filterwarnings("ignore::autograd_nn.compiler.compile.CompileWarning")
@pytest.mark.parametrize("backend", BACKENDS)
def test_random_numbers_of_a_call_that_fails_are_drawn_again(backend):
    rngs = [np.random.default_rng(0) for _ in range(2)]

    def masked(rng):
        return lambda x, m: dropout(x, 0.5, rng)[m] * 1.0

    f, eager = compile(masked(rngs[0]), backend=backend), masked(rngs[1])
    for m in (0, 1, 2, 3, 4, 4, 2, 4):  # another number of elements: the function itself is called
        assert equal(f(X[0], X[0] < m), np.asarray(eager(X[0], X[0] < m)))
    assert f.fallbacks > 0
    for fails in range(3):
        before = rngs[0].bit_generator.state
        with pytest.raises((IndexError, ValueError)):
            compile(lambda x, i: np.take(dropout(x, 0.5, rngs[0]), i))(X, np.array([99 + fails]))
        assert rngs[0].bit_generator.state == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_looking_at_a_plan_draws_nothing(backend):
    rng = np.random.default_rng(0)
    f = compile(lambda x: dropout(x, 0.5, rng).sum(), backend=backend)
    before = rng.bit_generator.state
    for _ in range(2):
        f.plan(X), f.graph(X), f.draw(X), f.profile(X, repeat=1), str(f)
        assert rng.bit_generator.state == before
        assert f(X) == dropout(X, 0.5, np.random.default_rng(0)).sum()
        rng.bit_generator.state = before


def test_an_error_after_the_first_step_was_recorded():
    model, optimizer, step = training()
    before = snapshot(model, optimizer)

    @compile
    def fails(x, y):
        step(x, y)
        raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        fails(*BATCH)
    assert same_state(snapshot(model, optimizer), before) and optimizer.steps == 0


def test_errors_of_schedules_come_out_as_in_eager_code():
    model, optimizer, step = training(rate=lambda n: 0.1 if n < 3 else -1.0)
    compiled = compile(step)
    compiled(*BATCH)
    compiled(*BATCH)
    before = snapshot(model, optimizer)
    with pytest.raises(ValueError, match="-1"):
        compiled(*BATCH)
    assert same_state(snapshot(model, optimizer), before)


def test_ctrl_c_in_the_middle_of_a_step():
    def rate(n):
        if n == 3 and pressed:
            pressed.pop()
            raise KeyboardInterrupt
        return 0.1

    pressed = [1]
    model, optimizer, step = training(rate=rate)
    compiled = compile(step)
    compiled(*BATCH)
    compiled(*BATCH)
    before = snapshot(model, optimizer)
    with pytest.raises(KeyboardInterrupt):
        compiled(*BATCH)
    assert same_state(snapshot(model, optimizer), before)
    compiled(*BATCH)
    assert optimizer.steps == 3


def test_nothing_written_in_python_runs_while_a_step_is_assigned():
    """It would be where Ctrl-C is heard: between the first parameter and the last."""
    model, _, step = training()
    compiled = compile(step)
    compiled(*BATCH)
    compiled(*BATCH)
    during, times = [], []

    def assigning(calls, *settings, **named):
        """In place of `deque`, which goes through all assignments at once."""
        times.append(1)
        sys.setprofile(watch)
        try:
            return deque(calls, *settings, **named)
        finally:
            sys.setprofile(None)

    def watch(frame, event, _):
        if event == "call":
            during.append(frame.f_code.co_name)

    for way in ("_commit", "quick"):
        held = [p.data for p in model.parameters()] if way == "_commit" else None  # so that the general way is taken
        if way == "quick":
            compiled(*BATCH)
        names = sys.modules["autograd_nn.compiler.compile"].__dict__ if held else compiled._latest().quick.__globals__
        before = [p.data.copy() for p in model.parameters()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(names, "deque", assigning)
            compiled(*BATCH)
        assert times == [1] and during == []  # once, and nothing in between
        times.clear()
        assert not any(np.array_equal(p.data, b) for p, b in zip(model.parameters(), before, strict=True))
        del held


def interrupted(backend, way):
    """Interrupt a step again and again, at any moment; it was done, or it was not."""
    warnings.simplefilter("ignore", CompileWarning)
    settings: dict = {"backend": backend}
    if backend == "threads":
        settings = {"backend": "native", "threads": 2}
        for module in ("native_source", "lowering"):
            sys.modules[f"autograd_nn.compiler.{module}"].LEAST_SHARED = 1  # type: ignore[attr-defined]

    def make():
        model, optimizer, step = training((4, 8, 8, 8, 2))
        rng = np.random.default_rng(0)

        def noisy(x, y):
            return step(dropout(x, 0.1, rng), y) + x[x > 0].sum() * 0.0

        noisy = compile(noisy, **settings)
        noisy(*BATCH)
        noisy(*BATCH)
        assert noisy.plan(*BATCH).shares == (backend == "threads")
        return model, optimizer, noisy, rng

    def state(model, optimizer, rng):
        return [repr(x) for x in (*snapshot(model, optimizer), rng.bit_generator.state)]

    model, optimizer, compiled, rng = make()
    twin, other, uninterrupted, another = make()
    batch = BATCH if way == "plan" else (-BATCH[0], BATCH[1])  # of which another number is positive
    truth = {2: state(twin, other, another)}
    times = []
    for _ in range(62):
        start = time.perf_counter()
        uninterrupted(*batch)
        times.append(time.perf_counter() - start)
        truth[other.steps] = state(twin, other, another)

    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    chance, hits = random.Random(0), 0
    for _ in range(60):
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, chance.choice((3, 30)) * median(times)))
                compiled(*batch)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            hits += 1
        assert state(model, optimizer, rng) == truth[optimizer.steps]
    assert (compiled.fallbacks > 0) == (way == "function") and writing.acquire(timeout=1)
    writing.release()
    print(hits, optimizer.steps)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts")
@pytest.mark.parametrize(
    ("backend", "way"), [("numpy", "plan"), ("numpy", "function"), ("native", "plan"), ("threads", "plan")]
)
def test_ctrl_c_at_any_time_leaves_a_whole_number_of_steps(backend, way):
    if backend != "numpy":
        pytest.importorskip("numba", reason="native code needs Numba")
    # In a process of its own, that nothing measures: what is interrupted could be the one who measures.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    code = f"import runpy; runpy.run_path({__file__!r})['interrupted']({backend!r}, {way!r})"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    hits, steps = map(int, done.stdout.split())
    assert hits > 0 and steps > 2


# --- inside and around transforms -------------------------------------------------------------------------------------


def cube(x):
    return (x**3).sum()


def slope(f):
    return grad(lambda x: (grad(f)(x) ** 2).sum())


@pytest.mark.parametrize("outer", [grad, hessian, jacobian, value_and_grad, hvp, slope])
def test_compiled_inside_and_outside_of_a_transform(outer):
    args = (X[0], np.ones(3)) if outer is hvp else (X[0],)
    wanted = outer(cube)(*args)
    for f in (outer(compile(cube)), compile(outer(cube)), compile(outer(compile(cube))), compile(compile(outer(cube)))):
        for _ in range(2):
            assert equal(f(*args), wanted)


def test_vmap_scan_checkpoint_and_custom_rules_inside():
    w = Value(np.array([0.5, -0.25, 1.0]))

    @ad.custom_vjp
    def tenfold(x):
        return x * x

    tenfold.defvjp(lambda x: (x * x, x), lambda x, g: (g * 20.0 * x,))

    def f(xs):
        w.zero_grad()
        carry, ys = ad.scan(lambda c, x: (np.tanh(c * w + x), c.sum()), np.zeros(3), xs)
        kept = ad.checkpoint(lambda z: (np.sin(z) * w).sum())(carry)
        many = vmap(lambda x: (x * w).sum())(xs)
        loss = kept + ys.sum() + (many**2).sum() + tenfold(w).sum()
        loss.backward()
        return loss, w.grad

    compiled = compile(f)
    xs = np.random.default_rng(0).normal(size=(4, 3))
    for k in range(3):
        w.data = w.data * (1.0 + 0.1 * k)
        (a, da), (b, db) = compiled(xs), f(xs)
        assert np.isclose(a.item(), b.item(), rtol=1e-13) and np.allclose(da, db, rtol=1e-12)
    batched = vmap(compile(lambda x: np.sin(x).sum()))
    assert np.allclose(batched(xs), np.sin(xs).sum(axis=1))


def test_functions_without_a_name_and_ops_with_any():
    square = ad.custom_vjp(lambda x: x * x)
    square.defvjp(lambda x: (x * x, x), lambda x, g: (g * 7.0 * x,))
    assert np.array_equal(compile(grad(lambda x: square(x).sum()))(X), 7.0 * X)
    assert np.array_equal(compile(lambda x: ad.checkpoint(lambda z: z * 2.0)(x))(X), 2.0 * X)

    @ad.op("·", name="twice, by a user")
    def twice(x, *, view=1, buffers=(1.5,)):
        return x * 2

    twice.defvjp(lambda g, ans, x, view, buffers: g * 2)
    try:
        f = lambda x: twice(x, view=(0.5, "a"), buffers=(2.5,)) + twice(x.T).T  # noqa: E731
        assert np.array_equal(compile(f)(X), 4 * X)
    finally:
        del ad.OPS["twice, by a user"]


def test_under_debug_the_function_itself_is_called():
    f = compile(lambda x: np.log(x))
    f(X)
    with debug(), np.errstate(all="ignore"), pytest.raises(ad.NonFiniteError):
        f(Value(np.array([0.0]))).backward()


def test_recording_does_not_outlive_an_error():
    with pytest.raises(ZeroDivisionError):
        compile(lambda x: x * (1 // 0))(X)
    v = Value(2.0)
    (v * v).backward()
    assert v.grad == 4.0


# --- threads ----------------------------------------------------------------------------------------------------------


def in_threads(n, work):
    """Run work(i) in n threads that begin together; raise what they raise."""
    barrier, errors = threading.Barrier(n), []

    def run(i):
        barrier.wait()
        try:
            work(i)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_eight_threads_call_one_function():
    f = compile(lambda x: np.tanh(np.exp(x @ x.T) - 1.0).sum(axis=0) * 2.0 + x[:, 0])

    def work(i):
        x = np.random.default_rng(i).normal(size=(30, 30))
        wanted = f.function(x)
        for _ in range(30):
            assert np.array_equal(f(x), wanted)

    in_threads(8, work)
    assert len(f) == f._count == 1


def test_eight_threads_take_steps_with_one_function():
    model, optimizer, step = training(optimizer=optim.SGD)
    twin, other, eager = training(optimizer=optim.SGD)
    compiled, alone = compile(step), compile(eager)
    in_threads(8, lambda i: [compiled(*BATCH) for _ in range(20)])
    for _ in range(160):
        alone(*BATCH)
    assert optimizer.steps == 160 and compiled._count == 1
    assert same_state(snapshot(model, optimizer), snapshot(twin, other))


def test_dropout_in_threads_draws_no_number_twice():
    generator = np.random.default_rng(0)
    f = compile(lambda x: dropout(x, 0.5, generator))
    seen = []
    in_threads(4, lambda i: seen.extend(f(np.ones(64)).tobytes() for _ in range(10)))
    assert len(set(seen)) == 40


# --- plans ------------------------------------------------------------------------------------------------------------


def test_the_plan_can_be_read():
    model, _, step = training()
    compiled = compile(step)
    with pytest.raises(ValueError, match="no plan yet"):
        _ = compiled.source
    assert "no plan yet" in str(compiled)
    before = model.state_dict()
    plan = compiled.plan(*BATCH)
    assert "def run(arguments, states, hosts):" in compiled.source == plan.source or plan.source in compiled.source
    assert "mlp/layers.0" in str(compiled) and "linear" in str(compiled) and "buffers" in str(compiled)
    table = compiled.profile(*BATCH, repeat=3)
    assert "µs" in table and "dot" in table
    graph = compiled.graph(*BATCH)
    assert len(graph) > 20 and "linear" in {n.op.name for n in graph.nodes if n.op}
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert len(compiled) == 1
    compiled(*BATCH)
    assert len(compiled) == 1


def test_looking_at_a_plan_draws_no_random_numbers_from_the_first_call():
    mine, theirs = np.random.default_rng(3), np.random.default_rng(3)
    f = compile(lambda x: dropout(x, 0.5, mine))
    x = np.ones(40)
    f.plan(x)
    for _ in range(3):
        assert np.array_equal(f(x), dropout(x, 0.5, theirs))


def test_a_steady_state_allocates_nothing_but_what_is_returned():
    _, _, step = training((64, 256, 10))
    x, y = np.ones((512, 64), np.float32), np.zeros((512, 10), np.float32)
    compiled = compile(step)
    for _ in range(3):
        compiled(x, y)
    tracemalloc.start()
    compiled(x, y)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    compiled(x, y)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 40_000, peak  # an activation has 524,288 bytes, the weights of a layer 65,536


def test_what_is_refused_by_accepts_is_not_assigned():
    w = Value(np.ones(3))

    def f(x):
        w.data = w.data * x
        return (w * 1.0).sum()

    compiled = Compiled(f, accepts=lambda results: bool(np.isfinite(results[0])))
    assert np.isnan(compiled(np.nan).item()) and np.array_equal(w.data, np.ones(3))
    compiled(2.0)
    assert np.array_equal(w.data, np.full(3, 2.0))


def test_no_warnings_where_numpy_would_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = compile(lambda x: np.log(x) / 0.0)(np.array([0.0, -1.0]))
    assert np.isnan(out[1])


# --- when a plan fails ------------------------------------------------------------------------------------------------


def test_a_plan_that_fails_says_so_once_and_the_function_is_called():
    compiled = compile(lambda x: x * 2)
    compiled(X)

    def broken(*_):
        raise MemoryError("no room")

    compiled._latest().threads.free[0] = broken
    with pytest.warns(CompileWarning, match="numpy plan of <lambda> failed.*MemoryError: no room"):
        assert equal(compiled(X), X * 2)
    assert equal(compiled(X), X * 2)
    assert compiled.fallbacks == 2


def test_functions_without_a_signature():
    assert repr(compile(min)) == "compile(min, backend='auto')"
    with pytest.raises(ValueError, match="no signature"):
        compile(min, static="key")


def test_there_is_no_plan_for_what_is_called_as_it_is():
    with pytest.raises(ValueError, match="no plan for Values that were computed from others"):
        compile(lambda v: v * 2).plan(Value(1.0) * 2)


# --- what may have changed between two calls --------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("calls", [1, 3])
def test_states_of_another_shape_or_dtype_are_recorded_anew(backend, calls):
    w = Value(np.ones(3))

    def f(x):
        return w * 2.0 + x

    compiled = compile(f, backend=backend)
    for _ in range(calls):
        compiled(X)
    for new in (np.array([5.0]), np.arange(6.0).reshape(2, 3), np.full(3, 7.0, np.float32), np.arange(3.0)):
        w.assign(new)
        assert equal(np.asarray(compiled(X).data), np.asarray(f(X).data))
    assert len(compiled) == 4 and compiled.fallbacks == 0  # the first one fits again


def test_a_model_of_another_dtype_is_recorded_anew():
    model, _, _ = training()
    compiled = compile(lambda x: model(x))
    x = BATCH[0].astype(np.float64)
    compiled(x)
    model.astype(np.float64)
    assert equal(compiled(x).data, model(x).data)


def test_a_leaf_that_the_function_knows_is_passed_later():
    w, v = Value([1.0, 2.0]), Value([1.0, 2.0])

    def f(a):
        w.data = w.data + 1.0
        return a * 1.0 + 0.0

    compiled = compile(f)
    assert [compiled(x).data.tolist() for x in (v, w, v, w)] == [[1, 2], [3, 4], [1, 2], [5, 6]]
    assert len(compiled) == 2


def test_one_leaf_is_passed_twice_later():
    g = compile(lambda a, b: cotangents([(a * b).sum()], [a])[0])
    v = Value([3.0, 4.0])
    given = (Value([1.0, 2.0]), v), (v, v), (v, Value([1.0, 2.0])), (v, v)
    assert [g(*pair).data.tolist() for pair in given] == [[3, 4], [6, 8], [1, 2], [6, 8]]
    assert len(g) == 2


def test_leaves_that_are_apart_are_recorded_once():
    w = Value([1.0, 2.0])
    f = compile(lambda a, b: (a.grad, a * b * w))
    for _ in range(3):
        f(Value([1.0, 2.0]), Value([1.0, 2.0]))
    assert len(f) == 1


def test_hooks_of_an_argument_are_its_own():
    f = compile(lambda a: cotangents([(a * a).sum()], [a])[0])
    plain, twice, thrice = (Value([1.0, 2.0], requires_grad=True) for _ in range(3))
    twice.register_hook(lambda g: 2.0 * g)
    thrice.register_hook(Scale(3.0))
    given = (plain, twice, thrice, plain, twice, thrice)
    assert [f(x).data.tolist() for x in given] == [[2, 4], [4, 8], [6, 12]] * 2
    assert len(f) == 3


class Scale:
    """A hook that cannot be looked up."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, by):
        self.by = by

    def __call__(self, g):
        return self.by * g


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [3, 300_000])
def test_results_of_equal_computations_are_arrays_of_their_own(backend, size):
    x = np.ones(size)
    f = compile(lambda x: (x * 2.0, x * 2.0, (y := x + 1.0), y, Value(x) * 2.0), backend=backend)
    for _ in range(4):
        a, b, c, d, e = f(x)
        a += 100.0
        assert (b == 2.0).all() and (e.data == 2.0).all() and (d == 2.0).all() and c is d
        assert not np.shares_memory(b, e._data)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("calls", [1, 3])
def test_a_compiled_function_is_called_while_it_runs(backend, calls):
    inside = []

    def forward(x):
        if inside:
            inside.pop()
            compiled(x * 10.0)
        return x + 0.0

    op = Op(forward, name="again")

    def f(x):
        y = np.exp(x) * 2.0
        return op(y) + y

    compiled = compile(f, backend=backend)
    x = np.linspace(0.0, 1.0, 5)
    want = f(x)
    for _ in range(calls):
        compiled(x)
    inside.append(True)
    assert np.allclose(compiled(x), want) and not inside
    assert np.allclose(compiled(x), want)


def test_a_function_without_arguments_that_is_recorded_often():
    kept = [Value(1.0)]
    f = compile(lambda: kept[0] * 2.0)

    def again(n):
        kept[0].assign(np.ones(n))
        assert np.array_equal(f().data, np.full(n, 2.0))

    for n in range(1, WARN_AT):
        again(n)
    with pytest.warns(CompileWarning, match="what the function looks at"):
        again(WARN_AT)


def test_static_arguments_after_any_number_of_others():
    @functools.partial(compile, static="mode")
    def f(x, *rest, mode):
        return sum(rest, x) if mode == "sum" else x

    assert equal(f(X, X, X, mode="sum"), 3 * X) and equal(f(X, X, 2 * X, mode="sum"), 4 * X)
    assert len(f) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_ops_of_the_user_may_keep_what_they_are_given(backend):
    """Nobody writes there later: neither the plan, within this call, nor the next call."""
    kept = []

    def forward(x, y):
        kept.append((x, y, np.array(x), np.array(y)))
        return x * 2.0 + y

    op = Op(forward, name="keeps")

    def f(x):
        y = np.exp(x) + 1.0
        return np.tanh(op(y, y.sum()) * 3.0 + op((y[::2].sum() * y).T, 1.0).T).sum()

    compiled = compile(f, backend=backend)
    compiled(X)
    kept.clear()
    compiled(X)
    compiled(X + 1.0)
    assert len(kept) == 4
    for x, y, x_then, y_then in kept:
        assert np.array_equal(x, x_then) and np.array_equal(y, y_then)


def test_auto_takes_the_numpy_plan_where_no_native_code_can_be_made(monkeypatch):
    def broken(program, threads=1):
        raise RuntimeError("a rule is wrong")

    module = sys.modules["autograd_nn.compiler.compile"]
    monkeypatch.setattr(module, "fits_native", broken)
    compiled = compile(lambda x: np.tanh(x) * 2.0)
    with pytest.warns(CompileWarning, match="RuntimeError: a rule is wrong .*numpy") as warned:
        assert equal(compiled(X), np.tanh(X) * 2.0)
    assert warned[0].filename == __file__ and compiled.plan().name == "numpy" and compiled.fallbacks == 0
    compiled(X)  # once is enough


FORKED = """
import os, signal, threading
import numpy as np
from autograd_nn import Value, compile
from autograd_nn.compiler import native_cache
from autograd_nn.compiler.compile import writing

w = Value([1.0, 2.0])
waiting, go = threading.Event(), threading.Event()

@compile(backend="numpy")
def step(x):
    w.data = w.data - 0.1 * (w * x).data
    return w.sum()

@compile(backend="numpy")
def recorded(x):
    waiting.set()
    go.wait(30)
    return x * 2.0

def hold(lock):
    with lock:
        waiting.set()
        go.wait(0.5)

step(np.ones(2))
for target, argument, call in (
    (hold, writing, lambda: step(np.ones(2))),
    (hold, native_cache.lock, lambda: native_cache.lock.acquire()),
    (recorded, np.ones(2), lambda: recorded(np.ones(2))),
):
    waiting.clear()
    thread = threading.Thread(target=target, args=(argument,))
    thread.start()
    waiting.wait(30)
    child = os.fork()
    if not child:
        go.set()
        signal.alarm(20)
        call()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, call
    go.set()
    thread.join()
    go.clear()
    call()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not():
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

"""What a compiled function depends on without being given it: modules, what they hold, kinds of numbers, settings."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref

import numpy as np
import pytest

import autograd_nn as ad
from autograd_nn import Value, compile, cotangents, nn, optim
from autograd_nn.compiler import CompileWarning
from autograd_nn.domain import Case

from .test_quick import BACKENDS

X = np.array([1.0, -2.0, 3.0])
backends = pytest.mark.parametrize("backend", BACKENDS)


class Parts(nn.Module):
    """Holds settings and parts in every way there is."""

    offset = 0.5

    def __init__(self):
        self.weight, self.scale, self.settings = Value(X), 2.0, {"power": 1.0}
        self._shift, self._zero = 0.0, 0.0
        self.named, self.nested = {"a": nn.Linear(3, 2, rng=0)}, [[nn.Linear(3, 2, rng=1)]]

    def forward(self, x):
        scaled = x * self.weight * self.scale * self.settings["power"] + self.offset + self._shift
        return scaled + 1.0 / np.float64(np.copysign(1.0, self._zero)), self.named["a"](x), self.nested[0][0](x)


CHANGES = {
    "setting": lambda m: setattr(m, "scale", 3.0),
    "setting in a dict": lambda m: m.settings.update(power=5.0),
    "new setting in a dict": lambda m: m.settings.update(other=5.0),
    "part in a dict": lambda m: m.named.update(a=nn.Linear(3, 2, rng=5)),
    "part in a list in a list": lambda m: m.nested[0].__setitem__(0, nn.Linear(3, 2, rng=6)),
    "parameter": lambda m: setattr(m, "weight", Value(4.0 * X)),
    "default of the class": lambda m: setattr(m, "offset", -1.0),
    "default in the class": lambda m: setattr(Parts, "offset", -2.0),
    "private setting": lambda m: setattr(m, "_shift", 1.5),
    "sign of a zero": lambda m: setattr(m, "_zero", -0.0),
}


@backends
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_module_holds_is_watched(change, backend, monkeypatch):
    monkeypatch.setattr(Parts, "offset", 0.5)
    module = Parts()
    functions = [compile(module, backend=backend), compile(module.forward, backend=backend)]
    for step in (None, CHANGES[change]):
        if step is not None:
            step(module)
        for f in functions:
            for _ in range(3):
                for a, b in zip(f(X), module(X), strict=True):
                    assert np.allclose(a.data, b.data)


class Scaled(optim.Optimizer):
    """Holds what its rule reads in every way there is."""

    default = 1.0

    def __init__(self, parameters):
        super().__init__(parameters, 0.1)
        self.scale, self._hidden, self.nested, self.array = 1.0, 1.0, {"a": [1.0]}, np.ones(3)

    def start(self, param):
        return {"last": 0.0 * param}

    def rule(self, param, grad, state, learning_rate, step):
        factor = self.scale * self._hidden * self.nested["a"][0] * self.default
        return param - learning_rate * (grad + state["last"]) * factor * self.array, {"last": grad * factor}


OF_OPTIMIZER = {
    "setting": lambda o: setattr(o, "scale", 3.0),
    "number of NumPy": lambda o: setattr(o, "scale", np.float64(0.3)),
    "another number of NumPy": lambda o: setattr(o, "scale", np.float64(0.7)),
    "private setting": lambda o: setattr(o, "_hidden", 3.0),
    "setting in a list in a dict": lambda o: o.nested["a"].__setitem__(0, 5.0),
    "array": lambda o: setattr(o, "array", np.arange(3.0)),
    "default of the class": lambda o: setattr(o, "default", -1.0),
    "default in the class": lambda o: setattr(Scaled, "default", 2.0),
}


@backends
@pytest.mark.parametrize("change", OF_OPTIMIZER)
def test_what_an_optimizer_holds_is_watched(change, backend, monkeypatch):
    monkeypatch.setattr(Scaled, "default", 1.0)

    def make():
        w = Value(X.astype(np.float32))
        optimizer = Scaled([w])

        def step(x):
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        return w, optimizer, step

    (w, optimizer, step), (v, other, eager) = make(), make()
    compiled = compile(step, backend=backend)
    for turn in range(2):
        for _ in range(4):
            compiled(X), eager(X)
            assert np.allclose(w.data, v.data, rtol=1e-5) and optimizer._held[0]["last"].dtype == np.float32
        assert len(compiled) == turn + 1 and other._held[0]["last"].dtype == np.float32
        OF_OPTIMIZER[change](optimizer)
        if change != "default in the class":
            OF_OPTIMIZER[change](other)


def test_options_that_are_numbers_of_numpy_are_told_by_their_value():
    w = Value(X.astype(np.float32))
    optimizer = optim.Momentum([w], np.float64(0.1), np.float32(0.5))

    @compile(backend="numpy")
    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    for option in 0.25, 0.25, 0.75:  # each of them may lie where the last one did
        optimizer.momentum = np.float64(option)
        optimizer.learning_rate = np.float64(0.1)
        before, velocity = w.data.copy(), (optimizer._held[0] or {"velocity": 0.0})["velocity"] * 1.0
        step(X)
        np.testing.assert_allclose(w.data, before - 0.1 * (option * velocity + X), rtol=1e-5)
        assert w.data.dtype == optimizer._held[0]["velocity"].dtype == np.float32
    assert len(step) == 2


@backends
def test_the_mode_of_a_module_whose_method_is_compiled(backend):
    dropout = nn.Dropout(0.5, rng=0)
    f = compile(dropout.forward, backend=backend)
    f(X)
    dropout.eval()
    assert np.array_equal(f(X), X)


@backends
def test_parts_that_are_used_without_being_called(backend):
    network, x = nn.RNN(3, 4, rng=0), np.ones((2, 5, 3))
    f = compile(lambda x: network(x)[0], backend=backend)
    f(x)
    network.cells[0].activation = "relu"
    assert np.allclose(f(x).data, network(x)[0].data)


@backends
def test_cotangents_of_leaves_that_were_assigned_to_or_given(backend):
    w = Value(X)

    def moved(x):
        w.data = w.data * 2.0
        return cotangents([(w * w * x).sum()], [w])[0]

    compiled = compile(moved, backend=backend)
    found = [compiled(X).data, compiled(X).data]
    w.data = X
    assert np.array_equal(found, [moved(X), moved(X)])
    both = compile(lambda a: cotangents([(a * w).sum()], [a, w]), backend=backend)
    w.data = X
    assert all(np.array_equal(g.data, 2.0 * X) for g in both(w))


@backends
def test_gradients_of_what_a_compiled_function_closes_over_inside_checkpoint_and_scan(backend):
    w, v = Value(X), Value(X * 0.5)
    f = compile(lambda z: (np.sin(z) * w).sum(), backend=backend)
    for _ in range(3):
        f(v)
    ad.checkpoint(f)(v).backward()
    assert np.array_equal(w.grad, np.sin(v.data)) and np.array_equal(v.grad, np.cos(v.data) * X)
    k = Value(2.0)
    step = compile(lambda carry, x: (carry * k + x, carry), backend=backend)
    last, _ = ad.scan(step, Value(1.0), X)
    last.backward()  # ((c k + 1) k - 2) k + 3
    assert k.grad == 3 * 2.0**2 + 2 * 2.0 - 2


@backends
def test_a_negative_exponent_makes_another_kind_of_number(backend):
    f = compile(lambda x, n: x * 2**n, backend=backend)
    assert np.array_equal(f(X, 3), 8 * X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        assert np.array_equal(f(X, -1), X / 2)
    assert np.array_equal(f(X, 2), 4 * X)


class Factor:
    """A setting that does not tell what it is."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return "Factor"


def test_settings_that_look_the_same_are_told_apart():
    @ad.op("·p", cases=[Case((2,), p=Factor(2.0))], elementwise=True)
    def times_factor(x, *, p):
        """x times a factor."""
        return x * p.value

    factors = Factor(2.0), Factor(3.0)
    try:
        f = compile(lambda x: times_factor(x, p=factors[0]) + times_factor(x, p=factors[1]), backend="numpy")
        assert np.array_equal(f(X), 5.0 * X)
    finally:
        ad.OPS.pop("times_factor", None)


def test_dropout_keeps_nothing_of_the_recording():
    held = []

    def f(x):
        y = x * 2.0
        held.append(weakref.ref(y))
        return nn.Dropout(0.5, rng=0)(y).sum()

    compiled = compile(f, backend="numpy")
    compiled(X)
    gc.collect()
    assert held[0]() is None and compiled(X) is not None


class Holder:
    """An object of one's own that holds a module."""

    def __init__(self):
        self.parts = [Parts()]

    def forward(self, x):
        module = self.parts[0]
        named = x @ module.named["a"].weight
        return x * module.weight * module.scale + module._shift + module.offset, named, module.training * x


def of_holder(wrap):
    holder = Holder()
    return holder.parts[0], wrap(holder)


REACHED = {
    "attribute": lambda: of_holder(lambda holder: lambda x: Holder.forward(holder, x)),
    "helper": lambda: of_holder(lambda holder: lambda x: (lambda f: f(x))(holder.forward)),
    "method": lambda: of_holder(lambda holder: holder.forward),
}


@backends
@pytest.mark.parametrize("way", REACHED)
def test_modules_that_are_looked_at_and_never_called(way, backend, monkeypatch):
    monkeypatch.setattr(Parts, "offset", 0.5)
    module, f = REACHED[way]()
    compiled = compile(f, backend=backend)
    changes = [
        lambda: setattr(module.named["a"], "weight", Value(module.named["a"].weight.data * 3.0)),
        lambda: setattr(module, "weight", Value(X + 7.0)),
        lambda: setattr(module, "scale", -1.0),
        lambda: setattr(module, "_shift", 0.5),
        lambda: setattr(module, "offset", 9.0),
        lambda: module.eval(),
    ]
    for n, change in enumerate(changes, start=1):
        for _ in range(3):
            for a, b in zip(compiled(X), f(X), strict=True):
                assert np.allclose(getattr(a, "data", a), getattr(b, "data", b))
        assert len(compiled) == min(n, 4)
        change()


def test_nothing_looks_at_modules_when_nothing_is_recorded():
    entered = []

    def nested(x):
        assert "__getattribute__" in vars(nn.Module)
        compile(lambda x: x * 2.0)(x)
        thread = threading.Thread(target=lambda: entered.append(compile(lambda x: x + 1.0)(np.ones(2))))
        thread.start()
        thread.join()
        assert "__getattribute__" in vars(nn.Module)
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        compile(nested)(X)
    assert entered and "__getattribute__" not in vars(nn.Module)

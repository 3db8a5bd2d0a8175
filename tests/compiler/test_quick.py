"""The written-out call is the general one, and notices at the very next call that something is not as it was."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from autograd_nn import Value, compile, debug, grad, nn, no_grad, optim
from autograd_nn.compiler import CompileWarning
from autograd_nn.compiler.native_cache import needed
from autograd_nn.compiler.quick import MISS, Names

from .test_compile import BATCH, Pair, equal, training

try:
    needed()
    BACKENDS = ["numpy", "native"]
except ImportError:
    BACKENDS = ["numpy"]

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
X = np.arange(1.0, 4.0)


def quickened(f, backend, *args):
    """A compiled function whose call was written out."""
    compiled = compile(f, backend=backend)
    for _ in range(3):
        compiled(*args)
    assert compiled._latest().quick is not None
    return compiled


def missed(compiled, *args):
    return compiled._latest().quick(args) is MISS


def general(compiled):
    """Take the general way from now on."""
    for of_kind in compiled._recordings.values():
        for recording in of_kind:
            recording.quick, recording.quickens = None, 0
    return compiled


FUNCTIONS = {
    "an array": (lambda x: x * 2.0, X),
    "a number": (lambda x: x.sum(), X),
    "a Python number": (lambda n: n * 2.0 + 1.0, 0.5),
    "an integer": (lambda n: n * 2, 3),
    "several": (lambda x, n: (x * n, [x.sum(), {"a": x - n}]), X, 2.0),
    "a named tuple": (lambda x: Pair(x * 2.0, [x.sum()]), X),
    "0-d": (lambda x: x * 2.0, np.array(3.0)),
    "a Value": (lambda x: Value(np.ones(3)) * x, X),
    "0-d in a Value": (lambda x: (Value(np.ones(3)) * x).sum(), X),
    "none": (lambda x: [], X),
    "the argument": (lambda x: (x, x * 1.0), X),
    "a comparison": (lambda x: x > 2.0, X),
    "integers": (lambda x: x.astype(np.int64) * 2, X),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_the_general_way(backend, name):
    f, *args = FUNCTIONS[name]
    compiled, other = compile(f, backend=backend), compile(f, backend=backend)
    wanted = other(*args)
    general(other)
    for _ in range(4):
        assert equal(compiled(*args), wanted) and equal(other(*args), wanted) and equal(f(*args), wanted)


def test_results_that_require_a_gradient_say_so(backend):
    w = Value(X, requires_grad=True)
    compiled = quickened(lambda x: ((w * x).sum(), (w * x).detach()), backend, X)
    loss, apart = compiled(X)
    assert loss.requires_grad and not apart.requires_grad and loss.name is None
    with pytest.raises(TypeError, match="compile\\(grad"):
        loss.backward()


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_training_is_that_of_the_general_way(backend, optimizer):
    model, moves, step = training(optimizer=optimizer)
    twin, other, same = training(optimizer=optimizer)
    quick, slow = compile(step, backend=backend), compile(same, backend=backend)
    slow(*BATCH)
    general(slow)
    for k in range(6):
        found, wanted = quick(*BATCH), slow(*BATCH) if k else None
        assert wanted is None or found.item() == wanted.item()
        if k == 0:
            assert moves.steps == other.steps
    assert quick._latest().quick is not None and slow._latest().quick is None
    assert moves.steps == other.steps == 6 and quick.fallbacks == 0
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    assert all(p.serial > 0 and p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    "args",
    [
        (X[:2],),
        (X.astype(np.float32),),
        (X.astype(">f8"),),
        (X[None],),
        (2.0,),
        (np.float64(2.0),),
        ([1.0, 2.0],),
        (Value(X),),
        (np.ma.array(X)[:0].filled(),),
    ],
    ids=lambda a: type(a[0]).__name__,
)
def test_arguments_of_another_kind(backend, args):
    f = lambda x: (x if isinstance(x, (np.ndarray, float, Value)) else x[0]) * 2.0 + 1.0  # noqa: E731
    compiled = quickened(f, backend, X)
    assert missed(compiled, *args)
    for _ in range(3):
        found, wanted = compiled(*args), f(*args)
        assert np.array_equal(getattr(found, "data", found), getattr(wanted, "data", wanted))
    assert equal(compiled(X), f(X))


def test_too_many_arguments_and_keywords(backend):
    compiled = quickened(lambda x, y=1.0: x * y, backend, X)
    assert np.array_equal(compiled(X, 3.0), X * 3.0) and np.array_equal(compiled(X, y=4.0), X * 4.0)
    assert np.array_equal(compiled(X), X) and np.array_equal(compiled(x=X), X)
    with pytest.raises(TypeError):
        compiled()
    with pytest.raises(TypeError):
        compiled(X, X, X)


class Model(nn.Module):
    def __init__(self):
        self.first = nn.Linear(4, 5, rng=0)
        self.rest = [nn.Linear(5, 5, rng=1), nn.Linear(5, 2, rng=2)]
        self.drop = nn.Dropout(0.5, rng=3)
        self.scale = 2.0

    def forward(self, x):
        y = self.first(x) * self.scale
        for part in self.rest:
            y = part(y)
        return self.drop(y)


def freeze(m):
    m.first.weight.requires_grad_(False)


CHANGES = {
    "eval": lambda m: m.eval(),
    "a number": lambda m: setattr(m, "scale", 3.0),
    "a rate": lambda m: setattr(m.drop, "p", 0.25),
    "weights": lambda m: setattr(m.first.weight, "data", m.first.weight.data * 2.0),
    "a layer": lambda m: setattr(m, "first", nn.Linear(4, 5, rng=7)),
    "another in a list": lambda m: m.rest.__setitem__(0, nn.Linear(5, 5, rng=8)),
    "one more in a list": lambda m: m.rest.insert(0, nn.Linear(5, 5, rng=9)),
    "one less in a list": lambda m: m.rest.pop(0),
    "a parameter": lambda m: setattr(m.first, "weight", Value(np.ones((4, 5), np.float32), requires_grad=True)),
    "frozen": freeze,
    "loaded": lambda m: m.load_state_dict({k: v * 0.5 for k, v in m.state_dict().items()}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_a_model_are_seen_at_the_very_next_call(backend, name):
    model, twin = Model(), Model()
    x = np.ones((3, 4), np.float32)
    compiled = quickened(lambda x: model(x), backend, x)
    for _ in range(3):
        twin(x)
    CHANGES[name](model)
    CHANGES[name](twin)
    for _ in range(3):
        found, wanted = compiled(x), twin(x)
        assert np.allclose(found.data, wanted.data, rtol=1e-5) and found.requires_grad == wanted.requires_grad


def settings(name):
    return {
        "rate": lambda o: setattr(o, "learning_rate", 0.5),
        "schedule": lambda o: setattr(o, "learning_rate", lambda n: 1.0 / n),
        "clip_norm": lambda o: setattr(o, "clip_norm", 0.01),
        "clip_value": lambda o: setattr(o, "clip_value", 0.001),
        "weight_decay": lambda o: setattr(o, "weight_decay", 0.5),
        "momentum": lambda o: setattr(o, "momentum", 0.1),
        "loaded": lambda o: o.load_state_dict(o.state_dict()),
    }[name]


@pytest.mark.parametrize("name", ["rate", "schedule", "clip_norm", "clip_value", "weight_decay", "momentum", "loaded"])
def test_settings_of_an_optimizer_are_seen_at_the_very_next_call(backend, name):
    model, moves, step = training(optimizer=optim.SGD, momentum=0.9)
    twin, other, eager = training(optimizer=optim.SGD, momentum=0.9)
    compiled = quickened(step, backend, *BATCH)
    for _ in range(3):
        eager(*BATCH)
    settings(name)(moves)
    settings(name)(other)
    for _ in range(3):
        assert np.isclose(compiled(*BATCH).item(), eager(*BATCH).item(), rtol=1e-5)
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            assert np.allclose(p.data, q.data, rtol=1e-4, atol=1e-6)
    assert moves.steps == other.steps == 6


def test_hooks_and_gradients_from_before_are_seen(backend):
    w = Value(X, requires_grad=True)

    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        return w.grad

    compiled = quickened(f, backend, X)
    w.hooks = [lambda g: g * 10.0]
    assert np.array_equal(compiled(X), X * 10.0)
    w.hooks = None
    assert np.array_equal(compiled(X), X)
    v = Value(X, requires_grad=True)

    def adds(x):
        (v * x).sum().backward()
        return v.grad

    compiled = quickened(adds, backend, X)
    v.grad = np.ones(3)
    with pytest.raises(ValueError, match="has a gradient from before"):
        compiled(X)
    v.zero_grad()
    assert np.array_equal(compiled(X), X)


def test_modes_are_seen(backend):
    w = Value(X, requires_grad=True)
    compiled = quickened(lambda x: (w * x).sum(), backend, X)
    with no_grad():
        assert not compiled(X).requires_grad
    assert compiled(X).requires_grad
    with debug():
        assert compiled(X).parents[0].op is not None
    assert np.array_equal(grad(lambda x: compiled(x))(X), X)


def test_a_call_without_recording_leaves_no_trace(backend):
    w = Value(X, requires_grad=True)
    compiled = compile(lambda x: (w * x).sum(), backend=backend)
    with no_grad():
        for _k in range(3):
            assert not compiled(X).requires_grad
    for _k in range(3):
        assert compiled(X).requires_grad


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_batches_of_several_sizes_take_turns(backend, optimizer):
    """Each size keeps its call, and the weights their arrays."""
    model, moves, step = training(optimizer=optimizer)
    twin, other, same = training(optimizer=optimizer)
    compiled, slow = compile(step, backend=backend), compile(same, backend=backend)
    x, y = BATCH
    sizes = [(x, y), (x[:5], y[:5]), (x[:3], y[:3])]
    for batch in sizes:
        slow(*batch)
        compiled(*batch)
    general(slow)
    compiled(*sizes[0])
    slow(*sizes[0])
    recordings = [r for of_kind in compiled._recordings.values() for r in of_kind]
    left = [r.quickens for r in recordings]
    assert len(recordings) == 3 and all(r.quick is not None for r in recordings)
    arrays = [id(p._data) for p in model.parameters()]
    for k in (0, 1, 0, 2, 2, 1, 0):
        assert compiled(*sizes[k]).item() == slow(*sizes[k]).item()
    assert [r.quickens for r in recordings] == left and all(r.quick is not None for r in recordings)
    assert arrays == [id(p._data) for p in model.parameters()]
    assert moves.steps == other.steps == 11
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    for p in (*model.parameters(), *twin.parameters()):
        p.data = p.data * 0.5  # new arrays: all of the calls are written out anew
    for k in (2, 1, 0, 2):
        assert compiled(*sizes[k]).item() == slow(*sizes[k]).item()
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_what_is_forgotten_is_not_held(backend):
    """Many sizes: the recordings that make room are not kept by the calls of others."""
    compiled = compile(lambda x: x * 2.0, backend=backend)
    compiled(np.ones(100))
    first = weakref.ref(compiled._latest().plan)
    for n in range(1, 7):
        compiled(np.ones(n))
    with pytest.warns(CompileWarning):
        compiled(np.ones(7))
    for n in range(8, 20):
        assert compiled(np.ones(n)).shape == (n,)
    gc.collect()
    assert first() is None and len(compiled._names.bound) < 60
    for n in (100, 5, 19):
        assert np.array_equal(compiled(np.ones(n)), np.full(n, 2.0))


def test_an_attribute_that_is_gone_is_the_error_of_the_function(backend):
    model = Model()
    x = np.ones((3, 4), np.float32)
    compiled = quickened(lambda x: model(x), backend, x)
    del model.scale
    with pytest.raises(AttributeError):
        compiled(x)
    model.scale = 2.0
    assert compiled(x).shape == (3, 2)


def test_what_fails_is_explained_by_the_function_and_works_again(backend):
    compiled = quickened(lambda x: np.linalg.inv(x) * 2.0, backend, np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.zeros((2, 2)))
    for _ in range(3):
        assert np.array_equal(compiled(np.eye(2)), np.eye(2) * 2.0)


def test_random_numbers_are_drawn_as_in_the_function(backend):
    model, twin = Model(), Model()
    compiled, x = compile(lambda x: model.drop(x), backend=backend), np.ones((5, 8), np.float32)
    for _ in range(6):
        assert np.array_equal(compiled(x), twin.drop(x))


def test_it_is_written_anew_a_limited_number_of_times(backend):
    model = Model().eval()
    x = np.ones((3, 4), np.float32)
    compiled = compile(lambda x: model(x), backend=backend)
    weight = model.first.weight
    for _ in range(120):
        weight.data = weight.data + 1.0  # an array of its own each time
        assert compiled(x).shape == (3, 2)
    assert compiled._latest().quick is None and compiled._latest().quickens == 0
    assert np.allclose(compiled(x).data, model(x).data, rtol=1e-5)


def test_a_call_that_missed_holds_nothing(backend):
    model = Model().eval()
    x = np.ones((3, 4), np.float32)
    compiled = quickened(lambda x: model(x), backend, x)
    old = weakref.ref(model.first)
    model.first = nn.Linear(4, 5, rng=5)
    compiled(x)
    compiled.clear()
    gc.collect()
    assert old() is None


def test_names_of_objects(backend):
    thing, other = object(), object()
    names = Names(thing=thing)
    assert names(thing, "x") == "thing" and names(None, "x") == "None" and names(True, "x") == "True"
    first = names(other, "x")
    assert names(other, "y") == first != names([], "x") and names.bound[first] is other

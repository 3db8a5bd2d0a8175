"""Weights and optimizers' states that stay on the device: what looks at them finds them; nothing else moves them."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

from autograd_nn import Value, compile, nn, optim
from autograd_nn.compiler import Compiled
from autograd_nn.compiler.device import held, is_device_array, put_back
from autograd_nn.compiler.xla_plan import XlaPlan
from autograd_nn.losses import cross_entropy

pytestmark = pytest.mark.xla


@pytest.fixture(autouse=True)
def jax():
    return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')


@pytest.fixture
def training():
    """A model, its optimizer, and a compiled step that was called once."""
    model = nn.Sequential(nn.Linear(4, 8, bias=False, rng=0), nn.BatchNorm(8), nn.ReLU(), nn.Linear(8, 3, rng=1))
    optimizer = optim.Adam(model.parameters(), 0.05)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 3, 12)

    @compile(backend="xla")
    def step():
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step()
    return model, optimizer, step


def away(model):
    return [is_device_array(held(leaf)) for leaf in [*model.parameters(), *model.buffers()]]


def test_nothing_is_fetched_between_steps_and_all_of_it_on_demand(training):
    model, optimizer, step = training
    before = [held(p) for p in model.parameters()]
    step()
    assert all(away(model))
    assert all(is_device_array(x) for state in optimizer._held for x in state.values())
    assert all(held(p) is not x for p, x in zip(model.parameters(), before, strict=True))
    found = model.state_dict()
    assert all(type(x) is np.ndarray for x in found.values()) and not any(away(model))
    saved = optimizer.state_dict()
    assert all(type(x) is np.ndarray for entry in saved["parameters"] for x in entry["state"].values())
    assert saved["steps"] == 2
    step()
    assert all(away(model)) and len(step) == 1 and step.fallbacks == 0


def test_looking_between_steps_changes_nothing(training):
    _, _, step = training
    losses = [step().item() for _ in range(4)]
    model2 = nn.Sequential(nn.Linear(4, 8, bias=False, rng=0), nn.BatchNorm(8), nn.ReLU(), nn.Linear(8, 3, rng=1))
    optimizer2 = optim.Adam(model2.parameters(), 0.05)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 3, 12)

    def step2():
        optimizer2.zero_grad()
        loss = cross_entropy(model2(x), y)
        loss.backward()
        optimizer2.step()
        return loss

    compiled = compile(step2, backend="xla")
    compiled()
    found = []
    for _ in range(4):
        found.append(compiled().item())
        model2.state_dict()
        optimizer2.state_dict()
        repr(model2.parameters()[0])
    assert found == losses


def test_weights_move_to_the_device_once(training, monkeypatch):
    model, _, step = training
    placed = []
    place = XlaPlan._place_state

    def watched(self, shape, x):
        placed.append(shape)
        return place(self, shape, x)

    monkeypatch.setattr(XlaPlan, "_place_state", watched)
    predict = compile(lambda x: model(x), backend="xla")
    x = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    for _ in range(3):
        predict(x)  # what a step keeps on the device is read there
    assert placed == []
    first = model.state_dict()
    predict(x), step(), step()
    assert placed == []  # what was looked at is still there
    weight = model.parameters()[0]
    before = predict(x).data
    weight.data = np.zeros(weight.shape, np.float32)
    assert placed == []
    assert not np.allclose(predict(x).data, before)
    assert placed == [weight.shape]
    predict(x)
    assert placed == [weight.shape]
    model.load_state_dict(first)
    placed.clear()
    predict(x), predict(x)
    assert len(placed) == len(model.state_dict())


def test_frozen_weights_that_a_plan_of_numpy_has_changed_in_place():
    w = Value(np.ones(2))

    def step():
        w.zero_grad()
        (w * w).sum().backward()
        w.data = w.data - 0.25 * w.grad

    update, look = compile(step), compile(lambda: w * 1.0, backend="xla")
    for wanted in (0.5, 0.25, 0.125):
        update()
        assert look().data.tolist() == [wanted] * 2


def test_a_profile_is_refused(training):
    with pytest.raises(NotImplementedError, match="jax.profiler"):
        training[2].profile()


def test_eager_code_and_both_back_ends_take_turns(training):
    model, optimizer, step = training
    wanted = copy.deepcopy(model)
    reference = optim.Adam(wanted.parameters(), 0.05)
    reference.load_state_dict(optimizer.state_dict())
    eager, plan = step.function, compile(step.function)
    for run in (step, eager, step, plan, plan, step, eager):
        run()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 3, 12)
    for _ in range(7):
        reference.zero_grad()
        cross_entropy(wanted(x), y).backward()
        reference.step()
    for p, q in zip(wanted.parameters(), model.parameters(), strict=True):
        assert q.data == pytest.approx(p.data, abs=1e-5)


def test_assigning_loading_pickling_and_copying(training):
    model, _, step = training
    weight = model.parameters()[0]
    assert is_device_array(held(weight))
    weight.data = np.zeros(weight.shape, np.float32)
    assert type(held(weight)) is np.ndarray and type(weight) is Value
    step()
    assert np.abs(weight.data).max() > 0
    step()
    again = pickle.loads(pickle.dumps(weight))
    assert type(again) is Value and np.array_equal(again.data, weight.data)
    step()
    twin = copy.deepcopy(weight)
    assert type(twin._data) is np.ndarray and np.array_equal(twin.data, weight.data)
    step()
    kept = {name: x.copy() for name, x in model.state_dict().items()}
    step()
    model.load_state_dict(kept)
    assert np.array_equal(weight.data, kept["layers.0.weight"])


def test_what_is_held_can_be_put_back_and_makes_old_graphs_stale(training):
    model, _, step = training
    weight = model.parameters()[0]
    kept, numbers = held(weight), np.array(held(weight))
    step()
    loss = (weight * weight).sum()
    put_back(weight, kept)
    assert held(weight) is kept and np.array_equal(weight.data, numbers)
    with pytest.raises(ValueError, match="assigned"):
        loss.backward()
    put_back(weight, np.ones(weight.shape, np.float32))
    assert weight.data.sum() == weight.size


def test_drawing_and_names(training):
    model, _, step = training
    weight = model.parameters()[0]
    assert type(weight).__name__ == "Value" and weight.is_leaf and hash(weight) == hash(weight)
    assert "Value(" in repr(weight)
    step()
    assert "weight" in (weight * 2.0).to_dot()


def test_threads_that_look_at_once(training):
    model = training[0]
    weight = model.parameters()[0]
    found = []
    threads = [threading.Thread(target=lambda: found.append(weight.data.sum())) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(map(float, found))) == 1


def test_a_loss_that_is_not_finite_assigns_nothing():
    w = Value(np.ones(2))
    x = np.ones(2)

    def step(x):
        w.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        w.data = w.data - 0.5 * w.grad
        return loss

    compiled = Compiled(step, backend="xla", accepts=lambda results: bool(np.isfinite(results[0])))
    compiled(x)
    assert w.data.tolist() == [0.5, 0.5]
    compiled(x * np.nan)
    assert w.data.tolist() == [0.5, 0.5]


def test_single_numbers_stay_with_python():
    w = Value(2.0)

    @compile(backend="xla")
    def step(rate):
        w.zero_grad()
        loss = w * w
        loss.backward()
        w.data = w.data - rate * w.grad
        return loss

    assert [step(0.25).item() for _ in range(3)] == [4.0, 1.0, 0.25]
    assert type(w.data) is float


def test_double_precision_stays_double_on_the_device(jax):
    before = jax.config.jax_enable_x64
    w = Value(np.array([1.0, 2.0]))

    @compile(backend="xla")
    def step():
        w.zero_grad()
        ((w - np.pi) ** 2).sum().backward()
        w.data = w.data - 0.25 * w.grad

    for _ in range(60):
        step()
    assert held(w).dtype == np.float64
    assert w.data == pytest.approx([np.pi, np.pi], rel=1e-15)
    assert jax.config.jax_enable_x64 == before

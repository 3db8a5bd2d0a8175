"""`fit(compile=True)` trains what `fit(compile=False)` trains, to the last bit: layers, schedules, callbacks, ends."""

from __future__ import annotations

import functools
import math
import sys

import numpy as np
import pytest

from autograd_nn import Value, nn, optim
from autograd_nn.compiler import CompileWarning
from autograd_nn.compiler.compile import QUICKENS
from autograd_nn.compiler.native_cache import needed
from autograd_nn.losses import cross_entropy, mse
from autograd_nn.training import Callback, Checkpoint, EarlyStopping, TrainingWarning, fit
from autograd_nn.training.feed import Batch
from autograd_nn.training.objective import Objective
from autograd_nn.training.step import FEW_STEPS, MANY_STEPS, CompiledStep, Snapshot, all_ours, backend_for

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 22)
T = RNG.normal(size=(22, 2)).astype(np.float32)
IMAGES = RNG.normal(size=(18, 1, 8, 8)).astype(np.float32)
SEQUENCES = RNG.normal(size=(18, 5, 3)).astype(np.float32)
TOKENS = RNG.integers(0, 11, size=(18, 5))
WEIGHTS = RNG.uniform(0.5, 2.0, 22)


def adam(model):
    return optim.Adam(model.parameters(), 1e-2)


def rows(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def both(make, data, loss="cross_entropy", optimizer=adam, **options):
    """Train eagerly and compiled; everything must be equal. Return the compiled model and its history."""
    found = []
    for compiled in (False, "numpy"):
        model = make()
        moves = optimizer(model)
        given = {name: option() if isinstance(option, type) else option for name, option in options.items()}
        history = fit(
            model, data, loss, moves, **{"epochs": 3, "batch_size": 8, "progress": False, "compile": compiled, **given}
        )
        found.append((model, history, moves))
    (a, first, o), (b, second, p) = found
    old, new = a.state_dict(), b.state_dict()
    assert all(old[k].tobytes() == new[k].tobytes() for k in old)
    assert repr(o.state_dict()) == repr(p.state_dict())
    assert repr(rows(first)) == repr(rows(second)) and first.stopped == second.stopped
    assert second.environment["backend"] == "compiled: numpy"
    return b, second


def recurrent(kind, **options):
    width = 8 if options.get("bidirectional") else 4
    return lambda: nn.Sequential(kind(3, 4, returns="last", rng=0, **options), nn.Linear(width, 3, rng=1))


def encoder(pre_norm):
    return lambda: nn.Sequential(
        nn.Embedding(11, 8, rng=0),
        nn.PositionalEncoding(8),
        nn.TransformerEncoderBlock(8, 2, 16, dropout=0.1, pre_norm=pre_norm, rng=0),
        nn.LayerNorm(8),
        nn.Flatten(),
        nn.Linear(40, 3, rng=1),
    )


NETWORKS = {
    "MLP": (lambda: nn.MLP([6, 16, 3], rng=0), (X, Y)),
    "float64": (lambda: nn.MLP([6, 16, 3], rng=0, dtype=float), (X.astype(float), Y)),
    "data in another precision": (lambda: nn.MLP([6, 16, 3], rng=0), (X.astype(float), Y.astype(np.uint8))),
    "integers": (lambda: nn.MLP([6, 16, 3], rng=0), ((4 * X).astype(int), Y)),
    "one-hot": (lambda: nn.MLP([6, 16, 3], rng=0), (X, np.eye(3)[Y])),
    "CNN": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, rng=0), np.tanh, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3, rng=1)
        ),
        (IMAGES, Y[:18]),
    ),
    "CNN 1-d": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 3, rng=0), nn.GroupNorm(2, 4), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(4, 3, rng=1)
        ),
        (np.swapaxes(SEQUENCES, 1, 2), Y[:18]),
    ),
    "BatchNorm and Dropout": (
        lambda: nn.Sequential(nn.Linear(6, 8, rng=0), nn.BatchNorm(8), nn.Dropout(0.3), nn.Linear(8, 3, rng=1)),
        (X, Y),
    ),
    "RNN": (recurrent(nn.RNN), (SEQUENCES, Y[:18])),
    "GRU": (recurrent(nn.GRU), (SEQUENCES, Y[:18])),
    "LSTM": (recurrent(nn.LSTM), (SEQUENCES, Y[:18])),
    "deep LSTM": (recurrent(nn.LSTM, layers=2, bidirectional=True, dropout=0.2), (SEQUENCES, Y[:18])),
    "Embedding": (
        lambda: nn.Sequential(nn.Embedding(11, 4, rng=0), nn.Flatten(), nn.Linear(20, 3, rng=1)),
        (TOKENS, Y[:18]),
    ),
    "encoder, norm first": (encoder(True), (TOKENS, Y[:18])),
    "encoder, norm last": (encoder(False), (TOKENS, Y[:18])),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    both(*NETWORKS[name])


def mlp():
    return nn.MLP([6, 16, 2], rng=0)


OPTIMIZERS = {
    "clip_norm": lambda m: optim.SGD(m.parameters(), 0.1, clip_norm=0.1, weight_decay=0.01),
    "clip_value": lambda m: optim.Nesterov(m.parameters(), 0.1, clip_value=0.01),
    "cosine": lambda m: optim.Adam(m.parameters(), optim.CosineDecay(0.1, 9)),
    "warm-up": lambda m: optim.AdamW(m.parameters(), optim.WarmUp(optim.CosineDecay(0.1, 9), 3)),
    "a function": lambda m: optim.RMSprop(m.parameters(), lambda step: 0.01 / step),
    "groups": lambda m: optim.Lion(
        [
            {"parameters": m.layers[0].parameters(), "learning_rate": 0.001},
            {"parameters": m.layers[1].parameters(), "weight_decay": 0.2},
        ],
        0.01,
    ),
    "part of the model": lambda m: optim.Adam(m.layers[1].parameters(), 0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    both(mlp, (X, T), "mse", OPTIMIZERS[name])


def test_frozen_layers():
    def frozen():
        model = mlp()
        model.layers[0].freeze()
        return model

    model, _ = both(frozen, (X, T), "mse")
    assert np.array_equal(model.layers[0].weight.data, mlp().layers[0].weight.data)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_losses_and_sample_weights(loss):
    both(mlp, (X, T, WEIGHTS), loss)
    none = np.where(np.arange(22) < 9, 0.0, WEIGHTS)  # a batch may weigh nothing, and is left out
    both(mlp, (X, T, none), loss, shuffle=False)


def test_a_loss_of_ones_own():
    both(
        lambda: nn.MLP([6, 8, 3], rng=0), (X, Y, WEIGHTS), lambda p, t, weight=None: cross_entropy(p, t, weight=weight)
    )
    both(mlp, (X, T), lambda p, t: mse(p, t) + 0.1 * np.abs(p).mean())


def test_metrics_validation_and_schedules_of_epochs():
    class Rates(Callback):
        def epoch(self, state):
            state.optimizer.learning_rate = 0.1 / (1 + state.epoch)

    _, history = both(
        lambda: nn.MLP([6, 16, 3], rng=0),
        (X, Y),
        metrics="accuracy",
        validation=(X[:5], Y[:5]),
        callbacks=Rates,
    )
    assert len({row["learning_rate"] for row in rows(history)}) == 3
    both(
        mlp,
        (X, T),
        "mse",
        optimizer=lambda m: optim.SGD(m.parameters(), 0.0),
        epochs=6,
        callbacks=EarlyStopping("loss", patience=2),
    )


def test_callbacks_after_each_step_see_gradients():
    class Seen(Callback):
        def __init__(self):
            self.norms = []

        def step(self, state):
            grads = [p.grad for p in state.model.parameters()]
            assert all(type(g) is np.ndarray and g.dtype == np.float32 for g in grads)
            assert all(g.shape == p.shape for g, p in zip(grads, state.model.parameters(), strict=True))
            self.norms.append((state.loss, [float(np.abs(g).sum()) for g in grads]))

    seen = []
    for compiled in (False, True):
        callback = Seen()
        fit(mlp(), (X, T), "mse", "adam", epochs=3, batch_size=8, progress=False, callbacks=callback, compile=compiled)
        seen.append(callback.norms)
    assert seen[0] == seen[1] and len(seen[0]) == 9


def test_parameters_that_the_loss_does_not_reach():
    class Apart(nn.Module):
        def __init__(self):
            self.used, self.idle = nn.Linear(6, 2, rng=0), nn.Linear(6, 2, rng=1)

        def forward(self, x):
            return self.used(x)

    class Looks(Callback):
        def step(self, state):
            assert state.model.idle.weight.grad is None and state.model.used.weight.grad is not None

    both(Apart, (X, T), "mse", callbacks=Looks)


@pytest.mark.parametrize("rate", [1e20, 1e38])
def test_a_loss_that_is_not_finite(rate):
    _, history = both(
        lambda: nn.Sequential(nn.Linear(6, 8, rng=0), nn.BatchNorm(8), nn.Linear(8, 2, rng=1)),
        (X, T),
        "mse",
        lambda m: optim.SGD(m.parameters(), lambda step: 0.01 if step < 5 else rate),
        epochs=5,
    )
    assert history.stopped.startswith("not finite")


def test_data_that_are_not_finite_are_to_blame():
    x = X.copy()
    x[20] = np.nan
    for compiled in (False, True):
        model = mlp()
        with pytest.raises(ValueError, match="nan"):
            fit(model, (x, T), "mse", adam(model), batch_size=8, shuffle=False, progress=False, compile=compiled)
        assert all(np.isfinite(p.data).all() for p in model.parameters())


@pytest.mark.parametrize("wrong", [3, -1])
def test_bad_labels_in_a_compiled_step(wrong):
    y = Y.copy()
    y[17] = wrong
    kept = []
    for compiled in (False, True):
        model = nn.MLP([6, 8, 3], rng=0)
        optimizer = adam(model)
        with pytest.raises(ValueError, match="labels from 0 to 2") as caught:
            fit(
                model, (X, y), "cross_entropy", optimizer, batch_size=4, shuffle=False, progress=False, compile=compiled
            )
        assert "batch 5" in caught.value.__notes__[0]
        kept.append((model.state_dict(), repr(optimizer.state_dict())))
    assert kept[0][1] == kept[1][1]
    assert all(np.array_equal(a, b) for a, b in zip(kept[0][0].values(), kept[1][0].values(), strict=True))


def test_ctrl_c_in_a_compiled_step():
    """The schedule is asked in the middle of it; two in a row take the step back."""

    def run(compiled, at):
        def rate(step):
            if step == at and pressed:
                pressed.pop()
                raise KeyboardInterrupt
            return 0.01

        pressed = [1]
        model = nn.Sequential(nn.Linear(6, 8, rng=0), nn.BatchNorm(8), nn.Linear(8, 2, rng=1))
        optimizer = optim.Adam(model.parameters(), rate)
        history = fit(model, (X, T), "mse", optimizer, epochs=4, batch_size=8, progress=False, compile=compiled)
        return model.state_dict(), optimizer.steps, history.stopped

    for at in (1, 5):
        (a, n, stopped), (b, m, ended) = run(False, at), run(True, at)
        assert n == m == at - 1 and stopped == ended and f"after {at - 1} steps" in ended
        assert all(np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("first", [False, True])
def test_a_run_is_resumed_compiled_or_not(tmp_path, first):
    def make():
        model = nn.Sequential(nn.Linear(6, 8, rng=0), nn.BatchNorm(8), nn.Dropout(0.3), nn.Linear(8, 3, rng=1))
        return model, optim.Adam(model.parameters(), optim.CosineDecay(0.1, 15))

    def train(epochs, compiled, **options):
        model, optimizer = make()
        fit(
            model,
            (X, Y),
            "cross_entropy",
            optimizer,
            epochs=epochs,
            batch_size=8,
            progress=False,
            compile=compiled,
            **options,
        )
        return model.state_dict()

    wanted = train(5, True)
    file = tmp_path / "run.npz"
    train(2, first, checkpoint=Checkpoint(file) if first else file)
    with pytest.warns(TrainingWarning, match="environment: backend wanted"):
        resumed = train(5, not first, resume=file)
    assert all(wanted[k].tobytes() == resumed[k].tobytes() for k in wanted)


def test_a_step_is_recorded_once_for_each_size_of_batch(monkeypatch):
    made = []
    module = sys.modules["autograd_nn.training.fit"]
    monkeypatch.setattr(module, "CompiledStep", lambda *a, **k: made.append(CompiledStep(*a, **k)) or made[-1])
    fit(mlp(), (X, T), "mse", "adam", epochs=6, batch_size=8, progress=False, compile=True)
    (step,) = made
    assert step.compiled._count == len(step.compiled) == 2 and step.compiled.fallbacks == 0


def test_auto_compiles_what_is_the_library_s_own():
    model = mlp()
    own = optim.SGD(model.parameters(), 0.1)
    assert all_ours(model, Objective(model, "mse"), own)
    assert not all_ours(model, Objective(model, lambda p, t: ((p - t) ** 2).mean()), own)

    class Mine(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(6, 2, rng=0)

        def forward(self, x):
            return self.inner(x)

    class Slow(optim.SGD):
        pass

    assert not all_ours(Mine(), Objective(Mine(), "mse"), own)
    assert not all_ours(model, Objective(model, "mse"), Slow(model.parameters(), 0.1))
    other = nn.MLP([6, 4, 2], activation=lambda x: x * x, rng=0)
    assert not all_ours(other, Objective(other, "mse"), own)
    for net, backend in ((mlp(), True), (Mine(), False)):
        history = fit(net, (X, T), "mse", "sgd", epochs=FEW_STEPS, progress=False, compile="auto")
        assert history.environment["backend"] == ("compiled: numpy" if backend else "numpy")
    with pytest.raises(ValueError, match="compile wanted True, False or .*'?auto'?.*, got 'yes'"):
        fit(mlp(), (X, T), "mse", compile="yes")


def test_the_rule_of_auto_counts_steps():
    assert [backend_for(n) for n in (0, FEW_STEPS - 1)] == [None, None]
    assert [backend_for(n) for n in (FEW_STEPS, MANY_STEPS - 1)] == ["numpy", "numpy"]
    assert backend_for(MANY_STEPS) == "auto"
    for epochs, backend in ((FEW_STEPS // 3, "numpy"), (FEW_STEPS // 3 + 1, "compiled: numpy")):  # 3 steps each
        history = fit(
            mlp(), (X, T), "mse", "sgd", epochs=epochs, batch_size=8, progress=False, compile="auto", shuffle=False
        )
        assert history.environment["backend"] == backend
    smooth = functools.partial(cross_entropy, label_smoothing=0.1)
    model = mlp()
    assert all_ours(model, Objective(model, smooth), adam(model))
    assert not all_ours(model, Objective(model, functools.partial(lambda p, t, a: mse(p, t), a=1)), adam(model))


class Arrays(Callback):
    """Looks which arrays hold the weights, without holding them."""

    def __init__(self):
        self.ids = []

    def step(self, state):
        self.ids.append([id(p._data) for p in state.model.parameters()])


class Runs:
    """Keeps the compiled steps of `fit`."""

    def __init__(self, monkeypatch):
        self.steps = []
        module = sys.modules["autograd_nn.training.fit"]
        monkeypatch.setattr(module, "CompiledStep", self.make)

    def make(self, *args, **options):
        self.steps.append(CompiledStep(*args, **options))
        return self.steps[-1]

    def recordings(self):
        (step,) = self.steps
        return [r for of_key in step.compiled._recordings.values() for r in of_key]


def in_place(monkeypatch, backend):
    runs, arrays = Runs(monkeypatch), Arrays()
    for callbacks in (arrays, EarlyStopping("loss")):
        runs.steps.clear()
        fit(
            mlp(),
            (X, T),
            "mse",
            "adam",
            epochs=8,
            batch_size=8,
            progress=False,
            compile=backend,
            metrics="mse",
            validation=(X, T),
            callbacks=callbacks,
        )
        found = runs.recordings()
        assert [r.plan.name for r in found] == [backend] * 2  # for batches of 8 and of 6 rows
        assert all(r.quick is not None and r.quickens == QUICKENS - 1 for r in found)  # written out once
    assert arrays.ids[3] == arrays.ids[-1]  # after the first compiled step


def test_weights_move_in_their_own_arrays(monkeypatch):
    in_place(monkeypatch, "numpy")


@pytest.mark.native
def test_weights_move_in_their_own_arrays_in_native_code(monkeypatch):
    needs_numba()
    in_place(monkeypatch, "native")


def needs_numba():
    try:
        needed()
    except ImportError:
        pytest.skip("no Numba")


@pytest.mark.native
def test_native_code_trains_the_same_to_rounding():
    """History, weights, gradients that callbacks see; weights of rows; the end by a loss that is not finite."""
    needs_numba()

    class Seen(Callback):
        def __init__(self):
            self.norms = []

        def step(self, state):
            self.norms.append([float(np.abs(p.grad).sum()) for p in state.model.parameters()])

    late = lambda step: 0.01 if step < 11 else 1e30  # noqa: E731
    for data, rate, end in (((X, T), 0.01, "finished"), ((X, T, WEIGHTS), late, "not finite")):
        found = []
        for compiled in (False, True):
            model, seen = mlp(), Seen()
            optimizer = optim.Adam(model.parameters(), rate)
            history = fit(
                model,
                data,
                "mse",
                optimizer,
                epochs=5,
                batch_size=8,
                metrics="mae",
                callbacks=seen,
                progress=False,
                compile=compiled,
            )
            assert history.stopped.startswith(end)
            found.append((model.state_dict(), history, seen.norms, optimizer.state_dict()))
        (old, first, norms, state), (new, second, others, also) = found
        assert second.environment["backend"] == "compiled: native"
        assert first.stopped == second.stopped and len(first) == len(second) and state["steps"] == also["steps"]
        for name in old:
            np.testing.assert_allclose(new[name], old[name], rtol=2e-5, atol=1e-6)
        for name in ("loss", "mae"):
            np.testing.assert_allclose(second[name], first[name], rtol=1e-5)
        np.testing.assert_allclose(others, norms, rtol=1e-4)


@pytest.mark.parametrize("at", [1, 2, 4])
def test_ctrl_c_after_a_step_was_taken_and_before_it_counts(monkeypatch, at):
    model = nn.Sequential(nn.Linear(6, 8, rng=0), nn.BatchNorm(8), nn.Linear(8, 2, rng=1))
    before = []
    take = CompiledStep.__call__

    def press(step, batch):
        before.append(model.state_dict())
        result = take(step, batch)
        if len(before) == at:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(CompiledStep, "__call__", press)
    history = fit(model, (X, T), "mse", adam(model), epochs=4, batch_size=4, progress=False, compile="numpy")
    assert history.stopped.startswith("interrupted") and f"after {at + 1} steps" in history.stopped
    now = model.state_dict()
    assert all(np.array_equal(before[-1][name], now[name]) for name in now)


def test_branching_on_data_in_a_model_says_what_to_write():
    class Branches(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(6, 2, rng=0)

        def forward(self, x):
            y = self.inner(x)
            return y if y.sum() > 0 else -y

    with pytest.raises(TypeError, match=r"return y if y.sum\(\) > 0 else -y[\s\S]*where"):
        fit(Branches(), (X, T), "mse", batch_size=4, progress=False, compile=True)


def test_settings_that_change_between_epochs_are_seen():
    class Changes(Callback):
        def epoch(self, state):
            state.model[1].p = 0.1 * state.epoch
            state.optimizer.weight_decay = 0.01 * state.epoch
            if state.epoch == 2:
                state.model[0].freeze()

    both(
        lambda: nn.Sequential(nn.Linear(6, 8, rng=0), nn.Dropout(0.5), nn.Linear(8, 3, rng=1)),
        (X, Y),
        callbacks=Changes,
        epochs=4,
    )


def test_the_step_by_itself():
    model = mlp()
    optimizer = adam(model)
    step = CompiledStep(Objective(model, "mse"), optimizer, optimizer.zero_grad, gradients=True)
    prediction, loss = step(Batch(X, T, None, 0))
    assert isinstance(prediction, Value) and prediction.shape == (22, 2) and math.isfinite(loss)
    assert optimizer.steps == 1 and all(p.grad.shape == p.shape for p in model.parameters())
    before, kept = model.state_dict(), [p.grad for p in model.parameters()]
    _, loss = step(Batch(X * np.float32(np.nan), T, None, 0))
    assert math.isnan(loss) and optimizer.steps == 1
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is g for p, g in zip(model.parameters(), kept, strict=True))


def test_a_plan_that_fails_changes_nothing_if_the_loss_is_not_finite():
    """The function itself is called then, and looks at its loss, too."""
    model = mlp()
    optimizer = adam(model)
    kept = []
    step = CompiledStep(
        Objective(model, "mse"), optimizer, optimizer.zero_grad, keep=lambda: kept.append(model.state_dict())
    )
    for _ in range(3):
        step(Batch(X, T, None, 0))
    assert len(kept) == optimizer.steps == 3
    before = model.state_dict()
    recording = step.compiled._latest()
    recording.quick, recording.quickens = None, 0

    def fails(*_):
        raise ValueError("out of order")

    recording.threads.free[0] = fails
    with pytest.warns(CompileWarning, match="out of order"):
        _, loss = step(Batch(X * np.float32(np.nan), T, None, 0))
    assert math.isnan(loss) and optimizer.steps == len(kept) == 3
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    step(Batch(X, T, None, 0))
    assert optimizer.steps == len(kept) == 4
    assert all(np.array_equal(before[k], v) for k, v in kept[-1].items())


def test_a_snapshot_uses_its_memory_again():
    p, q, number = Value(np.ones((2, 3))), Value(np.arange(3.0)), Value(2.0)
    snapshot = Snapshot([p, q])
    first = snapshot.take()
    arrays = list(first)
    p.data, q.data = p.data * 5.0, q.data + 1.0
    assert np.array_equal(first[0], np.ones((2, 3))) and np.array_equal(first[1], [0, 1, 2])
    assert all(a is b for a, b in zip(snapshot.take(), arrays, strict=True))
    assert np.array_equal(arrays[0], np.full((2, 3), 5.0)) and np.array_equal(arrays[1], [1, 2, 3])
    q.assign(np.zeros(3, np.float32))
    assert snapshot.take()[1].dtype == np.float32 and arrays[1].dtype == float
    assert not np.shares_memory(snapshot.data[0], p._data)
    numbers = Snapshot([number])
    assert numbers.take() == [2.0]
    number.assign(3.0)
    assert numbers.take() == [3.0]


def test_a_run_that_is_resumed_with_what_auto_picks_is_the_same_run(tmp_path):
    def train(epochs, compiled=True, **options):
        model = mlp()
        return model, fit(
            model, (X, T), "mse", adam(model), epochs=epochs, batch_size=8, progress=False, compile=compiled, **options
        )

    file = tmp_path / "run.npz"
    wanted, history = train(4)
    assert history.environment["backend"] == "compiled: numpy"
    train(2, checkpoint=file)
    model, _ = train(4, resume=file)  # no warning
    assert all(
        a.tobytes() == b.tobytes() for a, b in zip(*[m.state_dict().values() for m in (wanted, model)], strict=True)
    )
    train(2, "tape", checkpoint=file)
    with pytest.warns(TrainingWarning, match="backend wanted 'compiled: tape', got 'compiled: numpy'"):
        train(4, resume=file)


def test_many_sizes_of_batches_are_a_warning():
    batches = [[(X[:n], T[:n]) for n in range(3, 18)]]
    with pytest.warns(CompileWarning, match=r"argument x was float32 of shape \("):
        fit(mlp(), lambda: batches[0], "mse", "sgd", epochs=1, progress=False, compile=True)


def test_callbacks_see_the_gradients_of_all_parameters():
    """Also of those that this optimizer does not move; frozen ones have none."""
    found = {}
    for compiled in (False, "numpy"):
        model = nn.MLP([6, 8, 8, 3], rng=0)
        model.layers[0].freeze()
        seen = found[compiled] = []

        class Look(Callback):
            def step(self, state, seen=seen):
                seen.append([None if p.grad is None else p.grad.copy() for p in state.model.parameters()])

        optimizer = optim.Adam(model.layers[-1].parameters(), 1e-2)
        options = {"epochs": 2, "batch_size": 11, "progress": False, "compile": compiled, "callbacks": [Look()]}
        fit(model, (X, Y), "cross_entropy", optimizer, **options)
    assert len(found[False]) == len(found["numpy"]) == 4
    for eager, after in zip(found[False], found["numpy"], strict=True):
        assert [g is None for g in after] == [True, True, False, False, False, False]
        assert all(a is b is None or np.array_equal(a, b) for a, b in zip(eager, after, strict=True))

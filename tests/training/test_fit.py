"""`fit`: same seed same bits, resuming, stopping, bad input, all kinds of data."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest

from autograd_nn import Value, losses, nn, optim
from autograd_nn.data import Batches, GeneratorSource, moons
from autograd_nn.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    Schedule,
    TrainingWarning,
    evaluate,
    fit,
    load_checkpoint,
    predict,
    save_checkpoint,
)

X = np.random.default_rng(0).normal(size=(50, 3))
Y = (X.sum(axis=1) > 0).astype(int)
T = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3


class Rich(nn.Module):
    """Everything that has a state: dropout, batch normalization, weights."""

    def __init__(self, rng=0, hidden=8):
        rng = np.random.default_rng(rng)
        self.a = nn.Linear(3, hidden, rng=rng)
        self.norm = nn.BatchNorm(hidden)
        self.drop = nn.Dropout(0.3, rng=rng)
        self.b = nn.Linear(hidden, 2, rng=rng)

    def forward(self, x):
        return self.b(self.drop(np.tanh(self.norm(self.a(x)))))


def train(epochs=4, model=None, optimizer=optim.Adam, data=(X, Y), loss="cross_entropy", batch_size=16, **options):
    model = Rich() if model is None else model
    options = {"progress": False, "batch_size": batch_size, **options}
    return model, fit(model, data, loss, optimizer(model.parameters(), 0.05), epochs=epochs, **options)


def same(a, b):
    a, b = (m.state_dict() for m in (a, b))
    return all(a[key].tobytes() == b[key].tobytes() for key in a)


def rows(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


# --- what it computes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 50, 64])
def test_one_full_batch_is_gradient_descent(batch_size):
    """Against the closed form: w ← w - η 2/n Xᵀ(Xw - y)."""
    model = nn.Linear(3, 1, bias=False, dtype=float, init="zeros")
    fit(model, (X, T), "mse", optim.SGD(model.parameters(), 0.1), epochs=7, batch_size=batch_size, progress=False)
    w = np.zeros((3, 1))
    for _ in range(7):
        w = w - 0.1 * 2 / 50 * X.T @ (X @ w - T)
    np.testing.assert_allclose(model.weight.data, w, rtol=1e-12)


def test_linear_regression_reaches_least_squares():
    model = nn.Linear(3, 1, dtype=float, rng=0)
    history = fit(model, (X, T), "mse", optim.SGD(model.parameters(), 0.1), epochs=300, batch_size=None, progress=False)
    solution = np.linalg.lstsq(np.c_[X, np.ones(50)], T, rcond=None)[0]
    np.testing.assert_allclose(np.r_[model.weight.data, model.bias.data[None]], solution, atol=1e-6)
    assert history.stopped == "finished: 300 epochs" and len(history) == 300


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows():
    """With a rate of 0 nothing moves, so the mean over uneven batches is that of all rows."""
    model = nn.Linear(3, 1, dtype=float, rng=0)
    history = fit(model, (X, T), "mse", optim.SGD(model.parameters(), 0.0), epochs=1, batch_size=16, progress=False)
    assert history["loss"][0] == pytest.approx(np.mean((X @ model.weight.data + model.bias.data - T) ** 2), rel=1e-12)


def test_sample_weights_equal_repeated_rows():
    weight = np.random.default_rng(1).integers(0, 4, 50)
    repeated = np.repeat(np.arange(50), weight)
    results = []
    for data in ((X, T, weight), (X[repeated], T[repeated])):
        model = nn.Linear(3, 1, dtype=float, rng=0)
        history = fit(
            model, data, "mse", optim.Adam(model.parameters(), 0.1), epochs=20, batch_size=None, progress=False,
            metrics=["mae", "r2"],
        )  # fmt: skip
        results.append([model.weight.data.ravel(), *[[row[c] for c in ("loss", "mae", "r2")] for row in history]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_sample_weights_with_a_loss_of_ones_own():
    def by_reduction(p, t, reduction="mean"):
        r = (p - t) ** 2
        return r if reduction == "none" else r.mean()

    def plain(p, t):
        return ((p - t) ** 2).mean()

    weight = np.arange(50.0)
    models = []
    for loss in (by_reduction, "mse"):
        model = nn.Linear(3, 1, dtype=float, rng=0)
        fit(model, (X, T, weight), loss, optim.SGD(model.parameters(), 0.1), epochs=3, progress=False)
        models.append(model.weight.data)
    np.testing.assert_allclose(*models, rtol=1e-12)
    with pytest.raises(TypeError, match="neither an argument `weight` nor `reduction`"):
        fit(model, (X, T, weight), plain, "sgd", progress=False)


def test_batches_of_weight_zero_are_passed_over():
    weight = np.r_[np.ones(25), np.zeros(25)]
    a, b = (nn.Linear(3, 1, dtype=float, rng=0) for _ in "ab")
    for model, data in ((a, (X, T, weight)), (b, (X[:25], T[:25]))):
        fit(
            model,
            data,
            "mse",
            optim.SGD(model.parameters(), 0.1),
            epochs=2,
            batch_size=5,
            shuffle=False,
            progress=False,
        )
    assert same(a, b)


def test_single_precision_stays():
    seen = []
    model = nn.Linear(3, 1, rng=0)

    def loss(p, t):
        seen.append((p.dtype, t.dtype))
        return losses.mse(p, t)

    fit(model, (X, T), loss, "adam", epochs=1, progress=False)
    assert set(map(str, np.ravel(seen))) == {"float32"} and model.weight.dtype == np.float32


# --- seeds ------------------------------------------------------------------------------------------------------------


def test_same_seed_same_bits():
    a, first = train(seed=3)
    b, second = train(seed=3)
    assert same(a, b) and rows(first) == rows(second) and first.seed == 3


def test_another_seed_another_order_and_another_dropout():
    assert not same(train(seed=3)[0], train(seed=4)[0])
    assert not same(train(seed=3, shuffle=False)[0], train(seed=4, shuffle=False)[0])  # dropout alone
    drop = nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=0)
    for model, seed in zip(drop, (3, 4), strict=True):  # order alone
        train(model=model, seed=seed)
    assert not same(*drop)


def test_streams_are_separate():
    """Dropout does not change the order of the rows."""
    orders = []
    for model in (Rich(), nn.Linear(3, 2, rng=0)):
        seen = []

        class Look(Callback):
            def step(self, state, seen=seen):
                seen.append(state.current.x)

        train(model=model, callbacks=Look(), epochs=2)
        orders.append(np.concatenate(seen))
    assert np.array_equal(*orders)


def test_seed_none_tells_which():
    a, history = train(seed=None)
    assert same(a, train(seed=history.seed)[0])


def test_the_model_s_own_generators_come_back():
    model = Rich()
    rng = model.drop.rng
    before = rng.bit_generator.state
    train(model=model)
    assert model.drop.rng is rng and rng.bit_generator.state == before


def test_the_environment_is_recorded():
    _, history = train(epochs=1)
    assert {"numpy", "python", "autograd_nn", "backend", "threads", "blas"} <= set(history.environment)
    assert history.environment["numpy"] == np.__version__


# --- modes ------------------------------------------------------------------------------------------------------------


def test_modes_are_restored_also_after_an_error():
    model = Rich().eval()
    model.drop.train()
    train(model=model)
    assert not model.training and not model.norm.training and model.drop.training

    def fail(state):
        assert state.model.norm.training
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        train(model=model, callbacks=fail)
    assert not model.norm.training and model.drop.training
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_validation_predicts_and_leaves_no_trace():
    a, _ = train(seed=1)
    b, history = train(seed=1, validation=(X[:20], Y[:20]), metrics="accuracy")
    assert same(a, b)
    found = evaluate(b, (X[:20], Y[:20]), "cross_entropy", "accuracy")
    assert history[-1]["validation_loss"] == pytest.approx(found["loss"], rel=1e-6)
    assert history[-1]["validation_accuracy"] == found["accuracy"]


# --- kinds of data ----------------------------------------------------------------------------------------------------


class Two(nn.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(1, 2, rng=0), nn.Linear(2, 2, rng=1)

    def forward(self, left, right):
        return self.a(left) + self.b(right)


def batches_of(*parts, size=16):
    return [tuple(p[i : i + size] for p in parts) for i in range(0, len(parts[0]), size)]


def test_all_forms_of_data_train_alike():
    plain = batches_of(X, Y)

    class Again:
        def __iter__(self):
            return iter(plain)

    forms = [
        (X, Y),
        [X, Y],
        (X.tolist(), Y.tolist()),
        Batches(X, Y, batch_size=16, shuffle=False),
        plain,
        lambda: iter(plain),
        Again(),
        GeneratorSource(lambda: iter(plain)),
    ]
    models = [train(data=data, shuffle=False)[0] for data in forms]
    assert all(same(models[0], m) for m in models[1:])


@pytest.mark.parametrize("weighted", [False, True])
def test_tuples_are_arguments_and_dicts_are_keyword_arguments(weighted):
    a, b = X[:, :1], X[:, 1:]
    more = (np.ones(50),) if weighted else ()
    forms = [
        ((a, b), Y, *more),
        ({"right": b, "left": a}, Y, *more),
        [((p, q), y, *w) for p, q, y, *w in batches_of(a, b, Y, *more)],
        [({"left": p, "right": q}, y, *w) for p, q, y, *w in batches_of(a, b, Y, *more)],
        lambda: iter([((p, q), y, *w) for p, q, y, *w in batches_of(a, b, Y, *more)]),
    ]
    models = [train(model=Two(), data=data, shuffle=False, validation=data, metrics="accuracy")[0] for data in forms]
    assert all(same(models[0], m) for m in models[1:])
    assert np.array_equal(predict(models[0], (a, b)), predict(models[0], {"left": a, "right": b}, batch_size=7))


def test_images_and_sequences():
    images = np.random.default_rng(0).normal(size=(12, 1, 6, 6))
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.Flatten(), nn.Linear(32, 2, rng=0))
    _, history = train(model=model, data=(images, np.arange(12) % 2), epochs=30)
    assert history["loss"][-1] < history["loss"][0] / 2


@pytest.mark.parametrize("kind", ["memmap", "generator"])
def test_data_larger_than_the_allowance_train_in_constant_memory(tmp_path, kind):
    """64 MB of data; what Python and NumPy allocate stays below 4 MB."""
    n, features = 40_000, 200
    model = nn.Linear(features, 1, rng=0)
    if kind == "memmap":
        x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", float, (n, features))
        for i in range(0, n, 1000):
            x[i : i + 1000] = np.random.default_rng(i).normal(size=(1000, features))
        y = np.zeros((n, 1))
        x.flush()
        del x
        data = (np.load(tmp_path / "x.npy", mmap_mode="r"), y)
    else:

        def data():
            for i in range(0, n, 500):
                yield np.random.default_rng(i).normal(size=(500, features)), np.zeros((500, 1))

    options = {"epochs": 1, "batch_size": 500, "progress": False, "metrics": ["mae", "r2"], "validation": data}
    tracemalloc.start()
    try:
        fit(model, data, "mse", optim.SGD(model.parameters(), 0.01), **options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n * features * 8 == 64_000_000
    assert peak < 8e6  # a batch of 0.8 MB, its copies and its graph; the order of 40,000 rows


# --- how it ends ------------------------------------------------------------------------------------------------------


def interrupt_at(step):
    class Press(Callback):
        def step(self, state):
            if state.step == step:
                signal.raise_signal(signal.SIGINT)

    return Press()


def test_ctrl_c_returns_what_was_learnt():
    model, history = train(epochs=10, callbacks=interrupt_at(9), batch_size=16)  # 4 steps an epoch
    assert history.stopped.startswith("interrupted by the user in epoch 3, after 9 steps")
    assert len(history) == 2 and not same(model, Rich())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_step_under_way_is_finished():
    """Ctrl-C in the middle of a step: weights are those after nine steps, in every parameter."""
    wanted, _ = train(epochs=10, callbacks=[interrupt_at(9)])
    pressed = []

    class Slow(Rich):
        def forward(self, x):
            if pressed is not None and self.training:
                pressed.append(1)
                if len(pressed) == 9:
                    signal.raise_signal(signal.SIGINT)
            return super().forward(x)

    model, history = train(epochs=10, model=Slow())
    assert same(model, wanted) and "after 9 steps" in history.stopped


def test_two_ctrl_c_in_a_step_take_the_step_back():
    wanted, _ = train(epochs=10, callbacks=[interrupt_at(8)])
    calls = []

    def loss(p, t):
        calls.append(1)
        if len(calls) == 9:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return losses.cross_entropy(p, t)

    model, history = train(epochs=10, loss=loss)
    assert "after 8 steps" in history.stopped and same(model, wanted)


def test_keyboard_interrupt_from_the_data():
    def data():
        yield X[:5], Y[:5]
        raise KeyboardInterrupt

    _, history = train(data=data)
    assert history.stopped.startswith("interrupted")


def test_ctrl_c_while_validating():
    def validation():
        signal.raise_signal(signal.SIGINT)
        yield X, Y

    _, history = train(epochs=5, validation=validation)
    assert history.stopped.startswith("interrupted") and len(history) == 1 and "validation_loss" in history[0]


def test_a_callback_stops_before_an_epoch():
    class No(Callback):
        def epoch_begin(self, state):
            if state.epoch == 3:
                state.stop("no")

    _, history = train(epochs=9, callbacks=No())
    assert len(history) == 2 and history.stopped == "no"


def test_in_another_thread_signals_are_left_alone():
    found = []
    thread = threading.Thread(target=lambda: found.append(train(epochs=1)[1]))
    thread.start()
    thread.join()
    assert found[0].stopped == "finished: 1 epochs"


def test_a_callback_stops():
    _, history = train(epochs=10, callbacks=lambda state: state.stop("enough") if state.epoch == 3 else None)
    assert len(history) == 3 and history.stopped == "enough"


def test_no_epochs():
    model, history = train(epochs=0)
    assert len(history) == 0 and same(model, Rich()) and history.stopped == "finished: 0 epochs"


def test_a_diverging_run_keeps_the_last_good_weights():
    model = nn.Linear(3, 1, rng=0)
    history = fit(model, (X, T), "mse", optim.SGD(model.parameters(), 50.0), epochs=100, progress=False)
    assert history.stopped.startswith("not finite: the loss was")
    assert "learning rate below 50, such as 5" in history.stopped
    assert np.isfinite(model.weight.data).all()
    assert np.isfinite(evaluate(model, (X[:32], T[:32]), "mse")["loss"])


def test_nan_in_the_last_step_is_taken_back():
    """A gradient that is NaN while the loss is finite: the root's at 0."""
    w = nn.Linear(1, 1, bias=False, dtype=float, init="zeros")

    def loss(p, t):
        return ((p * p).sum()) ** 0.5  # 0 · ∞

    history = fit(w, ([[1.0]], [[0.0]]), loss, optim.SGD(w.parameters(), 0.1), epochs=1, progress=False)
    assert "weights were not finite" in history.stopped and w.weight.item() == 0.0


def test_a_nan_from_the_first_step_on_keeps_the_first_weights():
    model = Rich()
    _, history = train(model=model, loss=lambda p, t: losses.cross_entropy(p, t) * np.float32(np.nan))
    assert history.stopped.startswith("not finite: the loss was nan in epoch 1, batch 1") and same(model, Rich())
    assert "No step was taken" in history.stopped


def test_batch_statistics_are_taken_back_too():
    calls = []

    def loss(p, t):
        calls.append(1)
        return losses.cross_entropy(p, t) * (np.float32(np.nan) if len(calls) == 6 else np.float32(1))

    model, _ = train(loss=loss)
    wanted, _ = train(callbacks=interrupt_at(4))
    assert same(model, wanted)  # step 6 failed, so those of step 5, before its update, are the last good ones


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Momentum(p, 0.05),
        lambda p: optim.Adam(p, 0.05),
        lambda p: optim.AdamW(p, optim.CosineDecay(0.05, 40)),
        lambda p: optim.RMSprop(p, optim.Plateau(0.05, patience=1)),
    ],
)
def test_ten_epochs_are_five_and_five(tmp_path, make):
    def go(epochs, **more):
        model = Rich()
        stop = EarlyStopping("validation_loss", patience=100)
        history = fit(
            model, (X, Y), "cross_entropy", make(model.parameters()), epochs=epochs, batch_size=16, progress=False,
            validation=(X[:20], Y[:20]), metrics=["accuracy", lambda p, t: float(p.mean())], callbacks=stop, **more,
        )  # fmt: skip
        return model, history

    whole, history = go(10)
    go(5, checkpoint=tmp_path / "run")
    model, resumed = go(10, resume=tmp_path / "run")
    assert same(model, whole) and rows(resumed) == rows(history)
    assert resumed.stopped == history.stopped


def mean_logit(p, t):
    return float(p.mean())


@pytest.mark.parametrize("steps", range(1, 12))
@pytest.mark.parametrize("source", ["arrays", "generator"])
def test_a_run_goes_on_in_the_middle_of_an_epoch(tmp_path, steps, source):
    """A checkpoint after any step, the last one of an epoch (4, 8) included, gives the whole run bit for bit."""

    def batches(rng):
        for i in rng.permutation(4):
            yield X[i * 12 : (i + 1) * 12], Y[i * 12 : (i + 1) * 12]

    def go(**more):
        data = (X, Y) if source == "arrays" else GeneratorSource(batches, rng=7)
        return train(epochs=3, data=data, metrics=["accuracy", mean_logit], validation=(X, Y), **more)

    whole, history = go()
    go(callbacks=interrupt_at(steps), checkpoint=Checkpoint(tmp_path / "run", steps=steps, epochs=None))
    assert load_checkpoint(tmp_path / "run")["run"]["step"] == steps
    model, resumed = go(resume=tmp_path / "run", seed=99)  # the seed of the checkpoint counts
    assert same(model, whole) and rows(resumed) == rows(history) and resumed.seed == 0


def test_ctrl_c_writes_the_checkpoint_once_more(tmp_path):
    whole, history = train(epochs=5)
    train(epochs=5, checkpoint=tmp_path / "run", callbacks=interrupt_at(10))
    assert load_checkpoint(tmp_path / "run")["run"]["step"] == 10
    model, resumed = train(epochs=5, resume=tmp_path / "run")
    assert same(model, whole) and rows(resumed) == rows(history)


def test_resume_true_goes_on_if_there_is_something(tmp_path):
    whole, _ = train(epochs=4)
    for epochs in (2, 4):
        model, history = train(epochs=epochs, checkpoint=tmp_path / "run", resume=True)
    assert same(model, whole) and len(history) == 4
    with pytest.raises(ValueError, match="resume=True wanted checkpoint"):
        train(resume=True)
    with pytest.raises(FileNotFoundError):
        train(resume=tmp_path / "other")


def test_a_finished_run_has_nothing_left(tmp_path):
    whole, history = train(epochs=3, checkpoint=tmp_path / "run")
    model, again = train(epochs=3, resume=tmp_path / "run")
    assert same(model, whole) and rows(again) == rows(history)


def test_a_run_stopped_early_stays_stopped(tmp_path):
    def go(epochs, **more):
        return train(epochs=epochs, callbacks=EarlyStopping("loss", patience=0, minimum_change=10.0), **more)

    whole, history = go(9)
    assert len(history) == 2
    go(9, checkpoint=tmp_path / "run")
    model, resumed = go(9, resume=tmp_path / "run")
    assert len(resumed) == 2 and same(model, whole) and resumed.stopped == history.stopped


def test_a_checkpoint_that_does_not_fit_lists_what_differs_and_changes_nothing(tmp_path):
    train(checkpoint=tmp_path / "run", metrics="accuracy")
    model = Rich(hidden=9)
    before = model.state_dict()
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    with pytest.raises(ValueError, match="does not fit this run") as error:
        fit(model, (X[:40], Y[:40]), "nll_loss", optimizer, batch_size=8, resume=tmp_path / "run", progress=False)
    text = str(error.value)
    for part in (
        "settings: loss wanted 'nll_loss', got 'cross_entropy'",
        "settings: metrics",
        "data: x: shape wanted '(40, 3)', got '(50, 3)'",
        "model: a.weight wanted (3, 9) float32, got (3, 8) float32",
        "data: the state is that of Batches with rows=50, batch_size=16",
        "optimizer: load_state_dict",
    ):
        assert part in text
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items()) and optimizer.steps == 0


def test_one_mismatch_leaves_the_other_parts_alone(tmp_path):
    train(checkpoint=tmp_path / "run")
    model = Rich(hidden=9)
    optimizer = optim.SGD(nn.Linear(3, 2, rng=0).parameters(), 0.1)
    source = Batches(X, Y, batch_size=8)
    state = source.state_dict()
    optimizer = optim.Adam(model.parameters(), 0.1)
    with pytest.raises(ValueError, match="does not fit"):
        fit(model, source, "cross_entropy", optimizer, resume=tmp_path / "run", progress=False)
    assert source.state_dict() == state and optimizer.steps == 0


@pytest.mark.parametrize(
    "entry", "run settings model optimizer generators data tally callbacks history seed environment".split()
)
@pytest.mark.parametrize("forged", [None, 3, [], {}, [1, 2], {"a": [None]}, "missing"])
def test_forged_checkpoints_change_nothing(tmp_path, entry, forged):
    train(checkpoint=Checkpoint(tmp_path / "run", steps=3, epochs=None), epochs=1)
    saved = load_checkpoint(tmp_path / "run")
    harmless = entry in ("seed", "environment") or (entry in ("callbacks", "history", "tally") and not forged)
    if forged == "missing":
        del saved[entry]
        harmless = False
    else:
        saved[entry] = forged
    save_checkpoint(tmp_path / "run", saved)
    model = Rich()
    optimizer = optim.Adam(model.parameters(), 0.05)
    before = model.state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # another environment
        try:
            fit(
                model,
                (X, Y),
                "cross_entropy",
                optimizer,
                epochs=0,
                batch_size=16,
                resume=tmp_path / "run",
                progress=False,
            )
        except ValueError:
            assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items()) and optimizer.steps == 0
        else:
            assert harmless


def test_other_content_of_the_data_is_noticed(tmp_path):
    train(checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="y: checksum"):
        train(data=(X, 1 - Y), resume=tmp_path / "run")


def test_other_conditions_are_a_warning(tmp_path, monkeypatch):
    train(epochs=1, checkpoint=tmp_path / "run")
    monkeypatch.setattr(np, "__version__", "9.9.9")
    with pytest.warns(TrainingWarning, match="numpy wanted"):
        train(epochs=2, resume=tmp_path / "run")


KILLED = """
import sys, numpy as np
sys.path.insert(0, {root!r})
from tests_fit_model import run
run({path!r}, forever=True)
"""

MODEL = """
import numpy as np
from autograd_nn import nn, optim
from autograd_nn.training import Checkpoint, fit

def run(path, forever=False, epochs=4):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 20)); y = rng.integers(0, 2, 256)
    model = nn.Sequential(nn.Linear(20, 64, rng=1), np.tanh, nn.Dropout(0.2, rng=2), nn.Linear(64, 2, rng=3))
    return model, fit(model, (x, y), "cross_entropy", optim.Adam(model.parameters(), 0.01),
        epochs=10**6 if forever else epochs, batch_size=8, progress=False,
        checkpoint=Checkpoint(path, steps=1), resume=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    """SIGKILL at random moments of a run that writes after every step; the file is whole, and the run goes on."""
    (tmp_path / "tests_fit_model.py").write_text(MODEL)
    path = tmp_path / "run"
    code = KILLED.format(root=str(tmp_path), path=str(path))
    rng = np.random.default_rng(0)
    steps = 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            deadline = time.monotonic() + 60
            mark = path.stat().st_mtime_ns if path.exists() else 0
            while not path.exists() or path.stat().st_mtime_ns == mark:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.1))
        finally:
            process.kill()
            process.wait()
        found = load_checkpoint(path)["run"]["step"]
        assert found > steps  # it went on from where the last one was killed
        steps = found


# --- bad input --------------------------------------------------------------------------------------------------------


def test_wrong_number_of_features_says_where():
    with pytest.raises(ValueError, match="5") as error:
        train(model=nn.MLP([5, 2], rng=0))
    assert any("epoch 1, batch 1: x (16, 3), y (16,)" in note for note in error.value.__notes__)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"data": (np.where(X > 2, np.nan, X), Y)}, ValueError, "wanted finite numbers"),
        ({"data": (X, np.full(50, np.inf)), "loss": "mse"}, ValueError, "wanted finite numbers"),
        ({"data": (X[:0], Y[:0])}, ValueError, "at least one row"),
        ({"data": (X, Y[:40])}, ValueError, "same number of rows"),
        ({"data": (X,)}, TypeError, "wanted .x, y. or"),
        ({"data": X}, TypeError, "write .x, y."),
        ({"data": (Value(X), Y)}, TypeError, "got a Value"),
        ({"data": iter([(X, Y)])}, TypeError, "only once"),
        ({"data": lambda: iter([])}, ValueError, "no batches"),
        ({"data": []}, ValueError, "no batches"),
        ({"data": [(X[:0], Y[:0])]}, ValueError, "batch 1 has no rows"),
        ({"data": [(X, Y[:4])]}, ValueError, "same number of rows, got 50 and 4"),
        ({"data": [(X, Y, Y, Y)]}, TypeError, "tuple of 4"),
        ({"data": [X]}, TypeError, "batch 1 wanted to be"),
        ({"data": (X, Y, np.ones(3))}, ValueError, "same number of rows"),
        ({"data": (X, Y, -np.ones(50))}, ValueError, "not negative"),
        ({"data": (X, Y, np.zeros(50))}, ValueError, "not all 0"),
        ({"data": (X, Y, np.ones((50, 1)))}, ValueError, "for each row"),
        ({"data": (X, Y + 1)}, ValueError, "labels from 0 to 1"),
        ({"data": (X, Y.astype(float))}, TypeError, "integer labels"),
        ({"loss": "mean_squared"}, ValueError, "no loss 'mean_squared': wanted one of"),
        ({"loss": 3.0}, TypeError, "a loss is a name or a function"),
        ({"metrics": "acuracy"}, ValueError, "no metric 'acuracy': wanted one of accuracy"),
        ({"metrics": [3]}, TypeError, "a metric is a name"),
        ({"metrics": ["accuracy", "accuracy"]}, ValueError, "different names"),
        ({"metrics": "confusion_matrix"}, TypeError, "return a number"),
        ({"epochs": -1}, ValueError, "epochs wanted"),
        ({"epochs": 2.5}, ValueError, "epochs wanted"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"callbacks": [3]}, TypeError, "callbacks wanted functions"),
        ({"callbacks": [EarlyStopping]}, TypeError, "write EarlyStopping"),
        ({"callbacks": EarlyStopping("validation_loss")}, ValueError, "Pass validation="),
        ({"loss": lambda p, t: losses.cross_entropy(p, t, reduction="none")}, ValueError, r"got shape \(16,\)"),
        ({"loss": lambda p, t: float(losses.cross_entropy(p, t))}, TypeError, "cut out of the graph"),
        ({"loss": lambda p, t: losses.cross_entropy(p.data, t)}, TypeError, "cut out of the graph"),
        ({"loss": lambda p, t: losses.cross_entropy(p.detach(), t)}, ValueError, "does not depend on the parameters"),
        ({"loss": lambda p, t: Value(1.0) * 2}, ValueError, "no gradient on any"),
        ({"validation": (X, Y[:3])}, ValueError, "same number of rows"),
        ({"checkpoint": "/nowhere/at/all"}, FileNotFoundError, "make it first"),
    ],
)
def test_bad_input(change, kind, message):
    model = Rich()
    before = {k: v for k, v in model.state_dict().items() if "running" not in k}
    with pytest.raises(kind, match=message):
        train(model=model, epochs=change.pop("epochs", 1), **change)
    if "metrics" not in change and "callbacks" not in change:
        assert all(np.array_equal(v, model.state_dict()[k]) for k, v in before.items())


def test_nan_that_comes_late_is_found_in_its_batch():
    """Files and generators are not read beforehand: the batch is named, and no step is taken with it."""

    def data():
        yield X[:10], Y[:10]
        yield np.where(np.arange(10)[:, None] == 4, np.nan, X[:10]), Y[:10]

    model, wanted = Rich(), Rich()
    with pytest.raises(ValueError, match="got nan in row 4"):
        train(model=model, data=data)
    train(model=wanted, data=[(X[:10], Y[:10])], epochs=1)
    assert same(model, wanted)


@pytest.mark.parametrize("make", [lambda a, b: (a, b), lambda a, b: {"left": a, "right": b}])
def test_nan_is_found_in_tuples_and_dicts_too(make):
    def data():
        yield make(X[:, :1], X[:, 1:]), Y
        yield make(X[:, :1], np.full((50, 2), np.nan)), Y

    with pytest.raises(ValueError, match="finite"):
        train(model=Two(), data=data)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ((X[:, :1], X), r"x \(\(16, 1\), \(16, 3\)\)"),
        ({"left": X[:, :1], "right": X}, r"x left \(16, 1\), right \(16, 3\)"),
    ],
)
def test_errors_name_the_shapes_of_tuples_and_dicts(x, words):
    with pytest.raises(ValueError, match="3") as error:
        train(model=Two(), data=(x, Y))
    assert re.search(words, error.value.__notes__[0])


@pytest.mark.parametrize(
    ("model", "optimizer", "kind", "message"),
    [
        (Rich, "adma", ValueError, "no optimizer 'adma': wanted one of"),
        (Rich, optim.Adam, TypeError, r"Write Adam\(model.parameters\(\)"),
        (Rich, 0.1, TypeError, "wanted a name or an Optimizer"),
        (Rich, optim.SGD(Rich().parameters(), 0.1), ValueError, "holds no parameter of this Rich"),
        (lambda: Rich, "adam", TypeError, "You passed the class"),
        (lambda: np.tanh, "adam", TypeError, "wanted an nn.Module"),
        (lambda: nn.Flatten(), "adam", ValueError, "has no parameters"),
        (lambda: Rich().freeze(), "adam", ValueError, "does not depend on the parameters|frozen"),
    ],
)
def test_models_and_optimizers_that_do_not_fit(model, optimizer, kind, message):
    with pytest.raises(kind, match=message):
        fit(model(), (X, Y), "cross_entropy", optimizer, progress=False)


def test_a_negative_learning_rate_is_refused_where_it_is_set():
    with pytest.raises(ValueError, match="uphill"):
        optim.SGD(Rich().parameters(), -0.1)
    with pytest.raises(ValueError, match="uphill"):
        train(callbacks=Schedule(lambda epoch: 0.1 - epoch))


def test_frozen_and_foreign_parameters():
    """Parameters that the optimizer does not hold stay, and their gradients do not pile up."""
    model = Rich()
    model.a.freeze()
    a, b = model.a.weight.data.copy(), model.b.weight.data.copy()
    fit(model, (X, Y), "cross_entropy", optim.SGD(model.norm.parameters(), 0.1), epochs=2, progress=False)
    assert np.array_equal(a, model.a.weight.data) and np.array_equal(b, model.b.weight.data)
    first = np.abs(model.b.weight.grad).max()
    fit(model, (X, Y), "cross_entropy", optim.SGD(model.norm.parameters(), 0.0), epochs=50, progress=False)
    assert np.abs(model.b.weight.grad).max() < 10 * first


class Secret(nn.Module):
    """Weights where nobody looks for them."""

    def __init__(self, where):
        weight = Value(np.ones((3, 3), np.float32), name="secret")
        self.out = nn.Linear(3, 2, rng=0)
        if where == "private":
            self._weight = weight
        elif where == "set":
            self.weights = {weight}
        self.times = lambda x: x @ weight

    def forward(self, x):
        return self.out(self.times(x.astype(np.float32)))


@pytest.mark.parametrize("where", ["private", "set", "function"])
def test_weights_that_are_not_found_are_a_warning(where):
    model = Secret(where)
    with pytest.warns(TrainingWarning, match="'secret' of shape .* used in Secret .* so it is not trained") as caught:
        fit(model, (X, Y), "cross_entropy", epochs=3, progress=False)
    assert len(caught) == 1
    weight = model.times.__closure__[0].cell_contents
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer = optim.Adam([*model.parameters(), weight])  # found after all
        fit(model, (X, Y), "cross_entropy", optimizer, epochs=3, progress=False)
        weight.requires_grad_(False)  # a constant
        fit(model, (X, Y), "cross_entropy", epochs=3, progress=False)


def test_values_that_a_step_makes_for_itself_are_no_weights():
    def loss(z, y):
        return losses.cross_entropy(z * Value(np.float32(1.0)), y)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(loss=loss)


# --- data that can be separated ---------------------------------------------------------------------------------------


SEPARABLE = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (lambda: nn.LogisticRegression(1), "binary_cross_entropy"),
        (lambda: nn.Linear(1, 2, rng=0), "cross_entropy"),
        (lambda: nn.SoftmaxClassifier([1, 2], rng=0), "cross_entropy"),
    ],
)
def test_separable_data_without_penalty_are_a_warning(model, loss):
    m = model()
    with pytest.warns(TrainingWarning, match="separated by a plane.*without bound"):
        fit(m, SEPARABLE, loss, optim.Adam(m.parameters(), 0.1), epochs=300, progress=False)


def test_no_such_warning_with_decay_or_a_hidden_layer_or_overlap():
    overlap = SEPARABLE[0], np.array([0, 1, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model, data, decay in (
            (nn.LogisticRegression(1), SEPARABLE, 0.01),
            (nn.LogisticRegression(1), overlap, 0.0),
            (nn.MLP([1, 4, 1], rng=0), (SEPARABLE[0], SEPARABLE[1][:, None]), 0.0),
        ):
            o = optim.Adam(model.parameters(), 0.1, weight_decay=decay)
            fit(model, data, "binary_cross_entropy", o, epochs=100, progress=False)


def test_moons_are_learnt():
    x, y = moons(200, rng=0)
    _, history = train(model=nn.MLP([2, 16, 2], rng=0), data=(x, y), epochs=60, metrics="accuracy")
    assert history["accuracy"][-1] > 0.97 and math.isfinite(history["loss"][-1])

"""Callbacks: when they are called, and what each does."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from autograd_nn import nn, optim
from autograd_nn.training import (
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    Schedule,
    State,
    fit,
    load_checkpoint,
)
from autograd_nn.training.callback import Call

X = np.random.default_rng(0).normal(size=(20, 2))
T = X @ np.array([[1.0], [-2.0]])


def train(epochs=4, callbacks=(), rate=0.1, **options):
    model = nn.Linear(2, 1, dtype=float, rng=0)
    optimizer = optim.SGD(model.parameters(), rate)
    history = fit(
        model, (X, T), "mse", optimizer, epochs=epochs, batch_size=10, callbacks=callbacks, progress=False, **options
    )
    return model, optimizer, history


def scripted(numbers):
    """A metric that follows a script, whatever the predictions."""
    left = iter(numbers)

    def script(p, t):
        return next(left)

    return script


def test_the_order_of_calls():
    calls = []

    class Note(Callback):
        def begin(self, state):
            calls.append("begin")

        def epoch_begin(self, state):
            calls.append(f"epoch_begin {state.epoch}")

        def step(self, state):
            calls.append(f"step {state.step} batch {state.batch} rows {state.current.rows}")
            assert np.isfinite(state.loss)

        def epoch(self, state):
            calls.append(f"epoch {state.epoch} rows {len(state.history)}")
            assert state.row is state.history[-1]

        def end(self, state):
            calls.append(f"end {state.finished}")

    train(epochs=2, callbacks=[Note()])
    assert calls == [
        "begin", "epoch_begin 1", "step 1 batch 1 rows 10", "step 2 batch 2 rows 10", "epoch 1 rows 1",
        "epoch_begin 2", "step 3 batch 1 rows 10", "step 4 batch 2 rows 10", "epoch 2 rows 2", "end finished: 2 epochs",
    ]  # fmt: skip


def test_a_function_may_add_to_the_row():
    def add(state):
        state.row["norm"] = float(np.abs(state.model.weight.data).sum())

    _, _, history = train(callbacks=add)
    assert len(history["norm"]) == 4 and isinstance(Call(add), Callback)


def test_early_stopping_restores_the_best_weights():
    """Best in epoch 2 by the script; stops after two epochs without improvement, in epoch 5 as the third."""
    metric = scripted([3.0, 1.0, 2.0, 2.0, 1.0, 9.0])
    stop = EarlyStopping("script", patience=2)
    model, _, history = train(epochs=9, metrics=metric, callbacks=stop)
    assert len(history) == 5 and stop.best == 1.0 and stop.best_epoch == 2
    assert history.stopped == "early stopping: script was best in epoch 2, 1, and has not improved for 3 epochs"
    assert np.array_equal(model.weight.data, train(epochs=2)[0].weight.data)


def test_early_stopping_without_restoring():
    stop = EarlyStopping("script", patience=0, restore_best=False)
    model, _, history = train(epochs=9, metrics=scripted([1.0, 2.0]), callbacks=stop)
    assert len(history) == 2 and np.array_equal(model.weight.data, train(epochs=2)[0].weight.data)


def test_the_best_weights_also_after_the_last_epoch():
    model, _, _ = train(epochs=3, metrics=scripted([1.0, 2.0, 3.0]), callbacks=EarlyStopping("script"))
    assert np.array_equal(model.weight.data, train(epochs=1)[0].weight.data)


def test_larger_is_better_where_the_name_says_so_or_one_says_so():
    left = iter([0.1, 0.5, 0.4])

    def accuracy_score(p, t):
        return next(left)

    _, _, history = train(metrics=accuracy_score, callbacks=EarlyStopping("accuracy_score", patience=0))
    assert len(history) == 3
    stop = EarlyStopping("script", patience=0, mode="max")
    assert len(train(metrics=scripted([1.0, 2.0, 1.5]), callbacks=stop)[2]) == 3


def test_small_changes_and_nan_are_no_improvement():
    stop = EarlyStopping("script", patience=0, minimum_change=0.5)
    assert len(train(metrics=scripted([1.0, 0.6]), callbacks=stop)[2]) == 2
    assert len(train(metrics=scripted([1.0, float("nan")]), callbacks=EarlyStopping("script", patience=0))[2]) == 2
    stop = EarlyStopping("script", patience=0)
    assert len(train(metrics=scripted([float("nan"), 1.0, 2.0]), callbacks=stop)[2]) == 3 and stop.best_epoch == 2


def test_one_object_can_serve_several_runs():
    stop = EarlyStopping("script", patience=0)
    for _ in range(2):
        assert len(train(metrics=scripted([1.0, 2.0]), callbacks=stop)[2]) == 2


def test_validation_is_what_is_watched_where_there_is_some():
    stop = EarlyStopping(patience=0)
    train(callbacks=stop, validation=(X, -T))  # gets worse
    assert stop.best_epoch == 1 and stop.name == "validation_loss"


def test_schedule_by_epoch():
    _, _, history = train(callbacks=Schedule(optim.StepDecay(0.1, every=2, factor=0.5)))
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.1, 0.05, 0.05])
    _, _, history = train(callbacks=Schedule(lambda epoch: 0.1 / epoch))
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.1 / 3, 0.025])


@pytest.mark.parametrize("own", [True, False])
def test_a_plateau_shrinks_the_rate(own):
    """Script 3, 3, 3, 1: no improvement in epochs 2 and 3, so the rate falls after 3."""
    plateau = optim.Plateau(0.1, factor=0.5, patience=1)
    if own:  # as the optimizer's learning rate it looks at the loss by itself
        _, _, history = train(rate=optim.Plateau(0.0, patience=0), epochs=2)
        assert history["learning_rate"].tolist() == [0.0, 0.0]
        plateau = optim.Plateau(1e-9, factor=0.5, patience=0)
        _, optimizer, history = train(rate=plateau, epochs=4)  # the loss stands still
        assert optimizer.learning_rate is plateau and history["learning_rate"][-1] < 1e-9
    else:
        _, _, history = train(
            metrics=scripted([3.0, 3.0, 3.0, 1.0, 1.0]), callbacks=Schedule(plateau, "script"), epochs=5
        )
        np.testing.assert_allclose(history["learning_rate"][[0, 1, 3, 4]], [0.1, 0.1, 0.05, 0.05])


def test_a_plateau_of_the_wrong_direction():
    with pytest.raises(ValueError, match="wanted mode='max'"):
        train(metrics=[lambda_accuracy], callbacks=Schedule(optim.Plateau(0.1), "my_accuracy"))


def lambda_accuracy(p, t):
    return 0.5


lambda_accuracy.__name__ = "my_accuracy"


def test_the_log_grows_with_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    counts = []
    train(callbacks=[CSVLog(path), lambda state: counts.append(len(path.read_text().splitlines()))])
    assert counts == [2, 3, 4, 5]
    with open(path, newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == [1, 2, 3, 4]


def test_a_resumed_run_logs_no_row_twice(tmp_path):
    log = tmp_path / "log.csv"
    train(epochs=2, checkpoint=tmp_path / "run", callbacks=CSVLog(log))
    train(epochs=4, resume=tmp_path / "run", callbacks=CSVLog(log))
    with open(log, newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == [1, 2, 3, 4]


def test_the_log_takes_columns_that_come_later(tmp_path):
    def add(state):
        if state.epoch == 3:
            state.row["late"] = 1.0

    train(callbacks=[add, CSVLog(tmp_path / "log.csv")])
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["late"] for row in rows][:3] == ["", "", "1.0"]
    assert len(rows) == 4


def test_checkpoints_are_written_when_they_should(tmp_path):
    train(epochs=5, checkpoint=Checkpoint(tmp_path / "{epoch}-{step}", epochs=2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2-4", "4-8", "5-10"]  # the last one always


def test_checkpoints_of_the_best_epoch(tmp_path):
    save = Checkpoint(tmp_path / "best", best="script")
    train(epochs=4, metrics=scripted([3.0, 1.0, 2.0, 5.0]), checkpoint=save)
    saved = load_checkpoint(tmp_path / "best")
    assert saved["run"]["epoch"] == 2 and np.array_equal(saved["model"]["weight"], train(epochs=2)[0].weight.data)


def test_the_weights_of_a_checkpoint_are_those_of_the_epoch_not_the_restored_ones(tmp_path):
    stop = EarlyStopping("script", patience=5)
    train(epochs=3, metrics=scripted([1.0, 2.0, 3.0]), callbacks=stop, checkpoint=tmp_path / "run")
    assert np.array_equal(load_checkpoint(tmp_path / "run")["model"]["weight"], train(epochs=3)[0].weight.data)


def test_other_callbacks_are_done_before_a_checkpoint(tmp_path):
    seen = {}

    class Counts(Callback):
        count = 0

        def epoch(self, state):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            seen.update(state)

    train(epochs=2, callbacks=[Checkpoint(tmp_path / "run"), Counts()])
    train(epochs=3, callbacks=[Counts()], resume=tmp_path / "run")
    assert seen == {"count": 2}


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: EarlyStopping(patience=-1), ValueError, "0 or more"),
        (lambda: EarlyStopping(patience=1.5), ValueError, "whole number"),
        (lambda: EarlyStopping(mode="up"), ValueError, "mode='min' or mode='max'"),
        (lambda: EarlyStopping(minimum_change=-1), ValueError, "0 or more"),
        (lambda: Checkpoint("x", epochs=0), ValueError, "at least 1"),
        (lambda: Checkpoint("x", steps=True), ValueError, "at least 1"),
        (lambda: Schedule(0.1), TypeError, "belongs to the optimizer"),
        (lambda: train(callbacks=EarlyStopping("accuracy")), ValueError, "monitors 'accuracy', but an epoch has only"),
        (lambda: train(callbacks=CSVLog("/nowhere/at/all.csv")), FileNotFoundError, "nowhere"),
    ],
)
def test_bad_settings(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_a_state_outside_of_a_run_cannot_be_saved():
    model = nn.Linear(1, 1, rng=0)
    state = State(model, optim.SGD(model.parameters()), None, 1)
    with pytest.raises(ValueError, match="only a run of fit"):
        state.save("x")
    state.stop()
    state.stop("later")
    assert state.stopping == "a callback asked for it"

"""The thread trains as `fit` does, bit for bit, and rests, answers and ends at once."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from autograd_nn import nn, optim, topological_order
from autograd_nn.playground.frame import Frames
from autograd_nn.playground.problem import problem
from autograd_nn.playground.settings import Settings
from autograd_nn.playground.trainer import Trainer
from autograd_nn.training import fit


@pytest.fixture
def trainer():
    made = []

    def trainer(**settings):
        chosen = Settings(**settings)
        made.append(Trainer(chosen, problem(chosen)))
        return made[-1]

    yield trainer
    for t in made:
        t.close()
        assert not t.alive


def weights(trainer):
    return trainer.call(lambda: [p.data.copy() for p in trainer.model.parameters()])


def test_it_is_fit(trainer):
    t = trainer(batch_size=15, weight_decay=0.01)
    t.run(epochs=3)
    assert t.wait() == 21
    found = problem(t.settings)
    model = nn.MLP([2, 4, 2, 1], activation="tanh", rng=0)
    optimizer = optim.Adam(model.named_parameters(), 0.01, weight_decay=0.01)
    fit(model, found.train, found.loss, optimizer, epochs=3, batch_size=15, progress=False)
    for one, other in zip(weights(t), model.parameters(), strict=True):
        assert np.array_equal(one, other.data)


def test_looking_changes_nothing(trainer):
    watched, alone = trainer(), trainer()
    frames = Frames(watched)
    for _ in range(6):
        watched.run(steps=4)
        watched.wait()
        frames.frame()
        watched.call(lambda: watched.loss_of(6))
    alone.run(steps=24)
    assert watched.wait() == alone.wait() == 24
    for one, other in zip(weights(watched), weights(alone), strict=True):
        assert np.array_equal(one, other)


def test_steps_and_epochs(trainer):
    t = trainer(points=100, test=0.5, batch_size=20)
    assert t.epoch_steps == 3
    t.run(steps=1)
    assert t.wait() == 1
    t.run(epochs=1)  # to the end of the first epoch
    assert t.wait() == 3
    t.run(epochs=1)
    assert t.wait() == 6
    assert trainer(batch_size=None).epoch_steps == 1


def test_pause_is_at_once(trainer):
    t = trainer()
    t.run()
    time.sleep(0.2)
    began = time.perf_counter()
    t.pause()
    steps = t.wait()
    assert time.perf_counter() - began < 3
    assert steps > 3
    time.sleep(0.05)
    assert t.wait() == steps


def test_speed(trainer):
    t = trainer()
    t.set_speed(20)
    t.run()
    time.sleep(0.5)
    t.pause()
    assert 1 <= t.wait() <= 40  # a hundred times as many without a limit
    t.set_speed(0.1)  # a pause is not waited for
    t.run()
    began = time.perf_counter()
    t.pause()
    t.wait()
    assert time.perf_counter() - began < 3


def test_the_rate_changes_from_the_next_step_on(trainer):
    t = trainer()
    t.set_rate(0.5)
    assert t.rates == [(0, 0.5)]
    t.run(steps=2)
    t.wait()
    t.set_rate(0.1)
    t.set_rate(0.2)
    assert t.rates == [(0, 0.5), (2, 0.2)]
    assert t.call(lambda: t.optimizer.learning_rate) == 0.2


def test_numbers_that_are_not_finite_end_it_in_words(trainer):
    t = trainer(activation="relu", optimizer="sgd", learning_rate=1e12, data="sines", hidden=(8, 8))
    t.run()
    t.wait()
    assert t.message.startswith("not finite")
    assert "learning rate below" in t.message
    assert all(np.isfinite(w).all() for w in weights(t))
    steps = t.wait()
    t.run()  # there is no going on
    assert t.wait() == steps and not t.playing


def test_it_rests_if_nobody_looks(trainer):
    t = trainer()
    t.unwatched = 0.1
    t.run()
    time.sleep(0.6)
    assert not t.playing


def test_steps_that_were_counted_are_taken_though_nobody_looks(trainer):
    t = trainer()
    t.unwatched = -1.0  # as after a machine has slept
    t.run(steps=3)
    assert t.wait() == 3


def test_what_fails_is_raised_where_it_was_asked(trainer):
    t = trainer()
    with pytest.raises(ZeroDivisionError):
        t.call(lambda: 1 / 0)
    assert t.call(lambda: 2) == 2


def test_a_run_that_breaks_says_so(trainer):
    t = trainer()
    t.call(lambda: setattr(t.optimizer, "rule", None))
    t.run()
    t.wait()
    assert t.message.startswith("TypeError")
    assert t.call(lambda: 2) == 2


def test_closing(trainer):
    t = trainer()
    t.run()
    before = threading.active_count()
    t.close()
    assert not t.alive and threading.active_count() == before - 1
    with pytest.raises(RuntimeError, match="ended"):
        t.call(lambda: 1)
    t.run()  # is too late, and no harm
    t.close()


def test_a_job_that_waits_when_it_ends(trainer):
    t = trainer()
    begun, go, errors = threading.Event(), threading.Event(), []

    def hold():
        begun.set()
        go.wait(5)

    def late():
        try:
            t.call(lambda: None)
        except RuntimeError as error:
            errors.append(str(error))

    first = threading.Thread(target=lambda: t.call(hold))
    first.start()
    begun.wait(5)
    second = threading.Thread(target=late)
    second.start()
    while not t._jobs:
        time.sleep(0.01)
    closing = threading.Thread(target=t.close)
    closing.start()
    time.sleep(0.05)
    go.set()
    for thread in (first, second, closing):
        thread.join(5)
    assert errors == ["this run has ended."]


def test_the_loss_that_the_explorer_shows(trainer):
    t = trainer(data="blobs")
    Frames(t).frame()
    loss = t.call(lambda: t.loss_of(5))
    x, y = (part[:5] for part in t.problem.train)
    z = t.model(x).data.astype(float)
    wanted = -np.mean(np.log(np.exp(z)[np.arange(5), y] / np.exp(z).sum(axis=1)))
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    nodes = topological_order([loss])
    assert {"weight", "bias", "x", "loss"} <= {node.name for node in nodes}
    assert {f"mlp/layers.{i}" for i in range(3)} <= {node.scope for node in nodes}

"""What is said during training, with and without a terminal and tqdm."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from autograd_nn import nn, optim
from autograd_nn.training import fit

X, T = np.ones((4, 1)), np.ones((4, 1))


def train(epochs, data=(X, T), **options):
    model = nn.Linear(1, 1, rng=0)
    return fit(model, data, "mse", optim.SGD(model.parameters(), 0.1), epochs=epochs, batch_size=2, **options)


def test_silent(capsys):
    train(3, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (3, 3), (10, 10), (25, 9), (1000, 10)])
def test_at_most_a_line_for_each_tenth_and_always_a_last_one(capsys, epochs, lines):
    train(epochs, metrics="mae")
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == lines and not err
    last = out.splitlines()[-1]
    assert last.startswith(f"{epochs} epochs, {2 * epochs} steps in") and "loss" in last and "mae" in last
    assert last.endswith(f"(finished: {epochs} epochs)")


def test_no_epochs_and_interruptions_leave_a_line_too(capsys):
    train(0)
    assert "0 epochs" in capsys.readouterr().out

    def press(state):
        raise KeyboardInterrupt

    train(5, callbacks=press)
    assert "interrupted" in capsys.readouterr().out


class Bar:
    made: list = []

    def __init__(self, **options):
        self.options, self.count, self.text, self.closed = options, 0, "", False
        Bar.made.append(self)

    def update(self, n):
        self.count += n

    def set_postfix_str(self, text):
        self.text = text

    def close(self):
        self.closed = True


@pytest.fixture
def tqdm(monkeypatch):
    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    Bar.made = []
    return monkeypatch


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_where_somebody_looks(tqdm, capsys, terminal):
    tqdm.setattr(sys.stderr, "isatty", lambda: terminal)
    tqdm.delitem(sys.modules, "ipykernel", raising=False)
    train(3)
    assert len(Bar.made) == terminal
    out = capsys.readouterr().out
    assert len(out.splitlines()) == (1 if terminal else 3)
    if terminal:
        (bar,) = Bar.made
        assert bar.count == bar.options["total"] == 6 and bar.closed and "loss" in bar.text


def test_a_bar_of_epochs_where_steps_are_not_known(tqdm, capsys, tmp_path):
    tqdm.setattr(sys.stderr, "isatty", lambda: True)

    def batches():
        return iter([(X, T)])

    train(2, data=batches, checkpoint=tmp_path / "run")
    assert Bar.made[0].count == Bar.made[0].options["total"] == 2 and Bar.made[0].options["unit"] == "epoch"
    train(4, data=batches, resume=tmp_path / "run")
    assert Bar.made[1].count == 4
    capsys.readouterr()


def test_without_tqdm_there_are_lines(tqdm, capsys):
    tqdm.setitem(sys.modules, "tqdm.auto", None)
    tqdm.setattr(sys.stderr, "isatty", lambda: True)
    train(2)
    assert len(capsys.readouterr().out.splitlines()) == 2

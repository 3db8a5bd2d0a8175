"""Curves show the numbers that were recorded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn import Value, data, nn, optim, plot
from autograd_nn.plot.curve import running
from autograd_nn.training import Callback, History, fit

ROWS = [
    {"epoch": 1, "loss": 0.8, "accuracy": 0.5, "validation_loss": 0.9, "validation_accuracy": 0.4, "seconds": 1.0},
    {"epoch": 2, "loss": 0.4, "accuracy": 0.8, "validation_loss": 0.5, "validation_accuracy": 0.7, "seconds": 1.0},
    {"epoch": 3, "loss": 0.2, "accuracy": 0.9, "validation_loss": 0.6, "validation_accuracy": 0.9, "seconds": 1.0},
]


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_loss_is_drawn_with_validation_and_the_best_epoch(ax):
    plot.history(History(ROWS), ax=ax)
    training, validation, best = ax.lines
    assert training.get_xdata().tolist() == [1, 2, 3] and training.get_ydata().tolist() == [0.8, 0.4, 0.2]
    assert validation.get_ydata().tolist() == [0.9, 0.5, 0.6]
    assert training.get_linestyle() == "-" and validation.get_linestyle() == "--"
    assert (best.get_xdata(), best.get_ydata()) == (2.0, 0.5)
    assert texts(ax) == ["training", "validation", "best: 0.5 in epoch 2"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "linear")


def test_of_scores_the_largest_is_the_best(ax):
    plot.history(ROWS, keys="accuracy", ax=ax)
    assert texts(ax)[-1] == "best: 0.9 in epoch 3"
    assert ax.get_ylabel() == "accuracy"


def test_several_keys_have_colors_and_names_of_their_own(ax):
    plot.history(ROWS, keys=["loss", "accuracy", "validation_loss"], ax=ax)
    assert texts(ax) == [
        "loss, training", "loss, validation", "best: 0.5 in epoch 2",
        "accuracy, training", "accuracy, validation", "best: 0.9 in epoch 3",
    ]  # fmt: skip
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[3].get_color()


@pytest.mark.parametrize(
    ("losses", "log", "scale"),
    [
        ([1.0, 0.1], "auto", "linear"),
        ([1.0, 0.01], "auto", "log"),
        ([1.0, 0.0], "auto", "linear"),
        ([1.0, 0.01], False, "linear"),
        ([1.0, 0.9], True, "log"),
    ],
)
def test_logarithmic_where_it_shows_more(losses, log, scale, ax):
    assert plot.history(losses, log=log, ax=ax).get_yscale() == scale


@pytest.mark.parametrize(
    "given",
    [
        History(ROWS),
        ROWS,
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {name: np.array([row[name] for row in ROWS]) for name in ROWS[0]},
        [0.8, 0.4, 0.2],
        np.array([0.8, 0.4, 0.2]),
        [Value(0.8), Value(0.4), Value(0.2)],
    ],
    ids=["history", "rows", "lists", "arrays", "losses", "array", "Values"],
)
def test_what_a_history_can_be(given, ax):
    plot.history(given, ax=ax)
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3] and ax.lines[0].get_ydata().tolist() == [0.8, 0.4, 0.2]


def test_gaps_where_numbers_are_not_finite(ax):
    plot.history([1.0, math.nan, math.inf, 0.5], ax=ax)
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True, True, False]
    assert texts(ax)[-1] == "best: 0.5 in step 4"


def test_a_single_epoch_is_a_point(ax):
    plot.history([{"epoch": 1, "loss": 0.5}], ax=ax)
    assert ax.lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.history([]), ValueError, "no rows"),
        (lambda: plot.history(ROWS, keys="auc"), ValueError, "no column of numbers 'auc': there are loss, accuracy"),
        (lambda: plot.history(ROWS, keys=[]), ValueError, "at least one of loss"),
        (lambda: plot.history([{"epoch": 1, "name": "a"}]), ValueError, "no column of numbers to draw"),
        (lambda: plot.history([math.nan]), ValueError, "no finite number"),
        (lambda: plot.history([1.0, -1.0], log=True), ValueError, "the smallest one is -1: write log=False"),
        (lambda: plot.history([1.0], log="yes"), ValueError, "log wanted True, False"),
        (lambda: plot.history(3), TypeError, "got int"),
        (lambda: plot.history("loss"), TypeError, "got str"),
        (lambda: plot.history([{"loss": 1.0}, 2.0]), TypeError, "a mixture"),
        (lambda: plot.history({"a": [1], "b": [1, 2]}), ValueError, "columns of one length"),
    ],
)
def test_errors_say_what_was_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()


# gradients


def test_ratios_of_a_model_are_those_of_norms(ax):
    model = nn.MLP([2, 3, 1], rng=0, dtype=float)
    (model(np.ones((4, 2))) ** 2).sum().backward()
    plot.gradients(model, ax=ax, healthy=(1e-9, 1e9))
    drawn = ax.lines[0].get_xdata()
    wanted = [np.linalg.norm(layer.weight.grad) / np.linalg.norm(layer.weight.data) for layer in model.layers]
    np.testing.assert_allclose(drawn, wanted, rtol=1e-12)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["layers.0.weight", "layers.1.weight"]
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "‖gradient‖ / ‖weight‖"
    assert texts(ax) == ["healthy (rule of thumb)", "within"]


def test_zero_gradients_and_those_outside_are_said(ax):
    model = nn.MLP([2, 3, 1], rng=0, dtype=float)
    model.layers[0].weight.data = -np.ones((2, 3))
    model(np.ones((4, 2))).sum().backward()  # relu passes nothing on
    plot.gradients(model, ax=ax)
    assert "gradient is 0" in [t.get_text() for t in ax.texts]


def test_scalar_networks_have_ratios_too(ax):
    model = nn.MLP([2, 3, 1], rng=0, dtype=float)
    twin = model.zoom()
    (twin([1.0, 2.0]) ** 2).backward()
    (model(np.array([[1.0, 2.0]])) ** 2).sum().backward()
    plot.gradients(twin, ax=ax, healthy=(1e-9, 1e9))
    wanted = [np.linalg.norm(layer.weight.grad) / np.linalg.norm(layer.weight.data) for layer in model.layers]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), wanted, rtol=1e-9)


def test_ratios_are_recorded_during_training(ax):
    x, y = data.moons(64, rng=0)
    recorder, every = plot.GradientRatios(), plot.GradientRatios(every=3)
    model = nn.SoftmaxClassifier([2, 4, 2], rng=0)
    seen = []

    class Watch(Callback):
        def step(self, state):
            w = state.model.layers[0].weight
            seen.append(float(np.linalg.norm(np.asarray(w.grad, float)) / np.linalg.norm(w.data.astype(float))))

    run = fit(model, (x, y), "cross_entropy", optim.SGD(model.parameters(), 0.1), epochs=4, progress=False,
              callbacks=[recorder, every, Watch()])  # fmt: skip
    assert [row["step"] for row in recorder.rows] == list(range(1, 9))
    assert [row["step"] for row in every.rows] == [1, 3, 6]
    assert [row["layers.0.weight"] for row in recorder.rows] == pytest.approx(seen, rel=1e-6)
    plot.gradients(recorder, ax=ax)
    assert ax.lines[0].get_ydata().tolist() == [row["layers.0.weight"] for row in recorder.rows]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert texts(ax) == ["layers.0.weight", "layers.1.weight", "healthy (rule of thumb)"]
    assert ax.get_yscale() == "log"
    assert plot.gradients(run) is not None  # the history knows the last recorder


def test_the_history_holds_what_its_recorder_recorded(ax):
    x, y = data.moons(32, rng=0)
    recorder = plot.GradientRatios()
    run = fit(
        nn.SoftmaxClassifier([2, 2], rng=0), (x, y), "cross_entropy", epochs=2, callbacks=recorder, progress=False
    )
    assert run.gradients is recorder.rows and len(run.gradients) == 2
    plot.gradients(run, ax=ax)
    assert ax.lines[0].get_ydata().tolist() == [row["layers.0.weight"] for row in recorder.rows]


def test_recording_goes_on_after_a_checkpoint(tmp_path):
    x, y = data.moons(32, rng=0)

    def run(epochs, **options):
        recorder = plot.GradientRatios()
        model = nn.SoftmaxClassifier([2, 4, 2], rng=0)
        fit(model, (x, y), "cross_entropy", epochs=epochs, callbacks=recorder, progress=False, **options)
        return recorder.rows

    whole, path = run(4), tmp_path / "run.npz"
    run(2, checkpoint=path)
    assert run(4, checkpoint=path, resume=True) == whole


def test_running_means_are_geometric():
    y = np.array([1.0, 100.0, np.nan, 10.0, 10.0])
    np.testing.assert_allclose(running(y, 1), [10.0, 10.0, 1000**0.5, 10.0, 10.0])
    assert running(y, 0)[[0, 1]].tolist() == pytest.approx([1.0, 100.0]) and np.isnan(running(y, 0)[2])


def test_many_steps_are_drawn_with_running_means(ax):
    rows = [{"step": i + 1, "w": 10.0 ** (-1 - i % 2)} for i in range(200)]
    plot.gradients(rows, ax=ax)
    raw, mean = ax.lines
    assert raw.get_ydata().tolist() == [row["w"] for row in rows]
    assert 10**-1.7 < mean.get_ydata().min() < mean.get_ydata().max() < 10**-1.3
    assert ax.get_legend().get_title().get_text() == "running means"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.gradients(nn.MLP([2, 3, 1])), r"MLP has no gradients: call loss.backward\(\)"),
        (lambda: plot.gradients(History(ROWS)), r"Record them: r = plot.GradientRatios\(\)"),
        (lambda: plot.gradients(ROWS), "a history of losses has none"),
        (lambda: plot.gradients(plot.GradientRatios()), "no rows"),
        (lambda: plot.gradients([{"step": 1, "w": 0.1}], healthy=(1, 0)), "healthy wanted"),
        (lambda: plot.GradientRatios(0), "every= as a whole number"),
    ],
)
def test_gradient_errors_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()

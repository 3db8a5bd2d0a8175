"""What the page draws is what the network answers."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

from autograd_nn.playground.frame import FINE, Frames, grid, plain, setup
from autograd_nn.playground.problem import problem
from autograd_nn.playground.settings import Settings
from autograd_nn.playground.trainer import Trainer
from autograd_nn.training import evaluate, predict


@pytest.fixture
def frames():
    made = []

    def frames(steps=7, **settings):
        chosen = Settings(**settings)
        trainer = Trainer(chosen, problem(chosen))
        made.append(trainer)
        if steps:
            trainer.run(steps=steps)
            trainer.wait()
        return Frames(trainer)

    yield frames
    for trainer in made:
        trainer.close()


def levels(text):
    return np.frombuffer(base64.b64decode(text), np.uint8).astype(float)


def test_losses_weights_and_gradients(frames):
    f = frames()
    found, t = f.frame(), f.trainer
    for part, loss, exact in zip((t.problem.train, t.problem.test), found["losses"], found["exact"], strict=True):
        wanted = evaluate(t.model, part, t.problem.loss)["loss"]
        assert float(exact) == wanted and loss == pytest.approx(wanted, rel=1e-5)
    assert found["step"] == 7 and found["epoch"] == 0 and found["epoch_steps"] == 10
    for layer, shown in zip(t.model.layers, found["layers"], strict=True):
        assert np.allclose(shown["weight"], layer.weight.data, rtol=1e-5)
        assert np.allclose(shown["weight_gradient"], layer.weight.grad.data, rtol=1e-5)
        assert np.allclose(shown["bias_gradient"], layer.bias.grad.data, rtol=1e-5)
    right = (predict(t.model, t.problem.test[0])[:, 0] > 0) == t.problem.y[1]
    assert found["scores"][1] == pytest.approx(right.mean())


def test_there_is_no_gradient_before_the_first_step(frames):
    found = frames(steps=0).frame()
    assert found["layers"][0]["weight_gradient"] is None
    assert found["doctor"]["trial"] is not None


def test_the_boundary(frames):
    f = frames(steps=60, learning_rate=0.1)
    problem = f.problem
    (picture,) = f.frame()["output"]["maps"]
    z = predict(f.trainer.model, f.inputs)[:, 0].astype(float)
    assert np.abs(levels(picture) - 255 / (1 + np.exp(-z))).max() <= 0.51
    place = grid(problem, FINE)
    assert place[0, 1] > place[-1, 1] and place[0, 0] < place[FINE - 1, 0]  # the upper left corner comes first


def test_classes_share_one(frames):
    maps = frames(data="spirals3").frame()["output"]["maps"]
    assert len(maps) == 3 and np.abs(sum(map(levels, maps)) - 255).max() <= 1.5
    hard = frames(data="spirals3", loss="hinge").frame()["output"]["maps"]
    assert set(np.concatenate([levels(m) for m in hard])) <= {0.0, 255.0}


def test_neurons(frames):
    f = frames()
    shown = f.frame()["neurons"]
    assert [len(layer) for layer in shown] == [4, 2]
    first = f.trainer.model.layers[0]
    raw = np.tanh(f.inputs @ first.weight.data.astype(float) + first.bias.data)[:, 0]
    coarse = raw.reshape(FINE, FINE)[::2, ::2].ravel()
    assert np.abs((levels(shown[0][0]["map"]) - 128) / 127 * np.abs(coarse).max() - coarse).max() < 0.01
    assert shown[0][0]["high"] == pytest.approx(coarse.max(), rel=1e-4)


def test_a_curve(frames):
    f = frames(data="sines", steps=30)
    found = f.frame()
    x = f.inputs
    low, high = setup(f.trainer.settings, f.problem)["range"]
    wanted = (predict(f.trainer.model, x)[:, 0] - low) / (high - low)
    assert np.allclose(found["output"]["curve"], wanted, atol=1e-4)
    assert found["metric"] == "r2" and len(levels(found["neurons"][0][0]["map"])) == 128


def test_the_losses_of_the_way(frames):
    f = frames(steps=0)
    f.frame()
    for _ in range(3):
        f.trainer.run(steps=1)
        f.trainer.wait()
        found = f.frame(generation=0, have=1)
    assert [row[0] for row in f.losses] == [0, 1, 2, 3]
    assert found["curve"] == {"generation": 0, "start": 1, "points": f.losses[1:]}
    for step in range(4, 900):
        f._remember(step, [1.0, 1.0])
    assert f.generation >= 1 and len(f.losses) <= 600
    assert f.losses[0][0] == 0 and f.losses[-1][0] == 899
    assert f.frame(generation=0, have=4)["curve"]["start"] == 0  # all of it anew


def test_the_doctor_finds_what_tutorials_suffer_from(frames):
    sick = frames(steps=0, hidden=(8,) * 6, activation="relu", init="standard_normal", seed=3)
    assert "exploding signal" in [f["problem"] for f in sick.frame()["doctor"]["findings"]]
    still = frames(steps=0, learning_rate=0.0).frame()["doctor"]["findings"]
    assert [f["evidence"] for f in still] == ["the learning rate is 0"]
    far = frames(steps=0, learning_rate=1e9, optimizer="sgd").frame()["doctor"]["findings"]
    assert "learning rate too large" in [f["problem"] for f in far]


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 1e12, "activation": "relu", "optimizer": "sgd", "data": "sines", "hidden": (8, 8)},
        {"learning_rate": 1e12, "optimizer": "sgd", "loss": "mse", "activation": "identity"},
        {"init": "zeros", "activation": "relu"},
        {"hidden": ()},
        {"data": "xor", "noise": 0.0, "points": 20, "loss": "mse", "batch_size": None},
    ],
)
def test_frames_are_strict_json_whatever_happens(frames, settings):
    f = frames(steps=15, **settings)
    text = json.dumps([f.frame(), setup(f.trainer.settings, f.problem)], allow_nan=False)
    assert len(text) < 200_000


def test_setup_places_points_in_the_picture():
    found = setup(Settings(), problem(Settings()))
    points = np.array(found["points"]["train"] + found["points"]["test"])
    assert points[:, :2].min() > 0 and points[:, :2].max() < 1
    assert found["domain"][0][0] < -1 and found["domain"][1][0] > 2  # of the moons, in their unit
    assert [i["label"] for i in found["inputs"]][:3] == ["x₁", "x₂", "x₁²"]


def test_numbers_of_the_page():
    assert plain(math.nan) is None and plain(-math.inf) is None
    assert plain(1 / 3) == 0.333333

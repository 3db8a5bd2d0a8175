"""The gradient-flow doctor: sick networks, healthy ones, and that looking changes nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from autograd_nn import nn, optim
from autograd_nn.data import moons
from autograd_nn.training import Doctor, TrainingWarning, diagnose, evaluate, fit

DEEP = [2, 16, 16, 16, 16, 16, 2]
X, Y = moons(200, noise=0.1, rng=0)


def momentum(model, rate=0.1):
    return optim.Momentum(model.parameters(), rate)


@pytest.mark.parametrize("seed", range(5))
def test_standard_normal_weights_are_diagnosed_and_the_cure_works(seed):
    """Five hidden layers on two moons: named, cured, and then test accuracy is at least 0.99."""
    rng = np.random.default_rng(seed)
    train, test = moons(200, noise=0.1, rng=rng), moons(4000, noise=0.1, rng=rng)
    model = nn.MLP(DEEP, init="standard_normal", rng=seed)
    found = diagnose(model, train, "cross_entropy")
    assert found.problems == ["exploding signal"]
    (finding,) = found.findings
    assert finding.layer in dict(model.named_modules()) and 'init="he_normal"' in finding.cure
    cured = nn.MLP(DEEP, init="he_normal", rng=seed)
    assert diagnose(cured, train, "cross_entropy", momentum(cured)).healthy
    fit(cured, train, "cross_entropy", momentum(cured), epochs=500, batch_size=None, progress=False, seed=seed)
    assert evaluate(cured, test, metrics="accuracy")["accuracy"] >= 0.99


def test_standard_normal_weights_at_that_rate_give_nan_and_the_callback_says_why():
    model = nn.MLP(DEEP, init="standard_normal", rng=0)
    with pytest.warns(TrainingWarning, match='exploding signal at layers.*init="he_normal"') as caught:
        history = fit(
            model,
            (X, Y),
            "cross_entropy",
            momentum(model),
            epochs=500,
            batch_size=None,
            callbacks=Doctor(),
            progress=False,
        )
    assert history.stopped.startswith("not finite") and len(caught) == 1  # once


def dead(seed=0):
    model = nn.MLP([2, 16, 16, 2], rng=seed)
    model.layers[1].bias.data = np.full(16, -100.0)
    return model


def saturated():
    return nn.MLP(
        [2, 32, 32, 2], activation="tanh", init=lambda s, rng, dtype: (9 * rng.normal(size=s)).astype(dtype), rng=0
    )


def recurrent_weights(factor):
    """Linear layers that multiply signals and gradients by a factor."""
    return lambda shape, rng, dtype: (factor * np.eye(*shape)).astype(dtype)


@pytest.mark.parametrize(
    ("make", "problem", "layer", "cure"),
    [
        (dead, "dead relu", "layers.1", "smaller learning rate"),
        (saturated, "saturation", "layers.0", "glorot_normal"),
        (lambda: nn.MLP(DEEP, activation="sigmoid", rng=0), "vanishing gradient", "layers.0", "relu"),
        (
            lambda: nn.MLP([2] + [8] * 6 + [2], activation="identity", init=recurrent_weights(0.2), rng=0),
            "vanishing gradient", "layers.0", "relu",
        ),
        (
            lambda: nn.MLP([2, 2, 2, 2], activation="identity", init=recurrent_weights(20.0)),
            "exploding signal", "layers", "he_normal",
        ),
    ],
)  # fmt: skip
def test_sick_networks(make, problem, layer, cure):
    found = diagnose(make(), (X, Y), "cross_entropy")
    finding = next(f for f in found.findings if f.problem == problem)
    assert finding.layer.startswith(layer) and cure in finding.cure and str(finding) in repr(found)


class Backwards(nn.Module):
    """Signals keep their size, gradients grow: normalization before each weight, and weights of 20."""

    def __init__(self):
        self.layers = [nn.Linear(4, 4, init=recurrent_weights(20.0), dtype=float) for _ in range(4)]

    def forward(self, x):
        x = np.concatenate([x, -x], axis=1)
        for layer in self.layers:
            z = layer(x)
            x = z * 0.05 if layer is self.layers[-1] else z - z.detach() * 0.95  # 0.05 of it, with the whole gradient
        return x[:, :2]


def test_an_exploding_gradient_without_an_exploding_signal():
    found = diagnose(Backwards(), (X, Y), "cross_entropy")
    assert "exploding gradient" in found.problems and "clip_norm" in repr(found)


class Apart(nn.Module):
    """One part is cut off, another one is not used."""

    def __init__(self):
        self.cut, self.used, self.idle = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1), nn.Linear(2, 2, rng=2)

    def forward(self, x):
        return self.used(self.cut(x).detach())


def test_parameters_that_the_loss_does_not_reach():
    model = Apart()
    found = diagnose(model, (X, Y), "cross_entropy")
    (finding,) = (f for f in found.findings if f.problem == "no gradient")
    assert finding.layer == "cut" and "cut.weight, cut.bias, idle.weight and 1 more" in finding.evidence
    assert "detach()" in finding.cure and "freeze()" in finding.cure
    model.cut.freeze()  # meant so
    model.idle.freeze()
    assert "no gradient" not in diagnose(model, (X, Y), "cross_entropy").problems
    train = Apart()
    with pytest.warns(TrainingWarning, match="no gradient at cut"):
        fit(train, (X, Y), "cross_entropy", momentum(train), callbacks=Doctor(), progress=False)


@pytest.mark.parametrize("rate", [100.0, 1e4])
def test_a_learning_rate_that_is_too_large(rate):
    model = nn.MLP([2, 16, 2], rng=0)
    found = diagnose(model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), rate))
    assert found.problems == ["learning rate too large"] and f"such as {rate / 10:g}" in found.findings[0].cure


def test_a_learning_rate_that_is_too_small():
    model = nn.MLP([2, 16, 2], rng=0)
    found = diagnose(model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), 1e-9))
    assert found.problems == ["not learning"] and "larger learning rate, such as 1e-08" in found.findings[0].cure


def test_numbers_that_are_not_finite():
    model = nn.MLP([2, 4, 2], rng=0)
    model.layers[1].weight.data = np.full((4, 2), np.inf)
    found = diagnose(model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), 0.1))
    assert found.problems == ["not finite"] and found.findings[0].layer == "layers.1"


def test_a_loss_that_is_not_finite():
    model = nn.MLP([2, 4, 1], rng=0)
    found = diagnose(model, (X, Y), lambda p, t: (p * np.float32(np.nan)).mean())
    assert found.problems == ["not finite"] and "loss is nan" in found.findings[0].evidence


def healthy_models():
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8))
    convolution = nn.Sequential(
        nn.Conv2d(1, 8, 3, rng=0), nn.activation("relu"), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 2, rng=0)
    )  # fmt: skip
    return {
        "perceptron": (nn.MLP([2, 2], rng=0), X),
        "shallow": (nn.MLP([2, 16, 2], rng=0), X),
        "deep tanh": (nn.MLP(DEEP, activation="tanh", rng=0), X),
        "wide": (nn.MLP([2, 256, 256, 256, 2], rng=0), X),
        "gelu": (nn.MLP([2, 32, 32, 32, 2], activation="gelu", rng=0), X),
        "normalized": (nn.Sequential(nn.Linear(2, 16, rng=0), nn.BatchNorm(16), np.tanh, nn.Linear(16, 2, rng=0)), X),
        "convolution": (convolution, images),
    }


@pytest.mark.parametrize("name", healthy_models())
def test_healthy_networks(name):
    model, x = healthy_models()[name]
    found = diagnose(model, (x, Y[: len(x)]), "cross_entropy", optim.Adam(model.parameters(), 0.01))
    assert found.healthy, found
    assert repr(found).endswith("healthy") and found.losses[-1] < found.losses[0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", [[64, 32, 10], [20, 64, 64, 64, 64, 64, 64, 64, 5], [100, 10, 3]])
def test_usual_networks_are_healthy_for_every_seed(sizes, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(128, sizes[0])), rng.integers(0, sizes[-1], 128)
    model = nn.MLP(sizes, rng=seed)
    assert diagnose(model, (x, y), "cross_entropy", optim.Adam(model.parameters(), 0.001)).healthy


def test_statistics_by_hand():
    model = nn.MLP([1, 2, 1], dtype=float, bias=False)
    model.layers[0].weight.data = np.array([[1.0, -1.0]])
    model.layers[1].weight.data = np.array([[2.0], [5.0]])
    found = diagnose(model, ([[1.0], [3.0]], [[0.0], [0.0]]), "mse")
    first, last = found.layers
    assert (
        first.signal == pytest.approx(np.sqrt((1 + 9 + 1 + 9) / 4)) and first.dead == 0.5 and first.activation == "relu"
    )
    assert last.signal == pytest.approx(np.sqrt((4 + 36) / 2)) and np.isnan(last.dead) and last.activation == ""
    assert last.gradient == pytest.approx(
        np.sqrt(((2 * 2) ** 2 + (2 * 6) ** 2) / 2)
    )  # d/dp mean p² = 2p/n, times n rows
    # d loss / d second weights = (Σ 2 p h) / n = (2·2·1 + 2·6·3)/2 = 20, and 0 for the dead unit
    assert last.update == pytest.approx(20 / np.sqrt(29)) and first.update == pytest.approx(40 / np.sqrt(2))
    assert found.losses == [pytest.approx(20.0)]


def test_looking_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.BatchNorm(8), nn.Dropout(0.5, rng=0), nn.Linear(8, 2, rng=0))
    optimizer = optim.Adam(model.parameters(), 0.1)
    fit(model, (X, Y), "cross_entropy", optimizer, epochs=1, progress=False)
    model.eval()

    def everything():
        return repr((model.state_dict(), optimizer.state_dict(), model.layers[2].rng.bit_generator.state,
                     [p.grad for p in model.parameters()], [m.training for m in model.modules()]))  # fmt: skip

    before = everything()
    diagnose(model, (X, Y), "cross_entropy", optimizer)
    assert everything() == before
    with pytest.raises(ValueError, match="features"):
        diagnose(model, (X[:, :1], Y), "cross_entropy", optimizer)
    assert everything() == before and "forward" not in vars(model.layers[0])


def test_training_with_the_doctor_is_the_same_bit_for_bit():
    results = []
    for callbacks in ((), (Doctor(),)):
        model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.BatchNorm(8), nn.Dropout(0.5, rng=0), nn.Linear(8, 2, rng=0))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit(model, (X, Y), "cross_entropy", momentum(model), epochs=5, callbacks=callbacks, progress=False)
        results.append(b"".join(a.tobytes() for a in model.state_dict().values()))
    assert results[0] == results[1] and callbacks[0].diagnosis.healthy


def test_the_callback_warns_once_and_names_a_flat_loss():
    model = nn.MLP([2, 16, 2], rng=0)
    doctor = Doctor(steps=10)
    with pytest.warns(TrainingWarning, match="not learning.*larger learning rate") as caught:
        fit(
            model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), 1e-9), epochs=30, batch_size=None,
            callbacks=doctor, progress=False,
        )  # fmt: skip
    assert len(caught) == 1 and doctor.diagnosis.problems == ["not learning"]


def test_the_callback_says_when_numbers_ran_away():
    model = nn.Linear(2, 2, rng=0)
    with pytest.warns(TrainingWarning, match="learning rate too large"):
        fit(
            model, (X, np.c_[Y, Y]), "mse", optim.SGD(model.parameters(), 1e6), epochs=30, batch_size=None,
            callbacks=Doctor(), progress=False,
        )  # fmt: skip


def test_shown_as_text_and_as_html():
    found = diagnose(dead(), (X, Y), "cross_entropy")
    text, page = repr(found), found._repr_html_()
    assert text.splitlines()[0].split() == "layer kind activation signal gradient weight update dead saturated".split()
    assert all(word in page for word in ("<table>", "layers.1", "dead relu", "background"))
    assert max(map(len, text.splitlines()[:4])) <= 100
    assert "<script>" not in diagnose(Scripted(), (X, Y), "cross_entropy")._repr_html_()


class Scripted(nn.Module):
    def __init__(self):
        setattr(self, "<script>", nn.Linear(2, 2, rng=0))

    def forward(self, x):
        return getattr(self, "<script>")(x)


def test_recurrent_layers_are_seen():
    model = nn.RNN(2, 4, rng=0)
    found = diagnose(model, (np.zeros((3, 5, 2)), np.zeros((3, 5, 4))), lambda p, t: ((p[0] - t) ** 2).mean())
    assert len(found.layers) >= 1

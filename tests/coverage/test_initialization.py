"""The first numbers of the weights, and what standard normal ones do to a deep network."""

import numpy as np
import pytest
from sklearn.datasets import make_moons

from autograd_nn import losses, nn
from autograd_nn.optim import Momentum

SEEDS = range(5)
DEEP = [2, 16, 16, 16, 16, 16, 2]


def test_coverage_initialization_standard_normal():
    layer = nn.Linear(200, 300, init="standard_normal", dtype=float, rng=0)
    w, n = layer.weight.data, 200 * 300
    assert abs(w.mean()) < 4 / np.sqrt(n)
    assert abs(w.var() - 1) < 4 * np.sqrt(2 / n)  # the standard error of a normal sample's variance
    assert not layer.bias.data.any()
    assert "standard_normal" in nn.INITIALIZERS and "blow up" in nn.standard_normal.__doc__  # it is taught


@pytest.mark.parametrize(("init", "growth"), [("standard_normal", (3000, 10_000)), ("he_normal", (0.6, 1.5))])
def test_coverage_initialization_growth_of_the_signal(init, growth):
    """Width 64, 5 relu layers: each multiplies the signal by sqrt(64 / 2), so 32^2.5 = 5,793; He keeps it."""
    ratios = []
    for seed in range(10):
        x = np.random.default_rng(seed).normal(size=(100, 64))
        layers = nn.MLP([64] * 6, init=init, output_activation="relu", dtype=float, rng=seed)
        ratios.append(np.sqrt((layers(x).data ** 2).mean() / (x**2).mean()))
    assert growth[0] < np.mean(ratios) < growth[1]


def train(seed, init, learning_rate):
    """Return the first loss and the test accuracy after 500 steps on two moons, full batch, momentum 0.9."""
    (x, y), (x_test, y_test) = (make_moons(200, noise=0.1, random_state=s) for s in (seed, seed + 100))
    model = nn.MLP(DEEP, init=init, dtype=float, rng=seed)
    optimizer = Momentum(model.parameters(), learning_rate=learning_rate, momentum=0.9)
    first = None
    with np.errstate(all="ignore"):
        for _ in range(500):
            optimizer.zero_grad()
            loss = losses.cross_entropy(model(x), y)
            first = loss.item() if first is None else first
            loss.backward(retain="leaves")
            optimizer.step()
        right = model(x_test).data.argmax(axis=1) == y_test
        return first, right.mean(), loss.item()


def test_coverage_initialization_of_the_deep_network():
    he = [train(seed, "he_normal", 0.1) for seed in SEEDS]
    assert np.mean([first for first, _, _ in he]) < 1.5  # 0.80
    assert sum(accuracy >= 0.99 for _, accuracy, _ in he) == 5
    normal = [train(seed, "standard_normal", 0.1) for seed in SEEDS]
    assert np.mean([first for first, _, _ in normal]) > 20  # 65
    assert any(np.isnan(last) for _, _, last in normal)
    assert max(accuracy for _, accuracy, _ in normal) < 0.9
    slow = [train(seed, "standard_normal", 0.001)[1] for seed in SEEDS]
    assert 0.95 < np.mean(slow) < 0.99  # 0.978: it learns at a hundredth of the rate, and not as well

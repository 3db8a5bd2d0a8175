"""What is kept of a moment, and how two differ."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn import nn
from autograd_nn.plot.microscope.step import Step, check_model, compare, gradients_of, references, size_of, weights_of


def step(number: int, **weights: object) -> Step:
    return Step(number, 0, 0.5, {name: np.array(w, float) for name, w in weights.items()}, {})


def test_compare():
    changes = compare(step(0, w=[[3.0, 4.0]], b=[0.0]), step(7, w=[[3.0, 1.0]], b=[2.0]))
    (b, w) = changes
    assert (w.path, w.before, w.after, w.change) == ("w", 5.0, math.sqrt(10), 3.0)
    assert (w.relative, w.largest, w.place) == (0.6, -3.0, (0, 1))
    assert (b.path, b.change, b.largest) == ("b", 2.0, 2.0)
    assert math.isnan(b.relative)  # there was nothing that it could be a share of


def test_compare_passes_over_what_is_not_the_same():
    assert compare(step(0, w=[1.0], gone=[1.0], empty=[]), step(1, w=[1.0, 2.0], new=[1.0], empty=[])) == []


def test_label():
    assert [Step(n, e, 0.0, {}, {}).label for n, e in [(0, 1), (1200, 3), (4, 0)]] == [
        "start", "step 1,200, epoch 3", "step 4",
    ]  # fmt: skip


def test_weights_are_copies_and_gradients_complete():
    model = nn.MLP([1, 2, 1], rng=0)
    kept, now = weights_of(model), references(model)
    assert list(kept) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert all(now[path] is p.data or np.shares_memory(now[path], p.data) for path, p in model.named_parameters())
    assert not any(np.shares_memory(kept[path], now[path]) for path in kept)
    assert gradients_of(model) == {}
    model(np.ones((1, 1))).sum().backward()
    found = gradients_of(model)
    assert {path: g.shape for path, g in found.items()} == {path: w.shape for path, w in kept.items()}
    assert size_of(Step(0, 0, 0.0, kept, found)) == 2 * 4 * 7


def test_networks_of_single_numbers():
    model = nn.scalar.MLP(1, [2, 1], rng=0)
    model([1.0]).backward()
    assert set(weights_of(model)) == set(gradients_of(model)) == set(references(model))


@pytest.mark.parametrize("model", [3, nn.MLP, None])
def test_only_modules(model):
    with pytest.raises(TypeError, match="Replay wanted a module"):
        check_model(model)

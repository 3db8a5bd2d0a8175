"""Layers are read off any graph that is a chain of them, and a page computes from them what the engine computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autograd_nn import Value, nn
from autograd_nn.nn.activation import ACTIVATIONS
from autograd_nn.plot import neuron_curves
from autograd_nn.plot.microscope.network import read
from autograd_nn.plot.microscope.page import listed, structure

HIDDEN = [name for name in ACTIVATIONS if name not in ("softmax", "log_softmax")]


def described(layers):
    """Layers as the page has them."""
    return [
        {**shape, "w": listed(layer.weight), "b": listed(layer.bias)}
        for shape, layer in zip(structure(layers), layers, strict=True)
    ]


def test_layers_of_an_mlp():
    model = nn.MLP([2, 3, 1], activation="tanh", rng=0)
    first, second = read(model, np.zeros((1, 2)))
    np.testing.assert_array_equal(first.weight, model.layers[0].weight.data)
    np.testing.assert_array_equal(second.bias, model.layers[1].bias.data)
    assert (first.function, second.function) == ("tanh", "")


def test_layers_of_other_models():
    w, b, v = Value(np.ones((2, 4))), Value(np.arange(4.0)), Value(np.ones((4, 1)))
    by_hand = read(lambda x: np.tanh(x @ w + b) @ v, np.zeros((1, 2)))
    assert [layer.weight.shape for layer in by_hand] == [(2, 4), (4, 1)]
    np.testing.assert_array_equal(by_hand[0].bias, np.arange(4.0))
    np.testing.assert_array_equal(by_hand[1].bias, [0.0])
    chain = nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(0.2), nn.Linear(3, 1), nn.Sigmoid())
    assert [layer.function for layer in read(chain, np.zeros((1, 2)))] == ["leaky_relu", "sigmoid"]
    assert "0.2" in read(chain, np.zeros((1, 2)))[0].formula
    assert len(read(nn.LogisticRegression(2), np.zeros((1, 2)))) == 1
    assert [layer.function for layer in read(nn.MLP([1, 3, 1], activation="mish"), np.zeros((1, 1)))] == ["f", ""]


def test_frozen_weights_and_training_mode_are_as_before():
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)).freeze()
    read(model, np.zeros((1, 1)))
    assert not any(p.requires_grad for p in model.parameters())
    assert model.training


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(1, 2), nn.LayerNorm(2), nn.Linear(2, 1)), "wanted a chain of linear layers"),
        (lambda x: x * 2.0, "'mul' is applied to the input itself"),
        (lambda x: Value(np.ones((1, 1))), "does not"),
        (lambda x: np.zeros((1, 1)), "wanted a model whose output depends on its input"),
        (nn.scalar.MLP(1, [2, 1]), "single numbers"),
        (nn.MLP, "wanted a module"),
        (3, "wanted a module"),
    ],
)
def test_models_that_are_no_chain(model, message):
    with pytest.raises(TypeError, match=message):
        read(model, np.zeros((1, 1)))


def test_two_layers_side_by_side_are_no_chain():
    a, b = nn.Linear(1, 2, dtype=float), nn.Linear(1, 2, dtype=float)
    with pytest.raises(TypeError, match="puts two layers together"):
        read(lambda x: np.tanh(a(x) * b(x)), np.zeros((1, 1)))


def test_networks_that_are_too_large_are_refused():
    with pytest.raises(ValueError, match="at most 256 neurons, layer 1 of MLP has 300"):
        read(nn.MLP([1, 300, 1]), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="at most 20,000 weights"):
        read(nn.MLP([1, 200, 200, 1]), np.zeros((1, 1)))


@pytest.mark.parametrize("activation", [*HIDDEN, "softmax", "log_softmax"])
def test_the_page_computes_what_the_engine_computes(javascript, activation):
    rng = np.random.default_rng(HIDDEN.index(activation) if activation in HIDDEN else 99)
    given, wanted = [], []
    for features, seed in itertools.product((1, 2), range(2)):
        model = nn.MLP([features, 5, 4, 2], activation=activation, dtype=float, rng=seed)
        for p in model.parameters():
            p.data = rng.normal(size=p.shape) * 1.5
        rows = rng.normal(size=(7, features)) * 2
        given.append({"layers": described(read(model, rows)), "rows": rows.tolist()})
        wanted.append(model(rows).data)
    code = """say(given.map(({layers, rows}) => ({each: rows.map(r => Network.forward(layers, r).at(-1).a),
      all: Network.run(layers, rows[0].map((_, i) => Float64Array.from(rows.map(r => r[i]))))
        .at(-1).a.map(v => [...v])})))"""
    for told, right in zip(javascript(code, given), wanted, strict=True):
        np.testing.assert_allclose(told["each"], right, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(np.transpose(told["all"]), right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_contributions_add_up_to_the_output(javascript, seed):
    rng = np.random.default_rng(seed)
    features, depth = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    sizes = [features, *(int(n) for n in rng.integers(1, 9, size=depth)), int(rng.integers(1, 4))]
    model = nn.MLP(sizes, activation=str(rng.choice(HIDDEN)), dtype=float, rng=seed)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape)
    rows = rng.normal(size=(5, features))
    code = """
    const { layers, rows } = given, features = rows[0].map((_, i) => Float64Array.from(rows.map(r => r[i])));
    const l = layers.length, all = Network.run(layers, features), found = [], worst = [];
    for (let unit = 0; unit < layers[l - 1].units; unit++) {
      const many = Network.parts(layers, all, l, unit);
      found.push({curves: Array.from({length: many.count}, (_, i) => rows.map((_, k) => many.at(i, k))),
        total: [...Network.partial(many, many.count + 1, rows.length)], weights: many.weights, bias: many.bias});
    }
    for (const row of rows) layers.forEach((layer, k) => { // of every unit of every layer, to the last bit
      const states = Network.forward(layers, row);
      for (let j = 0; j < layer.units; j++)
        worst.push(Network.partial(Network.parts(layers, states, k + 1, j), layer.inputs + 1) - states[k + 1].z[j]);
    });
    say({found, worst})"""
    given = {"layers": described(read(model, rows)), "rows": rows.tolist()}
    told = javascript(code, given)
    assert set(told["worst"]) == {0}
    output = model(rows).data
    for unit, parts in enumerate(told["found"]):
        wanted = neuron_curves(model, rows, output=unit)
        np.testing.assert_allclose(np.transpose(parts["curves"]), wanted.curves, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(parts["weights"], wanted.weights)
        np.testing.assert_allclose(parts["total"], output[:, unit], rtol=0, atol=1e-12)


def test_numbers_of_the_tutorials(javascript):
    """The surfing unit, z = 6 of the inputs 1, 0, 1; and argmax and softmax of 1.43, -0.40, 0.23."""
    code = """
    const surf = [{inputs: 3, units: 1, name: 'sigmoid', formula: '1 / (1 + exp(-z))', w: [5, 2, 4], b: [-3]}];
    const states = Network.forward(surf, [1, 0, 1]), parts = Network.parts(surf, states, 1, 0);
    const scores = [1.43, -.4, .23], decided = Network.decide(scores, 'logits');
    say({sums: [0, 1, 2, 3, 4].map(k => Network.partial(parts, k)), a: states[1].a, ...decided})"""
    told = javascript(code)
    assert told["sums"] == [0, 5, 5, 9, 6]
    assert told["a"] == [pytest.approx(0.997527, abs=1e-6)]
    assert told["best"] == 0
    assert told["p"] == pytest.approx([0.6842, 0.1098, 0.2061], abs=5e-5)


def test_ticks_and_lattice(javascript):
    code = """say({ticks: [Network.ticks(-3.7, 3.7, 5), Network.ticks(0, 1, 4), Network.ticks(2, 2, 4)],
      extent: [Network.extent([[1, NaN], [-2, Infinity]]), Network.extent([[NaN]]), Network.extent([[3]])],
      lattice: Network.lattice([[0, 1], [5, 7]], 2).map(v => [...v])})"""
    told = javascript(code)
    assert told["ticks"] == [[-2, 0, 2], [0, 0.5, 1], [2]]
    assert told["extent"] == [[-2, 1], [-1, 1], [2, 4]]
    assert told["lattice"] == [[0, 1, 0, 1], [7, 7, 5, 5]]  # the upper row first

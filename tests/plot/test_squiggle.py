"""The curves of the neurons add up to what the network returns, to 1e-12."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, functions, nn, no_grad, plot

ACTIVATIONS = ["relu", "tanh", "sigmoid", "softplus", "gelu"]


def own(model, rows):
    """The output as the network computes it."""
    with no_grad():
        return np.asarray(model(rows).data)


@given(
    inputs=st.sampled_from([1, 2]),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    outputs=st.integers(1, 3),
    activation=st.sampled_from(ACTIVATIONS),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_curves_add_up_to_the_output(inputs, hidden, outputs, activation, bias, seed):
    model = nn.MLP([inputs, *hidden, outputs], activation=activation, bias=bias, dtype=float, rng=seed)
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape)
    rows = rng.normal(size=(11, inputs))
    for k in range(outputs):
        parts = plot.neuron_curves(model, rows, output=k)
        assert parts.curves.shape == (11, hidden[-1])
        np.testing.assert_allclose(
            parts.curves.sum(axis=1) + parts.bias, own(model, rows)[:, k], rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(parts.total, own(model, rows)[:, k], rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(parts.curves, parts.activations * parts.weights)


def test_the_drawn_lines_add_up_to_the_output(ax):
    model = nn.MLP([1, 4, 1], activation="softplus", dtype=float, rng=0)
    model.layers[1].bias.data = np.array([0.75])
    plot.squiggles(model, (-3, 3), ax=ax)
    *neurons, bias, total = ax.lines
    assert len(neurons) == 4
    x = total.get_xdata()
    drawn = sum(line.get_ydata() for line in neurons) + bias.get_ydata()[0]
    np.testing.assert_allclose(drawn, own(model, x[:, None])[:, 0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total.get_ydata(), own(model, x[:, None])[:, 0], rtol=1e-12, atol=1e-12)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[-2:] == ["bias 0.75", "sum = output"]
    assert names[0] == f"neuron 0 × {model.layers[1].weight.data[0, 0]:.3g}".replace("-", "−")
    assert len({str(line.get_linestyle()) + line.get_color() for line in neurons}) == 4


def test_the_drawn_pictures_add_up_to_the_output(ax):
    model = nn.MLP([2, 3, 1], activation="tanh", dtype=float, rng=0)
    plot.squiggles(model, ((-1, 1), (-2, 2)), ax=ax, resolution=5)
    image = ax.images[0].get_array()
    step = (image.shape[1] - 5) // 3
    tiles = [image[:5, step * i : step * i + 5] for i in range(4)]
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-2, 2, 5)), axis=-1).reshape(-1, 2)
    wanted = own(model, grid).reshape(5, 5)[::-1]  # up is up
    np.testing.assert_allclose(tiles[3], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sum(tiles[:3]) + model.layers[1].bias.data[0], wanted, rtol=1e-12, atol=1e-12)
    assert ax.texts[-1].get_text() == "sum = output"


def test_a_float32_network_is_computed_in_float64_and_not_changed(ax):
    model = nn.MLP([1, 4, 1], rng=0).freeze()
    plot.squiggles(model, (-1, 1), ax=ax)
    assert model.layers[0].weight.dtype == np.float32
    assert not any(p.requires_grad for p in model.parameters())
    x = ax.lines[-1].get_xdata()
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), own(model, x[:, None].astype("float32"))[:, 0], atol=1e-5)


def test_other_networks_with_a_last_linear_layer():
    rows = np.linspace(-1, 1, 7)[:, None]
    sequential = nn.Sequential(nn.Linear(1, 5, dtype=float), np.tanh, nn.Dropout(0.5), nn.Linear(5, 1, dtype=float))
    sequential.initialize(0)
    parts = plot.neuron_curves(sequential, rows)
    np.testing.assert_allclose(parts.total, own(sequential.eval(), rows)[:, 0], rtol=1e-12, atol=1e-12)

    w, b, v, c = (Value(np.random.default_rng(0).normal(size=s)) for s in ((1, 3), (3,), (3, 1), (1,)))
    for f in (lambda x: np.tanh(x @ w + b) @ v + c, lambda x: np.tanh(x @ w + b) @ v):
        parts = plot.neuron_curves(f, rows)
        np.testing.assert_allclose(parts.total, f(Value(rows)).data[:, 0], rtol=1e-12, atol=1e-12)


def test_before_a_sigmoid_it_is_the_logit():
    rows = np.linspace(-1, 1, 7)[:, None]
    model = nn.MLP([1, 5, 1], output_activation="sigmoid", dtype=float, rng=0)
    parts = plot.neuron_curves(model, rows)
    np.testing.assert_allclose(functions.sigmoid(parts.total), own(model, rows)[:, 0], rtol=1e-12)
    logistic = nn.LogisticRegression(1, init="he_normal", dtype=float, rng=0)
    np.testing.assert_allclose(plot.neuron_curves(logistic, rows).total, own(logistic, rows), rtol=1e-12)


def test_data_give_the_range_and_points(ax):
    x = np.array([0.0, 1.0, 2.0])
    plot.squiggles(nn.MLP([1, 2, 1], rng=0), x, [3.0, 4.0, 5.0], ax=ax)
    points = next(line for line in ax.lines if line.get_marker() == "o")
    assert points.get_xydata().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert ax.lines[-1].get_xdata()[[0, -1]].tolist() == pytest.approx([-0.1, 2.1])


def test_many_neurons_share_an_entry(ax):
    plot.squiggles(nn.MLP([1, 20, 1], bias=False, rng=0), (-1, 1), ax=ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["20 neurons × weight", "sum = output"]
    assert len(ax.lines) == 21


def test_many_neurons_of_two_features_are_cut_with_a_word(ax):
    plot.squiggles(nn.MLP([2, 40, 1], rng=0), ((-1, 1), (-1, 1)), ax=ax, resolution=3)
    assert "(the first 31 of 40 neurons)" in ax.get_title()
    assert len(ax.texts) == 32


LINE = nn.MLP([1, 3, 1], rng=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.squiggles(LINE, np.zeros((5, 3))), ValueError, r"one or two features.*got \(5, 3\)"),
        (lambda: plot.squiggles(LINE, (1, 0)), ValueError, "the smaller one first"),
        (lambda: plot.squiggles(LINE, [np.nan]), ValueError, "wanted finite data"),
        (lambda: plot.squiggles(LINE, (0, 1), [1.0]), ValueError, "give data as x"),
        (lambda: plot.squiggles(LINE, [0.0, 1.0], [1.0]), ValueError, "got 1 for 2 rows"),
        (lambda: plot.squiggles(nn.MLP([2, 3, 1]), np.zeros((5, 2)), np.zeros(5)), ValueError, "leave y out"),
        (lambda: plot.squiggles(LINE, (0, 1), output=1), ValueError, "one of the 1 outputs"),
        (lambda: plot.squiggles(np.tanh, (0, 1)), TypeError, "found no linear layer"),
        (lambda: plot.squiggles(nn.scalar.MLP(1, [3, 1]), (0, 1)), TypeError, "draw the nn.MLP with its state"),
        (lambda: plot.squiggles(nn.MLP, (0, 1)), TypeError, "wanted a module or a function"),
        (lambda: plot.neuron_curves(LINE, np.zeros((2, 2, 2))), ValueError, r"shape \(rows, features\)"),
    ],
)
def test_errors_say_what_was_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()

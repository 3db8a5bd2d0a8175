"""Single neurons: the one in nerves, linear and logistic regression, their graph, forward and backward."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Graph, Value, functions, losses, nn
from autograd_nn.nn.spiking import ANATOMY
from autograd_nn.optim import SGD


def test_coverage_biological_neuron():
    neuron = nn.LeakyIntegrateAndFire(rest=-70, threshold=-55, tau=20, step=1)
    runs = {drive: neuron.run(drive, steps=200) for drive in (14.9, 15.1, 20, 40)}
    assert {drive: run.count for drive, run in runs.items()} == {14.9: 0, 15.1: 2, 20: 7, 40: 20}
    assert runs[14.9].voltage.max() < -55
    heights = {v for run in runs.values() for v in run.voltage[run.spikes]}
    assert len(heights) == 1  # all or nothing: a stronger input makes more spikes, not larger ones
    assert ANATOMY == {"dendrite": "input", "soma": "sum", "axon": "output", "synapse": "weight"}


def test_coverage_neuron_as_linear_regression():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = x @ [1.5, -2.0, 0.5] + 0.7 + 0.1 * rng.normal(size=40)
    neuron = nn.Linear(3, 1, dtype=float, rng=0)
    optimizer = SGD(neuron.parameters(), learning_rate=0.1)
    for _ in range(1000):
        optimizer.zero_grad()
        losses.mse(neuron(x)[:, 0], y).backward()
        optimizer.step()
    expected = np.linalg.lstsq(np.c_[x, np.ones(40)], y)[0]
    np.testing.assert_allclose(np.r_[neuron.weight.data[:, 0], neuron.bias.data], expected, rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=6), st.integers(0, 100))
def test_coverage_linear_layers_alone_are_one_linear_layer(sizes, seed):
    rng = np.random.default_rng(seed)
    stack = nn.MLP(sizes, activation="identity", dtype=float)
    for p in stack.parameters():
        p.data = rng.normal(size=p.shape)
    x = rng.normal(size=(5, sizes[0]))
    one = nn.Linear(sizes[0], sizes[-1], dtype=float)
    bias = stack(np.zeros((1, sizes[0]))).data[0]
    one.load_state_dict({"bias": bias, "weight": stack(np.eye(sizes[0])).data - bias})
    np.testing.assert_allclose(one(x).data, stack(x).data, rtol=1e-9, atol=1e-9)


# The rows of HIPS autograd's tutorial
ROWS = np.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]])
TARGETS = np.array([True, True, False, True])


def test_coverage_logistic_regression():
    neuron = nn.Linear(3, 1, bias=False, init="zeros", dtype=float)
    optimizer = SGD(neuron.parameters(), learning_rate=0.01)

    def loss():
        return losses.binary_cross_entropy(neuron(ROWS)[:, 0], TARGETS.astype(float), reduction="sum")

    assert loss().item() == pytest.approx(2.7726, abs=5e-5)
    for _ in range(100):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() == pytest.approx(1.0673, abs=5e-5)


def test_coverage_logistic_regression_gradient():
    rng = np.random.default_rng(0)
    model = nn.LogisticRegression(3, dtype=float, init="standard_normal", rng=0)
    x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50).astype(float)
    losses.binary_cross_entropy(model(x), y, reduction="sum").backward()
    p = 1 / (1 + np.exp(-(x @ model.linear.weight.data[:, 0] + model.linear.bias.data)))
    np.testing.assert_allclose(model.linear.weight.grad[:, 0], x.T @ (p - y), rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.linear.bias.grad, [(p - y).sum()], rtol=0, atol=1e-10)


def logistic_unit():
    x, w, b = Value(1.0, name="x", requires_grad=False), Value(2.0, name="w"), Value(-3.0, name="b")
    out = functions.sigmoid(w * x + b)
    out.backward()
    return out


def test_coverage_computational_graph():
    graph = Graph.of(logistic_unit())

    def name(node):
        return node.name or node.op.name

    assert [name(node) for node in graph.nodes] == ["w", "x", "mul", "b", "add", "sigmoid"]
    assert [(name(e.parent), name(e.child), e.position) for e in graph.edges] == [
        ("w", "mul", 0),
        ("x", "mul", 1),
        ("mul", "add", 0),
        ("b", "add", 1),
        ("add", "sigmoid", 0),
    ]
    dot = graph.to_dot()
    assert dot == Graph.of(logistic_unit()).to_dot()  # byte for byte
    for shown in ("w", "x", "b", "2", "-3", "-1", "0.2689", "0.1966"):  # names, values, the gradient σ(-1) σ(1)
        assert shown in dot.replace("−", "-"), shown


def test_coverage_forward_propagation():
    rng = np.random.default_rng(0)
    model = nn.MLP([4, 8, 8, 3], activation="tanh", dtype=float, rng=0)
    x = rng.normal(size=(10, 4))
    (w0, b0), (w1, b1), (w2, b2) = ((layer.weight.data, layer.bias.data) for layer in model.layers)
    by_hand = np.tanh(np.tanh(x @ w0 + b0) @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(model(x).data, by_hand, rtol=0, atol=1e-12)


def test_coverage_backpropagation_equals_central_differences():
    rng = np.random.default_rng(0)
    model = nn.MLP([3, 5, 4, 2], activation="tanh", dtype=float, rng=0)
    x, y = rng.normal(size=(6, 3)), rng.integers(0, 2, 6)
    losses.cross_entropy(model(x), y).backward()
    for p in model.parameters():
        start, slopes = np.array(p.data), np.zeros(p.shape)
        for i in np.ndindex(p.shape):
            sides = []
            for h in (1e-6, -1e-6):
                p.data = start + h * (np.arange(p.size) == np.ravel_multi_index(i, p.shape)).reshape(p.shape)
                sides.append(losses.cross_entropy(model(x), y).item())
            slopes[i] = (sides[0] - sides[1]) / 2e-6
        p.data = start
        np.testing.assert_allclose(p.grad, slopes, rtol=1e-6, atol=1e-9)


def test_coverage_backpropagation_visits_children_first():
    model = nn.MLP([2, 3, 3, 1], dtype=float, rng=0)
    loss = (model(np.ones((4, 2))) ** 2).mean()
    nodes = [node for node in Graph.of(loss).nodes if node.requires_grad]
    visited = []
    for node in nodes:
        node.register_hook(lambda g, node=node: visited.append(node))
    loss.backward()
    assert len(visited) == len(nodes) and visited[0] is loss
    when = {node: i for i, node in enumerate(visited)}
    assert all(when[node] < when[p] for node in nodes for p in node.parents if p.requires_grad)
    last, first = model.layers[-1].weight, model.layers[0].weight
    assert when[last] < when[first]  # "starts with the last parameter and works backwards"


def test_coverage_backpropagation_through_a_deep_chain():
    x = Value(1.0)
    start = time.perf_counter()
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    del y
    assert time.perf_counter() - start < 10  # a second, with ten times the allowance
    assert x.grad == 1.0


def test_coverage_backpropagation_of_repeated_doubling():
    x = Value(1.0)
    start = time.perf_counter()
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert time.perf_counter() - start < 10
    assert x.grad == 2.0**60

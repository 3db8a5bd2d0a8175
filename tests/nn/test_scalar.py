import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Graph, Value, functions, nn
from autograd_nn.nn import scalar

POINTWISE = ["relu", "tanh", "sigmoid", "softplus", "leaky_relu", "gelu", "silu", "elu", "softsign", "identity"]


def randomized(model, seed=0):
    """Random numbers in every parameter, biases too."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape)
    return model


def total(out):
    return sum(v * (i + 1.0) for i, v in enumerate(out if isinstance(out, list) else [out]))


def check_twins(model, x):
    twin = model.zoom()
    y = model(x[None])
    out = twin(x)
    numbers = [v.item() for v in (out if isinstance(out, list) else [out])]
    np.testing.assert_allclose(numbers, np.ravel(y.data), rtol=1e-12, atol=1e-13)
    (y * np.arange(1.0, y.size + 1).reshape(y.shape)).sum().backward()
    total(out).backward()
    assert twin.state_dict().keys() == twin.gradients().keys() == model.state_dict().keys()
    for path, p in model.named_parameters():
        np.testing.assert_allclose(twin.gradients()[path], p.grad, rtol=1e-10, atol=1e-12, err_msg=path)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from(POINTWISE),
    st.sampled_from([None, "softmax", "log_softmax", "sigmoid", np.tanh]),
    st.booleans(),
    st.integers(0, 5),
)
def test_twins_have_equal_outputs_and_gradients(sizes, activation, output_activation, bias, seed):
    model = nn.MLP(sizes, activation=activation, output_activation=output_activation, bias=bias, dtype=float)
    check_twins(randomized(model, seed), np.random.default_rng(seed + 9).normal(size=sizes[0]))


@pytest.mark.parametrize(
    "model",
    [
        nn.Linear(3, 4, dtype=float),
        nn.Linear(3, 1, bias=False, dtype=float),
        nn.LogisticRegression(3, dtype=float),
        nn.SoftmaxClassifier([3, 4, 2], dtype=float),
        nn.Sequential(nn.Linear(3, 4, dtype=float), np.tanh, nn.MLP([4, 3, 1], dtype=float), functions.sigmoid),
        nn.Sequential(nn.Linear(3, 4, dtype=float), nn.ReLU(), nn.Linear(4, 3, dtype=float), nn.Softmax()),
        nn.Sequential(nn.Linear(3, 4, dtype=float), functions.log_softmax),
        nn.MLP([3, 2], activation=nn.LeakyReLU(0.2), dtype=float),
    ],
    ids=lambda m: type(m).__name__,
)
def test_twins_of_each_kind(model):
    check_twins(randomized(model), np.array([0.3, -1.2, 0.7]))


def test_weights_copy_both_ways():
    model = nn.MLP([2, 3, 1], rng=0)
    twin = model.zoom()
    assert isinstance(twin, scalar.MLP)
    for p in twin.parameters():
        p.data = p.data - 0.125
    model.load_state_dict(twin.state_dict())
    for path, array in twin.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[path], array.astype(np.float32))
    model.layers[0].weight.data = np.full((2, 3), 7.0)
    twin.load_state_dict(model.state_dict())
    assert [w.item() for w in twin.layers[0].neurons[2].weight] == [7.0, 7.0]
    with pytest.raises(ValueError, match=r"layers.0.weight wanted \(2, 3\), got \(3, 2\)"):
        twin.load_state_dict({**model.state_dict(), "layers.0.weight": np.zeros((3, 2))})


def test_frozen_stays_frozen():
    model = nn.MLP([2, 2, 1], rng=0)
    model.layers[0].freeze()
    twin = model.zoom()
    assert not any(w.requires_grad for w in twin.layers[0].parameters())
    assert all(w.requires_grad for w in twin.layers[1].parameters())


def test_a_shared_layer_has_one_twin():
    layer = randomized(nn.Linear(2, 2, dtype=float))
    check_twins(nn.Sequential(layer, np.tanh, layer), np.array([0.5, -1.0]))


def test_pictures_fold_by_neuron_and_layer():
    twin = nn.MLP([2, 3, 1], rng=0).zoom()
    loss = (twin([1.0, 2.0]) - 1.0) ** 2
    assert "neurons.2" in Graph.of(loss).to_dot()
    assert "layers.0" in Graph.of(loss).to_dot(max_nodes=12)


def test_names_and_scopes():
    twin = nn.MLP([3, 6, 2], rng=0).zoom()
    paths = dict(twin.named_parameters())
    assert paths["layers.0.weight[2, 5]"] is twin.layers[0].neurons[5].weight[2]
    assert paths["layers.0.bias[5]"] is twin.layers[0].neurons[5].bias
    out = twin([1.0, 2.0, 3.0])
    w = paths["layers.0.weight[2, 5]"]
    assert (w.name, w.scope) == ("w[2,5]", "mlp/layers.0/neurons.5")
    made = [node for node in Graph.of(*out).nodes if w in node.parents]
    assert [(node.op.name, node.scope) for node in made] == [("mul", "mlp/layers.0/neurons.5")]
    inputs = [node for node in Graph.of(*out).nodes if node.name and node.name.startswith("x")]
    assert sorted(node.name for node in inputs) == ["x[0]", "x[1]", "x[2]"]  # shared by all neurons
    assert [path for path, _ in scalar.Neuron(2).named_parameters()] == ["weight[0]", "weight[1]", "bias"]


def test_the_same_seed_gives_the_weights_of_the_tensor_model():
    model, twin = nn.MLP([2, 16, 1], rng=3, dtype=float), scalar.MLP(2, [16, 1], rng=3)
    for path, array in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[path], array)
    model.initialize(5)
    twin.initialize(5)
    np.testing.assert_array_equal(twin.state_dict()["layers.1.weight"], model.state_dict()["layers.1.weight"])


def test_micrograds_manners():
    """micrograd 0.1: the same network, loss and gradients, number by number."""
    engine = pytest.importorskip("micrograd.engine")
    theirs = pytest.importorskip("micrograd.nn").MLP(3, [4, 4, 1])
    ours = scalar.MLP(3, [4, 4, 1])
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        mine.data = its.data
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0]]
    losses = [sum((model(x) - y) ** 2 for x, y in zip(xs, [1.0, -1.0, 1.0], strict=True)) for model in (ours, theirs)]
    assert isinstance(losses[0], Value) and isinstance(losses[1], engine.Value)
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].data, rel=1e-12)
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (mine.grad or 0.0) == pytest.approx(its.grad, rel=1e-10, abs=1e-14)
    ours.zero_grad()
    assert all(p.grad is None for p in ours.parameters())


def test_a_scalar_network_learns():
    model = scalar.MLP(2, [6, 1], activation="tanh", init="standard_normal", rng=0)
    data = [([0.0, 0.0], -1.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], -1.0)]
    for _ in range(200):
        model.zero_grad()
        sum((model(x) - y) ** 2 for x, y in data).backward()
        for p in model.parameters():
            p.data = p.data - 0.05 * p.grad
    assert all((model(x).item() > 0) == (y > 0) for x, y in data)


def test_inputs():
    n = scalar.Neuron(2, activation="identity", bias=False)
    n.load_state_dict({"weight": [2.0, 3.0]})
    x = Value(0.5)
    n([x, 1]).backward()
    assert x.grad == 2.0
    assert n(np.array([1.0, 2.0])).item() == 8.0
    assert n(Value([1.0, 2.0])).item() == 8.0
    with pytest.raises(ValueError, match="wanted 2 numbers, one for each input, got 3"):
        n([1, 2, 3])
    for batch in (np.zeros((5, 2)), [[1.0, 2.0]], 3.0, Value(np.zeros((5, 2)))):
        with pytest.raises(ValueError, match=r"For a batch write \[model\(row\) for row in x\]"):
            n(batch)


def test_construction():
    with pytest.raises(ValueError, match=r"MLP\(2, \[16, 16, 1\]\), got 3"):
        scalar.MLP(2, 3)
    with pytest.raises(TypeError, match="in_features as an integer"):
        scalar.Neuron(2.5)
    assert len(scalar.Layer(3, 2, bias=False).parameters()) == 6
    assert scalar.Layer(3, 2, init="ones").state_dict()["weight"].tolist() == [[1.0, 1.0]] * 3
    neuron = scalar.Neuron(4, init="ones").initialize(0)
    assert neuron.state_dict()["weight"].tolist() == [1.0] * 4
    assert "Neuron(4, init='ones')" in repr(neuron)
    copy = pickle.loads(pickle.dumps(scalar.MLP(2, [2, 1], rng=0)))
    assert copy([1, 2]).item() == scalar.MLP(2, [2, 1], rng=0)([1, 2]).item()


def test_zoom_refuses_what_has_no_twin():
    with pytest.raises(TypeError, match="Conv2d has no scalar twin: Linear, MLP.*autograd_nn.expand"):
        nn.Conv2d(1, 1, 3).zoom()
    with pytest.raises(TypeError, match="no scalar twin"):
        nn.Sequential(nn.Linear(2, 2), nn.Flatten()).zoom()

    class Doubled(nn.MLP):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(TypeError, match="Doubled has no scalar twin"):
        Doubled([2, 1]).zoom()

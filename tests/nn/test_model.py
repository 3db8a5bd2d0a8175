import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from autograd_nn import Value, functions
from autograd_nn.nn import ACTIVATIONS, MLP, LogisticRegression, SoftmaxClassifier
from autograd_nn.testing import check_grads

SIZES = st.lists(st.integers(1, 5), min_size=2, max_size=5)


@given(SIZES, st.sampled_from(["relu", "tanh", "sigmoid", "softplus"]), st.booleans())
def test_mlp_equals_numpy(sizes, name, bias):
    model = MLP(sizes, activation=name, bias=bias, dtype=float, rng=0)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if bias:
            layer.bias.data = rng.normal(size=layer.bias.shape)
    x = rng.normal(size=(3, sizes[0]))
    expected = x
    for layer in model.layers:
        expected = expected @ layer.weight.data + (layer.bias.data if bias else 0)
        if layer is not model.layers[-1]:
            expected = ACTIVATIONS[name](expected)
    np.testing.assert_allclose(model(x).data, expected, rtol=0, atol=1e-12)


def test_gradients_of_all_parameters():
    model = MLP([3, 4, 2], activation="tanh", dtype=float, rng=0)
    x = np.random.default_rng(0).normal(size=(5, 3))
    start = [np.array(p.data) for p in model.parameters()]

    def f(w0, b0, w1, b1):
        model.layers[0].weight, model.layers[0].bias, model.layers[1].weight, model.layers[1].bias = w0, b0, w1, b1
        return functions.cross_entropy(model(x), [0, 1, 0, 1, 1])

    check_grads(f, *start)


def test_activation_decides_the_initializer():
    assert [layer.init for layer in MLP([2, 3, 4, 1]).layers] == ["he_normal", "he_normal", "glorot_normal"]
    assert [layer.init for layer in MLP([2, 3, 1], activation=np.tanh).layers] == ["glorot_normal", "glorot_normal"]
    assert MLP([2, 3, 1], activation=functions.relu).layers[0].init == "he_normal"
    assert [layer.init for layer in MLP([2, 3, 1], init="standard_normal").layers] == ["standard_normal"] * 2


def test_seed_and_output_activation():
    a, b = (MLP([2, 3, 1], output_activation="sigmoid", rng=3) for _ in range(2))
    x = np.linspace(-1, 1, 10).reshape(5, 2)
    np.testing.assert_array_equal(a(x).data, b(x).data)
    a.output_activation = None
    np.testing.assert_allclose(b(x).data, expit(a(x).data), rtol=1e-6)


def test_classifiers_predict():
    model = SoftmaxClassifier([2, 8, 3], rng=0)
    x = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(model.predict_proba(x), softmax(model(x).data, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(model.predict(x), model.predict_proba(x).argmax(axis=1))
    unit = LogisticRegression(2, dtype=float)
    unit.linear.weight.data, unit.linear.bias.data = [[1.0], [-2.0]], [0.5]
    p = expit(x @ [1.0, -2.0] + 0.5)
    np.testing.assert_allclose(unit.predict_proba(x), np.stack([1 - p, p], axis=1), atol=1e-12)
    np.testing.assert_array_equal(unit.predict(x), p > 0.5)
    assert unit(x).shape == (20,)
    assert type(unit.predict_proba(x)) is type(model.predict_proba(x)) is np.ndarray


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: MLP([3]), ValueError, r"MLP wanted the sizes of its layers, such as \[64, 32, 10\].*got \[3\]"),
        (lambda: MLP(3), ValueError, "got 3"),
        (lambda: MLP([3, 0]), ValueError, "out_features of at least 1, got 0"),
        (lambda: MLP([3, 1])(np.ones((2, 4))), ValueError, r"MLP wanted x of shape \(batch, 3\), got \(2, 4\)"),
        (lambda: MLP([3, 1])(1.0), ValueError, r"MLP wanted x of shape \(batch, 3\), got \(\)"),
        (lambda: MLP([3, 1])(Value(np.ones((2, 3)))), TypeError, "MLP has parameters of float32"),
    ],
)
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()

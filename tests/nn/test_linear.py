import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value
from autograd_nn.nn import Linear
from autograd_nn.testing import check_grads


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_equals_numpy(n, m, batch, bias):
    rng = np.random.default_rng(n * 10 + m)
    layer = Linear(n, m, bias=bias, dtype=float, rng=rng)
    if bias:
        layer.bias.data = rng.normal(size=m)
    x = rng.normal(size=(batch, 2, n))
    expected = x @ layer.weight.data + (layer.bias.data if bias else 0)
    np.testing.assert_allclose(layer(x).data, expected, atol=1e-12)


def test_gradients():
    layer = Linear(3, 2, dtype=float, rng=0)

    def f(x, w, b):
        layer.weight, layer.bias = w, b
        return (layer(x) ** 2).sum()

    rng = np.random.default_rng(0)
    check_grads(f, rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2))


def test_bias_starts_at_exactly_zero_and_reset_restores_it():
    layer = Linear(3, 2, rng=0)
    weight = layer.weight.data.copy()
    assert layer.bias.data.tolist() == [0, 0]
    layer.bias.data = [1, 2]
    layer.reset(np.random.default_rng(0))
    assert layer.bias.data.tolist() == [0, 0]
    np.testing.assert_array_equal(layer.weight.data, weight)
    assert Linear(3, 2).weight.shape == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ((0, 1), ValueError, "Linear wanted in_features of at least 1, got 0"),
        ((1, -2), ValueError, "out_features of at least 1, got -2"),
        ((1.5, 1), TypeError, "in_features as an integer, got float 1.5"),
        (("3", 1), TypeError, "in_features as an integer, got str '3'"),
        ((True, 1), TypeError, "in_features as an integer, got bool"),
    ],
)
def test_bad_sizes(arguments, kind, words):
    with pytest.raises(kind, match=words):
        Linear(*arguments)


def test_bad_dtype_and_input():
    with pytest.raises(TypeError, match=r"dtype=np\.float32 or np\.float64, got int64"):
        Linear(1, 1, dtype=int)
    with pytest.raises(ValueError, match=r"linear wanted x of shape \(…, in_features\).*got \(4, 2\) and \(3, 1\)"):
        Linear(3, 1)(np.ones((4, 2)))
    with pytest.raises(ValueError, match="linear wanted x"):
        Linear(3, 1)(Value(np.ones(2, np.float32)))

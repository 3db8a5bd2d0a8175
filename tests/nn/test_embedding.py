import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.functions import linear, one_hot
from autograd_nn.nn import Embedding
from autograd_nn.testing import check_grads
from autograd_nn.vmap import vmap

WORDS = np.array([[2, 0, 2], [1, 4, 4]])


def test_rows_of_the_table_as_a_linear_map_of_one_hot_rows():
    layer = Embedding(5, 3, rng=0)
    y = layer(WORDS)
    assert (y.shape, y.dtype) == ((2, 3, 3), np.float32)
    np.testing.assert_array_equal(y.data, layer.weight.data[WORDS])
    np.testing.assert_array_equal(y.data, linear(one_hot(WORDS, 5, dtype="float32"), layer.weight).data)
    assert layer(3).shape == (3,)
    assert layer(Value(WORDS, requires_grad=False, dtype=int)).shape == (2, 3, 3)
    assert layer(np.zeros((0,), np.uint8)).shape == (0, 3)
    np.testing.assert_array_equal(vmap(layer)(WORDS).data, y.data)


@pytest.mark.parametrize("padding", [None, 4])
def test_gradients(padding):
    layer = Embedding(5, 2, padding_idx=padding, dtype=float)

    def f(w):
        layer.weight = w
        return (layer(WORDS) ** 2).sum()

    check_grads(f, np.random.default_rng(0).normal(size=(5, 2)))


def test_rows_met_twice_collect_both_gradients():
    layer = Embedding(4, 1, dtype=float)
    layer(np.array([1, 1, 3])).sum().backward()
    assert layer.weight.grad.ravel().tolist() == [0.0, 2.0, 0.0, 1.0]


def test_padding_is_zero_and_stays_zero():
    layer = Embedding(5, 3, padding_idx=4, rng=0)
    assert not layer.weight.data[4].any()
    assert layer.weight.data[:4].all()
    y = layer(WORDS)
    assert not y.data[1, 1:].any()
    (y + 1.0).sum().backward()
    assert not layer.weight.grad[4].any()
    assert layer.weight.grad[[0, 1, 2]].all()
    layer.weight.data = np.ones((5, 3))
    assert layer(4).data.tolist() == [0.0, 0.0, 0.0]
    layer.reset(np.random.default_rng(0))
    np.testing.assert_array_equal(layer.weight.data, Embedding(5, 3, padding_idx=4, rng=0).weight.data)


def test_repr():
    assert repr(Embedding(5, 3, padding_idx=0)) == "Embedding(5, 3, padding_idx=0)"


@pytest.mark.parametrize(
    ("x", "kind", "words"),
    [
        ([0, 5], ValueError, "integers from 0 to 4, as it has 5 rows; got 0 to 5"),
        ([-1], ValueError, ".* got -1"),
        ([0.0, 1.0], TypeError, r"integers from 0 to 4, got float64: write x\.astype\(int\)"),
        ([True], TypeError, ".* got bool"),
    ],
)
def test_bad_indices(x, kind, words):
    with pytest.raises(kind, match="Embedding wanted " + words):
        Embedding(5, 3)(x)


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ((0, 3), {}, "count of at least 1"),
        ((5, 0), {}, "features of at least 1"),
        ((5, 3), {"padding_idx": 5}, "padding_idx from 0 to 4, or None, got 5"),
        ((5, 3), {"padding_idx": -1}, "padding_idx from 0 to 4"),
    ],
)
def test_bad_settings(arguments, settings, words):
    with pytest.raises(ValueError, match="Embedding wanted " + words):
        Embedding(*arguments, **settings)

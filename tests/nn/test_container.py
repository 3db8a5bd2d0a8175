import numpy as np
import pytest

from autograd_nn.nn import Linear, Residual, Sequential


def test_sequential_applies_modules_and_functions_in_order():
    model = Sequential(Linear(2, 3), np.tanh, Linear(3, 1)).initialize(0)
    x = np.ones((4, 2), np.float32)
    w0, b0, w1, b1 = (p.data for p in model.parameters())
    np.testing.assert_allclose(model(x).data, np.tanh(x @ w0 + b0) @ w1 + b1, rtol=1e-6)
    assert [type(layer).__name__ for layer in model] == ["Linear", "ufunc", "Linear"]


def test_slices_share_layers():
    model = Sequential(Linear(2, 3), np.tanh, Linear(3, 1)).initialize(0)
    body = model[:2]
    assert len(body) == 2
    assert body[0] is model[0]
    assert body(np.ones((1, 2))).shape == (1, 3)


def test_sequential_refuses_what_is_no_layer():
    with pytest.raises(TypeError, match=r"got list at position 0\. Write Sequential\(\*layers\)"):
        Sequential([Linear(1, 1)])
    with pytest.raises(TypeError, match="got float at position 1"):
        Sequential(np.tanh, 1.0)


def test_residual_adds():
    layer = Linear(3, 3, rng=0)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(Residual(layer)(x).data, x + layer(x).data)
    wider, shortcut = Linear(3, 5, rng=0), Linear(3, 5, rng=1)
    np.testing.assert_allclose(Residual(wider, shortcut)(x).data, wider(x).data + shortcut(x).data)
    assert [path for path, _ in Residual(wider, shortcut).named_parameters()][2] == "shortcut.weight"
    with pytest.raises(ValueError, match=r"of the shape of x, \(2, 3\), got \(2, 5\): give shortcut="):
        Residual(wider)(x)


def test_residual_casts_a_constant_input_as_layers_do():
    model = Sequential(Residual(Linear(3, 3, rng=0)), Linear(3, 2, rng=1))  # float32; NumPy's arrays are float64
    x = np.arange(6.0).reshape(2, 3)
    assert model(x).dtype == np.float32
    assert np.array_equal(model(x).data, model(x.astype(np.float32)).data)
    assert np.array_equal(model(x.tolist()).data, model(x).data)


def test_append_refuses_what_is_no_layer():
    model = Sequential(Linear(1, 1))
    with pytest.raises(TypeError, match="wanted modules or functions, got int"):
        model.append(3)
    with pytest.raises(TypeError, match=r"got the class Linear: write Linear\(\) at position 0"):
        Sequential(Linear)
    assert len(model) == 1

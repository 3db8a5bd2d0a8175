import numpy as np
import pytest

from autograd_nn import Value, nn
from autograd_nn.functions import relu
from autograd_nn.nn import ACTIVATIONS, MLP, activation, identity
from autograd_nn.testing import check_grads


def test_found_by_name_or_given():
    assert activation("relu") is relu
    assert activation(np.sin) is np.sin
    assert activation("identity") is identity
    x = np.linspace(-2, 2, 5)
    assert identity(x) is x
    for f in ACTIVATIONS.values():
        assert np.shape(f(x)) == (5,)


def test_bad_activations_are_refused_when_the_model_is_made():
    with pytest.raises(ValueError, match="no activation 'reLU': wanted one of identity, relu"):
        MLP([1, 2, 1], activation="reLU")
    with pytest.raises(TypeError, match="a name or a function of one array, got float"):
        MLP([1, 1], output_activation=0.5)


# PyTorch 2 in float64, at -3, -2, …, 3
PYTORCH = {
    nn.ReLU(): [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0],
    nn.SELU(): [
        *(-1.6705687287671118, -1.5201664685956948, -1.1113307378125625, 0.0),
        *(1.0507009873554805, 2.101401974710961, 3.1521029620664414),
    ],
    nn.Mish(): [
        *(-0.1456474612756246, -0.2525014826957089, -0.30340146137410895, 0.0),
        *(0.8650983882673103, 1.9439589595339946, 2.9865350049679575),
    ],
    nn.Hardtanh(): [-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0],
    nn.LeakyReLU(): [-0.03, -0.02, -0.01, 0.0, 1.0, 2.0, 3.0],
    nn.ELU(): [-0.950212931632136, -0.8646647167633873, -0.6321205588285577, 0.0, 1.0, 2.0, 3.0],
    nn.GELU(): [
        *(-0.00404969409489031, -0.04550026389635842, -0.15865525393145702, 0.0),
        *(0.841344746068543, 1.9544997361036416, 2.99595030590511),
    ],
    nn.SiLU(): [
        *(-0.14227761953270035, -0.2384058440442351, -0.2689414213699951, 0.0),
        *(0.7310585786300049, 1.7615941559557646, 2.8577223804672998),
    ],
    nn.Softplus(): [
        *(0.04858735157374206, 0.1269280110429725, 0.31326168751822286, 0.6931471805599453),
        *(1.3132616875182228, 2.1269280110429727, 3.048587351573742),
    ],
    nn.Tanh(): np.tanh(np.arange(-3.0, 4.0)),
    nn.Sigmoid(): 1 / (1 + np.exp(-np.arange(-3.0, 4.0))),
    nn.Softsign(): np.arange(-3.0, 4.0) / (1 + np.abs(np.arange(-3.0, 4.0))),
    nn.Softmax(): np.exp(np.arange(7.0)) / np.exp(np.arange(7.0)).sum(),
    nn.LogSoftmax(): np.arange(7.0) - np.log(np.exp(np.arange(7.0)).sum()),
    nn.Identity(): np.arange(-3.0, 4.0),
}


@pytest.mark.parametrize("layer", PYTORCH, ids=repr)
def test_modules_equal_pytorch(layer):
    x = np.arange(-3.0, 4.0)
    np.testing.assert_allclose(layer(x), PYTORCH[layer], rtol=1e-13, atol=1e-16)
    y = layer(Value(x, dtype=np.float32))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, PYTORCH[layer], rtol=1e-5, atol=1e-6)
    assert layer.parameters() == []
    check_grads(layer, np.array([-2.3, -0.4, 0.6, 2.7]))
    far = layer(np.array([-1000.0, 1000.0]))
    assert np.isfinite(far).all()


def test_modules_keep_their_settings():
    x = np.array([-2.0, 0.5])
    assert nn.LeakyReLU(0.5)(x).tolist() == [-1.0, 0.5]
    np.testing.assert_allclose(nn.ELU(2.0)(x), [2 * np.expm1(-2.0), 0.5])
    assert nn.Hardtanh(-0.25, 0.25)(x).tolist() == [-0.25, 0.25]
    assert nn.GELU("tanh")(x)[1] == pytest.approx(0.34571400982514394, rel=1e-12)
    np.testing.assert_allclose(nn.Softmax(axis=0)(np.zeros((2, 3))), np.full((2, 3), 0.5))
    np.testing.assert_allclose(nn.LogSoftmax(axis=0)(np.zeros((2, 3))), np.log(np.full((2, 3), 0.5)))
    assert repr(nn.LeakyReLU(0.5)) == "LeakyReLU(negative_slope=0.5)"
    assert repr(nn.ReLU()) == "ReLU()"
    with pytest.raises(ValueError, match="low below high"):
        nn.Hardtanh(1.0, -1.0)
    with pytest.raises(ValueError, match="'none' or 'tanh'"):
        nn.GELU("fast")


def test_modules_stand_for_functions_in_a_model():
    by_name, by_module = MLP([3, 5, 2], activation="relu", rng=0), MLP([3, 5, 2], activation=nn.ReLU(), rng=0)
    x = np.ones((4, 3))
    np.testing.assert_array_equal(by_name(x).data, by_module(x).data)  # the same initializer, too
    assert by_module.layers[0].init == "he_normal"
    assert MLP([3, 5, 2], activation=nn.Tanh()).layers[0].init == "glorot_normal"
    assert MLP([3, 5, 2], activation="selu").layers[0].init == "lecun_normal"
    with pytest.raises(TypeError, match=r"got the class ReLU: write ReLU\(\)"):
        MLP([3, 5, 2], activation=nn.ReLU)

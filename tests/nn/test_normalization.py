"""Normalization: numbers of PyTorch 2 in float64, NumPy by hand, central differences, training and predicting."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.nn import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from autograd_nn.testing import check_grads

ROWS = np.array([[1.0, 2, 3], [4, 6, 9], [-1, 0, 5], [2, 2, 2]])
IMAGE = ((np.arange(40.0) % 7 - 3) / 2).reshape(1, 2, 5, 4)
SQUARES = (np.arange(32.0) ** 2).reshape(2, 4, 2, 2)


def test_batch_norm_equals_pytorch_while_training_and_after():
    layer = BatchNorm(3, dtype=float)
    wanted = [
        [-0.27734967142114064, -0.22941549238069703, -0.6527529116793955],
        [1.3867483571057029, 1.6059084466648783, 1.5852570712213894],
        [-1.386748357105703, -1.1470774619034847, 0.09325041595419942],
        [0.27734967142114053, -0.22941549238069703, -1.025754575496193],
    ]
    np.testing.assert_allclose(layer(ROWS).data, wanted, rtol=1e-12)
    np.testing.assert_allclose(layer.running_mean.data, [0.15, 0.25, 0.475], rtol=1e-12)
    np.testing.assert_allclose(
        layer.running_var.data, [1.3333333333333335, 1.5333333333333332, 1.8583333333333334], rtol=1e-12
    )
    layer(ROWS + 1)
    np.testing.assert_allclose(layer.running_mean.data, [0.385, 0.575, 1.0025], rtol=1e-12)
    layer.eval()
    np.testing.assert_allclose(
        layer(ROWS).data[:2],
        [
            [0.48121191671266067, 1.0042826129321936, 1.231513833706865],
            [2.828587120189054, 3.8233215264260707, 4.93067929164989],
        ],
        rtol=1e-12,
    )
    np.testing.assert_allclose(layer.running_mean.data, [0.385, 0.575, 1.0025], rtol=1e-12)  # predicting learns nothing


def test_batch_norm_of_images_equals_pytorch():
    layer = BatchNorm(2, momentum=0.3, eps=1e-3, dtype=float)
    y = layer(IMAGE).data
    np.testing.assert_allclose(
        y.ravel()[:4], [-1.4753774354312754, -0.9577011422974946, -0.4400248491637137, 0.07765144397006712], rtol=1e-12
    )
    np.testing.assert_allclose(layer.running_mean.data, [-0.0225, -0.015], rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.data, [0.9942763157894736, 1.015], rtol=1e-12)


def test_the_others_equal_pytorch():
    wanted = [-1.0491086174759097, -0.9891595536201434, -0.8093123620528446, -0.5095670427740132]
    np.testing.assert_allclose(GroupNorm(2, 4, dtype=float)(SQUARES).data.ravel()[:4], wanted, rtol=1e-12)
    wanted = [-1.2247356859083902, 0.0, 1.2247356859083902]
    np.testing.assert_allclose(LayerNorm(3, dtype=float)(ROWS).data[0], wanted, rtol=1e-12, atol=1e-15)
    wanted = [0.4629095539120194, 0.9258191078240388, 1.3887286617360581]
    np.testing.assert_allclose(RMSNorm(3, dtype=float)(ROWS).data[0], wanted, rtol=1e-12)


def scaled(layer):
    """Give scales and shifts numbers of their own."""
    for number, p in enumerate(layer.parameters()):
        p.data = np.linspace(0.5, 2.0, p.size).reshape(p.shape) + number
    return layer


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (BatchNorm(3, dtype=float), ROWS),
        (BatchNorm(2, dtype=float), IMAGE[..., :2]),
        (BatchNorm(3, dtype=float).eval(), ROWS),
        (LayerNorm(3, dtype=float), ROWS),
        (LayerNorm((2, 2), bias=False, dtype=float), SQUARES[0] / 100),
        (RMSNorm(3, dtype=float), ROWS),
        (GroupNorm(2, 4, dtype=float), SQUARES[:1] / 100),
    ],
    ids=["batch", "images", "predicting", "layer", "last two axes", "rms", "group"],
)
def test_gradients(layer, x):
    names = [name for name, _ in layer.named_parameters()]

    def f(x, *parameters):
        for name, p in zip(names, parameters, strict=True):
            setattr(layer, name, p)
        return (layer(x) ** 3).sum()

    check_grads(f, x, *[p.data for p in scaled(layer).parameters()], rtol=1e-5, atol=1e-7)


def test_scales_and_shifts_come_last():
    layer = scaled(BatchNorm(2, dtype=float))
    plain = BatchNorm(2, dtype=float)(IMAGE).data
    wanted = plain * np.array([0.5, 2.0])[:, None, None] + np.array([1.5, 3.0])[:, None, None]
    np.testing.assert_allclose(layer(IMAGE).data, wanted, rtol=1e-12)
    wanted = (SQUARES - SQUARES.mean((2, 3), keepdims=True)) / np.sqrt(SQUARES.var((2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(LayerNorm([2, 2], dtype=float)(SQUARES).data, wanted, rtol=1e-12)
    np.testing.assert_allclose(GroupNorm(4, 4, dtype=float)(SQUARES).data, wanted, rtol=1e-12)  # one channel a group


def test_running_statistics_are_saved_but_not_trained():
    layer = BatchNorm(3)
    layer(ROWS)
    assert [path for path, _ in layer.named_parameters()] == ["weight", "bias"]
    state = layer.state_dict()
    assert set(state) == {"weight", "bias", "running_mean", "running_var"}
    assert all(array.dtype == np.float32 for array in state.values())
    other = BatchNorm(3)
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.eval()(ROWS).data, layer.eval()(ROWS).data)
    layer.initialize(0)
    assert layer.running_mean.data.tolist() == [0, 0, 0]
    assert layer.running_var.data.tolist() == [1, 1, 1]


def test_a_graph_made_before_an_update_can_still_be_differentiated():
    layer = BatchNorm(3).eval()
    x = Value(ROWS, dtype=np.float32)
    loss = layer(x).sum()
    layer.train()(ROWS)
    loss.backward()
    np.testing.assert_allclose(x.grad, np.full((4, 3), 1 / np.sqrt(1 + 1e-5)), rtol=1e-6)


@pytest.mark.parametrize("layer", [BatchNorm(3), LayerNorm(3), RMSNorm(3), GroupNorm(1, 3)], ids=repr)
def test_float32(layer):
    x = Value(ROWS, dtype=np.float32)
    y = layer(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == layer.weight.grad.dtype == np.float32
    assert layer.eval()(x).dtype == np.float32
    with pytest.raises(TypeError, match="astype"):
        layer(Value(ROWS))
    layer.astype(float)
    assert layer(ROWS).dtype == np.float64
    layer.weight.data = np.full(3, 5.0)
    layer.reset(np.random.default_rng(0))
    assert layer.weight.data.tolist() == [1, 1, 1]
    assert layer.weight.dtype == np.float64


def test_repr():
    assert repr(BatchNorm(3)) == "BatchNorm(3)"
    assert repr(LayerNorm((2, 2), bias=False)) == "LayerNorm((2, 2), bias=False)"
    assert repr(GroupNorm(2, 4, eps=0.1)) == "GroupNorm(2, 4, eps=0.1)"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BatchNorm(0), "BatchNorm wanted features of at least 1"),
        (lambda: BatchNorm(3, momentum=1.5), "momentum from 0 to 1"),
        (lambda: BatchNorm(3, eps=-1.0), "BatchNorm wanted eps of 0 or more"),
        (lambda: LayerNorm(()), "the length of one axis or more"),
        (lambda: LayerNorm((3, 0)), "LayerNorm wanted features of at least 1, got 0"),
        (lambda: RMSNorm(2.5), "RMSNorm wanted features as an integer"),
        (lambda: GroupNorm(3, 4), "groups that divide 4 channels, got 3"),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (BatchNorm(3), (1, 3), r"more than one number for each feature while training, got x of shape \(1, 3\)"),
        (BatchNorm(3), (0, 3), "more than one number"),
        (BatchNorm(3), (5, 4), r"\(batch, 3\) or \(batch, 3, height, width\), got \(5, 4\)"),
        (BatchNorm(3), (3,), r"got \(3,\)"),
        (LayerNorm(3), (5, 4), r"LayerNorm wanted x of shape \(…, 3\), got \(5, 4\)"),
        (RMSNorm((2, 3)), (3,), r"RMSNorm wanted x of shape \(…, 2, 3\), got \(3,\)"),
        (GroupNorm(2, 4), (5, 3), r"GroupNorm wanted x of shape \(batch, 4, …\), got \(5, 3\)"),
    ],
)
def test_bad_inputs(layer, shape, words):
    with pytest.raises(ValueError, match=words):
        layer(np.zeros(shape))


def test_a_batch_of_one_is_fine_for_images_and_for_predicting():
    assert BatchNorm(2, dtype=float)(IMAGE).shape == IMAGE.shape
    assert BatchNorm(3).eval()(ROWS[:1]).shape == (1, 3)
    failed = BatchNorm(3)
    with pytest.raises(ValueError, match="more than one"):
        failed(ROWS[:1])
    assert failed.running_mean.data.tolist() == [0, 0, 0]

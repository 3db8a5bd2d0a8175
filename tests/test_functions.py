"""Functions of networks: hand-worked numbers, closed forms, SciPy, and mistakes that users make."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from autograd_nn import Value
from autograd_nn import functions as fn
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad

RNG = np.random.default_rng(0)
CROSS = np.maximum(np.eye(6), np.eye(6)[::-1])[None, None]
RING = np.zeros((1, 1, 6, 6))
RING[0, 0, [0, 5], 1:5] = RING[0, 0, 1:5, [0, 5]] = 1.0
DIAGONAL = np.eye(3)[None, None]


def array(*shape):
    return RNG.standard_normal(shape)


# maps


def test_linear_with_and_without_bias():
    x, w, b = array(2, 4, 3), array(3, 2), array(2)
    np.testing.assert_allclose(fn.linear(x, w), x @ w, rtol=1e-14)
    np.testing.assert_allclose(fn.linear(x, w, b), x @ w + b, rtol=1e-14)
    check_grads(lambda x, w, b: fn.linear(x, w, b) ** 2, x, w, b)


def test_surfing_perceptron():
    weights, inputs = Value([5.0, 2.0, 4.0]), np.array([1.0, 0.0, 1.0])
    z = fn.linear(inputs, weights.reshape(3, 1), [-3.0])
    assert z.item() == 6.0
    z.backward(np.ones(1))
    np.testing.assert_array_equal(weights.grad, inputs)


@pytest.mark.parametrize(
    ("x", "w", "hint"), [((4, 3), (2, 3), r"Transpose w: linear\(x, w\.T\)"), ((3,), (3,), "in_features")]
)
def test_linear_says_which_shapes_it_wants(x, w, hint):
    with pytest.raises(ValueError, match=hint):
        fn.linear(np.ones(x), np.ones(w))


def test_flatten_goes_by_row():
    flat = fn.flatten(np.arange(36.0).reshape(1, 6, 6))
    np.testing.assert_array_equal(flat, np.arange(36.0)[None])
    with pytest.raises(ValueError, match="batch"):
        fn.flatten(1.0)


def test_normalize():
    x = array(5, 8)
    y = fn.normalize(x, eps=0.0)
    np.testing.assert_allclose(y.mean(-1), np.zeros(5), atol=1e-15)
    np.testing.assert_allclose(y.std(-1), np.ones(5), rtol=1e-12)
    np.testing.assert_allclose(fn.normalize(x, axis=0), (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), rtol=1e-12)
    np.testing.assert_array_equal(fn.normalize(np.ones((2, 3))), np.zeros((2, 3)))
    check_grads(fn.normalize, x[:2, :3])


def test_dropout_keeps_the_mean_and_its_mask():
    x = Value(np.ones(10_000))
    y = fn.dropout(x, 0.25, 0)
    y.sum().backward()
    assert set(np.unique(y.data)) == {0.0, 1 / 0.75}
    np.testing.assert_array_equal(x.grad, y.data)
    assert abs(y.data.mean() - 1.0) < 4 * np.sqrt(0.25 / 0.75 / 10_000)  # four standard errors


def test_dropout_is_reproducible_and_moves_its_generator_on():
    x = np.ones(50)
    np.testing.assert_array_equal(fn.dropout(x, 0.5, 7), fn.dropout(x, 0.5, 7))
    rng = np.random.default_rng(7)
    assert (fn.dropout(x, 0.5, rng) != fn.dropout(x, 0.5, rng)).any()
    assert fn.dropout(x, 0.0, rng) is x
    assert fn.dropout(x.astype("float32"), 0.5, rng).dtype == np.float32


@pytest.mark.parametrize(
    ("p", "rng", "error"), [(1.0, 0, "0 <= p < 1"), (-0.1, 0, "0 <= p < 1"), (0.5, None, "default_rng")]
)
def test_dropout_refuses(p, rng, error):
    with pytest.raises((ValueError, TypeError), match=error):
        fn.dropout(np.ones(3), p, rng)


# convolution and pooling


def test_x_through_the_whole_pipeline():
    y = fn.conv2d(CROSS, DIAGONAL, [-2.0])
    np.testing.assert_array_equal(y[0, 0], [[1, -1, -2, -1], [-1, 1, -1, -2], [-2, -1, 1, -1], [-1, -2, -1, 1]])
    y = fn.relu(y)
    np.testing.assert_array_equal(y[0, 0], np.eye(4))
    np.testing.assert_array_equal(fn.max_pool2d(y)[0, 0], np.eye(2))
    np.testing.assert_array_equal(fn.avg_pool2d(y)[0, 0], 0.5 * np.eye(2))


def test_circle_leaves_no_trace():
    y = fn.max_pool2d(fn.relu(fn.conv2d(RING, DIAGONAL, [-2.0])))
    np.testing.assert_array_equal(y[0, 0], np.zeros((2, 2)))


def test_shift_three():
    assert fn.conv2d(CROSS, DIAGONAL, stride=3).shape == (1, 1, 2, 2)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_same_padding_is_scipys(width):
    x, w = array(1, 1, 7), array(1, 1, width)
    y = fn.conv1d(x, w, padding="same")
    # Of an odd number of zeros the last one goes behind.
    wanted = scipy.signal.correlate(np.pad(x[0, 0], ((width - 1) // 2, width // 2)), w[0, 0], "valid")
    np.testing.assert_allclose(y[0, 0], wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("stride", "size"), [(1, 7), (2, 4), (3, 3)])
def test_same_padding_divides_by_the_stride_and_rounds_up(stride, size):
    assert fn.conv2d(array(1, 1, 7, 7), array(1, 1, 3, 4), stride=stride, padding="same").shape == (1, 1, size, size)


def test_conv2d_equals_scipy():
    x, w, b = array(2, 3, 6, 5), array(4, 3, 3, 2), array(4)
    wanted = np.array(
        [
            [sum(scipy.signal.correlate2d(c, k, "valid") for c, k in zip(image, kernels, strict=True)) for kernels in w]
            for image in x
        ]
    )
    wanted += b[:, None, None]
    np.testing.assert_allclose(fn.conv2d(x, w, b, padding="valid"), wanted, rtol=1e-9, atol=1e-12)


def test_conv3d_and_float32():
    x, w = Value(array(1, 1, 3, 4, 4), dtype="float32"), Value(array(2, 1, 2, 2, 2), dtype="float32")
    y = fn.conv3d(x, w, np.zeros(2, "float32"))
    y.sum().backward()
    assert y.shape == (1, 2, 2, 3, 3)
    assert y.dtype == x.grad.dtype == w.grad.dtype == np.float32


def test_a_small_network_of_images_equals_central_differences():
    def network(x, w, b):
        y = fn.max_pool2d(fn.softplus(fn.conv2d(x, w, b, padding="same")), 2)
        return fn.cross_entropy(fn.flatten(y), np.array([1, 0]))

    check_grads(network, array(2, 1, 4, 4), array(2, 1, 3, 3), array(2))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (
            lambda: fn.conv2d(np.ones((6, 6)), DIAGONAL),
            r"conv2d wanted x of shape \(batch, .*width\), got \(6, 6\)\. Add axes in front: x\[None, None\]",
        ),
        (lambda: fn.conv1d(np.ones((1, 1, 6, 6)), np.ones((1, 1, 3))), r"\(batch, channels, length\), got"),
        (lambda: fn.conv2d(CROSS, np.eye(3)), r"filters of shape \(filters, channels, height, width\), got \(3, 3\)"),
        (lambda: fn.conv2d(CROSS, DIAGONAL, [1.0, 2.0]), r"a bias of shape \(1,\)"),
        (lambda: fn.conv2d(CROSS, DIAGONAL, padding="full"), "'same' or 'valid', got 'full'"),
        (lambda: fn.max_pool2d(np.eye(4)), r"x\[None, None\]"),
        (lambda: fn.max_pool2d(CROSS, (2, 2, 2)), "a number or 2 of them"),
        (lambda: fn.max_pool2d(CROSS, 2, padding=2), "padding smaller than the window"),
        (lambda: fn.max_pool2d(CROSS, 7), "at least 7 elements"),
    ],
)
def test_images_that_do_not_fit(call, error):
    with pytest.raises(ValueError, match=error):
        call()


def test_average_spreads_and_maximum_chooses():
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    np.testing.assert_array_equal(grad(lambda x: fn.avg_pool2d(x).sum())(x), np.full((1, 1, 2, 2), 0.25))
    np.testing.assert_array_equal(grad(lambda x: fn.max_pool2d(x).sum())(x), [[[[0.0, 0.0], [0.0, 1.0]]]])


def test_padded_pools():
    x = -np.ones((1, 1, 3))
    np.testing.assert_array_equal(fn.max_pool1d(x, 2, padding=1)[0, 0], [-1.0, -1.0])
    np.testing.assert_array_equal(fn.avg_pool1d(x, 2, padding=1, stride=1)[0, 0], [-0.5, -1.0, -1.0, -0.5])
    np.testing.assert_array_equal(grad(lambda x: fn.max_pool1d(x, 2, padding=1).sum())(x)[0, 0], [1.0, 0.5, 0.5])


# losses


def test_squared_residuals():
    prediction, target = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    assert fn.mse(prediction, target) == pytest.approx(5 / 3)
    assert fn.mse(prediction, target, reduction="sum") == 5.0
    np.testing.assert_array_equal(fn.mse(prediction, target, reduction="none"), [0.0, 1.0, 4.0])
    np.testing.assert_allclose(grad(fn.mse)(prediction, target), 2 * (prediction - target) / 3)


def test_residuals_of_different_shapes_are_no_accident_waiting_to_happen():
    with pytest.raises(
        ValueError, match=r"one shape, got \(3,\) and \(3, 1\)\. They hold equally many: write target\.reshape"
    ):
        fn.mse(np.ones(3), np.ones((3, 1)))


def test_huber():
    np.testing.assert_allclose(fn.huber(np.array([0.5, -3.0]), np.zeros(2), reduction="none"), [0.125, 2.5])
    np.testing.assert_allclose(grad(fn.huber)(np.array([0.5, -3.0]), np.zeros(2)), [0.25, -0.5])


def test_cross_entropy_worked_example():
    outputs = [1.43, -0.40, 0.23]
    for label, loss in enumerate([0.3795, 2.2095, 1.5795]):
        assert fn.cross_entropy(outputs, label) == pytest.approx(loss, abs=5e-5)
    rows = np.array([outputs] * 3)
    assert fn.cross_entropy(rows, np.arange(3), reduction="sum") == pytest.approx(0.3795 + 2.2095 + 1.5795, abs=2e-4)
    slope = grad(lambda x: fn.cross_entropy(x, 0))(np.array(outputs))
    np.testing.assert_allclose(slope, [-0.3158, 0.1098, 0.2061], atol=5e-5)


def test_cross_entropy_of_probabilities():
    x, y = array(4, 3), np.array([0, 2, 1, 1])
    np.testing.assert_allclose(fn.cross_entropy(x, fn.one_hot(y, 3)), fn.cross_entropy(x, y), rtol=1e-14)
    np.testing.assert_allclose(
        grad(fn.cross_entropy)(x, fn.one_hot(y, 3)), grad(fn.cross_entropy)(x, y), rtol=1e-12, atol=1e-15
    )
    soft = fn.softmax(array(4, 3))
    np.testing.assert_allclose(grad(fn.cross_entropy)(x, soft), (fn.softmax(x) - soft) / 4, rtol=1e-12, atol=1e-15)


def test_losses_are_finite_however_bad_the_prediction():
    x = Value(np.array([[1000.0, -1000.0], [-1000.0, 1000.0]]))
    loss = fn.cross_entropy(x, [1, 0])
    loss.backward()
    assert loss.item() == 2000.0
    np.testing.assert_array_equal(x.grad, [[0.5, -0.5], [-0.5, 0.5]])
    z = Value(np.array([1000.0, -1000.0]))
    loss = fn.binary_cross_entropy(z, np.array([0.0, 1.0]))
    loss.backward()
    assert loss.item() == 1000.0
    np.testing.assert_array_equal(z.grad, [0.5, -0.5])


def test_binary_cross_entropy_is_two_class_cross_entropy():
    z, y = array(6), np.array([0, 1, 1, 0, 1, 0])
    two = np.stack([np.zeros(6), z], axis=1)
    np.testing.assert_allclose(fn.binary_cross_entropy(z, y), fn.cross_entropy(two, y), rtol=1e-13)


def test_nll_of_log_softmax_is_cross_entropy():
    x, y = array(4, 3), np.array([0, 2, 1, 1])
    for reduction in ("mean", "sum", "none"):
        np.testing.assert_allclose(
            fn.nll_loss(fn.log_softmax(x), y, reduction=reduction),
            fn.cross_entropy(x, y, reduction=reduction),
            rtol=1e-13,
        )


def test_gradient_of_logistic_regression():
    x, y = array(4, 3), np.array([0.0, 1.0, 1.0, 0.0])
    w = array(3)
    g = grad(lambda w: fn.binary_cross_entropy(x @ w, y, reduction="sum"))(w)
    np.testing.assert_allclose(g, x.T @ (1 / (1 + np.exp(-(x @ w))) - y), atol=1e-10)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: fn.cross_entropy(np.zeros((2, 3)), [0.0, 1.0]), r"labels\.astype\(int\)"),
        (lambda: fn.cross_entropy(np.zeros((2, 3)), [0, 3]), "from 0 to 2"),
        (lambda: fn.cross_entropy(np.zeros(4), np.array([0.0, 1.0, 1.0, 0.0])), "binary_cross_entropy"),
        (
            lambda: fn.cross_entropy(np.zeros((2, 3)), [0, 1], reduction="average"),
            "'mean', 'sum' or 'none', got 'average'",
        ),
        (lambda: fn.nll_loss(np.zeros((2, 3)), [[0, 1]]), r"of shape \(2,\), got \(1, 2\)"),
        (lambda: fn.nll_loss(np.zeros((2, 3)), [0.5, 1]), "integer labels"),
        (lambda: fn.one_hot([0, 3], 3), "from 0 to 2, got 0 to 3"),
        (lambda: fn.binary_cross_entropy(np.zeros(2), np.zeros((2, 1))), "one shape"),
    ],
)
def test_labels_that_do_not_fit(call, error):
    with pytest.raises((ValueError, TypeError), match=error):
        call()


def test_one_hot():
    np.testing.assert_array_equal(fn.one_hot([[0], [2]], 3), [[[1, 0, 0]], [[0, 0, 1]]])
    empty = fn.one_hot(np.zeros(0, int), 3, dtype="float32")
    assert (empty.shape, empty.dtype) == ((0, 3), np.float32)

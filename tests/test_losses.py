"""Losses: numbers computed with PyTorch 2 in float64, closed forms, weights as repeated rows, and users' mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, functions, losses
from autograd_nn.functions import log_softmax, one_hot, softmax
from autograd_nn.losses import LOSSES, loss_function
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad
from autograd_nn.vmap import vmap

Z = np.array([[1.43, -0.40, 0.23], [0.5, 2.0, -1.0], [-0.3, 0.1, 0.7], [3.0, -2.0, 0.0]])
LABELS = np.array([0, 2, 1, 1])
CLASSES = np.array([0.5, 2.0, 1.5])  # weights of classes
SOFT = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
COUNTS = np.array([[1.0, 0, 2], [3, 1, 0], [0, 0, 5], [2, 2, 2]])
YES = np.array([[1.0, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0.25, 1]])
BINARY = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])

# What each loss is called with, besides the prediction.
TARGETS = {
    "ssr": COUNTS,
    "mse": COUNTS,
    "mae": COUNTS,
    "huber": COUNTS,
    "poisson": COUNTS,
    "cross_entropy": LABELS,
    "nll_loss": LABELS,
    "binary_cross_entropy": YES,
    "hinge": LABELS,
    "kl_divergence": SOFT,
}

PYTORCH = [
    ("cross_entropy", LABELS, {}, 2.4816084707115795, [-0.078955480756, 0.02743786158, 0.051517619176]),
    (
        "cross_entropy",
        LABELS,
        {"class_weight": CLASSES},
        2.9438177573638327,
        [-0.026318493585, 0.00914595386, 0.017172539725],
    ),
    (
        "cross_entropy",
        LABELS,
        {"label_smoothing": 0.1},
        2.4093584707115796,
        [-0.062288814089, 0.019104528247, 0.043184285842],
    ),
    (
        "cross_entropy",
        LABELS,
        {"class_weight": CLASSES, "label_smoothing": 0.1},
        2.8284122901351454,
        [-0.011260464738, -0.000440831608, 0.011701296346],
    ),
    (
        "cross_entropy",
        LABELS,
        {"class_weight": CLASSES, "label_smoothing": 0.1, "ignore_index": 2},
        2.7527841446154278,
        [-0.015013952985, -0.000587775477, 0.015601728461],
    ),
    (
        "cross_entropy",
        SOFT,
        {"label_smoothing": 0.2},
        1.7643084707115797,
        [0.014377852577, -0.029228805086, 0.014850952509],
    ),
    (
        "cross_entropy",
        SOFT,
        {"class_weight": CLASSES, "reduction": "sum"},
        9.576782962714558,
        [0.265760269279, -0.301223698311, 0.035463429032],
    ),
    ("kl_divergence", SOFT, {}, 1.1319368447257792, [-0.003955480756, -0.02256213842, 0.026517619176]),
    ("poisson", COUNTS, {}, 2.4753241759452256, [0.264891599327, 0.055860003836, -0.061783332506]),
    ("binary_cross_entropy", YES, {}, 0.8080984576611695, [-0.016091557019, 0.033442694991, -0.036896012117]),
    (
        "binary_cross_entropy",
        YES,
        {"class_weight": [1.0, 3.0], "reduction": "sum"},
        16.996897810122675,
        [-0.5792960527, 0.401312339888, -1.328256436204],
    ),
    ("mae", COUNTS, {}, 1.5666666666666664, [1 / 12, -1 / 12, -1 / 12]),
    ("mse", COUNTS, {}, 4.276483333333333, [0.071666666667, -0.066666666667, -0.295]),
    ("ssr", COUNTS, {}, 12 * 4.276483333333333, [12 * 0.071666666667, -0.8, -12 * 0.295]),
    ("huber", COUNTS, {"delta": 1.5}, 1.4960375, [0.035833333333, -0.033333333333, -0.125]),
    ("hinge", LABELS, {}, 1.475, [0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("name", "target", "settings", "loss", "slope"), PYTORCH)
def test_equals_pytorch(name, target, settings, loss, slope):
    f = LOSSES[name]
    assert f(Z, target, **settings) == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(grad(lambda z: f(z, target, **settings))(Z)[0], slope, atol=1e-11)


def test_the_loss_of_each_sample_equals_pytorch():
    def each(name, target, **settings):
        return LOSSES[name](Z, target, reduction="none", **settings)

    wanted = [0.40339661179263436, 0.0, 2.3944939172476376, 9.589638121729152]
    came = each("cross_entropy", LABELS, class_weight=CLASSES, label_smoothing=0.1, ignore_index=2)
    np.testing.assert_allclose(came, wanted, rtol=1e-13)
    wanted = [1.253583343908636, 2.672294769150025, 0.8253001510123201, 4.825604698643577]
    np.testing.assert_allclose(each("cross_entropy", SOFT, class_weight=CLASSES), wanted, rtol=1e-13)
    wanted = [0.06371849624403583, 1.0481641160972117, 1.6506003020246403, 1.7652644645372293]
    np.testing.assert_allclose(each("kl_divergence", SOFT), wanted, rtol=1e-13)
    np.testing.assert_allclose(each("hinge", LABELS), [0.0, 13 / 6, 2.2 / 3, 3.0], rtol=1e-13)
    assert losses.nll_loss(log_softmax(Z), LABELS, class_weight=CLASSES, ignore_index=0) == pytest.approx(
        3.176934185416238, rel=1e-13
    )


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_equal_central_differences(name):
    f, target = LOSSES[name], TARGETS[name]
    z = Z + 0.0137  # away from kinks
    check_grads(lambda z: f(z, target), z)
    check_grads(lambda z: f(z, target, weight=[1.0, 0.5, 0.0, 2.0], reduction="none"), z)


@pytest.mark.parametrize(("name", "target"), [("cross_entropy", SOFT), ("kl_divergence", SOFT), ("mse", COUNTS)])
def test_targets_have_derivatives_too(name, target):
    f = LOSSES[name]
    inside = (lambda t: t) if name == "mse" else softmax  # probabilities have to stay probabilities
    check_grads(lambda z, t: f(z, inside(t)), Z, target)


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_agree(name):
    f, target = LOSSES[name], TARGETS[name]
    each = f(Z, target, reduction="none")
    assert f(Z, target, reduction="sum") == pytest.approx(each.sum())
    assert f(Z, target, reduction="mean") == pytest.approx(each.mean())
    weights = np.array([1.0, 0.5, 0.0, 2.0])
    column = weights.reshape(-1, *[1] * (each.ndim - 1)) * np.ones(each.shape)
    np.testing.assert_allclose(f(Z, target, weight=weights, reduction="none"), column * each, rtol=1e-14)
    assert f(Z, target, weight=weights, reduction="sum") == pytest.approx((column * each).sum())
    assert f(Z, target, weight=weights, reduction="mean") == pytest.approx((column * each).sum() / column.sum())


@pytest.mark.parametrize("name", LOSSES)
@given(counts=st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any))
def test_a_weight_is_as_good_as_repeating_the_row(name, counts):
    f, target = LOSSES[name], TARGETS[name]
    repeated = f(np.repeat(Z, counts, axis=0), np.repeat(target, counts, axis=0), reduction="mean")
    assert f(Z, target, weight=counts, reduction="mean") == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_float32_stays_float32(name):
    f, target = LOSSES[name], TARGETS[name]
    target = target.astype(np.float32) if target.dtype.kind == "f" else target
    settings = {"weight": [1.0, 2.0, 3.0, 4.0]}
    if name in ("cross_entropy", "nll_loss", "hinge"):
        settings["class_weight"] = [1.0, 2.0, 3.0]
    if name == "binary_cross_entropy":
        settings |= {"class_weight": [1.0, 2.0], "label_smoothing": 0.1}
    if name == "cross_entropy":
        settings |= {"label_smoothing": 0.1, "ignore_index": 0}
    for given_ in ({}, settings):
        z = Value(Z, dtype=np.float32)
        loss = f(z, target, **given_)
        loss.backward()
        assert (loss.dtype, z.grad.dtype) == (np.float32, np.float32)


# closed forms


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "ssr", "poisson", "binary_cross_entropy", "hinge"])
def test_whole_targets_leave_float32_alone(name):
    """Labels and counts are integers, and int64 with float32 would be float64."""
    z, y = np.array([0.5, -1.0, 2.0], np.float32), np.array([1, 1, 1])
    value = Value(z)
    loss = LOSSES[name](value, y)
    loss.backward()
    assert loss.dtype == value.grad.dtype == np.float32
    exact = LOSSES[name](z.astype(float), y.astype(float))
    np.testing.assert_allclose(loss.data, exact, rtol=1e-6)


def test_one_hot_probabilities_are_labels():
    for settings in (
        {},
        {"class_weight": CLASSES},
        {"class_weight": CLASSES, "label_smoothing": 0.3, "weight": range(4)},
    ):
        came = losses.cross_entropy(Z, one_hot(LABELS, 3), **settings)
        assert came == pytest.approx(losses.cross_entropy(Z, LABELS, **settings), rel=1e-13)


def test_ignored_rows_are_as_good_as_left_out():
    labels = np.array([0, -1, 1, -1])
    for settings in ({}, {"class_weight": CLASSES}, {"label_smoothing": 0.2}):
        came = losses.cross_entropy(Z, labels, ignore_index=-1, **settings)
        assert came == pytest.approx(losses.cross_entropy(Z[::2], labels[::2], **settings))
    slope = grad(lambda z: losses.cross_entropy(z, labels, ignore_index=-1))(Z)
    assert not slope[1::2].any()
    assert slope[::2].all()
    sentences = np.array([[0, 2, -1], [1, -1, -1]])  # a batch of sequences of different length
    z = np.random.default_rng(0).normal(size=(2, 3, 4))
    came = losses.cross_entropy(z, sentences, ignore_index=-1)
    each = -log_softmax(z)
    assert came == pytest.approx((each[0, 0, 0] + each[0, 1, 2] + each[1, 0, 1]) / 3)


def test_binary_cross_entropy_is_two_class_cross_entropy_with_all_settings():
    z, y = Z.ravel(), (Z.ravel() > 0.2).astype(int)
    two = np.stack([np.zeros_like(z), z], axis=-1)
    for settings in (
        {},
        {"label_smoothing": 0.2},
        {"class_weight": [0.5, 3.0]},
        {"class_weight": [0.5, 3.0], "label_smoothing": 0.2, "weight": np.arange(12)},
    ):
        came = losses.binary_cross_entropy(z, y, **settings)
        assert came == pytest.approx(losses.cross_entropy(two, y, **settings), rel=1e-12)


def test_kl_divergence_equals_scipys_and_vanishes_at_the_truth():
    wanted = [scipy.stats.entropy(p, q) for p, q in zip(SOFT, softmax(Z), strict=True)]
    np.testing.assert_allclose(losses.kl_divergence(Z, SOFT, reduction="none"), wanted, rtol=1e-12)
    assert losses.kl_divergence(Z, softmax(Z)) == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(
        grad(lambda z: losses.kl_divergence(z, SOFT))(Z), (softmax(Z) - SOFT) / 4, rtol=1e-12, atol=1e-15
    )


def test_poisson_is_the_likelihood_and_is_least_at_the_mean():
    each = losses.poisson(Z, COUNTS, reduction="none")
    np.testing.assert_allclose(
        each, -scipy.stats.poisson.logpmf(COUNTS, np.exp(Z)) - np.vectorize(math.lgamma)(COUNTS + 1), rtol=1e-10
    )
    counts = np.array([3.0, 5.0, 1.0, 7.0])
    assert grad(lambda z: losses.poisson(z * np.ones(4), counts))(math.log(4.0)) == pytest.approx(0.0, abs=1e-15)


def test_hinge_of_two_classes_is_micrograds():
    scores, labels = np.array([2.0, 0.5, -1.0, -3.0]), np.array([1, 1, 1, -1])
    np.testing.assert_array_equal(losses.hinge(scores, labels, reduction="none"), [0.0, 0.5, 2.0, 0.0])
    np.testing.assert_array_equal(
        grad(lambda s: losses.hinge(s, labels, reduction="sum"))(scores), [0.0, -1.0, -1.0, 0.0]
    )
    assert losses.hinge(scores, labels, margin=0.25) == 1.25 / 4
    weighted = losses.hinge(scores, labels, class_weight=[3.0, 1.0])  # (0 + 0.5 + 2 + 0) / (1 + 1 + 1 + 3)
    assert weighted == pytest.approx(2.5 / 6)
    assert losses.hinge(Z, LABELS, class_weight=CLASSES) == pytest.approx(
        (0 + 1.5 * 13 / 6 + 2 * 2.2 / 3 + 2 * 3.0) / (0.5 + 1.5 + 2 + 2)
    )
    check_grads(lambda s: losses.hinge(s, BINARY), Z + 0.0137)


VMAPPED = [
    ("mse", COUNTS, {"weight": [1.0, 2.0, 3.0]}),
    ("poisson", COUNTS, {}),
    ("cross_entropy", LABELS, {}),
    ("cross_entropy", LABELS, {"label_smoothing": 0.1, "class_weight": CLASSES}),
    ("cross_entropy", LABELS, {"ignore_index": 1, "reduction": "sum"}),
    ("cross_entropy", SOFT, {"class_weight": CLASSES}),
    ("nll_loss", LABELS, {}),
    ("binary_cross_entropy", YES, {"class_weight": [1.0, 2.0], "label_smoothing": 0.1}),
    ("hinge", LABELS, {}),
    ("hinge", BINARY, {"class_weight": [1.0, 2.0]}),
    ("kl_divergence", SOFT, {}),
]


@pytest.mark.parametrize(("name", "target", "settings"), VMAPPED)
def test_gradients_of_each_sample_by_vmap(name, target, settings):
    def slope(z, t):
        return grad(lambda z: LOSSES[name](z, t, **settings))(z)

    wanted = [slope(z, t) for z, t in zip(Z, target, strict=True)]
    np.testing.assert_allclose(vmap(slope)(Z, target), wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [-1000.0, 1000.0])
def test_finite_however_bad_the_prediction(name, size):
    if name == "poisson" and size > 0:
        pytest.skip("a rate of exp(1000) is beyond any float: see the next test")
    f = LOSSES[name]
    prediction = Value(np.array([[size, -size, 0.0]]) if name != "poisson" else np.full((1, 3), size))
    settings = [{}]
    if name == "cross_entropy":
        settings += [{"label_smoothing": 0.1}, {"class_weight": CLASSES, "ignore_index": -1}]
    if name == "binary_cross_entropy":
        settings += [{"label_smoothing": 0.1}, {"class_weight": [1.0, 2.0]}]
    for given_ in settings:
        for row in range(4):
            prediction.zero_grad()
            loss = f(prediction, TARGETS[name][row : row + 1], **given_)
            loss.backward()
            assert np.isfinite(loss.item())
            assert np.isfinite(prediction.grad).all()


def test_poisson_beyond_the_largest_float_is_infinite_not_nan():
    z = Value(np.array([1000.0]))
    with pytest.warns(RuntimeWarning, match="overflow"):
        loss = losses.poisson(z, [3.0])
    loss.backward()
    assert loss.item() == z.grad[0] == math.inf


def test_weights_may_be_values():
    w = Value(np.array([1.0, 2.0, 0.5, 1.5]))
    check_grads(lambda w: losses.mse(Z[:, 0], COUNTS[:, 0], weight=w), w.data)
    check_grads(lambda c: losses.cross_entropy(Z, LABELS, class_weight=c), CLASSES)


def test_labels_may_be_values():
    labels = Value(LABELS, requires_grad=False, dtype=int)
    for f in (losses.cross_entropy, losses.nll_loss, losses.hinge):
        assert f(Z, labels).item() == pytest.approx(f(Z, LABELS))
    ignoring = losses.cross_entropy(Z, labels, ignore_index=2, class_weight=CLASSES)
    assert ignoring.item() == pytest.approx(losses.cross_entropy(Z, LABELS, ignore_index=2, class_weight=CLASSES))


def test_found_by_name_and_in_functions():
    for name, f in LOSSES.items():
        assert loss_function(name) is f is getattr(functions, name)
    assert loss_function(abs) is abs
    with pytest.raises(ValueError, match="no loss 'rmse': wanted one of ssr, mse, mae"):
        loss_function("rmse")
    with pytest.raises(TypeError, match="a name or a function"):
        loss_function(3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: losses.mse(Z, COUNTS, weight=np.ones(3)), r"one weight for each sample, of shape \(4,\) or \(4, 3\)"),
        (lambda: losses.mse(Z[:, 0], COUNTS[:, 0], weight=np.ones((4, 1))), r"of shape \(4,\), got \(4, 1\)"),
        (lambda: losses.mse(Z, COUNTS, weight=2.0), r"got \(\)"),
        (lambda: losses.mse(Z, COUNTS, weight=[1, 1, 1, -1]), "weight of 0 or more, finite; got -1 to 1"),
        (lambda: losses.mse(Z, COUNTS, weight=[1, 1, 1, np.nan]), "finite; got nan"),
        (lambda: losses.mse(Z, COUNTS, weight=[0, 0, 0, 0]), "mse: all samples have weight 0 or are ignored"),
        (lambda: losses.mse(np.zeros((0, 3)), np.zeros((0, 3))), r"mse: there are no samples.*\(0, 3\)"),
        (lambda: losses.cross_entropy(np.zeros((0, 3)), np.zeros(0, int)), "cross_entropy: there are no samples"),
        (lambda: losses.huber(Z, COUNTS, delta=0), "delta above 0"),
        (lambda: losses.poisson(Z, -COUNTS), "counts of 0 or more as target, got -5 to -0"),
        (lambda: losses.mae(Z, COUNTS[0]), "one shape"),
        (lambda: losses.mae(Z, COUNTS, reduction="avg"), "mae wanted reduction='mean', 'sum' or 'none', got 'avg'"),
        (lambda: losses.ssr(Z, COUNTS[0]), "ssr wanted"),
        (lambda: losses.cross_entropy(Z, LABELS, class_weight=[1, 2]), r"class_weight of shape \(3,\).*got \(2,\)"),
        (lambda: losses.cross_entropy(Z, LABELS, class_weight=[1, 2, -3]), "class_weight of 0 or more"),
        (lambda: losses.cross_entropy(Z, LABELS, label_smoothing=1.5), "label_smoothing from 0 to 1, got 1.5"),
        (lambda: losses.cross_entropy(Z, LABELS, ignore_index=1.0), "an integer as ignore_index"),
        (lambda: losses.cross_entropy(Z, SOFT, ignore_index=1), "ignore_index is for integer labels"),
        (lambda: losses.cross_entropy(Z, [-1] * 4, ignore_index=-1), "all samples have weight 0 or are ignored"),
        (lambda: losses.cross_entropy(Z, [0, 1, 2, -1], weight=[1] * 4), "labels from 0 to 2, got -1 to 2"),
        (lambda: losses.cross_entropy(Z, LABELS[:3], weight=[1] * 4), r"one label for each row, of shape \(4,\)"),
        (lambda: losses.cross_entropy(Z, 1.5 - SOFT), "got sums 3.5"),
        (lambda: losses.cross_entropy(Z, np.full((4, 3), np.nan)), "got sums nan"),
        (lambda: losses.kl_divergence(Z, SOFT - [[0.5, -0.5, 0.0]]), "probabilities from 0 to 1, got -0.5 to "),
        (lambda: losses.kl_divergence(1.0, 1.0), "got scalars"),
        (lambda: losses.binary_cross_entropy(Z, BINARY), r"from 0 to 1, got -1 to 1\. Write \(labels \+ 1\) / 2"),
        (lambda: losses.binary_cross_entropy(Z, 2 * YES), "from 0 to 1, got 0 to 2"),
        (lambda: losses.hinge(Z, YES), r"labels -1 and 1 .* got 0 to 1: write 2 \* labels - 1"),
        (lambda: losses.hinge(Z, [0, 1, 2, 3]), "hinge wanted labels from 0 to 2, got 0 to 3"),
        (lambda: losses.nll_loss(Z, [0.5] * 4), "integer labels"),
    ],
)
def test_mistakes(call, error):
    with pytest.raises((ValueError, TypeError), match=error):
        call()

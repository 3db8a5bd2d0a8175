"""Attention: PyTorch's numbers, masks, central differences, bad inputs."""

import math

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.nn import MultiHeadAttention, attention, attention_weights
from autograd_nn.testing import check_grads


def wave(start, *shape):
    """Numbers that look random and can be written down in any language: sin(start + 1.7 n)."""
    return np.sin(start + 1.7 * np.arange(np.prod(shape))).reshape(shape)


def numbers(text):
    return np.array(text.split(), float)


# torch.nn.MultiheadAttention(4, 2) (PyTorch 2.13.0, float64, batch_first=True). Weights, transposed, of query, key,
# value and output are wave(0, 4, 4), wave(1, …), wave(2, …), wave(4, …); the biases of the first three together are
# wave(3, 12), that of the output wave(5, 4). Queries wave(6, 2, 2, 4), keys = values wave(7, 2, 3, 4), loss = Σ output
# · wave(8, 2, 2, 4). Query 0 does not look at key 1, the second sequence has no key 2.
PYTORCH = {
    "output": numbers(
        "-0.92732432006 0.73758309668 0.73725727787 -0.92756617895 -0.92911181054 0.68108399941 0.75360396359 "
        "-0.87527944259 -0.92521579057 1.5592953824 0.52340254057 -1.6941704537 -0.92166821704 1.8485309821 "
        "0.44532213788 -1.9632855934"
    ),
    "weights": numbers(
        "0.44638176767 0.0 0.55361823233 0.31116189366 0.32876662489 0.36007148145 0.44718404787 0.0 0.55281595213 "
        "0.30998978474 0.32853042373 0.36147979154 1.0 0.0 0.0 0.46061343874 0.53938656126 0.0 1.0 0.0 0.0 "
        "0.46088133716 0.53911866284 0.0"
    ),
    "query": numbers(
        "0.026027713117 0.029522372693 0.025305640341 0.014478947715 0.059597557211 0.060502213558 0.045603388045 "
        "0.018792728677 0.0 0.0 0.0 0.0 0.09162696988 0.082682111792 0.052140271097 0.0079791298837"
    ),
    "key": numbers(
        "0.1595608961 -0.17301718169 -0.4604023032 -0.62752803221 0.11262046851 -0.13248407133 -0.34298310676 "
        "-0.46389323317 0.38868532982 -0.0061967705076 -0.39946024327 -0.68838269548 0.49305925134 -1.0634066592 "
        "-2.3421054128 -3.0090344768 0.30070948741 -0.30648946115 -0.8336318241 -1.1430253703 0.0 0.0 0.0 0.0"
    ),
    "query_weight": numbers(
        "0.019114521176 0.085037405739 -0.0016654966697 -0.009946828137 -0.046127366951 -0.13394221471 "
        "-0.14388666129 -0.20888299238 -0.0072280066404 -0.050521971901 0.038743504889 0.063773675176 0.047989944672 "
        "0.14696117055 0.1339028867 0.19244921852"
    ),
}
MAY_LOOK = np.array([[True, False, True], [True, True, True]])
THERE = np.array([[True, True, True], [True, True, False]])


def load(layer):
    layer.load_state_dict(
        {
            **{f"{name}.weight": wave(i, 4, 4) for i, name in enumerate(("query", "key", "value"))},
            **{f"{name}.bias": wave(3, 12)[4 * i : 4 * i + 4] for i, name in enumerate(("query", "key", "value"))},
            "output.weight": wave(4, 4, 4),
            "output.bias": wave(5, 4),
        }
    )
    return layer


@pytest.mark.parametrize("additive", [False, True])
def test_equals_pytorch(additive):
    layer = load(MultiHeadAttention(4, 2, dtype=float))
    q, k = Value(wave(6, 2, 2, 4)), Value(wave(7, 2, 3, 4))
    mask = np.where(MAY_LOOK, 0.0, -np.inf) if additive else MAY_LOOK
    y, weights = layer(q, k, mask=mask, key_mask=THERE, weights=True)
    (y * wave(8, 2, 2, 4)).sum().backward()
    np.testing.assert_allclose(y.data.ravel(), PYTORCH["output"], atol=1e-9)
    np.testing.assert_allclose(weights.data.ravel(), PYTORCH["weights"], atol=1e-9)
    np.testing.assert_allclose(q.grad.ravel(), PYTORCH["query"], atol=1e-9)
    np.testing.assert_allclose(k.grad.ravel(), PYTORCH["key"], atol=1e-9)
    np.testing.assert_allclose(layer.query.weight.grad.ravel(), PYTORCH["query_weight"], atol=1e-9)


def test_attention_by_hand():
    q = np.array([[0.0], [math.log(3.0)]])
    k, v = np.array([[0.0], [1.0]]), np.array([[10.0, 0.0], [20.0, 4.0]])
    # Scores of query 1 are 0 and log 3: weights 1/4 and 3/4. Query 0 takes the plain mean.
    np.testing.assert_allclose(attention_weights(q, k), [[0.5, 0.5], [0.25, 0.75]], rtol=1e-15)
    np.testing.assert_allclose(attention(q, k, v), [[15.0, 2.0], [17.5, 3.0]], rtol=1e-15)
    # with four features scores are divided by 2
    wide = attention_weights(np.full((1, 4), math.log(3.0)), np.array([[0.0] * 4, [0.5] * 4]))
    np.testing.assert_allclose(wide, [[0.25, 0.75]], rtol=1e-15)


def test_causal_queries_see_the_past_only():
    q, k, v = wave(1, 2, 5, 3), wave(2, 2, 5, 3), wave(3, 2, 5, 4)
    y = attention(q, k, v, causal=True)
    np.testing.assert_allclose(y[:, 0], v[:, 0], rtol=1e-15)
    for t in range(5):
        np.testing.assert_allclose(y[:, t], attention(q, k[:, : t + 1], v[:, : t + 1])[:, t], rtol=1e-13)
    x = Value(v)
    attention(q, k, x, causal=True)[:, 2].sum().backward()
    assert not x.grad[:, 3:].any()
    assert x.grad[:, :3].all()


@pytest.mark.parametrize("kind", ["booleans", "floats", "value"])
def test_a_query_with_nothing_to_look_at_gets_0(kind):
    allowed = np.array([[True, True], [False, False], [True, False]])
    mask = {
        "booleans": allowed,
        "floats": np.where(allowed, 0.0, -np.inf),
        "value": Value(allowed, dtype=bool, requires_grad=False),
    }[kind]
    q, k, v = Value(wave(1, 3, 2)), Value(wave(2, 2, 2)), Value(wave(3, 2, 2))
    y = attention(q, k, v, mask=mask)
    assert y.data[1].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(y.data[2], v.data[0])
    (y * y).sum().backward()
    assert q.grad[1].tolist() == [0.0, 0.0]
    assert np.isfinite([*q.grad.ravel(), *k.grad.ravel(), *v.grad.ravel()]).all()


def test_an_additive_mask_shifts_the_scores():
    q, k = wave(1, 2, 3), wave(2, 4, 3)
    bias = wave(3, 2, 4)
    scores = q @ k.T / np.sqrt(3) + bias
    expected = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(attention_weights(q, k, mask=bias), expected, rtol=1e-13)


def test_masks_combine():
    layer = MultiHeadAttention(4, 2, dtype=float, rng=0)
    x = wave(1, 2, 3, 4)
    mask = np.array([[True, True, True], [False, True, True], [True, True, False]])
    there = np.array([[True, True, True], [True, False, True]])
    full = mask[None, None] & there[:, None, None] & np.tri(3, dtype=bool)
    expected = layer(x, mask=np.repeat(full, 2, axis=1)).data
    np.testing.assert_array_equal(layer(x, mask=mask, key_mask=there, causal=True).data, expected)
    np.testing.assert_array_equal(layer(x, mask=full[:, 0]).data, expected)
    floats = np.where(mask, 0.0, -np.inf)
    np.testing.assert_allclose(layer(x, mask=floats, key_mask=there, causal=True).data, expected, atol=1e-15)


def test_padded_keys_get_a_gradient_of_exactly_0():
    layer = MultiHeadAttention(4, 2, dtype=float, rng=0)
    k = Value(wave(2, 2, 3, 4))
    y = layer(wave(1, 2, 5, 4), k, key_mask=[[True, True, True], [True, False, False]])
    (y * y).sum().backward()
    assert not k.grad[1, 1:].any()
    assert k.grad[0].all()


def test_gradients_of_attention():
    mask = np.array([[True, False, True], [False, False, False]])
    check_grads(lambda q, k, v: attention(q, k, v, mask=mask), wave(1, 2, 2), wave(2, 3, 2), wave(3, 3, 2))
    check_grads(lambda q, k, v: attention(q, k, v, causal=True), wave(1, 3, 2), wave(2, 3, 2), wave(3, 3, 1))
    check_grads(lambda q, k, bias: attention_weights(q, k, mask=bias), wave(1, 2, 2), wave(2, 3, 2), wave(3, 2, 3))


def test_gradients_of_the_layer():
    layer = MultiHeadAttention(4, 2, key_features=3, value_features=2, dtype=float, rng=0)
    parts = [layer.query, layer.key, layer.value, layer.output]

    def f(q, k, v, *weights):
        for part, w in zip(parts, weights, strict=True):
            part.weight = w
        return layer(q, k, v, key_mask=[[True, True, False]])

    weights = [part.weight.data.copy() for part in parts]
    check_grads(f, wave(1, 1, 2, 4), wave(2, 1, 3, 3), wave(3, 1, 3, 2), *weights, order=1)


def test_self_attention_is_the_default():
    layer = MultiHeadAttention(6, 3, rng=0)
    x = wave(1, 2, 4, 6)
    np.testing.assert_array_equal(layer(x).data, layer(x, x, x).data)
    assert layer(x).dtype == np.float32
    without_order = layer(x[:, ::-1]).data[:, ::-1]  # the order of a sequence is nothing to attention
    np.testing.assert_allclose(layer(x).data, without_order, atol=1e-6)


def test_dropout_of_weights():
    layer = MultiHeadAttention(4, 1, dropout=0.5, rng=0)
    x = wave(1, 2, 8, 4)
    a, b = layer(x).data, layer(x).data
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(MultiHeadAttention(4, 1, dropout=0.5, rng=0)(x).data, a)
    plain = MultiHeadAttention(4, 1, rng=1)
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.eval()(x).data, plain(x).data)


def test_parameters():
    layer = MultiHeadAttention(4, 2, key_features=3, rng=0)
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        "query.weight": (4, 4),
        "query.bias": (4,),
        "key.weight": (3, 4),
        "key.bias": (4,),
        "value.weight": (3, 4),
        "value.bias": (4,),
        "output.weight": (4, 4),
        "output.bias": (4,),
    }
    assert len(MultiHeadAttention(4, 2, bias=False).parameters()) == 4
    assert repr(layer).startswith("MultiHeadAttention(4, 2, key_features=3,")


@pytest.mark.parametrize(
    ("shapes", "options", "kind", "words"),
    [
        (((2, 3), (2, 4), (2, 4)), {}, ValueError, r"equally many features, got \(2, 3\) and \(2, 4\)"),
        (((3,), (2, 3), (2, 4)), {}, ValueError, r"got \(3,\) and \(2, 3\)"),
        (((2, 3), (5, 3), (4, 3)), {}, ValueError, r"a value for each of 5 keys, .* got \(4, 3\)"),
        (((2, 3), (5, 3), (5,)), {}, ValueError, "a value for each of 5 keys"),
        (
            ((2, 3), (5, 3), (5, 3)),
            {"mask": np.ones((5, 2), bool)},
            ValueError,
            r"broadcasts to .*\(2, 5\), got \(5, 2\)",
        ),
        (((2, 3), (5, 3), (5, 3)), {"mask": np.ones((1, 2, 5), bool)}, ValueError, r"got \(1, 2, 5\)"),
        (((2, 3), (5, 3), (5, 3)), {"mask": np.ones((2, 5), int)}, TypeError, r"got int64: mask.astype\(bool\)"),
    ],
)
def test_bad_inputs_of_attention(shapes, options, kind, words):
    with pytest.raises(kind, match=words):
        attention(*map(np.zeros, shapes), **options)


@pytest.mark.parametrize(
    ("arrays", "options", "kind", "words"),
    [
        ([(3, 4)], {}, ValueError, r"its query of shape \(batch, time, 4\), got \(3, 4\)"),
        ([(2, 3, 5)], {}, ValueError, r"its query of shape \(batch, time, 4\), got \(2, 3, 5\)"),
        ([(2, 3, 4), (2, 3, 5)], {}, ValueError, "its key of shape"),
        ([(2, 3, 4), (1, 3, 4)], {}, ValueError, "wanted one batch"),
        ([(2, 3, 4), (2, 5, 4), (2, 6, 4)], {}, ValueError, "a value for each key"),
        (
            [(2, 3, 4)],
            {"mask": np.ones((2, 3), bool)},
            ValueError,
            r"mask of shape .*\(3, 3\), \(2, 3, 3\), .*got \(2, 3\)",
        ),
        ([(2, 3, 4)], {"mask": np.ones((3, 3), int)}, TypeError, "mask of booleans"),
        ([(2, 3, 4)], {"key_mask": np.ones((3, 2), bool)}, ValueError, r"key_mask of booleans of shape \(2, 3\)"),
        ([(2, 3, 4)], {"key_mask": np.ones((2, 3))}, ValueError, "got float64"),
    ],
)
def test_bad_inputs_of_the_layer(arrays, options, kind, words):
    with pytest.raises(kind, match=words):
        MultiHeadAttention(4, 2, rng=0)(*map(np.zeros, arrays), **options)


def test_bad_dtype_and_settings():
    with pytest.raises(TypeError, match="parameters of float32, and its input is a Value"):
        MultiHeadAttention(4, 2, rng=0)(Value(np.zeros((1, 2, 4))))
    with pytest.raises(ValueError, match=r"divided among 3 heads, got 8: 6 or 9 would do"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="heads of at least 1"):
        MultiHeadAttention(8, 0)
    with pytest.raises(ValueError, match="Dropout wanted"):
        MultiHeadAttention(8, 2, dropout=1.0)

"""The Transformer encoder block and positional encoding: PyTorch's numbers, formulas, central differences."""

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.nn import PositionalEncoding, Sequential, TransformerEncoderBlock, positional_encoding
from autograd_nn.testing import check_grads


def wave(start, *shape):
    """Numbers that look random and can be written down in any language: sin(start + 1.7 n)."""
    return np.sin(start + 1.7 * np.arange(np.prod(shape))).reshape(shape)


def numbers(text):
    return np.array(text.split(), float)


# torch.nn.TransformerEncoderLayer(4, 2, 3, dropout=0, activation="gelu") (PyTorch 2.13.0, float64, batch_first=True),
# by norm_first. Weights, transposed, are waves: attention's as in test_attention.py, linear1 wave(6, 4, 3) and
# wave(7, 3), linear2 wave(8, 3, 4) and wave(9, 4), norm1 wave(10, 4) and wave(11, 4), norm2 wave(12, 4) and
# wave(13, 4); x = wave(14, 2, 3, 4), loss = Σ output · wave(15, 2, 3, 4). The second sequence has two steps.
PYTORCH = {
    False: {
        "output": numbers(
            "0.1137599597 -0.72056374894 -0.4883533927 -1.3345548847 0.12487247962 -0.72294630645 -0.46662923485 "
            "-1.2869961714 0.34262644671 -0.53167059031 -0.24759237954 -0.76748890015 0.33760567792 -0.53795978417 "
            "-0.25058124028 -0.77481559158 0.41643394641 -0.44114904932 -0.21135493778 -0.68688051407 0.43021564138 "
            "-0.42593830776 -0.20630967435 -0.67925439826"
        ),
        "x": numbers(
            "-0.046683556631 -0.27808102446 0.69511279641 -0.51579631205 -0.13011304516 -0.45003276542 1.1590795042 "
            "-0.80583260926 -0.20060493967 -0.020643658431 -0.21446438826 0.037719261923 -0.071836263826 "
            "0.13948241253 -0.083322347864 0.1708601789 -0.068687180308 0.18637781965 -0.016763919369 0.23068070184 "
            "-0.036698493165 0.063330153118 -0.071887500484 0.043922940616"
        ),
        "expand": numbers(
            "0.6001447314 0.33129583867 -0.090427351987 0.35958248833 0.28777700827 -0.11105615166 0.44569174117 "
            "-0.087086212868 0.2132127664 0.2713496964 0.29265538157 -0.1488079417"
        ),
    },
    True: {
        "output": numbers(
            "1.742361093 0.12348220755 -1.7741810982 0.33370472521 1.6888590851 -0.21403598026 -1.6337043698 "
            "0.63502360698 1.42649688 -0.529151427 -1.290140384 0.86160639769 1.1775342272 0.2064522919 "
            "-1.2307347095 0.1106944906 0.72255476895 0.27468227258 -0.79333736596 -0.070247969138 0.33302685152 "
            "0.59202722471 -0.48558574828 -0.46689712436"
        ),
        "x": numbers(
            "-0.62356212224 0.23561785305 -1.1353547263 1.8510039892 -0.73038537661 0.55197246716 -1.0761886934 "
            "1.4944775709 1.0584168219 1.6524385147 -3.0959334025 0.47446820152 -0.56185573727 -0.61437147954 "
            "0.83414669389 0.25763567391 -0.28976183366 -0.46818441038 1.0903253602 -0.56860153132 -0.088537541185 "
            "-0.083299783889 1.2538802327 -1.4083404085"
        ),
        "expand": numbers(
            "0.24493573359 -0.9909187188 0.78339021684 0.67728093182 1.7173452679 7.4463903344 -0.1508197153 "
            "-1.2940001331 -2.7317073049 0.19168793001 0.2917644885 1.8888794983"
        ),
    },
}
THERE = np.array([[True, True, True], [True, True, False]])


def load(block):
    attention = ("query", "key", "value")
    block.load_state_dict(
        {
            **{f"attention.{name}.weight": wave(i, 4, 4) for i, name in enumerate(attention)},
            **{f"attention.{name}.bias": wave(3, 12)[4 * i : 4 * i + 4] for i, name in enumerate(attention)},
            "attention.output.weight": wave(4, 4, 4),
            "attention.output.bias": wave(5, 4),
            "expand.weight": wave(6, 4, 3),
            "expand.bias": wave(7, 3),
            "contract.weight": wave(8, 3, 4),
            "contract.bias": wave(9, 4),
            "attention_norm.weight": wave(10, 4),
            "attention_norm.bias": wave(11, 4),
            "feed_forward_norm.weight": wave(12, 4),
            "feed_forward_norm.bias": wave(13, 4),
        }
    )
    return block


@pytest.mark.parametrize("pre_norm", [False, True])
def test_equals_pytorch(pre_norm):
    block = load(TransformerEncoderBlock(4, 2, 3, pre_norm=pre_norm, dtype=float))
    x = Value(wave(14, 2, 3, 4))
    y = block(x, key_mask=THERE)
    (y * wave(15, 2, 3, 4)).sum().backward()
    expected = PYTORCH[pre_norm]
    np.testing.assert_allclose(y.data.ravel(), expected["output"], atol=1e-8)
    np.testing.assert_allclose(x.grad.ravel(), expected["x"], atol=1e-8)
    np.testing.assert_allclose(block.expand.weight.grad.ravel(), expected["expand"], atol=1e-8)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_gradients(pre_norm):
    block = TransformerEncoderBlock(4, 2, 3, pre_norm=pre_norm, activation="tanh", dtype=float, rng=0)

    def f(x, w, u, scale):
        block.attention.value.weight, block.contract.weight, block.attention_norm.weight = w, u, scale
        return block(x, causal=True)

    check_grads(f, wave(1, 1, 3, 4), wave(2, 4, 4), wave(3, 3, 4), wave(4, 4), order=1)


def test_every_parameter_gets_a_gradient():
    block = TransformerEncoderBlock(8, 2, rng=0)
    assert block.expand.weight.shape == (8, 32)
    assert len(block.parameters()) == 16
    y = block(wave(1, 2, 5, 8))
    assert y.dtype == np.float32
    (y * wave(2, 2, 5, 8).astype(np.float32)).sum().backward()
    zero = [name for name, p in block.named_parameters() if not np.abs(p.grad).max() > 1e-6]
    assert zero == ["attention.key.bias"]  # it shifts all scores of a query alike, which softmax does not see


def test_masks_reach_the_attention():
    block = TransformerEncoderBlock(4, 2, dtype=float, rng=0)
    x = wave(1, 2, 5, 4)
    causal = block(x, causal=True).data
    np.testing.assert_allclose(block(x, mask=np.tri(5, dtype=bool)).data, causal, atol=1e-14)
    np.testing.assert_allclose(block(x[:, :3], causal=True).data, causal[:, :3], atol=1e-14)
    part = block(x, key_mask=np.arange(5) < [[3], [3]]).data
    np.testing.assert_allclose(part[:, :3], block(x[:, :3]).data, atol=1e-14)


def test_blocks_stack_and_dropout_is_for_training():
    model = Sequential(*[TransformerEncoderBlock(4, 2, dropout=0.3, rng=i) for i in range(2)])
    x = wave(1, 2, 5, 4)
    assert not np.array_equal(model(x).data, model(x).data)
    model.eval()
    np.testing.assert_array_equal(model(x).data, model(x).data)
    assert repr(model).count("TransformerEncoderBlock(4, 2, dropout=0.3,") == 2


def test_positional_encoding_is_the_formula():
    table = positional_encoding(7, 5, dtype=float)
    for t in range(7):
        for i in range(5):
            angle = t / 10000 ** (2 * (i // 2) / 5)
            assert table[t, i] == pytest.approx(np.sin(angle) if i % 2 == 0 else np.cos(angle), abs=1e-15)
    assert positional_encoding(2, 4).dtype == np.float32


def test_positional_encoding_shifts_by_rotation():
    table = positional_encoding(50, 8, dtype=float).reshape(50, 4, 2)
    for i in range(4):
        angle = 3 / 10000 ** (2 * i / 8)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        np.testing.assert_allclose(table[3:, i], table[:-3, i] @ turn, atol=1e-13)


def test_positional_encoding_layer():
    layer = PositionalEncoding(4)
    x = wave(1, 2, 3, 4)
    y = layer(x)
    np.testing.assert_allclose(y, x + positional_encoding(3, 4), atol=1e-6)
    assert y.dtype == np.float32
    assert layer.parameters() == []
    dropping = PositionalEncoding(4, dropout=0.5, rng=0)
    assert (dropping(x) == 0).any()
    np.testing.assert_array_equal(dropping.eval()(x), y)
    check_grads(PositionalEncoding(4, dtype=float), x)


def test_bad_inputs():
    block, layer = TransformerEncoderBlock(4, 2, rng=0), PositionalEncoding(4)
    for part in (block, layer):
        with pytest.raises(ValueError, match=r"wanted x of shape \(batch, time, 4\), got \(3, 4\)"):
            part(np.zeros((3, 4)))
        with pytest.raises(ValueError, match=r"\(batch, time, 4\), got \(2, 3, 5\)"):
            part(np.zeros((2, 3, 5)))
        with pytest.raises(TypeError, match="a Value of shape .* of float64"):
            part(Value(np.zeros((2, 3, 4))))
    with pytest.raises(ValueError, match="key_mask of booleans"):
        block(np.zeros((2, 3, 4)), key_mask=np.ones((2, 4), bool))
    with pytest.raises(ValueError, match="there is no activation 'gelo'"):
        TransformerEncoderBlock(4, 2, activation="gelo")
    with pytest.raises(ValueError, match="divided among 3 heads"):
        TransformerEncoderBlock(4, 3)
    with pytest.raises(ValueError, match="hidden_features of at least 1|out_features of at least 1"):
        TransformerEncoderBlock(4, 2, 0)
    with pytest.raises(ValueError, match="time of at least 1"):
        positional_encoding(0, 4)

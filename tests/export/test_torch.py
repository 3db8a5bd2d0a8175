"""Weights of PyTorch: networks that it wrote give here what they gave there, and go back as they came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autograd_nn import nn
from autograd_nn.export import from_torch_state_dict, to_torch_state_dict
from autograd_nn.saving import load_arrays

HERE = Path(__file__).parent / "torch"


class Attention(nn.Module):
    def __init__(self):
        self.embed = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.attend = nn.MultiHeadAttention(4, 2)

    def forward(self, i):
        return self.attend(self.norm(self.embed(i)))


NETWORKS = {
    "convolutional": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.BatchNorm(3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 2, stride=2, bias=False),
        nn.Flatten(),
        nn.Linear(16, 3),
    ),
    "rnn": lambda: nn.RNN(2, 3, returns="outputs"),
    "lstm": lambda: nn.LSTM(2, 3, layers=2, bidirectional=True, returns="outputs"),
    "gru": lambda: nn.GRU(2, 3, returns="outputs"),
    "attention": Attention,
    "encoder": lambda: nn.TransformerEncoderBlock(4, 2, 6, activation="relu", pre_norm=False),
    "groups": lambda: nn.Sequential(nn.Conv1d(4, 4, 3, padding=1, groups=2), nn.GroupNorm(2, 4)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_pytorch_gives_here_what_it_gave_there(name):
    model = NETWORKS[name]()
    from_torch_state_dict(model, HERE / f"{name}.safetensors")
    example, _ = load_arrays(HERE / f"{name}_example.safetensors")
    found = model.eval()(example["x"]).data
    assert found == pytest.approx(example["y"], abs=2e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back(name, tmp_path):
    model = NETWORKS[name]()
    original, _ = load_arrays(HERE / f"{name}.safetensors")
    from_torch_state_dict(model, original)
    found = to_torch_state_dict(model, tmp_path / "out.safetensors")
    assert set(found) == set(original)
    written, metadata = load_arrays(tmp_path / "out.safetensors")
    assert metadata == {"format": "pt"}
    for key, x in original.items():
        assert found[key].shape == x.shape and np.array_equal(found[key], written[key])
        if "num_batches" in key or ("bias_" in key and name != "gru"):  # one bias here is the sum of two there
            continue
        assert np.array_equal(found[key], x), key
    again = NETWORKS[name]()
    from_torch_state_dict(again, found)
    example, _ = load_arrays(HERE / f"{name}_example.safetensors")
    assert again.eval()(example["x"]).data == pytest.approx(example["y"], abs=2e-6)


def test_cells_keys_of_other_lengths_and_no_biases():
    cell = nn.LSTMCell(2, 3, rng=0)
    found = to_torch_state_dict(cell)
    assert {k: v.shape for k, v in found.items()} == {
        "weight_ih": (12, 2), "weight_hh": (12, 3), "bias_ih": (12,), "bias_hh": (12,)
    }  # fmt: skip
    attention = nn.MultiHeadAttention(4, 2, key_features=3, bias=False, rng=0)
    found = to_torch_state_dict(attention)
    assert {k: v.shape for k, v in found.items()} == {
        "q_proj_weight": (4, 4), "k_proj_weight": (4, 3), "v_proj_weight": (4, 3), "out_proj.weight": (4, 4)
    }  # fmt: skip
    again = nn.MultiHeadAttention(4, 2, key_features=3, bias=False, rng=1)
    from_torch_state_dict(again, found)
    assert all(np.array_equal(again.state_dict()[k], x) for k, x in attention.state_dict().items())
    assert set(to_torch_state_dict(nn.RNN(2, 3, bias=False, rng=0))) == {"weight_ih_l0", "weight_hh_l0"}


def test_other_names():
    model, names = nn.MLP([3, 4, 2], rng=0), {"layers.0": "fc1", "layers.1": "head.out"}
    found = to_torch_state_dict(model, names=names)
    assert list(found) == ["fc1.weight", "fc1.bias", "head.out.weight", "head.out.bias"]
    other = nn.MLP([3, 4, 2], rng=1)
    from_torch_state_dict(other, found, names=names)
    assert np.array_equal(other.layers[0].weight.data, model.layers[0].weight.data)
    with pytest.raises(ValueError, match="paths of parts, such as layers.0, layers.1; got 'fc1'"):
        to_torch_state_dict(model, names={"fc1": "layers.0"})


def test_what_does_not_fit_is_listed_and_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 2, rng=0), nn.GRU(2, 3, rng=0))
    before = model.state_dict()
    state = to_torch_state_dict(model)
    del state["0.bias"]
    state["0.weight"] = state["0.weight"].T
    state["2.weight"] = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="does not fit Sequential") as caught:
        from_torch_state_dict(model, state)
    text = str(caught.value)
    for line in ("missing: 0.bias", "not expected: 2.weight (3,)", "other shape: layers.0.weight", "names={"):
        assert line in text
    state["1.bias_ih_l0"] = np.float32(1)
    state["1.weight_ih_l0"] = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="does not fit"):
        from_torch_state_dict(model, state)
    bad = to_torch_state_dict(nn.MultiHeadAttention(4, 2)) | {"in_proj_weight": np.ones((5, 4), np.float32)}
    with pytest.raises(ValueError, match="other shapes: in_proj_weight"):
        from_torch_state_dict(nn.MultiHeadAttention(4, 2), bad)
    assert all(np.array_equal(model.state_dict()[k], x) for k, x in before.items())


def test_what_is_no_module():
    for f in (to_torch_state_dict, lambda x: from_torch_state_dict(x, {})):
        with pytest.raises(TypeError, match="wanted an nn.Module, got dict"):
            f({})


def test_weights_of_bfloat16_become_float32():
    guests = pytest.importorskip("ml_dtypes", reason="comes with JAX")
    model = nn.Sequential(nn.Linear(3, 2, rng=0))
    weight = np.array([[1, -2, 3.140625], [0, 0.5, 8]], np.float32)
    state = {"0.weight": weight.astype(guests.bfloat16), "0.bias": np.zeros(2, guests.bfloat16)}
    from_torch_state_dict(model, state)
    assert model.layers[0].weight.dtype == np.float32 and np.array_equal(model.layers[0].weight.data, weight.T)

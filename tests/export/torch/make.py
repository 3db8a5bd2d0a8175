"""What the tests compare with: weights and outputs of PyTorch 2.13, which this script needs."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, i):
        x = self.norm(self.embed(i))
        return self.attend(x, x, x)[0]


def networks():
    torch.manual_seed(0)
    image = torch.randn(3, 2, 6, 6)
    series = torch.randn(3, 4, 2)
    yield (
        "convolutional",
        nn.Sequential(
            nn.Conv2d(2, 3, 3),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Conv2d(3, 4, 2, stride=2, bias=False),
            nn.Flatten(),
            nn.Linear(16, 3),
        ),
        image,
    )
    yield "rnn", nn.RNN(2, 3, batch_first=True), series
    yield "lstm", nn.LSTM(2, 3, num_layers=2, batch_first=True, bidirectional=True), series
    yield "gru", nn.GRU(2, 3, batch_first=True), series
    yield "attention", Attention(), torch.tensor([[0, 6, 3], [2, 2, 5]])
    yield "encoder", nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), torch.randn(2, 3, 4)
    yield "groups", nn.Sequential(nn.Conv1d(4, 4, 3, padding=1, groups=2), nn.GroupNorm(2, 4)), torch.randn(2, 4, 5)


def write(path, arrays):
    """In the safetensors format."""
    header, end = {}, 0
    for name, a in arrays.items():
        kind = {"float32": "F32", "int64": "I64"}[str(a.dtype)]
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [end, end := end + a.nbytes]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(a.tobytes() for a in arrays.values()))


for name, net, x in networks():
    if name == "convolutional":
        net(x)  # so that there are running statistics
    for p in net.parameters():
        if p.ndim == 1:
            p.data += torch.randn_like(p) / 4  # biases and scales that are not 0 and 1
    net.eval()
    with torch.no_grad():
        y = net(x)
    y = y[0] if isinstance(y, tuple) else y
    write(HERE / f"{name}.safetensors", {k: v.numpy().copy() for k, v in net.state_dict().items()})
    write(HERE / f"{name}_example.safetensors", {"x": x.numpy().copy(), "y": np.ascontiguousarray(y.numpy())})

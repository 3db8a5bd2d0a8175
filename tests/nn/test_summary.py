import gc
import re
import tracemalloc

import numpy as np
import pytest

from autograd_nn import Graph, Value, expand, functions, nn
from autograd_nn.nn.summary import size_of

CNN = [nn.Conv2d(1, 2, 3, rng=0), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2, rng=1)]


def counted(model, x):
    """Operations of the opened scalar graph."""
    opened = expand(model(x), limit=500_000)
    return sum(node.op is not None for node in Graph.of(*np.ravel(opened.output)).nodes)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.MLP([3, 5, 4, 2], rng=0), (2, 3)),
        (nn.MLP([3, 5, 2], activation="tanh", bias=False, rng=0), (2, 3)),
        (nn.Sequential(*CNN), (2, 1, 6, 6)),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, rng=0), nn.AvgPool2d(3)), (1, 1, 6, 6)),
        (nn.RNN(2, 3, returns="last", rng=0), (1, 4, 2)),
        (nn.GRU(2, 3, returns="last", rng=0), (1, 4, 2)),
        (nn.LSTM(2, 3, returns="last", rng=0), (1, 4, 2)),
    ],
    ids=lambda m: type(m).__name__ if isinstance(m, nn.Module) else "",
)
def test_predicted_flops_are_the_operations_of_the_opened_graph(model, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert model.summary(shape).flops == counted(model, Value(x, requires_grad=False))


def measured(model, shape, dtype=np.float32):
    """Bytes that a forward pass leaves in memory, and then a backward pass."""
    x = Value(np.zeros(shape, dtype), requires_grad=False)
    model(x).sum().backward(retain="leaves")  # whatever is made once is made
    model.zero_grad()
    gc.collect()
    tracemalloc.start()
    try:
        x = Value(np.zeros(shape, dtype), requires_grad=False)
        loss = model(x).sum()
        forward = tracemalloc.get_traced_memory()[0]
        loss.backward(retain="leaves")
        del loss, x
        return forward, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.MLP([256, 512, 512, 10], rng=0), (512, 256)),
        (nn.Sequential(nn.Conv2d(1, 16, 3, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2704, 10)),
         (64, 1, 28, 28)),
        (nn.TransformerEncoderBlock(64, 4, rng=0), (32, 40, 64)),
    ],
    ids=["MLP", "CNN", "Transformer"],
)  # fmt: skip
def test_predicted_memory_is_what_a_training_step_takes(model, shape):
    summary = model.eval().summary(shape)
    forward, after = measured(model, shape)
    assert summary.activation_memory == pytest.approx(forward, rel=0.02)
    assert summary.gradient_memory == pytest.approx(after, rel=0.02, abs=32_000)  # Python's objects, beside the arrays
    assert summary.parameter_memory == sum(p.data.nbytes for p in model.parameters())


def lines(summary):
    return [re.split(r"\s{2,}", line.strip()) for line in str(summary).splitlines()]


def test_rows():
    summary = nn.Sequential(*CNN).summary((2, 1, 6, 6))
    assert [(row.path, row.kind, row.shape) for row in summary.rows] == [
        ("layers.0", "Conv2d", (2, 2, 4, 4)),
        ("layers.1", "Tanh", (2, 2, 4, 4)),
        ("layers.2", "MaxPool2d", (2, 2, 2, 2)),
        ("layers.3", "Flatten", (2, 8)),
        ("layers.4", "Linear", (2, 2)),
    ]
    assert ["layers.0", "Conv2d", "2×2×4×4", "18 (+2 bias)", "20", "1,152", "512 B"] in lines(summary)
    assert [row.parameters for row in summary.rows] == [20, 0, 0, 0, 18]
    assert summary.parameters == summary.trainable == 38
    assert sum(row.memory for row in summary.rows) + 2 * 36 * 4 == summary.activation_memory


def test_modules_that_compute_between_their_parts():
    block = nn.Sequential(nn.Residual(nn.Linear(3, 3, rng=0)), np.tanh).summary((2, 3))
    assert [(row.path, row.kind) for row in block.rows] == [
        ("layers.0.layer", "Linear"), ("layers.0", "add"), ("", "tanh")]  # fmt: skip


def test_shared_frozen_and_unused_parameters():
    layer = nn.Linear(3, 3, rng=0)
    twice = nn.Sequential(layer, functions.relu, layer, nn.Linear(3, 1, rng=0))
    twice[3].freeze()
    summary = twice.summary((2, 3))
    assert (summary.parameters, summary.trainable) == (16, 12)
    assert [(r.path, r.parameters, r.frozen, r.calls) for r in summary.rows if r.parameters] == [
        ("layers.0", 12, 0, 2), ("layers.3", 4, 4, 1)]  # fmt: skip
    assert "4 frozen" in str(summary) and "Linear ×2" in str(summary)
    assert summary.gradient_memory == 4 * 12

    class Half(nn.Module):
        def __init__(self):
            self.used, self.idle = Value(np.ones(3)), Value(np.ones(2))
            self.bias = Value(1.0)

        def forward(self, x):
            return x * self.used + self.bias

    summary = Half().summary((4, 3))
    assert [(row.kind, row.weights, row.biases) for row in summary.rows] == [("Half", 3, 1), ("unused", 2, 0)]


def test_several_outputs_and_scopes_of_ones_own():
    from autograd_nn import name_scope

    class Two(nn.Module):
        def __init__(self):
            self.left = nn.Linear(3, 2, rng=0)

        def forward(self, x):
            with name_scope("squares"), name_scope("sum"):
                y = (x * x).sum(axis=1)
            return {"left": [self.left(x)], "right": (y, 3.0)}

    summary = Two().summary((4, 3))
    assert [(row.path, row.kind, row.flops) for row in summary.rows] == [
        ("squares/sum", "mul, sum", 20), ("left", "Linear", 48)]  # fmt: skip
    assert nn.LSTM(3, 2).summary((1, 4, 3)).rows[0].kind == "LSTM"


def test_nothing_is_touched():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm(4), nn.Dropout(0.5, rng=7), nn.Linear(4, 1, rng=1))
    x = np.ones((5, 3), np.float32)
    loss = (model(x) * model(x)).sum()
    state, generator = model.state_dict(), model.layers[2].rng.bit_generator.state
    summary = model.summary((5, 3))
    assert summary.buffer_memory > 0 and "buffers" in str(summary)
    for path, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[path])
    assert model.layers[2].rng.bit_generator.state == generator
    assert all(p.grad is None for p in model.parameters())
    assert model.training
    loss.backward()  # nor has a leaf become younger than the graph


def test_an_error_inside_leaves_nothing_behind():
    model = nn.Sequential(nn.Dropout(0.5, rng=7), nn.Linear(4, 1, rng=1))
    generator = model.layers[0].rng.bit_generator.state
    with pytest.raises(ValueError, match="linear wanted"):
        model.summary((5, 3))
    assert model.layers[0].rng.bit_generator.state == generator


def test_inputs():
    model = nn.Sequential(nn.Embedding(10, 4, rng=0), nn.Linear(4, 2, rng=0))
    summary = model.summary(np.zeros((2, 5), int))
    assert summary.input_shapes == [(2, 5)] and summary.rows[-1].shape == (2, 5, 2)
    assert nn.Linear(3, 2).summary([[1.0, 2.0, 3.0]]).flops == 12
    assert nn.Linear(3, 2, dtype=float).summary((1, 3)).parameter_memory == 64
    assert nn.Linear(3, 2).summary(Value(np.zeros((4, 3), np.float32))).input_shapes == [(4, 3)]
    with pytest.raises(TypeError, match=r"Linear.summary wanted the shape of a batch, such as \(32, 64\)"):
        nn.Linear(3, 2).summary()


def test_recording_is_forced_and_results_must_be_values():
    from autograd_nn import no_grad

    with no_grad():
        assert nn.Linear(3, 2).summary((1, 3)).flops == 12

    class Numbers(nn.Module):
        def forward(self, x):
            return x.data

    with pytest.raises(TypeError, match="nothing that was recorded"):
        Numbers().summary((1, 3))


def test_html():
    page = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).summary((1, 3))._repr_html_()
    assert page.count("<tr>") == 3
    assert "<td style=\"text-align: right\">6 (+2 bias)</td>" in page  # fmt: skip
    assert "parameters: 11: 11 trainable, 0 frozen" in page


def test_size_of():
    assert [size_of(x) for x in (0, 999, 1000, 999_960, 1.25e9, 3e12)] == [
        "0 B", "999 B", "1.0 kB", "1.0 MB", "1.2 GB", "3.0 TB"]  # fmt: skip


def test_a_number_of_features_stands_for_one_row():
    model = nn.MLP([3, 4, 2], rng=0)
    assert str(model.summary(3)) == str(model.summary((1, 3)))


def test_a_model_is_drawn_for_an_example():
    model = nn.MLP([3, 4, 2], rng=0)
    before = {path: p.data.copy() for path, p in model.named_parameters()}
    source = model.draw(np.ones((5, 3))).source
    assert all(word in source for word in ("layers.0", "layers.1", "input", "(5, 3)", "(4, 2) float32"))
    assert "layers × 4" in nn.MLP([2] * 6, rng=0).draw(2, depth=1).source
    assert all(np.array_equal(p.data, before[path]) and p.grad is None for path, p in model.named_parameters())
    twin = nn.MLP([2, 2, 1], rng=0).zoom()
    assert twin.draw([1.0, -2.0]).source == twin.draw(1.0, -2.0).source
    assert "x1" in twin.draw([1.0, -2.0]).source
    assert '"w[1,0]|data' in twin.draw([1.0, -2.0]).source.replace("\\", "").replace("{", "")
    with pytest.raises(TypeError, match="wanted the shape of a batch"):
        model.draw()

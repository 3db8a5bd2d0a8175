import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Value, functions, nn, scan, stop_gradient
from autograd_nn.export import to_onnx
from autograd_nn.export.onnx import ELEMENTWISE, FORMULAS, translated
from autograd_nn.nested import leaves
from autograd_nn.op import OPS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)


def run(proto, inputs):
    """The outputs of onnxruntime, without its optimizations: one rounds numbers of a float64 model to float32."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = inputs if isinstance(inputs, dict) else {"x": inputs}
    return session.run(None, inputs)


def agrees(model, x, rtol=2e-5, atol=2e-6, runtime=run):
    """A runtime's answers equal the model's, for batches of sizes and numbers that the export has not seen."""
    proto = to_onnx(model, x[:1])
    if isinstance(model, nn.Module):
        model.eval()
    for batch in (1, 2, 5):
        rows = np.resize(x, (batch, *x.shape[1:]))
        expected = model(Value(rows, dtype=rows.dtype, requires_grad=False))
        expected = [expected] if isinstance(expected, Value) else leaves(expected)
        for got, y in zip(runtime(proto, rows), expected, strict=True):
            assert got.dtype == y.dtype
            assert got.shape == y.shape
            np.testing.assert_allclose(got, y.data, rtol=rtol, atol=atol)
    return proto


def single(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("activation", sorted(nn.ACTIVATIONS))
def test_mlp(activation):
    agrees(nn.MLP([3, 5, 4], activation=activation, rng=0), single(4, 3))


def test_parameters_keep_their_paths():
    proto = agrees(nn.Sequential(nn.Linear(3, 5), nn.MLP([5, 4, 2]), functions.softmax).initialize(0), single(4, 3))
    names = {initializer.name for initializer in proto.graph.initializer}
    assert {"layers.0.weight", "layers.0.bias", "layers.1.layers.0.weight", "layers.1.layers.1.bias"} <= names
    assert [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == ["batch", 3]


F32 = np.float32
FUNCTIONS = {
    "reductions": lambda x: np.stack(
        [x.sum(-1), x.mean(-1), x.max(-1), x.min(-1), x.var(-1), x.std(-1), x.prod(-1)], -1
    ),
    "sample variance": lambda x: x.var((1, 2), ddof=1, keepdims=True),
    "logsumexp": lambda x: functions.logsumexp(x, axis=1),
    "softmax of the middle axis": lambda x: functions.softmax(x, axis=1),
    "argmax": lambda x: x.argmax(axis=1).astype(F32) + x[:, 0],
    "cumsum": lambda x: x.cumsum(axis=1),
    "norm": lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
    "normalize": lambda x: functions.normalize(x),
    "broadcasting": lambda x: x[:, :, :1] * x[:, :1, :] + x - 2.0 * x[:, ::-1],
    "constant first": lambda x: np.arange(6, dtype=F32).reshape(2, 3) / x,
    "transpose and reshape": lambda x: np.reshape(np.moveaxis(x.swapaxes(1, 2), 1, 2), (-1, 6)),
    "fold time into the batch": lambda x: np.reshape(np.reshape(x, (-1, 3)) @ np.ones((3, 2), F32), (len(x), 2, 2)),
    "concatenate and flip": lambda x: np.concatenate([x, np.flip(x, 2), x[:, ::-1]], axis=2),
    "pad": lambda x: np.pad(x, ((0, 0), (1, 1), (2, 0)), constant_values=-1.5),
    "indices": lambda x: x[:, [1, 0, 1]][:, -1, None, 0:2] + np.take(x, [2, 0], axis=2)[:, 1:, :],
    "take along axis": lambda x: np.take_along_axis(x, np.argmax(x, axis=2, keepdims=True), axis=2),
    "strides": lambda x: x[:, 1, ::2] + x[..., 0, 1:],
    "where": lambda x: np.where(x > 0, x, np.exp(x)) + np.where(x != 1, 1.0, x),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "comparison": lambda x: x * (x < 0.1),
    "attention": lambda x: functions.softmax(x @ x.transpose(0, 2, 1)) @ x,
    "einsum": lambda x: np.einsum("bij,bkj->bik", x, x),
    "powers": lambda x: x**2 + abs(x) ** 0.5 + np.sqrt(abs(x)) + np.log1p(abs(x)) + np.expm1(x) + np.square(x) + 1 / x,
    "trigonometry": lambda x: np.sin(x) + np.cos(x) * np.arctan(x) + np.sinh(x) + np.sign(x) + np.rint(x),
    "special": lambda x: functions.erf(x) + functions.log_sigmoid(x) + functions.gelu(x, approximate="tanh"),
    "constants are folded": lambda x: x + Value(np.ones(3, F32)).exp() * 2,
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "a start of zeros as long as the batch": lambda x: np.tanh(
        np.zeros((len(x), 3), F32) @ np.eye(3, dtype=F32) + x[:, 0]
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    agrees(FUNCTIONS[name], single(6, 2, 3))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2},
        {"padding": 1},
        {"padding": "same"},
        {"dilation": 2},
        {"groups": 2},
        {"padding": ((0, 1), (2, 0))},
    ],
)
def test_convolution(options):
    w, b = single(4, 2 // options.get("groups", 1), 3, 2), single(4)
    agrees(lambda x: functions.conv2d(x, w, b, **options), single(4, 2, 6, 5))


@pytest.mark.parametrize("pool", [functions.max_pool2d, functions.avg_pool2d])
@pytest.mark.parametrize("options", [{}, {"size": 3, "stride": 1}, {"size": (2, 3), "padding": 1}])
def test_pooling(pool, options):
    agrees(lambda x: pool(x, **options), single(4, 2, 6, 7))


def test_double_precision_and_file(tmp_path):
    model = nn.MLP([3, 4, 1], activation="tanh", dtype=float, rng=0)
    x = RNG.normal(size=(3, 3))
    proto = to_onnx(model, x, tmp_path / "model.onnx")
    np.testing.assert_allclose(run(proto, x)[0], model(x).data, rtol=1e-12)
    assert onnx.load(tmp_path / "model.onnx") == proto
    assert model.training


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: to_onnx(lambda x: np.linalg.inv(x), [np.eye(2)] * 2),
            NotImplementedError,
            "no translation of op 'inv'",
        ),
        (
            lambda: to_onnx(nn.MLP([2, 1]), np.zeros((0, 2))),
            ValueError,
            r"wanted a batch of examples, \(batch, …\), got shape",
        ),
        (lambda: to_onnx(lambda x: Value(np.ones((1, 2))) * 1, [[1.0]]), ValueError, "does not depend on the input"),
        (
            lambda: to_onnx(lambda x: sum(x[i] for i in range(len(x))), [[1.0]]),
            ValueError,
            "depends on the size of the batch, or on the numbers",
        ),
        (lambda: to_onnx(lambda x: (x, np.ones(2)), [[1.0]]), TypeError, "outputs are Values.*got ndarray"),
        (
            lambda: to_onnx(nn.MLP([2, 1]), (np.ones((1, 2)), np.ones((1, 2)))),
            TypeError,
            "several by name, .*; got a tuple",
        ),
        (lambda: to_onnx(nn.MLP([2, 1]), [["a", "b"]]), TypeError, "wanted examples of real numbers, got dtype <U1"),
        (lambda: to_onnx(nn.MLP([2, 1]), np.ones((1, 2), complex)), TypeError, "real numbers, got dtype complex128"),
        (lambda: to_onnx(lambda x, y: x + y, {}), ValueError, "batches of one length, got none"),
        (
            lambda: to_onnx(lambda x, y: x + y, {"x": np.ones((1, 2)), "y": np.ones((2, 2))}),
            ValueError,
            r"batches of one length, got x: \(1, 2\), y: \(2, 2\)",
        ),
        (lambda: to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]], input_name="y"), ValueError, "wanted different names"),
        (lambda: to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]], input_name=""), ValueError, "none of them empty"),
        (lambda: to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]], output_name="\udc80"), ValueError, "wanted different names"),
        (
            lambda: to_onnx(lambda x: scan(lambda c, row: (c + row, c), 0.0, x[0])[0] * x, [[1.0]]),
            NotImplementedError,
            "no translation of op 'scan'",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def branch(x):
    return x + 1 if x.data.sum() > 0 else x - 1


@pytest.mark.parametrize(
    ("f", "example"),
    [
        *[
            (f, example)
            for f in (
                lambda x: x * x.data,
                lambda x: x * stop_gradient(x),
                lambda x: x * len(x),
                lambda x: x.sum(0, keepdims=True) / len(x),
                lambda x: x[len(x) - 1 :],
                lambda x: x[: len(x) // 2 + 1],
                lambda x: x * float(x.data.sum()),
                lambda x: functions.dropout(x, 0.5, len(x)),
                lambda x: np.reshape(x @ x.T, -1)[:, None] * np.ones((len(x) ** 2, 1)),
            )
            for example in ([[3.0, 1.0], [-1.0, -5.0]], [[3.0, 1.0]])
        ],
        (branch, [[3.0, 1.0], [-1.0, -5.0]]),
    ],
)
def test_what_comes_from_the_batch_past_the_ops_is_refused(f, example):
    with pytest.raises((NotImplementedError, ValueError), match="batch"):
        to_onnx(f, example)


D = {"dtype": np.float32, "rng": 0}
ATTENTION = nn.MultiHeadAttention(4, 2, **D)


def trained(layer, *shape):
    """A normalization whose running averages are not those that it begins with."""
    layer(3 * single(20, *shape) + 1)
    return layer


LAYERS = {
    "Linear": (nn.Linear(3, 4, **D), (3,)),
    "Linear without bias": (nn.Linear(3, 4, bias=False, **D), (3,)),
    "Linear of sequences": (nn.Linear(3, 4, **D), (2, 3)),
    "SoftmaxClassifier": (nn.SoftmaxClassifier([3, 4, 2], **D), (3,)),
    "LogisticRegression": (nn.LogisticRegression(3, init="he_normal", **D), (3,)),
    "Perceptron": (nn.Perceptron([1.0, -2.0, 3.0], bias=0.1), (3,)),
    "Conv1d": (nn.Conv1d(2, 4, 3, stride=2, padding="same", groups=2, **D), (2, 9)),
    "Conv1d, causal": (nn.Conv1d(2, 4, 3, padding=((4, 0),), dilation=2, bias=False, **D), (2, 9)),
    "Conv2d": (nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding="same", groups=2, **D), (2, 6, 7)),
    "Conv2d, dilated": (nn.Conv2d(2, 3, 3, padding=(1, 2), dilation=(2, 1), **D), (2, 6, 7)),
    "MaxPool1d": (nn.MaxPool1d(), (2, 9)),
    "MaxPool1d, padded": (nn.MaxPool1d(3, stride=2, padding=((2, 0),)), (2, 9)),
    "AvgPool1d": (nn.AvgPool1d(3, stride=2), (2, 9)),
    "AvgPool1d, padded": (nn.AvgPool1d(3, padding=1), (2, 9)),
    "MaxPool2d": (nn.MaxPool2d((3, 2), stride=(2, 1), padding=1), (2, 6, 7)),
    "AvgPool2d": (nn.AvgPool2d(3, padding=((2, 0), (0, 1))), (2, 6, 7)),
    "GlobalMaxPool": (nn.GlobalMaxPool(), (2, 6, 7)),
    "GlobalAvgPool": (nn.GlobalAvgPool(), (2, 6)),
    "Flatten": (nn.Sequential(nn.Flatten(), nn.Linear(12, 2, **D)), (2, 6)),
    "Dropout": (nn.Sequential(nn.Linear(3, 2, **D), nn.Dropout(0.5)), (3,)),
    "Dropout alone": (nn.Dropout(0.5), (3,)),
    "BatchNorm": (trained(nn.BatchNorm(3), 3), (3,)),
    "BatchNorm of images": (trained(nn.BatchNorm(3), 3, 2, 2), (3, 4, 4)),
    "LayerNorm": (nn.LayerNorm(3), (5, 3)),
    "LayerNorm of two axes": (nn.LayerNorm((5, 3), bias=False), (5, 3)),
    "GroupNorm": (nn.GroupNorm(2, 4), (4, 3, 3)),
    "RMSNorm": (nn.RMSNorm(3), (3,)),
    "RNNCell": (nn.RNNCell(3, 4, **D), (3,)),
    "LSTMCell": (nn.LSTMCell(3, 4, **D), (3,)),
    "GRUCell": (nn.GRUCell(3, 4, **D), (3,)),
    "MultiHeadAttention": (nn.MultiHeadAttention(4, 2, **D), (5, 4)),
    "causal MultiHeadAttention with weights": (
        lambda x: ATTENTION(x, causal=True, weights=True),
        (5, 4),
    ),
    "attention": (lambda x: nn.attention(x, 2 * x, x), (5, 4)),
    "attention with a mask": (
        lambda x: nn.attention(x, x, x, mask=np.array([[True, False], [False, False]])),
        (2, 4),
    ),
    "TransformerEncoderBlock": (nn.TransformerEncoderBlock(4, 2, dropout=0.1, **D), (5, 4)),
    "TransformerEncoderBlock, first published": (nn.TransformerEncoderBlock(4, 2, pre_norm=False, **D), (5, 4)),
    "PositionalEncoding": (nn.PositionalEncoding(4, dropout=0.1), (5, 4)),
    "Residual": (nn.Residual(nn.Linear(3, 3, **D)), (3,)),
    "Residual with a shortcut": (nn.Residual(nn.Linear(3, 2, **D), nn.Linear(3, 2, **D)), (3,)),
    "Sequential": (nn.Sequential(nn.Linear(3, 3, **D), np.tanh, nn.Linear(3, 1, **D)), (3,)),
    "Softmax of two axes": (nn.Softmax((2, 1)), (3, 2)),
    "LogSoftmax of other axes": (nn.LogSoftmax((1, 3)), (3, 2, 4)),
    "GELU, approximate": (nn.GELU("tanh"), (3,)),
    **{
        cls.__name__: (cls(), (3, 2))
        for cls in vars(nn).values()
        if isinstance(cls, type) and issubclass(cls, nn.ActivationModule) and cls is not nn.ActivationModule
    },
    **{
        f"{cls.__name__} {options}": (cls(3, 4, **options, **D), (5, 3))
        for cls in (nn.RNN, nn.LSTM, nn.GRU)
        for options in (
            {},
            {"returns": "last"},
            {"returns": "outputs", "bias": False},
            {"layers": 2, "bidirectional": True, "dropout": 0.3},
            {"layers": 2, "bidirectional": True, "returns": "last"},
            {"scan": True, "returns": "outputs"},
        )
    },
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    layer, row = LAYERS[name]
    agrees(layer, single(6, *row).astype(getattr(layer, "dtype", F32)))


def test_every_layer_is_tested():
    exported = {
        name
        for name, cls in ((name, getattr(nn, name)) for name in nn.__all__)
        if isinstance(cls, type) and issubclass(cls, nn.Module)
    }
    named = {name.replace(",", " ").split()[0] for name in LAYERS}
    assert exported - named == {"Module", "ActivationModule", "MLP", "Embedding"}  # with tests of their own


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("padding", [None, 0])
def test_embedding_of_integers(dtype, padding):
    embedding = nn.Embedding(4, 3, padding_idx=padding, rng=0)
    for model in (
        embedding,
        nn.Sequential(embedding, nn.LSTM(3, 2, returns="last", rng=0), nn.Linear(2, 1, rng=0)),
        lambda tokens: embedding(tokens).mean(axis=1),
    ):
        proto = agrees(model, np.array([[0, 1, 2], [3, 2, 0]], dtype))
        assert proto.graph.input[0].type.tensor_type.elem_type == onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


class Reader(nn.Module):
    """Padding is token 0: it is masked by what is read, and a token of the model's own stands in front."""

    def __init__(self, kind):
        self.embedding = nn.Embedding(5, 4, padding_idx=0, rng=0)
        self.kind, self.start = kind, Value(single(1, 1, 4), name="start")
        self.part = nn.TransformerEncoderBlock(4, 2, rng=1) if kind == "attention" else nn.GRU(4, 4, rng=1)

    def forward(self, tokens):
        x = self.embedding(tokens)
        real = tokens != 0
        if self.kind == "attention":
            x = np.concatenate([np.broadcast_to(self.start, (len(tokens), 1, 4)), x], axis=1)
            real = np.concatenate([np.ones((len(tokens), 1), bool), real], axis=1)
            return self.part(x, key_mask=real)[:, 0]
        return self.part(x, mask=real)


@pytest.mark.parametrize("kind", ["attention", "recurrence"])
def test_masks_that_come_from_the_tokens(kind):
    agrees(Reader(kind), np.array([[1, 2, 0], [3, 2, 4], [4, 0, 0]]))


def test_several_inputs_by_name_and_several_outputs():
    layer = nn.MultiHeadAttention(4, 2, rng=0)
    inputs = {"query": single(3, 2, 4), "key": single(3, 5, 4), "key_mask": RNG.random((3, 5)) < 0.7}
    inputs["key_mask"][:, 0] = True
    proto = to_onnx(layer, inputs)
    for batch in (1, 3):
        cut = {name: rows[:batch] for name, rows in inputs.items()}
        np.testing.assert_allclose(run(proto, cut)[0], layer(**cut).data, rtol=1e-5, atol=1e-6)
    x, cell = single(4, 3), nn.LSTMCell(3, 2, rng=0)
    proto = to_onnx(cell, x, output_name="state")
    assert [y.name for y in proto.graph.output] == ["state0", "state1"]
    for got, y in zip(run(proto, x), cell(x), strict=True):
        np.testing.assert_allclose(got, y.data, rtol=1e-5)


def test_lengths_that_are_multiples_of_the_batch():
    def windows(x):  # each sample is cut into two that are computed together
        parts = np.reshape(x, (2 * len(x), 3))
        return np.tanh(parts) * np.broadcast_to(np.arange(3, dtype=F32), (2 * len(x), 3))

    proto = agrees(windows, single(4, 6))
    assert [d.dim_param or d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim][1:] == [3]
    agrees(lambda x: np.zeros((len(x), 3), F32) + x.mean(axis=0), single(4, 3))
    agrees(lambda x: np.concatenate([x, np.ones((1, 3), F32)]), single(4, 3))
    agrees(lambda x: np.reshape(x[:, None] * np.ones((len(x), 2, 3), F32), (len(x), 6)).sum(0), single(4, 3))


def test_logsumexp_and_softmax_of_large_numbers():
    x = np.array([[1000.0, 999.0, -1000.0], [-np.inf, -np.inf, 3.0]], F32)
    agrees(lambda x: functions.logsumexp(x, axis=1), x)
    agrees(lambda x: functions.log_softmax(x, axis=1), x)
    none = np.full((2, 3), -np.inf, F32)
    assert run(to_onnx(lambda x: functions.logsumexp(x, axis=1), x), none)[0].tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize(
    "model",
    [
        nn.Conv2d(2, 4, 3, padding=1, dtype=float, rng=0),
        nn.Sequential(nn.Conv2d(2, 4, 3, dtype=float, rng=0), nn.GELU(), nn.AvgPool2d(2)),
        nn.Sequential(nn.ELU(0.3), nn.LeakyReLU(0.1), nn.SELU(), nn.Flatten()),
    ],
)
def test_double_precision_where_onnxruntime_has_no_operators(model):
    """ONNX's own slow evaluator has them."""
    evaluator = pytest.importorskip("onnx.reference")

    def reference(proto, x):
        return evaluator.ReferenceEvaluator(proto).run(None, {"x": x})

    agrees(model, RNG.normal(size=(3, 2, 6, 6)), 1e-6, 1e-6, reference)  # its erf has seven digits


DOUBLE = {
    "layers": nn.Sequential(nn.Linear(3, 4, dtype=float, rng=0), nn.ELU(0.3), nn.LeakyReLU(0.1), nn.SELU()),
    "recurrence": nn.Sequential(lambda x: x[:, :, None], nn.GRU(1, 4, returns="last", dtype=float, rng=0)),
    "attention": nn.Sequential(lambda x: x[:, :, None], nn.MultiHeadAttention(1, 1, dtype=float, rng=0)),
}


@pytest.mark.parametrize("name", DOUBLE)
def test_double_precision(name):
    agrees(DOUBLE[name], RNG.normal(size=(4, 3)), 1e-11, 1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.sampled_from([0, 1, "same"])), max_size=3
    ),
    st.sampled_from([None, nn.MaxPool2d, nn.AvgPool2d]),
    st.sampled_from([nn.Flatten, nn.GlobalAvgPool, nn.GlobalMaxPool]),
    st.lists(st.integers(1, 4), max_size=2),
    st.sampled_from(sorted(nn.ACTIVATIONS)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_random_networks(channels, filters, pool, end, hidden, activation, normalized, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, channels, 9, 8)).astype(F32)
    layers = []
    for i, (count, size, stride, padding) in enumerate(filters):
        padding = padding if i == 0 else "same"
        layers += [nn.Conv2d(channels, count, size, stride=stride, padding=padding, rng=rng), nn.activation(activation)]
        layers += [trained(nn.BatchNorm(count), count)] if normalized else []
        channels = count
    features = nn.Sequential(*layers, *([pool(2)] if pool and len(filters) < 3 else []), end())
    width = features(x).shape[1]
    agrees(nn.Sequential(features, nn.MLP([width, *hidden, 2], activation=activation, rng=rng)), x, 1e-4, 1e-5)


# safety


class Hostile(nn.Module):
    def __init__(self, names):
        self.parts = {name: nn.Linear(3, 3, rng=i) for i, name in enumerate(names)}
        self.x = Value(single(3), name="x")
        self.relu_0 = Value(single(3))

    def forward(self, x):
        for part in self.parts.values():
            x = np.maximum(part(x), 0.0)
        return x * self.x + self.relu_0


NAMES = ["a\nb", 'quote"', "it's", "\udc80\ud800", "", "a.b", "a/b", "x", "y", "gemm_0", "\x00", "é", "constant"]


def test_hostile_names_of_parts():
    proto = agrees(Hostile(NAMES), single(4, 3))
    names = [t.name for t in proto.graph.initializer] + [out for node in proto.graph.node for out in node.output]
    assert len(set(names)) == len(names)
    assert len(proto.graph.initializer) >= 2 * len(NAMES) + 2


def test_large_constants_that_are_made_on_the_way_stay_apart():
    """Each is cast from float64 when it is written, and the next one may lie where it lay in memory."""
    parts = [RNG.normal(size=(30,)) for _ in range(20)]
    agrees(lambda x: np.stack([x * Value(part).astype(F32) + part.astype(F32) for part in parts], 1), single(4, 30))
    agrees(
        lambda x: sum(np.where(x > 0, x, Value(part).astype(F32)) * i for i, part in enumerate(parts)), single(4, 30)
    )


def test_nothing_is_written_if_the_export_fails(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(NotImplementedError):
        to_onnx(lambda x: np.linalg.inv(x), [np.eye(2)] * 2, path)
    assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError):
        to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]], tmp_path / "none" / "model.onnx")
    with pytest.raises(IsADirectoryError):
        to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_a_model_too_large_for_a_file_is_refused(monkeypatch):
    monkeypatch.setattr("autograd_nn.export.onnx.LARGEST", 1000)
    with pytest.raises(ValueError, match="files of up to 2 GB"):
        to_onnx(nn.MLP([30, 10]), single(1, 30))


def test_settings_without_a_translation_are_refused():
    x = single(3, 2, 4)
    for f, words in (
        (lambda x: functions.softmax(x, axis=(0, 1)), "over the batch"),
        (lambda x: np.argmax(x) * x, "over all axes"),
        (lambda x: np.cumsum(x), "over all axes"),
        (lambda x: np.pad(x, ((0, 0), (1, 1), (0, 0)), mode="reflect"), "batch|pad with mode|no translation"),
        (lambda x: x[:, [0, 1], [0, 1]], "several index arrays"),
        (lambda x: x[:, :, None][0, :, :, [1, 2]], "with a slice between"),
        (lambda x: x[x[:, 0, 0] > 0], "batch|mask"),
        (lambda x: np.repeat(x, 2, axis=0), "repeat along the batch"),
        (lambda x: x.var(0, ddof=1), "var over the batch"),
        (lambda x: np.linalg.norm(x, ord=3, axis=1), "ord=3"),
        (lambda x: np.dot(x, np.ones((2, 4, 3), F32)), "dot"),
    ):
        with pytest.raises((NotImplementedError, ValueError), match=words):
            to_onnx(f, x)


# ops

WITHOUT = """
angle arctan2 argpartition argsort at_add at_max at_min at_multiply at_set cbrt cholesky cofactor cond conj convolve
conv_filters conv_image
copysign correlate count_nonzero crop crop_or_pad cross cross_entropy cumprod det diag diagflat diagonal
diagonal_embed digamma eig eigh eigvals eigvalsh entr erfcinv erfcx erfinv expm fft fft2 fftn fftshift fmax fmin fold
gamma groups heaviside hfft i0 i0e i1 i1e ifft ifft2 ifftn ifftshift ihfft imag inner inv irfft irfft2 irfftn isclose
iv ive kron last_of_each ldexp lgamma log_ndtr logaddexp2 lstsq matrix_norm matrix_power matrix_rank median multi_dot
nan_to_num nanmax nanmin ndtri nextafter normal_hazard normal_hazard_excess outer pad_transpose partition pinv place
place_along_axis polygamma pool_share qr quantile real recurrence repeat_transpose rfft rfft2 rfftn roll rot90 round
searchsorted signbit sinc sinc_derivative slogdet softmax_minus_one_hot solve sort sum_to svd svdvals tensordot tile
topk trace tril triu unfold vdot vecdot xlog1py xlogy
"""


def test_ops_without_a_translation():
    """A new op stands here, or gets an entry in the tables of the writer."""
    assert {name for name, op in OPS.items() if not translated(op)} == set(WITHOUT.split())


@pytest.mark.parametrize("name", sorted(name for name, op in OPS.items() if op.elementwise and translated(op)))
def test_elementwise_ops(name):
    op = OPS[name]
    domains = [op.domain[min(i, len(op.domain) - 1)] for i in range(len(op.args))]
    rng = np.random.default_rng(0)
    inputs = {
        f"x{i}": domain.sample(rng, (5, 4)).astype(bool if domain.kind == "bool" else F32)
        for i, domain in enumerate(domains)
    }
    attrs = op.cases[0].attrs
    one = len(inputs) == 1
    proto = to_onnx(
        (lambda x: op(x, **attrs)) if one else (lambda **xs: op(*xs.values(), **attrs)),
        inputs["x0"] if one else inputs,
        input_name="x0",
    )
    (got,) = run(proto, inputs)
    expected = op.forward(*inputs.values(), **attrs)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x < 0.5) * 1.0,
        lambda x: (x + 1) / 2,
        lambda x: np.where(x > 1, x, 0.5),
        lambda x: x.mean(axis=1) + x.var(axis=1),
        lambda x: x.sum(axis=1),
        lambda x: (x > 0).sum(axis=1),
        lambda x: np.logical_and(x, x > 1),
        lambda x: (x > 0).any(axis=1) & (x > -1).all(axis=1),
        lambda x: np.argmin(x, axis=1),
        lambda x: np.cumsum(x, axis=1),
        lambda x: x.astype(F32) @ np.ones((3, 2), F32),
    ],
)
def test_integers_become_what_numpy_makes_of_them(f):
    agrees(f, np.array([[0, 1, 2], [-3, 2, 0]]))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "autograd-nn\[onnx\]"'):
        to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]])


def test_tables_name_ops_that_exist():
    assert set(ELEMENTWISE) | set(FORMULAS) <= set(OPS)

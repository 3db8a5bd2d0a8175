import sys

import numpy as np
import pytest

from autograd_nn import Value, functions, nn
from autograd_nn.export import to_onnx
from autograd_nn.export.onnx import ELEMENTWISE
from autograd_nn.op import OPS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)


def run(proto, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def agrees(model, x, rtol=2e-5, atol=2e-6):
    """onnxruntime's answers equal the model's, for batches of sizes that the export has not seen."""
    proto = to_onnx(model, x[:1])
    if isinstance(model, nn.Module):
        model.eval()
    for batch in (1, 2, 5):
        rows = np.resize(x, (batch, *x.shape[1:]))
        expected = model(Value(rows, dtype=rows.dtype, requires_grad=False)).data
        got = run(proto, rows)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)
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
    np.testing.assert_allclose(run(proto, x), model(x).data, rtol=1e-12)
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
            "depends on the size of the batch",
        ),
        (lambda: to_onnx(lambda x: (x, x), [[1.0]]), TypeError, "a model with one output, got tuple"),
    ],
)
def test_what_cannot_be_written_is_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "autograd-nn\[onnx\]"'):
        to_onnx(nn.MLP([2, 1]), [[1.0, 2.0]])


def test_tables_name_ops_that_exist():
    assert set(ELEMENTWISE) <= set(OPS)

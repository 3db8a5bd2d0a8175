import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Value, functions, nn, stop_gradient
from autograd_nn.export import to_python
from autograd_nn.export.python import EXPRESSIONS, MOVES, REDUCTIONS, RESERVED, translated
from autograd_nn.op import OPS

RNG = np.random.default_rng(0)


def load(text):
    scope = {"__name__": "exported"}
    exec(text, scope)
    return scope


def agrees(model, batch, **options):
    """The file's answers, for inputs that are not in it, equal the model's."""
    batch = np.asarray(batch)
    scope = load(to_python(model, batch[: len(batch) // 2], **options))
    assert scope["check"]() == min(len(batch) // 2, 10)
    for row in batch[len(batch) // 2 :]:
        expected = np.ravel(model(Value(row[None], dtype=row.dtype, requires_grad=False)).data)
        np.testing.assert_allclose(scope["predict"](row.tolist()), expected, rtol=1e-9, atol=1e-12)
    return scope


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=4),
    st.sampled_from(sorted(nn.ACTIVATIONS)),
    st.booleans(),
    st.sampled_from([None, "softmax", "sigmoid"]),
)
def test_mlp(sizes, activation, bias, output):
    model = nn.MLP(sizes, activation=activation, bias=bias, output_activation=output, dtype=float, rng=0)
    agrees(model, np.random.default_rng(1).normal(size=(6, sizes[0])))


FUNCTIONS = {
    "reductions": lambda x: np.stack([x.sum(-1), x.mean(-1), x.max(-1), x.min(-1), x.var(-1), x.var(-1, ddof=1)], -1),
    "logsumexp of the middle axis": lambda x: functions.logsumexp(x, axis=1),
    "softmax of the middle axis": lambda x: functions.softmax(x, axis=1),
    "log_softmax of two axes": lambda x: functions.log_softmax(x, axis=(1, 2)),
    "argmax": lambda x: x.argmax(axis=1) * 1.0 + x[:, 0],
    "normalize": lambda x: functions.normalize(x),
    "broadcasting": lambda x: x[:, :, :1] * x[:, :1, :] + x - 2.0 * x[:, ::-1],
    "a constant in front": lambda x: np.arange(6.0).reshape(2, 3) / x,
    "transpose and reshape": lambda x: np.reshape(x.transpose(0, 2, 1), (1, 6)),
    "concatenate": lambda x: np.concatenate([x, x * 2, x[:, ::-1]], axis=2),
    "pad": lambda x: np.pad(x, ((0, 0), (1, 1), (2, 0)), constant_values=-1.5),
    "index arrays": lambda x: x[:, [1, 0, 1], [0, 2, 1]],
    "strides": lambda x: x[:, 1, ::2],
    "where": lambda x: np.where(x > 0, x, np.exp(x)),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "comparison": lambda x: x * (x < 0.1),
    "attention": lambda x: functions.softmax(x @ x.transpose(0, 2, 1)) @ x,
    "matrix by vector": lambda x: x @ np.array([1.0, 2.0, 3.0]),
    "powers": lambda x: x**2 + abs(x) ** 0.5 + np.sqrt(abs(x)) + np.log1p(abs(x)),
    "trigonometry": lambda x: np.sin(x) + np.cos(x) * np.arctan(x) + np.sinh(x) + np.sign(x),
    "masked attention": lambda x: functions.softmax(x + np.array([[0.0, -np.inf, 0.0], [0.0, 0.0, -np.inf]])) * x,
    "gelu tanh": lambda x: functions.gelu(x, approximate="tanh"),
    "constants are folded": lambda x: x + Value(np.ones(3)).exp() * 2,
    "roll, flip, repeat": lambda x: np.repeat(np.roll(np.flip(x, 2), 1, 1), 2, axis=1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    agrees(FUNCTIONS[name], RNG.normal(size=(6, 2, 3)))


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
    w = RNG.normal(size=(4, 2 // options.get("groups", 1), 3, 2))
    b = RNG.normal(size=4)
    agrees(lambda x: functions.conv2d(x, w, b, **options), RNG.normal(size=(4, 2, 6, 5)))


@pytest.mark.parametrize("pool", [functions.max_pool2d, functions.avg_pool2d])
@pytest.mark.parametrize("options", [{}, {"size": 3, "stride": 1}, {"size": (2, 3), "padding": 1}])
def test_pooling(pool, options):
    agrees(lambda x: pool(x, **options), RNG.normal(size=(4, 2, 6, 7)))


D = {"dtype": float, "rng": 0}


def trained(layer, *shape):
    """A normalization whose running averages are not those that it begins with."""
    layer(3 * RNG.normal(size=(20, *shape)) + 1)
    return layer.eval()


LAYERS = {
    "Perceptron": (nn.Perceptron([1.0, -2.0, 3.0], bias=0.1), (3,)),
    "Conv1d": (nn.Conv1d(2, 4, 3, stride=2, padding="same", groups=2, **D), (2, 9)),
    "MaxPool1d": (nn.MaxPool1d(3, padding=1), (2, 9)),
    "GlobalMaxPool": (nn.GlobalMaxPool(), (2, 5, 4)),
    "GlobalAvgPool": (nn.GlobalAvgPool(), (2, 5)),
    "Dropout": (nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 2, **D)).eval(), (3, 2)),
    "Dropout alone": (nn.Dropout(0.5).eval(), (3,)),
    "Identity": (nn.Identity(), (3,)),
    "BatchNorm": (trained(nn.BatchNorm(3, dtype=float), 3), (3,)),
    "BatchNorm of images": (trained(nn.BatchNorm(3, dtype=float), 3, 2, 2), (3, 4, 4)),
    "LayerNorm": (nn.LayerNorm((5, 3), dtype=float), (5, 3)),
    "GroupNorm": (nn.GroupNorm(2, 4, dtype=float), (4, 3, 3)),
    "RMSNorm": (nn.RMSNorm(3, dtype=float), (3,)),
    "RNNCell": (nn.RNNCell(3, 4, **D), (3,)),
    "GRUCell": (nn.GRUCell(3, 4, **D), (3,)),
    "LSTMCell": (lambda x: np.concatenate(LSTM(x), axis=1), (3,)),
    "attention": (lambda x: nn.attention(x, 2 * x, x, causal=True), (5, 4)),
    "MultiHeadAttention": (nn.MultiHeadAttention(4, 2, **D), (5, 4)),
    "TransformerEncoderBlock": (nn.TransformerEncoderBlock(4, 2, **D), (5, 4)),
    "PositionalEncoding": (nn.PositionalEncoding(4, dtype=float), (5, 4)),
    "Residual": (nn.Residual(nn.Linear(3, 2, **D), nn.Linear(3, 2, **D)), (3,)),
    **{
        f"{cls.__name__} {options}": (cls(3, 4, **options, **D), (5, 3))
        for cls in (nn.RNN, nn.LSTM, nn.GRU)
        for options in (
            {"returns": "last"},
            {"returns": "outputs", "bias": False},
            {"layers": 2, "bidirectional": True, "returns": "outputs"},
            {"scan": True, "returns": "last"},
        )
    },
}
LSTM = nn.LSTMCell(3, 4, **D)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    layer, row = LAYERS[name]
    agrees(layer, RNG.normal(size=(6, *row)))


def test_embedding_of_integers():
    words = nn.Sequential(nn.Embedding(5, 3, padding_idx=0, **D), nn.GRU(3, 4, returns="last", **D))
    scope = agrees(words, np.array([[1, 2, 0], [3, 4, 1], [0, 0, 0], [2, 2, 3]]))
    for wrong in (5, -1, 1.5):
        with pytest.raises(ValueError, match=rf"wanted integers from 0 to 4, got {wrong}"):
            scope["predict"]([1, wrong, 2])
    agrees(lambda x: words.layers[0].weight[x], np.array([[1, 2, 0], [3, 4, 1]]))


def test_masks_that_come_from_the_tokens():
    embedding, block, cells = nn.Embedding(5, 4, **D), nn.TransformerEncoderBlock(4, 2, **D), nn.GRU(4, 4, **D)
    tokens = np.array([[1, 2, 0], [3, 2, 4], [4, 0, 0], [1, 0, 0]])
    agrees(lambda t: block(embedding(t), key_mask=t != 0)[:, 0], tokens)
    agrees(lambda t: cells(embedding(t), mask=t != 0)[0], tokens)


def test_half_precision():
    x = RNG.normal(size=(4, 3)).astype(np.float16)
    model = nn.MLP([3, 4, 2], rng=0).astype(np.float16)
    assert load(to_python(model, x))["check"]() == 4


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * x.data,
        lambda x: x * stop_gradient(x),
        lambda x: x * float(x.data.sum()),
        lambda x: x + 1 if x.data.sum() > 4 else x - 1,
        lambda x: np.take(x, np.argmax(x.data, axis=1), axis=1),
    ],
)
@pytest.mark.parametrize("examples", [[[3.0, 1.1], [-1.0, 5.0], [0.5, 0.2]], [[3.0, 1.1]]])
def test_what_comes_from_the_numbers_past_the_ops_is_refused(f, examples):
    if len(examples) == 1 and "argmax" in f.__code__.co_names:
        pytest.skip("one example cannot show it")
    with pytest.raises(NotImplementedError, match="in other ways than through ops"):
        to_python(f, examples)


def test_indices_that_depend_on_the_input():
    for f in (lambda x: np.take(x, np.argmax(x, axis=1), axis=1), lambda x: x[:, np.argmax(x, axis=1)]):
        with pytest.raises(NotImplementedError, match="with indices that depend on the input"):
            to_python(f, [[1.0, 2.0]])


def test_powers_where_math_pow_raises():
    scope = load(to_python(lambda x: x ** np.array([0.5, -1.0, 3.0]), [[1.0, 2.0, 3.0]]))
    assert str(scope["predict"]([-1.0, 0.0, -1e200])) == "[nan, inf, -inf]"
    assert load(to_python(lambda x: x**2.0, [[1.0]]))["predict"]([1e200]) == [float("inf")]


def test_a_network_with_classes_runs_alone_in_a_python_without_packages(tmp_path):
    x = RNG.normal(size=(30, 4)).astype(np.float32)
    model = nn.SoftmaxClassifier([4, 8, 3], rng=0)
    model.train()
    path = tmp_path / "model.py"
    text = to_python(model, x, path, columns=["a", "b", "c", "it's"], classes=["no", 'ma"y\nbe', "yes"])
    assert model.training
    assert path.read_text(encoding="utf-8") == text
    scope = load(text)
    for row, p in zip(x, model.predict_proba(x), strict=True):
        np.testing.assert_allclose(scope["predict_proba"](row.tolist()), p, rtol=1e-4)
        assert scope["predict"](row.tolist()) == ["no", 'ma"y\nbe', "yes"][p.argmax()]
    assert scope["predict"](dict(zip(["it's", "a", "b", "c"], [4, 1, 2, 3], strict=True))) == scope["predict"](
        [1, 2, 3, 4]
    )

    def run(*arguments):
        command = [sys.executable, "-S", "-I", str(path), *arguments]  # no site-packages
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert run().stdout == "10 examples agree\n"
    assert run("1", "2", "3", "4").stdout.strip() in ("no", 'ma"y\nbe', "yes")
    assert "wanted one example of shape (4,), got 2 numbers" in run("1", "2").stderr
    broken = text.replace("ANSWERS = [\n    [", "ANSWERS = [\n    [9.0 + ", 1)
    with pytest.raises(ArithmeticError, match="wanted"):
        load(broken)["check"]()


def test_two_classes_from_one_logit():
    x = RNG.normal(size=(4, 2))
    model = nn.LogisticRegression(2, dtype=float, init="standard_normal", rng=0)
    scope = load(to_python(model, x, classes=[False, True]))
    np.testing.assert_allclose([scope["predict_proba"](row.tolist()) for row in x], model.predict_proba(x), rtol=1e-9)
    assert scope["predict"](x[0].tolist()) is bool(model.predict(x)[0])


def test_bad_input_to_the_file():
    scope = load(to_python(nn.MLP([2, 1], rng=0), np.ones((1, 2)), columns=["a", "b"]))
    for x, words in (
        ([1.0], r"wanted one example of shape \(2,\), got 1 numbers"),
        ([1.0, float("nan")], "wanted finite numbers"),
        ({"a": 1.0}, "missing: b"),
        (["x", 1.0], "could not convert string to float"),
    ):
        with pytest.raises(ValueError, match=words):
            scope["predict"](x)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: to_python(lambda x: np.linalg.inv(x), [np.eye(2)] * 2),
            NotImplementedError,
            "no translation of op 'inv'",
        ),
        (
            lambda: to_python(nn.MLP([2, 1]), [1.0, 2.0]),
            ValueError,
            r"wanted a batch of examples, \(batch, …\), got shape \(2,\)",
        ),
        (lambda: to_python(nn.MLP([2, 1]), np.zeros((0, 2))), ValueError, "wanted a batch"),
        (
            lambda: to_python(nn.MLP([2, 1]), [[1.0, 2.0]], columns=["a"]),
            ValueError,
            r"for each feature, \(2,\), got 1 names",
        ),
        (
            lambda: to_python(nn.MLP([2, 3]), [[1.0, 2.0]], classes=[0, 1]),
            ValueError,
            r"for each output, \(3,\), got 2 classes",
        ),
        (lambda: to_python(nn.MLP([2000, 200]), np.zeros((1, 2000))), ValueError, "up to 200,000 of them"),
        (lambda: to_python(lambda x: Value(np.ones((1, 2))) * 1, [[1.0]]), ValueError, "does not depend on the input"),
    ],
)
def test_what_cannot_be_written_is_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_names_of_parts_are_only_names():
    class Odd(nn.Module):
        def __init__(self):
            names = ["x\nimport os; os.abort() #", "import", "\ud800", "ﬁ", "fi", "x²", "", "shape", "Classes", "math"]
            self.dtype = np.dtype(float)
            self.parts = {name: nn.Linear(2, 2, dtype=float, rng=i) for i, name in enumerate(names)}
            for i, name in enumerate(RESERVED):
                setattr(self, name.lower(), Value(np.array([i, 0.5]), name=name))

        def forward(self, x):
            for part in self.parts.values():
                x = np.tanh(part(x))
            for name in sorted(RESERVED):
                x = x * 0.9 + getattr(self, name.lower())
            return x

    text = to_python(Odd(), RNG.normal(size=(2, 2)))
    assert text.isascii()
    agrees(Odd(), RNG.normal(size=(4, 2)))


def test_names_of_columns_and_classes_from_numpy(tmp_path):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    model = nn.SoftmaxClassifier([2, 2], dtype=float, rng=0)
    columns, classes = np.array(["a", "\u2028é"]), np.array([10, 20])
    text = to_python(model, x, tmp_path / "model.py", columns=columns, classes=classes)
    scope = load((tmp_path / "model.py").read_text(encoding="utf-8"))
    assert scope["predict"]({"a": 1.0, "\u2028é": 2.0}) in (10, 20)
    assert "np." not in text
    for names, kind, words in (
        ({"columns": ["a", "a"]}, ValueError, "different column names"),
        ({"classes": [0, np.float64("nan")]}, TypeError, "classes that are texts or numbers, got nan"),
        ({"classes": [0, object]}, TypeError, "texts or numbers"),
    ):
        with pytest.raises(kind, match=words):
            to_python(model, x, **names)


def test_nothing_is_written_if_the_export_fails(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("old")
    with pytest.raises(NotImplementedError):
        to_python(lambda x: np.linalg.inv(x), [np.eye(2)] * 2, path)
    assert path.read_text() == "old"
    with pytest.raises(FileNotFoundError):
        to_python(nn.MLP([2, 1]), [[1.0, 2.0]], tmp_path / "none" / "model.py")
    assert [p.name for p in tmp_path.iterdir()] == ["model.py"]


def test_models_that_are_no_function_of_a_batch_are_refused():
    for model, kind, words in (
        (nn.LSTM(2, 1), TypeError, "a model with one output, a Value, got tuple"),
        (lambda x: x.sum(), ValueError, r"got shape \(\) for a batch of 1"),
        (lambda x: x.data, TypeError, "got ReadOnlyArray|got ndarray"),
    ):
        with pytest.raises(kind, match=words):
            to_python(model, np.ones((2, 3, 2)))
    with pytest.raises(TypeError, match="one input; got a dict"):
        to_python(nn.MLP([2, 1]), {"x": [[1.0, 2.0]]})
    with pytest.raises(TypeError, match="real numbers"):
        to_python(nn.MLP([2, 1]), [["a", "b"]])


WITHOUT = """
angle argpartition argsort at_add at_max at_min at_multiply at_set bitwise_not cholesky cofactor cond conj convolve
conv_filters conv_image
copysign correlate count_nonzero crop_or_pad cross cross_entropy cumprod det diagflat diagonal_embed digamma dot eig
eigh eigvals eigvalsh einsum entr erfcinv erfcx erfinv expm fft fft2 fftn fftshift fmax fmin fold gamma groups
heaviside hfft i0 i0e i1 i1e ifft ifft2 ifftn ifftshift ihfft imag inner inv irfft irfft2 irfftn isclose iv ive kron
last_of_each ldexp lgamma log_ndtr logaddexp2 lstsq matrix_norm matrix_power matrix_rank median multi_dot nan_to_num
nanmax nanmin ndtri nextafter norm normal_hazard normal_hazard_excess outer pad_transpose partition pinv place
place_along_axis polygamma pool_share qr quantile real recurrence repeat_transpose rfft rfft2 rfftn round searchsorted
signbit sinc sinc_derivative slogdet softmax_minus_one_hot solve sort sum_to svd svdvals tensordot topk trace vdot
vecdot vector_norm xlog1py xlogy
"""


def test_ops_without_a_translation():
    """A new op stands here, or gets an entry in the tables of the writer."""
    assert {name for name, op in OPS.items() if not translated(op)} == set(WITHOUT.split())


@pytest.mark.parametrize("name", sorted(name for name, op in OPS.items() if op.elementwise and translated(op)))
def test_elementwise_ops(name):
    op = OPS[name]
    domains = [op.domain[min(i, len(op.domain) - 1)] for i in range(len(op.args))]
    rng = np.random.default_rng(0)
    x = np.stack([domain.sample(rng, (8, 4)) * 2.0 - (domain.kind == "bool") for domain in domains], axis=1)

    def f(x):
        return op(
            *[x[:, i] > 0 if domain.kind == "bool" else x[:, i] / 2 for i, domain in enumerate(domains)],
            **op.cases[0].attrs,
        )

    agrees(f, x)


def test_tables_name_ops_that_exist():
    assert set(OPS) >= set(EXPRESSIONS) | MOVES | set(REDUCTIONS)

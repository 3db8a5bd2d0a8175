import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Value, functions, nn
from autograd_nn.export import to_python
from autograd_nn.export.python import EXPRESSIONS, MOVES
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
        expected = np.ravel(model(Value(row[None])).data)
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


def test_names_of_parts_are_only_names(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            self.dtype = np.dtype(float)
            self.parts = {
                "x\nimport os; os.abort() #": nn.Linear(2, 2, dtype=float, rng=0),
                "import": nn.Linear(2, 1, dtype=float, rng=0),
            }

        def forward(self, x):
            for part in self.parts.values():
                x = part(x)
            return x

    agrees(Odd(), RNG.normal(size=(4, 2)))


def test_tables_name_ops_that_exist():
    assert set(OPS) >= set(EXPRESSIONS) | MOVES

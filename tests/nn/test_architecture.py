import json
import threading

import numpy as np
import pytest

from autograd_nn import functions, nn
from autograd_nn.nn import Linear, Module, Residual, Sequential, architecture, from_architecture
from autograd_nn.nn.initializer import blank, he_normal


class Own(Module):
    def __init__(self, width, parts=None):
        self.width, self.parts = width, {"a": Linear(width, width)} if parts is None else parts

    def forward(self, x):
        return self.parts["a"](x)


MODELS = {
    "mlp": nn.MLP([2, 3, 1], activation=np.tanh, output_activation="sigmoid", dtype=float),
    "sequential": Sequential(Linear(2, 3, bias=False), functions.relu, Residual(Linear(3, 3)), np.sin),
    "classifier": nn.SoftmaxClassifier([2, 3], init=he_normal),
    "logistic": nn.LogisticRegression(2),
}


@pytest.mark.parametrize("name", MODELS)
def test_round_trip_through_json(name):
    model = MODELS[name]
    again = from_architecture(json.loads(json.dumps(architecture(model))))
    assert repr(again) == repr(model)
    assert all(not p.data.any() for p in again.parameters())
    again.load_state_dict(model.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 2))
    np.testing.assert_array_equal(again(x).data, model(x).data)


def test_own_classes_have_to_be_named():
    model = Own(3)
    text = architecture(model)
    with pytest.raises(ValueError, match=r"a part of class 'Own'.*pass classes=\[Own\]"):
        from_architecture(text)
    again = from_architecture(text, classes=[Own])
    assert [path for path, _ in again.named_parameters()] == ["parts.a.weight", "parts.a.bias"]


def test_functions_without_a_name_are_refused():
    with pytest.raises(TypeError, match=r"cannot be saved with Sequential\.layers\[1\] = <function"):
        architecture(Sequential(Linear(1, 1), lambda x: x))


def deep(levels):
    thing = {"module": "Linear", "arguments": {"in_features": 1, "out_features": 1}}
    for _ in range(levels):
        thing = {"module": "Sequential", "arguments": {"layers": [thing]}}
    return thing


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (None, "describes no model"),
        ([], "describes no model"),
        ("Linear", "describes no model"),
        ({"module": "Linear"}, "is no module, dtype"),
        ({"module": "os.system", "arguments": {"command": "true"}}, "a part of class 'os.system'"),
        ({"module": "Module", "arguments": {"x": 1}}, "arguments of Module do not fit"),
        ({"module": "Linear", "arguments": {"in_features": 1}}, "arguments of Linear do not fit: missing"),
        ({"module": "Linear", "arguments": {"in_features": -1, "out_features": 1}}, "of at least 1, got -1"),
        ({"module": "Linear", "arguments": {"in_features": "a", "out_features": 1}}, "as an integer, got str"),
        ({"module": "Linear", "arguments": {"in_features": 10**12, "out_features": 10**12}}, "Linear do not fit"),
        ({"module": "MLP", "arguments": {"sizes": [1, 1], "activation": {"function": "eval"}}}, "no function 'eval'"),
        (
            {"module": "MLP", "arguments": {"sizes": [1, 1], "activation": {"function": "numpy.load"}}},
            "no function 'numpy",
        ),
        (
            {"module": "Linear", "arguments": {"in_features": {"dtype": "object"}, "out_features": 1}},
            "is no module, dtype",
        ),
        ({"module": "Embedding", "arguments": {"count": 3, "features": 2, "padding_idx": 1.5}}, "Embedding do not fit"),
        (deep(200), "more than 200 deep"),
        ({"module": "Sequential", "arguments": {"layers": [{"again": 0}]}}, "is no module"),
        ({"module": "Sequential", "arguments": {"layers": [{"again": -1}]}}, "is no module"),
        ({"module": "Sequential", "arguments": {"layers": [{"again": "0"}]}}, "is no module"),
    ],
)
def test_hostile_descriptions(description, words):
    with pytest.raises(ValueError, match=words):
        from_architecture(description)


def test_modules_at_several_places_stay_one():
    shared = Linear(2, 2, rng=0)
    model = Sequential(Residual(shared), Sequential(np.tanh, shared), Linear(2, 2, rng=1), shared)
    again = from_architecture(json.loads(json.dumps(architecture(model))))
    first, inner, other, last = again.layers
    assert first.layer is inner.layers[1] is last is not other
    assert list(again.state_dict()) == list(model.state_dict())


def test_what_can_be_written_can_be_read():
    model = Linear(1, 1)
    for _ in range(99):
        model = Sequential(model)
    assert repr(from_architecture(architecture(model))) == repr(model)
    for _ in range(2):
        model = Sequential(model)
    with pytest.raises(TypeError, match="more than 200 deep"):
        architecture(model)


def test_modules_that_cannot_be_made_again_are_refused():
    loop = Sequential(Linear(1, 1))
    loop.append(Residual(loop))
    with pytest.raises(TypeError, match=r"Sequential\.layers\[1\]\.layer is a part of itself"):
        architecture(loop)
    own = type("ReLU", (Module,), {"forward": lambda self, x: -x})
    with pytest.raises(TypeError, match="a class ReLU of your own, and autograd_nn.nn has another"):
        architecture(Sequential(own()))


def test_blank_is_for_this_thread_and_block_only():
    with blank():
        assert not Linear(2, 2).weight.data.any()
        found = []
        thread = threading.Thread(target=lambda: found.append(Linear(2, 2).weight.data.any()))
        thread.start()
        thread.join()
        assert found == [True]
    assert Linear(2, 2).weight.data.any()

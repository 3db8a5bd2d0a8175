import copy
import pickle

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.nn import Dropout, Linear, Sequential


def test_training_silences_a_share_and_keeps_the_mean():
    x = Value(np.ones(10_000))
    y = Dropout(0.25, rng=0)(x)
    y.sum().backward()
    assert set(np.unique(y.data)) == {0.0, 1 / 0.75}
    np.testing.assert_array_equal(x.grad, y.data)
    assert abs(np.mean(y.data == 0) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 10_000)  # four standard errors
    assert abs(y.data.mean() - 1.0) < 4 * np.sqrt(0.25 / 0.75 / 10_000)


def test_eval_is_the_identity_and_draws_nothing():
    layer = Dropout(0.5, rng=0)
    before = layer.rng.bit_generator.state
    x = Value(np.ones(4))
    assert layer.eval()(x) is x
    assert layer.rng.bit_generator.state == before
    assert layer.train()(x) is not x
    assert layer.rng.bit_generator.state != before
    assert Dropout(0.0)(x) is x


def test_the_state_of_the_generator_resumes_a_run():
    layer, x = Dropout(0.5, rng=3), np.ones(100)
    layer(x)
    state = layer.rng.bit_generator.state
    first = layer(x)
    other = Dropout(0.5, rng=99)
    other.rng.bit_generator.state = state
    np.testing.assert_array_equal(other(x), first)


def test_the_same_seed_the_same_silence_and_layers_differ():
    x = np.ones(100)
    np.testing.assert_array_equal(Dropout(rng=7)(x), Dropout(rng=7)(x))
    rng = np.random.default_rng(7)
    one, two = Dropout(rng=rng), Dropout(rng=rng)
    assert (one(x) != two(x)).any()
    model = Sequential(Dropout(), Dropout(), Linear(3, 2))
    runs = []
    for _ in range(2):
        model.initialize(5)
        runs.append((model[0](x), model[1](x), model[2].weight.data.copy()))
    for once, again in zip(*runs, strict=True):
        np.testing.assert_array_equal(once, again)
    assert (runs[0][0] != runs[0][1]).any()
    np.testing.assert_array_equal(runs[0][2], Linear(3, 2, rng=5).weight.data)  # silence does not change the weights


def test_copies_go_on_alike():
    layer, x = Dropout(rng=0), np.ones(50)
    layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        state = layer.rng.bit_generator.state
        np.testing.assert_array_equal(twin(x), layer(x))
        layer.rng.bit_generator.state = state


def test_float32_and_repr():
    assert Dropout(rng=0)(Value(np.ones(3), dtype=np.float32)).dtype == np.float32
    assert repr(Dropout(0.2, rng=0)) == "Dropout(p=0.2)"
    assert repr(Dropout()) == "Dropout()"


@pytest.mark.parametrize("p", [1.0, -0.1, float("nan")])
def test_bad_p(p):
    with pytest.raises(ValueError, match="Dropout wanted 0 <= p < 1"):
        Dropout(p)

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value
from autograd_nn.nn import Perceptron

SQUARE = [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_shapes():
    p = Perceptron([1.0, -1.0], bias=0.5)
    assert p.predict([0, 0]) == 1 and isinstance(p.predict([0, 0]), int)
    assert p.predict(SQUARE).tolist() == [1, 0, 1, 1]
    assert p.z(Value(np.zeros((3, 2)))).shape == (3,)
    assert p(np.zeros((3, 2))).dtype == np.int64
    with pytest.raises(ValueError, match=r"wanted 2 inputs.*got \(3,\)"):
        p.predict([1, 2, 3])


def test_the_step_is_strict():
    assert Perceptron([1.0], bias=0.0).predict([[0.0], [np.nextafter(0.0, 1.0)]]).tolist() == [0, 1]


def test_gradients_do_not_pass_the_step():
    p = Perceptron([5, 2, 4], threshold=3)
    with pytest.raises(ValueError, match="greater"):
        p([1, 0, 1]).backward()


@given(st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=1, max_size=8), st.data())
def test_what_a_line_separates_is_learned(rows, data):
    w = data.draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
    y = [int(w[0] * a + w[1] * b + 0.5 > 0) for a, b in rows]
    p = Perceptron(2)
    lesson = p.fit(rows, y, epochs=3000)
    assert lesson.epoch == len(lesson.mistakes) and lesson.mistakes[-1] == 0
    assert p.predict(rows).tolist() == y


@given(st.floats(0.01, 10))
def test_from_zero_weights_the_rate_only_scales(rate):
    p, q = Perceptron(2), Perceptron(2)
    assert p.fit(SQUARE, [0, 1, 1, 1]).epoch == q.fit(SQUARE, [0, 1, 1, 1], learning_rate=rate).epoch
    np.testing.assert_allclose(q.weight.data, rate * p.weight.data, rtol=1e-12)


def test_fitting_continues_from_what_was_learned():
    p = Perceptron(2)
    first = p.fit(SQUARE, [0, 0, 0, 1], epochs=2)
    assert first.epoch is None and len(first.mistakes) == 2
    assert p.fit(Value(SQUARE), [0, 0, 0, 1]).epoch == 4


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([[1, 2]], [2], {}, r"labels 0 and 1, got \[2.0\]"),
        ([[1, 2]], [-1], {}, "labels 0 and 1"),
        ([[1, 2, 3]], [1], {}, r"\(batch, 2\).*got \(1, 3\)"),
        ([[1, 2]], [1, 0], {}, r"got \(1, 2\) and \(2,\)"),
        (np.zeros((0, 2)), [], {}, "at least one row"),
        ([[1, 2]], [1], {"learning_rate": -1}, "learning rate larger than 0"),
        ([[1, 2]], [1], {"epochs": 0}, "at least one epoch"),
    ],
)
def test_bad_data_changes_nothing(x, y, options, message):
    p = Perceptron([1, 1], bias=1)
    with pytest.raises(ValueError, match=message):
        p.fit(x, y, **options)
    assert p.weight.tolist() == [1, 1] and p.bias.item() == 1


def test_construction():
    with pytest.raises(ValueError, match=r"not both: threshold=3 is the same as bias=-3"):
        Perceptron([1], threshold=3, bias=-3)
    for weights in ([], [[1, 2]], 0):
        with pytest.raises(ValueError, match="one for each input"):
            Perceptron(weights)
    p = Perceptron([5, 2, 4], threshold=3)
    assert p.threshold == 3.0
    assert repr(p) == "Perceptron([5.0, 2.0, 4.0], bias=-3.0)"
    assert pickle.loads(pickle.dumps(p)).predict([1, 0, 1]) == 1
    assert type(p)(**p.config()).predict([1, 0, 1]) == 1
    assert str(Perceptron(1).fit([[0], [0]], [0, 1], epochs=3)).endswith("not linearly separable?")

"""The perceptron: a step unit, its threshold, and the rule by which it learns."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autograd_nn import Value, functions, nn
from autograd_nn.nn import Perceptron

ALL_INPUTS = np.array(list(itertools.product([0, 1], repeat=3)))  # 000, 001, …, 111
SURFING = [0, 1, 0, 1, 1, 1, 1, 1]


def test_coverage_perceptron_surfing_example():
    surf = Perceptron([5, 2, 4], threshold=3)
    assert surf.bias.item() == -3 and surf.threshold == 3
    z = surf.z([1, 0, 1])
    assert (z.item(), surf.predict([1, 0, 1])) == (6.0, 1)
    assert surf.z(ALL_INPUTS).tolist() == [-3, 1, -1, 3, 2, 6, 4, 8]
    assert surf.predict(ALL_INPUTS).tolist() == SURFING
    z.backward()
    assert surf.weight.grad.tolist() == [1, 0, 1] and surf.bias.grad == 1
    wary = Perceptron([5, 2, 4], threshold=10)
    assert (wary.z([1, 0, 1]).item(), wary.predict([1, 0, 1])) == (-1.0, 0)


def test_coverage_perceptron_learning_rule():
    square = [[0, 0], [0, 1], [1, 0], [1, 1]]
    gate = Perceptron(2)
    assert gate.fit(square, [0, 0, 0, 1], learning_rate=1).epoch == 6
    assert (gate.weight.tolist(), gate.bias.item()) == ([2, 1], -2)
    surf = Perceptron(3)
    assert surf.fit(ALL_INPUTS, SURFING).epoch == 4
    assert surf.predict(ALL_INPUTS).tolist() == SURFING
    lesson = Perceptron(2).fit(square, [0, 1, 1, 0], epochs=100)
    assert lesson.epoch is None and len(lesson.mistakes) == 100
    assert "not linearly separable?" in str(lesson)


NUMBERS = st.floats(-100, 100)


@given(arrays(float, 3, elements=NUMBERS), NUMBERS, arrays(float, (4, 3), elements=NUMBERS))
def test_coverage_threshold_versus_bias(weights, t, x):
    by_threshold, by_bias = Perceptron(weights, threshold=t), Perceptron(weights, bias=-t)
    np.testing.assert_array_equal(by_threshold.z(x).data, by_bias.z(x).data)
    np.testing.assert_array_equal(by_threshold.predict(x), by_bias.predict(x))
    np.testing.assert_array_equal(
        functions.sigmoid(by_threshold.z(x)).data,
        functions.sigmoid(functions.linear(x, weights[:, None], Value([-t]))).data[:, 0],
    )


def test_coverage_sigmoid_neuron_moves_a_little_where_the_perceptron_flips():
    weights, x = [5.0, 2.0, 4.0], np.array([0.6, 0.0, 0.0])
    step, smooth = Perceptron(weights, threshold=3), nn.Linear(3, 1, dtype=float)
    smooth.load_state_dict({"weight": np.array(weights)[:, None], "bias": [-3.0]})
    moved = x + [0.01, 0, 0]
    assert (step.predict(x), step.predict(moved)) == (0, 1)
    before, after = (functions.sigmoid(smooth(v)).item() for v in (x, moved))
    assert 0 < after - before < 0.0126  # at most a quarter of the change of z, 0.05

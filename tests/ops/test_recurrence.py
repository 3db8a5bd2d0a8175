"""Gates of recurrent cells against their equations, element by element; their derivatives are checked by the laws."""

import math

import numpy as np
import pytest

from autograd_nn.ops.recurrence import gru_gates, lstm_gates


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_lstm_gates_are_the_equations():
    rng = np.random.default_rng(0)
    gates, c = rng.normal(size=(3, 8)), rng.normal(size=(3, 2))
    h, new, active = lstm_gates(gates, c)
    for row in range(3):
        for j in range(2):
            i, f, g, o = gates[row, [j, 2 + j, 4 + j, 6 + j]]
            i, f, g, o = sigmoid(i), sigmoid(f), math.tanh(g), sigmoid(o)
            wanted = f * c[row, j] + i * g
            assert new[row, j] == pytest.approx(wanted, rel=1e-14)
            assert h[row, j] == pytest.approx(o * math.tanh(wanted), rel=1e-14)
            np.testing.assert_allclose(active[row, [j, 2 + j, 4 + j, 6 + j]], [i, f, g, o], rtol=1e-14)


def test_gru_gates_are_the_equations():
    rng = np.random.default_rng(0)
    x, y, h = rng.normal(size=(3, 6)), rng.normal(size=(3, 6)), rng.normal(size=(3, 2))
    new, active = gru_gates(x, y, h)
    for row in range(3):
        for j in range(2):
            r, z = (sigmoid(x[row, k + j] + y[row, k + j]) for k in (0, 2))
            n = math.tanh(x[row, 4 + j] + r * y[row, 4 + j])
            assert new[row, j] == pytest.approx((1 - z) * n + z * h[row, j], rel=1e-14)
            np.testing.assert_allclose(active[row, [j, 2 + j, 4 + j]], [r, z, n], rtol=1e-14)


def test_extreme_gates_are_finite():
    huge = np.array([[-1000.0, 1000.0, 1000.0, -1000.0]], np.float32)
    h, c, _ = lstm_gates(huge, np.array([[3.0]], np.float32))
    assert h.tolist() == [[0.0]]
    assert c.tolist() == [[3.0]]
    new, _ = gru_gates(huge[:, :3], huge[:, :3], np.array([[3.0]], np.float32))
    assert new.tolist() == [[3.0]]


@pytest.mark.parametrize("shapes", [((3, 8), (3, 3)), ((3, 8), (2, 2)), ((8,), (1, 2)), ((), ())])
def test_lstm_gates_refuse_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match="lstm_gates.*4 times the width of the state"):
        lstm_gates(*map(np.zeros, shapes))


def test_gru_gates_refuse_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="gru_gates.*3 times the width of the state"):
        gru_gates(np.zeros((3, 6)), np.zeros((3, 5)), np.zeros((3, 2)))

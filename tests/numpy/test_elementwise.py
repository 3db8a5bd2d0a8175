import numpy as np
import pytest

from autograd_nn import Value

A = np.array([[1.3, -2.6, 0.4], [4.2, 0.7, -6.1]])


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a: np.modf(a),
        lambda np, a: np.divmod(a, 0.73),
        lambda np, a: np.float_power(np.abs(a), 1.7),
        lambda np, a: np.float_power(2, a),
        lambda np, a: np.nan_to_num(a),
        lambda np, a: np.clip(a, -1.0, 1.0),
        lambda np, a: np.astype(a, np.float64),
        lambda np, a: np.fmod(a, 0.73),
        lambda np, a: np.angle(a),
        lambda np, a: np.real(a) + np.imag(a),
        lambda np, a: np.sinc(a),
        lambda np, a: np.i0(a),
    ],
)
def test_elementwise(agree, f):
    agree(f, A)


def test_modf_at_infinity():
    fraction, whole = np.modf(Value([np.inf, -np.inf, 1.5]))
    assert fraction.tolist() == [0.0, 0.0, 0.5]
    assert whole.tolist() == [np.inf, -np.inf, 1.0]


def test_float_power_computes_in_float64():
    assert np.float_power(Value(np.float32([2.0])), 2).dtype == np.float64

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value

RNG = np.random.default_rng(7)
Y = RNG.standard_normal(6)
M = RNG.standard_normal((4, 5))
X = np.cumsum(RNG.uniform(0.5, 1.5, 6))


@pytest.mark.parametrize(
    "f",
    [
        lambda np, y: np.diff(y),
        lambda np, y: np.diff(y, 2),
        lambda np, y: np.diff(y, n=0),
        lambda np, y: np.diff(y, prepend=0.0, append=y[:2]),
        lambda np, y: np.ediff1d(y),
        lambda np, y: np.ediff1d(y, to_end=[1.0, 2.0], to_begin=0.5),
        lambda np, y: np.gradient(y),
        lambda np, y: np.gradient(y, 0.5),
        lambda np, y: np.gradient(y, 0.5, edge_order=2),
        lambda np, y: np.gradient(y, X),
        lambda np, y: np.gradient(y, X, edge_order=2),
        lambda np, y: np.trapezoid(y),
        lambda np, y: np.trapezoid(y, dx=0.5),
        lambda np, y: np.trapezoid(y, X),
        lambda np, y: np.trapezoid(X, y),
        lambda np, y: np.unwrap(9 * y),
        lambda np, y: np.unwrap(9 * y, period=4.0),
        lambda np, y: np.polyval(y, 0.7),
        lambda np, y: np.polyval([1.0, -2.0, 3.0], y),
        lambda np, y: np.polyadd(y, [1.0, 2.0]),
        lambda np, y: np.polysub([1.0, 2.0], y),
        lambda np, y: np.polymul(y, [1.0, 2.0]),
        lambda np, y: np.polyder(y),
        lambda np, y: np.polyder(y, 2),
        lambda np, y: np.polyint(y),
        lambda np, y: np.polyint(y, 2, [1.0, 2.0]),
        lambda np, y: np.interp(y, [-1.0, 0.1, 0.7, 1.1], [3.0, 1.0, 4.0, 2.0]),
        lambda np, y: np.interp(y, [-1.0, 0.1, 0.7], [3.0, 1.0, 4.0], left=-5.0, right=7.0),
        lambda np, y: np.interp([-9.0, 0.3, 2.5, 9.0], [0, 1, 2, 3, 4, 5], y),
        lambda np, y: np.cumulative_sum(y, include_initial=True),
        lambda np, y: np.cumulative_prod(y),
    ],
)
def test_one_axis(agree, f):
    agree(f, Y)


@pytest.mark.parametrize(
    "f",
    [
        lambda np, m: np.diff(m, axis=0),
        lambda np, m: np.diff(m, prepend=0.0, axis=0),
        lambda np, m: np.gradient(m),
        lambda np, m: np.gradient(m, 0.5, 2.0),
        lambda np, m: np.gradient(m, X[:5], axis=1),
        lambda np, m: np.gradient(m, axis=(1, 0), edge_order=2),
        lambda np, m: np.trapezoid(m, axis=0),
        lambda np, m: np.trapezoid(m, X[:4], axis=0),
        lambda np, m: np.unwrap(9 * m, axis=0),
        lambda np, m: np.cumulative_sum(m, axis=0),
        lambda np, m: np.cumulative_sum(m, axis=1, include_initial=True),
        lambda np, m: np.trapezoid(m, m * 2 + X[:5]),
    ],
)
def test_two_axes(agree, f):
    agree(f, M)


@pytest.mark.parametrize("f", [np.diff, np.gradient, np.trapezoid, np.polyder, np.polyint, np.unwrap, np.ediff1d])
def test_float32_stays_float32(f):
    assert f(Value(Y.astype(np.float32))).dtype == np.float32


def test_what_is_refused():
    v = Value(Y)
    with pytest.raises(TypeError, match="no period"):
        np.interp(v, X, X, period=3.0)
    with pytest.raises(ValueError, match="n ≥ 0"):
        np.diff(v, -1)
    with pytest.raises(ValueError, match="at least 3 points"):
        np.gradient(v[:2], edge_order=2)
    with pytest.raises(ValueError, match="6 coordinates"):
        np.gradient(v, [1.0, 2.0])
    with pytest.raises(TypeError, match="one spacing"):
        np.gradient(v, 1.0, 2.0)
    with pytest.raises(ValueError, match="an axis|one axis"):
        anp.cumulative_sum(Value(M))

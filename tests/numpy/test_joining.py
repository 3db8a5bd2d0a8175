import numpy as np
import pytest

from autograd_nn import Value

RNG = np.random.default_rng(5)
A = RNG.standard_normal((2, 3))
B = RNG.standard_normal((2, 3))
V = RNG.standard_normal(6)


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a, b: np.hstack([a, b]),
        lambda np, a, b: np.hstack((a[0], b[0])),
        lambda np, a, b: np.vstack([a, b]),
        lambda np, a, b: np.vstack([a[0], b]),
        lambda np, a, b: np.dstack([a, b]),
        lambda np, a, b: np.column_stack([a[:, 0], b]),
        lambda np, a, b: np.concatenate([a, b], 1),
        lambda np, a, b: np.concatenate((a, b), axis=None),
        lambda np, a, b: np.concat([a, b]),
        lambda np, a, b: np.stack([a, b], axis=-1),
        lambda np, a, b: np.block([[a, b], [b, a]]),
        lambda np, a, b: np.block([a, b]),
        lambda np, a, b: np.block([a[0], b[0, 0], 1.0]),
        lambda np, a, b: np.block([[a[0]], [b]]),
        lambda np, a, b: np.append(a, b),
        lambda np, a, b: np.append(a, b, axis=0),
        lambda np, a, b: np.append(a, 3.0) * np.append(0.5, b),
        lambda np, a, b: np.insert(a, 1, b[0]),
        lambda np, a, b: np.insert(a, 1, b[0], axis=0),
        lambda np, a, b: np.insert(a, [1, 2], b[:, :2], axis=1),
        lambda np, a, b: np.insert(a, 1, b[:, 0], axis=1),
        lambda np, a, b: np.insert(a, 2, 0.5 * b[0, 0]),
        lambda np, a, b: np.broadcast_arrays(a[:1], b),
        lambda np, a, b: np.select([A > 0.5, A > 0], [a, a * b], 2 * b),
        lambda np, a, b: np.select([A > 0.5, A > 0], [a, b]),
        lambda np, a, b: np.choose(np.array([[0, 1, 0], [1, 1, 0]]), [a, b]),
    ],
)
def test_two_arrays(agree, f):
    agree(f, A, B)


@pytest.mark.parametrize(
    "f",
    [
        lambda np, v: np.atleast_1d(v[0]),
        lambda np, v: np.atleast_2d(v),
        lambda np, v: np.atleast_3d(v),
        lambda np, v: np.atleast_2d(v, v[0]),
        lambda np, v: np.array_split(v, 4),
        lambda np, v: np.split(v, 3),
        lambda np, v: np.split(v, [2, 3]),
        lambda np, v: np.split(np.reshape(v, (2, 3)), 3, axis=1),
        lambda np, v: np.hsplit(v, 2),
        lambda np, v: np.vsplit(np.reshape(v, (2, 3)), 2),
        lambda np, v: np.dsplit(np.reshape(v, (1, 2, 3)), 3),
        lambda np, v: np.unstack(np.reshape(v, (2, 3)), axis=1),
        lambda np, v: np.fliplr(np.reshape(v, (2, 3))),
        lambda np, v: np.flipud(v),
        lambda np, v: np.rollaxis(np.reshape(v, (1, 2, 3)), 2),
        lambda np, v: np.rollaxis(np.reshape(v, (1, 2, 3)), 0, 3),
        lambda np, v: np.delete(v, [0, -1]),
        lambda np, v: np.delete(np.reshape(v, (2, 3)), 1, axis=1),
        lambda np, v: np.delete(v, slice(None, None, 2)),
        lambda np, v: np.resize(v, (3, 5)),
        lambda np, v: np.compress([True, False, True], v),
        lambda np, v: np.compress([False, True], np.reshape(v, (2, 3)), axis=0),
        lambda np, v: np.extract(V > 0, v),
        lambda np, v: np.ravel(np.reshape(v, (2, 3)), order="F"),
        lambda np, v: np.apply_along_axis(lambda row: row * row[0], 0, np.reshape(v, (2, 3))),
        lambda np, v: np.apply_along_axis(lambda row: np.sum(row * row), 1, np.reshape(v, (2, 3))),
        lambda np, v: np.apply_along_axis(lambda row: np.outer(row, row), 0, np.reshape(v, (2, 3))),
    ],
)
def test_one_array(agree, f):
    agree(f, V)


def test_piecewise(agree):
    x = np.array([-2.0, -0.5, 0.25, 4.0])

    def f(np, x):
        return np.piecewise(x, [x < 0, x > 1], [lambda t: -t, lambda t: np.sqrt(t), 0.5])

    agree(f, x)
    agree(lambda np, x: np.piecewise(x, [x > 0], [lambda t: t * t, lambda t: 3 * t]), x)


def test_piecewise_sees_only_its_own_elements():
    x = Value([-1.0, 4.0])
    np.piecewise(x, [x > 0], [np.sqrt, lambda t: 0.0 * t]).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_piecewise_counts_its_functions():
    with pytest.raises(ValueError, match="1 or 2 functions, got 3"):
        np.piecewise(Value(V), [V > 0], [1.0, 2.0, 3.0])


def test_select_counts_its_choices():
    with pytest.raises(ValueError, match="1 and 2"):
        np.select([V > 0], [Value(V), V])


def test_errors_of_splits():
    with pytest.raises(ValueError, match=r"array_split"):
        np.split(Value(V), 4)

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value

A = np.array([[1.5, -2.0, 0.3], [0.4, 5.0, -6.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a: np.linspace(a, 3.0, 5),
        lambda np, a: np.linspace(0.0, a, 4, endpoint=False),
        lambda np, a: np.linspace(a, a * a, 3, axis=-1),
        lambda np, a: np.linspace(a, a * a, 3, axis=1),
        lambda np, a: np.linspace(a, 1.0, 1),
        lambda np, a: np.linspace(a, 1.0, 3, retstep=True),
        lambda np, a: np.logspace(a / 9, 1.0, 3),
        lambda np, a: np.geomspace(a * a, a * a + 1, 3),
        lambda np, a: np.geomspace(-a * a, -a * a - 1, 3),
        lambda np, a: np.full_like(a, a[0, 0]),
        lambda np, a: np.full_like(a, 2.0) * a,
        lambda np, a: np.vander(a[0]),
        lambda np, a: np.vander(a[0], 2, increasing=True),
        lambda np, a: np.meshgrid(a[0], a[:, 1]),
        lambda np, a: np.meshgrid(a[0], a[:, 1], indexing="ij"),
    ],
)
def test_arrays_of_values(agree, f):
    agree(f, A)


@pytest.mark.parametrize("make", [np.zeros_like, np.ones_like, np.empty_like, np.full_like])
def test_like_gives_constants(make):
    fill = (7,) if make is np.full_like else ()
    for data in (A, A.astype(np.float32), np.array(2.0)):
        came = make(Value(data), *fill)
        assert type(came) is np.ndarray
        assert came.dtype == data.dtype
        assert came.shape == data.shape
    assert make(Value(A), *fill, dtype=int, shape=(2,)).dtype == np.dtype(int)
    assert (np.ones_like(Value(A)) == 1).all()
    assert (np.empty_like(Value(A)) == 0).all()


def test_like_of_a_python_float_stays_a_python_float():
    assert type(np.zeros_like(Value(3.0))) is float
    assert np.ones_like(Value(3.0)) == 1.0
    assert type((Value(3.0) + np.zeros_like(Value(3.0)))._data) is float


def test_full_of_a_value_fills_and_sums_its_gradient():
    v = Value(2.0)
    y = anp.full((2, 3), v)
    assert y.shape == (2, 3)
    (y * A).sum().backward()
    assert v.grad == pytest.approx(A.sum())
    assert np.full_like(Value(A), Value(2.0)).shape == (2, 3)
    assert anp.full(3, 1.5).tolist() == [1.5] * 3


def test_array_joins_nested_lists_of_values():
    x, y = Value(3.0), Value(4.0)
    m = anp.array([[x, 1.0], [y, x * y]])
    assert m.data.tolist() == [[3.0, 1.0], [4.0, 12.0]]
    (m * np.array([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert (x.grad, y.grad) == (1 + 4 * 4.0, 3 + 4 * 3.0)


def test_array_joins_rows():
    row = Value([1.0, 2.0])
    m = anp.array([row, [3.0, 4.0], row * row])
    assert m.shape == (3, 2)
    m.sum().backward()
    assert row.grad.tolist() == [3.0, 5.0]
    assert anp.asarray((row, row)).shape == (2, 2)
    assert anp.array([row], dtype=np.float32).dtype == np.float32
    assert anp.array(row, ndmin=3).shape == (1, 1, 2)
    assert anp.array([Value(1.0)], ndmin=2).shape == (1, 1)


def test_array_of_a_value_is_the_value():
    v = Value(A)
    assert anp.array(v) is v
    assert anp.asarray(v) is v
    assert anp.ascontiguousarray(v) is v


def test_ragged_lists_of_values_are_refused():
    with pytest.raises(ValueError, match=r"equal shape.*\(\).*\(2,\)"):
        anp.array([Value(1.0), Value([1.0, 2.0])])


def test_numpy_itself_refuses_lists_of_values():
    with pytest.raises(TypeError, match="cut it out of the graph"):
        np.array([Value(1.0), Value(2.0)])
    assert np.asarray([1.0, 2.0], like=Value(1.0)).tolist() == [1.0, 2.0]


def test_arange_names_what_to_write():
    with pytest.raises(TypeError, match=r"start \+ step \* arange\(n\)"):
        anp.arange(Value(3.0))
    assert anp.arange(3).tolist() == [0, 1, 2]


def test_linspace_is_exact_at_both_ends():
    start, stop = Value(np.float32(0.1)), Value(np.float32(0.7))
    points = np.linspace(start, stop, 7)
    assert points.dtype == np.float32
    assert (points.data[0], points.data[-1]) == (np.float32(0.1), np.float32(0.7))


def test_indices_depend_on_the_shape_alone():
    for f in (np.tril_indices_from, np.triu_indices_from):
        for came, wanted in zip(f(Value(A)), f(A), strict=True):
            assert came.tolist() == wanted.tolist()
    square = Value(np.eye(3))
    assert [i.tolist() for i in np.diag_indices_from(square)] == [[0, 1, 2]] * 2

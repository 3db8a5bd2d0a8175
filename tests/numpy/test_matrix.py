import numpy as np
import pytest

from autograd_nn import Value

RNG = np.random.default_rng(9)
SQUARE = RNG.standard_normal((3, 3)) + 3 * np.eye(3)
TALL = RNG.standard_normal((4, 2))


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a: np.linalg.eigh(a + a.T).eigenvalues,
        lambda np, a: np.linalg.eigh(a + a.T, "U")[0],
        lambda np, a: np.linalg.qr(a),
        lambda np, a: np.linalg.qr(a, mode="r"),
        lambda np, a: np.linalg.slogdet(a),
        lambda np, a: np.linalg.svd(a).S,
        lambda np, a: np.linalg.svd(a, compute_uv=False),
        lambda np, a: np.linalg.svd(a, full_matrices=False)[1],
        lambda np, a: np.linalg.trace(np.stack([a, a * a])),
        lambda np, a: np.linalg.trace(a, offset=1),
        lambda np, a: np.linalg.diagonal(np.stack([a, a * a]), offset=-1),
        lambda np, a: np.linalg.matrix_transpose(a),
        lambda np, a: np.linalg.tensorinv(np.reshape(np.linalg.matrix_power(a, 2), (3, 3, 1)), 1),
        lambda np, a: np.linalg.tensorsolve(np.reshape(a, (3, 1, 3)), np.reshape(a[0], (3, 1))),
        lambda np, a: np.linalg.tensorsolve(np.reshape(a, (3, 1, 3)), a[:1], axes=(0,)),
        lambda np, a: np.linalg.lstsq(a, a[:, 0] ** 2)[0],
    ],
)
def test_square(agree, f):
    agree(f, SQUARE, tolerance=1e-5)


def test_least_squares_returns_what_numpy_returns(agree):
    agree(lambda np, a: np.linalg.lstsq(a, np.ones(4))[:2], TALL, tolerance=1e-5)
    agree(lambda np, a: np.linalg.lstsq(a, np.ones((4, 2)))[1], TALL, tolerance=1e-5)
    _, _, rank, singular = np.linalg.lstsq(Value(TALL), np.ones(4))
    assert rank == 2
    np.testing.assert_allclose(singular.data, np.linalg.svd(TALL)[1])


def test_results_have_numpys_names():
    v = Value(SQUARE)
    assert np.linalg.qr(v)._fields == np.linalg.qr(SQUARE)._fields
    assert np.linalg.svd(v)._fields == np.linalg.svd(SQUARE)._fields
    assert np.linalg.slogdet(v)._fields == np.linalg.slogdet(SQUARE)._fields
    assert np.linalg.eigh(v + v.T)._fields == np.linalg.eigh(SQUARE + SQUARE.T)._fields

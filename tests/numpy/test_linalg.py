import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value
from autograd_nn.numpy import linalg

A = np.array([[2.0, 0.3], [0.1, 1.0]])


def test_everything_in_numpys_linalg_is_here():
    public = {n for n in dir(np.linalg) if n[0] != "_" and n not in ("test", "linalg")}
    assert public - set(linalg.__all__) == set()


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a: np.linalg.inv(a),
        lambda np, a: np.linalg.det(a),
        lambda np, a: np.linalg.solve(a, np.ones(2)),
        lambda np, a: np.linalg.norm(a),
        lambda np, a: np.linalg.norm(a, axis=0),
        lambda np, a: np.linalg.norm(a, 1),
        lambda np, a: np.linalg.cholesky(a @ a.T),
        lambda np, a: np.linalg.pinv(a),
        lambda np, a: np.linalg.matrix_power(a, 3),
        lambda np, a: np.linalg.multi_dot([a, a, a[0]]),
        lambda np, a: np.linalg.cond(a),
        lambda np, a: np.linalg.vector_norm(a, axis=1, ord=1),
        lambda np, a: np.linalg.matrix_norm(a, ord="nuc"),
        lambda np, a: np.linalg.eigvalsh(a + a.T),
        lambda np, a: np.linalg.outer(a[0], a[1]),
        lambda np, a: np.linalg.tensordot(a, a, axes=1),
        lambda np, a: np.linalg.vecdot(a, a * a),
        lambda np, a: np.linalg.matmul(a, a),
        lambda np, a: np.linalg.svdvals(a),
        lambda np, a: np.linalg.cross(np.reshape(np.append(a, a), (2, 4))[:, :3], np.ones(3)),
    ],
)
def test_linear_algebra(agree, f):
    agree(f, A, tolerance=1e-5)


def test_errors_are_numpys():
    with pytest.raises(anp.linalg.LinAlgError, match="Singular"):
        anp.linalg.inv(Value(np.zeros((2, 2))))


def test_outer_wants_vectors():
    with pytest.raises(ValueError, match="two vectors, got 2 and 1"):
        np.linalg.outer(Value(A), A[0])

"""Linear algebra: closed forms for gradients, and what happens where there is none."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.linalg

from autograd_nn import Value
from autograd_nn.ops.elementary import absolute, log, real
from autograd_nn.ops.linalg import (
    cholesky,
    cofactor,
    definite,
    det,
    distinct,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    expm,
    inv,
    lstsq,
    matrix_power,
    matrix_rank,
    pinv,
    qr,
    regular,
    slogdet,
    solve,
    svd,
    svdvals,
    with_eigenvalues,
)
from autograd_nn.ops.reduction import sum as sum_over
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad, hessian

A = regular(3, 3)(np.random.default_rng(1))
SPD = definite(3, 3)(np.random.default_rng(2))
B = np.random.default_rng(3).standard_normal((3, 2))


def total(f):
    """The sum of squares of a result: a function whose second derivatives do not vanish."""
    return lambda *args: sum_over(f(*args) ** 2)


# solutions


def test_inverse():
    g = np.random.default_rng(4).standard_normal((3, 3))
    a = np.linalg.inv(A)
    np.testing.assert_allclose(grad(lambda x: sum_over(g * inv(x)))(A), -a.T @ g @ a.T, rtol=1e-12)


def test_solve_gradient_is_the_adjoint_solution():
    x, g = np.linalg.solve(A, B), np.random.default_rng(4).standard_normal((3, 2))
    da, db = grad(lambda a, b: sum_over(g * solve(a, b)), argnums=(0, 1))(A, B)
    z = np.linalg.solve(A.T, g)
    np.testing.assert_allclose(db, z, rtol=1e-12)
    np.testing.assert_allclose(da, -z @ x.T, rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [((3, 3), (3,)), ((2, 3, 3), (3,)), ((2, 3, 3), (3, 1)), ((3, 3), (4, 3, 2))])
def test_solve_reads_b_as_numpy_2_does(a, b):
    a, b = regular(*a)(np.random.default_rng(5)), np.random.default_rng(6).standard_normal(b)
    assert solve(a, b).shape == np.linalg.solve(a, b).shape
    check_grads(lambda a, b: solve(a, b) ** 2, a, b)


def test_singular_matrices_raise_with_the_name_of_the_op():
    with pytest.raises(np.linalg.LinAlgError, match=r"inv.*[Ss]ingular.*x: \(2, 2\)"):
        inv(Value(np.ones((2, 2))))


def test_matrix_power_by_repeated_squaring():
    for n in (0, 1, 2, 3, 7, 8, -3):
        np.testing.assert_allclose(matrix_power(A, n=n), np.linalg.matrix_power(A, n), rtol=1e-12)
        check_grads(lambda x, n=n: matrix_power(x, n=n), A / 2)


def test_matrix_power_of_a_number_is_a_power():
    assert grad(lambda x: sum_over(matrix_power(x, n=10)))(np.array([[1.5]])).item() == pytest.approx(10 * 1.5**9)


def test_exponential_and_its_derivative():
    skew = np.array([[0.0, -1.0], [1.0, 0.0]])
    # exp(t J) is the rotation by t, and its derivative with respect to t is J exp(t J)
    slope = grad(lambda t: sum_over(expm(t * skew) * np.array([[1.0, 2.0], [3.0, 4.0]])))(0.7)
    rotation = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    assert slope == pytest.approx(np.sum(skew @ rotation * [[1.0, 2.0], [3.0, 4.0]]), rel=1e-12)
    direction = np.random.default_rng(0).standard_normal((3, 3))
    g = np.random.default_rng(1).standard_normal((3, 3))
    frechet = scipy.linalg.expm_frechet(A, direction, compute_expm=False)
    came = grad(lambda x: sum_over(g * expm(x)))(A)
    assert np.sum(came * direction) == pytest.approx(np.sum(g * frechet), rel=1e-10)


def test_exponential_without_scipy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(ImportError, match="pip install"):
        expm(A)


# determinants


def test_determinant_gradient_is_the_cofactors():
    np.testing.assert_allclose(grad(det)(A), np.linalg.det(A) * np.linalg.inv(A).T, rtol=1e-12)


def test_determinant_of_a_singular_matrix_has_a_gradient():
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(grad(det)(x), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)


def test_hessian_of_a_determinant_is_constant_also_where_it_is_singular():
    wanted = np.zeros((2, 2, 2, 2))
    wanted[0, 0, 1, 1] = wanted[1, 1, 0, 0] = 1.0
    wanted[0, 1, 1, 0] = wanted[1, 0, 0, 1] = -1.0
    for x in (np.zeros((2, 2)), np.ones((2, 2)), np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]])):
        np.testing.assert_allclose(hessian(det)(x), wanted, atol=1e-13)


def test_cofactors_of_a_batch():
    x = np.random.default_rng(0).standard_normal((4, 3, 3))
    wanted = np.linalg.det(x)[:, None, None] * np.linalg.inv(x).mT
    np.testing.assert_allclose(cofactor(x), wanted, rtol=1e-10)
    assert cofactor(np.array([[7.0]])) == 1.0


def test_log_determinant_of_a_matrix_has_the_inverse_as_gradient():
    np.testing.assert_allclose(grad(lambda x: slogdet(x)[1])(SPD), np.linalg.inv(SPD), rtol=1e-12)
    sign, _ = slogdet(-A)
    assert sign == np.sign(np.linalg.det(-A))


# symmetric matrices


def test_cholesky_reconstructs_and_has_a_symmetric_gradient():
    factor = cholesky(SPD)
    np.testing.assert_allclose(factor @ factor.T, SPD, rtol=1e-12)
    # log det A = 2 Σ log L[i, i], whose gradient is the inverse of A
    g = grad(lambda x: 2.0 * sum_over(log(np.diagonal(cholesky(x)))))(SPD)
    np.testing.assert_allclose(g, np.linalg.inv(SPD), rtol=1e-12)
    np.testing.assert_allclose(g, g.T, rtol=1e-12)


def test_upper_cholesky():
    np.testing.assert_allclose(cholesky(SPD, upper=True), np.linalg.cholesky(SPD).T, rtol=1e-14)
    check_grads(lambda x: cholesky(x @ x.mT + 3.0 * np.eye(3), upper=True), A)


def test_not_positive_definite():
    with pytest.raises(np.linalg.LinAlgError, match="cholesky"):
        cholesky(-SPD)


@pytest.mark.parametrize("f", [cholesky, eigvalsh, lambda x: eigh(x)[0]])
def test_a_triangle_is_no_symmetric_matrix(f):
    with pytest.raises(ValueError, match=r"symmetric.*\(a \+ a\.mT\) / 2"):
        f(np.tril(SPD))


def test_eigenvalues_reconstruct_functions_of_matrices():
    # tr A² = Σ w²; tr exp A = Σ exp w
    np.testing.assert_allclose(grad(lambda x: sum_over(eigvalsh(x) ** 2))(SPD), 2 * SPD, rtol=1e-12)
    g = grad(lambda x: sum_over(np.exp(eigvalsh(x))))(SPD)
    np.testing.assert_allclose(g, scipy.linalg.expm(SPD), rtol=1e-12)


def test_eigenvectors_reconstruct_the_square_root():
    def root(x):
        w, q = eigh(x)
        return (q * w**0.5) @ q.mT

    np.testing.assert_allclose(root(SPD), scipy.linalg.sqrtm(SPD), rtol=1e-10)
    # X = √A: dX solves the Sylvester equation X dX + dX X = dA
    g = np.random.default_rng(0).standard_normal((3, 3))
    g = g + g.T
    wanted = scipy.linalg.solve_sylvester(root(SPD), root(SPD), g)
    np.testing.assert_allclose(grad(lambda x: sum_over(g * root(x)))(SPD), wanted, rtol=1e-10)


def test_equal_eigenvalues_are_finite_where_smooth_and_never_silently_wrong():
    np.testing.assert_allclose(grad(lambda x: sum_over(eigvalsh(x) ** 3))(2 * np.eye(3)), 12 * np.eye(3), rtol=1e-12)
    np.testing.assert_allclose(grad(lambda x: sum_over(log(eigvalsh(x))))(np.eye(3)), np.eye(3), rtol=1e-12)

    def root(x):
        w, q = eigh(x)
        return sum_over((q * w**0.5) @ q.mT)

    # The true gradient is ½ everywhere; through eigenvectors it is 0/0 off the diagonal.
    assert not np.isfinite(grad(root)(np.eye(2))).all()
    assert not np.isfinite(hessian(lambda x: sum_over(eigvalsh(x) ** 3))(np.eye(2))).all()


# eigenvalues of any matrix


def test_trace_and_determinant_from_eigenvalues():
    x = with_eigenvalues([[1.0, -2.0], [2.0, 1.0]], [[3.5]])(np.random.default_rng(0))
    np.testing.assert_allclose(np.sort_complex(eigvals(x)), [1 - 2j, 1 + 2j, 3.5], rtol=1e-10)
    np.testing.assert_allclose(grad(lambda x: real(sum_over(eigvals(x))))(x), np.eye(3), atol=1e-12)
    g = grad(lambda x: real(sum_over(eigvals(x) ** 2)))(x)  # tr A²
    np.testing.assert_allclose(g, 2 * x.T, rtol=1e-10)


def test_spectral_radius():
    x = with_eigenvalues([[1.0, -2.0], [2.0, 1.0]], [[0.5]])(np.random.default_rng(0))
    check_grads(lambda x: np.max(absolute(eigvals(x))[:1]), x, order=1)


def test_eigenvectors_of_a_symmetric_matrix_agree_with_eigh():
    def first(decompose):
        def f(x):
            w, v = decompose(x)
            k = int(np.argmin(np.real(w.data)))
            return v.real[0, k] ** 2  # NumPy 2.5 made eig's results complex always

        return f

    symmetric = grad(first(eigh))(SPD)
    general = grad(first(eig))(SPD)
    np.testing.assert_allclose((general + general.T) / 2, symmetric, rtol=1e-8, atol=1e-10)


# singular values


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_singular_vectors_reconstruct(shape):
    x = distinct(*shape)(np.random.default_rng(0))
    g = np.random.default_rng(1).standard_normal(shape)

    def again(x):
        u, s, vh = svd(x, full_matrices=False)
        return sum_over(g * ((u * s) @ vh))

    np.testing.assert_allclose(grad(again)(x), g, rtol=1e-9, atol=1e-10)


def test_nearest_orthogonal_matrix():
    # The polar factor u vh through singular vectors, against differences.
    def polar(x):
        u, _, vh = svd(x, full_matrices=False)
        return u @ vh

    check_grads(polar, distinct(3, 3)(np.random.default_rng(0)))


def test_sum_of_squared_singular_values_is_smooth_everywhere():
    for x in (np.eye(3), np.zeros((2, 3)), distinct(3, 2)(np.random.default_rng(0))):
        np.testing.assert_allclose(grad(lambda x: sum_over(svdvals(x) ** 2))(x), 2 * x, atol=1e-12)


def test_full_singular_vectors_of_a_rectangle_are_refused():
    with pytest.raises(ValueError, match="full_matrices=False"):
        svd(Value(np.ones((3, 2))))


# the rest


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3), (2, 2, 3)])
def test_qr_reconstructs(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    q, r = qr(x)
    np.testing.assert_allclose(q @ r, x, rtol=1e-10, atol=1e-12)
    g = np.random.default_rng(1).standard_normal(shape)

    def again(x):
        q, r = qr(x)
        return sum_over(g * (q @ r))

    np.testing.assert_allclose(grad(again)(x), g, rtol=1e-9, atol=1e-10)
    check_grads(qr, x)


def test_complete_qr_of_a_tall_matrix_is_refused():
    with pytest.raises(ValueError, match=r"mode='reduced'; r alone is qr\(a\)\[1\]"):
        qr(np.ones((3, 2)), mode="complete")
    with pytest.raises(ValueError, match="mode='reduced'"):
        qr(np.ones((3, 2)), mode="r")


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
def test_least_squares_has_the_gradient_of_the_normal_equations(shape):
    a, b = distinct(*shape)(np.random.default_rng(0)), np.random.default_rng(1).standard_normal(shape[0])
    np.testing.assert_allclose(lstsq(a, b), np.linalg.lstsq(a, b)[0], rtol=1e-10)

    def by_hand(a, b):
        if shape[0] >= shape[1]:
            return solve(a.mT @ a, a.mT @ b)
        return a.mT @ solve(a @ a.mT, b)

    for argnum in (0, 1):
        wanted = grad(total(by_hand), argnums=argnum)(a, b)
        np.testing.assert_allclose(grad(total(lstsq), argnums=argnum)(a, b), wanted, rtol=1e-8, atol=1e-10)


def test_line_fit_is_least_squares():
    # (0.5, 1.4), (2.3, 1.9), (2.9, 3.2): intercept 0.949, slope 0.641
    a = np.array([[1.0, 0.5], [1.0, 2.3], [1.0, 2.9]])
    np.testing.assert_allclose(lstsq(a, np.array([1.4, 1.9, 3.2])), [0.949, 0.641], atol=5e-4)


def test_least_squares_needs_full_rank():
    with pytest.raises(np.linalg.LinAlgError, match=r"full rank 2.*its rank is 1"):
        lstsq(np.ones((3, 2)), np.ones(3))


def test_pseudo_inverse_of_a_tall_matrix():
    x = distinct(4, 2)(np.random.default_rng(0))
    wanted = grad(lambda x: sum_over(solve(x.mT @ x, x.mT) ** 2))(x)
    np.testing.assert_allclose(grad(total(pinv))(x), wanted, rtol=1e-8)


def test_pseudo_inverse_of_low_rank_moves_along_matrices_of_that_rank():
    u, v = np.array([[1.0], [2.0], [2.0]]), np.array([[3.0, 4.0]])
    # (u v)⁺ = v⁺ u⁺ = vᵀ uᵀ / (|v|² |u|²)
    g = grad(lambda u, v: sum_over(pinv(u @ v)[0]), argnums=0)(u, v)

    def by_hand(u, v):
        return sum_over((v.mT @ u.mT)[0]) / (sum_over(u * u) * sum_over(v * v))

    np.testing.assert_allclose(g, grad(by_hand, argnums=0)(u, v), rtol=1e-10)


def test_rank_has_no_derivative():
    x = Value(np.eye(2))
    assert matrix_rank(x).item() == 2
    with pytest.raises(ValueError, match=r"matrix_rank.*svdvals"):
        matrix_rank(x).backward()


@pytest.mark.parametrize(
    "f", [slogdet, cholesky, eigh, eigvalsh, svdvals, pinv, qr, lambda x: svd(x, full_matrices=False)]
)
def test_complex_matrices_are_refused_where_the_rule_is_real(f):
    with pytest.raises(TypeError, match="wanted real numbers"):
        f(SPD + 0j)


def test_float32_stays_float32():
    x = Value(SPD, dtype="float32")
    for y in (inv(x), det(x), slogdet(x)[1], cholesky(x), eigh(x)[1], svd(x)[0], pinv(x), qr(x)[0], eigvals(x).real):
        x.zero_grad()
        y.backward(np.ones(y.shape, y.dtype))
        assert y.dtype == np.float32
        assert x.grad.dtype == np.float32


@pytest.mark.parametrize("name", ["cholesky", "eigh"])
def test_a_hermitian_matrix_is_refused_as_complex_and_not_as_unsymmetric(name):
    hermitian = np.array([[2.0, 1.0j], [-1.0j, 2.0]])
    with pytest.raises(TypeError, match=f"{name}: wanted real numbers.*complex128"):
        getattr(np.linalg, name)(Value(hermitian))

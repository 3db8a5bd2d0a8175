"""Norms: against NumPy, closed forms of gradients, kinks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn.ops.linalg import distinct
from autograd_nn.ops.norm import cond, matrix_norm, norm, vector_norm
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad, hessian

X = np.array([3.0, -4.0, 0.0])
M = distinct(3, 2)(np.random.default_rng(0))


def test_euclidean_norm_points_along_the_vector():
    np.testing.assert_allclose(grad(norm)(X), X / 5)
    np.testing.assert_allclose(grad(norm)(M), M / np.linalg.norm(M), rtol=1e-14)


@pytest.mark.parametrize("f", [norm, vector_norm, lambda x: norm(x, axis=0), lambda x: norm(x, ord=3)])
def test_gradient_at_zero_is_zero_and_finite_twice(f):
    np.testing.assert_array_equal(grad(f)(np.zeros(2)), [0.0, 0.0])
    np.testing.assert_array_equal(hessian(f)(np.zeros(2)), np.zeros((2, 2)))


@pytest.mark.parametrize("ord", [2, "nuc", 1, math.inf, "fro"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_matrix_norms_at_zero_have_gradient_zero_and_finite_twice(ord, dtype):
    """Of a stack in which one matrix is zero: the others have the gradient that they have alone."""
    x = np.stack([M, np.zeros((3, 2))], axis=1).astype(dtype)

    def f(x):
        return norm(x, ord=ord, axis=(0, 2)).sum()

    slope = grad(f)(x)
    assert slope.dtype == dtype
    np.testing.assert_array_equal(slope[:, 1], np.zeros((3, 2)))
    np.testing.assert_allclose(slope[:, 0], grad(lambda a: norm(a, ord=ord))(M), rtol=1e-5)
    curvature = hessian(f)(x)
    assert np.all(np.isfinite(curvature))
    np.testing.assert_array_equal(curvature[:, 1], np.zeros((3, 2, 3, 2, 2)))


def test_rows_of_zeros_do_not_harm_others():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(grad(lambda x: norm(x, axis=1).sum())(x), [[0.0, 0.0], [0.6, 0.8]])


@pytest.mark.parametrize(
    ("ord", "slope"),
    [
        (1, [1.0, -1.0, 0.0]),
        (math.inf, [0.0, -1.0, 0.0]),
        (-math.inf, [0.0, 0.0, 0.0]),  # |x| is least where x = 0, and there its slope is 0
        (0, [0.0, 0.0, 0.0]),
        (3, np.array([9.0, -16.0, 0.0]) / 91 ** (2 / 3)),
    ],
)
def test_orders(ord, slope):
    assert norm(X, ord=ord) == np.linalg.norm(X, ord)
    np.testing.assert_allclose(grad(lambda x: norm(x, ord=ord))(X), slope, rtol=1e-12)


def test_ties_share():
    np.testing.assert_allclose(grad(lambda x: norm(x, ord=math.inf))(np.array([2.0, -2.0, 1.0])), [0.5, -0.5, 0.0])


def test_spectral_and_nuclear_norm_are_made_of_singular_vectors():
    u, _, vh = np.linalg.svd(M, full_matrices=False)
    np.testing.assert_allclose(grad(lambda x: norm(x, ord=2))(M), np.outer(u[:, 0], vh[0]), rtol=1e-10)
    np.testing.assert_allclose(grad(lambda x: norm(x, ord=-2))(M), np.outer(u[:, -1], vh[-1]), rtol=1e-10)
    np.testing.assert_allclose(grad(lambda x: norm(x, ord="nuc"))(M), u @ vh, rtol=1e-10)


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norms_of_a_batch(ord):
    x = distinct(2, 3, 3)(np.random.default_rng(1))
    wanted = np.linalg.norm(x, ord, (-2, -1))
    np.testing.assert_allclose(matrix_norm(x, ord=ord), wanted, rtol=1e-12)
    check_grads(lambda x: matrix_norm(x, ord=ord, keepdims=True), x)


@pytest.mark.parametrize("p", [None, 2, -2, "fro", "nuc", 1, math.inf])
def test_condition_number(p):
    x = distinct(3, 3)(np.random.default_rng(2))
    assert cond(x, p=p) == pytest.approx(np.linalg.cond(x, p))
    check_grads(lambda x: cond(x, p=p), x)


def test_complex_vectors_are_refused_although_their_norm_is_real():
    with pytest.raises(TypeError, match="wanted real numbers"):
        norm(np.array([3.0, 4.0j]))

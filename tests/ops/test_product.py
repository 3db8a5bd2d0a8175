"""Products: forward against NumPy, gradients against closed forms. The laws add central differences of every case."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.ops.product import (
    cross,
    dot,
    einsum,
    explicit,
    inner,
    kron,
    linear,
    matmul,
    multi_dot,
    outer,
    tensordot,
    vdot,
)
from autograd_nn.ops.reduction import sum as sum_over
from autograd_nn.testing import check_grads
from autograd_nn.transforms import grad, hessian

RNG = np.random.default_rng(0)


def array(*shape):
    return RNG.standard_normal(shape)


def test_gradient_of_a_product_of_matrices():
    x, w, g = array(4, 3), array(3, 2), array(4, 2)
    dx, dw = grad(lambda x, w: sum_over(g * (x @ w)), argnums=(0, 1))(x, w)
    np.testing.assert_allclose(dx, g @ w.T, rtol=1e-14)
    np.testing.assert_allclose(dw, x.T @ g, rtol=1e-14)


def test_float32_stays_float32_through_a_product():
    x, w = Value(array(4, 3), dtype="float32"), Value(array(3, 2), dtype="float32")
    y = x @ w
    y.sum().backward()
    assert y.dtype == x.grad.dtype == w.grad.dtype == np.float32


def test_quadratic_form_has_its_hessian():
    a = array(3, 3)
    np.testing.assert_allclose(hessian(lambda x: x @ (a @ x))(array(3)), a + a.T, rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((3,), (3,)),
        ((3,), (4, 3, 2)),
        ((4, 2, 3), (3,)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((2, 3), (4, 3, 2)),
        ((1, 3), (3, 1)),
    ],
)
def test_matmul_broadcasts_batches(x, y):
    x, y = array(*x), array(*y)
    np.testing.assert_array_equal(matmul(x, y), np.matmul(x, y))
    check_grads(lambda x, y: matmul(x, y) ** 2, x, y)


def test_matmul_of_shapes_that_do_not_fit_names_both():
    with pytest.raises(ValueError, match=r"matmul.*x: \(2, 3\), y: \(2, 3\).*transpose"):
        matmul(Value(array(2, 3)), array(2, 3))


def test_linear_is_one_node():
    x, w, b = Value(array(4, 3)), Value(array(3, 2)), Value(array(2))
    y = linear(x, w, b)
    assert y.parents == (x, w, b)
    np.testing.assert_allclose(y.data, x.data @ w.data + b.data, rtol=1e-15)
    y.sum().backward()
    np.testing.assert_allclose(b.grad, [4.0, 4.0])


def test_linear_does_not_let_a_bias_make_the_result_larger():
    with pytest.raises(ValueError, match="b of shape"):
        linear(array(1, 3), array(3, 2), array(5, 2))
    with pytest.raises(ValueError, match="b of shape"):
        linear(array(4, 3), array(3, 1), array(2))


def test_linear_with_a_float64_bias_follows_numpy_promotion():
    y = linear(np.ones((2, 3), "float32"), np.ones((3, 2), "float32"), np.ones(2))
    assert y.dtype == np.float64


@pytest.mark.parametrize("position", range(4))
def test_multi_dot_gradient_is_left_g_right(position):
    xs = [array(2, 3), array(3, 4), array(4, 5), array(5, 2)]
    g = array(2, 2)
    left = np.eye(2)
    for x in xs[:position]:
        left = left @ x
    right = np.eye(xs[position].shape[1])
    for x in xs[position + 1 :]:
        right = right @ x
    came = grad(lambda *xs: sum_over(g * multi_dot(*xs)), argnums=position)(*xs)
    np.testing.assert_allclose(came, left.T @ g @ right.T, rtol=1e-12)


def test_dot_of_higher_arrays():
    x, y = array(2, 3, 4), array(5, 4, 2)
    np.testing.assert_allclose(dot(x, y), np.dot(x, y))
    check_grads(lambda x, y: dot(x, y) ** 2, x, y, order=1)


def test_inner_and_vdot_of_vectors_swap_gradients():
    x, y = array(3), array(3)
    for product in (inner, vdot, dot):
        dx, dy = grad(product, argnums=(0, 1))(x, y)
        np.testing.assert_array_equal(dx, y)
        np.testing.assert_array_equal(dy, x)


def test_complex_inner_product_conjugates_the_first():
    x, y = Value([1 + 2j, 3 - 1j]), Value([2 - 1j, 1j])
    assert vdot(x, y).item() == np.vdot(x.data, y.data)
    loss = (vdot(x, y)).real
    loss.backward()
    # L = Re Σ conj(x) y = Σ Re x Re y + Im x Im y, so dL/dx - i dL/d(Im x) = Re y - i Im y
    np.testing.assert_allclose(x.grad, np.conj(y.data))
    np.testing.assert_allclose(y.grad, np.conj(x.data))


def test_outer_flattens():
    x, y = array(2, 2), array(3)
    np.testing.assert_array_equal(outer(x, y), np.outer(x, y))
    np.testing.assert_allclose(grad(lambda x: sum_over(outer(x, y)))(x), np.full((2, 2), y.sum()))


def test_kron_of_matrices_has_the_trace_of_both():
    x, y = array(3, 3), array(2, 2)
    dx = grad(lambda x: sum_over(kron(x, y) * np.eye(6)))(x)
    np.testing.assert_allclose(dx, np.trace(y) * np.eye(3), rtol=1e-12)


def test_tensordot_with_permuted_axes():
    x, y = array(2, 3, 4, 5), array(5, 3, 2)
    axes = ((3, 1), (0, 1))
    g = array(2, 4, 2)
    dx, dy = grad(lambda x, y: sum_over(g * tensordot(x, y, axes=axes)), argnums=(0, 1))(x, y)
    np.testing.assert_allclose(dx, np.einsum("ikm,ljm->ijkl", g, y), rtol=1e-12)
    np.testing.assert_allclose(dy, np.einsum("ikm,ijkl->ljm", g, x), rtol=1e-12)


def test_cross_product_gradient():
    x, y, g = array(3), array(3), array(3)
    dx, dy = grad(lambda x, y: sum_over(g * cross(x, y)), argnums=(0, 1))(x, y)
    np.testing.assert_allclose(dx, np.cross(y, g), rtol=1e-14)
    np.testing.assert_allclose(dy, np.cross(g, x), rtol=1e-14)


def test_cross_of_vectors_in_the_plane_says_what_to_write():
    with pytest.raises(ValueError, match=r"3 components.*x\[\.\.\., 0\] \* y\[\.\.\., 1\]"):
        cross(array(2), array(2))


# einsum


def test_trace_and_diagonal():
    x = array(3, 3)
    np.testing.assert_array_equal(grad(lambda x: einsum(x, subscripts="ii"))(x), np.eye(3))
    np.testing.assert_array_equal(grad(lambda x: sum_over(einsum(x, subscripts="ii->i")))(x), np.eye(3))


def test_an_index_that_is_summed_gets_ones():
    x, y = array(2, 3), array(2)
    np.testing.assert_allclose(
        grad(lambda x: sum_over(einsum(x, y, subscripts="ij,i->i")))(x), np.repeat(y[:, None], 3, 1)
    )


def test_implicit_result_is_in_alphabetical_order():
    x = array(2, 3)
    np.testing.assert_array_equal(einsum(x, subscripts="ba"), x.T)
    np.testing.assert_array_equal(einsum(x, array(3, 4), subscripts="i j, j k").shape, (2, 4))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("iij,jk->ik", [(2, 2, 3), (3, 2)]),
        ("...ij,...jk->...ik", [(2, 1, 2, 3), (4, 3, 2)]),
        ("...,...", [(3, 1), (2,)]),
        ("i...->...", [(2, 3, 2)]),
        ("ab,bc,cd,da->", [(2, 3), (3, 2), (2, 2), (2, 2)]),
        ("iji->j", [(2, 3, 2)]),
    ],
)
def test_einsum_derivatives(subscripts, shapes):
    xs = [array(*shape) for shape in shapes]
    np.testing.assert_allclose(einsum(*xs, subscripts=subscripts), np.einsum(subscripts, *xs), rtol=1e-12)
    check_grads(lambda *xs: einsum(*xs, subscripts=subscripts) ** 2, *xs)


def test_large_contractions_go_through_a_plan_with_the_same_result():
    x, y, z = array(30, 40), array(40, 50), array(50, 20)
    np.testing.assert_allclose(einsum(x, y, z, subscripts="ij,jk,kl->il"), x @ y @ z, rtol=1e-10)


def test_numpy_einsum_of_a_value_records():
    x = Value(array(2, 3))
    y = np.einsum("ij->j", x)
    assert y.op is einsum
    np.testing.assert_allclose(y.data, x.data.sum(0))


def test_explicit_subscripts():
    assert explicit("...ij,jk", [(5, 2, 3), (3, 4)]) == ([["Z", "i", "j"], ["j", "k"]], ["Z", "i", "k"])


@pytest.mark.parametrize(
    ("subscripts", "error"),
    [("ij,jk", "wanted 2 operands"), ("ijk->i", "wanted 3 axes"), ([0, 1], "one string")],
)
def test_subscripts_that_do_not_fit(subscripts, error):
    with pytest.raises((ValueError, TypeError), match=error):
        einsum(array(2, 3), subscripts=subscripts)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,ij->", [(2, 3), (1, 3)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,ij->i", [(2, 3), (2, 1)]),
        ("ij,j->", [(2, 3), (1,)]),
        ("ij,ij,j->i", [(2, 1), (1, 3), (1,)]),
    ],
)
def test_einsum_broadcasts_axes_of_length_1_that_are_summed(subscripts, shapes):
    check_grads(lambda *xs: einsum(*xs, subscripts=subscripts), *[array(*shape) for shape in shapes])


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_small_constants_are_not_multiplied_among_themselves(dtype):
    """NumPy begins with the two constants, where True + True is True and 100 · 100 is 16; and gets a wrong sum."""
    one, many = np.ones((2, 30)), np.full((30, 30), 100).astype(dtype)
    number = many[0, 0].astype(float)
    x = Value(one)
    y = multi_dot(x, many, many)
    assert y.data.tolist() == (one * 30 * 30 * number**2)[:, :30].tolist()
    y.sum().backward()
    assert np.all(x.grad == 30 * 30 * number**2)
    tall = Value(np.ones((5000, 30)))
    y = einsum(tall, many, many, subscripts="ij,jk,kl->il")
    assert np.all(y.data == 30 * 30 * number**2)
    y.sum().backward()
    assert np.all(tall.grad == 30 * 30 * number**2)

from __future__ import annotations

import copy
import gc
import math
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess, rosen_hess_prod

import autograd_nn as ag
from autograd_nn import (
    Value,
    checkpoint,
    custom_vjp,
    elementwise_grad,
    grad,
    grad_and_aux,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
)

POINT = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


# --- against closed forms and SciPy ----------------------------------------------------------------------------------


def test_gradient_hessian_and_product_of_rosenbrock():
    v = np.array([1.0, -2.0, 0.5, 3.0, -1.0])
    value, gradient = value_and_grad(rosenbrock)(POINT)
    np.testing.assert_allclose(value, rosen(POINT), rtol=1e-13)
    np.testing.assert_allclose(gradient, rosen_der(POINT), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(hessian(rosenbrock)(POINT), rosen_hess(POINT), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(hvp(rosenbrock)(POINT, v), rosen_hess_prod(POINT, v), rtol=1e-12, atol=1e-10)
    moved = jvp(grad(rosenbrock), (POINT,), (v,))[1]
    np.testing.assert_allclose(moved, rosen_hess_prod(POINT, v), rtol=1e-12, atol=1e-9)


def test_scipy_minimizes_with_them():
    found = minimize(rosenbrock, np.zeros(4), method="Newton-CG", jac=grad(rosenbrock), hessp=hvp(rosenbrock), tol=1e-9)
    np.testing.assert_allclose(found.x, np.ones(4), atol=1e-4)


@pytest.mark.parametrize("order", range(1, 8))
def test_derivatives_of_any_order(order):
    f = np.sin
    for _ in range(order):
        f = grad(f)
    x = 0.7
    expected = [np.sin(x), np.cos(x), -np.sin(x), -np.cos(x)][order % 4]
    assert type(f(x)) is float
    assert f(x) == pytest.approx(expected, abs=1e-12)


def test_maclaurin_series_of_exp_of_sin():
    # exp(sin x) = 1 + x + x²/2 - x⁴/8 - x⁵/15 - x⁶/240 + x⁷/90 + …  (OEIS A002017: 1, 1, 1, 0, -3, -8, -3, 56)
    f = lambda x: np.exp(np.sin(x))  # noqa: E731
    found = []
    for _ in range(8):
        found.append(f(0.0))
        f = grad(f)
    np.testing.assert_allclose(found, [1, 1, 1, 0, -3, -8, -3, 56], atol=1e-9)


def test_jacobian_of_polar_coordinates():
    def cartesian(p):
        r, t = p
        return ag.numpy.stack([r * np.cos(t), r * np.sin(t)])

    r, t = 2.0, 0.3
    expected = [[np.cos(t), -r * np.sin(t)], [np.sin(t), r * np.cos(t)]]
    np.testing.assert_allclose(jacobian(cartesian)(np.array([r, t])), expected, rtol=1e-14)
    assert np.linalg.det(jacobian(cartesian)(np.array([r, t]))) == pytest.approx(r)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_jacobian_vjp_and_jvp_of_a_linear_map(m, n, seed):
    rng = np.random.default_rng(seed)
    A, x, u, v = rng.normal(size=(m, n)), rng.normal(size=n), rng.normal(size=m), rng.normal(size=n)
    y, pull = vjp(lambda x: A @ x, x)
    np.testing.assert_allclose(y, A @ x)
    np.testing.assert_allclose(pull(u)[0], A.T @ u, atol=1e-12)
    np.testing.assert_allclose(jvp(lambda x: A @ x, (x,), (v,))[1], A @ v, atol=1e-12)
    np.testing.assert_allclose(jacobian(lambda x: A @ x)(x), A, atol=1e-12)
    assert float(pull(u)[0] @ v) == pytest.approx(float(u @ (A @ v)), abs=1e-9)


def test_quadratic_form_of_matrices():
    A = np.arange(6.0).reshape(2, 3)
    f = lambda x: (np.matmul(A, x) ** 2).sum()  # noqa: E731
    x = np.ones((3, 2))
    H = hessian(f)(x)
    assert H.shape == (3, 2, 3, 2)
    np.testing.assert_allclose(H, np.einsum("ij,kl->ikjl", 2 * A.T @ A, np.eye(2)))


# --- perturbations ---------------------------------------------------------------------------------------------------


def test_perturbation_confusion():
    """Siskind & Pearlmutter (2005), and its relatives."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert grad(lambda x: grad(lambda y: x * y)(x))(5.0) == 1.0
    assert grad(lambda x: grad(lambda y: x * x * y)(x) + x)(5.0) == 11.0
    assert grad(lambda x: grad(lambda x: x * x)(x) * x)(3.0) == 12.0
    assert grad(lambda x: grad(lambda y: y * y * x)(x))(4.0) == 16.0  # d/dx of 2 x²
    assert grad(lambda x: jvp(lambda y: x * y, (x,), (1.0,))[1])(2.0) == 1.0


def test_bug_of_amazing_size():
    """Manzyuk et al., "Perturbation confusion in forward automatic differentiation" (2019)."""

    def s(u):
        return lambda f: lambda x: f(x + u)

    def derivative_of_curried(f):
        return lambda g: lambda x: grad(lambda u: f(u)(g)(x))(0.0)

    d = derivative_of_curried(s)
    assert d(d(np.exp))(1.0) == pytest.approx(math.exp(1.0))


def test_only_this_use_of_a_value_is_differentiated():
    w = Value(3.0)
    assert grad(lambda x: x * w)(w).item() == 3.0


# --- what comes in, what goes out ------------------------------------------------------------------------------------


def test_array_in_array_out():
    f = lambda x: (x * x).sum()  # noqa: E731
    value, g = value_and_grad(f)(np.array([1.0, 2.0]))
    assert type(g) is np.ndarray
    assert not isinstance(value, Value)
    g[0] = 7.0  # it is the caller's own
    assert type(grad(f)(np.array(2.0))) is np.ndarray
    assert type(grad(lambda x: x * x)(np.float32(2.0))) is np.float32
    assert type(grad(lambda x: x * x)(2.0)) is float
    assert grad(lambda x: x * x)(3) == 6.0
    np.testing.assert_array_equal(grad(f)(np.array([1, 2])), [2.0, 4.0])


def test_float32_stays():
    x = np.ones(3, np.float32)
    f = lambda x: (np.exp(x) * 2.0).sum()  # noqa: E731
    assert grad(f)(x).dtype == np.float32
    assert hessian(f)(x).dtype == np.float32
    assert hvp(f)(x, x).dtype == np.float32
    assert jacobian(np.exp)(x).dtype == np.float32


def test_value_in_value_out():
    x = Value(np.array([1.0, 2.0]))
    g = grad(lambda x: (x**3).sum())(x)
    assert isinstance(g, Value)
    assert x.grad is None
    g.sum().backward()
    np.testing.assert_array_equal(x.grad, [6.0, 12.0])


def test_a_value_among_the_other_arguments_makes_values():
    w = Value(2.0)
    g = grad(lambda x, w: x * x * w)(3.0, w)
    g.backward()
    assert (g.item(), w.grad) == (12.0, 6.0)
    g = grad(lambda x, w: x * w)(3.0, w=w)
    assert isinstance(g, Value)


def test_constants_need_no_grad():
    x = Value(2.0, requires_grad=False)
    assert grad(lambda x: x**3)(x).item() == 12.0


def test_under_no_grad():
    with no_grad():
        assert grad(lambda x: x**3)(2.0) == 12.0
        g = grad(lambda x: x**3)(Value(2.0))
    assert g.item() == 12.0
    assert not g.requires_grad


def test_arguments_are_not_changed_and_results_not_shared():
    x = np.ones(3)
    value, pull = vjp(lambda x: x, x)
    value += 1
    np.testing.assert_array_equal(x, np.ones(3))
    g = np.ones(3)
    (back,) = pull(g)
    back += 1
    np.testing.assert_array_equal(g, np.ones(3))
    w = Value(np.ones(3))
    value, _ = vjp(lambda x: w, x)
    value += 1
    np.testing.assert_array_equal(w.data, np.ones(3))


def test_the_graph_is_freed():
    kept = []

    def f(x):
        y = np.exp(x)
        kept.append(weakref.ref(y))
        return y.sum()

    gc.disable()
    try:
        grad(f)(np.ones(3))
        hessian(f)(np.ones(3))
        jvp(f, (np.ones(3),), (np.ones(3),))
        ag.vmap(grad(f))(np.ones((2, 3)))
        assert all(ref() is None for ref in kept)
    finally:
        gc.enable()


# --- structures -----------------------------------------------------------------------------------------------------


def test_nested_arguments_and_results():
    p = {"layers": [(np.ones((2, 3)), np.zeros(3))], "scale": 2.0}

    def f(p, x):
        (w, b), *_ = p["layers"]
        return ((x @ w + b) * p["scale"]).sum()

    g = grad(f)(p, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(g["layers"][0][0], [[2.0] * 3, [4.0] * 3])
    np.testing.assert_array_equal(g["layers"][0][1], [2.0] * 3)
    assert g["scale"] == 9.0
    out, pull = vjp(lambda a, b: {"sum": a + b, "parts": (a, b * b)}, 2.0, 3.0)
    assert out == {"sum": 5.0, "parts": (2.0, 9.0)}
    assert pull({"sum": 1.0, "parts": (10.0, 100.0)}) == (11.0, 601.0)
    assert jvp(lambda a, b: {"sum": a + b, "parts": (a, b * b)}, (2.0, 3.0), (1.0, 10.0))[1] == {
        "sum": 11.0,
        "parts": (1.0, 60.0),
    }


def test_argnums():
    f = lambda x, y, z: x * y + z  # noqa: E731
    assert grad(f, 1)(2.0, 3.0, 4.0) == 2.0
    assert grad(f, (0, 2))(2.0, 3.0, 4.0) == (3.0, 1.0)
    assert grad(f, -1)(2.0, 3.0, 4.0) == 1.0
    assert grad(f, [0])(2.0, 3.0, 4.0) == (3.0,)
    assert grad(lambda x, *, k: x**k)(3.0, k=3) == 27.0


def test_jacobian_structures():
    j = jacobian(lambda x, y: {"p": x * y[0], "q": y}, argnums=(0, 1))(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.testing.assert_array_equal(j["p"][0], 3 * np.eye(2))
    np.testing.assert_array_equal(j["p"][1], [[1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_array_equal(j["q"][0], np.zeros((2, 2)))
    np.testing.assert_array_equal(j["q"][1], np.eye(2))
    h = hessian(lambda x, y: (x * y).sum(), argnums=(0, 1))(np.ones(2), np.ones(2))
    np.testing.assert_array_equal(h[0][0], np.zeros((2, 2)))
    np.testing.assert_array_equal(h[0][1], np.eye(2))
    assert jacobian(lambda x: x * x)(3.0) == 6.0
    np.testing.assert_array_equal(jacobian(lambda t: np.array([1.0, 2.0]) * t)(3.0), [1.0, 2.0])
    assert hessian(lambda x: x**3)(2.0) == 12.0


def test_aux():
    g, aux = grad_and_aux(lambda x: ((x * x).sum(), {"twice": 2 * x, "text": "seen"}))(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(g, [2.0, 4.0])
    assert type(aux["twice"]) is np.ndarray
    assert aux["text"] == "seen"
    (value, aux), g = value_and_grad(lambda x: (x * x, 1), has_aux=True)(3.0)
    assert (value, aux, g) == (9.0, 1, 6.0)


def test_independent_means_zero():
    x, y = np.ones((2, 3), np.float32), 2.0
    gx, gy = grad(lambda x, y: y * 3.0, argnums=(0, 1))(x, y)
    np.testing.assert_array_equal(gx, np.zeros((2, 3)))
    assert gx.dtype == np.float32
    assert gy == 3.0
    assert grad(lambda x: 7.0)(2.0) == 0.0
    np.testing.assert_array_equal(jacobian(lambda x: np.ones(2))(np.ones(3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(hessian(lambda x: x.sum())(np.ones(3)), np.zeros((3, 3)))
    np.testing.assert_array_equal(hvp(lambda x: x.sum())(np.ones(3), np.ones(3)), np.zeros(3))
    assert jvp(lambda x: np.ones(2), (1.0,), (1.0,))[1].tolist() == [0.0, 0.0]
    assert grad(grad(lambda x: 3.0 * x))(1.0) == 0.0
    assert isinstance(grad(lambda x: 7.0)(Value(2.0)), Value)


def test_names_are_kept():
    def loss(x):
        "What it is."
        return x

    assert (grad(loss).__name__, grad(loss).__doc__) == ("loss", "What it is.")
    assert grad(np.square)(3.0) == 6.0


def test_elementwise():
    x = np.array([0.0, 1.0])
    np.testing.assert_allclose(elementwise_grad(np.tanh)(x), 1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(elementwise_grad(elementwise_grad(np.sin))(x), -np.sin(x))


def test_branches_on_numbers_in_eager_code():
    f = lambda x: x * x if x > 0 else -x  # noqa: E731
    assert (grad(f)(2.0), grad(f)(-2.0)) == (4.0, -1.0)


# --- complex --------------------------------------------------------------------------------------------------------


def test_complex_convention():
    """grad of a real L at z = x + iy is dL/dx - i dL/dy; holomorphic functions have their complex derivative."""
    z = 1.0 + 2.0j
    assert grad(lambda z: (z * np.conj(z)).real)(z) == pytest.approx(2 * np.conj(z))
    zs = np.array([1.0 + 2.0j, 0.5j])
    np.testing.assert_allclose(elementwise_grad(np.exp)(zs), np.exp(zs))
    np.testing.assert_allclose(jacobian(lambda z: z * z)(zs), np.diag(2 * zs))
    out, moved = jvp(lambda x: np.exp(x * 1j), (0.3,), (2.0,))
    assert out == pytest.approx(np.exp(0.3j))
    assert moved == pytest.approx(2j * np.exp(0.3j))


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: grad(lambda x: x * 2)(np.ones(3)), ValueError, "elementwise_grad"),
        (lambda: grad(lambda x: x * 2)(np.ones(3)), ValueError, r"\(3,\).*\n?.*jacobian"),
        (lambda: grad(lambda x: (x, x))(1.0), TypeError, "grad_and_aux"),
        (lambda: grad(lambda x: None)(1.0), TypeError, "return"),
        (lambda: grad(lambda x: "text")(1.0), TypeError, "text"),
        (lambda: grad(lambda x: x * 1j)(1.0), TypeError, "real"),
        (lambda: grad(lambda x: x > 0)(1.0), TypeError, "where"),
        (lambda: grad(lambda x: np.argmax(x))(np.ones(3)), TypeError, "argmax"),
        (lambda: grad(lambda x: x)("text"), TypeError, "numbers"),
        (lambda: grad(lambda x: x)(None), TypeError, "nothing to differentiate"),
        (lambda: grad(lambda x: x)(()), TypeError, "nothing to differentiate"),
        (lambda: grad(lambda x: x.sum())(np.array([True])), TypeError, "bool"),
        (lambda: grad(lambda x: x)(Value(np.array(1), dtype=int, requires_grad=False)), TypeError, "floating point"),
        (lambda: grad(lambda x: x, argnums=1)(1.0), ValueError, "argnums=1"),
        (lambda: grad(lambda x: x)(x=1.0), ValueError, "positional"),
        (lambda: grad(lambda x, y: x, argnums=(0, 0))(1.0, 1.0), ValueError, "twice"),
        (lambda: grad(lambda x: x, argnums="x")(1.0), TypeError, "argnums"),
        (lambda: grad(lambda x: x, argnums=True)(1.0), TypeError, "argnums"),
        (lambda: grad(3.0), TypeError, "wanted a function"),
        (lambda: jacobian(np.exp(1.0)), TypeError, "wanted a function"),
        (lambda: grad_and_aux(lambda x: x)(1.0), TypeError, "pair"),
        (lambda: vjp(lambda x: x, np.ones(2))[1](np.ones(3)), ValueError, r"\(2,\)"),
        (lambda: vjp(lambda x: x, np.ones(2))[1]((1.0, 2.0)), ValueError, "structure"),
        (lambda: jvp(np.sin, 0.0, 1.0), TypeError, "tuple"),
        (lambda: jvp(np.sin, (0.0,), (1.0, 2.0)), ValueError, "structure"),
        (lambda: jvp(np.sin, (np.ones(2),), (1.0,)), ValueError, "shape"),
        (lambda: hvp(rosenbrock)(POINT), TypeError, "vector"),
        (lambda: hvp(rosenbrock)(POINT, np.ones(3)), ValueError, "shape"),
        (lambda: hvp(rosenbrock)(POINT, (1.0, 2.0)), ValueError, "structure"),
        (lambda: hessian(lambda x: x * x)(np.ones(3)), ValueError, r"^hessian: .*jacobian\(jacobian\(f\)\)"),
        (lambda: hvp(lambda x: x * x)(np.ones(3), np.ones(3)), ValueError, r"^hvp: .*\(3,\)"),
        (lambda: hessian(lambda x: (x, x))(1.0), TypeError, "^hessian: .*2 leaves"),
        (lambda: hessian(lambda x: x)("text"), TypeError, "^hessian: wanted numbers"),
        (lambda: value_and_grad(lambda x: x * 2)(np.ones(3)), ValueError, "^value_and_grad: "),
        (lambda: hessian(lambda z: abs(z))(1j), TypeError, "real arguments"),
        (lambda: jacobian(lambda x: x * 1j)(np.ones(2)), TypeError, "holomorphic"),
        (lambda: elementwise_grad(lambda x: x * 1j)(np.ones(2)), TypeError, "holomorphic"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def in_place(x):
    array = np.zeros(2)
    array[0] = x
    return array.sum()


@pytest.mark.parametrize(
    "f",
    [
        math.exp,
        lambda x: float(x) ** 2,
        lambda x: x * x.item(),
        lambda x: math.hypot(x, x * x),
        lambda x: math.fsum(np.stack([x, x])),
        lambda x: sum((x * np.ones(2)).tolist()),
        lambda x: abs(complex(x)) * x,
        lambda x: np.float64(x) * x,
        lambda x: np.fromiter([x], float)[0],
        in_place,
        lambda x: Value(x) ** 2,
        lambda x: Value(x * x, name="y"),
        lambda x: copy.copy(x) * x,
        lambda x: copy.deepcopy([x])[0],
        lambda x: x * float(grad(lambda y: x * y)(1.0)),
        lambda x: checkpoint(lambda x: x * math.exp(x))(x),
        lambda x: ag.scan(lambda c, _: (c * math.exp(c), None), x, length=2)[0],
    ],
)
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: grad(f)(1.5),
        lambda f: grad(f)(Value(1.5)),
        lambda f: jvp(f, (1.5,), (1.0,)),
        lambda f: vjp(f, 1.5)[1](1.0),
        lambda f: jacobian(f)(1.5),
        lambda f: hessian(f)(1.5),
        lambda f: ag.vmap(grad(f))(np.ones(2)),
    ],
)
def test_no_number_that_is_differentiated_becomes_a_constant_silently(f, transform):
    with pytest.raises((TypeError, ValueError)) as caught:
        transform(f)
    errors = [caught.value]
    while errors[-1] is not None:
        errors.append(errors[-1].__cause__ or errors[-1].__context__)
    said = " ".join(map(str, errors))
    assert any(words in said for words in ("constant is meant", "inside vmap", "out of the"))


def test_a_second_derivative_is_not_lost_in_a_rule_for_numbers():
    @custom_vjp
    def exp(x):
        return math.exp(x)

    exp.defvjp(lambda g, ans, x: g * math.exp(x))
    assert grad(exp)(1.0) == math.e
    with pytest.raises(TypeError, match=r"np\.exp\(v\)"):
        grad(grad(exp))(1.0)


def test_what_may_become_a_number_in_a_transform(capsys):
    w = Value(2.0)

    def f(x):
        y = x * 1.0
        print(f"{y:.1f}", y, int(y))
        with no_grad():
            seen = float(y)
        slope = float(w) + math.sqrt(y.data) + ag.stop_gradient(y).item() + Value(y, requires_grad=False).item() + seen
        return (y - int(y)) * slope if y > 1 else y

    slope = 2 + 1.5 + 3 * 2.25
    assert (grad(f)(2.25), grad(f)(0.5)) == (slope, 1.0)
    assert grad(f)(Value(2.25)).item() == slope
    assert "2.2 Value(2.25, op='mul') 2" in capsys.readouterr().out
    assert float(Value(2.0) * w) == 4.0  # in eager code as ever


def test_after_an_error_all_is_as_before():
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1 // 0)(1.0)
    assert not isinstance(ag.vmap(lambda x: x)(np.ones(2)), Value)
    assert type(grad(lambda x: x)(1.0)) is float

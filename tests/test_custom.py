from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from autograd_nn import OPS, Value, custom_vjp, grad, hessian, op, stop_gradient, vmap
from autograd_nn import numpy as anp


@custom_vjp
def softplus(x):
    return anp.logaddexp(x, 0.0)


@softplus.defvjp
def rule(g, ans, x):
    return g / (1 + np.exp(-x))


def test_one_rule():
    x = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(softplus(x), np.logaddexp(x, 0))
    assert type(softplus(x)) is np.ndarray
    np.testing.assert_allclose(grad(lambda x: softplus(x).sum())(x), scipy.special.expit(x))
    s = scipy.special.expit(x)
    np.testing.assert_allclose(np.diag(hessian(lambda x: softplus(x).sum())(x)), s * (1 - s))
    np.testing.assert_allclose(vmap(grad(grad(softplus)))(x), s * (1 - s))
    assert softplus.__name__ == "softplus"
    v = Value(0.0)
    softplus(v).backward()
    assert v.grad == 0.5


def test_forward_and_backward():
    calls = []

    @custom_vjp
    def f(x, y):
        calls.append("f")
        return np.sin(x) * y

    def forward(x, y):
        calls.append("forward")
        return f(x, y), (np.cos(x), np.sin(x), y)

    def backward(residuals, g):
        cos, sin, y = residuals
        return g * cos * y, g * sin

    f.defvjp(forward, backward)
    assert f(1.0, 2.0) == pytest.approx(2 * np.sin(1.0))
    assert calls == ["f"]
    dx, dy = grad(f, (0, 1))(1.0, 2.0)
    assert (dx, dy) == (pytest.approx(2 * np.cos(1.0)), pytest.approx(np.sin(1.0)))
    assert calls.count("forward") == 1
    assert grad(grad(f))(1.0, 2.0) == pytest.approx(-2 * np.sin(1.0))
    assert grad(grad(f), 1)(1.0, 2.0) == pytest.approx(np.cos(1.0))


def test_a_rule_that_is_another_on_purpose():
    @custom_vjp
    def straight_through(x):
        return anp.round(x)

    straight_through.defvjp(lambda g, ans, x: g)
    np.testing.assert_array_equal(grad(lambda x: (straight_through(x) * 3).sum())(np.array([0.4, 1.6])), [3.0, 3.0])


def test_structures_settings_and_zeros():
    @custom_vjp
    def f(p, k, *, scale):
        return {"y": p["a"] * p["b"][0] ** k * scale, "z": p["a"]}

    @f.defvjp
    def _(g, ans, p, k, *, scale):
        a, b = p["a"], p["b"][0]
        return {"a": g["y"] * b**k * scale + g["z"], "b": (g["y"] * a * k * b ** (k - 1) * scale,)}, None

    p = {"a": np.array(2.0), "b": (np.array(3.0),)}
    g = grad(lambda p: f(p, 2, scale=10.0)["y"])(p)
    assert (g["a"], g["b"][0]) == (90.0, 120.0)
    assert grad(lambda p: f(p, 2, scale=10.0)["z"])(p)["a"] == 1.0


def test_broadcasting_is_summed():
    @custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda g, ans, x, y: (g * y, g * x))
    gx, gy = grad(lambda x, y: f(x, y).sum(), (0, 1))(np.ones((2, 3)), np.arange(3.0))
    np.testing.assert_array_equal(gx, [[0.0, 1.0, 2.0]] * 2)
    np.testing.assert_array_equal(gy, [2.0, 2.0, 2.0])


def make(returned):
    @custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda g, ans, x, y: returned(g))
    return lambda: grad(f)(np.array(2.0), np.array(3.0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (make(lambda g: g), TypeError, "tuple of 2"),
        (make(lambda g: (g,)), TypeError, "1 of them"),
        (make(lambda g: ((g, g), g)), TypeError, "structure"),
        (lambda: custom_vjp(np.sin)(1.0), TypeError, "no rule"),
        (lambda: custom_vjp(np.sin).defvjp(), TypeError, "one function"),
        (lambda: custom_vjp(np.sin).defvjp(1), TypeError, "one function"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_cotangent_of_another_shape():
    @custom_vjp
    def f(x):
        return x

    f.defvjp(lambda g, ans, x: g[:1])
    with pytest.raises(ValueError, match=r"\(3,\)"):
        grad(lambda x: f(x).sum())(np.ones(3))


def test_what_would_silently_get_no_gradient_is_refused():
    w = Value(2.0, name="w")

    @custom_vjp
    def f(x):
        return x * w

    f.defvjp(lambda g, ans, x: g * w)
    with pytest.raises(TypeError, match="'w'.*Pass it"):
        f(Value(1.0))

    @custom_vjp
    def h(x):
        return x * stop_gradient(w)

    h.defvjp(lambda g, ans, x: g * 2.0)
    assert grad(h)(1.0) == 2.0


def test_stop_gradient():
    assert grad(lambda x: x * stop_gradient(x))(3.0) == 3.0
    assert grad(grad(lambda x: x * stop_gradient(x) * x))(3.0) == 6.0
    assert stop_gradient(2.0) == 2.0
    a, b = stop_gradient((Value(1.0), {"k": Value(2.0)}))
    assert not a.requires_grad
    assert not b["k"].requires_grad


def test_an_op_of_ones_own():
    @op("x³", name="cube_of_a_user", elementwise=True)
    def cube(x):
        return x**3

    try:
        cube.defvjp(lambda g, ans, x: g * 3 * x**2)
        assert grad(grad(cube))(2.0) == 12.0
        np.testing.assert_array_equal(vmap(grad(cube))(np.arange(3.0)), [0.0, 3.0, 12.0])
    finally:
        del OPS["cube_of_a_user"]


@pytest.mark.parametrize("x", [3.0, np.array([1.0, 3.0])])
def test_a_rule_that_uses_a_value_gives_a_plain_gradient(x):
    w = Value(2.0)

    @custom_vjp
    def f(x):
        return x * 1.0

    f.defvjp(lambda g, ans, x: g * w)
    leaf = Value(x)
    inner = leaf * 1.0
    (f(inner) * 2).sum().backward()
    assert type(leaf.grad) is type(leaf.data.copy() if isinstance(x, np.ndarray) else x)
    assert isinstance(inner.grad, type(inner.data))
    np.testing.assert_array_equal(leaf.grad, np.full(np.shape(x), 4.0))


@pytest.mark.parametrize("name", ["diag", "softmax", "matmul", "sum", "inv", "copy", "getitem"])
def test_a_name_that_an_op_has_too_means_nothing_in_vmap(name):
    def f(*xs):
        return sum(xs).sum() * xs[0]

    f.__name__ = name
    rule = custom_vjp(f)
    rule.defvjp(
        lambda g, ans, *xs: (g * sum(xs).sum() + (g * xs[0]).sum(), *[(g * xs[0]).sum() + x * 0.0 for x in xs[1:]])
    )
    xs = np.arange(12.0).reshape(3, 2, 2)
    one = vmap(grad(lambda x: (rule(x) * np.eye(2)).sum()))(xs)
    np.testing.assert_allclose(one, [grad(lambda x: (f(x) * np.eye(2)).sum())(x) for x in xs])
    two = vmap(grad(lambda x: (rule(x, x) * np.eye(2)).sum()))(xs)
    np.testing.assert_allclose(two, [grad(lambda x: (f(x, x) * np.eye(2)).sum())(x) for x in xs])

"""The law that each op on a batch equals a loop is in test_batching.py; here is what vmap does around it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, checkpoint, custom_vjp, grad, hessian, jacobian, jvp, no_grad, scan, stop_gradient, vmap
from autograd_nn import numpy as anp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3))


def loss(w, x):
    return anp.tanh(x @ w).sum() ** 2


# --- per-sample gradients --------------------------------------------------------------------------------------------


def test_per_sample_gradients():
    w = RNG.normal(size=(3, 2))
    ours = vmap(grad(loss), in_axes=(None, 0))(w, X)
    np.testing.assert_allclose(ours, np.stack([grad(loss)(w, x) for x in X]), rtol=1e-12)
    # closed form: d/dw (Σ tanh(x w))² = 2 Σ tanh(x w) · x ⊗ (1 - tanh²(x w))
    t = np.tanh(X @ w)
    np.testing.assert_allclose(ours, 2 * t.sum(1)[:, None, None] * X[:, :, None] * (1 - t**2)[:, None], rtol=1e-12)
    assert type(ours) is np.ndarray


def test_all_orders_inside_and_outside():
    f = lambda x: (x**3).sum()  # noqa: E731
    np.testing.assert_allclose(vmap(hessian(f))(X), np.stack([np.diag(6 * x) for x in X]))
    np.testing.assert_allclose(vmap(lambda x, v: jvp(f, (x,), (v,))[1])(X, X), 3 * (X**3).sum(1))
    np.testing.assert_allclose(grad(lambda x: vmap(grad(f))(x).sum())(X), 6 * X)
    np.testing.assert_allclose(vmap(grad(lambda x: vmap(grad(np.sin))(x).sum()))(X), -np.sin(X))
    np.testing.assert_allclose(vmap(jacobian(np.sin))(X), np.stack([np.diag(np.cos(x)) for x in X]))


def test_no_perturbation_confusion():
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(vmap(lambda x: grad(lambda y: x + y)(1.0))(x), np.ones(3))
    np.testing.assert_array_equal(vmap(lambda x: x * grad(lambda y: x * y)(2.0))(x), x**2)
    np.testing.assert_array_equal(vmap(grad(lambda x: x * grad(lambda y: x * y)(2.0)))(x), 2 * x)
    assert grad(lambda s: vmap(lambda x: s * x)(x).sum())(2.0) == 6.0


# --- axes ------------------------------------------------------------------------------------------------------------


@given(st.integers(-3, 2), st.integers(-3, 2))
def test_axes_in_and_out(i, o):
    x = np.arange(24.0).reshape(2, 3, 4)
    expected = np.stack([np.sin(s) for s in np.moveaxis(x, i, 0)], axis=o)
    np.testing.assert_array_equal(vmap(np.sin, in_axes=i, out_axes=o)(x), expected)


def test_axes_of_structures():
    f = lambda p, x: {"y": p["w"] * x + p["b"], "b": p["b"]}  # noqa: E731
    p = {"w": np.arange(6.0).reshape(2, 3), "b": 10.0}
    out = vmap(f, in_axes=({"w": 1, "b": None}, None), out_axes={"y": 1, "b": None})(p, 2.0)
    np.testing.assert_array_equal(out["y"], 2 * p["w"] + 10)
    assert out["b"] == 10.0
    a, b = vmap(lambda x, y: (x, y), in_axes=[0, None])(np.arange(2.0), np.ones(3))
    assert (a.shape, b.shape) == ((2,), (2, 3))


def test_nested():
    x, y = np.arange(3.0), np.arange(4.0)
    table = vmap(vmap(lambda x, y: x * y, in_axes=(None, 0)), in_axes=(0, None))(x, y)
    np.testing.assert_array_equal(table, np.multiply.outer(x, y))
    three = vmap(vmap(vmap(lambda a: (a @ a).sum())))(np.ones((2, 3, 4, 5, 5)))
    np.testing.assert_array_equal(three, np.full((2, 3, 4), 125.0))
    outer = vmap(lambda a: vmap(lambda b: np.dot(a, b))(X))(X)  # closes over a value of the outer one
    np.testing.assert_allclose(outer, X @ X.T)


def test_keywords_and_settings_are_shared():
    f = lambda x, power=1, *, name, bias: x**power + bias  # noqa: E731
    np.testing.assert_array_equal(vmap(f)(np.arange(3.0), name="n", bias=np.array(1.0)), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(vmap(lambda x, name: x, in_axes=(0, None))(np.arange(3.0), "text"), [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(vmap(lambda x, nothing: x)(np.arange(2.0), None), [0.0, 1.0])


# --- what comes in, what goes out ------------------------------------------------------------------------------------


def test_values():
    x = Value(X)
    y = vmap(lambda r: (r * r).sum())(x)
    assert isinstance(y, Value)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, 2 * X)


def test_a_closed_over_value_gets_its_gradient():
    w = Value(np.ones(3))
    y = vmap(lambda x: (x * w).sum())(X)
    assert isinstance(y, Value)
    y.sum().backward()
    np.testing.assert_allclose(w.grad, X.sum(0))
    w.requires_grad_(False)
    assert type(vmap(lambda x: x * w)(X)) is np.ndarray


def test_results_do_not_share_memory_with_arguments():
    for f in (lambda x: x, lambda x: x.T):
        y = vmap(f)(X)
        assert not np.shares_memory(y, X)


def test_dtypes():
    x = X.astype(np.float32)
    assert vmap(lambda r: np.exp(r) * 2.0)(x).dtype == np.float32
    assert vmap(grad(lambda r: (r * 2.0).sum()))(x).dtype == np.float32
    assert vmap(lambda i: i + 1)(np.arange(3)).dtype == np.int64
    assert vmap(lambda r: r > 0)(x).dtype == bool


def test_under_no_grad():
    w = Value(2.0)
    with no_grad():
        y = vmap(lambda x: x * w)(X)
    assert type(y) is np.ndarray
    with no_grad():
        np.testing.assert_allclose(vmap(grad(lambda x: (x * x).sum()))(X), 2 * X)


def test_with_the_other_transforms():
    np.testing.assert_allclose(vmap(grad(checkpoint(lambda x: np.sin(x).sum())))(X), np.cos(X))
    np.testing.assert_allclose(grad(lambda x: checkpoint(vmap(np.sin))(x).sum())(X), np.cos(X))
    np.testing.assert_allclose(vmap(grad(lambda x: x * stop_gradient(x)))(X[:, 0]), X[:, 0])
    total = lambda x: scan(lambda c, t: (c + t * t, None), 0.0, x)[0]  # noqa: E731
    np.testing.assert_allclose(vmap(total)(X), (X**2).sum(1))
    np.testing.assert_allclose(vmap(grad(total))(X), 2 * X)
    np.testing.assert_allclose(grad(lambda x: vmap(total)(x).sum())(X), 2 * X)

    @custom_vjp
    def double_slope(x):
        return x * 1.0

    double_slope.defvjp(lambda g, ans, x: 2 * g)
    np.testing.assert_array_equal(vmap(grad(double_slope))(X[:, 0]), np.full(5, 2.0))
    np.testing.assert_array_equal(grad(lambda x: vmap(double_slope)(x).sum())(X[:, 0]), np.full(5, 2.0))


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x > 0 else -x,
        lambda x: float(x) * x,
        lambda x: x.item(),
        lambda x: np.arange(3)[x.astype(int)],
        lambda x: x * x.data,
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: np.asarray(x),
        lambda x: 1.0 in x,
        lambda x: f"{x:.3f}",
        lambda x: Value(x),
        lambda x: x.backward(),
    ],
)
def test_numbers_of_one_sample_are_refused(f):
    with pytest.raises(TypeError, match=r"where\(condition, a, b\)|vmap\(grad\(f\)\)"):
        vmap(f)(np.ones(3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: vmap(1.0), TypeError, "wanted a function"),
        (lambda: vmap(np.sin)(1.0), ValueError, "axis"),
        (lambda: vmap(np.sin)([1.0, 2.0]), (ValueError, TypeError), "np.array"),
        (lambda: vmap(np.sin, in_axes=None)(X), ValueError, "no argument is mapped"),
        (lambda: vmap(np.add)(np.ones(2), np.ones(3)), ValueError, r"\[2, 3\]"),
        (lambda: vmap(np.add, in_axes=(0,))(np.ones(2), np.ones(2)), ValueError, "in_axes"),
        (lambda: vmap(np.sin, in_axes=2)(X), ValueError, "axis 2"),
        (lambda: vmap(np.sin, in_axes=("a",))(X), TypeError, "ints and None"),
        (lambda: vmap(lambda x: x, in_axes=({"a": 0},))({"b": X}), ValueError, "structure"),
        (lambda: vmap(np.sin, out_axes=5)(X), ValueError, "out_axes"),
        (lambda: vmap(np.sin, out_axes=None)(X), ValueError, "out_axes=None"),
        (lambda: vmap(lambda x: "text")(X), TypeError, "text"),
        (lambda: vmap(lambda x: x.reshape(7))(X), ValueError, "reshape"),
        (lambda: vmap(lambda x: x.sum(axis=1))(X), ValueError, "axis 1"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_value_kept_too_long():
    kept = []
    vmap(lambda x: kept.append(x) or x)(X)
    with pytest.raises(ValueError, match="kept too long"):
        vmap(lambda x: x + kept[0])(X)


# --- speed ----------------------------------------------------------------------------------------------------------


def test_faster_than_a_loop():
    w, x = RNG.normal(size=(20, 20)), RNG.normal(size=(300, 20))
    batched, single = vmap(grad(loss), in_axes=(None, 0)), grad(loss)
    batched(w, x[:2])

    def measure(f):
        start = time.perf_counter()
        f()
        return time.perf_counter() - start

    ours = min(measure(lambda: batched(w, x)) for _ in range(3))
    loop = min(measure(lambda: [single(w, row) for row in x]) for _ in range(2))
    assert ours < loop / 2  # about a twentieth


def test_a_sample_has_the_methods_of_a_value():
    """Nothing that a Batch adds hides a method or a property of Value."""
    own = {name for cls in vmap_classes() for name in vars(cls) if not name.startswith("_")}
    added = own - {name for cls in Value.__mro__ for name in vars(cls)}
    assert added == {"call", "of", "value"}
    a = RNG.normal(size=(4, 3, 3))
    np.testing.assert_allclose(vmap(lambda m: m.trace() + m.T.sum())(a), np.trace(a, axis1=1, axis2=2) + a.sum((1, 2)))


def vmap_classes():
    seen = []
    vmap(lambda x: seen.extend(type(x).__mro__) or x)(np.ones(2))
    return [cls for cls in seen if issubclass(cls, Value) and cls is not Value]

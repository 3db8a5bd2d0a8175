"""Corners of native code: layouts, single numbers, views, kinds of zeros, ops under a name that is taken."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="native code needs Numba")
pytest.importorskip("scipy.linalg.cython_blas", reason="native code needs SciPy")

from autograd_nn import Value, compile, custom_vjp, grad, optim
from autograd_nn.compiler import native_cache

A = np.arange(4.0).reshape(2, 2)
ONES = np.ones((3, 3))


def transposed_copy(x):
    z = np.einsum("ij->ji", x * 2)
    e = np.sin(z)
    return np.cos(z) + np.sin(e * 3)


def diagonal(x):
    z = np.diag(x * 2)
    return np.sin(np.sin(z) * 2) + np.cos(z)


CASES = {
    "column of a matrix": (lambda x, w: x @ w[:, :1], np.ones((1, 3)), np.arange(12.0).reshape(3, 4)),
    "every second element": (lambda x, v: x @ v[::2], np.ones((1, 3)), np.arange(6.0)),
    "row times column": (lambda x, w: x[:1] @ w[:, 1:2], np.ones((2, 3)), np.arange(12.0).reshape(3, 4)),
    "one number as a matrix": (
        grad(lambda w, x: (x @ w).sum()),
        np.ones((3, 1), np.float32),
        np.ones((1, 3), np.float32),
    ),
    "constant of one number": (lambda x: x @ np.full((1, 1), 2, np.float32), np.ones((3, 1), np.float32)),
    "view made by Python": (transposed_copy, A),
    "diagonal made by Python": (diagonal, A),
    "sum of bools": (lambda a, b: ((a > 0) + (b > 0)) == (a > 0), np.array([1.0, -1.0]), np.ones(2)),
    "product of bools": (lambda a, b: ((a > 0) * (b > 0)) == (a > 0), np.array([1.0, -1.0]), np.ones(2)),
    "inverse root": (lambda x: x**-0.5, np.array([-0.0, 0.0, -np.inf, np.inf, 4.0])),
    "constants 0.0 and -0.0": (lambda x: x / np.array([0.0, -0.0]), np.ones(2)),
    "products that are broadcast": (
        lambda a, m: a @ m + m @ m + m @ (m + 1) + m @ (m + 2),
        np.ones((1, 3)),
        ONES,
    ),
    "axis of no axes": (lambda x: x.sum(axis=-1) * 2 + x.max(axis=0), np.array(3.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_native_gives_what_eager_gives(name):
    f, *args = CASES[name]
    compiled = compile(f, backend="native")
    with np.errstate(all="ignore"):
        wanted = f(*args)
        for _ in range(3):
            np.testing.assert_allclose(compiled(*args), wanted, rtol=1e-6)
    assert compiled.fallbacks == 0


def test_a_state_that_is_not_in_c_order_and_only_read():
    w = Value(np.arange(6.0).reshape(2, 3).T)
    compiled = compile(lambda x: x @ w, backend="native")
    for _ in range(4):
        assert np.array_equal(compiled(np.ones((1, 3))).data, [[3.0, 12.0]])


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", ["positive", "relu", "copy", "sum", "mul"])
def test_functions_of_the_user_may_have_the_name_of_an_op(name, backend):
    def function(x):
        return np.maximum(x, 0.0) + 1.0

    function.__name__ = function.__qualname__ = name
    custom = custom_vjp(function)
    custom.defvjp(lambda g, ans, x: 3.0 * g)
    f = grad(lambda x: (custom(x) * x).sum())
    x = np.array([-1.0, 2.0])
    compiled = compile(f, backend=backend)
    assert np.array_equal(f(x), [1.0 - 3.0, 3.0 + 6.0])
    for _ in range(3):
        assert np.array_equal(compiled(x), f(x))


def test_a_rule_for_a_lambda_and_one_that_returns_views():
    sine = custom_vjp(lambda x: np.sin(x))
    sine.defvjp(lambda g, ans, x: g)
    f = grad(lambda x: (sine(x) * x).sum())
    assert np.allclose(compile(f, backend="native")(np.ones(2)), f(np.ones(2)))

    @custom_vjp
    def two(x):
        return x, x * 3

    two.defvjp(lambda g, ans, x: np.sin(g[0]) + g[1])

    def loss(x):
        a, b = two(x * 2 + 1)
        q = np.sin(np.sin(np.sin(b)) * 2)
        return (q + np.cos(a) * np.sin(q)).sum()

    x = np.arange(3.0)
    assert np.allclose(compile(grad(loss), backend="native")(x), grad(loss)(x))


def test_equal_large_loops_are_shared_by_threads():
    x, m = np.linspace(-2, 2, 1 << 20).reshape(1024, 1024), np.eye(1024)
    f = lambda x: np.tanh(np.tanh(x) @ m)  # noqa: E731
    assert np.allclose(compile(f, backend="native", threads=2)(x), np.tanh(np.tanh(x)), atol=1e-14)


def test_machine_code_is_kept_in_the_folder_of_the_user_alone(tmp_path, monkeypatch):
    import numba

    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(elsewhere))
    monkeypatch.setenv("AUTOGRAD_NN_CACHE", str(tmp_path / "own"))
    compile(lambda x: np.tanh(x) * 1.25 + 0.375, backend="native")(np.ones(3))
    assert not elsewhere.exists() and str(elsewhere) == numba.config.CACHE_DIR
    made = tmp_path / "own" / "__pycache__"
    assert any(made.iterdir()) and made.stat().st_mode & 0o077 == 0
    made.chmod(0o777)
    assert native_cache.cache_folder() is None


class Kept(np.ndarray):
    """Arrays of somebody else."""


class Memory(optim.Optimizer):
    """One with a state that begins in any layout."""

    def __init__(self, parameters, begin, reads):
        super().__init__(parameters, 0.1)
        self.begin, self.reads = begin, reads

    def start(self, param):
        return {"m": self.begin()}

    def rule(self, param, grad, state, learning_rate, step):
        return param - learning_rate * grad, {"m": state["m"] * 0.5 + grad if self.reads else grad + param}


def remembered(begin, reads, backend):
    w, x = Value(np.arange(8.0)), np.linspace(0, 1, 8)
    optimizer = Memory([w], begin, reads)

    def step(x):
        loss = ((w * x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = compile(step, backend=backend) if backend else step
    for _ in range(3):
        step(x)
    optimizer._states[0]["m"] = begin()
    for _ in range(3):
        step(x)
    return np.asarray(w.data), np.asarray(optimizer._states[0]["m"])


@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize(
    "begin",
    [
        lambda: np.arange(8, dtype=">f8"),
        lambda: np.arange(16.0).view(Kept)[::2],
        lambda: np.arange(8.0).view(Kept),
        lambda: np.arange(16.0)[::2],
    ],
)
def test_states_begin_with_any_kind_of_array(begin, reads, backend):
    for got, wanted in zip(remembered(begin, reads, backend), remembered(begin, reads, None), strict=True):
        assert got.dtype == wanted.dtype and np.allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_a_state_keeps_its_shape(backend):
    with pytest.raises(ValueError, match=r"state 'm' wanted shape \(2,\).* got \(8,\)"):
        remembered(lambda: np.zeros(2), False, backend)

"""SciPy's optimizers with our derivatives: known minima, every method, trees and Values."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import scipy.optimize

from autograd_nn import Value
from autograd_nn.functions import cross_entropy, linear
from autograd_nn.optim import minimize
from autograd_nn.optim.minimize import METHODS


def rosenbrock(p):
    """(1 - x)² + 100 (y - x²)² (Rosenbrock, 1960): minimum 0 at (1, 1)."""
    return (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2


START = {"x": -1.2, "y": 1.0}
LOOSE = {"Nelder-Mead": 1e-3, "Powell": 1e-3, "COBYQA": 1e-3, "CG": 1e-3, "TNC": 1e-2}


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("COBYLA", "dogleg")])
def test_rosenbrock(method):
    result = minimize(rosenbrock, START, method)
    assert result.success, result.message
    assert set(result.x) == {"x", "y"}
    tolerance = LOOSE.get(method, 1e-3)
    assert (result.x["x"], result.x["y"]) == (pytest.approx(1, abs=tolerance), pytest.approx(1, abs=2 * tolerance))
    assert type(result.x["x"]) is float
    assert rosenbrock(result.x) == pytest.approx(result.fun)
    assert START == {"x": -1.2, "y": 1.0}


@pytest.mark.parametrize("method", ["COBYLA", "dogleg"])
def test_an_easy_bowl(method):
    # dogleg wants a positive definite Hessian everywhere, COBYLA is slow along valleys
    result = minimize(lambda x: ((x - np.array([1.0, 2.0])) ** 2).sum() + np.exp(x[0] - 1) - x[0], np.zeros(2), method)
    np.testing.assert_allclose(result.x, [1.0, 2.0], atol=2e-4)


def test_the_derivatives_are_exact():
    """With the exact ones SciPy needs as many evaluations as with those of its own Rosenbrock function."""
    x0 = np.array([-1.2, 1.0])
    for method in ("BFGS", "Newton-CG", "trust-exact"):
        ours = minimize(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, x0, method)
        with_hessian = {} if method == "BFGS" else {"hess": scipy.optimize.rosen_hess}
        theirs = scipy.optimize.minimize(
            scipy.optimize.rosen, x0, method=method, jac=scipy.optimize.rosen_der, **with_hessian
        )
        assert abs(ours.nfev - theirs.nfev) <= 2
        np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)


def test_trees_of_arrays_keep_structure_and_types():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    start = {"w": np.zeros(2), "b": 0.0, "unused": [np.ones((1, 2), np.float32)]}

    def loss(p):
        return ((y - x @ p["w"] - p["b"]) ** 2).mean() + (p["unused"][0] ** 2).sum()

    result = minimize(loss, start, "BFGS")
    expected = np.linalg.lstsq(np.c_[x, np.ones(30)], y, rcond=None)[0]
    np.testing.assert_allclose([*result.x["w"], result.x["b"]], expected, atol=1e-5)
    assert result.x["unused"][0].dtype == np.float32
    assert result.x["unused"][0].shape == result.jac["unused"][0].shape == (1, 2)
    assert start["w"].tolist() == [0, 0]


def test_bounds():
    result = minimize(lambda x: ((x - 3) ** 2).sum(), np.zeros(2), bounds=(None, 2))
    np.testing.assert_allclose(result.x, 2)
    limits = ({"a": None, "b": np.array([-1.0, 4.0])}, {"a": 1.0, "b": np.inf})
    result = minimize(
        lambda p: (p["a"] - 3) ** 2 + ((p["b"] - 2) ** 2).sum(), {"a": 0.0, "b": np.array([0.0, 5.0])}, bounds=limits
    )
    assert result.x["a"] == pytest.approx(1)
    np.testing.assert_allclose(result.x["b"], [2, 4], atol=1e-6)
    result = minimize(lambda x: ((x - 3) ** 2).sum(), np.zeros(2), bounds=scipy.optimize.Bounds(0, [1, 2]))
    np.testing.assert_allclose(result.x, [1, 2])


@pytest.mark.parametrize("method", [None, "trust-constr"])
def test_constraints(method):
    """The point of x + y = 1 with 2x ≥ 1.5 closest to 0 is (0.75, 0.25)."""
    result = minimize(
        lambda p: p[0] ** 2 + p[1] ** 2,
        [0.0, 0.0],
        method,
        constraints=[
            {"type": "eq", "fun": lambda p: p[0] + p[1] - 1},
            {"type": "ineq", "fun": lambda p: np.stack([2 * p[0] - 1.5, p[1] + 5])},
        ],
    )
    np.testing.assert_allclose(result.x, [0.75, 0.25], atol=1e-3)  # trust-constr stays inside


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYLA"])
def test_a_curved_constraint(method):
    """The point of the unit circle with the largest x + 2y is (1, 2) / √5."""
    expected = np.array([1, 2]) / np.sqrt(5)
    circle = {"type": "ineq", "fun": lambda p: 1 - p @ p}
    result = minimize(lambda p: -(p[0] + 2 * p[1]), np.array([0.1, 0.1]), method, constraints=circle)
    np.testing.assert_allclose(result.x, expected, atol=1e-3)
    p = Value([0.1, 0.1])
    minimize(lambda: -(p[0] + 2 * p[1]), [p], method, constraints={"type": "ineq", "fun": lambda: 1 - p @ p})
    np.testing.assert_allclose(p.data, expected, atol=1e-3)


def separable():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    y = (x @ [1.0, -2.0, 0.5] + 0.8 * rng.normal(size=50) > 0).astype(int)
    return x, y


SLOW = {"maxiter": 20000, "maxfev": 20000, "xatol": 1e-6, "fatol": 1e-10, "adaptive": True}


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-exact", "Nelder-Mead"])
def test_parameters_of_a_model(method):
    """Penalized logistic regression: all methods meet where its gradient, in closed form, is 0."""
    x, y = separable()
    w, b = Value(np.zeros((3, 2)), name="w"), Value(np.zeros(2), name="b")
    frozen = Value(0.05, requires_grad=False)

    def loss():
        return cross_entropy(linear(x, w, b), y) + frozen * ((w * w).sum() + (b * b).sum())

    result = minimize(loss, [w, b, frozen], method, **(SLOW if method == "Nelder-Mead" else {}))
    assert result.x[0] is w
    assert frozen.item() == 0.05
    assert loss().item() == pytest.approx(result.fun, rel=1e-12)
    z = x @ w.data + b.data
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    gradient = x.T @ (p - np.eye(2)[y]) / 50 + 0.1 * w.data
    np.testing.assert_allclose(gradient, 0, atol=2e-4)
    if method != "Nelder-Mead":
        assert result.success
        assert [g.shape for g in result.jac] == [(3, 2), (2,)]


def test_values_with_a_constraint():
    a, b = Value(0.0), Value(0.0)
    minimize(
        lambda: a * a + b * b, [a, b], constraints={"type": "eq", "fun": lambda: a + 2 * b - 5}
    )  # closest to 0 on the line: (1, 2)
    assert (a.item(), b.item()) == (pytest.approx(1, abs=1e-6), pytest.approx(2, abs=1e-6))


def test_after_an_error_values_are_as_they_were():
    w = Value([1.0, 2.0])
    calls = []

    def loss():
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("mine")
        return (w * w).sum()

    with pytest.raises(RuntimeError, match="mine"):
        minimize(loss, [w])
    assert w.tolist() == [1.0, 2.0]


def test_after_ctrl_c_values_are_at_the_best_point():
    w = Value([1.0, 2.0])

    def interrupt(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(lambda: ((w - 1) ** 4).sum(), [w], "BFGS", callback=interrupt)
    assert w.data[0] == 1.0
    assert 0 < abs(w.data[1] - 1) < 1  # nearer than the start


def test_the_callback_sees_the_structure():
    seen = []
    minimize(rosenbrock, START, "trust-constr", callback=lambda p: seen.append(p["x"]), maxiter=5)
    result = minimize(rosenbrock, START, "BFGS", callback=lambda p: seen.append(p["x"]))
    assert seen[-1] == pytest.approx(result.x["x"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: minimize(rosenbrock, START, "sgd"), ValueError, "one of the methods Nelder-Mead, .*got 'sgd'"),
        (lambda: minimize(lambda x: x, np.ones(2)), ValueError, r"one number, got shape \(2,\)"),
        (lambda: minimize(lambda x: x, np.ones(2), "Powell"), TypeError, r"one real number, got shape \(2,\)"),
        (lambda: minimize(lambda x: None, np.ones(2), "Powell"), TypeError, "one real number, got None"),
        (lambda: minimize(lambda x: 1.0, np.ones(2)), ValueError, "does not depend on its argument"),
        (lambda: minimize(lambda: 1.0, [Value(1.0)]), ValueError, "does not depend on the Values in x0"),
        (lambda: minimize(lambda: 1.0, [Value(1.0), 2.0]), TypeError, "got both"),
        (lambda: minimize(lambda: 1.0, [Value(1.0) * 2]), ValueError, "Value number 0, wanted a leaf"),
        (lambda: minimize(1.0, [Value(1.0)]), TypeError, "wanted a function"),
        (lambda: minimize(1.0, 1.0), TypeError, "wanted a function"),
        (lambda: minimize(rosenbrock, []), TypeError, "at least one number"),
        (lambda: minimize(rosenbrock, "x"), TypeError, "minimize wanted numbers to start from, got str"),
        (lambda: minimize(rosenbrock, START, bounds=3), ValueError, r"bounds wanted a pair \(low, high\)"),
        (lambda: minimize(rosenbrock, START, bounds=({"x": 1}, None)), ValueError, "bounds wanted the structure of x0"),
        (lambda: minimize(np.sum, np.ones(2), bounds=([np.ones(3)], 1)), ValueError, r"an array of shape \(2,\)"),
        (lambda: minimize(rosenbrock, START, constraints=[rosenbrock]), TypeError, "constraints as dicts"),
        (lambda: minimize(lambda: 1.0, [Value(1.0, requires_grad=False)]), ValueError, "all Values in x0 frozen"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_value_twice_is_refused():
    v = Value(1.0)
    with pytest.raises(ValueError, match="comes twice"):
        minimize(lambda: v * v, [v, v])


def test_without_scipy_it_says_how_to_get_it(monkeypatch):
    def no_scipy(name, *args, **kwargs):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", no_scipy)
    with pytest.raises(ImportError, match=r'pip install "autograd-nn\[jit\]"'):
        minimize(rosenbrock, START)

"""SciPy's optimizers with our derivatives: gradients, Hessian-vector products, Hessians, Jacobians of constraints.

For small problems without noise they need far fewer evaluations than gradient descent, and no learning rate.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import nested
from ..backward import cotangents
from ..graph import Node, dtype
from ..transforms import hessian, hvp, jacobian, value_and_grad
from ..value import Value
from .descent import dependent, start_leaf
from .group import check_parameter

__all__ = ["METHODS", "minimize"]

METHODS: dict[str, str] = {
    "Nelder-Mead": "",
    "Powell": "",
    "COBYLA": "",
    "COBYQA": "",
    "CG": "gradient",
    "BFGS": "gradient",
    "L-BFGS-B": "gradient",
    "TNC": "gradient",
    "SLSQP": "gradient",
    "Newton-CG": "product",
    "trust-ncg": "product",
    "trust-krylov": "product",
    "trust-constr": "product",
    "dogleg": "hessian",
    "trust-exact": "hessian",
}
"""Which derivatives each method of SciPy gets: none, gradients, also Hessian-vector products, or the whole Hessian."""


def minimize(
    f: Callable[..., Any],
    x0: Any,
    method: str | None = None,
    *,
    bounds: Any = None,
    constraints: Any = (),
    tolerance: float | None = None,
    callback: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Any:
    """Minimize a function with `scipy.optimize.minimize`, which gets exact derivatives.

    Args:
        f: takes what x0 is, and returns one real number. If x0 holds Values, such as ``model.parameters()``, f takes no
            argument and computes a loss from them. At the end they are set to the best point; frozen ones stay.
        x0: where to start: a number, an array, nested tuples, lists and dicts of them, or of leaf Values.
        method: a key of `METHODS`, in any case; "SLSQP" with constraints and "L-BFGS-B" without, if left out.
            "Newton-CG", "trust-ncg", "trust-krylov" and "trust-constr" multiply by the Hessian without forming it.
        bounds: a pair (low, high), each None, a number, or of the structure of x0; or a `scipy.optimize.Bounds`.
        constraints: a dict ``{"type": "eq" or "ineq", "fun": c}``, where c takes what f takes and returns numbers that
            are 0 or not negative; or several. Their Jacobians are ours.
        tolerance: SciPy's `tol`.
        callback: called with the present point, in the structure of x0, after each iteration.
        **options: SciPy's options of the method, such as ``maxiter=100``.

    Returns:
        SciPy's `OptimizeResult` (x, fun, success, message, nit, nfev, …). In the structure of x0 are `x` and the
        gradient: `jac`, or `grad` with trust-constr.

    Raises:
        ImportError: if SciPy is not installed.
        TypeError: if x0 holds no real numbers, or f does not return one real number.
        ValueError: if the method is unknown, or f does not depend on its argument.

    After an error Values are as they were; after Ctrl-C they are at the best point so far.

    >>> import numpy as np
    >>> def rosenbrock(p):
    ...     return (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
    >>> result = minimize(rosenbrock, {"x": -1.2, "y": 1.0}, "trust-ncg")
    >>> bool(result.success), {name: round(x, 4) for name, x in result.x.items()}
    (True, {'x': 1.0, 'y': 1.0})
    """
    optimize = scipy_optimize()
    leaves, structure = nested.flatten(x0)
    are_values = [isinstance(x, Node) for x in leaves]
    if any(are_values) and not all(are_values):
        raise TypeError("minimize wanted x0 to hold Values only, or numbers and arrays only; got both.")
    problem = TrainingProblem(f, leaves, structure) if any(are_values) else Problem(f, leaves, structure)
    packing = problem.packing
    constraints = [constraints] if isinstance(constraints, Mapping) else list(constraints)
    name = find_method(method or ("SLSQP" if constraints else "L-BFGS-B"))
    arguments: dict[str, Any] = {"method": name, "tol": tolerance, "options": options or None}
    wanted = METHODS[name]
    if wanted:
        arguments["jac"] = True
    if wanted == "product":
        arguments["hessp"] = problem.product
    elif wanted == "hessian":
        arguments["hess"] = problem.hessian
    if bounds is not None:
        arguments["bounds"] = packing.bounds(bounds, optimize)
    if constraints:
        conditions = [problem.constraint(c) for c in constraints]
        exact = name == "trust-constr"  # the one method that takes second derivatives of constraints
        arguments["constraints"] = [c.nonlinear(optimize) if exact else c.as_dict() for c in conditions]
    if callback is not None:
        arguments["callback"] = seen_by(callback, packing)
    try:
        result = optimize.minimize(problem.loss_and_gradient if wanted else problem.loss, packing.start, **arguments)
    except KeyboardInterrupt:
        problem.finish(problem.best)
        raise
    except BaseException:
        problem.finish(packing.start)
        raise
    problem.finish(result.x)
    result.x = x0 if any(are_values) else packing.unpack(result.x)
    for key in ("jac", "grad"):  # trust-constr keeps the Jacobians of constraints under "jac"
        found = result.get(key)
        if isinstance(found, np.ndarray) and found.shape == packing.start.shape:
            result[key] = packing.unpack(found)
    return result


class Packing:
    """A tree of numbers and arrays as one array of double precision, and back; on arrays and on Values."""

    def __init__(self, leaves: Sequence[Any], structure: Any) -> None:
        self.structure = structure
        self.likes = [start_leaf(x, "minimize") for x in leaves]
        if not sum(map(np.size, self.likes)):
            raise TypeError("minimize wanted at least one number in x0 to change, got none.")
        self.start = self.pack(self.likes)
        self.ends = np.cumsum([np.size(x) for x in self.likes]).tolist()

    def pack(self, leaves: Sequence[Any]) -> np.ndarray:
        """Join leaves in one array."""
        return np.concatenate([np.asarray(x, float).ravel() for x in leaves])

    def pieces(self, x: Any) -> list[Any]:
        """Cut one array into leaves, of the shapes and dtypes of the start; those of an array are new ones."""
        found: list[Any] = []
        begin = 0
        is_value = isinstance(x, Node)
        for like, end in zip(self.likes, self.ends, strict=True):
            piece = x[begin:end]
            begin = end
            if is_value:
                piece = piece.reshape(np.shape(like))
                found.append(piece if dtype(like) == np.float64 else piece.astype(like.dtype))
            else:
                found.append(
                    float(piece[0]) if type(like) is float else np.array(piece, like.dtype).reshape(like.shape)
                )
        return found

    def unpack(self, x: Any) -> Any:
        """Return the tree."""
        return nested.unflatten(self.structure, self.pieces(x))

    def bounds(self, bounds: Any, optimize: ModuleType) -> Any:
        """Return bounds for each number."""
        if isinstance(bounds, optimize.Bounds):
            return bounds
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            raise ValueError(
                f"bounds wanted a pair (low, high), each None, a number or of the structure of x0, got {bounds!r:.80}."
            )
        return optimize.Bounds(self.limit(bounds[0], -np.inf), self.limit(bounds[1], np.inf))

    def limit(self, limit: Any, unlimited: float) -> np.ndarray:
        """Return one limit for each number."""
        if limit is None or isinstance(limit, (int, float)):
            return np.full(self.start.shape, unlimited if limit is None else float(limit))
        leaves, structure = nested.flatten(limit, none_is_leaf=True)
        if len(leaves) != len(self.likes):
            raise ValueError(f"bounds wanted the structure of x0, {self.structure}, got {structure}.")
        found = []
        for x, y in zip(leaves, self.likes, strict=True):
            try:
                given = np.asarray(unlimited if x is None else x)
                found.append(np.broadcast_to(given, np.shape(y)))
            except ValueError as error:
                raise ValueError(f"bounds wanted an array of shape {np.shape(y)}, got {x!r:.50}.") from error
        return self.pack(found)


class Constraint(NamedTuple):
    """Numbers that are 0 ("eq") or not negative ("ineq"), as functions of one array."""

    type: str
    fun: Callable[[np.ndarray], np.ndarray]
    jac: Callable[[np.ndarray], np.ndarray]
    hess: Callable[[np.ndarray, np.ndarray], np.ndarray]  # of the numbers weighted by the second argument

    def as_dict(self) -> dict[str, Any]:
        """Return it as SLSQP and COBYLA take it."""
        return {"type": self.type, "fun": self.fun, "jac": self.jac}

    def nonlinear(self, optimize: ModuleType) -> Any:
        """Return it as trust-constr takes it."""
        high = 0.0 if self.type == "eq" else np.inf
        return optimize.NonlinearConstraint(self.fun, 0.0, high, self.jac, self.hess)


class Problem:
    """A function of a tree as a function of one array, with its derivatives."""

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], structure: Any) -> None:
        self.packing = Packing(leaves, structure)
        self.best = self.packing.start
        checked = dependent(f)

        def of_array(x: Any) -> Any:
            return checked(self.packing.unpack(x))

        self.f = f
        self.both = value_and_grad(of_array)
        self.product = hvp(of_array)
        self.hessian = hessian(of_array)

    def loss(self, x: np.ndarray) -> float:
        """Compute the function alone."""
        return one_number(self.f(self.packing.unpack(x)))

    def loss_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute both in one pass."""
        loss, gradient = self.both(x)
        return one_number(loss), gradient

    def constraint(self, constraint: Any) -> Constraint:
        """Return a constraint as a function of one array, with its derivatives."""
        c = check_constraint(constraint)

        def of_array(x: Any) -> Any:
            return c(self.packing.unpack(x))

        def weighted(x: Any, weights: np.ndarray) -> Any:
            y = of_array(x)
            return np.sum(y * weights.reshape(np.shape(y)))

        slopes = jacobian(of_array)
        return Constraint(
            constraint["type"],
            lambda x: np.ravel(of_array(x)),
            lambda x: np.reshape(slopes(x), (-1, len(x))),
            hessian(weighted),
        )

    def finish(self, x: np.ndarray) -> None:
        """Leave Values at a point; here there are none."""


class TrainingProblem(Problem):
    """A loss that is computed from leaf Values, such as the parameters of a model, as a function of one array."""

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], structure: Any) -> None:
        if not callable(f):
            raise TypeError(f"wanted a function to minimize, got {type(f).__name__}: write lambda: loss(model(x), y).")
        for i, v in enumerate(leaves):
            check_parameter(v, f"minimize: x0, Value number {i},")
        trained = [v for v in leaves if v.requires_grad]
        if not trained:
            raise ValueError("minimize found all Values in x0 frozen (requires_grad=False): nothing to change.")
        if len(trained) < len(leaves):
            structure = nested.flatten(trained)[1]
        if len(set(map(id, trained))) < len(trained):
            raise ValueError("minimize: a Value comes twice in x0. List it once.")
        self.f = f
        self.values: list[Value] = trained
        self.packing = Packing([v._data for v in trained], structure)
        self.best, self.lowest = self.packing.start, np.inf

    def finish(self, x: np.ndarray) -> None:
        """Set the Values to a point."""
        for v, piece in zip(self.values, self.packing.pieces(x), strict=True):
            v.assign(piece)

    def compute(self, x: np.ndarray) -> Node:
        """Compute the loss at a point, as a node."""
        self.finish(x)
        y = self.f()
        loss = one_number(y)
        if not isinstance(y, Node) or not y.requires_grad:
            raise ValueError(
                "the loss to minimize does not depend on the Values in x0, so there is no direction to go. Does the "
                "function compute it from them at each call, and without .data, float() or rounding?"
            )
        if loss < self.lowest:
            self.lowest, self.best = loss, x.copy()
        return y

    def slopes(self, y: Node, seed: Any = None) -> np.ndarray:
        """Return the gradient of a node, or of its elements weighted by a seed."""
        found = cotangents([y], self.values, [seed])
        likes = self.packing.likes
        return self.packing.pack([np.zeros(np.shape(x)) if c is None else c for c, x in zip(found, likes, strict=True)])

    def loss(self, x: np.ndarray) -> float:
        """Compute the loss alone."""
        return one_number(self.compute(x))

    def loss_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute both in one pass."""
        y = self.compute(x)
        return one_number(y), self.slopes(y)

    def products(self, y: Node, vectors: Sequence[np.ndarray], seed: Any = None) -> list[np.ndarray]:
        """Multiply the Hessian of a node by vectors: the gradient of gradient · vector, for each."""
        found = cotangents([y], self.values, [seed], create_graph=True)
        used = [i for i, c in enumerate(found) if c is not None and c.requires_grad]
        likes = self.packing.likes
        results = []
        for vector in vectors:
            pieces = self.packing.pieces(vector)
            moved = cotangents([found[i] for i in used], self.values, [pieces[i] for i in used])
            moved = [np.zeros(np.shape(x)) if c is None else c for c, x in zip(moved, likes, strict=True)]
            results.append(self.packing.pack(moved))
        return results

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:  # type: ignore[override]  # Problem's is a transform
        """Multiply the Hessian by a vector."""
        return self.products(self.compute(x), [np.asarray(v, float)])[0]

    def hessian(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]
        """Compute the whole Hessian, a column for each number."""
        return np.stack(self.products(self.compute(x), list(np.eye(len(x)))))

    def constraint(self, constraint: Any) -> Constraint:
        """Return a constraint as a function of one array, with its derivatives."""
        c = check_constraint(constraint)

        def at(x: np.ndarray) -> Any:
            self.finish(x)
            return c()

        def numbers(x: np.ndarray) -> np.ndarray:
            y = at(x)
            return np.ravel(y._data if isinstance(y, Node) else y).astype(float)

        def rows(x: np.ndarray) -> np.ndarray:
            y = at(x)
            return np.stack([self.slopes(y, seed) for seed in np.eye(y.size).reshape(y.size, *y.shape)])

        def second(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
            y = at(x)
            return np.stack(self.products(y, list(np.eye(len(x))), np.reshape(weights, y.shape)))

        return Constraint(constraint["type"], numbers, rows, second)


def check_constraint(constraint: Any) -> Callable[..., Any]:
    """Return the function of a constraint, or raise."""
    if (
        isinstance(constraint, Mapping)
        and set(constraint) == {"type", "fun"}
        and constraint["type"] in ("eq", "ineq")
        and callable(constraint["fun"])
    ):
        return constraint["fun"]
    raise TypeError(
        'minimize wanted constraints as dicts {"type": "eq" (is 0) or "ineq" (is not negative), "fun": function}; '
        f"their Jacobians are ours. Got {constraint!r:.80}."
    )


def seen_by(callback: Callable[[Any], Any], packing: Packing) -> Callable[..., None]:
    """Return SciPy's callback for ours."""

    def call(x: Any, *_: Any) -> None:
        callback(packing.unpack(np.asarray(x)))

    return call


def find_method(method: str) -> str:
    """Return SciPy's name of a method, or raise."""
    names = {name.lower(): name for name in METHODS}
    if not isinstance(method, str) or method.lower() not in names:
        raise ValueError(f"minimize wanted one of the methods {', '.join(METHODS)}, got {method!r}.")
    return names[method.lower()]


def one_number(y: Any) -> float:
    """Return a result as a float, or raise."""
    data = y._data if isinstance(y, Node) else y
    if not isinstance(data, (int, float, np.number, np.ndarray)) or np.size(data) != 1 or dtype(data).kind not in "iuf":
        came = f"shape {np.shape(data)}" if isinstance(data, np.ndarray) and data.size != 1 else repr(data)[:50]
        raise TypeError(
            f"minimize wanted the function to return one real number, got {came}. Reduce it: .sum() or .mean()."
        )
    return float(np.ravel(data)[0])


def scipy_optimize() -> ModuleType:
    """Return `scipy.optimize`; say how to get it where it is missing."""
    try:
        return importlib.import_module("scipy.optimize")
    except ImportError as error:
        raise ImportError(
            'minimize is done by SciPy, which is not installed: pip install scipy, or pip install "autograd-nn[jit]".'
        ) from error

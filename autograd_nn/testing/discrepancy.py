"""Compare derivatives with central differences, and find the one element where they differ.

A function of several arrays is compared along random directions and with random weights on its outputs: one number per
argument instead of a whole Jacobian. A wrong element shows in that number with probability one. Only then is it looked
for, by bisection: first in the argument, then in the output.

The first derivative of ``x → vjp of f`` is f's second derivative, so higher orders need nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backward import cotangents
from ..graph import Node, no_grad
from ..value import Value
from .differences import Estimate, derivative, one_sided

__all__ = ["Discrepancy", "Function", "compare"]

Arrays = list[Any]

NO_ESTIMATE = Estimate(0.0, 0.0)


@dataclass(frozen=True)
class Discrepancy:
    """Where a derivative and central differences disagree.

    Attributes:
        order: 1 for the first derivative, 2 for the derivative of the gradient, …
        mode: "vjp" or "jvp".
        argument: number of the argument.
        element: index into it.
        output: number of the output; at order 2 the outputs are the gradients of the arguments (of a function with
            several results, the gradients of a sum of all of them with fixed random weights).
        output_element: index into the output.
        rule: the derivative of that output element by that argument element, by the rules.
        numeric: the same by central differences.
        slopes: on the left and on the right, if they differ: a kink.
        jump: values on the left and on the right, if they differ: the function itself jumps.
        problem: what is wrong if it is not the number (a shape, a dtype, a value that is not finite).
    """

    order: int
    mode: str
    argument: int
    element: tuple[int, ...] = ()
    output: int = 0
    output_element: tuple[int, ...] = ()
    rule: Any = 0.0
    numeric: Estimate = NO_ESTIMATE
    slopes: tuple[float, float] | None = None
    jump: tuple[float, float] | None = None
    problem: str = ""

    @property
    def corner(self) -> str:
        """What the point sits on: "kink", "jump", or "" where the function is smooth."""
        return "jump" if self.jump is not None else "kink" if self.slopes is not None else ""

    @property
    def sides(self) -> str:
        """What is on both sides of a kink or jump, in words; "" where there is none."""
        if self.jump is not None:
            return f"value {self.jump[0]:g} on the left, {self.jump[1]:g} on the right"
        return f"slope {self.slopes[0]:g} on the left, {self.slopes[1]:g} on the right" if self.slopes else ""


class Function:
    """A function of a list of Values that returns a list: evaluated on arrays, or recorded."""

    def __init__(self, function: Callable[[list[Value]], Sequence[Any]]) -> None:
        self.function = function

    def record(self, values: list[Value]) -> list[Any]:
        """Return the outputs as nodes (constants as they are)."""
        return list(self.function(values))

    def numbers(self, arrays: Arrays) -> Arrays:
        """Return the outputs as arrays and numbers."""
        with no_grad():
            return [data_of(out) for out in self.function([Value.leaf(x) for x in arrays])]


class Gradient(Function):
    """The function from arguments to the vjp of `inner` with fixed weights: its derivative is of one order more."""

    def __init__(self, inner: Function, weights: Arrays) -> None:
        self.inner, self.weights = inner, weights

    def pull_back(self, values: list[Value], create_graph: bool) -> list[Any]:
        """Return the vjp; zeros where nothing depends on an argument."""
        outputs, weights = self.inner.record(values), self.weights
        return vjp(outputs, values, weights, create_graph)

    def record(self, values: list[Value]) -> list[Any]:
        """Return the vjp as nodes."""
        return self.pull_back(values, True)

    def numbers(self, arrays: Arrays) -> Arrays:
        """Return the vjp as arrays."""
        return self.pull_back([Value.leaf(x, requires_grad=True) for x in arrays], False)


def vjp(outputs: Sequence[Any], values: list[Value], weights: Sequence[Any], create_graph: bool = False) -> list[Any]:
    """Return the vector-Jacobian product for each argument; zeros where an output does not depend on it."""
    pairs = [(out, w) for out, w in zip(outputs, weights, strict=True) if isinstance(out, Node) and out.requires_grad]
    found = cotangents([out for out, _ in pairs], values, [w for _, w in pairs], create_graph=create_graph)
    return [zeros_like(x._data) if g is None else g for g, x in zip(found, values, strict=True)]


def data_of(x: Any) -> Any:
    """Return what a node holds; anything else as it is."""
    return x._data if isinstance(x, Node) else x


def zeros_like(x: Any) -> Any:
    """Return a zero of the same kind: a Python float, or an array."""
    return 0.0 if type(x) is float else np.zeros_like(x)


def kind(x: Any) -> str:
    """Return the kind of dtype, such as "f", "c", "b" or "i"."""
    return np.asarray(x).dtype.kind


def random_like(x: Any, rng: np.random.Generator) -> Any:
    """Return numbers with size between 0.5 and 1.5 and random sign (or phase): none is close to 0."""
    shape = np.shape(x)
    out = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    if type(x) is float:
        return float(out)
    x = np.asarray(x)
    if x.dtype.kind == "c":
        out = out * np.exp(2j * np.pi * rng.random(shape))
    return np.asarray(out, dtype=x.dtype)


def weighted(weights: Sequence[Any], outputs: Sequence[Any]) -> float:
    """Return Re Σ weights · outputs, where weights are 0 exactly 0 whatever the output."""
    total = 0.0
    for w, out in zip(weights, outputs, strict=True):
        if np.any(w):
            total += float(np.sum(np.where(w, w * np.where(w, out, 0.0), 0.0)).real)
    return total


def shifted(x: Any, t: float, v: Any) -> Any:
    """Return x + t v in the type of x."""
    return x + t * v if type(x) is float else np.asarray(x + t * v, dtype=x.dtype)


class Comparison:
    """One function at one point: derivatives by the rules and by central differences, in given directions."""

    def __init__(self, function: Function, arrays: Arrays, outputs: Arrays, eps: float) -> None:
        self.function, self.arrays, self.outputs, self.eps = function, arrays, outputs, eps

    def phi(self, i: int, v: Any, weights: Arrays) -> Callable[[float], float]:
        """Return t → Re Σ weights · f(…, x_i + t v, …)."""

        def along(t: float) -> float:
            at = [shifted(x, t, v) if j == i else x for j, x in enumerate(self.arrays)]
            return weighted(weights, self.function.numbers(at))

        return along

    def numeric(self, i: int, v: Any, weights: Arrays, wanted: float = 1e-7, start: float = 1.0) -> Estimate:
        """Return weights · J v by central differences."""
        return derivative(self.phi(i, v, weights), eps=self.eps, wanted=wanted, start=start)

    def leaves(self) -> list[Value]:
        """Return fresh Values of the arguments."""
        return [Value.leaf(x, requires_grad=True) for x in self.arrays]

    def by_vjp(self, weights: Arrays) -> Arrays:
        """Return Jᵀ weights for each argument."""
        leaves = self.leaves()
        return [data_of(g) for g in vjp(self.function.record(leaves), leaves, weights)]

    def by_jvp(self, i: int, v: Any) -> Arrays:
        """Return J v for each output: the vjp of the vjp."""
        leaves = self.leaves()
        outputs = self.function.record(leaves)
        seeds = [Value.leaf(zeros_like(out), requires_grad=True) for out in self.outputs]
        (c,) = [g for j, g in enumerate(vjp(outputs, leaves, seeds, True)) if j == i]
        return [data_of(jv) for jv in vjp([c], seeds, [v])]

    def analytic(self, mode: str, i: int, v: Any, weights: Arrays) -> tuple[float, float]:
        """Return weights · J v by the rules, and the size of its terms."""
        pairs = [(v, self.by_vjp(weights)[i])] if mode == "vjp" else zip(weights, self.by_jvp(i, v), strict=True)
        terms = [np.where(a, a * b, 0.0) for a, b in pairs]
        size = float(np.sqrt(sum(np.sum(np.abs(t) ** 2) for t in terms)))
        return float(sum(np.sum(t).real for t in terms)), size


def agree(rule: float, size: float, numeric: Estimate, rtol: float, atol: float) -> bool:
    """Are two derivatives equal, given the error of the numerical one? Both not finite counts as equal."""
    if not np.isfinite(numeric.value):
        return not np.isfinite(rule)
    scale = max(abs(rule), abs(numeric.value), size)
    # An estimate that did not converge must not excuse everything, so its error counts up to one part in ten thousand.
    return bool(abs(rule - numeric.value) <= atol + rtol * scale + min(4 * numeric.error, 1e-4 * scale))


def compare(
    function: Callable[[list[Value]], Sequence[Any]] | Function,
    arrays: Sequence[Any],
    *,
    order: int = 2,
    modes: Sequence[str] = ("vjp", "jvp"),
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    which: Sequence[int] | None = None,
) -> Discrepancy | None:
    """Compare derivatives with central differences at one point, and return the first place where they differ.

    Args:
        function: takes a list of Values and returns a list of Values; its outputs that are no floats are ignored.
        arrays: the point: float64 or complex128 arrays and Python floats.
        order: highest derivative to compare.
        modes: "vjp" compares gradients, "jvp" the vjp of the vjp.
        rtol: relative tolerance.
        atol: absolute tolerance.
        seed: of the random directions.
        which: numbers of the arguments to vary; all if left out.
    """
    rng = np.random.default_rng(seed)
    function = function if isinstance(function, Function) else Function(function)
    which = range(len(arrays)) if which is None else which
    with np.errstate(all="ignore"):
        for level in range(1, order + 1):
            full = function
            outputs = full.numbers(list(arrays))
            # A gradient that is not finite has no derivative; that it is not finite was compared one level below.
            keep = [j for j, out in enumerate(outputs) if kind(out) in "fc" and np.all(np.isfinite(out))]
            function = Selected(full, keep) if len(keep) < len(outputs) else full
            outputs = [outputs[j] for j in keep]
            eps = max([np.finfo(np.asarray(out).dtype).eps for out in outputs], default=2.0**-52)
            at = Comparison(function, list(arrays), outputs, float(eps))
            alone = (
                sum(np.size(out) for out in outputs) == 1
            )  # a scalar keeps weight 1, so that its derivatives read as they are
            weights = [zeros_like(out) + 1.0 if alone else random_like(out, rng) for out in outputs]
            found = compare_first(at, weights, level, modes, rtol * max(1.0, eps / 2e-13), atol, rng, which)
            if found is not None:
                return found
            function = Gradient(function, weights)
    return None


class Selected(Function):
    """Some outputs of a function."""

    def __init__(self, inner: Function, keep: list[int]) -> None:
        self.inner, self.keep = inner, keep

    def record(self, values: list[Value]) -> list[Any]:
        """Return the selected outputs as nodes."""
        outputs = self.inner.record(values)
        return [outputs[j] for j in self.keep]

    def numbers(self, arrays: Arrays) -> Arrays:
        """Return the selected outputs as arrays."""
        outputs = self.inner.numbers(arrays)
        return [outputs[j] for j in self.keep]


def compare_first(
    at: Comparison,
    weights: Arrays,
    level: int,
    modes: Sequence[str],
    rtol: float,
    atol: float,
    rng: np.random.Generator,
    which: Sequence[int],
) -> Discrepancy | None:
    """Compare the first derivatives of one function."""
    gradients = at.by_vjp(weights)
    for i in which:
        x, g = at.arrays[i], gradients[i]
        if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
            came = f"shape {np.shape(g)} and dtype {np.asarray(g).dtype}"
            return Discrepancy(
                level,
                "vjp",
                i,
                problem=f"the gradient has {came}, not those of the argument: {np.shape(x)}, {np.asarray(x).dtype}",
            )
        if not np.size(x):
            continue
        v = random_like(x, rng) * np.where(
            np.isfinite(x), np.maximum(1.0, np.abs(x)), 0.0
        )  # infinity, as a limit, stays
        v = float(v) if type(x) is float else np.asarray(v, dtype=x.dtype)
        numeric = at.numeric(i, v, weights)
        for mode in modes:
            if mode == "vjp":
                terms = np.asarray(g * v)
                rule, size = float(np.sum(terms).real), float(np.sqrt(np.sum(np.abs(terms) ** 2)))
            else:
                rule, size = at.analytic(mode, i, v, weights)
            if agree(rule, size, numeric, rtol, atol):
                continue
            # Before accusing anybody look closer: from afar a staircase (floor) has the slope of a ramp.
            numeric = at.numeric(i, v, weights, wanted=1e-12, start=1 / 64)
            if not agree(rule, size, numeric, rtol, atol):
                return locate(at, Discrepancy(level, mode, i), v, weights)
    return None


def locate(at: Comparison, found: Discrepancy, v: Any, weights: Arrays) -> Discrepancy:
    """Narrow a discrepancy down to one element of the argument and one of one output."""
    i, mode = found.argument, found.mode

    def difference(v: Any, weights: Arrays) -> float:
        gap = abs(at.analytic(mode, i, v, weights)[0] - at.numeric(i, v, weights, 1e-9, 1 / 64).value)
        return gap if np.isfinite(gap) else np.inf

    def only(pieces: Arrays, places: list[tuple[int, int]]) -> Arrays:
        out = [np.zeros_like(np.asarray(p)) for p in pieces]
        for j, k in places:
            out[j].flat[k] = np.asarray(pieces[j]).flat[k]
        return [o.item() if type(p) is float else o for o, p in zip(out, pieces, strict=True)]

    def bisect(pieces: Arrays, measure: Callable[[Arrays], float]) -> tuple[int, int]:
        places = [(j, int(k)) for j, p in enumerate(pieces) for k in np.flatnonzero(np.asarray(p))] or [(0, 0)]
        while len(places) > 1:
            halves = places[: len(places) // 2], places[len(places) // 2 :]
            places = halves[int(measure(only(pieces, halves[1])) > measure(only(pieces, halves[0])))]
        return places[0]

    _, k = bisect([v], lambda vs: difference(vs[0], weights))
    (v,) = only([v], [(0, k)])
    j, m = bisect(weights, lambda ws: difference(v, ws))
    weights = only(weights, [(j, m)])

    def units(pieces: Arrays) -> list[Arrays]:
        """Return the one element that is left as 1; for complex numbers also as the imaginary unit."""
        one = [np.where(np.asarray(p), 1.0, 0.0).astype(np.asarray(p).dtype) for p in pieces]
        out = [one, [p * 1j for p in one]] if any(kind(p) == "c" for p in one) else [one]
        return [
            [float(u) if type(p) is float else u.astype(u.dtype) for u, p in zip(us, pieces, strict=True)] for us in out
        ]

    pairs = [(vs[0], ws) for vs in units([v]) for ws in units(weights)]
    v, weights = max(pairs, key=lambda pair: difference(*pair))
    phi = at.phi(i, v, weights)
    left, right = one_sided(phi, eps=at.eps)
    near = 1e-9 * max(1.0, abs(np.asarray(at.arrays[i]).flat[k]))
    below, above = phi(-near), phi(near)
    jumps = abs(above - below) > 1e-4 * max(1e-3, abs(above), abs(below))
    if jumps and found.order > 1:
        left, right = below, above  # the gradient jumps: the kink is in the function one order below
    kink = abs(left - right) > 1e-3 * max(abs(left), abs(right), 1e-3)
    return replace(
        found,
        element=index_of(at.arrays[i], k),
        output=j,
        output_element=index_of(at.outputs[j], m) if at.outputs else (),
        rule=at.analytic(mode, i, v, weights)[0],
        numeric=at.numeric(i, v, weights, 1e-9, 1 / 64),
        slopes=(left, right) if kink else None,
        jump=(below, above) if jumps and found.order == 1 else None,
    )


def index_of(x: Any, k: int) -> tuple[int, ...]:
    """Return the index of element number k."""
    return tuple(int(n) for n in np.unravel_index(k, np.shape(x))) if np.shape(x) else ()

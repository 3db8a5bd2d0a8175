"""Hypothesis strategies: shapes, axes, indices, arrays by domain, Values, and random differentiable graphs.

Numbers are drawn from a grid inside the domain, away from its ends, kinks and poles, so that central differences are
accurate; they are short to print, and shrink towards the simplest.

Hypothesis is imported when the first strategy is made, so this module can be imported without it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..domain import REAL, Case, Interval
from ..op import ITEM, OPS, Op
from ..value import Value
from .discrepancy import data_of, kind, vjp
from .random_graph import RandomGraph, Step

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "arrays",
    "axes",
    "broadcastable_shapes",
    "elements",
    "indices",
    "op_calls",
    "random_graphs",
    "shapes",
    "values",
]


def hypothesis() -> Any:
    """Import Hypothesis.

    Raises:
        ImportError: saying how to install it.
    """
    try:
        import hypothesis.strategies
    except ImportError as error:
        raise ImportError(
            'autograd_nn.testing.strategies needs Hypothesis: pip install "autograd-nn[test]".'
        ) from error
    return hypothesis


def composite(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a strategy of a function of `draw`, as Hypothesis's `composite` does, but import Hypothesis when called."""

    @functools.cache
    def made(module: Any) -> Callable[..., Any]:
        return module.strategies.composite(function)

    @functools.wraps(function)
    def strategy(*args: Any, **kwargs: Any) -> Any:
        return made(hypothesis())(*args, **kwargs)

    return strategy


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> SearchStrategy[tuple[int, ...]]:
    """Shapes of arrays; ``min_side=0`` includes empty ones."""
    st = hypothesis().strategies
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@composite
def broadcastable_shapes(
    draw: Any, count: int = 2, *, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> tuple[tuple[int, ...], ...]:
    """`count` shapes that broadcast together: axes missing on the left, or of length 1."""
    st = hypothesis().strategies
    full = draw(shapes(max_dims=max_dims, min_side=min_side, max_side=max_side))
    out = []
    for _ in range(count):
        kept = full[draw(st.integers(0, len(full))) :]
        out.append(tuple(1 if draw(st.booleans()) else n for n in kept))
    return tuple(out)


@composite
def axes(draw: Any, ndim: int, *, none: bool = True, several: bool = True) -> int | tuple[int, ...] | None:
    """An ``axis`` argument for an array of `ndim` axes: None, an int, or a tuple of different axes; also negative."""
    st = hypothesis().strategies
    kinds = ["none"] * none + ["one"] * (ndim > 0) + ["several"] * several
    if not kinds:
        hypothesis().reject()
    chosen = draw(st.sampled_from(kinds))
    if chosen == "none":
        return None
    signed = st.integers(0, max(ndim - 1, 0)).flatmap(lambda n: st.sampled_from([n, n - ndim]))
    if chosen == "one":
        return draw(signed)
    return tuple(draw(st.lists(signed, max_size=ndim, unique_by=lambda n: n % ndim))) if ndim else ()


@functools.cache
def grid(domain: Interval) -> tuple[float, ...]:
    """Numbers with few digits inside a domain, at least 0.1 from its ends and excluded points; the simplest first."""
    low = (
        domain.low
        if math.isfinite(domain.low)
        else (min(-3.0, domain.high - 4.0) if math.isfinite(domain.high) else -3.0)
    )
    high = domain.high if math.isfinite(domain.high) else max(3.0, low + 4.0)
    margin = min(0.1, (high - low) / 10)
    exponent = math.floor(math.log10((high - low) / 60))
    step = next(m * 10.0**exponent for m in (5, 2, 1) if m * 10.0**exponent <= (high - low) / 60)
    points = [float(f"{n * step:.6g}") for n in range(math.floor(low / step), math.ceil(high / step) + 1)]
    inside = [
        x for x in points if low + margin <= x <= high - margin and all(abs(x - p) >= margin for p in domain.excluded)
    ]
    return tuple(sorted(inside, key=lambda x: (len(f"{abs(x):g}"), abs(x - 1.0), x)))


def elements(domain: Interval = REAL) -> SearchStrategy[Any]:
    """Python floats inside a domain (booleans for a domain of masks)."""
    st = hypothesis().strategies
    return st.booleans() if domain.kind == "bool" else st.sampled_from(grid(domain))


@composite
def arrays(
    draw: Any,
    shape: tuple[int, ...] | SearchStrategy[tuple[int, ...]] | None = None,
    domain: Interval = REAL,
    *,
    dtype: Any = np.float64,
    distinct: bool = False,
) -> np.ndarray:
    """Arrays whose elements lie in a domain.

    Args:
        draw: passed by Hypothesis.
        shape: a shape, a strategy of shapes, or None for any.
        domain: such as `autograd_nn.domain.POSITIVE`, or an op's ``domain[0]``.
        dtype: "float32", "float64", a complex type; ignored for masks.
        distinct: no two elements are equal, as ops with ties (max, sort) like them.
    """
    st = hypothesis().strategies
    if shape is None:
        shape = shapes()
    fixed: tuple[int, ...] = shape if isinstance(shape, tuple) else draw(shape)
    size = math.prod(fixed)

    def flat() -> list[Any]:
        distinct_too = distinct and domain.kind != "bool" and size <= len(grid(domain))
        return draw(st.lists(elements(domain), min_size=size, max_size=size, unique=distinct_too))

    if domain.kind == "bool":
        return np.array(flat(), dtype=bool).reshape(fixed)
    out = np.array(flat(), dtype=float).reshape(fixed)
    if np.dtype(dtype).kind == "c":
        out = out + 1j * np.array(flat(), dtype=float).reshape(fixed)
    return out.astype(dtype)


@composite
def values(
    draw: Any, shape: Any = None, domain: Interval = REAL, *, dtype: Any = np.float64, distinct: bool = False
) -> Value:
    """Values that require a gradient; some scalar ones hold a Python float. Arguments as for `arrays`."""
    data = draw(arrays(shape, domain, dtype=dtype, distinct=distinct))
    st = hypothesis().strategies
    python = data.shape == () and data.dtype == np.float64 and draw(st.booleans())
    return Value(float(data) if python else data)


@composite
def indices(draw: Any, shape: tuple[int, ...], *, advanced: bool = True) -> Any:
    """Index expressions for an array: integers, slices (also backwards), ``...``, ``None``.

    If `advanced`, also arrays of integers with duplicates, and masks.
    """
    st = hypothesis().strategies
    if advanced and shape and draw(st.integers(0, 4)) == 0:
        return draw(arrays(shape, Interval(kind="bool")))
    count = draw(st.integers(0, len(shape)))
    ellipsis_at = draw(st.none() | st.integers(0, count))
    front = (
        list(shape[:count])
        if ellipsis_at is None
        else [*shape[:ellipsis_at], *shape[len(shape) - (count - ellipsis_at) :]]
    )
    out: list[Any] = []
    rows = draw(st.integers(1, 3))
    for n in front:
        kinds = ["slice"] + ["int"] * (n > 0) + ["array"] * (advanced and n > 0)
        chosen = draw(st.sampled_from(kinds))
        if chosen == "int":
            out.append(draw(st.integers(-n, n - 1)))
        elif chosen == "array":  # all arrays of one index expression have one length, so that they broadcast
            out.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=rows, max_size=rows))))
        else:
            out.append(draw(st.slices(n)))
    if ellipsis_at is not None:
        out.insert(ellipsis_at, Ellipsis)
    for place in sorted(draw(st.lists(st.integers(0, len(out)), max_size=1)), reverse=True):
        out.insert(place, None)
    return out[0] if len(out) == 1 and draw(st.booleans()) else tuple(out)


@composite
def op_calls(draw: Any, ops: Sequence[Op] | None = None) -> tuple[Op, list[Any], dict[str, Any]]:
    """An op with arguments and attributes of one of its cases: ``op(*args, **attrs)`` works."""
    st = hypothesis().strategies
    op = draw(st.sampled_from([o for o in (OPS.values() if ops is None else ops) if o.cases]))
    case = draw(st.sampled_from(op.cases))
    return op, [draw_argument(draw, op, case, i) for i in range(len(case.arguments))], case.attrs


def domain_of(op: Op, case: Case, i: int) -> Interval:
    """Return the domain of argument number i."""
    domain = case.domain or op.domain
    return domain[min(i, len(domain) - 1)]


def draw_argument(draw: Any, op: Op, case: Case, i: int) -> Any:
    """Draw one argument of a case."""
    argument, domain = case.arguments[i], domain_of(op, case, i)
    if isinstance(argument, str):
        return draw(elements(domain))
    if isinstance(argument, tuple):
        return draw(arrays(argument, domain, distinct=case.distinct))
    if callable(argument):
        argument = argument(np.random.default_rng(draw(hypothesis().strategies.integers(0, 9))))
    made = np.array(argument)
    return np.round(made, 4) if made.dtype.kind == "f" else made


def suits(data: Any, domain: Interval, case: Case) -> bool:
    """Does a value lie in the domain, away from its ends, kinks and ties?"""
    if domain.kind == "bool" or kind(data) != "f":
        return False
    x = np.asarray(data)
    inside = np.all((x > domain.low + 0.05) & (x < domain.high - 0.05) & (np.abs(x) < 20))
    apart = all(np.all(np.abs(x - p) > 0.05) for p in domain.excluded)
    ties = case.distinct and x.size > 1 and np.min(np.diff(np.sort(x, axis=None))) < 0.02
    return bool(inside) and apart and not ties


def installed(op: Op) -> bool:
    """Is there everything that an op and its rules compute with? Some want SciPy, or their rules alone do."""
    for case in op.cases[:1]:
        made = case.make(op.domain, np.random.default_rng(0))
        args = [Value.leaf(np.array([x]) if type(x) is float else x, requires_grad=kind(x) == "f") for x in made]
        try:
            out = op(*args, **case.attrs)
            outputs = [x for x in (out if isinstance(out, tuple) else (out,)) if x.requires_grad]
            for _ in range(2):  # the second time for the rules of the ops in its rule
                seeds = [Value.leaf(np.ones_like(data_of(x)), requires_grad=True) for x in outputs]
                outputs = vjp(outputs, args, seeds, True)
                args += seeds
        except ImportError:
            return False
        except Exception:  # noqa: BLE001  (whatever else is wrong with an op is for the graph to show)
            return True
    return True


@functools.cache
def steps_of(op: Op) -> tuple[Case, ...]:
    """Return the cases of an op that can be a step of a random graph.

    Recipes for arrays of floats are left out: they make special matrices (symmetric, say), on which an op may insist.
    """
    if not op.differentiable or op is ITEM or not installed(op):
        return ()

    def plain(argument: Any) -> bool:
        return not callable(argument) or kind(argument(np.random.default_rng(0))) != "f"

    return tuple(c for c in op.cases if c.order >= 2 and "dtype" not in c.attrs and all(map(plain, c.arguments)))


@composite
def random_graphs(draw: Any, ops: Sequence[Op] | None = None, *, max_steps: int = 6) -> RandomGraph:
    """Differentiable graphs built from ops, at a point where they are smooth.

    Operands are results of earlier steps where shape and domain suit, else new leaves. A graph that fails shrinks to
    few steps and simple numbers; ``graph.check()`` checks it, and prints a script that reproduces what fails.

    Args:
        draw: passed by Hypothesis.
        ops: ops to choose from; all differentiable ones of `OPS` if left out.
        max_steps: the most steps.
    """
    st = hypothesis().strategies
    pool = tuple([op for op in (OPS.values() if ops is None else ops) if steps_of(op)])
    leaves: list[Any] = []
    steps: list[tuple[Op, list[tuple[str, Any]], dict[str, Any], int | None]] = []
    results: list[Any] = []  # of steps
    used: set[tuple[str, Any]] = set()

    # "One more?" before each step, and not a number at the start: so Hypothesis can drop any step when it shrinks.
    for _ in range(max_steps):
        if steps and draw(st.integers(0, 20)) == 0:
            break
        data = {("step", j): x for j, x in enumerate(results)} | {("leaf", j): x for j, x in enumerate(leaves)}
        unused = {key: x for key, x in data.items() if key[0] == "step" and key not in used}
        choice = joining(pool, unused) if unused and draw(st.integers(0, 9)) != 4 else {}
        choice = choice or {op: steps_of(op) for op in pool}
        op = draw(st.sampled_from(list(choice)))
        case = draw(st.sampled_from(choice[op]))
        operands: list[tuple[str, Any]] = []
        fresh: list[Any] = []
        for i in range(len(case.arguments)):
            known = candidates(op, case, i, unused) or candidates(op, case, i, data)
            if known and draw(st.integers(0, 3)) != 2:
                operands.append(draw(st.sampled_from(known)))
                unused.pop(operands[-1], None)
                continue
            made = draw_argument(draw, op, case, i)
            if kind(made) == "f" and op.rule(i) is not None:
                operands.append(("leaf", len(leaves) + len(fresh)))
                fresh.append(made)
            else:
                operands.append(("constant", made))
        everything = {"leaf": leaves + fresh, "step": results}
        args = [x if where == "constant" else everything[where][x] for where, x in operands]
        try:
            with np.errstate(all="ignore"):
                out = op.compute(*args, **case.attrs)
        except (ImportError, ValueError):  # needs a package that is missing; operands that do not go together
            continue
        pick = draw(st.integers(0, len(out) - 1)) if isinstance(out, tuple) else None
        out = out if pick is None else out[pick]
        if kind(out) == "f" and np.size(out) and np.all(np.isfinite(out)) and np.max(np.abs(out)) < 1e4:
            leaves += fresh
            used |= {(where, x) for where, x in operands if where == "step"}
            steps.append((op, operands, case.attrs, pick))
            results.append(out)
    hypothesis().assume(steps)
    first = len(leaves)

    def number(where: str, x: Any) -> Any:
        return x if where != "step" else first + x

    graph = RandomGraph(
        tuple(leaves),
        tuple(
            Step(op, tuple(number(*operand) for operand in operands), attrs, pick)
            for op, operands, attrs, pick in steps
        ),
    ).pruned(first + len(steps) - 1)
    hypothesis().assume(graph.leaves and graph.is_smooth())
    return graph


@functools.cache
def takers(pool: tuple[Op, ...], shape: tuple[int, ...] | None) -> tuple[tuple[Op, Case, Interval], ...]:
    """Return every op and case that takes an argument of a shape (None: a Python float), and the argument's domain."""
    found = []
    like = 0.0 if shape is None else np.zeros(shape)
    for op in pool:
        for case in steps_of(op):
            here = reshaped(case, shape) if op.elementwise and shape is not None else case
            places = [i for i, argument in enumerate(here.arguments) if fits(like, argument, False)]
            found += [(op, here, domain) for domain in {domain_of(op, here, i) for i in places}]
    return tuple(found)


def joining(pool: tuple[Op, ...], unused: dict[tuple[str, int], Any]) -> dict[Op, list[Case]]:
    """Return the ops, with their cases, that can take a result which nothing uses yet."""
    out: dict[Op, list[Case]] = {}
    for x in unused.values():
        suitable: dict[tuple[Interval, bool], bool] = {}
        for op, case, domain in takers(pool, None if type(x) is float else np.shape(x)):
            key = (domain, case.distinct)
            if key not in suitable:
                suitable[key] = suits(x, domain, case)
            if suitable[key]:
                out.setdefault(op, []).append(case)
    return out


def candidates(op: Op, case: Case, i: int, data: dict[tuple[str, int], Any]) -> list[tuple[str, int]]:
    """Return which of the values there are can be argument number i of a case."""
    argument, domain = case.arguments[i], domain_of(op, case, i)
    return [key for key, x in data.items() if fits(x, argument, op.elementwise) and suits(x, domain, case)]


def fits(data: Any, argument: Any, broadcast: bool) -> bool:
    """Has a value the shape that a case asks for, or, if `broadcast`, one that broadcasts to it?"""
    if isinstance(argument, str):
        return type(data) is float
    if not isinstance(argument, tuple) or type(data) is float:
        return False
    shape = np.shape(data)
    suffix = argument[len(argument) - len(shape) :] if len(shape) <= len(argument) else None
    return shape == argument or (
        broadcast and suffix is not None and all(m in (1, n) for m, n in zip(shape, suffix, strict=True))
    )


def reshaped(case: Case, shape: tuple[int, ...]) -> Case:
    """Return a case of an elementwise op with its shapes replaced; those with fixed arrays stay as they are."""
    if any(not isinstance(a, tuple) for a in case.arguments):
        return case
    return Case(
        *[shape] * len(case.arguments), distinct=case.distinct, domain=case.domain, order=case.order, attrs=case.attrs
    )

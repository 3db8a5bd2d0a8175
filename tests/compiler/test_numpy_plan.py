"""The NumPy plan gives what eager code gives: every op, case and dtype, with derivatives; and it allocates nothing."""

from __future__ import annotations

import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from autograd_nn import OPS, Value, compile, grad, value_and_grad, vjp
from autograd_nn.compiler import blocks, numpy_plan
from autograd_nn.compiler.numpy_plan import NumpyPlan
from autograd_nn.graph import Node
from autograd_nn.losses import cross_entropy
from autograd_nn.testing.laws import close, floats, make, results, variants
from autograd_nn.testing.strategies import random_graphs

CASES = [(name, i) for name, op in OPS.items() for i in range(len(op.cases))]


def agree(found, wanted, ulps: float = 64.0) -> bool:
    found, wanted = results(found), results(wanted)
    return len(found) == len(wanted) and all(
        np.shape(a) == np.shape(b)
        and np.asarray(a).dtype == np.asarray(b).dtype
        and (np.asarray(a).dtype.kind not in "fc" and np.array_equal(a, b) or close(a, b, ulps))
        for a, b in zip(found, wanted, strict=True)
    )


def pulled(op, args, attrs, seeds):
    """The cotangents of all float arguments."""
    at = floats(args)

    def f(*xs):
        full = list(args)
        for i, x in zip(at, xs, strict=True):
            full[i] = x
        return op(*full, **attrs)

    _, pull = vjp(f, *[args[i] for i in at])
    return pull(seeds)


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{i}" for name, i in CASES])
def test_compiled_equals_eager(name, case):
    op = OPS[name]
    case = op.cases[case]
    for dtype in variants(op, case):
        if dtype == "float16":
            continue
        args = make(op, case, dtype)
        try:
            wanted = op(*args, **case.attrs)
        except ImportError as error:
            pytest.skip(f"needs a package that is not installed: {error}")
        compiled = compile(lambda *xs: op(*xs, **case.attrs))
        for _ in range(2):  # the second time buffers hold something
            assert agree(compiled(*args), wanted), (dtype, compiled.source)
        assert compiled.fallbacks == 0


def loss_of(op, args, attrs, others=()):
    """A number computed from all results of floats, and the arguments that it is a function of."""
    at = [i for i in floats(args) if op.joint is not None or op.rule(i) is not None]

    def loss(*xs):
        full = list(args)
        for i, x in zip(at, xs, strict=True):
            full[i] = x
        total = 0.0
        for k, y in enumerate(results(op(*full, **attrs))):
            if isinstance(y, Node) and y.requires_grad:
                weights = (
                    np.random.default_rng(k).uniform(0.5, 1.5, y.shape).astype(y.dtype.name.replace("complex", "float"))
                )
                y = y * weights
                total = total + (y.real if y.dtype.kind == "c" else y).sum()
        return total

    return loss, [args[i] for i in at]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{i}" for name, i in CASES])
def test_compiled_derivatives_equal_eager(name, case):
    op = OPS[name]
    case = op.cases[case]
    if not op.differentiable:
        pytest.skip("nothing to differentiate")
    for dtype in ("float64", "float32"):
        if dtype not in variants(op, case):
            continue
        args = make(op, case, dtype)
        loss, given = loss_of(op, args, case.attrs)
        everything = tuple(range(len(given)))
        if not given or any(np.asarray(x).dtype.kind not in "fc" for x in given):
            continue
        try:
            first = grad(loss, everything)
            wanted = first(*given)
        except (ImportError, TypeError, ValueError) as error:
            pytest.skip(f"eager has no gradient: {error}")
        compiled = compile(first)
        for _ in range(2):
            assert agree(compiled(*given), wanted, 256.0), (dtype, compiled.source)
        assert compiled.fallbacks == 0

        if case.order < 2:
            continue

        def norm(*xs, first=first):
            return sum(((g * g).sum() if g.dtype.kind == "f" else (g * g.conj()).real.sum()) for g in first(*xs))

        try:
            wanted = grad(norm, everything)(*given)
        except (TypeError, ValueError):
            continue  # constant: nothing depends on the arguments
        second = compile(grad(norm, everything))
        for _ in range(2):
            assert agree(second(*given), wanted, 4096.0), (dtype, second.source)
        assert second.fallbacks == 0


# --- graphs at random, with freed buffers poisoned --------------------------------------------------------------------


@pytest.fixture
def poisoned(monkeypatch):
    """Plans fill buffers with 0xFF, which is NaN, as soon as nobody is to read them any more."""
    module = sys.modules["autograd_nn.compiler.compile"]
    monkeypatch.setattr(module, "plan_of", lambda program, *_: NumpyPlan(program, poison=True))


def alike(found, wanted):
    """Are numbers equal to rounding, relative to the largest? Shapes and dtypes are equal."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    scale = max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)))
    return (
        found.shape == wanted.shape
        and found.dtype == wanted.dtype
        and np.allclose(found, wanted, rtol=1e-9, atol=1e-10 * scale, equal_nan=True)
    )


def check_compiled(f, args):
    """Is the compiled function the function, at every call? Return what the function gives."""
    with np.errstate(all="ignore"):
        wanted = f(*args)
    compiled = compile(f)
    several = isinstance(wanted, (list, tuple))
    for _ in range(3):
        found = compiled(*args)
        assert all(map(alike, found, wanted)) if several else alike(found, wanted), compiled.source
        assert not several or len(found) == len(wanted)
    assert compiled.fallbacks == 0
    return wanted


@pytest.fixture(params=[None, (1, 8), (3, 32)], ids=["whole", "elements", "blocks"])
def blocked(request, monkeypatch):
    """Elementwise runs over arrays of a few elements are done in blocks, the last of which is often shorter."""
    if request.param is not None:
        monkeypatch.setattr(blocks, "LARGE", request.param[0])
        monkeypatch.setattr(blocks, "BLOCK", request.param[1])
        monkeypatch.setattr(blocks.Scheduler, "pays", lambda self, run: True)  # single instructions, too


@given(random_graphs(max_steps=7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_random_graphs_with_first_and_second_derivatives(poisoned, blocked, graph):
    everything = tuple(range(len(graph.leaves)))
    check_compiled(graph, graph.leaves)
    check_compiled(graph.values, graph.leaves)  # every value is wanted, and none is computed in place
    first = grad(graph, everything)
    check_compiled(first, graph.leaves)

    def norm(*xs):
        return sum((g * g).sum() if np.ndim(g) else g * g for g in first(*xs))

    try:
        second = grad(norm, everything)
        second(*graph.leaves)
    except (TypeError, ValueError):
        return  # the gradient is constant
    check_compiled(second, graph.leaves)


@pytest.mark.parametrize("name", list(OPS))
def test_freed_buffers_are_not_read(poisoned, blocked, name):
    """Each op between two others, so that operands and result lie in buffers; its gradient, too."""
    op = OPS[name]
    for case in op.cases[:4]:
        for dtype in [d for d in variants(op, case) if d != "float16"][:1]:
            args = make(op, case, dtype)
            at = floats(args)

            def f(*xs, op=op, args=args, at=at, attrs=case.attrs):
                full = list(args)
                for i, x in zip(at, xs, strict=True):
                    full[i] = x * 1.25 - x * 0.25  # computed, and the same to rounding
                return [
                    y * 2 + y if np.asarray(getattr(y, "_data", y)).dtype.kind in "fc" else y
                    for y in results(op(*full, **attrs))
                ]

            given = [args[i] for i in at]
            try:
                with np.errstate(all="ignore"):
                    wanted = f(*given)
            except (ImportError, TypeError, ValueError, np.linalg.LinAlgError):
                continue  # a package is missing, or rounding broke what the op insists on
            compiled = compile(f)
            for _ in range(2):
                found = compiled(*given)
                assert len(found) == len(wanted) and all(map(alike32, found, wanted)), compiled.source


def alike32(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    if wanted.dtype.kind not in "fc":
        return found.dtype == wanted.dtype and np.array_equal(found, wanted)
    return found.dtype == wanted.dtype and np.allclose(found, wanted, rtol=1e-4, atol=1e-4, equal_nan=True)


# --- numbers that are special -----------------------------------------------------------------------------------------

SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    3.0,
    1e-300,
    1e30,
    -1e30,
    np.inf,
    -np.inf,
    np.nan,
    1e-40,
    89.0,
    710.0,
    -745.0,
]


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        and (a.dtype.kind != "f" or np.array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)])))
    )


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.elementwise and not op.variadic])
def test_special_numbers_are_what_they_are_in_eager_code(blocked, monkeypatch, name):
    op = OPS[name]
    monkeypatch.setattr(numpy_plan, "MASKED", 4)
    n = len(op.args)
    for dtype in (np.float64, np.float32, np.int64, bool):
        with np.errstate(all="ignore"):
            base = np.array({np.int64: [0, 1, 2, 3, 7], bool: [True, False]}.get(dtype, SPECIAL)).astype(dtype)
            args = [a.ravel() for a in np.meshgrid(*[base] * n)]
            for attrs in {repr(c.attrs): c.attrs for c in op.cases}.values():
                for given in [args, *([[args[0], 2.0, *args[2:]]] if n > 1 and np.dtype(dtype).kind == "f" else [])]:
                    try:
                        wanted = op.compute(*given, **attrs)
                    except (ImportError, TypeError, ValueError):
                        continue
                    compiled = compile(lambda *xs, attrs=attrs: op(*xs, **attrs))
                    for _ in range(2):
                        assert same_bits(compiled(*given), wanted), (dtype, attrs, compiled.source)


@pytest.mark.parametrize("n", [3, 5000, 600_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_with_masks_are_what_they_are_in_eager_code(n, dtype):
    with np.errstate(all="ignore"):
        x = np.resize(np.array(SPECIAL), n).astype(dtype)
        mask = np.resize([True, False, False], n)
        for f in (lambda x, m: x * m, lambda x, m: m * (x + 0.0) - (m * 1.0) * x, lambda x, m: (x - 0.0) * m * 1.0):
            wanted = f(x, mask)
            compiled = compile(f, backend="numpy")
            for _ in range(2):
                assert same_bits(compiled(x, mask), wanted), compiled.source


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, -1, -2, -3, 0.5, -0.5, 1.5, 2.0, 1 / 3, 100, float("inf")])
def test_powers_are_computed_as_eager_code_does_it(exponent):
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            x = np.array(SPECIAL).astype(dtype)
            f = lambda x: (OPS["power_of"](x, exponent=exponent), OPS["power_of"](x - 0.0, exponent=exponent) * 3.0)  # noqa: E731
            wanted = f(x)
            compiled = compile(f)
            for _ in range(2):
                assert all(map(same_bits, compiled(x), wanted))


def test_the_square_of_an_error_allocates_nothing():
    x = np.ones(200_000)
    compiled = compile(lambda x: ((x - 0.5) ** 2).mean() + ((x + 1.0) ** 3).mean())
    compiled(x)
    compiled(x)
    tracemalloc.start()
    compiled(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000


def steady(f, *args):
    """The most that a call allocates when all is set up."""
    compiled = compile(f, backend="numpy")
    for _ in range(2):
        compiled(*args)
    tracemalloc.start()
    compiled(*args)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("n", [100_000, 1_000_000])
@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        *((name, {}) for name in ("softplus", "log_sigmoid", "silu", "sigmoid", "relu", "leaky_relu", "elu")),
        *((name, {}) for name in ("softsign", "normal_pdf", "absolute", "square", "sign", "tanh", "reciprocal")),
        ("gelu", {"approximate": "tanh"}),
        ("power_of", {"exponent": 3}),
    ],
)
def test_activations_and_their_slopes_allocate_nothing(name, attrs, n):
    op, x = OPS[name], np.linspace(0.5, 3.0, n, dtype=np.float32)
    assert steady(lambda x: op(x * 2.0, **attrs).sum(), x) < 20_000
    assert steady(lambda x: grad(lambda x: op(x * 2.0, **attrs).sum())(x).sum(), x) < 20_000


def test_parts_and_their_gradients_allocate_nothing():
    def f(x):
        return grad(lambda x: ((x[1:] - x[:-1] ** 2) ** 2).sum() + x[3] * x[::-1][2])(x)

    x = np.linspace(0.0, 1.0, 5000)
    assert steady(lambda x: f(x + 1.0).sum(), x) < 20_000
    compiled = compile(f, backend="numpy")
    for k in range(3):  # the zeros beside what is placed stay zeros
        assert np.allclose(compiled(x + k), f(x + k), rtol=1e-12)
    assert "place_forward" not in compiled.source and "getitem_forward" not in compiled.source


@pytest.mark.parametrize("wrong", [[0, 3], [-1, 0], [0, -3]])
def test_labels_outside_of_the_classes_are_refused(wrong):
    def loss(z, t):
        return cross_entropy(z, t)

    z = np.zeros((2, 3))
    for f in (compile(loss), compile(grad(loss)), compile(value_and_grad(loss))):
        f(z, np.array([0, 2]))
        with pytest.raises(ValueError, match="labels from 0 to 2"):
            f(z, np.array(wrong))
        f(z, np.array([1, 2]))
    unsigned = compile(loss)
    assert np.isclose(unsigned(z, np.array([1, 2], np.uint8)), np.log(3.0))


def test_profile_and_listing_name_each_line():
    compiled = compile(lambda x: (np.exp(x) @ x.T).sum() + np.sort(x)[0, 0])
    x = np.ones((3, 3))
    compiled(x)
    plan = compiled.plan(x)
    text = str(plan)
    assert f"{len(plan.body)} calls of NumPy" in text and all(line in text for line in plan.body)
    table = compiled.profile(x, repeat=2)
    assert all(line in table for line in plan.body)
    (row,) = [row for row in table.splitlines() if " exp(" in row]
    assert row.split()[2] == f"{x.nbytes:,}"


def test_where_plain_arrays_are_rounded_in_another_way_than_in_eager_code():
    """As docs/compiling.md says: powers that are products, for Values in eager code as well; sums in another order."""
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(0).uniform(0.1, 10.0, 5000).astype(dtype)
        for n in (-3, -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 5, 7):
            (plain, value), power = compile(lambda x, n=n: (x**n, Value(x) ** n), backend="numpy")(x), x**n
            assert np.array_equal(value.data, (Value(x) ** n).data) and plain.dtype == power.dtype
            assert np.all(np.abs(plain - power) <= (3 if n in (3, 4, -2) else 0) * np.spacing(power))
        fortran = np.asfortranarray(x.reshape(50, 100))
        total = compile(lambda x: (x * 2.0 + 1.0).sum(axis=0), backend="numpy")(fortran)
        np.testing.assert_allclose(total, (fortran * 2.0 + 1.0).sum(axis=0), rtol=50 * np.finfo(dtype).eps)

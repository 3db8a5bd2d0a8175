"""The tape gives what eager code gives, at every call, with and without Numba: values, derivatives, updates, types."""

from __future__ import annotations

import math
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograd_nn import OPS, Value, compile, grad, nn, value_and_grad
from autograd_nn import numpy as anp
from autograd_nn.compiler import tape
from autograd_nn.compiler.interpreter import OF_OP, available
from autograd_nn.compiler.tape import FEWEST, TapePlan, fits_tape
from autograd_nn.nn import scalar
from autograd_nn.ops import special
from autograd_nn.testing.laws import close, make, results, variants

module = sys.modules["autograd_nn.compiler.compile"]
NATIVE = pytest.param(
    True, id="native", marks=pytest.mark.skipif(not available(), reason='no Numba: pip install "autograd_nn[jit]"')
)


@pytest.fixture(params=[NATIVE, pytest.param(False, id="numpy")])
def native(request):
    """Both ways to run a tape."""
    return request.param


class Plans(list):
    """Hypothesis writes down what it calls a test with."""

    def __repr__(self):
        return f"{len(self)} plans"


@pytest.fixture
def taped(native, monkeypatch):
    """Everything that is compiled runs on a tape; returns the plans."""
    plans = Plans()

    def plan_of(program, backend, threads=1):
        plans.append(TapePlan(program, native=native))
        return plans[-1]

    monkeypatch.setattr(module, "plan_of", plan_of)
    return plans


def identical(found, wanted):
    """Equal to the last bit, nan or not, and of the same type."""
    if isinstance(found, Value) and found.op is None and isinstance(wanted, float):
        found = type(wanted)(found._data)  # the derivative with respect to what is not used: nothing is computed
    numpy = (np.generic, np.ndarray)  # whether 0-d or not is the transforms' business
    assert type(found) is type(wanted) or (isinstance(found, numpy) and isinstance(wanted, numpy))
    if isinstance(wanted, (tuple, list)):
        assert len(found) == len(wanted)
        for x, y in zip(found, wanted, strict=True):
            identical(x, y)
    elif isinstance(wanted, Value):
        identical(found._data, wanted._data)
    else:
        assert np.array_equal(found, wanted, equal_nan=True), (found, wanted)
        assert np.array_equal(np.signbit(found), np.signbit(wanted)) or np.isnan(wanted)


# --- random graphs of single numbers ----------------------------------------------------------------------------------

EXACT = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "-x": lambda x, y: -x,
    "2.5 - x": lambda x, y: 2.5 - x,
    "x / 3": lambda x, y: x / 3,
    "relu": lambda x, y: x.relu(),
    "abs": lambda x, y: abs(x),
    "sqrt": lambda x, y: np.sqrt(x),
    "max": lambda x, y: np.maximum(x, y),
    "min": lambda x, y: np.minimum(x, 0.5),
    "where": lambda x, y: np.where(x > y, x, 2.0 * y),
    "mask": lambda x, y: (x <= 1) * y,
    "both": lambda x, y: np.where(np.logical_and(x > 0, ~(y > x)), x, y),
    "sign": lambda x, y: np.sign(x) * y,
    "square": lambda x, y: np.square(x),
    "x if x == x": lambda x, y: np.where(np.isnan(x), y, x),
}
ROUNDED = {
    "x ** 2": lambda x, y: x**2,
    "x ** -1": lambda x, y: x**-1,
    "x ** 3": lambda x, y: x**3,
    "x ** 0.5": lambda x, y: x**0.5,
    "x ** y": lambda x, y: x**y,
    "exp": lambda x, y: np.exp(x),
    "log": lambda x, y: np.log(x),
    "tanh": lambda x, y: np.tanh(x),
    "sigmoid": lambda x, y: x.sigmoid(),
    "sin": lambda x, y: np.sin(x),
    "cos": lambda x, y: np.cos(x) * y,
    "log1p": lambda x, y: np.log1p(np.exp(x)),
    "arctan": lambda x, y: np.arctan(x),
    "silu": lambda x, y: special.silu(x),
    "gelu": lambda x, y: special.gelu(x),
    "softplus": lambda x, y: special.softplus(x),
    "elu": lambda x, y: special.elu(x, alpha=0.5),
    "leaky relu": lambda x, y: special.leaky_relu(x),
    "erf": lambda x, y: special.erf(x) * y,
}
WITHOUT_CODE = {
    "hypot": lambda x, y: np.hypot(x, y),
    "cosh": lambda x, y: np.cbrt(x),
    "clip": lambda x, y: np.clip(x, -1.0, y),
    "stack": lambda x, y: anp.stack([x, y]).max(),
}
NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e200, math.inf, math.nan)),
    st.floats(-3.0, 3.0, allow_nan=False).map(lambda x: round(x, 3)),
)
LAW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def graphs(draw, ops):
    """A function of three numbers, as a list of steps, and numbers to apply it to."""
    steps = []
    for i in range(draw(st.integers(1, 12))):
        operands = st.integers(0, 2 + i)
        steps.append((draw(st.sampled_from(sorted(ops))), draw(operands), draw(operands)))
    points = draw(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=2, max_size=2))
    return steps, points


def function(steps, ops):
    def f(*xs):
        made = list(xs)
        for name, i, j in steps:
            made.append(ops[name](made[i], made[j]))
        return sum(made[3:], 0.0)

    return f


def second(f):
    """The derivative of a weighted sum of first derivatives."""
    first = grad(f, (0, 1, 2))

    def weighted(*xs):
        a, b, c = first(*xs)
        return a + 2.0 * b - c

    return grad(weighted, (0, 1, 2))


def eager(f, args):
    with np.errstate(all="ignore"):
        return f(*args)


@pytest.fixture
def one_by_one(monkeypatch):
    """Without Numba, too, the C library computes what is rounded: calls of NumPy differ by up to 2 ulp."""
    monkeypatch.setattr(tape, "NARROW", 10**9)


@LAW
@given(graphs(EXACT | ROUNDED))
def test_random_graphs_of_python_floats_equal_eager_to_the_last_bit(taped, one_by_one, case):
    steps, points = case
    f = function(steps, EXACT | ROUNDED)
    for g in (f, value_and_grad(f, (0, 1, 2)), second(f)):
        if g is f:
            compiled, plain = compile(lambda *xs, f=f: f(*xs)), lambda *xs: f(*map(Value, xs)).data
        else:
            compiled, plain = compile(g), g
        for args in (points[0], points[1], points[0]):
            wanted = eager(plain, args)
            identical(compiled(*args), wanted)
        assert compiled.fallbacks == 0


@LAW
@given(graphs(EXACT))
def test_exact_graphs_equal_eager_as_calls_of_numpy(monkeypatch, case):
    monkeypatch.setattr(module, "plan_of", lambda program, backend, threads=1: TapePlan(program, native=False))
    monkeypatch.setattr(tape, "NARROW", 1)
    steps, points = case
    first = value_and_grad(function(steps, EXACT), (0, 1, 2))
    compiled = compile(first)
    for args in points:
        found, wanted = compiled(*args), eager(first, args)
        for a, b in zip((found[0], *found[1]), (wanted[0], *wanted[1]), strict=True):
            a, b = getattr(a, "_data", a) + 0.0, b + 0.0  # which zero is the larger depends on the machine
            identical(a, b)
    assert compiled.fallbacks == 0


@LAW
@given(graphs(EXACT))
def test_random_graphs_of_numpy_floats_equal_eager(taped, case):
    steps, points = case
    f = function(steps, EXACT)
    for g in (value_and_grad(f, (0, 1, 2)), second(f)):
        compiled = compile(g)
        for args in (points[0], points[1], points[0]):
            args = list(map(np.float64, args))
            identical(compiled(*args), eager(g, args))
        assert compiled.fallbacks == 0


@LAW
@given(graphs(EXACT | WITHOUT_CODE))  # (NumPy rounds functions of its numbers in another way)
def test_ops_without_a_code_run_in_between(taped, one_by_one, case):
    steps, points = case
    f = function(steps, EXACT | WITHOUT_CODE)
    compiled, first = compile(value_and_grad(f, (0, 1, 2))), value_and_grad(f, (0, 1, 2))
    for args in (points[0], points[1], points[0]):
        found, wanted = compiled(*args), eager(first, args)
        for a, b in zip((found[0], *found[1]), (wanted[0], *wanted[1]), strict=True):
            identical(a, b)
    assert compiled.fallbacks == 0


@pytest.mark.parametrize("kind", [float, np.float64])
@pytest.mark.parametrize("narrow", [1, 10**9])
def test_many_equal_numbers_run_as_one_call(taped, monkeypatch, narrow, kind):
    monkeypatch.setattr(tape, "NARROW", narrow)  # all groups as calls of NumPy; all as loops over Python floats
    ops = EXACT | ROUNDED
    rng = np.random.default_rng(0)
    xs, ys = [list(map(kind, rng.uniform(0.2, 2.0, 40))) for _ in range(2)]

    def f(xs, ys):
        return sum(op(x, y) for op in ops.values() for x, y in zip(xs, ys, strict=True))

    def g(xs, ys):
        xs, ys = list(map(Value, xs)), list(map(Value, ys))
        total = f(xs, ys)
        total.backward()
        return total, [x.grad for x in xs], [y.grad for y in ys]

    compiled = compile(value_and_grad(f, (0, 1)))
    total, dx, dy = g(xs, ys)
    for _ in range(2):
        found, (found_dx, found_dy) = compiled(xs, ys)
        assert np.allclose([found, *found_dx, *found_dy], [total.data, *dx, *dy], rtol=1e-13)
    (plan,) = taped
    assert len(plan.codes) < len(plan.program) / 5
    assert all(len(line) < 160 for line in plan.source.splitlines())
    assert "a call of NumPy" in str(plan) or plan.native


CASES = [(name, i) for name, op in OPS.items() for i in range(min(3, len(op.cases)))]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{i}" for name, i in CASES])
def test_every_op_runs(name, case):
    op = OPS[name]
    case = op.cases[case]
    for dtype in variants(op, case):
        if dtype == "float16":
            continue
        args = make(op, case, dtype)
        try:
            wanted = results(op(*args, **case.attrs))
        except ImportError as error:
            pytest.skip(f"needs a package that is not installed: {error}")
        compiled = compile(lambda *xs: op(*xs, **case.attrs), backend="tape")
        for _ in range(2):
            for a, b in zip(results(compiled(*args)), wanted, strict=True):
                assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
                assert np.array_equal(a, b) or close(a, b, 64.0)
        assert compiled.fallbacks == 0


# --- what Python would raise, and IEEE answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "args", "wanted"),
    [
        (lambda x, y: x / y, (1.0, 0.0), math.inf),
        (lambda x, y: x / y, (0.0, 0.0), math.nan),
        (lambda x, y: x / y, (-1.0, 0.0), -math.inf),
        (lambda x, y: np.exp(x) * y, (1e3, 1.0), math.inf),
        (lambda x, y: np.log(x) + y, (0.0, 1.0), -math.inf),
        (lambda x, y: np.log(x) + y, (-1.0, 1.0), math.nan),
        (lambda x, y: np.sin(x) + y, (math.inf, 1.0), math.nan),
        (lambda x, y: x**y, (-8.0, 0.5), math.nan),
        (lambda x, y: x**y, (0.0, -1.0), math.inf),
        (lambda x, y: x**2 + y, (1e200, 1.0), math.inf),
        (lambda x, y: np.maximum(x, y), (math.nan, 1.0), math.nan),
        (lambda x, y: (x > y) * 1.0, (math.nan, 1.0), 0.0),
    ],
)
def test_infinities_and_nan(taped, f, args, wanted):
    compiled = compile(f)
    compiled(1.5, 2.5)  # recorded where all is well
    found = compiled(*args)
    assert type(found) is float
    assert found == wanted or (math.isnan(found) and math.isnan(wanted))
    assert compiled.fallbacks == 0


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_chain_of_a_hundred_thousand(taped):
    def chain(x):
        y = x
        for i in range(31_000):
            y = y * 0.999
            y = y + x
            y = -y if i % 3 else y
            y = y - 0.5
        return y

    compiled = compile(chain)
    assert compiled(0.3) == chain(0.3)
    assert compiled(0.4) == chain(0.4)
    (plan,) = taped
    assert int(plan._depths[-1]) > 100_000
    assert len(plan.joined_codes) < len(plan.codes) / 2  # natively, links are joined
    assert f"… and {len(plan.codes) - 200:,} more groups" in str(plan)
    assert plan.source.count("\n") < 210


def network():
    rng = np.random.default_rng(0)
    model = scalar.MLP(2, [8, 1], rng=rng)
    xs = rng.uniform(-1, 1, (6, 2)).tolist()
    ys = rng.choice([-1.0, 1.0], 6).tolist()

    def step(xs, ys, rate):
        model.zero_grad()
        loss = sum((model(x) - y) ** 2 for x, y in zip(xs, ys, strict=True))
        loss.backward()
        for p in model.parameters():
            p.data = p.data - rate * p.grad
        return loss

    return model, step, xs, ys


def test_nothing_is_allocated_in_the_steady_state(taped):
    xs = np.random.default_rng(0).uniform(-1, 1, 5000).tolist()

    def f(xs):
        return sum(np.where(x > 0.5, x.relu().sigmoid(), np.exp(x) * -0.5) for x in map(Value, xs))

    compile(f)(xs)
    run = taped[0].instance()
    with np.errstate(all="ignore"):
        run(xs, [], [])
        tracemalloc.start()
        run(xs, [], [])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert 8 * len(taped[0].program) > 200_000
    assert peak < 90_000  # 80,000 of them for the arguments, as they are passed on


def test_rows_of_an_array_as_in_micrograds_demo(taped):
    X = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    y = np.sign(X[:, 0]).astype(int)

    def make():
        model = scalar.MLP(2, [4, 1], rng=0)

        def step(X):
            model.zero_grad()
            scores = [model(row) for row in ([Value(x) for x in row] for row in X)]
            loss = sum((1 - t * s).relu() for t, s in zip(y, scores, strict=True)) * (1 / len(scores))
            loss.backward()
            for p in model.parameters():
                p.data = p.data - 0.1 * p.grad
            return loss

        return model, step

    (model, step), (twin, eager_step) = make(), make()
    compiled = compile(step)
    for _ in range(3):
        identical(compiled(X).data, eager_step(X).data)
        assert [p.data for p in model.parameters()] == [p.data for p in twin.parameters()]
    assert compiled.fallbacks == 0
    assert len(taped[0]._strange) == 15  # the rows, and their elements


def test_a_network_of_neurons_trains_as_in_eager_code(taped):
    model, step, xs, ys = network()
    twin, eager_step, _, _ = network()
    compiled = compile(step)
    for i in range(5):
        rate = 0.05 / (i + 1)
        found, wanted = compiled(xs, ys, rate), eager_step(xs, ys, rate)
        identical(found.data, wanted.data)
        assert [p.data for p in model.parameters()] == [p.data for p in twin.parameters()]
    assert all(type(p.data) is float for p in model.parameters())
    assert found.requires_grad
    assert compiled.fallbacks == 0


def test_the_call_is_written_out_where_nothing_is_nested(taped):
    w = Value(2.0)

    def step(x, y):
        w.zero_grad()
        loss = (w * x - y) ** 2
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        return loss

    def nested(xs):
        return step(*xs)

    written, general = compile(step), compile(nested)
    for _ in range(3):
        found = [(written(0.5, 1.0).data, w.data), w.assign(2.0)][0]
        assert found == [(general([0.5, 1.0]).data, w.data), w.assign(2.0)][0]
        assert found == [(step(0.5, 1.0).data, w.data), w.assign(2.0)][0]
    assert written._last.quick is not None
    assert general._last.quick is None
    assert general._last.quickens > 0  # not tried


def test_parameters_that_are_numpy_numbers(taped):
    def make(kind):
        w = Value(kind(2.0))

        def step(x):
            w.zero_grad()
            loss, larger = (w * x - 1.0) ** 2, w > x
            loss.backward()
            w.data = w.data - 0.1 * w.grad
            return loss, larger, w.grad

        return w, step

    for kind in (np.float64, np.array, float):
        w, step = make(kind)
        v, eager_step = make(kind)
        compiled = compile(step)
        for _ in range(3):
            found, wanted = compiled(0.5), eager_step(0.5)
            assert type(w._data) is type(v._data)
            assert w._data == v._data
            identical(found[0], wanted[0])
            assert type(found[1]._data) is type(wanted[1]._data)
            assert type(found[2]) is type(wanted[2])
        assert compiled.fallbacks == 0


def test_arguments_may_be_arrays_and_integers(taped):
    w = Value(0.5)

    @compile
    def f(x, n, unused):
        return [w * x[0] + w * x[1], x * 2.0, n + 1, w * n, x.sum() * w]

    x = np.array([1.0, 2.0])
    for n in (3, 4):
        found = f(x, n, 1.5)
        assert [np.asarray(y).tolist() for y in (found[1], found[2])] == [[2.0, 4.0], n + 1]
        assert [found[i].data for i in (0, 3, 4)] == [1.5, 0.5 * n, 1.5]
    found[1][:] = 0.0
    assert x.tolist() == [1.0, 2.0]
    assert f(x, 3, 1.5)[1].tolist() == [2.0, 4.0]
    assert f.fallbacks == 0
    assert "without a code run through the op itself" in str(taped[0])


def test_eight_threads_call_one_function(taped):
    model, _, xs, _ = network()

    @compile
    def f(a, b):
        return model([a, b]).data * 1.0

    wanted = [float(model(x).data) for x in xs]
    f(0.1, 0.2)
    found = {}

    def work(i):
        found[i] = [f(*xs[i % len(xs)]) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(set(found[i]) == {wanted[i % len(xs)]} for i in range(8))


# --- the choice, the listing ------------------------------------------------------------------------------------------


def test_auto_takes_the_tape_for_many_single_numbers():
    _, step, xs, ys = network()
    compiled = compile(step)
    assert compiled.plan(xs, ys, 0.1).name == "tape"
    assert compile(lambda x: x * x + 1.0).plan(2.0).name == "numpy"  # few
    model = nn.MLP([2, 3, 1], rng=0)
    assert compile(lambda x: model(x)).plan(np.ones((4, 2))).name == "numpy"


def test_a_program_of_arrays_does_not_fit(taped):
    def many(x):
        for i in range(FEWEST + 10):
            x = x * 1.5 + i
        return x

    compile(many)(2.0)
    assert fits_tape(taped[-1].program)
    compile(many)(np.ones(3))
    assert not fits_tape(taped[-1].program)
    compile(many)(np.float32(2.0))
    assert not fits_tape(taped[-1].program)
    compile(lambda x: x * 2.0)(2.0)
    assert not fits_tape(taped[-1].program)


def test_listing_source_and_profile(taped, native):
    _, step, xs, ys = network()
    compiled = compile(step)
    compiled(xs, ys, 0.1)
    (plan,) = taped
    assert plan.nbytes > 8 * len(plan.program)
    first, second, *rows = str(plan).splitlines()
    assert f"{len(plan.program):,} numbers in {len(plan.codes):,} groups" in first
    assert ("one native loop (Numba)" in first) == native
    assert second.split() == ["group", "depth", "numbers", "op"]
    assert rows[0].split() == ["0", "1", "96", "mul"]
    assert " = mul(v[" in compiled.source
    table = compiled.profile(xs, ys, 0.1, repeat=2)
    assert "share" in table
    assert " mul" in table


def test_an_empty_program_and_outputs_that_are_given(taped):
    w = Value(2.0)
    assert compile(lambda x: 1.0)(3.0) == 1.0
    assert compile(lambda x: w.data)(3.0) == 2.0
    assert compile(lambda x: (x, w))(3.0)[1].data == 2.0


def test_codes_cover_what_networks_of_scalars_use():
    wanted = "add subtract mul divide negative power exp log tanh sigmoid relu sqrt square sin cos absolute sign"
    assert set(wanted.split()) | {"maximum", "minimum", "where", "greater", "less"} <= set(OF_OP)

"""Values that are changed in the page are computed there by the ops' own formulas: they agree with the engine.

JavaScript runs under node; what the page does with it is tested in test_explorer.py.
"""

from __future__ import annotations

import importlib
import json
import math
import pkgutil

import numpy as np
import pytest

from autograd_nn import Graph, Op, Value, expand, nn
from autograd_nn import ops as room
from autograd_nn.numpy import where
from autograd_nn.visualize.explorer.payload import payload
from autograd_nn.visualize.record import record

RUN = """
const Timeline = require('./timeline.js'), Formula = require('./formula.js');
const number = x => typeof x === 'boolean' ? x : Number(String(x).replace('inf', 'Infinity'));
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const say = x => console.log(JSON.stringify(x, (key, v) => typeof v === 'number' ? String(v) : v)); // NaN, Infinity too
"""


def ops() -> dict[str, Op]:
    """Every op of the library that has a formula, by name."""
    found = {}
    for module in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, Op) and thing.formula:
                found[thing.name] = thing
    return found


OPS = ops()
CONDITIONS = {"logical_and": (0, 1), "logical_or": (0, 1), "logical_not": (0,), "where": (0,)}
SETTINGS = {
    "elu": [{}, {"alpha": 0.3}],
    "leaky_relu": [{}, {"negative_slope": 0.2}],
    "power_of": [{"exponent": e} for e in (0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, 2.5)],
}
SPECIAL = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1e-9, -1e-9, 30.0, -30.0, 700.0, -700.0)


def text(x: object) -> object:
    """A number as JSON cannot spoil it."""
    return bool(x) if np.asarray(x).dtype == bool else repr(float(x))


def points(op: Op, rng: np.random.Generator) -> list[tuple]:
    """Points of the op's domain: anywhere, near its ends, special ones, and ties."""
    count = len(op.args)
    intervals = [op.domain[min(i, len(op.domain) - 1)] for i in range(count)]

    def inside(x, interval):
        return interval.low < x < interval.high

    def draw(interval):
        low, high = max(interval.low, -4.0), min(interval.high, 4.0)
        way = rng.integers(0, 4)
        if way == 0:
            x = float(rng.choice(SPECIAL))
        elif way == 1:  # far away, or near nothing
            x = float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-6, 3))
        elif way == 2 and math.isfinite(interval.low):
            x = interval.low + 10.0 ** rng.uniform(-6, 0) * min(1.0, interval.high - interval.low)
        else:
            x = float(rng.uniform(low, high))
        return float(x) if inside(x, interval) else float(rng.uniform(low + 1e-3, high - 1e-3))

    found = []
    for i in range(60):
        point = [draw(interval) for interval in intervals]
        if i % 10 == 0:
            point = [point[0]] * count  # a tie
        found.append(
            tuple(bool(rng.integers(0, 2)) if j in CONDITIONS.get(op.name, ()) else x for j, x in enumerate(point))
        )
    return found


def same(a: float, b: float, near: float) -> bool:
    """Equal up to rounding; where a result is the difference of larger numbers, up to theirs."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= 1e-12 * max(abs(a), abs(b), near))


def test_every_formula_agrees_with_the_engine(node):
    """Law: the value, and each local derivative, of every op that has a formula."""
    rng = np.random.default_rng(1)
    cases, wanted = [], []
    for name, op in sorted(OPS.items()):
        for attrs in SETTINGS.get(name, [{}]):
            for point in points(op, rng):
                operands = [Value(x, requires_grad=type(x) is float) for x in point]
                with np.errstate(all="ignore"):
                    out = op(*operands, **attrs)
                made = record(out)
                last = made.nodes[-1]
                assert last.exact, f"{name}{attrs}: no formula to compute"
                (step,) = made.backward or [None]
                edges = step.edges if step else []
                differentiable = (
                    [i for i, x in enumerate(point) if type(x) is float and op.rule(i)] if op.differentiable else []
                )
                assert [edge.position for edge in edges] == differentiable, name
                for edge in edges:
                    assert edge.local_exact, f"{name}{attrs}: no derivative to compute"
                at = dict(zip(last.args, map(text, point), strict=True))
                cases.append([last.exact, at, [e.local_exact for e in edges], text(out.data)])
                wanted.append((name, attrs, point, out.data, [e.local_value for e in edges]))
    code = """say(given.map(([exact, at, locals, out]) => {
      const env = Object.fromEntries(Object.entries(at).map(([k, v]) => [k, number(v)]));
      return [Formula.compile(exact)(env), ...locals.map(local => Formula.compile(local)({...env, out: number(out)}))];
    }))"""
    results = json.loads(node(RUN + code, json.dumps(cases)))
    for (name, attrs, point, data, locals_), (value, *derivatives) in zip(wanted, results, strict=True):
        near = max((abs(x) for x in point), default=0.0) if name in ("remainder", "fmod") else 0.0
        assert same(float(value), float(data), near), (name, attrs, point, value, data)
        for derivative, local in zip(derivatives, locals_, strict=True):
            assert same(float(derivative), float(local), 0.0), (name, attrs, point, derivative, local)
    assert {case[0] for case in wanted} == set(OPS)
    assert len(OPS) >= 68


@pytest.mark.parametrize("seed", range(10))
def test_a_graph_computed_anew_is_the_graph(node, random_graph, seed):
    root = random_graph(seed)
    made = payload(root)
    assert made["live"]
    rng = np.random.default_rng(seed)
    leaves = [i for i, row in enumerate(made["nodes"]) if not row[5]]
    changed = {i: float(rng.uniform(-1, 1)) for i in leaves if made["nodes"][i][3] == 1}
    code = """const made = Formula.recompute(Timeline.decode(given.p), Object.assign({}, given.all, given.leaves));
    say([made.data, made.grad])"""
    everything = {i: made["nodes"][i][6] for i in leaves}
    given = json.dumps({"p": made, "leaves": changed, "all": everything})
    data, grad = json.loads(node(RUN + code, given))
    again = random_graph(seed)  # the same graph by the engine, with the leaves changed
    nodes = Graph.of(again).nodes
    number = {id(n): i for i, n in enumerate(nodes)}
    values: dict[int, Value] = {}
    for i, n in enumerate(nodes):
        if n.op is None:
            values[i] = Value(changed.get(i, float(n.data)), requires_grad=n.requires_grad)
        else:
            values[i] = n.op(*(values[number[id(p)]] for p in n.parents), **n.attrs)
    last = values[len(nodes) - 1]
    last.backward()
    for i, value in values.items():
        assert float(data[i]) == pytest.approx(value.data, rel=1e-10, abs=1e-12)
        if value.grad is not None:
            assert float(grad[i]) == pytest.approx(value.grad, rel=1e-10, abs=1e-12)


def surf(node, source, inputs):
    """What the page computes at the output for other inputs: {number of a leaf: value}."""
    made = payload(source)
    assert made["live"]
    rest = {i: row[6] for i, row in enumerate(made["nodes"]) if not row[5]}
    code = """say(given.inputs.map(x => { const p = Timeline.decode(given.p), all = Object.assign({}, given.rest, x);
      const made = Formula.recompute(p, all); return [made.data[p.root], made.grad] }))"""
    told = json.loads(node(RUN + code, json.dumps({"p": made, "inputs": inputs, "rest": rest})))
    return [float(out) for out, _ in told], [grad for _, grad in told]


# Nielsen: Neural Networks and Deep Learning, chapter 1, with weights 5, 2, 4 and threshold 3: all eight inputs.
SURFING = [-3.0, 1.0, -1.0, 3.0, 2.0, 6.0, 4.0, 8.0]


def test_surfing(node):
    """The perceptron that decides whether to go surfing, opened into numbers."""
    x = Value(np.array([1.0, 0.0, 1.0]), name="x", requires_grad=False)
    z = expand(nn.Perceptron([5, 2, 4], threshold=3).z(x)).output
    number = {n.name: i for i, n in enumerate(Graph.of(z).nodes) if n.name}
    inputs = [{number[f"x[{i}]"]: float(bits[i]) for i in range(3)} for bits in np.ndindex(2, 2, 2)]
    outputs, gradients = surf(node, z, inputs)
    assert outputs == SURFING
    for bits, grad in zip(np.ndindex(2, 2, 2), gradients, strict=True):  # ∂z/∂w is the input, ∂z/∂bias is 1
        assert [float(grad[number[f"weight[{i}]"]]) for i in range(3)] == list(map(float, bits))
        assert float(grad[number["bias"]]) == 1.0
    assert surf(node, z, [{number["bias"]: -10.0}])[0] == [-1.0]


def test_a_decision_is_computed_anew_too(node):
    """It has no derivative, and needs none."""
    x = [Value(v, name=f"x{i}") for i, v in enumerate((1.0, 0.0, 1.0))]
    decision = x[0] * 5.0 + x[1] * 2.0 + x[2] * 4.0 - 3.0 > 0.0
    made = payload(decision)
    assert made["live"]
    assert made["back"] == []
    number = {n.name: i for i, n in enumerate(Graph.of(decision).nodes) if n.name}
    inputs = [{number[f"x{i}"]: float(bits[i]) for i in range(3)} for bits in np.ndindex(2, 2, 2)]
    assert surf(node, decision, inputs)[0] == [float(z > 0) for z in SURFING]


@pytest.mark.parametrize(("x", "y", "far"), [(-1.0, 0.0, math.inf), (4.0, 2.0, 0.0), (-1.0, 0.5, math.nan)])
def test_branches_and_what_is_not_finite(node, x, y, far):
    def branching(x, y, far):
        x, y, far = (Value(v, name=name) for v, name in zip((x, y, far), ("x", "y", "far"), strict=True))
        with np.errstate(all="ignore"):
            return where(x > y, x / y, (x * y).exp()) + far

    made = payload(branching(-1.0, 0.0, math.inf))
    leaves = {name: i for i, row in enumerate(made["nodes"]) if (name := made["text"][row[0]])}
    inputs = [{leaves["x"]: x, leaves["y"]: y, leaves["far"]: repr(far).replace("inf", "Infinity")}]
    (out,), (grads,) = surf(node, branching(-1.0, 0.0, math.inf), inputs)
    wanted = branching(x, y, far)
    with np.errstate(all="ignore"):
        wanted.backward()
    assert out == pytest.approx(wanted.data, nan_ok=True)
    for n in Graph.of(wanted).leaves:
        if n.name:
            assert float(grads[leaves[n.name]]) == pytest.approx(n.grad, nan_ok=True), n.name

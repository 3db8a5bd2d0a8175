"""The engine from scratch is short, and passes the gradient tests that the library passes: each runs on both."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from pathlib import Path

import pytest

import autograd_nn
from autograd_nn import nn
from autograd_nn.graph import topological_order
from examples import from_scratch

ENGINES = pytest.mark.parametrize("engine", [from_scratch, autograd_nn], ids=["from scratch", "library"])


def test_coverage_from_scratch_is_short_and_needs_nothing():
    source = Path(from_scratch.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 200
    imported = [line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert all(name.partition(".")[0] in sys.stdlib_module_names for name in imported)


def test_so_is_the_notebook_with_pictures_and_tests():
    path = Path(from_scratch.__file__).parent / "notebooks" / "11_engine_from_scratch.ipynb"
    code = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join("".join(cell["source"]) for cell in code).splitlines()
    assert sum(bool(line.strip()) for line in lines) < 200


# values, slopes


@ENGINES
def test_a_neuron(engine):
    """The numbers of README.md; x1's is -3 (1 - tanh²) and so on, and tanh(0.88137) = 1 / √2."""
    x1, w1, x2, w2, b = (engine.Value(x) for x in (2.0, -3.0, 0.0, 1.0, 6.88137358702))
    out = (x1 * w1 + x2 * w2 + b).tanh()
    out.backward()
    assert out.data == pytest.approx(math.sqrt(0.5))
    assert [v.grad for v in (x1, w1, x2, w2, b)] == pytest.approx([-1.5, 1.0, 0.5, 0.0, 0.5])


@ENGINES
def test_micrograds_own_example(engine):
    """The expression of micrograd's README, and the numbers that it prints."""
    a, b = engine.Value(-4.0), engine.Value(2.0)
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.backward()
    assert g.data == pytest.approx(24.70408163265306)
    assert (a.grad, b.grad) == pytest.approx((138.83381924198252, 645.5772594752186))


FUNCTIONS = {
    "sum": (lambda x, y: x + y + 2.0 + x, [(0.3, -1.2)]),
    "difference": (lambda x, y: 1.0 - x - y - 2.0, [(0.3, -1.2)]),
    "product": (lambda x, y: x * y * 3.0 * x, [(0.3, -1.2), (0.0, 5.0)]),
    "quotient": (lambda x, y: x / y + 2.0 / y, [(0.3, -1.2), (0.0, 4.0)]),
    "power": (lambda x, y: x**3 * y**-2 + x**0 + y**0.5, [(0.3, 1.2), (-2.0, 0.1)]),
    "exp": (lambda x, y: (x * y).exp(), [(0.3, -1.2)]),
    "log": (lambda x, y: (x / y).log(), [(0.3, 1.2)]),
    "tanh": (lambda x, y: (x - y).tanh() * y, [(0.3, -1.2), (20.0, -1.0)]),
    "sigmoid": (lambda x, y: (2.0 * x + y).sigmoid(), [(0.3, -1.2), (-500.0, 1.0), (500.0, 1.0)]),
    "relu": (lambda x, y: (x * y).relu() + (-x).relu(), [(0.3, -1.2), (0.3, 1.2), (-2.0, -1.0)]),
    "shared": (lambda x, y: (x * x + y) * (x * x - y) ** 2, [(0.3, -1.2)]),
}


@ENGINES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_central_differences(engine, name):
    f, points = FUNCTIONS[name]
    for point in points:
        leaves = [engine.Value(x) for x in point]
        f(*leaves).backward()
        for i, leaf in enumerate(leaves):
            h = 1e-5 * max(1.0, abs(point[i]))
            ends = []
            for step in (h, -h):
                moved = list(point)
                moved[i] += step
                ends.append(f(*(engine.Value(x) for x in moved)).data)
            assert leaf.grad == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_equal_those_of_the_library(name):
    f, points = FUNCTIONS[name]
    for point in points:
        ours, theirs = [from_scratch.Value(x) for x in point], [autograd_nn.Value(x) for x in point]
        y, z = f(*ours), f(*theirs)
        y.backward()
        z.backward()
        assert y.data == pytest.approx(z.data, rel=1e-14)
        assert [v.grad for v in ours] == pytest.approx([v.grad for v in theirs], rel=1e-12, abs=1e-300)


@ENGINES
def test_the_slope_of_relu_at_0_is_0(engine):
    x = engine.Value(0.0)
    x.relu().backward()
    assert x.grad == 0.0


@ENGINES
def test_no_overflow_in_the_sigmoid(engine):
    for z, y in ((-1000.0, 0.0), (1000.0, 1.0)):
        x = engine.Value(z)
        out = x.sigmoid()
        out.backward()
        assert (out.data, x.grad) == (y, 0.0)


# the walk


@ENGINES
def test_ways_through_the_graph_add_up(engine):
    """A diamond: whoever passes a slope on before all of it has arrived gets this wrong."""
    x = engine.Value(3.0)
    left = x * 2.0
    right = left * left  # needs all of `left`'s children to be done first
    (right * left + left).backward()
    assert x.grad == 3 * 8 * 9 + 2  # of 8 x³ + 2 x


@ENGINES
def test_gradients_of_two_losses_add_up(engine):
    x = engine.Value(3.0)
    (x * x).backward()
    (x * 5.0).backward()
    assert x.grad == 11.0


@ENGINES
def test_backward_twice_from_one_result(engine):
    x = engine.Value(3.0)
    y = (x * x) * x
    y.backward()
    y.backward()
    assert x.grad == 54.0


@ENGINES
def test_a_deep_chain_and_sixty_doublings(engine):
    start = time.perf_counter()
    x = engine.Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1.0
    x = engine.Value(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("order", [from_scratch.topological_order, lambda y: list(topological_order([y]))])
@pytest.mark.parametrize("seed", range(5))
def test_parents_come_first_in_the_order(order, seed):
    engine = from_scratch if order is from_scratch.topological_order else autograd_nn
    rng = random.Random(seed)
    nodes = [engine.Value(rng.random()) for _ in range(3)]
    for _ in range(30):
        a, b = rng.choice(nodes), rng.choice(nodes)
        nodes.append(a * b if rng.random() < 0.5 else a + b)
    found = order(nodes[-1])
    place = {node: i for i, node in enumerate(found)}
    assert len(place) == len(found) and found[-1] is nodes[-1]
    assert all(place[parent] < place[node] for node in found for parent in node.parents)


# the network


def test_the_network_is_that_of_the_library():
    """Same weights, same outputs and gradients as `nn.scalar.MLP` and `nn.MLP`."""
    model = from_scratch.MLP([3, 4, 2], seed=1)
    tensors = nn.MLP([3, 4, 2], activation="tanh", dtype=float)
    for layer, neurons in zip(tensors.layers, model.layers, strict=True):
        layer.weight.data = [[n.weights[i].data for n in neurons] for i in range(layer.weight.shape[0])]
        layer.bias.data = [n.bias.data for n in neurons]
    x = [0.5, -1.0, 2.0]
    out = model(x)
    (out[0] * 3.0 + out[1] ** 2).backward()
    expected = tensors([x])
    assert [v.data for v in out] == pytest.approx(expected.data[0].tolist(), rel=1e-14)
    (expected[0, 0] * 3.0 + expected[0, 1] ** 2).backward()
    for layer, neurons in zip(tensors.layers, model.layers, strict=True):
        for j, neuron in enumerate(neurons):
            assert [w.grad for w in neuron.weights] == pytest.approx(layer.weight.grad[:, j].tolist(), rel=1e-12)
            assert neuron.bias.grad == pytest.approx(layer.bias.grad[j], rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_it_learns_xor(seed, capsys):
    result = from_scratch.main(seed)
    assert result["right"] == 4 and result["cost"] < 0.02 < result["first_cost"]
    assert capsys.readouterr().out.strip().endswith("4 of 4 right")

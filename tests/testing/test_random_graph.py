"""Random graphs: right ones pass every check; a wrong op shrinks to a short script that runs and fails by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from autograd_nn import OPS, Op
from autograd_nn.domain import UNARY
from autograd_nn.testing import GradientError, RandomGraph, check_graph
from autograd_nn.testing.random_graph import Step
from autograd_nn.testing.strategies import random_graphs

ROOT = Path(__file__).resolve().parent.parent.parent
exp, mul, sin = OPS["exp"], OPS["mul"], OPS["sin"]


@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
)
@given(random_graphs())
def test_all_that_must_hold_for_any_graph(graph):
    graph.check()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    random_graphs(
        [OPS[name] for name in ("add", "mul", "sin", "exp", "tanh", "sum_to", "broadcast_to", "subtract", "square")],
        max_steps=12,
    )
)
def test_deep_graphs_of_few_ops(graph):
    graph.check()


def test_graphs_are_connected_and_of_many_ops():
    steps, names = [], set()

    @settings(max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(random_graphs())
    def draw(graph):
        steps.append(len(graph.steps))
        names.update(step.op.name for step in graph.steps)
        assert graph.sinks == [len(graph.leaves) + len(graph.steps) - 1]

    draw()
    assert max(steps) >= 5
    assert np.mean(steps) > 1.7
    assert len(names) > 50


def planted(rule):
    def planted_cube(x):
        "x to the third, with a planted error."
        return x * x * x

    return Op(planted_cube, cases=UNARY, elementwise=True).defvjp(rule)


FAULTS = {
    "off by 0.1 %": lambda g, ans, x: g * (3.003 * x * x),
    "second order cut": lambda g, ans, x: g * (3.0 * getattr(x, "_data", x) ** 2),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_graph_shrinks_to_a_short_script_that_reproduces_it(fault, monkeypatch):
    wrong = planted(FAULTS[fault])
    monkeypatch.setitem(OPS, "planted_cube", wrong)
    pool = [OPS[name] for name in ("add", "mul", "sin", "exp", "tanh", "sum_to", "broadcast_to", "matmul")] + [wrong]
    quiet = settings(database=None, derandomize=True, max_examples=500, suppress_health_check=list(HealthCheck))
    graph = find(random_graphs(pool), lambda graph: graph.failure() is not None, settings=quiet)
    assert len(graph.steps) <= 3
    with pytest.raises(GradientError, match="This script reproduces it") as caught:
        graph.check()
    script = str(caught.value).partition("This script reproduces it:\n\n")[2]
    assert len(script.splitlines()) <= 18
    assert script.count("OPS[") == 2  # the wrong op, and the sum that makes its result a scalar
    with pytest.raises(GradientError) as again:
        exec(compile(script, "script.py", "exec"), {})
    assert again.value.op is wrong
    assert "planted_cube" in str(again.value)
    assert str(again.value).splitlines()[-1] == str(caught.value).partition("\n\n")[0].splitlines()[-1]


def test_the_script_is_a_program(tmp_path):
    graph = RandomGraph(
        (np.array([[1.0, 2.0], [0.5, 0.25]]), 3.0, np.array([1.0, 2.0], dtype=np.float32)),
        (
            Step(mul, (0, 1), {}),
            Step(OPS["sum"], (3,), {"axis": (0,), "keepdims": False}),
            Step(OPS["where"], (np.array([True, False]), 4, 2), {}),
            Step(OPS["slogdet"], (0,), {}, 1),
        ),
    )
    (tmp_path / "script.py").write_text(graph.script(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=None, capture_output=True, text=True, check=False
    )
    names: dict = {}
    exec(graph.script(), names)
    assert float(names["f"](*graph.leaves)) == float(graph(*graph.leaves))
    assert done.returncode == 0 or "No module named 'autograd_nn'" in done.stderr, done.stderr


def test_the_script_brings_an_op_of_ones_own(tmp_path):
    """The module that makes the op is imported; what no import can bring is said in a comment."""
    (tmp_path / "my_ops.py").write_text(
        "from autograd_nn import op\n\n\n@op('wrong', name='wrong_in_script')\ndef wrong(x):\n    return x * x\n\n\n"
        "wrong.defvjp(lambda g, ans, x: g * x)\n",
        encoding="utf-8",
    )
    code = (
        "import my_ops\nfrom autograd_nn.testing.random_graph import RandomGraph, Step\n"
        "print(RandomGraph((2.0,), (Step(my_ops.wrong, (0,), {}),)).script())"
    )

    def run(*command):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    script = run(sys.executable, "-c", code).stdout
    assert "import my_ops  # makes op 'wrong_in_script'" in script
    done = run(sys.executable, "-c", script)
    assert done.returncode == 1
    assert "The rule of op 'wrong_in_script' (my_ops) is wrong" in done.stderr
    unregistered = planted(lambda g, ans, x: g * x)
    assert "# Define op 'planted_cube' here" in RandomGraph((2.0,), (Step(unregistered, (0,), {}),)).script()


def test_values_sinks_and_pruning():
    graph = RandomGraph((2.0, 3.0, 5.0), (Step(mul, (0, 1), {}), Step(sin, (2,), {}), Step(mul, (3, 0), {})))
    assert graph.values() == [2.0, 3.0, 5.0, 6.0, np.sin(5.0), 12.0]
    assert graph.sinks == [4, 5]
    assert graph() == pytest.approx(12.0 + np.sin(5.0))
    small = graph.pruned(5)
    assert (small.leaves, len(small.steps), small()) == ((2.0, 3.0), 2, 12.0)
    small = graph.pruned(4)
    assert (small.leaves, small()) == ((5.0,), np.sin(5.0))


def test_kinks_are_noticed():
    relu = OPS["maximum"]
    assert not RandomGraph((0.0, 0.0), (Step(relu, (0, 1), {}),)).is_smooth()
    assert RandomGraph((0.0, 1.0), (Step(relu, (0, 1), {}),)).is_smooth()
    assert not RandomGraph((0.0,), (Step(OPS["log"], (0,), {}),)).is_smooth()


def test_recorded_and_plain_gradients_are_compared():
    def rule(g, ans, x):
        return g * (3.0 * x * x) * (1.0 if isinstance(g, (float, np.ndarray, np.generic)) else 1.0 + 1e-8)

    with pytest.raises(GradientError, match="computed on arrays, .* recorded as a graph"):
        check_graph(planted(rule), 2.0)


def test_repeated_backward_is_compared():
    calls = []

    def rule(g, ans, x):
        calls.append(0)
        return g * (3.0 * x * x) * (1.0 + (1e-8 if len(calls) == last else 0.0))

    last = -1
    check_graph(planted(rule), 2.0)
    last, calls = len(calls), []
    with pytest.raises(GradientError, match="a second backward makes"):
        check_graph(planted(rule), 2.0)


def test_a_result_without_gradient_passes():
    check_graph(lambda x: 3.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_ops_of_ones_own_can_be_drawn(data):
    graph = data.draw(random_graphs([planted(lambda g, ans, x: g * (3.0 * x * x))]))
    assert {step.op.name for step in graph.steps} == {"planted_cube"}
    graph.check()

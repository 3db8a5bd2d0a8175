from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings

from autograd_nn import Graph, Value, name_scope, no_grad
from autograd_nn.testing.strategies import random_graphs
from autograd_nn.visualize import record


def by_name(made):
    return {node.title: node for node in made.nodes}


def number(x):
    """A value of a record as an array, where it is one."""
    return np.array(x, dtype=float)


def test_the_neuron_of_the_lecture(neuron):
    made = record(neuron)
    assert [node.id for node in made.nodes] == list(range(1, 11))
    assert made.outputs == [10]
    assert made.note is None
    gradients = {name: by_name(made)[name].cotangent for name in ("x1", "w1", "x2", "w2")}
    assert gradients == pytest.approx({"x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0})
    assert all(node.grad is None for node in made.nodes), "backward() was not called"
    first = made.backward[0]
    assert (first.node, first.upstream) == (10, 1.0)
    (edge,) = first.edges
    assert (edge.to, edge.position, edge.local_text, edge.local_named) == (9, 0, "1 − out²", "1 − o²")
    assert edge.local_exact == "1.0 - out * out"
    assert edge.how == "product"
    assert edge.local_value == pytest.approx(0.5)
    out = made.nodes[-1]
    assert (out.kind, out.scope, out.op, out.formula, out.expression) == (
        "loss",
        "neuron",
        "tanh",
        "tanh(x)",
        "tanh(#9)",
    )
    neuron.backward()
    assert by_name(record(neuron))["x1"].grad == pytest.approx(-1.5)


def test_it_is_json_and_rounds(neuron):
    made = record(neuron).to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert set(made) == {"version", "title", "outputs", "note", "nodes", "backward"}
    rounded = record(neuron).to_dict(digits=3)
    assert rounded["nodes"][-1]["data"] == 0.707
    assert rounded["nodes"][0]["in"] == []
    assert rounded["nodes"][2]["in"] == [1, 2]


def test_nothing_changes(neuron):
    neuron.backward()
    before = [(node.data, node.grad, node.serial, node.parents) for node in Graph.of(neuron).nodes]
    record(neuron)
    assert before == [(node.data, node.grad, node.serial, node.parents) for node in Graph.of(neuron).nodes]


def check(output):
    """Contributions add up to cotangents, which are what backward() writes; products are products."""
    made = record(output)
    output.backward()
    graph = Graph.of(output)
    sums = {made.outputs[0]: number(1.0)}
    for step in made.backward:
        for edge in step.edges:
            assert edge.to in made.nodes[step.node - 1].operands
            assert made.nodes[step.node - 1].operands[edge.position] == edge.to
            if isinstance(edge.contribution, dict) or isinstance(step.upstream, dict):
                continue
            c = number(edge.contribution)
            if not c.size:  # lists do not tell (0, 3) from (0,)
                continue
            sums[edge.to] = sums.get(edge.to, 0.0) + c
            dtypes = [made.nodes[i - 1].dtype for i in (step.node, edge.to)]
            if edge.local_value is None or any(dtype.startswith("complex") for dtype in dtypes):
                continue
            up, local = number(step.upstream), number(edge.local_value)
            with np.errstate(all="ignore"):
                if edge.how == "map":
                    made_of = np.tensordot(up, local, up.ndim)
                else:
                    made_of = np.asarray(up * local)
                    made_of = made_of if edge.how == "product" else np.sum(made_of)
                    c = c if edge.how == "product" else np.sum(c)
            assert np.allclose(np.reshape(made_of, np.shape(c)), c, rtol=1e-4, equal_nan=True), (step, edge)
    for node, written in zip(graph.nodes, made.nodes, strict=True):
        if type(node.data) is tuple or isinstance(written.cotangent, dict) or node.dtype.kind == "c":
            continue
        if node.grad is None:
            assert written.cotangent is None
        else:
            assert np.array_equal(number(written.cotangent).reshape(node.shape), node.grad, equal_nan=True)
            if written.id in sums:
                assert np.allclose(sums[written.id], node.grad, rtol=1e-4, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(random_graphs())
def test_the_numbers_are_those_of_backward(graph):
    leaves = [Value(leaf) if np.asarray(leaf).dtype.kind in "fc" else leaf for leaf in graph.leaves]
    output = graph(*leaves)
    if output.requires_grad and output.dtype.kind == "f":
        try:
            output.contributions()
        except ValueError:
            return  # nothing with a derivative in it
        check(output)


def test_broadcasting_and_jacobians():
    x, w, b = Value(np.ones((3, 2)), name="x"), Value(np.eye(2), name="w"), Value([1.0, 2.0], name="b")
    made = record((x @ w + b).sum())
    edges = {(made.nodes[s.node - 1].op, e.position): e for s in made.backward for e in s.edges}
    assert edges["add", 1].how == "sum"
    assert edges["add", 0].how == "product"
    matmul = edges["matmul", 0]
    assert (matmul.how, matmul.local_text, matmul.local_named) == ("map", "g @ yᵀ", "g @ wᵀ")
    assert np.array_equal(number(matmul.local_value), np.einsum("ik,jl->ijkl", np.eye(3), np.eye(2)))
    assert matmul.local_exact is None
    check((x @ w + b).sum())


def test_large_arrays_are_summarized():
    values = np.append(np.linspace(-1.0, 1.0, 98), [np.nan, np.inf])
    data = record(Value(values) * 2.0).nodes[0].data
    assert data["shape"] == [100]
    assert (data["nan"], data["inf"], data["min"], data["max"]) == (1, 1, -1.0, 1.0)
    assert data["norm"] == pytest.approx(np.linalg.norm(values[:98]))
    assert len(data["histogram"]["counts"]) == 14
    assert sum(data["histogram"]["counts"]) == 98
    assert max(data["histogram"]["counts"]) == 7
    assert record(Value(np.full(20, 3.0)).sum()).nodes[0].data["histogram"]["counts"][7] == 20
    assert record(Value(np.zeros((0, 3))).sum()).nodes[0].data == []
    huge = record(Value(np.full(20, 1e300)).sum()).nodes[0].data
    assert huge["norm"] == pytest.approx(1e300 * math.sqrt(20))


def test_values_that_json_has_no_number_for():
    with np.errstate(all="ignore"):
        y = Value([1.0, 0.0, -1.0], name="x") / 0.0
    assert record(y).nodes[-1].data == ["Infinity", "NaN", "-Infinity"]
    z = record((Value(1 + 2j) * 2.0).real).nodes
    assert z[0].data == [1.0, 2.0]
    q, r = np.linalg.qr(Value(np.eye(2)))
    made = record((q @ r).sum())
    assert any(isinstance(node.data, dict) and "results" in node.data for node in made.nodes)
    json.dumps(made.to_dict(), allow_nan=False)


def test_what_to_do_where_there_is_no_backward_pass():
    x = Value([1.0, 2.0], name="x")
    assert "v.sum().backward()" in record(x * 2.0).note
    assert record(x * 2.0, seed=[1.0, 0.0]).backward[0].upstream == [1.0, 0.0]
    loss = (x * x).sum()
    loss.backward(retain="leaves")
    released = record(loss)
    assert "backward(retain='leaves') took it apart. Compute again" in released.note
    assert released.backward == []
    assert len(released.nodes) == 1
    stale = (x * x).sum()
    x.data = np.zeros(2)
    assert "assigned to after" in record(stale).note
    assert len(record(stale).nodes) == 3
    assert "one output" in record([x * 1.0, x * 2.0]).note
    assert "leaf" in record(x).note
    with no_grad():
        constant = x * x
    assert record(constant).note


def test_hooks_change_what_is_recorded():
    x = Value(3.0, name="x")
    y = x * 2.0
    y.register_hook(lambda g: g * 10.0)
    made = record(y + 0.0)
    assert by_name(made)["x"].cotangent == 20.0
    assert made.backward[1].upstream == 10.0


def test_a_parameter_belongs_to_the_ops_that_use_it():
    w, x, shared = Value(1.0, name="w"), Value(2.0, name="x", requires_grad=False), Value(1.0, name="shared")
    with name_scope("net"):
        with name_scope("layer0"):
            y = x * w + shared
        with name_scope("layer1"):
            y = y * shared
    scopes = {node.title: node.scope for node in record(y).nodes}
    assert (scopes["w"], scopes["x"], scopes["shared"]) == ("net/layer0", None, "net")


@pytest.mark.parametrize(
    "name", ["</script><img src=x onerror=alert(1)>", '"q"', "\u202eabc", "\ud800", "\0", "x" * 10_000, "a\nb"]
)
def test_hostile_names(name):
    x = Value(1.0, name=name)
    with name_scope(name.replace("/", "∕")):
        y = x * 2.0
    made = json.dumps(record(y).to_dict(), ensure_ascii=False)
    assert made.isprintable()
    assert len(made.encode()) < 5000


def test_ops_that_carry_functions_and_joint_rules():
    x = Value([1.0, 2.0], name="x")
    y = np.concatenate([x, x * 2.0]).sum()
    edges = [e for s in record(y).backward for e in s.edges]
    assert "∂concatenate/∂xs0" in [e.local_text for e in edges]
    check(y)


def test_a_float_rule_that_divides_by_zero():
    x = Value(0.0, name="x")
    (edge,) = record(x.sqrt()).backward[0].edges
    assert (edge.local_value, edge.contribution) == ("Infinity", "Infinity")

from __future__ import annotations

import numpy as np

from autograd_nn import Graph, Value, cotangents, name_scope
from autograd_nn.visualize import outline


def test_the_neuron_read_aloud(neuron):
    neuron.backward()
    assert outline(neuron).splitlines() == [
        "graph of o: 10 nodes, 5 of them leaves",
        "#1 x1: parameter, data 2, grad -1.5",
        "#2 w1: parameter, data -3, grad 1",
        "#3 = mul(x1, w1), in neuron, data -6, grad 0.5",
        "#4 x2: parameter, data 0, grad 0.5",
        "#5 w2: parameter, data 1, grad 0",
        "#6 = mul(x2, w2), in neuron, data 0, grad 0.5",
        "#7 = add(#3, #6), in neuron, data -6, grad 0.5",
        "#8 b: parameter, data 6.88137, grad 0.5",
        "#9 = add(#7, b), in neuron, data 0.881374, grad 0.5",
        "#10 o = tanh(#9), in neuron, data 0.707107, grad 1, output",
    ]


def test_before_backward_gradients_are_not_zero_but_not_computed(neuron):
    assert outline(neuron).count("grad not computed") == 10


def test_operands_stand_above_their_op():
    x = Value(2.0)
    lines = outline(x * x + x).splitlines()
    assert lines[1].startswith("#1: parameter")
    assert lines[2].startswith("#2 = mul(#1, #1)")
    assert lines[3].startswith("#3 = add(#2, #1)")


def test_nodes_of_one_name_are_told_apart():
    a, b = Value(1.0, name="w"), Value(2.0, name="w")
    text = outline(a * b)
    assert "mul(w (#1), w (#2))" in text
    assert "#2 w: parameter" in text


def test_arrays_have_shape_dtype_and_attributes():
    x = Value(np.arange(6.0).reshape(2, 3), dtype=np.float32, name="x", requires_grad=False)
    w = Value(np.ones((3, 40)), dtype=np.float32, name="w")
    with name_scope("net/layer0"):
        y = (x @ w).sum(axis=1)
    lines = outline([y]).splitlines()
    assert lines[1] == "#1 x: input, shape (2, 3) float32, data [[0 1 2] [3 4 5]]"
    assert lines[2] == "#2 w: parameter, shape (3, 40) float32, data mean 1, 1 … 1, grad not computed"
    assert "= sum(#3, axis=1), in net/layer0, shape (2,) float32, data [120 480], grad not computed, output" in lines[4]


def test_a_gradient_that_is_a_node_is_shown_as_its_number():
    x = Value(3.0, name="x")
    (x.grad,) = cotangents([x * x], [x])
    assert "#1 x: parameter, data 3, grad 6" in outline(x * x)


def test_long_graphs_lose_their_middle():
    y = Value(1.0, name="x")
    for _ in range(1000):
        y = y.tanh()
    lines = outline(y).splitlines()
    assert len(lines) == 62
    assert lines[1].startswith("#1 x")
    assert lines[31] == "… 941 nodes left out: autograd_nn.visualize.outline(graph, max_nodes=None)"
    assert lines[-1].startswith("#1001 = tanh(#1000)")
    assert len(outline(y, max_nodes=None).splitlines()) == 1002


def test_every_line_is_one_line_of_plain_text():
    x = Value(1.0, name="a\nb\x1b[31m")
    text = outline(x * 2)
    assert len(text.splitlines()) == 4
    assert text.replace("\n", "").isprintable()


def test_str_of_a_graph_is_its_outline_and_repr_is_short(neuron):
    graph = Graph.of(neuron)
    assert str(graph) == outline(graph)
    assert "\n" not in repr(graph)

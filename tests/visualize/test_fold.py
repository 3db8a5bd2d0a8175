from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Graph, Value, name_scope, nn
from autograd_nn.visualize import draw, to_dot, to_mermaid
from autograd_nn.visualize.fold import fold, fold_modules, owners


def chain(length):
    x = Value(1.0, name="x")
    y = x
    for _ in range(length):
        y = y * 1.0001
    return y


def layers(sizes, scoped=False):
    """A network of scalars with its weights, as in micrograd."""
    values = [Value(float(i), name=f"x{i}") for i in range(sizes[0])]
    for depth, width in enumerate(sizes[1:]):
        made = []
        for j in range(width):
            with name_scope(f"net/layer{depth}/neuron{j}" if scoped else ""):
                total = Value(0.0, name="b")
                for v in values:
                    total = total + v * Value(0.1, name="w")
                made.append(total.tanh())
        values = made
    return values


def check(graph, boxes, limit):
    """What holds for every folding: few boxes, each node in exactly one, in order."""
    assert 0 < len(boxes) <= limit
    nodes = [node for box in boxes for node in box.nodes]
    assert len(nodes) == len(set(nodes)) == len(graph.nodes)
    assert set(nodes) == set(graph.nodes)
    position = {node: i for i, node in enumerate(graph.nodes)}
    firsts = [position[box.nodes[0]] for box in boxes]
    assert firsts == sorted(firsts)
    assert all(len(box.nodes) == 1 for box in boxes if not box.title)


def has_cycle(boxes):
    box_of = {node: i for i, box in enumerate(boxes) for node in box.nodes}
    after = {i: set() for i in range(len(boxes))}
    for node, i in box_of.items():
        for parent in node.parents:
            if box_of[parent] != i:
                after[box_of[parent]].add(i)
    incoming = dict.fromkeys(after, 0)
    for targets in after.values():
        for j in targets:
            incoming[j] += 1
    ready = [i for i, count in incoming.items() if not count]
    done = 0
    while ready:
        done += 1
        for j in after[ready.pop()]:
            incoming[j] -= 1
            if not incoming[j]:
                ready.append(j)
    return done < len(boxes)


def test_a_chain_becomes_one_box_between_its_ends():
    graph = Graph.of(chain(20_000))
    boxes = fold(graph)
    check(graph, boxes, 150)
    assert [box.title for box in boxes if box.title] == ["19,999 ops in a row"]
    assert boxes[0].nodes[0].name == "x"
    assert any(box.nodes == [graph.outputs[0]] for box in boxes)


def test_modules_become_boxes_the_deepest_first():
    graph = Graph.of(*layers([2, 16, 16, 1], scoped=True))
    boxes = fold(graph)
    check(graph, boxes, 150)
    titles = [box.title for box in boxes]
    assert {"net/layer0/neuron × 16", "net/layer1/neuron × 16", "net/layer2/neuron0"} <= set(titles)
    assert not has_cycle(boxes)


def test_modules_that_differ_stay_apart():
    x = [Value(1.0, name=f"x{i}") for i in range(3)]
    for k, width in enumerate([5, 4, 6]):
        with name_scope(f"net/layer{k}"):
            x = [sum((v * 0.5 for v in x), Value(0.0)).tanh() for _ in range(width)]
    graph = Graph.of(*x)
    boxes = fold(graph, 20)
    check(graph, boxes, 20)
    assert {"net/layer0", "net/layer1", "net/layer2"} == {box.title for box in boxes if box.title}


def test_repeated_modules_are_rolled_up():
    def net(stems, inner):
        y = Value(np.ones(3), name="x")
        for i in range(12):
            with name_scope(stems.format(i)):
                for _ in range(inner + (i == 0)):
                    y = y.tanh()
        return Graph.of(y * 1.0)

    graph = net("net/layer{}", 20)
    boxes = fold(graph, 10)
    check(graph, boxes, 10)
    (rolled,) = [box for box in boxes if box.repeats > 1]
    assert (rolled.title, rolled.repeats, rolled.scope) == ("net/layer × 11", 11, "net")
    assert len(rolled.nodes) == 220
    assert "net/layer0" in [box.title for box in boxes], "the first has one op more"
    assert 'class="folded"' in to_dot(graph, max_nodes=10)
    assert "each: tanh ×20" in to_dot(graph, max_nodes=10)
    assert "layer × 11" in to_dot(graph, max_nodes=10)
    assert "each: tanh" in to_mermaid(graph, max_nodes=10).replace("#58;", ":")
    assert "block × 11" in [box.title.rpartition("/")[2] for box in fold(net("net/{}", 20), 10)]
    assert not [box for box in fold(net("layer{}/part", 20), 14) if box.repeats > 1 and "part" in box.title]


def test_what_is_in_no_module_becomes_one_box():
    total = Value(0.0)
    for i in range(300):
        with name_scope("net/layer0"):
            y = (Value(float(i)) * 0.5).tanh()
        total = total + y
    graph = Graph.of(total)
    boxes = fold(graph, 10)
    check(graph, boxes, 10)
    assert {"net/layer0", "299 ops outside of modules"} <= {box.title for box in boxes}


def test_folding_to_a_depth():
    graph = Graph.of(*layers([2, 4, 4, 1], scoped=True))
    whole = fold_modules(graph, 0)
    assert "net" in [box.title for box in whole]
    boxes = fold_modules(graph, 1)
    check(graph, boxes, len(graph))
    assert {box.title for box in boxes if box.title} == {"net/layer0", "net/layer1", "net/layer2"}
    assert {box.title for box in fold_modules(graph, 2) if box.title} >= {"net/layer0/neuron × 4"}
    assert not [box for box in fold_modules(graph, 3) if box.title]


def test_a_hundred_thousand_nodes_are_folded_in_time():
    """A second each on the machine where this was written; the limit is 5 s, with an allowance of ten times."""
    y = [Value(1.0, name=f"x{i}") for i in range(32)]
    for k in range(30):
        with name_scope(f"net/layer{k}"):
            y = [sum((v * 0.1 for v in y), Value(0.0)).tanh() for _ in range(32)]
    output = sum(y, Value(0.0))
    assert len(Graph.of(output)) > 90_000
    begin = time.perf_counter()
    drawing = draw(output)
    assert time.perf_counter() - begin < 50
    assert "layer × 30" in drawing.source
    assert "folded to" in drawing.caption


def test_a_graph_without_modules_is_cut_into_stages():
    graph = Graph.of(*layers([2, 16, 16, 1]))
    boxes = fold(graph)
    check(graph, boxes, 150)
    assert {box.title for box in boxes if box.title} == {f"stage {i} of 40" for i in range(1, 41)}
    assert not has_cycle(boxes)


def test_a_value_used_often():
    x = Value(0.0, name="x")
    graph = Graph.of(sum((x * float(i) for i in range(3000)), Value(0.0)))
    boxes = fold(graph)
    check(graph, boxes, 150)
    assert not has_cycle(boxes)


def test_many_outputs():
    x = Value(0.0, name="x")
    graph = Graph.of(*[x * float(i) for i in range(1000)])
    check(graph, fold(graph), 150)


def test_thousands_of_nested_scopes():
    y = Value(1.0, name="x")
    with name_scope("/".join(f"s{i}" for i in range(3000))):
        for _ in range(600):
            y = y.tanh()
    graph = Graph.of(y)
    check(graph, fold(graph), 150)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 120), limit=st.integers(10, 40))
def test_random_graphs(seed, size, limit):
    rng = np.random.default_rng(seed)
    nodes = [Value(1.0, name="x"), Value(2.0)]
    for i in range(size):
        a, b = rng.integers(max(0, len(nodes) - 10), len(nodes), 2)
        scope = ["", "a", "a/b", "c"][rng.integers(4)]
        with name_scope(scope):
            nodes.append(nodes[a] * nodes[b] if rng.random() < 0.5 else nodes[a].tanh())
        if rng.random() < 0.2:
            nodes.append(Value(float(i), name="leaf" if rng.random() < 0.5 else None))
    graph = Graph.of(nodes[-1], nodes[-2])
    boxes = fold(graph, limit)
    check(graph, boxes, limit)
    if not any("/" in box.title or box.title in ("a", "c") for box in boxes):
        assert not has_cycle(boxes)


@pytest.mark.parametrize("limit", [10, 50, 150])
def test_folding_is_deterministic(limit):
    a, b = Graph.of(*layers([2, 8, 8, 1])), Graph.of(*layers([2, 8, 8, 1]))
    assert [(box.title, len(box.nodes)) for box in fold(a, limit)] == [
        (box.title, len(box.nodes)) for box in fold(b, limit)
    ]


def test_what_stands_between_repeated_modules_goes_with_them():
    y = Value(np.ones(3), name="x")
    with name_scope("net"):
        for i in range(5):
            with name_scope(f"layer{i}"):
                y = y * Value(0.5, name="w") + Value(0.1, name="b")
            y = y.tanh()
            y = y * 1.0
    graph = Graph.of(y)
    boxes = fold_modules(graph, 1)
    check(graph, boxes, len(graph))
    assert not has_cycle(boxes)
    (rolled,) = [box for box in boxes if box.title]
    assert rolled.title == "net/layer × 5"
    assert rolled.each == ("mul", "add")
    assert "each: add, mul; between: mul ×4, tanh ×4" in to_dot(graph, depth=1)
    assert "draw(depth=2) shows more" in to_dot(graph, depth=1)


def test_the_parameters_of_an_output_are_shown():
    with name_scope("net/layer0"):
        y = Value(2.0, name="x") * Value(0.5, name="w") + Value(0.1, name="b")
    boxes = fold_modules(Graph.of(y), 1)
    assert [box.title for box in boxes if box.title] == ["net/layer0"]
    with name_scope("net/layer1"):
        z = y * Value(0.25, name="v")
    names = [box.nodes[0].name for box in fold_modules(Graph.of(z), 1) if not box.title]
    assert "v" in names


def test_a_model_called_in_a_scope_keeps_its_parameters_in_its_layers():
    model = nn.MLP([2, 3, 1], rng=0)
    with name_scope("experiment"):
        y = model(np.ones((1, 2)))
    graph = Graph.of(y)
    assert {node.scope for node in graph.nodes if node.op is not None} == {
        "experiment/mlp",
        "experiment/mlp/layers.0",
        "experiment/mlp/layers.1",
    }
    owner = owners(graph)
    assert {owner[p] for p in model.layers[1].parameters()} == {"experiment/mlp/layers.1"}
    assert {owner[p] for p in model.layers[0].parameters()} == {"experiment/mlp/layers.0"}

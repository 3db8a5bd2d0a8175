from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Graph, Value, name_scope
from autograd_nn.visualize.fold import fold


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
    assert "net/layer0/neuron3" in titles
    coarse = fold(graph, 12)
    check(graph, coarse, 12)
    assert {"net/layer0", "net/layer1"} <= {box.title for box in coarse}


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

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Graph, Value, name_scope
from autograd_nn.visualize import Drawing, diff, record, render
from autograd_nn.visualize.diff import match, nodes_of


def net(layers=2, activation="tanh", width=2, start=0.1):
    """A net of named arrays."""
    x = Value(np.ones((3, width)), name="x", requires_grad=False)
    for i in range(layers):
        with name_scope(f"net/layer{i}"):
            w = Value(np.full((width, width), start + i), name=f"w{i}")
            x = getattr(x @ w, activation)()
    return x.sum()


def titles(nodes):
    return [node.title for node in nodes]


def test_the_same_graph_does_not_differ():
    found = diff(net(), net())
    assert not found
    assert str(found) == "No differences; 8 the same."
    assert repr(found) == "<Difference: 0 added, 0 removed, 0 changed>"


def test_a_layer_that_was_added():
    found = diff(net(2), net(3))
    added = [node.op or node.name for node in found.added]
    assert added == ["w2", "matmul", "tanh"]
    assert not found.removed
    assert [(change.after.op, change.what) for change in found.changed] == [("sum", ("operands", "data"))]
    assert "+ w2: parameter, in net/layer2, shape (2, 2)" in str(found)
    back = diff(net(3), net(2))
    assert [node.op or node.name for node in back.removed] == ["w2", "matmul", "tanh"]
    assert "- w2: parameter" in str(back)


def test_a_layer_in_the_middle():
    def chain(*names):
        v = Value(2.0, name="x")
        for name in names:
            v = getattr(v, name)()
        return v

    found = diff(chain("tanh", "exp", "sin"), chain("tanh", "relu", "exp", "sin"))
    assert [node.op for node in found.added] == ["relu"]
    assert not found.removed
    assert "operands" in found.changed[0].what


def test_another_op_shape_and_value():
    found = diff(net(), net(activation="relu"))
    assert [(c.before.op, c.after.op) for c in found.changed if "op" in c.what] == [("tanh", "relu")] * 2
    assert not found.added
    assert not found.removed
    wide = diff(net(), net(width=4))
    shapes = {c.after.title: (c.before.shape, c.after.shape) for c in wide.changed if "shape" in c.what}
    assert shapes["w0"] == ([2, 2], [4, 4])
    assert "~ w0: shape (2, 2) → (4, 4)" in str(wide)
    x = Value(2.0, name="x")
    powers = diff(x**2, x**3)
    assert "exponent 2 → 3" in str(powers)


def test_two_training_steps():
    w, x = Value(0.5, name="w"), Value(2.0, name="x", requires_grad=False)
    loss = w * x
    loss.backward()
    before = record(loss)
    w.data = w.data - 0.1 * w.grad
    w.zero_grad()
    after = w * x
    found = diff(before, after)
    assert "~ w: data 0.5 → 0.3; grad 2 → not computed" in str(found)
    assert not found.added
    assert titles(c.after for c in found.changed) == ["w", "#3"]


def test_large_arrays_that_differ_in_order_only():
    a, b = np.arange(100.0), np.arange(100.0)[::-1]
    assert "~ w: data changed, but not in norm 573" in str(diff(Value(a, name="w").sum(), Value(b, name="w").sum()))
    assert not diff(Value(a, name="w").sum(), Value(a, name="w").sum())
    assert "changed by at most 2" in str(diff(Value([1.0, 2.0], name="w"), Value([1.0, 4.0], name="w")))


def test_leaves_without_names():
    def mlp(hidden):
        x = [Value(0.1 * i, name=f"x{i}") for i in range(2)]
        h = [sum((a * Value(0.5 + j) for a in x), Value(0.0)).tanh() for j in range(hidden)]
        return sum(h, Value(0.0))

    found = diff(mlp(3), mlp(4))
    assert not found.removed
    assert len(found.added) == 9
    assert not [c for c in found.changed if c.after.op is None], "weights are those that multiply the same values"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_every_node_is_accounted_for(seed, other, size):
    def graph(seed):
        rng = np.random.default_rng(seed)
        nodes = [Value(1.0, name="x"), Value(2.0)]
        for _ in range(size):
            a, b = rng.integers(0, len(nodes), 2)
            with name_scope(["", "a", "a/b"][rng.integers(3)]):
                nodes.append(nodes[a] * nodes[b] if rng.random() < 0.5 else nodes[a].tanh())
        return Graph.of(nodes[-1])

    a, b = graph(seed), graph(other)
    found = diff(a, b)
    pairs = match(nodes_of(a), nodes_of(b))
    assert len(set(pairs.values())) == len(pairs)
    assert len(found.added) + len(found.changed) + found.same == len(b)
    assert len(found.removed) + len(found.changed) + found.same == len(a)
    assert not diff(a, a)
    assert str(found)
    assert found.to_dict()["same"] == found.same


def test_a_drawing_marks_what_differs(any_renderer, read):
    drawing = diff(net(2), net(3, activation="relu")).draw()
    assert isinstance(drawing, Drawing)
    shown = read.texts(drawing.svg)
    assert "+ added" in shown
    assert "≠ changed" in shown
    assert "op tanh → relu" in shown
    removed = diff(net(3), net(2)).draw()
    assert "− removed" in read.texts(removed.svg)
    assert "text/html" in diff(net(2), net(3))._repr_mimebundle_()
    assert str(drawing).startswith("3 nodes added, ")


def test_it_is_saved(any_renderer, tmp_path):
    drawing = diff(net(2), net(3)).draw()
    drawing.save(tmp_path / "d.svg")
    drawing.save(tmp_path / "d.txt")
    with pytest.raises(ValueError, match=r"ends in \.svg, \.png, \.pdf, \.dot, \.gv, \.txt"):
        drawing.save(tmp_path / "d.mmd")


def test_large_differences(any_renderer):
    def chain(n, factor):
        y = Value(1.0, name="x")
        for _ in range(n):
            y = y * factor
        return y

    begin = time.perf_counter()
    found = diff(chain(5000, 1.001), chain(5010, 1.001))
    assert time.perf_counter() - begin < 10
    assert len(found.added) == 20
    drawing = found.draw()
    assert "only what differs is drawn" in drawing.caption
    assert render(drawing.source)
    many = diff(chain(300, 1.1), chain(300, 1.2))
    assert "and " in str(many)
    assert len(str(many).splitlines()) < 70
    assert "more are in the text" in many.draw().caption


@pytest.mark.parametrize(
    "name", ["</script><img src=x onerror=alert(1)>", 'a|b{c}<d>"q"', "\u202eabc", "\ud800\0", "x" * 10_000]
)
def test_hostile_names(any_renderer, read, name):
    drawing = diff(Value(1.0, name=name) * 2.0, Value(2.0, name=name) * 2.0).draw()
    shown = " ".join(read.texts(drawing.svg))
    assert name[:20] in shown or not name.isprintable()
    assert "<script" not in drawing._repr_mimebundle_()["text/html"]
    assert "label=<" not in drawing.source


def test_what_cannot_be_compared():
    with pytest.raises(TypeError, match="wanted a Value, a list of Values or a Graph, got int"):
        diff(Value(1.0), 3)

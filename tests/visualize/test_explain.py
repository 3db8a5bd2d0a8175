from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_nn
from autograd_nn import Graph, Value, explain
from autograd_nn.testing.strategies import random_graphs


def every_path(node, leaf):
    """All paths from a scalar node to a leaf, as products, by brute force: for each edge the rule at g = 1."""
    if node is leaf:
        return [1.0]
    found = []
    for i, p in enumerate(node.parents):
        local = float(node.op.rule(i)(1.0, node.data, *[q.data for q in node.parents], **node.attrs))
        found += [local * product for product in every_path(p, leaf)] if p.requires_grad else []
    return found


def test_the_neuron_of_the_lecture(neuron):
    w1 = next(node for node in Graph.of(neuron).nodes if node.name == "w1")
    made = explain(neuron, w1)
    assert str(made) == (
        "∂o/∂w1 = 1, the one path from o to w1.\n"
        "Path 1: o = tanh(#9) → #9 = #7 + b → #7 = #3 + #6 → #3 = x1 × w1 → w1\n"
        "  (1 − o²) × 1 × 1 × x1 = 0.5 × 1 × 1 × 2 = 1"
    )
    assert r"\underbrace{1 - {o}^{2}}_{0.5}" in made.latex()
    assert repr(neuron.explain(w1)) == "<∂o/∂w1 = 1: 1 path>"
    assert made._repr_html_() == f"<pre>{made}</pre>"
    assert made._repr_latex_() == f"$\\displaystyle {made.latex()}$"
    assert w1.grad is None


def test_closed_forms():
    x = Value(3.0, name="x")
    y = (x * x + x * 2.0).sin() * x
    made = explain(y, x)
    cos, sin = math.cos(15.0), math.sin(15.0)
    assert [path.product for path in made.paths] == pytest.approx([9 * cos, 9 * cos, 6 * cos, sin])
    assert made.total == pytest.approx(24 * cos + sin)
    assert made.complete
    assert made.rest == 0.0
    assert str(made).endswith(f"Sum: (-6.83719) + (-6.83719) + (-4.55813) + 0.650288 = {made.total:.6g}")
    few = explain(y, x, paths=1)
    assert (few.count, len(few.paths), few.complete) == (4, 1, False)
    assert few.rest == pytest.approx(15 * cos + sin)
    assert "the sum over 4 paths from #7 to x; here the largest." in str(few)
    assert "The other 3 paths add up to" in str(few)
    assert r"\text{3 more}" not in few.latex()
    assert r"3\text{ more}" in few.latex()


OPS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a.tanh(),
    lambda a, b: a.sin() * 2.0,
    lambda a, b: a.relu(),
    lambda a, b: -a,
    lambda a, b: np.maximum(a, b),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(OPS) - 1), st.integers(0, 99), st.integers(0, 99)), max_size=9), st.data())
def test_random_scalar_graphs(steps, data):
    values = [Value(0.7, name="x"), Value(-1.3, name="w")]
    for which, i, j in steps:
        values.append(OPS[which](values[-1 - i % min(len(values), 4)], values[-1 - j % min(len(values), 4)]))
    output = values[-1]
    leaf = data.draw(st.sampled_from([n for n in Graph.of(output).nodes if n.requires_grad]))
    wanted = sorted(every_path(output, leaf), key=abs, reverse=True)
    made = explain(output, leaf, paths=None)
    assert made.count == len(wanted)
    assert [abs(path.product) for path in made.paths] == pytest.approx([abs(p) for p in wanted])
    assert sorted(path.product for path in made.paths) == pytest.approx(sorted(wanted))
    assert made.total == pytest.approx(math.fsum(wanted))
    if output is not leaf:
        output.backward()
        assert made.total == pytest.approx(leaf.grad, rel=1e-12, abs=1e-12)
    k = data.draw(st.integers(1, 5))
    few = explain(output, leaf, paths=k)
    assert [abs(path.product) for path in few.paths] == pytest.approx([abs(p) for p in wanted[:k]])
    assert str(few)
    assert few.latex()
    for path in made.paths:
        assert path.product == pytest.approx(math.prod(factor.value for factor in path.factors))


@settings(max_examples=60, deadline=None)
@given(random_graphs(), st.data())
def test_random_graphs_of_arrays(graph, data):
    leaves = [Value(leaf) if np.asarray(leaf).dtype.kind in "fc" else leaf for leaf in graph.leaves]
    output = graph(*leaves)
    if not output.requires_grad or output.dtype.kind != "f":
        return
    try:
        _, total = output.contributions()
    except ValueError:
        return
    reached = [leaf for leaf in leaves if isinstance(leaf, Value) and leaf in total and leaf.size]
    if not reached:
        return
    leaf = data.draw(st.sampled_from(reached))
    whole = explain(output, leaf)
    assert np.allclose(np.asarray(whole.total), total[leaf], rtol=1e-4, equal_nan=True)
    index = tuple(data.draw(st.integers(0, n - 1)) for n in leaf.shape)
    made = explain(output, leaf, index=index)
    assert np.allclose(made.total, np.asarray(total[leaf])[index], rtol=1e-4, atol=1e-6, equal_nan=True)
    if made.complete and np.isfinite(made.total):
        assert np.isclose(sum(path.product for path in made.paths), made.total, rtol=1e-6, atol=1e-8)
    assert str(made)
    assert str(whole)
    assert made.latex()
    assert whole.latex()


def test_sixty_doublings_answer_at_once():
    x = Value(1.5, name="x")
    y = x
    for _ in range(60):
        y = y + y
    begin = time.perf_counter()
    made = explain(y, x, paths=3)
    assert time.perf_counter() - begin < 2.0
    assert made.count == 2**60
    assert made.total == 2.0**60
    assert [path.product for path in made.paths] == [1.0, 1.0, 1.0]
    assert len({tuple(f.child for f in path.factors) for path in made.paths}) == 1
    assert "1,152,921,504,606,846,976 paths" in str(made)
    assert "… 49 more …" in str(made)
    with pytest.raises(ValueError, match="1,152,921,504,606,846,976 paths; paths=20 shows the largest"):
        explain(y, x, paths=None)


def test_the_largest_of_very_many():
    x = Value(1.0, name="x")
    y = x
    for i in range(40):
        y = y * 2.0 + y * (3.0 if i % 2 else 0.5)
    made = explain(y, x, paths=4)
    wanted = 2.0**20 * 3.0**20
    assert [path.product for path in made.paths] == pytest.approx([wanted, *[wanted * 2 / 3] * 3])
    assert made.count == 2**40


def test_a_long_chain():
    x = Value(1.0, name="x")
    y = x
    for _ in range(5000):
        y = y * 1.0001
    made = explain(y, x)
    assert made.total == pytest.approx(1.0001**5000)
    assert len(str(made)) < 2000


def test_an_element_of_an_array():
    x, w, c = Value([[1.0, 2.0], [3.0, 4.0]], name="x"), Value(np.eye(2), name="w"), Value([0.5, -0.5], name="c")
    loss = ((x @ w + c) ** 2).sum()
    made = explain(loss, w, index=(0, 1))
    # z = x + c; d loss / d w01 = sum over rows of 2 z[i,1] x[i,0]
    assert sorted(path.product for path in made.paths) == pytest.approx([2 * 1.5 * 1.0, 2 * 3.5 * 3.0])
    assert made.leaf == "w[0,1]"
    assert "#5[1,1] = #3[1,1] + c[1]" in str(made)
    assert explain(loss, c, index=-1).total == pytest.approx(2 * 1.5 + 2 * 3.5)
    whole = explain(loss, w)
    assert np.allclose(whole.total, 2 * x.data.T @ (x.data + c.data))
    assert "index=… explains one element" in str(whole)
    part = explain(x @ w, w, output_index=(1, 0), index=(0, 0))
    assert part.total == 3.0


def test_large_arrays_are_followed_whole():
    w = Value(np.full((100, 200), 2.0), name="w")
    loss = (w @ (3.0 * np.eye(200)) + w).sum()
    made = explain(loss, w, index=(0, 7))
    assert made.total == 4.0
    assert sorted(path.product for path in made.paths) == [1.0, 3.0]
    assert "linear map" in made.note
    shown = explain(loss, w)
    assert "of shape (100, 200)" in str(shown)


def test_large_arrays_whose_elements_go_separate_ways_are_followed_by_element():
    w = Value(np.full(30_000, 2.0), name="w")
    made = explain((w * w + w).sum(), w, index=7)
    assert made.total == 5.0
    assert sorted(path.product for path in made.paths) == [1.0, 2.0, 2.0]
    assert not made.note


def test_long_chains_and_many_paths_take_seconds():
    """Three seconds and a third of one where this was written; the limit is ten times that."""
    y = x = Value(1.0, name="x")
    for _ in range(20_000):
        y = y * 1.0001
    begin = time.perf_counter()
    assert explain(y, x).total == pytest.approx(1.0001**20_000)
    assert time.perf_counter() - begin < 30
    y = x
    for _ in range(60):
        y = y + y * 1.5
    begin = time.perf_counter()
    made = explain(y, x, paths=1000)
    assert time.perf_counter() - begin < 3
    products = [path.product for path in made.paths]
    assert products[0] == pytest.approx(1.5**60)
    assert products[1:61] == pytest.approx([1.5**59] * 60)
    assert products[61:] == pytest.approx([1.5**58] * 939)


def test_what_is_written_equals_the_number_beside_it():
    z = Value(0.0, name="z")
    assert str(explain(np.maximum(z, 0.0), z)).endswith("Path 1: #3 = max(z, 0) → z\n  0.5 at a tie = 0.5")
    assert r"\text{0.5 at a tie}" in explain(np.maximum(z, 0.0), z).latex()
    a = Value([[1.0, 2.0], [3.0, 4.0]], name="a")
    made = explain((a @ np.ones(2)).sum(), a, index=(1, 0))
    assert "→ #3[1] = (a @ #2)[1] → a[1,0]" in str(made)
    assert str(explain(z, z)).endswith("Path 1: z → z\n  1")
    made = explain(np.linalg.det(a), a, index=(0, 1))
    assert str(made).endswith("∂#2/∂a[0,1] = -3")


def test_several_results_and_complex_numbers():
    x = Value([[2.0, 1.0], [1.0, 3.0]], name="x")
    q, r = np.linalg.qr(x)
    loss = (q * r).sum()
    made = explain(loss, x, index=(0, 1), paths=None)
    loss.backward()
    assert made.total == pytest.approx(x.grad[0, 1])
    assert ".r[" in str(made)
    z = Value(1 + 2j, name="z")
    made = explain((z * z).real, z)
    assert made.total == 2 + 4j
    assert made.count == 2


def test_a_value_explains_itself_and_inner_nodes():
    x = Value(2.0, name="x")
    assert explain(x, x).total == 1.0
    y = x * 3.0
    assert explain(y * y, y).total == 12.0
    assert str(explain(x, x)).startswith("∂x/∂x = 1, the one path")


def test_numbers_that_are_not_finite():
    x = Value(0.0, name="x")
    made = explain(x.sqrt() * 0.0 + x, x)
    assert math.isnan(made.total)
    assert len(made.paths) == 2
    assert str(made)
    assert r"\infty" in made.latex()


def test_nothing_changes(neuron):
    neuron.backward()
    before = [(node.data, node.grad, node.serial) for node in Graph.of(neuron).nodes]
    for leaf in Graph.of(neuron).leaves:
        explain(neuron, leaf)
    assert before == [(node.data, node.grad, node.serial) for node in Graph.of(neuron).nodes]


def test_what_cannot_be_explained():
    x, other = Value([1.0, 2.0], name="x"), Value(1.0, name="other")
    y = (x * 2.0).sum()
    with pytest.raises(TypeError, match="leaf wanted a Value, got float"):
        explain(y, 1.0)
    with pytest.raises(TypeError, match="output wanted a Value, got ndarray"):
        explain(np.ones(2), x)
    with pytest.raises(ValueError, match=r"does not depend on Value 'other'"):
        explain(y, other)
    with pytest.raises(ValueError, match=r"is no scalar.*output_index=0"):
        explain(x * 2.0, x)
    with pytest.raises(IndexError, match="no single element 5"):
        explain(y, x, index=5)
    with pytest.raises(IndexError, match="no single element"):
        explain(y, x, index=(0, 0))
    with pytest.raises(ValueError, match="whole number from 1"):
        explain(y, x, paths=0)
    with pytest.raises(ValueError, match="has no derivative"):
        explain(np.argmax(x) * 1.0, x)
    y.backward(retain="leaves")
    with pytest.raises(ValueError, match="took it apart. Compute again"):
        explain(y, x)
    stale = x.sum()
    x.data = np.zeros(2)
    with pytest.raises(ValueError, match="assigned to after"):
        explain(stale, x)


def test_hooks_are_mentioned():
    x = Value(2.0, name="x")
    y = x * 3.0
    y.register_hook(lambda g: g * 10.0)
    assert "Hooks" in str(explain(y + 0.0, x))


def test_it_is_plain_data():
    x = Value(2.0, name="x")
    made = explain(x * x, x).to_dict()
    assert made["total"] == 4.0
    assert made["paths"][0]["factors"][0] == {
        "child": "#2",
        "parent": "x",
        "equation": "#2 = x × x",
        "local": "x",
        "latex": "x",
        "value": 2.0,
    }


@pytest.mark.parametrize(
    "name", ["</pre><script>alert(1)</script>", "\\input{x}$", "\u202eabc", "\ud800", "x" * 10_000]
)
def test_hostile_names(name):
    x = Value(2.0, name=name)
    made = explain(x * x, x)
    assert "<script" not in made._repr_html_()
    assert str(made).replace("\n", "").isprintable()
    assert len(str(made)) < 1000
    assert "$" not in made.latex().replace("\\$", "")
    assert "\\input" not in made.latex()


def test_it_is_found_on_first_use():
    assert autograd_nn.explain is autograd_nn.visualize.explain
    assert "explain" in dir(autograd_nn)

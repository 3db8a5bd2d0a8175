"""The graph as plain data."""

import gc
import threading
import weakref

import numpy as np
import pytest

from autograd_nn import Edge, Graph, Value, name_scope, no_grad, topological_order


def test_topological_order_puts_parents_first_and_each_node_once():
    x = Value(2.0)
    y = x * x
    z = y + x * y
    order = topological_order([z])
    assert len(order) == len(set(order)) == 4
    position = {node: i for i, node in enumerate(order)}
    assert all(position[p] < position[node] for node in order for p in node.parents)


def test_graph_names_nodes_edges_and_leaves_in_order():
    x, w, b = Value(1.0, name="x"), Value(2.0, name="w"), Value(3.0, name="b")
    product = x * w
    total = product + b
    graph = Graph.of(total)
    assert graph.nodes == (x, w, product, b, total)
    assert graph.edges == (Edge(x, product, 0), Edge(w, product, 1), Edge(product, total, 0), Edge(b, total, 1))
    assert graph.leaves == (x, w, b)
    assert len(graph) == 5


def test_an_operand_used_twice_has_two_edges():
    x = Value(3.0)
    graph = Graph.of(x * x)
    assert [edge.position for edge in graph.edges] == [0, 1]


def test_graph_of_something_else_says_what_to_write():
    with pytest.raises(TypeError, match=r"Graph\.of wanted Values, got float.*make the input a Value"):
        Graph.of(3.0)


def test_no_grad_records_nothing_and_nests():
    x = Value(3.0)
    with no_grad():
        y = x * x
        with no_grad():
            pass
        z = x * x
    assert y.is_leaf and z.is_leaf and not y.requires_grad
    assert (x * x).op.name == "mul"


def test_no_grad_as_decorator():
    x = Value([1.0, 2.0])

    @no_grad()
    def f():
        return x * 2

    assert not f().requires_grad and not f().requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_after_an_exception():
    x = Value(3.0)
    with pytest.raises(ZeroDivisionError), no_grad():
        _ = 1 / 0
    assert (x * x).requires_grad


def test_no_grad_is_of_one_thread():
    x = Value(3.0)
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_name_scope_nests_and_ends():
    with name_scope("net"):
        with name_scope("layer0"):
            inner = Value(1.0) * 2
        outer = Value(1.0) * 2
    assert (inner.scope, outer.scope, (Value(1.0) * 2).scope) == ("net/layer0", "net", None)


def test_dropping_the_loss_frees_everything_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = Value(np.ones(3))
        hidden = x * 2
        loss = (hidden * hidden).sum()
        loss.backward()
        watched = weakref.ref(hidden)
        del hidden
        assert watched() is not None
        del loss
        assert watched() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_data_is_read_only_and_shares_memory():
    x = Value([1.0, 2.0])
    assert not x.data.flags.writeable and np.shares_memory(x.data, x.data)
    y = x * 2
    assert not y.data.flags.writeable
    plain = x.data * 2
    assert type(plain) is np.ndarray and plain.flags.writeable
    copy = x.data.copy()
    copy[0] = 7.0
    assert type(copy) is np.ndarray and x.data[0] == 1.0


@pytest.mark.parametrize(
    "write",
    [
        lambda p: p.data.__setitem__(0, 1.0),
        lambda p: p.data.__isub__(0.1),
        lambda p: np.add(p.data, 1.0, out=p.data),
        lambda p: p.data[:1].__imul__(2.0),
        lambda p: p.data.fill(0.0),
    ],
)
def test_writing_into_data_says_what_to_write(write):
    p = Value([1.0, 2.0])
    with pytest.raises(ValueError, match=r"p\.data = p\.data - learning_rate \* p\.grad"):
        write(p)
    assert p.data.tolist() == [1.0, 2.0]
    p.data = p.data - 0.5 * np.ones(2)  # the right way
    assert p.data.tolist() == [0.5, 1.5]


def test_assigned_data_is_copied_and_keeps_the_dtype():
    p = Value(np.zeros(2, np.float32))
    new = np.ones(2)
    p.data = new
    new[0] = 5.0
    assert p.data.tolist() == [1.0, 1.0] and p.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "new", "error", "text"),
    [
        (lambda: Value([1.0, 2.0]), np.ones(3), ValueError, r"wanted shape \(2,\), got \(3,\)"),
        (lambda: Value(1.0), np.ones(3), ValueError, r"wanted one number, got shape \(3,\)"),
        (lambda: Value([1.0]), Value([2.0]), TypeError, r"takes an array, not a Value"),
        (lambda: Value([1.0]), ["a"], TypeError, r"wanted numbers of dtype float64"),
        (lambda: Value([1.0]) * 2, np.ones(1), ValueError, r"result of 'mul'.*Assign to a leaf"),
    ],
)
def test_wrong_assignments_to_data(make, new, error, text):
    p = make()
    before = p.data
    with pytest.raises(error, match=text):
        p.data = new
    assert np.array_equal(p.data, before)


def test_grad_takes_arrays_of_its_shape_only():
    p = Value([1.0, 2.0])
    p.grad = [3, 4]
    assert p.grad.tolist() == [3.0, 4.0] and p.grad.dtype == float
    with pytest.raises(ValueError, match=r"\.grad of Value of shape \(2,\) wanted shape \(2,\), got \(3,\)"):
        p.grad = np.ones(3)
    p.grad = None
    assert p.grad is None


def test_text_of_a_long_chain_needs_no_recursion():
    x = Value(1.0)
    for _ in range(50_000):
        x = x + 1.0
    assert len(Graph.of(x)) == 100_001


@pytest.mark.parametrize("write", [lambda p: np.add.at(p.data, 0, 1.0), lambda p: np.multiply.at(p.data[:1], 0, 3.0)])
def test_ufunc_at_does_not_get_past_the_flag(write):
    """NumPy's own `ufunc.at` writes into read-only arrays (2.4.6)."""
    p = Value([1.0, 2.0])
    with pytest.raises(ValueError, match=r"np\.(add|multiply)\.at\(data, …\) would change"):
        write(p)
    assert p.data.tolist() == [1.0, 2.0]
    counts = np.zeros(2)
    np.add.at(counts, [0, 0], p.data)  # reading is free
    assert counts.tolist() == [3.0, 0.0]


def test_data_and_grad_lose_no_part_of_a_number():
    p, q, n = Value([1.0]), Value(1.0), Value([1], dtype=int, requires_grad=False)
    for node in (p, q):
        with pytest.raises(TypeError, match=r"\.data of Value.* wanted numbers of dtype float64, got complex128"):
            node.data = np.full(node.shape, 1.0 + 2.0j)
        with pytest.raises(TypeError, match=r"\.grad of Value.* wanted numbers of dtype float64, got complex128"):
            node.grad = np.full(node.shape, 1.0j)
    with pytest.raises(TypeError, match="wanted numbers of dtype int64, got float64"):
        n.data = [1.5]
    for grad in (Value([1.0]), Value([1.0], requires_grad=False)):
        with pytest.raises(TypeError, match=r"\.grad of Value of shape \(1,\) takes an array, not a Value"):
            p.grad = grad
    assert p.data.tolist() == [1.0] and q.data == 1.0 and n.data.tolist() == [1] and p.grad is q.grad is None


def test_no_grad_may_be_entered_again():
    quiet, x = no_grad(), Value(3.0)
    for _ in range(2):
        with quiet, quiet:
            assert not (x * x).requires_grad
        assert (x * x).requires_grad


def test_nothing_beyond_what_is_given_is_looked_at():
    x = Value(2.0)
    y = x * 3.0
    z = y + 1.0
    assert topological_order([z], {y: None})[0] is y and x not in topological_order([z], {y: None})
    assert topological_order([z, z], {})[-1] is z and len(topological_order([z, z], {})) == 5

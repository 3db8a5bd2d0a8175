"""Differentiation: values from closed forms; depth, width, freeing, stale data, and what an exception leaves behind."""

import gc
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest

from autograd_nn import Graph, Value, cotangents, custom_vjp, no_grad, op
from autograd_nn.backward import contributions, walk
from autograd_nn.op import OPS


def test_micrograds_example():
    """The sanity check of micrograd's test suite (github.com/karpathy/micrograd, test_engine.py), relu(z) by hand."""
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert y.item() == -20.0
    assert x.grad == 46.0


def test_micrograds_longer_example():
    a, b = Value(-4.0), Value(2.0)
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
    assert g.item() == pytest.approx(24.70408163265306, rel=1e-12)  # published with micrograd
    assert a.grad == pytest.approx(138.83381924198252, rel=1e-12)
    assert b.grad == pytest.approx(645.5772594752186, rel=1e-12)


def test_gradients_add_over_uses_and_over_passes():
    x = Value(3.0)
    y = x * x + x
    y.backward()
    assert x.grad == 7.0
    y.backward()
    assert x.grad == 14.0
    x.zero_grad()
    assert x.grad is None


def test_every_node_of_the_path_keeps_its_gradient():
    x = Value(3.0)
    y = x * x
    z = y * 2
    assert z.grad is y.grad is x.grad is None
    z.backward()
    assert (z.grad, y.grad, x.grad) == (1.0, 2.0, 12.0)
    z.backward()
    assert (z.grad, y.grad, x.grad) == (2.0, 4.0, 24.0)


def test_gradients_of_leaves_own_their_memory_others_are_read_only():
    x, w = Value(np.ones((2, 3))), Value(np.ones((2, 3)))
    total = x + w  # one cotangent for both
    total.backward(np.ones((2, 3)))
    assert not np.shares_memory(x.grad, w.grad)
    assert not np.shares_memory(x.grad, total.grad)
    assert x.grad.flags.owndata and x.grad.flags.writeable
    assert not total.grad.flags.writeable
    x.grad *= 0.5
    assert w.grad.tolist() == np.ones((2, 3)).tolist()


def test_the_seed_is_not_kept():
    x, seed = Value([1.0, 2.0]), np.array([1.0, 1.0])
    y = x * 1.0
    y.backward(seed)
    seed[:] = 9.0
    assert y.grad.tolist() == [1.0, 1.0] and x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_gradients_have_the_dtype_of_their_node(dtype):
    x = Value(np.ones(3, dtype))
    y = x * np.arange(3.0)  # float64 constant
    y.backward(np.ones(3))
    assert x.grad.dtype == dtype
    assert x.grad.tolist() == [0.0, 1.0, 2.0]


def test_broadcast_operands_get_the_sum():
    x, row, column, number = Value(np.ones((2, 3))), Value(np.ones(3)), Value(np.ones((2, 1))), Value(2.0)
    (x * row * column * number).sum().backward()
    assert row.grad.tolist() == [4.0] * 3
    assert column.grad.tolist() == [[6.0]] * 2
    assert number.grad == 6.0 and type(number.grad) is float


def test_sixty_doublings_are_exact_and_immediate():
    x = Value(1.0)
    y = x
    for _ in range(60):
        y = y + y
    start = time.perf_counter()
    y.backward()
    assert x.grad == 2.0**60
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize("start", [1.0, np.ones(2)], ids=["scalar", "array"])
def test_a_million_ops_in_a_chain(start):
    """Stated: 3 s for scalars, 6 s for arrays; ten times that catches quadratic growth."""
    n = 1_000_000 if type(start) is float else 200_000
    x = Value(start)
    y = x
    begin = time.perf_counter()
    for _ in range(n):
        y = -y
    y.backward(np.ones(2) if n < 1_000_000 else None)
    assert np.all(x.grad == 1.0)
    del y
    assert time.perf_counter() - begin < 40


def test_a_node_with_a_hundred_thousand_uses():
    x = Value(1.0)
    begin = time.perf_counter()
    parts = [x * float(i) for i in range(100_000)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    total.backward()
    assert x.grad == sum(range(100_000))
    assert time.perf_counter() - begin < 20


def test_an_array_with_many_uses():
    x = Value(np.ones(1000))
    total = x * 0.0
    for _ in range(5_000):
        total = total + x
    total.backward(np.ones(1000))
    assert np.all(x.grad == 5_000)


def test_scalars_need_a_seed_otherwise():
    x = Value(np.ones(3))
    with pytest.raises(
        ValueError, match=r"result of 'mul' of shape \(3,\) wanted a scalar.*v\.sum\(\)\.backward\(\)"
    ) as caught:
        (x * 2).backward()
    assert "np.ones((3,))" in str(caught.value)
    with pytest.raises(ValueError, match=r"the seed of .* wanted its shape \(3,\), got \(2,\)"):
        (x * 2).backward(np.ones(2))
    assert x.grad is None
    (x * 2).backward(np.ones(3))
    assert x.grad.tolist() == [2.0] * 3


def test_one_element_counts_as_a_scalar():
    x = Value(np.full((1, 1), 3.0))
    (x * x).backward()
    assert x.grad.tolist() == [[6.0]]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x: x.argmax(), r"'argmax' has no derivative.*softmax.*argmax"),
        (lambda x: (x > 1.0).any(), r"'greater' has no derivative.*where\("),
        (lambda x: OPS["where"](x, 1.0, 2.0).sum(), r"'where' has no derivative with respect to argument 0"),
        (lambda x: x.detach().sum(), r"depends on nothing that requires grad.*detach"),
        (lambda x: Value([1.0], requires_grad=False).sum(), r"depends on nothing that requires grad.*Value\(x\)"),
    ],
)
def test_no_differentiable_path(make, text):
    x = Value([1.0, 2.0])
    with pytest.raises(ValueError, match=text):
        make(x).backward()
    assert x.grad is None


def test_no_grad_result_says_so():
    x = Value(2.0)
    with no_grad():
        y = x * x
    with pytest.raises(ValueError, match=r"outside no_grad\(\)"):
        y.backward()


def test_stale_data_is_refused_with_name_and_op():
    w = Value([1.0, 2.0], name="weight")
    loss = (w * w).sum()
    w.data = w.data - 0.1
    with pytest.raises(ValueError, match=r"'weight' of shape \(2,\) was assigned to after 'mul' used it") as caught:
        loss.backward()
    assert "p.data = p.data - learning_rate * p.grad" in str(caught.value)
    assert w.grad is None
    (w * w).sum().backward()  # the right way: compute again
    assert np.allclose(w.grad, [1.8, 3.8])


def test_stale_data_of_a_constant_and_through_a_view():
    w, c = Value([1.0, 2.0]), Value([3.0, 4.0], requires_grad=False, name="c")
    loss = (w * c).sum()
    c.data = [0.0, 0.0]
    with pytest.raises(ValueError, match="'c'"):
        loss.backward()
    view = w.reshape(2, 1)
    loss = (view * view).sum()
    w.data = [5.0, 5.0]
    with pytest.raises(ValueError, match=r"was assigned to after 'reshape' used it"):
        loss.backward()
    assert w.grad is None


def test_a_constant_array_is_copied_so_that_its_owner_may_write_to_it():
    w, buffer = Value([1.0, 2.0]), np.array([3.0, 4.0])
    loss = (w * buffer).sum()
    buffer[:] = 0.0  # the next batch
    loss.backward()
    assert w.grad.tolist() == [3.0, 4.0]


def test_an_exception_in_a_rule_accumulates_nothing():
    @op("bad")
    def bad(x):
        return x * 1.0

    try:

        def rule(g, ans, x):
            raise RuntimeError("broken rule")

        bad.defvjp(rule)
        x, w = Value(2.0), Value(3.0)
        loss = bad(x) * w + w
        with pytest.raises(RuntimeError, match="broken rule"):
            loss.backward()
        assert x.grad is w.grad is loss.grad is None
    finally:
        del OPS["bad"]


def test_a_rule_of_the_wrong_shape_is_named():
    @op("lost")
    def lost(x):
        return np.sum(x)

    try:
        lost.defvjp(lambda g, ans, x: np.ones(7))
        with pytest.raises(
            ValueError, match=r"rule of 'lost' for argument 0 returned a cotangent of shape \(7,\).*\(3,\)"
        ):
            lost(Value(np.ones(3))).backward()
    finally:
        del OPS["lost"]


def test_hooks_observe_and_replace():
    x = Value([1.0, 2.0])
    y = x * 3.0
    seen = []
    watch = y.register_hook(lambda g: seen.append(g.copy()))
    clip = x.register_hook(lambda g: np.clip(g, -1.0, 1.0))
    y.sum().backward()
    assert seen[0].tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [1.0, 1.0]
    watch.remove()
    clip.remove()
    clip.remove()
    x.zero_grad()
    y.sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [3.0, 3.0]


def test_a_hook_on_an_inner_node_changes_what_flows_on():
    x = Value(2.0)
    y = x * 3.0
    y.register_hook(lambda g: g * 10.0)
    (y * 1.0).backward()
    assert y.grad == 10.0 and x.grad == 30.0


def test_a_hook_may_not_change_the_shape_or_write():
    x = Value([1.0, 2.0])
    x.register_hook(lambda g: g[:1])
    with pytest.raises(ValueError, match=r"a hook on .* returned shape \(1,\); wanted \(2,\)"):
        x.sum().backward()
    y = Value([1.0, 2.0])
    y.register_hook(lambda g: g.__imul__(2))
    with pytest.raises(ValueError, match="in place"):
        y.sum().backward()


def test_retain_leaves_keeps_leaves_only_and_takes_the_graph_apart():
    x = Value(np.ones(4))
    hidden = x * 2.0
    loss = (hidden * hidden).sum()
    watched = weakref.ref(hidden)
    del hidden
    loss.backward(retain="leaves")
    assert x.grad.tolist() == [8.0] * 4
    assert loss.grad is None and loss.item() == 16.0
    assert watched() is None
    with pytest.raises(ValueError, match=r"lost its graph.*retain='leaves'"):
        loss.backward()
    with pytest.raises(ValueError, match="retain='all' or retain='leaves', got 'some'"):
        loss.backward(retain="some")


def test_retain_leaves_frees_activations_during_the_pass():
    """Peak of the backward pass over 40 layers of 1 MB each: forward keeps 40, the pass adds a few, not 40 more."""

    def peak(retain):
        x = Value(np.ones(131_072))
        y = x
        for _ in range(40):
            y = y * 1.5
        loss = y.sum()
        del y
        tracemalloc.start()
        loss.backward(retain=retain)
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high / 2**20

    assert peak("leaves") < 6 < 30 < peak("all")


def test_memory_of_a_training_loop_is_flat():
    w = Value(np.ones((50, 50)))

    def step():
        x = np.ones((20, 50))
        h = (x * w.sum(0)).tanh()
        loss = (h * h).mean()
        w.zero_grad()
        loss.backward()
        w.data = w.data - 0.1 * w.grad

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            step()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < 100_000  # one step makes about as much; 200 of them stay below it


def test_threads_lose_no_contribution_to_a_shared_leaf():
    shared = Value(np.zeros(100))

    def work():
        for _ in range(200):
            (shared * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.grad.tolist() == [1200.0] * 100


def test_cotangents_leave_grad_alone_and_reach_inner_nodes():
    x = Value(3.0)
    y = x * x
    z = y * y
    dy, dx, unrelated = cotangents([z], [y, x, Value(1.0)])
    assert (dy, dx, unrelated) == (18.0, 108.0, None)
    assert x.grad is y.grad is None


def test_cotangents_of_several_outputs_with_seeds():
    x = Value([1.0, 2.0])
    (dx,) = cotangents([x * x, x * 3.0], [x], [np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    assert dx.tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: cotangents(x * x, [x]), TypeError, r"outputs wanted a list of Values, got Value.*cotangents\(\[y\]"),
        (lambda x: cotangents([x * x], x), TypeError, "inputs wanted a list of Values, got Value"),
        (lambda x: cotangents([3.0], [x]), TypeError, "outputs wanted a list of Values, got a list with other"),
        (lambda x: cotangents([x * x], [3.0]), TypeError, "inputs wanted"),
        (lambda x: cotangents([x * x], [x], 1.0), ValueError, "seeds wanted a list .*1 outputs, got float"),
        (lambda x: cotangents([x * x], [x], [1.0, 2.0]), ValueError, "seeds wanted .*got 2"),
    ],
)
def test_cotangents_takes_lists(call, error, words):
    with pytest.raises(error, match=words):
        call(Value(3.0))


def test_create_graph_gives_every_order():
    """d^n/dx^n x^5 at 2: 80, 160, 240, 240, 120, 0."""
    x = Value(2.0)
    y = x**5
    found = []
    for _ in range(6):
        (y,) = cotangents([y], [x], create_graph=True)
        found.append(0.0 if y is None else y.item())
    assert found == [80.0, 160.0, 240.0, 240.0, 120.0, 0.0]


def test_gradient_of_a_gradient_norm():
    """|grad f|^2 for f = x'Ax/2 with symmetric A is |Ax|^2, whose gradient is 2 A'Ax."""
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    x = Value([1.0, -2.0])
    f = (x.reshape(2, 1) * a * x).sum() * 0.5
    (g,) = cotangents([f], [x], create_graph=True)
    (g * g).sum().backward()
    assert np.allclose(x.grad, 2 * a.T @ a @ [1.0, -2.0], rtol=1e-14)


def test_the_walk_visits_children_first_and_shows_each_product():
    x = Value(2.0)
    y = x * x
    z = y + x
    visited = []
    walk([z], [1.0], observe=lambda node, g, position, c: visited.append((node.op.name, g, position, c)))
    assert visited == [("add", 1.0, 0, 1.0), ("add", 1.0, 1, 1.0), ("mul", 1.0, 0, 2.0), ("mul", 1.0, 1, 2.0)]


def test_pieces_of_an_array_cost_pieces():
    """Stated: 64,000 elements one by one, 0.6 s backward; as many arrays of zeros would take minutes."""
    x = Value(np.arange(64_000.0))
    total = 0.0
    for element in x:
        total = total + element * element
    start = time.perf_counter()
    total.backward()
    assert time.perf_counter() - start < 6
    assert np.array_equal(x.grad, 2 * np.arange(64_000.0))


@pytest.mark.parametrize("slices_first", [True, False])
@pytest.mark.parametrize("retain", ["all", "leaves"])
def test_pieces_are_added_to_an_array_that_nobody_else_holds(slices_first, retain):
    """a + b hands the same cotangent to a and to b; what a's slices add must not reach b."""
    x, w = Value(np.ones(3)), Value(np.ones(3))
    a, b = x * 1.0, w * 1.0
    if slices_first:
        loss = (a[0] * 10.0 + a[1:].sum() * 100.0) + (a + b).sum()
    else:
        whole = (a + b).sum()
        loss = whole + (a[0] * 10.0 + a[1:].sum() * 100.0 + a[::-1][0] * 1000.0)
    loss.backward(retain=retain)
    assert w.grad.tolist() == [1.0, 1.0, 1.0]
    assert x.grad.tolist() == ([11.0, 101.0, 101.0] if slices_first else [11.0, 101.0, 1101.0])
    assert x.grad.flags.owndata


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda v: 1.0 / v, 0.0, -np.inf),
        (lambda v: v.exp(), 1000.0, np.inf),
        (lambda v: v**-1, 0.0, -np.inf),
        (lambda v: v.sqrt(), 0.0, np.inf),
        (lambda v: v**0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("kind", [float, np.asarray], ids=["python", "array"])
def test_gradients_follow_ieee(f, x, expected, kind):
    v = Value(kind(x))
    with np.errstate(all="ignore"):
        y = f(v)
    y.backward()
    assert v.grad == expected


def test_the_seed_may_be_a_value_and_must_be_real():
    x = Value([1.0, 2.0])
    y = x * x
    y.backward(Value([1.0, 10.0]))
    assert type(x.grad) is np.ndarray and x.grad.tolist() == [2.0, 40.0]
    for seed, came in (([1.0j, 0.0], "complex128"), (["a", "b"], "<U1")):
        with pytest.raises(TypeError, match=rf"the seed of result of 'mul' of shape \(2,\) wanted numbers.*got {came}"):
            y.backward(seed)
    with pytest.raises(TypeError, match="the seed of result of 'mul' wanted numbers"):
        (Value(1.0) * 2.0).backward(1.0j)
    assert x.grad.tolist() == [2.0, 40.0]


def test_accumulation_follows_ieee_whatever_numpy_is_told_to_raise():
    x = Value(np.ones(1, np.float32))
    y = (x * np.float32(3e38)).sum()
    y.backward()
    with np.errstate(all="raise"):
        y.backward()
    assert x.grad.tolist() == [np.inf] and y.grad == 2.0


def test_an_exception_while_adding_up_leaves_every_gradient_as_it_was():
    class Full(np.ndarray):
        def __add__(self, other):
            raise MemoryError

    x, w = Value([1.0]), Value([2.0])
    y = (x * w).sum()
    y.backward()
    w._grad = w._grad.view(Full)
    with pytest.raises(MemoryError):
        y.backward()
    assert (x.grad.tolist(), w.grad.tolist(), float(y.grad)) == ([2.0], [1.0], 1.0)


def test_a_graph_taken_apart_during_a_pass_is_noticed():
    """By a hook, as here, or in another thread: without a word, what flowed to h last would be lost."""
    x, k = Value(2.0), Value(1.0)
    h = x * 3.0
    first, second, hooked = h * 5.0, h * 2.0, k * 1.0
    hooked.register_hook(lambda g: second.backward(retain="leaves"))
    with pytest.raises(ValueError, match="lost its graph"):
        (first + hooked).backward()
    assert x.grad == 6.0 and k.grad is None  # of the inner pass alone


def test_two_losses_share_a_graph():
    x = Value([1.0, 2.0])
    h = x * x
    one, three = h.sum(), (h * 3.0).sum()
    one.backward()
    three.backward(retain="leaves")
    assert x.grad.tolist() == [8.0, 16.0]
    with pytest.raises(ValueError, match="lost its graph"):
        one.backward()
    assert x.grad.tolist() == [8.0, 16.0]


def test_integer_results_of_a_differentiable_op_do_not_round_gradients():
    @op("steps")
    def steps(x):
        return np.asarray(np.floor(x), int)

    try:
        steps.defvjp(lambda g, ans, x: g)  # straight through
        x = Value([1.2, 2.7])
        (steps(x) * np.array([0.25, 0.5])).sum().backward()
        assert x.grad.tolist() == [0.25, 0.5]
    finally:
        del OPS["steps"]


def test_what_a_hook_is_given_or_returns_is_nobodys_gradient():
    x, kept, replacement = Value([1.0, 2.0]), [], Value([5.0, 6.0])
    x.register_hook(kept.append)
    x.register_hook(lambda g: replacement)
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [5.0, 6.0]
    x.grad *= 0.0
    assert kept[0].tolist() == [3.0, 3.0] and replacement.data.tolist() == [5.0, 6.0]


def test_a_hook_gives_real_numbers_of_the_nodes_dtype():
    x, buffer = Value(np.ones(2, np.float32)), np.array([5.0, 6.0])
    handle = x.register_hook(lambda g: buffer)
    (dx,) = cotangents([(x**3).sum()], [x], create_graph=True)
    buffer[:] = 0.0
    assert dx.dtype == np.float32 and dx.data.tolist() == [5.0, 6.0]
    handle.remove()
    for result in (1j * np.ones(2), ["a", "b"]):
        handle = x.register_hook(lambda g, result=result: result)
        with pytest.raises(
            TypeError, match=r"a hook's result for the gradient of Value.*wanted numbers of dtype float32"
        ):
            x.sum().backward()
        handle.remove()
    with pytest.raises(TypeError, match="register_hook wanted a function of the gradient, got int"):
        x.register_hook(3)


def test_leaves_do_not_share_what_a_rule_returns_twice_or_keeps():
    @custom_vjp
    def f(a, b):
        return a * b

    @f.defvjp
    def rule(g, ans, a, b):
        return (both := g * 2.0), both

    a, b = Value([1.0, 2.0]), Value([3.0, 4.0])
    f(a, b).sum().backward()
    a.grad *= 0.0
    assert b.grad.tolist() == [2.0, 2.0]

    @custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, 2.0 * x), lambda residual, g: (residual,))
    x = Value([1.0, 2.0])
    y = square(x).sum()
    y.backward()
    x.grad *= 0.0
    x.zero_grad()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_contributions_are_what_backward_adds():
    x, w = Value(3.0, name="x"), Value([1.0, 2.0], name="w")
    y = (x * w + x).sum()
    made, total = contributions(y)
    assert x.grad is None
    y.backward()
    assert {node: np.asarray(g).tolist() for node, g in total.items()} == {
        node: np.asarray(node.grad).tolist() for node in Graph.of(y).nodes
    }
    assert [c.value for c in made if c.parent is x] == [2.0, 3.0]
    assert all(c.child.parents[c.position] is c.parent for c in made)
    assert np.array_equal(total[w], [3.0, 3.0])
    made, total = y.contributions(2.0)
    assert total[x] == 10.0
    assert x.grad == 5.0


def test_contributions_of_several_results():
    x = Value(np.eye(2), name="x")
    q, r = np.linalg.qr(x)
    made, _ = contributions((q * r).sum())
    items = [c for c in made if c.child.op.name == "item"]
    assert len(items) == 2
    assert all(c.value.shape == (2, 2) for c in items)


def test_contributions_refuse_what_backward_refuses():
    x = Value([1.0, 2.0], name="x")
    with pytest.raises(ValueError, match="wanted a scalar"):
        contributions(x * 2.0)
    loss = (x * 2.0).sum()
    loss.backward(retain="leaves")
    with pytest.raises(ValueError, match="took it apart"):
        contributions(loss)
    with pytest.raises(ValueError, match="depends on nothing that requires grad"):
        contributions(Value(1.0, requires_grad=False) * 2.0)
    with pytest.raises(ValueError, match="has no derivative"):
        contributions(np.argmax(x) * 1.0)

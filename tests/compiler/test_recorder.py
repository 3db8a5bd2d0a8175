"""While a function is recorded nothing leaves the graph, nothing changes outside; what cannot be kept is refused."""

from __future__ import annotations

import copy
import math
import pickle
import re
from functools import partial

import numpy as np
import pytest

import autograd_nn as ad
import autograd_nn.numpy as anp
from autograd_nn import Value, compile, grad, no_grad, stop_gradient
from autograd_nn.functions import dropout
from autograd_nn.graph import modes
from autograd_nn.losses import cross_entropy
from autograd_nn.nn import scalar

X = np.array([1.0, -2.0, 3.0])


# --- what is refused: a TypeError with the line, and what to write ---------------------------------------------------


def branch(x):
    if x.sum() > 0:  # the line
        return x
    return -x


REFUSED = {
    "branch": (branch, "if x.sum() > 0:  # the line", "where"),
    "while": (lambda x: [0 for _ in iter(lambda: bool(x[0] > 0), False)], "iter(", "where"),
    "and": (lambda x: (x[0] > 0) and x, "and x", "where"),
    "in": (lambda x: 1.0 in x, "in x", "where"),
    "max": (lambda x: max(x[0], x[1]), "max(", "where"),
    "sorted": (lambda x: sorted([x[0], x[1]]), "sorted(", "where"),
    "float": (lambda x: float(x[0]), "float(", "static"),
    "int": (lambda x: int(x[0]), "int(", "static"),
    "complex": (lambda x: complex(x[0]), "complex(", "static"),
    "item": (lambda x: x[0].item(), "item()", "np.exp"),
    "tolist": (lambda x: x.tolist(), "tolist()", "np.exp"),
    "numpy": (lambda x: Value(x).numpy(), "numpy()", "np.sin"),
    "math": (lambda x: math.exp(x[0]), "math.exp", "np.exp"),
    "print": (lambda x: print(x), "print(", "outside"),
    "str": (lambda x: str(x), "str(", "outside"),
    "format": (lambda x: f"{x[0]:.3f}", ":.3f", "outside"),
    "asarray": (lambda x: np.asarray(x), "asarray", "np.sin"),
    "array of them": (lambda x: np.array([x, x]), "np.array(", "np.sin"),
    "dlpack": (lambda x: np.from_dlpack(x), "from_dlpack", "np.sin"),
    "pickle": (lambda x: pickle.dumps(x), "pickle", "returns"),
    "range": (lambda x: list(range(x)), "range(", "static"),
    "index of a list": (lambda x: [1, 2][x], "[x]", "static"),
    "longer list": (lambda x: [0.0] * x, "* x", "static"),
    "longer tuple": (lambda x: x * (0.0,), "(0.0,)", "static"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_number_yet_is_refused(name):
    f, line, instead = REFUSED[name]
    given = 2 if name in ("range", "index of a list", "longer list", "longer tuple") else X
    with pytest.raises(TypeError, match="not known while the function is recorded") as caught:
        compile(f)(given)
    assert __file__ in str(caught.value) and line in str(caught.value) and instead in str(caught.value)
    assert modes.current is None


LEAF_REFUSED = {
    "item": lambda w: w.item(),
    "tolist": lambda w: w.tolist(),
    "float": lambda w: float(w),
    "int": lambda w: int(w),
    "complex": lambda w: complex(w),
    "exp": lambda w: math.exp(w),
    "numpy": lambda w: w.numpy(),
    "bool": lambda w: 1.0 if w else 2.0,
    "format": lambda w: f"{w:.0f}",
    "in": lambda w: 1.0 in w,
    "asarray": lambda w: np.asarray(w),
    "dlpack": lambda w: np.from_dlpack(w),
}


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("name", LEAF_REFUSED)
def test_nor_do_leaves_give_their_numbers(name, given):
    w, f = Value(2.0, requires_grad=name not in ("asarray", "dlpack")), LEAF_REFUSED[name]
    with pytest.raises(TypeError, match="not known while the function is recorded"):
        compile(lambda v: (f(v if given else w), v * 1)[1])(w)


@pytest.mark.parametrize(
    "taken",
    [lambda w: w.detach(), stop_gradient, copy.copy, copy.deepcopy, lambda w: copy.deepcopy([w])[0]],
    ids=["detach", "stop_gradient", "copy", "deepcopy", "nested"],
)
@pytest.mark.parametrize("given", [True, False])
def test_detached_leaves_are_read_at_each_call(taken, given):
    w = Value(X)
    f = compile(lambda x, v: taken(v) * x) if given else compile(lambda x, v: taken(w) * x)
    for k in 1.0, 10.0, 2.0:
        w.data = k * X
        np.testing.assert_array_equal(f(X, w).data, k * X * X)


def test_a_target_network_is_followed():
    def step(x, w, t):
        w.zero_grad()
        loss = ((w * x - t.detach()) ** 2).mean()
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        t.data = 0.5 * t.data + 0.5 * w.detach().data
        return loss, t.detach()

    found = []
    for compile_closure, compile_step in (False, False), (True, False), (False, True):
        w, t = Value(X), Value(2 * X)
        of_given = compile(step) if compile_step else step
        f = partial(of_given, w=w, t=t)
        f = compile(f) if compile_closure else f
        found.append([*[y.data for _ in range(4) for y in f(X)], w.data, t.data])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_number_as_an_attribute_is_refused():
    with pytest.raises(TypeError, match="axis wanted a plain Python value.*static"):
        compile(lambda x, n: ad.OPS["sum"](x, axis=n))(X, 0)


def test_writing_into_an_array_is_refused():
    def f(x):
        y = np.zeros(3)
        y[0] = x
        return y

    with pytest.raises((TypeError, ValueError)) as caught:
        compile(f)(1.0)
    assert "not known while the function is recorded" in str(caught.value.__cause__ or caught.value)


def test_what_is_known_can_be_looked_at():
    def f(x):
        assert x.shape == (3,) and x.ndim == 1 and x.size == 3 and x.dtype == float and len(x) == 3
        assert repr(x) == "RecordedArray(shape=(3,), dtype=float64)"
        assert x is not None and x in {x: 1} and hash(x) == hash(x)
        return sum(part * k for k, part in enumerate(x))

    assert compile(f)(X) == 4.0


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_comparisons_move_with_the_data():
    f = lambda x: (np.where(x > 0, x, 0.1 * x), x == 3.0, (x > 0) & ~(x > 2), np.argmax(x), np.sort(x))  # noqa: E731
    compiled = compile(f)
    for x in (X, -X, 2 * X):
        for a, b in zip(compiled(x), f(x), strict=True):
            assert np.array_equal(a, b)
    assert len(compiled) == 1


def test_indices_move_with_the_data():
    compiled = compile(lambda x, i: x[i])
    assert compiled(X, np.int64(0)) == 1.0 and compiled(X, np.int64(2)) == 3.0
    assert compiled(X, 1) == -2.0 and compiled(X, -1) == 3.0
    assert np.array_equal(compiled(X, np.array([2, 0])), [3.0, 1.0])
    assert np.array_equal(compiled(X, np.array([1, 1])), [-2.0, -2.0])


def test_nothing_is_done_outside_while_recording():
    w = Value(X, name="w")
    before, serial = w._data, w.serial

    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        w.data = w.data - 0.1 * w.grad
        raise RuntimeError("halt")

    with pytest.raises(RuntimeError, match="halt"):
        compile(f)(X)
    assert w._data is before and w.serial == serial and w.grad is None and modes.current is None


def test_data_and_gradients_are_arrays_as_they_are_in_eager_code():
    w = Value(X)

    def f(x):
        w.zero_grad()
        y = (w * x).sum()
        y.backward()
        return w.data, w.grad, y, y.data, y.detach(), Value(x), grad(lambda z: (z * z).sum())(x)

    for a, b in zip(compile(f)(X), f(X), strict=True):
        assert isinstance(a, Value) == isinstance(b, Value)
        assert np.array_equal(getattr(a, "_data", a), getattr(b, "_data", b))


def test_assignments_are_seen_by_what_comes_after_them():
    def f(x):
        y = w * x
        w.data = w.data * 2.0
        z = w * x
        w.data = w.data + 1.0
        return y, z, w * x

    w = Value(X)
    wanted = [v.data for v in f(X)]
    end = w.data.copy()
    w.data = X
    compiled = compile(f)
    assert all(np.array_equal(a.data, b) for a, b in zip(compiled(X), wanted, strict=True))
    assert np.array_equal(w.data, end)
    compiled(X)
    assert np.array_equal(w.data, (end * 2.0) + 1.0)


def test_a_leaf_that_was_assigned_to_is_still_a_value():
    w = Value(2.0)

    def step(x):
        w.data = w.data - x
        return w > 0.0, w * x, w.data * x

    found = compile(step)(0.5)
    w.data = 2.0
    assert list(map(type, found)) == list(map(type, step(0.5)))


def test_gradients_after_an_assignment_are_those_at_the_new_point():
    def f(x):
        for _ in range(3):
            w.zero_grad()
            ((w * x) ** 2).sum().backward()
            w.data = w.data - 0.01 * w.grad

    w = Value(X)
    f(X)
    wanted = w.data.copy()
    w.data = X
    compile(f)(X)
    assert np.allclose(w.data, wanted, rtol=1e-15)


def test_gradients_add_up_until_they_are_forgotten():
    w = Value(X)

    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        (w * w).sum().backward()
        twice = w.grad
        w.grad = None
        (w * 3.0).sum().backward()
        once = w.grad
        w.grad = once * 2.0
        return twice, once, w.grad

    wanted = f(X)
    w.grad = None
    for a, b in zip(compile(f)(X), wanted, strict=True):
        assert np.array_equal(a, b)


def test_a_gradient_from_before_the_call_is_refused_where_it_would_be_read():
    w = Value(X)

    def f(x):
        (w * x).sum().backward()
        return w.grad

    compiled = compile(f)
    assert np.array_equal(compiled(X), X)
    assert np.array_equal(compiled(X), X)  # gradients are not kept from call to call
    (w * 5.0).sum().backward()
    with pytest.raises(ValueError, match=r"gradient from before the call.*zero_grad\(\) inside"):
        compiled(X)
    w.zero_grad()
    assert np.array_equal(compiled(X), X)


def test_hooks_are_called_and_later_ones_are_seen():
    w = Value(X)
    w.register_hook(lambda g: 2.0 * g)

    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        return w.grad

    compiled = compile(f)
    assert np.array_equal(compiled(X), 2.0 * X)
    handle = w.register_hook(lambda g: g + 1.0)
    assert np.array_equal(compiled(X), 2.0 * X + 1.0)
    handle.remove()
    assert np.array_equal(compiled(X), 2.0 * X)


def test_hooks_outlive_an_assignment():
    w = Value(X)
    w.register_hook(lambda g: 10.0 * g)

    def f(x):
        w.data = w.data * 1.0
        w.zero_grad()
        (w * x).sum().backward()
        return w.grad

    assert np.array_equal(compile(f)(X), f(X)) and np.array_equal(f(X), 10.0 * X)


def test_leaves_made_inside():
    def f(x):
        y = (x * 2.0).detach().requires_grad_()
        z = Value(x, requires_grad=True)
        (y * y * z).sum().backward()
        return y.grad, z.grad, copy.deepcopy(y) * 1.0

    for a, b in zip(compile(f)(Value(X)), f(Value(X)), strict=True):
        assert np.array_equal(getattr(a, "_data", a), getattr(b, "_data", b))
    with pytest.raises(ValueError, match="wanted a leaf"):
        compile(lambda x: (x * 2.0).requires_grad_())(X)


def test_no_gradient_flows_through_what_was_detached():
    w = Value(X)

    def f(x):
        w.zero_grad()
        ((w * x).detach() * w).sum().backward()
        with no_grad():
            frozen = w * x
        assert not frozen.requires_grad
        return w.grad

    assert np.array_equal(compile(f)(X), X * X)


def test_backward_without_a_path_says_why():
    w = Value(X)

    def f(x):
        np.argmax(w * x).backward()

    with pytest.raises(ValueError, match="argmax"):
        compile(f)(X)
    with pytest.raises(ValueError, match="wanted a scalar"):
        compile(lambda x: (w * x).backward())(X)


def test_assigning_another_shape_or_kind_is_refused():
    w = Value(X)
    for new, error in ((np.ones(2), ValueError), (1j * X, TypeError), ("a", (TypeError, ValueError))):

        def f(x, new=new):
            w.data = new
            return x

        with pytest.raises(error):
            compile(f)(X)

    def g(x):
        y = w * x
        y.data = X

    with pytest.raises(ValueError, match="computed by 'mul'"):
        compile(g)(X)


@pytest.mark.parametrize(
    "new", [lambda x: [1, 2, 3], lambda x: X, lambda x: x.astype(np.float32), lambda x: np.arange(3)]
)
def test_what_is_assigned_gets_the_dtype_of_the_leaf(new):
    w = Value(np.zeros(3))

    def f(x):
        w.data = new(x)

    compile(f)(X)
    assert w.dtype == np.float64 and np.array_equal(w.data, new(X))


# --- what is not given ------------------------------------------------------------------------------------------------


def test_what_was_computed_outside_from_parameters_is_refused():
    w = Value(X)
    y = w * 2.0
    with pytest.raises(TypeError, match="computed outside of the compiled function"):
        compile(lambda x: x * y)(X)
    detached = y.detach()
    assert np.array_equal(compile(lambda x: x * detached)(X).data, X * 2.0 * X)


def test_what_was_computed_outside_from_constants_is_a_constant():
    """Even if what it was computed from has been assigned to since, and is read by the function, too."""
    c = Value(2.0, requires_grad=False)
    y = c * 3.0
    c.data = 5.0
    f = lambda x: (x * y, x * c)  # noqa: E731
    compiled = compile(f)
    assert [v.item() for v in compiled(1.0)] == [v.item() for v in f(1.0)] == [6.0, 5.0]
    c.data = 7.0
    assert [v.item() for v in compiled(1.0)] == [6.0, 7.0]


def test_leaves_are_read_at_each_call():
    w, c = Value(X), Value(np.ones(3), requires_grad=False)
    compiled = compile(lambda x: w * x + c)
    assert np.array_equal(compiled(X).data, X * X + 1.0)
    w.data, c.data = 2.0 * X, np.zeros(3)
    assert np.array_equal(compiled(X).data, 2.0 * X * X) and len(compiled) == 1


def test_arrays_that_are_not_given_are_constants():
    a = np.ones(3)
    compiled = compile(lambda x: x + a)
    compiled(X)
    a += 1.0
    assert np.array_equal(compiled(X), X + 1.0)


KEPT = []


def test_values_that_were_kept_raise_wherever_they_are_used():
    KEPT.clear()

    @compile
    def f(x):
        if not KEPT:
            KEPT.append(x * 2.0)
        return x + KEPT[0].sum()

    f(X)
    (left,) = KEPT
    for use in (lambda: left + 1.0, lambda: left.data, lambda: left.detach(), lambda: copy.deepcopy(left), left.sum):
        with pytest.raises(RuntimeError, match="and kept.*return it from the function"):
            use()
    with pytest.raises(RuntimeError, match="and kept"):
        left.data = X
    with pytest.raises(RuntimeError, match="and kept"):  # the next recording
        f(np.ones(4))
    with pytest.raises(TypeError):
        float(left.sum)
    assert np.array_equal(f(X), X + 4.0)


# --- checks, states, hosts --------------------------------------------------------------------------------------------


def test_conditions_on_data_hold_at_each_call():
    compiled = compile(lambda z, t: cross_entropy(z, t))
    z = np.zeros((2, 3))
    compiled(z, np.array([0, 2]))
    for wrong in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=re.escape("0 to 2")) as caught:
            compiled(z, np.array(wrong))
        with pytest.raises(ValueError, match="0 to 2") as eager:
            cross_entropy(z, np.array(wrong))
        assert str(caught.value) == str(eager.value)
    assert np.isclose(compiled(z, np.array([1, 1])), np.log(3.0)) and len(compiled) == 1


def test_a_condition_that_fails_while_recording_is_explained():
    with pytest.raises(ValueError, match="0 to 2"):
        compile(lambda z, t: cross_entropy(z, t))(np.zeros((2, 3)), np.array([0, 3]))


def test_random_numbers_are_drawn_at_each_call_and_in_the_order_of_eager_code():
    def f(x, generator):
        a = dropout(x, 0.5, generator)
        dropout(x, 0.5, generator)  # not used, but drawn
        return a, dropout(x, 0.2, generator)

    mine, theirs = np.random.default_rng(7), np.random.default_rng(7)
    x = np.ones(50)
    compiled = compile(lambda x: f(x, mine))
    outs = [compiled(x) for _ in range(4)]
    for out in outs:
        for a, b in zip(out, f(x, theirs), strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(outs[0][0], outs[1][0]) and mine.random() == theirs.random()


def test_functions_of_the_namespace_take_recorded_values():
    f = lambda x: anp.exp(x).sum() + np.mean(anp.stack([x, x])) + anp.linalg.norm(x)  # noqa: E731
    assert np.isclose(compile(f)(X), f(X), rtol=1e-15)


def test_which_elements_are_selected_is_refused():
    w = Value([1.0, 0.0, 2.0], requires_grad=False)
    for f in (
        lambda x: np.extract(x > 0, x),
        lambda x: np.compress(x > 0, x),
        lambda x: np.compress(w > 0, X),
        lambda x: np.compress(w, X),
        lambda x: np.delete(x, np.argmax(x)),
        lambda x: np.insert(x, np.argmax(x), 1.0),
    ):
        with pytest.raises(TypeError, match=r"not known while the function is recorded(.|\n)*where\(condition"):
            compile(f)(X)
    np.testing.assert_array_equal(compile(lambda x: np.compress(X > 0, x))(2 * X), [2.0, 6.0])


def test_choices_move_with_the_data():
    f = compile(lambda i, x: np.choose(i, [x, 10 * x, 100 * x]))
    for indices in [0, 1, 2], [2, 2, 0]:
        np.testing.assert_array_equal(f(np.array(indices), X), 10.0 ** np.array(indices) * X)
    with pytest.raises(ValueError, match="invalid entry in choice array"):
        f(np.array([0, 1, 3]), X)  # as NumPy says it, of arrays
    with pytest.raises(ValueError, match="choose wanted indices from 0 to 2, got 0 to 3"):
        compile(lambda i, x: np.choose(i, [x, x, x]))(np.array([0, 1, 3]), X)


@pytest.mark.filterwarnings("ignore::autograd_nn.compiler.compile.CompileWarning")
@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_mask_selects_as_many_elements_as_it_did_or_the_function_is_called(backend):
    if backend == "native":
        pytest.importorskip("numba")
    w = Value([1.0, 2.0, 3.0])

    def f(x, m):
        w.zero_grad()
        loss = (x[x > 0] * w[m]).mean()
        loss.backward()
        return loss, w.grad

    compiled = compile(f, backend=backend)
    points = X, -X, np.array([-1.0, 5.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([-1.0, 3.0, -2.0])
    for x in points:
        w.zero_grad()
        (loss, grad_of_w), (wanted, wanted_grad) = compiled(x, x > 0), f(x, x > 0)
        w.zero_grad()
        np.testing.assert_allclose(loss.data, wanted.data)
        np.testing.assert_allclose(grad_of_w, wanted_grad)
    assert compiled.fallbacks == 3


def test_the_copy_of_an_array_is_that_array_at_each_call():
    w = Value(X)
    f = compile(lambda x: (x.copy(), w.data.copy() * x.copy(order="K")))
    for x in X, 2 * X:
        a, b = f(x)
        np.testing.assert_array_equal(a, x)
        np.testing.assert_array_equal(b, x * w.data)
        assert not np.shares_memory(a, x) and type(a) is np.ndarray


@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_softmax_of_scalars_subtracts_the_largest_of_each_call(activation):
    net = scalar.MLP(2, [3], output_activation=activation)
    f = compile(lambda a, b: list(net([a, b])))
    for a, b in (1.0, 2.0), (-3000.0, 7000.0), (5000.0, 1000.0):
        np.testing.assert_array_equal([y.data for y in f(a, b)], [y.data for y in net([a, b])])


def test_probabilities_are_checked_at_each_call():
    f = compile(lambda z, p: cross_entropy(z, p))
    z = np.zeros((2, 2))
    f(z, np.array([[0.5, 0.5], [0.0, 1.0]]))
    assert f(z, np.array([[0.25, 0.75], [1.0, 0.0]])) == pytest.approx(math.log(2)) and f.fallbacks == 0
    with pytest.raises(ValueError, match="rows sum to 1, got sums 0.5 to 1"):
        f(z, np.array([[0.5, 0.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="rows sum to 1"):
        compile(lambda z, p: cross_entropy(z, p))(z, np.ones((2, 2)))


def of_its_own(x):
    y = x * 2.0
    same, used = y, y * 3.0
    y += 1.0
    total = 0.0
    total += x.sum()
    total += 1
    single = x.astype(np.float32)
    single *= x
    mask = x > 0
    mask &= x < 2.5
    chosen = x[np.array([1, 0])]
    chosen -= 1.0
    copied = x.copy()
    copied **= 2
    return same + used, total, single, mask, chosen, copied, x


def gradients(x):
    w = WEIGHT
    w.zero_grad()
    (w * w * x).sum().backward()
    found = w.grad
    found *= 0.5
    w.grad += 1.0
    return w.grad


WEIGHT = Value(X)


@pytest.mark.parametrize("f", [of_its_own, gradients])
def test_what_is_written_in_place(f):
    compiled = compile(f, backend="numpy")
    for x in (X, 2.0 * X, X):
        found, wanted = compiled(x), f(x)
        for a, b in zip(found, wanted, strict=True) if f is of_its_own else [(found, wanted)]:
            assert type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b)


def to_argument(x):
    x += 1.0
    return x


def to_view(x):
    y = x[1:]
    y *= 2.0
    return x


def with_views(x):
    y = x * 2.0
    z = y[1:]
    y += 1.0
    return z


def to_other_kind(x):
    y = (x > 0) * 1
    y += x
    return y


def to_other_shape(x):
    y = x * 2.0
    y += np.ones((2, *x.shape))
    return y


@pytest.mark.parametrize(
    ("f", "error", "said"),
    [
        (to_argument, TypeError, r"\+= would write into .* argument.*\n.*test_recorder.py.*\n  Write a = a \+ b"),
        (to_view, TypeError, "a view of another array"),
        (with_views, TypeError, "has views"),
        (to_other_kind, TypeError, "wanted numbers of dtype int64, got float64"),
        (to_other_shape, ValueError, r"wanted a result of shape \(3,\), got \(2, 3\)"),
    ],
)
def test_what_cannot_be_written_in_place(f, error, said):
    x = X.copy()
    with pytest.raises(error, match=said):
        compile(f)(x)
    assert np.array_equal(x, X)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (np.roll, r"static=\('shift',\)"),
        (np.repeat, r"static=\('repeats',\)"),
        (np.quantile, r"static=\('q',\)"),
        (lambda x, n: x[:n], "make that argument static"),
    ],
)
def test_numbers_that_shapes_depend_on_are_static(f, said):
    for x in (X, Value(X)):
        with pytest.raises(TypeError, match=said) as caught:
            compile(f)(x, 1)
        assert "item()" not in str(caught.value)

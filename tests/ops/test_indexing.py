"""Indexing: selection against NumPy, gradients against `np.add.at`, assignment against numbers worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_nn import OPS, Graph, Value, cotangents
from autograd_nn.ops import indexing
from autograd_nn.testing import check_grads

X = np.arange(24.0).reshape(2, 3, 4) ** 1.5


def scatter(shape, key, weights):
    """The oracle: add weights at an index of zeros."""
    out = np.zeros(shape)
    np.add.at(out, key, weights)
    return out


def check_selection(x, key):
    """Value, gradient, and gradient of the gradient of x[key]."""
    v = Value(x)
    out, expected = v[key], x[key]
    assert isinstance(out, Value)
    np.testing.assert_array_equal(out.data, expected)
    assert out.shape == np.shape(expected)
    weights = np.arange(1.0, np.size(expected) + 1).reshape(np.shape(expected))
    (g,) = cotangents([out], [v], [weights])
    np.testing.assert_array_equal(g, scatter(x.shape, key, weights))
    seed = Value(weights)
    (g,) = cotangents([v[key]], [v], [seed], create_graph=True)
    (back,) = cotangents([g], [seed], [x])  # the adjoint of the adjoint is the selection
    np.testing.assert_array_equal(back, expected)


BASIC = {
    "int": 1,
    "negative int": -1,
    "NumPy int": np.int64(1),
    "unsigned int": np.uint8(1),
    "all ints": (1, -1, 2),
    "slice": np.s_[1:],
    "slices": np.s_[:, 1:3, ::2],
    "negative step": np.s_[::-1, :, ::-2],
    "slice beyond the end": np.s_[:, 1:100],
    "empty slice": np.s_[:, 2:1],
    "slice of NumPy ints": np.s_[np.int32(0) : np.int64(2)],
    "ellipsis": np.s_[..., 0],
    "ellipsis in the middle": np.s_[0, ..., 1],
    "ellipsis of nothing": np.s_[0, 1, 2, ...],
    "newaxis": np.s_[None, :, None, 1],
    "newaxis after ellipsis": np.s_[..., None],
    "nothing": (),
    "only ellipsis": ...,
    "only newaxis": None,
}
ADVANCED = {
    "list": [1, 0, 1],
    "nested list": [[0, 1], [1, 1]],
    "empty list": [],
    "tuple in a tuple": ((0, 1, 1),),
    "array": np.array([1, 1, -1]),
    "array of no axes": np.array(1),
    "small ints": np.array([1, 0], np.int8),
    "arrays": (np.array([0, 1, 1, 0]), np.array([2, 0, 0, 2])),
    "broadcast arrays": (np.array([[0], [1]]), np.array([2, 2, 0])),
    "array after slice": np.s_[:, [2, 0, 2]],
    "array between slices": np.s_[:, [2, 0], 1:],
    "arrays around a slice": (np.array([0, 1]), slice(None), np.array([3, 3])),
    "array and int": np.s_[[0, 1, 1], :, 2],
    "array and newaxis": (None, np.array([0, 1]), None, np.array([1, 1])),
    "array and ellipsis": (..., np.array([3, 0, 3])),
    "mask": X > 20.0,
    "mask of nothing": X > 1e9,
    "mask of rows": np.array([False, True]),
    "mask of two axes": np.arange(6).reshape(2, 3) % 2 == 0,
    "mask in the middle": np.s_[:, np.array([True, False, True])],
    "mask and int": np.s_[np.array([True, True]), 1],
    "mask and array": (np.array([True, True]), np.array([2, 2])),
    "two masks": (np.array([True, True]), np.array([True, False, True])),
    "list of booleans": [True, False],
    "True": True,
    "False": False,
}


@pytest.mark.parametrize("name", [*BASIC, *ADVANCED])
def test_selection(name):
    check_selection(X, {**BASIC, **ADVANCED}[name])


@pytest.mark.parametrize("x", [np.float64(2.0), np.array(3.0)])
@pytest.mark.parametrize("key", [(), ..., None, (None, None), (..., None), True, False], ids=str)
def test_selection_from_a_scalar(x, key):
    check_selection(np.asarray(x), key)


def test_a_python_float_stays_one():
    v = Value(2.0)
    assert type(v[()].data) is float
    v[None].sum().backward()
    assert type(v.grad) is float


@st.composite
def selections(draw):
    """An array and an index of it: slices, ints, new axes, an ellipsis, index arrays and masks in any mixture."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    key = []
    axis = 0
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "array", "mask", "new", "stop"]))
        if kind == "new":
            key.append(None)
            if len(key) > 6:
                break
            continue
        if kind == "stop":
            break
        if kind == "int":
            key.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            key.append(draw(st.slices(n)))
        elif kind == "array":
            key.append(draw(hnp.arrays(int, common, elements=st.integers(-n, n - 1))))
        else:
            mask = np.zeros(n, bool)
            count = draw(st.sampled_from(sorted({1, common[-1] if common else 1})))
            mask[: min(count, n)] = True
            key.append(mask)
        axis += 1
    if draw(st.booleans()):
        key.append(...)
    return np.arange(float(np.prod(shape))).reshape(shape) + 1, tuple(key)


@given(selections())
def test_selection_by_any_index(case):
    x, key = case
    try:
        x[key]
    except IndexError as error:  # masks and arrays that do not broadcast
        with pytest.raises(IndexError, match=f"getitem: {str(error)[:20]}"):
            Value(x)[key]
        return
    check_selection(x, key)


@given(
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=4).flatmap(
        lambda s: st.tuples(st.just(s), hnp.integer_array_indices(s))
    )
)
def test_selection_by_index_arrays(case):
    shape, key = case
    check_selection(np.arange(float(np.prod(shape))).reshape(shape), key)


def test_rows_of_an_embedding_accumulate():
    table = np.arange(12.0).reshape(4, 3)
    rows = np.array([[1, 1, -1], [0, 3, 1]])
    check_selection(table, rows)


def test_picking_a_class_for_each_row():
    logp, labels = np.log(np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])), np.array([1, 0, 0])
    v = Value(logp)
    loss = -v[np.arange(3), labels].mean()
    loss.backward()
    np.testing.assert_allclose(v.grad, [[0, -1 / 3], [-1 / 3, 0], [-1 / 3, 0]])


def test_iteration_over_rows():
    v = Value([[1.0, 2.0], [3.0, 4.0]])
    total = sum((i + 1) * row.sum() for i, row in enumerate(v))
    total.backward()
    assert v.grad.tolist() == [[1, 1], [2, 2]]
    a, b = v[0]
    assert (a.item(), b.item()) == (1.0, 2.0)


# index values in the graph


def test_values_as_indices_are_constants_in_the_graph():
    x = Value([1.0, 5.0, 3.0])
    best = x.argmax()
    y = x[best]
    y.backward()
    assert x.grad.tolist() == [0, 1, 0]
    assert any(node is best for node in Graph.of(y).nodes)
    x.zero_grad()
    x[x > 2].sum().backward()
    assert x.grad.tolist() == [0, 1, 1]
    x.zero_grad()
    x[x.argsort()[:2]].sum().backward()
    assert x.grad.tolist() == [1, 0, 1]
    assert x[best : best + 1].tolist() == [5.0]


def test_an_index_array_changed_afterwards_does_not_matter():
    x, rows = Value([1.0, 2.0]), np.array([0, 0])
    y = x[rows].sum()
    rows[:] = 1
    y.backward()
    assert x.grad.tolist() == [2, 0]


@pytest.mark.parametrize("name", [*BASIC, *ADVANCED])
def test_key_is_json_and_reads_back(name):
    key = {**BASIC, **ADVANCED}[name]
    entries, arrays = indexing.parse(key)
    again = json.loads(json.dumps(entries))
    np.testing.assert_array_equal(indexing.getitem(X, *arrays, key=again), X[key])


# bad indices

BAD = [
    (np.s_[5], IndexError, r"getitem: index 5 is out of bounds for axis 0 with size 2.*count from 0"),
    (np.s_[0, 0, 0, 0], IndexError, "getitem: too many indices"),
    (np.s_[:, [7]], IndexError, "getitem: index 7 is out of bounds for axis 1"),
    (np.ones(3, bool), IndexError, "getitem: boolean index did not match"),
    (np.s_[[0, 1], [0, 1, 2]], IndexError, "getitem: shape mismatch"),
    (1.0, TypeError, r"wanted integers, slices.*got float 1.0.*astype\(int\)"),
    (np.array([0.0, 1.0]), TypeError, r"got ndarray .* of dtype float64.*astype\(int\)"),
    ("a", TypeError, "wanted integers, slices.*got str 'a'"),
    (np.s_[0, "a"], TypeError, "got str 'a'"),
    (np.s_[1.5:], TypeError, "slice wanted integers"),
    (Value([0.0, 1.0]), TypeError, r"got Value of shape \(2,\) of dtype float64.*mask = y > 0"),
    ([0, 1.5], TypeError, "got list"),
    ([[0], [1, 2]], TypeError, "lists of equal length"),
    (np.s_[..., ...], IndexError, "getitem: .*ellipsis"),
]


@pytest.mark.parametrize(("key", "kind", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_indices_say_what_to_write(key, kind, message):
    with pytest.raises(kind, match=message):
        Value(X)[key]
    with pytest.raises(kind):
        Value(X).at[key].set(0.0)


def test_writing_in_place_is_refused_with_the_cure():
    v = Value([1.0, 2.0])
    with pytest.raises(AttributeError, match=r"wanted an index first, x\.at\[index\]\.add\(…\)"):
        Value(X).at.add(1.0)
    with pytest.raises(TypeError, match=r"x.at\[index\].set"):
        v[0] = 3.0


# assignment


def at_gradients(method, x, key, y):
    """Result, and gradients of sum(c * result) for c = 1, 2, 3, …"""
    x, y = Value(x), Value(y)
    out = getattr(x.at[key], method)(y)
    weights = np.arange(1.0, out.size + 1).reshape(out.shape)
    return out.tolist(), *[g.tolist() for g in cotangents([out], [x, y], [weights])]


def test_set_by_hand():
    assert at_gradients("set", [1.0, 2.0, 3.0], np.s_[1:], [10.0, 20.0]) == ([1, 10, 20], [1, 0, 0], [2, 3])
    assert at_gradients("set", [1.0, 2.0, 3.0], np.s_[1:], np.array(7.0)) == ([1, 7, 7], [1, 0, 0], 2 + 3)
    assert at_gradients("set", [1.0, 2.0, 3.0], np.array([True, False, True]), [5.0, 6.0]) == (
        [5, 2, 6],
        [0, 2, 0],
        [1, 3],
    )


def test_set_twice_the_last_wins_and_gets_the_gradient():
    assert at_gradients("set", [1.0, 2.0, 3.0], [2, 0, 2], [10.0, 20.0, 30.0]) == ([20, 2, 30], [0, 2, 0], [0, 1, 3])
    rows = [[1, 1], [0, 1]]
    out, dx, dy = at_gradients("set", [[1.0, 2.0], [3.0, 4.0]], (rows, 0), [[10.0, 20.0], [30.0, 40.0]])
    assert out == [[30, 2], [40, 4]]
    assert dx == [[0, 2], [0, 4]]
    assert dy == [[0, 0], [1, 3]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_set_twice_in_any_memory_order(order):
    x, y = np.zeros((3, 2), order=order), np.arange(1.0, 9).reshape(4, 2).copy(order)
    out = Value(x).at[[2, 0, 2, 2]].set(y)
    assert out.tolist() == [[3, 4], [0, 0], [7, 8]]


def test_add_by_hand():
    assert at_gradients("add", [1.0, 2.0, 3.0], [2, 0, 2], [10.0, 20.0, 30.0]) == ([21, 2, 43], [1, 2, 3], [3, 1, 3])
    assert at_gradients("add", [1.0, 2.0, 3.0], [2, 0, 2], np.array(1.0)) == ([2, 2, 5], [1, 2, 3], 3 + 1 + 3)
    assert at_gradients("subtract", [1.0, 2.0], 1, np.array(5.0)) == ([1, -3], [1, 2], -2)


def test_multiply_by_hand():
    out, dx, dy = at_gradients("multiply", [1.0, 2.0, 3.0], [2, 0, 2], [10.0, 20.0, 30.0])
    assert out == [20, 2, 900]
    assert dx == [20, 2, 3 * 300]
    assert dy == [3 * 3 * 30, 1 * 1, 3 * 3 * 10]
    assert at_gradients("divide", [8.0, 2.0], 0, np.array(4.0)) == ([2, 2], [0.25, 2], -0.5)


def test_multiply_by_several_with_zeros():
    _, dx, dy = at_gradients("multiply", [5.0], [0, 0, 0], [0.0, 3.0, 4.0])
    assert (dx, dy) == ([0], [60, 0, 0])
    _, dx, dy = at_gradients("multiply", [5.0], [0, 0, 0], [0.0, 0.0, 4.0])
    assert (dx, dy) == ([0], [0, 0, 0])


def test_max_and_min_by_hand():
    assert at_gradients("max", [1.0, 5.0, 3.0], [0, 1, 2], [2.0, 4.0, 3.0]) == ([2, 5, 3], [0, 2, 1.5], [1, 0, 1.5])
    assert at_gradients("min", [1.0, 5.0, 3.0], [0, 1, 2], [2.0, 4.0, 3.0]) == ([1, 4, 3], [1, 0, 1.5], [0, 2, 1.5])
    assert at_gradients("max", [3.0], [0, 0, 0], [3.0, 3.0, 1.0]) == ([3], [1 / 3], [1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("method", ["set", "add", "multiply", "divide", "min", "max"])
@pytest.mark.parametrize("name", [*BASIC, *ADVANCED])
def test_assignment_at_any_index(name, method):
    key = {**BASIC, **ADVANCED}[name]
    selected = X[key]
    y = np.linspace(0.3, 90.3, np.size(selected)).reshape(np.shape(selected))
    expected = X.copy()
    if method == "set":
        expected[key] = y
    else:
        {"add": np.add, "multiply": np.multiply, "divide": np.divide, "min": np.minimum, "max": np.maximum}[method].at(
            expected, key, y
        )
    before = X.copy()
    out = getattr(Value(X).at[key], method)(Value(y))
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("method", ["set", "add", "multiply", "min", "max"])
@pytest.mark.parametrize(
    "key", [1, np.s_[::-2], [0, 2, 0], np.array([[3, 3], [0, 3]]), np.array([True, False, True, False])], ids=str
)
def test_assignment_to_second_order(key, method):
    x = np.array([0.5, -1.2, 2.1, 0.9])
    y = np.linspace(-0.8, 1.7, np.size(x[key])).reshape(np.shape(x[key]))
    check_grads(lambda x, y: getattr(x.at[key], method)(y) * x, x, y)
    check_grads(lambda x, y: getattr(x.at[key], method)(y), x, 0.4)


def test_assignment_keeps_the_dtype_unless_it_would_lose_kind():
    x = Value(np.ones(3, np.float32))
    assert x.at[0].set(2.0).dtype == np.float32
    assert x.at[0].add(np.float64(2)).dtype == np.float32
    integers = Value(np.arange(3), dtype=int, requires_grad=False)
    assert integers.at[0].set(5).dtype.kind == "i"
    y = Value(0.5)
    out = integers.at[[1, 1]].add(y)
    assert out.tolist() == [0, 2, 2]
    out.sum().backward()
    assert y.grad == 2.0


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"at_set: the new values have shape \(3,\).*shape \(2,\) of x\[index\]"):
        Value(np.ones(4)).at[:2].set(np.ones(3))
    with pytest.raises(ValueError, match="at_add: the new values have shape"):
        Value(np.ones(4)).at[0].add(np.ones(2))
    with pytest.raises(TypeError, match="at_max: wanted real numbers"):
        Value(np.ones(4)).at[0].max(1j)


def test_get():
    assert Value(X).at[0, 1].get().tolist() == X[0, 1].tolist()


# take, and what is made of it

TAKEN = {
    "take": (lambda x: np.take(x, [[1, 1], [0, -1]], axis=1), X),
    "take flat": (lambda x: np.take(x, [5, 0, 5, 23]), X),
    "take one": (lambda x: np.take(x, 1, axis=-1), X),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([[[0, 3]], [[2, 2]]]), axis=2), X),
    "take_along_axis flat": (lambda x: np.take_along_axis(x, np.array([3, 3]), axis=None), X),
    "compress": (lambda x: np.compress([True, False, True], x, axis=1), X),
    "compress flat": (lambda x: np.compress([True, False, True], x), X),
    "extract": (lambda x: np.extract(X > 20, x), X),
    "choose": (lambda x: np.choose(np.array([[0], [1], [1]]), [x[0], x[1]]), X),
    "append": (lambda x: np.append(x, x[:1], axis=0), X),
    "append flat": (lambda x: np.append(x, [1.0]), X),
    "delete": (lambda x: np.delete(x, 1, axis=1), X),
    "delete slice": (lambda x: np.delete(x, np.s_[::2], axis=2), X),
    "delete array": (lambda x: np.delete(x, [0, 2, -1]), X),
    "delete mask": (lambda x: np.delete(x, np.array([True, False]), axis=0), X),
    "insert": (lambda x: np.insert(x, 1, 5.0, axis=1), X),
    "insert at the end": (lambda x: np.insert(x, 3, x[:, 0], axis=1), X),
    "insert several at one place": (lambda x: np.insert(x, 2, [7.0, 8.0]), X[0, 0]),
    "insert at several places": (lambda x: np.insert(x, [0, 2, 2], [7.0, 8.0, 9.0]), X[0, 0]),
    "insert rows": (lambda x: np.insert(x, [1, 2], x[0], axis=0), X[0]),
    "insert by slice": (lambda x: np.insert(x, np.s_[1:3], 0.0, axis=1), X),
    "insert by mask": (lambda x: np.insert(x, np.array([True, False, True, False]), 0.5), X[0, 0]),
    "split": (lambda x: np.split(x, 2, axis=2)[1], X),
    "split at": (lambda x: np.split(x, [1, 3], axis=-1)[1], X),
    "split beyond": (lambda x: np.split(x, [1, 9], axis=-1)[2], X),
    "array_split": (lambda x: np.array_split(x, 3, axis=2)[0], X),
    "hsplit": (lambda x: np.hsplit(x, 3)[2], X),
    "vsplit": (lambda x: np.vsplit(x, 2)[1], X),
    "dsplit": (lambda x: np.dsplit(x, 2)[0], X),
    "put_along_axis": (
        lambda x: (
            indexing.put_along_axis(x, np.array([[[0], [1], [3]]]), 5.0, axis=2) if isinstance(x, Value) else put(x, 2)
        ),
        X,
    ),
    "put_along_axis flat": (
        lambda x: (
            indexing.put_along_axis(x, np.array([0, 7]), 5.0, axis=None) if isinstance(x, Value) else put(x, None)
        ),
        X,
    ),
}


def put(x, axis):
    x = x.copy()
    np.put_along_axis(x, np.array([0, 7]) if axis is None else np.array([[[0], [1], [3]]]), 5.0, axis)
    return x


@pytest.mark.parametrize("name", TAKEN)
def test_through_numpy(name):
    f, x = TAKEN[name]
    out, expected = f(Value(x)), f(x)
    assert isinstance(out, Value)
    assert out.shape == expected.shape
    np.testing.assert_array_equal(out.data, expected)
    check_grads(lambda v: f(v) * f(v), x / 10)


def test_take_by_hand():
    v = Value([1.0, 2.0, 3.0])
    v.take([2, 0, 2]).sum().backward()
    assert v.grad.tolist() == [1, 0, 2]


def test_unstack_is_the_inverse_of_stack():
    v = Value(X)
    parts = indexing.unstack(v, axis=1)
    assert len(parts) == 3
    np.testing.assert_array_equal(np.stack(parts, axis=1).data, X)
    parts[2].sum().backward()
    np.testing.assert_array_equal(v.grad, scatter(X.shape, np.s_[:, 2], 1.0))


def test_pieces_of_a_split_have_gradients_of_their_own():
    v = Value(np.arange(5.0))
    a, b = np.array_split(v, 2)
    (a.sum() + 10 * b.sum()).backward()
    assert v.grad.tolist() == [1, 1, 1, 10, 10]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.split(x, 5), "split wanted a number of pieces that divides the length 2"),
        (lambda x: np.array_split(x, 0), "at least one section"),
        (lambda x: x.take(77), "take: index 77 is out of bounds"),
        (lambda x: x.take([0.5]), "take: .*[Cc]annot cast"),
        (lambda x: x.take(0, axis=3), "take: axis 3 is out of bounds"),
        (lambda x: np.take_along_axis(x, np.array([0, 1]), axis=0), "take_along_axis: "),
        (lambda x: np.choose([0, 2], [x[0, 0, :2], x[0, 0, :2]]), "choose wanted indices from 0 to 1"),
    ],
)
def test_errors_name_the_op_and_the_cure(f, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        f(Value(X))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64])
@pytest.mark.parametrize("length", [120, 300])
def test_small_integer_indices_do_not_overflow_in_the_gradient(dtype, length):
    rows = np.array([100, 7, 119, 7]).astype(dtype)
    weights = np.arange(1.0, 41.0).reshape(4, 10)
    x = Value(np.ones((length, 10)))
    for select in (lambda v: v[rows], lambda v: indexing.take(v, rows, axis=0)):
        x.zero_grad()
        (select(x) * weights).sum().backward()
        assert np.array_equal(x.grad, scatter((length, 10), [100, 7, 119, 7], weights))
    x.zero_grad()
    (indexing.take_along_axis(x, rows[:, None], axis=0) * weights[:, :1]).sum().backward()
    assert np.array_equal(x.grad[:, 0], scatter(length, [100, 7, 119, 7], weights[:, 0]))


def test_negative_small_integers_count_from_the_end_in_the_gradient():
    x = Value(np.ones((300, 2)))
    x[np.array([-1, -100], np.int8)].sum().backward()
    assert np.flatnonzero(x.grad[:, 0]).tolist() == [200, 299]


@pytest.mark.parametrize(("dtype", "other"), [(np.float32, np.float64), (np.float16, np.float64), (np.float32, None)])
def test_extremes_of_two_precisions_still_know_who_won(dtype, other):
    """The result has the dtype of x, to which y is rounded: 0.1 is another number in float32."""
    x = np.array([1.0, 2.0, 3.0], dtype)
    y = Value(0.1) if other is None else Value(np.array(0.1, other))
    x_leaf = Value(x)
    out = x_leaf.at[1].min(y)
    assert out.dtype == dtype
    out.sum().backward()
    assert x_leaf.grad.tolist() == [1.0, 0.0, 1.0] and y.grad == 1.0


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.accumulate is not None], ids=lambda op: op.name)
def test_accumulating_equals_adding_what_the_rule_gives(op):
    rng = np.random.default_rng(0)
    compared = 0
    for case in op.cases:
        args = case.make(op.domain, rng)
        if len(args) > 1 or type(args[0]) is float:
            continue
        g = rng.normal(size=np.shape(op(*args, **case.attrs)))
        before = rng.normal(size=args[0].shape)
        total = before.copy()
        op.accumulate(total, g, *args, **case.attrs)
        whole = op.rule(0)(g, None, *args, **case.attrs)
        np.testing.assert_array_equal(total, before + whole)
        compared += 1
    assert compared > 3


def test_where_to_delete_and_insert_may_be_a_value_of_integers():
    x, at = Value([1.0, 2.0, 3.0]), Value(np.array([0, 2]), requires_grad=False).astype(int)
    assert np.delete(x, at).tolist() == [2.0]
    assert np.insert(x, at, 9.0).tolist() == [9.0, 1.0, 2.0, 9.0, 3.0]
    np.delete(x, at).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_a_value_that_wants_a_gradient_is_no_place_to_delete():
    x = Value([1.0, 2.0, 3.0])
    for f in (lambda: np.delete(x, x), lambda: np.insert(x, x, 0.0)):
        with pytest.raises(TypeError, match="cut it out of the graph"):
            f()


@pytest.mark.parametrize(
    ("f", "wanted"),
    [(lambda x: x[()] * 3.0 + x * x + x[...] * 2.0, 9.0), (lambda x: x[()] ** x, 4.0 * (1.0 + np.log(2.0)))],
)
def test_pieces_of_an_array_without_axes_beside_other_uses(f, wanted):
    x = Value(np.array(2.0))
    f(x).backward()
    assert np.isclose(x.grad, wanted)

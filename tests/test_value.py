"""Value: construction, Python numbers, leaving the graph, copies, repr, bad input."""

import copy
import math
import pickle

import numpy as np
import pytest

from autograd_nn import Value, zero_grad


class TestConstructor:
    @pytest.mark.parametrize("x", [3, 3.0, True])
    def test_a_python_number_is_held_as_a_python_float(self, x):
        v = Value(x)
        assert type(v.data) is float and v.data == float(x)
        assert v.shape == () and v.dtype == np.float64 and v.requires_grad

    @pytest.mark.parametrize("x", [np.float32(3), np.array(3, np.float32)])
    def test_a_numpy_scalar_stays_typed(self, x):
        v = Value(x) * 2
        assert v.dtype == np.float32 and v.shape == ()
        assert isinstance(v.data, np.ndarray)

    def test_integers_become_float_unless_a_dtype_says_otherwise(self):
        assert Value([1, 2]).dtype == np.float64
        assert Value(np.arange(3, dtype=np.int8)).dtype == np.float64
        assert Value([1, 2], dtype=np.int64, requires_grad=False).dtype == np.int64
        assert Value([1, 2], dtype=np.float32).dtype == np.float32

    def test_it_copies_unless_asked_not_to(self):
        x = np.ones(2)
        copied, shared = Value(x), Value(x, copy=False)
        x[0] = 5.0
        assert copied.data[0] == 1.0 and shared.data[0] == 5.0
        assert x.flags.writeable  # an array that the library did not create is never frozen

    def test_of_a_value_it_takes_the_data(self):
        v = Value(Value([1.0, 2.0]) * 2)
        assert v.is_leaf and v.data.tolist() == [2.0, 4.0]

    @pytest.mark.parametrize(
        ("x", "text"),
        [
            ([[1.0, 2.0], [3.0]], r"nested lists of equal length, got list with rows of different lengths"),
            ("3", r"wanted a number, an array or nested lists of numbers, got str '3'"),
            (None, r"got NoneType None"),
            ({"a": 1}, r"got dict"),
            (np.array([object()]), r"got dtype object"),
            (np.array(["a"]), r"got dtype <U1"),
            ([1.0, None], r"got dtype object"),
            (10**400, r"fits a float, got an integer of 401 digits"),
            ([Value(1.0), Value(2.0)], r"list of Values.*stack"),
        ],
    )
    def test_what_it_refuses(self, x, text):
        with pytest.raises(TypeError, match=text):
            Value(x)

    def test_integers_cannot_require_a_gradient(self):
        with pytest.raises(TypeError, match=r"dtype int64 cannot require a gradient.*requires_grad=False"):
            Value([1, 2], dtype=np.int64)


class TestPythonNumbers:
    @pytest.mark.parametrize(
        "f",
        [
            lambda v: v + 1,
            lambda v: 1 - v,
            lambda v: v * v,
            lambda v: v / 3,
            lambda v: v**2,
            lambda v: v**0.5,
            lambda v: 2**v,
            lambda v: v**v,
            lambda v: -v,
            lambda v: abs(v),
            lambda v: v // 2,
            lambda v: v % 2,
            lambda v: v.exp(),
            lambda v: v.tanh(),
            lambda v: v.sigmoid(),
            lambda v: v.sum(),
            lambda v: v.mean(),
            lambda v: v.max(),
            lambda v: round(v),
        ],
    )
    def test_stay_python_floats_forward_and_backward(self, f):
        v = Value(1.5)
        y = f(v)
        assert type(y._data) is float
        y.backward()
        assert type(v.grad) is float

    @pytest.mark.parametrize(
        ("f", "x", "expected"),
        [
            (lambda v: v / 0, 1.0, math.inf),
            (lambda v: -v / 0, 1.0, -math.inf),
            (lambda v: v / 0, 0.0, math.nan),
            (lambda v: v.exp(), 1e4, math.inf),
            (lambda v: v.log(), -1.0, math.nan),
            (lambda v: v.log(), 0.0, -math.inf),
            (lambda v: v.sqrt(), -1.0, math.nan),
            (lambda v: v ** (1 / 3), -8.0, math.nan),
            (lambda v: v ** Value(0.5), -8.0, math.nan),
            (lambda v: v**-1, 0.0, math.inf),
            (lambda v: v**1000, 10.0, math.inf),
            (lambda v: v * v, 1e200, math.inf),
            (lambda v: v % 0, 1.0, math.nan),
            (lambda v: v.sin(), math.inf, math.nan),
        ],
    )
    def test_follow_ieee_not_pythons_exceptions(self, f, x, expected):
        with np.errstate(all="ignore"):
            y = f(Value(x)).item()
        assert type(y) is float and (y == expected or (math.isnan(y) and math.isnan(expected)))

    def test_are_weakly_typed_beside_arrays(self):
        x = Value(np.ones(2, np.float32))
        assert (Value(2.0) * x).dtype == np.float32
        assert (x * 2).dtype == (x * 2.5).dtype == (2.5 - x).dtype == np.float32
        assert (x * np.float64(2.5)).dtype == np.float64
        assert (x * x).sum().dtype == np.float32


class TestLeavingTheGraph:
    def test_asarray_raises_if_it_would_cut_the_graph(self):
        v = Value([1.0, 2.0], name="w")
        with pytest.raises(TypeError, match=r"np\.asarray of Value 'w' of shape \(2,\).*v\.data.*v\.detach\(\)"):
            np.asarray(v)
        with pytest.raises(BufferError, match=r"v\.detach\(\)"):
            np.from_dlpack(v)
        assert np.asarray(v.detach()).tolist() == [1.0, 2.0]
        assert np.asarray(v.data).tolist() == [1.0, 2.0]
        assert np.from_dlpack(v.detach()).tolist() == [1.0, 2.0]

    def test_an_exported_array_cannot_change_the_value(self):
        v = Value([1.0, 2.0], requires_grad=False)
        for array in (np.array(v), np.from_dlpack(v), v.numpy()):
            if array.flags.writeable:
                array[0] = 9.0
        assert v.data.tolist() == [1.0, 2.0]

    def test_numbers(self):
        v = Value(np.full((1, 1), 2.5))
        assert v.item() == float(v) == 2.5 and type(v.item()) is float
        assert f"{v:.3f}" == "2.500" and int(v) == 2 and bool(v)
        with pytest.raises(ValueError, match=r"item\(\) wanted one element, got Value of shape \(2,\)"):
            Value([1.0, 2.0]).item()
        with pytest.raises(ValueError, match=r"ambiguous.*\.any\(\) or \.all\(\).*where\("):
            bool(Value([1.0, 2.0]) > 0)

    def test_numpy_out_and_setitem_name_at(self):
        v = Value([1.0, 2.0])
        with pytest.raises(TypeError, match=r"x\.at\[index\]\.set"):
            v[0] = 3.0
        with pytest.raises(TypeError, match=r"\.at\["):
            np.exp(v, out=np.empty(2))
        y = v.at[0].set(3.0)
        assert y.data.tolist() == [3.0, 2.0] and v.data.tolist() == [1.0, 2.0]

    def test_detach(self):
        v = Value([1.0, 2.0])
        d = (v * 2).detach()
        assert d.is_leaf and not d.requires_grad
        (v * d).sum().backward()
        assert v.grad.tolist() == [2.0, 4.0] and d.grad is None


class TestIdentityAndCopies:
    def test_equality_is_elementwise_and_hash_is_identity(self):
        a, b = Value([1.0, 2.0]), Value([1.0, 3.0])
        assert (a == b).data.tolist() == [True, False]
        assert (a != b).data.tolist() == [False, True]
        assert len({a, b, a}) == 2

    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
    @pytest.mark.parametrize(
        "x", [1.5, np.float32(1.5), np.array([1.0, 2.0], np.float32)], ids=["python", "0-d", "array"]
    )
    def test_copies_hold_data_and_gradient_detached(self, duplicate, x):
        v = Value(x, name="w")
        (v * v).sum().backward()
        other = duplicate(v)
        assert other.is_leaf and other.requires_grad and other.name == "w"
        assert np.array_equal(other.data, v.data) and np.array_equal(other.grad, v.grad)
        assert other.dtype == v.dtype and type(other._data) is type(v._data)
        other.data = other.data * 0
        assert np.all(v.data != 0)

    def test_a_copied_result_is_a_leaf(self):
        y = copy.deepcopy(Value([1.0]) * 2)
        assert y.is_leaf

    def test_a_deep_graph_pickles(self):
        y = Value(1.0)
        for _ in range(10_000):
            y = y + 1
        assert pickle.loads(pickle.dumps(y)).item() == 10_001.0

    def test_astype(self):
        v = Value([1.5, 2.5])
        half = v.astype(np.float32)
        assert half.dtype == np.float32
        (half * 2).sum().backward()
        assert v.grad.dtype == np.float64 and v.grad.tolist() == [2.0, 2.0]
        whole = v.astype(int)
        assert whole.data.tolist() == [1, 2] and not whole.requires_grad

    def test_requires_grad_can_be_switched_on_leaves(self):
        v = Value(1.0).requires_grad_(False)
        assert not (v * 2).requires_grad
        assert (v.requires_grad_() * 2).requires_grad
        with pytest.raises(ValueError, match=r"wanted a leaf.*detach\(\)"):
            (v * 2).requires_grad_(False)
        with pytest.raises(ValueError, match="floating point data, got int64"):
            Value([1], dtype=np.int64, requires_grad=False).requires_grad_()

    @pytest.mark.parametrize(
        ("call", "text"),
        [
            (lambda v: zero_grad([v]), r"zero_grad wanted Values, got list: write zero_grad\(\*parameters\)"),
            (lambda v: zero_grad(v, 1.0), "zero_grad wanted Values, got float"),
            (lambda v: v.astype(str), r"astype wanted a dtype of numbers, got <U0: write v\.data\.astype"),
        ],
    )
    def test_what_is_no_value_or_no_number_is_refused(self, call, text):
        with pytest.raises(TypeError, match=text):
            call(Value(1.0))

    def test_zero_grad_of_several(self):
        a, b = Value(1.0), Value(2.0)
        (a * b).backward()
        zero_grad(a, b)
        assert a.grad is b.grad is None


class TestRepr:
    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (lambda: Value(2.0), "Value(2.0)"),
            (lambda: Value(2.0, name="w"), "Value(2.0, name='w')"),
            (lambda: Value(2.0) * 3, "Value(6.0, op='mul')"),
            (lambda: Value(np.float32(2.5)), "Value(2.5, dtype=float32)"),
            (lambda: Value([1.0, 2.0], requires_grad=False), "Value([1., 2.], requires_grad=False)"),
            (lambda: Value([1.0, 2.0], dtype=np.float32), "Value([1., 2.], dtype=float32)"),
        ],
    )
    def test_small(self, make, expected):
        assert repr(make()) == expected

    @pytest.mark.parametrize("shape", [(1000,), (300, 300), (5, 5, 5, 5), (0, 3)])
    def test_fits_a_screen(self, shape):
        text = repr(Value(np.ones(shape)))
        assert text.count("\n") < 24 and max(map(len, text.splitlines())) <= 100
        assert f"shape={shape}" in text

    def test_shows_the_gradient_of_a_scalar(self):
        v = Value(2.0)
        (v * v).backward()
        assert repr(v) == "Value(2.0, grad=4)"


class TestOperands:
    @pytest.mark.parametrize("other", ["a", None, [1, [2, 3]], [Value(1.0)], np.array([object()])])
    @pytest.mark.parametrize("f", [lambda v, o: v * o, lambda v, o: o - v, lambda v, o: v / o], ids=["*", "r-", "/"])
    def test_bad_operands(self, f, other):
        with pytest.raises(TypeError, match="wanted a"):
            f(Value([1.0, 2.0]), other)

    def test_shapes_that_do_not_broadcast(self):
        with pytest.raises(ValueError, match=r"mul: .*Got x: \(3,\), y: \(4,\).*must be equal or 1"):
            Value(np.ones(3)) * Value(np.ones(4))

    def test_axis_out_of_range(self):
        with pytest.raises(ValueError, match=r"sum: axis 2 is out of bounds.*x: \(2, 3\), axis=2"):
            Value(np.ones((2, 3))).sum(2)

    def test_arrays_on_the_left_do_not_loop(self):
        v = Value([1.0, 2.0])
        for y in (np.array([3.0, 4.0]) * v, np.array([3.0, 4.0]) @ v, np.float64(2.0) + v, 2.0**v):
            assert isinstance(y, Value) and y.requires_grad

    def test_iteration_length_and_containment(self):
        v = Value([[1.0, 2.0], [3.0, 4.0]])
        assert len(v) == 2 and [row.data.tolist() for row in v] == [[1.0, 2.0], [3.0, 4.0]]
        assert 3.0 in v and 5.0 not in v
        with pytest.raises(TypeError, match="a scalar has no length"):
            len(Value(1.0))
        with pytest.raises(TypeError, match="a scalar has no elements"):
            list(Value(1.0))


class TestStrangeArrays:
    def test_byte_order_becomes_that_of_the_machine(self):
        v = Value(np.array([1.0, 2.0], ">f4"))
        (v * v).sum().backward()
        assert v.dtype == v.grad.dtype == np.dtype("f4") and v.grad.tolist() == [2.0, 4.0]

    def test_masked_arrays_are_refused(self):
        with pytest.raises(TypeError, match=r"Value wanted an array without a mask.*x\.filled"):
            Value(np.ma.array([1.0, 2.0], mask=[0, 1]))

    @pytest.mark.parametrize(
        "strange",
        [
            lambda x: np.asfortranarray(x),
            lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
            lambda x: np.repeat(x, 2, axis=1)[:, ::2],
            lambda x: x.astype(">f8"),
            lambda x: x.view(type("Tagged", (np.ndarray,), {})),
            lambda x: Value(x).data,
        ],
        ids=["fortran", "negative strides", "strided", "swapped", "subclass", "read-only"],
    )
    def test_memory_layout_changes_nothing(self, strange):
        x, other = np.arange(6.0).reshape(2, 3), np.array([[2.0, 0.5, -1.0], [3.0, 1.0, 4.0]])
        for given, constant in ((strange(x), other), (x, strange(other)), (strange(x), strange(other))):
            v = Value(given)
            (v * constant).sum().backward()
            assert type(v.grad) is np.ndarray and v.grad.tolist() == other.tolist()

    def test_asarray_without_a_copy_is_read_only(self):
        v = Value([1.0, 2.0], requires_grad=False)
        array = np.asarray(v, copy=False)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9.0
        assert v.data.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="copy"):
            np.asarray(v, dtype=np.float32, copy=False)


class TestChoiceOfPythonNumbers:
    @pytest.mark.parametrize(
        ("f", "expected"),
        [
            (lambda v: np.where(v > 0, v, 0), 0.0),
            (lambda v: np.where(v > 0, 1, v), -1.5),
            (lambda v: np.maximum(v, 2), 2.0),
            (lambda v: np.minimum(-3, v), -3.0),
            (lambda v: np.fmax(2, v), 2.0),
            (lambda v: np.clip(v, 0, 1), 0.0),
        ],
    )
    def test_of_an_int_and_a_float_is_a_float(self, f, expected):
        y = f(Value(-1.5))
        assert type(y._data) is float and y.data == expected

    def test_a_gradient_is_not_rounded_on_the_way(self):
        """d (0.3 max(0, v)) / dv at v = 0 is 0.15, as a tie shares equally."""
        v = Value(0.0)
        y = np.maximum(0, v)
        (y * 0.3).backward()
        assert y.grad == 0.3 and v.grad == 0.15


ARRAY = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])


class TestMethods:
    """Each method gives what NumPy gives, and records."""

    @pytest.mark.parametrize(
        ("ours", "numpys"),
        [
            (lambda v: v.exp(), np.exp),
            (lambda v: v.sin(), np.sin),
            (lambda v: v.cos(), np.cos),
            (lambda v: v.tanh(), np.tanh),
            (lambda v: v.abs(), np.abs),
            (lambda v: v.relu(), lambda x: np.maximum(x, 0)),
            (lambda v: v.clip(-1.0, 1.0), lambda x: x.clip(-1.0, 1.0)),
            (lambda v: v.round(1), lambda x: x.round(1)),
            (lambda v: v.conj(), np.conj),
            (lambda v: v.real, np.real),
            (lambda v: v.imag, np.imag),
            (lambda v: v.sum(0), lambda x: x.sum(0)),
            (lambda v: v.mean(1, keepdims=True), lambda x: x.mean(1, keepdims=True)),
            (lambda v: v.prod(0), lambda x: x.prod(0)),
            (lambda v: v.max(1), lambda x: x.max(1)),
            (lambda v: v.min((0, 1)), lambda x: x.min((0, 1))),
            (lambda v: v.var(0, ddof=1), lambda x: x.var(0, ddof=1)),
            (lambda v: v.std(1), lambda x: x.std(1)),
            (lambda v: v.cumsum(1), lambda x: x.cumsum(1)),
            (lambda v: v.cumprod(0), lambda x: x.cumprod(0)),
            (lambda v: v.sort(0), lambda x: np.sort(x, 0)),
            (lambda v: v.T, lambda x: x.T),
            (lambda v: v.mT, lambda x: x.mT),
            (lambda v: v.reshape(3, -1), lambda x: x.reshape(3, -1)),
            (lambda v: v.ravel(), lambda x: x.ravel()),
            (lambda v: v.flatten(), lambda x: x.flatten()),
            (lambda v: v.transpose(1, 0), lambda x: x.transpose(1, 0)),
            (lambda v: v.swapaxes(0, 1), lambda x: x.swapaxes(0, 1)),
            (lambda v: v[:1].squeeze(0), lambda x: x[:1].squeeze(0)),
            (lambda v: v.repeat(2, 1), lambda x: x.repeat(2, 1)),
            (lambda v: v.take([2, 0], 1), lambda x: x.take([2, 0], 1)),
            (lambda v: v.diagonal(1), lambda x: x.diagonal(1)),
            (lambda v: v.trace(), lambda x: x.trace()),
            (lambda v: v.dot(ARRAY.T), lambda x: x.dot(ARRAY.T)),
            (lambda v: v @ ARRAY.T, lambda x: x @ ARRAY.T),
            (lambda v: ARRAY.T.tolist() @ v, lambda x: ARRAY.T @ x),
            (lambda v: +v, lambda x: x),
            (lambda v: v % 0.7, lambda x: x % 0.7),
            (lambda v: 0.7 % v, lambda x: 0.7 % x),
            (lambda v: v // 0.7, lambda x: x // 0.7),
            (lambda v: 0.7 // v, lambda x: 0.7 // x),
            (lambda v: divmod(v, 0.7)[1], lambda x: divmod(x, 0.7)[1]),
            (lambda v: divmod(0.7, v)[0], lambda x: divmod(0.7, x)[0]),
            (lambda v: (v - ARRAY.mean()) ** 3, lambda x: (x - ARRAY.mean()) ** 3),
            (lambda v: abs(v), abs),
        ],
    )
    def test_equal_numpys(self, ours, numpys):
        y = ours(Value(ARRAY))
        assert y.requires_grad
        np.testing.assert_allclose(y.data, numpys(ARRAY), rtol=1e-15)

    @pytest.mark.parametrize(
        ("ours", "numpys"),
        [
            (lambda v: v.argmax(1), lambda x: x.argmax(1)),
            (lambda v: v.argmin(0), lambda x: x.argmin(0)),
            (lambda v: v.argsort(1), lambda x: x.argsort(1)),
            (lambda v: (v > 0).any(0), lambda x: (x > 0).any(0)),
            (lambda v: (v > 0).all(1), lambda x: (x > 0).all(1)),
            (lambda v: (v > 0) & (v < 1), lambda x: (x > 0) & (x < 1)),
            (lambda v: (v >= 0) | (v <= -1), lambda x: (x >= 0) | (x <= -1)),
            (lambda v: ~(v > 0) ^ (v < 1), lambda x: ~(x > 0) ^ (x < 1)),
        ],
    )
    def test_without_derivative(self, ours, numpys):
        y = ours(Value(ARRAY))
        assert not y.requires_grad
        np.testing.assert_array_equal(y.data, numpys(ARRAY))

    def test_complex_number(self):
        v = Value(np.array([1 + 2j]))
        assert complex(v) == 1 + 2j and v.real.item() == 1.0 and v.imag.item() == 2.0

    def test_comparison_with_none_is_false(self):
        assert (Value([1.0]) == None) is False  # noqa: E711
        assert (Value([1.0]) != None) is True  # noqa: E711
        assert Value(1.0) not in [None]

    def test_a_hook_that_would_never_be_called_is_refused(self):
        with pytest.raises(ValueError, match="would never be called"):
            Value([1.0], requires_grad=False).register_hook(print)

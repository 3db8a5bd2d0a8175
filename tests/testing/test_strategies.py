"""What the strategies draw is what they promise; and with them: broadcasting, axes and indexing."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, find, given, settings
from hypothesis import strategies as st

from autograd_nn import OPS, Op, Value
from autograd_nn.domain import ABOVE_ONE, BOOLEAN, NONZERO, POSITIVE, PROBABILITY, REAL, UNARY, UNIT, Interval
from autograd_nn.testing import check_grads
from autograd_nn.testing.strategies import (
    arrays,
    axes,
    broadcastable_shapes,
    elements,
    indices,
    installed,
    op_calls,
    shapes,
    steps_of,
    values,
)

DOMAINS = (
    REAL,
    POSITIVE,
    NONZERO,
    UNIT,
    PROBABILITY,
    ABOVE_ONE,
    Interval(-np.inf, -2.0),
    Interval(0.0, 1.0, (0.5,)),
    Interval(0.0, 1e-3),
)
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)


# what they draw


@given(st.sampled_from(DOMAINS), st.data())
def test_elements_lie_in_the_domain_and_not_at_its_edge(domain, data):
    x = data.draw(elements(domain))
    assert type(x) is float
    assert x in domain
    assert all(abs(x - p) > 1e-5 for p in (domain.low, domain.high, *domain.excluded))


def test_elements_shrink_to_simple_numbers():
    quiet = settings(database=None)
    assert find(elements(REAL), lambda x: True, settings=quiet) == 1.0
    assert find(elements(POSITIVE), lambda x: x > 1.9, settings=quiet) == 2.0


@given(st.data(), st.sampled_from(["float64", "float32", "complex128"]))
def test_arrays(data, dtype):
    x = data.draw(arrays((2, 3), POSITIVE, dtype=dtype, distinct=True))
    assert x.shape == (2, 3)
    assert x.dtype == dtype
    assert np.all(x.real > 0)
    assert len(set(x.real.flat)) == 6
    assert data.draw(arrays((4,), BOOLEAN)).dtype == bool
    assert data.draw(arrays(shapes(max_dims=1))).ndim <= 1
    assert data.draw(arrays()).ndim <= 3


@given(values())
def test_values(x):
    assert isinstance(x, Value)
    assert x.requires_grad
    assert type(x._data) is float or x.dtype == np.float64


def test_some_values_hold_python_floats_and_some_arrays():
    assert type(find(values(()), lambda v: type(v._data) is float)._data) is float
    assert find(values(()), lambda v: type(v._data) is not float).dtype == np.float64


@given(broadcastable_shapes(3))
def test_shapes_that_broadcast(drawn):
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)


def test_broadcasting_shapes_are_not_always_equal():
    assert find(broadcastable_shapes(2), lambda s: len(s[0]) != len(s[1]))
    assert find(broadcastable_shapes(2), lambda s: len(s[0]) == len(s[1]) and s[0] != s[1])


@given(st.integers(0, 3), st.data())
def test_axes_suit_any_reduction(ndim, data):
    axis = data.draw(axes(ndim))
    np.sum(np.ones((2,) * ndim), axis=axis)


def test_axes_of_nothing_are_rejected():
    with pytest.raises(Exception, match="Unsatisfiable|Unable|NoSuch"):
        find(axes(0, none=False, several=False), lambda a: True, settings=settings(database=None))


@given(op_calls())
def test_op_calls_can_be_made(call):
    op, args, attrs = call
    try:
        op(*args, **attrs)
    except ImportError:
        pytest.skip(f"{op.name} needs a package that is not installed")


def test_ops_whose_rules_want_a_package_that_is_missing_are_not_drawn():
    """The rule, not the op: `numpy.i0` needs no SciPy, its derivative i1 does."""

    def missing(x):
        raise ImportError("not installed")

    def doubled(x):
        "Planted."
        return 2.0 * x

    inner = Op(missing, name="inner", cases=UNARY).defvjp(lambda g, ans, x: g)
    rule = Op(doubled, name="outer", cases=UNARY).defvjp(lambda g, ans, x: inner(g))
    rule_of_rule = Op(doubled, name="outermost", cases=UNARY).defvjp(lambda g, ans, x: rule(g))
    assert installed(OPS["sin"])
    assert not installed(inner)
    assert not installed(rule)
    assert not installed(rule_of_rule)
    assert steps_of(rule) == ()


def test_without_hypothesis_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", None)
    for strategy in (shapes, elements, arrays, values):
        with pytest.raises(ImportError, match=r'needs Hypothesis: pip install "autograd-nn\[test\]"'):
            strategy()


# with them: broadcasting


@FEW
@given(
    st.sampled_from(["add", "mul", "divide", "maximum", "hypot", "logaddexp", "where"]),
    broadcastable_shapes(3),
    st.data(),
)
def test_broadcasting(name, drawn, data):
    op = OPS[name]
    if name == "where":
        args = [data.draw(arrays(s, d)) for s, d in zip(drawn, op.domain, strict=True)]
    else:
        args = [data.draw(arrays(s, POSITIVE)) for s in drawn[:2]]
    if name == "maximum":
        assume(np.all(np.abs(args[0] - args[1]) > 0.01))
    assert np.shape(op(*args)) == np.broadcast_shapes(*[a.shape for a in args])
    check_grads(op, *args)


@FEW
@given(broadcastable_shapes(2), st.data())
def test_the_gradient_of_a_broadcast_sum_counts_copies(drawn, data):
    x, y = (Value(data.draw(arrays(s))) for s in drawn)
    full = np.broadcast_shapes(*drawn)
    (x + y).backward(np.ones(full))
    for v in (x, y):
        assert v.grad.shape == v.shape
        assert np.array_equal(v.grad, np.full(v.shape, np.prod(full) / max(v.size, 1)))


# axes


@FEW
@given(
    st.sampled_from(["sum", "mean", "prod", "max", "min", "var", "std", "logsumexp"]),
    shapes(min_dims=1, max_side=3),
    st.booleans(),
    st.data(),
)
def test_reductions_over_any_axes(name, shape, keepdims, data):
    x = data.draw(arrays(shape, distinct=True))
    axis = data.draw(axes(x.ndim))
    out = OPS[name](x, axis=axis, keepdims=keepdims)
    if name == "logsumexp":
        expected = np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
    else:
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    if name != "std" or np.all(expected > 1e-3):  # the kink of the square root
        check_grads(lambda v: OPS[name](v, axis=axis, keepdims=keepdims), x)


@FEW
@given(shapes(min_dims=2, max_side=3), st.data())
def test_permutations_of_axes(shape, data):
    x = data.draw(arrays(shape))
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    g = data.draw(arrays(tuple(shape[i] for i in order)))
    v = Value(x)
    v.transpose(order).backward(g)
    assert np.array_equal(v.grad, np.transpose(g, np.argsort(order)))


# indexing


@settings(max_examples=60, deadline=None)
@given(shapes(max_side=3), st.data())
def test_indexing_is_numpys_and_its_gradient_counts_how_often_an_element_was_taken(shape, data):
    x = data.draw(arrays(shape))
    key = data.draw(indices(shape))
    v = Value(x)
    out = v[key]
    assert np.array_equal(out.data, x[key])
    g = data.draw(arrays(np.shape(x[key])))
    out.backward(g)
    expected = np.zeros(shape)
    np.add.at(expected, key, g)
    np.testing.assert_allclose(v.grad, expected, rtol=1e-14, atol=1e-14)


@FEW
@given(shapes(min_dims=1, max_side=3), st.data())
def test_differentiable_assignment(shape, data):
    x = data.draw(arrays(shape))
    key = data.draw(indices(shape, advanced=False))
    y = data.draw(arrays(np.shape(x[key])))
    expected = x.copy()
    expected[key] = y
    assert np.array_equal(Value(x).at[key].set(y).data, expected)
    check_grads(lambda a, b: a.at[key].set(b) * a.at[key].add(b), x, y)

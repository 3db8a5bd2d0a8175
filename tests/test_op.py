"""Op: what an operation is, how one is made, and how its errors teach."""

import json
import pickle

import numpy as np
import pytest

from autograd_nn import OPS, Graph, Value, cotangents, op
from autograd_nn.op import Op


@pytest.fixture
def registry():
    """Forget the ops that a test registers."""
    before = dict(OPS)
    yield OPS
    OPS.clear()
    OPS.update(before)


def test_applied_to_arrays_an_op_computes(registry):
    out = OPS["mul"](np.array([1.0, 2.0]), 3)
    assert type(out) is np.ndarray and out.tolist() == [3.0, 6.0]
    assert OPS["mul"](2.0, 3.0) == 6.0


def test_applied_to_nodes_it_records():
    x = Value([1.0, 2.0])
    y = OPS["sum"](x, axis=0)
    assert y.op is OPS["sum"] and y.parents == (x,)
    assert y.attrs == {"axis": 0, "keepdims": False}  # defaults filled in


def test_a_recorded_graph_is_plain_data():
    x = Value(np.ones((2, 3)))
    y = ((x[0, ::2] * 2.0).reshape(2, 1) + 1.0).sum(axis=0)
    for node in Graph.of(y).nodes:
        json.dumps(node.attrs)


def test_constants_become_leaves_that_need_no_gradient():
    x = Value([1.0, 2.0])
    constant = (x * [3, 4]).parents[1]
    assert constant.is_leaf and not constant.requires_grad and constant.data.tolist() == [3, 4]


def test_an_op_of_ones_own(registry):
    @op("x³", numpy=())
    def cube(x):
        """X to the third."""
        return x * x * x

    cube.defvjp(lambda g, ans, x: g * 3 * x * x)
    x = Value([1.0, 2.0])
    y = cube(x).sum()
    (dx,) = cotangents([y], [x], create_graph=True)
    assert dx.data.tolist() == [3.0, 12.0]
    (ddx,) = cotangents([dx.sum()], [x])
    assert ddx.tolist() == [6.0, 12.0]


def test_an_op_with_several_results(registry):
    @op("sc", results=("sine", "cosine"))
    def sincos(x):
        return np.sin(x), np.cos(x)

    sincos.defvjp(lambda g, ans, x: g[0] * ans[1] - g[1] * ans[0])
    x = Value(0.3)
    s, c = sincos(x)
    (s * 2).backward()
    assert x.grad == pytest.approx(2 * np.cos(0.3), rel=1e-15)
    x.zero_grad()
    (s * c).backward()
    assert x.grad == pytest.approx(np.cos(0.6), rel=1e-14)
    (dx,) = cotangents([s * c], [x], create_graph=True)
    assert cotangents([dx], [x])[0] == pytest.approx(-2 * np.sin(0.6), rel=1e-14)


def test_a_variadic_op(registry):
    @op("Σ")
    def total(*xs):
        return sum(xs)

    total.defvjp(lambda position, g, ans, *xs: g)
    a, b = Value(1.0), Value([1.0, 2.0])
    total(a, b, 3.0).backward(np.ones(2))
    assert a.grad == 2.0 and b.grad.tolist() == [1.0, 1.0]


def test_names_are_unique(registry):
    with pytest.raises(ValueError, match=r"an op named 'mul' exists already \(in autograd_nn\.ops\.arithmetic\)"):

        @op("×")
        def mul(x, y):
            return x * y


def test_running_a_cell_again_defines_its_op_anew(registry):
    for factor in (2.0, 3.0):

        @op("k·")
        def scaled(x, factor=factor):
            return x * factor

    assert OPS["scaled"] is scaled


def test_the_number_of_rules_must_fit():
    two = Op(lambda x, y: x + y, name="two")
    with pytest.raises(TypeError, match=r"'two' has 2 array arguments \('x', 'y'\).*wanted 2 rules.*got 1"):
        two.defvjp(lambda g, ans, x, y: g)


def test_attributes_must_be_named_in_the_signature():
    with pytest.raises(TypeError, match=r"wanted attributes by name"):
        Op(lambda x, **kw: x, name="loose")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: OPS["mul"](x), TypeError, r"mul: wanted 2 array argument\(s\) \(x, y\), got 1"),
        (lambda x: OPS["exp"](x, x), TypeError, r"exp: wanted 1 array argument\(s\) \(x\), got 2"),
        (lambda x: OPS["sum"](x, axes=0), TypeError, r"sum: wanted axis, keepdims; got axes"),
        (lambda x: OPS["exp"](x, axis=0), TypeError, r"exp: wanted no keyword arguments; got axis"),
        (
            lambda x: OPS["reshape"](x, shape=(5,)),
            ValueError,
            r"reshape: cannot.*x: \(2, 3\).*shape=\(5,\).*must stay the same",
        ),
        (lambda x: OPS["matmul"](x, np.ones((2, 2))), ValueError, r"matmul: .*x: \(2, 3\), y: \(2, 2\).*\.T"),
        (lambda x: OPS["matmul"](np.ones(4), x), ValueError, r"^matmul: y has an axis of length 2 where 4 was wanted"),
        (lambda x: OPS["matmul"](x, 2.0), ValueError, r"^matmul: y does not have enough .*y: scalar.*x \* y"),
        (lambda x: OPS["bitwise_and"](x, x), TypeError, r"^bitwise_and: .*Integers or masks are wanted.* x > 0\.$"),
        (lambda x: OPS["ldexp"](x, 1.5), TypeError, r"^ldexp: .*Got x: \(2, 3\), n: scalar.*x\.astype\(int\)"),
        (lambda x: OPS["convolve"](x, x), ValueError, r"^convolve: .*One axis is wanted: x\.ravel\(\)"),
        (lambda x: OPS["solve"](x[:, :2], np.ones(3)), ValueError, r"^solve: b has an axis of length 3.*length\.$"),
    ],
)
@pytest.mark.parametrize("kind", [Value, np.asarray], ids=["Value", "array"])
def test_errors_name_the_op_the_shapes_and_the_cure(call, error, text, kind):
    with pytest.raises(error, match=text):
        call(kind(np.ones((2, 3))))


def test_complex_numbers_are_refused_where_the_rule_is_real():
    with pytest.raises(TypeError, match=r"relu: wanted real numbers.*got complex128"):
        OPS["relu"](Value(np.array([1.0 + 2.0j])))


def test_ops_pickle_by_name():
    assert pickle.loads(pickle.dumps(OPS["mul"])) is OPS["mul"]
    assert repr(OPS["mul"]) == "<op mul>"


def test_every_op_is_documented_and_says_where_it_lives():
    for name, made in OPS.items():
        assert made.__doc__, name
        assert made.module.startswith("autograd_nn."), name


def test_a_value_as_an_attribute_is_refused():
    with pytest.raises(TypeError, match=r"sum: axis wanted a plain Python value.*got Value.*int\(v\)"):
        Value([1.0, 2.0]).sum(axis=Value(0.0))


def test_a_number_too_large_for_a_float_is_a_value_error():
    for x in (1.0, [1.0]):
        with pytest.raises(ValueError, match=r"mul: .*too large.*Got x"):
            Value(x) * 10**400


def test_a_masked_array_is_refused():
    """Its mask would be lost, and what it hides would enter the sum."""
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(TypeError, match=r"mul: wanted an array without a mask, got MaskedArray.*filled.*where\(mask"):
        Value([1.0, 2.0]) * masked
    assert (Value([1.0, 2.0]) * masked.filled(0.0)).data.tolist() == [1.0, 0.0]  # the right way

"""Shape ops: values against NumPy, gradients against numbers worked out by hand, adjoint pairs, errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import shape
from autograd_nn.testing import check_grads

RNG = np.random.default_rng(0)
VECTOR, MATRIX, CUBE = RNG.normal(size=4), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4))


def gradient(f, *args):
    """Gradients of sum(c * f(args)) with respect to all args, where c = 1, 2, 3, … in C order."""
    values = [Value(a) for a in args]
    out = f(*values)
    weights = np.arange(1.0, out.size + 1).reshape(out.shape)
    return [g.tolist() for g in cotangents([out], values, [weights])]


THROUGH_NUMPY = {
    "ravel": (np.ravel, MATRIX),
    "ravel F": (lambda x: np.ravel(x, order="F"), MATRIX),
    "reshape": (lambda x: np.reshape(x, (2, 6)), MATRIX),
    "reshape F": (lambda x: np.reshape(x, (2, -1), order="F"), MATRIX),
    "transpose": (lambda x: np.transpose(x, (2, 0, 1)), CUBE),
    "permute_dims": (lambda x: np.permute_dims(x, (2, 0, 1)), CUBE),
    "matrix_transpose": (np.matrix_transpose, CUBE),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), CUBE),
    "moveaxis": (lambda x: np.moveaxis(x, [0, 1], [-1, 0]), CUBE),
    "rollaxis": (lambda x: np.rollaxis(x, 2), CUBE),
    "rollaxis to the end": (lambda x: np.rollaxis(x, 0, 3), CUBE),
    "rollaxis negative": (lambda x: np.rollaxis(x, -1, -2), CUBE),
    "squeeze": (np.squeeze, MATRIX[:, None, :, None]),
    "squeeze axis": (lambda x: np.squeeze(x, axis=1), MATRIX[:, None, :, None]),
    "expand_dims": (lambda x: np.expand_dims(x, (0, -1)), MATRIX),
    "atleast_1d": (np.atleast_1d, np.array(2.0)),
    "atleast_2d": (np.atleast_2d, VECTOR),
    "atleast_3d of a number": (np.atleast_3d, np.array(2.0)),
    "atleast_3d of a vector": (np.atleast_3d, VECTOR),
    "atleast_3d of a matrix": (np.atleast_3d, MATRIX),
    "flip": (np.flip, MATRIX),
    "flip axis": (lambda x: np.flip(x, 1), CUBE),
    "fliplr": (np.fliplr, MATRIX),
    "flipud": (np.flipud, MATRIX),
    "roll": (lambda x: np.roll(x, 5), MATRIX),
    "roll axes": (lambda x: np.roll(x, (1, -1), axis=(0, 1)), MATRIX),
    "rot90": (lambda x: np.rot90(x, 3), MATRIX),
    "tile": (lambda x: np.tile(x, (2, 1, 2)), MATRIX),
    "repeat": (lambda x: np.repeat(x, 2), MATRIX),
    "repeat an array of times": (lambda x: np.repeat(x, np.array([0, 2, 1]), axis=0), MATRIX),
    "repeat a list of one": (lambda x: np.repeat(x, [3], axis=0), MATRIX),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3, 4)), VECTOR),
    "meshgrid": (lambda x: np.meshgrid(x, x[:3])[1], VECTOR),
    "meshgrid ij": (lambda x: np.meshgrid(x, x[:3], x[:2], indexing="ij")[2], VECTOR),
    "pad": (lambda x: np.pad(x, ((1, 2), (0, 1))), MATRIX),
    "pad with a number": (lambda x: np.pad(x, 2, constant_values=7.0), MATRIX),
    "pad with two numbers": (lambda x: np.pad(x, 2, constant_values=(7.0, 8.0)), MATRIX),
    "pad edge": (lambda x: np.pad(x, 3, mode="edge"), MATRIX),
    "pad reflect": (lambda x: np.pad(x, 2, mode="reflect"), MATRIX),
    "pad reflect far": (lambda x: np.pad(x, 9, mode="reflect"), VECTOR),
    "pad symmetric": (lambda x: np.pad(x, ((5, 1), (0, 7)), mode="symmetric"), MATRIX),
    "pad wrap": (lambda x: np.pad(x, (6, 3), mode="wrap"), MATRIX),
    "concatenate": (lambda x: np.concatenate([x, x[:1], MATRIX]), MATRIX),
    "concat": (lambda x: np.concat([x, x], axis=1), MATRIX),
    "concatenate flat": (lambda x: np.concatenate([x, x[0]], axis=None), MATRIX),
    "stack": (lambda x: np.stack([x, x * 2, MATRIX], axis=1), MATRIX),
    "hstack": (lambda x: np.hstack([x, x[:, :1]]), MATRIX),
    "hstack of vectors": (lambda x: np.hstack([x, x[1:]]), VECTOR),
    "hstack of numbers": (lambda x: np.hstack([x[0], x[1]]), VECTOR),
    "vstack": (lambda x: np.vstack([x, x[0]]), MATRIX),
    "dstack": (lambda x: np.dstack([x, x]), MATRIX),
    "dstack of vectors": (lambda x: np.dstack([x, x]), VECTOR),
    "column_stack": (lambda x: np.column_stack([x[:, 0], x]), MATRIX),
    "diag of a vector": (lambda x: np.diag(x, -1), VECTOR),
    "diag of a matrix": (lambda x: np.diag(x, 1), MATRIX),
    "diagflat": (lambda x: np.diagflat(x, 2), MATRIX),
    "diagonal": (lambda x: np.diagonal(x, 1, 2, 0), CUBE),
    "trace": (lambda x: np.trace(x, -1, 1, 2), CUBE),
    "tril": (lambda x: np.tril(x, -1), CUBE),
    "triu": (lambda x: np.triu(x, 1), MATRIX),
    "copy": (np.copy, MATRIX),
}


@pytest.mark.parametrize("name", THROUGH_NUMPY)
def test_numpy_function_on_a_value(name):
    f, x = THROUGH_NUMPY[name]
    out, expected = f(Value(x)), f(x)
    assert isinstance(out, Value)
    assert out.shape == expected.shape
    np.testing.assert_array_equal(out.data, expected)
    check_grads(lambda v: f(v) * f(v), x)


def test_every_numpy_name_of_an_op_is_one_function():
    for alias, function in [
        ("concat", np.concatenate),
        ("permute_dims", np.transpose),
        ("amax", np.max),
        ("amin", np.min),
    ]:
        ops = [op.name for op in OPS.values() if getattr(np, alias) in op.numpy]
        assert len(ops) == 1
        assert function in OPS[ops[0]].numpy


# gradients worked out by hand


def test_broadcast_adds_up():
    assert gradient(lambda x: shape.broadcast_to(x, shape=(2, 3)), [10.0, 20.0, 30.0]) == [[1 + 4, 2 + 5, 3 + 6]]


def test_transpose_by_hand():
    assert gradient(lambda x: x.T, [[0.0, 0, 0], [0, 0, 0]]) == [[[1, 3, 5], [2, 4, 6]]]


def test_repeat_and_tile_by_hand():
    assert gradient(lambda x: shape.repeat(x, repeats=2), [0.0, 0.0]) == [[1 + 2, 3 + 4]]
    assert gradient(lambda x: shape.repeat(x, repeats=(3, 0, 1)), [0.0, 0.0, 0.0]) == [[1 + 2 + 3, 0, 4]]
    assert gradient(lambda x: shape.tile(x, reps=2), [0.0, 0.0]) == [[1 + 3, 2 + 4]]


def test_pad_by_hand():
    x = [1.0, 2.0, 3.0]
    assert gradient(lambda x: shape.pad(x, pad_width=(1, 1)), x) == [[2, 3, 4]]
    assert gradient(lambda x: shape.pad(x, pad_width=(1, 2), mode="edge"), x) == [[1 + 2, 3, 4 + 5 + 6]]
    assert gradient(lambda x: shape.pad(x, pad_width=(1, 1), mode="reflect"), x) == [[2, 1 + 3 + 5, 4]]
    assert gradient(lambda x: shape.pad(x, pad_width=(1, 1), mode="symmetric"), x) == [[1 + 2, 3, 4 + 5]]
    assert gradient(lambda x: shape.pad(x, pad_width=(1, 1), mode="wrap"), x) == [[2 + 5, 3, 1 + 4]]


def test_concatenate_and_stack_by_hand():
    assert gradient(lambda x, y: shape.concatenate(x, y), [0.0, 0.0], [0.0]) == [[1, 2], [3]]
    assert gradient(lambda x, y: shape.stack(x, y, axis=1), [0.0, 0.0], [0.0, 0.0]) == [[1, 3], [2, 4]]


def test_triangles_and_diagonals_by_hand():
    x = [[0.0, 0.0], [0.0, 0.0]]
    assert gradient(lambda x: shape.tril(x), x) == [[[1, 0], [3, 4]]]
    assert gradient(lambda x: shape.triu(x, k=1), x) == [[[0, 2], [0, 0]]]
    assert gradient(lambda x: shape.trace(x), x) == [[[1, 0], [0, 1]]]
    assert gradient(lambda x: shape.diagonal(x, offset=-1), x) == [[[0, 0], [1, 0]]]


def test_stack_of_scalars_gives_scalars_their_gradients():
    x, y = Value(2.0), Value(3.0)
    (shape.stack(x, y) * np.array([10.0, 100.0])).sum().backward()
    assert (x.grad, y.grad) == (10.0, 100.0)
    assert type(x.grad) is float


@pytest.mark.parametrize("op", ["reshape", "squeeze", "expand_dims", "transpose", "copy"])
def test_a_python_float_stays_one_through_a_round_trip(op):
    attrs = {"reshape": {"shape": ()}, "expand_dims": {"axis": ()}}.get(op, {})
    y = OPS[op](Value(2.0), **attrs)
    assert type(y.data) is float
    y.backward()


# adjoint pairs: <A x, y> = <x, Aᵀ y>

PAIRS = {
    "broadcast_to / sum_to": (
        lambda x: shape.broadcast_to(x, shape=(2, 3, 4)),
        lambda y: shape.sum_to(y, shape=(3, 1)),
        (3, 1),
        (2, 3, 4),
    ),
    "pad / crop": (
        lambda x: shape.pad(x, pad_width=((1, 2), (0, 3))),
        lambda y: shape.crop(y, pad_width=((1, 2), (0, 3))),
        (2, 3),
        (5, 6),
    ),
    "repeat / repeat_transpose": (
        lambda x: shape.repeat(x, repeats=(2, 0, 1), axis=1),
        lambda y: shape.repeat_transpose(y, shape=(2, 3), repeats=(2, 0, 1), axis=1),
        (2, 3),
        (2, 3),
    ),
    "diagonal / diagonal_embed": (
        lambda x: shape.diagonal(x, offset=1, axis1=0, axis2=2),
        lambda y: shape.diagonal_embed(y, shape=(2, 3, 4), offset=1, axis1=0, axis2=2),
        (2, 3, 4),
        (3, 2),
    ),
    **{
        f"pad / pad_transpose {mode}": (
            lambda x, mode=mode: shape.pad(x, pad_width=((1, 2), (3, 0)), mode=mode),
            lambda y, mode=mode: shape.pad_transpose(y, pad_width=((1, 2), (3, 0)), mode=mode),
            (3, 4),
            (6, 7),
        )
        for mode in ("edge", "reflect", "symmetric", "wrap")
    },
}


@pytest.mark.parametrize("name", PAIRS)
def test_adjoint_pair(name):
    there, back, domain, image = PAIRS[name]
    x, y = RNG.normal(size=domain), RNG.normal(size=image)
    assert there(x).shape == image
    assert back(y).shape == domain
    np.testing.assert_allclose(np.sum(there(x) * y), np.sum(x * back(y)), rtol=1e-13)


@given(st.data())
def test_sum_to_undoes_any_broadcast(data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0))
    small, large = shapes.input_shapes[0], shapes.result_shape
    y = np.arange(float(np.prod(large))).reshape(large)
    x = Value(np.zeros(small))
    (got,) = cotangents([np.broadcast_to(x, large)], [x], [y])
    expected = np.zeros(small)
    for i in np.ndindex(large):  # the element that each copy came from
        expected[tuple(0 if n == 1 else j for n, j in zip(small, i[len(large) - len(small) :], strict=True))] += y[i]
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(shape.sum_to(y, shape=small), expected)


@given(
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=4).flatmap(
        lambda s: st.tuples(st.just(s), st.permutations(range(len(s))), st.lists(st.booleans(), min_size=3, max_size=3))
    )
)
def test_transpose_inverts_any_permutation(case):
    lengths, axes, negative = case
    axes = tuple(a - len(axes) if n else a for a, n in zip(axes, negative, strict=False))
    x = Value(np.zeros(lengths))
    y = np.arange(float(x.size)).reshape(np.transpose(x.data, axes).shape)
    (g,) = cotangents([shape.transpose(x, axes=axes)], [x], [y])
    np.testing.assert_array_equal(np.transpose(g, axes), y)


# attributes, dtypes, errors


def test_attributes_are_plain_and_owned():
    repeats = np.array([2, 1])
    x = Value([1.0, 2.0])
    y = shape.repeat(x, repeats=repeats)
    repeats[:] = 0  # must not reach the graph
    json.dumps(y.op and y.attrs)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    "f", [lambda x: x.reshape(-1), lambda x: x.T, lambda x: np.pad(x, 1), lambda x: np.stack([x, x])]
)
def test_float32_is_kept(f):
    x = Value(np.ones((2, 3), np.float32))
    y = f(x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_cast_discrete_has_no_derivative():
    y = Value([1.7, -1.7]).astype(int)
    assert y.tolist() == [1, -1]
    assert y.dtype.kind == "i"
    assert not y.requires_grad
    with pytest.raises(ValueError, match=r"cast_discrete.*before the conversion"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x.reshape(4, 5), r"reshape: cannot reshape array of size 6 into shape \(4,5\).*-1"),
        (lambda x: x.transpose(0, 0), "transpose: repeated axis"),
        (lambda x: x.swapaxes(0, 2), "swapaxes: .*axis.* out of bounds"),
        (lambda x: x.squeeze(1), "squeeze: cannot select an axis to squeeze out"),
        (lambda x: np.expand_dims(x, 4), "expand_dims: axis 4 is out of bounds"),
        (lambda x: np.flip(x, 2), "flip: axis 2 is out of bounds"),
        (lambda x: np.rollaxis(x, 2), "axis 2 is out of bounds"),
        (lambda x: np.broadcast_to(x, (2, 4)), "broadcast_to: "),
        (lambda x: np.broadcast_to(x, (3,)), "broadcast_to: "),
        (lambda x: np.concatenate([x, x[0]]), "concatenate: .*same number of dimensions"),
        (lambda x: np.concatenate([x, x.T]), "concatenate: .*must match exactly"),
        (lambda x: np.concatenate(x.ravel()), r"concatenate: .*xs0: scalar.*np\.stack joins numbers"),
        (lambda x: np.stack([x, x.T]), "stack: all input arrays must have the same shape"),
        (lambda x: np.pad(x, -1), "pad: wanted widths of 0 or more.*x\\[i:j\\]"),
        (lambda x: np.pad(x, 1, mode="mean"), "pad: wanted mode constant, edge.*got 'mean'"),
        (lambda x: np.repeat(x, (1, 2, 3), axis=0), "repeat: "),
        (lambda x: np.meshgrid(x, indexing="xx"), "meshgrid wanted indexing='xy'"),
        (lambda x: np.diagonal(x[0]), "diagonal: "),
        (lambda x: shape.sum_to(x, shape=(2,)), "sum_to: wanted a shape that broadcasts"),
    ],
)
def test_errors_name_the_op_and_the_cure(f, message):
    with pytest.raises((ValueError, TypeError), match=message):
        f(Value(np.ones((2, 3))))


def test_turns_have_to_be_whole():
    """NumPy turns by 3 where 1.5 stands; the way back from there would be another one."""
    with pytest.raises(TypeError, match=r"rot90: 'float' object cannot be interpreted as an integer.*k=1\.5"):
        np.rot90(Value(MATRIX), 1.5)
    assert np.rot90(Value(MATRIX), np.int64(3)).data.tolist() == np.rot90(MATRIX, 3).tolist()

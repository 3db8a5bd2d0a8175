import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value

RNG = np.random.default_rng(8)
A, B = RNG.standard_normal((2, 3)), RNG.standard_normal((3, 4))
STACK, VECTOR = RNG.standard_normal((5, 2, 3)), RNG.standard_normal((5, 3))


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a, b: np.einsum("ij,jk->ik", a, b),
        lambda np, a, b: np.einsum("ij,jk", a, b, optimize=True),
        lambda np, a, b: np.einsum(a, [0, 1], b, [1, 2]),
        lambda np, a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]),
        lambda np, a, b: np.einsum(a, [0, Ellipsis], [Ellipsis, 0]) @ np.ones((2, 1)) + b[:, :1],
        lambda np, a, b: np.clip(a, -0.5, 0.5) @ b,
        lambda np, a, b: np.clip(a, None, 0.5) @ b,
        lambda np, a, b: np.clip(a, a_min=0.1, a_max=None) @ b,
        lambda np, a, b: np.clip(a, min=0.1) @ b,
        lambda np, a, b: np.clip(a, min=b[:, 0] - 1, max=b[:, 0] + 1) @ b,
    ],
)
def test_einsum_and_clip(agree, f):
    agree(f, A, B)


def test_array_times_value_in_einsum():
    same = np.einsum("ij,jk->ik", A, Value(B))
    np.testing.assert_allclose(same.data, A @ B)
    assert anp.einsum("ij,jk->ik", A, B).tolist() == np.einsum("ij,jk->ik", A, B).tolist()


def test_products_of_stacks(agree):
    agree(lambda np, m, v: np.matvec(m, v), STACK, VECTOR)
    agree(lambda np, m, v: np.vecmat(v[:, :2], m), STACK, VECTOR)
    agree(lambda np, v: np.vecdot(v, v * v), VECTOR)
    agree(lambda np, v: np.vecdot(v, v * v, axis=0), VECTOR)


def test_method_clip_of_an_array():
    v = Value(0.3)
    np.array([0.1, 0.5]).clip(v, 1.0).sum().backward()
    assert v.grad == 1.0


def test_limits_twice():
    with pytest.raises(ValueError, match="not both"):
        np.clip(Value(A), 0.0, 1.0, min=0.0)


def test_einsum_of_another_dtype():
    with pytest.raises(TypeError, match="dtype"):
        np.einsum("ij->ji", Value(A), dtype=np.float32)


def test_einsum_with_the_subscripts_last():
    with pytest.raises(TypeError, match=r"subscripts first, got 'ij->ji' last: write einsum\('ij->ji', x, …\)"):
        np.einsum(Value(A), "ij->ji")

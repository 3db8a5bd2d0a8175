import numpy as np
import pytest

from autograd_nn import OPS, Value, functions, scan
from autograd_nn.flops import FLOPS, FREE, flops

# Ops without an entry count one for each element of their result. That is what an elementwise op does; for these it is
# a stated understatement: nobody has written down what a decomposition or a transform costs.
ONE_EACH = set(
    "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2 "
    "inv solve cofactor det slogdet matrix_power cholesky eigh eigvalsh eig eigvals svd svdvals qr pinv lstsq expm "
    "vector_norm matrix_norm cond median quantile partition argpartition topk argmax argmin searchsorted "
    "matrix_rank any all count_nonzero outer kron pool_share".split()
)


def test_every_op_has_an_entry_or_is_listed():
    ours = {name for name, op in OPS.items() if op.module.startswith("autograd_nn.")}
    left = {name for name in ours if name not in FLOPS and name not in FREE and not OPS[name].elementwise}
    assert left == ONE_EACH
    assert set(FLOPS) | FREE <= ours
    assert not set(FLOPS) & FREE


def leaf(*shape):
    return Value(np.ones(shape))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (leaf(2, 3) @ leaf(3, 4), 2 * 4 * (3 + 2)),  # 3 products and 2 sums each
        (functions.linear(leaf(2, 3), leaf(3, 4), leaf(4)), 2 * 4 * (3 + 2 + 1)),
        (functions.conv2d(leaf(1, 1, 6, 6), leaf(1, 1, 3, 3)), 16 * (9 + 8)),
        (leaf(5, 2).sum(axis=0), 2 * 4),
        (leaf(5, 2).mean(), 10),
        (functions.softmax(leaf(2, 3)), 2 * (3 + 3 + 2 + 3)),
        (leaf(5, 2).exp(), 10),
        (leaf(5, 2) > 0, 10),
        (leaf(5, 2).T, 0),
        (leaf(5, 2), 0),
        (OPS["einsum"](leaf(2, 3), leaf(3, 4), subscripts="ij,jk->ik"), 2 * 4 * (3 + 2)),
        (OPS["multi_dot"](leaf(2, 3), leaf(3, 4), leaf(4, 5)), 2 * 4 * 5 + 2 * 5 * 7),
        (OPS["convolve"](leaf(3), leaf(2)), 6 + 2),
        (OPS["lstm_gates"](leaf(3, 8), leaf(3, 2))[0].parents[0], 6 * 9),
        (OPS["svd"](leaf(2, 2))[0].parents[0], 4 + 2 + 4),
    ],
    ids=lambda x: x.op.name if isinstance(x, Value) and x.op else "",
)
def test_counts_by_hand(node, expected):
    assert flops(node) == expected


def test_an_op_of_a_function_counts_one_for_each_result():
    total, rows = scan(lambda c, x: (c + x, c * x), 0.0, Value(np.ones(4)))
    assert flops(rows.parents[0]) == 1 + 4 + 4  # the last carry, the outputs, and the carries that it keeps
    assert total.parents[0] is rows.parents[0]

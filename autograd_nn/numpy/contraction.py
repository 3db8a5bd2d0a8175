"""Functions whose signatures NumPy has made unlike all others: einsum and clip; and products of stacks."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ..graph import Node
from ..numpy_protocol import NO_VALUE, implements, refuse_in_place
from ..ops import arithmetic, product

__all__ = ["clip", "einsum", "matvec", "vecmat"]


@implements(np.einsum)
def einsum(*operands: Any, out: None = None, optimize: Any = False, **kwargs: Any) -> Any:
    """Einstein summation: subscripts as a string first, or a list of integers after each operand."""
    if kwargs:
        raise TypeError(
            f"np.einsum of a Value does not take {', '.join(kwargs)}: convert the operands with astype first."
        )
    last = operands[-1]
    if isinstance(last, str) and isinstance(operands[0], (Node, np.ndarray)):
        raise TypeError(f"np.einsum wanted the subscripts first, got {last!r} last: write einsum({last!r}, x, …).")
    if isinstance(operands[0], (Node, np.ndarray)):
        operands = in_letters(operands)
    subscripts, *arrays = operands
    return product.einsum(*arrays, subscripts=subscripts)


def in_letters(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return einsum's arguments with one string in place of lists of integers."""

    def letters(sublist: Any) -> str:
        return "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in sublist)

    arrays, sublists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    subscripts = ",".join(map(letters, sublists))
    return (subscripts if len(operands) % 2 == 0 else f"{subscripts}->{letters(operands[-1])}", *arrays)


@implements(np.clip)
def clip(
    a: Any, a_min: Any = NO_VALUE, a_max: Any = NO_VALUE, out: Any = None, *, min: Any = NO_VALUE, max: Any = NO_VALUE
) -> Any:
    """Limit to [min, max], elementwise; None for no limit. The derivative is 1 at the ends, and 0 outside."""
    refuse_in_place("np.clip", {"out": out})
    if (a_min is not NO_VALUE and min is not NO_VALUE) or (a_max is not NO_VALUE and max is not NO_VALUE):
        raise ValueError("clip wanted a_min and a_max, or min and max, not both.")
    low, high = (limit for limit in (a_min if min is NO_VALUE else min, a_max if max is NO_VALUE else max))
    return arithmetic.clip(a, None if low is NO_VALUE else low, None if high is NO_VALUE else high)


@implements(getattr(np, "matvec", None))
def matvec(x1: Any, x2: Any, /) -> Any:
    """Each matrix of a stack times a vector."""
    return np.matmul(x1, np.expand_dims(x2, -1))[..., 0]


@implements(getattr(np, "vecmat", None))
def vecmat(x1: Any, x2: Any, /) -> Any:
    """A vector, conjugated, times each matrix of a stack."""
    return np.matmul(np.expand_dims(np.conj(x1), -2), x2)[..., 0, :]

"""NumPy, differentiable: write ``import autograd_nn.numpy as anp`` where code had ``import numpy as np``.

Names and signatures are NumPy's, those of the Array API standard among them. Arrays in, array out, computed by NumPy
itself; any `Value` in, `Value` out. What has no derivative here works on arrays and refuses Values, with what to write
instead. ``np.f(value)`` of plain NumPy does the same; only this namespace also joins lists (``array([x, y])``) and
keeps Python numbers Python numbers (``sqrt(2.0)`` does not turn float32 into float64).

>>> import autograd_nn.numpy as anp
>>> from autograd_nn import Value
>>> x = Value([0.0, 1.0])
>>> y = anp.sum(anp.exp(x) * anp.array([1.0, 2.0]))
>>> y.backward()
>>> x.grad.round(3).tolist()
[1.0, 5.437]
>>> anp.exp(0.0)
1.0
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..ops import indexing, reduction
from ..value import Value
from . import calculus, contraction, creation, elementwise, fft, joining, linalg, predicate, random, statistics  # noqa: F401
from .mirror import Mirror

_CONSTANTS = """
    pi e inf nan newaxis euler_gamma
    bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp float16 float32 float64 complex64 complex128
    generic number integer signedinteger unsignedinteger inexact floating complexfloating
    ndarray dtype finfo iinfo errstate ndindex ndenumerate s_ index_exp
    zeros ones empty eye identity tri arange full indices logspace geomspace fromfunction
    broadcast_shapes isdtype issubdtype isscalar promote_types tril_indices triu_indices diag_indices
    hanning hamming blackman bartlett kaiser set_printoptions printoptions get_printoptions
""".split()

_LATER = {
    "astype": elementwise.astype,
    "cumulative_prod": reduction.cumulative_prod,
    "cumulative_sum": reduction.cumulative_sum,
    "matvec": contraction.matvec,
    "unstack": indexing.unstack,
    "vecmat": contraction.vecmat,
}
"""Names that NumPy 2.0 lacks: of the Array API standard, and products of stacks with vectors."""

_mirror = Mirror(np, globals(), _CONSTANTS)


def __getattr__(name: str) -> Any:
    return _mirror.get(name) if hasattr(np, name) or name not in _LATER else _LATER[name]


def __dir__() -> list[str]:
    return __all__


def __array_namespace_info__() -> Any:
    """Return what the Array API standard lets a program ask: devices, dtypes and capabilities, which are NumPy's."""
    return np.__array_namespace_info__()


__all__ = sorted({*_mirror.names(), *_LATER, "fft", "linalg", "random"})  # type: ignore[reportUnsupportedDunderAll]

Value.namespace = sys.modules[__name__]

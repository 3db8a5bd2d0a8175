"""Elementwise functions that are made of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import dtype
from ..numpy_protocol import implements
from .creation import asarray

__all__ = ["astype", "divmod", "float_power", "modf"]


@implements(getattr(np, "astype", None))
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Converted to a dtype; differentiable between floating point types."""
    return x.astype(dtype)


@implements(np.divmod)
def divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    """The largest integer not above x1 / x2, and what is left."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@implements(np.float_power)
def float_power(x1: Any, x2: Any) -> Any:
    """Power in float64, or complex128, whatever the operands' dtypes are."""
    wanted = "complex128" if "c" in (dtype(x1).kind, dtype(x2).kind) else "float64"
    return np.power(*(x if dtype(x) == wanted else asarray(x).astype(wanted) for x in (x1, x2)))


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """The fractional part, with derivative 1, and the integral part, with derivative 0."""
    whole, infinite = np.trunc(x), np.isinf(x)
    finite = np.where(infinite, np.copysign(0.0, x), x)
    return finite - np.where(infinite, 0.0, whole), whole

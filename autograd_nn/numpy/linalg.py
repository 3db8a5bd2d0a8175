"""Linear algebra, differentiable: the names and signatures of `numpy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import matrix as _matrix  # noqa: F401  (enters its functions)
from .mirror import Mirror

_mirror = Mirror(np.linalg, globals(), ("LinAlgError",))


def __getattr__(name: str) -> Any:
    return _mirror.get(name)


def __dir__() -> list[str]:
    return __all__


__all__ = _mirror.names()  # type: ignore[reportUnsupportedDunderAll]

"""Fourier transforms, differentiable: the names and signatures of `numpy.fft`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mirror import Mirror

_mirror = Mirror(np.fft, globals(), ("fftfreq", "rfftfreq"))


def __getattr__(name: str) -> Any:
    return _mirror.get(name)


def __dir__() -> list[str]:
    return __all__


__all__ = _mirror.names()  # type: ignore[reportUnsupportedDunderAll]
